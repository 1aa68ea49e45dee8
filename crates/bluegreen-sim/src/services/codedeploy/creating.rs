//! How applications, deployment groups and deployments are made.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Deployment, DeploymentGroup, EVENTS, EventState, LAMBDA_EVENTS, LifecycleEvent,
    content::{self, Content},
    running,
};
use crate::{Call, Refusal, World, call::Answer, services::sets};

/// The longest that tasks which were replaced are kept, in minutes.
const LONGEST_WAIT: i64 = 2_880;

impl World {
    /// Begins a deployment with hooks on these lifecycle events, and no others, and calls the first of them. Returns
    /// the ids of the hooks' runs, in their order. It deploys no service; no function is invoked.
    pub fn add_deployment(&mut self, id: &str, events: &[&str]) -> Vec<String> {
        let mut deployment = empty(self, id, "shop", "web");
        deployment.events =
            events.iter().map(|name| event(name, None, format!("{id}-{name}"))).collect();
        deployment.events.iter_mut().for_each(|it| it.reports = true);
        let executions = deployment.events.iter().map(|it| it.execution.clone()).collect();
        begin(self, deployment);
        executions
    }

    /// Adds an application with a deployment group of this name, for what CodeDeploy deploys.
    pub fn add_deployment_group(&mut self, application: &str, name: &str, group: DeploymentGroup) {
        let platform = group.compute_platform.clone();
        self.codedeploy.applications.entry(application.to_owned()).or_insert(platform);
        self.codedeploy.groups.insert((application.to_owned(), name.to_owned()), group);
    }
}

fn empty(world: &World, id: &str, application: &str, group: &str) -> Deployment {
    Deployment {
        id: id.to_owned(),
        application: application.to_owned(),
        group: group.to_owned(),
        creator: "user".to_owned(),
        events: Vec::new(),
        error: None,
        rolled_back_by: None,
        rolls_back: None,
        status: "InProgress",
        revision: Value::Null,
        previous_revision: None,
        definition: String::new(),
        blue: None,
        green: None,
        service: None,
        versions: None,
        created: world.now(),
        completed: None,
    }
}

fn event(name: &str, function: Option<String>, execution: String) -> LifecycleEvent {
    LifecycleEvent {
        name: name.to_owned(),
        reports: function.is_some(),
        function,
        execution,
        status: EventState::Pending,
        started: None,
        ended: None,
    }
}

fn begin(world: &mut World, deployment: Deployment) {
    let id = deployment.id.clone();
    world.codedeploy.deployments.insert(id.clone(), deployment);
    world.codedeploy.order.push(id.clone());
    running::begin(world, &id, 0);
}

/// Makes the lifecycle events of a deployment to a group.
fn events(world: &mut World, group: &DeploymentGroup, content: &Content) -> Vec<LifecycleEvent> {
    let all: &[&str] = if content.versions.is_some() { &LAMBDA_EVENTS } else { &EVENTS };
    let names = all.iter().filter(|it| group.has_test_listener || **it != "AfterAllowTestTraffic");
    let mut events = Vec::new();
    for name in names {
        let execution = world.uuid();
        events.push(event(name, content.hooks.get(*name).cloned(), execution));
    }
    events
}

pub(super) fn application(world: &mut World, call: &Call) -> Answer {
    let name = required(call, "applicationName", "ApplicationNameRequiredException")?;
    if world.codedeploy.applications.contains_key(name) {
        let message = format!("An application named {name} already exists");
        return Err(Refusal::bad("ApplicationAlreadyExistsException", message));
    }
    let platform = call.text("computePlatform").filter(|it| ["ECS", "Lambda"].contains(it));
    let platform = platform.ok_or_else(|| {
        let message = "the simulated account knows the compute platforms ECS and Lambda only";
        Refusal::bad("InvalidComputePlatformException", message)
    })?;
    world.codedeploy.applications.insert(name.to_owned(), platform.to_owned());
    Ok(json!({ "applicationId": world.uuid() }))
}

