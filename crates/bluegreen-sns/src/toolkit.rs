//! [`SnsToolkit`], the SNS calls that a deployment needs, and what they answer.

use std::fmt;

use async_trait::async_trait;
use bluegreen_core::{Change, Result, StackReference};

/// The SNS calls that a deployment needs.
///
/// A subscription is off when its filter policy is one that no message matches, and on otherwise.
/// AWS may need up to 15 minutes until a change of the policy works everywhere, and filtered
/// messages are gone, not queued.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait SnsToolkit: fmt::Debug + Send + Sync {
    /// Returns the subscription of `stack`.
    ///
    /// Calls `sns:GetSubscriptionAttributes`; where the subscription is known by topic and endpoint
    /// only, `sns:ListSubscriptionsByTopic` first (once per toolkit).
    ///
    /// # Errors
    ///
    /// `NotFound` for a subscription that is not there or not yet confirmed.
    async fn subscription(&self, stack: StackReference) -> Result<Subscription>;

    /// Lets messages through to the subscription of `stack` again.
    ///
    /// The policy it gets is the configured `enabled-filter`; without one `filter`, the policy that it
    /// had before it was disabled (`None`: it had none). A subscription that is not disabled keeps
    /// its policy unless `enabled-filter` says otherwise: a user's own filter is never replaced by
    /// an empty one.
    ///
    /// Calls what [`subscription`](Self::subscription) calls and `sns:SetSubscriptionAttributes`.
    async fn enable_subscription(
        &self,
        stack: StackReference,
        filter: Option<FilterPolicy>,
    ) -> Result<Change>;

    /// Keeps all messages from the subscription of `stack`.
    ///
    /// The caller looks at the [`subscription`](Self::subscription) first and keeps its policy, to
    /// hand it back to [`enable_subscription`](Self::enable_subscription).
    ///
    /// Calls what [`subscription`](Self::subscription) calls and `sns:SetSubscriptionAttributes`.
    async fn disable_subscription(&self, stack: StackReference) -> Result<Change>;
}

/// A subscription as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its ARN.
    pub arn: String,
    /// Its filter policy; `None` when every message passes (absent, empty text and `{}` are one).
    pub filter: Option<FilterPolicy>,
    /// What the policy looks at.
    pub scope: FilterScope,
    /// Whether the policy is the configured disabling one: no message passes.
    pub disabled: bool,
}

/// The JSON text of a filter policy, kept to the letter; two are equal when their JSON is.
#[derive(Clone, Debug)]
pub struct FilterPolicy(pub String);

/// What a filter policy looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterScope {
    /// The attributes of the message, AWS's default.
    MessageAttributes,
    /// The JSON body of the message.
    MessageBody,
}

impl FilterPolicy {
    /// Returns whether the policy lets every message through: it is empty text or `{}`.
    pub fn is_empty(&self) -> bool {
        self.0.trim().is_empty() || self.json().is_some_and(|it| it == serde_json::json!({}))
    }

    fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.0).ok()
    }
}

impl PartialEq for FilterPolicy {
    fn eq(&self, other: &Self) -> bool {
        match (self.json(), other.json()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => self.0 == other.0,
            _ => false,
        }
    }
}

impl Eq for FilterPolicy {}

impl From<&serde_json::Map<String, serde_json::Value>> for FilterPolicy {
    fn from(filter: &serde_json::Map<String, serde_json::Value>) -> Self {
        Self(serde_json::Value::Object(filter.clone()).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> FilterPolicy {
        FilterPolicy(text.to_owned())
    }

    #[test]
    fn policies_are_equal_when_their_json_is() {
        let written = policy(r#"{ "type": ["order"],  "store": [{"exists": true}] }"#);
        let stored = policy(r#"{"store":[{"exists":true}],"type":["order"]}"#);

        assert_eq!(written, stored);
        assert_ne!(written, policy(r#"{"type":["order"]}"#));
        assert_ne!(policy(r#"{"type":["a","b"]}"#), policy(r#"{"type":["b","a"]}"#));
    }

    #[test]
    fn what_is_not_json_equals_its_own_text_only() {
        assert_eq!(policy("{oops"), policy("{oops"));
        assert_ne!(policy("{oops"), policy("{ oops"));
        assert_ne!(policy("{oops"), policy("{}"));
    }

    #[test]
    fn empty_text_and_an_empty_object_let_everything_through() {
        for text in ["", " ", "{}", "{ }"] {
            assert!(policy(text).is_empty(), "{text:?}");
        }
        for text in ["[]", "null", "{oops", r#"{"type":["order"]}"#] {
            assert!(!policy(text).is_empty(), "{text:?}");
        }
    }
}
