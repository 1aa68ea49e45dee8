//! [`Lagging`], a value that readers see late.

use std::time::Duration;

/// A value with those before it, which readers may still be shown for a while: AWS's control planes are
/// eventually consistent.
///
/// Readers see the values in their order, and none before its time, however soon one follows another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lagging<T> {
    now: T,
    /// Each with the time until which it is shown, which is later from one to the next.
    before: Vec<(T, Duration)>,
}

impl<T> Lagging<T> {
    /// Makes a value that all see.
    pub fn new(value: T) -> Self {
        Self { now: value, before: Vec::new() }
    }

    /// Returns how it really is.
    pub fn real(&self) -> &T {
        &self.now
    }

    /// Returns what a reader is shown at the time `at`.
    pub fn seen(&self, at: Duration) -> &T {
        let shown = self.before.iter().find(|(_, until)| at < *until);
        shown.map_or(&self.now, |(before, _)| before)
    }

    /// Changes it; readers are shown what was there before until the time `shown`, or for longer where they are
    /// still shown what was there before that.
    pub fn set(&mut self, value: T, shown: Duration) {
        let before = std::mem::replace(&mut self.now, value);
        if self.before.last().is_none_or(|(_, until)| *until < shown) {
            self.before.push((before, shown));
        }
    }

    /// Forgets what no reader is shown from the time `at` on.
    pub fn forget(&mut self, at: Duration) {
        self.before.retain(|(_, until)| at < *until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(count: &Lagging<u32>) -> Vec<u32> {
        [0, 9, 10, 19, 20].map(|it| *count.seen(Duration::from_secs(it))).into()
    }

    #[test]
    fn a_change_is_real_at_once_and_seen_when_its_time_has_come() {
        let mut count = Lagging::new(1);

        count.set(2, Duration::from_secs(10));

        assert_eq!(*count.real(), 2);
        assert_eq!(seen(&count), [1, 1, 2, 2, 2]);
    }

    #[test]
    fn a_second_change_does_not_bring_the_first_to_light_before_its_time() {
        let mut count = Lagging::new(1);

        count.set(2, Duration::from_secs(10));
        count.set(3, Duration::from_secs(20));

        assert_eq!(seen(&count), [1, 1, 2, 2, 3]);
    }

    #[test]
    fn a_second_change_with_a_shorter_time_waits_for_the_first() {
        let mut count = Lagging::new(1);

        count.set(2, Duration::from_secs(10));
        count.set(3, Duration::from_secs(5));

        assert_eq!(seen(&count), [1, 1, 3, 3, 3]);
    }

    #[test]
    fn what_is_forgotten_is_only_what_nobody_is_shown() {
        let mut count = Lagging::new(1);
        count.set(2, Duration::from_secs(10));
        count.set(3, Duration::from_secs(20));

        count.forget(Duration::from_secs(10));

        assert_eq!(count.before, [(2, Duration::from_secs(20))]);
    }
}
