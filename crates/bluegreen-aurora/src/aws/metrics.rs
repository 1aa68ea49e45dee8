//! The connections of a database, which RDS keeps in CloudWatch.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, StatusCode},
};
use bluegreen_core::{Error, Result};

use super::AwsAuroraToolkit;
use crate::Connections;

const GET: &str = "cloudwatch:GetMetricData";

/// How far back a value may lie.
const WINDOW: Duration = Duration::from_secs(300);

/// What one value amounts to, in seconds: RDS sends its metrics by the minute.
const PERIOD: i32 = 60;

impl AwsAuroraToolkit {
    pub(super) async fn count_connections(
        &self,
        cluster: &str,
        now: SystemTime,
    ) -> Result<Option<Connections>> {
        let of_cluster = self.most_connections("DBClusterIdentifier", &[cluster], now).await?;
        if of_cluster.is_some() {
            return Ok(of_cluster);
        }
        let instances = self.describe_instances(cluster).await?;
        let names: Vec<&str> =
            instances.iter().filter_map(|it| it.db_instance_identifier()).collect();
        if names.is_empty() {
            return Ok(None);
        }
        self.most_connections("DBInstanceIdentifier", &names, now).await
    }

    /// Asks for the connections of everything of these names, in one call.
    async fn most_connections(
        &self,
        dimension: &str,
        names: &[&str],
        now: SystemTime,
    ) -> Result<Option<Connections>> {
        let start = now.checked_sub(WINDOW).ok_or(incomplete("a time five minutes ago"))?;
        let queries = names.iter().enumerate().map(|(index, it)| query(index, dimension, it));
        let mut pages = self
            .cloudwatch
            .get_metric_data()
            .set_metric_data_queries(Some(queries.collect()))
            .start_time(DateTime::from(start))
            .end_time(DateTime::from(now))
            .into_paginator()
            .send();

        // One that goes on on the next page is complete when its last word says so.
        let mut complete = vec![false; names.len()];
        let mut most: Option<Connections> = None;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|err| Error::aws(GET, err))?;
            for result in page.metric_data_results() {
                let place = (0..names.len()).find(|&it| result.id() == Some(id_of(it).as_str()));
                let Some(place) = place else { continue };
                complete[place] = result.status_code() == Some(&StatusCode::Complete);
                let counted = counted(result)?;
                most = match (most, counted) {
                    (Some(one), Some(other)) => Some(Connections {
                        most: one.most.max(other.most),
                        datapoints: one.datapoints + other.datapoints,
                    }),
                    (one, other) => one.or(other),
                };
            }
        }
        if !complete.into_iter().all(|it| it) {
            return Err(incomplete("complete data"));
        }
        tracing::debug!(dimension, ?names, ?most, "counted connections");
        Ok(most)
    }
}

/// Returns the most connections of a result; `None` when it has no figures.
fn counted(result: &MetricDataResult) -> Result<Option<Connections>> {
    let mut most = None;
    for value in result.values() {
        if !value.is_finite() || *value < 0.0 {
            return Err(incomplete("a number of connections"));
        }
        // A maximum is a whole number; what is not one must not become 0.
        most = most.max(Some(value.ceil() as u64));
    }
    Ok(most.map(|most| Connections { most, datapoints: result.values().len() }))
}

fn query(index: usize, dimension: &str, name: &str) -> MetricDataQuery {
    let metric = Metric::builder()
        .namespace("AWS/RDS")
        .metric_name("DatabaseConnections")
        // RDS writes names in lower case, and CloudWatch heeds case.
        .dimensions(Dimension::builder().name(dimension).value(name.to_lowercase()).build())
        .build();
    let stat = MetricStat::builder().metric(metric).period(PERIOD).stat("Maximum").build();
    MetricDataQuery::builder().id(id_of(index)).metric_stat(stat).build()
}

/// AWS wants ids to begin with a small letter.
fn id_of(index: usize) -> String {
    format!("connections{index}")
}

