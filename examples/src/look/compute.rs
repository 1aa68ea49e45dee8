//! Looks at services, and at functions with their mappings and rules.

use anyhow::{Context, Result};
use aws_sdk_applicationautoscaling::types::{ServiceNamespace, SuspendedState};
use aws_sdk_eventbridge::types::{Rule, RuleState};
use futures::{future::try_join_all, try_join};

use super::{Row, summary};
use crate::{
    clients::Clients,
    shop::{self, Stack},
};

/// Looks at the tasks and the scaling of the services.
pub(super) async fn services(clients: &Clients) -> Result<Vec<Row>> {
    let rows = try_join_all(shop::SERVICES.map(|(pair, ..)| async move {
        let both = try_join!(service(clients, pair, Stack::A), service(clients, pair, Stack::B))?;
        let ((tasks_a, scaling_a), (tasks_b, scaling_b)) = both;
        anyhow::Ok([
            Row::new(format!("ecs.{pair} tasks"), [tasks_a, tasks_b]),
            Row::new(format!("ecs.{pair} scaling"), [scaling_a, scaling_b]),
        ])
    }));
    Ok(rows.await?.into_iter().flatten().collect())
}

async fn service(clients: &Clients, pair: &str, stack: Stack) -> Result<(String, String)> {
    let name = shop::of(pair, stack);
    let answer = clients.services.describe_services().cluster(shop::CLUSTER).services(&name);
    let answer = answer.send().await.with_context(|| format!("looking at `{name}`"))?;
    let service = answer.services().first().context("a service that was not answered")?;
    let tasks = format!("{} of {}", service.running_count(), service.desired_count());

    let targets = clients.scaling.describe_scalable_targets();
    let targets = targets.service_namespace(ServiceNamespace::Ecs);
    let targets = targets.resource_ids(format!("service/{}/{name}", shop::CLUSTER)).send().await;
    let targets = targets.with_context(|| format!("looking at the scaling of `{name}`"))?;
    let target = targets.scalable_targets().first();
    Ok((tasks, target.map_or("none".to_owned(), |it| suspended(it.suspended_state()))))
}

fn suspended(state: Option<&SuspendedState>) -> String {
    let flag = |read: fn(&SuspendedState) -> Option<bool>| state.and_then(read) == Some(true);
    let flags = [
        ("in", flag(SuspendedState::dynamic_scaling_in_suspended)),
        ("out", flag(SuspendedState::dynamic_scaling_out_suspended)),
        ("scheduled", flag(SuspendedState::scheduled_scaling_suspended)),
    ];
    let names: Vec<_> = flags.iter().filter(|it| it.1).map(|it| it.0).collect();
    match names.len() {
        0 => "runs".to_owned(),
        3 => "suspended".to_owned(),
        _ => format!("runs, suspended: {}", names.join(", ")),
    }
}

/// Looks at the mappings and the rules of the functions.
pub(super) async fn functions(clients: &Clients) -> Result<Vec<Row>> {
    let rules = rules(clients).await?;
    let rows = try_join_all(shop::FUNCTIONS.map(|pair| async move {
        let mappings = |stack| mappings(clients, pair, stack);
        let (a, b) = try_join!(mappings(Stack::A), mappings(Stack::B))?;
        anyhow::Ok(Row::new(format!("lambda.{pair} mappings"), [a, b]))
    }));
    let mut rows = rows.await?;
    for pair in shop::FUNCTIONS {
        let states = Stack::BOTH.map(|it| rules_of(&rules, &format!("{}-", shop::of(pair, it))));
        rows.push(Row::new(format!("lambda.{pair} rules"), states));
    }
    let managed = Stack::BOTH
        .map(|it| rules_of(&rules, &format!("Events-Archive-{}", shop::of("ingest", it))));
    rows.push(Row::new("lambda.ingest managed rule", managed));
    Ok(rows)
}

async fn mappings(clients: &Clients, pair: &str, stack: Stack) -> Result<String> {
    let name = shop::of(pair, stack);
    let list = clients.functions.list_event_source_mappings().function_name(&name);
    let list = list.into_paginator().items().send();
    let mappings = list.try_collect().await;
    let mappings = mappings.with_context(|| format!("looking at the mappings of `{name}`"))?;
    Ok(summary(mappings.into_iter().map(|it| {
        let source = it.event_source_arn().unwrap_or_default();
        let source = source.rsplit([':', '/']).next().unwrap_or_default();
        (source.to_owned(), it.state() == Some("Enabled"))
    })))
}

async fn rules(clients: &Clients) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for bus in ["default", shop::BUS] {
        let mut next = None;
        loop {
            let list = clients.rules.list_rules().event_bus_name(bus).set_next_token(next);
            let list = list.send().await;
            let list = list.with_context(|| format!("looking at the rules of the bus `{bus}`"))?;
            rules.extend(list.rules.unwrap_or_default());
            next = list.next_token;
            if next.is_none() {
                break;
            }
        }
    }
    Ok(rules)
}

fn rules_of(rules: &[Rule], prefix: &str) -> String {
    let named = rules.iter().filter_map(|it| Some((it.name()?, it.state()?)));
    let own = named.filter(|(name, _)| name.starts_with(prefix));
    summary(own.map(|(name, state)| (name.to_owned(), *state != RuleState::Disabled)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(dynamic_in: bool, dynamic_out: bool, scheduled: bool) -> SuspendedState {
        SuspendedState::builder()
            .dynamic_scaling_in_suspended(dynamic_in)
            .dynamic_scaling_out_suspended(dynamic_out)
            .scheduled_scaling_suspended(scheduled)
            .build()
    }

    #[test]
    fn scaling_names_what_is_suspended_of_it() {
        assert_eq!(suspended(None), "runs");
        assert_eq!(suspended(Some(&state(false, false, false))), "runs");
        assert_eq!(suspended(Some(&state(false, true, true))), "runs, suspended: out, scheduled");
        assert_eq!(suspended(Some(&state(true, true, true))), "suspended");
    }

    #[test]
    fn rules_are_those_whose_names_begin_alike() {
        let rule = |name, state| Rule::builder().name(name).state(state).build();
        let rules = [
            rule("ingest-a-hourly", RuleState::Enabled),
            rule("ingest-a-replay", RuleState::Disabled),
            rule("ingest-b-hourly", RuleState::Disabled),
        ];

        assert_eq!(rules_of(&rules, "ingest-a-"), "1 on, off: ingest-a-replay");
    }
}
