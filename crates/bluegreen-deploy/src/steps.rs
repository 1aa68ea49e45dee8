//! The steps of each service, one file each.

#[cfg(feature = "aurora")]
mod aurora;
#[cfg(any(feature = "lambda", feature = "sqs"))]
mod catch_up;
#[cfg(feature = "cloudwatch")]
mod cloudwatch;
#[cfg(any(feature = "ecs", feature = "lambda", feature = "sqs"))]
mod drain;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "ecs")]
mod ecs;
mod job;
#[cfg(feature = "kinesis")]
mod kinesis;
#[cfg(feature = "lambda")]
mod lambda;
#[cfg(any(feature = "cloudwatch", feature = "lambda"))]
mod left_off;
#[cfg(feature = "sns")]
mod sns;
#[cfg(feature = "sqs")]
mod sqs;

mod promote;
mod schema;
mod settle;
mod standby;
mod test;
#[cfg(test)]
pub(crate) mod testing;

#[cfg(feature = "aurora")]
pub use aurora::Aurora;
#[cfg(feature = "cloudwatch")]
pub use cloudwatch::CloudWatch;
#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoDb;
#[cfg(feature = "ecs")]
pub use ecs::Ecs;
#[cfg(feature = "kinesis")]
pub use kinesis::Kinesis;
#[cfg(feature = "lambda")]
pub use lambda::Lambda;
#[cfg(feature = "sns")]
pub use sns::Sns;
#[cfg(feature = "sqs")]
pub use sqs::Sqs;

#[cfg(feature = "lambda")]
pub(crate) use job::function::Invoke;
#[cfg(feature = "ecs")]
pub(crate) use job::task::OneTask;
pub(crate) use job::{Job, program::Program};
pub(crate) use promote::{Hold, MoveTraffic, SwitchActive};
pub(crate) use schema::Schema;
pub(crate) use settle::SettleTraffic;
pub(crate) use standby::Idle;
#[cfg(feature = "cloudwatch")]
pub(crate) use test::alarms::Watched;
pub(crate) use test::{Kind, Test};
