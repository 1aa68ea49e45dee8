//! Calls about one item, and [`Write`], which transactions do several of.

use serde_json::{Value, json};

use super::{
    Item, Key, check_known,
    conditions::Condition,
    expressions::Placeholders,
    invalid, missing, serving,
    updates::Update,
    values::{self, MOST_BYTES},
};
use crate::{Call, Lagging, Refusal, World, call::Answer};

/// What every write may have.
const SHARED: [&str; 5] = [
    "TableName",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
];

/// What a write may have that stands alone. What it costs is not told, and nobody pays.
const ALONE: [&str; 3] = ["ReturnValues", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics"];

/// A write of one item, as it was asked.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) table: String,
    pub(super) key: Key,
    action: Action,
    condition: Option<Condition>,
    /// Whether the item is told when the condition does not hold.
    tells: bool,
}

/// What a write does.
#[derive(Clone, Debug)]
enum Action {
    Put(Item),
    Update(Update),
    Delete,
    /// Nothing: it is there for its condition.
    Check,
}

/// An item before a write and after it.
pub(super) type Change = (Option<Item>, Option<Item>);

/// Why a write cannot be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Failure {
    /// Its condition does not hold, of the item that is told.
    Condition(Option<Item>),
    /// The item does not allow it.
    Invalid(Refusal),
}

impl Write {
    /// Reads a write: `Put`, `Update`, `Delete`, `ConditionCheck`.
    pub(super) fn read(
        world: &mut World,
        kind: &str,
        parameters: &Value,
        more: &[&str],
    ) -> Result<Self, Refusal> {
        let own: &[&str] = match kind {
            "Put" => &["Item"],
            "Update" => &["Key", "UpdateExpression"],
            _ => &["Key"],
        };
        check_known(parameters, &[&SHARED, own, more].concat())?;
        let mut placeholders = Placeholders::of(parameters)?;
        let condition = Condition::of(parameters, &mut placeholders)?;
        let action = match kind {
            "Put" => Action::Put(values::item(parameters.get("Item"), "Item")?),
            "Update" => Action::Update(Update::of(parameters, &mut placeholders)?),
            "Delete" => Action::Delete,
            _ if condition.is_none() => return Err(invalid("ConditionExpression is required")),
            _ => Action::Check,
        };
        placeholders.check_used()?;
        let tells = match text(parameters, "ReturnValuesOnConditionCheckFailure") {
            None | Some("NONE") => false,
            Some("ALL_OLD") => true,
            Some(other) => {
                return Err(invalid(format!("{other} is no ReturnValuesOnConditionCheckFailure")));
            }
        };
        let table = serving(world, parameters)?;
        let found = world.dynamodb.tables.get(&table).ok_or_else(missing)?;
        let key = match &action {
            Action::Put(item) => found.key_in(item)?,
            _ => found.key_named(&values::item(parameters.get("Key"), "Key")?)?,
        };
        if let Action::Update(update) = &action
            && let Some(name) = update.names().find(|it| found.keys().any(|key| key == *it))
        {
            return Err(invalid(format!(
                "One or more parameter values were invalid: Cannot update attribute {name}. This attribute is \
                 part of the key"
            )));
        }
        if let Action::Put(item) = &action
            && values::size(item) > MOST_BYTES
        {
            return Err(invalid("Item size has exceeded the maximum allowed size"));
        }
        Ok(Self { table, key, action, condition, tells })
    }

    /// Decides what becomes of its item, and changes nothing yet.
    pub(super) fn decide(&self, world: &World) -> Result<Change, Failure> {
        let table = world.dynamodb.tables.get(&self.table);
        let table = table.ok_or_else(|| Failure::Invalid(missing()))?;
        let before = table.items.get(&self.key).and_then(|it| it.real().clone());
        if self.condition.as_ref().is_some_and(|it| !it.holds(before.as_ref())) {
            return Err(Failure::Condition(before.filter(|_| self.tells)));
        }
        let after = match &self.action {
            Action::Put(item) => Some(item.clone()),
            Action::Update(update) => {
                let item = before.clone().unwrap_or_else(|| table.attributes(&self.key));
                let item = update.applied(&item).map_err(Failure::Invalid)?;
                if values::size(&item) > MOST_BYTES {
                    let message = "Item size to update has exceeded the maximum allowed size";
                    return Err(Failure::Invalid(invalid(message)));
                }
                Some(item)
            }
            Action::Delete => None,
            Action::Check => before.clone(),
        };
        Ok((before, after))
    }

