//! [`KinesisToolkit`], the Kinesis calls that a deployment needs, and what they answer.

use std::fmt;

use async_trait::async_trait;
use bluegreen_core::{Change, Result, StackReference};

/// The Kinesis calls that a deployment needs: enhanced fan-out consumers of one stream.
///
/// A consumer's ARN holds the time at which it was registered: one that is removed and registered
/// again has another ARN, and a Lambda mapping on the old one is broken.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait KinesisToolkit: fmt::Debug + Send + Sync {
    /// Registers the consumer of `stack`, and does not wait until it is active.
    ///
    /// One that is there or being created is [`Change::AlreadySo`]; one that is being removed, or a
    /// stream that is not active, or too many registrations at once, is [`Change::NotYet`].
    ///
    /// Calls `kinesis:RegisterStreamConsumer`, and where that is refused what
    /// [`describe_consumer`](Self::describe_consumer) calls, or `kinesis:ListStreamConsumers`.
    ///
    /// # Errors
    ///
    /// `NotFound` for a missing stream. `WrongState` for one that takes no more: AWS allows 20 consumers,
    /// and 50 with On-demand Advantage, which the stream does not tell.
    async fn register_consumer(&self, stack: StackReference) -> Result<Change>;

    /// Returns the consumer of `stack`; `None` when it is not registered.
    ///
    /// Calls `kinesis:DescribeStreamConsumer`, and for one that is not registered
    /// `kinesis:DescribeStreamSummary` (once per toolkit: AWS has the same refusal for a missing stream).
    ///
    /// # Errors
    ///
    /// `NotFound` for a missing stream.
    async fn describe_consumer(&self, stack: StackReference) -> Result<Option<Consumer>>;

    /// Removes the consumer of `stack`, and does not wait until it is gone.
    ///
    /// One that is missing or on its way out is [`Change::AlreadySo`]; one that is still being made,
    /// or too many such calls at once, is [`Change::NotYet`].
    ///
    /// Calls `kinesis:DeregisterStreamConsumer`, and where that is refused what
    /// [`describe_consumer`](Self::describe_consumer) calls.
    ///
    /// # Errors
    ///
    /// `NotFound` for a missing stream.
    async fn deregister_consumer(&self, stack: StackReference) -> Result<Change>;
}

/// A stream consumer as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Its name.
    pub name: String,
    /// Its ARN, which holds the time of its registration.
    pub arn: String,
    /// Its status.
    pub status: ConsumerStatus,
}

/// The status of a stream consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumerStatus {
    /// It is being made.
    Creating,
    /// It can be read from.
    Active,
    /// It is on its way out.
    Deleting,
    /// A status that this version does not know, in AWS's word: take it as one in transition.
    Other(String),
}
