//! Looking at clusters and their instances.

use std::time::SystemTime;

use aws_sdk_rds::types::{DbCluster, DbInstance, Filter};
use bluegreen_core::{Error, Result};
use futures::future;

use super::{AwsAuroraToolkit, cluster_named, not_found, scaling};
use crate::{Cluster, ClusterState, Member};

const DESCRIBE_CLUSTERS: &str = "rds:DescribeDBClusters";
const DESCRIBE_INSTANCES: &str = "rds:DescribeDBInstances";

impl AwsAuroraToolkit {
    /// Looks at the cluster `name`, and sees to it that the answer is about it and that it is one of
    /// Aurora's.
    pub(super) async fn describe_cluster(&self, name: &str) -> Result<DbCluster> {
        let output =
            self.rds.describe_db_clusters().db_cluster_identifier(name).send().await.map_err(
                |err| match err.as_service_error() {
                    Some(it) if it.is_db_cluster_not_found_fault() => not_found(name),
                    _ => Error::aws(DESCRIBE_CLUSTERS, err),
                },
            )?;
        let clusters = output.db_clusters.ok_or(incomplete("the clusters"))?;
        if clusters.is_empty() {
            return Err(not_found(name));
        }
        let cluster = clusters
            .into_iter()
            .find(|it| same_name(it.db_cluster_identifier(), name))
            .ok_or(incomplete("the cluster that was asked for"))?;

        let engine = cluster.engine().ok_or(incomplete("the cluster's engine"))?;
        if !engine.starts_with("aurora") {
            return Err(Error::WrongState {
                resource: cluster_named(name),
                state: format!("a cluster of `{engine}`"),
                expected: "an Aurora cluster".to_owned(),
            });
        }
        tracing::debug!(cluster = name, status = cluster.status(), "looked");
        Ok(cluster)
    }

    /// Lists the instances of the cluster `name`, those that are being made or deleted included.
    pub(super) async fn describe_instances(&self, name: &str) -> Result<Vec<DbInstance>> {
        let pages = self
            .rds
            .describe_db_instances()
            .filters(Filter::builder().name("db-cluster-id").values(name).build())
            .into_paginator()
            .send()
            .try_collect()
            .await
            .map_err(|err| Error::aws(DESCRIBE_INSTANCES, err))?;
        let mut instances = Vec::new();
        for page in pages {
            instances.extend(page.db_instances.ok_or(Error::Incomplete {
                operation: DESCRIBE_INSTANCES,
                missing: "the cluster's instances",
            })?);
        }
        // An answer that passed over the filter must not get foreign instances deleted.
        instances.retain(|it| same_name(it.db_cluster_identifier(), name));
        Ok(instances)
    }

    pub(super) async fn whole_cluster(&self, name: &str) -> Result<Cluster> {
        let (cluster, instances, target) = future::join3(
            self.describe_cluster(name),
            self.describe_instances(name),
            self.scaling_target(name),
        )
        .await;
        // That the cluster is not there matters more than what the others say about it then.
        let (cluster, instances, target) = (cluster?, instances?, target?);
        Ok(Cluster {
            name: name.to_owned(),
            arn: cluster.db_cluster_arn().ok_or(incomplete("the cluster's ARN"))?.to_owned(),
            state: state(&cluster)?,
            members: members(&cluster, &instances)?,
            deletion_protection: deletion_protection(&cluster)?,
            engine: cluster.engine().ok_or(incomplete("the cluster's engine"))?.to_owned(),
            engine_version: cluster.engine_version().map(str::to_owned),
            parameter_group: cluster.db_cluster_parameter_group().map(str::to_owned),
            engine_mode: engine_mode(&cluster)?.to_owned(),
            cannot_stop: cannot_stop(&cluster)?,
            cannot_delete: tied(&cluster),
            restarts_at: cluster
                .automatic_restart_time()
                .and_then(|it| SystemTime::try_from(*it).ok()),
            scaling: target.as_ref().map(scaling::scaling).transpose()?,
        })
    }

    pub(super) async fn count_readers(&self, name: &str) -> Result<u32> {
        let (cluster, instances) =
            future::join(self.describe_cluster(name), self.describe_instances(name)).await;
        let members = members(&cluster?, &instances?)?;
        let readers = members.iter().filter(|it| !it.is_writer && it.is_available());
        Ok(u32::try_from(readers.count()).unwrap_or(u32::MAX))
    }
}

/// Returns the state that the answer tells.
pub(super) fn state(cluster: &DbCluster) -> Result<ClusterState> {
    cluster.status().map(ClusterState::from).ok_or(incomplete("the cluster's status"))
}

/// Joins the members that the cluster names with the status of their instances.
pub(super) fn members(cluster: &DbCluster, instances: &[DbInstance]) -> Result<Vec<Member>> {
    let listed = cluster.db_cluster_members.as_ref().ok_or(incomplete("the cluster's members"))?;
    let mut members = Vec::new();
    for member in listed {
        let name = member.db_instance_identifier().ok_or(incomplete("a member's name"))?;
        let instance = instances.iter().find(|it| same_name(it.db_instance_identifier(), name));
        members.push(Member {
            instance: name.to_owned(),
            is_writer: member
                .is_cluster_writer()
                .ok_or(incomplete("whether a member is the writer"))?,
            status: instance.and_then(DbInstance::db_instance_status).map(str::to_owned),
            class: instance.and_then(DbInstance::db_instance_class).map(str::to_owned),
            // An instance has one group; AWS lists it.
            parameter_group: instance
                .and_then(|it| it.db_parameter_groups().first()?.db_parameter_group_name())
                .map(str::to_owned),
        });
    }
    Ok(members)
}

pub(super) fn deletion_protection(cluster: &DbCluster) -> Result<bool> {
    cluster.deletion_protection().ok_or(incomplete("the cluster's deletion protection"))
}

/// Says why AWS cannot stop the cluster, from what the cluster itself tells.
pub(super) fn cannot_stop(cluster: &DbCluster) -> Result<Option<String>> {
    if engine_mode(cluster)? == "serverless" {
        return Ok(Some("Aurora Serverless v1".to_owned()));
    }
    Ok(tied(cluster))
}

/// Says what ties the cluster to others, if anything does: AWS neither stops nor deletes it then.
pub(super) fn tied(cluster: &DbCluster) -> Option<String> {
    let given = |it: &&str| !it.is_empty();
    if let Some(global) = cluster.global_cluster_identifier().filter(given) {
        return Some(format!("a member of the global database `{global}`"));
    }
    if let Some(source) = cluster.replication_source_identifier().filter(given) {
        return Some(format!("a replica of `{source}`"));
    }
    let replicas = cluster.read_replica_identifiers();
    (!replicas.is_empty()).then(|| format!("the source of `{}`", replicas.join("`, `")))
}

/// Returns whether an identifier in an answer is this name: RDS ignores case.
pub(super) fn same_name(identifier: Option<&str>, name: &str) -> bool {
    identifier.is_some_and(|it| it.eq_ignore_ascii_case(name))
}

fn engine_mode(cluster: &DbCluster) -> Result<&str> {
    cluster.engine_mode().ok_or(incomplete("the cluster's engine mode"))
}

fn incomplete(missing: &'static str) -> Error {
    Error::Incomplete { operation: DESCRIBE_CLUSTERS, missing }
}

#[cfg(test)]
mod tests;
