//! [`Kept`], what the store of a run holds, and [`Mortal`], the way to it of a process that may die.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bluegreen_deploy::{
    Changes, Entry, Holder, Lease, MemoryStorage, Pointer, Records, Release, Result, Storage, Store,
};
use bluegreen_sim::SimulatedAccount;
use futures::FutureExt;
use serde_json::Value;

/// What the store of a run holds, as somebody sees it who looks into it from outside.
#[derive(Clone, Debug)]
pub(crate) struct Kept(pub(crate) MemoryStorage);

impl Kept {
    pub(crate) fn pointer(&self) -> Pointer {
        let pointer = self.read("pointer").remove("pointer").unwrap_or_default();
        serde_json::from_value(pointer).unwrap_or_else(|err| panic!("the pointer is gone: {err}"))
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.read("open").is_empty()
    }

    /// Returns the open release, or the last one that there was.
    pub(crate) fn release(&self) -> Option<Release> {
        let open = self.read("open").remove("open");
        let open = open.and_then(|it| it.as_str().map(str::to_owned));
        let last = || {
            let key = self.read("release/").into_keys().last()?;
            Some(key.trim_start_matches("release/").to_owned())
        };
        let id = open.or_else(last)?;
        let storage: Arc<dyn Storage> = Arc::new(self.0.clone());
        let about = self.read("store").remove("store")?;
        let name = about.get("name")?.as_str()?;
        let store = Store::open(storage, name).now_or_never()?;
        let store = store.unwrap_or_else(|err| panic!("the store cannot be opened: {err}"))?;
        store.past(&id).now_or_never()?.ok()?
    }

    /// Returns the journal of the open release.
    pub(crate) fn journal(&self) -> Vec<Entry> {
        let open = self.read("open").remove("open").unwrap_or_default();
        let Some(id) = open.as_str() else { return Vec::new() };
        let entries = self.read(&format!("journal/{id}/")).into_values();
        let entries = entries.map(serde_json::from_value);
        entries.map(|it| it.unwrap_or_else(|err| panic!("an entry is torn: {err}"))).collect()
    }

    fn read(&self, prefix: &str) -> Records {
        // Memory answers at once.
        self.0.read(prefix).now_or_never().and_then(Result::ok).unwrap_or_default()
    }
}

/// Whether the process lives that the engine is in.
#[derive(Debug, Default)]
pub(crate) struct Life {
    pub(crate) writes: AtomicUsize,
    pub(crate) is_over: AtomicBool,
}

/// The way to the store of a process that may die at a write.
#[derive(Debug)]
pub(crate) struct Mortal {
    pub(crate) storage: MemoryStorage,
    pub(crate) life: Arc<Life>,
    pub(crate) account: SimulatedAccount,
    /// At which write it dies, counted from 0, and whether that write is still made.
    pub(crate) dies: Option<(usize, bool)>,
    /// Whether it is let through whatever lease it has, once it has one.
    pub(crate) unfenced: bool,
    pub(crate) has_lease: AtomicBool,
    /// What is written only with the next write, of a journal that lags behind.
    pub(crate) behind: Option<Mutex<Changes>>,
}

impl Mortal {
    /// Ends the process: whatever it waits for does not come.
    async fn die(&self) {
        self.life.is_over.store(true, Ordering::Relaxed);
        self.account.let_caller_die();
        std::future::pending().await
    }
}

#[async_trait]
impl Storage for Mortal {
    fn place(&self) -> String {
        self.storage.place()
    }

    fn lease_lasts(&self) -> Option<Duration> {
        let forgets = self.unfenced && self.has_lease.load(Ordering::Relaxed);
        if forgets { None } else { self.storage.lease_lasts() }
    }

    async fn read(&self, prefix: &str) -> Result<Records> {
        self.storage.read(prefix).await
    }

    async fn write(&self, lease: &Lease, changes: &Changes) -> Result<()> {
        let mut changes = changes.clone();
        if let Some(behind) = &self.behind {
            let mut behind = behind.lock().unwrap_or_else(PoisonError::into_inner);
            let is_ahead = |it: &Option<Value>| {
                let event = it.as_ref().and_then(|it| it.get("event")?.as_str());
                event == Some("started")
            };
            let (later, now) = changes.into_iter().partition(|(_, value)| is_ahead(value));
            changes = now;
            changes.extend(std::mem::replace(&mut *behind, later));
        }
        let holder = self.storage.holder().await?.filter(|_| self.unfenced);
        let lease = &match holder {
            Some(holder) => Lease { owner: holder.owner, fence: holder.fence },
            None => lease.clone(),
        };
        let changes = &changes;
        let number = self.life.writes.fetch_add(1, Ordering::Relaxed);
        let dies = self.dies.filter(|(at, _)| *at == number);
        if dies.is_none_or(|(_, is_made)| is_made) {
            self.storage.write(lease, changes).await?;
        }
        if dies.is_some() {
            self.die().await;
        }
        Ok(())
    }

    async fn holder(&self) -> Result<Option<Holder>> {
        self.storage.holder().await
    }

    async fn take(
        &self,
        owner: &str,
        now: SystemTime,
        seen: Option<&Holder>,
    ) -> Result<Option<Lease>> {
        let taken = self.storage.take(owner, now, seen).await?;
        self.has_lease.store(taken.is_some(), Ordering::Relaxed);
        Ok(taken)
    }

    async fn renew(&self, lease: &Lease) -> Result<()> {
        self.storage.renew(lease).await
    }

    async fn give_back(&self, lease: &Lease) -> Result<()> {
        self.storage.give_back(lease).await
    }
}
