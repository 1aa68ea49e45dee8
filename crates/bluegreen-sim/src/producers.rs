//! Who sends messages, and [`Traffic`], where production is.

use std::{collections::BTreeMap, time::Duration};

use bluegreen_core::{Pair, StackReference};

use crate::{
    Change, Event, Range, World,
    services::{publish, put_record, send},
};

/// Where production traffic is, of services that the account does not run.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    on: Option<StackReference>,
    since: Duration,
    moved: Option<Duration>,
}

impl Traffic {
    /// Returns the stack that has all traffic; `None` is both.
    pub fn on(&self) -> Option<StackReference> {
        self.on
    }

    /// Returns when that last changed, since the account was made.
    pub fn since(&self) -> Duration {
        self.since
    }
}

/// Somebody who sends messages again and again.
#[derive(Clone, Debug)]
pub struct Producer {
    /// How long from one message to the next.
    pub every: Range,
    /// What is sent, and where to.
    pub what: What,
}

/// What a producer sends, and where to.
#[derive(Clone, Debug)]
pub enum What {
    /// A message to a topic.
    Topic {
        /// The topic's ARN.
        arn: String,
        /// The attributes of its messages.
        attributes: BTreeMap<String, String>,
        /// The text of its messages.
        message: String,
    },
    /// A record to the stream with this ARN.
    Stream(String),
    /// A piece of work to the queue of the stack that has the traffic, by the queues' ARNs; to either while
    /// traffic is on both.
    Work(Pair<String>),
}

/// Somebody sends a message.
#[derive(Clone, Debug)]
pub struct ProducerEvent(Producer);

impl World {
    /// Lets a producer begin.
    pub fn add_producer(&mut self, producer: Producer) {
        let after = producer.every.draw(&mut self.random);
        self.schedule(after, Event::Producer(ProducerEvent(producer)));
    }

    /// Ends all producers.
    pub fn stop_producers(&mut self) {
        self.produces = false;
    }

    /// Puts all traffic on a stack, at once.
    pub fn arrive(&mut self, stack: StackReference) {
        self.put_traffic(Some(stack));
    }

    fn put_traffic(&mut self, on: Option<StackReference>) {
        if self.traffic.on != on {
            self.traffic.on = on;
            self.traffic.since = self.now();
        }
    }

    /// Begins to move all traffic to a stack; it is on both meanwhile.
    pub fn move_traffic(&mut self, to: StackReference) {
        if self.traffic.on == Some(to) || self.traffic.moved.is_some_and(|it| self.now() < it) {
            return;
        }
        let takes = self.draw(self.times.traffic);
        self.put_traffic(None);
        self.traffic.moved = Some(self.now() + takes);
        self.schedule(takes, Event::Change(Change::MoveTraffic(to)));
    }
}

pub(crate) fn happen(world: &mut World, event: ProducerEvent) {
    let ProducerEvent(producer) = event;
    if !world.produces {
        return;
    }
    match &producer.what {
        What::Topic { arn, attributes, message } => {
            publish(world, arn, attributes, message);
        }
        What::Stream(arn) => {
            put_record(world, arn);
        }
        What::Work(queues) => {
            let either = if world.random.bool() { StackReference::A } else { StackReference::B };
            let stack = world.traffic.on().unwrap_or(either);
            send(world, queues.of(stack));
        }
    }
    world.add_producer(producer);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn work_goes_where_the_traffic_is_and_to_both_while_it_moves() {
        let mut world = World::new(&Settings::default());
        let queues = Pair { a: world.add_queue("mail-a"), b: world.add_queue("mail-b") };
        world.times.traffic = Range::seconds(600, 600);
        world.arrive(StackReference::A);
        world.add_producer(Producer { every: Range::seconds(1, 1), what: What::Work(queues) });
        let depths =
            |world: &World| ["mail-a", "mail-b"].map(|it| world.sqs.queue(it).unwrap().len());

        world.advance(Duration::from_secs(10));
        let before = depths(&world);
        world.move_traffic(StackReference::B);
        world.advance(Duration::from_secs(600));
        let meanwhile = depths(&world);
        world.advance(Duration::from_secs(620));
        let arrived = depths(&world);
        world.advance(Duration::from_secs(630));

        assert_eq!(before, [10, 0]);
        assert!(meanwhile[0] > 10 && meanwhile[1] > 0, "{meanwhile:?}");
        assert_eq!(depths(&world)[0], arrived[0]);
    }

    #[test]
    fn traffic_tells_since_when_it_is_where_it_is() {
        let mut world = World::new(&Settings::default());
        world.times.traffic = Range::seconds(60, 60);
        let seconds = Duration::from_secs;

        world.advance(seconds(10));
        world.arrive(StackReference::A);
        world.advance(seconds(20));
        world.arrive(StackReference::A);
        let still = world.traffic.since();
        world.move_traffic(StackReference::B);
        let moving = world.traffic.since();
        world.advance(seconds(100));

        assert_eq!((still, moving, world.traffic.since()), (seconds(10), seconds(20), seconds(80)));
        assert_eq!(world.traffic.on(), Some(StackReference::B));
    }

    #[test]
    fn producers_that_were_stopped_send_nothing() {
        let mut world = World::new(&Settings::default());
        let topic = world.add_topic("catalogue");
        let what =
            What::Topic { arn: topic, attributes: BTreeMap::new(), message: "order".to_owned() };
        world.add_producer(Producer { every: Range::seconds(1, 1), what });
        world.advance(Duration::from_secs(5));

        world.stop_producers();
        world.advance(Duration::from_secs(50));

        assert_eq!(world.ledger.len(), 5);
    }
}
