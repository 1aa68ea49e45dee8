//! Without its lease a process sends nothing more: no new call, and no further try of an old one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client;
use bluegreen_core::StackReference::A;
use bluegreen_deploy::{Fence, MemoryStorage, Owner, Pointer, Store};
use bluegreen_sim::{Faults, Settings, SimulatedAccount};

/// How long a lease lives: shorter than the SDK waits for an answer.
const LASTS: Duration = Duration::from_secs(4);

/// A process with a store, and a client behind its fence.
struct Process {
    account: SimulatedAccount,
    client: Client,
    store: Store,
}

impl Process {
    async fn new() -> Self {
        let account = SimulatedAccount::new(Settings::default());
        account.world(|world| world.add_table("sessions"));
        let storage = Arc::new(MemoryStorage::new(Some(LASTS)));
        let owner = Owner { name: "first".to_owned(), clock: account.clock() };
        let pointer =
            Pointer { active: A, since: account.clock().now(), reason: "test".to_owned() };
        let store = Store::adopt(storage, "shop", &owner, pointer).await.unwrap();
        let fence = Fence::default();
        let client = Client::new(&fence.around(&account.sdk_config()));
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
async fn a_call_without_an_answer_is_not_tried_again_when_the_lease_is_lost_meanwhile() {
    let process = Process::new().await;
    let unanswered = "dynamodb:DescribeTable: timeout".parse().unwrap();
    process.account.set_faults(Faults::none().with(unanswered));

    let answered = process.call().await;

    assert!(!answered);
    assert!(process.account.elapsed() > LASTS, "the SDK has given up on its first try");
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
