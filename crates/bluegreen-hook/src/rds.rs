//! [`handle`], what is done about the events of RDS that come through SNS.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_aurora::{
    AuroraToolkit, ClusterStart, PerformanceInsights, PerformanceInsightsOptions, SnsNotification,
    SnsRecord, Tagging,
};
use bluegreen_core::{
    BoxError, Error,
    wait::{self, Look, Pace},
};
use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::{answer::chain, event::SnsMessage, invocation::Invocation};

/// A pair of clusters, and what is done about the readers that autoscaling makes for them.
#[derive(Clone, Debug)]
pub struct Database {
    /// What the stack file calls it.
    pub name: String,
    /// Its toolkit.
    pub toolkit: Arc<dyn AuroraToolkit>,
    /// Whether new readers are tagged.
    pub tags: bool,
    /// How Performance Insights are switched on for new instances; `None` when they are not.
    pub insights: Option<PerformanceInsightsOptions>,
}

/// Whoever wants to know of clusters that AWS has started.
#[async_trait(?Send)]
pub trait Clusters: fmt::Debug + Send + Sync {
    /// Hears that RDS says of a cluster, by its name, that it is started (RDS-EVENT-0151), or is being started
    /// since it was stopped for seven days (RDS-EVENT-0153), the longest that AWS allows.
    ///
    /// The cluster may be anybody's, and may be in any state by now: events come late, twice, and not in
    /// their order. One that is still starting is told of once more when it is up.
    ///
    /// # Errors
    ///
    /// [`Failure`], of which the message is handed to the function again when a retry can cure it.
    async fn started(&self, cluster: &str, how: ClusterStart) -> Result<(), Failure>;
}

/// Why something about a message was not done.
#[derive(Debug)]
pub struct Failure {
    /// Whether it may be done later.
    pub transient: bool,
    /// Why, with its causes.
    pub error: BoxError,
}

/// What came of the messages.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was done, as fragments. What was so already and what is not ours are not among it.
    pub done: Vec<String>,
    /// What was not done.
    pub failures: Vec<Failure>,
}

/// Something about a message was not done that may be done later.
#[derive(Debug, thiserror::Error)]
#[error("{transient} of {failures} failures about RDS events may be cured by a retry")]
pub struct RetryError {
    failures: usize,
    transient: usize,
    /// The first that a retry can cure.
    source: BoxError,
}

impl Outcome {
    /// Makes the function fail when something may be done later, so that the messages come again; what was done
    /// is found so then. What no retry cures was logged, and would only be tried in vain.
    ///
    /// # Errors
    ///
    /// [`RetryError`], with the first cause that a retry can cure.
    pub fn into_result(self) -> Result<(), RetryError> {
        let failures = self.failures.len();
        let mut cured: Vec<_> = self.failures.into_iter().filter(|it| it.transient).collect();
        let transient = cured.len();
        match cured.is_empty() {
            true => Ok(()),
            false => Err(RetryError { failures, transient, source: cured.swap_remove(0).error }),
        }
    }
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        // What is still busy at the end of an invocation may be free in the next.
        let transient = err.is_transient() || matches!(err, Error::DeadlinePassed { .. });
        Self { transient, error: err.into() }
    }
}

/// Does what is to be done about each message, whatever becomes of the others.
///
/// - A new reader is tagged by every database that it was made for ([`AuroraToolkit::apply_tags`]).
/// - Performance Insights are switched on for a new instance, by the first database that knows it; while the instance
///   is busy it is looked at again, up to [`Invocation::deadline_for_work`].
/// - A cluster that AWS has started is told to `clusters`.
///
/// What is no event of RDS, such as the plain text with which a subscription begins, and events of other
/// kinds are passed over. Best effort is all that RDS promises of events, so somebody must look from
/// time to time all the same.
pub async fn handle(
    messages: &[SnsMessage],
    databases: &[Database],
    clusters: &dyn Clusters,
    invocation: &Invocation,
) -> Outcome {
    let handled = messages.iter().map(|it| one(it, databases, clusters, invocation));
    let mut outcome = Outcome::default();
    for (message, results) in messages.iter().zip(join_all(handled).await) {
        let message_id = message.message_id.as_str();
        for result in results {
            match result {
                Ok(Some(done)) => {
                    tracing::info!(message_id, done, "acted on an event of RDS");
                    outcome.done.push(done);
                }
                Ok(None) => {}
                Err(failure) => {
                    let (error, again) = (chain(&*failure.error), failure.transient);
                    tracing::error!(message_id, error, again, "could not act on an event of RDS");
                    outcome.failures.push(failure);
                }
            }
        }
    }
    outcome
}

/// What came of a thing that may have to be done: what was done, if anything.
type Done = Result<Option<String>, Failure>;

async fn one(
    message: &SnsMessage,
    databases: &[Database],
    clusters: &dyn Clusters,
    invocation: &Invocation,
) -> Vec<Done> {
    let sns = SnsNotification { message: message.message.clone() };
    let record = SnsRecord { sns };
    if let Some((cluster, how)) = record.started_cluster() {
        let heard = clusters.started(&cluster, how).await;
        return vec![
            heard.map(|()| Some(format!("told of cluster `{cluster}`, which AWS started"))),
        ];
    }
    let mut results = Vec::new();
    for database in databases.iter().filter(|it| it.tags) {
        results.push(tag(database, &record).await);
    }
    results.push(switch_insights_on(databases, &record, invocation.left_for_work()).await);
    results
}

async fn tag(database: &Database, record: &SnsRecord) -> Done {
    match database.toolkit.apply_tags(record).await? {
        Tagging::Tagged { instance, tags } => {
            let keys: Vec<_> = tags.iter().map(|it| format!("`{}`", it.0)).collect();
            Ok(Some(format!("tagged instance `{instance}` with {}", keys.join(", "))))
        }
        Tagging::NotOurs(why) => {
            tracing::debug!(database = database.name, why, "nothing to tag");
            Ok(None)
        }
    }
}

/// The first database whose account and region have the instance switches them on: a second would find it busy.
async fn switch_insights_on(databases: &[Database], record: &SnsRecord, left: Duration) -> Done {
    let mut failed = None;
    for database in databases {
        let Some(options) = database.insights else { continue };
        match switched_on(database, record, options, left).await {
            Ok(PerformanceInsights::Enabled(instance)) => {
                return Ok(Some(format!("switched Performance Insights on for `{instance}`")));
            }
            Ok(PerformanceInsights::NotOurs(why)) => {
                tracing::debug!(database = database.name, why, "nothing to switch on");
            }
            Ok(_) => return Ok(None),
            // Another database may know the instance, and can do it.
            Err(err) => failed = failed.or(Some(err)),
        }
    }
    failed.map_or(Ok(None), |err| Err(err.into()))
}

async fn switched_on(
    database: &Database,
    record: &SnsRecord,
    options: PerformanceInsightsOptions,
    left: Duration,
) -> Result<PerformanceInsights, Error> {
    let what = format!("Performance Insights of `{}`", database.name);
    let pace = Pace { first_look: Duration::from_secs(5), deadline: left, ..Pace::default() };
    let cancel = CancellationToken::new();
    wait::until(
        &what,
        pace,
        &cancel,
        |_| {},
        async || match database.toolkit.enable_performance_insights(record, options).await? {
            PerformanceInsights::Busy { instance, status } => {
                Ok(Look::Waiting(format!("instance `{instance}`, which is `{status}`")))
            }
            done => Ok(Look::Ready(done)),
        },
    )
    .await
}

#[cfg(test)]
mod tests;
