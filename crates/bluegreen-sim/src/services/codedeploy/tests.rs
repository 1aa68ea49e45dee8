//! Deployments whose hooks report, fail, and are rolled back.

use super::*;
use crate::{Range, Settings, Times, services::testing};

mod bare;
mod functions;

fn call(operation: &str, parameters: Value) -> Call {
    testing::call("codedeploy", operation, parameters)
}

fn asked(world: &mut World, operation: &str, parameters: Value) -> Value {
    answer(world, &call(operation, parameters)).unwrap()
}

fn told(deployment: &str, execution: &str, status: &str) -> Call {
    let parameters = json!({
        "deploymentId": deployment,
        "lifecycleEventHookExecutionId": execution,
        "status": status,
    });
    call("PutLifecycleEventHookExecutionStatus", parameters)
}

fn code(answer: Answer) -> String {
    answer.unwrap_err().code
}

/// A service with a deployment group, two task definitions, and a function outside that is a hook.
fn world() -> World {
    let times = Times {
        task_start: Range::seconds(30, 30),
        traffic: Range::seconds(10, 10),
        ..Times::instant()
    };
    let mut world = World::new(&Settings { times, ..Settings::default() });
    world.add_outside_function("hook", 60);
    world.add_task_definition("web");
    world.add_task_definition("web");
    world.add_service("shop", "web", 2);
    world.deploy_by_code_deploy("shop", "web", "web:1");
    world.add_deployment_group("shop", "web", DeploymentGroup::of("shop", "web"));
    world
}

fn deploy(world: &mut World, hooks: &[&str]) -> String {
    let service = json!({ "Properties": { "TaskDefinition": "web:2" } });
    let hooks: Vec<_> = hooks.iter().map(|it| json!({ *it: "hook" })).collect();
    let content = json!({ "Resources": [{ "Target": service }], "Hooks": hooks }).to_string();
    let revision =
        json!({ "revisionType": "AppSpecContent", "appSpecContent": { "content": content } });
    let parameters = json!({
        "applicationName": "shop", "deploymentGroupName": "web", "revision": revision,
    });
    let made = asked(world, "CreateDeployment", parameters);
    made["deploymentId"].as_str().unwrap().to_owned()
}

fn later(world: &mut World, seconds: u64) {
    world.advance(world.now() + Duration::from_secs(seconds));
}

fn execution(world: &World, id: &str) -> String {
    world.codedeploy.deployment(id).unwrap().current_event().unwrap().execution.clone()
}

fn current(world: &World, id: &str) -> Option<String> {
    world.codedeploy.deployment(id)?.current_event().map(|it| it.name.clone())
}

/// The weights of blue and green, the primary one with a star.
fn sets(world: &mut World, id: &str) -> Vec<String> {
    let targets = json!({ "deploymentId": id, "targetIds": ["shop:web"] });
    let seen = asked(world, "BatchGetDeploymentTargets", targets);
    let sets =
        seen["deploymentTargets"][0]["ecsTarget"]["taskSetsInfo"].as_array().unwrap().clone();
    let shown = |it: &Value| {
        let star = if it["status"] == "PRIMARY" { "*" } else { "" };
        format!("{}{star} {}", it["taskSetLabel"].as_str().unwrap(), it["trafficWeight"])
    };
    sets.iter().map(shown).collect()
}

