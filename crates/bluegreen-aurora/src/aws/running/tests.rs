//! Tests of starting and stopping clusters.

use aws_sdk_rds::{
    Client,
    operation::{start_db_cluster::StartDbClusterOutput, stop_db_cluster::StopDbClusterOutput},
};
use aws_smithy_mocks::{Rule, mock};
use bluegreen_core::StackReference::{A, B};

use super::*;
use crate::{
    AuroraToolkit,
    aws::fixture::{cluster, looks_at, looks_in_turn, refused, toolkit},
};

fn starts(name: &'static str) -> Rule {
    mock!(Client::start_db_cluster)
        .match_requests(move |it| it.db_cluster_identifier() == Some(name))
        .then_output(|| StartDbClusterOutput::builder().build())
}

fn stops(name: &'static str) -> Rule {
    mock!(Client::stop_db_cluster)
        .match_requests(move |it| it.db_cluster_identifier() == Some(name))
        .then_output(|| StopDbClusterOutput::builder().build())
}

fn start_refused(code: &'static str, message: &'static str) -> Rule {
    mock!(Client::start_db_cluster).then_http_response(move || refused(code, message))
}

fn stop_refused(code: &'static str, message: &'static str) -> Rule {
    mock!(Client::stop_db_cluster).then_http_response(move || refused(code, message))
}

#[tokio::test]
async fn a_stopped_cluster_is_started() {
    let look = looks_at(cluster("orders-b", "stopped").build());
    let start = starts("orders-b");

    let change = toolkit(&[&look, &start], &[]).start_database(B).await.unwrap();

    assert_eq!(change, Change::Made);
    assert_eq!(start.num_calls(), 1);
}

#[tokio::test]
async fn starting_a_cluster_that_runs_or_starts_is_already_so() {
    for status in ["available", "starting", "backing-up", "storage-optimization"] {
        let look = looks_at(cluster("orders-a", status).build());
        let start = starts("orders-a");

        let change = toolkit(&[&look, &start], &[]).start_database(A).await.unwrap();

        assert_eq!(change, Change::AlreadySo, "{status}");
        assert_eq!(start.num_calls(), 0);
    }
}

#[tokio::test]
async fn a_cluster_on_its_way_elsewhere_is_not_started_yet() {
    for status in ["stopping", "modifying", "maintenance", "a-word-of-next-year"] {
        let look = looks_at(cluster("orders-a", status).build());
        let start = starts("orders-a");

        let change = toolkit(&[&look, &start], &[]).start_database(A).await.unwrap();

        let reason = format!("cluster `orders-a` is `{status}`");
        assert_eq!(change, Change::NotYet { reason });
        assert_eq!(start.num_calls(), 0);
    }
}

#[tokio::test]
async fn a_broken_or_vanishing_cluster_is_neither_started_nor_stopped() {
    for status in [
        "failed",
        "cloning-failed",
        "migration-failed",
        "incompatible-restore",
        "incompatible-parameters",
        "inaccessible-encryption-credentials",
        "inaccessible-encryption-credentials-recoverable",
        "deleting",
    ] {
        let look = looks_at(cluster("orders-a", status).build());
        let aurora = toolkit(&[&look], &[]);

        let start = aurora.start_database(A).await.unwrap_err();
        let stop = aurora.stop_database(A).await.unwrap_err();

        for err in [start, stop] {
            assert!(
                matches!(&err, Error::WrongState { state, .. } if *state == format!("`{status}`")),
                "{err}"
            );
        }
    }
}

#[tokio::test]
async fn a_refused_start_is_judged_by_the_state_seen_afterwards() {
    let start =
        start_refused("InvalidDBClusterStateFault", "DbCluster orders-a is not in stopped state.");
    let not_yet = |reason: &str| Change::NotYet { reason: reason.to_owned() };
    for (status, expected) in [
        ("available", Change::AlreadySo),
        ("starting", Change::AlreadySo),
        ("stopping", not_yet("cluster `orders-a` is `stopping`")),
        (
            "stopped",
            not_yet(
                "AWS does not start cluster `orders-a` yet: DbCluster orders-a is not in stopped \
                 state",
            ),
        ),
    ] {
        let looks = looks_in_turn("orders-a", &["stopped", status]);

        let change = toolkit(&[&looks, &start], &[]).start_database(A).await.unwrap();

        assert_eq!(change, expected);
        assert_eq!(looks.num_calls(), 2);
    }
    let looks = looks_in_turn("orders-a", &["stopped", "failed"]);
    let err = toolkit(&[&looks, &start], &[]).start_database(A).await.unwrap_err();
    assert!(matches!(err, Error::WrongState { .. }), "{err}");
}

