//! Taking releases back.

use super::*;
use crate::{StepEvent, stack_file::OnFailure};

/// A failure of a step that is not to be repeated.
fn broken() -> Error {
    let resource = "service `worker`".to_owned();
    let (state, expected) = ("`INACTIVE`".to_owned(), "an active one".to_owned());
    bluegreen_core::Error::WrongState { resource, state, expected }.into()
}

/// Steps of a whole release, each of which can be taken back.
fn steps(log: &Log) -> Vec<Probe> {
    vec![
        Probe::new("aurora.start", "orders", B, log).undone_by("aurora.stop"),
        Probe::new("kinesis.register", "clicks", B, log)
            .undone_by("kinesis.deregister")
            .looking((0..4).map(|_| Ok(Inspection::Done))),
        Probe::new("aurora.scale-out", "orders", B, log).undone_by("aurora.scale-in"),
        Probe::new("ecs.enable", "worker", B, log).undone_by("ecs.disable"),
        Probe::new("cloudwatch.enable-alarms", "pages", B, log)
            .undone_by("cloudwatch.disable-alarms"),
        Probe::new("exclusive.hand-over", "ingest", B, log).undone_by("exclusive.hand-over"),
        Probe::new("aurora.scale-in", "orders", B, log),
    ]
}

/// A step that cannot be taken back once its undo has acted.
fn stuck(log: &Log) -> Probe {
    Probe::new("ecs.enable", "worker", B, log)
        .undone_by_after("ecs.disable", [Ok(needed()), Ok(needed()), Ok(needed()), Err(broken())])
}

/// An engine of a stack file with `on-failure = "undo"`.
fn undoing(steps: Vec<Probe>) -> Engine {
    Engine { on_failure: OnFailure::Undo, ..engine(SERVED, None, steps) }
}

async fn released(engine: &Engine, store: &Store, until: Phase, log: &Log) -> Plan {
    let plan = engine.plan(B).unwrap();
    let report = engine.deploy(store, &plan, until).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    log.lock().unwrap().clear();
    plan
}

fn events(store: &Release, step: &str) -> Vec<StepEvent> {
    let own = store.journal.entries().iter().filter(|it| it.step == step);
    own.map(|it| it.event).collect()
}

#[tokio::test(start_paused = true)]
async fn before_promote_what_the_release_has_changed_is_taken_back_in_reverse_and_nothing_else() {
    let log = log();
    let (engine, store) = (engine(SERVED, None, steps(&log)), store(A));
    let plan = released(&engine, &store, Phase::Prepare, &log).await;
    let id = store.release().unwrap().id.clone();

    let report = engine.rollback(&store, &plan, false).await.unwrap();

    assert_eq!((report.outcome, report.active), (Outcome::TakenBack, A));
    assert_eq!(
        logged(&log),
        ["ecs.disable worker on b", "aurora.scale-in orders on b", "aurora.stop orders on b"]
    );
    assert_eq!(store.release(), None);
    let past = store.past(&id).await.unwrap().unwrap();
    assert_eq!(past.ended.as_ref().unwrap().outcome, Outcome::TakenBack);
    use StepEvent::*;
    assert_eq!(
        events(&past, "ecs.enable/worker/b"),
        [Started, Succeeded, UndoStarted, UndoSucceeded]
    );
}

