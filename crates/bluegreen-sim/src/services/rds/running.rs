//! Starting and stopping clusters, by a call or by AWS; failing over.

use std::time::Duration;

use serde_json::json;

use super::{
    Interruption, RdsEvent, begin, begin_instance, instance_later, key, later, named_cluster,
    wrong_cluster_state, wrong_instance_state,
};
use crate::{Call, Event, Refusal, World, call::Answer};

/// §1.3: AWS starts a cluster again that has been stopped for so long.
const LONGEST_STOP: Duration = Duration::from_secs(7 * 24 * 3600);

pub(super) fn start(world: &mut World, call: &Call) -> Answer {
    let name = named_cluster(world, call)?;
    let cluster = &world.rds.clusters[&name];
    // §1.3: what is not stopped is not started, and what runs already neither.
    match cluster.status() {
        "stopped" | "inaccessible-encryption-credentials-recoverable" => {}
        status => {
            return Err(wrong_cluster_state(format!(
                "DbCluster {name} is in {status} state but expected in one of stopped,\
                 inaccessible-encryption-credentials-recoverable."
            )));
        }
    }
    if !cluster.key_is_accessible {
        return Err(no_key());
    }
    begin_start(world, &name);
    Ok(json!({ "DBCluster": world.rds.clusters[&name].told_really(world) }))
}

pub(super) fn stop(world: &mut World, call: &Call) -> Answer {
    let name = named_cluster(world, call)?;
    let cluster = &world.rds.clusters[&name];
    // §1.3: these kinds cannot be stopped, whatever their state.
    let kind = if cluster.global_cluster.is_some() {
        Some("is a member of a global cluster")
    } else if cluster.replication_source.is_some() || !cluster.read_replicas.is_empty() {
        Some("takes part in cross-cluster replication")
    } else if matches!(cluster.engine_mode.as_str(), "serverless" | "parallelquery") {
        Some("has an engine mode that cannot be stopped")
    } else {
        None
    };
    if let Some(kind) = kind {
        return Err(wrong_cluster_state(format!("DbCluster {name} {kind} and cannot be stopped.")));
    }
    if cluster.status() != "available" {
        let status = cluster.status();
        return Err(wrong_cluster_state(format!(
            "DbCluster {name} is in {status} state but expected in one of available."
        )));
    }
    // §1.3: a member that is changing.
    if let Some(busy) = world.rds.instances_of(&name).find(|it| it.status() != "available") {
        return Err(wrong_instance_state(format!(
            "DB instance {} is in {} state, and the cluster cannot be stopped.",
            busy.name,
            busy.status()
        )));
    }
    let interruption =
        Interruption { at: world.now(), cluster: name.clone(), operation: "StopDBCluster" };
    world.rds.interruptions.push(interruption);
    begin_stop(world, &name);
    Ok(json!({ "DBCluster": world.rds.clusters[&name].told_really(world) }))
}

pub(super) fn no_key() -> Refusal {
    Refusal::bad("KMSKeyNotAccessibleFault", "The KMS key of the cluster cannot be accessed.")
}

fn begin_start(world: &mut World, name: &str) {
    begin(world, name, "starting");
    let members = members(world, name);
    for member in &members {
        begin_instance(world, member, "starting");
    }
    let time = world.draw(world.times.cluster_start);
    if let Some(broken) = breaking(world) {
        later(world, time, name, broken);
        for member in &members {
            instance_later(world, time, member, broken);
        }
        return;
    }

    // States that are neither the beginning nor the end show now and then.
    let detour = world.random.u32(..10) == 0;
    let on_the_way = detour && world.random.bool();
    if on_the_way {
        later(world, time * 2 / 3, name, "configuring-enhanced-monitoring");
    }
    later(world, time, name, "available");
    if detour && !on_the_way {
        let words = ["backing-up", "storage-optimization"];
        let word = words[world.random.usize(..words.len())];
        let [until, again] = [world.draw(world.times.modify), world.draw(world.times.modify)];
        later(world, time + until, name, word);
        later(world, time + until + again, name, "available");
    }
    let writer = world.rds.clusters[name].writer.clone();
    for member in &members {
        // §1.3: the readers are ready after the cluster, each by itself.
        let lag = if writer.as_ref() == Some(member) {
            Duration::ZERO
        } else {
            world.draw(world.times.instance_lag)
        };
        instance_later(world, time + lag, member, "available");
    }
}

