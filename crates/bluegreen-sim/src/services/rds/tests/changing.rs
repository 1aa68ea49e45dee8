//! Creating, changing and tagging.

use super::*;

#[test]
fn clusters_and_instances_are_made_and_the_first_is_the_writer() {
    let mut world = world();
    let new = |name: &str| {
        json!({
            "DBInstanceIdentifier": name,
            "DBClusterIdentifier": "new",
            "DBInstanceClass": "db.r6g.large",
            "Engine": "aurora-mysql",
            "Tags": [{ "Key": "team", "Value": "shop" }],
        })
    };
    let create = json!({ "DBClusterIdentifier": "New", "Engine": "aurora-mysql" });

    let made = done(&mut world, "CreateDBCluster", create.clone());
    let again = refused(&mut world, "CreateDBCluster", create).0;
    done(&mut world, "CreateDBInstance", new("new-0"));
    done(&mut world, "CreateDBInstance", new("new-1"));
    let twice = refused(&mut world, "CreateDBInstance", new("new-1")).0;
    let creating = statuses(&world, "new");
    pass(&mut world, 3600);

    assert_eq!(made["DBCluster"]["Status"], "creating");
    assert_eq!([again, twice], ["DBClusterAlreadyExistsFault", "DBInstanceAlreadyExists"]);
    assert_eq!(creating, ["creating"; 2]);
    assert_eq!(status(&world, "new"), "available");
    assert_eq!(statuses(&world, "new"), ["available"; 2]);
    assert_eq!(world.rds.cluster("new").unwrap().writer(), Some("new-0"));
    assert_eq!(world.rds.instance("new-1").unwrap().tags["team"], "shop");
}

#[test]
fn a_stopped_cluster_is_neither_changed_nor_given_an_instance() {
    let mut world = world();
    let protect = json!({ "DBClusterIdentifier": "orders-b", "DeletionProtection": "true" });
    let create = json!({ "DBClusterIdentifier": "orders-b", "DBInstanceIdentifier": "orders-b-3" });

    let modify = refused(&mut world, "ModifyDBCluster", protect).0;
    let create = refused(&mut world, "CreateDBInstance", create).0;

    assert_eq!([modify, create], ["InvalidDBClusterStateFault", "InvalidDBClusterStateFault"]);
}

#[test]
fn protection_is_switched() {
    let mut world = world();
    let protect = json!({ "DBClusterIdentifier": "orders-a", "DeletionProtection": "true" });

    done(&mut world, "ModifyDBCluster", protect);

    assert!(world.rds.cluster("orders-a").unwrap().deletion_protection());
    assert_eq!(status(&world, "orders-a"), "available");
    pass(&mut world, 3);
    let seen = done(&mut world, "DescribeDBClusters", on("orders-a"));
    assert_eq!(seen["DBClusters"][0]["DeletionProtection"], true);
}

#[test]
fn serverless_capacity_has_both_limits_at_first_and_steps_and_bounds() {
    let mut world = world();
    let set = |limits: Value| json!({ "DBClusterIdentifier": "orders-a", "ServerlessV2ScalingConfiguration": limits });

    let one = refused(&mut world, "ModifyDBCluster", set(json!({ "MinCapacity": "1" }))).0;
    let bad = [("0.3", "2"), ("2", "1"), ("0", "0.5"), ("1", "300")].map(|(least, most)| {
        let limits = json!({ "MinCapacity": least, "MaxCapacity": most });
        refused(&mut world, "ModifyDBCluster", set(limits)).0
    });
    let limits = json!({ "MinCapacity": "0.5", "MaxCapacity": "8" });
    let answer = done(&mut world, "ModifyDBCluster", set(limits));
    pass(&mut world, 120);
    done(&mut world, "ModifyDBCluster", set(json!({ "MinCapacity": "2" })));

    assert_eq!(one, "InvalidParameterCombination");
    assert_eq!(bad, ["InvalidParameterValue"; 4]);
    assert_eq!(answer["DBCluster"]["Status"], "modifying");
    let kept = ServerlessCapacity { least: 2.0, most: 8.0, pause: None };
    assert_eq!(world.rds.cluster("orders-a").unwrap().serverless, Some(kept));
}

