//! Tests of the SNS calls.

use aws_sdk_sns::operation::{
    get_subscription_attributes::{
        GetSubscriptionAttributesInput, GetSubscriptionAttributesOutput,
    },
    list_subscriptions_by_topic::{ListSubscriptionsByTopicInput, ListSubscriptionsByTopicOutput},
    set_subscription_attributes::{
        SetSubscriptionAttributesInput, SetSubscriptionAttributesOutput,
    },
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
use aws_smithy_types::body::SdkBody;
use bluegreen_core::StackReference::{A, B};
use serde_json::{Value, json};

use super::*;

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:orders";
const BLOCKED: &str = r#"{"__bluegreen_blocked__":["never"]}"#;
const OWN: &str = r#"{ "type": ["order"],   "store": [{"exists": true}] }"#;

fn arn(stack: StackReference) -> String {
    format!("{TOPIC}:00000000-0000-0000-0000-00000000000{stack}")
}

fn endpoint(stack: StackReference) -> String {
    format!("arn:aws:sqs:eu-west-1:123456789012:orders-{stack}")
}

fn by_arn() -> SnsConfig {
    SnsConfig { subscriptions: Some(Pair::from_fn(arn)), ..SnsConfig::default() }
}

fn by_endpoint() -> SnsConfig {
    SnsConfig {
        topic: Some(TOPIC.to_owned()),
        endpoints: Some(Pair::from_fn(endpoint)),
        ..SnsConfig::default()
    }
}

fn enabled_by(filter: Value) -> SnsConfig {
    SnsConfig { enabled_filter: filter.as_object().cloned(), ..by_arn() }
}

fn client(rules: &[&Rule]) -> Client {
    mock_client!(aws_sdk_sns, RuleMode::MatchAny, rules)
}

fn toolkit(config: SnsConfig, rules: &[&Rule]) -> AwsSnsToolkit {
    AwsSnsToolkit::from_client(client(rules), config).unwrap()
}

fn policy(text: &str) -> FilterPolicy {
    FilterPolicy(text.to_owned())
}

fn with_attributes(stack: StackReference, attributes: &[(&str, &str)]) -> Rule {
    let input = GetSubscriptionAttributesInput::builder().subscription_arn(arn(stack));
    let input = input.build().unwrap();
    let output = GetSubscriptionAttributesOutput::builder().attributes("TopicArn", TOPIC);
    let output = attributes.iter().fold(output, |it, (name, value)| it.attributes(*name, *value));
    let output = output.build();
    mock!(Client::get_subscription_attributes)
        .match_requests(move |it| *it == input)
        .then_output(move || output.clone())
}

fn filtered(stack: StackReference, filter: &str) -> Rule {
    with_attributes(stack, &[("FilterPolicy", filter)])
}

/// Expects the filter policy of `stack` to be set to exactly this text.
fn set(stack: StackReference, filter: &str) -> Rule {
    let input = SetSubscriptionAttributesInput::builder()
        .subscription_arn(arn(stack))
        .attribute_name("FilterPolicy")
        .attribute_value(filter)
        .build()
        .unwrap();
    mock!(Client::set_subscription_attributes)
        .match_requests(move |it| *it == input)
        .then_output(|| SetSubscriptionAttributesOutput::builder().build())
}

fn answer(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))
}

