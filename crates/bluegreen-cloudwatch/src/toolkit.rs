//! [`CloudWatchToolkit`], the CloudWatch calls that a deployment needs, and what they answer.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bluegreen_core::{Result, Selection, StackReference, Switched};

/// The CloudWatch calls that a deployment needs.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait CloudWatchToolkit: fmt::Debug + Send + Sync {
    /// Lists the metric and composite alarms of `stack`, sorted by name: those with the configured
    /// prefix and suffix.
    ///
    /// Calls `cloudwatch:DescribeAlarms`, one page of 100 after the other (AWS allows 9 calls a second).
    ///
    /// # Errors
    ///
    /// `Incomplete` when an alarm comes without its name, its state, or whether its actions are enabled.
    async fn alarms(&self, stack: StackReference) -> Result<Vec<Alarm>>;

    /// Returns the metric and composite alarms with these names, of whichever stack, sorted by name. One that
    /// is not there is left out.
    ///
    /// Calls `cloudwatch:DescribeAlarms`, once for every 100 names.
    ///
    /// # Errors
    ///
    /// Those of [`alarms`](Self::alarms).
    async fn alarms_named(&self, names: &[String]) -> Result<Vec<Alarm>>;

    /// Switches the actions of alarms on, at most 100 names a call.
    ///
    /// `Selection::All` lists them first and switches those that are off; with `Only` nothing is listed.
    /// Alarms with scaling actions are left alone: an alarm that scales must go on doing so. So are
    /// alarms among `Only` that are not of `stack`.
    /// Enabling an alarm that is firing pages nobody, since actions run when the state changes.
    ///
    /// Calls `cloudwatch:EnableAlarmActions` (AWS allows 3 calls a second, enabling and disabling
    /// together) and with `All` `cloudwatch:DescribeAlarms`.
    ///
    /// # Errors
    ///
    /// `NothingFound` when `All` finds no alarm. When one of several calls fails, those before it
    /// have taken effect: repeat the whole.
    async fn enable_alarms_actions(
        &self,
        stack: StackReference,
        alarms: Selection<Alarm>,
    ) -> Result<Switched>;

    /// Switches the actions of alarms off; otherwise like
    /// [`enable_alarms_actions`](Self::enable_alarms_actions), with `cloudwatch:DisableAlarmActions`.
    async fn disable_alarms_actions(
        &self,
        stack: StackReference,
        alarms: Selection<Alarm>,
    ) -> Result<Switched>;

    /// Returns the newest value of a metric within its window; `None` when there is none, which is
    /// not the same as 0.
    ///
    /// Calls `cloudwatch:GetMetricData`.
    ///
    /// # Errors
    ///
    /// `Configuration` for a period that is no whole number of minutes, and `Incomplete` when AWS
    /// answers with anything but a complete result.
    async fn latest(&self, metric: Metric) -> Result<Option<Datapoint>>;
}

/// An alarm as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// What kind it is.
    pub kind: AlarmKind,
    /// What it says.
    pub state: AlarmState,
    /// Since when it says so; `None` when AWS does not say.
    pub since: Option<SystemTime>,
    /// Why it says so, in AWS's words; `None` when AWS does not say.
    pub reason: Option<String>,
    /// Whether its actions are switched on.
    pub actions_enabled: bool,
    /// Whether one of its actions is a scaling policy.
    pub scales: bool,
}

/// The kinds of alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmKind {
    /// It watches a metric.
    Metric,
    /// It watches other alarms.
    Composite,
}

/// What an alarm says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlarmState {
    /// All is well.
    Ok,
    /// It is firing.
    Alarm,
    /// There is too little data.
    InsufficientData,
    /// A state that this version does not know, in AWS's word.
    Other(String),
}

/// A metric to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its namespace, such as `AWS/RDS`.
    pub namespace: String,
    /// Its name, such as `DatabaseConnections`.
    pub name: String,
    /// Its dimensions, name and value; they must be exactly those under which it is kept.
    pub dimensions: Vec<(String, String)>,
    /// The statistic: `Maximum`, `Sum`, `Average`, ..
    pub statistic: String,
    /// How much time one value stands for, in whole minutes.
    pub period: Duration,
    /// How far back to look from `now`.
    pub window: Duration,
    /// The time of day.
    pub now: SystemTime,
}

/// One value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Datapoint {
    /// When the time that it stands for began.
    pub at: SystemTime,
    /// The value, in the metric's own unit.
    pub value: f64,
}