    /// Writes what was decided; reads that are not consistent may see it a second later.
    pub(super) fn apply(self, world: &mut World, after: Option<Item>) {
        if matches!(self.action, Action::Check) {
            return;
        }
        let now = world.now();
        let shown = now + world.times.replica.draw(&mut world.random);
        let Some(table) = world.dynamodb.tables.get_mut(&self.table) else { return };
        let held = table.items.entry(self.key).or_insert_with(|| Lagging::new(None));
        held.forget(now);
        held.set(after, shown);
    }
}

fn text<'p>(parameters: &'p Value, name: &str) -> Option<&'p str> {
    parameters.get(name).and_then(Value::as_str)
}

/// Reads what the answer of a write is to tell.
fn returned<'c>(call: &'c Call, known: &[&str]) -> Result<&'c str, Refusal> {
    let asked = call.text("ReturnValues").unwrap_or("NONE");
    match known.contains(&asked) {
        true => Ok(asked),
        false => Err(invalid(format!("Return values set to invalid value: {asked}"))),
    }
}

/// Does a write that stands alone, and returns the item before it and after it.
fn done(world: &mut World, write: Write) -> Result<Change, Refusal> {
    let (before, after) = write.decide(world).map_err(|it| match it {
        Failure::Invalid(refusal) => refusal,
        Failure::Condition(item) => Refusal {
            details: item.map(|it| json!({ "Item": it }).into()).unwrap_or_default(),
            ..Refusal::bad("ConditionalCheckFailedException", "The conditional request failed")
        },
    })?;
    write.apply(world, after.clone());
    Ok((before, after))
}

pub(super) fn put(world: &mut World, call: &Call) -> Answer {
    let returned = returned(call, &["NONE", "ALL_OLD"])?;
    let write = Write::read(world, "Put", &call.parameters, &ALONE)?;
    let (before, _) = done(world, write)?;
    Ok(json!({ "Attributes": before.filter(|_| returned == "ALL_OLD") }))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Answer {
    let returned = returned(call, &["NONE", "ALL_OLD"])?;
    let write = Write::read(world, "Delete", &call.parameters, &ALONE)?;
    let (before, _) = done(world, write)?;
    Ok(json!({ "Attributes": before.filter(|_| returned == "ALL_OLD") }))
}

pub(super) fn update(world: &mut World, call: &Call) -> Answer {
    let known = ["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"];
    let returned = returned(call, &known)?;
    let write = Write::read(world, "Update", &call.parameters, &ALONE)?;
    let updated: Vec<String> = match &write.action {
        Action::Update(update) => update.names().cloned().collect(),
        _ => Vec::new(),
    };
    let (before, after) = done(world, write)?;
    let item = if returned.ends_with("OLD") { before } else { after };
    let item = item.filter(|_| returned != "NONE").map(|mut it| {
        it.retain(|name, _| returned.starts_with("ALL") || updated.contains(name));
        it
    });
    Ok(json!({ "Attributes": item }))
}

pub(super) fn get(world: &mut World, call: &Call) -> Answer {
    let known = ["TableName", "Key", "ConsistentRead", "ReturnConsumedCapacity"];
    check_known(&call.parameters, &known)?;
    let table = serving(world, &call.parameters)?;
    let table = world.dynamodb.tables.get(&table).ok_or_else(missing)?;
    let key = table.key_named(&values::item(call.parameters.get("Key"), "Key")?)?;
    let item = table.items.get(&key).and_then(|it| seen(world, call, it));
    Ok(json!({ "Item": item }))
}

/// Returns what a read is shown: as it is, if it is to be consistent, or as it was up to a second ago.
pub(super) fn seen<'i>(
    world: &World,
    call: &Call,
    item: &'i Lagging<Option<Item>>,
) -> Option<&'i Item> {
    let consistent = call.flag("ConsistentRead").unwrap_or_default();
    if consistent { item.real() } else { item.seen(world.now()) }.as_ref()
}
