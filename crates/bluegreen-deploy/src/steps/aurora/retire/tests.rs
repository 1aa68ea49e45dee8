//! What stopping and deleting do, look by look.

use std::time::{Duration, SystemTime};

use bluegreen_core::{
    Error::{NotFound, WrongState},
    StackReference::{A, B},
};

use super::{super::testing::*, *};
use crate::{
    Error,
    stack_file::AuroraRetire,
    steps::testing::{World, allowed},
};

fn delete(account: &Account, final_snapshot: bool) -> Arc<dyn Step> {
    let aurora = account.aurora(|it| {
        it.settings.retire = AuroraRetire::Delete;
        it.settings.final_snapshot = final_snapshot;
    });
    step_of(&aurora, B, "aurora.delete")
}

#[tokio::test(start_paused = true)]
async fn a_running_cluster_is_stopped_once_and_waited_for() {
    let (world, account) = (World::new(A), account());
    let step = account.step(B, "aurora.stop");

    let first = world.inspect(&*step).await.unwrap();
    world.apply(&*step).await.unwrap();
    let second = world.inspect(&*step).await.unwrap();
    account.change(A, |it| it.state = ClusterState::Stopped);
    let third = world.inspect(&*step).await.unwrap();

    assert_eq!(first, needed("available", "stopped"));
    assert_eq!(second, underway("cluster `orders-a` is `stopping`"));
    assert_eq!(third, Inspection::Done);
    assert_eq!(account.changes(), ["stop a"]);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_cannot_be_stopped_yet_is_waited_for() {
    for state in ["backing-up", "modifying", "starting"] {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| it.state = state.into());
        let step = account.step(B, "aurora.stop");

        let seen = world.inspect(&*step).await.unwrap();

        assert_eq!(seen, underway(&format!("cluster `orders-a` is `{state}`")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_aws_cannot_stop_is_an_error_at_the_first_look() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| {
        it.cannot_stop = Some("a member of the global database `world`".to_owned());
    });
    let step = account.step(B, "aurora.stop");

    let err = world.inspect(&*step).await.unwrap_err();

    assert!(matches!(err, Error::Toolkit(WrongState { .. })));
    let expected = "cluster `orders-a` is a member of the global database `world`: ";
    assert!(err.to_string().starts_with(expected), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_broken_cluster_cannot_be_stopped() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| it.state = "failed".into());
    let step = account.step(B, "aurora.stop");

    let err = world.inspect(&*step).await.unwrap_err();

    assert!(err.to_string().contains("`failed`"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_cluster_is_known_to_start_again() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| {
        it.state = ClusterState::Stopped;
        it.restarts_at = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(604_800));
    });
    let step = account.step(B, "aurora.stop");

    world.inspect(&*step).await.unwrap();

    let warnings = world.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("`orders-a` again at 1970-01-08T00:00:00Z"), "{warnings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_cluster_cannot_be_stopped() {
    let (world, account) = (World::new(A), account());
    account.remove(A);
    let step = account.step(B, "aurora.stop");

    let err = world.inspect(&*step).await.unwrap_err();

    assert!(matches!(err, Error::Toolkit(NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_is_deleted_round_by_round_with_one_snapshot() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| it.members.truncate(1));
    let step = delete(&account, true);
    let name = format!("orders-a-{}", world.store.release().unwrap().id.to_lowercase());
    let goal = format!("deleted, with snapshot `{name}`");

    assert_eq!(world.inspect(&*step).await.unwrap(), needed("available, 1 instance", &goal));
    world.apply(&*step).await.unwrap();
    assert_eq!(world.inspect(&*step).await.unwrap(), needed("available, 0 instances", &goal));
    world.apply(&*step).await.unwrap();
    let seen = world.inspect(&*step).await.unwrap();
    assert_eq!(seen, underway("cluster `orders-a` is `deleting`"));
    account.remove(A);

    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
    let call = format!("delete a Named(\"{name}\")");
    assert_eq!(account.changes(), [call.clone(), call]);
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_has_a_name_that_aws_takes() {
    let (world, account) = (World::new(A), account());
    let step = delete(&account, true);

    world.apply(&*step).await.unwrap();

    let calls = account.changes();
    let name = calls[0].split('"').nth(1).unwrap();
    assert!(name.starts_with("orders-a-"), "{name}");
    assert!(!name.contains("--") && !name.ends_with('-') && name.len() <= 255, "{name}");
    let legal = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    assert!(name.chars().all(legal), "{name}");
}

#[tokio::test(start_paused = true)]
async fn outside_a_release_the_snapshot_is_named_for_the_first_try() {
    let (world, account) = (World::new(A), account());
    world.store.close_release(crate::Outcome::Done, crate::steps::testing::START).await.unwrap();
    let step = delete(&account, true);

    let first = world.inspect(&*step).await.unwrap();
    world.apply(&*step).await.unwrap();
    tokio::time::advance(Duration::from_secs(90)).await;
    let second = world.inspect(&*step).await.unwrap();
    world.apply(&*step).await.unwrap();

    assert_eq!(first, needed("available, 3 instances", "deleted, with a snapshot"));
    let goal = "deleted, with snapshot `orders-a-19700101t001640z`";
    assert_eq!(second, needed("available, 2 instances", goal));
    let call = "delete a Named(\"orders-a-19700101t001640z\")";
    assert_eq!(account.changes(), [call, call]);
}

#[tokio::test(start_paused = true)]
async fn outside_a_release_the_snapshots_name_outlives_the_process() {
    let account = account();
    let folder = tempfile::tempdir().unwrap();
    let step = delete(&account, true);
    let mut world = World::new(A);
    world.store = crate::steps::testing::adopted(folder.path(), A).await;

    world.apply(&*step).await.unwrap();
    drop(world);
    tokio::time::advance(Duration::from_secs(90)).await;
    let mut world = World::new(A);
    world.store = crate::steps::testing::adopted(folder.path(), A).await;
    tokio::time::advance(Duration::from_secs(90)).await;
    world.apply(&*step).await.unwrap();

    let call = "delete a Named(\"orders-a-19700101t001640z\")";
    assert_eq!(account.changes(), [call, call]);
}

#[tokio::test(start_paused = true)]
async fn a_later_deletion_of_a_new_cluster_has_another_snapshot() {
    let (world, account) = (World::new(A), account());
    world.store.close_release(crate::Outcome::Done, crate::steps::testing::START).await.unwrap();
    let step = delete(&account, true);

    world.apply(&*step).await.unwrap();
    world.succeeded(&*step).await;
    tokio::time::advance(Duration::from_secs(90)).await;
    world.apply(&*step).await.unwrap();

    assert_eq!(
        account.changes(),
        [
            "delete a Named(\"orders-a-19700101t001640z\")",
            "delete a Named(\"orders-a-19700101t001810z\")"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_suspended_before_the_deletion_is_remembered_for_the_next_cluster() {
    let (world, account) = (World::new(A), account());
    let before = Suspended { scheduled: true, ..Suspended::default() };
    suspend(&account, A, before);
    let step = delete(&account, true);

    world.apply(&*step).await.unwrap();
    world.succeeded(&*step).await;
    // A new cluster under the same name, whose target is still suspended, is deleted by itself.
    world.apply(&*step).await.unwrap();

    let remembered = world.context().remembered("aurora.orders/a/flags").unwrap();
    assert_eq!(remembered, Some(before));
}

#[tokio::test(start_paused = true)]
async fn scaling_that_was_wholly_suspended_before_is_nothing_to_go_back_to() {
    let (world, account) = (World::new(A), account());
    suspend(&account, A, Suspended::ALL);
    let step = delete(&account, true);

    world.apply(&*step).await.unwrap();

    let remembered = world.context().remembered::<Suspended>("aurora.orders/a/flags").unwrap();
    assert_eq!(remembered, None);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_is_deleted_without_a_snapshot_when_the_file_says_so() {
    let (world, account) = (World::new(A), account());
    let step = delete(&account, false);

    let seen = world.inspect(&*step).await.unwrap();
    world.apply(&*step).await.unwrap();

    assert_eq!(seen, needed("available, 3 instances", "deleted, without a snapshot"));
    assert_eq!(account.changes(), ["delete a Skip"]);
}

#[tokio::test(start_paused = true)]
async fn protection_is_found_at_the_first_look() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| it.deletion_protection = true);
    let step = delete(&account, true);

    let err = world.inspect(&*step).await.unwrap_err();

    assert!(matches!(err, Error::Toolkit(WrongState { .. })));
    let expected = "cluster `orders-a` is protected against deletion: ";
    assert!(err.to_string().starts_with(expected), "{err}");
}

#[tokio::test(start_paused = true)]
async fn what_keeps_aws_from_deleting_is_found_at_the_first_look() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| it.cannot_delete = Some("the source of `copy-1`".to_owned()));
    let step = delete(&account, true);

    let err = world.inspect(&*step).await.unwrap_err();

    assert!(matches!(err, Error::Toolkit(WrongState { .. })));
    let expected = "cluster `orders-a` is the source of `copy-1`: ";
    assert!(err.to_string().starts_with(expected), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_on_its_way_is_let_arrive() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| it.state = "starting".into());
    let step = delete(&account, true);

    let seen = world.inspect(&*step).await.unwrap();

    assert_eq!(seen, underway("cluster `orders-a` is `starting`"));
}

#[test]
fn both_are_destructive_on_the_old_stack() {
    let account = account();

    for step in [account.step(B, "aurora.stop"), delete(&account, true)] {
        assert_eq!(step.effect(), Effect::Destroys(A));
        assert_eq!(step.id().stack, A);
    }
}

#[test]
fn deleting_needs_leave_for_the_snapshot_too() {
    let account = account();

    for action in ["rds:DeleteDBCluster", "rds:DescribeDBClusterSnapshots"] {
        let permission = (action, "cluster-snapshot:orders-a-*");
        assert!(allowed(&delete(&account, true).permissions()).contains(&permission));
        assert!(!allowed(&delete(&account, false).permissions()).contains(&permission));
    }
}
