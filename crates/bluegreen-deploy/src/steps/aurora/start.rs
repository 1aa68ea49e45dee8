//! `aurora.start`: the standby's cluster and every instance of it can be used.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_aurora::{Cluster, ClusterState};
use bluegreen_core::StackReference;

use super::{Aurora, cluster, retire::Stop};
use crate::{Context, Effect, Inspection, Permission, Result, Step, StepId};

/// Starts the cluster of `stack`.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) aurora: Arc<Aurora>,
    pub(super) stack: StackReference,
}

impl Start {
    /// Looks at the instances of a cluster that can itself be used: it may be so before they are.
    fn instances(&self, seen: &Cluster) -> Result<Inspection> {
        if seen.members.is_empty() {
            let expected = "a cluster with a writer: add an instance, then repeat the command";
            return Err(self.aurora.wrong_state(self.stack, "without any instance", expected));
        }
        let mut waits_for = None;
        for member in &seen.members {
            let instance = &member.instance;
            match member.status.as_deref() {
                Some(status) if is_usable(status) => {}
                Some(status) if is_broken(status) => {
                    return Err(bluegreen_core::Error::WrongState {
                        resource: format!("instance `{instance}` of {}", cluster(&seen.name)),
                        state: format!("`{status}`"),
                        expected: "`available`: mend it, then repeat the command".to_owned(),
                    }
                    .into());
                }
                Some(status) => {
                    waits_for.get_or_insert(format!("instance `{instance}` is `{status}`"));
                }
                None => {
                    waits_for.get_or_insert(format!("instance `{instance}` has no status yet"));
                }
            }
        }
        Ok(waits_for.map_or(Inspection::Done, |what| Inspection::Underway { what }))
    }
}

#[async_trait]
impl Step for Start {
    fn id(&self) -> StepId {
        self.aurora.id("aurora.start", self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let seen = self.aurora.cluster(context, self.stack).await?;
        match &seen.state {
            ClusterState::Available | ClusterState::Usable(_) => self.instances(&seen),
            ClusterState::Stopped => {
                Ok(Inspection::Needed { from: "stopped".to_owned(), to: "available".to_owned() })
            }
            ClusterState::Moving(word) => {
                Ok(Inspection::Underway { what: format!("{} is `{word}`", cluster(&seen.name)) })
            }
            ClusterState::Broken(word) => Err(self.aurora.broken(self.stack, word)),
        }
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        self.aurora.toolkit.start_database(self.stack).await?;
        Ok(())
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        Some(Arc::new(Stop { aurora: Arc::clone(&self.aurora), stack: self.stack }))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.aurora.permissions(self.stack, &["rds:StartDBCluster"])
    }
}

fn is_usable(status: &str) -> bool {
    matches!(status, "available" | "storage-optimization" | "backing-up")
}

/// Returns whether an instance will not get well by itself. Words that are not known are taken as
/// being on the way to another.
fn is_broken(status: &str) -> bool {
    matches!(
        status,
        "failed"
            | "storage-full"
            | "restore-error"
            | "insufficient-capacity"
            | "inaccessible-encryption-credentials"
            | "inaccessible-encryption-credentials-recoverable"
    ) || status.starts_with("incompatible-")
}

#[cfg(test)]
mod tests {
    use bluegreen_core::{
        Error::{NotFound, WrongState},
        StackReference::{A, B},
    };

    use super::{super::testing::*, *};
    use crate::{Error, steps::testing::World};

