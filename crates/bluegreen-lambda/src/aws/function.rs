//! The functions themselves: what they are, their aliases, and running them.

use std::time::Duration;

use aws_sdk_lambda::{
    config::{self, StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig},
    primitives::Blob,
    types::{FunctionConfiguration, InvocationType},
};
use bluegreen_core::{Result, StackReference};
use futures::future;

use super::{AwsLambdaToolkit, failed, required};
use crate::{Alias, Function, Invocation};

const GET_FUNCTION: &str = "lambda:GetFunction";
const GET_ALIAS: &str = "lambda:GetAlias";

impl AwsLambdaToolkit {
    /// Asks for the function of `stack` as it is now.
    pub(super) async fn look(&self, stack: StackReference) -> Result<Function> {
        let known = self.known.of(stack);
        if known.initialized() {
            return self.ask(stack).await;
        }
        // Whoever needs the ARNs meanwhile waits for this answer instead of asking too.
        known.get_or_try_init(|| self.ask(stack)).await.cloned()
    }

    /// Returns the function of `stack` as the first look has shown it: good for what never changes.
    pub(super) async fn known(&self, stack: StackReference) -> Result<&Function> {
        self.known.of(stack).get_or_try_init(|| self.ask(stack)).await
    }

    async fn ask(&self, stack: StackReference) -> Result<Function> {
        let alias = async {
            match &self.config.alias {
                Some(alias) => self.get_alias(stack, alias).await.map(Some),
                None => Ok(None),
            }
        };
        let (found, alias) = future::join(self.configuration(stack), alias).await;
        // A missing function has no alias either: the error names the function.
        let (found, alias) = (found?, alias?);

        let arn = required(found.function_arn(), GET_FUNCTION, "the function's ARN")?;
        let timeout = found.timeout().and_then(|it| u64::try_from(it).ok());
        let timeout = required(timeout, GET_FUNCTION, "the function's timeout")?;
        let (alias_arn, version) = match alias {
            Some(it) => (Some(it.arn), it.version),
            None => (None, latest(&found)?),
        };
        Ok(Function {
            name: self.name(stack).to_owned(),
            arn: unqualified(arn),
            alias_arn,
            version,
            code_sha256: found.code_sha256().map(str::to_owned),
            timeout: Duration::from_secs(timeout),
        })
    }

    async fn configuration(&self, stack: StackReference) -> Result<FunctionConfiguration> {
        let output = self
            .lambda
            .get_function()
            .function_name(self.name(stack))
            .send()
            .await
            .map_err(|err| failed(GET_FUNCTION, self.label(stack), err))?;
        required(output.configuration, GET_FUNCTION, "the function's configuration")
    }

    pub(super) async fn get_alias(&self, stack: StackReference, name: &str) -> Result<Alias> {
        let output = self
            .lambda
            .get_alias()
            .function_name(self.name(stack))
            .name(name)
            .send()
            .await
            .map_err(|err| {
                failed(GET_ALIAS, format!("alias `{name}` of {}", self.label(stack)), err)
            })?;
        let weights = output.routing_config.and_then(|it| it.additional_version_weights);
        Ok(Alias {
            name: name.to_owned(),
            arn: required(output.alias_arn, GET_ALIAS, "the alias's ARN")?,
            version: required(output.function_version, GET_ALIAS, "the alias's version")?,
            // AWS allows one other version.
            additional_version: weights.and_then(|it| it.into_iter().next()),
        })
    }

    pub(super) async fn running_version(&self, stack: StackReference) -> Result<String> {
        match &self.config.alias {
            Some(alias) => Ok(self.get_alias(stack, alias).await?.version),
            None => latest(&self.configuration(stack).await?),
        }
    }

    pub(super) async fn invoke_once(
        &self,
        stack: StackReference,
        payload: String,
        timeout: Duration,
    ) -> Result<Invocation> {
        // One attempt, and nothing but `timeout` ends it: the SDK knows no read timeout by itself, and
        // takes a function that works for long for a stalled stream.
        let limits = TimeoutConfig::builder()
            .operation_timeout(timeout)
            .operation_attempt_timeout(timeout)
            .read_timeout(timeout)
            .build();
        let once = config::Config::builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(limits)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());

        let output = self
            .lambda
            .invoke()
            .function_name(self.name(stack))
            .set_qualifier(self.config.alias.clone())
            .invocation_type(InvocationType::RequestResponse)
            .payload(Blob::new(payload))
            .customize()
            .config_override(once)
            .send()
            .await
            .map_err(|err| failed("lambda:InvokeFunction", self.label(stack), err))?;
        let payload = output.payload.map(Blob::into_inner).unwrap_or_default();
        Ok(Invocation {
            version: output.executed_version,
            payload: String::from_utf8_lossy(&payload).into_owned(),
            function_error: output.function_error,
        })
    }

    /// Names the function of `stack` in errors.
    pub(super) fn label(&self, stack: StackReference) -> String {
        format!("function `{}`", self.name(stack))
    }
}

fn latest(found: &FunctionConfiguration) -> Result<String> {
    required(found.version.clone(), GET_FUNCTION, "the function's version")
}

/// Takes the qualifier from `arn:aws:lambda:region:account:function:name:qualifier`.
fn unqualified(arn: &str) -> String {
    match arn.match_indices(':').nth(6) {
        Some((end, _)) => arn[..end].to_owned(),
        None => arn.to_owned(),
    }
}

#[cfg(test)]
mod tests;
