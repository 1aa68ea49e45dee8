//! What steps remember and note, and what hooks do.

use super::*;

#[tokio::test]
async fn what_an_unfinished_step_remembered_is_not_overwritten() {
    let store = Store::in_memory("shop", pointer(A));
    let step = StepId::new("cloudwatch.disable-alarms", "pages", A);

    store.remember("alarms", json!(["x"])).await.unwrap();
    store.remember("alarms", json!(["x", "y"])).await.unwrap();
    assert_eq!(store.remembered("alarms"), Some(json!(["x"])));

    let memory = vec!["alarms".to_owned()];
    let happened = Happened { memory, ..happened(&step, StepEvent::Succeeded) };
    store.happened(happened).await.unwrap();
    store.remember("alarms", json!(["z"])).await.unwrap();
    assert_eq!(store.remembered("alarms"), Some(json!(["z"])));
}

#[tokio::test]
async fn a_model_replaces_an_older_one_and_never_what_was_there() {
    let store = Store::in_memory("shop", pointer(A));

    store.remember_model("filter", json!("partner's")).await.unwrap();
    store.remember_model("filter", json!("later")).await.unwrap();
    assert_eq!(store.remembered("filter"), Some(json!("later")));

    store.remember("filter", json!("there")).await.unwrap();
    store.remember_model("filter", json!("partner's")).await.unwrap();
    assert_eq!(store.remembered("filter"), Some(json!("there")));
}

#[tokio::test]
async fn a_step_by_itself_notes_for_its_own_run_only() {
    let folder = folder();
    let store = adopted(&folder, A).await;

    store.set_note("purge", json!(1)).await.unwrap();

    assert_eq!(store.note("purge"), Some(json!(1)));
    assert_eq!(opened(&folder).await.unwrap().unwrap().note("purge"), None);
}

#[tokio::test]
async fn what_a_hook_notes_is_apart_from_the_steps_notes_and_ends_with_the_release() {
    let folder = folder();
    let store = adopted(&folder, A).await;
    let notes = BTreeMap::from([(hook_key("web"), json!("d-1"))]);
    store.open_release(B, Phase::Retire, NOW, Default::default(), notes).await.unwrap();
    store.set_hook_note("api", json!("d-2")).await.unwrap();
    store.keep_for_hook("called", json!("12:00")).await.unwrap();
    store.keep_for_hook("called", json!("12:05")).await.unwrap();

    let read = opened(&folder).await.unwrap().unwrap();

    assert_eq!(read.hook_note("web"), Some(json!("d-1")));
    assert_eq!(read.hook_note("api"), Some(json!("d-2")));
    assert_eq!(read.note("web"), None);
    store.close_release(Outcome::Done, NOW).await.unwrap();
    let read = opened(&folder).await.unwrap().unwrap();
    assert_eq!(read.hook_note("web"), None);
    assert_eq!(read.kept_for_hook("called"), Some(json!("12:05")));
}
