//! What is written into the [`Store`], each at once or not at all.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::SystemTime,
};

use bluegreen_core::StackReference;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    About, Changes, Document, Ending, Journal, Moment, Pointer, Release, Remembered, SCHEMA,
    StepEvent, Store, Word, hook_key, release::release_id,
};
use crate::{Error, Outcome, Phase, Result, StepId};

/// Something that happened to a step, to be written down.
#[derive(Debug)]
pub(crate) struct Happened<'a> {
    pub(crate) step: &'a StepId,
    pub(crate) event: StepEvent,
    pub(crate) at: SystemTime,
    /// When its turn came.
    pub(crate) began: Option<SystemTime>,
    /// Why it failed or was skipped.
    pub(crate) error: Option<String>,
    /// What was remembered, and is finished with.
    pub(crate) memory: Vec<String>,
    /// The notes that no longer hold.
    pub(crate) void: Vec<String>,
}

impl<'a> Happened<'a> {
    pub(crate) fn new(step: &'a StepId, event: StepEvent, at: SystemTime) -> Self {
        Self { step, event, at, began: None, error: None, memory: Vec::new(), void: Vec::new() }
    }
}

impl Store {
    /// Moves the pointer from the partner of `to` to `to`; already there is fine.
    pub(crate) async fn switch(
        &self,
        to: StackReference,
        now: SystemTime,
        reason: &str,
    ) -> Result<()> {
        if self.pointer().active == to {
            return Ok(());
        }
        let pointer = Pointer { active: to, since: now, reason: reason.to_owned() };
        self.write_pointer(None, pointer).await
    }

    /// Writes the pointer, and with a `name` what the records are.
    pub(super) async fn write_pointer(&self, name: Option<&str>, pointer: Pointer) -> Result<()> {
        self.write(|_| {
            let mut changes = changed("pointer", &pointer);
            if let Some(name) = name {
                changes.extend(changed("store", &About { schema: SCHEMA, name: name.to_owned() }));
            }
            let then = move |it: &mut Document| it.pointer = pointer;
            Some((changes, then))
        })
        .await
    }

    /// Opens a release to `target`, up to `until`, with a plan that was written down as `plan` and what was noted of
    /// it before.
    pub(crate) async fn open_release(
        &self,
        target: StackReference,
        until: Phase,
        now: SystemTime,
        plan: (String, BTreeMap<String, Value>),
        notes: BTreeMap<String, Value>,
    ) -> Result<Arc<Release>> {
        let (hash, tables) = plan;
        let mut release = self.new_release(target, until, now, hash, None);
        release.notes = Arc::new(notes);
        let release = Arc::new(release);
        let opened = Arc::clone(&release);
        self.write(|_| {
            let mut changes = changed(&format!("release/{}", release.id), release.as_ref());
            changes.extend(changed("open", &release.id));
            changes.extend(written_plan(&release.id, tables));
            for (key, value) in release.notes.iter() {
                changes.extend(changed(&format!("note/{}/{key}", release.id), value));
            }
            let then = move |it: &mut Document| it.release = Some(release);
            Some((changes, then))
        })
        .await?;
        Ok(opened)
    }

    /// Ends the open release in favour of one in the other direction, which opens in the same write: at no moment is
    /// production on its way without an open release.
    pub(crate) async fn reverse_release(
        &self,
        now: SystemTime,
        plan: (String, BTreeMap<String, Value>),
    ) -> Result<()> {
        let (hash, tables) = plan;
        self.write(|it| {
            let mut old = Release::clone(it.release.as_ref()?);
            let reverses = Some(old.id.clone());
            let back = old.target.partner();
            let release = self.new_release(back, Phase::Retire, now, hash, reverses);
            old.ended = Some(Ending { at: Moment(now), outcome: Outcome::Reversed });
            let mut changes = changed(&format!("release/{}", old.id), &old);
            changes.extend(changed(&format!("release/{}", release.id), &release));
            changes.extend(changed("open", &release.id));
            changes.extend(written_plan(&release.id, tables));
            Some((changes, |it: &mut Document| it.release = Some(Arc::new(release))))
        })
        .await
    }

    fn new_release(
        &self,
        target: StackReference,
        until: Phase,
        now: SystemTime,
        plan: String,
        reverses: Option<String>,
    ) -> Release {
        Release {
            id: release_id(now),
            target,
            opened: now,
            by: self.owner(),
            plan,
            reverses,
            until,
            phases: Default::default(),
            going_back: None,
            overrides: Default::default(),
            ended: None,
            journal: Arc::new(Journal::default()),
            notes: Arc::default(),
        }
    }

