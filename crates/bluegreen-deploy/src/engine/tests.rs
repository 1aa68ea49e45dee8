//! The engine with steps that only write down what happens to them.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bluegreen_core::{
    Clock,
    StackReference::{self, A, B},
};
use tokio::time::Instant;

use super::*;
use crate::{
    Consumer, Declaration, Error, Inspection, Permission, Phase, Pointer, Source, StepId,
    StepState,
    stack_file::ConsumerKind,
    steps::testing::{START, declaration},
};

type Log = Arc<Mutex<Vec<String>>>;

/// A step that goes through the looks it is given, and then does as `apply` has changed it.
#[derive(Debug)]
struct Probe {
    id: StepId,
    effect: Effect,
    log: Log,
    looks: Mutex<VecDeque<Result<Inspection>>>,
    applies: Mutex<VecDeque<Result<()>>>,
    applied: Mutex<bool>,
    takes: Duration,
    began: Mutex<Option<Instant>>,
    model: Option<(String, serde_json::Value)>,
}

impl Probe {
    fn new(name: &str, resource: &str, stack: StackReference, log: &Log) -> Self {
        Self {
            id: StepId::new(name, resource, stack),
            effect: Effect::Harmless,
            log: Arc::clone(log),
            looks: Mutex::default(),
            applies: Mutex::default(),
            applied: Mutex::default(),
            takes: Duration::ZERO,
            began: Mutex::default(),
            model: None,
        }
    }

    fn destroys(self) -> Self {
        Self { effect: Effect::Destroys(self.id.stack), ..self }
    }

    fn takes(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }

    fn looking(self, looks: impl IntoIterator<Item = Result<Inspection>>) -> Self {
        Self { looks: Mutex::new(looks.into_iter().collect()), ..self }
    }

    fn applying(self, applies: impl IntoIterator<Item = Result<()>>) -> Self {
        Self { applies: Mutex::new(applies.into_iter().collect()), ..self }
    }

    fn with_model(self, key: &str) -> Self {
        Self { model: Some((key.to_owned(), "partner's".into())), ..self }
    }
}

#[async_trait]
impl Step for Probe {
    fn id(&self) -> StepId {
        self.id.clone()
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    async fn inspect(&self, _context: &Context<'_>) -> Result<Inspection> {
        if let Some(look) = self.looks.lock().unwrap().pop_front() {
            return look;
        }
        if !*self.applied.lock().unwrap() {
            return Ok(needed());
        }
        let began = *self.began.lock().unwrap().get_or_insert_with(Instant::now);
        Ok(match began.elapsed() < self.takes {
            true => Inspection::Underway { what: "time".to_owned() },
            false => Inspection::Done,
        })
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        self.log.lock().unwrap().push(self.id.to_string());
        *self.applied.lock().unwrap() = true;
        self.applies.lock().unwrap().pop_front().unwrap_or(Ok(()))
    }

    fn permissions(&self) -> Vec<Permission> {
        Vec::new()
    }

    async fn model(&self, _context: &Context<'_>) -> Result<Option<(String, serde_json::Value)>> {
        if self.model.is_some() {
            self.log.lock().unwrap().push("model".to_owned());
        }
        Ok(self.model.clone())
    }
}

/// A resource with such steps, whose consumer on both stacks is as it is told.
#[derive(Debug)]
struct Pool {
    declaration: Declaration,
    steps: Vec<Arc<Probe>>,
    running: Option<StackReference>,
    lacks: Option<StackReference>,
    shared: bool,
}

#[async_trait]
impl Resource for Pool {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, _to: StackReference) -> Vec<Arc<dyn Step>> {
        self.steps.iter().map(|it| Arc::clone(it) as Arc<dyn Step>).collect()
    }

