//! SNS: topics, and subscriptions with their filter policies.

mod filter;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};

pub use self::filter::matching;
use super::{Concerns, sqs, unknown};
use crate::{Call, Fate, Lagging, Refusal, World, call::Answer};

/// §5: how many subscriptions are on a page.
const PAGE: usize = 100;

/// §5: how many subscriptions of a topic may have a filter policy.
const MOST_POLICIES: usize = 200;

/// The scopes of a filter policy: what it looks at.
const IN_ATTRIBUTES: &str = "MessageAttributes";
const IN_BODY: &str = "MessageBody";

/// What there is of SNS.
#[derive(Debug, Default)]
pub struct Sns {
    topics: BTreeMap<String, String>,
    subscriptions: BTreeMap<String, Subscription>,
}

/// A subscription of a topic.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Its ARN.
    pub arn: String,
    /// The ARN of its topic.
    pub topic: String,
    /// Where messages go: the ARN of a queue.
    pub endpoint: String,
    /// How: `sqs`.
    pub protocol: String,
    /// When the present policy was set, since the account was made.
    pub set: Duration,
    /// From when on the present policy works fully.
    pub works: Duration,
    policy: Lagging<Option<String>>,
    before: Option<String>,
    scope: Lagging<String>,
}

impl Sns {
    /// Returns all subscriptions.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.values()
    }

    /// Returns a subscription by its ARN.
    pub fn subscription(&self, arn: &str) -> Option<&Subscription> {
        self.subscriptions.get(arn)
    }
}

impl Subscription {
    /// Returns its filter policy as it really is; `None` lets everything pass.
    pub fn policy(&self) -> Option<&str> {
        self.policy.real().as_deref()
    }

    /// Returns whether the policy that was set last lets a message with these attributes and this text pass.
    pub fn passes(&self, attributes: &BTreeMap<String, String>, message: &str) -> bool {
        self.lets_pass(self.policy(), attributes, message)
    }

    fn lets_pass(
        &self,
        policy: Option<&str>,
        attributes: &BTreeMap<String, String>,
        message: &str,
    ) -> bool {
        let Some(policy) = policy else { return true };
        if self.scope.real() == IN_BODY {
            // §5: what is not JSON does not pass.
            return serde_json::from_str(message).is_ok_and(|it| filter::passes(policy, &it));
        }
        let attributes = attributes.iter().map(|(name, it)| (name.clone(), it.clone().into()));
        filter::passes(policy, &Value::Object(attributes.collect()))
    }
}

impl World {
    /// Adds a topic, and returns its ARN.
    pub fn add_topic(&mut self, name: &str) -> String {
        let arn = self.arn("sns", name);
        self.sns.topics.insert(arn.clone(), name.to_owned());
        arn
    }

    /// Subscribes a queue to a topic, and returns the ARN of the subscription.
    pub fn add_subscription(
        &mut self,
        topic: &str,
        endpoint: &str,
        filter: Option<&str>,
    ) -> String {
        let arn = format!("{topic}:{}", self.uuid());
        let protocol = if endpoint.contains(":sqs:") { "sqs" } else { "lambda" };
        let subscription = Subscription {
            arn: arn.clone(),
            topic: topic.to_owned(),
            endpoint: endpoint.to_owned(),
            protocol: protocol.to_owned(),
            set: self.now(),
            works: self.now(),
            policy: Lagging::new(filter.map(str::to_owned)),
            before: None,
            scope: Lagging::new(IN_ATTRIBUTES.to_owned()),
        };
        self.sns.subscriptions.insert(arn.clone(), subscription);
        arn
    }

    /// Lets the filter policies of a subscription look at the text of messages, which is JSON then, and no longer
    /// at their attributes.
    pub fn filter_by_body(&mut self, subscription: &str) {
        if let Some(it) = self.sns.subscriptions.get_mut(subscription) {
            it.scope = Lagging::new(IN_BODY.to_owned());
        }
    }

    /// Gives a subscription another ARN.
    pub fn rename_subscription(&mut self, arn: &str, to: &str) {
        if let Some(mut subscription) = self.sns.subscriptions.remove(arn) {
            subscription.arn = to.to_owned();
            self.sns.subscriptions.insert(to.to_owned(), subscription);
        }
    }
}