#[tokio::test]
async fn a_changing_instance_or_shard_group_delays_a_start_and_a_stop() {
    for code in ["InvalidDBInstanceState", "InvalidDBShardGroupState"] {
        let stopped = looks_at(cluster("orders-a", "stopped").build());
        let available = looks_at(cluster("orders-b", "available").build());
        let start = start_refused(code, "orders-a-1 is changing.");
        let stop = stop_refused(code, "");
        let aurora = toolkit(&[&stopped, &available, &start, &stop], &[]);

        let start = aurora.start_database(A).await.unwrap();
        let stop = aurora.stop_database(B).await.unwrap();

        let reason = "AWS does not start cluster `orders-a` yet: orders-a-1 is changing".to_owned();
        assert_eq!(start, Change::NotYet { reason });
        let reason = "AWS does not stop cluster `orders-b` yet: AWS gave no reason".to_owned();
        assert_eq!(stop, Change::NotYet { reason });
    }
}

#[tokio::test]
async fn what_no_repeating_helps_is_an_error() {
    let look = looks_at(cluster("orders-a", "stopped").build());
    for code in ["KMSKeyNotAccessibleFault", "VpcEncryptionControlViolationException"] {
        let start = start_refused(code, "no");

        let err = toolkit(&[&look, &start], &[]).start_database(A).await.unwrap_err();

        assert!(
            matches!(err, Error::Aws { operation: "rds:StartDBCluster", transient: false, .. }),
            "{err}"
        );
    }
}

#[tokio::test]
async fn a_cluster_that_vanishes_between_look_and_act_is_not_found() {
    let stopped = looks_at(cluster("orders-a", "stopped").build());
    let available = looks_at(cluster("orders-b", "available").build());
    let start = start_refused("DBClusterNotFoundFault", "gone");
    let stop = stop_refused("DBClusterNotFoundFault", "gone");
    let aurora = toolkit(&[&stopped, &available, &start, &stop], &[]);

    assert!(aurora.start_database(A).await.unwrap_err().is_absent());
    assert!(aurora.stop_database(B).await.unwrap_err().is_absent());
}

#[tokio::test]
async fn an_available_cluster_is_stopped() {
    let look = looks_at(cluster("orders-a", "available").build());
    let stop = stops("orders-a");

    let change = toolkit(&[&look, &stop], &[]).stop_database(A).await.unwrap();

    assert_eq!(change, Change::Made);
    assert_eq!(stop.num_calls(), 1);
}

#[tokio::test]
async fn stopping_a_cluster_that_is_stopped_or_stops_is_already_so() {
    for status in ["stopped", "stopping"] {
        let look = looks_at(cluster("orders-a", status).build());
        let stop = stops("orders-a");

        let change = toolkit(&[&look, &stop], &[]).stop_database(A).await.unwrap();

        assert_eq!(change, Change::AlreadySo, "{status}");
        assert_eq!(stop.num_calls(), 0);
    }
}

#[tokio::test]
async fn a_cluster_that_moves_or_is_backed_up_is_not_stopped_yet() {
    for status in ["starting", "modifying", "backing-up", "storage-optimization", "new-word"] {
        let look = looks_at(cluster("orders-a", status).build());
        let stop = stops("orders-a");

        let change = toolkit(&[&look, &stop], &[]).stop_database(A).await.unwrap();

        let reason = format!("cluster `orders-a` is `{status}`");
        assert_eq!(change, Change::NotYet { reason });
        assert_eq!(stop.num_calls(), 0);
    }
}

#[tokio::test]
async fn a_cluster_that_aws_cannot_stop_is_refused_before_the_call() {
    let look =
        looks_at(cluster("orders-a", "available").global_cluster_identifier("world").build());
    let stop = stops("orders-a");

    let err = toolkit(&[&look, &stop], &[]).stop_database(A).await.unwrap_err();

    assert_eq!(
        err.to_string(),
        "cluster `orders-a` is a member of the global database `world`: expected a cluster that AWS \
         can stop"
    );
    assert_eq!(stop.num_calls(), 0);
}

#[tokio::test]
async fn a_refused_stop_is_judged_by_the_state_seen_afterwards() {
    let stop = stop_refused("InvalidDBClusterStateFault", "not in available state");
    let not_yet = |reason: &str| Change::NotYet { reason: reason.to_owned() };
    for (status, expected) in [
        ("stopped", Change::AlreadySo),
        ("stopping", Change::AlreadySo),
        ("starting", not_yet("cluster `orders-a` is `starting`")),
        ("modifying", not_yet("cluster `orders-a` is `modifying`")),
        ("backing-up", not_yet("cluster `orders-a` is `backing-up`")),
        ("available", not_yet("AWS does not stop cluster `orders-a` yet: not in available state")),
    ] {
        let looks = looks_in_turn("orders-a", &["available", status]);

        let change = toolkit(&[&looks, &stop], &[]).stop_database(A).await.unwrap();

        assert_eq!(change, expected);
    }
}
