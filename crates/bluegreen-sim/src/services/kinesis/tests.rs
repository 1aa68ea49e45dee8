//! Consumers of streams, rule by rule.

use std::time::Duration;

use super::*;
use crate::{Range, Settings, services::testing::call};

fn world() -> (World, String) {
    let mut world = World::new(&Settings::default());
    world.times.consumer = Range::seconds(60, 60);
    world.times.stale = Range::seconds(0, 0);
    let stream = world.add_stream("clicks");
    (world, stream)
}

fn ask(world: &mut World, operation: &str, stream: &str, name: &str) -> Answer {
    let parameters = json!({ "StreamARN": stream, "ConsumerName": name });
    answer(world, &call("kinesis", operation, parameters))
}

fn minutes(world: &mut World, minutes: u64) {
    let end = world.now() + Duration::from_secs(60 * minutes);
    world.advance(end);
}

#[test]
fn a_consumer_is_creating_for_a_while_and_gets_a_new_arn_each_time() {
    let (mut world, stream) = world();

    let first = ask(&mut world, "RegisterStreamConsumer", &stream, "clicks-b").unwrap();
    let again = ask(&mut world, "RegisterStreamConsumer", &stream, "clicks-b").unwrap_err();
    minutes(&mut world, 1);
    let active = ask(&mut world, "DescribeStreamConsumer", &stream, "clicks-b").unwrap();
    ask(&mut world, "DeregisterStreamConsumer", &stream, "clicks-b").unwrap();
    let going = ask(&mut world, "DescribeStreamConsumer", &stream, "clicks-b").unwrap();
    minutes(&mut world, 1);
    let gone = ask(&mut world, "DescribeStreamConsumer", &stream, "clicks-b").unwrap_err();
    let second = ask(&mut world, "RegisterStreamConsumer", &stream, "clicks-b").unwrap();

    assert_eq!(first["Consumer"]["ConsumerStatus"], "CREATING");
    assert_eq!(again.code, "ResourceInUseException");
    assert_eq!(active["ConsumerDescription"]["ConsumerStatus"], "ACTIVE");
    assert_eq!(going["ConsumerDescription"]["ConsumerStatus"], "DELETING");
    assert_eq!(gone.code, "ResourceNotFoundException");
    assert_ne!(first["Consumer"]["ConsumerARN"], second["Consumer"]["ConsumerARN"]);
}

#[test]
fn the_sixth_consumer_in_the_making_and_the_twenty_first_are_over_the_limit() {
    let (mut world, stream) = world();
    let codes: Vec<_> = (0..6)
        .map(|it| ask(&mut world, "RegisterStreamConsumer", &stream, &format!("c-{it}")))
        .map(|it| it.err().map(|it| it.code))
        .collect();
    minutes(&mut world, 1);
    (5..20).for_each(|it| drop(world.add_consumer(&stream, &format!("c-{it}"))));

    let over = ask(&mut world, "RegisterStreamConsumer", &stream, "c-20").unwrap_err();

    assert!(codes[..5].iter().all(Option::is_none));
    assert_eq!(codes[5].as_deref(), Some("LimitExceededException"));
    assert_eq!(over.code, "LimitExceededException");
}

#[test]
fn a_consumer_that_is_not_active_cannot_be_deregistered() {
    let (mut world, stream) = world();
    ask(&mut world, "RegisterStreamConsumer", &stream, "clicks-b").unwrap();

    let refusal = ask(&mut world, "DeregisterStreamConsumer", &stream, "clicks-b").unwrap_err();

    assert_eq!(refusal.code, "ResourceInUseException");
}

#[test]
fn a_missing_stream_is_not_found() {
    let (mut world, _) = world();

    let refusal = ask(&mut world, "RegisterStreamConsumer", "arn:nothing", "x").unwrap_err();

    assert_eq!(refusal.code, "ResourceNotFoundException");
}

#[test]
fn a_consumer_that_is_being_deleted_is_seen_so_a_little_later() {
    let (mut world, stream) = world();
    world.times.stale = Range::seconds(2, 2);
    world.add_consumer(&stream, "clicks-b");
    let seen = |world: &mut World| {
        let one = ask(world, "DescribeStreamConsumer", &stream, "clicks-b").unwrap();
        let all = ask(world, "ListStreamConsumers", &stream, "").unwrap();
        let status = [&one["ConsumerDescription"], &all["Consumers"][0]];
        status.map(|it| it["ConsumerStatus"].as_str().unwrap().to_owned())
    };

    ask(&mut world, "DeregisterStreamConsumer", &stream, "clicks-b").unwrap();
    let early = seen(&mut world);
    world.advance(Duration::from_secs(2));

    assert_eq!(early, ["ACTIVE", "ACTIVE"]);
    assert_eq!(seen(&mut world), ["DELETING", "DELETING"]);
}

#[test]
fn a_consumer_registered_again_within_a_second_has_another_arn() {
    let (mut world, stream) = world();
    world.times.consumer = Range::seconds(0, 0);
    let mut register = || {
        let made = ask(&mut world, "RegisterStreamConsumer", &stream, "clicks-b").unwrap();
        ask(&mut world, "DeregisterStreamConsumer", &stream, "clicks-b").unwrap();
        made["Consumer"]["ConsumerARN"].clone()
    };

    let [first, second, third] = [register(), register(), register()];

    assert!(first != second && second != third && first != third, "{first} {second} {third}");
}

#[test]
fn a_token_beyond_the_end_is_an_empty_page() {
    let (mut world, stream) = world();
    world.add_consumer(&stream, "clicks-b");
    let parameters = json!({ "StreamARN": stream, "NextToken": usize::MAX.to_string() });

    let page = answer(&mut world, &call("kinesis", "ListStreamConsumers", parameters)).unwrap();

    assert_eq!((&page["Consumers"], &page["NextToken"]), (&json!([]), &Value::Null));
}

#[test]
fn a_stream_that_is_there_is_not_made_again() {
    let mut world = World::new(&Settings::default());
    world.add_stream("clicks");
    let create = call("kinesis", "CreateStream", json!({ "StreamName": "clicks" }));

    let refusal = answer(&mut world, &create).unwrap_err();

    assert_eq!(refusal.code, "ResourceInUseException");
}

#[test]
fn records_that_are_added_at_once_are_read_batch_by_batch() {
    let (mut world, stream) = world();

    world.add_records(&stream, 250);

    assert_eq!(world.kinesis.length(&stream), 250);
    let batches = [0, 100, 200, 250].map(|from| world.kinesis.read(&stream, from, 100).len());
    assert_eq!(batches, [100, 100, 50, 0]);
}
