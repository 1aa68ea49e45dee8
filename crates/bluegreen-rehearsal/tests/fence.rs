//! Without its lease a process sends nothing more: no new call, and no further try of an old one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client;
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
use bluegreen_core::StackReference::A;
use bluegreen_deploy::{Fence, MemoryStorage, Owner, Pointer, Store};
use bluegreen_sim::{Faults, Settings, SimulatedAccount};
use http_body_util::BodyExt;

/// How long a lease lives: shorter than the SDK waits for an answer.
const LASTS: Duration = Duration::from_secs(4);

/// Connects for as long as a lease lives, and sends only then.
#[derive(Clone, Debug)]
struct Connecting {
    client: SharedHttpClient,
    sends: Sends,
}

/// Who sends what was waiting for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sends {
    Caller,
    Background,
}

impl HttpClient for Connecting {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        ConnectingConnector { connector, sends: self.sends }.into_shared()
    }
}

#[derive(Debug)]
struct ConnectingConnector {
    connector: SharedHttpConnector,
    sends: Sends,
}

impl HttpConnector for ConnectingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { connector, sends } = self;
        let (connector, sends) = (connector.clone(), *sends);
        let work = async move {
            #[expect(clippy::disallowed_methods, reason = "it takes its time to connect")]
            tokio::time::sleep(LASTS).await;
            let request = match sends {
                Sends::Caller => request,
                Sends::Background => read(request).await?,
            };
            connector.call(request).await
        };
        match sends {
            Sends::Caller => HttpConnectorFuture::new(work),
            Sends::Background => {
                tokio::spawn(work);
                HttpConnectorFuture::new(std::future::pending())
            }
        }
    }
}

/// Reads the body of a request, as it is done for writing it to the connection.
async fn read(mut request: HttpRequest) -> Result<HttpRequest, ConnectorError> {
    let read = request.take_body().collect().await;
    let read = read.map_err(ConnectorError::user)?;
    *request.body_mut() = read.to_bytes().into();
    Ok(request)
}

/// A process with a store, and a client behind its fence.
struct Process {
    account: SimulatedAccount,
    client: Client,
    store: Store,
}

impl Process {
    async fn new() -> Self {
        Self::with_sdk(|account| account.sdk_config()).await
    }

    async fn with_sdk(sdk: impl FnOnce(&SimulatedAccount) -> SdkConfig) -> Self {
        let account = SimulatedAccount::new(Settings::default());
        account.world(|world| world.add_table("sessions"));
        let storage = Arc::new(MemoryStorage::new(Some(LASTS)));
        let owner = Owner { name: "first".to_owned(), clock: account.clock() };
        let pointer =
            Pointer { active: A, since: account.clock().now(), reason: "test".to_owned() };
        let store = Store::adopt(storage, "shop", &owner, pointer).await.unwrap();
        let fence = Fence::default();
        let client = Client::new(&fence.around(&sdk(&account)));
        fence.follow(&store);
        Self { account, client, store }
    }

    async fn call(&self) -> bool {
        self.client.describe_table().table_name("sessions").send().await.is_ok()
    }

    fn arrived(&self) -> usize {
        self.account.world(|world| world.audit.records().len())
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_sent_while_the_lease_is_good_and_not_after() {
    let process = Process::new().await;

    let before = process.call().await;
    tokio::time::advance(LASTS).await;
    let after = process.call().await;

    assert_eq!((before, after), (true, false));
    assert_eq!(process.arrived(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_still_connecting_when_the_lease_was_lost_is_not_sent() {
    for sends in [Sends::Caller, Sends::Background] {
        let process = Process::with_sdk(|account| {
            let sdk = account.sdk_config();
            let client = Connecting { client: sdk.http_client().unwrap(), sends };
            sdk.to_builder().http_client(client).build()
        })
        .await;

        let answered = tokio::time::timeout(LASTS * 2, process.call()).await;

        assert_ne!(answered, Ok(true));
        assert_eq!(process.arrived(), 0, "{sends:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_is_not_tried_again_when_the_lease_is_lost_meanwhile() {
    let process = Process::new().await;
    let unanswered = "dynamodb:DescribeTable: timeout".parse().unwrap();
    process.account.set_faults(Faults::none().with(unanswered));

    let answered = process.call().await;

    assert!(!answered);
    assert!(process.account.elapsed() >= LASTS, "the lease was still good");
    // The first try alone: it was sent before.
    assert_eq!(process.arrived(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_is_tried_again_without_a_fence() {
    let process = Process::new().await;
    let unanswered = "dynamodb:DescribeTable: timeout".parse().unwrap();
    process.account.set_faults(Faults::none().with(unanswered));
    let client = Client::new(&process.account.sdk_config());

    let answer = client.describe_table().table_name("sessions").send().await;

    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(process.arrived(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_has_given_its_lease_back_sends_nothing_more() {
    let Process { account, client, store } = Process::new().await;

    store.close().await.unwrap();
    let answer = client.describe_table().table_name("sessions").send().await;

    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(account.world(|world| world.audit.records().len()), 0);
}
