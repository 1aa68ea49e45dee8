//! Kinesis: streams, and their consumers with enhanced fan-out.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{Concerns, lambda, unknown};
use crate::{
    Call, Event, Lagging, Refusal, World,
    call::{Answer, time},
};

/// §9: how many consumers a stream may have, how many of them may be in the making, and how many are on a page.
const MOST: usize = 20;
const MOST_IN_THE_MAKING: usize = 5;
const PAGE: usize = 100;

/// What there is of Kinesis.
#[derive(Debug, Default)]
pub struct Kinesis {
    streams: BTreeMap<String, Stream>,
}

/// A stream.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its ARN.
    pub arn: String,
    status: Lagging<String>,
    /// The numbers of the records, with when each was put.
    records: Vec<(u64, Duration)>,
    consumers: BTreeMap<String, Consumer>,
    /// The time in the ARN of the last consumer of each name.
    stamps: BTreeMap<String, u64>,
}

impl Stream {
    /// Returns its status as it really is: `CREATING`, `ACTIVE`.
    pub fn status(&self) -> &str {
        self.status.real()
    }
}

/// A consumer of a stream.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// Its name.
    pub name: String,
    /// Its ARN, with the time at which it was made: one that is registered again has another.
    pub arn: String,
    status: Lagging<String>,
    created: f64,
}

impl Consumer {
    /// Returns its status as it really is: `CREATING`, `ACTIVE`, `DELETING`.
    pub fn status(&self) -> &str {
        self.status.real()
    }
}

/// What happens by itself in Kinesis.
#[derive(Clone, Debug)]
pub enum KinesisEvent {
    /// The consumer with this ARN, of the stream with that, is no longer `CREATING`, or gone.
    Settled(String, String),
    /// The stream with this ARN is `ACTIVE`.
    Active(String),
}

impl Kinesis {
    /// Returns all consumers of all streams.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> {
        self.streams.values().flat_map(|it| it.consumers.values())
    }

    /// Returns a stream by its ARN.
    pub fn stream(&self, arn: &str) -> Option<&Stream> {
        self.streams.get(arn)
    }

    /// Returns how many records a stream has; the ARN may be that of a consumer.
    pub(crate) fn length(&self, arn: &str) -> usize {
        self.streams.get(stream_of(arn)).map_or(0, |it| it.records.len())
    }

    /// Returns the records from a position on. A consumer reads while it is `ACTIVE`.
    pub(crate) fn read(&self, arn: &str, from: usize, most: usize) -> Vec<u64> {
        let Some(stream) = self.streams.get(stream_of(arn)) else { return Vec::new() };
        let consumer = stream.consumers.values().find(|it| it.arn == arn);
        if stream.arn != arn && consumer.is_none_or(|it| it.status() != "ACTIVE") {
            return Vec::new();
        }
        stream.records.iter().skip(from).take(most).map(|(number, _)| *number).collect()
    }

    /// Returns how many records were put into a stream before a time; the ARN may be that of a consumer.
    pub(crate) fn before(&self, arn: &str, at: Duration) -> usize {
        let records = self.streams.get(stream_of(arn)).map(|it| it.records.as_slice());
        records.unwrap_or_default().partition_point(|(_, put)| *put < at)
    }
}

/// Returns the ARN of the stream in that of a consumer.
fn stream_of(arn: &str) -> &str {
    arn.split("/consumer/").next().unwrap_or(arn)
}

impl World {
    /// Adds a stream that is `ACTIVE`, and returns its ARN.
    pub fn add_stream(&mut self, name: &str) -> String {
        let arn = self.arn("kinesis", &format!("stream/{name}"));
        let stream = Stream {
            arn: arn.clone(),
            status: Lagging::new("ACTIVE".to_owned()),
            records: Vec::new(),
            consumers: BTreeMap::new(),
            stamps: BTreeMap::new(),
        };
        self.kinesis.streams.insert(arn.clone(), stream);
        arn
    }

    /// Puts so many records into a stream at once.
    pub fn add_records(&mut self, stream: &str, count: usize) {
        for _ in 0..count {
            put_record(self, stream);
        }
    }

    /// Adds a consumer that is `ACTIVE`, and returns its ARN.
    pub fn add_consumer(&mut self, stream: &str, name: &str) -> String {
        let created = self.seconds();
        let found = self.kinesis.streams.get(stream);
        let last = found.and_then(|it| it.stamps.get(name)).copied();
        // §9: the ARN has the time in it, and no second consumer has the ARN of the first.
        let stamp = (created as u64).max(last.map_or(0, |it| it + 1));
        let arn = format!("{stream}/consumer/{name}:{stamp}");
        let consumer = Consumer {
            name: name.to_owned(),
            arn: arn.clone(),
            status: Lagging::new("ACTIVE".to_owned()),
            created,
        };
        if let Some(it) = self.kinesis.streams.get_mut(stream) {
            it.stamps.insert(name.to_owned(), stamp);
            it.consumers.insert(name.to_owned(), consumer);
        }
        arn
    }
}

