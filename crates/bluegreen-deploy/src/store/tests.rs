//! What the store keeps, over storages that tests can look into.

mod leases;
mod notes;

use std::{
    fs, io,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use bluegreen_core::{
    StackReference,
    StackReference::{A, B},
};
use serde_json::json;
use tempfile::TempDir;

use super::{file::Stage, *};
use crate::{Outcome, Phase, StepId};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn pointer(active: StackReference) -> Pointer {
    Pointer { active, since: NOW, reason: "first".to_owned() }
}

fn owner() -> Owner {
    Owner { name: "7 on here".to_owned(), clock: Clock::system() }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn files(folder: &TempDir) -> Arc<dyn Storage> {
    Arc::new(FileStorage::new(folder.path(), "shop"))
}

async fn adopted(folder: &TempDir, active: StackReference) -> Store {
    Store::adopt(files(folder), "shop", &owner(), pointer(active)).await.unwrap()
}

async fn opened(folder: &TempDir) -> Result<Option<Store>> {
    Store::open(files(folder), "shop").await
}

async fn locked(folder: &TempDir) -> Result<Option<Store>> {
    Store::lock(files(folder), "shop", &owner(), |_, _| {}).await
}

fn enable() -> StepId {
    StepId::new("sns.enable", "catalogue", B)
}

fn happened(step: &StepId, event: StepEvent) -> Happened<'_> {
    Happened::new(step, event, NOW)
}

async fn open_release(store: &Store) -> Arc<Release> {
    store.open_release(B, Phase::Retire, NOW, Default::default(), Default::default()).await.unwrap()
}

#[tokio::test]
async fn a_store_that_is_missing_is_none() {
    assert!(opened(&folder()).await.unwrap().is_none());
    assert!(locked(&folder()).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_written_is_there_for_the_next_process() {
    let folder = folder();
    let store = adopted(&folder, A).await;

    let release = open_release(&store).await;
    store.set_note("purge", json!(1)).await.unwrap();
    store.remember("filter", json!("old")).await.unwrap();
    store.happened(happened(&enable(), StepEvent::Succeeded)).await.unwrap();
    store.switch(B, NOW, &release.id).await.unwrap();
    drop(store);
    let store = opened(&folder).await.unwrap().unwrap();

    assert_eq!(store.pointer().active, B);
    assert_eq!(store.pointer().reason, release.id);
    assert!(store.release().unwrap().journal.succeeded().contains_key(&enable().key()));
    assert_eq!(store.release().unwrap().journal.entries()[0].who, "7 on here");
    assert_eq!(store.note("purge"), Some(json!(1)));
    assert_eq!(store.remembered("filter"), Some(json!("old")));
}

#[tokio::test]
async fn the_verdicts_of_a_release_are_told_without_what_else_was_noted() {
    let folder = folder();
    let store = adopted(&folder, A).await;
    let id = open_release(&store).await.id.clone();
    store.set_note("verdict/looks-good", json!({ "approved": true })).await.unwrap();
    store.set_note("models-remembered", json!(true)).await.unwrap();

    let verdicts = store.past(&id).await.unwrap().unwrap().verdicts();

    assert_eq!(json!(verdicts), json!({ "looks-good": { "approved": true } }));
}

#[tokio::test]
async fn past_releases_are_listed_and_shown_after_the_next_was_opened() {
    let folder = folder();
    let store = adopted(&folder, A).await;
    let mut ids = Vec::new();
    for second in 0..2 {
        let at = NOW + Duration::from_secs(second);
        ids.push(
            store
                .open_release(B, Phase::Retire, at, Default::default(), Default::default())
                .await
                .unwrap()
                .id
                .clone(),
        );
        store.happened(happened(&enable(), StepEvent::Started)).await.unwrap();
        store.close_release(Outcome::Done, at).await.unwrap();
    }
    let open = store
        .open_release(
            A,
            Phase::Retire,
            NOW + Duration::from_secs(9),
            Default::default(),
            Default::default(),
        )
        .await
        .unwrap();

    let listed = store.releases().await.unwrap();
    let past = store.past(&ids[0]).await.unwrap().unwrap();

    let listed: Vec<&str> = listed.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(listed, [&*ids[0], &*ids[1], &*open.id]);
    let files = fs::read_dir(folder.path().join("shop.releases")).unwrap();
    assert_eq!(files.count(), 2, "the open one is not there yet");
    assert_eq!(past.ended.unwrap().outcome, Outcome::Done);
    assert_eq!(past.journal.entries().len(), 1);
    assert!(store.past("20").await.unwrap().is_none(), "what an id begins with is no id");
}

#[tokio::test]
async fn a_torn_file_is_an_error_that_names_it() {
    let folder = folder();
    drop(adopted(&folder, A).await);
    let path = folder.path().join("shop.json");
    let text = fs::read_to_string(&path).unwrap();

    fs::write(&path, &text[..text.len() / 2]).unwrap();

    let err = opened(&folder).await.unwrap_err();
    assert!(err.to_string().contains("shop.json"), "{err}");
}

#[tokio::test]
async fn a_file_of_another_stack_or_version_or_without_a_pointer_is_refused() {
    for (old, new, says) in [
        ("\"name\": \"shop\"", "\"name\": \"other\"", "expected `shop` (version 3)"),
        ("\"schema\": 3", "\"schema\": 4", "expected `shop` (version 3)"),
        ("\"pointer\": {", "\"printer\": {", "does not say which stack is active"),
        ("\"store\": {", "\"stare\": {", "lacks the record `store`"),
    ] {
        let folder = folder();
        drop(adopted(&folder, A).await);
        let path = folder.path().join("shop.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{text}");

        fs::write(&path, text.replace(old, new)).unwrap();

        let err = opened(&folder).await.unwrap_err();
        assert!(err.to_string().contains(says), "{err}");
    }
}

/// Makes a store whose only release has ended.
async fn with_history(storage: Arc<dyn Storage>) -> String {
    let store = Store::adopt(storage, "shop", &owner(), pointer(A)).await.unwrap();
    let id = open_release(&store).await.id.clone();
    store.happened(happened(&enable(), StepEvent::Succeeded)).await.unwrap();
    store.set_note("verdict/looks-good", json!(true)).await.unwrap();
    store.close_release(Outcome::Done, NOW).await.unwrap();
    store.close().await.unwrap();
    id
}

#[tokio::test]
async fn a_file_that_was_lost_is_missing_and_adopting_makes_it_anew_beside_its_history() {
    let folder = folder();
    let id = with_history(files(&folder)).await;

    fs::remove_file(folder.path().join("shop.json")).unwrap();
    let (read, written) = (opened(&folder).await.unwrap(), locked(&folder).await.unwrap());
    drop(adopted(&folder, B).await);
    let store = opened(&folder).await.unwrap().unwrap();

    assert!(read.is_none() && written.is_none());
    assert_eq!(store.pointer().active, B);
    let past: Vec<String> = store.releases().await.unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(past, [id]);
}

#[tokio::test]
async fn where_only_releases_that_have_ended_are_left_the_store_is_missing_in_any_storage() {
    let storage = MemoryStorage::new(None);
    with_history(Arc::new(storage.clone())).await;
    let lease = storage.take("9 on here", NOW, None).await.unwrap().unwrap();
    let lost = ["store", "pointer"].map(|it| (it.to_owned(), None));

    storage.write(&lease, &Changes::from(lost)).await.unwrap();

    assert!(Store::open(Arc::new(storage), "shop").await.unwrap().is_none());
}

#[tokio::test]
async fn where_more_is_left_than_past_releases_the_store_is_torn_and_says_what_to_do() {
    for lost in [&["store"][..], &["pointer"], &["store", "pointer", "open"]] {
        let storage = MemoryStorage::new(None);
        let shared: Arc<dyn Storage> = Arc::new(storage.clone());
        let store = Store::adopt(shared, "shop", &owner(), pointer(A)).await.unwrap();
        open_release(&store).await;
        store.close().await.unwrap();
        let lease = storage.take("9 on here", NOW, None).await.unwrap().unwrap();
        let changes = lost.iter().map(|it| ((*it).to_owned(), None));

        storage.write(&lease, &changes.collect()).await.unwrap();

        let err = Store::open(Arc::new(storage), "shop").await.unwrap_err();
        assert!(err.to_string().contains("`bluegreen adopt` again"), "{lost:?}: {err}");
    }
}

#[tokio::test]
async fn a_file_that_disappears_is_not_begun_anew() {
    let folder = folder();
    let store = adopted(&folder, A).await;

    fs::remove_file(folder.path().join("shop.json")).unwrap();
    let err = store.remember("filter", json!("old")).await.unwrap_err();

    assert!(err.to_string().contains("shop.json"), "{err}");
    assert!(!folder.path().join("shop.json").exists());
}

#[tokio::test]
async fn only_one_process_at_a_time_may_write_and_the_other_is_told_which() {
    let folder = folder();
    let first = adopted(&folder, A).await;

    let err = locked(&folder).await.unwrap_err();
    assert!(matches!(&err, Error::Locked { owner, .. } if owner == "7 on here"), "{err}");
    assert!(opened(&folder).await.unwrap().is_some());

    drop(first);
    assert!(locked(&folder).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_being_taken_is_not_said_to_be_that_of_who_had_it_before() {
    let folder = folder();
    adopted(&folder, A).await.close().await.unwrap();
    // Locked, and not yet with a name in it.
    let lock = fs::File::open(folder.path().join("shop.lock")).unwrap();
    lock.lock().unwrap();

    let err = locked(&folder).await.unwrap_err();

    let says = "a process that holds `";
    assert!(matches!(&err, Error::Locked { owner, .. } if owner.starts_with(says)), "{err}");
}

#[tokio::test]
async fn who_has_just_taken_the_lease_is_named_as_soon_as_it_has_written_its_name() {
    let folder = folder();
    adopted(&folder, A).await.close().await.unwrap();
    let path = folder.path().join("shop.lock");
    let lock = fs::File::open(&path).unwrap();
    lock.lock().unwrap();
    let text = fs::read_to_string(&path).unwrap();

    let (err, ()) = tokio::join!(async { locked(&folder).await.unwrap_err() }, async {
        tokio::task::yield_now().await;
        fs::write(&path, text.replace("\"owner\":\"\"", "\"owner\":\"8 on here\"")).unwrap();
    });

    assert!(matches!(&err, Error::Locked { owner, .. } if owner == "8 on here"), "{err}");
}

#[tokio::test]
async fn numbers_of_leases_grow_past_those_in_the_file_when_the_lock_was_removed() {
    let folder = folder();
    for _ in 0..3 {
        adopted(&folder, A).await.close().await.unwrap();
    }

    fs::remove_file(folder.path().join("shop.lock")).unwrap();
    let lease = files(&folder).take("first", NOW, None).await.unwrap().unwrap();

    assert_eq!(lease.fence, 4);
}

#[tokio::test]
async fn where_the_lock_was_removed_before_the_first_write_only_who_locked_it_last_writes() {
    let folder = folder();
    let (first, second) = (files(&folder), files(&folder));
    adopted(&folder, A).await.close().await.unwrap();
    for (owner, later) in [("8 on here", NOW), ("7 on here", NOW + Duration::from_secs(1))] {
        let old = first.take("7 on here", NOW, None).await.unwrap().unwrap();
        fs::remove_file(folder.path().join("shop.lock")).unwrap();
        let new = second.take(owner, later, None).await.unwrap().unwrap();
        assert_eq!(old.fence, new.fence, "nobody has written yet");
        let changes = Changes::from([("memory/filter".to_owned(), None)]);

        let refused = first.write(&old, &changes).await;
        let renewed = first.renew(&old).await;
        second.write(&new, &changes).await.unwrap();

        for lost in [refused, renewed] {
            let Err(Error::LeaseLost { to: Some(to) }) = lost else { panic!("{lost:?}") };
            assert_eq!((to.owner.as_str(), to.since), (owner, later));
        }
        first.give_back(&old).await.unwrap();
        second.give_back(&new).await.unwrap();
    }
}

#[tokio::test]
async fn who_only_reads_does_not_write() {
    let folder = folder();
    drop(adopted(&folder, A).await);
    let reader = opened(&folder).await.unwrap().unwrap();

    let err = reader.remember("filter", json!("old")).await.unwrap_err();

    assert!(err.to_string().contains("was opened to be read"), "{err}");
}

#[tokio::test]
async fn a_release_of_before_it_was_kept_how_far_to_go_goes_the_whole_way() {
    let folder = folder();
    let store = adopted(&folder, A).await;
    store.open_release(B, Phase::Test, NOW, Default::default(), Default::default()).await.unwrap();
    drop(store);
    let path = folder.path().join("shop.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"until\": \"test\","), "{text}");
    let now = opened(&folder).await.unwrap().unwrap().release().unwrap().until;

    fs::write(&path, text.replace("\"until\": \"test\",", "")).unwrap();
    let before = opened(&folder).await.unwrap().unwrap().release().unwrap().until;

    assert_eq!((now, before), (Phase::Test, Phase::Retire));
}

#[tokio::test]
async fn adopting_again_corrects_the_pointer_and_leaves_the_release_open() {
    let folder = folder();
    let store = adopted(&folder, A).await;
    open_release(&store).await;
    drop(store);

    let store = adopted(&folder, B).await;

    assert_eq!(store.pointer().active, B);
    assert!(store.release().is_some());
}

#[test]
fn ids_of_releases_sort_by_time() {
    let second = NOW + Duration::from_micros(1_700_000_000_000_001);
    let first = NOW + Duration::from_micros(1_700_000_000_000_000);

    assert_eq!(release::release_id(first), "20231114T221320000000Z");
    assert!(release::release_id(first) < release::release_id(second));
}

/// The stages of a write in the one order that survives a loss of power.
const EVERY_STAGE: [Stage; 5] =
    [Stage::Create, Stage::Write, Stage::SyncFile, Stage::Rename, Stage::SyncFolder];

/// Does what a release writes, until a write fails, and returns how many writes have returned.
async fn live(storage: Arc<dyn Storage>) -> usize {
    let Ok(store) = Store::adopt(storage, "shop", &owner(), pointer(A)).await else { return 0 };
    let plan = ("hash".to_owned(), [("sqs.x".to_owned(), json!({}))].into());
    let step = enable();
    let mut writes = 1;
    let mut count = |result: Result<()>| {
        writes += usize::from(result.is_ok());
        result.is_ok()
    };
    let _ = count(
        store.open_release(B, Phase::Retire, NOW, plan, Default::default()).await.map(|_| ()),
    ) && count(store.happened(happened(&step, StepEvent::Started)).await)
        && count(store.happened(happened(&step, StepEvent::Succeeded)).await)
        && count(store.switch(B, NOW, "release").await)
        && count(store.close_release(Outcome::Done, NOW).await);
    writes
}

#[tokio::test]
async fn a_store_whose_process_was_killed_at_any_stage_of_any_write_opens_and_tells_the_truth() {
    let mut cuts = 0;
    for at in 0.. {
        let folder = folder();
        let stages: Arc<Mutex<Vec<Stage>>> = Arc::default();
        let noted = Arc::clone(&stages);
        let storage = FileStorage::new(folder.path(), "shop").cut(move |stage| {
            let mut noted = noted.lock().unwrap();
            noted.push(stage);
            // Whoever is dead does nothing more.
            if noted.len() > at { Err(io::Error::other("killed")) } else { Ok(()) }
        });
        let returned = live(Arc::new(storage)).await;
        let stages = stages.lock().unwrap().clone();
        let whole = stages.len() <= at;
        // A write that was renamed is there, though nobody was told.
        let renamed = stages.get(at) == Some(&Stage::SyncFolder);
        let made = returned + usize::from(renamed);
        for stages in stages.chunks(EVERY_STAGE.len()) {
            // Before its text is on the disk, a file must not have the name; before the folder is, nobody is told.
            assert!(EVERY_STAGE.starts_with(stages), "cut at {at}: {stages:?}");
        }

        let store = opened(&folder).await.unwrap();
        let told = store.as_ref().map_or(0, |store| {
            let release = store.release();
            let entries = release.as_ref().map_or(0, |it| it.journal.entries().len());
            match (release, store.pointer().active) {
                (None, A) => 1,
                (Some(_), A) => 2 + entries,
                (Some(_), B) => 5,
                (None, B) => 6,
            }
        });
        // The last write replaces two files: between them the release is open still, and in both.
        let closing = made == 6 && told == 5;
        assert!(told == made || closing, "cut at {at}: {made} writes were made, {told} are told");
        if let Some(store) = store {
            let listed = store.releases().await.unwrap();
            assert!(listed.len() <= 1, "cut at {at}: {listed:?}");
            drop(store);
            let again = locked(&folder).await.unwrap().unwrap();
            again.remember("filter", json!("old")).await.unwrap();
        }
        if whole {
            break;
        }
        cuts += 1;
    }
    assert_eq!(
        cuts,
        7 * 5,
        "six writes, of which the last replaces two files, of five stages each"
    );
}
