//! How a deployment goes from stage to stage, forth and back.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use super::{Revision, ServiceDeployment, Step, Takes, configuration::BlueGreen, hooks};
use crate::{
    Call, Event, Refusal, World,
    call::Answer,
    services::ecs::{EcsEvent, invalid},
};

/// The stage in which traffic of the test listener moves, and that of the other.
const TEST: &str = "TEST_TRAFFIC_SHIFT";
const PRODUCTION: &str = "PRODUCTION_TRAFFIC_SHIFT";

fn step(stage: &'static str, takes: Takes) -> Step {
    Step { stage, production: None, test: None, takes }
}

/// Returns the stages of a deployment that goes well.
fn forth(configuration: &BlueGreen, active: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    if active > 1 {
        steps.push(step("RECONCILE_SERVICE", Takes::Nothing));
    }
    steps.push(step("PRE_SCALE_UP", Takes::Nothing));
    steps.push(step("SCALE_UP", Takes::TasksToStart));
    steps.push(step("POST_SCALE_UP", Takes::Nothing));
    steps.push(Step { test: Some(100.0), ..step(TEST, Takes::TrafficAnd(Duration::ZERO)) });
    steps.push(step("POST_TEST_TRAFFIC_SHIFT", Takes::Nothing));
    for (weight, kept) in configuration.weights() {
        steps.push(step("PRE_PRODUCTION_TRAFFIC_SHIFT", Takes::Nothing));
        steps.push(Step { production: Some(weight), ..step(PRODUCTION, Takes::TrafficAnd(kept)) });
    }
    steps.push(step("POST_PRODUCTION_TRAFFIC_SHIFT", Takes::Nothing));
    steps.push(step("BAKE_TIME", Takes::Time(configuration.bake)));
    steps.push(step("CLEAN_UP", Takes::TasksToStop));
    steps
}

/// Returns the stages that undo those which have been begun: there are none of their own.
fn back(begun: &BTreeSet<&'static str>) -> Vec<Step> {
    let traffic = Takes::TrafficAnd(Duration::ZERO);
    let mut steps = Vec::new();
    if begun.contains(PRODUCTION) {
        steps.push(Step { production: Some(0.0), ..step(PRODUCTION, traffic) });
    }
    if begun.contains(TEST) {
        steps.push(Step { test: Some(0.0), ..step(TEST, traffic) });
    }
    steps.push(step("CLEAN_UP", Takes::TasksToStop));
    steps
}

/// Makes a revision of a service; returns its ARN.
pub(super) fn revision(
    world: &mut World,
    cluster: &str,
    service: &str,
    definition: &str,
) -> String {
    let number = world.next_number();
    let arn = world.arn("ecs", &format!("service-revision/{cluster}/{service}/{number:019}"));
    let revision = Revision {
        cluster: cluster.to_owned(),
        service: service.to_owned(),
        definition: definition.to_owned(),
        created: world.now(),
    };
    world.ecs.native.revisions.insert(arn.clone(), revision);
    arn
}

/// Begins to deploy a task definition, by its ARN. A deployment that is not over stops, and leaves its revision behind.
pub(in crate::services::ecs) fn start(
    world: &mut World,
    cluster: &str,
    name: &str,
    definition: &str,
) {
    let found = world.ecs.find(cluster, name);
    let Some(configuration) = found.and_then(|it| it.blue_green.clone()) else { return };
    abandon(world, cluster, name, "a newer deployment has begun");
    let target = revision(world, cluster, name, definition);
    let id: String = world.uuid().replace('-', "").chars().take(21).collect();
    let arn = world.arn("ecs", &format!("service-deployment/{cluster}/{name}/{id}"));
    let Some(service) = world.ecs.find(cluster, name) else { return };
    let sources = service.revisions.clone();
    service.revisions.push(target.clone());
    service.definition = Some(definition.to_owned());
    let deployment = ServiceDeployment {
        arn: arn.clone(),
        cluster: cluster.to_owned(),
        service: name.to_owned(),
        steps: forth(&configuration, sources.len()),
        target,
        sources,
        production_weight: 0.0,
        test_weight: 0.0,
        reason: None,
        status: "PENDING",
        configuration,
        at: 0,
        begun: BTreeSet::new(),
        run: 0,
        execution: String::new(),
        open: BTreeSet::new(),
        details: Default::default(),
        is_scaled: false,
        rolled_back: None,
        created: world.now(),
        started: None,
        finished: None,
    };
    world.ecs.native.deployments.insert(arn.clone(), deployment);
    world.ecs.native.order.push(arn.clone());
    let time = world.draw(world.times.deployment_step);
    world.schedule(time, Event::Ecs(EcsEvent::DeploymentBegins(arn)));
}

/// Stops the deployment of a service that is not over, where there is one.
fn abandon(world: &mut World, cluster: &str, name: &str, why: &str) {
    let now = world.now();
    for it in world.ecs.native.deployments.values_mut() {
        if it.cluster == cluster && it.service == name && !it.is_over() {
            it.status = "STOPPED";
            it.reason = Some(why.to_owned());
            it.finished = Some(now);
        }
    }
}

/// Begins the first stage of a deployment.
pub(in crate::services::ecs) fn begin(world: &mut World, arn: &str) {
    let now = world.now();
    let Some(deployment) = world.ecs.native.deployments.get_mut(arn) else { return };
    if deployment.status == "PENDING" {
        deployment.status = "IN_PROGRESS";
        deployment.started = Some(now);
        begin_stage(world, arn);
    }
}

