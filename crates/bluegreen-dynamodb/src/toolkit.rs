//! [`DynamoDbToolkit`], the DynamoDB calls that a deployment needs, and what they answer.

use std::fmt;

use async_trait::async_trait;
use bluegreen_core::{Change, Result, StackReference};

/// The DynamoDB calls that a deployment needs.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait DynamoDbToolkit: fmt::Debug + Send + Sync {
    /// Returns the table of `stack`.
    ///
    /// Calls `dynamodb:DescribeTable`.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such table.
    async fn table(&self, stack: StackReference) -> Result<Table>;

    /// Deletes the table of `stack`, and does not wait until it is gone.
    ///
    /// A table that is missing or on its way out is [`Change::AlreadySo`]; one that is being created
    /// or updated, or one table operation too many in the account, is [`Change::NotYet`].
    ///
    /// Calls `dynamodb:DeleteTable`, and `dynamodb:DescribeTable` where DynamoDB says that the table
    /// is in use.
    ///
    /// # Errors
    ///
    /// `WrongState` for a table that is protected against deletion or has replicas.
    async fn delete_table(&self, stack: StackReference) -> Result<Change>;
}

/// A table as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its ARN.
    pub arn: String,
    /// Its status.
    pub status: TableStatus,
    /// Whether it is protected against deletion.
    pub deletion_protection: bool,
}

/// The status of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableStatus {
    /// It can be used and deleted.
    Active,
    /// It is on its way out.
    Deleting,
    /// Any other, in AWS's word, such as `CREATING`, `UPDATING` or `ARCHIVED`.
    Other(String),
}
