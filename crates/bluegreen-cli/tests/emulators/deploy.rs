//! `bluegreen deploy` from a to b and back.

use serde_json::Value;

use crate::{
    shop::{BLOCKED, FILTER, Shop},
    world::{World, mirrored},
};

fn queues(world: &World) -> Vec<(&str, &str)> {
    let queues = world.iter().filter_map(|(what, is)| Some((what.strip_prefix("queue ")?, &**is)));
    queues.collect()
}

/// Returns the steps of a report whose state is `state`.
fn in_state<'a>(report: &'a Value, state: &str) -> Vec<&'a str> {
    let steps = report["steps"].as_array().unwrap().iter();
    steps.filter(|it| it["state"] == state).map(|it| it["id"].as_str().unwrap()).collect()
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_shop_goes_to_b_and_back_and_is_there_already_the_third_time() {
    let mut shop = Shop::full("there-and-back").await;
    shop.serve_traffic();
    shop.adopt().await;
    let before = shop.look_at_switches().await;

    let there = shop.bluegreen(&["deploy", "--to", "b", "--json"]).await.ended_with(0);
    let on_b = shop.look().await;
    let switches_on_b = shop.look_at_switches().await;
    let back = shop.bluegreen(&["deploy", "--to", "a", "--json"]).await.ended_with(0);
    let on_a = shop.look().await;
    let third = shop.bluegreen(&["deploy", "--to", "a", "--json"]).await.ended_with(0);

    let (there, back, third) = (there.json(), back.json(), third.json());
    assert_eq!((&there["outcome"], &there["active"]), (&"done".into(), &"b".into()));
    assert_eq!(in_state(&there, "failed"), Vec::<&str>::new());
    assert!(in_state(&there, "changed").contains(&"aurora.scale-out"), "{there:#}");
    assert_eq!(switches_on_b, mirrored(&before));
    assert_eq!(on_b["subscription of ingest-b"], FILTER);
    assert_eq!(on_b["subscription of ingest-a"], BLOCKED);
    assert_eq!(on_b["traffic"], "b");
    // The old dead letters are kept, and queues of work are never purged.
    assert_eq!(
        queues(&on_b),
        [
            ("ingest-a", "0"),
            ("ingest-b", "0"),
            ("ingest-dlq-a", "1"),
            ("ingest-dlq-b", "0"),
            ("mail-a", "0"),
            ("mail-b", "0"),
            ("mail-dlq-a", "1"),
            ("mail-dlq-b", "1"),
        ]
    );

    assert_eq!((&back["outcome"], &back["active"]), (&"done".into(), &"a".into()));
    assert_eq!(shop.look_at_switches().await, before);
    assert_eq!(on_a["traffic"], "a");

    assert_eq!(third["outcome"], "already-there");
    assert_eq!(third["steps"], Value::Array(Vec::new()));
    assert_eq!(shop.look().await, on_a);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn the_phases_one_by_one_end_where_deploy_does() {
    let mut shop = Shop::new("by-phases").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.add_subscriptions("catalogue", "ingest").await;
    shop.add_functions("ingest", "mappings = \"mirror\"\nrules = \"mirror\"").await;
    shop.add_services("worker").await;
    shop.adopt().await;
    let before = shop.look_at_switches().await;

    let too_early = shop.bluegreen(&["retire"]).await;
    let prepared = shop.bluegreen(&["prepare", "--to", "b", "--json"]).await.ended_with(0);
    let fed = shop.look_at_switches().await;
    let promoted = shop.bluegreen(&["promote", "--json"]).await.ended_with(0);
    let retired = shop.bluegreen(&["retire", "--json"]).await.ended_with(0);

    assert_eq!(too_early.code, 3, "{too_early:?}");
    assert_eq!(
        (&prepared.json()["active"], &promoted.json()["active"]),
        (&"a".into(), &"b".into())
    );
    // Both are fed and at work.
    assert_eq!(fed["subscription of ingest-a"], fed["subscription of ingest-b"]);
    assert_eq!(fed["mapping ingest-a ingest-a"], fed["mapping ingest-b ingest-b"]);
    assert_eq!(fed["service worker-a"], fed["service worker-b"]);
    assert_eq!(retired.json()["outcome"], "done");
    assert_eq!(shop.look_at_switches().await, mirrored(&before));
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn without_a_word_about_traffic_a_deployment_ends_before_production_moves() {
    let mut shop = Shop::new("no-traffic").await;
    shop.add_services("worker").await;
    shop.say_nothing_about_traffic();
    shop.adopt().await;

    let run = shop.bluegreen(&["deploy", "--to", "b", "--json"]).await.ended_with(0);

    assert_eq!((&run.json()["outcome"], &run.json()["active"]), (&"done".into(), &"a".into()));
    let world = shop.look().await;
    assert_eq!(world["service worker-a"], world["service worker-b"]);
}
