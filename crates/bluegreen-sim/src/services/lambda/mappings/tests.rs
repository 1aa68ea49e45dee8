//! Event source mappings, rule by rule.

use super::*;
use crate::{Fate, Range, Settings, services::testing::call};

fn world() -> (World, String, String) {
    let mut world = World::new(&Settings::default());
    world.times.stale = Range::seconds(0, 0);
    world.times.mapping = Range::seconds(30, 30);
    world.add_function("ingest-b", 60);
    world.add_alias("ingest-b", "live");
    let queue = world.add_queue("ingest-b");
    world.set_visibility(&queue, 360);
    let function = world.function_arn("ingest-b", Some("live"));
    let uuid = world.add_mapping(&function, &queue, false);
    (world, uuid, queue)
}

fn ask(world: &mut World, operation: &str, parameters: Value) -> Answer {
    super::super::answer(world, &call("lambda", operation, parameters))
}

fn state(world: &mut World, uuid: &str) -> String {
    let answer = ask(world, "GetEventSourceMapping", json!({ "UUID": uuid })).unwrap();
    answer["State"].as_str().unwrap().to_owned()
}

#[test]
fn a_mapping_is_enabling_for_a_while_and_can_do_nothing_else_meanwhile() {
    let (mut world, uuid, _) = world();
    let switch = |enabled: bool| json!({ "UUID": uuid, "Enabled": enabled });

    let answer = ask(&mut world, "UpdateEventSourceMapping", switch(true)).unwrap();
    let refusal = ask(&mut world, "UpdateEventSourceMapping", switch(false)).unwrap_err();
    let deletion = ask(&mut world, "DeleteEventSourceMapping", switch(false)).unwrap_err();
    world.advance(Duration::from_secs(30));

    assert_eq!(answer["State"], "Enabling");
    assert_eq!((refusal.status, refusal.code.as_str()), (400, "ResourceInUseException"));
    assert_eq!(deletion.code, "ResourceInUseException");
    assert_eq!(state(&mut world, &uuid), "Enabled");
}

#[test]
fn messages_are_consumed_while_it_is_on_and_wait_while_it_is_off() {
    let (mut world, uuid, queue) = world();
    world.add_messages(&queue, 3);
    world.advance(Duration::from_secs(60));
    let off = world.sqs.queue(&queue).unwrap().len();

    ask(&mut world, "UpdateEventSourceMapping", json!({ "UUID": uuid, "Enabled": true })).unwrap();
    world.advance(Duration::from_secs(200));
    world.add_messages(&queue, 30);
    world.advance(Duration::from_secs(600));

    assert_eq!(off, 3);
    assert!(world.sqs.queue(&queue).unwrap().is_empty());
    let consumed = world.ledger.messages().filter(|(_, it)| {
        let copy = &it.copies[&queue];
        copy.fate == Fate::Done && copy.consumed.len() == 1 && copy.consumed[0].0 == "ingest-b"
    });
    assert_eq!(consumed.count(), 33);
}

#[test]
fn a_batch_in_work_is_finished_though_the_mapping_is_disabled() {
    let (mut world, uuid, queue) = world();
    world.times.invocation = Range::seconds(500, 500);
    world.times.poll = Range::seconds(1, 1);
    ask(&mut world, "UpdateEventSourceMapping", json!({ "UUID": uuid, "Enabled": true })).unwrap();
    world.advance(Duration::from_secs(40));
    world.add_messages(&queue, 1);
    world.advance(Duration::from_secs(50));

    ask(&mut world, "UpdateEventSourceMapping", json!({ "UUID": uuid, "Enabled": false })).unwrap();
    world.advance(Duration::from_secs(100));
    let disabled = state(&mut world, &uuid);
    let in_work = world.sqs.queue(&queue).unwrap().len();
    world.advance(Duration::from_secs(700));

    assert_eq!((disabled.as_str(), in_work), ("Disabled", 1));
    assert!(world.sqs.queue(&queue).unwrap().is_empty());
}

