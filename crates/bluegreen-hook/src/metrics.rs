//! [`Metrics`], figures for CloudWatch, as lines of a log in its embedded metric format.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use bluegreen_core::Clock;
use serde_json::{Map, Value, json};

use crate::invocation::Invocation;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "bluegreen";

/// The longest value of a dimension that CloudWatch takes, in characters.
const LONGEST: usize = 1024;

/// Makes the documents of one invocation.
///
/// CloudWatch reads metrics off the log: whoever writes a document as a line to the standard output of a Lambda
/// function has sent it, without a call or a permission. Each has the dimension `stack`, the name of the stack
/// file, and one more; what else is known, such as the release, is in the line and can be searched for, but is no
/// dimension, since each value of one is a metric to pay for.
///
/// | Metric               | Dimensions         | Unit         |
/// |----------------------|--------------------|--------------|
/// | `StepDuration`       | `stack`, `step`    | Milliseconds |
/// | `StepWait`           | `stack`, `step`    | Milliseconds |
/// | `StepRetries`        | `stack`, `step`    | Count        |
/// | `Outcomes`           | `stack`, `outcome` | Count        |
/// | `InvocationDuration` | `stack`, `outcome` | Milliseconds |
#[derive(Clone, Debug)]
pub struct Metrics {
    stack: String,
    request_id: String,
    release: Option<String>,
    clock: Clock,
}

/// A step that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepEnded {
    /// Its name, such as `sqs.purge`.
    pub step: String,
    /// Its resource, as the stack file calls it.
    pub resource: String,
    /// How it ended: `done`, `changed`, `failed`, ..
    pub state: String,
    /// How long it took; `None` when that is not known.
    pub took: Option<Duration>,
    /// How much of this it waited; `None` when that is not known.
    pub waited: Option<Duration>,
    /// How often a call of it was repeated; `None` when that is not known.
    pub retries: Option<u32>,
}

/// A document in the embedded metric format; displays as one line without its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Document(Value);

impl Metrics {
    /// Makes the documents of `invocation`, of the stack file with this name.
    pub fn new(stack: &str, invocation: &Invocation) -> Self {
        Self {
            stack: dimension(stack),
            request_id: invocation.request_id.clone(),
            release: None,
            clock: invocation.clock.clone(),
        }
    }

    /// Names the release in all documents to come.
    pub fn of_release(self, id: &str) -> Self {
        Self { release: Some(id.to_owned()), ..self }
    }

    /// Tells how long a step took and waited, and how often calls were repeated, as far as that is known; nothing
    /// when none of it is.
    pub fn step_ended(&self, ended: &StepEnded) -> Option<Document> {
        let milliseconds = |it: Option<Duration>| it.map(milliseconds);
        let metrics = [
            ("StepDuration", "Milliseconds", milliseconds(ended.took)),
            ("StepWait", "Milliseconds", milliseconds(ended.waited)),
            ("StepRetries", "Count", ended.retries.map(u64::from)),
        ];
        let known: Vec<_> = metrics
            .into_iter()
            .filter_map(|(name, unit, value)| Some((name, unit, value?)))
            .collect();
        let properties = [("resource", ended.resource.as_str()), ("state", ended.state.as_str())];
        (!known.is_empty()).then(|| self.document("step", &ended.step, &known, &properties))
    }

    /// Tells how an invocation ended, such as `succeeded`, `failed` or `later`, what it did, such as `codedeploy`,
    /// `ecs` or `release`, and how long it took.
    pub fn outcome(&self, outcome: &str, event: &str, took: Duration) -> Document {
        let metrics =
            [("Outcomes", "Count", 1), ("InvocationDuration", "Milliseconds", milliseconds(took))];
        self.document("outcome", outcome, &metrics, &[("event", event)])
    }

