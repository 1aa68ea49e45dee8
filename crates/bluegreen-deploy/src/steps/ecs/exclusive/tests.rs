//! Tests of the hand-over.

use bluegreen_core::{
    Error::WrongState,
    StackReference::{A, B},
};

use super::{super::testing::*, *};
use crate::{
    Error, SourceQueue,
    stack_file::{DesiredTasks, Feed},
    steps::testing::{Queue, World, allowed},
};

const MINUTE: Duration = Duration::from_secs(60);

const PARTLY: Suspended = Suspended { dynamic_in: true, dynamic_out: false, scheduled: false };

const ON: &str = "in=false out=false clock=false";

/// Returns the hand-over to `to` of services that are to run `desired` tasks, fed by `queue`.
fn hand_over(
    account: &Account,
    to: StackReference,
    desired: DesiredTasks,
    queue: Option<&Arc<Queue>>,
) -> Arc<dyn Step> {
    let queue = queue.map(|it| -> Arc<dyn SourceQueue> { Arc::<Queue>::clone(it) });
    let ecs = account.ecs_with(queue, |it| {
        it.settings.mode = ConsumerKind::Exclusive;
        it.settings.desired_tasks = desired;
    });
    step_of(&ecs, to, "exclusive.hand-over")
}

/// Lets the tasks of a stack come up, or stop.
fn settle(account: &Account, stack: StackReference) {
    account.change(stack, |it| {
        it.running = it.desired;
        it.steady = true;
    });
}

/// Looks and applies, a minute apart, until it is done; tasks start and stop between two looks.
async fn run(world: &World, account: &Account, step: &dyn Step) {
    for _ in 0..10 {
        match world.inspect(step).await.unwrap() {
            Inspection::Done => return,
            Inspection::Needed { .. } => world.apply(step).await.unwrap(),
            _ => [A, B].into_iter().for_each(|it| settle(account, it)),
        }
        tokio::time::advance(MINUTE).await;
    }
    panic!("it is never done");
}

