//! CloudWatch: alarms and metrics.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Concerns, unknown};
use crate::{
    Call, Lagging, Refusal, World,
    call::{Answer, time},
};

/// §8: how many names a call may have, and how many alarms are on a page when nobody says.
const MOST_NAMES: usize = 100;
const PAGE: usize = 50;

/// §8: how many queries a call may have.
const MOST_QUERIES: usize = 500;

/// What there is of CloudWatch.
#[derive(Debug, Default)]
pub struct CloudWatch {
    alarms: BTreeMap<String, Alarm>,
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
}

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
        };
        self.cloudwatch.alarms.insert(name.to_owned(), alarm);
    }

    /// Says whom an alarm tells, or what it scales, by ARN.
    pub fn set_alarm_actions(&mut self, name: &str, actions: &[&str]) {
        if let Some(alarm) = self.cloudwatch.alarms.get_mut(name) {
            alarm.actions = actions.iter().map(|it| (*it).to_owned()).collect();
        }
    }

    /// Puts an alarm into a state: `OK`, `ALARM`, `INSUFFICIENT_DATA`.
    pub fn set_alarm_state(&mut self, name: &str, state: &str) {
        if let Some(alarm) = self.cloudwatch.alarms.get_mut(name) {
            alarm.state = state.to_owned();
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
        "GetMetricData" => metric_data(world, call),
        "PutCompositeAlarm" => put(world, call, true),
        "PutMetricAlarm" => put(world, call, false),
        "PutMetricData" => put_data(world, call),
        "SetAlarmState" => {
            let (name, state) = (required(call, "AlarmName")?, required(call, "StateValue")?);
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
    let from = call.text("NextToken").and_then(|it| it.parse().ok()).unwrap_or(0_usize);
    let all: Vec<_> = world
        .cloudwatch
        .alarms
        .values()
        .filter(|it| if it.composite { composite } else { metric })
        .filter(|it| names.is_empty() || names.contains(&it.name.as_str()))
        .filter(|it| prefix.is_none_or(|prefix| it.name.starts_with(prefix)))
        .collect();
    let (mut metric_alarms, mut composite_alarms) = (Vec::new(), Vec::new());
    for it in all.iter().skip(from).take(size) {
        let list = if it.composite { &mut composite_alarms } else { &mut metric_alarms };
        list.push(json!({
            "AlarmName": it.name,
            "AlarmArn": world.arn("cloudwatch", &format!("alarm:{}", it.name)),
            "ActionsEnabled": it.actions_enabled.seen(world.now()),
            "StateValue": it.state,
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

fn dimensions(of: &Value) -> BTreeMap<String, String> {
    let list = of.get("Dimensions").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |it: &Value, name: &str| it.get(name)?.as_str().map(str::to_owned);
    list.iter().filter_map(|it| Some((text(it, "Name")?, text(it, "Value")?))).collect()
}

fn put_data(world: &mut World, call: &Call) -> Answer {
    let namespace = required(call, "Namespace")?.to_owned();
    let data = call.parameters.get("MetricData").and_then(Value::as_array).cloned();
    let now = world.seconds();
    for datum in data.unwrap_or_default() {
        let name = datum.get("MetricName").and_then(Value::as_str).unwrap_or_default().to_owned();
        let value = datum.get("Value").and_then(Value::as_f64).unwrap_or_default();
        let at = datum.get("Timestamp").and_then(Value::as_f64).unwrap_or(now);
        let series = (namespace.clone(), name, dimensions(&datum));
        world.cloudwatch.metrics.entry(series).or_default().push((at, value));
    }
    Ok(json!({}))
}

fn metric_data(world: &mut World, call: &Call) -> Answer {
    let queries = call.parameters.get("MetricDataQueries").and_then(Value::as_array);
    let queries = queries.cloned().unwrap_or_default();
    if queries.len() > MOST_QUERIES {
        return Err(invalid("MetricDataQueries has more than 500 queries"));
    }
    let time_of = |name: &str| call.parameters.get(name).and_then(Value::as_f64);
    let (from, to) = (time_of("StartTime").unwrap_or(0.0), time_of("EndTime").unwrap_or(f64::MAX));
    let results = queries.iter().map(|query| {
        let stat = query.get("MetricStat");
        let metric = stat.and_then(|it| it.get("Metric"));
        let text = |name: &str| metric?.get(name)?.as_str().map(str::to_owned);
        let series = text("Namespace")
            .zip(text("MetricName"))
            .map(|(namespace, name)| (namespace, name, metric.map(dimensions).unwrap_or_default()));
        // §8: the start is within, the end is not; what nobody has put has no values.
        let points = series.and_then(|it| world.cloudwatch.metrics.get(&it));
        let mut points: Vec<_> =
            points.into_iter().flatten().filter(|(at, _)| (from..to).contains(at)).collect();
        points.sort_by(|one, other| other.0.total_cmp(&one.0));
        let id = query.get("Id").cloned().unwrap_or_default();
        json!({
            "Id": id,
            "Label": query.get("Label").cloned().or_else(|| text("MetricName").map(Value::from)),
            "StatusCode": "Complete",
            "Timestamps": points.iter().map(|(at, _)| time(*at)).collect::<Vec<_>>(),
            "Values": points.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
        })
    });
    Ok(json!({ "MetricDataResults": results.collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests;
