//! The engine with steps that only write down what happens to them.

mod alone;
mod first_look;
mod gates;
mod guardrails;
mod journal;
mod lease;
mod plan;
mod platform;
mod release;
mod reverse;
mod undo;

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
    current_step,
};
use tokio::time::Instant;

use super::*;
use crate::{
    Asked, Consumer, Declaration, Error, Guardrail, Inspection, Permission, Phase, Pointer, Source,
    StepId, StepState,
    stack_file::{ConsumerKind, Writes},
    steps::testing::{START, adopted, declaration},
};

type Log = Arc<Mutex<Vec<String>>>;
type Tries = Arc<Mutex<VecDeque<Result<Inspection>>>>;

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
    tells: bool,
    /// What the step that takes it back is called, and what becomes of it each time.
    undo: Option<(&'static str, Tries)>,
    deadline: Option<Duration>,
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
            tells: false,
            undo: None,
            deadline: None,
        }
    }

    /// Writes down, too, which step is under way whenever it is called.
    fn tells(self) -> Self {
        Self { tells: true, ..self }
    }

    fn tell(&self) {
        if self.tells {
            self.log.lock().unwrap().push(current_step().unwrap_or_default());
        }
    }

    fn destroys(self) -> Self {
        Self { effect: Effect::Destroys(self.id.stack), ..self }
    }

    fn within(self, deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..self }
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

    /// Is taken back by the step `name`.
    fn undone_by(self, name: &'static str) -> Self {
        Self { undo: Some((name, Arc::default())), ..self }
    }

    /// Is taken back by the step `name`, whose first look shows this, each time that it is made.
    fn undone_by_after(
        self,
        name: &'static str,
        tries: impl IntoIterator<Item = Result<Inspection>>,
    ) -> Self {
        let tries = Arc::new(Mutex::new(tries.into_iter().collect()));
        Self { undo: Some((name, tries)), ..self }
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
        self.tell();
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

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        self.tell();
        if self.tells {
            context.waits_for("the program (40 %)".to_owned());
        }
        self.log.lock().unwrap().push(self.id.to_string());
        *self.applied.lock().unwrap() = true;
        self.applies.lock().unwrap().pop_front().unwrap_or(Ok(()))
    }

    fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    fn permissions(&self) -> Vec<Permission> {
        Vec::new()
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        let (name, tries) = self.undo.as_ref()?;
        let probe = Probe::new(name, &self.id.resource, self.id.stack, &self.log);
        let next = tries.lock().unwrap().pop_front();
        Some(Arc::new(probe.looking(next)))
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
    writes: Option<Writes>,
    hidden: bool,
    /// What it is, on either stack; it is not there when empty.
    identity: Arc<Mutex<String>>,
    /// What it objects to in the first look of a guardrail and in the second, or what becomes of the looks.
    objects: Mutex<VecDeque<(Guardrail, Result<Vec<String>>)>>,
    asked: Arc<Mutex<Vec<(Guardrail, bool)>>>,
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

    fn writes(&self) -> Option<Writes> {
        self.writes
    }

    fn look_permissions(&self, _stack: StackReference) -> Vec<Permission> {
        Vec::new()
    }

    fn has_status(&self) -> bool {
        !self.hidden
    }

    async fn summary(&self, _context: &Context<'_>, stack: StackReference) -> Result<String> {
        Ok(format!("fine on {stack}"))
    }

    async fn identity(&self, _context: &Context<'_>, stack: StackReference) -> Result<String> {
        match self.identity.lock().unwrap().as_str() {
            "" => Err(missing()),
            identity => Ok(format!("{identity}-{stack}")),
        }
    }

    async fn objections(&self, _context: &Context<'_>, asked: &Asked<'_>) -> Result<Vec<String>> {
        self.asked.lock().unwrap().push((asked.guardrail, asked.first));
        let mut objects = self.objects.lock().unwrap();
        match objects.front() {
            Some((guardrail, _)) if *guardrail == asked.guardrail => objects.pop_front().unwrap().1,
            _ => Ok(Vec::new()),
        }
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
        writes: None,
        hidden: false,
        identity: Arc::new(Mutex::new("worker".to_owned())),
        objects: Mutex::default(),
        asked: Arc::default(),
    }
}

fn engine_of(traffic: &str, pool: Pool) -> Engine {
    let text = format!("{FILE}{traffic}\n[release]\nhold = \"1h\"\nwatch = \"0s\"\n");
    let file = StackFile::parse(&text, Path::new("bluegreen.toml"), &|_| None).unwrap();
    let resources = Resources { all: vec![Arc::new(pool)], ..Default::default() };
    Engine::new(&file, Path::new("."), resources, Clock::following_tokio(START))
}

const SERVED: &str = "traffic = \"none\"";

fn store(active: StackReference) -> Store {
    Store::in_memory("shop", Pointer { active, since: START, reason: "test".to_owned() })
}

async fn deploy(engine: &Engine, store: &Store, to: StackReference) -> Report {
    engine.deploy(store, &engine.plan(to).unwrap(), Phase::Retire).await.unwrap()
}

/// Opens a release to `to` whose plan nobody has written down.
async fn open(store: &Store, to: StackReference) {
    store
        .open_release(to, Phase::Retire, START, Default::default(), Default::default())
        .await
        .unwrap();
}