#[test]
fn a_stream_is_read_from_where_the_mapping_stood() {
    let (mut world, ..) = world();
    let stream = world.add_stream("clicks");
    let function = world.function_arn("ingest-b", None);
    let uuid = world.add_mapping(&function, &stream, true);
    let put = |world: &mut World| {
        let number = crate::services::put_record(world, &stream).unwrap();
        let end = world.now() + Duration::from_secs(100);
        world.advance(end);
        number
    };
    let read = |world: &World, number: u64| {
        let found = world.ledger.messages().find(|(it, _)| *it == number).unwrap();
        found.1.copies.values().map(|it| it.consumed.len()).sum::<usize>()
    };

    let first = put(&mut world);
    switch(&mut world, &uuid, false);
    let end = world.now() + Duration::from_secs(100);
    world.advance(end);
    let missed = put(&mut world);
    let while_off = read(&world, missed);
    switch(&mut world, &uuid, true);
    let end = world.now() + Duration::from_secs(100);
    world.advance(end);

    assert_eq!((read(&world, first), while_off, read(&world, missed)), (1, 0, 1));
}

#[test]
fn a_second_mapping_of_the_same_pair_is_a_conflict_that_names_the_first() {
    let (mut world, uuid, queue) = world();
    let parameters = json!({ "FunctionName": "ingest-b:live", "EventSourceArn": queue });

    let refusal = ask(&mut world, "CreateEventSourceMapping", parameters).unwrap_err();

    assert_eq!((refusal.status, refusal.code.as_str()), (409, "ResourceConflictException"));
    assert!(refusal.message.ends_with(&uuid), "{}", refusal.message);
}

#[test]
fn a_hundred_mappings_are_on_a_page_whatever_is_asked_for() {
    let (mut world, ..) = world();
    let function = world.function_arn("ingest-b", None);
    for number in 0..130 {
        let queue = world.add_queue(&format!("merchant-{number}"));
        world.add_mapping(&function, &queue, false);
    }
    let page = |world: &mut World, marker: Value| {
        let parameters = json!({ "FunctionName": "ingest-b", "MaxItems": 1000, "Marker": marker });
        ask(world, "ListEventSourceMappings", parameters).unwrap()
    };

    let first = page(&mut world, Value::Null);
    let second = page(&mut world, first["NextMarker"].clone());

    let count = |page: &Value| page["EventSourceMappings"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&second)), (100, 31));
    assert!(second["NextMarker"].is_null());
}

#[test]
fn a_stream_needs_a_position_and_a_function_must_be_there() {
    let (mut world, ..) = world();
    let stream = world.add_stream("clicks");

    let no_position = json!({ "FunctionName": "ingest-b", "EventSourceArn": stream });
    let no_position = ask(&mut world, "CreateEventSourceMapping", no_position).unwrap_err();
    let nobody = json!({ "FunctionName": "nobody", "EventSourceArn": stream });
    let nobody = ask(&mut world, "CreateEventSourceMapping", nobody).unwrap_err();

    assert_eq!(no_position.code, "InvalidParameterValueException");
    assert_eq!(nobody.code, "InvalidParameterValueException");
    assert_eq!(nobody.message, "Function does not exist");
}