/// Publishes a message to all subscriptions of a topic. Queues get its text as it is, without an envelope.
pub(crate) fn publish(
    world: &mut World,
    topic: &str,
    attributes: &BTreeMap<String, String>,
    message: &str,
) -> Option<u64> {
    world.sns.topics.get(topic)?;
    let now = world.now();
    let number = world.ledger.sent(topic, now);
    let subscribed: Vec<String> = world
        .sns
        .subscriptions
        .values()
        .filter(|it| it.topic == topic && it.protocol == "sqs")
        .map(|it| it.arn.clone())
        .collect();
    for arn in subscribed {
        let lot = world.random.f64();
        let subscription = &world.sns.subscriptions[&arn];
        // §5: a change takes up to 15 minutes to work everywhere.
        let whole = (subscription.works.saturating_sub(subscription.set)).as_secs_f64();
        let passed = now.saturating_sub(subscription.set).as_secs_f64();
        let new = now >= subscription.works || lot * whole < passed;
        let policy = if new { subscription.policy() } else { subscription.before.as_deref() };
        let endpoint = subscription.endpoint.clone();
        if subscription.lets_pass(policy, attributes, message) {
            sqs::deliver(world, &endpoint, number);
            sqs::set_body(world, &endpoint, number, message.to_owned());
        } else {
            world.ledger.copy(number, &endpoint, Fate::Filtered);
        }
    }
    Some(number)
}

/// Nothing happens by itself in SNS.
#[derive(Clone, Debug)]
pub enum SnsEvent {}

pub(super) fn happen(_world: &mut World, event: SnsEvent) {
    match event {}
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "CreateTopic" => {
            let name = required(call, "Name")?.to_owned();
            Ok(json!({ "TopicArn": world.add_topic(&name) }))
        }
        "GetSubscriptionAttributes" => attributes(world, call),
        "ListSubscriptionsByTopic" => list(world, call),
        "ListTopics" => Ok(json!({
            "Topics": world.sns.topics.keys().map(|it| json!({ "TopicArn": it })).collect::<Vec<_>>(),
        })),
        "Publish" => publish_call(world, call),
        "SetSubscriptionAttributes" => set(world, call),
        "Subscribe" => subscribe(world, call),
        "Unsubscribe" => {
            world.sns.subscriptions.remove(required(call, "SubscriptionArn")?);
            Ok(json!({}))
        }
        _ => Err(unknown(call)),
    }
}

/// §5: reading and setting a subscription's attributes knows no resource.
pub(super) fn concerns(_world: &World, call: &Call) -> Concerns {
    match (call.operation.as_str(), call.text("TopicArn")) {
        ("ListSubscriptionsByTopic" | "Publish" | "Subscribe", Some(topic)) => {
            Concerns::on([topic.to_owned()])
        }
        _ => Concerns::everything(),
    }
}

fn required<'a>(call: &'a Call, name: &str) -> Result<&'a str, Refusal> {
    call.text(name)
        .ok_or_else(|| invalid(format!("{name} Reason: no value for required parameter")))
}

fn invalid(what: impl std::fmt::Display) -> Refusal {
    Refusal::bad("InvalidParameter", format!("Invalid parameter: {what}"))
}

fn missing(what: &str) -> Refusal {
    Refusal::new(404, "NotFound", format!("{what} does not exist"))
}

fn subscription<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Subscription, Refusal> {
    let arn = required(call, "SubscriptionArn")?;
    world.sns.subscriptions.get_mut(arn).ok_or_else(|| missing("Subscription"))
}

fn attributes(world: &mut World, call: &Call) -> Answer {
    let (now, account) = (world.now(), world.account.clone());
    let it = subscription(world, call)?;
    let mut shown = Map::new();
    shown.insert("SubscriptionArn".to_owned(), it.arn.clone().into());
    shown.insert("TopicArn".to_owned(), it.topic.clone().into());
    shown.insert("Protocol".to_owned(), it.protocol.clone().into());
    shown.insert("Endpoint".to_owned(), it.endpoint.clone().into());
    shown.insert("Owner".to_owned(), account.into());
    shown.insert("PendingConfirmation".to_owned(), "false".into());
    // §5: without a policy neither it nor its scope is shown.
    if let Some(policy) = it.policy.seen(now) {
        shown.insert("FilterPolicy".to_owned(), policy.clone().into());
        shown.insert("FilterPolicyScope".to_owned(), it.scope.seen(now).clone().into());
    }
    Ok(json!({ "Attributes": shown }))
}

fn list(world: &mut World, call: &Call) -> Answer {
    let topic = required(call, "TopicArn")?;
    if !world.sns.topics.contains_key(topic) {
        return Err(missing("Topic"));
    }
    let from = call.number("NextToken").and_then(|it| usize::try_from(it).ok()).unwrap_or_default();
    let all: Vec<_> = world.sns.subscriptions.values().filter(|it| it.topic == topic).collect();
    let page = all.iter().skip(from).take(PAGE).map(|it| {
        json!({
            "SubscriptionArn": it.arn,
            "TopicArn": it.topic,
            "Protocol": it.protocol,
            "Endpoint": it.endpoint,
            "Owner": world.account,
        })
    });
    let end = from.saturating_add(PAGE);
    let next = (end < all.len()).then(|| end.to_string());
    Ok(json!({ "Subscriptions": page.collect::<Vec<_>>(), "NextToken": next }))
}

