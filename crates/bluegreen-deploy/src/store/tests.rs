//! What outlives a run.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bluegreen_core::StackReference::{A, B};
use serde_json::json;

use super::*;

fn pointer(active: StackReference) -> Pointer {
    Pointer { active, since: SystemTime::UNIX_EPOCH, reason: "first".to_owned() }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_missing_store_is_no_store() {
    assert!(Store::open(folder().path(), "shop").unwrap().is_none());
}

#[test]
fn what_is_written_is_there_for_the_next_process() {
    let folder = folder();
    let store = Store::adopt(folder.path(), "shop", pointer(A)).unwrap();
    let step = StepId::new("sns.enable", "catalogue", B);

    let release = store.open_release(B, SystemTime::UNIX_EPOCH).unwrap();
    store.set_note("purge", json!(1)).unwrap();
    store.remember("filter", json!("old")).unwrap();
    store.step_succeeded(&step, None, SystemTime::UNIX_EPOCH).unwrap();
    store.switch(B, SystemTime::UNIX_EPOCH, &release.id).unwrap();
    drop(store);
    let store = Store::open(folder.path(), "shop").unwrap().unwrap();

    assert_eq!(store.pointer().active, B);
    assert_eq!(store.pointer().reason, release.id);
    assert!(store.release().unwrap().journal.succeeded().contains_key(&step.key()));
    assert_eq!(store.note("purge"), Some(json!(1)));
    assert_eq!(store.remembered("filter"), Some(json!("old")));
}

#[test]
fn a_torn_file_is_an_error_that_names_it() {
    let folder = folder();
    Store::adopt(folder.path(), "shop", pointer(A)).unwrap();
    let path = folder.path().join("shop.json");
    let text = fs::read_to_string(&path).unwrap();

    fs::write(&path, &text[..text.len() / 2]).unwrap();

    let err = Store::open(folder.path(), "shop").unwrap_err();
    assert!(err.to_string().contains("shop.json"), "{err}");
}

#[test]
fn a_file_of_another_stack_or_version_is_refused() {
    for (old, new) in [("\"shop\"", "\"other\""), ("\"schema\": 2", "\"schema\": 3")] {
        let folder = folder();
        Store::adopt(folder.path(), "shop", pointer(A)).unwrap();
        let path = folder.path().join("shop.json");
        let text = fs::read_to_string(&path).unwrap();

        fs::write(&path, text.replace(old, new)).unwrap();

        let err = Store::open(folder.path(), "shop").unwrap_err();
        assert!(err.to_string().contains("expected `shop` (version 2)"), "{err}");
    }
}

#[test]
fn only_one_process_at_a_time_may_write() {
    let folder = folder();
    let first = Store::adopt(folder.path(), "shop", pointer(A)).unwrap();

    let err = Store::open_locked(folder.path(), "shop").unwrap_err();
    assert!(matches!(err, Error::Locked { .. }));
    assert!(Store::open(folder.path(), "shop").unwrap().is_some());

    drop(first);
    assert!(Store::open_locked(folder.path(), "shop").unwrap().is_some());
}

#[test]
fn adopting_again_corrects_the_pointer_and_leaves_the_release_open() {
    let folder = folder();
    let store = Store::adopt(folder.path(), "shop", pointer(A)).unwrap();
    store.open_release(B, SystemTime::UNIX_EPOCH).unwrap();
    drop(store);

    let store = Store::adopt(folder.path(), "shop", pointer(B)).unwrap();

    assert_eq!(store.pointer().active, B);
    assert!(store.release().is_some());
}

#[test]
fn what_an_unfinished_step_remembered_is_not_overwritten() {
    let store = Store::in_memory("shop", pointer(A));
    let step = StepId::new("cloudwatch.disable-alarms", "pages", A);

    store.remember("alarms", json!(["x"])).unwrap();
    store.remember("alarms", json!(["x", "y"])).unwrap();
    assert_eq!(store.remembered("alarms"), Some(json!(["x"])));

    store.step_succeeded(&step, Some("alarms"), SystemTime::UNIX_EPOCH).unwrap();
    store.remember("alarms", json!(["z"])).unwrap();
    assert_eq!(store.remembered("alarms"), Some(json!(["z"])));
}

#[test]
fn a_model_replaces_an_older_one_and_never_what_was_there() {
    let store = Store::in_memory("shop", pointer(A));

    store.remember_model("filter", json!("partner's")).unwrap();
    store.remember_model("filter", json!("later")).unwrap();
    assert_eq!(store.remembered("filter"), Some(json!("later")));

    store.remember("filter", json!("there")).unwrap();
    store.remember_model("filter", json!("partner's")).unwrap();
    assert_eq!(store.remembered("filter"), Some(json!("there")));
}

#[test]
fn a_step_by_itself_notes_for_its_own_run_only() {
    let folder = folder();
    let store = Store::adopt(folder.path(), "shop", pointer(A)).unwrap();

    store.set_note("purge", json!(1)).unwrap();

    assert_eq!(store.note("purge"), Some(json!(1)));
    assert_eq!(Store::open(folder.path(), "shop").unwrap().unwrap().note("purge"), None);
}

#[test]
fn ids_of_releases_sort_by_time() {
    let second = SystemTime::UNIX_EPOCH + std::time::Duration::from_micros(1_700_000_000_000_001);
    let first = SystemTime::UNIX_EPOCH + std::time::Duration::from_micros(1_700_000_000_000_000);

    assert_eq!(release_id(first), "20231114T221320000000Z");
    assert!(release_id(first) < release_id(second));
}

#[test]
fn a_write_that_is_not_let_through_is_lost() {
    let lives = Arc::new(AtomicBool::new(true));
    let alive = Arc::clone(&lives);
    let store = Store::in_memory("shop", pointer(A)).watched(move || alive.load(Ordering::Relaxed));
    let step = StepId::new("sns.enable", "catalogue", B);
    store.open_release(B, SystemTime::UNIX_EPOCH).unwrap();

    lives.store(false, Ordering::Relaxed);
    store.step_started(&step, SystemTime::UNIX_EPOCH).unwrap();
    store.set_note("purge", json!(1)).unwrap();
    lives.store(true, Ordering::Relaxed);
    store.step_started(&step, SystemTime::UNIX_EPOCH).unwrap();

    assert_eq!(store.release().unwrap().journal.entries().len(), 1);
    assert_eq!(store.note("purge"), None);
}
