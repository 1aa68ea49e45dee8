//! What only the regular call sees: events that were lost, invocations that died, people who stop deployments.

use std::time::Duration;

use bluegreen_core::StackReference;
use bluegreen_deploy::{Outcome, Phase};

use crate::{
    emulator::Answer,
    events::event,
    shop::{Mover, Shop},
    stage::Stage,
};

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn without_an_open_release_the_regular_call_does_nothing() {
    let stage = Stage::new(Shop::new(Mover::CodeDeploy)).await;
    let before = stage.look().await;

    let answers = [
        stage.reconcile().await,
        stage.emulator.invoke(&event("eventbridge-schedule")).await,
        stage.emulator.invoke(&event("eventbridge-codedeploy")).await,
        stage.emulator.invoke(&event("eventbridge-ecs")).await,
    ];

    let told = |it: &Answer| matches!(it, Answer::Returned(it) if it["reconciled"].is_string());
    assert!(answers.iter().all(told), "{answers:?}");
    assert_eq!(stage.look().await, before);
    assert_eq!(stage.releases().await.len(), 0);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn the_end_of_a_deployment_that_no_event_has_told_of_is_found() {
    let stage = Stage::new(Shop::new(Mover::CodeDeploy)).await;
    stage.bluegreen(&["prepare", "--to", "b"]).await;
    let deployment = stage.deploy("web", Some("b")).await;
    stage.end_of(&deployment).await;

    // Nobody has sent an event of EventBridge: the regular call alone ends it.
    let ending = stage.ending().await;

    assert_eq!(ending, Outcome::Done);
    assert_eq!(stage.active().await, StackReference::B);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_deployment_that_was_stopped_is_taken_back_by_the_regular_call() {
    let shop =
        Shop::new(Mover::CodeDeploy).prepares_for(Duration::from_secs(30), Duration::from_secs(2));
    let stage = Stage::new(shop).await;
    let before = stage.look().await;

    let deployment = stage.deploy("web", Some("b")).await;
    stage.opened().await;
    stage.stop(&deployment, false).await;
    let ended = stage.end_of(&deployment).await;
    let ending = stage.ending().await;

    assert_eq!(ended, "Stopped");
    assert_eq!(ending, Outcome::TakenBack);
    assert_eq!(stage.look().await, before);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_function_that_died_at_work_leaves_a_release_that_the_regular_call_goes_on_with() {
    let shop =
        Shop::new(Mover::CodeDeploy).prepares_for(Duration::from_secs(6), Duration::from_secs(20));
    let mut stage = Stage::new(shop).await;

    let deployment = stage.deploy("web", Some("b")).await;
    stage.opened().await;
    stage.emulator.kill_functions().await;
    stage.start_functions(2);
    // The lease of the dead one ends after three seconds.
    let prepared = stage
        .reconcile_until("the end of prepare", async || {
            let release = stage.releases().await.pop()?;
            release.phases.contains_key(&Phase::Prepare).then_some(release)
        })
        .await;

    assert_eq!(prepared.target, StackReference::B);
    assert_eq!(stage.releases().await.len(), 1);
    // CodeDeploy's own hook may have been lost with it: what it waits for is reported all the same, or its hour ends.
    let status = stage.status(&deployment).await;
    assert!(["InProgress", "Succeeded"].contains(&status.as_str()), "{status}");
}
