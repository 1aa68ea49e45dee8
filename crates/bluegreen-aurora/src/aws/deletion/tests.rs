//! Tests of one round of a deletion: what is refused, and each arm of the errors.

use aws_sdk_rds::{
    Client,
    operation::{
        delete_db_instance::DeleteDbInstanceOutput,
        describe_db_cluster_snapshots::DescribeDbClusterSnapshotsOutput,
    },
    types::builders::DbClusterBuilder,
};
use aws_smithy_mocks::{Rule, mock};
use bluegreen_core::StackReference::A;

use super::*;
use crate::{
    AuroraToolkit,
    aws::fixture::{
        cluster, clusters, instance, lists, looks_at, looks_in_turn, member, refused, scales,
        toolkit,
    },
};

/// The answer to a round whose cluster call AWS refuses so.
async fn cluster_refused(
    looks: &Rule,
    code: &'static str,
    message: &'static str,
) -> Result<Deletion> {
    let list = lists("orders-a", Vec::new());
    let delete =
        mock!(Client::delete_db_cluster).then_http_response(move || refused(code, message));
    let aurora = toolkit(&[looks, &list, &delete], &[]);
    aurora.delete_database(A, FinalSnapshot::Named("orders-a-r1".to_owned())).await
}

/// The answer to a round whose instance call AWS refuses so.
async fn instance_refused(code: &'static str, message: &'static str) -> Result<Deletion> {
    let look = looks_at(one_writer().build());
    let list = lists("orders-a", vec![instance("orders-a-1", "orders-a", "available").build()]);
    let delete =
        mock!(Client::delete_db_instance).then_http_response(move || refused(code, message));
    let scaling = scales("orders-a", Vec::new());
    toolkit(&[&look, &list, &delete], &[&scaling]).delete_database(A, FinalSnapshot::Skip).await
}

fn one_writer() -> DbClusterBuilder {
    cluster("orders-a", "available").db_cluster_members(member("orders-a-1", true))
}

/// Asserts that a deletion of this cluster is refused before anything but looks was sent.
#[track_caller]
fn assert_refused(result: Result<Deletion>, text: &str) {
    let err = result.unwrap_err();
    assert!(matches!(err, Error::WrongState { .. }), "{err}");
    assert!(err.to_string().contains(text), "{err}");
}

#[tokio::test]
async fn a_cluster_that_is_gone_is_gone() {
    let look = mock!(Client::describe_db_clusters)
        .then_http_response(|| refused("DBClusterNotFoundFault", "not found"));

    let deletion = toolkit(&[&look], &[]).delete_database(A, FinalSnapshot::Skip).await.unwrap();

    assert_eq!(deletion, Deletion::Gone);
}

#[tokio::test]
async fn an_answer_about_another_cluster_deletes_nothing() {
    let look = mock!(Client::describe_db_clusters)
        .then_output(|| clusters(vec![cluster("payments", "available").build()]));

    let err = toolkit(&[&look], &[]).delete_database(A, FinalSnapshot::Skip).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { .. }), "{err}");
}

#[tokio::test]
async fn instances_of_other_clusters_are_never_deleted() {
    let look = looks_at(one_writer().build());
    let list = lists(
        "orders-a",
        vec![
            instance("orders-a-1", "orders-a", "available").build(),
            instance("payments-1", "payments", "available").build(),
        ],
    );
    let delete = mock!(Client::delete_db_instance)
        .match_requests(|it| it.db_instance_identifier() == Some("orders-a-1"))
        .then_output(|| DeleteDbInstanceOutput::builder().build());
    let scaling = scales("orders-a", Vec::new());

    let deletion = toolkit(&[&look, &list, &delete], &[&scaling])
        .delete_database(A, FinalSnapshot::Skip)
        .await
        .unwrap();

    assert_eq!(deletion, Deletion::Remaining("writer `orders-a-1` to go".to_owned()));
    assert_eq!(delete.num_calls(), 1);
}

#[tokio::test]
async fn an_instance_that_is_not_yet_a_member_goes_before_the_writer() {
    let look = looks_at(one_writer().build());
    let list = lists(
        "orders-a",
        vec![
            instance("orders-a-1", "orders-a", "available").build(),
            instance("application-autoscaling-1", "orders-a", "creating").build(),
        ],
    );
    let delete = mock!(Client::delete_db_instance)
        .match_requests(|it| it.db_instance_identifier() == Some("application-autoscaling-1"))
        .then_http_response(|| refused("InvalidDBInstanceState", "Instance is being created."));
    let scaling = scales("orders-a", Vec::new());

    let deletion = toolkit(&[&look, &list, &delete], &[&scaling])
        .delete_database(A, FinalSnapshot::Skip)
        .await
        .unwrap();

    let what = "reader `application-autoscaling-1` to go; AWS does not delete \
                `application-autoscaling-1` yet: Instance is being created";
    assert_eq!(deletion, Deletion::Remaining(what.to_owned()));
}

