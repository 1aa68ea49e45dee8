//! Tests of the Kinesis calls.

use std::sync::Arc;

use aws_sdk_kinesis::operation::{
    deregister_stream_consumer::{DeregisterStreamConsumerInput, DeregisterStreamConsumerOutput},
    describe_stream_consumer::{DescribeStreamConsumerInput, DescribeStreamConsumerOutput},
    describe_stream_summary::{DescribeStreamSummaryInput, DescribeStreamSummaryOutput},
    list_stream_consumers::ListStreamConsumersInput,
    register_stream_consumer::{RegisterStreamConsumerInput, RegisterStreamConsumerOutput},
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
use aws_smithy_types::body::SdkBody;
use bluegreen_core::{
    Pair,
    StackReference::{A, B},
};

use super::*;

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";

fn config() -> KinesisConfig {
    let consumers = Pair::from_fn(|stack| format!("ingest-{stack}"));
    KinesisConfig { stream_arn: STREAM.to_owned(), consumers }
}

fn client(rules: &[&Rule]) -> Client {
    mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, rules)
}

fn toolkit(rules: &[&Rule]) -> AwsKinesisToolkit {
    AwsKinesisToolkit::from_client(client(rules), config()).unwrap()
}

fn answer(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))
}

fn refusal(code: &str) -> HttpResponse {
    answer(400, format!(r#"{{"__type":"{code}","message":"why"}}"#))
}

fn register_refused(code: &'static str) -> Rule {
    mock!(Client::register_stream_consumer).then_http_response(move || refusal(code))
}

fn deregister_refused(code: &'static str) -> Rule {
    mock!(Client::deregister_stream_consumer).then_http_response(move || refusal(code))
}

fn describe_refused(code: &'static str) -> Rule {
    mock!(Client::describe_stream_consumer).then_http_response(move || refusal(code))
}

/// The stream is there.
fn stream() -> Rule {
    let input = DescribeStreamSummaryInput::builder().stream_arn(STREAM).build().unwrap();
    mock!(Client::describe_stream_summary)
        .match_requests(move |it| *it == input)
        .then_output(|| DescribeStreamSummaryOutput::builder().build())
}

fn stream_refused(code: &'static str) -> Rule {
    mock!(Client::describe_stream_summary).then_http_response(move || refusal(code))
}

fn arn(name: &str) -> String {
    format!("{STREAM}/consumer/{name}:1700000000")
}

fn consumer(name: &str, status: &str) -> String {
    format!(
        r#"{{"ConsumerName":"{name}","ConsumerARN":"{}","ConsumerStatus":"{status}",
        "ConsumerCreationTimestamp":1700000000}}"#,
        arn(name)
    )
}

