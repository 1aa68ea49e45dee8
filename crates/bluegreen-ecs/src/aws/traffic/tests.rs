//! What [`AwsEcsTrafficToolkit`] sends, and how it reads the answers.

use std::{collections::BTreeMap, sync::Arc};

use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use super::*;

const DEPLOYMENT: &str = "arn:aws:ecs:eu-west-1:123456789012:service-deployment/shop/web/1";
const REVISION: &str = "arn:aws:ecs:eu-west-1:123456789012:service-revision/shop/web/7";

fn toolkit(rules: &[&Rule]) -> Arc<dyn EcsTrafficToolkit> {
    let client = mock_client!(aws_sdk_ecs, RuleMode::MatchAny, rules);
    let config = EcsTrafficConfig { cluster: "shop".to_owned(), service: "web".to_owned() };
    Arc::new(AwsEcsTrafficToolkit::from_client(client, config).unwrap())
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}

fn refusal(code: &str, message: &str) -> HttpResponse {
    answer(400, &json!({ "__type": code, "message": message }))
}

async fn service(body: Value) -> Result<TrafficService> {
    let rule = mock!(Client::describe_services)
        .match_requests(|it| it.cluster() == Some("shop") && it.services() == ["web"])
        .then_http_response(move || answer(200, &body));
    toolkit(&[&rule]).traffic_service().await
}

async fn described(body: Value) -> Result<Option<ServiceDeployment>> {
    let rule = mock!(Client::describe_service_deployments)
        .match_requests(|it| it.service_deployment_arns() == [DEPLOYMENT])
        .then_http_response(move || answer(200, &body));
    toolkit(&[&rule]).service_deployment(DEPLOYMENT).await
}

#[test]
fn a_configuration_that_cannot_be_used_makes_no_toolkit() {
    let client = mock_client!(aws_sdk_ecs, RuleMode::MatchAny, []);
    let config = EcsTrafficConfig { cluster: "shop".to_owned(), service: String::new() };

    let made = AwsEcsTrafficToolkit::from_client(client, config);

    assert!(matches!(made, Err(Error::Configuration { .. })), "{made:?}");
}

#[tokio::test]
async fn a_service_of_codedeploy_is_read_with_its_task_sets() {
    let body = json!({ "services": [{
        "serviceArn": "arn", "serviceName": "web", "deploymentController": { "type": "CODE_DEPLOY" },
        "taskSets": [
            { "id": "ecs-svc/1", "taskDefinition": "web:7", "status": "PRIMARY", "stabilityStatus": "STEADY_STATE" },
            { "id": "ecs-svc/2", "taskDefinition": "web:8", "status": "ACTIVE", "stabilityStatus": "STABILIZING" },
        ],
    }] });

    let found = service(body).await.unwrap();

    assert_eq!((found.arn.as_str(), found.controller.as_str()), ("arn", "CODE_DEPLOY"));
    let primary = found.primary().unwrap();
    assert_eq!((primary.task_definition.as_str(), primary.steady), ("web:7", true));
    assert!(!found.task_sets[1].steady);
}

