//! One seed: a stack file, an account, what goes wrong, and whole deployments there and back.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_types::SdkConfig;
use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Event, LeastPolicy, MemoryStorage, Owner, Phase, Plan, Pointer, Purpose, Report, Result,
    StepId, Storage, Store, Watcher, chain,
    stack_file::{StackFile, Traffic},
};
use bluegreen_rehearsal::{account, connect};
use bluegreen_sim::{self as sim, Policy, Record, Settings, SimulatedAccount};

use crate::{
    breaks::AGAIN,
    case::Case,
    checks::Checker,
    failing::Failing,
    kept::{Kept, Life},
    people::provide,
    picture::Picture,
    process::{Interruption, PROCESSES},
};

/// A release that takes longer than this waits for ever.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(5 * 24 * 3600);

/// How often a release is gone on with when nothing goes wrong any more: what takes AWS ten times as long as usual,
/// three quarters of an hour, is waited for ten minutes each time.
pub(crate) const TRIES: usize = 5;

/// How often a process may die in a release.
pub(crate) const DEATHS: usize = 20;

/// How long the account goes on in the end, so that what is on its way arrives.
const AFTERWARDS: Duration = Duration::from_secs(30 * 60);

/// How a run ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Whole deployments that ended as they should.
    pub(crate) deployments: usize,
    /// How many calls the account was asked.
    pub(crate) calls: usize,
    /// How often the store was written.
    pub(crate) writes: usize,
    /// How many steps there are in the plan.
    pub(crate) planned: usize,
    /// Which calls and writes took it back the first time, where it was.
    pub(crate) going_back: GoingBack,
    /// How the account is in the end.
    pub(crate) picture: Picture,
    /// What was violated.
    pub(crate) violations: Vec<String>,
    /// The steps that have ended well, with whether they were brought about a second time.
    pub(crate) steps: BTreeMap<String, bool>,
    /// What happened, where that was asked for.
    pub(crate) story: Vec<String>,
    /// Every call, where that was asked for.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests compare it"))]
    pub(crate) audit: Vec<Record>,
}

/// The calls, and the writes of the store, by which a release was taken back.
#[derive(Clone, Debug, Default)]
pub(crate) struct GoingBack {
    pub(crate) calls: Range<usize>,
    pub(crate) writes: Range<usize>,
}

impl GoingBack {
    /// Notes how many calls and writes there were when it began.
    pub(crate) fn begin(&mut self, (calls, writes): (usize, usize)) {
        (self.calls, self.writes) = (calls..calls, writes..writes);
    }

    /// Notes how many there were when it had ended.
    pub(crate) fn end(&mut self, (calls, writes): (usize, usize)) {
        (self.calls.end, self.writes.end) = (calls, writes);
    }
}

/// Runs a case under virtual time.
pub(crate) fn run(case: &Case) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without input and output needs nothing of the system");
    let path = Path::new("bluegreen.toml");
    let file = StackFile::parse(&case.text, path, &|_| None)
        .unwrap_or_else(|err| panic!("a stack file of the search's own: {err}\n{}", case.text));
    let ended = runtime.block_on(whole(case, &file));
    ended.unwrap_or_else(|err| panic!("an engine of the search's own: {}", chain(&err)))
}

/// One run, as it goes on.
pub(crate) struct Run<'a> {
    pub(crate) case: &'a Case,
    pub(crate) file: &'a StackFile,
    pub(crate) account: SimulatedAccount,
    /// Of roles that may do what the stack file needs, and nothing else: one for each process.
    pub(crate) sdks: [SdkConfig; 2],
    pub(crate) storage: MemoryStorage,
    pub(crate) kept: Kept,
    pub(crate) seen: Arc<Mutex<Seen>>,
    pub(crate) life: Arc<Life>,
    pub(crate) failing: Option<Arc<Failing>>,
}

/// What the run has seen.
pub(crate) struct Seen {
    pub(crate) checker: Checker,
    pub(crate) going_back: GoingBack,
    story: Vec<String>,
    /// When each step that is under way has begun.
    began: BTreeMap<StepId, Duration>,
    again: BTreeSet<StepId>,
    steps: BTreeMap<String, bool>,
}

