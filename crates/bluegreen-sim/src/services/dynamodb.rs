//! DynamoDB: tables.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Concerns, unknown};
use crate::{Call, Event, Lagging, Refusal, World, call::Answer};

/// What there is of DynamoDB.
#[derive(Debug, Default)]
pub struct DynamoDb {
    tables: BTreeMap<String, Table>,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Whether AWS keeps it from being deleted.
    pub protected: bool,
    /// The Regions of its replicas.
    pub replicas: Vec<String>,
    status: Lagging<String>,
    generation: u64,
}

impl Table {
    /// Returns its status as it really is: `CREATING`, `ACTIVE`, `UPDATING`, `DELETING`.
    pub fn status(&self) -> &str {
        self.status.real()
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
    /// Adds a table that is `ACTIVE`.
    pub fn add_table(&mut self, name: &str) {
        let generation = self.next_number();
        let table = Table {
            name: name.to_owned(),
            protected: false,
            replicas: Vec::new(),
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
}

pub(super) fn happen(world: &mut World, event: DynamoDbEvent) {
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
            let table = table(world, call)?.clone();
            Ok(json!({ "Table": shown(world, &table, table.status.seen(world.now())) }))
        }
        "ListTables" => {
            Ok(json!({ "TableNames": world.dynamodb.tables.keys().collect::<Vec<_>>() }))
        }
        "UpdateTable" => update(world, call),
        _ => Err(unknown(call)),
    }
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    match call.text("TableName") {
        Some(name) => Concerns::on([world.arn("dynamodb", &format!("table/{}", name_of(name)))]),
        None => Concerns::everything(),
    }
}

fn name_of(name_or_arn: &str) -> &str {
    name_or_arn.rsplit('/').next().unwrap_or(name_or_arn)
}

fn table<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Table, Refusal> {
    let name = name_of(call.required("TableName")?);
    world.dynamodb.tables.get_mut(name).ok_or_else(|| {
        let message = format!("Requested resource not found: Table: {name} not found");
        Refusal::bad("ResourceNotFoundException", message)
    })
}

fn shown(world: &World, table: &Table, status: &str) -> serde_json::Value {
    let replicas: Vec<_> = table.replicas.iter().map(|it| json!({ "RegionName": it })).collect();
    json!({
        "TableName": table.name,
        "TableArn": world.arn("dynamodb", &format!("table/{}", table.name)),
        "TableStatus": status,
        "DeletionProtectionEnabled": table.protected,
        "ItemCount": 0,
        "TableSizeBytes": 0,
        "Replicas": if replicas.is_empty() { serde_json::Value::Null } else { replicas.into() },
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
    let it = table(world, call)?.clone();
    let answer = json!({ "TableDescription": shown(world, &it, it.status()) });
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
    world.add_table(&name);
    let protected = call.flag("DeletionProtectionEnabled").unwrap_or_default();
    world.change_table(&name, |it| {
        it.protected = protected;
        it.status = Lagging::new("CREATING".to_owned());
    });
    become_active(world, &name);
    let it = world.dynamodb.tables[&name].clone();
    Ok(json!({ "TableDescription": shown(world, &it, it.status()) }))
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
    let it = world.dynamodb.tables[&name].clone();
    Ok(json!({ "TableDescription": shown(world, &it, it.status()) }))
}

fn become_active(world: &mut World, name: &str) {
    let lasts = world.draw(world.times.table);
    let generation = world.dynamodb.tables[name].generation;
    world.schedule(lasts, Event::DynamoDb(DynamoDbEvent::Active(name.to_owned(), generation)));
    let now = world.now();
    world.advance(now);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Range, Settings, services::testing::call};

    fn ask(world: &mut World, operation: &str) -> Answer {
        answer(world, &call("dynamodb", operation, json!({ "TableName": "sessions-a" })))
    }

    fn world() -> World {
        let mut world = World::new(&Settings::default());
        world.add_table("sessions-a");
        world
    }

    #[test]
    fn a_table_is_deleting_for_a_while_and_then_it_is_not_there() {
        let mut world = world();
        world.times.stale = Range::seconds(2, 2);

        ask(&mut world, "DeleteTable").unwrap();
        let early = ask(&mut world, "DescribeTable").unwrap();
        world.advance(Duration::from_secs(2));
        let seen = ask(&mut world, "DescribeTable").unwrap();
        let again = ask(&mut world, "DeleteTable");
        world.advance(Duration::from_secs(600));
        let gone = ask(&mut world, "DescribeTable").unwrap_err();

        assert_eq!(early["Table"]["TableStatus"], "ACTIVE", "a reader is told late");
        assert_eq!(seen["Table"]["TableStatus"], "DELETING");
        assert!(again.is_ok(), "to delete it again is no error");
        assert_eq!(gone.code, "ResourceNotFoundException");
    }

    #[test]
    fn a_protected_table_stays() {
        let mut world = world();
        world.change_table("sessions-a", |it| it.protected = true);

        let refusal = ask(&mut world, "DeleteTable").unwrap_err();

        assert_eq!(refusal.code, "ValidationException");
        assert!(refusal.message.contains("protected against deletion"));
    }

    #[test]
    fn a_table_with_replicas_stays() {
        let mut world = world();
        world.change_table("sessions-a", |it| it.replicas.push("eu-central-1".to_owned()));

        let refusal = ask(&mut world, "DeleteTable").unwrap_err();

        assert!(refusal.message.contains("replicas"));
    }

    #[test]
    fn a_table_that_is_being_changed_is_in_use() {
        let mut world = world();
        ask(&mut world, "UpdateTable").unwrap();

        let refusal = ask(&mut world, "DeleteTable").unwrap_err();
        world.advance(Duration::from_secs(600));

        assert_eq!(refusal.code, "ResourceInUseException");
        assert!(ask(&mut world, "DeleteTable").is_ok());
    }
}