#[tokio::test(start_paused = true)]
async fn in_hold_pointer_exclusive_consumers_and_alarms_go_back_before_the_rest() {
    let log = log();
    let (engine, store) = (engine(SERVED, None, steps(&log)), store(A));
    let plan = released(&engine, &store, Phase::Promote, &log).await;
    assert_eq!(store.pointer().active, B);

    let report = engine.rollback(&store, &plan, false).await.unwrap();

    assert_eq!((report.outcome, store.pointer().active), (Outcome::TakenBack, A));
    let undone: Vec<&str> = report.steps.iter().map(|it| it.step.name.as_str()).collect();
    assert_eq!(undone[..3], ["active.switch", "exclusive.hand-over", "cloudwatch.disable-alarms"]);
    assert_eq!(
        logged(&log)[..3],
        [
            "exclusive.hand-over ingest on b",
            "cloudwatch.disable-alarms pages on b",
            "ecs.disable worker on b",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_open_is_nothing_to_take_back() {
    let (engine, store) = (engine(SERVED, None, Vec::new()), store(A));

    let err = engine.rollback(&store, &engine.plan(B).unwrap(), false).await.unwrap_err();

    assert!(err.to_string().contains("no release is open"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn once_the_old_stack_is_being_switched_off_there_is_only_a_release_in_the_other_direction() {
    let log = log();
    let failing = Probe::new("ecs.disable", "worker", A, &log).looking([
        Ok(needed()),
        Ok(needed()),
        Err(broken()),
    ]);
    let (engine, store) = (engine(SERVED, None, vec![failing]), store(A));
    let plan = engine.plan(B).unwrap();
    let report = engine.deploy(&store, &plan, Phase::Retire).await.unwrap();
    assert_eq!(report.outcome, Outcome::RetireIncomplete);

    let err = engine.rollback(&store, &plan, true).await.unwrap_err();

    assert!(err.to_string().contains("the other direction"), "{err}");
    assert_eq!(store.pointer().active, B);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_directly_since_production_moved_is_lost_only_if_somebody_accepts_that() {
    let log = log();
    let pool = Pool { writes: Some(Writes::Direct), ..pool(steps(&log)) };
    let (engine, store) = (engine_of(SERVED, pool), store(A));
    let plan = released(&engine, &store, Phase::Promote, &log).await;

    let err = engine.rollback(&store, &plan, false).await.unwrap_err();
    let accepted = engine.rollback(&store, &plan, true).await.unwrap();

    assert!(err.to_string().contains("--accept-data-loss"), "{err}");
    assert!(err.to_string().contains("ecs.worker of stack a"), "{err}");
    assert_eq!(accepted.outcome, Outcome::TakenBack);
}

#[tokio::test(start_paused = true)]
async fn a_failed_undo_is_stuck_and_goes_on_where_it_failed() {
    let log = log();
    let steps =
        vec![Probe::new("aurora.start", "orders", B, &log).undone_by("aurora.stop"), stuck(&log)];
    let (engine, store) = (engine(SERVED, None, steps), store(A));
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();
    log.lock().unwrap().clear();

    let mut outcomes = Vec::new();
    let mut stuck = Vec::new();
    while outcomes.last() != Some(&Outcome::TakenBack) {
        let report = engine.rollback(&store, &plan, false).await.unwrap();
        outcomes.push(report.outcome);
        if let Some(release) = store.release() {
            stuck.extend(release.journal.stuck().iter().map(|it| it.step.clone()));
        }
    }

    assert_eq!(outcomes, [Outcome::Stuck, Outcome::TakenBack]);
    assert_eq!(stuck, ["ecs.enable/worker/b"]);
    assert_eq!(logged(&log), ["ecs.disable worker on b", "aurora.stop orders on b"]);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_being_taken_back_does_not_go_forward_again() {
    let log = log();
    let steps = vec![stuck(&log)];
    let (engine, store) = (engine(SERVED, None, steps), store(A));
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();
    engine.rollback(&store, &plan, false).await.unwrap();

    let err = engine.deploy(&store, &plan, Phase::Retire).await.unwrap_err();

    assert!(err.to_string().contains("bluegreen rollback"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn with_on_failure_undo_a_failure_before_promote_is_taken_back_at_once() {
    let log = log();
    let steps = vec![
        Probe::new("aurora.start", "orders", B, &log).undone_by("aurora.stop"),
        Probe::new("ecs.enable", "worker", B, &log).looking([Ok(needed()), Err(broken())]),
    ];
    let (engine, store) = (undoing(steps), store(A));

    let report = deploy(&engine, &store, B).await;

    assert_eq!((report.outcome, store.release()), (Outcome::TakenBack, None));
    assert_eq!(logged(&log), ["aurora.start orders on b", "aurora.stop orders on b"]);
    let failed = report.steps.iter().find(|it| it.state == StepState::Failed).unwrap();
    assert_eq!(failed.step.name, "ecs.enable", "why is told too");
}

#[tokio::test(start_paused = true)]
async fn with_on_failure_undo_a_failure_after_production_moved_pauses_all_the_same() {
    let log = log();
    let steps = vec![
        Probe::new("aurora.start", "orders", B, &log).undone_by("aurora.stop"),
        Probe::new("exclusive.hand-over", "ingest", B, &log).looking([Ok(needed()), Err(broken())]),
    ];
    let (engine, store) = (undoing(steps), store(A));

    let report = deploy(&engine, &store, B).await;

    assert_eq!((report.outcome, report.active), (Outcome::Paused, B));
    assert_eq!(logged(&log), ["aurora.start orders on b"]);
}

#[tokio::test(start_paused = true)]
async fn with_on_failure_undo_a_failure_in_promote_pauses_before_anything_of_it_has_acted_too() {
    let log = log();
    let steps = vec![
        Probe::new("aurora.start", "orders", B, &log).undone_by("aurora.stop"),
        Probe::new("traffic.move", "web", B, &log).looking([Ok(needed()), Err(broken())]),
    ];
    let (engine, store) = (undoing(steps), store(A));

    let report = deploy(&engine, &store, B).await;

    assert_eq!((report.outcome, report.active), (Outcome::Paused, A));
    assert_eq!(logged(&log), ["aurora.start orders on b"]);
    assert_eq!(store.release().unwrap().going_back, None);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_cannot_be_taken_back_can_be_skipped() {
    let log = log();
    let steps =
        vec![Probe::new("aurora.start", "orders", B, &log).undone_by("aurora.stop"), stuck(&log)];
    let (engine, store) = (engine(SERVED, None, steps), store(A));
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();
    engine.rollback(&store, &plan, false).await.unwrap();
    log.lock().unwrap().clear();

    let unknown = engine.skip(&store, &plan, "ecs.start", "why").await.unwrap_err();
    engine.skip(&store, &plan, "ecs.enable", "it is gone").await.unwrap();
    let report = engine.rollback(&store, &plan, false).await.unwrap();

    assert!(unknown.to_string().contains("aurora.start/orders/b"), "{unknown}");
    assert_eq!(report.outcome, Outcome::TakenBack);
    assert_eq!(logged(&log), ["aurora.stop orders on b"]);
}

#[tokio::test(start_paused = true)]
async fn traffic_that_somebody_has_moved_back_by_hand_stays_where_it_is_when_that_is_skipped() {
    let log = log();
    let broken = std::iter::repeat_with(|| Err(broken())).take(9);
    let steps =
        vec![Probe::new("traffic.move", "web", B, &log).undone_by_after("traffic.move", broken)];
    let (engine, store) = (engine(SERVED, None, steps), store(A));
    let plan = released(&engine, &store, Phase::Promote, &log).await;
    let stuck = engine.rollback(&store, &plan, false).await.unwrap();

    let refused = engine.skip(&store, &plan, "active.switch", "why").await.unwrap_err();
    engine.skip(&store, &plan, "traffic.move", "moved by hand").await.unwrap();
    let report = engine.rollback(&store, &plan, false).await.unwrap();

    assert!(refused.to_string().contains("never skipped"), "{refused}");
    assert_eq!((stuck.outcome, report.outcome), (Outcome::Stuck, Outcome::TakenBack));
    assert_eq!((logged(&log).len(), store.pointer().active), (0, A));
}

#[tokio::test(start_paused = true)]
async fn traffic_that_somebody_else_had_moved_and_that_cannot_be_moved_back_can_be_skipped_too() {
    let log = log();
    let broken = std::iter::repeat_with(|| Err(broken())).take(9);
    let moved = std::iter::repeat_with(|| Ok(Inspection::Done)).take(9);
    let traffic = Probe::new("traffic.move", "web", B, &log)
        .undone_by_after("traffic.move", broken)
        .looking(moved);
    let (engine, store) = (engine(SERVED, None, vec![traffic]), store(A));
    let plan = released(&engine, &store, Phase::Promote, &log).await;
    let stuck = engine.rollback(&store, &plan, false).await.unwrap();

    let refused = engine.skip(&store, &plan, "active.switch", "why").await.unwrap_err();
    engine.skip(&store, &plan, "traffic.move/web", "moved by hand").await.unwrap();
    let report = engine.rollback(&store, &plan, false).await.unwrap();

    assert!(refused.to_string().contains("never skipped"), "{refused}");
    assert_eq!((stuck.outcome, report.outcome), (Outcome::Stuck, Outcome::TakenBack));
    assert_eq!((logged(&log).len(), store.pointer().active), (0, A));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_can_be_skipped_but_not_one_that_moves_production() {
    let log = log();
    let steps =
        vec![Probe::new("ecs.enable", "worker", B, &log).looking([Ok(needed()), Err(broken())])];
    let (engine, store) = (engine(SERVED, None, steps), store(A));
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();

    let refused = engine.skip(&store, &plan, "active.switch", "why").await.unwrap_err();
    engine.skip(&store, &plan, "ecs.enable/worker", "nobody needs it").await.unwrap();
    let report = engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();

    assert!(refused.to_string().contains("never skipped"), "{refused}");
    assert_eq!((report.outcome, logged(&log).len()), (Outcome::Done, 0));
}

#[tokio::test(start_paused = true)]
async fn only_an_override_shortens_the_hold() {
    let (engine, store) = (engine(SERVED, None, Vec::new()), store(A));
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Promote).await.unwrap();
    let began = Instant::now();

    let skipped = engine.skip(&store, &plan, "release.hold", "why").await.unwrap_err();
    let unknown = engine.override_guardrail(&store, "hold", "why").await.unwrap_err();
    let never = engine.override_guardrail(&store, "pointer.agrees", "why").await.unwrap_err();
    engine.override_guardrail(&store, "release.hold", "all is well").await.unwrap();
    let report = engine.deploy(&store, &plan, Phase::Retire).await.unwrap();

    assert!(skipped.to_string().contains("`bluegreen override release.hold"), "{skipped}");
    assert!(unknown.to_string().contains(", release.hold"), "{unknown}");
    assert!(never.to_string().contains("`pointer.agrees` is never let through"), "{never}");
    assert_eq!((report.outcome, began.elapsed()), (Outcome::Done, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn what_was_done_a_moment_ago_and_is_not_seen_yet_is_taken_back_all_the_same() {
    let log = log();
    // AWS has taken the start, and still answers `stopped`.
    let stale = std::iter::repeat_with(|| Ok(Inspection::Done)).take(9);
    let steps =
        vec![Probe::new("aurora.start", "orders", B, &log).undone_by_after("aurora.stop", stale)];
    let (engine, store) = (engine(SERVED, None, steps), store(A));
    let plan = released(&engine, &store, Phase::Prepare, &log).await;

    let report = engine.rollback(&store, &plan, false).await.unwrap();

    assert_eq!(report.outcome, Outcome::TakenBack);
    assert_eq!(logged(&log), ["aurora.stop orders on b"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_done_long_ago_and_is_not_so_any_more_needs_no_taking_back() {
    let log = log();
    let by_hand = std::iter::repeat_with(|| Ok(Inspection::Done)).take(9);
    let steps =
        vec![Probe::new("aurora.start", "orders", B, &log).undone_by_after("aurora.stop", by_hand)];
    let (engine, store) = (engine(SERVED, None, steps), store(A));
    let plan = released(&engine, &store, Phase::Prepare, &log).await;
    tokio::time::advance(Duration::from_secs(60)).await;

    let report = engine.rollback(&store, &plan, false).await.unwrap();

    assert_eq!((report.outcome, logged(&log).len()), (Outcome::TakenBack, 0));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_nobody_has_seen_end_is_named_and_one_that_has_ended_is_not() {
    let log = log();
    let (engine, store) = (engine(SERVED, None, steps(&log)), store(A));
    let plan = released(&engine, &store, Phase::Prepare, &log).await;
    let ended = [("schema.reset", "t1", true), ("schema.hydrate", "t2", false)];
    for (step, arn, ended) in ended {
        let note = json!({ "number": 1, "arn": arn, "ended": ended });
        store.set_note(&format!("task/{step}/orders/b"), note).await.unwrap();
    }
    store.set_note("task/ecs.enable/worker/b", json!({ "number": 1, "arn": "t3" })).await.unwrap();

    let report = engine.rollback(&store, &plan, false).await.unwrap();

    assert_eq!(report.outcome, Outcome::TakenBack);
    let [warning] = report.warnings.try_into().unwrap();
    assert!(warning.contains("`t2` of schema.hydrate/orders/b was not seen to end"), "{warning}");
}
