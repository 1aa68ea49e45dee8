//! [`AwsCloudWatchToolkit`], the SDK behind [`CloudWatchToolkit`].

use std::time::SystemTime;

use async_trait::async_trait;
use aws_sdk_cloudwatch::{
    Client,
    operation::describe_alarms::builders::DescribeAlarmsFluentBuilder,
    primitives::DateTime,
    types::{self, AlarmType, MetricDataQuery, MetricStat, ScanBy, StateValue, StatusCode},
};
use aws_types::SdkConfig;
use bluegreen_core::{
    Arn, ConfigProblem, Error, LazyClient, Result, Selection, StackReference, Switched,
    ensure_valid,
};

use crate::{Alarm, AlarmKind, AlarmState, CloudWatchConfig, CloudWatchToolkit, Datapoint, Metric};

const DESCRIBE: &str = "cloudwatch:DescribeAlarms";
const ENABLE: &str = "cloudwatch:EnableAlarmActions";
const DISABLE: &str = "cloudwatch:DisableAlarmActions";
const GET_DATA: &str = "cloudwatch:GetMetricData";

/// The most alarms that AWS lists on a page or switches in a call.
const MOST_ALARMS: usize = 100;

/// The id of the one query of [`CloudWatchToolkit::latest`]; AWS wants a lower-case letter first.
const QUERY: &str = "latest";

/// Answers [`CloudWatchToolkit`] from AWS.
#[derive(Clone, Debug)]
pub struct AwsCloudWatchToolkit {
    client: LazyClient<Client>,
    /// What tells the alarms of the stacks apart; none where alarms are only looked at by their names.
    config: Option<CloudWatchConfig>,
}

impl AwsCloudWatchToolkit {
    /// Makes a toolkit for the account and region that `sdk` points at.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] when `config` cannot be used; nothing is sent to AWS.
    pub fn new(sdk: &SdkConfig, config: CloudWatchConfig) -> Result<Self> {
        Self::from_client(LazyClient::new(sdk, Client::new), config)
    }

    /// Makes a toolkit over a client that the caller has built.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn from_client(
        client: impl Into<LazyClient<Client>>,
        config: CloudWatchConfig,
    ) -> Result<Self> {
        ensure_valid(&config)?;
        Ok(Self { client: client.into(), config: Some(config) })
    }

    /// Makes a toolkit that looks at alarms by their [names](CloudWatchToolkit::alarms_named) and at metrics, for
    /// the account and region that `sdk` points at. No alarm is of either stack for it, so it finds and
    /// switches none.
    pub fn for_names(sdk: &SdkConfig) -> Self {
        Self { client: LazyClient::new(sdk, Client::new), config: None }
    }

    /// Asks for metric and composite alarms, 100 on a page.
    fn describe(&self) -> DescribeAlarmsFluentBuilder {
        self.client
            .describe_alarms()
            // AWS lists metric alarms only when no type is asked for.
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .max_records(MOST_ALARMS as i32)
    }

    /// Reads all pages that `request` asks for.
    async fn listed(&self, request: DescribeAlarmsFluentBuilder) -> Result<Vec<Alarm>> {
        let mut pages = request.into_paginator().send();
        let mut alarms = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|err| Error::aws(DESCRIBE, err))?;
            if page.metric_alarms.is_none() && page.composite_alarms.is_none() {
                return Err(Error::Incomplete { operation: DESCRIBE, missing: "a list of alarms" });
            }
            for alarm in page.metric_alarms() {
                alarms.push(metric_alarm(alarm)?);
            }
            for alarm in page.composite_alarms() {
                alarms.push(composite_alarm(alarm)?);
            }
        }
        Ok(alarms)
    }

    fn owns(&self, stack: StackReference, name: &str) -> bool {
        self.config.as_ref().is_some_and(|it| it.owns(stack, name))
    }

    async fn switch(
        &self,
        stack: StackReference,
        alarms: Selection<Alarm>,
        enabled: bool,
    ) -> Result<Switched> {
        let alarms = match alarms {
            Selection::Only(alarms) => alarms,
            Selection::All => {
                let found = self.alarms(stack).await?;
                if found.is_empty() {
                    return Err(self.nothing_found(stack));
                }
                found
            }
        };

        let mut switched = Switched::default();
        for alarm in alarms {
            if alarm.scales || !self.owns(stack, &alarm.name) {
                tracing::warn!(
                    %stack,
                    alarm = alarm.name,
                    scales = alarm.scales,
                    "leaving an alarm alone that scales or is not of this stack"
                );
                switched.left_alone.push(alarm.name);
            } else if alarm.actions_enabled == enabled {
                switched.already_so.push(alarm.name);
            } else {
                switched.changed.push(alarm.name);
            }
        }

        for names in switched.changed.chunks(MOST_ALARMS) {
            let names = Some(names.to_vec());
            if enabled {
                let request = self.client.enable_alarm_actions().set_alarm_names(names);
                request.send().await.map_err(|err| Error::aws(ENABLE, err))?;
            } else {
                let request = self.client.disable_alarm_actions().set_alarm_names(names);
                request.send().await.map_err(|err| Error::aws(DISABLE, err))?;
            }
        }
        Ok(switched)
    }

    fn nothing_found(&self, stack: StackReference) -> Error {
        let affixes = self.config.as_ref().map_or(("", ""), |it| it.affixes(stack));
        let what = match affixes {
            (prefix, "") => format!("alarm whose name begins with `{prefix}`"),
            (prefix, suffix) => {
                format!("alarm whose name begins with `{prefix}` and ends with `{suffix}`")
            }
        };
        Error::NothingFound { what }
    }
}

