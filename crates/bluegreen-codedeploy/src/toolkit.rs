//! [`CodeDeployToolkit`], the CodeDeploy calls that a lifecycle hook needs, and what they answer.

mod deployment;

use std::fmt;

use async_trait::async_trait;
use bluegreen_core::{Change, Result};
use serde::{Deserialize, Serialize};

pub use self::deployment::*;

/// The CodeDeploy calls that a lifecycle hook needs.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait CodeDeployToolkit: fmt::Debug + Send + Sync {
    /// Tells CodeDeploy how the hook ended. This is the only answer that it listens to: a hook that
    /// does not report keeps the deployment waiting for an hour, and then fails it.
    ///
    /// A lifecycle event that is over (reported before, timed out, or stopped) is
    /// [`Change::AlreadySo`].
    ///
    /// Calls `codedeploy:PutLifecycleEventHookExecutionStatus`, with more attempts than the SDK's default:
    /// it may take up to 5 minutes.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown deployment. After a transient error the report must be repeated.
    async fn report(&self, hook: HookExecution, status: HookStatus) -> Result<Change>;

    /// Returns the lifecycle event that is running in the deployment, such as `BeforeInstall`; `None`
    /// when none is, or the deployment has not started. The event that CodeDeploy sends to a hook does
    /// not say it. Deployments of ECS services and of Lambda functions are understood.
    ///
    /// Calls `codedeploy:ListDeploymentTargets` and `codedeploy:BatchGetDeploymentTargets`.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown deployment.
    async fn running_lifecycle_event(&self, deployment_id: &str) -> Result<Option<String>>;

    /// Returns the deployment `id`: what of, by whom, how far it is.
    ///
    /// Calls `codedeploy:GetDeployment`.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown deployment; `Incomplete` when the answer lacks application, group, platform, status
    /// or creator. A revision that cannot be read is none: see [`Revision::Elsewhere`].
    async fn deployment(&self, id: &str) -> Result<Deployment>;

    /// Returns what the deployment works on, as it is now; `None` when it has not started. Deployments of ECS services
    /// and of Lambda functions are understood.
    ///
    /// Calls `codedeploy:ListDeploymentTargets` and `codedeploy:BatchGetDeploymentTargets`.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown deployment; `Incomplete` when the answer lacks a target, the name of the running event,
    /// or id or label of a task set.
    async fn target(&self, deployment_id: &str) -> Result<Option<Target>>;

    /// Returns the ids of the deployments of a group that have not ended, in AWS's order: the newest first.
    ///
    /// Calls `codedeploy:ListDeployments`, once for each page.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown application or group.
    async fn under_way(&self, application: &str, deployment_group: &str) -> Result<Vec<String>>;

    /// Returns a deployment group.
    ///
    /// Calls `codedeploy:GetDeploymentGroup`.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown application or group; `Incomplete` when the answer lacks the service role.
    async fn deployment_group(
        &self,
        application: &str,
        deployment_group: &str,
    ) -> Result<DeploymentGroup>;
}

/// The event that CodeDeploy sends to a hook: which deployment, and which run of the hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HookExecution {
    /// The deployment, such as `d-EXAMPLE01`.
    pub deployment_id: String,
    /// The run of the hook, an opaque text.
    pub lifecycle_event_hook_execution_id: String,
}

/// How a hook ended. CodeDeploy's type knows more values, but takes only these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookStatus {
    /// The deployment goes on.
    Succeeded,
    /// The deployment fails.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_of_codedeploy_is_read() {
        let json = r#"{"DeploymentId": "d-EXAMPLE01", "LifecycleEventHookExecutionId": "eyJl"}"#;

        let hook: HookExecution = serde_json::from_str(json).unwrap();

        assert_eq!(hook.deployment_id, "d-EXAMPLE01");
        assert_eq!(hook.lifecycle_event_hook_execution_id, "eyJl");
    }
}
