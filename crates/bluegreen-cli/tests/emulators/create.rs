//! What tests build in the account before they begin.

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace, SuspendedState};
use aws_sdk_cloudwatch::types::{ComparisonOperator, Statistic};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_ecs::types::ContainerDefinition;
use aws_sdk_eventbridge::types::{RuleState, Target};
use aws_sdk_lambda::{
    primitives::Blob,
    types::{EventSourcePosition, FunctionCode, Runtime},
};

use crate::account::{Account, arn};

/// A zip archive with nothing in it.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

impl Account {
    /// Creates a queue with so many messages in it.
    pub(crate) async fn create_queue(&self, name: &str, messages: usize) {
        let queue = self.queues.create_queue().queue_name(name).send().await.unwrap();
        for number in 0..messages {
            let send = self.queues.send_message().set_queue_url(queue.queue_url.clone());
            send.message_body(number.to_string()).send().await.unwrap();
        }
    }

    /// Creates a topic and returns its ARN.
    pub(crate) async fn create_topic(&self, name: &str) -> String {
        self.topics.create_topic().name(name).send().await.unwrap().topic_arn.unwrap()
    }

    /// Subscribes a queue to a topic and returns the ARN of the subscription.
    pub(crate) async fn subscribe(&self, topic: &str, queue: &str, filter: Option<&str>) -> String {
        let subscribe = self.topics.subscribe().topic_arn(topic).protocol("sqs");
        let mut subscribe = subscribe.endpoint(arn("sqs", queue));
        if let Some(filter) = filter {
            subscribe = subscribe.attributes("FilterPolicy", filter);
        }
        subscribe.send().await.unwrap().subscription_arn.unwrap()
    }

    /// Creates a cluster of a writer and two readers that scales from 1 to 4 readers.
    pub(crate) async fn create_cluster(&self, name: &str) {
        self.create_empty_cluster(name).await;
        // One after the other: the first becomes the writer.
        for number in 0..3 {
            self.create_instance(name, &format!("{name}-{number}"), &[]).await;
        }
        self.scaling
            .register_scalable_target()
            .service_namespace(ServiceNamespace::Rds)
            .resource_id(format!("cluster:{name}"))
            .scalable_dimension(ScalableDimension::RdsClusterReadReplicaCount)
            .min_capacity(1)
            .max_capacity(4)
            .send()
            .await
            .unwrap();
    }

    pub(crate) async fn create_empty_cluster(&self, name: &str) {
        self.clusters
            .create_db_cluster()
            .db_cluster_identifier(name)
            .engine("aurora-postgresql")
            .master_username("shop")
            .master_user_password("only-in-an-emulator")
            .send()
            .await
            .unwrap();
    }

    pub(crate) async fn create_instance(&self, cluster: &str, name: &str, tags: &[(&str, &str)]) {
        let tags = tags
            .iter()
            .map(|&(key, value)| aws_sdk_rds::types::Tag::builder().key(key).value(value).build());
        self.clusters
            .create_db_instance()
            .db_cluster_identifier(cluster)
            .db_instance_identifier(name)
            .db_instance_class("db.r6g.large")
            .engine("aurora-postgresql")
            .set_tags(Some(tags.collect()))
            .send()
            .await
            .unwrap();
    }

    pub(crate) async fn stop_cluster(&self, name: &str) {
        self.clusters.stop_db_cluster().db_cluster_identifier(name).send().await.unwrap();
    }

    /// Creates an ECS cluster in which services can be created.
    pub(crate) async fn create_service_cluster(&self, name: &str) {
        self.services.create_cluster().cluster_name(name).send().await.unwrap();
        let container =
            ContainerDefinition::builder().name("main").image("main").memory(128).build();
        let definition = self.services.register_task_definition().family(name);
        definition.container_definitions(container).send().await.unwrap();
    }

    /// Creates a service that runs `tasks` tasks.
    pub(crate) async fn create_service(&self, cluster: &str, name: &str, tasks: i32) {
        let create = self.services.create_service().cluster(cluster).service_name(name);
        create.task_definition(cluster).desired_count(0).send().await.unwrap();
        // The emulator starts tasks when the count changes, not when the service is created.
        if tasks > 0 {
            let update = self.services.update_service().cluster(cluster).service(name);
            update.desired_count(tasks).send().await.unwrap();
        }
    }

    /// Lets a service scale from 1 to 8 tasks, with these kinds of scaling suspended: in, out, scheduled.
    pub(crate) async fn let_service_scale(
        &self,
        cluster: &str,
        name: &str,
        [scale_in, out, scheduled]: [bool; 3],
    ) {
        let suspended = SuspendedState::builder()
            .dynamic_scaling_in_suspended(scale_in)
            .dynamic_scaling_out_suspended(out)
            .scheduled_scaling_suspended(scheduled)
            .build();
        self.scaling
            .register_scalable_target()
            .service_namespace(ServiceNamespace::Ecs)
            .resource_id(format!("service/{cluster}/{name}"))
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .min_capacity(1)
            .max_capacity(8)
            .suspended_state(suspended)
            .send()
            .await
            .unwrap();
    }

