//! Tests of looking at clusters and their instances.

use std::time::{Duration, SystemTime};

use aws_sdk_applicationautoscaling::types::SuspendedState;
use aws_sdk_rds::{
    Client, operation::describe_db_instances::DescribeDbInstancesOutput,
    types::DbParameterGroupStatus,
};
use aws_smithy_mocks::mock;
use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
use aws_smithy_types::{DateTime, body::SdkBody};
use bluegreen_core::StackReference::{A, B};

use super::*;
use crate::{
    AuroraToolkit, ReaderScaling, Suspended,
    aws::fixture::{
        cluster, clusters, instance, instances, lists, looks_at, member, refused, scales, target,
        toolkit,
    },
};

#[tokio::test]
async fn the_state_is_that_of_the_named_stacks_cluster() {
    let a = looks_at(cluster("orders-a", "available").build());
    let b = looks_at(cluster("orders-b", "stopped").build());
    let aurora = toolkit(&[&a, &b], &[]);

    assert_eq!(aurora.cluster_state(B).await.unwrap(), ClusterState::Stopped);
    assert_eq!((a.num_calls(), b.num_calls()), (0, 1));
    assert_eq!(aurora.cluster_state(A).await.unwrap(), ClusterState::Available);
}

#[tokio::test]
async fn a_cluster_that_is_backed_up_or_changed_has_a_state_too() {
    for status in [
        "modifying",
        "backing-up",
        "creating",
        "maintenance",
        "upgrading",
        "renaming",
        "failing-over",
        "deleting",
        "inaccessible-encryption-credentials",
    ] {
        let rule = looks_at(cluster("orders-a", status).build());

        let state = toolkit(&[&rule], &[]).cluster_state(A).await.unwrap();

        assert_eq!(state, ClusterState::from(status));
        assert_eq!(state.as_str(), status);
    }
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_not_found() {
    let missing = mock!(Client::describe_db_clusters)
        .then_http_response(|| refused("DBClusterNotFoundFault", "DBCluster orders-a not found."));
    let none = mock!(Client::describe_db_clusters).then_output(|| clusters(Vec::new()));

    for rule in [missing, none] {
        let err = toolkit(&[&rule], &[]).cluster_state(A).await.unwrap_err();
        assert!(matches!(&err, Error::NotFound { resource } if resource == "cluster `orders-a`"));
    }
}

#[tokio::test]
async fn a_missing_cluster_is_told_whatever_the_other_looks_say() {
    let missing = mock!(Client::describe_db_clusters)
        .then_http_response(|| refused("DBClusterNotFoundFault", "not found"));
    let instances = mock!(Client::describe_db_instances)
        .then_http_response(|| refused("InvalidParameterValue", "no such cluster"));
    let targets = scales("orders-a", Vec::new());
    let aurora = toolkit(&[&missing, &instances], &[&targets]);

    assert!(aurora.cluster(A).await.unwrap_err().is_absent());
    assert!(aurora.reader_count(A).await.unwrap_err().is_absent());
}

#[tokio::test]
async fn an_answer_about_another_cluster_is_never_taken_for_the_one_asked_for() {
    let rule = mock!(Client::describe_db_clusters)
        .then_output(|| clusters(vec![cluster("payments", "available").build()]));

    let err = toolkit(&[&rule], &[]).cluster_state(A).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { .. }), "{err}");
}

#[tokio::test]
async fn a_name_in_another_case_is_the_same_cluster() {
    let rule = mock!(Client::describe_db_clusters)
        .then_output(|| clusters(vec![cluster("Orders-A", "available").build()]));

    let state = toolkit(&[&rule], &[]).cluster_state(A).await.unwrap();

    assert_eq!(state, ClusterState::Available);
}

#[tokio::test]
async fn a_cluster_of_another_engine_is_refused() {
    for engine in ["neptune", "docdb", "mysql"] {
        let rule = looks_at(cluster("orders-a", "available").engine(engine).build());

        let err = toolkit(&[&rule], &[]).cluster_state(A).await.unwrap_err();

        assert_eq!(
            err.to_string(),
            format!("cluster `orders-a` is a cluster of `{engine}`: expected an Aurora cluster")
        );
    }
}

#[tokio::test]
async fn an_answer_without_what_matters_is_incomplete() {
    let full =
        || cluster("orders-a", "available").set_db_cluster_members(Some(vec![member("i", true)]));
    let nameless = aws_sdk_rds::types::DbClusterMember::builder().is_cluster_writer(true).build();
    let roleless =
        aws_sdk_rds::types::DbClusterMember::builder().db_instance_identifier("i").build();
    let cases = [
        full().set_status(None),
        full().set_engine(None),
        full().set_db_cluster_arn(None),
        full().set_engine_mode(None),
        full().set_deletion_protection(None),
        full().set_db_cluster_members(None),
        full().set_db_cluster_members(Some(vec![nameless])),
        full().set_db_cluster_members(Some(vec![roleless])),
    ];
    let instances = lists("orders-a", Vec::new());
    let targets = scales("orders-a", Vec::new());
    let whole = looks_at(full().build());
    assert!(toolkit(&[&whole, &instances], &[&targets]).cluster(A).await.is_ok());

    for case in cases {
        let rule = looks_at(case.build());
        let err = toolkit(&[&rule, &instances], &[&targets]).cluster(A).await.unwrap_err();
        assert!(matches!(err, Error::Incomplete { .. }), "{err}");
    }
}

