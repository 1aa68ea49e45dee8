//! [`LambdaToolkit`], the Lambda, EventBridge and CloudWatch calls that a deployment needs.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bluegreen_core::{Change, Result, Selection, StackReference, Switched};

mod traffic;
mod types;

pub use traffic::LambdaTrafficToolkit;
#[cfg(any(test, feature = "test-util"))]
pub use traffic::MockLambdaTrafficToolkit;
pub use types::*;

/// The Lambda, EventBridge and CloudWatch calls that a deployment needs.
///
/// Where an alias is configured, "the function" is the alias and the bare function: mappings and rules
/// on either count, those on another alias or version do not.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait LambdaToolkit: fmt::Debug + Send + Sync {
    /// Returns the function of `stack`.
    ///
    /// Calls `lambda:GetFunction`, and with an alias `lambda:GetAlias`.
    ///
    /// # Errors
    ///
    /// `NotFound` when function or alias does not exist.
    async fn function(&self, stack: StackReference) -> Result<Function>;

    /// Lists the event source mappings of the function of `stack`, to the last page, sorted by UUID.
    ///
    /// Calls `lambda:GetFunction`, `lambda:GetAlias` (once per function and toolkit) and, for each page of
    /// a hundred, `lambda:ListEventSourceMappings`: with an alias, function and alias are listed each.
    /// AWS allows 15 calls a second together.
    ///
    /// # Errors
    ///
    /// `NotFound` without function or alias, `Incomplete` when an answer lacks its list.
    async fn list_event_source_mappings(
        &self,
        stack: StackReference,
    ) -> Result<Vec<EventSourceMapping>>;

    /// Makes a mapping from an event source to the function of `stack` (to its alias, where one is
    /// configured).
    ///
    /// One that exists already is returned as it is: AWS names it in its refusal.
    ///
    /// Calls `lambda:CreateEventSourceMapping`, where it exists `lambda:GetEventSourceMapping`, and what
    /// [`function`](Self::function) calls (once per function and toolkit).
    ///
    /// # Errors
    ///
    /// A refusal because the function's role is not ready (AWS spreads a new one within minutes) is
    /// transient.
    async fn create_event_source_mapping(
        &self,
        stack: StackReference,
        mapping: NewMapping,
    ) -> Result<EventSourceMapping>;

    /// Deletes a mapping. One that is missing is [`Change::AlreadySo`], one that AWS is at work on is
    /// [`Change::NotYet`].
    ///
    /// To pause a consumer, disable the mapping: deleting it loses its place in a stream.
    ///
    /// Calls `lambda:DeleteEventSourceMapping`.
    async fn delete_event_mapping(&self, uuid: &str) -> Result<Change>;

    /// Switches mappings of the function of `stack` on; only those that are not yet so are touched.
    ///
    /// `Selection::All` lists them first; with `Only` nothing is listed. One that AWS is at work on is
    /// named as busy and does not keep the others from being switched.
    ///
    /// Calls `lambda:UpdateEventSourceMapping` for each, and with `All` what
    /// [`list_event_source_mappings`](Self::list_event_source_mappings) calls.
    ///
    /// # Errors
    ///
    /// `NothingFound` when `All` finds no mapping. The others are tried even when one fails.
    async fn enable_event_mapping(
        &self,
        stack: StackReference,
        mappings: Selection<EventSourceMapping>,
    ) -> Result<Switched>;

    /// Switches mappings of the function of `stack` off; otherwise like
    /// [`enable_event_mapping`](Self::enable_event_mapping).
    ///
    /// A disabled mapping is not drained: batches already handed to the function go on until its
    /// timeout.
    async fn disable_event_mapping(
        &self,
        stack: StackReference,
        mappings: Selection<EventSourceMapping>,
    ) -> Result<Switched>;

    /// Lists the EventBridge rules that target the function of `stack`, on every event bus and to the
    /// last page, sorted by bus and name.
    ///
    /// Calls `events:ListEventBuses`, `events:ListRuleNamesByTarget` and `events:DescribeRule`, and
    /// what [`function`](Self::function) calls (once per function and toolkit; the event buses are
    /// listed once per toolkit too). Schedules of EventBridge Scheduler are not rules and are not found.
    ///
    /// # Errors
    ///
    /// `NotFound` without function or alias, `Incomplete` when an answer lacks its list. It is transient
    /// that the listing took longer than AWS keeps the token of its next page.
    async fn rules(&self, stack: StackReference) -> Result<Vec<Rule>>;

    /// Switches rules that target the function of `stack` on; only those that are not yet so are
    /// touched, and those that an AWS service manages are left alone.
    ///
    /// `Selection::All` lists them first; with `Only` nothing is listed.
    ///
    /// Calls `events:EnableRule`, and with `All` what [`rules`](Self::rules) calls.
    ///
    /// # Errors
    ///
    /// `NothingFound` when `All` finds no rule. The others are tried even when one fails.
    async fn enable_rule(&self, stack: StackReference, rules: Selection<Rule>) -> Result<Switched>;

    /// Switches rules that target the function of `stack` off, with `events:DisableRule`; otherwise
    /// like [`enable_rule`](Self::enable_rule).
    ///
    /// A rule in the state `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS` comes back as a plain
    /// `ENABLED` when it is switched on again: AWS's `EnableRule` knows no other state.
    async fn disable_rule(&self, stack: StackReference, rules: Selection<Rule>)
    -> Result<Switched>;

    /// Returns an alias of the function of `stack`.
    ///
    /// Calls `lambda:GetAlias`.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such alias.
    async fn alias(&self, stack: StackReference, name: &str) -> Result<Alias>;

    /// Returns the version that runs: the one the alias points to, or `$LATEST` without an alias.
    ///
    /// Calls `lambda:GetAlias` or `lambda:GetFunction`.
    async fn version(&self, stack: StackReference) -> Result<String>;

    /// Returns the newest value of each of the function's metrics in the five minutes before `now`. A
    /// metric without data is not in the map: absent is not 0.
    ///
    /// A metric counts when its invocation has ended and appears one to three minutes later.
    ///
    /// Calls `cloudwatch:GetMetricData`.
    async fn latest_metrics(
        &self,
        stack: StackReference,
        now: SystemTime,
    ) -> Result<BTreeMap<Metric, Datapoint>>;

    /// Runs the function of `stack` (its alias, where one is configured) with a JSON `payload` and waits for
    /// its answer, for up to `timeout`. It is tried once: the function might run twice otherwise.
    ///
    /// Calls `lambda:InvokeFunction`.
    ///
    /// # Errors
    ///
    /// `OutcomeUnknown` when no answer came within `timeout`: the function may go on. A function that
    /// fails is not an error here, see [`Invocation::function_error`].
    async fn invoke(
        &self,
        stack: StackReference,
        payload: String,
        timeout: Duration,
    ) -> Result<Invocation>;
}
