//! SQS: queues, and the messages in them.

mod messages;
mod watching;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};

pub(super) use self::messages::set_body;
use super::{Concerns, ecs, lambda, unknown};
use crate::{Call, Event, Fate, Lagging, Refusal, World, call::Answer, history::History};

/// §4: the least time between two purges of a queue.
const BETWEEN_PURGES: Duration = Duration::from_secs(60);

/// How long a message is hidden that somebody has received, unless the queue says otherwise, in seconds.
const VISIBILITY: u64 = 30;

/// What there is of SQS.
#[derive(Debug, Default)]
pub struct Sqs {
    queues: BTreeMap<String, Queue>,
}

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// When it was purged last.
    pub purged: Option<Duration>,
    /// Until when the last purge goes on.
    purging_until: Duration,
    attributes: Map<String, Value>,
    messages: BTreeMap<u64, Held>,
    bodies: BTreeMap<u64, String>,
    counts: Lagging<(usize, usize)>,
    /// The number of the oldest message that can be received.
    oldest: History<Option<u64>>,
    /// When it was active, from when until when.
    active: Vec<(Duration, Duration)>,
}

/// A message in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Waiting,
    /// Received, and hidden until this time; without one a mapping has it, which keeps it until it is done.
    InFlight(Option<Duration>),
}

/// What happens by itself in SQS.
#[derive(Clone, Debug)]
pub enum SqsEvent {
    /// A purge takes a message.
    Vanish {
        /// The queue's name.
        queue: String,
        /// The message's number.
        number: u64,
    },
    /// A message that was received by a call, and that nobody has deleted, can be received again.
    Back {
        /// The queue's name.
        queue: String,
        /// The message's number.
        number: u64,
        /// Until when it was hidden.
        until: Duration,
    },
}

impl Sqs {
    /// Returns a queue by its ARN, URL or name.
    pub fn queue(&self, arn: &str) -> Option<&Queue> {
        self.queues.get(name_of(arn))
    }

    /// Returns all queues.
    pub fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.values()
    }
}

impl Queue {
    /// Returns how long a message is hidden that somebody has received, in seconds.
    pub(crate) fn visibility(&self) -> u64 {
        let own = self.attributes.get("VisibilityTimeout").and_then(Value::as_str);
        own.and_then(|it| it.parse().ok()).unwrap_or(VISIBILITY)
    }

    /// Returns how many messages there really are, in flight included.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Counts anew; readers are shown what was there before until the time `shown`.
    fn counted(&mut self, now: Duration, shown: Duration) {
        self.counts.forget(now);
        let in_flight = self.messages.values().filter(|it| matches!(it, Held::InFlight(_))).count();
        self.counts.set((self.messages.len() - in_flight, in_flight), shown);
        self.watch(now);
    }
}

impl World {
    /// Adds an empty queue, and returns its ARN.
    pub fn add_queue(&mut self, name: &str) -> String {
        let arn = self.arn("sqs", name);
        let queue = Queue {
            name: name.to_owned(),
            arn: arn.clone(),
            purged: None,
            purging_until: Duration::ZERO,
            attributes: Map::new(),
            messages: BTreeMap::new(),
            bodies: BTreeMap::new(),
            counts: Lagging::new((0, 0)),
            oldest: History::new(None),
            active: Vec::new(),
        };
        self.sqs.queues.insert(name.to_owned(), queue);
        arn
    }

    /// Says how long a message is hidden that somebody has received from a queue, in seconds; 30 otherwise.
    pub fn set_visibility(&mut self, queue: &str, seconds: u32) {
        if let Some(queue) = self.sqs.queues.get_mut(name_of(queue)) {
            queue.attributes.insert("VisibilityTimeout".to_owned(), seconds.to_string().into());
        }
    }

    /// Sends so many messages to a queue.
    pub fn add_messages(&mut self, queue_arn: &str, count: usize) {
        for _ in 0..count {
            send(self, queue_arn);
        }
    }

    /// Moves all messages that wait in a queue to another, as a person does whose work has gone the wrong way.
    pub fn move_messages(&mut self, from: &str, to: &str) {
        let (now, shown) = (self.now(), self.counts_until());
        let Some(queue) = self.sqs.queues.get_mut(name_of(from)) else { return };
        let arn = queue.arn.clone();
        let waiting = |it: &Held| matches!(it, Held::Waiting);
        let moved: Vec<u64> = queue
            .messages
            .iter()
            .filter(|(_, it)| waiting(it))
            .map(|(number, _)| *number)
            .collect();
        queue.messages.retain(|_, it| !waiting(it));
        queue.counted(now, shown);
        let moved: Vec<_> = moved.into_iter().map(|it| (it, queue.bodies.remove(&it))).collect();
        for (number, body) in moved {
            self.ledger.moved(number, &arn);
            deliver(self, to, number);
            if let Some(body) = body {
                set_body(self, to, number, body);
            }
        }
    }
}

