//! Services as calls make, change and describe them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Service, arn, begin, definitions, invalid, known_cluster, native, scaled, sets, wanted,
};
use crate::{Call, Refusal, World, call::Answer, services::scaling};

/// §3.2: how many services a call may name.
const MOST: usize = 10;

/// §3.1: what can be changed of a service that `CODE_DEPLOY` deploys, or `EXTERNAL`.
const LEFT_BY_CODE_DEPLOY: [&str; 9] = [
    "cluster",
    "service",
    "desiredCount",
    "deploymentConfiguration",
    "healthCheckGracePeriodSeconds",
    "placementConstraints",
    "placementStrategy",
    "enableECSManagedTags",
    "propagateTags",
];
const LEFT_BY_EXTERNAL: [&str; 8] = [
    "cluster",
    "service",
    "desiredCount",
    "healthCheckGracePeriodSeconds",
    "placementConstraints",
    "placementStrategy",
    "enableECSManagedTags",
    "propagateTags",
];

pub(super) fn describe(world: &mut World, call: &Call) -> Answer {
    let cluster = known_cluster(world, call)?;
    let named: Vec<String> = call.texts("services").iter().map(|it| (*it).to_owned()).collect();
    if named.is_empty() || named.len() > MOST {
        return Err(invalid("Services cannot be empty, and at most 10 can be named."));
    }
    let now = world.now();
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for name in named {
        let found = world.ecs.find(&cluster, &name).cloned();
        match found {
            Some(service) => services.push(shown(world, &service, now)),
            // §3.2: what is missing is in an answer of 200.
            None => failures.push(json!({
                "arn": world.arn("ecs", &format!("service/{cluster}/{name}")),
                "reason": "MISSING",
            })),
        }
    }
    Ok(json!({ "services": services, "failures": failures }))
}

fn shown(world: &World, service: &Service, now: Duration) -> Value {
    let desired = *service.desired.seen(now);
    let steady = service.running == desired && service.pending == 0;
    let counts = json!({
        "id": format!("ecs-svc/{}", service.name),
        "status": "PRIMARY",
        "desiredCount": desired,
        "runningCount": service.running,
        "pendingCount": service.pending,
        "rolloutState": "COMPLETED",
    });
    // §3.2: only ECS's own controller fills the deployments.
    let own = service.controller == "ECS";
    let task_set = json!({
        "taskDefinition": service.definition,
        "id": format!("ecs-svc/{}", service.name),
        "status": "PRIMARY",
        "computedDesiredCount": desired,
        "runningCount": service.running,
        "pendingCount": service.pending,
        "scale": { "value": 100.0, "unit": "PERCENT" },
        "stabilityStatus": if steady { "STEADY_STATE" } else { "STABILIZING" },
    });
    let task_sets = match service.task_sets.is_empty() {
        true => vec![task_set],
        false => sets::shown(world, service),
    };
    let mut shown = json!({
        "serviceArn": arn(world, service),
        "taskDefinition": service.definition,
        "serviceName": service.name,
        "clusterArn": world.arn("ecs", &format!("cluster/{}", service.cluster)),
        "status": service.status,
        "desiredCount": desired,
        "runningCount": service.running,
        "pendingCount": service.pending,
        "deploymentController": { "type": service.controller },
        "schedulingStrategy": if service.is_daemon { "DAEMON" } else { "REPLICA" },
        "deployments": if own { json!([counts]) } else { json!([]) },
        "taskSets": if own { Vec::new() } else { task_sets },
    });
    native::shown_in_service(world, service, &mut shown);
    shown
}

