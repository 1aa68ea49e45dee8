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
