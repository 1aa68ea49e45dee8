//! Tables: what becomes of them, and when they serve.

use std::time::Duration;

use super::*;
use crate::Range;

fn ask(world: &mut World, operation: &str) -> Answer {
    answer(world, &call("dynamodb", operation, json!({ "TableName": "sessions-a" })))
}

fn world() -> World {
    let mut world = World::new(&Settings::default());
    world.add_table("sessions-a");
    world
}

#[test]
fn a_table_is_deleting_for_a_while_and_then_it_is_not_there() {
    let mut world = world();
    world.times.stale = Range::seconds(2, 2);

    ask(&mut world, "DeleteTable").unwrap();
    let early = ask(&mut world, "DescribeTable").unwrap();
    world.advance(Duration::from_secs(2));
    let seen = ask(&mut world, "DescribeTable").unwrap();
    let again = ask(&mut world, "DeleteTable");
    world.advance(Duration::from_secs(600));
    let gone = ask(&mut world, "DescribeTable").unwrap_err();

    assert_eq!(early["Table"]["TableStatus"], "ACTIVE", "a reader is told late");
    assert_eq!(seen["Table"]["TableStatus"], "DELETING");
    assert!(again.is_ok(), "to delete it again is no error");
    assert_eq!(gone.code, "ResourceNotFoundException");
}

#[test]
fn a_protected_table_stays() {
    let mut world = world();
    world.change_table("sessions-a", |it| it.protected = true);

    let refusal = ask(&mut world, "DeleteTable").unwrap_err();

    assert_eq!(refusal.code, "ValidationException");
    assert!(refusal.message.contains("protected against deletion"));
}

#[test]
fn a_table_with_replicas_stays() {
    let mut world = world();
    world.change_table("sessions-a", |it| it.replicas.push("eu-central-1".to_owned()));

    let refusal = ask(&mut world, "DeleteTable").unwrap_err();

    assert!(refusal.message.contains("replicas"));
}

#[test]
fn a_table_that_is_being_changed_is_in_use() {
    let mut world = world();
    ask(&mut world, "UpdateTable").unwrap();

    let refusal = ask(&mut world, "DeleteTable").unwrap_err();
    world.advance(Duration::from_secs(600));

    assert_eq!(refusal.code, "ResourceInUseException");
    assert!(ask(&mut world, "DeleteTable").is_ok());
}

fn create(keys: Value, attributes: Value) -> Result<Value, Refusal> {
    let mut world = world();
    let parameters =
        json!({ "TableName": "locks", "KeySchema": keys, "AttributeDefinitions": attributes });
    answer(&mut world, &call("dynamodb", "CreateTable", parameters))?;
    let named = json!({ "TableName": "locks" });
    answer(&mut world, &call("dynamodb", "DescribeTable", named))
}

fn key(name: &str, kind: &str) -> Value {
    json!({ "AttributeName": name, "KeyType": kind })
}

fn attribute(name: &str, kind: &str) -> Value {
    json!({ "AttributeName": name, "AttributeType": kind })
}

#[test]
fn a_table_remembers_its_keys() {
    let one = create(json!([key("id", "HASH")]), json!([attribute("id", "S")])).unwrap();
    let two = create(
        json!([key("app", "HASH"), key("what", "RANGE")]),
        json!([attribute("what", "S"), attribute("app", "S")]),
    );
    let two = two.unwrap();

    assert_eq!(one["Table"]["KeySchema"], json!([key("id", "HASH")]));
    assert_eq!(two["Table"]["KeySchema"], json!([key("app", "HASH"), key("what", "RANGE")]));
    assert_eq!(
        two["Table"]["AttributeDefinitions"],
        json!([attribute("app", "S"), attribute("what", "S")])
    );
}

#[test]
fn keys_that_are_none_or_no_texts_are_refused() {
    let id = json!([attribute("id", "S")]);
    for (keys, attributes) in [
        (json!([]), id.clone()),
        (json!([key("id", "RANGE")]), id.clone()),
        (json!([key("id", "HASH"), key("id", "RANGE")]), id.clone()),
        (json!([key("id", "HASH")]), json!([])),
        (json!([key("id", "HASH")]), json!([attribute("id", "N")])),
    ] {
        let refusal = create(keys.clone(), attributes).unwrap_err();

        assert_eq!(refusal.code, "ValidationException", "{keys}");
    }
}

#[test]
fn a_table_that_is_being_made_has_no_items_yet_and_one_that_is_changed_serves() {
    let mut world = World::new(&Settings::default());
    let parameters = json!({
        "TableName": "locks",
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "AttributeDefinitions": [attribute("pk", "S"), attribute("sk", "S")],
    });
    answer(&mut world, &call("dynamodb", "CreateTable", parameters)).unwrap();

    let early = put(&mut world, "locks", lock("me"), json!({})).unwrap_err();
    world.advance(Duration::from_secs(300));
    put(&mut world, "locks", lock("me"), json!({})).unwrap();
    let named = json!({ "TableName": "locks" });
    answer(&mut world, &call("dynamodb", "UpdateTable", named)).unwrap();
    let changing = put(&mut world, "locks", lock("you"), json!({}));
    let nowhere = put(&mut world, "lost", lock("me"), json!({})).unwrap_err();

    assert_eq!(early.code, "ResourceNotFoundException");
    assert!(changing.is_ok(), "{changing:?}");
    assert_eq!(nowhere.code, "ResourceNotFoundException");
}

#[test]
fn a_table_that_is_being_deleted_may_serve_and_may_not() {
    let mut world = world();
    ask(&mut world, "DeleteTable").unwrap();

    let served: Vec<_> =
        (0..20).map(|_| put(&mut world, "sessions-a", lock("me"), json!({})).is_ok()).collect();

    assert!(served.contains(&true) && served.contains(&false), "{served:?}");
}
