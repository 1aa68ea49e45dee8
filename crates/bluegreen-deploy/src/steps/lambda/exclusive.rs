//! [`HandOver`], which moves what must never run on both stacks.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::StackReference;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Item, LONGEST_INVOCATION, Lambda, State, Trigger,
    switch::{named, to_turn_on, turning_off, turning_on},
};
use crate::{
    Context, Effect, Inspection, Permission, Result, Step, StepId,
    stack_file::Feed,
    steps::drain::{DrainWatch, warn_of_what_is_left},
};

/// `exclusive.hand-over`: the old stack's exclusive mappings and rules go on until their work queues are
/// drained, then they are switched off, and when nothing of them runs any more the new ones are switched on.
///
/// On the way back nothing is drained: what is gone back from may be broken, and never get done.
#[derive(Debug)]
pub(super) struct HandOver {
    lambda: Arc<Lambda>,
    to: StackReference,
    watch: DrainWatch,
}

/// What stays off of a stack's exclusive mappings and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftOff {
    mappings: BTreeSet<String>,
    rules: BTreeSet<String>,
}

/// How far the hand-over is, and what to switch next.
#[derive(Debug)]
enum Stage {
    /// Something has to come about by itself.
    Wait(String),
    /// The old ones are on.
    OldOn(Vec<(Trigger, Vec<Item>)>),
    /// The old ones are off and idle, and these are to be switched on.
    NewOff(Vec<(Trigger, BTreeSet<String>)>),
    /// The new ones are on.
    Done,
}

impl HandOver {
    pub(super) fn new(lambda: Arc<Lambda>, to: StackReference) -> Self {
        Self { lambda, to, watch: DrainWatch::default() }
    }

    fn old(&self) -> StackReference {
        self.to.partner()
    }

    async fn stage(&self, context: &Context<'_>) -> Result<Stage> {
        let (old, new) =
            tokio::try_join!(self.items(context, self.old()), self.items(context, self.to))?;

        let mut is_on = false;
        let mut waits = None;
        for (_, items) in &old {
            match turning_off(items) {
                Inspection::Needed { .. } => is_on = true,
                Inspection::Underway { what } => waits = Some(what),
                _ => {}
            }
        }
        if is_on {
            return Ok(match self.undrained(context).await? {
                Some(what) => Stage::Wait(what),
                None => Stage::OldOn(old),
            });
        }
        if let Some(what) = waits {
            return Ok(Stage::Wait(what));
        }
        // Both are looked at every time: their times run side by side.
        let mut in_flight = None;
        for (trigger, _) in &old {
            let left = self.lambda.in_flight(context, self.old(), *trigger).await?;
            in_flight = in_flight.or(left);
        }
        if let Some(what) = in_flight {
            return Ok(Stage::Wait(what));
        }

        let left_off = self.left_off(context).await?;
        let mut to_switch = Vec::new();
        for (trigger, items) in new {
            match turning_on(&items, left_off.of(trigger)) {
                Inspection::Needed { .. } => {
                    to_switch.push((trigger, to_turn_on(&items, left_off.of(trigger))));
                }
                Inspection::Underway { what } => waits = Some(what),
                _ => {}
            }
        }
        Ok(match waits {
            _ if !to_switch.is_empty() => Stage::NewOff(to_switch),
            Some(what) => Stage::Wait(what),
            None => Stage::Done,
        })
    }

    async fn items(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Vec<(Trigger, Vec<Item>)>> {
        let mut items = Vec::new();
        for trigger in self.lambda.kinds.exclusive() {
            items.push((trigger, self.lambda.items(context, stack, trigger).await?));
        }
        Ok(items)
    }

    /// Returns which work queue of the old mappings is not drained. Once the hand-over has begun it is not asked
    /// any more: a message that came late is nobody's then but the last old mapping's.
    async fn undrained(&self, context: &Context<'_>) -> Result<Option<String>> {
        if context.is_going_back()
            || self.begun_with(context)?.is_some()
            || !self.lambda.kinds.exclusive().contains(&Trigger::Mappings)
        {
            return Ok(None);
        }
        let sources = self.lambda.sources(context, self.old()).await?;
        let mut undrained = None;
        for queue in sources.queues.into_iter().filter(|it| it.feed() == Feed::Work) {
            // Each queue is watched in every look, whatever another one shows.
            let seen = self.watch.look(queue.as_ref(), context, self.old()).await?;
            undrained = undrained.or(seen);
        }
        Ok(undrained)
    }

    /// Returns what of the new stack stays off: what is remembered, else what was off on the old one before
    /// it was switched off.
    pub(super) async fn left_off(&self, context: &Context<'_>) -> Result<LeftOff> {
        if let Some(remembered) = context.remembered(&self.memory_key(self.to))? {
            return Ok(remembered);
        }
        let before = self.begun_with(context)?;
        self.as_on_old(context, before.as_ref()).await
    }

    async fn as_on_old(&self, context: &Context<'_>, before: Option<&LeftOff>) -> Result<LeftOff> {
        let mut left_off = LeftOff::default();
        for trigger in self.lambda.kinds.exclusive() {
            let before = before.map(|it| it.of(trigger));
            let off = self.lambda.model(context, self.to, trigger, before).await?;
            left_off.set(trigger, off);
        }
        Ok(left_off)
    }

    fn memory_key(&self, stack: StackReference) -> String {
        self.lambda.key(stack, "exclusive")
    }

    fn begun_note(&self) -> String {
        self.lambda.key(self.old(), "hand-over-begun")
    }

    /// Returns what was off on the old stack when the hand-over began; `None` before that.
    fn begun_with(&self, context: &Context<'_>) -> Result<Option<LeftOff>> {
        context.note(&self.begun_note())
    }
}

impl LeftOff {
    pub(super) fn of(&self, trigger: Trigger) -> &BTreeSet<String> {
        match trigger {
            Trigger::Mappings => &self.mappings,
            Trigger::Rules => &self.rules,
        }
    }

