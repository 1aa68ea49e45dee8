//! How mappings take messages from what they read.

use super::{LambdaEvent, Origin, invoking, mappings, outside};
use crate::{Event, World, services::sqs};

/// Is told that something new can be read from the source with this ARN.
pub(crate) fn arrived(world: &mut World, source: &str) {
    let readers: Vec<String> = world
        .lambda
        .mappings
        .values()
        .filter(|it| it.takes && !it.polls)
        // The consumer of a stream has the stream's ARN before its own.
        .filter(|it| it.source == source || it.source.starts_with(&format!("{source}/consumer/")))
        .map(|it| it.uuid.clone())
        .collect();
    for uuid in readers {
        look(world, &uuid);
    }
}

/// Lets a mapping look for messages soon.
pub(super) fn look(world: &mut World, uuid: &str) {
    let after = world.draw(world.times.poll);
    let Some(mapping) = world.lambda.mappings.get_mut(uuid) else { return };
    if mapping.takes && !std::mem::replace(&mut mapping.polls, true) {
        world.schedule(after, Event::Lambda(LambdaEvent::Poll(uuid.to_owned())));
    }
}

pub(crate) fn happen(world: &mut World, event: LambdaEvent) {
    match event {
        LambdaEvent::Settled(uuid, generation) => mappings::settle(world, &uuid, generation),
        LambdaEvent::Poll(uuid) => poll(world, &uuid),
        LambdaEvent::Answered(id, answer) => world.bring_back(id, answer),
        LambdaEvent::TimedOut(id) => outside::time_out(world, id),
        LambdaEvent::Again { function, payload, attempt } => {
            outside::invoke_for(world, &function, &payload, Origin::Asynchronous(attempt));
        }
        LambdaEvent::Scheduled(number) => outside::come_round(world, number),
        // A batch in work is finished, whatever becomes of the mapping.
        LambdaEvent::Processed { function, source, numbers, .. } => {
            if source.contains(":sqs:") {
                sqs::delete(world, &source, &numbers, &function);
            } else {
                let (now, place) = (world.now(), format!("{source}/{function}"));
                for number in numbers {
                    world.ledger.consumed(number, &place, &function, now);
                }
            }
        }
    }
}

fn poll(world: &mut World, uuid: &str) {
    let Some(mapping) = world.lambda.mappings.get_mut(uuid) else { return };
    mapping.polls = false;
    if !mapping.takes {
        return;
    }
    let (source, function, most) =
        (mapping.source.clone(), mapping.function.clone(), mapping.batch);
    let function_arn = mapping.function_arn.clone();
    let numbers = if source.contains(":sqs:") {
        sqs::receive(world, &source, most)
    } else {
        let from = mapping.position.unwrap_or_default();
        let numbers = world.kinesis.read(&source, from, most);
        if let Some(mapping) = world.lambda.mappings.get_mut(uuid) {
            mapping.position = Some(from + numbers.len());
        }
        if let Some(last) = numbers.last() {
            invoking::handed(world, &function, &function_arn, *last);
        }
        numbers
    };
    if numbers.is_empty() {
        return;
    }
    let after = world.draw(world.times.invocation);
    let uuid_of = uuid.to_owned();
    let processed = LambdaEvent::Processed { uuid: uuid_of, function, source, numbers };
    world.schedule(after, Event::Lambda(processed));
    look(world, uuid);
}
