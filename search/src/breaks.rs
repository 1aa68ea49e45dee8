//! Engines that are broken on purpose, to see that the search would notice.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Consumer, Context, Declaration, Effect, Inspection, Permission, Resource, Resources, Result,
    Step, StepId,
};
use clap::ValueEnum;

/// How an engine is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Break {
    /// `sqs.purge` is let through without a look at pointer and traffic.
    PurgeBlindly,
    /// `sns.disable` is done to the stack that is to become active.
    DisableWrongStack,
    /// `lambda.disable-mappings` does not wait for `Disabled`.
    DoNotWait,
    /// Not broken: every step is brought about twice, as after a crash before its success was written.
    Twice,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |it| it.get_name()))
    }
}

/// Breaks the steps of `resources`.
pub(crate) fn broken(resources: Resources, how: Break) -> Resources {
    let Resources { all, queues } = resources;
    let all = all.into_iter().map(|it| Arc::new(Broken(it, how)) as Arc<dyn Resource>);
    Resources { all: all.collect(), queues }
}

#[derive(Debug)]
struct Broken(Arc<dyn Resource>, Break);

#[async_trait]
impl Resource for Broken {
    fn declaration(&self) -> &Declaration {
        self.0.declaration()
    }

    fn steps(self: Arc<Self>, to: StackReference) -> Vec<Arc<dyn Step>> {
        let other = Arc::clone(&self.0).steps(to.partner());
        let steps = Arc::clone(&self.0).steps(to).into_iter();
        steps
            .map(|step| {
                let name = step.id().name;
                let wrong = other.iter().find(|it| it.id().name == name).cloned();
                let hit = match self.1 {
                    Break::PurgeBlindly => name == "sqs.purge",
                    Break::DisableWrongStack => name == "sns.disable",
                    Break::DoNotWait => name == "lambda.disable-mappings",
                    Break::Twice => true,
                };
                match (hit, wrong) {
                    (false, _) => step,
                    (true, wrong) => {
                        let again = std::sync::Mutex::new(false);
                        Arc::new(BrokenStep { step, wrong, how: self.1, again }) as Arc<dyn Step>
                    }
                }
            })
            .collect()
    }

    async fn consumers(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Vec<Consumer>> {
        self.0.consumers(context, stack).await
    }

    async fn look_for(&self, context: &Context<'_>, stack: StackReference) -> Result<()> {
        self.0.look_for(context, stack).await
    }

    fn look_permissions(&self, stack: StackReference) -> Vec<Permission> {
        self.0.look_permissions(stack)
    }

    fn removes_stream_consumer(&self, arn: &str) -> Option<String> {
        self.0.removes_stream_consumer(arn)
    }

    async fn summary(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        self.0.summary(context, stack).await
    }
}

#[derive(Debug)]
struct BrokenStep {
    step: Arc<dyn Step>,
    /// The same step of a move the other way.
    wrong: Option<Arc<dyn Step>>,
    how: Break,
    again: std::sync::Mutex<bool>,
}

impl BrokenStep {
    fn does(&self) -> &Arc<dyn Step> {
        match (self.how, &self.wrong) {
            (Break::DisableWrongStack, Some(wrong)) => wrong,
            _ => &self.step,
        }
    }

    /// Says once that a step which is done is to be brought about again.
    fn begins_again(&self) -> bool {
        let mut again = self.again.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::replace(&mut *again, false)
    }
}

#[async_trait]
impl Step for BrokenStep {
    fn id(&self) -> StepId {
        self.step.id()
    }

    fn effect(&self) -> Effect {
        match self.how {
            Break::PurgeBlindly | Break::DisableWrongStack => Effect::Harmless,
            Break::DoNotWait | Break::Twice => self.step.effect(),
        }
    }

    fn begin(&self) {
        *self.again.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
        self.does().begin();
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let seen = self.does().inspect(context).await?;
        match (self.how, &seen) {
            (Break::DoNotWait, Inspection::Underway { .. } | Inspection::Settling { .. }) => {
                Ok(Inspection::Done)
            }
            (Break::Twice, Inspection::Done) if self.begins_again() => {
                self.step.begin();
                self.step.inspect(context).await
            }
            _ => Ok(seen),
        }
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        self.does().apply(context).await
    }

    fn lasts(&self) -> Duration {
        // Both times count.
        match self.how {
            Break::Twice => self.step.lasts() * 2,
            _ => self.step.lasts(),
        }
    }

    fn undo(&self) -> Option<&'static str> {
        self.step.undo()
    }

    fn permissions(&self) -> Vec<Permission> {
        self.step.permissions()
    }

    async fn model(&self, context: &Context<'_>) -> Result<Option<(String, serde_json::Value)>> {
        self.does().model(context).await
    }

    fn memory(&self) -> Option<String> {
        self.does().memory()
    }
}
