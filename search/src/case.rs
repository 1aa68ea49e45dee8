//! [`Case`], what one run is about: what all chance comes from, and what befalls it.

use std::{fmt, time::Duration};

use bluegreen_deploy::StepId;
use bluegreen_sim::{Fault, Faults};

use crate::{
    breaks::Break,
    failing::Failure,
    files,
    people::{Meddling, What},
    process::Stop,
};

/// How long a lease lives that nobody renews, where there are several machines.
const LEASE: Duration = Duration::from_secs(300);

/// What one run is about.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What all chance comes from.
    pub(crate) seed: u64,
    /// The stack file.
    pub(crate) text: String,
    /// What goes wrong with calls, on the way there and on the way back.
    pub(crate) faults: [Faults; 2],
    /// What AWS or people do meanwhile.
    pub(crate) meddling: Option<Meddling>,
    /// How the engine is broken.
    pub(crate) broken: Option<Break>,
    /// At which write of the store the process dies, counted from 0, and whether that write is still made.
    pub(crate) dies_at_write: Option<(usize, bool)>,
    /// How long a lease lives that nobody renews; `None` when all processes are on one machine.
    pub(crate) lease: Option<Duration>,
    /// When a person stops the release and takes it back: on the way there, 0, or back, 1.
    pub(crate) turns_back: Option<(usize, Turn)>,
    /// Whether a release whose process has died is taken back, the first time.
    pub(crate) gives_up: bool,
    /// Where the process is stopped without knowing it.
    pub(crate) stop: Option<Stop>,
    /// What fails for good.
    pub(crate) fails: Option<Failure>,
    /// Whether the release goes back to where it began.
    pub(crate) back: bool,
    /// Whether every call and every step is written down.
    pub(crate) told: bool,
}

/// When a person turns back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// When so many steps have begun.
    AfterSteps(usize),
    /// In the hold.
    InHold,
}

impl Turn {
    /// Returns whether this step is when, of those that have begun.
    pub(crate) fn is_due(self, step: &StepId, begun: usize) -> bool {
        match self {
            Self::AfterSteps(steps) => steps == begun,
            Self::InHold => step.name == "release.hold",
        }
    }
}

impl Case {
    /// Makes the run of a seed.
    pub(crate) fn of(seed: u64, broken: Option<Break>) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let text = files::stack_file(&mut random);
        let faults = [faults(&mut random), faults(&mut random)];
        let meddling = (random.u8(..10) < 3).then(|| Meddling {
            leg: random.usize(..2),
            steps: random.usize(1..25),
            later: Duration::from_secs(random.u64(0..90)),
            what: [
                What::MoveTraffic,
                What::MoveTraffic,
                What::Failover,
                What::Restart,
                What::SwitchRule,
                What::SetTasks,
                What::SwitchAlarm,
            ][random.usize(..7)],
        });
        let lease = random.bool().then_some(LEASE);
        let turns_back = (random.u8(..10) < 2)
            .then(|| (random.usize(..2), Turn::AfterSteps(random.usize(1..30))));
        let gives_up = random.u8(..10) < 4;
        let stop = (random.u8(..10) < 2).then(|| Stop {
            leg: random.usize(..2),
            steps: random.usize(1..25),
            lasts: Duration::from_secs(random.u64(1..1_500)),
        });
        let undoes = random.u8(..10) < 2;
        let text = match undoes {
            true => text.replace("[release]\n", "[release]\non-failure = \"undo\"\n"),
            false => text,
        };
        let mut meddling = meddling;
        if let Some(it) = meddling.as_mut().filter(|_| random.u8(..5) == 0) {
            it.what = What::SwitchOff;
        }
        let case = Self::quiet(seed, text);
        Self { faults, meddling, broken, lease, turns_back, gives_up, stop, back: true, ..case }
    }

    /// Makes a run of a stack file in which nothing goes wrong, and which does not go back.
    pub(crate) fn quiet(seed: u64, text: String) -> Self {
        Self {
            seed,
            text,
            faults: [Faults::none(), Faults::none()],
            meddling: None,
            broken: None,
            dies_at_write: None,
            lease: None,
            turns_back: None,
            gives_up: false,
            stop: None,
            fails: None,
            back: false,
            told: false,
        }
    }
}

fn faults(random: &mut fastrand::Rng) -> Faults {
    let chance = [0.0, 0.0, 0.003, 0.01, 0.04][random.usize(..5)];
    // Some befall many releases, some would end nearly all of them.
    let rare = [Fault::Denied, Fault::Broken, Fault::DiesBefore, Fault::DiesAfter];
    let rare = rare.map(|it| (it, random.u8(..10) == 0));
    let happens = |it: &Fault| rare.iter().all(|(fault, happens)| fault != it || *happens);
    let kinds: Vec<Fault> = Fault::ALL.into_iter().filter(happens).collect();
    Faults::none().by_chance(chance, &kinds)
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# seed {}\n{}", self.seed, self.text)?;
        writeln!(f, "# faults there: {:?}", self.faults[0])?;
        writeln!(f, "# faults back: {:?}", self.faults[1])?;
        writeln!(f, "# meddling: {:?}", self.meddling)?;
        writeln!(f, "# lease: {:?}, turns back: {:?}", self.lease, self.turns_back)?;
        write!(f, "# gives up: {}, stops: {:?}", self.gives_up, self.stop)
    }
}
