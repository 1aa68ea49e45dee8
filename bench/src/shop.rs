//! The account that a function finds: a shop in the middle of a deployment that CodeDeploy runs.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use aws_sdk_codedeploy::types::{AppSpecContent, RevisionLocation, RevisionLocationType};
use aws_sdk_ecs::types::{
    ContainerDefinition, DeploymentController, DeploymentControllerType, KeyValuePair,
};
use bluegreen_core::StackReference;
use bluegreen_deploy::{DynamoDbStorage, Owner, Pointer, Store};
use bluegreen_sim::{DeploymentGroup, Settings, SimulatedAccount, Times};
use serde_json::json;

/// The function.
pub(crate) const FUNCTION: &str = "CodeDeployHook_bluegreen";

/// The stack file of the shop, which the hook Lambda reads.
pub(crate) const STACK_FILE: &str = include_str!("../bluegreen.toml");

/// How long the store's lease lives.
const LEASE: Duration = Duration::from_secs(30);

/// Makes the account, with a deployment to the active stack whose first hook waits to be called. Returns the event that
/// CodeDeploy calls it with.
///
/// # Errors
///
/// When the account does not take something.
pub(crate) async fn deploying(now: SystemTime) -> Result<(SimulatedAccount, String)> {
    let settings = Settings {
        times: Times::instant(),
        start: now,
        rates: false,
        strangers: true,
        ..Settings::default()
    };
    let account = SimulatedAccount::new(settings);
    account.world(|world| {
        world.add_outside_function(FUNCTION, 900);
        world.add_function("ingest-a", 60);
        world.add_function("ingest-b", 60);
        for (stack, on) in [("a", true), ("b", false)] {
            world.add_cluster(
                &format!("orders-{stack}"),
                1,
                if on { "available" } else { "stopped" },
            );
            world.add_queue(&format!("ingest-{stack}"));
            world.add_service("shop", &format!("worker-{stack}"), if on { 2 } else { 0 });
            world.add_alarm(&format!("shop-{stack}-errors"), false, on);
        }
        world.add_deployment_group("shop", "web", DeploymentGroup::of("shop", "web"));
    });
    let sdk = account.sdk_config();
    let services = aws_sdk_ecs::Client::new(&sdk);
    let before = register(&services).await?;
    let kind = DeploymentControllerType::CodeDeploy;
    let controller = DeploymentController::builder().r#type(kind).build();
    let create = services.create_service().cluster("shop").service_name("web").desired_count(2);
    let create = create.task_definition(before).deployment_controller(controller?);
    create.send().await.context("making the service")?;
    adopt(&account, now).await?;

    let content = json!({
        "version": 0.0,
        "Resources": [{ "TargetService": {
            "Type": "AWS::ECS::Service",
            "Properties": { "TaskDefinition": register(&services).await? },
        } }],
        "Hooks": [{ "BeforeInstall": FUNCTION }],
    });
    let content = AppSpecContent::builder().content(content.to_string()).build();
    let revision = RevisionLocation::builder().revision_type(RevisionLocationType::AppSpecContent);
    let create = aws_sdk_codedeploy::Client::new(&sdk).create_deployment();
    let create = create.application_name("shop").deployment_group_name("web");
    let create = create.revision(revision.app_spec_content(content).build());
    create.send().await.context("beginning the deployment")?;
    let event = account.next_invocation_of(FUNCTION).await.payload;
    Ok((account, event))
}

/// Registers a revision of the service that is bound to the active stack.
async fn register(services: &aws_sdk_ecs::Client) -> Result<String> {
    let variable = KeyValuePair::builder().name("STACK").value("a").build();
    let container = ContainerDefinition::builder().name("web").image("shop:latest").essential(true);
    let register = services.register_task_definition().family("web");
    let register = register.container_definitions(container.environment(variable).build());
    let answer = register.send().await.context("registering a task definition")?;
    let arn = answer.task_definition.and_then(|it| it.task_definition_arn);
    arn.context("a task definition without an ARN")
}

/// Makes the store, as `bluegreen adopt --active a` does.
async fn adopt(account: &SimulatedAccount, now: SystemTime) -> Result<()> {
    let storage = Arc::new(DynamoDbStorage::new(&account.sdk_config(), "bluegreen", "shop", LEASE));
    let pointer =
        Pointer { active: StackReference::A, since: now, reason: "the beginning".to_owned() };
    let owner = Owner { name: "bench".to_owned(), clock: account.clock() };
    storage.create_table().await.context("making the table")?;
    let store = Store::adopt(storage, "shop", &owner, pointer).await.context("making the store")?;
    store.close().await.context("giving the lease back")
}
