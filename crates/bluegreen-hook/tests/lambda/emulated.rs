//! Whole releases against the emulators that other people wrote: what the account plays here are the platforms alone, so
//! that the function speaks to RDS, SQS, SNS, Lambda, EventBridge, CloudWatch and DynamoDB as others understand them.

use std::time::Duration;

use bluegreen_core::StackReference;
use bluegreen_deploy::Outcome;

use crate::{
    shop::{Mover, Shop},
    stage::Stage,
};

/// A shop with everything that emulators have.
fn shop(mover: Mover) -> Shop {
    Shop::new(mover).with_messages()
}

/// Checks that everything has changed sides.
async fn assert_moved(stage: &Stage) {
    let world = stage.look().await;
    let of = |name: &str| world.get(name).map(String::as_str);
    assert_eq!(of("active"), Some("b"), "{world:#?}");
    assert_eq!(
        [of("orders-a"), of("orders-b")],
        [Some("stopped"), Some("available")],
        "{world:#?}"
    );
    for (stack, state) in [("a", "off"), ("b", "on")] {
        for name in ["mapping of ingest", "rule of ingest", "messages for ingest"] {
            assert_eq!(of(&format!("{name}-{stack}")), Some(state), "{name}-{stack}: {world:#?}");
        }
        assert_eq!(of(&format!("shop-{stack}-errors")), Some(state), "{world:#?}");
    }
}

#[tokio::test]
#[ignore = "needs the programs and the emulators: cargo xtask test"]
async fn a_deployment_of_codedeploy_that_hands_its_prepare_over_is_a_whole_release() {
    let shop = shop(Mover::CodeDeploy);
    let shop = shop.prepares_for(Duration::from_secs(12), Duration::from_secs(6));
    let stage = Stage::emulated(shop).await;

    let deployment = stage.deploy("web", Some("b")).await;
    let ended = stage.end_of(&deployment).await;
    let ending = stage.ending().await;

    assert_eq!(ended, "Succeeded", "{:?}", stage.lifecycle_events(&deployment).await);
    assert_eq!(ending, Outcome::Done);
    assert!(!stage.request_ids("handed over to another invocation").is_empty());
    assert_moved(&stage).await;
}

#[tokio::test]
#[ignore = "needs the programs and the emulators: cargo xtask test"]
async fn a_deployment_of_codedeploy_whose_test_fails_leaves_everything_as_it_was() {
    let stage = Stage::emulated(shop(Mover::CodeDeploy)).await;
    let before = stage.look().await;
    stage.shop.fire(&stage.sdk, "b").await;

    let deployment = stage.deploy("web", Some("b")).await;
    let ended = stage.end_of(&deployment).await;
    let ending = stage.ending().await;

    assert_eq!((ended.as_str(), ending), ("Failed", Outcome::TakenBack));
    assert_eq!(stage.look().await, before);
}

#[tokio::test]
#[ignore = "needs the programs and the emulators: cargo xtask test"]
async fn a_deployment_of_ecs_is_a_whole_release() {
    let stage = Stage::emulated(shop(Mover::Ecs)).await;

    let deployment = stage.update("web", Some("b")).await;
    let ended = stage.end_of_update(&deployment).await;
    let promoted = stage.active().await;
    let ending = stage.ending().await;

    assert_eq!((ended.as_str(), promoted), ("SUCCESSFUL", StackReference::B));
    assert_eq!(ending, Outcome::Done);
    assert_moved(&stage).await;
}

#[tokio::test]
#[ignore = "needs the programs and the emulators: cargo xtask test"]
async fn a_deployment_that_ecs_rolls_back_leaves_everything_as_it_was() {
    let stage = Stage::emulated(shop(Mover::Ecs)).await;
    let before = stage.look().await;
    stage.shop.fire(&stage.sdk, "b").await;

    let deployment = stage.update("web", Some("b")).await;
    let ended = stage.end_of_update(&deployment).await;
    let ending = stage.ending().await;

    assert_eq!((ended.as_str(), ending), ("ROLLBACK_SUCCESSFUL", Outcome::TakenBack));
    assert_eq!(stage.look().await, before);
}
