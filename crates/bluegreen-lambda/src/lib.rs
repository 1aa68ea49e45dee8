//! Switch the Lambda consumers and EventBridge rules of a pair of stacks.
//!
//! [`LambdaToolkit`] is the small set of calls that a deployment needs; [`AwsLambdaToolkit`] answers
//! them from AWS for the functions that a [`LambdaConfig`] names. [`EventSourceMapping`] and [`Rule`]
//! are what it finds and switches. [`LambdaTrafficToolkit`] and [`AwsLambdaTrafficToolkit`] look at a function whose
//! alias moves from one stack to the other.
//!
//! ```no_run
//! use bluegreen_core::{Selection, StackReference};
//! use bluegreen_lambda::{AwsLambdaToolkit, LambdaConfig, LambdaToolkit};
//!
//! # async fn example(sdk: &aws_types::SdkConfig, config: LambdaConfig) -> bluegreen_core::Result<()> {
//! let lambda = AwsLambdaToolkit::new(sdk, config)?;
//! let switched = lambda.enable_event_mapping(StackReference::B, Selection::All).await?;
//! println!("on: {:?}, to be tried again: {:?}", switched.changed, switched.busy);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `test-util`: `MockLambdaToolkit` and `MockLambdaTrafficToolkit`, for the tests of crates that use the toolkit.

mod aws;
mod config;
mod toolkit;

pub use aws::{AwsLambdaToolkit, AwsLambdaTrafficToolkit};
pub use config::{LambdaConfig, check_function, check_functions};
pub use toolkit::{
    Alias, Datapoint, EventSourceMapping, Function, Invocation, LambdaToolkit,
    LambdaTrafficToolkit, MappingState, Metric, NewMapping, Rule, StartingPosition,
};
#[cfg(any(test, feature = "test-util"))]
pub use toolkit::{MockLambdaToolkit, MockLambdaTrafficToolkit};
