//! How the SDK reaches the account: as its HTTP client, and its clock.

use std::{fmt, time::SystemTime};

use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use bluegreen_core::Clock;

use super::SimulatedAccount;
use crate::wire;

/// The connection broke before there was an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionBroken;

impl fmt::Display for ConnectionBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was reset")
    }
}

impl std::error::Error for ConnectionBroken {}

impl HttpConnector for SimulatedAccount {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let account = self.clone();
        HttpConnectorFuture::new(async move {
            let header = |name| request.headers().get(name).unwrap_or_default().to_owned();
            let request = wire::Request {
                method: request.method().to_owned(),
                uri: request.uri().to_owned(),
                content_type: header("content-type"),
                target: header("x-amz-target"),
                authorization: header("authorization"),
                attempt: header("amz-sdk-request"),
                invocation_type: header("x-amz-invocation-type"),
                body: request.body().bytes().unwrap_or_default().to_vec(),
            };
            let response = account.answer(request).await;
            let response = response.map_err(|err| ConnectorError::io(err.into()))?;
            let status = response
                .status
                .try_into()
                .map_err(|err| ConnectorError::other(Box::new(err), None))?;
            let mut answer = HttpResponse::new(status, response.body.into());
            for (name, value) in response.headers {
                answer.headers_mut().insert(name, value);
            }
            Ok(answer)
        })
    }
}

impl HttpClient for SimulatedAccount {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The account's clock, as the SDK asks it.
#[derive(Debug)]
pub(super) struct Time(pub(super) Clock);

impl TimeSource for Time {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}
