//! What Application Auto Scaling keeps, shows and refuses, rule by rule.

use serde_json::{Value, json};

use super::*;
use crate::{
    Settings,
    services::{self, testing},
};

const RESOURCE: &str = "cluster:orders-a";

/// The running cluster `orders-a` and the stopped `orders-b`, each of a writer and a reader.
fn world() -> World {
    let mut world = World::new(&Settings::default());
    world.add_cluster("orders-a", 1, "available");
    world.add_cluster("orders-b", 1, "stopped");
    world
}

fn call(operation: &str, parameters: Value) -> Call {
    testing::call("application-autoscaling", operation, parameters)
}

fn target(resource: &str, more: Value) -> Value {
    let mut parameters = json!({
        "ServiceNamespace": "rds",
        "ResourceId": resource,
        "ScalableDimension": "rds:cluster:ReadReplicaCount",
    });
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    parameters
}

fn register(world: &mut World, resource: &str, more: Value) -> Answer {
    services::answer(world, &call("RegisterScalableTarget", target(resource, more)))
}

/// Registers the limits after a while in which nothing was registered.
#[track_caller]
fn limit(world: &mut World, least: u32, most: u32) {
    pass(world, 5);
    register(world, RESOURCE, json!({ "MinCapacity": least, "MaxCapacity": most })).unwrap();
}

#[track_caller]
fn refused(answer: Answer) -> (String, String) {
    let refusal = answer.unwrap_err();
    (refusal.code, refusal.message)
}

fn describe(world: &mut World, parameters: Value) -> Answer {
    services::answer(world, &call("DescribeScalableTargets", parameters))
}

fn seen(world: &mut World) -> Value {
    let parameters = json!({ "ServiceNamespace": "rds", "ResourceIds": [RESOURCE] });
    describe(world, parameters).unwrap()["ScalableTargets"].clone()
}

fn pass(world: &mut World, seconds: u64) {
    world.advance(world.now() + Duration::from_secs(seconds));
}

fn readers(world: &World, cluster: &str) -> u32 {
    services::rds::readers(world, cluster).unwrap().count
}

fn delete(world: &mut World, instance: &str) {
    let parameters = json!({ "DBInstanceIdentifier": instance });
    let call = testing::call("rds", "DeleteDBInstance", parameters);
    services::answer(world, &call).unwrap();
}

#[test]
fn a_target_has_both_limits_at_first_and_keeps_what_is_left_out() {
    let mut world = world();

    let (code, _) = refused(register(&mut world, RESOURCE, json!({ "MinCapacity": 1 })));
    limit(&mut world, 1, 4);
    pass(&mut world, 5);
    let suspended = json!({ "SuspendedState": { "ScheduledScalingSuspended": true } });
    register(&mut world, RESOURCE, suspended).unwrap();
    pass(&mut world, 5);
    register(&mut world, RESOURCE, json!({ "MaxCapacity": 3 })).unwrap();

    assert_eq!(code, "ValidationException");
    let expected = ScalingLimits {
        least: 1,
        most: 3,
        in_suspended: false,
        out_suspended: false,
        scheduled_suspended: true,
    };
    assert_eq!(world.scaling.target(RESOURCE).unwrap().limits(), expected);
}

#[test]
fn the_greatest_is_not_less_than_the_least_nor_more_than_aurora_has() {
    let mut world = world();

    let crossed = register(&mut world, RESOURCE, json!({ "MinCapacity": 3, "MaxCapacity": 2 }));
    let large = register(&mut world, RESOURCE, json!({ "MinCapacity": 3, "MaxCapacity": 16 }));

    let (code, message) = refused(crossed);
    assert_eq!(code, "ValidationException");
    assert_eq!(message, "Maximum capacity cannot be less than minimum capacity");
    assert_eq!(refused(large).0, "ValidationException");
}

