//! What [`AwsCloudWatchToolkit`] sends, and how it reads the answers.

mod latest;
mod named;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_cloudwatch::{
    operation::{
        describe_alarms::DescribeAlarmsOutput, disable_alarm_actions::DisableAlarmActionsOutput,
        enable_alarm_actions::EnableAlarmActionsOutput,
    },
    types::{CompositeAlarm, MetricAlarm},
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use bluegreen_core::{
    Pair,
    StackReference::{A, B},
};

use super::*;
use crate::OneOrPair;

const SCALING_POLICY: &str = "arn:aws:autoscaling:eu-west-1:123456789012:scalingPolicy:6d8972f3:\
                              resource/ecs/service/shop/worker:policyName/cpu";

/// Prefix `shop` on both stacks; the names end with `- A` or `- B`.
fn config() -> CloudWatchConfig {
    let suffixes = Pair { a: "- A".to_owned(), b: "- B".to_owned() };
    CloudWatchConfig {
        prefixes: OneOrPair::One("shop".to_owned()),
        suffixes: Some(OneOrPair::Pair(suffixes)),
    }
}

fn toolkit(rules: &[&Rule]) -> AwsCloudWatchToolkit {
    let client = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, rules);
    AwsCloudWatchToolkit::from_client(client, config()).unwrap()
}

fn metric(name: &str, enabled: bool) -> MetricAlarm {
    MetricAlarm::builder()
        .alarm_name(name)
        .state_value(StateValue::Ok)
        .state_updated_timestamp(DateTime::from_secs(1_800_000_000))
        .state_reason("below the threshold")
        .actions_enabled(enabled)
        .alarm_actions("arn:aws:sns:eu-west-1:123456789012:pages")
        .build()
}

fn composite(name: &str, enabled: bool) -> CompositeAlarm {
    CompositeAlarm::builder()
        .alarm_name(name)
        .state_value(StateValue::Alarm)
        .state_reason("")
        .actions_enabled(enabled)
        .build()
}

/// An alarm as a look shows it.
fn seen(name: &str, enabled: bool) -> Alarm {
    Alarm {
        name: name.to_owned(),
        kind: AlarmKind::Metric,
        state: AlarmState::Ok,
        since: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
        reason: Some("below the threshold".to_owned()),
        actions_enabled: enabled,
        scales: false,
    }
}

/// Lists these alarms, all types in one page of at most 100, like AWS: no types, no composite ones.
fn lists(alarms: Vec<MetricAlarm>, composites: Vec<CompositeAlarm>) -> Rule {
    mock!(Client::describe_alarms)
        .match_requests(|it| it.alarm_name_prefix() == Some("shop"))
        .then_compute_output(move |it| {
            let size = it.max_records().unwrap_or(50) as usize;
            let at: usize = it.next_token().map_or(0, |it| it.parse().unwrap());
            let end = (at + size).min(alarms.len());
            let is_last = end == alarms.len();
            let wants_composites = it.alarm_types().contains(&AlarmType::CompositeAlarm);
            DescribeAlarmsOutput::builder()
                .set_metric_alarms(Some(alarms[at..end].to_vec()))
                .set_composite_alarms((is_last && wants_composites).then(|| composites.clone()))
                .set_next_token((!is_last).then(|| end.to_string()))
                .build()
        })
}

#[tokio::test]
async fn an_answer_without_any_list_is_not_an_empty_one() {
    let nothing =
        mock!(Client::describe_alarms).then_output(|| DescribeAlarmsOutput::builder().build());
    let empty = mock!(Client::describe_alarms)
        .then_output(|| DescribeAlarmsOutput::builder().set_metric_alarms(Some(vec![])).build());

    let err = toolkit(&[&nothing]).alarms(A).await.unwrap_err();
    let none = toolkit(&[&empty]).alarms(A).await.unwrap();

    assert!(matches!(err, Error::Incomplete { operation: DESCRIBE, .. }), "{err:?}");
    assert_eq!(none, []);
}

