//! Deleting a cluster, round by round.

use aws_sdk_rds::{
    error::ProvideErrorMetadata,
    types::{DbCluster, DbClusterSnapshot},
};
use bluegreen_core::{ConfigProblem, Error, Result};
use futures::future;

use super::{AwsAuroraToolkit, cluster, cluster_named, fragment, running::Answer};
use crate::{
    ClusterState::{Available, Broken, Moving, Stopped, Usable},
    Deletion, FinalSnapshot,
};

const DELETE_INSTANCE: &str = "rds:DeleteDBInstance";
const DELETE_CLUSTER: &str = "rds:DeleteDBCluster";
const DESCRIBE_SNAPSHOTS: &str = "rds:DescribeDBClusterSnapshots";

/// An instance that a cluster still has.
struct Instance {
    name: String,
    is_writer: bool,
    /// AWS is deleting it already.
    is_going: bool,
}

impl AwsAuroraToolkit {
    /// Does what is possible now; `snapshot` is the same in every round.
    pub(super) async fn delete(&self, name: &str, snapshot: &FinalSnapshot) -> Result<Deletion> {
        check_snapshot(snapshot)?;
        let cluster = match self.describe_cluster(name).await {
            Err(Error::NotFound { .. }) => return Ok(Deletion::Gone),
            cluster => cluster?,
        };
        match cluster::state(&cluster)? {
            Moving(word) if word == "deleting" => return Ok(cluster_to_go(name)),
            state => {
                refuse_kept(name, &cluster)?;
                match state {
                    Moving(word) => {
                        return Ok(remaining(format!("cluster `{name}` to leave `{word}`")));
                    }
                    Stopped => return self.start_to_delete(name).await,
                    Available | Usable(_) | Broken(_) => {}
                }
            }
        }

        let instances = self.instances_left(name, &cluster).await?;
        if instances.iter().all(|it| it.is_going) {
            return self.delete_cluster(name, snapshot).await;
        }
        if let FinalSnapshot::Named(id) = snapshot {
            self.refuse_taken_name(id).await?;
        }
        // The writer may go only after the last reader: without it, AWS would make a reader the writer.
        let (writers, readers): (Vec<_>, Vec<_>) =
            instances.into_iter().partition(|it| it.is_writer);
        if readers.is_empty() {
            self.delete_instances(name, "writer", &writers).await
        } else {
            self.delete_instances(name, "reader", &readers).await
        }
    }

    async fn start_to_delete(&self, name: &str) -> Result<Deletion> {
        Ok(remaining(match self.send_start(name).await? {
            Answer::Taken => {
                format!("cluster `{name}` to start, since AWS deletes no instance of a stopped one")
            }
            Answer::WrongState(why) | Answer::Busy(why) => {
                format!("AWS to start cluster `{name}`, which it does not yet: {why}")
            }
        }))
    }

    /// Lists the members that the cluster names and the instances that name the cluster: one that is
    /// being made may be in the second list alone.
    async fn instances_left(&self, name: &str, cluster: &DbCluster) -> Result<Vec<Instance>> {
        let instances = self.describe_instances(name).await?;
        let is_going = |status: Option<&str>| status == Some("deleting");
        let mut left: Vec<_> = cluster::members(cluster, &instances)?
            .into_iter()
            .map(|it| Instance {
                is_going: is_going(it.status.as_deref()),
                name: it.instance,
                is_writer: it.is_writer,
            })
            .collect();
        for instance in &instances {
            let name = instance.db_instance_identifier().ok_or(Error::Incomplete {
                operation: "rds:DescribeDBInstances",
                missing: "an instance's name",
            })?;
            if !left.iter().any(|it| cluster::same_name(Some(name), &it.name)) {
                left.push(Instance {
                    name: name.to_owned(),
                    is_writer: false,
                    is_going: is_going(instance.db_instance_status()),
                });
            }
        }
        Ok(left)
    }

    /// Refuses a snapshot's name that is taken, which AWS would only when all instances are gone.
    async fn refuse_taken_name(&self, snapshot: &str) -> Result<()> {
        let look =
            self.rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(snapshot);
        let output = match look.send().await {
            Ok(output) => output,
            Err(err) => match err.as_service_error() {
                Some(it) if it.is_db_cluster_snapshot_not_found_fault() => return Ok(()),
                _ => return Err(Error::aws(DESCRIBE_SNAPSHOTS, err)),
            },
        };
        let found = output.db_cluster_snapshots.ok_or(Error::Incomplete {
            operation: DESCRIBE_SNAPSHOTS,
            missing: "the cluster snapshots",
        })?;
        let is_it = |it: &DbClusterSnapshot| {
            cluster::same_name(it.db_cluster_snapshot_identifier(), snapshot)
        };
        if found.iter().any(is_it) { Err(taken(snapshot)) } else { Ok(()) }
    }

    /// Deletes, side by side, those of the instances that are not being deleted yet.
    async fn delete_instances(
        &self,
        cluster: &str,
        kind: &str,
        instances: &[Instance],
    ) -> Result<Deletion> {
        let names: Vec<_> = instances.iter().map(|it| it.name.as_str()).collect();
        let plural = if names.len() == 1 { "" } else { "s" };
        let mut what = format!("{kind}{plural} `{}` to go", names.join("`, `"));

        let to_delete: Vec<_> = instances.iter().filter(|it| !it.is_going).collect();
        if !to_delete.is_empty() {
            self.suspend_scaling(cluster).await?;
            let answers =
                future::join_all(to_delete.iter().map(|it| self.delete_instance(&it.name))).await;
            for (instance, answer) in to_delete.iter().zip(answers) {
                if let Some(why) = answer? {
                    what.push_str(&format!("; AWS does not delete `{}` yet: {why}", instance.name));
                }
            }
        }
        Ok(remaining(what))
    }

