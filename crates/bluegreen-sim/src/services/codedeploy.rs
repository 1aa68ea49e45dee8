//! CodeDeploy: deployment groups of ECS services and of Lambda functions, and deployments that go from lifecycle event
//! to lifecycle event.

mod asking;
mod content;
mod creating;
mod functions;
mod running;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

pub(super) use self::running::happen;
use super::{Concerns, unknown};
use crate::{Call, Refusal, World, call::Answer};

/// The target of deployments that no service has.
const NO_TARGET: &str = "shop:web";

/// The lifecycle events of an ECS deployment, in their order.
const EVENTS: [&str; 8] = [
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
];

/// The lifecycle events of a Lambda deployment, in their order.
const LAMBDA_EVENTS: [&str; 3] = ["BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"];

/// What there is of CodeDeploy.
#[derive(Debug, Default)]
pub struct CodeDeploy {
    /// Whether the hooks run in a deployment that CodeDeploy makes to roll another back; AWS does not say.
    pub hooks_run_in_rollbacks: bool,
    /// The compute platforms of the applications, by their names.
    applications: BTreeMap<String, String>,
    /// By application and name.
    groups: BTreeMap<(String, String), DeploymentGroup>,
    deployments: BTreeMap<String, Deployment>,
    /// The ids of the deployments, in the order in which they were made.
    order: Vec<String>,
}

/// A deployment group.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentGroup {
    /// The compute platform: `ECS`, `Lambda`.
    pub compute_platform: String,
    /// The cluster of the service that it deploys; empty where it deploys functions.
    pub cluster: String,
    /// The name of the service; empty where it deploys functions.
    pub service: String,
    /// The ARN of the role that CodeDeploy has.
    pub service_role_arn: String,
    /// Whether a deployment that fails is rolled back.
    pub rolls_back: bool,
    /// How long the tasks that were replaced are kept.
    pub termination_wait: Duration,
    /// How traffic moves: `CodeDeployDefault.ECSAllAtOnce`, `CodeDeployDefault.ECSCanary10Percent5Minutes`,
    /// `CodeDeployDefault.ECSLinear10PercentEvery1Minutes`.
    pub deployment_config: String,
    /// Whether there is a test listener; without one there is no `AfterAllowTestTraffic`.
    pub has_test_listener: bool,
}

impl DeploymentGroup {
    /// Makes one that rolls back, moves all traffic at once, has a test listener, and keeps nothing.
    pub fn of(cluster: &str, service: &str) -> Self {
        Self {
            compute_platform: "ECS".to_owned(),
            cluster: cluster.to_owned(),
            service: service.to_owned(),
            service_role_arn: "arn:aws:iam::123456789012:role/codedeploy".to_owned(),
            rolls_back: true,
            termination_wait: Duration::ZERO,
            deployment_config: "CodeDeployDefault.ECSAllAtOnce".to_owned(),
            has_test_listener: true,
        }
    }

    /// Makes one that deploys functions, rolls back, and moves all traffic at once.
    pub fn of_functions() -> Self {
        Self {
            compute_platform: "Lambda".to_owned(),
            deployment_config: "CodeDeployDefault.LambdaAllAtOnce".to_owned(),
            ..Self::of("", "")
        }
    }
}

/// A deployment, which goes from lifecycle event to lifecycle event.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its id: `d-EXAMPLE01`.
    pub id: String,
    /// The name of its application.
    pub application: String,
    /// The name of its deployment group.
    pub group: String,
    /// Who made it: `user`, `codeDeployRollback`.
    pub creator: String,
    /// Its lifecycle events, in their order.
    pub events: Vec<LifecycleEvent>,
    /// Why it failed or was stopped: AWS's code, and that in words.
    pub error: Option<(String, String)>,
    /// The id of the deployment that rolls it back.
    pub rolled_back_by: Option<String>,
    /// The id of the deployment that it rolls back.
    pub rolls_back: Option<String>,
    /// `InProgress`, `Succeeded`, `Failed`, `Stopped`.
    status: &'static str,
    /// What is deployed, and what was before, as AWS shows revisions.
    revision: Value,
    previous_revision: Option<Value>,
    /// The task definition that is deployed, as the revision names it.
    definition: String,
    /// The ids of the task set that traffic comes from, and of the one that it goes to.
    blue: Option<String>,
    green: Option<String>,
    service: Option<(String, String)>,
    /// The function that is deployed, where it is one.
    versions: Option<functions::Versions>,
    created: Duration,
    completed: Option<Duration>,
}

