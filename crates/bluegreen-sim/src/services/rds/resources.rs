//! What RDS keeps, and how it is told in answers.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::settled;
use crate::{Lagging, World, call::time, history::History};

/// A cluster.
#[derive(Clone, Debug)]
pub struct DbCluster {
    /// Its name, in lower case.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The engine: `aurora-postgresql`.
    pub engine: String,
    /// `provisioned`; `serverless` is Aurora Serverless v1.
    pub engine_mode: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The global database that it belongs to.
    pub global_cluster: Option<String>,
    /// The ARN of the cluster that it is a replica of.
    pub replication_source: Option<String>,
    /// The ARNs of its replicas.
    pub read_replicas: Vec<String>,
    /// Whether AWS can use the KMS key that encrypts it.
    pub key_is_accessible: bool,
    /// The limits of its Serverless v2 instances.
    pub serverless: Option<ServerlessCapacity>,
    /// Performance Insights, where the cluster and not each instance decides on them.
    pub performance_insights: Option<bool>,
    pub(super) insights_mode: Option<String>,
    pub(super) status: Lagging<String>,
    /// Whether it served.
    served: History<bool>,
    pub(super) deletion_protection: Lagging<bool>,
    pub(super) members: Vec<String>,
    pub(super) writer: Option<String>,
    pub(super) restarts_at: Option<Duration>,
    pub(super) generation: u64,
    created: f64,
}

/// Returns whether a cluster of this status serves.
fn serves(status: &str) -> bool {
    let in_use = ["available", "backing-up", "storage-optimization", "modifying", "failing-over"];
    in_use.contains(&status)
}

/// The limits of Serverless v2 instances.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerlessCapacity {
    /// The least, in capacity units.
    pub least: f64,
    /// The greatest.
    pub most: f64,
    /// After how many seconds without a connection it pauses.
    pub pause: Option<i64>,
}

impl DbCluster {
    pub(super) fn new(world: &mut World, name: &str, engine: &str, status: &str) -> Self {
        Self {
            name: name.to_owned(),
            arn: world.arn("rds", &format!("cluster:{name}")),
            engine: engine.to_owned(),
            engine_mode: "provisioned".to_owned(),
            tags: BTreeMap::new(),
            global_cluster: None,
            replication_source: None,
            read_replicas: Vec::new(),
            key_is_accessible: true,
            serverless: None,
            performance_insights: None,
            insights_mode: None,
            status: settled(status.to_owned()),
            served: History::new(serves(status)),
            deletion_protection: settled(false),
            members: Vec::new(),
            writer: None,
            restarts_at: None,
            generation: world.next_number(),
            created: world.seconds(),
        }
    }

    /// Returns the status as it really is: `available`, `stopped`, `starting`.
    pub fn status(&self) -> &str {
        self.status.real()
    }

    /// Returns whether it serves: `available`, or busy with something that leaves it in use.
    pub fn is_running(&self) -> bool {
        serves(self.status())
    }

    /// Changes the status; readers are shown the one before until the time `shown`.
    pub(super) fn set_status(&mut self, status: &str, now: Duration, shown: Duration) {
        self.status.set(status.to_owned(), shown);
        self.served.note(now, serves(status));
    }

    /// Returns whether it served at a time.
    pub(super) fn served_at(&self, at: Duration) -> bool {
        *self.served.at(at)
    }

    /// Returns whether it is in a state that waiting does not end.
    pub fn is_broken(&self) -> bool {
        matches!(
            self.status(),
            "failed"
                | "cloning-failed"
                | "migration-failed"
                | "incompatible-restore"
                | "incompatible-parameters"
                | "inaccessible-encryption-credentials"
                | "inaccessible-encryption-credentials-recoverable"
        )
    }

    /// Returns whether it is protected against deletion.
    pub fn deletion_protection(&self) -> bool {
        *self.deletion_protection.real()
    }

    /// Protects it against deletion or no more, for all to see at once.
    pub fn set_deletion_protection(&mut self, on: bool) {
        self.deletion_protection = settled(on);
    }

    /// Returns the names of its instances in the order in which they were made.
    pub fn members(&self) -> &[String] {
        &self.members
    }

    /// Returns the name of its writer; none while it fails over, and where it has no instance.
    pub fn writer(&self) -> Option<&str> {
        self.writer.as_deref()
    }

    /// Returns when AWS starts it again by itself, if it is stopped.
    pub fn restarts_at(&self) -> Option<Duration> {
        self.restarts_at
    }

