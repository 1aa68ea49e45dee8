//! [`Program`], a program of the stack file's as a job.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Job, Run, note_run};
use crate::{
    Command, Context, Ended, Error, Listener, Moment, Result, StepId,
    command::{host, survivor},
};

/// A program that is run in the stack file's folder; exit code 0 is success.
///
/// It ends with this process, and when the lease is lost. Noted is all the same, under `running/STEP`, that it runs and
/// where: where it has not ended for once, no second one is started beside it.
#[derive(Debug)]
pub(crate) struct Program {
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
    /// The table of the stack file: `schema.orders`.
    pub(crate) owner: String,
    /// How long it may take.
    pub(crate) limit: Duration,
}

/// A program that was started, and has not been seen to end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Running {
    /// The machine.
    host: Option<String>,
    /// When.
    since: Moment,
    /// What it found as `BLUEGREEN_STEP` in its environment.
    step: String,
    /// Its process; none while it is being started.
    process: Option<u32>,
}

impl Program {
    /// Runs it for `step`, and returns the command and how that has ended.
    ///
    /// # Errors
    ///
    /// Those of [`Context::run`]; [`Error::Refused`] while one that was started before is still alive on this machine.
    pub(crate) async fn run(
        &self,
        context: &Context<'_>,
        step: &StepId,
    ) -> Result<(Command, Ended)> {
        let run = Run::of(context, step).await?;
        let note = format!("running/{}", step.key());
        if let Some(other) = context.note::<Option<Running>>(&note)?.flatten() {
            self.expect_end_of(&other, context)?;
        }
        let command = Command {
            words: self.words.clone(),
            owner: self.owner.clone(),
            environment: run.environment(),
            limit: self.limit,
        };
        let (host, since) = (host(), Moment(context.now()));
        let running = Running { host, since, step: run.key(), process: None };
        context.set_note(&note, &Some(&running)).await?;
        let heard = Heard { context, program: self.shown(), note: &note, running };
        let ended = context.run(&command, &heard).await;
        // However it came about, it is over.
        let noted = context.set_note(&note, &None::<Running>).await;
        let ended = ended?;
        noted?;
        Ok((command, ended))
    }

    /// Refuses to start a second one beside `other`.
    fn expect_end_of(&self, other: &Running, context: &Context<'_>) -> Result<()> {
        let (program, owner) = (self.shown(), &self.owner);
        let since = humantime::format_rfc3339_seconds(other.since.0);
        if other.host.is_none() || other.host != host() {
            let process = other.process.map(|it| format!(" as process {it}")).unwrap_or_default();
            let place = other.host.as_deref().unwrap_or("another machine");
            context.warn(format!(
                "{program} of [{owner}] was started{process} on {place} at {since}, and nobody has seen its end: \
                 whether it still runs there cannot be known from here; it is run again"
            ));
            return Ok(());
        }
        match survivor(&format!("BLUEGREEN_STEP={}", other.step), other.process) {
            None => Ok(()),
            Some(process) => Err(Error::refused(format!(
                "{program} of [{owner}], which was started at {since}, still runs on this machine as process \
                 {process}: a second one is not started beside it; wait for its end or kill it, then run the same \
                 command again"
            ))),
        }
    }

    fn shown(&self) -> String {
        format!("`{}`", self.words.first().map(String::as_str).unwrap_or_default())
    }
}

/// Notes which process it is, and tells what it has written last.
struct Heard<'a> {
    context: &'a Context<'a>,
    program: String,
    note: &'a str,
    running: Running,
}

#[async_trait]
impl Listener for Heard<'_> {
    async fn started(&self, process: u32) -> Result<()> {
        let running = Running { process: Some(process), ..self.running.clone() };
        self.context.set_note(self.note, &Some(running)).await
    }

    fn wrote(&self, line: &str) {
        let program = &self.program;
        self.context.waits_for(match line.is_empty() {
            true => program.clone(),
            false => format!("{program} ({line})"),
        });
    }
}

#[async_trait]
impl Job for Program {
    async fn start(&self, context: &Context<'_>, step: &StepId) -> Result<()> {
        let (command, ended) = self.run(context, step).await?;
        command.expect_success(ended)?;
        note_run(context, step).await
    }
}

#[cfg(test)]
mod tests;
