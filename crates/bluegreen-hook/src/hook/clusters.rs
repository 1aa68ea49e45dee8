//! The events of RDS: new readers, and clusters that AWS has started again after seven days.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bluegreen_aurora::{
    AuroraToolkit, AwsAuroraToolkit, ClusterStart, ClusterState, PerformanceInsightsOptions,
};
use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Error, Outcome, Store,
    stack_file::{AuroraRetire, AuroraSettings, Resource},
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    Hook, HookError,
    session::{self, Session, told},
};
use crate::{
    event::SnsMessage,
    invocation::Invocation,
    rds::{self, Clusters, Database, Failure},
};

/// How long after AWS has said that it starts a cluster the cluster may be up.
const UP_WITHIN: Duration = Duration::from_secs(24 * 3600);

impl Hook {
    /// Does what is to be done about each message of SNS.
    pub(super) async fn clusters(
        &self,
        messages: &[SnsMessage],
        invocation: &Invocation,
    ) -> Result<Value, HookError> {
        let session = Session::open(self, invocation).await?;
        let databases = session.databases()?;
        let clusters = Restarted { hook: self, invocation, turn: Mutex::new(()) };
        let outcome = rds::handle(messages, &databases, &clusters, invocation).await;
        let done = outcome.done.clone();
        outcome.into_result()?;
        Ok(json!({ "done": done }))
    }
}

impl Session<'_> {
    /// Returns what the stack file says of the readers that autoscaling makes.
    fn databases(&self) -> Result<Vec<Database>, Error> {
        let databases = self.file.aurora.iter().map(|it| {
            let config = it.settings.config.clone();
            let toolkit = AwsAuroraToolkit::new(&self.hook.sdk, config.clone())?;
            Ok(Database {
                name: it.name.clone(),
                toolkit: Arc::new(toolkit),
                tags: true,
                insights: it
                    .settings
                    .performance_insights
                    .then(PerformanceInsightsOptions::default),
            })
        });
        databases.collect()
    }

    /// Stops a cluster of the standby, if AWS has started it against the stack file's will.
    async fn stop_again(
        &self,
        store: &Store,
        database: &Resource<AuroraSettings>,
        stack: StackReference,
        why: ClusterStart,
    ) -> Result<(), Error> {
        let cluster = database.settings.config.clusters.of(stack);
        let config = database.settings.config.clone();
        let toolkit = AwsAuroraToolkit::new(&self.hook.sdk, config)?;
        let key = format!("restarted/{cluster}");
        let now = self.invocation.clock.now();
        if why == ClusterStart::ByAws {
            let at = humantime::format_rfc3339_seconds(now).to_string();
            store.keep_for_hook(&key, at.into()).await?;
        }
        let restarted = store.kept_for_hook(&key).is_some_and(|it| is_recent(&it, now));
        if !restarted {
            tracing::info!(cluster, "somebody has started it: it is left as it is");
            return Ok(());
        }
        if store.release().is_some() || store.pointer().active == stack {
            tracing::info!(cluster, "it is needed: it is left as it is");
            return store.keep_for_hook(&key, Value::Null).await;
        }
        let state = toolkit.cluster_state(stack).await?;
        if state != ClusterState::Available {
            tracing::info!(cluster, %state, "it is stopped again when it is up");
            return match why {
                ClusterStart::ByAws => Ok(()),
                // Nobody tells of it once more: the message has to come again.
                ClusterStart::Up => {
                    let what = format!("the stop of cluster `{cluster}`, which is {state}");
                    Err(bluegreen_core::Error::Interrupted { what }.into())
                }
            };
        }
        let report =
            Box::pin(self.engine.step(store, "aurora.stop", stack, Some(&database.name))).await?;
        match report.outcome {
            Outcome::Done | Outcome::AlreadyThere => {
                store.keep_for_hook(&key, Value::Null).await?;
                tracing::warn!(cluster, "AWS had started it after seven days: it is stopped again");
                Ok(())
            }
            Outcome::Interrupted => {
                let what = format!("the stop of cluster `{cluster}`");
                Err(bluegreen_core::Error::Interrupted { what }.into())
            }
            Outcome::Refused => Err(Error::Refused { reasons: report.refusals }),
            outcome => {
                let steps = report.steps.iter().filter_map(|it| it.error.clone());
                let why = steps.collect::<Vec<_>>().join("; ");
                Err(Error::refused(format!("it was not stopped again ({outcome:?}): {why}")))
            }
        }
    }
}

/// Stops clusters that AWS has started. Each has a session of its own, one after the other: all want the lease.
#[derive(Debug)]
struct Restarted<'a> {
    hook: &'a Hook,
    invocation: &'a Invocation,
    turn: Mutex<()>,
}

#[async_trait(?Send)]
impl Clusters for Restarted<'_> {
    async fn started(&self, cluster: &str, why: ClusterStart) -> Result<(), Failure> {
        let _turn = self.turn.lock().await;
        let session = Session::open(self.hook, self.invocation).await.map_err(|err| Failure {
            transient: err.is_transient(),
            error: err.to_string().into(),
        })?;
        session.restarted(cluster, why).await
    }
}

impl Session<'_> {
    /// Stops a cluster that AWS has started, if it is one of the stack file's that is to be stopped.
    async fn restarted(&self, cluster: &str, why: ClusterStart) -> Result<(), Failure> {
        let named = |stack: &StackReference| {
            let is_own = |it: &&Resource<AuroraSettings>| {
                // RDS ignores case in names.
                it.settings.config.clusters.of(*stack).eq_ignore_ascii_case(cluster)
            };
            self.file.aurora.iter().find(is_own).map(|it| (*stack, it))
        };
        let Some((stack, database)) = StackReference::BOTH.iter().find_map(named) else {
            return Ok(());
        };
        if database.settings.retire != AuroraRetire::Stop {
            return Ok(());
        }
        let work = async |store: &Store| self.stop_again(store, database, stack, why).await;
        let stopped = self.in_store(work).await;
        // Whoever has the lease gives it back; what is refused stays so until a person acts.
        stopped.map_err(|err| Failure {
            transient: session::is_transient(&err),
            error: told(&err).join("; ").into(),
        })
    }
}

fn is_recent(kept: &Value, now: SystemTime) -> bool {
    let at = kept.as_str().and_then(|it| humantime::parse_rfc3339(it).ok());
    at.and_then(|it| now.duration_since(it).ok()).is_some_and(|it| it <= UP_WITHIN)
}
