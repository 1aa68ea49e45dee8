//! [`SqsConfig`], the queues of a pair of stacks.

use bluegreen_core::{ConfigProblem, Pair, ToolkitConfig, check_pair};
use serde::Deserialize;

/// The queues of a pair of stacks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SqsConfig {
    /// The names (not URLs) of the queues that the consumers read.
    pub queues: Pair<String>,
    /// The names of the queues for messages that no consumer could handle, if there are such.
    pub dead_letter_queues: Option<Pair<String>>,
}

/// The longest name that a queue can have, `.fifo` included.
const LONGEST_NAME: usize = 80;

const QUEUE: &str = "the name of an SQS queue";

impl ToolkitConfig for SqsConfig {
    fn check(&self) -> Vec<ConfigProblem> {
        let mut problems = check_queues("queues", &self.queues);
        if let Some(dead_letters) = &self.dead_letter_queues {
            problems.extend(check_queues("dead-letter-queues", dead_letters));
            for (side, name) in [("a", &dead_letters.a), ("b", &dead_letters.b)] {
                if !name.is_empty() && (*name == self.queues.a || *name == self.queues.b) {
                    problems.push(ConfigProblem::new(
                        format!("dead-letter-queues.{side}"),
                        format!("`{name}` is one of `queues` too: expected a queue of its own"),
                    ));
                }
            }
        }
        problems
    }
}

fn check_queues(key: &str, queues: &Pair<String>) -> Vec<ConfigProblem> {
    let mut problems = check_pair(key, QUEUE, queues);
    for (side, name) in [("a", &queues.a), ("b", &queues.b)] {
        let wrong = if name.contains(['/', ':']) {
            "is a URL or an ARN"
        } else if name.chars().count() > LONGEST_NAME {
            "is longer than 80 characters"
        } else {
            continue;
        };
        let message = format!("`{name}` {wrong}: expected {QUEUE}");
        problems.push(ConfigProblem::new(format!("{key}.{side}"), message));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(a: &str, b: &str) -> Pair<String> {
        Pair { a: a.to_owned(), b: b.to_owned() }
    }

    fn problems(queues: Pair<String>, dead_letter_queues: Option<Pair<String>>) -> Vec<String> {
        let config = SqsConfig { queues, dead_letter_queues };
        config.check().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_toml_table_in_kebab_case_is_read() {
        let config: SqsConfig = toml::from_str(
            r#"
            queues = { a = "orders-a", b = "orders-b" }
            dead-letter-queues = { a = "orders-a-dead", b = "orders-b-dead" }
            "#,
        )
        .unwrap();

        assert_eq!(config.queues, pair("orders-a", "orders-b"));
        assert_eq!(config.dead_letter_queues, Some(pair("orders-a-dead", "orders-b-dead")));
        assert!(config.check().is_empty());
    }

    #[test]
    fn dead_letter_queues_can_be_left_out() {
        let config: SqsConfig = toml::from_str(r#"queues = { a = "x", b = "y" }"#).unwrap();

        assert_eq!(config.dead_letter_queues, None);
        assert!(config.check().is_empty());
    }

    #[test]
    fn a_further_key_is_refused_and_never_taken_for_a_queue() {
        let text = r#"
            queues = { a = "x", b = "y" }
            region = "eu-central-1"
            "#;

        let err = toml::from_str::<SqsConfig>(text).unwrap_err();

        assert!(err.to_string().contains("unknown field `region`"), "{err}");
    }

    #[test]
    fn an_empty_name_is_a_problem_of_its_key() {
        assert_eq!(
            problems(pair("", "y"), Some(pair("x-dead", ""))),
            [
                "`queues.a`: is empty: expected the name of an SQS queue",
                "`dead-letter-queues.b`: is empty: expected the name of an SQS queue",
            ]
        );
    }

    #[test]
    fn a_url_and_an_arn_are_not_names() {
        let found = problems(
            pair(
                "https://sqs.eu-west-1.amazonaws.com/123456789012/orders-a",
                "arn:aws:sqs:eu-west-1:123456789012:orders-b",
            ),
            None,
        );

        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|it| it.contains("is a URL or an ARN")), "{found:?}");
    }

    #[test]
    fn a_name_has_80_characters_at_most() {
        assert!(problems(pair(&"x".repeat(80), "y"), None).is_empty());
        assert_eq!(problems(pair(&"x".repeat(81), "y"), None).len(), 1);
    }

    #[test]
    fn both_stacks_cannot_have_the_same_queue() {
        let found = problems(pair("x", "x"), Some(pair("dead", "dead")));

        assert!(found[0].starts_with("`queues.b`: `x` is on both stacks"), "{found:?}");
        assert!(found[1].starts_with("`dead-letter-queues.b`: `dead` is on both"), "{found:?}");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn no_queue_is_a_dead_letter_queue_too() {
        assert_eq!(
            problems(pair("x", "y"), Some(pair("y", "x-dead"))),
            ["`dead-letter-queues.a`: `y` is one of `queues` too: expected a queue of its own"]
        );
    }
}