    /// Tells what there is of it, with this status and protection.
    pub(super) fn told(&self, world: &World, status: &str, protected: bool) -> Value {
        let members = self.members.iter().filter_map(|it| world.rds.instances.get(it));
        let members = members.map(|it| {
            json!({
                "DBInstanceIdentifier": it.name,
                "IsClusterWriter": self.writer.as_ref() == Some(&it.name),
                "DBClusterParameterGroupStatus": "in-sync",
                "PromotionTier": it.tier,
            })
        });
        let restart = self.restarts_at.filter(|_| status == "stopped");
        let serverless = self.serverless.as_ref().map(|it| {
            json!({
                "MinCapacity": it.least,
                "MaxCapacity": it.most,
                "SecondsUntilAutoPause": it.pause,
            })
        });
        json!({
            "DBClusterIdentifier": self.name,
            "DBClusterArn": self.arn,
            "DbClusterResourceId": format!("cluster-{}", self.name.to_ascii_uppercase()),
            "AllocatedStorage": 1,
            "ClusterCreateTime": time(self.created),
            "Engine": self.engine,
            "EngineMode": self.engine_mode,
            "Status": status,
            "DeletionProtection": protected,
            "DBClusterMembers": members.collect::<Vec<_>>(),
            "GlobalClusterIdentifier": self.global_cluster,
            "ReplicationSourceIdentifier": self.replication_source,
            "ReadReplicaIdentifiers": self.read_replicas,
            "AutomaticRestartTime": restart.map(|it| time(world.seconds_at(it))),
            "ServerlessV2ScalingConfiguration": serverless,
            "PerformanceInsightsEnabled": self.performance_insights,
            "DatabaseInsightsMode": self.insights_mode,
            "TagList": tag_list(&self.tags),
        })
    }

    /// Tells what the answer to a change tells: how it is from now on.
    pub(super) fn told_really(&self, world: &World) -> Value {
        self.told(world, self.status.real(), *self.deletion_protection.real())
    }

    /// Tells what a reader is shown now.
    pub(super) fn shown(&self, world: &World) -> Value {
        let now = world.now();
        self.told(world, self.status.seen(now), *self.deletion_protection.seen(now))
    }
}

/// An instance of a cluster.
#[derive(Clone, Debug)]
pub struct DbInstance {
    /// Its name, in lower case.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The cluster that it belongs to.
    pub cluster: String,
    /// Its class: `db.r6g.large`.
    pub class: String,
    /// The engine.
    pub engine: String,
    /// The promotion tier: those with the lowest become the writer first.
    pub tier: i64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    pub(super) status: Lagging<String>,
    pub(super) performance_insights: Lagging<bool>,
    pub(super) gone_at: Option<Duration>,
    pub(super) generation: u64,
    created: f64,
}

impl DbInstance {
    pub(super) fn new(world: &mut World, name: &str, cluster: &DbCluster, status: &str) -> Self {
        Self {
            name: name.to_owned(),
            arn: world.arn("rds", &format!("db:{name}")),
            cluster: cluster.name.clone(),
            class: "db.r6g.large".to_owned(),
            engine: cluster.engine.clone(),
            tier: 1,
            tags: BTreeMap::new(),
            status: settled(status.to_owned()),
            performance_insights: settled(cluster.performance_insights == Some(true)),
            gone_at: None,
            generation: world.next_number(),
            created: world.seconds(),
        }
    }

    /// Returns the status as it really is.
    pub fn status(&self) -> &str {
        self.status.real()
    }

    /// Returns whether Performance Insights are on.
    pub fn performance_insights(&self) -> bool {
        *self.performance_insights.real()
    }

    /// Tells what there is of it: as it really is, or as a reader is shown it.
    pub(super) fn told(&self, world: &World, really: bool) -> Value {
        let now = world.now();
        let status = if really { self.status.real() } else { self.status.seen(now) };
        json!({
            "DBInstanceIdentifier": self.name,
            "DBInstanceArn": self.arn,
            "DbiResourceId": format!("db-{}", self.name.to_ascii_uppercase()),
            "DBClusterIdentifier": self.cluster,
            "DBInstanceClass": self.class,
            "Engine": self.engine,
            "DBInstanceStatus": status,
            "InstanceCreateTime": time(self.created),
            "PromotionTier": self.tier,
            "PerformanceInsightsEnabled": self.performance_insights.seen(now),
            "TagList": tag_list(&self.tags),
        })
    }
}

/// A snapshot of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterSnapshot {
    /// Its name, in lower case.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The cluster that it is of.
    pub cluster: String,
    /// The engine of the cluster.
    pub engine: String,
    pub(super) ready_at: Duration,
}

impl ClusterSnapshot {
    pub(super) fn told(&self, world: &World) -> Value {
        let ready = world.now() >= self.ready_at;
        json!({
            "DBClusterSnapshotIdentifier": self.name,
            "DBClusterSnapshotArn": self.arn,
            "DBClusterIdentifier": self.cluster,
            "Engine": self.engine,
            "SnapshotType": "manual",
            "Status": if ready { "available" } else { "creating" },
        })
    }
}

pub(super) fn tag_list(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
