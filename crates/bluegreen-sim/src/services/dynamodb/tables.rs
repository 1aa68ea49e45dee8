//! Calls about tables, and what becomes of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{DynamoDbEvent, Table, invalid, name_of};
use crate::{Call, Event, Lagging, Refusal, World, call::Answer, services::unknown};

pub(crate) fn happen(world: &mut World, event: DynamoDbEvent) {
    let shown = world.now();
    let tables = &mut world.dynamodb.tables;
    match event {
        DynamoDbEvent::Active(name, generation) => {
            if let Some(it) = tables.get_mut(&name).filter(|it| it.generation == generation) {
                it.status.set("ACTIVE".to_owned(), shown);
            }
        }
        DynamoDbEvent::Gone(name, generation) => {
            if tables.get(&name).is_some_and(|it| it.generation == generation) {
                tables.remove(&name);
            }
        }
    }
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "CreateTable" => create(world, call),
        "DeleteTable" => delete(world, call),
        "DescribeTable" => {
            let it = found(world, call)?;
            Ok(json!({ "Table": shown(world, it, it.status.seen(world.now())) }))
        }
        "ListTables" => {
            Ok(json!({ "TableNames": world.dynamodb.tables.keys().collect::<Vec<_>>() }))
        }
        "UpdateTable" => update(world, call),
        _ => Err(unknown(call)),
    }
}

fn found<'a>(world: &'a World, call: &Call) -> Result<&'a Table, Refusal> {
    let name = name_of(call.required("TableName")?);
    world.dynamodb.tables.get(name).ok_or_else(|| no_table(name))
}

fn table<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Table, Refusal> {
    let name = name_of(call.required("TableName")?);
    world.dynamodb.tables.get_mut(name).ok_or_else(|| no_table(name))
}

fn no_table(name: &str) -> Refusal {
    let message = format!("Requested resource not found: Table: {name} not found");
    Refusal::bad("ResourceNotFoundException", message)
}

fn shown(world: &World, table: &Table, status: &str) -> Value {
    let replicas: Vec<_> = table.replicas.iter().map(|it| json!({ "RegionName": it })).collect();
    let keys = table.keys().zip(["HASH", "RANGE"]);
    let attributes = table.keys().map(|it| json!({ "AttributeName": it, "AttributeType": "S" }));
    json!({
        "TableName": table.name,
        "TableArn": world.arn("dynamodb", &format!("table/{}", table.name)),
        "TableStatus": status,
        "KeySchema": keys
            .map(|(name, kind)| json!({ "AttributeName": name, "KeyType": kind }))
            .collect::<Vec<_>>(),
        "AttributeDefinitions": attributes.collect::<Vec<_>>(),
        "DeletionProtectionEnabled": table.protected,
        "ItemCount": 0,
        "TableSizeBytes": 0,
        "Replicas": if replicas.is_empty() { Value::Null } else { replicas.into() },
    })
}

fn delete(world: &mut World, call: &Call) -> Answer {
    let (lasts, shown_until) = (world.draw(world.times.table), world.stale_until());
    let it = table(world, call)?;
    if it.protected {
        // §10.
        return Err(Refusal::bad(
            "ValidationException",
            "Resource cannot be deleted as it is currently protected against deletion. Disable deletion \
             protection first.",
        ));
    }
    if !it.replicas.is_empty() {
        return Err(Refusal::bad(
            "ValidationException",
            "Table cannot be deleted while it has replicas in other Regions.",
        ));
    }
    match it.status() {
        // §10: to delete it again is no error.
        "DELETING" => {}
        "ACTIVE" => {
            it.status.set("DELETING".to_owned(), shown_until);
            let event = DynamoDbEvent::Gone(it.name.clone(), it.generation);
            world.schedule(lasts, Event::DynamoDb(event));
        }
        status => {
            let message =
                format!("Attempt to change a resource which is still in use: Table is {status}");
            return Err(Refusal::bad("ResourceInUseException", message));
        }
    }
    let it = found(world, call)?;
    let answer = json!({ "TableDescription": shown(world, it, it.status()) });
    let now = world.now();
    world.advance(now);
    Ok(answer)
}

fn create(world: &mut World, call: &Call) -> Answer {
    let name = call.required("TableName")?.to_owned();
    if world.dynamodb.tables.contains_key(&name) {
        let message = format!("Table already exists: {name}");
        return Err(Refusal::bad("ResourceInUseException", message));
    }
    let (hash, range) = keys(call)?;
    world.add_table(&name);
    let protected = call.flag("DeletionProtectionEnabled").unwrap_or_default();
    world.change_table(&name, |it| {
        (it.hash, it.range) = (hash, range);
        it.protected = protected;
        it.status = Lagging::new("CREATING".to_owned());
    });
    become_active(world, &name);
    let it = &world.dynamodb.tables[&name];
    Ok(json!({ "TableDescription": shown(world, it, it.status()) }))
}

/// Reads the names of a table's hash key and range key, which are both of type `S` here.
fn keys(call: &Call) -> Result<(String, Option<String>), Refusal> {
    let list = |name: &str| call.parameters.get(name).and_then(Value::as_array).cloned();
    let text = |it: &Value, name: &str| it.get(name).and_then(Value::as_str).map(str::to_owned);
    let types: BTreeMap<_, _> = list("AttributeDefinitions")
        .unwrap_or_default()
        .iter()
        .filter_map(|it| Some((text(it, "AttributeName")?, text(it, "AttributeType")?)))
        .collect();
    let schema: Vec<_> = list("KeySchema")
        .unwrap_or_default()
        .iter()
        .filter_map(|it| Some((text(it, "AttributeName")?, text(it, "KeyType")?)))
        .collect();
    for (name, _) in &schema {
        match types.get(name).map(String::as_str) {
            Some("S") => {}
            Some(kind) => {
                let message = format!("the simulated account does not know keys of type {kind}");
                return Err(invalid(message));
            }
            None => {
                return Err(invalid(format!(
                    "One or more parameter values were invalid: Some index key attributes are not defined in \
                     AttributeDefinitions. Keys: [{name}]"
                )));
            }
        }
    }
    match schema.as_slice() {
        [(hash, first)] if first == "HASH" => Ok((hash.clone(), None)),
        [(hash, first), (range, second)]
            if first == "HASH" && second == "RANGE" && hash != range =>
        {
            Ok((hash.clone(), Some(range.clone())))
        }
        _ => Err(invalid("Invalid KeySchema: expected a HASH key, and a RANGE key or none")),
    }
}

fn update(world: &mut World, call: &Call) -> Answer {
    let protected = call.flag("DeletionProtectionEnabled");
    let shown_until = world.stale_until();
    let it = table(world, call)?;
    if it.status() != "ACTIVE" {
        let message =
            format!("Attempt to change a resource which is still in use: Table is {}", it.status());
        return Err(Refusal::bad("ResourceInUseException", message));
    }
    if let Some(protected) = protected {
        it.protected = protected;
    }
    it.status.set("UPDATING".to_owned(), shown_until);
    let name = it.name.clone();
    become_active(world, &name);
    let it = &world.dynamodb.tables[&name];
    Ok(json!({ "TableDescription": shown(world, it, it.status()) }))
}

fn become_active(world: &mut World, name: &str) {
    let lasts = world.draw(world.times.table);
    let generation = world.dynamodb.tables[name].generation;
    world.schedule(lasts, Event::DynamoDb(DynamoDbEvent::Active(name.to_owned(), generation)));
    let now = world.now();
    world.advance(now);
}
