//! [`Ledger`], where every message went: published, waiting, consumed by whom, filtered or purged.

use std::{collections::BTreeMap, time::Duration};

/// Every message that was sent in the account, and every copy of it.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    messages: BTreeMap<u64, Message>,
    next: u64,
}

/// A message that was sent once.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// When.
    pub sent: Duration,
    /// Where to: the ARN of a topic, a queue or a stream.
    pub to: String,
    /// The copies of it, by the place that each is for: the ARN of a queue, or of a mapping's stream with the
    /// mapping's function behind it.
    pub copies: BTreeMap<String, Copy>,
}

/// A copy of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// How it ended, or where it is.
    pub fate: Fate,
    /// Who has consumed it, and when: more than one is a message that was processed twice.
    pub consumed: Vec<(String, Duration)>,
}

/// How a copy ended, or where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits, or is in flight.
    Waiting,
    /// It was consumed and deleted.
    Done,
    /// A filter policy kept it back.
    Filtered,
    /// A purge took it.
    Purged(Duration),
}

impl Ledger {
    /// Notes a message that is sent to the ARN `to`, and returns its number.
    pub fn sent(&mut self, to: &str, at: Duration) -> u64 {
        let number = self.next;
        self.next += 1;
        let message = Message { sent: at, to: to.to_owned(), copies: BTreeMap::new() };
        self.messages.insert(number, message);
        number
    }

    /// Notes what became of the copy of a message for `place`.
    pub fn copy(&mut self, number: u64, place: &str, fate: Fate) {
        if let Some(message) = self.messages.get_mut(&number) {
            let copy = message.copies.entry(place.to_owned());
            copy.or_insert(Copy { fate, consumed: Vec::new() }).fate = fate;
        }
    }

    /// Notes that the copy of a message has left `place` for another.
    pub(crate) fn moved(&mut self, number: u64, place: &str) {
        if let Some(message) = self.messages.get_mut(&number) {
            message.copies.remove(place);
        }
    }

    /// Notes that `consumer` has processed the copy of a message for `place`.
    pub fn consumed(&mut self, number: u64, place: &str, consumer: &str, at: Duration) {
        if let Some(message) = self.messages.get_mut(&number) {
            let copy = message.copies.entry(place.to_owned());
            let copy = copy.or_insert(Copy { fate: Fate::Done, consumed: Vec::new() });
            copy.fate = Fate::Done;
            copy.consumed.push((consumer.to_owned(), at));
        }
    }

    /// Returns all messages, in the order in which they were sent.
    pub fn messages(&self) -> impl Iterator<Item = (u64, &Message)> {
        self.messages.iter().map(|(number, it)| (*number, it))
    }

    /// Returns a message by its number.
    pub(crate) fn message(&self, number: u64) -> Option<&Message> {
        self.messages.get(&number)
    }

    /// Returns how many messages were sent.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Returns whether none was.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_consumed_twice_is_seen_as_such() {
        let mut ledger = Ledger::default();
        let number = ledger.sent("topic", Duration::ZERO);
        ledger.copy(number, "ingest-a", Fate::Waiting);
        ledger.copy(number, "ingest-b", Fate::Filtered);

        ledger.consumed(number, "ingest-a", "function-a", Duration::from_secs(1));
        ledger.consumed(number, "ingest-a", "function-b", Duration::from_secs(2));

        let (_, message) = ledger.messages().next().unwrap();
        assert_eq!(message.copies["ingest-a"].fate, Fate::Done);
        assert_eq!(message.copies["ingest-a"].consumed.len(), 2);
        assert_eq!(message.copies["ingest-b"].fate, Fate::Filtered);
    }
}
