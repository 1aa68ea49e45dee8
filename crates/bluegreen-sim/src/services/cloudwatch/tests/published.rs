//! The metrics that the account publishes itself.

use std::time::Duration;

use super::*;
use crate::{Range, Times};

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// An account whose values can be read so many seconds after their minute has begun.
fn late(least: u64, most: u64) -> World {
    let times = Times { metric: Range::seconds(least, most), ..Times::instant() };
    World::new(&Settings { times, ..Settings::default() })
}

/// Returns what can be read of a metric: minutes since the account was made, and values, the oldest first.
fn read(
    world: &mut World,
    namespace: &str,
    name: &str,
    dimensions: &[(&str, &str)],
) -> Vec<(f64, f64)> {
    let dimensions: Vec<_> =
        dimensions.iter().map(|(name, it)| json!({ "Name": name, "Value": it })).collect();
    let metric = json!({ "Namespace": namespace, "MetricName": name, "Dimensions": dimensions });
    let stat = json!({ "Metric": metric, "Period": 60, "Stat": "Maximum" });
    let start = world.seconds_at(Duration::ZERO);
    let parameters = json!({
        "MetricDataQueries": [{ "Id": "a", "MetricStat": stat }],
        "StartTime": start,
        "EndTime": world.seconds() + 60.0,
        "ScanBy": "TimestampAscending",
    });
    let answer = answer(world, &call("cloudwatch", "GetMetricData", parameters)).unwrap();
    let result = &answer["MetricDataResults"][0];
    let times = result["Timestamps"].as_array().unwrap().iter();
    let times = times.map(|it| (crate::call::as_time(it).unwrap() - start) / 60.0);
    let values = result["Values"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap());
    times.zip(values).collect()
}

fn connections(world: &mut World) -> Vec<(f64, f64)> {
    let cluster = [("DBClusterIdentifier", "orders-b")];
    read(world, "AWS/RDS", "DatabaseConnections", &cluster)
}

fn ages(world: &mut World) -> Vec<(f64, f64)> {
    read(world, "AWS/SQS", "ApproximateAgeOfOldestMessage", &[("QueueName", "ingest-b")])
}

#[test]
fn connections_are_what_they_were_at_the_end_of_each_minute() {
    let mut world = late(60, 60);
    world.add_cluster("orders-b", 0, "available");

    world.advance(minutes(1) + Duration::from_secs(30));
    world.set_connections("Orders-B", 7);
    world.advance(minutes(2) + Duration::from_secs(30));
    world.set_connections("orders-b", 2);
    world.advance(minutes(4));

    assert_eq!(connections(&mut world), [(0.0, 0.0), (1.0, 7.0), (2.0, 2.0), (3.0, 2.0)]);
}

#[test]
fn a_cluster_that_does_not_serve_has_no_connections_and_not_zero() {
    let mut world = late(60, 60);
    world.times.cluster_start = Range::seconds(90, 90);
    world.add_cluster("orders-b", 0, "stopped");
    world.set_connections("orders-b", 3);
    world.advance(minutes(1));
    let start = call("rds", "StartDBCluster", json!({ "DBClusterIdentifier": "orders-b" }));
    crate::services::answer(&mut world, &start).unwrap();

    world.advance(minutes(4));
    let started = connections(&mut world);
    let stop = call("rds", "StopDBCluster", json!({ "DBClusterIdentifier": "orders-b" }));
    crate::services::answer(&mut world, &stop).unwrap();
    world.advance(minutes(6));

    assert_eq!(started, [(2.0, 3.0), (3.0, 3.0)]);
    assert_eq!(connections(&mut world), [(2.0, 3.0)], "it stops at the end of the fourth minute");
}

