//! Deployments of the Lambda platform: an alias goes from one version of its function to another.

use serde_json::{Value, json};

use super::{Deployment, EventState};
use crate::{World, services::weigh_alias};

/// A function that is deployed: from which version its alias goes to which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    function: String,
    alias: String,
    current: String,
    target: String,
}

impl Versions {
    /// Reads what an AppSpec says of a function.
    ///
    /// # Errors
    ///
    /// Says what is missing.
    pub(super) fn read(resource: &Value) -> Result<Self, String> {
        let property = |name: &str| {
            let value = resource.get("Properties").and_then(|it| it.get(name));
            // Versions are written as numbers, too.
            let text = value.and_then(|it| match it {
                Value::Number(number) => Some(number.to_string()),
                other => other.as_str().map(str::to_owned),
            });
            text.ok_or_else(|| format!("it names no {name}"))
        };
        Ok(Self {
            function: property("Name")?,
            alias: property("Alias")?,
            current: property("CurrentVersion")?,
            target: property("TargetVersion")?,
        })
    }

    /// Returns the way back.
    pub(super) fn back(&self) -> Self {
        let (current, target) = (self.target.clone(), self.current.clone());
        Self { current, target, ..self.clone() }
    }

    /// Makes the revision that deploys it without hooks.
    pub(super) fn bare(&self) -> Value {
        let properties = json!({
            "Name": self.function,
            "Alias": self.alias,
            "CurrentVersion": self.current,
            "TargetVersion": self.target,
        });
        let function = json!({ "Type": "AWS::Lambda::Function", "Properties": properties });
        let content = json!({ "version": 0.0, "Resources": [{ "Function": function }] });
        let content = json!({ "content": content.to_string() });
        json!({ "revisionType": "AppSpecContent", "appSpecContent": content })
    }

    /// Gives so much of the traffic, in percent, to the version that is deployed.
    ///
    /// # Errors
    ///
    /// Says that there is no such alias.
    pub(super) fn weigh(&self, world: &mut World, percent: f64) -> Result<(), String> {
        let Self { function, alias, current, target } = self;
        let (version, rest) = match percent < 100.0 {
            true => (current, Some((target.clone(), percent / 100.0))),
            false => (target, None),
        };
        if weigh_alias(world, function, alias, version, rest) {
            Ok(())
        } else {
            Err(format!("the alias {alias} of {function} cannot be found"))
        }
    }

    pub(super) fn target(&self) -> String {
        format!("{}:{}", self.function, self.alias)
    }

    pub(super) fn arn(&self, world: &World) -> String {
        world.function_arn(&self.function, Some(&self.alias))
    }

    /// Shows it with the weight, from 0 to 1, that the version has which is deployed.
    pub(super) fn shown(&self, world: &World) -> Value {
        json!({
            "functionName": self.function,
            "functionAlias": self.alias,
            "currentVersion": self.current,
            "targetVersion": self.target,
            "targetVersionWeight": world.alias_weight(&self.function, &self.alias, &self.target),
        })
    }
}

/// Returns whether a deployment of a function has begun to move traffic.
pub(super) fn has_moved(deployment: &Deployment) -> bool {
    let began = |it: &super::LifecycleEvent| {
        it.name == "AllowTraffic" && !matches!(it.status, EventState::Pending | EventState::Skipped)
    };
    deployment.versions.is_some() && deployment.events.iter().any(began)
}
