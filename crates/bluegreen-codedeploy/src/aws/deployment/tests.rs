//! What is asked about deployments and their groups, and how the answers are read.

use aws_sdk_codedeploy::{Client, operation::list_deployments::ListDeploymentsOutput};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use super::*;
use crate::{CodeDeployToolkit, Revision, Target, TaskSetLabel, TaskSetTraffic};

fn toolkit(rules: &[&Rule]) -> AwsCodeDeployToolkit {
    AwsCodeDeployToolkit::from_client(mock_client!(aws_sdk_codedeploy, RuleMode::MatchAny, rules))
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}

fn refusal(code: &str) -> HttpResponse {
    answer(400, &json!({ "__type": code, "message": "no" }))
}

fn info() -> Value {
    json!({
        "applicationName": "shop", "deploymentGroupName": "web", "deploymentId": "d-1",
        "computePlatform": "ECS", "status": "InProgress", "creator": "user", "createTime": 1000.0,
        "revision": { "revisionType": "AppSpecContent", "appSpecContent": { "content":
            "{\"Resources\": [{\"TargetService\": {\"Type\": \"AWS::ECS::Service\", \"Properties\": {\"TaskDefinition\": \"web:7\"}}}]}"
        } },
    })
}

async fn deployment(info: Value) -> Result<Deployment> {
    let rule = mock!(Client::get_deployment)
        .match_requests(|it| it.deployment_id() == Some("d-1"))
        .then_http_response(move || answer(200, &json!({ "deploymentInfo": info })));
    toolkit(&[&rule]).deployment("d-1").await
}

#[tokio::test]
async fn a_deployment_is_read_with_what_it_deploys() {
    let found = deployment(info()).await.unwrap();

    assert_eq!((found.application.as_str(), found.deployment_group.as_str()), ("shop", "web"));
    assert_eq!((found.id.as_str(), found.platform.as_str()), ("d-1", "ECS"));
    assert_eq!(found.status, DeploymentStatus::UnderWay("InProgress".to_owned()));
    assert_eq!(found.revision, Revision::TaskDefinition("web:7".to_owned()));
    let created = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    assert_eq!((found.created, found.rollback_of, found.error), (Some(created), None, None));
}

#[tokio::test]
async fn a_rollback_is_read_with_what_it_takes_back_and_a_failure_with_its_reason() {
    let mut rollback = info();
    rollback["creator"] = json!("codeDeployRollback");
    rollback["rollbackInfo"] = json!({ "rollbackTriggeringDeploymentId": "d-0" });
    let mut failed = info();
    failed["status"] = json!("Failed");
    failed["errorInformation"] = json!({ "code": "HEALTH_CONSTRAINTS", "message": "too few" });

    let (rollback, failed) =
        (deployment(rollback).await.unwrap(), deployment(failed).await.unwrap());

    assert!(rollback.is_rollback());
    assert_eq!(rollback.rollback_of.as_deref(), Some("d-0"));
    assert_eq!(failed.status, DeploymentStatus::Failed);
    assert_eq!(failed.error.as_deref(), Some("HEALTH_CONSTRAINTS: too few"));
}

#[tokio::test]
async fn only_what_aws_calls_ended_has_ended() {
    for (word, ended) in [
        ("Created", false),
        ("Queued", false),
        ("Baking", false),
        ("Ready", false),
        ("Pondering", false),
        ("Succeeded", true),
        ("Failed", true),
        ("Stopped", true),
    ] {
        let mut info = info();
        info["status"] = json!(word);
        assert_eq!(deployment(info).await.unwrap().status.has_ended(), ended, "{word}");
    }
}

#[tokio::test]
async fn a_deployment_that_lacks_what_counts_is_incomplete() {
    for key in ["applicationName", "deploymentGroupName", "computePlatform", "status", "creator"] {
        let mut info = info();
        info.as_object_mut().unwrap().remove(key);
        let err = deployment(info).await.unwrap_err();
        assert!(matches!(err, Error::Incomplete { operation: GET, .. }), "{key}: {err:?}");
    }
    let none = mock!(Client::get_deployment).then_http_response(|| answer(200, &json!({})));
    let err = toolkit(&[&none]).deployment("d-1").await.unwrap_err();
    assert!(matches!(err, Error::Incomplete { operation: GET, .. }), "{err:?}");
}

#[tokio::test]
async fn a_deployment_that_is_not_there_is_told_from_one_that_must_not_be_looked_at() {
    let gone = mock!(Client::get_deployment)
        .then_http_response(|| refusal("DeploymentDoesNotExistException"));
    let denied =
        mock!(Client::get_deployment).then_http_response(|| refusal("AccessDeniedException"));

    let gone = toolkit(&[&gone]).deployment("d-1").await.unwrap_err();
    let denied = toolkit(&[&denied]).deployment("d-1").await.unwrap_err();

    assert_eq!(gone.to_string(), "deployment `d-1` does not exist");
    assert!(matches!(denied, Error::AccessDenied { operation: GET, .. }), "{denied:?}");
}

#[tokio::test]
async fn what_is_under_way_is_listed_to_the_last_page() {
    let rule = mock!(Client::list_deployments)
        .match_requests(|it| {
            it.application_name() == Some("shop")
                && it.deployment_group_name() == Some("web")
                && it.include_only_statuses() == UNDER_WAY
        })
        .then_compute_output(|it| {
            let (id, token) = match it.next_token() {
                None => ("d-2", Some("more")),
                Some(_) => ("d-1", None),
            };
            ListDeploymentsOutput::builder()
                .deployments(id)
                .set_next_token(token.map(str::to_owned))
                .build()
        });

    let found = toolkit(&[&rule]).under_way("shop", "web").await.unwrap();

    assert_eq!(found, ["d-2", "d-1"]);
}

