//! The answer to a hook, given whatever happens in the work: [`codedeploy`] reports, [`ecs`] returns.

mod codedeploy;
mod ecs;

use std::{any::Any, error, panic::AssertUnwindSafe, time::Duration};

use bluegreen_core::BoxError;
use futures::FutureExt;

pub use self::{
    codedeploy::{Answer, AnswerError, Reported, codedeploy},
    ecs::{Direction, EcsAnswer, EcsResponse, EcsStatus, direction, ecs},
};

/// How a piece of work ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended<T> {
    /// It came to its end.
    With(T),
    /// It failed, or panicked: why, as a fragment.
    Failed(String),
    /// Its time was up, and it was dropped.
    OutOfTime,
}

/// Does a piece of work for as long as it may take, and says how it ended, whatever it does.
///
/// Work is dropped where it waits: one that never waits cannot be ended. A panic is caught, that of
/// dropping it included, unless the program was built to abort on a panic.
pub(crate) async fn run<T, E: Into<BoxError>>(
    left: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Ended<T> {
    let timed = async move { tokio::time::timeout(left, work).await };
    match AssertUnwindSafe(timed).catch_unwind().await {
        Ok(Ok(Ok(answer))) => Ended::With(answer),
        Ok(Ok(Err(err))) => Ended::Failed(chain(&*err.into())),
        Ok(Err(_)) => Ended::OutOfTime,
        Err(panic) => Ended::Failed(format!("the work panicked: {}", said(&*panic))),
    }
}

/// Writes an error with its causes, from the outermost inwards.
pub(crate) fn chain(err: &dyn error::Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        text.push_str(": ");
        text.push_str(&err.to_string());
        cause = err.source();
    }
    text
}

/// Returns what a panic said, if it said it in words.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use bluegreen_core::Error;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Panics when it is dropped.
    struct Brittle;

    impl Drop for Brittle {
        fn drop(&mut self) {
            panic!("broke");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_told_with_all_its_causes() {
        let denied = Error::AccessDenied { operation: "sqs:PurgeQueue", source: "no".into() };

        let ended = run::<(), _>(MINUTE, async { Err(denied) }).await;

        let expected = "not allowed: the caller lacks the permission `sqs:PurgeQueue`: no";
        assert_eq!(ended, Ended::Failed(expected.to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_told_in_its_own_words() {
        async fn told(panics: impl Fn()) -> Ended<()> {
            let work = async {
                panics();
                Ok::<_, BoxError>(())
            };
            run(MINUTE, work).await
        }

        for (ended, expected) in [
            (told(|| panic!("no such table")).await, "no such table"),
            (told(|| panic!("no table {}", 7)).await, "no table 7"),
            (told(|| std::panic::panic_any(7)).await, "without words"),
        ] {
            assert_eq!(ended, Ended::Failed(format!("the work panicked: {expected}")));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_takes_too_long_is_dropped_even_if_that_panics() {
        let long = run::<(), BoxError>(MINUTE, pending()).await;
        let brittle = async {
            let _brittle = Brittle;
            pending::<Result<(), BoxError>>().await
        };
        let brittle = run(MINUTE, brittle).await;

        assert_eq!(long, Ended::OutOfTime);
        assert_eq!(brittle, Ended::Failed("the work panicked: broke".to_owned()));
    }
}
