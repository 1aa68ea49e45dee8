//! [`Store`], what outlives a run: which stack is active, the open release, what must be remembered.
//!
//! A [`Storage`] keeps it as records and says who may write them; here is what the records mean:
//! `store` (which version, whose), `pointer`, `open` (the id of the open release), `memory/KEY`, and of each
//! release `release/ID`, `plan/ID/..`, `journal/ID/NUMBER`, `note/ID/KEY`.

#[cfg(feature = "dynamodb-store")]
mod dynamodb;
mod fence;
mod file;
mod journal;
mod memory;
mod release;
mod storage;
mod tenure;
mod writing;

use std::{
    collections::BTreeMap,
    future::poll_fn,
    path::Path,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use aws_types::SdkConfig;
use bluegreen_core::Clock;
use futures::FutureExt;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

#[cfg(feature = "dynamodb-store")]
pub use self::dynamodb::DynamoDbStorage;
use self::release::Remembered;
pub use self::{
    fence::Fence,
    file::FileStorage,
    journal::{Entry, Journal, StepEvent},
    memory::MemoryStorage,
    release::{Ending, Moment, Pointer, Release, Word},
    storage::{Changes, Holder, Lease, Records, Storage},
};
pub(crate) use self::{tenure::Tenure, writing::Happened};
use crate::{
    Error, Result,
    stack_file::{StackFile, StoreSettings},
};

/// The version of the records. Another one is refused, never guessed at.
const SCHEMA: u32 = 3;

/// The records of a release, whose second part is its id.
const OF_RELEASES: [&str; 4] = ["journal", "note", "plan", "release"];

/// What outlives a run.
#[derive(Debug)]
pub struct Store {
    storage: Arc<dyn Storage>,
    /// Held while this process is at work.
    tenure: Option<Arc<Tenure>>,
    document: Mutex<Document>,
    /// What steps note that run by themselves, without a release.
    loose_notes: Mutex<BTreeMap<String, Value>>,
    /// One write at a time, in the order in which they are asked for.
    turn: tokio::sync::Mutex<()>,
    /// Whether a write has failed, after which what the storage holds is not known.
    unsure: AtomicBool,
}

/// What the records say.
#[derive(Clone, Debug)]
struct Document {
    pointer: Pointer,
    release: Option<Arc<Release>>,
    memory: BTreeMap<String, Remembered>,
}

/// The record that says what the others are.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    schema: u32,
    name: String,
}

/// Keeps what hooks note apart from what steps do.
pub(crate) fn hook_key(key: &str) -> String {
    format!("hook/{key}")
}

/// Who takes the lease, and by which clock.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Process and host, or the request id of a function.
    pub name: String,
    /// Tells the time of day.
    pub clock: Clock,
}

/// Returns the storage that `file` names, which lies in `folder`. Nothing is called yet.
pub fn storage(file: &StackFile, folder: &Path, sdk: &SdkConfig) -> Arc<dyn Storage> {
    match &file.state.store {
        StoreSettings::File(path) => Arc::new(FileStorage::new(&folder.join(path), &file.name)),
        #[cfg(feature = "dynamodb-store")]
        StoreSettings::DynamoDb(table) => {
            Arc::new(DynamoDbStorage::new(sdk, table, &file.name, file.state.lease))
        }
    }
}

impl Store {
    /// Opens the store of the stack file `name`, to read; `None` when there is none, or nothing is left of it but
    /// releases that have ended.
    ///
    /// # Errors
    ///
    /// Records that are torn, foreign, or of another version: they are named, and never repaired by guessing.
    pub async fn open(storage: Arc<dyn Storage>, name: &str) -> Result<Option<Self>> {
        let document = Document::read(storage.as_ref(), name).await?;
        Ok(document.map(|document| Self::new(storage, document, None)))
    }

    /// Opens the store like [`open`](Self::open), to write: takes the lease, for which it may watch its holder for as
    /// long as the lease lives. `watching` hears of that.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while another process has it.
    pub async fn lock(
        storage: Arc<dyn Storage>,
        name: &str,
        owner: &Owner,
        watching: impl Fn(&Holder, Duration),
    ) -> Result<Option<Self>> {
        if Document::read(storage.as_ref(), name).await?.is_none() {
            return Ok(None);
        }
        let tenure = Self::begin(&storage, owner, watching).await?;
        // What was read before may have been another's since.
        let document = Document::read(storage.as_ref(), name).await?;
        Ok(document.map(|document| Self::new(storage, document, Some(tenure))))
    }

