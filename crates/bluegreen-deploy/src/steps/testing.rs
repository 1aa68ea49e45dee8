//! What the tests of steps share: a world around a step, with a paused clock and a store in memory.

mod script;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bluegreen_core::{Clock, Pair, StackReference};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::{
    Context, Declaration, FileStorage, Inspection, Limits, MemoryStorage, Messages, Outside, Owner,
    Permission, Phase, Pointer, Result, Rounds, SourceQueue, Step, StepEvent, Store,
    outside::Direct, stack_file::Feed, step::Waits, store::Happened,
};

pub(crate) use self::script::Script;

/// The time of day at which every test begins.
pub(crate) const START: SystemTime = SystemTime::UNIX_EPOCH;

/// What a step sees besides its own resource, made for one test.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) warnings: Mutex<BTreeSet<String>>,
    pub(crate) outside: Box<dyn Outside>,
    pub(crate) is_turn: bool,
    pub(crate) cancel: CancellationToken,
    waits: Box<dyn Fn(String) + Send + Sync>,
    waited: Arc<Mutex<Vec<String>>>,
    clock: Clock,
    limits: Limits,
    rounds: Rounds,
}

impl World {
    /// Makes a world in which `active` serves production and a release to its partner is open.
    pub(crate) fn new(active: StackReference) -> Self {
        let pointer = Pointer { active, since: START, reason: "test".to_owned() };
        let store = Store::in_memory("shop", pointer);
        // Memory answers at once.
        let opened = store.open_release(
            active.partner(),
            Phase::Retire,
            START,
            Default::default(),
            Default::default(),
        );
        opened.now_or_never().unwrap().unwrap();
        Self::with_store(store)
    }

    /// Makes a world like [`new`](Self::new) whose store lies in `storage`, under a lease.
    pub(crate) fn leased(active: StackReference, storage: MemoryStorage) -> Self {
        let pointer = Pointer { active, since: START, reason: "test".to_owned() };
        let owner = Owner { name: "7 on here".to_owned(), clock: Clock::following_tokio(START) };
        let adopted = Store::adopt(Arc::new(storage), "shop", &owner, pointer);
        let store = adopted.now_or_never().unwrap().unwrap();
        let opened = store.open_release(
            active.partner(),
            Phase::Retire,
            START,
            Default::default(),
            Default::default(),
        );
        opened.now_or_never().unwrap().unwrap();
        Self::with_store(store)
    }

    /// Makes a world with this store.
    pub(crate) fn with_store(store: Store) -> Self {
        let waited = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&waited);
        Self {
            store,
            warnings: Mutex::default(),
            outside: Box::new(Direct::new(Path::new("."))),
            is_turn: true,
            cancel: CancellationToken::new(),
            waits: Box::new(move |what| hears.lock().unwrap().push(what)),
            waited,
            clock: Clock::following_tokio(START + Duration::from_secs(1_000)),
            limits: Limits::default(),
            rounds: Rounds::default(),
        }
    }

    /// Reaches outside only what is in `script`.
    pub(crate) fn outside(self, script: &Script) -> Self {
        Self { outside: Box::new(script.clone()), ..self }
    }

    /// Reaches the network and this machine, and runs programs in `folder`.
    pub(crate) fn in_folder(self, folder: &Path) -> Self {
        Self { outside: Box::new(Direct::new(folder)), ..self }
    }

    /// Only looks, for a plan: it is no step's turn.
    pub(crate) fn planning(self) -> Self {
        Self { is_turn: false, ..self }
    }

    /// Returns a context of a new round.
    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            round: self.rounds.begin(),
            limits: &self.limits,
            clock: &self.clock,
            store: &self.store,
            warnings: &self.warnings,
            outside: self.outside.as_ref(),
            cancel: &self.cancel,
            is_turn: self.is_turn,
            waits: Some(Waits(&self.waits)),
        }
    }

    /// Looks at `step` in a round of its own.
    pub(crate) async fn inspect(&self, step: &dyn Step) -> Result<Inspection> {
        step.inspect(&self.context()).await
    }

    /// Applies `step`.
    pub(crate) async fn apply(&self, step: &dyn Step) -> Result<()> {
        step.apply(&self.context()).await
    }

    /// Writes down that `step` has failed.
    pub(crate) async fn failed(&self, step: &dyn Step) {
        let id = step.id();
        let happened = Happened::new(&id, StepEvent::Failed, self.clock.now());
        self.store.happened(happened).await.unwrap();
    }

    /// Writes down that somebody has skipped `step`.
    #[cfg(feature = "ecs")]
    pub(crate) async fn skipped(&self, step: &dyn Step) {
        let id = step.id();
        let happened = Happened::new(&id, StepEvent::Skipped, self.clock.now());
        self.store.happened(happened).await.unwrap();
    }

    /// Writes down that `step` has succeeded.
    pub(crate) async fn succeeded(&self, step: &dyn Step) {
        let id = step.id();
        let happened = Happened {
            memory: step.memory().into_iter().collect(),
            ..Happened::new(&id, StepEvent::Succeeded, self.clock.now())
        };
        self.store.happened(happened).await.unwrap();
    }

    /// Returns what steps have said that they wait for, while they looked or acted.
    pub(crate) fn waited(&self) -> Vec<String> {
        self.waited.lock().unwrap().clone()
    }

    /// Returns the warnings so far, sorted.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap().iter().cloned().collect()
    }
}

