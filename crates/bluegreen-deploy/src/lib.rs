//! The engine that moves a whole stack from a to b.
//!
//! [`StackFile`](stack_file::StackFile) says what the stacks consist of; [`Resources::connect`] makes
//! the toolkits for it; [`Engine`] plans and runs a move, step by step ([`Step`]), and keeps what must outlive
//! the process in a [`Store`].
//!
//! ```no_run
//! use std::path::Path;
//!
//! use bluegreen_core::{Clock, StackReference};
//! use bluegreen_deploy::{
//!     Engine, Fence, Owner, Phase, Resources, Store, stack_file::StackFile, storage,
//! };
//!
//! # async fn example(text: &str, sdk: &aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
//! let folder = Path::new(".");
//! let file = StackFile::parse(text, &folder.join("bluegreen.toml"), &|_| None)?;
//! let fence = Fence::default();
//! let sdk = fence.around(sdk);
//! let storage = storage(&file, folder, &sdk);
//! let owner = Owner { name: "7 on this-host".to_owned(), clock: Clock::system() };
//! let store = Store::lock(storage, &file.name, &owner, |_, _| {}).await?.expect("adopted before");
//! fence.follow(&store);
//! let resources = Resources::connect(&file, &sdk)?;
//! let engine = Engine::new(&file, folder, resources, Clock::system());
//!
//! let plan = engine.plan(StackReference::B)?;
//! let report = engine.deploy(&store, &plan, Phase::Retire).await?;
//! store.close().await?;
//! println!("{:?}", report.outcome);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! One for each service, named like it (`aurora`, `cloudwatch`, `codedeploy`, `dynamodb`, `ecs`, `kinesis`, `lambda`,
//! `sns`, `sqs`), `http` for tests by HTTP requests, `dynamodb-store` for the store in a table, and `full` for all of
//! them.
//!
//! - `test-util`: the module `conformance`, for the tests of who writes a [`Storage`].

mod checks;
mod command;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod connect;
mod engine;
mod error;
mod guard;
mod guardrail;
mod look;
mod outside;
mod permission;
mod plan;
mod rate;
mod report;
mod resource;
mod run;
pub mod stack_file;
mod step;
mod steps;
mod store;
mod traffic;

pub use command::{Command, Ended, Listener};
pub use engine::{Engine, Resources, Reversal, Watcher, WayBack};
pub use error::{Error, Result};
pub use guardrail::{Asked, Guardrail, Objection, Occasion};
pub use look::{Round, Rounds, Shared};
pub use outside::{HttpAnswer, HttpRequest, Outside, Verdict};
pub use permission::{HookNames, LeastPolicy, Permission, Purpose, Statement, Wildcard};
pub use plan::{Phase, Plan, Planned};
pub use rate::{Limits, RateLimit};
pub use report::{
    Event, OpenRelease, Outcome, Report, ResourceStatus, Status, StepReport, StepState, chain,
};
pub use resource::{Consumer, Declaration, Messages, Resource, Source, SourceQueue};
pub use step::{Context, Effect, Inspection, Step, StepId};
#[cfg(feature = "aurora")]
pub use steps::Aurora;
#[cfg(feature = "cloudwatch")]
pub use steps::CloudWatch;
#[cfg(feature = "dynamodb")]
pub use steps::DynamoDb;
#[cfg(feature = "ecs")]
pub use steps::Ecs;
#[cfg(feature = "kinesis")]
pub use steps::Kinesis;
#[cfg(feature = "lambda")]
pub use steps::Lambda;
#[cfg(feature = "sns")]
pub use steps::Sns;
#[cfg(feature = "sqs")]
pub use steps::Sqs;
#[cfg(feature = "dynamodb-store")]
pub use store::DynamoDbStorage;
pub use store::{
    Changes, Ending, Entry, Fence, FileStorage, Holder, Journal, Lease, MemoryStorage, Moment,
    Owner, Pointer, Records, Release, StepEvent, Storage, Store, Word, storage,
};
#[cfg(feature = "ecs")]
pub use traffic::EcsTraffic;
#[cfg(feature = "codedeploy")]
pub use traffic::{CodeDeployTraffic, Serving};
pub use traffic::{Mover, Platforms, TrafficSeen};
