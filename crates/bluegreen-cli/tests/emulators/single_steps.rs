//! `bluegreen step`.

use crate::shop::Shop;

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_standby_cluster_is_deleted_with_a_snapshot_and_deleting_it_again_is_fine() {
    let mut shop = Shop::new("step-cluster").await;
    shop.add_clusters("orders", "retire = \"delete\"").await;
    shop.adopt().await;
    let step = ["step", "aurora.delete", "--stack", "b", "--json"];

    let first = shop.bluegreen(&step).await.ended_with(0).json();
    let second = shop.bluegreen(&step).await.ended_with(0).json();

    assert_eq!(first["steps"][0]["state"], "changed", "{first:#}");
    assert_eq!(second["steps"][0]["state"], "done", "{second:#}");
    let world = shop.look().await;
    assert!(world["cluster orders-b"] == "missing", "{world:?}");
    assert!(world["cluster orders-a"].starts_with("available"), "{world:?}");
    let own = shop.of("orders", bluegreen_core::StackReference::B);
    let snapshots = shop.account.clusters.describe_db_cluster_snapshots();
    let snapshots = snapshots.db_cluster_identifier(own).snapshot_type("manual");
    let snapshots = snapshots.send().await.unwrap();
    assert_eq!(snapshots.db_cluster_snapshots().len(), 1);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_standby_table_is_deleted_and_deleting_it_again_is_fine() {
    let mut shop = Shop::new("step-table").await;
    shop.add_tables("sessions", "retire = \"delete\"").await;
    shop.adopt().await;
    let step = ["step", "dynamodb.delete", "--stack", "b", "--json"];

    let first = shop.bluegreen(&step).await.ended_with(0).json();
    let second = shop.bluegreen(&step).await.ended_with(0).json();

    assert_eq!(first["steps"][0]["state"], "changed", "{first:#}");
    assert_eq!(second["steps"][0]["state"], "done", "{second:#}");
    let world = shop.look().await;
    assert_eq!((&*world["table sessions-a"], &*world["table sessions-b"]), ("ACTIVE", "missing"));
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_step_acts_on_the_named_resource_only() {
    let mut shop = Shop::new("step-resource").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.add_queues("prices", "fan-out").await;
    shop.adopt().await;
    let step = ["step", "sqs.purge", "--stack", "b", "--resource", "prices", "--json"];

    let report = shop.bluegreen(&step).await.ended_with(0).json();

    assert_eq!(report["steps"].as_array().unwrap().len(), 1, "{report:#}");
    let world = shop.look().await;
    assert_eq!((&*world["queue ingest-b"], &*world["queue prices-b"]), ("3", "0"));
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_step_that_the_stack_file_does_not_have_is_a_failure_that_names_it() {
    let mut shop = Shop::new("step-unknown").await;
    shop.add_queues("mail", "work").await;
    shop.adopt().await;

    let run = shop.bluegreen(&["step", "sqs.purge", "--stack", "b", "--json"]).await;

    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("step `sqs.purge`"), "{run:?}");
}
