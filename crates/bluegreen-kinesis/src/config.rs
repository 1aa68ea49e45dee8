//! [`KinesisConfig`], the stream consumers of a pair of stacks.

use bluegreen_core::{Arn, ConfigProblem, Pair, ToolkitConfig, check_pair};
use serde::Deserialize;

/// The consumers of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KinesisConfig {
    /// The ARN of the stream that both stacks read.
    pub stream_arn: String,
    /// The names of the consumers.
    pub consumers: Pair<String>,
}

impl ToolkitConfig for KinesisConfig {
    fn check(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        if !is_stream(&self.stream_arn) {
            problems.push(ConfigProblem::new(
                "stream-arn",
                format!(
                    "`{}` is not a stream: expected the ARN of a Kinesis stream, such as \
                     `arn:aws:kinesis:eu-west-1:123456789012:stream/orders`",
                    self.stream_arn
                ),
            ));
        }
        problems.extend(check_pair(
            "consumers",
            "the name of a Kinesis stream consumer",
            &self.consumers,
        ));
        for (side, name) in [("a", &self.consumers.a), ("b", &self.consumers.b)] {
            if !name.is_empty() && name.trim() == name && !is_consumer_name(name) {
                problems.push(ConfigProblem::new(
                    format!("consumers.{side}"),
                    format!(
                        "`{name}` cannot be the name of a stream consumer: expected up to 128 \
                         letters, digits, dots, hyphens and underscores"
                    ),
                ));
            }
        }
        problems
    }
}

fn is_stream(text: &str) -> bool {
    text.parse::<Arn>().is_ok_and(|arn| {
        // A consumer's ARN goes on behind the stream's name.
        let name = arn.resource.strip_prefix("stream/").unwrap_or_default();
        arn.service == "kinesis" && !name.is_empty() && !name.contains('/')
    })
}

fn is_consumer_name(name: &str) -> bool {
    name.len() <= 128
        && name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/orders";

    fn problems(stream_arn: &str, a: &str, b: &str) -> Vec<String> {
        let consumers = Pair { a: a.to_owned(), b: b.to_owned() };
        let config = KinesisConfig { stream_arn: stream_arn.to_owned(), consumers };
        config.check().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_toml_table_in_kebab_case_is_read() {
        let text =
            format!("stream-arn = \"{STREAM}\"\nconsumers = {{ a = \"in-a\", b = \"in-b\" }}");

        let config: KinesisConfig = toml::from_str(&text).unwrap();

        assert_eq!(config.stream_arn, STREAM);
        assert_eq!(config.consumers.a, "in-a");
        assert!(config.check().is_empty());
    }

    #[test]
    fn a_further_key_is_refused() {
        let text =
            format!("stream_arn = \"{STREAM}\"\nconsumers = {{ a = \"in-a\", b = \"in-b\" }}");

        let err = toml::from_str::<KinesisConfig>(&text).unwrap_err();

        assert!(err.to_string().contains("unknown field `stream_arn`"), "{err}");
    }

    #[test]
    fn what_is_no_stream_is_a_problem() {
        for arn in [
            "",
            "orders",
            "arn:aws:sqs:eu-west-1:123456789012:orders",
            "arn:aws:kinesis:eu-west-1:123456789012:orders",
            "arn:aws:kinesis:eu-west-1:123456789012:stream/",
            "arn:aws:kinesis:eu-west-1:123456789012:stream/orders/consumer/in-a:1700000000",
        ] {
            let found = problems(arn, "in-a", "in-b");
            assert_eq!(found.len(), 1, "{arn}: {found:?}");
            assert!(found[0].starts_with(&format!("`stream-arn`: `{arn}` is not a")), "{found:?}");
        }
    }

    #[test]
    fn an_empty_name_is_a_problem_of_its_key() {
        assert_eq!(
            problems(STREAM, "in-a", ""),
            ["`consumers.b`: is empty: expected the name of a Kinesis stream consumer"]
        );
    }

    #[test]
    fn both_stacks_cannot_have_the_same_consumer() {
        assert!(problems(STREAM, "in", "in")[0].starts_with("`consumers.b`: `in` is on both"));
    }

    #[test]
    fn what_kinesis_takes_for_no_name_is_a_problem() {
        for name in ["stream/orders/consumer/in:1", &"x".repeat(129), "in b"] {
            let found = problems(STREAM, "in-a", name);
            assert_eq!(found.len(), 1, "{name}: {found:?}");
        }
        assert!(problems(STREAM, "in-a", &"x".repeat(128)).is_empty());
    }
}
