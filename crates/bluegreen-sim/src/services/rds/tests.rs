//! What RDS does and refuses, rule by rule.

mod changing;
mod deleting;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    Range, Settings, Times,
    services::{self, testing},
};

/// The running cluster `orders-a` and the stopped `orders-b`, each of a writer and two readers.
fn world() -> World {
    let mut world = World::new(&Settings::default());
    world.add_cluster("orders-a", 2, "available");
    world.add_cluster("orders-b", 2, "stopped");
    world
}

fn call(operation: &str, parameters: Value) -> Call {
    testing::call("rds", operation, parameters)
}

fn ask(world: &mut World, operation: &str, parameters: Value) -> Answer {
    services::answer(world, &call(operation, parameters))
}

#[track_caller]
fn done(world: &mut World, operation: &str, parameters: Value) -> Value {
    ask(world, operation, parameters).unwrap()
}

#[track_caller]
fn refused(world: &mut World, operation: &str, parameters: Value) -> (String, String) {
    let refusal = ask(world, operation, parameters).unwrap_err();
    (refusal.code, refusal.message)
}

fn on(cluster: &str) -> Value {
    json!({ "DBClusterIdentifier": cluster })
}

fn instance(name: &str) -> Value {
    json!({ "DBInstanceIdentifier": name })
}

fn pass(world: &mut World, seconds: u64) {
    world.advance(world.now() + Duration::from_secs(seconds));
}

fn status(world: &World, cluster: &str) -> String {
    world.rds.cluster(cluster).unwrap().status().to_owned()
}

fn statuses(world: &World, cluster: &str) -> Vec<String> {
    world.rds.instances_of(cluster).map(|it| it.status().to_owned()).collect()
}

fn cluster<'w>(world: &'w mut World, name: &str) -> &'w mut DbCluster {
    world.rds.cluster_mut(name).unwrap()
}

#[test]
fn a_cluster_is_found_by_its_name_in_any_case_and_by_its_arn() {
    let mut world = world();
    let arn = world.arn("rds", "cluster:orders-a");

    let answers = ["Orders-A", &arn].map(|it| done(&mut world, "DescribeDBClusters", on(it)));

    for answer in answers {
        let cluster = &answer["DBClusters"][0];
        assert_eq!(cluster["DBClusterArn"], arn.as_str());
        assert_eq!(cluster["DeletionProtection"], false);
        assert_eq!(cluster["EngineMode"], "provisioned");
        let members = cluster["DBClusterMembers"].as_array().unwrap();
        let writers: Vec<_> = members.iter().map(|it| it["IsClusterWriter"] == true).collect();
        assert_eq!(writers, [true, false, false]);
        assert!(members.iter().all(|it| it.get("DBInstanceStatus").is_none()));
    }
}

#[test]
fn what_is_missing_is_refused_by_name_and_left_out_by_filter() {
    let mut world = world();
    let filter = json!({ "Filters": [{ "Name": "db-cluster-id", "Values": ["nobody"] }] });

    let cluster = ask(&mut world, "DescribeDBClusters", on("nobody")).unwrap_err();
    let instance = ask(&mut world, "DescribeDBInstances", instance("nobody")).unwrap_err();
    let filtered = done(&mut world, "DescribeDBClusters", filter);

    assert_eq!((cluster.status, cluster.code.as_str()), (404, "DBClusterNotFoundFault"));
    assert_eq!((instance.status, instance.code.as_str()), (404, "DBInstanceNotFound"));
    assert_eq!(filtered["DBClusters"], json!([]));
}

#[test]
fn instances_come_in_pages_of_the_cluster_that_the_filter_names() {
    let mut world = world();
    world.add_cluster("big", 24, "available");
    let filter = json!([{ "Name": "db-cluster-id", "Values": ["BIG"] }]);

    let first = json!({ "Filters": filter, "MaxRecords": "20" });
    let first = done(&mut world, "DescribeDBInstances", first);
    let second = json!({ "Filters": filter, "MaxRecords": "20", "Marker": first["Marker"] });
    let second = done(&mut world, "DescribeDBInstances", second);
    let (code, _) = refused(&mut world, "DescribeDBInstances", json!({ "MaxRecords": "19" }));

    let count = |it: &Value| it["DBInstances"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&second)), (20, 5));
    assert!(second.get("Marker").is_none());
    assert_eq!(code, "InvalidParameterValue");
}

