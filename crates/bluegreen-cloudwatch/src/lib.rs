//! Switch the CloudWatch alarms of a pair of stacks.
//!
//! [`CloudWatchToolkit`] is the small set of calls that a deployment needs;
//! [`AwsCloudWatchToolkit`] answers them from AWS for the alarms that a [`CloudWatchConfig`]
//! tells apart by their names.
//!
//! ```no_run
//! use bluegreen_cloudwatch::{AwsCloudWatchToolkit, CloudWatchConfig, CloudWatchToolkit};
//! use bluegreen_core::{Selection, StackReference};
//!
//! # async fn example(
//! #     sdk: &aws_types::SdkConfig,
//! #     config: CloudWatchConfig,
//! # ) -> bluegreen_core::Result<()> {
//! let cloudwatch = AwsCloudWatchToolkit::new(sdk, config)?;
//! let switched =
//!     cloudwatch.enable_alarms_actions(StackReference::B, Selection::All).await?;
//! println!("{} alarms switched on", switched.changed.len());
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `test-util`: `MockCloudWatchToolkit`, for the tests of crates that use the toolkit.

mod aws;
mod config;
mod toolkit;

pub use aws::AwsCloudWatchToolkit;
pub use config::{CloudWatchConfig, OneOrPair};
#[cfg(any(test, feature = "test-util"))]
pub use toolkit::MockCloudWatchToolkit;
pub use toolkit::{Alarm, AlarmKind, AlarmState, CloudWatchToolkit, Datapoint, Metric};