/// A lifecycle event of a deployment.
#[derive(Clone, Debug)]
pub struct LifecycleEvent {
    /// Its name: `BeforeAllowTraffic`.
    pub name: String,
    /// The function that is its hook.
    pub function: Option<String>,
    /// The id of the hook's run, which it reports with.
    pub execution: String,
    /// How it is.
    pub status: EventState,
    /// Whether it ends with a report, and not by itself.
    reports: bool,
    started: Option<Duration>,
    ended: Option<Duration>,
}

/// How a lifecycle event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventState {
    /// Others come first.
    Pending,
    /// It has begun; its hook, if it has one, has been called and has not reported.
    InProgress,
    /// The deployment goes on.
    Succeeded,
    /// Its hook has reported that the deployment fails, or not reported in time.
    Failed,
    /// The deployment has ended before.
    Skipped,
}

impl EventState {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Skipped => "Skipped",
        }
    }
}

/// What happens by itself in CodeDeploy, in a deployment that it has the id of.
#[derive(Clone, Debug)]
pub enum CodeDeployEvent {
    /// A lifecycle event, by its place, ends well.
    Done(String, usize),
    /// A hook, by the place of its event, has not reported in time.
    Overdue(String, usize),
    /// So many of the steps in which traffic moves have been waited for, in the event at this place.
    Traffic(String, usize, usize),
    /// The tasks that were replaced have been kept for long enough.
    Terminate(String),
}

impl CodeDeploy {
    /// Returns a deployment.
    pub fn deployment(&self, id: &str) -> Option<&Deployment> {
        self.deployments.get(id)
    }

    /// Returns all deployments, in the order in which they were made.
    pub fn deployments(&self) -> impl Iterator<Item = &Deployment> {
        self.order.iter().filter_map(|it| self.deployments.get(it))
    }
}

impl Deployment {
    /// Returns AWS's word for how it is: `InProgress`, `Succeeded`, `Failed`, `Stopped`.
    pub fn status(&self) -> &'static str {
        self.status
    }

    /// Returns the lifecycle event that is in progress.
    pub fn current_event(&self) -> Option<&LifecycleEvent> {
        self.events.iter().find(|it| it.status == EventState::InProgress)
    }
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    let answer = match call.operation.as_str() {
        "CreateApplication" => creating::application(world, call),
        "CreateDeploymentGroup" => creating::group(world, call),
        "GetDeploymentGroup" => asking::group(world, call),
        "CreateDeployment" => creating::deployment(world, call),
        "ListDeployments" => asking::deployments(world, call),
        "GetDeployment" => Ok(asking::deployment(world, known(world, call)?)),
        "ListDeploymentTargets" => {
            Ok(json!({ "targetIds": [asking::target_of(known(world, call)?)] }))
        }
        "GetDeploymentTarget" | "BatchGetDeploymentTargets" => {
            asking::targets(world, known(world, call)?, call)
        }
        "StopDeployment" => {
            let id = known(world, call)?.id.clone();
            running::stop(world, &id, call.flag("autoRollbackEnabled"))
        }
        "PutLifecycleEventHookExecutionStatus" => {
            let id = known(world, call)?.id.clone();
            running::report(world, &id, call)
        }
        _ => Err(unknown(call)),
    };
    // What takes no time has happened when the call is answered.
    let now = world.now();
    world.advance(now);
    answer
}

fn known<'a>(world: &'a World, call: &Call) -> Result<&'a Deployment, Refusal> {
    let Some(id) = call.text("deploymentId") else {
        return Err(Refusal::bad("DeploymentIdRequiredException", "Deployment ID is missing"));
    };
    world.codedeploy.deployments.get(id).ok_or_else(|| {
        let message = format!("The deployment {id} could not be found");
        Refusal::bad("DeploymentDoesNotExistException", message)
    })
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    let named = |application: &str, group: &str| {
        Concerns::on([world.arn("codedeploy", &format!("deploymentgroup:{application}/{group}"))])
    };
    let application = call.text("applicationName").unwrap_or("*");
    match call.operation.as_str() {
        "PutLifecycleEventHookExecutionStatus" => Concerns::everything(),
        "CreateApplication" => {
            Concerns::on([world.arn("codedeploy", &format!("application:{application}"))])
        }
        "CreateDeploymentGroup" | "GetDeploymentGroup" | "CreateDeployment" | "ListDeployments" => {
            named(application, call.text("deploymentGroupName").unwrap_or("*"))
        }
        _ => {
            let id = call.text("deploymentId").unwrap_or_default();
            match world.codedeploy.deployments.get(id) {
                Some(it) => named(&it.application, &it.group),
                // Whoever may ask about a group is told that there is no such deployment, and nobody else.
                None => match world.codedeploy.groups.keys().next() {
                    Some((application, group)) => named(application, group),
                    None => named("shop", "web"),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests;