#[tokio::test]
async fn a_list_that_is_missing_is_not_an_empty_one() {
    let no_clusters = mock!(Client::describe_db_clusters).then_output(|| {
        aws_sdk_rds::operation::describe_db_clusters::DescribeDbClustersOutput::builder().build()
    });
    let no_instances = mock!(Client::describe_db_instances)
        .then_output(|| DescribeDbInstancesOutput::builder().build());
    let found = looks_at(cluster("orders-a", "available").build());

    let clusters = toolkit(&[&no_clusters], &[]).cluster_state(A).await.unwrap_err();
    let readers = toolkit(&[&found, &no_instances], &[]).reader_count(A).await.unwrap_err();

    assert!(matches!(clusters, Error::Incomplete { .. }), "{clusters}");
    assert!(matches!(readers, Error::Incomplete { .. }), "{readers}");
}

#[tokio::test]
async fn readers_are_members_other_than_the_writer_whose_instance_is_available() {
    let members = vec![
        member("orders-a-1", true),
        member("orders-a-2", false),
        member("orders-a-3", false),
        member("orders-a-4", false),
        member("orders-a-5", false),
        member("Orders-A-6", false),
    ];
    let cluster =
        looks_at(cluster("orders-a", "available").set_db_cluster_members(Some(members)).build());
    let instance = |name, status| instance(name, "orders-a", status).build();
    let instances = lists(
        "orders-a",
        vec![
            instance("orders-a-1", "available"),
            instance("orders-a-2", "available"),
            instance("orders-a-3", "creating"),
            instance("orders-a-4", "deleting"),
            instance("orders-a-6", "available"),
        ],
    );

    let readers = toolkit(&[&cluster, &instances], &[]).reader_count(A).await.unwrap();

    assert_eq!(readers, 2);
}

#[tokio::test]
async fn a_cluster_without_members_or_without_a_writer_counts_right() {
    let empty = looks_at(cluster("orders-a", "available").build());
    let none = lists("orders-a", Vec::new());
    let headless = looks_at(
        cluster("orders-b", "failing-over")
            .db_cluster_members(member("orders-b-1", false))
            .db_cluster_members(member("orders-b-2", false))
            .build(),
    );
    let two = lists(
        "orders-b",
        vec![
            instance("orders-b-1", "orders-b", "available").build(),
            instance("orders-b-2", "orders-b", "available").build(),
        ],
    );
    let aurora = toolkit(&[&empty, &none, &headless, &two], &[]);

    assert_eq!(aurora.reader_count(A).await.unwrap(), 0);
    assert_eq!(aurora.reader_count(B).await.unwrap(), 2);
}

#[tokio::test]
async fn instances_are_listed_to_the_last_page() {
    let cluster = looks_at(
        cluster("orders-a", "available")
            .db_cluster_members(member("orders-a-2", false))
            .db_cluster_members(member("orders-a-3", false))
            .build(),
    );
    let first = mock!(Client::describe_db_instances)
        .match_requests(|it| it.marker().is_none())
        .then_output(|| {
            DescribeDbInstancesOutput::builder()
                .db_instances(instance("orders-a-2", "orders-a", "available").build())
                .marker("more")
                .build()
        });
    let second = mock!(Client::describe_db_instances)
        .match_requests(|it| it.marker() == Some("more"))
        .then_output(|| instances(vec![instance("orders-a-3", "orders-a", "available").build()]));

    let readers = toolkit(&[&cluster, &first, &second], &[]).reader_count(A).await.unwrap();

    assert_eq!(readers, 2);
    assert_eq!((first.num_calls(), second.num_calls()), (1, 1));
}

