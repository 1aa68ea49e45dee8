//! REST with JSON, which Lambda speaks: the operation is in method and path.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{Request, Response, json as plain_json, path_of};
use crate::{Call, Refusal};

/// The routes of Lambda: method, path with its parameters, operation.
const ROUTES: [(&str, &str, &str); 16] = [
    ("GET", "functions", "ListFunctions"),
    ("POST", "functions", "CreateFunction"),
    ("GET", "functions/{FunctionName}", "GetFunction"),
    ("DELETE", "functions/{FunctionName}", "DeleteFunction"),
    ("GET", "functions/{FunctionName}/configuration", "GetFunctionConfiguration"),
    ("POST", "functions/{FunctionName}/invocations", "Invoke"),
    ("POST", "functions/{FunctionName}/versions", "PublishVersion"),
    ("GET", "functions/{FunctionName}/aliases", "ListAliases"),
    ("POST", "functions/{FunctionName}/aliases", "CreateAlias"),
    ("GET", "functions/{FunctionName}/aliases/{Name}", "GetAlias"),
    ("PUT", "functions/{FunctionName}/aliases/{Name}", "UpdateAlias"),
    ("GET", "event-source-mappings", "ListEventSourceMappings"),
    ("POST", "event-source-mappings", "CreateEventSourceMapping"),
    ("GET", "event-source-mappings/{UUID}", "GetEventSourceMapping"),
    ("PUT", "event-source-mappings/{UUID}", "UpdateEventSourceMapping"),
    ("DELETE", "event-source-mappings/{UUID}", "DeleteEventSourceMapping"),
];

/// The member that holds a body which is no JSON of the protocol's own.
pub(super) const PAYLOAD: &str = "Payload";

/// Reads operation and parameters.
pub(super) fn read(request: &Request) -> Result<(String, Value), Refusal> {
    let (path, query) = path_of(&request.uri);
    // The first part is the version of the API.
    let parts: Vec<_> = path.split('/').filter(|it| !it.is_empty()).skip(1).collect();
    let found = ROUTES
        .iter()
        .filter(|(method, ..)| *method == request.method)
        .find_map(|(_, route, operation)| Some((*operation, matched(route, &parts)?)));
    let (operation, mut parameters) = found.ok_or_else(|| {
        let what = format!("nobody answers {} {path}", request.method);
        Refusal::new(404, "UnknownOperationException", what)
    })?;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters.insert(key.into_owned(), value.into_owned().into());
    }
    if operation == "Invoke" {
        let payload = String::from_utf8_lossy(&request.body).into_owned();
        parameters.insert(PAYLOAD.to_owned(), payload.into());
        if !request.invocation_type.is_empty() {
            let invocation_type = request.invocation_type.clone();
            parameters.insert("InvocationType".to_owned(), invocation_type.into());
        }
    } else if let Value::Object(body) = plain_json::parameters(&request.body)? {
        parameters.extend(body);
    }
    Ok((operation.to_owned(), Value::Object(parameters)))
}

fn matched(route: &str, parts: &[&str]) -> Option<Map<String, Value>> {
    let route: Vec<_> = route.split('/').collect();
    if route.len() != parts.len() {
        return None;
    }
    let mut parameters = Map::new();
    for (expected, part) in route.iter().zip(parts) {
        match expected.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
            Some(name) => {
                let value = percent_decode_str(part).decode_utf8_lossy().into_owned();
                parameters.insert(name.to_owned(), value.into());
            }
            None if expected == part => {}
            None => return None,
        }
    }
    Some(parameters)
}

pub(super) fn write(call: &Call, output: &Value) -> Response {
    let status = match call.operation.as_str() {
        "CreateEventSourceMapping" | "UpdateEventSourceMapping" | "DeleteEventSourceMapping" => 202,
        operation if operation.starts_with("Create") || operation == "PublishVersion" => 201,
        _ => 200,
    };
    let mut headers = vec![("content-type", "application/json".to_owned())];
    if call.operation != "Invoke" {
        return Response {
            status,
            headers,
            body: plain_json::plain(output).to_string().into_bytes(),
        };
    }
    let status = output.get("StatusCode").and_then(Value::as_u64);
    let status = status.and_then(|it| u16::try_from(it).ok()).unwrap_or(200);
    let text = |name: &str| output.get(name).and_then(Value::as_str).map(str::to_owned);
    headers.extend(text("ExecutedVersion").map(|it| ("x-amz-executed-version", it)));
    headers.extend(text("FunctionError").map(|it| ("x-amz-function-error", it)));
    Response { status, headers, body: text(PAYLOAD).unwrap_or_default().into_bytes() }
}

pub(super) fn refuse(refusal: &Refusal) -> Response {
    let body = json!({ "Type": "User", "message": refusal.message, "Message": refusal.message });
    Response {
        status: refusal.status,
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("x-amzn-errortype", refusal.code.clone()),
        ],
        body: body.to_string().into_bytes(),
    }
}
