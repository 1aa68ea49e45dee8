//! Going back to a stack that was begun to be switched off.

use super::*;
use crate::WayBack;

/// Steps of a release to b whose last one fails on the old stack once, and of the way back to a.
fn steps(log: &Log, deletes: bool) -> Vec<Probe> {
    let mut steps = vec![
        Probe::new("ecs.enable", "worker", B, log),
        Probe::new("sqs.purge", "ingest", A, log).destroys(),
        Probe::new("ecs.enable", "worker", A, log),
        Probe::new("cloudwatch.disable-alarms", "pages", A, log),
        Probe::new("ecs.disable", "worker", A, log).looking([
            Ok(needed()),
            Ok(needed()),
            Err(broken()),
        ]),
    ];
    if deletes {
        steps.push(Probe::new("aurora.delete", "orders", A, log).destroys());
    }
    steps
}

fn broken() -> Error {
    let resource = "service `worker-a`".to_owned();
    let (state, expected) = ("`INACTIVE`".to_owned(), "an active one".to_owned());
    bluegreen_core::Error::WrongState { resource, state, expected }.into()
}

/// A pool whose steps are those of a move to the stack that they act on or come from.
fn pool_of(log: &Log, writes: Option<Writes>, deletes: bool) -> Pool {
    Pool { writes, ..pool(steps(log, deletes)) }
}

/// Retires the old stack until a step fails.
async fn retiring(engine: &Engine, store: &Store, log: &Log) -> Plan {
    let plan = engine.plan(B).unwrap();
    let report = engine.deploy(store, &plan, Phase::Retire).await.unwrap();
    assert_eq!(report.outcome, Outcome::RetireIncomplete, "{report:?}");
    log.lock().unwrap().clear();
    plan
}