#[tokio::test]
async fn a_whole_cluster_is_read_from_three_answers() {
    let restart = DateTime::from_secs(1_800_000_000);
    let cluster = looks_at(
        cluster("orders-b", "stopped")
            .engine_version("8.0.mysql_aurora.3.08.0")
            .db_cluster_parameter_group("orders")
            .deletion_protection(true)
            .automatic_restart_time(restart)
            .db_cluster_members(member("orders-b-1", true))
            .db_cluster_members(member("orders-b-2", false))
            .build(),
    );
    let group = DbParameterGroupStatus::builder().db_parameter_group_name("writers").build();
    let writer = instance("orders-b-1", "orders-b", "stopped")
        .db_instance_class("db.r6g.large")
        .db_parameter_groups(group);
    let instances = lists("orders-b", vec![writer.build()]);
    let flags = SuspendedState::builder().dynamic_scaling_out_suspended(true).build();
    let suspended = target("orders-b", 2, 4).suspended_state(flags).build().unwrap();
    let targets = scales("orders-b", vec![suspended]);

    let found = toolkit(&[&cluster, &instances], &[&targets]).cluster(B).await.unwrap();

    assert_eq!(
        found,
        Cluster {
            name: "orders-b".to_owned(),
            arn: "arn:aws-cn:rds:cn-north-1:123456789012:cluster:orders-b".to_owned(),
            state: ClusterState::Stopped,
            members: vec![
                Member {
                    instance: "orders-b-1".to_owned(),
                    is_writer: true,
                    status: Some("stopped".to_owned()),
                    class: Some("db.r6g.large".to_owned()),
                    parameter_group: Some("writers".to_owned()),
                },
                Member {
                    instance: "orders-b-2".to_owned(),
                    is_writer: false,
                    status: None,
                    class: None,
                    parameter_group: None,
                },
            ],
            deletion_protection: true,
            engine: "aurora-mysql".to_owned(),
            engine_version: Some("8.0.mysql_aurora.3.08.0".to_owned()),
            parameter_group: Some("orders".to_owned()),
            engine_mode: "provisioned".to_owned(),
            cannot_stop: None,
            cannot_delete: None,
            restarts_at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
            scaling: Some(ReaderScaling {
                minimum: 2,
                maximum: 4,
                suspended: Suspended { dynamic_out: true, ..Suspended::default() },
            }),
        }
    );
    assert_eq!(found.available_readers(), 0);
}

#[tokio::test]
async fn what_keeps_a_cluster_from_being_stopped_is_told() {
    let source = "arn:aws:rds:eu-west-1:123456789012:cluster:source";
    for (cluster, why) in [
        (cluster("x", "available").engine_mode("serverless"), "Aurora Serverless v1"),
        (
            cluster("x", "available").global_cluster_identifier("world"),
            "a member of the global database `world`",
        ),
        (
            cluster("x", "available").replication_source_identifier(source),
            "a replica of `arn:aws:rds:eu-west-1:123456789012:cluster:source`",
        ),
        (
            cluster("x", "available").read_replica_identifiers("y").read_replica_identifiers("z"),
            "the source of `y`, `z`",
        ),
    ] {
        assert_eq!(cannot_stop(&cluster.build()).unwrap().as_deref(), Some(why));
    }
}

#[tokio::test]
async fn what_keeps_a_cluster_from_being_deleted_is_told() {
    let cluster = looks_at(
        cluster("orders-a", "available")
            .read_replica_identifiers("y")
            .read_replica_identifiers("z")
            .build(),
    );
    let instances = lists("orders-a", Vec::new());
    let targets = scales("orders-a", Vec::new());

    let found = toolkit(&[&cluster, &instances], &[&targets]).cluster(A).await.unwrap();

    assert_eq!(found.cannot_delete.as_deref(), Some("the source of `y`, `z`"));
}

#[tokio::test]
async fn a_target_whose_maximum_was_left_out_is_not_one_without_readers() {
    let cluster = looks_at(cluster("orders-a", "available").build());
    let instances = lists("orders-a", Vec::new());
    let targets = scales("orders-a", vec![target("orders-a", 2, 0).build().unwrap()]);

    let err = toolkit(&[&cluster, &instances], &[&targets]).cluster(A).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { .. }), "{err}");
}

#[tokio::test]
async fn empty_elements_of_the_answer_keep_nothing_from_being_stopped() {
    let rule = mock!(Client::describe_db_clusters).then_http_response(|| {
        let body = "<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters><DBCluster>\
            <DBClusterIdentifier>orders-a</DBClusterIdentifier><Engine>aurora-postgresql</Engine>\
            <EngineMode>provisioned</EngineMode><Status>available</Status>\
            <DBClusterArn>arn:aws:rds:eu-west-1:123456789012:cluster:orders-a</DBClusterArn>\
            <DeletionProtection>false</DeletionProtection><DBClusterMembers/>\
            <ReadReplicaIdentifiers/><ReplicationSourceIdentifier/><GlobalClusterIdentifier/>\
            </DBCluster></DBClusters></DescribeDBClustersResult></DescribeDBClustersResponse>";
        HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::from(body))
    });
    let instances = lists("orders-a", Vec::new());
    let targets = scales("orders-a", Vec::new());

    let found = toolkit(&[&rule, &instances], &[&targets]).cluster(A).await.unwrap();

    assert_eq!((found.cannot_stop, found.cannot_delete), (None, None));
    assert_eq!((found.scaling, found.restarts_at), (None, None));
    assert_eq!(found.members, []);
}

#[tokio::test(start_paused = true)]
async fn throttling_and_a_missing_permission_keep_their_meaning() {
    let throttled = mock!(Client::describe_db_clusters)
        .then_http_response(|| refused("Throttling", "Rate exceeded"));
    let denied = mock!(Client::describe_db_clusters)
        .then_http_response(|| refused("AccessDenied", "not authorized"));

    let throttled = toolkit(&[&throttled], &[]).cluster_state(A).await.unwrap_err();
    let denied = toolkit(&[&denied], &[]).cluster_state(A).await.unwrap_err();

    assert!(matches!(throttled, Error::Throttled { .. }), "{throttled}");
    assert!(
        matches!(denied, Error::AccessDenied { operation: "rds:DescribeDBClusters", .. }),
        "{denied}"
    );
}
