//! How a deployment goes on: from event to event, to its end, or back.

use std::time::Duration;

use serde_json::json;

use super::{CodeDeployEvent, Deployment, EventState, creating, functions};
use crate::{
    Call, Event, Refusal, World,
    call::Answer,
    services::{has_function, sets},
};

/// §11: how long a hook may take to report.
pub(super) const REPORT_WITHIN: Duration = Duration::from_secs(3600);

/// The longest that a step of traffic may take, in minutes: two days.
const LONGEST_STEP: u64 = 2_880;

/// How traffic moves: each step with the percentage that is on the new tasks, and for how long.
pub(super) fn steps(config: &str, last: Duration) -> Option<Vec<(f64, Duration)>> {
    let name = config.strip_prefix("CodeDeployDefault.").unwrap_or(config);
    let name = ["ECS", "Lambda"].iter().find_map(|it| name.strip_prefix(it)).unwrap_or(name);
    if name == "AllAtOnce" {
        return Some(vec![(100.0, last)]);
    }
    let minutes = |it: &str| {
        let it = it.strip_suffix("Minutes").or_else(|| it.strip_suffix("Minute"))?;
        let number = it.parse::<u64>().ok().filter(|it| *it <= LONGEST_STEP)?;
        Some(Duration::from_secs(60 * number))
    };
    let (percent, every) = if let Some(rest) = name.strip_prefix("Canary") {
        let (percent, wait) = rest.split_once("Percent")?;
        let wait = minutes(wait)?;
        return Some(vec![(percent.parse().ok()?, wait), (100.0, last)]);
    } else {
        name.strip_prefix("Linear")?.split_once("PercentEvery")?
    };
    let (percent, every) = (percent.parse::<u32>().ok()?, minutes(every)?);
    let reached = (1..).map(|it| percent.saturating_mul(it)).take_while(|it| (1..100).contains(it));
    let mut steps: Vec<_> = reached.map(|it| (f64::from(it), every)).collect();
    steps.push((100.0, last));
    Some(steps)
}

impl World {
    /// Lets a deployment fail, as it does when an alarm of its group goes off: it is rolled back where its group
    /// says so.
    pub fn fail_deployment(&mut self, id: &str) {
        let message = "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected";
        end(self, id, "Failed", ("ALARM_ACTIVE", message), None);
    }
}

pub(in crate::services) fn happen(world: &mut World, event: CodeDeployEvent) {
    match event {
        CodeDeployEvent::Done(id, at) => succeed(world, &id, at),
        CodeDeployEvent::Overdue(id, at) => {
            if in_progress(world, &id, at) {
                fail(world, &id, "the hook has not reported within an hour");
            }
        }
        CodeDeployEvent::Traffic(id, at, step) => move_traffic(world, &id, at, step),
        CodeDeployEvent::Terminate(id) => terminate(world, &id),
    }
}

fn in_progress(world: &World, id: &str, at: usize) -> bool {
    let event = world.codedeploy.deployments.get(id).and_then(|it| it.events.get(at));
    event.is_some_and(|it| it.status == EventState::InProgress)
}

/// Begins the lifecycle event at a place; behind the last the deployment ends.
pub(super) fn begin(world: &mut World, id: &str, at: usize) {
    let now = world.now();
    let Some(deployment) = world.codedeploy.deployments.get_mut(id) else { return };
    let Some(event) = deployment.events.get_mut(at) else {
        let group = (deployment.application.clone(), deployment.group.clone());
        let is_rollback = deployment.rolls_back.is_some();
        let group = world.codedeploy.groups.get(&group).filter(|_| !is_rollback);
        let wait = group.map_or(Duration::ZERO, |it| it.termination_wait);
        let event = CodeDeployEvent::Terminate(id.to_owned());
        return world.schedule(wait, Event::CodeDeploy(event));
    };
    event.status = EventState::InProgress;
    event.started = Some(now);
    let event = event.clone();
    if event.reports {
        let overdue = CodeDeployEvent::Overdue(id.to_owned(), at);
        world.schedule(REPORT_WITHIN, Event::CodeDeploy(overdue));
        if let Some(function) = &event.function {
            call_hook(world, id, function, &event.execution);
        }
        return;
    }
    let done = CodeDeployEvent::Done(id.to_owned(), at);
    match event.name.as_str() {
        "Install" => install(world, id, done),
        "AllowTestTraffic" => {
            let time = world.draw(world.times.deployment_step);
            world.schedule(time, Event::CodeDeploy(done));
        }
        "AllowTraffic" => move_traffic(world, id, at, 0),
        _ => world.schedule(Duration::ZERO, Event::CodeDeploy(done)),
    }
}