    /// Creates a function that cannot run, with one version and the alias `live`, and returns the ARN of
    /// the alias.
    pub(crate) async fn create_function(&self, name: &str) -> String {
        self.create_function_of(name, Runtime::Nodejs22x, EMPTY_ZIP).await
    }

    /// Creates a function that runs `handler` of a Python `program`.
    pub(crate) async fn create_program(&self, name: &str, program: &str) -> String {
        self.create_function_of(name, Runtime::Python312, &zip("index.py", program)).await
    }

    async fn create_function_of(&self, name: &str, runtime: Runtime, code: &[u8]) -> String {
        self.functions
            .create_function()
            .function_name(name)
            .runtime(runtime)
            .handler("index.handler")
            .role("arn:aws:iam::123456789012:role/shop")
            .code(FunctionCode::builder().zip_file(Blob::new(code)).build())
            .timeout(1)
            .send()
            .await
            .unwrap();
        let version = self.functions.publish_version().function_name(name).send().await.unwrap();
        let alias = self.functions.create_alias().function_name(name).name("live");
        let alias = alias.set_function_version(version.version).send().await.unwrap();
        alias.alias_arn.unwrap()
    }

    /// Creates a mapping to the alias `live` of a function and returns its UUID.
    pub(crate) async fn create_mapping(&self, function: &str, source: &str, on: bool) -> String {
        let mut create = self
            .functions
            .create_event_source_mapping()
            .function_name(format!("{function}:live"))
            .event_source_arn(source)
            .enabled(on);
        if source.contains(":kinesis:") {
            create = create.starting_position(EventSourcePosition::Latest);
        }
        create.send().await.unwrap().uuid.unwrap()
    }

    /// Creates a rule with a target.
    pub(crate) async fn create_rule(&self, bus: &str, name: &str, target: &str, on: bool) {
        let state = if on { RuleState::Enabled } else { RuleState::Disabled };
        let put = self.rules.put_rule().event_bus_name(bus).name(name).state(state);
        put.event_pattern(r#"{"source":["shop"]}"#).send().await.unwrap();
        self.add_target(bus, name, "function", target).await;
    }

    pub(crate) async fn add_target(&self, bus: &str, rule: &str, id: &str, target: &str) {
        let target = Target::builder().id(id).arn(target).build().unwrap();
        let put = self.rules.put_targets().event_bus_name(bus).rule(rule).targets(target);
        put.send().await.unwrap();
    }

    pub(crate) async fn create_table(&self, name: &str) {
        let key = AttributeDefinition::builder()
            .attribute_name("id")
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap();
        let schema = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
        self.tables
            .create_table()
            .table_name(name)
            .attribute_definitions(key)
            .key_schema(schema.build().unwrap())
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
    }

    /// Creates a stream and returns its ARN.
    pub(crate) async fn create_stream(&self, name: &str) -> String {
        self.streams.create_stream().stream_name(name).shard_count(1).send().await.unwrap();
        arn("kinesis", &format!("stream/{name}"))
    }

    pub(crate) async fn create_alarm(&self, name: &str, on: bool, action: &str) {
        self.alarms
            .put_metric_alarm()
            .alarm_name(name)
            .actions_enabled(on)
            .alarm_actions(action)
            .namespace("AWS/SQS")
            .metric_name("ApproximateAgeOfOldestMessage")
            .statistic(Statistic::Maximum)
            .period(60)
            .evaluation_periods(3)
            .threshold(600.0)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .send()
            .await
            .unwrap();
    }

    pub(crate) async fn create_composite_alarm(&self, name: &str, on: bool, watched: &str) {
        self.alarms
            .put_composite_alarm()
            .alarm_name(name)
            .actions_enabled(on)
            .alarm_actions(arn("sns", "pages"))
            .alarm_rule(format!("ALARM(\"{watched}\")"))
            .send()
            .await
            .unwrap();
    }
}

/// Returns a zip archive of one file, stored as it is.
fn zip(name: &str, text: &str) -> Vec<u8> {
    let checksum = text.bytes().fold(u32::MAX, |sum, byte| {
        let bits = 0..8;
        bits.fold(sum ^ u32::from(byte), |it, _| {
            (it >> 1) ^ if it & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    });
    let length = |it: &str| u32::try_from(it.len()).unwrap().to_le_bytes();
    // Version, flags, method, time and date; checksum, both lengths, and that of the name.
    let mut about = [20, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    about.extend((!checksum).to_le_bytes());
    about.extend([length(text), length(text)].concat());
    about.extend([&length(name)[..2], &[0, 0]].concat());

    let mut archive = [&b"PK\x03\x04"[..], &about, name.as_bytes(), text.as_bytes()].concat();
    let directory = [&b"PK\x01\x02\x14\0"[..], &about, &[0; 14], name.as_bytes()].concat();
    let start = u32::try_from(archive.len()).unwrap().to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    archive.extend(directory);
    archive.extend([&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &size, &start, &[0, 0]].concat());
    archive
}