    fn set(&mut self, trigger: Trigger, off: BTreeSet<String>) {
        match trigger {
            Trigger::Mappings => self.mappings = off,
            Trigger::Rules => self.rules = off,
        }
    }
}

#[async_trait]
impl Step for HandOver {
    fn id(&self) -> StepId {
        StepId::new("exclusive.hand-over", &self.lambda.declaration.name, self.to)
    }

    fn effect(&self) -> Effect {
        Effect::Disables(self.old())
    }

    fn begin(&self) {
        self.watch.forget();
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let to = format!("on {}", self.to);
        Ok(match self.stage(context).await? {
            Stage::Wait(what) => Inspection::Underway { what },
            Stage::OldOn(_) => Inspection::Needed { from: format!("on {}", self.old()), to },
            Stage::NewOff(_) => Inspection::Needed { from: "off on both stacks".to_owned(), to },
            Stage::Done => Inspection::Done,
        })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        match self.stage(context).await? {
            Stage::Wait(_) | Stage::Done => Ok(()),
            Stage::OldOn(old) => {
                if self.begun_with(context)?.is_none() {
                    let mut left_off = LeftOff::default();
                    for (trigger, items) in &old {
                        left_off.set(*trigger, named(items, &State::Off));
                    }
                    // By itself, a hand-over may find the old stack only partly on, with nothing that a
                    // person has off.
                    if context.store.release().is_some_and(|it| it.target == self.to) {
                        context.remember(&self.memory_key(self.old()), &left_off).await?;
                    }
                    context.set_note(&self.begun_note(), &left_off).await?;
                }
                // A mapping that AWS refuses to switch does not keep the rules as they are.
                let mut failure = None;
                for (trigger, items) in &old {
                    let names = named(items, &State::On);
                    if !names.is_empty() {
                        let switched =
                            self.lambda.switch_off(context, self.old(), *trigger, &names).await;
                        failure = failure.or(switched.err());
                    }
                }
                failure.map_or(Ok(()), Err)
            }
            Stage::NewOff(new) => {
                if context.is_going_back()
                    && self.lambda.kinds.exclusive().contains(&Trigger::Mappings)
                {
                    let sources = self.lambda.sources(context, self.old()).await?;
                    for queue in sources.queues.into_iter().filter(|it| it.feed() == Feed::Work) {
                        warn_of_what_is_left(queue.as_ref(), context, self.old()).await?;
                    }
                }
                let mut failure = None;
                for (trigger, names) in &new {
                    let switched = self.lambda.switch_on(context, self.to, *trigger, names).await;
                    failure = failure.or(switched.err());
                }
                failure.map_or(Ok(()), Err)
            }
        }
    }

    /// Draining, and then invocations under way that end with the function's timeout.
    fn lasts(&self) -> Duration {
        let work = self.lambda.queues.iter().filter(|it| it.feed() == Feed::Work);
        work.map(|it| it.drained_for()).max().unwrap_or_default() + LONGEST_INVOCATION
    }

    /// The hand-over in the other direction.
    fn undo(&self) -> Option<Arc<dyn Step>> {
        Some(Arc::new(Self::new(Arc::clone(&self.lambda), self.old())))
    }

    fn permissions(&self) -> Vec<Permission> {
        let mut permissions = self.lambda.queue_permissions(self.old());
        for trigger in self.lambda.kinds.exclusive() {
            permissions.extend(self.lambda.permissions(
                trigger,
                trigger.disable_action(),
                &[self.old()],
            ));
            permissions.extend(self.lambda.permissions(
                trigger,
                trigger.enable_action(),
                &[self.to],
            ));
        }
        permissions.sort();
        permissions.dedup();
        permissions
    }

    /// What is off on the old stack, for the new one.
    async fn model(&self, context: &Context<'_>) -> Result<Option<(String, serde_json::Value)>> {
        let left_off = self.as_on_old(context, None).await?;
        Ok(Some((self.memory_key(self.to), json!(left_off))))
    }

    /// What was off on the old stack, to be found by the hand-over back.
    fn memory(&self) -> Option<String> {
        Some(self.memory_key(self.old()))
    }
}

#[cfg(test)]
mod tests;
