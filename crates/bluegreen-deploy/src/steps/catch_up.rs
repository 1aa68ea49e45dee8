//! [`CatchUp`], what the gates that wait until consumers have caught up have in common.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use super::drain::{DrainWatch, whole_seconds};

/// How long it takes until CloudWatch shows a whole minute that began after consumers were switched: that
/// minute begins within one, and its figure comes up to three minutes late.
pub(super) const FIRST_FIGURE: Duration = Duration::from_secs(4 * 60);

/// The step that turns on what reads queues and streams.
pub(super) const ENABLE: &str = "lambda.enable-mappings";

/// Knows from when on the figures of CloudWatch count, and for how long they have been good.
///
/// Consumers are on when the gate's turn comes: a figure of a minute that began before that may be about the
/// time when nobody consumed, and proves nothing.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    turn: Mutex<Turn>,
    watch: DrainWatch,
}

/// Whether the gate's turn has come.
#[derive(Clone, Copy, Debug, Default)]
enum Turn {
    /// It is only looked at, for a plan.
    #[default]
    NotYet,
    /// It has come, and no look was made since.
    Come,
    /// The first look since was made then.
    Since(SystemTime),
}

impl CatchUp {
    /// Takes note that the gate's turn has come.
    pub(super) fn begin(&self) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Turn::Come;
        self.watch.forget();
    }

    /// Returns from when on figures count; `None` when it is not the gate's turn yet.
    pub(super) fn since(&self, now: SystemTime) -> Option<SystemTime> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match *turn {
            Turn::NotYet => None,
            Turn::Come => {
                *turn = Turn::Since(now);
                Some(now)
            }
            Turn::Since(since) => Some(since),
        }
    }

    /// Takes note of a look at `what` that was good, `so` it said, and returns what is still waited for;
    /// `None` when every look has been good for `lasting`. Zero seconds are one look.
    pub(super) fn good(
        &self,
        what: &str,
        so: &str,
        lasting: Duration,
        now: SystemTime,
    ) -> Option<String> {
        let held = self.watch.held(what, now);
        (held < lasting)
            .then(|| format!("{so} for {} of {}", whole_seconds(held), whole_seconds(lasting)))
    }

    /// Takes note of a look at `what` that was not good.
    pub(super) fn bad(&self, what: &str) {
        self.watch.broken(what);
    }
}

/// Returns an age in seconds for people: `4m 10s`.
pub(super) fn age(seconds: f64) -> String {
    // What is no length of time is shown as it came.
    Duration::try_from_secs_f64(seconds).map_or_else(|_| format!("{seconds}s"), whole_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn figures_count_from_the_first_look_of_the_gates_turn_on() {
        let catch_up = CatchUp::default();

        assert_eq!(catch_up.since(at(1)), None);
        catch_up.begin();
        assert_eq!(catch_up.since(at(10)), Some(at(10)));
        assert_eq!(catch_up.since(at(20)), Some(at(10)));
        catch_up.begin();
        assert_eq!(catch_up.since(at(30)), Some(at(30)));
    }

    #[test]
    fn a_look_that_is_not_good_and_a_new_turn_begin_the_time_anew() {
        let catch_up = CatchUp::default();
        let good = |second| catch_up.good("age", "young", MINUTE, at(second));

        assert_eq!(good(0).as_deref(), Some("young for 0s of 1m"));
        assert_eq!(good(59).as_deref(), Some("young for 59s of 1m"));
        assert_eq!(good(60), None);
        catch_up.bad("age");
        assert_eq!(good(61).as_deref(), Some("young for 0s of 1m"));
        catch_up.begin();
        assert_eq!(good(121).as_deref(), Some("young for 0s of 1m"));
    }

    #[test]
    fn an_age_is_told_whatever_it_is() {
        assert_eq!(age(250.4), "4m 10s");
        assert_eq!(age(f64::NAN), "NaNs");
        assert_eq!(age(-1.0), "-1s");
    }
}
