//! [`Audit`], every call that the account was asked.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

/// A call, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When it took effect or was refused, since the account was made.
    pub at: Duration,
    /// The ARN of whoever asked; empty when nobody signed.
    pub principal: String,
    /// The service, by its prefix in IAM actions.
    pub service: &'static str,
    /// The operation; of a request that cannot be read its method and path.
    pub operation: String,
    /// The parameters.
    pub parameters: Value,
    /// Which try of the client this was, from 1.
    pub attempt: u32,
    /// What came of it.
    pub outcome: Outcome,
    /// The step that was being worked on, as its id reads; `None` outside a release.
    pub step: Option<String>,
}

impl Record {
    /// Returns the operation with its service: `rds:StartDBCluster`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }

    /// Returns whether it changed what there is: taken, though its answer may have been lost.
    pub fn took_effect(&self) -> bool {
        matches!(self.outcome, Outcome::Answered | Outcome::AnswerLost) && self.is_change()
    }

    /// Returns whether the operation is one that changes something.
    pub fn is_change(&self) -> bool {
        let reads = ["Describe", "Get", "List", "BatchGet", "Query"];
        !reads.iter().any(|it| self.operation.starts_with(it))
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// AWS did what was asked, and said so.
    Answered,
    /// AWS refused, with this code.
    Refused(String),
    /// It never arrived.
    Lost,
    /// AWS did what was asked, and the answer never arrived.
    AnswerLost,
}

/// Every call, in the order in which they took effect.
#[derive(Clone, Debug, Default)]
pub struct Audit(Vec<Record>);

impl Audit {
    pub(crate) fn push(&mut self, record: Record) {
        self.0.push(record);
    }

    /// Returns all calls.
    pub fn records(&self) -> &[Record] {
        &self.0
    }

    /// Counts the calls of each operation, by service and operation: `rds:StartDBCluster`.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for record in &self.0 {
            *calls.entry(record.name()).or_default() += 1;
        }
        calls
    }
}
