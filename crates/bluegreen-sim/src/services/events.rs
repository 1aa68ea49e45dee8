//! EventBridge: event buses and rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use super::{Concerns, unknown};
use crate::{Call, Lagging, Refusal, World, call::Answer};

/// §7: how many names are on a page.
const PAGE: usize = 100;

/// §7: two changes of a rule that come so close are one too many, unless changes of rules take no time.
const AT_ONCE: Duration = Duration::from_millis(100);

/// What there is of EventBridge.
#[derive(Debug)]
pub struct Events {
    buses: BTreeSet<String>,
    rules: BTreeMap<(String, String), Rule>,
}

impl Default for Events {
    /// Every account has the bus `default`.
    fn default() -> Self {
        Self { buses: BTreeSet::from(["default".to_owned()]), rules: BTreeMap::new() }
    }
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name of its bus.
    pub bus: String,
    /// Its name.
    pub name: String,
    /// The ARNs of its targets.
    pub targets: BTreeSet<String>,
    /// Which service of AWS manages it, if one does.
    pub managed_by: Option<String>,
    schedule: Option<String>,
    pattern: Option<String>,
    on: Lagging<bool>,
    changed: Option<Duration>,
}

impl Rule {
    /// Returns whether it is on, as it really is.
    pub fn is_on(&self) -> bool {
        *self.on.real()
    }
}

/// Nothing happens by itself in EventBridge.
#[derive(Clone, Debug)]
pub enum EventsEvent {}

impl Events {
    /// Returns all rules of all buses.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }
}

impl World {
    /// Adds an event bus.
    pub fn add_bus(&mut self, name: &str) {
        self.events.buses.insert(name.to_owned());
    }

    /// Adds a rule that is on or off, with a target.
    pub fn add_rule(&mut self, bus: &str, name: &str, target: &str, on: bool) {
        let rule = Rule {
            bus: bus.to_owned(),
            name: name.to_owned(),
            targets: BTreeSet::from([target.to_owned()]),
            managed_by: None,
            schedule: Some("rate(5 minutes)".to_owned()),
            pattern: None,
            on: Lagging::new(on),
            changed: None,
        };
        self.events.rules.insert((bus.to_owned(), name.to_owned()), rule);
    }

    /// Changes a rule as no call does: who manages it.
    pub fn change_rule(&mut self, bus: &str, name: &str, change: impl FnOnce(&mut Rule)) {
        if let Some(rule) = self.events.rules.get_mut(&(bus.to_owned(), name.to_owned())) {
            change(rule);
        }
    }
}

/// Lets a person switch a rule.
pub(super) fn switch(world: &mut World, bus: &str, name: &str, on: bool) {
    let shown = world.stale_until();
    world.change_rule(bus, name, |it| {
        if it.is_on() != on {
            it.on.set(on, shown);
        }
    });
}

pub(super) fn happen(_world: &mut World, event: EventsEvent) {
    match event {}
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "CreateArchive" => create_archive(world, call),
        "CreateEventBus" => {
            let name = call.required("Name")?.to_owned();
            world.add_bus(&name);
            Ok(json!({ "EventBusArn": world.arn("events", &format!("event-bus/{name}")) }))
        }
        "DescribeEventBus" => {
            let name =
                call.text("Name").unwrap_or("default").rsplit('/').next().unwrap_or_default();
            if !world.events.buses.contains(name) {
                return Err(missing("Event bus", name));
            }
            let arn = world.arn("events", &format!("event-bus/{name}"));
            Ok(json!({ "Name": name, "Arn": arn }))
        }
        "DescribeRule" => {
            let it = rule(world, call)?.clone();
            Ok(shown(world, &it))
        }
        "DisableRule" => switch_call(world, call, false),
        "EnableRule" => switch_call(world, call, true),
        "ListEventBuses" => list_buses(world, call),
        "ListRuleNamesByTarget" => list_names(world, call),
        "ListRules" => list_rules(world, call),
        "ListTargetsByRule" => {
            let name = call.required("Rule")?.to_owned();
            let key = (bus_of(call), name);
            let found = world.events.rules.get(&key).ok_or_else(|| missing("Rule", &key.1))?;
            let targets = found.targets.iter().map(|it| json!({ "Id": "1", "Arn": it }));
            Ok(json!({ "Targets": targets.collect::<Vec<_>>() }))
        }
        "PutRule" => put(world, call),
        "PutTargets" => put_targets(world, call),
        _ => Err(unknown(call)),
    }
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    let bus = bus_of(call);
    let rule = call.text("Name").or_else(|| call.text("Rule"));
    let path = |name: &str| match bus.as_str() {
        "default" => format!("rule/{name}"),
        bus => format!("rule/{bus}/{name}"),
    };
    match (call.operation.as_str(), rule) {
        (
            "DescribeRule" | "DisableRule" | "EnableRule" | "PutRule" | "PutTargets"
            | "ListTargetsByRule",
            Some(name),
        ) => Concerns::on([world.arn("events", &path(name))]),
        _ => Concerns::everything(),
    }
}

