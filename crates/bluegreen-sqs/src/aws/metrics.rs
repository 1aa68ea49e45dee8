//! The age of the oldest message, which SQS keeps in CloudWatch.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, Metric, MetricDataQuery, MetricStat, StatusCode},
};
use bluegreen_core::{Error, Result};

use super::AwsSqsToolkit;
use crate::Datapoint;

const GET: &str = "cloudwatch:GetMetricData";

/// How far back a value may lie.
const WINDOW: Duration = Duration::from_secs(300);

/// What one value amounts to, in seconds: SQS sends its metrics by the minute.
const PERIOD: i32 = 60;

/// The id of the one query; AWS wants a small letter first.
const QUERY: &str = "oldest";

impl AwsSqsToolkit {
    pub(super) async fn newest_age(
        &self,
        queue: &str,
        now: SystemTime,
    ) -> Result<Option<Datapoint>> {
        let start = now.checked_sub(WINDOW).ok_or_else(|| incomplete("a time five minutes ago"))?;
        let mut pages = self
            .cloudwatch
            .get_metric_data()
            .metric_data_queries(query(queue))
            .start_time(DateTime::from(start))
            .end_time(DateTime::from(now))
            .into_paginator()
            .send();

        let mut newest: Option<Datapoint> = None;
        let mut is_complete = false;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|err| Error::aws(GET, err))?;
            for result in page.metric_data_results().iter().filter(|it| it.id() == Some(QUERY)) {
                // It may go on on the next page: the last word counts.
                is_complete = result.status_code() == Some(&StatusCode::Complete);
                if result.timestamps().len() != result.values().len() {
                    return Err(incomplete("a time for every value"));
                }
                for (at, value) in result.timestamps().iter().zip(result.values()) {
                    let at = SystemTime::try_from(*at)
                        .map_err(|_| incomplete("a time that can be told"))?;
                    if newest.is_none_or(|it| it.at < at) {
                        newest = Some(Datapoint { at, value: *value });
                    }
                }
            }
        }
        if !is_complete {
            return Err(incomplete("complete data"));
        }
        tracing::debug!(queue, ?newest, "looked for the age of the oldest message");
        Ok(newest)
    }
}

fn query(queue: &str) -> MetricDataQuery {
    let metric = Metric::builder()
        .namespace("AWS/SQS")
        .metric_name("ApproximateAgeOfOldestMessage")
        .dimensions(Dimension::builder().name("QueueName").value(queue).build())
        .build();
    let stat = MetricStat::builder().metric(metric).period(PERIOD).stat("Maximum").build();
    MetricDataQuery::builder().id(QUERY).metric_stat(stat).build()
}

