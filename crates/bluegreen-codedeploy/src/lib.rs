//! Report the result of a CodeDeploy lifecycle hook, and look at deployments.
//!
//! [`CodeDeployToolkit`] is the small set of calls that a hook needs; [`AwsCodeDeployToolkit`]
//! answers them from AWS. [`HookExecution`] is the event that CodeDeploy sends to the hook, [`Deployment`] what it is
//! about and [`Target`] how far that is.
//!
//! ```no_run
//! use bluegreen_codedeploy::{AwsCodeDeployToolkit, CodeDeployToolkit, HookExecution, HookStatus};
//!
//! # async fn example(sdk: &aws_types::SdkConfig, hook: HookExecution) -> bluegreen_core::Result<()> {
//! let codedeploy = AwsCodeDeployToolkit::new(sdk);
//! if let Some(event) = codedeploy.running_lifecycle_event(&hook.deployment_id).await? {
//!     println!("this is {event}");
//! }
//! codedeploy.report(hook, HookStatus::Succeeded).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `test-util`: `MockCodeDeployToolkit`, for the tests of crates that use the toolkit.

mod aws;
mod toolkit;

pub use aws::AwsCodeDeployToolkit;
#[cfg(any(test, feature = "test-util"))]
pub use toolkit::MockCodeDeployToolkit;
pub use toolkit::{
    CodeDeployToolkit, Deployment, DeploymentGroup, DeploymentStatus, HookExecution, HookStatus,
    LifecycleEvent, Revision, Target, TaskSetLabel, TaskSetTraffic,
};
