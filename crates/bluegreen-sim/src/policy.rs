//! IAM policies (being written).

use std::collections::BTreeMap;

/// A policy.
#[derive(Clone, Debug)]
pub struct Policy {}

/// What a policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allowed,
    /// A statement says no.
    ExplicitDeny,
    /// No statement says yes.
    ImplicitDeny,
}

/// What is asked of a policy.
#[derive(Clone, Debug)]
pub struct Request {
    /// The action.
    pub action: String,
    /// The resource.
    pub resource: String,
    /// The values of condition keys.
    pub conditions: BTreeMap<String, Vec<String>>,
}

impl Policy {
    /// Decides.
    pub fn decide(&self, _request: &Request) -> Decision {
        Decision::Allowed
    }
}
