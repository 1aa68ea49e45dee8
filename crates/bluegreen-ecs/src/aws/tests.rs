//! What [`AwsEcsToolkit`] sends, and how it reads the answers.

mod scaling;

use std::sync::Arc;

use aws_sdk_ecs::operation::update_service::{UpdateServiceInput, UpdateServiceOutput};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use bluegreen_core::{
    Pair,
    StackReference::{A, B},
};
use serde_json::{Value, json};

use super::*;

const NONE: Suspended = Suspended { dynamic_in: false, dynamic_out: false, scheduled: false };

fn config() -> EcsConfig {
    EcsConfig {
        cluster: "shop".to_owned(),
        services: Pair { a: "worker-a".to_owned(), b: "worker-b".to_owned() },
    }
}

const TASK_DEFINITION: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/worker:7";

fn toolkit(ecs: &[&Rule], scaling: &[&Rule]) -> AwsEcsToolkit {
    let ecs = mock_client!(aws_sdk_ecs, RuleMode::MatchAny, ecs);
    let scaling = mock_client!(aws_sdk_applicationautoscaling, RuleMode::MatchAny, scaling);
    AwsEcsToolkit::from_clients(ecs, scaling, config()).unwrap()
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}

fn refusal(status: u16, code: &str, message: &str) -> HttpResponse {
    answer(status, &json!({ "__type": code, "message": message }))
}

/// The service `worker-b` with four tasks, as AWS describes it; `changes` are laid over it.
fn described(changes: Value) -> Rule {
    let mut service = json!({
        "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/shop/worker-b",
        "serviceName": "worker-b",
        "status": "ACTIVE",
        "desiredCount": 4,
        "runningCount": 4,
        "pendingCount": 0,
        "schedulingStrategy": "REPLICA",
        "taskDefinition": TASK_DEFINITION,
        "launchType": "FARGATE",
        "deploymentController": { "type": "ECS" },
        "deployments": [{ "status": "PRIMARY", "rolloutState": "COMPLETED" }],
    });
    for (key, value) in changes.as_object().unwrap() {
        service[key] = value.clone();
    }
    let body = json!({ "services": [service], "failures": [] });
    mock!(Client::describe_services)
        .match_requests(|it| it.cluster() == Some("shop") && it.services() == ["worker-b"])
        .then_http_response(move || answer(200, &body))
}

fn answers_describe(body: Value) -> Rule {
    mock!(Client::describe_services).then_http_response(move || answer(200, &body))
}

fn target(id: &str, dimension: &str, minimum: i32, maximum: i32, suspended: Suspended) -> Value {
    json!({
        "ServiceNamespace": "ecs",
        "ResourceId": id,
        "ScalableDimension": dimension,
        "MinCapacity": minimum,
        "MaxCapacity": maximum,
        "RoleARN": "arn:aws:iam::123456789012:role/x",
        "CreationTime": 1_700_000_000,
        "SuspendedState": {
            "DynamicScalingInSuspended": suspended.dynamic_in,
            "DynamicScalingOutSuspended": suspended.dynamic_out,
            "ScheduledScalingSuspended": suspended.scheduled,
        },
    })
}

fn scaled(suspended: Suspended) -> Value {
    target("service/shop/worker-b", "ecs:service:DesiredCount", 2, 8, suspended)
}

fn lists(targets: Vec<Value>) -> Rule {
    let body = json!({ "ScalableTargets": targets });
    mock!(ScalingClient::describe_scalable_targets)
        .match_requests(|it| {
            it.service_namespace() == Some(&ServiceNamespace::Ecs)
                && it.resource_ids() == ["service/shop/worker-b"]
                && it.scalable_dimension() == Some(&ScalableDimension::EcsServiceDesiredCount)
        })
        .then_http_response(move || answer(200, &body))
}

/// Takes exactly this update of a service.
fn updates(service: &str, tasks: i32) -> Rule {
    let expected = UpdateServiceInput::builder()
        .cluster("shop")
        .service(service)
        .desired_count(tasks)
        .build()
        .unwrap();
    mock!(Client::update_service)
        .match_requests(move |it| *it == expected)
        .then_output(|| UpdateServiceOutput::builder().build())
}

