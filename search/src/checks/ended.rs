//! What must hold when a release has ended, and when everything has.

use bluegreen_core::StackReference;
use bluegreen_deploy::stack_file::{AuroraRetire, ConsumerKind, DesiredTasks, Feed};
use bluegreen_sim::{Fate, Message, Service, World};

use super::{Checker, is_blocked, stack_of};
use crate::people::What;

impl Checker {
    /// 3: a release that is done has left everything as it should be.
    pub(crate) fn done(&mut self, world: &World, to: StackReference) {
        let mut wrong = Vec::new();
        if self.store.pointer().active != to {
            wrong.push("the pointer is elsewhere".to_owned());
        }
        if self.is_served() && world.traffic.on() != Some(to) {
            wrong.push("traffic is elsewhere".to_owned());
        }
        wrong.extend(self.wrong_clusters(world, to));
        wrong.extend(self.wrong_consumers(world, to));
        wrong.extend(self.wrong_rest(world, to));
        for it in wrong {
            self.violated(format!("the release to {to} is done, but {it}"));
        }
    }

    fn wrong_clusters(&self, world: &World, to: StackReference) -> Vec<String> {
        let old = to.partner();
        let mut wrong = Vec::new();
        for it in &self.file.aurora {
            let clusters = &it.settings.config.clusters;
            let (new, old) = (clusters.of(to), clusters.of(old));
            let status = |name: &str| world.rds.cluster(name).map(|it| it.status().to_owned());
            if !world.rds.cluster(new).is_some_and(|it| it.is_running()) {
                wrong.push(format!("cluster {new} is {:?}", status(new)));
            }
            let target = world.scaling.target(&format!("cluster:{new}"));
            let least = target.map(|it| it.limits().least);
            if least != Some(it.settings.config.minimum_readers) {
                wrong.push(format!("cluster {new} has a minimum of {least:?}"));
            }
            let expected = match it.settings.retire {
                AuroraRetire::Stop => Some("stopped".to_owned()),
                AuroraRetire::Delete => None,
                AuroraRetire::Keep => continue,
            };
            let restarted = self.meddled == Some(What::Restart) && expected.is_some();
            if status(old) != expected && !restarted {
                wrong.push(format!("cluster {old} is {:?}", status(old)));
            }
            let kept = world.rds.snapshots().any(|it| it.cluster == *old);
            if expected.is_none() && it.settings.final_snapshot && !kept {
                wrong.push(format!("cluster {old} is gone without a snapshot"));
            }
        }
        wrong
    }

    fn wrong_consumers(&self, world: &World, to: StackReference) -> Vec<String> {
        let old = to.partner();
        let mut wrong = Vec::new();
        for it in world.lambda.mappings() {
            for (stack, expected) in [(to, "Enabled"), (old, "Disabled")] {
                let kind = self.lambda(&it.function, stack).map(|it| it.settings.mappings);
                let switched = kind.is_some_and(|it| it != ConsumerKind::Off);
                if switched && it.state() != expected {
                    wrong.push(format!("mapping of {} is {}", it.function, it.state()));
                }
            }
        }
        for it in world.events.rules() {
            let function = it.name.trim_end_matches("-regularly");
            for (stack, expected) in [(to, true), (old, false)] {
                let own = self.lambda(function, stack).filter(|it| !self.by_hand(&it.name));
                let switched = own.is_some_and(|it| it.settings.rules != ConsumerKind::Off);
                if switched && it.is_on() != expected {
                    wrong.push(format!("rule {} is on: {}", it.name, it.is_on()));
                }
            }
        }
        for it in self.file.ecs.iter().filter(|_| self.meddled != Some(What::SetTasks)) {
            let tasks = |stack: StackReference| {
                let name = it.settings.config.services.of(stack);
                let mut services = world.ecs.services();
                services.find(|it| it.name == *name).map(|it| (it.desired(), it.running))
            };
            let (new, left) = (tasks(to), tasks(old));
            let enough = match it.settings.desired_tasks {
                DesiredTasks::Count(count) => new.is_some_and(|(_, running)| running >= count),
                DesiredTasks::Match => new.is_some_and(|(_, running)| running > 0),
            };
            if !enough || left != Some((0, 0)) {
                wrong.push(format!(
                    "the services of {} have the tasks {new:?} and {left:?}",
                    it.name
                ));
            }
            let target = format!("service/shop/{}", it.settings.config.services.of(to));
            let scaling = world.scaling.target(&target).map(|it| it.limits());
            if scaling.is_some_and(|it| it.in_suspended || it.out_suspended) {
                wrong.push(format!("the scaling of {target} is suspended"));
            }
        }
        for it in &self.file.kinesis {
            let status = |stack: StackReference| {
                let name = it.settings.config.consumers.of(stack);
                let mut consumers = world.kinesis.consumers().filter(|it| it.name == *name);
                consumers.next().map(|it| it.status().to_owned())
            };
            if status(to).as_deref() != Some("ACTIVE") {
                wrong.push(format!("the consumer of {} on {to} is {:?}", it.name, status(to)));
            }
            if it.settings.deregister && status(old).is_some() {
                wrong.push(format!("the consumer of {} on {old} is {:?}", it.name, status(old)));
            }
        }
        wrong
    }

