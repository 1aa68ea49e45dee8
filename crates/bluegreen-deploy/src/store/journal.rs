//! [`Journal`], what happened to the steps of a release.

use std::{collections::BTreeMap, time::SystemTime};

use serde::{Deserialize, Serialize};

use super::Moment;
use crate::StepId;

/// What happened to the steps of a release, in order.
///
/// It is on disk before an act, and again after it: an act without its entry does not happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Journal(Vec<Entry>);

/// Something that happened to a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    /// The step, by [`StepId::key`].
    pub step: String,
    /// What happened.
    pub event: StepEvent,
    /// When.
    #[serde(with = "humantime_serde")]
    pub at: SystemTime,
    /// How many acts of the step there were by then, this one included.
    pub attempt: u32,
    /// Who did it: process and host.
    pub who: String,
    /// Why it failed, with its causes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What can happen to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepEvent {
    /// It is about to change something.
    Started,
    /// It is as it should be.
    Succeeded,
    /// It has failed.
    Failed,
}

impl Journal {
    /// Returns what happened, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Returns the steps whose last entry says that they have succeeded, by [`StepId::key`], and when.
    pub fn succeeded(&self) -> BTreeMap<String, Moment> {
        let last: BTreeMap<&str, &Entry> = self.0.iter().map(|it| (it.step.as_str(), it)).collect();
        let succeeded = last.into_iter().filter(|(_, it)| it.event == StepEvent::Succeeded);
        succeeded.map(|(step, it)| (step.to_owned(), Moment(it.at))).collect()
    }

    /// Adds an entry.
    pub(super) fn write(
        &mut self,
        step: &StepId,
        event: StepEvent,
        at: SystemTime,
        who: &str,
        error: Option<String>,
    ) {
        let step = step.key();
        let acts = self.0.iter().filter(|it| it.step == step && it.event == StepEvent::Started);
        let acts = u32::try_from(acts.count()).unwrap_or(u32::MAX);
        let attempt = if event == StepEvent::Started { acts.saturating_add(1) } else { acts };
        self.0.push(Entry { step, event, at, attempt, who: who.to_owned(), error });
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::StackReference::B;

    use super::*;

    #[test]
    fn a_step_has_succeeded_when_nothing_came_after_that_and_its_acts_are_counted() {
        let mut journal = Journal::default();
        let [enable, purge] = ["sns.enable", "sqs.purge"].map(|it| StepId::new(it, "x", B));
        let mut write = |step: &StepId, event| {
            journal.write(step, event, SystemTime::UNIX_EPOCH, "7 on here", None);
        };

        write(&enable, StepEvent::Started);
        write(&enable, StepEvent::Failed);
        write(&enable, StepEvent::Started);
        write(&enable, StepEvent::Succeeded);
        write(&purge, StepEvent::Succeeded);
        write(&purge, StepEvent::Started);

        assert_eq!(journal.succeeded().keys().collect::<Vec<_>>(), ["sns.enable/x/b"]);
        let attempts: Vec<u32> = journal.entries().iter().map(|it| it.attempt).collect();
        assert_eq!(attempts, [1, 1, 2, 2, 0, 1]);
    }
}
