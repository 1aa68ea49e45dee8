//! [`Program`], a program of the stack file's as a job.

use std::time::Duration;

use async_trait::async_trait;

use super::{Job, Run, note_run};
use crate::{Command, Context, Result, StepId};

/// A program that is run in the stack file's folder; exit code 0 is success.
#[derive(Debug)]
pub(crate) struct Program {
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
    /// The table of the stack file: `schema.orders`.
    pub(crate) owner: String,
    /// How long it may take.
    pub(crate) limit: Duration,
}

impl Program {
    /// Returns the command for a run of `step`.
    pub(crate) async fn command(&self, context: &Context<'_>, step: &StepId) -> Result<Command> {
        Ok(Command {
            words: self.words.clone(),
            owner: self.owner.clone(),
            environment: Run::of(context, step).await?.environment(),
            limit: self.limit,
        })
    }
}

#[async_trait]
impl Job for Program {
    async fn start(&self, context: &Context<'_>, step: &StepId) -> Result<()> {
        let command = self.command(context, step).await?;
        let ended = context.outside().run(&command).await?;
        command.expect_success(ended)?;
        note_run(context, step).await
    }
}
