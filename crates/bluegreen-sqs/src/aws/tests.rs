//! Tests of the SQS calls.

use std::sync::{Arc, Mutex};

use aws_sdk_sqs::{
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef,
    },
    error::BoxError,
    operation::{
        get_queue_attributes::{
            GetQueueAttributesInput, GetQueueAttributesOutput,
            builders::GetQueueAttributesOutputBuilder,
        },
        get_queue_url::{GetQueueUrlInput, GetQueueUrlOutput},
        purge_queue::{PurgeQueueInput, PurgeQueueOutput},
    },
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
use aws_smithy_types::body::SdkBody;
use bluegreen_core::StackReference::{A, B};

use super::*;

const ENDPOINT: &str = "http://127.0.0.1:4566";

fn config() -> SqsConfig {
    let pair = |kind: &str| Pair::from_fn(|stack| format!("orders-{stack}{kind}"));
    SqsConfig { queues: pair(""), dead_letter_queues: Some(pair("-dead")) }
}

fn client(rules: &[&Rule]) -> Client {
    mock_client!(aws_sdk_sqs, RuleMode::MatchAny, rules, |conf| conf.endpoint_url(ENDPOINT))
}

fn toolkit(rules: &[&Rule]) -> AwsSqsToolkit {
    over(client(rules), config()).unwrap()
}

/// A toolkit that never asks for a metric.
fn over(sqs: Client, config: SqsConfig) -> Result<AwsSqsToolkit> {
    let cloudwatch = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, &[]);
    AwsSqsToolkit::from_clients(sqs, cloudwatch, config)
}

/// What SQS says that the queue's URL is; no one could build it from Region, account and name.
fn url(queue: &str) -> String {
    format!("https://sqs.told-by-aws.example/42/{queue}")
}

fn told_url(queue: &'static str) -> Rule {
    let input = GetQueueUrlInput::builder().queue_name(queue).build().unwrap();
    mock!(Client::get_queue_url)
        .match_requests(move |it| *it == input)
        .then_output(move || GetQueueUrlOutput::builder().queue_url(url(queue)).build())
}

fn purged(queue: &'static str) -> Rule {
    mock!(Client::purge_queue)
        .match_requests(move |it| *it == purge_of(queue))
        .then_output(|| PurgeQueueOutput::builder().build())
}

fn refused(queue: &'static str, status: u16, code: &'static str, header: Option<&str>) -> Rule {
    let header = header.map(|it| format!("{it};Sender"));
    mock!(Client::purge_queue).match_requests(move |it| *it == purge_of(queue)).then_http_response(
        move || {
            let body = format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":"why"}}"#);
            answer(status, body, header.as_deref())
        },
    )
}

fn purge_of(queue: &str) -> PurgeQueueInput {
    PurgeQueueInput::builder().queue_url(url(queue)).build().unwrap()
}

fn answer(status: u16, body: String, query_error: Option<&str>) -> HttpResponse {
    let mut answer = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
    if let Some(code) = query_error {
        answer.headers_mut().insert("x-amzn-query-error", code.to_owned());
    }
    answer
}

fn counted(counts: &'static [(QueueAttributeName, &'static str)]) -> Rule {
    mock!(Client::get_queue_attributes).then_output(move || {
        let output = GetQueueAttributesOutput::builder();
        counts.iter().fold(output, |it, (name, count)| it.attributes(name.clone(), *count)).build()
    })
}

async fn refusal(status: u16, code: &'static str, header: Option<&str>) -> Result<Purge> {
    let known = told_url("orders-a");
    let refused = refused("orders-a", status, code, header);
    let toolkit = toolkit(&[&known, &refused]);
    let mut purges = toolkit.purge_queues(A, Queues::Main).await;
    assert_eq!(purges.len(), 1);
    purges.remove(0).outcome
}

#[tokio::test]
async fn a_queue_without_dead_letters_is_purged_alone() {
    let (known, purged) = (told_url("orders-b"), purged("orders-b"));
    let config = SqsConfig { dead_letter_queues: None, ..config() };
    let toolkit = over(client(&[&known, &purged]), config).unwrap();

    let purges = toolkit.purge_queues(B, Queues::Both).await;

    assert_eq!(purges.len(), 1);
    assert_eq!((purges[0].queue, purges[0].name.as_str()), (Queue::Main, "orders-b"));
    assert!(matches!(purges[0].outcome, Ok(Purge::Started)));
    assert_eq!(purged.num_calls(), 1);
}