/// Begins the stage that a deployment is at: its weights are asked for, and its hooks are called.
fn begin_stage(world: &mut World, arn: &str) {
    let (run, execution) = (world.next_number(), world.uuid());
    let Some(deployment) = world.ecs.native.deployments.get_mut(arn) else { return };
    let Some(step) = deployment.steps.get(deployment.at) else { return };
    (deployment.run, deployment.execution) = (run, execution);
    deployment.production_weight = step.production.unwrap_or(deployment.production_weight);
    deployment.test_weight = step.test.unwrap_or(deployment.test_weight);
    deployment.begun.insert(step.stage);
    let stage = step.stage;
    let hooks = deployment.configuration.hooks.iter().enumerate();
    let hooks = hooks.filter(|(_, it)| it.stages.iter().any(|it| it == stage));
    let open: Vec<usize> = hooks.map(|(place, _)| place).collect();
    deployment.open = open.iter().copied().collect();
    if open.is_empty() {
        return work(world, arn);
    }
    for hook in open {
        hooks::begin(world, arn, run, hook);
    }
}

/// Does what a stage does besides its hooks.
pub(super) fn work(world: &mut World, arn: &str) {
    let Some(deployment) = world.ecs.native.deployments.get(arn) else { return };
    let Some(step) = deployment.steps.get(deployment.at) else { return };
    let (run, takes) = (deployment.run, step.takes);
    let time = match takes {
        Takes::Nothing => Duration::ZERO,
        Takes::TasksToStart => world.draw(world.times.task_start),
        Takes::TasksToStop => world.draw(world.times.task_stop),
        Takes::TrafficAnd(kept) => world.draw(world.times.traffic) + kept,
        Takes::Time(time) => time,
    };
    world.schedule(time, Event::Ecs(EcsEvent::StageEnds(arn.to_owned(), run)));
}

/// Ends a run of a stage, if it is the present one, and begins the next stage.
pub(in crate::services::ecs) fn end_stage(world: &mut World, arn: &str, run: u64) {
    let Some(deployment) = world.ecs.native.deployments.get_mut(arn) else { return };
    if deployment.run != run || deployment.is_over() {
        return;
    }
    if deployment.steps.get(deployment.at).is_some_and(|it| it.stage == "SCALE_UP") {
        deployment.is_scaled = true;
    }
    if deployment.at + 1 < deployment.steps.len() {
        deployment.at += 1;
        return begin_stage(world, arn);
    }
    let is_back = deployment.rolled_back.is_some();
    finish(world, arn, if is_back { "ROLLBACK_SUCCESSFUL" } else { "SUCCESSFUL" });
}

fn finish(world: &mut World, arn: &str, status: &'static str) {
    let now = world.now();
    let Some(deployment) = world.ecs.native.deployments.get_mut(arn) else { return };
    deployment.status = status;
    deployment.finished = Some(now);
    let left = match status {
        "SUCCESSFUL" => Some(deployment.target.clone()),
        "ROLLBACK_SUCCESSFUL" => deployment.sources.first().cloned(),
        _ => None,
    };
    let (cluster, name) = (deployment.cluster.clone(), deployment.service.clone());
    let Some(left) = left else { return };
    let definition = world.ecs.native.revisions.get(&left).map(|it| it.definition.clone());
    if let Some(service) = world.ecs.find(&cluster, &name) {
        service.revisions = vec![left];
        service.definition = definition;
    }
}

/// Rolls a deployment back; what fails on the way back has failed for good.
pub(super) fn roll_back(world: &mut World, arn: &str, why: &str) {
    let now = world.now();
    let Some(deployment) = world.ecs.native.deployments.get_mut(arn) else { return };
    if deployment.is_over() {
        return;
    }
    deployment.reason = Some(why.to_owned());
    if deployment.rolled_back.replace(now).is_some() || deployment.sources.is_empty() {
        return finish(world, arn, "ROLLBACK_FAILED");
    }
    deployment.status = "ROLLBACK_IN_PROGRESS";
    deployment.started.get_or_insert(now);
    deployment.steps = back(&deployment.begun);
    deployment.at = 0;
    begin_stage(world, arn);
}

/// Stops a deployment: it is rolled back, or left as it is.
pub(in crate::services::ecs) fn stop(world: &mut World, call: &Call) -> Answer {
    let arn = call.text("serviceDeploymentArn").unwrap_or_default().to_owned();
    let Some(deployment) = world.ecs.native.deployments.get(&arn) else {
        let message = "Service deployment not found.";
        return Err(Refusal::bad("ServiceDeploymentNotFoundException", message));
    };
    if deployment.is_over() || deployment.rolled_back.is_some() {
        return Err(Refusal::bad("ConflictException", "The service deployment cannot be stopped."));
    }
    let (cluster, name) = (deployment.cluster.clone(), deployment.service.clone());
    match call.text("stopType").unwrap_or("ROLLBACK") {
        "ROLLBACK" => roll_back(world, &arn, "somebody has stopped it"),
        "ABORT" => abandon(world, &cluster, &name, "somebody has stopped it"),
        other => return Err(invalid(format!("{other} is no stopType"))),
    }
    Ok(json!({ "serviceDeploymentArn": arn }))
}
