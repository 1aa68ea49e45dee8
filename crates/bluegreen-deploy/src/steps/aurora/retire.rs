//! `aurora.stop` and `aurora.delete`: what becomes of the old cluster.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_aurora::{ClusterState, FinalSnapshot};
use bluegreen_core::StackReference;

use super::{Aurora, cluster};
use crate::{Context, Effect, Inspection, Permission, Result, Step, StepId};

/// Stops the cluster of `stack`.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) aurora: Arc<Aurora>,
    pub(super) stack: StackReference,
}

#[async_trait]
impl Step for Stop {
    fn id(&self) -> StepId {
        self.aurora.id("aurora.stop", self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Destroys(self.stack)
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let seen = self.aurora.cluster(context, self.stack).await?;
        if seen.state == ClusterState::Stopped {
            if let Some(time) = seen.restarts_at {
                context.warn(format!(
                    "AWS starts {} again at {}: stop it once more then, or delete it",
                    cluster(&seen.name),
                    humantime::format_rfc3339_seconds(time),
                ));
            }
            return Ok(Inspection::Done);
        }
        if let Some(reason) = seen.cannot_stop {
            let expected = format!(
                "one that AWS can stop: set `retire = \"keep\"` in `{}`",
                self.aurora.declaration.key()
            );
            return Err(self.aurora.wrong_state(self.stack, reason, expected));
        }
        match &seen.state {
            ClusterState::Broken(word) => Err(self.aurora.broken(self.stack, word)),
            ClusterState::Moving(word) | ClusterState::Usable(word) => {
                Ok(Inspection::Underway { what: format!("{} is `{word}`", cluster(&seen.name)) })
            }
            ClusterState::Available | ClusterState::Stopped => {
                Ok(Inspection::Needed { from: "available".to_owned(), to: "stopped".to_owned() })
            }
        }
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        self.aurora.toolkit.stop_database(self.stack).await?;
        Ok(())
    }

    fn undo(&self) -> Option<&'static str> {
        Some("aurora.start")
    }

    fn permissions(&self) -> Vec<Permission> {
        self.aurora.permissions(self.stack, &["rds:StopDBCluster"])
    }
}

/// Deletes the cluster of `stack`, round by round.
#[derive(Debug)]
pub(super) struct Delete {
    pub(super) aurora: Arc<Aurora>,
    pub(super) stack: StackReference,
}

impl Delete {
    /// Returns the name of the final snapshot: the same each time the deletion is repeated.
    fn snapshot(&self, context: &Context<'_>) -> Result<Option<String>> {
        if !self.aurora.settings.final_snapshot {
            return Ok(None);
        }
        if let Some(name) = context.note(&self.snapshot_key())? {
            return Ok(Some(name));
        }
        let unique = context.release_id().unwrap_or_else(|| {
            humantime::format_rfc3339_seconds(context.now()).to_string().replace(['-', ':'], "")
        });
        Ok(Some(format!("{}-{unique}", self.aurora.name(self.stack)).to_lowercase()))
    }

    fn snapshot_key(&self) -> String {
        self.aurora.key(self.stack, "snapshot")
    }
}

