//! When each step ran, which chain of them took longest, and where the messages went.

use std::{collections::BTreeMap, time::Duration};

use bluegreen_core::StackReference;
use bluegreen_deploy::{Event, Phase, Plan, StepId, StepReport, stack_file::StackFile};
use bluegreen_sim::{Fate, World};
use serde::Serialize;

/// A step with the time at which it ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// When it began, since the account was made.
    pub began: Duration,
    /// When it ended.
    pub ended: Duration,
    /// What came of it.
    pub report: StepReport,
}

/// Writes down when steps begin and end.
#[derive(Debug, Default)]
pub(crate) struct Clocked {
    began: BTreeMap<StepId, Duration>,
    pub(crate) steps: Vec<Timed>,
}

impl Clocked {
    pub(crate) fn note(&mut self, event: &Event, now: Duration) {
        match event {
            Event::StepStarted { step } => {
                self.began.insert(step.clone(), now);
            }
            Event::StepEnded { report } => {
                let began = self.began.get(&report.step).copied().unwrap_or(now);
                self.steps.push(Timed { began, ended: now, report: report.clone() });
                // As they began, and as they are called where they began together.
                self.steps.sort_by(|one, other| {
                    let key = |it: &Timed| (it.began, it.report.phase, it.report.step.clone());
                    key(one).cmp(&key(other))
                });
            }
            _ => {}
        }
    }
}

/// Returns the chain of steps that kept a release busy longest: each waited for the one before it.
pub fn longest_chain(plan: &Plan, steps: &[Timed]) -> Vec<Timed> {
    let by_id: BTreeMap<&StepId, &Timed> = steps.iter().map(|it| (&it.report.step, it)).collect();
    let mut chain = Vec::new();
    for phase in Phase::ALL {
        let planned = plan.phase(phase);
        let ids: Vec<StepId> = planned.iter().map(|(step, _)| step.id()).collect();
        let timed = |index: usize| {
            by_id.get(&ids[index]).filter(|it| it.report.phase == Some(phase)).copied()
        };
        // From the step that ended last, back to whichever it waited for last.
        let mut at = (0..ids.len())
            .filter(|it| timed(*it).is_some())
            .max_by_key(|it| timed(*it).map(|it| it.ended));
        let mut backwards = Vec::new();
        while let Some(index) = at {
            backwards.extend(timed(index).cloned());
            let waits_for = planned[index].1.iter().copied();
            at = waits_for
                .filter(|it| timed(*it).is_some())
                .max_by_key(|it| timed(*it).map(|it| it.ended));
        }
        chain.extend(backwards.into_iter().rev());
    }
    chain
}

/// How many messages there were, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MessageCounts {
    /// Those that were sent.
    pub published: usize,
    /// Those that a consumer of stack a has processed.
    pub consumed_by_a: usize,
    /// Those that a consumer of stack b has processed.
    pub consumed_by_b: usize,
    /// Those that nobody has processed, and nobody will.
    pub lost: usize,
    /// Those that one stack has processed more than once, or both stacks a message that was for one.
    pub doubled: usize,
    /// Those that wait for somebody to process them.
    pub waiting: usize,
}

/// Counts messages by what became of them.
pub fn message_counts(file: &StackFile, world: &World) -> MessageCounts {
    let mut counts = MessageCounts::default();
    // A record of a stream has no copies before it is read.
    let is_read = |stream: &str| world.lambda.mappings().any(|it| it.source.starts_with(stream));
    for (_, message) in world.ledger.messages() {
        counts.published += 1;
        let by = |stack: StackReference| {
            let consumed = message.copies.values().flat_map(|it| &it.consumed);
            consumed.filter(|(consumer, _)| stack_of(file, consumer) == Some(stack)).count()
        };
        let (by_a, by_b) = (by(StackReference::A), by(StackReference::B));
        counts.consumed_by_a += usize::from(by_a > 0);
        counts.consumed_by_b += usize::from(by_b > 0);
        let for_one = message.copies.len() == 1;
        counts.doubled += usize::from(by_a > 1 || by_b > 1 || (for_one && by_a + by_b > 1));
        if by_a + by_b == 0 {
            let waits = message.copies.values().any(|it| it.fate == Fate::Waiting);
            // What nobody reads at all is not lost: there is no consumer in the file for it.
            let waits = waits || (message.copies.is_empty() && is_read(&message.to));
            counts.waiting += usize::from(waits);
            counts.lost += usize::from(!waits && !message.copies.is_empty());
        }
    }
    counts
}

/// Returns the stack whose function this is.
fn stack_of(file: &StackFile, consumer: &str) -> Option<StackReference> {
    StackReference::BOTH.into_iter().find(|stack| {
        file.lambda.iter().any(|it| it.settings.config.functions.of(*stack) == consumer)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bluegreen_sim::{Settings, SimulatedAccount};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_record_that_nobody_has_read_yet_waits_and_one_that_nobody_reads_does_not() {
        let text = "name = \"shop\"\nregion = \"eu-west-1\"\ntraffic = \"none\"\n";
        let file = StackFile::parse(text, Path::new("bluegreen.toml"), &|_| None).unwrap();
        let account = SimulatedAccount::new(Settings::default());

        let counts = account.world(|world| {
            let [read, unread] = ["clicks", "views"].map(|it| world.add_stream(it));
            world.add_function("ingest-a", 60);
            let function = world.function_arn("ingest-a", None);
            world.add_mapping(&function, &read, false);
            for stream in [&read, &unread] {
                world.ledger.sent(stream, Duration::ZERO);
            }
            message_counts(&file, world)
        });

        assert_eq!((counts.published, counts.waiting, counts.lost), (2, 1, 0));
    }
}
