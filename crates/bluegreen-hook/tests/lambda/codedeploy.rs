//! Releases that deployments of CodeDeploy drive.

use std::{collections::BTreeSet, time::Duration};

use bluegreen_core::StackReference;
use bluegreen_deploy::Outcome;
use serde_json::json;

use crate::{
    deployments::HOOKS,
    emulator::Answer,
    events::event,
    shop::{Mover, Shop},
    stage::Stage,
};

fn shop() -> Shop {
    Shop::new(Mover::CodeDeploy)
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_deployment_bound_to_the_standby_is_a_whole_release() {
    let stage = Stage::new(shop()).await;

    let deployment = stage.deploy("web", Some("b")).await;
    let ended = stage.end_of(&deployment).await;
    let events = stage.lifecycle_events(&deployment).await;
    let ending = stage.ending().await;

    assert_eq!(ended, "Succeeded", "{events:?}");
    for hook in HOOKS {
        assert!(events.contains(&format!("{hook} Succeeded")), "{events:?}");
    }
    assert_eq!(ending, Outcome::Done);
    assert_eq!(stage.active().await, StackReference::B);
    let world = stage.look().await;
    assert_eq!(world["orders-a"], "stopped", "{world:?}");
    assert_eq!(world["orders-b"], "available", "{world:?}");
    assert_eq!(world["worker-a"], "0 wanted", "{world:?}");
    assert_eq!(world["worker-b"], "2 wanted", "{world:?}");
    assert_eq!(world["shop-a-errors"], "off", "{world:?}");
    assert_eq!(world["shop-b-errors"], "on", "{world:?}");
    assert_eq!(stage.releases().await.len(), 1);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn nothing_is_retired_before_the_deployment_of_codedeploy_has_ended() {
    let stage = Stage::new(shop()).await;

    let deployment = stage.deploy("web", Some("b")).await;
    let ended = stage.end_of(&deployment).await;

    // The hooks are done, and nobody has called the reconciler yet.
    let world = stage.look().await;
    assert_eq!(ended, "Succeeded");
    assert_eq!(world["orders-a"], "available", "{world:?}");
    assert_eq!(world["worker-a"], "2 wanted", "{world:?}");
    assert!(stage.open_release().await.is_some());
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_test_that_fails_fails_the_deployment_and_the_stack_is_taken_back() {
    let stage = Stage::new(shop()).await;
    let before = stage.look().await;
    stage.shop.fire(&stage.sdk, "b").await;

    let deployment = stage.deploy("web", Some("b")).await;
    let ended = stage.end_of(&deployment).await;
    let events = stage.lifecycle_events(&deployment).await;
    let ending = stage.ending().await;

    assert_eq!(ended, "Failed", "{events:?}");
    assert!(events.contains(&"AfterAllowTestTraffic Failed".to_owned()), "{events:?}");
    assert_eq!(ending, Outcome::TakenBack);
    assert_eq!(stage.look().await, before);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn the_rollback_that_codedeploy_makes_by_itself_opens_no_release() {
    let stage = Stage::new(shop()).await;
    stage.shop.fire(&stage.sdk, "b").await;

    let deployment = stage.deploy("web", Some("b")).await;
    stage.end_of(&deployment).await;
    let rollback = stage.rollback_of(&deployment).await;
    stage.end_of(&rollback).await;
    stage.ending().await;
    stage.reconcile().await;

    assert_eq!(stage.releases().await.len(), 1);
    assert_eq!(stage.active().await, StackReference::A);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_hotfix_on_the_active_stack_changes_nothing() {
    let stage = Stage::new(shop()).await;
    let before = stage.look().await;

    let deployment = stage.deploy("web", Some("a")).await;
    let ended = stage.end_of(&deployment).await;
    stage.reconcile().await;

    assert_eq!(ended, "Succeeded");
    assert_eq!(stage.look().await, before);
    assert_eq!(stage.releases().await.len(), 0);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_deployment_that_is_bound_to_no_stack_is_refused_at_its_first_hook() {
    let stage = Stage::new(shop()).await;
    let before = stage.look().await;

    let deployment = stage.deploy("web", None).await;
    let ended = stage.end_of(&deployment).await;
    let events = stage.lifecycle_events(&deployment).await;

    assert_eq!(ended, "Failed");
    assert!(events.contains(&"BeforeInstall Failed".to_owned()), "{events:?}");
    assert_eq!(stage.look().await, before);
    assert_eq!(stage.releases().await.len(), 0);
    let said = stage.logs().iter().any(|it| it.to_string().contains("STACK"));
    assert!(said, "the log names the variable that is missing");
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_prepare_that_needs_four_hand_overs_goes_on_until_it_is_done() {
    let shop = shop().prepares_for(Duration::from_secs(12), Duration::from_secs(3));
    let stage = Stage::new(shop).await;

    let deployment = stage.deploy("web", Some("b")).await;
    let ended = stage.end_of(&deployment).await;

    assert_eq!(ended, "Succeeded", "{:?}", stage.lifecycle_events(&deployment).await);
    assert_eq!(stage.active().await, StackReference::B);
    // Each invocation has an id of its own, by which its lines can be told from the others'.
    let ids: BTreeSet<_> = stage.request_ids("sqs.purge").into_iter().collect();
    assert!(ids.len() >= 4, "{ids:?}");
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn an_event_of_a_hook_that_has_reported_does_nothing_when_it_comes_again() {
    let stage = Stage::new(shop()).await;
    let deployment = stage.deploy("web", Some("b")).await;
    stage.end_of(&deployment).await;
    stage.ending().await;
    let before = stage.look().await;

    let late = json!({ "DeploymentId": deployment, "LifecycleEventHookExecutionId": "eyJsYXRlIjp0cnVlfQ==" });
    let answer = stage.emulator.invoke(&late).await;

    assert!(matches!(answer, Answer::Returned(_)), "{answer:?}");
    assert_eq!(stage.look().await, before);
    assert_eq!(stage.releases().await.len(), 1);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn an_unknown_event_is_an_error_that_tells_its_fields_and_not_their_values() {
    let stage = Stage::new(shop()).await;

    let answer = stage.emulator.invoke(&event("unknown")).await;

    let Answer::Failed(message) = answer else { panic!("{answer:?}") };
    assert!(message.contains("`password`") && !message.contains("swordfish"), "{message}");
    let logs = stage.logs();
    assert!(!logs.iter().any(|it| it.to_string().contains("swordfish")), "{logs:?}");
}