#[test]
fn a_registration_pulls_readers_up_at_once_and_makes_them_its_own() {
    let mut world = world();

    limit(&mut world, 3, 4);

    assert_eq!(readers(&world, "orders-a"), 3);
    let made: Vec<_> = world
        .rds
        .instances_of("orders-a")
        .filter(|it| it.name.starts_with("application-autoscaling-"))
        .collect();
    assert_eq!(made.len(), 2);
    for reader in made {
        assert_eq!(reader.tags["application-autoscaling:resourceId"], "cluster:orders-a");
        assert_eq!((reader.tier, reader.status()), (15, "creating"));
        assert!(!reader.performance_insights());
    }
}

#[test]
fn a_stopped_cluster_is_left_as_it_is_even_when_it_runs_again() {
    let mut world = world();
    let limits = json!({ "MinCapacity": 3, "MaxCapacity": 4 });

    register(&mut world, "cluster:orders-b", limits.clone()).unwrap();
    let stopped = readers(&world, "orders-b");
    services::rds::restart(&mut world, "orders-b");
    pass(&mut world, 3600);
    let started = readers(&world, "orders-b");
    register(&mut world, "cluster:orders-b", limits).unwrap();

    assert_eq!((stopped, started, readers(&world, "orders-b")), (1, 1, 3));
}

#[test]
fn only_readers_that_it_has_made_itself_are_removed() {
    let mut world = world();
    limit(&mut world, 2, 4);
    pass(&mut world, 3600);

    limit(&mut world, 0, 0);

    assert_eq!(readers(&world, "orders-a"), 1);
    assert_eq!(world.rds.instance("orders-a-1").unwrap().status(), "available");
}

#[test]
fn a_reader_deleted_by_hand_below_the_least_comes_back() {
    let mut world = world();
    limit(&mut world, 1, 4);

    delete(&mut world, "orders-a-1");
    let at_once = readers(&world, "orders-a");
    pass(&mut world, 120);

    assert_eq!((at_once, readers(&world, "orders-a")), (0, 1));
}

#[test]
fn while_scaling_is_suspended_nothing_comes_back_and_then_it_does() {
    let mut world = world();
    limit(&mut world, 1, 4);
    pass(&mut world, 5);
    let out =
        |suspended: bool| json!({ "SuspendedState": { "DynamicScalingOutSuspended": suspended } });
    register(&mut world, RESOURCE, out(true)).unwrap();

    delete(&mut world, "orders-a-1");
    pass(&mut world, 3600);
    let suspended = readers(&world, "orders-a");
    register(&mut world, RESOURCE, out(false)).unwrap();

    assert_eq!((suspended, readers(&world, "orders-a")), (0, 1));
}

#[test]
fn it_waits_until_every_reader_is_available() {
    let mut world = world();
    limit(&mut world, 2, 4);
    delete(&mut world, "orders-a-1");

    pass(&mut world, 240);
    let creating = readers(&world, "orders-a");
    pass(&mut world, 1200);

    assert_eq!((creating, readers(&world, "orders-a")), (1, 2));
}

#[test]
fn two_registrations_within_a_second_are_one_too_many() {
    let mut world = world();
    limit(&mut world, 1, 4);

    let (code, _) = refused(register(&mut world, RESOURCE, json!({ "MaxCapacity": 5 })));
    pass(&mut world, 1);
    let later = register(&mut world, RESOURCE, json!({ "MaxCapacity": 5 }));

    assert_eq!(code, "ConcurrentUpdateException");
    assert!(later.is_ok());
}

#[test]
fn what_was_registered_is_seen_late() {
    let mut settings = Settings::default();
    settings.times.stale = crate::Range::seconds(3, 3);
    let mut world = World::new(&settings);
    world.add_cluster("orders-a", 1, "available");

    limit(&mut world, 1, 4);
    let first = seen(&mut world);
    limit(&mut world, 1, 5);
    let before = seen(&mut world);
    pass(&mut world, 3);
    let after = seen(&mut world);

    assert_eq!(first, json!([]));
    assert_eq!((&before[0]["MaxCapacity"], &after[0]["MaxCapacity"]), (&json!(4), &json!(5)));
}

