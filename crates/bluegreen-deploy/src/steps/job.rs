//! [`RunJob`], a step that runs something of the user's once in a release: a function, a task, a program.

#[cfg(feature = "lambda")]
pub(crate) mod function;
pub(crate) mod program;
#[cfg(feature = "ecs")]
pub(crate) mod task;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::StackReference;
use serde_json::json;

use crate::{Context, Effect, Inspection, Moment, Permission, Result, Step, StepId};

/// Something that can be run.
#[async_trait]
pub(crate) trait Job: fmt::Debug + Send + Sync {
    /// Looks how far the run for `step` is.
    async fn look(&self, _context: &Context<'_>, _step: &StepId) -> Result<Inspection> {
        Ok(not_run())
    }

    /// Runs it for `step`, or begins to.
    async fn start(&self, context: &Context<'_>, step: &StepId) -> Result<()>;

    /// Looks for what it needs on `stack`.
    async fn look_for(&self, _stack: StackReference) -> Result<()> {
        Ok(())
    }

    /// Returns the permissions of that look.
    fn look_permissions(&self, _stack: StackReference) -> Vec<Permission> {
        Vec::new()
    }

    /// Returns the permissions of everything else.
    fn permissions(&self, _stack: StackReference) -> Vec<Permission> {
        Vec::new()
    }
}

/// Says that a step has not run its job in this release.
fn not_run() -> Inspection {
    Inspection::Needed { from: "not run in this release".to_owned(), to: "run".to_owned() }
}

/// `test.lambda`, `schema.reset`, `schema.hydrate`: something of the user's has run once in this release.
///
/// It cannot be looked at, so what the release notes under `ran/STEP` says that it is done. After a crash between the
/// run and the note it runs again, with the same key: whoever must not do its work twice goes by that.
#[derive(Debug)]
pub(crate) struct RunJob {
    pub(super) id: StepId,
    pub(super) job: Arc<dyn Job>,
    pub(super) effect: Effect,
    pub(super) deadline: Duration,
}

#[async_trait]
impl Step for RunJob {
    fn id(&self) -> StepId {
        self.id.clone()
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        if has_run(context, &self.id)? {
            return Ok(Inspection::Done);
        }
        self.job.look(context, &self.id).await
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        self.job.start(context, &self.id).await
    }

    fn deadline(&self) -> Option<Duration> {
        Some(self.deadline)
    }

    fn permissions(&self) -> Vec<Permission> {
        let mut permissions = self.job.look_permissions(self.id.stack);
        permissions.extend(self.job.permissions(self.id.stack));
        permissions
    }
}

fn has_run(context: &Context<'_>, step: &StepId) -> Result<bool> {
    Ok(context.note(&format!("ran/{}", step.key()))?.unwrap_or(false))
}

async fn note_run(context: &Context<'_>, step: &StepId) -> Result<()> {
    context.set_note(&format!("ran/{}", step.key()), &true).await
}

/// What a job is told about the run that it is a part of.
pub(crate) struct Run<'a> {
    step: &'a StepId,
    /// The release; without one, something that is told apart from any release.
    pub(super) release: String,
    /// How many times the plan has changed under it.
    outdated: usize,
}

impl<'a> Run<'a> {
    /// Returns the run of `step` that is under way. By itself, a step has one from its first act on.
    pub(super) async fn of(context: &Context<'_>, step: &'a StepId) -> Result<Self> {
        if let Some(release) = context.release_id() {
            return Ok(Self { step, release, outdated: context.outdated(step) });
        }
        let note = format!("alone/{}", step.key());
        let began = match context.note::<Moment>(&note)? {
            Some(began) => began,
            None => {
                let began = Moment(context.now());
                context.set_note(&note, &began).await?;
                began
            }
        };
        let began = humantime::format_rfc3339_micros(began.0).to_string();
        let release = format!("alone-{}", began.replace(['-', ':', '.'], ""));
        Ok(Self { step, release, outdated: 0 })
    }

    /// Returns what is the same for every repetition of this run, and for no other.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.release, self.within())
    }

    /// Returns the part of the key that tells it from the other runs of the release. What runs again because the plan
    /// has changed is another run: whoever goes by the key would take it for the same.
    pub(super) fn within(&self) -> String {
        match self.outdated {
            0 => self.step.key(),
            times => format!("{}/{}", self.step.key(), times + 1),
        }
    }

    /// Returns what programs and tasks find in their environment.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        [
            ("BLUEGREEN_STACK", self.step.stack.to_string()),
            ("BLUEGREEN_RELEASE", self.release.clone()),
            ("BLUEGREEN_STEP", self.key()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Returns what functions are sent.
    #[cfg_attr(not(feature = "lambda"), expect(dead_code, reason = "only functions are sent it"))]
    pub(super) fn payload(&self) -> String {
        json!({
            "release": self.release,
            "step": self.step.name,
            "stack": self.step.stack,
            "idempotency-key": self.key(),
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests;