type Sent = Arc<Mutex<Vec<Vec<String>>>>;

/// Takes every call, and keeps the names of each.
fn enables() -> (Rule, Sent) {
    let sent = Sent::default();
    let keep = Arc::clone(&sent);
    let rule = mock!(Client::enable_alarm_actions).then_compute_output(move |it| {
        keep.lock().unwrap().push(it.alarm_names().to_vec());
        EnableAlarmActionsOutput::builder().build()
    });
    (rule, sent)
}

fn disables() -> (Rule, Sent) {
    let sent = Sent::default();
    let keep = Arc::clone(&sent);
    let rule = mock!(Client::disable_alarm_actions).then_compute_output(move |it| {
        keep.lock().unwrap().push(it.alarm_names().to_vec());
        DisableAlarmActionsOutput::builder().build()
    });
    (rule, sent)
}

/// A failure as CloudWatch's protocol writes it: a CBOR map of one entry, the error's type.
fn refusal(code: &str) -> HttpResponse {
    let mut body = b"\xa1\x66__type\x78".to_vec();
    body.push(code.len() as u8);
    body.extend(code.as_bytes());
    let mut response = HttpResponse::new(400.try_into().unwrap(), SdkBody::from(body));
    response.headers_mut().insert("smithy-protocol", "rpc-v2-cbor");
    response.headers_mut().insert("content-type", "application/cbor");
    response
}

#[tokio::test]
async fn the_alarms_of_one_stack_are_listed_in_order_with_what_they_say() {
    let describe = lists(
        vec![metric("shop lag - B", true), metric("shop cpu - B", false), metric("shop - A", true)],
        vec![composite("shop all - B", true)],
    );

    let alarms = toolkit(&[&describe]).alarms(B).await.unwrap();

    let all = Alarm {
        kind: AlarmKind::Composite,
        state: AlarmState::Alarm,
        since: None,
        reason: None,
        ..seen("shop all - B", true)
    };
    assert_eq!(alarms, [all, seen("shop cpu - B", false), seen("shop lag - B", true)]);
}

#[tokio::test]
async fn alarms_behind_the_first_page_are_switched_too() {
    let name =
        |number: usize| format!("shop {number:03} - {}", if number < 60 { "A" } else { "B" });
    let describe = lists((0..220).map(|it| metric(&name(it), false)).collect(), vec![]);
    let (enable, sent) = enables();

    let switched =
        toolkit(&[&describe, &enable]).enable_alarms_actions(B, Selection::All).await.unwrap();

    let expected: Vec<_> = (60..220).map(name).collect();
    assert_eq!(switched.changed, expected);
    assert_eq!(sent.lock().unwrap().concat(), expected);
}

#[tokio::test]
async fn a_thousand_alarms_take_ten_calls_to_list_and_ten_to_switch() {
    let names: Vec<_> = (0..1000).map(|it| format!("shop {it:03} - B")).collect();
    let describe = lists(names.iter().map(|it| metric(it, true)).collect(), vec![]);
    let (disable, sent) = disables();

    let switched =
        toolkit(&[&describe, &disable]).disable_alarms_actions(B, Selection::All).await.unwrap();

    assert_eq!((describe.num_calls(), disable.num_calls()), (10, 10));
    assert!(sent.lock().unwrap().iter().all(|it| it.len() == 100));
    assert_eq!(sent.lock().unwrap().concat(), names);
    assert_eq!(switched.changed, names);
}

#[tokio::test]
async fn exactly_the_alarms_of_the_named_stack_are_switched_in_order() {
    let six = |enabled| {
        let names = ["1 - A", "1 - B", "2 - A", "2 - B", "3 - A", "3 - B"];
        lists(names.map(|it| metric(&format!("shop {it}"), enabled)).to_vec(), vec![])
    };
    let (enable, enabled) = enables();
    let (disable, disabled) = disables();

    let (off, on) = (six(false), six(true));
    toolkit(&[&off, &enable]).enable_alarms_actions(B, Selection::All).await.unwrap();
    toolkit(&[&on, &disable]).disable_alarms_actions(B, Selection::All).await.unwrap();

    let names = ["shop 1 - B", "shop 2 - B", "shop 3 - B"];
    assert_eq!(*enabled.lock().unwrap(), [names]);
    assert_eq!(*disabled.lock().unwrap(), [names]);
}