const fn incomplete(missing: &'static str) -> Error {
    Error::Incomplete { operation: GET, missing }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::{Client, operation::get_metric_data::GetMetricDataOutput};
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode as Status};
    use aws_smithy_types::body::SdkBody;
    use bluegreen_core::StackReference::B;

    use super::{
        super::fixture::{config, instance, lists},
        *,
    };
    use crate::AuroraToolkit;

    const NOW: i64 = 1_800_000_000;

    async fn connections(rds: &[&Rule], cloudwatch: &[&Rule]) -> Result<Option<Connections>> {
        let rds = mock_client!(aws_sdk_rds, RuleMode::MatchAny, rds);
        let autoscaling = mock_client!(aws_sdk_applicationautoscaling, RuleMode::MatchAny, &[]);
        let cloudwatch = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, cloudwatch);
        let mut config = config();
        config.clusters.b = "Orders-B".to_owned();
        let toolkit = AwsAuroraToolkit::from_clients(rds, autoscaling, cloudwatch, config).unwrap();
        let now = SystemTime::try_from(DateTime::from_secs(NOW)).unwrap();
        toolkit.connections(B, now).await
    }

    /// Answers whoever asks for the figures of exactly these; one list of figures each.
    fn figures(
        dimension: &'static str,
        names: &'static [&'static str],
        status: StatusCode,
        values: &'static [&'static [f64]],
    ) -> Rule {
        mock!(Client::get_metric_data)
            .match_requests(move |it| {
                let asked = it.metric_data_queries().iter().map(|it| {
                    let stat = it.metric_stat().unwrap();
                    let metric = stat.metric().unwrap();
                    assert_eq!(metric.namespace(), Some("AWS/RDS"));
                    assert_eq!(metric.metric_name(), Some("DatabaseConnections"));
                    assert_eq!((stat.period(), stat.stat()), (Some(60), Some("Maximum")));
                    let [it] = metric.dimensions() else { panic!("{metric:?}") };
                    (it.name().unwrap(), it.value().unwrap())
                });
                asked.eq(names.iter().map(|&name| (dimension, name)))
                    && it.start_time() == Some(&DateTime::from_secs(NOW - 300))
                    && it.end_time() == Some(&DateTime::from_secs(NOW))
            })
            .then_output(move || {
                let results = values.iter().enumerate().map(|(index, values)| {
                    MetricDataResult::builder()
                        .id(id_of(index))
                        .status_code(status.clone())
                        .set_values(Some(values.to_vec()))
                        .build()
                });
                let results = results.collect();
                GetMetricDataOutput::builder().set_metric_data_results(Some(results)).build()
            })
    }

    fn of_cluster(status: StatusCode, values: &'static [&'static [f64]]) -> Rule {
        figures("DBClusterIdentifier", &["orders-b"], status, values)
    }

    #[tokio::test]
    async fn the_most_of_the_cluster_is_told_with_how_many_minutes_there_are() {
        let rule = of_cluster(StatusCode::Complete, &[&[0.0, 7.0, 3.0]]);

        let seen = connections(&[], &[&rule]).await.unwrap();

        assert_eq!(seen, Some(Connections { most: 7, datapoints: 3 }));
    }

    #[tokio::test]
    async fn no_connection_is_not_no_data() {
        let none = of_cluster(StatusCode::Complete, &[&[0.0]]);
        let empty = of_cluster(StatusCode::Complete, &[&[]]);
        let nobody = lists("Orders-B", Vec::new());

        let seen = connections(&[], &[&none]).await.unwrap();
        let absent = connections(&[&nobody], &[&empty]).await.unwrap();

        assert_eq!(seen, Some(Connections { most: 0, datapoints: 1 }));
        assert_eq!(absent, None);
    }

    #[tokio::test]
    async fn where_the_cluster_has_no_figures_its_instances_are_asked_together() {
        let of_cluster = of_cluster(StatusCode::Complete, &[&[]]);
        let of_instances = figures(
            "DBInstanceIdentifier",
            &["one", "two", "three"],
            StatusCode::Complete,
            &[&[2.0], &[], &[5.0, 4.0]],
        );
        let listed =
            ["one", "two", "three"].map(|it| instance(it, "orders-b", "available").build());
        let listed = lists("Orders-B", listed.to_vec());

        let seen = connections(&[&listed], &[&of_cluster, &of_instances]).await.unwrap();

        assert_eq!(seen, Some(Connections { most: 5, datapoints: 3 }));
    }

    #[tokio::test]
    async fn an_answer_that_is_not_complete_is_no_answer() {
        let partial = |status| of_cluster(status, &[&[1.0]]);
        for rule in [
            partial(StatusCode::PartialData),
            partial(StatusCode::InternalError),
            partial(StatusCode::Forbidden),
            of_cluster(StatusCode::Complete, &[]),
            of_cluster(StatusCode::Complete, &[&[f64::NAN]]),
            of_cluster(StatusCode::Complete, &[&[-1.0]]),
        ] {
            let err = connections(&[], &[&rule]).await.unwrap_err();

            assert!(matches!(err, Error::Incomplete { operation: GET, .. }), "{err:?}");
        }
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

        let err = connections(&[], &[&rule]).await.unwrap_err();

        assert!(matches!(err, Error::AccessDenied { operation: GET, .. }), "{err:?}");
    }
}
