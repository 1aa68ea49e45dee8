//! Lambda: functions, aliases, and the event source mappings that really consume.

mod invoking;
mod mappings;
mod outside;
mod polling;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use self::invoking::Batch;
pub(crate) use self::outside::{Answered, Origin, invoke_for, told};
pub(crate) use self::polling::arrived;
pub use self::{invoking::Invocation, mappings::Mapping, outside::PendingInvocation};
pub(super) use self::{mappings::switch, polling::happen};
use super::{Concerns, unknown};
use crate::{
    Call, Refusal, World,
    call::{Answer, time},
};

/// What there is of Lambda.
#[derive(Debug, Default)]
pub struct Lambda {
    functions: BTreeMap<String, Function>,
    mappings: BTreeMap<String, Mapping>,
    invocations: Vec<Invocation>,
    /// The batches of streams, by function.
    batches: BTreeMap<String, Vec<Batch>>,
    outside: outside::Outside,
}

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// How long it may take, in seconds.
    pub timeout: u32,
    /// What it answers when it is invoked; `Err` is its own error. Without one it answers what it was sent.
    pub answer: Option<Result<String, String>>,
    /// How long it takes to answer.
    lasts: Duration,
    versions: u32,
    aliases: BTreeMap<String, Alias>,
}

#[derive(Clone, Debug)]
struct Alias {
    version: String,
    weights: BTreeMap<String, f64>,
}

/// What happens by itself in Lambda.
#[derive(Clone, Debug)]
pub enum LambdaEvent {
    /// A mapping, by its UUID and how often it was changed, ends its transition.
    Settled(String, u64),
    /// A mapping looks for messages.
    Poll(String),
    /// A mapping's function has processed messages of a source.
    Processed {
        /// The mapping.
        uuid: String,
        /// The function's name.
        function: String,
        /// The ARN of the source.
        source: String,
        /// The messages.
        numbers: Vec<u64>,
    },
    /// A function inside the account answers an invocation, by its id.
    Answered(u64, Result<String, String>),
    /// A function has not answered an invocation, by its id, within its timeout.
    TimedOut(u64),
    /// An asynchronous invocation is tried again.
    Again {
        /// The function's name.
        function: String,
        /// What it is sent.
        payload: String,
        /// Which try this is, from 1.
        attempt: u32,
    },
    /// A schedule, by its number, comes round.
    Scheduled(usize),
}

impl Lambda {
    /// Returns all mappings that there are.
    pub fn mappings(&self) -> impl Iterator<Item = &Mapping> {
        self.mappings.values()
    }

    /// Returns all functions.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.values()
    }
}

impl World {
    /// Adds a function.
    pub fn add_function(&mut self, name: &str, timeout_seconds: u32) {
        let function = Function {
            name: name.to_owned(),
            timeout: timeout_seconds,
            answer: None,
            lasts: Duration::ZERO,
            versions: 1,
            aliases: BTreeMap::new(),
        };
        self.lambda.functions.insert(name.to_owned(), function);
    }

    /// Adds an alias of a function, which runs version 1.
    pub fn add_alias(&mut self, function: &str, alias: &str) {
        if let Some(it) = self.lambda.functions.get_mut(function) {
            let added = Alias { version: "1".to_owned(), weights: BTreeMap::new() };
            it.aliases.insert(alias.to_owned(), added);
        }
    }

    /// Returns how much of the traffic of an alias a version gets, from 0 to 1; none where there is no such alias.
    pub fn alias_weight(&self, function: &str, alias: &str, version: &str) -> Option<f64> {
        let alias = self.lambda.functions.get(function)?.aliases.get(alias)?;
        let others: f64 = alias.weights.values().sum();
        let own = if alias.version == version { 1.0 - others } else { 0.0 };
        Some(alias.weights.get(version).copied().unwrap_or(own))
    }

    /// Returns the ARN of a function, or of an alias of it.
    pub fn function_arn(&self, name: &str, alias: Option<&str>) -> String {
        match alias {
            Some(alias) => self.arn("lambda", &format!("function:{name}:{alias}")),
            None => self.arn("lambda", &format!("function:{name}")),
        }
    }
}

