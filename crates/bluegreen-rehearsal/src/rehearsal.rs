//! [`rehearse`], which runs a release of a stack file in a simulated account.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_types::SdkConfig;
use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Engine, Event, Mover, Phase, Pointer, Report, Resources, Result, Store, Watcher,
    stack_file::{StackFile, Traffic},
};
use bluegreen_sim::{Faults, Settings, SimulatedAccount};

use crate::{SimulatedMover, SimulatedOutside, Timed, account, longest_chain, timeline::Clocked};

/// How long the account goes on after the release, so that what is on its way arrives.
const AFTERWARDS: Duration = Duration::from_secs(20 * 60);

/// How a release is rehearsed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The stack that is to become active; the other one is in production at the beginning.
    pub to: StackReference,
    /// What the account is made with; Region, partition and account are the stack file's.
    pub settings: Settings,
    /// What goes wrong.
    pub faults: Faults,
}

/// What came of a rehearsal.
#[derive(Debug)]
pub struct Rehearsal {
    /// What the engine reports.
    pub report: Report,
    /// When each step ran, in the order in which they began.
    pub steps: Vec<Timed>,
    /// The chain of steps that took longest, each of which waited for the one before.
    pub chain: Vec<Timed>,
    /// How long the release took, in the account's time.
    pub took: Duration,
    /// The account, as it was left.
    pub account: SimulatedAccount,
}

/// Makes an engine for `file` that works in `account`, as whoever `sdk` says, and moves the traffic there. Tests that
/// ask services, programs or people pass: see [`SimulatedOutside`].
///
/// # Errors
///
/// A setting that a toolkit refuses.
pub fn connect(file: &StackFile, account: &SimulatedAccount, sdk: &SdkConfig) -> Result<Engine> {
    let resources = Resources::connect(file, sdk)?;
    let movers: Vec<Arc<dyn Mover>> = match &file.traffic {
        Traffic::Movers(movers) => movers
            .iter()
            .map(|it| Arc::new(SimulatedMover::new(&it.name, account)) as Arc<dyn Mover>)
            .collect(),
        Traffic::Undeclared | Traffic::None => Vec::new(),
    };
    let engine = Engine::new(file, Path::new("."), resources, account.clock());
    Ok(engine.with_movers(movers).with_outside(Arc::new(SimulatedOutside::new(file))))
}

/// Builds the account that `file` describes, and moves production there to the stack `options.to`.
///
/// It is called within a tokio runtime of one thread whose clock is paused: an hour of the account takes a
/// fraction of a second, and the same options make the same rehearsal. `watcher` hears what the engine tells.
///
/// # Errors
///
/// What kept the release from running at all; a step that fails is in the report.
pub async fn rehearse(file: &StackFile, options: Options, watcher: Watcher) -> Result<Rehearsal> {
    let Options { to, settings, faults } = options;
    let account = account(file, to.partner(), settings);
    account.set_faults(faults);
    let seen = Arc::new(Mutex::new(Clocked::default()));
    let watcher = recording(&seen, &account, watcher);
    // Who serves nothing has no traffic that could tell senders of work where to.
    let watcher = match &file.traffic {
        Traffic::None => following(to, &account, watcher),
        Traffic::Undeclared | Traffic::Movers(_) => watcher,
    };
    let engine = connect(file, &account, &account.sdk_config())?.with_watcher(watcher);
    let clock = account.clock();
    let pointer = Pointer {
        active: to.partner(),
        since: clock.now(),
        reason: "for this rehearsal".to_owned(),
    };
    let store = Store::in_memory(&file.name, pointer);
    let plan = engine.plan(to)?;
    let began = account.elapsed();
    let report = engine.run(&store, &plan, Phase::Prepare, Phase::Retire).await?;
    let took = account.elapsed() - began;
    account.world(|world| {
        world.stop_producers();
        let end = world.now() + AFTERWARDS;
        world.advance(end);
    });
    let steps = seen.lock().unwrap_or_else(PoisonError::into_inner).steps.clone();
    let chain = longest_chain(&plan, &steps);
    Ok(Rehearsal { report, steps, chain, took, account })
}

/// Notes when steps begin and end, and lets `watcher` hear it all too.
fn recording(seen: &Arc<Mutex<Clocked>>, account: &SimulatedAccount, watcher: Watcher) -> Watcher {
    let (seen, account) = (Arc::clone(seen), account.clone());
    Arc::new(move |event: Event| {
        let now = account.elapsed();
        seen.lock().unwrap_or_else(PoisonError::into_inner).note(&event, now);
        watcher(event);
    })
}

/// Lets those who send work follow the pointer, and `watcher` hear it all too.
fn following(to: StackReference, account: &SimulatedAccount, watcher: Watcher) -> Watcher {
    let account = account.clone();
    Arc::new(move |event: Event| {
        if let Event::PhaseEnded { phase: Phase::Promote } = event {
            account.world(|world| world.arrive(to));
        }
        watcher(event);
    })
}