/// §7: the bus is `default` when it is left out; it may be an ARN.
fn bus_of(call: &Call) -> String {
    let bus = call.text("EventBusName").unwrap_or("default");
    bus.rsplit('/').next().unwrap_or_default().to_owned()
}

fn missing(what: &str, name: &str) -> Refusal {
    Refusal::bad("ResourceNotFoundException", format!("{what} {name} does not exist."))
}

fn rule<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Rule, Refusal> {
    let (bus, name) = (bus_of(call), call.required("Name")?.to_owned());
    if !world.events.buses.contains(&bus) {
        return Err(missing("Event bus", &bus));
    }
    world.events.rules.get_mut(&(bus, name.clone())).ok_or_else(|| missing("Rule", &name))
}

fn shown(world: &World, it: &Rule) -> Value {
    let path = match it.bus.as_str() {
        "default" => format!("rule/{}", it.name),
        bus => format!("rule/{bus}/{}", it.name),
    };
    json!({
        "Name": it.name,
        "Arn": world.arn("events", &path),
        "EventBusName": it.bus,
        "State": if *it.on.seen(world.now()) { "ENABLED" } else { "DISABLED" },
        "ScheduleExpression": it.schedule,
        "EventPattern": it.pattern,
        "ManagedBy": it.managed_by,
    })
}

fn switch_call(world: &mut World, call: &Call, on: bool) -> Answer {
    let (now, shown) = (world.now(), world.stale_until());
    let at_once = AT_ONCE.min(world.times.rule.most);
    let it = rule(world, call)?;
    if let Some(service) = &it.managed_by {
        let message = format!("Rule {} is managed by {service}.", it.name);
        return Err(Refusal::bad("ManagedRuleException", message));
    }
    if it.changed.is_some_and(|it| now < it + at_once) {
        let message = format!("Rule {} was modified concurrently.", it.name);
        return Err(Refusal::bad("ConcurrentModificationException", message));
    }
    it.changed = Some(now);
    // To switch it to what it is already is no error.
    if it.is_on() != on {
        it.on.set(on, shown);
    }
    Ok(json!({}))
}

fn list_buses(world: &mut World, call: &Call) -> Answer {
    let prefix = call.text("NamePrefix").unwrap_or_default();
    let names: Vec<&String> =
        world.events.buses.iter().filter(|it| it.starts_with(prefix)).collect();
    let (page, next) = paged(call, &names)?;
    let buses = page
        .iter()
        .map(|it| json!({ "Name": it, "Arn": world.arn("events", &format!("event-bus/{it}")) }));
    Ok(json!({ "EventBuses": buses.collect::<Vec<_>>(), "NextToken": next }))
}

