//! [`History`], a value with what it was before.

use std::time::Duration;

/// A value with when it changed, for those who ask what it was: metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History<T> {
    /// What it was before the first change, and for ever before that.
    first: T,
    changes: Vec<(Duration, T)>,
}

impl<T: PartialEq> History<T> {
    /// Makes a value that has never been another.
    pub(crate) fn new(first: T) -> Self {
        Self { first, changes: Vec::new() }
    }

    /// Notes what it is from the time `at` on, which is not before the last change.
    pub(crate) fn note(&mut self, at: Duration, value: T) {
        let last = self.changes.last().map_or(&self.first, |(_, it)| it);
        if *last != value {
            self.changes.push((at, value));
        }
    }

    /// Returns what it was at a time, with what changed just then.
    pub(crate) fn at(&self, when: Duration) -> &T {
        let until = self.changes.partition_point(|(at, _)| *at <= when);
        until.checked_sub(1).map_or(&self.first, |it| &self.changes[it].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_it_was_last_changed_to_before() {
        let [early, change, later] = [0, 10, 20].map(Duration::from_secs);
        let mut value = History::new("stopped");

        value.note(change, "available");
        value.note(later, "available");

        let seen = [early, change - Duration::from_nanos(1), change, later].map(|it| *value.at(it));
        assert_eq!(seen, ["stopped", "stopped", "available", "available"]);
        assert_eq!(value.changes.len(), 1, "what is no change is not kept");
    }
}
