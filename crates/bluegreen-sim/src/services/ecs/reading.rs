//! How the tasks of a service take messages from a queue.

use super::EcsEvent;
use crate::{Event, World, services::sqs};

/// How many messages a task takes at once, which is the most that a call gives.
const BATCH: usize = 10;

impl World {
    /// Lets the tasks of a service take messages from the queue with this ARN, as long as any runs.
    pub fn read_queue(&mut self, cluster: &str, name: &str, queue_arn: &str) {
        let Some(service) = self.ecs.find(cluster, name) else { return };
        service.source = Some(queue_arn.to_owned());
        look(self, cluster, name);
    }
}

/// Is told that something new can be read from the queue with this ARN.
pub(crate) fn arrived(world: &mut World, source: &str) {
    let reads = world.ecs.services.values().filter(|it| it.source.as_deref() == Some(source));
    let readers: Vec<_> = reads.map(|it| (it.cluster.clone(), it.name.clone())).collect();
    for (cluster, name) in readers {
        look(world, &cluster, &name);
    }
}

/// Lets the tasks of a service look for messages soon, if it has a queue and any task runs.
pub(super) fn look(world: &mut World, cluster: &str, name: &str) {
    let Some(service) = world.ecs.find(cluster, name) else { return };
    let reads = service.source.is_some() && service.running > 0;
    if reads && !std::mem::replace(&mut service.polls, true) {
        let after = world.draw(world.times.poll);
        let event = EcsEvent::Poll(cluster.to_owned(), name.to_owned());
        world.schedule(after, Event::Ecs(event));
    }
}

pub(super) fn poll(world: &mut World, cluster: &str, name: &str) {
    let Some(service) = world.ecs.find(cluster, name) else { return };
    service.polls = false;
    let running = service.running as usize;
    let Some(source) = service.source.clone() else { return };
    let numbers = sqs::receive(world, &source, BATCH.saturating_mul(running));
    if numbers.is_empty() {
        return;
    }
    // A task that is stopped finishes what it has begun.
    let after = world.draw(world.times.invocation);
    let processed = EcsEvent::Processed { service: name.to_owned(), source, numbers };
    world.schedule(after, Event::Ecs(processed));
    look(world, cluster, name);
}
