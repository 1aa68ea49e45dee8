//! Tasks that run alone: to their end, or until somebody stops them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{EcsEvent, cluster_of, definitions, invalid, known_cluster};
use crate::{
    Call, Event, Lagging, Refusal, World,
    call::{Answer, time},
    services::Concern,
};

/// How many tasks a call may start, and how many it may ask about.
const MOST: i64 = 10;
const MOST_NAMED: usize = 100;

/// How long what started a task may be.
const LONGEST_NAME: usize = 128;

/// For how long a task that has stopped can be seen, and for how long a token is known.
const SEEN_FOR: Duration = Duration::from_secs(3600);
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3600);

/// What a container that somebody stops ends with: it is told to (`SIGTERM`), and obeys.
const TERMINATED: i32 = 143;

/// A task that runs alone.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its ARN.
    pub arn: String,
    /// The name of its cluster.
    pub cluster: String,
    /// The family of its task definition.
    pub family: String,
    /// The ARN of its task definition, with the revision.
    pub definition: String,
    /// What started it, in the words of whoever did.
    pub started_by: Option<String>,
    /// What it has otherwise than its definition, as the call said it.
    pub overrides: Value,
    /// `PROVISIONING`, `PENDING`, `RUNNING`, `STOPPED`.
    pub status: String,
    /// What its containers ended with; none before the end, and where none of them ever ran.
    pub exit_code: Option<i32>,
    /// Why it stopped: `EssentialContainerExited`, `TaskFailedToStart`, `UserInitiated`.
    pub stop_code: Option<String>,
    /// That in words.
    pub stopped_reason: Option<String>,
    desired: Lagging<&'static str>,
    containers: Vec<String>,
    /// From when on readers know of it.
    known: Duration,
    created: Duration,
    started: Option<Duration>,
    stopped: Option<Duration>,
    run: TaskRun,
    generation: u64,
}

/// How the tasks of a family run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRun {
    /// What all containers end with. Without one they never run, as when there is no image.
    pub exit_code: Option<i32>,
    /// How long they run.
    pub lasts: Duration,
    /// Why no task can be started, as a good answer says it: `RESOURCE:MEMORY`.
    pub failure: Option<String>,
}

impl Default for TaskRun {
    /// They end well after 30 seconds.
    fn default() -> Self {
        Self { exit_code: Some(0), lasts: Duration::from_secs(30), failure: None }
    }
}

/// A call that started tasks: when, what was asked, and the ids of the tasks.
#[derive(Clone, Debug)]
pub(super) struct Started {
    at: Duration,
    asked: Value,
    ids: Vec<String>,
}

impl Task {
    /// Returns the value that a variable of the environment was given for this task.
    pub fn environment(&self, name: &str) -> Option<&str> {
        let containers = self.overrides.get("containerOverrides")?.as_array()?;
        let variables = containers.iter().filter_map(|it| it.get("environment")?.as_array());
        let named = |it: &&Value| it.get("name").and_then(Value::as_str) == Some(name);
        variables.flatten().find(named)?.get("value")?.as_str()
    }
}

impl World {
    /// Says how the tasks of a family run that are started from now on.
    pub fn set_task_run(&mut self, family: &str, run: TaskRun) {
        self.ecs.runs.insert(family.to_owned(), run);
    }
}

fn id_of(task: &str) -> &str {
    task.rsplit('/').next().unwrap_or(task)
}

pub(super) fn arn(world: &World, cluster: &str, task: &str) -> String {
    world.arn("ecs", &format!("task/{cluster}/{}", id_of(task)))
}

fn later(world: &mut World, id: &str, after: Duration) {
    let Some(task) = world.ecs.tasks.get(id) else { return };
    let event = EcsEvent::Alone(id.to_owned(), task.generation);
    world.schedule(after, Event::Ecs(event));
}

/// Lets a task get on.
pub(super) fn get_on(world: &mut World, id: &str, generation: u64) {
    let half = world.times.task_start.draw(&mut world.random) / 2;
    let now = world.now();
    let Some(task) = world.ecs.tasks.get_mut(id).filter(|it| it.generation == generation) else {
        return;
    };
    let stopping = *task.desired.real() == "STOPPED";
    let after = match task.status.as_str() {
        "PROVISIONING" if !stopping => {
            task.status = "PENDING".to_owned();
            half
        }
        "PENDING" if !stopping && task.run.exit_code.is_some() => {
            task.status = "RUNNING".to_owned();
            task.started = Some(now);
            task.run.lasts
        }
        _ => {
            task.stop(now);
            return;
        }
    };
    later(world, id, after);
}

