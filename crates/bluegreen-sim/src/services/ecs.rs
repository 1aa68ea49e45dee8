//! ECS: services that reach their count task by task, and may take messages from a queue; and tasks that run alone.

mod definitions;
mod native;
mod reading;
mod serving;
pub(crate) mod sets;
mod tasks;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::json;

pub(crate) use self::{native::hook_answered, reading::arrived};
pub use self::{
    native::{BlueGreen, LifecycleHook, ServiceDeployment, Strategy},
    sets::TaskSet,
    tasks::{Task, TaskRun},
};
use super::{Concerns, scaling, sqs, unknown};
use crate::{Call, Event, Lagging, Refusal, World, call::Answer};

/// How many tasks a service may have.
const MOST_TASKS: u32 = 5_000;

/// What there is of ECS.
#[derive(Debug, Default)]
pub struct Ecs {
    clusters: BTreeSet<String>,
    services: BTreeMap<(String, String), Service>,
    /// The task definitions, by family and revision.
    definitions: BTreeMap<String, BTreeMap<u32, definitions::Definition>>,
    /// The tasks that run alone, and those that did, by their ids.
    tasks: BTreeMap<String, Task>,
    /// How the tasks of a family run.
    runs: BTreeMap<String, TaskRun>,
    /// What was started by calls with a token, by cluster and token.
    started: BTreeMap<(String, String), tasks::Started>,
    /// What ECS deploys itself.
    native: native::Native,
}

/// A service.
#[derive(Clone, Debug)]
pub struct Service {
    /// The name of its cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// `ACTIVE`, `DRAINING`, `INACTIVE`.
    pub status: String,
    /// Who deploys it: `ECS`, `CODE_DEPLOY`, `EXTERNAL`.
    pub controller: String,
    /// Whether one task runs on every instance.
    pub is_daemon: bool,
    /// How many tasks run.
    pub running: u32,
    desired: Lagging<u32>,
    pending: u32,
    changing: bool,
    /// How many times as long as usual its tasks take.
    slowness: u32,
    /// The ARN of the queue that its tasks read.
    source: Option<String>,
    /// Whether its tasks are about to look into it.
    polls: bool,
    /// The ARN of the task definition that its tasks have.
    definition: Option<String>,
    /// How ECS makes its deployments from one revision to another; none where it does not.
    pub blue_green: Option<BlueGreen>,
    /// The ARNs of the revisions that run, where ECS makes its deployments so.
    revisions: Vec<String>,
    /// What it consists of where CodeDeploy has deployed it.
    task_sets: Vec<TaskSet>,
}

impl Service {
    /// Returns how many tasks it is to run, as it really is.
    pub fn desired(&self) -> u32 {
        *self.desired.real()
    }

    /// Returns the ARN of the task definition that its tasks have.
    pub fn definition(&self) -> Option<&str> {
        self.definition.as_deref()
    }

    /// Returns the task sets that it consists of; none before CodeDeploy has deployed it.
    pub fn task_sets(&self) -> &[TaskSet] {
        &self.task_sets
    }

    /// Returns the ARN of the queue that its tasks take messages from.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }
}

/// What happens by itself in ECS.
#[derive(Clone, Debug)]
pub enum EcsEvent {
    /// A task of a service, by cluster and name, starts, runs or stops.
    Task(String, String),
    /// A task that runs alone, by its id and how often somebody has stopped it, gets on.
    Alone(String, u64),
    /// A deployment, by its ARN, begins.
    DeploymentBegins(String),
    /// A run of a stage of a deployment, by ARN and number, ends.
    StageEnds(String, u64),
    /// A hook, by deployment, run and place, is called again.
    HookCallsBack(String, u64, usize),
    /// A hook, by deployment, run and place, has taken too long.
    HookTimesOut(String, u64, usize),
    /// The tasks of a service, by cluster and name, look for messages.
    Poll(String, String),
    /// A task of a service has processed messages.
    Processed {
        /// The service's name.
        service: String,
        /// The ARN of the queue.
        source: String,
        /// The messages.
        numbers: Vec<u64>,
    },
}

impl Ecs {
    /// Returns all services.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// Returns all tasks that run alone, and those that did, by their ids.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    fn find(&mut self, cluster: &str, service: &str) -> Option<&mut Service> {
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        self.services.get_mut(&(last(cluster), last(service)))
    }
}