#[test]
fn a_deployment_installs_moves_traffic_and_ends_what_it_has_replaced() {
    let mut world = world();
    let id = deploy(&mut world, &["AfterInstall", "AfterAllowTraffic"]);

    let installing = current(&world, &id);
    later(&mut world, 30);
    let (installed, before) = (current(&world, &id), sets(&mut world, &id));
    let report = told(&id, &execution(&world, &id), "Succeeded");
    answer(&mut world, &report).unwrap();
    let moving = current(&world, &id);
    later(&mut world, 10);
    let moved = sets(&mut world, &id);
    let report = told(&id, &execution(&world, &id), "Succeeded");
    answer(&mut world, &report).unwrap();

    assert_eq!(installing.as_deref(), Some("Install"));
    assert_eq!(installed.as_deref(), Some("AfterInstall"));
    assert_eq!(before, ["Blue* 100.0", "Green 0.0"]);
    assert_eq!(moving.as_deref(), Some("AllowTraffic"));
    assert_eq!(moved, ["Blue 0.0", "Green* 100.0"]);
    assert_eq!(sets(&mut world, &id), ["Green* 100.0"]);
    let seen = asked(&mut world, "GetDeployment", json!({ "deploymentId": id }));
    assert_eq!(seen["deploymentInfo"]["status"], "Succeeded");
    let service = world.ecs.services().next().unwrap();
    assert!(service.definition().unwrap().ends_with("web:2"));
    assert_eq!(service.running, 2);
}

#[test]
fn a_hook_that_fails_after_install_makes_a_deployment_that_goes_back() {
    for event in ["AfterInstall", "AfterAllowTraffic"] {
        let mut world = world();
        let id = deploy(&mut world, &[event]);
        later(&mut world, 60);
        let report = told(&id, &execution(&world, &id), "Failed");

        answer(&mut world, &report).unwrap();
        later(&mut world, 60);

        let failed = asked(&mut world, "GetDeployment", json!({ "deploymentId": id }));
        let by = failed["deploymentInfo"]["rollbackInfo"]["rollbackDeploymentId"].as_str().unwrap();
        let back = asked(&mut world, "GetDeployment", json!({ "deploymentId": by }));
        let back = &back["deploymentInfo"];
        assert_eq!(failed["deploymentInfo"]["status"], "Failed");
        assert_eq!(failed["deploymentInfo"]["errorInformation"]["code"], "HOOK_EXECUTION_FAILURE");
        assert_eq!(
            (&back["creator"], &back["status"]),
            (&json!("codeDeployRollback"), &json!("Succeeded"))
        );
        assert_eq!(back["rollbackInfo"]["rollbackTriggeringDeploymentId"], json!(id));
        let content = back["revision"]["appSpecContent"]["content"].as_str().unwrap();
        assert!(content.contains("web:1"), "{content}");
        let service = world.ecs.services().next().unwrap();
        assert!(service.definition().unwrap().ends_with("web:1"), "{event}");
        assert_eq!((service.task_sets().len(), service.running), (1, 2), "{event}");
        assert_eq!(world.take_invocation(None).map(|it| it.function).as_deref(), Some("hook"));
        assert_eq!(world.take_invocation(None), None, "no hook runs on the way back");
    }
}

#[test]
fn the_hooks_run_on_the_way_back_where_the_account_is_told_so() {
    let mut world = world();
    world.codedeploy.hooks_run_in_rollbacks = true;
    let id = deploy(&mut world, &["AfterAllowTraffic"]);
    later(&mut world, 60);

    world.fail_deployment(&id);
    later(&mut world, 60);

    let back = world.codedeploy.deployments().last().unwrap();
    assert_eq!(back.current_event().map(|it| it.name.as_str()), Some("AfterAllowTraffic"));
    assert_eq!(world.codedeploy.deployment(&id).unwrap().error.as_ref().unwrap().0, "ALARM_ACTIVE");
}

#[test]
fn nothing_goes_back_before_there_is_anything_new() {
    let mut world = world();
    let id = deploy(&mut world, &["BeforeInstall"]);

    later(&mut world, 3600);

    let deployment = world.codedeploy.deployment(&id).unwrap();
    assert_eq!((deployment.status(), deployment.rolled_back_by.as_ref()), ("Failed", None));
    assert_eq!(world.codedeploy.deployments().count(), 1);
}