#[tokio::test]
async fn a_queue_and_its_dead_letters_are_purged_together() {
    let (main, dead) = (purged("orders-b"), purged("orders-b-dead"));
    let (known, known_dead) = (told_url("orders-b"), told_url("orders-b-dead"));
    let toolkit = toolkit(&[&known, &known_dead, &main, &dead]);

    let purges = toolkit.purge_queues(B, Queues::Both).await;

    assert_eq!(purges[0].name, "orders-b");
    assert_eq!((purges[1].queue, purges[1].name.as_str()), (Queue::DeadLetters, "orders-b-dead"));
    assert!(purges.iter().all(|it| matches!(it.outcome, Ok(Purge::Started))));
    assert_eq!((main.num_calls(), dead.num_calls()), (1, 1));
}

#[tokio::test]
async fn either_queue_can_be_purged_by_itself() {
    let (main, dead) = (purged("orders-a"), purged("orders-a-dead"));
    let (known, known_dead) = (told_url("orders-a"), told_url("orders-a-dead"));
    let toolkit = toolkit(&[&known, &known_dead, &main, &dead]);

    let purges = toolkit.purge_queues(A, Queues::DeadLetters).await;

    assert_eq!(purges.len(), 1);
    assert_eq!((main.num_calls(), dead.num_calls()), (0, 1));

    toolkit.purge_queues(A, Queues::Main).await;

    assert_eq!((main.num_calls(), dead.num_calls()), (1, 1));
}

#[tokio::test]
async fn a_failed_purge_does_not_hide_the_other() {
    for failing in [Queue::Main, Queue::DeadLetters] {
        let (main, dead) = match failing {
            Queue::Main => {
                (refused("orders-a", 400, "InvalidAddress", None), purged("orders-a-dead"))
            }
            Queue::DeadLetters => {
                (purged("orders-a"), refused("orders-a-dead", 400, "InvalidAddress", None))
            }
        };
        let (known, known_dead) = (told_url("orders-a"), told_url("orders-a-dead"));
        let toolkit = toolkit(&[&known, &known_dead, &main, &dead]);

        let purges = toolkit.purge_queues(A, Queues::Both).await;

        assert_eq!(purges.len(), 2);
        for purge in purges {
            assert_eq!(purge.outcome.is_err(), purge.queue == failing, "{purge:?}");
        }
    }
}

#[tokio::test]
async fn a_purge_less_than_60_s_after_another_is_under_way_already() {
    let name = "PurgeQueueInProgress";

    let from_aws = refusal(403, name, Some("AWS.SimpleQueueService.PurgeQueueInProgress")).await;
    let without_header = refusal(403, name, None).await;

    assert_eq!(from_aws.unwrap(), Purge::AlreadyUnderWay);
    assert_eq!(without_header.unwrap(), Purge::AlreadyUnderWay);
}

#[tokio::test]
async fn a_queue_that_is_gone_is_not_found() {
    let name = "QueueDoesNotExist";

    let from_aws = refusal(400, name, Some("AWS.SimpleQueueService.NonExistentQueue")).await;
    let without_header = refusal(400, name, None).await;

    assert_eq!(from_aws.unwrap_err().to_string(), "queue `orders-a` does not exist");
    assert!(matches!(without_header, Err(Error::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_purge_can_be_repeated() {
    let err = refusal(403, "RequestThrottled", None).await.unwrap_err();

    assert!(matches!(err, Error::Throttled { operation: "sqs:PurgeQueue", .. }));
}

#[tokio::test]
async fn a_refused_purge_is_final() {
    for code in ["InvalidAddress", "InvalidSecurity", "UnsupportedOperation"] {
        let err = refusal(400, code, None).await.unwrap_err();

        assert!(matches!(err, Error::Aws { transient: false, .. }), "{err:?}");
        assert_eq!(err.to_string(), "sqs:PurgeQueue failed");
    }
}

#[tokio::test]
async fn a_purge_without_permission_is_denied_and_not_under_way() {
    let err = refusal(403, "AccessDeniedException", None).await.unwrap_err();

    assert!(matches!(err, Error::AccessDenied { operation: "sqs:PurgeQueue", .. }));
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_sqs_is_transient() {
    let err = refusal(503, "ServiceUnavailable", None).await.unwrap_err();

    assert!(err.is_transient());
}

#[tokio::test]
async fn an_unknown_name_is_not_found() {
    let unknown = mock!(Client::get_queue_url).then_http_response(|| {
        let body = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"why"}"#;
        answer(400, body.to_owned(), Some("AWS.SimpleQueueService.NonExistentQueue;Sender"))
    });
    let toolkit = toolkit(&[&unknown]);

    let purges = toolkit.purge_queues(A, Queues::Main).await;
    let depth = toolkit.depth(B, Queue::DeadLetters).await;

    assert!(matches!(purges[0].outcome, Err(Error::NotFound { .. })));
    assert_eq!(depth.unwrap_err().to_string(), "queue `orders-b-dead` does not exist");
}

#[tokio::test]
async fn an_answer_without_a_url_is_incomplete() {
    let empty = mock!(Client::get_queue_url).then_output(|| GetQueueUrlOutput::builder().build());

    let err = toolkit(&[&empty]).depth(A, Queue::Main).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { operation: "sqs:GetQueueUrl", .. }));
}

#[tokio::test]
async fn the_url_of_a_queue_is_asked_for_once() {
    let (known, purged) = (told_url("orders-a"), purged("orders-a"));
    let counted = counted(&[
        (QueueAttributeName::ApproximateNumberOfMessages, "0"),
        (QueueAttributeName::ApproximateNumberOfMessagesNotVisible, "0"),
        (QueueAttributeName::ApproximateNumberOfMessagesDelayed, "0"),
    ]);
    let toolkit = toolkit(&[&known, &purged, &counted]);

    toolkit.purge_queues(A, Queues::Main).await;
    toolkit.purge_queues(A, Queues::Main).await;
    toolkit.depth(A, Queue::Main).await.unwrap();

    assert_eq!(purged.num_calls(), 2);
    assert_eq!(known.num_calls(), 1);
}

/// Notes where requests go, and with what.
#[derive(Clone, Debug, Default)]
struct Sent(Arc<Mutex<Vec<(String, String)>>>);

impl Intercept for Sent {
    fn name(&self) -> &'static str {
        "Sent"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default());
        self.0.lock().unwrap().push((request.uri().to_owned(), body.into_owned()));
        Ok(())
    }
}