/// Gives an alias its version, and one other the rest of its weight; returns whether there is the alias.
pub(crate) fn weigh_alias(
    world: &mut World,
    function: &str,
    alias: &str,
    version: &str,
    other: Option<(String, f64)>,
) -> bool {
    let function = world.lambda.functions.get_mut(&named(function).0);
    let Some(alias) = function.and_then(|it| it.aliases.get_mut(alias)) else { return false };
    alias.version = version.to_owned();
    alias.weights = other.into_iter().collect();
    true
}

/// Returns whether there is a function, by what the API takes for one.
pub(crate) fn has_function(world: &World, function: &str) -> bool {
    world.lambda.functions.contains_key(&named(function).0)
}

/// Takes name and qualifier from what the API takes for a function: a name, an ARN, either with a qualifier.
fn named(function: &str) -> (String, Option<String>) {
    let name = function.split("function:").last().unwrap_or(function);
    match name.split_once(':') {
        Some((name, qualifier)) => (name.to_owned(), Some(qualifier.to_owned())),
        None => (name.to_owned(), None),
    }
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "CreateAlias" => create_alias(world, call),
        "CreateFunction" => create_function(world, call),
        "DeleteFunction" => {
            let (name, _) = named(required(call, "FunctionName")?);
            outside::removed(world, &name);
            world
                .lambda
                .functions
                .remove(&name)
                .map(|_| json!({}))
                .ok_or_else(|| missing("Function"))
        }
        "GetAlias" => get_alias(world, call),
        "GetFunction" => {
            let (name, qualifier) = function_of(world, call)?;
            Ok(json!({ "Configuration": configuration(world, &name, qualifier.as_deref()) }))
        }
        "GetFunctionConfiguration" => {
            let (name, qualifier) = function_of(world, call)?;
            Ok(configuration(world, &name, qualifier.as_deref()))
        }
        "Invoke" => invoking::invoke(world, call),
        "ListAliases" => {
            let (name, _) = function_of(world, call)?;
            let aliases = world.lambda.functions[&name].aliases.iter();
            let aliases = aliases.map(|(alias, it)| shown_alias(world, &name, alias, it));
            Ok(json!({ "Aliases": aliases.collect::<Vec<_>>() }))
        }
        "ListFunctions" => {
            let names = world.lambda.functions.keys();
            Ok(
                json!({ "Functions": names.map(|it| configuration(world, it, None)).collect::<Vec<_>>() }),
            )
        }
        "PublishVersion" => {
            let (name, _) = function_of(world, call)?;
            // §6.2: without a change there is no new version.
            let version = world.lambda.functions[&name].versions.to_string();
            Ok(configuration(world, &name, Some(&version)))
        }
        "UpdateAlias" => update_alias(world, call),
        operation
            if operation.ends_with("EventSourceMapping")
                || operation.ends_with("EventSourceMappings") =>
        {
            mappings::answer(world, call)
        }
        _ => Err(unknown(call)),
    }
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    match call.operation.as_str() {
        "GetEventSourceMapping" | "UpdateEventSourceMapping" | "DeleteEventSourceMapping" => {
            let uuid = call.text("UUID").unwrap_or("*");
            let arn = world.arn("lambda", &format!("event-source-mapping:{uuid}"));
            let function = world.lambda.mappings.get(uuid).map(|it| it.function_arn.clone());
            let concerns = Concerns::on([arn]);
            match function {
                Some(function) => concerns.given("lambda:FunctionArn", &function),
                None => concerns,
            }
        }
        "CreateEventSourceMapping" | "ListEventSourceMappings" | "ListFunctions" => {
            Concerns::everything()
        }
        operation => {
            let (name, qualifier) = named(call.text("FunctionName").unwrap_or("*"));
            let qualifier = qualifier.or_else(|| call.text("Qualifier").map(str::to_owned));
            let qualifier = qualifier.filter(|_| operation == "Invoke");
            Concerns::on([world.function_arn(&name, qualifier.as_deref())])
        }
    }
}

fn required<'a>(call: &'a Call, name: &str) -> Result<&'a str, Refusal> {
    call.text(name).ok_or_else(|| invalid(format!("{name} is required")))
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::bad("InvalidParameterValueException", message)
}

