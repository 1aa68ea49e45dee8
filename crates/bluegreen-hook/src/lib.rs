//! The hook that CodeDeploy and ECS call during their own deployments: parts for whoever writes an own one.
//!
//! A hook is a Lambda function that is told of a moment in a deployment, and must answer: CodeDeploy by a call
//! to its API, ECS by what the function returns. **A hook that does not answer costs an hour** with CodeDeploy,
//! and a rollback with ECS, whatever the reason: an error, a panic, a function that ran out of time, a report
//! that was throttled. The parts here see to it that the answer is given:
//!
//! - [`event::Event`] tells by their shapes what the function is called with;
//! - [`invocation::Invocation`] knows how much time is left;
//! - [`answer::codedeploy`] and [`answer::ecs`] do a piece of work and give the answer, whatever happens in it;
//! - [`configuration::Configuration`] is the stack file, from the package, a parameter or a variable;
//! - [`logs::subscriber`] and [`metrics::Metrics`] make lines that CloudWatch can search and count;
//! - `rds::handle` does what is to be done about events of RDS (feature `aurora`).
//!
//! They know nothing of Lambda's runtime: what calls them fills in the [`Invocation`](invocation::Invocation),
//! with `lambda_runtime` from the context of its `LambdaEvent`. Futures that answer or wait stay in their thread, so
//! that is `lambda_runtime::run`, and not `run_concurrent`.
//!
//! ```no_run
//! use bluegreen_codedeploy::CodeDeployToolkit;
//! use bluegreen_core::BoxError;
//! use bluegreen_hook::{
//!     answer::{self, Answer, EcsAnswer},
//!     event::Event,
//!     invocation::Invocation,
//! };
//! use serde_json::Value;
//!
//! # async fn warm_up(_: &Invocation) -> Result<(), BoxError> { Ok(()) }
//! /// Handles one call; what it returns is what the function returns.
//! async fn handle(
//!     client: &dyn CodeDeployToolkit,
//!     payload: &Value,
//!     invocation: &Invocation,
//! ) -> Result<Value, BoxError> {
//!     match Event::parse(payload)? {
//!         Event::CodeDeploy(hook) => {
//!             // May be done twice, since Lambda may send the event twice: it must be idempotent.
//!             let work = async {
//!                 warm_up(invocation).await?;
//!                 Ok::<_, BoxError>(Answer::Succeeded)
//!             };
//!             // An error here is to make the function fail, so that Lambda sends the event again.
//!             answer::codedeploy(client, hook, invocation, work).await?;
//!             Ok(Value::Null)
//!         }
//!         Event::Ecs(hook) => {
//!             let work = async {
//!                 warm_up(invocation).await?;
//!                 Ok::<_, BoxError>(EcsAnswer::Succeeded)
//!             };
//!             let response = answer::ecs(&hook, invocation, work).await;
//!             Ok(serde_json::to_value(response)?)
//!         }
//!         _ => Err("this function is a hook, and nothing else".into()),
//!     }
//! }
//! ```
//!
//! The program must not be built with `panic = "abort"`: a panic could not be answered for.
//!
//! # Features
//!
//! - `full` (default): all of the following but `lambda-runtime`.
//! - `engine`: [`hook`], the ready-made hook, with whatever the engine needs of ECS and CodeDeploy.
//! - `aurora`, `cloudwatch`, `dynamodb`, `http`, `kinesis`, `lambda`, `sns`, `sqs`: the services of the stack files that
//!   it takes; `aurora` alone is also what is done about events of RDS, [`rds`].
//! - `ssm`: the stack file from Parameter Store of AWS Systems Manager.
//! - `lambda-runtime` (default): the binary `bootstrap`.
//!
//! Whoever writes an own hook and needs the answers only takes none of them: `default-features = false`.

pub mod answer;
pub mod configuration;
pub mod event;
#[cfg(feature = "engine")]
pub mod hook;
pub mod invocation;
pub mod logs;
pub mod metrics;
#[cfg(feature = "aurora")]
pub mod rds;
