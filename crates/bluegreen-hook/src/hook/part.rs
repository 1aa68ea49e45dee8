//! [`Part`], what a deployment of the platform means for the stacks, and [`Participant`], what a release keeps of it.

use std::collections::BTreeMap;

use bluegreen_core::StackReference;
use bluegreen_deploy::{Engine, Error, Phase, Plan, Release, Store, WayBack};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the keys of the notes of participants begin with.
const PREFIX: &str = "deployment/";

/// What a deployment that is bound to a stack means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It deploys to the stack that serves already: a hotfix, a change of its size, a way back that the platform has
    /// begun by itself. Nothing of the stacks changes.
    None,
    /// It moves production to this stack: with the open release, or with one that it opens.
    Release(StackReference),
    /// It brings production back to the stack that the open release has moved it from. That release is taken back
    /// when traffic is there.
    Back,
    /// It must not go on: why.
    Refused(Vec<String>),
}

/// A deployment of the platform that takes part in a release: the note `hook/deployment/NAME`, by its mover's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Participant {
    /// CodeDeploy's id of it, or its ARN.
    pub(super) deployment: String,
    /// The hooks that have been called: the name of the event by the id of the hook's run.
    #[serde(default)]
    pub(super) hooks: BTreeMap<String, String>,
    /// Whether the guardrails have let it move traffic.
    #[serde(default)]
    pub(super) allowed: bool,
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

    /// Returns it with another run of a hook. What is known of an earlier deployment is left behind.
    pub(super) fn called(
        known: Option<Self>,
        deployment: &str,
        hook: Option<(&str, &str)>,
    ) -> Self {
        let fresh = Self { deployment: deployment.to_owned(), ..Self::default() };
        let mut participant = known.filter(|it| it.deployment == deployment).unwrap_or(fresh);
        if let Some((run, event)) = hook {
            participant.hooks.entry(run.to_owned()).or_insert_with(|| event.to_owned());
        }
        participant
    }

    /// Returns what is written down of it.
    pub(super) fn note(&self) -> Value {
        // A struct of texts and flags cannot fail to be written.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// What is known of a deployment before the stacks are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The stack that its revision is bound to.
    pub(super) stack: StackReference,
    /// Whether CodeDeploy has made it by itself, to go back.
    pub(super) is_rollback: bool,
    /// Whether it takes part in the open release already.
    pub(super) takes_part: bool,
    /// Whether its first hook calls, so that a release may be opened.
    pub(super) opens: bool,
}

/// Says what a deployment means as things are.
pub(super) fn part(store: &Store, engine: &Engine, known: Known) -> Result<Part, Error> {
    let Known { stack, is_rollback, takes_part, opens } = known;
    let active = store.pointer().active;
    let Some(release) = store.release() else {
        return Ok(match stack == active {
            true => Part::None,
            // It goes back to a stack that a release has been finished with meanwhile: production must not be moved
            // there without one, but CodeDeploy asks nobody about its own way back.
            false if is_rollback => Part::None,
            false if opens => Part::Release(stack),
            false => Part::Refused(vec![format!(
                "it is bound to stack {stack}, which is the standby, and no release is open: its first hook opens \
                 one, or `bluegreen prepare` does beforehand"
            )]),
        });
    };
    if is_rollback {
        return Ok(Part::None);
    }
    // Production is where it is to be: all that is deployed there now is a hotfix.
    if stack == active && !takes_part {
        return Ok(Part::None);
    }
    if release.target == stack {
        return Ok(match release.going_back {
            None => Part::Release(stack),
            Some(_) => Part::Refused(vec![format!(
                "release {} to {stack} is being taken back: deploy again when that has ended",
                release.id
            )]),
        });
    }
    let plan = engine.plan_of(&release)?;
    Ok(back(store, engine, &release, &plan))
}

/// Says whether production may go back to the stack that `release` has moved it from.
fn back(store: &Store, engine: &Engine, release: &Release, plan: &Plan) -> Part {
    let old = release.target.partner();
    match engine.way_back(store, release, plan) {
        WayBack::Standby | WayBack::Instant => Part::Back,
        WayBack::LosesWrites(databases) => Part::Refused(vec![format!(
            "{} of stack {old} lacks what was written since production moved: `bluegreen rollback \
             --accept-data-loss` accepts that",
            databases.join(", ")
        )]),
        WayBack::Reverse { .. } => Part::Refused(vec![format!(
            "release {} has begun to switch stack {old} off: only a release in the other direction leads back, which \
             `bluegreen rollback --rebuild` prepares",
            release.id
        )]),
    }
}

/// Returns whether the steps before production moves are all behind the open release.
pub(super) fn is_tested(release: &Release) -> bool {
    release.phases.contains_key(&Phase::Test)
}