async fn looks(changes: Value) -> Service {
    toolkit(&[&described(changes)], &[&lists(vec![])]).service(B).await.unwrap()
}

async fn update_refused(status: u16, code: &'static str, message: &'static str) -> Error {
    let rule =
        mock!(Client::update_service).then_http_response(move || refusal(status, code, message));
    toolkit(&[&rule], &[]).enable_service(B, 4).await.unwrap_err()
}

#[tokio::test]
async fn enabling_sends_cluster_service_and_count_and_nothing_else() {
    let a = updates("worker-a", 4);
    let b = updates("worker-b", 7);

    toolkit(&[&a], &[]).enable_service(A, 4).await.unwrap();
    toolkit(&[&b], &[]).enable_service(B, 7).await.unwrap();

    assert_eq!((a.num_calls(), b.num_calls()), (1, 1));
}

#[tokio::test]
async fn disabling_sends_a_count_of_zero_and_nothing_else() {
    let a = updates("worker-a", 0);
    let b = updates("worker-b", 0);

    toolkit(&[&a], &[]).disable_service(A).await.unwrap();
    toolkit(&[&b], &[]).disable_service(B).await.unwrap();

    assert_eq!((a.num_calls(), b.num_calls()), (1, 1));
}

#[tokio::test]
async fn a_service_is_read_with_its_scaling() {
    let suspended = Suspended { dynamic_in: true, ..NONE };
    let toolkit = toolkit(&[&described(json!({}))], &[&lists(vec![scaled(suspended)])]);

    let service = toolkit.service(B).await.unwrap();

    assert_eq!(
        service,
        Service {
            name: "worker-b".to_owned(),
            arn: "arn:aws:ecs:eu-west-1:123456789012:service/shop/worker-b".to_owned(),
            desired: 4,
            running: 4,
            pending: 0,
            controller: "ECS".to_owned(),
            task_definition: Some(TASK_DEFINITION.to_owned()),
            launch_type: Some("FARGATE".to_owned()),
            is_daemon: false,
            steady: true,
            deployment_failed: false,
            scaling: Some(ServiceScaling { minimum: 2, maximum: 8, suspended }),
        }
    );
}

#[tokio::test]
async fn enabling_returns_at_once_and_the_service_tells_when_it_is_steady() {
    let body = |running| {
        json!({ "services": [{
            "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/shop/worker-b",
            "serviceName": "worker-b",
            "status": "ACTIVE",
            "desiredCount": 4,
            "runningCount": running,
            "pendingCount": 4 - running,
            "deployments": [{ "status": "PRIMARY", "rolloutState": "COMPLETED" }],
        }] })
    };
    let (starting, started) = (body(1), body(4));
    let update = updates("worker-b", 4);
    let describe = mock!(Client::describe_services)
        .sequence()
        .http_response(move || answer(200, &starting))
        .http_response(move || answer(200, &started))
        .build();
    let toolkit = toolkit(&[&update, &describe], &[&lists(vec![])]);

    toolkit.enable_service(B, 4).await.unwrap();
    let looks_while_enabling = describe.num_calls();
    let first = toolkit.service(B).await.unwrap();
    let second = toolkit.service(B).await.unwrap();

    assert_eq!(looks_while_enabling, 0);
    assert_eq!((first.steady, first.running, first.pending), (false, 1, 3));
    assert!(second.steady);
}

#[tokio::test]
async fn a_service_named_among_the_failures_does_not_exist() {
    let rule = answers_describe(json!({
        "services": [],
        "failures": [{ "arn": "arn:aws:ecs:eu-west-1:123456789012:service/shop/worker-b", "reason": "MISSING" }],
    }));

    let err = toolkit(&[&rule], &[&lists(vec![])]).service(B).await.unwrap_err();

    assert!(
        matches!(&err, Error::NotFound { resource } if resource == "service `worker-b`"),
        "{err:?}"
    );
}

