//! Running one step: look, act where needed, look again until it is done.

use std::{
    cell::Cell,
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use bluegreen_core::wait::{self, Look, Pace};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Context, Effect, Engine, Entry, Error, Event, Inspection, Phase, Result, Step, StepEvent,
    StepId, StepReport, StepState, Store, chain, engine::asked_both_off, step::Waits,
    store::Happened,
};

/// How long the steps of a service may take, unless the stack file says otherwise.
const DEADLINE: Duration = Duration::from_secs(600);

/// How long those of Aurora may take: clusters start in minutes, readers come in a quarter of an hour.
const AURORA_DEADLINE: Duration = Duration::from_secs(3600);

/// How long what speaks against an act is waited out.
pub(crate) const OBJECTIONS_PASS: Duration = Duration::from_secs(600);

/// How long AWS may answer as if a change had not been made that it took.
const UNSEEN: Duration = Duration::from_secs(30);

/// Since when something speaks against an act, and what does now.
type Objected = Option<(Instant, Vec<String>)>;

/// A step that is to be brought about.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) step: Arc<dyn Step>,
    pub(crate) phase: Option<Phase>,
    /// The step that it takes back.
    pub(crate) undoes: Option<Arc<dyn Step>>,
}

impl Task {
    pub(crate) fn new(step: &Arc<dyn Step>, phase: Option<Phase>) -> Self {
        Self { step: Arc::clone(step), phase, undoes: None }
    }

    /// Returns what takes `step` of `phase` back, if anything does.
    pub(crate) fn undoing(step: &Arc<dyn Step>, phase: Phase) -> Option<Self> {
        let undo = step.undo()?;
        Some(Self { step: undo, phase: Some(phase), undoes: Some(Arc::clone(step)) })
    }

    /// Returns what it is called in the journal: an undo is an event of the step that it takes back.
    pub(crate) fn id(&self) -> StepId {
        self.undoes.as_ref().unwrap_or(&self.step).id()
    }

    fn started(&self) -> StepEvent {
        if self.undoes.is_some() { StepEvent::UndoStarted } else { StepEvent::Started }
    }

    fn succeeded(&self) -> StepEvent {
        if self.undoes.is_some() { StepEvent::UndoSucceeded } else { StepEvent::Succeeded }
    }

    fn failed(&self) -> StepEvent {
        if self.undoes.is_some() { StepEvent::UndoFailed } else { StepEvent::Failed }
    }

    /// Returns for how long yet a look may not show what the step has just done that is to be taken back: AWS answers
    /// for some seconds as if it had not been done, which is how it is to be in the end.
    fn unseen(&self, store: &Store, now: SystemTime) -> Option<Duration> {
        let key = self.undoes.as_ref()?.id().key();
        let release = store.release()?;
        let own = |it: &&Entry| it.step == key && it.event == StepEvent::Started;
        let acted = release.journal.entries().iter().rfind(own)?.at;
        (acted + UNSEEN).duration_since(now).ok().filter(|it| !it.is_zero())
    }

    /// Returns what is finished with when it has succeeded: what it has remembered itself, and what the step
    /// had that is taken back.
    fn memory(&self) -> Vec<String> {
        let undone = self.undoes.as_ref().and_then(|it| it.memory());
        self.step.memory().into_iter().chain(undone).collect()
    }
}

impl Engine {
    /// Brings a step about and reports what came of it. `stop` ends it as long as it has not changed
    /// anything; after that only the engine's own cancellation does.
    ///
    /// Immediately before each act the guards look at pointer and traffic again. An act whose outcome is
    /// unknown, or that was throttled, is followed by a look like any other.
    pub(crate) async fn run_step(
        &self,
        store: &Store,
        task: &Task,
        warnings: &Mutex<BTreeSet<String>>,
        stop: &CancellationToken,
    ) -> StepReport {
        let id = task.step.id().to_string();
        bluegreen_core::during(id, self.bring_about(store, task, warnings, stop)).await
    }

