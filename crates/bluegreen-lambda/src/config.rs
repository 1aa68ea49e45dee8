//! [`LambdaConfig`], the functions of a pair of stacks.

use bluegreen_core::{ConfigProblem, Pair, ToolkitConfig, check_pair};
use serde::Deserialize;

/// The functions of a pair of stacks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LambdaConfig {
    /// The names (not ARNs) of the functions.
    pub functions: Pair<String>,
    /// The alias that the consumers use; mappings and rules of the bare function count too.
    pub alias: Option<String>,
}

impl ToolkitConfig for LambdaConfig {
    fn check(&self) -> Vec<ConfigProblem> {
        let mut problems = check_functions("functions", &self.functions);
        if let Some(alias) = &self.alias
            && (!is_name(alias, LONGEST_ALIAS) || alias.bytes().all(|it| it.is_ascii_digit()))
        {
            problems.push(ConfigProblem::new(
                "alias",
                format!(
                    "`{alias}` is not an alias: expected up to {LONGEST_ALIAS} letters, digits, \
                     `-` and `_`, not digits alone"
                ),
            ));
        }
        problems
    }
}

/// Checks the names of the functions of both stacks, which must differ; `key` is the pair's key.
pub fn check_functions(key: &str, functions: &Pair<String>) -> Vec<ConfigProblem> {
    let mut problems = check_pair(key, "the name of a Lambda function", functions);
    for (side, name) in [("a", &functions.a), ("b", &functions.b)] {
        // What is empty or padded has been found above.
        if !name.is_empty() && name.trim() == name {
            problems.extend(check_function(&format!("{key}.{side}"), name));
        }
    }
    problems
}

/// Checks the name of the function at `key`.
pub fn check_function(key: &str, name: &str) -> Option<ConfigProblem> {
    let message = format!(
        "`{name}` is not the name of a Lambda function: expected up to {LONGEST_NAME} letters, digits, `-` and \
         `_`, without account, Region or qualifier"
    );
    (!is_name(name, LONGEST_NAME)).then(|| ConfigProblem::new(key, message))
}

/// AWS's limit for the name of a function.
const LONGEST_NAME: usize = 64;

/// AWS's limit for the name of an alias.
const LONGEST_ALIAS: usize = 128;

fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &str, b: &str, alias: Option<&str>) -> Vec<String> {
        let functions = Pair { a: a.to_owned(), b: b.to_owned() };
        let config = LambdaConfig { functions, alias: alias.map(str::to_owned) };
        config.check().iter().map(|it| it.key.clone()).collect()
    }

    #[test]
    fn names_and_an_alias_are_fine() {
        assert!(check("ingest-a", "ingest_B2", None).is_empty());
        assert!(check("ingest-a", "ingest-b", Some("live-2")).is_empty());
    }

    #[test]
    fn an_empty_a_padded_and_a_shared_name_are_problems() {
        assert_eq!(check("", "ingest-b", None), ["functions.a"]);
        assert_eq!(check("ingest-a", " ingest-b", None), ["functions.b"]);
        assert_eq!(check("ingest", "ingest", None), ["functions.b"]);
    }

    #[test]
    fn an_arn_or_a_qualified_name_is_not_a_name() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:ingest-a";

        assert_eq!(check(arn, "ingest-b:live", None), ["functions.a", "functions.b"]);
    }

    #[test]
    fn one_function_is_checked_under_its_own_key() {
        assert_eq!(check_function("lambda", "smoke"), None);
        assert_eq!(check_function("lambda", "").unwrap().key, "lambda");
        assert_eq!(check_function("lambda", "smoke:live").unwrap().key, "lambda");
    }

    #[test]
    fn a_name_has_at_most_64_characters() {
        assert!(check(&"a".repeat(64), "b", None).is_empty());
        assert_eq!(check(&"a".repeat(65), "b", None), ["functions.a"]);
    }

    #[test]
    fn what_aws_takes_for_a_version_is_not_an_alias() {
        for alias in ["", "7", "2024", "$LATEST", "a:b", " live"] {
            assert_eq!(check("a", "b", Some(alias)), ["alias"], "{alias}");
        }
    }

    #[test]
    fn a_file_gives_the_functions_and_no_unknown_key() {
        let read = |text: &str| toml::from_str::<LambdaConfig>(text);

        let config = read("functions = { a = \"x\", b = \"y\" }\nalias = \"live\"").unwrap();

        assert_eq!(config.functions.b, "y");
        assert_eq!(config.alias.as_deref(), Some("live"));
        assert!(read("functions = { a = \"x\", b = \"y\" }\naliases = \"live\"").is_err());
    }
}