fn call_hook(world: &mut World, id: &str, function: &str, execution: &str) {
    if !has_function(world, function) {
        return fail(world, id, &format!("the function {function} cannot be found"));
    }
    let payload = json!({ "DeploymentId": id, "LifecycleEventHookExecutionId": execution });
    world.invoke_asynchronously(function, &payload.to_string());
}

/// Makes the new tasks; those that traffic goes back to are there.
fn install(world: &mut World, id: &str, done: CodeDeployEvent) {
    let Some(deployment) = world.codedeploy.deployments.get(id) else { return };
    let (service, definition) = (deployment.service.clone(), deployment.definition.clone());
    let mut time = Duration::ZERO;
    if let Some((cluster, name)) = service.filter(|_| deployment.green.is_none()) {
        let Some(green) = sets::add(world, &cluster, &name, &definition, id) else {
            return fail(world, id, &format!("the task definition {definition} cannot be found"));
        };
        if let Some(it) = world.codedeploy.deployments.get_mut(id) {
            it.green = Some(green);
        }
        time = world.draw(world.times.task_start);
    }
    world.schedule(time, Event::CodeDeploy(done));
}

/// Moves traffic on by one step, and ends the event behind the last.
fn move_traffic(world: &mut World, id: &str, at: usize, step: usize) {
    if !in_progress(world, id, at) {
        return;
    }
    let last = world.draw(world.times.traffic);
    let Some(deployment) = world.codedeploy.deployments.get(id) else { return };
    let key = (deployment.application.clone(), deployment.group.clone());
    let config = world.codedeploy.groups.get(&key).map(|it| it.deployment_config.as_str());
    // What is rolled back comes back at once.
    let config = config.filter(|_| deployment.rolls_back.is_none());
    let all_at_once = || vec![(100.0, last)];
    let steps = config.and_then(|it| steps(it, last)).unwrap_or_else(all_at_once);
    let versions = deployment.versions.clone();
    let Some((weight, time)) = steps.get(step) else { return succeed(world, id, at) };
    if let (Some((cluster, name)), Some(green)) =
        (deployment.service.clone(), deployment.green.clone())
    {
        sets::weigh(world, &cluster, &name, &green, *weight);
    }
    if let Some(versions) = versions
        && let Err(why) = versions.weigh(world, *weight)
    {
        return fail(world, id, &why);
    }
    let next = CodeDeployEvent::Traffic(id.to_owned(), at, step + 1);
    world.schedule(*time, Event::CodeDeploy(next));
}

/// Ends a lifecycle event well, and begins the next.
fn succeed(world: &mut World, id: &str, at: usize) {
    let now = world.now();
    if !in_progress(world, id, at) {
        return;
    }
    let Some(deployment) = world.codedeploy.deployments.get_mut(id) else { return };
    let event = &mut deployment.events[at];
    event.status = EventState::Succeeded;
    event.ended = Some(now);
    let name = event.name.clone();
    if let (Some((cluster, service)), Some(green)) =
        (deployment.service.clone(), deployment.green.clone())
    {
        match name.as_str() {
            "Install" => sets::fill(world, &cluster, &service, &green),
            "AllowTraffic" => sets::promote(world, &cluster, &service, &green),
            _ => {}
        }
    }
    begin(world, id, at + 1);
}

/// Ends a deployment well: what was replaced is no more.
fn terminate(world: &mut World, id: &str) {
    let now = world.now();
    let Some(deployment) = world.codedeploy.deployments.get_mut(id) else { return };
    if deployment.completed.is_some() {
        return;
    }
    deployment.status = "Succeeded";
    deployment.completed = Some(now);
    if let Some((cluster, service)) = deployment.service.clone() {
        sets::keep_primary(world, &cluster, &service);
    }
}