    /// Makes a document. CloudWatch takes a hundred metrics and thirty dimensions in one: these have three and two.
    fn document(
        &self,
        second: &str,
        value: &str,
        metrics: &[(&str, &str, u64)],
        properties: &[(&str, &str)],
    ) -> Document {
        let now = self.clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let units: Vec<_> =
            metrics.iter().map(|it| json!({ "Name": it.0, "Unit": it.1 })).collect();
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| {
            fields.insert(name.to_owned(), value);
        };
        put(
            "_aws",
            json!({
                "Timestamp": milliseconds(now),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["stack", second]],
                    "Metrics": units,
                }],
            }),
        );
        put("stack", self.stack.as_str().into());
        put(second, dimension(value).into());
        put("request_id", self.request_id.as_str().into());
        if let Some(release) = &self.release {
            put("release", release.as_str().into());
        }
        properties.iter().for_each(|(name, value)| put(name, (*value).into()));
        metrics.iter().for_each(|(name, _, value)| put(name, (*value).into()));
        Document(Value::Object(fields))
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Makes a value of a dimension as CloudWatch takes it: it drops a document with another one in silence. It has 1 to
/// 1024 characters of ASCII, of which one is no blank.
fn dimension(text: &str) -> String {
    let taken = |it: char| if it.is_ascii_graphic() || it == ' ' { it } else { '?' };
    let text: String = text.trim().chars().take(LONGEST).map(taken).collect();
    if text.is_empty() { "unknown".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invocation::fixture::invocation;

    fn metrics(stack: &str) -> Metrics {
        Metrics::new(stack, &invocation(Duration::from_secs(900)))
    }

    /// Reads a document as CloudWatch does: from its line.
    fn read(document: &Document) -> Value {
        let line = document.to_string();
        assert!(!line.contains('\n'), "{line}");
        serde_json::from_str(&line).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_is_told_with_the_time_at_which_it_ended() {
        let metrics = metrics("shop").of_release("r-1");
        let ended = StepEnded {
            step: "sqs.purge".to_owned(),
            resource: "orders".to_owned(),
            state: "changed".to_owned(),
            took: Some(Duration::from_millis(1_500)),
            waited: Some(Duration::ZERO),
            retries: Some(2),
        };
        tokio::time::advance(Duration::from_millis(250)).await;

        let document = read(&metrics.step_ended(&ended).unwrap());

        assert_eq!(
            document,
            json!({
                "_aws": {
                    "Timestamp": 1_800_000_000_250_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "bluegreen",
                        "Dimensions": [["stack", "step"]],
                        "Metrics": [
                            { "Name": "StepDuration", "Unit": "Milliseconds" },
                            { "Name": "StepWait", "Unit": "Milliseconds" },
                            { "Name": "StepRetries", "Unit": "Count" },
                        ],
                    }],
                },
                "stack": "shop", "step": "sqs.purge", "resource": "orders", "state": "changed",
                "request_id": "8476a536", "release": "r-1",
                "StepDuration": 1500, "StepWait": 0, "StepRetries": 2,
            })
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_known_of_a_step_is_left_out_and_not_zero() {
        let took = StepEnded { took: Some(Duration::from_secs(1)), ..StepEnded::default() };

        let document = read(&metrics("shop").step_ended(&took).unwrap());
        let nothing = metrics("shop").step_ended(&StepEnded::default());

        let declared = &document["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(*declared, json!([{ "Name": "StepDuration", "Unit": "Milliseconds" }]));
        assert!(document.get("StepWait").is_none() && document.get("release").is_none());
        assert_eq!(nothing, None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outcome_is_counted() {
        let took = Duration::from_secs(3);

        let document = read(&metrics("shop").outcome("failed", "BeforeInstall", took));

        let declared = &document["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(declared["Dimensions"], json!([["stack", "outcome"]]));
        assert_eq!(document["outcome"], "failed");
        assert_eq!(document["event"], "BeforeInstall");
        assert_eq!([&document["Outcomes"], &document["InvocationDuration"]], [1, 3000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dimension_is_made_what_cloudwatch_takes() {
        let long = "x".repeat(2_000);
        for (stack, expected) in [
            ("shop 1", "shop 1"),
            (" käse\nshop ", "k?se?shop"),
            ("  ", "unknown"),
            ("", "unknown"),
            (long.as_str(), &long[..1024]),
        ] {
            let document = read(&metrics(stack).outcome("", "", Duration::MAX));

            assert_eq!(document["stack"], expected);
            assert_eq!(document["outcome"], "unknown");
        }
    }
}
