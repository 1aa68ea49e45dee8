//! The protocols of AWS: reading calls and writing answers.
//!
//! Which protocol a request speaks is read off the request, not off the service: SDKs of other languages speak
//! others. Whatever it is, parameters and answers are JSON values with AWS's own names in them.

mod cbor;
mod json;
mod query;
mod rest;

use serde_json::Value;

use crate::{Call, Refusal};

/// What arrives.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The path with its query, with or without scheme and host before it.
    pub uri: String,
    /// The header `content-type`.
    pub content_type: String,
    /// The header `x-amz-target`.
    pub target: String,
    /// The header `authorization`.
    pub authorization: String,
    /// The header `amz-sdk-request`, in which SDKs count their tries: `attempt=2; max=3`.
    pub attempt: String,
    /// The header `x-amz-invocation-type`: `Event`, `RequestResponse`, `DryRun`.
    pub invocation_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What is sent back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// How calls and answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Names in a header, JSON in the body: 1.0 or 1.1.
    Json(&'static str),
    /// A form in, XML out.
    Query,
    /// Paths and methods, with JSON in the body.
    Rest,
    /// A path with the operation's name, CBOR in the body.
    Cbor,
}

/// A request that cannot be read, with the protocol in which to say so.
type Unreadable = (Protocol, Refusal);

/// Reads a request.
pub(crate) fn read(request: &Request) -> Result<(Protocol, Call), Unreadable> {
    let scope = Scope::of(&request.authorization);
    let (protocol, operation, parameters) = if request.uri.contains("/operation/") {
        (Protocol::Cbor, cbor::operation(&request.uri), cbor::parameters(&request.body))
    } else if !request.target.is_empty() {
        let version = if request.content_type.contains("1.0") { "1.0" } else { "1.1" };
        (Protocol::Json(version), json::operation(&request.target), json::parameters(&request.body))
    } else if request.content_type.starts_with("application/x-www-form-urlencoded") {
        let (operation, parameters) =
            query::read(&request.body).map_err(|it| (Protocol::Query, it))?;
        (Protocol::Query, operation, Ok(parameters))
    } else {
        let (operation, parameters) = rest::read(request).map_err(|it| (Protocol::Rest, it))?;
        (Protocol::Rest, operation, Ok(parameters))
    };
    let parameters = parameters.map_err(|it| (protocol, it))?;
    let Some(service) = scope.service.or_else(|| service_of(request, protocol)) else {
        let refusal =
            Refusal::bad("UnknownOperationException", format!("nobody answers `{operation}`"));
        return Err((protocol, refusal));
    };
    let attempt = attempt(&request.attempt);
    Ok((protocol, Call { service, operation, parameters, access_key: scope.access_key, attempt }))
}

/// Returns what is known of a request that cannot be read: its operation is method and path.
pub(crate) fn unread(request: &Request) -> Call {
    let scope = Scope::of(&request.authorization);
    Call {
        service: scope.service.unwrap_or_default(),
        operation: format!("{} {}", request.method, path_of(&request.uri).0),
        parameters: Value::Null,
        access_key: scope.access_key,
        attempt: attempt(&request.attempt),
    }
}

/// Writes what a call was answered.
pub(crate) fn write(protocol: Protocol, call: &Call, output: &Value) -> Response {
    match protocol {
        Protocol::Json(version) => json::write(version, output),
        Protocol::Query => query::write(call, output),
        Protocol::Rest => rest::write(call, output),
        Protocol::Cbor => cbor::write(200, output),
    }
}

/// Writes a refusal of a `service`.
pub(crate) fn refuse(protocol: Protocol, service: &str, refusal: &Refusal) -> Response {
    match protocol {
        Protocol::Json(version) => json::refuse(version, refusal),
        Protocol::Query => query::refuse(service, refusal),
        Protocol::Rest => rest::refuse(refusal),
        Protocol::Cbor => cbor::refuse(refusal),
    }
}

/// Reads which try of a client this is, from 1.
fn attempt(header: &str) -> u32 {
    let number = header.split("attempt=").nth(1).and_then(|it| it.split(';').next());
    number.and_then(|it| it.trim().parse().ok()).unwrap_or(1)
}

/// What the signature says of a request: who, and for which service.
struct Scope {
    access_key: Option<String>,
    service: Option<&'static str>,
}

impl Scope {
    /// Reads `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, ..`.
    fn of(authorization: &str) -> Self {
        let credential = authorization.split("Credential=").nth(1);
        let credential = credential.and_then(|it| it.split([',', ' ']).next()).unwrap_or_default();
        let parts: Vec<_> = credential.split('/').collect();
        let [key, _date, _region, service, _] = parts.as_slice() else {
            return Self { access_key: None, service: None };
        };
        Self { access_key: Some((*key).to_owned()), service: by_signing_name(service) }
    }
}

/// The services, each with the name that its calls are signed for and its prefix in IAM actions.
const SERVICES: [(&str, &str); 14] = [
    ("application-autoscaling", "application-autoscaling"),
    ("codedeploy", "codedeploy"),
    ("dynamodb", "dynamodb"),
    ("ecs", "ecs"),
    ("events", "events"),
    ("iam", "iam"),
    ("kinesis", "kinesis"),
    ("lambda", "lambda"),
    ("monitoring", "cloudwatch"),
    ("rds", "rds"),
    ("sns", "sns"),
    ("sqs", "sqs"),
    ("ssm", "ssm"),
    ("sts", "sts"),
];

fn by_signing_name(name: &str) -> Option<&'static str> {
    SERVICES.iter().find(|(signing, _)| *signing == name).map(|(_, service)| *service)
}

/// Guesses the service of a request that nobody signed: it is refused, but in its own protocol.
fn service_of(request: &Request, protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Rest => Some("lambda"),
        Protocol::Cbor => Some("cloudwatch"),
        Protocol::Query => Some("rds"),
        Protocol::Json(_) => {
            let target = request.target.to_ascii_lowercase();
            let found = SERVICES.iter().find(|(signing, _)| target.contains(signing));
            found.map(|(_, service)| *service)
        }
    }
}

/// Returns path and query of a URI.
fn path_of(uri: &str) -> (&str, &str) {
    let path = match uri.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => uri,
    };
    path.split_once('?').unwrap_or((path, ""))
}

#[cfg(test)]
mod tests;
