//! [`Update`], what an update makes of an item.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Item,
    expressions::{Placeholders, Reader},
    invalid, values,
};
use crate::Refusal;

/// What an `UpdateExpression` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Update {
    set: Vec<(String, Sum)>,
    remove: Vec<String>,
}

/// A term, and what is added to it or taken from it.
#[derive(Clone, Debug, PartialEq)]
struct Sum {
    first: Term,
    more: Option<(&'static str, Term)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Attribute(String),
    Value(Value),
    /// `if_not_exists(a, :x)`.
    Else(String, Box<Term>),
}

impl Update {
    /// Reads the update of a request; one without an expression changes nothing.
    pub(super) fn of(parameters: &Value, placeholders: &mut Placeholders) -> Result<Self, Refusal> {
        let mut update = Self::default();
        let reader = Reader::of(parameters, "UpdateExpression", placeholders)?;
        let Some(mut reader) = reader else { return Ok(update) };
        let mut sections = BTreeSet::new();
        loop {
            let section =
                ["SET", "REMOVE", "ADD", "DELETE"].into_iter().find(|it| reader.passes(it));
            let Some(section) = section else { break };
            if !sections.insert(section) {
                return Err(reader.wrong(&format!(
                    "The \"{section}\" section can only be used once in an update expression;"
                )));
            }
            match section {
                "SET" => update.read_set(&mut reader)?,
                "REMOVE" => update.read_remove(&mut reader)?,
                _ => {
                    let what = format!("the simulated account does not know the section {section}");
                    return Err(reader.wrong(&what));
                }
            }
        }
        if sections.is_empty() {
            return Err(reader.unexpected());
        }
        reader.end()?;
        let mut names = BTreeSet::new();
        if let Some(twice) = update.names().find(|it| !names.insert(*it)) {
            return Err(reader.wrong(&format!(
                "Two document paths overlap with each other; must remove or rewrite one of these paths; path \
                 one: [{twice}], path two: [{twice}]"
            )));
        }
        Ok(update)
    }

    fn read_set(&mut self, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        loop {
            let name = reader.attribute()?;
            reader.pass("=")?;
            let first = term(reader)?;
            let sign = reader.passes_any(&["+", "-"]);
            let more = sign.map(|it| term(reader).map(|term| (it, term))).transpose()?;
            self.set.push((name, Sum { first, more }));
            if !reader.passes_symbol(",") {
                return Ok(());
            }
        }
    }

    fn read_remove(&mut self, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        loop {
            self.remove.push(reader.attribute()?);
            if !reader.passes_symbol(",") {
                return Ok(());
            }
        }
    }

    /// Returns the names of the attributes that it sets or removes.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.set.iter().map(|(name, _)| name).chain(&self.remove)
    }

    /// Returns what it makes of an item: every term is what there was before.
    pub(super) fn applied(&self, before: &Item) -> Result<Item, Refusal> {
        let mut after = before.clone();
        for (name, sum) in &self.set {
            after.insert(name.clone(), sum.of(before)?);
        }
        for name in &self.remove {
            after.remove(name);
        }
        Ok(after)
    }
}

impl Sum {
    fn of(&self, item: &Item) -> Result<Value, Refusal> {
        let first = self.first.of(item)?;
        let Some((sign, second)) = &self.more else { return Ok(first) };
        let second = second.of(item)?;
        let numbers = values::number(&first).zip(values::number(&second));
        let (first, second) = numbers.ok_or_else(|| {
            invalid("An operand in the update expression has an incorrect data type")
        })?;
        Ok(json!({ "N": first.plus(second, *sign == "-")?.to_string() }))
    }
}

impl Term {
    fn of(&self, item: &Item) -> Result<Value, Refusal> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Attribute(name) => item.get(name).cloned().ok_or_else(|| {
                invalid(
                    "The provided expression refers to an attribute that does not exist in the item",
                )
            }),
            Self::Else(name, other) => item.get(name).cloned().map_or_else(|| other.of(item), Ok),
        }
    }
}

fn term(reader: &mut Reader<'_>) -> Result<Term, Refusal> {
    if let Some(value) = reader.passes_value()? {
        return Ok(Term::Value(value));
    }
    let Some(function) = reader.passes_function() else {
        return reader.attribute().map(Term::Attribute);
    };
    match function.as_str() {
        "if_not_exists" => {
            let name = reader.attribute()?;
            reader.pass(",")?;
            let other = reader.deeper(term)?;
            reader.pass(")")?;
            Ok(Term::Else(name, Box::new(other)))
        }
        "list_append" => {
            Err(reader.wrong("the simulated account does not know the function list_append"))
        }
        _ => Err(reader.wrong(&format!("Invalid function name; function: {function}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(expression: &str) -> Result<Update, Refusal> {
        let parameters = json!({
            "UpdateExpression": expression,
            "ExpressionAttributeNames": { "#s": "state" },
            "ExpressionAttributeValues": { ":one": { "N": "1" }, ":x": { "S": "x" } },
        });
        let mut placeholders = Placeholders::of(&parameters)?;
        Update::of(&parameters, &mut placeholders)
    }

    fn applied(expression: &str) -> Result<Value, Refusal> {
        let item = json!({ "fence": { "N": "5" }, "state": { "S": "open" } });
        let update = read(expression)?;
        update.applied(item.as_object().unwrap()).map(Value::Object)
    }

    #[test]
    fn attributes_are_set_counted_and_removed_from_what_there_was_before() {
        for (expression, expected) in [
            (
                "SET #s = :x, fence = fence + :one",
                json!({ "fence": { "N": "6" }, "state": { "S": "x" } }),
            ),
            (
                "SET fence = fence - :one, old = fence REMOVE #s",
                json!({ "fence": { "N": "4" }, "old": { "N": "5" } }),
            ),
            ("remove #s, nothing", json!({ "fence": { "N": "5" } })),
            (
                "SET fence = if_not_exists(fence, :one) + :one, n = if_not_exists(n, :one)",
                json!({ "fence": { "N": "6" }, "n": { "N": "1" }, "state": { "S": "open" } }),
            ),
        ] {
            assert_eq!(applied(expression).unwrap(), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_and_not_guessed() {
        for expression in [
            "",
            "SET",
            "SET fence",
            "SET fence = ",
            "SET fence = 1",
            "SET fence = :one + :one + :one",
            "SET fence = :one,",
            "SET fence = :one SET n = :one",
            "SET fence = :one REMOVE fence",
            "SET state = :x",
            "SET a.b = :x",
            "REMOVE :x",
            "ADD fence :one",
            "DELETE fence :one",
            "SET fence = list_append(fence, :one)",
            "SET fence = nonsense(fence)",
            "fence = :one",
        ] {
            let refusal = read(expression).unwrap_err();

            assert_eq!(refusal.code, "ValidationException", "{expression}");
            assert!(refusal.message.starts_with("Invalid UpdateExpression: "), "{refusal:?}");
        }
    }

    #[test]
    fn a_sum_needs_numbers_that_are_there() {
        for (expression, message) in [
            ("SET n = n + :one", "refers to an attribute that does not exist"),
            ("SET #s = #s + :one", "incorrect data type"),
            ("SET n = :x + :one", "incorrect data type"),
        ] {
            let refusal = applied(expression).unwrap_err();

            assert!(refusal.message.contains(message), "{expression}: {refusal:?}");
        }
    }
}
