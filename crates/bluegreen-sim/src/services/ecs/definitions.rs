//! Task definitions: families, their revisions, the containers of each and the roles of its tasks.

use serde_json::{Value, json};

use super::invalid;
use crate::{Call, Refusal, World, call::Answer};

/// A revision of a task definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) family: String,
    /// From 1.
    pub(super) revision: u32,
    pub(super) containers: Vec<Container>,
    /// The ARNs of the roles that its tasks get, and ECS for them.
    pub(super) roles: Vec<String>,
    /// Its tags, as AWS shows them.
    pub(super) tags: Vec<Value>,
}

/// A container of a task definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) name: String,
    /// Whether a task stops when it ends.
    pub(super) essential: bool,
    /// The variables of its environment, as AWS shows them.
    pub(super) environment: Vec<Value>,
    pub(super) image: Option<String>,
}

impl Definition {
    pub(super) fn names(&self) -> Vec<String> {
        self.containers.iter().map(|it| it.name.clone()).collect()
    }
}

impl World {
    /// Adds a revision of a task definition with one container, `main`, and a role of the family's name; returns its
    /// ARN.
    pub fn add_task_definition(&mut self, family: &str) -> String {
        let revision = next(self, family);
        self.add_task_revision(family, revision)
    }

    /// Adds such a revision with this number, whether or not there are those before it.
    pub fn add_task_revision(&mut self, family: &str, revision: u32) -> String {
        let containers = vec![Container::named("main", Vec::new())];
        let role = format!("arn:{}:iam::{}:role/{family}", self.partition, self.account);
        let family = family.to_owned();
        add(self, Definition { family, revision, containers, roles: vec![role], tags: Vec::new() })
    }

    /// Adds a revision of a task definition with one container that has these variables in its environment, and with
    /// these tags, each with a name and a value; returns its ARN.
    pub fn add_task_definition_with(
        &mut self,
        family: &str,
        container: &str,
        environment: &[(&str, &str)],
        tags: &[(&str, &str)],
    ) -> String {
        let variable = |(name, value): &(&str, &str)| json!({ "name": name, "value": value });
        let tag = |(key, value): &(&str, &str)| json!({ "key": key, "value": value });
        let environment = environment.iter().map(variable).collect();
        let definition = Definition {
            family: family.to_owned(),
            revision: next(self, family),
            containers: vec![Container::named(container, environment)],
            roles: Vec::new(),
            tags: tags.iter().map(tag).collect(),
        };
        add(self, definition)
    }

    /// Returns whether there is the task definition, `family` or `family:revision`.
    pub fn has_task_definition(&self, definition: &str) -> bool {
        find(self, definition).is_some()
    }
}

impl Container {
    fn named(name: &str, environment: Vec<Value>) -> Self {
        Self { name: name.to_owned(), essential: true, environment, image: None }
    }
}

fn add(world: &mut World, definition: Definition) -> String {
    let Definition { family, revision, .. } = &definition;
    let arn = arn(world, family, *revision);
    let revisions = world.ecs.definitions.entry(family.clone()).or_default();
    revisions.insert(*revision, definition);
    arn
}

/// Returns the number of the next revision of a family.
fn next(world: &World, family: &str) -> u32 {
    let last = world.ecs.definitions.get(family).and_then(|it| it.keys().next_back());
    last.map_or(1, |it| it.saturating_add(1))
}

pub(super) fn arn(world: &World, family: &str, revision: u32) -> String {
    world.arn("ecs", &format!("task-definition/{family}:{revision}"))
}

/// Returns the family in what a call names, an ARN or not, and the revision if it says one.
fn named(definition: &str) -> (&str, Option<u32>) {
    let name = definition.rsplit('/').next().unwrap_or(definition);
    match name.split_once(':') {
        Some((family, revision)) => (family, Some(revision.parse().unwrap_or_default())),
        None => (name, None),
    }
}

/// Returns the definition that a call names: without a revision it is the last.
pub(super) fn find<'a>(world: &'a World, definition: &str) -> Option<&'a Definition> {
    let (family, revision) = named(definition);
    let revisions = world.ecs.definitions.get(family)?;
    match revision {
        Some(revision) => revisions.get(&revision),
        None => revisions.values().next_back(),
    }
}

/// Returns the ARN that policies know what a call names by; one that is not there has the revision 0.
pub(super) fn arn_of(world: &World, definition: &str) -> String {
    let revision = find(world, definition).map_or(0, |it| it.revision);
    arn(world, named(definition).0, revision)
}

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let named = call.text("taskDefinition").ok_or_else(|| invalid("taskDefinition is required"))?;
    let found = find(world, named)
        .ok_or_else(|| Refusal::bad("ClientException", "Unable to describe task definition."))?;
    let tags = call.texts("include").contains(&"TAGS").then(|| found.tags.clone());
    Ok(json!({ "taskDefinition": shown(world, found), "tags": tags }))
}

fn shown(world: &World, definition: &Definition) -> Value {
    let Definition { family, revision, containers, roles, .. } = definition;
    let containers = containers.iter().map(|it| {
        json!({
            "name": it.name,
            "image": it.image,
            "essential": it.essential,
            "environment": it.environment,
        })
    });
    json!({
        "taskDefinitionArn": arn(world, family, *revision),
        "family": family,
        "revision": revision,
        "status": "ACTIVE",
        "containerDefinitions": containers.collect::<Vec<_>>(),
        "executionRoleArn": roles.first(),
        "taskRoleArn": roles.get(1),
    })
}

pub(super) fn register(world: &mut World, call: &Call) -> Answer {
    let family = call.text("family").ok_or_else(|| invalid("family is required"))?.to_owned();
    let containers = call.parameters.get("containerDefinitions").and_then(Value::as_array);
    let container = |it: &Value| {
        let name = it.get("name")?.as_str()?.to_owned();
        let environment = it.get("environment").and_then(Value::as_array).cloned();
        Some(Container {
            // What is not said to be otherwise is essential.
            essential: it.get("essential") != Some(&Value::Bool(false)),
            image: it.get("image").and_then(Value::as_str).map(str::to_owned),
            ..Container::named(&name, environment.unwrap_or_default())
        })
    };
    let tags = call.parameters.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
    let roles = ["executionRoleArn", "taskRoleArn"].into_iter();
    let definition = Definition {
        revision: next(world, &family),
        containers: containers.into_iter().flatten().filter_map(container).collect(),
        roles: roles.filter_map(|it| call.text(it)).map(str::to_owned).collect(),
        tags: tags.clone(),
        family,
    };
    let shown = shown(world, &definition);
    add(world, definition);
    let tags = (!tags.is_empty()).then_some(tags);
    Ok(json!({ "taskDefinition": shown, "tags": tags }))
}