fn missing(what: &str) -> Refusal {
    Refusal::new(404, "ResourceNotFoundException", format!("{what} not found"))
}

fn function_of(world: &World, call: &Call) -> Result<(String, Option<String>), Refusal> {
    let (name, qualifier) = named(required(call, "FunctionName")?);
    let qualifier = qualifier.or_else(|| call.text("Qualifier").map(str::to_owned));
    let Some(function) = world.lambda.functions.get(&name) else {
        return Err(missing(&format!("Function: {}", world.function_arn(&name, None))));
    };
    if let Some(it) = &qualifier {
        let is_version =
            it == "$LATEST" || it.parse::<u32>().is_ok_and(|it| it <= function.versions);
        if !is_version && !function.aliases.contains_key(it) {
            return Err(missing(&format!("Function: {}", world.function_arn(&name, Some(it)))));
        }
    }
    Ok((name, qualifier))
}

fn configuration(world: &World, name: &str, qualifier: Option<&str>) -> Value {
    let function = &world.lambda.functions[name];
    let version = match qualifier {
        None => "$LATEST".to_owned(),
        Some(it) => function.aliases.get(it).map_or_else(|| it.to_owned(), |it| it.version.clone()),
    };
    json!({
        "FunctionName": name,
        "FunctionArn": world.function_arn(name, qualifier),
        "Version": version,
        "Timeout": function.timeout,
        "State": "Active",
        "LastUpdateStatus": "Successful",
    })
}

fn shown_alias(world: &World, function: &str, name: &str, alias: &Alias) -> Value {
    let routing =
        (!alias.weights.is_empty()).then(|| json!({ "AdditionalVersionWeights": alias.weights }));
    json!({
        "AliasArn": world.function_arn(function, Some(name)),
        "Name": name,
        "FunctionVersion": alias.version,
        "RoutingConfig": routing,
    })
}

fn get_alias(world: &mut World, call: &Call) -> Answer {
    let (function, _) = named(required(call, "FunctionName")?);
    let name = required(call, "Name")?;
    let alias = world.lambda.functions.get(&function).and_then(|it| it.aliases.get(name));
    let alias = alias.ok_or_else(|| missing(&format!("Alias {name} of {function}")))?;
    Ok(shown_alias(world, &function, name, alias))
}

fn create_alias(world: &mut World, call: &Call) -> Answer {
    let (function, _) = function_of(world, call)?;
    let name = required(call, "Name")?.to_owned();
    world.add_alias(&function, &name);
    update_alias(world, call)
}

fn update_alias(world: &mut World, call: &Call) -> Answer {
    let (function, _) = function_of(world, call)?;
    let name = required(call, "Name")?;
    let it = world.lambda.functions.get_mut(&function).and_then(|it| it.aliases.get_mut(name));
    let it = it.ok_or_else(|| missing(&format!("Alias {name}")))?;
    if let Some(version) = call.text("FunctionVersion") {
        it.version = version.to_owned();
    }
    // §6.2: without a routing the weights stay; an empty one clears them.
    if let Some(routing) = call.parameters.get("RoutingConfig") {
        let weights = routing.get("AdditionalVersionWeights").and_then(Value::as_object);
        let weights = weights.into_iter().flatten();
        it.weights =
            weights.filter_map(|(version, it)| Some((version.clone(), it.as_f64()?))).collect();
    }
    let it = it.clone();
    Ok(shown_alias(world, &function, name, &it))
}

fn create_function(world: &mut World, call: &Call) -> Answer {
    let name = required(call, "FunctionName")?.to_owned();
    if world.lambda.functions.contains_key(&name) {
        let message = format!("Function already exist: {name}");
        return Err(Refusal::new(409, "ResourceConflictException", message));
    }
    let timeout = call.number("Timeout").and_then(|it| u32::try_from(it).ok()).unwrap_or(3);
    world.add_function(&name, timeout);
    Ok(configuration(world, &name, None))
}

/// Returns a point in time as mappings show it.
fn now(world: &World) -> Value {
    time(world.seconds())
}