impl Sent {
    fn toolkit(&self, rules: &[&Rule]) -> AwsSqsToolkit {
        let client = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, rules, |conf| conf
            .endpoint_url(ENDPOINT)
            .interceptor(self.clone()));
        over(client, config()).unwrap()
    }
}

#[tokio::test]
async fn a_purge_goes_to_the_clients_endpoint_with_the_url_that_sqs_told() {
    let (known, purged) = (told_url("orders-a"), purged("orders-a"));
    let sent = Sent::default();

    sent.toolkit(&[&known, &purged]).purge_queues(A, Queues::Main).await;

    let sent = sent.0.lock().unwrap();
    assert_eq!(purged.num_calls(), 1, "with the URL that was told");
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|(uri, _)| uri.starts_with(ENDPOINT)), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_purge_that_the_sdk_repeats_does_not_hold_up_the_other() {
    let (known, known_dead) = (told_url("orders-a"), told_url("orders-a-dead"));
    let slow = mock!(Client::purge_queue)
        .match_requests(|it| *it == purge_of("orders-a"))
        .sequence()
        .http_status(503, None)
        .output(|| PurgeQueueOutput::builder().build())
        .build();
    let sent = Sent::default();
    let toolkit = sent.toolkit(&[&known, &known_dead, &slow, &purged("orders-a-dead")]);

    let purges = toolkit.purge_queues(A, Queues::Both).await;

    assert!(purges.iter().all(|it| matches!(it.outcome, Ok(Purge::Started))), "{purges:?}");
    let sent = sent.0.lock().unwrap();
    let order: Vec<bool> = sent
        .iter()
        .filter(|(_, body)| body.contains("QueueUrl"))
        .map(|(_, body)| body.contains("-dead"))
        .collect();
    assert_eq!(order, [false, true, false]);
}

#[tokio::test]
async fn depth_reads_every_count_of_the_named_queue() {
    let known = told_url("orders-b-dead");
    let counts = mock!(Client::get_queue_attributes)
        .match_requests(|it| {
            let input = GetQueueAttributesInput::builder()
                .queue_url(url("orders-b-dead"))
                .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
                .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
                .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesDelayed);
            *it == input.build().unwrap()
        })
        .then_http_response(|| {
            let body = r#"{"Attributes":{"ApproximateNumberOfMessages":"3",
                "ApproximateNumberOfMessagesNotVisible":"2","ApproximateNumberOfMessagesDelayed":"1"}}"#;
            answer(200, body.to_owned(), None)
        });

    let depth = toolkit(&[&known, &counts]).depth(B, Queue::DeadLetters).await.unwrap();

    assert_eq!(depth, QueueDepth { waiting: 3, in_flight: 2, delayed: 1 });
    assert_eq!(depth.total(), 6);
    assert!(!depth.is_empty());
}

