//! Bars and rows.

use bluegreen_deploy::Moment;
use serde_json::json;

use super::*;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn entry(step: &str, event: StepEvent, seconds: u64, began: Option<u64>) -> Entry {
    Entry {
        step: step.to_owned(),
        event,
        at: at(seconds),
        attempt: 1,
        who: "7 on here".to_owned(),
        began: began.map(|it| Moment(at(it))),
        error: None,
    }
}

#[test]
fn a_step_waits_until_its_first_act_and_is_at_work_until_its_end() {
    let entries = [
        entry("sns.settle/it/b", StepEvent::Started, 20, None),
        entry("sns.settle/it/b", StepEvent::Started, 30, None),
        entry("sns.settle/it/b", StepEvent::Succeeded, 59, Some(10)),
    ];

    let rows = rows(&entries);

    let turn = Turn { began: at(10), acted: Some(at(20)), ended: Some(at(59)) };
    assert_eq!(rows[0].turns, [turn]);
    let bar = bar(&rows[0].turns, at(0), at(60));
    assert_eq!(bar, format!("{}{}{}", " ".repeat(10), "·".repeat(10), "#".repeat(40)));
}

#[test]
fn what_was_tried_again_has_a_gap_and_what_is_taken_back_is_a_row_of_its_own() {
    let entries = [
        entry("ecs.enable/it/b", StepEvent::Started, 0, None),
        entry("ecs.enable/it/b", StepEvent::Failed, 9, Some(0)),
        entry("ecs.enable/it/b", StepEvent::Started, 30, None),
        entry("ecs.enable/it/b", StepEvent::Succeeded, 39, Some(30)),
        entry("ecs.enable/it/b", StepEvent::UndoStarted, 50, None),
        entry("ecs.enable/it/b", StepEvent::UndoFailed, 55, Some(50)),
    ];

    let rows = rows(&entries);

    assert_eq!(rows.len(), 2);
    let drawn = bar(&rows[0].turns, at(0), at(60));
    assert_eq!(drawn.trim_end(), format!("{}{}{}", "#".repeat(10), " ".repeat(20), "#".repeat(10)));
    let back = row_text(&rows[1], at(0), at(60));
    assert!(back.starts_with("back: ecs.enable it on b") && back.contains("stuck"), "{back}");
}

#[test]
fn what_has_not_ended_is_drawn_to_the_end_and_nothing_reaches_beyond() {
    let entries = [entry("ecs.enable/it/b", StepEvent::Started, 30, None)];

    let rows = rows(&entries);

    let drawn = bar(&rows[0].turns, at(0), at(60));
    assert_eq!(drawn, format!("{}{}", " ".repeat(30), "#".repeat(30)));
    // A release of no time at all, and an entry from before it: clocks differ between machines.
    assert_eq!(bar(&rows[0].turns, at(40), at(40)).chars().count(), COLUMNS);
}

#[test]
fn a_step_is_named_as_people_read_it() {
    assert_eq!(name("ecs.enable/worker/b"), "ecs.enable worker on b");
    assert_eq!(name("active.switch//b"), "active.switch on b");
    assert_eq!(name("own.step/a/b/a"), "own.step a/b on a");
    assert_eq!(name("odd"), "odd");
}

#[test]
fn a_verdict_says_who_gave_it_when_and_why() {
    let verdict = json!({ "approved": false, "who": "7 on here", "reason": "slow", "at": "1970-01-01T00:00:00Z" });

    assert_eq!(verdict_text(&verdict), "rejected: 7 on here at 1970-01-01T00:00:00Z: slow");
}
