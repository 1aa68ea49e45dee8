//! What each command does.

use bluegreen_core::StackReference;
use bluegreen_deploy::{Error, Phase, Pointer, Store};

use crate::{
    check_hook,
    cli::{Cli, Command},
    exit::Exit,
    init,
    output::{self, Failure},
    session::{Session, can_ask},
    status,
};

/// Runs the command that was typed.
pub(crate) async fn run(cli: &Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Init { create_table: false } => return init::write(cli),
        Command::Init { create_table: true } => return init::create_table(cli).await,
        Command::CheckHook { ref function } => return check_hook::run(cli, function).await,
        _ => {}
    }
    let session = Session::open(cli).await?;
    match &cli.command {
        Command::Adopt { active, reason } => session.adopt(*active, reason.as_deref()).await,
        Command::Plan { phases, to } => session.plan(phases, *to).await,
        Command::Deploy { to, until, no_wait, timeout, replan } => {
            let last = if *no_wait { Phase::Promote } else { Phase::Retire };
            let session = session.with_replan(*replan);
            let work = session.phases(*to, Phase::Prepare, until.unwrap_or(last));
            session.within(*timeout, work).await
        }
        Command::Prepare { to, replan } => {
            session.with_replan(*replan).phases(*to, Phase::Prepare, Phase::Prepare).await
        }
        Command::Test { replan } => {
            session.with_replan(*replan).phases(None, Phase::Test, Phase::Test).await
        }
        Command::Promote { replan } => {
            session.with_replan(*replan).phases(None, Phase::Promote, Phase::Promote).await
        }
        Command::Retire { replan } => {
            session.with_replan(*replan).phases(None, Phase::Hold, Phase::Retire).await
        }
        Command::Rollback { accept_data_loss, rebuild, replan } => {
            session.with_replan(*replan).rollback(*accept_data_loss, *rebuild).await
        }
        Command::Retry { step, replan } => {
            session.with_replan(*replan).retry(step.as_deref()).await
        }
        Command::Skip { step, reason } => session.skip(step, reason).await,
        Command::Override { name, reason } => session.let_pass(name, reason).await,
        Command::Approve { gate, reason } => {
            let reason = reason.as_deref().unwrap_or("approved");
            session.judge(gate.as_deref(), true, reason).await
        }
        Command::Reject { gate, reason } => session.judge(gate.as_deref(), false, reason).await,
        Command::Status { watch: false, .. } => session.status().await,
        Command::Status { watch: true, every } => session.watch(*every).await,
        Command::History => session.history().await,
        Command::Show { release } => session.show(release).await,
        Command::Unlock { force } => session.unlock(*force).await,
        Command::Step { name, stack, resource } => {
            session.step(name, *stack, resource.as_deref()).await
        }
        Command::CheckHook { .. }
        | Command::Init { .. }
        | Command::IamPolicy { .. }
        | Command::Rehearse(_) => {
            unreachable!("it has no session")
        }
    }
}

impl Session<'_> {
    async fn adopt(&self, active: StackReference, reason: Option<&str>) -> Result<Exit, Failure> {
        let store = self.look_into_store().await?;
        let status = self.engine.status(store.as_ref()).await?;
        drop(store);
        if !self.cli.json {
            print!("{}", status::text(&self.file, &self.account, &status));
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
        let store = Store::adopt(self.storage(), &self.file.name, &self.owner(), pointer).await?;
        self.engine.close_if_over(&store).await?;
        output::adopted(self.cli, active, &store.place());
        store.close().await?;
        Ok(Exit::Done)
    }

    async fn plan(&self, phases: &[Phase], to: Option<StackReference>) -> Result<Exit, Failure> {
        let store = match self.look_into_store().await? {
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
        let plan = self.plan_for(&store, to)?;
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
        let to = match to {
            Some(to) => to,
            None => self.target(from).await?,
        };
        let report = self
            .in_store(async |store: &Store| {
                let plan = self.plan_for(store, to)?;
                Ok(self.engine.run(store, &plan, from, until).await?)
            })
            .await?;
        output::report(self.cli, &report);
        Ok(report.outcome.into())
    }

    /// Returns the target of the open release, or asks for one.
    async fn target(&self, from: Phase) -> Result<StackReference, Failure> {
        let store = self.read_store().await?;
        if let Some(release) = store.release() {
            return Ok(release.target);
        }
        if from > Phase::Prepare {
            let reason = "no release is open: `bluegreen prepare` opens one";
            return Err(Failure::Engine(Error::refused(reason)));
        }
        let to = store.pointer().active.partner();
        if !can_ask(self.cli) {
            let reason = format!("which stack? Nobody can be asked here: say `--to {to}`");
            return Err(Failure::Engine(Error::refused(reason)));
        }
        self.confirm(&format!("Move production to stack {to}?"))?;
        Ok(to)
    }

    async fn step(
        &self,
        name: &str,
        stack: StackReference,
        resource: Option<&str>,
    ) -> Result<Exit, Failure> {
        let report = self
            .in_store(async |store: &Store| {
                Ok(self.engine.step(store, name, stack, resource).await?)
            })
            .await?;
        output::report(self.cli, &report);
        Ok(report.outcome.into())
    }
}
