//! [`Fence`], which keeps calls back that a process would make without its lease.

use std::sync::{Arc, OnceLock};

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
use aws_types::SdkConfig;

use super::{Store, Tenure};

/// Keeps calls back that a process would make without its lease: new ones, and the SDK's retries of old ones.
///
/// AWS knows nothing of leases. What was sent before goes on, and may still take effect.
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
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if self.fence.is_open() {
            return self.connector.call(request);
        }
        // Of a kind that the SDK does not try again.
        HttpConnectorFuture::ready(Err(ConnectorError::user(
            "the lease of this process is lost: nothing more is sent".into(),
        )))
    }
}
