//! What RDS does by itself, and tells through a topic.

use std::time::Duration;

use aws_sdk_rds::Client;

use crate::{
    emulator::Answer,
    events::event,
    shop::{Mover, Shop},
    stage::{Stage, eventually},
};

impl Stage {
    /// Starts a cluster, as AWS does after seven days.
    async fn start_cluster(&self, name: &str) {
        let clusters = Client::new(&self.sdk);
        clusters.start_db_cluster().db_cluster_identifier(name).send().await.unwrap();
        eventually("the start of the cluster", async || {
            (self.look().await[name] == "available").then_some(())
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_standby_that_aws_has_started_again_is_stopped_once_it_is_up() {
    let stage = Stage::new(Shop::new(Mover::CodeDeploy)).await;
    stage.start_cluster("orders-b").await;

    // The second record says that AWS starts it; the first is the plain text that AWS sends after subscribing.
    let answer = stage.emulator.invoke(&event("sns-rds")).await;
    let status = eventually("the stop of the cluster", async || {
        let status = stage.look().await["orders-b"].clone();
        (status != "available").then_some(status)
    })
    .await;

    assert!(matches!(answer, Answer::Returned(_)), "{answer:?}");
    assert!(["stopping", "stopped"].contains(&status.as_str()), "{status}");
    assert_eq!(stage.look().await["orders-a"], "available");
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_standby_that_a_person_has_started_is_left_alone() {
    let stage = Stage::new(Shop::new(Mover::CodeDeploy)).await;
    stage.start_cluster("orders-b").await;

    let answer = stage.emulator.invoke(&event("sns-rds-started")).await;

    assert!(matches!(answer, Answer::Returned(_)), "{answer:?}");
    assert_eq!(stage.look().await["orders-b"], "available");
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn the_cluster_of_the_active_stack_is_never_stopped() {
    let stage = Stage::new(Shop::new(Mover::CodeDeploy)).await;
    let mut event = event("sns-rds");
    let message = event["Records"][0]["Sns"]["Message"].as_str().unwrap();
    event["Records"][0]["Sns"]["Message"] = message.replace("orders-b", "orders-a").into();

    let answer = stage.emulator.invoke(&event).await;

    assert!(matches!(answer, Answer::Returned(_)), "{answer:?}");
    assert_eq!(stage.look().await["orders-a"], "available");
}

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_standby_that_a_release_has_started_is_left_alone() {
    let shop =
        Shop::new(Mover::CodeDeploy).prepares_for(Duration::from_secs(20), Duration::from_secs(30));
    let stage = Stage::new(shop).await;
    stage.deploy("web", Some("b")).await;
    eventually("the start of the standby", async || {
        (stage.look().await["orders-b"] == "available").then_some(())
    })
    .await;

    stage.emulator.invoke(&event("sns-rds")).await;

    assert_eq!(stage.look().await["orders-b"], "available");
    assert!(stage.open_release().await.is_some());
}