/// Returns the name in a queue's ARN or URL.
fn name_of(arn_or_url: &str) -> &str {
    arn_or_url.rsplit([':', '/']).next().unwrap_or(arn_or_url)
}

/// Sends a message to a queue that is for nobody else.
pub(crate) fn send(world: &mut World, queue: &str) -> Option<u64> {
    let arn = world.sqs.queue(queue)?.arn.clone();
    let number = world.ledger.sent(&arn, world.now());
    deliver(world, &arn, number);
    Some(number)
}

/// Puts a copy of a message into a queue.
pub(crate) fn deliver(world: &mut World, queue: &str, number: u64) {
    let (now, shown) = (world.now(), world.counts_until());
    // §4: messages that arrive while a purge is under way may be deleted with the others.
    let eaten = world.random.bool();
    let Some(queue) = world.sqs.queues.get_mut(name_of(queue)) else { return };
    let arn = queue.arn.clone();
    if now < queue.purging_until && eaten {
        world.ledger.copy(number, &arn, Fate::Purged(now));
        return;
    }
    queue.messages.insert(number, Held::Waiting);
    queue.counted(now, shown);
    world.ledger.copy(number, &arn, Fate::Waiting);
    lambda::arrived(world, &arn);
    ecs::arrived(world, &arn);
}

/// Lets a mapping receive up to so many messages, which are in flight until they are deleted.
pub(crate) fn receive(world: &mut World, queue: &str, most: usize) -> Vec<u64> {
    take(world, queue, most, None)
}

fn take(world: &mut World, queue: &str, most: usize, until: Option<Duration>) -> Vec<u64> {
    let (now, shown) = (world.now(), world.counts_until());
    let Some(queue) = world.sqs.queues.get_mut(name_of(queue)) else { return Vec::new() };
    let mut taken = Vec::new();
    for (number, held) in &mut queue.messages {
        if *held == Held::Waiting && taken.len() < most {
            *held = Held::InFlight(until);
            taken.push(*number);
        }
    }
    if !taken.is_empty() {
        queue.counted(now, shown);
    }
    taken
}

/// Deletes messages that `consumer` has processed. What a purge took meanwhile was processed all the same.
pub(crate) fn delete(world: &mut World, queue: &str, numbers: &[u64], consumer: &str) {
    let (now, shown) = (world.now(), world.counts_until());
    let Some(queue) = world.sqs.queues.get_mut(name_of(queue)) else { return };
    for number in numbers {
        queue.messages.remove(number);
        queue.bodies.remove(number);
        world.ledger.consumed(*number, &queue.arn, consumer, now);
    }
    queue.counted(now, shown);
}

pub(super) fn happen(world: &mut World, event: SqsEvent) {
    let (now, shown) = (world.now(), world.counts_until());
    match event {
        SqsEvent::Vanish { queue, number } => {
            let Some(queue) = world.sqs.queues.get_mut(&queue) else { return };
            if queue.messages.remove(&number).is_some() {
                queue.bodies.remove(&number);
                queue.counted(now, shown);
                world.ledger.copy(number, &queue.arn, Fate::Purged(now));
            }
        }
        SqsEvent::Back { queue, number, until } => {
            let Some(queue) = world.sqs.queues.get_mut(&queue) else { return };
            let held = queue.messages.get_mut(&number);
            if let Some(held) = held.filter(|it| **it == Held::InFlight(Some(until))) {
                *held = Held::Waiting;
                queue.counted(now, shown);
                let arn = queue.arn.clone();
                lambda::arrived(world, &arn);
                ecs::arrived(world, &arn);
            }
        }
    }
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    let now = world.now();
    let named = call.text("QueueName").or_else(|| call.text("QueueUrl").map(name_of));
    if let Some(queue) = named.and_then(|it| world.sqs.queues.get_mut(it)) {
        queue.used(now);
    }
    match call.operation.as_str() {
        "CreateQueue" => create(world, call),
        "DeleteMessage" => messages::delete(world, call),
        "GetQueueAttributes" => attributes(world, call),
        "GetQueueUrl" => url(world, call),
        "ListQueues" => Ok(json!({
            "QueueUrls": world.sqs.queues.keys().map(|it| url_of(world, it)).collect::<Vec<_>>(),
        })),
        "PurgeQueue" => purge(world, call),
        "ReceiveMessage" => messages::receive(world, call),
        "SendMessage" => messages::send(world, call),
        "SendMessageBatch" => messages::send_batch(world, call),
        "SetQueueAttributes" => set_attributes(world, call),
        _ => Err(unknown(call)),
    }
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    let named = call.text("QueueName").or_else(|| call.text("QueueUrl").map(name_of));
    match named {
        Some(name) => Concerns::on([world.arn("sqs", name)]),
        None => Concerns::everything(),
    }
}

