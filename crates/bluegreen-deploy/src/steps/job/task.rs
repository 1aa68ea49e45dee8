//! [`OneTask`], an ECS task as a job.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::StackReference;
use bluegreen_ecs::{EcsTaskConfig, EcsTaskToolkit, Task, TaskRun};
use serde::{Deserialize, Serialize};

use super::{Job, Run, not_run};
use crate::{
    Context, Error, Inspection, Moment, Permission, Result, StepId, Wildcard, command::quoted,
};

/// How long ECS may not show a task that it has just started.
const HIDDEN: Duration = Duration::from_secs(5 * 60);

/// A task that is run once, and watched until it has stopped.
///
/// Noted is, under `task/STEP`, which task: whoever goes on with the release watches the same one. One that has
/// failed is run again when the step is tried again, and so is one that ECS has forgotten.
#[derive(Debug)]
pub(crate) struct OneTask {
    pub(crate) toolkit: Arc<dyn EcsTaskToolkit>,
    pub(crate) config: EcsTaskConfig,
}

/// A try to run the task.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Attempt {
    /// Which, from 1.
    number: u32,
    /// When it was made.
    made: Moment,
    /// The names of the containers that must end well.
    essential: Vec<String>,
    /// The task; none as long as AWS has not answered.
    arn: Option<String>,
    /// Whether it was seen to have ended, and not well. One that has ended well is the end of its step.
    #[serde(default)]
    ended: bool,
}

impl OneTask {
    fn attempt(context: &Context<'_>, step: &StepId) -> Result<Option<Attempt>> {
        context.note(&format!("task/{}", step.key()))
    }

    async fn note(context: &Context<'_>, step: &StepId, attempt: &Attempt) -> Result<()> {
        context.set_note(&format!("task/{}", step.key()), attempt).await
    }

    fn definition(&self, stack: StackReference) -> &str {
        self.config.definitions.of(stack)
    }
}

#[async_trait]
impl Job for OneTask {
    async fn look(&self, context: &Context<'_>, step: &StepId) -> Result<Inspection> {
        let Some(attempt) = Self::attempt(context, step)? else { return Ok(not_run()) };
        let Some(arn) = attempt.arn.clone() else { return Ok(not_run()) };
        let name = arn.rsplit('/').next().unwrap_or_default();
        let underway = |what: String| Ok(Inspection::Underway { what });
        let again = |from: String| Ok(Inspection::Needed { from, to: "run again".to_owned() });
        let Some(task) = self.toolkit.task(&arn).await? else {
            let shown_by = attempt.made.0 + HIDDEN;
            if context.now() < shown_by {
                return underway(format!("ECS to show task `{name}`"));
            }
            context.warn(format!(
                "ECS has forgotten task `{name}` of `{}`, and with it whether it did its work: it is run again",
                self.definition(step.stack)
            ));
            return again(format!("task `{name}` is forgotten"));
        };
        if !task.has_stopped() {
            return underway(format!("task `{name}` ({})", task.status));
        }
        let Some(reason) = failure(&task, &attempt.essential) else { return Ok(Inspection::Done) };
        if context.has_failed(step) {
            return again(format!("task `{name}` {reason}"));
        }
        if !context.is_turn() {
            return underway(format!("a word about task `{name}`, which {reason}"));
        }
        Self::note(context, step, &Attempt { ended: true, ..attempt }).await?;
        let definition = self.definition(step.stack);
        Err(Error::Gate { what: format!("task `{name}` of `{definition}`"), reason })
    }

    async fn start(&self, context: &Context<'_>, step: &StepId) -> Result<()> {
        let before = Self::attempt(context, step)?;
        let number = match &before {
            None => 1,
            // The answer got lost: to the same call with the same token ECS answers again, and starts nothing.
            Some(Attempt { number, arn: None, .. }) => *number,
            Some(Attempt { number, .. }) => number.saturating_add(1),
        };
        let essential = match before {
            // By now the definition may be another, and the call would be: ECS refuses that.
            Some(Attempt { essential, arn: None, .. }) if !context.has_failed(step) => essential,
            _ => self.toolkit.task_definition(step.stack).await?.essential,
        };
        let made = Moment(context.now());
        let attempt = Attempt { number, made, essential, arn: None, ended: false };
        Self::note(context, step, &attempt).await?;

        let run = Run::of(context, step).await?;
        let task = TaskRun {
            token: format!("{}-{:016x}-{number}", run.release, hash(&run.within())),
            started_by: format!("bluegreen/{}", run.release).chars().take(36).collect(),
            environment: run.environment(),
            containers: attempt.essential.clone(),
        };
        let task = self.toolkit.run_task(step.stack, task).await?;
        Self::note(context, step, &Attempt { arn: Some(task.arn), ..attempt }).await
    }

    async fn look_for(&self, stack: StackReference) -> Result<()> {
        self.toolkit.task_definition(stack).await?;
        Ok(())
    }

    fn look_permissions(&self, _stack: StackReference) -> Vec<Permission> {
        Permission::unlimited(&["ecs:DescribeTaskDefinition"])
    }

    fn permissions(&self, stack: StackReference) -> Vec<Permission> {
        let definition = self.definition(stack);
        let run = &["ecs:RunTask"];
        let mut permissions = match definition.contains(':') {
            true => Permission::on(format!("task-definition/{definition}"), run),
            false => {
                let latest = Wildcard::because("the stack file names no revision: the latest runs");
                Permission::across(format!("task-definition/{definition}:*"), latest, run)
            }
        };
        let named = Wildcard::because("ECS makes the ids of tasks");
        let tasks = format!("task/{}/*", self.config.cluster);
        permissions.extend(Permission::across(tasks, named, &["ecs:DescribeTasks"]));
        let roles = Wildcard::because("only the task definition names the roles of a task")
            .given("iam:PassedToService", &["ecs-tasks.amazonaws.com"]);
        permissions.extend(Permission::across("role/*", roles, &["iam:PassRole"]));
        permissions
    }
}

/// Returns what is wrong with how a stopped task has ended: its essential containers must have ended with 0.
fn failure(task: &Task, essential: &[String]) -> Option<String> {
    let stopped =
        task.stopped_reason.as_deref().map_or_else(String::new, |it| format!(": {}", quoted(it)));
    for name in essential {
        let container = task.containers.iter().find(|it| it.name == *name);
        let code = container.and_then(|it| it.exit_code);
        if code == Some(0) {
            continue;
        }
        let said = container.and_then(|it| it.reason.as_deref());
        let said = said.map_or_else(|| stopped.clone(), |it| format!(": {}", quoted(it)));
        return Some(match code {
            Some(code) => format!("has failed: container `{name}` ended with {code}{said}"),
            None => format!("has failed: container `{name}` has no exit code{said}"),
        });
    }
    essential.is_empty().then(|| format!("has stopped, and has no essential container{stopped}"))
}

/// Returns a number for `text` that is the same in every version of this program (FNV-1a).
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
