//! Where the traffic is that ECS moves.

use std::collections::BTreeMap;

use bluegreen_core::StackReference::{A, B};
use bluegreen_ecs::{BoundDefinition, MockEcsTrafficToolkit, ServiceRevision};

use super::*;
use crate::{stack_file::Binding, steps::testing::allowed};

/// A service with these running revisions and this task definition, and this deployment under way. Revisions and
/// definitions are called like the stacks that they are bound to.
fn traffic(
    revisions: &'static [&'static str],
    definition: Option<&'static str>,
    under_way: Option<ServiceDeployment>,
) -> EcsTraffic {
    after(revisions, definition, under_way, None)
}

/// The same, after a deployment that has ended.
fn after(
    revisions: &'static [&'static str],
    definition: Option<&'static str>,
    under_way: Option<ServiceDeployment>,
    last: Option<ServiceDeployment>,
) -> EcsTraffic {
    let last_arn = last.as_ref().map(|it| it.arn.clone());
    let mut mock = MockEcsTrafficToolkit::new();
    mock.expect_traffic_service().returning(move || {
        Ok(TrafficService {
            arn: "service".to_owned(),
            controller: "ECS".to_owned(),
            task_sets: Vec::new(),
            current_revisions: revisions.iter().map(|&it| it.to_owned()).collect(),
            current_deployment: last_arn.clone(),
            task_definition: definition.map(str::to_owned),
        })
    });
    mock.expect_service_deployments_under_way()
        .returning(move || Ok(under_way.clone().into_iter().collect()));
    mock.expect_service_deployment().returning(move |_| Ok(last.clone()));
    mock.expect_revision().returning(|arn| {
        Ok(ServiceRevision { arn: arn.to_owned(), task_definition: arn.to_owned() })
    });
    mock.expect_task_definition_of().returning(|arn| {
        let tags = BTreeMap::from([("stack".to_owned(), arn.to_owned())]);
        Ok(BoundDefinition { environment: BTreeMap::new(), tags })
    });
    let settings = EcsMover {
        cluster: "shop".to_owned(),
        service: "web".to_owned(),
        binding: Binding::Tag("stack".to_owned()),
    };
    EcsTraffic::new("web", settings, Arc::new(mock))
}

/// A deployment of `target` in the place of `source`, each with its weight.
fn deployment(
    (target, target_weight): (&str, Option<f64>),
    (source, source_weight): (&str, Option<f64>),
) -> Option<ServiceDeployment> {
    let revision =
        |arn: &str, production_weight| RevisionTraffic { arn: arn.to_owned(), production_weight };
    Some(ServiceDeployment {
        arn: "deployment".to_owned(),
        status: ServiceDeploymentStatus::UnderWay("IN_PROGRESS".to_owned()),
        rolls_back: false,
        stage: Some("BAKE_TIME".to_owned()),
        target: Some(revision(target, target_weight)),
        sources: vec![revision(source, source_weight)],
        hooks: Vec::new(),
        started: None,
    })
}

async fn during(
    target: (&str, Option<f64>),
    source: (&str, Option<f64>),
) -> Option<StackReference> {
    traffic(&["a", "b"], None, deployment(target, source)).observe(B).await.unwrap()
}

#[tokio::test]
async fn without_a_deployment_traffic_is_on_the_revision_that_runs() {
    assert_eq!(traffic(&["b"], Some("a"), None).observe(B).await.unwrap(), Some(B));
    assert_eq!(traffic(&["a", "b"], None, None).observe(B).await.unwrap(), None);
    assert_eq!(traffic(&[], Some("a"), None).observe(B).await.unwrap(), Some(A));
}

#[tokio::test]
async fn during_a_deployment_the_weights_of_its_revisions_count() {
    assert_eq!(during(("b", Some(0.0)), ("a", Some(100.0))).await, Some(A));
    assert_eq!(during(("b", Some(100.0)), ("a", Some(0.0))).await, Some(B));
    assert_eq!(during(("b", Some(10.0)), ("a", Some(90.0))).await, None);
    assert_eq!(during(("a", Some(10.0)), ("a", Some(90.0))).await, Some(A));
}

#[tokio::test]
async fn a_deployment_that_somebody_has_stopped_leaves_traffic_where_its_weights_say() {
    let left = async |status: ServiceDeploymentStatus, weight: Option<f64>| {
        let source = weight.map(|it| 100.0 - it);
        let last = deployment(("b", weight), ("a", source)).unwrap();
        let last = ServiceDeployment { status, ..last };
        after(&["a", "b"], None, None, Some(last)).observe(B).await.unwrap()
    };

    assert_eq!(left(ServiceDeploymentStatus::Stopped, Some(0.0)).await, Some(A));
    assert_eq!(left(ServiceDeploymentStatus::Stopped, Some(100.0)).await, Some(B));
    assert_eq!(left(ServiceDeploymentStatus::Stopped, Some(12.5)).await, None);
    assert_eq!(left(ServiceDeploymentStatus::Stopped, None).await, None);
    assert_eq!(left(ServiceDeploymentStatus::RollbackFailed, Some(0.0)).await, None);
}

#[tokio::test]
async fn a_weight_that_nobody_says_is_not_none() {
    assert_eq!(during(("b", None), ("a", None)).await, None);
    assert_eq!(during(("b", Some(10.0)), ("a", None)).await, None);
    assert_eq!(during(("b", Some(100.0)), ("a", None)).await, Some(B));
}

#[tokio::test]
async fn what_is_bound_to_no_stack_is_refused() {
    let unbound = traffic(&["production"], None, None);

    let seen = unbound.observe(B).await.unwrap_err();
    let asked = unbound.stack_of_revision("production").await.unwrap_err();
    let nothing = traffic(&[], None, None).observe(B).await.unwrap_err();

    for err in [seen, asked, nothing] {
        assert!(matches!(err, Error::Refused { .. }), "{err:?}");
    }
    assert_eq!(unbound.stack_of_revision("b").await.unwrap(), B);
}

#[tokio::test]
async fn what_is_under_way_is_named_with_its_stage() {
    let under_way = traffic(&[], None, deployment(("b", None), ("a", None))).under_way().await;

    let named = "ECS service deployment `deployment` (IN_PROGRESS at BAKE_TIME)";
    assert_eq!(under_way.unwrap().as_deref(), Some(named));
    assert_eq!(traffic(&[], None, None).under_way().await.unwrap(), None);
}

#[tokio::test]
async fn it_is_never_told_to_move_and_needs_what_it_calls() {
    let traffic = traffic(&["a"], None, None);

    assert_eq!((traffic.name(), traffic.platform()), ("web", Some("ECS")));
    assert!(matches!(traffic.move_to(B).await, Err(Error::Refused { .. })));
    assert_eq!(
        allowed(&traffic.permissions()),
        [
            ("ecs:DescribeServices", "service/shop/web"),
            ("ecs:DescribeTaskDefinition", "*"),
            ("ecs:ListServiceDeployments", "service/shop/web"),
            ("ecs:DescribeServiceDeployments", "service-deployment/shop/web/*"),
            ("ecs:DescribeServiceRevisions", "service-revision/shop/web/*"),
        ]
    );
}
