//! What scaling out and in do, look by look.

use bluegreen_core::{
    Error::NothingFound,
    StackReference::{A, B},
};

use super::{super::testing::*, *};
use crate::{Error, steps::testing::World};

/// Stack a runs with two readers; stack b has just been started and has one.
fn started() -> Account {
    let account = account();
    account.change(B, |it| {
        it.state = ClusterState::Available;
        it.members = vec![writer("available"), reader(1, "available")];
    });
    account
}

#[tokio::test(start_paused = true)]
async fn the_standby_gets_as_many_readers_as_the_active_cluster_has() {
    let (world, account) = (World::new(A), started());
    let step = account.step(B, "aurora.scale-out");

    let first = world.inspect(&*step).await.unwrap();
    world.apply(&*step).await.unwrap();
    let second = world.inspect(&*step).await.unwrap();
    account.change(B, |it| it.members.push(reader(2, "creating")));
    let third = world.inspect(&*step).await.unwrap();
    account.change(B, |it| it.members[2] = reader(2, "available"));
    let fourth = world.inspect(&*step).await.unwrap();

    assert_eq!(first, needed("1 reader (minimum 1)", "2 readers (minimum 2)"));
    assert_eq!(second, underway("readers of cluster `orders-b`: 1 of 2"));
    assert_eq!(third, second);
    assert_eq!(fourth, Inspection::Done);
    assert_eq!(account.changes(), ["scale-out b 2"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_does_not_move_with_the_active_cluster() {
    let (world, account) = (World::new(A), started());
    let step = account.step(B, "aurora.scale-out");

    world.apply(&*step).await.unwrap();
    account.change(A, |it| it.members.push(reader(3, "available")));
    account.change(B, |it| it.members.push(reader(2, "available")));

    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn before_the_cluster_is_started_nothing_is_known() {
    for state in ["stopped", "starting"] {
        let (world, account) = (World::new(A), started());
        account.change(B, |it| it.state = state.into());
        let step = account.step(B, "aurora.scale-out");

        let seen = world.inspect(&*step).await.unwrap();

        assert_eq!(seen, Inspection::Unknown { after: "aurora.start".to_owned() });
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_moves_while_readers_come_is_waited_for() {
    let (world, account) = (World::new(A), started());
    let step = account.step(B, "aurora.scale-out");

    world.apply(&*step).await.unwrap();
    account.change(B, |it| it.state = "modifying".into());

    let seen = world.inspect(&*step).await.unwrap();
    assert_eq!(seen, underway("cluster `orders-b` is `modifying`"));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_refuses_changes_for_now_is_waited_for() {
    let (world, account) = (World::new(A), started());
    account.change(B, |it| it.state = "backing-up".into());
    let step = account.step(B, "aurora.scale-out");

    let seen = world.inspect(&*step).await.unwrap();

    assert_eq!(seen, underway("cluster `orders-b` is `backing-up`"));
}

#[tokio::test(start_paused = true)]
async fn a_broken_cluster_ends_it() {
    let (world, account) = (World::new(A), started());
    account.change(B, |it| it.state = "failed".into());
    let step = account.step(B, "aurora.scale-out");

    let err = world.inspect(&*step).await.unwrap_err();

    assert!(err.to_string().contains("`failed`"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn more_than_the_maximum_is_held_and_said() {
    let (world, account) = (World::new(A), started());
    account.change(B, |it| it.scaling = scaling(1, 1));
    let step = account.step(B, "aurora.scale-out");

    let seen = world.inspect(&*step).await.unwrap();

    assert_eq!(seen, Inspection::Done);
    let warning =
        "cluster `orders-b` gets 1 reader instead of 2: its scaling target allows no more";
    assert_eq!(world.warnings(), [warning]);
}

#[tokio::test(start_paused = true)]
async fn it_never_asks_for_less_than_the_configured_minimum() {
    let (world, account) = (World::new(A), started());
    account.change(A, |it| it.members.truncate(1));
    let aurora = account.aurora(|it| it.settings.config.minimum_readers = 3);
    let step = step_of(&aurora, B, "aurora.scale-out");

    let seen = world.inspect(&*step).await.unwrap();

    assert_eq!(seen, needed("1 reader (minimum 1)", "3 readers (minimum 3)"));
    assert!(world.warnings().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_minimum_set_while_the_cluster_was_stopped_is_set_again() {
    let (world, account) = (World::new(A), started());
    account.change(B, |it| it.scaling = scaling(4, 5));
    let step = account.step(B, "aurora.scale-out");

    let first = world.inspect(&*step).await.unwrap();
    world.apply(&*step).await.unwrap();
    let second = world.inspect(&*step).await.unwrap();

    assert_eq!(first, needed("1 reader (minimum 4)", "2 readers (minimum 4)"));
    assert_eq!(second, underway("readers of cluster `orders-b`: 1 of 2"));
    assert_eq!(account.changes(), ["scale-out b 4"]);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_a_scaling_target_is_an_error_unless_that_is_fine() {
    let (world, account) = (World::new(A), started());
    // Seen already while the cluster is stopped: before anything is changed.
    account.change(B, |it| {
        it.scaling = None;
        it.state = ClusterState::Stopped;
    });
    let strict = account.step(B, "aurora.scale-out");
    let lenient = account.aurora(|it| it.optional = true);
    let lenient = step_of(&lenient, B, "aurora.scale-out");

    let err = world.inspect(&*strict).await.unwrap_err();
    let seen = world.inspect(&*lenient).await.unwrap();

    assert!(matches!(err, Error::Toolkit(NothingFound { .. })));
    assert!(err.to_string().contains("skip = [\"aurora.scale-out\""), "{err}");
    assert_eq!(seen, Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn scaling_that_a_deletion_suspended_is_resumed_as_it_was_before() {
    let (world, account) = (World::new(A), started());
    let before = Suspended { scheduled: true, ..Suspended::default() };
    world.context().remember("aurora.orders/b/flags", &before).await.unwrap();
    suspend(&account, B, Suspended::ALL);
    // Readers and minimum are as they should be.
    account.change(A, |it| it.members.truncate(2));
    let step = account.step(B, "aurora.scale-out");

    let first = world.inspect(&*step).await.unwrap();
    world.apply(&*step).await.unwrap();
    let second = world.inspect(&*step).await.unwrap();

    let (from, to) =
        ("1 reader (minimum 1), scaling suspended", "1 reader (minimum 1), scaling as before");
    assert_eq!(first, needed(from, to));
    assert_eq!(second, Inspection::Done);
    assert_eq!(account.changes(), [format!("resume b {before:?}"), "scale-out b 1".to_owned()]);
}

#[tokio::test(start_paused = true)]
async fn a_scaling_out_is_taken_back_to_what_was_there_even_below_the_stack_files_minimum() {
    let (world, account) = (World::new(A), started());
    let before = Suspended { scheduled: true, ..Suspended::default() };
    world.context().remember("aurora.orders/b/flags", &before).await.unwrap();
    suspend(&account, B, Suspended::ALL);
    account.change(B, |it| it.scaling.as_mut().unwrap().minimum = 0);
    let step = account.step(B, "aurora.scale-out");
    world.apply(&*step).await.unwrap();
    let told = account.changes().len();

    let back = step.undo().unwrap();
    let needed = world.inspect(&*back).await.unwrap();
    world.apply(&*back).await.unwrap();
    let done = world.inspect(&*back).await.unwrap();

    assert!(matches!(needed, Inspection::Needed { .. }), "{needed:?}");
    assert_eq!(done, Inspection::Done);
    assert_eq!(
        account.changes()[told..],
        ["scale-in b Some(0)".to_owned(), format!("resume b {:?}", Suspended::ALL)]
    );
}

#[tokio::test(start_paused = true)]
async fn scaling_that_is_resumed_wholly_is_not_warned_about() {
    let (world, account) = (World::new(A), started());
    world.context().remember("aurora.orders/b/flags", &Suspended::default()).await.unwrap();
    suspend(&account, B, Suspended::ALL);
    let step = account.step(B, "aurora.scale-out");

    world.inspect(&*step).await.unwrap();
    world.apply(&*step).await.unwrap();

    assert!(world.warnings().is_empty());
    assert_eq!(account.changes()[0], format!("resume b {:?}", Suspended::default()));
}

#[tokio::test(start_paused = true)]
async fn scaling_that_somebody_suspended_is_left_alone_and_said() {
    let partly = Suspended { dynamic_out: true, ..Suspended::default() };
    for (suspended, remembered) in
        [(Suspended::ALL, None), (partly, None), (partly, Some(Suspended::default()))]
    {
        let (world, account) = (World::new(A), started());
        if let Some(flags) = remembered {
            world.context().remember("aurora.orders/b/flags", &flags).await.unwrap();
        }
        suspend(&account, B, suspended);
        account.change(A, |it| it.members.truncate(2));
        let step = account.step(B, "aurora.scale-out");

        let seen = world.inspect(&*step).await.unwrap();

        assert_eq!(seen, Inspection::Done);
        let warnings = world.warnings();
        assert_eq!(warnings.len(), 1);
        let warning =
            "the reader scaling of cluster `orders-b` is suspended and stays so: resume it";
        assert!(warnings[0].starts_with(warning), "{warnings:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_minimum_goes_back_to_what_it_was() {
    let (world, account) = (World::new(A), started());
    account.change(A, |it| it.members.push(reader(3, "available")));
    account.change(B, |it| it.scaling = scaling(2, 5));
    let scale_out = account.step(B, "aurora.scale-out");
    let scale_in = account.step(B, "aurora.scale-in");

    world.apply(&*scale_out).await.unwrap();
    let first = world.inspect(&*scale_in).await.unwrap();
    world.apply(&*scale_in).await.unwrap();
    let second = world.inspect(&*scale_in).await.unwrap();

    assert_eq!(first, needed("minimum 3", "minimum 2"));
    assert_eq!(second, Inspection::Done);
    assert_eq!(account.changes(), ["scale-out b 3", "scale-in b Some(2)"]);
}

#[tokio::test(start_paused = true)]
async fn the_minimum_from_before_survives_a_scaling_out_that_failed_half_way() {
    let (world, account) = (World::new(A), started());
    let scale_out = account.step(B, "aurora.scale-out");
    let scale_in = account.step(B, "aurora.scale-in");
    account.fail_next("scale-out");

    world.apply(&*scale_out).await.unwrap_err();
    // AWS took the call though its answer was lost.
    account.change(B, |it| it.scaling = scaling(2, 5));
    world.apply(&*scale_out).await.unwrap();

    assert_eq!(world.inspect(&*scale_in).await.unwrap(), needed("minimum 2", "minimum 1"));
}

#[tokio::test(start_paused = true)]
async fn scaling_out_that_failed_before_it_was_sent_is_repeated() {
    let (world, account) = (World::new(A), started());
    account.change(B, |it| it.scaling = scaling(2, 5));
    let step = account.step(B, "aurora.scale-out");
    account.fail_next("scale-out");

    world.apply(&*step).await.unwrap_err();

    let seen = world.inspect(&*step).await.unwrap();
    assert_eq!(seen, needed("1 reader (minimum 2)", "2 readers (minimum 2)"));
}

#[tokio::test(start_paused = true)]
async fn only_scaling_in_has_finished_with_the_minimum() {
    let account = started();

    let scale_out = account.step(B, "aurora.scale-out");
    let scale_in = account.step(B, "aurora.scale-in");

    assert_eq!(scale_out.memory().as_deref(), Some("aurora.orders/b/flags"));
    assert_eq!(scale_in.memory().as_deref(), Some("aurora.orders/b/minimum"));
}

#[tokio::test(start_paused = true)]
async fn without_memory_the_minimum_goes_to_the_configured_one_held_to_the_maximum() {
    for (configured, maximum, goal) in [(1, 5, 1), (4, 5, 4), (4, 3, 3)] {
        let (world, account) = (World::new(A), started());
        account.change(B, |it| it.scaling = scaling(2, maximum));
        let aurora = account.aurora(|it| it.settings.config.minimum_readers = configured);
        let step = step_of(&aurora, B, "aurora.scale-in");

        let seen = world.inspect(&*step).await.unwrap();

        assert_eq!(seen, needed("minimum 2", &format!("minimum {goal}")));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_never_goes_below_the_configured_minimum() {
    let (world, account) = (World::new(A), started());
    account.change(B, |it| it.scaling = scaling(3, 5));
    let aurora = account.aurora(|it| it.settings.config.minimum_readers = 3);
    world.context().remember("aurora.orders/b/minimum", &1).await.unwrap();
    let step = step_of(&aurora, B, "aurora.scale-in");

    let seen = world.inspect(&*step).await.unwrap();

    assert_eq!(seen, Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn scaling_in_has_nothing_to_do_without_a_scaling_target() {
    let (world, account) = (World::new(A), started());
    account.change(B, |it| it.scaling = None);
    let step = account.step(B, "aurora.scale-in");

    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn scaling_in_is_not_known_before_the_cluster_is_started() {
    let (world, account) = (World::new(A), account());
    let step = account.step(B, "aurora.scale-in");

    let seen = world.inspect(&*step).await.unwrap();

    assert_eq!(seen, Inspection::Unknown { after: "aurora.start".to_owned() });
}
