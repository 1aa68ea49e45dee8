//! [`AuroraToolkit`], the RDS, Application Auto Scaling and CloudWatch calls that a deployment needs.

use std::{fmt, time::SystemTime};

use async_trait::async_trait;
use bluegreen_core::{Change, Result, StackReference, Suspended};

pub(crate) mod event;

pub use event::{ClusterStart, PerformanceInsights, SnsNotification, SnsRecord, Tagging};

/// The RDS, Application Auto Scaling and CloudWatch calls that a deployment needs.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait AuroraToolkit: fmt::Debug + Send + Sync {
    /// Returns the state of the cluster of `stack`.
    ///
    /// Calls `rds:DescribeDBClusters`.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such cluster, `WrongState` when it is not an Aurora cluster (RDS
    /// lists those of Neptune and DocumentDB too). So it is with every method that looks at a cluster.
    async fn cluster_state(&self, stack: StackReference) -> Result<ClusterState>;

    /// Returns everything that a deployment asks about the cluster of `stack`: its state, members
    /// with the state of their instances, protection, what keeps it from being stopped or deleted, and
    /// its scaling.
    ///
    /// Calls `rds:DescribeDBClusters`, `rds:DescribeDBInstances` and
    /// `application-autoscaling:DescribeScalableTargets`, side by side.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such cluster.
    async fn cluster(&self, stack: StackReference) -> Result<Cluster>;

    /// Counts the readers of `stack` that can be used: members that are not the writer and whose
    /// instance is `available`.
    ///
    /// Calls `rds:DescribeDBClusters` and `rds:DescribeDBInstances`.
    async fn reader_count(&self, stack: StackReference) -> Result<u32>;

    /// Returns how many connections an instance of the cluster of `stack` had at most in the five minutes
    /// before `now`, by the minutes that CloudWatch has kept of them: the maximum of `DatabaseConnections`,
    /// of the cluster or, where CloudWatch keeps none under its name, of its instances.
    ///
    /// `None` when it has kept none at all, as of a stopped cluster: that is not 0.
    ///
    /// Calls `cloudwatch:GetMetricData` and, where there are no figures of the cluster,
    /// `rds:DescribeDBInstances` and `cloudwatch:GetMetricData` again. Whether the cluster exists is not
    /// looked at.
    ///
    /// # Errors
    ///
    /// `Incomplete` when AWS answers with anything but a complete result.
    async fn connections(
        &self,
        stack: StackReference,
        now: SystemTime,
    ) -> Result<Option<Connections>>;

    /// Sets the least number of readers of `stack` to `readers`, held between the configured minimum
    /// and the scaling target's maximum.
    ///
    /// Minimum and maximum are sent together, even when both are so already: Application Auto Scaling
    /// brings the readers inside the range whenever it is told, but changes nothing on a cluster that
    /// is stopped, so it must be available first.
    ///
    /// Calls `application-autoscaling:DescribeScalableTargets` and
    /// `application-autoscaling:RegisterScalableTarget`.
    ///
    /// # Errors
    ///
    /// `NothingFound` when the cluster has no scaling target; `Incomplete` when the target's maximum is 0
    /// or below its minimum, since it was left out then, and must not be set to that.
    async fn scale_out(&self, stack: StackReference, readers: u32) -> Result<Scaled>;

    /// Sets the least number of readers of `stack` back to `readers`, or to the configured minimum
    /// when that is `None`, held to the scaling target's maximum. Nothing is sent when it is so already;
    /// otherwise like [`scale_out`](Self::scale_out).
    async fn scale_in(&self, stack: StackReference, readers: Option<u32>) -> Result<Scaled>;

    /// Sets what of the reader scaling of `stack` is suspended to `before`, as it was before a deletion
    /// suspended it.
    ///
    /// The flags are sent alone, so that minimum and maximum stay as they are; nothing is sent when they
    /// are so already.
    ///
    /// Calls what [`scale_out`](Self::scale_out) calls.
    ///
    /// # Errors
    ///
    /// `NothingFound` when the cluster has no scaling target.
    async fn resume_scaling(&self, stack: StackReference, before: Suspended) -> Result<Change>;

    /// Starts the cluster of `stack` if it is stopped, and does not wait until it is available.
    ///
    /// Looks first: one that runs or is starting is [`Change::AlreadySo`], one that is stopping or
    /// otherwise moving is [`Change::NotYet`]. When AWS refuses because of the cluster's state, it looks
    /// once more and answers by what it sees then.
    ///
    /// Calls `rds:DescribeDBClusters` and `rds:StartDBCluster`.
    ///
    /// # Errors
    ///
    /// `WrongState` for a cluster that is broken or being deleted.
    async fn start_database(&self, stack: StackReference) -> Result<Change>;

    /// Stops the cluster of `stack` if it is running, and does not wait until it is stopped.
    ///
    /// Looks first: one that is stopped or stopping is [`Change::AlreadySo`], one that is moving in
    /// another way or is being backed up is [`Change::NotYet`]. AWS starts a stopped cluster again after
    /// seven days.
    ///
    /// Calls `rds:DescribeDBClusters` and `rds:StopDBCluster`.
    ///
    /// # Errors
    ///
    /// `WrongState` for a cluster that is broken, being deleted, or that AWS cannot stop: Aurora
    /// Serverless v1, a member of a global database, one that replicates to or from another cluster.
    async fn stop_database(&self, stack: StackReference) -> Result<Change>;

    /// Does the part of deleting the cluster of `stack` that is possible now: readers first, then
    /// the writer, then the cluster; call it again until it answers [`Deletion::Gone`].
    ///
    /// Before an instance goes, deletion protection, ties to other clusters and the snapshot's name are
    /// looked at, and reader scaling is suspended, so that nothing adds readers meanwhile. A cluster without instances, one that an
    /// earlier run left half deleted and one that is gone are all fine; a stopped one is started first,
    /// since AWS deletes no instance of a stopped cluster; one on its way to another state is let
    /// arrive. The final snapshot is asked for with the cluster, never with an instance. The scaling
    /// target is not deregistered, and its minimum and maximum stay as they are. It stays suspended, for a
    /// new cluster of that name too, until [`resume_scaling`](Self::resume_scaling).
    ///
    /// Calls `rds:DescribeDBClusters`, `rds:DescribeDBInstances`,
    /// `rds:DescribeDBClusterSnapshots` (for a named snapshot, while there are instances),
    /// `application-autoscaling:DescribeScalableTargets`,
    /// `application-autoscaling:RegisterScalableTarget`, `rds:StartDBCluster`, `rds:DeleteDBInstance`,
    /// `rds:DeleteDBCluster`.
    ///
    /// # Errors
    ///
    /// `WrongState` for a cluster that is protected against deletion, that is a member of a global
    /// database, a replica of another cluster or the source of one, and when there is another snapshot of
    /// that name; `Configuration` for a snapshot name that AWS would not take. Nothing has been deleted
    /// then, unless the snapshot or the tie was made later than the first round.
    async fn delete_database(
        &self,
        stack: StackReference,
        snapshot: FinalSnapshot,
    ) -> Result<Deletion>;

    /// Tags a reader that autoscaling has just made, told by an RDS event that came through SNS.
    ///
    /// It gets the configured tags, or without any those of its cluster (never the reserved `aws:`
    /// ones), and `Role` = `Reader`. Only instances whose tag `application-autoscaling:resourceId` is
    /// exactly `cluster:` and the name of a configured cluster, or of one whose name begins with the
    /// configured namespace and a hyphen, are touched; namespace `*` is all. RDS ignores case in names.
    ///
    /// Calls `rds:DescribeDBInstances`, `rds:DescribeDBClusters` (when no tags are configured) and
    /// `rds:AddTagsToResource`.
    ///
    /// # Errors
    ///
    /// A transient one when the instance cannot be tagged yet.
    async fn apply_tags(&self, record: &SnsRecord) -> Result<Tagging>;

    /// Switches Performance Insights on for an instance that has just been made, told by an RDS event
    /// that came through SNS.
    ///
    /// It makes one try, and says [`PerformanceInsights::Busy`] when the instance cannot be changed
    /// yet: whoever repeats it must report failure when the tries are used up, as
    /// [`wait::until`](bluegreen_core::wait::until) does. Where they are on
    /// already, nothing is sent. Only Aurora instances are touched.
    ///
    /// It works on the instance: settings that RDS keeps on the cluster (Database Insights) are not
    /// handled.
    ///
    /// Calls `rds:DescribeDBInstances` and `rds:ModifyDBInstance`.
    async fn enable_performance_insights(
        &self,
        record: &SnsRecord,
        options: PerformanceInsightsOptions,
    ) -> Result<PerformanceInsights>;
}

