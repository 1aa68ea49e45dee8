//! What [`AwsCodeDeployToolkit`] sends, and how it reads the answers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_sdk_codedeploy::{
    config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider},
    operation::{
        batch_get_deployment_targets::BatchGetDeploymentTargetsOutput,
        list_deployment_targets::ListDeploymentTargetsOutput,
        put_lifecycle_event_hook_execution_status::{
            PutLifecycleEventHookExecutionStatusInput as Report,
            PutLifecycleEventHookExecutionStatusOutput,
        },
    },
    types::{DeploymentTarget, EcsTarget, LifecycleEvent},
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use super::{target::GET, *};

fn toolkit(rules: &[&Rule]) -> AwsCodeDeployToolkit {
    AwsCodeDeployToolkit::from_client(mock_client!(aws_sdk_codedeploy, RuleMode::MatchAny, rules))
}

fn hook() -> HookExecution {
    HookExecution {
        deployment_id: "d-EXAMPLE01".to_owned(),
        lifecycle_event_hook_execution_id: "eyJl".to_owned(),
    }
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}

fn refusal(code: &str) -> HttpResponse {
    answer(400, &json!({ "__type": code, "message": "no" }))
}

fn takes(status: LifecycleEventStatus) -> Rule {
    let expected = Report::builder()
        .deployment_id("d-EXAMPLE01")
        .lifecycle_event_hook_execution_id("eyJl")
        .status(status)
        .build()
        .unwrap();
    mock!(Client::put_lifecycle_event_hook_execution_status)
        .match_requests(move |it| *it == expected)
        .then_output(|| PutLifecycleEventHookExecutionStatusOutput::builder().build())
}

/// Lists one target, and describes it with this body.
fn target(body: Value) -> [Rule; 2] {
    let body = json!({ "deploymentTargets": [body] });
    let list = mock!(Client::list_deployment_targets)
        .match_requests(|it| it.deployment_id() == Some("d-EXAMPLE01"))
        .then_http_response(|| answer(200, &json!({ "targetIds": ["shop:web"] })));
    let get = mock!(Client::batch_get_deployment_targets)
        .match_requests(|it| {
            it.deployment_id() == Some("d-EXAMPLE01") && it.target_ids() == ["shop:web"]
        })
        .then_http_response(move || answer(200, &body));
    [list, get]
}

async fn running(body: Value) -> Result<Option<String>> {
    let [list, get] = target(body);
    toolkit(&[&list, &get]).running_lifecycle_event("d-EXAMPLE01").await
}

async fn report_refused(code: &'static str) -> Result<Change> {
    let rule = mock!(Client::put_lifecycle_event_hook_execution_status)
        .then_http_response(move || refusal(code));
    toolkit(&[&rule]).report(hook(), HookStatus::Succeeded).await
}

/// Throttles so many calls, then takes them.
#[derive(Clone, Debug, Default)]
struct Throttles {
    first: usize,
    /// How long it takes to answer.
    takes: Duration,
    /// Whether the first call is never answered.
    hangs: bool,
    calls: Arc<AtomicUsize>,
}

impl HttpConnector for Throttles {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let earlier = self.calls.fetch_add(1, Ordering::SeqCst);
        let Self { first, takes, hangs, .. } = *self;
        HttpConnectorFuture::new(async move {
            if hangs && earlier == 0 {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep_until(tokio::time::Instant::now() + takes).await;
            Ok(if earlier < first {
                refusal("ThrottlingException")
            } else {
                answer(200, &json!({}))
            })
        })
    }
}

/// An SDK configuration with the default of three attempts, whose calls go to `throttles`.
fn sdk(throttles: Throttles) -> SdkConfig {
    let connector = SharedHttpConnector::new(throttles);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .retry_config(RetryConfig::standard())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(60)).build())
        .build()
}

#[tokio::test]
async fn a_report_names_the_deployment_the_execution_and_how_it_ended() {
    let succeeded = takes(LifecycleEventStatus::Succeeded);
    let failed = takes(LifecycleEventStatus::Failed);
    let toolkit = toolkit(&[&succeeded, &failed]);

    let first = toolkit.report(hook(), HookStatus::Succeeded).await.unwrap();
    let second = toolkit.report(hook(), HookStatus::Failed).await.unwrap();

    assert_eq!([first, second], [Change::Made, Change::Made]);
    assert_eq!((succeeded.num_calls(), failed.num_calls()), (1, 1));
}