#[tokio::test]
async fn a_failure_of_another_kind_does_not_read_as_a_missing_service() {
    let rule = answers_describe(json!({ "failures": [{ "reason": "INTERNAL", "detail": "x" }] }));

    let err = toolkit(&[&rule], &[&lists(vec![])]).service(B).await.unwrap_err();

    assert!(matches!(&err, Error::Aws { source, .. } if source.to_string() == "INTERNAL: x"));
}

#[tokio::test]
async fn a_deleted_service_does_not_exist_and_a_draining_one_is_in_the_wrong_state() {
    let look = async |status: &str| {
        let describe = described(json!({ "status": status }));
        toolkit(&[&describe], &[&lists(vec![])]).service(B).await.unwrap_err()
    };

    let inactive = look("INACTIVE").await;
    let draining = look("DRAINING").await;

    assert!(matches!(inactive, Error::NotFound { .. }), "{inactive:?}");
    assert!(matches!(&draining, Error::WrongState { state, .. } if state == "`DRAINING`"));
}

#[tokio::test]
async fn an_answer_that_lacks_what_counts_is_incomplete() {
    let look =
        async |describe: Rule| match toolkit(&[&describe], &[&lists(vec![])]).service(B).await {
            Err(Error::Incomplete { missing, .. }) => missing,
            other => panic!("{other:?}"),
        };

    assert_eq!(look(answers_describe(json!({}))).await, "the service");
    let other = json!({ "services": [{ "serviceName": "worker-a", "status": "ACTIVE" }] });
    assert_eq!(look(answers_describe(other)).await, "the service");
    assert_eq!(look(described(json!({ "status": null }))).await, "the service's status");
    assert_eq!(look(described(json!({ "serviceArn": null }))).await, "the service's ARN");
    assert_eq!(look(described(json!({ "desiredCount": -1 }))).await, "the desired count");
    assert_eq!(look(described(json!({ "runningCount": -1 }))).await, "the running count");
    assert_eq!(look(described(json!({ "pendingCount": -1 }))).await, "the pending count");
}

#[tokio::test]
async fn a_service_of_ecs_is_steady_at_its_count_with_one_complete_deployment() {
    let complete = json!({ "status": "PRIMARY", "rolloutState": "COMPLETED" });
    let old = json!({ "status": "ACTIVE", "rolloutState": "COMPLETED" });
    let steady = async |changes| looks(changes).await.steady;

    assert!(steady(json!({})).await);
    assert!(steady(json!({ "deployments": [{ "status": "PRIMARY" }] })).await);
    assert!(!steady(json!({ "runningCount": 3 })).await);
    assert!(!steady(json!({ "runningCount": 5 })).await);
    assert!(!steady(json!({ "pendingCount": 1 })).await);
    assert!(!steady(json!({ "deployments": [complete, old] })).await);
    assert!(!steady(json!({ "deployments": [] })).await);
    let rolling = json!([{ "status": "PRIMARY", "rolloutState": "IN_PROGRESS" }]);
    assert!(!steady(json!({ "deployments": rolling })).await);
}

#[tokio::test]
async fn a_service_that_was_made_without_a_controller_has_that_of_ecs() {
    let rolling = json!([{ "status": "PRIMARY", "rolloutState": "IN_PROGRESS" }]);

    let service = looks(json!({ "deploymentController": null, "deployments": rolling })).await;

    assert_eq!(service.controller, "ECS");
    assert!(!service.steady);
}

#[tokio::test]
async fn a_service_with_task_sets_is_steady_when_every_set_is() {
    for controller in ["CODE_DEPLOY", "EXTERNAL"] {
        let service = async |second: &str| {
            looks(json!({
                "deploymentController": { "type": controller },
                "deployments": [],
                "taskSets": [{ "stabilityStatus": "STEADY_STATE" }, { "stabilityStatus": second }],
            }))
            .await
        };

        let steady = service("STEADY_STATE").await;
        let moving = service("STABILIZING").await;

        assert_eq!(steady.controller, controller);
        assert!(steady.steady);
        assert!(!moving.steady);
    }
}

