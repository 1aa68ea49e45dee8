//! [`Clock`], where the time of day comes from.

use std::{fmt, sync::Arc, time::SystemTime};

/// Tells the time of day to whatever writes it down: journal, pointer, settling times.
///
/// `main` makes one and hands it down, so that tests and simulations can have their own time.
/// Waiting does not ask it: waits follow tokio's clock.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// Makes a clock that asks the operating system.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is where the time of day is read")]
        Self(Arc::new(SystemTime::now))
    }

    /// Makes a clock that shows `start` now and goes on with tokio's clock, paused or not.
    pub fn following_tokio(start: SystemTime) -> Self {
        let origin = tokio::time::Instant::now();
        Self(Arc::new(move || start + origin.elapsed()))
    }

    /// Returns the time of day.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_on_tokios_time_goes_with_it() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let clock = Clock::following_tokio(start);

        tokio::time::advance(Duration::from_secs(60)).await;

        assert_eq!(clock.now(), start + Duration::from_secs(60));
    }

    #[test]
    fn the_systems_clock_does_not_stand_at_the_epoch() {
        assert!(
            Clock::system().now() > SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
        );
    }
}