/// §4: names and hosts differ between partitions: URLs are asked for, not built.
fn url_of(world: &World, name: &str) -> String {
    let suffix = if world.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let host = format!("https://sqs.{}.{suffix}", world.region);
    format!("{}/{}/{name}", world.queue_host.as_ref().unwrap_or(&host), world.account)
}

fn missing() -> Refusal {
    Refusal {
        query_code: Some("AWS.SimpleQueueService.NonExistentQueue".to_owned()),
        ..Refusal::bad("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
    }
}

fn queue_name(world: &World, call: &Call) -> Result<String, Refusal> {
    let name = name_of(call.required("QueueUrl")?);
    if world.sqs.queues.contains_key(name) { Ok(name.to_owned()) } else { Err(missing()) }
}

fn url(world: &mut World, call: &Call) -> Answer {
    let name = call.required("QueueName")?;
    match world.sqs.queues.contains_key(name) {
        true => Ok(json!({ "QueueUrl": url_of(world, name) })),
        false => Err(missing()),
    }
}

fn create(world: &mut World, call: &Call) -> Answer {
    let name = call.required("QueueName")?.to_owned();
    if !world.sqs.queues.contains_key(&name) {
        world.add_queue(&name);
    }
    Ok(json!({ "QueueUrl": url_of(world, &name) }))
}

fn attributes(world: &mut World, call: &Call) -> Answer {
    let now = world.now();
    let queue = &world.sqs.queues[&queue_name(world, call)?];
    let (waiting, in_flight) = *queue.counts.seen(now);
    let mut all = queue.attributes.clone();
    all.extend(
        [
            ("ApproximateNumberOfMessages", waiting.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", "0".to_owned()),
            ("QueueArn", queue.arn.clone()),
            ("VisibilityTimeout", queue.visibility().to_string()),
        ]
        .map(|(name, it)| (name.to_owned(), it.into())),
    );
    // §4: without names there is nothing in the answer.
    let names = call.texts("AttributeNames");
    if !names.contains(&"All") {
        all.retain(|name, _| names.contains(&name.as_str()));
    }
    Ok(if all.is_empty() { json!({}) } else { json!({ "Attributes": all }) })
}

fn set_attributes(world: &mut World, call: &Call) -> Answer {
    let name = queue_name(world, call)?;
    if let (Some(queue), Some(Value::Object(set))) =
        (world.sqs.queues.get_mut(&name), call.parameters.get("Attributes"))
    {
        queue.attributes.extend(set.clone());
    }
    Ok(json!({}))
}

fn purge(world: &mut World, call: &Call) -> Answer {
    let name = queue_name(world, call)?;
    let now = world.now();
    let lasts = world.draw(world.times.purge).min(BETWEEN_PURGES);
    let queue = world.sqs.queues.get_mut(&name).ok_or_else(missing)?;
    // §4: only one purge in 60 s.
    if queue.purged.is_some_and(|it| now < it + BETWEEN_PURGES) {
        return Err(Refusal {
            query_code: Some("AWS.SimpleQueueService.PurgeQueueInProgress".to_owned()),
            ..Refusal::new(
                403,
                "com.amazonaws.sqs#PurgeQueueInProgress",
                format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds."),
            )
        });
    }
    queue.purged = Some(now);
    queue.purging_until = now + lasts;
    // §4: messages that were there may still be received for a while, and then they are gone.
    let there: Vec<u64> = queue.messages.keys().copied().collect();
    for number in there {
        let after = Duration::from_millis(world.random.u64(0..=lasts.as_millis() as u64));
        let event = SqsEvent::Vanish { queue: name.clone(), number };
        if after.is_zero() {
            happen(world, event);
        } else {
            world.schedule(after, Event::Sqs(event));
        }
    }
    Ok(json!({}))
}

#[cfg(test)]
mod tests;
