//! Two toolkits by hand: `cargo run -p bluegreen-examples --example pause_ingest -- off b` (or `on b`)
//!
//! Takes the ingest of one stack out of service and puts it back. `off` stops what feeds the queue
//! (the SNS subscription) before what empties it (the Lambda mappings), so that nothing is left
//! behind in the queue; `on` opens the subscription first, so that the queue buffers from then on.
//! What was there before is written to `pause-ingest-b.json` before anything is changed.
//!
//! Messages that a closed subscription filters out are gone for this stack. Do it to a standby.
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use aws_config::BehaviorVersion;
use bluegreen_core::{
    Pair, Selection, StackReference,
    wait::{self, Look, Pace},
};
use bluegreen_lambda::{
    AwsLambdaToolkit, EventSourceMapping, LambdaConfig, LambdaToolkit, MappingState,
};
use bluegreen_sns::{AwsSnsToolkit, FilterPolicy, SnsConfig, SnsToolkit};
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// AWS takes up to so long until a change of a filter policy works everywhere.
const SETTLE: Duration = Duration::from_secs(15 * 60);

/// Takes the ingest of a stack out of service, or puts it back.
#[derive(Debug, Parser)]
struct Arguments {
    /// What it is to be.
    wanted: Wanted,
    /// The stack.
    stack: StackReference,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wanted {
    /// In service.
    On,
    /// Out of service.
    Off,
}

/// How the ingest was before it was taken out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    /// The subscription's own filter policy.
    filter: Option<String>,
    /// The mappings that were on. A person may have had others off: those stay off.
    mappings: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { wanted, stack } = Arguments::parse();
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let topic = "arn:aws:sns:eu-west-1:123456789012:catalogue".to_owned();
    let queue = |it| format!("arn:aws:sqs:eu-west-1:123456789012:ingest-{it}");
    let sns = AwsSnsToolkit::new(
        &sdk,
        SnsConfig {
            topic: Some(topic),
            endpoints: Some(Pair::from_fn(queue)),
            ..SnsConfig::default()
        },
    )?;
    let functions = Pair::from_fn(|it| format!("ingest-{it}"));
    let lambda =
        AwsLambdaToolkit::new(&sdk, LambdaConfig { functions, alias: Some("live".to_owned()) })?;

    let path = format!("pause-ingest-{stack}.json");
    let path = Path::new(&path);
    match wanted {
        Wanted::Off => {
            // Where an earlier run was interrupted, what that one saw counts.
            if !path.exists() {
                let before = look(&sns, &lambda, stack).await?;
                fs::write(path, serde_json::to_vec(&before)?).context("remembering")?;
            }
            switch_off(&sns, &lambda, stack, &remembered(path)?, SETTLE).await?;
        }
        Wanted::On => {
            switch_on(&sns, &lambda, stack, &remembered(path)?, SETTLE).await?;
            fs::remove_file(path).context("forgetting")?;
        }
    }
    println!("the ingest of stack {stack} is {wanted:?}");
    Ok(())
}

fn remembered(path: &Path) -> Result<Before> {
    let text = fs::read(path).context("nothing is remembered of this stack")?;
    Ok(serde_json::from_slice(&text)?)
}

/// Looks how the ingest of `stack` is.
async fn look(
    sns: &dyn SnsToolkit,
    lambda: &dyn LambdaToolkit,
    stack: StackReference,
) -> Result<Before> {
    let subscription = sns.subscription(stack).await?;
    if subscription.disabled {
        bail!("the subscription is off already, and what filter it had is not known");
    }
    let mappings = lambda.list_event_source_mappings(stack).await?;
    let on = mappings
        .into_iter()
        .filter(|it| !matches!(it.state, MappingState::Disabled | MappingState::Disabling));
    Ok(Before {
        filter: subscription.filter.map(|it| it.0),
        mappings: on.map(|it| it.uuid).collect(),
    })
}

/// Stops what feeds the queue, lets it settle, and then stops what empties it.
async fn switch_off(
    sns: &dyn SnsToolkit,
    lambda: &dyn LambdaToolkit,
    stack: StackReference,
    before: &Before,
    settle: Duration,
) -> Result<()> {
    sns.disable_subscription(stack).await?;
    wait_for(settle).await?;
    switch_mappings(lambda, stack, &before.mappings, false).await
}

/// Opens the subscription with the filter that it had, and then switches on what empties the queue.
async fn switch_on(
    sns: &dyn SnsToolkit,
    lambda: &dyn LambdaToolkit,
    stack: StackReference,
    before: &Before,
    settle: Duration,
) -> Result<()> {
    sns.enable_subscription(stack, before.filter.clone().map(FilterPolicy)).await?;
    wait_for(settle).await?;
    switch_mappings(lambda, stack, &before.mappings, true).await
}

