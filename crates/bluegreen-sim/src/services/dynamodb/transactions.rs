//! Transactions: several writes, all of which are done, or none.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::{
    invalid,
    items::{Failure, Write},
    values,
};
use crate::{Call, Refusal, World, call::Answer};

/// How many writes a transaction has at most, and how large its items are together, in bytes.
const MOST: usize = 100;
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// How long a transaction that was done is known by its token, and how long that is.
const KNOWN_FOR: Duration = Duration::from_secs(600);
const LONGEST_TOKEN: usize = 36;

/// What a transaction can do, each with the permission that it needs.
const KINDS: [(&str, &str); 4] = [
    ("Put", "dynamodb:PutItem"),
    ("Update", "dynamodb:UpdateItem"),
    ("Delete", "dynamodb:DeleteItem"),
    ("ConditionCheck", "dynamodb:ConditionCheckItem"),
];

/// Returns the permissions that a transaction needs, each with the table that it is for.
pub(super) fn actions(parameters: &Value) -> impl Iterator<Item = (&'static str, &str)> {
    entries(parameters).iter().flat_map(|entry| {
        KINDS.iter().filter_map(move |(kind, action)| {
            let table = entry.get(kind)?.get("TableName")?.as_str()?;
            Some((*action, table))
        })
    })
}

fn entries(parameters: &Value) -> &[Value] {
    let entries = parameters.get("TransactItems").and_then(Value::as_array);
    entries.map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn write(world: &mut World, call: &Call) -> Answer {
    let known = [
        "TransactItems",
        "ClientRequestToken",
        "ReturnConsumedCapacity",
        "ReturnItemCollectionMetrics",
    ];
    super::check_known(&call.parameters, &known)?;
    let entries = entries(&call.parameters);
    if entries.is_empty() || entries.len() > MOST {
        return Err(invalid(format!(
            "Value at 'transactItems' failed to satisfy constraint: Member must have length between 1 and {MOST}"
        )));
    }
    let token = call.text("ClientRequestToken").map(str::to_owned);
    if token.as_ref().is_some_and(|it| it.len() > LONGEST_TOKEN) {
        return Err(invalid(format!(
            "Value at 'clientRequestToken' failed to satisfy constraint: Member must have length less than or \
             equal to {LONGEST_TOKEN}"
        )));
    }
    let asked = &call.parameters["TransactItems"];
    if was_done(world, token.as_deref(), asked)? {
        return Ok(json!({}));
    }
    let writes = read(world, entries)?;

    let decided: Vec<_> = writes.iter().map(|it| it.decide(world)).collect();

    if decided.iter().any(Result::is_err) {
        return Err(cancelled(decided.into_iter().map(Result::err)));
    }
    for (write, (_, after)) in writes.into_iter().zip(decided.into_iter().flatten()) {
        write.apply(world, after);
    }
    if let Some(token) = token {
        let now = world.now();
        world.dynamodb.transactions.insert(token, (now, asked.clone()));
    }
    Ok(json!({}))
}

/// Returns whether the transaction with this token has been done already: it is not done again.
fn was_done(world: &mut World, token: Option<&str>, asked: &Value) -> Result<bool, Refusal> {
    let now = world.now();
    world.dynamodb.transactions.retain(|_, (at, _)| now < *at + KNOWN_FOR);
    match token.and_then(|it| world.dynamodb.transactions.get(it)) {
        None => Ok(false),
        Some((_, same)) if same == asked => Ok(true),
        Some(_) => Err(Refusal::bad(
            "IdempotentParameterMismatchException",
            "The request uses the same client token as a previous, but non-identical request.",
        )),
    }
}

fn read(world: &mut World, entries: &[Value]) -> Result<Vec<Write>, Refusal> {
    let (mut writes, mut keys, mut bytes) = (Vec::new(), BTreeSet::new(), 0);
    for entry in entries {
        let members = entry.as_object().filter(|it| it.len() == 1);
        let found = members.and_then(|it| it.iter().next());
        let found = found.filter(|(kind, _)| KINDS.iter().any(|(known, _)| known == kind));
        let (kind, parameters) = found.ok_or_else(|| {
            invalid(
                "TransactItems can only contain one of Check, Put, Update or Delete in each of its members",
            )
        })?;
        let write = Write::read(world, kind, parameters, &[])?;
        if !keys.insert((write.table.clone(), write.key.clone())) {
            return Err(invalid(
                "Transaction request cannot include multiple operations on one item",
            ));
        }
        bytes += parameters.get("Item").and_then(Value::as_object).map_or(0, values::size);
        writes.push(write);
    }
    if bytes > MOST_BYTES {
        return Err(invalid("The items of a transaction have more than 4 MB together"));
    }
    Ok(writes)
}

/// Says of each write of a transaction why it was not done: of those that could have been, `None`.
fn cancelled(failures: impl Iterator<Item = Option<Failure>>) -> Refusal {
    let reasons: Vec<_> = failures
        .map(|it| match it {
            None => json!({ "Code": "None" }),
            Some(Failure::Condition(item)) => json!({
                "Code": "ConditionalCheckFailed",
                "Message": "The conditional request failed",
                "Item": item,
            }),
            Some(Failure::Invalid(it)) => {
                json!({ "Code": "ValidationError", "Message": it.message })
            }
        })
        .collect();
    let codes: Vec<_> = reasons.iter().filter_map(|it| it["Code"].as_str()).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    Refusal {
        details: json!({ "Message": message, "CancellationReasons": reasons }).into(),
        ..Refusal::bad("TransactionCanceledException", message)
    }
}
