//! [`Picture`], how an account is as far as a release changes it.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::StackReference;
use bluegreen_deploy::stack_file::StackFile;
use bluegreen_sim::World;

/// How an account is as far as a release changes it: what is compared when one was taken back.
///
/// Data and messages are no part of it, nor are numbers of tasks and readers, which follow the load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture(BTreeMap<String, String>);

impl Picture {
    pub(crate) fn of(world: &World, file: &StackFile) -> Self {
        let mut seen = BTreeMap::new();
        for it in &file.aurora {
            for stack in StackReference::BOTH {
                let name = it.settings.config.clusters.of(stack);
                let status = world.rds.cluster(name).map(|it| it.status().to_owned());
                seen.insert(format!("cluster {name}"), format!("{status:?}"));
                let scaling = world.scaling.target(&format!("cluster:{name}"));
                let limits = scaling.map(|it| it.limits());
                let limits = limits.map(|it| (it.least, it.in_suspended, it.out_suspended));
                seen.insert(format!("scaling of cluster {name}"), format!("{limits:?}"));
            }
        }
        for it in world.lambda.mappings() {
            seen.insert(format!("mapping {} of {}", it.uuid, it.function), it.state().to_owned());
        }
        for it in world.events.rules() {
            seen.insert(format!("rule {}", it.name), format!("on: {}", it.is_on()));
        }
        for it in world.ecs.services() {
            let on = it.desired() > 0;
            seen.insert(format!("service {}", it.name), format!("on: {on}"));
            let scaling = world.scaling.target(&format!("service/shop/{}", it.name));
            let flags = scaling.map(|it| it.limits()).map(|it| (it.in_suspended, it.out_suspended));
            seen.insert(format!("scaling of service {}", it.name), format!("{flags:?}"));
        }
        for it in world.sns.subscriptions() {
            let policy = it.policy().unwrap_or("none").to_owned();
            seen.insert(format!("subscription of {}", it.endpoint), policy);
        }
        for it in world.cloudwatch.alarms() {
            seen.insert(format!("alarm {}", it.name), format!("on: {}", it.actions_enabled()));
        }
        for it in world.kinesis.consumers() {
            seen.insert(format!("stream consumer {}", it.name), it.status().to_owned());
        }
        for it in world.dynamodb.tables() {
            seen.insert(format!("table {}", it.name), it.status().to_owned());
        }
        seen.insert("traffic".to_owned(), format!("{:?}", world.traffic.on()));
        Self(seen)
    }

    /// Says what is otherwise in `other`.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let keys: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let shown = |of: &Self, key: &str| of.0.get(key).cloned().unwrap_or("not there".to_owned());
        let differ = keys.into_iter().filter(|key| self.0.get(*key) != other.0.get(*key));
        differ.map(|key| format!("{key}: {} -> {}", shown(self, key), shown(other, key))).collect()
    }
}
