//! The look at everything, and how everything is.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_missing_anywhere_ends_it_before_anything_is_changed() {
    let log = log();
    let steps = vec![
        Probe::new("aurora.start", "orders", B, &log),
        Probe::new("lambda.disable-mappings", "ingest", A, &log).looking([Err(missing())]),
    ];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    let report = deploy(&engine, &store, B).await;

    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!((logged(&log), store.release()), (Vec::new(), None));
}

#[tokio::test(start_paused = true)]
async fn a_standby_at_work_is_refused_and_named_with_what_turns_it_off() {
    let log = log();
    let steps = vec![Probe::new("aurora.start", "orders", B, &log)];
    let (engine, store) = (engine(SERVED, Some(B), steps), store(A));

    let report = deploy(&engine, &store, B).await;

    assert_eq!((report.outcome, report.refusals.len()), (Outcome::Refused, 1));
    assert!(report.refusals[0].contains("service `worker-b`"), "{:?}", report.refusals);
    assert!(
        report.refusals[0].contains("bluegreen step ecs.disable --stack b --resource worker"),
        "{:?}",
        report.refusals
    );
    assert_eq!((logged(&log), store.release()), (Vec::new(), None));
}

#[tokio::test]
async fn a_stack_is_not_there_already_while_traffic_is_elsewhere() {
    let mover =
        "[traffic.web]\nmover = \"command\"\nmove = [\"true\"]\nobserve = [\"echo\", \"b\"]";
    let (engine, store) = (engine(mover, None, Vec::new()), store(A));

    let plan = engine.plan(A).unwrap();
    let err = engine.deploy(&store, &plan, Phase::Retire).await.unwrap_err();

    assert!(err.to_string().contains("adopt --active b"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_looks_and_writes_nothing() {
    let log = log();
    let steps = vec![
        Probe::new("aurora.start", "orders", B, &log),
        Probe::new("aurora.stop", "orders", A, &log).destroys(),
    ];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    let report = engine.look(&store, &engine.plan(B).unwrap(), &Phase::ALL).await.unwrap();

    assert_eq!(report.outcome, Outcome::Planned);
    let stop = report.steps.iter().find(|it| it.step.name == "aurora.stop").unwrap();
    assert_eq!(
        (stop.state, stop.destroys, stop.phase),
        (StepState::Needed, true, Some(Phase::Retire))
    );
    assert_eq!((logged(&log).len(), store.release()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn the_status_shows_pointer_traffic_and_every_resource() {
    let (engine, store) = (engine(SERVED, None, Vec::new()), store(B));

    let status = engine.status(Some(&store)).await.unwrap();

    assert_eq!((status.pointer.unwrap().active, status.agrees), (B, true));
    let states: Vec<_> = status.resources.iter().map(|it| it.state.clone().unwrap()).collect();
    assert_eq!(states, ["fine on a", "fine on b"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_stack_to_come_lacks_ends_it_before_anything_is_changed() {
    let log = log();
    let pool = Pool { lacks: Some(B), ..pool(vec![Probe::new("aurora.start", "orders", B, &log)]) };
    let (engine, store) = (engine_of(SERVED, pool), store(A));

    let report = deploy(&engine, &store, B).await;

    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.missing, ["[ecs.worker]: function `ingest-b` does not exist"]);
    assert_eq!((logged(&log).len(), store.release()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_look_before_the_release_is_made_again() {
    let log = log();
    let steps = vec![Probe::new("aurora.start", "orders", B, &log).looking([Err(throttled())])];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    assert_eq!(deploy(&engine, &store, B).await.outcome, Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_at_without_credentials_opens_no_release() {
    let log = log();
    let expired = bluegreen_core::Error::Credentials {
        operation: "rds:DescribeDBClusters",
        source: "expired".into(),
    };
    let steps = vec![Probe::new("aurora.start", "orders", B, &log).looking([Err(expired.into())])];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    let report = deploy(&engine, &store, B).await;

    assert_eq!((report.outcome, store.release()), (Outcome::Interrupted, None));
}

#[tokio::test(start_paused = true)]
async fn being_told_to_stop_during_the_first_look_opens_no_release() {
    let log = log();
    let engine = engine(SERVED, None, vec![Probe::new("aurora.start", "orders", B, &log)]);
    let store = store(A);

    engine.cancel.cancel();
    let report = deploy(&engine, &store, B).await;

    assert_eq!((report.outcome, store.release()), (Outcome::Interrupted, None));
}