/// A cluster as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its state.
    pub state: ClusterState,
    /// Its instances. There may be none, and during a failover there may be no writer.
    pub members: Vec<Member>,
    /// Whether it is protected against deletion.
    pub deletion_protection: bool,
    /// Its engine: `aurora-mysql` or `aurora-postgresql`.
    pub engine: String,
    /// The version of its engine, such as `16.4`; `None` when AWS does not say.
    pub engine_version: Option<String>,
    /// The name of its cluster parameter group; `None` when AWS does not say.
    pub parameter_group: Option<String>,
    /// How it is run: `provisioned`, `serverless` (v1), ..
    pub engine_mode: String,
    /// Why AWS cannot stop it, as a fragment that completes "it is ..": ``a member of the global database
    /// `orders` ``; `None` when it can.
    pub cannot_stop: Option<String>,
    /// Why AWS would not delete it even without protection, as a fragment like
    /// [`cannot_stop`](Self::cannot_stop); `None` when it would.
    pub cannot_delete: Option<String>,
    /// When AWS will start it again, while it is stopped.
    pub restarts_at: Option<SystemTime>,
    /// The scaling of its readers; `None` when it has no scaling target.
    pub scaling: Option<ReaderScaling>,
}

impl Cluster {
    /// Counts the readers that can be used.
    pub fn available_readers(&self) -> u32 {
        let readers = self.members.iter().filter(|it| !it.is_writer && it.is_available());
        u32::try_from(readers.count()).unwrap_or(u32::MAX)
    }
}

