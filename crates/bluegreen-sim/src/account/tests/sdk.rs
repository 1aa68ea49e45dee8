//! What the real SDK makes of deployments and of invocations.

use aws_sdk_codedeploy::types::{
    AppSpecContent, DeploymentStatus, RevisionLocation, RevisionLocationType, TargetLabel,
};
use aws_sdk_ecs::types::{
    DeploymentConfiguration, DeploymentLifecycleHook, DeploymentLifecycleHookStage as Stage,
    DeploymentLifecycleHookTimeoutConfiguration, DeploymentStrategy, ServiceDeploymentStatus,
};
use aws_sdk_lambda::{primitives::Blob, types::InvocationType};
use serde_json::{Value, json};

use super::*;
use crate::DeploymentGroup;

fn account() -> SimulatedAccount {
    let settings = Settings { times: Times::instant(), rates: false, ..Settings::default() };
    let account = SimulatedAccount::new(settings);
    account.world(|world| {
        world.add_outside_function("hook", 60);
        for stack in ["a", "b"] {
            world.add_task_definition_with("web", "web", &[("STACK", stack)], &[("stack", stack)]);
        }
    });
    account
}

#[tokio::test(start_paused = true)]
async fn the_sdk_reads_a_deployment_of_code_deploy() {
    let account = account();
    account.world(|world| {
        world.add_service("shop", "web", 2);
        world.deploy_by_code_deploy("shop", "web", "web:1");
        world.add_deployment_group("shop", "web", DeploymentGroup::of("shop", "web"));
    });
    let client = aws_sdk_codedeploy::Client::new(&account.sdk_config());
    let service =
        json!({ "Type": "AWS::ECS::Service", "Properties": { "TaskDefinition": "web:2" } });
    let hooks = json!([{ "AfterAllowTraffic": "hook" }]);
    let content =
        json!({ "Resources": [{ "TargetService": service }], "Hooks": hooks }).to_string();
    let revision = RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(AppSpecContent::builder().content(&content).build())
        .build();
    let made = client.create_deployment().application_name("shop").deployment_group_name("web");
    let made = made.revision(revision).send().await.unwrap();
    let id = made.deployment_id().unwrap();

    let told = client.get_deployment().deployment_id(id).send().await.unwrap();
    let listed = client.list_deployments().application_name("shop").deployment_group_name("web");
    let listed = listed.include_only_statuses(DeploymentStatus::InProgress).send().await.unwrap();
    let targets = client.list_deployment_targets().deployment_id(id).send().await.unwrap();
    let target = client.get_deployment_target().deployment_id(id);
    let target = target.target_id(&targets.target_ids()[0]).send().await.unwrap();
    let group = client.get_deployment_group().application_name("shop").deployment_group_name("web");
    let group = group.send().await.unwrap();
    let nobody = client.get_deployment().deployment_id("d-NOBODY").send().await.unwrap_err();

    let told = told.deployment_info().unwrap();
    assert_eq!(told.status(), Some(&DeploymentStatus::InProgress));
    assert_eq!(told.creator().map(|it| it.as_str()), Some("user"));
    assert!(told.start_time().is_some() && told.complete_time().is_none());
    assert_eq!(
        told.revision().unwrap().app_spec_content().unwrap().content(),
        Some(content.as_str())
    );
    assert_eq!(listed.deployments(), [id]);
    let target = target.deployment_target().unwrap().ecs_target().unwrap();
    let current = target.lifecycle_events().iter().find(|it| it.end_time().is_none()).unwrap();
    assert_eq!(current.lifecycle_event_name(), Some("AfterAllowTraffic"));
    let green =
        target.task_sets_info().iter().find(|it| it.task_set_label() == Some(&TargetLabel::Green));
    let green = green.unwrap();
    assert_eq!(
        (green.status(), green.traffic_weight(), green.running_count()),
        (Some("PRIMARY"), 100.0, 2)
    );
    let group = group.deployment_group_info().unwrap();
    assert!(group.auto_rollback_configuration().unwrap().enabled());
    assert_eq!(group.ecs_services()[0].service_name(), Some("web"));
    assert!(nobody.into_service_error().is_deployment_does_not_exist_exception());
}

