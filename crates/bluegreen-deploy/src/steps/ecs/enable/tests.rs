//! What enabling does, look by look.

use bluegreen_core::{
    Error::WrongState,
    StackReference::{A, B},
};

use super::{super::testing::*, *};
use crate::{Error, Resource, steps::testing::World};

const PARTLY: Suspended = Suspended { dynamic_in: true, dynamic_out: false, scheduled: false };

/// Lets the tasks of stack b come up.
fn come_up(account: &Account) {
    account.change(B, |it| {
        it.running = it.desired;
        it.steady = true;
    });
}

#[tokio::test(start_paused = true)]
async fn a_service_gets_its_tasks_and_then_its_scaling_and_is_waited_for() {
    let (world, account) = (World::new(A), account());
    let step = account.step(B, "ecs.enable");

    let first = world.inspect(&*step).await.unwrap();
    world.apply(&*step).await.unwrap();
    account.change(B, |it| it.running = 3);
    let second = world.inspect(&*step).await.unwrap();
    come_up(&account);
    let third = world.inspect(&*step).await.unwrap();
    let fourth = world.inspect(&*step).await.unwrap();

    assert_eq!(first, needed("0 tasks, scaling suspended", "4 tasks, scaling on"));
    assert_eq!(second, underway("service `worker-b`: 3 of 4 tasks run"));
    assert_eq!(third, underway("a second look at service `worker-b`: 4 of 4 tasks run"));
    assert_eq!(fourth, Inspection::Done);
    assert_eq!(account.changes(), ["enable b 4", "resume b in=false out=false clock=false"]);
}

