//! [`Tenure`], the time for which this process holds the lease.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bluegreen_core::Clock;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::storage::{Holder, Lease, Storage};
use crate::{Error, Result};

/// How many times a lease is renewed in its life, so that a renewal may fail without its being lost.
const RENEWALS: u32 = 3;

/// The part of a lease's life after which a renewal that has failed is tried again.
const AGAIN: u32 = 30;

/// How many times a held lease is looked at in its life by somebody who would take it over.
const LOOKS: u32 = 10;

/// The time for which this process holds the lease: from its taking until it is given back or lost.
///
/// It ends by this process's own clocks, the monotonic one and that of the day, whichever is later in it: a
/// process that was stopped, or a machine that slept, knows that its lease may be another's before it asks.
pub(crate) struct Tenure {
    storage: Arc<dyn Storage>,
    pub(crate) lease: Lease,
    clock: Clock,
    /// When it was last renewed, by both clocks.
    renewed: Mutex<(Instant, SystemTime)>,
    lost: CancellationToken,
}

impl fmt::Debug for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenure").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl Tenure {
    /// Takes the lease.
    ///
    /// A lease that somebody holds is watched for one whole life of it, never compared by time of day: when it
    /// stays as it is, it is taken over.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when its holder is alive.
    pub(crate) async fn begin(
        storage: Arc<dyn Storage>,
        owner: &str,
        clock: Clock,
        watching: impl Fn(&Holder, Duration),
    ) -> Result<Arc<Self>> {
        loop {
            let seen = storage.holder().await?;
            if let Some(holder) = &seen {
                watch(storage.as_ref(), holder, &watching).await?;
            }
            let now = (Instant::now(), clock.now());
            if let Some(lease) = storage.take(owner, now.1, seen.as_ref()).await? {
                let (renewed, lost) = (Mutex::new(now), CancellationToken::new());
                return Ok(Arc::new(Self { storage, lease, clock, renewed, lost }));
            }
        }
    }

    /// Returns whether nobody else can have taken the lease yet.
    pub(crate) fn is_good(&self) -> bool {
        if self.lost.is_cancelled() {
            return false;
        }
        let Some(lasts) = self.storage.lease_lasts() else { return true };
        let (instant, time) = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        // A time of day that was set back says nothing.
        let by_day = self.clock.now().duration_since(time).unwrap_or_default();
        instant.elapsed() < lasts && by_day < lasts
    }

    /// Refuses to go on without the lease.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_good() {
            return Ok(());
        }
        self.lost.cancel();
        Err(Error::LeaseLost { to: None })
    }

    /// Ends when the lease is lost.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// Makes a change that renews the lease if it succeeds, from the moment when it begins.
    pub(crate) async fn renewing(&self, change: impl Future<Output = Result<()>>) -> Result<()> {
        let now = (Instant::now(), self.clock.now());
        change.await?;
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        *renewed = now.max(*renewed);
        Ok(())
    }

    /// Renews the lease at each third of its life. Returns when it is lost, and only then.
    pub(crate) async fn keep(&self) {
        let Some(lasts) = self.storage.lease_lasts() else {
            return self.lost.cancelled().await;
        };
        let third = lasts / RENEWALS;
        let mut pause = third;
        while self.is_good() {
            #[expect(clippy::disallowed_methods, reason = "a lease is renewed by the clock")]
            tokio::time::sleep(pause).await;
            if !self.is_good() {
                break;
            }
            // Without an answer it is tried again, for as long as the lease lives.
            pause = lasts / AGAIN;
            let renewal = self.renewing(self.storage.renew(&self.lease));
            match tokio::time::timeout(third, renewal).await {
                Ok(Ok(())) => pause = third,
                Ok(Err(err @ Error::LeaseLost { .. })) => {
                    tracing::error!("{err}");
                    break;
                }
                Ok(Err(err)) => tracing::warn!("the lease could not be renewed: {err}"),
                Err(_) => tracing::warn!("the lease could not be renewed: no answer"),
            }
        }
        self.lost.cancel();
    }

    /// Gives the lease back, if it is still held.
    pub(crate) async fn end(&self) -> Result<()> {
        if !self.is_good() {
            return Ok(());
        }
        let ended = self.storage.give_back(&self.lease).await;
        self.lost.cancel();
        ended
    }
}

/// Watches a lease for one life of it. Returns when its holder has shown no sign of life.
async fn watch(
    storage: &dyn Storage,
    holder: &Holder,
    watching: &impl Fn(&Holder, Duration),
) -> Result<()> {
    let locked = || Error::Locked { owner: holder.owner.clone(), since: holder.since };
    let Some(lasts) = storage.lease_lasts() else { return Err(locked()) };
    // The one who holds it may have a longer period in its stack file.
    let lasts = lasts.max(holder.lasts);
    let began = Instant::now();
    watching(holder, lasts);
    while began.elapsed() < lasts {
        #[expect(clippy::disallowed_methods, reason = "a lease is watched by the clock")]
        tokio::time::sleep(lasts / LOOKS).await;
        match storage.holder().await? {
            Some(now) if now == *holder => {}
            // Given back while it was watched: it is free.
            None => return Ok(()),
            Some(_) => return Err(locked()),
        }
    }
    Ok(())
}
