//! What a person decides: `skip`, `override`, `approve`, `reject`.

use std::fs;

use crate::{SERVED, Shop};

/// Opens a release whose traffic cannot be moved.
fn paused() -> Shop {
    let shop = Shop::new();
    shop.break_traffic(true);
    shop.run(&["deploy", "--to", "b"]).ended_with(1);
    shop
}

#[test]
fn what_lets_something_through_asks_and_is_refused_where_nobody_can_be_asked() {
    let shop = paused();

    for arguments in [
        &["skip", "release.hold", "--reason", "why"][..],
        &["override", "release.hold", "--reason", "why"],
        &["approve"],
    ] {
        let ended = shop.run(arguments).ended_with(3);
        assert!(ended.err().contains("answer with --yes"), "{arguments:?}: {}", ended.err());
    }
    let shown = shop.run(&["show", "open", "--json"]).ended_with(0).json();
    assert!(shown.get("overrides").is_none(), "{shown}");
}

#[test]
fn a_step_is_skipped_with_a_reason_that_stays_in_the_history() {
    let shop = Shop::new();
    let file = format!("{SERVED}[test.smoke]\ncommand = [\"false\"]\n");
    fs::write(shop.folder.path().join("bluegreen.toml"), file).unwrap();
    shop.run(&["deploy", "--to", "b"]).ended_with(1);

    let skipped = shop.run(&["skip", "test.command", "--reason", "no time", "--yes", "--json"]);
    let never = shop.run(&["skip", "active.switch", "--reason", "why", "--yes"]).ended_with(3);
    let hold = shop.run(&["skip", "release.hold", "--reason", "why", "--yes"]).ended_with(3);
    let shown = shop.run(&["show", "open"]).ended_with(0);

    let document = skipped.ended_with(0).json();
    assert_eq!((&document["outcome"], &document["command"]), (&"done".into(), &"skip".into()));
    assert_eq!(document["step"]["id"], "test.command");
    assert!(never.err().contains("never skipped"), "{}", never.err());
    assert!(hold.err().contains("`bluegreen override release.hold"), "{}", hold.err());
    assert!(shown.out().contains("test.command smoke on b skipped"), "{}", shown.out());
    assert!(shown.out().contains("no time"), "{}", shown.out());
}

#[test]
fn a_guardrail_is_passed_with_a_reason_that_stays_in_the_history() {
    let shop = paused();

    let passed =
        shop.run(&["override", "release.hold", "--reason", "all is well", "--yes", "--json"]);
    let unknown = shop.run(&["override", "hold", "--reason", "why", "--yes"]).ended_with(3);
    let shown = shop.run(&["show", "open"]).ended_with(0);

    assert_eq!(passed.ended_with(0).json()["guardrail"], "release.hold");
    assert!(unknown.err().contains("release.hold"), "{}", unknown.err());
    assert!(shown.out().contains("passes release.hold: "), "{}", shown.out());
}

#[test]
fn a_verdict_without_a_gate_that_waits_is_refused() {
    let shop = paused();

    let approved = shop.run(&["approve", "--yes"]).ended_with(3);
    let rejected = shop.run(&["reject", "--reason", "slow"]).ended_with(3);

    for ended in [approved, rejected] {
        assert!(ended.err().contains("waits for a verdict"), "{}", ended.err());
    }
}

#[test]
fn without_an_open_release_there_is_nothing_to_decide() {
    let shop = Shop::new();

    for arguments in [
        &["skip", "release.hold", "--reason", "why"][..],
        &["override", "release.hold", "--reason", "why"],
        &["approve"],
        &["reject", "--reason", "why"],
        &["retry"],
        &["show", "open"],
    ] {
        let ended = shop.run(arguments).ended_with(3);
        assert!(ended.err().contains("no release is open"), "{arguments:?}: {}", ended.err());
    }
}