#[tokio::test(start_paused = true)]
async fn two_looks_in_one_round_are_one() {
    let (world, account) = (World::new(A), account());
    let step = account.step(B, "ecs.enable");
    world.apply(&*step).await.unwrap();
    come_up(&account);

    let context = world.context();
    let first = step.inspect(&context).await.unwrap();
    let second = step.inspect(&context).await.unwrap();

    assert!(matches!(first, Inspection::Underway { .. }));
    assert_eq!(first, second);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_falters_is_looked_at_twice_again() {
    let (world, account) = (World::new(A), account());
    let step = account.step(B, "ecs.enable");
    world.apply(&*step).await.unwrap();
    let mut seen = Vec::new();

    for steady in [true, false, true, true] {
        account.change(B, |it| {
            it.steady = steady;
            it.running = it.desired;
        });
        seen.push(world.inspect(&*step).await.unwrap() == Inspection::Done);
    }

    assert_eq!(seen, [false, false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_runs_already_is_left_alone() {
    let (world, account) = (World::new(A), account());
    account.change(B, |it| {
        it.desired = 4;
        it.scaling.as_mut().unwrap().suspended = Suspended::default();
    });
    come_up(&account);
    let step = account.step(B, "ecs.enable");

    world.inspect(&*step).await.unwrap();

    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
    assert_eq!(account.changes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn only_what_differs_is_sent() {
    let (world, account) = (World::new(A), account());
    account.change(B, |it| it.desired = 4);
    let step = account.step(B, "ecs.enable");

    let seen = world.inspect(&*step).await.unwrap();
    world.apply(&*step).await.unwrap();

    assert_eq!(seen, needed("4 tasks, scaling suspended", "4 tasks, scaling on"));
    assert_eq!(account.changes(), ["resume b in=false out=false clock=false"]);
}

#[tokio::test(start_paused = true)]
async fn scaling_may_have_raised_the_count_but_nothing_else_may() {
    for (scaled, done) in [(true, true), (false, false)] {
        let (world, account) = (World::new(A), account());
        account.change(B, |it| {
            it.desired = 6;
            it.scaling.as_mut().unwrap().suspended = Suspended::default();
            if !scaled {
                it.scaling = None;
            }
        });
        come_up(&account);
        let step = account.step(B, "ecs.enable");

        world.inspect(&*step).await.unwrap();
        let seen = world.inspect(&*step).await.unwrap();

        let lowered = needed("6 tasks", "4 tasks");
        assert_eq!(seen, if done { Inspection::Done } else { lowered });
    }
}

#[tokio::test(start_paused = true)]
async fn the_count_is_held_in_the_range_of_scaling() {
    for (minimum, maximum, count, warnings) in [(5, 9, 5, 0), (1, 2, 2, 1), (1, 9, 4, 0)] {
        let (world, account) = (World::new(A), account());
        account.change(B, |it| {
            let scaling = it.scaling.as_mut().unwrap();
            (scaling.minimum, scaling.maximum) = (minimum, maximum);
        });
        let step = account.step(B, "ecs.enable");

        let seen = world.inspect(&*step).await.unwrap();

        let to = format!("{count} tasks, scaling on");
        assert_eq!(seen, needed("0 tasks, scaling suspended", &to));
        assert_eq!(world.warnings().len(), warnings);
    }
}

#[tokio::test(start_paused = true)]
async fn the_count_is_not_held_by_scaling_that_stays_suspended() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| it.scaling.as_mut().unwrap().suspended = Suspended::ALL);
    account.change(B, |it| it.scaling.as_mut().unwrap().maximum = 2);
    let step = account.step(B, "ecs.enable");

    let seen = world.inspect(&*step).await.unwrap();

    assert_eq!(seen, needed("0 tasks, scaling suspended", "4 tasks, scaling suspended"));
}

#[tokio::test(start_paused = true)]
async fn it_can_run_as_many_tasks_as_the_active_service_did_at_first() {
    let (world, account) = (World::new(A), account());
    let ecs = account.ecs(|it| it.settings.desired_tasks = DesiredTasks::Match);
    let step = step_of(&ecs, B, "ecs.enable");

    let first = world.inspect(&*step).await.unwrap();
    world.apply(&*step).await.unwrap();
    account.change(A, |it| it.desired = 7);
    come_up(&account);
    world.inspect(&*step).await.unwrap();
    let last = world.inspect(&*step).await.unwrap();

    assert_eq!(first, needed("0 tasks, scaling suspended", "3 tasks, scaling on"));
    assert_eq!(last, Inspection::Done);
    assert_eq!(account.changes()[0], "enable b 3");
}

#[tokio::test(start_paused = true)]
async fn a_service_without_tasks_cannot_be_matched() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| it.desired = 0);
    let ecs = account.ecs(|it| it.settings.desired_tasks = DesiredTasks::Match);
    let step = step_of(&ecs, B, "ecs.enable");

    let err = world.inspect(&*step).await.unwrap_err();

    assert!(matches!(err, Error::Toolkit(WrongState { .. })));
    assert!(err.to_string().contains("service `worker-a` is without"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn the_partners_flags_are_the_model_where_nothing_is_remembered() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| it.scaling.as_mut().unwrap().suspended = PARTLY);
    let step = account.step(B, "ecs.enable");

    let (key, model) = step.model(&world.context()).await.unwrap().unwrap();
    let seen = world.inspect(&*step).await.unwrap();

    assert_eq!(seen, needed("0 tasks, scaling suspended", "4 tasks, scaling partly suspended"));
    assert_eq!(key, "ecs.worker/b");
    assert_eq!(step.memory(), Some(key));
    assert_eq!(serde_json::from_value::<Suspended>(model).unwrap(), PARTLY);
}

#[tokio::test(start_paused = true)]
async fn a_partner_without_scaling_suspends_nothing() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| it.scaling = None);
    let step = account.step(B, "ecs.enable");

    let seen = world.inspect(&*step).await.unwrap();

    assert_eq!(seen, needed("0 tasks, scaling suspended", "4 tasks, scaling on"));
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_goes_before_the_partner_who_is_not_looked_at_then() {
    let (world, account) = (World::new(A), account());
    world.context().remember("ecs.worker/b", &PARTLY).await.unwrap();
    let step = account.step(B, "ecs.enable");

    world.apply(&*step).await.unwrap();

    assert_eq!(account.changes()[1], "resume b in=true out=false clock=false");
    assert_eq!(account.calls()[0], "service b");
    assert!(!account.calls().contains(&"service a".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_failed_deployment_and_a_daemon_end_it() {
    for word in ["failed deployment", "a daemon service"] {
        let (world, account) = (World::new(A), account());
        account.change(B, |it| match word {
            "a daemon service" => it.is_daemon = true,
            _ => it.deployment_failed = true,
        });
        let step = account.step(B, "ecs.enable");

        let err = world.inspect(&*step).await.unwrap_err();

        assert!(matches!(err, Error::Toolkit(WrongState { .. })));
        assert!(err.to_string().contains(word), "{err}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_service_is_an_error_unless_it_is_optional() {
    let (world, account) = (World::new(A), account());
    account.remove(B);
    let strict = account.step(B, "ecs.enable");
    let lenient = step_of(&account.ecs(|it| it.optional = true), B, "ecs.enable");

    assert!(world.inspect(&*strict).await.unwrap_err().is_absent());
    assert_eq!(world.inspect(&*lenient).await.unwrap(), Inspection::Done);
    assert!(world.apply(&*lenient).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn enabling_that_failed_half_way_goes_on() {
    let (world, account) = (World::new(A), account());
    let step = account.step(B, "ecs.enable");
    account.fail_next("resume");

    world.apply(&*step).await.unwrap_err();
    let seen = world.inspect(&*step).await.unwrap();
    world.apply(&*step).await.unwrap();

    assert_eq!(seen, needed("4 tasks, scaling suspended", "4 tasks, scaling on"));
    assert_eq!(account.changes(), ["enable b 4", "resume b in=false out=false clock=false"]);
}

#[test]
fn a_move_to_a_stack_enables_there_and_disables_on_the_old_one() {
    let steps = account().ecs(|_| {}).steps(B);

    let ids: Vec<String> = steps.iter().map(|it| it.id().to_string()).collect();

    assert_eq!(ids, ["ecs.enable worker on b", "ecs.disable worker on a"]);
}

#[tokio::test(start_paused = true)]
async fn production_never_gets_fewer_tasks_nor_a_standbys_flags() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| {
        (it.desired, it.running) = (9, 9);
        it.scaling = None;
    });
    let step = account.step(A, "ecs.enable");

    world.inspect(&*step).await.unwrap();
    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);

    let scaling = ServiceScaling { minimum: 1, maximum: 9, suspended: Suspended::default() };
    account.change(A, |it| it.scaling = Some(scaling));
    world.inspect(&*step).await.unwrap();
    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
    assert!(account.changes().is_empty(), "{:?}", account.changes());
}
