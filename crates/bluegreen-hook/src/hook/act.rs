//! [`Act`], what a hook does for the release, alike for CodeDeploy and ECS.

use std::time::Duration;

use bluegreen_core::StackReference;
use bluegreen_deploy::{Error, Mover, Phase, Store};

use super::{
    part::{Participant, is_tested},
    session::{Progress, Session, told},
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
    /// Tests it.
    Test,
    /// Asks what speaks against moving production there, once in a deployment.
    Guardrails,
    /// Sees that production has moved, and moves the pointer with it.
    Promote,
}

impl Session<'_> {
    /// Does its part of the release to the stack `to` for a deployment of `mover`.
    pub(super) async fn act(
        &self,
        store: &Store,
        act: Act,
        to: StackReference,
        mover: &dyn Mover,
        participant: &Participant,
    ) -> Result<Progress, Error> {
        self.note(store, mover, participant).await?;
        match act {
            Act::Prepare => self.run(store, to, Phase::Prepare, Phase::Prepare).await,
            Act::Test => self.run(store, to, Phase::Prepare, Phase::Test).await,
            Act::Guardrails => self.guardrails(store, to, mover, participant).await,
            Act::Promote => self.promote(store, to, mover).await,
        }
    }

    /// Writes down that the deployment takes part, unless that is known. Where no release is open yet, the one that is
    /// opened begins with it.
    async fn note(
        &self,
        store: &Store,
        mover: &dyn Mover,
        participant: &Participant,
    ) -> Result<(), Error> {
        if store.release().is_none()
            || Participant::of(store, mover.name())?.as_ref() == Some(participant)
        {
            return Ok(());
        }
        store.set_hook_note(&Participant::key(mover.name()), participant.note()).await
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
        let plan = self.plan_for(store, to)?;
        let asked = self.engine.objections(store, &plan, Phase::Promote);
        let objections = Box::pin(asked).await?;
        if !objections.is_empty() {
            return Ok(Progress::Failed(objections));
        }
        let allowed = Participant { allowed: true, ..participant.clone() };
        self.note(store, mover, &allowed).await?;
        Ok(Progress::Done)
    }

    /// Goes on with `promote` as far as traffic allows: with several services, all of them must have moved.
    async fn promote(
        &self,
        store: &Store,
        to: StackReference,
        mover: &dyn Mover,
    ) -> Result<Progress, Error> {
        if store.pointer().active != to && !self.arrives(mover, to).await? {
            return Ok(Progress::Failed(vec![format!(
                "traffic.{} is not on stack {to}, although {} has moved it: is it bound to another stack?",
                mover.name(),
                mover.platform().unwrap_or("the platform"),
            )]));
        }
        let ended = self.run(store, to, Phase::Promote, Phase::Promote).await;
        let moved = store.pointer().active == to;
        match ended {
            // The platform must never go back for what can be made good: the reconciler goes on with it.
            Ok(Progress::Failed(reasons)) if moved => {
                tracing::warn!(reasons = reasons.join("; "), "promote goes on later");
                Ok(Progress::Done)
            }
            Err(err) if moved => {
                tracing::warn!(reason = told(&err).join("; "), "promote goes on later");
                Ok(Progress::Done)
            }
            Ok(Progress::Failed(reasons)) if self.others_lack(to).await? => {
                tracing::info!(reasons = reasons.join("; "), "waits for the other services");
                Ok(Progress::Done)
            }
            ended => ended,
        }
    }

    /// Waits until the mover's traffic is seen on the stack `to`; returns whether it is.
    async fn arrives(&self, mover: &dyn Mover, to: StackReference) -> Result<bool, Error> {
        let began = tokio::time::Instant::now();
        loop {
            if mover.observe(to).await? == Some(to) {
                return Ok(true);
            }
            if began.elapsed() >= TO_BE_SEEN || self.left() <= LOOK {
                return Ok(false);
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "AWS shows some seconds late what it has done"
            )]
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Returns whether the traffic of some service is not on the stack `to` yet.
    async fn others_lack(&self, to: StackReference) -> Result<bool, Error> {
        Ok(!self.engine.traffic(to).await?.agrees_with(to))
    }
}