impl World {
    /// Adds a cluster that runs nothing, if it is not there yet.
    pub fn add_ecs_cluster(&mut self, cluster: &str) {
        self.ecs.clusters.insert(cluster.to_owned());
    }

    /// Adds a service that runs so many tasks.
    pub fn add_service(&mut self, cluster: &str, name: &str, desired: u32) {
        let service = Service {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            status: "ACTIVE".to_owned(),
            controller: "ECS".to_owned(),
            is_daemon: false,
            running: desired,
            desired: Lagging::new(desired),
            pending: 0,
            changing: false,
            slowness: 1,
            source: None,
            polls: false,
            definition: None,
            blue_green: None,
            revisions: Vec::new(),
            task_sets: Vec::new(),
        };
        self.add_ecs_cluster(cluster);
        self.ecs.services.insert((cluster.to_owned(), name.to_owned()), service);
    }

    /// Lets CodeDeploy deploy a service, whose tasks have this task definition.
    pub fn deploy_by_code_deploy(&mut self, cluster: &str, name: &str, definition: &str) {
        let found = definitions::find(self, definition);
        let definition = found.map(|it| definitions::arn(self, &it.family, it.revision));
        self.change_service(cluster, name, |it| {
            it.controller = "CODE_DEPLOY".to_owned();
            it.definition = definition;
        });
        sets::primary(self, cluster, name);
    }

    /// Changes a service as no call does: its controller, its status, its kind.
    pub fn change_service(&mut self, cluster: &str, name: &str, change: impl FnOnce(&mut Service)) {
        if let Some(service) = self.ecs.find(cluster, name) {
            change(service);
        }
    }
}

/// Returns how many tasks a service is to run.
pub(crate) fn desired(world: &World, cluster: &str, service: &str) -> Option<u32> {
    world.ecs.services.get(&(cluster.to_owned(), service.to_owned())).map(Service::desired)
}

/// Lets autoscaling set how many tasks a service is to run.
pub(crate) fn scaled(world: &mut World, cluster: &str, service: &str, tasks: u32) {
    let shown = world.stale_until();
    if let Some(it) = world.ecs.find(cluster, service) {
        it.desired.set(tasks, shown);
        begin(world, cluster, service);
    }
}

/// Lets a person set how many tasks a service is to run.
pub(super) fn set_tasks(world: &mut World, cluster: &str, name: &str, tasks: u32) {
    scaled(world, cluster, name, tasks);
    scaling::changed(world, &format!("service/{cluster}/{name}"));
}

fn begin(world: &mut World, cluster: &str, name: &str) {
    let slowness = world.slowness;
    let Some(service) = world.ecs.find(cluster, name) else { return };
    service.slowness = slowness;
    if !std::mem::replace(&mut service.changing, true) {
        let event = EcsEvent::Task(service.cluster.clone(), service.name.clone());
        world.schedule(Duration::ZERO, Event::Ecs(event));
    }
}

pub(super) fn happen(world: &mut World, event: EcsEvent) {
    match event {
        EcsEvent::Task(cluster, name) => {
            next_task(world, &cluster, &name);
            reading::look(world, &cluster, &name);
        }
        EcsEvent::Alone(id, generation) => tasks::get_on(world, &id, generation),
        EcsEvent::DeploymentBegins(arn) => native::begin(world, &arn),
        EcsEvent::StageEnds(arn, run) => native::end_stage(world, &arn, run),
        EcsEvent::HookCallsBack(arn, run, hook) => native::call_back(world, &arn, run, hook),
        EcsEvent::HookTimesOut(arn, run, hook) => native::time_out(world, &arn, run, hook),
        EcsEvent::Poll(cluster, name) => reading::poll(world, &cluster, &name),
        EcsEvent::Processed { service, source, numbers } => {
            sqs::delete(world, &source, &numbers, &service);
        }
    }
}

