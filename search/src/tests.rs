//! The search itself: that it is the same every time, and that it would notice.

use crate::{
    breaks::Break,
    run::{self, Case},
};

#[test]
fn the_same_seed_makes_the_same_run_to_the_last_call() {
    for seed in 0..4 {
        let [first, second] = [(), ()].map(|()| run::run(&Case::of(seed, None)));

        assert_eq!((first.calls, first.deployments), (second.calls, second.deployments), "{seed}");
    }
}

/// The seeds that found something once, with what it was.
const FOUND: [(u64, &str); 6] = [
    (60, "a release ended while somebody had moved traffic back"),
    (1721, "the same, after the last step that asks where traffic is"),
    (1112, "work that went to the old queue with the traffic, which a person has to move"),
    (1131, "a filter policy that took longer than AWS's bound for it"),
    (2246, "a command that is run again at once, taken for a call repeated too soon"),
    (3507, "an idle mapping that is `Updating`, taken for one that is on"),
];

#[test]
fn what_was_found_once_is_mended() {
    for (seed, what) in FOUND {
        let ended = run::run(&Case::of(seed, None));

        assert!(ended.violations.is_empty(), "seed {seed}, {what}: {:#?}", ended.violations);
    }
}

#[test]
fn a_few_seeds_find_nothing() {
    for seed in 0..20 {
        let ended = run::run(&Case::of(seed, None));

        assert!(ended.violations.is_empty(), "seed {seed}: {:#?}", ended.violations);
    }
}

#[test]
fn each_way_to_break_the_engine_is_noticed() {
    for broken in [Break::PurgeBlindly, Break::DisableWrongStack, Break::DoNotWait] {
        let found =
            (0..2_000).find(|seed| !run::run(&Case::of(*seed, Some(broken))).violations.is_empty());

        assert!(found.is_some(), "{broken} is not noticed");
    }
}
