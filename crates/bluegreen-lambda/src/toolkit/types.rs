//! What [`LambdaToolkit`](crate::LambdaToolkit) takes and answers.

use std::time::{Duration, SystemTime};

/// A function as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its ARN without a qualifier.
    pub arn: String,
    /// The ARN of the configured alias.
    pub alias_arn: Option<String>,
    /// The version that runs: the alias's, or `$LATEST`.
    pub version: String,
    /// The SHA-256 of the code of `$LATEST`, in base64; `None` when AWS does not say.
    pub code_sha256: Option<String>,
    /// How long one invocation may take, 1 s to 15 min: the setting of `$LATEST`, which a published
    /// version may differ from.
    pub timeout: Duration,
}

/// A mapping from an event source (queue, stream) to a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSourceMapping {
    /// Its id.
    pub uuid: String,
    /// The ARN of its event source; `None` for a source that has none, such as a Kafka cluster of
    /// one's own.
    pub event_source_arn: Option<String>,
    /// The ARN of the function, with the qualifier it is on.
    pub function_arn: String,
    /// How many records one invocation gets at most; `None` when AWS does not say.
    pub batch_size: Option<u32>,
    /// Its state.
    pub state: MappingState,
}

/// The state of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappingState {
    /// It reads from its source.
    Enabled,
    /// It does not read from its source.
    Disabled,
    /// It is on its way to `Enabled`.
    Enabling,
    /// It is on its way to `Disabled`.
    Disabling,
    /// It is being made, updated or deleted, or in a state that this version does not know, in AWS's
    /// word.
    Moving(String),
}

impl From<&str> for MappingState {
    /// Reads AWS's word for a state; the list of words is open.
    fn from(word: &str) -> Self {
        match word {
            "Enabled" => Self::Enabled,
            "Disabled" => Self::Disabled,
            "Enabling" => Self::Enabling,
            "Disabling" => Self::Disabling,
            _ => Self::Moving(word.to_owned()),
        }
    }
}

/// A mapping to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMapping {
    /// The ARN of the queue, stream or stream consumer.
    pub event_source_arn: String,
    /// Where in a stream to begin; queues have none.
    pub starting_position: Option<StartingPosition>,
    /// How many records one invocation gets at most; AWS's default (queues 10, streams 100) when left
    /// out.
    pub batch_size: Option<u32>,
    /// Whether it reads from its source from the beginning.
    pub enabled: bool,
}

/// Where in a stream a new mapping begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartingPosition {
    /// With the oldest record that the stream keeps.
    TrimHorizon,
    /// With the next record.
    Latest,
    /// With the first record at or after this time; not for DynamoDB streams.
    AtTimestamp(SystemTime),
}

/// An EventBridge rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Its event bus.
    pub event_bus: String,
    /// Whether it is switched on; a state that this version does not know counts as on.
    pub enabled: bool,
    /// The AWS service that manages it, such as `cloudformation.amazonaws.com`; such a rule is not ours to switch.
    pub managed_by: Option<String>,
}

impl Rule {
    /// Returns bus and name: `default/orders-a-nightly`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.event_bus, self.name)
    }
}

/// An alias of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The version it points to.
    pub version: String,
    /// The other version that gets a share of the requests, and its share from 0 to 1.
    pub additional_version: Option<(String, f64)>,
}

/// The metrics of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// The age of the oldest record of a stream when it was read, in milliseconds: the maximum.
    IteratorAge,
    /// Invocations that failed: the sum.
    Errors,
    /// Invocations that ran at the same time: the maximum.
    ConcurrentExecutions,
    /// Invocations: the sum.
    Invocations,
    /// How long invocations took, in milliseconds: the average.
    Duration,
    /// Invocations that were refused for want of concurrency: the sum.
    Throttles,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 6] = [
        Self::IteratorAge,
        Self::Errors,
        Self::ConcurrentExecutions,
        Self::Invocations,
        Self::Duration,
        Self::Throttles,
    ];

    /// Returns its name in CloudWatch's namespace `AWS/Lambda`.
    pub fn name(self) -> &'static str {
        match self {
            Self::IteratorAge => "IteratorAge",
            Self::Errors => "Errors",
            Self::ConcurrentExecutions => "ConcurrentExecutions",
            Self::Invocations => "Invocations",
            Self::Duration => "Duration",
            Self::Throttles => "Throttles",
        }
    }

    /// Returns how a minute of it is summed up: `Maximum`, `Sum` or `Average`.
    pub fn statistic(self) -> &'static str {
        match self {
            Self::IteratorAge | Self::ConcurrentExecutions => "Maximum",
            Self::Errors | Self::Invocations | Self::Throttles => "Sum",
            Self::Duration => "Average",
        }
    }
}

/// One value of a metric: what one minute amounts to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Datapoint {
    /// When the minute began.
    pub at: SystemTime,
    /// The value, in the metric's unit.
    pub value: f64,
    /// How the minute was summed up: `Maximum`, `Sum` or `Average`.
    pub statistic: &'static str,
}

/// The answer of an invoked function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The version that ran, where AWS says it.
    pub version: Option<String>,
    /// What the function returned, or the error it ended with, as JSON; empty when AWS sends nothing.
    pub payload: String,
    /// `Handled` or `Unhandled` when the function failed: AWS answers 200 all the same.
    pub function_error: Option<String>,
}