fn required<'a>(call: &'a Call, name: &str, code: &str) -> Result<&'a str, Refusal> {
    call.text(name).ok_or_else(|| Refusal::bad(code, format!("{name} is required")))
}

fn known_application<'a>(world: &World, call: &'a Call) -> Result<&'a str, Refusal> {
    let name = required(call, "applicationName", "ApplicationNameRequiredException")?;
    if world.codedeploy.applications.contains_key(name) {
        return Ok(name);
    }
    let message = format!("No application found for name: {name}");
    Err(Refusal::bad("ApplicationDoesNotExistException", message))
}

/// Returns the names of application and group of a call, and the group.
pub(super) fn known_group<'a>(
    world: &'a World,
    call: &Call,
) -> Result<(&'a (String, String), &'a DeploymentGroup), Refusal> {
    let application = known_application(world, call)?.to_owned();
    let name =
        required(call, "deploymentGroupName", "DeploymentGroupNameRequiredException")?.to_owned();
    world.codedeploy.groups.get_key_value(&(application, name.clone())).ok_or_else(|| {
        let message = format!("No Deployment Group found for name: {name}");
        Refusal::bad("DeploymentGroupDoesNotExistException", message)
    })
}

pub(super) fn group(world: &mut World, call: &Call) -> Answer {
    let application = known_application(world, call)?.to_owned();
    let name =
        required(call, "deploymentGroupName", "DeploymentGroupNameRequiredException")?.to_owned();
    let role = required(call, "serviceRoleArn", "RoleRequiredException")?.to_owned();
    let key = (application, name);
    if world.codedeploy.groups.contains_key(&key) {
        let message = format!("A deployment group named {} already exists", key.1);
        return Err(Refusal::bad("DeploymentGroupAlreadyExistsException", message));
    }
    let at = |pointer: &str| call.parameters.pointer(pointer);
    let service = |member: &str| at(&format!("/ecsServices/0/{member}")).and_then(Value::as_str);
    let is_lambda = world.codedeploy.applications.get(&key.0).is_some_and(|it| it == "Lambda");
    let base = match (service("clusterName"), service("serviceName")) {
        _ if is_lambda => DeploymentGroup::of_functions(),
        (Some(cluster), Some(service)) => DeploymentGroup::of(cluster, service),
        _ => {
            let message = "ecsServices must name one service with its cluster";
            return Err(Refusal::bad("InvalidECSServiceException", message));
        }
    };
    let wait = at(
        "/blueGreenDeploymentConfiguration/terminateBlueInstancesOnDeploymentSuccess/terminationWaitTimeInMinutes",
    );
    let wait = wait.and_then(Value::as_i64).unwrap_or_default();
    let wait = u64::try_from(wait).ok().filter(|_| wait <= LONGEST_WAIT).ok_or_else(|| {
        let message = format!("terminationWaitTimeInMinutes must be 0 to {LONGEST_WAIT}");
        Refusal::bad("InvalidBlueGreenDeploymentConfigurationException", message)
    })?;
    let pairs = at("/loadBalancerInfo/targetGroupPairInfoList").and_then(Value::as_array);
    let group = DeploymentGroup {
        service_role_arn: role,
        rolls_back: at("/autoRollbackConfiguration/enabled") == Some(&Value::Bool(true)),
        termination_wait: Duration::from_secs(wait * 60),
        deployment_config: call
            .text("deploymentConfigName")
            .unwrap_or(&base.deployment_config)
            .to_owned(),
        // Who does not say what balances the load is taken to have both listeners.
        has_test_listener: pairs
            .is_none_or(|it| it.iter().any(|it| it.get("testTrafficRoute").is_some())),
        ..base
    };
    running::steps(&group.deployment_config, Duration::ZERO).ok_or_else(|| {
        let message =
            format!("No Deployment Configuration found for name: {}", group.deployment_config);
        Refusal::bad("DeploymentConfigDoesNotExistException", message)
    })?;
    world.codedeploy.groups.insert(key, group);
    Ok(json!({ "deploymentGroupId": world.uuid() }))
}

