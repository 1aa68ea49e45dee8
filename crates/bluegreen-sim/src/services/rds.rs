//! RDS: Aurora clusters, their instances and their snapshots.
//!
//! Names are kept in lower case, as AWS keeps them, and found whatever their case.

mod changing;
mod connections;
mod deleting;
mod looking;
mod readers;
mod resources;
mod running;

use std::{collections::BTreeMap, time::Duration};

use super::{Concerns, unknown};
pub(super) use readers::{add_readers, readers, remove_readers};
pub use resources::{ClusterSnapshot, DbCluster, DbInstance, ServerlessCapacity};
pub(super) use running::{fail_over, restart};

use crate::{Call, Event, Lagging, Refusal, World, call::Answer, history::History};

/// What there is of RDS.
#[derive(Debug, Default)]
pub struct Rds {
    clusters: BTreeMap<String, DbCluster>,
    instances: BTreeMap<String, DbInstance>,
    snapshots: BTreeMap<String, ClusterSnapshot>,
    interruptions: Vec<Interruption>,
    /// How many connections clients hold, or want to hold, to each cluster.
    connections: BTreeMap<String, History<u32>>,
}

/// A call that took something of a cluster out of service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interruption {
    /// When it was taken.
    pub at: Duration,
    /// The cluster, which may be gone meanwhile.
    pub cluster: String,
    /// The operation: `StopDBCluster`, `DeleteDBInstance`, `DeleteDBCluster`.
    pub operation: &'static str,
}

impl Rds {
    /// Returns a cluster by its name or ARN.
    pub fn cluster(&self, name: &str) -> Option<&DbCluster> {
        self.clusters.get(&key(name))
    }

    /// Returns a cluster by its name or ARN, to change what no call of the account can.
    pub fn cluster_mut(&mut self, name: &str) -> Option<&mut DbCluster> {
        self.clusters.get_mut(&key(name))
    }

    /// Returns all clusters, by name.
    pub fn clusters(&self) -> impl Iterator<Item = &DbCluster> {
        self.clusters.values()
    }

    /// Returns an instance by its name or ARN.
    pub fn instance(&self, name: &str) -> Option<&DbInstance> {
        self.instances.get(&key(name))
    }

    /// Returns the instances of a cluster in the order in which they were made, those that are being made or
    /// deleted included.
    pub fn instances_of(&self, cluster: &str) -> impl Iterator<Item = &DbInstance> {
        let members = self.cluster(cluster).map(|it| it.members.as_slice()).unwrap_or_default();
        members.iter().filter_map(|it| self.instances.get(it))
    }

    /// Returns all snapshots of clusters, by name.
    pub fn snapshots(&self) -> impl Iterator<Item = &ClusterSnapshot> {
        self.snapshots.values()
    }

    /// Returns the calls that took a cluster out of service, or an instance of it, in their order.
    pub fn interruptions(&self, cluster: &str) -> impl Iterator<Item = &Interruption> {
        let key = key(cluster);
        self.interruptions.iter().filter(move |it| it.cluster == key)
    }
}

impl World {
    /// Adds a cluster `name` with the writer `name-0` and so many readers, `name-1` and on. With the status
    /// `stopped` all of it is; with any other the instances are `available`. One of that name is replaced.
    pub fn add_cluster(&mut self, name: &str, readers: u32, status: &str) {
        let key = key(name);
        let old: Vec<_> = self.rds.instances_of(&key).map(|it| it.name.clone()).collect();
        for instance in old {
            self.rds.instances.remove(&instance);
        }
        let mut cluster = DbCluster::new(self, &key, "aurora-postgresql", status);
        let instance_status = if status == "stopped" { "stopped" } else { "available" };
        for number in 0..=readers {
            let name = format!("{key}-{number}");
            let instance = DbInstance::new(self, &name, &cluster, instance_status);
            cluster.members.push(name.clone());
            self.rds.instances.insert(name, instance);
        }
        cluster.writer = Some(format!("{key}-0"));
        self.rds.clusters.insert(key.clone(), cluster);
        if status == "stopped" {
            running::count_seven_days(self, &key);
        }
    }

    /// Gives all instances of a cluster another class, as a replacement of each would in time.
    pub fn set_instance_class(&mut self, cluster: &str, class: &str) {
        let names: Vec<_> = self.rds.instances_of(cluster).map(|it| it.name.clone()).collect();
        for name in names {
            if let Some(instance) = self.rds.instances.get_mut(&name) {
                instance.class = class.to_owned();
            }
        }
    }
}

