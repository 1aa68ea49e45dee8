//! What is no hook: events of RDS, the check, and what nobody knows.

use std::time::Duration;

use bluegreen_core::StackReference::{A, B};
use bluegreen_deploy::Outcome;
use bluegreen_sim::{Change, Event};
use serde_json::{Value, json};

use crate::shop::{BY_CODEDEPLOY, Shop};

/// An event of RDS as SNS hands it over, with another record before it that nobody can read.
fn of_rds(id: &str, cluster: &str) -> Value {
    let message = json!({
        "Event Source": "db-cluster",
        "Event Time": "2026-12-01 13:29:19.857",
        "Identifier Link": "https://console.aws.amazon.com/rds/home",
        "Source ID": cluster,
        "Source ARN": format!("arn:aws:rds:eu-west-1:123456789012:cluster:{cluster}"),
        "Event ID": format!("http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#{id}"),
        "Event Message": "DB cluster is being started due to it exceeding the maximum allowed time being stopped.",
    });
    let topic = "arn:aws:sns:eu-west-1:123456789012:rds";
    let record =
        |text: String| json!({ "Sns": { "TopicArn": topic, "MessageId": "1", "Message": text } });
    json!({ "Records": [record("This is a message to notify".to_owned()), record(message.to_string())] })
}

/// Makes a shop whose release to b has ended, so that the cluster of a is stopped.
async fn shop() -> Shop {
    let shop = Shop::new(BY_CODEDEPLOY).await.deployed_by_codedeploy(&["web"]).scheduled();
    let id = shop.deploy("web", B).await;
    shop.until_ended(&id).await;
    shop.until_over().await;
    assert_eq!(shop.cluster(A), "stopped");
    shop
}

fn restart(shop: &Shop, cluster: &str) {
    let change = Change::Restart(cluster.to_owned());
    shop.account.world(|world| world.schedule(Duration::ZERO, Event::Change(change)));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_aws_starts_after_seven_days_is_stopped_again_when_it_is_up() {
    let shop = shop().await;
    restart(&shop, "orders-a");
    shop.wait(Duration::from_secs(60)).await;

    shop.call(&of_rds("RDS-EVENT-0153", "orders-a")).await.unwrap();
    let early = shop.call(&of_rds("RDS-EVENT-0151", "orders-a")).await;
    assert!(early.is_err(), "it is not up, and nobody tells of it again: {early:?}");
    shop.wait(Duration::from_secs(3600)).await;
    shop.call(&of_rds("RDS-EVENT-0151", "orders-a")).await.unwrap();
    shop.wait(Duration::from_secs(3600)).await;

    assert_eq!(shop.cluster(A), "stopped");
    assert_eq!(shop.cluster(B), "available");
}

#[tokio::test(start_paused = true)]
async fn a_release_that_no_platform_takes_part_in_is_taken_back_when_its_time_is_over() {
    let shop = Shop::new("traffic = \"none\"\n").await;
    shop.prepare(B).await;

    let at_once = shop.reconcile().await;
    shop.wait(Duration::from_secs(4 * 3600)).await;
    let mut later = shop.reconcile().await;
    while shop.release().await.is_some() {
        assert!(later.contains("goes on at the next call"), "{later}");
        later = shop.reconcile().await;
    }

    assert!(at_once.contains("no deployment takes part"), "{at_once}");
    assert_eq!(shop.outcomes().await, [Some(Outcome::TakenBack)]);
    assert_eq!((shop.cluster(A).as_str(), shop.cluster(B).as_str()), ("available", "stopped"));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_somebody_has_started_is_left_as_it_is() {
    let shop = shop().await;
    restart(&shop, "orders-a");
    shop.wait(Duration::from_secs(3600)).await;

    shop.call(&of_rds("RDS-EVENT-0151", "orders-a")).await.unwrap();
    shop.wait(Duration::from_secs(3600)).await;

    assert_eq!(shop.cluster(A), "available");
}

#[tokio::test(start_paused = true)]
async fn the_cluster_of_the_active_stack_is_never_stopped_by_an_event() {
    let shop = shop().await;

    for id in ["RDS-EVENT-0153", "RDS-EVENT-0151"] {
        shop.call(&of_rds(id, "orders-b")).await.unwrap();
    }

    assert_eq!(shop.cluster(B), "available");
}

#[tokio::test(start_paused = true)]
async fn the_check_looks_at_everything_and_changes_nothing() {
    let shop = Shop::new(BY_CODEDEPLOY).await.deployed_by_codedeploy(&["web"]);
    let writes = |shop: &Shop| {
        ["PutItem", "TransactWriteItems", "UpdateItem", "StartDBCluster", "PurgeQueue"]
            .map(|it| shop.count(it))
    };
    let before = writes(&shop);

    let checked = shop.call(&json!({ "bluegreen": { "check": {} } })).await.unwrap();

    let problems = |what: &str| {
        let mut findings = checked["findings"].as_array().unwrap().iter();
        let found = findings.find(|it| it["what"] == what);
        found.map(|it| it["problems"].as_array().unwrap().clone())
    };
    assert_eq!(writes(&shop), before);
    for what in
        ["stack file", "store", "report", "hand-over", "deployment groups", "traffic", "resources"]
    {
        assert_eq!(problems(what), Some(Vec::new()), "{what}: {checked:#}");
    }
    let reconciler = problems("reconciler").unwrap();
    assert!(reconciler[0].as_str().unwrap().contains("nobody has called the reconciler yet"));
    assert_eq!(
        checked["deployment-groups"][0]["role"],
        "arn:aws:iam::123456789012:role/codedeploy"
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_that_nobody_knows_is_an_error_without_what_is_in_it() {
    let shop = Shop::new(BY_CODEDEPLOY).await;

    let err = shop.call(&json!({ "token": "swordfish" })).await.unwrap_err().to_string();

    assert!(err.contains("`token`") && !err.contains("swordfish"), "{err}");
}
