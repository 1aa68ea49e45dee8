//! Watch and purge the SQS queues of a pair of stacks.
//!
//! [`SqsToolkit`] is the small set of calls that a deployment needs; [`AwsSqsToolkit`] answers
//! them from SQS and CloudWatch for the queues that an [`SqsConfig`] names.
//!
//! ```no_run
//! use bluegreen_core::StackReference;
//! use bluegreen_sqs::{AwsSqsToolkit, Queues, SqsConfig, SqsToolkit};
//!
//! # async fn example(sdk: &aws_types::SdkConfig, config: SqsConfig) -> bluegreen_core::Result<()> {
//! let sqs = AwsSqsToolkit::new(sdk, config)?;
//! for purge in sqs.purge_queues(StackReference::B, Queues::Both).await {
//!     println!("{}: {:?}", purge.name, purge.outcome?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `test-util`: `MockSqsToolkit`, for the tests of crates that use the toolkit.

mod aws;
mod config;
mod toolkit;

pub use aws::AwsSqsToolkit;
pub use config::SqsConfig;
#[cfg(any(test, feature = "test-util"))]
pub use toolkit::MockSqsToolkit;
pub use toolkit::{
    Datapoint, Purge, Queue, QueueDepth, QueuePurge, QueueSettings, Queues, SqsToolkit,
};
