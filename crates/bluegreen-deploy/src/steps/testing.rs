//! What the tests of steps share: a world around a step, with a paused clock and a store in memory.

use std::{
    collections::BTreeSet,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use bluegreen_core::{Clock, StackReference};

use crate::{
    Context, Declaration, Inspection, Limits, Permission, Pointer, Result, Rounds, Step, Store,
};

/// The time of day at which every test begins.
pub(crate) const START: SystemTime = SystemTime::UNIX_EPOCH;

/// What a step sees besides its own resource, made for one test.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) warnings: Mutex<BTreeSet<String>>,
    clock: Clock,
    limits: Limits,
    rounds: Rounds,
}

impl World {
    /// Makes a world in which `active` serves production and a release to its partner is open.
    pub(crate) fn new(active: StackReference) -> Self {
        let pointer = Pointer { active, since: START, reason: "test".to_owned() };
        let store = Store::in_memory("shop", pointer);
        store.open_release(active.partner(), START).unwrap();
        Self {
            store,
            warnings: Mutex::default(),
            clock: Clock::following_tokio(START + Duration::from_secs(1_000)),
            limits: Limits::default(),
            rounds: Rounds::default(),
        }
    }

    /// Returns a context of a new round.
    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            round: self.rounds.begin(),
            limits: &self.limits,
            clock: &self.clock,
            store: &self.store,
            warnings: &self.warnings,
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
    }
}

/// Returns the actions of `permissions`, each with its resource.
pub(crate) fn allowed(permissions: &[Permission]) -> Vec<(&'static str, &str)> {
    permissions.iter().map(|it| (it.action, it.resource.as_str())).collect()
}
