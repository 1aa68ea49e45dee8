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
            publish(world, &topic, &BTreeMap::new(), "order");
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

    publish(&mut world, &topic, &BTreeMap::new(), "order");

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

#[test]
fn a_policy_with_the_scope_of_the_body_looks_at_the_text_of_messages() {
    let (mut world, topic, arn) = world();
    world.times.filter = Range::seconds(0, 0);
    world.times.stale = Range::seconds(0, 0);
    world.filter_by_body(&arn);
    set(&mut world, &arn, r#"{"order":{"shop":["eu-1"]}}"#).unwrap();
    let like_it = BTreeMap::from([("shop".to_owned(), "eu-1".to_owned())]);

    let passed =
        [r#"{"order":{"shop":"eu-1"}}"#, r#"{"order":{"shop":"us-1"}}"#, "no JSON"].map(|it| {
            let before = world.sqs.queue("ingest-b").unwrap().len();
            publish(&mut world, &topic, &like_it, it);
            world.sqs.queue("ingest-b").unwrap().len() - before
        });

    assert_eq!(passed, [1, 0, 0]);
    assert_eq!(shown(&mut world, &arn)["FilterPolicyScope"], "MessageBody");
}

#[test]
fn a_published_message_comes_to_the_queue_with_its_text_if_its_attributes_let_it() {
    let (mut world, topic, arn) = world();
    world.times.filter = Range::seconds(0, 0);
    set(&mut world, &arn, r#"{"type":["order"]}"#).unwrap();
    let mut publish = |kind: &str, message: &str| {
        let parameters = json!({
            "TopicArn": topic,
            "Message": message,
            "MessageAttributes": { "type": { "DataType": "String", "StringValue": kind } },
        });
        answer(&mut world, &call("sns", "Publish", parameters))
    };

    publish("return", "back again").unwrap();
    publish("order", "a bicycle").unwrap();
    let empty = publish("order", "").unwrap_err();

    let receive = json!({ "QueueUrl": "ingest-b", "MaxNumberOfMessages": 10 });
    let got = sqs::answer(&mut world, &call("sqs", "ReceiveMessage", receive)).unwrap();
    let bodies: Vec<_> = got["Messages"].as_array().unwrap().iter().map(|it| &it["Body"]).collect();
    assert_eq!(bodies, ["a bicycle"]);
    assert_eq!(empty.code, "InvalidParameter");
}

#[test]
fn who_subscribes_again_gets_the_first_subscription() {
    let (mut world, topic, arn) = world();
    let mut subscribe = |name: &str| {
        let endpoint = format!("arn:aws:sqs:eu-west-1:123456789012:{name}");
        let parameters = json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": endpoint });
        let answer = answer(&mut world, &call("sns", "Subscribe", parameters)).unwrap();
        answer["SubscriptionArn"].as_str().unwrap().to_owned()
    };

    let [again, other] = ["ingest-b", "ingest-a"].map(&mut subscribe);

    assert_eq!(again, arn);
    assert_ne!(other, arn);
    assert_eq!(world.sns.subscriptions().count(), 2);
}

#[test]
fn who_subscribes_may_give_a_nested_policy_and_its_scope_at_once() {
    let (mut world, topic, _) = world();
    let subscribe = |scope: &str| {
        json!({
            "TopicArn": topic, "Protocol": "sqs",
            "Endpoint": "arn:aws:sqs:eu-west-1:123456789012:ingest-a",
            "Attributes": { "FilterPolicy": r#"{"a":{"b":["c"]}}"#, "FilterPolicyScope": scope },
        })
    };

    let [attributes, body] = ["MessageAttributes", "MessageBody"]
        .map(|it| answer(&mut world, &call("sns", "Subscribe", subscribe(it))));

    assert_eq!(attributes.unwrap_err().code, "InvalidParameter");
    assert!(body.is_ok());
}

#[test]
fn what_is_beyond_the_limits_of_policies_is_refused() {
    let (mut world, topic, arn) = world();
    for number in 0..200 {
        let queue = world.add_queue(&format!("queue-{number}"));
        world.add_subscription(&topic, &queue, Some(BLOCKING));
    }

    let one_more = set(&mut world, &arn, BLOCKING).unwrap_err();
    let (mut world, _, arn) = self::world();
    let great = set(&mut world, &arn, r#"{"price":[1000000001]}"#).unwrap_err();
    let long = format!(r#"{{"type":["{}"]}}"#, "x".repeat(256 * 1024));
    let long = set(&mut world, &arn, &long).unwrap_err();

    assert_eq!((one_more.status, one_more.code.as_str()), (403, "FilterPolicyLimitExceeded"));
    assert_eq!((great.code.as_str(), long.code.as_str()), ("InvalidParameter", "InvalidParameter"));
}
