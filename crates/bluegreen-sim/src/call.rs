//! [`Call`], what somebody asks of AWS, and [`Refusal`], AWS's no, whatever protocol they came by.

use serde_json::{Value, json};

/// A call that has been read off the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The service, by its prefix in IAM actions: `rds`, `events`, `cloudwatch`.
    pub service: &'static str,
    /// The operation: `StartDBCluster`.
    pub operation: String,
    /// The parameters, by their names in AWS's API; lists are arrays whatever the protocol.
    pub parameters: Value,
    /// The access key that signed it; `None` when nobody did.
    pub access_key: Option<String>,
    /// Which try of the client this is, from 1: SDKs repeat what was throttled or lost.
    pub attempt: u32,
}

impl Call {
    /// Returns a text parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).and_then(Value::as_str).filter(|it| !it.is_empty())
    }

    /// Returns a text parameter that the operation cannot do without.
    ///
    /// # Errors
    ///
    /// A refusal that names it.
    pub fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name)
            .ok_or_else(|| Refusal::new(400, "ValidationException", format!("{name} is required")))
    }

    /// Returns a whole number; the query protocol sends it as text.
    pub fn number(&self, name: &str) -> Option<i64> {
        let value = self.parameters.get(name)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }

    /// Returns a truth value; the query protocol sends it as text.
    pub fn flag(&self, name: &str) -> Option<bool> {
        let value = self.parameters.get(name)?;
        value.as_bool().or_else(|| value.as_str()?.parse().ok())
    }

    /// Returns a list of texts; an absent one is empty.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let list = self.parameters.get(name).and_then(Value::as_array);
        list.map(|it| it.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }

    /// Returns the name of the IAM action that it needs: `rds:StartDBCluster`.
    pub fn action(&self) -> String {
        match (self.service, self.operation.as_str()) {
            ("lambda", "Invoke") => "lambda:InvokeFunction".to_owned(),
            (service, operation) => format!("{service}:{operation}"),
        }
    }
}

/// A refusal, as AWS words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The error code, as it stands on the wire.
    pub code: String,
    /// The message.
    pub message: String,
    /// The code in the header that services have which used to speak the query protocol (SQS).
    pub query_code: Option<String>,
    /// The members that the error has besides code and message, by name, in services that speak JSON.
    pub details: Box<Value>,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { status, code, message, query_code: None, details: Box::default() }
    }

    /// Makes a refusal with the status 400.
    pub fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }
}

/// What a service answers: the members of the output, or a refusal.
pub(crate) type Answer = Result<Value, Refusal>;

/// Marks a point in time in an answer, in seconds since 1970: each protocol writes it in its own way.
pub(crate) fn time(seconds: f64) -> Value {
    json!({ TIME: seconds })
}

/// The key of the object that [`time`] makes.
pub(crate) const TIME: &str = "$time";

/// Returns the seconds of a value that [`time`] made.
pub(crate) fn as_time(value: &Value) -> Option<f64> {
    let object = value.as_object().filter(|it| it.len() == 1)?;
    object.get(TIME)?.as_f64()
}