pub(super) fn update(world: &mut World, call: &Call) -> Answer {
    let cluster = known_cluster(world, call)?;
    let name = call.text("service").ok_or_else(|| invalid("service is required"))?.to_owned();
    let count = wanted(call)?;
    let named = call.text("taskDefinition");
    let definition = named.and_then(|it| definitions::find(world, it));
    let definition = definition.map(|it| definitions::arn(world, &it.family, it.revision));
    let configuration = call.parameters.get("deploymentConfiguration");
    let configuration = configuration.map_or(Ok(None), native::read)?;
    let shown_at = world.stale_until();
    let Some(service) = world.ecs.find(&cluster, &name) else {
        return Err(Refusal::bad("ServiceNotFoundException", "Service not found."));
    };
    if service.status != "ACTIVE" {
        return Err(Refusal::bad("ServiceNotActiveException", "Service was not ACTIVE."));
    }
    let (left, instead): (&[&str], _) = match service.controller.as_str() {
        "CODE_DEPLOY" => (&LEFT_BY_CODE_DEPLOY, " Use AWS CodeDeploy to trigger a new deployment."),
        "EXTERNAL" => (&LEFT_BY_EXTERNAL, ""),
        _ => (&[], ""),
    };
    let given = call.parameters.as_object();
    let other = given.and_then(|it| it.keys().find(|key| !left.contains(&key.as_str())));
    if !left.is_empty()
        && let Some(other) = other
    {
        return Err(invalid(format!(
            "Unable to update {other} on services with a {} deployment controller.{instead}",
            service.controller
        )));
    }
    if named.is_some() && definition.is_none() {
        return Err(no_definition());
    }
    // What a configuration leaves out stays as it is.
    service.blue_green = configuration.or(service.blue_green.take());
    let deploys = named.is_some() || call.flag("forceNewDeployment") == Some(true);
    let definition = definition.or_else(|| service.definition.clone()).filter(|_| deploys);
    if let Some(count) = count {
        if service.is_daemon {
            return Err(invalid(
                "The daemon scheduling strategy does not support a desired count.",
            ));
        }
        service.desired.set(count, shown_at);
        begin(world, &cluster, &name);
        scaling::changed(world, &format!("service/{cluster}/{name}"));
    }
    let now = world.now();
    if let Some(definition) = definition {
        deploy(world, &cluster, &name, definition);
        world.advance(now);
    }
    let service = world.ecs.find(&cluster, &name).cloned();
    Ok(json!({ "service": service.map(|it| shown(world, &it, now)) }))
}

fn no_definition() -> Refusal {
    Refusal::bad("ClientException", "TaskDefinition not found.")
}

/// Gives a service another task definition, by its ARN; what ECS does not deploy itself is rolled at once.
fn deploy(world: &mut World, cluster: &str, name: &str, definition: String) {
    let Some(service) = world.ecs.find(cluster, name) else { return };
    match service.blue_green {
        Some(_) => native::start(world, cluster, name, &definition),
        None => service.definition = Some(definition),
    }
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let cluster = known_cluster(world, call)?;
    let name =
        call.text("serviceName").ok_or_else(|| invalid("serviceName is required"))?.to_owned();
    let count = wanted(call)?.unwrap_or_default();
    if world.ecs.find(&cluster, &name).is_some() {
        return Err(invalid("Creation of service was not idempotent."));
    }
    let definition = call.text("taskDefinition").and_then(|it| definitions::find(world, it));
    let definition = definition.map(|it| definitions::arn(world, &it.family, it.revision));
    let configuration = call.parameters.get("deploymentConfiguration");
    let configuration = configuration.map_or(Ok(None), native::read)?;
    if configuration.is_some() && definition.is_none() {
        return Err(no_definition());
    }
    world.add_service(&cluster, &name, 0);
    let controller = call.parameters.pointer("/deploymentController/type").and_then(Value::as_str);
    let daemon = call.text("schedulingStrategy") == Some("DAEMON");
    world.change_service(&cluster, &name, |it| {
        it.controller = controller.unwrap_or("ECS").to_owned();
        it.is_daemon = daemon;
        it.definition.clone_from(&definition);
        it.blue_green = configuration;
    });
    if controller == Some("CODE_DEPLOY") {
        sets::primary(world, &cluster, &name);
    }
    scaled(world, &cluster, &name, count);
    if let Some(definition) = definition {
        deploy(world, &cluster, &name, definition);
    }
    // What takes no time has happened when the call is answered.
    let now = world.now();
    world.advance(now);
    let service = world.ecs.find(&cluster, &name).cloned();
    Ok(json!({ "service": service.map(|it| shown(world, &it, now)) }))
}
