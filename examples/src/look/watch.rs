//! Looks at alarms.

use anyhow::{Context, Result};
use aws_sdk_cloudwatch::types::AlarmType;
use futures::try_join;

use super::{Row, summary};
use crate::{clients::Clients, shop::Stack};

/// Looks at the actions of the alarms.
pub(super) async fn alarms(clients: &Clients) -> Result<Vec<Row>> {
    let (a, b) = try_join!(actions(clients, Stack::A), actions(clients, Stack::B))?;
    Ok(vec![Row::new("cloudwatch.pages actions", [a, b])])
}

async fn actions(clients: &Clients, stack: Stack) -> Result<String> {
    let list = clients
        .alarms
        .describe_alarms()
        .alarm_name_prefix(format!("shop-{stack}-"))
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm)
        .into_paginator()
        .send();
    let pages: Vec<_> = list.try_collect().await.context("looking at the alarms")?;
    let metric = pages.iter().flat_map(|it| it.metric_alarms());
    let metric = metric.map(|it| (it.alarm_name(), it.actions_enabled()));
    let composite = pages.iter().flat_map(|it| it.composite_alarms());
    let composite = composite.map(|it| (it.alarm_name(), it.actions_enabled()));
    Ok(summary(
        metric
            .chain(composite)
            .map(|(name, actions)| (name.unwrap_or_default().to_owned(), actions == Some(true))),
    ))
}
