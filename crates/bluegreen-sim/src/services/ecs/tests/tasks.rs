//! Tasks that run alone.

use super::*;

fn with_definition() -> World {
    let mut world = world();
    world.add_task_definition("migrate");
    world
}

fn run(world: &mut World, more: Value) -> Answer {
    let mut parameters = json!({ "cluster": "shop", "taskDefinition": "migrate" });
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer(world, &call("ecs", "RunTask", parameters))
}

fn describe(world: &mut World, task: &Value) -> Value {
    let parameters = json!({ "cluster": "shop", "tasks": [task["taskArn"]] });
    answer(world, &call("ecs", "DescribeTasks", parameters)).unwrap()
}

fn at(world: &mut World, seconds: u64, task: &Value) -> Value {
    world.advance(Duration::from_secs(seconds));
    describe(world, task)["tasks"][0].clone()
}

#[test]
fn a_task_gets_ready_runs_and_ends_with_the_exit_code_of_its_containers() {
    let mut world = with_definition();
    let lasts = Duration::from_secs(100);
    world.set_task_run("migrate", TaskRun { exit_code: Some(3), lasts, failure: None });

    let task = run(&mut world, json!({})).unwrap()["tasks"][0].clone();
    let seen = [2, 6, 11, 109, 110].map(|it| at(&mut world, it, &task));

    assert_eq!(task["lastStatus"], "PROVISIONING");
    let states = seen.clone().map(|it| it["lastStatus"].as_str().unwrap().to_owned());
    assert_eq!(states, ["PROVISIONING", "PENDING", "RUNNING", "RUNNING", "STOPPED"]);
    assert!(seen[3]["containers"][0]["exitCode"].is_null());
    assert_eq!(seen[4]["containers"][0]["exitCode"], 3);
    assert_eq!(
        (&seen[4]["stopCode"], &seen[4]["desiredStatus"]),
        (&json!("EssentialContainerExited"), &json!("STOPPED"))
    );
}

#[test]
fn a_task_ends_well_after_half_a_minute_unless_something_else_was_said() {
    let mut world = with_definition();
    let task = run(&mut world, json!({})).unwrap()["tasks"][0].clone();

    let running = at(&mut world, 39, &task);
    let stopped = at(&mut world, 40, &task);

    assert_eq!(running["lastStatus"], "RUNNING");
    assert_eq!(stopped["containers"][0]["exitCode"], 0);
}

#[test]
fn a_task_that_takes_no_time_has_ended_when_the_call_is_answered() {
    let mut world = with_definition();
    world.times = Times::instant();
    let lasts = Duration::ZERO;
    world.set_task_run("migrate", TaskRun { lasts, ..TaskRun::default() });

    let task = run(&mut world, json!({})).unwrap()["tasks"][0].clone();

    assert_eq!(describe(&mut world, &task)["tasks"][0]["lastStatus"], "STOPPED");
}

#[test]
fn a_task_whose_containers_never_run_has_no_exit_code() {
    let mut world = with_definition();
    world.set_task_run("migrate", TaskRun { exit_code: None, ..TaskRun::default() });
    let task = run(&mut world, json!({})).unwrap()["tasks"][0].clone();

    let stopped = at(&mut world, 60, &task);

    assert_eq!(
        (&stopped["lastStatus"], &stopped["stopCode"]),
        (&json!("STOPPED"), &json!("TaskFailedToStart"))
    );
    assert!(stopped["containers"][0]["exitCode"].is_null());
}

#[test]
fn a_task_is_known_to_readers_late_and_no_longer_an_hour_after_it_stopped() {
    let mut world = with_definition();
    let task = run(&mut world, json!({})).unwrap()["tasks"][0].clone();

    let early = describe(&mut world, &task);
    let there = at(&mut world, 2, &task);
    world.advance(Duration::from_secs(40 + 3599));
    let last = describe(&mut world, &task);
    world.advance(Duration::from_secs(40 + 3600));
    let gone = describe(&mut world, &task);

    assert_eq!(early["failures"], json!([{ "arn": task["taskArn"], "reason": "MISSING" }]));
    assert_eq!(there["taskArn"], task["taskArn"]);
    assert_eq!(last["tasks"][0]["lastStatus"], "STOPPED");
    assert_eq!(gone["failures"][0]["reason"], "MISSING");
}

