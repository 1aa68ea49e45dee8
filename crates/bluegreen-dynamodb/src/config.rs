//! [`DynamoDbConfig`], the tables of a pair of stacks.

use bluegreen_core::{ConfigProblem, Pair, ToolkitConfig, check_pair};
use serde::Deserialize;

/// The tables of a pair of stacks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DynamoDbConfig {
    /// The names of the tables.
    pub tables: Pair<String>,
}

impl ToolkitConfig for DynamoDbConfig {
    fn check(&self) -> Vec<ConfigProblem> {
        let mut problems = check_pair("tables", "the name of a DynamoDB table", &self.tables);
        for (side, name) in [("a", &self.tables.a), ("b", &self.tables.b)] {
            if !name.is_empty() && name.trim() == name && !is_table_name(name) {
                problems.push(ConfigProblem::new(
                    format!("tables.{side}"),
                    format!(
                        "`{name}` cannot be the name of a DynamoDB table: expected 3 to 255 letters, \
                         digits, dots, hyphens and underscores"
                    ),
                ));
            }
        }
        problems
    }
}

fn is_table_name(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(a: &str, b: &str) -> Vec<String> {
        let config = DynamoDbConfig { tables: Pair { a: a.to_owned(), b: b.to_owned() } };
        config.check().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_toml_table_is_read() {
        let config: DynamoDbConfig =
            toml::from_str(r#"tables = { a = "sessions-a", b = "sessions-b" }"#).unwrap();

        assert_eq!(config.tables.b, "sessions-b");
        assert!(config.check().is_empty());
    }

    #[test]
    fn a_further_key_is_refused() {
        let text = "tables = { a = \"sessions-a\", b = \"sessions-b\" }\nwait = true";

        let err = toml::from_str::<DynamoDbConfig>(text).unwrap_err();

        assert!(err.to_string().contains("unknown field `wait`"), "{err}");
    }

    #[test]
    fn an_empty_name_is_a_problem_of_its_key() {
        assert_eq!(
            problems("", "sessions-b"),
            ["`tables.a`: is empty: expected the name of a DynamoDB table"]
        );
    }

    #[test]
    fn both_stacks_cannot_have_the_same_table() {
        assert!(problems("same", "same")[0].starts_with("`tables.b`: `same` is on both stacks"));
    }

    #[test]
    fn what_dynamodb_takes_for_no_name_is_a_problem() {
        for name in ["ab", &"x".repeat(256), "arn:aws:dynamodb:eu-west-1:1:table/x", "ä-table"] {
            let found = problems("sessions-a", name);
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert!(found[0].starts_with(&format!("`tables.b`: `{name}` cannot be")), "{found:?}");
        }
        assert!(problems("a.b", &"x".repeat(255)).is_empty());
    }
}