#[test]
fn what_is_not_known_is_left_out_and_pages_go_on_where_the_last_ended() {
    let mut world = world();
    world.add_scaling_target("rds", "cluster:orders-a", 1, 4);
    world.add_scaling_target("rds", "cluster:orders-b", 1, 4);
    world.add_scaling_target("ecs", "service/shop/worker-a", 1, 8);
    let names = |answer: &Value| -> Vec<String> {
        let targets = answer["ScalableTargets"].as_array().unwrap().iter();
        targets.map(|it| it["ResourceId"].as_str().unwrap().to_owned()).collect()
    };

    let ids =
        json!({ "ServiceNamespace": "rds", "ResourceIds": ["cluster:x", "cluster:orders-b"] });
    let known = describe(&mut world, ids).unwrap();
    let page = json!({ "ServiceNamespace": "rds", "MaxResults": 1 });
    let first = describe(&mut world, page).unwrap();
    let page =
        json!({ "ServiceNamespace": "rds", "MaxResults": 1, "NextToken": first["NextToken"] });
    let second = describe(&mut world, page).unwrap();

    assert_eq!(names(&known), ["cluster:orders-b"]);
    assert_eq!(names(&first), ["cluster:orders-a"]);
    assert_eq!(names(&second), ["cluster:orders-b"]);
    assert!(second["NextToken"].is_null());
}

#[test]
fn a_look_beyond_the_limits_of_aws_is_refused() {
    let mut world = world();
    let many: Vec<_> = (0..51).map(|it| format!("cluster:{it}")).collect();
    let looks = [
        (json!({ "ServiceNamespace": "rds", "ResourceIds": many }), "ValidationException"),
        (json!({ "ServiceNamespace": "rds", "MaxResults": 51 }), "ValidationException"),
        (
            json!({ "ServiceNamespace": "rds", "ScalableDimension": "rds:cluster:ReadReplicaCount" }),
            "ValidationException",
        ),
        (json!({ "ServiceNamespace": "rds", "NextToken": "?" }), "InvalidNextTokenException"),
        (json!({}), "ValidationException"),
    ];

    for (look, expected) in looks {
        let (code, message) = refused(describe(&mut world, look));

        assert_eq!(code, expected, "{message}");
    }
}

#[test]
fn a_target_that_is_not_there_or_does_not_fit_is_refused() {
    let mut world = world();
    let limits = json!({ "MinCapacity": 1, "MaxCapacity": 4 });
    let wrong = json!({
        "ServiceNamespace": "ecs",
        "ResourceId": RESOURCE,
        "ScalableDimension": "ecs:service:DesiredCount",
    });

    let absent = register(&mut world, "cluster:nobody", limits);
    let wrong = services::answer(&mut world, &call("RegisterScalableTarget", wrong));
    let gone = call("DeregisterScalableTarget", target(RESOURCE, json!({})));
    let gone = services::answer(&mut world, &gone);

    assert_eq!(refused(absent).0, "ValidationException");
    assert_eq!(refused(wrong).0, "ValidationException");
    assert_eq!(refused(gone).0, "ObjectNotFoundException");
}

#[test]
fn a_target_that_was_taken_off_keeps_nothing() {
    let mut world = world();
    limit(&mut world, 1, 4);
    pass(&mut world, 5);

    let off = call("DeregisterScalableTarget", target(RESOURCE, json!({})));
    services::answer(&mut world, &off).unwrap();
    delete(&mut world, "orders-a-1");
    pass(&mut world, 3600);

    assert!(world.scaling.target(RESOURCE).is_none());
    assert_eq!(readers(&world, "orders-a"), 0);
}

#[test]
fn a_registration_concerns_a_made_up_id_with_conditions_that_tell_what_it_is() {
    let mut world = world();
    world.add_scaling_target("rds", RESOURCE, 1, 4);

    let registration =
        super::concerns(&world, &call("RegisterScalableTarget", target(RESOURCE, json!({}))));
    let look = super::concerns(&world, &call("DescribeScalableTargets", json!({})));

    let concern = &registration.0[0];
    assert_eq!(concern.resource, world.scaling.target(RESOURCE).unwrap().arn);
    assert_eq!(concern.conditions["application-autoscaling:service-namespace"], ["rds"]);
    assert_eq!(
        concern.conditions["application-autoscaling:scalable-dimension"],
        ["rds:cluster:ReadReplicaCount"]
    );
    assert_eq!(look, Concerns::everything());
}