    fn wrong_rest(&self, world: &World, to: StackReference) -> Vec<String> {
        let old = to.partner();
        let mut wrong = Vec::new();
        for it in world.sns.subscriptions() {
            let blocked = is_blocked(it.policy());
            if stack_of(&it.endpoint).is_some_and(|stack| blocked != (stack == old)) {
                wrong.push(format!("the subscription of {} is blocked: {blocked}", it.endpoint));
            }
        }
        for it in &self.file.cloudwatch {
            for (stack, expected) in [(to, true), (old, false)] {
                let own =
                    world.cloudwatch.alarms().filter(|own| it.settings.owns(stack, &own.name));
                // A person may have switched it off when its stack had become the active one.
                let by_hand =
                    |name: &str| self.meddled == Some(What::SwitchAlarm) && name.contains("errors");
                let others =
                    own.filter(|it| it.actions_enabled() != expected && !by_hand(&it.name));
                wrong.extend(others.map(|it| format!("alarm {} is on: {}", it.name, !expected)));
            }
        }
        for it in &self.file.dynamodb {
            let (new, old) = (it.settings.config.tables.of(to), it.settings.config.tables.of(old));
            let gone = world.dynamodb.table(old).is_none();
            if gone != it.settings.delete || world.dynamodb.table(new).is_none() {
                wrong.push(format!("table {old} is gone: {gone}"));
            }
        }
        wrong
    }

    /// 5: no message is lost that the order of steps promises to keep, and none is processed twice.
    pub(crate) fn end(&mut self, world: &World) {
        if !self.violations.is_empty() {
            return;
        }
        let active = self.store.pointer().active;
        let released = !self.store.is_open();
        for (number, message) in world.ledger.messages() {
            let lost = if message.to.contains(":kinesis:") {
                self.lost_record(world, message)
            } else if message.to.contains(":sns:") {
                self.lost_copy(world, message, active)
            } else {
                self.lost_work(world, message, active, released)
            };
            let twice = message.copies.values().any(|it| it.consumed.len() > 1);
            let lost = lost.or_else(|| twice.then(|| "was processed twice".to_owned()));
            if let Some(lost) = lost {
                self.violated(format!(
                    "message {number}, sent at {:?} to {}, {lost}: {:?}",
                    message.sent, message.to, message.copies
                ));
                return;
            }
        }
    }

    /// A record of a stream is read by a function of either stack, wherever one is switched.
    fn lost_record(&self, world: &World, message: &Message) -> Option<String> {
        let is_switched = |function: &str| {
            let kind = StackReference::BOTH.into_iter().find_map(|it| self.lambda(function, it));
            kind.is_some_and(|it| it.settings.mappings != ConsumerKind::Off)
        };
        let read =
            world.lambda.mappings().any(|it| it.source == message.to && is_switched(&it.function));
        let consumed = message.copies.values().any(|it| !it.consumed.is_empty());
        (read && !consumed).then(|| "was read by nobody".to_owned())
    }

    /// Work goes to the queue of the stack that has the traffic, and somebody does it.
    fn lost_work(
        &self,
        world: &World,
        message: &Message,
        active: StackReference,
        released: bool,
    ) -> Option<String> {
        let is_it = |name: &str| message.to.ends_with(&format!(":{name}"));
        let works = |feed: &Feed| *feed == Feed::Work;
        let queue = self.file.sqs.iter().filter(|it| works(&it.settings.feed)).find(|it| {
            StackReference::BOTH.into_iter().any(|stack| is_it(it.settings.config.queues.of(stack)))
        })?;
        // What a person sends elsewhere with the traffic, a person has to fetch.
        if self.meddled == Some(What::MoveTraffic) {
            return None;
        }
        let Some(copy) = message.copies.values().next() else {
            return Some("has not arrived".to_owned());
        };
        let of_active = is_it(queue.settings.config.queues.of(active));
        let done_by_nobody = copy.fate == Fate::Waiting && released && {
            let mut mappings = world.lambda.mappings().filter(|it| it.source == message.to);
            let reads = |it: &Service| it.source() == Some(message.to.as_str()) && it.running > 0;
            !of_active || mappings.any(|it| it.takes()) || world.ecs.services().any(reads)
        };
        (matches!(copy.fate, Fate::Purged(_)) || done_by_nobody)
            .then(|| "was work that nobody does".to_owned())
    }

    /// A message of a topic reaches whoever is active, and the one to come from when its subscription works.
    fn lost_copy(
        &self,
        world: &World,
        message: &Message,
        active: StackReference,
    ) -> Option<String> {
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
        if !is_blocked(fed.policy()) && message.sent >= fed.works && !kept(fate(active)) {
            return Some(format!("has not reached {active}, whose subscription worked"));
        }
        None
    }
}
