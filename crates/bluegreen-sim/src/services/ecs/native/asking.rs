//! What is told of deployments that ECS makes itself.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    ServiceDeployment,
    configuration::{BlueGreen, Strategy},
};
use crate::{
    Call, Refusal, World,
    call::{Answer, time},
    services::{
        Concerns,
        ecs::{Service, arn, cluster_of, invalid},
    },
};

/// How many deployments or revisions a call may name.
const MOST: usize = 20;

/// Shows a configuration as it stands in services and deployments.
fn shown_configuration(configuration: &BlueGreen) -> Value {
    let minutes = |it: Duration| it.as_secs() / 60;
    let hooks = configuration.hooks.iter().map(|it| {
        json!({
            "targetType": "AWS_LAMBDA",
            "hookTargetArn": it.function,
            "roleArn": it.role,
            "lifecycleStages": it.stages,
            "hookDetails": it.details,
            "timeoutConfiguration": {
                "timeoutInMinutes": minutes(it.timeout),
                "action": it.timeout_action,
            },
        })
    });
    let (strategy, canary, linear) = match configuration.strategy {
        Strategy::AllAtOnce => ("BLUE_GREEN", None, None),
        Strategy::Canary(percent, bake) => ("CANARY", Some((percent, bake)), None),
        Strategy::Linear(percent, bake) => ("LINEAR", None, Some((percent, bake))),
    };
    json!({
        "strategy": strategy,
        "bakeTimeInMinutes": minutes(configuration.bake),
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "lifecycleHooks": hooks.collect::<Vec<_>>(),
        "canaryConfiguration": canary.map(|(percent, bake)| {
            json!({ "canaryPercent": percent, "canaryBakeTimeInMinutes": minutes(bake) })
        }),
        "linearConfiguration": linear.map(|(percent, bake)| {
            json!({ "stepPercent": percent, "stepBakeTimeInMinutes": minutes(bake) })
        }),
    })
}

fn last<'a>(world: &'a World, service: &Service) -> Option<&'a ServiceDeployment> {
    let own = world.ecs.service_deployments();
    own.filter(|it| it.cluster == service.cluster && it.service == service.name).last()
}

/// Adds to how a service is shown what there is of it where ECS makes its deployments.
pub(in crate::services::ecs) fn shown_in_service(
    world: &World,
    service: &Service,
    shown: &mut Value,
) {
    let Some(configuration) = &service.blue_green else { return };
    let deployment = last(world, service);
    shown["deploymentConfiguration"] = shown_configuration(configuration);
    shown["currentServiceDeployment"] = json!(deployment.map(|it| &it.arn));
    let running = |revision: &String| count(service, deployment, revision);
    let revisions = service.revisions.iter().map(|it| {
        json!({
            "arn": it,
            "requestedTaskCount": service.desired(),
            "runningTaskCount": running(it),
            "pendingTaskCount": service.desired().saturating_sub(running(it)),
        })
    });
    shown["currentServiceRevisions"] = revisions.collect();
    // The newest is the primary one, from the moment on at which it is deployed.
    let newest = service.revisions.len().saturating_sub(1);
    let deployments = service.revisions.iter().enumerate().rev().map(|(place, it)| {
        let state = match deployment {
            Some(deployment) if deployment.target == *it => match deployment.status {
                "SUCCESSFUL" => "COMPLETED",
                "PENDING" | "IN_PROGRESS" => "IN_PROGRESS",
                _ => "FAILED",
            },
            _ => "COMPLETED",
        };
        json!({
            "id": format!("ecs-svc/{}", it.rsplit('/').next().unwrap_or_default()),
            "status": if place == newest { "PRIMARY" } else { "ACTIVE" },
            "taskDefinition": world.ecs.native.revisions.get(it).map(|it| &it.definition),
            "desiredCount": service.desired(),
            "runningCount": running(it),
            "pendingCount": service.desired().saturating_sub(running(it)),
            "rolloutState": state,
        })
    });
    shown["deployments"] = deployments.collect();
}

/// Counts the running tasks of a revision.
fn count(service: &Service, deployment: Option<&ServiceDeployment>, revision: &str) -> u32 {
    match deployment {
        Some(it) if it.target == revision && it.sources.is_empty() => service.running,
        Some(it) if it.target == revision && !it.is_scaled => 0,
        _ => service.running,
    }
}

fn missing(name: &str) -> Value {
    json!({ "arn": name, "reason": "MISSING" })
}

/// Returns the ARNs that a call names, which are some, and not too many.
fn named<'a>(call: &'a Call, parameter: &str) -> Result<Vec<&'a str>, Refusal> {
    let named = call.texts(parameter);
    match named.len() {
        1..=MOST => Ok(named),
        _ => Err(invalid(format!("{parameter} must name 1 to {MOST}"))),
    }
}

pub(in crate::services::ecs) fn describe(world: &World, call: &Call) -> Answer {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in named(call, "serviceDeploymentArns")? {
        match world.ecs.native.deployments.get(name) {
            Some(it) => found.push(shown(world, it)),
            None => failures.push(missing(name)),
        }
    }
    Ok(json!({ "serviceDeployments": found, "failures": failures }))
}

