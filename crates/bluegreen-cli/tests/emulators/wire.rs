//! [`Wire`], an HTTP client for the SDK that notes every call, and can make each take its time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};

/// A plain HTTP client that notes every call.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    inner: SharedHttpClient,
    least: Duration,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// One call as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    /// The IAM action that it needs: `sqs:PurgeQueue`.
    pub(crate) action: String,
    /// Everything that it was sent with, apart from its headers.
    pub(crate) parameters: String,
}

impl Wire {
    /// Makes a client whose calls take at least so long.
    pub(crate) fn new(least: Duration) -> Self {
        let inner = aws_smithy_http_client::Builder::new().build_http();
        Self { inner, least, calls: Arc::default() }
    }

    /// Returns the calls since the last time.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Counts the calls of each action.
pub(crate) fn counts(calls: &[Call]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.action.as_str()).or_default() += 1;
    }
    counts
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            inner: self.inner.http_connector(settings, components),
            wire: self.clone(),
        })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    wire: Wire,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let call = Call::read(&request);
        self.wire.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        let answer = self.inner.call(request);
        let least = self.wire.least;
        HttpConnectorFuture::new(async move {
            #[expect(clippy::disallowed_methods, reason = "this is the time that a call takes")]
            let (answer, ()) = tokio::join!(answer, tokio::time::sleep(least));
            answer
        })
    }
}

impl Call {
    fn read(request: &HttpRequest) -> Self {
        let header = |name| request.headers().get(name).unwrap_or_default();
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let url = request.uri();
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        // Credential=ACCOUNT/DATE/REGION/SERVICE/aws4_request
        let service = match header("authorization").split('/').nth(3).unwrap_or_default() {
            "monitoring" => "cloudwatch",
            service => service,
        };
        let operation = if let Some((_, operation)) = header("x-amz-target").rsplit_once('.') {
            operation.to_owned()
        } else if let Some((_, operation)) = path.rsplit_once("/operation/") {
            operation.to_owned()
        } else if let Some(query) = body.strip_prefix("Action=") {
            query.split('&').next().unwrap_or_default().to_owned()
        } else {
            of_lambda(request.method(), path)
        };
        Self { action: format!("{service}:{operation}"), parameters: format!("{path} {body}") }
    }
}

/// Returns the operation of a call of Lambda, which has nothing but a method and a path.
fn of_lambda(method: &str, path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
    match (method, parts.as_slice()) {
        ("GET", ["functions", _]) => "GetFunction".to_owned(),
        ("GET", ["functions", _, "aliases", _]) => "GetAlias".to_owned(),
        ("GET", ["event-source-mappings"]) => "ListEventSourceMappings".to_owned(),
        ("PUT", ["event-source-mappings", _]) => "UpdateEventSourceMapping".to_owned(),
        _ => format!("{method} {path}"),
    }
}