/// Puts a record into a stream.
pub(crate) fn put_record(world: &mut World, stream: &str) -> Option<u64> {
    let now = world.now();
    let it = world.kinesis.streams.get_mut(stream)?;
    let number = world.ledger.sent(stream, now);
    it.records.push((number, now));
    lambda::arrived(world, stream);
    Some(number)
}

pub(super) fn happen(world: &mut World, event: KinesisEvent) {
    let shown = world.now();
    match event {
        KinesisEvent::Settled(stream, arn) => {
            let Some(stream) = world.kinesis.streams.get_mut(&stream) else { return };
            let name = stream.consumers.values().find(|it| it.arn == arn).map(|it| it.name.clone());
            let Some(name) = name else { return };
            if stream.consumers[&name].status() == "DELETING" {
                stream.consumers.remove(&name);
            } else if let Some(it) = stream.consumers.get_mut(&name) {
                it.status.set("ACTIVE".to_owned(), shown);
                let stream = stream.arn.clone();
                lambda::arrived(world, &stream);
            }
        }
        KinesisEvent::Active(stream) => {
            if let Some(it) = world.kinesis.streams.get_mut(&stream) {
                it.status.set("ACTIVE".to_owned(), shown);
            }
        }
    }
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "CreateStream" => create(world, call),
        "DeregisterStreamConsumer" => deregister(world, call),
        "DescribeStream" | "DescribeStreamSummary" => describe_stream(world, call),
        "DescribeStreamConsumer" => {
            let (_, it) = consumer(world, call)?;
            Ok(json!({ "ConsumerDescription": shown(&it, it.status.seen(world.now())) }))
        }
        "ListStreamConsumers" => list(world, call),
        "PutRecord" => {
            let stream = stream(world, call)?.arn.clone();
            let number = put_record(world, &stream).unwrap_or_default();
            Ok(json!({ "ShardId": "shardId-000000000000", "SequenceNumber": number.to_string() }))
        }
        "RegisterStreamConsumer" => register(world, call),
        _ => Err(unknown(call)),
    }
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    let arn = call.text("StreamARN").map(str::to_owned);
    let arn = arn.or_else(|| {
        call.text("StreamName").map(|it| world.arn("kinesis", &format!("stream/{it}")))
    });
    match call.operation.as_str() {
        "DescribeStreamConsumer" | "DeregisterStreamConsumer" => {
            if let Some(arn) = call.text("ConsumerARN") {
                return Concerns::on([arn.to_owned()]);
            }
            let (stream, name) =
                (arn.unwrap_or_default(), call.text("ConsumerName").unwrap_or("*"));
            let known = world.kinesis.streams.get(&stream).and_then(|it| it.consumers.get(name));
            // One that is not there has no time in its ARN yet.
            let arn =
                known.map_or_else(|| format!("{stream}/consumer/{name}:0"), |it| it.arn.clone());
            Concerns::on([arn])
        }
        _ => arn.map_or_else(Concerns::everything, |it| Concerns::on([it])),
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::bad("InvalidArgumentException", message)
}

fn missing(what: &str) -> Refusal {
    Refusal::bad("ResourceNotFoundException", format!("{what} not found."))
}

fn stream<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Stream, Refusal> {
    let by_name = call.text("StreamName").map(|it| world.arn("kinesis", &format!("stream/{it}")));
    let arn = call.text("StreamARN").map(str::to_owned).or(by_name);
    let arn = arn.ok_or_else(|| invalid("StreamARN or StreamName is required"))?;
    world.kinesis.streams.get_mut(&arn).ok_or_else(|| missing(&format!("Stream {arn}")))
}

fn consumer(world: &mut World, call: &Call) -> Result<(String, Consumer), Refusal> {
    if let Some(arn) = call.text("ConsumerARN") {
        let stream = stream_of(arn).to_owned();
        let found = world.kinesis.streams.get(&stream);
        let found = found.and_then(|it| it.consumers.values().find(|it| it.arn == arn));
        return found.map(|it| (stream, it.clone())).ok_or_else(|| missing("Consumer"));
    }
    let name = call.text("ConsumerName").ok_or_else(|| invalid("ConsumerName is required"))?;
    let stream = stream(world, call)?;
    let found = stream.consumers.get(name).cloned();
    found.map(|it| (stream.arn.clone(), it)).ok_or_else(|| missing(&format!("Consumer {name}")))
}

fn shown(consumer: &Consumer, status: &str) -> Value {
    json!({
        "ConsumerName": consumer.name,
        "ConsumerARN": consumer.arn,
        "ConsumerStatus": status,
        "ConsumerCreationTimestamp": time(consumer.created),
        "StreamARN": stream_of(&consumer.arn),
    })
}

