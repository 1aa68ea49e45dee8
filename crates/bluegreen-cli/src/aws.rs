//! The account that a command speaks to.

use std::{env, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{Builder, tls};
use bluegreen_core::Error;
use bluegreen_deploy::stack_file::StackFile;

/// How long one attempt of a call may take. The SDK sets no limit by itself.
const ATTEMPT: Duration = Duration::from_secs(10);

/// How long a call may take with all its attempts.
const OPERATION: Duration = Duration::from_secs(60);

/// Takes credentials, profile and endpoints from where every AWS tool takes them, and the Region from the
/// stack file.
pub(crate) async fn configuration(file: &StackFile) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    // Named here so that calls can be kept back without the lease; ring, as the hook Lambda has it.
    let client = Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(client)
        .region(Region::new(file.region.clone()))
        .timeout_config(timeouts)
        .load()
        .await
}

/// Names the variables that send calls elsewhere than to AWS.
pub(crate) fn endpoint_variables() -> Vec<String> {
    let ignored = env::var_os("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if ignored.is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        return Vec::new();
    }
    let mut names: Vec<String> = env::vars_os()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|it| it.starts_with("AWS_ENDPOINT_URL"))
        .collect();
    names.sort();
    names
}

/// Refuses ARNs of another account than that of the credentials, each by its key.
pub(crate) fn refuse_other_accounts(
    file: &StackFile,
    account: &str,
) -> Result<(), bluegreen_deploy::Error> {
    let others = file.accounts().into_iter().filter(|(_, it)| it != account);
    let reasons: Vec<String> = others
        .map(|(key, other)| {
            format!("`{key}` is in account {other}: the credentials belong to account {account}")
        })
        .collect();
    if reasons.is_empty() { Ok(()) } else { Err(bluegreen_deploy::Error::Refused { reasons }) }
}

/// Returns the account that the credentials belong to.
///
/// # Errors
///
/// `Credentials` without any, and a refusal when the stack file names another account.
pub(crate) async fn account(
    sdk: &SdkConfig,
    file: &StackFile,
) -> Result<String, bluegreen_deploy::Error> {
    const OPERATION: &str = "sts:GetCallerIdentity";
    let identity = aws_sdk_sts::Client::new(sdk)
        .get_caller_identity()
        .send()
        .await
        .map_err(|err| Error::aws(OPERATION, err))?;
    let account = identity
        .account
        .ok_or(Error::Incomplete { operation: OPERATION, missing: "the account" })?;
    match &file.account_id {
        Some(expected) if *expected != account => Err(bluegreen_deploy::Error::refused(format!(
            "the credentials belong to account {account}: the stack file says `account-id = \
             \"{expected}\"`"
        ))),
        _ => Ok(account),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_arn_of_another_account_than_the_credentials_is_refused_by_its_key() {
        let text = "name = \"shop\"\nregion = \"eu-west-1\"\n[kinesis.clicks]\nstream-arn = \
                    \"arn:aws:kinesis:eu-west-1:123456789012:stream/clicks\"\n\
                    consumers = { a = \"clicks-a\", b = \"clicks-b\" }\n";
        let file = StackFile::parse(text, Path::new("bluegreen.toml"), &|_| None).unwrap();

        let err = refuse_other_accounts(&file, "999999999999").unwrap_err().to_string();

        assert!(err.contains("`kinesis.clicks stream-arn` is in account 123456789012"), "{err}");
        assert!(refuse_other_accounts(&file, "123456789012").is_ok());
    }
}
