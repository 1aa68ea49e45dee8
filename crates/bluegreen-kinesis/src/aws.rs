//! [`AwsKinesisToolkit`], the Kinesis calls made through the AWS SDK.

use std::{error, sync::Arc};

use async_trait::async_trait;
use aws_sdk_kinesis::{
    Client,
    error::SdkError,
    types::{self, ConsumerStatus as Status},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;
use bluegreen_core::{Change, Error, LazyClient, Result, StackReference, ensure_valid};
use tokio::sync::OnceCell;

use crate::{Consumer, ConsumerStatus, KinesisConfig, KinesisToolkit};

/// Answers [`KinesisToolkit`] from AWS.
#[derive(Clone, Debug)]
pub struct AwsKinesisToolkit {
    client: LazyClient<Client>,
    config: KinesisConfig,
    /// Filled when the stream has been seen.
    stream: Arc<OnceCell<()>>,
}

/// The consumers that AWS lets a stream have.
const MOST_CONSUMERS: usize = 20;

/// The consumers that AWS lets a stream have in an account with On-demand Advantage.
const MOST_WITH_ADVANTAGE: usize = 50;

/// The consumers of a stream that AWS makes at once.
const MOST_IN_THE_MAKING: usize = 5;

const NOT_FOUND: Option<&str> = Some("ResourceNotFoundException");
const IN_USE: Option<&str> = Some("ResourceInUseException");
const LIMIT: Option<&str> = Some("LimitExceededException");

impl AwsKinesisToolkit {
    /// Makes a toolkit for the account and Region that `sdk` points at.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] when [`config.check()`](bluegreen_core::ToolkitConfig::check)
    /// finds anything wrong.
    pub fn new(sdk: &SdkConfig, config: KinesisConfig) -> Result<Self> {
        Self::from_client(LazyClient::new(sdk, Client::new), config)
    }

    /// Makes a toolkit over a client that the caller has built.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_client(
        client: impl Into<LazyClient<Client>>,
        config: KinesisConfig,
    ) -> Result<Self> {
        ensure_valid(&config)?;
        Ok(Self { client: client.into(), config, stream: Arc::default() })
    }

    /// Makes sure that the stream exists, which a missing consumer does not tell.
    async fn find_stream(&self) -> Result<()> {
        let look = async || {
            let request = self.client.describe_stream_summary().stream_arn(&self.config.stream_arn);
            let answer = request.send().await;
            answer.map(drop).map_err(|err| self.failed("kinesis:DescribeStreamSummary", err))
        };
        self.stream.get_or_try_init(look).await.copied()
    }

    /// Finds out what `ResourceInUseException` meant: the consumer, or the stream it reads.
    async fn registration_in_use(&self, stack: StackReference) -> Result<Change> {
        Ok(match self.describe_consumer(stack).await? {
            Some(consumer) => registered_as(&consumer.name, &consumer.status),
            None => Change::NotYet {
                reason: format!("stream `{}` is not active", self.config.stream_arn),
            },
        })
    }

    /// Finds out what `LimitExceededException` meant: the stream's quota, or a rate.
    async fn registration_over_limit(&self, stack: StackReference) -> Result<Change> {
        const OPERATION: &str = "kinesis:ListStreamConsumers";
        let name = self.config.consumers.of(stack);
        let stream = &self.config.stream_arn;

        let (mut count, mut in_the_making) = (0, 0);
        let mut pages =
            self.client.list_stream_consumers().stream_arn(stream).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|err| self.failed(OPERATION, err))?;
            if let Some(ours) = page.consumers().iter().find(|it| it.consumer_name() == name) {
                return Ok(registered_as(name, &status(ours.consumer_status())));
            }
            count += page.consumers().len();
            let creating = |it: &&types::Consumer| *it.consumer_status() == Status::Creating;
            in_the_making += page.consumers().iter().filter(creating).count();
        }

        if count >= MOST_CONSUMERS && in_the_making < MOST_IN_THE_MAKING {
            return Err(Error::WrongState {
                resource: format!("stream `{stream}`"),
                state: format!("read by {count} consumers already"),
                expected: format!(
                    "fewer than {MOST_CONSUMERS} ({MOST_WITH_ADVANTAGE} with On-demand Advantage): \
                     remove one to make room for `{name}`"
                ),
            });
        }
        Ok(Change::NotYet {
            reason: format!("too many consumers of stream `{stream}` are being registered at once"),
        })
    }

    /// Maps the failure of a call for which only the stream can be missing.
    fn failed<E>(&self, operation: &'static str, err: SdkError<E>) -> Error
    where
        E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        if err.code() == NOT_FOUND {
            Error::NotFound { resource: format!("stream `{}`", self.config.stream_arn) }
        } else {
            Error::aws(operation, err)
        }
    }
}

