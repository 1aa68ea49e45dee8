//! Looks at database clusters, tables and stream consumers.

use anyhow::{Context, Result};
use aws_sdk_applicationautoscaling::types::ServiceNamespace;
use futures::try_join;

use super::Row;
use crate::{
    clients::Clients,
    shop::{self, Stack},
};

/// Looks at the clusters: state, readers, and the limits of their scaling.
pub(super) async fn clusters(clients: &Clients) -> Result<Vec<Row>> {
    let (a, b) = try_join!(cluster(clients, Stack::A), cluster(clients, Stack::B))?;
    let names = ["cluster", "readers", "reader limits"];
    let rows = names.into_iter().zip(a.into_iter().zip(b));
    Ok(rows.map(|(what, (a, b))| Row::new(format!("aurora.orders {what}"), [a, b])).collect())
}

async fn cluster(clients: &Clients, stack: Stack) -> Result<[String; 3]> {
    let name = shop::of("orders", stack);
    let answer = clients.databases.describe_db_clusters().db_cluster_identifier(&name);
    let answer = answer.send().await.with_context(|| format!("looking at `{name}`"))?;
    let cluster = answer.db_clusters().first().context("a cluster that was not answered")?;
    let readers = cluster.db_cluster_members().iter();
    let readers = readers.filter(|it| it.is_cluster_writer() == Some(false)).count();

    let targets = clients.scaling.describe_scalable_targets();
    let targets = targets.service_namespace(ServiceNamespace::Rds);
    let targets = targets.resource_ids(format!("cluster:{name}")).send().await;
    let targets = targets.with_context(|| format!("looking at the limits of `{name}`"))?;
    let limits = targets.scalable_targets().first();
    let limits = limits.map(|it| format!("{} to {}", it.min_capacity(), it.max_capacity()));
    Ok([
        cluster.status().unwrap_or("?").to_owned(),
        readers.to_string(),
        limits.unwrap_or("none".to_owned()),
    ])
}

/// Looks at the tables.
pub(super) async fn tables(clients: &Clients) -> Result<Vec<Row>> {
    let (a, b) = try_join!(table(clients, Stack::A), table(clients, Stack::B))?;
    Ok(vec![Row::new("dynamodb.sessions table", [a, b])])
}

async fn table(clients: &Clients, stack: Stack) -> Result<String> {
    let name = shop::of("sessions", stack);
    let answer = clients.tables.describe_table().table_name(&name).send().await;
    let answer = answer.with_context(|| format!("looking at the table `{name}`"))?;
    let status = answer.table().and_then(|it| it.table_status());
    Ok(status.map_or("?", |it| it.as_str()).to_lowercase())
}

/// Looks at the consumers of the stream.
pub(super) async fn consumers(clients: &Clients) -> Result<Vec<Row>> {
    let list = clients.streams.list_stream_consumers().stream_arn(shop::stream_arn());
    let list = list.send().await.context("looking at the consumers of the stream")?;
    let states = Stack::BOTH.map(|stack| {
        let name = shop::of(shop::STREAM, stack);
        let consumer = list.consumers().iter().find(|it| it.consumer_name() == name);
        consumer.map_or("none", |it| it.consumer_status().as_str()).to_lowercase()
    });
    Ok(vec![Row::new("kinesis.clicks consumer", states)])
}