#[test]
fn performance_insights_come_on_with_the_instance_available_again() {
    let mut world = world();
    let switch =
        json!({ "DBInstanceIdentifier": "orders-a-1", "EnablePerformanceInsights": "true" });
    let seen = |world: &mut World| {
        let answer = done(world, "DescribeDBInstances", instance("orders-a-1"));
        answer["DBInstances"][0]["PerformanceInsightsEnabled"] == true
    };

    done(&mut world, "ModifyDBInstance", switch.clone());
    let at_once = seen(&mut world);
    let busy = refused(&mut world, "ModifyDBInstance", switch).0;
    pass(&mut world, 120);

    assert!(!at_once && seen(&mut world));
    assert_eq!(busy, "InvalidDBInstanceState");
    assert_eq!(statuses(&world, "orders-a"), ["available"; 3]);
}

#[test]
fn performance_insights_of_a_cluster_are_not_its_instances_to_switch() {
    let mut world = world();
    let advanced = |retention: &str| {
        json!({
            "DBClusterIdentifier": "orders-a",
            "EnablePerformanceInsights": "true",
            "DatabaseInsightsMode": "advanced",
            "PerformanceInsightsRetentionPeriod": retention,
        })
    };
    let off = json!({ "DBInstanceIdentifier": "orders-a-1", "EnablePerformanceInsights": "false" });

    let short = refused(&mut world, "ModifyDBCluster", advanced("7")).0;
    done(&mut world, "ModifyDBCluster", advanced("465"));
    pass(&mut world, 120);
    let instance = refused(&mut world, "ModifyDBInstance", off).0;

    assert_eq!([short, instance], ["InvalidParameterCombination", "InvalidParameterCombination"]);
    assert!(world.rds.instances_of("orders-a").all(DbInstance::performance_insights));
}

#[test]
fn small_instances_of_mysql_and_odd_retentions_have_no_performance_insights() {
    let mut world = world();
    let small = world.rds.instances.get_mut("orders-a-1").unwrap();
    (small.engine, small.class) = ("aurora-mysql".to_owned(), "db.t3.medium".to_owned());
    let on = json!({ "DBInstanceIdentifier": "orders-a-1", "EnablePerformanceInsights": "true" });
    let odd = json!({
        "DBInstanceIdentifier": "orders-a-2",
        "EnablePerformanceInsights": "true",
        "PerformanceInsightsRetentionPeriod": "8",
    });

    let codes = [on, odd].map(|it| refused(&mut world, "ModifyDBInstance", it).0);

    assert_eq!(codes, ["InvalidParameterCombination", "InvalidParameterValue"]);
}

#[test]
fn tags_are_added_by_arn_and_the_same_key_overwrites() {
    let mut world = world();
    let arn = world.arn("rds", "db:orders-a-1");
    let add =
        |value: &str| json!({ "ResourceName": arn, "Tags": [{ "Key": "team", "Value": value }] });

    done(&mut world, "AddTagsToResource", add("shop"));
    done(&mut world, "AddTagsToResource", add("bank"));
    let listed = done(&mut world, "ListTagsForResource", json!({ "ResourceName": arn }));
    done(&mut world, "DeleteDBInstance", instance("orders-a-1"));
    let deleting = refused(&mut world, "AddTagsToResource", add("shop")).0;
    let no_arn =
        refused(&mut world, "ListTagsForResource", json!({ "ResourceName": "orders-a" })).0;

    assert_eq!(listed["TagList"], json!([{ "Key": "team", "Value": "bank" }]));
    assert_eq!([deleting, no_arn], ["InvalidDBInstanceState", "InvalidParameterValue"]);
}
