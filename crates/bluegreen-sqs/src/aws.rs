//! [`AwsSqsToolkit`], the SQS calls made through the AWS SDK.

mod metrics;

use std::{
    collections::HashMap,
    error,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use aws_sdk_sqs::{Client, error::SdkError, types::QueueAttributeName};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;
use bluegreen_core::{Error, LazyClient, Pair, Result, StackReference, ensure_valid};
use futures::future;
use tokio::sync::OnceCell;

use crate::{
    Datapoint, Purge, Queue, QueueDepth, QueuePurge, QueueSettings, Queues, SqsConfig, SqsToolkit,
};

const GET_ATTRIBUTES: &str = "sqs:GetQueueAttributes";

/// Answers [`SqsToolkit`] from AWS.
#[derive(Clone, Debug)]
pub struct AwsSqsToolkit {
    client: LazyClient<Client>,
    cloudwatch: LazyClient<aws_sdk_cloudwatch::Client>,
    queues: Pair<NamedQueue>,
    dead_letter_queues: Option<Pair<NamedQueue>>,
}

/// A queue, and its URL as soon as SQS has told it.
#[derive(Clone, Debug)]
struct NamedQueue {
    name: String,
    url: OnceCell<String>,
}

impl AwsSqsToolkit {
    /// Makes a toolkit for the account and Region that `sdk` points at.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] when [`config.check()`](bluegreen_core::ToolkitConfig::check)
    /// finds anything wrong.
    pub fn new(sdk: &SdkConfig, config: SqsConfig) -> Result<Self> {
        Self::from_clients(
            LazyClient::new(sdk, Client::new),
            LazyClient::new(sdk, aws_sdk_cloudwatch::Client::new),
            config,
        )
    }

    /// Makes a toolkit over clients that the caller has built.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_clients(
        sqs: impl Into<LazyClient<Client>>,
        cloudwatch: impl Into<LazyClient<aws_sdk_cloudwatch::Client>>,
        config: SqsConfig,
    ) -> Result<Self> {
        ensure_valid(&config)?;
        Ok(Self {
            client: sqs.into(),
            cloudwatch: cloudwatch.into(),
            queues: named(&config.queues),
            dead_letter_queues: config.dead_letter_queues.as_ref().map(named),
        })
    }

    fn queue(&self, stack: StackReference, queue: Queue) -> Option<&NamedQueue> {
        match queue {
            Queue::Main => Some(self.queues.of(stack)),
            Queue::DeadLetters => self.dead_letter_queues.as_ref().map(|it| it.of(stack)),
        }
    }

    /// Returns a queue, or that `stack` has no such.
    fn existing(&self, stack: StackReference, queue: Queue) -> Result<&NamedQueue> {
        self.queue(stack, queue).ok_or_else(|| Error::NotFound {
            resource: format!("dead-letter queue of stack `{stack}`"),
        })
    }

    async fn url<'a>(&self, queue: &'a NamedQueue) -> Result<&'a str> {
        const OPERATION: &str = "sqs:GetQueueUrl";
        let url = queue
            .url
            .get_or_try_init(|| async {
                let request = self.client.get_queue_url().queue_name(&queue.name);
                let output =
                    request.send().await.map_err(|err| failed(OPERATION, &queue.name, err))?;
                output
                    .queue_url
                    .filter(|it| !it.is_empty())
                    .ok_or(Error::Incomplete { operation: OPERATION, missing: "the queue's URL" })
            })
            .await?;
        Ok(url)
    }

    async fn attributes(
        &self,
        queue: &NamedQueue,
        names: &[QueueAttributeName],
    ) -> Result<HashMap<QueueAttributeName, String>> {
        let output = self
            .client
            .get_queue_attributes()
            .queue_url(self.url(queue).await?)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .map_err(|err| failed(GET_ATTRIBUTES, &queue.name, err))?;
        Ok(output.attributes.unwrap_or_default())
    }

    async fn purge(&self, queue: &NamedQueue) -> Result<Purge> {
        let url = self.url(queue).await?;
        let outcome = match self.client.purge_queue().queue_url(url).send().await {
            Ok(_) => Purge::Started,
            // AWS puts `AWS.SimpleQueueService.` before the name; what does not send the header
            // that the code is read from (emulators) gives the bare name.
            Err(err) if code_ends_with(&err, &["PurgeQueueInProgress"]) => Purge::AlreadyUnderWay,
            Err(err) => return Err(failed("sqs:PurgeQueue", &queue.name, err)),
        };
        tracing::debug!(queue = queue.name, ?outcome, "purged");
        Ok(outcome)
    }
}