#[test]
fn the_same_token_is_the_same_task_and_another_call_with_it_is_refused() {
    let mut world = with_definition();
    let token = json!({ "clientToken": "one", "startedBy": "r-1" });

    let first = run(&mut world, token.clone()).unwrap();
    world.advance(Duration::from_secs(60));
    let again = run(&mut world, token.clone()).unwrap();
    let other = run(&mut world, json!({ "clientToken": "one", "startedBy": "r-2" })).unwrap_err();
    world.advance(Duration::from_secs(24 * 3600));
    let next_day = run(&mut world, token).unwrap();

    assert_eq!(again["tasks"][0]["taskArn"], first["tasks"][0]["taskArn"]);
    assert_eq!(again["tasks"][0]["lastStatus"], "STOPPED");
    assert_eq!(other.code, "ConflictException");
    assert_ne!(next_day["tasks"][0]["taskArn"], first["tasks"][0]["taskArn"]);
    assert_eq!(world.ecs.tasks().count(), 2);
}

#[test]
fn what_started_a_task_and_its_environment_are_kept() {
    let mut world = with_definition();
    let environment = json!([{ "name": "STACK", "value": "b" }]);
    let overrides = |name: &str| json!({ "containerOverrides": [{ "name": name, "environment": environment }] });

    run(&mut world, json!({ "startedBy": "r-1", "overrides": overrides("main"), "count": 2 }))
        .unwrap();
    let stranger = run(&mut world, json!({ "overrides": overrides("other") })).unwrap_err();

    assert_eq!(stranger.code, "InvalidParameterException");
    assert_eq!(world.ecs.tasks().count(), 2);
    for task in world.ecs.tasks() {
        assert_eq!((task.started_by.as_deref(), task.family.as_str()), (Some("r-1"), "migrate"));
        assert_eq!((task.environment("STACK"), task.environment("OTHER")), (Some("b"), None));
    }
}

#[test]
fn what_cannot_be_started_is_a_failure_in_a_good_answer_and_what_is_not_there_is_refused() {
    let mut world = with_definition();
    let failure = Some("RESOURCE:MEMORY".to_owned());
    world.set_task_run("migrate", TaskRun { failure, ..TaskRun::default() });

    let failed = run(&mut world, json!({ "clientToken": "one" })).unwrap();
    world.set_task_run("migrate", TaskRun::default());
    let later = run(&mut world, json!({ "clientToken": "one" })).unwrap();

    assert_eq!(failed, json!({ "tasks": [], "failures": [{ "reason": "RESOURCE:MEMORY" }] }));
    assert_eq!(later["tasks"].as_array().unwrap().len(), 1);
    for (more, code) in [
        (json!({ "taskDefinition": "lost" }), "ClientException"),
        (json!({ "taskDefinition": "migrate:2" }), "ClientException"),
        (json!({ "taskDefinition": "migrate:0" }), "ClientException"),
        (json!({ "cluster": "lost" }), "ClusterNotFoundException"),
        (json!({ "count": 11 }), "InvalidParameterException"),
        (json!({ "startedBy": "x".repeat(129) }), "InvalidParameterException"),
    ] {
        assert_eq!(run(&mut world, more.clone()).unwrap_err().code, code, "{more}");
    }
}

#[test]
fn without_a_revision_the_last_one_runs() {
    let mut world = with_definition();
    let container = json!([{ "name": "app" }]);
    let define = json!({ "family": "migrate", "containerDefinitions": container });
    answer(&mut world, &call("ecs", "RegisterTaskDefinition", define)).unwrap();

    let last = run(&mut world, json!({})).unwrap();
    let first = run(&mut world, json!({ "taskDefinition": "migrate:1" })).unwrap();

    let names = [last, first].map(|it| it["tasks"][0]["containers"][0]["name"].clone());
    assert_eq!(names, [json!("app"), json!("main")]);
}

