//! [`AwsCodeDeployToolkit`], the SDK behind [`CodeDeployToolkit`].

mod deployment;
mod revision;
mod target;
mod yaml;

use std::{error, time::Duration};

use async_trait::async_trait;
use aws_sdk_codedeploy::{
    Client,
    config::{Builder, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    types::LifecycleEventStatus,
};
use aws_types::SdkConfig;
use bluegreen_core::{Change, Error, LazyClient, Result};

use crate::{CodeDeployToolkit, Deployment, DeploymentGroup, HookExecution, HookStatus, Target};

const REPORT: &str = "codedeploy:PutLifecycleEventHookExecutionStatus";

/// How often a call is tried. A report that does not arrive keeps a deployment waiting for an hour.
const ATTEMPTS: u32 = 10;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// How long a call may take with all its attempts: those take a hundred seconds, and the pauses between
/// them, which the SDK lets grow up to 20 s each, not quite two minutes.
const OPERATION: Duration = Duration::from_secs(5 * 60);

/// Answers [`CodeDeployToolkit`] from AWS.
#[derive(Clone, Debug)]
pub struct AwsCodeDeployToolkit {
    client: LazyClient<Client>,
}

impl AwsCodeDeployToolkit {
    /// Makes a toolkit for the account and region that `sdk` points at.
    ///
    /// Its calls are tried up to ten times in the SDK's standard mode, whatever `sdk` says: the
    /// adaptive mode would hold the report back. Each attempt may take 10 s, and a call with all of them 5
    /// minutes.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self::from_client(LazyClient::new(sdk, |sdk| {
            let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
            let timeouts = sdk
                .timeout_config()
                .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder)
                .operation_attempt_timeout(ATTEMPT)
                .operation_timeout(OPERATION)
                .build();
            let config = Builder::from(sdk).retry_config(retries).timeout_config(timeouts);
            Client::from_conf(config.build())
        }))
    }

    /// Makes a toolkit over a client that the caller has built, with its retries and timeouts.
    pub fn from_client(client: impl Into<LazyClient<Client>>) -> Self {
        Self { client: client.into() }
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
        let target = self.look_at_target(deployment_id).await?;
        Ok(target.and_then(|it| it.running).map(|it| it.name))
    }

    async fn deployment(&self, id: &str) -> Result<Deployment> {
        self.get_deployment(id).await
    }

    async fn target(&self, deployment_id: &str) -> Result<Option<Target>> {
        self.look_at_target(deployment_id).await
    }

    async fn under_way(&self, application: &str, deployment_group: &str) -> Result<Vec<String>> {
        self.list_under_way(application, deployment_group).await
    }

    async fn deployment_group(
        &self,
        application: &str,
        deployment_group: &str,
    ) -> Result<DeploymentGroup> {
        self.get_deployment_group(application, deployment_group).await
    }
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
