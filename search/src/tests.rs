//! The search itself: that it is the same every time, and that it would notice.

use std::time::Duration;

use crate::{
    breaks::Break,
    case::Case,
    exhaust,
    people::{Meddling, What},
    run,
};

#[test]
fn the_same_seed_makes_the_same_run_to_the_last_call() {
    for seed in 0..6 {
        let [first, second] =
            [(), ()].map(|()| run::run(&Case { told: true, ..Case::of(seed, None) }));

        assert!(!first.audit.is_empty());
        assert_eq!(first.audit, second.audit, "seed {seed}");
        assert_eq!(first.story, second.story, "seed {seed}");
    }
}

/// What the search has found, each time that somebody moved traffic back at a moment when nobody looked, with the
/// seed of the stack file.
const FOUND: [(u64, &str); 2] =
    [(60, include_str!("../found/seed-60.toml")), (1721, include_str!("../found/seed-1721.toml"))];

#[test]
fn traffic_that_is_moved_back_is_noticed_at_whichever_step() {
    for (seed, text) in FOUND {
        for steps in 1..24 {
            let later = Duration::from_secs(51);
            let meddling = Meddling { leg: 0, steps, later, what: What::MoveTraffic };
            let quiet = Case::quiet(seed, text.to_owned());
            let case = Case { meddling: Some(meddling), back: true, ..quiet };

            let ended = run::run(&case);

            assert_eq!(ended.violations, Vec::<String>::new(), "seed {seed}, step {steps}");
            assert_eq!(ended.deployments, 2, "seed {seed}, step {steps}");
        }
    }
}

#[test]
fn a_few_seeds_find_nothing() {
    for seed in 0..20 {
        let ended = run::run(&Case::of(seed, None));

        assert_eq!(ended.violations, Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn every_step_of_the_corner_shop_can_be_brought_about_twice() {
    let ended = exhaust::twice();

    assert_eq!(ended.violations, Vec::<String>::new());
    assert!(ended.steps.values().all(|it| *it) && ended.steps.len() > 20, "{:?}", ended.steps);
}

/// A seed that shows each way to break the engine, and what is violated then.
const SHOWN: [(Break, u64, &str); 6] = [
    (Break::DisableWrongStack, 0, "SetSubscriptionAttributes"),
    (Break::DoNotWait, 4, "while at work are [\"Disabling mapping"),
    (Break::MirrorServices, 4, "both sides are on of [\"the services of billing\"]"),
    (Break::NoFencing, 21, "who lost its lease called"),
    (Break::UndoForwards, 112, "rds:StopDBCluster of orders-b on b while at work"),
    (Break::JournalBehind, 192, "taken back, and yet otherwise"),
];

#[test]
fn each_way_to_break_the_engine_is_noticed() {
    for (broken, seed, words) in SHOWN {
        let whole = run::run(&Case::of(seed, None));
        let ended = run::run(&Case::of(seed, Some(broken)));

        assert_eq!(whole.violations, Vec::<String>::new(), "seed {seed}");
        let noticed = ended.violations.iter().any(|it| it.contains(words));
        assert!(noticed, "{broken} with seed {seed}: {:#?}", ended.violations);
    }
}

#[test]
fn a_purge_that_does_not_look_where_traffic_is_is_noticed_when_a_person_moves_it() {
    let (seed, text) = FOUND[0];
    let noticed = (1..40).any(|steps| {
        let meddling =
            Meddling { leg: 0, steps, later: Duration::from_secs(3), what: What::MoveTraffic };
        let quiet = Case::quiet(seed, text.to_owned());
        let broken = Some(Break::PurgeBlindly);
        let ended = run::run(&Case { meddling: Some(meddling), broken, ..quiet });
        ended.violations.iter().any(|it| it.contains("PurgeQueue") && it.contains("has traffic"))
    });

    assert!(noticed);
}
