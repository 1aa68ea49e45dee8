//! One seed: a stack file, an account, what goes wrong, and whole deployments there and back.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use aws_types::SdkConfig;
use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Event, LeastPolicy, MemoryStorage, Outcome, Owner, Phase, Plan, Pointer, Purpose, Report,
    Result, StepId, Storage, Store, Watcher, chain,
    stack_file::{StackFile, Traffic},
};
use bluegreen_rehearsal::{account, connect};
use bluegreen_sim::{self as sim, Fault, Faults, Policy, Record, Settings, SimulatedAccount};

use crate::{
    breaks::{self, AGAIN, Break},
    checks::Checker,
    files,
    kept::{Kept, Life, Mortal},
    people::{Meddling, What, mend, provide},
};

/// A release that takes longer than this waits for ever.
const FOR_EVER: Duration = Duration::from_secs(5 * 24 * 3600);

/// How often a release is gone on with when nothing goes wrong any more: what takes AWS ten times as long as usual,
/// three quarters of an hour, is waited for ten minutes each time.
const TRIES: usize = 5;

/// How often a process may die in a release.
const DEATHS: usize = 20;

/// How long the account goes on in the end, so that what is on its way arrives.
const AFTERWARDS: Duration = Duration::from_secs(30 * 60);

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
    /// Whether the release goes back to where it began.
    pub(crate) back: bool,
    /// Whether every call and every step is written down.
    pub(crate) told: bool,
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
        Self { seed, text, faults, meddling, broken, dies_at_write: None, back: true, told: false }
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
        write!(f, "# meddling: {:?}", self.meddling)
    }
}

/// How a run ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Whole deployments that ended as they should.
    pub(crate) deployments: usize,
    /// How many calls the account was asked.
    pub(crate) calls: usize,
    /// How often the store was written.
    pub(crate) writes: usize,
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
struct Run<'a> {
    case: &'a Case,
    file: &'a StackFile,
    account: SimulatedAccount,
    /// Of a role that may do what the stack file needs, and nothing else.
    sdk: SdkConfig,
    storage: MemoryStorage,
    kept: Kept,
    seen: Arc<Mutex<Seen>>,
    life: Arc<Life>,
}

/// What the run has seen.
struct Seen {
    checker: Checker,
    story: Vec<String>,
    /// When each step that is under way has begun.
    began: BTreeMap<StepId, Duration>,
    again: BTreeSet<StepId>,
    steps: BTreeMap<String, bool>,
    /// How many steps have begun since the command was run.
    count: usize,
}

