//! [`DrainWatch`], which tells a drained queue from one that happens to be empty at a look.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

#[cfg(any(feature = "ecs", feature = "lambda"))]
use bluegreen_core::StackReference;

#[cfg(any(feature = "ecs", feature = "lambda"))]
use crate::{Context, Result, SourceQueue};

/// How far apart two looks may be for the time between them to count as watched.
pub(super) const LONGEST_GAP: Duration = Duration::from_secs(90);

/// Watches for how long queues have been empty.
///
/// SQS counts approximately: a single 0 says nothing. A queue is drained when every look of a while has
/// shown 0; looks more than 90 s apart begin anew.
#[derive(Debug, Default)]
pub(super) struct DrainWatch {
    empty: Mutex<BTreeMap<String, Empty>>,
}

/// When a queue was first and last seen empty.
#[derive(Clone, Copy, Debug)]
struct Empty {
    since: SystemTime,
    last: SystemTime,
}

impl DrainWatch {
    /// Takes note of a look at `what` that has shown it as it should be, and returns for how long every look
    /// has.
    pub(super) fn held(&self, what: &str, now: SystemTime) -> Duration {
        let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = empty.entry(what.to_owned()).or_insert(Empty { since: now, last: now });
        // An error is a clock that was set back: what was watched does not count.
        if !now.duration_since(seen.last).is_ok_and(|it| it <= LONGEST_GAP) {
            seen.since = now;
        }
        seen.last = now;
        now.duration_since(seen.since).unwrap_or_default()
    }

    /// Takes note of a look at `what` that has not shown it as it should be.
    pub(super) fn broken(&self, what: &str) {
        self.empty.lock().unwrap_or_else(PoisonError::into_inner).remove(what);
    }

    /// Forgets all looks so far: whatever they showed, producers may have come back since.
    pub(super) fn forget(&self) {
        self.empty.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Looks at the queue of `stack`, and returns what is still waited for; `None` when it is drained.
    #[cfg(any(feature = "ecs", feature = "lambda"))]
    pub(super) async fn look(
        &self,
        queue: &dyn SourceQueue,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Option<String>> {
        let name = queue.name(stack);
        let messages = queue.messages(context, stack).await?.total;
        let seen = self.see(name, messages, queue.drained_for(), context.now());
        Ok(seen.map(|what| format!("`{name}`: {what}")))
    }

    /// Takes note of a look at `queue` and returns what is still waited for; `None` when it has been empty
    /// for `drained_for`. Zero seconds are one look.
    pub(super) fn see(
        &self,
        queue: &str,
        messages: u64,
        drained_for: Duration,
        now: SystemTime,
    ) -> Option<String> {
        if messages > 0 {
            self.broken(queue);
            return Some(format!("{} left", counted(messages, "message")));
        }
        let so_far = self.held(queue, now);
        (so_far < drained_for).then(|| {
            format!("empty for {} of {}", whole_seconds(so_far), whole_seconds(drained_for))
        })
    }
}

/// Warns of what is left in the queue of `stack`, which nobody reads any more.
#[cfg(any(feature = "ecs", feature = "lambda"))]
pub(super) async fn warn_of_what_is_left(
    queue: &dyn SourceQueue,
    context: &Context<'_>,
    stack: StackReference,
) -> Result<()> {
    let left = queue.messages(context, stack).await?.total;
    if left > 0 {
        let (name, other) = (queue.name(stack), queue.name(stack.partner()));
        context.warn(format!(
            "{} left in `{name}`, which nobody on stack {stack} reads any more: send them to `{other}`, or they wait \
             for the next release to {stack}, at most for the queue's retention",
            counted(left, "message")
        ));
    }
    Ok(())
}

/// Returns a number with its noun: `1 message`, `7 messages`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Returns a duration for people: `1m 20s`.
pub(super) fn whole_seconds(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Returns what each look says, at the given seconds with the given messages, for a queue that is
    /// drained after two minutes.
    fn see(looks: &[(u64, u64)]) -> Vec<Option<String>> {
        let watch = DrainWatch::default();
        let two_minutes = Duration::from_secs(120);
        looks
            .iter()
            .map(|&(second, count)| watch.see("q", count, two_minutes, at(second)))
            .collect()
    }

    fn says(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_queue_is_drained_when_it_has_been_empty_for_the_whole_time() {
        let seen = see(&[(0, 7), (10, 0), (70, 0), (129, 0), (130, 0)]);

        let waited = [
            says("7 messages left"),
            says("empty for 0s of 2m"),
            says("empty for 1m of 2m"),
            says("empty for 1m 59s of 2m"),
            None,
        ];
        assert_eq!(seen, waited);
    }

    #[test]
    fn one_message_begins_the_time_anew() {
        let seen = see(&[(0, 0), (80, 0), (100, 1), (130, 0), (200, 0), (250, 0)]);

        assert_eq!(seen[2], says("1 message left"));
        assert_eq!(seen[3], says("empty for 0s of 2m"));
        assert_eq!(seen[5], None);
    }

    #[test]
    fn time_that_nobody_watched_does_not_count() {
        let seen = see(&[(0, 0), (90, 0), (181, 0)]);

        assert_eq!(seen[1], says("empty for 1m 30s of 2m"));
        assert_eq!(seen[2], says("empty for 0s of 2m"));
    }

    #[test]
    fn a_clock_set_back_begins_anew() {
        assert_eq!(see(&[(500, 0), (10, 0)])[1], says("empty for 0s of 2m"));
    }

    #[test]
    fn without_a_time_one_look_is_enough() {
        let watch = DrainWatch::default();

        assert_eq!(watch.see("q", 0, Duration::ZERO, at(0)), None);
        assert!(watch.see("q", 1, Duration::ZERO, at(1)).is_some());
    }

    #[test]
    fn queues_are_watched_each_by_itself() {
        let (watch, minute) = (DrainWatch::default(), Duration::from_secs(60));

        watch.see("first", 0, minute, at(0));
        watch.see("second", 0, minute, at(50));

        assert_eq!(watch.see("first", 0, minute, at(60)), None);
        assert!(watch.see("second", 0, minute, at(60)).is_some());
    }
}