#[tokio::test]
async fn a_group_is_read_with_its_role_its_services_and_its_last_deployments() {
    let body = json!({ "deploymentGroupInfo": {
        "serviceRoleArn": "arn:aws:iam::123456789012:role/codedeploy",
        "ecsServices": [{ "clusterName": "shop", "serviceName": "web" }],
        "lastAttemptedDeployment": { "deploymentId": "d-2", "status": "Failed" },
        "lastSuccessfulDeployment": { "deploymentId": "d-1", "status": "Succeeded" },
    } });
    let rule = mock!(Client::get_deployment_group)
        .match_requests(|it| {
            it.application_name() == Some("shop") && it.deployment_group_name() == Some("web")
        })
        .then_http_response(move || answer(200, &body));

    let found = toolkit(&[&rule]).deployment_group("shop", "web").await.unwrap();

    assert_eq!(
        found,
        DeploymentGroup {
            service_role_arn: "arn:aws:iam::123456789012:role/codedeploy".to_owned(),
            services: vec![("shop".to_owned(), "web".to_owned())],
            last_attempted: Some(("d-2".to_owned(), DeploymentStatus::Failed)),
            last_successful: Some("d-1".to_owned()),
        }
    );
}

#[tokio::test]
async fn an_application_or_a_group_that_is_not_there_is_named() {
    let (no_application, no_group) =
        ("ApplicationDoesNotExistException", "DeploymentGroupDoesNotExistException");
    let group =
        |code| mock!(Client::get_deployment_group).then_http_response(move || refusal(code));
    let list = |code| mock!(Client::list_deployments).then_http_response(move || refusal(code));
    let roleless = mock!(Client::get_deployment_group)
        .then_http_response(|| answer(200, &json!({ "deploymentGroupInfo": {} })));

    let asked = toolkit(&[&group(no_application)]).deployment_group("shop", "web").await;
    let listed = toolkit(&[&list(no_group)]).under_way("shop", "web").await;
    let denied = toolkit(&[&list("AccessDeniedException")]).under_way("shop", "web").await;
    let roleless = toolkit(&[&roleless]).deployment_group("shop", "web").await;

    assert_eq!(asked.unwrap_err().to_string(), "CodeDeploy application `shop` does not exist");
    assert_eq!(
        listed.unwrap_err().to_string(),
        "deployment group `web` of application `shop` does not exist"
    );
    assert!(matches!(denied, Err(Error::AccessDenied { operation: LIST, .. })), "{denied:?}");
    assert!(matches!(roleless, Err(Error::Incomplete { operation: GET_GROUP, .. })));
}

async fn target(body: Value) -> Result<Option<Target>> {
    let list = mock!(Client::list_deployment_targets)
        .then_http_response(|| answer(200, &json!({ "targetIds": ["shop:web"] })));
    let get = mock!(Client::batch_get_deployment_targets)
        .then_http_response(move || answer(200, &json!({ "deploymentTargets": [body] })));
    toolkit(&[&list, &get]).target("d-1").await
}

#[tokio::test]
async fn a_target_shows_the_running_event_and_the_traffic_of_task_sets() {
    let found = target(json!({ "ecsTarget": {
        "lifecycleEvents": [
            { "lifecycleEventName": "AllowTraffic", "status": "InProgress", "startTime": 1000.0 },
        ],
        "taskSetsInfo": [
            { "identifer": "ecs-svc/1", "taskSetLabel": "Blue", "status": "PRIMARY", "trafficWeight": 90.0 },
            { "identifer": "ecs-svc/2", "taskSetLabel": "Green", "status": "ACTIVE", "trafficWeight": 10.0 },
        ],
    } }));

    let found = found.await.unwrap().unwrap();

    let running = found.running.unwrap();
    assert_eq!(running.name, "AllowTraffic");
    assert!(running.since.is_some());
    let set = |id: &str, label, status: &str, weight| TaskSetTraffic {
        id: id.to_owned(),
        label,
        status: Some(status.to_owned()),
        weight,
    };
    assert_eq!(
        found.task_sets,
        [
            set("ecs-svc/1", TaskSetLabel::Blue, "PRIMARY", 90.0),
            set("ecs-svc/2", TaskSetLabel::Green, "ACTIVE", 10.0),
        ]
    );
}

#[tokio::test]
async fn a_target_shows_the_shares_of_versions() {
    let found = target(json!({ "lambdaTarget": { "lambdaFunctionInfo": {
        "functionName": "web", "functionAlias": "live", "currentVersion": "6",
        "targetVersion": "7", "targetVersionWeight": 10.0,
    } } }));

    let found = found.await.unwrap().unwrap();

    assert_eq!(found.versions, [("6".to_owned(), 90.0), ("7".to_owned(), 10.0)]);
    assert_eq!((found.running, found.task_sets), (None, Vec::new()));
}

#[tokio::test]
async fn a_task_set_without_label_or_id_is_incomplete() {
    for set in [json!({ "identifer": "ecs-svc/1" }), json!({ "taskSetLabel": "Blue" })] {
        let err = target(json!({ "ecsTarget": { "taskSetsInfo": [set] } })).await.unwrap_err();
        assert!(matches!(err, Error::Incomplete { .. }), "{err:?}");
    }
}
