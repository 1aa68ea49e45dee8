//! What the guardrails ask of queues: that the dead letters of the target do not grow.

use std::{sync::PoisonError, time::SystemTime};

use bluegreen_sqs::Queue;

use super::Sqs;
use crate::{
    Asked, Context, Guardrail, Result,
    steps::drain::{counted, whole_seconds},
};

/// How many dead letters there were when.
pub(super) type Before = Option<(SystemTime, u64)>;

impl Sqs {
    /// Counts in the first look, and compares in the second.
    pub(super) async fn object(
        &self,
        context: &Context<'_>,
        asked: &Asked<'_>,
    ) -> Result<Vec<String>> {
        let Some(name) = self.queue(asked.target, Queue::DeadLetters) else {
            return Ok(Vec::new());
        };
        if asked.guardrail != Guardrail::DeadLettersSteady {
            return Ok(Vec::new());
        }
        // What an earlier run has counted does not stand in for a look that fails.
        let before = match asked.first {
            true => self.dead_before.lock().unwrap_or_else(PoisonError::into_inner).take(),
            false => *self.dead_before.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let count = self.depth(context, asked.target, Queue::DeadLetters).await?.total();
        if asked.first {
            let now = Some((context.now(), count));
            *self.dead_before.lock().unwrap_or_else(PoisonError::into_inner) = now;
            return Ok(Vec::new());
        }
        let Some((at, before)) = before else {
            return Ok(vec![format!(
                "how fast the dead letters of queue `{name}` grow is not known: repeat the command"
            )]);
        };
        let (more, time) =
            (count.saturating_sub(before), context.now().duration_since(at).unwrap_or_default());
        let limit = asked.settings.dead_letters_per_minute;
        if more as f64 <= f64::from(limit) * time.as_secs_f64() / 60.0 {
            return Ok(Vec::new());
        }
        Ok(vec![format!(
            "queue `{name}` got {} within {}, expected at most {limit} a minute: see what the consumers cannot handle",
            counted(more, "dead letter"),
            whole_seconds(time)
        )])
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Mutex, time::Duration};

    use bluegreen_core::{
        Error,
        StackReference::{A, B},
    };
    use bluegreen_sqs::{MockSqsToolkit, QueueDepth};

    use super::{super::tests::sqs, *};
    use crate::{
        Occasion, Resource,
        stack_file::{Feed, GuardrailSettings},
        steps::testing::World,
    };

    /// Returns what is objected to when the two looks, a minute apart, count so many.
    async fn objections(counts: [Option<u64>; 2], limit: u32) -> Vec<String> {
        let mut toolkit = MockSqsToolkit::new();
        let counts = Mutex::new(VecDeque::from(counts));
        toolkit.expect_depth().returning(move |stack, queue| {
            assert_eq!((stack, queue), (B, Queue::DeadLetters));
            let missing = || Error::NotFound { resource: "queue `dead-b`".to_owned() };
            let waiting = counts.lock().unwrap().pop_front().unwrap().ok_or_else(missing)?;
            Ok(QueueDepth { waiting, ..QueueDepth::default() })
        });
        let (queue, world) = (sqs(toolkit, Feed::FanOut), World::new(A));
        let settings =
            GuardrailSettings { dead_letters_per_minute: limit, ..GuardrailSettings::default() };
        let asked = |first| Asked {
            guardrail: Guardrail::DeadLettersSteady,
            occasion: Occasion::Promote,
            target: B,
            first,
            settings: &settings,
        };
        let first = queue.objections(&world.context(), &asked(true)).await;
        assert!(first.is_err() || first.is_ok_and(|it| it.is_empty()));
        tokio::time::advance(Duration::from_secs(60)).await;
        queue.objections(&world.context(), &asked(false)).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn dead_letters_that_grow_faster_than_allowed_are_objected_to() {
        let faster = objections([Some(3), Some(6)], 2).await;
        let steady = objections([Some(3), Some(5)], 2).await;
        let fewer = objections([Some(3), Some(0)], 0).await;

        assert_eq!(
            faster,
            [
                "queue `dead-b` got 3 dead letters within 1m, expected at most 2 a minute: see what the consumers cannot \
              handle"
            ]
        );
        assert_eq!((steady, fewer), (Vec::new(), Vec::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_first_count_the_growth_is_not_known() {
        let found = objections([None, Some(0)], 1).await;

        assert!(found.len() == 1 && found[0].contains("is not known"), "{found:?}");
    }
}
