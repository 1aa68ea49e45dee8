//! The newest value of a metric: what is asked for, and how the answer is read.

use std::time::Duration;

use aws_sdk_cloudwatch::{
    operation::get_metric_data::GetMetricDataOutput, types::MetricDataResult,
};

use super::*;

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

fn time(minute: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + minutes(minute)
}

fn connections() -> Metric {
    Metric {
        namespace: "AWS/RDS".to_owned(),
        name: "DatabaseConnections".to_owned(),
        dimensions: vec![("DBClusterIdentifier".to_owned(), "orders-b".to_owned())],
        statistic: "Maximum".to_owned(),
        period: minutes(1),
        window: minutes(10),
        now: time(10),
    }
}

fn result(status: StatusCode, points: &[(u64, f64)]) -> MetricDataResult {
    MetricDataResult::builder()
        .id("latest")
        .status_code(status)
        .set_timestamps(Some(points.iter().map(|it| time(it.0).into()).collect()))
        .set_values(Some(points.iter().map(|it| it.1).collect()))
        .build()
}

fn data(results: Vec<MetricDataResult>) -> Rule {
    mock!(Client::get_metric_data).then_output(move || {
        GetMetricDataOutput::builder().set_metric_data_results(Some(results.clone())).build()
    })
}

#[tokio::test]
async fn the_latest_value_is_asked_for_by_name_dimensions_statistic_and_window() {
    let rule = mock!(Client::get_metric_data)
        .match_requests(|it| {
            let [query] = it.metric_data_queries() else { return false };
            let stat = query.metric_stat().unwrap();
            let metric = stat.metric().unwrap();
            let [dimension] = metric.dimensions() else { return false };
            it.start_time() == Some(&time(0).into())
                && it.end_time() == Some(&time(10).into())
                && it.scan_by() == Some(&ScanBy::TimestampDescending)
                && query.id().is_some_and(|it| it.starts_with(|it: char| it.is_ascii_lowercase()))
                && (stat.period(), stat.stat()) == (Some(60), Some("Maximum"))
                && metric.namespace() == Some("AWS/RDS")
                && metric.metric_name() == Some("DatabaseConnections")
                && dimension.name() == Some("DBClusterIdentifier")
                && dimension.value() == Some("orders-b")
        })
        .then_output(|| {
            let result = result(StatusCode::Complete, &[(7, 3.0)]);
            GetMetricDataOutput::builder().metric_data_results(result).build()
        });

    let latest = toolkit(&[&rule]).latest(connections()).await.unwrap();

    assert_eq!(latest, Some(Datapoint { at: time(7), value: 3.0 }));
}

#[tokio::test]
async fn the_latest_value_is_the_newest_in_whatever_order_they_come() {
    let points = [(3, 1.0), (9, 5.0), (6, 7.0)];
    let rule = data(vec![result(StatusCode::Complete, &points)]);

    let latest = toolkit(&[&rule]).latest(connections()).await.unwrap();

    assert_eq!(latest, Some(Datapoint { at: time(9), value: 5.0 }));
}

#[tokio::test]
async fn a_result_on_two_pages_is_read_to_its_end() {
    let page = |status, point, token: Option<&str>| {
        GetMetricDataOutput::builder()
            .metric_data_results(result(status, &[point]))
            .set_next_token(token.map(str::to_owned))
            .build()
    };
    let rule =
        mock!(Client::get_metric_data).then_compute_output(move |it| match it.next_token() {
            None => page(StatusCode::PartialData, (2, 1.0), Some("more")),
            Some(_) => page(StatusCode::Complete, (4, 2.0), None),
        });

    let latest = toolkit(&[&rule]).latest(connections()).await.unwrap();

    assert_eq!(latest, Some(Datapoint { at: time(4), value: 2.0 }));
}

#[tokio::test]
async fn no_data_is_not_zero() {
    let rule = data(vec![result(StatusCode::Complete, &[])]);

    assert_eq!(toolkit(&[&rule]).latest(connections()).await.unwrap(), None);
}

#[tokio::test]
async fn anything_but_a_complete_result_is_incomplete() {
    let points = [(9, 5.0)];
    let odd = MetricDataResult::builder()
        .id("latest")
        .status_code(StatusCode::Complete)
        .values(5.0)
        .build();
    let other = MetricDataResult::builder().id("x").status_code(StatusCode::Complete).build();
    let answers = [
        vec![result(StatusCode::PartialData, &points)],
        vec![result(StatusCode::InternalError, &points)],
        vec![result(StatusCode::Forbidden, &[])],
        vec![odd],
        vec![other],
        vec![],
    ];

    for answer in answers {
        let err = toolkit(&[&data(answer.clone())]).latest(connections()).await.unwrap_err();
        assert!(matches!(err, Error::Incomplete { .. }), "{answer:?}: {err:?}");
    }
}

#[tokio::test]
async fn a_period_that_is_no_whole_number_of_minutes_is_refused_before_any_call() {
    for period in [Duration::ZERO, Duration::from_secs(90), Duration::from_millis(60_500)] {
        let metric = Metric { period, ..connections() };

        let err = toolkit(&[]).latest(metric).await.unwrap_err();

        assert!(matches!(&err, Error::Configuration { problems } if problems[0].key == "period"));
    }
}
