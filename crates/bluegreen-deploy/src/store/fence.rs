//! [`Fence`], which keeps calls back that a process would make without its lease.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpClient, SharedHttpConnector,
        },
        orchestrator::HttpRequest,
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    shared::IntoShared,
};
use aws_smithy_types::body::{self, SdkBody};
use aws_types::SdkConfig;
use http_body::{Body, Frame, SizeHint};

use super::{Store, Tenure};

/// Keeps calls back that a process would make without its lease: new ones, and the SDK's retries of old ones.
///
/// AWS knows nothing of leases. What was sent before may still take effect; nobody waits for its answer, which could
/// not be written down.
#[derive(Clone, Debug, Default)]
pub struct Fence(Arc<OnceLock<Arc<Tenure>>>);

impl Fence {
    /// Returns `sdk` with every call behind the fence. Until a store is followed, it is open.
    pub fn around(&self, sdk: &SdkConfig) -> SdkConfig {
        let Some(client) = sdk.http_client() else { return sdk.clone() };
        let client = Fenced { client, fence: self.clone() };
        sdk.to_builder().http_client(client).build()
    }

    /// Lets calls pass only while `store`'s lease is good.
    pub fn follow(&self, store: &Store) {
        if let Some(tenure) = &store.tenure {
            // A fence is one store's for good.
            let _ = self.0.set(Arc::clone(tenure));
        }
    }

    fn is_open(&self) -> bool {
        self.0.get().is_none_or(|it| it.is_good())
    }
}

#[derive(Debug)]
struct Fenced {
    client: SharedHttpClient,
    fence: Fence,
}

impl HttpClient for Fenced {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        FencedConnector { connector, fence: self.fence.clone() }.into_shared()
    }
}

#[derive(Debug)]
struct FencedConnector {
    connector: SharedHttpConnector,
    fence: Fence,
}

impl HttpConnector for FencedConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if !self.fence.is_open() {
            return HttpConnectorFuture::ready(Err(lost()));
        }
        let fence = self.fence.clone();
        let body = request.take_body().map_preserve_contents(move |body| {
            SdkBody::from_body_1_x(FencedBody { body, fence: fence.clone() })
        });
        *request.body_mut() = body;
        let (mut call, fence) = (self.connector.call(request), self.fence.clone());
        // Whoever was stopped while it connected has sent nothing yet: it looks again whenever it goes on.
        HttpConnectorFuture::new(poll_fn(move |context| {
            if fence.is_open() {
                return Pin::new(&mut call).poll(context);
            }
            Poll::Ready(Err(lost()))
        }))
    }
}

/// The body of a call, which is read right before it is sent: what was ready to be sent when the process was stopped
/// is not sent when it goes on.
#[derive(Debug)]
struct FencedBody {
    body: SdkBody,
    fence: Fence,
}

impl Body for FencedBody {
    type Data = <SdkBody as Body>::Data;
    type Error = body::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if !self.fence.is_open() {
            return Poll::Ready(Some(Err(Box::new(lost()))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.body)
    }
}

/// Says why nothing is sent: an error of a kind that the SDK does not try again.
fn lost() -> ConnectorError {
    ConnectorError::user("the lease of this process is lost: nothing more is sent".into())
}
