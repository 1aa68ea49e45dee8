//! Rules, targets and buses.

use super::*;
use crate::{Range, Settings, services::testing::call};

const TARGET: &str = "arn:aws:lambda:eu-west-1:123456789012:function:ingest-b";

fn world() -> World {
    let mut world = World::new(&Settings::default());
    world.times.stale = Range::seconds(3, 3);
    world.add_bus("shop");
    world.add_rule("default", "hourly", TARGET, true);
    world.add_rule("shop", "orders", &format!("{TARGET}:live"), true);
    world
}

fn ask(world: &mut World, operation: &str, parameters: Value) -> Answer {
    answer(world, &call("events", operation, parameters))
}

#[test]
fn a_rule_is_found_by_the_exact_arn_of_its_target_and_on_its_bus_only() {
    let mut world = world();
    let names = |world: &mut World, bus: &str, target: &str| {
        let parameters = json!({ "EventBusName": bus, "TargetArn": target });
        ask(world, "ListRuleNamesByTarget", parameters).unwrap()["RuleNames"].clone()
    };

    assert_eq!(names(&mut world, "default", TARGET), json!(["hourly"]));
    assert_eq!(names(&mut world, "shop", TARGET), json!([]));
    assert_eq!(names(&mut world, "shop", &format!("{TARGET}:live")), json!(["orders"]));
}

#[test]
fn a_switch_is_seen_late_and_may_be_repeated_but_not_at_the_same_time() {
    let mut world = world();
    let hourly = || json!({ "Name": "hourly" });

    ask(&mut world, "DisableRule", hourly()).unwrap();
    let early = ask(&mut world, "DescribeRule", hourly()).unwrap();
    let at_once = ask(&mut world, "DisableRule", hourly()).unwrap_err();
    world.advance(Duration::from_secs(3));
    let late = ask(&mut world, "DescribeRule", hourly()).unwrap();
    let again = ask(&mut world, "DisableRule", hourly());

    assert_eq!((&early["State"], &late["State"]), (&json!("ENABLED"), &json!("DISABLED")));
    assert_eq!(at_once.code, "ConcurrentModificationException");
    assert!(again.is_ok());
}

#[test]
fn an_archive_has_a_rule_that_nobody_else_switches() {
    let mut world = world();
    let bus = ask(&mut world, "DescribeEventBus", json!({ "Name": "shop" })).unwrap();

    ask(
        &mut world,
        "CreateArchive",
        json!({ "ArchiveName": "orders", "EventSourceArn": bus["Arn"] }),
    )
    .unwrap();
    let rule = json!({ "Name": "Events-Archive-orders", "EventBusName": "shop" });
    let seen = ask(&mut world, "DescribeRule", rule.clone()).unwrap();
    let refusal = ask(&mut world, "DisableRule", rule).unwrap_err();

    assert_eq!((&seen["State"], seen["ManagedBy"].is_string()), (&json!("ENABLED"), true));
    assert_eq!(refusal.code, "ManagedRuleException");
}

#[test]
fn a_managed_rule_is_not_switched_and_a_missing_one_not_found() {
    let mut world = world();
    world.change_rule("default", "hourly", |it| {
        it.managed_by = Some("ecs.amazonaws.com".to_owned())
    });

    let managed = ask(&mut world, "DisableRule", json!({ "Name": "hourly" })).unwrap_err();
    let nobody = ask(&mut world, "EnableRule", json!({ "Name": "nobody" })).unwrap_err();

    assert_eq!(managed.code, "ManagedRuleException");
    assert_eq!(nobody.code, "ResourceNotFoundException");
}

#[test]
fn a_hundred_names_are_on_a_page() {
    let mut world = world();
    (0..130).for_each(|it| world.add_rule("default", &format!("rule-{it:03}"), TARGET, true));
    let page = |world: &mut World, token: Value| {
        let parameters = json!({ "TargetArn": TARGET, "NextToken": token });
        ask(world, "ListRuleNamesByTarget", parameters).unwrap()
    };

    let first = page(&mut world, Value::Null);
    let second = page(&mut world, first["NextToken"].clone());
    let expired = ask(
        &mut world,
        "ListRuleNamesByTarget",
        json!({ "TargetArn": TARGET, "NextToken": "old" }),
    );

    let count = |page: &Value| page["RuleNames"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&second)), (100, 31));
    assert_eq!(expired.unwrap_err().code, "InvalidToken");
}

#[test]
fn a_token_beyond_the_end_is_an_empty_page() {
    let mut world = world();
    let parameters = json!({ "TargetArn": TARGET, "NextToken": usize::MAX.to_string() });

    let page = ask(&mut world, "ListRuleNamesByTarget", parameters).unwrap();

    assert_eq!((&page["RuleNames"], &page["NextToken"]), (&json!([]), &Value::Null));
}
