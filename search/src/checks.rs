//! What must hold throughout, read off the account and its audit, never off the engine's own word.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Outcome, Report, Store,
    stack_file::{AuroraRetire, ConsumerKind, Feed, StackFile, Traffic},
};
use bluegreen_sim::{Fate, Message, Record, World};

use crate::run::What;

/// How long after a person has moved traffic a call may still be on its way that was decided before.
const ON_ITS_WAY: Duration = Duration::from_secs(20);

/// The same for a call that the SDK repeats.
const REPEATED: Duration = Duration::from_secs(70);

/// The least time between two tries of one change by one step, which is the pace of looking.
const PACE: Duration = Duration::from_millis(900);

/// Checks an account while a release runs in it.
#[derive(Debug)]
pub(crate) struct Checker {
    file: StackFile,
    store: Arc<Store>,
    /// What does not hold.
    pub(crate) violations: Vec<String>,
    /// Where traffic was last, and since when.
    traffic: (Option<StackReference>, Duration),
    /// Where the pointer was, from when on.
    pointer: Vec<(Duration, StackReference)>,
    /// When each step made each change last, and how often.
    changes: BTreeMap<(String, String), (Duration, usize)>,
    meddled: Option<What>,
}

impl Checker {
    pub(crate) fn new(file: &StackFile, store: Arc<Store>) -> Self {
        let active = store.pointer().active;
        Self {
            file: file.clone(),
            store,
            violations: Vec::new(),
            traffic: (Some(active), Duration::ZERO),
            pointer: vec![(Duration::ZERO, active)],
            changes: BTreeMap::new(),
            meddled: None,
        }
    }

    /// Notes that something does not hold.
    pub(crate) fn violated(&mut self, what: String) {
        if !self.violations.contains(&what) {
            self.violations.push(what);
        }
    }

    /// Notes that somebody has changed something by hand.
    pub(crate) fn meddled(&mut self, what: What) {
        self.meddled = Some(what);
    }

    /// Notes that the command is run again: what is repeated from here on, a person repeats.
    pub(crate) fn begins_again(&mut self) {
        self.changes.clear();
    }

    /// Sees a call, with the account right after it.
    pub(crate) fn call(&mut self, world: &World, record: &Record) {
        let active = self.store.pointer().active;
        if self.pointer.last().is_none_or(|(_, it)| *it != active) {
            self.pointer.push((record.at, active));
        }
        if world.traffic.on() != self.traffic.0 {
            self.traffic = (world.traffic.on(), record.at);
        }
        if record.is_change() && record.attempt == 1 {
            self.pace(record);
        }
        if record.took_effect() {
            self.harmless(world, record, active);
            self.never_both_off(world, record);
            self.never_both_on(world, record);
        }
    }

    /// 4: no change is repeated more often than the pace of looking allows.
    fn pace(&mut self, record: &Record) {
        let step = record.step.clone().unwrap_or_default();
        let key = (step, format!("{} {}", record.name(), record.parameters));
        let last = self.changes.get(&key).copied();
        if let Some((at, _)) = last
            && record.at < at + PACE
        {
            self.violated(format!(
                "{} was repeated after {:?} by `{}`",
                key.1,
                record.at - at,
                key.0
            ));
        }
        let count = last.map_or(0, |(_, count)| count) + 1;
        if count > 600 {
            self.violated(format!("{} was repeated {count} times by `{}`", key.1, key.0));
        }
        self.changes.insert(key, (record.at, count));
    }

    /// 1: nothing is destroyed or turned off on the active stack.
    fn harmless(&mut self, world: &World, record: &Record, active: StackReference) {
        let Some((stack, what)) = self.harm(world, record) else { return };
        let age = record.at - self.traffic.1;
        let decided_before = age < if record.attempt > 1 { REPEATED } else { ON_ITS_WAY };
        let served = matches!(self.file.traffic, Traffic::Movers(_))
            && world.traffic.on() != Some(stack.partner())
            && !decided_before;
        if stack == active {
            self.violated(format!("{what} on {stack}, which is active, at {:?}", record.at));
        } else if served {
            self.violated(format!("{what} on {stack}, which has traffic, at {:?}", record.at));
        }
        self.consumers_are_off(world, record, stack, &what);
    }

