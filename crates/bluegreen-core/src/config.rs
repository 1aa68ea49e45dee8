//! [`ToolkitConfig`], what a toolkit's settings have in common.

use std::fmt;

use crate::{Error, Pair, Result};

/// Settings of a toolkit, which can say what is wrong with them before any call to AWS.
pub trait ToolkitConfig {
    /// Returns everything that is wrong with these settings; nothing, if they can be used.
    fn check(&self) -> Vec<ConfigProblem>;
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where: the path of the key within the toolkit's settings, such as `queues.a`.
    pub key: String,
    /// What is wrong and what was expected, as a fragment.
    pub message: String,
}

impl ConfigProblem {
    /// Makes a problem of the value at `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.key, self.message)
    }
}

/// Checks that neither name of a pair is empty or padded with blanks, and that they differ.
///
/// `key` is the pair's key, `what` says what it names: `the name of an SQS queue`.
pub fn check_pair(key: &str, what: &str, pair: &Pair<String>) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    for (side, name) in [("a", &pair.a), ("b", &pair.b)] {
        if name.is_empty() {
            problems.push(ConfigProblem::new(
                format!("{key}.{side}"),
                format!("is empty: expected {what}"),
            ));
        } else if name.trim() != name {
            problems.push(ConfigProblem::new(
                format!("{key}.{side}"),
                format!("begins or ends with a blank: expected {what}"),
            ));
        }
    }
    if !pair.a.is_empty() && pair.a == pair.b {
        problems.push(ConfigProblem::new(
            format!("{key}.b"),
            format!("`{}` is on both stacks: expected {what} of stack b alone", pair.b),
        ));
    }
    problems
}

/// Refuses a configuration that has anything wrong with it.
///
/// # Errors
///
/// [`Error::Configuration`] with every problem.
pub fn ensure_valid(config: &impl ToolkitConfig) -> Result<()> {
    let problems = config.check();
    if problems.is_empty() { Ok(()) } else { Err(Error::Configuration { problems }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &str, b: &str) -> Vec<String> {
        let pair = Pair { a: a.to_owned(), b: b.to_owned() };
        check_pair("queues", "the name of a queue", &pair).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn two_different_names_are_fine() {
        assert!(check("orders-a", "orders-b").is_empty());
    }

    #[test]
    fn an_empty_name_is_a_problem_of_its_side() {
        assert_eq!(check("", "x"), ["`queues.a`: is empty: expected the name of a queue"]);
        assert_eq!(check("", "").len(), 2);
    }

    #[test]
    fn a_name_with_blanks_around_it_is_a_problem() {
        assert_eq!(check("x", " y").len(), 1);
    }

    #[test]
    fn one_name_for_both_stacks_is_a_problem() {
        assert_eq!(
            check("x", "x"),
            ["`queues.b`: `x` is on both stacks: expected the name of a queue of stack b alone"]
        );
    }
}
