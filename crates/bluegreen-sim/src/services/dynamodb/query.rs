//! Queries: the items of one hash key, page by page.

use serde_json::{Value, json};

use super::{
    Key, Table, check_known,
    expressions::{Placeholders, Reader},
    invalid, items, missing, serving, values,
};
use crate::{Call, Refusal, World, call::Answer};

/// How large a page is at most, in bytes.
const PAGE: usize = 1024 * 1024;

/// What a query may have.
const KNOWN: [&str; 9] = [
    "TableName",
    "KeyConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ScanIndexForward",
    "Limit",
    "ExclusiveStartKey",
    "ConsistentRead",
    "ReturnConsumedCapacity",
];

/// Which items a query is about.
#[derive(Debug)]
struct Wanted {
    hash: String,
    /// How the range key compares with a text: `=`, `begins_with`.
    range: Option<(&'static str, String)>,
}

impl Wanted {
    /// Reads `pk = :x`, `pk = :x AND sk >= :y` and `pk = :x AND begins_with(sk, :y)`.
    fn of(parameters: &Value, table: &Table) -> Result<Self, Refusal> {
        let mut placeholders = Placeholders::of(parameters)?;
        let reader = Reader::of(parameters, "KeyConditionExpression", &mut placeholders)?;
        let mut reader = reader.ok_or_else(|| {
            invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
        })?;
        let (mut hash, mut range) = (None, None);
        loop {
            let (name, comparator, value) = term(&mut reader)?;
            let place = if name == table.hash {
                &mut hash
            } else if table.range.as_ref() == Some(&name) {
                &mut range
            } else {
                let what =
                    format!("Query key condition not supported: {name} is no key of the table");
                return Err(invalid(what));
            };
            if place.replace((comparator, value)).is_some() {
                return Err(
                    reader.wrong("KeyConditionExpressions must only contain one condition per key")
                );
            }
            if !reader.passes("AND") {
                break;
            }
        }
        reader.end()?;
        placeholders.check_used()?;
        match hash {
            Some(("=", hash)) => Ok(Self { hash, range }),
            Some(_) => Err(invalid("Query key condition not supported")),
            None => {
                Err(invalid(format!("Query condition missed key schema element: {}", table.hash)))
            }
        }
    }

    fn matches(&self, (hash, range): &Key) -> bool {
        let range = range.as_deref().unwrap_or_default();
        let matches = match &self.range {
            None => true,
            Some(("=", it)) => range == it,
            Some(("<", it)) => range < it.as_str(),
            Some(("<=", it)) => range <= it.as_str(),
            Some((">", it)) => range > it.as_str(),
            Some((">=", it)) => range >= it.as_str(),
            Some((_, it)) => range.starts_with(it.as_str()),
        };
        *hash == self.hash && matches
    }
}

fn term(reader: &mut Reader<'_>) -> Result<(String, &'static str, String), Refusal> {
    if reader.passes_symbol("(") {
        let term = reader.deeper(term)?;
        reader.pass(")")?;
        return Ok(term);
    }
    let function = reader.passes_function();
    if let Some(other) = function.as_ref().filter(|it| *it != "begins_with") {
        return Err(reader.wrong(&format!("Invalid function name; function: {other}")));
    }
    let name = reader.attribute()?;
    let comparator = match &function {
        Some(_) => reader.pass(",").map(|()| "begins_with")?,
        None => {
            let comparator = reader.passes_any(&["=", "<=", ">=", "<", ">"]);
            comparator.ok_or_else(|| reader.unexpected())?
        }
    };
    let value = reader.passes_value()?.ok_or_else(|| reader.unexpected())?;
    let text = value.get("S").and_then(Value::as_str).map(str::to_owned);
    let text = text.ok_or_else(|| {
        invalid("One or more parameter values were invalid: Condition parameter type does not match schema type")
    })?;
    if function.is_some() {
        reader.pass(")")?;
    }
    Ok((name, comparator, text))
}

pub(super) fn query(world: &mut World, call: &Call) -> Answer {
    check_known(&call.parameters, &KNOWN)?;
    let table = serving(world, &call.parameters)?;
    let table = world.dynamodb.tables.get(&table).ok_or_else(missing)?;
    let wanted = Wanted::of(&call.parameters, table)?;
    let limit = match call.number("Limit") {
        None => usize::MAX,
        Some(it) => usize::try_from(it)
            .ok()
            .filter(|it| *it > 0)
            .ok_or_else(|| invalid("Limit must be greater than or equal to 1"))?,
    };
    let from = match call.parameters.get("ExclusiveStartKey") {
        None | Some(Value::Null) => None,
        start => {
            let key = table.key_named(&values::item(start, "ExclusiveStartKey")?)?;
            if !wanted.matches(&key) {
                return Err(invalid(
                    "The provided starting key is outside query boundaries based on provided conditions",
                ));
            }
            Some(key)
        }
    };
    let forward = call.flag("ScanIndexForward").unwrap_or(true);
    let mut found: Vec<_> = table
        .items
        .range((wanted.hash.clone(), None)..)
        .take_while(|(key, _)| key.0 == wanted.hash)
        .filter(|(key, _)| wanted.matches(key))
        .filter(|(key, _)| match &from {
            Some(from) if forward => *key > from,
            Some(from) => *key < from,
            None => true,
        })
        .filter_map(|(key, it)| Some((key, items::seen(world, call, it)?)))
        .collect();
    if !forward {
        found.reverse();
    }
    let mut bytes = 0;
    let fits = |(_, item): &&(&Key, &super::Item)| {
        bytes += values::size(item);
        bytes <= PAGE
    };
    let page: Vec<_> = found.iter().take(limit).take_while(fits).collect();
    // A page that is full says where it ends, whether or not anything comes after it.
    let full = page.len() == limit || page.len() < found.len();
    let last = page.last().filter(|_| full).map(|(key, _)| table.attributes(key));
    Ok(json!({
        "Items": page.iter().map(|(_, item)| item).collect::<Vec<_>>(),
        "Count": page.len(),
        "ScannedCount": page.len(),
        "LastEvaluatedKey": last,
    }))
}
