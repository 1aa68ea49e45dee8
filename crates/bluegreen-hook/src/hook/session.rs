//! [`Session`], what an invocation works with: the stack file, the engine, the store, and the time that is left.

use std::{
    fmt,
    path::Path,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Engine, Error, Fence, Mover, Outcome, Owner, Phase, Plan, Platforms, Report, Resources,
    Storage, Store, chain, stack_file::StackFile, storage,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Hook, HookError, watch::Watch};
use crate::invocation::Invocation;

/// How long work that was told to stop may take to end the calls that are under way.
const TO_STOP: Duration = Duration::from_secs(30);

/// How often somebody is asked for who holds the lease, beyond the time for which it is watched anyway.
const LOCKED_PAUSE: Duration = Duration::from_secs(5);

/// A stack file, and the engine for it, for as long as an invocation takes.
pub(super) struct Session<'a> {
    pub(super) hook: &'a Hook,
    pub(super) invocation: &'a Invocation,
    pub(super) file: StackFile,
    pub(super) engine: Engine,
    pub(super) platforms: Platforms,
    pub(super) watch: Arc<Watch>,
    /// When its work must be done, if that is before the invocation's end.
    until: Option<SystemTime>,
    storage: Arc<dyn Storage>,
    fence: Fence,
    cancel: CancellationToken,
}

/// How far a piece of work has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is done.
    Done,
    /// It is not, for want of time or of the lease: another invocation goes on with it.
    Unfinished,
    /// It is not to be done any more: what asked for it has ended meanwhile.
    Over,
    /// It waits for what a person says.
    Inconclusive(Vec<String>),
    /// It cannot go on: why, all reasons.
    Failed(Vec<String>),
}

impl<'a> Session<'a> {
    /// Reads the stack file and connects to what it names. AWS is asked for nothing, but for a parameter that holds
    /// the file.
    pub(super) async fn open(
        hook: &'a Hook,
        invocation: &'a Invocation,
    ) -> Result<Self, HookError> {
        let file = hook.stack_file(invocation).await?;
        let fence = Fence::default();
        let sdk = fence.around(&hook.sdk);
        let storage = storage(&file, &hook.settings.folder, &sdk);
        let resources = Resources::connect(&file, &sdk)?;
        let platforms = resources.platforms.clone();
        let cancel = CancellationToken::new();
        let watch = Arc::new(Watch::new(&file.name, hook, invocation));
        let engine = Engine::new(&file, &hook.settings.folder, resources, invocation.clock.clone())
            .with_cancel(cancel.clone())
            .with_watcher(Watch::hears(&watch));
        Ok(Self {
            hook,
            invocation,
            file,
            engine,
            platforms,
            watch,
            until: None,
            storage,
            fence,
            cancel,
        })
    }

    /// Lets the release that it opens begin with a note.
    pub(super) fn with_note(self, key: &str, value: Value) -> Self {
        Self { engine: self.engine.with_hook_note(key, value), ..self }
    }

    /// Lets its work end at a time, if that is before the invocation's end.
    pub(super) fn with_end(self, until: Option<SystemTime>) -> Self {
        Self { until, ..self }
    }

    /// Opens the store to read; refused without one.
    pub(super) async fn read_store(&self) -> Result<Store, Error> {
        let store = Store::open(Arc::clone(&self.storage), &self.file.name).await?;
        store.ok_or_else(|| self.no_store())
    }

    /// Does `work` under the lease, and gives it back however that ends. Told that its time is up, it ends what is
    /// under way and begins nothing more.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while another invocation, or a person's `bluegreen`, has the lease.
    pub(super) async fn in_store<T>(
        &self,
        work: impl AsyncFn(&Store) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let storage = Arc::clone(&self.storage);
        let owner = self.owner();
        let store = Store::lock(storage, &self.file.name, &owner, |_, _| {}).await?;
        let store = store.ok_or_else(|| self.no_store())?;
        self.fence.follow(&store);
        let done = self.until_time_is_up(Box::pin(work(&store))).await;
        let closed = store.close().await;
        // The work is done, and the lease ends by itself.
        if let Err(err) = closed {
            tracing::warn!("the lease could not be given back: {}", chain(&err));
        }
        done
    }

