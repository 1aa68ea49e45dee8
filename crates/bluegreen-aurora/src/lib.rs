//! Start, scale, stop and delete the Aurora clusters of a pair of stacks.
//!
//! [`AuroraToolkit`] is the small set of calls that a deployment needs; [`AwsAuroraToolkit`] answers
//! them from RDS, Application Auto Scaling and CloudWatch for the clusters that an [`AuroraConfig`] names. A call
//! looks, acts and returns: what is still to come is in its answer, such as [`Deletion::Remaining`].
//!
//! ```no_run
//! use bluegreen_aurora::{AuroraConfig, AuroraToolkit, AwsAuroraToolkit};
//! use bluegreen_core::{Change, StackReference};
//!
//! # async fn example(sdk: &aws_types::SdkConfig, config: AuroraConfig) -> bluegreen_core::Result<()> {
//! let aurora = AwsAuroraToolkit::new(sdk, config)?;
//! match aurora.start_database(StackReference::B).await? {
//!     Change::NotYet { reason } => println!("later: {reason}"),
//!     Change::Made | Change::AlreadySo => println!("{:?}", aurora.cluster(StackReference::B).await?),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `test-util`: `MockAuroraToolkit`, for the tests of crates that use the toolkit.

mod aws;
mod config;
mod toolkit;

pub use aws::AwsAuroraToolkit;
pub use bluegreen_core::Suspended;
pub use config::AuroraConfig;
#[cfg(any(test, feature = "test-util"))]
pub use toolkit::MockAuroraToolkit;
pub use toolkit::{
    AuroraToolkit, Cluster, ClusterStart, ClusterState, Connections, Deletion, FinalSnapshot,
    Member, PerformanceInsights, PerformanceInsightsOptions, ReaderScaling, Scaled,
    SnsNotification, SnsRecord, Tagging,
};