/// Lets the next task of a service start or stop: each takes its time, one after the other.
fn next_task(world: &mut World, cluster: &str, name: &str) {
    // Tasks are as slow as the change of which they are, whichever call is answered just now.
    let [start, stop] =
        [world.times.task_start, world.times.task_stop].map(|it| it.draw(&mut world.random));
    let Some(service) = world.ecs.find(cluster, name) else { return };
    service.running += std::mem::take(&mut service.pending);
    let wanted = service.desired();
    let after = if service.running < wanted {
        service.pending = 1;
        start
    } else if service.running > wanted {
        service.running -= 1;
        stop
    } else {
        service.changing = false;
        return;
    };
    let after = after * service.slowness;
    let event = EcsEvent::Task(cluster.to_owned(), name.to_owned());
    world.schedule(after, Event::Ecs(event));
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "CreateCluster" => {
            let name = call.text("clusterName").unwrap_or("default").to_owned();
            world.ecs.clusters.insert(name.clone());
            Ok(json!({ "cluster": { "clusterName": name } }))
        }
        "CreateService" => serving::create(world, call),
        "DescribeServiceDeployments" => native::describe(world, call),
        "DescribeServiceRevisions" => native::describe_revisions(world, call),
        "DescribeServices" => serving::describe(world, call),
        "DescribeTaskDefinition" => definitions::describe(world, call),
        "DescribeTaskSets" => sets::describe(world, call),
        "DescribeTasks" => tasks::describe(world, call),
        "ListServiceDeployments" => native::list(world, call),
        "ListServices" => {
            let cluster = known_cluster(world, call)?;
            let own = world.ecs.services.values().filter(|it| it.cluster == cluster);
            Ok(json!({ "serviceArns": own.map(|it| arn(world, it)).collect::<Vec<_>>() }))
        }
        "RegisterTaskDefinition" => definitions::register(world, call),
        "RunTask" => tasks::run(world, call),
        "StopServiceDeployment" => native::stop(world, call),
        "StopTask" => tasks::stop(world, call),
        "UpdateService" => serving::update(world, call),
        _ => Err(unknown(call)),
    }
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    if let Some(concerns) = native::concerns(world, call) {
        return concerns;
    }
    let cluster = cluster_of(call);
    let last = |it: &str| it.rsplit('/').next().unwrap_or_default().to_owned();
    let service = |it: &&str| world.arn("ecs", &format!("service/{cluster}/{}", last(it)));
    let task = |it: &&str| tasks::arn(world, &cluster, it);
    let arns: Vec<_> = match call.operation.as_str() {
        "RunTask" => {
            let definition = call.text("taskDefinition").unwrap_or_default();
            vec![definitions::arn_of(world, definition)]
        }
        "DescribeTasks" => call.texts("tasks").iter().map(task).collect(),
        "StopTask" => call.text("task").iter().map(task).collect(),
        _ => call.texts("services").iter().chain(&call.text("service")).map(service).collect(),
    };
    if arns.is_empty() {
        return Concerns::everything();
    }
    let mut concerns =
        Concerns::on(arns).given("ecs:cluster", &world.arn("ecs", &format!("cluster/{cluster}")));
    if call.operation == "RunTask" {
        concerns.0.extend(tasks::passed(world, call));
    }
    concerns
}

/// §3.1: the cluster is `default` when it is left out.
fn cluster_of(call: &Call) -> String {
    let cluster = call.text("cluster").unwrap_or("default");
    cluster.rsplit('/').next().unwrap_or_default().to_owned()
}

/// §3.1: a cluster that is not there is refused.
fn known_cluster(world: &World, call: &Call) -> Result<String, Refusal> {
    let cluster = cluster_of(call);
    if world.ecs.clusters.contains(&cluster) {
        Ok(cluster)
    } else {
        Err(Refusal::bad("ClusterNotFoundException", "Cluster not found."))
    }
}

/// Returns how many tasks a service is to run, if the call says so.
fn wanted(call: &Call) -> Result<Option<u32>, Refusal> {
    let Some(count) = call.number("desiredCount") else { return Ok(None) };
    let fits = u32::try_from(count).ok().filter(|it| *it <= MOST_TASKS);
    fits.map(Some).ok_or_else(|| invalid(format!("desiredCount must be 0 to {MOST_TASKS}")))
}

fn arn(world: &World, service: &Service) -> String {
    world.arn("ecs", &format!("service/{}/{}", service.cluster, service.name))
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::bad("InvalidParameterException", message)
}

#[cfg(test)]
mod tests;