/// What happens by itself. What was begun anew meanwhile, which the generation tells, happens no more.
#[derive(Clone, Debug)]
pub enum RdsEvent {
    /// A cluster gets to another state.
    Cluster {
        /// Its name.
        name: String,
        /// Its generation.
        generation: u64,
        /// The state.
        status: String,
    },
    /// A cluster has a writer again.
    FailedOver {
        /// Its name.
        name: String,
        /// Its generation.
        generation: u64,
        /// Who was the writer.
        before: Option<String>,
    },
    /// A cluster has been stopped for seven days.
    SevenDays {
        /// Its name.
        name: String,
        /// Its generation.
        generation: u64,
    },
    /// A cluster is gone.
    ClusterGone {
        /// Its name.
        name: String,
        /// Its generation.
        generation: u64,
    },
    /// An instance gets to another state.
    Instance {
        /// Its name.
        name: String,
        /// Its generation.
        generation: u64,
        /// The state.
        status: String,
    },
    /// An instance is gone.
    InstanceGone {
        /// Its name.
        name: String,
        /// Its generation.
        generation: u64,
    },
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "AddTagsToResource" => changing::add_tags(world, call),
        "CreateDBCluster" => changing::create_cluster(world, call),
        "CreateDBInstance" => changing::create_instance(world, call),
        "DeleteDBCluster" => deleting::delete_cluster(world, call),
        "DeleteDBInstance" => deleting::delete_instance(world, call),
        "DescribeDBClusters" => looking::describe_clusters(world, call),
        "DescribeDBClusterSnapshots" => looking::describe_snapshots(world, call),
        "DescribeDBInstances" => looking::describe_instances(world, call),
        "ListTagsForResource" => looking::list_tags(world, call),
        "ModifyDBCluster" => changing::modify_cluster(world, call),
        "ModifyDBInstance" => changing::modify_instance(world, call),
        "StartDBCluster" => running::start(world, call),
        "StopDBCluster" => running::stop(world, call),
        _ => Err(unknown(call)),
    }
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    let arn = |kind: &str, name: &str| world.arn("rds", &format!("{kind}:{name}"));
    let named = |kind: &str, parameter: &str| {
        call.text(parameter).map(|it| arn(kind, &key(it))).unwrap_or_else(|| arn(kind, "*"))
    };
    let resources = match call.operation.as_str() {
        "DescribeDBClusters" | "StartDBCluster" | "StopDBCluster" | "ModifyDBCluster"
        | "CreateDBCluster" => vec![named("cluster", "DBClusterIdentifier")],
        "DescribeDBInstances" | "ModifyDBInstance" | "DeleteDBInstance" => {
            vec![named("db", "DBInstanceIdentifier")]
        }
        "CreateDBInstance" => {
            vec![named("db", "DBInstanceIdentifier"), named("cluster", "DBClusterIdentifier")]
        }
        // §1.4: on both, the snapshot where one is made.
        "DeleteDBCluster" => {
            let snapshot = call.text("FinalDBSnapshotIdentifier");
            let snapshot = snapshot.map(|it| arn("cluster-snapshot", &key(it)));
            [named("cluster", "DBClusterIdentifier")].into_iter().chain(snapshot).collect()
        }
        "DescribeDBClusterSnapshots" => {
            // [IAM]: on both, every cluster where none is named.
            vec![
                named("cluster-snapshot", "DBClusterSnapshotIdentifier"),
                named("cluster", "DBClusterIdentifier"),
            ]
        }
        "AddTagsToResource" | "ListTagsForResource" => {
            vec![call.text("ResourceName").unwrap_or("*").to_owned()]
        }
        _ => return Concerns::everything(),
    };
    let mut concerns = Concerns::on(resources);
    // Policies may narrow what they allow by the tags that each of the resources has.
    for concern in &mut concerns.0 {
        let Ok(tags) = looking::tags(world, &concern.resource) else { continue };
        let kind = looking::kind(&concern.resource).unwrap_or_default().to_owned();
        for (name, value) in tags {
            concern.give(&format!("aws:ResourceTag/{name}"), value);
            concern.give(&format!("rds:{kind}-tag/{name}"), value);
        }
    }
    concerns
}

