//! [`LambdaToolkit`] against emulators: functions, mappings and rules.

use std::time::Duration;

use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
use bluegreen_core::{
    Change, Clock, Error, Pair, Selection,
    StackReference::{self, A, B},
};
use bluegreen_lambda::{
    AwsLambdaToolkit, LambdaConfig, LambdaToolkit, MappingState, Metric, NewMapping,
    StartingPosition,
};

use crate::account::{Account, arn, unique};

struct Fixture {
    account: Account,
    lambda: AwsLambdaToolkit,
    name: String,
    /// The ARN of the alias of a's function.
    alias: String,
}

impl Fixture {
    fn of(&self, stack: StackReference) -> String {
        format!("{}-{stack}", self.name)
    }
}

/// Returns the toolkit of two functions, of which only that of a is there.
async fn fixture(test: &str) -> Fixture {
    let account = Account::new().await;
    let name = unique(test);
    let alias = account.create_function(&format!("{name}-a")).await;
    let functions = Pair { a: format!("{name}-a"), b: format!("{name}-b") };
    let config = LambdaConfig { functions, alias: Some("live".to_owned()) };
    let lambda = AwsLambdaToolkit::new(&account.sdk, config).unwrap();
    Fixture { account, lambda, name, alias }
}

fn mapping(source: String, enabled: bool) -> NewMapping {
    NewMapping { event_source_arn: source, starting_position: None, batch_size: None, enabled }
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_function_is_seen_through_its_alias() {
    let it = fixture("function-seen").await;

    let function = it.lambda.function(A).await.unwrap();
    let alias = it.lambda.alias(A, "live").await.unwrap();

    assert_eq!((function.name.as_str(), function.version.as_str()), (&*it.of(A), "1"));
    assert_eq!(function.arn, arn("lambda", &format!("function:{}", it.of(A))));
    assert_eq!(function.alias_arn.as_deref(), Some(it.alias.as_str()));
    assert_eq!(function.timeout, Duration::from_secs(1));
    assert_eq!((alias.arn.as_str(), alias.version.as_str()), (&*it.alias, "1"));
    assert_eq!(alias.additional_version, None);
    assert_eq!(it.lambda.version(A).await.unwrap(), "1");
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_missing_function_and_a_missing_alias_are_named() {
    let it = fixture("function-missing").await;

    let function = it.lambda.function(B).await.unwrap_err();
    let alias = it.lambda.alias(A, "canary").await.unwrap_err();

    assert!(function.is_absent() && function.to_string().contains(&it.of(B)), "{function}");
    assert!(alias.is_absent() && alias.to_string().contains("canary"), "{alias}");
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn more_mappings_than_a_page_holds_are_listed_and_switched() {
    let it = fixture("function-mappings").await;
    for number in 0..103 {
        let source = arn("sqs", &format!("{}-{number}", it.of(A)));
        it.account.create_mapping(&it.of(A), &source, number != 7).await;
    }

    let listed = it.lambda.list_event_source_mappings(A).await.unwrap();
    let off = it.lambda.disable_event_mapping(A, Selection::All).await.unwrap();
    let some = listed[..2].iter().cloned().map(|mut it| {
        it.state = MappingState::Disabled;
        it
    });
    let on = it.lambda.enable_event_mapping(A, Selection::Only(some.collect())).await.unwrap();

    assert_eq!(listed.len(), 103);
    assert!(listed.iter().all(|mapping| mapping.function_arn == it.alias));
    assert_eq!((off.changed.len(), off.already_so.len(), off.busy.len()), (102, 1, 0));
    assert_eq!(on.changed.len(), 2);
    let states = it.account.mappings(&it.of(A)).await;
    assert!(states.len() >= 100);
    let after = it.lambda.list_event_source_mappings(A).await.unwrap();
    assert_eq!(after.iter().filter(|it| it.state == MappingState::Enabled).count(), 2);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_mapping_is_made_on_the_alias_and_deleted_twice() {
    let it = fixture("function-mapping").await;
    let stream = it.account.create_stream(&it.name).await;

    let queue = it.lambda.create_event_source_mapping(A, mapping(arn("sqs", &it.of(A)), false));
    let queue = queue.await.unwrap();
    let from_stream = NewMapping {
        starting_position: Some(StartingPosition::TrimHorizon),
        batch_size: Some(10),
        ..mapping(stream.clone(), true)
    };
    let from_stream = it.lambda.create_event_source_mapping(A, from_stream).await.unwrap();
    let deleted = [
        it.lambda.delete_event_mapping(&queue.uuid).await.unwrap(),
        it.lambda.delete_event_mapping(&queue.uuid).await.unwrap(),
    ];

    assert_eq!((&queue.function_arn, &queue.state), (&it.alias, &MappingState::Disabled));
    assert_eq!(from_stream.event_source_arn.as_deref(), Some(stream.as_str()));
    assert_eq!(deleted, [Change::Made, Change::AlreadySo]);
    let left = it.lambda.list_event_source_mappings(A).await.unwrap();
    let left: Vec<_> = left.into_iter().map(|it| it.uuid).collect();
    assert_eq!(left, [from_stream.uuid]);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn rules_of_every_bus_are_found_and_switched_but_for_managed_ones() {
    let it = fixture("function-rules").await;
    let bus = it.account.rules.create_event_bus().name(&it.name).send().await.unwrap();
    let archive = it.account.rules.create_archive().archive_name(&it.name);
    archive.set_event_source_arn(bus.event_bus_arn).send().await.unwrap();
    let managed = format!("Events-Archive-{}", it.name);
    it.account.add_target(&it.name, &managed, "function", &it.alias).await;
    let function = arn("lambda", &format!("function:{}", it.of(A)));
    let names = ["hourly", "orders", "replay"].map(|rule| format!("{}-{rule}", it.of(A)));
    it.account.create_rule("default", &names[0], &function, true).await;
    it.account.create_rule(&it.name, &names[1], &it.alias, true).await;
    it.account.create_rule("default", &names[2], &it.alias, false).await;

    let listed = it.lambda.rules(A).await.unwrap();
    let off = it.lambda.disable_rule(A, Selection::All).await.unwrap();
    let hourly: Vec<_> =
        it.lambda.rules(A).await.unwrap().into_iter().filter(|it| it.name == names[0]).collect();
    let on = it.lambda.enable_rule(A, Selection::Only(hourly)).await.unwrap();

    let labels: Vec<_> = listed.iter().map(|it| (it.label(), it.enabled)).collect();
    let label = |bus: &str, rule: &str| format!("{bus}/{rule}");
    let mut expected = [
        (label("default", &names[0]), true),
        (label("default", &names[2]), false),
        (label(&it.name, &managed), true),
        (label(&it.name, &names[1]), true),
    ];
    expected.sort();
    assert_eq!(labels, expected);
    assert_eq!(off.changed.len(), 2, "{off:?}");
    assert_eq!((off.already_so.len(), off.left_alone.len()), (1, 1), "{off:?}");
    assert_eq!(on.changed.len(), 1);
    let states = it.account.rules_of(&it.of(A)).await;
    assert_eq!(states[&names[0]], "ENABLED");
    assert_eq!(states[&names[2]], "DISABLED");
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn finding_nothing_to_switch_is_an_error_that_names_the_function() {
    let it = fixture("function-bare").await;

    let mappings = it.lambda.disable_event_mapping(A, Selection::All).await.unwrap_err();
    let rules = it.lambda.enable_rule(A, Selection::All).await.unwrap_err();

    for err in [mappings, rules] {
        assert!(matches!(&err, Error::NothingFound { what } if what.contains(&it.of(A))), "{err}");
    }
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn metrics_without_data_are_absent() {
    let it = fixture("function-metrics").await;
    let dimension = Dimension::builder().name("FunctionName").value(it.of(A)).build();
    let resource = Dimension::builder().name("Resource");
    let resource = resource.value(format!("{}:live", it.of(A))).build();
    let now = Clock::system().now();
    for dimensions in [vec![dimension.clone()], vec![dimension, resource]] {
        let datum = MetricDatum::builder()
            .metric_name("Errors")
            .set_dimensions(Some(dimensions))
            .value(4.0)
            .timestamp((now - Duration::from_secs(90)).into());
        let put = it.account.alarms.put_metric_data().namespace("AWS/Lambda");
        put.metric_data(datum.build()).send().await.unwrap();
    }

    let metrics = it.lambda.latest_metrics(A, now).await.unwrap();

    assert_eq!(metrics.keys().collect::<Vec<_>>(), [&Metric::Errors]);
    assert_eq!((metrics[&Metric::Errors].value, metrics[&Metric::Errors].statistic), (4.0, "Sum"));
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_function_is_run_and_one_that_fails_is_no_error() {
    let it = fixture("function-invoke").await;
    it.account
        .create_program(
            &it.of(B),
            "def handler(event, context):\n    return {'half': event['whole'] // event['parts']}\n",
        )
        .await;
    let invoke = async |payload: &str| {
        let timeout = Duration::from_secs(30);
        it.lambda.invoke(B, payload.to_owned(), timeout).await.unwrap()
    };

    let answer = invoke(r#"{"whole": 8, "parts": 2}"#).await;
    let failure = invoke(r#"{"whole": 8, "parts": 0}"#).await;

    assert_eq!((answer.payload.as_str(), answer.function_error), (r#"{"half": 4}"#, None));
    assert_eq!(answer.version.as_deref(), Some("1"));
    assert_eq!(failure.function_error.as_deref(), Some("Unhandled"));
    assert!(failure.payload.contains("by zero"), "{}", failure.payload);
}
