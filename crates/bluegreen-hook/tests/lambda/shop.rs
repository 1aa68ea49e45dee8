//! [`Shop`], the small shop that the function moves, built by calls of AWS.

use std::{collections::BTreeMap, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue};
use aws_sdk_codedeploy::types::{
    AutoRollbackConfiguration, AutoRollbackEvent, ComputePlatform, EcsService,
};
use aws_sdk_ecs::types::{
    ContainerDefinition, DeploymentConfiguration, DeploymentController, DeploymentControllerType,
    DeploymentLifecycleHook, DeploymentLifecycleHookStage, DeploymentStrategy, KeyValuePair,
};

use crate::{
    emulator::FUNCTION,
    messages,
    stage::{ACCOUNT, REGION},
};

/// The table of the store.
pub(crate) const TABLE: &str = "bluegreen";

/// The cluster of all services, and the application of CodeDeploy.
pub(crate) const CLUSTER: &str = "shop";

/// Who moves the traffic of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mover {
    CodeDeploy,
    Ecs,
}

/// A shop with a cluster, a queue, a worker, alarms, and one or more services that serve traffic.
#[derive(Clone, Debug)]
pub(crate) struct Shop {
    mover: Mover,
    services: Vec<&'static str>,
    /// How long a purge goes on, which is what `prepare` waits for.
    settle: Duration,
    /// Whether it has what takes messages, too.
    has_messages: bool,
    /// How long one invocation works before it hands over.
    pub(crate) longest_run: Duration,
}

impl Shop {
    /// Makes one with the service `web`, of which nothing takes time.
    pub(crate) fn new(mover: Mover) -> Self {
        Self {
            mover,
            services: vec!["web"],
            settle: Duration::ZERO,
            has_messages: false,
            longest_run: Duration::from_secs(30),
        }
    }

    /// Lets another service serve traffic, too.
    pub(crate) fn with_service(mut self, name: &'static str) -> Self {
        self.services.push(name);
        self
    }

    /// Lets it have a topic, and functions with a mapping and a rule each.
    pub(crate) fn with_messages(mut self) -> Self {
        self.has_messages = true;
        self
    }

    /// Lets `prepare` take so long, of which one invocation works no longer than `run`.
    pub(crate) fn prepares_for(mut self, settle: Duration, run: Duration) -> Self {
        self.settle = settle;
        self.longest_run = run;
        self
    }

    /// Writes its stack file.
    pub(crate) fn stack_file(&self) -> String {
        let mut text = format!("name = \"shop\"\nregion = \"{REGION}\"\n");
        for service in &self.services {
            let mover = match self.mover {
                Mover::CodeDeploy => format!(
                    "mover = \"codedeploy\"\napplication = \"{CLUSTER}\"\ndeployment-group = \"{service}\"\n"
                ),
                Mover::Ecs => "mover = \"ecs\"\n".to_owned(),
            };
            text += &format!(
                "\n[traffic.{service}]\n{mover}cluster = \"{CLUSTER}\"\nservice = \"{service}\"\n\
                 binding = {{ container = \"web\", env = \"STACK\" }}\n"
            );
        }
        if self.has_messages {
            text += &messages::tables();
        }
        text + &format!(
            r#"
[state]
store = "dynamodb"
table = "{TABLE}"
lease = "3s"

[release]
hold = "0s"
watch = "0s"

[pace]
first-look = "200ms"
longest-look = "1s"

[aurora.orders]
clusters = {{ a = "orders-a", b = "orders-b" }}
connections = "ignore"
skip = ["aurora.scale-out", "aurora.scale-in"]

[sqs.ingest]
queues = {{ a = "ingest-a", b = "ingest-b" }}
feed = "fan-out"
settle = "{}s"
caught-up = "off"

[ecs.worker]
cluster = "{CLUSTER}"
services = {{ a = "worker-a", b = "worker-b" }}
desired-tasks = "match"

[cloudwatch.pages]
prefixes = {{ a = "shop-a-", b = "shop-b-" }}

[test.pages]
alarms = "cloudwatch.pages"
bake = "0s"
"#,
            self.settle.as_secs()
        )
    }

