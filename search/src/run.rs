//! One seed: a stack file, an account, what goes wrong, and whole deployments there and back.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Engine, Event, Mover, Outcome, Phase, Pointer, Resources, Store, chain,
    stack_file::{Feed, StackFile, Traffic},
};
use bluegreen_rehearsal::{SimulatedMover, account};
use bluegreen_sim::{self as sim, Change, Fault, Faults, Settings, SimulatedAccount};

use crate::{
    breaks::{self, Break},
    checks::Checker,
    files,
};

/// A release that takes longer than this waits for ever.
const FOR_EVER: Duration = Duration::from_secs(5 * 24 * 3600);

/// How often a release is gone on with when nothing goes wrong any more.
const TRIES: usize = 4;

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
    /// Whether the release goes back to where it began.
    pub(crate) back: bool,
    /// Whether every change and every step is written down.
    pub(crate) told: bool,
}

/// Something that somebody does in the middle of a release: when so many steps have begun, and later by so long.
#[derive(Clone, Debug)]
pub(crate) struct Meddling {
    /// After how many steps.
    steps: usize,
    /// How much later.
    later: Duration,
    /// What.
    what: What,
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A person moves the traffic to the other stack.
    MoveTraffic,
    /// Aurora makes a reader of the active cluster its writer.
    Failover,
    /// AWS starts the cluster that is stopped.
    Restart,
    /// A person switches off a rule of the stack that is not active.
    SwitchRule,
    /// A person sets the number of tasks of the active service.
    SetTasks,
}

impl Case {
    /// Makes the run of a seed.
    pub(crate) fn of(seed: u64, broken: Option<Break>) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let text = files::stack_file(&mut random);
        let faults = [faults(&mut random), faults(&mut random)];
        let meddling = (random.u8(..10) < 3).then(|| Meddling {
            steps: random.usize(1..25),
            later: Duration::from_secs(random.u64(0..90)),
            what: [
                What::MoveTraffic,
                What::MoveTraffic,
                What::Failover,
                What::Restart,
                What::SwitchRule,
                What::SetTasks,
            ][random.usize(..6)],
        });
        Self { seed, text, faults, meddling, broken, back: true, told: false }
    }
}

fn faults(random: &mut fastrand::Rng) -> Faults {
    let chance = [0.0, 0.0, 0.003, 0.01, 0.04][random.usize(..5)];
    // Some befall many releases, some would end nearly all of them.
    let mut kinds = vec![
        Fault::Throttled,
        Fault::ServerError(500),
        Fault::ServerError(503),
        Fault::LostBefore,
        Fault::LostAfter,
        Fault::Timeout,
        Fault::Slow(Duration::from_secs(5)),
        Fault::SlowState,
    ];
    if random.u8(..10) == 0 {
        kinds.push(Fault::Denied);
    }
    if random.u8(..10) == 0 {
        kinds.push(Fault::Broken);
    }
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
    /// The calls that the account was asked.
    pub(crate) calls: usize,
    /// What was violated.
    pub(crate) violations: Vec<String>,
    /// What happened, where that was asked for.
    pub(crate) story: Vec<String>,
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
    runtime.block_on(whole(case, &file))
}

/// One run, as it goes on.
struct Run<'a> {
    case: &'a Case,
    file: &'a StackFile,
    account: SimulatedAccount,
    store: Arc<Store>,
    checker: Arc<Mutex<Checker>>,
    story: Arc<Mutex<Vec<String>>>,
}