#[tokio::test]
async fn composite_alarms_are_switched_with_the_others() {
    let describe =
        lists(vec![metric("shop lag - B", false)], vec![composite("shop all - B", false)]);
    let (enable, sent) = enables();

    toolkit(&[&describe, &enable]).enable_alarms_actions(B, Selection::All).await.unwrap();

    assert_eq!(*sent.lock().unwrap(), [["shop all - B", "shop lag - B"]]);
}

#[tokio::test]
async fn finding_no_alarm_is_an_error_and_nothing_is_switched() {
    let describe = lists(vec![metric("shop lag - A", true)], vec![]);

    let err = toolkit(&[&describe]).enable_alarms_actions(B, Selection::All).await.unwrap_err();

    assert_eq!(err.to_string(), "found no alarm whose name begins with `shop` and ends with `- B`");
    assert!(matches!(err, Error::NothingFound { .. }));
}

#[tokio::test]
async fn a_shared_prefix_without_suffixes_is_refused_before_any_call() {
    let client = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, &[] as &[&Rule]);
    let config = CloudWatchConfig { suffixes: None, ..config() };

    let err = AwsCloudWatchToolkit::from_client(client, config).unwrap_err();

    assert!(matches!(err, Error::Configuration { .. }), "{err:?}");
}

#[tokio::test]
async fn alarms_that_are_so_already_are_not_sent() {
    let describe = lists(vec![metric("shop 1 - B", true), metric("shop 2 - B", false)], vec![]);
    let (enable, sent) = enables();

    let switched =
        toolkit(&[&describe, &enable]).enable_alarms_actions(B, Selection::All).await.unwrap();

    assert_eq!(*sent.lock().unwrap(), [["shop 2 - B"]]);
    assert_eq!(switched.already_so, ["shop 1 - B"]);
}

#[tokio::test]
async fn a_selection_switches_its_alarms_alone_and_lists_nothing() {
    let (enable, sent) = enables();
    let selection = Selection::Only(vec![seen("shop 2 - B", false), seen("shop 3 - B", true)]);

    let switched = toolkit(&[&enable]).enable_alarms_actions(B, selection).await.unwrap();

    assert_eq!(*sent.lock().unwrap(), [["shop 2 - B"]]);
    assert_eq!(switched.changed, ["shop 2 - B"]);
    assert_eq!(switched.already_so, ["shop 3 - B"]);
}

#[tokio::test]
async fn an_empty_selection_sends_nothing() {
    let switched = toolkit(&[]).disable_alarms_actions(B, Selection::Only(vec![])).await.unwrap();

    assert_eq!(switched, Switched::default());
}

#[tokio::test]
async fn an_alarm_of_the_other_stack_is_left_alone() {
    let selection = Selection::Only(vec![seen("shop 1 - A", true)]);

    let switched = toolkit(&[]).disable_alarms_actions(B, selection).await.unwrap();

    assert_eq!(switched.left_alone, ["shop 1 - A"]);
}

#[tokio::test]
async fn an_alarm_that_scales_is_left_alone_whatever_state_triggers_it() {
    let alarm = |name| MetricAlarm::builder().alarm_name(name).state_value(StateValue::Ok);
    let ec2 = SCALING_POLICY.replace("resource/ecs/service/shop/worker", "autoScalingGroupName/x");
    let describe = lists(
        vec![
            alarm("shop 1 - B").actions_enabled(true).alarm_actions(SCALING_POLICY).build(),
            alarm("shop 2 - B").actions_enabled(true).ok_actions(ec2).build(),
            alarm("shop 3 - B")
                .actions_enabled(true)
                .insufficient_data_actions(SCALING_POLICY.replace("arn:aws:", "arn:aws-cn:"))
                .build(),
            metric("shop 4 - B", true),
        ],
        vec![],
    );
    let (disable, sent) = disables();

    let switched =
        toolkit(&[&describe, &disable]).disable_alarms_actions(B, Selection::All).await.unwrap();

    assert_eq!(switched.left_alone, ["shop 1 - B", "shop 2 - B", "shop 3 - B"]);
    assert_eq!(*sent.lock().unwrap(), [["shop 4 - B"]]);
}