    /// Deletes one instance; returns why AWS does not do so yet, if it does not.
    async fn delete_instance(&self, name: &str) -> Result<Option<String>> {
        tracing::debug!(instance = name, "deleting");
        // Snapshots are the cluster's: AWS refuses their parameters on an instance of Aurora.
        let Err(err) = self.rds.delete_db_instance().db_instance_identifier(name).send().await
        else {
            return Ok(None);
        };
        let message = err.message().unwrap_or_default();
        match err.code() {
            Some("DBInstanceNotFound") => Ok(None),
            Some("InvalidDBInstanceState") if message.contains("already being deleted") => Ok(None),
            Some("InvalidDBClusterStateFault") if message.contains("of the read replica") => {
                Err(Error::WrongState {
                    resource: format!("instance `{name}`"),
                    state: "the last one of a replica cluster".to_owned(),
                    expected: "a cluster that was promoted to stand by itself".to_owned(),
                })
            }
            Some("InvalidDBInstanceState" | "InvalidDBClusterStateFault") => {
                Ok(Some(fragment(err.message())))
            }
            _ => Err(Error::aws(DELETE_INSTANCE, err)),
        }
    }

    async fn delete_cluster(&self, name: &str, snapshot: &FinalSnapshot) -> Result<Deletion> {
        tracing::debug!(cluster = name, ?snapshot, "deleting");
        let call = self.rds.delete_db_cluster().db_cluster_identifier(name);
        let call = match snapshot {
            FinalSnapshot::Named(id) => {
                call.skip_final_snapshot(false).final_db_snapshot_identifier(id)
            }
            FinalSnapshot::Skip => call.skip_final_snapshot(true),
        };
        let Err(err) = call.send().await else {
            return Ok(cluster_to_go(name));
        };
        match (err.code(), snapshot) {
            (Some("DBClusterNotFoundFault"), _) => Ok(Deletion::Gone),
            (Some("InvalidDBClusterStateFault"), _) => Ok(remaining(format!(
                "AWS to delete cluster `{name}`, which it does not yet: {}",
                fragment(err.message())
            ))),
            (Some("InvalidParameterCombination"), _)
                if err.message().is_some_and(|it| it.contains("disable deletion pro")) =>
            {
                Err(protected(name))
            }
            (Some("DBClusterSnapshotAlreadyExistsFault"), FinalSnapshot::Named(id)) => {
                self.look_after_taken_name(name, id).await
            }
            _ => Err(Error::aws(DELETE_CLUSTER, err)),
        }
    }

    /// Tells an earlier try of the same deletion, which took the snapshot's name, from somebody else's
    /// snapshot.
    async fn look_after_taken_name(&self, name: &str, snapshot: &str) -> Result<Deletion> {
        match self.describe_cluster(name).await {
            Err(Error::NotFound { .. }) => Ok(Deletion::Gone),
            Err(err) => Err(err),
            Ok(cluster) if cluster.status() == Some("deleting") => Ok(cluster_to_go(name)),
            Ok(_) => Err(taken(snapshot)),
        }
    }
}

/// Refuses a cluster that AWS would keep, before any of its instances is gone.
fn refuse_kept(name: &str, cluster: &DbCluster) -> Result<()> {
    if cluster::deletion_protection(cluster)? {
        return Err(protected(name));
    }
    match cluster::tied(cluster) {
        Some(what) => Err(Error::WrongState {
            resource: cluster_named(name),
            state: what,
            expected: "a cluster that stands by itself: detach or promote it, or the replicas \
                       that it has, first"
                .to_owned(),
        }),
        None => Ok(()),
    }
}

fn protected(name: &str) -> Error {
    Error::WrongState {
        resource: cluster_named(name),
        state: "protected against deletion".to_owned(),
        expected: "deletion protection to be off: switch it off first".to_owned(),
    }
}

fn taken(snapshot: &str) -> Error {
    Error::WrongState {
        resource: format!("cluster snapshot `{snapshot}`"),
        state: "there already".to_owned(),
        expected: "a name that no snapshot has".to_owned(),
    }
}

fn remaining(what: String) -> Deletion {
    Deletion::Remaining(what)
}

fn cluster_to_go(name: &str) -> Deletion {
    remaining(format!("cluster `{name}` to go"))
}

/// Refuses a name that AWS would refuse, but only when all instances are gone.
fn check_snapshot(snapshot: &FinalSnapshot) -> Result<()> {
    let FinalSnapshot::Named(name) = snapshot else {
        return Ok(());
    };
    let good = (1..=255).contains(&name.len())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
        && name.starts_with(|it: char| it.is_ascii_alphabetic())
        && !name.ends_with('-')
        && !name.contains("--");
    if good {
        return Ok(());
    }
    Err(Error::Configuration {
        problems: vec![ConfigProblem::new(
            "final-snapshot",
            format!(
                "`{name}` is no name of a snapshot: expected 1 to 255 letters, digits and single \
                 hyphens, beginning with a letter and not ending with a hyphen"
            ),
        )],
    })
}

#[cfg(test)]
mod rounds;
#[cfg(test)]
mod tests;