async fn whole(case: &Case, file: &StackFile) -> Result<Ended> {
    let from = StackReference::A;
    let settings = Settings { seed: case.seed, ..Settings::default() };
    let account = account(file, from, settings);
    let sdk = least(file, &account)?;
    let pointer =
        Pointer { active: from, since: account.clock().now(), reason: "search".to_owned() };
    let life = Arc::new(Life::default());
    let storage = MemoryStorage::new(None);
    let kept = Kept(storage.clone());
    let adopting = Owner { name: "a person".to_owned(), clock: account.clock() };
    let adopted: Arc<dyn Storage> = Arc::new(storage.clone());
    Store::adopt(adopted, &file.name, &adopting, pointer).await?.close().await?;
    let seen = Arc::new(Mutex::new(Seen {
        checker: Checker::new(file, kept.clone()),
        story: Vec::new(),
        began: BTreeMap::new(),
        again: BTreeSet::new(),
        steps: BTreeMap::new(),
        count: 0,
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
    let run = Run { case, file, account, sdk, storage, kept, seen, life };

    let legs: &[StackReference] =
        if case.back { &[from.partner(), from] } else { &[from.partner()] };
    let mut deployments = 0;
    for (leg, to) in legs.iter().enumerate() {
        run.account.set_faults(case.faults[leg].clone());
        if leg > 0 {
            run.account.world(|world| provide(world, file, *to));
        }
        if !run.leg(leg, *to).await? {
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
        violations: std::mem::take(&mut seen.checker.violations),
        steps: std::mem::take(&mut seen.steps),
        story: std::mem::take(&mut seen.story),
        audit,
    })
}

/// Makes the role that `bluegreen iam-policy` is for.
fn least(file: &StackFile, account: &SimulatedAccount) -> Result<SdkConfig> {
    let engine = connect(file, account, &account.sdk_config())?;
    let plans = [engine.plan(StackReference::A)?, engine.plan(StackReference::B)?];
    let policy = LeastPolicy::of(file, &plans, Purpose::Deploy).document().to_string();
    let policy = Policy::parse(&policy)
        .unwrap_or_else(|err| panic!("a policy of the engine's own: {err}\n{policy}"));
    Ok(account.sdk_config_for("deployer", policy))
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
    /// Moves production to a stack, and goes on with the release until it has ended. Returns whether it has.
    async fn leg(&self, leg: usize, to: StackReference) -> Result<bool> {
        let mut attempt = 0;
        let mut deaths = 0;
        let mut meddling = self.case.meddling.as_ref().filter(|it| it.leg == leg).cloned();
        while attempt <= TRIES {
            lock(&self.seen).checker.begins();
            let attempted = self.attempt(to, meddling.take());
            let attempted = tokio::time::timeout(FOR_EVER, attempted);
            let result = tokio::select! {
                biased;
                () = self.account.caller_died() => None,
                result = attempted => Some(result),
            };
            // What a process that has died would have reported, nobody has heard.
            let is_over = self.life.is_over.swap(false, Ordering::Relaxed);
            let result = result.filter(|_| !is_over);
            // The same command again, in a new process.
            let Some(result) = result else {
                self.storage.end_lease();
                deaths += 1;
                if deaths == DEATHS {
                    self.account.set_faults(Faults::none());
                }
                continue;
            };
            let Ok(result) = result else {
                lock(&self.seen).checker.violated(format!("the release to {to} waits for ever"));
                return Ok(false);
            };
            lock(&self.seen).checker.report(result.as_ref().ok());
            match result.as_ref().map(|it| it.outcome) {
                Ok(Outcome::Done | Outcome::AlreadyThere) => {
                    self.account.world(|world| lock(&self.seen).checker.done(world, to));
                    return Ok(true);
                }
                _ if attempt == TRIES => {
                    let ended = result.as_ref().map_or_else(chain, complaints);
                    lock(&self.seen).checker.violated(format!(
                        "nothing goes wrong any more, and the release to {to} still does not end: {ended}"
                    ));
                }
                _ => {}
            }
            // From here on nothing goes wrong any more, and what was broken is mended.
            self.account.set_faults(Faults::none());
            let active = self.kept.pointer().active;
            let open = self.kept.release().filter(|it| it.ended.is_none());
            let moves = open.is_some_and(|it| it.target != active);
            let meddled = lock(&self.seen).checker.meddled;
            self.account.world(|world| mend(world, self.file, active, moves, meddled));
            attempt += 1;
        }
        Ok(false)
    }

    /// Runs the command once, as a new process would.
    async fn attempt(&self, to: StackReference, meddling: Option<Meddling>) -> Result<Report> {
        let engine = connect(self.file, &self.account, &self.sdk)?;
        let plan = breaks::plan(&engine, to, self.case.broken)?;
        let engine = engine.with_watcher(self.watcher(&plan, meddling));
        let storage: Arc<dyn Storage> = Arc::new(Mortal {
            storage: self.storage.clone(),
            life: Arc::clone(&self.life),
            account: self.account.clone(),
            dies: self.case.dies_at_write,
        });
        let owner = Owner { name: "a process".to_owned(), clock: self.account.clock() };
        let store = Store::lock(storage, &self.file.name, &owner, |_, _| {}).await?;
        let store = store.unwrap_or_else(|| panic!("the store is gone"));
        let ended = engine.run(&store, &plan, Phase::Prepare, Phase::Retire).await;
        store.close().await?;
        ended
    }

    fn watcher(&self, plan: &Plan, meddling: Option<Meddling>) -> Watcher {
        let lasts: BTreeMap<StepId, Duration> =
            plan.steps().iter().map(|it| (it.step.id(), it.step.lasts())).collect();
        let (account, kept, seen) =
            (self.account.clone(), self.kept.clone(), Arc::clone(&self.seen));
        let (file, told) = (self.file.clone(), self.case.told);
        lock(&seen).count = 0;
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
                        seen.count += 1;
                        meddles = meddling.as_ref().filter(|it| it.steps == seen.count);
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
fn complaints(report: &Report) -> String {
    let steps = report.steps.iter();
    let errors: Vec<String> =
        steps.filter_map(|it| it.error.as_ref().map(|err| format!("{}: {err}", it.step))).collect();
    format!("{:?}: {:?} {:?} {errors:?}", report.outcome, report.refusals, report.missing)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