/// An instance of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The instance's name.
    pub instance: String,
    /// Whether it is the writer.
    pub is_writer: bool,
    /// The instance's own status in AWS's word; `None` when it was not among the instances (it is
    /// being made or deleted).
    pub status: Option<String>,
    /// Its class, such as `db.r6g.large`; `None` like [`status`](Self::status).
    pub class: Option<String>,
    /// The name of its parameter group; `None` like [`status`](Self::status).
    pub parameter_group: Option<String>,
}

impl Member {
    /// Returns whether the instance can be used.
    pub fn is_available(&self) -> bool {
        self.status.as_deref() == Some("available")
    }
}

/// How many connections a database had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// The most that one instance had at once.
    pub most: u64,
    /// The minutes of which CloudWatch has kept a figure, those of each instance by themselves.
    pub datapoints: usize,
}

/// The scaling target of a cluster's readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderScaling {
    /// The least number of readers.
    pub minimum: u32,
    /// The greatest number of readers.
    pub maximum: u32,
    /// Which kinds of scaling are suspended.
    pub suspended: Suspended,
}

/// What setting the least number of readers did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaled {
    /// What was asked for.
    pub wanted: u32,
    /// The minimum that holds now.
    pub minimum: u32,
    /// The maximum, which stays as it was.
    pub maximum: u32,
}

impl Scaled {
    /// Returns whether the minimum had to be held to another value than was asked for.
    pub fn was_held(&self) -> bool {
        self.wanted != self.minimum
    }
}

