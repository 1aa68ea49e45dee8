//! Queries, page by page.

use std::time::Duration;

use super::*;

/// An account whose table has so many steps of the release `r-1`, and one of another.
fn steps(count: usize) -> World {
    let mut world = releases();
    let step = |release: &str, name: &str| json!({ "pk": { "S": release }, "sk": { "S": name } });
    for number in 0..count {
        world.add_item("releases", &step("r-1", &format!("step#{number:02}"))).unwrap();
    }
    world.add_item("releases", &step("r-1", "head")).unwrap();
    world.add_item("releases", &step("r-2", "step#00")).unwrap();
    world
}

fn query(world: &mut World, expression: &str, more: Value) -> Answer {
    let mut values = json!({ ":pk": { "S": "r-1" } });
    if expression.contains(":sk") {
        values[":sk"] = json!({ "S": "step#" });
    }
    let parameters =
        json!({ "KeyConditionExpression": expression, "ExpressionAttributeValues": values });
    ask(world, "Query", with(parameters, more))
}

/// Returns the range keys of a page.
fn names(page: &Value) -> Vec<&str> {
    let items = page["Items"].as_array().unwrap();
    items.iter().map(|it| it["sk"]["S"].as_str().unwrap()).collect()
}

const STEPS: &str = "pk = :pk AND begins_with(sk, :sk)";

#[test]
fn a_query_finds_the_items_of_one_hash_key_in_their_order() {
    let mut world = steps(2);

    let all = query(&mut world, "pk = :pk", json!({})).unwrap();
    let some = query(&mut world, STEPS, json!({})).unwrap();
    let back = query(&mut world, STEPS, json!({ "ScanIndexForward": false })).unwrap();
    let less = query(&mut world, "(pk = :pk) AND (sk < :sk)", json!({})).unwrap();

    assert_eq!(names(&all), ["head", "step#00", "step#01"]);
    assert_eq!(names(&some), ["step#00", "step#01"]);
    assert_eq!(names(&back), ["step#01", "step#00"]);
    assert_eq!(names(&less), ["head"]);
    assert!(all["LastEvaluatedKey"].is_null());
    assert_eq!((&all["Count"], &all["ScannedCount"]), (&json!(3), &json!(3)));
}

#[test]
fn pages_follow_each_other_in_both_directions_and_a_full_one_says_where_it_ends() {
    for (forward, expected) in [
        (true, [vec!["step#00", "step#01"], vec!["step#02", "step#03"], vec![]]),
        (false, [vec!["step#03", "step#02"], vec!["step#01", "step#00"], vec![]]),
    ] {
        let mut world = steps(4);
        let mut start = Value::Null;
        for page in expected {
            let more =
                json!({ "Limit": 2, "ScanIndexForward": forward, "ExclusiveStartKey": start });

            let seen = query(&mut world, STEPS, more).unwrap();

            assert_eq!(names(&seen), page, "{forward}");
            assert_eq!(seen["LastEvaluatedKey"].is_null(), page.is_empty());
            start = seen["LastEvaluatedKey"].clone();
        }
    }
}

#[test]
fn a_page_ends_at_a_megabyte() {
    let mut world = steps(0);
    for number in 0..3 {
        let step = json!({
            "pk": { "S": "r-1" },
            "sk": { "S": format!("step#{number}") },
            "text": { "S": "x".repeat(390 * 1024) },
        });
        world.add_item("releases", &step).unwrap();
    }

    let first = query(&mut world, STEPS, json!({})).unwrap();
    let start = json!({ "ExclusiveStartKey": first["LastEvaluatedKey"] });
    let second = query(&mut world, STEPS, start).unwrap();

    assert_eq!(names(&first), ["step#0", "step#1"]);
    assert_eq!(names(&second), ["step#2"]);
    assert!(second["LastEvaluatedKey"].is_null());
}

#[test]
fn a_query_may_be_late_by_a_second_and_a_consistent_one_never_is() {
    let mut world = steps(1);
    world.times.replica = crate::Range::seconds(1, 1);
    let key = json!({ "pk": { "S": "r-1" }, "sk": { "S": "step#00" } });
    ask(&mut world, "DeleteItem", json!({ "Key": key })).unwrap();

    let early = query(&mut world, STEPS, json!({})).unwrap();
    let consistent = query(&mut world, STEPS, json!({ "ConsistentRead": true })).unwrap();
    world.advance(Duration::from_secs(1));
    let late = query(&mut world, STEPS, json!({})).unwrap();

    assert_eq!(names(&early), ["step#00"]);
    assert!(names(&consistent).is_empty() && names(&late).is_empty());
}

#[test]
fn what_is_no_key_condition_is_refused_and_not_guessed() {
    let mut world = steps(1);
    for expression in [
        "",
        "begins_with(sk, :sk)",
        "pk > :pk",
        "pk = :pk AND pk = :pk",
        "pk = :pk AND other = :sk",
        "pk = :pk OR sk = :sk",
        "pk = :pk AND sk <> :sk",
        "pk = :pk AND contains(sk, :sk)",
        "pk = :pk AND begins_with(sk, :unknown)",
        "pk = sk",
    ] {
        let refusal = query(&mut world, expression, json!({})).unwrap_err();
        assert_eq!(refusal.code, "ValidationException", "{expression}");
    }
    let elsewhere = json!({ "pk": { "S": "r-2" }, "sk": { "S": "step#00" } });
    for more in [
        json!({ "Limit": 0 }),
        json!({ "FilterExpression": "pk = :pk" }),
        json!({ "IndexName": "by-time" }),
        json!({ "ExclusiveStartKey": elsewhere }),
        json!({ "ExclusiveStartKey": { "pk": { "S": "r-1" } } }),
    ] {
        let refusal = query(&mut world, "pk = :pk", more.clone()).unwrap_err();
        assert_eq!(refusal.code, "ValidationException", "{more}");
    }
}
