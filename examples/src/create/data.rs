//! Database clusters, tables, and the stream with its consumers.

use anyhow::{Context, Result};
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};

use super::all;
use crate::{
    clients::Clients,
    shop::{self, Stack},
};

/// Builds a cluster of a writer and readers for each stack; that of stack b is stopped.
pub(super) async fn clusters(clients: &Clients) -> Result<()> {
    all(Stack::BOTH.map(|stack| cluster(clients, stack))).await?;
    Ok(())
}

async fn cluster(clients: &Clients, stack: Stack) -> Result<()> {
    let name = shop::of("orders", stack);
    clients
        .databases
        .create_db_cluster()
        .db_cluster_identifier(&name)
        .engine("aurora-postgresql")
        .master_username("shop")
        .master_user_password("only-in-an-emulator")
        .send()
        .await
        .with_context(|| format!("creating the cluster `{name}`"))?;
    // One after the other: the first becomes the writer.
    for number in 0..=shop::READERS {
        clients
            .databases
            .create_db_instance()
            .db_cluster_identifier(&name)
            .db_instance_identifier(format!("{name}-{number}"))
            .db_instance_class("db.r6g.large")
            .engine("aurora-postgresql")
            .send()
            .await
            .with_context(|| format!("creating an instance of `{name}`"))?;
    }
    clients
        .scaling
        .register_scalable_target()
        .service_namespace(ServiceNamespace::Rds)
        .resource_id(format!("cluster:{name}"))
        .scalable_dimension(ScalableDimension::RdsClusterReadReplicaCount)
        .min_capacity(shop::READER_LIMITS.0)
        .max_capacity(shop::READER_LIMITS.1)
        .send()
        .await
        .with_context(|| format!("letting the readers of `{name}` scale"))?;
    if stack == Stack::B {
        let stop = clients.databases.stop_db_cluster().db_cluster_identifier(&name);
        stop.send().await.with_context(|| format!("stopping `{name}`"))?;
    }
    Ok(())
}

/// Builds a table for each stack.
pub(super) async fn tables(clients: &Clients) -> Result<()> {
    all(Stack::BOTH.map(|stack| table(clients, shop::of("sessions", stack)))).await?;
    Ok(())
}

async fn table(clients: &Clients, name: String) -> Result<()> {
    let key = AttributeDefinition::builder()
        .attribute_name("id")
        .attribute_type(ScalarAttributeType::S)
        .build()?;
    let schema =
        KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build()?;
    clients
        .tables
        .create_table()
        .table_name(&name)
        .attribute_definitions(key)
        .key_schema(schema)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .with_context(|| format!("creating the table `{name}`"))?;
    Ok(())
}

/// Builds the stream, with a consumer for stack a only.
pub(super) async fn stream(clients: &Clients) -> Result<()> {
    let streams = &clients.streams;
    let create = streams.create_stream().stream_name(shop::STREAM).shard_count(1);
    create.send().await.context("creating the stream")?;
    let register = streams.register_stream_consumer().stream_arn(shop::stream_arn());
    let name = shop::of(shop::STREAM, Stack::A);
    register.consumer_name(name).send().await.context("registering a consumer")?;
    Ok(())
}
