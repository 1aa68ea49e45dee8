//! CloudWatch: alarms and metrics.

mod metrics;
mod published;

use std::collections::BTreeMap;

use serde_json::json;

use super::{Concerns, unknown};
use crate::{
    Call, Lagging, Refusal, World,
    call::{Answer, time},
};

/// §8: how many names a call may have, and how many alarms are on a page when nobody says.
const MOST_NAMES: usize = 100;
const PAGE: usize = 50;

/// What there is of CloudWatch.
#[derive(Debug, Default)]
pub struct CloudWatch {
    alarms: BTreeMap<String, Alarm>,
    /// What somebody has put: when, in seconds since 1970, and how much.
    metrics: BTreeMap<Metric, Vec<(f64, f64)>>,
}

/// Namespace, name and dimensions.
type Metric = (String, String, BTreeMap<String, String>);

/// An alarm.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// Whether it is made of other alarms.
    pub composite: bool,
    /// `OK`, `ALARM`, `INSUFFICIENT_DATA`.
    pub state: String,
    /// The ARNs of what is told, or scaled, when it goes off.
    pub actions: Vec<String>,
    actions_enabled: Lagging<bool>,
    /// Since when it is in its state, in seconds since 1970.
    since: f64,
}

/// The states of an alarm.
const STATES: [&str; 3] = ["OK", "ALARM", "INSUFFICIENT_DATA"];

impl Alarm {
    /// Returns whether its actions are on, as it really is.
    pub fn actions_enabled(&self) -> bool {
        *self.actions_enabled.real()
    }
}

impl CloudWatch {
    /// Returns all alarms.
    pub fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        self.alarms.values()
    }
}

impl World {
    /// Adds an alarm in the state `OK`.
    pub fn add_alarm(&mut self, name: &str, composite: bool, actions_enabled: bool) {
        let alarm = Alarm {
            name: name.to_owned(),
            composite,
            state: "OK".to_owned(),
            actions: Vec::new(),
            actions_enabled: Lagging::new(actions_enabled),
            since: self.seconds(),
        };
        self.cloudwatch.alarms.insert(name.to_owned(), alarm);
    }

    /// Says whom an alarm tells, or what it scales, by ARN.
    pub fn set_alarm_actions(&mut self, name: &str, actions: &[&str]) {
        if let Some(alarm) = self.cloudwatch.alarms.get_mut(name) {
            alarm.actions = actions.iter().map(|it| (*it).to_owned()).collect();
        }
    }

    /// Puts an alarm into a state: `OK`, `ALARM`, `INSUFFICIENT_DATA`. [`Change::SetAlarmState`] does it later.
    ///
    /// [`Change::SetAlarmState`]: crate::Change::SetAlarmState
    pub fn set_alarm_state(&mut self, name: &str, state: &str) {
        let now = self.seconds();
        if let Some(alarm) = self.cloudwatch.alarms.get_mut(name)
            && alarm.state != state
        {
            alarm.state = state.to_owned();
            alarm.since = now;
        }
    }
}

/// Lets a person switch the actions of an alarm.
pub(super) fn switch(world: &mut World, name: &str, on: bool) {
    let shown = world.stale_until();
    if let Some(alarm) = world.cloudwatch.alarms.get_mut(name)
        && alarm.actions_enabled() != on
    {
        alarm.actions_enabled.set(on, shown);
    }
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "DescribeAlarms" => describe(world, call),
        "DisableAlarmActions" => switch_all(world, call, false),
        "EnableAlarmActions" => switch_all(world, call, true),
        "GetMetricData" => metrics::get(world, call),
        "PutCompositeAlarm" => put(world, call, true),
        "PutMetricAlarm" => put(world, call, false),
        "PutMetricData" => metrics::put(world, call),
        "SetAlarmState" => {
            let (name, state) = (required(call, "AlarmName")?, required(call, "StateValue")?);
            if !STATES.contains(&state) {
                return Err(invalid(format!("{state} is no state of an alarm")));
            }
            if !world.cloudwatch.alarms.contains_key(name) {
                return Err(Refusal::new(404, "ResourceNotFound", "there is no such alarm"));
            }
            world.set_alarm_state(name, state);
            Ok(json!({}))
        }
        _ => Err(unknown(call)),
    }
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    let arn = |name: &str| world.arn("cloudwatch", &format!("alarm:{name}"));
    match call.operation.as_str() {
        "DescribeAlarms" => {
            // §8: composite alarms need a permission on everything.
            if call.texts("AlarmTypes").contains(&"CompositeAlarm") {
                return Concerns::everything();
            }
            match call.texts("AlarmNames").as_slice() {
                [] => Concerns::on([arn("*")]),
                names => Concerns::on(names.iter().map(|it| arn(it))),
            }
        }
        "EnableAlarmActions" | "DisableAlarmActions" => {
            Concerns::on(call.texts("AlarmNames").iter().map(|it| arn(it)))
        }
        "PutMetricAlarm" | "PutCompositeAlarm" | "SetAlarmState" => {
            Concerns::on([arn(call.text("AlarmName").unwrap_or("*"))])
        }
        _ => Concerns::everything(),
    }
}