/// Switches the mappings, and waits until AWS has done it.
async fn switch_mappings(
    lambda: &dyn LambdaToolkit,
    stack: StackReference,
    uuids: &[String],
    on: bool,
) -> Result<()> {
    let wanted = if on { MappingState::Enabled } else { MappingState::Disabled };
    let look = async || -> bluegreen_core::Result<Look<()>> {
        let mappings = lambda.list_event_source_mappings(stack).await?;
        let left: Vec<EventSourceMapping> = mappings
            .into_iter()
            .filter(|it| uuids.contains(&it.uuid) && it.state != wanted)
            .collect();
        if left.is_empty() {
            return Ok(Look::Ready(()));
        }
        let waiting_for = format!("{} mappings", left.len());
        // Those on their way are left alone, and a busy one is tried again in the next look.
        let left = Selection::Only(left);
        let switched = match on {
            true => lambda.enable_event_mapping(stack, left).await?,
            false => lambda.disable_event_mapping(stack, left).await?,
        };
        Ok(if switched.changed.is_empty() {
            Look::Waiting(waiting_for)
        } else {
            Look::Acted(waiting_for)
        })
    };
    let cancel = CancellationToken::new();
    let progress = |it: wait::Progress<'_>| println!("waiting for {}", it.waiting_for);
    wait::until("the mappings", Pace::default(), &cancel, progress, look).await?;
    Ok(())
}

/// Lets `time` pass.
async fn wait_for(time: Duration) -> Result<()> {
    let over = Instant::now() + time;
    let look = async || -> bluegreen_core::Result<Look<()>> {
        let left = over.saturating_duration_since(Instant::now());
        Ok(match left.is_zero() {
            true => Look::Ready(()),
            false => Look::Due(format!("the filter policy: {} s left", left.as_secs()), left),
        })
    };
    let pace = Pace { deadline: time + Duration::from_secs(1), ..Pace::default() };
    let cancel = CancellationToken::new();
    let progress = |it: wait::Progress<'_>| println!("waiting for {}", it.waiting_for);
    Ok(wait::until("the filter policy", pace, &cancel, progress, look).await?)
}

#[cfg(test)]
mod tests {
    use bluegreen_core::{Change, Switched};
    use bluegreen_lambda::MockLambdaToolkit;
    use bluegreen_sns::MockSnsToolkit;
    use mockall::{Sequence, predicate::eq};

    use super::*;

    const B: StackReference = StackReference::B;

    fn mapping(uuid: &str, state: MappingState) -> EventSourceMapping {
        EventSourceMapping {
            uuid: uuid.to_owned(),
            event_source_arn: None,
            function_arn: String::new(),
            batch_size: None,
            state,
        }
    }

    fn before() -> Before {
        Before { filter: Some(r#"{"type":["order"]}"#.to_owned()), mappings: vec!["1".to_owned()] }
    }

    /// Lists mapping 1 in `state`, and mapping 2, which a person has off.
    fn lists(lambda: &mut MockLambdaToolkit, order: &mut Sequence, state: MappingState) {
        lambda
            .expect_list_event_source_mappings()
            .with(eq(B))
            .times(1)
            .in_sequence(order)
            .returning(move |_| {
                Ok(vec![mapping("1", state.clone()), mapping("2", MappingState::Disabled)])
            });
    }

    #[tokio::test(start_paused = true)]
    async fn feeding_stops_before_the_consumers_do() {
        let (mut sns, mut lambda, mut order) =
            (MockSnsToolkit::new(), MockLambdaToolkit::new(), Sequence::new());
        sns.expect_disable_subscription()
            .with(eq(B))
            .times(1)
            .in_sequence(&mut order)
            .returning(|_| Ok(Change::Made));
        lists(&mut lambda, &mut order, MappingState::Enabled);
        lambda
            .expect_disable_event_mapping()
            .with(eq(B), eq(Selection::Only(vec![mapping("1", MappingState::Enabled)])))
            .times(1)
            .in_sequence(&mut order)
            .returning(|_, _| {
                Ok(Switched { changed: vec!["1".to_owned()], ..Switched::default() })
            });
        lists(&mut lambda, &mut order, MappingState::Disabled);
        let began = Instant::now();

        switch_off(&sns, &lambda, B, &before(), SETTLE).await.unwrap();

        assert!(began.elapsed() >= SETTLE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_subscription_gets_its_own_filter_back_before_the_consumers_are_on() {
        let (mut sns, mut lambda, mut order) =
            (MockSnsToolkit::new(), MockLambdaToolkit::new(), Sequence::new());
        sns.expect_enable_subscription()
            .with(eq(B), eq(before().filter.map(FilterPolicy)))
            .times(1)
            .in_sequence(&mut order)
            .returning(|_, _| Ok(Change::Made));
        lists(&mut lambda, &mut order, MappingState::Disabled);
        lambda
            .expect_enable_event_mapping()
            .with(eq(B), eq(Selection::Only(vec![mapping("1", MappingState::Disabled)])))
            .times(1)
            .in_sequence(&mut order)
            .returning(|_, _| {
                Ok(Switched { changed: vec!["1".to_owned()], ..Switched::default() })
            });
        lists(&mut lambda, &mut order, MappingState::Enabled);

        switch_on(&sns, &lambda, B, &before(), SETTLE).await.unwrap();
    }
}
