//! Sending, receiving and deleting messages by calls.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Queue, SqsEvent, name_of, queue_name, take};
use crate::{Call, Event, Refusal, World, call::Answer};

/// How long at most a message is hidden that somebody has received, in seconds.
const LONGEST_VISIBILITY: i64 = 12 * 3600;

/// How many messages a call may send.
const MOST_IN_A_BATCH: usize = 10;

pub(super) fn send(world: &mut World, call: &Call) -> Answer {
    let name = queue_name(world, call)?;
    let body = call.required("MessageBody")?.to_owned();
    Ok(json!({ "MessageId": send_body(world, &name, body) }))
}

/// Sends a message with a body, and returns its id.
fn send_body(world: &mut World, queue: &str, body: String) -> String {
    let number = super::send(world, queue).unwrap_or_default();
    set_body(world, queue, number, body);
    message_id(number)
}

/// Gives a message its body, if it is in the queue.
pub(in crate::services) fn set_body(world: &mut World, queue: &str, number: u64, body: String) {
    let queue = world.sqs.queues.get_mut(name_of(queue));
    if let Some(queue) = queue.filter(|it| it.messages.contains_key(&number)) {
        queue.bodies.insert(number, body);
    }
}

fn message_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

pub(super) fn send_batch(world: &mut World, call: &Call) -> Answer {
    let name = queue_name(world, call)?;
    let entries = call.parameters.get("Entries").and_then(Value::as_array).cloned();
    let entries = entries.unwrap_or_default();
    // [BC:sqs SendMessageBatch]
    match entries.len() {
        0 => {
            let code = "com.amazonaws.sqs#EmptyBatchRequest";
            return Err(Refusal::bad(code, "There should be at least one entry in the request."));
        }
        1..=MOST_IN_A_BATCH => {}
        count => {
            let code = "com.amazonaws.sqs#TooManyEntriesInBatchRequest";
            let message =
                format!("Maximum number of entries per request are 10. You have sent {count}.");
            return Err(Refusal::bad(code, message));
        }
    }
    let sent = entries.iter().map(|it| {
        let text = |name: &str| it.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = send_body(world, &name, text("MessageBody"));
        json!({ "Id": text("Id"), "MessageId": id })
    });
    Ok(json!({ "Successful": sent.collect::<Vec<_>>(), "Failed": [] }))
}

pub(super) fn receive(world: &mut World, call: &Call) -> Answer {
    let name = queue_name(world, call)?;
    let most = call.number("MaxNumberOfMessages").unwrap_or(1).clamp(1, 10) as usize;
    let hidden = visibility(&world.sqs.queues[&name], call);
    let until = world.now() + hidden;
    let taken = take(world, &name, most, Some(until));
    for &number in &taken {
        let event = SqsEvent::Back { queue: name.clone(), number, until };
        world.schedule(hidden, Event::Sqs(event));
    }
    let bodies = &world.sqs.queues[&name].bodies;
    let messages: Vec<_> = taken
        .iter()
        .map(|number| {
            json!({
                "MessageId": message_id(*number),
                "ReceiptHandle": number.to_string(),
                "Body": bodies.get(number).cloned().unwrap_or_else(|| number.to_string()),
            })
        })
        .collect();
    Ok(json!({ "Messages": messages }))
}

/// Returns how long what a call receives is hidden: as it says, else as the queue says.
fn visibility(queue: &Queue, call: &Call) -> Duration {
    let told = call.number("VisibilityTimeout");
    let told = told.map(|it| it.clamp(0, LONGEST_VISIBILITY).unsigned_abs());
    Duration::from_secs(told.unwrap_or_else(|| queue.visibility()))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Answer {
    let name = queue_name(world, call)?;
    // A message that is deleted again, or that is another queue's, has been processed by nobody here.
    let number = call.required("ReceiptHandle")?.parse().ok();
    let number = number.filter(|it| world.sqs.queues[&name].messages.contains_key(it));
    if let Some(number) = number {
        super::delete(world, &name, &[number], "a call");
    }
    Ok(json!({}))
}