    fn running() -> Account {
        let account = account();
        account.change(B, |it| {
            it.state = ClusterState::Available;
            it.members = vec![writer("available"), reader(1, "available")];
        });
        account
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_cluster_is_started_once_and_waited_for() {
        let (world, account) = (World::new(A), account());
        let step = account.step(B, "aurora.start");

        let first = world.inspect(&*step).await.unwrap();
        world.apply(&*step).await.unwrap();
        let second = world.inspect(&*step).await.unwrap();
        account.change(B, |it| {
            it.state = ClusterState::Available;
            it.members.iter_mut().for_each(|it| it.status = Some("available".to_owned()));
        });
        let third = world.inspect(&*step).await.unwrap();

        assert_eq!(first, needed("stopped", "available"));
        assert_eq!(second, underway("cluster `orders-b` is `starting`"));
        assert_eq!(third, Inspection::Done);
        assert_eq!(account.changes(), ["start b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn every_state_in_which_the_cluster_serves_is_good() {
        for state in ["available", "backing-up", "storage-optimization"] {
            let (world, account) = (World::new(A), running());
            account.change(B, |it| it.state = state.into());
            let step = account.step(B, "aurora.start");

            assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done, "{state}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_on_its_way_is_waited_for() {
        for state in ["stopping", "starting", "modifying", "a-word-of-next-year"] {
            let (world, account) = (World::new(A), running());
            account.change(B, |it| it.state = state.into());
            let step = account.step(B, "aurora.start");

            let seen = world.inspect(&*step).await.unwrap();

            assert_eq!(seen, underway(&format!("cluster `orders-b` is `{state}`")));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_cluster_ends_it() {
        let (world, account) = (World::new(A), running());
        account.change(B, |it| it.state = "failed".into());
        let step = account.step(B, "aurora.start");

        let err = world.inspect(&*step).await.unwrap_err();

        assert!(matches!(err, Error::Toolkit(WrongState { .. })));
        assert!(err.to_string().starts_with("cluster `orders-b` is `failed`"), "{err}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_available_cluster_waits_for_its_instances() {
        for (status, good) in [
            ("available", true),
            ("backing-up", true),
            ("storage-optimization", true),
            ("starting", false),
            ("modifying", false),
        ] {
            let (world, account) = (World::new(A), running());
            account.change(B, |it| it.members[1] = reader(1, status));
            let step = account.step(B, "aurora.start");

            let seen = world.inspect(&*step).await.unwrap();

            let waits = underway(&format!("instance `reader-1` is `{status}`"));
            assert_eq!(seen, if good { Inspection::Done } else { waits });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_without_a_status_is_waited_for() {
        let (world, account) = (World::new(A), running());
        account.change(B, |it| it.members[1].status = None);
        let step = account.step(B, "aurora.start");

        let seen = world.inspect(&*step).await.unwrap();

        assert_eq!(seen, underway("instance `reader-1` has no status yet"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_that_will_not_get_well_is_named() {
        for status in [
            "failed",
            "storage-full",
            "restore-error",
            "insufficient-capacity",
            "incompatible-network",
            "incompatible-parameters",
            "inaccessible-encryption-credentials",
            "inaccessible-encryption-credentials-recoverable",
        ] {
            let (world, account) = (World::new(A), running());
            account.change(B, |it| {
                it.members[0] = writer("starting");
                it.members[1] = reader(1, status);
            });
            let step = account.step(B, "aurora.start");

            let err = world.inspect(&*step).await.unwrap_err().to_string();

            let expected = format!("instance `reader-1` of cluster `orders-b` is `{status}`");
            assert!(err.starts_with(&expected), "{err}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_without_instances_serves_nobody() {
        let (world, account) = (World::new(A), running());
        account.change(B, |it| it.members.clear());
        let step = account.step(B, "aurora.start");

        let err = world.inspect(&*step).await.unwrap_err();

        assert!(matches!(err, Error::Toolkit(WrongState { .. })));
        assert!(err.to_string().contains("without any instance"), "{err}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_cluster_is_an_error() {
        let (world, account) = (World::new(A), account());
        account.remove(B);
        let step = account.step(B, "aurora.start");

        let err = world.inspect(&*step).await.unwrap_err();

        assert!(matches!(err, Error::Toolkit(NotFound { .. })));
    }
}
