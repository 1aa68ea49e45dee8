//! What a process does: a command, its store, and what befalls it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Engine, Error, Fence, Outcome, Owner, Phase, Plan, Release, Report, Result, Storage, Store,
    chain, stack_file::Traffic,
};
use bluegreen_rehearsal::connect;
use bluegreen_sim::Faults;
use tokio_util::sync::CancellationToken;

use crate::{
    breaks::{self, Break},
    case::Turn,
    kept::Mortal,
    people::{Meddling, Moves, mend},
    picture::Picture,
    run::{DEATHS, FOR_EVER, Run, TRIES, complaints, lock},
    stopped::{Stoppable, Switch},
};

/// What is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `bluegreen deploy --until PHASE`.
    Deploy(Phase),
    /// `bluegreen rollback`.
    Rollback,
}

/// What happens in a process once so many of its steps have begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interruption {
    /// A person stops it with Ctrl-C.
    pub(crate) cancels: Option<(Turn, CancellationToken)>,
    /// It is stopped without knowing it.
    pub(crate) stops: Option<(usize, Arc<Switch>)>,
    /// Somebody does something to the account.
    pub(crate) meddling: Option<Meddling>,
}

/// A process that is stopped in the middle of a release, while somebody else runs the same command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// On the way there, 0, or back, 1.
    pub(crate) leg: usize,
    /// After how many steps.
    pub(crate) steps: usize,
    /// For how long.
    pub(crate) lasts: Duration,
}