#[tokio::test]
async fn a_protected_cluster_loses_no_instance() {
    for status in ["available", "stopped", "modifying"] {
        let look = looks_at(cluster("orders-a", status).deletion_protection(true).build());

        let result = toolkit(&[&look], &[]).delete_database(A, FinalSnapshot::Skip).await;

        assert_refused(result, "cluster `orders-a` is protected against deletion");
    }
}

#[tokio::test]
async fn a_cluster_whose_protection_is_not_told_loses_no_instance() {
    let look = looks_at(one_writer().set_deletion_protection(None).build());

    let err = toolkit(&[&look], &[]).delete_database(A, FinalSnapshot::Skip).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { .. }), "{err}");
}

#[tokio::test]
async fn a_cluster_that_is_tied_to_others_loses_no_instance() {
    let global = looks_at(one_writer().global_cluster_identifier("world").build());
    let replica = looks_at(one_writer().replication_source_identifier("source").build());
    let source = looks_at(
        one_writer().read_replica_identifiers("copy-1").read_replica_identifiers("copy-2").build(),
    );

    let global = toolkit(&[&global], &[]).delete_database(A, FinalSnapshot::Skip).await;
    let replica = toolkit(&[&replica], &[]).delete_database(A, FinalSnapshot::Skip).await;
    let source = toolkit(&[&source], &[]).delete_database(A, FinalSnapshot::Skip).await;

    assert_refused(global, "a member of the global database `world`");
    assert_refused(replica, "a replica of `source`");
    assert_refused(source, "the source of `copy-1`, `copy-2`");
}

#[tokio::test]
async fn a_snapshot_name_that_aws_would_refuse_is_refused_before_any_call() {
    let long = "x".repeat(256);
    for name in ["", "1-orders", "orders-", "orders--r1", "orders_r1", "-orders", "ördérs", &long]
    {
        let aurora = toolkit(&[], &[]);

        let result = aurora.delete_database(A, FinalSnapshot::Named(name.to_owned())).await;

        assert!(matches!(result, Err(Error::Configuration { .. })), "{name}");
    }
}

#[tokio::test]
async fn a_missing_list_of_snapshots_does_not_free_the_name() {
    let look = looks_at(one_writer().build());
    let list = lists("orders-a", vec![instance("orders-a-1", "orders-a", "available").build()]);
    let snapshots = mock!(Client::describe_db_cluster_snapshots)
        .then_output(|| DescribeDbClusterSnapshotsOutput::builder().build());
    let named = FinalSnapshot::Named("orders-a-r1".to_owned());

    let err =
        toolkit(&[&look, &list, &snapshots], &[]).delete_database(A, named).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { .. }), "{err}");
}

#[tokio::test(start_paused = true)]
async fn without_leave_to_look_for_the_snapshot_no_instance_goes() {
    let look = looks_at(one_writer().build());
    let list = lists("orders-a", vec![instance("orders-a-1", "orders-a", "available").build()]);
    let snapshots = mock!(Client::describe_db_cluster_snapshots)
        .then_http_response(|| refused("AccessDenied", "not authorized"));
    let named = FinalSnapshot::Named("orders-a-r1".to_owned());

    let err =
        toolkit(&[&look, &list, &snapshots], &[]).delete_database(A, named).await.unwrap_err();

    assert!(err.to_string().contains("rds:DescribeDBClusterSnapshots"), "{err}");
}

#[tokio::test]
async fn an_instance_that_is_gone_or_going_counts_as_deleted() {
    for (code, message) in [
        ("DBInstanceNotFound", "DBInstance orders-a-1 not found."),
        ("InvalidDBInstanceState", "Instance orders-a-1 is already being deleted."),
    ] {
        let deletion = instance_refused(code, message).await.unwrap();

        assert_eq!(deletion, Deletion::Remaining("writer `orders-a-1` to go".to_owned()), "{code}");
    }
}

#[tokio::test]
async fn an_instance_that_aws_does_not_delete_yet_is_tried_again() {
    for (code, message) in [
        ("InvalidDBInstanceState", "Instance is rebooting."),
        ("InvalidDBClusterStateFault", "Delete the replica cluster before deleting"),
    ] {
        let deletion = instance_refused(code, message).await.unwrap();

        let Deletion::Remaining(what) = deletion else { panic!("{code}: gone") };
        assert!(what.contains("AWS does not delete `orders-a-1` yet"), "{what}");
    }
}

