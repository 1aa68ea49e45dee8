//! How commands end: exit codes, and the words of the documents.

use crate::Shop;

#[test]
fn a_release_that_is_done_or_ends_where_it_was_asked_to_ends_with_0() {
    let shop = Shop::new();

    let prepared = shop.run(&["prepare", "--to", "b", "--json"]).ended_with(0);
    let tested = shop.run(&["test", "--json"]).ended_with(0);
    let done = shop.run(&["deploy", "--to", "b", "--json"]).ended_with(0);
    let there = shop.run(&["deploy", "--to", "b", "--json"]).ended_with(0);

    let outcomes = [&prepared, &tested, &done, &there].map(|it| it.json()["outcome"].clone());
    assert_eq!(outcomes, ["done", "done", "done", "already-there"]);
    assert_eq!(tested.json()["command"], "test");
    assert_eq!(done.json()["active"], "b");
}

#[test]
fn a_release_that_pauses_ends_with_1_and_retry_goes_on_with_it() {
    let shop = Shop::new();
    shop.break_traffic(true);

    let paused = shop.run(&["deploy", "--to", "b", "--json"]).ended_with(1);
    let status = shop.run(&["status"]).ended_with(0);
    let other = shop.run(&["retry", "active.switch"]).ended_with(3);
    shop.break_traffic(false);
    let done = shop.run(&["retry", "traffic.move", "--json"]).ended_with(0);

    assert_eq!(paused.json()["outcome"], "paused");
    assert!(status.out().contains("failed: traffic.move/web/b (attempt 1)"), "{}", status.out());
    assert!(status.out().contains("phase: promote"), "{}", status.out());
    assert!(other.err().contains("traffic.move/web/b"), "it names what has: {}", other.err());
    assert_eq!((&done.json()["outcome"], &done.json()["active"]), (&"done".into(), &"b".into()));
}

#[test]
fn retry_goes_no_further_than_the_release_was_asked_to_and_says_what_does_the_rest() {
    let shop = Shop::new();
    shop.run(&["prepare", "--to", "b"]).ended_with(0);

    let prepared = shop.run(&["retry", "--json"]).ended_with(0);
    let status = shop.run(&["status"]).ended_with(0);
    shop.run(&["deploy", "--to", "b", "--until", "test"]).ended_with(0);
    let tested = shop.run(&["retry"]).ended_with(0);
    shop.break_traffic(true);
    shop.run(&["deploy", "--to", "b"]).ended_with(1);
    shop.break_traffic(false);
    let done = shop.run(&["retry", "--json"]).ended_with(0);

    let rest = "`bluegreen deploy --to b` does the rest";
    assert_eq!(prepared.json()["active"], "a");
    assert!(prepared.err().contains("to `prepare`"), "{}", prepared.err());
    assert!(prepared.err().contains(rest), "{}", prepared.err());
    assert!(status.out().contains(rest), "{}", status.out());
    assert!(tested.err().contains("to `test`") && tested.err().contains(rest), "{}", tested.err());
    assert_eq!((&done.json()["outcome"], &done.json()["active"]), (&"done".into(), &"b".into()));
    assert!(!done.err().contains("does the rest"), "{}", done.err());
}

#[test]
fn a_store_that_was_lost_after_a_release_is_missing_and_adopted_again_beside_its_history() {
    let shop = Shop::new();
    shop.run(&["deploy", "--to", "b"]).ended_with(0);
    std::fs::remove_file(shop.folder.path().join(".bluegreen/shop.json")).unwrap();

    let lost = shop.run(&["history"]).ended_with(3);
    let status = shop.run(&["status"]).ended_with(0);
    shop.run(&["adopt", "--active", "b", "--yes"]).ended_with(0);
    let history = shop.run(&["history"]).ended_with(0);

    assert!(lost.err().contains("there is no store"), "{}", lost.err());
    assert!(status.out().contains("active: not known"), "{}", status.out());
    assert!(history.out().contains("to b") && history.out().contains("done"), "{}", history.out());
}

#[test]
fn a_release_that_is_taken_back_ends_with_0() {
    let shop = Shop::new();
    shop.run(&["deploy", "--to", "b", "--until", "promote"]).ended_with(0);

    let status = shop.run(&["status", "--json"]).ended_with(0);
    let unasked = shop.run(&["rollback"]).ended_with(3);
    let rebuilt = shop.run(&["rollback", "--rebuild", "--yes"]).ended_with(3);
    let back = shop.run(&["rollback", "--yes", "--json"]).ended_with(0);
    let nothing = shop.run(&["rollback", "--yes"]).ended_with(3);

    assert_eq!(status.json()["rollback"]["way"], "instant");
    assert!(unasked.err().contains("goes back to stack a at once"), "{}", unasked.err());
    assert!(rebuilt.err().contains("has not begun to switch stack a off"), "{}", rebuilt.err());
    assert_eq!(
        (&back.json()["outcome"], &back.json()["active"]),
        (&"taken-back".into(), &"a".into())
    );
    assert!(nothing.err().contains("no release is open"), "{}", nothing.err());
}

#[test]
fn a_release_that_cannot_be_taken_back_ends_with_5_until_it_can() {
    let shop = Shop::new();
    shop.run(&["deploy", "--to", "b", "--until", "promote"]).ended_with(0);
    shop.break_traffic(true);

    let stuck = shop.run(&["rollback", "--yes", "--json"]).ended_with(5);
    let status = shop.run(&["status", "--json"]).ended_with(0);
    let shown = shop.run(&["status"]).ended_with(0);
    let forward = shop.run(&["deploy", "--to", "b"]).ended_with(3);
    shop.break_traffic(false);
    let back = shop.run(&["retry", "--json"]).ended_with(0);

    assert_eq!(stuck.json()["outcome"], "stuck");
    assert_eq!(status.json()["release"]["stuck"][0]["step"], "traffic.move/web/b");
    assert!(status.json()["release"]["going-back"].is_string());
    assert!(shown.out().contains("bluegreen skip traffic.move/web/b"), "{}", shown.out());
    assert!(forward.err().contains("bluegreen rollback"), "{}", forward.err());
    assert_eq!(back.json()["outcome"], "taken-back");
}

#[test]
fn what_nobody_has_adopted_is_refused() {
    let shop = Shop::not_adopted();

    for arguments in [&["history"][..], &["show", "open"], &["retry"], &["rollback", "--yes"]] {
        let ended = shop.run(arguments).ended_with(3);
        assert!(ended.err().contains("bluegreen adopt"), "{arguments:?}: {}", ended.err());
    }
}

#[test]
fn a_watched_status_is_no_document() {
    let ended = Shop::new().run(&["status", "--watch", "--json"]).ended_with(2);

    assert!(ended.err().contains("--watch"), "{}", ended.err());
}

#[test]
fn a_store_in_a_folder_has_no_table_to_make() {
    let ended = Shop::new().run(&["init", "--create-table"]).ended_with(2);

    assert!(ended.err().contains("store = \"dynamodb\""), "{}", ended.err());
}
