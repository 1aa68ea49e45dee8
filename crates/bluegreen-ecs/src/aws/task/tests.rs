//! What [`AwsEcsTaskToolkit`] sends, and how it reads the answers.

use std::sync::Arc;

use aws_sdk_ecs::operation::run_task::RunTaskInput;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use bluegreen_core::{Pair, StackReference::B};
use serde_json::{Value, json};

use super::*;

const TASK: &str = "arn:aws:ecs:eu-west-1:123456789012:task/shop/0f1e";
const DEFINITION: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/migrate-b:7";

fn config() -> EcsTaskConfig {
    EcsTaskConfig {
        cluster: "shop".to_owned(),
        definitions: Pair { a: "migrate-a:7".to_owned(), b: "migrate-b:7".to_owned() },
        launch_type: None,
        subnets: Vec::new(),
        security_groups: Vec::new(),
        assign_public_ip: None,
    }
}

fn toolkit_of(config: EcsTaskConfig, rules: &[&Rule]) -> Arc<dyn EcsTaskToolkit> {
    let client = mock_client!(aws_sdk_ecs, RuleMode::MatchAny, rules);
    Arc::new(AwsEcsTaskToolkit::from_client(client, config).unwrap())
}

fn toolkit(rules: &[&Rule]) -> Arc<dyn EcsTaskToolkit> {
    toolkit_of(config(), rules)
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}

fn refusal(code: &str, message: &str) -> HttpResponse {
    answer(400, &json!({ "__type": code, "message": message }))
}

fn run() -> TaskRun {
    TaskRun {
        token: "20261126-1".to_owned(),
        started_by: "bluegreen/20261126".to_owned(),
        environment: vec![("BLUEGREEN_STACK".to_owned(), "b".to_owned())],
        containers: vec!["migrate".to_owned()],
    }
}

fn runs(body: Value) -> Rule {
    mock!(Client::run_task).then_http_response(move || answer(200, &body))
}

fn shows(body: Value) -> Rule {
    mock!(Client::describe_tasks)
        .match_requests(|it| it.cluster() == Some("shop") && it.tasks() == [TASK])
        .then_http_response(move || answer(200, &body))
}

fn defines(changes: Value) -> Rule {
    let mut definition = json!({
        "taskDefinitionArn": DEFINITION,
        "status": "ACTIVE",
        "containerDefinitions": [
            { "name": "migrate", "essential": true },
            { "name": "log", "essential": false },
            { "name": "proxy" },
        ],
    });
    for (key, value) in changes.as_object().unwrap() {
        definition[key] = value.clone();
    }
    let body = json!({ "taskDefinition": definition });
    mock!(Client::describe_task_definition)
        .match_requests(|it| it.task_definition() == Some("migrate-b:7"))
        .then_http_response(move || answer(200, &body))
}

#[tokio::test]
async fn a_definition_is_read_with_its_essential_containers() {
    let found = toolkit(&[&defines(json!({}))]).task_definition(B).await.unwrap();

    let essential = ["migrate", "proxy"].map(str::to_owned).to_vec();
    assert_eq!(found, TaskDefinition { arn: DEFINITION.to_owned(), essential });
}

#[tokio::test]
async fn a_definition_that_was_deregistered_is_not_there() {
    let err =
        toolkit(&[&defines(json!({ "status": "INACTIVE" }))]).task_definition(B).await.unwrap_err();

    assert!(err.is_absent(), "{err:?}");
    assert!(err.to_string().contains("task definition `migrate-b:7`"), "{err}");
}

#[tokio::test]
async fn a_definition_whose_container_has_no_name_is_incomplete() {
    let nameless = defines(json!({ "containerDefinitions": [{ "essential": true }] }));

    let err = toolkit(&[&nameless]).task_definition(B).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { operation: DESCRIBE_DEFINITION, .. }), "{err:?}");
}

#[tokio::test]
async fn a_missing_definition_and_a_missing_cluster_are_named() {
    let gone = mock!(Client::describe_task_definition)
        .then_http_response(|| refusal("ClientException", "Unable to describe task definition."));
    let no_cluster = mock!(Client::run_task)
        .then_http_response(|| refusal("ClusterNotFoundException", "Cluster not found."));
    let inactive = mock!(Client::run_task)
        .then_http_response(|| refusal("InvalidParameterException", "TaskDefinition is inactive"));

    let definition = toolkit(&[&gone]).task_definition(B).await.unwrap_err();
    let cluster = toolkit(&[&no_cluster]).run_task(B, run()).await.unwrap_err();
    let old = toolkit(&[&inactive]).run_task(B, run()).await.unwrap_err();

    assert_eq!(definition.to_string(), "task definition `migrate-b:7` does not exist");
    assert_eq!(cluster.to_string(), "ECS cluster `shop` does not exist");
    assert!(old.is_absent(), "{old:?}");
}

#[tokio::test]
async fn a_role_that_must_not_be_passed_on_is_told_from_a_task_that_must_not_be_run() {
    let denied = |action: &'static str| {
        mock!(Client::run_task).then_http_response(move || {
            let words = format!("User: u is not authorized to perform: {action} on resource: r");
            refusal("AccessDeniedException", &words)
        })
    };

    let pass = toolkit(&[&denied("iam:PassRole")]).run_task(B, run()).await.unwrap_err();
    let start = toolkit(&[&denied("ecs:RunTask")]).run_task(B, run()).await.unwrap_err();

    assert!(matches!(pass, Error::AccessDenied { operation: PASS_ROLE, .. }), "{pass:?}");
    assert!(matches!(start, Error::AccessDenied { operation: RUN_TASK, .. }), "{start:?}");
}

