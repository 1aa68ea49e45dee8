//! `test.approve`: a person says that production may move.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Context, Effect, Error, Inspection, Permission, Result, Step, StepId, Verdict, command::quoted,
};

/// Waits for nobody: without a verdict the release pauses, and goes on when there is one.
///
/// The verdict is what the release notes under `verdict/NAME`.
#[derive(Debug)]
pub(super) struct Approve {
    pub(super) id: StepId,
    pub(super) sentence: String,
    pub(super) deadline: Duration,
}

impl Approve {
    async fn verdict(&self, context: &Context<'_>) -> Result<Option<Verdict>> {
        let name = &self.id.resource;
        match context.note::<Verdict>(&format!("verdict/{name}"))? {
            Some(verdict) => Ok(Some(verdict)),
            None => context.verdict(name).await,
        }
    }
}

#[async_trait]
impl Step for Approve {
    fn id(&self) -> StepId {
        self.id.clone()
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let (name, sentence) = (&self.id.resource, &self.sentence);
        match self.verdict(context).await? {
            Some(verdict) if verdict.approved => Ok(Inspection::Done),
            _ if !context.is_turn() => {
                Ok(Inspection::Underway { what: format!("a person's verdict: {sentence}") })
            }
            Some(Verdict { who, reason, .. }) => {
                let why = reason.map(|it| format!(": {}", quoted(&it))).unwrap_or_default();
                Err(Error::Gate {
                    what: format!("`{sentence}`"),
                    reason: format!("was rejected by {who}{why}"),
                })
            }
            None => Ok(Inspection::Inconclusive {
                reason: format!(
                    "a person is asked whether this is so: {sentence}; say it with `bluegreen approve {name}` or \
                     `bluegreen reject {name}`, then run the same command again"
                ),
            }),
        }
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn deadline(&self) -> Option<Duration> {
        Some(self.deadline)
    }

    fn permissions(&self) -> Vec<Permission> {
        Vec::new()
    }
}
