//! Running the phases of a release.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_deploy_runs_every_step_in_order_and_moves_the_pointer() {
    let log = log();
    let steps = vec![
        Probe::new("aurora.stop", "orders", A, &log).destroys(),
        Probe::new("aurora.scale-out", "orders", B, &log),
        Probe::new("ecs.disable", "worker", A, &log),
        Probe::new("aurora.start", "orders", B, &log),
        Probe::new("cloudwatch.enable-alarms", "pages", B, &log),
    ];
    let (engine, store, began) = (engine(SERVED, None, steps), store(A), Instant::now());

    let report = deploy(&engine, &store, B).await;

    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(
        logged(&log),
        [
            "aurora.start orders on b",
            "aurora.scale-out orders on b",
            "cloudwatch.enable-alarms pages on b",
            "ecs.disable worker on a",
            "aurora.stop orders on a",
        ]
    );
    assert_eq!((store.pointer().active, store.release()), (B, None));
    assert!(began.elapsed() >= Duration::from_secs(3600), "the hold was held");
}

#[tokio::test(start_paused = true)]
async fn steps_that_do_not_depend_on_each_other_overlap() {
    let log = log();
    let long = |name: &str| Probe::new(name, "it", B, &log).takes(Duration::from_secs(500));
    let engine = engine(SERVED, None, vec![long("aurora.start"), long("kinesis.register")]);
    let (store, plan, began) = (store(A), engine.plan(B).unwrap(), Instant::now());

    let report = engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();

    assert_eq!(report.outcome, Outcome::Done);
    assert!(began.elapsed() < Duration::from_secs(600), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_failed_release_goes_on_where_it_stopped() {
    let log = log();
    let broken = bluegreen_core::Error::WrongState {
        resource: "cluster `orders-b`".to_owned(),
        state: "`failed`".to_owned(),
        expected: "a working one".to_owned(),
    };
    let steps = vec![
        Probe::new("aurora.start", "orders", B, &log),
        Probe::new("aurora.scale-out", "orders", B, &log)
            .looking([Ok(needed()), Err(broken.into())]),
        Probe::new("ecs.enable", "worker", B, &log),
    ];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    let first = deploy(&engine, &store, B).await;
    let second = deploy(&engine, &store, B).await;

    let state = |name: &str| first.steps.iter().find(|it| it.step.name == name).unwrap().state;
    assert_eq!((first.outcome, first.active), (Outcome::Paused, A));
    assert_eq!(
        (state("aurora.scale-out"), state("ecs.enable")),
        (StepState::Failed, StepState::Pending)
    );
    assert_eq!(second.outcome, Outcome::Done);
    assert_eq!(second.release, first.release, "it is the same release");
    assert_eq!(
        logged(&log),
        ["aurora.start orders on b", "aurora.scale-out orders on b", "ecs.enable worker on b"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_production_has_moved_says_that_the_old_stack_is_left() {
    let log = log();
    let steps = vec![
        Probe::new("sns.disable", "catalogue", A, &log).looking([Ok(needed()), Err(missing())]),
    ];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    let report = deploy(&engine, &store, B).await;

    assert_eq!((report.outcome, report.active), (Outcome::RetireIncomplete, B));
    assert!(store.release().is_some());
}

#[tokio::test(start_paused = true)]
async fn being_told_to_stop_leaves_the_release_open_to_go_on_with() {
    let log = log();
    let steps = vec![Probe::new("aurora.start", "orders", B, &log).takes(Duration::from_secs(900))];
    let cancel = CancellationToken::new();
    let engine = engine(SERVED, None, steps).with_cancel(cancel.clone());
    let store = store(A);

    let (report, ()) = tokio::join!(deploy(&engine, &store, B), async {
        #[expect(clippy::disallowed_methods, reason = "the clock is paused")]
        tokio::time::sleep(Duration::from_secs(60)).await;
        cancel.cancel();
    });
    let engine = Engine { cancel: CancellationToken::new(), ..engine };
    let second = deploy(&engine, &store, B).await;

    assert_eq!((report.outcome, report.active), (Outcome::Interrupted, A));
    assert_eq!(second.outcome, Outcome::Done);
    assert_eq!(logged(&log), ["aurora.start orders on b"]);
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_interrupt_a_release_and_do_not_fail_it() {
    let log = log();
    let expired = bluegreen_core::Error::Credentials {
        operation: "rds:StartDBCluster",
        source: "expired".into(),
    };
    let steps = vec![
        Probe::new("aurora.start", "orders", B, &log).looking([Ok(needed()), Err(expired.into())]),
    ];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    let report = deploy(&engine, &store, B).await;

    assert_eq!(report.outcome, Outcome::Interrupted);
    assert!(store.release().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_active_stack_is_there_already() {
    let log = log();
    let engine = engine(SERVED, None, vec![Probe::new("aurora.start", "orders", A, &log)]);

    let report = deploy(&engine, &store(A), A).await;

    assert_eq!((report.outcome, logged(&log).len()), (Outcome::AlreadyThere, 0));
}

#[tokio::test(start_paused = true)]
async fn an_open_release_keeps_one_to_the_other_stack_out() {
    let (engine, store) = (engine(SERVED, None, Vec::new()), store(A));
    open(&store, B).await;

    let plan = engine.plan(A).unwrap();
    let err = engine.deploy(&store, &plan, Phase::Retire).await.unwrap_err();

    assert!(matches!(&err, Error::Refused { .. }));
    assert!(err.to_string().contains("deploy --to b"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_names_no_traffic_ends_before_promote() {
    let log = log();
    let engine = engine("", None, vec![Probe::new("aurora.start", "orders", B, &log)]);
    let store = store(A);

    let report = deploy(&engine, &store, B).await;

    assert_eq!((report.outcome, report.active), (Outcome::Done, A));
    assert_eq!(logged(&log).len(), 1);
    assert!(store.release().is_some());
}

#[tokio::test(start_paused = true)]
async fn until_ends_after_that_phase_and_promote_needs_prepare() {
    let log = log();
    let engine = engine(SERVED, None, vec![Probe::new("aurora.start", "orders", B, &log)]);
    let (store, plan) = (store(A), engine.plan(B).unwrap());

    let early = engine.run(&store, &plan, Phase::Promote, Phase::Promote).await.unwrap_err();
    let prepared = engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();
    let promoted = engine.run(&store, &plan, Phase::Promote, Phase::Promote).await.unwrap();

    assert!(early.to_string().contains("`prepare` comes first"), "{early}");
    assert_eq!((prepared.outcome, prepared.active), (Outcome::Done, A));
    assert_eq!((promoted.outcome, promoted.active), (Outcome::Done, B));
}

#[tokio::test(start_paused = true)]
async fn an_act_that_was_throttled_is_repeated_after_a_look() {
    let log = log();
    let steps = vec![
        Probe::new("aurora.start", "orders", B, &log)
            .looking([Ok(needed()), Ok(needed()), Ok(needed())])
            .applying([Err(throttled())]),
    ];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    let report = deploy(&engine, &store, B).await;

    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(logged(&log).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_act_with_an_unknown_outcome_is_looked_at_and_not_repeated() {
    let log = log();
    let lost = bluegreen_core::Error::OutcomeUnknown {
        operation: "rds:StartDBCluster",
        source: "connection reset".into(),
    };
    let steps = vec![Probe::new("aurora.start", "orders", B, &log).applying([Err(lost.into())])];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    let report = deploy(&engine, &store, B).await;

    let start = report.steps.iter().find(|it| it.step.name == "aurora.start").unwrap();
    assert_eq!((start.state, logged(&log).len()), (StepState::Changed, 1));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_never_ends_fails_at_its_deadline_with_what_it_waits_for() {
    let log = log();
    let steps = vec![Probe::new("ecs.enable", "worker", B, &log).takes(Duration::from_secs(9_999))];
    let (engine, store, began) = (engine(SERVED, None, steps), store(A), Instant::now());

    let report = deploy(&engine, &store, B).await;

    let step = report.steps.iter().find(|it| it.step.name == "ecs.enable").unwrap();
    assert_eq!((report.outcome, step.state), (Outcome::Paused, StepState::Failed));
    assert!(step.error.as_ref().unwrap().contains("waits for time"), "{step:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(600));
}

#[tokio::test(start_paused = true)]
async fn a_step_may_take_as_long_as_is_said_of_it_else_of_its_subject() {
    for (deadlines, took) in
        [(&[("ecs", 90)][..], 90), (&[("ecs", 90), ("ecs.enable", 7)], 7), (&[("ecs.run", 7)], 600)]
    {
        let log = log();
        let steps =
            vec![Probe::new("ecs.enable", "worker", B, &log).takes(Duration::from_secs(9_999))];
        let (mut engine, store, began) = (engine(SERVED, None, steps), store(A), Instant::now());
        let said = deadlines.iter().map(|(key, it)| ((*key).to_owned(), Duration::from_secs(*it)));
        engine.pace.deadlines = said.collect();

        let report = deploy(&engine, &store, B).await;

        assert_eq!(report.outcome, Outcome::Paused);
        assert_eq!(began.elapsed(), Duration::from_secs(took), "{deadlines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_partners_settings_are_remembered_before_the_first_change_and_only_once() {
    let log = log();
    let steps = vec![
        Probe::new("sns.enable", "catalogue", B, &log)
            .with_model("sns.catalogue/b")
            .looking([Ok(needed()), Err(missing())]),
    ];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    deploy(&engine, &store, B).await;
    deploy(&engine, &store, B).await;

    assert_eq!(logged(&log), ["model", "sns.enable catalogue on b"]);
    assert_eq!(store.remembered("sns.catalogue/b"), Some("partner's".into()));
}

#[tokio::test]
async fn a_mover_that_does_not_move_keeps_the_pointer_where_it_is() {
    let log = log();
    let mover =
        "[traffic.web]\nmover = \"command\"\nmove = [\"true\"]\nobserve = [\"echo\", \"a\"]";
    let steps = vec![Probe::new("sns.disable", "catalogue", A, &log)];
    let cancel = CancellationToken::new();
    let seen_enough = cancel.clone();
    let engine =
        engine(mover, None, steps).with_cancel(cancel).with_watcher(Arc::new(move |event| {
            if matches!(&event, Event::StepWaits { step, .. } if step.name == "traffic.move") {
                seen_enough.cancel();
            }
        }));
    let store = store(A);

    let report = deploy(&engine, &store, B).await;

    assert_eq!((report.outcome, store.pointer().active), (Outcome::Interrupted, A));
    assert_eq!(logged(&log).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure_beside_it_does_not_end_a_step_that_has_begun_to_change_something() {
    let log = log();
    let minute = Duration::from_secs(60);
    let steps = vec![
        Probe::new("aurora.start", "orders", B, &log).takes(minute),
        Probe::new("kinesis.register", "clicks", B, &log).looking([Ok(needed()), Err(missing())]),
        Probe::new("sns.settle", "catalogue", B, &log).looking(
            std::iter::repeat_with(|| Ok(Inspection::Underway { what: "time".to_owned() })).take(9),
        ),
    ];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    let report = deploy(&engine, &store, B).await;

    let state = |name: &str| report.steps.iter().find(|it| it.step.name == name).unwrap().state;
    assert_eq!(report.outcome, Outcome::Paused);
    assert_eq!(state("kinesis.register"), StepState::Failed);
    assert_eq!(state("aurora.start"), StepState::Changed);
    assert_eq!(state("sns.settle"), StepState::Interrupted);
}

#[tokio::test(start_paused = true)]
async fn the_old_stack_is_left_alone_while_the_pointer_is_on_it() {
    let log = log();
    let steps = vec![Probe::new("aurora.scale-in", "orders", B, &log)];
    let (engine, store) = (engine(SERVED, None, steps), store(A));
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Promote).await.unwrap();
    store.switch(A, START, "a person").await.unwrap();

    let report = engine.run(&store, &plan, Phase::Hold, Phase::Retire).await.unwrap();

    assert_eq!((report.outcome, report.refusals.len()), (Outcome::Refused, 1));
    assert!(store.release().is_some());
    assert_eq!(logged(&log).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_word_about_traffic_the_release_ends_when_the_pointer_was_moved_by_hand() {
    let (engine, store) = (engine("", None, Vec::new()), store(A));
    deploy(&engine, &store, B).await;
    store.switch(B, START, "a person").await.unwrap();

    let report = deploy(&engine, &store, B).await;

    assert_eq!((report.outcome, store.release()), (Outcome::AlreadyThere, None));
}

/// Moves traffic by itself, or is moved by a person.
#[derive(Debug)]
struct Road(Arc<Mutex<StackReference>>);

#[async_trait]
impl Mover for Road {
    fn name(&self) -> &str {
        "web"
    }

    async fn observe(&self, _stack: StackReference) -> Result<Option<StackReference>> {
        Ok(Some(*self.0.lock().unwrap()))
    }

    async fn move_to(&self, stack: StackReference) -> Result<()> {
        *self.0.lock().unwrap() = stack;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_does_not_end_while_somebody_has_moved_traffic_back() {
    let log = log();
    let steps = vec![Probe::new("ecs.disable", "worker", A, &log)];
    let mover = "[traffic.web]\nmover = \"command\"\nmove = [\"true\"]\nobserve = [\"true\"]";
    let on = Arc::new(Mutex::new(A));
    let person = Arc::clone(&on);
    let engine = engine(mover, None, steps)
        .with_movers(vec![Arc::new(Road(Arc::clone(&on)))])
        .with_watcher(Arc::new(move |event| {
            if let Event::PhaseEnded { phase: Phase::Retire } = event {
                *person.lock().unwrap() = A;
            }
        }));
    let store = store(A);

    let moved_back = deploy(&engine, &store, B).await;
    *on.lock().unwrap() = B;
    let ended = deploy(&engine, &store, B).await;

    assert_eq!(moved_back.outcome, Outcome::Refused);
    assert!(moved_back.refusals[0].contains("traffic is on a"), "{:?}", moved_back.refusals);
    assert_eq!((ended.outcome, store.release()), (Outcome::Done, None));
    assert_eq!(logged(&log), ["ecs.disable worker on a"]);
}

#[tokio::test(start_paused = true)]
async fn a_release_says_when_it_ends_the_way_back_to_the_one_before() {
    let log = log();
    let purge = Probe::new("sqs.purge", "ingest", A, &log).destroys();
    let (engine, store) = (engine(SERVED, None, vec![purge]), store(A));

    let first = engine.look(&store, &engine.plan(B).unwrap(), &Phase::ALL).await.unwrap();
    let there = deploy(&engine, &store, B).await;
    let plan = engine.plan(A).unwrap();
    let planned = engine.look(&store, &plan, &Phase::ALL).await.unwrap();
    let began = engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();
    let again = engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();

    assert_eq!((first.warnings.len(), there.warnings.len()), (0, 0), "there was none before");
    for report in [planned, began] {
        let [warning] = report.warnings.as_slice() else { panic!("{report:?}") };
        assert!(warning.contains("sqs.purge ingest on a"), "{warning}");
        assert!(warning.contains(there.release.as_ref().unwrap()), "{warning}");
    }
    assert_eq!(again.warnings.len(), 0, "it is said when a release is opened");
}

#[tokio::test(start_paused = true)]
async fn a_release_keeps_how_far_it_was_asked_to_go_and_is_never_asked_for_less() {
    let (engine, store) = (engine(SERVED, None, Vec::new()), store(A));
    let plan = engine.plan(B).unwrap();
    let mut kept = Vec::new();

    for until in [Phase::Prepare, Phase::Promote, Phase::Test] {
        engine.deploy(&store, &plan, until).await.unwrap();
        kept.push(store.release().unwrap().until);
    }
    let id = store.release().unwrap().id.clone();
    engine.deploy(&store, &plan, Phase::Retire).await.unwrap();

    assert_eq!(kept, [Phase::Prepare, Phase::Promote, Phase::Promote]);
    assert_eq!(store.past(&id).await.unwrap().unwrap().until, Phase::Retire);
}
