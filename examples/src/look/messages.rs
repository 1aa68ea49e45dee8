//! Looks at subscriptions and queues.

use anyhow::{Context, Result};
use aws_sdk_sqs::types::QueueAttributeName;
use futures::{future::try_join_all, try_join};

use super::Row;
use crate::{
    clients::Clients,
    shop::{self, Stack},
};

/// Looks at the filters of the subscriptions and the depths of the queues.
pub(super) async fn all(clients: &Clients) -> Result<Vec<Row>> {
    let filters = try_join_all(shop::TOPICS.map(|(topic, _)| filters(clients, topic)));
    let depths = try_join_all(shop::QUEUES.map(|it| depths(clients, it)));
    let (filters, depths) = try_join!(filters, depths)?;
    Ok(filters.into_iter().chain(depths.into_iter().flatten()).collect())
}

async fn filters(clients: &Clients, topic: &str) -> Result<Row> {
    let list = clients.topics.list_subscriptions_by_topic().topic_arn(shop::topic_arn(topic));
    let list = list.send().await.with_context(|| format!("looking at the topic `{topic}`"))?;
    let filter = async |stack| {
        let endpoint = shop::queue_arn(&shop::of("ingest", stack));
        let own = list.subscriptions().iter().find(|it| it.endpoint() == Some(&endpoint));
        let arn = own.and_then(|it| it.subscription_arn());
        let arn = arn.with_context(|| format!("`{endpoint}` is not subscribed to `{topic}`"))?;
        let attributes = clients.topics.get_subscription_attributes().subscription_arn(arn);
        let attributes = attributes.send().await.with_context(|| format!("looking at `{arn}`"))?;
        let policy = attributes.attributes().and_then(|it| it.get("FilterPolicy"));
        anyhow::Ok(filter(policy.map_or("", String::as_str)))
    };
    let (a, b) = try_join!(filter(Stack::A), filter(Stack::B))?;
    Ok(Row::new(format!("sns.{topic} filter"), [a, b]))
}

/// Writes a filter policy in one way: AWS shows one that lets everything pass in three.
fn filter(policy: &str) -> String {
    let policy: String = policy.chars().filter(|it| !it.is_whitespace()).collect();
    match policy.as_str() {
        "" | "{}" => "none".to_owned(),
        _ => policy,
    }
}

async fn depths(clients: &Clients, pair: &str) -> Result<[Row; 2]> {
    let both = async |end: &str| {
        let depth = |stack| depth(clients, format!("{}{end}", shop::of(pair, stack)));
        let (a, b) = try_join!(depth(Stack::A), depth(Stack::B))?;
        anyhow::Ok([a, b])
    };
    let (main, dead) = try_join!(both(""), both("-dlq"))?;
    Ok([
        Row::new(format!("sqs.{pair} messages"), main),
        Row::new(format!("sqs.{pair} dead letters"), dead),
    ])
}

async fn depth(clients: &Clients, name: String) -> Result<String> {
    let url = clients.queues.get_queue_url().queue_name(&name).send().await;
    let url = url.with_context(|| format!("looking for the queue `{name}`"))?;
    let attributes = clients.queues.get_queue_attributes().set_queue_url(url.queue_url);
    let waiting = QueueAttributeName::ApproximateNumberOfMessages;
    let answer = attributes.attribute_names(waiting.clone()).send().await;
    let answer = answer.with_context(|| format!("looking at the queue `{name}`"))?;
    let depth = answer.attributes().and_then(|it| it.get(&waiting));
    Ok(depth.map_or("?".to_owned(), Clone::clone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_let_everything_pass_are_written_alike() {
        assert_eq!(["", "{}", "{ }"].map(filter), ["none", "none", "none"]);
        assert_eq!(filter(r#"{"type": ["order"]}"#), r#"{"type":["order"]}"#);
    }
}
