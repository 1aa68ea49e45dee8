//! [`Enable`] and [`Disable`], the steps that switch the mappings or the rules of one stack.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::StackReference;
use serde_json::json;

use super::{HandOver, Item, LONGEST_INVOCATION, Lambda, State, Trigger};
use crate::{
    Context, Effect, Inspection, Permission, Result, Step, StepId, stack_file::ConsumerKind,
    steps::left_off::LeftOff,
};

/// `lambda.enable-mappings`, `lambda.enable-rules`: on, but for what a person has off.
#[derive(Debug)]
pub(super) struct Enable {
    pub(super) lambda: Arc<Lambda>,
    pub(super) stack: StackReference,
    pub(super) trigger: Trigger,
}

impl Enable {
    fn memory_key(&self) -> String {
        self.lambda.key(self.stack, self.trigger.aspect())
    }

    async fn left_off(&self, context: &Context<'_>) -> Result<BTreeSet<String>> {
        match context.remembered::<LeftOff>(&self.memory_key())? {
            Some(remembered) => Ok(remembered.off),
            None => self.lambda.model(context, self.stack, self.trigger, None).await,
        }
    }
}

#[async_trait]
impl Step for Enable {
    fn id(&self) -> StepId {
        StepId::new(self.trigger.enable_step(), &self.lambda.declaration.name, self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let items = self.lambda.items(context, self.stack, self.trigger).await?;
        Ok(turning_on(&items, &self.left_off(context).await?))
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let items = self.lambda.items(context, self.stack, self.trigger).await?;
        let names = to_turn_on(&items, &self.left_off(context).await?);
        self.lambda.switch_on(context, self.stack, self.trigger, &names).await
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        let (lambda, stack, trigger) = (Arc::clone(&self.lambda), self.stack, self.trigger);
        Some(Arc::new(Disable { lambda, stack, trigger }))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.lambda.permissions(self.trigger, self.trigger.enable_action(), &[self.stack])
    }

    async fn model(&self, context: &Context<'_>) -> Result<Option<(String, serde_json::Value)>> {
        let off = self.lambda.model(context, self.stack, self.trigger, None).await?;
        Ok(Some((self.memory_key(), json!(LeftOff { off }))))
    }

    fn memory(&self) -> Option<String> {
        Some(self.memory_key())
    }
}

/// `lambda.disable-mappings`, `lambda.disable-rules`: off, and nothing that they began still runs.
///
/// Those of exclusive kind have been handed over before, and are normally found off. Nothing is
/// remembered of them here: `exclusive.hand-over` has done that, and for a standby that is switched off by
/// itself what the last hand-over has remembered goes on to count.
#[derive(Debug)]
pub(super) struct Disable {
    pub(super) lambda: Arc<Lambda>,
    pub(super) stack: StackReference,
    pub(super) trigger: Trigger,
}

#[async_trait]
impl Step for Disable {
    fn id(&self) -> StepId {
        StepId::new(self.trigger.disable_step(), &self.lambda.declaration.name, self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Disables(self.stack)
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let items = self.lambda.items(context, self.stack, self.trigger).await?;
        let off = turning_off(&items);
        if off != Inspection::Done {
            return Ok(off);
        }
        Ok(match self.lambda.in_flight(context, self.stack, self.trigger).await? {
            Some(what) => Inspection::Underway { what },
            None => Inspection::Done,
        })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let items = self.lambda.items(context, self.stack, self.trigger).await?;
        let names = named(&items, &State::On);
        if names.is_empty() {
            return Ok(());
        }
        if let Some(key) = self.memory() {
            let left_off = LeftOff { off: named(&items, &State::Off) };
            left_off.remember(context, &key, self.stack).await?;
        }
        self.lambda.switch_off(context, self.stack, self.trigger, &names).await
    }

    async fn leaves_off(&self, context: &Context<'_>) -> Result<Vec<String>> {
        let (lambda, trigger, partner) = (&self.lambda, self.trigger, self.stack.partner());
        let is_exclusive = lambda.kinds.of(trigger) == ConsumerKind::Exclusive;
        let turns_on = if is_exclusive { "exclusive.hand-over" } else { trigger.enable_step() };
        let turns_on = StepId::new(turns_on, &lambda.declaration.name, partner);
        if lambda.declaration.skip.contains(&turns_on.name) || context.is_skipped(&turns_on) {
            return Ok(Vec::new());
        }
        let on = named(&lambda.items(context, self.stack, trigger).await?, &State::On);
        if on.is_empty() {
            return Ok(Vec::new());
        }
        let others = lambda.items(context, partner, trigger).await?;
        let left_off = if is_exclusive {
            let hand_over = HandOver::new(Arc::clone(lambda), partner);
            hand_over.left_off(context).await?.of(trigger).clone()
        } else {
            let lambda = Arc::clone(lambda);
            Enable { lambda, stack: partner, trigger }.left_off(context).await?
        };
        let was_off = context.was_off()?;
        let mut off = to_turn_on(&others, &left_off);
        off.retain(|it| !was_off.contains(&lambda.called(partner, trigger, it)));
        let counterparts = lambda.model(context, self.stack, trigger, Some(&off)).await?;
        // Whatever corresponds to what: where nothing at all is on, nothing is in its place.
        let none_on = others.iter().all(|it| it.state == State::Off);
        if counterparts.is_disjoint(&on) && !none_on {
            return Ok(Vec::new());
        }
        Ok(off.iter().map(|it| format!("{} is off", lambda.called(partner, trigger, it))).collect())
    }

    /// Invocations under way end with the function's timeout.
    fn lasts(&self) -> Duration {
        LONGEST_INVOCATION
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        let (lambda, stack, trigger) = (Arc::clone(&self.lambda), self.stack, self.trigger);
        Some(Arc::new(Enable { lambda, stack, trigger }))
    }

    fn permissions(&self) -> Vec<Permission> {
        let mut permissions =
            self.lambda.permissions(self.trigger, self.trigger.disable_action(), &[self.stack]);
        if self.trigger == Trigger::Mappings {
            permissions.extend(self.lambda.queue_permissions(self.stack));
        }
        permissions
    }

    fn memory(&self) -> Option<String> {
        let is_mirror = self.lambda.kinds.of(self.trigger) == ConsumerKind::Mirror;
        is_mirror.then(|| self.lambda.key(self.stack, self.trigger.aspect()))
    }
}

/// Says what it takes until everything is on but what stays off.
pub(super) fn turning_on(items: &[Item], left_off: &BTreeSet<String>) -> Inspection {
    if to_turn_on(items, left_off).is_empty() {
        return moving(items.iter().filter(|it| !left_off.contains(&it.name)));
    }
    let off = named(items, &State::Off);
    let to = match off.intersection(left_off).count() {
        0 => "on".to_owned(),
        1 => "on (1 stays off)".to_owned(),
        stay => format!("on ({stay} stay off)"),
    };
    Inspection::Needed { from: format!("{} of {} off", off.len(), items.len()), to }
}

/// Says what it takes until everything is off.
pub(super) fn turning_off(items: &[Item]) -> Inspection {
    match named(items, &State::On).len() {
        0 => moving(items.iter()),
        on => {
            Inspection::Needed { from: format!("{on} of {} on", items.len()), to: "off".to_owned() }
        }
    }
}

/// Returns what is off and does not stay so.
pub(super) fn to_turn_on(items: &[Item], left_off: &BTreeSet<String>) -> BTreeSet<String> {
    named(items, &State::Off).difference(left_off).cloned().collect()
}

/// Returns the names of what is in `state`.
pub(super) fn named(items: &[Item], state: &State) -> BTreeSet<String> {
    items.iter().filter(|it| it.state == *state).map(|it| it.name.clone()).collect()
}

fn moving<'a>(items: impl Iterator<Item = &'a Item>) -> Inspection {
    let mut moving = items.filter_map(|it| match &it.state {
        State::Moving(word) => Some(format!("mapping `{}` is `{word}`", it.name)),
        State::On | State::Off => None,
    });
    match (moving.next(), moving.count()) {
        (None, _) => Inspection::Done,
        (Some(first), 0) => Inspection::Underway { what: first },
        (Some(first), more) => Inspection::Underway { what: format!("{first}, and {more} more") },
    }
}
