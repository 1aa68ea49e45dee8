//! Task definitions: families, their revisions, and the names of their containers.

use serde_json::{Value, json};

use super::invalid;
use crate::{Call, World, call::Answer};

/// A revision of a task definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) family: String,
    /// From 1.
    pub(super) revision: usize,
    /// The names of its containers.
    pub(super) containers: Vec<String>,
}

impl World {
    /// Adds a revision of a task definition with one container, `main`, and returns its ARN.
    pub fn add_task_definition(&mut self, family: &str) -> String {
        let revision = add(self, family, vec!["main".to_owned()]);
        arn(self, family, revision)
    }
}

fn add(world: &mut World, family: &str, containers: Vec<String>) -> usize {
    let revisions = world.ecs.definitions.entry(family.to_owned()).or_default();
    revisions.push(containers);
    revisions.len()
}

pub(super) fn arn(world: &World, family: &str, revision: usize) -> String {
    world.arn("ecs", &format!("task-definition/{family}:{revision}"))
}

/// Returns the family in what a call names, an ARN or not, and the revision if it says one.
fn named(definition: &str) -> (&str, Option<usize>) {
    let name = definition.rsplit('/').next().unwrap_or(definition);
    match name.split_once(':') {
        Some((family, revision)) => (family, Some(revision.parse().unwrap_or_default())),
        None => (name, None),
    }
}

/// Returns the definition that a call names: without a revision it is the last.
pub(super) fn find(world: &World, definition: &str) -> Option<Definition> {
    let (family, revision) = named(definition);
    let revisions = world.ecs.definitions.get(family)?;
    let revision = revision.unwrap_or(revisions.len());
    let containers = revisions.get(revision.checked_sub(1)?)?.clone();
    Some(Definition { family: family.to_owned(), revision, containers })
}

/// Returns the ARN that policies know what a call names by; one that is not there has the revision 0.
pub(super) fn arn_of(world: &World, definition: &str) -> String {
    let revision = find(world, definition).map_or(0, |it| it.revision);
    arn(world, named(definition).0, revision)
}

pub(super) fn register(world: &mut World, call: &Call) -> Answer {
    let family = call.text("family").ok_or_else(|| invalid("family is required"))?.to_owned();
    let containers = call.parameters.get("containerDefinitions").and_then(Value::as_array);
    let names = containers.into_iter().flatten().filter_map(|it| it.get("name")?.as_str());
    let names = names.map(str::to_owned).collect();
    let revision = add(world, &family, names);
    let arn = arn(world, &family, revision);
    let definition = json!({ "taskDefinitionArn": arn, "family": family, "revision": revision });
    Ok(json!({ "taskDefinition": definition }))
}
