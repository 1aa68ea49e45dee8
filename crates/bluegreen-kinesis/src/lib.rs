//! Register and remove the Kinesis stream consumers (enhanced fan-out) of a pair of stacks.
//!
//! [`KinesisToolkit`] is the small set of calls that a deployment needs; [`AwsKinesisToolkit`]
//! answers them from AWS for the consumers that a [`KinesisConfig`] names.
//!
//! ```no_run
//! use bluegreen_core::StackReference;
//! use bluegreen_kinesis::{AwsKinesisToolkit, KinesisConfig, KinesisToolkit};
//!
//! # async fn example(sdk: &aws_types::SdkConfig, config: KinesisConfig) -> bluegreen_core::Result<()> {
//! let kinesis = AwsKinesisToolkit::new(sdk, config)?;
//! kinesis.register_consumer(StackReference::B).await?;
//! if let Some(consumer) = kinesis.describe_consumer(StackReference::B).await? {
//!     println!("{:?}", consumer.status);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `test-util`: `MockKinesisToolkit`, for the tests of crates that use the toolkit.

mod aws;
mod config;
mod toolkit;

pub use aws::AwsKinesisToolkit;
pub use config::KinesisConfig;
#[cfg(any(test, feature = "test-util"))]
pub use toolkit::MockKinesisToolkit;
pub use toolkit::{Consumer, ConsumerStatus, KinesisToolkit};
