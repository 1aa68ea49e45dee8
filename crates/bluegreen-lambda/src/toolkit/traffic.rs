//! [`LambdaTrafficToolkit`], the looks at a function whose alias moves from one stack to the other.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use bluegreen_core::Result;

use super::Alias;

/// The Lambda calls that show which version of a function has the traffic of an alias.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait LambdaTrafficToolkit: fmt::Debug + Send + Sync {
    /// Returns the alias `name` of `function`.
    ///
    /// Calls `lambda:GetAlias`.
    ///
    /// # Errors
    ///
    /// `NotFound` when function or alias does not exist; `Incomplete` when the answer lacks ARN or version.
    async fn traffic_alias(&self, function: &str, name: &str) -> Result<Alias>;

    /// Returns the environment variables of a version of `function`. Values may be secret.
    ///
    /// Calls `lambda:GetFunctionConfiguration`.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such version. Where Lambda could not decrypt the variables, that is an error, not an
    /// empty environment.
    async fn environment(&self, function: &str, version: &str) -> Result<BTreeMap<String, String>>;
}
