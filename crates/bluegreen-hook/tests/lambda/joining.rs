//! Several services, whose deployments join one release.

use bluegreen_core::StackReference;
use bluegreen_deploy::Outcome;

use crate::{
    shop::{Mover, Shop},
    stage::Stage,
};

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn two_services_of_codedeploy_join_one_release_and_the_pointer_moves_with_the_second() {
    let stage = Stage::new(Shop::new(Mover::CodeDeploy).with_service("api")).await;

    let first = stage.deploy("web", Some("b")).await;
    let ended_first = stage.end_of(&first).await;
    let after_first = stage.active().await;
    let second = stage.deploy("api", Some("b")).await;
    let ended_second = stage.end_of(&second).await;
    let ending = stage.ending().await;

    assert_eq!([ended_first, ended_second], ["Succeeded", "Succeeded"]);
    assert_eq!(after_first, StackReference::A, "one of two services has moved");
    assert_eq!(stage.active().await, StackReference::B);
    assert_eq!(ending, Outcome::Done);
    assert_eq!(stage.releases().await.len(), 1);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn two_services_that_are_deployed_at_once_join_one_release() {
    let stage = Stage::new(Shop::new(Mover::CodeDeploy).with_service("api")).await;

    let (first, second) =
        tokio::join!(stage.deploy("web", Some("b")), stage.deploy("api", Some("b")));
    let ended = [stage.end_of(&first).await, stage.end_of(&second).await];
    let ending = stage.ending().await;

    assert_eq!(ended, ["Succeeded", "Succeeded"]);
    assert_eq!(ending, Outcome::Done);
    assert_eq!(stage.active().await, StackReference::B);
    assert_eq!(stage.releases().await.len(), 1);
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn two_services_of_ecs_join_one_release() {
    let stage = Stage::new(Shop::new(Mover::Ecs).with_service("api")).await;

    let first = stage.update("web", Some("b")).await;
    let ended_first = stage.end_of_update(&first).await;
    let second = stage.update("api", Some("b")).await;
    let ended_second = stage.end_of_update(&second).await;
    let ending = stage.ending().await;

    assert_eq!([ended_first, ended_second], ["SUCCESSFUL", "SUCCESSFUL"]);
    assert_eq!(ending, Outcome::Done);
    assert_eq!(stage.active().await, StackReference::B);
    assert_eq!(stage.releases().await.len(), 1);
}