#[tokio::test]
async fn a_failed_deployment_is_told_and_an_older_failed_one_is_not() {
    let failed = json!({ "status": "PRIMARY", "rolloutState": "FAILED" });
    let older = json!({ "status": "INACTIVE", "rolloutState": "FAILED" });
    let primary = json!({ "status": "PRIMARY", "rolloutState": "COMPLETED" });

    let now = looks(json!({ "deployments": [failed] })).await;
    let before = looks(json!({ "deployments": [primary, older] })).await;

    assert!(now.deployment_failed && !now.steady);
    assert!(!before.deployment_failed);
}

#[tokio::test]
async fn a_daemon_service_is_told() {
    assert!(looks(json!({ "schedulingStrategy": "DAEMON" })).await.is_daemon);
}

#[tokio::test(start_paused = true)]
async fn what_update_service_refuses_is_told_apart() {
    let service = update_refused(400, "ServiceNotFoundException", "Service not found.").await;
    let cluster = update_refused(400, "ClusterNotFoundException", "Cluster not found.").await;
    let deleted = update_refused(400, "ServiceNotActiveException", "Service was not ACTIVE.").await;
    let invalid = update_refused(400, "InvalidParameterException", "no count").await;
    let denied = update_refused(400, "AccessDeniedException", "no").await;
    let busy = update_refused(400, "ClientException", "Rate exceeded").await;
    let client = update_refused(400, "ClientException", "something else").await;
    let throttled = update_refused(400, "ThrottlingException", "Rate exceeded").await;
    let server = update_refused(500, "ServerException", "try later").await;

    assert!(matches!(&service, Error::NotFound { resource } if resource == "service `worker-b`"));
    assert!(matches!(&cluster, Error::NotFound { resource } if resource == "ECS cluster `shop`"));
    assert!(matches!(deleted, Error::WrongState { .. }), "{deleted:?}");
    assert!(matches!(invalid, Error::Aws { transient: false, .. }), "{invalid:?}");
    assert!(matches!(denied, Error::AccessDenied { operation: UPDATE_SERVICE, .. }), "{denied:?}");
    assert!(matches!(busy, Error::Throttled { .. }), "{busy:?}");
    assert!(matches!(client, Error::Aws { transient: false, .. }), "{client:?}");
    assert!(matches!(throttled, Error::Throttled { .. }), "{throttled:?}");
    assert!(matches!(server, Error::Aws { transient: true, .. }), "{server:?}");
}

#[tokio::test]
async fn a_missing_cluster_is_told_by_a_look_too() {
    let rule = mock!(Client::describe_services)
        .then_http_response(|| refusal(400, "ClusterNotFoundException", "Cluster not found."));

    let err = toolkit(&[&rule], &[&lists(vec![])]).service(B).await.unwrap_err();

    assert!(matches!(&err, Error::NotFound { resource } if resource == "ECS cluster `shop`"));
}

#[tokio::test]
async fn an_empty_name_is_refused_before_any_call() {
    let ecs = mock_client!(aws_sdk_ecs, RuleMode::MatchAny, &[] as &[&Rule]);
    let scaling = mock_client!(aws_sdk_applicationautoscaling, RuleMode::MatchAny, &[] as &[&Rule]);
    let config = EcsConfig { cluster: String::new(), ..config() };

    let err = AwsEcsToolkit::from_clients(ecs, scaling, config).unwrap_err();

    assert!(matches!(&err, Error::Configuration { problems } if problems[0].key == "cluster"));
}

#[tokio::test]
async fn the_toolkit_is_used_as_a_trait_object() {
    let update = updates("worker-b", 0);
    let ecs: Arc<dyn EcsToolkit> = Arc::new(toolkit(&[&update], &[]));

    ecs.disable_service(B).await.unwrap();

    assert_eq!(update.num_calls(), 1);
}