#[tokio::test]
async fn a_count_that_is_missing_does_not_read_as_an_empty_queue() {
    let incomplete: [&[(QueueAttributeName, &str)]; 3] = [
        &[],
        &[
            (QueueAttributeName::ApproximateNumberOfMessages, "0"),
            (QueueAttributeName::ApproximateNumberOfMessagesNotVisible, "0"),
        ],
        &[
            (QueueAttributeName::ApproximateNumberOfMessages, "many"),
            (QueueAttributeName::ApproximateNumberOfMessagesNotVisible, "0"),
            (QueueAttributeName::ApproximateNumberOfMessagesDelayed, "0"),
        ],
    ];
    for counts in incomplete {
        let (known, counted) = (told_url("orders-a"), counted(counts));

        let err = toolkit(&[&known, &counted]).depth(A, Queue::Main).await.unwrap_err();

        assert!(matches!(err, Error::Incomplete { operation: "sqs:GetQueueAttributes", .. }));
    }
}

#[tokio::test]
async fn the_depth_of_dead_letters_that_were_not_configured_is_not_found() {
    let config = SqsConfig { dead_letter_queues: None, ..config() };
    let toolkit = over(client(&[]), config).unwrap();

    let err = toolkit.depth(A, Queue::DeadLetters).await.unwrap_err();
    let purges = toolkit.purge_queues(A, Queues::DeadLetters).await;

    assert_eq!(err.to_string(), "dead-letter queue of stack `a` does not exist");
    assert!(purges.is_empty());
}

fn set_up(attributes: &'static [(QueueAttributeName, &'static str)]) -> Rule {
    mock!(Client::get_queue_attributes)
        .match_requests(|it| {
            let asked = it.attribute_names();
            it.queue_url() == Some(url("orders-b").as_str())
                && asked.len() == 3
                && asked.contains(&QueueAttributeName::RedrivePolicy)
        })
        .then_output(move || {
            let output = GetQueueAttributesOutput::builder();
            let with = |it: GetQueueAttributesOutputBuilder, (name, value): &(_, &str)| {
                it.attributes(QueueAttributeName::clone(name), *value)
            };
            attributes.iter().fold(output, with).build()
        })
}

#[tokio::test]
async fn the_settings_are_those_of_the_named_queue() {
    let known = told_url("orders-b");
    let (arn, policy) = ("arn:aws:sqs:eu-west-1:42:orders-b", r#"{"maxReceiveCount":3}"#);
    let with = set_up(&[
        (QueueAttributeName::QueueArn, "arn:aws:sqs:eu-west-1:42:orders-b"),
        (QueueAttributeName::VisibilityTimeout, "30"),
        (QueueAttributeName::RedrivePolicy, r#"{"maxReceiveCount":3}"#),
    ]);
    let without = set_up(&[
        (QueueAttributeName::QueueArn, "arn:aws:sqs:eu-west-1:42:orders-b"),
        (QueueAttributeName::VisibilityTimeout, "0"),
    ]);

    let with = toolkit(&[&known, &with]).settings(B, Queue::Main).await.unwrap();
    let without = toolkit(&[&known, &without]).settings(B, Queue::Main).await.unwrap();

    let expected = QueueSettings {
        arn: arn.to_owned(),
        visibility_timeout: Duration::from_secs(30),
        redrive_policy: Some(policy.to_owned()),
    };
    assert_eq!(with, expected);
    assert_eq!((without.visibility_timeout, without.redrive_policy), (Duration::ZERO, None));
}

#[tokio::test]
async fn settings_without_arn_or_timeout_are_incomplete() {
    let incomplete: [&[(QueueAttributeName, &str)]; 2] = [
        &[(QueueAttributeName::VisibilityTimeout, "30")],
        &[(QueueAttributeName::QueueArn, "arn:aws:sqs:eu-west-1:42:orders-b")],
    ];
    for attributes in incomplete {
        let (known, set_up) = (told_url("orders-b"), set_up(attributes));

        let err = toolkit(&[&known, &set_up]).settings(B, Queue::Main).await.unwrap_err();

        assert!(matches!(err, Error::Incomplete { operation: GET_ATTRIBUTES, .. }), "{err:?}");
    }
}

#[test]
fn an_empty_name_is_refused_before_any_call() {
    let mut config = config();
    config.queues.a.clear();

    let err = over(client(&[]), config).unwrap_err();

    assert!(matches!(err, Error::Configuration { .. }));
}

#[tokio::test]
async fn the_toolkit_can_stand_behind_its_trait() {
    let (known, purged) = (told_url("orders-a"), purged("orders-a"));
    let toolkit: Arc<dyn SqsToolkit> = Arc::new(toolkit(&[&known, &purged]));

    let purges = toolkit.purge_queues(A, Queues::Main).await;

    assert!(matches!(purges[0].outcome, Ok(Purge::Started)));
}