#[tokio::test]
async fn a_task_is_run_once_with_token_environment_and_nothing_else() {
    let variable = KeyValuePair::builder().name("BLUEGREEN_STACK").value("b").build();
    let container = ContainerOverride::builder().name("migrate").environment(variable).build();
    let expected = RunTaskInput::builder()
        .cluster("shop")
        .task_definition("migrate-b:7")
        .count(1)
        .client_token("20261126-1")
        .started_by("bluegreen/20261126")
        .overrides(TaskOverride::builder().container_overrides(container).build())
        .build()
        .unwrap();
    let rule = mock!(Client::run_task)
        .match_requests(move |it| *it == expected)
        .then_http_response(|| {
            answer(200, &json!({ "tasks": [{ "taskArn": TASK, "lastStatus": "PROVISIONING" }] }))
        });

    let task = toolkit(&[&rule]).run_task(B, run()).await.unwrap();

    assert_eq!((task.arn.as_str(), task.status.as_str()), (TASK, "PROVISIONING"));
    assert!(!task.has_stopped());
}

#[tokio::test]
async fn a_task_runs_in_the_network_and_on_the_capacity_that_the_configuration_says() {
    let config = EcsTaskConfig {
        launch_type: Some(LaunchType::Fargate),
        subnets: vec!["subnet-1".to_owned()],
        security_groups: vec!["sg-1".to_owned()],
        assign_public_ip: Some(false),
        ..config()
    };
    let rule = mock!(Client::run_task)
        .match_requests(|it| {
            let vpc = it.network_configuration().and_then(|it| it.awsvpc_configuration());
            it.launch_type() == Some(&types::LaunchType::Fargate)
                && vpc.is_some_and(|it| {
                    it.subnets() == ["subnet-1"]
                        && it.security_groups() == ["sg-1"]
                        && it.assign_public_ip() == Some(&AssignPublicIp::Disabled)
                })
        })
        .then_http_response(|| {
            answer(200, &json!({ "tasks": [{ "taskArn": TASK, "lastStatus": "PENDING" }] }))
        });

    toolkit_of(config, &[&rule]).run_task(B, run()).await.unwrap();

    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn a_want_of_room_passes_and_another_failure_does_not() {
    let full = json!({ "tasks": [], "failures": [{ "reason": "RESOURCE:MEMORY" }] });
    let wrong = json!({ "tasks": [], "failures": [{ "reason": "ATTRIBUTE", "detail": "x86" }] });

    let full = toolkit(&[&runs(full)]).run_task(B, run()).await.unwrap_err();
    let wrong = toolkit(&[&runs(wrong)]).run_task(B, run()).await.unwrap_err();
    let empty = toolkit(&[&runs(json!({}))]).run_task(B, run()).await.unwrap_err();

    assert!(full.is_transient(), "{full:?}");
    assert!(matches!(wrong, Error::Aws { transient: false, .. }), "{wrong:?}");
    assert!(matches!(empty, Error::Incomplete { operation: RUN_TASK, .. }), "{empty:?}");
}

#[tokio::test]
async fn a_stopped_task_is_read_with_the_codes_of_its_containers() {
    let rule = shows(json!({ "tasks": [{
        "taskArn": TASK,
        "lastStatus": "STOPPED",
        "stoppedReason": "Essential container in task exited",
        "containers": [{ "name": "migrate", "exitCode": 3 }, { "name": "log", "reason": "OOM" }],
    }] }));

    let task = toolkit(&[&rule]).task(TASK).await.unwrap().unwrap();

    assert!(task.has_stopped());
    assert_eq!(task.stopped_reason.as_deref(), Some("Essential container in task exited"));
    let container = |name: &str, exit_code, reason: Option<&str>| Container {
        name: name.to_owned(),
        exit_code,
        reason: reason.map(str::to_owned),
    };
    assert_eq!(
        task.containers,
        [container("migrate", Some(3), None), container("log", None, Some("OOM"))]
    );
}

#[tokio::test]
async fn a_task_that_ecs_does_not_know_is_none_and_an_empty_answer_is_not() {
    let missing = shows(json!({ "tasks": [], "failures": [{ "reason": "MISSING" }] }));
    let failed = shows(json!({ "tasks": [], "failures": [{ "reason": "SOMETHING" }] }));

    assert_eq!(toolkit(&[&missing]).task(TASK).await.unwrap(), None);
    let err = toolkit(&[&failed]).task(TASK).await.unwrap_err();
    assert!(matches!(err, Error::Aws { transient: false, .. }), "{err:?}");
    let err = toolkit(&[&shows(json!({}))]).task(TASK).await.unwrap_err();
    assert!(matches!(err, Error::Incomplete { operation: DESCRIBE_TASKS, .. }), "{err:?}");
    let err = toolkit(&[&shows(json!({ "tasks": [{ "taskArn": TASK }] }))]).task(TASK).await;
    assert!(matches!(err, Err(Error::Incomplete { missing: "the task's status", .. })), "{err:?}");
}
