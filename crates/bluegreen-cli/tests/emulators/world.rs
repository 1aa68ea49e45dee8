//! [`World`], everything that a shop consists of, as the SDK shows it.

use std::{collections::BTreeMap, fs};

use aws_sdk_applicationautoscaling::types::ServiceNamespace;
use aws_sdk_cloudwatch::types::AlarmType;
use aws_sdk_sqs::types::QueueAttributeName;
use bluegreen_core::StackReference;

use crate::{
    account::{Account, arn},
    shop::Shop,
};

/// What there is, by name, and how it is. The shop's own name is left out of both.
pub(crate) type World = BTreeMap<String, String>;

impl Shop {
    /// Looks at everything, the store and the traffic included.
    pub(crate) async fn look(&self) -> World {
        let mut world = World::new();
        for &(service, pair) in &self.pairs {
            for stack in StackReference::BOTH {
                self.look_at(&mut world, service, pair, &self.of(pair, stack)).await;
            }
        }
        for file in [".bluegreen/shop.json", "traffic"] {
            let text = fs::read_to_string(self.path().join(file)).unwrap_or_default();
            world.insert(file.to_owned(), text.trim().to_owned());
        }
        let own = format!("{}-", self.name);
        world.into_iter().map(|(what, is)| (what.replace(&own, ""), is.replace(&own, ""))).collect()
    }

    /// Looks at all that is switched: everything but the store, the traffic and what is in queues.
    pub(crate) async fn look_at_switches(&self) -> World {
        let mut world = self.look().await;
        world.retain(|what, _| what.contains(' ') && !what.starts_with("queue "));
        world
    }

    async fn look_at(&self, world: &mut World, service: &str, pair: &str, name: &str) {
        let account = &self.account;
        match service {
            "aurora" => {
                world.insert(format!("cluster {name}"), account.cluster(name).await);
            }
            "kinesis" => {
                let stream = arn("kinesis", &format!("stream/{}-{pair}", self.name));
                world.insert(format!("consumer {name}"), account.consumer(&stream, name).await);
            }
            "sqs" => {
                let dead = name.replace(&format!("-{pair}-"), &format!("-{pair}-dlq-"));
                for queue in [name, &dead] {
                    world.insert(format!("queue {queue}"), account.depth(queue).await);
                }
            }
            "sns" => {
                let topic = arn("sns", &format!("{}-{pair}", self.name));
                for (queue, filter) in account.filters(&topic).await {
                    world.insert(format!("subscription of {queue}"), filter);
                }
            }
            "lambda" => {
                for (source, state) in account.mappings(name).await {
                    world.insert(format!("mapping {name} {source}"), state);
                }
                for (rule, state) in account.rules_of(name).await {
                    world.insert(format!("rule {rule}"), state);
                }
            }
            "ecs" => {
                world.insert(format!("service {name}"), account.service(&self.name, name).await);
            }
            "dynamodb" => {
                world.insert(format!("table {name}"), account.table(name).await);
            }
            "cloudwatch" => {
                for (alarm, on) in account.alarms_of(name).await {
                    world.insert(format!("alarm {alarm}"), on);
                }
            }
            _ => panic!("nobody looks at `{service}`"),
        }
    }
}

/// Returns the world with everything of one stack in the other's place.
pub(crate) fn mirrored(world: &World) -> World {
    let swapped = |what: &str| {
        let words = what.split(' ').map(|word| {
            let parts = word.split('-').map(|part| match part {
                "a" => "b",
                "b" => "a",
                part => part,
            });
            parts.collect::<Vec<_>>().join("-")
        });
        words.collect::<Vec<_>>().join(" ")
    };
    world.iter().map(|(what, is)| (swapped(what), is.clone())).collect()
}