fn begin_stop(world: &mut World, name: &str) {
    begin(world, name, "stopping");
    let members = members(world, name);
    for member in &members {
        begin_instance(world, member, "stopping");
    }
    let time = world.draw(world.times.cluster_stop);
    let broken = breaking(world);
    later(world, time, name, broken.unwrap_or("stopped"));
    let writer = world.rds.clusters[name].writer.clone();
    for member in &members {
        // §1.3: the replicas first, then the writer.
        let part = if writer.as_ref() == Some(member) { 3 } else { 2 };
        match broken {
            Some(broken) => instance_later(world, time, member, broken),
            None => instance_later(world, time * part / 4, member, "stopped"),
        }
    }
}

/// Returns the broken state in which it ends what the present call begins, if it does.
pub(super) fn breaking(world: &mut World) -> Option<&'static str> {
    let words = ["inaccessible-encryption-credentials", "incompatible-parameters"];
    world.breaks.then(|| words[world.random.usize(..words.len())])
}

/// Lets AWS start a stopped cluster when it has been stopped for seven days.
pub(super) fn count_seven_days(world: &mut World, name: &str) {
    let at = world.now() + LONGEST_STOP;
    let Some(cluster) = world.rds.clusters.get_mut(name) else { return };
    cluster.restarts_at = Some(at);
    let (name, generation) = (cluster.name.clone(), cluster.generation);
    world.schedule(LONGEST_STOP, Event::Rds(RdsEvent::SevenDays { name, generation }));
}

/// Lets AWS start a cluster of its own accord, if it is stopped.
pub(in crate::services) fn restart(world: &mut World, cluster: &str) {
    let name = key(cluster);
    if world.rds.clusters.get(&name).is_some_and(|it| it.status() == "stopped") {
        begin_start(world, &name);
    }
}

/// Lets a cluster lose its writer, if it is available: a reader takes its place, if there is one.
pub(in crate::services) fn fail_over(world: &mut World, cluster: &str) {
    let name = key(cluster);
    if world.rds.clusters.get(&name).is_none_or(|it| it.status() != "available") {
        return;
    }
    begin(world, &name, "failing-over");
    let before = world.rds.clusters[&name].writer.clone();
    // A failed writer that is being deleted meanwhile goes on being so.
    let reboots =
        |it: &String| world.rds.instances.get(it).is_some_and(|it| it.status() == "available");
    if let Some(writer) = before.clone().filter(reboots) {
        begin_instance(world, &writer, "rebooting");
        let time = world.draw(world.times.modify) + world.draw(world.times.modify);
        instance_later(world, time, &writer, "available");
    }
    // §1.2: for a while there may be no writer at all.
    let none = world.random.bool();
    let generation = world.rds.clusters.get_mut(&name).map(|it| {
        it.writer = it.writer.take().filter(|_| !none);
        it.generation
    });
    let time = world.draw(world.times.modify);
    let generation = generation.unwrap_or_default();
    world.schedule(time, Event::Rds(RdsEvent::FailedOver { name, generation, before }));
}

/// Ends a failover.
pub(super) fn failed_over(world: &mut World, name: &str, before: Option<String>) {
    let writer = successor(world, name, before.as_deref()).or(before);
    let shown = world.now();
    if let Some(cluster) = world.rds.clusters.get_mut(name) {
        cluster.writer = writer.filter(|it| cluster.members.contains(it));
        cluster.set_status("available", shown, shown);
    }
}

/// Returns the reader that becomes the writer: the available one in the lowest tier.
pub(super) fn successor(world: &World, cluster: &str, writer: Option<&str>) -> Option<String> {
    let readers = world.rds.instances_of(cluster).filter(|it| Some(it.name.as_str()) != writer);
    let able = readers.filter(|it| it.status() == "available");
    able.min_by_key(|it| it.tier).map(|it| it.name.clone())
}

fn members(world: &World, cluster: &str) -> Vec<String> {
    world.rds.instances_of(cluster).map(|it| it.name.clone()).collect()
}
