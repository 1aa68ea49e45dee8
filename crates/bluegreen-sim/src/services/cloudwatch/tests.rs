//! Alarms and their actions.

mod metrics;
mod published;

use serde_json::Value;

use super::*;
use crate::{Settings, services::testing::call};

fn world(alarms: usize) -> World {
    let mut world = World::new(&Settings::default());
    (0..alarms).for_each(|it| world.add_alarm(&format!("shop-a-{it:03}"), false, true));
    world.add_alarm("shop-a-health", true, true);
    world
}

fn describe(world: &mut World, parameters: Value) -> Answer {
    answer(world, &call("cloudwatch", "DescribeAlarms", parameters))
}

fn count(answer: &Value, list: &str) -> usize {
    answer[list].as_array().unwrap().len()
}

#[test]
fn composite_alarms_are_shown_to_those_who_ask_for_them() {
    let mut world = world(2);

    let silent = describe(&mut world, json!({})).unwrap();
    let asked =
        describe(&mut world, json!({ "AlarmTypes": ["MetricAlarm", "CompositeAlarm"] })).unwrap();

    assert_eq!((count(&silent, "MetricAlarms"), count(&silent, "CompositeAlarms")), (2, 0));
    assert_eq!((count(&asked, "MetricAlarms"), count(&asked, "CompositeAlarms")), (2, 1));
}

#[test]
fn an_alarm_shows_whom_it_tells() {
    let mut world = world(0);
    let parameters = json!({ "AlarmName": "late", "AlarmActions": ["arn:aws:sns:::pages"] });

    answer(&mut world, &call("cloudwatch", "PutMetricAlarm", parameters)).unwrap();
    let seen = describe(&mut world, json!({})).unwrap();

    assert_eq!(seen["MetricAlarms"][0]["AlarmActions"], json!(["arn:aws:sns:::pages"]));
}

#[test]
fn fifty_alarms_are_on_a_page_or_as_many_as_were_asked_for_up_to_a_hundred() {
    let mut world = world(120);

    let first = describe(&mut world, json!({})).unwrap();
    let hundred = describe(&mut world, json!({ "MaxRecords": 100 })).unwrap();
    let rest = json!({ "MaxRecords": 100, "NextToken": hundred["NextToken"] });
    let rest = describe(&mut world, rest).unwrap();
    let refusal = describe(&mut world, json!({ "MaxRecords": 101 })).unwrap_err();

    assert_eq!(count(&first, "MetricAlarms"), 50);
    assert_eq!((count(&hundred, "MetricAlarms"), count(&rest, "MetricAlarms")), (100, 20));
    assert!(rest["NextToken"].is_null());
    assert_eq!(refusal.code, "ValidationError");
}

#[test]
fn a_hundred_names_are_switched_and_a_hundred_and_one_are_refused() {
    let mut world = world(101);
    let names: Vec<_> = (0..101).map(|it| format!("shop-a-{it:03}")).collect();
    let disable = |world: &mut World, names: &[String]| {
        answer(world, &call("cloudwatch", "DisableAlarmActions", json!({ "AlarmNames": names })))
    };

    let refusal = disable(&mut world, &names).unwrap_err();
    disable(&mut world, &names[..100]).unwrap();
    disable(&mut world, &["nobody".to_owned()]).unwrap();

    assert_eq!(refusal.code, "ValidationError");
    let on: Vec<_> = world.cloudwatch.alarms().filter(|it| it.actions_enabled()).collect();
    assert_eq!(on.len(), 2);
}

#[test]
fn a_switch_is_seen_late() {
    let mut world = world(1);
    world.times.stale = crate::Range::seconds(5, 5);
    let name = json!({ "AlarmNames": ["shop-a-000"] });

    answer(&mut world, &call("cloudwatch", "DisableAlarmActions", name)).unwrap();
    let early = describe(&mut world, json!({})).unwrap();
    world.advance(std::time::Duration::from_secs(5));
    let late = describe(&mut world, json!({})).unwrap();

    assert_eq!(early["MetricAlarms"][0]["ActionsEnabled"], true);
    assert_eq!(late["MetricAlarms"][0]["ActionsEnabled"], false);
}

#[test]
fn a_token_beyond_the_end_is_an_empty_page() {
    let mut world = world(1);

    let page = describe(&mut world, json!({ "NextToken": usize::MAX.to_string() })).unwrap();

    assert_eq!((&page["MetricAlarms"], &page["NextToken"]), (&json!([]), &json!(null)));
}

#[test]
fn an_alarm_goes_off_when_it_is_told_to_and_says_since_when() {
    let mut world = world(2);
    let change = crate::Change::SetAlarmState("shop-a-001".to_owned(), "ALARM".to_owned());
    world.schedule(std::time::Duration::from_secs(90), crate::Event::Change(change));
    let alarms = |world: &mut World| describe(world, json!({ "StateValue": "ALARM" })).unwrap();

    world.advance(std::time::Duration::from_secs(89));
    let early = alarms(&mut world);
    world.advance(std::time::Duration::from_secs(300));
    let late = alarms(&mut world);

    assert_eq!((count(&early, "MetricAlarms"), count(&late, "MetricAlarms")), (0, 1));
    let alarm = &late["MetricAlarms"][0];
    assert_eq!(
        (&alarm["AlarmName"], &alarm["StateValue"]),
        (&json!("shop-a-001"), &json!("ALARM"))
    );
    let went_off = world.seconds_at(std::time::Duration::from_secs(90));
    assert_eq!(alarm["StateUpdatedTimestamp"], time(went_off));
}

#[test]
fn a_state_that_is_none_is_refused() {
    let mut world = world(1);
    let set = |world: &mut World, state: &str| {
        let parameters = json!({ "AlarmName": "shop-a-000", "StateValue": state });
        answer(world, &call("cloudwatch", "SetAlarmState", parameters))
    };

    let refusal = set(&mut world, "BROKEN").unwrap_err();
    set(&mut world, "INSUFFICIENT_DATA").unwrap();

    assert_eq!(refusal.code, "ValidationError");
    let seen = describe(&mut world, json!({})).unwrap();
    assert_eq!(seen["MetricAlarms"][0]["StateValue"], "INSUFFICIENT_DATA");
}