#[test]
fn a_batch_that_is_too_small_or_too_large_is_refused_when_it_is_made_and_when_it_is_changed() {
    let (mut world, uuid, queue) = world();
    world.times.mapping = Range::seconds(0, 0);
    let stream = world.add_stream("clicks");
    let mut update = |more: Value| {
        let mut parameters = json!({ "UUID": uuid });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = ask(&mut world, "UpdateEventSourceMapping", parameters);
        answer.map(|it| it["BatchSize"].clone()).map_err(|it| it.code)
    };
    let refused = Err("InvalidParameterValueException".to_owned());

    assert_eq!(
        [-1, 0, 11, 10_001].map(|it| update(json!({ "BatchSize": it }))),
        [refused.clone(), refused.clone(), refused.clone(), refused.clone(),]
    );
    assert_eq!(update(json!({ "BatchSize": 5 })), Ok(json!(5)));
    let windowed = json!({ "BatchSize": 11, "MaximumBatchingWindowInSeconds": 1 });
    assert_eq!(update(windowed), Ok(json!(11)));
    assert_eq!(update(json!({ "BatchSize": 100 })), Ok(json!(100)), "the window is still there");
    for (source, batch) in [(&queue, -1), (&stream, 0), (&stream, 10_001)] {
        let parameters = json!({
            "FunctionName": "ingest-b", "EventSourceArn": source, "BatchSize": batch,
            "StartingPosition": "LATEST",
        });
        let made = ask(&mut world, "CreateEventSourceMapping", parameters);
        assert_eq!(made.map_err(|it| it.code), refused, "{source} {batch}");
    }
}

#[test]
fn a_mapping_starts_at_the_time_that_it_is_told() {
    let (mut world, ..) = world();
    let stream = world.add_stream("clicks");
    let put = |world: &mut World, at: u64| {
        world.advance(Duration::from_secs(at));
        crate::services::put_record(world, &stream).unwrap()
    };
    let numbers = [10, 20, 30].map(|it| put(&mut world, it));
    let mut create = |more: Value| {
        let mut parameters = json!({
            "FunctionName": "ingest-b", "EventSourceArn": stream, "StartingPosition": "AT_TIMESTAMP",
        });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask(&mut world, "CreateEventSourceMapping", parameters)
    };

    let no_time = create(json!({})).unwrap_err();
    let no_position = create(json!({ "StartingPosition": "SOMEWHERE" })).unwrap_err();
    create(json!({ "StartingPositionTimestamp": 1_796_083_220.0 })).unwrap();
    world.advance(Duration::from_secs(200));

    let consumed = numbers.map(|it| {
        let (_, message) = world.ledger.messages().find(|(number, _)| *number == it).unwrap();
        message.copies.values().map(|it| it.consumed.len()).sum::<usize>()
    });
    assert_eq!(consumed, [0, 1, 1]);
    let codes = [no_time.code, no_position.code];
    assert_eq!(codes, ["InvalidParameterValueException"; 2]);
}

#[test]
fn a_mapping_that_is_being_deleted_is_not_switched_on_again() {
    let (mut world, uuid, _) = world();

    ask(&mut world, "DeleteEventSourceMapping", json!({ "UUID": uuid })).unwrap();
    switch(&mut world, &uuid, true);
    let state = state(&mut world, &uuid);
    world.advance(Duration::from_secs(100));

    assert_eq!(state, "Deleting");
    assert_eq!(world.lambda.mappings().count(), 0);
}

#[test]
fn a_marker_beyond_the_end_is_an_empty_page() {
    let (mut world, ..) = world();
    let parameters = json!({ "Marker": usize::MAX.to_string() });

    let page = ask(&mut world, "ListEventSourceMappings", parameters).unwrap();

    assert_eq!((&page["EventSourceMappings"], &page["NextMarker"]), (&json!([]), &Value::Null));
}

#[test]
fn a_queue_that_hides_messages_for_less_than_the_function_takes_is_refused() {
    let (mut world, uuid, queue) = world();
    world.set_visibility(&queue, 59);
    let create = json!({ "FunctionName": "ingest-b", "EventSourceArn": queue });

    let created = ask(&mut world, "CreateEventSourceMapping", create).unwrap_err();
    let update = json!({ "UUID": uuid, "Enabled": true });
    let updated = ask(&mut world, "UpdateEventSourceMapping", update.clone()).unwrap_err();
    world.set_visibility(&queue, 60);
    let enough = ask(&mut world, "UpdateEventSourceMapping", update);

    for refusal in [created, updated] {
        assert_eq!(refusal.code, "InvalidParameterValueException");
        assert!(refusal.message.contains("59 seconds"), "{}", refusal.message);
    }
    assert!(enough.is_ok());
}
