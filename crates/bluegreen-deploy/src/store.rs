//! [`Store`], what outlives a run: which stack is active, the open release, what must be remembered.
//!
//! Everything is one small JSON document that is replaced as a whole: written beside, synchronised, renamed.

mod journal;

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bluegreen_core::StackReference;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::journal::{Entry, Journal, StepEvent};
use crate::{Error, Phase, Result, StepId};

/// The version of the document. Another one is refused, never guessed at.
const SCHEMA: u32 = 2;

/// What outlives a run.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    persistent: bool,
    document: Mutex<Document>,
    /// What steps note that run by themselves, without a release.
    loose_notes: Mutex<BTreeMap<String, Value>>,
    /// Held while this process is at work; the operating system lets go of it when the process ends.
    lock: Option<File>,
    /// Who writes: what the journal says.
    owner: String,
    watch: Option<Watch>,
}

/// Is asked before each write whether it is made.
struct Watch(Box<dyn Fn() -> bool + Send + Sync>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// The document of a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Document {
    schema: u32,
    /// The name of the stack file that it belongs to.
    pub name: String,
    /// Which stack is active.
    pub pointer: Pointer,
    /// The open release.
    pub release: Option<Release>,
    #[serde(default)]
    memory: BTreeMap<String, Remembered>,
}

/// Which stack is active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pointer {
    /// The stack that serves production.
    pub active: StackReference,
    /// Since when.
    #[serde(with = "humantime_serde")]
    pub since: SystemTime,
    /// Why: the release that moved it, or what a person gave as the reason.
    pub reason: String,
}

/// A move of production from one stack to the other that has not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Release {
    /// Its id, sortable by time.
    pub id: String,
    /// The stack that is to become active.
    pub target: StackReference,
    /// When it was opened.
    #[serde(with = "humantime_serde")]
    pub opened: SystemTime,
    /// What happened to its steps.
    pub journal: Journal,
    /// The phases that have ended, and when.
    pub phases: BTreeMap<Phase, Moment>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    notes: BTreeMap<String, Value>,
}

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(#[serde(with = "humantime_serde")] pub SystemTime);

/// How something was before a step changed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Remembered {
    value: Value,
    /// Whether the step that remembered it has ended; until then it is never overwritten.
    finished: bool,
    /// Whether it is what the partner's settings said, and not what was there.
    #[serde(default)]
    model: bool,
}

