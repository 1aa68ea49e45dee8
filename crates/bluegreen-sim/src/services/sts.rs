//! STS, which says who asks.

use serde_json::json;

use crate::{Call, World, call::Answer};

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "GetCallerIdentity" => Ok(json!({
            "Account": world.account,
            "Arn": world.asking,
            "UserId": call.access_key,
        })),
        _ => Err(super::unknown(call)),
    }
}
