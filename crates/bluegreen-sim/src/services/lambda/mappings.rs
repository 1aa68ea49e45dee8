//! Event source mappings: what they are, and the calls that change them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{LambdaEvent, invalid, missing, named, now, polling, required};
use crate::{Call, Event, Lagging, Refusal, World, call::Answer, services::unknown};

/// §6.1: how many mappings are on a page, whatever is asked for.
const PAGE: usize = 100;

/// The greatest batch that a mapping hands to its function, and the greatest of a FIFO queue and without a window.
const MOST_IN_A_BATCH: usize = 10_000;
const MOST_WITHOUT_A_WINDOW: usize = 10;

/// An event source mapping.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Its UUID.
    pub uuid: String,
    /// The name of its function.
    pub function: String,
    /// The ARN of its function, with the alias if it has one.
    pub function_arn: String,
    /// The ARN of what it reads: a queue, a stream, a stream's consumer.
    pub source: String,
    pub(super) state: Lagging<String>,
    pub(super) batch: usize,
    pub(super) generation: u64,
    /// Where in a stream it stands; none before it was on for the first time.
    pub(super) position: Option<usize>,
    pub(super) start: Start,
    /// How long it waits for a batch to fill, in seconds.
    window: i64,
    /// Whether it takes messages now.
    pub(super) takes: bool,
    /// Whether a look for messages is to come.
    pub(super) polls: bool,
}

/// Where in a stream a mapping starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Start {
    /// At the oldest record.
    Oldest,
    /// At what comes once it is on.
    Latest,
    /// At this time since the account was made.
    At(Duration),
}

impl Mapping {
    /// Returns its state as it really is: `Enabled`, `Disabling`, ..
    pub fn state(&self) -> &str {
        self.state.real()
    }

    /// Returns whether it is on, or on its way there.
    pub fn is_on(&self) -> bool {
        matches!(self.state(), "Enabled" | "Enabling" | "Creating")
    }

    /// Returns whether it takes messages: while it is `Disabling`, some do and some do not.
    pub fn takes(&self) -> bool {
        self.takes
    }

    fn is_in_transition(&self) -> bool {
        !matches!(self.state(), "Enabled" | "Disabled")
    }
}

impl World {
    /// Adds a mapping that is on or off, and returns its UUID. The function may be named with an alias.
    pub fn add_mapping(&mut self, function_arn: &str, source: &str, on: bool) -> String {
        let uuid = self.uuid();
        let mapping = Mapping {
            uuid: uuid.clone(),
            function: named(function_arn).0,
            function_arn: function_arn.to_owned(),
            source: source.to_owned(),
            state: Lagging::new(if on { "Enabled" } else { "Disabled" }.to_owned()),
            batch: if source.contains(":sqs:") { 10 } else { 100 },
            generation: 0,
            // It has been there for long: what is new is read.
            position: Some(self.kinesis.length(source)),
            start: Start::Latest,
            window: 0,
            takes: on,
            polls: false,
        };
        self.lambda.mappings.insert(uuid.clone(), mapping);
        if on {
            polling::look(self, &uuid);
        }
        uuid
    }
}

/// Begins a transition: the state on the way, and what it ends in.
fn begin(world: &mut World, uuid: &str, on_the_way: &str) {
    let (lasts, shown) = (world.draw(world.times.mapping), world.stale_until());
    let Some(mapping) = world.lambda.mappings.get_mut(uuid) else { return };
    mapping.state.set(on_the_way.to_owned(), shown);
    mapping.generation += 1;
    let settled = LambdaEvent::Settled(uuid.to_owned(), mapping.generation);
    world.schedule(lasts, Event::Lambda(settled));
    let now = world.now();
    world.advance(now);
}

/// Ends a transition.
pub(super) fn settle(world: &mut World, uuid: &str, generation: u64) {
    let shown = world.stale_until();
    let Some(mapping) = world.lambda.mappings.get_mut(uuid) else { return };
    if mapping.generation != generation {
        return;
    }
    let settled = match mapping.state() {
        "Deleting" => {
            world.lambda.mappings.remove(uuid);
            return;
        }
        "Enabling" | "Creating" => "Enabled",
        "Disabling" => "Disabled",
        _ if mapping.takes => "Enabled",
        _ => "Disabled",
    };
    mapping.state.set(settled.to_owned(), shown);
    mapping.takes = settled == "Enabled";
    if mapping.takes {
        if mapping.position.is_none() {
            mapping.position = Some(match mapping.start {
                Start::Oldest => 0,
                Start::Latest => world.kinesis.length(&mapping.source),
                Start::At(at) => world.kinesis.before(&mapping.source, at),
            });
        }
        polling::look(world, uuid);
    }
}

