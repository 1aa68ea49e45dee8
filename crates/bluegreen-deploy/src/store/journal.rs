//! [`Journal`], what happened to the steps of a release.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::Moment;

/// What happened to the steps of a release, in order.
///
/// It is in the store before an act, and again after it: an act without its entry does not happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal(Vec<Entry>);

/// Something that happened to a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    /// The step, by [`StepId::key`](crate::StepId::key).
    pub step: String,
    /// What happened.
    pub event: StepEvent,
    /// When.
    #[serde(with = "humantime_serde")]
    pub at: SystemTime,
    /// How many acts of the step there were by then, this one included.
    pub attempt: u32,
    /// Who did it: process and host, or the request id of a function.
    pub who: String,
    /// When the step's turn came, of an entry that ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Moment>,
    /// Why it failed, with its causes, or why it was skipped.
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
    /// Somebody has said that the release goes on without it.
    Skipped,
    /// The plan has changed: it is looked at again.
    Outdated,
    /// What takes it back is about to change something.
    UndoStarted,
    /// It is taken back.
    UndoSucceeded,
    /// It could not be taken back.
    UndoFailed,
    /// Somebody has said that it is not taken back.
    UndoSkipped,
}

impl Journal {
    /// Returns what happened, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Returns the last entry of each step, by [`StepId::key`](crate::StepId::key).
    pub fn last(&self) -> BTreeMap<&str, &Entry> {
        self.0.iter().map(|it| (it.step.as_str(), it)).collect()
    }

    /// Returns the steps whose last entry says that they have succeeded or are skipped, by
    /// [`StepId::key`](crate::StepId::key), and when.
    pub fn succeeded(&self) -> BTreeMap<String, Moment> {
        let over = |it: &Entry| matches!(it.event, StepEvent::Succeeded | StepEvent::Skipped);
        let succeeded = self.last().into_iter().filter(|(_, it)| over(it));
        succeeded.map(|(step, it)| (step.to_owned(), Moment(it.at))).collect()
    }

    /// Returns the steps that have changed something which has not been taken back, by
    /// [`StepId::key`](crate::StepId::key).
    pub fn changed(&self) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        for Entry { step, event, .. } in &self.0 {
            match event {
                StepEvent::Started => changed.insert(step.clone()),
                StepEvent::UndoSucceeded | StepEvent::UndoSkipped => changed.remove(step),
                _ => false,
            };
        }
        changed
    }

    /// Returns the steps that have failed and were not tried again since, with the last entry of each.
    pub fn failed(&self) -> Vec<&Entry> {
        self.last().into_values().filter(|it| it.event == StepEvent::Failed).collect()
    }

    /// Returns the steps that could not be taken back, with the last entry of each.
    pub fn stuck(&self) -> Vec<&Entry> {
        self.last().into_values().filter(|it| it.event == StepEvent::UndoFailed).collect()
    }

    /// Returns whether somebody has said that a step is not taken back.
    pub(crate) fn is_left(&self, step: &str) -> bool {
        self.last().get(step).is_some_and(|it| it.event == StepEvent::UndoSkipped)
    }

    /// Makes the next entry.
    pub(super) fn entry(&self, step: String, event: StepEvent, at: SystemTime, who: &str) -> Entry {
        let counted = match event {
            StepEvent::Started
            | StepEvent::Succeeded
            | StepEvent::Failed
            | StepEvent::Skipped
            | StepEvent::Outdated => StepEvent::Started,
            _ => StepEvent::UndoStarted,
        };
        let acts = self.0.iter().filter(|it| it.step == step && it.event == counted);
        let acts = u32::try_from(acts.count()).unwrap_or(u32::MAX);
        let attempt = if event == counted { acts.saturating_add(1) } else { acts };
        Entry { step, event, at, attempt, who: who.to_owned(), began: None, error: None }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.0.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use StepEvent::*;

    fn journal(events: &[(&str, StepEvent)]) -> Journal {
        let mut journal = Journal::default();
        for (step, event) in events {
            let entry =
                journal.entry((*step).to_owned(), *event, SystemTime::UNIX_EPOCH, "7 on here");
            journal.push(entry);
        }
        journal
    }

    #[test]
    fn a_step_has_succeeded_when_nothing_came_after_that_and_its_acts_are_counted() {
        let journal = journal(&[
            ("enable", Started),
            ("enable", Failed),
            ("enable", Started),
            ("enable", Succeeded),
            ("purge", Succeeded),
            ("purge", Started),
        ]);

        assert_eq!(journal.succeeded().keys().collect::<Vec<_>>(), ["enable"]);
        let attempts: Vec<u32> = journal.entries().iter().map(|it| it.attempt).collect();
        assert_eq!(attempts, [1, 1, 2, 2, 0, 1]);
    }

    #[test]
    fn what_has_changed_something_is_to_be_taken_back_until_it_is() {
        let journal = journal(&[
            ("start", Started),
            ("start", Succeeded),
            ("already", Succeeded),
            ("enable", Started),
            ("enable", Failed),
            ("register", Started),
            ("register", Succeeded),
            ("register", UndoStarted),
            ("register", UndoSucceeded),
            ("enable", UndoStarted),
            ("enable", UndoFailed),
        ]);

        assert_eq!(journal.changed().into_iter().collect::<Vec<_>>(), ["enable", "start"]);
        assert_eq!(journal.stuck().iter().map(|it| &*it.step).collect::<Vec<_>>(), ["enable"]);
        assert_eq!(journal.succeeded().into_keys().collect::<Vec<_>>(), ["already", "start"]);
    }
}