#[tokio::test(start_paused = true)]
async fn the_sdk_makes_a_service_with_hooks_and_reads_its_deployment() {
    let account = account();
    account.world(|world| world.add_ecs_cluster("shop"));
    let client = aws_sdk_ecs::Client::new(&account.sdk_config());
    let timeout =
        DeploymentLifecycleHookTimeoutConfiguration::builder().timeout_in_minutes(20).build();
    let hook = DeploymentLifecycleHook::builder()
        .hook_target_arn(account.world(|world| world.function_arn("hook", None)))
        .role_arn("arn:aws:iam::123456789012:role/hooks")
        .lifecycle_stages(Stage::PostProductionTrafficShift)
        .timeout_configuration(timeout)
        .build();
    let configuration = DeploymentConfiguration::builder()
        .strategy(DeploymentStrategy::BlueGreen)
        .lifecycle_hooks(hook)
        .build();
    let create =
        client.create_service().cluster("shop").service_name("web").task_definition("web:1");
    create.desired_count(1).deployment_configuration(configuration).send().await.unwrap();
    let first = account.next_invocation().await;
    account.answer_invocation(first, Ok(r#"{"hookStatus":"SUCCEEDED"}"#.to_owned()));
    client
        .update_service()
        .cluster("shop")
        .service("web")
        .task_definition("web:2")
        .send()
        .await
        .unwrap();

    let second = account.next_invocation().await;
    let event: Value = serde_json::from_str(&second.payload).unwrap();
    let arn = event["resourceArn"].as_str().unwrap();
    let told =
        client.describe_service_deployments().service_deployment_arns(arn).send().await.unwrap();
    let listed =
        client.list_service_deployments().cluster("shop").service("web").send().await.unwrap();
    let told = &told.service_deployments()[0];
    let target = told.target_service_revision().unwrap();
    let revision = client.describe_service_revisions().service_revision_arns(target.arn().unwrap());
    let revision = revision.send().await.unwrap();
    let definition = revision.service_revisions()[0].task_definition().unwrap();
    let definition = client.describe_task_definition().task_definition(definition);
    let definition =
        definition.include(aws_sdk_ecs::types::TaskDefinitionField::Tags).send().await.unwrap();
    client.stop_service_deployment().service_deployment_arn(arn).send().await.unwrap();
    let stopped =
        client.describe_service_deployments().service_deployment_arns(arn).send().await.unwrap();

    assert_eq!(told.status(), Some(&ServiceDeploymentStatus::InProgress));
    assert_eq!(target.requested_production_traffic_weight(), Some(100.0));
    assert_eq!(told.source_service_revisions()[0].requested_production_traffic_weight(), Some(0.0));
    let hook = &told.deployment_configuration().unwrap().lifecycle_hooks()[0];
    assert_eq!(hook.timeout_configuration().unwrap().timeout_in_minutes(), Some(20));
    let statuses: Vec<_> =
        listed.service_deployments().iter().filter_map(|it| it.status()).collect();
    assert_eq!(
        statuses,
        [&ServiceDeploymentStatus::InProgress, &ServiceDeploymentStatus::Successful]
    );
    assert_eq!(definition.tags()[0].value(), Some("b"));
    let environment =
        definition.task_definition().unwrap().container_definitions()[0].environment();
    assert_eq!((environment[0].name(), environment[0].value()), (Some("STACK"), Some("b")));
    let stopped = &stopped.service_deployments()[0];
    assert_eq!(stopped.status(), Some(&ServiceDeploymentStatus::RollbackSuccessful));
    assert!(stopped.rollback().unwrap().reason().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_sdk_invokes_a_function_outside_and_waits_for_its_answer_or_does_not() {
    let account = account();
    let client = aws_sdk_lambda::Client::new(&account.sdk_config());
    let invoke = |kind| {
        let invoke = client.invoke().function_name("hook").invocation_type(kind);
        invoke.payload(Blob::new("{}")).send()
    };

    let answer = async {
        let invocation = account.next_invocation().await;
        account.answer_invocation(invocation, Err("no database".to_owned()));
    };
    let (waited, ()) = tokio::join!(invoke(InvocationType::RequestResponse), answer);
    let queued = invoke(InvocationType::Event).await.unwrap();

    let waited = waited.unwrap();
    assert_eq!((waited.status_code(), waited.function_error()), (200, Some("Unhandled")));
    assert_eq!((queued.status_code(), queued.function_error()), (202, None));
    assert!(account.next_invocation().await.is_asynchronous);
}
