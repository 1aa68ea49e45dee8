//! Deleting instances and clusters.

use super::*;

/// What a person has done to a cluster before.
type Tie = fn(&mut DbCluster);

#[test]
fn with_the_writer_deleted_a_reader_is_the_writer() {
    let mut world = world();

    done(&mut world, "DeleteDBInstance", instance("orders-a-0"));

    assert_eq!(world.rds.cluster("orders-a").unwrap().writer(), Some("orders-a-1"));
    assert_eq!(statuses(&world, "orders-a"), ["deleting", "available", "available"]);
    pass(&mut world, 3600);
    assert_eq!(world.rds.cluster("orders-a").unwrap().members(), ["orders-a-1", "orders-a-2"]);
}

#[test]
fn an_instance_that_is_being_deleted_is_not_deleted_again() {
    let mut world = world();
    done(&mut world, "DeleteDBInstance", instance("orders-a-1"));

    let (code, message) = refused(&mut world, "DeleteDBInstance", instance("orders-a-1"));
    pass(&mut world, 3600);
    let (gone, _) = refused(&mut world, "DeleteDBInstance", instance("orders-a-1"));

    assert_eq!(code, "InvalidDBInstanceState");
    assert!(message.contains("is already being deleted"), "{message}");
    assert_eq!(gone, "DBInstanceNotFound");
}

#[test]
fn an_instance_takes_no_snapshot_and_stays_while_its_cluster_is_stopped_or_it_is_changing() {
    let mut world = world();
    done(&mut world, "ModifyDBInstance", instance("orders-a-2"));
    let with_snapshot =
        json!({ "DBInstanceIdentifier": "orders-a-1", "FinalDBSnapshotIdentifier": "last" });

    let codes = [with_snapshot, instance("orders-b-1"), instance("orders-a-2")]
        .map(|it| refused(&mut world, "DeleteDBInstance", it).0);

    assert_eq!(
        codes,
        ["InvalidParameterCombination", "InvalidDBClusterStateFault", "InvalidDBInstanceState"]
    );
}

#[test]
fn the_last_instance_of_a_replicated_cluster_stays() {
    let ties: [(Tie, &str); 2] = [
        (|it| it.replication_source = Some("x".to_owned()), "of the read replica DB cluster"),
        (|it| it.read_replicas.push("x".to_owned()), "Delete the replica cluster before deleting"),
    ];

    for (tie, words) in ties {
        let mut world = world();
        tie(cluster(&mut world, "orders-a"));
        done(&mut world, "DeleteDBInstance", instance("orders-a-1"));
        done(&mut world, "DeleteDBInstance", instance("orders-a-2"));

        let (code, message) = refused(&mut world, "DeleteDBInstance", instance("orders-a-0"));

        assert_eq!(code, "InvalidDBClusterStateFault");
        assert!(message.contains(words), "{message}");
    }
}

fn skipping(cluster: &str) -> Value {
    json!({ "DBClusterIdentifier": cluster, "SkipFinalSnapshot": "true" })
}

pub(super) fn keeping(cluster: &str, snapshot: &str) -> Value {
    json!({ "DBClusterIdentifier": cluster, "FinalDBSnapshotIdentifier": snapshot })
}

#[test]
fn a_deletion_names_a_final_snapshot_or_skips_it() {
    let mut world = world();
    world.add_cluster("empty", 0, "available");
    let both = json!({
        "DBClusterIdentifier": "empty",
        "SkipFinalSnapshot": "true",
        "FinalDBSnapshotIdentifier": "last",
    });

    let neither = refused(&mut world, "DeleteDBCluster", on("empty"));
    let both = refused(&mut world, "DeleteDBCluster", both);
    let bad = ["9lives", "a--b", "a-", "a_b"]
        .map(|it| refused(&mut world, "DeleteDBCluster", keeping("empty", it)).0);

    assert_eq!([neither.0, both.0], ["InvalidParameterCombination", "InvalidParameterCombination"]);
    assert!(neither.1.contains("is required unless SkipFinalSnapshot"), "{}", neither.1);
    assert_eq!(bad, ["InvalidParameterValue"; 4]);
}

