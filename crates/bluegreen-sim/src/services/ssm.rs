//! SSM: parameters, each with all its versions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Concerns, unknown};
use crate::{
    Call, Refusal, World,
    call::{Answer, time},
};

/// The longest value of a parameter, in bytes: of the standard tier, and of the advanced one.
const LONGEST: usize = 4 * 1024;
const LONGEST_ADVANCED: usize = 8 * 1024;

/// What there is of SSM.
#[derive(Debug, Default)]
pub struct Ssm {
    parameters: BTreeMap<String, Parameter>,
}

#[derive(Debug)]
struct Parameter {
    kind: String,
    /// From version 1 on, each with the time of day at which it came.
    versions: Vec<(String, f64)>,
}

impl Ssm {
    /// Returns the latest value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let last = self.parameters.get(name)?.versions.last();
        last.map(|(value, _)| value.as_str())
    }
}

impl World {
    /// Adds a parameter of the type `String`, or a version to it; returns the number of the version, from 1.
    pub fn add_parameter(&mut self, name: &str, value: &str) -> usize {
        put(self, name, "String", value)
    }
}

fn put(world: &mut World, name: &str, kind: &str, value: &str) -> usize {
    let now = world.seconds();
    let parameter = world.ssm.parameters.entry(name.to_owned());
    let parameter =
        parameter.or_insert_with(|| Parameter { kind: kind.to_owned(), versions: Vec::new() });
    parameter.versions.push((value.to_owned(), now));
    parameter.versions.len()
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "GetParameter" => get(world, call),
        "PutParameter" => {
            let (name, value) = (call.required("Name")?, call.required("Value")?);
            let is_advanced = call.text("Tier") == Some("Advanced");
            let longest = if is_advanced { LONGEST_ADVANCED } else { LONGEST };
            if value.len() > longest {
                let message = format!("Value has more than {longest} bytes");
                return Err(Refusal::bad("ValidationException", message));
            }
            let is_there = world.ssm.parameters.contains_key(name);
            if is_there && call.flag("Overwrite") != Some(true) {
                let message = "The parameter already exists. To overwrite this value, set the \
                               overwrite option in the request to true.";
                return Err(Refusal::bad("ParameterAlreadyExists", message));
            }
            let version = put(world, name, call.text("Type").unwrap_or("String"), value);
            let tier = if is_advanced { "Advanced" } else { "Standard" };
            Ok(json!({ "Version": version, "Tier": tier }))
        }
        _ => Err(unknown(call)),
    }
}

/// Takes name and version from what a call names a parameter by: a name or an ARN, with or without a version.
fn named(world: &World, text: &str) -> (String, Option<String>) {
    let prefix = world.arn("ssm", "parameter");
    let name = match text.strip_prefix(&prefix) {
        // In an ARN a name without slashes has one before it all the same.
        Some(path) if path.matches('/').count() == 1 => path.trim_start_matches('/'),
        Some(path) => path,
        None => text,
    };
    match name.split_once(':') {
        Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
        None => (name.to_owned(), None),
    }
}

fn arn(world: &World, name: &str) -> String {
    world.arn("ssm", &format!("parameter/{}", name.trim_start_matches('/')))
}

fn get(world: &World, call: &Call) -> Answer {
    let (name, version) = named(world, call.required("Name")?);
    // What was put with a slash before its only part is named so.
    let found = world.ssm.parameters.get_key_value(&name);
    let found = found.or_else(|| world.ssm.parameters.get_key_value(&format!("/{name}")));
    let Some((name, parameter)) = found else {
        return Err(Refusal::bad("ParameterNotFound", ""));
    };
    let number = match &version {
        None => parameter.versions.len(),
        Some(it) => it.parse().unwrap_or_default(),
    };
    let value = number.checked_sub(1).and_then(|at| parameter.versions.get(at));
    let Some((value, changed)) = value else {
        let message = format!("Systems Manager could not find version {number} of {name}");
        return Err(Refusal::bad("ParameterVersionNotFound", message));
    };
    Ok(json!({ "Parameter": {
        "Name": name,
        "Type": parameter.kind,
        "Value": value,
        "Version": number,
        "Selector": version.map(|it| format!(":{it}")),
        "LastModifiedDate": time(*changed),
        "ARN": arn(world, name),
        "DataType": "text",
    }}))
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    let name = call.parameters.get("Name").and_then(Value::as_str);
    name.map_or_else(Concerns::everything, |it| Concerns::on([arn(world, &named(world, it).0)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, services::testing::call};

    fn code(answer: Answer) -> String {
        answer.unwrap_err().code
    }

    #[test]
    fn every_put_makes_a_version_and_the_last_is_read() {
        let mut world = World::new(&Settings::default());
        let name = "/shop/bluegreen";
        let get = |name: String| call("ssm", "GetParameter", json!({ "Name": name }));
        world.add_parameter(name, "one");
        let again = json!({ "Name": name, "Value": "two", "Overwrite": true });

        let put = answer(&mut world, &call("ssm", "PutParameter", again)).unwrap();
        let last = answer(&mut world, &get(name.to_owned())).unwrap();
        let first = answer(&mut world, &get(format!("{name}:1"))).unwrap();
        let whole = get(arn(&world, name));
        let by_arn = answer(&mut world, &whole).unwrap();

        assert_eq!(put["Version"], 2);
        assert_eq!(
            (&last["Parameter"]["Value"], &last["Parameter"]["Version"]),
            (&json!("two"), &json!(2))
        );
        assert_eq!(first["Parameter"]["Value"], "one");
        assert_eq!(by_arn["Parameter"]["Value"], "two");
    }

    #[test]
    fn what_is_not_there_or_there_already_or_too_long_is_refused() {
        let mut world = World::new(&Settings::default());
        world.add_parameter("mine", "one");
        let get = call("ssm", "GetParameter", json!({ "Name": "other" }));
        let version = call("ssm", "GetParameter", json!({ "Name": "mine:2" }));
        let put =
            |value: &str| call("ssm", "PutParameter", json!({ "Name": "mine", "Value": value }));

        assert_eq!(code(answer(&mut world, &get)), "ParameterNotFound");
        assert_eq!(code(answer(&mut world, &version)), "ParameterVersionNotFound");
        assert_eq!(code(answer(&mut world, &put("two"))), "ParameterAlreadyExists");
        assert_eq!(code(answer(&mut world, &put(&"x".repeat(4097)))), "ValidationException");
        assert_eq!(world.ssm.parameter("mine"), Some("one"));
    }
}