/// Lets a person switch a mapping.
pub(crate) fn switch(world: &mut World, uuid: &str, on: bool) {
    let Some(mapping) = world.lambda.mappings.get(uuid) else { return };
    if mapping.is_on() != on && mapping.state() != "Deleting" {
        begin(world, uuid, if on { "Enabling" } else { "Disabling" });
    }
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "CreateEventSourceMapping" => create(world, call),
        "DeleteEventSourceMapping" => {
            let uuid = settled(world, call)?;
            begin(world, &uuid, "Deleting");
            Ok(match world.lambda.mappings.get(&uuid) {
                Some(it) => shown(world, it, it.state()),
                None => json!({ "UUID": uuid, "State": "Deleting" }),
            })
        }
        "GetEventSourceMapping" => {
            let uuid = required(call, "UUID")?;
            let it = world.lambda.mappings.get(uuid).ok_or_else(|| missing("The resource"))?;
            Ok(shown(world, it, it.state.seen(world.now())))
        }
        "ListEventSourceMappings" => list(world, call),
        "UpdateEventSourceMapping" => update(world, call),
        _ => Err(unknown(call)),
    }
}

fn shown(world: &World, it: &Mapping, state: &str) -> Value {
    json!({
        "UUID": it.uuid,
        "FunctionArn": it.function_arn,
        "EventSourceArn": it.source,
        "BatchSize": it.batch,
        "State": state,
        "StateTransitionReason": "USER_INITIATED",
        "LastModified": now(world),
    })
}

/// Returns the UUID of a mapping that AWS is not at work on.
fn settled(world: &World, call: &Call) -> Result<String, Refusal> {
    let uuid = required(call, "UUID")?;
    let it = world.lambda.mappings.get(uuid).ok_or_else(|| missing("The resource"))?;
    // §6.1: while it is on its way, nothing else can be done with it.
    if it.is_in_transition() {
        return Err(Refusal::bad(
            "ResourceInUseException",
            format!(
                "Cannot update the event source mapping because it is in use. Its state is {}.",
                it.state()
            ),
        ));
    }
    Ok(uuid.to_owned())
}

/// §6.1: a message must not come back while a function is still at work on it.
fn check_visibility(world: &World, function: &str, source: &str) -> Result<(), Refusal> {
    let timeout = world.lambda.functions.get(function).map_or(0, |it| it.timeout);
    let Some(queue) = world.sqs.queue(source).filter(|_| source.contains(":sqs:")) else {
        return Ok(());
    };
    let visibility = queue.visibility();
    if visibility < u64::from(timeout) {
        return Err(invalid(format!(
            "Queue visibility timeout: {visibility} seconds is less than Function timeout: {timeout} seconds"
        )));
    }
    Ok(())
}

fn update(world: &mut World, call: &Call) -> Answer {
    let uuid = settled(world, call)?;
    if let Some(it) = world.lambda.mappings.get(&uuid) {
        check_visibility(world, &it.function, &it.source)?;
    }
    let enabled = call.flag("Enabled");
    let Some(mapping) = world.lambda.mappings.get_mut(&uuid) else {
        return Err(missing("The resource"));
    };
    let window = window(call).unwrap_or(mapping.window);
    mapping.batch = batch_size(call, &mapping.source, window)?.unwrap_or(mapping.batch);
    mapping.window = window;
    let was_on = mapping.is_on();
    let on_the_way = match enabled {
        Some(true) if !was_on => "Enabling",
        Some(false) if was_on => "Disabling",
        _ => "Updating",
    };
    // Some mappings stop taking messages at once, some when they are disabled.
    if on_the_way == "Disabling" && world.random.bool() {
        mapping.takes = false;
    }
    begin(world, &uuid, on_the_way);
    let it = world.lambda.mappings.get(&uuid).ok_or_else(|| missing("The resource"))?;
    Ok(shown(world, it, it.state()))
}

