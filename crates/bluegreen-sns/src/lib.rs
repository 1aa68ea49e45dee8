//! Open and block the SNS subscriptions of a pair of stacks.
//!
//! [`SnsToolkit`] is the small set of calls that a deployment needs; [`AwsSnsToolkit`] answers
//! them from AWS for the subscriptions that an [`SnsConfig`] names. A blocked subscription has a
//! [`FilterPolicy`] that no message matches.
//!
//! ```no_run
//! use bluegreen_core::StackReference;
//! use bluegreen_sns::{AwsSnsToolkit, SnsConfig, SnsToolkit};
//!
//! # async fn example(sdk: &aws_types::SdkConfig, config: SnsConfig) -> bluegreen_core::Result<()> {
//! let sns = AwsSnsToolkit::new(sdk, config)?;
//! let before = sns.subscription(StackReference::A).await?;
//! sns.disable_subscription(StackReference::A).await?;
//! sns.enable_subscription(StackReference::A, before.filter).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `test-util`: `MockSnsToolkit`, for the tests of crates that use the toolkit.

mod aws;
mod config;
mod toolkit;

pub use aws::AwsSnsToolkit;
pub use config::SnsConfig;
#[cfg(any(test, feature = "test-util"))]
pub use toolkit::MockSnsToolkit;
pub use toolkit::{FilterPolicy, FilterScope, SnsToolkit, Subscription};
