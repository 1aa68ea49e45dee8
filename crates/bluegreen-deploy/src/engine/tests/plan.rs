//! Going on with a release whose plan has changed.

use super::*;

fn with_setting(setting: &str, steps: Vec<Probe>) -> Engine {
    let settings = [("desired-tasks".to_owned(), setting.to_owned())].into();
    let declaration = Declaration { settings, ..declaration("ecs", "worker") };
    engine_of(SERVED, Pool { declaration, ..pool(steps) })
}

#[tokio::test(start_paused = true)]
async fn a_changed_plan_is_refused_with_what_differs_and_nothing_is_done() {
    let log = log();
    let store = store(A);
    let before = with_setting("4", vec![Probe::new("aurora.start", "orders", B, &log)]);
    before.deploy(&store, &before.plan(B).unwrap(), Phase::Prepare).await.unwrap();

    let added = vec![Probe::new("ecs.enable", "worker", B, &log)];
    let after = with_setting("5", added);
    let err = after.deploy(&store, &after.plan(B).unwrap(), Phase::Retire).await.unwrap_err();

    let Error::Refused { reasons } = err else { panic!("{err}") };
    assert!(reasons[0].contains("--replan"), "{reasons:?}");
    assert_eq!(
        reasons[1..],
        [
            "[ecs.worker] desired-tasks: 4 -> 5",
            "no longer a step: aurora.start/orders/b",
            "a new step: ecs.enable/worker/b",
        ]
    );
    assert_eq!(logged(&log).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn told_to_it_goes_on_under_the_new_plan_and_takes_new_and_changed_steps() {
    let log = log();
    let store = store(A);
    let steps = || {
        vec![
            Probe::new("aurora.start", "orders", B, &log),
            Probe::new("ecs.enable", "worker", B, &log),
        ]
    };
    let before = with_setting("4", steps());
    before.deploy(&store, &before.plan(B).unwrap(), Phase::Prepare).await.unwrap();

    let mut more = steps();
    more.push(Probe::new("kinesis.register", "clicks", B, &log));
    let after = with_setting("5", more).with_replan(true);
    let plan = after.plan(B).unwrap();
    let report = after.deploy(&store, &plan, Phase::Test).await.unwrap();
    let again = with_setting("5", Vec::new());
    let removed = again.deploy(&store, &again.plan(B).unwrap(), Phase::Test).await;

    assert_eq!(report.outcome, Outcome::Done);
    let mut acted = logged(&log);
    acted.sort();
    assert_eq!(
        acted,
        [
            "aurora.start orders on b",
            "ecs.enable worker on b",
            "ecs.enable worker on b",
            "kinesis.register clicks on b",
        ]
    );
    assert!(removed.is_err(), "the new plan counts from now on");
}

fn holding(hold: &str) -> Engine {
    let text = format!("{FILE}{SERVED}\n[release]\nhold = \"{hold}\"\nwatch = \"0s\"\n");
    let file = StackFile::parse(&text, Path::new("bluegreen.toml"), &|_| None).unwrap();
    let clock = Clock::following_tokio(START);
    Engine::new(&file, Path::new("."), Resources::default(), clock).with_replan(true)
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_has_begun_is_not_shortened_by_another_plan_until_somebody_overrides_it() {
    let store = store(A);
    let (short, long) = (holding("1m"), holding("2h"));
    let to_b = |it: &Engine| it.plan(B).unwrap();
    let before = holding("1h");
    before.deploy(&store, &to_b(&before), Phase::Test).await.unwrap();
    let not_begun = short.deploy(&store, &to_b(&short), Phase::Test).await.unwrap();
    before.deploy(&store, &to_b(&before), Phase::Promote).await.unwrap();

    let refused = short.deploy(&store, &to_b(&short), Phase::Retire).await.unwrap_err();
    let longer = long.deploy(&store, &to_b(&long), Phase::Promote).await.unwrap();
    short.override_guardrail(&store, "release.hold", "all is well").await.unwrap();
    let done = short.deploy(&store, &to_b(&short), Phase::Retire).await.unwrap();

    assert!(refused.to_string().contains("`bluegreen override release.hold"), "{refused}");
    for report in [not_begun, longer, done] {
        assert_eq!(report.outcome, Outcome::Done);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_is_no_part_of_the_plan() {
    let log = log();
    let store = store(A);
    let seen = |from: &str| {
        let to = "4".to_owned();
        let looks = [Ok(Inspection::Needed { from: from.to_owned(), to }), Err(missing())];
        with_setting("4", vec![Probe::new("ecs.enable", "worker", B, &log).looking(looks)])
    };
    let before = seen("0 tasks");
    before.deploy(&store, &before.plan(B).unwrap(), Phase::Prepare).await.unwrap();

    let after = seen("2 tasks");
    let report = after.deploy(&store, &after.plan(B).unwrap(), Phase::Prepare).await.unwrap();

    assert_ne!(report.outcome, Outcome::Refused);
}

/// Steps of a release that can be taken back.
fn undoable(log: &Log) -> Vec<Probe> {
    vec![Probe::new("ecs.enable", "worker", B, log).undone_by("ecs.disable")]
}

#[tokio::test(start_paused = true)]
async fn a_release_is_not_taken_back_under_another_plan_and_nothing_is_done() {
    let (log, store) = (log(), store(A));
    let before = with_setting("4", undoable(&log));
    before.deploy(&store, &before.plan(B).unwrap(), Phase::Prepare).await.unwrap();
    let after = |replan| with_setting("5", undoable(&log)).with_replan(replan);

    let rollback = async |engine: Engine| {
        engine.rollback(&store, &engine.plan(B).unwrap(), false).await.unwrap_err()
    };
    let refused = rollback(after(false)).await;
    let told_to = rollback(after(true)).await;
    let going_back = store.release().unwrap().going_back;
    let report = before.rollback(&store, &before.plan(B).unwrap(), false).await.unwrap();

    let Error::Refused { reasons } = refused else { panic!("{refused}") };
    assert!(reasons[0].contains("put the stack file back"), "{reasons:?}");
    assert_eq!(reasons[1..], ["[ecs.worker] desired-tasks: 4 -> 5"]);
    let Error::Refused { reasons } = told_to else { panic!("{told_to}") };
    assert!(reasons[0].contains("put these tables back"), "{reasons:?}");
    assert_eq!(reasons[1], "[ecs.worker] desired-tasks: 4 -> 5");
    assert!(reasons[2].ends_with("only as it was then: ecs.enable/worker/b"), "{reasons:?}");
    assert_eq!((going_back, report.outcome), (None, Outcome::TakenBack));
    assert_eq!(logged(&log), ["ecs.enable worker on b", "ecs.disable worker on b"]);
}

#[tokio::test(start_paused = true)]
async fn told_to_a_release_is_taken_back_when_only_something_else_has_changed() {
    let (log, store) = (log(), store(A));
    let unchanged = || {
        let done = std::iter::repeat_with(|| Ok(Inspection::Done)).take(9);
        let mut steps = vec![Probe::new("ecs.enable", "worker", B, &log).looking(done)];
        steps.push(Probe::new("aurora.start", "orders", B, &log).undone_by("aurora.stop"));
        steps
    };
    let before = with_setting("4", unchanged());
    before.deploy(&store, &before.plan(B).unwrap(), Phase::Prepare).await.unwrap();

    let after = with_setting("5", unchanged()).with_replan(true);
    let report = after.rollback(&store, &after.plan(B).unwrap(), false).await.unwrap();

    assert_eq!(report.outcome, Outcome::TakenBack);
    assert_eq!(logged(&log), ["aurora.start orders on b", "aurora.stop orders on b"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_over_goes_back_only_under_the_table_that_it_was_handed_over_with() {
    let (log, store) = (log(), store(A));
    let steps = || vec![Probe::new("exclusive.hand-over", "worker", B, &log)];
    let before = with_setting("4", steps());
    before.deploy(&store, &before.plan(B).unwrap(), Phase::Promote).await.unwrap();

    let after = with_setting("5", steps()).with_replan(true);
    let err = after.rollback(&store, &after.plan(B).unwrap(), false).await.unwrap_err();

    assert!(err.to_string().contains("exclusive.hand-over/worker/b"), "{err}");
    assert_eq!(store.pointer().active, B);
}

/// A release that was prepared and tested, with what its steps have noted, and one more step of another table.
async fn tested(store: &Store, log: &Log, until: Phase) -> Vec<&'static str> {
    let before = with_setting("4", prepared_and_tested(log));
    let report = before.deploy(store, &before.plan(B).unwrap(), until).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    let notes = vec![
        "ran/ecs.enable/worker/b",
        "task/ecs.enable/worker/b",
        "progress/ecs.enable/worker/b",
        "ran/test.lambda/journey/b",
        "verdict/fit",
        "bake/fit",
    ];
    for note in &notes {
        store.set_note(note, true.into()).await.unwrap();
    }
    store.set_note("ran/aurora.start/orders/b", true.into()).await.unwrap();
    log.lock().unwrap().clear();
    notes
}

fn prepared_and_tested(log: &Log) -> Vec<Probe> {
    vec![
        Probe::new("aurora.start", "orders", B, log),
        Probe::new("ecs.enable", "worker", B, log),
        Probe::new("test.lambda", "journey", B, log),
        Probe::new("test.approve", "fit", B, log),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_changed_and_all_gates_after_it_run_again_and_what_they_have_noted_is_gone() {
    let (log, store) = (log(), store(A));
    let notes = tested(&store, &log, Phase::Test).await;

    let after = with_setting("5", prepared_and_tested(&log)).with_replan(true);
    let report = after.deploy(&store, &after.plan(B).unwrap(), Phase::Test).await.unwrap();

    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(
        logged(&log),
        ["ecs.enable worker on b", "test.lambda journey on b", "test.approve fit on b"]
    );
    let left: Vec<_> = notes.into_iter().filter(|it| store.note(it).is_some()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(store.note("ran/aurora.start/orders/b").is_some(), "it has not changed");
}

#[tokio::test(start_paused = true)]
async fn a_verdict_on_what_is_to_be_prepared_anew_does_not_wait_for_its_gate() {
    let (log, store) = (log(), store(A));
    let before = with_setting("4", prepared_and_tested(&log));
    before.deploy(&store, &before.plan(B).unwrap(), Phase::Prepare).await.unwrap();
    store.set_note("verdict/fit", true.into()).await.unwrap();

    let after = with_setting("5", prepared_and_tested(&log)).with_replan(true);
    after.deploy(&store, &after.plan(B).unwrap(), Phase::Prepare).await.unwrap();

    assert!(store.note("verdict/fit").is_none());
}

#[tokio::test(start_paused = true)]
async fn production_does_not_move_under_a_new_plan_before_what_it_changed_is_prepared_and_tested() {
    let (log, store) = (log(), store(A));
    tested(&store, &log, Phase::Test).await;

    let after = with_setting("5", prepared_and_tested(&log)).with_replan(true);
    let plan = after.plan(B).unwrap();
    let refused = after.run(&store, &plan, Phase::Promote, Phase::Promote).await.unwrap_err();

    assert!(refused.to_string().contains("`prepare` comes first"), "{refused}");
    let phases: Vec<Phase> = store.release().unwrap().phases.keys().copied().collect();
    assert!(phases.is_empty(), "{phases:?}");
    assert_eq!((store.pointer().active, logged(&log).len()), (A, 0));
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_was_skipped_stays_so_and_after_production_moved_no_note_is_lost() {
    let (log, store) = (log(), store(A));
    let notes = tested(&store, &log, Phase::Promote).await;

    let after = with_setting("5", prepared_and_tested(&log)).with_replan(true);
    after.deploy(&store, &after.plan(B).unwrap(), Phase::Promote).await.unwrap();
    let skipping = self::store(A);
    tested(&skipping, &log, Phase::Test).await;
    let fit = StepId::new("test.approve", "fit", B);
    let skipped = crate::store::Happened::new(&fit, crate::StepEvent::Skipped, START);
    skipping.happened(skipped).await.unwrap();
    let again = with_setting("5", prepared_and_tested(&log)).with_replan(true);
    again.deploy(&skipping, &again.plan(B).unwrap(), Phase::Test).await.unwrap();

    let lost: Vec<_> = notes.into_iter().filter(|it| store.note(it).is_none()).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(logged(&log), ["ecs.enable worker on b", "test.lambda journey on b"]);
}
