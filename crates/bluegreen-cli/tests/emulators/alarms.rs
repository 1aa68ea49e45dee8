//! [`CloudWatchToolkit`] against an emulator.

use std::time::Duration;

use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
use bluegreen_cloudwatch::{
    AlarmKind, AwsCloudWatchToolkit, CloudWatchConfig, CloudWatchToolkit, Metric, OneOrPair,
};
use bluegreen_core::{
    Clock, Error, Pair, Selection,
    StackReference::{A, B},
};

use crate::account::{Account, arn, unique};

const SCALES: &str = "arn:aws:autoscaling:eu-west-1:123456789012:scalingPolicy:1:resource/ecs/service/x/y:policyName/z";

async fn toolkit(test: &str) -> (Account, AwsCloudWatchToolkit, String) {
    let account = Account::new().await;
    let name = unique(test);
    let prefixes = Pair { a: format!("{name}-a-"), b: format!("{name}-b-") };
    let config = CloudWatchConfig { prefixes: OneOrPair::Pair(prefixes), suffixes: None };
    let toolkit = AwsCloudWatchToolkit::new(&account.sdk, config).unwrap();
    (account, toolkit, name)
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn more_alarms_than_a_call_takes_are_switched_but_for_those_that_scale() {
    let (account, cloudwatch, name) = toolkit("alarm-many").await;
    for number in 0..104 {
        account.create_alarm(&format!("{name}-a-{number:03}"), true, &arn("sns", "pages")).await;
    }
    account.create_alarm(&format!("{name}-a-scales"), true, SCALES).await;
    account.create_composite_alarm(&format!("{name}-a-any"), true, &format!("{name}-a-001")).await;
    account.create_alarm(&format!("{name}-b-000"), true, &arn("sns", "pages")).await;

    let listed = cloudwatch.alarms(A).await.unwrap();
    let off = cloudwatch.disable_alarms_actions(A, Selection::All).await.unwrap();
    let one = cloudwatch.alarms(A).await.unwrap().into_iter().take(1).collect();
    let on = cloudwatch.enable_alarms_actions(A, Selection::Only(one)).await.unwrap();

    assert_eq!(listed.len(), 106);
    assert!(listed.is_sorted_by(|left, right| left.name < right.name));
    assert_eq!(listed.iter().filter(|it| it.kind == AlarmKind::Composite).count(), 1);
    assert_eq!(listed.iter().filter(|it| it.scales).count(), 1);
    assert_eq!((off.changed.len(), off.left_alone.len()), (105, 1));
    assert_eq!(on.changed, [format!("{name}-a-000")]);
    let after = cloudwatch.alarms(A).await.unwrap();
    let enabled: Vec<_> =
        after.into_iter().filter(|it| it.actions_enabled).map(|it| it.name).collect();
    assert_eq!(enabled, [format!("{name}-a-000"), format!("{name}-a-scales")]);
    assert!(cloudwatch.alarms(B).await.unwrap()[0].actions_enabled);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn finding_no_alarm_to_switch_is_an_error() {
    let (_account, cloudwatch, _name) = toolkit("alarm-none").await;

    let err = cloudwatch.disable_alarms_actions(A, Selection::All).await.unwrap_err();

    assert!(matches!(err, Error::NothingFound { .. }), "{err}");
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn the_newest_value_of_a_metric_is_found_and_none_is_none() {
    let (account, cloudwatch, name) = toolkit("alarm-metric").await;
    let now = Clock::system().now();
    for (minutes, value) in [(4, 7.0), (2, 3.0)] {
        let datum = MetricDatum::builder()
            .metric_name("Connections")
            .dimensions(Dimension::builder().name("Stack").value("a").build())
            .value(value)
            .timestamp((now - Duration::from_secs(60 * minutes)).into());
        let put = account.alarms.put_metric_data().namespace(&name);
        put.metric_data(datum.build()).send().await.unwrap();
    }
    let metric = |stack: &str| Metric {
        namespace: name.clone(),
        name: "Connections".to_owned(),
        dimensions: vec![("Stack".to_owned(), stack.to_owned())],
        statistic: "Maximum".to_owned(),
        period: Duration::from_secs(60),
        window: Duration::from_secs(600),
        now,
    };

    let found = cloudwatch.latest(metric("a")).await.unwrap();
    let none = cloudwatch.latest(metric("b")).await.unwrap();

    assert_eq!(found.map(|it| it.value), Some(3.0));
    assert_eq!(none, None);
}
