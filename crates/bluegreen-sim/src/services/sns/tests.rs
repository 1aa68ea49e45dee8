//! Subscriptions and their filter policies, rule by rule.

use super::*;
use crate::{Range, Settings, services::testing::call};

const BLOCKING: &str = r#"{"__bluegreen_blocked__":["never"]}"#;

fn world() -> (World, String, String) {
    let mut world = World::new(&Settings::default());
    let queue = world.add_queue("ingest-b");
    let topic = world.add_topic("catalogue");
    let subscription = world.add_subscription(&topic, &queue, None);
    (world, topic, subscription)
}

fn set(world: &mut World, arn: &str, value: &str) -> Answer {
    let parameters = json!({
        "SubscriptionArn": arn, "AttributeName": "FilterPolicy", "AttributeValue": value,
    });
    answer(world, &call("sns", "SetSubscriptionAttributes", parameters))
}

fn shown(world: &mut World, arn: &str) -> Value {
    let parameters = json!({ "SubscriptionArn": arn });
    answer(world, &call("sns", "GetSubscriptionAttributes", parameters)).unwrap()["Attributes"]
        .clone()
}

#[test]
fn a_policy_that_was_set_works_little_by_little_and_then_fully() {
    let (mut world, topic, arn) = world();
    world.times.filter = Range::seconds(900, 900);
    let publish_some = |world: &mut World| {
        let before = world.sqs.queue("ingest-b").unwrap().len();
        for _ in 0..100 {
            publish(world, &topic, &BTreeMap::new());
        }
        world.sqs.queue("ingest-b").unwrap().len() - before
    };

    set(&mut world, &arn, BLOCKING).unwrap();
    let at_once = publish_some(&mut world);
    world.advance(Duration::from_secs(450));
    let half_way = publish_some(&mut world);
    world.advance(Duration::from_secs(900));
    let later = publish_some(&mut world);

    assert_eq!((at_once, later), (100, 0));
    assert!((20..80).contains(&half_way), "{half_way}");
}

#[test]
fn a_blocked_message_is_in_the_ledger_as_filtered() {
    let (mut world, topic, arn) = world();
    world.times.filter = Range::seconds(0, 0);
    set(&mut world, &arn, BLOCKING).unwrap();

    publish(&mut world, &topic, &BTreeMap::new());

    let (_, message) = world.ledger.messages().next().unwrap();
    assert_eq!(message.copies.values().map(|it| it.fate).collect::<Vec<_>>(), [Fate::Filtered]);
}

#[test]
fn a_policy_that_aws_refuses_leaves_the_old_one() {
    let (mut world, _, arn) = world();
    set(&mut world, &arn, BLOCKING).unwrap();
    world.advance(Duration::from_secs(60));

    let refusal = set(&mut world, &arn, r#"{"bypassBlacklist":true}"#).unwrap_err();

    assert_eq!((refusal.status, refusal.code.as_str()), (400, "InvalidParameter"));
    assert_eq!(shown(&mut world, &arn)["FilterPolicy"], BLOCKING);
}

#[test]
fn an_empty_policy_removes_it_and_its_scope_from_sight() {
    let (mut world, _, arn) = world();
    set(&mut world, &arn, BLOCKING).unwrap();

    set(&mut world, &arn, "{}").unwrap();
    world.advance(Duration::from_secs(60));

    let shown = shown(&mut world, &arn);
    assert!(shown.get("FilterPolicy").is_none() && shown.get("FilterPolicyScope").is_none());
}

#[test]
fn a_hundred_subscriptions_are_on_a_page() {
    let (mut world, topic, _) = world();
    for number in 0..150 {
        let queue = world.add_queue(&format!("queue-{number}"));
        world.add_subscription(&topic, &queue, None);
    }
    let page = |world: &mut World, token: Value| {
        let parameters = json!({ "TopicArn": topic, "NextToken": token });
        answer(world, &call("sns", "ListSubscriptionsByTopic", parameters)).unwrap()
    };

    let first = page(&mut world, Value::Null);
    let second = page(&mut world, first["NextToken"].clone());

    let count = |page: &Value| page["Subscriptions"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&second)), (100, 51));
    assert!(second["NextToken"].is_null());
}

#[test]
fn a_missing_subscription_is_not_found() {
    let (mut world, ..) = world();

    let refusal = set(&mut world, "arn:nothing", BLOCKING).unwrap_err();

    assert_eq!((refusal.status, refusal.code.as_str()), (404, "NotFound"));
}