fn incomplete(missing: &'static str) -> Error {
    Error::Incomplete { operation: GET, missing }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::{
        Client, operation::get_metric_data::GetMetricDataOutput, types::MetricDataResult,
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode as Status};
    use aws_smithy_types::body::SdkBody;
    use bluegreen_core::{
        Pair,
        StackReference::{A, B},
    };

    use super::*;
    use crate::{Queue, SqsConfig, SqsToolkit};

    const NOW: i64 = 1_800_000_000;

    fn toolkit(rules: &[&Rule]) -> AwsSqsToolkit {
        let config = SqsConfig {
            queues: Pair::from_fn(|stack| format!("orders-{stack}")),
            dead_letter_queues: None,
        };
        let sqs = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, &[]);
        let cloudwatch = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, rules);
        AwsSqsToolkit::from_clients(sqs, cloudwatch, config).unwrap()
    }

    async fn oldest(rules: &[&Rule]) -> Result<Option<Datapoint>> {
        toolkit(rules).oldest_message_age(B, Queue::Main, at(NOW)).await
    }

    fn at(seconds: i64) -> SystemTime {
        SystemTime::try_from(DateTime::from_secs(seconds)).unwrap()
    }

    fn result(id: &str, status: StatusCode, points: &[(i64, f64)]) -> MetricDataResult {
        let (times, values): (Vec<_>, Vec<_>) =
            points.iter().map(|(at, value)| (DateTime::from_secs(*at), *value)).unzip();
        MetricDataResult::builder()
            .id(id)
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

    #[tokio::test]
    async fn the_maximum_of_each_minute_is_asked_for_by_the_queues_name() {
        let rule = mock!(Client::get_metric_data)
            .match_requests(|it| {
                let [query] = it.metric_data_queries() else { return false };
                let stat = query.metric_stat().unwrap();
                let metric = stat.metric().unwrap();
                let [dimension] = metric.dimensions() else { return false };
                metric.namespace() == Some("AWS/SQS")
                    && metric.metric_name() == Some("ApproximateAgeOfOldestMessage")
                    && (dimension.name(), dimension.value())
                        == (Some("QueueName"), Some("orders-b"))
                    && (stat.period(), stat.stat()) == (Some(60), Some("Maximum"))
                    && it.start_time() == Some(&DateTime::from_secs(NOW - 300))
                    && it.end_time() == Some(&DateTime::from_secs(NOW))
            })
            .then_output(|| {
                let none = result(QUERY, StatusCode::Complete, &[]);
                GetMetricDataOutput::builder().metric_data_results(none).build()
            });

        oldest(&[&rule]).await.unwrap();

        assert_eq!(rule.num_calls(), 1);
    }

    #[tokio::test]
    async fn the_newest_minute_counts_in_whatever_order_they_come() {
        let points = [(NOW - 120, 40.0), (NOW - 60, 7.0), (NOW - 180, 90.0)];
        let other = result("other", StatusCode::Complete, &[(NOW - 1, 99.0)]);
        let rule = answers(vec![result(QUERY, StatusCode::Complete, &points), other]);

        let newest = oldest(&[&rule]).await.unwrap();

        assert_eq!(newest, Some(Datapoint { at: at(NOW - 60), value: 7.0 }));
    }

    #[tokio::test]
    async fn no_data_is_absent_and_not_zero() {
        let rule = answers(vec![result(QUERY, StatusCode::Complete, &[])]);

        assert_eq!(oldest(&[&rule]).await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_answer_that_is_not_complete_is_no_answer() {
        let partial = |status| vec![result(QUERY, status, &[(NOW - 60, 1.0)])];
        let cut = MetricDataResult::builder().id(QUERY).status_code(StatusCode::Complete);
        for results in [
            Vec::new(),
            partial(StatusCode::PartialData),
            partial(StatusCode::InternalError),
            partial(StatusCode::Forbidden),
            vec![cut.values(1.0).build()],
        ] {
            let rule = answers(results);

            let err = oldest(&[&rule]).await.unwrap_err();

            assert!(matches!(err, Error::Incomplete { operation: GET, .. }), "{err:?}");
        }
    }

    #[tokio::test]
    async fn data_that_goes_on_on_a_second_page_is_complete_in_the_end() {
        let page = |status, age, token: Option<&str>| {
            GetMetricDataOutput::builder()
                .metric_data_results(result(QUERY, status, &[age]))
                .set_next_token(token.map(str::to_owned))
                .build()
        };
        let first = mock!(Client::get_metric_data)
            .match_requests(|it| it.next_token().is_none())
            .then_output(move || page(StatusCode::PartialData, (NOW - 60, 1.0), Some("more")));
        let second = mock!(Client::get_metric_data)
            .match_requests(|it| it.next_token() == Some("more"))
            .then_output(move || page(StatusCode::Complete, (NOW - 120, 2.0), None));

        let newest = oldest(&[&first, &second]).await.unwrap();

        assert_eq!(newest, Some(Datapoint { at: at(NOW - 60), value: 1.0 }));
    }

    #[tokio::test]
    async fn dead_letters_that_were_not_configured_are_not_found() {
        let asked = toolkit(&[]).oldest_message_age(A, Queue::DeadLetters, at(NOW)).await;

        assert!(asked.unwrap_err().is_absent());
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

        let err = oldest(&[&rule]).await.unwrap_err();

        assert!(matches!(err, Error::AccessDenied { operation: GET, .. }), "{err:?}");
    }
}
