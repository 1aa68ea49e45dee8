//! Deleting instances and clusters.

use std::time::Duration;

use serde_json::json;

use super::{
    ClusterSnapshot, Interruption, RdsEvent, begin, begin_instance, key, named_cluster,
    named_instance, running, wrong_cluster_state, wrong_combination, wrong_instance_state,
    wrong_value,
};
use crate::{Call, Event, Refusal, World, call::Answer, services::scaling};

/// How many snapshots of clusters that somebody made there may be in a Region.
const MOST_SNAPSHOTS: usize = 100;

/// The states of an instance in which it cannot be deleted yet.
const BUSY: [&str; 7] =
    ["creating", "modifying", "rebooting", "renaming", "starting", "stopping", "upgrading"];

pub(super) fn delete_instance(world: &mut World, call: &Call) -> Answer {
    let name = named_instance(world, call)?;
    // §1.4: snapshots are the cluster's.
    if call.text("FinalDBSnapshotIdentifier").is_some() {
        return Err(wrong_combination(
            "FinalDBSnapshotIdentifier cannot be specified when deleting a cluster instance",
        ));
    }
    let instance = &world.rds.instances[&name];
    let (cluster, status) = (instance.cluster.clone(), instance.status());
    if status == "deleting" {
        return Err(wrong_instance_state(format!("Instance {name} is already being deleted.")));
    }
    refuse_instance_of(world, &cluster, &name)?;
    if BUSY.contains(&status) {
        return Err(wrong_instance_state(format!(
            "Instance {name} is {status}, and not in a state in which it can be deleted."
        )));
    }
    note(world, &cluster, "DeleteDBInstance");
    begin_delete(world, &name);
    scaling::changed(world, &format!("cluster:{cluster}"));
    Ok(json!({ "DBInstance": world.rds.instances[&name].told(world, true) }))
}

/// Refuses to take an instance from a cluster that must keep it.
fn refuse_instance_of(world: &World, cluster: &str, instance: &str) -> Result<(), Refusal> {
    let Some(found) = world.rds.clusters.get(cluster) else { return Ok(()) };
    // §1.3: while it is stopped no instance is added or removed.
    if ["stopped", "stopping", "starting", "failing-over"].contains(&found.status()) {
        return Err(wrong_cluster_state(format!(
            "DB cluster {cluster} is {}: its instances cannot be deleted.",
            found.status()
        )));
    }
    let stays = |it: &crate::DbInstance| it.name != instance && it.status() != "deleting";
    if world.rds.instances_of(cluster).any(stays) {
        return Ok(());
    }
    // §1.4: the last instance stays while the cluster is replicated.
    if found.replication_source.is_some() {
        return Err(wrong_cluster_state(
            "Cannot delete the last instance of the read replica DB cluster. Promote the DB cluster to a \
             standalone DB cluster in order to delete it.",
        ));
    }
    if !found.read_replicas.is_empty() {
        return Err(wrong_cluster_state(format!(
            "Delete the replica cluster before deleting the last instance of {cluster}."
        )));
    }
    Ok(())
}

/// Begins to delete an instance, whoever wants it.
pub(super) fn begin_delete(world: &mut World, name: &str) {
    begin_instance(world, name, "deleting");
    let time = world.draw(world.times.instance_delete);
    let now = world.now();
    let Some(instance) = world.rds.instances.get_mut(name) else { return };
    instance.gone_at = Some(now + time);
    let (cluster, generation) = (instance.cluster.clone(), instance.generation);
    let gone = RdsEvent::InstanceGone { name: name.to_owned(), generation };
    world.schedule(time, Event::Rds(gone));

    // §1.4: with the writer gone, a reader is the writer.
    if world.rds.cluster(&cluster).and_then(|it| it.writer()) == Some(name)
        && let Some(successor) = running::successor(world, &cluster, Some(name))
        && let Some(cluster) = world.rds.clusters.get_mut(&cluster)
    {
        cluster.writer = Some(successor);
    }
}

/// Lets an instance be gone.
pub(super) fn forget_instance(world: &mut World, name: &str) {
    let Some(instance) = world.rds.instances.remove(name) else { return };
    let successor = running::successor(world, &instance.cluster, Some(name));
    if let Some(cluster) = world.rds.clusters.get_mut(&instance.cluster) {
        cluster.members.retain(|it| it != name);
        if cluster.writer.as_deref() == Some(name) {
            cluster.writer = successor;
        }
    }
}

