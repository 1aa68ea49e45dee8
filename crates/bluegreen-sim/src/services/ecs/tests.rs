//! Services that reach their count task by task.

mod tasks;

use serde_json::Value;

use super::*;
use crate::{Range, Settings, Times, services::testing::call};

fn world() -> World {
    let times = Times {
        task_start: Range::seconds(10, 10),
        task_stop: Range::seconds(5, 5),
        stale: Range::seconds(2, 2),
        ..Times::default()
    };
    let mut world = World::new(&Settings { times, ..Settings::default() });
    world.add_service("shop", "worker-b", 0);
    world
}

fn update(world: &mut World, more: Value) -> Answer {
    let mut parameters = json!({ "cluster": "shop", "service": "worker-b" });
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer(world, &call("ecs", "UpdateService", parameters))
}

fn seen(world: &mut World) -> Value {
    let parameters = json!({ "cluster": "shop", "services": ["worker-b"] });
    let answer = answer(world, &call("ecs", "DescribeServices", parameters)).unwrap();
    answer["services"][0].clone()
}

#[test]
fn tasks_start_one_by_one_and_the_wanted_count_is_seen_late() {
    let mut world = world();

    update(&mut world, json!({ "desiredCount": 2 })).unwrap();
    world.advance(Duration::from_secs(1));
    let stale = seen(&mut world);
    world.advance(Duration::from_secs(12));
    let half_way = seen(&mut world);
    world.advance(Duration::from_secs(25));
    let steady = seen(&mut world);

    assert_eq!((&stale["desiredCount"], &stale["pendingCount"]), (&json!(0), &json!(1)));
    assert_eq!((&half_way["runningCount"], &half_way["pendingCount"]), (&json!(1), &json!(1)));
    assert_eq!((&steady["runningCount"], &steady["pendingCount"]), (&json!(2), &json!(0)));
}

#[test]
fn a_missing_service_is_a_failure_in_a_good_answer() {
    let parameters = json!({ "cluster": "shop", "services": ["nobody"] });

    let answer = answer(&mut world(), &call("ecs", "DescribeServices", parameters)).unwrap();

    assert_eq!(answer["failures"][0]["reason"], "MISSING");
    assert_eq!(answer["services"], json!([]));
}

#[test]
fn eleven_services_are_too_many_for_a_call() {
    let names: Vec<_> = (0..11).map(|it| format!("worker-{it}")).collect();
    let parameters = json!({ "cluster": "shop", "services": names });

    let refusal = answer(&mut world(), &call("ecs", "DescribeServices", parameters)).unwrap_err();

    assert_eq!(refusal.code, "InvalidParameterException");
}

#[test]
fn a_service_of_code_deploy_takes_a_count_and_no_task_definition_and_shows_task_sets() {
    let mut world = world();
    world.change_service("shop", "worker-b", |it| it.controller = "CODE_DEPLOY".to_owned());

    let refusal = update(&mut world, json!({ "taskDefinition": "worker:2" })).unwrap_err();
    update(&mut world, json!({ "desiredCount": 1 })).unwrap();
    world.advance(Duration::from_secs(5));
    let starting = seen(&mut world);
    world.advance(Duration::from_secs(60));

    assert!(refusal.message.contains("CODE_DEPLOY"), "{}", refusal.message);
    assert_eq!(starting["deployments"], json!([]));
    assert_eq!(starting["taskSets"][0]["stabilityStatus"], "STABILIZING");
    assert_eq!(seen(&mut world)["taskSets"][0]["stabilityStatus"], "STEADY_STATE");
}

#[test]
fn a_daemon_takes_no_count_and_a_service_that_goes_takes_nothing() {
    let mut world = world();
    world.change_service("shop", "worker-b", |it| it.is_daemon = true);
    let daemon = update(&mut world, json!({ "desiredCount": 1 })).unwrap_err();

    world.change_service("shop", "worker-b", |it| it.status = "DRAINING".to_owned());
    let draining = update(&mut world, json!({ "desiredCount": 1 })).unwrap_err();

    assert_eq!(daemon.code, "InvalidParameterException");
    assert_eq!(draining.code, "ServiceNotActiveException");
}