pub(super) fn deployment(world: &mut World, call: &Call) -> Answer {
    let ((application, name), group) = known_group(world, call)?;
    let (key, group) = ((application.clone(), name.clone()), group.clone());
    let (revision, content) = content::of(call, &group.compute_platform)?;
    let is_active =
        |it: &&Deployment| it.group == key.1 && it.application == key.0 && it.completed.is_none();
    if let Some(active) = world.codedeploy.deployments().find(is_active) {
        let message = format!(
            "The Deployment Group '{}' already has an active Deployment '{}'",
            key.1, active.id
        );
        return Err(Refusal::bad("DeploymentLimitExceededException", message));
    }
    let blue = sets::primary(world, &group.cluster, &group.service);
    if blue.is_none() && content.versions.is_none() {
        let message =
            format!("The ECS service {} cannot be found in {}", group.service, group.cluster);
        return Err(Refusal::bad("InvalidECSServiceException", message));
    }
    let id = new_id(world);
    let mut deployment = empty(world, &id, &key.0, &key.1);
    deployment.events = events(world, &group, &content);
    deployment.revision = revision;
    deployment.previous_revision = last_revision(world, &key);
    deployment.definition = content.definition;
    deployment.service = blue.is_some().then_some((group.cluster, group.service));
    deployment.blue = blue;
    deployment.versions = content.versions;
    begin(world, deployment);
    Ok(json!({ "deploymentId": id }))
}

fn new_id(world: &mut World) -> String {
    format!("d-{:09X}", world.next_number())
}

/// Returns what the last deployment of a group that has succeeded has deployed.
fn last_revision(world: &World, (application, group): &(String, String)) -> Option<Value> {
    let mut ended =
        world.codedeploy.order.iter().rev().filter_map(|it| world.codedeploy.deployments.get(it));
    let last = ended.find(|it| {
        it.status == "Succeeded" && it.group == *group && it.application == *application
    })?;
    Some(last.revision.clone())
}

/// Makes the deployment that brings all traffic back to where the deployment `failed` took it from.
pub(super) fn roll_back(world: &mut World, failed: &Deployment) -> Option<String> {
    let key = (failed.application.clone(), failed.group.clone());
    let group = world.codedeploy.groups.get(&key)?.clone();
    let versions = failed.versions.as_ref().map(|it| it.back());
    let set = failed.service.clone().zip(failed.blue.clone());
    let definition = set.and_then(|((cluster, service), blue)| {
        sets::find(world, &cluster, &service, &blue)?.definition.clone()
    });
    let hooks = failed.events.iter().filter_map(|it| Some((it.name.clone(), it.function.clone()?)));
    let run = world.codedeploy.hooks_run_in_rollbacks;
    let hooks = if run { hooks.collect() } else { Default::default() };
    let content = Content { definition: definition.unwrap_or_default(), hooks, versions };
    let id = new_id(world);
    let mut deployment = empty(world, &id, &key.0, &key.1);
    deployment.creator = "codeDeployRollback".to_owned();
    deployment.rolls_back = Some(failed.id.clone());
    deployment.events = events(world, &group, &content);
    let before = failed.previous_revision.clone();
    deployment.revision = before.unwrap_or_else(|| match &content.versions {
        Some(versions) => versions.bare(),
        None => content::bare(&content.definition),
    });
    deployment.previous_revision = Some(failed.revision.clone());
    deployment.definition = content.definition;
    (deployment.blue, deployment.green) = (failed.green.clone(), failed.blue.clone());
    deployment.service = failed.service.clone();
    deployment.versions = content.versions;
    begin(world, deployment);
    Some(id)
}
