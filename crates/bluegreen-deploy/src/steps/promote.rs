//! The steps that move production: `traffic.move`, `active.switch`, and `release.hold` after them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::StackReference;

use crate::{
    Context, Effect, Inspection, Mover, Permission, Phase, Resource, Result, Step, StepId,
    traffic::{MOVE_LIMIT, Movers},
};

/// The traffic of one mover is on the stack to come.
#[derive(Debug)]
pub(crate) struct MoveTraffic {
    pub(crate) mover: Arc<dyn Mover>,
    pub(crate) to: StackReference,
}

#[async_trait]
impl Step for MoveTraffic {
    fn id(&self) -> StepId {
        StepId::new("traffic.move", self.mover.name(), self.to)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let seen = context.while_leased(self.mover.observe(self.to)).await?;
        let from = match seen {
            Some(stack) if stack == self.to => return Ok(Inspection::Done),
            seen => seen.map_or("mixed".to_owned(), |it| format!("on {it}")),
        };
        Ok(match self.mover.platform() {
            // Whoever only looks is shown what is to come.
            Some(platform) if context.is_turn() => {
                Inspection::Blocked { reasons: vec![self.waits(platform, &from, context)] }
            }
            Some(platform) => {
                Inspection::Needed { from, to: format!("on {} (by {platform})", self.to) }
            }
            None => Inspection::Needed { from, to: format!("on {}", self.to) },
        })
    }

    /// Moves it; what a platform moves is never come to. Told to stop, it is waited for, lest traffic is left half-way; but without the lease it is given up.
    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        context.while_leased(self.mover.move_to(self.to)).await
    }

    fn lasts(&self) -> Duration {
        MOVE_LIMIT
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        let mover = Arc::clone(&self.mover);
        Some(Arc::new(Self { mover, to: self.to.partner() }))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.mover.permissions()
    }
}

impl MoveTraffic {
    /// Says that only a deployment of the platform moves this traffic, and how.
    fn waits(&self, platform: &str, from: &str, context: &Context<'_>) -> String {
        let (name, to) = (self.mover.name(), self.to);
        let is = format!("traffic.{name} is moved by {platform}: it is {from}");
        match context.is_going_back() {
            false => {
                format!("{is}; promote goes on once a deployment bound to {to} has moved it")
            }
            true => format!(
                "{is}; the way back goes on once it is on {to}: stop the deployment with a rollback if it has not \
                 ended, else deploy what is bound to {to}, and run `bluegreen rollback` again"
            ),
        }
    }
}

/// The pointer says that the stack to come is the active one.
#[derive(Debug)]
pub(crate) struct SwitchActive {
    pub(crate) movers: Arc<Movers>,
    pub(crate) to: StackReference,
    /// What is asked before production moves.
    pub(crate) resources: Vec<Arc<dyn Resource>>,
}

#[async_trait]
impl Step for SwitchActive {
    fn id(&self) -> StepId {
        StepId::new("active.switch", "", self.to)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let active = context.store.pointer().active;
        Ok(if active == self.to {
            Inspection::Done
        } else {
            Inspection::Needed { from: active.to_string(), to: self.to.to_string() }
        })
    }

    /// Moves the pointer, if all traffic is seen to be there.
    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let seen = self.movers.observe(self.to).await?;
        if !seen.agrees_with(self.to) {
            return Err(crate::Error::refused(format!(
                "traffic is {seen}: the pointer moves to {} when all of it is there",
                self.to
            )));
        }
        let release = context.release_id().unwrap_or_default();
        context.store.switch(self.to, context.now(), &format!("release {release}")).await
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        let movers = Arc::clone(&self.movers);
        Some(Arc::new(Self { movers, to: self.to.partner(), resources: self.resources.clone() }))
    }

    /// Those of the guardrails, which are asked before.
    fn permissions(&self) -> Vec<Permission> {
        self.resources.iter().flat_map(|it| it.guardrail_permissions()).collect()
    }
}

/// Time passes in which both stacks are fed.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) to: StackReference,
    pub(crate) hold: Duration,
}

#[async_trait]
impl Step for Hold {
    fn id(&self) -> StepId {
        StepId::new("release.hold", "", self.to)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let release = context.store.release();
        if release.as_ref().is_some_and(|it| it.overrides.contains_key("release.hold")) {
            return Ok(Inspection::Done);
        }
        let Some(promoted) = release.and_then(|it| it.phases.get(&Phase::Promote).copied()) else {
            return Ok(Inspection::Unknown { after: "active.switch".to_owned() });
        };
        let over = promoted.0 + self.hold;
        Ok(match over.duration_since(context.now()) {
            Ok(left) if !left.is_zero() => {
                let over = humantime::format_rfc3339_seconds(over);
                Inspection::Settling { what: format!("the end of the hold at {over}"), left }
            }
            _ => Inspection::Done,
        })
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn lasts(&self) -> Duration {
        self.hold
    }

    fn permissions(&self) -> Vec<Permission> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bluegreen_core::StackReference::{A, B};

    use super::*;
    use crate::{Error, MemoryStorage, steps::testing::World};

    /// Moves at once, and takes a minute to say so.
    #[derive(Debug, Default)]
    struct Web(Mutex<Vec<StackReference>>);

    #[async_trait]
    impl Mover for Web {
        fn name(&self) -> &str {
            "web"
        }

        async fn observe(&self, _stack: StackReference) -> Result<Option<StackReference>> {
            Ok(None)
        }

        async fn move_to(&self, stack: StackReference) -> Result<()> {
            self.0.lock().unwrap().push(stack);
            #[expect(clippy::disallowed_methods, reason = "the clock is paused")]
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_lease_traffic_is_not_moved() {
        let (web, lasts) = (Arc::new(Web::default()), Duration::from_secs(90));
        let world = World::leased(A, MemoryStorage::new(Some(lasts)));
        let step = MoveTraffic { mover: Arc::clone(&web) as Arc<dyn Mover>, to: B };

        let moved = world.apply(&step).await;
        let given_up = world.apply(&step).await;
        let lost = world.apply(&step).await;

        assert!(moved.is_ok(), "{moved:?}");
        assert!(matches!(given_up, Err(Error::LeaseLost { .. })), "{given_up:?}");
        assert!(matches!(lost, Err(Error::LeaseLost { .. })), "{lost:?}");
        assert_eq!(*web.0.lock().unwrap(), [B, B]);
    }
}