#[async_trait]
impl CloudWatchToolkit for AwsCloudWatchToolkit {
    async fn alarms(&self, stack: StackReference) -> Result<Vec<Alarm>> {
        let Some(config) = &self.config else { return Ok(Vec::new()) };
        let (prefix, _) = config.affixes(stack);
        let mut alarms = self.listed(self.describe().alarm_name_prefix(prefix)).await?;
        alarms.retain(|it| config.owns(stack, &it.name));
        alarms.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(alarms)
    }

    async fn alarms_named(&self, names: &[String]) -> Result<Vec<Alarm>> {
        let mut alarms = Vec::new();
        for names in names.chunks(MOST_ALARMS) {
            let request = self.describe().set_alarm_names(Some(names.to_vec()));
            alarms.extend(self.listed(request).await?);
        }
        alarms.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(alarms)
    }

    async fn enable_alarms_actions(
        &self,
        stack: StackReference,
        alarms: Selection<Alarm>,
    ) -> Result<Switched> {
        self.switch(stack, alarms, true).await
    }

    async fn disable_alarms_actions(
        &self,
        stack: StackReference,
        alarms: Selection<Alarm>,
    ) -> Result<Switched> {
        self.switch(stack, alarms, false).await
    }

    async fn latest(&self, metric: Metric) -> Result<Option<Datapoint>> {
        let mut pages = self
            .client
            .get_metric_data()
            .start_time(start(&metric)?)
            .end_time(metric.now.into())
            .scan_by(ScanBy::TimestampDescending)
            .metric_data_queries(query(metric)?)
            .into_paginator()
            .send();

        let incomplete = |missing| Error::Incomplete { operation: GET_DATA, missing };
        let mut is_complete = false;
        let mut newest: Option<(DateTime, f64)> = None;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|err| Error::aws(GET_DATA, err))?;
            for result in page.metric_data_results().iter().filter(|it| it.id() == Some(QUERY)) {
                // What is on a page before the last is partial; the last one says if that was all.
                is_complete = result.status_code() == Some(&StatusCode::Complete);
                if result.timestamps().len() != result.values().len() {
                    return Err(incomplete("a time for each value"));
                }
                let points = result.timestamps().iter().copied().zip(result.values().to_vec());
                newest =
                    newest.into_iter().chain(points).max_by(|(one, _), (other, _)| one.cmp(other));
            }
        }
        if !is_complete {
            return Err(incomplete("a complete result"));
        }
        newest
            .map(|(at, value)| {
                let at = SystemTime::try_from(at).map_err(|_| incomplete("the value's time"))?;
                Ok(Datapoint { at, value })
            })
            .transpose()
    }
}

