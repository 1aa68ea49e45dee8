//! What is told of deployment groups and deployments.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Deployment, NO_TARGET, creating};
use crate::{
    Call, Refusal, World,
    call::{Answer, time},
    services::sets,
};

/// How many targets a call may name.
const MOST: usize = 25;

pub(super) fn group(world: &World, call: &Call) -> Answer {
    let ((application, name), group) = creating::known_group(world, call)?;
    let rollback_events =
        ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"];
    let last = |status: Option<&str>| {
        let own = world
            .codedeploy
            .deployments()
            .filter(|it| it.group == *name && it.application == *application);
        let it = own.filter(|it| status.is_none_or(|status| it.status == status)).last()?;
        let at = |at: Option<Duration>| at.map(|at| time(world.seconds_at(at)));
        Some(json!({
            "deploymentId": it.id,
            "status": it.status,
            "createTime": at(Some(it.created)),
            "endTime": at(it.completed),
        }))
    };
    let service = json!({ "serviceName": group.service, "clusterName": group.cluster });
    let services = (group.compute_platform == "ECS").then(|| vec![service]);
    Ok(json!({ "deploymentGroupInfo": {
        "applicationName": application,
        "deploymentGroupName": name,
        "deploymentConfigName": group.deployment_config,
        "serviceRoleArn": group.service_role_arn,
        "computePlatform": group.compute_platform,
        "autoRollbackConfiguration": { "enabled": group.rolls_back, "events": rollback_events },
        "deploymentStyle": { "deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL" },
        "blueGreenDeploymentConfiguration": {
            "terminateBlueInstancesOnDeploymentSuccess": {
                "action": "TERMINATE",
                "terminationWaitTimeInMinutes": group.termination_wait.as_secs() / 60,
            },
            "deploymentReadyOption": { "actionOnTimeout": "CONTINUE_DEPLOYMENT", "waitTimeInMinutes": 0 },
        },
        "ecsServices": services,
        "lastSuccessfulDeployment": last(Some("Succeeded")),
        "lastAttemptedDeployment": last(None),
    }}))
}

/// Lists deployments, the newest first.
pub(super) fn deployments(world: &World, call: &Call) -> Answer {
    if call.text("deploymentGroupName").is_some() || call.text("applicationName").is_some() {
        creating::known_group(world, call)?;
    }
    let (application, group) = (call.text("applicationName"), call.text("deploymentGroupName"));
    let statuses = call.texts("includeOnlyStatuses");
    let fits = |it: &&Deployment| {
        application.is_none_or(|name| name == it.application)
            && group.is_none_or(|name| name == it.group)
            && (statuses.is_empty() || statuses.contains(&it.status))
    };
    let mut ids: Vec<_> = world.codedeploy.deployments().filter(fits).map(|it| &it.id).collect();
    ids.reverse();
    Ok(json!({ "deployments": ids }))
}

pub(super) fn deployment(world: &World, deployment: &Deployment) -> Value {
    let at = |at: Option<Duration>| at.map(|at| time(world.seconds_at(at)));
    let error = deployment.error.as_ref();
    let rolls_back = deployment.rolls_back.as_ref();
    let rollback = json!({
        "rollbackDeploymentId": deployment.rolled_back_by,
        "rollbackTriggeringDeploymentId": rolls_back,
        "rollbackMessage": rolls_back.map(|it| format!("{it} is rolled back")),
    });
    let has_rollback = deployment.rolled_back_by.is_some() || rolls_back.is_some();
    let present = |it: &Value| (!it.is_null()).then(|| it.clone());
    let key = (deployment.application.clone(), deployment.group.clone());
    let group = world.codedeploy.groups.get(&key);
    let started = deployment.events.first().and_then(|it| it.started);
    json!({ "deploymentInfo": {
        "deploymentId": deployment.id,
        "applicationName": deployment.application,
        "deploymentGroupName": deployment.group,
        "deploymentConfigName": group.map(|it| &it.deployment_config),
        "computePlatform": if deployment.versions.is_some() { "Lambda" } else { "ECS" },
        "status": deployment.status,
        "creator": deployment.creator,
        "revision": present(&deployment.revision),
        "previousRevision": deployment.previous_revision,
        "createTime": at(Some(deployment.created)),
        "startTime": at(started),
        "completeTime": at(deployment.completed),
        "rollbackInfo": has_rollback.then_some(rollback),
        "errorInformation": error.map(|(code, message)| json!({ "code": code, "message": message })),
    }})
}

