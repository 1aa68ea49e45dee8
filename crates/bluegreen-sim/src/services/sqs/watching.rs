//! What a queue notes of itself, for its metrics.

use std::time::Duration;

use super::{Held, Queue};

/// For how long a queue is active that somebody has used.
const ACTIVE: Duration = Duration::from_secs(6 * 3600);

impl Queue {
    /// Notes that somebody has used it, or that there are messages in it.
    pub(super) fn used(&mut self, now: Duration) {
        let until = now + ACTIVE;
        match self.active.last_mut() {
            Some((_, last)) if *last >= now => *last = until,
            _ => self.active.push((now, until)),
        }
    }

    /// Notes which message is the oldest that can be received.
    pub(super) fn watch(&mut self, now: Duration) {
        let oldest = self.messages.iter().find(|(_, it)| **it == Held::Waiting);
        self.oldest.note(now, oldest.map(|(number, _)| *number));
        self.used(now);
    }

    /// Returns the number of the oldest message that could be received at a time.
    pub(in crate::services) fn oldest_at(&self, at: Duration) -> Option<u64> {
        *self.oldest.at(at)
    }

    /// Returns whether it was active at a time: what nobody uses for long has no metrics.
    pub(in crate::services) fn was_active(&self, at: Duration) -> bool {
        self.active.iter().any(|(from, until)| (*from..*until).contains(&at))
    }
}
