//! One look shared by the steps that need it: [`Round`] and [`Shared`].

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::sync::Mutex;

use crate::Result;

/// When a look was asked for. A look made in this round or a later one will do.
///
/// Rounds are counted, not timed: two looks with a change between them may fall on one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Round(u64);

/// Gives out rounds, each later than the one before.
#[derive(Debug, Default)]
pub struct Rounds(AtomicU64);

impl Rounds {
    /// Begins a round: whatever is looked at in it is looked at from now on.
    pub fn begin(&self) -> Round {
        Round(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// The last look at something that several steps look at, such as a cluster or a list of mappings.
pub struct Shared<T> {
    last: Mutex<Option<(Round, T)>>,
}

impl<T: Clone> Shared<T> {
    /// Returns what was seen in `round` or later, and calls `look` if nothing was.
    ///
    /// Steps that ask at the same time wait for the one look. A look that fails is not kept.
    pub async fn get(&self, round: Round, look: impl Future<Output = Result<T>>) -> Result<T> {
        let mut last = self.last.lock().await;
        if let Some((seen_in, seen)) = &*last
            && *seen_in >= round
        {
            return Ok(seen.clone());
        }
        let seen = look.await?;
        *last = Some((round, seen.clone()));
        Ok(seen)
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { last: Mutex::new(None) }
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test]
    async fn one_look_serves_all_who_ask_in_a_round() {
        let (rounds, shared, looks) = (Rounds::default(), Shared::default(), AtomicU32::new(0));
        let round = rounds.begin();
        let ask = || shared.get(round, async { Ok(looks.fetch_add(1, Ordering::Relaxed)) });

        let (first, second) = tokio::join!(ask(), ask());

        assert_eq!((first.unwrap(), second.unwrap()), (0, 0));
    }

    #[tokio::test]
    async fn a_later_round_looks_again_and_serves_an_earlier_one() {
        let (rounds, shared, looks) = (Rounds::default(), Shared::default(), AtomicU32::new(0));
        let (early, late) = (rounds.begin(), rounds.begin());
        let ask = |round| shared.get(round, async { Ok(looks.fetch_add(1, Ordering::Relaxed)) });

        assert_eq!(ask(early).await.unwrap(), 0);
        assert_eq!(ask(late).await.unwrap(), 1);
        assert_eq!(ask(early).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_failed_look_is_made_again() {
        let (rounds, shared) = (Rounds::default(), Shared::<u8>::default());
        let round = rounds.begin();
        let failed = bluegreen_core::Error::NotFound { resource: "queue `x`".to_owned() };

        shared.get(round, async { Err(failed.into()) }).await.unwrap_err();

        assert_eq!(shared.get(round, async { Ok(7) }).await.unwrap(), 7);
    }
}