#[test]
fn external_deployments_leave_less_to_be_changed_than_those_of_code_deploy() {
    let mut world = world();
    let mut take = |controller: &str, parameter: &str| {
        world.change_service("shop", "worker-b", |it| it.controller = controller.to_owned());
        update(&mut world, json!({ parameter: {} })).map_err(|it| it.message)
    };

    let [code_deploy, external] =
        ["CODE_DEPLOY", "EXTERNAL"].map(|it| take(it, "deploymentConfiguration"));
    let tags = ["CODE_DEPLOY", "EXTERNAL"].map(|it| take(it, "propagateTags"));
    let own = take("ECS", "taskDefinition");

    assert!(code_deploy.is_ok() && tags.iter().all(Result::is_ok) && own.is_ok());
    let external = external.unwrap_err();
    assert!(external.contains("EXTERNAL") && !external.contains("CodeDeploy"), "{external}");
}

#[test]
fn a_cluster_without_services_is_there_once_it_was_made() {
    let mut world = world();
    let mut ask = |operation: &str, more: Value| {
        let mut parameters = json!({ "cluster": "bakery" });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer(&mut world, &call("ecs", operation, parameters)).map_err(|it| it.code)
    };
    let services = json!({ "services": ["oven"] });

    let refused = [
        ask("DescribeServices", services.clone()),
        ask("UpdateService", json!({ "service": "oven" })),
        ask("CreateService", json!({ "serviceName": "oven" })),
        ask("ListServices", json!({})),
    ];
    ask("CreateCluster", json!({ "clusterName": "bakery" })).unwrap();

    assert!(refused.iter().all(|it| it == &Err("ClusterNotFoundException".to_owned())));
    assert_eq!(ask("DescribeServices", services).unwrap()["failures"][0]["reason"], "MISSING");
}

#[test]
fn no_service_runs_more_than_five_thousand_tasks() {
    let mut world = world();

    let most = update(&mut world, json!({ "desiredCount": 5000 }));
    let more = update(&mut world, json!({ "desiredCount": 5001 })).unwrap_err();
    let parameters = json!({ "cluster": "shop", "serviceName": "w", "desiredCount": 4e9 as i64 });
    let made = answer(&mut world, &call("ecs", "CreateService", parameters)).unwrap_err();

    assert!(most.is_ok());
    assert_eq!([more.code, made.code], ["InvalidParameterException"; 2]);
}

#[test]
fn the_tasks_of_a_slow_change_are_slow_to_the_last_and_those_of_the_next_are_not() {
    let mut world = world();
    world.slowness = 10;
    update(&mut world, json!({ "desiredCount": 2 })).unwrap();
    world.slowness = 1;

    let running = [99, 100, 199, 200].map(|it| {
        world.advance(Duration::from_secs(it));
        seen(&mut world)["runningCount"].clone()
    });
    update(&mut world, json!({ "desiredCount": 3 })).unwrap();
    world.advance(Duration::from_secs(210));

    assert_eq!(running, [json!(0), json!(1), json!(1), json!(2)]);
    assert_eq!(seen(&mut world)["runningCount"], 3);
}

#[test]
fn a_service_that_is_there_is_not_made_again() {
    let mut world = World::new(&Settings::default());
    world.add_service("shop", "worker-b", 2);
    let parameters = json!({ "cluster": "shop", "serviceName": "worker-b", "desiredCount": 1 });

    let refusal = answer(&mut world, &call("ecs", "CreateService", parameters)).unwrap_err();

    assert_eq!(refusal.code, "InvalidParameterException");
    assert_eq!(world.ecs.services().next().map(|it| it.desired()), Some(2));
}

#[test]
fn tasks_take_messages_from_their_queue_while_any_runs() {
    let mut world = world();
    let queue = world.add_queue("mail-b");
    world.read_queue("shop", "worker-b", &queue);
    let left = |world: &World| world.sqs.queue(&queue).unwrap().len();

    world.add_messages(&queue, 25);
    world.advance(Duration::from_secs(60));
    assert_eq!(left(&world), 25, "no task runs");
    update(&mut world, json!({ "desiredCount": 1 })).unwrap();
    world.advance(Duration::from_secs(180));
    assert_eq!(left(&world), 0);
    world.add_messages(&queue, 2);
    world.advance(Duration::from_secs(210));
    assert_eq!(left(&world), 0, "what arrives later is taken too");
    update(&mut world, json!({ "desiredCount": 0 })).unwrap();
    world.advance(Duration::from_secs(300));
    world.add_messages(&queue, 3);
    world.advance(Duration::from_secs(600));
    assert_eq!(left(&world), 3, "none runs any more");

    let consumed = |it: &crate::Message| it.copies[&queue].consumed.len();
    let by: Vec<usize> = world.ledger.messages().map(|(_, it)| consumed(it)).collect();
    assert_eq!(by, [[1; 27].as_slice(), [0; 3].as_slice()].concat());
}
