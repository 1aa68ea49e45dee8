//! [`Part`], what a deployment of the platform means for the stacks.

use bluegreen_core::StackReference;
use bluegreen_deploy::{Engine, Error, Phase, Plan, Release, Store, WayBack};

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

/// Says what a deployment means as things are. `is_back` is whether traffic has gone back from the stack that the open
/// release has moved production to.
pub(super) fn part(
    store: &Store,
    engine: &Engine,
    is_back: bool,
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
        return Ok(match is_back {
            false => Part::None,
            true => Part::Refused(vec![format!(
                "production has been brought back from stack {stack}: deploy again when release {} has been taken \
                 back",
                release.id
            )]),
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

#[cfg(test)]
mod tests {
    use std::{path::Path, time::SystemTime};

    use bluegreen_core::{
        Clock,
        StackReference::{A, B},
    };
    use bluegreen_deploy::{Pointer, Resources, stack_file::StackFile};

    use super::*;

    fn engine() -> Engine {
        let text = "name = \"shop\"\nregion = \"eu-west-1\"\ntraffic = \"none\"\n";
        let file = StackFile::parse(text, Path::new("bluegreen.toml"), &|_| None).unwrap();
        Engine::new(&file, Path::new("."), Resources::default(), Clock::system())
    }

    fn store() -> Store {
        let since = SystemTime::UNIX_EPOCH;
        Store::in_memory("shop", Pointer { active: A, since, reason: String::new() })
    }

    /// Opens a release to b, which has come through its tests.
    async fn opened(engine: &Engine, store: &Store) {
        let plan = engine.plan(B).unwrap();
        engine.deploy(store, &plan, Phase::Test).await.unwrap();
    }

    fn known(stack: StackReference, takes_part: bool, opens: bool) -> Known {
        Known { stack, takes_part, opens }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_release_only_the_first_hook_opens_one_and_only_to_the_standby() {
        let (engine, store) = (engine(), store());
        let said = |known| part(&store, &engine, false, known).unwrap();

        assert_eq!(said(known(A, false, true)), Part::None);
        assert_eq!(said(known(B, false, true)), Part::Release(B));
        assert!(matches!(said(known(B, false, false)), Part::Refused(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_release_its_target_joins_and_the_active_stack_has_hotfixes() {
        let (engine, store) = (engine(), store());
        opened(&engine, &store).await;
        let said = |known| part(&store, &engine, false, known).unwrap();

        assert_eq!(said(known(B, false, true)), Part::Release(B));
        assert_eq!(said(known(B, true, false)), Part::Release(B));
        assert_eq!(said(known(A, false, true)), Part::None);
    }

    #[tokio::test(start_paused = true)]
    async fn after_production_has_moved_the_new_stack_has_hotfixes_and_the_old_one_is_the_way_back()
    {
        let (engine, store) = (engine(), store());
        let plan = engine.plan(B).unwrap();
        engine.deploy(&store, &plan, Phase::Promote).await.unwrap();
        let said = |is_back, known| part(&store, &engine, is_back, known).unwrap();

        assert_eq!(said(false, known(B, false, true)), Part::None);
        assert_eq!(said(false, known(B, true, false)), Part::Release(B), "its last hook");
        assert_eq!(said(false, known(A, false, true)), Part::Back);
        let gone_back = said(true, known(B, false, true));
        assert!(
            matches!(gone_back, Part::Refused(_)),
            "no hotfix of what does not serve: {gone_back:?}"
        );
    }
}
