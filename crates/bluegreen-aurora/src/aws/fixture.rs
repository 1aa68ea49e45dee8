//! What the tests of this module share: a toolkit over rules, and AWS's answers.

use aws_sdk_applicationautoscaling::{
    operation::describe_scalable_targets::DescribeScalableTargetsOutput,
    types::{ScalableDimension, ScalableTarget, ServiceNamespace, builders::ScalableTargetBuilder},
};
use aws_sdk_rds::{
    operation::{
        describe_db_clusters::DescribeDbClustersOutput,
        describe_db_instances::DescribeDbInstancesOutput,
    },
    types::{
        DbCluster, DbClusterMember, DbInstance,
        builders::{DbClusterBuilder, DbInstanceBuilder},
    },
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
use aws_smithy_types::{DateTime, body::SdkBody};
use bluegreen_core::Pair;

use super::AwsAuroraToolkit;
use crate::AuroraConfig;

/// The clusters `orders-a` and `orders-b` with at least one reader.
pub(super) fn config() -> AuroraConfig {
    AuroraConfig {
        clusters: Pair::from_fn(|stack| format!("orders-{stack}")),
        minimum_readers: 1,
        namespace: None,
        tags: [].into(),
    }
}

pub(super) fn toolkit(rds: &[&Rule], autoscaling: &[&Rule]) -> AwsAuroraToolkit {
    toolkit_with(config(), rds, autoscaling)
}

pub(super) fn toolkit_with(
    config: AuroraConfig,
    rds: &[&Rule],
    autoscaling: &[&Rule],
) -> AwsAuroraToolkit {
    let rds = mock_client!(aws_sdk_rds, RuleMode::MatchAny, rds);
    let autoscaling = mock_client!(aws_sdk_applicationautoscaling, RuleMode::MatchAny, autoscaling);
    let cloudwatch = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, &[]);
    AwsAuroraToolkit::from_clients(rds, autoscaling, cloudwatch, config).unwrap()
}

/// A cluster of Aurora without members that can be stopped and deleted.
pub(super) fn cluster(name: &str, status: &str) -> DbClusterBuilder {
    DbCluster::builder()
        .db_cluster_identifier(name)
        .db_cluster_arn(format!("arn:aws-cn:rds:cn-north-1:123456789012:cluster:{name}"))
        .engine("aurora-mysql")
        .engine_mode("provisioned")
        .status(status)
        .deletion_protection(false)
        .set_db_cluster_members(Some(Vec::new()))
}

pub(super) fn member(name: &str, is_writer: bool) -> DbClusterMember {
    DbClusterMember::builder().db_instance_identifier(name).is_cluster_writer(is_writer).build()
}

pub(super) fn instance(name: &str, cluster: &str, status: &str) -> DbInstanceBuilder {
    DbInstance::builder()
        .db_instance_identifier(name)
        .db_instance_arn(format!("arn:aws-cn:rds:cn-north-1:123456789012:db:{name}"))
        .db_cluster_identifier(cluster)
        .engine("aurora-mysql")
        .db_instance_status(status)
}

pub(super) fn target(cluster: &str, minimum: i32, maximum: i32) -> ScalableTargetBuilder {
    ScalableTarget::builder()
        .service_namespace(ServiceNamespace::Rds)
        .resource_id(format!("cluster:{cluster}"))
        .scalable_dimension(ScalableDimension::RdsClusterReadReplicaCount)
        .min_capacity(minimum)
        .max_capacity(maximum)
        .role_arn("arn:aws-cn:iam::123456789012:role/scaling")
        .creation_time(DateTime::from_secs(0))
}

pub(super) fn clusters(clusters: Vec<DbCluster>) -> DescribeDbClustersOutput {
    DescribeDbClustersOutput::builder().set_db_clusters(Some(clusters)).build()
}

pub(super) fn instances(instances: Vec<DbInstance>) -> DescribeDbInstancesOutput {
    DescribeDbInstancesOutput::builder().set_db_instances(Some(instances)).build()
}

pub(super) fn targets(targets: Vec<ScalableTarget>) -> DescribeScalableTargetsOutput {
    DescribeScalableTargetsOutput::builder().set_scalable_targets(Some(targets)).build()
}

/// Answers whoever asks for exactly this cluster.
pub(super) fn looks_at(cluster: DbCluster) -> Rule {
    let name = cluster.db_cluster_identifier.clone();
    mock!(aws_sdk_rds::Client::describe_db_clusters)
        .match_requests(move |it| it.db_cluster_identifier() == name.as_deref())
        .then_output(move || clusters(vec![cluster.clone()]))
}

/// Answers one look after the other.
pub(super) fn looks_in_turn(cluster: &str, statuses: &[&'static str]) -> Rule {
    let mut rule = mock!(aws_sdk_rds::Client::describe_db_clusters).sequence().output({
        let first = self::cluster(cluster, statuses[0]).build();
        move || clusters(vec![first.clone()])
    });
    for status in &statuses[1..] {
        let next = self::cluster(cluster, status).build();
        rule = rule.output(move || clusters(vec![next.clone()]));
    }
    rule.build()
}

/// Answers whoever asks for the instances of exactly this cluster.
pub(super) fn lists(cluster: &'static str, listed: Vec<DbInstance>) -> Rule {
    mock!(aws_sdk_rds::Client::describe_db_instances)
        .match_requests(move |it| {
            let [filter] = it.filters() else { return false };
            filter.name() == Some("db-cluster-id") && filter.values() == [cluster]
        })
        .then_output(move || instances(listed.clone()))
}

/// Answers whoever asks for the reader scaling of exactly this cluster.
pub(super) fn scales(cluster: &'static str, listed: Vec<ScalableTarget>) -> Rule {
    mock!(aws_sdk_applicationautoscaling::Client::describe_scalable_targets)
        .match_requests(move |it| {
            it.service_namespace() == Some(&ServiceNamespace::Rds)
                && it.resource_ids() == [format!("cluster:{cluster}")]
                && it.scalable_dimension() == Some(&ScalableDimension::RdsClusterReadReplicaCount)
        })
        .then_output(move || targets(listed.clone()))
}

/// A refusal of RDS as it comes over the wire.
pub(super) fn refused(code: &str, message: &str) -> HttpResponse {
    let status = if code.contains("NotFound") { 404 } else { 400 };
    let body = format!(
        "<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><Error>\
         <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>1</RequestId></ErrorResponse>"
    );
    HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))
}

/// A refusal of Application Auto Scaling as it comes over the wire.
pub(super) fn scaling_refused(code: &str, message: &str) -> HttpResponse {
    let status = if code == "InternalServiceException" { 500 } else { 400 };
    let body = format!(r#"{{"__type":"{code}","Message":"{message}"}}"#);
    HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))
}
