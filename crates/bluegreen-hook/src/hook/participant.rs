//! [`Participant`], what a release keeps of a deployment of the platform that takes part in it.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use bluegreen_deploy::{Error, Moment, Store};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the keys of the notes of participants begin with.
const PREFIX: &str = "deployment/";

/// A deployment of the platform that takes part in a release: the note `hook/deployment/NAME`, by its mover's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Participant {
    /// CodeDeploy's id of it, or its ARN.
    pub(super) deployment: String,
    /// The hooks of CodeDeploy that have been called, by the ids of their runs.
    #[serde(default)]
    pub(super) hooks: BTreeMap<String, Run>,
    /// Whether the guardrails have let it move traffic.
    #[serde(default)]
    pub(super) allowed: bool,
}

/// A run of a hook of CodeDeploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Run {
    /// The lifecycle event.
    pub(super) event: String,
    /// How many times it has been handed over.
    pub(super) count: u32,
    /// When an invocation has last begun to work on it.
    pub(super) at: Moment,
}

impl Participant {
    /// Returns the key of the note of the deployment that the mover `name` makes.
    pub(super) fn key(name: &str) -> String {
        format!("{PREFIX}{name}")
    }

    /// Reads the note of the deployment that the mover `name` makes.
    pub(super) fn of(store: &Store, name: &str) -> Result<Option<Self>, Error> {
        let Some(value) = store.hook_note(&Self::key(name)) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|err| Error::Store {
            place: store.place(),
            what: format!("holds something else than expected in the note `{}`", Self::key(name)),
            source: Some(err.into()),
        })
    }

    /// Returns the deployment as it takes part from now on. What is known of an earlier one of the same mover is left
    /// behind.
    pub(super) fn joined(known: Option<Self>, deployment: &str) -> Self {
        let fresh = Self { deployment: deployment.to_owned(), ..Self::default() };
        known.filter(|it| it.deployment == deployment).unwrap_or(fresh)
    }

    /// Returns it with a run of a hook that an invocation begins to work on.
    pub(super) fn with_run(mut self, id: &str, run: Run) -> Self {
        self.hooks.insert(id.to_owned(), run);
        self
    }

    /// Returns whether the run `id` can be that of the event `name`: an event runs once in a deployment, and a run is
    /// that of one event.
    pub(super) fn can_be(&self, id: &str, name: &str) -> bool {
        match self.hooks.get(id) {
            Some(run) => run.event == name,
            None => self.hooks.values().all(|it| it.event != name),
        }
    }

    /// Returns the run of an event that nobody has begun to work on for so long.
    pub(super) fn lost(
        &self,
        event: &str,
        after: Duration,
        now: SystemTime,
    ) -> Option<(&str, &Run)> {
        let is_lost = |run: &Run| {
            let ago = now.duration_since(run.at.0).unwrap_or_default();
            run.event == event && ago >= after
        };
        self.hooks.iter().find(|(_, run)| is_lost(run)).map(|(id, run)| (id.as_str(), run))
    }

    /// Returns what is written down of it.
    pub(super) fn note(&self) -> Value {
        // Texts, numbers and times cannot fail to be written.
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn run(event: &str) -> Run {
        Run { event: event.to_owned(), count: 1, at: Moment(NOW) }
    }

    #[test]
    fn a_run_is_that_of_one_event_and_an_event_runs_once() {
        let participant = Participant::joined(None, "d-1").with_run("1", run("BeforeInstall"));

        assert!(participant.can_be("1", "BeforeInstall"));
        assert!(!participant.can_be("1", "AfterInstall"), "it is late");
        assert!(participant.can_be("2", "AfterInstall"));
        assert!(
            !participant.can_be("2", "BeforeInstall"),
            "CodeDeploy shows an event that is over"
        );
    }

    #[test]
    fn a_hook_is_lost_when_nobody_can_be_at_work_on_it_any_more() {
        let participant = Participant::joined(None, "d-1").with_run("1", run("BeforeInstall"));
        let lost = |event: &str, seconds: u64| {
            let now = NOW + Duration::from_secs(seconds);
            participant.lost(event, Duration::from_secs(930), now).map(|(id, _)| id)
        };

        assert_eq!(lost("BeforeInstall", 929), None);
        assert_eq!(lost("BeforeInstall", 930), Some("1"));
        assert_eq!(lost("AfterInstall", 930), None);
    }

    #[test]
    fn another_deployment_of_the_same_mover_begins_afresh() {
        let before = Participant { allowed: true, ..Participant::joined(None, "d-1") };

        assert!(Participant::joined(Some(before.clone()), "d-1").allowed);
        assert!(!Participant::joined(Some(before), "d-2").allowed);
    }
}