    /// Nothing that consumers need goes before they are really off.
    fn consumers_are_off(
        &mut self,
        world: &World,
        record: &Record,
        stack: StackReference,
        what: &str,
    ) {
        let takes_away =
            ["StopDBCluster", "DeleteDBInstance", "DeleteDBCluster", "DeregisterStreamConsumer"];
        if !takes_away.contains(&record.operation.as_str()) {
            return;
        }
        let busy: Vec<String> = world
            .lambda
            .mappings()
            .filter(|it| self.kind_of(&it.function, stack) == Some(ConsumerKind::Mirror))
            .filter(|it| it.state() != "Disabled")
            .map(|it| format!("{} of {}", it.state(), it.function))
            .collect();
        if !busy.is_empty() && self.meddled.is_none() {
            self.violated(format!("{what} on {stack} while its mappings are {busy:?}"));
        }
    }

    fn kind_of(&self, function: &str, stack: StackReference) -> Option<ConsumerKind> {
        let own = |it: &&bluegreen_deploy::stack_file::Resource<
            bluegreen_deploy::stack_file::LambdaSettings,
        >| { it.settings.config.functions.of(stack) == function };
        self.file.lambda.iter().find(own).map(|it| it.settings.mappings)
    }

    /// Returns what a call destroys or turns off, and on which stack.
    fn harm(&self, world: &World, record: &Record) -> Option<(StackReference, String)> {
        let text = |name: &str| record.parameters.get(name).and_then(|it| it.as_str());
        let what = |name: &str| format!("{} of {name}", record.name());
        let name = match record.operation.as_str() {
            "StopDBCluster" | "DeleteDBCluster" => text("DBClusterIdentifier")?.to_owned(),
            "DeleteDBInstance" => {
                let instance = text("DBInstanceIdentifier")?;
                world.rds.instance(instance)?.cluster.clone()
            }
            "PurgeQueue" => text("QueueUrl")?.rsplit('/').next()?.to_owned(),
            "DeleteTable" => text("TableName")?.to_owned(),
            "SetSubscriptionAttributes" => {
                let blocks = text("AttributeName") == Some("FilterPolicy")
                    && text("AttributeValue")
                        .is_some_and(|it| it.contains("__bluegreen_blocked__"));
                let subscription = world.sns.subscription(text("SubscriptionArn")?)?;
                let queue = subscription.endpoint.rsplit(':').next()?;
                if !blocks {
                    return None;
                }
                queue.to_owned()
            }
            "UpdateEventSourceMapping" | "DeleteEventSourceMapping" => {
                let off =
                    record.parameters.get("Enabled").and_then(|it| it.as_bool()) == Some(false);
                if !off && record.operation != "DeleteEventSourceMapping" {
                    return None;
                }
                let uuid = text("UUID")?;
                world.lambda.mappings().find(|it| it.uuid == uuid)?.function.clone()
            }
            "DisableRule" => text("Name")?.trim_end_matches("-regularly").to_owned(),
            "UpdateService" => {
                let count = record.parameters.get("desiredCount").and_then(|it| it.as_i64())?;
                if count > 0 {
                    return None;
                }
                text("service")?.to_owned()
            }
            "DeregisterStreamConsumer" => text("ConsumerName")?.to_owned(),
            "DisableAlarmActions" => {
                let names = record.parameters.get("AlarmNames")?.as_array()?;
                let first = names.first()?.as_str()?;
                first.split('-').take(2).collect::<Vec<_>>().join("-")
            }
            _ => return None,
        };
        let stack = stack_of(&name)?;
        Some((stack, what(&name)))
    }

    /// 2: of what may run on both stacks, one is on at any time.
    fn never_both_off(&mut self, world: &World, record: &Record) {
        if self.meddled.is_some() {
            return;
        }
        let mut off = Vec::new();
        for it in &self.file.lambda {
            let on = |stack: StackReference| {
                let function = it.settings.config.functions.of(stack);
                let mapping =
                    world.lambda.mappings().any(|it| it.function == *function && it.is_on());
                let rule = world
                    .events
                    .rules()
                    .any(|it| it.name.starts_with(function.as_str()) && it.is_on());
                (mapping, rule)
            };
            let (a, b) = (on(StackReference::A), on(StackReference::B));
            if it.settings.mappings == ConsumerKind::Mirror && !a.0 && !b.0 {
                off.push(format!("the mappings of {}", it.name));
            }
            if it.settings.rules == ConsumerKind::Mirror && !a.1 && !b.1 {
                off.push(format!("the rules of {}", it.name));
            }
        }
        for it in &self.file.ecs {
            let tasks = |stack: StackReference| {
                let name = it.settings.config.services.of(stack);
                world.ecs.services().find(|it| it.name == *name).map_or(0, |it| it.desired())
            };
            if tasks(StackReference::A) == 0 && tasks(StackReference::B) == 0 {
                off.push(format!("the services of {}", it.name));
            }
        }
        for it in &self.file.sns {
            let blocked = |stack: StackReference| {
                let endpoint = it.settings.config.endpoints.as_ref().map(|it| it.of(stack));
                let mut own = world.sns.subscriptions().filter(|it| Some(&it.endpoint) == endpoint);
                own.all(|it| it.policy().is_some_and(|it| it.contains("__bluegreen_blocked__")))
            };
            if blocked(StackReference::A) && blocked(StackReference::B) {
                off.push(format!("the subscriptions of {}", it.name));
            }
        }
        if !off.is_empty() {
            self.violated(format!("both sides are off of {off:?} after {}", record.name()));
        }
    }

