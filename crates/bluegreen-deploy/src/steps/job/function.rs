//! [`Invoke`], a Lambda function as a job.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::StackReference;
use bluegreen_lambda::LambdaToolkit;
use serde_json::Value;

use super::{Job, Run, not_run, note_run};
use crate::{
    Context, Error, Inspection, Permission, Result, StepId, command::quoted, stack_file::OneOrPair,
};

/// How long a function may run (15 minutes, AWS's limit), and its answer be on its way.
const LONGEST_RUN: Duration = Duration::from_secs(15 * 60 + 30);

/// A function that is invoked, and asked again as long as it says that it is at work.
///
/// Noted is, under `progress/STEP`, what it said last about how far it is. When an answer gets lost it is
/// invoked again, with the same key.
#[derive(Debug)]
pub(crate) struct Invoke {
    pub(crate) toolkit: Arc<dyn LambdaToolkit>,
    pub(crate) functions: OneOrPair,
    /// How long all of it may take.
    pub(crate) deadline: Duration,
}

impl Invoke {
    fn progress(context: &Context<'_>, step: &StepId) -> Result<Option<String>> {
        Ok(context.note::<Option<String>>(&format!("progress/{}", step.key()))?.flatten())
    }

    async fn note_progress(
        context: &Context<'_>,
        step: &StepId,
        progress: Option<&str>,
    ) -> Result<()> {
        context.set_note(&format!("progress/{}", step.key()), &progress).await
    }
}

#[async_trait]
impl Job for Invoke {
    async fn look(&self, context: &Context<'_>, step: &StepId) -> Result<Inspection> {
        let Some(progress) = Self::progress(context, step)? else { return Ok(not_run()) };
        if context.is_turn() {
            // It is at work already, and only asked how far it is; but not on what has become active meanwhile.
            if context.is_active(step.stack) {
                let name = self.functions.of(step.stack);
                return Ok(Inspection::Blocked {
                    reasons: vec![format!(
                        "function `{name}` was at work on {}, which is the active stack now",
                        step.stack
                    )],
                });
            }
            self.start(context, step).await?;
            if super::has_run(context, step)? {
                return Ok(Inspection::Done);
            }
        }
        let progress = Self::progress(context, step)?.unwrap_or(progress);
        let name = self.functions.of(step.stack);
        Ok(Inspection::Underway { what: format!("function `{name}` ({progress})") })
    }

    async fn start(&self, context: &Context<'_>, step: &StepId) -> Result<()> {
        let payload = Run::of(context, step).await?.payload();
        let patience = self.deadline.min(LONGEST_RUN);
        let answer = self.toolkit.invoke(step.stack, payload, patience).await?;
        if let Some(kind) = answer.function_error {
            // Whoever tries again begins anew.
            Self::note_progress(context, step, None).await?;
            return Err(Error::Gate {
                what: format!("function `{}`", self.functions.of(step.stack)),
                reason: format!("failed ({kind}): {}", quoted(&answer.payload)),
            });
        }
        match in_progress(&answer.payload) {
            Some(progress) => Self::note_progress(context, step, Some(&progress)).await,
            None => note_run(context, step).await,
        }
    }

    async fn look_for(&self, stack: StackReference) -> Result<()> {
        self.toolkit.function(stack).await?;
        Ok(())
    }

    fn look_permissions(&self, stack: StackReference) -> Vec<Permission> {
        Permission::on(format!("function:{}", self.functions.of(stack)), &["lambda:GetFunction"])
    }

    fn permissions(&self, stack: StackReference) -> Vec<Permission> {
        Permission::on(format!("function:{}", self.functions.of(stack)), &["lambda:InvokeFunction"])
    }
}

/// Returns how far a function says it is that is still at work: `{"status": "in-progress", "progress": "40 %"}`.
fn in_progress(payload: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(payload).ok()?;
    (answer.get("status")? == "in-progress").then(|| match answer.get("progress") {
        Some(Value::String(progress)) => quoted(progress),
        Some(Value::Number(progress)) => progress.to_string(),
        _ => "in progress".to_owned(),
    })
}

#[cfg(test)]
mod tests;
