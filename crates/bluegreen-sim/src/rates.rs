//! [`Rates`], how many calls AWS takes a second.

use std::{collections::BTreeMap, time::Duration};

use crate::Call;

/// Counts calls against AWS's documented limits; those that AWS does not publish have none.
#[derive(Debug)]
pub(crate) struct Rates {
    on: bool,
    buckets: BTreeMap<String, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Duration,
}

/// A limit: which bucket a call draws from, how many are added a second, and how many it holds.
struct Limit {
    bucket: String,
    rate: f64,
    burst: f64,
}

impl Rates {
    pub(crate) fn new(on: bool) -> Self {
        Self { on, buckets: BTreeMap::new() }
    }

    /// Takes a call, or says that there are too many.
    pub(crate) fn take(&mut self, call: &Call, now: Duration) -> bool {
        let Some(Limit { bucket, rate, burst }) = limit(call).filter(|_| self.on) else {
            return true;
        };
        let bucket = self.buckets.entry(bucket).or_insert(Bucket { tokens: burst, at: now });
        // Of two calls at once the later may be first.
        let added = now.saturating_sub(bucket.at).as_secs_f64() * rate;
        bucket.tokens = (bucket.tokens + added).min(burst);
        bucket.at = bucket.at.max(now);
        let taken = bucket.tokens >= 1.0;
        if taken {
            bucket.tokens -= 1.0;
        }
        taken
    }
}

fn limit(call: &Call) -> Option<Limit> {
    let limit = |bucket: &str, rate: f64, burst: f64| {
        Some(Limit { bucket: format!("{}:{bucket}", call.service), rate, burst })
    };
    match (call.service, call.operation.as_str()) {
        // §6: GetFunction 100 a second, all other calls of the control plane 15 together.
        ("lambda", "GetFunction") => limit("GetFunction", 100.0, 100.0),
        ("lambda", "Invoke") => None,
        ("lambda", _) => limit("control plane", 15.0, 15.0),
        // §8: fixed.
        ("cloudwatch", "DescribeAlarms") => limit("DescribeAlarms", 9.0, 9.0),
        ("cloudwatch", "EnableAlarmActions" | "DisableAlarmActions") => limit("actions", 3.0, 3.0),
        ("cloudwatch", "GetMetricData") => limit("GetMetricData", 50.0, 50.0),
        // §7.
        ("events", _) => limit("all", 50.0, 50.0),
        // §5.
        ("sns", "ListSubscriptionsByTopic") => limit("ListSubscriptionsByTopic", 30.0, 30.0),
        // §9: most are per stream.
        ("kinesis", "DescribeStreamConsumer") => limit(&of_stream(call), 20.0, 20.0),
        ("kinesis", "DeregisterStreamConsumer" | "ListStreamConsumers") => {
            limit(&of_stream(call), 5.0, 5.0)
        }
        ("kinesis", "DescribeStreamSummary") => limit(&call.operation, 20.0, 20.0),
        ("kinesis", "PutRecord") => None,
        ("kinesis", _) => limit(&call.operation, 5.0, 5.0),
        // §3.2: the bucket of reading calls of a cluster.
        ("ecs", "DescribeServices" | "DescribeTasks") => limit("reads", 20.0, 50.0),
        // §3.1.
        ("ecs", "RunTask") => limit("RunTask", 20.0, 100.0),
        _ => None,
    }
}

/// Returns the operation with the stream that the call is about.
fn of_stream(call: &Call) -> String {
    let consumer = call.text("ConsumerARN").and_then(|it| it.split("/consumer/").next());
    let stream = call.text("StreamARN").or(consumer).unwrap_or_default();
    format!("{} {stream}", call.operation)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn call(service: &'static str, operation: &str) -> Call {
        Call {
            service,
            operation: operation.to_owned(),
            parameters: json!({}),
            access_key: None,
            attempt: 1,
        }
    }

    #[test]
    fn the_fourth_switch_of_alarms_in_a_second_is_too_many_and_the_next_second_has_room() {
        let mut rates = Rates::new(true);
        let [enable, disable] =
            ["EnableAlarmActions", "DisableAlarmActions"].map(|it| call("cloudwatch", it));

        let first: Vec<_> =
            [&enable, &disable, &enable, &disable].map(|it| rates.take(it, Duration::ZERO)).into();
        let later = rates.take(&enable, Duration::from_secs(1));

        assert_eq!(first, [true, true, true, false]);
        assert!(later);
    }

    #[test]
    fn reading_functions_does_not_use_up_what_the_control_plane_has() {
        let mut rates = Rates::new(true);

        let functions = (0..60).all(|_| rates.take(&call("lambda", "GetFunction"), Duration::ZERO));
        let lists =
            (0..15).all(|_| rates.take(&call("lambda", "ListEventSourceMappings"), Duration::ZERO));
        let update = rates.take(&call("lambda", "UpdateEventSourceMapping"), Duration::ZERO);

        assert!(functions && lists && !update);
    }

    #[test]
    fn each_stream_has_its_own_limit_however_it_is_named_and_records_have_none() {
        let mut rates = Rates::new(true);
        let mut taken = |operation: &str, parameters: Value| {
            let call = Call { parameters, ..call("kinesis", operation) };
            (0..100).filter(|_| rates.take(&call, Duration::ZERO)).count()
        };
        let stream = |name: &str| json!({ "StreamARN": format!("stream/{name}") });

        let lists = ["clicks", "orders"].map(|it| taken("ListStreamConsumers", stream(it)));
        let looks = taken("DescribeStreamConsumer", stream("clicks"));
        let by_consumer = json!({ "ConsumerARN": "stream/clicks/consumer/clicks-b:17" });
        let others = taken("DescribeStreamConsumer", by_consumer);

        assert_eq!((lists, looks, others), ([5, 5], 20, 0));
        assert_eq!(taken("PutRecord", stream("clicks")), 100);
    }

    #[test]
    fn a_call_that_comes_after_a_later_one_is_counted_as_at_its_time() {
        let mut rates = Rates::new(true);
        let enable = call("cloudwatch", "EnableAlarmActions");
        let later = Duration::from_secs(10);

        let taken: Vec<_> = [later, Duration::ZERO, later, later, later + later]
            .map(|it| rates.take(&enable, it))
            .into();

        assert_eq!(taken, [true, true, true, false, true]);
    }

    #[test]
    fn an_account_without_limits_takes_any_number() {
        let mut rates = Rates::new(false);

        assert!(
            (0..100).all(|_| rates.take(&call("kinesis", "ListStreamConsumers"), Duration::ZERO))
        );
    }
}