#[test]
fn a_value_can_be_read_one_to_three_minutes_after_its_minute_has_begun_and_from_then_on() {
    let mut world = late(60, 180);
    world.add_cluster("orders-b", 0, "available");
    let mut first_seen = Vec::new();

    for second in 0..1200 {
        world.advance(Duration::from_secs(second));
        for (minute, _) in connections(&mut world) {
            if first_seen.iter().all(|(seen, _)| *seen != minute) {
                first_seen.push((minute, second as f64 - 60.0 * minute));
            }
        }
        assert_eq!(connections(&mut world).len(), first_seen.len(), "none is gone again");
    }

    let late: Vec<_> = first_seen.iter().map(|(_, late)| *late).collect();
    assert!(late.iter().all(|it| (60.0..=181.0).contains(it)), "{late:?}");
    assert!(late.iter().any(|it| (*it - late[0]).abs() > 20.0), "{late:?}");
}

#[test]
fn the_age_is_that_of_the_oldest_message_that_can_be_received() {
    let mut world = late(60, 60);
    let queue = world.add_queue("ingest-b");
    world.advance(Duration::from_secs(30));
    world.add_messages(&queue, 1);
    world.advance(minutes(1) + Duration::from_secs(30));
    world.add_messages(&queue, 1);
    let receive = json!({ "QueueUrl": queue, "VisibilityTimeout": 60 });
    crate::services::answer(&mut world, &call("sqs", "ReceiveMessage", receive)).unwrap();

    world.advance(minutes(4));

    // The first is hidden at the end of the second minute, and back before the end of the third.
    assert_eq!(ages(&mut world), [(0.0, 30.0), (1.0, 30.0), (2.0, 150.0), (3.0, 210.0)]);
}

#[test]
fn an_empty_queue_has_the_age_zero_for_six_hours_and_none_when_nobody_uses_it() {
    let mut world = late(0, 0);
    let queue = world.add_queue("ingest-b");
    world.advance(minutes(2));
    let unused = ages(&mut world);
    let look = json!({ "QueueUrl": queue, "AttributeNames": ["All"] });
    crate::services::answer(&mut world, &call("sqs", "GetQueueAttributes", look)).unwrap();

    world.advance(minutes(7 * 60));
    let used = ages(&mut world);

    assert_eq!(unused, []);
    assert_eq!((used[0], used.len()), ((1.0, 0.0), 6 * 60));
}

#[test]
fn a_queue_that_a_mapping_reads_is_never_unused() {
    let mut world = late(60, 60);
    let queue = world.add_queue("ingest-b");
    world.add_function("ingest-b", 3);
    let function = world.function_arn("ingest-b", None);
    world.add_mapping(&function, &queue, true);

    world.advance(minutes(2));

    assert_eq!(ages(&mut world), [(0.0, 0.0), (1.0, 0.0)]);
}

#[test]
fn the_age_of_an_iterator_is_that_of_each_batch_and_nothing_without_one() {
    let mut world = late(60, 60);
    world.times.poll = Range::seconds(5, 5);
    let stream = world.add_stream("clicks");
    world.add_function("ingest-b", 3);
    world.add_alias("ingest-b", "live");
    let alias = world.function_arn("ingest-b", Some("live"));
    world.add_mapping(&alias, &stream, true);
    let put = call("kinesis", "PutRecord", json!({ "StreamARN": stream }));
    world.advance(Duration::from_secs(61));
    crate::services::answer(&mut world, &put).unwrap();
    world.advance(minutes(4));
    let ages = |world: &mut World, dimensions: &[(&str, &str)]| {
        read(world, "AWS/Lambda", "IteratorAge", dimensions)
    };

    let function = ages(&mut world, &[("FunctionName", "ingest-b")]);
    let alias = ages(&mut world, &[("FunctionName", "ingest-b"), ("Resource", "ingest-b:live")]);
    let other = ages(&mut world, &[("FunctionName", "ingest-b"), ("Resource", "ingest-b:old")]);

    assert_eq!([function, alias, other], [vec![(1.0, 5000.0)], vec![(1.0, 5000.0)], vec![]]);
}
