//! What is written down of a release, and when.

use super::*;
use crate::StepEvent::{Failed, Started, Succeeded};

/// Returns what the journal says of the steps called `name`: event, attempt and who.
fn told(store: &Store, name: &str) -> Vec<(crate::StepEvent, u32, String)> {
    let journal = store.release().map(|it| Arc::clone(&it.journal)).unwrap_or_default();
    let own = journal.entries().iter().filter(|it| it.step.starts_with(name));
    own.map(|it| (it.event, it.attempt, it.who.clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn every_act_is_written_down_before_and_after_with_who_did_it() {
    let log = log();
    let steps = vec![
        Probe::new("aurora.start", "orders", B, &log).applying([Err(throttled())]),
        Probe::new("ecs.enable", "worker", B, &log),
    ];
    let engine = engine(SERVED, None, steps);
    let store = store(A);

    engine.deploy(&store, &engine.plan(B).unwrap(), Phase::Prepare).await.unwrap();

    let who = || "this process".to_owned();
    assert_eq!(told(&store, "aurora.start"), [(Started, 1, who()), (Succeeded, 1, who())]);
    assert_eq!(told(&store, "ecs.enable"), [(Started, 1, who()), (Succeeded, 1, who())]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_written_down_in_full_and_the_next_try_counts_on() {
    let log = log();
    let broken = || {
        let resource = "cluster `orders-b`".to_owned();
        let (state, expected) = ("`failed`".to_owned(), "a working one".to_owned());
        bluegreen_core::Error::WrongState { resource, state, expected }.into()
    };
    let steps = vec![Probe::new("aurora.start", "orders", B, &log).looking([
        Ok(needed()),
        Ok(needed()),
        Err(broken()),
        Ok(needed()),
        Ok(needed()),
    ])];
    let (engine, store) = (engine(SERVED, None, steps), store(A));
    let plan = engine.plan(B).unwrap();

    engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();
    let failed = store.release().unwrap().journal.entries().last().cloned().unwrap();
    engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();

    assert!(failed.error.unwrap().contains("cluster `orders-b`"));
    let events: Vec<_> = told(&store, "aurora.start")
        .into_iter()
        .map(|(event, attempt, _)| (event, attempt))
        .collect();
    assert_eq!(events, [(Started, 1), (Failed, 1), (Started, 2), (Succeeded, 2)]);
}

#[tokio::test(start_paused = true)]
async fn an_act_that_cannot_be_written_down_does_not_happen() {
    let log = log();
    let folder = tempfile::tempdir().unwrap();
    let store = adopted(folder.path(), A).await;
    let engine = engine(SERVED, None, vec![Probe::new("aurora.start", "orders", B, &log)]);
    let path = folder.path().to_owned();
    let engine = engine.with_watcher(Arc::new(move |event| {
        // The disk goes away right before the step's turn.
        if matches!(&event, Event::StepStarted { step } if step.name == "aurora.start") {
            std::fs::remove_dir_all(&path).unwrap();
        }
    }));

    let ended = engine.deploy(&store, &engine.plan(B).unwrap(), Phase::Prepare).await;

    assert_eq!(logged(&log), Vec::<String>::new(), "{ended:?}");
}