#[tokio::test]
async fn a_lifecycle_event_that_is_over_counts_as_reported() {
    let change = report_refused("LifecycleEventAlreadyCompletedException").await;

    assert_eq!(change.unwrap(), Change::AlreadySo);
}

#[tokio::test(start_paused = true)]
async fn what_a_report_is_refused_for_is_told_apart() {
    let missing = report_refused("DeploymentDoesNotExistException").await.unwrap_err();
    let denied = report_refused("AccessDeniedException").await.unwrap_err();
    let throttled = report_refused("ThrottlingException").await.unwrap_err();

    assert_eq!(missing.to_string(), "deployment `d-EXAMPLE01` does not exist");
    assert!(matches!(missing, Error::NotFound { .. }));
    assert!(matches!(denied, Error::AccessDenied { operation: REPORT, .. }), "{denied:?}");
    assert!(matches!(throttled, Error::Throttled { operation: REPORT, .. }), "{throttled:?}");
    for code in [
        "InvalidDeploymentIdException",
        "DeploymentIdRequiredException",
        "InvalidLifecycleEventHookExecutionIdException",
        "InvalidLifecycleEventHookExecutionStatusException",
        "UnsupportedActionForDeploymentTypeException",
    ] {
        let err = report_refused(code).await.unwrap_err();
        assert!(matches!(err, Error::Aws { transient: false, .. }), "{code}: {err:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_is_tried_ten_times_though_the_sdk_is_set_to_three() {
    let throttles = Throttles { first: 9, ..Default::default() };

    let change =
        AwsCodeDeployToolkit::new(&sdk(throttles.clone())).report(hook(), HookStatus::Failed).await;

    assert_eq!(change.unwrap(), Change::Made);
    assert_eq!(throttles.calls.load(Ordering::SeqCst), 10);
}

#[tokio::test(start_paused = true)]
async fn ten_slow_attempts_have_the_time_they_need_though_the_sdk_is_set_to_a_minute() {
    let takes = Duration::from_secs(9);
    let throttles = Throttles { first: 9, takes, ..Default::default() };

    let change =
        AwsCodeDeployToolkit::new(&sdk(throttles.clone())).report(hook(), HookStatus::Failed).await;

    assert_eq!(change.unwrap(), Change::Made);
    assert_eq!(throttles.calls.load(Ordering::SeqCst), 10);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_an_answer_ends_after_ten_seconds_and_is_repeated() {
    let throttles = Throttles { hangs: true, ..Default::default() };
    let began = tokio::time::Instant::now();

    let change =
        AwsCodeDeployToolkit::new(&sdk(throttles.clone())).report(hook(), HookStatus::Failed).await;

    assert_eq!(change.unwrap(), Change::Made);
    assert_eq!(throttles.calls.load(Ordering::SeqCst), 2);
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_running_event_of_an_ecs_deployment_is_found() {
    let event = running(json!({
        "deploymentTargetType": "ECSTarget",
        "ecsTarget": { "lifecycleEvents": [
            { "lifecycleEventName": "BeforeInstall", "status": "Succeeded" },
            { "lifecycleEventName": "AfterInstall", "status": "InProgress" },
            { "lifecycleEventName": "AfterAllowTestTraffic", "status": "Pending" },
        ] },
    }));

    assert_eq!(event.await.unwrap().as_deref(), Some("AfterInstall"));
}

#[tokio::test]
async fn the_running_event_of_a_lambda_deployment_is_found() {
    let event = running(json!({
        "deploymentTargetType": "LambdaTarget",
        "lambdaTarget": { "lifecycleEvents": [
            { "lifecycleEventName": "BeforeAllowTraffic", "status": "InProgress" },
        ] },
    }));

    assert_eq!(event.await.unwrap().as_deref(), Some("BeforeAllowTraffic"));
}

#[tokio::test]
async fn a_deployment_without_a_running_event_has_none() {
    let event = running(json!({ "ecsTarget": { "lifecycleEvents": [
        { "lifecycleEventName": "BeforeInstall", "status": "Succeeded" },
        { "lifecycleEventName": "Install", "status": "Pending" },
    ] } }));

    assert_eq!(event.await.unwrap(), None);
}

#[tokio::test]
async fn a_deployment_that_has_not_started_has_no_running_event() {
    let list = mock!(Client::list_deployment_targets)
        .then_http_response(|| refusal("DeploymentNotStartedException"));
    let empty = mock!(Client::list_deployment_targets)
        .then_output(|| ListDeploymentTargetsOutput::builder().build());
    let [listed, _] = target(json!({}));
    let get = mock!(Client::batch_get_deployment_targets)
        .then_http_response(|| refusal("DeploymentNotStartedException"));

    assert_eq!(toolkit(&[&list]).running_lifecycle_event("d-EXAMPLE01").await.unwrap(), None);
    assert_eq!(toolkit(&[&empty]).running_lifecycle_event("d-EXAMPLE01").await.unwrap(), None);
    let toolkit = toolkit(&[&listed, &get]);
    assert_eq!(toolkit.running_lifecycle_event("d-EXAMPLE01").await.unwrap(), None);
}

#[tokio::test]
async fn every_page_of_targets_is_looked_at_25_at_a_time() {
    let ids: Vec<_> = (0..60).map(|it| format!("target-{it}")).collect();
    let (first, rest) = (ids[..40].to_vec(), ids[40..].to_vec());
    let list = mock!(Client::list_deployment_targets).then_compute_output(move |it| {
        let (ids, token) = match it.next_token() {
            None => (first.clone(), Some("more")),
            Some(_) => (rest.clone(), None),
        };
        ListDeploymentTargetsOutput::builder()
            .set_target_ids(Some(ids))
            .set_next_token(token.map(str::to_owned))
            .build()
    });
    let get = mock!(Client::batch_get_deployment_targets)
        .match_requests(|it| it.target_ids().len() <= 25)
        .then_compute_output(|it| {
            let described = it.target_ids().iter().map(|id| {
                let status = match id.as_str() {
                    "target-59" => LifecycleEventStatus::InProgress,
                    _ => LifecycleEventStatus::Pending,
                };
                let event = LifecycleEvent::builder()
                    .lifecycle_event_name("AfterAllowTraffic")
                    .status(status)
                    .build();
                let target = EcsTarget::builder().lifecycle_events(event).build();
                DeploymentTarget::builder().ecs_target(target).build()
            });
            BatchGetDeploymentTargetsOutput::builder()
                .set_deployment_targets(Some(described.collect()))
                .build()
        });

    let event = toolkit(&[&list, &get]).running_lifecycle_event("d-EXAMPLE01").await.unwrap();

    assert_eq!(event.as_deref(), Some("AfterAllowTraffic"));
    assert_eq!((list.num_calls(), get.num_calls()), (2, 3));
}

#[tokio::test]
async fn an_answer_that_lacks_what_counts_is_incomplete() {
    let nameless =
        running(json!({ "ecsTarget": { "lifecycleEvents": [{ "status": "InProgress" }] } }));
    let [list, _] = target(json!({}));
    let get = mock!(Client::batch_get_deployment_targets)
        .then_http_response(|| answer(200, &json!({ "deploymentTargets": [] })));

    let nameless = nameless.await.unwrap_err();
    let absent = toolkit(&[&list, &get]).running_lifecycle_event("d-EXAMPLE01").await.unwrap_err();

    for err in [nameless, absent] {
        assert!(matches!(err, Error::Incomplete { operation: GET, .. }), "{err:?}");
    }
}

#[tokio::test]
async fn an_unknown_deployment_does_not_exist() {
    let list = mock!(Client::list_deployment_targets)
        .then_http_response(|| refusal("DeploymentDoesNotExistException"));

    let err = toolkit(&[&list]).running_lifecycle_event("d-EXAMPLE01").await.unwrap_err();

    assert!(matches!(&err, Error::NotFound { resource } if resource == "deployment `d-EXAMPLE01`"));
}

#[tokio::test]
async fn the_toolkit_is_used_as_a_trait_object() {
    let rule = takes(LifecycleEventStatus::Succeeded);
    let codedeploy: Arc<dyn CodeDeployToolkit> = Arc::new(toolkit(&[&rule]));

    let change = codedeploy.report(hook(), HookStatus::Succeeded).await.unwrap();

    assert_eq!(change, Change::Made);
}
