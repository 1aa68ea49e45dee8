//! Every fault at every call of the corner shop, and every step twice.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use bluegreen_sim::{Fault, Faults};

use crate::{
    Found,
    breaks::Break,
    run::{self, Case},
    side_by_side,
};

/// The stack file with one small resource of each kind.
const CORNER_SHOP: &str = include_str!("../../examples/corner-shop/bluegreen.toml");

/// What befalls each call in turn, how often, and what that is called.
const FAULTS: [(Fault, Option<u32>, &str); 4] = [
    (Fault::ServerError(500), Some(7), "fails for a while"),
    (Fault::ServerError(500), None, "fails for good"),
    (Fault::LostBefore, Some(1), "is lost before it takes effect"),
    (Fault::LostAfter, Some(1), "is lost after it took effect"),
];

/// Tries all of it.
pub(crate) fn all() -> Found {
    let found = Mutex::new(Found::default());
    let add = |what: String, ended| {
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.add(format!("cargo xtask simulate --exhaustively  # {what}"), ended);
    };

    let quiet = run::run(&case(Faults::none(), None));
    let calls = quiet.calls;
    add("nothing goes wrong".to_owned(), quiet);
    add("every step runs twice".to_owned(), run::run(&case(Faults::none(), Some(Break::Twice))));

    let next = AtomicUsize::new(0);
    side_by_side(|| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= calls * FAULTS.len() {
                return;
            }
            let (fault, times, what) = FAULTS[number % FAULTS.len()];
            let call = number / FAULTS.len();
            let faults = Faults::none().at_call(call, fault, times);
            add(format!("call {call} {what}"), run::run(&case(faults, None)));
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.failures.sort();
    found
}

fn case(faults: Faults, broken: Option<Break>) -> Case {
    Case {
        seed: 0,
        text: CORNER_SHOP.to_owned(),
        faults: [faults, Faults::none()],
        meddling: None,
        broken,
        back: false,
        told: false,
    }
}
