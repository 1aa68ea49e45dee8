//! Every fault at every call of the corner shop, a death at every call and every write, every step and every undo that
//! fails, and every step twice.

use std::{
    fmt,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bluegreen_sim::{Fault, Faults};
use clap::ValueEnum;

use crate::{
    Found,
    breaks::Break,
    case::{Case, Turn},
    failing::{Failure, Of},
    run::Ended,
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
    /// The process dies before the call has arrived, and the same command is run on another machine.
    DiesBeforeAndMoves,
    /// The process dies right after the call took effect, and the same command is run on another machine.
    DiesAfterAndMoves,
    /// The process dies right before a write of the store, and the same command is run on another machine.
    DiesBeforeWriteAndMoves,
    /// The process dies right after a write of the store, and the same command is run on another machine.
    DiesAfterWriteAndMoves,
    /// A step fails for good, which has this number in place of a call. It is mended while the release is paused.
    StepFails,
    /// The same once it has made its change.
    StepFailsAfterward,
    /// A step fails for good, and with `on-failure = "undo"` the release is taken back.
    StepFailsAndUndoes,
    /// The same once it has made its change.
    StepFailsAfterwardAndUndoes,
    /// The undo of a step fails for good. It is mended, and tried again.
    UndoFails,
    /// The same once it has made its change.
    UndoFailsAfterward,
    /// The undo of a step fails for good once it has made its change, and a person skips it.
    UndoIsSkipped,
    /// The process dies before the call has arrived by which a release is taken back that was in its hold.
    DiesBeforeGoingBack,
    /// The process dies right after such a call took effect.
    DiesAfterGoingBack,
    /// The process dies right before a write of the store while the release is taken back.
    DiesBeforeWriteGoingBack,
    /// The process dies right after such a write.
    DiesAfterWriteGoingBack,
}

/// How long a lease lives that nobody renews, where another machine goes on.
const LEASE: Duration = Duration::from_secs(300);

impl Befalls {
    /// Returns what is wrong with the call, the write or the step of this number.
    fn case(self, number: usize) -> Case {
        let of_call = |fault, times| Case {
            faults: [Faults::none().at_call(number, fault, times), Faults::none()],
            ..corner_shop()
        };
        let of_write = |is_made| Case { dies_at_write: Some((number, is_made)), ..corner_shop() };
        let moves = |case| Case { lease: Some(LEASE), ..case };
        let of_step = |of, acts| {
            let fails = Some(Failure { step: number, of, acts });
            Case { fails, ..corner_shop() }
        };
        let undoes = |case: Case| {
            let text = case.text.replacen("[release]\n", "[release]\non-failure = \"undo\"\n", 1);
            Case { text, ..case }
        };
        match self {
            Self::FailsForAWhile => of_call(Fault::ServerError(500), Some(7)),
            Self::FailsForGood => of_call(Fault::ServerError(500), None),
            Self::LostBefore => of_call(Fault::LostBefore, Some(1)),
            Self::LostAfter => of_call(Fault::LostAfter, Some(1)),
            Self::AllLostBefore => of_call(Fault::LostBefore, Some(3)),
            Self::AllLostAfter => of_call(Fault::LostAfter, Some(3)),
            Self::DiesBefore => of_call(Fault::DiesBefore, Some(1)),
            Self::DiesAfter => of_call(Fault::DiesAfter, Some(1)),
            Self::DiesBeforeWrite => of_write(false),
            Self::DiesAfterWrite => of_write(true),
            Self::DiesBeforeAndMoves => moves(Self::DiesBefore.case(number)),
            Self::DiesAfterAndMoves => moves(Self::DiesAfter.case(number)),
            Self::DiesBeforeWriteAndMoves => moves(Self::DiesBeforeWrite.case(number)),
            Self::DiesAfterWriteAndMoves => moves(Self::DiesAfterWrite.case(number)),
            Self::StepFails => of_step(Of::Step, false),
            Self::StepFailsAfterward => of_step(Of::Step, true),
            Self::StepFailsAndUndoes => undoes(Self::StepFails.case(number)),
            Self::StepFailsAfterwardAndUndoes => undoes(Self::StepFailsAfterward.case(number)),
            Self::UndoFails => of_step(Of::UndoMended, false),
            Self::UndoFailsAfterward => of_step(Of::UndoMended, true),
            Self::UndoIsSkipped => of_step(Of::UndoSkipped, true),
            Self::DiesBeforeGoingBack => turns_back(Self::DiesBefore.case(number)),
            Self::DiesAfterGoingBack => turns_back(Self::DiesAfter.case(number)),
            Self::DiesBeforeWriteGoingBack => turns_back(Self::DiesBeforeWrite.case(number)),
            Self::DiesAfterWriteGoingBack => turns_back(Self::DiesAfterWrite.case(number)),
        }
    }

    /// Returns the numbers of the calls, writes or steps that there are for it in runs in which nothing goes wrong:
    /// one to the end, and one that is taken back on its way.
    fn numbers(self, quiet: &Ended, back: &Ended) -> Range<usize> {
        match self {
            Self::FailsForAWhile
            | Self::FailsForGood
            | Self::LostBefore
            | Self::LostAfter
            | Self::AllLostBefore
            | Self::AllLostAfter
            | Self::DiesBefore
            | Self::DiesAfter
            | Self::DiesBeforeAndMoves
            | Self::DiesAfterAndMoves => 0..quiet.calls,
            Self::DiesBeforeWrite
            | Self::DiesAfterWrite
            | Self::DiesBeforeWriteAndMoves
            | Self::DiesAfterWriteAndMoves => 0..quiet.writes,
            Self::StepFails
            | Self::StepFailsAfterward
            | Self::StepFailsAndUndoes
            | Self::StepFailsAfterwardAndUndoes
            | Self::UndoFails
            | Self::UndoFailsAfterward
            | Self::UndoIsSkipped => 0..quiet.planned,
            Self::DiesBeforeGoingBack | Self::DiesAfterGoingBack => back.going_back.calls.clone(),
            Self::DiesBeforeWriteGoingBack | Self::DiesAfterWriteGoingBack => {
                back.going_back.writes.clone()
            }
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
    let quiet = tried(&corner_shop());
    let back = tried(&turns_back(corner_shop()));
    let undisturbed = quiet.picture.clone();
    let kinds = Befalls::value_variants().iter().filter(|it| only.is_none_or(|only| only == **it));
    let all: Vec<(usize, Befalls)> = kinds
        .flat_map(|kind| {
            let numbers = one.map_or(kind.numbers(&quiet, &back), |it| it..it + 1);
            numbers.map(|it| (it, *kind))
        })
        .collect();
    if one.is_none() && only.is_none() {
        add("# nothing goes wrong".to_owned(), quiet);
        add("# it is taken back in its hold".to_owned(), back);
        add("# every step runs twice".to_owned(), twice());
    }

    let next = AtomicUsize::new(0);
    side_by_side(|| {
        while let Some(&(call, befalls)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut ended = tried(&Case { told: show, ..befalls.case(call) });
            let differences = undisturbed.differences(&ended.picture);
            if !differences.is_empty() {
                ended.violations.push(format!("not as in an undisturbed run: {differences:?}"));
            }
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
    let mut ended = tried(&Case { broken: Some(Break::Twice), ..corner_shop() });
    let once: Vec<&String> =
        ended.steps.iter().filter(|(_, again)| !**again).map(|(step, _)| step).collect();
    if ended.steps.is_empty() || !once.is_empty() {
        let violation = format!("of {} steps, these ran only once: {once:?}", ended.steps.len());
        ended.violations.push(violation);
    }
    ended
}

fn corner_shop() -> Case {
    Case::quiet(0, CORNER_SHOP.to_owned())
}

/// Makes a run in which a person stops the release in its hold and takes it back, before it is done all the same.
fn turns_back(case: Case) -> Case {
    Case { turns_back: Some((0, Turn::InHold)), ..case }
}