#[tokio::test(start_paused = true)]
async fn the_old_one_goes_on_until_drained_then_off_then_idle_then_the_new_one_on() {
    let (world, account) = (World::new(A), account());
    let queue = Queue::new("mail", Feed::Work, 7, 3);
    let step = hand_over(&account, B, DesiredTasks::Count(4), Some(&queue));

    assert_eq!(world.inspect(&*step).await.unwrap(), underway("`mail-a`: 7 messages left"));
    world.apply(&*step).await.unwrap();
    queue.set(0, 0);
    assert_eq!(world.inspect(&*step).await.unwrap(), underway("`mail-a`: empty for 0s of 1m"));
    world.apply(&*step).await.unwrap();
    assert!(account.changes().is_empty(), "nothing is switched before the queue is drained");
    tokio::time::advance(MINUTE).await;
    assert_eq!(world.inspect(&*step).await.unwrap(), needed("3 tasks on a", "4 tasks on b"));
    world.apply(&*step).await.unwrap();
    assert_eq!(account.changes(), ["suspend a", "disable a"]);

    let stopping = underway("3 tasks still to stop of service `worker-a`");
    assert_eq!(world.inspect(&*step).await.unwrap(), stopping);
    world.apply(&*step).await.unwrap();
    account.change(A, |it| (it.running, it.pending) = (0, 1));
    let pending = underway("1 task still to stop of service `worker-a`");
    assert_eq!(world.inspect(&*step).await.unwrap(), pending);
    world.apply(&*step).await.unwrap();
    assert_eq!(account.changes().len(), 2, "nothing is on while a task may still run");

    account.change(A, |it| it.pending = 0);
    let off = needed("0 tasks, scaling suspended", "4 tasks, scaling on");
    assert_eq!(world.inspect(&*step).await.unwrap(), off);
    world.apply(&*step).await.unwrap();
    assert_eq!(account.changes()[2..], ["enable b 4".to_owned(), format!("resume b {ON}")]);
    let starting = underway("service `worker-b`: 0 of 4 tasks run");
    assert_eq!(world.inspect(&*step).await.unwrap(), starting);
    settle(&account, B);
    world.inspect(&*step).await.unwrap();
    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);

    // Again, as after a crash before its success was written.
    world.apply(&*step).await.unwrap();
    step.begin();
    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
    assert_eq!(account.changes().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_nothing_has_to_drain() {
    let (world, account) = (World::new(A), account());

    run(&world, &account, &*hand_over(&account, B, DesiredTasks::Count(2), None)).await;

    let changes = ["suspend a", "disable a", "enable b 2", &format!("resume b {ON}")];
    assert_eq!(account.changes(), changes);
}

#[tokio::test(start_paused = true)]
async fn a_late_message_does_not_stop_a_hand_over_that_has_begun_in_whichever_process() {
    let (world, account) = (World::new(A), account());
    let queue = Queue::new("mail", Feed::Work, 0, 0);
    let step = || hand_over(&account, B, DesiredTasks::Count(4), Some(&queue));
    let first = step();
    world.inspect(&*first).await.unwrap();
    tokio::time::advance(MINUTE).await;
    account.fail_next("disable");
    world.apply(&*first).await.unwrap_err();
    assert_eq!(account.changes(), ["suspend a"]);

    queue.set(1, 0);
    let later = step();

    assert_eq!(world.inspect(&*later).await.unwrap(), needed("3 tasks on a", "4 tasks on b"));
    world.apply(&*later).await.unwrap();
    assert_eq!(account.changes(), ["suspend a", "disable a"]);
}

#[tokio::test(start_paused = true)]
async fn to_match_is_to_run_as_many_as_the_old_one_did_before_it_was_switched_off() {
    let (world, account) = (World::new(A), account());
    let step = || hand_over(&account, B, DesiredTasks::Match, None);

    let seen = world.inspect(&*step()).await.unwrap();
    world.apply(&*step()).await.unwrap();
    settle(&account, A);
    // Another process goes on, which has never seen the old one on.
    world.store.switch(B, world.context().now(), "test").await.unwrap();
    run(&world, &account, &*step()).await;

    assert_eq!(seen, needed("3 tasks on a", "3 tasks on b"));
    assert_eq!(account.changes()[2], "enable b 3");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_scaling_has_left_without_a_task_is_handed_over_as_one() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| {
        (it.desired, it.running) = (0, 0);
        it.scaling.as_mut().unwrap().minimum = 0;
    });
    account.change(B, |it| it.scaling.as_mut().unwrap().minimum = 0);

    let step = hand_over(&account, B, DesiredTasks::Match, None);
    run(&world, &account, &*step).await;

    assert_eq!(account.changes()[2..], ["enable b 1".to_owned(), format!("resume b {ON}")]);
}

#[tokio::test(start_paused = true)]
async fn what_was_suspended_stays_so_on_the_way_there_and_back() {
    let (there, account) = (World::new(A), account());
    account.change(A, |it| it.scaling.as_mut().unwrap().suspended = PARTLY);
    let step = |to| hand_over(&account, to, DesiredTasks::Match, None);
    let (key, model) = step(B).model(&there.context()).await.unwrap().unwrap();
    there.store.remember_model(&key, model).await.unwrap();
    there.store.switch(B, there.context().now(), "test").await.unwrap();

    run(&there, &account, &*step(B)).await;
    let back = World::new(B);
    let remembered = there.store.remembered("ecs.worker/a").unwrap();
    back.store.remember("ecs.worker/a", remembered).await.unwrap();
    account.change(B, |it| it.scaling.as_mut().unwrap().suspended = Suspended::default());
    run(&back, &account, &*step(A)).await;

    let resumed = "in=true out=false clock=false";
    let changes = account.changes();
    assert_eq!(key, "ecs.worker/b");
    assert_eq!(changes[2..4], ["enable b 3".to_owned(), format!("resume b {resumed}")]);
    assert_eq!(changes[4..6], ["suspend b", "disable b"]);
    assert_eq!(changes[6..], ["enable a 3".to_owned(), format!("resume a {resumed}")]);
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_of_the_old_one_survives_a_hand_over_that_failed_half_way() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| it.scaling.as_mut().unwrap().suspended = PARTLY);
    let step = hand_over(&account, B, DesiredTasks::Count(4), None);
    account.fail_next("disable");

    world.apply(&*step).await.unwrap_err();
    world.apply(&*step).await.unwrap();

    let remembered: Option<Before> = world.context().remembered("ecs.worker/a").unwrap();
    assert_eq!(remembered, Some(Before { tasks: Some(3), suspended: PARTLY }));
    assert_eq!(step.memory().as_deref(), Some("ecs.worker/a"));
}

