//! What the engine tells: [`Event`] while it works, [`Report`] and [`Status`] at the end.

use std::{collections::BTreeMap, error::Error as StdError, time::Duration};

use bluegreen_core::StackReference;
use serde::{Deserialize, Serialize};

use crate::{
    Entry, Error, Holder, Moment, Permission, Phase, Pointer, Release, StepId, WayBack, Word,
};

/// Something that happened while the engine was at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The engine looks at this many steps before anything is changed.
    Looking {
        /// How many.
        steps: usize,
    },
    /// A release was opened, or is gone on with.
    Release {
        /// Its id.
        id: String,
        /// Whether it was open already.
        resumed: bool,
    },
    /// A release is taken back.
    TakesBack {
        /// Its id.
        id: String,
        /// How many steps are to be taken back.
        steps: usize,
    },
    /// A phase has begun.
    PhaseStarted {
        /// Which.
        phase: Phase,
        /// How many steps it has left.
        steps: usize,
    },
    /// The guardrails before a phase are asked.
    Guards {
        /// Which phase.
        phase: Phase,
        /// How much time is between their two looks.
        lasts: Duration,
    },
    /// A phase has ended well.
    PhaseEnded {
        /// Which.
        phase: Phase,
    },
    /// A step has begun.
    StepStarted {
        /// Which.
        step: StepId,
    },
    /// A step is about to change something.
    StepActs {
        /// Which.
        step: StepId,
        /// How it is.
        from: String,
        /// How it should be.
        to: String,
    },
    /// A step waits.
    StepWaits {
        /// Which.
        step: StepId,
        /// What for.
        waiting_for: String,
        /// The time since it began.
        elapsed: Duration,
        /// How long it will take from now at most, if that is known: settling, holding.
        left: Option<Duration>,
    },
    /// A step says something that somebody should act on.
    Warning {
        /// What.
        text: String,
    },
    /// A step has ended.
    StepEnded {
        /// How.
        report: StepReport,
    },
}

/// What came of a plan or a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The release, if one is or was open.
    pub release: Option<String>,
    /// The stack that is to become active.
    pub to: StackReference,
    /// The stack that was active in the end.
    pub active: StackReference,
    /// Every step that was looked at, in order.
    pub steps: Vec<StepReport>,
    /// What is not there, besides what steps have reported.
    pub missing: Vec<String>,
    /// Why it was refused.
    pub refusals: Vec<String>,
    /// What somebody should act on.
    pub warnings: Vec<String>,
}

/// How a plan or a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything that was asked for is done.
    Done,
    /// The stack was active already; nothing was done.
    AlreadyThere,
    /// It was looked at, and nothing was changed.
    Planned,
    /// Something is missing or could not be looked at; nothing was changed.
    Failed,
    /// A guard or a check said no.
    Refused,
    /// A step failed; the release is open, and the same command goes on with it.
    Paused,
    /// A gate asks a person; the release is open, and the same command goes on with it.
    Inconclusive,
    /// A step failed after production had moved; the same command goes on with it.
    RetireIncomplete,
    /// The release was taken back: production is where it was before.
    TakenBack,
    /// A step could not be taken back: it stays open, and the same command goes on there.
    Stuck,
    /// The release has ended in favour of one in the other direction.
    Reversed,
    /// It was told to stop; the release is open, and the same command goes on with it.
    Interrupted,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepReport {
    /// Its name, stack and resource.
    #[serde(flatten)]
    pub step: StepId,
    /// Its phase; none when it ran by itself.
    pub phase: Option<Phase>,
    /// How it is.
    pub state: StepState,
    /// How it was.
    pub from: Option<String>,
    /// How it should be, or is.
    pub to: Option<String>,
    /// What it waits for, or after which step it can be known.
    pub waiting_for: Option<String>,
    /// Whether it has waited for something, such as time to pass.
    #[serde(skip)]
    pub waited: bool,
    /// Why it failed, with its causes, or what it asks.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    #[serde(rename = "took-ms", serialize_with = "milliseconds")]
    pub took: Option<Duration>,
    /// The name of the step that takes it back; none when it cannot be taken back.
    pub undo: Option<String>,
    /// Whether it destroys something.
    pub destroys: bool,
    /// Whether nothing takes it back.
    pub irreversible: bool,
    /// The permissions that it uses.
    pub permissions: Vec<Permission>,
}

