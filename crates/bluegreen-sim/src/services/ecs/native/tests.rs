//! Deployments of ECS, whose hooks a function outside answers.

use std::collections::VecDeque;

use serde_json::json;

use super::*;
use crate::{Call, PendingInvocation, Range, Settings, Times, services, services::testing};

mod back;

fn asked(world: &mut World, operation: &str, parameters: Value) -> Value {
    call(world, operation, parameters).unwrap()
}

fn call(world: &mut World, operation: &str, parameters: Value) -> Result<Value, crate::Refusal> {
    let call: Call = testing::call("ecs", operation, parameters);
    let answer = services::answer(world, &call);
    world.advance(world.now());
    answer
}

const ALL: [&str; 8] = [
    "RECONCILE_SERVICE",
    "PRE_SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
];

/// A service of ECS with two task definitions, whose function is asked at these stages.
fn world(strategy: Strategy, stages: &[&str]) -> World {
    let times = Times { task_start: Range::seconds(30, 30), ..Times::instant() };
    let mut world = World::new(&Settings { times, ..Settings::default() });
    world.add_outside_function("hook", 60);
    for stack in ["a", "b"] {
        world.add_task_definition_with("web", "web", &[("STACK", stack)], &[("stack", stack)]);
    }
    let function = world.function_arn("hook", None);
    let hook = LifecycleHook {
        details: Some(json!({ "who": "me" })),
        ..LifecycleHook::new(&function, stages)
    };
    let configuration = BlueGreen { strategy, ..BlueGreen::with_hooks(vec![hook]) };
    world.add_blue_green_service("shop", "web", 2, "web:1", configuration);
    world
}

fn update(world: &mut World) {
    let parameters = json!({ "cluster": "shop", "service": "web", "taskDefinition": "web:2" });
    asked(world, "UpdateService", parameters);
}

/// Answers what the function is asked with these answers in turn, `SUCCEEDED` behind the last; returns what it was
/// asked, until nothing more is asked for an hour.
fn drive(world: &mut World, answers: &[Value]) -> Vec<Value> {
    let mut answers: VecDeque<_> = answers.iter().cloned().collect();
    let mut events = Vec::new();
    let until = world.now() + Duration::from_secs(3600);
    while world.now() < until {
        let Some(PendingInvocation { id, payload, .. }) = world.take_invocation(None) else {
            world.advance(world.now() + Duration::from_secs(1));
            continue;
        };
        let answer = answers.pop_front().unwrap_or(json!({ "hookStatus": "SUCCEEDED" }));
        world.bring_back(id, Ok(answer.to_string()));
        events.push(serde_json::from_str(&payload).unwrap());
        world.advance(world.now());
    }
    events
}

fn stages(events: &[Value]) -> Vec<&str> {
    events.iter().map(|it| it["lifecycleStage"].as_str().unwrap()).collect()
}

/// The weight of the target in an event, of production.
fn weight(event: &Value) -> &Value {
    let details = &event["executionDetails"];
    let target = details["targetServiceRevisionArn"].as_str().unwrap();
    &details["productionTrafficWeights"][target]
}

fn deployment(world: &World) -> &ServiceDeployment {
    world.ecs.service_deployments().last().unwrap()
}

fn definition(world: &World) -> String {
    world.ecs.services().next().unwrap().definition().unwrap().to_owned()
}

#[test]
fn a_deployment_asks_its_hook_at_every_stage_and_moves_traffic_once() {
    let mut world = world(Strategy::AllAtOnce, &ALL);

    update(&mut world);
    let events = drive(&mut world, &[]);

    assert_eq!(stages(&events), ALL[1..]);
    assert_eq!(
        (deployment(&world).status(), deployment(&world).stage()),
        ("SUCCESSFUL", Some("CLEAN_UP"))
    );
    assert!(definition(&world).ends_with("web:2"));
    let it = deployment(&world);
    let (green, blue) = (it.target.as_str(), it.sources[0].as_str());
    for event in &events {
        let details = &event["executionDetails"];
        let (production, test) = match event["lifecycleStage"].as_str().unwrap() {
            "TEST_TRAFFIC_SHIFT" => (json!({}), json!({ green: 100, blue: 0 })),
            "PRE_PRODUCTION_TRAFFIC_SHIFT" => (json!({ green: 0, blue: 100 }), json!({})),
            "PRODUCTION_TRAFFIC_SHIFT" => (json!({ green: 100, blue: 0 }), json!({})),
            _ => (json!({}), json!({})),
        };
        let expected = json!({
            "executionId": event["executionId"],
            "lifecycleStage": event["lifecycleStage"],
            "resourceArn": it.arn,
            "executionDetails": {
                "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/shop/web",
                "targetServiceRevisionArn": green,
                "testTrafficWeights": test,
                "productionTrafficWeights": production,
            },
            "hookDetails": { "who": "me" },
        });
        assert_eq!(event, &expected);
        assert!(details.is_object());
    }
}

#[test]
fn a_canary_asks_before_and_at_each_of_its_steps() {
    let canary = Strategy::Canary(12.5, Duration::from_secs(300));
    let mut world = world(canary, &["PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"]);

    update(&mut world);
    let begun = world.now();
    let events = drive(&mut world, &[]);

    let weights: Vec<_> = events.iter().map(weight).collect();
    assert_eq!(weights, [&json!(0), &json!(12.5), &json!(12.5), &json!(100)]);
    assert!(deployment(&world).finished.unwrap() - begun >= Duration::from_secs(330));
}