#[async_trait]
impl SqsToolkit for AwsSqsToolkit {
    async fn purge_queues(&self, stack: StackReference, which: Queues) -> Vec<QueuePurge> {
        let wanted: &[Queue] = match which {
            Queues::Main => &[Queue::Main],
            Queues::DeadLetters => &[Queue::DeadLetters],
            Queues::Both => &[Queue::Main, Queue::DeadLetters],
        };
        let purges = wanted.iter().filter_map(|&it| {
            let queue = self.queue(stack, it)?;
            Some(async move {
                let outcome = self.purge(queue).await;
                QueuePurge { queue: it, name: queue.name.clone(), outcome }
            })
        });
        future::join_all(purges).await
    }

    async fn depth(&self, stack: StackReference, queue: Queue) -> Result<QueueDepth> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed,
            ApproximateNumberOfMessagesNotVisible,
        };
        let queue = self.existing(stack, queue)?;
        let names = [
            ApproximateNumberOfMessages,
            ApproximateNumberOfMessagesNotVisible,
            ApproximateNumberOfMessagesDelayed,
        ];
        let attributes = self.attributes(queue, &names).await?;

        let count = |name: QueueAttributeName, missing| {
            let count = attributes.get(&name).and_then(|it| it.parse().ok());
            count.ok_or(Error::Incomplete { operation: GET_ATTRIBUTES, missing })
        };
        let depth = QueueDepth {
            waiting: count(ApproximateNumberOfMessages, "the number of waiting messages")?,
            in_flight: count(
                ApproximateNumberOfMessagesNotVisible,
                "the number of messages in flight",
            )?,
            delayed: count(ApproximateNumberOfMessagesDelayed, "the number of delayed messages")?,
        };
        tracing::debug!(queue = queue.name, ?depth, "counted");
        Ok(depth)
    }

    async fn settings(&self, stack: StackReference, queue: Queue) -> Result<QueueSettings> {
        use QueueAttributeName::{QueueArn, RedrivePolicy, VisibilityTimeout};
        let queue = self.existing(stack, queue)?;
        let mut attributes =
            self.attributes(queue, &[QueueArn, VisibilityTimeout, RedrivePolicy]).await?;

        let incomplete = |missing| Error::Incomplete { operation: GET_ATTRIBUTES, missing };
        let timeout = attributes.get(&VisibilityTimeout).and_then(|it| it.parse().ok());
        Ok(QueueSettings {
            arn: attributes.remove(&QueueArn).ok_or_else(|| incomplete("the queue's ARN"))?,
            visibility_timeout: timeout
                .map(Duration::from_secs)
                .ok_or_else(|| incomplete("the queue's visibility timeout"))?,
            redrive_policy: attributes.remove(&RedrivePolicy).filter(|it| !it.is_empty()),
        })
    }

    async fn oldest_message_age(
        &self,
        stack: StackReference,
        queue: Queue,
        now: SystemTime,
    ) -> Result<Option<Datapoint>> {
        self.newest_age(&self.existing(stack, queue)?.name, now).await
    }
}

fn named(names: &Pair<String>) -> Pair<NamedQueue> {
    Pair::from_fn(|stack| NamedQueue { name: names.of(stack).clone(), url: OnceCell::new() })
}

fn code_ends_with(err: &impl ProvideErrorMetadata, names: &[&str]) -> bool {
    err.code().is_some_and(|code| names.iter().any(|it| code.ends_with(it)))
}

fn failed<E>(operation: &'static str, queue: &str, err: SdkError<E>) -> Error
where
    E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    if code_ends_with(&err, &["NonExistentQueue", "QueueDoesNotExist"]) {
        Error::NotFound { resource: format!("queue `{queue}`") }
    } else {
        Error::aws(operation, err)
    }
}

#[cfg(test)]
mod tests;