#[async_trait]
impl Step for Delete {
    fn id(&self) -> StepId {
        self.aurora.id("aurora.delete", self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Destroys(self.stack)
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let seen = match self.aurora.cluster(context, self.stack).await {
            Err(err) if err.is_absent() => return Ok(Inspection::Done),
            looked => looked?,
        };
        if seen.deletion_protection {
            let expected = "one without deletion protection: switch that off, or set \
                            `retire = \"stop\"` or `\"keep\"`";
            return Err(self.aurora.wrong_state(
                self.stack,
                "protected against deletion",
                expected,
            ));
        }
        if let ClusterState::Moving(word) = &seen.state {
            let what = format!("{} is `{word}`", cluster(&seen.name));
            return Ok(Inspection::Underway { what });
        }
        let instances = match seen.members.len() {
            1 => "1 instance".to_owned(),
            count => format!("{count} instances"),
        };
        Ok(Inspection::Needed {
            from: format!("{}, {instances}", seen.state),
            to: match self.snapshot(context)? {
                Some(name) => format!("deleted, with snapshot `{name}`"),
                None => "deleted, without a snapshot".to_owned(),
            },
        })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let snapshot = match self.snapshot(context)? {
            Some(name) => {
                context.set_note(&self.snapshot_key(), &name)?;
                FinalSnapshot::Named(name)
            }
            None => FinalSnapshot::Skip,
        };
        // What remains shows in the next look.
        self.aurora.toolkit.delete_database(self.stack, snapshot).await?;
        Ok(())
    }

    fn permissions(&self) -> Vec<Permission> {
        let actions = ["rds:DeleteDBCluster", "rds:StartDBCluster"];
        let mut permissions = self.aurora.permissions(self.stack, &actions);
        if self.aurora.settings.final_snapshot {
            let name = self.aurora.name(self.stack).to_lowercase();
            let snapshots = format!("cluster-snapshot:{name}-*");
            permissions.extend(Permission::on(snapshots, &["rds:DeleteDBCluster"]));
        }
        permissions.extend(Permission::on("db:*", &["rds:DeleteDBInstance"]));
        let actions = ["application-autoscaling:RegisterScalableTarget"];
        permissions.extend(Permission::on("scalable-target/*", &actions));
        permissions
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use bluegreen_core::{
        Error::{NotFound, WrongState},
        StackReference::{A, B},
    };

    use super::{super::testing::*, *};
    use crate::{Error, stack_file::AuroraRetire, steps::testing::World};

    fn delete(account: &Account, final_snapshot: bool) -> Arc<dyn Step> {
        let aurora = account.aurora(|it| {
            it.settings.retire = AuroraRetire::Delete;
            it.settings.final_snapshot = final_snapshot;
        });
        step_of(&aurora, B, "aurora.delete")
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_cluster_is_stopped_once_and_waited_for() {
        let (world, account) = (World::new(A), account());
        let step = account.step(B, "aurora.stop");

        let first = world.inspect(&*step).await.unwrap();
        world.apply(&*step).await.unwrap();
        let second = world.inspect(&*step).await.unwrap();
        account.change(A, |it| it.state = ClusterState::Stopped);
        let third = world.inspect(&*step).await.unwrap();

        assert_eq!(first, needed("available", "stopped"));
        assert_eq!(second, underway("cluster `orders-a` is `stopping`"));
        assert_eq!(third, Inspection::Done);
        assert_eq!(account.changes(), ["stop a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_cannot_be_stopped_yet_is_waited_for() {
        for state in ["backing-up", "modifying", "starting"] {
            let (world, account) = (World::new(A), account());
            account.change(A, |it| it.state = state.into());
            let step = account.step(B, "aurora.stop");

            let seen = world.inspect(&*step).await.unwrap();

            assert_eq!(seen, underway(&format!("cluster `orders-a` is `{state}`")));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_aws_cannot_stop_is_an_error_at_the_first_look() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| {
            it.cannot_stop = Some("a member of the global database `world`".to_owned());
        });
        let step = account.step(B, "aurora.stop");

        let err = world.inspect(&*step).await.unwrap_err();

        assert!(matches!(err, Error::Toolkit(WrongState { .. })));
        let expected = "cluster `orders-a` is a member of the global database `world`: ";
        assert!(err.to_string().starts_with(expected), "{err}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_cluster_cannot_be_stopped() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| it.state = "failed".into());
        let step = account.step(B, "aurora.stop");

        let err = world.inspect(&*step).await.unwrap_err();

        assert!(err.to_string().contains("`failed`"), "{err}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_cluster_is_known_to_start_again() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| {
            it.state = ClusterState::Stopped;
            it.restarts_at = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(604_800));
        });
        let step = account.step(B, "aurora.stop");

        world.inspect(&*step).await.unwrap();

        let warnings = world.warnings();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("`orders-a` again at 1970-01-08T00:00:00Z"), "{warnings:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_cluster_cannot_be_stopped() {
        let (world, account) = (World::new(A), account());
        account.remove(A);
        let step = account.step(B, "aurora.stop");

        let err = world.inspect(&*step).await.unwrap_err();

        assert!(matches!(err, Error::Toolkit(NotFound { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_is_deleted_round_by_round_with_one_snapshot() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| it.members.truncate(1));
        let step = delete(&account, true);
        let name = format!("orders-a-{}", world.store.release().unwrap().id.to_lowercase());
        let goal = format!("deleted, with snapshot `{name}`");

        assert_eq!(world.inspect(&*step).await.unwrap(), needed("available, 1 instance", &goal));
        world.apply(&*step).await.unwrap();
        assert_eq!(world.inspect(&*step).await.unwrap(), needed("available, 0 instances", &goal));
        world.apply(&*step).await.unwrap();
        let seen = world.inspect(&*step).await.unwrap();
        assert_eq!(seen, underway("cluster `orders-a` is `deleting`"));
        account.remove(A);

        assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
        let call = format!("delete a Named(\"{name}\")");
        assert_eq!(account.changes(), [call.clone(), call]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_snapshot_has_a_name_that_aws_takes() {
        let (world, account) = (World::new(A), account());
        let step = delete(&account, true);

        world.apply(&*step).await.unwrap();

        let name: String = world.context().note("aurora.orders/a/snapshot").unwrap().unwrap();
        assert!(name.starts_with("orders-a-"), "{name}");
        assert!(!name.contains("--") && !name.ends_with('-') && name.len() <= 255, "{name}");
        let legal = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
        assert!(name.chars().all(legal), "{name}");
    }

    #[tokio::test(start_paused = true)]
    async fn outside_a_release_the_snapshot_is_named_for_the_first_try() {
        let (world, account) = (World::new(A), account());
        world.store.close_release().unwrap();
        let step = delete(&account, true);

        world.apply(&*step).await.unwrap();
        tokio::time::advance(Duration::from_secs(90)).await;
        world.apply(&*step).await.unwrap();

        let call = "delete a Named(\"orders-a-19700101t001640z\")";
        assert_eq!(account.changes(), [call, call]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_is_deleted_without_a_snapshot_when_the_file_says_so() {
        let (world, account) = (World::new(A), account());
        let step = delete(&account, false);

        let seen = world.inspect(&*step).await.unwrap();
        world.apply(&*step).await.unwrap();

        assert_eq!(seen, needed("available, 3 instances", "deleted, without a snapshot"));
        assert_eq!(account.changes(), ["delete a Skip"]);
    }

    #[tokio::test(start_paused = true)]
    async fn protection_is_found_at_the_first_look() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| it.deletion_protection = true);
        let step = delete(&account, true);

        let err = world.inspect(&*step).await.unwrap_err();

        assert!(matches!(err, Error::Toolkit(WrongState { .. })));
        let expected = "cluster `orders-a` is protected against deletion: ";
        assert!(err.to_string().starts_with(expected), "{err}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_on_its_way_is_let_arrive() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| it.state = "starting".into());
        let step = delete(&account, true);

        let seen = world.inspect(&*step).await.unwrap();

        assert_eq!(seen, underway("cluster `orders-a` is `starting`"));
    }

    #[test]
    fn both_are_destructive_on_the_old_stack() {
        let account = account();

        for step in [account.step(B, "aurora.stop"), delete(&account, true)] {
            assert_eq!(step.effect(), Effect::Destroys(A));
            assert_eq!(step.id().stack, A);
        }
    }

    #[test]
    fn deleting_needs_leave_for_the_snapshot_too() {
        let account = account();
        let permission = Permission {
            action: "rds:DeleteDBCluster",
            resource: "cluster-snapshot:orders-a-*".to_owned(),
        };

        assert!(delete(&account, true).permissions().contains(&permission));
        assert!(!delete(&account, false).permissions().contains(&permission));
    }
}
