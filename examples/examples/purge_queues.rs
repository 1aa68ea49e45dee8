//! One toolkit by itself: `cargo run -p bluegreen-examples --example purge_queues -- orders-a orders-b --stack b`
//!
//! Shows how full the two queues are and throws away what is in the queue of one stack.
//! Credentials and Region come from where every AWS tool takes them.
//!
//! Nothing here keeps you from purging the active stack. A toolkit does what it is told; the guards
//! are in the engine: `bluegreen step sqs.purge --stack b` looks first which stack is active.
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use anyhow::{Context, Result, ensure};
use aws_config::BehaviorVersion;
use bluegreen_core::{Pair, StackReference};
use bluegreen_sqs::{AwsSqsToolkit, Purge, Queue, Queues, SqsConfig, SqsToolkit};
use clap::Parser;

/// Throws away the messages in the queue of one stack.
#[derive(Debug, Parser)]
struct Arguments {
    /// The name of stack a's queue.
    a: String,
    /// The name of stack b's queue.
    b: String,
    /// The stack whose queue is purged.
    #[arg(long, value_name = "a|b")]
    stack: StackReference,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { a, b, stack } = Arguments::parse();
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    // A configuration that cannot be right (the same queue twice) is refused here, before any call.
    let config = SqsConfig { queues: Pair { a, b }, dead_letter_queues: None };
    let sqs = AwsSqsToolkit::new(&sdk, config)?;

    for side in StackReference::BOTH {
        let depth = sqs.depth(side, Queue::Main).await.context("counting messages")?;
        println!("stack {side}: {} messages, {} of them in flight", depth.total(), depth.in_flight);
    }

    let mut failed = false;
    for purge in sqs.purge_queues(stack, Queues::Main).await {
        match purge.outcome {
            Ok(Purge::Started) => println!("{}: is being purged, give it 60 s", purge.name),
            // SQS takes one purge a minute. What came after the other one began is still there.
            Ok(Purge::AlreadyUnderWay) => println!("{}: ask again in a minute", purge.name),
            Err(err) => {
                failed = true;
                println!("{}: {:#}", purge.name, anyhow::Error::from(err));
            }
        }
    }
    ensure!(!failed, "a queue was not purged");
    Ok(())
}