#[test]
fn a_definition_is_described_with_its_containers_and_one_that_is_not_there_is_refused() {
    let mut world = with_definition();
    world.add_task_revision("migrate", 7);
    let environment = json!([{ "name": "STACK", "value": "b" }]);
    let app = json!({ "name": "app", "image": "app:1", "environment": environment });
    let containers = json!([app, { "name": "log", "essential": false }]);
    let define = json!({ "family": "migrate", "containerDefinitions": containers });
    let registered = answer(&mut world, &call("ecs", "RegisterTaskDefinition", define)).unwrap();
    let mut describe = |definition: &str| {
        let parameters = json!({ "taskDefinition": definition });
        answer(&mut world, &call("ecs", "DescribeTaskDefinition", parameters))
    };

    let last = describe("migrate").unwrap();
    let seventh = describe("migrate:7").unwrap()["taskDefinition"].clone();
    let lost = ["lost", "migrate:2", "migrate:0"].map(|it| describe(it).unwrap_err());

    assert_eq!(last, registered);
    assert_eq!((&last["taskDefinition"]["revision"], &seventh["revision"]), (&json!(8), &json!(7)));
    let shown = |name: &str, essential: bool, image: Value, environment: &Value| json!({ "name": name, "essential": essential, "image": image, "environment": environment });
    let app = shown("app", true, json!("app:1"), &environment);
    let log = shown("log", false, Value::Null, &json!([]));
    let main = shown("main", true, Value::Null, &json!([]));
    assert_eq!(last["taskDefinition"]["containerDefinitions"], json!([app, log]));
    assert_eq!(seventh["status"], "ACTIVE");
    assert_eq!(seventh["containerDefinitions"], json!([main]));
    for refusal in lost {
        let expected = Refusal::bad("ClientException", "Unable to describe task definition.");
        assert_eq!(refusal, expected);
    }
}

#[test]
fn a_task_that_somebody_stops_ends_as_it_is_told_to_and_once() {
    let mut world = with_definition();
    let task = run(&mut world, json!({})).unwrap()["tasks"][0].clone();
    world.advance(Duration::from_secs(20));
    let stop = |world: &mut World, task: &Value| {
        let parameters = json!({ "cluster": "shop", "task": task, "reason": "enough" });
        answer(world, &call("ecs", "StopTask", parameters))
    };

    stop(&mut world, &task["taskArn"]).unwrap();
    world.advance(Duration::from_secs(22));
    let again = stop(&mut world, &task["taskArn"]).unwrap();
    let stopping = at(&mut world, 24, &task);
    let stopped = at(&mut world, 25, &task);
    let lost = stop(&mut world, &json!("lost")).unwrap_err();

    assert_eq!(again["task"]["lastStatus"], "RUNNING");
    assert_eq!(
        (&stopping["lastStatus"], &stopping["desiredStatus"]),
        (&json!("RUNNING"), &json!("STOPPED"))
    );
    assert_eq!(
        (&stopped["stopCode"], &stopped["stoppedReason"]),
        (&json!("UserInitiated"), &json!("enough"))
    );
    assert_eq!(stopped["containers"][0]["exitCode"], 143);
    assert_eq!(lost.code, "InvalidParameterException");
}

#[test]
fn policies_know_what_a_call_about_tasks_is_for() {
    let mut world = with_definition();
    world.add_task_definition("migrate");
    let concerns = |operation: &str, parameters: Value| {
        concerns(&world, &call("ecs", operation, parameters)).0
    };
    let resources = |operation: &str, parameters: Value| {
        let concerns = concerns(operation, parameters);
        let given = concerns.iter().all(|it| it.conditions.contains_key("ecs:cluster"));
        assert!(given, "{concerns:?}");
        concerns.into_iter().map(|it| it.resource).collect::<Vec<_>>()
    };

    let run = concerns("RunTask", json!({ "cluster": "shop", "taskDefinition": "migrate" }));
    let describe = resources("DescribeTasks", json!({ "cluster": "shop", "tasks": ["1", "2"] }));
    let stop = resources("StopTask", json!({ "cluster": "shop", "task": "1" }));
    let look = concerns("DescribeTaskDefinition", json!({ "taskDefinition": "migrate" }));

    let arn = |it: &str| world.arn("ecs", it);
    let [start, pass] = run.as_slice() else { panic!("{run:?}") };
    assert_eq!((&start.action, &start.resource), (&None, &arn("task-definition/migrate:2")));
    assert!(start.conditions.contains_key("ecs:cluster"), "{start:?}");
    assert_eq!(pass.action.as_deref(), Some("iam:PassRole"));
    assert_eq!(pass.resource, "arn:aws:iam::123456789012:role/migrate");
    assert_eq!(pass.conditions["iam:PassedToService"], ["ecs-tasks.amazonaws.com"]);
    assert_eq!(pass.conditions.len(), 1);
    assert_eq!(describe, [arn("task/shop/1"), arn("task/shop/2")]);
    assert_eq!(stop, [arn("task/shop/1")]);
    assert_eq!(look, Concerns::everything().0);
}
