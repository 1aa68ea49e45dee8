//! Tests of finding and switching rules.

use aws_sdk_eventbridge::{
    Client,
    operation::{
        describe_rule::DescribeRuleOutput,
        disable_rule::{DisableRuleInput, DisableRuleOutput},
        enable_rule::{EnableRuleInput, EnableRuleOutput},
        list_event_buses::{ListEventBusesInput, ListEventBusesOutput},
        list_rule_names_by_target::{ListRuleNamesByTargetInput, ListRuleNamesByTargetOutput},
    },
    types::EventBus,
};
use aws_smithy_mocks::{Rule as Mock, mock};
use bluegreen_core::StackReference::{A, B};

use super::{
    super::fixture::{aliases, arn, functions, refusal, toolkit},
    *,
};
use crate::LambdaToolkit;

/// One page of event buses, asked for with `token`.
fn buses(
    token: Option<&'static str>,
    names: &'static [&'static str],
    next: Option<&'static str>,
) -> Mock {
    mock!(Client::list_event_buses)
        .match_requests(move |it| {
            let whole = ListEventBusesInput::builder().set_next_token(token.map(str::to_owned));
            *it == whole.build().unwrap()
        })
        .then_output(move || {
            let buses = names.iter().map(|name| EventBus::builder().name(*name).build()).collect();
            ListEventBusesOutput::builder()
                .set_event_buses(Some(buses))
                .set_next_token(next.map(str::to_owned))
                .build()
        })
}

/// One page of the rules of `bus` that target `target`, asked for with `token`.
fn names(
    bus: &'static str,
    target: String,
    token: Option<&'static str>,
    names: &'static [&'static str],
    next: Option<&'static str>,
) -> Mock {
    mock!(Client::list_rule_names_by_target)
        .match_requests(move |it| {
            let whole = ListRuleNamesByTargetInput::builder()
                .target_arn(&target)
                .event_bus_name(bus)
                .set_next_token(token.map(str::to_owned));
            *it == whole.build().unwrap()
        })
        .then_output(move || {
            ListRuleNamesByTargetOutput::builder()
                .set_rule_names(Some(names.iter().map(|it| (*it).to_owned()).collect()))
                .set_next_token(next.map(str::to_owned))
                .build()
        })
}

/// Every rule there is, in this state.
fn described(state: RuleState) -> Mock {
    mock!(Client::describe_rule)
        .match_requests(|it| it.event_bus_name().is_some())
        .then_output(move || DescribeRuleOutput::builder().state(state.clone()).build())
}

/// Refuses every look at a rule.
fn undescribed(code: &'static str) -> Mock {
    mock!(Client::describe_rule).then_http_response(move || refusal(400, code, "no"))
}

fn shown(name: &str, enabled: bool) -> Rule {
    Rule { name: name.to_owned(), event_bus: "default".to_owned(), enabled, managed_by: None }
}

/// Takes the switching on of just this rule of the default bus.
fn enable(name: &'static str) -> Mock {
    mock!(Client::enable_rule)
        .match_requests(move |it| {
            let whole = EnableRuleInput::builder().name(name).event_bus_name("default");
            *it == whole.build().unwrap()
        })
        .then_output(|| EnableRuleOutput::builder().build())
}

/// Takes the switching off of just this rule of the default bus.
fn disable(name: &'static str) -> Mock {
    mock!(Client::disable_rule)
        .match_requests(move |it| {
            let whole = DisableRuleInput::builder().name(name).event_bus_name("default");
            *it == whole.build().unwrap()
        })
        .then_output(|| DisableRuleOutput::builder().build())
}

/// Refuses to switch this rule on.
fn refuse(name: &'static str, code: &'static str) -> Mock {
    mock!(Client::enable_rule)
        .match_requests(move |it| it.name() == Some(name))
        .then_http_response(move || refusal(400, code, "no"))
}

fn labels(rules: &[Rule]) -> Vec<String> {
    rules.iter().map(Rule::label).collect()
}

