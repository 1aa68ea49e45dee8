//! Creating and changing clusters and instances, and tagging them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    DbCluster, DbInstance, ServerlessCapacity, begin, begin_instance, deleting::is_identifier,
    instance_later, key, later, looking, named_cluster, named_instance, no_cluster, no_instance,
    required, running::breaking, wrong_cluster_state, wrong_combination, wrong_instance_state,
    wrong_value,
};
use crate::{Call, Refusal, World, call::Answer, services::scaling};

pub(super) fn create_cluster(world: &mut World, call: &Call) -> Answer {
    let name = new_name(call, "DBClusterIdentifier")?;
    let engine = required(call, "Engine")?;
    if world.rds.clusters.contains_key(&name) {
        return Err(Refusal::bad(
            "DBClusterAlreadyExistsFault",
            format!("DB Cluster {name} already exists"),
        ));
    }
    let serverless = serverless(call, None)?;
    let mut cluster = DbCluster::new(world, &name, engine, "creating");
    if let Some(mode) = call.text("EngineMode") {
        cluster.engine_mode = mode.to_owned();
    }
    cluster.global_cluster = call.text("GlobalClusterIdentifier").map(str::to_owned);
    cluster.replication_source = call.text("ReplicationSourceIdentifier").map(str::to_owned);
    cluster.set_deletion_protection(call.flag("DeletionProtection").unwrap_or(false));
    cluster.serverless = serverless;
    cluster.performance_insights = call.flag("EnablePerformanceInsights");
    cluster.tags = tags(call);
    world.rds.clusters.insert(name.clone(), cluster);
    let time = world.draw(world.times.modify);
    let end = breaking(world).unwrap_or("available");
    later(world, time, &name, end);
    Ok(json!({ "DBCluster": world.rds.clusters[&name].told_really(world) }))
}

pub(super) fn create_instance(world: &mut World, call: &Call) -> Answer {
    let name = new_name(call, "DBInstanceIdentifier")?;
    let cluster = named_cluster(world, call)?;
    if world.rds.instances.contains_key(&name) {
        return Err(Refusal::bad(
            "DBInstanceAlreadyExists",
            format!("DB instance {name} already exists"),
        ));
    }
    let found = &world.rds.clusters[&cluster];
    // §1.3: while it is stopped no instance is added or removed.
    if !found.is_running() && found.status() != "creating" {
        return Err(wrong_cluster_state(format!(
            "DB cluster {cluster} is {}: it cannot have another instance.",
            found.status()
        )));
    }
    if call.text("Engine").is_some_and(|it| it != found.engine) {
        return Err(wrong_combination(format!(
            "The engine name requested for your DB instance doesn't match the engine name of your DB cluster ({}).",
            found.engine
        )));
    }
    let class = call.text("DBInstanceClass").unwrap_or("db.r6g.large").to_owned();
    let tier = call.number("PromotionTier").unwrap_or(1);
    if !(0..=15).contains(&tier) {
        return Err(wrong_value("PromotionTier must be between 0 and 15."));
    }
    if call.flag("EnablePerformanceInsights") == Some(true) {
        refuse_insights(&found.engine, &class)?;
    }
    make_instance(world, &name, &cluster, |it| {
        it.class = class;
        it.tier = tier;
        it.tags = tags(call);
        if let Some(on) = call.flag("EnablePerformanceInsights") {
            it.performance_insights = super::settled(on);
        }
    });
    scaling::changed(world, &format!("cluster:{cluster}"));
    Ok(json!({ "DBInstance": world.rds.instances[&name].told(world, true) }))
}

/// Begins to make an instance of a cluster: the first is the writer.
pub(super) fn make_instance(
    world: &mut World,
    name: &str,
    cluster: &str,
    with: impl FnOnce(&mut DbInstance),
) {
    let Some(found) = world.rds.clusters.get(cluster).cloned() else { return };
    let mut instance = DbInstance::new(world, name, &found, "creating");
    with(&mut instance);
    world.rds.instances.insert(name.to_owned(), instance);
    if let Some(cluster) = world.rds.clusters.get_mut(cluster) {
        cluster.members.push(name.to_owned());
        cluster.writer.get_or_insert(name.to_owned());
    }
    let time = world.draw(world.times.instance_create);
    instance_later(world, time, name, "available");
}