    async fn bring_about(
        &self,
        store: &Store,
        task: &Task,
        warnings: &Mutex<BTreeSet<String>>,
        stop: &CancellationToken,
    ) -> StepReport {
        let Task { step, phase, .. } = task;
        let id = step.id();
        let (began, began_at) = (Instant::now(), self.clock.now());
        tracing::info!(step = %id, "begins");
        (self.watcher)(Event::StepStarted { step: id.clone() });
        step.begin();

        let own_warnings = Mutex::default();
        let change = Mutex::new(None);
        let objected: Mutex<Objected> = Mutex::new(None);
        let pace = Pace {
            first_look: self.pace.first_look,
            longest_look: self.pace.longest_look,
            deadline: step.deadline().unwrap_or_else(|| self.deadline(&id)) + step.lasts(),
        };
        let left = Cell::new(None);
        let progress = |it: wait::Progress<'_>| {
            let (step, waiting_for) = (id.clone(), it.waiting_for.to_owned());
            let (elapsed, left) = (it.elapsed, left.get());
            (self.watcher)(Event::StepWaits { step, waiting_for, elapsed, left });
        };
        let waits = |what: String| {
            let (step, elapsed) = (id.clone(), began.elapsed());
            (self.watcher)(Event::StepWaits { step, waiting_for: what, elapsed, left: None });
        };
        let mut acted_last_time = false;
        let waited = Cell::new(false);
        let name = id.to_string();
        let waiting = wait::until(&name, pace, &self.cancel, progress, async || {
            let round =
                self.round(store, task, &own_warnings, &change, &objected, Waits(&waits)).await;
            let fresh_act = matches!(round, Ok(Look::Acted(_))) && !acted_last_time;
            acted_last_time = matches!(round, Ok(Look::Acted(_)));
            left.set(match &round {
                Ok(Look::Due(_, left)) => Some(*left),
                _ => None,
            });
            match round {
                // An act that has to be repeated is repeated at the pace of looking.
                Ok(Look::Acted(what)) if !fresh_act => Ok(Look::Waiting(what)),
                Ok(look) => Ok(match look {
                    Look::Ready(()) => Look::Ready(Ok(())),
                    Look::Waiting(what) => {
                        waited.set(true);
                        Look::Waiting(what)
                    }
                    Look::Due(what, left) => {
                        waited.set(true);
                        Look::Due(what, left)
                    }
                    Look::Acted(what) => Look::Acted(what),
                }),
                Err(Error::Toolkit(err)) if err.is_transient() => Err(err),
                Err(err) => Ok(Look::Ready(Err(err))),
            }
        });
        let stopped = async {
            stop.cancelled().await;
            if lock(&change).is_some() {
                std::future::pending::<()>().await;
            }
        };
        let ended = tokio::select! {
            biased;
            ended = waiting => ended,
            () = stopped => Err(bluegreen_core::Error::Interrupted { what: name.clone() }),
        };
        let change = change.into_inner().unwrap_or_else(|err| err.into_inner());
        let mut result = ended.map_err(Error::from).flatten();
        // What was waited out to the deadline is why, not that time has passed.
        if let Err(Error::Toolkit(bluegreen_core::Error::DeadlinePassed { .. })) = &result
            && let Some((_, reasons)) = lock(&objected).take()
        {
            result = Err(Error::Refused { reasons });
        }
        let written = task.id();
        let happened = |event| Happened {
            began: Some(began_at),
            ..Happened::new(&written, event, self.clock.now())
        };
        match &result {
            Ok(()) => {
                let happened = Happened { memory: task.memory(), ..happened(task.succeeded()) };
                result = store.happened(happened).await;
            }
            Err(err) if failed_state(err) == StepState::Failed => {
                let error = Some(chain(err));
                let happened = Happened { error, ..happened(task.failed()) };
                // What failed says more than that it could not be written down.
                if let Err(unwritten) = store.happened(happened).await {
                    tracing::error!(step = %id, "not in the journal: {}", chain(&unwritten));
                }
            }
            Err(_) => {}
        }

