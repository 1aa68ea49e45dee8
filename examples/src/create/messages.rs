//! Queues with messages in them, topics, and subscriptions.

use anyhow::{Context, Result};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use super::{all, work};
use crate::{
    clients::Clients,
    shop::{self, Stack},
};

/// Builds the queues, and puts messages into them.
pub(super) async fn queues(clients: &Clients) -> Result<()> {
    let mut names = Vec::new();
    for stack in Stack::BOTH {
        for queue in shop::QUEUES.map(|it| shop::of(it, stack)) {
            names.push(format!("{queue}-dlq"));
            names.push(queue);
        }
        names.extend(shop::merchant_queues(stack));
    }
    all(names.iter().map(|it| create_queue(clients, it))).await?;

    for stack in Stack::BOTH {
        work(clients, stack).await?;
        send(clients, &format!("{}-dlq", shop::of("mail", stack)), shop::DEAD_MAILS).await?;
    }
    Ok(())
}

async fn create_queue(clients: &Clients, name: &str) -> Result<()> {
    let create = clients.queues.create_queue().queue_name(name);
    create.send().await.with_context(|| format!("creating the queue `{name}`"))?;
    Ok(())
}

/// Sends `count` messages, ten at most, to the queue `name`.
pub(super) async fn send(clients: &Clients, name: &str, count: usize) -> Result<()> {
    let answer = clients.queues.get_queue_url().queue_name(name).send().await;
    let answer = answer.with_context(|| format!("looking for the queue `{name}`"))?;
    let entries = (0..count).map(|it| {
        let entry = SendMessageBatchRequestEntry::builder().id(it.to_string());
        entry.message_body(format!("message {it} of `{name}`")).build()
    });
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let batch = clients.queues.send_message_batch().set_queue_url(answer.queue_url);
    let batch = batch.set_entries(Some(entries)).send().await;
    batch.with_context(|| format!("sending messages to `{name}`"))?;
    Ok(())
}

/// Builds the topics, each with a subscription of both ingest queues.
///
/// Stack b is cut off from the first topic and fed by the second.
pub(super) async fn topics(clients: &Clients) -> Result<()> {
    all(shop::TOPICS.map(|(topic, filter)| async move {
        let create = clients.topics.create_topic().name(topic);
        create.send().await.with_context(|| format!("creating the topic `{topic}`"))?;
        for stack in Stack::BOTH {
            let cut_off = stack == Stack::B && filter.is_some();
            let filter = if cut_off { Some(shop::BLOCKED) } else { filter };
            subscribe(clients, topic, &shop::of("ingest", stack), filter).await?;
        }
        Ok(())
    }))
    .await?;
    Ok(())
}

async fn subscribe(
    clients: &Clients,
    topic: &str,
    queue: &str,
    filter: Option<&str>,
) -> Result<()> {
    let mut subscribe = clients
        .topics
        .subscribe()
        .topic_arn(shop::topic_arn(topic))
        .protocol("sqs")
        .endpoint(shop::queue_arn(queue));
    if let Some(filter) = filter {
        subscribe = subscribe.attributes("FilterPolicy", filter);
    }
    subscribe.send().await.with_context(|| format!("subscribing `{queue}` to `{topic}`"))?;
    Ok(())
}
