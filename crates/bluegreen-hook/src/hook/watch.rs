//! [`Watch`], which makes logs and metrics of what the engine tells, and knows what it waits for.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bluegreen_deploy::{Event, Report, StepId, StepReport, StepState, Watcher};
use serde::Serialize;

use super::{Hook, Lines};
use crate::{
    invocation::Invocation,
    metrics::{Metrics, StepEnded},
};

/// How soon it is worth looking again at what nobody knows the end of.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The same for what takes many minutes: a cluster that starts, a database that is filled.
const LOOK_AGAIN_AT_SLOW: Duration = Duration::from_secs(60);

/// The bounds of how soon ECS is asked to call again.
const SOONEST: Duration = Duration::from_secs(10);
const LATEST: Duration = Duration::from_secs(300);

/// Hears what the engine tells.
pub(super) struct Watch {
    invocation: Invocation,
    lines: Lines,
    metrics: Mutex<Metrics>,
    waits: Mutex<BTreeMap<String, Wait>>,
    steps: Mutex<BTreeMap<String, Seen>>,
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wait {
    /// What.
    waiting_for: String,
    /// How soon it is worth looking again.
    again: Duration,
}

/// What was seen of a step that has not ended.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// How many times it has acted.
    acts: u32,
    /// After what time it waited first.
    waits_since: Option<Duration>,
}

impl Watch {
    /// Makes one for the stack file of this name.
    pub(super) fn new(stack_file: &str, hook: &Hook, invocation: &Invocation) -> Self {
        Self {
            invocation: invocation.clone(),
            lines: Arc::clone(&hook.settings.metrics),
            metrics: Mutex::new(Metrics::new(stack_file, invocation)),
            waits: Mutex::default(),
            steps: Mutex::default(),
        }
    }

    /// Returns what hands it the engine's events.
    pub(super) fn hears(watch: &Arc<Self>) -> Watcher {
        let watch = Arc::clone(watch);
        Arc::new(move |event| watch.hear(&event))
    }

    /// Returns how soon it is worth to look again, from 10 s to 5 minutes: as soon as the first of all that is waited
    /// for may be over.
    pub(super) fn again(&self) -> Duration {
        let soonest = lock(&self.waits).values().map(|it| it.again).min();
        soonest.unwrap_or(LOOK_AGAIN).clamp(SOONEST, LATEST)
    }

    /// Returns what is waited for, with the steps that do.
    pub(super) fn waiting_for(&self) -> Vec<String> {
        let waits = lock(&self.waits);
        waits.iter().map(|(step, wait)| format!("{step}: {}", wait.waiting_for)).collect()
    }

    /// Counts how a run has ended.
    pub(super) fn ended(&self, report: &Report) {
        let outcome = word(report.outcome);
        tracing::info!(outcome, "the run has ended");
        let document = lock(&self.metrics).outcome(&outcome, "release", self.invocation.elapsed());
        (self.lines)(document.to_string());
    }

    fn hear(&self, event: &Event) {
        match event {
            Event::Release { id, resumed } => {
                tracing::Span::current().record("release", id);
                let mut metrics = lock(&self.metrics);
                *metrics = metrics.clone().of_release(id);
                tracing::info!(resumed, "the release is gone on with");
            }
            Event::TakesBack { id, steps } => {
                tracing::Span::current().record("release", id);
                tracing::warn!(steps, "the release is taken back");
            }
            Event::StepWaits { step, waiting_for, elapsed, left } => {
                tracing::info!(waiting_for, "waits");
                let step_name = step.to_string();
                let again = left.unwrap_or_else(|| usual(step));
                let wait = Wait { waiting_for: waiting_for.clone(), again };
                lock(&self.steps)
                    .entry(step_name.clone())
                    .or_default()
                    .waits_since
                    .get_or_insert(*elapsed);
                lock(&self.waits).insert(step_name, wait);
            }
            Event::StepActs { step, from, to } => {
                tracing::info!(from, to, "acts");
                lock(&self.steps).entry(step.to_string()).or_default().acts += 1;
                lock(&self.waits).remove(&step.to_string());
            }
            Event::StepEnded { report } => {
                let name = report.step.to_string();
                // What was stopped in its wait still waits.
                if report.state != StepState::Interrupted {
                    lock(&self.waits).remove(&name);
                }
                let seen = lock(&self.steps).remove(&name).unwrap_or_default();
                let document = lock(&self.metrics).step_ended(&ended(report, seen));
                if let Some(document) = document {
                    (self.lines)(document.to_string());
                }
            }
            Event::Warning { text } => tracing::warn!("{text}"),
            Event::Looking { .. }
            | Event::PhaseStarted { .. }
            | Event::Guards { .. }
            | Event::PhaseEnded { .. }
            | Event::StepStarted { .. } => tracing::debug!(?event, "heard"),
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("waits", &lock(&self.waits)).finish_non_exhaustive()
    }
}

fn ended(report: &StepReport, seen: Seen) -> StepEnded {
    let waited = report.took.zip(seen.waits_since).map(|(took, since)| took.saturating_sub(since));
    StepEnded {
        step: report.step.name.clone(),
        resource: report.step.resource.clone(),
        state: word(report.state),
        took: report.took,
        waited,
        retries: Some(seen.acts.saturating_sub(1)),
    }
}

/// Returns the word by which reports tell it: `retire-incomplete`.
fn word(told: impl Serialize) -> String {
    match serde_json::to_value(told) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn usual(step: &StepId) -> Duration {
    match step.subject() {
        "aurora" | "schema" => LOOK_AGAIN_AT_SLOW,
        _ => LOOK_AGAIN,
    }
}