    /// Builds everything, with stack a at work and stack b at rest.
    pub(crate) async fn build(&self, sdk: &SdkConfig) {
        let clusters = aws_sdk_rds::Client::new(sdk);
        let queues = aws_sdk_sqs::Client::new(sdk);
        let services = aws_sdk_ecs::Client::new(sdk);
        services.create_cluster().cluster_name(CLUSTER).send().await.unwrap();
        for (stack, on) in [("a", true), ("b", false)] {
            let cluster = format!("orders-{stack}");
            let create = clusters.create_db_cluster().db_cluster_identifier(&cluster);
            // The account wants no password; emulators do, as AWS does.
            let create = create.master_username("shop").master_user_password("only-in-a-test");
            create.engine("aurora-mysql").send().await.unwrap();
            let create =
                clusters.create_db_instance().db_instance_identifier(format!("{cluster}-1"));
            let create = create.db_cluster_identifier(&cluster).db_instance_class("db.r6g.large");
            create.engine("aurora-mysql").send().await.unwrap();
            if !on {
                clusters.stop_db_cluster().db_cluster_identifier(&cluster).send().await.unwrap();
            }
            queues.create_queue().queue_name(format!("ingest-{stack}")).send().await.unwrap();
            let worker = services.create_service().cluster(CLUSTER);
            let worker = worker.service_name(format!("worker-{stack}"));
            worker.desired_count(if on { 2 } else { 0 }).send().await.unwrap();
            self.add_alarm(sdk, stack, on).await;
        }
        if self.has_messages {
            messages::build(sdk).await;
        }
        for service in &self.services {
            self.add_serving(sdk, service).await;
        }
    }

    async fn add_alarm(&self, sdk: &SdkConfig, stack: &str, on: bool) {
        let alarms = aws_sdk_cloudwatch::Client::new(sdk);
        let name = format!("shop-{stack}-errors");
        let put =
            alarms.put_metric_alarm().alarm_name(&name).metric_name("Errors").namespace("Shop");
        let put = put.comparison_operator(ComparisonOperator::GreaterThanThreshold);
        let put = put.threshold(0.0).evaluation_periods(1).period(60).actions_enabled(on);
        put.send().await.unwrap();
        let set = alarms.set_alarm_state().alarm_name(name).state_value(StateValue::Ok);
        set.state_reason("in the beginning").send().await.unwrap();
    }

    /// Adds a service that serves traffic from stack a, and what deploys it.
    async fn add_serving(&self, sdk: &SdkConfig, name: &str) {
        let services = aws_sdk_ecs::Client::new(sdk);
        let definition = register(sdk, name, Some("a")).await;
        let create = services.create_service().cluster(CLUSTER).service_name(name);
        let create = create.task_definition(definition).desired_count(2);
        let kind = match self.mover {
            Mover::CodeDeploy => DeploymentControllerType::CodeDeploy,
            Mover::Ecs => DeploymentControllerType::Ecs,
        };
        let controller = DeploymentController::builder().r#type(kind).build().unwrap();
        let create = create.deployment_controller(controller);
        match self.mover {
            Mover::CodeDeploy => {
                create.send().await.unwrap();
                add_group(sdk, name).await;
            }
            Mover::Ecs => {
                create.deployment_configuration(blue_green()).send().await.unwrap();
            }
        }
    }

    /// Lets an alarm of a stack fire, so that its test fails.
    pub(crate) async fn fire(&self, sdk: &SdkConfig, stack: &str) {
        let alarms = aws_sdk_cloudwatch::Client::new(sdk);
        let set = alarms.set_alarm_state().alarm_name(format!("shop-{stack}-errors"));
        let set = set.state_value(StateValue::Alarm).state_reason("a test wants it to");
        set.send().await.unwrap();
    }