#[async_trait]
impl KinesisToolkit for AwsKinesisToolkit {
    async fn register_consumer(&self, stack: StackReference) -> Result<Change> {
        let name = self.config.consumers.of(stack);
        let request = self.client.register_stream_consumer();

        let answer = request.stream_arn(&self.config.stream_arn).consumer_name(name).send().await;
        let change = match answer {
            Ok(_) => Change::Made,
            Err(err) if err.code() == IN_USE => self.registration_in_use(stack).await?,
            Err(err) if err.code() == LIMIT => self.registration_over_limit(stack).await?,
            Err(err) => return Err(self.failed("kinesis:RegisterStreamConsumer", err)),
        };

        tracing::debug!(consumer = name, ?change, "registered");
        Ok(change)
    }

    async fn describe_consumer(&self, stack: StackReference) -> Result<Option<Consumer>> {
        const OPERATION: &str = "kinesis:DescribeStreamConsumer";
        let incomplete = |missing| Error::Incomplete { operation: OPERATION, missing };
        let name = self.config.consumers.of(stack);
        let request = self.client.describe_stream_consumer();

        let answer = request.stream_arn(&self.config.stream_arn).consumer_name(name).send().await;
        let output = match answer {
            Ok(output) => output,
            Err(err) if err.code() == NOT_FOUND => {
                self.find_stream().await?;
                return Ok(None);
            }
            Err(err) => return Err(Error::aws(OPERATION, err)),
        };

        let consumer = output.consumer_description.ok_or_else(|| incomplete("the consumer"))?;
        // The SDK gives an empty text for one that is not in the answer.
        if consumer.consumer_arn.is_empty() {
            return Err(incomplete("the consumer's ARN"));
        }
        let status = status(&consumer.consumer_status);
        tracing::debug!(consumer = name, ?status, "looked");
        Ok(Some(Consumer { name: name.clone(), arn: consumer.consumer_arn, status }))
    }

    async fn deregister_consumer(&self, stack: StackReference) -> Result<Change> {
        let name = self.config.consumers.of(stack);
        let request = self.client.deregister_stream_consumer();

        let answer = request.stream_arn(&self.config.stream_arn).consumer_name(name).send().await;
        let change = match answer {
            Ok(_) => Change::Made,
            Err(err) if err.code() == NOT_FOUND => {
                self.find_stream().await?;
                Change::AlreadySo
            }
            Err(err) if err.code() == IN_USE => match self.describe_consumer(stack).await? {
                None | Some(Consumer { status: ConsumerStatus::Deleting, .. }) => Change::AlreadySo,
                Some(consumer) => being(name, &consumer.status),
            },
            Err(err) if err.code() == LIMIT => Change::NotYet {
                reason: format!("too many calls at once to remove stream consumer `{name}`"),
            },
            Err(err) => return Err(Error::aws("kinesis:DeregisterStreamConsumer", err)),
        };

        tracing::debug!(consumer = name, ?change, "deregistered");
        Ok(change)
    }
}

fn status(status: &Status) -> ConsumerStatus {
    match status {
        Status::Creating => ConsumerStatus::Creating,
        Status::Active => ConsumerStatus::Active,
        Status::Deleting => ConsumerStatus::Deleting,
        other => ConsumerStatus::Other(other.as_str().to_owned()),
    }
}

/// Says what registering a consumer that is there already comes to.
fn registered_as(name: &str, status: &ConsumerStatus) -> Change {
    match status {
        ConsumerStatus::Active | ConsumerStatus::Creating => Change::AlreadySo,
        status => being(name, status),
    }
}

fn being(name: &str, status: &ConsumerStatus) -> Change {
    let status = match status {
        ConsumerStatus::Creating => Status::Creating.as_str(),
        ConsumerStatus::Active => Status::Active.as_str(),
        ConsumerStatus::Deleting => Status::Deleting.as_str(),
        ConsumerStatus::Other(other) => other,
    };
    Change::NotYet { reason: format!("stream consumer `{name}` is `{status}`") }
}

#[cfg(test)]
mod tests;
