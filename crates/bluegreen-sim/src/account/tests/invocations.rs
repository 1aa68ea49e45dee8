//! What functions outside the account are invoked with, under the paused clock.

use serde_json::{Value, json};

use super::*;
use crate::DeploymentGroup;

fn account() -> SimulatedAccount {
    let account = SimulatedAccount::new(Settings::default());
    account.world(|world| world.add_outside_function("hook", 60));
    account
}

fn invoke(kind: &str) -> wire::Request {
    wire::Request {
        uri: "/2015-03-31/functions/hook/invocations".to_owned(),
        content_type: String::new(),
        authorization: start().authorization.replace("/rds/", "/lambda/"),
        invocation_type: kind.to_owned(),
        body: br#"{"ask":1}"#.to_vec(),
        ..start()
    }
}

fn header<'a>(answer: &'a wire::Response, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(it, _)| *it == name).map(|(_, it)| it.as_str())
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_for_what_the_function_outside_answers() {
    let account = account();
    for (answer, body, error) in [
        (Ok(r#"{"told":2}"#.to_owned()), r#"{"told":2}"#, None),
        (Err("no database".to_owned()), r#"{"errorMessage":"no database"}"#, Some("Unhandled")),
    ] {
        let caller = account.answer(invoke("RequestResponse"));
        let function = async {
            let invocation = account.next_invocation().await;
            pause(Duration::from_secs(7)).await;
            account.answer_invocation(invocation.clone(), answer);
            invocation
        };

        let (told, invocation) = tokio::join!(caller, function);

        let told = told.unwrap();
        assert_eq!(
            (invocation.function.as_str(), invocation.payload.as_str()),
            ("hook", r#"{"ask":1}"#)
        );
        assert_eq!(
            (told.status, String::from_utf8(told.body.clone()).unwrap().as_str()),
            (200, body)
        );
        assert_eq!(header(&told, "x-amz-function-error"), error);
    }
    assert!(account.elapsed() >= Duration::from_secs(14), "{:?}", account.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_function_that_takes_longer_than_its_timeout_has_failed_and_what_it_says_then_is_lost() {
    let account = account();
    let caller = account.answer(invoke(""));
    let function = async {
        let invocation = account.next_invocation_of("hook").await;
        pause(Duration::from_secs(61)).await;
        account.answer_invocation(invocation, Ok("{}".to_owned()));
    };

    let (told, ()) = tokio::join!(caller, function);

    let told = told.unwrap();
    assert_eq!(header(&told, "x-amz-function-error"), Some("Unhandled"));
    assert!(String::from_utf8(told.body).unwrap().contains("timed out after 60.00 seconds"));
}

#[tokio::test(start_paused = true)]
async fn an_asynchronous_invocation_that_fails_is_tried_again_after_one_minute_and_after_two() {
    let account = account();

    let answer = account.answer(invoke("Event")).await.unwrap();
    let mut tries = Vec::new();
    for _ in 0..3 {
        let invocation = account.next_invocation().await;
        tries.push((invocation.attempt, account.elapsed().as_secs()));
        account.answer_invocation(invocation, Err("no database".to_owned()));
    }
    pause(Duration::from_secs(3600)).await;

    assert_eq!((answer.status, answer.body.as_slice()), (202, &b""[..]));
    assert_eq!(tries, [(1, 0), (2, 60), (3, 180)]);
    assert!(account.world(|world| world.take_invocation(None)).is_none());
    account.world(|world| assert!(world.lambda.invocations("hook").all(|it| it.failed)));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_invokes_its_function_again_and_again() {
    let account = account();
    let every = Duration::from_secs(300);
    account.world(|world| world.add_schedule("hook", r#"{"source":"reconciler"}"#, every));

    let mut seen = Vec::new();
    for _ in 0..3 {
        let invocation = account.next_invocation().await;
        seen.push(account.elapsed().as_secs());
        account.answer_invocation(invocation, Ok("null".to_owned()));
    }

    assert_eq!(seen, [300, 600, 900]);
}

/// Answers every hook of CodeDeploy as `report` says of its number, from 0, until `until` is so.
async fn hooks(
    account: &SimulatedAccount,
    report: impl Fn(usize) -> &'static str,
    until: impl Fn(&World) -> bool,
) {
    for number in 0.. {
        let next = tokio::time::timeout(Duration::from_secs(600), account.next_invocation()).await;
        let Ok(invocation) = next else {
            if account.world(|world| until(world)) {
                return;
            }
            panic!("nothing happens any more");
        };
        let event: Value = serde_json::from_str(&invocation.payload).unwrap();
        let body = json!({
            "deploymentId": event["DeploymentId"],
            "lifecycleEventHookExecutionId": event["LifecycleEventHookExecutionId"],
            "status": report(number),
        });
        let told = code_deploy(account, "PutLifecycleEventHookExecutionStatus", &body).await;
        assert_eq!(told.status, 200);
        account.answer_invocation(invocation, Ok("null".to_owned()));
    }
}

async fn code_deploy(account: &SimulatedAccount, operation: &str, body: &Value) -> wire::Response {
    let request = wire::Request {
        target: format!("CodeDeploy_20141006.{operation}"),
        content_type: "application/x-amz-json-1.1".to_owned(),
        authorization: start().authorization.replace("/rds/", "/codedeploy/"),
        body: body.to_string().into_bytes(),
        ..start()
    };
    account.answer(request).await.unwrap()
}

async fn deploy(account: &SimulatedAccount) {
    account.world(|world| {
        for stack in ["a", "b"] {
            world.add_task_definition_with("web", "web", &[("STACK", stack)], &[]);
        }
        world.add_service("shop", "web", 2);
        world.deploy_by_code_deploy("shop", "web", "web:1");
        world.add_deployment_group("shop", "web", DeploymentGroup::of("shop", "web"));
    });
    let events = [
        "BeforeInstall",
        "AfterInstall",
        "AfterAllowTestTraffic",
        "BeforeAllowTraffic",
        "AfterAllowTraffic",
    ];
    let hooks: Vec<_> = events.iter().map(|it| json!({ *it: "hook" })).collect();
    let service =
        json!({ "Type": "AWS::ECS::Service", "Properties": { "TaskDefinition": "web:2" } });
    let content =
        json!({ "Resources": [{ "TargetService": service }], "Hooks": hooks }).to_string();
    let body = json!({
        "applicationName": "shop",
        "deploymentGroupName": "web",
        "revision": { "revisionType": "AppSpecContent", "appSpecContent": { "content": content } },
    });
    assert_eq!(code_deploy(account, "CreateDeployment", &body).await.status, 200);
}

fn statuses(account: &SimulatedAccount) -> Vec<(String, &'static str)> {
    let shown = |it: &crate::Deployment| (it.creator.clone(), it.status());
    account.world(|world| world.codedeploy.deployments().map(shown).collect())
}

fn definition(account: &SimulatedAccount) -> String {
    account.world(|world| world.ecs.services().next().unwrap().definition().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_whole_deployment_of_code_deploy_is_driven_by_its_hooks() {
    let account = account();
    deploy(&account).await;

    hooks(&account, |_| "Succeeded", |world| world.lambda.invocations("hook").count() == 5).await;

    assert_eq!(statuses(&account), [("user".to_owned(), "Succeeded")]);
    assert!(definition(&account).ends_with("web:2"));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_brings_the_service_back() {
    let account = account();
    deploy(&account).await;
    let report = |number| if number == 3 { "Failed" } else { "Succeeded" };

    hooks(&account, report, |world| world.lambda.invocations("hook").count() == 4).await;

    let expected = [("user".to_owned(), "Failed"), ("codeDeployRollback".to_owned(), "Succeeded")];
    assert_eq!(statuses(&account), expected);
    assert!(definition(&account).ends_with("web:1"));
}