#[tokio::test]
async fn a_service_of_ecs_is_read_with_its_revisions() {
    let body = json!({ "services": [{
        "serviceArn": "arn", "serviceName": "web", "taskDefinition": "web:7",
        "currentServiceDeployment": DEPLOYMENT, "currentServiceRevisions": [{ "arn": REVISION }],
    }] });

    let found = service(body).await.unwrap();

    assert_eq!(found.controller, "ECS");
    assert_eq!(found.current_revisions, [REVISION]);
    assert_eq!(found.current_deployment.as_deref(), Some(DEPLOYMENT));
    assert_eq!(found.task_definition.as_deref(), Some("web:7"));
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named_and_one_that_lacks_what_counts_is_incomplete() {
    let missing = service(json!({ "failures": [{ "reason": "MISSING" }] })).await.unwrap_err();
    let other = service(json!({ "failures": [{ "reason": "OTHER" }] })).await.unwrap_err();

    assert_eq!(missing.to_string(), "ECS service `web` does not exist");
    assert!(matches!(other, Error::Aws { transient: false, .. }), "{other:?}");
    for lacking in [
        json!({}),
        json!({ "services": [{ "serviceName": "web" }] }),
        json!({ "services": [{ "serviceName": "web", "serviceArn": "a", "taskSets": [{ "id": "x" }] }] }),
        json!({ "services": [{ "serviceName": "web", "serviceArn": "a", "currentServiceRevisions": [{}] }] }),
    ] {
        let err = service(lacking).await.unwrap_err();
        assert!(matches!(err, Error::Incomplete { operation: DESCRIBE_SERVICES, .. }), "{err:?}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let ask = async |code: &'static str, message: &'static str| {
        let rule =
            mock!(Client::describe_services).then_http_response(move || refusal(code, message));
        toolkit(&[&rule]).traffic_service().await.unwrap_err()
    };

    let cluster = ask("ClusterNotFoundException", "Cluster not found.").await;
    let service = ask("ServiceNotFoundException", "Service not found.").await;
    let denied = ask("AccessDeniedException", "no").await;

    assert_eq!(cluster.to_string(), "ECS cluster `shop` does not exist");
    assert_eq!(service.to_string(), "ECS service `web` does not exist");
    assert!(
        matches!(denied, Error::AccessDenied { operation: DESCRIBE_SERVICES, .. }),
        "{denied:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_other_way_in_which_ecs_throttles_is_known() {
    let rule = mock!(Client::describe_services)
        .then_http_response(|| refusal("ClientException", "Rate exceeded"));

    let err = toolkit(&[&rule]).traffic_service().await.unwrap_err();

    assert!(err.is_transient(), "{err:?}");
}

async fn definition(body: Value) -> Result<BoundDefinition> {
    let rule = mock!(Client::describe_task_definition)
        .match_requests(|it| {
            it.task_definition() == Some("web:7") && it.include() == [TaskDefinitionField::Tags]
        })
        .then_http_response(move || answer(200, &body));
    toolkit(&[&rule]).task_definition_of("web:7").await
}

#[tokio::test]
async fn a_task_definition_is_read_with_environment_and_tags_though_it_was_deregistered() {
    let body = json!({
        "taskDefinition": { "status": "INACTIVE", "containerDefinitions": [
            { "name": "web", "environment": [{ "name": "STACK", "value": "b" }] },
            { "name": "log" },
        ] },
        "tags": [{ "key": "stack", "value": "b" }],
    });

    let found = definition(body).await.unwrap();

    let variables = BTreeMap::from([("STACK".to_owned(), "b".to_owned())]);
    assert_eq!(
        found.environment,
        BTreeMap::from([("web".to_owned(), variables), ("log".to_owned(), BTreeMap::new())])
    );
    assert_eq!(found.tags, BTreeMap::from([("stack".to_owned(), "b".to_owned())]));
}

#[tokio::test]
async fn a_task_definition_that_is_not_there_is_named() {
    let rule = mock!(Client::describe_task_definition)
        .then_http_response(|| refusal("ClientException", "Unable to describe task definition."));

    let gone = toolkit(&[&rule]).task_definition_of("web:7").await.unwrap_err();
    let empty = definition(json!({})).await.unwrap_err();
    let nameless = json!({ "taskDefinition": { "containerDefinitions": [{}] } });
    let nameless = definition(nameless).await.unwrap_err();

    assert_eq!(gone.to_string(), "task definition `web:7` does not exist");
    for err in [empty, nameless] {
        assert!(matches!(err, Error::Incomplete { operation: DESCRIBE_DEFINITION, .. }), "{err:?}");
    }
}

async fn revision_of(body: Value) -> Result<ServiceRevision> {
    let rule = mock!(Client::describe_service_revisions)
        .match_requests(|it| it.service_revision_arns() == [REVISION])
        .then_http_response(move || answer(200, &body));
    toolkit(&[&rule]).revision(REVISION).await
}

#[tokio::test]
async fn a_revision_is_read_with_its_task_definition() {
    let found = revision_of(json!({ "serviceRevisions": [{ "taskDefinition": "web:7" }] })).await;
    let missing = revision_of(json!({ "failures": [{ "reason": "MISSING" }] })).await.unwrap_err();
    let empty = revision_of(json!({})).await.unwrap_err();
    let bare = revision_of(json!({ "serviceRevisions": [{}] })).await.unwrap_err();

    let task_definition = "web:7".to_owned();
    assert_eq!(found.unwrap(), ServiceRevision { arn: REVISION.to_owned(), task_definition });
    assert_eq!(missing.to_string(), format!("service revision `{REVISION}` does not exist"));
    for err in [empty, bare] {
        assert!(matches!(err, Error::Incomplete { operation: DESCRIBE_REVISIONS, .. }), "{err:?}");
    }
}

#[tokio::test]
async fn a_service_deployment_is_read_with_traffic_and_hooks() {
    let body = json!({ "serviceDeployments": [{
        "serviceDeploymentArn": DEPLOYMENT, "status": "IN_PROGRESS", "startedAt": 1000.0,
        "lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT",
        "targetServiceRevision": { "arn": REVISION, "requestedProductionTrafficWeight": 10.5 },
        "sourceServiceRevisions": [{ "arn": "source" }],
        "deploymentConfiguration": { "lifecycleHooks": [{
            "hookTargetArn": "function", "lifecycleStages": ["PRE_SCALE_UP", "POST_SCALE_UP"],
            "timeoutConfiguration": { "timeoutInMinutes": 60, "action": "CONTINUE" },
        }, { "targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"] }] },
    }] });

    let found = described(body).await.unwrap().unwrap();

    assert_eq!(found.status, ServiceDeploymentStatus::UnderWay("IN_PROGRESS".to_owned()));
    assert_eq!(found.stage.as_deref(), Some("PRODUCTION_TRAFFIC_SHIFT"));
    assert!(!found.rolls_back && found.started.is_some());
    let traffic =
        |arn: &str, production_weight| RevisionTraffic { arn: arn.to_owned(), production_weight };
    assert_eq!(found.target, Some(traffic(REVISION, Some(10.5))));
    assert_eq!(found.sources, [traffic("source", None)]);
    let hook = |arn: Option<&str>, stages: &[&str], action: Option<&str>| HookSetting {
        target_arn: arn.map(str::to_owned),
        stages: stages.iter().map(|&it| it.to_owned()).collect(),
        timeout_action: action.map(str::to_owned),
    };
    assert_eq!(
        found.hooks,
        [
            hook(Some("function"), &["PRE_SCALE_UP", "POST_SCALE_UP"], Some("CONTINUE")),
            hook(None, &["POST_SCALE_UP"], None),
        ]
    );
}

#[tokio::test]
async fn the_words_of_ecs_for_how_far_a_deployment_is_are_read() {
    let read = async |word: &str| {
        let found = json!({ "serviceDeploymentArn": DEPLOYMENT, "status": word });
        let found = described(json!({ "serviceDeployments": [found] })).await.unwrap().unwrap();
        (found.status, found.rolls_back)
    };
    let under_way = |it: &str| ServiceDeploymentStatus::UnderWay(it.to_owned());

    assert_eq!(read("SUCCESSFUL").await, (ServiceDeploymentStatus::Successful, false));
    assert_eq!(read("STOPPED").await, (ServiceDeploymentStatus::Stopped, false));
    assert_eq!(read("ROLLBACK_SUCCESSFUL").await, (ServiceDeploymentStatus::RolledBack, true));
    assert_eq!(read("ROLLBACK_FAILED").await, (ServiceDeploymentStatus::RollbackFailed, true));
    for (word, back) in [
        ("PENDING", false),
        ("STOP_REQUESTED", false),
        ("ROLLBACK_IN_PROGRESS", true),
        ("ODD", false),
    ] {
        assert_eq!(read(word).await, (under_way(word), back), "{word}");
    }
}

#[tokio::test]
async fn a_deployment_that_ecs_does_not_know_is_none_and_one_that_lacks_what_counts_is_incomplete()
{
    let missing = described(json!({ "failures": [{ "reason": "MISSING" }] })).await;
    let other = described(json!({ "failures": [{ "reason": "OTHER" }] })).await.unwrap_err();

    assert_eq!(missing.unwrap(), None);
    assert!(matches!(other, Error::Aws { transient: false, .. }), "{other:?}");
    for lacking in [
        json!({}),
        json!({ "serviceDeployments": [{ "serviceDeploymentArn": DEPLOYMENT }] }),
        json!({ "serviceDeployments": [{ "status": "PENDING" }] }),
        json!({ "serviceDeployments": [{
            "serviceDeploymentArn": DEPLOYMENT, "status": "PENDING", "targetServiceRevision": {},
        }] }),
    ] {
        let err = described(lacking).await.unwrap_err();
        let is_incomplete =
            matches!(err, Error::Incomplete { operation: DESCRIBE_DEPLOYMENTS, .. });
        assert!(is_incomplete, "{err:?}");
    }
}

#[tokio::test]
async fn what_is_under_way_is_listed_to_the_last_page_and_described() {
    let list = mock!(Client::list_service_deployments)
        .match_requests(|it| {
            it.cluster() == Some("shop") && it.service() == Some("web") && it.status() == UNDER_WAY
        })
        .then_compute_output(|it| {
            let (arn, token) = match it.next_token() {
                None => ("one", Some("more")),
                Some(_) => ("two", None),
            };
            let brief = types::ServiceDeploymentBrief::builder().service_deployment_arn(arn);
            aws_sdk_ecs::operation::list_service_deployments::ListServiceDeploymentsOutput::builder(
            )
            .service_deployments(brief.build())
            .set_next_token(token.map(str::to_owned))
            .build()
        });
    let describe = mock!(Client::describe_service_deployments)
        .match_requests(|it| it.service_deployment_arns() == ["one", "two"])
        .then_http_response(|| {
            answer(
                200,
                &json!({ "serviceDeployments": [
                { "serviceDeploymentArn": "one", "status": "IN_PROGRESS" },
                { "serviceDeploymentArn": "two", "status": "SUCCESSFUL" },
            ] }),
            )
        });

    let found = toolkit(&[&list, &describe]).service_deployments_under_way().await.unwrap();

    let arns: Vec<&str> = found.iter().map(|it| it.arn.as_str()).collect();
    assert_eq!(arns, ["one"]);
}

#[tokio::test]
async fn what_is_listed_and_not_described_may_be_under_way() {
    let list = mock!(Client::list_service_deployments).then_http_response(|| {
        answer(200, &json!({ "serviceDeployments": [{ "serviceDeploymentArn": "one" }] }))
    });
    let describe =
        mock!(Client::describe_service_deployments).then_http_response(|| answer(200, &json!({})));
    let nameless = mock!(Client::list_service_deployments)
        .then_http_response(|| answer(200, &json!({ "serviceDeployments": [{}] })));
    let denied = mock!(Client::list_service_deployments)
        .then_http_response(|| refusal("AccessDeniedException", "no"));

    let err = toolkit(&[&list, &describe]).service_deployments_under_way().await.unwrap_err();
    let nameless = toolkit(&[&nameless]).service_deployments_under_way().await.unwrap_err();
    let denied = toolkit(&[&denied]).service_deployments_under_way().await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { operation: DESCRIBE_DEPLOYMENTS, .. }), "{err:?}");
    assert!(matches!(nameless, Error::Incomplete { operation: LIST_DEPLOYMENTS, .. }));
    assert!(matches!(denied, Error::AccessDenied { operation: LIST_DEPLOYMENTS, .. }));
}
