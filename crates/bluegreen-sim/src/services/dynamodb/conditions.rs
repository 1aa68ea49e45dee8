//! [`Condition`], what must hold for a write to be done.

use std::cmp::Ordering;

use serde_json::Value;

use super::{
    Item,
    expressions::{Placeholders, Reader},
    values,
};
use crate::Refusal;

/// What a `ConditionExpression` says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Exists(String),
    Missing(String),
    Compares(Operand, &'static str, Operand),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Attribute(String),
    Value(Value),
}

const COMPARATORS: [&str; 6] = ["<>", "<=", ">=", "=", "<", ">"];

/// The types of values that have an order.
const ORDERED: [&str; 3] = ["S", "N", "B"];

impl Condition {
    /// Reads the condition of a request, if it has one.
    pub(super) fn of(
        parameters: &Value,
        placeholders: &mut Placeholders,
    ) -> Result<Option<Self>, Refusal> {
        let reader = Reader::of(parameters, "ConditionExpression", placeholders)?;
        let Some(mut reader) = reader else { return Ok(None) };
        let (condition, _) = any(&mut reader)?;
        reader.end()?;
        Ok(Some(condition))
    }

    /// Returns whether it holds of an item, or of none.
    pub(super) fn holds(&self, item: Option<&Item>) -> bool {
        let find = |name: &String| item.and_then(|it| it.get(name));
        match self {
            Self::Exists(name) => find(name).is_some(),
            Self::Missing(name) => find(name).is_none(),
            Self::Not(it) => !it.holds(item),
            Self::All(all) => all.iter().all(|it| it.holds(item)),
            Self::Any(any) => any.iter().any(|it| it.holds(item)),
            Self::Compares(one, comparator, other) => {
                let [one, other] = [one, other].map(|it| match it {
                    Operand::Attribute(name) => find(name),
                    Operand::Value(value) => Some(value),
                });
                compares(one, comparator, other)
            }
        }
    }
}

