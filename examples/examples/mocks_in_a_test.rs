//! Mocks in a test of your own: `cargo test -p bluegreen-examples --example mocks_in_a_test`
//!
//! The function under test takes `&dyn SqsToolkit`, so that a test can hand it a `MockSqsToolkit`. The mock
//! comes with the feature `test-util`, which belongs into `[dev-dependencies]` and nowhere else:
//!
//! ```toml
//! [dev-dependencies]
//! bluegreen-sqs = { version = "0.1", features = ["test-util"] }
//! mockall = "0.15"
//! ```
//!
//! Run as a program (`cargo run ..`), it asks AWS the same question.
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use anyhow::Result;
use aws_config::BehaviorVersion;
use bluegreen_core::{Pair, StackReference};
use bluegreen_sqs::{AwsSqsToolkit, Queue, SqsConfig, SqsToolkit};

/// How many messages may be left to catch up with.
const FEW: u64 = 100;

#[tokio::main]
async fn main() -> Result<()> {
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let config = SqsConfig {
        queues: Pair::from_fn(|it| format!("ingest-{it}")),
        dead_letter_queues: Some(Pair::from_fn(|it| format!("ingest-{it}-dlq"))),
    };
    let sqs = AwsSqsToolkit::new(&sdk, config)?;

    let verdict = has_caught_up(&sqs, StackReference::B).await?;

    println!("stack b has {}caught up", if verdict { "" } else { "not " });
    Ok(())
}

/// Returns whether a stack has worked off its queue, and nothing has ended as a dead letter.
async fn has_caught_up(
    sqs: &dyn SqsToolkit,
    stack: StackReference,
) -> bluegreen_core::Result<bool> {
    if sqs.depth(stack, Queue::Main).await?.total() > FEW {
        return Ok(false);
    }
    Ok(sqs.depth(stack, Queue::DeadLetters).await?.is_empty())
}

#[cfg(test)]
mod tests {
    use bluegreen_core::Error;
    use bluegreen_sqs::{MockSqsToolkit, QueueDepth};
    use mockall::predicate::eq;

    use super::*;

    const B: StackReference = StackReference::B;

    /// Makes a mock whose queues of stack b hold so many messages. Any other call fails the test.
    fn queues(main: u64, dead_letters: u64) -> MockSqsToolkit {
        let mut sqs = MockSqsToolkit::new();
        for (queue, waiting) in [(Queue::Main, main), (Queue::DeadLetters, dead_letters)] {
            sqs.expect_depth()
                .with(eq(B), eq(queue))
                .returning(move |_, _| Ok(QueueDepth { waiting, ..QueueDepth::default() }));
        }
        sqs
    }

    #[tokio::test]
    async fn few_messages_and_no_dead_letter_are_caught_up() {
        let sqs = queues(FEW, 0);

        let verdict = has_caught_up(&sqs, B).await;

        assert!(verdict.unwrap());
    }

    #[tokio::test]
    async fn many_messages_are_not_caught_up() {
        let sqs = queues(FEW + 1, 0);

        let verdict = has_caught_up(&sqs, B).await;

        assert!(!verdict.unwrap());
    }

    #[tokio::test]
    async fn a_dead_letter_is_not_caught_up() {
        let sqs = queues(0, 1);

        let verdict = has_caught_up(&sqs, B).await;

        assert!(!verdict.unwrap());
    }

    #[tokio::test]
    async fn a_queue_that_is_not_there_is_an_error_and_not_an_empty_queue() {
        let mut sqs = MockSqsToolkit::new();
        sqs.expect_depth()
            .returning(|_, _| Err(Error::NotFound { resource: "queue `ingest-b`".to_owned() }));

        let verdict = has_caught_up(&sqs, B).await;

        assert!(verdict.unwrap_err().is_absent());
    }
}