        let own_warnings = own_warnings.into_inner().unwrap_or_else(|err| err.into_inner());
        for text in own_warnings {
            let new = warnings.lock().unwrap_or_else(|err| err.into_inner()).insert(text.clone());
            if new {
                tracing::warn!(step = %id, "{text}");
                (self.watcher)(Event::Warning { text });
            }
        }
        let state = match &result {
            Ok(()) if change.is_some() => StepState::Changed,
            Ok(()) => StepState::Done,
            Err(err) => failed_state(err),
        };
        let (from, to) = change.unzip();
        let report = StepReport {
            from,
            to,
            error: result.err().map(|err| chain(&err)),
            took: Some(began.elapsed()),
            waited: waited.get(),
            ..step_report(step.as_ref(), *phase, state)
        };
        tracing::info!(step = %id, state = ?report.state, error = report.error, "ended");
        (self.watcher)(Event::StepEnded { report: report.clone() });
        report
    }

    /// Looks at the step once, and acts if that is needed.
    async fn round(
        &self,
        store: &Store,
        task: &Task,
        warnings: &Mutex<BTreeSet<String>>,
        change: &Mutex<Option<(String, String)>>,
        objected: &Mutex<Objected>,
        waits: Waits<'_>,
    ) -> Result<Look<()>> {
        let step = task.step.as_ref();
        let _slot = self.slots.acquire().await;
        let context = self.context(store, warnings, self.rounds.begin());
        let context = Context { is_turn: true, waits: Some(waits), ..context };
        let seen = step.inspect(&context).await?;
        tracing::debug!(step = %step.id(), ?seen, "looked");
        let (from, to) = match seen {
            Inspection::Done => {
                let unseen = task.unseen(store, self.clock.now());
                return Ok(match unseen.filter(|_| lock(change).is_none()) {
                    Some(left) => Look::Due("what was just changed to be seen".to_owned(), left),
                    None => Look::Ready(()),
                });
            }
            Inspection::Underway { what } => return Ok(Look::Waiting(what)),
            Inspection::Settling { what, left } => return Ok(Look::Due(what, left)),
            Inspection::Unknown { after } => return Ok(Look::Waiting(format!("`{after}`"))),
            Inspection::Blocked { reasons } => return Err(Error::Refused { reasons }),
            Inspection::Inconclusive { reason } => return Err(Error::Inconclusive { reason }),
            Inspection::Needed { from, to } => (from, to),
        };
        self.guard(store, step).await?;
        if let Some(what) = self.objected(store, task, &context, objected).await? {
            return Ok(Look::Waiting(what));
        }
        store.check_lease()?;
        store.happened(Happened::new(&task.id(), task.started(), self.clock.now())).await?;
        (self.watcher)(Event::StepActs { step: step.id(), from: from.clone(), to: to.clone() });
        match &mut *lock(change) {
            // What came first is how it was; what comes last is how it is to be.
            Some((_, last)) => *last = to,
            none => *none = Some((from, to)),
        }
        // Writing it down may have taken as long as the lease lives: what was stopped then must not act when it goes on.
        store.check_lease()?;
        step.apply(&context).await?;
        Ok(Look::Acted("the change to settle".to_owned()))
    }

    /// Asks what speaks against the act. What does is waited out for some minutes, and then refused; of a step by
    /// itself it is only told, and of one that takes another back too, unless it would leave both stacks off.
    async fn objected(
        &self,
        store: &Store,
        task: &Task,
        context: &Context<'_>,
        since: &Mutex<Objected>,
    ) -> Result<Option<String>> {
        let step = task.step.as_ref();
        let release = store.release().filter(|_| task.phase.is_some());
        let Some(release) = release.filter(|_| task.undoes.is_none()) else {
            match step.objections(context).await {
                Ok(objections) => objections.iter().for_each(|it| context.warn(it.to_string())),
                Err(err) => context.warn(chain(&err)),
            }
            let both_off = asked_both_off(task, context).await;
            if task.phase.is_none() {
                match both_off {
                    Ok(both_off) => both_off.iter().for_each(|it| context.warn(it.to_string())),
                    Err(err) => context.warn(chain(&err)),
                }
                return Ok(None);
            }
            let both_off = both_off?;
            let first = both_off.first().map(|it| it.reason.clone());
            return wait_out(first, both_off.iter().map(ToString::to_string).collect(), since);
        };
        let mut objections = step.objections(context).await?;
        objections.extend(asked_both_off(task, context).await?);
        let first = objections.first().map(|it| it.reason.clone());
        wait_out(first, self.not_let_through(&release, objections, context.warnings), since)
    }

    fn deadline(&self, step: &StepId) -> Duration {
        let usual = if step.subject() == "aurora" { AURORA_DEADLINE } else { DEADLINE };
        self.pace.deadline(&step.name).unwrap_or(usual)
    }
}

