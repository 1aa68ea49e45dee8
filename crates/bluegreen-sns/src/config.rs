//! [`SnsConfig`], the subscriptions of a pair of stacks.

use bluegreen_core::{Arn, ConfigProblem, Pair, ToolkitConfig, check_pair};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::FilterPolicy;

/// The subscriptions of a pair of stacks: either `subscriptions`, or `topic` with `endpoints`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SnsConfig {
    /// The ARNs of the subscriptions.
    pub subscriptions: Option<Pair<String>>,
    /// The ARN of the topic, where the subscriptions are found by their endpoint.
    pub topic: Option<String>,
    /// The endpoints of the subscriptions, such as the ARNs of the queues.
    pub endpoints: Option<Pair<String>>,
    /// The filter policy of an enabled subscription, a JSON object; the one it had before when left out.
    pub enabled_filter: Option<serde_json::Map<String, serde_json::Value>>,
    /// The filter policy of a disabled subscription, a JSON object that no message matches;
    /// `{"__bluegreen_blocked__":["never"]}` when left out.
    pub disabled_filter: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The policy of a disabled subscription: a message without this attribute does not match.
const BLOCKING: &str = r#"{"__bluegreen_blocked__":["never"]}"#;

/// The keys that AWS lets a filter policy have.
const MOST_KEYS: usize = 5;

const SUBSCRIPTION: &str = "the ARN of a confirmed SNS subscription";
const TOPIC: &str = "the ARN of an SNS topic";
const ENDPOINT: &str = "the endpoint of a subscription, such as the ARN of a queue";

impl SnsConfig {
    pub(crate) fn enabling(&self) -> Option<FilterPolicy> {
        self.enabled_filter.as_ref().map(FilterPolicy::from)
    }

    /// Returns the policy that a subscription is disabled with: the `disabled-filter`, else the default.
    pub fn disabling(&self) -> FilterPolicy {
        let default = || FilterPolicy(BLOCKING.to_owned());
        self.disabled_filter.as_ref().map_or_else(default, FilterPolicy::from)
    }

    /// Returns whether a subscription with this policy is disabled: it is the
    /// [configured one](Self::disabling), or [one of this crate's](FilterPolicy::is_blocking), which
    /// may have been set before another was configured.
    pub fn disables(&self, policy: &FilterPolicy) -> bool {
        policy.is_blocking() || *policy == self.disabling()
    }

    fn check_names(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        if let Some(subscriptions) = &self.subscriptions {
            problems.extend(check_pair("subscriptions", SUBSCRIPTION, subscriptions));
            for (side, arn) in [("a", &subscriptions.a), ("b", &subscriptions.b)] {
                // Behind the topic's name comes the subscription's own.
                if !arn.is_empty() && !is_sns(arn, |resource| resource.contains(':')) {
                    problems.push(unfit(format!("subscriptions.{side}"), arn, SUBSCRIPTION));
                }
            }
        }
        if let Some(topic) = &self.topic
            && !is_sns(topic, |resource| !resource.contains(':'))
        {
            problems.push(unfit("topic".to_owned(), topic, TOPIC));
        }
        if let Some(endpoints) = &self.endpoints {
            problems.extend(check_pair("endpoints", ENDPOINT, endpoints));
        }

        let (key, message) = match (&self.subscriptions, &self.topic, &self.endpoints) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => return problems,
            (Some(_), _, _) => (
                "subscriptions",
                "stands beside `topic` or `endpoints`: expected the one or the other",
            ),
            (None, None, None) => (
                "subscriptions",
                "is missing: expected `subscriptions`, or `topic` and `endpoints`",
            ),
            (None, Some(_), None) => {
                ("endpoints", "is missing: expected the endpoints of the subscriptions to `topic`")
            }
            (None, None, Some(_)) => {
                ("topic", "is missing: expected the topic that the `endpoints` subscribe to")
            }
        };
        problems.push(ConfigProblem::new(key, message));
        problems
    }
}

impl ToolkitConfig for SnsConfig {
    fn check(&self) -> Vec<ConfigProblem> {
        let mut problems = self.check_names();
        if let Some(filter) = &self.enabled_filter {
            problems.extend(check_filter("enabled-filter", filter));
            if self.disables(&FilterPolicy::from(filter)) {
                problems.push(ConfigProblem::new(
                    "enabled-filter",
                    "is the policy of a disabled subscription: expected one that lets messages through",
                ));
            }
        }
        if let Some(filter) = &self.disabled_filter {
            problems.extend(check_filter("disabled-filter", filter));
            if lets_bare_messages_through(filter) {
                problems.push(ConfigProblem::new(
                    "disabled-filter",
                    format!(
                        "lets messages through that have none of its keys: expected a policy that \
                         no message matches, such as `{BLOCKING}`"
                    ),
                ));
            }
        }
        problems
    }
}

fn is_sns(text: &str, resource: impl Fn(&str) -> bool) -> bool {
    text.parse::<Arn>().is_ok_and(|arn| arn.service == "sns" && resource(&arn.resource))
}