async fn whole(case: &Case, file: &StackFile) -> Ended {
    let from = StackReference::A;
    let settings = Settings { seed: case.seed, ..Settings::default() };
    let account = account(file, from, settings);
    let pointer =
        Pointer { active: from, since: account.clock().now(), reason: "search".to_owned() };
    let store = Arc::new(Store::in_memory(&file.name, pointer));
    let checker = Arc::new(Mutex::new(Checker::new(file, Arc::clone(&store))));
    let story = Arc::default();
    account.observe({
        let checker = Arc::clone(&checker);
        let story: Arc<Mutex<Vec<String>>> = Arc::clone(&story);
        let told = case.told;
        move |world, record| {
            lock(&checker).call(world, record);
            if told && (record.is_change() || record.outcome != sim::Outcome::Answered) {
                lock(&story).push(format!(
                    "{:>10.3} {} {} try {}: {:?} by {}",
                    record.at.as_secs_f64(),
                    record.name(),
                    record.parameters,
                    record.attempt,
                    record.outcome,
                    record.step.as_deref().unwrap_or("nobody")
                ));
            }
        }
    });
    let run = Run { case, file, account, store, checker, story };

    let legs: &[StackReference] =
        if case.back { &[from.partner(), from] } else { &[from.partner()] };
    let mut deployments = 0;
    for (leg, to) in legs.iter().enumerate() {
        run.account.set_faults(case.faults[leg].clone());
        if leg > 0 {
            run.provide_what_is_missing(*to);
        }
        if !run.leg(leg, *to).await {
            break;
        }
        deployments += 1;
    }
    run.account.world(|world| {
        world.stop_producers();
        let end = world.now() + AFTERWARDS;
        world.advance(end);
    });
    let mut checker = lock(&run.checker);
    run.account.world(|world| checker.end(world));
    let calls = run.account.world(|world| world.audit.records().len());
    let (violations, story) =
        (std::mem::take(&mut checker.violations), std::mem::take(&mut *lock(&run.story)));
    Ended { deployments, calls, violations, story }
}

