//! Services that ECS deploys itself: how the shop has them, and what becomes of their deployments.

use std::time::Duration;

use aws_sdk_ecs::{Client, types::StopServiceDeploymentStopType};
use bluegreen_sim::{BlueGreen, LifecycleHook};
use serde_json::{Value, json};

use crate::shop::{FUNCTION, Shop};

/// A mover of the service `web` by ECS.
pub(crate) const BY_ECS: &str = r#"
[traffic.web]
mover = "ecs"
cluster = "shop"
service = "web"
binding = { container = "web", env = "STACK" }
"#;

/// The stages at which ECS asks the function, in the order of a deployment that goes well.
pub(crate) const STAGES: [&str; 7] = [
    "PRE_SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
];

/// A call of the function, and what it has come to.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) event: Value,
    pub(crate) answer: Value,
    /// When it was called, and when it had answered, since the account was made.
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
}

impl Answered {
    /// The stage that it was called at; empty where ECS has not called.
    pub(crate) fn stage(&self) -> &str {
        self.event["lifecycleStage"].as_str().unwrap_or_default()
    }

    /// What it has told ECS.
    pub(crate) fn status(&self) -> &str {
        self.answer["hookStatus"].as_str().unwrap_or_default()
    }
}

impl Shop {
    /// Lets ECS deploy a service itself, whose tasks are bound to stack a, asking the function at every stage, all at
    /// once unless `change` says otherwise.
    pub(crate) fn deployed_by_ecs(
        self,
        service: &str,
        change: impl FnOnce(&mut BlueGreen),
    ) -> Self {
        self.account.world(|world| {
            let a = world.add_task_definition_with(service, service, &[("STACK", "a")], &[]);
            world.add_task_definition_with(service, service, &[("STACK", "b")], &[]);
            let hook = LifecycleHook::new(&world.function_arn(FUNCTION, None), &STAGES);
            let mut configuration = BlueGreen::with_hooks(vec![hook]);
            change(&mut configuration);
            world.add_blue_green_service("shop", service, 2, &a, configuration);
        });
        self
    }

    pub(crate) fn ecs(&self) -> Client {
        Client::new(&self.account.sdk_config())
    }

    /// Begins a deployment of a service by ECS with this task definition, and returns its ARN.
    pub(crate) async fn update(&self, service: &str, definition: &str) -> String {
        let update = self.ecs().update_service().cluster("shop").service(service);
        update.task_definition(definition).send().await.unwrap();
        self.newest()
    }

    /// Returns the ARN of the newest deployment of ECS.
    pub(crate) fn newest(&self) -> String {
        self.account.world(|world| world.ecs.service_deployments().last().unwrap().arn.clone())
    }

    /// Returns AWS's word for how a deployment of ECS is.
    pub(crate) fn update_status(&self, arn: &str) -> &'static str {
        self.account.world(|world| {
            world.ecs.service_deployments().find(|it| it.arn == arn).unwrap().status()
        })
    }

    /// Answers until a deployment of ECS has ended, and returns how.
    pub(crate) async fn until_settled(&self, arn: &str) -> &'static str {
        let under_way = ["PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS"];
        self.answer_until(async |it| !under_way.contains(&it.update_status(arn))).await;
        self.update_status(arn)
    }

    /// Lets a person stop a deployment of ECS.
    pub(crate) async fn stop_update(&self, arn: &str, kind: StopServiceDeploymentStopType) {
        let stop = self.ecs().stop_service_deployment().service_deployment_arn(arn);
        stop.stop_type(kind).send().await.unwrap();
    }

    /// Returns the calls of ECS, in their order.
    pub(crate) fn called_by_ecs(&self) -> Vec<Answered> {
        let answered = self.answered.lock().unwrap().clone();
        answered.into_iter().filter(|it| !it.stage().is_empty()).collect()
    }

    /// Returns what was answered last at each stage, in the order of the calls: `PRE_SCALE_UP SUCCEEDED`.
    pub(crate) fn stages(&self) -> Vec<String> {
        let calls = self.called_by_ecs();
        let ended = calls.iter().filter(|it| it.status() != "IN_PROGRESS");
        ended.map(|it| format!("{} {}", it.stage(), it.status())).collect()
    }

    /// Returns the names of all calls, the first ones first: `ecs:UpdateService`; of those that changed something only
    /// where so asked.
    pub(crate) fn asked(&self, changes: bool) -> Vec<String> {
        self.account.world(|world| {
            let records = world.audit.records().iter();
            records
                .filter(|it| !changes || it.took_effect())
                .map(bluegreen_sim::Record::name)
                .collect()
        })
    }
}

/// An event of a stage of a deployment that is told of with another event.
pub(crate) fn at_stage(event: &Value, stage: &str, details: Value) -> Value {
    let mut event = event.clone();
    event["lifecycleStage"] = json!(stage);
    event["hookDetails"] = details;
    event
}