#[tokio::test]
async fn rules_of_every_page_and_every_event_bus_are_found_and_the_listing_ends() {
    let target = arn("aws", "ingest-b");
    let functions = functions("aws");
    let mocks = [
        buses(None, &["default"], Some("2")),
        buses(Some("2"), &["audit"], None),
        names("default", target.clone(), None, &["nightly"], Some("n2")),
        names("default", target.clone(), Some("n2"), &["hourly"], Some("n3")),
        names("default", target.clone(), Some("n3"), &["weekly"], None),
        names("audit", target, None, &["seen"], None),
        described(RuleState::Disabled),
    ];
    let mut all: Vec<_> = mocks.iter().collect();
    all.push(&functions);

    let found = toolkit(None, &all).rules(B).await.unwrap();

    let expected = ["audit/seen", "default/hourly", "default/nightly", "default/weekly"];
    assert_eq!(labels(&found), expected);
    assert!(found.iter().all(|it| !it.enabled));
    let calls: Vec<_> = mocks.iter().map(Mock::num_calls).collect();
    assert_eq!(calls, [1, 1, 1, 1, 1, 1, 4]);
}

#[tokio::test]
async fn rules_on_the_alias_and_on_the_bare_function_are_found_once_each() {
    let (functions, aliases) = (functions("aws"), aliases("aws"));
    let buses = buses(None, &["default"], None);
    let bare = names("default", arn("aws", "ingest-a"), None, &["both", "bare"], None);
    let live = names("default", arn("aws", "ingest-a:live"), None, &["live", "both"], None);
    let described = described(RuleState::Enabled);

    let found = toolkit(Some("live"), &[&functions, &aliases, &buses, &bare, &live, &described])
        .rules(A)
        .await
        .unwrap();

    assert_eq!(found, [shown("bare", true), shown("both", true), shown("live", true)]);
}

#[tokio::test]
async fn rules_are_found_in_every_partition() {
    for partition in ["aws-cn", "aws-us-gov"] {
        let functions = functions(partition);
        let buses = buses(None, &["default"], None);
        let names = names("default", arn(partition, "ingest-b"), None, &["nightly"], None);
        let (described, enable) = (described(RuleState::Disabled), enable("nightly"));

        let switched = toolkit(None, &[&functions, &buses, &names, &described, &enable])
            .enable_rule(B, Selection::All)
            .await
            .unwrap();

        assert_eq!(switched.changed, ["default/nightly"], "{partition}");
    }
}

#[tokio::test]
async fn event_buses_are_listed_once_for_both_stacks_and_for_other_functions() {
    let functions = functions("aws");
    let buses = buses(None, &["default"], None);
    let none = mock!(Client::list_rule_names_by_target).then_output(|| {
        ListRuleNamesByTargetOutput::builder().set_rule_names(Some(vec![])).build()
    });
    let lambda = toolkit(None, &[&functions, &buses, &none]);

    lambda.rules(A).await.unwrap();
    lambda.rules(B).await.unwrap();
    lambda.with_config(lambda.config.clone()).unwrap().rules(B).await.unwrap();

    assert_eq!((buses.num_calls(), none.num_calls()), (1, 3));
}

#[tokio::test]
async fn a_rule_with_all_cloudtrail_events_counts_as_on() {
    let functions = functions("aws");
    let buses = buses(None, &["default"], None);
    let names = names("default", arn("aws", "ingest-b"), None, &["trail"], None);
    let described = described(RuleState::EnabledWithAllCloudtrailManagementEvents);

    let found = toolkit(None, &[&functions, &buses, &names, &described]).rules(B).await.unwrap();

    assert_eq!(found, [shown("trail", true)]);
}

#[tokio::test]
async fn a_rule_tells_who_manages_it() {
    let functions = functions("aws");
    let buses = buses(None, &["default"], None);
    let names = names("default", arn("aws", "ingest-b"), None, &["theirs"], None);
    let described = mock!(Client::describe_rule)
        .match_requests(|it| it.name() == Some("theirs") && it.event_bus_name() == Some("default"))
        .then_output(|| {
            DescribeRuleOutput::builder()
                .state(RuleState::Enabled)
                .managed_by("schemas.amazonaws.com")
                .build()
        });

    let found = toolkit(None, &[&functions, &buses, &names, &described]).rules(B).await.unwrap();

    assert_eq!(found[0].managed_by.as_deref(), Some("schemas.amazonaws.com"));
}

#[tokio::test]
async fn a_rule_without_a_state_is_an_incomplete_answer() {
    let functions = functions("aws");
    let buses = buses(None, &["default"], None);
    let names = names("default", arn("aws", "ingest-b"), None, &["nightly"], None);
    let described =
        mock!(Client::describe_rule).then_output(|| DescribeRuleOutput::builder().build());

    let err = toolkit(None, &[&functions, &buses, &names, &described]).rules(B).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { operation: DESCRIBE, .. }), "{err:?}");
}

