//! CodeDeploy: deployments that wait for the reports of their hooks.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{Concerns, unknown};
use crate::{
    Call, Refusal, World,
    call::{Answer, time},
};

/// §11: how long a hook may take to report.
const REPORT_WITHIN: Duration = Duration::from_secs(3600);

/// The one target that a deployment has.
const TARGET: &str = "shop:web";

/// What there is of CodeDeploy.
#[derive(Debug, Default)]
pub struct CodeDeploy {
    deployments: BTreeMap<String, Deployment>,
}

/// A deployment, which goes from hook to hook as they report.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its id: `d-EXAMPLE01`.
    pub id: String,
    /// Its hooks in the order in which they run.
    pub hooks: Vec<Hook>,
    created: f64,
}

/// A lifecycle event of a deployment that has a hook.
#[derive(Clone, Debug)]
pub struct Hook {
    /// The event: `BeforeAllowTraffic`.
    pub event: String,
    /// The id of the hook's run, which it reports with.
    pub execution: String,
    /// How it is.
    pub status: HookState,
}

/// How a hook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookState {
    /// Others come first.
    Pending,
    /// It has been called at this time, and has not reported.
    InProgress(Duration),
    /// It has reported that the deployment goes on.
    Succeeded,
    /// It has reported that the deployment fails, or not reported in time.
    Failed,
    /// One before it has failed.
    Skipped,
}

impl HookState {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress(_) => "InProgress",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Skipped => "Skipped",
        }
    }
}

impl CodeDeploy {
    /// Returns a deployment, as it is since the last call.
    pub fn deployment(&self, id: &str) -> Option<&Deployment> {
        self.deployments.get(id)
    }
}

impl Deployment {
    /// Returns AWS's word for how it is: `InProgress`, `Succeeded`, `Failed`.
    pub fn status(&self) -> &'static str {
        let any = |state| self.hooks.iter().any(|it| it.status == state);
        if any(HookState::Failed) {
            "Failed"
        } else if self.hooks.iter().all(|it| it.status == HookState::Succeeded) {
            "Succeeded"
        } else {
            "InProgress"
        }
    }

    fn end(&mut self, at: usize, state: HookState, now: Duration) {
        self.hooks[at].status = state;
        for (number, hook) in self.hooks.iter_mut().enumerate().skip(at + 1) {
            hook.status = match state {
                HookState::Succeeded if number == at + 1 => HookState::InProgress(now),
                HookState::Succeeded => HookState::Pending,
                _ => HookState::Skipped,
            };
        }
    }
}

impl World {
    /// Begins a deployment with hooks on these lifecycle events, and calls the first of them. Returns the ids of
    /// the hooks' runs, in their order.
    pub fn add_deployment(&mut self, id: &str, events: &[&str]) -> Vec<String> {
        let now = self.now();
        let hook = |(at, event): (usize, &&str)| Hook {
            event: (*event).to_owned(),
            execution: format!("{id}-{event}"),
            status: if at == 0 { HookState::InProgress(now) } else { HookState::Pending },
        };
        let hooks: Vec<Hook> = events.iter().enumerate().map(hook).collect();
        let executions = hooks.iter().map(|it| it.execution.clone()).collect();
        let deployment = Deployment { id: id.to_owned(), hooks, created: self.seconds() };
        self.codedeploy.deployments.insert(id.to_owned(), deployment);
        executions
    }
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    let known = [
        "GetDeployment",
        "ListDeploymentTargets",
        "BatchGetDeploymentTargets",
        "PutLifecycleEventHookExecutionStatus",
    ];
    if !known.contains(&call.operation.as_str()) {
        return Err(unknown(call));
    }
    let Some(id) = call.text("deploymentId") else {
        return Err(Refusal::bad("DeploymentIdRequiredException", "Deployment ID is missing"));
    };
    let now = world.now();
    let Some(deployment) = world.codedeploy.deployments.get_mut(id) else {
        let message = format!("The deployment {id} could not be found");
        return Err(Refusal::bad("DeploymentDoesNotExistException", message));
    };
    // §11: a hook that does not report in time has failed.
    let overdue = deployment.hooks.iter().position(
        |it| matches!(it.status, HookState::InProgress(since) if now >= since + REPORT_WITHIN),
    );
    if let Some(at) = overdue {
        deployment.end(at, HookState::Failed, now);
    }
    match call.operation.as_str() {
        "GetDeployment" => Ok(json!({ "deploymentInfo": {
            "deploymentId": deployment.id,
            "applicationName": "shop",
            "deploymentGroupName": "web",
            "computePlatform": "ECS",
            "status": deployment.status(),
            "createTime": time(deployment.created),
        }})),
        "ListDeploymentTargets" => Ok(json!({ "targetIds": [TARGET] })),
        "BatchGetDeploymentTargets" => Ok(targets(deployment, call)),
        _ => report(deployment, call, now),
    }
}