fn described(status: &'static str) -> Rule {
    mock!(Client::describe_stream_consumer).then_http_response(move || {
        let consumer = consumer("ingest-a", status);
        answer(200, format!(r#"{{"ConsumerDescription":{consumer}}}"#))
    })
}

/// One page of the stream's active consumers, asked for with `token` and followed by `next`.
fn listed(token: Option<&'static str>, next: Option<&'static str>, names: Vec<String>) -> Rule {
    listed_as("ACTIVE", token, next, names)
}

fn listed_as(
    status: &'static str,
    token: Option<&'static str>,
    next: Option<&'static str>,
    names: Vec<String>,
) -> Rule {
    let input = ListStreamConsumersInput::builder()
        .stream_arn(STREAM)
        .set_next_token(token.map(str::to_owned))
        .build()
        .unwrap();
    mock!(Client::list_stream_consumers).match_requests(move |it| *it == input).then_http_response(
        move || {
            let consumers: Vec<_> = names.iter().map(|it| consumer(it, status)).collect();
            let next = next.map(|it| format!(r#","NextToken":"{it}""#)).unwrap_or_default();
            answer(200, format!(r#"{{"Consumers":[{}]{next}}}"#, consumers.join(",")))
        },
    )
}

fn others(count: usize) -> Vec<String> {
    (0..count).map(|it| format!("other-{it}")).collect()
}

#[tokio::test]
async fn the_consumer_of_the_named_stack_is_registered() {
    let input = RegisterStreamConsumerInput::builder().stream_arn(STREAM).consumer_name("ingest-a");
    let input = input.build().unwrap();
    let registered = mock!(Client::register_stream_consumer)
        .match_requests(move |it| *it == input)
        .then_output(|| RegisterStreamConsumerOutput::builder().build());

    let change = toolkit(&[&registered]).register_consumer(A).await.unwrap();

    assert_eq!(change, Change::Made);
}

#[tokio::test]
async fn registering_twice_is_already_so() {
    for status in ["ACTIVE", "CREATING"] {
        let in_use = register_refused("ResourceInUseException");

        let change = toolkit(&[&in_use, &described(status)]).register_consumer(A).await.unwrap();

        assert_eq!(change, Change::AlreadySo);
    }
}

#[tokio::test]
async fn a_consumer_on_its_way_out_is_registered_later() {
    for status in ["DELETING", "BRAND_NEW"] {
        let in_use = register_refused("ResourceInUseException");

        let change = toolkit(&[&in_use, &described(status)]).register_consumer(A).await.unwrap();

        let reason = format!("stream consumer `ingest-a` is `{status}`");
        assert_eq!(change, Change::NotYet { reason });
    }
}

#[tokio::test]
async fn a_stream_that_is_not_active_gets_its_consumer_later() {
    let in_use = register_refused("ResourceInUseException");
    let unknown = describe_refused("ResourceNotFoundException");

    let change = toolkit(&[&in_use, &unknown, &stream()]).register_consumer(A).await.unwrap();

    assert_eq!(change, Change::NotYet { reason: format!("stream `{STREAM}` is not active") });
}

#[tokio::test]
async fn a_look_that_fails_fails_the_registration() {
    let in_use = register_refused("ResourceInUseException");
    let denied = describe_refused("AccessDeniedException");

    let err = toolkit(&[&in_use, &denied]).register_consumer(A).await.unwrap_err();

    assert!(matches!(err, Error::AccessDenied { operation: "kinesis:DescribeStreamConsumer", .. }));
}

#[tokio::test]
async fn a_missing_stream_is_not_found() {
    let missing = register_refused("ResourceNotFoundException");

    let err = toolkit(&[&missing]).register_consumer(A).await.unwrap_err();

    assert!(matches!(err, Error::NotFound { .. }));
    assert_eq!(err.to_string(), format!("stream `{STREAM}` does not exist"));
}

#[tokio::test]
async fn an_argument_that_is_refused_is_final() {
    let invalid = register_refused("InvalidArgumentException");

    let err = toolkit(&[&invalid]).register_consumer(A).await.unwrap_err();

    assert!(matches!(
        err,
        Error::Aws { operation: "kinesis:RegisterStreamConsumer", transient: false, .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_all_its_consumers_takes_no_more() {
    let limit = register_refused("LimitExceededException");
    let first = listed(None, Some("more"), others(12));
    let second = listed(Some("more"), None, others(8));

    let err = toolkit(&[&limit, &first, &second]).register_consumer(A).await.unwrap_err();

    assert!(matches!(&err, Error::WrongState { .. }), "{err:?}");
    assert!(err.to_string().contains("read by 20 consumers already"), "{err}");
    assert!(err.to_string().contains("fewer than 20 (50 with On-demand Advantage)"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_full_stream_with_five_consumers_in_the_making_may_be_asked_again() {
    let register = async |creating| {
        let limit = register_refused("LimitExceededException");
        let first = listed(None, Some("more"), others(25));
        let second = listed_as("CREATING", Some("more"), None, others(creating));
        toolkit(&[&limit, &first, &second]).register_consumer(A).await
    };

    let five = register(5).await.unwrap();
    let four = register(4).await.unwrap_err();

    assert!(matches!(five, Change::NotYet { .. }), "{five:?}");
    assert!(four.to_string().contains("read by 29 consumers already"), "{four}");
}

#[tokio::test(start_paused = true)]
async fn too_many_registrations_at_once_are_repeated_later() {
    let limit = register_refused("LimitExceededException");
    let first = listed(None, Some("more"), others(12));
    let second = listed(Some("more"), None, others(7));

    let change = toolkit(&[&limit, &first, &second]).register_consumer(A).await.unwrap();

    assert!(matches!(change, Change::NotYet { .. }), "{change:?}");
    assert_eq!(second.num_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_among_the_stream_s_twenty_is_registered_already() {
    let limit = register_refused("LimitExceededException");
    let mut names = others(19);
    names.push("ingest-a".to_owned());

    let change = toolkit(&[&limit, &listed(None, None, names)]).register_consumer(A).await.unwrap();

    assert_eq!(change, Change::AlreadySo);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_throttled_can_be_repeated() {
    let limit = register_refused("LimitExceededException");
    let throttled = mock!(Client::list_stream_consumers)
        .then_http_response(|| refusal("LimitExceededException"));

    let err = toolkit(&[&limit, &throttled]).register_consumer(A).await.unwrap_err();

    assert!(matches!(err, Error::Throttled { operation: "kinesis:ListStreamConsumers", .. }));
}

#[tokio::test]
async fn the_consumer_of_the_named_stack_is_described() {
    let input = DescribeStreamConsumerInput::builder().stream_arn(STREAM).consumer_name("ingest-b");
    let input = input.build().unwrap();
    let described = mock!(Client::describe_stream_consumer)
        .match_requests(move |it| *it == input)
        .then_http_response(|| {
            let consumer = consumer("ingest-b", "ACTIVE");
            answer(200, format!(r#"{{"ConsumerDescription":{consumer}}}"#))
        });

    let consumer = toolkit(&[&described]).describe_consumer(B).await.unwrap().unwrap();

    let name = "ingest-b".to_owned();
    let expected = Consumer { arn: arn(&name), name, status: ConsumerStatus::Active };
    assert_eq!(consumer, expected);
}

#[tokio::test]
async fn every_status_is_understood() {
    for (text, status) in [
        ("CREATING", ConsumerStatus::Creating),
        ("ACTIVE", ConsumerStatus::Active),
        ("DELETING", ConsumerStatus::Deleting),
        ("BRAND_NEW", ConsumerStatus::Other("BRAND_NEW".to_owned())),
    ] {
        let consumer = toolkit(&[&described(text)]).describe_consumer(A).await.unwrap().unwrap();

        assert_eq!(consumer.status, status);
    }
}

#[tokio::test]
async fn a_consumer_that_is_not_registered_is_none_and_its_stream_is_looked_at_once() {
    let (unknown, stream) = (describe_refused("ResourceNotFoundException"), stream());
    let toolkit = toolkit(&[&unknown, &stream]);

    let (a, b) = tokio::join!(toolkit.describe_consumer(A), toolkit.describe_consumer(B));
    let again = toolkit.clone().describe_consumer(A).await;

    assert_eq!([a.unwrap(), b.unwrap(), again.unwrap()], [None, None, None]);
    assert_eq!((unknown.num_calls(), stream.num_calls()), (3, 1));
}

#[tokio::test]
async fn a_missing_stream_is_told_apart_from_a_missing_consumer() {
    let unknown = describe_refused("ResourceNotFoundException");
    let deregistered = deregister_refused("ResourceNotFoundException");
    let no_stream = stream_refused("ResourceNotFoundException");
    let toolkit = toolkit(&[&unknown, &deregistered, &no_stream]);

    let looked = toolkit.describe_consumer(B).await.unwrap_err();
    let removed = toolkit.deregister_consumer(B).await.unwrap_err();

    for err in [looked, removed] {
        assert!(matches!(err, Error::NotFound { .. }), "{err:?}");
        assert_eq!(err.to_string(), format!("stream `{STREAM}` does not exist"));
    }
}

#[tokio::test]
async fn a_stream_that_may_not_be_looked_at_is_not_taken_for_there() {
    let unknown = describe_refused("ResourceNotFoundException");
    let denied = stream_refused("AccessDeniedException");

    let err = toolkit(&[&unknown, &denied]).describe_consumer(B).await.unwrap_err();

    const OPERATION: &str = "kinesis:DescribeStreamSummary";
    assert!(matches!(err, Error::AccessDenied { operation: OPERATION, .. }), "{err:?}");
}

#[tokio::test]
async fn an_answer_without_consumer_or_arn_is_incomplete() {
    let nothing = mock!(Client::describe_stream_consumer)
        .then_output(|| DescribeStreamConsumerOutput::builder().build());
    let empty =
        mock!(Client::describe_stream_consumer).then_http_response(|| answer(200, "{}".to_owned()));
    let nameless = mock!(Client::describe_stream_consumer).then_http_response(|| {
        let consumer = r#"{"ConsumerName":"ingest-a","ConsumerStatus":"ACTIVE"}"#;
        answer(200, format!(r#"{{"ConsumerDescription":{consumer}}}"#))
    });
    for (rule, missing) in
        [(nothing, "the consumer"), (empty, "the consumer's ARN"), (nameless, "the consumer's ARN")]
    {
        let err = toolkit(&[&rule]).describe_consumer(A).await.unwrap_err();

        assert_eq!(
            err.to_string(),
            format!("kinesis:DescribeStreamConsumer answered without {missing}")
        );
    }
}

#[tokio::test]
async fn a_consumer_without_a_status_is_never_taken_for_active() {
    let incomplete = mock!(Client::describe_stream_consumer).then_http_response(|| {
        let consumer = format!(r#"{{"ConsumerName":"ingest-a","ConsumerARN":"{STREAM}"}}"#);
        answer(200, format!(r#"{{"ConsumerDescription":{consumer}}}"#))
    });

    let looked = toolkit(&[&incomplete]).describe_consumer(A).await;

    assert!(looked.is_err(), "{looked:?}");
}

#[tokio::test]
async fn the_consumer_of_the_named_stack_is_removed() {
    let input =
        DeregisterStreamConsumerInput::builder().stream_arn(STREAM).consumer_name("ingest-b");
    let input = input.build().unwrap();
    let removed = mock!(Client::deregister_stream_consumer)
        .match_requests(move |it| *it == input)
        .then_output(|| DeregisterStreamConsumerOutput::builder().build());

    let change = toolkit(&[&removed]).deregister_consumer(B).await.unwrap();

    assert_eq!(change, Change::Made);
}

#[tokio::test]
async fn a_missing_consumer_is_removed_already() {
    let unknown = deregister_refused("ResourceNotFoundException");

    let change = toolkit(&[&unknown, &stream()]).deregister_consumer(A).await.unwrap();

    assert_eq!(change, Change::AlreadySo);
}

#[tokio::test]
async fn a_consumer_on_its_way_out_is_removed_already() {
    let in_use = deregister_refused("ResourceInUseException");

    let deleting = toolkit(&[&in_use, &described("DELETING")]).deregister_consumer(A).await;
    let gone = describe_refused("ResourceNotFoundException");
    let gone = toolkit(&[&in_use, &gone, &stream()]).deregister_consumer(A).await;

    assert_eq!(deleting.unwrap(), Change::AlreadySo);
    assert_eq!(gone.unwrap(), Change::AlreadySo);
}

#[tokio::test]
async fn a_consumer_in_the_making_is_removed_later() {
    let in_use = deregister_refused("ResourceInUseException");

    let change = toolkit(&[&in_use, &described("CREATING")]).deregister_consumer(A).await.unwrap();

    let reason = "stream consumer `ingest-a` is `CREATING`".to_owned();
    assert_eq!(change, Change::NotYet { reason });
}

#[tokio::test(start_paused = true)]
async fn too_many_removals_at_once_are_repeated_later() {
    let limit = deregister_refused("LimitExceededException");

    let change = toolkit(&[&limit]).deregister_consumer(A).await.unwrap();

    assert!(matches!(change, Change::NotYet { .. }), "{change:?}");
}

#[tokio::test]
async fn any_other_refusal_of_a_removal_is_final() {
    let invalid = deregister_refused("InvalidArgumentException");

    let err = toolkit(&[&invalid]).deregister_consumer(A).await.unwrap_err();

    assert!(matches!(
        err,
        Error::Aws { operation: "kinesis:DeregisterStreamConsumer", transient: false, .. }
    ));
}

#[test]
fn an_empty_name_is_refused_before_any_call() {
    let mut config = config();
    config.consumers.b.clear();

    let err = AwsKinesisToolkit::from_client(client(&[]), config).unwrap_err();

    assert!(matches!(err, Error::Configuration { .. }));
}

#[tokio::test]
async fn the_toolkit_can_stand_behind_its_trait() {
    let toolkit: Arc<dyn KinesisToolkit> = Arc::new(toolkit(&[&described("ACTIVE")]));

    let consumer = toolkit.describe_consumer(A).await.unwrap().unwrap();

    assert_eq!(consumer.status, ConsumerStatus::Active);
}
