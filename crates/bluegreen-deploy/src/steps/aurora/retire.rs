//! `aurora.stop` and `aurora.delete`: what becomes of the old cluster.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_aurora::{ClusterState, FinalSnapshot, Suspended};
use bluegreen_core::StackReference;

use super::{Aurora, cluster, start::Start};
use crate::{
    Context, Effect, Inspection, Objection, Permission, Result, Step, StepId, Wildcard,
    run::OBJECTIONS_PASS,
};

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

    async fn objections(&self, context: &Context<'_>) -> Result<Vec<Objection>> {
        self.aurora.connected(context, self.stack).await
    }

    /// Connections that end late.
    fn lasts(&self) -> Duration {
        OBJECTIONS_PASS
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        Some(Arc::new(Start { aurora: Arc::clone(&self.aurora), stack: self.stack }))
    }

    fn permissions(&self) -> Vec<Permission> {
        let mut permissions = self.aurora.permissions(self.stack, &["rds:StopDBCluster"]);
        permissions.extend(self.aurora.connections_permissions());
        permissions
    }
}

/// Deletes the cluster of `stack`, round by round.
#[derive(Debug)]
pub(super) struct Delete {
    pub(super) aurora: Arc<Aurora>,
    pub(super) stack: StackReference,
}

impl Delete {
    /// Returns the name of the final snapshot, the same each time the deletion is repeated.
    ///
    /// Outside a release it is that of the deletion's first try, which is remembered until the deletion
    /// has succeeded.
    async fn snapshot(&self, context: &Context<'_>) -> Result<String> {
        if let Some(release) = context.release_id() {
            return Ok(self.named_for(&release));
        }
        let now = humantime::format_rfc3339_seconds(context.now()).to_string();
        let new = self.named_for(&now.replace(['-', ':'], ""));
        // Takes the new name only when no earlier try has left one.
        context.remember(&self.snapshot_key(), &new).await?;
        let name = context.remembered(&self.snapshot_key())?.unwrap_or(new);
        context.set_note(&self.snapshot_key(), &name).await?;
        Ok(name)
    }

    /// Returns the name of the final snapshot if a look can tell: outside a release it is settled by the
    /// first change.
    fn known_snapshot(&self, context: &Context<'_>) -> Result<Option<String>> {
        match context.release_id() {
            Some(release) => Ok(Some(self.named_for(&release))),
            None => context.note(&self.snapshot_key()),
        }
    }

    fn named_for(&self, unique: &str) -> String {
        format!("{}-{unique}", self.aurora.name(self.stack)).to_lowercase()
    }

    fn snapshot_key(&self) -> String {
        self.aurora.key(self.stack, "snapshot")
    }

    /// Remembers what of the reader scaling is suspended, unless everything is: the deletion may have done
    /// that, and resuming to it would be no use.
    async fn remember_flags(&self, context: &Context<'_>) -> Result<()> {
        let seen = match self.aurora.cluster(context, self.stack).await {
            Err(err) if err.is_absent() => return Ok(()),
            looked => looked?,
        };
        match seen.scaling {
            Some(it) if it.suspended != Suspended::ALL => {
                context.remember(&self.aurora.flags_key(self.stack), &it.suspended).await
            }
            _ => Ok(()),
        }
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
        if let Some(reason) = seen.cannot_delete
            && seen.state.as_str() != "deleting"
        {
            let expected = "one that stands by itself: detach or promote it, or the replicas that it \
                            has, or set `retire = \"stop\"` or `\"keep\"`";
            return Err(self.aurora.wrong_state(self.stack, reason, expected));
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
            to: if !self.aurora.settings.final_snapshot {
                "deleted, without a snapshot".to_owned()
            } else if let Some(name) = self.known_snapshot(context)? {
                format!("deleted, with snapshot `{name}`")
            } else {
                "deleted, with a snapshot".to_owned()
            },
        })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        self.remember_flags(context).await?;
        let snapshot = if self.aurora.settings.final_snapshot {
            FinalSnapshot::Named(self.snapshot(context).await?)
        } else {
            FinalSnapshot::Skip
        };
        // What remains shows in the next look.
        self.aurora.toolkit.delete_database(self.stack, snapshot).await?;
        Ok(())
    }

    async fn objections(&self, context: &Context<'_>) -> Result<Vec<Objection>> {
        self.aurora.connected(context, self.stack).await
    }

    /// Connections that end late.
    fn lasts(&self) -> Duration {
        OBJECTIONS_PASS
    }

    fn permissions(&self) -> Vec<Permission> {
        let actions = ["rds:DeleteDBCluster", "rds:StartDBCluster"];
        let mut permissions = self.aurora.permissions(self.stack, &actions);
        let name = self.aurora.name(self.stack).to_lowercase();
        if self.aurora.settings.final_snapshot {
            let snapshots =
                Wildcard::because("the snapshot's name ends with the time of the release");
            let actions = ["rds:DeleteDBCluster", "rds:DescribeDBClusterSnapshots"];
            let named = format!("cluster-snapshot:{name}-*");
            permissions.extend(Permission::across(named, snapshots, &actions));
            let any =
                Wildcard::because("a look at a snapshot is evaluated against every cluster, too");
            let actions = ["rds:DescribeDBClusterSnapshots"];
            permissions.extend(Permission::across("cluster:*", any, &actions));
        }
        let made = Wildcard::because(
            "the stack file does not name a cluster's instances: add those whose names begin otherwise",
        );
        permissions.extend(Permission::across(
            format!("db:{name}-*"),
            made,
            &["rds:DeleteDBInstance"],
        ));
        let scaled = Wildcard::because("AWS names the readers that scaling adds").given(
            "aws:ResourceTag/application-autoscaling:resourceId",
            &[&self.aurora.arn(self.stack)],
        );
        let readers = "db:application-autoscaling-*";
        permissions.extend(Permission::across(readers, scaled, &["rds:DeleteDBInstance"]));
        permissions.extend(Aurora::scaling());
        permissions.extend(self.aurora.connections_permissions());
        permissions
    }

    fn memory(&self) -> Option<String> {
        Some(self.snapshot_key())
    }
}

#[cfg(test)]
mod tests;
