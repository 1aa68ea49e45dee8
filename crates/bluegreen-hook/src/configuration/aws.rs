//! [`AwsParameters`], the SDK behind [`Parameters`].

use async_trait::async_trait;
use aws_sdk_ssm::{Client, error::SdkError, operation::get_parameter::GetParameterError};
use aws_types::SdkConfig;
use bluegreen_core::{Error, LazyClient, Result};

use super::{Parameter, Parameters};

const GET: &str = "ssm:GetParameter";

/// Answers [`Parameters`] from AWS.
#[derive(Clone, Debug)]
pub struct AwsParameters {
    client: LazyClient<Client>,
}

impl AwsParameters {
    /// Makes it for the account and region that `sdk` points at.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self::from_client(LazyClient::new(sdk, Client::new))
    }

    /// Makes it over a client that the caller has built.
    pub fn from_client(client: impl Into<LazyClient<Client>>) -> Self {
        Self { client: client.into() }
    }
}

#[async_trait]
impl Parameters for AwsParameters {
    async fn parameter(&self, name: &str) -> Result<Parameter> {
        let request = self.client.get_parameter().name(name).with_decryption(true);
        let output = request.send().await.map_err(|err| failure(name, err))?;
        let parameter = output.parameter.ok_or(incomplete("the parameter"))?;
        // AWS counts versions from 1; the SDK says 0 where there is none.
        let version = Some(parameter.version).filter(|it| *it > 0);
        let text = parameter.value.ok_or(incomplete("the parameter's value"))?;
        Ok(Parameter { text, version })
    }
}

fn failure(name: &str, err: SdkError<GetParameterError>) -> Error {
    match err.as_service_error() {
        Some(it) if it.is_parameter_not_found() || it.is_parameter_version_not_found() => {
            Error::NotFound { resource: format!("parameter `{name}`") }
        }
        _ => Error::aws(GET, err),
    }
}

fn incomplete(missing: &'static str) -> Error {
    Error::Incomplete { operation: GET, missing }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::{
        operation::get_parameter::{GetParameterInput, GetParameterOutput},
        types,
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_types::body::SdkBody;
    use serde_json::json;

    use super::*;

    async fn read(rule: &Rule) -> Result<Parameter> {
        let client = mock_client!(aws_sdk_ssm, RuleMode::MatchAny, [rule]);
        AwsParameters::from_client(client).parameter("/bluegreen/shop").await
    }

    fn refuses(status: u16, code: &'static str) -> Rule {
        mock!(Client::get_parameter).then_http_response(move || {
            let body = json!({ "__type": code, "message": "no" }).to_string();
            HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
        })
    }

    fn answers(parameter: Option<types::Parameter>) -> Rule {
        mock!(Client::get_parameter).then_output(move || {
            GetParameterOutput::builder().set_parameter(parameter.clone()).build()
        })
    }

    #[tokio::test]
    async fn a_parameter_is_asked_for_decrypted_and_read_with_its_version() {
        let expected = GetParameterInput::builder().name("/bluegreen/shop").with_decryption(true);
        let expected = expected.build().unwrap();
        let parameter = types::Parameter::builder().value("[sqs]").version(7).build();
        let rule =
            mock!(Client::get_parameter).match_requests(move |it| *it == expected).then_output(
                move || GetParameterOutput::builder().parameter(parameter.clone()).build(),
            );

        let read = read(&rule).await.unwrap();

        assert_eq!((read.text.as_str(), read.version), ("[sqs]", Some(7)));
        assert!(!format!("{read:?}").contains("sqs"));
    }

    #[tokio::test]
    async fn a_version_that_is_absent_is_not_zero() {
        let parameter = types::Parameter::builder().value("[sqs]").build();

        assert_eq!(read(&answers(Some(parameter))).await.unwrap().version, None);
    }

    #[tokio::test]
    async fn an_answer_without_a_value_is_incomplete() {
        let nothing = read(&answers(None)).await;
        let empty = read(&answers(Some(types::Parameter::builder().version(7).build()))).await;

        assert!(matches!(nothing, Err(Error::Incomplete { missing: "the parameter", .. })));
        assert!(matches!(empty, Err(Error::Incomplete { .. })));
    }

    #[tokio::test]
    async fn a_parameter_that_is_not_there_is_named() {
        for code in ["ParameterNotFound", "ParameterVersionNotFound"] {
            let err = read(&refuses(400, code)).await.unwrap_err();

            assert!(err.is_absent());
            assert_eq!(err.to_string(), "parameter `/bluegreen/shop` does not exist");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn other_failures_keep_their_kind() {
        let throttled = read(&refuses(400, "ThrottlingException")).await;
        let denied = read(&refuses(400, "AccessDeniedException")).await;
        let fault = read(&refuses(500, "InternalServerError")).await;

        assert!(matches!(throttled, Err(Error::Throttled { .. })));
        assert!(matches!(denied, Err(Error::AccessDenied { operation: GET, .. })));
        assert!(fault.unwrap_err().is_transient());
    }
}
