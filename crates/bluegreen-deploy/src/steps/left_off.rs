//! [`LeftOff`], what a person has off and what therefore stays off when its stack is switched on.

use std::collections::BTreeSet;

use bluegreen_core::StackReference;
use serde::{Deserialize, Serialize};

use crate::{Context, Result};

/// The alarms, mappings or rules of a stack that were off before the stack was switched off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftOff {
    /// Their names or ids.
    pub(super) off: BTreeSet<String>,
}

impl LeftOff {
    /// Remembers it under `key`, as part of a release that takes production away from `stack`.
    ///
    /// Otherwise nothing is remembered. What is off on the standby is off because it is the standby:
    /// remembered, it would stay off for good. That is how it is when a step runs by itself (on the active
    /// stack it is refused), or when `stack` is the release's own target.
    pub(super) async fn remember(
        &self,
        context: &Context<'_>,
        key: &str,
        stack: StackReference,
    ) -> Result<()> {
        match context.store.release() {
            Some(release) if release.target != stack => context.remember(key, self).await,
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::StackReference::{A, B};

    use super::*;
    use crate::steps::testing::World;

    async fn remembered(world: &World, stack: StackReference) -> Option<LeftOff> {
        let left_off = LeftOff { off: ["x".to_owned()].into() };
        left_off.remember(&world.context(), "key", stack).await.unwrap();
        world.context().remembered("key").unwrap()
    }

    #[tokio::test]
    async fn what_is_off_on_the_stack_that_production_leaves_is_remembered() {
        let found = remembered(&World::new(A), A).await;

        assert_eq!(found, Some(LeftOff { off: ["x".to_owned()].into() }));
    }

    #[tokio::test]
    async fn what_is_off_on_the_target_of_the_release_is_not() {
        assert_eq!(remembered(&World::new(A), B).await, None);
    }

    #[tokio::test]
    async fn what_is_off_when_a_step_runs_by_itself_is_not() {
        let world = World::new(A);
        world
            .store
            .close_release(crate::Outcome::Done, crate::steps::testing::START)
            .await
            .unwrap();

        assert_eq!(remembered(&world, A).await, None);
    }
}
