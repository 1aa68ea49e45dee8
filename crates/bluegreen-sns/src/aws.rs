//! [`AwsSnsToolkit`], the SNS calls made through the AWS SDK.

use std::{error, sync::Arc};

use async_trait::async_trait;
use aws_sdk_sns::{Client, error::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;
use bluegreen_core::{Change, Error, LazyClient, Pair, Result, StackReference, ensure_valid};
use tokio::sync::Mutex;

use crate::{FilterPolicy, FilterScope, SnsConfig, SnsToolkit, Subscription};

/// Answers [`SnsToolkit`] from AWS.
#[derive(Clone, Debug)]
pub struct AwsSnsToolkit {
    client: LazyClient<Client>,
    config: SnsConfig,
    /// The ARNs of the subscriptions, as far as they are known.
    known: Arc<Mutex<Pair<Option<String>>>>,
}

impl AwsSnsToolkit {
    /// Makes a toolkit for the account and Region that `sdk` points at.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] when [`config.check()`](bluegreen_core::ToolkitConfig::check)
    /// finds anything wrong.
    pub fn new(sdk: &SdkConfig, config: SnsConfig) -> Result<Self> {
        Self::from_client(LazyClient::new(sdk, Client::new), config)
    }

    /// Makes a toolkit over a client that the caller has built.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_client(client: impl Into<LazyClient<Client>>, config: SnsConfig) -> Result<Self> {
        ensure_valid(&config)?;
        let known = Pair::from_fn(|stack| {
            config.subscriptions.as_ref().map(|subscriptions| subscriptions.of(stack).clone())
        });
        Ok(Self { client: client.into(), config, known: Arc::new(Mutex::new(known)) })
    }

    async fn arn(&self, stack: StackReference) -> Result<String> {
        // Held while the list is read, so that looks at both stacks at once share one list.
        let mut known = self.known.lock().await;
        if let Some(arn) = known.of(stack) {
            return Ok(arn.clone());
        }
        let (Some(topic), Some(endpoints)) = (&self.config.topic, &self.config.endpoints) else {
            return Err(Error::NotFound { resource: format!("subscription of stack `{stack}`") });
        };
        *known = self.find(topic, endpoints).await?;
        known.of(stack).clone().ok_or_else(|| Error::NotFound {
            resource: format!(
                "confirmed subscription of `{}` to topic `{topic}`",
                endpoints.of(stack)
            ),
        })
    }

    /// Looks through the topic's subscriptions for those of both stacks.
    async fn find(&self, topic: &str, endpoints: &Pair<String>) -> Result<Pair<Option<String>>> {
        let mut found: Pair<Option<String>> = Pair::default();
        let pages = self.client.list_subscriptions_by_topic().topic_arn(topic).into_paginator();
        let mut subscriptions = pages.items().send();
        while let Some(subscription) = subscriptions.next().await {
            let subscription = subscription.map_err(|err| {
                failed("sns:ListSubscriptionsByTopic", format!("topic `{topic}`"), err)
            })?;
            // One that is not confirmed, or deleted, has such a word instead of an ARN.
            let arn = subscription.subscription_arn.filter(|it| it.starts_with("arn:"));
            let (Some(arn), Some(endpoint)) = (arn, subscription.endpoint) else { continue };
            let place = if endpoint == endpoints.a {
                &mut found.a
            } else if endpoint == endpoints.b {
                &mut found.b
            } else {
                continue;
            };
            if let Some(other) = place.as_ref().filter(|it| **it != arn) {
                return Err(Error::WrongState {
                    resource: format!("topic `{topic}`"),
                    state: format!("subscribed to twice by `{endpoint}`: `{other}` and `{arn}`"),
                    expected: "one of them: delete the other, or name them by `subscriptions`"
                        .to_owned(),
                });
            }
            *place = Some(arn);
        }
        Ok(found)
    }

    async fn set_filter(&self, arn: &str, filter: &str) -> Result<Change> {
        self.client
            .set_subscription_attributes()
            .subscription_arn(arn)
            .attribute_name("FilterPolicy")
            .attribute_value(filter)
            .send()
            .await
            .map_err(|err| failed("sns:SetSubscriptionAttributes", named(arn), err))?;
        tracing::debug!(subscription = arn, filter, "set the filter policy");
        Ok(Change::Made)
    }
}

#[async_trait]
impl SnsToolkit for AwsSnsToolkit {
    async fn subscription(&self, stack: StackReference) -> Result<Subscription> {
        const OPERATION: &str = "sns:GetSubscriptionAttributes";
        let incomplete = |missing| Error::Incomplete { operation: OPERATION, missing };
        let arn = self.arn(stack).await?;

        let output = self
            .client
            .get_subscription_attributes()
            .subscription_arn(&arn)
            .send()
            .await
            .map_err(|err| failed(OPERATION, named(&arn), err))?;

        let attributes = output
            .attributes
            .filter(|it| !it.is_empty())
            .ok_or_else(|| incomplete("the subscription's attributes"))?;
        if attributes.get("PendingConfirmation").is_some_and(|it| it == "true") {
            return Err(Error::NotFound { resource: format!("confirmed {}", named(&arn)) });
        }
        let scope = match attributes.get("FilterPolicyScope").map(String::as_str) {
            None | Some("MessageAttributes") => FilterScope::MessageAttributes,
            Some("MessageBody") => FilterScope::MessageBody,
            Some(_) => return Err(incomplete("a filter policy scope that this version knows")),
        };
        let policy = attributes.get("FilterPolicy").cloned().map(FilterPolicy);
        let filter = policy.filter(|it| !it.is_empty());
        let disabled = filter.as_ref().is_some_and(|it| self.config.disables(it));
        tracing::debug!(subscription = arn, ?filter, disabled, "looked");
        let endpoint = attributes.get("Endpoint").cloned();
        Ok(Subscription { arn, endpoint, filter, scope, disabled })
    }

    async fn enable_subscription(
        &self,
        stack: StackReference,
        filter: Option<FilterPolicy>,
    ) -> Result<Change> {
        let Subscription { arn, filter: current, disabled, .. } = self.subscription(stack).await?;
        let wanted = match self.config.enabling() {
            Some(enabling) => Some(enabling),
            None if disabled => filter,
            None => return Ok(Change::AlreadySo),
        };
        let wanted = wanted.filter(|it| !it.is_empty());

        if wanted.as_ref().is_some_and(|it| self.config.disables(it)) {
            return Err(Error::WrongState {
                resource: named(&arn),
                state: "to get the very policy that disables it".to_owned(),
                expected: "one that lets messages through: set `enabled-filter`".to_owned(),
            });
        }
        if wanted == current {
            return Ok(Change::AlreadySo);
        }
        self.set_filter(&arn, wanted.as_ref().map_or("{}", |it| &it.0)).await
    }

    async fn disable_subscription(&self, stack: StackReference) -> Result<Change> {
        let subscription = self.subscription(stack).await?;
        if subscription.disabled {
            return Ok(Change::AlreadySo);
        }
        self.set_filter(&subscription.arn, &self.config.disabling().0).await
    }
}

fn named(arn: &str) -> String {
    format!("subscription `{arn}`")
}

fn failed<E>(operation: &'static str, resource: String, err: SdkError<E>) -> Error
where
    E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    if err.code() == Some("NotFound") {
        Error::NotFound { resource }
    } else {
        Error::aws(operation, err)
    }
}

#[cfg(test)]
mod tests;
