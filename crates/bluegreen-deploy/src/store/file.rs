//! [`FileStorage`], which keeps records in a folder: for one machine.

use std::{
    fmt,
    fs::{self, File, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    OF_RELEASES,
    storage::{Changes, Holder, Lease, Records, Storage},
};
use crate::{Error, Result};

/// The record that says which release is open.
const OPEN: &str = "open";

/// The record with which a store begins.
const FIRST: &str = "store";

/// The owner of a lease that was given back.
const NOBODY: &str = "";

/// How many times the lock's file is looked at for the name of who has just locked it.
const LOOKS: u32 = 20;

/// The time between two of them.
const PAUSE: Duration = Duration::from_millis(10);

/// Keeps records in a folder, for the processes of one machine.
///
/// `NAME.json` is replaced as a whole at each write: written beside, synchronised, renamed, and the folder
/// synchronised, so that whoever reads sees the old text or the new one. When a release ends, its records move
/// to a file of their own in `NAME.releases`, so that what is written at every step stays small. The lease is
/// the operating system's lock on `NAME.lock`: it ends with the process.
pub struct FileStorage {
    folder: PathBuf,
    name: String,
    lock: Mutex<Option<Held>>,
    /// Is asked before each stage of a write, by tests that cut it there.
    at_stage: AtStage,
}

/// The lock, while this process has it.
struct Held {
    file: File,
    /// What this process has written into it.
    holder: Holder,
}

type AtStage = Box<dyn Fn(Stage) -> io::Result<()> + Send + Sync>;

/// The stages of replacing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Create,
    Write,
    SyncFile,
    Rename,
    SyncFolder,
}

/// What a file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    /// The number of the lease that it was written under.
    fence: u64,
    records: Records,
}

impl FileStorage {
    /// Makes one for the stack file `name`, in `folder`. Nothing is read or written yet.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            lock: Mutex::default(),
            at_stage: Box::new(|_| Ok(())),
        }
    }

    /// Asks `at_stage` before each stage of a write: an error ends it there, as if the process were killed.
    #[cfg(test)]
    pub(super) fn cut(
        mut self,
        at_stage: impl Fn(Stage) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.at_stage = Box::new(at_stage);
        self
    }

    fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.name))
    }

    fn lock_file(&self) -> PathBuf {
        self.folder.join(format!("{}.lock", self.name))
    }

    fn past_folder(&self) -> PathBuf {
        self.folder.join(format!("{}.releases", self.name))
    }

    fn past_file(&self, release: &str) -> PathBuf {
        self.past_folder().join(format!("{release}.json"))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the lock. To close the file is not enough: a program that is being started has it, too, for a
    /// moment.
    fn unlock(&self) {
        if let Some(held) = self.lock().take() {
            // What cannot be unlocked is closed.
            let _ = held.file.unlock();
        }
    }

    /// Refuses to write without the lock, or when another has written itself into it since.
    fn held(&self, lease: &Lease) -> Result<()> {
        let own = self.lock().as_ref().map(|it| it.holder.clone());
        let Some(own) = own.filter(|it| it.fence == lease.fence) else {
            return Err(Error::LeaseLost { to: None });
        };
        // Where the file was removed, whoever locked the next one may have got the same number.
        match read_text::<Holder>(&self.lock_file())? {
            Some(holder) if holder == own => Ok(()),
            holder => Err(Error::LeaseLost { to: holder.filter(|it| it.owner != NOBODY) }),
        }
    }

    fn text(&self) -> Result<Text> {
        Ok(read_text(&self.file())?.unwrap_or_default())
    }

    fn save(&self, path: &Path, text: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(text)
            .map_err(|err| broken(path, "cannot be written", err))?;
        self.replace(path, text.as_bytes()).map_err(|err| broken(path, "cannot be written", err))
    }

    fn replace(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // What a process has left behind that was killed here is written over.
        let beside = path.with_extension("new");
        let mut file = self.stage(Stage::Create, || File::create(&beside))?;
        self.stage(Stage::Write, || file.write_all(text))?;
        self.stage(Stage::SyncFile, || file.sync_all())?;
        self.stage(Stage::Rename, || fs::rename(&beside, path))?;
        self.stage(Stage::SyncFolder, || File::open(folder)?.sync_all())
    }

    /// Does what a stage of a write consists of.
    fn stage<T>(&self, stage: Stage, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        (self.at_stage)(stage)?;
        work()
    }

    /// Returns the ids of the releases that have ended.
    fn past(&self) -> Result<Vec<String>> {
        let folder = self.past_folder();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(broken(&folder, "cannot be read", err)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let path = entry.map_err(|err| broken(&folder, "cannot be read", err))?.path();
            if path.extension().is_some_and(|it| it == "json") {
                ids.extend(path.file_stem().and_then(|it| it.to_str()).map(str::to_owned));
            }
        }
        ids.sort();
        Ok(ids)
    }
}

#[async_trait]
impl Storage for FileStorage {
    fn place(&self) -> String {
        self.file().display().to_string()
    }

    fn lease_lasts(&self) -> Option<Duration> {
        None
    }

    async fn read(&self, prefix: &str) -> Result<Records> {
        let mut records = self.text()?.records;
        records.retain(|key, _| key.starts_with(prefix));
        let past = match prefix.split_once('/') {
            None if OF_RELEASES.iter().any(|it| it.starts_with(prefix)) => self.past()?,
            Some((first, rest)) if OF_RELEASES.contains(&first) => match rest.split_once('/') {
                Some((release, _)) => vec![release.to_owned()],
                None => {
                    let mut past = self.past()?;
                    past.retain(|it| it.starts_with(rest));
                    past
                }
            },
            _ => Vec::new(),
        };
        for release in past {
            let text: Text = read_text(&self.past_file(&release))?.unwrap_or_default();
            // Killed between the two files of an ended release, it is in both: the newer one counts.
            for (key, value) in text.records {
                if key.starts_with(prefix) {
                    records.entry(key).or_insert(value);
                }
            }
        }
        Ok(records)
    }

