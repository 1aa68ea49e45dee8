//! [`Storage`], the trait behind the store: records, and the lease that says who may write them.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Result;

/// Records by their keys: `pointer`, `release/ID`, `journal/ID/000001`.
pub type Records = BTreeMap<String, Value>;

/// What a write changes: the new value of each record, or `None` to remove it.
pub type Changes = BTreeMap<String, Option<Value>>;

/// Keeps the records of one stack file, and the lease that says who may write them.
///
/// The engine decides what the records mean; a storage only keeps them. Whatever implements it passes the
/// suite in `bluegreen_deploy::conformance` (cargo feature `test-util`).
#[async_trait]
pub trait Storage: fmt::Debug + Send + Sync {
    /// Returns where the records are, as a person would look for them: a file, or the name of a table.
    fn place(&self) -> String;

    /// Returns how long a lease lives that is not renewed; `None` where it ends with the process that holds it,
    /// by the operating system's word.
    fn lease_lasts(&self) -> Option<Duration>;

    /// Returns the records whose keys begin with `prefix`. Every write that has returned before is seen.
    ///
    /// # Errors
    ///
    /// Records that cannot be read, or that are not what was written: named, and never repaired by guessing.
    async fn read(&self, prefix: &str) -> Result<Records>;

    /// Makes all `changes` or none of them, if `lease` is still in force, which it renews: others see a sign of life.
    ///
    /// A write whose first try has succeeded although its answer was lost is recognised as one's own.
    ///
    /// # Errors
    ///
    /// [`Error::LeaseLost`](crate::Error::LeaseLost) when the lease is another's by now. After any other error it is
    /// not known whether the write has been made.
    async fn write(&self, lease: &Lease, changes: &Changes) -> Result<()>;

    /// Asks whether whoever asks may write, and writes nothing; nothing is asked where that does not depend on who
    /// asks.
    ///
    /// # Errors
    ///
    /// Why not, with the permission that is lacking.
    async fn may_write(&self) -> Result<()> {
        Ok(())
    }

    /// Returns who holds the lease.
    async fn holder(&self) -> Result<Option<Holder>>;

    /// Takes the lease for `owner`, if its holder is still `seen`. Returns `None` when somebody else was
    /// faster. The number of the new lease is greater than that of every one before.
    async fn take(
        &self,
        owner: &str,
        now: SystemTime,
        seen: Option<&Holder>,
    ) -> Result<Option<Lease>>;

    /// Makes the lease live on from now.
    ///
    /// # Errors
    ///
    /// [`Error::LeaseLost`](crate::Error::LeaseLost) when it is another's by now.
    async fn renew(&self, lease: &Lease) -> Result<()>;

    /// Gives the lease back. One that is another's by now is left alone.
    async fn give_back(&self, lease: &Lease) -> Result<()>;
}

/// The right to write, for as long as nobody else has taken it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it: process and host, or the request id of a function.
    pub owner: String,
    /// The number that every write carries: a write with a smaller one than the newest is refused.
    pub fence: u64,
}

/// Who holds the lease, as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Holder {
    /// Who.
    pub owner: String,
    /// Since when, by its own clock.
    #[serde(with = "humantime_serde")]
    pub since: SystemTime,
    /// The number of the lease.
    pub fence: u64,
    /// Changes whenever the holder renews the lease or writes.
    pub beat: u64,
    /// How long the lease lives unrenewed, by the holder's stack file.
    #[serde(with = "humantime_serde")]
    pub lasts: Duration,
}
