//! [`SqsToolkit`], the SQS calls that a deployment needs, and what they answer.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bluegreen_core::{Result, StackReference};

/// The SQS calls that a deployment needs.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait SqsToolkit: fmt::Debug + Send + Sync {
    /// Throws away every message in the queues of `stack`: waiting, delayed and in flight.
    ///
    /// The queues are purged side by side, and one that fails does not keep the other from being
    /// purged. A purge goes on eating messages for up to 60 s, and SQS takes only one per queue in
    /// that time: a queue that answers so is reported as [`Purge::AlreadyUnderWay`], since what
    /// was sent after that other purge began is still there. A stack without a dead-letter queue
    /// has none to purge.
    ///
    /// Calls `sqs:GetQueueUrl` (once per queue and toolkit) and `sqs:PurgeQueue`.
    async fn purge_queues(&self, stack: StackReference, which: Queues) -> Vec<QueuePurge>;

    /// Counts the messages of one queue of `stack`.
    ///
    /// SQS counts approximately: the figures settle about a minute after the last message was
    /// sent, so a queue is empty only when they have been 0 for several minutes.
    ///
    /// Calls `sqs:GetQueueUrl` (once per queue and toolkit) and `sqs:GetQueueAttributes`.
    ///
    /// # Errors
    ///
    /// `NotFound` for a queue that does not exist or was not configured, `Incomplete` when a count is
    /// missing from the answer: it must not read as an empty queue.
    async fn depth(&self, stack: StackReference, queue: Queue) -> Result<QueueDepth>;

    /// Returns how one queue of `stack` is set up.
    ///
    /// Calls `sqs:GetQueueUrl` (once per queue and toolkit) and `sqs:GetQueueAttributes`.
    ///
    /// # Errors
    ///
    /// `NotFound` as with [`depth`](Self::depth), `Incomplete` when the ARN or the timeout is missing from
    /// the answer.
    async fn settings(&self, stack: StackReference, queue: Queue) -> Result<QueueSettings>;

    /// Returns how old, in seconds, the oldest message of one queue of `stack` was in the newest minute that
    /// CloudWatch has kept of the five before `now`: the maximum of `ApproximateAgeOfOldestMessage`.
    ///
    /// `None` when it has kept none, which is not 0: figures come one to three minutes late, and there are
    /// none of a queue that nobody has used for some hours. Whether the queue exists is not looked at.
    ///
    /// Calls `cloudwatch:GetMetricData`.
    ///
    /// # Errors
    ///
    /// `NotFound` for a dead-letter queue that was not configured, `Incomplete` when AWS answers with
    /// anything but a complete result.
    async fn oldest_message_age(
        &self,
        stack: StackReference,
        queue: Queue,
        now: SystemTime,
    ) -> Result<Option<Datapoint>>;
}

/// One of the queues of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// The queue that the consumers read.
    Main,
    /// The queue for messages that no consumer could handle.
    DeadLetters,
}

/// Which of the queues of a stack a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queues {
    /// The main queue alone.
    Main,
    /// The dead-letter queue alone.
    DeadLetters,
    /// The main queue, and the dead-letter queue where there is one.
    Both,
}

/// What became of the purge of one queue.
#[derive(Debug)]
pub struct QueuePurge {
    /// Which queue of the stack it is.
    pub queue: Queue,
    /// The queue's name.
    pub name: String,
    /// What SQS answered.
    pub outcome: Result<Purge>,
}

/// What SQS answered to a purge that it did not refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// The purge has begun; it is over after 60 s.
    Started,
    /// The queue was purged less than 60 s ago by somebody; ask again later.
    AlreadyUnderWay,
}

/// How a queue is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Its ARN.
    pub arn: String,
    /// How long a received message is kept from other receivers, 0 s to 12 h.
    pub visibility_timeout: Duration,
    /// The JSON text that says where messages go that were received too often, and how often that is;
    /// `None` when they go nowhere.
    pub redrive_policy: Option<String>,
}

/// One value of a metric: what one minute amounts to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Datapoint {
    /// When the minute began.
    pub at: SystemTime,
    /// The value, in the metric's unit.
    pub value: f64,
}

/// How many messages a queue holds, approximately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Messages that a consumer can receive.
    pub waiting: u64,
    /// Messages that a consumer has received and not yet deleted.
    pub in_flight: u64,
    /// Messages that cannot be received yet.
    pub delayed: u64,
}

impl QueueDepth {
    /// Counts all messages.
    pub fn total(&self) -> u64 {
        self.waiting.saturating_add(self.in_flight).saturating_add(self.delayed)
    }

    /// Returns whether all three counts are 0.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }
}