pub(super) fn delete_cluster(world: &mut World, call: &Call) -> Answer {
    let name = named_cluster(world, call)?;
    let snapshot = final_snapshot(call)?;
    refuse_cluster(world, &name)?;
    if let Some(snapshot) = &snapshot {
        refuse_snapshot(world, &name, snapshot)?;
    }

    begin(world, &name, "deleting");
    note(world, &name, "DeleteDBCluster");
    let now = world.now();
    let time = world.draw(world.times.cluster_delete);
    // The cluster is the last to go.
    let last = world.rds.instances_of(&name).filter_map(|it| it.gone_at).max();
    let time = last.map_or(time, |it| time.max(it.saturating_sub(now)));
    if let Some(snapshot) = snapshot {
        make_snapshot(world, &name, snapshot, now + time);
    }
    let cluster = &world.rds.clusters[&name];
    let (told, generation) = (cluster.told_really(world), cluster.generation);
    world.schedule(time, Event::Rds(RdsEvent::ClusterGone { name, generation }));
    Ok(json!({ "DBCluster": told }))
}

/// Reads the name of the final snapshot, in the case in which it is kept; `None` is none.
fn final_snapshot(call: &Call) -> Result<Option<String>, Refusal> {
    let skip = call.flag("SkipFinalSnapshot").unwrap_or(false);
    // §1.4: one of the two, and not both.
    match (call.text("FinalDBSnapshotIdentifier"), skip) {
        (None, true) => Ok(None),
        (None, false) => Err(wrong_combination(
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
        )),
        (Some(_), true) => Err(wrong_combination(
            "FinalDBSnapshotIdentifier can not be specified when SkipFinalSnapshot is enabled.",
        )),
        (Some(name), false) if is_identifier(name, 255) => Ok(Some(key(name))),
        (Some(name), false) => Err(wrong_value(format!(
            "The parameter FinalDBSnapshotIdentifier is not a valid identifier: {name}. Identifiers must begin \
             with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a \
             hyphen or contain two consecutive hyphens."
        ))),
    }
}

/// Refuses to delete a cluster that must be kept or is not ready for it.
fn refuse_cluster(world: &World, name: &str) -> Result<(), Refusal> {
    let cluster = &world.rds.clusters[name];
    if cluster.deletion_protection() {
        return Err(wrong_combination(
            "Cannot delete protected Cluster, please disable deletion protection and try again.",
        ));
    }
    if cluster.global_cluster.is_some() {
        return Err(wrong_cluster_state(
            "This cluster is a part of a global cluster, please remove it from globalcluster first",
        ));
    }
    if cluster.status() != "available" && !cluster.is_broken() {
        return Err(wrong_cluster_state(format!(
            "DBCluster {name} is not currently in the available state."
        )));
    }
    if world.rds.instances_of(name).any(|it| it.status() != "deleting") {
        return Err(wrong_cluster_state(
            "Cluster cannot be deleted, it still contains DB instances in non-deleting state.",
        ));
    }
    Ok(())
}

fn refuse_snapshot(world: &World, cluster: &str, snapshot: &str) -> Result<(), Refusal> {
    if !world.rds.clusters[cluster].key_is_accessible {
        return Err(running::no_key());
    }
    if world.rds.snapshots.contains_key(snapshot) {
        return Err(Refusal::bad(
            "DBClusterSnapshotAlreadyExistsFault",
            format!(
                "Cannot create the cluster snapshot because one with the identifier {snapshot} already exists."
            ),
        ));
    }
    if world.rds.snapshots.len() >= MOST_SNAPSHOTS {
        return Err(Refusal::bad(
            "SnapshotQuotaExceeded",
            format!("Cannot create more than {MOST_SNAPSHOTS} manual cluster snapshots"),
        ));
    }
    Ok(())
}

fn make_snapshot(world: &mut World, cluster: &str, name: String, ready_at: Duration) {
    let snapshot = ClusterSnapshot {
        arn: world.arn("rds", &format!("cluster-snapshot:{name}")),
        cluster: cluster.to_owned(),
        engine: world.rds.clusters[cluster].engine.clone(),
        ready_at,
        name: name.clone(),
    };
    world.rds.snapshots.insert(name, snapshot);
}

fn note(world: &mut World, cluster: &str, operation: &'static str) {
    let interruption = Interruption { at: world.now(), cluster: cluster.to_owned(), operation };
    world.rds.interruptions.push(interruption);
}

/// §1.4: letters, digits and single hyphens, beginning with a letter and not ending with a hyphen.
pub(super) fn is_identifier(name: &str, most: usize) -> bool {
    (1..=most).contains(&name.len())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
        && name.starts_with(|it: char| it.is_ascii_alphabetic())
        && !name.ends_with('-')
        && !name.contains("--")
}
