//! What each command does.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use bluegreen_core::{Clock, StackReference};
use bluegreen_deploy::{Engine, Error, Phase, Pointer, Resources, Store, stack_file::StackFile};
use tokio_util::sync::CancellationToken;

use crate::{
    aws,
    cli::{Cli, Command},
    exit::Exit,
    init, live,
    output::{self, Failure},
    stack_file,
};

/// Runs the command that was typed.
pub(crate) async fn run(cli: &Cli) -> Result<Exit, Failure> {
    if let Command::Init = cli.command {
        return init::write(cli);
    }
    let session = Session::open(cli).await?;
    match &cli.command {
        Command::Adopt { active, reason } => session.adopt(*active, reason.as_deref()).await,
        Command::Plan { phases, to } => session.plan(phases, *to).await,
        Command::Deploy { to, until, no_wait } => {
            let last = if *no_wait { Phase::Promote } else { Phase::Retire };
            session.phases(*to, Phase::Prepare, until.unwrap_or(last)).await
        }
        Command::Prepare { to } => session.phases(*to, Phase::Prepare, Phase::Prepare).await,
        Command::Promote => session.phases(None, Phase::Promote, Phase::Promote).await,
        Command::Retire => session.phases(None, Phase::Hold, Phase::Retire).await,
        Command::Status => session.status().await,
        Command::Step { name, stack, resource } => {
            session.step(name, *stack, resource.as_deref()).await
        }
        Command::Init | Command::IamPolicy { .. } | Command::Rehearse(_) => {
            unreachable!("it has no session")
        }
    }
}

/// Says who works on a release: this process, and its host.
fn who() -> String {
    format!("{} on {}", std::process::id(), gethostname::gethostname().to_string_lossy())
}

/// A stack file, and the engine for it.
struct Session<'a> {
    cli: &'a Cli,
    file: StackFile,
    folder: std::path::PathBuf,
    engine: Engine,
    account: String,
    clock: Clock,
}

impl<'a> Session<'a> {
    async fn open(cli: &'a Cli) -> Result<Self, Failure> {
        let file = stack_file::read(&cli.file)?;
        let folder = match cli.file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => Path::new(".").to_owned(),
        };

        let elsewhere = aws::endpoint_variables();
        if !elsewhere.is_empty() {
            eprintln!("warning: calls go elsewhere than to AWS: {}", elsewhere.join(", "));
        }
        let sdk = aws::configuration(&file).await;
        let account = aws::account(&sdk, &file).await?;
        aws::refuse_other_accounts(&file, &account)?;
        let cancel = CancellationToken::new();
        live::cancel_on_signal(cancel.clone());
        let clock = Clock::system();
        let resources = Resources::connect(&file, &sdk)?;
        let engine = Engine::new(&file, &folder, resources, clock.clone())
            .with_cancel(cancel)
            .with_watcher(live::watcher(cli));
        Ok(Self { cli, file, folder, engine, account, clock })
    }

    fn store_folder(&self) -> std::path::PathBuf {
        self.folder.join(&self.file.state.path)
    }

    /// Opens the store to write.
    fn store(&self) -> Result<Store, Failure> {
        let store = Store::open_locked(&self.store_folder(), &self.file.name)?;
        store.map(|it| it.owned_by(who())).ok_or_else(|| {
            Failure::Engine(Error::refused(format!(
                "there is no store in `{}`: which stack is active is never assumed; say it with \
                 `bluegreen adopt --active a` (or b)",
                self.store_folder().display()
            )))
        })
    }

    async fn adopt(&self, active: StackReference, reason: Option<&str>) -> Result<Exit, Failure> {
        let store = Store::open(&self.store_folder(), &self.file.name)?;
        let status = self.engine.status(store.as_ref()).await?;
        drop(store);
        if !self.cli.json {
            output::status(&self.file, &self.account, &status);
        }
        let seen = self.engine.traffic(active).await?;
        if !seen.agrees_with(active) {
            return Err(Failure::Engine(Error::refused(format!(
                "traffic is {seen}: {active} cannot be the active stack; adopt the stack that has the \
                 traffic, or move the traffic first"
            ))));
        }
        self.confirm(&format!("Take stack {active} for the active one?"))?;
        let pointer = Pointer {
            active,
            since: self.clock.now(),
            reason: reason.unwrap_or("adopted").to_owned(),
        };
        let store = Store::adopt(&self.store_folder(), &self.file.name, pointer)?;
        self.engine.close_if_over(&store)?;
        output::adopted(self.cli, active, store.path());
        Ok(Exit::Done)
    }

    async fn plan(&self, phases: &[Phase], to: Option<StackReference>) -> Result<Exit, Failure> {
        let store = match Store::open(&self.store_folder(), &self.file.name)? {
            Some(store) => store,
            None => {
                let to = to.ok_or_else(|| {
                    Failure::Usage(
                        "there is no store that says which stack is active: say `--to`, or run \
                         `bluegreen adopt` first"
                            .to_owned(),
                    )
                })?;
                eprintln!(
                    "warning: there is no store: this plan takes {} for the active stack",
                    to.partner()
                );
                let since = self.clock.now();
                let pointer =
                    Pointer { active: to.partner(), since, reason: "for this plan".to_owned() };
                Store::in_memory(&self.file.name, pointer)
            }
        };
        let open = store.release().map(|it| it.target);
        let to = to.or(open).unwrap_or(store.pointer().active.partner());
        let plan = self.engine.plan(to)?;
        let phases = if phases.is_empty() { &Phase::ALL } else { phases };
        let report = self.engine.look(&store, &plan, phases).await?;
        output::report(self.cli, &report);
        Ok(report.outcome.into())
    }

    async fn phases(
        &self,
        to: Option<StackReference>,
        from: Phase,
        until: Phase,
    ) -> Result<Exit, Failure> {
        let store = self.store()?;
        let open = store.release().map(|it| it.target);
        let to = match (to, open) {
            (Some(to), _) | (None, Some(to)) => to,
            (None, None) if from > Phase::Prepare => {
                return Err(Failure::Engine(Error::refused(
                    "no release is open: `bluegreen prepare` opens one",
                )));
            }
            (None, None) => {
                let to = store.pointer().active.partner();
                if !can_ask(self.cli) {
                    let reason = format!("which stack? Nobody can be asked here: say `--to {to}`");
                    return Err(Failure::Engine(Error::refused(reason)));
                }
                self.confirm(&format!("Move production to stack {to}?"))?;
                to
            }
        };
        let plan = self.engine.plan(to)?;
        let report = self.engine.run(&store, &plan, from, until).await?;
        output::report(self.cli, &report);
        Ok(report.outcome.into())
    }

    async fn step(
        &self,
        name: &str,
        stack: StackReference,
        resource: Option<&str>,
    ) -> Result<Exit, Failure> {
        let store = self.store()?;
        let report = self.engine.step(&store, name, stack, resource).await?;
        output::report(self.cli, &report);
        Ok(report.outcome.into())
    }

    async fn status(&self) -> Result<Exit, Failure> {
        let store = Store::open(&self.store_folder(), &self.file.name)?;
        let status = self.engine.status(store.as_ref()).await?;
        if self.cli.json {
            output::status_json(&self.file, &self.account, &status);
        } else {
            output::status(&self.file, &self.account, &status);
        }
        Ok(Exit::Done)
    }

    /// Asks at a terminal; elsewhere `--yes` is the answer, or the command is refused.
    fn confirm(&self, question: &str) -> Result<(), Failure> {
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

fn can_ask(cli: &Cli) -> bool {
    !cli.json && io::stdin().is_terminal() && io::stderr().is_terminal()
}