    /// 2: of what must run on one stack only, never are both on.
    fn never_both_on(&mut self, world: &World, record: &Record) {
        if self.meddled.is_some() {
            return;
        }
        let mut on_both = Vec::new();
        for it in &self.file.lambda {
            let on = |stack: StackReference| {
                let function = it.settings.config.functions.of(stack);
                // One that is still `Disabling` takes messages.
                let mut own = world.lambda.mappings().filter(|it| it.function == *function);
                let mapping = own.any(|it| it.is_on() || it.takes() || it.state() == "Disabling");
                let rule = world
                    .events
                    .rules()
                    .any(|it| it.name.starts_with(function.as_str()) && it.is_on());
                (mapping, rule)
            };
            let (a, b) = (on(StackReference::A), on(StackReference::B));
            if it.settings.mappings == ConsumerKind::Exclusive && a.0 && b.0 {
                on_both.push(format!("the mappings of {}", it.name));
            }
            if it.settings.rules == ConsumerKind::Exclusive && a.1 && b.1 {
                on_both.push(format!("the rules of {}", it.name));
            }
        }
        if !on_both.is_empty() {
            self.violated(format!("both sides are on of {on_both:?} after {}", record.name()));
        }
    }

    /// 3: what is reported agrees with the account.
    pub(crate) fn report(&mut self, _world: &World, report: &Report) {
        let pointer = self.store.pointer().active;
        if report.active != pointer {
            self.violated(format!("the report says {} and the pointer {pointer}", report.active));
        }
        let open = self.store.release().is_some();
        if report.outcome == Outcome::Done && open {
            self.violated("the release is done and still open".to_owned());
        }
        let paused = matches!(report.outcome, Outcome::Paused | Outcome::RetireIncomplete);
        if paused && !open {
            self.violated(format!("the outcome is {:?} and no release is open", report.outcome));
        }
        if report.outcome == Outcome::RetireIncomplete && pointer != report.to {
            self.violated("retiring is incomplete and production has not moved".to_owned());
        }
    }

    /// 3: a release that is done has left everything as it should be.
    pub(crate) fn done(&mut self, world: &World, to: StackReference) {
        let old = to.partner();
        let mut wrong = Vec::new();
        if self.store.pointer().active != to {
            wrong.push("the pointer is elsewhere".to_owned());
        }
        if matches!(self.file.traffic, Traffic::Movers(_)) && world.traffic.on() != Some(to) {
            wrong.push("traffic is elsewhere".to_owned());
        }
        for it in &self.file.aurora {
            let clusters = &it.settings.config.clusters;
            let status =
                |stack| world.rds.cluster(clusters.of(stack)).map(|it| it.status().to_owned());
            if status(to)
                .is_none_or(|it| ["stopped", "stopping", "deleting"].contains(&it.as_str()))
            {
                wrong.push(format!("cluster {} is {:?}", clusters.of(to), status(to)));
            }
            let expected = match it.settings.retire {
                AuroraRetire::Stop => Some("stopped".to_owned()),
                AuroraRetire::Delete => None,
                AuroraRetire::Keep => Some("available".to_owned()),
            };
            let settled = self.meddled.is_none();
            if settled && it.settings.retire != AuroraRetire::Keep && status(old) != expected {
                wrong.push(format!("cluster {} is {:?}", clusters.of(old), status(old)));
            }
        }
        for it in world.lambda.mappings() {
            for (stack, expected) in [(to, "Enabled"), (old, "Disabled")] {
                let kind = self.kind_of(&it.function, stack);
                let switched = kind.is_some_and(|it| it != ConsumerKind::Off);
                if switched && it.state() != expected {
                    wrong.push(format!("mapping of {} is {}", it.function, it.state()));
                }
            }
        }
        for it in world.events.rules().filter(|_| self.meddled.is_none()) {
            let on_new = it.name.trim_end_matches("-regularly").ends_with(&format!("-{to}"));
            if it.name.ends_with("-regularly") && it.is_on() != on_new {
                wrong.push(format!("rule {} is on: {}", it.name, it.is_on()));
            }
        }
        for it in world.ecs.services() {
            if stack_of(&it.name) == Some(to) && it.desired() == 0 {
                wrong.push(format!("service {} has no tasks", it.name));
            }
            if stack_of(&it.name) == Some(old) && it.desired() > 0 {
                wrong.push(format!("service {} has tasks", it.name));
            }
        }
        for it in world.sns.subscriptions() {
            let blocked = it.policy().is_some_and(|it| it.contains("__bluegreen_blocked__"));
            if stack_of(&it.endpoint).is_some_and(|stack| blocked != (stack == old)) {
                wrong.push(format!("the subscription of {} is blocked: {blocked}", it.endpoint));
            }
        }
        for it in world.cloudwatch.alarms() {
            let own = it.name.split('-').nth(1).unwrap_or_default();
            if it.actions_enabled() != (own == to.to_string()) {
                wrong.push(format!("alarm {} is on: {}", it.name, it.actions_enabled()));
            }
        }
        for it in &self.file.dynamodb {
            let gone = world.dynamodb.table(it.settings.config.tables.of(old)).is_none();
            if gone != it.settings.delete {
                wrong.push(format!("table {} is gone: {gone}", it.settings.config.tables.of(old)));
            }
        }
        for it in wrong {
            self.violated(format!("the release to {to} is done, but {it}"));
        }
    }

