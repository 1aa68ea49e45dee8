//! What each command does.

use bluegreen_core::StackReference;
use bluegreen_deploy::{Error, Outcome, Phase, Pointer, Store};

use crate::{
    cli::{Cli, Command},
    exit::Exit,
    init,
    output::{self, Failure},
    session::{Session, can_ask},
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
        Command::Deploy { to, until, no_wait, timeout, replan } => {
            let last = if *no_wait { Phase::Promote } else { Phase::Retire };
            let session = session.with_replan(*replan);
            let work = session.phases(*to, Phase::Prepare, until.unwrap_or(last));
            session.within(*timeout, work).await
        }
        Command::Prepare { to } => session.phases(*to, Phase::Prepare, Phase::Prepare).await,
        Command::Promote => session.phases(None, Phase::Promote, Phase::Promote).await,
        Command::Retire => session.phases(None, Phase::Hold, Phase::Retire).await,
        Command::Rollback { accept_data_loss } => session.rollback(*accept_data_loss).await,
        Command::Status => session.status().await,
        Command::Step { name, stack, resource } => {
            session.step(name, *stack, resource.as_deref()).await
        }
        Command::Init | Command::IamPolicy { .. } | Command::Rehearse(_) => {
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
        let store = self.store().await?;
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
        let plan = self.plan_for(&store, to)?;
        let report = self.engine.run(&store, &plan, from, until).await;
        store.close().await?;
        let report = report?;
        output::report(self.cli, &report);
        Ok(report.outcome.into())
    }

    async fn rollback(&self, accept_data_loss: bool) -> Result<Exit, Failure> {
        let store = self.store().await?;
        let Some(release) = store.release() else {
            return Err(Failure::Engine(Error::refused("no release is open")));
        };
        let plan = self.engine.plan_of(&release)?;
        let lost: Vec<String> = plan
            .steps()
            .iter()
            .map(|it| &it.step)
            .filter(|it| it.undo().is_none() && release.journal.changed().contains(&it.id().key()))
            .map(|it| it.id().to_string())
            .collect();
        let but = match lost.as_slice() {
            [] => String::new(),
            lost => format!(" What cannot be taken back: {}.", lost.join(", ")),
        };
        self.confirm(&format!("Take release {} to {} back?{but}", release.id, release.target))?;
        let report = self.engine.rollback(&store, &plan, accept_data_loss).await;
        store.close().await?;
        let report = report?;
        output::report(self.cli, &report);
        Ok(match report.outcome {
            Outcome::TakenBack => Exit::Done,
            outcome => outcome.into(),
        })
    }

    async fn step(
        &self,
        name: &str,
        stack: StackReference,
        resource: Option<&str>,
    ) -> Result<Exit, Failure> {
        let store = self.store().await?;
        let report = self.engine.step(&store, name, stack, resource).await;
        store.close().await?;
        let report = report?;
        output::report(self.cli, &report);
        Ok(report.outcome.into())
    }

    async fn status(&self) -> Result<Exit, Failure> {
        let store = self.look_into_store().await?;
        let status = self.engine.status(store.as_ref()).await?;
        if self.cli.json {
            output::status_json(&self.file, &self.account, &status);
        } else {
            output::status(&self.file, &self.account, &status);
        }
        Ok(Exit::Done)
    }
}