fn start(metric: &Metric) -> Result<DateTime> {
    metric.now.checked_sub(metric.window).map(DateTime::from).ok_or_else(|| {
        unusable("window", "goes back to before there was time: expected a shorter one")
    })
}

fn query(metric: Metric) -> Result<MetricDataQuery> {
    let period = i32::try_from(metric.period.as_secs())
        .ok()
        .filter(|it| *it > 0 && it % 60 == 0 && metric.period.subsec_nanos() == 0)
        .ok_or_else(|| unusable("period", "expected a whole number of minutes"))?;
    let dimensions = metric
        .dimensions
        .into_iter()
        .map(|(name, value)| types::Dimension::builder().name(name).value(value).build())
        .collect();
    let stat = MetricStat::builder()
        .metric(
            types::Metric::builder()
                .namespace(metric.namespace)
                .metric_name(metric.name)
                .set_dimensions(Some(dimensions))
                .build(),
        )
        .period(period)
        .stat(metric.statistic)
        .build();
    Ok(MetricDataQuery::builder().id(QUERY).metric_stat(stat).build())
}

fn unusable(key: &str, message: &str) -> Error {
    Error::Configuration { problems: vec![ConfigProblem::new(key, message)] }
}

fn metric_alarm(alarm: &types::MetricAlarm) -> Result<Alarm> {
    let actions =
        [alarm.alarm_actions(), alarm.ok_actions(), alarm.insufficient_data_actions()].concat();
    read(
        AlarmKind::Metric,
        alarm.alarm_name(),
        alarm.state_value(),
        alarm.state_updated_timestamp(),
        alarm.state_reason(),
        alarm.actions_enabled(),
        &actions,
    )
}

fn composite_alarm(alarm: &types::CompositeAlarm) -> Result<Alarm> {
    let actions =
        [alarm.alarm_actions(), alarm.ok_actions(), alarm.insufficient_data_actions()].concat();
    read(
        AlarmKind::Composite,
        alarm.alarm_name(),
        alarm.state_value(),
        alarm.state_updated_timestamp(),
        alarm.state_reason(),
        alarm.actions_enabled(),
        &actions,
    )
}

fn read(
    kind: AlarmKind,
    name: Option<&str>,
    state: Option<&StateValue>,
    since: Option<&DateTime>,
    reason: Option<&str>,
    actions_enabled: Option<bool>,
    actions: &[String],
) -> Result<Alarm> {
    let incomplete = |missing| Error::Incomplete { operation: DESCRIBE, missing };
    Ok(Alarm {
        name: name.ok_or_else(|| incomplete("the alarm's name"))?.to_owned(),
        kind,
        state: match state.ok_or_else(|| incomplete("the alarm's state"))? {
            StateValue::Ok => AlarmState::Ok,
            StateValue::Alarm => AlarmState::Alarm,
            StateValue::InsufficientData => AlarmState::InsufficientData,
            other => AlarmState::Other(other.as_str().to_owned()),
        },
        since: since.and_then(|it| SystemTime::try_from(*it).ok()),
        reason: reason.filter(|it| !it.is_empty()).map(str::to_owned),
        actions_enabled: actions_enabled
            .ok_or_else(|| incomplete("whether the alarm's actions are enabled"))?,
        scales: actions.iter().any(|it| is_scaling_policy(it)),
    })
}

/// The policies of EC2 and of Application Auto Scaling are both named under `autoscaling`.
fn is_scaling_policy(action: &str) -> bool {
    action
        .parse::<Arn>()
        .is_ok_and(|it| it.service == "autoscaling" && it.resource.starts_with("scalingPolicy:"))
}

#[cfg(test)]
mod tests;