    /// Ends the open release.
    pub(crate) async fn close_release(&self, outcome: Outcome, now: SystemTime) -> Result<()> {
        self.write(|it| {
            let mut release = Release::clone(it.release.as_ref()?);
            release.ended = Some(Ending { at: Moment(now), outcome });
            let mut changes = changed(&format!("release/{}", release.id), &release);
            changes.insert("open".to_owned(), None);
            let then = |it: &mut Document| it.release = None;
            Some((changes, then))
        })
        .await
    }

    /// Writes down that the open release is to go on to `until`, if that is further than somebody has asked before.
    pub(crate) async fn go_on_to(&self, until: Phase) -> Result<()> {
        if self.release().is_none_or(|it| it.until >= until) {
            return Ok(());
        }
        self.change_release(|it| it.until = until).await
    }

    /// Writes down that a phase of the open release has ended.
    pub(crate) async fn phase_ended(&self, phase: Phase, now: SystemTime) -> Result<()> {
        self.change_release(|it| {
            it.phases.entry(phase).or_insert(Moment(now));
        })
        .await
    }

    /// Writes down that the open release is being taken back.
    pub(crate) async fn going_back(&self, now: SystemTime) -> Result<()> {
        self.change_release(|it| {
            it.going_back.get_or_insert(Moment(now));
        })
        .await
    }

    /// Writes down that somebody lets the open release pass a guardrail.
    pub(crate) async fn override_guardrail(
        &self,
        name: &str,
        reason: &str,
        now: SystemTime,
    ) -> Result<()> {
        let word = Word { who: self.owner(), at: Moment(now), reason: reason.to_owned() };
        self.change_release(|it| {
            it.overrides.insert(name.to_owned(), word);
        })
        .await
    }

    /// Writes down the plan that the open release goes on with, and that phases have not ended after all.
    pub(crate) async fn replan(
        &self,
        plan: (String, BTreeMap<String, Value>),
        reopened: std::collections::BTreeSet<Phase>,
    ) -> Result<()> {
        let (hash, tables) = plan;
        let Some(id) = self.release().map(|it| it.id.clone()) else { return Ok(()) };
        let before = self.storage.read(&format!("plan/{id}/")).await?;
        self.write(|it| {
            let mut release = Release::clone(it.release.as_ref()?);
            release.plan = hash;
            release.phases.retain(|phase, _| !reopened.contains(phase));
            let mut changes = changed(&format!("release/{id}"), &release);
            changes.extend(before.into_keys().map(|key| (key, None)));
            changes.extend(written_plan(&id, tables));
            Some((changes, |it: &mut Document| it.release = Some(Arc::new(release))))
        })
        .await
    }

    async fn change_release(&self, change: impl FnOnce(&mut Release)) -> Result<()> {
        self.write(|it| {
            let mut release = Release::clone(it.release.as_ref()?);
            change(&mut release);
            let changes = changed(&format!("release/{}", release.id), &release);
            Some((changes, |it: &mut Document| it.release = Some(Arc::new(release))))
        })
        .await
    }

    /// Writes down what happened to a step of the open release, and finishes with what it remembered; without a
    /// release there is no journal.
    pub(crate) async fn happened(&self, happened: Happened<'_>) -> Result<()> {
        let owner = self.owner();
        let Happened { step, event, at, began, error, memory, void } = happened;
        self.write(|it| {
            let mut changes = Changes::new();
            let unfinished = memory.into_iter().filter_map(|key| {
                let it = it.memory.get(&key).filter(|it| !it.finished)?;
                Some((key, Remembered { finished: true, ..it.clone() }))
            });
            let finished: Vec<(String, Remembered)> = unfinished.collect();
            for (key, value) in &finished {
                changes.extend(changed(&format!("memory/{key}"), value));
            }
            let entry = it.release.as_ref().map(|it| {
                let mut entry = it.journal.entry(step.key(), event, at, &owner);
                (entry.began, entry.error) = (began.map(Moment), error);
                let number = it.journal.entries().len() + 1;
                changes.extend(changed(&format!("journal/{}/{number:06}", it.id), &entry));
                entry
            });
            changes.extend(without(it, &void));
            let then = move |it: &mut Document| {
                it.memory.extend(finished);
                it.forget(&void);
                if let (Some(release), Some(entry)) = (&mut it.release, entry) {
                    Arc::make_mut(&mut Arc::make_mut(release).journal).push(entry);
                }
            };
            (!changes.is_empty()).then_some((changes, then))
        })
        .await
    }

    /// Forgets what the open release has noted under `keys`.
    pub(crate) async fn forget(&self, keys: Vec<String>) -> Result<()> {
        self.write(|it| {
            let changes = without(it, &keys);
            let then = move |it: &mut Document| it.forget(&keys);
            (!changes.is_empty()).then_some((changes, then))
        })
        .await
    }

