//! [`AwsCodeDeployToolkit`], the SDK behind [`CodeDeployToolkit`].

use std::{error, time::Duration};

use async_trait::async_trait;
use aws_sdk_codedeploy::{
    Client,
    config::{Builder, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    types::{DeploymentTarget, LifecycleEvent, LifecycleEventStatus},
};
use aws_types::SdkConfig;
use bluegreen_core::{Change, Error, Result};

use crate::{CodeDeployToolkit, HookExecution, HookStatus};

const REPORT: &str = "codedeploy:PutLifecycleEventHookExecutionStatus";
const LIST: &str = "codedeploy:ListDeploymentTargets";
const GET: &str = "codedeploy:BatchGetDeploymentTargets";

/// How often a call is tried. A report that does not arrive keeps a deployment waiting for an hour.
const ATTEMPTS: u32 = 10;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// How long a call may take with all its attempts: those take a hundred seconds, and the pauses between
/// them, which the SDK lets grow up to 20 s each, not quite two minutes.
const OPERATION: Duration = Duration::from_secs(5 * 60);

/// The most targets that AWS describes in a call.
const MOST_TARGETS: usize = 25;

/// Answers [`CodeDeployToolkit`] from AWS.
#[derive(Clone, Debug)]
pub struct AwsCodeDeployToolkit {
    client: Client,
}

impl AwsCodeDeployToolkit {
    /// Makes a toolkit for the account and region that `sdk` points at.
    ///
    /// Its calls are tried up to ten times in the SDK's standard mode, whatever `sdk` says: the
    /// adaptive mode would hold the report back. Each attempt may take 10 s, and a call with all of them 5
    /// minutes.
    pub fn new(sdk: &SdkConfig) -> Self {
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        let timeouts = sdk
            .timeout_config()
            .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let config = Builder::from(sdk).retry_config(retries).timeout_config(timeouts);
        Self::from_client(Client::from_conf(config.build()))
    }

    /// Makes a toolkit over a client that the caller has built, with its retries and timeouts.
    pub fn from_client(client: Client) -> Self {
        Self { client }
    }

    /// Lists the targets of a deployment; one that has not started has none. The SDK has no
    /// paginator for this call.
    async fn target_ids(&self, deployment_id: &str) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let mut token = None;
        loop {
            let request = self
                .client
                .list_deployment_targets()
                .deployment_id(deployment_id)
                .set_next_token(token.take());
            let page = match request.send().await {
                Ok(page) => page,
                Err(err) if has_not_started(&err) => return Ok(Vec::new()),
                Err(err) => return Err(failure(LIST, deployment_id, err)),
            };
            ids.extend(page.target_ids.unwrap_or_default());
            token = page.next_token.filter(|it| !it.is_empty());
            if token.is_none() {
                return Ok(ids);
            }
        }
    }
}

#[async_trait]
impl CodeDeployToolkit for AwsCodeDeployToolkit {
    async fn report(&self, hook: HookExecution, status: HookStatus) -> Result<Change> {
        let HookExecution { deployment_id, lifecycle_event_hook_execution_id } = hook;
        let request = self
            .client
            .put_lifecycle_event_hook_execution_status()
            .deployment_id(&deployment_id)
            .lifecycle_event_hook_execution_id(lifecycle_event_hook_execution_id)
            .status(match status {
                HookStatus::Succeeded => LifecycleEventStatus::Succeeded,
                HookStatus::Failed => LifecycleEventStatus::Failed,
            });
        match request.send().await {
            Ok(_) => Ok(Change::Made),
            Err(err) if err.code() == Some("LifecycleEventAlreadyCompletedException") => {
                let reason = err.message().unwrap_or_default();
                tracing::info!(deployment_id, ?status, reason, "the lifecycle event was over");
                Ok(Change::AlreadySo)
            }
            Err(err) => Err(failure(REPORT, &deployment_id, err)),
        }
    }

    async fn running_lifecycle_event(&self, deployment_id: &str) -> Result<Option<String>> {
        let incomplete = |missing| Error::Incomplete { operation: GET, missing };
        for ids in self.target_ids(deployment_id).await?.chunks(MOST_TARGETS) {
            let request = self
                .client
                .batch_get_deployment_targets()
                .deployment_id(deployment_id)
                .set_target_ids(Some(ids.to_vec()));
            let output = match request.send().await {
                Ok(output) => output,
                Err(err) if has_not_started(&err) => return Ok(None),
                Err(err) => return Err(failure(GET, deployment_id, err)),
            };

            let targets = output.deployment_targets();
            let running = targets
                .iter()
                .flat_map(events)
                .find(|it| it.status() == Some(&LifecycleEventStatus::InProgress));
            if let Some(event) = running {
                let name = event.lifecycle_event_name();
                let name = name.ok_or_else(|| incomplete("the name of the lifecycle event"))?;
                return Ok(Some(name.to_owned()));
            }
            // A target that was left out may be the one whose event is running.
            if targets.len() < ids.len() {
                return Err(incomplete("every target of the deployment"));
            }
        }
        Ok(None)
    }
}

fn events(target: &DeploymentTarget) -> impl Iterator<Item = &LifecycleEvent> {
    let ecs = target.ecs_target().map(|it| it.lifecycle_events()).unwrap_or_default();
    let lambda = target.lambda_target().map(|it| it.lifecycle_events()).unwrap_or_default();
    ecs.iter().chain(lambda)
}

fn has_not_started<E: ProvideErrorMetadata>(err: &SdkError<E>) -> bool {
    err.code() == Some("DeploymentNotStartedException")
}

fn failure<E>(operation: &'static str, deployment_id: &str, err: SdkError<E>) -> Error
where
    E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match err.code() {
        Some("DeploymentDoesNotExistException") => {
            Error::NotFound { resource: format!("deployment `{deployment_id}`") }
        }
        _ => Error::aws(operation, err),
    }
}

#[cfg(test)]
mod tests;
