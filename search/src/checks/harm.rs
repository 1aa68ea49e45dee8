//! Nothing is destroyed or turned off on the active stack, nor what consumers need before they are really off.

use bluegreen_core::StackReference;
use bluegreen_deploy::stack_file::ConsumerKind;
use bluegreen_sim::{Record, World};

use super::{Checker, ON_ITS_WAY, REPEATED, is_blocked, stack_of};
use crate::people::What;

/// The operations that take away what consumers work with.
const TAKE_AWAY: [&str; 6] = [
    "DeleteDBCluster",
    "DeleteDBInstance",
    "DeleteTable",
    "DeregisterStreamConsumer",
    "PurgeQueue",
    "StopDBCluster",
];

impl Checker {
    /// 1: the active stack is never harmed, whether AWS takes the call or not.
    pub(super) fn harmless(&mut self, world: &World, record: &Record, active: StackReference) {
        let Some((stack, what)) = self.harm(world, record) else { return };
        let age = record.at - world.traffic.since();
        let still = if record.attempt > 1 { REPEATED } else { ON_ITS_WAY };
        let decided_before = age < still && self.meddled == Some(What::MoveTraffic);
        let served =
            self.is_served() && world.traffic.on() != Some(stack.partner()) && !decided_before;
        if stack == active {
            self.violated(format!("{what} on {stack}, which is active, at {:?}", record.at));
        } else if served {
            self.violated(format!("{what} on {stack}, which has traffic, at {:?}", record.at));
        }
        if TAKE_AWAY.contains(&record.operation.as_str()) {
            let busy = self.at_work(world, stack);
            if !busy.is_empty() {
                self.violated(format!("{what} on {stack} while at work are {busy:?}"));
            }
        }
    }

    /// Returns the consumers of a stack that are at work, of those that are the engine's to switch.
    fn at_work(&self, world: &World, stack: StackReference) -> Vec<String> {
        let mut busy = Vec::new();
        for it in world.lambda.mappings() {
            let kind = self.lambda(&it.function, stack).map(|it| it.settings.mappings);
            let works = it.takes() || ["Enabling", "Disabling"].contains(&it.state());
            if works && kind.is_some_and(|it| it != ConsumerKind::Off) {
                busy.push(format!("{} mapping of {}", it.state(), it.function));
            }
        }
        for it in world.events.rules().filter(|it| it.is_on()) {
            let function = it.name.trim_end_matches("-regularly");
            let kind = self.lambda(function, stack).map(|it| it.settings.rules);
            if kind.is_some_and(|it| it != ConsumerKind::Off) {
                busy.push(format!("rule {}", it.name));
            }
        }
        if self.meddled != Some(What::SetTasks) {
            let own = world.ecs.services().filter(|it| stack_of(&it.name) == Some(stack));
            busy.extend(own.filter(|it| it.running > 0).map(|it| format!("service {}", it.name)));
        }
        busy
    }

    /// Returns what a call destroys or turns off, and on which stack.
    fn harm(&self, world: &World, record: &Record) -> Option<(StackReference, String)> {
        let text = |name: &str| record.parameters.get(name).and_then(|it| it.as_str());
        let flag = |name: &str| record.parameters.get(name).and_then(|it| it.as_bool());
        let name = match record.operation.as_str() {
            "StopDBCluster" | "DeleteDBCluster" => text("DBClusterIdentifier")?.to_owned(),
            // Instances are named `orders-a-0`, those that scaling adds have the tag of their cluster.
            "DeleteDBInstance" => {
                let instance = text("DBInstanceIdentifier")?;
                match world.rds.instance(instance) {
                    Some(it) => it.cluster.clone(),
                    None => instance.rsplit_once('-')?.0.to_owned(),
                }
            }
            "PurgeQueue" => text("QueueUrl")?.rsplit('/').next()?.to_owned(),
            "DeleteTable" => text("TableName")?.to_owned(),
            "SetSubscriptionAttributes" => {
                let blocks = text("AttributeName") == Some("FilterPolicy")
                    && is_blocked(text("AttributeValue"));
                if !blocks {
                    return None;
                }
                world.sns.subscription(text("SubscriptionArn")?)?.endpoint.clone()
            }
            "UpdateEventSourceMapping" if flag("Enabled") != Some(false) => return None,
            "UpdateEventSourceMapping" | "DeleteEventSourceMapping" => {
                let uuid = text("UUID")?;
                world.lambda.mappings().find(|it| it.uuid == uuid)?.function.clone()
            }
            "DisableRule" => text("Name")?.trim_end_matches("-regularly").to_owned(),
            "UpdateService" => {
                let service = text("service")?;
                let count = record.parameters.get("desiredCount").and_then(|it| it.as_u64())?;
                let before = self.tasks.get(service).copied().unwrap_or_default();
                if count >= u64::from(before) {
                    return None;
                }
                service.to_owned()
            }
            // What cannot scale out any more is harmed too.
            "RegisterScalableTarget" => {
                let suspended = record.parameters.get("SuspendedState")?;
                suspended.get("DynamicScalingOutSuspended")?.as_bool().filter(|it| *it)?;
                text("ResourceId")?.to_owned()
            }
            "DeregisterStreamConsumer" => {
                let arn = text("ConsumerARN").and_then(|it| it.split("/consumer/").nth(1));
                let named = arn.and_then(|it| it.split(':').next());
                text("ConsumerName").or(named)?.to_owned()
            }
            "DisableAlarmActions" => {
                let names = record.parameters.get("AlarmNames")?.as_array()?;
                let names: Vec<&str> = names.iter().filter_map(|it| it.as_str()).collect();
                let owned = |stack: &StackReference| {
                    let mut files = self.file.cloudwatch.iter();
                    files.any(|it| names.iter().any(|name| it.settings.owns(*stack, name)))
                };
                let active = self.store.pointer().active;
                let stack = [active, active.partner()].into_iter().find(owned)?;
                return Some((stack, format!("{} of {names:?}", record.name())));
            }
            _ => return None,
        };
        Some((stack_of(&name)?, format!("{} of {name}", record.name())))
    }
}
