//! Releases that deployments drive which ECS runs itself.

use bluegreen_core::StackReference;
use bluegreen_deploy::Outcome;
use serde_json::json;

use crate::{
    emulator::Answer,
    events::event,
    shop::{Mover, Shop},
    stage::Stage,
};

fn shop() -> Shop {
    Shop::new(Mover::Ecs)
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_deployment_bound_to_the_standby_is_a_whole_release() {
    let stage = Stage::new(shop()).await;

    let deployment = stage.update("web", Some("b")).await;
    let ended = stage.end_of_update(&deployment).await;
    let ending = stage.ending().await;

    assert_eq!(ended, "SUCCESSFUL");
    assert_eq!(ending, Outcome::Done);
    let world = stage.look().await;
    assert_eq!(world["active"], "b", "{world:?}");
    assert_eq!(world["orders-a"], "stopped", "{world:?}");
    assert_eq!(world["worker-b"], "2 wanted", "{world:?}");
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn creating_a_service_succeeds_and_opens_no_release() {
    // The stage waits for nothing that its service does: it has been created, hooks included, before this.
    let stage = Stage::new(shop()).await;

    stage.reconcile().await;

    assert_eq!(stage.releases().await.len(), 0);
    assert_eq!(stage.active().await, StackReference::A);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_test_that_fails_rolls_the_deployment_back_and_the_stack_is_taken_back() {
    let stage = Stage::new(shop()).await;
    let before = stage.look().await;
    stage.shop.fire(&stage.sdk, "b").await;

    let deployment = stage.update("web", Some("b")).await;
    let ended = stage.end_of_update(&deployment).await;
    let ending = stage.ending().await;

    assert_eq!(ended, "ROLLBACK_SUCCESSFUL");
    assert_eq!(ending, Outcome::TakenBack);
    assert_eq!(stage.look().await, before);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn stages_that_ecs_repeats_to_roll_back_succeed_and_nothing_moves_forward() {
    let stage = Stage::new(shop()).await;
    let before = stage.look().await;
    stage.shop.fire(&stage.sdk, "b").await;

    let deployment = stage.update("web", Some("b")).await;
    stage.end_of_update(&deployment).await;
    stage.ending().await;
    let again = stage.emulator.invoke(&event("ecs-production-traffic-shift-rolling-back")).await;

    let Answer::Returned(answer) = again else { panic!("{again:?}") };
    assert_eq!(answer["hookStatus"], "SUCCEEDED");
    assert_eq!(stage.look().await, before);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_person_who_stops_the_deployment_has_the_stack_taken_back() {
    let stage = Stage::new(
        shop().prepares_for(std::time::Duration::from_secs(20), std::time::Duration::from_secs(2)),
    )
    .await;
    let before = stage.look().await;

    let deployment = stage.update("web", Some("b")).await;
    stage.opened().await;
    stage.roll_back(&deployment).await;
    let ended = stage.end_of_update(&deployment).await;
    let ending = stage.ending().await;

    assert_eq!(ended, "ROLLBACK_SUCCESSFUL");
    assert_eq!(ending, Outcome::TakenBack);
    assert_eq!(stage.look().await, before);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_prepare_that_takes_long_answers_in_progress_until_it_is_done() {
    let shop =
        shop().prepares_for(std::time::Duration::from_secs(10), std::time::Duration::from_secs(2));
    let stage = Stage::new(shop).await;

    let deployment = stage.update("web", Some("b")).await;
    let ended = stage.end_of_update(&deployment).await;

    assert_eq!(ended, "SUCCESSFUL");
    assert_eq!(stage.active().await, StackReference::B);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_hotfix_on_the_active_stack_changes_nothing() {
    let stage = Stage::new(shop()).await;
    let before = stage.look().await;

    let deployment = stage.update("web", Some("a")).await;
    let ended = stage.end_of_update(&deployment).await;
    stage.reconcile().await;

    assert_eq!(ended, "SUCCESSFUL");
    assert_eq!(stage.look().await, before);
    assert_eq!(stage.releases().await.len(), 0);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn the_event_of_a_service_that_nobody_knows_fails_with_its_name() {
    let stage = Stage::new(shop()).await;
    let mut event = event("ecs-pre-scale-up");
    event["executionDetails"]["serviceArn"] =
        json!("arn:aws:ecs:eu-west-1:123456789012:service/shop/unheard-of");

    let answer = stage.emulator.invoke(&event).await;

    let said = match &answer {
        Answer::Failed(message) => message.clone(),
        Answer::Returned(returned) => returned.to_string() + &format!("{:?}", stage.logs()),
    };
    assert!(said.contains("unheard-of"), "{said}");
    let failed = matches!(&answer, Answer::Returned(it) if it["hookStatus"] == "FAILED");
    assert!(failed || matches!(answer, Answer::Failed(_)), "{answer:?}");
}
