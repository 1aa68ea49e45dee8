//! [`Lagging`], a value that readers see late.

use std::time::Duration;

/// A value with the one before it, which readers may still be shown for a while: AWS's control planes are
/// eventually consistent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lagging<T> {
    now: T,
    before: Option<(T, Duration)>,
}

impl<T> Lagging<T> {
    /// Makes a value that all see.
    pub fn new(value: T) -> Self {
        Self { now: value, before: None }
    }

    /// Returns how it really is.
    pub fn real(&self) -> &T {
        &self.now
    }

    /// Returns what a reader is shown at the time `at`.
    pub fn seen(&self, at: Duration) -> &T {
        match &self.before {
            Some((before, until)) if at < *until => before,
            _ => &self.now,
        }
    }

    /// Changes it; readers are shown what was there before until the time `shown`.
    pub fn set(&mut self, value: T, shown: Duration) {
        let before = std::mem::replace(&mut self.now, value);
        self.before = Some((before, shown));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_real_at_once_and_seen_when_its_time_has_come() {
        let mut count = Lagging::new(1);

        count.set(2, Duration::from_secs(10));

        assert_eq!(*count.real(), 2);
        assert_eq!(*count.seen(Duration::from_secs(9)), 1);
        assert_eq!(*count.seen(Duration::from_secs(10)), 2);
    }
}
