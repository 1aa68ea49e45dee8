//! [`Policy`], an identity-based IAM policy, and what it decides.

mod document;

use std::{collections::BTreeMap, fmt};

use document::{Effect, Matches, Statement};

/// An identity-based policy: what its principal may do.
///
/// It is read from the JSON of IAM: `Effect`, `Action` or `NotAction`, `Resource` or `NotResource`, and `Condition`
/// with the operators `String…`, `Arn…`, `Bool` and `Null` and the keys that the account gives a value. Anything
/// else is an error, so that no policy is taken for another than it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// What a policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A statement says yes, and none says no.
    Allowed,
    /// A statement says no, whatever the others say.
    ExplicitDeny,
    /// No statement says yes.
    ImplicitDeny,
}

/// What is asked of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The action: `rds:StartDBCluster`.
    pub action: String,
    /// The ARN of the resource; `*` where AWS knows none.
    pub resource: String,
    /// The values of condition keys, by key: `lambda:FunctionArn`.
    pub conditions: BTreeMap<String, Vec<String>>,
}

impl Policy {
    /// Reads a policy document.
    ///
    /// # Errors
    ///
    /// Says where the document is not one, or asks for what is not simulated.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        Ok(Self { statements: document::parse(json)? })
    }

    /// Decides, as IAM does for a principal that has only this policy.
    pub fn decide(&self, question: &Question) -> Decision {
        let says =
            |effect| self.statements.iter().any(|it| it.effect == effect && it.is_about(question));
        if says(Effect::Deny) {
            Decision::ExplicitDeny
        } else if says(Effect::Allow) {
            Decision::Allowed
        } else {
            Decision::ImplicitDeny
        }
    }
}

impl Statement {
    /// Asks what is quick to know first: most statements are about other actions.
    fn is_about(&self, question: &Question) -> bool {
        self.actions.any(|pattern| action_like(pattern, &question.action))
            && self.resources.any(|pattern| resource_like(pattern, &question.resource))
            && self.conditions.iter().all(|it| it.holds(&question.conditions))
    }
}

impl document::Patterns {
    fn any(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|it| matches(it)) != self.but
    }
}

impl document::Condition {
    fn holds(&self, values: &BTreeMap<String, Vec<String>>) -> bool {
        // Condition keys are the same in any case; their values are not.
        let found = values.iter().find(|(key, _)| key.eq_ignore_ascii_case(&self.key));
        let found = found.map(|(_, values)| values.as_slice()).unwrap_or_default();
        if self.matches == Matches::Null {
            return self.values.iter().any(|it| (it == "true") == found.is_empty());
        }
        if found.is_empty() {
            return self.if_exists || self.negated;
        }
        let matches = |value: &String| {
            self.values.iter().any(|expected| match self.matches {
                Matches::Equals => expected == value,
                Matches::EqualsInAnyCase => expected.eq_ignore_ascii_case(value),
                Matches::Like => like(expected, value),
                Matches::Arn => arn_like(expected, value),
                Matches::Null => false,
            })
        };
        found.iter().any(matches) != self.negated
    }
}

/// Matches an action, which is the same in any case.
fn action_like(pattern: &str, action: &str) -> bool {
    match has_wildcard(pattern) {
        true => like(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase()),
        false => pattern.eq_ignore_ascii_case(action),
    }
}

fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// Matches `*` and `?`, each of which stands for anything, `:` and `/` included.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(it) if *it == '?' || *it == text[seen] => {
                at += 1;
                seen += 1;
            }
            // The last `*` takes one more.
            _ => match star {
                Some((after, taken)) => {
                    star = Some((after, taken + 1));
                    (at, seen) = (after + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|it| *it == '*')
}

/// Matches the ARN of a resource. IAM: a `*` at the end of a part reaches into the next ones too, any other wildcard
/// stays in its part unless that is the last; parts that are left out are completed with `*`.
fn resource_like(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let left_out = (PARTS - 1).saturating_sub(pattern.matches(':').count());
    // Most name one resource, and a search asks a million times.
    if left_out == 0 && !has_wildcard(pattern) {
        return pattern == arn;
    }
    let pattern: Vec<char> = pattern.chars().chain(":*".repeat(left_out).chars()).collect();
    let arn: Vec<char> = arn.chars().collect();
    // Which beginnings of the ARN match the pattern as far as it is read.
    let mut matched = vec![false; arn.len() + 1];
    let mut longer = matched.clone();
    matched[0] = true;
    let mut part = 1;
    for (at, it) in pattern.iter().enumerate() {
        part += usize::from(*it == ':');
        let last = part >= PARTS;
        let reaches = last || pattern.get(at + 1).is_none_or(|it| *it == ':');
        longer[0] = *it == '*' && matched[0];
        for (taken, other) in arn.iter().enumerate() {
            longer[taken + 1] = match it {
                '*' => matched[taken + 1] || (longer[taken] && (reaches || *other != ':')),
                '?' => matched[taken] && (last || *other != ':'),
                it => matched[taken] && it == other,
            };
        }
        std::mem::swap(&mut matched, &mut longer);
    }
    matched[arn.len()]
}

/// How many parts an ARN has; the last, the resource, may have colons of its own.
const PARTS: usize = 6;

/// Matches an ARN in a condition part by part: a wildcard in one of the first five does not reach into the next.
fn arn_like(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (patterns, parts): (Vec<_>, Vec<_>) =
        (pattern.splitn(PARTS, ':').collect(), arn.splitn(PARTS, ':').collect());
    patterns.len() == parts.len()
        && patterns.iter().zip(&parts).all(|(pattern, part)| like(pattern, part))
}

/// Why a document is not taken for a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Where: `Statement[2].Condition`.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.what)
    }
}

impl std::error::Error for PolicyError {}

#[cfg(test)]
mod tests;