fn unfit(key: String, text: &str, expected: &str) -> ConfigProblem {
    ConfigProblem::new(key, format!("`{text}` does not fit: expected {expected}"))
}

/// Checks that AWS would accept a filter policy.
///
/// Every value is an array of what to let through, or, where the policy looks at the message's
/// body, an object with such arrays.
fn check_filter(key: &str, filter: &Map<String, Value>) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    let keys = check_values(key, filter, &mut problems);
    if keys > MOST_KEYS {
        let message = format!("has {keys} keys: expected {MOST_KEYS} at most");
        problems.push(ConfigProblem::new(key, message));
    }
    problems
}

/// Checks the values of an object within a policy and counts its keys that hold an array.
fn check_values(at: &str, object: &Map<String, Value>, problems: &mut Vec<ConfigProblem>) -> usize {
    let mut keys = 0;
    for (name, value) in object {
        let at = format!("{at}.{name}");
        let wrong = match value {
            Value::Object(inner) if inner.is_empty() => "is an empty object".to_owned(),
            Value::Object(inner) => {
                keys += check_values(&at, inner, problems);
                continue;
            }
            Value::Array(values) if values.is_empty() => "is an empty array".to_owned(),
            Value::Array(values) if values.iter().any(Value::is_array) => {
                "holds an array within an array".to_owned()
            }
            Value::Array(_) => {
                keys += 1;
                continue;
            }
            other => format!("`{other}` is not an array"),
        };
        let expected = "expected an array of the values to match, such as `[\"order\"]`";
        problems.push(ConfigProblem::new(at, format!("{wrong}: {expected}")));
    }
    keys
}

