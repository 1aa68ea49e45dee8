//! Tests of what functions and aliases are, and of running them.

use aws_sdk_lambda::{
    Client,
    operation::{
        get_alias::GetAliasOutput,
        get_function::GetFunctionOutput,
        invoke::{InvokeInput, InvokeOutput},
        list_event_source_mappings::ListEventSourceMappingsOutput,
    },
    types::AliasRoutingConfiguration,
};
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::HttpRequest,
};
use bluegreen_core::{
    Error,
    StackReference::{A, B},
};
use tokio::time::Instant;

use super::{
    super::fixture::{aliases, arn, cloudwatch, config, eventbridge, functions, refusal, toolkit},
    *,
};
use crate::LambdaToolkit;

fn no_mappings() -> Rule {
    mock!(Client::list_event_source_mappings).then_output(|| {
        ListEventSourceMappingsOutput::builder().set_event_source_mappings(Some(vec![])).build()
    })
}

#[tokio::test]
async fn without_an_alias_the_function_of_the_stack_runs_its_latest_version() {
    let functions = functions("aws");

    let found = toolkit(None, &[&functions]).function(B).await.unwrap();

    let expected = Function {
        name: "ingest-b".to_owned(),
        arn: arn("aws", "ingest-b"),
        alias_arn: None,
        version: "$LATEST".to_owned(),
        code_sha256: Some("c2hh".to_owned()),
        timeout: Duration::from_secs(30),
    };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn with_an_alias_the_function_runs_what_the_alias_points_to() {
    let (functions, aliases) = (functions("aws"), aliases("aws"));

    let found = toolkit(Some("live"), &[&functions, &aliases]).function(A).await.unwrap();

    assert_eq!(found.arn, arn("aws", "ingest-a"));
    assert_eq!(found.alias_arn, Some(arn("aws", "ingest-a:live")));
    assert_eq!(found.version, "7");
}

#[tokio::test]
async fn arns_of_other_partitions_pass_through_and_lose_their_qualifier() {
    for partition in ["aws-cn", "aws-us-gov"] {
        let qualified = mock!(Client::get_function).then_output(move || {
            let found = FunctionConfiguration::builder()
                .function_arn(arn(partition, "ingest-a:$LATEST"))
                .version("$LATEST")
                .timeout(3);
            GetFunctionOutput::builder().configuration(found.build()).build()
        });
        let aliases = aliases(partition);

        let found = toolkit(Some("live"), &[&qualified, &aliases]).function(A).await.unwrap();

        assert_eq!(found.arn, arn(partition, "ingest-a"));
        assert_eq!(found.alias_arn, Some(arn(partition, "ingest-a:live")));
    }
}

#[tokio::test]
async fn a_missing_function_is_named_even_when_its_alias_is_missing_with_it() {
    let missing = || refusal(404, "ResourceNotFoundException", "Function not found");
    let function = mock!(Client::get_function).then_http_response(missing);
    let alias = mock!(Client::get_alias).then_http_response(missing);

    let err = toolkit(Some("live"), &[&function, &alias]).function(B).await.unwrap_err();

    assert_eq!(err.to_string(), "function `ingest-b` does not exist");
    assert!(err.is_absent());
}

#[tokio::test]
async fn a_missing_alias_is_named() {
    let functions = functions("aws");
    let alias = mock!(Client::get_alias)
        .then_http_response(|| refusal(404, "ResourceNotFoundException", "Cannot find alias"));

    let err = toolkit(Some("live"), &[&functions, &alias]).function(B).await.unwrap_err();

    assert_eq!(err.to_string(), "alias `live` of function `ingest-b` does not exist");
}

#[tokio::test]
async fn a_denied_look_names_its_action() {
    let denied = mock!(Client::get_function)
        .then_http_response(|| refusal(403, "AccessDeniedException", "not authorized"));

    let err = toolkit(None, &[&denied]).function(A).await.unwrap_err();

    assert!(matches!(err, Error::AccessDenied { operation: "lambda:GetFunction", .. }), "{err:?}");
}

#[tokio::test]
async fn an_answer_without_arn_timeout_or_version_is_incomplete() {
    let full = || {
        FunctionConfiguration::builder()
            .function_arn(arn("aws", "ingest-a"))
            .version("$LATEST")
            .timeout(3)
    };
    let incomplete = [
        full().set_function_arn(None),
        full().set_timeout(None),
        full().set_version(None),
        full().timeout(-1),
    ];

    for found in incomplete.map(|it| it.build()) {
        let rule = mock!(Client::get_function)
            .then_output(move || GetFunctionOutput::builder().configuration(found.clone()).build());

        let err = toolkit(None, &[&rule]).function(A).await.unwrap_err();

        assert!(matches!(err, Error::Incomplete { .. }), "{err:?}");
    }
}

#[tokio::test]
async fn every_look_at_the_function_asks_anew() {
    let functions = functions("aws");
    let lambda = toolkit(None, &[&functions]);

    for _ in 0..3 {
        lambda.function(A).await.unwrap();
    }

    assert_eq!(functions.num_calls(), 3);
}

#[tokio::test]
async fn the_arns_are_asked_for_once_however_often_they_are_needed() {
    let (functions, aliases, mappings) = (functions("aws"), aliases("aws"), no_mappings());
    let lambda = toolkit(Some("live"), &[&functions, &aliases, &mappings]);

    lambda.function(A).await.unwrap();
    for _ in 0..3 {
        lambda.list_event_source_mappings(A).await.unwrap();
    }
    lambda.clone().list_event_source_mappings(A).await.unwrap();

    assert_eq!((functions.num_calls(), aliases.num_calls()), (1, 1));
}

#[tokio::test]
async fn a_first_look_that_failed_is_made_again() {
    let function = mock!(Client::get_function)
        .sequence()
        .http_response(|| refusal(404, "ResourceNotFoundException", "Function not found"))
        .output(|| {
            let found = FunctionConfiguration::builder()
                .function_arn(arn("aws", "ingest-a"))
                .version("$LATEST")
                .timeout(3);
            GetFunctionOutput::builder().configuration(found.build()).build()
        })
        .build();
    let mappings = no_mappings();
    let lambda = toolkit(None, &[&function, &mappings]);

    let first = lambda.list_event_source_mappings(A).await;
    let second = lambda.list_event_source_mappings(A).await;

    assert!(first.unwrap_err().is_absent());
    assert!(second.unwrap().is_empty());
}

#[tokio::test]
async fn an_alias_tells_its_version_and_the_other_ones_share() {
    let rule = mock!(Client::get_alias)
        .match_requests(|it| it.function_name() == Some("ingest-b") && it.name() == Some("canary"))
        .then_output(|| {
            let weights = AliasRoutingConfiguration::builder().additional_version_weights("8", 0.1);
            GetAliasOutput::builder()
                .alias_arn(arn("aws", "ingest-b:canary"))
                .function_version("7")
                .routing_config(weights.build())
                .build()
        });

    let found = toolkit(None, &[&rule]).alias(B, "canary").await.unwrap();

    let expected = Alias {
        name: "canary".to_owned(),
        arn: arn("aws", "ingest-b:canary"),
        version: "7".to_owned(),
        additional_version: Some(("8".to_owned(), 0.1)),
    };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn an_alias_without_its_version_is_an_incomplete_answer() {
    let rule = mock!(Client::get_alias)
        .then_output(|| GetAliasOutput::builder().alias_arn(arn("aws", "ingest-b:live")).build());

    let err = toolkit(Some("live"), &[&rule]).version(B).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { operation: "lambda:GetAlias", .. }), "{err:?}");
}

