//! Calls about one item.

use std::time::Duration;

use super::*;

/// The condition that nobody holds the lock, or that this one does.
fn free_for(holder: &str) -> Value {
    json!({
        "ConditionExpression": "attribute_not_exists(pk) OR holder = :me",
        "ExpressionAttributeValues": { ":me": { "S": holder } },
    })
}

#[test]
fn an_item_is_there_until_it_is_deleted_and_replaced_as_a_whole() {
    let mut world = releases();

    put(&mut world, "releases", with(lock("me"), json!({ "note": { "S": "x" } })), json!({}))
        .unwrap();
    let old =
        put(&mut world, "releases", lock("you"), json!({ "ReturnValues": "ALL_OLD" })).unwrap();
    let there = get(&mut world);
    let told = json!({ "Key": key(), "ReturnValues": "ALL_OLD" });
    let deleted = ask(&mut world, "DeleteItem", told.clone()).unwrap();
    let again = ask(&mut world, "DeleteItem", told).unwrap();

    assert_eq!(old["Attributes"]["note"], json!({ "S": "x" }));
    assert_eq!(there, lock("you"));
    assert_eq!(deleted["Attributes"], lock("you"));
    assert!(again["Attributes"].is_null(), "{again}");
    assert!(get(&mut world).is_null());
    assert_eq!(world.dynamodb.table("releases").unwrap().items().count(), 0);
}

#[test]
fn the_first_who_takes_a_lock_has_it_and_the_others_are_told_who() {
    let mut world = releases();
    let told = json!({ "ReturnValuesOnConditionCheckFailure": "ALL_OLD" });

    put(&mut world, "releases", lock("me"), free_for("me")).unwrap();
    let mine = put(&mut world, "releases", lock("me"), free_for("me"));
    let silent = put(&mut world, "releases", lock("you"), free_for("you")).unwrap_err();
    let refusal =
        put(&mut world, "releases", lock("you"), with(free_for("you"), told)).unwrap_err();

    assert!(mine.is_ok(), "{mine:?}");
    assert_eq!(
        (silent.code.as_str(), &*silent.details),
        ("ConditionalCheckFailedException", &Value::Null)
    );
    assert_eq!(*refusal.details, json!({ "Item": lock("me") }));
    let table = world.dynamodb.table("releases").unwrap();
    assert_eq!(table.item("shop", Some("lock")).unwrap()["holder"], json!({ "S": "me" }));
}

#[test]
fn an_update_makes_an_item_that_was_not_there_and_tells_what_is_asked_for() {
    let mut world = releases();
    let update = |world: &mut World, returned: &str| {
        let parameters = json!({
            "Key": key(),
            "UpdateExpression": "SET fence = if_not_exists(fence, :zero) + :one, holder = :me",
            "ExpressionAttributeValues": { ":zero": { "N": "0" }, ":one": { "N": "1" }, ":me": { "S": "me" } },
            "ReturnValues": returned,
        });
        ask(world, "UpdateItem", parameters).unwrap()["Attributes"].clone()
    };

    let made = update(&mut world, "ALL_NEW");
    let old = update(&mut world, "ALL_OLD");
    let new = update(&mut world, "UPDATED_NEW");
    let before = update(&mut world, "UPDATED_OLD");
    let nothing = update(&mut world, "NONE");

    let fence = |it: u32| json!({ "N": it.to_string() });
    assert_eq!(made, with(lock("me"), json!({ "fence": fence(1) })));
    assert_eq!(old, made);
    assert_eq!(new, json!({ "fence": fence(3), "holder": { "S": "me" } }));
    assert_eq!(before, new);
    assert!(nothing.is_null());
    assert_eq!(get(&mut world)["fence"], fence(5));
}

#[test]
fn a_read_may_be_late_by_a_second_and_a_consistent_one_never_is() {
    let mut world = releases();
    world.times.replica = crate::Range::seconds(1, 1);
    let read =
        |world: &mut World| ask(world, "GetItem", json!({ "Key": key() })).unwrap()["Item"].clone();

    put(&mut world, "releases", lock("me"), json!({})).unwrap();
    let early = read(&mut world);
    let consistent = get(&mut world);
    world.advance(Duration::from_secs(1));
    let late = read(&mut world);

    assert!(early.is_null(), "{early}");
    assert_eq!([consistent, late], [lock("me"), lock("me")]);
}

