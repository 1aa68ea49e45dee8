//! What the tests of DynamoDB share.

mod items;
mod queries;
mod tables;
mod transactions;
mod wire;

use serde_json::json;

use super::*;
use crate::{Settings, services::testing::call};

/// An account with the empty table `releases`, in which everything that is read is up to date.
fn releases() -> World {
    let mut world = World::new(&Settings::default());
    world.times.replica = crate::Range::seconds(0, 0);
    world.add_table("releases");
    world
}

/// The key of the lock of the shop.
fn key() -> Value {
    json!({ "pk": { "S": "shop" }, "sk": { "S": "lock" } })
}

/// The lock of the shop, which somebody has.
fn lock(holder: &str) -> Value {
    json!({ "pk": { "S": "shop" }, "sk": { "S": "lock" }, "holder": { "S": holder } })
}

/// Asks for something of the table `releases`.
fn ask(world: &mut World, operation: &str, parameters: Value) -> Answer {
    let parameters = with(parameters, json!({ "TableName": "releases" }));
    answer(world, &call("dynamodb", operation, parameters))
}

fn put(world: &mut World, table: &str, item: Value, more: Value) -> Answer {
    let parameters = with(json!({ "TableName": table, "Item": item }), more);
    answer(world, &call("dynamodb", "PutItem", parameters))
}

fn get(world: &mut World) -> Value {
    ask(world, "GetItem", json!({ "Key": key(), "ConsistentRead": true })).unwrap()["Item"].clone()
}

/// Adds members to parameters.
fn with(mut parameters: Value, more: Value) -> Value {
    if let (Value::Object(parameters), Value::Object(more)) = (&mut parameters, more) {
        parameters.extend(more);
    }
    parameters
}
