//! [`Release`], a move of production from one stack to the other, and what is kept of it.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use bluegreen_core::StackReference;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Journal, StepEvent};
use crate::{Outcome, Phase};

/// Which stack is active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pointer {
    /// The stack that serves production.
    pub active: StackReference,
    /// Since when.
    #[serde(with = "humantime_serde")]
    pub since: SystemTime,
    /// Why: the release that moved it, or what a person gave as the reason.
    pub reason: String,
}

/// A move of production from one stack to the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Release {
    /// Its id, sortable by time.
    pub id: String,
    /// The stack that is to become active.
    pub target: StackReference,
    /// When it was opened.
    #[serde(with = "humantime_serde")]
    pub opened: SystemTime,
    /// Who opened it: process and host.
    pub by: String,
    /// The hash of its plan: of steps, targets and settings, never of what was seen.
    pub plan: String,
    /// How it came to be, if it is a way back from a release that had begun to retire the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<String>,
    /// The last phase that somebody has asked it to go on to; all of them in records of before that was kept.
    #[serde(default = "whole")]
    pub until: Phase,
    /// The phases that have ended, and when.
    pub phases: BTreeMap<Phase, Moment>,
    /// Since when it is being taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub going_back: Option<Moment>,
    /// The guardrails that somebody lets it pass, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, Word>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ending>,
    /// What happened to its steps.
    #[serde(skip)]
    pub journal: Arc<Journal>,
    #[serde(skip)]
    pub(super) notes: Arc<BTreeMap<String, Value>>,
}

impl Release {
    /// Returns what people have said about its gates, by the gates' names: `approved`, `who`, `reason`, `at`.
    pub fn verdicts(&self) -> BTreeMap<String, Value> {
        let verdicts = self.notes.iter().filter_map(|(key, value)| {
            Some((key.strip_prefix("verdict/")?.to_owned(), value.clone()))
        });
        verdicts.collect()
    }

    /// Returns the ECS tasks that it has started and not seen to end, with their steps. The ARN of one is not known when
    /// AWS's answer got lost.
    pub(crate) fn unended_tasks(&self) -> Vec<(&str, Option<&str>)> {
        let last = self.journal.last();
        let tasks = self.notes.iter().filter_map(|(key, task)| {
            let step = key.strip_prefix("task/")?;
            let ended_well = last.get(step).is_some_and(|it| it.event == StepEvent::Succeeded);
            let ended = ended_well || task.get("ended").and_then(Value::as_bool) == Some(true);
            (!ended).then(|| (step, task.get("arn").and_then(Value::as_str)))
        });
        tasks.collect()
    }
}

fn whole() -> Phase {
    Phase::Retire
}

/// How a release ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ending {
    /// When.
    pub at: Moment,
    /// How.
    pub outcome: Outcome,
}

/// What somebody has said about a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Word {
    /// Who: process and host.
    pub who: String,
    /// When.
    pub at: Moment,
    /// Why.
    pub reason: String,
}

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(#[serde(with = "humantime_serde")] pub SystemTime);

/// How something was before a step changed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Remembered {
    pub(super) value: Value,
    /// Whether the step that remembered it has ended; until then it is never overwritten.
    pub(super) finished: bool,
    /// Whether it is what the partner's settings said, and not what was there.
    #[serde(default)]
    pub(super) model: bool,
}

/// Makes the id of a release that is opened now.
pub(super) fn release_id(now: SystemTime) -> String {
    // 2026-11-22T22:54:07.123456Z without its punctuation: sortable, and short enough to type.
    humantime::format_rfc3339_micros(now).to_string().replace(['-', ':', '.'], "")
}
