//! RPC v2 with CBOR, which CloudWatch speaks: the operation is in the path.

use ciborium::Value as Cbor;
use serde_json::{Map, Value, json};

use super::{Response, path_of};
use crate::{Refusal, call::as_time};

/// The tag of a point in time, in seconds since 1970.
const EPOCH: u64 = 1;

/// Reads the operation from `/service/NAME/operation/DescribeAlarms`.
pub(super) fn operation(uri: &str) -> String {
    path_of(uri).0.rsplit('/').next().unwrap_or_default().to_owned()
}

pub(super) fn parameters(body: &[u8]) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let value: Cbor = ciborium::from_reader(body)
        .map_err(|err| Refusal::bad("SerializationException", err.to_string()))?;
    Ok(from_cbor(value))
}

fn from_cbor(value: Cbor) -> Value {
    match value {
        Cbor::Bool(it) => it.into(),
        Cbor::Integer(it) => i64::try_from(it).map_or(Value::Null, Value::from),
        Cbor::Float(it) => it.into(),
        Cbor::Text(it) => it.into(),
        Cbor::Tag(_, it) => from_cbor(*it),
        Cbor::Array(items) => items.into_iter().map(from_cbor).collect(),
        Cbor::Map(members) => {
            let members = members.into_iter().filter_map(|(key, it)| match key {
                Cbor::Text(key) => Some((key, from_cbor(it))),
                _ => None,
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}

fn to_cbor(value: &Value) -> Cbor {
    if let Some(seconds) = as_time(value) {
        return Cbor::Tag(EPOCH, Box::new(Cbor::Float(seconds)));
    }
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(it) => Cbor::Bool(*it),
        Value::Number(it) => match it.as_i64() {
            Some(whole) => Cbor::Integer(whole.into()),
            None => Cbor::Float(it.as_f64().unwrap_or_default()),
        },
        Value::String(it) => Cbor::Text(it.clone()),
        Value::Array(items) => Cbor::Array(items.iter().map(to_cbor).collect()),
        Value::Object(members) => {
            let members = members.iter().filter(|(_, it)| !it.is_null());
            Cbor::Map(members.map(|(key, it)| (Cbor::Text(key.clone()), to_cbor(it))).collect())
        }
    }
}

pub(super) fn write(status: u16, output: &Value) -> Response {
    let mut body = Vec::new();
    ciborium::into_writer(&to_cbor(output), &mut body).expect("writing to memory does not fail");
    Response {
        status,
        headers: vec![
            ("content-type", "application/cbor".to_owned()),
            ("smithy-protocol", "rpc-v2-cbor".to_owned()),
        ],
        body,
    }
}

pub(super) fn refuse(refusal: &Refusal) -> Response {
    write(refusal.status, &json!({ "__type": refusal.code, "message": refusal.message }))
}
