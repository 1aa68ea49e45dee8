//! [`Step`], the one thing that the engine knows, and what it says and needs.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bluegreen_core::{Clock, StackReference};
use serde::{Serialize, de::DeserializeOwned};

use tokio_util::sync::CancellationToken;

use crate::{
    Command, Ended, Entry, Error, HttpAnswer, HttpRequest, Limits, Listener, Objection, Outside,
    Permission, Result, Round, StepEvent, Store, Verdict,
};

/// The note of what was off on the active stack when the release was opened.
pub(crate) const WAS_OFF: &str = "active-off";

/// One idempotent action on one resource of one stack.
///
/// Its look serves for everything: the plan, the difference, whether to act at all, waiting, and
/// checking afterwards.
#[async_trait]
pub trait Step: fmt::Debug + Send + Sync {
    /// Returns what it is called, and on what it acts.
    fn id(&self) -> StepId;

    /// Returns what it can do to a stack, from which follows when it is refused.
    fn effect(&self) -> Effect;

    /// Is told that its turn has come, before the first look at it that counts: what earlier looks
    /// have kept in the step is forgotten.
    fn begin(&self) {}

    /// Looks, and never changes anything in AWS.
    ///
    /// A gate's look is its verdict: [`Inspection::Done`] passes, an error fails, and
    /// [`Inspection::Inconclusive`] asks a person. A gate, and a step that waits for what it has set to work, may
    /// [note](Context::set_note) what it has seen when it is its [turn](Context::is_turn).
    ///
    /// # Errors
    ///
    /// A missing resource is an error, unless the step is there to remove it.
    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection>;

    /// Makes the changes that are possible now, once, and returns as soon as AWS has taken them.
    ///
    /// It is called after each look that says [`Inspection::Needed`]. What the step must remember to
    /// be taken back is stored before the change.
    async fn apply(&self, context: &Context<'_>) -> Result<()>;

    /// Returns why it should not act now, asked in a release immediately before each act. The engine waits some
    /// minutes for objections to pass.
    async fn objections(&self, _context: &Context<'_>) -> Result<Vec<Objection>> {
        Ok(Vec::new())
    }

    /// Returns what it would leave off on both stacks: what it turns off and is off on the other one, named as there. It
    /// is asked like its [objections](Self::objections), on the way back too, where nobody lets it through.
    async fn leaves_off(&self, _context: &Context<'_>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Returns how long it may take; `None` is as long as the steps of its service may.
    fn deadline(&self) -> Option<Duration> {
        None
    }

    /// Returns how long it waits at least, once it has begun, for reasons known beforehand: settling,
    /// holding. It comes on top of its deadline.
    fn lasts(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns the step that takes this one back, if there is one.
    fn undo(&self) -> Option<Arc<dyn Step>> {
        None
    }

    /// Returns the permissions that `inspect` and `apply` use.
    fn permissions(&self) -> Vec<Permission>;

    /// Returns what the partner's settings say about how this stack should be, for a stack about which
    /// nothing is remembered yet: the key under which it would be remembered, and the value.
    ///
    /// It is asked before the release's first change, never later.
    async fn model(&self, _context: &Context<'_>) -> Result<Option<(String, serde_json::Value)>> {
        Ok(None)
    }

    /// Returns the key under which it remembers what was there before its change, or under which it finds
    /// that; its entry is finished when the step is.
    fn memory(&self) -> Option<String> {
        None
    }
}

/// What a step is called, and on what it acts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StepId {
    /// Its name, `<subject>.<action>`: `aurora.start`.
    #[serde(rename = "id")]
    pub name: String,
    /// The stack that it acts on.
    pub stack: StackReference,
    /// The resource's name without the service: `orders`; empty for steps that are about the whole.
    pub resource: String,
}

impl StepId {
    /// Makes the id of the step `name` on `resource` of `stack`.
    pub fn new(name: &str, resource: &str, stack: StackReference) -> Self {
        Self { name: name.to_owned(), stack, resource: resource.to_owned() }
    }

    /// Returns the part of the name before the dot: the service, or what the step is about.
    pub fn subject(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// Returns the text under which the state knows this step.
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.name, self.resource, self.stack)
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.resource.is_empty() {
            write!(f, "{} on {}", self.name, self.stack)
        } else {
            write!(f, "{} {} on {}", self.name, self.resource, self.stack)
        }
    }
}

/// What a look at a step has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspection {
    /// It is as it should be.
    Done,
    /// It has to be changed.
    Needed {
        /// How it is.
        from: String,
        /// How it should be.
        to: String,
    },
    /// It is on its way.
    Underway {
        /// What it waits for.
        what: String,
    },
    /// It will be as it should be in a time that is known.
    Settling {
        /// What it waits for.
        what: String,
        /// How long that takes at most, from now.
        left: Duration,
    },
    /// It must not be done as things are.
    Blocked {
        /// Why, and what to do about it: all reasons.
        reasons: Vec<String>,
    },
    /// It cannot be known before another step is done.
    Unknown {
        /// The name of that step, or of the phase.
        after: String,
    },
    /// A gate cannot tell whether it is good: a person must. The release pauses.
    Inconclusive {
        /// What is asked, and how to answer it.
        reason: String,
    },
}

