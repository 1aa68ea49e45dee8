//! [`Invocation`], one call of the function: who it is, and how much time it has.

use std::time::{Duration, SystemTime};

use bluegreen_core::Clock;

/// The time that is kept for the answer at the end of an invocation.
pub const RESERVE: Duration = Duration::from_secs(30);

/// The time at the very end in which nothing is begun any more, so that an error can still be returned.
const END: Duration = Duration::from_secs(1);

/// One call of the function, as Lambda's runtime tells of it.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Lambda's id of the request. An event that Lambda sends again has the same.
    pub request_id: String,
    /// The ARN by which the function was called, with its version or alias if it was called by one.
    pub function_arn: String,
    /// The name of the function.
    pub function_name: String,
    /// The header of X-Ray's trace, to be passed on; `None` when the call is not traced.
    pub trace_id: Option<String>,
    /// When it began, by `clock`: what tells how much time the function has in all.
    pub began: SystemTime,
    /// When Lambda ends it, whatever it is doing.
    pub deadline: SystemTime,
    /// Tells the time of day.
    pub clock: Clock,
}

impl Invocation {
    /// Returns the time since it began.
    pub fn elapsed(&self) -> Duration {
        self.clock.now().duration_since(self.began).unwrap_or_default()
    }

    /// Returns the time to the deadline; zero when it has passed.
    pub fn left(&self) -> Duration {
        self.until(self.deadline)
    }

    /// Returns the time to [`deadline_for_work`](Self::deadline_for_work); zero when it has passed.
    pub fn left_for_work(&self) -> Duration {
        self.until(self.deadline_for_work())
    }

    /// Returns when work must have ended, so that there is time to answer: [`RESERVE`] before the deadline.
    /// A function that has less than two minutes in all keeps a quarter of them instead, so that work always
    /// has most of the time.
    ///
    /// What works until then is dropped. Work that can stop by itself does so earlier, at a moment of its
    /// own choice.
    pub fn deadline_for_work(&self) -> SystemTime {
        self.before_deadline(self.reserve())
    }

    /// Returns the time in which an answer may be tried: up to a second before the deadline, or up to a
    /// quarter of the reserve when that is less.
    ///
    /// It is never less than a second. When even that is not left, Lambda's end comes first, and nothing is
    /// lost by the try.
    pub(crate) fn left_for_answer(&self) -> Duration {
        self.until(self.before_deadline(END.min(self.reserve() / 4))).max(END)
    }

    fn reserve(&self) -> Duration {
        let whole = self.deadline.duration_since(self.began).unwrap_or_default();
        RESERVE.min(whole / 4)
    }

    fn before_deadline(&self, time: Duration) -> SystemTime {
        // A deadline before the beginning of time is nobody's, and has passed either way.
        self.deadline.checked_sub(time).unwrap_or(self.deadline)
    }

    fn until(&self, moment: SystemTime) -> Duration {
        moment.duration_since(self.clock.now()).unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    //! An invocation on tokio's clock.

    use super::*;

    /// Begins an invocation that has so much time in all.
    pub(crate) fn invocation(whole: Duration) -> Invocation {
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Invocation {
            request_id: "8476a536".to_owned(),
            function_arn: "arn:aws:lambda:eu-west-1:123456789012:function:CodeDeployHook_shop"
                .to_owned(),
            function_name: "CodeDeployHook_shop".to_owned(),
            trace_id: None,
            began,
            deadline: began + whole,
            clock: Clock::following_tokio(began),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::{fixture::invocation, *};

    const QUARTER_HOUR: Duration = Duration::from_secs(900);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn work_has_all_the_time_but_half_a_minute() {
        let invocation = invocation(QUARTER_HOUR);

        advance(seconds(100)).await;

        assert_eq!(invocation.elapsed(), seconds(100));
        assert_eq!(invocation.left(), seconds(800));
        assert_eq!(invocation.left_for_work(), seconds(770));
        assert_eq!(invocation.left_for_answer(), seconds(799));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_left_after_the_deadline_but_a_try_to_answer() {
        let invocation = invocation(QUARTER_HOUR);

        advance(seconds(1_000)).await;

        assert_eq!(invocation.left(), Duration::ZERO);
        assert_eq!(invocation.left_for_work(), Duration::ZERO);
        assert_eq!(invocation.left_for_answer(), seconds(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_with_little_time_works_for_three_quarters_of_it() {
        let invocation = invocation(seconds(12));

        assert_eq!(invocation.left_for_work(), seconds(9));
        assert_eq!(invocation.left_for_answer(), Duration::from_millis(11_250));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_work_stays_where_it_is_while_time_goes_by() {
        let invocation = invocation(seconds(12));
        let before = invocation.deadline_for_work();

        advance(seconds(8)).await;

        assert_eq!(invocation.deadline_for_work(), before);
        assert_eq!(invocation.left_for_work(), seconds(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_before_its_beginning_leaves_no_time_and_does_not_panic() {
        let mut invocation = invocation(QUARTER_HOUR);
        invocation.deadline = SystemTime::UNIX_EPOCH;

        assert_eq!(invocation.left_for_work(), Duration::ZERO);
        assert_eq!(invocation.deadline_for_work(), SystemTime::UNIX_EPOCH);
    }
}
