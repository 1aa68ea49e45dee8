//! Purges, counts and messages, rule by rule.

use super::*;
use crate::{Settings, Times, services::testing::call};

fn world() -> (World, String) {
    let mut world = World::new(&Settings::default());
    let arn = world.add_queue("ingest-b");
    (world, arn)
}

fn url() -> Value {
    json!({ "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/ingest-b" })
}

/// Returns how many messages the queue says that it has.
fn waiting(world: &mut World) -> String {
    let mut counts = url();
    counts["AttributeNames"] = json!(["ApproximateNumberOfMessages"]);
    let answer = answer(world, &call("sqs", "GetQueueAttributes", counts)).unwrap();
    answer["Attributes"]["ApproximateNumberOfMessages"].as_str().unwrap().to_owned()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_second_purge_within_a_minute_is_refused_as_aws_words_it() {
    let (mut world, _) = world();

    let first = answer(&mut world, &call("sqs", "PurgeQueue", url()));
    world.advance(seconds(59));
    let second = answer(&mut world, &call("sqs", "PurgeQueue", url())).unwrap_err();
    world.advance(seconds(60));
    let third = answer(&mut world, &call("sqs", "PurgeQueue", url()));

    assert!(first.is_ok() && third.is_ok());
    assert_eq!(
        (second.status, second.query_code.as_deref()),
        (403, Some("AWS.SimpleQueueService.PurgeQueueInProgress"))
    );
}

#[test]
fn a_purge_takes_what_is_there_and_some_of_what_comes_meanwhile_and_nothing_later() {
    let (mut world, arn) = world();
    world.times.purge = crate::Range::seconds(60, 60);
    world.add_messages(&arn, 40);

    answer(&mut world, &call("sqs", "PurgeQueue", url())).unwrap();
    let right_after = world.sqs.queue(&arn).unwrap().len();
    world.advance(seconds(30));
    world.add_messages(&arn, 40);
    world.advance(seconds(61));
    let survivors = world.sqs.queue(&arn).unwrap().len();
    world.add_messages(&arn, 40);

    assert!(right_after > 0, "some may be received for a while");
    assert!((1..40).contains(&survivors), "{survivors} of those that came meanwhile");
    assert_eq!(world.sqs.queue(&arn).unwrap().len(), survivors + 40);
}

#[test]
fn without_names_there_are_no_attributes() {
    let (mut world, _) = world();

    let none = answer(&mut world, &call("sqs", "GetQueueAttributes", url())).unwrap();

    assert_eq!(none, json!({}));
}

#[test]
fn counts_are_seen_late() {
    let (mut world, arn) = world();
    world.times = Times { counts: crate::Range::seconds(50, 50), ..Times::default() };
    world.add_messages(&arn, 1);

    let early = waiting(&mut world);
    world.advance(seconds(49));
    let still_early = waiting(&mut world);
    world.advance(seconds(50));

    assert_eq!([early, still_early, waiting(&mut world)], ["0", "0", "1"]);
}

#[test]
fn counts_are_seen_late_however_many_changes_come_meanwhile() {
    let (mut world, arn) = world();
    world.times = Times { counts: crate::Range::seconds(50, 50), ..Times::default() };

    let seen: Vec<_> = (0..7)
        .map(|it| {
            world.advance(seconds(it * 10));
            world.add_messages(&arn, 1);
            waiting(&mut world)
        })
        .collect();

    assert_eq!(seen, ["0", "0", "0", "0", "0", "1", "2"]);
}

#[test]
fn the_counts_of_a_queue_are_right_in_about_a_minute() {
    let (mut world, arn) = world();

    world.add_messages(&arn, 20);
    world.advance(seconds(5));
    let early = waiting(&mut world);
    world.advance(seconds(60));

    assert_ne!(early, "20");
    assert_eq!(waiting(&mut world), "20");
}

#[test]
fn a_queue_that_is_not_there_is_refused_with_its_old_code() {
    let (mut world, _) = world();

    let refusal = answer(&mut world, &call("sqs", "GetQueueUrl", json!({ "QueueName": "nobody" })))
        .unwrap_err();

    assert_eq!(refusal.query_code.as_deref(), Some("AWS.SimpleQueueService.NonExistentQueue"));
}

#[test]
fn urls_are_of_the_partition() {
    let settings = Settings {
        partition: "aws-cn".to_owned(),
        region: "cn-north-1".to_owned(),
        ..Settings::default()
    };
    let mut world = World::new(&settings);
    world.add_queue("ingest-b");

    let url = answer(&mut world, &call("sqs", "GetQueueUrl", json!({ "QueueName": "ingest-b" })));

    assert_eq!(
        url.unwrap()["QueueUrl"],
        "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/ingest-b"
    );
}

#[test]
fn the_url_of_a_queue_names_the_host_that_the_account_answers_on() {
    let settings =
        Settings { queue_host: Some("http://127.0.0.1:4599".to_owned()), ..Settings::default() };
    let mut world = World::new(&settings);
    world.add_queue("ingest-b");

    let url = answer(&mut world, &call("sqs", "GetQueueUrl", json!({ "QueueName": "ingest-b" })));

    assert_eq!(url.unwrap()["QueueUrl"], "http://127.0.0.1:4599/123456789012/ingest-b");
}

#[test]
fn ten_messages_are_sent_by_one_call_and_eleven_or_none_are_refused() {
    let (mut world, arn) = world();
    let mut send = |count: usize| {
        let entries = (0..count).map(|it| json!({ "Id": it.to_string(), "MessageBody": "order" }));
        let parameters =
            json!({ "QueueUrl": url()["QueueUrl"], "Entries": entries.collect::<Vec<_>>() });
        answer(&mut world, &call("sqs", "SendMessageBatch", parameters))
    };

    let ten = send(10).unwrap();
    let [none, eleven] = [send(0), send(11)].map(|it| it.unwrap_err().code);

    assert_eq!(ten["Successful"].as_array().map(Vec::len), Some(10));
    assert_eq!(none, "com.amazonaws.sqs#EmptyBatchRequest");
    assert_eq!(eleven, "com.amazonaws.sqs#TooManyEntriesInBatchRequest");
    assert_eq!(world.sqs.queue(&arn).unwrap().len(), 10);
}

#[test]
fn a_message_received_by_a_call_comes_back_when_nobody_deletes_it() {
    let (mut world, arn) = world();
    world.add_messages(&arn, 1);

    let first = answer(&mut world, &call("sqs", "ReceiveMessage", url())).unwrap();
    let hidden = answer(&mut world, &call("sqs", "ReceiveMessage", url())).unwrap();
    world.advance(seconds(30));
    let again = answer(&mut world, &call("sqs", "ReceiveMessage", url())).unwrap();

    assert_eq!(first["Messages"].as_array().unwrap().len(), 1);
    assert_eq!(hidden["Messages"].as_array().unwrap().len(), 0);
    assert_eq!(again["Messages"].as_array().unwrap().len(), 1);
}

#[test]
fn a_message_comes_back_when_the_call_or_the_queue_says_and_nothing_else_asks() {
    let (mut world, arn) = world();
    world.times.counts = crate::Range::seconds(0, 0);
    world.add_messages(&arn, 2);
    let receive = |world: &mut World, more: Value| {
        let mut parameters = url();
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer(world, &call("sqs", "ReceiveMessage", parameters)).unwrap();
    };
    let queue_says = json!({
        "QueueUrl": url()["QueueUrl"], "Attributes": { "VisibilityTimeout": "20" },
    });
    answer(&mut world, &call("sqs", "SetQueueAttributes", queue_says)).unwrap();

    receive(&mut world, json!({}));
    receive(&mut world, json!({ "VisibilityTimeout": 5 }));
    let counts = [4, 5, 19, 20].map(|it| {
        world.advance(seconds(it));
        waiting(&mut world)
    });

    assert_eq!(counts, ["0", "1", "1", "2"]);
}

#[test]
fn a_mapping_takes_what_has_come_back() {
    let (mut world, arn) = world();
    world.add_function("ingest-b", 60);
    let function = world.function_arn("ingest-b", None);
    world.add_messages(&arn, 1);
    answer(&mut world, &call("sqs", "ReceiveMessage", url())).unwrap();
    world.add_mapping(&function, &arn, true);

    world.advance(seconds(29));
    let hidden = world.sqs.queue(&arn).unwrap().len();
    world.advance(seconds(60));

    assert_eq!((hidden, world.sqs.queue(&arn).unwrap().len()), (1, 0));
}

#[test]
fn a_message_that_was_deleted_does_not_come_back() {
    let (mut world, arn) = world();
    world.add_messages(&arn, 1);

    let got = answer(&mut world, &call("sqs", "ReceiveMessage", url())).unwrap();
    let handle = json!({
        "QueueUrl": url()["QueueUrl"], "ReceiptHandle": got["Messages"][0]["ReceiptHandle"],
    });
    answer(&mut world, &call("sqs", "DeleteMessage", handle)).unwrap();
    world.advance(seconds(60));

    assert!(world.sqs.queue(&arn).unwrap().is_empty());
    assert_eq!(waiting(&mut world), "0");
}

#[test]
fn a_person_may_move_what_waits_to_another_queue() {
    let (mut world, old) = world();
    let new = world.add_queue("ingest-a");
    world.add_messages(&old, 3);
    receive(&mut world, &old, 1);

    world.move_messages(&old, &new);

    assert_eq!(world.sqs.queue(&old).unwrap().len(), 1);
    assert_eq!(world.sqs.queue(&new).unwrap().len(), 2);
    let places: Vec<_> = world.ledger.messages().map(|(_, it)| it.copies.len()).collect();
    assert_eq!(places, [1, 1, 1]);
}

#[test]
fn a_message_that_is_deleted_again_was_processed_once_and_one_that_is_moved_keeps_its_text() {
    let (mut world, arn) = world();
    let other = world.add_queue("ingest-a");
    let send = |world: &mut World| {
        let parameters = json!({ "QueueUrl": url()["QueueUrl"], "MessageBody": "order" });
        answer(world, &call("sqs", "SendMessage", parameters)).unwrap();
    };
    send(&mut world);
    let seen = answer(&mut world, &call("sqs", "ReceiveMessage", url())).unwrap();
    let handle = seen["Messages"][0]["ReceiptHandle"].clone();
    let delete = json!({ "QueueUrl": url()["QueueUrl"], "ReceiptHandle": handle });

    for _ in 0..2 {
        answer(&mut world, &call("sqs", "DeleteMessage", delete.clone())).unwrap();
    }
    send(&mut world);
    world.move_messages(&arn, &other);
    let moved = call("sqs", "ReceiveMessage", json!({ "QueueUrl": "https://x/1/ingest-a" }));
    let moved = answer(&mut world, &moved).unwrap();

    let (_, message) = world.ledger.messages().next().unwrap();
    assert_eq!(message.copies[&arn].consumed.len(), 1);
    assert_eq!(moved["Messages"][0]["Body"], "order");
}
