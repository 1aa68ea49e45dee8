//! [`HandOver`], which moves a service that must never run on both stacks.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::StackReference;
use bluegreen_ecs::{Service, Suspended};
use serde::{Deserialize, Serialize};

use super::{
    Ecs,
    disable::{scales, turning_off},
    enable::Enable,
    tasks,
};
use crate::{
    Context, Effect, Inspection, Permission, Result, Step, StepId,
    stack_file::ConsumerKind,
    steps::drain::{DrainWatch, warn_of_what_is_left},
};

/// `exclusive.hand-over`: the old stack's service goes on until its work queue is drained, then it is switched off,
/// and when none of its tasks is left the new one is switched on.
///
/// On the way back nothing is drained: the service that is gone back from may be broken, and never get done.
#[derive(Debug)]
pub(super) struct HandOver {
    ecs: Arc<Ecs>,
    to: StackReference,
    enable: Enable,
    watch: DrainWatch,
}

/// How a service was before it was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    /// How many tasks it was to run; `None` is none, or not known.
    #[serde(default)]
    pub(super) tasks: Option<u32>,
    /// Which kinds of its scaling were suspended.
    #[serde(flatten)]
    pub(super) suspended: Suspended,
}

/// How far the hand-over is, and what to switch next.
#[derive(Debug)]
enum Stage {
    /// Something has to come about by itself.
    Wait(String),
    /// The old one is on, and how both then are.
    OldOn { old: Service, from: String, to: String },
    /// The old one is off and none of its tasks is left, and the new one is to be switched on.
    NewOff { from: String, to: String },
    /// The new one runs.
    Done,
}

impl HandOver {
    pub(super) fn new(ecs: Arc<Ecs>, to: StackReference) -> Self {
        let enable = Enable::new(Arc::clone(&ecs), to);
        Self { ecs, to, enable, watch: DrainWatch::default() }
    }

    fn old(&self) -> StackReference {
        self.to.partner()
    }

    async fn stage(&self, context: &Context<'_>) -> Result<Stage> {
        let (old, new) = tokio::try_join!(
            self.ecs.service(context, self.old()),
            self.ecs.service(context, self.to)
        )?;
        // What keeps the new one from running is found while the old one still does.
        let wanted = match &new {
            Some(new) => self.enable.checked_goal(context, new).await?.desired,
            None => 0,
        };
        if let Some(old) = old {
            self.ecs.check_counted(self.old(), &old)?;
            match turning_off(&old) {
                Inspection::Needed { .. } => {
                    if let Some(what) = self.undrained(context).await? {
                        return Ok(Stage::Wait(what));
                    }
                    let from = format!("{} on {}", tasks(old.desired), self.old());
                    let to = format!("{} on {}", tasks(wanted), self.to);
                    return Ok(Stage::OldOn { old, from, to });
                }
                Inspection::Underway { what } => return Ok(Stage::Wait(what)),
                _ => {}
            }
        }
        Ok(match self.enable.inspect(context).await? {
            Inspection::Needed { from, to } => Stage::NewOff { from, to },
            Inspection::Underway { what } => Stage::Wait(what),
            _ => Stage::Done,
        })
    }

    /// Returns what the work queue of the old service still waits for. Once the hand-over has begun it is not asked
    /// any more: a message that came late is nobody's then.
    async fn undrained(&self, context: &Context<'_>) -> Result<Option<String>> {
        match &self.ecs.queue {
            _ if context.is_going_back() => Ok(None),
            Some(queue) if self.ecs.before(context, self.old())?.is_none() => {
                self.watch.look(queue.as_ref(), context, self.old()).await
            }
            _ => Ok(None),
        }
    }