impl Store {
    /// Opens the store of the stack file `name` in `folder`, to read; `None` when there is none.
    ///
    /// # Errors
    ///
    /// A file that is torn, foreign, or of another version: it is named, and never repaired by guessing.
    pub fn open(folder: &Path, name: &str) -> Result<Option<Self>> {
        let path = folder.join(format!("{name}.json"));
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(broken(&path, "cannot be read", err)),
        };
        let document: Document = serde_json::from_str(&text).map_err(|err| {
            broken(&path, "is not what `bluegreen` writes: put it back from a copy, or remove it and `bluegreen adopt` again", err)
        })?;
        if document.schema != SCHEMA || document.name != name {
            let what = format!(
                "belongs to `{}` (version {}): expected `{name}` (version {SCHEMA})",
                document.name, document.schema
            );
            return Err(Error::Store { path, what, source: None });
        }
        Ok(Some(Self {
            path,
            persistent: true,
            document: Mutex::new(document),
            loose_notes: Mutex::default(),
            lock: None,
            owner: String::new(),
            watch: None,
        }))
    }

    /// Opens the store like [`open`](Self::open), for one process at a time, to write.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while another process has it.
    pub fn open_locked(folder: &Path, name: &str) -> Result<Option<Self>> {
        if !folder.join(format!("{name}.json")).exists() {
            return Ok(None);
        }
        let lock = lock(folder, name)?;
        Ok(Self::open(folder, name)?.map(|it| Self { lock: Some(lock), ..it }))
    }

    /// Makes the store, or corrects the pointer of one that is there. An open release stays open.
    pub fn adopt(folder: &Path, name: &str, pointer: Pointer) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|err| broken(folder, "cannot be made", err))?;
        let lock = lock(folder, name)?;
        let store = match Self::open(folder, name)? {
            Some(store) => {
                store.document().pointer = pointer;
                Self { lock: Some(lock), ..store }
            }
            None => Self {
                path: folder.join(format!("{name}.json")),
                lock: Some(lock),
                persistent: true,
                ..Self::in_memory(name, pointer)
            },
        };
        store.save()?;
        Ok(store)
    }

    /// Makes a store that forgets everything when the process ends, for looking without one and for
    /// tests.
    pub fn in_memory(name: &str, pointer: Pointer) -> Self {
        let document = Document {
            schema: SCHEMA,
            name: name.to_owned(),
            pointer,
            release: None,
            memory: BTreeMap::new(),
        };
        Self {
            path: PathBuf::new(),
            persistent: false,
            document: Mutex::new(document),
            loose_notes: Mutex::default(),
            lock: None,
            owner: String::new(),
            watch: None,
        }
    }

    /// Asks `watch` before each write of a release whether it is made, for tests of what a process leaves behind that
    /// dies at one: whoever says no lets the write be lost, and must let the process do nothing more.
    pub fn watched(self, watch: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { watch: Some(Watch(Box::new(watch))), ..self }
    }

    /// Says who writes, for the journal: process and host.
    pub fn owned_by(self, owner: impl Into<String>) -> Self {
        Self { owner: owner.into(), ..self }
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether this process may write to it.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some() || !self.persistent
    }

    /// Returns which stack is active.
    pub fn pointer(&self) -> Pointer {
        self.document().pointer.clone()
    }

    /// Returns the open release.
    pub fn release(&self) -> Option<Release> {
        self.document().release.clone()
    }

    /// Moves the pointer from the partner of `to` to `to`; already there is fine.
    pub(crate) fn switch(&self, to: StackReference, now: SystemTime, reason: &str) -> Result<()> {
        self.update(|it| {
            if it.pointer.active != to {
                it.pointer = Pointer { active: to, since: now, reason: reason.to_owned() };
            }
        })
    }

    /// Opens a release to `target`.
    pub(crate) fn open_release(&self, target: StackReference, now: SystemTime) -> Result<Release> {
        let release = Release {
            id: release_id(now),
            target,
            opened: now,
            journal: Journal::default(),
            phases: BTreeMap::new(),
            notes: BTreeMap::new(),
        };
        self.update(|it| it.release = Some(release.clone()))?;
        Ok(release)
    }

    /// Ends the open release.
    pub(crate) fn close_release(&self) -> Result<()> {
        self.update(|it| it.release = None)
    }

    /// Writes down that a step of the open release has succeeded, and finishes what it remembered.
    pub(crate) fn step_succeeded(
        &self,
        step: &StepId,
        memory: Option<&str>,
        now: SystemTime,
    ) -> Result<()> {
        self.update(|it| {
            if let Some(entry) = memory.and_then(|key| it.memory.get_mut(key)) {
                entry.finished = true;
            }
            if let Some(release) = &mut it.release {
                release.journal.write(step, StepEvent::Succeeded, now, &self.owner, None);
            }
        })
    }

    /// Writes down that a step of the open release is about to change something.
    pub(crate) fn step_started(&self, step: &StepId, now: SystemTime) -> Result<()> {
        self.write(step, StepEvent::Started, now, None)
    }

    /// Writes down that a step of the open release has failed, and why.
    pub(crate) fn step_failed(&self, step: &StepId, why: String, now: SystemTime) -> Result<()> {
        self.write(step, StepEvent::Failed, now, Some(why))
    }

    /// Writes into the journal of the open release; without one there is none.
    fn write(
        &self,
        step: &StepId,
        event: StepEvent,
        now: SystemTime,
        error: Option<String>,
    ) -> Result<()> {
        if self.document().release.is_none() {
            return Ok(());
        }
        self.update(|it| {
            if let Some(release) = &mut it.release {
                release.journal.write(step, event, now, &self.owner, error);
            }
        })
    }

    /// Writes down that a phase of the open release has ended.
    pub(crate) fn phase_ended(&self, phase: Phase, now: SystemTime) -> Result<()> {
        self.update(|it| {
            if let Some(release) = &mut it.release {
                release.phases.entry(phase).or_insert(Moment(now));
            }
        })
    }

    pub(crate) fn note(&self, key: &str) -> Option<Value> {
        match &self.document().release {
            Some(release) => release.notes.get(key).cloned(),
            None => self.loose_notes().get(key).cloned(),
        }
    }

    pub(crate) fn set_note(&self, key: &str, value: Value) -> Result<()> {
        if self.document().release.is_none() {
            self.loose_notes().insert(key.to_owned(), value);
            return Ok(());
        }
        self.update(|it| {
            if let Some(release) = &mut it.release {
                release.notes.insert(key.to_owned(), value);
            }
        })
    }

    pub(crate) fn remembered(&self, key: &str) -> Option<Value> {
        self.document().memory.get(key).map(|it| it.value.clone())
    }

    pub(crate) fn remember(&self, key: &str, value: Value) -> Result<()> {
        self.update(|it| {
            let unfinished = it.memory.get(key).is_some_and(|it| !it.finished);
            if !unfinished {
                let entry = Remembered { value, finished: false, model: false };
                it.memory.insert(key.to_owned(), entry);
            }
        })
    }

    /// Remembers what the partner's settings say now, unless what was there is remembered.
    pub(crate) fn remember_model(&self, key: &str, value: Value) -> Result<()> {
        self.update(|it| {
            if it.memory.get(key).is_none_or(|it| it.model) {
                let entry = Remembered { value, finished: true, model: true };
                it.memory.insert(key.to_owned(), entry);
            }
        })
    }

    fn update(&self, change: impl FnOnce(&mut Document)) -> Result<()> {
        if self.watch.as_ref().is_some_and(|Watch(is_made)| !is_made()) {
            return Ok(());
        }
        change(&mut self.document());
        self.save()
    }

    fn save(&self) -> Result<()> {
        if !self.persistent {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&*self.document())
            .map_err(|err| broken(&self.path, "cannot be written", err))?;
        replace(&self.path, text.as_bytes())
            .map_err(|err| broken(&self.path, "cannot be written", err))
    }

    fn loose_notes(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.loose_notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn document(&self) -> MutexGuard<'_, Document> {
        self.document.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes beside the file, synchronises, renames, and synchronises the folder: whoever reads sees the old
/// text or the new one.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

fn lock(folder: &Path, name: &str) -> Result<File> {
    let path = folder.join(format!("{name}.lock"));
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|err| broken(&path, "cannot be locked", err))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::Locked { holder: format!("it holds the lock `{}`", path.display()) })
        }
        Err(TryLockError::Error(err)) => Err(broken(&path, "cannot be locked", err)),
    }
}

fn release_id(now: SystemTime) -> String {
    // 2026-11-22T22:54:07.123456Z without its punctuation: sortable, and short enough to type.
    humantime::format_rfc3339_micros(now).to_string().replace(['-', ':', '.'], "")
}

fn broken(
    path: &Path,
    what: &str,
    err: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::Store { path: path.to_owned(), what: what.to_owned(), source: Some(err.into()) }
}

#[cfg(test)]
mod tests;
