//! Tests of deleting a cluster over several rounds, in an account in memory that keeps AWS's rules.

use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_applicationautoscaling::{
    Client as ScalingClient, operation::register_scalable_target::RegisterScalableTargetOutput,
    types::SuspendedState,
};
use aws_sdk_rds::{
    Client,
    operation::{
        delete_db_cluster::DeleteDbClusterOutput, delete_db_instance::DeleteDbInstanceOutput,
        describe_db_cluster_snapshots::DescribeDbClusterSnapshotsOutput,
        start_db_cluster::StartDbClusterOutput,
    },
    types::DbClusterSnapshot,
};
use aws_smithy_mocks::{MockResponse, Rule, mock};
use bluegreen_core::StackReference::A;

use super::*;
use crate::{
    AuroraToolkit,
    aws::fixture::{
        cluster, clusters, instance, instances, member, refused, target, targets, toolkit,
    },
};

/// The cluster `orders-a` of an account, as far as deleting it goes.
#[derive(Clone)]
struct Account(Arc<Mutex<State>>);

struct State {
    /// The cluster's status; `None` when it is gone.
    cluster: Option<&'static str>,
    /// Name, whether it is the writer, status.
    instances: Vec<(String, bool, &'static str)>,
    /// Whether scaling is suspended; `None` without a scaling target.
    suspended: Option<bool>,
    /// The name of the one cluster snapshot there is.
    snapshot: Option<String>,
    /// Everything sent that changes something.
    sent: Vec<String>,
}

impl Account {
    fn new(cluster: &'static str, instances: &[(&str, bool, &'static str)]) -> Self {
        Self(Arc::new(Mutex::new(State {
            cluster: Some(cluster),
            instances: instances.iter().map(|it| (it.0.to_owned(), it.1, it.2)).collect(),
            suspended: Some(false),
            snapshot: None,
            sent: Vec::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Lets AWS finish what it has begun.
    fn settle(&self) {
        let mut state = self.state();
        state.instances.retain(|it| it.2 != "deleting");
        state.cluster = match state.cluster {
            Some("starting" | "modifying") => Some("available"),
            Some("stopping") => Some("stopped"),
            Some("deleting") if state.instances.is_empty() => None,
            other => other,
        };
    }

    fn sent(&self) -> Vec<String> {
        std::mem::take(&mut self.state().sent)
    }

    /// Repeats the deletion with everything settled in between, and returns what was sent in each round.
    async fn delete(&self, snapshot: FinalSnapshot) -> Vec<Vec<String>> {
        let (rds, scaling) = self.rules();
        let aurora = toolkit(&rds.iter().collect::<Vec<_>>(), &scaling.iter().collect::<Vec<_>>());
        let mut rounds = Vec::new();
        while aurora.delete_database(A, snapshot.clone()).await.unwrap() != Deletion::Gone {
            rounds.push(self.sent());
            self.settle();
            assert!(rounds.len() < 10, "no end: {rounds:?}");
        }
        assert!(self.sent().is_empty());
        rounds
    }

    async fn one_round(&self) -> Deletion {
        let (rds, scaling) = self.rules();
        let aurora = toolkit(&rds.iter().collect::<Vec<_>>(), &scaling.iter().collect::<Vec<_>>());
        aurora.delete_database(A, FinalSnapshot::Skip).await.unwrap()
    }

    fn rules(&self) -> (Vec<Rule>, Vec<Rule>) {
        let it = self.clone();
        let look = mock!(Client::describe_db_clusters).then_compute_response(move |_| {
            let state = it.state();
            let Some(status) = state.cluster else {
                return MockResponse::Http(refused("DBClusterNotFoundFault", "not found"));
            };
            let members = state.instances.iter().map(|it| member(&it.0, it.1)).collect();
            let found = cluster("orders-a", status).set_db_cluster_members(Some(members)).build();
            MockResponse::Output(clusters(vec![found]))
        });
        let it = self.clone();
        let list = mock!(Client::describe_db_instances).then_compute_output(move |_| {
            let state = it.state();
            let one = |it: &(String, bool, &str)| instance(&it.0, "orders-a", it.2).build();
            instances(state.instances.iter().map(one).collect())
        });
        let it = self.clone();
        let start = mock!(Client::start_db_cluster).then_compute_output(move |_| {
            let mut state = it.state();
            state.sent.push("start".to_owned());
            state.cluster = Some("starting");
            StartDbClusterOutput::builder().build()
        });
        let it = self.clone();
        let delete_instance =
            mock!(Client::delete_db_instance).then_compute_response(move |request| {
                assert_eq!(
                    (request.skip_final_snapshot(), request.final_db_snapshot_identifier()),
                    (None, None)
                );
                let mut state = it.state();
                let name = request.db_instance_identifier().unwrap_or_default();
                state.sent.push(format!("delete {name}"));
                if state.cluster == Some("stopped") {
                    return MockResponse::Http(refused("InvalidDBClusterStateFault", "stopped"));
                }
                if state.suspended == Some(false) {
                    state.instances.push((
                        "application-autoscaling-1".to_owned(),
                        false,
                        "creating",
                    ));
                }
                if let Some(found) = state.instances.iter_mut().find(|it| it.0 == name) {
                    found.2 = "deleting";
                    MockResponse::Output(DeleteDbInstanceOutput::builder().build())
                } else {
                    MockResponse::Http(refused("DBInstanceNotFound", "not found"))
                }
            });
        let it = self.clone();
        let delete_cluster = mock!(Client::delete_db_cluster).then_compute_response(move |request| {
            let mut state = it.state();
            let skip = request.skip_final_snapshot().unwrap_or(false);
            let snapshot = request.final_db_snapshot_identifier();
            state.sent.push(match snapshot {
                Some(snapshot) => format!("delete cluster, keep {snapshot}"),
                None => "delete cluster".to_owned(),
            });
            if skip == snapshot.is_some() {
                return MockResponse::Http(refused(
                    "InvalidParameterCombination",
                    "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
                ));
            }
            if state.instances.iter().any(|it| it.2 != "deleting") {
                let why = "it still contains DB instances in non-deleting state";
                return MockResponse::Http(refused("InvalidDBClusterStateFault", why));
            }
            state.snapshot = snapshot.map(str::to_owned);
            state.cluster = Some("deleting");
            MockResponse::Output(DeleteDbClusterOutput::builder().build())
        });

        let it = self.clone();
        let snapshots =
            mock!(Client::describe_db_cluster_snapshots).then_compute_response(move |request| {
                let name = request.db_cluster_snapshot_identifier().unwrap_or_default();
                if it.state().snapshot != Some(name.to_owned()) {
                    return MockResponse::Http(refused(
                        "DBClusterSnapshotNotFoundFault",
                        "not found",
                    ));
                }
                let found = DbClusterSnapshot::builder()
                    .db_cluster_snapshot_identifier(name)
                    .db_cluster_identifier("orders-a")
                    .build();
                MockResponse::Output(
                    DescribeDbClusterSnapshotsOutput::builder().db_cluster_snapshots(found).build(),
                )
            });

        let it = self.clone();
        let scaling =
            mock!(ScalingClient::describe_scalable_targets).then_compute_output(move |_| {
                let suspended = |it| {
                    SuspendedState::builder()
                        .dynamic_scaling_in_suspended(it)
                        .dynamic_scaling_out_suspended(it)
                        .scheduled_scaling_suspended(it)
                        .build()
                };
                let one =
                    |it| target("orders-a", 1, 4).suspended_state(suspended(it)).build().unwrap();
                targets(it.state().suspended.map(one).into_iter().collect())
            });
        let it = self.clone();
        let suspend =
            mock!(ScalingClient::register_scalable_target).then_compute_output(move |request| {
                let suspended = request.suspended_state().unwrap();
                let mut state = it.state();
                state.sent.push(format!(
                    "register {:?}-{:?}, suspended {:?} {:?} {:?}",
                    request.min_capacity(),
                    request.max_capacity(),
                    suspended.dynamic_scaling_in_suspended().unwrap(),
                    suspended.dynamic_scaling_out_suspended().unwrap(),
                    suspended.scheduled_scaling_suspended().unwrap(),
                ));
                state.suspended = Some(true);
                RegisterScalableTargetOutput::builder().build()
            });
        let rds = vec![look, list, start, delete_instance, delete_cluster, snapshots];
        (rds, vec![scaling, suspend])
    }
}

/// The flags alone: a range that the SDK has read as 0 must not be sent back.
const SUSPEND: &str = "register None-None, suspended true true true";

#[tokio::test]
async fn readers_go_first_then_the_writer_then_the_cluster() {
    let account = Account::new(
        "available",
        &[
            ("orders-a-1", true, "available"),
            ("orders-a-2", false, "available"),
            ("orders-a-3", false, "available"),
        ],
    );

    let rounds = account.delete(FinalSnapshot::Skip).await;

    assert_eq!(
        rounds,
        [
            vec![SUSPEND, "delete orders-a-2", "delete orders-a-3"],
            vec!["delete orders-a-1"],
            vec!["delete cluster"],
        ]
    );
}

#[tokio::test]
async fn every_round_says_what_it_waits_for() {
    let account = Account::new(
        "available",
        &[
            ("orders-a-1", true, "available"),
            ("orders-a-2", false, "available"),
            ("orders-a-3", false, "deleting"),
        ],
    );
    let mut waits = Vec::new();

    while let Deletion::Remaining(what) = account.one_round().await {
        waits.push(what);
        account.settle();
    }

    assert_eq!(
        waits,
        [
            "readers `orders-a-2`, `orders-a-3` to go",
            "writer `orders-a-1` to go",
            "cluster `orders-a` to go",
        ]
    );
}

#[tokio::test]
async fn the_writer_stays_while_a_reader_is_on_its_way_out() {
    let account = Account::new(
        "available",
        &[("orders-a-1", true, "available"), ("orders-a-2", false, "deleting")],
    );

    let deletion = account.one_round().await;

    assert_eq!(deletion, Deletion::Remaining("reader `orders-a-2` to go".to_owned()));
    assert!(account.sent().is_empty());
}

#[tokio::test]
async fn the_final_snapshot_is_asked_for_with_the_cluster_under_the_callers_name() {
    let account = Account::new("available", &[("orders-a-1", true, "available")]);

    let rounds = account.delete(FinalSnapshot::Named("orders-a-r1".to_owned())).await;

    assert_eq!(
        rounds,
        [vec![SUSPEND, "delete orders-a-1"], vec!["delete cluster, keep orders-a-r1"]]
    );
}

#[tokio::test]
async fn a_snapshots_name_that_is_taken_is_found_while_every_instance_is_there() {
    let account = Account::new(
        "available",
        &[("orders-a-1", true, "available"), ("orders-a-2", false, "available")],
    );
    account.state().snapshot = Some("orders-a-r1".to_owned());
    let (rds, scaling) = account.rules();
    let aurora = toolkit(&rds.iter().collect::<Vec<_>>(), &scaling.iter().collect::<Vec<_>>());

    let named = FinalSnapshot::Named("orders-a-r1".to_owned());
    let err = aurora.delete_database(A, named).await.unwrap_err();

    assert!(matches!(err, Error::WrongState { .. }), "{err}");
    assert!(err.to_string().contains("cluster snapshot `orders-a-r1` is there already"), "{err}");
    assert!(account.sent().is_empty());
}

#[tokio::test]
async fn an_empty_cluster_is_deleted_at_once_and_its_scaling_left_alone() {
    let account = Account::new("available", &[]);

    let rounds = account.delete(FinalSnapshot::Named("orders-a-r1".to_owned())).await;

    assert_eq!(rounds, [["delete cluster, keep orders-a-r1"]]);
}

#[tokio::test]
async fn what_an_earlier_run_left_half_deleted_is_finished() {
    let only_writer = Account::new("available", &[("orders-a-1", true, "available")]);
    only_writer.state().suspended = Some(true);
    let all_going = Account::new(
        "available",
        &[("orders-a-1", true, "deleting"), ("orders-a-2", false, "deleting")],
    );
    let going = Account::new("deleting", &[("orders-a-1", true, "deleting")]);

    assert_eq!(
        only_writer.delete(FinalSnapshot::Skip).await,
        [["delete orders-a-1"], ["delete cluster"]]
    );
    assert_eq!(all_going.delete(FinalSnapshot::Skip).await, [["delete cluster"]]);
    assert_eq!(going.delete(FinalSnapshot::Skip).await, [Vec::<String>::new()]);
}

#[tokio::test]
async fn a_stopped_cluster_is_started_first() {
    let account = Account::new("stopping", &[("orders-a-1", true, "available")]);

    let rounds = account.delete(FinalSnapshot::Skip).await;

    assert_eq!(
        rounds,
        [vec![], vec!["start"], vec![SUSPEND, "delete orders-a-1"], vec!["delete cluster"]]
    );
}

#[tokio::test]
async fn a_cluster_that_changes_is_let_arrive() {
    let account = Account::new("modifying", &[("orders-a-1", true, "available")]);

    let deletion = account.one_round().await;

    assert_eq!(deletion, Deletion::Remaining("cluster `orders-a` to leave `modifying`".to_owned()));
    assert!(account.sent().is_empty());
}

#[tokio::test]
async fn a_broken_cluster_can_be_deleted() {
    let account = Account::new("failed", &[]);

    assert_eq!(account.delete(FinalSnapshot::Skip).await, [["delete cluster"]]);
}

#[tokio::test]
async fn a_cluster_without_a_scaling_target_is_deleted_too() {
    let account = Account::new("available", &[("orders-a-1", true, "available")]);
    account.state().suspended = None;

    let rounds = account.delete(FinalSnapshot::Skip).await;

    assert_eq!(rounds, [["delete orders-a-1"], ["delete cluster"]]);
}
