//! AWS JSON 1.0 and 1.1: the operation in a header, JSON in both bodies.

use serde_json::{Map, Number, Value, json};

use super::Response;
use crate::{Refusal, call::as_time};

/// Reads the operation from `AmazonSQS.PurgeQueue`.
pub(super) fn operation(target: &str) -> String {
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

pub(super) fn parameters(body: &[u8]) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body)
        .map_err(|err| Refusal::bad("SerializationException", err.to_string()))
}

pub(super) fn write(version: &str, output: &Value) -> Response {
    response(version, 200, &plain(output))
}

pub(super) fn refuse(version: &str, refusal: &Refusal) -> Response {
    let mut body = json!({ "__type": refusal.code, "message": refusal.message });
    if let (Value::Object(body), Value::Object(details)) = (&mut body, plain(&refusal.details)) {
        body.extend(details);
    }
    let mut response = response(version, refusal.status, &body);
    if let Some(code) = &refusal.query_code {
        response.headers.push(("x-amzn-query-error", format!("{code};Sender")));
    }
    response
}

fn response(version: &str, status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: vec![("content-type", format!("application/x-amz-json-{version}"))],
        body: body.to_string().into_bytes(),
    }
}

/// Writes points in time as JSON does: seconds since 1970.
pub(super) fn plain(value: &Value) -> Value {
    if let Some(seconds) = as_time(value) {
        return Number::from_f64(seconds).map_or(Value::Null, Value::Number);
    }
    match value {
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => {
            let members = members.iter().filter(|(_, it)| !it.is_null());
            Value::Object(members.map(|(key, it)| (key.clone(), plain(it))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}
