//! Where the traffic is that CodeDeploy moves, and which stack its deployments are for.

use std::collections::BTreeMap;

use bluegreen_codedeploy::{MockCodeDeployToolkit, Target, TaskSetTraffic};
use bluegreen_core::StackReference::{A, B};
use bluegreen_ecs::{BoundDefinition, MockEcsTrafficToolkit, TaskSet};
use bluegreen_lambda::{Alias, MockLambdaTrafficToolkit};

use super::*;
use crate::steps::testing::allowed;

fn settings(serves: CodeDeployServes) -> CodeDeployMover {
    let (application, deployment_group) = ("shop".to_owned(), "web".to_owned());
    CodeDeployMover { application, deployment_group, serves }
}

/// CodeDeploy with these deployments under way; each has these weights of the task sets `blue` and `green`, or has not
/// started.
fn codedeploy(under_way: &'static [(&'static str, Option<(f64, f64)>)]) -> MockCodeDeployToolkit {
    let mut mock = MockCodeDeployToolkit::new();
    mock.expect_under_way()
        .withf(|application, group| (application, group) == ("shop", "web"))
        .returning(|_, _| Ok(under_way.iter().map(|it| it.0.to_owned()).collect()));
    mock.expect_target().returning(|id| {
        let (_, weights) = under_way.iter().find(|it| it.0 == id).unwrap();
        let set = |id: &str, label, weight| TaskSetTraffic {
            id: id.to_owned(),
            label,
            status: None,
            weight,
        };
        Ok(weights.map(|(blue, green)| Target {
            task_sets: vec![
                set("blue", TaskSetLabel::Blue, blue),
                set("green", TaskSetLabel::Green, green),
            ],
            ..Target::default()
        }))
    });
    mock
}

/// A service with the task sets `blue`, the primary one, and `green`, which run these definitions. The definitions are
/// called like the stacks that they are bound to; another name is bound to none.
fn service(blue: &'static str, green: &'static str) -> MockEcsTrafficToolkit {
    let mut mock = MockEcsTrafficToolkit::new();
    mock.expect_traffic_service().returning(|| {
        let set = |id: &str, definition: &str, status: &str| TaskSet {
            id: id.to_owned(),
            task_definition: definition.to_owned(),
            status: status.to_owned(),
            steady: true,
        };
        Ok(TrafficService {
            arn: "service".to_owned(),
            controller: "CODE_DEPLOY".to_owned(),
            task_sets: vec![set("green", green, "ACTIVE"), set("blue", blue, "PRIMARY")],
            current_revisions: Vec::new(),
            current_deployment: None,
            task_definition: None,
        })
    });
    mock.expect_task_definition_of().returning(|arn| {
        let tags = BTreeMap::from([("stack".to_owned(), arn.to_owned())]);
        Ok(BoundDefinition { environment: BTreeMap::new(), tags })
    });
    mock
}

fn traffic(codedeploy: MockCodeDeployToolkit, service: MockEcsTrafficToolkit) -> CodeDeployTraffic {
    let serves = CodeDeployServes::Service {
        cluster: "shop".to_owned(),
        service: "web".to_owned(),
        binding: Binding::Tag("stack".to_owned()),
    };
    let serving = Serving::Service(Arc::new(service));
    CodeDeployTraffic::new("web", settings(serves), Arc::new(codedeploy), serving)
}

async fn observed(
    under_way: &'static [(&'static str, Option<(f64, f64)>)],
    blue: &'static str,
    green: &'static str,
) -> Result<Option<StackReference>> {
    traffic(codedeploy(under_way), service(blue, green)).observe(B).await
}

fn deployment(status: DeploymentStatus, revision: Revision) -> Deployment {
    Deployment {
        id: "d-1".to_owned(),
        application: "shop".to_owned(),
        deployment_group: "web".to_owned(),
        platform: "ECS".to_owned(),
        status,
        creator: "user".to_owned(),
        revision,
        created: None,
        rollback_of: None,
        error: None,
    }
}

