//! The metrics that the account publishes itself: worked out when they are asked for, from what was noted of changes.
//!
//! There is one value a minute, as it was at the minute's end, with the minute's beginning as its time; of a stream's
//! iterator there is one for each batch, and none without a batch. It can be read one to three minutes after the
//! minute has begun (`Times::metric`), the later minute not always after the earlier one. Simplified: a cluster that
//! is gone has no values left, a queue from which a mapping takes messages now counts as active for ever before, and
//! other dimensions than those named in `points` have no values.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use super::Metric;
use crate::World;

/// A minute, in seconds.
const MINUTE: f64 = 60.0;

/// §8: how long values by the minute are kept, in seconds.
const KEPT: f64 = 15.0 * 24.0 * 3600.0;

/// Returns the values of a metric between two times, in seconds since 1970, that can be read now; each with its time.
pub(super) fn points(world: &World, metric: &Metric, from: f64, to: f64) -> Vec<(f64, f64)> {
    let (namespace, name, dimensions) = metric;
    let dimensions: Vec<_> =
        dimensions.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
    match (namespace.as_str(), name.as_str(), dimensions.as_slice()) {
        ("AWS/RDS", "DatabaseConnections", [("DBClusterIdentifier", cluster)]) => {
            by_minute(world, metric, from, to, |at| {
                world.rds.connections_at(cluster, at).map(f64::from)
            })
        }
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", [("QueueName", queue)]) => {
            by_minute(world, metric, from, to, |at| age_of_oldest(world, queue, at))
        }
        ("AWS/Lambda", "IteratorAge", [("FunctionName", function)]) => {
            iterator_ages(world, metric, function, None, from, to)
        }
        ("AWS/Lambda", "IteratorAge", [("FunctionName", function), ("Resource", resource)]) => {
            iterator_ages(world, metric, function, Some(resource), from, to)
        }
        _ => Vec::new(),
    }
}

fn by_minute(
    world: &World,
    metric: &Metric,
    from: f64,
    to: f64,
    value: impl Fn(Duration) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let now = world.seconds();
    let first = from.max(now - KEPT).div_euclid(MINUTE) as i64;
    let last = to.min(now).div_euclid(MINUTE) as i64;
    let minutes = (first..=last).map(|it| it as f64 * MINUTE);
    let minutes = minutes.filter(|it| *it >= from && *it < to && can_be_read(world, metric, *it));
    minutes.filter_map(|it| Some((it, value(world.at_seconds((it + MINUTE).min(now)))?))).collect()
}

/// Returns whether the value of the minute that begins then can be read now: the same however often it is asked.
fn can_be_read(world: &World, metric: &Metric, minute: f64) -> bool {
    let mut hasher = DefaultHasher::new();
    (world.seed, metric, minute as i64).hash(&mut hasher);
    let late = world.times.metric.draw(&mut fastrand::Rng::with_seed(hasher.finish()));
    minute + late.as_secs_f64() <= world.seconds()
}

/// Returns the age of the oldest message that could be received then, in seconds.
fn age_of_oldest(world: &World, queue: &str, at: Duration) -> Option<f64> {
    let queue = world.sqs.queue(queue)?;
    if let Some(oldest) = queue.oldest_at(at) {
        let sent = world.ledger.message(oldest)?.sent;
        return Some(at.saturating_sub(sent).as_secs_f64().floor());
    }
    let read = world.lambda.mappings().any(|it| it.source == queue.arn && it.takes());
    (read || queue.was_active(at)).then_some(0.0)
}

/// Returns how old the last record of each batch was when the function, or an alias of it, got it, in milliseconds.
fn iterator_ages(
    world: &World,
    metric: &Metric,
    function: &str,
    resource: Option<&str>,
    from: f64,
    to: f64,
) -> Vec<(f64, f64)> {
    let from = from.max(world.seconds() - KEPT);
    let batches = world.lambda.batches(function);
    let batches = batches.filter(|it| resource.is_none_or(|resource| it.resource == resource));
    let batches = batches.map(|it| (world.seconds_at(it.at), it.age.as_millis() as f64));
    let batches = batches.filter(|(at, _)| (from..to).contains(at));
    batches.filter(|(at, _)| can_be_read(world, metric, (at / MINUTE).floor() * MINUTE)).collect()
}