    async fn consumers(
        &self,
        _context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Vec<Consumer>> {
        Ok(vec![Consumer {
            what: format!("service `worker-{stack}`"),
            source: match self.shared {
                true => Source::Rule("default/nightly".to_owned()),
                false => Source::Other(format!("worker-{stack}")),
            },
            on: self.running == Some(stack),
            kind: ConsumerKind::Mirror,
            turned_off_by: "ecs.disable",
        }])
    }

    async fn look_for(&self, _context: &Context<'_>, stack: StackReference) -> Result<()> {
        if self.lacks == Some(stack) { Err(missing()) } else { Ok(()) }
    }

    async fn summary(&self, _context: &Context<'_>, stack: StackReference) -> Result<String> {
        Ok(format!("fine on {stack}"))
    }
}

fn needed() -> Inspection {
    Inspection::Needed { from: "off".to_owned(), to: "on".to_owned() }
}

fn missing() -> Error {
    bluegreen_core::Error::NotFound { resource: "function `ingest-b`".to_owned() }.into()
}

fn throttled() -> Error {
    bluegreen_core::Error::Throttled { operation: "rds:StartDBCluster", source: "slow".into() }
        .into()
}

fn log() -> Log {
    Log::default()
}

fn logged(log: &Log) -> Vec<String> {
    log.lock().unwrap().clone()
}

const FILE: &str = "name = \"shop\"\nregion = \"eu-west-1\"\n";

fn engine(traffic: &str, running: Option<StackReference>, steps: Vec<Probe>) -> Engine {
    let pool = Pool { running, ..pool(steps) };
    engine_of(traffic, pool)
}

fn pool(steps: Vec<Probe>) -> Pool {
    Pool {
        declaration: Declaration { line: 9, ..declaration("ecs", "worker") },
        steps: steps.into_iter().map(Arc::new).collect(),
        running: None,
        lacks: None,
        shared: false,
    }
}

fn engine_of(traffic: &str, pool: Pool) -> Engine {
    let text = format!("{FILE}{traffic}\n[release]\nhold = \"1h\"\n");
    let file = StackFile::parse(&text, Path::new("bluegreen.toml"), &|_| None).unwrap();
    let resources = Resources { all: vec![Arc::new(pool)], queues: Vec::new() };
    Engine::new(&file, Path::new("."), resources, Clock::following_tokio(START))
}

const SERVED: &str = "traffic = \"none\"";

fn store(active: StackReference) -> Store {
    Store::in_memory("shop", Pointer { active, since: START, reason: "test".to_owned() })
}

async fn deploy(engine: &Engine, store: &Store, to: StackReference) -> Report {
    engine.deploy(store, &engine.plan(to).unwrap(), Phase::Retire).await.unwrap()
}

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
    store.open_release(B, START).unwrap();

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
async fn a_destructive_step_on_the_active_stack_is_refused_and_nothing_is_written() {
    let log = log();
    let steps = vec![Probe::new("sqs.purge", "ingest", A, &log).destroys()];
    let folder = tempfile::tempdir().unwrap();
    let pointer = Pointer { active: A, since: START, reason: "test".to_owned() };
    let (engine, store) =
        (engine(SERVED, None, steps), Store::adopt(folder.path(), "shop", pointer).unwrap());
    let before = std::fs::read(store.path()).unwrap();

    let err = engine.step(&store, "sqs.purge", A, None).await.unwrap_err();

    assert!(matches!(&err, Error::Refused { .. }));
    assert!(err.to_string().contains("which is the active stack"), "{err}");
    assert_eq!(logged(&log).len(), 0);
    assert_eq!(std::fs::read(store.path()).unwrap(), before);
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
    store.open_release(B, START).unwrap();

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

#[tokio::test]
async fn a_stack_is_not_there_already_while_traffic_is_elsewhere() {
    let mover =
        "[traffic.web]\nmover = \"command\"\nmove = [\"true\"]\nobserve = [\"echo\", \"b\"]";
    let (engine, store) = (engine(mover, None, Vec::new()), store(A));

    let plan = engine.plan(A).unwrap();
    let err = engine.deploy(&store, &plan, Phase::Retire).await.unwrap_err();

    assert!(err.to_string().contains("adopt --active b"), "{err}");
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
async fn a_step_added_to_a_phase_that_has_ended_is_refused_and_one_left_out_is_fine() {
    let log = log();
    let old = Probe::new("aurora.start", "orders", B, &log);
    let store = store(A);
    let before = engine(SERVED, None, vec![old]);
    before.deploy(&store, &before.plan(B).unwrap(), Phase::Prepare).await.unwrap();

    let added = engine(SERVED, None, vec![Probe::new("ecs.enable", "new", B, &log)]);
    let err = added.deploy(&store, &added.plan(B).unwrap(), Phase::Retire).await.unwrap_err();
    let fewer = engine(SERVED, None, Vec::new());
    let report = deploy(&fewer, &store, B).await;

    assert!(err.to_string().contains("ecs.enable new on b"), "{err}");
    assert_eq!(report.outcome, Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn the_old_stack_is_left_alone_while_the_pointer_is_on_it() {
    let log = log();
    let steps = vec![Probe::new("aurora.scale-in", "orders", B, &log)];
    let (engine, store) = (engine(SERVED, None, steps), store(A));
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Promote).await.unwrap();
    store.switch(A, START, "a person").unwrap();

    let report = engine.run(&store, &plan, Phase::Hold, Phase::Retire).await.unwrap();

    assert_eq!((report.outcome, report.refusals.len()), (Outcome::Refused, 1));
    assert!(store.release().is_some());
    assert_eq!(logged(&log).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_word_about_traffic_the_release_ends_when_the_pointer_was_moved_by_hand() {
    let (engine, store) = (engine("", None, Vec::new()), store(A));
    deploy(&engine, &store, B).await;
    store.switch(B, START, "a person").unwrap();

    let report = deploy(&engine, &store, B).await;

    assert_eq!((report.outcome, store.release()), (Outcome::AlreadyThere, None));
}