/// Lets what is objected to pass for some minutes, and refuses it then.
fn wait_out(
    first: Option<String>,
    reasons: Vec<String>,
    since: &Mutex<Objected>,
) -> Result<Option<String>> {
    let mut since = lock(since);
    let Some(first) = first.filter(|_| !reasons.is_empty()) else {
        *since = None;
        return Ok(None);
    };
    let began = since.as_ref().map_or_else(Instant::now, |(began, _)| *began);
    if began.elapsed() >= OBJECTIONS_PASS {
        return Err(Error::Refused { reasons });
    }
    *since = Some((began, reasons));
    Ok(Some(format!("this to pass: {first}")))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the report of a step that was only looked at.
pub(crate) fn looked_report(step: &dyn Step, phase: Phase, seen: Result<Inspection>) -> StepReport {
    let report = |state| step_report(step, Some(phase), state);
    match seen {
        Ok(Inspection::Done) => report(StepState::Done),
        Ok(Inspection::Needed { from, to }) => {
            StepReport { from: Some(from), to: Some(to), ..report(StepState::Needed) }
        }
        Ok(Inspection::Underway { what } | Inspection::Settling { what, .. }) => {
            StepReport { waiting_for: Some(what), ..report(StepState::Underway) }
        }
        Ok(Inspection::Unknown { after }) => {
            StepReport { waiting_for: Some(after), ..report(StepState::Unknown) }
        }
        Ok(Inspection::Blocked { reasons }) => {
            StepReport { error: Some(reasons.join("; ")), ..report(StepState::Refused) }
        }
        Ok(Inspection::Inconclusive { reason }) => {
            StepReport { error: Some(reason), ..report(StepState::Inconclusive) }
        }
        Err(err) => StepReport { error: Some(chain(&err)), ..report(failed_state(&err)) },
    }
}

/// Returns a report of which nothing but the state is known.
pub(crate) fn step_report(step: &dyn Step, phase: Option<Phase>, state: StepState) -> StepReport {
    StepReport {
        step: step.id(),
        phase,
        state,
        from: None,
        to: None,
        waiting_for: None,
        waited: false,
        error: None,
        took: None,
        undo: step.undo().map(|it| it.id().name),
        destroys: matches!(step.effect(), Effect::Destroys(_)),
        irreversible: step.effect() != Effect::Harmless && step.undo().is_none(),
        permissions: step.permissions(),
    }
}

/// Returns whether an error ends the work without anything having failed.
pub(crate) fn interrupts(err: &Error) -> bool {
    failed_state(err) == StepState::Interrupted
}

fn failed_state(err: &Error) -> StepState {
    match err {
        Error::Refused { .. } => StepState::Refused,
        Error::Inconclusive { .. } => StepState::Inconclusive,
        // Credentials that have expired interrupt a release, they do not fail it.
        Error::Toolkit(
            bluegreen_core::Error::Interrupted { .. } | bluegreen_core::Error::Credentials { .. },
        )
        | Error::LeaseLost { .. } => StepState::Interrupted,
        _ => StepState::Failed,
    }
}