impl Account {
    /// Returns status, number of readers, and limits of their scaling.
    pub(crate) async fn cluster(&self, name: &str) -> String {
        let answer = self.clusters.describe_db_clusters().db_cluster_identifier(name).send().await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(err)
                if err.as_service_error().is_some_and(|it| it.is_db_cluster_not_found_fault()) =>
            {
                return "missing".to_owned();
            }
            Err(err) => panic!("{err:?}"),
        };
        let cluster = &answer.db_clusters()[0];
        let readers = cluster.db_cluster_members().iter();
        let readers = readers.filter(|it| it.is_cluster_writer() == Some(false)).count();
        let limits = self.limits(ServiceNamespace::Rds, &format!("cluster:{name}")).await;
        format!("{}, {readers} readers, {limits}", cluster.status().unwrap())
    }

    async fn limits(&self, namespace: ServiceNamespace, resource: &str) -> String {
        let targets = self.scaling.describe_scalable_targets().service_namespace(namespace);
        let targets = targets.resource_ids(resource).send().await.unwrap();
        let Some(target) = targets.scalable_targets().first() else { return "none".to_owned() };
        let flags = target.suspended_state().map(|it| {
            [
                it.dynamic_scaling_in_suspended(),
                it.dynamic_scaling_out_suspended(),
                it.scheduled_scaling_suspended(),
            ]
            .map(|it| it == Some(true))
        });
        let suspended = flags.unwrap_or_default();
        let (least, most) = (target.min_capacity(), target.max_capacity());
        format!("{least:?} to {most:?}, suspended {suspended:?}")
    }

    async fn consumer(&self, stream: &str, name: &str) -> String {
        let list = self.streams.list_stream_consumers().stream_arn(stream).send().await.unwrap();
        let own = list.consumers().iter().find(|it| it.consumer_name() == name);
        own.map_or("none".to_owned(), |it| it.consumer_status().as_str().to_owned())
    }

    /// Returns how many messages wait in a queue.
    pub(crate) async fn depth(&self, name: &str) -> String {
        let url = self.queues.get_queue_url().queue_name(name).send().await.unwrap().queue_url;
        let waiting = QueueAttributeName::ApproximateNumberOfMessages;
        let look = self.queues.get_queue_attributes().set_queue_url(url);
        let answer = look.attribute_names(waiting.clone()).send().await.unwrap();
        answer.attributes().unwrap()[&waiting].clone()
    }

    /// Returns the filters of a topic's subscriptions, to the letter, by queue.
    async fn filters(&self, topic: &str) -> BTreeMap<String, String> {
        let list = self.topics.list_subscriptions_by_topic().topic_arn(topic).send().await.unwrap();
        let mut filters = BTreeMap::new();
        for subscription in list.subscriptions() {
            let look = self.topics.get_subscription_attributes();
            let arn = subscription.subscription_arn().unwrap();
            let answer = look.subscription_arn(arn).send().await.unwrap();
            let filter = answer.attributes().unwrap().get("FilterPolicy").cloned();
            let queue = subscription.endpoint().unwrap().rsplit(':').next().unwrap().to_owned();
            filters.insert(queue, filter.unwrap_or_default());
        }
        filters
    }

    /// Returns the states of a function's mappings, by the name of their source.
    pub(crate) async fn mappings(&self, function: &str) -> BTreeMap<String, String> {
        let list = self.functions.list_event_source_mappings().function_name(function);
        let list = list.send().await.unwrap();
        let mappings = list.event_source_mappings().iter().map(|it| {
            let source = it.event_source_arn().unwrap().rsplit(':').next().unwrap();
            (source.to_owned(), it.state().unwrap().to_owned())
        });
        mappings.collect()
    }

    /// Returns the states of the rules whose names begin with `name`.
    pub(crate) async fn rules_of(&self, name: &str) -> BTreeMap<String, String> {
        let list = self.rules.list_rules().name_prefix(format!("{name}-")).send().await.unwrap();
        let rules = list.rules().iter();
        rules
            .map(|it| (it.name().unwrap().to_owned(), it.state().unwrap().as_str().to_owned()))
            .collect()
    }

    /// Returns desired and running tasks, and the scaling.
    pub(crate) async fn service(&self, cluster: &str, name: &str) -> String {
        let look = self.services.describe_services().cluster(cluster).services(name);
        let answer = look.send().await.unwrap();
        let service = &answer.services()[0];
        let limits = self.limits(ServiceNamespace::Ecs, &format!("service/{cluster}/{name}")).await;
        format!("{} of {} run, {limits}", service.running_count(), service.desired_count())
    }

    pub(crate) async fn table(&self, name: &str) -> String {
        match self.tables.describe_table().table_name(name).send().await {
            Ok(answer) => answer.table.unwrap().table_status.unwrap().as_str().to_owned(),
            Err(err)
                if err
                    .as_service_error()
                    .is_some_and(|it| it.is_resource_not_found_exception()) =>
            {
                "missing".to_owned()
            }
            Err(err) => panic!("{err:?}"),
        }
    }

    /// Returns whether the actions are on, of the alarms whose names begin with `prefix`.
    pub(crate) async fn alarms_of(&self, prefix: &str) -> BTreeMap<String, String> {
        let list = self.alarms.describe_alarms().alarm_name_prefix(format!("{prefix}-"));
        let list = list.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
        let list = list.send().await.unwrap();
        let metric = list.metric_alarms().iter().map(|it| (it.alarm_name(), it.actions_enabled()));
        let composite = list.composite_alarms().iter();
        let composite = composite.map(|it| (it.alarm_name(), it.actions_enabled()));
        metric
            .chain(composite)
            .map(|(name, on)| {
                (name.unwrap().to_owned(), if on == Some(true) { "on" } else { "off" }.to_owned())
            })
            .collect()
    }
}