#[test]
fn an_action_of_another_service_or_kind_is_no_scaling_policy() {
    let actions = [
        "arn:aws:sns:eu-west-1:123456789012:scalingPolicy:pages",
        "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:6d8972f3",
        "scalingPolicy:6d8972f3",
    ];

    assert!(actions.iter().all(|it| !is_scaling_policy(it)));
    assert!(is_scaling_policy(SCALING_POLICY));
}

#[tokio::test]
async fn an_alarm_without_what_counts_is_incomplete() {
    let full = || MetricAlarm::builder().alarm_name("shop - B").state_value(StateValue::Ok);
    let look = async |alarm| match toolkit(&[&lists(vec![alarm], vec![])]).alarms(B).await {
        Err(Error::Incomplete { missing, .. }) => missing,
        other => panic!("{other:?}"),
    };

    let no_flag = look(full().build()).await;
    let no_state = look(full().actions_enabled(true).set_state_value(None).build()).await;
    let no_name = look(full().actions_enabled(true).set_alarm_name(None).build()).await;

    assert_eq!(no_flag, "whether the alarm's actions are enabled");
    assert_eq!(no_state, "the alarm's state");
    assert_eq!(no_name, "the alarm's name");
}

#[tokio::test]
async fn a_state_of_a_later_version_is_kept_in_awss_word() {
    let alarm = MetricAlarm::builder()
        .alarm_name("shop - B")
        .state_value("SLEEPING".into())
        .actions_enabled(true)
        .build();

    let alarms = toolkit(&[&lists(vec![alarm], vec![])]).alarms(B).await.unwrap();

    assert_eq!(alarms[0].state, AlarmState::Other("SLEEPING".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_apart() {
    let listing = async |code: &'static str| {
        let rule = mock!(Client::describe_alarms).then_http_response(move || refusal(code));
        toolkit(&[&rule]).alarms(A).await.unwrap_err()
    };
    let switching = async |response: fn() -> HttpResponse| {
        let rule = mock!(Client::disable_alarm_actions).then_http_response(response);
        let selection = Selection::Only(vec![seen("shop - A", true)]);
        toolkit(&[&rule]).disable_alarms_actions(A, selection).await.unwrap_err()
    };

    let denied = listing("AccessDeniedException").await;
    let invalid = listing("com.amazonaws.cloudwatch#InvalidNextToken").await;
    let throttled = switching(|| refusal("ThrottlingException")).await;
    let fault =
        switching(|| HttpResponse::new(503.try_into().unwrap(), SdkBody::from("<html>"))).await;

    assert!(matches!(denied, Error::AccessDenied { operation: DESCRIBE, .. }), "{denied:?}");
    assert!(matches!(invalid, Error::Aws { transient: false, .. }), "{invalid:?}");
    assert!(matches!(throttled, Error::Throttled { operation: DISABLE, .. }), "{throttled:?}");
    assert!(matches!(fault, Error::Aws { transient: true, .. }), "{fault:?}");
}

#[tokio::test]
async fn the_toolkit_is_used_as_a_trait_object() {
    let describe = lists(vec![metric("shop lag - B", true)], vec![]);
    let cloudwatch: Arc<dyn CloudWatchToolkit> = Arc::new(toolkit(&[&describe]));

    assert_eq!(cloudwatch.alarms(B).await.unwrap(), [seen("shop lag - B", true)]);
}
