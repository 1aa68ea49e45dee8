//! Transactions: all or nothing, once for each token, and with the permissions of what they do.

use std::time::Duration;

use super::*;

fn transact(world: &mut World, items: Value, more: Value) -> Answer {
    let parameters = with(json!({ "TransactItems": items }), more);
    answer(world, &call("dynamodb", "TransactWriteItems", parameters))
}

fn of_releases(more: Value) -> Value {
    with(json!({ "TableName": "releases" }), more)
}

/// Puts a step, which must not be there.
fn new_step(name: &str) -> Value {
    let item = json!({ "pk": { "S": "r-1" }, "sk": { "S": name } });
    json!({ "Put": of_releases(json!({
        "Item": item, "ConditionExpression": "attribute_not_exists(pk)",
    })) })
}

/// Checks that somebody has the lock.
fn held_by(holder: &str) -> Value {
    json!({ "ConditionCheck": of_releases(json!({
        "Key": key(),
        "ConditionExpression": "holder = :me",
        "ExpressionAttributeValues": { ":me": { "S": holder } },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    })) })
}

/// Counts something up that may not be there.
fn count(name: &str) -> Value {
    json!({ "Update": of_releases(json!({
        "Key": { "pk": { "S": "r-1" }, "sk": { "S": name } },
        "UpdateExpression": "SET tries = tries + :one",
        "ExpressionAttributeValues": { ":one": { "N": "1" } },
    })) })
}

fn items(world: &World) -> usize {
    world.dynamodb.table("releases").unwrap().items().count()
}

#[test]
fn all_writes_are_done_while_every_condition_holds() {
    let mut world = releases();
    world.add_item("releases", &lock("me")).unwrap();
    let counted = json!({ "pk": { "S": "r-1" }, "sk": { "S": "counted" }, "tries": { "N": "1" } });
    world.add_item("releases", &counted).unwrap();
    let old = json!({ "pk": { "S": "r-1" }, "sk": { "S": "old" } });
    world.add_item("releases", &old).unwrap();
    let delete = json!({ "Delete": of_releases(json!({ "Key": old })) });
    let all = json!([held_by("me"), new_step("new"), count("counted"), delete]);

    transact(&mut world, all, json!({})).unwrap();

    let table = world.dynamodb.table("releases").unwrap();
    assert!(table.item("r-1", Some("new")).is_some());
    assert_eq!(table.item("r-1", Some("counted")).unwrap()["tries"], json!({ "N": "2" }));
    assert!(table.item("r-1", Some("old")).is_none());
    assert_eq!(table.item("shop", Some("lock")).unwrap()["holder"], json!({ "S": "me" }));
}

#[test]
fn nothing_is_done_when_one_cannot_be_and_each_has_its_reason() {
    let mut world = releases();
    world.add_item("releases", &lock("you")).unwrap();
    let all = json!([new_step("new"), held_by("me"), count("lost")]);

    let refusal = transact(&mut world, all, json!({})).unwrap_err();

    assert_eq!(refusal.code, "TransactionCanceledException");
    assert!(
        refusal.message.ends_with("[None, ConditionalCheckFailed, ValidationError]"),
        "{refusal:?}"
    );
    let reasons = &refusal.details["CancellationReasons"];
    assert_eq!(reasons[0], json!({ "Code": "None" }));
    assert_eq!(reasons[1]["Item"], lock("you"));
    assert!(reasons[2]["Message"].as_str().unwrap().contains("does not exist"), "{reasons}");
    assert_eq!(items(&world), 1);
}

#[test]
fn a_transaction_with_a_token_is_done_once_in_ten_minutes() {
    let mut world = releases();
    let token = json!({ "ClientRequestToken": "one" });
    let step = json!([new_step("new")]);

    transact(&mut world, step.clone(), token.clone()).unwrap();
    let again = transact(&mut world, step.clone(), token.clone());
    let other = transact(&mut world, json!([new_step("other")]), token.clone()).unwrap_err();
    world.advance(Duration::from_secs(600));
    let later = transact(&mut world, step, token).unwrap_err();

    assert!(again.is_ok(), "{again:?}");
    assert_eq!(other.code, "IdempotentParameterMismatchException");
    assert_eq!(later.code, "TransactionCanceledException");
    assert_eq!(items(&world), 1);
}

