//! The least policy for a stack file.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::Arn;
use serde_json::{Map, Value, json};

use super::{HookNames, Permission, Wildcard, hook};
use crate::{
    Plan,
    stack_file::{StackFile, StoreSettings},
};

/// What somebody wants to be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Everything: `deploy`, `plan`, `status`, steps by themselves.
    Deploy,
    /// To look: `plan` and `status`.
    Plan,
}

/// What an identity needs of IAM to work with a stack file, and nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeastPolicy {
    /// Its statements, each of which allows.
    pub statements: Vec<Statement>,
}

/// Actions that are allowed on the same resources under the same conditions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// The actions.
    pub actions: BTreeSet<&'static str>,
    /// The ARNs of the resources; `*` alone where AWS knows none.
    pub resources: BTreeSet<String>,
    /// The values that condition keys may have, ARNs written out.
    pub conditions: BTreeMap<&'static str, Vec<String>>,
    /// Why the resources are not named; `None` where they are.
    pub reason: Option<&'static str>,
}

impl LeastPolicy {
    /// The most characters that a managed policy may have, white space not counted (IAM's quotas).
    pub const MANAGED: usize = 6_144;

    /// Gathers what the steps of `plans` need: those of a move there and of the way back.
    ///
    /// Without an account in the stack file the ARNs are those of any account, of which the identity can reach
    /// its own only, and others that let it.
    pub fn of<'a>(
        file: &StackFile,
        plans: impl IntoIterator<Item = &'a Plan>,
        purpose: Purpose,
    ) -> Self {
        let wanted = of_steps(plans).filter(|it| purpose == Purpose::Deploy || it.looks());
        Self::gather(file, wanted.chain(of_store(file, purpose)).collect())
    }

    /// Gathers what the hook Lambda needs that is called `names`: all that a deployment does, and what makes a hook of it.
    pub fn for_hook<'a>(
        file: &StackFile,
        plans: impl IntoIterator<Item = &'a Plan>,
        names: &HookNames,
    ) -> Self {
        let own = hook::permissions(file, names);
        let wanted = of_steps(plans).chain(of_store(file, Purpose::Deploy)).chain(own);
        Self::gather(file, wanted.collect())
    }

    fn gather(file: &StackFile, wanted: BTreeSet<Permission>) -> Self {
        let place = Place::of(file);
        // First what is allowed on each resource, then the resources on which the same is allowed.
        let mut on: BTreeMap<(String, Option<Wildcard>), BTreeSet<&'static str>> = BTreeMap::new();
        for Permission { action, resource, wildcard } in wanted {
            on.entry((place.arn(action, &resource), wildcard)).or_default().insert(action);
        }
        let mut statements: BTreeMap<(BTreeSet<&str>, Option<Wildcard>), BTreeSet<String>> =
            BTreeMap::new();
        for ((resource, wildcard), actions) in on {
            statements.entry((actions, wildcard)).or_default().insert(resource);
        }
        let statement = |((actions, wildcard), resources): ((_, Option<Wildcard>), _)| Statement {
            actions,
            resources,
            reason: wildcard.as_ref().map(|it| it.reason),
            conditions: wildcard.map(|it| place.conditions(it.conditions)).unwrap_or_default(),
        };
        Self { statements: statements.into_iter().map(statement).collect() }
    }

    /// Returns it as IAM takes it.
    pub fn document(&self) -> Value {
        let statements: Vec<Value> = self.statements.iter().map(Statement::document).collect();
        json!({ "Version": "2012-10-17", "Statement": statements })
    }
}

/// Returns what the steps of plans need, and those that take them back.
fn of_steps<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> impl Iterator<Item = Permission> {
    plans.into_iter().flat_map(Plan::steps).flat_map(|it| {
        let undo = it.step.undo().map(|it| it.permissions()).unwrap_or_default();
        it.step.permissions().into_iter().chain(undo)
    })
}

/// Returns what the store needs that a stack file names.
///
/// A write is one transaction, which needs the permission of each of its parts and none of its own.
fn of_store(file: &StackFile, purpose: Purpose) -> Vec<Permission> {
    match &file.state.store {
        StoreSettings::File(_) => Vec::new(),
        #[cfg(feature = "dynamodb-store")]
        StoreSettings::DynamoDb(table) => {
            let (looks, writes) = (
                ["dynamodb:GetItem", "dynamodb:Query"],
                ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
            );
            let on = |actions| Permission::on(format!("table/{table}"), actions);
            match purpose {
                Purpose::Deploy => [on(&looks), on(&writes)].concat(),
                Purpose::Plan => on(&looks),
            }
        }
    }
}

impl Statement {
    fn document(&self) -> Value {
        let mut statement = json!({
            "Effect": "Allow",
            "Action": self.actions,
            "Resource": self.resources,
        });
        let mut operators: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for (key, values) in &self.conditions {
            let operator = if is_arn(key) { "ArnLike" } else { "StringEquals" };
            operators.entry(operator).or_default().insert((*key).to_owned(), json!(values));
        }
        if !operators.is_empty() {
            statement["Condition"] = json!(operators);
        }
        statement
    }
}

/// Returns whether the values of a condition key are ARNs.
fn is_arn(key: &str) -> bool {
    key.ends_with("Arn")
}

/// Where the resources of a stack file are.
struct Place<'a> {
    partition: &'static str,
    region: &'a str,
    account: &'a str,
}

impl<'a> Place<'a> {
    fn of(file: &'a StackFile) -> Self {
        let account = file.account_id.as_deref().unwrap_or("*");
        Self { partition: file.partition(), region: &file.region, account }
    }

    /// Writes out the ARN of a resource on which `action` works.
    fn arn(&self, action: &str, resource: &str) -> String {
        let Self { partition, region, account } = self;
        if resource == "*" || resource.parse::<Arn>().is_ok() {
            return resource.to_owned();
        }
        let service = action.split(':').next().unwrap_or_default();
        // Roles are in no Region.
        let region = if service == "iam" { "" } else { region };
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    fn conditions(
        &self,
        conditions: BTreeMap<&'static str, Vec<String>>,
    ) -> BTreeMap<&'static str, Vec<String>> {
        let written = |(key, values): (&'static str, Vec<String>)| {
            let value = |it: String| if is_arn(key) { self.arn(key, &it) } else { it };
            (key, values.into_iter().map(value).collect())
        };
        conditions.into_iter().map(written).collect()
    }
}

#[cfg(test)]
mod tests;
