//! What the tests of this toolkit share: the clients, their answers, AWS's refusals on the wire.

use aws_sdk_lambda::{
    operation::{get_alias::GetAliasOutput, get_function::GetFunctionOutput},
    types::FunctionConfiguration,
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
use aws_smithy_types::body::SdkBody;
use bluegreen_core::Pair;

use crate::{AwsLambdaToolkit, LambdaConfig};

/// The functions `ingest-a` and `ingest-b`.
pub(super) fn config(alias: Option<&str>) -> LambdaConfig {
    LambdaConfig {
        functions: Pair::from_fn(|stack| format!("ingest-{stack}")),
        alias: alias.map(str::to_owned),
    }
}

/// A toolkit whose clients know `rules` alone: any other request panics.
pub(super) fn toolkit(alias: Option<&str>, rules: &[&Rule]) -> AwsLambdaToolkit {
    AwsLambdaToolkit::from_clients(
        lambda(rules),
        eventbridge(rules),
        cloudwatch(rules),
        config(alias),
    )
    .unwrap()
}

pub(super) fn lambda(rules: &[&Rule]) -> aws_sdk_lambda::Client {
    mock_client!(aws_sdk_lambda, RuleMode::MatchAny, rules)
}

pub(super) fn eventbridge(rules: &[&Rule]) -> aws_sdk_eventbridge::Client {
    mock_client!(aws_sdk_eventbridge, RuleMode::MatchAny, rules)
}

pub(super) fn cloudwatch(rules: &[&Rule]) -> aws_sdk_cloudwatch::Client {
    mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, rules)
}

/// The ARN of a function.
pub(super) fn arn(partition: &str, name: &str) -> String {
    format!("arn:{partition}:lambda:eu-west-1:123456789012:function:{name}")
}

/// Every function there is; each may take 30 s.
pub(super) fn functions(partition: &'static str) -> Rule {
    mock!(aws_sdk_lambda::Client::get_function)
        .match_requests(|it| it.qualifier().is_none())
        .then_compute_output(move |it| {
            let found = FunctionConfiguration::builder()
                .function_arn(arn(partition, it.function_name().unwrap()))
                .version("$LATEST")
                .code_sha256("c2hh")
                .timeout(30);
            GetFunctionOutput::builder().configuration(found.build()).build()
        })
}

/// Every alias there is; each points to version 7.
pub(super) fn aliases(partition: &'static str) -> Rule {
    mock!(aws_sdk_lambda::Client::get_alias).then_compute_output(move |it| {
        let function = arn(partition, it.function_name().unwrap());
        GetAliasOutput::builder()
            .alias_arn(format!("{function}:{}", it.name().unwrap()))
            .name(it.name().unwrap())
            .function_version("7")
            .build()
    })
}

/// A refusal as Lambda and EventBridge write it.
pub(super) fn refusal(status: u16, code: &'static str, message: &str) -> HttpResponse {
    let body = serde_json::json!({ "__type": code, "Type": "User", "message": message });
    let mut response =
        HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body.to_string()));
    response.headers_mut().insert("x-amzn-errortype", code);
    response
}