#[test]
fn a_filter_that_aws_does_not_know_is_refused() {
    let filter = json!({ "Filters": [{ "Name": "name", "Values": ["orders-a"] }] });

    let (code, message) = refused(&mut world(), "DescribeDBClusters", filter);

    assert_eq!(code, "InvalidParameterValue");
    assert!(message.contains("name"), "{message}");
}

#[test]
fn only_a_stopped_cluster_is_started_and_it_takes_its_time() {
    let mut world = world();

    let answer = done(&mut world, "StartDBCluster", on("orders-b"));
    let again = refused(&mut world, "StartDBCluster", on("orders-b")).0;
    let running = refused(&mut world, "StartDBCluster", on("orders-a")).0;
    pass(&mut world, 290);
    let meanwhile = status(&world, "orders-b");
    pass(&mut world, 3600);

    assert_eq!(answer["DBCluster"]["Status"], "starting");
    assert_eq!([again, running], ["InvalidDBClusterStateFault", "InvalidDBClusterStateFault"]);
    assert_ne!(meanwhile, "available");
    assert_eq!(status(&world, "orders-b"), "available");
    assert_eq!(statuses(&world, "orders-b"), ["available"; 3]);
}

#[test]
fn the_writer_is_ready_with_the_cluster_and_the_readers_later_each_by_itself() {
    let mut settings = Settings::default();
    settings.times.cluster_start = Range::seconds(600, 600);
    settings.times.instance_lag = Range::seconds(20, 180);
    let mut world = World::new(&settings);
    world.add_cluster("orders-b", 2, "stopped");
    done(&mut world, "StartDBCluster", on("orders-b"));

    pass(&mut world, 610);
    let soon = statuses(&world, "orders-b");
    let mut counts = std::collections::BTreeSet::new();
    for _ in 0..180 {
        pass(&mut world, 1);
        counts.insert(statuses(&world, "orders-b").iter().filter(|it| *it == "available").count());
    }

    assert_eq!(soon, ["available", "starting", "starting"]);
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_read_may_show_for_a_while_what_was_there_before() {
    let mut settings = Settings::default();
    settings.times.stale = Range::seconds(3, 3);
    let mut world = World::new(&settings);
    world.add_cluster("orders-a", 0, "available");
    let seen = |world: &mut World| {
        done(world, "DescribeDBClusters", on("orders-a"))["DBClusters"][0]["Status"].clone()
    };

    done(&mut world, "StopDBCluster", on("orders-a"));
    let at_once = seen(&mut world);
    pass(&mut world, 3);
    let later = seen(&mut world);

    assert_eq!([at_once, later], ["available", "stopping"]);
}

#[test]
fn a_stop_needs_an_available_cluster_whose_members_all_are() {
    let mut world = world();
    done(&mut world, "ModifyDBInstance", instance("orders-a-1"));

    let changing = refused(&mut world, "StopDBCluster", on("orders-a")).0;
    pass(&mut world, 120);
    done(&mut world, "StopDBCluster", on("orders-a"));
    let stopping = refused(&mut world, "StopDBCluster", on("orders-a")).0;
    pass(&mut world, 3600);
    let stopped = refused(&mut world, "StopDBCluster", on("orders-a")).0;

    assert_eq!(changing, "InvalidDBInstanceState");
    assert_eq!([stopping, stopped], ["InvalidDBClusterStateFault", "InvalidDBClusterStateFault"]);
    assert_eq!(statuses(&world, "orders-a"), ["stopped"; 3]);
    let interruptions: Vec<_> =
        world.rds.interruptions("orders-a").map(|it| it.operation).collect();
    assert_eq!(interruptions, ["StopDBCluster"]);
}

#[test]
fn a_cluster_that_is_tied_to_others_or_serverless_cannot_be_stopped() {
    let ties: [fn(&mut DbCluster); 4] = [
        |it| it.global_cluster = Some("world".to_owned()),
        |it| it.replication_source = Some("elsewhere".to_owned()),
        |it| it.read_replicas.push("elsewhere".to_owned()),
        |it| it.engine_mode = "serverless".to_owned(),
    ];

    for tie in ties {
        let mut world = world();
        tie(cluster(&mut world, "orders-a"));

        let (code, message) = refused(&mut world, "StopDBCluster", on("orders-a"));

        assert_eq!(code, "InvalidDBClusterStateFault");
        assert!(message.contains("cannot be stopped"), "{message}");
        assert_eq!(status(&world, "orders-a"), "available");
    }
}

#[test]
fn a_cluster_without_its_key_is_not_started() {
    let mut world = world();
    cluster(&mut world, "orders-b").key_is_accessible = false;

    let (code, _) = refused(&mut world, "StartDBCluster", on("orders-b"));

    assert_eq!(code, "KMSKeyNotAccessibleFault");
}

#[test]
fn a_cluster_that_was_stopped_for_seven_days_starts_by_itself() {
    let mut world = world();
    let told = done(&mut world, "DescribeDBClusters", on("orders-b"));
    let week = 7 * 24 * 3600;

    pass(&mut world, week - 1);
    let before = status(&world, "orders-b");
    pass(&mut world, 1);

    let restart = &told["DBClusters"][0]["AutomaticRestartTime"];
    let start = world.seconds_at(Duration::ZERO);
    assert_eq!(restart, &crate::call::time(start + week as f64));
    assert_eq!((before.as_str(), &*status(&world, "orders-b")), ("stopped", "starting"));
    let running = done(&mut world, "DescribeDBClusters", on("orders-a"));
    assert!(running["DBClusters"][0]["AutomaticRestartTime"].is_null());
}

#[test]
fn a_start_ends_the_count_of_the_seven_days() {
    let mut world = world();
    done(&mut world, "StartDBCluster", on("orders-b"));
    let running = world.rds.cluster("orders-b").unwrap().restarts_at();
    pass(&mut world, 3600);
    done(&mut world, "StopDBCluster", on("orders-b"));

    pass(&mut world, 7 * 24 * 3600 - 3600);

    assert_eq!(running, None);
    assert_eq!(status(&world, "orders-b"), "stopped");
}

#[test]
fn a_broken_start_is_never_left() {
    let mut world = world();
    world.breaks = true;
    done(&mut world, "StartDBCluster", on("orders-b"));
    world.breaks = false;

    pass(&mut world, 30 * 24 * 3600);

    assert!(world.rds.cluster("orders-b").unwrap().is_broken(), "{}", status(&world, "orders-b"));
}

#[test]
fn states_that_are_neither_beginning_nor_end_show_now_and_then() {
    let mut seen = std::collections::BTreeSet::new();

    for seed in 0..60 {
        let mut world = World::new(&Settings { seed, ..Settings::default() });
        world.add_cluster("orders-b", 0, "stopped");
        done(&mut world, "StartDBCluster", on("orders-b"));
        for _ in 0..400 {
            pass(&mut world, 3);
            seen.insert(status(&world, "orders-b"));
        }
        assert_eq!(status(&world, "orders-b"), "available");
    }

    let rare = ["configuring-enhanced-monitoring", "backing-up", "storage-optimization"];
    assert!(rare.iter().all(|it| seen.contains(*it)), "{seen:?}");
}

#[test]
fn a_failover_makes_a_reader_the_writer() {
    let mut world = world();

    fail_over(&mut world, "orders-a");
    let meanwhile = status(&world, "orders-a");
    pass(&mut world, 300);

    assert_eq!((meanwhile.as_str(), &*status(&world, "orders-a")), ("failing-over", "available"));
    let writer = world.rds.cluster("orders-a").unwrap().writer().unwrap();
    assert_ne!(writer, "orders-a-0");
    assert_eq!(statuses(&world, "orders-a"), ["available"; 3]);
}

#[test]
fn in_a_failover_there_may_be_no_writer_at_all() {
    let mut none = 0;

    for seed in 0..20 {
        let mut world = World::new(&Settings { seed, ..Settings::default() });
        world.add_cluster("orders-a", 1, "available");
        fail_over(&mut world, "orders-a");
        none += u32::from(world.rds.cluster("orders-a").unwrap().writer().is_none());
    }

    assert!((1..20).contains(&none), "{none}");
}

#[test]
fn a_call_concerns_its_cluster_and_a_deletion_the_snapshot_too() {
    let mut world = world();
    cluster(&mut world, "orders-a").tags.insert("team".to_owned(), "shop".to_owned());
    let of =
        |operation: &str, parameters: Value| super::concerns(&world, &call(operation, parameters));

    let start = of("StartDBCluster", on("Orders-A"));
    let list = of("DescribeDBClusters", json!({}));
    let instances = of("DescribeDBInstances", json!({}));
    let delete = of("DeleteDBCluster", deleting::keeping("orders-a", "last"));

    let arn = |name: &str| world.arn("rds", name);
    let arns = |it: Concerns| it.0.into_iter().map(|it| it.resource).collect::<Vec<_>>();
    assert_eq!(start.0[0].conditions["aws:ResourceTag/team"], ["shop"]);
    assert_eq!(arns(start), [arn("cluster:orders-a")]);
    assert_eq!(arns(list), [arn("cluster:*")]);
    assert_eq!(arns(instances), [arn("db:*")]);
    assert_eq!(arns(delete), [arn("cluster:orders-a"), arn("cluster-snapshot:last")]);
}

#[test]
fn each_resource_of_a_call_has_its_own_tags_and_a_snapshot_has_none() {
    let mut world = world();
    cluster(&mut world, "orders-a").tags.insert("team".to_owned(), "shop".to_owned());
    let instance = world.rds.instances.get_mut("orders-a-0").unwrap();
    instance.tags.insert("team".to_owned(), "bakery".to_owned());
    let of = |operation: &str, parameters: Value| {
        let concerns = super::concerns(&world, &call(operation, parameters));
        concerns.0.into_iter().map(|it| it.conditions).collect::<Vec<_>>()
    };
    let both = json!({ "DBInstanceIdentifier": "orders-a-0", "DBClusterIdentifier": "orders-a" });

    let create = of("CreateDBInstance", both);
    // The snapshot has the name of the cluster.
    let delete = of("DeleteDBCluster", deleting::keeping("orders-a", "orders-a"));

    assert_eq!(create[0]["rds:db-tag/team"], ["bakery"]);
    assert_eq!(create[0]["aws:ResourceTag/team"], ["bakery"]);
    assert_eq!(create[1]["rds:cluster-tag/team"], ["shop"]);
    assert_eq!(create[1]["aws:ResourceTag/team"], ["shop"]);
    assert_eq!(delete[0]["rds:cluster-tag/team"], ["shop"]);
    assert!(delete[1].is_empty(), "{delete:?}");
}

#[test]
fn in_an_account_without_waiting_a_cluster_stops_and_starts_at_once() {
    let mut world = World::new(&Settings { times: Times::instant(), ..Settings::default() });
    world.add_cluster("orders-a", 1, "available");

    done(&mut world, "StopDBCluster", on("orders-a"));
    pass(&mut world, 0);
    let stopped = status(&world, "orders-a");
    done(&mut world, "StartDBCluster", on("orders-a"));
    pass(&mut world, 0);

    assert_eq!((stopped.as_str(), &*status(&world, "orders-a")), ("stopped", "available"));
    assert_eq!(statuses(&world, "orders-a"), ["available"; 2]);
}