fn required<'a>(call: &'a Call, name: &str) -> Result<&'a str, Refusal> {
    call.text(name).ok_or_else(|| invalid(format!("{name} is required")))
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::bad("ValidationError", message)
}

fn describe(world: &mut World, call: &Call) -> Answer {
    let names = call.texts("AlarmNames");
    let prefix = call.text("AlarmNamePrefix");
    if names.len() > MOST_NAMES {
        return Err(invalid("AlarmNames has more than 100 names"));
    }
    if !names.is_empty() && prefix.is_some() {
        return Err(invalid("AlarmNames and AlarmNamePrefix exclude each other"));
    }
    let size = match call.number("MaxRecords") {
        None => PAGE,
        Some(it @ 1..=100) => it as usize,
        Some(_) => return Err(invalid("MaxRecords must be between 1 and 100")),
    };
    // §8: without types there are only metric alarms in the answer.
    let types = call.texts("AlarmTypes");
    let metric = types.is_empty() || types.contains(&"MetricAlarm");
    let composite = types.contains(&"CompositeAlarm");
    let state = call.text("StateValue");
    let from = call.text("NextToken").and_then(|it| it.parse().ok()).unwrap_or(0_usize);
    let all: Vec<_> = world
        .cloudwatch
        .alarms
        .values()
        .filter(|it| if it.composite { composite } else { metric })
        .filter(|it| names.is_empty() || names.contains(&it.name.as_str()))
        .filter(|it| prefix.is_none_or(|prefix| it.name.starts_with(prefix)))
        .filter(|it| state.is_none_or(|state| it.state == state))
        .collect();
    let (mut metric_alarms, mut composite_alarms) = (Vec::new(), Vec::new());
    for it in all.iter().skip(from).take(size) {
        let list = if it.composite { &mut composite_alarms } else { &mut metric_alarms };
        list.push(json!({
            "AlarmName": it.name,
            "AlarmArn": world.arn("cloudwatch", &format!("alarm:{}", it.name)),
            "ActionsEnabled": it.actions_enabled.seen(world.now()),
            "StateValue": it.state,
            "StateUpdatedTimestamp": time(it.since),
            "StateTransitionedTimestamp": time(it.since),
            "AlarmActions": it.actions,
        }));
    }
    let end = from.saturating_add(size);
    Ok(json!({
        "MetricAlarms": metric_alarms,
        "CompositeAlarms": composite_alarms,
        "NextToken": (end < all.len()).then(|| end.to_string()),
    }))
}

fn switch_all(world: &mut World, call: &Call, on: bool) -> Answer {
    let names: Vec<String> = call.texts("AlarmNames").iter().map(|it| (*it).to_owned()).collect();
    if names.is_empty() || names.len() > MOST_NAMES {
        return Err(invalid("AlarmNames must have between 1 and 100 names"));
    }
    // §8: unknown names are passed over.
    for name in names {
        switch(world, &name, on);
    }
    Ok(json!({}))
}

fn put(world: &mut World, call: &Call, composite: bool) -> Answer {
    let name = required(call, "AlarmName")?.to_owned();
    world.add_alarm(&name, composite, call.flag("ActionsEnabled").unwrap_or(true));
    world.set_alarm_actions(&name, &call.texts("AlarmActions"));
    Ok(json!({}))
}

#[cfg(test)]
mod tests;