/// Returns the declaration of a resource that the stack file says nothing particular about.
pub(crate) fn declaration(service: &'static str, name: &str) -> Declaration {
    Declaration {
        service,
        name: name.to_owned(),
        line: 1,
        skip: BTreeSet::new(),
        after: None,
        optional: false,
        settings: BTreeMap::new(),
    }
}

/// Returns the actions of `permissions`, each with its resource.
pub(crate) fn allowed(permissions: &[Permission]) -> Vec<(&'static str, &str)> {
    permissions.iter().map(|it| (it.action, it.resource.as_str())).collect()
}

/// Returns the name of the step that takes `step` back.
pub(crate) fn undo(step: &dyn Step) -> Option<String> {
    step.undo().map(|it| it.id().name)
}

/// Makes a store in `folder`, or corrects the pointer of the one that is there.
pub(crate) async fn adopted(folder: &Path, active: StackReference) -> Store {
    let pointer = Pointer { active, since: START, reason: "test".to_owned() };
    let owner = Owner { name: "7 on here".to_owned(), clock: Clock::following_tokio(START) };
    let storage = Arc::new(FileStorage::new(folder, "shop"));
    Store::adopt(storage, "shop", &owner, pointer).await.unwrap()
}

/// A pair of queues `<name>-a` and `<name>-b`, with messages as a test says.
#[derive(Debug)]
pub(crate) struct Queue {
    names: Pair<String>,
    feed: Feed,
    messages: Mutex<Messages>,
}

impl Queue {
    /// Makes the pair; each of its queues is drained after a minute, and has these messages.
    pub(crate) fn new(name: &str, feed: Feed, total: u64, in_flight: u64) -> Arc<Self> {
        Arc::new(Self {
            names: Pair::from_fn(|stack| format!("{name}-{stack}")),
            feed,
            messages: Mutex::new(Messages { total, in_flight }),
        })
    }

    /// Changes the messages of both queues.
    pub(crate) fn set(&self, total: u64, in_flight: u64) {
        *self.messages.lock().unwrap() = Messages { total, in_flight };
    }
}

#[async_trait]
impl SourceQueue for Queue {
    fn name(&self, stack: StackReference) -> &str {
        self.names.of(stack)
    }

    fn feed(&self) -> Feed {
        self.feed
    }

    fn drained_for(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn messages(&self, _context: &Context<'_>, _stack: StackReference) -> Result<Messages> {
        Ok(*self.messages.lock().unwrap())
    }
}