#[test]
fn a_linear_deployment_moves_so_much_at_a_time_and_ends_with_all() {
    let configuration = |percent| BlueGreen {
        strategy: Strategy::Linear(percent, Duration::ZERO),
        ..BlueGreen::with_hooks(Vec::new())
    };

    let weights =
        |percent| configuration(percent).weights().iter().map(|(it, _)| *it).collect::<Vec<_>>();

    assert_eq!(weights(40.0), [40.0, 80.0, 100.0]);
    assert_eq!(weights(50.0), [50.0, 100.0]);
}

#[test]
fn a_hook_in_progress_is_called_back_with_what_it_has_returned() {
    let mut world = world(Strategy::AllAtOnce, &["PRE_SCALE_UP", "POST_SCALE_UP"]);
    let slow =
        json!({ "hookStatus": "IN_PROGRESS", "callBackDelay": 60, "hookDetails": { "cursor": 1 } });
    let usual = json!({ "hookStatus": "IN_PROGRESS", "hookDetails": { "cursor": 2 } });

    update(&mut world);
    let begun = world.now();
    let events = drive(&mut world, &[slow, usual]);

    assert_eq!(stages(&events), ["PRE_SCALE_UP", "PRE_SCALE_UP", "PRE_SCALE_UP", "POST_SCALE_UP"]);
    let details: Vec<_> = events.iter().map(|it| &it["hookDetails"]).collect();
    assert_eq!(details[0], &json!({ "who": "me" }));
    assert_eq!(details[1], &json!({ "who": "me", "cursor": 1 }));
    assert_eq!(details[2], &json!({ "who": "me", "cursor": 2 }));
    assert_eq!(deployment(&world).finished.unwrap() - begun, Duration::from_secs(60 + 30 + 30));
}

#[test]
fn a_hook_that_takes_too_long_ends_as_its_timeout_action_says() {
    for (action, status) in [("ROLLBACK", "ROLLBACK_SUCCESSFUL"), ("CONTINUE", "SUCCESSFUL")] {
        let mut world = world(Strategy::AllAtOnce, &["POST_SCALE_UP"]);
        world.change_service("shop", "web", |it| {
            let hook = &mut it.blue_green.as_mut().unwrap().hooks[0];
            hook.timeout = Duration::from_secs(600);
            hook.timeout_action = action.to_owned();
        });
        let always = vec![json!({ "hookStatus": "IN_PROGRESS", "callBackDelay": 100 }); 40];

        update(&mut world);
        let events = drive(&mut world, &always);

        assert_eq!(events.len(), 6, "{action}");
        assert_eq!(deployment(&world).status(), status);
    }
}

#[test]
fn a_service_is_created_with_its_hooks_and_no_revision_before() {
    let mut world = world(Strategy::AllAtOnce, &[]);
    let function = world.function_arn("hook", None);
    let parameters = json!({
        "cluster": "shop",
        "serviceName": "more",
        "taskDefinition": "web:1",
        "desiredCount": 1,
        "deploymentConfiguration": {
            "strategy": "BLUE_GREEN",
            "bakeTimeInMinutes": 2,
            "lifecycleHooks": [{
                "hookTargetArn": function,
                "roleArn": "arn:aws:iam::123456789012:role/hooks",
                "lifecycleStages": ["RECONCILE_SERVICE", "PRODUCTION_TRAFFIC_SHIFT"],
                "timeoutConfiguration": { "timeoutInMinutes": 20, "action": "CONTINUE" },
            }],
        },
    });

    asked(&mut world, "CreateService", parameters);
    let events = drive(&mut world, &[]);

    assert_eq!(stages(&events), ["PRODUCTION_TRAFFIC_SHIFT"]);
    let weights = events[0]["executionDetails"]["productionTrafficWeights"].as_object().unwrap();
    assert_eq!(weights.values().collect::<Vec<_>>(), [&json!(100)]);
    let it = deployment(&world);
    assert_eq!((it.status(), it.sources.len()), ("SUCCESSFUL", 0));
    let seen =
        asked(&mut world, "DescribeServices", json!({ "cluster": "shop", "services": ["more"] }));
    let seen = &seen["services"][0];
    let configuration = &seen["deploymentConfiguration"];
    let hook = &configuration["lifecycleHooks"][0];
    assert_eq!(
        (&configuration["strategy"], &configuration["bakeTimeInMinutes"]),
        (&json!("BLUE_GREEN"), &json!(2))
    );
    assert_eq!(
        hook["timeoutConfiguration"],
        json!({ "timeoutInMinutes": 20, "action": "CONTINUE" })
    );
    assert_eq!(
        seen["currentServiceDeployment"],
        json!(world.ecs.service_deployments().last().unwrap().arn)
    );
}

#[test]
fn what_is_no_configuration_is_refused_with_the_reason() {
    let hook = |stage: &str| {
        json!({ "strategy": "BLUE_GREEN", "lifecycleHooks": [
            { "hookTargetArn": "f", "roleArn": "r", "lifecycleStages": [stage] },
        ]})
    };
    for (given, reason) in [
        (json!({ "strategy": "SIDEWAYS" }), "SIDEWAYS"),
        (
            json!({ "strategy": "CANARY", "canaryConfiguration": { "canaryPercent": 0 } }),
            "canaryPercent",
        ),
        (hook("BAKE_TIME"), "BAKE_TIME"),
        (
            json!({ "strategy": "LINEAR", "lifecycleHooks": [{ "targetType": "PAUSE" }] }),
            "functions only",
        ),
    ] {
        let refusal = read(&given).unwrap_err();

        assert!(refusal.message.contains(reason), "{}", refusal.message);
    }
    assert_eq!(read(&json!({ "strategy": "ROLLING" })).unwrap(), None);
}