#[tokio::test(start_paused = true)]
async fn without_a_database_production_goes_back_and_nothing_is_purged_nor_asked_to_be_idle() {
    let log = log();
    // On the old stack something is still on: an ordinary release would be refused.
    let pool = Pool { running: Some(A), ..pool_of(&log, None, false) };
    let (engine, store) = (engine_of(SERVED, pool), store(A));
    let plan = retiring(&engine, &store, &log).await;
    let before = store.release().unwrap().id.clone();

    let report = engine.reverse(&store, &plan, None).await.unwrap();

    assert_eq!((report.outcome, report.active), (Outcome::Done, A), "{report:?}");
    let ran: Vec<String> = report.steps.iter().map(|it| it.step.key()).collect();
    assert!(!ran.iter().any(|it| it.starts_with("standby.idle")), "{ran:?}");
    assert!(!logged(&log).iter().any(|it| it == "sqs.purge ingest on a"), "{:?}", logged(&log));
    assert!(ran.contains(&"active.switch//a".to_owned()), "{ran:?}");
    let reversed = store.past(&before).await.unwrap().unwrap();
    assert_eq!(reversed.ended.unwrap().outcome, Outcome::Reversed);
    let back = store.past(report.release.as_ref().unwrap()).await.unwrap().unwrap();
    assert_eq!((back.reverses, back.target), (Some(before), A));
    assert_eq!(back.ended.unwrap().outcome, Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn with_a_database_somebody_accepts_its_loss_or_has_it_rebuilt() {
    let log = log();
    let engine = engine_of(SERVED, pool_of(&log, Some(Writes::IngestOnly), false));
    let store = store(A);
    let plan = retiring(&engine, &store, &log).await;
    let WayBack::Reverse { since, .. } = engine.way_back(&store, &store.release().unwrap(), &plan)
    else {
        panic!("the old stack is being switched off")
    };

    let neither = engine.reverse(&store, &plan, None).await.unwrap_err().to_string();
    let rebuilt = engine.reverse(&store, &plan, Some(Reversal::Rebuilt)).await.unwrap_err();
    let accepted = engine.reverse(&store, &plan, Some(Reversal::AsItIs)).await.unwrap();

    // The hold comes before.
    assert!(since.0 >= START + Duration::from_secs(3600), "{since:?}");
    assert!(neither.contains("--rebuild") && neither.contains("--accept-data-loss"), "{neither}");
    assert!(neither.contains("1970-01-01T01:00:"), "{neither}");
    assert!(rebuilt.to_string().contains("schema.hydrate"), "{rebuilt}");
    assert_eq!((accepted.outcome, store.pointer().active), (Outcome::Done, A));
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_leaves_no_way_back_and_what_would_be_is_not_rebuilt() {
    let log = log();
    let engine = engine_of(SERVED, pool_of(&log, Some(Writes::IngestOnly), true));
    let store = store(A);
    let plan = retiring(&engine, &store, &log).await;

    let would_be = engine.reverse(&store, &plan, Some(Reversal::Rebuilt)).await.unwrap_err();
    // The failure is over: the release goes on, and the deletion begins.
    let id = StepId::new("aurora.delete", "orders", A);
    let started = crate::store::Happened::new(&id, crate::StepEvent::Started, START);
    store.happened(started).await.unwrap();
    let was = engine.reverse(&store, &plan, Some(Reversal::AsItIs)).await.unwrap_err();

    assert!(would_be.to_string().contains("aurora.delete orders on a"), "{would_be}");
    assert!(was.to_string().contains("no way back to stack a"), "{was}");
    assert_eq!(store.pointer().active, B);
}

#[tokio::test(start_paused = true)]
async fn rebuilding_switches_the_old_stack_off_first_and_then_deploys_as_always() {
    let log = log();
    let engine = engine_of(SERVED, pool_of(&log, None, false));
    let store = store(A);
    let plan = retiring(&engine, &store, &log).await;
    let before = store.release().unwrap().id.clone();

    let report = engine.reverse(&store, &plan, Some(Reversal::Rebuilt)).await.unwrap();

    assert_eq!((report.outcome, report.active), (Outcome::Done, A), "{report:?}");
    let first = store.past(&before).await.unwrap().unwrap();
    assert_eq!(first.ended.unwrap().outcome, Outcome::Done);
    let back = store.past(report.release.as_ref().unwrap()).await.unwrap().unwrap();
    assert_eq!(back.reverses, None);
    let ran: Vec<String> = report.steps.iter().map(|it| it.step.key()).collect();
    let place = |key: &str| ran.iter().position(|it| it == key);
    assert!(place("ecs.disable/worker/a") < place("active.switch//a"), "{ran:?}");
    assert!(place("ecs.disable/worker/a").is_some(), "{ran:?}");
}

#[tokio::test(start_paused = true)]
async fn what_has_not_begun_to_be_switched_off_is_not_reversed() {
    let log = log();
    let (engine, store) = (engine_of(SERVED, pool_of(&log, None, false)), store(A));
    let plan = engine.plan(B).unwrap();
    let nothing = engine.reverse(&store, &plan, None).await.unwrap_err();
    engine.deploy(&store, &plan, Phase::Promote).await.unwrap();

    let early = engine.reverse(&store, &plan, None).await.unwrap_err();

    assert!(nothing.to_string().contains("no release is open"), "{nothing}");
    assert!(early.to_string().contains("bluegreen rollback"), "{early}");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_shows_that_something_is_missing_leaves_the_open_release_as_it_is() {
    let log = log();
    let pool = Pool { lacks: Some(A), ..pool_of(&log, None, false) };
    let (engine, store) = (engine_of(SERVED, pool), store(A));
    let plan = retiring(&engine, &store, &log).await;
    let before = store.release().unwrap().id.clone();

    let report = engine.reverse(&store, &plan, None).await.unwrap();

    assert_eq!((report.outcome, logged(&log).len()), (Outcome::Failed, 0), "{report:?}");
    assert_eq!(store.release().unwrap().id, before);
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_was_interrupted_goes_on_under_its_own_plan() {
    let log = log();
    let (engine, store) = (engine_of(SERVED, pool_of(&log, None, false)), store(A));
    let plan = retiring(&engine, &store, &log).await;
    engine.cancel.cancel();
    let stopped = engine.reverse(&store, &plan, None).await.unwrap();
    let engine = engine.with_cancel(CancellationToken::new());
    let back = engine.plan_reverse(A).unwrap();
    store.reverse_release(START + Duration::from_secs(9_000), engine.written(&back)).await.unwrap();

    let release = store.release().unwrap();
    let plan = engine.plan_of(&release).unwrap();
    let report = engine.deploy(&store, &plan, Phase::Retire).await.unwrap();

    assert_eq!((stopped.outcome, report.outcome), (Outcome::Interrupted, Outcome::Done));
    assert!(!plan.steps().iter().any(|it| it.step.id().name == "standby.idle"));
}

#[tokio::test]
async fn in_a_folder_the_release_that_was_reversed_is_past_and_the_other_one_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let store = adopted(folder.path(), A).await;
    store
        .open_release(B, Phase::Retire, START, Default::default(), Default::default())
        .await
        .unwrap();
    let before = store.release().unwrap().id.clone();

    store.reverse_release(START + Duration::from_secs(1), Default::default()).await.unwrap();
    let id = store.release().unwrap().id.clone();
    store.close().await.unwrap();
    let storage = Arc::new(crate::FileStorage::new(folder.path(), "shop"));
    let store = Store::open(storage, "shop").await.unwrap().unwrap();

    assert_eq!(store.release().unwrap().id, id);
    let past = store.past(&before).await.unwrap().unwrap();
    assert_eq!(past.ended.unwrap().outcome, Outcome::Reversed);
    let file = folder.path().join("shop.releases").join(format!("{before}.json"));
    assert!(file.exists(), "what has ended makes the file small again");
}