#[tokio::test(start_paused = true)]
async fn a_count_that_was_raised_by_hand_does_not_make_what_was_suspended_a_persons_doing() {
    let (world, account) = (World::new(A), account());
    world.store.remember_model("ecs.worker/a", serde_json::json!(PARTLY)).await.unwrap();
    account.change(A, |it| it.scaling.as_mut().unwrap().suspended = Suspended::ALL);
    let step = hand_over(&account, B, DesiredTasks::Count(4), None);

    world.apply(&*step).await.unwrap();

    let remembered: Option<Suspended> = world.context().remembered("ecs.worker/a").unwrap();
    assert_eq!(remembered, Some(PARTLY));
}

#[tokio::test(start_paused = true)]
async fn what_keeps_the_new_one_from_running_is_found_before_the_old_one_is_off() {
    for word in ["failed deployment", "a daemon service"] {
        let (world, account) = (World::new(A), account());
        account.change(B, |it| match word {
            "a daemon service" => it.is_daemon = true,
            _ => it.deployment_failed = true,
        });
        let step = hand_over(&account, B, DesiredTasks::Count(4), None);

        let err = world.inspect(&*step).await.unwrap_err();
        world.apply(&*step).await.unwrap_err();

        assert!(matches!(err, Error::Toolkit(WrongState { .. })));
        assert!(err.to_string().contains(word), "{err}");
        assert!(account.changes().is_empty(), "{:?}", account.changes());
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_daemon_cannot_be_handed_over() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| it.is_daemon = true);

    let step = hand_over(&account, B, DesiredTasks::Count(4), None);

    let err = world.inspect(&*step).await.unwrap_err();
    assert!(err.to_string().contains("service `worker-a` is a daemon service"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn retiring_finds_what_was_handed_over_off_and_remembers_nothing_of_its_own() {
    let (world, account) = (World::new(A), account());
    run(&world, &account, &*hand_over(&account, B, DesiredTasks::Count(4), None)).await;
    let ecs = account.ecs(|it| it.settings.mode = ConsumerKind::Exclusive);
    let disable = step_of(&ecs, B, "ecs.disable");

    let found = world.inspect(&*disable).await.unwrap();
    account.change(A, |it| {
        it.desired = 1;
        it.scaling.as_mut().unwrap().suspended = PARTLY;
    });
    world.apply(&*disable).await.unwrap();

    assert_eq!(found, Inspection::Done);
    assert_eq!(disable.memory(), None);
    assert_eq!(account.changes()[4..], ["suspend a", "disable a"]);
    let remembered: Option<Before> = world.context().remembered("ecs.worker/a").unwrap();
    let before = Before { tasks: Some(3), suspended: Suspended::default() };
    assert_eq!(remembered, Some(before));
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_by_itself_remembers_nothing_for_later_and_suspends_nothing() {
    let (world, account) = (World::new(B), account());
    world.store.close_release(crate::Outcome::Done, crate::steps::testing::START).await.unwrap();
    // Switched off half way, by a process that has died.
    account.change(A, |it| it.scaling.as_mut().unwrap().suspended = Suspended::ALL);
    let step = hand_over(&account, B, DesiredTasks::Match, None);

    run(&world, &account, &*step).await;

    assert_eq!(world.store.remembered("ecs.worker/a"), None);
    assert_eq!(account.changes()[1..], ["enable b 3".to_owned(), format!("resume b {ON}")]);
}

#[tokio::test(start_paused = true)]
async fn where_both_are_off_the_new_one_runs_as_many_as_it_did_before_or_is_asked_for() {
    let (world, account) = (World::new(A), account());
    account.change(A, |it| {
        (it.desired, it.running) = (0, 0);
        it.scaling.as_mut().unwrap().suspended = Suspended::ALL;
    });
    let step = hand_over(&account, B, DesiredTasks::Match, None);

    let err = world.inspect(&*step).await.unwrap_err();
    let before = Before { tasks: Some(6), suspended: Suspended::default() };
    world.context().remember("ecs.worker/b", &before).await.unwrap();
    run(&world, &account, &*step).await;
    let once_more = World::new(B);
    run(&once_more, &account, &*step).await;

    assert!(err.to_string().contains("service `worker-a` is without a desired task"), "{err}");
    assert_eq!(account.changes(), ["enable b 6".to_owned(), format!("resume b {ON}")]);
}

#[tokio::test(start_paused = true)]
async fn an_optional_service_that_is_missing_on_one_stack_is_off_there() {
    let (world, account) = (World::new(A), account());
    account.remove(B);
    let strict = hand_over(&account, B, DesiredTasks::Count(4), None);
    let ecs = account.ecs(|it| {
        it.settings.mode = ConsumerKind::Exclusive;
        it.optional = true;
    });

    assert!(world.inspect(&*strict).await.unwrap_err().is_absent());
    assert!(account.changes().is_empty());
    let lenient = step_of(&ecs, B, "exclusive.hand-over");
    let seen = world.inspect(&*lenient).await.unwrap();
    world.apply(&*lenient).await.unwrap();
    settle(&account, A);
    assert_eq!(seen, needed("3 tasks on a", "0 tasks on b"));
    assert_eq!(account.changes(), ["suspend a", "disable a"]);
    assert_eq!(world.inspect(&*lenient).await.unwrap(), Inspection::Done);
}

#[test]
fn it_disables_the_old_stack_and_says_how_long_that_may_take_and_what_it_needs() {
    let queue = Queue::new("mail", Feed::Work, 0, 0);

    let step = hand_over(&account(), B, DesiredTasks::Count(4), Some(&queue));
    let unfed = hand_over(&account(), B, DesiredTasks::Count(4), None);

    assert_eq!(step.effect(), Effect::Disables(A));
    assert_eq!(crate::steps::testing::undo(&*step).as_deref(), Some("exclusive.hand-over"));
    assert_eq!((step.lasts(), unfed.lasts()), (MINUTE, Duration::ZERO));
    let permissions = step.permissions();
    let allowed = allowed(&permissions);
    for needed in [
        ("ecs:UpdateService", "service/shop/worker-a"),
        ("ecs:UpdateService", "service/shop/worker-b"),
        ("ecs:DescribeServices", "service/shop/worker-a"),
        ("ecs:DescribeServices", "service/shop/worker-b"),
        ("sqs:GetQueueAttributes", "mail-a"),
        ("sqs:GetQueueUrl", "mail-a"),
    ] {
        assert_eq!(allowed.iter().filter(|it| **it == needed).count(), 1, "{needed:?}");
    }
    assert!(!allowed.iter().any(|it| it.1 == "mail-b"), "the new one's queue is not waited for");
}

#[tokio::test(start_paused = true)]
async fn on_the_way_back_messages_are_not_waited_for_but_tasks_are_and_what_is_left_is_told() {
    let (world, account) = (World::new(B), account());
    let queue = Queue::new("mail", Feed::Work, 1, 0);
    world.store.going_back(world.context().now()).await.unwrap();
    let step = hand_over(&account, B, DesiredTasks::Count(4), Some(&queue));

    assert_eq!(world.inspect(&*step).await.unwrap(), needed("3 tasks on a", "4 tasks on b"));
    world.apply(&*step).await.unwrap();
    let stopping = underway("3 tasks still to stop of service `worker-a`");
    assert_eq!(world.inspect(&*step).await.unwrap(), stopping);
    world.apply(&*step).await.unwrap();
    assert_eq!(account.changes(), ["suspend a", "disable a"]);
    run(&world, &account, &*step).await;

    assert!(account.changes().contains(&"enable b 4".to_owned()), "{:?}", account.changes());
    let told =
        "1 message left in `mail-a`, which nobody on stack a reads any more: send them to `mail-b`";
    assert!(world.warnings().iter().any(|it| it.starts_with(told)), "{:?}", world.warnings());
}
