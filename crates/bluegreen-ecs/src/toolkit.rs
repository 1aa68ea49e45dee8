//! [`EcsToolkit`], the ECS and Application Auto Scaling calls that a deployment needs.

mod task;
mod traffic;

use std::fmt;

use async_trait::async_trait;
use bluegreen_core::{Change, Result, StackReference, Suspended};

#[cfg(any(test, feature = "test-util"))]
pub use self::{task::MockEcsTaskToolkit, traffic::MockEcsTrafficToolkit};
pub use self::{
    task::{Container, EcsTaskToolkit, Task, TaskDefinition, TaskRun},
    traffic::{
        BoundDefinition, EcsTrafficToolkit, HookSetting, RevisionTraffic, ServiceDeployment,
        ServiceDeploymentStatus, ServiceRevision, TaskSet, TrafficService,
    },
};

/// The ECS and Application Auto Scaling calls that a deployment needs.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait EcsToolkit: fmt::Debug + Send + Sync {
    /// Returns the service of `stack`, with its scaling.
    ///
    /// Calls `ecs:DescribeServices` and `application-autoscaling:DescribeScalableTargets`, side by side.
    ///
    /// # Errors
    ///
    /// `NotFound` when AWS names the service among the failures of its answer, or when it has been
    /// deleted; `WrongState` while it is draining; `Incomplete` when the answer lacks the service, its
    /// status or its ARN. (The SDK reads a count that AWS leaves out as 0, as AWS's model says.)
    async fn service(&self, stack: StackReference) -> Result<Service>;

    /// Lets the service of `stack` run `tasks` tasks, and does not wait until they run.
    ///
    /// Sends cluster, service and desired count, and nothing else: services that CodeDeploy controls
    /// refuse the rest. Repeating the same count is harmless.
    ///
    /// Calls `ecs:UpdateService`.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown service or cluster, `WrongState` for a service that is being deleted.
    async fn enable_service(&self, stack: StackReference, tasks: u32) -> Result<()>;

    /// Lets the service of `stack` run no task, and does not wait until they have stopped.
    ///
    /// Its scaling must be [suspended](Self::suspend_scaling) first: it pulls the count back, and so does AWS
    /// when it is suspended.
    ///
    /// Calls `ecs:UpdateService`.
    async fn disable_service(&self, stack: StackReference) -> Result<()>;

    /// Suspends all three kinds of scaling of the service of `stack`.
    ///
    /// A service without a scaling target is [`Change::AlreadySo`]. The caller looks at the
    /// [`service`](Self::service) first and keeps the flags, to hand them back to
    /// [`resume_scaling`](Self::resume_scaling). AWS pulls the desired count into the range from minimum to
    /// maximum with this very call: send [`disable_service`](Self::disable_service) behind it.
    ///
    /// Calls `application-autoscaling:DescribeScalableTargets` and
    /// `application-autoscaling:RegisterScalableTarget`.
    async fn suspend_scaling(&self, stack: StackReference) -> Result<Change>;

    /// Sets the three flags of the scaling of the service of `stack` to what they were.
    ///
    /// Calls what [`suspend_scaling`](Self::suspend_scaling) calls. Both send the flags and nothing else, so
    /// that a minimum or maximum that somebody changes meanwhile stays: AWS keeps what is left out. Both
    /// fail with a transient error while another change of the target is under way.
    async fn resume_scaling(&self, stack: StackReference, before: Suspended) -> Result<Change>;
}

/// A service as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// How many tasks it should run.
    pub desired: u32,
    /// How many tasks run.
    pub running: u32,
    /// How many tasks are being started.
    pub pending: u32,
    /// Who deploys it: `ECS`, `CODE_DEPLOY` or `EXTERNAL`.
    pub controller: String,
    /// The ARN of its task definition with its revision; `None` where its task sets have their own.
    pub task_definition: Option<String>,
    /// What its tasks run on: `EC2`, `FARGATE`, `EXTERNAL`; `None` where capacity providers decide that.
    pub launch_type: Option<String>,
    /// Whether it is a daemon service, which takes no count.
    pub is_daemon: bool,
    /// Whether it has reached its count: all its tasks run, none is pending, and its deployment, or
    /// its task sets where another controller has them, are complete.
    pub steady: bool,
    /// Whether its current deployment has failed.
    pub deployment_failed: bool,
    /// Its scaling; `None` when it has no scaling target.
    pub scaling: Option<ServiceScaling>,
}

/// The scaling target of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceScaling {
    /// The least number of tasks.
    pub minimum: u32,
    /// The greatest number of tasks.
    pub maximum: u32,
    /// Which kinds of scaling are suspended.
    pub suspended: Suspended,
}