pub(super) fn happen(world: &mut World, event: RdsEvent) {
    let shown = world.now();
    match event {
        RdsEvent::Cluster { name, generation, status } => {
            let Some(cluster) = current_cluster(world, &name, generation) else { return };
            cluster.set_status(&status, shown, shown);
            if status == "stopped" {
                running::count_seven_days(world, &name);
            }
        }
        RdsEvent::FailedOver { name, generation, before } => {
            if current_cluster(world, &name, generation).is_some() {
                running::failed_over(world, &name, before);
            }
        }
        RdsEvent::SevenDays { name, generation } => {
            if current_cluster(world, &name, generation).is_some() {
                restart(world, &name);
            }
        }
        RdsEvent::ClusterGone { name, generation } => {
            if current_cluster(world, &name, generation).is_some() {
                world.rds.clusters.remove(&name);
            }
        }
        RdsEvent::Instance { name, generation, status } => {
            let instance = world.rds.instances.get_mut(&name);
            if let Some(instance) = instance.filter(|it| it.generation == generation) {
                instance.status.set(status, shown);
            }
        }
        RdsEvent::InstanceGone { name, generation } => {
            let instance = world.rds.instances.get(&name);
            if instance.is_some_and(|it| it.generation == generation) {
                deleting::forget_instance(world, &name);
            }
        }
    }
}

fn current_cluster<'w>(
    world: &'w mut World,
    name: &str,
    generation: u64,
) -> Option<&'w mut DbCluster> {
    world.rds.clusters.get_mut(name).filter(|it| it.generation == generation)
}

/// Lets a cluster get to another state after the time given, unless something else begins before.
fn later(world: &mut World, after: Duration, cluster: &str, status: &str) {
    let Some(generation) = world.rds.clusters.get(cluster).map(|it| it.generation) else { return };
    let (name, status) = (cluster.to_owned(), status.to_owned());
    world.schedule(after, Event::Rds(RdsEvent::Cluster { name, generation, status }));
}

/// Lets an instance get to another state after the time given, unless something else begins before.
fn instance_later(world: &mut World, after: Duration, instance: &str, status: &str) {
    let Some(found) = world.rds.instances.get(instance) else { return };
    let (name, generation, status) = (instance.to_owned(), found.generation, status.to_owned());
    world.schedule(after, Event::Rds(RdsEvent::Instance { name, generation, status }));
}

/// Begins a new state of a cluster, which readers may be shown late.
fn begin(world: &mut World, cluster: &str, status: &str) {
    let (generation, now, shown) = (world.next_number(), world.now(), world.stale_until());
    if let Some(cluster) = world.rds.clusters.get_mut(cluster) {
        cluster.generation = generation;
        cluster.restarts_at = None;
        cluster.set_status(status, now, shown);
    }
}

/// Begins a new state of an instance, which readers may be shown late.
fn begin_instance(world: &mut World, instance: &str, status: &str) {
    let (generation, shown) = (world.next_number(), world.stale_until());
    if let Some(instance) = world.rds.instances.get_mut(instance) {
        instance.generation = generation;
        instance.status.set(status.to_owned(), shown);
    }
}

/// Returns the name in a name or ARN, in the case in which it is kept.
fn key(name: &str) -> String {
    let name = if name.starts_with("arn:") {
        name.splitn(7, ':').nth(6).unwrap_or_default()
    } else {
        name
    };
    name.to_ascii_lowercase()
}

fn required<'c>(call: &'c Call, name: &str) -> Result<&'c str, Refusal> {
    call.text(name).ok_or_else(|| {
        Refusal::bad("MissingParameter", format!("The request must contain the parameter {name}"))
    })
}

/// Finds the cluster that the call names, and returns the name it is kept by.
fn named_cluster(world: &World, call: &Call) -> Result<String, Refusal> {
    let name = required(call, "DBClusterIdentifier")?;
    world.rds.cluster(name).map(|it| it.name.clone()).ok_or_else(|| no_cluster(name))
}

/// Finds the instance that the call names, and returns the name it is kept by.
fn named_instance(world: &World, call: &Call) -> Result<String, Refusal> {
    let name = required(call, "DBInstanceIdentifier")?;
    world.rds.instance(name).map(|it| it.name.clone()).ok_or_else(|| no_instance(name))
}

fn no_cluster(name: &str) -> Refusal {
    Refusal::new(404, "DBClusterNotFoundFault", format!("DBCluster {name} not found."))
}

fn no_instance(name: &str) -> Refusal {
    Refusal::new(404, "DBInstanceNotFound", format!("DBInstance {name} not found."))
}

fn wrong_cluster_state(message: impl Into<String>) -> Refusal {
    Refusal::bad("InvalidDBClusterStateFault", message)
}

fn wrong_instance_state(message: impl Into<String>) -> Refusal {
    Refusal::bad("InvalidDBInstanceState", message)
}

fn wrong_value(message: impl Into<String>) -> Refusal {
    Refusal::bad("InvalidParameterValue", message)
}

fn wrong_combination(message: impl Into<String>) -> Refusal {
    Refusal::bad("InvalidParameterCombination", message)
}

/// Makes a value that was always so.
fn settled<T>(value: T) -> Lagging<T> {
    Lagging::new(value)
}

#[cfg(test)]
mod tests;
