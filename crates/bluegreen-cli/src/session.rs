//! [`Session`], what every command works with: the stack file, the account, the engine, the store.

use std::{
    io::{self, IsTerminal, Write},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bluegreen_core::{Clock, StackReference};
use bluegreen_deploy::{
    Engine, Error, Fence, Holder, Owner, Plan, Resources, Storage, Store, stack_file::StackFile,
    storage,
};
use tokio_util::sync::CancellationToken;

use crate::{
    aws,
    cli::Cli,
    exit::Exit,
    live,
    output::{self, Failure},
    stack_file,
};

/// A stack file, and the engine for it.
pub(crate) struct Session<'a> {
    pub(crate) cli: &'a Cli,
    pub(crate) file: StackFile,
    pub(crate) engine: Engine,
    /// The account of the credentials; empty where it was not asked for.
    pub(crate) account: String,
    pub(crate) clock: Clock,
    pub(crate) cancel: CancellationToken,
    storage: Arc<dyn Storage>,
    /// The same before the fence, which is shut when the lease is lost: to look who has it, and nothing else.
    unfenced: Arc<dyn Storage>,
    fence: Fence,
}

/// How long it may take to look who has the lease that was lost.
const LOOK_WHO: Duration = Duration::from_secs(5);

impl<'a> Session<'a> {
    /// Reads the stack file, and connects to what it names. Nothing but the account is asked for, and not even that
    /// by commands that only read and write the store.
    pub(crate) async fn open(cli: &'a Cli) -> Result<Self, Failure> {
        let file = stack_file::read(&cli.file)?;
        let folder = stack_file::folder(&cli.file);

        let elsewhere = aws::endpoint_variables();
        if cli.command.asks_aws() && !elsewhere.is_empty() {
            eprintln!("warning: calls go elsewhere than to AWS: {}", elsewhere.join(", "));
        }
        let sdk = aws::configuration(&file).await;
        let account = if cli.command.asks_aws() {
            let account = aws::account(&sdk, &file).await?;
            aws::refuse_other_accounts(&file, &account)?;
            account
        } else {
            String::new()
        };
        let cancel = CancellationToken::new();
        live::cancel_on_signal(cancel.clone());
        let clock = Clock::system();
        let fence = Fence::default();
        let unfenced = storage(&file, &folder, &sdk);
        let sdk = fence.around(&sdk);
        let storage = storage(&file, &folder, &sdk);
        let resources = Resources::connect(&file, &sdk)?;
        let engine = Engine::new(&file, &folder, resources, clock.clone())
            .with_cancel(cancel.clone())
            .with_watcher(live::watcher(cli));
        Ok(Self { cli, file, engine, account, clock, cancel, storage, unfenced, fence })
    }

    /// Goes on with an open release although its plan has changed.
    pub(crate) fn with_replan(self, replan: bool) -> Self {
        Self { engine: self.engine.with_replan(replan), ..self }
    }

