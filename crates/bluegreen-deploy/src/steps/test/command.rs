//! `test.command`: a program says that all is well.

use std::time::Duration;

use async_trait::async_trait;

use super::not_yet;
use crate::{
    Context, Effect, Inspection, Permission, Result, Step, StepId, steps::job::program::Program,
};

/// The exit code by which a program says that a person must decide.
const NOT_SURE: i32 = 2;

/// Runs the program once.
#[derive(Debug)]
pub(super) struct Command {
    id: StepId,
    program: Program,
}

impl Command {
    pub(super) fn new(id: StepId, words: &[String], limit: Duration) -> Self {
        let owner = format!("test.{}", id.resource);
        Self { id, program: Program { words: words.to_vec(), owner, limit } }
    }
}

#[async_trait]
impl Step for Command {
    fn id(&self) -> StepId {
        self.id.clone()
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        if !context.is_turn() {
            return Ok(not_yet());
        }
        let (command, ended) = self.program.run(context, &self.id).await?;
        if ended.code == Some(NOT_SURE) {
            return Ok(Inspection::Inconclusive {
                reason: format!(
                    "{}: it cannot tell; look yourself, then run the same command again",
                    command.failed(ended.failure())
                ),
            });
        }
        command.expect_success(ended)?;
        Ok(Inspection::Done)
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn deadline(&self) -> Option<Duration> {
        Some(self.program.limit)
    }

    fn permissions(&self) -> Vec<Permission> {
        Vec::new()
    }
}