fn refusal(status: u16, code: &str) -> HttpResponse {
    let error =
        format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>why</Message></Error>");
    let namespace = "http://sns.amazonaws.com/doc/2010-03-31/";
    answer(status, format!(r#"<ErrorResponse xmlns="{namespace}">{error}</ErrorResponse>"#))
}

fn get_refused(code: &'static str) -> Rule {
    mock!(Client::get_subscription_attributes).then_http_response(move || refusal(400, code))
}

/// One page of the topic's subscriptions, asked for with `token` and followed by `next`.
fn listed(
    token: Option<&'static str>,
    next: Option<&'static str>,
    subscriptions: &[(&str, &str)],
) -> Rule {
    let input = ListSubscriptionsByTopicInput::builder()
        .topic_arn(TOPIC)
        .set_next_token(token.map(str::to_owned));
    let input = input.build().unwrap();
    let members: String = subscriptions
        .iter()
        .map(|(arn, endpoint)| {
            format!(
                "<member><SubscriptionArn>{arn}</SubscriptionArn><Endpoint>{endpoint}</Endpoint></member>"
            )
        })
        .collect();
    let next = next.map(|it| format!("<NextToken>{it}</NextToken>")).unwrap_or_default();
    let body = format!(
        "<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult>\
         <Subscriptions>{members}</Subscriptions>{next}\
         </ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>"
    );
    mock!(Client::list_subscriptions_by_topic)
        .match_requests(move |it| *it == input)
        .then_http_response(move || answer(200, body.clone()))
}

#[tokio::test]
async fn a_subscription_is_read_as_it_is() {
    let found = with_attributes(
        B,
        &[
            ("Endpoint", "arn:aws:sqs:eu-west-1:123456789012:orders-b"),
            ("FilterPolicy", OWN),
            ("FilterPolicyScope", "MessageBody"),
            ("PendingConfirmation", "false"),
        ],
    );

    let subscription = toolkit(by_arn(), &[&found]).subscription(B).await.unwrap();

    assert_eq!(subscription.arn, arn(B));
    let endpoint = subscription.endpoint.as_deref();
    assert_eq!(endpoint, Some("arn:aws:sqs:eu-west-1:123456789012:orders-b"));
    assert_eq!(subscription.filter.unwrap().0, OWN, "to the letter");
    assert_eq!(subscription.scope, FilterScope::MessageBody);
    assert!(!subscription.disabled);
}

#[tokio::test]
async fn no_policy_an_empty_one_and_empty_text_are_the_same() {
    let absent = with_attributes(A, &[("FilterPolicyScope", "MessageAttributes")]);
    for found in [absent, filtered(A, ""), filtered(A, "{}"), filtered(A, "{ }")] {
        let subscription = toolkit(by_arn(), &[&found]).subscription(A).await.unwrap();

        assert_eq!(subscription.filter, None);
        assert_eq!(subscription.scope, FilterScope::MessageAttributes);
        assert!(!subscription.disabled);
    }
}

#[tokio::test]
async fn a_subscription_with_the_disabling_policy_is_disabled() {
    let spaced = r#"{ "__bluegreen_blocked__" : [ "never" ] }"#;
    let never = json!({"never": ["ever"]});
    let own = SnsConfig { disabled_filter: never.as_object().cloned(), ..by_arn() };

    let by_default = toolkit(by_arn(), &[&filtered(A, spaced)]).subscription(A).await;
    let by_own = toolkit(own.clone(), &[&filtered(A, &never.to_string())]).subscription(A).await;
    let by_default_before = toolkit(own.clone(), &[&filtered(A, BLOCKED)]).subscription(A).await;
    let by_another = toolkit(own, &[&filtered(A, r#"{"none":["such"]}"#)]).subscription(A).await;

    assert!(by_default.unwrap().disabled);
    assert!(by_own.unwrap().disabled);
    assert!(by_default_before.unwrap().disabled, "set before another was configured");
    assert!(!by_another.unwrap().disabled);
}

#[tokio::test]
async fn a_subscription_that_is_gone_is_not_found() {
    let err = toolkit(by_arn(), &[&get_refused("NotFound")]).subscription(A).await.unwrap_err();

    assert!(matches!(err, Error::NotFound { .. }));
    assert_eq!(err.to_string(), format!("subscription `{}` does not exist", arn(A)));
}

#[tokio::test]
async fn a_subscription_that_is_not_confirmed_is_not_found() {
    let pending = with_attributes(A, &[("PendingConfirmation", "true")]);

    let err = toolkit(by_arn(), &[&pending]).subscription(A).await.unwrap_err();

    assert_eq!(err.to_string(), format!("confirmed subscription `{}` does not exist", arn(A)));
}

#[tokio::test]
async fn a_refused_look_is_told_by_its_cause() {
    let invalid = toolkit(by_arn(), &[&get_refused("InvalidParameter")]).subscription(A).await;
    let denied = toolkit(by_arn(), &[&get_refused("AuthorizationError")]).subscription(A).await;

    const OPERATION: &str = "sns:GetSubscriptionAttributes";
    assert!(matches!(invalid, Err(Error::Aws { operation: OPERATION, transient: false, .. })));
    assert!(matches!(denied, Err(Error::AccessDenied { operation: OPERATION, .. })));
}

#[tokio::test]
async fn an_answer_without_attributes_is_incomplete() {
    let absent = || GetSubscriptionAttributesOutput::builder().build();
    let empty =
        || GetSubscriptionAttributesOutput::builder().set_attributes(Some([].into())).build();
    for rule in [
        mock!(Client::get_subscription_attributes).then_output(absent),
        mock!(Client::get_subscription_attributes).then_output(empty),
        with_attributes(A, &[("FilterPolicyScope", "MessageSmell")]),
    ] {
        let err = toolkit(by_arn(), &[&rule]).subscription(A).await.unwrap_err();

        assert!(matches!(err, Error::Incomplete { .. }), "{err:?}");
    }
}

#[tokio::test]
async fn disabling_sends_a_policy_that_aws_accepts_and_no_message_matches() {
    let (found, set) = (filtered(B, OWN), set(B, BLOCKED));

    let change = toolkit(by_arn(), &[&found, &set]).disable_subscription(B).await.unwrap();

    assert_eq!(change, Change::Made);
    assert_eq!(set.num_calls(), 1);
}

#[tokio::test]
async fn disabling_sends_the_configured_policy() {
    let filter = json!({"never": ["ever"]});
    let config = SnsConfig { disabled_filter: filter.as_object().cloned(), ..by_arn() };
    let (found, set) = (filtered(A, OWN), set(A, r#"{"never":["ever"]}"#));

    let change = toolkit(config, &[&found, &set]).disable_subscription(A).await.unwrap();

    assert_eq!(change, Change::Made);
}

#[tokio::test]
async fn a_disabled_subscription_is_not_disabled_again() {
    let never = json!({"never": ["ever"]});
    let another = SnsConfig { disabled_filter: never.as_object().cloned(), ..by_arn() };

    for config in [by_arn(), another] {
        let found = filtered(A, BLOCKED);

        let change = toolkit(config, &[&found]).disable_subscription(A).await.unwrap();

        assert_eq!(change, Change::AlreadySo);
    }
}

#[tokio::test]
async fn what_the_default_policy_disabled_is_enabled_though_another_is_configured_since() {
    let never = json!({"never": ["ever"]});
    let config = SnsConfig { disabled_filter: never.as_object().cloned(), ..by_arn() };
    let (found, set) = (filtered(B, BLOCKED), set(B, OWN));

    let change =
        toolkit(config, &[&found, &set]).enable_subscription(B, Some(policy(OWN))).await.unwrap();

    assert_eq!(change, Change::Made);
    assert_eq!(set.num_calls(), 1);
}

#[tokio::test]
async fn enabling_puts_back_the_very_text_of_the_policy_from_before() {
    let (found, set) = (filtered(B, BLOCKED), set(B, OWN));

    let change =
        toolkit(by_arn(), &[&found, &set]).enable_subscription(B, Some(policy(OWN))).await.unwrap();

    assert_eq!(change, Change::Made);
    assert_eq!(set.num_calls(), 1);
}

#[tokio::test]
async fn enabling_empties_the_policy_of_a_disabled_subscription_that_had_none_before() {
    for before in [None, Some(policy("")), Some(policy("{}"))] {
        let (found, set) = (filtered(B, BLOCKED), set(B, "{}"));

        let change =
            toolkit(by_arn(), &[&found, &set]).enable_subscription(B, before).await.unwrap();

        assert_eq!(change, Change::Made);
    }
}

#[tokio::test]
async fn enabling_never_puts_an_empty_policy_over_a_user_s_own() {
    for before in [None, Some(policy("{}")), Some(policy(r#"{"type":["older"]}"#))] {
        let found = filtered(A, OWN);

        let change = toolkit(by_arn(), &[&found]).enable_subscription(A, before).await.unwrap();

        assert_eq!(change, Change::AlreadySo, "without a call that sets anything");
    }
}

#[tokio::test]
async fn enabling_sends_the_configured_policy_whatever_was_there() {
    let before = Some(policy(r#"{"type":["older"]}"#));
    for current in [BLOCKED, OWN, ""] {
        let config = enabled_by(json!({"type": ["order"]}));
        let (found, set) = (filtered(A, current), set(A, r#"{"type":["order"]}"#));

        let change =
            toolkit(config, &[&found, &set]).enable_subscription(A, before.clone()).await.unwrap();

        assert_eq!(change, Change::Made);
    }
}

#[tokio::test]
async fn an_enabled_subscription_is_not_enabled_again() {
    let own = enabled_by(serde_json::from_str(OWN).unwrap());
    let everything = enabled_by(json!({}));

    let own = toolkit(own, &[&filtered(A, OWN)]).enable_subscription(A, None).await;
    let everything = toolkit(everything, &[&filtered(A, "")]).enable_subscription(A, None).await;
    let neither = toolkit(by_arn(), &[&filtered(A, "")]).enable_subscription(A, None).await;

    assert_eq!(own.unwrap(), Change::AlreadySo);
    assert_eq!(everything.unwrap(), Change::AlreadySo);
    assert_eq!(neither.unwrap(), Change::AlreadySo);
}

#[tokio::test]
async fn enabling_with_the_disabling_policy_is_an_error() {
    let never = json!({"never": ["ever"]});
    let another = SnsConfig { disabled_filter: never.as_object().cloned(), ..by_arn() };

    for config in [by_arn(), another] {
        let found = filtered(A, BLOCKED);

        let err = toolkit(config, &[&found])
            .enable_subscription(A, Some(policy(BLOCKED)))
            .await
            .unwrap_err();

        assert!(matches!(err, Error::WrongState { .. }), "{err:?}");
        assert!(err.to_string().contains("set `enabled-filter`"), "{err}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_is_told_by_its_cause() {
    const OPERATION: &str = "sns:SetSubscriptionAttributes";
    let refused = async |status, code: &'static str| {
        let set = mock!(Client::set_subscription_attributes)
            .then_http_response(move || refusal(status, code));
        let toolkit = toolkit(by_arn(), &[&filtered(A, OWN), &set]);
        toolkit.disable_subscription(A).await.unwrap_err()
    };

    for code in ["InvalidParameter", "FilterPolicyLimitExceeded"] {
        let err = refused(400, code).await;
        assert!(
            matches!(err, Error::Aws { operation: OPERATION, transient: false, .. }),
            "{err:?}"
        );
    }
    let err = refused(404, "NotFound").await;
    assert!(matches!(err, Error::NotFound { .. }), "{err:?}");
    let err = refused(403, "AuthorizationError").await;
    assert!(matches!(err, Error::AccessDenied { operation: OPERATION, .. }), "{err:?}");
    for code in ["Throttling", "ThrottlingException"] {
        let err = refused(400, code).await;
        assert!(matches!(err, Error::Throttled { operation: OPERATION, .. }), "{err:?}");
    }
    let err = refused(500, "InternalError").await;
    assert!(matches!(err, Error::Aws { transient: true, .. }), "{err:?}");
}

#[tokio::test]
async fn subscriptions_are_found_by_topic_and_endpoint_on_every_page() {
    let first = listed(None, Some("more"), &[(&arn(A), &endpoint(A)), ("arn:x", "other")]);
    let second = listed(Some("more"), None, &[(&arn(B), &endpoint(B))]);
    let found = [filtered(A, ""), filtered(B, "")];
    let toolkit = toolkit(by_endpoint(), &[&first, &second, &found[0], &found[1]]);

    let a = toolkit.subscription(A).await.unwrap();
    let b = toolkit.subscription(B).await.unwrap();
    let again = toolkit.subscription(B).await.unwrap();

    assert_eq!((a.arn, &b.arn), (arn(A), &arn(B)));
    assert_eq!(again, b);
    assert_eq!((first.num_calls(), second.num_calls()), (1, 1), "asked once");
}

#[tokio::test(start_paused = true)]
async fn looks_at_both_stacks_at_once_share_one_list() {
    let members = StackReference::BOTH.map(|stack| {
        let member = aws_sdk_sns::types::Subscription::builder().endpoint(endpoint(stack));
        member.subscription_arn(arn(stack)).build()
    });
    let output = ListSubscriptionsByTopicOutput::builder();
    let output = output.set_subscriptions(Some(members.to_vec())).build();
    // The SDK's pause before it repeats the call lets the other look run.
    let slow = mock!(Client::list_subscriptions_by_topic)
        .sequence()
        .http_status(503, None)
        .output(move || output.clone())
        .build();
    let toolkit = toolkit(by_endpoint(), &[&slow, &filtered(A, ""), &filtered(B, "")]);

    let (a, b) = tokio::join!(toolkit.subscription(A), toolkit.subscription(B));

    assert_eq!((a.unwrap().arn, b.unwrap().arn), (arn(A), arn(B)));
    assert_eq!(slow.num_calls(), 2, "one call and its repetition");
}

#[tokio::test]
async fn a_pending_subscription_is_skipped_until_it_is_confirmed() {
    let pending = mock!(Client::list_subscriptions_by_topic)
        .sequence()
        .output({
            let member = aws_sdk_sns::types::Subscription::builder().endpoint(endpoint(A));
            let member = member.subscription_arn("PendingConfirmation").build();
            move || ListSubscriptionsByTopicOutput::builder().subscriptions(member.clone()).build()
        })
        .output({
            let member = aws_sdk_sns::types::Subscription::builder().endpoint(endpoint(A));
            let member = member.subscription_arn(arn(A)).build();
            move || ListSubscriptionsByTopicOutput::builder().subscriptions(member.clone()).build()
        })
        .build();
    let toolkit = toolkit(by_endpoint(), &[&pending, &filtered(A, "")]);

    let before = toolkit.subscription(A).await.unwrap_err();
    let after = toolkit.subscription(A).await.unwrap();

    assert!(matches!(before, Error::NotFound { .. }), "{before:?}");
    assert!(before.to_string().contains(&endpoint(A)), "{before}");
    assert_eq!(after.arn, arn(A));
}

#[tokio::test]
async fn a_confirmed_subscription_is_not_lost_to_a_pending_or_repeated_one_of_its_endpoint() {
    let confirmed = (&*arn(A), &*endpoint(A));
    let first = listed(None, Some("more"), &[confirmed, ("PendingConfirmation", confirmed.1)]);
    let second = listed(Some("more"), None, &[confirmed, ("Deleted", confirmed.1)]);
    let toolkit = toolkit(by_endpoint(), &[&first, &second, &filtered(A, "")]);

    let found = toolkit.subscription(A).await.unwrap();

    assert_eq!(found.arn, arn(A));
}

#[tokio::test]
async fn two_confirmed_subscriptions_of_one_endpoint_are_an_error_that_names_both() {
    let (one, other) = (arn(A), format!("{TOPIC}:other"));
    let listed = listed(None, None, &[(&one, &endpoint(A)), (&other, &endpoint(A))]);

    let err = toolkit(by_endpoint(), &[&listed]).subscription(A).await.unwrap_err();

    assert!(matches!(err, Error::WrongState { .. }), "{err:?}");
    for part in [&one, &other, &endpoint(A)] {
        assert!(err.to_string().contains(&format!("`{part}`")), "{err}");
    }
}

#[tokio::test]
async fn a_topic_that_is_gone_is_not_found() {
    let gone =
        mock!(Client::list_subscriptions_by_topic).then_http_response(|| refusal(404, "NotFound"));

    let err = toolkit(by_endpoint(), &[&gone]).subscription(A).await.unwrap_err();

    assert_eq!(err.to_string(), format!("topic `{TOPIC}` does not exist"));
}

#[test]
fn an_empty_name_is_refused_before_any_call() {
    let mut config = by_arn();
    config.subscriptions.as_mut().unwrap().a.clear();

    let err = AwsSnsToolkit::from_client(client(&[]), config).unwrap_err();

    assert!(matches!(err, Error::Configuration { .. }));
}

#[tokio::test]
async fn the_toolkit_can_stand_behind_its_trait() {
    let found = filtered(A, BLOCKED);
    let toolkit: Arc<dyn SnsToolkit> = Arc::new(toolkit(by_arn(), &[&found]));

    assert!(toolkit.subscription(A).await.unwrap().disabled);
}
