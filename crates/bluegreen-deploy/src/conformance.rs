//! What every [`Storage`] keeps to, checked: for the tests of whoever writes one.

mod leases;
mod records;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::{Changes, Error, Lease, Records, Result, Storage, chain};

/// How many records the suite changes in one write: more than the engine ever does.
const AT_ONCE: usize = 60;

/// Checks all that the trait [`Storage`] promises and the engine relies on.
///
/// Each call of `make` returns the handle of another process on the same place, which has nothing in it and
/// nobody at work on it at first. It writes some 1.5 MB. Time does not matter to it: it may run under a paused
/// clock. What only a storage with a life of leases can do is left out where
/// [`lease_lasts`](Storage::lease_lasts) is `None`.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use bluegreen_deploy::{MemoryStorage, Storage, conformance};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let place = MemoryStorage::new(Some(Duration::from_secs(30)));
/// conformance::check(async || Arc::new(place.clone()) as Arc<dyn Storage>).await;
/// # });
/// ```
///
/// # Panics
///
/// At the first promise that is not kept, with a sentence that says which.
pub async fn check(make: impl AsyncFn() -> Arc<dyn Storage>) {
    let storage = make().await;
    let records = done(storage.read("").await, "a place with nothing in it cannot be read");
    assert!(records.is_empty(), "there must be nothing in the place at first: {records:?}");
    let holder = done(storage.holder().await, "a lease that nobody has taken cannot be looked at");
    assert!(holder.is_none(), "nobody must be at work on the place at first: {holder:?}");

    records::check(&make).await;
    leases::check(&make).await;
}

/// Returns the time of day at which the lease with this number is taken in the suite, to the nanosecond.
fn time(number: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_796_083_200 + number, 123_456_789)
}

/// Returns what came of a call that has to succeed.
#[track_caller]
fn done<T>(result: Result<T>, otherwise: &str) -> T {
    result.unwrap_or_else(|err| panic!("{otherwise}: {}", chain(&err)))
}

/// Takes a lease that is free.
async fn take(storage: &dyn Storage, owner: &str) -> Lease {
    let taken = done(storage.take(owner, time(0), None).await, "a free lease cannot be taken");
    let Some(lease) = taken else { panic!("a free lease was not given to {owner}") };
    assert_eq!(lease.owner, owner, "the lease is given to somebody else than who takes it");
    lease
}

/// Writes what must be written.
async fn write(storage: &dyn Storage, lease: &Lease, changes: &Changes) {
    let written = storage.write(lease, changes).await;
    done(written, "who holds the lease cannot write");
}

async fn give_back(storage: &dyn Storage, lease: &Lease) {
    done(storage.give_back(lease).await, "a lease cannot be given back");
}

async fn read(storage: &dyn Storage, prefix: &str) -> Records {
    done(storage.read(prefix).await, &format!("the records under `{prefix}` cannot be read"))
}

/// Requires that a call was refused because the lease is lost; returns to whom.
#[track_caller]
fn lost<T>(result: Result<T>, otherwise: &str) -> Option<String> {
    match result {
        Err(Error::LeaseLost { to }) => to.map(|it| it.owner),
        Err(err) => panic!("{otherwise}: it failed, but not as a lost lease does: {}", chain(&err)),
        Ok(_) => panic!("{otherwise}"),
    }
}

/// Returns the records with which every store begins.
fn beginning() -> Changes {
    let about = json!({ "schema": 0, "name": "conformance" });
    changes([("store", about), ("pointer", json!({ "active": "a" }))])
}

fn changes<'a>(records: impl IntoIterator<Item = (&'a str, Value)>) -> Changes {
    records.into_iter().map(|(key, value)| (key.to_owned(), Some(value))).collect()
}

#[cfg(test)]
mod tests;
