//! Keeping capacities within their limits.

use std::time::Duration;

use super::ScalingEvent;
use crate::{
    Event, World,
    services::{ecs, rds},
};

/// How soon at the earliest a resource is looked at again that was not ready.
const AGAIN: Duration = Duration::from_secs(10);

/// The capacity of a resource.
struct Capacity {
    now: u32,
    /// Whether the resource is active in its own service.
    active: bool,
    /// Whether nothing of it is changing.
    settled: bool,
}

/// Hears that somebody else has changed the capacity of a resource: `cluster:orders-a`,
/// `service/shop/worker-a`.
pub(crate) fn changed(world: &mut World, resource: &str) {
    schedule_check(world, resource, Duration::ZERO);
}

fn schedule_check(world: &mut World, resource: &str, least: Duration) {
    let due = world.scaling.targets.get(resource).is_some_and(|it| it.check_at.is_none());
    if !due {
        return;
    }
    let after = world.draw(world.times.scaling).max(least);
    let at = world.now() + after;
    if let Some(target) = world.scaling.targets.get_mut(resource) {
        target.check_at = Some(at);
    }
    let resource = resource.to_owned();
    world.schedule(after, Event::Scaling(ScalingEvent::Check { resource }));
}

/// Compares a capacity with its limits after it has changed.
pub(super) fn check(world: &mut World, resource: &str) {
    let now = world.now();
    let target = world.scaling.targets.get_mut(resource).filter(|it| it.check_at == Some(now));
    let Some(target) = target else { return };
    target.check_at = None;
    let waits = capacity(world, resource).is_some_and(|it| it.active && !it.settled);
    if waits {
        schedule_check(world, resource, AGAIN);
    } else {
        pull(world, resource, true);
    }
}

/// Pulls a capacity inside its limits, if the resource is active: by itself only when all of it is settled.
pub(super) fn pull(world: &mut World, resource: &str, by_itself: bool) {
    let Some(limits) = world.scaling.target(resource).map(|it| it.limits()) else { return };
    let Some(capacity) = capacity(world, resource) else { return };
    // §2: what is not active in its own service, such as a stopped cluster, is left as it is.
    if !capacity.active || by_itself && !capacity.settled {
        return;
    }
    if capacity.now < limits.least && !limits.out_suspended {
        set(world, resource, capacity.now, limits.least);
    } else if capacity.now > limits.most && !limits.in_suspended {
        set(world, resource, capacity.now, limits.most);
    }
}

/// Returns whether the resource is there.
pub(super) fn exists(world: &World, resource: &str) -> bool {
    capacity(world, resource).is_some()
}

fn capacity(world: &World, resource: &str) -> Option<Capacity> {
    if let Some(cluster) = resource.strip_prefix("cluster:") {
        let readers = rds::readers(world, cluster)?;
        let (active, settled) = (readers.active, readers.settled);
        return Some(Capacity { now: readers.count, active, settled });
    }
    let (cluster, service) = service(resource)?;
    let now = ecs::desired(world, cluster, service)?;
    Some(Capacity { now, active: true, settled: true })
}

fn set(world: &mut World, resource: &str, now: u32, wanted: u32) {
    if let Some(cluster) = resource.strip_prefix("cluster:") {
        match wanted.checked_sub(now) {
            Some(more) => rds::add_readers(world, cluster, more),
            None => rds::remove_readers(world, cluster, now - wanted),
        }
    } else if let Some((cluster, service)) = service(resource) {
        ecs::scaled(world, cluster, service, wanted);
    }
}

/// Reads `service/CLUSTER/SERVICE`.
fn service(resource: &str) -> Option<(&str, &str)> {
    resource.strip_prefix("service/")?.split_once('/')
}
