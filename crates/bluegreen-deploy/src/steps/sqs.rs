//! [`Sqs`], the steps of a table `[sqs.name]`: fan-out queues are purged, work queues are drained.

mod caught_up;
mod guardrails;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bluegreen_core::{Pair, StackReference};
use bluegreen_sqs::{Purge as Answer, Queue, QueueDepth, Queues, SqsToolkit};

use self::caught_up::CaughtUp;
use super::{
    catch_up::ENABLE,
    drain::{DrainWatch, counted, whole_seconds},
};
use crate::{
    Asked, Context, Declaration, Effect, Inspection, Messages, Moment, Permission, Resource,
    Result, Shared, SourceQueue, Step, StepId,
    stack_file::{self, Feed, SqsSettings},
};

/// A pair of queues, with their dead-letter queues where there are such.
#[derive(Debug)]
pub struct Sqs {
    declaration: Declaration,
    toolkit: Arc<dyn SqsToolkit>,
    settings: SqsSettings,
    main: Pair<Shared<QueueDepth>>,
    dead_letters: Pair<Shared<QueueDepth>>,
    /// What the first look of the guardrails has counted.
    dead_before: Mutex<guardrails::Before>,
}

impl Sqs {
    /// Makes the resource that the stack file declares.
    pub fn new(resource: &stack_file::Resource<SqsSettings>, toolkit: Arc<dyn SqsToolkit>) -> Self {
        Self {
            declaration: Declaration::new("sqs", resource),
            toolkit,
            settings: resource.settings.clone(),
            main: Default::default(),
            dead_letters: Default::default(),
            dead_before: Mutex::default(),
        }
    }

    /// Returns the name of a queue of `stack`; `None` for a dead-letter queue that there is not.
    fn queue(&self, stack: StackReference, queue: Queue) -> Option<&str> {
        let names = match queue {
            Queue::Main => Some(&self.settings.config.queues),
            Queue::DeadLetters => self.settings.config.dead_letter_queues.as_ref(),
        };
        names.map(|it| it.of(stack).as_str())
    }

    async fn depth(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        queue: Queue,
    ) -> Result<QueueDepth> {
        let looks = match queue {
            Queue::Main => &self.main,
            Queue::DeadLetters => &self.dead_letters,
        };
        let look = async { Ok(self.toolkit.depth(stack, queue).await?) };
        looks.of(stack).get(context.round, look).await
    }

    fn permissions(&self, name: &str, change: Option<&'static str>) -> Vec<Permission> {
        let looks = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"];
        let actions: Vec<&'static str> = looks.into_iter().chain(change).collect();
        Permission::on(name, &actions)
    }
}

#[async_trait]
impl Resource for Sqs {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, to: StackReference) -> Vec<Arc<dyn Step>> {
        let old = to.partner();
        match self.settings.feed {
            Feed::FanOut => vec![
                Arc::new(Purge {
                    sqs: Arc::clone(&self),
                    stack: to,
                    queues: &[Queue::Main, Queue::DeadLetters],
                }),
                Arc::new(Purge { sqs: self, stack: old, queues: &[Queue::Main] }),
            ],
            Feed::Work => {
                vec![Arc::new(Drain { sqs: self, stack: old, watch: DrainWatch::default() })]
            }
        }
    }

    fn gates(
        self: Arc<Self>,
        to: StackReference,
        resources: &[Arc<dyn Resource>],
    ) -> Vec<Arc<dyn Step>> {
        // Where no mapping is of mirror kind, nobody is to empty a queue before production moves.
        let reads = |it: &Arc<dyn Resource>| {
            Arc::clone(it).steps(to).iter().any(|step| step.id().name == ENABLE)
        };
        let readers: Vec<Arc<dyn Resource>> =
            resources.iter().filter(|it| reads(it)).cloned().collect();
        if self.settings.caught_up == stack_file::CaughtUp::Off || readers.is_empty() {
            return Vec::new();
        }
        vec![Arc::new(CaughtUp::new(self, to, readers))]
    }

    async fn look_for(&self, context: &Context<'_>, stack: StackReference) -> Result<()> {
        self.depth(context, stack, Queue::Main).await?;
        if self.queue(stack, Queue::DeadLetters).is_some() {
            self.depth(context, stack, Queue::DeadLetters).await?;
        }
        Ok(())
    }

    fn look_permissions(&self, stack: StackReference) -> Vec<Permission> {
        let queues = [Queue::Main, Queue::DeadLetters];
        let names = queues.into_iter().filter_map(|it| self.queue(stack, it));
        names.flat_map(|it| self.permissions(it, None)).collect()
    }

    async fn objections(&self, context: &Context<'_>, asked: &Asked<'_>) -> Result<Vec<String>> {
        self.object(context, asked).await
    }

    async fn summary(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        let waiting = self.depth(context, stack, Queue::Main).await?.total();
        let mut summary = counted(waiting, "message");
        if self.queue(stack, Queue::DeadLetters).is_some() {
            let dead = self.depth(context, stack, Queue::DeadLetters).await?.total();
            summary.push_str(&format!(", {}", counted(dead, "dead letter")));
        }
        Ok(summary)
    }

    async fn identity(&self, _context: &Context<'_>, stack: StackReference) -> Result<String> {
        let mut parts = Vec::new();
        for queue in [Queue::Main, Queue::DeadLetters] {
            if self.queue(stack, queue).is_none() {
                continue;
            }
            let settings = self.toolkit.settings(stack, queue).await?;
            let timeout = whole_seconds(settings.visibility_timeout);
            let redrive = settings.redrive_policy.map_or_else(
                || "no redrive".to_owned(),
                // AWS may write the same JSON in another order.
                |it| match serde_json::from_str::<BTreeMap<String, serde_json::Value>>(&it) {
                    Ok(policy) => format!("redrive {}", serde_json::json!(policy)),
                    Err(_) => format!("redrive {it}"),
                },
            );
            parts.push(format!("{}, visibility timeout {timeout}, {redrive}", settings.arn));
        }
        Ok(parts.join("; "))
    }
}