fn set(world: &mut World, call: &Call) -> Answer {
    let name = required(call, "AttributeName")?.to_owned();
    let value = call.text("AttributeValue").unwrap_or_default().to_owned();
    subscription(world, call)?;
    change(world, required(call, "SubscriptionArn")?, &name, &value)?;
    Ok(json!({}))
}

fn change(world: &mut World, arn: &str, name: &str, value: &str) -> Result<(), Refusal> {
    let (now, shown) = (world.now(), world.stale_until());
    // §5: AWS names a bound for it, so that a call which makes things slow does not stretch it.
    let delay = world.times.filter.draw(&mut world.random);
    let topic = world.sns.subscriptions.get(arn).map(|it| it.topic.clone());
    let others =
        world.sns.subscriptions.values().filter(|it| {
            it.arn != arn && Some(&it.topic) == topic.as_ref() && it.policy().is_some()
        });
    let others = others.count();
    let it = world.sns.subscriptions.get_mut(arn).ok_or_else(|| missing("Subscription"))?;
    match name {
        "FilterPolicy" => {
            // §5: `{}` and nothing at all both remove the policy.
            let policy = match value {
                "" | "{}" => None,
                value => {
                    if others >= MOST_POLICIES {
                        let message = "The topic has as many filter policies as it may have";
                        return Err(Refusal::new(403, "FilterPolicyLimitExceeded", message));
                    }
                    filter::check(value, it.scope.real() == IN_BODY).map_err(invalid)?;
                    Some(value.to_owned())
                }
            };
            if policy == *it.policy.real() {
                return Ok(());
            }
            it.before = it.policy.real().clone();
            it.policy.set(policy, shown);
            it.set = now;
            it.works = now + delay;
        }
        "FilterPolicyScope" => match value {
            IN_ATTRIBUTES | IN_BODY => it.scope.set(value.to_owned(), shown),
            other => {
                return Err(invalid(format!(
                    "FilterPolicyScope: Invalid value [{other}]. Please use either MessageBody or \
                     MessageAttributes"
                )));
            }
        },
        "RawMessageDelivery" | "DeliveryPolicy" | "RedrivePolicy" => {}
        other => return Err(invalid(format!("AttributeName {other}"))),
    }
    Ok(())
}

fn subscribe(world: &mut World, call: &Call) -> Answer {
    let topic = required(call, "TopicArn")?.to_owned();
    if !world.sns.topics.contains_key(&topic) {
        return Err(missing("Topic"));
    }
    let endpoint = required(call, "Endpoint")?.to_owned();
    let mut all = world.sns.subscriptions.values();
    // AWS: who subscribes again gets the first subscription.
    if let Some(first) = all.find(|it| it.topic == topic && it.endpoint == endpoint) {
        return Ok(json!({ "SubscriptionArn": first.arn }));
    }
    let arn = world.add_subscription(&topic, &endpoint, None);
    let attributes = call.parameters.get("Attributes").and_then(Value::as_object);
    let mut attributes: Vec<_> = attributes.into_iter().flatten().collect();
    // The scope says what the policy may look like.
    attributes.sort_by_key(|(name, _)| *name != "FilterPolicyScope");
    for (name, value) in attributes {
        if let Err(refusal) = change(world, &arn, name, value.as_str().unwrap_or_default()) {
            world.sns.subscriptions.remove(&arn);
            return Err(refusal);
        }
        if let Some(it) = world.sns.subscriptions.get_mut(&arn) {
            it.works = it.set;
        }
    }
    Ok(json!({ "SubscriptionArn": arn }))
}

fn publish_call(world: &mut World, call: &Call) -> Answer {
    let topic = required(call, "TopicArn")?.to_owned();
    let message = required(call, "Message")?;
    let attributes = call.parameters.get("MessageAttributes").and_then(Value::as_object);
    let attributes = attributes.into_iter().flatten().map(|(name, it)| {
        let value = it.get("StringValue").and_then(Value::as_str);
        (name.clone(), value.unwrap_or_default().to_owned())
    });
    let attributes = attributes.collect();
    let number = publish(world, &topic, &attributes, message).ok_or_else(|| missing("Topic"))?;
    Ok(json!({ "MessageId": format!("00000000-0000-4000-8000-{number:012x}") }))
}

#[cfg(test)]
mod tests;
