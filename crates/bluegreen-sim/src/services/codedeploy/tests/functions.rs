//! Deployments of the Lambda platform.

use super::*;

/// A function with an alias on version 1, in a group that moves a tenth of the traffic first.
fn world() -> World {
    let mut world = super::world();
    world.add_function("ingest", 60);
    world.add_alias("ingest", "live");
    let group = DeploymentGroup {
        deployment_config: "CodeDeployDefault.LambdaCanary10Percent5Minutes".to_owned(),
        ..DeploymentGroup::of_functions()
    };
    world.add_deployment_group("functions", "ingest", group);
    world
}

fn deploy(world: &mut World, alias: &str) -> Result<String, Refusal> {
    let properties = json!({
        "Name": "ingest", "Alias": alias, "CurrentVersion": "1", "TargetVersion": 2,
    });
    let hooks = json!([{ "BeforeAllowTraffic": "hook" }, { "AfterAllowTraffic": "hook" }]);
    let content = json!({ "Resources": [{ "F": { "Properties": properties } }], "Hooks": hooks });
    let revision = json!({
        "revisionType": "AppSpecContent", "appSpecContent": { "content": content.to_string() },
    });
    let parameters = json!({
        "applicationName": "functions", "deploymentGroupName": "ingest", "revision": revision,
    });
    let made = answer(world, &call("CreateDeployment", parameters))?;
    Ok(made["deploymentId"].as_str().unwrap().to_owned())
}

fn report(world: &mut World, id: &str, status: &str) {
    let report = told(id, &execution(world, id), status);
    answer(world, &report).unwrap();
}

#[test]
fn an_alias_goes_from_one_version_to_the_other() {
    let mut world = world();
    let id = deploy(&mut world, "live").unwrap();
    let weight = |world: &World| world.alias_weight("ingest", "live", "2");

    let before = weight(&world);
    report(&mut world, &id, "Succeeded");
    let mixed = weight(&world);
    later(&mut world, 310);
    let targets = json!({ "deploymentId": id, "targetIds": ["ingest:live"] });
    let seen = asked(&mut world, "BatchGetDeploymentTargets", targets);
    report(&mut world, &id, "Succeeded");

    assert_eq!((before, mixed, weight(&world)), (Some(0.0), Some(0.1), Some(1.0)));
    assert_eq!(world.codedeploy.deployment(&id).unwrap().status(), "Succeeded");
    let target = &seen["deploymentTargets"][0]["lambdaTarget"];
    assert_eq!(target["lambdaFunctionInfo"]["targetVersion"], "2");
    assert_eq!(target["lambdaFunctionInfo"]["targetVersionWeight"], 1.0);
    assert_eq!(target["lifecycleEvents"][2]["status"], "InProgress");
    let seen = asked(&mut world, "GetDeployment", json!({ "deploymentId": id }));
    assert_eq!(seen["deploymentInfo"]["computePlatform"], "Lambda");
}

#[test]
fn an_alias_comes_back_when_a_hook_fails_behind_its_traffic_and_has_not_moved_before() {
    for (good, deployments) in [(1, 2), (0, 1)] {
        let mut world = world();
        let id = deploy(&mut world, "live").unwrap();
        for _ in 0..good {
            report(&mut world, &id, "Succeeded");
            later(&mut world, 310);
        }

        report(&mut world, &id, "Failed");
        later(&mut world, 60);

        assert_eq!(world.alias_weight("ingest", "live", "1"), Some(1.0));
        assert_eq!(world.codedeploy.deployments().count(), deployments);
        assert_eq!(world.codedeploy.deployment(&id).unwrap().status(), "Failed");
    }
}

#[test]
fn an_alias_that_is_not_there_fails_the_deployment_and_a_service_is_refused() {
    let mut world = world();
    let id = deploy(&mut world, "lost").unwrap();
    report(&mut world, &id, "Succeeded");
    let mut parameters = json!({ "applicationName": "functions", "deploymentGroupName": "ingest" });
    parameters["revision"] = content::bare("web:2");

    let service = code(answer(&mut world, &call("CreateDeployment", parameters)));

    let (_, message) = world.codedeploy.deployment(&id).unwrap().error.clone().unwrap();
    assert!(message.contains("alias lost of ingest"), "{message}");
    assert_eq!(service, "InvalidRevisionException");
}