#[tokio::test]
async fn an_instance_that_no_repeating_deletes_is_an_error() {
    for code in [
        "SnapshotQuotaExceeded",
        "DBInstanceAutomatedBackupQuotaExceeded",
        "KMSKeyNotAccessibleFault",
        "InvalidParameterCombination",
    ] {
        let err = instance_refused(code, "no").await.unwrap_err();
        assert!(matches!(err, Error::Aws { transient: false, .. }), "{code}: {err}");
    }
    let last = instance_refused(
        "InvalidDBClusterStateFault",
        "Cannot delete the last instance of the read replica DB cluster.",
    );
    assert_refused(last.await, "instance `orders-a-1`");
}

#[tokio::test]
async fn one_reader_that_fails_does_not_keep_the_others_from_going() {
    let look = looks_at(
        one_writer()
            .db_cluster_members(member("orders-a-2", false))
            .db_cluster_members(member("orders-a-3", false))
            .build(),
    );
    let list = lists("orders-a", Vec::new());
    let fails = mock!(Client::delete_db_instance)
        .match_requests(|it| it.db_instance_identifier() == Some("orders-a-2"))
        .then_http_response(|| refused("KMSKeyNotAccessibleFault", "no"));
    let goes = mock!(Client::delete_db_instance)
        .match_requests(|it| it.db_instance_identifier() == Some("orders-a-3"))
        .then_output(|| DeleteDbInstanceOutput::builder().build());
    let scaling = scales("orders-a", Vec::new());

    let result = toolkit(&[&look, &list, &fails, &goes], &[&scaling])
        .delete_database(A, FinalSnapshot::Skip)
        .await;

    assert!(result.is_err());
    assert_eq!(goes.num_calls(), 1);
}

#[tokio::test]
async fn a_cluster_that_is_gone_when_its_turn_comes_is_gone() {
    let looks = looks_at(cluster("orders-a", "available").build());

    let deletion = cluster_refused(&looks, "DBClusterNotFoundFault", "gone").await.unwrap();

    assert_eq!(deletion, Deletion::Gone);
}

#[tokio::test]
async fn a_cluster_in_the_wrong_state_is_looked_at_in_the_next_round() {
    let looks = looks_at(cluster("orders-a", "backing-up").build());
    let why = "DbCluster orders-a is not currently in the available state.";

    let deletion = cluster_refused(&looks, "InvalidDBClusterStateFault", why).await.unwrap();

    let what = "AWS to delete cluster `orders-a`, which it does not yet: DbCluster orders-a is not \
                currently in the available state";
    assert_eq!(deletion, Deletion::Remaining(what.to_owned()));
}

#[tokio::test]
async fn protection_that_was_switched_on_meanwhile_is_named() {
    let looks = looks_at(cluster("orders-a", "available").build());
    let why = "Cannot delete protected Cluster, please disable deletion protection and try again.";

    let result = cluster_refused(&looks, "InvalidParameterCombination", why).await;

    assert_refused(result, "protected against deletion");
}

#[tokio::test]
async fn a_snapshot_of_an_earlier_try_is_fine_and_a_strangers_is_named() {
    let code = "DBClusterSnapshotAlreadyExistsFault";
    let ours = looks_in_turn("orders-a", &["available", "deleting"]);
    let strangers = looks_in_turn("orders-a", &["available", "available"]);
    let gone = mock!(Client::describe_db_clusters)
        .sequence()
        .output(|| clusters(vec![cluster("orders-a", "available").build()]))
        .http_response(|| refused("DBClusterNotFoundFault", "gone"))
        .build();

    let ours = cluster_refused(&ours, code, "").await.unwrap();
    let strangers = cluster_refused(&strangers, code, "").await;
    let gone = cluster_refused(&gone, code, "").await.unwrap();

    assert_eq!(ours, Deletion::Remaining("cluster `orders-a` to go".to_owned()));
    assert_eq!(gone, Deletion::Gone);
    assert_refused(strangers, "cluster snapshot `orders-a-r1` is there already");
}

#[tokio::test]
async fn a_cluster_that_no_repeating_deletes_is_an_error() {
    let looks = looks_at(cluster("orders-a", "available").build());
    for code in [
        "SnapshotQuotaExceeded",
        "DBClusterAutomatedBackupQuotaExceededFault",
        "KMSKeyNotAccessibleFault",
        "InvalidGlobalClusterStateFault",
        "InvalidParameterCombination",
    ] {
        let err = cluster_refused(&looks, code, "no").await.unwrap_err();
        assert!(
            matches!(err, Error::Aws { operation: "rds:DeleteDBCluster", transient: false, .. }),
            "{code}: {err}"
        );
    }
}
