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