fn describe_stream(world: &mut World, call: &Call) -> Answer {
    let (now, seconds) = (world.now(), world.seconds());
    let it = stream(world, call)?;
    let summary = json!({
        "StreamName": it.arn.rsplit('/').next(),
        "StreamARN": it.arn,
        "StreamStatus": it.status.seen(now),
        "RetentionPeriodHours": 24,
        "StreamCreationTimestamp": time(seconds),
        "EnhancedMonitoring": [],
        "OpenShardCount": 1,
        "ConsumerCount": it.consumers.len(),
        "Shards": [],
        "HasMoreShards": false,
    });
    let name = if call.operation == "DescribeStream" {
        "StreamDescription"
    } else {
        "StreamDescriptionSummary"
    };
    Ok(json!({ name: summary }))
}

fn create(world: &mut World, call: &Call) -> Answer {
    let name = call.text("StreamName").ok_or_else(|| invalid("StreamName is required"))?.to_owned();
    if world.kinesis.streams.contains_key(&world.arn("kinesis", &format!("stream/{name}"))) {
        let message = format!("Stream {name} under account {} already exists.", world.account);
        return Err(Refusal::bad("ResourceInUseException", message));
    }
    let arn = world.add_stream(&name);
    let lasts = world.draw(world.times.consumer);
    if let Some(it) = world.kinesis.streams.get_mut(&arn) {
        it.status = Lagging::new("CREATING".to_owned());
    }
    world.schedule(lasts, Event::Kinesis(KinesisEvent::Active(arn)));
    let now = world.now();
    world.advance(now);
    Ok(json!({}))
}

fn register(world: &mut World, call: &Call) -> Answer {
    let name = call.text("ConsumerName").ok_or_else(|| invalid("ConsumerName is required"))?;
    let it = stream(world, call)?;
    if it.status() != "ACTIVE" {
        let message = format!("Stream {} is not in ACTIVE status", it.arn);
        return Err(Refusal::bad("ResourceInUseException", message));
    }
    if let Some(existing) = it.consumers.get(name) {
        let message = format!("Consumer {name} exists already with ARN {}", existing.arn);
        return Err(Refusal::bad("ResourceInUseException", message));
    }
    let in_the_making = it.consumers.values().filter(|it| it.status() == "CREATING").count();
    if it.consumers.len() >= MOST || in_the_making >= MOST_IN_THE_MAKING {
        let message = format!("Stream {} has too many consumers", it.arn);
        return Err(Refusal::bad("LimitExceededException", message));
    }
    let stream = it.arn.clone();
    let arn = world.add_consumer(&stream, name);
    let lasts = world.draw(world.times.consumer);
    if let Some(it) =
        world.kinesis.streams.get_mut(&stream).and_then(|it| it.consumers.get_mut(name))
    {
        it.status = Lagging::new("CREATING".to_owned());
    }
    let made = world.kinesis.streams[&stream].consumers.get(name);
    let answer = made.map(|it| shown(it, it.status()));
    world.schedule(lasts, Event::Kinesis(KinesisEvent::Settled(stream, arn)));
    let now = world.now();
    world.advance(now);
    Ok(json!({ "Consumer": answer }))
}

fn deregister(world: &mut World, call: &Call) -> Answer {
    let (stream, found) = consumer(world, call)?;
    if found.status() != "ACTIVE" {
        let message = format!("Consumer {} is not in ACTIVE status", found.name);
        return Err(Refusal::bad("ResourceInUseException", message));
    }
    let (lasts, shown) = (world.draw(world.times.consumer), world.stale_until());
    if let Some(it) =
        world.kinesis.streams.get_mut(&stream).and_then(|it| it.consumers.get_mut(&found.name))
    {
        it.status.set("DELETING".to_owned(), shown);
    }
    world.schedule(lasts, Event::Kinesis(KinesisEvent::Settled(stream, found.arn)));
    let now = world.now();
    world.advance(now);
    Ok(json!({}))
}

fn list(world: &mut World, call: &Call) -> Answer {
    let from = call.text("NextToken").and_then(|it| it.parse().ok()).unwrap_or(0_usize);
    let size = call.number("MaxResults").map_or(PAGE, |it| it.clamp(1, PAGE as i64) as usize);
    let now = world.now();
    let it = stream(world, call)?;
    let page = it.consumers.values().skip(from).take(size);
    let page: Vec<_> = page.map(|it| shown(it, it.status.seen(now))).collect();
    let end = from.saturating_add(size);
    let next = (end < it.consumers.len()).then(|| end.to_string());
    Ok(json!({ "Consumers": page, "NextToken": next }))
}

#[cfg(test)]
mod tests;