    async fn write(&self, lease: &Lease, changes: &Changes) -> Result<()> {
        self.held(lease)?;
        let mut text = self.text()?;
        if text.fence == 0 && !changes.contains_key(FIRST) {
            let what = "is gone: put it back from a copy, or `bluegreen adopt` again".to_owned();
            return Err(Error::Store { place: self.place(), what, source: None });
        }
        let open = text.records.get(OPEN).and_then(|it| it.as_str().map(str::to_owned));
        text.fence = lease.fence;
        for (key, value) in changes {
            match value {
                Some(value) => text.records.insert(key.clone(), value.clone()),
                None => text.records.remove(key),
            };
        }
        let ended = open.filter(|id| match changes.get(OPEN) {
            Some(now) => now.as_ref().and_then(|it| it.as_str()) != Some(id.as_str()),
            None => false,
        });
        if let Some(release) = ended {
            let (own, rest) =
                std::mem::take(&mut text.records).into_iter().partition(|(key, _)| {
                    let mut parts = key.split('/');
                    parts.next().is_some_and(|it| OF_RELEASES.contains(&it))
                        && parts.next() == Some(release.as_str())
                });
            self.save(&self.past_file(&release), &Text { fence: lease.fence, records: own })?;
            text.records = rest;
        }
        self.save(&self.file(), &text)
    }

    async fn holder(&self) -> Result<Option<Holder>> {
        let path = self.lock_file();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(broken(&path, "cannot be read", err)),
        };
        for _ in 0..LOOKS {
            match file.try_lock_shared() {
                Ok(()) => return Ok(None),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(err)) => {
                    return Err(broken(&path, "cannot be locked", err));
                }
            }
            let holder = read_text::<Holder>(&path).ok().flatten();
            if let Some(holder) = holder.filter(|it| it.owner != NOBODY) {
                return Ok(Some(holder));
            }
            #[expect(clippy::disallowed_methods, reason = "another process is about to write")]
            tokio::time::sleep(PAUSE).await;
        }
        Ok(Some(Holder {
            owner: format!("a process that holds `{}`", path.display()),
            since: SystemTime::UNIX_EPOCH,
            fence: 0,
            beat: 0,
            lasts: Duration::ZERO,
        }))
    }

    async fn take(
        &self,
        owner: &str,
        now: SystemTime,
        seen: Option<&Holder>,
    ) -> Result<Option<Lease>> {
        if seen.is_some() {
            // A lock ends with its holder: one that can be taken is no longer whose it was seen to be.
            return Ok(None);
        }
        let path = self.lock_file();
        let unlockable = |err| broken(&path, "cannot be locked", err);
        fs::create_dir_all(&self.folder).map_err(unlockable)?;
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(unlockable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(err)) => return Err(unlockable(err)),
        }
        let before = read_text::<Holder>(&path).ok().flatten().map_or(0, |it| it.fence);
        let mut holder = Holder {
            owner: owner.to_owned(),
            since: now,
            fence: before + 1,
            beat: 0,
            lasts: Duration::ZERO,
        };
        // At once, before anything takes time: others want to know who it is.
        name(&mut file, &holder).map_err(unlockable)?;
        let written = self.text()?.fence;
        if written >= holder.fence {
            holder.fence = written + 1;
            name(&mut file, &holder).map_err(unlockable)?;
        }
        let fence = holder.fence;
        *self.lock() = Some(Held { file, holder });
        Ok(Some(Lease { owner: owner.to_owned(), fence }))
    }

    async fn renew(&self, lease: &Lease) -> Result<()> {
        self.held(lease)
    }

    async fn give_back(&self, lease: &Lease) -> Result<()> {
        let mut lock = self.lock();
        let Some(mut held) = lock.take_if(|it| it.holder.fence == lease.fence) else {
            return Ok(());
        };
        let nobody = Holder {
            owner: NOBODY.to_owned(),
            since: SystemTime::UNIX_EPOCH,
            fence: lease.fence,
            beat: 0,
            lasts: Duration::ZERO,
        };
        // Whoever locks it next is not taken for this process until it has written its own name.
        let named = name(&mut held.file, &nobody);
        // To close it is not enough: a program that is being started has it, too, for a moment.
        let unlocked = held.file.unlock();
        named.and(unlocked).map_err(|err| broken(&self.lock_file(), "cannot be freed", err))
    }
}

/// Writes into the lock's file who holds it: in place, as a file that is renamed over it would be another lock.
fn name(file: &mut File, holder: &Holder) -> io::Result<()> {
    let text = serde_json::to_string(holder)?;
    file.seek(SeekFrom::Start(0))?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Reads a file that may not be there.
fn read_text<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(broken(path, "cannot be read", err)),
    };
    let what = "is not what `bluegreen` writes: put it back from a copy, or remove it and \
                `bluegreen adopt` again";
    serde_json::from_str(&text).map(Some).map_err(|err| broken(path, what, err))
}

fn broken(
    path: &Path,
    what: &str,
    err: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let place = path.display().to_string();
    Error::Store { place, what: what.to_owned(), source: Some(err.into()) }
}

impl Drop for FileStorage {
    fn drop(&mut self) {
        self.unlock();
    }
}

impl fmt::Debug for FileStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStorage").field("file", &self.file()).finish_non_exhaustive()
    }
}
