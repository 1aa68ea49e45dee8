//! Deployments of no service: only their hooks; and what is made by calls, and refused.

use super::*;

fn running(world: &mut World) -> Option<String> {
    let ids = json!({ "deploymentId": "d-1", "targetIds": [NO_TARGET] });
    let seen = asked(world, "BatchGetDeploymentTargets", ids);
    let events = &seen["deploymentTargets"][0]["ecsTarget"]["lifecycleEvents"];
    let events = events.as_array().unwrap().clone();
    let running = events.into_iter().find(|it| it["status"] == "InProgress");
    running.map(|it| it["lifecycleEventName"].as_str().unwrap().to_owned())
}

#[test]
fn a_deployment_goes_from_hook_to_hook_as_they_report() {
    let mut world = World::new(&Settings::default());
    let hooks = world.add_deployment("d-1", &["BeforeAllowTraffic", "AfterAllowTraffic"]);

    let first = running(&mut world);
    answer(&mut world, &told("d-1", &hooks[0], "Succeeded")).unwrap();
    let second = running(&mut world);
    let again = code(answer(&mut world, &told("d-1", &hooks[0], "Succeeded")));
    answer(&mut world, &told("d-1", &hooks[1], "Succeeded")).unwrap();

    assert_eq!(first.as_deref(), Some("BeforeAllowTraffic"));
    assert_eq!(second.as_deref(), Some("AfterAllowTraffic"));
    assert_eq!(again, "LifecycleEventAlreadyCompletedException");
    assert_eq!(world.codedeploy.deployment("d-1").unwrap().status(), "Succeeded");
}

#[test]
fn a_hook_that_does_not_report_within_an_hour_fails_the_deployment() {
    let mut world = World::new(&Settings::default());
    let hooks = world.add_deployment("d-1", &["BeforeInstall", "AfterInstall"]);

    world.advance(running::REPORT_WITHIN);
    let late = code(answer(&mut world, &told("d-1", &hooks[0], "Succeeded")));

    assert_eq!(late, "LifecycleEventAlreadyCompletedException");
    let deployment = world.codedeploy.deployment("d-1").unwrap();
    assert_eq!((deployment.status(), deployment.events[1].status), ("Failed", EventState::Skipped));
}

#[test]
fn what_cannot_be_a_report_is_refused() {
    let mut world = World::new(&Settings::default());
    let hooks = world.add_deployment("d-1", &["BeforeInstall"]);

    let nobody = call("GetDeployment", json!({ "deploymentId": "d-2" }));

    assert_eq!(code(answer(&mut world, &nobody)), "DeploymentDoesNotExistException");
    assert_eq!(
        code(answer(&mut world, &told("d-1", "other", "Succeeded"))),
        "InvalidLifecycleEventHookExecutionIdException"
    );
    assert_eq!(
        code(answer(&mut world, &told("d-1", &hooks[0], "Skipped"))),
        "InvalidLifecycleEventHookExecutionStatusException"
    );
}

#[test]
fn applications_and_groups_are_made_by_calls_and_once_only() {
    let mut world = world();
    let application = json!({ "applicationName": "more", "computePlatform": "ECS" });
    let group = json!({
        "applicationName": "more",
        "deploymentGroupName": "web",
        "serviceRoleArn": "arn:aws:iam::123456789012:role/deployer",
        "ecsServices": [{ "clusterName": "shop", "serviceName": "web" }],
        "autoRollbackConfiguration": { "enabled": true, "events": ["DEPLOYMENT_FAILURE"] },
        "blueGreenDeploymentConfiguration": {
            "terminateBlueInstancesOnDeploymentSuccess": {
                "action": "TERMINATE", "terminationWaitTimeInMinutes": 5,
            },
        },
    });

    let early = code(answer(&mut world, &call("CreateDeploymentGroup", group.clone())));
    asked(&mut world, "CreateApplication", application.clone());
    asked(&mut world, "CreateDeploymentGroup", group.clone());
    let twice = [("CreateApplication", application), ("CreateDeploymentGroup", group.clone())]
        .map(|(operation, it)| code(answer(&mut world, &call(operation, it))));
    let seen = asked(&mut world, "GetDeploymentGroup", group);

    assert_eq!(early, "ApplicationDoesNotExistException");
    assert_eq!(
        twice,
        ["ApplicationAlreadyExistsException", "DeploymentGroupAlreadyExistsException"]
    );
    let info = &seen["deploymentGroupInfo"];
    assert_eq!(info["ecsServices"][0]["serviceName"], "web");
    assert_eq!(info["autoRollbackConfiguration"]["enabled"], true);
    let kept = "/blueGreenDeploymentConfiguration/terminateBlueInstancesOnDeploymentSuccess/terminationWaitTimeInMinutes";
    assert_eq!(info.pointer(kept), Some(&json!(5)));
}

#[test]
fn without_a_test_listener_there_is_no_event_behind_its_traffic() {
    let mut world = world();
    let group = DeploymentGroup { has_test_listener: false, ..DeploymentGroup::of("shop", "web") };
    world.add_deployment_group("shop", "web", group);

    let id = deploy(&mut world, &["AfterAllowTestTraffic", "AfterAllowTraffic"]);
    later(&mut world, 60);

    assert_eq!(current(&world, &id).as_deref(), Some("AfterAllowTraffic"));
    let deployment = world.codedeploy.deployment(&id).unwrap();
    assert!(deployment.events.iter().all(|it| it.name != "AfterAllowTestTraffic"));
}

#[test]
fn whoever_may_not_ask_about_a_group_is_not_told_that_a_deployment_is_not_there() {
    let mut world = world();
    let id = deploy(&mut world, &[]);
    let about = |id: &str| concerns(&world, &call("GetDeployment", json!({ "deploymentId": id })));

    let arn = "arn:aws:codedeploy:eu-west-1:123456789012:deploymentgroup:shop/web";
    assert_eq!(about(&id), Concerns::on([arn.to_owned()]));
    assert_eq!(about("d-NOBODY"), Concerns::on([arn.to_owned()]));
}