    /// Makes the store, or corrects the pointer of one that is there. An open release stays open.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while another process has it.
    pub async fn adopt(
        storage: Arc<dyn Storage>,
        name: &str,
        owner: &Owner,
        pointer: Pointer,
    ) -> Result<Self> {
        let tenure = Self::begin(&storage, owner, |_, _| {}).await?;
        let document = match Document::read(storage.as_ref(), name).await? {
            Some(document) => document,
            None => Document { pointer: pointer.clone(), release: None, memory: BTreeMap::new() },
        };
        let store = Self::new(storage, document, Some(tenure));
        store.write_pointer(Some(name), pointer).await?;
        Ok(store)
    }

    /// Makes a store that forgets everything when the process ends, for looking without one and for
    /// tests.
    pub fn in_memory(name: &str, pointer: Pointer) -> Self {
        let storage = Arc::new(MemoryStorage::new(None));
        let clock = Clock::system();
        let owner = Owner { name: "this process".to_owned(), clock };
        // Memory answers at once, and nobody else knows of it.
        let adopted = Self::adopt(storage, name, &owner, pointer).now_or_never();
        adopted.and_then(Result::ok).expect("memory does not fail")
    }

    async fn begin(
        storage: &Arc<dyn Storage>,
        owner: &Owner,
        watching: impl Fn(&Holder, Duration),
    ) -> Result<Arc<Tenure>> {
        Tenure::begin(Arc::clone(storage), &owner.name, owner.clock.clone(), watching).await
    }

    fn new(storage: Arc<dyn Storage>, document: Document, tenure: Option<Arc<Tenure>>) -> Self {
        Self {
            storage,
            tenure,
            document: Mutex::new(document),
            loose_notes: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            unsure: AtomicBool::default(),
        }
    }

    /// Gives the lease back, so that the next process need not wait for its end.
    pub async fn close(self) -> Result<()> {
        match &self.tenure {
            Some(tenure) => tenure.end().await,
            None => Ok(()),
        }
    }

    /// Returns where it is: a file, or the name of a table.
    pub fn place(&self) -> String {
        self.storage.place()
    }

    /// Returns who holds the lease.
    pub async fn holder(&self) -> Result<Option<Holder>> {
        self.storage.holder().await
    }

    /// Returns which stack is active.
    pub fn pointer(&self) -> Pointer {
        self.document().pointer.clone()
    }

    /// Returns the open release.
    pub fn release(&self) -> Option<Arc<Release>> {
        self.document().release.clone()
    }

    /// Returns the releases that there were, without what happened to their steps, by their ids; and the open one.
    pub async fn releases(&self) -> Result<Vec<Release>> {
        let records = self.storage.read("release/").await?;
        records.into_iter().map(|(key, value)| self.parse(&key, value)).collect()
    }

    /// Returns a release that there was, or the open one, with what happened to its steps.
    pub async fn past(&self, id: &str) -> Result<Option<Release>> {
        Document::release(self.storage.as_ref(), id).await
    }

    /// Returns what was written down of the plan of a release, by tables of the stack file.
    pub(crate) async fn plan_of(&self, id: &str) -> Result<BTreeMap<String, Value>> {
        let mut tables = BTreeMap::new();
        for (key, value) in self.storage.read(&format!("plan/{id}/")).await? {
            tables.extend(self.parse::<BTreeMap<String, Value>>(&key, value)?);
        }
        Ok(tables)
    }

    /// Renews the lease for as long as this process holds it. Returns when it is lost, and only then.
    pub(crate) async fn keep_lease(&self) {
        match &self.tenure {
            Some(tenure) => tenure.keep().await,
            None => std::future::pending().await,
        }
    }

    /// Refuses to act without the lease.
    pub(crate) fn check_lease(&self) -> Result<()> {
        self.tenure.as_ref().map_or(Ok(()), |it| it.check())
    }

