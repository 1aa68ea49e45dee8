//! The suite holds for the storages of this crate, and sees what others do wrong.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;

use super::*;
use crate::{FileStorage, Holder, MemoryStorage};

const LASTS: Option<Duration> = Some(Duration::from_secs(30));

/// What a storage does wrong.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    /// Reads what it has read before.
    Stale,
    /// Reads only so many records.
    OnePage,
    /// Reads what contains a prefix, wherever.
    LoosePrefix,
    /// Removes nothing.
    Keeps,
    /// Writes whoever holds the lease.
    Unfenced,
    /// Writes some of what is refused.
    Half,
    /// Numbers every lease like the first.
    SameNumber,
    /// Gives the lease to everybody.
    TakesAnyway,
    /// Takes the lease away from those who live.
    IgnoresBeats,
    /// Frees the lease whoever gives back what.
    FreesAnyway,
    /// Never frees it.
    NeverFrees,
    /// Tells when the lease was taken to the second only.
    CoarseTime,
}

/// A storage that does one thing wrong.
#[derive(Clone, Debug)]
struct Flawed {
    inner: MemoryStorage,
    flaw: Flaw,
    first: Arc<Mutex<Option<Records>>>,
    newest: Arc<Mutex<Option<Lease>>>,
}

impl Flawed {
    fn newest(&self) -> Option<Lease> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Storage for Flawed {
    fn place(&self) -> String {
        self.inner.place()
    }

    fn lease_lasts(&self) -> Option<Duration> {
        self.inner.lease_lasts()
    }

    async fn read(&self, prefix: &str) -> Result<Records> {
        let mut records = self.inner.read(prefix).await?;
        match self.flaw {
            Flaw::Stale if prefix == "memory/a" => {
                let mut first = self.first.lock().unwrap();
                records = first.get_or_insert(records).clone();
            }
            Flaw::OnePage => records = records.into_iter().take(200).collect(),
            Flaw::LoosePrefix => {
                let all = self.inner.read("").await?;
                records = all.into_iter().filter(|(key, _)| key.contains(prefix)).collect();
            }
            _ => {}
        }
        Ok(records)
    }

    async fn write(&self, lease: &Lease, changes: &Changes) -> Result<()> {
        let newest = self.newest().unwrap_or_else(|| lease.clone());
        match self.flaw {
            Flaw::Keeps => {
                let changes = changes.clone().into_iter().filter(|(_, value)| value.is_some());
                self.inner.write(lease, &changes.collect()).await
            }
            Flaw::Unfenced => self.inner.write(&newest, changes).await,
            Flaw::Half => {
                let written = self.inner.write(lease, changes).await;
                if written.is_err() {
                    let half = changes.clone().into_iter().take(2).collect();
                    let _ = self.inner.write(&newest, &half).await;
                }
                written
            }
            _ => self.inner.write(lease, changes).await,
        }
    }

    async fn holder(&self) -> Result<Option<Holder>> {
        let mut holder = self.inner.holder().await?;
        if let (Flaw::CoarseTime, Some(holder)) = (self.flaw, &mut holder) {
            holder.since = humantime::parse_rfc3339(
                &humantime::format_rfc3339_seconds(holder.since).to_string(),
            )
            .unwrap();
        }
        Ok(holder)
    }

    async fn take(
        &self,
        owner: &str,
        now: SystemTime,
        seen: Option<&Holder>,
    ) -> Result<Option<Lease>> {
        let holder = self.inner.holder().await?;
        let seen = match (self.flaw, seen) {
            (Flaw::TakesAnyway, _) | (Flaw::IgnoresBeats, Some(_)) => holder.as_ref(),
            _ => seen,
        };
        let mut lease = self.inner.take(owner, now, seen).await?;
        if let Some(lease) = &mut lease {
            *self.newest.lock().unwrap() = Some(lease.clone());
            if matches!(self.flaw, Flaw::SameNumber) {
                lease.fence = 1;
            }
        }
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease) -> Result<()> {
        self.inner.renew(lease).await
    }

    async fn give_back(&self, lease: &Lease) -> Result<()> {
        match (self.flaw, self.newest()) {
            (Flaw::FreesAnyway, Some(newest)) => self.inner.give_back(&newest).await,
            (Flaw::NeverFrees, _) => Ok(()),
            _ => self.inner.give_back(lease).await,
        }
    }
}

/// Returns what the suite says of a storage with this flaw, or `None` when it sees nothing.
fn complaint(flaw: Flaw) -> Option<String> {
    let flawed = Flawed {
        inner: MemoryStorage::new(LASTS),
        flaw,
        first: Arc::default(),
        newest: Arc::default(),
    };
    let checked = std::panic::catch_unwind(|| {
        let make = async || Arc::new(flawed.clone()) as Arc<dyn Storage>;
        check(make).now_or_never().expect("memory answers at once");
    });
    let panic = checked.err()?;
    let plain = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
    plain.or_else(|| panic.downcast_ref::<String>().cloned())
}

#[tokio::test]
async fn memory_keeps_to_it_with_a_life_of_leases_and_without() {
    for lasts in [LASTS, None] {
        let storage = MemoryStorage::new(lasts);

        check(async || Arc::new(storage.clone()) as Arc<dyn Storage>).await;

        assert_eq!(storage.read("memory/whose").await.unwrap().len(), 1, "the suite has run");
    }
}

#[tokio::test]
async fn files_keep_to_it() {
    let folder = tempfile::tempdir().unwrap();

    check(async || Arc::new(FileStorage::new(folder.path(), "shop")) as Arc<dyn Storage>).await;

    assert!(folder.path().join("shop.releases").is_dir(), "the suite has run");
}

#[test]
fn every_flaw_is_seen_and_named() {
    for (flaw, says) in [
        (Flaw::Stale, "does not see the last write"),
        (Flaw::OnePage, "records of a journal are read"),
        (Flaw::LoosePrefix, "begin with"),
        (Flaw::Keeps, "ought to be left"),
        (Flaw::Unfenced, "a process can write after another has taken the lease"),
        (Flaw::Half, "has changed something all the same"),
        (Flaw::SameNumber, "number"),
        (Flaw::TakesAnyway, "a lease that is held was taken"),
        (Flaw::IgnoresBeats, "a lease that is held was taken"),
        (Flaw::FreesAnyway, "a lease that is held seems to be free"),
        (Flaw::NeverFrees, "a lease that was given back is not free"),
        (Flaw::CoarseTime, "since when"),
    ] {
        let complaint = complaint(flaw);

        let complaint = complaint.unwrap_or_else(|| panic!("{flaw:?} is not seen"));
        assert!(complaint.contains(says), "{flaw:?}: {complaint}");
    }
}