    /// Does `work` under the lease like [`in_store`](Self::in_store), waiting for whoever has it.
    pub(super) async fn in_store_in_turn(
        &self,
        work: impl AsyncFn(&Store) -> Result<Progress, Error>,
    ) -> Result<Progress, Error> {
        loop {
            match self.in_store(&work).await {
                Err(Error::Locked { owner, .. }) if self.left() > LOCKED_PAUSE => {
                    tracing::info!(owner, "waits for the lease");
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "the lease tells nobody of its end"
                    )]
                    tokio::time::sleep(LOCKED_PAUSE).await;
                }
                Err(Error::Locked { .. } | Error::LeaseLost { .. }) => {
                    return Ok(Progress::Unfinished);
                }
                ended => return ended,
            }
        }
    }

    /// Runs phases of the open release, or of one to `to` that it opens. A release that was taken back at once has
    /// failed.
    pub(super) async fn run(
        &self,
        store: &Store,
        to: StackReference,
        from: Phase,
        until: Phase,
    ) -> Result<Progress, Error> {
        let plan = self.plan_for(store, to)?;
        let ended = Box::pin(self.engine.run(store, &plan, from, until)).await;
        self.progress(ended, false)
    }

    /// Takes the open release back.
    pub(super) async fn take_back(
        &self,
        store: &Store,
        accept_data_loss: bool,
    ) -> Result<Progress, Error> {
        let Some(release) = store.release() else { return Ok(Progress::Done) };
        let plan = self.engine.plan_of(&release)?;
        let ended = Box::pin(self.engine.rollback(store, &plan, accept_data_loss)).await;
        self.progress(ended, true)
    }

    /// Returns what speaks against moving production with the open release; nothing where there was no time to ask.
    pub(super) async fn objections(
        &self,
        store: &Store,
        to: StackReference,
    ) -> Result<Option<Vec<String>>, Error> {
        let plan = self.plan_for(store, to)?;
        match Box::pin(self.engine.objections(store, &plan, Phase::Promote)).await {
            Err(err) if interrupts(&err) => Ok(None),
            asked => asked.map(Some),
        }
    }

    /// Returns the plan of a move to the stack `to`, or of the open release.
    pub(super) fn plan_for(&self, store: &Store, to: StackReference) -> Result<Plan, Error> {
        match store.release() {
            Some(release) if release.target == to => self.engine.plan_of(&release),
            _ => self.engine.plan(to),
        }
    }

    /// Returns the movers that are platforms.
    pub(super) fn platform_movers(&self) -> Vec<&dyn Mover> {
        let codedeploy = self.platforms.codedeploy.iter().map(|it| it.as_ref() as &dyn Mover);
        let ecs = self.platforms.ecs.iter().map(|it| it.as_ref() as &dyn Mover);
        codedeploy.chain(ecs).collect()
    }

    /// Returns the stack that the platforms have all their traffic on; nothing where it is on both.
    pub(super) async fn platforms_on(
        &self,
        to: StackReference,
    ) -> Result<Option<StackReference>, Error> {
        let looks = self.platform_movers().into_iter().map(|it| it.observe(to));
        let seen = futures::future::try_join_all(looks).await?;
        let first = seen.first().copied().flatten();
        Ok(first.filter(|_| seen.iter().all(|it| *it == first)))
    }

    /// Says how far a run has got. What was refused is no error here: it is what the platform is told.
    fn progress(&self, ended: Result<Report, Error>, takes_back: bool) -> Result<Progress, Error> {
        let report = match ended {
            Ok(report) => report,
            Err(Error::Refused { reasons }) => return Ok(Progress::Failed(reasons)),
            Err(err) if interrupts(&err) => return Ok(Progress::Unfinished),
            Err(err) => return Err(err),
        };
        self.watch.ended(&report);
        Ok(match report.outcome {
            Outcome::Done | Outcome::AlreadyThere | Outcome::Planned => Progress::Done,
            Outcome::TakenBack | Outcome::Reversed if takes_back => Progress::Done,
            Outcome::Interrupted => Progress::Unfinished,
            Outcome::Inconclusive => Progress::Inconclusive(reasons(&report)),
            Outcome::Failed
            | Outcome::Refused
            | Outcome::Paused
            | Outcome::RetireIncomplete
            | Outcome::TakenBack
            | Outcome::Reversed
            | Outcome::Stuck => Progress::Failed(reasons(&report)),
        })
    }

    /// Returns how much time there is for work: what is left of the invocation, or less where the settings say so.
    pub(super) fn left(&self) -> Duration {
        let left = self.invocation.left_for_work();
        // Calls under way must be able to end before the answer has to be given.
        let left = left.saturating_sub(TO_STOP.min(left / 4));
        let now = self.invocation.clock.now();
        let until = self.until.map(|it| it.duration_since(now).unwrap_or_default());
        let longest = self.hook.settings.longest_run;
        let longest = longest.map(|it| it.saturating_sub(self.invocation.elapsed()));
        [until, longest].into_iter().flatten().fold(left, Duration::min)
    }

    /// Returns how long an invocation of this function can be at work.
    pub(super) fn longest(&self) -> Duration {
        let Invocation { began, deadline, .. } = self.invocation;
        let whole = deadline.duration_since(*began).unwrap_or_default();
        let longest = self.hook.settings.longest_run.map(|it| it + TO_STOP);
        longest.map_or(whole, |it| it.min(whole))
    }

    /// Does `work`, and tells it to stop when the time for it is up.
    async fn until_time_is_up<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        #[expect(clippy::disallowed_methods, reason = "a time limit goes by the clock")]
        let up = tokio::time::sleep(self.left());
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = up => {}
        }
        tracing::info!("the time of this invocation is up: stopping after the calls under way");
        self.cancel.cancel();
        work.await
    }

    fn owner(&self) -> Owner {
        let Invocation { function_name, request_id, clock, .. } = self.invocation;
        Owner { name: format!("{function_name}, request {request_id}"), clock: clock.clone() }
    }

    fn no_store(&self) -> Error {
        Error::refused(format!(
            "there is no store in `{}`: which stack is active is never assumed; say it with `bluegreen adopt \
             --active a` (or b)",
            self.storage.place()
        ))
    }

    /// Returns where the store is, to be asked what a check asks.
    pub(super) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("engine", &self.engine)
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}