impl Task {
    fn stop(&mut self, now: Duration) {
        let stopped_by_hand = *self.desired.real() == "STOPPED";
        let (code, reason, exit_code) = match self.status.as_str() {
            "RUNNING" if stopped_by_hand => ("UserInitiated", "", Some(TERMINATED)),
            _ if stopped_by_hand => ("UserInitiated", "", None),
            "RUNNING" => (
                "EssentialContainerExited",
                "Essential container in task exited",
                self.run.exit_code,
            ),
            _ => {
                ("TaskFailedToStart", "CannotPullContainerError: the image cannot be pulled", None)
            }
        };
        self.stop_code.get_or_insert_with(|| code.to_owned());
        self.stopped_reason.get_or_insert_with(|| reason.to_owned());
        self.exit_code = exit_code;
        self.status = "STOPPED".to_owned();
        self.desired = Lagging::new("STOPPED");
        self.stopped = Some(now);
    }
}

fn shown(world: &World, task: &Task) -> Value {
    let at = |it: Option<Duration>| it.map(|it| time(world.seconds_at(it)));
    let containers = task.containers.iter().map(|name| {
        json!({
            "name": name,
            "taskArn": task.arn,
            "lastStatus": if task.status == "PROVISIONING" { "PENDING" } else { &task.status },
            "exitCode": task.exit_code,
        })
    });
    json!({
        "taskArn": task.arn,
        "clusterArn": world.arn("ecs", &format!("cluster/{}", task.cluster)),
        "taskDefinitionArn": task.definition,
        "group": format!("family:{}", task.family),
        "startedBy": task.started_by,
        "overrides": task.overrides,
        "lastStatus": task.status,
        "desiredStatus": task.desired.seen(world.now()),
        "containers": containers.collect::<Vec<_>>(),
        "stopCode": task.stop_code,
        "stoppedReason": task.stopped_reason,
        "createdAt": at(Some(task.created)),
        "startedAt": at(task.started),
        "stoppedAt": at(task.stopped),
    })
}

pub(super) fn run(world: &mut World, call: &Call) -> Answer {
    let cluster = known_cluster(world, call)?;
    let named = call.text("taskDefinition").ok_or_else(|| invalid("taskDefinition is required"))?;
    let definition = definitions::find(world, named)
        .ok_or_else(|| Refusal::bad("ClientException", "TaskDefinition not found."))?
        .clone();
    let count = call.number("count").unwrap_or(1);
    if !(1..=MOST).contains(&count) {
        return Err(invalid(format!("count must be 1 to {MOST}")));
    }
    let started_by = call.text("startedBy").map(str::to_owned);
    if started_by.as_ref().is_some_and(|it| it.len() > LONGEST_NAME) {
        return Err(invalid(format!("startedBy has more than {LONGEST_NAME} characters")));
    }
    let overrides = call.parameters.get("overrides").cloned().unwrap_or_default();
    check_containers(&overrides, &definition.names())?;
    if let Some(tasks) = started_before(world, call)? {
        return Ok(json!({ "tasks": tasks, "failures": [] }));
    }
    let run = world.ecs.runs.get(&definition.family).cloned().unwrap_or_default();
    if let Some(reason) = &run.failure {
        // What cannot be started is in an answer of 200.
        return Ok(json!({ "tasks": [], "failures": [{ "reason": reason }] }));
    }
    let mut ids = Vec::new();
    for _ in 0..count {
        let id = world.uuid().replace('-', "");
        let task = Task {
            arn: arn(world, &cluster, &id),
            cluster: cluster.clone(),
            family: definition.family.clone(),
            definition: definitions::arn(world, &definition.family, definition.revision),
            started_by: started_by.clone(),
            overrides: overrides.clone(),
            status: "PROVISIONING".to_owned(),
            exit_code: None,
            stop_code: None,
            stopped_reason: None,
            desired: Lagging::new("RUNNING"),
            containers: definition.names(),
            known: world.stale_until(),
            created: world.now(),
            started: None,
            stopped: None,
            run: run.clone(),
            generation: 0,
        };
        world.ecs.tasks.insert(id.clone(), task);
        ids.push(id);
    }
    let shown: Vec<_> = ids.iter().map(|it| shown(world, &world.ecs.tasks[it])).collect();
    for id in &ids {
        let half = world.draw(world.times.task_start) / 2;
        later(world, id, half);
    }
    if let Some((key, asked)) = token(call) {
        world.ecs.started.insert(key, Started { at: world.now(), asked, ids });
    }
    // What takes no time has happened when the call is answered.
    let now = world.now();
    world.advance(now);
    Ok(json!({ "tasks": shown, "failures": [] }))
}

