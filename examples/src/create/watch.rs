//! Alarms that watch the stacks.

use anyhow::{Context, Result};
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, Statistic};

use super::all;
use crate::{
    clients::Clients,
    shop::{self, Stack},
};

/// Builds the alarms; the actions of stack b's are off, but for the one that scales.
pub(super) async fn alarms(clients: &Clients) -> Result<()> {
    let both = Stack::BOTH.into_iter();
    let plain = both.flat_map(|stack| shop::alarms(stack).map(move |it| (it, stack)));
    all(plain.map(|(name, stack)| alarm(clients, name, stack))).await?;
    // A composite alarm is refused until those that it combines are there.
    all(Stack::BOTH.map(|stack| composite(clients, stack))).await?;
    Ok(())
}

async fn alarm(clients: &Clients, name: String, stack: Stack) -> Result<()> {
    let scales = name == shop::scaling_alarm(stack);
    let muted = name == shop::muted_alarm(stack);
    let action = match scales {
        true => "arn:aws:autoscaling:eu-west-1:123456789012:scalingPolicy:1:resource/ecs/service/shop/worker:policyName/backlog".to_owned(),
        false => shop::topic_arn("pages"),
    };
    clients
        .alarms
        .put_metric_alarm()
        .alarm_name(&name)
        .actions_enabled(scales || (stack == Stack::A && !muted))
        .alarm_actions(action)
        .namespace("AWS/SQS")
        .metric_name("ApproximateAgeOfOldestMessage")
        .dimensions(Dimension::builder().name("QueueName").value(shop::of("ingest", stack)).build())
        .statistic(Statistic::Maximum)
        .period(60)
        .evaluation_periods(3)
        .threshold(600.0)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold)
        .send()
        .await
        .with_context(|| format!("creating the alarm `{name}`"))?;
    Ok(())
}

async fn composite(clients: &Clients, stack: Stack) -> Result<()> {
    let name = shop::composite_alarm(stack);
    let watched = shop::alarms(stack).take(2).map(|it| format!("ALARM(\"{it}\")"));
    clients
        .alarms
        .put_composite_alarm()
        .alarm_name(&name)
        .actions_enabled(stack == Stack::A)
        .alarm_actions(shop::topic_arn("pages"))
        .alarm_rule(watched.collect::<Vec<_>>().join(" OR "))
        .send()
        .await
        .with_context(|| format!("creating the alarm `{name}`"))?;
    Ok(())
}
