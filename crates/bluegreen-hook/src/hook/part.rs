//! [`Part`], what a deployment of the platform means for the stacks.

use bluegreen_core::StackReference;
use bluegreen_deploy::{Engine, Error, Phase, Plan, Release, Store, TrafficSeen, WayBack};

/// What a deployment that is bound to a stack means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It deploys to the stack that serves already: a hotfix, a change of its size. Nothing of the stacks changes.
    None,
    /// It moves production to this stack: with the open release, or with one that it opens.
    Release(StackReference),
    /// It brings production back to the stack that the open release has moved it from. That release is taken back
    /// when traffic is there.
    Back,
    /// It must not go on: why.
    Refused(Vec<String>),
}

/// What is known of a deployment before the stacks are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The stack that its revision is bound to.
    pub(super) stack: StackReference,
    /// Whether it takes part in the open release already.
    pub(super) takes_part: bool,
    /// Whether its first hook calls, so that a release may be opened.
    pub(super) opens: bool,
}

/// Says what a deployment means as things are: by the store, and by where traffic is `seen`.
pub(super) fn part(
    store: &Store,
    engine: &Engine,
    seen: &TrafficSeen,
    known: Known,
) -> Result<Part, Error> {
    let Known { stack, takes_part, opens } = known;
    let active = store.pointer().active;
    let Some(release) = store.release() else {
        return Ok(match stack == active {
            true => Part::None,
            false if opens => Part::Release(stack),
            false => Part::Refused(vec![format!(
                "it is bound to stack {stack}, which is the standby, and no release is open: its first hook opens \
                 one, or `bluegreen prepare` does beforehand"
            )]),
        });
    };
    if release.going_back.is_some() {
        return Ok(going_back(&release, stack));
    }
    // Production is where it is to be: all that is deployed there now is a hotfix.
    if stack == active && !takes_part {
        return Ok(match seen.agrees_with(active) {
            true => Part::None,
            false if release.target == active => Part::Refused(vec![format!(
                "production has been brought back from stack {stack}: deploy again when release {} has been taken \
                 back",
                release.id
            )]),
            false => Part::None,
        });
    }
    if release.target == stack {
        return Ok(Part::Release(stack));
    }
    let plan = engine.plan_of(&release)?;
    Ok(back(store, engine, &release, &plan))
}

/// What a deployment means while the release is being taken back: to where production goes back it changes nothing.
fn going_back(release: &Release, stack: StackReference) -> Part {
    match release.target == stack {
        true => Part::Refused(vec![format!(
            "release {} to {stack} is being taken back: deploy again when that has ended",
            release.id
        )]),
        false => Part::None,
    }
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