/// Returns what whoever runs a task needs for its roles: to pass them on to tasks.
pub(super) fn passed(world: &World, call: &Call) -> Vec<Concern> {
    let definition = call.text("taskDefinition").and_then(|it| definitions::find(world, it));
    let roles = definition.map(|it| it.roles.clone()).unwrap_or_default();
    let pass = |role: String| {
        let mut concern = Concern { action: Some("iam:PassRole".to_owned()), ..Concern::on(role) };
        concern.give("iam:PassedToService", "ecs-tasks.amazonaws.com");
        concern
    };
    roles.into_iter().map(pass).collect()
}

fn check_containers(overrides: &Value, containers: &[String]) -> Result<(), Refusal> {
    let given = overrides.get("containerOverrides").and_then(Value::as_array);
    for it in given.into_iter().flatten() {
        let name = it.get("name").and_then(Value::as_str).unwrap_or_default();
        if !containers.iter().any(|it| it == name) {
            return Err(invalid(format!(
                "Override for container named {name} is not a container in the TaskDefinition."
            )));
        }
    }
    Ok(())
}

/// Returns the token of a call with its cluster, and all that it asks otherwise.
fn token(call: &Call) -> Option<((String, String), Value)> {
    let key = (cluster_of(call), call.text("clientToken")?.to_owned());
    let mut asked = call.parameters.clone();
    asked.as_object_mut()?.remove("clientToken");
    Some((key, asked))
}

/// Returns the tasks that a call with the same token has started.
fn started_before(world: &mut World, call: &Call) -> Result<Option<Vec<Value>>, Refusal> {
    let now = world.now();
    world.ecs.started.retain(|_, it| now < it.at + KNOWN_FOR);
    let Some((key, asked)) = token(call) else { return Ok(None) };
    let Some(before) = world.ecs.started.get(&key) else { return Ok(None) };
    if before.asked != asked {
        return Err(Refusal::bad(
            "ConflictException",
            "The clientToken is already in use with a different RunTask request.",
        ));
    }
    let tasks = before.ids.iter().filter_map(|it| world.ecs.tasks.get(it));
    Ok(Some(tasks.map(|it| shown(world, it)).collect()))
}

pub(super) fn describe(world: &mut World, call: &Call) -> Answer {
    let cluster = known_cluster(world, call)?;
    let named = call.texts("tasks");
    if named.is_empty() || named.len() > MOST_NAMED {
        return Err(invalid("Tasks cannot be empty, and at most 100 can be named."));
    }
    let now = world.now();
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for name in named {
        let found = world.ecs.tasks.get(id_of(name)).filter(|it| {
            let gone = it.stopped.is_some_and(|at| now >= at + SEEN_FOR);
            it.cluster == cluster && it.known <= now && !gone
        });
        match found {
            Some(task) => tasks.push(shown(world, task)),
            None => {
                failures.push(json!({ "arn": arn(world, &cluster, name), "reason": "MISSING" }))
            }
        }
    }
    Ok(json!({ "tasks": tasks, "failures": failures }))
}

pub(super) fn stop(world: &mut World, call: &Call) -> Answer {
    let cluster = known_cluster(world, call)?;
    let id = id_of(call.text("task").ok_or_else(|| invalid("task is required"))?).to_owned();
    let (lasts, seen) = (world.draw(world.times.task_stop), world.stale_until());
    let task = world.ecs.tasks.get_mut(&id).filter(|it| it.cluster == cluster);
    let task = task.ok_or_else(|| invalid("The referenced task was not found."))?;
    // To stop it again is no error.
    if *task.desired.real() == "RUNNING" {
        task.desired.set("STOPPED", seen);
        task.stop_code = Some("UserInitiated".to_owned());
        task.stopped_reason =
            Some(call.text("reason").unwrap_or("Task stopped by user").to_owned());
        task.generation += 1;
        later(world, &id, lasts);
        let now = world.now();
        world.advance(now);
    }
    Ok(json!({ "task": world.ecs.tasks.get(&id).map(|it| shown(world, it)) }))
}
