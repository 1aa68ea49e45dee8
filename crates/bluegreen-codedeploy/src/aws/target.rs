//! What a deployment works on: its targets, and what they have of lifecycle events and traffic.

use std::time::SystemTime;

use aws_sdk_codedeploy::{
    error::{ProvideErrorMetadata, SdkError},
    types::{self, DeploymentTarget, EcsTaskSet, LambdaFunctionInfo, LifecycleEventStatus},
};
use bluegreen_core::{Error, Result};

use super::{AwsCodeDeployToolkit, failure};
use crate::{LifecycleEvent, Target, TaskSetLabel, TaskSetTraffic};

const LIST: &str = "codedeploy:ListDeploymentTargets";
pub(super) const GET: &str = "codedeploy:BatchGetDeploymentTargets";

/// The most targets that AWS describes in a call.
const MOST_TARGETS: usize = 25;

impl AwsCodeDeployToolkit {
    /// Looks at all targets of a deployment; `None` when it has not started.
    pub(super) async fn look_at_target(&self, deployment_id: &str) -> Result<Option<Target>> {
        let ids = self.target_ids(deployment_id).await?;
        if ids.is_empty() {
            return Ok(None);
        }
        let mut seen = Target::default();
        for ids in ids.chunks(MOST_TARGETS) {
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
            // A target that was left out may be the one whose event is running.
            if targets.len() < ids.len() {
                return Err(incomplete("every target of the deployment"));
            }
            for target in targets {
                read(target, &mut seen)?;
            }
        }
        Ok(Some(seen))
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

/// Adds what is to be known of a target.
fn read(target: &DeploymentTarget, seen: &mut Target) -> Result<()> {
    let running = events(target).find(|it| it.status() == Some(&LifecycleEventStatus::InProgress));
    if let (None, Some(event)) = (&seen.running, running) {
        let name = event.lifecycle_event_name();
        let name = name.ok_or_else(|| incomplete("the name of the lifecycle event"))?.to_owned();
        let since = event.start_time().and_then(|it| SystemTime::try_from(*it).ok());
        seen.running = Some(LifecycleEvent { name, since });
    }
    for task_set in target.ecs_target().map(|it| it.task_sets_info()).unwrap_or_default() {
        seen.task_sets.push(traffic(task_set)?);
    }
    if let Some(function) = target.lambda_target().and_then(|it| it.lambda_function_info()) {
        seen.versions.extend(versions(function));
    }
    Ok(())
}

fn events(target: &DeploymentTarget) -> impl Iterator<Item = &types::LifecycleEvent> {
    let ecs = target.ecs_target().map(|it| it.lifecycle_events()).unwrap_or_default();
    let lambda = target.lambda_target().map(|it| it.lifecycle_events()).unwrap_or_default();
    ecs.iter().chain(lambda)
}

fn traffic(task_set: &EcsTaskSet) -> Result<TaskSetTraffic> {
    let label = match task_set.task_set_label() {
        Some(types::TargetLabel::Blue) => TaskSetLabel::Blue,
        Some(types::TargetLabel::Green) => TaskSetLabel::Green,
        _ => return Err(incomplete("whether a task set is blue or green")),
    };
    // The SDK spells it like the API.
    let id = task_set.identifer().ok_or_else(|| incomplete("the id of a task set"))?;
    Ok(TaskSetTraffic {
        id: id.to_owned(),
        label,
        status: task_set.status().map(str::to_owned),
        weight: task_set.traffic_weight(),
    })
}

/// Returns the versions with their shares: what the new one has not, the old one has.
fn versions(function: &LambdaFunctionInfo) -> Vec<(String, f64)> {
    let share = function.target_version_weight();
    let old = function.current_version().map(|it| (it.to_owned(), 100.0 - share));
    let new = function.target_version().map(|it| (it.to_owned(), share));
    old.into_iter().chain(new).collect()
}

fn has_not_started<E: ProvideErrorMetadata>(err: &SdkError<E>) -> bool {
    err.code() == Some("DeploymentNotStartedException")
}

fn incomplete(missing: &'static str) -> Error {
    Error::Incomplete { operation: GET, missing }
}
