//! [`MemoryStorage`], which forgets everything when the process ends.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;

use super::storage::{Changes, Holder, Lease, Records, Storage};
use crate::{Error, Result};

/// Keeps records in memory: for rehearsals, and for looking where there is no store.
///
/// Its clones share what they keep, as processes on several machines share a table.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    kept: Arc<Mutex<Kept>>,
    lasts: Option<Duration>,
}

#[derive(Debug, Default)]
struct Kept {
    records: Records,
    holder: Option<Holder>,
    fence: u64,
}

impl MemoryStorage {
    /// Makes one whose leases live for `lasts` unrenewed, or as long as they are held.
    pub fn new(lasts: Option<Duration>) -> Self {
        Self { kept: Arc::default(), lasts }
    }

    /// Ends the lease of whoever holds it, as the operating system does when a process ends.
    pub fn end_lease(&self) {
        self.kept().holder = None;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn held(&mut self, lease: &Lease) -> Result<&mut Holder> {
        let to = self.holder.clone();
        let own = self.holder.as_mut().filter(|it| it.fence == lease.fence);
        own.ok_or(Error::LeaseLost { to })
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn lease_lasts(&self) -> Option<Duration> {
        self.lasts
    }

    async fn read(&self, prefix: &str) -> Result<Records> {
        let kept = self.kept();
        let from = kept.records.range(prefix.to_owned()..);
        let own = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(own.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn write(&self, lease: &Lease, changes: &Changes) -> Result<()> {
        let mut kept = self.kept();
        kept.held(lease)?.beat += 1;
        for (key, value) in changes {
            match value {
                Some(value) => kept.records.insert(key.clone(), value.clone()),
                None => kept.records.remove(key),
            };
        }
        Ok(())
    }

    async fn holder(&self) -> Result<Option<Holder>> {
        Ok(self.kept().holder.clone())
    }

    async fn take(
        &self,
        owner: &str,
        now: SystemTime,
        seen: Option<&Holder>,
    ) -> Result<Option<Lease>> {
        let mut kept = self.kept();
        if kept.holder.as_ref() != seen {
            return Ok(None);
        }
        kept.fence += 1;
        let fence = kept.fence;
        let owner = owner.to_owned();
        let lasts = self.lasts.unwrap_or_default();
        kept.holder = Some(Holder { owner: owner.clone(), since: now, fence, beat: 0, lasts });
        Ok(Some(Lease { owner, fence }))
    }

    async fn renew(&self, lease: &Lease) -> Result<()> {
        self.kept().held(lease)?.beat += 1;
        Ok(())
    }

    async fn give_back(&self, lease: &Lease) -> Result<()> {
        let mut kept = self.kept();
        if kept.held(lease).is_ok() {
            kept.holder = None;
        }
        Ok(())
    }
}
