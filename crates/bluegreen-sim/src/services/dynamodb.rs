//! DynamoDB: tables, and the items in them.

mod conditions;
mod expressions;
mod items;
mod numbers;
mod query;
mod tables;
mod transactions;
mod updates;
mod values;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

use super::{Concern, Concerns, unknown};
use crate::{Call, Lagging, Refusal, World, call::Answer};

/// What there is of DynamoDB.
#[derive(Debug, Default)]
pub struct DynamoDb {
    tables: BTreeMap<String, Table>,
    /// The transactions that were done, by their tokens: when, and what was asked.
    transactions: BTreeMap<String, (Duration, Value)>,
}

/// A table. Its keys are texts: the hash key, and the range key if it has one.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Whether AWS keeps it from being deleted.
    pub protected: bool,
    /// The Regions of its replicas.
    pub replicas: Vec<String>,
    /// The attribute that is its hash key.
    hash: String,
    /// The attribute that is its range key.
    range: Option<String>,
    /// The items, each with what reads that are not consistent may still be shown; `None` is no item.
    items: BTreeMap<Key, Lagging<Option<Item>>>,
    status: Lagging<String>,
    generation: u64,
}

/// An item: its attributes by name, each with its type as on the wire, `{"S": "open"}`.
pub type Item = Map<String, Value>;

/// The values of an item's hash key and range key.
type Key = (String, Option<String>);

impl Table {
    /// Returns its status as it really is: `CREATING`, `ACTIVE`, `UPDATING`, `DELETING`.
    pub fn status(&self) -> &str {
        self.status.real()
    }

    /// Returns the items as they really are, in the order of their keys.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values().filter_map(|it| it.real().as_ref())
    }

    /// Returns an item as it really is.
    pub fn item(&self, hash: &str, range: Option<&str>) -> Option<&Item> {
        self.items.get(&(hash.to_owned(), range.map(str::to_owned)))?.real().as_ref()
    }
}

/// What happens by itself in DynamoDB.
#[derive(Clone, Debug)]
pub enum DynamoDbEvent {
    /// A table, by its name and which of that name it is, becomes `ACTIVE`.
    Active(String, u64),
    /// So it is gone.
    Gone(String, u64),
}

impl DynamoDb {
    /// Returns a table that is there, being deleted or not.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// Returns all tables.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }
}

impl World {
    /// Adds an empty table that is `ACTIVE`, with the hash key `pk` and the range key `sk`.
    pub fn add_table(&mut self, name: &str) {
        let generation = self.next_number();
        let table = Table {
            name: name.to_owned(),
            protected: false,
            replicas: Vec::new(),
            hash: "pk".to_owned(),
            range: Some("sk".to_owned()),
            items: BTreeMap::new(),
            status: Lagging::new("ACTIVE".to_owned()),
            generation,
        };
        self.dynamodb.tables.insert(name.to_owned(), table);
    }

    /// Changes a table as no call does: its replicas.
    pub fn change_table(&mut self, name: &str, change: impl FnOnce(&mut Table)) {
        if let Some(table) = self.dynamodb.tables.get_mut(name) {
            change(table);
        }
    }

    /// Puts an item into a table, for all to see at once: `{"pk": {"S": "shop"}, "sk": {"S": "lock"}}`.
    ///
    /// # Errors
    ///
    /// What AWS would refuse, and a table that is not there.
    pub fn add_item(&mut self, table: &str, item: &Value) -> Result<(), Refusal> {
        let found = self.dynamodb.tables.get_mut(table).ok_or_else(missing)?;
        let item = values::item(Some(item), "Item")?;
        let key = found.key_in(&item)?;
        found.items.insert(key, Lagging::new(Some(item)));
        Ok(())
    }
}

pub(super) use tables::happen;

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "DeleteItem" => items::delete(world, call),
        "GetItem" => items::get(world, call),
        "PutItem" => items::put(world, call),
        "Query" => query::query(world, call),
        "TransactWriteItems" => transactions::write(world, call),
        "UpdateItem" => items::update(world, call),
        operation if operation.contains("Table") => tables::answer(world, call),
        _ => Err(unknown(call)),
    }
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    let arn = |name: &str| world.arn("dynamodb", &format!("table/{}", name_of(name)));
    if call.operation == "TransactWriteItems" {
        // A transaction needs the permission for each thing that it does, and none of its own.
        let actions = transactions::actions(&call.parameters);
        let concerns = actions.map(|(action, table)| Concern {
            action: Some(action.to_owned()),
            ..Concern::on(arn(table))
        });
        return Concerns(concerns.collect());
    }
    match call.text("TableName") {
        Some(name) => Concerns::on([arn(name)]),
        None => Concerns::everything(),
    }
}

fn name_of(name_or_arn: &str) -> &str {
    name_or_arn.rsplit('/').next().unwrap_or(name_or_arn)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::bad("ValidationException", message)
}

fn missing() -> Refusal {
    Refusal::bad("ResourceNotFoundException", "Requested resource not found")
}

/// Refuses parameters that AWS may know and that the account does not: none is passed over.
fn check_known(parameters: &Value, known: &[&str]) -> Result<(), Refusal> {
    let mut given = parameters.as_object().into_iter().flat_map(Map::keys);
    match given.find(|it| !known.contains(&it.as_str())) {
        Some(other) => Err(invalid(format!("the simulated account does not know {other}"))),
        None => Ok(()),
    }
}

/// Returns the name of the table that a request about items is for, if it serves.
///
/// A table that is `CREATING` has no items yet. One that is `DELETING` may still serve, and may not (§10).
fn serving(world: &mut World, parameters: &Value) -> Result<String, Refusal> {
    let name = parameters.get("TableName").and_then(Value::as_str).map(name_of);
    let name = name.ok_or_else(|| invalid("TableName is required"))?;
    let table = world.dynamodb.tables.get(name).ok_or_else(missing)?;
    match table.status() {
        "CREATING" => Err(missing()),
        "DELETING" if world.random.bool() => Err(missing()),
        _ => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests;
