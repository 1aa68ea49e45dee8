//! Scale the ECS services of a pair of stacks up and down, and run single tasks.
//!
//! [`EcsToolkit`] is the small set of calls that a deployment needs; [`AwsEcsToolkit`] answers
//! them from AWS for the services that an [`EcsConfig`] names. [`Service`] is what it sees of one.
//! [`EcsTaskToolkit`] and [`AwsEcsTaskToolkit`] are the same for the tasks that an [`EcsTaskConfig`] names,
//! which run once. [`EcsTrafficToolkit`] and [`AwsEcsTrafficToolkit`] look at the one service of an
//! [`EcsTrafficConfig`], whose deployments move traffic from one stack to the other.
//!
//! ```no_run
//! use bluegreen_core::StackReference;
//! use bluegreen_ecs::{AwsEcsToolkit, EcsConfig, EcsToolkit};
//!
//! # async fn example(sdk: &aws_types::SdkConfig, config: EcsConfig) -> bluegreen_core::Result<()> {
//! let ecs = AwsEcsToolkit::new(sdk, config)?;
//! ecs.enable_service(StackReference::B, 4).await?;
//! let service = ecs.service(StackReference::B).await?;
//! println!("{} of {} tasks run", service.running, service.desired);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `test-util`: `MockEcsToolkit`, `MockEcsTaskToolkit` and `MockEcsTrafficToolkit`, for the tests of crates that use the toolkit.

mod aws;
mod config;
mod toolkit;

pub use aws::{AwsEcsTaskToolkit, AwsEcsToolkit, AwsEcsTrafficToolkit};
pub use bluegreen_core::Suspended;
pub use config::{EcsConfig, EcsTaskConfig, EcsTrafficConfig, LaunchType};
pub use toolkit::{
    BoundDefinition, Container, EcsTaskToolkit, EcsToolkit, EcsTrafficToolkit, HookSetting,
    RevisionTraffic, Service, ServiceDeployment, ServiceDeploymentStatus, ServiceRevision,
    ServiceScaling, Task, TaskDefinition, TaskRun, TaskSet, TrafficService,
};
#[cfg(any(test, feature = "test-util"))]
pub use toolkit::{MockEcsTaskToolkit, MockEcsToolkit, MockEcsTrafficToolkit};