/// Of what is not there nothing holds but that it is another.
fn compares(one: Option<&Value>, comparator: &str, other: Option<&Value>) -> bool {
    let equal = one.is_some() && one == other;
    let order = one.zip(other).and_then(|(one, other)| values::compare(one, other));
    match comparator {
        "=" => equal,
        "<>" => !equal,
        "<" => order == Some(Ordering::Less),
        "<=" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        ">" => order == Some(Ordering::Greater),
        _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

/// Reads alternatives; also says whether all of it stands in parentheses.
fn any(reader: &mut Reader<'_>) -> Result<(Condition, bool), Refusal> {
    let first = all(reader)?;
    let mut more = Vec::new();
    while reader.passes("OR") {
        more.push(all(reader)?.0);
    }
    Ok(joined(first, more, Condition::Any))
}

fn all(reader: &mut Reader<'_>) -> Result<(Condition, bool), Refusal> {
    let first = one(reader)?;
    let mut more = Vec::new();
    while reader.passes("AND") {
        more.push(one(reader)?.0);
    }
    Ok(joined(first, more, Condition::All))
}

fn joined(
    (first, parenthesized): (Condition, bool),
    mut more: Vec<Condition>,
    join: impl FnOnce(Vec<Condition>) -> Condition,
) -> (Condition, bool) {
    if more.is_empty() {
        return (first, parenthesized);
    }
    more.insert(0, first);
    (join(more), false)
}

fn one(reader: &mut Reader<'_>) -> Result<(Condition, bool), Refusal> {
    if reader.passes("NOT") {
        let (negated, _) = reader.deeper(one)?;
        return Ok((Condition::Not(Box::new(negated)), false));
    }
    if reader.passes_symbol("(") {
        let (inner, parenthesized) = reader.deeper(any)?;
        reader.pass(")")?;
        if parenthesized {
            return Err(reader.wrong("The expression has redundant parentheses;"));
        }
        return Ok((inner, true));
    }
    if let Some(function) = reader.passes_function() {
        let make = match function.as_str() {
            "attribute_exists" => Condition::Exists,
            "attribute_not_exists" => Condition::Missing,
            "attribute_type" | "begins_with" | "contains" | "size" => {
                let what = format!("the simulated account does not know the function {function}");
                return Err(reader.wrong(&what));
            }
            _ => {
                let what = format!("Invalid function name; function: {function}");
                return Err(reader.wrong(&what));
            }
        };
        let attribute = reader.attribute()?;
        reader.pass(")")?;
        return Ok((make(attribute), false));
    }
    let left = operand(reader)?;
    let comparator = reader.passes_any(&COMPARATORS).ok_or_else(|| reader.unexpected())?;
    let right = operand(reader)?;
    for it in [&left, &right] {
        if let Operand::Value(value) = it
            && !matches!(comparator, "=" | "<>")
            && !ORDERED.contains(&values::kind(value))
        {
            return Err(reader.wrong(&format!(
                "Incorrect operand type for operator or function; operator: {comparator}, operand type: {}",
                values::kind(value)
            )));
        }
    }
    Ok((Condition::Compares(left, comparator, right), false))
}

fn operand(reader: &mut Reader<'_>) -> Result<Operand, Refusal> {
    match reader.passes_value()? {
        Some(value) => Ok(Operand::Value(value)),
        None => reader.attribute().map(Operand::Attribute),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(expression: &str) -> Result<Condition, Refusal> {
        let parameters = json!({
            "ConditionExpression": expression,
            "ExpressionAttributeNames": { "#o": "owner" },
            "ExpressionAttributeValues": {
                ":me": { "S": "me" }, ":n": { "N": "5" }, ":t": { "BOOL": true },
            },
        });
        let mut placeholders = Placeholders::of(&parameters)?;
        Condition::of(&parameters, &mut placeholders).map(Option::unwrap)
    }

    /// Returns whether an expression holds of an item, and whether it does of none.
    fn holds(expression: &str) -> [bool; 2] {
        let item = json!({
            "owner": { "S": "me" }, "fence": { "N": "5" }, "held": { "BOOL": true },
            "copy": { "N": "5" },
        });
        let condition = read(expression).unwrap();
        [condition.holds(item.as_object()), condition.holds(None)]
    }

    #[test]
    fn what_is_not_there_is_other_than_everything_and_neither_less_nor_more() {
        for (expression, expected) in [
            ("attribute_exists(fence)", [true, false]),
            ("attribute_not_exists(#o)", [false, true]),
            ("#o = :me", [true, false]),
            ("#o <> :me", [false, true]),
            ("fence < :n", [false, false]),
            ("fence <= :n", [true, false]),
            ("fence > :n", [false, false]),
            (":n >= fence", [true, false]),
            ("fence = copy", [true, false]),
            ("#o < :n", [false, false]),
            ("held = :t", [true, false]),
        ] {
            assert_eq!(holds(expression), expected, "{expression}");
        }
    }

    #[test]
    fn not_binds_closer_than_and_and_that_closer_than_or() {
        for (expression, expected) in [
            ("attribute_exists(fence) OR attribute_exists(x) AND attribute_exists(y)", true),
            ("(attribute_exists(fence) OR attribute_exists(x)) AND attribute_exists(y)", false),
            ("NOT attribute_exists(x) AND attribute_exists(fence)", true),
            ("not (attribute_exists(fence) and #o = :me)", false),
            ("NOT NOT fence = :n", true),
        ] {
            assert_eq!(holds(expression)[0], expected, "{expression}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_and_not_guessed() {
        let deep = format!("{}fence = :n", "NOT ".repeat(1000));
        for expression in [
            "",
            "fence",
            "fence =",
            "fence = :n AND",
            "fence = :n fence",
            "(fence = :n",
            "((fence = :n))",
            "fence == :n",
            "fence = 5",
            "fence.a = :n",
            "fence[0] = :n",
            "fence BETWEEN :n AND :n",
            "fence IN (:n)",
            "contains(fence, :n)",
            "nonsense(fence)",
            "attribute_exists(:n)",
            "attribute_exists(fence, copy)",
            "fence = :unknown",
            "#unknown = :n",
            "fence < :t",
            "owner = :me",
            "Status = :me",
            &deep,
        ] {
            let refusal = read(expression).unwrap_err();

            assert_eq!(refusal.code, "ValidationException", "{expression}");
            assert!(refusal.message.starts_with("Invalid ConditionExpression: "), "{refusal:?}");
        }
    }
}
