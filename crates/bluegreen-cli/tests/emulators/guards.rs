//! What must never be done to the active stack, nor while it is not known which that is.

use crate::shop::Shop;

/// The steps that destroy something.
const DESTROYING: [&str; 4] = ["aurora.stop", "aurora.delete", "sqs.purge", "dynamodb.delete"];

/// The steps that turn something off.
const DISABLING: [&str; 6] = [
    "sns.disable",
    "lambda.disable-rules",
    "lambda.disable-mappings",
    "ecs.disable",
    "kinesis.deregister",
    "cloudwatch.disable-alarms",
];

/// Makes a shop that has each of these steps.
async fn shop(test: &str) -> Shop {
    let mut shop = Shop::full(test).await;
    shop.add_clusters("carts", "retire = \"delete\"").await;
    shop.add_tables("carts", "retire = \"delete\"").await;
    shop
}

/// Checks that each step on each of `stacks` is refused, and that nothing has changed then.
async fn are_refused(shop: &Shop, stacks: &[&str], because: &str) {
    let before = shop.look().await;
    for step in DESTROYING.into_iter().chain(DISABLING) {
        for stack in stacks {
            let run = shop.bluegreen(&["step", step, "--stack", stack, "--json"]).await;
            assert_eq!(run.code, 3, "{step} on {stack}: {run:?}");
            assert_eq!(run.json()["outcome"], "refused");
            assert!(run.stderr.contains(because), "{step} on {stack}: {run:?}");
        }
    }
    assert_eq!(shop.look().await, before);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn nothing_is_destroyed_or_turned_off_on_the_active_stack() {
    let shop = shop("guard-active").await;
    shop.adopt().await;

    are_refused(&shop, &["a"], "on a, which is the active stack").await;
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn nothing_is_destroyed_or_turned_off_without_a_store() {
    let shop = shop("guard-store").await;
    shop.write_file("0s");

    are_refused(&shop, &["a", "b"], "`bluegreen adopt --active a`").await;

    let before = shop.look().await;
    for arguments in [["deploy", "--to", "b"], ["prepare", "--to", "b"]] {
        shop.bluegreen(&arguments).await.ended_with(3);
    }
    assert_eq!(shop.look().await, before);
    assert!(!shop.path().join(".bluegreen").exists());
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn nothing_is_destroyed_or_turned_off_while_traffic_is_elsewhere() {
    let mut shop = shop("guard-traffic").await;
    shop.serve_traffic();
    shop.adopt().await;

    for traffic in ["mixed", "b"] {
        shop.set_traffic(traffic);
        are_refused(&shop, &["a", "b"], "the pointer says that a is active, while traffic is")
            .await;
    }
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_release_does_not_begin_while_traffic_is_elsewhere() {
    let mut shop = Shop::new("guard-release").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.add_clusters("orders", "").await;
    shop.serve_traffic();
    shop.adopt().await;

    for traffic in ["mixed", "b"] {
        shop.set_traffic(traffic);
        let before = shop.look().await;
        let run = shop.bluegreen(&["deploy", "--to", "b", "--json"]).await;
        assert_eq!(run.code, 3, "{run:?}");
        assert_eq!(shop.look().await, before);
    }
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn traffic_elsewhere_cannot_be_adopted_away() {
    let mut shop = Shop::new("guard-adopt").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.serve_traffic();
    shop.adopt().await;
    shop.set_traffic("b");

    let wrong = shop.bluegreen(&["adopt", "--active", "a", "--yes"]).await;
    let truth =
        shop.bluegreen(&["adopt", "--active", "b", "--yes", "--reason", "moved by hand"]).await;
    let purge = shop.bluegreen(&["step", "sqs.purge", "--stack", "a"]).await;

    assert_eq!(wrong.code, 3, "{wrong:?}");
    assert_eq!(truth.code, 0, "{truth:?}");
    assert_eq!(purge.code, 0, "{purge:?}");
    assert_eq!(shop.look().await["queue ingest-a"], "0");
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_queue_of_a_standby_at_work_is_not_purged() {
    let mut shop = Shop::new("guard-idle").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.add_services("worker").await;
    shop.adopt().await;
    let service = shop.of("worker", bluegreen_core::StackReference::B);
    let update = shop.account.services.update_service().cluster(&shop.name).service(service);
    update.desired_count(1).send().await.unwrap();
    let before = shop.look().await;

    let run = shop.bluegreen(&["step", "sqs.purge", "--stack", "b", "--json"]).await;

    assert_eq!(run.code, 3, "{run:?}");
    assert!(
        run.stderr.contains("`bluegreen step ecs.disable --stack b --resource worker`"),
        "{run:?}"
    );
    assert_eq!(shop.look().await, before);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_store_is_made_only_when_somebody_has_said_yes() {
    let mut shop = Shop::new("guard-yes").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.write_file("0s");

    let run = shop.bluegreen(&["adopt", "--active", "a"]).await;

    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("--yes"), "{run:?}");
    // The evidence is shown first.
    assert!(run.stdout.contains("2 messages, 1 dead letter"), "{run:?}");
    assert!(!shop.path().join(".bluegreen").exists());
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_plan_needs_no_store_but_says_what_it_supposes() {
    let mut shop = Shop::new("guard-plan").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.write_file("0s");

    let run = shop.bluegreen(&["plan", "--to", "b", "--json"]).await;
    let vague = shop.bluegreen(&["plan", "--json"]).await;

    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("takes a for the active stack"), "{run:?}");
    assert_eq!((&run.json()["outcome"], &run.json()["active"]), (&"planned".into(), &"a".into()));
    assert_eq!(vague.code, 2, "{vague:?}");
    assert!(!shop.path().join(".bluegreen").exists());
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn credentials_of_another_account_are_refused() {
    let mut shop = Shop::new("guard-account").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.adopt().await;
    let file = std::fs::read_to_string(shop.file()).unwrap();
    std::fs::write(shop.file(), format!("account-id = \"210987654321\"\n{file}")).unwrap();
    let before = shop.look().await;

    let run = shop.bluegreen(&["deploy", "--to", "b", "--json"]).await;

    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("210987654321") && run.stderr.contains("123456789012"), "{run:?}");
    assert_eq!(shop.look().await, before);
}
