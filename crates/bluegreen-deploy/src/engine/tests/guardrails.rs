//! When guardrails are asked, and what becomes of what they object to.

use super::*;
use Guardrail::{AlarmsQuiet, AuroraUsable, DeadLettersSteady};

type Answers = Vec<(Guardrail, Result<Vec<String>>)>;

/// Which guardrails were asked, and whether in the first look.
type Questions = Arc<Mutex<Vec<(Guardrail, bool)>>>;

/// Makes an engine without steps of its own whose resource answers so, one look after the other.
fn asking(answers: Answers) -> (Engine, Questions) {
    let pool = Pool { objects: Mutex::new(answers.into()), ..pool(Vec::new()) };
    let asked = Arc::clone(&pool.asked);
    (engine_of(SERVED, pool), asked)
}

fn objects(guardrail: Guardrail) -> (Guardrail, Result<Vec<String>>) {
    (guardrail, Ok(vec!["it is odd".to_owned()]))
}

async fn promoted(engine: &Engine, store: &Store) -> Report {
    engine.deploy(store, &engine.plan(B).unwrap(), Phase::Promote).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_looks_are_made_before_production_moves_and_none_once_it_has_begun_to() {
    let (engine, asked) = asking(Vec::new());
    let store = store(A);

    let moved = promoted(&engine, &store).await;
    let before = std::mem::take(&mut *asked.lock().unwrap());
    promoted(&engine, &store).await;
    let after = asked.lock().unwrap().clone();

    assert_eq!(moved.outcome, Outcome::Done);
    let twice = [(AuroraUsable, true), (DeadLettersSteady, true)];
    assert!(before.starts_with(&twice), "{before:?}");
    let second: Vec<_> = before.iter().filter(|it| !it.1).map(|it| it.0).collect();
    assert_eq!(
        second,
        [
            AuroraUsable,
            Guardrail::AuroraAlike,
            AlarmsQuiet,
            DeadLettersSteady,
            Guardrail::ActiveQuiet
        ]
    );
    assert_eq!(after, []);
}

#[tokio::test(start_paused = true)]
async fn a_hook_may_ask_them_before_a_platform_moves_traffic_and_nothing_moves() {
    let mut answers = vec![(AuroraUsable, Ok(Vec::new())), (DeadLettersSteady, Ok(Vec::new()))];
    answers.push(objects(AuroraUsable));
    let (engine, asked) = asking(answers);
    let (store, plan) = (store(A), engine.plan(B).unwrap());
    engine.deploy(&store, &plan, Phase::Test).await.unwrap();

    let refused = engine.objections(&store, &plan, Phase::Promote).await.unwrap();
    let passed = engine.objections(&store, &plan, Phase::Promote).await.unwrap();

    assert!(refused[0].contains("it is odd"), "{refused:?}");
    assert_eq!((passed, store.pointer().active), (Vec::new(), A));
    assert!(!asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_the_first_look_only_what_must_hold_in_both_is_refused() {
    let (engine, _) = asking(vec![objects(AuroraUsable), objects(DeadLettersSteady)]);
    let store = store(A);

    let refused = promoted(&engine, &store).await;
    let again = promoted(&engine, &store).await;

    assert_eq!((refused.outcome, refused.active), (Outcome::Refused, A));
    assert_eq!(
        refused.refusals,
        [
            "`aurora.usable`: it is odd; `bluegreen override aurora.usable --reason ..` lets it through"
        ]
    );
    assert_eq!(again.outcome, Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_throttled_is_made_again_and_one_that_fails_is_an_objection() {
    let (engine, _) = asking(vec![(AlarmsQuiet, Err(throttled())), (AlarmsQuiet, Err(missing()))]);

    let report = promoted(&engine, &store(A)).await;

    assert_eq!(report.outcome, Outcome::Refused);
    let reason = "`alarms.quiet`: it cannot be known: function `ingest-b` does not exist; ";
    assert!(report.refusals[0].starts_with(reason), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn being_told_to_stop_between_the_two_looks_interrupts_the_release() {
    let cancel = CancellationToken::new();
    let (engine, _) = asking(Vec::new());
    let engine = Engine {
        guardrails: GuardrailSettings {
            watch: Duration::from_secs(60),
            ..engine.guardrails.clone()
        },
        ..engine
    }
    .with_cancel(cancel.clone());
    let (store, began) = (store(A), Instant::now());

    let (report, ()) = tokio::join!(promoted(&engine, &store), async {
        #[expect(clippy::disallowed_methods, reason = "the clock is paused")]
        tokio::time::sleep(Duration::from_secs(30)).await;
        cancel.cancel();
    });

    assert_eq!((report.outcome, report.active), (Outcome::Interrupted, A));
    assert_eq!(began.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn an_active_stack_that_is_another_since_the_release_was_opened_is_refused() {
    let pool = pool(Vec::new());
    let identity = Arc::clone(&pool.identity);
    let (engine, store) = (engine_of(SERVED, pool), store(A));
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Test).await.unwrap();

    "other".clone_into(&mut identity.lock().unwrap());
    let changed = promoted(&engine, &store).await;
    identity.lock().unwrap().clear();
    let gone = promoted(&engine, &store).await;
    "worker".clone_into(&mut identity.lock().unwrap());
    let back = promoted(&engine, &store).await;

    let reason = "`active.unchanged`: [ecs.worker] of stack a was worker-a when the release was opened, and is other-a";
    assert!(changed.refusals[0].starts_with(reason), "{changed:?}");
    assert!(gone.refusals[0].contains("[ecs.worker] of stack a is gone"), "{gone:?}");
    assert_eq!(back.outcome, Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn production_does_not_go_back_to_what_is_gone_and_nothing_lets_that_through() {
    let pool = pool(Vec::new());
    let identity = Arc::clone(&pool.identity);
    let (engine, store) = (engine_of(SERVED, pool), store(A));
    let plan = engine.plan(B).unwrap();
    promoted(&engine, &store).await;

    identity.lock().unwrap().clear();
    let refused = engine.rollback(&store, &plan, false).await.unwrap_err();
    let never = engine.override_guardrail(&store, "target.exists", "why").await.unwrap_err();
    "other".clone_into(&mut identity.lock().unwrap());
    let back = engine.rollback(&store, &plan, false).await.unwrap();

    let reason = "`target.exists`: [ecs.worker] of stack a is gone";
    assert!(refused.to_string().contains(reason), "{refused}");
    assert!(never.to_string().contains("never let through"), "{never}");
    assert_eq!((back.outcome, back.active), (Outcome::TakenBack, A), "changed is not gone");
}

#[tokio::test(start_paused = true)]
async fn before_production_has_moved_nothing_is_asked_on_the_way_back() {
    let pool = pool(vec![Probe::new("ecs.enable", "worker", B, &log()).undone_by("ecs.disable")]);
    let (identity, asked) = (Arc::clone(&pool.identity), Arc::clone(&pool.asked));
    let (engine, store) = (engine_of(SERVED, pool), store(A));
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Test).await.unwrap();
    identity.lock().unwrap().clear();

    let report = engine.rollback(&store, &plan, false).await.unwrap();

    assert_eq!((report.outcome, asked.lock().unwrap().len()), (Outcome::TakenBack, 0));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_somebody_has_skipped_is_not_missed() {
    let probe = Probe::new("ecs.enable", "worker", B, &log()).looking([Ok(needed())]);
    let (engine, store) = (engine(SERVED, None, vec![probe]), store(A));
    let plan = engine.plan(B).unwrap();
    open(&store, B).await;
    engine.skip(&store, &plan, "ecs.enable", "nobody needs it").await.unwrap();
    let engine = engine.with_replan(true);

    let report = promoted(&engine, &store).await;

    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
}