    /// Does `work`; told to stop after `timeout`, it has failed if that kept it from its end.
    pub(crate) async fn within(
        &self,
        timeout: Option<Duration>,
        work: impl Future<Output = Result<Exit, Failure>>,
    ) -> Result<Exit, Failure> {
        let Some(timeout) = timeout else { return work.await };
        let mut work = pin!(work);
        #[expect(clippy::disallowed_methods, reason = "a time limit goes by the clock")]
        let passed = tokio::time::sleep(timeout);
        tokio::select! {
            biased;
            ended = &mut work => return ended,
            () = passed => {}
        }
        eprintln!("{} have passed: stopping after the calls under way", output::duration(timeout));
        self.cancel.cancel();
        ended_late(work.await, |failure| output::failure(self.cli, failure))
    }

    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        Arc::clone(&self.storage)
    }

    /// Says who works on a release: this process, and its host.
    pub(crate) fn owner(&self) -> Owner {
        let host = gethostname::gethostname();
        let name = format!("{} on {}", std::process::id(), host.to_string_lossy());
        Owner { name, clock: self.clock.clone() }
    }

    /// Opens the store to read; refused without one.
    pub(crate) async fn read_store(&self) -> Result<Store, Failure> {
        self.look_into_store().await?.ok_or_else(|| self.no_store())
    }

    /// Does `work` under the lease, and gives it back however that ends.
    ///
    /// Questions are asked before: a lease is not renewed while somebody thinks.
    pub(crate) async fn in_store<T>(
        &self,
        work: impl AsyncFnOnce(&Store) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let store = self.store().await?;
        let done = work(&store).await;
        let closed = store.close().await;
        match done {
            Ok(done) => {
                closed?;
                Ok(done)
            }
            Err(Failure::Engine(Error::LeaseLost { to })) => {
                Err(Failure::Engine(Error::LeaseLost { to: self.who_has_it().await.or(to) }))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Looks once who has the lease that this process has lost, as far as that can be known.
    async fn who_has_it(&self) -> Option<Holder> {
        let looked = tokio::time::timeout(LOOK_WHO, self.unfenced.holder()).await;
        // A lease that has run out is still in this one's name, until somebody takes it.
        looked.ok()?.ok()?.filter(|it| it.owner != self.owner().name)
    }

    /// Opens the store to read; `None` without one.
    pub(crate) async fn look_into_store(&self) -> Result<Option<Store>, Failure> {
        Ok(Store::open(self.storage(), &self.file.name).await?)
    }

    /// Opens the store to write.
    pub(crate) async fn store(&self) -> Result<Store, Failure> {
        let watching = |holder: &Holder, lasts: Duration| {
            eprintln!(
                "{} holds the lease: watching for {} whether it is alive",
                holder.owner,
                output::duration(lasts)
            );
        };
        let store = Store::lock(self.storage(), &self.file.name, &self.owner(), watching).await?;
        let store = store.ok_or_else(|| self.no_store())?;
        self.fence.follow(&store);
        Ok(store)
    }

    fn no_store(&self) -> Failure {
        Failure::Engine(Error::refused(format!(
            "there is no store in `{}`: which stack is active is never assumed; say it with \
             `bluegreen adopt --active a` (or b)",
            self.storage.place()
        )))
    }

    /// Returns the plan of a move to the stack `to`, or of the open release.
    pub(crate) fn plan_for(&self, store: &Store, to: StackReference) -> Result<Plan, Failure> {
        Ok(match store.release() {
            Some(release) if release.target == to => self.engine.plan_of(&release)?,
            _ => self.engine.plan(to)?,
        })
    }

    /// Asks at a terminal; elsewhere `--yes` is the answer, or the command is refused.
    pub(crate) fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.cli.yes {
            return Ok(());
        }
        if !can_ask(self.cli) {
            return Err(Failure::Engine(Error::refused(format!(
                "{question} Nobody can be asked here: answer with --yes"
            ))));
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        io::stderr()
            .flush()
            .and_then(|()| io::stdin().read_line(&mut answer))
            .map_err(|err| Failure::Usage(format!("the answer cannot be read: {err}")))?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::Engine(Error::refused("the answer was no"))),
        }
    }
}

/// Returns how work has ended that was told to stop after a time: what that has interrupted has failed. What is said of it
/// is `told`.
fn ended_late(ended: Result<Exit, Failure>, told: impl FnOnce(&Failure)) -> Result<Exit, Failure> {
    match ended {
        Ok(Exit::Interrupted) => Ok(Exit::Failed),
        Err(failure) if Exit::from(&failure) == Exit::Interrupted => {
            told(&failure);
            Ok(Exit::Failed)
        }
        ended => ended,
    }
}

/// Returns whether somebody can be asked.
pub(crate) fn can_ask(cli: &Cli) -> bool {
    !cli.json && io::stdin().is_terminal() && io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_time_limit_interrupts_has_failed_whether_it_comes_as_a_report_or_as_an_error() {
        let what = "the look at the active stack".to_owned();
        let interrupted = bluegreen_core::Error::Interrupted { what };
        let mut told = 0;

        let reported = ended_late(Ok(Exit::Interrupted), |_| {});
        let failed = ended_late(Err(Failure::Engine(interrupted.into())), |_| told += 1);
        let done = ended_late(Ok(Exit::Done), |_| {});
        let refused = ended_late(Err(Failure::Engine(Error::refused("no"))), |_| {});

        assert_eq!(
            [reported.unwrap(), failed.unwrap(), done.unwrap()],
            [Exit::Failed, Exit::Failed, Exit::Done]
        );
        assert_eq!(told, 1);
        assert!(refused.is_err());
    }
}