    /// Notes how the old service is, for the new one, and remembers it for the way back: both before it is changed.
    async fn begin_with(&self, context: &Context<'_>, old: &Service) -> Result<()> {
        let mut before = self.ecs.as_it_is(old);
        if context.store.release().is_some_and(|it| it.target == self.to) {
            let key = self.ecs.flags_key(self.old());
            let known: Option<Suspended> = context.remembered(&key)?;
            if let Some(known) = known.filter(|_| before.suspended == Suspended::ALL) {
                // It was switched off before, and only its count was raised since.
                before.suspended = known;
            }
            context.remember(&key, &before).await?;
        } else {
            // By itself, a hand-over may find the old one switched off half way: what is suspended says nothing.
            before.suspended = Suspended::default();
        }
        context.set_note(&self.ecs.begun_note(self.old()), &before).await
    }
}

#[async_trait]
impl Step for HandOver {
    fn id(&self) -> StepId {
        self.ecs.id("exclusive.hand-over", self.to)
    }

    fn effect(&self) -> Effect {
        Effect::Disables(self.old())
    }

    fn begin(&self) {
        self.watch.forget();
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        Ok(match self.stage(context).await? {
            Stage::Wait(what) => Inspection::Underway { what },
            Stage::OldOn { from, to, .. } | Stage::NewOff { from, to } => {
                Inspection::Needed { from, to }
            }
            Stage::Done => Inspection::Done,
        })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        match self.stage(context).await? {
            Stage::Wait(_) | Stage::Done => Ok(()),
            Stage::OldOn { old, .. } => {
                if self.ecs.before(context, self.old())?.is_none() {
                    self.begin_with(context, &old).await?;
                }
                self.ecs.switch_off(self.old(), &old).await
            }
            Stage::NewOff { .. } => {
                if let Some(queue) = self.ecs.queue.as_ref().filter(|_| context.is_going_back()) {
                    warn_of_what_is_left(queue.as_ref(), context, self.old()).await?;
                }
                self.enable.apply(context).await
            }
        }
    }

    /// Draining.
    fn lasts(&self) -> Duration {
        self.ecs.queue.as_ref().map(|it| it.drained_for()).unwrap_or_default()
    }

    /// The hand-over in the other direction.
    fn undo(&self) -> Option<Arc<dyn Step>> {
        Some(Arc::new(Self::new(Arc::clone(&self.ecs), self.old())))
    }

    fn permissions(&self) -> Vec<Permission> {
        let mut permissions = self.ecs.permissions(self.old());
        permissions.extend(self.ecs.permissions(self.to));
        let looks = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"];
        let queues = self.ecs.queue.iter();
        permissions.extend(queues.flat_map(|it| Permission::on(it.name(self.old()), &looks)));
        permissions.sort();
        permissions.dedup();
        permissions
    }

    /// The scaling of the old service, for the new one.
    async fn model(&self, context: &Context<'_>) -> Result<Option<(String, serde_json::Value)>> {
        self.enable.model(context).await
    }

    /// How the old service was, to be found by the hand-over back.
    fn memory(&self) -> Option<String> {
        Some(self.ecs.flags_key(self.old()))
    }
}

impl Ecs {
    /// Returns how the service of `stack` was when its hand-over began; `None` before that.
    pub(super) fn before(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Option<Before>> {
        context.note(&self.begun_note(stack))
    }

    /// Returns how a service is now, to be the other one's model.
    ///
    /// An exclusive one that its own scaling has left without a task, since there was nothing to do, counts as one
    /// that runs: the other begins with one task and scales from there.
    pub(super) fn as_it_is(&self, seen: &Service) -> Before {
        let waits = self.settings.mode == ConsumerKind::Exclusive && scales(seen);
        let tasks = if waits { seen.desired.max(1) } else { seen.desired };
        Before {
            tasks: (tasks > 0).then_some(tasks),
            suspended: seen.scaling.map(|it| it.suspended).unwrap_or_default(),
        }
    }

    fn begun_note(&self, stack: StackReference) -> String {
        format!("{}/{stack}/hand-over-begun", self.declaration.key())
    }
}

#[cfg(test)]
mod tests;