    /// 5: no message is lost that the order of steps promises to keep, and none is processed twice.
    pub(crate) fn end(&mut self, world: &World) {
        if self.meddled.is_some() || !self.violations.is_empty() {
            return;
        }
        let active = self.store.pointer().active;
        let released = self.store.release().is_none();
        for (number, message) in world.ledger.messages() {
            if let Some(lost) = self.lost(world, message, active, released) {
                self.violated(format!(
                    "message {number}, sent at {:?} to {}, {lost}: {:?}",
                    message.sent, message.to, message.copies
                ));
                return;
            }
        }
    }

    fn lost(
        &self,
        world: &World,
        message: &Message,
        active: StackReference,
        released: bool,
    ) -> Option<String> {
        let work = self.file.sqs.iter().find(|it| {
            it.settings.feed == Feed::Work
                && StackReference::BOTH.iter().any(|stack| {
                    message.to.ends_with(&format!(":{}", it.settings.config.queues.of(*stack)))
                })
        });
        if let Some(queue) = work {
            let copy = message.copies.values().next()?;
            let consumed = copy.consumed.len();
            if consumed > 1 {
                return Some("was processed twice".to_owned());
            }
            let waits_for_nobody = copy.fate == Fate::Waiting
                && released
                && message
                    .to
                    .ends_with(&format!(":{}", queue.settings.config.queues.of(active.partner())));
            if matches!(copy.fate, Fate::Purged(_)) || waits_for_nobody {
                return Some("was work that nobody will do".to_owned());
            }
            return None;
        }
        if !message.to.contains(":sns:") {
            return None;
        }
        let fate = |stack: StackReference| {
            let own = message.copies.iter().find(|(queue, _)| stack_of(queue) == Some(stack));
            own.map(|(_, copy)| copy.fate)
        };
        let kept = |fate: Option<Fate>| matches!(fate, Some(Fate::Done | Fate::Waiting));
        let then = self.pointer.iter().rev().find(|(since, _)| *since <= message.sent);
        let then = then.map_or(active, |(_, it)| *it);
        // Whoever was active gets every message, or the other stack has got it.
        if !kept(fate(then)) && !(fate(then.partner()) == Some(Fate::Done)) {
            return Some(format!("has not reached {then}, which was active"));
        }
        if fate(then) == Some(Fate::Filtered) {
            return Some(format!("was kept from {then}, which was active"));
        }
        // Whoever is active in the end has had every message since its subscription worked.
        let fed = world
            .sns
            .subscriptions()
            .find(|it| it.topic == message.to && stack_of(&it.endpoint) == Some(active))?;
        let open = fed.policy().is_none_or(|it| !it.contains("__bluegreen_blocked__"));
        if open && message.sent >= fed.works && !kept(fate(active)) {
            return Some(format!("has not reached {active}, whose subscription worked"));
        }
        None
    }
}

/// Returns the stack that a name of the search's own ends with.
fn stack_of(name: &str) -> Option<StackReference> {
    match name.rsplit(['-', ':']).next()? {
        "a" => Some(StackReference::A),
        "b" => Some(StackReference::B),
        _ => None,
    }
}