#[tokio::test]
async fn the_version_is_what_the_alias_runs() {
    let (functions, aliases) = (functions("aws"), aliases("aws"));
    let rules = [&functions, &aliases];

    let with_alias = toolkit(Some("live"), &rules).version(B).await.unwrap();
    let without = toolkit(None, &rules).version(B).await.unwrap();

    assert_eq!((with_alias.as_str(), without.as_str()), ("7", "$LATEST"));
}

#[tokio::test]
async fn invoking_runs_the_alias_of_the_named_stack_and_waits_for_its_answer() {
    let rule = mock!(Client::invoke)
        .match_requests(|it| {
            *it == InvokeInput::builder()
                .function_name("ingest-b")
                .qualifier("live")
                .invocation_type(InvocationType::RequestResponse)
                .payload(Blob::new(r#"{"dry":true}"#))
                .build()
                .unwrap()
        })
        .then_output(|| {
            InvokeOutput::builder()
                .status_code(200)
                .executed_version("7")
                .payload(Blob::new(r#"{"rows":3}"#))
                .build()
        });

    let answer = toolkit(Some("live"), &[&rule])
        .invoke(B, r#"{"dry":true}"#.to_owned(), Duration::from_secs(900))
        .await
        .unwrap();

    let expected = Invocation {
        version: Some("7".to_owned()),
        payload: r#"{"rows":3}"#.to_owned(),
        function_error: None,
    };
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn a_function_that_fails_is_told_with_its_error() {
    let rule =
        mock!(Client::invoke).match_requests(|it| it.qualifier().is_none()).then_output(|| {
            InvokeOutput::builder()
                .status_code(200)
                .function_error("Unhandled")
                .payload(Blob::new(b"{\"errorMessage\":\"no \xff\"}".as_slice()))
                .build()
        });

    let answer =
        toolkit(None, &[&rule]).invoke(A, String::new(), Duration::from_secs(900)).await.unwrap();

    assert_eq!(answer.function_error.as_deref(), Some("Unhandled"));
    assert_eq!(answer.payload, "{\"errorMessage\":\"no \u{fffd}\"}");
}

#[tokio::test(start_paused = true)]
async fn a_function_is_run_once_even_when_the_answer_is_a_fault() {
    let rule = mock!(Client::invoke)
        .then_http_response(|| refusal(500, "ServiceException", "internal error"));

    let err = toolkit(None, &[&rule])
        .invoke(A, String::new(), Duration::from_secs(900))
        .await
        .unwrap_err();

    assert!(matches!(err, Error::Aws { transient: true, .. }), "{err:?}");
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn a_function_that_is_missing_cannot_be_invoked() {
    let rule = mock!(Client::invoke)
        .then_http_response(|| refusal(404, "ResourceNotFoundException", "Function not found"));

    let err = toolkit(None, &[&rule])
        .invoke(A, String::new(), Duration::from_secs(900))
        .await
        .unwrap_err();

    assert_eq!(err.to_string(), "function `ingest-a` does not exist");
}

/// A connection on which no answer ever comes.
#[derive(Debug)]
struct Silent;

impl HttpConnector for Silent {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_in_time_leaves_the_outcome_unknown() {
    let silent = config::Config::builder()
        .with_test_defaults_v2()
        .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Silent)))
        .build();
    let lambda = AwsLambdaToolkit::from_clients(
        Client::from_conf(silent),
        eventbridge(&[]),
        cloudwatch(&[]),
        config(None),
    )
    .unwrap();
    let began = Instant::now();

    let call = lambda.invoke(A, String::new(), Duration::from_secs(900));
    let answer = tokio::time::timeout(Duration::from_secs(3600), call).await;

    let err = answer.expect("an end after 900 s").unwrap_err();
    assert!(matches!(err, Error::OutcomeUnknown { .. }), "{err:?}");
    assert_eq!(began.elapsed().as_secs(), 900);
}