/// How a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// It is as it should be, and was so before.
    Done,
    /// It was changed, and is as it should be.
    Changed,
    /// It has to be changed.
    Needed,
    /// It is on its way.
    Underway,
    /// It cannot be known before another step is done.
    Unknown,
    /// It was refused.
    Refused,
    /// It failed.
    Failed,
    /// It is a gate that asks a person.
    Inconclusive,
    /// It was stopped before it was done.
    Interrupted,
    /// Its turn did not come.
    Pending,
}

impl StepReport {
    /// Returns whether it stands in the way of going on.
    pub fn is_bad(&self) -> bool {
        matches!(self.state, StepState::Refused | StepState::Failed | StepState::Inconclusive)
    }
}

/// How everything is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// Which stack is active; none without a store.
    pub pointer: Option<Pointer>,
    /// Where traffic is, or why that is not known.
    pub traffic: String,
    /// Whether pointer and traffic agree.
    pub agrees: bool,
    /// The open release.
    pub release: Option<OpenRelease>,
    /// What taking the open release back would mean now.
    #[serde(skip)]
    pub rollback: Option<WayBack>,
    /// Who holds the lease: works on the stack file, or did when it ended without giving it back.
    pub holder: Option<Holder>,
    /// Every resource of both stacks.
    pub resources: Vec<ResourceStatus>,
}

/// How far a release is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OpenRelease {
    /// Its id, sortable by time.
    pub id: String,
    /// The stack that is to become active.
    pub target: StackReference,
    /// When it was opened.
    pub opened: Moment,
    /// Who opened it: process and host.
    pub by: String,
    /// The release that it is the way back from, if that had begun to switch its old stack off.
    pub reverses: Option<String>,
    /// The last phase that somebody has asked it to go on to.
    pub until: Phase,
    /// The first phase that has not ended.
    pub phase: Option<Phase>,
    /// Since when it is being taken back.
    pub going_back: Option<Moment>,
    /// The steps that have failed, with the last that happened to each.
    pub failed: Vec<Entry>,
    /// The steps that could not be taken back, with the last that happened to each.
    pub stuck: Vec<Entry>,
    /// The guardrails that somebody lets it pass, by their names.
    pub overrides: BTreeMap<String, Word>,
    /// The steps that have succeeded, by [`StepId::key`], and when.
    pub succeeded: BTreeMap<String, Moment>,
    /// The phases that have ended, and when.
    pub phases: BTreeMap<Phase, Moment>,
}

impl From<&Release> for OpenRelease {
    fn from(release: &Release) -> Self {
        let journal = &release.journal;
        let entries = |all: Vec<&Entry>| all.into_iter().cloned().collect();
        Self {
            id: release.id.clone(),
            target: release.target,
            opened: Moment(release.opened),
            by: release.by.clone(),
            reverses: release.reverses.clone(),
            until: release.until,
            phase: Phase::ALL.into_iter().find(|it| !release.phases.contains_key(it)),
            going_back: release.going_back,
            failed: entries(journal.failed()),
            stuck: entries(journal.stuck()),
            overrides: release.overrides.clone(),
            succeeded: journal.succeeded(),
            phases: release.phases.clone(),
        }
    }
}

/// How a resource of one stack is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResourceStatus {
    /// Its name, `service.name`.
    pub resource: String,
    /// The stack.
    pub stack: StackReference,
    /// How it is.
    pub state: Option<String>,
    /// Why that is not known.
    pub error: Option<String>,
}

/// Returns the messages of an error and of all its causes.
pub fn chain(err: &Error) -> String {
    let mut text = err.to_string();
    // A transparent error is its own cause's message.
    let mut cause = err.source();
    while let Some(it) = cause {
        let message = it.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = it.source();
    }
    text
}

fn milliseconds<S: serde::Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(it) => serializer.serialize_u64(u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
        None => serializer.serialize_none(),
    }
}