#[test]
fn a_transaction_that_was_cancelled_may_be_done_with_its_token_later() {
    let mut world = releases();
    let token = json!({ "ClientRequestToken": "one" });
    let step = json!([held_by("me"), new_step("new")]);

    let early = transact(&mut world, step.clone(), token.clone());
    world.add_item("releases", &lock("me")).unwrap();
    let later = transact(&mut world, step, token);

    assert!(early.is_err() && later.is_ok(), "{later:?}");
}

#[test]
fn what_is_no_transaction_is_refused_before_anything_is_looked_at() {
    let mut world = releases();
    let steps = |count: usize| (0..count).map(|it| new_step(&it.to_string())).collect::<Vec<_>>();
    let unconditional = json!({ "ConditionCheck": of_releases(json!({ "Key": key() })) });
    let mut two = held_by("me");
    two["Put"] = new_step("new")["Put"].clone();
    let elsewhere = json!({ "Put": { "TableName": "lost", "Item": lock("me") } });
    for (all, code) in [
        (json!([]), "ValidationException"),
        (json!(steps(101)), "ValidationException"),
        (json!([new_step("new"), new_step("new")]), "ValidationException"),
        (json!([unconditional]), "ValidationException"),
        (json!([two]), "ValidationException"),
        (json!([{ "Get": of_releases(json!({ "Key": key() })) }]), "ValidationException"),
        (json!([new_step("new"), elsewhere]), "ResourceNotFoundException"),
    ] {
        let refusal = transact(&mut world, all.clone(), json!({})).unwrap_err();
        assert_eq!(refusal.code, code, "{all}");
    }
    let long = json!({ "ClientRequestToken": "x".repeat(37) });
    assert!(transact(&mut world, json!(steps(1)), long).is_err());
    assert_eq!(items(&world), 0);

    transact(&mut world, json!(steps(100)), json!({})).unwrap();

    assert_eq!(items(&world), 100);
}

#[test]
fn a_transaction_has_four_megabytes_at_most() {
    let mut world = releases();
    let large = |count: usize| -> Vec<_> {
        let mut steps: Vec<_> = (0..count).map(|it| new_step(&it.to_string())).collect();
        for it in &mut steps {
            it["Put"]["Item"]["text"] = json!({ "S": "x".repeat(399 * 1024) });
        }
        steps
    };

    let refusal = transact(&mut world, json!(large(11)), json!({})).unwrap_err();
    let fits = transact(&mut world, json!(large(10)), json!({}));

    assert_eq!(refusal.code, "ValidationException");
    assert!(fits.is_ok(), "{fits:?}");
}

#[test]
fn a_transaction_needs_the_permission_for_each_thing_that_it_does_on_each_table() {
    let world = releases();
    let elsewhere = json!({ "Delete": { "TableName": "other", "Key": key() } });
    let all = json!([new_step("new"), held_by("me"), count("n"), elsewhere]);
    let transaction = call("dynamodb", "TransactWriteItems", json!({ "TransactItems": all }));

    let concerns = concerns(&world, &transaction).0;

    let [releases, other] =
        ["releases", "other"].map(|it| world.arn("dynamodb", &format!("table/{it}")));
    let needed: Vec<_> =
        concerns.iter().map(|it| (it.action.as_deref().unwrap(), it.resource.as_str())).collect();
    assert_eq!(
        needed,
        [
            ("dynamodb:PutItem", releases.as_str()),
            ("dynamodb:ConditionCheckItem", &releases),
            ("dynamodb:UpdateItem", &releases),
            ("dynamodb:DeleteItem", &other),
        ]
    );
}
