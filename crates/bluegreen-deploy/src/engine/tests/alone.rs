//! One step by itself.

use super::*;

#[tokio::test]
async fn a_destructive_step_on_the_active_stack_is_refused_and_nothing_is_written() {
    let log = log();
    let steps = vec![Probe::new("sqs.purge", "ingest", A, &log).destroys()];
    let folder = tempfile::tempdir().unwrap();
    let (engine, store) = (engine(SERVED, None, steps), adopted(folder.path(), A).await);
    let before = std::fs::read(store.place()).unwrap();

    let err = engine.step(&store, "sqs.purge", A, None).await.unwrap_err();

    assert!(matches!(&err, Error::Refused { .. }));
    assert!(err.to_string().contains("which is the active stack"), "{err}");
    assert_eq!(logged(&log).len(), 0);
    assert_eq!(std::fs::read(store.place()).unwrap(), before);
}

#[tokio::test(start_paused = true)]
async fn a_step_by_itself_runs_on_the_standby_and_is_no_release() {
    let log = log();
    let steps = vec![
        Probe::new("sqs.purge", "ingest", B, &log).destroys(),
        Probe::new("sqs.purge", "mail", B, &log).destroys(),
    ];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    let report = engine.step(&store, "sqs.purge", B, Some("mail")).await.unwrap();

    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!((logged(&log), store.release()), (vec!["sqs.purge mail on b".to_owned()], None));
}

#[tokio::test(start_paused = true)]
async fn every_look_and_every_change_of_a_step_knows_which_step_it_is() {
    let log = log();
    let steps = vec![Probe::new("ecs.enable", "worker", B, &log).tells()];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    let plan = engine.plan(B).unwrap();
    let seen = engine.look(&store, &plan, &Phase::ALL).await.unwrap();
    engine.step(&store, "ecs.enable", B, None).await.unwrap();

    assert_eq!(seen.outcome, Outcome::Planned);
    let told = logged(&log);
    assert!(told.len() >= 4 && told.iter().all(|it| it == "ecs.enable worker on b"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_destructive_step_by_itself_needs_an_idle_standby() {
    let log = log();
    let steps = vec![Probe::new("sqs.purge", "ingest", B, &log).destroys()];
    let (engine, store) = (engine(SERVED, Some(B), steps), store(A));

    let err = engine.step(&store, "sqs.purge", B, None).await.unwrap_err();

    assert!(err.to_string().contains("ecs.disable"), "{err}");
    assert_eq!(logged(&log).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_step_by_itself_is_refused_while_a_release_is_open() {
    let log = log();
    let (engine, store) =
        (engine(SERVED, None, vec![Probe::new("sqs.purge", "ingest", B, &log)]), store(A));
    open(&store, B).await;

    let err = engine.step(&store, "sqs.purge", B, None).await.unwrap_err();

    assert!(matches!(err, Error::Refused { .. }));
}

#[tokio::test(start_paused = true)]
async fn production_is_moved_only_as_a_part_of_a_release() {
    let (engine, store) = (engine(SERVED, None, Vec::new()), store(A));

    let err = engine.step(&store, "active.switch", B, None).await.unwrap_err();

    assert!(matches!(err, Error::Refused { .. }));
    assert_eq!(store.pointer().active, A);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_the_file_does_not_have_is_named() {
    let (engine, store) = (engine(SERVED, None, Vec::new()), store(A));

    let err = engine.step(&store, "sqs.purge", B, Some("ingest")).await.unwrap_err();

    assert!(err.is_absent());
    assert!(err.to_string().contains("`sqs.purge` of `ingest`"), "{err}");
}

#[tokio::test]
async fn nothing_destructive_happens_while_traffic_is_elsewhere_than_the_pointer() {
    for seen in ["b", "mixed"] {
        let log = log();
        let steps = vec![Probe::new("sqs.purge", "ingest", B, &log).destroys()];
        let mover = format!(
            "[traffic.web]\nmover = \"command\"\nmove = [\"true\"]\nobserve = [\"echo\", \"{seen}\"]"
        );
        let (engine, store) = (engine(&mover, None, steps), store(A));

        let err = engine.step(&store, "sqs.purge", B, None).await.unwrap_err();

        assert!(matches!(&err, Error::Refused { .. }), "{err}");
        assert_eq!(logged(&log).len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_by_itself_is_refused_where_both_stacks_share_what_it_would_turn_off() {
    let log = log();
    let disable = Probe {
        effect: Effect::Disables(B),
        ..Probe::new("lambda.disable-rules", "ingest", B, &log)
    };
    let engine = engine_of(SERVED, Pool { shared: true, ..pool(vec![disable]) });

    let err = engine.step(&store(A), "lambda.disable-rules", B, None).await.unwrap_err();

    assert!(err.to_string().contains("rule `default/nightly`"), "{err}");
    assert_eq!(logged(&log).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_step_says_that_it_waits_for_while_it_acts_is_heard() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let steps = vec![Probe::new("ecs.enable", "worker", B, &log()).tells()];
    let engine = engine(SERVED, None, steps).with_watcher(Arc::new(move |event| {
        if let Event::StepWaits { step, waiting_for, .. } = event {
            hears.lock().unwrap().push(format!("{step}: {waiting_for}"));
        }
    }));

    engine.step(&store(A), "ecs.enable", B, None).await.unwrap();

    assert_eq!(heard.lock().unwrap()[0], "ecs.enable worker on b: the program (40 %)");
}