#[async_trait]
impl SourceQueue for Sqs {
    fn name(&self, stack: StackReference) -> &str {
        self.settings.config.queues.of(stack)
    }

    fn feed(&self) -> Feed {
        self.settings.feed
    }

    fn drained_for(&self) -> Duration {
        self.settings.drained_for
    }

    async fn messages(&self, context: &Context<'_>, stack: StackReference) -> Result<Messages> {
        let depth = self.depth(context, stack, Queue::Main).await?;
        Ok(Messages { total: depth.total(), in_flight: depth.in_flight })
    }
}

/// `sqs.purge`: before a release the standby's queues are emptied, after it the old main queue is; the old
/// dead letters are kept as evidence until then.
///
/// Empty queues do not make it done, only a purge of this release does: what somebody else's purge
/// under way has left is purged when SQS takes the next one.
#[derive(Debug)]
struct Purge {
    sqs: Arc<Sqs>,
    stack: StackReference,
    queues: &'static [Queue],
}

impl Purge {
    fn note(&self) -> String {
        format!("{}/{}/purged", self.sqs.declaration.key(), self.stack)
    }

    /// Returns when the purges of this release began, by the queue's name.
    fn purged(&self, context: &Context<'_>) -> Result<BTreeMap<String, Moment>> {
        Ok(context.note(&self.note())?.unwrap_or_default())
    }

    /// Returns the queues that there are, with their names.
    fn queues(&self) -> impl Iterator<Item = (Queue, &str)> {
        self.queues.iter().filter_map(|&it| Some((it, self.sqs.queue(self.stack, it)?)))
    }
}

#[async_trait]
impl Step for Purge {
    fn id(&self) -> StepId {
        StepId::new("sqs.purge", &self.sqs.declaration.name, self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Destroys(self.stack)
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let purged = self.purged(context)?;
        if self.queues().any(|(_, name)| !purged.contains_key(name)) {
            let mut messages = 0_u64;
            for (queue, _) in self.queues() {
                let depth = self.sqs.depth(context, self.stack, queue).await?;
                messages = messages.saturating_add(depth.total());
            }
            let from = counted(messages, "message");
            return Ok(Inspection::Needed { from, to: "0".to_owned() });
        }
        let last = purged.values().map(|began| began.0 + self.sqs.settings.settle).max();
        let left = last.and_then(|it| it.duration_since(context.now()).ok()).unwrap_or_default();
        Ok(if left.is_zero() {
            Inspection::Done
        } else {
            Inspection::Settling { what: "the purge to settle".to_owned(), left }
        })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let mut purged = self.purged(context)?;
        let left: Vec<Queue> = self
            .queues()
            .filter(|(_, name)| !purged.contains_key(*name))
            .map(|(queue, _)| queue)
            .collect();
        let which = match left.as_slice() {
            [] => return Ok(()),
            [Queue::Main] => Queues::Main,
            [Queue::DeadLetters] => Queues::DeadLetters,
            _ => Queues::Both,
        };

        let mut failure = None;
        for purge in self.sqs.toolkit.purge_queues(self.stack, which).await {
            match purge.outcome {
                Ok(Answer::Started) => {
                    purged.insert(purge.name, Moment(context.now()));
                }
                Ok(Answer::AlreadyUnderWay) => {}
                Err(err) => failure = failure.or(Some(err)),
            }
        }
        // What has begun is noted whatever became of the other queue: its purge counts.
        context.set_note(&self.note(), &purged).await?;
        failure.map_or(Ok(()), |err| Err(err.into()))
    }

    /// Settling, after waiting out a purge of somebody else's.
    fn lasts(&self) -> Duration {
        self.sqs.settings.settle + Duration::from_secs(60)
    }

    fn permissions(&self) -> Vec<Permission> {
        self.queues()
            .flat_map(|(_, name)| self.sqs.permissions(name, Some("sqs:PurgeQueue")))
            .collect()
    }
}

/// `sqs.drain`: the old queue's consumers have emptied it.
#[derive(Debug)]
struct Drain {
    sqs: Arc<Sqs>,
    stack: StackReference,
    watch: DrainWatch,
}

#[async_trait]
impl Step for Drain {
    fn id(&self) -> StepId {
        StepId::new("sqs.drain", &self.sqs.declaration.name, self.stack)
    }

    fn begin(&self) {
        self.watch.forget();
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let messages = self.sqs.depth(context, self.stack, Queue::Main).await?.total();
        let name = self.sqs.name(self.stack);
        let drained_for = self.sqs.settings.drained_for;
        Ok(match self.watch.see(name, messages, drained_for, context.now()) {
            Some(what) => Inspection::Underway { what },
            None => Inspection::Done,
        })
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn lasts(&self) -> Duration {
        self.sqs.settings.drained_for
    }

    fn permissions(&self) -> Vec<Permission> {
        self.sqs.permissions(self.sqs.name(self.stack), None)
    }
}

#[cfg(test)]
mod tests;