fn shown(world: &World, it: &ServiceDeployment) -> Value {
    let at = |at: Option<Duration>| at.map(|at| time(world.seconds_at(at)));
    let key = (it.cluster.clone(), it.service.clone());
    let service = world.ecs.services.get(&key);
    let revision = |arn: &String, production: f64, test: f64| {
        let running = service.map_or(0, |service| count(service, Some(it), arn));
        let desired = service.map_or(0, Service::desired);
        json!({
            "arn": arn,
            "requestedTaskCount": desired,
            "runningTaskCount": running,
            "pendingTaskCount": desired.saturating_sub(running),
            "requestedProductionTrafficWeight": production,
            "requestedTestTrafficWeight": test,
        })
    };
    let sources = it.sources.iter().enumerate().map(|(place, arn)| match place {
        0 => revision(arn, 100.0 - it.production_weight, 100.0 - it.test_weight),
        _ => revision(arn, 0.0, 0.0),
    });
    let rollback = it.rolled_back.map(|since| {
        json!({
            "reason": it.reason,
            "startedAt": at(Some(since)),
            "serviceRevisionArn": it.sources.first(),
        })
    });
    let finished = at(it.finished);
    json!({
        "serviceDeploymentArn": it.arn,
        "serviceArn": world.arn("ecs", &format!("service/{}/{}", it.cluster, it.service)),
        "clusterArn": world.arn("ecs", &format!("cluster/{}", it.cluster)),
        "createdAt": at(Some(it.created)),
        "startedAt": at(it.started),
        "finishedAt": finished,
        "stoppedAt": if it.status == "STOPPED" { finished.clone() } else { None },
        "sourceServiceRevisions": sources.collect::<Vec<_>>(),
        "targetServiceRevision": revision(&it.target, it.production_weight, it.test_weight),
        "status": it.status,
        "statusReason": it.reason,
        "lifecycleStage": it.stage(),
        "deploymentConfiguration": shown_configuration(&it.configuration),
        "rollback": rollback,
    })
}

/// Lists the deployments of a service, the newest first.
pub(in crate::services::ecs) fn list(world: &World, call: &Call) -> Answer {
    let cluster = cluster_of(call);
    let name = call.text("service").ok_or_else(|| invalid("service is required"))?;
    let name = name.rsplit('/').next().unwrap_or(name);
    let Some(service) = world.ecs.services.get(&(cluster, name.to_owned())) else {
        return Err(Refusal::bad("ServiceNotFoundException", "Service not found."));
    };
    let statuses = call.texts("status");
    let own = world.ecs.service_deployments().filter(|it| {
        it.cluster == service.cluster
            && it.service == service.name
            && (statuses.is_empty() || statuses.contains(&it.status))
    });
    let at = |at: Option<Duration>| at.map(|at| time(world.seconds_at(at)));
    let brief = |it: &ServiceDeployment| {
        json!({
            "serviceDeploymentArn": it.arn,
            "serviceArn": arn(world, service),
            "clusterArn": world.arn("ecs", &format!("cluster/{}", it.cluster)),
            "createdAt": at(Some(it.created)),
            "startedAt": at(it.started),
            "finishedAt": at(it.finished),
            "targetServiceRevisionArn": it.target,
            "status": it.status,
            "statusReason": it.reason,
        })
    };
    let mut listed: Vec<_> = own.map(brief).collect();
    listed.reverse();
    Ok(json!({ "serviceDeployments": listed }))
}

pub(in crate::services::ecs) fn describe_revisions(world: &World, call: &Call) -> Answer {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in named(call, "serviceRevisionArns")? {
        match world.ecs.native.revisions.get(name) {
            Some(it) => found.push(json!({
                "serviceRevisionArn": name,
                "serviceArn": world.arn("ecs", &format!("service/{}/{}", it.cluster, it.service)),
                "clusterArn": world.arn("ecs", &format!("cluster/{}", it.cluster)),
                "taskDefinition": it.definition,
                "createdAt": time(world.seconds_at(it.created)),
            })),
            None => failures.push(missing(name)),
        }
    }
    Ok(json!({ "serviceRevisions": found, "failures": failures }))
}

/// Returns what a call concerns that names deployments or revisions by their ARNs, each with its cluster.
pub(in crate::services::ecs) fn concerns(world: &World, call: &Call) -> Option<Concerns> {
    let arns: Vec<&str> = match call.operation.as_str() {
        "DescribeServiceDeployments" => call.texts("serviceDeploymentArns"),
        "DescribeServiceRevisions" => call.texts("serviceRevisionArns"),
        "StopServiceDeployment" => call.text("serviceDeploymentArn").into_iter().collect(),
        _ => return None,
    };
    if arns.is_empty() {
        return Some(Concerns::everything());
    }
    let mut concerns = Concerns::on(arns.into_iter().map(str::to_owned));
    for concern in &mut concerns.0 {
        if let Some(cluster) = concern.resource.split('/').nth(1) {
            let cluster = world.arn("ecs", &format!("cluster/{cluster}"));
            concern.give("ecs:cluster", &cluster);
        }
    }
    Some(concerns)
}