fn targets(deployment: &Deployment, call: &Call) -> Value {
    let event = |it: &Hook| json!({ "lifecycleEventName": it.event, "status": it.status.word() });
    let events: Vec<Value> = deployment.hooks.iter().map(event).collect();
    let asked = call.texts("targetIds").into_iter().filter(|it| *it == TARGET);
    let target = |it: &str| {
        json!({
            "deploymentTargetType": "ECSTarget",
            "ecsTarget": { "deploymentId": deployment.id, "targetId": it, "lifecycleEvents": events },
        })
    };
    json!({ "deploymentTargets": asked.map(target).collect::<Vec<_>>() })
}

fn report(deployment: &mut Deployment, call: &Call, now: Duration) -> Answer {
    let execution = call.text("lifecycleEventHookExecutionId").unwrap_or_default();
    let Some(at) = deployment.hooks.iter().position(|it| it.execution == execution) else {
        return Err(Refusal::bad(
            "InvalidLifecycleEventHookExecutionIdException",
            "The lifecycle event hook execution ID is not valid",
        ));
    };
    // §11: the type knows more words, but only these two are taken.
    let state = match call.text("status") {
        Some("Succeeded") => HookState::Succeeded,
        Some("Failed") => HookState::Failed,
        _ => {
            return Err(Refusal::bad(
                "InvalidLifecycleEventHookExecutionStatusException",
                "The status must be Succeeded or Failed",
            ));
        }
    };
    if !matches!(deployment.hooks[at].status, HookState::InProgress(_)) {
        return Err(Refusal::bad(
            "LifecycleEventAlreadyCompletedException",
            "An attempt to return the status of an already completed lifecycle event occurred",
        ));
    }
    deployment.end(at, state, now);
    Ok(json!({ "lifecycleEventHookExecutionId": execution }))
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    match call.operation.as_str() {
        "PutLifecycleEventHookExecutionStatus" => Concerns::everything(),
        _ => Concerns::on([world.arn("codedeploy", "deploymentgroup:shop/web")]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, services::testing};

    fn call(operation: &str, parameters: Value) -> Call {
        testing::call("codedeploy", operation, parameters)
    }

    fn told(execution: &str, status: &str) -> Call {
        let parameters = json!({
            "deploymentId": "d-1",
            "lifecycleEventHookExecutionId": execution,
            "status": status,
        });
        call("PutLifecycleEventHookExecutionStatus", parameters)
    }

    fn code(answer: Answer) -> String {
        answer.unwrap_err().code
    }

    #[test]
    fn a_deployment_goes_from_hook_to_hook_as_they_report() {
        let mut world = World::new(&Settings::default());
        let hooks = world.add_deployment("d-1", &["BeforeAllowTraffic", "AfterAllowTraffic"]);
        let running = |world: &mut World| {
            let ids = json!({ "deploymentId": "d-1", "targetIds": [TARGET] });
            let seen = answer(world, &call("BatchGetDeploymentTargets", ids)).unwrap();
            let events = &seen["deploymentTargets"][0]["ecsTarget"]["lifecycleEvents"];
            let events = events.as_array().unwrap().clone();
            let running = events.into_iter().find(|it| it["status"] == "InProgress");
            running.map(|it| it["lifecycleEventName"].as_str().unwrap().to_owned())
        };

        let first = running(&mut world);
        answer(&mut world, &told(&hooks[0], "Succeeded")).unwrap();
        let second = running(&mut world);
        let again = code(answer(&mut world, &told(&hooks[0], "Succeeded")));
        answer(&mut world, &told(&hooks[1], "Succeeded")).unwrap();

        assert_eq!(first.as_deref(), Some("BeforeAllowTraffic"));
        assert_eq!(second.as_deref(), Some("AfterAllowTraffic"));
        assert_eq!(again, "LifecycleEventAlreadyCompletedException");
        assert_eq!(world.codedeploy.deployment("d-1").unwrap().status(), "Succeeded");
    }

    #[test]
    fn a_hook_that_does_not_report_within_an_hour_fails_the_deployment() {
        let mut world = World::new(&Settings::default());
        let hooks = world.add_deployment("d-1", &["BeforeInstall", "AfterInstall"]);

        world.advance(REPORT_WITHIN);
        let late = code(answer(&mut world, &told(&hooks[0], "Succeeded")));

        assert_eq!(late, "LifecycleEventAlreadyCompletedException");
        let deployment = world.codedeploy.deployment("d-1").unwrap();
        assert_eq!(
            (deployment.status(), deployment.hooks[1].status),
            ("Failed", HookState::Skipped)
        );
    }

    #[test]
    fn what_cannot_be_a_report_is_refused() {
        let mut world = World::new(&Settings::default());
        let hooks = world.add_deployment("d-1", &["BeforeInstall"]);

        let nobody = call("GetDeployment", json!({ "deploymentId": "d-2" }));

        assert_eq!(code(answer(&mut world, &nobody)), "DeploymentDoesNotExistException");
        assert_eq!(
            code(answer(&mut world, &told("other", "Succeeded"))),
            "InvalidLifecycleEventHookExecutionIdException"
        );
        assert_eq!(
            code(answer(&mut world, &told(&hooks[0], "Skipped"))),
            "InvalidLifecycleEventHookExecutionStatusException"
        );
    }
}
