//! A hook as people write it by hand: eleven calls of the SDK, one after the other, and nothing else.
//!
//! No lease, no journal, no repetition, no look whether the hook still runs. It is what `cargo xtask bench hook`
//! compares the hook Lambda with.

use aws_config::BehaviorVersion;
use aws_sdk_codedeploy::types::LifecycleEventStatus;
use aws_sdk_sqs::types::QueueAttributeName;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

/// The clients of the six services.
struct Clients {
    alarms: aws_sdk_cloudwatch::Client,
    databases: aws_sdk_rds::Client,
    deployments: aws_sdk_codedeploy::Client,
    functions: aws_sdk_lambda::Client,
    queues: aws_sdk_sqs::Client,
    services: aws_sdk_ecs::Client,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let sdk = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let clients = Clients {
        alarms: aws_sdk_cloudwatch::Client::new(&sdk),
        databases: aws_sdk_rds::Client::new(&sdk),
        deployments: aws_sdk_codedeploy::Client::new(&sdk),
        functions: aws_sdk_lambda::Client::new(&sdk),
        queues: aws_sdk_sqs::Client::new(&sdk),
        services: aws_sdk_ecs::Client::new(&sdk),
    };
    let clients = &clients;
    lambda_runtime::run(service_fn(async |it: LambdaEvent<Value>| hook(clients, it.payload).await))
        .await
}

async fn hook(clients: &Clients, event: Value) -> Result<Value, Error> {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let (deployment, execution) = (text("DeploymentId"), text("LifecycleEventHookExecutionId"));
    clients.deployments.get_deployment().deployment_id(&deployment).send().await?;
    for stack in ["a", "b"] {
        let cluster = format!("orders-{stack}");
        clients.databases.describe_db_clusters().db_cluster_identifier(cluster).send().await?;
    }
    let look = clients.services.describe_services().cluster("shop");
    look.services("worker-a").services("worker-b").send().await?;
    let update = clients.services.update_service().cluster("shop").service("worker-b");
    update.desired_count(2).send().await?;
    let url = clients.queues.get_queue_url().queue_name("ingest-b").send().await?.queue_url;
    let look = clients.queues.get_queue_attributes().set_queue_url(url.clone());
    look.attribute_names(QueueAttributeName::All).send().await?;
    clients.queues.purge_queue().set_queue_url(url).send().await?;
    clients.functions.list_event_source_mappings().function_name("ingest-b").send().await?;
    clients.alarms.describe_alarms().alarm_name_prefix("shop-b-").send().await?;
    let report = clients.deployments.put_lifecycle_event_hook_execution_status();
    let report = report.deployment_id(deployment).lifecycle_event_hook_execution_id(execution);
    report.status(LifecycleEventStatus::Succeeded).send().await?;
    Ok(Value::Null)
}