#[test]
fn a_canary_is_mixed_for_its_minutes_and_what_was_replaced_is_kept_for_its_own() {
    let mut world = world();
    let group = DeploymentGroup {
        deployment_config: "CodeDeployDefault.ECSCanary10Percent5Minutes".to_owned(),
        termination_wait: Duration::from_secs(600),
        ..DeploymentGroup::of("shop", "web")
    };
    world.add_deployment_group("shop", "web", group);
    let id = deploy(&mut world, &[]);

    later(&mut world, 31);
    let mixed = sets(&mut world, &id);
    later(&mut world, 310);
    let (moved, waiting) =
        (sets(&mut world, &id), world.codedeploy.deployment(&id).unwrap().status());
    later(&mut world, 600);

    assert_eq!(mixed, ["Blue* 90.0", "Green 10.0"]);
    assert_eq!(
        (moved, waiting),
        (vec!["Blue 0.0".to_owned(), "Green* 100.0".to_owned()], "InProgress")
    );
    assert_eq!(world.codedeploy.deployment(&id).unwrap().status(), "Succeeded");
    assert_eq!(sets(&mut world, &id), ["Green* 100.0"]);
}

#[test]
fn a_deployment_that_is_stopped_goes_back_where_the_call_says_so() {
    for (flag, deployments) in [(true, 2), (false, 1)] {
        let mut world = world();
        let id = deploy(&mut world, &["AfterInstall"]);
        later(&mut world, 60);
        let parameters = json!({ "deploymentId": id, "autoRollbackEnabled": flag });

        asked(&mut world, "StopDeployment", parameters.clone());
        let again = code(answer(&mut world, &call("StopDeployment", parameters)));

        assert_eq!(world.codedeploy.deployment(&id).unwrap().status(), "Stopped");
        assert_eq!(world.codedeploy.deployments().count(), deployments);
        assert_eq!(again, "DeploymentAlreadyCompletedException");
    }
}

#[test]
fn a_group_has_one_deployment_at_a_time_and_the_newest_is_listed_first() {
    let mut world = world();
    let first = deploy(&mut world, &[]);
    let group = json!({ "applicationName": "shop", "deploymentGroupName": "web" });
    let mut parameters = group.clone();
    parameters["revision"] = content::bare("web:2");

    let second = code(answer(&mut world, &call("CreateDeployment", parameters)));
    later(&mut world, 60);
    let next = deploy(&mut world, &["BeforeInstall"]);
    let listed = asked(&mut world, "ListDeployments", group.clone());
    let mut running = group;
    running["includeOnlyStatuses"] = json!(["InProgress"]);
    let running = asked(&mut world, "ListDeployments", running);

    assert_eq!(second, "DeploymentLimitExceededException");
    assert_eq!(listed["deployments"], json!([next, first]));
    assert_eq!(running["deployments"], json!([next]));
    let before = asked(&mut world, "GetDeployment", json!({ "deploymentId": next }));
    assert!(before["deploymentInfo"]["previousRevision"].is_object());
}

#[test]
fn a_hook_or_a_task_definition_that_is_not_there_fails_the_deployment() {
    let mut world = world();
    let id = deploy(&mut world, &["BeforeInstall"]);
    later(&mut world, 3600);
    let remove = testing::call("lambda", "DeleteFunction", json!({ "FunctionName": "hook" }));
    crate::services::answer(&mut world, &remove).unwrap();

    let without_hook = deploy(&mut world, &["BeforeInstall"]);
    let mut parameters = json!({ "applicationName": "shop", "deploymentGroupName": "web" });
    parameters["revision"] = content::bare("other:1");
    let without_tasks = asked(&mut world, "CreateDeployment", parameters);

    for (id, word) in [
        (id.as_str(), "within an hour"),
        (without_hook.as_str(), "function hook"),
        (without_tasks["deploymentId"].as_str().unwrap(), "task definition other:1"),
    ] {
        let deployment = world.codedeploy.deployment(id).unwrap();
        let (_, message) = deployment.error.clone().unwrap();
        assert_eq!(deployment.status(), "Failed");
        assert!(message.contains(word), "{message}");
    }
}