/// Lets a deployment fail at the event that is in progress.
fn fail(world: &mut World, id: &str, why: &str) {
    let event = world.codedeploy.deployments.get(id).and_then(Deployment::current_event);
    let name = event.map(|it| it.name.clone()).unwrap_or_default();
    let message = format!("{name}: {why}");
    end(world, id, "Failed", ("HOOK_EXECUTION_FAILURE", &message), None);
}

/// Ends a deployment before it has succeeded, and rolls it back if the group or whoever stops it says so.
fn end(
    world: &mut World,
    id: &str,
    status: &'static str,
    (code, message): (&str, &str),
    rolls_back: Option<bool>,
) {
    let now = world.now();
    let Some(deployment) = world.codedeploy.deployments.get_mut(id) else { return };
    if deployment.completed.is_some() {
        return;
    }
    deployment.status = status;
    deployment.completed = Some(now);
    deployment.error = Some((code.to_owned(), message.to_owned()));
    for event in &mut deployment.events {
        event.status = match event.status {
            EventState::InProgress => {
                event.ended = Some(now);
                EventState::Failed
            }
            EventState::Pending => EventState::Skipped,
            other => other,
        };
    }
    let ended = deployment.clone();
    let key = (ended.application.clone(), ended.group.clone());
    let of_group = || world.codedeploy.groups.get(&key).is_some_and(|it| it.rolls_back);
    let rolls_back = rolls_back.unwrap_or_else(of_group);
    // Before there are new tasks there is nothing to go back from; and nobody rolls a rollback back.
    let has_new = ended.green.is_some() || functions::has_moved(&ended);
    if rolls_back && has_new && ended.rolls_back.is_none() {
        let by = creating::roll_back(world, &ended);
        if let Some(it) = world.codedeploy.deployments.get_mut(id) {
            it.rolled_back_by = by;
        }
    }
}

/// Stops a deployment; whether it is rolled back is the group's to say where the call does not.
pub(super) fn stop(world: &mut World, id: &str, rolls_back: Option<bool>) -> Answer {
    let is_over = world.codedeploy.deployments.get(id).is_some_and(|it| it.completed.is_some());
    if is_over {
        let message = format!("The deployment {id} is already completed");
        return Err(Refusal::bad("DeploymentAlreadyCompletedException", message));
    }
    let message = "The deployment was stopped by a person";
    end(world, id, "Stopped", ("MANUAL_STOP", message), rolls_back);
    Ok(json!({ "status": "Succeeded", "statusMessage": "The deployment was stopped" }))
}

/// Takes the report of a hook.
pub(super) fn report(world: &mut World, id: &str, call: &Call) -> Answer {
    let execution = call.text("lifecycleEventHookExecutionId").unwrap_or_default();
    let events =
        world.codedeploy.deployments.get(id).map(|it| it.events.as_slice()).unwrap_or_default();
    let Some(at) = events.iter().position(|it| it.reports && it.execution == execution) else {
        return Err(Refusal::bad(
            "InvalidLifecycleEventHookExecutionIdException",
            "The lifecycle event hook execution ID is not valid",
        ));
    };
    let has_succeeded = match call.text("status") {
        Some("Succeeded") => true,
        Some("Failed") => false,
        // §11: the type knows more words, but only these two are taken.
        _ => {
            return Err(Refusal::bad(
                "InvalidLifecycleEventHookExecutionStatusException",
                "The status must be Succeeded or Failed",
            ));
        }
    };
    if events[at].status != EventState::InProgress {
        return Err(Refusal::bad(
            "LifecycleEventAlreadyCompletedException",
            "An attempt to return the status of an already completed lifecycle event occurred",
        ));
    }
    match has_succeeded {
        true => succeed(world, id, at),
        false => fail(world, id, "the hook has reported that it failed"),
    }
    Ok(json!({ "lifecycleEventHookExecutionId": execution }))
}
