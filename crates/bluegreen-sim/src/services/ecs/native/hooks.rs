//! How the hooks of a deployment are called, and what their answers do.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{ServiceDeployment, running};
use crate::{
    Event, World,
    services::{Answered, Origin, ecs::EcsEvent, invoke_for},
};

/// §3.3: after how many seconds a hook that is in progress is called again, unless it says otherwise.
const CALL_BACK_AFTER: f64 = 30.0;

/// The least and the greatest that it may say.
const SOONEST: f64 = 1.0;
const LATEST: f64 = 24.0 * 3600.0;

/// Calls a hook for the first time in a run of a stage.
pub(super) fn begin(world: &mut World, arn: &str, run: u64, hook: usize) {
    let Some(deployment) = world.ecs.native.deployments.get(arn) else { return };
    let Some(timeout) = deployment.configuration.hooks.get(hook).map(|it| it.timeout) else {
        return;
    };
    let event = EcsEvent::HookTimesOut(arn.to_owned(), run, hook);
    world.schedule(timeout, Event::Ecs(event));
    call_back(world, arn, run, hook);
}

/// Calls a hook, for the first time or again, if it is still waited for.
pub(in crate::services::ecs) fn call_back(world: &mut World, arn: &str, run: u64, hook: usize) {
    let Some(deployment) = waiting(world, arn, run, hook) else { return };
    let payload = payload(world, deployment, hook).to_string();
    let function = deployment.configuration.hooks.get(hook).map(|it| it.function.clone());
    let origin = Origin::Hook(arn.to_owned(), run, hook);
    invoke_for(world, &function.unwrap_or_default(), &payload, origin);
}

/// Returns a deployment that waits for a hook in this run of a stage.
fn waiting<'a>(
    world: &'a World,
    arn: &str,
    run: u64,
    hook: usize,
) -> Option<&'a ServiceDeployment> {
    let deployment = world.ecs.native.deployments.get(arn)?;
    let waits = deployment.run == run && !deployment.is_over() && deployment.open.contains(&hook);
    waits.then_some(deployment)
}

fn payload(world: &World, deployment: &ServiceDeployment, hook: usize) -> Value {
    let stage = deployment.stage().unwrap_or_default();
    let weights = |weight: f64| {
        let mut weights = Map::new();
        weights.insert(deployment.target.clone(), number(weight));
        for (place, source) in deployment.sources.iter().enumerate() {
            // The first is the one that traffic comes from.
            let rest = if place == 0 { 100.0 - weight } else { 0.0 };
            weights.insert(source.clone(), number(rest));
        }
        Value::Object(weights)
    };
    let filled = |is_so: bool, weight: f64| if is_so { weights(weight) } else { json!({}) };
    let is_production = stage.ends_with("PRODUCTION_TRAFFIC_SHIFT") && !stage.starts_with("POST_");
    let service = format!("service/{}/{}", deployment.cluster, deployment.service);
    let mut payload = json!({
        "executionId": deployment.execution,
        "lifecycleStage": stage,
        "resourceArn": deployment.arn,
        "executionDetails": {
            "serviceArn": world.arn("ecs", &service),
            "targetServiceRevisionArn": deployment.target,
            "testTrafficWeights": filled(stage == "TEST_TRAFFIC_SHIFT", deployment.test_weight),
            "productionTrafficWeights": filled(is_production, deployment.production_weight),
        },
    });
    let own = deployment.configuration.hooks.get(hook).and_then(|it| it.details.as_ref());
    if let Some(details) = deployment.details.get(&hook).or(own) {
        payload["hookDetails"] = details.clone();
    }
    payload
}

/// Writes a weight as AWS does: whole where it is.
fn number(weight: f64) -> Value {
    if weight.fract() == 0.0 { json!(weight as i64) } else { json!(weight) }
}

/// Takes what a hook has answered.
pub(crate) fn answered(world: &mut World, arn: &str, run: u64, hook: usize, answer: Answered) {
    let Some(deployment) = waiting(world, arn, run, hook) else { return };
    let stage = deployment.stage().unwrap_or_default();
    let answer = match answer {
        Ok(payload) => serde_json::from_str(&payload).unwrap_or(Value::Null),
        Err(error) => {
            return running::roll_back(world, arn, &format!("the hook of {stage} failed: {error}"));
        }
    };
    match answer.get("hookStatus").and_then(Value::as_str) {
        Some("SUCCEEDED") => succeeded(world, arn, hook),
        Some("IN_PROGRESS") => {
            merge(world, arn, hook, &answer);
            let after = answer.get("callBackDelay").and_then(Value::as_f64);
            let after = after.unwrap_or(CALL_BACK_AFTER).clamp(SOONEST, LATEST);
            let after = Duration::try_from_secs_f64(after);
            let event = EcsEvent::HookCallsBack(arn.to_owned(), run, hook);
            world.schedule(after.unwrap_or_default(), Event::Ecs(event));
        }
        Some("FAILED") => {
            running::roll_back(world, arn, &format!("the hook of {stage} has answered FAILED"));
        }
        _ => {
            let why = format!("the hook of {stage}: HookStatus must not be null");
            running::roll_back(world, arn, &why);
        }
    }
}

/// Keeps what a hook wants to be passed with its next call.
fn merge(world: &mut World, arn: &str, hook: usize, answer: &Value) {
    let Some(returned) = answer.get("hookDetails") else { return };
    let Some(deployment) = world.ecs.native.deployments.get_mut(arn) else { return };
    let own = deployment.configuration.hooks.get(hook).and_then(|it| it.details.clone());
    let kept = deployment.details.entry(hook).or_insert_with(|| own.unwrap_or(json!({})));
    match (kept.as_object_mut(), returned.as_object()) {
        (Some(kept), Some(returned)) => kept.extend(returned.clone()),
        _ => *kept = returned.clone(),
    }
}

fn succeeded(world: &mut World, arn: &str, hook: usize) {
    let Some(deployment) = world.ecs.native.deployments.get_mut(arn) else { return };
    deployment.open.remove(&hook);
    if deployment.open.is_empty() {
        running::work(world, arn);
    }
}

/// Ends the wait for a hook that has taken too long at a stage.
pub(in crate::services::ecs) fn time_out(world: &mut World, arn: &str, run: u64, hook: usize) {
    let Some(deployment) = waiting(world, arn, run, hook) else { return };
    let stage = deployment.stage().unwrap_or_default();
    let action = deployment.configuration.hooks.get(hook).map(|it| it.timeout_action.as_str());
    match action {
        Some("CONTINUE") => succeeded(world, arn, hook),
        _ => running::roll_back(world, arn, &format!("the hook of {stage} has timed out")),
    }
}