    /// Looks at everything that a release switches.
    pub(crate) async fn look(&self, sdk: &SdkConfig) -> BTreeMap<String, String> {
        let mut world = match self.has_messages {
            true => messages::look(sdk).await,
            false => BTreeMap::new(),
        };
        let answer = aws_sdk_rds::Client::new(sdk).describe_db_clusters().send().await.unwrap();
        for cluster in answer.db_clusters() {
            let name = cluster.db_cluster_identifier().unwrap_or_default();
            world.insert(name.to_owned(), cluster.status().unwrap_or_default().to_owned());
        }
        let look = aws_sdk_ecs::Client::new(sdk).describe_services().cluster(CLUSTER);
        let answer = look.services("worker-a").services("worker-b").send().await.unwrap();
        for service in answer.services() {
            let name = service.service_name().unwrap_or_default();
            world.insert(name.to_owned(), format!("{} wanted", service.desired_count()));
        }
        let answer = aws_sdk_cloudwatch::Client::new(sdk).describe_alarms().send().await.unwrap();
        for alarm in answer.metric_alarms() {
            let on = alarm.actions_enabled() == Some(true);
            let name = alarm.alarm_name().unwrap_or_default();
            world.insert(name.to_owned(), if on { "on" } else { "off" }.to_owned());
        }
        world
    }
}

/// Registers a revision of a service's task definition, bound to a stack or to none, and returns its ARN.
pub(crate) async fn register(sdk: &SdkConfig, family: &str, stack: Option<&str>) -> String {
    let container = ContainerDefinition::builder().name("web").image("shop:latest").essential(true);
    let variable = stack.map(|it| KeyValuePair::builder().name("STACK").value(it).build());
    let container = container.set_environment(variable.map(|it| vec![it])).build();
    let register = aws_sdk_ecs::Client::new(sdk).register_task_definition().family(family);
    let answer = register.container_definitions(container).send().await.unwrap();
    let definition = answer.task_definition.unwrap();
    definition.task_definition_arn.unwrap()
}

/// Adds the deployment group of a service, in the one application.
async fn add_group(sdk: &SdkConfig, service: &str) {
    let deployments = aws_sdk_codedeploy::Client::new(sdk);
    let create = deployments.create_application().application_name(CLUSTER);
    // The second service finds it there.
    let _ = create.compute_platform(ComputePlatform::Ecs).send().await;
    let rollback = AutoRollbackConfiguration::builder().enabled(true);
    let rollback = rollback.events(AutoRollbackEvent::DeploymentFailure).build();
    let create = deployments.create_deployment_group().application_name(CLUSTER);
    let create = create.deployment_group_name(service).auto_rollback_configuration(rollback);
    let create = create.service_role_arn(format!("arn:aws:iam::{ACCOUNT}:role/codedeploy"));
    let served = EcsService::builder().cluster_name(CLUSTER).service_name(service).build();
    create.ecs_services(served).send().await.unwrap();
}

/// Returns how ECS deploys a service: with the function at every stage that it works at.
fn blue_green() -> DeploymentConfiguration {
    let stages = [
        DeploymentLifecycleHookStage::PreScaleUp,
        DeploymentLifecycleHookStage::PostScaleUp,
        DeploymentLifecycleHookStage::PostTestTrafficShift,
        DeploymentLifecycleHookStage::PreProductionTrafficShift,
        DeploymentLifecycleHookStage::ProductionTrafficShift,
        DeploymentLifecycleHookStage::PostProductionTrafficShift,
    ];
    let hook = DeploymentLifecycleHook::builder()
        .hook_target_arn(format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}"))
        .role_arn(format!("arn:aws:iam::{ACCOUNT}:role/bluegreen-hook-EcsHookRole"))
        .set_lifecycle_stages(Some(stages.into()))
        .build();
    DeploymentConfiguration::builder()
        .strategy(DeploymentStrategy::BlueGreen)
        .bake_time_in_minutes(0)
        .lifecycle_hooks(hook)
        .build()
}