/// The state of a cluster. AWS's words are an open set, so that an unknown one means "moving".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// `available`: it works, and can be changed and stopped.
    Available,
    /// `backing-up` or `storage-optimization`: it works, but refuses changes for now.
    Usable(String),
    /// `stopped`.
    Stopped,
    /// It is on its way to another state, in AWS's word (`starting`, `stopping`, `modifying`, ..,
    /// and every word that is not known).
    Moving(String),
    /// It will not get well by itself, in AWS's word (`failed`,
    /// `inaccessible-encryption-credentials`, ..).
    Broken(String),
}

impl ClusterState {
    /// Returns AWS's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Available => "available",
            Self::Stopped => "stopped",
            Self::Usable(word) | Self::Moving(word) | Self::Broken(word) => word,
        }
    }
}

impl From<&str> for ClusterState {
    /// Understands AWS's word for the state of a cluster.
    fn from(word: &str) -> Self {
        match word {
            "available" => Self::Available,
            "stopped" => Self::Stopped,
            "backing-up" | "storage-optimization" => Self::Usable(word.to_owned()),
            "failed"
            | "cloning-failed"
            | "migration-failed"
            | "incompatible-restore"
            | "incompatible-parameters"
            | "inaccessible-encryption-credentials"
            | "inaccessible-encryption-credentials-recoverable" => Self::Broken(word.to_owned()),
            _ => Self::Moving(word.to_owned()),
        }
    }
}

impl fmt::Display for ClusterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What becomes of the data of a deleted cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinalSnapshot {
    /// It is kept in a snapshot of this name, which must be the same each time the deletion is repeated:
    /// 1 to 255 letters, digits and single hyphens, beginning with a letter.
    Named(String),
    /// It is lost.
    Skip,
}

/// How far a deletion is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The cluster does not exist (any more).
    Gone,
    /// More remains to be done or to be waited for: what, as a fragment.
    Remaining(String),
}

/// How to switch Performance Insights on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerformanceInsightsOptions {
    /// Whether to switch them on again when somebody switched them off.
    pub again_if_disabled: bool,
}

impl Default for PerformanceInsightsOptions {
    /// Switches them on again.
    fn default() -> Self {
        Self { again_if_disabled: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_for_a_clusters_state_is_understood() {
        let usable = ["backing-up", "storage-optimization"];
        let broken = [
            "failed",
            "cloning-failed",
            "migration-failed",
            "incompatible-restore",
            "incompatible-parameters",
            "inaccessible-encryption-credentials",
            "inaccessible-encryption-credentials-recoverable",
        ];
        let moving = [
            "backtracking",
            "configuring-enhanced-monitoring",
            "configuring-iam-database-auth",
            "creating",
            "deleted",
            "deleting",
            "failing-over",
            "maintenance",
            "migrating",
            "modifying",
            "preparing-data-migration",
            "promoting",
            "rebooting",
            "renaming",
            "resetting-master-credentials",
            "scaling-compute",
            "scaling-storage",
            "starting",
            "stopping",
            "update-iam-db-auth",
            "upgrading",
            "a-word-of-next-year",
        ];

        let owned = |it: &str| it.to_owned();
        assert_eq!(ClusterState::from("available"), ClusterState::Available);
        assert_eq!(ClusterState::from("stopped"), ClusterState::Stopped);
        for word in usable {
            assert_eq!(ClusterState::from(word), ClusterState::Usable(owned(word)));
        }
        for word in broken {
            assert_eq!(ClusterState::from(word), ClusterState::Broken(owned(word)));
        }
        for word in moving {
            assert_eq!(ClusterState::from(word), ClusterState::Moving(owned(word)));
        }
    }

    #[test]
    fn a_state_is_written_in_the_word_it_was_read_from() {
        for word in ["available", "stopped", "backing-up", "failing-over", "failed"] {
            assert_eq!(ClusterState::from(word).to_string(), word);
        }
    }

    #[test]
    fn a_minimum_was_held_when_it_is_not_what_was_asked_for() {
        let scaled = Scaled { wanted: 5, minimum: 2, maximum: 2 };

        assert!(scaled.was_held());
        assert!(!Scaled { wanted: 2, ..scaled }.was_held());
    }
}
