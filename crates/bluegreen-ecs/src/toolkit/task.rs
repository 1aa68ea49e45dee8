//! [`EcsTaskToolkit`], the ECS calls by which a task is run once and watched until it has stopped.

use std::fmt;

use async_trait::async_trait;
use bluegreen_core::{Result, StackReference};

/// The ECS calls by which a task is run once and watched until it has stopped.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait EcsTaskToolkit: fmt::Debug + Send + Sync {
    /// Returns what the task definition of `stack` consists of.
    ///
    /// Calls `ecs:DescribeTaskDefinition`.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such definition, or it has been deregistered; `Incomplete` when the answer
    /// lacks it or the name of a container.
    async fn task_definition(&self, stack: StackReference) -> Result<TaskDefinition>;

    /// Runs one task of the definition of `stack`, and does not wait until it has started.
    ///
    /// With the token of an earlier call ECS starts nothing and answers with the task of that call, for as long
    /// as it keeps the token: after a lost answer the same call may be made again.
    ///
    /// Calls `ecs:RunTask`, which needs `iam:PassRole` on the roles of the definition.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown cluster or definition. A want of room or of capacity is transient.
    async fn run_task(&self, stack: StackReference, run: TaskRun) -> Result<Task>;

    /// Returns the task that `arn` names; `None` when ECS does not know it: it keeps stopped tasks for about an
    /// hour, and shows new ones a moment late.
    ///
    /// Calls `ecs:DescribeTasks`.
    ///
    /// # Errors
    ///
    /// `Incomplete` when the answer lacks the task's status.
    async fn task(&self, arn: &str) -> Result<Option<Task>>;
}

/// What a task definition consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskDefinition {
    /// Its ARN, with the revision.
    pub arn: String,
    /// The names of the containers without which a task of it stops.
    pub essential: Vec<String>,
}

/// What one run of a task is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRun {
    /// What makes a repeated call start nothing, up to 64 characters.
    pub token: String,
    /// Who starts it, as ECS shows it, up to 36 characters.
    pub started_by: String,
    /// Variables for the environment of containers, name and value.
    pub environment: Vec<(String, String)>,
    /// The names of the containers that get them.
    pub containers: Vec<String>,
}

/// A task as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its ARN.
    pub arn: String,
    /// Its status, in AWS's word: `PENDING`, `RUNNING`, `STOPPED`.
    pub status: String,
    /// Why it stopped, in AWS's words.
    pub stopped_reason: Option<String>,
    /// Its containers.
    pub containers: Vec<Container>,
}

impl Task {
    /// Returns whether it has stopped.
    pub fn has_stopped(&self) -> bool {
        self.status == "STOPPED"
    }
}

/// A container of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name in the task definition.
    pub name: String,
    /// The code that it ended with; `None` when it has not ended, or never began.
    pub exit_code: Option<i32>,
    /// What AWS says about how it is: an image that cannot be pulled, a want of memory.
    pub reason: Option<String>,
}