impl Run<'_> {
    /// Moves production to a stack, and goes on with the release until it has ended. Returns whether it has.
    async fn leg(&self, leg: usize, to: StackReference) -> bool {
        for attempt in 0..=TRIES {
            let meddles = (leg == 0 && attempt == 0).then(|| self.case.meddling.clone()).flatten();
            let result = tokio::time::timeout(FOR_EVER, self.attempt(to, meddles)).await;
            let report = match result {
                Err(_) => {
                    lock(&self.checker).violated(format!("the release to {to} waits for ever"));
                    return false;
                }
                Ok(Err(err)) => {
                    let text = chain(&err);
                    // The same as a report of a refusal: nothing was changed.
                    (None, text)
                }
                Ok(Ok(report)) => {
                    let mut checker = lock(&self.checker);
                    self.account.world(|world| checker.report(world, &report));
                    let text = format!(
                        "{:?}: {:?} {:?} {:?}",
                        report.outcome,
                        report.refusals,
                        report.missing,
                        report
                            .steps
                            .iter()
                            .filter_map(|it| it
                                .error
                                .as_ref()
                                .map(|err| format!("{}: {err}", it.step)))
                            .collect::<Vec<_>>()
                    );
                    (Some(report.outcome), text)
                }
            };
            match report {
                (Some(Outcome::Done | Outcome::AlreadyThere), _) => {
                    let mut checker = lock(&self.checker);
                    self.account.world(|world| checker.done(world, to));
                    return true;
                }
                (_, text) if attempt == TRIES => {
                    lock(&self.checker).violated(format!(
                        "nothing goes wrong any more, and the release to {to} still does not end: {text}"
                    ));
                }
                _ => {}
            }
            // From here on nothing goes wrong any more, and what was broken is mended.
            self.account.set_faults(Faults::none());
            self.mend();
            lock(&self.checker).begins_again();
        }
        false
    }

    /// Runs the command once, as a new process would.
    async fn attempt(
        &self,
        to: StackReference,
        meddling: Option<Meddling>,
    ) -> bluegreen_deploy::Result<bluegreen_deploy::Report> {
        let mut resources = Resources::connect(self.file, &self.account.sdk_config())?;
        if let Some(how) = self.case.broken {
            resources = breaks::broken(resources, how);
        }
        let movers: Vec<Arc<dyn Mover>> = match &self.file.traffic {
            Traffic::Movers(movers) => movers
                .iter()
                .map(|it| Arc::new(SimulatedMover::new(&it.name, &self.account)) as Arc<dyn Mover>)
                .collect(),
            Traffic::Undeclared | Traffic::None => Vec::new(),
        };
        let engine = Engine::new(self.file, Path::new("."), resources, self.account.clock())
            .with_movers(movers)
            .with_watcher(self.watcher(meddling));
        let plan = engine.plan(to)?;
        engine.run(&self.store, &plan, Phase::Prepare, Phase::Retire).await
    }

    fn watcher(&self, meddling: Option<Meddling>) -> bluegreen_deploy::Watcher {
        let (account, store) = (self.account.clone(), Arc::clone(&self.store));
        let checker = Arc::clone(&self.checker);
        let begun = Mutex::new(0);
        let follows_pointer = self.file.traffic == Traffic::None;
        let file = self.file.clone();
        let (story, told) = (Arc::clone(&self.story), self.case.told);
        Arc::new(move |event| {
            if told && !matches!(event, Event::StepWaits { .. }) {
                let at = account.elapsed().as_secs_f64();
                lock(&story).push(format!("{at:>10.3} {event:?}"));
            }
            if let Event::StepStarted { .. } = event {
                let mut begun = lock(&begun);
                *begun += 1;
                if let Some(meddling) = meddling.as_ref().filter(|it| it.steps == *begun) {
                    let active = store.pointer().active;
                    account.world(|world| meddle(world, &file, active, meddling));
                    lock(&checker).meddled(meddling.what);
                }
            }
            // Who serves nothing has no traffic that could tell senders of work where to.
            if let Event::PhaseEnded { phase: Phase::Promote } = event
                && follows_pointer
            {
                let active = store.pointer().active;
                account.world(|world| world.traffic.arrive(active));
            }
        })
    }

    /// Does what the users' own tooling does before a release: makes what the last one deleted.
    fn provide_what_is_missing(&self, stack: StackReference) {
        self.account.world(|world| {
            for it in &self.file.aurora {
                let name = it.settings.config.clusters.of(stack);
                if world.rds.cluster(name).is_none() {
                    world.add_cluster(name, it.settings.config.minimum_readers, "available");
                }
            }
            for it in &self.file.dynamodb {
                let name = it.settings.config.tables.of(stack);
                if world.dynamodb.table(name).is_none() {
                    world.add_table(name);
                }
            }
        });
    }

    /// Mends what AWS has broken, and takes back what a person has done wrong.
    fn mend(&self) {
        let active = self.store.pointer().active;
        let target = self.store.release().map(|it| it.target);
        self.account.world(|world| {
            for it in &self.file.aurora {
                for stack in StackReference::BOTH {
                    let name = it.settings.config.clusters.of(stack);
                    let broken = world.rds.cluster(name).is_some_and(|it| it.is_broken());
                    if broken {
                        world.add_cluster(
                            name,
                            it.settings.config.minimum_readers + 1,
                            "available",
                        );
                    }
                }
            }
            // Traffic that a person has moved away goes back, unless the release is about to move it.
            if self.file.traffic != Traffic::None && world.traffic.on() != Some(active) {
                let promoting = target.is_some_and(|it| it != active);
                if !promoting {
                    world.traffic.arrive(active);
                }
            }
            // So does the work that went with it, where nobody does it any more.
            if self.case.meddling.as_ref().is_some_and(|it| it.what == What::MoveTraffic) {
                for it in self.file.sqs.iter().filter(|it| it.settings.feed == Feed::Work) {
                    let queues = &it.settings.config.queues;
                    world.move_messages(queues.of(active.partner()), queues.of(active));
                }
            }
        });
    }
}

fn meddle(world: &mut sim::World, file: &StackFile, active: StackReference, meddling: &Meddling) {
    let aurora = file.aurora.first().map(|it| &it.settings.config.clusters);
    let change = match meddling.what {
        What::MoveTraffic => match &file.traffic {
            Traffic::Movers(_) => Some(Change::MoveTraffic(active.partner())),
            _ => None,
        },
        What::Failover => aurora.map(|it| Change::Failover(it.of(active).clone())),
        What::Restart => aurora.map(|it| Change::Restart(it.of(active.partner()).clone())),
        What::SwitchRule => file.lambda.first().map(|it| {
            let function = it.settings.config.functions.of(active.partner());
            Change::SwitchRule("default".to_owned(), format!("{function}-regularly"), false)
        }),
        What::SetTasks => file.ecs.first().map(|it| {
            let config = &it.settings.config;
            Change::SetTasks(config.cluster.clone(), config.services.of(active).clone(), 5)
        }),
    };
    if let Some(change) = change {
        world.schedule(meddling.later, sim::Event::Change(change));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
