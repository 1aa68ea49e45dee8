//! Look at and delete the DynamoDB tables of a pair of stacks.
//!
//! [`DynamoDbToolkit`] is the small set of calls that a deployment needs; [`AwsDynamoDbToolkit`]
//! answers them from AWS for the tables that a [`DynamoDbConfig`] names.
//!
//! ```no_run
//! use bluegreen_core::StackReference;
//! use bluegreen_dynamodb::{AwsDynamoDbToolkit, DynamoDbConfig, DynamoDbToolkit};
//!
//! # async fn example(sdk: &aws_types::SdkConfig, config: DynamoDbConfig) -> bluegreen_core::Result<()> {
//! let dynamodb = AwsDynamoDbToolkit::new(sdk, config)?;
//! println!("{:?}", dynamodb.delete_table(StackReference::A).await?);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `test-util`: `MockDynamoDbToolkit`, for the tests of crates that use the toolkit.

mod aws;
mod config;
mod toolkit;

pub use aws::AwsDynamoDbToolkit;
pub use config::DynamoDbConfig;
#[cfg(any(test, feature = "test-util"))]
pub use toolkit::MockDynamoDbToolkit;
pub use toolkit::{DynamoDbToolkit, Table, TableStatus};
