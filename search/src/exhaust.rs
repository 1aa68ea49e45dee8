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
    /// The process dies before it has arrived, and the same command is run again.
    DiesBefore,
    /// The process dies right after it took effect, and the same command is run again.
    DiesAfter,
    /// The process dies right before a write of the store, which has this number in place of a call.
    DiesBeforeWrite,
    /// The process dies right after a write of the store.
    DiesAfterWrite,
}

impl Befalls {
    /// Returns what is wrong with the call, or the write, of this number.
    fn case(self, number: usize) -> Case {
        let (fault, times) = match self {
            Self::FailsForAWhile => (Fault::ServerError(500), Some(7)),
            Self::FailsForGood => (Fault::ServerError(500), None),
            Self::LostBefore => (Fault::LostBefore, Some(1)),
            Self::LostAfter => (Fault::LostAfter, Some(1)),
            Self::AllLostBefore => (Fault::LostBefore, Some(3)),
            Self::AllLostAfter => (Fault::LostAfter, Some(3)),
            Self::DiesBefore => (Fault::DiesBefore, Some(1)),
            Self::DiesAfter => (Fault::DiesAfter, Some(1)),
            Self::DiesBeforeWrite | Self::DiesAfterWrite => {
                let is_made = self == Self::DiesAfterWrite;
                return Case {
                    dies_at_write: Some((number, is_made)),
                    ..case(Faults::none(), None)
                };
            }
        };
        case(Faults::none().at_call(number, fault, times), None)
    }

    /// Returns how many calls, or writes, there are for it in a run in which nothing goes wrong.
    fn numbers(self, quiet: &Ended) -> usize {
        match self {
            Self::DiesBeforeWrite | Self::DiesAfterWrite => quiet.writes,
            _ => quiet.calls,
        }
    }
}

impl fmt::Display for Befalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |it| it.get_name()))
    }
}

/// Tries all of it; or one call only, or only what befalls them.
pub(crate) fn all(one: Option<usize>, only: Option<Befalls>, show: bool) -> Found {
    let found = Mutex::new(Found::default());
    let add = |replay: String, ended| {
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.add(format!("cargo xtask simulate --exhaustively {replay}"), ended);
    };
    let quiet = tried(&case(Faults::none(), None));
    let kinds = Befalls::value_variants().iter().filter(|it| only.is_none_or(|only| only == **it));
    let all: Vec<(usize, Befalls)> = kinds
        .flat_map(|kind| {
            let numbers = one.map_or(0..kind.numbers(&quiet), |it| it..it + 1);
            numbers.map(|it| (it, *kind))
        })
        .collect();
    if one.is_none() && only.is_none() {
        add("# nothing goes wrong".to_owned(), quiet);
        add("# every step runs twice".to_owned(), twice());
    }

    let next = AtomicUsize::new(0);
    side_by_side(|| {
        while let Some(&(call, befalls)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let ended = tried(&Case { told: show, ..befalls.case(call) });
            if show {
                ended.story.iter().for_each(|it| println!("{it}"));
            }
            add(format!("--call {call} --befalls {befalls}"), ended);
        }
    });
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
    let quiet = Case::quiet(0, CORNER_SHOP.to_owned());
    Case { faults: [faults, Faults::none()], broken, ..quiet }
}
