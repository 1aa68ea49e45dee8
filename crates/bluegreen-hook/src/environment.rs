//! The account that a function works in, as the variables say that every function has.
//!
//! `aws-config` would look into files and ask other services for credentials, too. A function has none of these, and
//! starts later for the code that would.

use std::time::Duration;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_runtime::env_config::EnvConfigValue;
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{
    SdkConfig,
    os_shim_internal::Env,
    region::Region,
    service_config::{LoadServiceConfig, ServiceConfigKey},
};

/// How long one attempt of a call may take. The SDK sets no limit by itself.
const ATTEMPT: Duration = Duration::from_secs(10);

/// How long a call may take with all its attempts.
const OPERATION: Duration = Duration::from_secs(60);

/// Returns what the clients of all services have in common.
///
/// It reads `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, which Lambda sets, and
/// what people may set besides: `AWS_MAX_ATTEMPTS`, `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`,
/// `AWS_ENDPOINT_URL` and that of one service, such as `AWS_ENDPOINT_URL_SQS`.
///
/// # Errors
///
/// When a variable does not say what it should.
pub(crate) fn configuration(environment: Env) -> Result<SdkConfig, String> {
    let variable = |name: &str| environment.get(name).ok().filter(|it| !it.is_empty());
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    let client = Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let mut sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(client)
        .timeout_config(timeouts)
        .region(variable("AWS_REGION").map(Region::new));
    if let (Some(id), Some(secret)) =
        (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
    {
        let session = variable("AWS_SESSION_TOKEN");
        let credentials = Credentials::new(id, secret, session, None, "Lambda");
        sdk = sdk.credentials_provider(SharedCredentialsProvider::new(credentials));
    }
    if let Some(attempts) = variable("AWS_MAX_ATTEMPTS") {
        let number = attempts.parse().ok().filter(|it| *it > 0).ok_or_else(|| {
            format!("`AWS_MAX_ATTEMPTS` cannot be `{attempts}`: expected a number, 1 at least")
        })?;
        sdk.set_retry_config(Some(RetryConfig::standard().with_max_attempts(number)));
    }
    sdk.set_use_fips(switch("AWS_USE_FIPS_ENDPOINT", &variable)?);
    sdk.set_use_dual_stack(switch("AWS_USE_DUALSTACK_ENDPOINT", &variable)?);
    Ok(sdk.service_config(Endpoints(environment)).build())
}

fn switch(name: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<bool>, String> {
    let Some(word) = variable(name) else { return Ok(None) };
    let expected = |_| format!("`{name}` cannot be `{word}`: expected `true` or `false`");
    word.to_ascii_lowercase().parse().map(Some).map_err(expected)
}

/// Says to each client where its service is, if it is elsewhere than at AWS.
#[derive(Debug)]
struct Endpoints(Env);

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let value = EnvConfigValue::new().env(key.env()).service_id(key.service_id());
        value.load(&self.0, None).map(|(value, _)| value.into_owned()).filter(|it| !it.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::provider::ProvideCredentials;

    use super::*;

    /// What Lambda sets, and `more`.
    fn environment(more: &[(&str, &str)]) -> Env {
        let lambda = [
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "token"),
        ];
        Env::from_slice(&[&lambda, more].concat())
    }

    #[tokio::test]
    async fn what_lambda_sets_is_the_region_and_the_credentials() {
        let sdk = configuration(environment(&[])).unwrap();

        let credentials = sdk.credentials_provider().unwrap().provide_credentials().await.unwrap();
        assert_eq!(credentials.access_key_id(), "AKIAEXAMPLE");
        assert_eq!(credentials.secret_access_key(), "secret");
        assert_eq!(credentials.session_token(), Some("token"));
        assert_eq!(sdk.region().unwrap().as_ref(), "eu-central-1");
        assert_eq!(sdk.use_fips(), None);
        assert_eq!(sdk.retry_config(), None);
        let timeouts = sdk.timeout_config().unwrap();
        assert_eq!(timeouts.operation_attempt_timeout(), Some(ATTEMPT));
    }

    #[test]
    fn without_credentials_there_is_nobody_to_give_them() {
        let sdk = configuration(Env::from_slice(&[("AWS_REGION", "eu-central-1")])).unwrap();

        assert!(sdk.credentials_provider().is_none());
    }

    #[test]
    fn people_may_set_more_attempts_and_other_endpoints() {
        let more = [
            ("AWS_MAX_ATTEMPTS", "7"),
            ("AWS_USE_FIPS_ENDPOINT", "True"),
            ("AWS_USE_DUALSTACK_ENDPOINT", "false"),
        ];
        let sdk = configuration(environment(&more)).unwrap();

        assert_eq!(sdk.retry_config().unwrap().max_attempts(), 7);
        assert_eq!((sdk.use_fips(), sdk.use_dual_stack()), (Some(true), Some(false)));
    }

    #[test]
    fn a_service_is_where_its_own_variable_says_and_else_where_the_one_for_all_says() {
        let more = [
            ("AWS_ENDPOINT_URL", "http://localhost:4566"),
            ("AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING", "http://localhost:5000"),
        ];
        let sdk = configuration(environment(&more)).unwrap();

        let of = |service| {
            let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL");
            let key = key.profile("endpoint_url").build().unwrap();
            sdk.service_config().unwrap().load_config(key)
        };
        assert_eq!(of("Application Auto Scaling").as_deref(), Some("http://localhost:5000"));
        assert_eq!(of("SQS").as_deref(), Some("http://localhost:4566"));
    }

    #[test]
    fn a_variable_that_says_something_else_is_named_with_what_was_expected() {
        let of = |name, value| configuration(environment(&[(name, value)])).unwrap_err();

        assert_eq!(
            of("AWS_MAX_ATTEMPTS", "0"),
            "`AWS_MAX_ATTEMPTS` cannot be `0`: expected a number, 1 at least"
        );
        assert_eq!(
            of("AWS_USE_FIPS_ENDPOINT", "1"),
            "`AWS_USE_FIPS_ENDPOINT` cannot be `1`: expected `true` or `false`"
        );
    }
}