fn list_names(world: &mut World, call: &Call) -> Answer {
    let (bus, target) = (bus_of(call), call.required("TargetArn")?);
    if !world.events.buses.contains(&bus) {
        return Err(missing("Event bus", &bus));
    }
    // §7: the target's exact ARN: a function and its alias are two.
    let rules =
        world.events.rules.values().filter(|it| it.bus == bus && it.targets.contains(target));
    let names: Vec<&String> = rules.map(|it| &it.name).collect();
    let (page, next) = paged(call, &names)?;
    Ok(json!({ "RuleNames": page, "NextToken": next }))
}

fn list_rules(world: &mut World, call: &Call) -> Answer {
    let bus = bus_of(call);
    let prefix = call.text("NamePrefix").unwrap_or_default();
    let rules: Vec<&Rule> = world
        .events
        .rules
        .values()
        .filter(|it| it.bus == bus && it.name.starts_with(prefix))
        .collect();
    let (page, next) = paged(call, &rules)?;
    let page: Vec<_> = page.iter().map(|it| shown(world, it)).collect();
    Ok(json!({ "Rules": page, "NextToken": next }))
}

/// Takes a page of a list, and the token of the next.
fn paged<'a, T>(call: &Call, all: &'a [T]) -> Result<(&'a [T], Option<String>), Refusal> {
    let from = match call.text("NextToken") {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| Refusal::bad("InvalidToken", "The specified nextToken is invalid."))?,
    };
    let size = match call.number("Limit") {
        None => PAGE,
        Some(it @ 1..=100) => it as usize,
        Some(_) => return Err(Refusal::bad("ValidationException", "limit must be 1 to 100")),
    };
    let end = from.saturating_add(size).min(all.len());
    let next = (end < all.len()).then(|| end.to_string());
    Ok((&all[from.min(end)..end], next))
}

fn put(world: &mut World, call: &Call) -> Answer {
    let (bus, name) = (bus_of(call), call.required("Name")?.to_owned());
    if !world.events.buses.contains(&bus) {
        return Err(missing("Event bus", &bus));
    }
    let key = (bus.clone(), name.clone());
    let targets = world.events.rules.get(&key).map(|it| it.targets.clone()).unwrap_or_default();
    // §7: it replaces all that the rule was.
    let rule = Rule {
        bus,
        name,
        targets,
        managed_by: None,
        schedule: call.text("ScheduleExpression").map(str::to_owned),
        pattern: call.text("EventPattern").map(str::to_owned),
        on: Lagging::new(call.text("State") != Some("DISABLED")),
        changed: None,
    };
    let arn = shown(world, &rule)["Arn"].clone();
    world.events.rules.insert(key, rule);
    Ok(json!({ "RuleArn": arn }))
}

/// Makes no archive, only the rule that AWS makes and manages for it.
fn create_archive(world: &mut World, call: &Call) -> Answer {
    let name = call.required("ArchiveName")?.to_owned();
    let source = call.required("EventSourceArn")?;
    let bus = source.rsplit('/').next().unwrap_or_default().to_owned();
    if !world.events.buses.contains(&bus) {
        return Err(missing("Event bus", &bus));
    }
    let rule = format!("Events-Archive-{name}");
    let target = world.arn("events", &format!("archive/{name}"));
    world.add_rule(&bus, &rule, &target, true);
    world.change_rule(&bus, &rule, |it| {
        it.managed_by = Some("prod.vhs.events.aws.internal".to_owned());
        it.schedule = None;
        it.pattern = Some(r#"{"replay-name":[{"exists":false}]}"#.to_owned());
    });
    Ok(json!({ "ArchiveArn": target, "State": "ENABLED" }))
}

fn put_targets(world: &mut World, call: &Call) -> Answer {
    let key = (bus_of(call), call.required("Rule")?.to_owned());
    let targets = call.parameters.get("Targets").and_then(Value::as_array).cloned();
    let rule = world.events.rules.get_mut(&key).ok_or_else(|| missing("Rule", &key.1))?;
    let arns = targets.unwrap_or_default();
    let arns = arns.iter().filter_map(|it| it.get("Arn")?.as_str().map(str::to_owned));
    rule.targets.extend(arns);
    Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
}

#[cfg(test)]
mod tests;
