//! [`Act`], what a hook does for the release, alike for CodeDeploy and ECS.

use std::time::Duration;

use bluegreen_core::StackReference;
use bluegreen_deploy::{Error, Mover, Phase, Store};

use super::{
    part::{Known, Part, is_tested, part},
    participant::Participant,
    session::{Progress, Session},
};

/// How long traffic may take to be seen where the platform says that it has moved it.
const TO_BE_SEEN: Duration = Duration::from_secs(60);

/// The time between two looks at it.
const LOOK: Duration = Duration::from_secs(5);

/// What a hook does for the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Prepares the standby; where that has been done before, a look that takes seconds.
    Prepare,
    /// Writes down only that the hook is at work, which then looks at what the platform has started.
    Bind,
    /// Tests it.
    Test,
    /// Asks what speaks against moving production there, once in a deployment.
    Guardrails,
    /// Sees that production has moved, and moves the pointer with it.
    Promote,
}

impl Session<'_> {
    /// Says what a deployment means as things are now. Where traffic is, is asked only if that turns on it.
    pub(super) async fn part(&self, store: &Store, known: Known) -> Result<Part, Error> {
        let active = store.pointer().active;
        let is_back = match store.release() {
            Some(release) if known.stack == active && release.target == active => {
                !known.takes_part && !self.engine.traffic(active).await?.agrees_with(active)
            }
            _ => false,
        };
        part(store, &self.engine, is_back, known)
    }

    /// Does its part of the release to the stack `to` for a deployment of `mover`. Where no release is open yet, the
    /// one that is opened begins with the note of it.
    pub(super) async fn act(
        &self,
        store: &Store,
        act: Act,
        to: StackReference,
        mover: &dyn Mover,
        participant: &Participant,
    ) -> Result<Progress, Error> {
        let noted = Participant::of(store, mover.name())?;
        if store.release().is_some() && noted.as_ref() != Some(participant) {
            store.set_hook_note(&Participant::key(mover.name()), participant.note()).await?;
        }
        match act {
            Act::Prepare => self.run(store, to, Phase::Prepare, Phase::Prepare).await,
            Act::Bind => Ok(Progress::Done),
            Act::Test => self.run(store, to, Phase::Prepare, Phase::Test).await,
            Act::Guardrails => self.guardrails(store, to, mover, participant).await,
            Act::Promote => self.promote(store, to, mover).await,
        }
    }

    /// Runs the tests that nobody has run, and asks the guardrails. They have a say until traffic moves; what a canary
    /// asks again at each of its steps, they have answered.
    async fn guardrails(
        &self,
        store: &Store,
        to: StackReference,
        mover: &dyn Mover,
        participant: &Participant,
    ) -> Result<Progress, Error> {
        if participant.allowed {
            return Ok(Progress::Done);
        }
        let tested = match store.release().is_some_and(|it| is_tested(&it)) {
            true => Progress::Done,
            false => self.run(store, to, Phase::Prepare, Phase::Test).await?,
        };
        if tested != Progress::Done {
            return Ok(tested);
        }
        let objections = match self.objections(store, to).await? {
            None => return Ok(Progress::Unfinished),
            Some(objections) => objections,
        };
        if !objections.is_empty() {
            return Ok(Progress::Failed(objections));
        }
        let allowed = Participant { allowed: true, ..participant.clone() };
        store.set_hook_note(&Participant::key(mover.name()), allowed.note()).await?;
        Ok(Progress::Done)
    }

    /// Goes on with `promote` when all services have moved; for one of several that is the last of them to do.
    async fn promote(
        &self,
        store: &Store,
        to: StackReference,
        mover: &dyn Mover,
    ) -> Result<Progress, Error> {
        if store.pointer().active != to {
            if mover.observe(to).await? != Some(to) {
                return Ok(Progress::Failed(vec![format!(
                    "traffic.{} is not on stack {to}, although {} has moved it: is it bound to another stack?",
                    mover.name(),
                    mover.platform().unwrap_or("the platform"),
                )]));
            }
            if self.platforms_on(to).await? != Some(to) {
                tracing::info!("traffic is there: promote waits for the other services");
                return Ok(Progress::Done);
            }
        }
        let ended = self.run(store, to, Phase::Promote, Phase::Promote).await;
        if store.pointer().active != to {
            return ended;
        }
        // The platform must never go back for what can be made good: the reconciler goes on with it.
        if !matches!(ended, Ok(Progress::Done)) {
            tracing::info!(?ended, "the pointer has moved: promote goes on later");
        }
        Ok(Progress::Done)
    }

    /// Waits until the mover's traffic is seen on the stack `to`, or for a minute.
    pub(super) async fn await_arrival(
        &self,
        mover: &dyn Mover,
        to: StackReference,
    ) -> Result<(), Error> {
        let began = tokio::time::Instant::now();
        while mover.observe(to).await? != Some(to)
            && began.elapsed() < TO_BE_SEEN
            && self.left() > LOOK
        {
            #[expect(
                clippy::disallowed_methods,
                reason = "AWS shows some seconds late what it has done"
            )]
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Returns whether production has moved with the release that a deployment takes part in: after that no hook
    /// reports failure.
    pub(super) async fn has_promoted(&self, deployment: &str) -> Result<bool, Error> {
        let store = self.read_store().await?;
        let Some(release) = store.release() else { return Ok(false) };
        let mut takes_part = false;
        for mover in self.platform_movers() {
            let participant = Participant::of(&store, mover.name())?;
            takes_part |= participant.is_some_and(|it| it.deployment == deployment);
        }
        Ok(takes_part && store.pointer().active == release.target)
    }
}
