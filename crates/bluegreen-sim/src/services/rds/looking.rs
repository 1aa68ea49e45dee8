//! Looking at clusters, instances, snapshots and tags.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    DbCluster, DbInstance, key, no_cluster, no_instance, required, resources, wrong_value,
};
use crate::{Call, Refusal, World, call::Answer};

pub(super) fn describe_clusters(world: &World, call: &Call) -> Answer {
    let filters = filters(
        call,
        &["clone-group-id", "db-cluster-id", "db-cluster-resource-id", "domain", "engine"],
    )?;
    if let Some(name) = call.text("DBClusterIdentifier")
        && world.rds.cluster(name).is_none()
    {
        return Err(no_cluster(name));
    }
    let wanted = call.text("DBClusterIdentifier").map(key);
    let fits = |it: &DbCluster| {
        wanted.as_ref().is_none_or(|name| *name == it.name)
            && filters.iter().all(|(name, values)| match name.as_str() {
                "db-cluster-id" => values.iter().any(|value| key(value) == it.name),
                "engine" => values.contains(&it.engine),
                "db-cluster-resource-id" => values
                    .iter()
                    .any(|value| *value == format!("cluster-{}", it.name.to_ascii_uppercase())),
                _ => false,
            })
    };
    let found = world.rds.clusters().filter(|it| fits(it));
    page(call, "DBClusters", found.map(|it| (it.name.as_str(), it)), |it| it.shown(world))
}

pub(super) fn describe_instances(world: &World, call: &Call) -> Answer {
    let filters =
        filters(call, &["db-cluster-id", "db-instance-id", "dbi-resource-id", "domain", "engine"])?;
    if let Some(name) = call.text("DBInstanceIdentifier")
        && world.rds.instance(name).is_none()
    {
        return Err(no_instance(name));
    }
    let wanted = call.text("DBInstanceIdentifier").map(key);
    let fits = |it: &DbInstance| {
        wanted.as_ref().is_none_or(|name| *name == it.name)
            && filters.iter().all(|(name, values)| match name.as_str() {
                "db-cluster-id" => values.iter().any(|value| key(value) == it.cluster),
                "db-instance-id" => values.iter().any(|value| key(value) == it.name),
                "engine" => values.contains(&it.engine),
                "dbi-resource-id" => values
                    .iter()
                    .any(|value| *value == format!("db-{}", it.name.to_ascii_uppercase())),
                _ => false,
            })
    };
    let found = world.rds.instances.values().filter(|it| fits(it));
    page(call, "DBInstances", found.map(|it| (it.name.as_str(), it)), |it| it.told(world, false))
}

pub(super) fn describe_snapshots(world: &World, call: &Call) -> Answer {
    let wanted = call.text("DBClusterSnapshotIdentifier").map(key);
    if let Some(name) = wanted.as_ref().filter(|it| !world.rds.snapshots.contains_key(*it)) {
        let message = format!("DBClusterSnapshot {name} not found.");
        return Err(Refusal::new(404, "DBClusterSnapshotNotFoundFault", message));
    }
    let cluster = call.text("DBClusterIdentifier").map(key);
    let found = world.rds.snapshots().filter(|it| {
        wanted.as_ref().is_none_or(|name| *name == it.name)
            && cluster.as_ref().is_none_or(|name| *name == it.cluster)
    });
    page(call, "DBClusterSnapshots", found.map(|it| (it.name.as_str(), it)), |it| it.told(world))
}

pub(super) fn list_tags(world: &World, call: &Call) -> Answer {
    let arn = required(call, "ResourceName")?;
    if call.parameters.get("Filters").is_some() {
        return Err(wrong_value("Filters are not supported."));
    }
    Ok(json!({ "TagList": resources::tag_list(tags(world, arn)?) }))
}

/// Returns the tags of a cluster or an instance; snapshots have none.
pub(super) fn tags<'w>(
    world: &'w World,
    arn: &str,
) -> Result<&'w BTreeMap<String, String>, Refusal> {
    match kind(arn)? {
        "cluster" => world.rds.cluster(arn).map(|it| &it.tags).ok_or_else(|| no_cluster(arn)),
        _ => world.rds.instance(arn).map(|it| &it.tags).ok_or_else(|| no_instance(arn)),
    }
}

/// Returns what an ARN is of: `cluster` or `db`.
pub(super) fn kind(arn: &str) -> Result<&str, Refusal> {
    let kind = arn.split(':').nth(5).filter(|_| arn.starts_with("arn:"));
    kind.filter(|it| ["cluster", "db"].contains(it)).ok_or_else(|| {
        wrong_value(format!(
            "Invalid resource name: {arn}. It must be the ARN of a cluster or an instance."
        ))
    })
}

/// Reads filters: each a name with its values.
fn filters(call: &Call, known: &[&str]) -> Result<Vec<(String, Vec<String>)>, Refusal> {
    let list = call.parameters.get("Filters").and_then(Value::as_array);
    let read = |it: &Value| {
        let name = it.get("Name").and_then(Value::as_str).unwrap_or_default();
        if !known.contains(&name) {
            return Err(wrong_value(format!("Unrecognized filter name: {name}")));
        }
        let values = it.get("Values").and_then(Value::as_array).into_iter().flatten();
        let values = values.filter_map(|it| it.as_str().map(str::to_owned));
        Ok((name.to_owned(), values.collect()))
    };
    list.into_iter().flatten().map(read).collect()
}

/// Returns a page of what was found, which comes in the order of its names.
fn page<'w, T>(
    call: &Call,
    list: &str,
    found: impl Iterator<Item = (&'w str, T)>,
    told: impl Fn(T) -> Value,
) -> Answer {
    // §1.2: 20 to 100, and 100 unless told.
    let size = match call.parameters.get("MaxRecords") {
        None => 100,
        Some(_) => call
            .number("MaxRecords")
            .and_then(|it| usize::try_from(it).ok())
            .filter(|it| (20..=100).contains(it))
            .ok_or_else(|| {
                wrong_value("Invalid value for max records. Must be between 20 and 100")
            })?,
    };
    let after = call.text("Marker").unwrap_or_default();
    let mut rest = found.filter(|(name, _)| *name > after).peekable();
    let (mut items, mut last) = (Vec::new(), "");
    while items.len() < size
        && let Some((name, it)) = rest.next()
    {
        items.push(told(it));
        last = name;
    }
    let mut answer = Map::from_iter([(list.to_owned(), Value::Array(items))]);
    if rest.peek().is_some() {
        answer.insert("Marker".to_owned(), last.into());
    }
    Ok(Value::Object(answer))
}
