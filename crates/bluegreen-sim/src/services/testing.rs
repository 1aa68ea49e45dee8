//! What the tests of the services share.

use serde_json::Value;

use crate::Call;

/// A call of the administrator.
pub(crate) fn call(service: &'static str, operation: &str, parameters: Value) -> Call {
    Call { service, operation: operation.to_owned(), parameters, access_key: None, attempt: 1 }
}
