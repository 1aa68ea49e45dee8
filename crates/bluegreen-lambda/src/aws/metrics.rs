//! The metrics that Lambda keeps of a function in CloudWatch.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, Metric as NamedMetric, MetricDataQuery, MetricStat, StatusCode},
};
use bluegreen_core::{Error, Result, StackReference};

use super::{AwsLambdaToolkit, required};
use crate::{Datapoint, Metric};

const GET: &str = "cloudwatch:GetMetricData";

/// How far back a value may lie.
const WINDOW: Duration = Duration::from_secs(300);

/// What one value amounts to, in seconds: Lambda sends its metrics by the minute.
const PERIOD: i32 = 60;

impl AwsLambdaToolkit {
    pub(super) async fn newest_points(
        &self,
        stack: StackReference,
        now: SystemTime,
    ) -> Result<BTreeMap<Metric, Datapoint>> {
        let dimensions = self.dimensions(stack);
        let mut pages = self
            .cloudwatch
            .get_metric_data()
            .set_metric_data_queries(Some(Metric::ALL.map(|it| query(it, &dimensions)).into()))
            .start_time(DateTime::from(now - WINDOW))
            .end_time(DateTime::from(now))
            .into_paginator()
            .send();

        let mut newest = BTreeMap::new();
        let mut unfinished = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|err| Error::aws(GET, err))?;
            for result in page.metric_data_results.unwrap_or_default() {
                let id = required(result.id, GET, "the id of a metric")?;
                // Labels are the service's own words; only ids are ours.
                let Some(metric) = Metric::ALL.into_iter().find(|it| id_of(*it) == id) else {
                    continue;
                };
                let (timestamps, values) =
                    (result.timestamps.unwrap_or_default(), result.values.unwrap_or_default());
                if timestamps.len() != values.len() {
                    return Err(incomplete("a time for every value"));
                }
                for (at, value) in timestamps.into_iter().zip(values) {
                    let at = SystemTime::try_from(at)
                        .map_err(|_| incomplete("a time that can be told"))?;
                    let point = Datapoint { at, value, statistic: metric.statistic() };
                    let known = newest.entry(metric).or_insert(point);
                    if known.at < at {
                        *known = point;
                    }
                }
                // A metric may go on on the next page: its last word counts.
                unfinished.insert(metric, result.status_code != Some(StatusCode::Complete));
            }
        }
        if unfinished.into_values().any(|it| it) {
            return Err(incomplete("complete data"));
        }
        Ok(newest)
    }

    /// AWS keeps the metrics of an alias under the function's name and `name:alias` together.
    fn dimensions(&self, stack: StackReference) -> Vec<Dimension> {
        let name = self.name(stack);
        let alias = self.config.alias.as_ref().map(|it| ("Resource", format!("{name}:{it}")));
        [Some(("FunctionName", name.to_owned())), alias]
            .into_iter()
            .flatten()
            .map(|(name, value)| Dimension::builder().name(name).value(value).build())
            .collect()
    }
}

fn query(metric: Metric, dimensions: &[Dimension]) -> MetricDataQuery {
    let named = NamedMetric::builder()
        .namespace("AWS/Lambda")
        .metric_name(metric.name())
        .set_dimensions(Some(dimensions.to_vec()))
        .build();
    let stat = MetricStat::builder().metric(named).period(PERIOD).stat(metric.statistic()).build();
    MetricDataQuery::builder().id(id_of(metric)).metric_stat(stat).build()
}

/// AWS wants ids to begin with a small letter.
fn id_of(metric: Metric) -> String {
    metric.name().to_ascii_lowercase()
}

