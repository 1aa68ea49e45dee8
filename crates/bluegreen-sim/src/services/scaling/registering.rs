//! Registering targets and taking them off.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ScalingLimits, ScalingTarget, dimension, invalid, keeping};
use crate::{Call, Refusal, World, call::Answer};

pub(super) fn register(world: &mut World, call: &Call) -> Answer {
    let (namespace, resource) = named(call)?;
    refuse_busy(world, resource)?;
    if !keeping::exists(world, resource) {
        // §2: also what was made just now may not be seen yet.
        return Err(invalid(match namespace {
            "ecs" => format!("ECS service doesn't exist: {resource}"),
            _ => format!("DB cluster doesn't exist: {resource}"),
        }));
    }
    let before = world.scaling.target(resource).map(ScalingTarget::limits);
    let limits = limits(call, namespace, before)?;

    let shown = world.stale_until();
    let busy_until = world.now() + busy_time(world);
    let mut target = match world.scaling.targets.remove(resource) {
        Some(mut target) => {
            target.limits.set(limits, shown);
            target
        }
        None => {
            let target = ScalingTarget::new(world, namespace, resource, limits);
            ScalingTarget { seen_from: shown, ..target }
        }
    };
    target.busy_until = busy_until;
    let arn = target.arn.clone();
    world.scaling.targets.insert(resource.to_owned(), target);
    keeping::pull(world, resource, false);
    Ok(json!({ "ScalableTargetARN": arn }))
}

pub(super) fn deregister(world: &mut World, call: &Call) -> Answer {
    let (namespace, resource) = named(call)?;
    refuse_busy(world, resource)?;
    if world.scaling.targets.remove(resource).is_none() {
        return Err(Refusal::bad(
            "ObjectNotFoundException",
            format!(
                "No scalable target found for service namespace: {namespace}, resource ID: {resource}, \
                 scalable dimension: {}",
                dimension(namespace)
            ),
        ));
    }
    Ok(json!({}))
}

/// Reads which target is meant.
fn named(call: &Call) -> Result<(&str, &str), Refusal> {
    let namespace = call.required("ServiceNamespace")?;
    let resource = call.required("ResourceId")?;
    let wanted = call.required("ScalableDimension")?;
    let known = match namespace {
        "rds" => resource.starts_with("cluster:"),
        "ecs" => resource.starts_with("service/") && resource.split('/').count() == 3,
        _ => false,
    };
    if !known || wanted != dimension(namespace) {
        return Err(invalid("Unsupported service namespace, resource type or scalable dimension"));
    }
    Ok((namespace, resource))
}

/// §2: two changes of one target at the same time are one too many.
fn refuse_busy(world: &World, resource: &str) -> Result<(), Refusal> {
    match world.scaling.target(resource) {
        Some(target) if world.now() < target.busy_until => Err(Refusal::bad(
            "ConcurrentUpdateException",
            format!("You already have a pending update to an Auto Scaling resource: {resource}"),
        )),
        _ => Ok(()),
    }
}

/// Returns how long a change of a target is under way: no time where everything happens at once.
fn busy_time(world: &World) -> Duration {
    world.times.scaling.most.min(Duration::from_secs(1))
}

/// Reads the limits; what is left out keeps its value.
fn limits(
    call: &Call,
    namespace: &str,
    before: Option<ScalingLimits>,
) -> Result<ScalingLimits, Refusal> {
    let capacity = |name: &str, before: Option<u32>| match call.number(name) {
        None => Ok(before),
        // §2: Aurora has 15 readers at most.
        Some(it) => match u32::try_from(it) {
            Ok(it) if namespace != "rds" || it <= 15 => Ok(Some(it)),
            _ => Err(invalid(format!("{name} is out of range: {it}"))),
        },
    };
    let least = capacity("MinCapacity", before.map(|it| it.least))?;
    let most = capacity("MaxCapacity", before.map(|it| it.most))?;
    // §2: both, the first time.
    let (Some(least), Some(most)) = (least, most) else {
        return Err(invalid(
            "Minimum capacity and maximum capacity are required to register a scalable target",
        ));
    };
    if most < least {
        return Err(invalid("Maximum capacity cannot be less than minimum capacity"));
    }
    let given = call.parameters.get("SuspendedState");
    let flag = |name: &str, before: Option<bool>| {
        let given = given.and_then(|it| it.get(name)).and_then(Value::as_bool);
        given.or(before).unwrap_or(false)
    };
    Ok(ScalingLimits {
        least,
        most,
        in_suspended: flag("DynamicScalingInSuspended", before.map(|it| it.in_suspended)),
        out_suspended: flag("DynamicScalingOutSuspended", before.map(|it| it.out_suspended)),
        scheduled_suspended: flag(
            "ScheduledScalingSuspended",
            before.map(|it| it.scheduled_suspended),
        ),
    })
}