#[tokio::test]
async fn a_rule_or_bus_deleted_since_it_was_listed_is_left_out() {
    let functions = functions("aws");
    let buses = buses(None, &["default", "gone"], None);
    let names = names("default", arn("aws", "ingest-b"), None, &["gone-too"], None);
    let gone = mock!(Client::list_rule_names_by_target)
        .match_requests(|it| it.event_bus_name() == Some("gone"))
        .then_http_response(|| refusal(400, "ResourceNotFoundException", "no such bus"));
    let undescribed = undescribed("ResourceNotFoundException");

    let found =
        toolkit(None, &[&functions, &buses, &names, &gone, &undescribed]).rules(B).await.unwrap();

    assert_eq!(found, []);
    assert_eq!((gone.num_calls(), undescribed.num_calls()), (1, 1));
}

#[tokio::test]
async fn a_denied_look_at_a_rule_names_its_action() {
    let functions = functions("aws");
    let buses = buses(None, &["default"], None);
    let names = names("default", arn("aws", "ingest-b"), None, &["nightly"], None);
    let undescribed = undescribed("AccessDeniedException");

    let err =
        toolkit(None, &[&functions, &buses, &names, &undescribed]).rules(B).await.unwrap_err();

    assert!(matches!(err, Error::AccessDenied { operation: DESCRIBE, .. }), "{err:?}");
}

#[tokio::test]
async fn a_page_token_that_comes_twice_ends_the_listing_with_an_error() {
    let functions = functions("aws");
    let (first, again) =
        (buses(None, &["default"], Some("2")), buses(Some("2"), &["audit"], Some("2")));

    let err = toolkit(None, &[&functions, &first, &again]).rules(B).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { operation: LIST_BUSES, .. }), "{err:?}");
    assert_eq!(again.num_calls(), 1);
}

