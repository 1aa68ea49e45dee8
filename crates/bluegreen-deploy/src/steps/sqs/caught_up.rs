//! [`CaughtUp`], the gate that waits until the consumers of a standby's queue have worked off what it buffered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bluegreen_core::{Arn, StackReference};
use bluegreen_sqs::Queue;

use super::Sqs;
use crate::{
    Context, Effect, Inspection, Permission, Resource, Result, Source, SourceQueue, Step, StepId,
    stack_file::{self, ConsumerKind},
    steps::{
        catch_up::{CatchUp, ENABLE, FIRST_FIGURE, age},
        drain::counted,
    },
};

/// What the looks at the queue are remembered under.
const BACKLOG: &str = "backlog";

/// `sqs.caught-up`: the oldest message of the standby's queue is young, or there is none, for a while.
///
/// A queue that no consumer of mirror kind reads that is on passes: nobody is to empty it before production
/// moves.
#[derive(Debug)]
pub(super) struct CaughtUp {
    sqs: Arc<Sqs>,
    stack: StackReference,
    /// The resources with mappings of mirror kind, of which some may read the queue.
    readers: Vec<Arc<dyn Resource>>,
    /// Whether a consumer was seen on since the gate's turn came: that is asked once, since it takes a
    /// listing of the mappings of every reader.
    consumed: AtomicBool,
    catch_up: CatchUp,
}

/// Who empties the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consumers {
    /// Nobody who could be on before production moves.
    None,
    /// Those who are still off.
    Off,
    /// Those of whom at least one is on.
    On,
}

impl CaughtUp {
    pub(super) fn new(
        sqs: Arc<Sqs>,
        stack: StackReference,
        readers: Vec<Arc<dyn Resource>>,
    ) -> Self {
        let (consumed, catch_up) = Default::default();
        Self { sqs, stack, readers, consumed, catch_up }
    }

    /// Looks for the consumers of the queue. Before the gate's turn a missing one is passed over: the steps
    /// of its own resource report it.
    async fn consumers(&self, context: &Context<'_>, is_its_turn: bool) -> Result<Consumers> {
        if is_its_turn && self.consumed.load(Ordering::Relaxed) {
            return Ok(Consumers::On);
        }
        let name = self.sqs.name(self.stack);
        let mut found = Consumers::None;
        for resource in &self.readers {
            let consumers = match resource.consumers(context, self.stack).await {
                Err(err) if err.is_absent() && !is_its_turn => continue,
                looked => looked?,
            };
            for consumer in consumers {
                let Source::Queue(arn) = &consumer.source else { continue };
                let is_ours = arn.parse::<Arn>().is_ok_and(|it| it.name() == name);
                if !is_ours || consumer.kind != ConsumerKind::Mirror {
                    continue;
                }
                if consumer.on {
                    self.consumed.store(true, Ordering::Relaxed);
                    return Ok(Consumers::On);
                }
                if !resource.declaration().skip.contains(ENABLE) {
                    found = Consumers::Off;
                }
            }
        }
        Ok(found)
    }

    /// Returns what is still waited for; `None` when the consumers have caught up.
    async fn behind(&self, context: &Context<'_>) -> Result<Option<String>> {
        let settings = &self.sqs.settings;
        let (lasting, now) = (settings.caught_up_for, context.now());
        let limit = match settings.caught_up {
            stack_file::CaughtUp::Below(limit) => Some(limit),
            _ => None,
        };
        let since = self.catch_up.since(now);
        if let Some(limit) = limit
            && let Some(oldest) = self.oldest(context).await?
            && since.is_none_or(|since| oldest.at >= since)
        {
            let old = format!("oldest message {} old", age(oldest.value));
            let limit_text = age(limit.as_secs_f64());
            // What is no number is below nothing.
            if oldest.value < limit.as_secs_f64() {
                let so = format!("{old}, below {limit_text}");
                return Ok(self.catch_up.good(BACKLOG, &so, lasting, now));
            }
            self.catch_up.bad(BACKLOG);
            return Ok(Some(format!("{old}: expected below {limit_text}")));
        }
        let messages = self.sqs.depth(context, self.stack, Queue::Main).await?.total();
        if messages == 0 {
            return Ok(self.catch_up.good(BACKLOG, "empty", lasting, now));
        }
        self.catch_up.bad(BACKLOG);
        let left = format!("{} left", counted(messages, "message"));
        Ok(Some(match limit {
            Some(_) => {
                format!("{left}, and CloudWatch has no age of the oldest since it is consumed")
            }
            None => left,
        }))
    }

    async fn oldest(&self, context: &Context<'_>) -> Result<Option<bluegreen_sqs::Datapoint>> {
        let now = context.now();
        Ok(self.sqs.toolkit.oldest_message_age(self.stack, Queue::Main, now).await?)
    }

    fn by_age(&self) -> bool {
        matches!(self.sqs.settings.caught_up, stack_file::CaughtUp::Below(_))
    }
}

#[async_trait]
impl Step for CaughtUp {
    fn id(&self) -> StepId {
        StepId::new("sqs.caught-up", &self.sqs.declaration.name, self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    fn begin(&self) {
        self.consumed.store(false, Ordering::Relaxed);
        self.catch_up.begin();
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let is_its_turn = self.catch_up.since(context.now()).is_some();
        match self.consumers(context, is_its_turn).await? {
            Consumers::None => return Ok(Inspection::Done),
            // Whatever is off when its turn has come is left off.
            Consumers::Off if is_its_turn => return Ok(Inspection::Done),
            Consumers::Off => {
                // A permission that is missing is found now, not when everything else has been changed.
                if self.by_age() {
                    self.oldest(context).await?;
                }
                return Ok(Inspection::Unknown { after: ENABLE.to_owned() });
            }
            Consumers::On => {}
        }
        Ok(match self.behind(context).await? {
            Some(what) => Inspection::Underway { what },
            None => Inspection::Done,
        })
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    /// Being young for a while, after the first figure.
    fn lasts(&self) -> Duration {
        let first = if self.by_age() { FIRST_FIGURE } else { Duration::ZERO };
        self.sqs.settings.caught_up_for + first
    }

    fn permissions(&self) -> Vec<Permission> {
        let mut permissions = self.sqs.permissions(self.sqs.name(self.stack), None);
        if self.by_age() {
            permissions.extend(Permission::unlimited(&["cloudwatch:GetMetricData"]));
        }
        let looks = self.readers.iter().flat_map(|it| it.look_permissions(self.stack));
        permissions.extend(looks);
        permissions.sort();
        permissions.dedup();
        permissions
    }
}

#[cfg(test)]
mod tests;