/// Returns whether a message that has none of the policy's keys matches it.
fn lets_bare_messages_through(filter: &Map<String, Value>) -> bool {
    filter.iter().all(|(name, value)| match value {
        Value::Array(branches) if name == "$or" => {
            branches.iter().any(|branch| branch.as_object().is_some_and(lets_bare_messages_through))
        }
        Value::Array(values) => values.contains(&json!({ "exists": false })),
        Value::Object(inner) => lets_bare_messages_through(inner),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC_ARN: &str = "arn:aws:sns:eu-west-1:123456789012:orders";

    fn subscription(name: &str) -> String {
        format!("{TOPIC_ARN}:00000000-0000-0000-0000-00000000000{name}")
    }

    fn by_arn() -> SnsConfig {
        let subscriptions = Some(Pair { a: subscription("a"), b: subscription("b") });
        SnsConfig { subscriptions, ..SnsConfig::default() }
    }

    fn by_endpoint() -> SnsConfig {
        let endpoint = |stack| format!("arn:aws:sqs:eu-west-1:123456789012:orders-{stack}");
        SnsConfig {
            topic: Some(TOPIC_ARN.to_owned()),
            endpoints: Some(Pair::from_fn(endpoint)),
            ..SnsConfig::default()
        }
    }

    fn object(filter: Value) -> Option<Map<String, Value>> {
        filter.as_object().cloned()
    }

    fn problems(config: &SnsConfig) -> Vec<String> {
        config.check().iter().map(ToString::to_string).collect()
    }

    fn disabled_by(filter: Value) -> Vec<String> {
        problems(&SnsConfig { disabled_filter: object(filter), ..by_arn() })
    }

    fn enabled_by(filter: Value) -> Vec<String> {
        problems(&SnsConfig { enabled_filter: object(filter), ..by_arn() })
    }

    #[test]
    fn a_toml_table_in_kebab_case_is_read() {
        let config: SnsConfig = toml::from_str(&format!(
            r#"
            topic = "{TOPIC_ARN}"
            endpoints = {{ a = "https://a.example", b = "https://b.example" }}
            enabled-filter = {{ type = ["order", {{ prefix = "re" }}] }}
            disabled-filter = {{ never = ["ever"] }}
            "#
        ))
        .unwrap();

        assert_eq!(config.enabled_filter, object(json!({"type": ["order", {"prefix": "re"}]})));
        assert_eq!(config.disabling().0, r#"{"never":["ever"]}"#);
        assert!(config.check().is_empty());
    }

    #[test]
    fn a_further_key_is_refused() {
        let err = toml::from_str::<SnsConfig>("disabledFilter = {}").unwrap_err();

        assert!(err.to_string().contains("unknown field `disabledFilter`"), "{err}");
    }

    #[test]
    fn subscriptions_are_named_or_found_by_topic_and_endpoint() {
        assert!(by_arn().check().is_empty());
        assert!(by_endpoint().check().is_empty());
        for (config, problem) in [
            (SnsConfig::default(), "`subscriptions`: is missing"),
            (SnsConfig { endpoints: None, ..by_endpoint() }, "`endpoints`: is missing"),
            (SnsConfig { topic: None, ..by_endpoint() }, "`topic`: is missing"),
            (
                SnsConfig { topic: Some(TOPIC_ARN.to_owned()), ..by_arn() },
                "`subscriptions`: stands beside `topic`",
            ),
            (
                SnsConfig { subscriptions: by_arn().subscriptions, ..by_endpoint() },
                "`subscriptions`: stands beside `topic`",
            ),
        ] {
            let found = problems(&config);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(problem), "{found:?}");
        }
    }

    #[test]
    fn an_empty_name_is_a_problem_of_its_key() {
        let mut named = by_arn();
        named.subscriptions.as_mut().unwrap().a.clear();
        let mut found = by_endpoint();
        found.endpoints.as_mut().unwrap().b.clear();

        assert!(problems(&named)[0].starts_with("`subscriptions.a`: is empty"));
        assert!(problems(&found)[0].starts_with("`endpoints.b`: is empty"));
        let no_topic = SnsConfig { topic: Some(String::new()), ..by_endpoint() };
        assert_eq!(
            problems(&no_topic),
            ["`topic`: `` does not fit: expected the ARN of an SNS topic"]
        );
    }

    #[test]
    fn an_arn_of_anything_else_is_a_problem() {
        for arn in [TOPIC_ARN, "PendingConfirmation", "arn:aws:sqs:eu-west-1:123456789012:a:b"] {
            let mut config = by_arn();
            config.subscriptions.as_mut().unwrap().b = arn.to_owned();
            let found = problems(&config);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(&format!("`subscriptions.b`: `{arn}`")), "{found:?}");
        }
        for arn in [subscription("a"), "arn:aws:sqs:eu-west-1:123456789012:orders".to_owned()] {
            let config = SnsConfig { topic: Some(arn), ..by_endpoint() };
            assert_eq!(problems(&config).len(), 1);
        }
    }

    #[test]
    fn both_stacks_cannot_have_the_same_subscription() {
        let subscriptions = Some(Pair { a: subscription("a"), b: subscription("a") });

        let found = problems(&SnsConfig { subscriptions, ..by_arn() });

        assert!(found[0].starts_with("`subscriptions.b`"), "{found:?}");
    }

    #[test]
    fn the_default_disabling_policy_is_one_that_aws_accepts_and_no_message_matches() {
        let default: Value = serde_json::from_str(&by_arn().disabling().0).unwrap();

        assert_eq!(default, json!({"__bluegreen_blocked__": ["never"]}));
        assert!(disabled_by(default).is_empty());
    }

    #[test]
    fn a_disabling_policy_that_aws_would_refuse_is_a_problem() {
        assert_eq!(
            disabled_by(json!({"bypassBlacklist": true})),
            [
                "`disabled-filter.bypassBlacklist`: `true` is not an array: expected an array of the \
              values to match, such as `[\"order\"]`"
            ]
        );
        for filter in [
            json!({"key": "value"}),
            json!({"key": []}),
            json!({"key": [["value"]]}),
            json!({"key": {"inner": {}}}),
            json!({"key": {"inner": 1}}),
        ] {
            assert!(!disabled_by(filter.clone()).is_empty(), "{filter}");
            assert!(!enabled_by(filter.clone()).is_empty(), "{filter}");
        }
    }

    #[test]
    fn a_policy_has_five_keys_at_most() {
        let five = json!({"a": [1], "b": [1], "c": [1], "d": [1], "e": {"inner": [1]}});
        let six = json!({"a": [1], "b": [1], "c": [1], "d": [1], "e": {"inner": [1], "more": [1]}});

        assert!(disabled_by(five.clone()).is_empty());
        assert!(enabled_by(five).is_empty());
        assert_eq!(disabled_by(six.clone()), ["`disabled-filter`: has 6 keys: expected 5 at most"]);
        assert_eq!(enabled_by(six), ["`enabled-filter`: has 6 keys: expected 5 at most"]);
    }

    #[test]
    fn a_disabling_policy_that_lets_messages_through_is_a_problem() {
        for filter in [
            json!({}),
            json!({"key": [{"exists": false}]}),
            json!({"key": ["never", {"exists": false}]}),
            json!({"key": {"inner": [{"exists": false}]}}),
            json!({"$or": [{"key": ["never"]}, {"other": [{"exists": false}]}]}),
        ] {
            let found = disabled_by(filter.clone());
            assert_eq!(found.len(), 1, "{filter}: {found:?}");
            assert!(found[0].contains("lets messages through"), "{found:?}");
        }
        assert!(disabled_by(json!({"key": [{"exists": false}], "other": ["never"]})).is_empty());
        assert!(disabled_by(json!({"$or": [{"key": ["never"]}, {"x": ["never"]}]})).is_empty());
    }

    #[test]
    fn an_enabling_policy_may_let_everything_through_and_must_let_something_through() {
        assert!(enabled_by(json!({})).is_empty());
        assert!(enabled_by(json!({"key": [{"exists": false}]})).is_empty());
        assert_eq!(enabled_by(json!({"__bluegreen_blocked__": ["never"]})).len(), 1);
    }

    #[test]
    fn the_default_disabling_policy_enables_nothing_though_another_is_configured() {
        let config = SnsConfig {
            disabled_filter: object(json!({"never": ["ever"]})),
            enabled_filter: object(json!({"__bluegreen_blocked__": ["never"]})),
            ..by_arn()
        };

        let found = problems(&config);

        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("`enabled-filter`: is the policy of a disabled"), "{found:?}");
    }
}
