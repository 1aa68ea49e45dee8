//! [`Permission`], an IAM action on a resource, and [`LeastPolicy`], all that a stack file needs of them.

mod hook;
mod policy;

use std::collections::BTreeMap;

use serde::Serialize;

pub use hook::HookNames;
pub use policy::{LeastPolicy, Purpose, Statement};

/// An IAM action on a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Permission {
    /// The action: `rds:StartDBCluster`.
    pub action: &'static str,
    /// The resource's ARN, or its last part where account and Region are those of the stack file:
    /// `cluster:orders-b`; `*` where AWS knows no resource.
    pub resource: String,
    /// Why the resource is not named, and what narrows it instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wildcard: Option<Wildcard>,
}

/// Why a permission is on more than one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Wildcard {
    /// Why, as a sentence without its end.
    pub reason: &'static str,
    /// The condition keys that narrow it, with the values that they may have: `lambda:FunctionArn`. ARNs are
    /// written like those of resources.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<&'static str, Vec<String>>,
}

impl Permission {
    /// Makes the permissions for several actions on one resource.
    pub fn on(resource: impl Into<String>, actions: &[&'static str]) -> Vec<Self> {
        let resource = resource.into();
        let on = |&action| Self { action, resource: resource.clone(), wildcard: None };
        actions.iter().map(on).collect()
    }

    /// Makes the permissions for several actions on all resources that `resource` can stand for.
    pub fn across(
        resource: impl Into<String>,
        wildcard: Wildcard,
        actions: &[&'static str],
    ) -> Vec<Self> {
        let on = |it| Self { wildcard: Some(wildcard.clone()), ..it };
        Self::on(resource, actions).into_iter().map(on).collect()
    }

    /// Makes the permissions for actions for which AWS knows no resource.
    pub fn unlimited(actions: &[&'static str]) -> Vec<Self> {
        Self::across("*", Wildcard::because("AWS knows no resource for these actions"), actions)
    }

    /// Returns whether the action is one by which steps look, and not one by which, or in the course of which,
    /// they change something.
    pub fn looks(&self) -> bool {
        // The first is asked only when a stream takes no more consumers, the second only to delete a cluster.
        if ["kinesis:ListStreamConsumers", "rds:DescribeDBClusterSnapshots"].contains(&self.action)
        {
            return false;
        }
        let operation = self.action.split(':').nth(1).unwrap_or_default();
        ["Describe", "Get", "List"].iter().any(|it| operation.starts_with(it))
    }
}

impl Wildcard {
    /// Says why a resource is not named.
    pub fn because(reason: &'static str) -> Self {
        Self { reason, conditions: BTreeMap::new() }
    }

    /// Narrows it: the condition key must have one of these values.
    pub fn given(mut self, key: &'static str, values: &[&str]) -> Self {
        self.conditions.insert(key, values.iter().map(|&it| it.to_owned()).collect());
        self
    }
}
