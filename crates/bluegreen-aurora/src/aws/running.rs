//! Starting and stopping clusters.

use std::error;

use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use bluegreen_core::{Change, Error, Result};

use super::{AwsAuroraToolkit, cluster, cluster_named, fragment, not_found};
use crate::ClusterState::{self, Available, Broken, Moving, Stopped, Usable};

/// What AWS answered to a start or a stop.
pub(super) enum Answer {
    Taken,
    /// The cluster is not in the right state: look again. AWS's words, as a fragment.
    WrongState(String),
    /// A part of the cluster is changing: repeat later. AWS's words, as a fragment.
    Busy(String),
}

impl AwsAuroraToolkit {
    pub(super) async fn start(&self, name: &str) -> Result<Change> {
        let cluster = self.describe_cluster(name).await?;
        if let Some(change) = before_start(name, &cluster::state(&cluster)?)? {
            return Ok(change);
        }
        match self.send_start(name).await? {
            Answer::Taken => Ok(Change::Made),
            Answer::Busy(why) => Ok(refused(name, "start", &why)),
            Answer::WrongState(why) => {
                let cluster = self.describe_cluster(name).await?;
                let change = before_start(name, &cluster::state(&cluster)?)?;
                Ok(change.unwrap_or_else(|| refused(name, "start", &why)))
            }
        }
    }

    pub(super) async fn stop(&self, name: &str) -> Result<Change> {
        let before = async || {
            let cluster = self.describe_cluster(name).await?;
            before_stop(name, &cluster::state(&cluster)?, cluster::cannot_stop(&cluster)?)
        };
        if let Some(change) = before().await? {
            return Ok(change);
        }
        match self.send_stop(name).await? {
            Answer::Taken => Ok(Change::Made),
            Answer::Busy(why) => Ok(refused(name, "stop", &why)),
            Answer::WrongState(why) => {
                Ok(before().await?.unwrap_or_else(|| refused(name, "stop", &why)))
            }
        }
    }

    pub(super) async fn send_start(&self, name: &str) -> Result<Answer> {
        tracing::debug!(cluster = name, "starting");
        match self.rds.start_db_cluster().db_cluster_identifier(name).send().await {
            Ok(_) => Ok(Answer::Taken),
            Err(err) => understand("rds:StartDBCluster", name, err),
        }
    }

    async fn send_stop(&self, name: &str) -> Result<Answer> {
        tracing::debug!(cluster = name, "stopping");
        match self.rds.stop_db_cluster().db_cluster_identifier(name).send().await {
            Ok(_) => Ok(Answer::Taken),
            Err(err) => understand("rds:StopDBCluster", name, err),
        }
    }
}

/// Decides on a start by the state: `None` means that it can be sent.
fn before_start(name: &str, state: &ClusterState) -> Result<Option<Change>> {
    match state {
        Stopped => Ok(None),
        Available | Usable(_) => Ok(Some(Change::AlreadySo)),
        Moving(word) if word == "starting" => Ok(Some(Change::AlreadySo)),
        Moving(word) if word == "deleting" => Err(hopeless(name, word)),
        Moving(word) => Ok(Some(not_yet(name, word))),
        Broken(word) => Err(hopeless(name, word)),
    }
}

/// Decides on a stop by the state and by what keeps AWS from it: `None` means that it can be sent.
fn before_stop(
    name: &str,
    state: &ClusterState,
    cannot_stop: Option<String>,
) -> Result<Option<Change>> {
    match (state, cannot_stop) {
        (Stopped, _) => Ok(Some(Change::AlreadySo)),
        (Moving(word), _) if word == "stopping" => Ok(Some(Change::AlreadySo)),
        (Moving(word), _) if word == "deleting" => Err(hopeless(name, word)),
        (Broken(word), _) => Err(hopeless(name, word)),
        (_, Some(what)) => Err(Error::WrongState {
            resource: cluster_named(name),
            state: what,
            expected: "a cluster that AWS can stop".to_owned(),
        }),
        (Usable(word) | Moving(word), None) => Ok(Some(not_yet(name, word))),
        (Available, None) => Ok(None),
    }
}

fn not_yet(name: &str, word: &str) -> Change {
    Change::NotYet { reason: format!("cluster `{name}` is `{word}`") }
}

fn refused(name: &str, act: &str, why: &str) -> Change {
    Change::NotYet { reason: format!("AWS does not {act} cluster `{name}` yet: {why}") }
}

fn hopeless(name: &str, word: &str) -> Error {
    let expected = if word.starts_with("inaccessible-encryption-credentials") {
        "a KMS key that can be used: restore the key, then start the cluster by hand"
    } else {
        "`available` or `stopped`, and waiting does not bring it there"
    };
    Error::WrongState {
        resource: cluster_named(name),
        state: format!("`{word}`"),
        expected: expected.to_owned(),
    }
}

/// Sorts the failure of a start or a stop.
fn understand<E>(operation: &'static str, name: &str, err: SdkError<E>) -> Result<Answer>
where
    E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match err.code() {
        Some("InvalidDBClusterStateFault") => Ok(Answer::WrongState(fragment(err.message()))),
        Some("InvalidDBInstanceState" | "InvalidDBShardGroupState") => {
            Ok(Answer::Busy(fragment(err.message())))
        }
        Some("DBClusterNotFoundFault") => Err(not_found(name)),
        _ => Err(Error::aws(operation, err)),
    }
}

#[cfg(test)]
mod tests;