pub(super) fn modify_cluster(world: &mut World, call: &Call) -> Answer {
    let name = named_cluster(world, call)?;
    let cluster = &world.rds.clusters[&name];
    // §1.3: a stopped cluster cannot be changed; nor can one that is changing.
    if cluster.status() != "available" {
        return Err(wrong_cluster_state(format!(
            "DBCluster {name} is not currently in the available state: it is {}.",
            cluster.status()
        )));
    }
    let serverless = serverless(call, cluster.serverless.as_ref())?;
    let insights = call.flag("EnablePerformanceInsights");
    let mode = call.text("DatabaseInsightsMode");
    let retention = retention(call)?;
    // §1.6: both in the same call.
    if mode == Some("advanced") && (insights != Some(true) || retention != Some(465)) {
        return Err(wrong_combination(
            "To enable the Advanced mode of Database Insights, modify your cluster to enable Performance \
             Insights and set the retention period for Performance Insights to at least 465 days",
        ));
    }

    if let Some(on) = call.flag("DeletionProtection") {
        let shown = world.stale_until();
        if let Some(cluster) = world.rds.clusters.get_mut(&name) {
            cluster.deletion_protection.set(on, shown);
        }
    }
    let changes = serverless.is_some() || insights.is_some() || mode.is_some();
    if changes || world.breaks {
        begin(world, &name, "modifying");
        let time = world.draw(world.times.modify);
        let end = breaking(world).unwrap_or("available");
        later(world, time, &name, end);
        let shown = world.now() + time;
        let Some(cluster) = world.rds.clusters.get_mut(&name) else {
            return Err(no_cluster(&name));
        };
        // §1.5: in force at once.
        cluster.serverless = serverless.or(cluster.serverless.take());
        cluster.performance_insights = insights.or(cluster.performance_insights);
        cluster.insights_mode = mode.map(str::to_owned).or(cluster.insights_mode.take());
        let members = cluster.members.clone();
        for member in members {
            if let (Some(on), Some(instance)) = (insights, world.rds.instances.get_mut(&member)) {
                instance.performance_insights.set(on, shown);
            }
        }
    }
    Ok(json!({ "DBCluster": world.rds.clusters[&name].told_really(world) }))
}

/// Reads the limits of Serverless v2, each of which keeps its value when left out; `None` is no change.
fn serverless(
    call: &Call,
    before: Option<&ServerlessCapacity>,
) -> Result<Option<ServerlessCapacity>, Refusal> {
    let Some(given) = call.parameters.get("ServerlessV2ScalingConfiguration") else {
        return Ok(None);
    };
    let number = |name: &str| {
        let value = given.get(name)?;
        value.as_f64().or_else(|| value.as_str()?.parse().ok())
    };
    let least = number("MinCapacity").or(before.map(|it| it.least));
    let most = number("MaxCapacity").or(before.map(|it| it.most));
    // §1.5: both, the first time.
    let (Some(least), Some(most)) = (least, most) else {
        return Err(wrong_combination(
            "Both MinCapacity and MaxCapacity must be specified when you initialize Serverless V2 scaling configuration",
        ));
    };
    let in_steps = |it: f64| (it * 2.0).fract() == 0.0;
    if !in_steps(least) || !in_steps(most) || !(0.0..=256.0).contains(&least) {
        return Err(wrong_value("Serverless v2 capacities lie from 0 to 256 in steps of 0.5."));
    }
    if !(1.0..=256.0).contains(&most) || most < least {
        return Err(wrong_value(
            "MaxCapacity lies from 1 to 256, and is not less than MinCapacity.",
        ));
    }
    let given = number("SecondsUntilAutoPause").map(|it| it as i64);
    if given.is_some_and(|it| !(300..=86_400).contains(&it)) {
        return Err(wrong_value("SecondsUntilAutoPause lies from 300 to 86400."));
    }
    let pause = given.or(before.and_then(|it| it.pause)).filter(|_| least == 0.0);
    Ok(Some(ServerlessCapacity { least, most, pause }))
}

