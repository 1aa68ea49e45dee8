//! The one polling loop, [`until`], and its [`Pace`].

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Error, Result};

/// How often to look, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The time between the first look and the second.
    pub first_look: Duration,
    /// The time between two looks grows by half each time, up to this.
    pub longest_look: Duration,
    /// The time after which waiting is given up.
    pub deadline: Duration,
}

impl Default for Pace {
    /// Looks after 1 s, then ever more slowly down to every 30 s, for up to ten minutes.
    fn default() -> Self {
        Self {
            first_look: Duration::from_secs(1),
            longest_look: Duration::from_secs(30),
            deadline: Duration::from_secs(600),
        }
    }
}

/// What a look has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look<T> {
    /// It has come about.
    Ready(T),
    /// Not yet: what it waits for, as a fragment.
    Waiting(String),
    /// Not yet, but in this time at the latest: it is looked at no later than then.
    Due(String, Duration),
    /// Something was just done about it: the pace begins anew, since what follows may be quick.
    Acted(String),
}

/// How a wait is getting on, told after every look that was not the last.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What it waits for.
    pub waiting_for: &'a str,
    /// The time since the wait began.
    pub elapsed: Duration,
    /// The number of looks so far, from 1.
    pub looks: u32,
}

/// Looks until what is waited for has come about, and returns what the last look found.
///
/// The first look is made at once. A look that fails with a transient error counts as one that
/// showed nothing: it is repeated at the same pace. `what` names what is waited for in errors;
/// `progress` hears what every look showed.
///
/// # Errors
///
/// [`Error::DeadlinePassed`] with what the last look showed, [`Error::Interrupted`] as soon as
/// `cancel` is cancelled between two looks (a look under way is finished), and any error of a look
/// that is not transient.
pub async fn until<T>(
    what: &str,
    pace: Pace,
    cancel: &CancellationToken,
    mut progress: impl FnMut(Progress<'_>),
    mut look: impl AsyncFnMut() -> Result<Look<T>>,
) -> Result<T> {
    let began = Instant::now();
    let mut pause = pace.first_look;
    let mut looks = 0;
    loop {
        if cancel.is_cancelled() {
            return Err(Error::Interrupted { what: what.to_owned() });
        }
        looks += 1;
        let mut due = Duration::MAX;
        let waiting_for = match look().await {
            Ok(Look::Ready(found)) => return Ok(found),
            Ok(Look::Waiting(waiting_for)) => waiting_for,
            Ok(Look::Due(waiting_for, left)) => {
                // A time that has come is looked at again all the same, but not in a tight circle.
                due = left.max(Duration::from_millis(1));
                waiting_for
            }
            Ok(Look::Acted(waiting_for)) => {
                pause = pace.first_look;
                waiting_for
            }
            Err(err) if err.is_transient() => {
                tracing::debug!(what, error = &err as &dyn std::error::Error, "looking again");
                err.to_string()
            }
            Err(err) => return Err(err),
        };

        let elapsed = began.elapsed();
        progress(Progress { waiting_for: &waiting_for, elapsed, looks });
        if elapsed >= pace.deadline {
            return Err(Error::DeadlinePassed {
                what: what.to_owned(),
                after: pace.deadline,
                last: waiting_for,
            });
        }
        // The last look is made at the deadline itself, not up to one pause before it; but even that one may
        // act, and keeps its distance.
        let left = (pace.deadline - elapsed).max(pace.first_look);
        #[expect(clippy::disallowed_methods, reason = "this is the one loop that waits")]
        let sleep = tokio::time::sleep(pause.min(due).min(left));
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            () = sleep => {}
        }
        pause = pause.mul_f64(1.5).min(pace.longest_look).max(pace.first_look);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        first_look: Duration::from_secs(1),
        longest_look: Duration::from_secs(4),
        deadline: Duration::from_secs(60),
    };

    fn seconds(began: Instant) -> f64 {
        began.elapsed().as_secs_f64()
    }

    fn throttled() -> Error {
        Error::Throttled { operation: "rds:DescribeDBClusters", source: "slow down".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_look_is_made_at_once() {
        let began = Instant::now();

        let found =
            until("it", PACE, &CancellationToken::new(), |_| {}, async || Ok(Look::Ready(7))).await;

        assert_eq!(found.unwrap(), 7);
        assert_eq!(seconds(began), 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn looks_grow_apart_up_to_the_longest_pause() {
        let began = Instant::now();
        let mut at = Vec::new();

        until(
            "it",
            PACE,
            &CancellationToken::new(),
            |_| {},
            async || {
                at.push(seconds(began));
                Ok(if at.len() == 7 { Look::Ready(()) } else { Look::Waiting("more".to_owned()) })
            },
        )
        .await
        .unwrap();

        assert_eq!(at, [0.0, 1.0, 2.5, 4.75, 8.125, 12.125, 16.125]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_begins_anew_after_an_act() {
        let began = Instant::now();
        let mut at = Vec::new();

        until(
            "it",
            PACE,
            &CancellationToken::new(),
            |_| {},
            async || {
                at.push(seconds(began));
                Ok(match at.len() {
                    4 => Look::Acted("the change to settle".to_owned()),
                    6 => Look::Ready(()),
                    _ => Look::Waiting("more".to_owned()),
                })
            },
        )
        .await
        .unwrap();

        assert_eq!(at, [0.0, 1.0, 2.5, 4.75, 5.75, 7.25]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_look_keeps_its_distance_from_the_one_before() {
        let began = Instant::now();
        let pace = Pace { deadline: Duration::from_secs(5), ..PACE };
        let mut at = Vec::new();

        let look = async || {
            at.push(seconds(began));
            Ok(Look::<()>::Waiting("more".to_owned()))
        };
        let err = until("it", pace, &CancellationToken::new(), |_| {}, look).await.unwrap_err();

        assert!(matches!(err, Error::DeadlinePassed { .. }));
        assert_eq!(at, [0.0, 1.0, 2.5, 4.75, 5.75]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_is_looked_at_when_it_is() {
        let began = Instant::now();

        until(
            "it",
            PACE,
            &CancellationToken::new(),
            |_| {},
            async || {
                let left = Duration::from_secs(10).saturating_sub(began.elapsed());
                Ok(if left.is_zero() {
                    Look::Ready(())
                } else {
                    Look::Due("the hold".to_owned(), left)
                })
            },
        )
        .await
        .unwrap();

        assert_eq!(seconds(began), 10.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_ends_the_wait_and_tells_what_was_missing() {
        let began = Instant::now();

        let err = until(
            "cluster `x`",
            PACE,
            &CancellationToken::new(),
            |_| {},
            async || Ok(Look::<()>::Waiting("`starting`".to_owned())),
        )
        .await
        .unwrap_err();

        assert!(matches!(&err, Error::DeadlinePassed { last, .. } if last == "`starting`"));
        assert_eq!(seconds(began), 60.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_transient_failure_is_looked_at_again() {
        let mut answers = vec![Ok(Look::Ready(())), Err(throttled()), Err(throttled())];

        let found = until(
            "it",
            PACE,
            &CancellationToken::new(),
            |_| {},
            async || answers.pop().expect("no fourth look"),
        )
        .await;

        assert!(found.is_ok());
        assert!(answers.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn another_failure_ends_the_wait() {
        let mut looks = 0;

        let err = until(
            "it",
            PACE,
            &CancellationToken::new(),
            |_| {},
            async || {
                looks += 1;
                Err::<Look<()>, _>(Error::NotFound { resource: "queue `x`".to_owned() })
            },
        )
        .await
        .unwrap_err();

        assert!(err.is_absent());
        assert_eq!(looks, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn cancelling_ends_the_pause_at_once() {
        let began = Instant::now();
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        #[expect(clippy::disallowed_methods, reason = "the clock is paused")]
        let later = tokio::time::sleep(Duration::from_millis(500));
        tokio::spawn(async move {
            later.await;
            stop.cancel();
        });

        let err =
            until("it", PACE, &cancel, |_| {}, async || Ok(Look::<()>::Waiting("more".to_owned())))
                .await
                .unwrap_err();

        assert!(matches!(err, Error::Interrupted { .. }));
        assert_eq!(seconds(began), 0.5);
    }

    #[tokio::test(start_paused = true)]
    async fn progress_hears_what_every_look_showed() {
        let mut heard = Vec::new();
        let mut left = 2;

        until(
            "it",
            PACE,
            &CancellationToken::new(),
            |it| heard.push((it.looks, it.elapsed.as_secs(), it.waiting_for.to_owned())),
            async || {
                left -= 1;
                Ok(if left < 0 { Look::Ready(()) } else { Look::Waiting(format!("{left} more")) })
            },
        )
        .await
        .unwrap();

        assert_eq!(heard, [(1, 0, "1 more".to_owned()), (2, 1, "0 more".to_owned())]);
    }
}