/// Returns all that speaks against going on, each with its step.
fn reasons(report: &Report) -> Vec<String> {
    let mut reasons: Vec<String> = report.missing.clone();
    reasons.extend(report.refusals.iter().cloned());
    let bad = report.steps.iter().filter(|it| it.is_bad());
    for step in bad {
        let error = step.error.clone().unwrap_or_default();
        if !reasons.contains(&error) {
            reasons.push(format!("`{}`: {error}", step.step));
        }
    }
    if reasons.is_empty() {
        reasons.push(format!("the release is {:?}", report.outcome));
    }
    reasons
}

/// Refuses what a function cannot work with: a store on its own disk, another Region or account than its own.
pub(super) fn check(file: &StackFile, invocation: &Invocation, path: &Path) -> Result<(), Error> {
    use bluegreen_deploy::stack_file::StoreSettings;

    let mut reasons = Vec::new();
    if matches!(file.state.store, StoreSettings::File(_)) {
        reasons.push(format!(
            "`{}` keeps its state in files, which end with the function: say `[state] store = \"dynamodb\"`",
            path.display()
        ));
    }
    match invocation.function_arn.parse::<bluegreen_core::Arn>() {
        Ok(arn) => {
            if arn.region != file.region {
                reasons.push(format!(
                    "the stack file is of Region {}, the function in {}",
                    file.region, arn.region
                ));
            }
            let own = file.account_id.iter().map(|it| ("account-id".to_owned(), it.clone()));
            let others = own.chain(file.accounts()).filter(|(_, it)| *it != arn.account);
            reasons.extend(others.map(|(key, other)| {
                format!("`{key}` is in account {other}: the function is in account {}", arn.account)
            }));
        }
        Err(err) => reasons.push(format!("the function's ARN cannot be read: {err}")),
    }
    if reasons.is_empty() { Ok(()) } else { Err(Error::Refused { reasons }) }
}

/// Returns whether an error ends the work without anything having failed.
pub(super) fn interrupts(err: &Error) -> bool {
    use bluegreen_core::Error::{Credentials, Interrupted};

    matches!(err, Error::LeaseLost { .. } | Error::Toolkit(Interrupted { .. } | Credentials { .. }))
}

/// Returns whether nobody knows because of what passes: it is looked at again.
pub(super) fn is_transient(err: &Error) -> bool {
    let toolkit = matches!(err, Error::Toolkit(err) if err.is_transient());
    toolkit || interrupts(err) || matches!(err, Error::Locked { .. })
}

/// Returns the messages of an error and of all its causes, for whoever is told of it.
pub(super) fn told(err: &Error) -> Vec<String> {
    match err {
        Error::Refused { reasons } => reasons.clone(),
        err => vec![chain(err)],
    }
}
