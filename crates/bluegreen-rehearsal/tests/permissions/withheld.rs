//! What is withheld of a policy until somebody misses it.

use std::collections::{BTreeMap, VecDeque};

use bluegreen_sim::Policy;
use serde_json::{Value, json};

/// What an identity may do: one action on one resource, under conditions.
#[derive(Clone, Debug)]
pub(crate) struct Leave {
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) conditions: Value,
}

impl Leave {
    /// Takes a policy document apart.
    pub(crate) fn all_of(document: &Value) -> Vec<Self> {
        let mut leaves = Vec::new();
        for statement in document["Statement"].as_array().unwrap() {
            for action in statement["Action"].as_array().unwrap() {
                for resource in statement["Resource"].as_array().unwrap() {
                    leaves.push(Self {
                        action: action.as_str().unwrap().to_owned(),
                        resource: resource.as_str().unwrap().to_owned(),
                        conditions: statement.get("Condition").cloned().unwrap_or_default(),
                    });
                }
            }
        }
        leaves
    }

    fn statement(&self) -> Value {
        let Self { action, resource, conditions } = self;
        let mut statement = json!({ "Effect": "Allow", "Action": action, "Resource": resource });
        if conditions.is_object() {
            statement["Condition"] = conditions.clone();
        }
        statement
    }
}

/// Puts a policy together.
pub(crate) fn policy(leaves: &[Leave]) -> Policy {
    let statements: Vec<Value> = leaves.iter().map(Leave::statement).collect();
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    Policy::parse(&policy.to_string()).unwrap()
}

/// What is withheld, by action: of each action one leave at a time. So whoever complains of an action has all other
/// leaves of it, and what is withheld of other actions would not have helped: it is the one leave that they miss.
#[derive(Debug, Default)]
pub(crate) struct Withheld {
    next: BTreeMap<String, VecDeque<Change>>,
    /// What nobody misses.
    pub(crate) set_aside: Vec<Change>,
}

/// How a policy is less than it should be.
#[derive(Debug)]
pub(crate) struct Change {
    /// The number of the leave.
    at: usize,
    /// What there is instead.
    instead: Option<Leave>,
    how: String,
}

impl Change {
    pub(crate) fn told(&self, leaves: &[Leave]) -> String {
        let Leave { action, resource, .. } = &leaves[self.at];
        format!("{action} on {resource} {}", self.how)
    }
}

impl Withheld {
    /// Withholds each leave as a whole, and lets each have something else for each of its conditions.
    pub(crate) fn each(leaves: &[Leave]) -> Self {
        let mut withheld = Self::default();
        for (at, leave) in leaves.iter().enumerate() {
            let changes = withheld.next.entry(leave.action.clone()).or_default();
            // Production goes to b first: what it takes there, which comes last, is withheld first.
            changes.push_front(Change { at, instead: None, how: "without it".to_owned() });
            for (place, value) in values(&leave.conditions) {
                let mut narrowed = leave.clone();
                *narrowed.conditions.pointer_mut(&place).unwrap() = json!(["something-else"]);
                let how = format!("with something else than {value}");
                changes.push_front(Change { at, instead: Some(narrowed), how });
            }
        }
        withheld
    }

    /// Returns what is left of `leaves`.
    pub(crate) fn from(&self, leaves: &[Leave]) -> Vec<Leave> {
        let changes: BTreeMap<usize, &Change> =
            self.next.values().filter_map(VecDeque::front).map(|it| (it.at, it)).collect();
        let left = leaves.iter().enumerate().filter_map(|(at, leave)| match changes.get(&at) {
            Some(change) => change.instead.clone(),
            None => Some(leave.clone()),
        });
        left.collect()
    }

    /// Gives back what somebody complains of, and withholds the next of those actions instead.
    ///
    /// # Errors
    ///
    /// The complaint, if it names nothing that is withheld.
    pub(crate) fn give_back(&mut self, complaint: &str) -> Result<(), String> {
        let lacks =
            |action: &String| complaint.contains(&format!("lacks the permission `{action}`"));
        let named: Vec<String> = self.next.keys().filter(|it| lacks(it)).cloned().collect();
        named.iter().for_each(|it| drop(self.pass(it)));
        if named.is_empty() { Err(complaint.to_owned()) } else { Ok(()) }
    }

    /// Gives back what nobody misses, and withholds the next of each action instead.
    pub(crate) fn set_aside(&mut self) {
        let actions: Vec<String> = self.next.keys().cloned().collect();
        let changes: Vec<Change> = actions.iter().filter_map(|it| self.pass(it)).collect();
        self.set_aside.extend(changes);
    }

    fn pass(&mut self, action: &str) -> Option<Change> {
        let changes = self.next.get_mut(action)?;
        let passed = changes.pop_front();
        if changes.is_empty() {
            self.next.remove(action);
        }
        passed
    }

    /// Returns how much is withheld, or will be.
    pub(crate) fn count(&self) -> usize {
        self.next.values().map(VecDeque::len).sum()
    }
}

/// Returns the values of all conditions, with their places.
fn values(conditions: &Value) -> Vec<(String, &Value)> {
    let operators = conditions.as_object().into_iter().flatten();
    operators
        .flat_map(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.map(move |(key, value)| {
                (format!("/{operator}/{}", key.replace('~', "~0").replace('/', "~1")), value)
            })
        })
        .collect()
}