fn incomplete(missing: &'static str) -> Error {
    Error::Incomplete { operation: GET, missing }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::{
        Client,
        operation::get_metric_data::{GetMetricDataInput, GetMetricDataOutput},
        types::MetricDataResult,
    };
    use aws_smithy_mocks::{Rule, mock};
    use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode as Status};
    use aws_smithy_types::body::SdkBody;
    use bluegreen_core::StackReference::{A, B};

    use super::{super::fixture::toolkit, *};
    use crate::LambdaToolkit;

    const NOW: i64 = 1_800_000_000;

    async fn latest(
        alias: Option<&str>,
        rules: &[&Rule],
        stack: StackReference,
    ) -> Result<BTreeMap<Metric, Datapoint>> {
        toolkit(alias, rules).latest_metrics(stack, at(NOW)).await
    }

    fn at(seconds: i64) -> SystemTime {
        SystemTime::try_from(DateTime::from_secs(seconds)).unwrap()
    }

    fn result(id: &str, status: StatusCode, points: &[(i64, f64)]) -> MetricDataResult {
        let (times, values): (Vec<_>, Vec<_>) =
            points.iter().map(|(at, value)| (DateTime::from_secs(*at), *value)).unzip();
        MetricDataResult::builder()
            .id(id)
            .label("what the service calls it today")
            .status_code(status)
            .set_timestamps(Some(times))
            .set_values(Some(values))
            .build()
    }

    fn answers(results: Vec<MetricDataResult>) -> Rule {
        mock!(Client::get_metric_data).then_output(move || {
            GetMetricDataOutput::builder().set_metric_data_results(Some(results.clone())).build()
        })
    }

    fn dimensions(it: &GetMetricDataInput) -> Vec<Vec<(&str, &str)>> {
        it.metric_data_queries()
            .iter()
            .map(|it| {
                let named = it.metric_stat().unwrap().metric().unwrap();
                let pairs = named.dimensions().iter();
                pairs.map(|it| (it.name().unwrap(), it.value().unwrap())).collect()
            })
            .collect()
    }

    #[tokio::test]
    async fn six_metrics_of_the_named_stack_are_asked_for_in_one_call() {
        let rule = mock!(Client::get_metric_data)
            .match_requests(|it| {
                let queries: Vec<_> = it
                    .metric_data_queries()
                    .iter()
                    .map(|it| {
                        let stat = it.metric_stat().unwrap();
                        let named = stat.metric().unwrap();
                        assert_eq!(named.namespace(), Some("AWS/Lambda"));
                        assert_eq!(stat.period(), Some(60));
                        (it.id().unwrap(), named.metric_name().unwrap(), stat.stat().unwrap())
                    })
                    .collect();
                queries
                    == [
                        ("iteratorage", "IteratorAge", "Maximum"),
                        ("errors", "Errors", "Sum"),
                        ("concurrentexecutions", "ConcurrentExecutions", "Maximum"),
                        ("invocations", "Invocations", "Sum"),
                        ("duration", "Duration", "Average"),
                        ("throttles", "Throttles", "Sum"),
                    ]
                    && it.start_time() == Some(&DateTime::from_secs(NOW - 300))
                    && it.end_time() == Some(&DateTime::from_secs(NOW))
                    && dimensions(it) == vec![vec![("FunctionName", "ingest-a")]; 6]
            })
            .then_output(|| GetMetricDataOutput::builder().build());

        latest(None, &[&rule], A).await.unwrap();

        assert_eq!(rule.num_calls(), 1);
    }

    #[tokio::test]
    async fn the_metrics_of_an_alias_are_asked_for_with_both_dimensions() {
        let both = vec![("FunctionName", "ingest-b"), ("Resource", "ingest-b:live")];
        let rule = mock!(Client::get_metric_data)
            .match_requests(move |it| dimensions(it) == vec![both.clone(); 6])
            .then_output(|| GetMetricDataOutput::builder().build());

        latest(Some("live"), &[&rule], B).await.unwrap();

        assert_eq!(rule.num_calls(), 1);
    }

    #[tokio::test]
    async fn the_newest_value_of_each_metric_is_keyed_by_the_metric_whatever_its_label() {
        let ids = [
            "iteratorage",
            "errors",
            "concurrentexecutions",
            "invocations",
            "duration",
            "throttles",
        ];
        let results = ids.iter().zip(1..).map(|(id, n)| {
            let points = [(NOW - 120, 0.5), (NOW - 60, f64::from(n)), (NOW - 180, 99.0)];
            result(id, StatusCode::Complete, &points)
        });
        let rule = answers(results.collect());

        let metrics = latest(None, &[&rule], A).await.unwrap();

        let point = |value, statistic| Datapoint { at: at(NOW - 60), value, statistic };
        let expected = [
            (Metric::IteratorAge, point(1.0, "Maximum")),
            (Metric::Errors, point(2.0, "Sum")),
            (Metric::ConcurrentExecutions, point(3.0, "Maximum")),
            (Metric::Invocations, point(4.0, "Sum")),
            (Metric::Duration, point(5.0, "Average")),
            (Metric::Throttles, point(6.0, "Sum")),
        ];
        assert_eq!(metrics, BTreeMap::from(expected));
    }

    #[tokio::test]
    async fn a_metric_without_data_is_absent_and_not_zero() {
        let rule = answers(vec![
            result("errors", StatusCode::Complete, &[]),
            result("invocations", StatusCode::Complete, &[(NOW - 60, 0.0)]),
        ]);

        let metrics = latest(None, &[&rule], A).await.unwrap();

        assert_eq!(metrics.keys().collect::<Vec<_>>(), [&Metric::Invocations]);
    }

    #[tokio::test]
    async fn an_answer_that_is_not_complete_is_no_answer() {
        for status in [StatusCode::PartialData, StatusCode::InternalError, StatusCode::Forbidden] {
            let rule = answers(vec![result("errors", status, &[(NOW - 60, 1.0)])]);

            let err = latest(None, &[&rule], A).await.unwrap_err();

            assert!(matches!(err, Error::Incomplete { .. }), "{err}");
        }
    }

    #[tokio::test]
    async fn a_value_without_its_time_is_an_incomplete_answer() {
        let rule = answers(vec![
            MetricDataResult::builder()
                .id("errors")
                .status_code(StatusCode::Complete)
                .values(1.0)
                .build(),
        ]);

        let err = latest(None, &[&rule], A).await.unwrap_err();

        assert!(matches!(err, Error::Incomplete { .. }), "{err}");
    }

    #[tokio::test]
    async fn data_that_goes_on_on_a_second_page_is_complete_in_the_end() {
        let first = mock!(Client::get_metric_data)
            .match_requests(|it| it.next_token().is_none())
            .then_output(|| {
                GetMetricDataOutput::builder()
                    .metric_data_results(result(
                        "errors",
                        StatusCode::PartialData,
                        &[(NOW - 120, 1.0)],
                    ))
                    .next_token("more")
                    .build()
            });
        let second = mock!(Client::get_metric_data)
            .match_requests(|it| it.next_token() == Some("more"))
            .then_output(|| {
                GetMetricDataOutput::builder()
                    .metric_data_results(result("errors", StatusCode::Complete, &[(NOW - 60, 2.0)]))
                    .build()
            });

        let metrics = latest(None, &[&first, &second], A).await.unwrap();

        assert_eq!(metrics[&Metric::Errors].value, 2.0);
    }

    #[tokio::test]
    async fn a_denied_call_names_its_action() {
        // CloudWatch answers in CBOR: a map of one text.
        let rule = mock!(Client::get_metric_data).then_http_response(|| {
            let mut response = HttpResponse::new(
                Status::try_from(403).unwrap(),
                SdkBody::from(&b"\xa1\x66__type\x75AccessDeniedException"[..]),
            );
            response.headers_mut().insert("smithy-protocol", "rpc-v2-cbor");
            response
        });

        let err = latest(None, &[&rule], A).await.unwrap_err();

        assert!(
            matches!(err, Error::AccessDenied { operation: "cloudwatch:GetMetricData", .. }),
            "{err:?}"
        );
    }
}
