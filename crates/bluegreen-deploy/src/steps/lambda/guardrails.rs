//! What the guardrails ask of functions: that the active one keeps up with its streams.

use bluegreen_lambda::{MappingState, Metric};

use super::{Lambda, caught_up::reads_stream};
use crate::{Asked, Context, Guardrail, Result, stack_file::ConsumerKind, steps::catch_up::age};

impl Lambda {
    pub(super) async fn object(
        &self,
        context: &Context<'_>,
        asked: &Asked<'_>,
    ) -> Result<Vec<String>> {
        if asked.guardrail != Guardrail::ActiveQuiet || self.kinds.mappings == ConsumerKind::Off {
            return Ok(Vec::new());
        }
        let active = asked.target.partner();
        let mappings = self.mappings(context, active).await?;
        if !mappings.iter().any(|it| it.state == MappingState::Enabled && reads_stream(it)) {
            return Ok(Vec::new());
        }
        let (name, below) = (self.function(active), self.iterator_age_below.as_secs_f64());
        let metrics = self.toolkit.latest_metrics(active, context.now()).await?;
        let Some(newest) = metrics.get(&Metric::IteratorAge) else {
            // A stream without records has none: it may be quiet.
            context.warn(format!(
                "`{}`: how old the records are that function `{name}` reads is not known: CloudWatch has kept \
                 nothing of the last five minutes",
                asked.guardrail
            ));
            return Ok(Vec::new());
        };
        // What is no number is below nothing.
        let seconds = newest.value / 1_000.0;
        if seconds < below {
            return Ok(Vec::new());
        }
        Ok(vec![format!(
            "function `{name}` reads records that are {} old, expected less than {}: a standby that catches up takes \
             of the same concurrency; repeat the command when the active stack has caught up",
            age(seconds),
            age(below)
        )])
    }
}
