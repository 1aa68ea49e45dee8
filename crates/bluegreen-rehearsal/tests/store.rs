//! The store in a table of the simulated account keeps to what every storage keeps to, whatever goes wrong on the way.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use bluegreen_deploy::{DynamoDbStorage, Storage, conformance};
use bluegreen_sim::{Settings, SimulatedAccount};

const LASTS: Duration = Duration::from_secs(30);

/// What befalls every call, before one of its tries gets through.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    None,
    /// The first try takes effect, and its answer is lost.
    AnswerLost,
    /// Of one call in [`PARTS`], beginning with this one, three tries are answered that there are too many calls.
    Throttled(usize),
}

/// The SDK tries again only while its budget lasts: with every call in trouble at once, it would soon give up.
const PARTS: usize = 4;

/// The way to the account, with trouble on it.
#[derive(Clone, Debug)]
struct Way {
    account: SharedHttpClient,
    trouble: Trouble,
    calls: Arc<Mutex<Calls>>,
}

/// What was sent.
#[derive(Debug, Default)]
struct Calls {
    /// How many calls there were, whatever the number of their tries.
    begun: usize,
    /// The calls that are in trouble.
    in_trouble: BTreeSet<String>,
    /// How many tries were in trouble.
    befallen: usize,
}

impl Way {
    /// Returns whether trouble befalls this try.
    fn befalls(&self, request: &HttpRequest) -> bool {
        let header = |name| request.headers().get(name).unwrap();
        let call = header("amz-sdk-invocation-id").to_owned();
        let attempt = header("amz-sdk-request").strip_prefix("attempt=").unwrap();
        let attempt: u32 = attempt.split(';').next().unwrap().parse().unwrap();
        let mut calls = self.calls.lock().unwrap();
        if attempt == 1 {
            let is_in_trouble = match self.trouble {
                Trouble::None => false,
                Trouble::AnswerLost => true,
                Trouble::Throttled(part) => calls.begun % PARTS == part,
            };
            if is_in_trouble {
                calls.in_trouble.insert(call.clone());
            }
            calls.begun += 1;
        }
        let tries = if let Trouble::Throttled(_) = self.trouble { 3 } else { 1 };
        let befalls = calls.in_trouble.contains(&call) && attempt <= tries;
        calls.befallen += usize::from(befalls);
        befalls
    }
}

impl HttpClient for Way {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let account = self.account.http_connector(settings, components);
        SharedHttpConnector::new(Connector { account, way: self.clone() })
    }
}

#[derive(Debug)]
struct Connector {
    account: SharedHttpConnector,
    way: Way,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if !self.way.befalls(&request) {
            return self.account.call(request);
        }
        if let Trouble::Throttled(_) = self.way.trouble {
            let code = "com.amazonaws.dynamodb.v20120810#ThrottlingException";
            let body = format!(r#"{{"__type":"{code}","message":"Rate exceeded"}}"#);
            return HttpConnectorFuture::ready(Ok(HttpResponse::new(
                400.try_into().unwrap(),
                body.into(),
            )));
        }
        let answer = self.account.call(request);
        HttpConnectorFuture::new(async move {
            answer.await?;
            Err(ConnectorError::io("the connection was reset".into()))
        })
    }
}

/// Runs the suite on a table of its own, and returns what was sent with how many tries have arrived.
async fn checked(trouble: Trouble) -> (Calls, usize) {
    let account = SimulatedAccount::new(Settings::default());
    account.world(|world| world.add_table("releases"));
    let sdk = account.sdk_config();
    let calls = Arc::<Mutex<Calls>>::default();
    let way = Way { account: sdk.http_client().unwrap(), trouble, calls: Arc::clone(&calls) };
    let sdk = sdk.to_builder().http_client(way).build();

    conformance::check(async || {
        Arc::new(DynamoDbStorage::new(&sdk, "releases", "shop", LASTS)) as Arc<dyn Storage>
    })
    .await;

    let arrived = account.world(|world| world.audit.records().len());
    (std::mem::take(&mut *calls.lock().unwrap()), arrived)
}

#[tokio::test(start_paused = true)]
async fn a_table_keeps_to_what_every_storage_keeps_to() {
    let (calls, arrived) = checked(Trouble::None).await;

    assert!(arrived > 50, "the suite has run");
    assert_eq!(calls.begun, arrived, "no call is tried twice for no reason");
}

#[tokio::test(start_paused = true)]
async fn a_table_keeps_to_it_although_the_answer_of_every_call_is_lost_once() {
    let (calls, arrived) = checked(Trouble::AnswerLost).await;

    assert_eq!((calls.befallen, arrived), (calls.begun, 2 * calls.begun));
}

#[tokio::test(start_paused = true)]
async fn a_table_keeps_to_it_whichever_calls_are_throttled_three_times() {
    for part in 0..PARTS {
        let (calls, arrived) = checked(Trouble::Throttled(part)).await;

        assert!(calls.in_trouble.len() > 10, "the suite has run");
        assert_eq!(calls.befallen, 3 * calls.in_trouble.len());
        assert_eq!(arrived, calls.begun, "each gets through in the end");
    }
}