async fn whole(case: &Case, file: &StackFile) -> Result<Ended> {
    let from = StackReference::A;
    let settings = Settings { seed: case.seed, ..Settings::default() };
    let account = account(file, from, settings);
    let sdks = least(file, &account)?;
    let pointer =
        Pointer { active: from, since: account.clock().now(), reason: "search".to_owned() };
    let life = Arc::new(Life::default());
    let storage = MemoryStorage::new(case.lease);
    let kept = Kept(storage.clone());
    let adopting = Owner { name: "a person".to_owned(), clock: account.clock() };
    let adopted: Arc<dyn Storage> = Arc::new(storage.clone());
    Store::adopt(adopted, &file.name, &adopting, pointer).await?.close().await?;
    let seen = Arc::new(Mutex::new(Seen {
        checker: Checker::new(file, kept.clone()),
        going_back: GoingBack::default(),
        story: Vec::new(),
        began: BTreeMap::new(),
        again: BTreeSet::new(),
        steps: BTreeMap::new(),
    }));
    account.observe({
        let (seen, told) = (Arc::clone(&seen), case.told);
        move |world, record| {
            let mut seen = lock(&seen);
            seen.checker.call(world, record);
            if told && (record.is_change() || record.outcome != sim::Outcome::Answered) {
                seen.story.push(told_call(record));
            }
        }
    });
    let failing = case.fails.map(|it| Arc::new(Failing::new(it)));
    let run = Run { case, file, account, sdks, storage, kept, seen, life, failing };

    let legs: &[StackReference] =
        if case.back { &[from.partner(), from] } else { &[from.partner()] };
    let mut deployments = 0;
    for (leg, to) in legs.iter().enumerate() {
        run.account.set_faults(case.faults[leg].clone());
        if leg > 0 {
            run.account.world(|world| provide(world, file, *to));
        }
        let has_moved = match &run.failing {
            Some(failing) => run.fails(failing, *to).await?,
            None => run.leg(leg, *to).await?,
        };
        if !has_moved {
            break;
        }
        deployments += 1;
    }
    run.account.world(|world| {
        world.stop_producers();
        let end = world.now() + AFTERWARDS;
        world.advance(end);
    });
    let mut seen = lock(&run.seen);
    run.account.world(|world| seen.checker.end(world));
    let (calls, audit) = run.account.world(|world| {
        let records = world.audit.records();
        (records.len(), if case.told { records.to_vec() } else { Vec::new() })
    });
    Ok(Ended {
        deployments,
        calls,
        writes: run.life.writes.load(Ordering::Relaxed),
        planned: run.plan(from.partner())?.steps().len(),
        picture: run.picture(),
        going_back: std::mem::take(&mut seen.going_back),
        violations: std::mem::take(&mut seen.checker.violations),
        steps: std::mem::take(&mut seen.steps),
        story: std::mem::take(&mut seen.story),
        audit,
    })
}

/// Makes the roles that `bluegreen iam-policy` is for.
fn least(file: &StackFile, account: &SimulatedAccount) -> Result<[SdkConfig; 2]> {
    let engine = connect(file, account, &account.sdk_config())?;
    let plans = [engine.plan(StackReference::A)?, engine.plan(StackReference::B)?];
    let policy = LeastPolicy::of(file, &plans, Purpose::Deploy).document().to_string();
    let policy = Policy::parse(&policy)
        .unwrap_or_else(|err| panic!("a policy of the engine's own: {err}\n{policy}"));
    Ok(PROCESSES.map(|it| account.sdk_config_for(it, policy.clone())))
}

fn told_call(record: &Record) -> String {
    format!(
        "{:>10.3} {} {} try {}: {:?} by {}",
        record.at.as_secs_f64(),
        record.name(),
        record.parameters,
        record.attempt,
        record.outcome,
        record.step.as_deref().unwrap_or("nobody")
    )
}

impl Run<'_> {
    pub(crate) fn watcher(&self, plan: &Plan, interruption: Interruption) -> Watcher {
        let undos = plan.steps().into_iter().filter_map(|it| it.step.undo());
        let steps = plan.steps().into_iter().map(|it| Arc::clone(&it.step));
        let lasts: BTreeMap<StepId, Duration> =
            steps.chain(undos).map(|it| (it.id(), it.lasts())).collect();
        let (account, kept, seen) =
            (self.account.clone(), self.kept.clone(), Arc::clone(&self.seen));
        let (file, told) = (self.file.clone(), self.case.told);
        let begun = AtomicUsize::new(0);
        Arc::new(move |event| {
            let now = account.elapsed();
            let active = kept.pointer().active;
            let mut meddles = None;
            {
                let mut seen = lock(&seen);
                if told && !matches!(event, Event::StepWaits { .. }) {
                    seen.story.push(format!("{:>10.3} {event:?}", now.as_secs_f64()));
                }
                match &event {
                    Event::StepStarted { step } => {
                        seen.began.insert(step.clone(), now);
                        let count = begun.fetch_add(1, Ordering::Relaxed) + 1;
                        let Interruption { cancels, stops, meddling } = &interruption;
                        meddles = meddling.as_ref().filter(|it| it.steps == count);
                        if let Some((turn, cancel)) = cancels
                            && turn.is_due(step, count)
                        {
                            cancel.cancel();
                        }
                        if let Some((_, switch)) = stops.as_ref().filter(|it| it.0 == count) {
                            switch.stop();
                        }
                    }
                    Event::StepActs { step, to, .. } if to == AGAIN => {
                        seen.again.insert(step.clone());
                    }
                    Event::StepEnded { report } => {
                        let step = &report.step;
                        let took = now - seen.began.get(step).copied().unwrap_or(now);
                        let least = lasts.get(step).copied().unwrap_or_default();
                        let well = report.error.is_none();
                        seen.checker.step_ended(step, least, took, well);
                        if well {
                            let again = seen.again.contains(step);
                            seen.steps.insert(step.to_string(), again);
                        }
                    }
                    _ => {}
                }
            }
            if let Some(meddling) = meddles
                && account.world(|world| meddling.happen(world, &file, active))
            {
                lock(&seen).checker.meddled = Some(meddling.what);
            }
            // Who serves nothing has no traffic that could tell senders of work where to.
            if let Event::PhaseEnded { phase: Phase::Promote } = event
                && file.traffic == Traffic::None
            {
                account.world(|world| world.arrive(active));
            }
        })
    }
}

/// Says how a run ended that did not end well.
pub(crate) fn complaints(report: &Report) -> String {
    let steps = report.steps.iter();
    let errors: Vec<String> =
        steps.filter_map(|it| it.error.as_ref().map(|err| format!("{}: {err}", it.step))).collect();
    format!("{:?}: {:?} {:?} {errors:?}", report.outcome, report.refusals, report.missing)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
