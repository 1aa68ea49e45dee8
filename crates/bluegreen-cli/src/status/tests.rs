//! What is said of an open release, and watching it.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use bluegreen_core::StackReference::{A, B};
use bluegreen_deploy::{Moment, StepEvent};

use super::*;

const THEN: Moment = Moment(SystemTime::UNIX_EPOCH);

fn failed(step: &str, event: StepEvent) -> Entry {
    Entry {
        step: step.to_owned(),
        event,
        at: SystemTime::UNIX_EPOCH,
        attempt: 2,
        who: "7 on here".to_owned(),
        began: None,
        error: Some("service `worker-b` does not exist".to_owned()),
    }
}

fn open() -> OpenRelease {
    OpenRelease {
        id: "19700101T000000000000Z".to_owned(),
        target: B,
        opened: THEN,
        by: "7 on here".to_owned(),
        reverses: None,
        until: Phase::Retire,
        phase: Some(Phase::Prepare),
        going_back: None,
        failed: vec![failed("ecs.enable/worker/b", StepEvent::Failed)],
        stuck: Vec::new(),
        overrides: BTreeMap::new(),
        succeeded: BTreeMap::new(),
        phases: BTreeMap::new(),
    }
}

#[test]
fn a_failed_step_is_shown_with_what_a_person_can_do() {
    insta::assert_snapshot!(release_text(&open(), Some(&WayBack::Standby)), @r"
    release: 19700101T000000000000Z to b is open since 1970-01-01T00:00:00Z; 0 steps have succeeded; ended: no phase
      phase: prepare
      failed: ecs.enable/worker/b (attempt 2): service `worker-b` does not exist
        `bluegreen retry` tries again; `bluegreen skip ecs.enable/worker/b --reason ..` goes on without
      `bluegreen rollback` now: production stays on stack a, and what the release has changed on stack b is taken back
    ");
}

#[test]
fn a_stuck_step_is_shown_where_a_release_is_being_taken_back() {
    let stuck = vec![failed("ecs.enable/worker/b", StepEvent::UndoFailed)];
    let release = OpenRelease { going_back: Some(THEN), stuck, ..open() };

    let text = release_text(&release, Some(&WayBack::Standby));

    assert!(text.contains("is being taken back since 1970-01-01T00:00:00Z"), "{text}");
    assert!(text.contains("stuck: ecs.enable/worker/b"), "{text}");
    assert!(!text.contains("`bluegreen rollback` now"), "it goes back already: {text}");
}

#[test]
fn a_step_that_could_not_be_taken_back_before_it_acted_has_no_attempt() {
    let entry = Entry { attempt: 0, ..failed("ecs.enable/worker/b", StepEvent::UndoFailed) };

    let text = step_text("stuck", &entry);

    assert!(text.starts_with("  stuck: ecs.enable/worker/b: service"), "{text}");
}

#[test]
fn a_release_that_was_asked_to_go_only_so_far_says_what_does_the_rest() {
    let asked = |until| {
        let release = OpenRelease { until, ..open() };
        release_text(&release, Some(&WayBack::Standby))
    };

    assert!(asked(Phase::Test).contains("go on to `test`"), "{}", asked(Phase::Test));
    assert!(asked(Phase::Test).contains("`bluegreen deploy --to b` does the rest"));
    assert!(!asked(Phase::Retire).contains("does the rest"));
}

#[test]
fn every_way_back_is_a_sentence_and_a_document() {
    let databases = || vec!["aurora.orders".to_owned()];
    let reverse = |databases, removed| WayBack::Reverse { databases, removed, since: THEN };
    let deleted = vec!["aurora.delete orders on a".to_owned()];
    let ways = [
        (WayBack::Standby, "standby", "production stays on stack a"),
        (WayBack::Instant, "instant", "at once, which was fed all the time"),
        (
            WayBack::LosesWrites(databases()),
            "loses-writes",
            "`--accept-data-loss` only: aurora.orders",
        ),
        (reverse(Vec::new(), Vec::new()), "reverse", "since 1970-01-01T00:00:00Z"),
        (reverse(databases(), Vec::new()), "reverse", "`--rebuild` or `--accept-data-loss`"),
        (
            reverse(databases(), deleted),
            "reverse",
            "no way back to stack a: aurora.delete orders on a",
        ),
    ];

    for (way, word, says) in ways {
        let document = way_back_document(&way, A);
        assert_eq!(document["way"], word);
        let means = document["means"].as_str().unwrap();
        assert!(means.contains(says), "{means}");
        assert_eq!(document["since"].is_null(), word != "reverse");
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_has_changed_is_shown_until_the_release_has_ended() {
    let mut looks = ["one", "one", "two", "three", "never"].into_iter();
    let (mut shown, began) = (Vec::new(), tokio::time::Instant::now());

    let look = async || {
        let text = looks.next().unwrap().to_owned();
        let is_open = text != "three";
        Ok(Shown { text, is_open })
    };
    let every = Duration::from_secs(5);
    watch(every, &CancellationToken::new(), look, |it| shown.push(it.to_owned())).await;

    assert_eq!(shown, ["one", "two", "three"]);
    assert_eq!(began.elapsed(), 3 * every);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_is_shown_and_followed_by_others() {
    let mut looks = [Some("one"), None, None, Some("one"), Some("three")].into_iter();
    let mut shown = Vec::new();

    let look = async || {
        let text = looks.next().unwrap();
        let text = text.ok_or_else(|| Failure::Usage("the table is away".to_owned()))?.to_owned();
        let is_open = text != "three";
        Ok(Shown { text, is_open })
    };
    let every = Duration::from_secs(5);
    watch(every, &CancellationToken::new(), look, |it| shown.push(it.to_owned())).await;

    assert_eq!(shown, ["one", "no look could be had: the table is away\n", "one", "three"]);
}

#[tokio::test(start_paused = true)]
async fn it_is_watched_without_a_release_until_it_is_told_to_stop() {
    let (cancel, mut looks) = (CancellationToken::new(), 0);

    let look = async || {
        looks += 1;
        if looks == 4 {
            cancel.cancel();
        }
        Ok(Shown { text: "none".to_owned(), is_open: false })
    };
    watch(Duration::from_secs(5), &cancel, look, |_| {}).await;

    assert_eq!(looks, 4);
}