    /// Does something that AWS's calls are not, for only as long as the lease is good: nothing of it begins after that,
    /// and what is under way is given up.
    pub(crate) async fn while_leased<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(tenure) = &self.tenure else { return work.await };
        let (lost, mut work) = (tenure.lost(), pin!(work));
        let mut lost = pin!(lost.cancelled());
        // Whoever was stopped looks again whenever it goes on, before anything else.
        poll_fn(|context| match tenure.check() {
            Ok(()) if lost.as_mut().poll(context).is_pending() => work.as_mut().poll(context),
            Ok(()) => Poll::Ready(Err(Error::LeaseLost { to: None })),
            Err(err) => Poll::Ready(Err(err)),
        })
        .await
    }

    pub(crate) fn note(&self, key: &str) -> Option<Value> {
        match &self.document().release {
            Some(release) => release.notes.get(key).cloned(),
            None => self.loose_notes().get(key).cloned(),
        }
    }

    /// Returns what a hook has noted about the open release.
    pub fn hook_note(&self, key: &str) -> Option<Value> {
        self.note(&hook_key(key))
    }

    /// Returns what is kept for a hook across releases.
    pub fn kept_for_hook(&self, key: &str) -> Option<Value> {
        self.remembered(&hook_key(key))
    }

    pub(crate) fn remembered(&self, key: &str) -> Option<Value> {
        self.document().memory.get(key).map(|it| it.value.clone())
    }

    fn parse<T: DeserializeOwned>(&self, key: &str, value: Value) -> Result<T> {
        parse(self.storage.as_ref(), key, value)
    }

    fn is_unsure(&self) -> bool {
        self.unsure.load(Ordering::Relaxed)
    }

    fn loose_notes(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.loose_notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn document(&self) -> MutexGuard<'_, Document> {
        self.document.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Document {
    async fn read(storage: &dyn Storage, name: &str) -> Result<Option<Self>> {
        let read = async |key: &str| Ok::<_, Error>(storage.read(key).await?.remove(key));
        let Some(about) = read("store").await? else {
            return match is_past(&storage.read("").await?) {
                true => Ok(None),
                false => Err(lacking(storage, "lacks the record `store`")),
            };
        };
        let about: About = parse(storage, "store", about)?;
        if about != (About { schema: SCHEMA, name: name.to_owned() }) {
            let About { schema, name: other } = about;
            let what = format!(
                "belongs to `{other}` (version {schema}): expected `{name}` (version {SCHEMA})"
            );
            return Err(foreign(storage, what));
        }
        let Some(pointer) = read("pointer").await? else {
            return Err(lacking(storage, "does not say which stack is active"));
        };
        let release = match read("open").await? {
            Some(id) => {
                let id: String = parse(storage, "open", id)?;
                let release = Self::release(storage, &id).await?;
                let gone = || lacking(storage, &format!("lacks the open release `{id}`"));
                Some(Arc::new(release.ok_or_else(gone)?))
            }
            None => None,
        };
        let mut memory = BTreeMap::new();
        for (key, value) in storage.read("memory/").await? {
            let value = parse(storage, &key, value)?;
            memory.insert(key["memory/".len()..].to_owned(), value);
        }
        let pointer = parse(storage, "pointer", pointer)?;
        Ok(Some(Self { pointer, release, memory }))
    }

    async fn release(storage: &dyn Storage, id: &str) -> Result<Option<Release>> {
        let key = format!("release/{id}");
        // Not what begins like it.
        let own = storage.read(&key).await?.remove(&key);
        let Some(release) = own else { return Ok(None) };
        let mut release: Release = parse(storage, &key, release)?;
        let mut journal = Journal::default();
        for (key, value) in storage.read(&format!("journal/{id}/")).await? {
            journal.push(parse(storage, &key, value)?);
        }
        let prefix = format!("note/{id}/");
        let notes = storage.read(&prefix).await?;
        let notes = notes.into_iter().map(|(key, value)| (key[prefix.len()..].to_owned(), value));
        release.journal = Arc::new(journal);
        release.notes = Arc::new(notes.collect());
        Ok(Some(release))
    }
}

fn parse<T: DeserializeOwned>(storage: &dyn Storage, key: &str, value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|err| Error::Store {
        place: storage.place(),
        what: format!("holds something else than expected under `{key}`"),
        source: Some(err.into()),
    })
}

/// Returns whether of a store nothing is left but releases that have ended: it is gone, and they are its history.
fn is_past(records: &Records) -> bool {
    let of_past = |release: &str| {
        records.get(&format!("release/{release}")).is_some_and(|it| !it["ended"].is_null())
    };
    records.keys().all(|key| {
        let mut parts = key.split('/');
        let (family, release) = (parts.next().unwrap_or_default(), parts.next());
        OF_RELEASES.contains(&family) && release.is_some_and(of_past)
    })
}

/// Says that a record is lost, and what to do.
fn lacking(storage: &dyn Storage, what: &str) -> Error {
    let next = "put it back from a copy, or remove what is left of it and `bluegreen adopt` again";
    foreign(storage, format!("{what}: {next}"))
}

fn foreign(storage: &dyn Storage, what: String) -> Error {
    Error::Store { place: storage.place(), what, source: None }
}

#[cfg(test)]
mod tests;