fn create(world: &mut World, call: &Call) -> Answer {
    let (function, alias) = named(required(call, "FunctionName")?);
    if !world.lambda.functions.contains_key(&function) {
        return Err(invalid("Function does not exist"));
    }
    let function_arn = world.function_arn(&function, alias.as_deref());
    let source = required(call, "EventSourceArn")?.to_owned();
    let is_queue = source.contains(":sqs:");
    if !is_queue && !source.contains(":kinesis:") && !source.contains(":dynamodb:") {
        return Err(invalid("Unrecognized event source."));
    }
    check_visibility(world, &function, &source)?;
    let start = start(world, call, &source)?;
    let existing = world
        .lambda
        .mappings
        .values()
        .find(|it| it.source == source && it.function_arn == function_arn);
    if let Some(existing) = existing {
        let kind = if is_queue { "SQS" } else { "Kinesis" };
        return Err(Refusal::new(
            409,
            "ResourceConflictException",
            format!(
                "An event source mapping with {kind} arn (\" {source} \") and function (\" {function} \") \
                 already exists. Please update or delete the existing mapping with UUID {}",
                existing.uuid
            ),
        ));
    }
    let window = window(call).unwrap_or_default();
    let batch = batch_size(call, &source, window)?;
    let on = call.flag("Enabled").unwrap_or(true);
    let uuid = world.add_mapping(&function_arn, &source, false);
    if let Some(it) = world.lambda.mappings.get_mut(&uuid) {
        it.start = start;
        it.window = window;
        it.position = None;
        it.takes = false;
        it.batch = batch.unwrap_or(it.batch);
    }
    // One that is created disabled ends so: `Creating` would end in `Enabled`.
    begin(world, &uuid, if on { "Creating" } else { "Updating" });
    let it = world.lambda.mappings.get(&uuid).ok_or_else(|| missing("The resource"))?;
    Ok(shown(world, it, if it.state() == "Updating" { "Creating" } else { it.state() }))
}

fn window(call: &Call) -> Option<i64> {
    call.number("MaximumBatchingWindowInSeconds")
}

/// Returns how many messages a batch may have, if the call says so.
fn batch_size(call: &Call, source: &str, window: i64) -> Result<Option<usize>, Refusal> {
    let Some(batch) = call.number("BatchSize") else { return Ok(None) };
    // §6.1: a FIFO queue has smaller batches.
    let most = if source.ends_with(".fifo") { MOST_WITHOUT_A_WINDOW } else { MOST_IN_A_BATCH };
    let fits = usize::try_from(batch).ok().filter(|it| (1..=most).contains(it));
    let batch = fits.ok_or_else(|| invalid(format!("BatchSize must be 1 to {most}")))?;
    if source.contains(":sqs:") && batch > MOST_WITHOUT_A_WINDOW && window < 1 {
        return Err(invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ));
    }
    Ok(Some(batch))
}

/// Returns where a mapping that the call makes starts in its source.
fn start(world: &World, call: &Call, source: &str) -> Result<Start, Refusal> {
    match call.text("StartingPosition") {
        _ if source.contains(":sqs:") => Ok(Start::Latest),
        Some("TRIM_HORIZON") => Ok(Start::Oldest),
        Some("LATEST") => Ok(Start::Latest),
        // §6.1: not for DynamoDB.
        Some("AT_TIMESTAMP") if source.contains(":kinesis:") => {
            let timestamp = call.parameters.get("StartingPositionTimestamp");
            let seconds = timestamp.and_then(Value::as_f64);
            let seconds =
                seconds.ok_or_else(|| invalid("StartingPositionTimestamp is required"))?;
            let after = Duration::try_from_secs_f64(seconds - world.seconds_at(Duration::ZERO));
            // What is before the account was made is before every record.
            Ok(Start::At(after.unwrap_or_default()))
        }
        Some(other) => Err(invalid(format!("{other} is no StartingPosition of this source"))),
        None => {
            Err(invalid("StartingPosition is not null. Supported for Kinesis and DynamoDB only."))
        }
    }
}

fn list(world: &mut World, call: &Call) -> Answer {
    let source = call.text("EventSourceArn");
    let function = call.text("FunctionName").map(named);
    if let Some((name, _)) = &function
        && !world.lambda.functions.contains_key(name)
    {
        return Err(missing("Function"));
    }
    let matches = |it: &&Mapping| {
        let by_function = function.as_ref().is_none_or(|(name, qualifier)| {
            let same = qualifier
                .as_ref()
                .is_none_or(|qualifier| it.function_arn.ends_with(&format!(":{name}:{qualifier}")));
            it.function == *name && same
        });
        by_function && source.is_none_or(|source| it.source == source)
    };
    let from = call.text("Marker").and_then(|it| it.parse().ok()).unwrap_or(0_usize);
    let size = call.number("MaxItems").map_or(PAGE, |it| it.clamp(1, PAGE as i64) as usize);
    let all: Vec<_> = world.lambda.mappings.values().filter(matches).collect();
    let page = all.iter().skip(from).take(size);
    let page = page.map(|it| shown(world, it, it.state.seen(world.now())));
    let end = from.saturating_add(size);
    Ok(json!({
        "EventSourceMappings": page.collect::<Vec<_>>(),
        "NextMarker": (end < all.len()).then(|| end.to_string()),
    }))
}

#[cfg(test)]
mod tests;