/// What a step can do to a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that production would miss.
    Harmless,
    /// It turns something off, on this stack.
    Disables(StackReference),
    /// It destroys something that cannot be brought back, on this stack.
    Destroys(StackReference),
}

/// What a step sees besides its own resource.
#[derive(Debug)]
pub struct Context<'a> {
    /// When the look was asked for: see [`Shared`](crate::Shared).
    pub round: Round,
    /// The rates at which AWS takes certain calls.
    pub limits: &'a Limits,
    pub(crate) clock: &'a Clock,
    pub(crate) store: &'a Store,
    pub(crate) warnings: &'a Mutex<BTreeSet<String>>,
    pub(crate) outside: &'a dyn Outside,
    pub(crate) cancel: &'a CancellationToken,
    pub(crate) is_turn: bool,
    /// Hears what the step waits for while it looks or acts.
    pub(crate) waits: Option<Waits<'a>>,
}

/// Hears what a step waits for.
#[derive(Clone, Copy)]
pub(crate) struct Waits<'a>(pub(crate) &'a (dyn Fn(String) + Send + Sync));

impl fmt::Debug for Waits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waits")
    }
}

impl Context<'_> {
    /// Returns whether `stack` is the active one, by the pointer.
    pub fn is_active(&self, stack: StackReference) -> bool {
        self.store.pointer().active == stack
    }

    /// Returns whether the step's turn has come. Otherwise it is only looked at, for a plan or before a release:
    /// what has effects, or says nothing before the steps ahead are done, is left for later.
    pub fn is_turn(&self) -> bool {
        self.is_turn
    }

    /// Sends a GET request like [`Outside::http`], unless the lease is lost.
    ///
    /// # Errors
    ///
    /// Those of that; [`Error::LeaseLost`] as soon as it is.
    pub async fn http(&self, request: HttpRequest) -> Result<HttpAnswer> {
        self.while_leased(self.outside.http(request)).await
    }

    /// Runs a program like [`Outside::run`], unless the lease is lost. It is killed as soon as that is, or the engine
    /// is told to stop.
    ///
    /// # Errors
    ///
    /// Those of that; [`Error::LeaseLost`]; [`bluegreen_core::Error::Interrupted`].
    pub async fn run(&self, command: &Command, listener: &dyn Listener) -> Result<Ended> {
        let run = self.while_leased(self.outside.run(command, listener));
        tokio::select! {
            biased;
            ended = run => ended,
            () = self.cancel.cancelled() => {
                let what = format!("`{}`", command.words.join(" "));
                Err(bluegreen_core::Error::Interrupted { what }.into())
            }
        }
    }

    /// Returns what a person has said like [`Outside::verdict`].
    pub async fn verdict(&self, name: &str) -> Result<Option<Verdict>> {
        self.outside.verdict(name).await
    }

    /// Does something that is no call of AWS, for only as long as the lease is good.
    pub(crate) async fn while_leased<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.store.while_leased(work).await
    }

    /// Says what the step waits for while it looks or acts.
    pub(crate) fn waits_for(&self, what: String) {
        if let Some(Waits(hears)) = self.waits {
            hears(what);
        }
    }

    /// Returns the time of day.
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Returns the id of the open release; `None` for a step by itself.
    pub(crate) fn release_id(&self) -> Option<String> {
        self.store.release().map(|it| it.id.clone())
    }

    /// Returns whether the open release is being taken back.
    pub(crate) fn is_going_back(&self) -> bool {
        self.store.release().is_some_and(|it| it.going_back.is_some())
    }

    /// Returns whether the last that the journal says of `step` is that it failed.
    pub(crate) fn has_failed(&self, step: &StepId) -> bool {
        let Some(release) = self.store.release() else { return false };
        let last = release.journal.entries().iter().rfind(|it| it.step == step.key());
        last.is_some_and(|it| it.event == StepEvent::Failed)
    }

    /// Returns whether somebody has said that the release goes on without `step`.
    #[cfg(any(feature = "ecs", feature = "lambda", feature = "sns"))]
    pub(crate) fn is_skipped(&self, step: &StepId) -> bool {
        let Some(release) = self.store.release() else { return false };
        let key = step.key();
        release.journal.last().get(key.as_str()).is_some_and(|it| it.event == StepEvent::Skipped)
    }

    /// Returns what was off on the active stack when the release was opened, as its resources name it.
    #[cfg(any(feature = "ecs", feature = "lambda", feature = "sns"))]
    pub(crate) fn was_off(&self) -> Result<BTreeSet<String>> {
        Ok(self.note(WAS_OFF)?.unwrap_or_default())
    }

    /// Returns how many times the release has gone on under a plan that has changed `step`.
    pub(crate) fn outdated(&self, step: &StepId) -> usize {
        let Some(release) = self.store.release() else { return 0 };
        let outdated = |it: &&Entry| it.step == step.key() && it.event == StepEvent::Outdated;
        release.journal.entries().iter().filter(outdated).count()
    }

    /// Says something that somebody should act on, though the step goes on. Saying it again changes
    /// nothing.
    pub fn warn(&self, warning: impl Into<String>) {
        let mut warnings = self.warnings.lock().unwrap_or_else(|err| err.into_inner());
        warnings.insert(warning.into());
    }

    /// Returns what this release has noted under `key`.
    pub fn note<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.store.note(key).map(|it| self.read(key, it)).transpose()
    }

    /// Notes something under `key` until the release ends; it is in the store when this returns.
    pub async fn set_note(&self, key: &str, value: &(impl Serialize + Sync)) -> Result<()> {
        self.store.set_note(key, self.write(key, value)?).await
    }

    /// Returns what was remembered under `key`, by this release or an earlier one.
    pub fn remembered<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.store.remembered(key).map(|it| self.read(key, it)).transpose()
    }

    /// Remembers how something was before a change, to take it back by; it is in the store when this returns.
    ///
    /// What an unfinished step has remembered is never overwritten: it has changed a part already.
    pub async fn remember(&self, key: &str, value: &(impl Serialize + Sync)) -> Result<()> {
        self.store.remember(key, self.write(key, value)?).await
    }

    fn read<T: DeserializeOwned>(&self, key: &str, value: serde_json::Value) -> Result<T> {
        serde_json::from_value(value).map_err(|err| self.unreadable(key, err))
    }

    fn write(&self, key: &str, value: &impl Serialize) -> Result<serde_json::Value> {
        serde_json::to_value(value).map_err(|err| self.unreadable(key, err))
    }

    fn unreadable(&self, key: &str, err: serde_json::Error) -> Error {
        Error::Store {
            place: self.store.place(),
            what: format!("holds something else than expected under `{key}`"),
            source: Some(err.into()),
        }
    }
}
