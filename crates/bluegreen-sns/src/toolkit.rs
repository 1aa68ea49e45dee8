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
    /// `NotFound` for a subscription that is not there or not yet confirmed; `WrongState` for an endpoint
    /// with two confirmed subscriptions to the topic.
    async fn subscription(&self, stack: StackReference) -> Result<Subscription>;

    /// Lets messages through to the subscription of `stack` again.
    ///
    /// The policy it gets is the configured `enabled-filter`; without one `filter`, the policy that it
    /// had before it was disabled (`None`: it had none). A subscription that is not disabled keeps
    /// its policy unless `enabled-filter` says otherwise: a user's own filter is never replaced by
    /// an empty one.
    ///
    /// Calls what [`subscription`](Self::subscription) calls and `sns:SetSubscriptionAttributes`.
    ///
    /// # Errors
    ///
    /// `WrongState` when the policy it would get is one that disables it.
    async fn enable_subscription(
        &self,
        stack: StackReference,
        filter: Option<FilterPolicy>,
    ) -> Result<Change>;

    /// Keeps all messages from the subscription of `stack`, with the configured `disabled-filter`.
    /// One that is disabled already, by that or by the default policy, is [`Change::AlreadySo`].
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
    /// Where it delivers to: the ARN of a queue or function, a URL, an address; `None` when AWS does not say.
    pub endpoint: Option<String>,
    /// Its filter policy; `None` when every message passes (absent, empty text and `{}` are one).
    pub filter: Option<FilterPolicy>,
    /// What the policy looks at.
    pub scope: FilterScope,
    /// Whether no message passes: the policy is the configured disabling one, or
    /// [one of this crate's](FilterPolicy::is_blocking).
    pub disabled: bool,
}

/// The JSON text of a filter policy, kept to the letter; two are equal when their JSON is.
#[derive(Clone, Debug)]
pub struct FilterPolicy(pub String);

/// The key of the default disabling policy: a message without this attribute does not match.
const BLOCKING_KEY: &str = "__bluegreen_blocked__";

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

    /// Returns whether the policy is one by which this crate disables a subscription, whatever is
    /// configured now: it has the key `__bluegreen_blocked__`, which no message is to have.
    pub fn is_blocking(&self) -> bool {
        self.json().is_some_and(|it| it.get(BLOCKING_KEY).is_some())
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
    fn a_policy_with_the_blocking_key_is_blocking_whatever_else_it_has() {
        for text in [
            r#"{"__bluegreen_blocked__":["never"]}"#,
            r#"{ "type": ["order"], "__bluegreen_blocked__": ["ever"] }"#,
        ] {
            assert!(policy(text).is_blocking(), "{text}");
        }
        for text in
            ["", "{}", "{oops", r#"{"type":["order"]}"#, r#"{"type":["__bluegreen_blocked__"]}"#]
        {
            assert!(!policy(text).is_blocking(), "{text}");
        }
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