pub(super) fn target_of(deployment: &Deployment) -> String {
    match (&deployment.service, &deployment.versions) {
        (Some((cluster, service)), _) => format!("{cluster}:{service}"),
        (None, Some(versions)) => versions.target(),
        (None, None) => NO_TARGET.to_owned(),
    }
}

/// Tells of one target, or of all that are named.
pub(super) fn targets(world: &World, deployment: &Deployment, call: &Call) -> Answer {
    let own = target_of(deployment);
    if call.operation == "GetDeploymentTarget" {
        let named = call.text("targetId").ok_or_else(|| {
            Refusal::bad("DeploymentTargetIdRequiredException", "targetId is required")
        })?;
        if named != own {
            let message = format!("The deployment target {named} could not be found");
            return Err(Refusal::bad("DeploymentTargetDoesNotExistException", message));
        }
        return Ok(json!({ "deploymentTarget": target(world, deployment) }));
    }
    let named = call.texts("targetIds");
    if named.len() > MOST {
        let message = format!("At most {MOST} targets can be named");
        return Err(Refusal::bad("DeploymentTargetListSizeExceededException", message));
    }
    let found = named.iter().filter(|it| **it == own).map(|_| target(world, deployment));
    Ok(json!({ "deploymentTargets": found.collect::<Vec<_>>() }))
}

fn target(world: &World, deployment: &Deployment) -> Value {
    let at = |at: Option<Duration>| at.map(|at| time(world.seconds_at(at)));
    let events = deployment.events.iter().map(|it| {
        json!({
            "lifecycleEventName": it.name,
            "status": it.status.word(),
            "startTime": at(it.started),
            "endTime": at(it.ended),
        })
    });
    let updated = deployment.events.iter().flat_map(|it| [it.started, it.ended]).flatten().max();
    let status = match deployment.status {
        "Stopped" => "Failed",
        other => other,
    };
    let arn = match (&deployment.service, &deployment.versions) {
        (Some((cluster, service)), _) => {
            Some(world.arn("ecs", &format!("service/{cluster}/{service}")))
        }
        (None, Some(versions)) => Some(versions.arn(world)),
        (None, None) => None,
    };
    let mut target = json!({
        "deploymentId": deployment.id,
        "targetId": target_of(deployment),
        "targetArn": arn,
        "lastUpdatedAt": at(updated),
        "lifecycleEvents": events.collect::<Vec<_>>(),
        "status": status,
    });
    if let Some(versions) = &deployment.versions {
        target["lambdaFunctionInfo"] = versions.shown(world);
        return json!({ "deploymentTargetType": "LambdaTarget", "lambdaTarget": target });
    }
    target["taskSetsInfo"] = task_sets(world, deployment).into();
    json!({ "deploymentTargetType": "ECSTarget", "ecsTarget": target })
}

fn task_sets(world: &World, deployment: &Deployment) -> Vec<Value> {
    let Some((cluster, service)) = &deployment.service else { return Vec::new() };
    let labelled = [("Blue", &deployment.blue), ("Green", &deployment.green)];
    let shown = |(label, id): (&str, &Option<String>)| {
        let set = sets::find(world, cluster, service, id.as_deref()?)?;
        let (desired, running) = sets::counts(world, cluster, service, set);
        Some(json!({
            // AWS spells it so.
            "identifer": set.id,
            "desiredCount": desired,
            "pendingCount": desired.saturating_sub(running),
            "runningCount": running,
            "status": if set.is_primary { "PRIMARY" } else { "ACTIVE" },
            "trafficWeight": set.weight,
            "taskSetLabel": label,
        }))
    };
    labelled.into_iter().filter_map(shown).collect()
}
