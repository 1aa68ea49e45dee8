//! [`CaughtUp`], the gate that waits until a standby's function reads its streams near their ends.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::StackReference;
use bluegreen_lambda::{Datapoint, EventSourceMapping, MappingState, Metric};

use super::{Lambda, Trigger};
use crate::{
    Context, Effect, Inspection, Permission, Result, Step, StepId,
    steps::{
        catch_up::{CatchUp, ENABLE, FIRST_FIGURE, age},
        drain::whole_seconds,
    },
};

/// What the looks at ages are remembered under, and those at which there were none.
const AGE: &str = "age";
const QUIET: &str = "quiet";

/// `lambda.caught-up`: what the standby's mappings read from streams is young, for a while.
///
/// A function without mappings on streams that are on passes: what is in queues is `sqs.caught-up`'s. A stream
/// without records has no age, and nothing is behind in it.
#[derive(Debug)]
pub(super) struct CaughtUp {
    lambda: Arc<Lambda>,
    stack: StackReference,
    catch_up: CatchUp,
}

impl CaughtUp {
    pub(super) fn new(lambda: Arc<Lambda>, stack: StackReference) -> Self {
        Self { lambda, stack, catch_up: CatchUp::default() }
    }

    async fn iterator_age(&self, context: &Context<'_>) -> Result<Option<Datapoint>> {
        let mut metrics = self.lambda.toolkit.latest_metrics(self.stack, context.now()).await?;
        Ok(metrics.remove(&Metric::IteratorAge))
    }

    /// Returns what is still waited for; `None` when the mappings `on` have caught up.
    async fn behind(
        &self,
        context: &Context<'_>,
        on: &[&EventSourceMapping],
    ) -> Result<Option<String>> {
        let (limit, lasting) = (self.lambda.iterator_age_below, self.lambda.caught_up_for);
        let now = context.now();
        let since = self.catch_up.since(now);
        let newest = self.iterator_age(context).await?;
        if let Some(newest) = newest.filter(|it| since.is_none_or(|since| it.at >= since)) {
            self.catch_up.bad(QUIET);
            let seconds = newest.value / 1_000.0;
            let old = format!("oldest record {} old when it was read", age(seconds));
            let limit_text = age(limit.as_secs_f64());
            // What is no number is below nothing.
            if seconds < limit.as_secs_f64() {
                let so = format!("{old}, below {limit_text}");
                return Ok(self.catch_up.good(AGE, &so, lasting, now));
            }
            self.catch_up.bad(AGE);
            return Ok(Some(format!("{old}: expected below {limit_text}")));
        }
        self.catch_up.bad(AGE);
        if let Some(moving) = on.iter().find(|it| it.state != MappingState::Enabled) {
            self.catch_up.bad(QUIET);
            return Ok(Some(format!("mapping `{}` to be enabled", moving.uuid)));
        }
        let waits = self.catch_up.good(QUIET, "no record read", lasting, now);
        if waits.is_none() && since.is_some() {
            context.warn(format!(
                "function `{}` is taken to have caught up: its mappings on streams are on, and CloudWatch \
                 has shown no age of their records for {}, as for streams without any",
                self.lambda.function(self.stack),
                whole_seconds(lasting),
            ));
        }
        Ok(waits)
    }
}

#[async_trait]
impl Step for CaughtUp {
    fn id(&self) -> StepId {
        StepId::new("lambda.caught-up", &self.lambda.declaration.name, self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    fn begin(&self) {
        self.catch_up.begin();
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let is_its_turn = self.catch_up.since(context.now()).is_some();
        let mappings = self.lambda.mappings(context, self.stack).await?;
        let streams: Vec<&EventSourceMapping> =
            mappings.iter().filter(|it| reads_stream(it)).collect();
        let is_on = |it: &&EventSourceMapping| {
            !matches!(it.state, MappingState::Disabled | MappingState::Disabling)
        };
        let on: Vec<&EventSourceMapping> = streams.iter().copied().filter(is_on).collect();

        if on.is_empty() {
            let stay_off = is_its_turn || self.lambda.declaration.skip.contains(ENABLE);
            if streams.is_empty() || stay_off {
                return Ok(Inspection::Done);
            }
            // A permission that is missing is found now, not when everything else has been changed.
            self.iterator_age(context).await?;
            return Ok(Inspection::Unknown { after: ENABLE.to_owned() });
        }
        Ok(match self.behind(context, &on).await? {
            Some(what) => Inspection::Underway { what },
            None => Inspection::Done,
        })
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    /// Being young for a while, after the first figure.
    fn lasts(&self) -> Duration {
        self.lambda.caught_up_for + FIRST_FIGURE
    }

    fn permissions(&self) -> Vec<Permission> {
        let mut permissions = self.lambda.looks(Trigger::Mappings, self.stack);
        permissions.extend(Permission::unlimited(&["cloudwatch:GetMetricData"]));
        permissions
    }
}

/// Returns whether a mapping reads a stream of Kinesis or DynamoDB: only those have an age.
pub(super) fn reads_stream(mapping: &EventSourceMapping) -> bool {
    let service = mapping.event_source_arn.as_deref().and_then(|it| it.split(':').nth(2));
    matches!(service, Some("kinesis" | "dynamodb"))
}

#[cfg(test)]
mod tests;
