//! Task sets: what a service consists of that CodeDeploy deploys.

use serde_json::{Value, json};

use super::{arn, cluster_of, definitions, invalid, known_cluster};
use crate::{
    Call, Refusal, World,
    call::{Answer, time},
};

/// The tasks of one task definition in a service that CodeDeploy deploys.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSet {
    /// Its id: `ecs-svc/1234`.
    pub id: String,
    /// The ARN of its task definition; none where nobody has said one.
    pub definition: Option<String>,
    /// How much of the production traffic it gets, in percent.
    pub weight: f64,
    /// Whether it is the service's primary one.
    pub is_primary: bool,
    /// Who made it: the id of a deployment.
    external_id: Option<String>,
    /// How many of its tasks run, unless it is the primary one: those are counted as the service's.
    running: u32,
    created: std::time::Duration,
}

type Sets<'a> = Option<&'a mut Vec<TaskSet>>;

fn sets<'a>(world: &'a mut World, cluster: &str, service: &str) -> Sets<'a> {
    world.ecs.find(cluster, service).map(|it| &mut it.task_sets)
}

/// Returns the id of the primary task set of a service, which every service has.
pub(crate) fn primary(world: &mut World, cluster: &str, service: &str) -> Option<String> {
    let (number, created) = (world.next_number(), world.now());
    let service = world.ecs.find(cluster, service)?;
    if service.task_sets.is_empty() {
        service.task_sets.push(TaskSet {
            id: format!("ecs-svc/{number:019}"),
            definition: service.definition.clone(),
            weight: 100.0,
            is_primary: true,
            external_id: None,
            running: 0,
            created,
        });
    }
    service.task_sets.iter().find(|it| it.is_primary).map(|it| it.id.clone())
}

/// Makes a task set without traffic, whose tasks are still to start. Returns its id, or nothing where there is no
/// such task definition.
pub(crate) fn add(
    world: &mut World,
    cluster: &str,
    service: &str,
    definition: &str,
    deployment: &str,
) -> Option<String> {
    let found = definitions::find(world, definition)?;
    let definition = definitions::arn(world, &found.family, found.revision);
    let (number, created) = (world.next_number(), world.now());
    let id = format!("ecs-svc/{number:019}");
    // What an earlier deployment has left behind goes.
    keep_primary(world, cluster, service);
    sets(world, cluster, service)?.push(TaskSet {
        id: id.clone(),
        definition: Some(definition),
        weight: 0.0,
        is_primary: false,
        external_id: Some(deployment.to_owned()),
        running: 0,
        created,
    });
    Some(id)
}

/// Returns a task set.
pub(crate) fn find<'a>(
    world: &'a World,
    cluster: &str,
    service: &str,
    id: &str,
) -> Option<&'a TaskSet> {
    let service = world.ecs.services.get(&(cluster.to_owned(), service.to_owned()))?;
    service.task_sets.iter().find(|it| it.id == id)
}

/// Returns how many tasks of a task set are to run, and how many do.
pub(crate) fn counts(world: &World, cluster: &str, service: &str, set: &TaskSet) -> (u32, u32) {
    let service = world.ecs.services.get(&(cluster.to_owned(), service.to_owned()));
    let desired = service.map_or(0, |it| it.desired());
    let running = service.map_or(0, |it| if set.is_primary { it.running } else { set.running });
    (desired, running)
}

/// Lets all tasks of a task set run.
pub(crate) fn fill(world: &mut World, cluster: &str, service: &str, id: &str) {
    let Some(service) = world.ecs.find(cluster, service) else { return };
    let desired = service.desired();
    if let Some(it) = service.task_sets.iter_mut().find(|it| it.id == id && !it.is_primary) {
        it.running = desired;
    }
}

/// Gives so much of the traffic, in percent, to a task set, and the rest to the other.
pub(crate) fn weigh(world: &mut World, cluster: &str, service: &str, id: &str, weight: f64) {
    for set in sets(world, cluster, service).into_iter().flatten() {
        set.weight = if set.id == id { weight } else { 100.0 - weight };
    }
}

/// Makes a task set with all traffic the primary one.
pub(crate) fn promote(world: &mut World, cluster: &str, service: &str, id: &str) {
    weigh(world, cluster, service, id, 100.0);
    let Some(service) = world.ecs.find(cluster, service) else { return };
    let Some(at) = service.task_sets.iter().position(|it| it.id == id && !it.is_primary) else {
        return;
    };
    // The service's own count is that of its primary task set.
    let replaced = std::mem::replace(&mut service.running, service.task_sets[at].running);
    if let Some(it) = service.task_sets.iter_mut().find(|it| it.is_primary) {
        it.running = replaced;
        it.is_primary = false;
    }
    let promoted = &mut service.task_sets[at];
    promoted.is_primary = true;
    service.definition.clone_from(&promoted.definition);
}

/// Ends all task sets but the primary one.
pub(crate) fn keep_primary(world: &mut World, cluster: &str, service: &str) {
    if let Some(sets) = sets(world, cluster, service) {
        sets.retain(|it| it.is_primary);
    }
}

/// Shows the task sets of a service that CodeDeploy deploys.
pub(super) fn shown(world: &World, service: &super::Service) -> Vec<Value> {
    let (desired, service_arn) = (*service.desired.seen(world.now()), arn(world, service));
    let cluster_arn = world.arn("ecs", &format!("cluster/{}", service.cluster));
    let path = service_arn.split(":service/").last().unwrap_or_default().to_owned();
    let shown = |set: &TaskSet| {
        let (running, pending) = match set.is_primary {
            true => (service.running, service.pending),
            false => (set.running, desired.saturating_sub(set.running)),
        };
        let is_steady = running == desired && pending == 0;
        json!({
            "id": set.id,
            "taskSetArn": world.arn("ecs", &format!("task-set/{path}/{}", set.id)),
            "serviceArn": service_arn,
            "clusterArn": cluster_arn,
            "externalId": set.external_id,
            "startedBy": set.external_id.as_ref().map(|_| "CODE_DEPLOY"),
            "status": if set.is_primary { "PRIMARY" } else { "ACTIVE" },
            "taskDefinition": set.definition,
            "computedDesiredCount": desired,
            "runningCount": running,
            "pendingCount": pending,
            "createdAt": time(world.seconds_at(set.created)),
            "scale": { "value": 100.0, "unit": "PERCENT" },
            "stabilityStatus": if is_steady { "STEADY_STATE" } else { "STABILIZING" },
        })
    };
    service.task_sets.iter().map(shown).collect()
}

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    known_cluster(world, call)?;
    let name = call.text("service").ok_or_else(|| invalid("service is required"))?;
    let name = name.rsplit('/').next().unwrap_or(name);
    let Some(service) = world.ecs.services.get(&(cluster_of(call), name.to_owned())) else {
        return Err(Refusal::bad("ServiceNotFoundException", "Service not found."));
    };
    let named = call.texts("taskSets");
    let (found, mut failures) = (shown(world, service), Vec::new());
    let is = |set: &Value, name: &str| ["id", "taskSetArn"].iter().any(|it| set[it] == name);
    for name in &named {
        if !found.iter().any(|it| is(it, name)) {
            failures.push(json!({ "arn": name, "reason": "MISSING" }));
        }
    }
    let asked = |it: &Value| named.is_empty() || named.iter().any(|name| is(it, name));
    let asked: Vec<_> = found.into_iter().filter(asked).collect();
    Ok(json!({ "taskSets": asked, "failures": failures }))
}
