//! Gates that cannot tell, and how long steps may take that say it themselves.

use super::*;

fn asks() -> Result<Inspection> {
    Ok(Inspection::Inconclusive { reason: "is the shop in order?".to_owned() })
}

fn unknown() -> Result<Inspection> {
    Ok(Inspection::Unknown { after: "prepare".to_owned() })
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_cannot_tell_pauses_the_release_which_goes_on_when_it_can() {
    let log = log();
    let steps = vec![
        Probe::new("aurora.start", "orders", B, &log),
        Probe::new("test.approve", "look", B, &log).looking([
            unknown(),
            asks(),
            asks(),
            Ok(Inspection::Done),
        ]),
    ];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    let first = deploy(&engine, &store, B).await;
    let second = deploy(&engine, &store, B).await;

    let gate = first.steps.iter().find(|it| it.step.name == "test.approve").unwrap();
    assert_eq!((first.outcome, first.active), (Outcome::Inconclusive, A));
    assert_eq!(serde_json::to_value(first.outcome).unwrap(), "inconclusive");
    assert_eq!(gate.state, StepState::Inconclusive);
    assert_eq!(gate.error.as_deref(), Some("is the shop in order?"));
    assert!(gate.is_bad());
    assert_eq!((second.outcome, second.active), (Outcome::Done, B));
    assert_eq!(logged(&log), ["aurora.start orders on b"], "nothing of the gate was applied");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_cannot_tell_is_not_a_failure_in_the_journal() {
    let gate = Probe::new("test.approve", "look", B, &log()).looking([unknown(), asks()]);
    let (engine, store) = (engine(SERVED, None, vec![gate]), store(A));

    deploy(&engine, &store, B).await;

    let release = store.release().unwrap();
    assert!(release.journal.entries().iter().all(|it| !it.step.starts_with("test.approve")));
}

#[tokio::test(start_paused = true)]
async fn a_failed_gate_weighs_more_than_one_that_cannot_tell() {
    let steps = vec![
        Probe::new("test.command", "one", B, &log()).looking([unknown(), asks()]),
        Probe::new("test.http", "two", B, &log()).looking([unknown(), Err(missing())]),
    ];
    let (engine, store) = (engine(SERVED, None, steps), store(A));

    assert_eq!(deploy(&engine, &store, B).await.outcome, Outcome::Paused);
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_what_a_gate_asks() {
    let gate = Probe::new("test.approve", "look", B, &log()).looking([asks()]);
    let (engine, store) = (engine(SERVED, None, vec![gate]), store(A));

    let report = engine.look(&store, &engine.plan(B).unwrap(), &[Phase::Test]).await.unwrap();

    assert_eq!(report.outcome, Outcome::Planned);
    assert_eq!(report.steps[0].state, StepState::Inconclusive);
}

#[tokio::test(start_paused = true)]
async fn a_step_may_say_how_long_it_may_take() {
    let takes = Duration::from_secs(1_000);
    let hasty = Probe::new("ecs.enable", "worker", B, &log()).takes(takes);
    let patient = Probe::new("ecs.enable", "worker", B, &log()).takes(takes).within(takes * 2);

    let hasty = deploy(&engine(SERVED, None, vec![hasty]), &store(A), B).await;
    let patient = deploy(&engine(SERVED, None, vec![patient]), &store(A), B).await;

    assert_eq!((hasty.outcome, patient.outcome), (Outcome::Paused, Outcome::Done));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_status_is_not_shown() {
    let steps = vec![Probe::new("ecs.enable", "worker", B, &log())];
    let hidden = pool(steps);
    let shown = engine(SERVED, None, Vec::new()).status(Some(&store(A))).await.unwrap();
    let hidden = engine_of(SERVED, Pool { hidden: true, ..hidden });

    assert_eq!(shown.resources.len(), 2);
    assert_eq!(hidden.status(Some(&store(A))).await.unwrap().resources, []);
}
