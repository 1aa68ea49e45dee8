//! Alarms that are looked at by their names.

use super::*;

/// Shows those of these alarms that are asked for by name, of all types.
fn shows(names: &'static [&'static str]) -> Rule {
    mock!(Client::describe_alarms)
        .match_requests(|it| {
            it.alarm_name_prefix().is_none()
                && (1..=100).contains(&it.alarm_names().len())
                && it.alarm_types().contains(&AlarmType::CompositeAlarm)
        })
        .then_compute_output(move |it| {
            let known = names.iter().filter(|name| it.alarm_names().iter().any(|it| it == *name));
            let (composites, metrics): (Vec<&str>, Vec<&str>) =
                known.copied().partition(|it| it.ends_with("health"));
            DescribeAlarmsOutput::builder()
                .set_metric_alarms(Some(metrics.iter().map(|it| metric(it, true)).collect()))
                .set_composite_alarms(Some(
                    composites.iter().map(|it| composite(it, true)).collect(),
                ))
                .build()
        })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&it| it.to_owned()).collect()
}

fn for_names(rules: &[&Rule]) -> AwsCloudWatchToolkit {
    AwsCloudWatchToolkit {
        client: mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, rules).into(),
        config: None,
    }
}

#[tokio::test]
async fn alarms_are_found_by_name_whichever_their_kind_and_the_missing_ones_are_left_out() {
    let rule = shows(&["web-errors", "web-health", "other"]);

    let found = toolkit(&[&rule])
        .alarms_named(&names(&["web-health", "not-there", "web-errors"]))
        .await
        .unwrap();

    let found: Vec<(&str, AlarmKind)> = found.iter().map(|it| (&*it.name, it.kind)).collect();
    assert_eq!(found, [("web-errors", AlarmKind::Metric), ("web-health", AlarmKind::Composite)]);
}

#[tokio::test]
async fn more_names_than_one_call_takes_are_asked_for_in_several() {
    let rule = shows(&["alarm-000", "alarm-149"]);
    let many: Vec<String> = (0..150).map(|it| format!("alarm-{it:03}")).collect();

    let found = toolkit(&[&rule]).alarms_named(&many).await.unwrap();

    assert_eq!((rule.num_calls(), found.len()), (2, 2));
}

#[tokio::test]
async fn without_names_nothing_is_asked() {
    assert_eq!(toolkit(&[]).alarms_named(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_toolkit_for_names_finds_no_alarms_of_a_stack_and_switches_none() {
    let toolkit = for_names(&[]);

    assert_eq!(toolkit.alarms(A).await.unwrap(), []);
    let all = toolkit.disable_alarms_actions(B, Selection::All).await.unwrap_err();
    assert!(matches!(all, Error::NothingFound { .. }), "{all:?}");
    let one = Selection::Only(vec![seen("shop errors - A", true)]);
    let switched = toolkit.disable_alarms_actions(A, one).await.unwrap();
    assert_eq!(switched.left_alone, ["shop errors - A"]);
}
