//! The JSON of a policy.

use serde_json::{Map, Value};

use super::PolicyError;

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    pub(super) actions: Patterns,
    pub(super) resources: Patterns,
    pub(super) conditions: Vec<Condition>,
}

/// What a statement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// What a statement is about: these, or with `but` all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patterns {
    pub(super) patterns: Vec<String>,
    pub(super) but: bool,
}

/// What must hold besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) matches: Matches,
    pub(super) negated: bool,
    pub(super) if_exists: bool,
    pub(super) key: String,
    pub(super) values: Vec<String>,
}

/// How a value of the call is compared with one of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matches {
    Equals,
    EqualsInAnyCase,
    Like,
    Arn,
    Null,
}

/// The operators, with how they compare and whether they turn that round.
const OPERATORS: [(&str, Matches, bool); 12] = [
    ("StringEquals", Matches::Equals, false),
    ("StringNotEquals", Matches::Equals, true),
    ("StringEqualsIgnoreCase", Matches::EqualsInAnyCase, false),
    ("StringNotEqualsIgnoreCase", Matches::EqualsInAnyCase, true),
    ("StringLike", Matches::Like, false),
    ("StringNotLike", Matches::Like, true),
    // IAM: ArnEquals and ArnLike do the same.
    ("ArnEquals", Matches::Arn, false),
    ("ArnLike", Matches::Arn, false),
    ("ArnNotEquals", Matches::Arn, true),
    ("ArnNotLike", Matches::Arn, true),
    ("Bool", Matches::EqualsInAnyCase, false),
    ("Null", Matches::Null, false),
];

/// The condition keys that have a value in the account; `concerns` of the services gives all but the first four.
const KEYS: [&str; 9] = [
    "aws:RequestedRegion",
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:SecureTransport",
    "application-autoscaling:scalable-dimension",
    "application-autoscaling:service-namespace",
    "ecs:cluster",
    "iam:PassedToService",
    "lambda:FunctionArn",
];

/// What the keys begin with that have the name of a tag behind it.
const TAGS: [&str; 3] = ["aws:ResourceTag/", "rds:cluster-tag/", "rds:db-tag/"];

type Result<T> = std::result::Result<T, PolicyError>;

pub(super) fn parse(json: &str) -> Result<Vec<Statement>> {
    let document: Value = serde_json::from_str(json)
        .map_err(|err| error("the document", format!("is no JSON: {err}")))?;
    let document = object("the document", &document)?;
    knows("the document", document, &["Version", "Id", "Statement"])?;
    match document.get("Statement") {
        None => Err(error("the document", "has no `Statement`")),
        Some(Value::Array(all)) => {
            let numbered = all.iter().enumerate();
            numbered.map(|(at, it)| statement(&format!("Statement[{at}]"), it)).collect()
        }
        Some(one) => Ok(vec![statement("Statement", one)?]),
    }
}

fn statement(place: &str, value: &Value) -> Result<Statement> {
    let value = object(place, value)?;
    let known = ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    knows(place, value, &known)?;
    let effect = match value.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return Err(error(place, "needs an `Effect`: \"Allow\" or \"Deny\"")),
    };
    let conditions = match value.get("Condition") {
        None => Vec::new(),
        Some(it) => conditions(&format!("{place}.Condition"), it)?,
    };
    Ok(Statement {
        effect,
        actions: patterns(place, value, "Action", "NotAction")?,
        resources: patterns(place, value, "Resource", "NotResource")?,
        conditions,
    })
}

fn patterns(place: &str, value: &Map<String, Value>, these: &str, but: &str) -> Result<Patterns> {
    match (value.get(these), value.get(but)) {
        (Some(it), None) => {
            Ok(Patterns { patterns: texts(&format!("{place}.{these}"), it)?, but: false })
        }
        (None, Some(it)) => {
            Ok(Patterns { patterns: texts(&format!("{place}.{but}"), it)?, but: true })
        }
        _ => Err(error(place, format!("needs either `{these}` or `{but}`"))),
    }
}

fn conditions(place: &str, value: &Value) -> Result<Vec<Condition>> {
    let mut conditions = Vec::new();
    for (operator, keys) in object(place, value)? {
        let place = format!("{place}.{operator}");
        let plain = operator.strip_suffix("IfExists");
        let name = plain.unwrap_or(operator);
        let (_, matches, negated) = *OPERATORS
            .iter()
            .find(|(it, ..)| *it == name)
            .ok_or_else(|| error(&place, "is an operator that is not simulated"))?;
        for (key, values) in object(&place, keys)? {
            if !is_known(key) {
                return Err(error(
                    &format!("{place}.{key}"),
                    "is a condition key that is not simulated",
                ));
            }
            conditions.push(Condition {
                matches,
                negated,
                if_exists: plain.is_some(),
                key: key.clone(),
                values: texts(&format!("{place}.{key}"), values)?,
            });
        }
    }
    Ok(conditions)
}

/// Condition keys are the same in any case, but for the name of a tag.
fn is_known(key: &str) -> bool {
    let begins = |tags: &&str| {
        key.get(..tags.len()).is_some_and(|it| it.eq_ignore_ascii_case(tags))
            && key.len() > tags.len()
    };
    KEYS.iter().any(|it| it.eq_ignore_ascii_case(key)) || TAGS.iter().any(begins)
}

/// Reads one text or several; truth values are texts too.
fn texts(place: &str, value: &Value) -> Result<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) if text.contains("${") => {
            Err(error(place, format!("has a variable, which is not simulated: {text}")))
        }
        Value::String(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        _ => Err(error(place, "needs texts")),
    };
    match value {
        Value::Array(values) if values.is_empty() => Err(error(place, "is empty")),
        Value::Array(values) => values.iter().map(text).collect(),
        value => Ok(vec![text(value)?]),
    }
}

fn object<'a>(place: &str, value: &'a Value) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| error(place, "is not an object"))
}

fn knows(place: &str, value: &Map<String, Value>, known: &[&str]) -> Result<()> {
    match value.keys().find(|it| !known.contains(&it.as_str())) {
        None => Ok(()),
        Some(other) => Err(error(
            place,
            format!(
                "has `{other}`, which an identity-based policy does not have or which is not simulated"
            ),
        )),
    }
}

fn error(place: &str, what: impl Into<String>) -> PolicyError {
    PolicyError { place: place.to_owned(), what: what.into() }
}
