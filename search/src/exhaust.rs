//! Every fault at every call of the corner shop, and every step twice.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bluegreen_sim::{Fault, Faults};
use clap::ValueEnum;

use crate::{
    Found,
    breaks::Break,
    run::{Case, Ended},
    side_by_side, tried,
};

/// The stack file with one small resource of each kind.
const CORNER_SHOP: &str = include_str!("../../examples/corner-shop/bluegreen.toml");

/// What befalls a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Befalls {
    /// It fails for longer than the SDK repeats it.
    FailsForAWhile,
    /// It fails for good.
    FailsForGood,
    /// It is lost before it takes effect, and the SDK repeats it.
    LostBefore,
    /// It is lost after it took effect, and the SDK repeats it.
    LostAfter,
    /// It is lost before it takes effect, with all that the SDK repeats.
    AllLostBefore,
    /// It is lost after it took effect, with all that the SDK repeats.
    AllLostAfter,
}

impl Befalls {
    fn fault(self) -> (Fault, Option<u32>) {
        match self {
            Self::FailsForAWhile => (Fault::ServerError(500), Some(7)),
            Self::FailsForGood => (Fault::ServerError(500), None),
            Self::LostBefore => (Fault::LostBefore, Some(1)),
            Self::LostAfter => (Fault::LostAfter, Some(1)),
            Self::AllLostBefore => (Fault::LostBefore, Some(3)),
            Self::AllLostAfter => (Fault::LostAfter, Some(3)),
        }
    }
}

impl fmt::Display for Befalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |it| it.get_name()))
    }
}

/// Tries all of it, or what befalls one call.
pub(crate) fn all(one: Option<(usize, Befalls)>, show: bool) -> Found {
    let found = Mutex::new(Found::default());
    let add = |replay: String, ended| {
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.add(replay, ended);
    };
    let befallen = |call: usize, befalls: Befalls| {
        let (fault, times) = befalls.fault();
        let faults = Faults::none().at_call(call, fault, times);
        let ended = tried(&Case { told: show, ..case(faults, None) });
        if show {
            ended.story.iter().for_each(|it| println!("{it}"));
        }
        let replay =
            format!("cargo xtask simulate --exhaustively --call {call} --befalls {befalls}");
        add(replay, ended);
    };

    if let Some((call, befalls)) = one {
        befallen(call, befalls);
    } else {
        let quiet = tried(&case(Faults::none(), None));
        let calls = quiet.calls;
        add("cargo xtask simulate --exhaustively  # nothing goes wrong".to_owned(), quiet);
        add("cargo xtask simulate --exhaustively  # every step runs twice".to_owned(), twice());

        let all = Befalls::value_variants();
        let next = AtomicUsize::new(0);
        side_by_side(|| {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= calls * all.len() {
                    return;
                }
                befallen(number / all.len(), all[number % all.len()]);
            }
        });
    }
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.failures.sort();
    found
}

/// Brings every step about twice.
pub(crate) fn twice() -> Ended {
    let mut ended = tried(&case(Faults::none(), Some(Break::Twice)));
    let once: Vec<&String> =
        ended.steps.iter().filter(|(_, again)| !**again).map(|(step, _)| step).collect();
    if ended.steps.is_empty() || !once.is_empty() {
        let violation = format!("of {} steps, these ran only once: {once:?}", ended.steps.len());
        ended.violations.push(violation);
    }
    ended
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