    pub(crate) async fn set_note(&self, key: &str, value: Value) -> Result<()> {
        if self.release().is_none() {
            self.loose_notes().insert(key.to_owned(), value);
            return Ok(());
        }
        self.write(|it| {
            let release = it.release.as_ref()?;
            let changes = changed(&format!("note/{}/{key}", release.id), &value);
            let key = key.to_owned();
            let then = move |it: &mut Document| {
                if let Some(release) = &mut it.release {
                    Arc::make_mut(&mut Arc::make_mut(release).notes).insert(key, value);
                }
            };
            Some((changes, then))
        })
        .await
    }

    pub(crate) async fn remember(&self, key: &str, value: Value) -> Result<()> {
        self.write(|it| {
            let unfinished = it.memory.get(key).is_some_and(|it| !it.finished);
            let entry = Remembered { value, finished: false, model: false };
            (!unfinished).then(|| memorised(key, entry))
        })
        .await
    }

    /// Remembers what the partner's settings say now, unless what was there is remembered.
    pub(crate) async fn remember_model(&self, key: &str, value: Value) -> Result<()> {
        self.write(|it| {
            let better = it.memory.get(key).is_some_and(|it| !it.model);
            let entry = Remembered { value, finished: true, model: true };
            (!better).then(|| memorised(key, entry))
        })
        .await
    }

    /// Notes something about the open release for a hook, under a key of its own; without a release, until this store
    /// is closed.
    pub async fn set_hook_note(&self, key: &str, value: Value) -> Result<()> {
        self.set_note(&hook_key(key), value).await
    }

    /// Keeps something for a hook across releases, in place of what was kept before under that key.
    pub async fn keep_for_hook(&self, key: &str, value: Value) -> Result<()> {
        let entry = Remembered { value, finished: true, model: false };
        let key = hook_key(key);
        self.write(|_| Some(memorised(&key, entry))).await
    }

    /// Says who writes.
    pub(crate) fn owner(&self) -> String {
        self.tenure.as_ref().map_or_else(String::new, |it| it.lease.owner.clone())
    }

    /// Writes what `change` makes of the document, and changes the document when it is written. Nothing is
    /// written where there is nothing to change.
    async fn write<T: FnOnce(&mut Document)>(
        &self,
        change: impl FnOnce(&Document) -> Option<(Changes, T)>,
    ) -> Result<()> {
        let refused =
            |what: &str| Error::Store { place: self.place(), what: what.to_owned(), source: None };
        let _turn = self.turn.lock().await;
        let changed = change(&self.document());
        let Some((changes, then)) = changed else { return Ok(()) };
        let Some(tenure) = &self.tenure else {
            return Err(refused("was opened to be read"));
        };
        if self.is_unsure() {
            return Err(refused(
                "may not hold what was written last: run the same command again, which looks",
            ));
        }
        tenure.check()?;
        let written = self.storage.write(&tenure.lease, &changes);
        if let Err(err) = tenure.renewing(written).await {
            self.unsure.store(true, Ordering::Relaxed);
            if matches!(err, Error::LeaseLost { .. }) {
                tenure.lost().cancel();
            }
            return Err(err);
        }
        then(&mut self.document());
        Ok(())
    }
}

impl Document {
    /// Forgets notes of the open release.
    fn forget(&mut self, keys: &[String]) {
        if let Some(release) = &mut self.release
            && !keys.is_empty()
        {
            let release = Arc::make_mut(release);
            Arc::make_mut(&mut release.notes).retain(|key, _| !keys.contains(key));
        }
    }
}

/// Takes those of the notes away that the open release has.
fn without(document: &Document, keys: &[String]) -> Changes {
    let Some(release) = &document.release else { return Changes::new() };
    let there = keys.iter().filter(|it| release.notes.contains_key(*it));
    there.map(|key| (format!("note/{}/{key}", release.id), None)).collect()
}

fn changed(key: &str, value: &impl Serialize) -> Changes {
    // What is written is made of texts, numbers and times: it always has a JSON form.
    let value = serde_json::to_value(value).unwrap_or(json!(null));
    Changes::from([(key.to_owned(), Some(value))])
}

/// How many tables of a stack file are written into one record, so that neither records nor their number grow
/// beyond what a storage takes at once.
const TABLES_AT_ONCE: usize = 50;

fn written_plan(id: &str, tables: BTreeMap<String, Value>) -> Changes {
    let tables: Vec<(String, Value)> = tables.into_iter().collect();
    let parts = tables.chunks(TABLES_AT_ONCE).enumerate().map(|(part, tables)| {
        let tables: serde_json::Map<String, Value> = tables.iter().cloned().collect();
        (format!("plan/{id}/{part:03}"), Some(Value::Object(tables)))
    });
    parts.collect()
}

fn memorised(key: &str, entry: Remembered) -> (Changes, impl FnOnce(&mut Document)) {
    let changes = changed(&format!("memory/{key}"), &entry);
    let key = key.to_owned();
    (changes, move |it: &mut Document| {
        it.memory.insert(key, entry);
    })
}
