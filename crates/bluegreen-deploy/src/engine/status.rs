//! How everything is.

use std::sync::Mutex;

use bluegreen_core::StackReference;
use futures::future;

use crate::{Engine, OpenRelease, Pointer, ResourceStatus, Result, Status, Store, chain};

impl Engine {
    /// Looks at everything: pointer, traffic, the open release, every resource of both stacks.
    pub async fn status(&self, store: Option<&Store>) -> Result<Status> {
        let pointer = store.map(Store::pointer);
        let release = store.and_then(Store::release);
        let at = release.as_ref().map(|it| it.target).or(pointer.as_ref().map(|it| it.active));
        let seen = self.traffic.observe(at.unwrap_or(StackReference::A)).await;
        let agrees = match (&pointer, &seen) {
            (Some(pointer), Ok(seen)) => seen.agrees_with(pointer.active),
            _ => false,
        };

        let nobody =
            Pointer { active: StackReference::A, since: self.clock.now(), reason: String::new() };
        let bare = Store::in_memory("", nobody);
        let warnings = Mutex::default();
        let context = self.context(store.unwrap_or(&bare), &warnings, self.rounds.begin());
        let shown = self.resources.iter().filter(|it| it.has_status());
        let looks = shown.flat_map(|resource| {
            StackReference::BOTH.map(|stack| {
                let context = &context;
                async move {
                    let _slot = self.slots.acquire().await;
                    let summary = resource.summary(context, stack).await;
                    let (state, error) = match summary {
                        Ok(state) => (Some(state), None),
                        Err(err) => (None, Some(chain(&err))),
                    };
                    let resource = resource.declaration().key();
                    ResourceStatus { resource, stack, state, error }
                }
            })
        });
        let rollback = match (store, &release) {
            // A plan that cannot be made says nothing; commands that need it say why.
            (Some(store), Some(release)) => {
                self.plan_of(release).ok().map(|plan| self.way_back(store, release, &plan))
            }
            _ => None,
        };
        let holder = match store {
            Some(store) => store.holder().await?,
            None => None,
        };
        Ok(Status {
            pointer,
            traffic: seen.map_or_else(|err| chain(&err), |it| it.to_string()),
            agrees,
            release: release.as_deref().map(OpenRelease::from),
            rollback,
            holder,
            resources: future::join_all(looks).await,
        })
    }
}