#[test]
fn a_cluster_is_deleted_once_all_its_instances_are_on_their_way() {
    let mut world = world();

    let (code, message) = refused(&mut world, "DeleteDBCluster", skipping("orders-a"));
    for name in ["orders-a-1", "orders-a-2", "orders-a-0"] {
        done(&mut world, "DeleteDBInstance", instance(name));
    }
    let answer = done(&mut world, "DeleteDBCluster", keeping("orders-a", "last"));
    let again = refused(&mut world, "DeleteDBCluster", skipping("orders-a")).0;
    pass(&mut world, 3600);

    assert_eq!(code, "InvalidDBClusterStateFault");
    assert!(message.contains("still contains DB instances in non-deleting state"), "{message}");
    assert_eq!(answer["DBCluster"]["Status"], "deleting");
    assert_eq!(again, "InvalidDBClusterStateFault");
    assert!(world.rds.cluster("orders-a").is_none());
    assert_eq!(world.rds.instances.keys().filter(|it| it.starts_with("orders-a")).count(), 0);
    let snapshots = json!({ "DBClusterSnapshotIdentifier": "Last" });
    let snapshots = done(&mut world, "DescribeDBClusterSnapshots", snapshots);
    assert_eq!(snapshots["DBClusterSnapshots"][0]["Status"], "available");
    assert_eq!(world.rds.interruptions("orders-a").count(), 4);
}

#[test]
fn a_cluster_is_gone_no_earlier_than_its_last_instance() {
    let mut settings = Settings::default();
    settings.times.cluster_delete = Range::seconds(10, 10);
    settings.times.instance_delete = Range::seconds(60, 60);
    let mut world = World::new(&settings);
    world.add_cluster("orders-a", 0, "available");
    done(&mut world, "DeleteDBInstance", instance("orders-a-0"));
    done(&mut world, "DeleteDBCluster", skipping("orders-a"));

    pass(&mut world, 59);
    let meanwhile = world.rds.cluster("orders-a").is_some();
    pass(&mut world, 1);

    assert!(meanwhile && world.rds.cluster("orders-a").is_none());
}

/// A world with the running cluster `bare`, which has no instance.
fn bare() -> World {
    let mut world = world();
    world.add_cluster("bare", 0, "available");
    done(&mut world, "DeleteDBInstance", instance("bare-0"));
    pass(&mut world, 3600);
    world
}

#[test]
fn a_cluster_that_is_protected_global_or_stopped_is_not_deleted() {
    let cases: [(Tie, &str, &str); 3] = [
        (
            |it| it.set_deletion_protection(true),
            "InvalidParameterCombination",
            "disable deletion pro",
        ),
        (
            |it| it.global_cluster = Some("world".to_owned()),
            "InvalidDBClusterStateFault",
            "cluster is a part of a global cluster",
        ),
        (
            |it| it.status = settled("stopped".to_owned()),
            "InvalidDBClusterStateFault",
            "is not currently in the available state",
        ),
    ];

    for (change, expected, words) in cases {
        let mut world = bare();
        change(cluster(&mut world, "bare"));

        let (code, message) = refused(&mut world, "DeleteDBCluster", skipping("bare"));

        assert_eq!(code, expected);
        assert!(message.contains(words), "{message}");
        assert!(world.rds.cluster("bare").is_some());
    }
}

#[test]
fn a_snapshot_whose_name_is_taken_or_that_is_one_too_many_is_refused() {
    let mut world = bare();
    done(&mut world, "DeleteDBCluster", keeping("bare", "last"));
    world.add_cluster("other", 0, "available");
    done(&mut world, "DeleteDBInstance", instance("other-0"));

    let taken = refused(&mut world, "DeleteDBCluster", keeping("other", "LAST")).0;
    let snapshot = world.rds.snapshots["last"].clone();
    for number in 0..99 {
        world.rds.snapshots.insert(format!("s{number}"), snapshot.clone());
    }
    let full = refused(&mut world, "DeleteDBCluster", keeping("other", "another")).0;

    assert_eq!([taken, full], ["DBClusterSnapshotAlreadyExistsFault", "SnapshotQuotaExceeded"]);
    assert_eq!(status(&world, "other"), "available");
}

#[test]
fn a_missing_snapshot_is_refused_by_name() {
    let snapshot = json!({ "DBClusterSnapshotIdentifier": "nothing" });

    let refusal = ask(&mut world(), "DescribeDBClusterSnapshots", snapshot).unwrap_err();

    assert_eq!((refusal.status, refusal.code.as_str()), (404, "DBClusterSnapshotNotFoundFault"));
}