#[test]
fn an_item_of_more_than_400_kilobytes_is_refused_however_it_gets_so_large() {
    let mut world = releases();
    let large = |bytes: usize| json!({ "S": "x".repeat(bytes) });
    // The names and values of the others, and the name of the large one.
    let others =
        "pk".len() + "shop".len() + "sk".len() + "lock".len() + "holder".len() + "me".len() + 4;
    let fits = 400 * 1024 - others;

    let right =
        put(&mut world, "releases", with(lock("me"), json!({ "text": large(fits) })), json!({}));
    let wrong = put(
        &mut world,
        "releases",
        with(lock("me"), json!({ "text": large(fits + 1) })),
        json!({}),
    );
    let grown = json!({
        "Key": key(),
        "UpdateExpression": "SET more = :x",
        "ExpressionAttributeValues": { ":x": { "S": "x" } },
    });
    let grown = ask(&mut world, "UpdateItem", grown).unwrap_err();

    assert!(right.is_ok(), "{right:?}");
    assert!(
        wrong.unwrap_err().message.starts_with("Item size has exceeded the maximum allowed size")
    );
    assert!(grown.message.starts_with("Item size to update has exceeded"), "{grown:?}");
}

#[test]
fn a_key_must_be_whole_of_texts_and_not_empty_and_is_never_updated() {
    let mut world = releases();
    let long = "x".repeat(2049);
    for item in [
        json!({ "pk": { "S": "shop" } }),
        json!({ "pk": { "S": "shop" }, "sk": { "N": "1" } }),
        json!({ "pk": { "S": "" }, "sk": { "S": "lock" } }),
        json!({ "pk": { "S": long }, "sk": { "S": "lock" } }),
    ] {
        let refusal = put(&mut world, "releases", item.clone(), json!({})).unwrap_err();
        assert_eq!(refusal.code, "ValidationException", "{item}");
    }
    for key in [json!({ "pk": { "S": "shop" } }), lock("me")] {
        let refusal = ask(&mut world, "GetItem", json!({ "Key": key })).unwrap_err();
        assert_eq!(refusal.message, "The provided key element does not match the schema");
    }
    let update = json!({
        "Key": key(),
        "UpdateExpression": "SET sk = :x",
        "ExpressionAttributeValues": { ":x": { "S": "x" } },
    });
    let refusal = ask(&mut world, "UpdateItem", update).unwrap_err();
    assert!(refusal.message.contains("part of the key"), "{refusal:?}");
}

#[test]
fn parameters_that_are_not_known_or_not_used_are_refused() {
    let mut world = releases();
    for more in [
        json!({ "Expected": {} }),
        json!({ "ReturnValues": "ALL_NEW" }),
        json!({ "ReturnValuesOnConditionCheckFailure": "ALL_NEW" }),
        json!({ "ExpressionAttributeValues": { ":x": { "S": "x" } } }),
        json!({ "ExpressionAttributeNames": { "#x": "x" } }),
        json!({ "ExpressionAttributeValues": {} }),
        json!({ "ExpressionAttributeValues": { "x": { "S": "x" } } }),
    ] {
        let refusal = put(&mut world, "releases", lock("me"), more.clone()).unwrap_err();
        assert_eq!(refusal.code, "ValidationException", "{more}");
    }
    assert!(get(&mut world).is_null());
}

#[test]
fn tests_put_items_by_hand_if_aws_would_take_them() {
    let mut world = releases();

    world.add_item("releases", &lock("me")).unwrap();
    let keyless = world.add_item("releases", &json!({ "holder": { "S": "me" } }));
    let nowhere = world.add_item("lost", &lock("me"));

    assert_eq!(get(&mut world), lock("me"));
    assert_eq!(keyless.unwrap_err().code, "ValidationException");
    assert_eq!(nowhere.unwrap_err().code, "ResourceNotFoundException");
}
