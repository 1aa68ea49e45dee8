//! `traffic.settle`: what moves production by itself has done so, and cannot move it back any more.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::StackReference;

use crate::{Context, Effect, Inspection, Mover, Permission, Result, Step, StepId};

/// The deployment of a platform that has moved the traffic has ended. Until then it may take the traffic back by itself,
/// so that nothing of the old stack may be switched off.
#[derive(Debug)]
pub(crate) struct SettleTraffic {
    pub(crate) mover: Arc<dyn Mover>,
    pub(crate) to: StackReference,
}

#[async_trait]
impl Step for SettleTraffic {
    fn id(&self) -> StepId {
        StepId::new("traffic.settle", self.mover.name(), self.to)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    /// Whether the deployment has ended is asked first: then where traffic is stays so.
    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        if !context.is_turn() {
            return Ok(Inspection::Unknown { after: "active.switch".to_owned() });
        }
        let under_way = context.while_leased(self.mover.under_way()).await?;
        let seen = context.while_leased(self.mover.observe(self.to)).await?;
        let name = self.mover.name();
        let mut reasons = Vec::new();
        if let Some(deployment) = under_way {
            reasons.push(format!(
                "traffic.{name}: {deployment} has not ended, and may move it back: `exclusive.hand-over` and `hold` wait \
                 for that; run the same command again then"
            ));
        }
        if seen != Some(self.to) {
            let seen = seen.map_or("mixed".to_owned(), |it| format!("on {it}"));
            reasons.push(format!(
                "traffic.{name} is {seen} again: a deployment bound to {} must move it, or `bluegreen rollback` takes the \
                 release back",
                self.to
            ));
        }
        Ok(match reasons.is_empty() {
            true => Inspection::Done,
            false => Inspection::Blocked { reasons },
        })
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn permissions(&self) -> Vec<Permission> {
        self.mover.permissions()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bluegreen_core::StackReference::{A, B};

    use super::*;
    use crate::steps::testing::World;

    /// Where traffic is, and what is under way.
    #[derive(Debug)]
    struct Platform(Mutex<(Option<StackReference>, Option<&'static str>)>);

    #[async_trait]
    impl Mover for Platform {
        fn name(&self) -> &str {
            "web"
        }

        fn platform(&self) -> Option<&'static str> {
            Some("CodeDeploy")
        }

        async fn observe(&self, _stack: StackReference) -> Result<Option<StackReference>> {
            Ok(self.0.lock().unwrap().0)
        }

        async fn under_way(&self) -> Result<Option<String>> {
            Ok(self.0.lock().unwrap().1.map(str::to_owned))
        }

        async fn move_to(&self, _stack: StackReference) -> Result<()> {
            panic!("a platform is never told to move traffic")
        }
    }

    fn step(on: Option<StackReference>, under_way: Option<&'static str>) -> SettleTraffic {
        SettleTraffic { mover: Arc::new(Platform(Mutex::new((on, under_way)))), to: B }
    }

    async fn reasons(step: &SettleTraffic) -> Vec<String> {
        match World::new(A).inspect(step).await.unwrap() {
            Inspection::Blocked { reasons } => reasons,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn it_is_done_when_the_deployment_has_ended_and_traffic_is_there_and_stays_so() {
        let (world, step) = (World::new(A), step(Some(B), None));

        assert_eq!(world.inspect(&step).await.unwrap(), Inspection::Done);
        assert_eq!(world.inspect(&step).await.unwrap(), Inspection::Done);
    }

    #[tokio::test]
    async fn a_deployment_that_has_not_ended_is_named() {
        let found = reasons(&step(Some(B), Some("CodeDeploy deployment d-1 (InProgress)"))).await;

        assert!(found.len() == 1 && found[0].contains("deployment d-1 (InProgress)"), "{found:?}");
    }

    #[tokio::test]
    async fn traffic_that_has_gone_back_is_no_end() {
        let back = reasons(&step(Some(A), None)).await;
        let mixed = reasons(&step(None, Some("d-2"))).await;

        assert!(back[0].contains("traffic.web is on a again"), "{back:?}");
        assert_eq!(mixed.len(), 2, "{mixed:?}");
    }

    #[tokio::test]
    async fn before_its_turn_it_is_not_known() {
        let world = World::new(A).planning();

        let seen = world.inspect(&step(Some(A), None)).await.unwrap();

        assert_eq!(seen, Inspection::Unknown { after: "active.switch".to_owned() });
    }
}