#[tokio::test]
async fn a_page_token_that_has_expired_lets_the_listing_be_begun_again() {
    for code in ["InvalidToken", "InvalidNextTokenException"] {
        let functions = functions("aws");
        let first = buses(None, &["default"], Some("2"));
        let expired = mock!(Client::list_event_buses)
            .match_requests(|it| it.next_token() == Some("2"))
            .then_http_response(move || refusal(400, code, "expired"));
        let one = buses(None, &["default"], None);
        let target = arn("aws", "ingest-b");
        let page = names("default", target, None, &["nightly"], Some("n2"));
        let no_more = mock!(Client::list_rule_names_by_target)
            .match_requests(|it| it.next_token() == Some("n2"))
            .then_http_response(move || refusal(400, code, "expired"));

        let of_buses = toolkit(None, &[&functions, &first, &expired]).rules(B).await.unwrap_err();
        let of_names = toolkit(None, &[&functions, &one, &page, &no_more]).rules(B).await;
        let of_names = of_names.unwrap_err();

        for (err, expected) in [(of_buses, LIST_BUSES), (of_names, LIST_NAMES)] {
            assert!(
                matches!(err, Error::Aws { operation, transient: true, .. } if operation == expected),
                "{code}: {err:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_without_its_list_is_not_an_empty_one() {
    let functions = functions("aws");
    let no_buses =
        mock!(Client::list_event_buses).then_output(|| ListEventBusesOutput::builder().build());
    let buses = buses(None, &["default"], None);
    let no_names = mock!(Client::list_rule_names_by_target)
        .then_output(|| ListRuleNamesByTargetOutput::builder().build());

    let of_buses = toolkit(None, &[&functions, &no_buses]).rules(B).await.unwrap_err();
    let of_names = toolkit(None, &[&functions, &buses, &no_names]).rules(B).await.unwrap_err();

    assert!(matches!(of_buses, Error::Incomplete { operation: LIST_BUSES, .. }), "{of_buses:?}");
    assert!(matches!(of_names, Error::Incomplete { operation: LIST_NAMES, .. }), "{of_names:?}");
}

#[tokio::test]
async fn no_rule_to_switch_is_an_error_that_names_the_function() {
    let functions = functions("aws");
    let buses = buses(None, &["default"], None);
    let names = names("default", arn("aws", "ingest-b"), None, &[], None);
    let lambda = toolkit(None, &[&functions, &buses, &names]);

    for switched in
        [lambda.enable_rule(B, Selection::All).await, lambda.disable_rule(B, Selection::All).await]
    {
        let err = switched.unwrap_err();
        assert!(err.is_absent());
        assert_eq!(err.to_string(), "found no EventBridge rule of function `ingest-b`");
    }
}

#[tokio::test]
async fn only_rules_that_are_not_yet_on_are_switched_on() {
    let enable = enable("off");
    let rules = vec![shown("on", true), shown("off", false)];

    let switched = toolkit(None, &[&enable]).enable_rule(B, Selection::Only(rules)).await.unwrap();

    assert_eq!(switched.changed, ["default/off"]);
    assert_eq!(switched.already_so, ["default/on"]);
    assert_eq!(enable.num_calls(), 1);
}

#[tokio::test]
async fn only_rules_that_are_not_yet_off_are_switched_off() {
    let disable = disable("on");
    let rules = vec![shown("on", true), shown("off", false)];

    let switched =
        toolkit(None, &[&disable]).disable_rule(A, Selection::Only(rules)).await.unwrap();

    assert_eq!(switched.changed, ["default/on"]);
    assert_eq!(switched.already_so, ["default/off"]);
    assert_eq!(disable.num_calls(), 1);
}

#[tokio::test]
async fn a_rule_on_the_alias_is_switched_on_and_off() {
    for enabled in [true, false] {
        let (functions, aliases) = (functions("aws"), aliases("aws"));
        let buses = buses(None, &["default"], None);
        let bare = names("default", arn("aws", "ingest-a"), None, &[], None);
        let live = names("default", arn("aws", "ingest-a:live"), None, &["nightly"], None);
        let state = if enabled { RuleState::Disabled } else { RuleState::Enabled };
        let (described, enable, disable) =
            (described(state), enable("nightly"), disable("nightly"));
        let mocks = [&functions, &aliases, &buses, &bare, &live, &described, &enable, &disable];

        let lambda = toolkit(Some("live"), &mocks);
        let switched = if enabled {
            lambda.enable_rule(A, Selection::All).await
        } else {
            lambda.disable_rule(A, Selection::All).await
        };

        assert_eq!(switched.unwrap().changed, ["default/nightly"]);
        let expected = if enabled { (1, 0) } else { (0, 1) };
        assert_eq!((enable.num_calls(), disable.num_calls()), expected);
    }
}

#[tokio::test]
async fn a_managed_rule_is_left_alone_without_a_call() {
    let disable = disable("ours");
    let managed = Some("ecs.amazonaws.com".to_owned());
    let rules = vec![Rule { managed_by: managed, ..shown("theirs", true) }, shown("ours", true)];

    let switched =
        toolkit(None, &[&disable]).disable_rule(B, Selection::Only(rules)).await.unwrap();

    assert_eq!(switched.left_alone, ["default/theirs"]);
    assert_eq!(switched.changed, ["default/ours"]);
}

#[tokio::test]
async fn a_rule_that_aws_calls_managed_is_left_alone_and_a_busy_one_comes_later() {
    let managed = refuse("theirs", "ManagedRuleException");
    let busy = refuse("busy", "ConcurrentModificationException");
    let enable = enable("ours");
    let rules = ["theirs", "busy", "ours"].map(|it| shown(it, false)).into();

    let switched = toolkit(None, &[&managed, &busy, &enable])
        .enable_rule(B, Selection::Only(rules))
        .await
        .unwrap();

    assert_eq!(switched.left_alone, ["default/theirs"]);
    assert_eq!(switched.busy, ["default/busy"]);
    assert_eq!(switched.changed, ["default/ours"]);
    assert_eq!(busy.num_calls(), 1, "the toolkit does not wait");
}

#[tokio::test]
async fn a_failing_rule_is_an_error_after_all_the_others_were_tried() {
    let missing = refuse("gone", "ResourceNotFoundException");
    let others = mock!(Client::enable_rule).then_output(|| EnableRuleOutput::builder().build());
    let rules = ["gone", "1", "2", "3", "4", "5"].map(|it| shown(it, false)).into();

    let err = toolkit(None, &[&missing, &others])
        .enable_rule(B, Selection::Only(rules))
        .await
        .unwrap_err();

    assert_eq!(err.to_string(), "rule `default/gone` does not exist");
    assert_eq!(others.num_calls(), 5);
}
