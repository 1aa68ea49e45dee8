//! Whole releases with a service that must never run on both stacks, there and back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bluegreen_core::StackReference::{self, A, B};
use bluegreen_deploy::{Engine, Outcome, Phase, Pointer, Report, Store, stack_file::StackFile};
use bluegreen_rehearsal::{account, connect};
use bluegreen_sim::{Fault, Faults, Settings, SimulatedAccount, World};

/// What runs, and what it reads: bills must not be sent twice.
const SHOP: &str = r#"
    name = "shop"
    region = "eu-west-1"
    account-id = "123456789012"

    [release]
    hold = "0s"

    [traffic.web]
    mover = "command"
    move = ["true"]
    observe = ["true"]

    [sqs.bills]
    queues = { a = "bills-a", b = "bills-b" }
    feed = "work"

    [ecs.billing]
    cluster = "shop"
    services = { a = "billing-a", b = "billing-b" }
    desired-tasks = "match"
    mode = "exclusive"
    queue = "sqs.bills"
"#;

/// The account of the shop while releases run in it.
struct Shop {
    file: StackFile,
    account: SimulatedAccount,
    store: Store,
    /// How many tasks ran on either stack after each call, each pair once in a row.
    seen: Arc<Mutex<Vec<[u32; 2]>>>,
}

fn shop(text: &str) -> Shop {
    let file = StackFile::parse(text, Path::new("bluegreen.toml"), &|_| None).unwrap();
    let account = account(&file, A, Settings::default());
    let pointer = Pointer { active: A, since: account.clock().now(), reason: "test".to_owned() };
    let store = Store::in_memory(&file.name, pointer);
    let seen: Arc<Mutex<Vec<[u32; 2]>>> = Arc::default();
    account.observe({
        let seen = Arc::clone(&seen);
        move |world, _| {
            let (now, mut seen) = (running(world), seen.lock().unwrap());
            if seen.last() != Some(&now) {
                seen.push(now);
            }
        }
    });
    Shop { file, account, store, seen }
}

fn running(world: &World) -> [u32; 2] {
    ["billing-a", "billing-b"].map(|name| {
        let mut services = world.ecs.services();
        services.find(|it| it.name == name).map_or(0, |it| it.running)
    })
}

impl Shop {
    fn engine(&self) -> Engine {
        connect(&self.file, &self.account, &self.account.sdk_config()).unwrap()
    }

    async fn deploy(&self, to: StackReference) -> Report {
        let engine = self.engine();
        let plan = engine.plan(to).unwrap();
        engine.deploy(&self.store, &plan, Phase::Retire).await.unwrap()
    }

    /// Checks that at no call tasks ran on both stacks, and that all work was done once in the end.
    #[track_caller]
    fn was_never_done_twice(&self) {
        let seen = self.seen.lock().unwrap();
        assert!(seen.iter().all(|[a, b]| *a == 0 || *b == 0), "on both: {seen:?}");
        self.account.world(|world| {
            world.stop_producers();
            let end = world.now() + Duration::from_secs(1_800);
            world.advance(end);
            assert!(!world.ledger.is_empty());
            for (number, message) in world.ledger.messages() {
                let consumed: usize = message.copies.values().map(|it| it.consumed.len()).sum();
                assert_eq!(consumed, 1, "bill {number}: {message:?}");
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_is_handed_over_with_its_tasks_and_no_bill_is_lost_or_sent_twice() {
    let shop = shop(SHOP);

    let there = shop.deploy(B).await;
    let on_b = shop.account.world(|world| running(world));
    let back = shop.deploy(A).await;
    let on_a = shop.account.world(|world| running(world));

    assert_eq!((there.outcome, back.outcome), (Outcome::Done, Outcome::Done), "{there:#?}");
    assert_eq!((on_b, on_a), ([0, 3], [3, 0]));
    let names: Vec<String> = there.steps.iter().map(|it| it.step.to_string()).collect();
    assert!(names.contains(&"exclusive.hand-over billing on b".to_owned()), "{names:?}");
    assert!(!names.iter().any(|it| it.starts_with("ecs.enable")), "{names:?}");
    shop.was_never_done_twice();
}

/// Returns the numbers of the calls by which the hand-over changes something, of all calls of a release.
async fn changes_of_the_hand_over() -> Vec<usize> {
    let shop = shop(SHOP);
    assert_eq!(shop.deploy(B).await.outcome, Outcome::Done);
    let of_it = |step: &Option<String>| {
        step.as_deref().is_some_and(|it| it.starts_with("exclusive.hand-over"))
    };
    shop.account.world(|world| {
        let records = world.audit.records().iter().enumerate();
        let changes = records.filter(|(_, it)| it.is_change() && of_it(&it.step));
        changes.map(|(number, _)| number).collect()
    })
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_that_dies_at_any_change_goes_on_with_as_many_tasks() {
    let changes = changes_of_the_hand_over().await;
    // Suspend and disable the old one, enable and resume the new one; more where a look was stale.
    assert!(changes.len() >= 4, "{changes:?}");

    for call in changes {
        for fault in [Fault::DiesBefore, Fault::DiesAfter] {
            let shop = shop(SHOP);
            shop.account.set_faults(Faults::none().at_call(call, fault, Some(1)));

            tokio::select! {
                biased;
                () = shop.account.caller_died() => {}
                report = shop.deploy(B) => panic!("call {call} {fault:?}: {report:#?}"),
            }
            let report = shop.deploy(B).await;

            assert_eq!(report.outcome, Outcome::Done, "call {call} {fault:?}: {report:#?}");
            let now = shop.account.world(|world| running(world));
            assert_eq!(now, [0, 3], "call {call} {fault:?}");
            shop.was_never_done_twice();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_standby_whose_exclusive_service_runs_is_refused() {
    let shop = shop(SHOP);
    shop.account.world(|world| world.change_service("shop", "billing-b", |it| it.running = 1));

    let report = shop.deploy(B).await;

    assert_eq!(report.outcome, Outcome::Refused);
    let refusals = report.refusals.join("; ");
    assert!(
        refusals.contains("`bluegreen step ecs.disable --stack b --resource billing`"),
        "{refusals}"
    );
}