/// A function whose alias points to `version`, and to another one with its share.
fn function(version: &'static str, other: Option<(&'static str, f64)>) -> CodeDeployTraffic {
    let mut mock = MockLambdaTrafficToolkit::new();
    mock.expect_traffic_alias()
        .withf(|function, alias| (function, alias) == ("web", "live"))
        .returning(move |_, _| {
            Ok(Alias {
                name: "live".to_owned(),
                arn: "alias".to_owned(),
                version: version.to_owned(),
                additional_version: other.map(|(version, share)| (version.to_owned(), share)),
            })
        });
    mock.expect_environment().returning(|_, version| {
        Ok(match version {
            "6" => BTreeMap::from([("STACK".to_owned(), "a".to_owned())]),
            "7" => BTreeMap::from([("STACK".to_owned(), "b".to_owned())]),
            _ => BTreeMap::new(),
        })
    });
    let serves = CodeDeployServes::Function {
        function: "web".to_owned(),
        alias: "live".to_owned(),
        variable: "STACK".to_owned(),
    };
    let serving = Serving::Function(Arc::new(mock));
    CodeDeployTraffic::new("web", settings(serves), Arc::new(codedeploy(&[])), serving)
}

#[tokio::test]
async fn without_a_deployment_traffic_is_on_the_primary_task_set() {
    assert_eq!(observed(&[], "a", "b").await.unwrap(), Some(A));
}

#[tokio::test]
async fn during_a_deployment_the_task_sets_weights_count() {
    assert_eq!(observed(&[("d-1", Some((100.0, 0.0)))], "a", "b").await.unwrap(), Some(A));
    assert_eq!(observed(&[("d-1", Some((0.0, 100.0)))], "a", "b").await.unwrap(), Some(B));
    assert_eq!(observed(&[("d-1", Some((90.0, 10.0)))], "a", "b").await.unwrap(), None);
}

#[tokio::test]
async fn a_deployment_to_the_active_stack_moves_nothing() {
    assert_eq!(observed(&[("d-1", Some((90.0, 10.0)))], "a", "a").await.unwrap(), Some(A));
}

#[tokio::test]
async fn a_deployment_that_waits_for_another_says_nothing() {
    let found = observed(&[("d-2", None), ("d-1", Some((0.0, 100.0)))], "a", "b").await;
    let waits = observed(&[("d-2", None)], "a", "b").await;

    assert_eq!(found.unwrap(), Some(B));
    assert_eq!(waits.unwrap(), Some(A));
}

#[tokio::test]
async fn what_is_bound_to_no_stack_is_refused() {
    let err = observed(&[], "production", "b").await.unwrap_err();

    assert!(matches!(err, Error::Refused { .. }), "{err:?}");
    assert!(err.to_string().contains("`production` is bound to no stack"), "{err}");
}

#[tokio::test]
async fn a_service_without_a_primary_task_set_is_refused() {
    let mut service = MockEcsTrafficToolkit::new();
    service.expect_traffic_service().returning(|| {
        Ok(TrafficService {
            arn: "service".to_owned(),
            controller: "ECS".to_owned(),
            task_sets: Vec::new(),
            current_revisions: Vec::new(),
            current_deployment: None,
            task_definition: Some("a".to_owned()),
        })
    });

    let err = traffic(codedeploy(&[]), service).observe(B).await.unwrap_err().to_string();

    assert!(err.contains("no primary task set") && err.contains("`ECS`"), "{err}");
}

#[tokio::test]
async fn a_deployment_is_for_the_stack_that_its_task_definition_is_bound_to() {
    let traffic = traffic(codedeploy(&[]), service("a", "b"));
    let of = |revision| deployment(DeploymentStatus::Succeeded, revision);
    let version = Revision::FunctionVersion {
        function: "web".to_owned(),
        alias: "live".to_owned(),
        version: "7".to_owned(),
    };

    let bound = traffic.stack_of(&of(Revision::TaskDefinition("b".to_owned()))).await;
    let unbound = traffic.stack_of(&of(Revision::TaskDefinition("x".to_owned()))).await;
    let elsewhere = traffic.stack_of(&of(Revision::Elsewhere("it is in S3".to_owned()))).await;
    let version = traffic.stack_of(&of(version)).await;

    assert_eq!(bound.unwrap(), B);
    for (refused, word) in [(unbound, "`x`"), (elsewhere, "it is in S3"), (version, "a version")] {
        let err = refused.unwrap_err();
        assert!(matches!(err, Error::Refused { .. }), "{err:?}");
        assert!(err.to_string().contains(word), "{err}");
    }
}

