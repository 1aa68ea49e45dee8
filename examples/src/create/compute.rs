//! Services, and functions with their mappings and rules.

use anyhow::{Context, Result};
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace, SuspendedState};
use aws_sdk_ecs::types::ContainerDefinition;
use aws_sdk_eventbridge::types::{RuleState, Target};
use aws_sdk_lambda::{
    primitives::Blob,
    types::{EventSourcePosition, FunctionCode, Runtime},
};
use futures::try_join;

use super::all;
use crate::{
    clients::Clients,
    shop::{self, Rule, Stack},
};

/// A zip archive with nothing in it: nothing ever runs.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Builds the services; those of stack b run no tasks.
pub(super) async fn services(clients: &Clients) -> Result<()> {
    let ecs = &clients.services;
    ecs.create_cluster().cluster_name(shop::CLUSTER).send().await.context("creating a cluster")?;
    let container = ContainerDefinition::builder().name("shop").image("shop").memory(128).build();
    let definition = ecs.register_task_definition().family("shop").container_definitions(container);
    definition.send().await.context("registering a task definition")?;

    let both = Stack::BOTH.into_iter();
    all(both.flat_map(|stack| shop::SERVICES.map(|it| service(clients, it, stack)))).await?;
    Ok(())
}

async fn service(
    clients: &Clients,
    (pair, tasks, scales): (&str, i32, bool),
    stack: Stack,
) -> Result<()> {
    let name = shop::of(pair, stack);
    let ecs = &clients.services;
    let create = ecs.create_service().cluster(shop::CLUSTER).service_name(&name);
    let create = create.task_definition("shop").desired_count(0).send().await;
    create.with_context(|| format!("creating the service `{name}`"))?;
    // The emulator starts tasks when the count changes, not when the service is created.
    if stack == Stack::A {
        let update = ecs.update_service().cluster(shop::CLUSTER).service(&name);
        let update = update.desired_count(tasks).send().await;
        update.with_context(|| format!("starting the service `{name}`"))?;
    }
    if scales {
        // Scheduled scaling was suspended by a person; a standby is suspended altogether.
        let suspended = SuspendedState::builder()
            .dynamic_scaling_in_suspended(stack == Stack::B)
            .dynamic_scaling_out_suspended(stack == Stack::B)
            .scheduled_scaling_suspended(true)
            .build();
        clients
            .scaling
            .register_scalable_target()
            .service_namespace(ServiceNamespace::Ecs)
            .resource_id(format!("service/{}/{name}", shop::CLUSTER))
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .min_capacity(2)
            .max_capacity(8)
            .suspended_state(suspended)
            .send()
            .await
            .with_context(|| format!("letting `{name}` scale"))?;
    }
    Ok(())
}

/// Builds the functions with their alias, mappings and rules; those of stack b are off.
pub(super) async fn functions(clients: &Clients) -> Result<()> {
    let bus = clients.rules.create_event_bus().name(shop::BUS);
    bus.send().await.context("creating an event bus")?;
    let both = Stack::BOTH.into_iter();
    all(both.flat_map(|stack| shop::FUNCTIONS.map(|it| function(clients, it, stack)))).await?;
    Ok(())
}

async fn function(clients: &Clients, pair: &'static str, stack: Stack) -> Result<()> {
    let name = shop::of(pair, stack);
    let lambda = &clients.functions;
    let function = lambda
        .create_function()
        .function_name(&name)
        .runtime(Runtime::Nodejs22x)
        .handler("index.handler")
        .role("arn:aws:iam::123456789012:role/shop")
        .code(FunctionCode::builder().zip_file(Blob::new(EMPTY_ZIP)).build())
        .timeout(3)
        .send()
        .await
        .with_context(|| format!("creating the function `{name}`"))?;
    let version = lambda.publish_version().function_name(&name).send().await;
    let version = version.with_context(|| format!("publishing a version of `{name}`"))?;
    let alias = lambda
        .create_alias()
        .function_name(&name)
        .name(shop::ALIAS)
        .set_function_version(version.version)
        .send()
        .await
        .with_context(|| format!("creating the alias of `{name}`"))?;

    let alias = alias.alias_arn.context("an alias without an ARN")?;
    let function = function.function_arn.context("a function without an ARN")?;
    let sources = shop::sources(pair, stack);
    let mappings = all(sources.iter().map(|it| mapping(clients, &name, it, stack)));
    let rules = shop::RULES.into_iter().filter(|it| it.function == pair);
    let rules =
        all(rules.map(|it| rule(clients, it, stack, if it.alias { &alias } else { &function })));
    let managed = async {
        match pair {
            "ingest" => managed_rule(clients, stack, &alias).await,
            _ => Ok(()),
        }
    };
    try_join!(mappings, rules, managed)?;
    Ok(())
}

async fn mapping(clients: &Clients, function: &str, source: &str, stack: Stack) -> Result<()> {
    let stopped = source == shop::queue_arn(&shop::stopped_queue(stack));
    let mut create = clients
        .functions
        .create_event_source_mapping()
        .function_name(format!("{function}:{}", shop::ALIAS))
        .event_source_arn(source)
        .enabled(stack == Stack::A && !stopped);
    if source == shop::stream_arn() {
        create = create.starting_position(EventSourcePosition::Latest);
    }
    create.send().await.with_context(|| format!("mapping `{source}` to `{function}`"))?;
    Ok(())
}

async fn rule(clients: &Clients, rule: Rule, stack: Stack, target: &str) -> Result<()> {
    let name = format!("{}-{}", shop::of(rule.function, stack), rule.name);
    let on = stack == Stack::A && !rule.stopped;
    let state = if on { RuleState::Enabled } else { RuleState::Disabled };
    let put = clients.rules.put_rule().name(&name).state(state);
    let (put, bus) = match rule.schedule {
        Some(it) => (put.schedule_expression(it), "default"),
        None => (put.event_pattern(r#"{"source":["shop"]}"#), shop::BUS),
    };
    let put = put.event_bus_name(bus).send().await;
    put.with_context(|| format!("creating the rule `{name}`"))?;
    add_target(clients, &name, bus, target).await
}

/// Builds a rule that a service of AWS manages, as archives do; it starts the function too.
async fn managed_rule(clients: &Clients, stack: Stack, target: &str) -> Result<()> {
    let bus = clients.rules.describe_event_bus().name(shop::BUS).send().await;
    let bus = bus.context("looking for the event bus")?;
    let name = shop::of("ingest", stack);
    let archive = clients.rules.create_archive().archive_name(&name);
    let archive = archive.set_event_source_arn(bus.arn).send().await;
    archive.with_context(|| format!("creating the archive `{name}`"))?;
    add_target(clients, &format!("Events-Archive-{name}"), shop::BUS, target).await
}

async fn add_target(clients: &Clients, rule: &str, bus: &str, target: &str) -> Result<()> {
    let target = Target::builder().id("function").arn(target).build()?;
    let put = clients.rules.put_targets().rule(rule).event_bus_name(bus).targets(target);
    put.send().await.with_context(|| format!("giving the rule `{rule}` its target"))?;
    Ok(())
}
