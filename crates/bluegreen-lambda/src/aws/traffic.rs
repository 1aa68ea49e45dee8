//! [`AwsLambdaTrafficToolkit`], the SDK behind [`LambdaTrafficToolkit`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_types::SdkConfig;
use bluegreen_core::{Error, LazyClient, Result};

use super::{failed, required};
use crate::{Alias, LambdaTrafficToolkit};

const GET_ALIAS: &str = "lambda:GetAlias";
const GET_CONFIGURATION: &str = "lambda:GetFunctionConfiguration";

/// Answers [`LambdaTrafficToolkit`] from AWS.
#[derive(Clone, Debug)]
pub struct AwsLambdaTrafficToolkit {
    client: LazyClient<Client>,
}

impl AwsLambdaTrafficToolkit {
    /// Makes a toolkit for the account and Region that `sdk` points at.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self::from_client(LazyClient::new(sdk, Client::new))
    }

    /// Makes a toolkit over a client that the caller has built.
    pub fn from_client(client: impl Into<LazyClient<Client>>) -> Self {
        Self { client: client.into() }
    }
}

#[async_trait]
impl LambdaTrafficToolkit for AwsLambdaTrafficToolkit {
    async fn traffic_alias(&self, function: &str, name: &str) -> Result<Alias> {
        let output =
            self.client.get_alias().function_name(function).name(name).send().await.map_err(
                |err| failed(GET_ALIAS, format!("alias `{name}` of function `{function}`"), err),
            )?;
        let weights = output.routing_config.and_then(|it| it.additional_version_weights);
        Ok(Alias {
            name: name.to_owned(),
            arn: required(output.alias_arn, GET_ALIAS, "the alias's ARN")?,
            version: required(output.function_version, GET_ALIAS, "the alias's version")?,
            // AWS allows one other version.
            additional_version: weights.and_then(|it| it.into_iter().next()),
        })
    }

    async fn environment(&self, function: &str, version: &str) -> Result<BTreeMap<String, String>> {
        let output = self
            .client
            .get_function_configuration()
            .function_name(function)
            .qualifier(version)
            .send()
            .await
            .map_err(|err| {
                let resource = format!("version {version} of function `{function}`");
                failed(GET_CONFIGURATION, resource, err)
            })?;
        let Some(environment) = output.environment() else { return Ok(BTreeMap::new()) };
        if let Some(error) = environment.error() {
            let code = error.error_code().unwrap_or("no code");
            return Err(Error::Aws {
                operation: GET_CONFIGURATION,
                transient: false,
                source: format!("the variables of version {version} cannot be read: {code}").into(),
            });
        }
        Ok(environment.variables().cloned().unwrap_or_default().into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::{
        operation::get_function_configuration::GetFunctionConfigurationOutput,
        types::{EnvironmentError, EnvironmentResponse},
    };
    use aws_smithy_mocks::{Rule, mock};

    use super::{
        super::fixture::{aliases, lambda, refusal},
        *,
    };

    fn toolkit(rules: &[&Rule]) -> AwsLambdaTrafficToolkit {
        AwsLambdaTrafficToolkit::from_client(lambda(rules))
    }

    #[tokio::test]
    async fn the_alias_is_read_by_name() {
        let alias = toolkit(&[&aliases("aws")]).traffic_alias("web", "live").await.unwrap();

        assert_eq!((alias.name.as_str(), alias.version.as_str()), ("live", "7"));
        assert_eq!(alias.additional_version, None);
    }

    #[tokio::test]
    async fn the_variables_of_a_version_are_read() {
        let rule = mock!(Client::get_function_configuration)
            .match_requests(|it| it.function_name() == Some("web") && it.qualifier() == Some("7"))
            .then_output(|| {
                let environment = EnvironmentResponse::builder().variables("STACK", "b").build();
                GetFunctionConfigurationOutput::builder().environment(environment).build()
            });

        let found = toolkit(&[&rule]).environment("web", "7").await.unwrap();

        assert_eq!(found, BTreeMap::from([("STACK".to_owned(), "b".to_owned())]));
    }

    #[tokio::test]
    async fn variables_that_lambda_cannot_read_are_not_none() {
        let broken = mock!(Client::get_function_configuration).then_output(|| {
            let error = EnvironmentError::builder().error_code("KMSAccessDenied").build();
            let environment = EnvironmentResponse::builder().error(error).build();
            GetFunctionConfigurationOutput::builder().environment(environment).build()
        });
        let none = mock!(Client::get_function_configuration)
            .then_output(|| GetFunctionConfigurationOutput::builder().build());

        let broken = toolkit(&[&broken]).environment("web", "7").await;
        let none = toolkit(&[&none]).environment("web", "7").await;

        assert!(matches!(broken, Err(Error::Aws { transient: false, .. })), "{broken:?}");
        assert_eq!(none.unwrap(), BTreeMap::new());
    }

    #[tokio::test]
    async fn what_is_not_there_is_named() {
        let missing = || refusal(404, "ResourceNotFoundException", "not found");
        let alias = mock!(Client::get_alias).then_http_response(missing);
        let version = mock!(Client::get_function_configuration).then_http_response(missing);

        let alias = toolkit(&[&alias]).traffic_alias("web", "live").await.unwrap_err();
        let version = toolkit(&[&version]).environment("web", "7").await.unwrap_err();

        assert_eq!(alias.to_string(), "alias `live` of function `web` does not exist");
        assert_eq!(version.to_string(), "version 7 of function `web` does not exist");
    }
}
