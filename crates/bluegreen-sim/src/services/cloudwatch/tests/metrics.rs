//! Metrics that somebody puts, and how they are summed up.

use super::*;

/// An account with these values of the metric `Errors`: when, and how much.
fn errors(values: &[(f64, f64)]) -> World {
    let mut world = world(0);
    let data = values
        .iter()
        .map(|(at, value)| json!({ "MetricName": "Errors", "Value": value, "Timestamp": at }));
    let put = json!({ "Namespace": "Shop", "MetricData": data.collect::<Vec<_>>() });
    answer(&mut world, &call("cloudwatch", "PutMetricData", put)).unwrap();
    world
}

fn query(id: &str, name: &str, period: u32, statistic: &str) -> Value {
    let metric = json!({ "Namespace": "Shop", "MetricName": name });
    json!({ "Id": id, "MetricStat": { "Metric": metric, "Period": period, "Stat": statistic } })
}

fn ask(world: &mut World, queries: Value, more: Value) -> Answer {
    let mut parameters =
        json!({ "MetricDataQueries": queries, "StartTime": 600.0, "EndTime": 1200.0 });
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer(world, &call("cloudwatch", "GetMetricData", parameters))
}

/// Returns times and values of the answer to a single query.
fn points(world: &mut World, period: u32, statistic: &str, more: Value) -> Vec<(f64, f64)> {
    let answer = ask(world, json!([query("e", "Errors", period, statistic)]), more).unwrap();
    let result = &answer["MetricDataResults"][0];
    let times = result["Timestamps"].as_array().unwrap();
    let times = times.iter().map(|it| crate::call::as_time(it).unwrap());
    let values = result["Values"].as_array().unwrap();
    times.zip(values.iter().map(|it| it.as_f64().unwrap())).collect()
}

#[test]
fn a_metric_without_data_has_no_values_and_one_with_data_has_the_newest_first() {
    let mut world = errors(&[(610.0, 1.0), (670.0, 2.0)]);
    let queries = [query("a", "Errors", 60, "Sum"), query("b", "Duration", 60, "Average")];

    let answer = ask(&mut world, json!(queries), json!({})).unwrap();

    let results = &answer["MetricDataResults"];
    assert_eq!(results[0]["Values"], json!([2.0, 1.0]));
    assert_eq!(
        (&results[1]["Values"], &results[1]["StatusCode"]),
        (&json!([]), &json!("Complete"))
    );
}

#[test]
fn each_statistic_sums_up_a_period_in_its_way() {
    let mut world = errors(&[(600.0, 1.0), (630.0, 2.0), (659.0, 6.0)]);

    for (statistic, value) in [
        ("SampleCount", 3.0),
        ("Sum", 9.0),
        ("Average", 3.0),
        ("Minimum", 1.0),
        ("Maximum", 6.0),
        ("p50", 2.0),
        ("p99.9", 6.0),
        ("p0", 1.0),
    ] {
        assert_eq!(points(&mut world, 60, statistic, json!({})), [(600.0, value)], "{statistic}");
    }
}

#[test]
fn a_longer_period_sums_up_more_and_begins_at_a_multiple_of_its_length() {
    let mut world = errors(&[(610.0, 1.0), (660.0, 2.0), (899.0, 4.0), (900.0, 8.0)]);

    let minutes = points(&mut world, 60, "Sum", json!({}));
    let five = points(&mut world, 300, "Sum", json!({ "ScanBy": "TimestampAscending" }));

    assert_eq!(minutes, [(900.0, 8.0), (840.0, 4.0), (660.0, 2.0), (600.0, 1.0)]);
    assert_eq!(five, [(600.0, 7.0), (900.0, 8.0)]);
}

#[test]
fn the_start_is_within_to_the_minute_and_the_end_is_not() {
    let mut world =
        errors(&[(599.0, 1.0), (600.0, 2.0), (659.0, 4.0), (660.0, 8.0), (720.0, 16.0)]);
    let times = |from: f64, to: f64| json!({ "StartTime": from, "EndTime": to });

    let exact = points(&mut world, 60, "Sum", times(600.0, 720.0));
    let within = points(&mut world, 60, "Sum", times(659.0, 661.0));

    assert_eq!(exact, [(660.0, 8.0), (600.0, 6.0)]);
    assert_eq!(within, exact);
}

#[test]
fn numbers_and_times_may_be_texts_as_old_protocols_send_them() {
    let mut world = errors(&[]);
    let datum = json!({
        "MetricName": "Errors", "Value": "1.5", "Timestamp": "1970-01-01T00:10:30Z",
    });
    let put = json!({ "Namespace": "Shop", "MetricData": [datum] });
    answer(&mut world, &call("cloudwatch", "PutMetricData", put)).unwrap();
    let mut query = query("e", "Errors", 60, "Sum");
    query["MetricStat"]["Period"] = json!("60");
    let times = json!({ "StartTime": "1970-01-01T00:10:00Z", "EndTime": "1970-01-01T00:11:00Z" });

    let answer = ask(&mut world, json!([query]), times).unwrap();

    assert_eq!(answer["MetricDataResults"][0]["Values"], json!([1.5]));
}

#[test]
fn what_is_no_query_is_refused_and_not_guessed() {
    let mut world = errors(&[]);
    let good = query("a", "Errors", 60, "Sum");
    for (queries, more) in [
        (json!([]), json!({})),
        (json!([query("A", "Errors", 60, "Sum")]), json!({})),
        (json!([query("a", "Errors", 90, "Sum")]), json!({})),
        (json!([query("a", "Errors", 0, "Sum")]), json!({})),
        (json!([query("a", "Errors", 60, "Median")]), json!({})),
        (json!([query("a", "Errors", 60, "p101")]), json!({})),
        (json!([{ "Id": "a", "Expression": "SUM(METRICS())" }]), json!({})),
        (json!([good, good]), json!({})),
        (json!([good]), json!({ "EndTime": 600.0 })),
        (json!([good]), json!({ "StartTime": null })),
        (json!([good]), json!({ "ScanBy": "Value" })),
    ] {
        let refusal = ask(&mut world, queries.clone(), more.clone()).unwrap_err();

        assert_eq!(refusal.code, "ValidationError", "{queries} {more}");
    }
    assert!(ask(&mut world, json!([good]), json!({})).is_ok());
}

#[test]
fn what_is_put_without_a_value_is_refused() {
    let put =
        json!({ "Namespace": "Shop", "MetricData": [{ "MetricName": "Errors", "Values": [1.0] }] });

    let refusal = answer(&mut errors(&[]), &call("cloudwatch", "PutMetricData", put)).unwrap_err();

    assert_eq!(refusal.code, "ValidationError");
}
