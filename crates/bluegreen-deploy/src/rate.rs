//! [`Limits`], the rates at which AWS takes certain calls.

use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

/// The rates at which AWS takes certain calls, for everything that runs together.
///
/// Toolkits never wait: whoever calls one for many things at once takes its share here first.
#[derive(Debug)]
pub struct Limits {
    /// Lambda's control plane: 15 calls a second for the whole account, of which we take ten.
    pub lambda: RateLimit,
    /// Enabling and disabling alarm actions: 3 calls a second, of which we take two.
    pub alarms: RateLimit,
}

impl Default for Limits {
    fn default() -> Self {
        Self { lambda: RateLimit::per_second(10), alarms: RateLimit::per_second(2) }
    }
}

/// Spreads calls evenly over time.
#[derive(Debug)]
pub struct RateLimit {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl RateLimit {
    fn per_second(calls: u32) -> Self {
        Self { interval: Duration::from_secs(1) / calls, next: Mutex::new(None) }
    }

    /// Waits until `calls` more calls may be made, and counts them.
    ///
    /// Calls taken together may be sent together; those who come later wait until their time is up.
    pub async fn take(&self, calls: u32) {
        let mut next = self.next.lock().await;
        let now = Instant::now();
        let start = next.map_or(now, |it| it.max(now));
        tokio::time::sleep_until(start).await;
        *next = Some(start + self.interval * calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_are_spread_over_time() {
        let (limit, began) = (RateLimit::per_second(10), Instant::now());

        for _ in 0..21 {
            limit.take(1).await;
        }

        assert_eq!(began.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_taken_together_count_each() {
        let (limit, began) = (RateLimit::per_second(10), Instant::now());

        limit.take(10).await;
        limit.take(10).await;
        limit.take(1).await;

        assert_eq!(began.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_nobody_used_is_not_saved_up() {
        let (limit, began) = (RateLimit::per_second(1), Instant::now());

        limit.take(1).await;
        tokio::time::advance(Duration::from_secs(10)).await;
        limit.take(1).await;
        limit.take(1).await;

        assert_eq!(began.elapsed(), Duration::from_secs(11));
    }
}