pub(super) fn modify_instance(world: &mut World, call: &Call) -> Answer {
    let name = named_instance(world, call)?;
    let instance = &world.rds.instances[&name];
    let cluster = world.rds.clusters.get(&instance.cluster);
    // §1.6: it takes an available one.
    if instance.status() != "available" {
        return Err(wrong_instance_state(format!(
            "Database instance is not in available state: {name} is {}.",
            instance.status()
        )));
    }
    retention(call)?;
    let insights = call.flag("EnablePerformanceInsights");
    // §1.6: what the cluster decides on is not the instance's.
    if insights.is_some() && cluster.is_some_and(|it| it.performance_insights.is_some()) {
        return Err(wrong_combination(
            "Performance Insights of this instance are managed by its cluster: modify the cluster.",
        ));
    }
    let class = call.text("DBInstanceClass").map(str::to_owned);
    if insights == Some(true) {
        refuse_insights(&instance.engine, class.as_ref().unwrap_or(&instance.class))?;
    }
    let tier = call.number("PromotionTier");
    if tier.is_some_and(|it| !(0..=15).contains(&it)) {
        return Err(wrong_value("PromotionTier must be between 0 and 15."));
    }

    begin_instance(world, &name, "modifying");
    let time = world.draw(world.times.modify);
    let shown = world.now() + time;
    instance_later(world, time, &name, "available");
    if let Some(instance) = world.rds.instances.get_mut(&name) {
        if let Some(on) = insights {
            instance.performance_insights.set(on, shown);
        }
        instance.class = class.unwrap_or_else(|| instance.class.clone());
        instance.tier = tier.unwrap_or(instance.tier);
    }
    Ok(json!({ "DBInstance": world.rds.instances[&name].told(world, true) }))
}

/// §1.6: Performance Insights take an instance of some size.
fn refuse_insights(engine: &str, class: &str) -> Result<(), Refusal> {
    let small = ["db.t2.", "db.t3.", "db.t4g.micro", "db.t4g.small"];
    if engine == "aurora-mysql" && small.iter().any(|it| class.starts_with(it)) {
        return Err(wrong_combination(
            "Performance Insights not supported for this configuration.",
        ));
    }
    Ok(())
}

/// §1.6: a week, 1 to 23 months of 31 days, or two years; Database Insights have 465 days.
fn retention(call: &Call) -> Result<Option<i64>, Refusal> {
    let Some(days) = call.number("PerformanceInsightsRetentionPeriod") else { return Ok(None) };
    let months = days % 31 == 0 && (1..=23).contains(&(days / 31));
    if days == 7 || days == 731 || months {
        return Ok(Some(days));
    }
    Err(wrong_value(format!("Invalid Performance Insights retention period: {days}.")))
}

pub(super) fn add_tags(world: &mut World, call: &Call) -> Answer {
    let arn = required(call, "ResourceName")?;
    let kind = looking::kind(arn)?;
    let added = tags(call);
    if let Some(reserved) = added.keys().find(|it| it.starts_with("aws:")) {
        return Err(wrong_value(format!("Tag keys must not begin with aws: {reserved}.")));
    }
    let (status, tags) = if kind == "cluster" {
        let cluster = world.rds.clusters.get_mut(&key(arn)).ok_or_else(|| no_cluster(arn))?;
        (cluster.status.real(), &mut cluster.tags)
    } else {
        let instance = world.rds.instances.get_mut(&key(arn)).ok_or_else(|| no_instance(arn))?;
        (instance.status.real(), &mut instance.tags)
    };
    // §1.7: while it is being deleted it takes none.
    if status == "deleting" {
        let message = format!("{arn} is being deleted.");
        return Err(match kind {
            "cluster" => wrong_cluster_state(message),
            _ => wrong_instance_state(message),
        });
    }
    tags.extend(added);
    Ok(json!({}))
}

fn tags(call: &Call) -> BTreeMap<String, String> {
    let list = call.parameters.get("Tags").and_then(Value::as_array).into_iter().flatten();
    let text = |it: &Value, name: &str| it.get(name).and_then(Value::as_str).map(str::to_owned);
    list.filter_map(|it| Some((text(it, "Key")?, text(it, "Value").unwrap_or_default()))).collect()
}

fn new_name(call: &Call, parameter: &str) -> Result<String, Refusal> {
    let name = required(call, parameter)?;
    if !is_identifier(name, 63) {
        return Err(wrong_value(format!(
            "The parameter {parameter} is not a valid identifier: {name}."
        )));
    }
    Ok(key(name))
}