#[tokio::test]
async fn the_replacement_is_what_really_runs() {
    let replacement = async |under_way| {
        traffic(codedeploy(under_way), service("a", "b")).stack_of_replacement("d-1").await.unwrap()
    };

    assert_eq!(replacement(&[("d-1", Some((100.0, 0.0)))]).await, Some(B));
    assert_eq!(replacement(&[("d-1", None)]).await, None);
    assert_eq!(function("6", None).stack_of_replacement("d-1").await.unwrap(), None);
}

#[tokio::test]
async fn the_traffic_of_an_alias_is_where_its_versions_are_bound_to() {
    assert_eq!(function("6", None).observe(B).await.unwrap(), Some(A));
    assert_eq!(function("6", Some(("7", 0.1))).observe(B).await.unwrap(), None);
    assert_eq!(function("6", Some(("7", 1.0))).observe(B).await.unwrap(), Some(B));
    let err = function("8", None).observe(B).await.unwrap_err().to_string();
    assert!(err.contains("version 8 of function `web` is bound to no stack"), "{err}");
    assert!(err.contains("it has no variable `STACK`"), "{err}");
}

#[tokio::test]
async fn a_deployment_of_another_function_or_alias_is_refused() {
    let version = |function: &str, alias: &str| {
        let (function, alias) = (function.to_owned(), alias.to_owned());
        let revision = Revision::FunctionVersion { function, alias, version: "7".to_owned() };
        deployment(DeploymentStatus::Succeeded, revision)
    };
    let traffic = function("6", None);
    let definition =
        deployment(DeploymentStatus::Succeeded, Revision::TaskDefinition("b".to_owned()));

    assert_eq!(traffic.stack_of(&version("web", "live")).await.unwrap(), B);
    for other in [version("api", "live"), version("web", "test"), definition] {
        let err = traffic.stack_of(&other).await.unwrap_err();
        assert!(matches!(err, Error::Refused { .. }), "{err:?}");
    }
}

#[tokio::test]
async fn what_is_under_way_is_named_with_how_far_it_is() {
    let under_way = async |status: DeploymentStatus| {
        let mut codedeploy = codedeploy(&[("d-1", None)]);
        codedeploy.expect_deployment().returning(move |_| {
            Ok(deployment(status.clone(), Revision::TaskDefinition("b".to_owned())))
        });
        traffic(codedeploy, service("a", "b")).under_way().await.unwrap()
    };

    let named = under_way(DeploymentStatus::UnderWay("InProgress".to_owned())).await;
    let ended = under_way(DeploymentStatus::Succeeded).await;

    assert_eq!(named.as_deref(), Some("CodeDeploy deployment d-1 (InProgress)"));
    assert_eq!(ended, None);
    assert_eq!(traffic(codedeploy(&[]), service("a", "b")).under_way().await.unwrap(), None);
}

#[tokio::test]
async fn it_is_never_told_to_move() {
    let traffic = traffic(codedeploy(&[]), service("a", "b"));

    assert_eq!((traffic.name(), traffic.platform()), ("web", Some("CodeDeploy")));
    assert!(matches!(traffic.move_to(B).await, Err(Error::Refused { .. })));
}

#[test]
fn the_looks_need_what_they_call() {
    let permissions = traffic(codedeploy(&[]), service("a", "b")).permissions();
    let of_function = function("6", None).permissions();

    let group = "deploymentgroup:shop/web";
    assert_eq!(
        allowed(&permissions),
        [
            ("codedeploy:GetDeployment", group),
            ("codedeploy:GetDeploymentGroup", group),
            ("codedeploy:ListDeployments", group),
            ("codedeploy:BatchGetDeploymentTargets", "*"),
            ("codedeploy:ListDeploymentTargets", "*"),
            ("ecs:DescribeServices", "service/shop/web"),
            ("ecs:DescribeTaskDefinition", "*"),
        ]
    );
    assert_eq!(
        allowed(&of_function)[5..],
        [
            ("lambda:GetAlias", "function:web"),
            ("lambda:GetFunctionConfiguration", "function:web:*"),
        ]
    );
}