impl Run<'_> {
    /// Moves production to a stack, and goes on with the release until it has ended. Returns whether it has.
    pub(crate) async fn leg(&self, leg: usize, to: StackReference) -> Result<bool> {
        let before = self.picture();
        let (mut attempt, mut deaths, mut mended) = (0, 0, false);
        let mut meddling = self.case.meddling.as_ref().filter(|it| it.leg == leg).cloned();
        let mut turns_back = self.case.turns_back.filter(|it| it.0 == leg);
        let mut stop = self.case.stop.filter(|it| it.leg == leg);
        let mut gives_up = self.case.gives_up;
        let mut command = Command::Deploy(Phase::Retire);
        // Where the lease is what tells the dead from the living, it is another machine that goes on.
        let mut machine = 0;
        while attempt <= TRIES {
            lock(&self.seen).checker.begins();
            let cancel = CancellationToken::new();
            let turning = turns_back.take();
            let interruption = Interruption {
                cancels: turning.map(|(_, turn)| (turn, cancel.clone())),
                stops: None,
                meddling: meddling.take(),
            };
            let attempted = async {
                match stop.take() {
                    Some(stop) => self.stopped(command, to, stop, interruption).await,
                    None => {
                        let cancel = cancel.clone();
                        self.attempt(command, to, machine, interruption, cancel).await
                    }
                }
            };
            let attempted = tokio::time::timeout(FOR_EVER, attempted);
            let result = tokio::select! {
                biased;
                () = self.account.caller_died() => None,
                result = attempted => Some(result),
            };
            // What a process that has died would have reported, nobody has heard.
            let is_over = self.life.is_over.swap(false, Ordering::Relaxed);
            let result = result.filter(|_| !is_over);
            let Some(result) = result else {
                // On the same machine the operating system knows at once; elsewhere the lease is watched.
                if self.case.lease.is_none() {
                    self.storage.end_lease();
                } else {
                    machine = (machine + 1) % PROCESSES.len();
                }
                deaths += 1;
                if deaths == DEATHS {
                    self.account.set_faults(Faults::none());
                }
                // The same command again, in a new process, or enough of it.
                if std::mem::take(&mut gives_up) {
                    command = Command::Rollback;
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
                Ok(Outcome::TakenBack) => {
                    lock(&self.seen).going_back.end(self.counts());
                    // Who serves nothing has no traffic that could tell senders of work where to.
                    if self.file.traffic == Traffic::None {
                        let active = self.kept.pointer().active;
                        self.account.world(|world| world.arrive(active));
                    }
                    let meddled = lock(&self.seen).checker.meddled.is_some();
                    let differences = before.differences(&self.picture());
                    if !mended && !meddled && !differences.is_empty() {
                        let what = format!("taken back, and yet otherwise: {differences:?}");
                        lock(&self.seen).checker.violated(what);
                    }
                    self.account.set_faults(Faults::none());
                    command = Command::Deploy(Phase::Retire);
                    attempt += 1;
                    continue;
                }
                Ok(Outcome::Interrupted) if turning.is_some() => {
                    lock(&self.seen).going_back.begin(self.counts());
                    command = Command::Rollback;
                    continue;
                }
                // Too late to take it back: it goes on.
                Err(Error::Refused { .. })
                    if command == Command::Rollback
                        && self.kept.release().is_some_and(|it| it.going_back.is_none()) =>
                {
                    command = Command::Deploy(Phase::Retire);
                    attempt += 1;
                    continue;
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
            let goes_back = open.as_ref().is_some_and(|it| it.going_back.is_some());
            command = if goes_back { Command::Rollback } else { Command::Deploy(Phase::Retire) };
            // Until everything is prepared, a release that finds traffic elsewhere stands still.
            let prepared = |it: &Release| it.phases.contains_key(&Phase::Prepare);
            let moves = match open {
                Some(it) if goes_back && it.target == active => Moves::Back,
                Some(it) if !goes_back && it.target != active && prepared(&it) => Moves::Forward,
                _ => Moves::Nowhere,
            };
            let meddled = lock(&self.seen).checker.meddled;
            mended |= self.account.world(|world| mend(world, self.file, active, moves, meddled));
            attempt += 1;
        }
        Ok(false)
    }

    /// Returns how many calls and how many writes there were so far.
    fn counts(&self) -> (usize, usize) {
        let calls = self.account.world(|world| world.audit.records().len());
        (calls, self.life.writes.load(Ordering::Relaxed))
    }

    /// Runs a command that is stopped for a while, while somebody else on another machine runs the same.
    async fn stopped(
        &self,
        command: Command,
        to: StackReference,
        stop: Stop,
        interruption: Interruption,
    ) -> Result<Report> {
        let switch = Arc::new(Switch::default());
        let stops = Some((stop.steps, Arc::clone(&switch)));
        let interruption = Interruption { stops, ..interruption };
        let cancel = CancellationToken::new();
        let work = Box::pin(self.attempt(command, to, 0, interruption, cancel));
        let mut first = Stoppable { work, switch: Arc::clone(&switch) };
        tokio::select! {
            biased;
            // It ended before it was stopped.
            ended = &mut first => return ended,
            () = switch.stopped() => {}
        }
        lock(&self.seen).checker.stopped_for = stop.lasts;
        let lost = self.case.lease.is_some_and(|it| stop.lasts >= it);
        let goes_on = async {
            #[expect(clippy::disallowed_methods, reason = "it is stopped for a while")]
            tokio::time::sleep(stop.lasts).await;
            let now = (self.account.elapsed(), self.account.clock().now());
            if lost {
                lock(&self.seen).checker.stale_since = Some(now.0);
            }
            switch.go_on();
            now.1
        };
        let (nothing, cancel) = (Interruption::default(), CancellationToken::new());
        let other = self.attempt(command, to, 1, nothing, cancel);
        let (own, since, other) = tokio::join!(first, goes_on, other);
        let written = self.kept.release().map(|it| it.journal.entries().to_vec());
        let mut written = written.into_iter().flatten();
        if lost && let Some(it) = written.find(|it| it.at > since && it.who == PROCESSES[0]) {
            lock(&self.seen).checker.violated(format!("who lost its lease has written {it:?}"));
        }
        lock(&self.seen).checker.stale_since = None;
        // Whoever had the lease in the end has the last word.
        match other {
            Err(Error::Locked { .. }) => own,
            other => other,
        }
    }

    /// Runs a command once, as a new process would.
    async fn attempt(
        &self,
        command: Command,
        to: StackReference,
        process: usize,
        interruption: Interruption,
        cancel: CancellationToken,
    ) -> Result<Report> {
        let work =
            async |engine: &Engine, store: &Store, plan: &Plan| match (command, store.release()) {
                (Command::Deploy(until), _) => engine.run(store, plan, Phase::Prepare, until).await,
                (Command::Rollback, Some(_)) => engine.rollback(store, plan, true).await,
                (Command::Rollback, None) => engine.deploy(store, plan, Phase::Retire).await,
            };
        self.in_process(to, process, interruption, cancel, work).await
    }

    /// Runs a command that nothing befalls from outside.
    pub(crate) async fn command(&self, command: Command, to: StackReference) -> Result<Report> {
        lock(&self.seen).checker.begins();
        let (nothing, cancel) = (Interruption::default(), CancellationToken::new());
        let report = self.attempt(command, to, 0, nothing, cancel).await?;
        // Part of a release ends otherwise.
        if matches!(command, Command::Rollback | Command::Deploy(Phase::Retire)) {
            lock(&self.seen).checker.report(Some(&report));
        }
        Ok(report)
    }

    /// Says that the release goes on without a step, as a person who has brought it about by hand.
    pub(crate) async fn skip(&self, step: &str, to: StackReference) -> Result<()> {
        let (nothing, cancel) = (Interruption::default(), CancellationToken::new());
        let skip = async |engine: &Engine, store: &Store, plan: &Plan| {
            engine.skip(store, plan, step, "done by hand").await
        };
        self.in_process(to, 0, nothing, cancel, skip).await?;
        Ok(())
    }

    /// Returns how the account is as far as a release changes it.
    pub(crate) fn picture(&self) -> Picture {
        self.account.world(|world| Picture::of(world, self.file))
    }

    /// Returns the plan of a move to a stack.
    pub(crate) fn plan(&self, to: StackReference) -> Result<Plan> {
        let engine = connect(self.file, &self.account, &self.sdks[0])?;
        breaks::plan(&engine, to, self.case.broken)
    }

    /// Does something with the engine and the store, as a new process would.
    async fn in_process<T>(
        &self,
        to: StackReference,
        process: usize,
        interruption: Interruption,
        cancel: CancellationToken,
        work: impl AsyncFnOnce(&Engine, &Store, &Plan) -> Result<T>,
    ) -> Result<T> {
        let fence = Fence::default();
        let sdk = &self.sdks[process];
        let unfenced = self.case.broken == Some(Break::NoFencing) && process == 0;
        let sdk = if unfenced { sdk.clone() } else { fence.around(sdk) };
        let file = breaks::file(self.file, self.case.broken);
        let engine = connect(&file, &self.account, &sdk)?;
        let mut plan = breaks::plan(&engine, to, self.case.broken)?;
        lock(&self.seen).checker.planned(&plan);
        if let Some(failing) = &self.failing {
            failing.put_into(&mut plan);
        }
        let engine = engine.with_watcher(self.watcher(&plan, interruption)).with_cancel(cancel);
        let storage: Arc<dyn Storage> = Arc::new(Mortal {
            storage: self.storage.clone(),
            life: Arc::clone(&self.life),
            account: self.account.clone(),
            dies: self.case.dies_at_write,
            unfenced,
            has_lease: AtomicBool::default(),
            behind: (self.case.broken == Some(Break::JournalBehind)).then(Default::default),
        });
        let owner = Owner { name: PROCESSES[process].to_owned(), clock: self.account.clock() };
        let store = Store::lock(storage, &self.file.name, &owner, |_, _| {}).await?;
        let store = store.unwrap_or_else(|| panic!("the store is gone"));
        fence.follow(&store);
        let ended = work(&engine, &store, &plan).await;
        store.close().await?;
        ended
    }
}

/// The processes that there are at once, by their roles.
pub(crate) const PROCESSES: [&str; 2] = ["deployer", "second-deployer"];
