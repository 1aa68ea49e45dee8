//! Deployments of a service as people and pipelines begin them, and how they end.

use aws_sdk_codedeploy::types::{AppSpecContent, RevisionLocation, RevisionLocationType};
use aws_sdk_ecs::types::StopServiceDeploymentStopType;
use serde_json::json;

use crate::{
    emulator::FUNCTION,
    shop::{CLUSTER, register},
    stage::{Stage, eventually},
};

/// What CodeDeploy calls a deployment that has ended.
const ENDED: [&str; 3] = ["Succeeded", "Failed", "Stopped"];

/// The lifecycle events that can have a hook.
pub(crate) const HOOKS: [&str; 5] = [
    "BeforeInstall",
    "AfterInstall",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
];

impl Stage {
    /// Begins a deployment of CodeDeploy of a new revision of a service that is bound to a stack, or to none, with the
    /// function at every lifecycle event. Returns its id.
    pub(crate) async fn deploy(&self, service: &str, stack: Option<&str>) -> String {
        let definition = register(&self.sdk, service, stack).await;
        let hooks: Vec<_> = HOOKS.iter().map(|it| json!({ *it: FUNCTION })).collect();
        let content = json!({
            "version": 0.0,
            "Resources": [{ "TargetService": {
                "Type": "AWS::ECS::Service",
                "Properties": {
                    "TaskDefinition": definition,
                    "LoadBalancerInfo": { "ContainerName": "web", "ContainerPort": 80 },
                },
            } }],
            "Hooks": hooks,
        });
        let content = AppSpecContent::builder().content(content.to_string()).build();
        let revision =
            RevisionLocation::builder().revision_type(RevisionLocationType::AppSpecContent);
        let create = aws_sdk_codedeploy::Client::new(&self.sdk).create_deployment();
        let create = create.application_name(CLUSTER).deployment_group_name(service);
        let answer =
            create.revision(revision.app_spec_content(content).build()).send().await.unwrap();
        answer.deployment_id.unwrap()
    }

    /// Returns the status of a deployment of CodeDeploy.
    pub(crate) async fn status(&self, deployment: &str) -> String {
        let look = aws_sdk_codedeploy::Client::new(&self.sdk).get_deployment();
        let answer = look.deployment_id(deployment).send().await.unwrap();
        answer.deployment_info.unwrap().status.unwrap().as_str().to_owned()
    }

    /// Waits for the end of a deployment of CodeDeploy, and returns how it ended.
    pub(crate) async fn end_of(&self, deployment: &str) -> String {
        eventually("the end of the deployment", async || {
            let status = self.status(deployment).await;
            ENDED.contains(&status.as_str()).then_some(status)
        })
        .await
    }

    /// Waits for the deployment that CodeDeploy makes by itself to roll another back, and returns its id.
    pub(crate) async fn rollback_of(&self, deployment: &str) -> String {
        let deployments = aws_sdk_codedeploy::Client::new(&self.sdk);
        eventually("the deployment that rolls back", async || {
            let look = deployments.get_deployment().deployment_id(deployment);
            let info = look.send().await.unwrap().deployment_info.unwrap();
            info.rollback_info.and_then(|it| it.rollback_deployment_id)
        })
        .await
    }

    /// Returns the statuses of a deployment's lifecycle events, in their order: `BeforeInstall Succeeded`.
    pub(crate) async fn lifecycle_events(&self, deployment: &str) -> Vec<String> {
        let deployments = aws_sdk_codedeploy::Client::new(&self.sdk);
        let list = deployments.list_deployment_targets().deployment_id(deployment);
        let targets = list.send().await.unwrap().target_ids;
        let look = deployments.batch_get_deployment_targets().deployment_id(deployment);
        let answer = look.set_target_ids(targets).send().await.unwrap();
        let target = answer.deployment_targets.unwrap().remove(0);
        let events = target.ecs_target.unwrap().lifecycle_events.unwrap_or_default();
        let word = |it: &aws_sdk_codedeploy::types::LifecycleEvent| {
            let status = it.status.as_ref().map_or("", |it| it.as_str());
            format!("{} {status}", it.lifecycle_event_name.as_deref().unwrap_or_default())
        };
        events.iter().map(word).collect()
    }

    /// Begins a deployment by ECS of a new revision of a service that is bound to a stack, or to none. Returns its ARN.
    pub(crate) async fn update(&self, service: &str, stack: Option<&str>) -> String {
        let before = self.service_deployments(service).await;
        let definition = register(&self.sdk, service, stack).await;
        let update = aws_sdk_ecs::Client::new(&self.sdk).update_service();
        let update = update.cluster(CLUSTER).service(service).task_definition(definition);
        update.send().await.unwrap();
        eventually("the service deployment", async || {
            let now = self.service_deployments(service).await;
            now.into_iter().find(|it| !before.contains(it))
        })
        .await
    }

    /// Returns the ARNs of a service's deployments.
    async fn service_deployments(&self, service: &str) -> Vec<String> {
        let list = aws_sdk_ecs::Client::new(&self.sdk).list_service_deployments();
        let answer = list.cluster(CLUSTER).service(service).send().await.unwrap();
        let arns = answer.service_deployments.unwrap_or_default().into_iter();
        arns.filter_map(|it| it.service_deployment_arn).collect()
    }

    /// Waits for the end of a deployment by ECS, and returns its status.
    pub(crate) async fn end_of_update(&self, arn: &str) -> String {
        eventually("the end of the service deployment", async || {
            let look = aws_sdk_ecs::Client::new(&self.sdk).describe_service_deployments();
            let answer = look.service_deployment_arns(arn).send().await.unwrap();
            let deployments = answer.service_deployments.unwrap_or_default();
            let status = deployments.into_iter().next()?.status?.as_str().to_owned();
            let ended = ["SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"];
            ended.contains(&status.as_str()).then_some(status)
        })
        .await
    }

    /// Lets ECS roll a deployment back, as a person does.
    pub(crate) async fn roll_back(&self, arn: &str) {
        let stop = aws_sdk_ecs::Client::new(&self.sdk).stop_service_deployment();
        let stop =
            stop.service_deployment_arn(arn).stop_type(StopServiceDeploymentStopType::Rollback);
        stop.send().await.unwrap();
    }

    /// Stops a deployment of CodeDeploy, and lets it be rolled back or not.
    pub(crate) async fn stop(&self, deployment: &str, roll_back: bool) {
        let stop = aws_sdk_codedeploy::Client::new(&self.sdk).stop_deployment();
        let stop = stop.deployment_id(deployment).auto_rollback_enabled(roll_back);
        stop.send().await.unwrap();
    }
}
