//! Processes that are killed, that begin together, and that are stopped for longer than their lease lives.

use std::time::Duration;

use bluegreen_core::StackReference;
use tokio::{io::AsyncReadExt, process::Child, task::JoinSet, time::Instant};

use crate::{
    interrupt::{says, signal},
    proxy::Proxy,
    shop::{Run, Shop},
    world::World,
};

/// How long the leases live, and the text of it: as short as they may.
const LEASE: Duration = Duration::from_secs(3);
const LEASE_TEXT: &str = "3s";

/// How long the leases of many processes at once live. The emulator answers one call after the other: a shorter one
/// would end while its renewal waits for its turn.
const LONGER_LEASE: &str = "9s";

/// How many times a process is killed.
const KILLS: u32 = 10;

/// How many times two processes begin together: so many pairs side by side, so many times each.
const PAIRS: usize = 5;
const ROUNDS: usize = 10;

/// The same every time; at which calls a process dies differs all the same.
const SEED: u64 = 1_796_083_200;

/// A small shop that has something of what is remembered, moved and waited for. Its queues are not in the stack
/// file: AWS purges a queue once a minute only.
async fn small(test: &str, in_table: bool) -> Shop {
    let mut shop = Shop::new(test).await;
    for stack in StackReference::BOTH {
        shop.account.create_queue(&shop.of("ingest", stack), 0).await;
    }
    shop.add_subscriptions("catalogue", "ingest").await;
    shop.add_services("worker").await;
    shop.serve_traffic();
    if in_table {
        shop.store_in_table(LEASE_TEXT).await;
    }
    shop.adopt().await;
    shop
}

fn deploy(to: &str) -> [&str; 4] {
    ["deploy", "--to", to, "--json"]
}

/// Returns all that a release changes, and what the store says of it.
async fn look(shop: &Shop) -> World {
    let mut world = shop.look_at_switches().await;
    let status = shop.bluegreen(&["status", "--json"]).await.ended_with(0).json();
    for key in ["active", "release"] {
        world.insert(key.to_owned(), status[key].to_string());
    }
    world.insert("traffic".to_owned(), shop.look().await["traffic"].clone());
    world
}

/// Runs the release to `to` until it is done, killing its process at random moments, each within `span` of when it can
/// do something. Returns how many of `left` kills are left.
async fn with_kills(
    shop: &Shop,
    to: &str,
    random: &mut fastrand::Rng,
    span: Duration,
    watching: Duration,
    mut left: u32,
) -> u32 {
    let mut begins = Duration::ZERO;
    loop {
        let mut child = shop.start(&deploy(to));
        let moment = match left {
            0 => Duration::from_secs(120),
            _ => begins + span.mul_f64(random.f64()),
        };
        match tokio::time::timeout(moment, child.wait()).await {
            Ok(status) => {
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
                assert_eq!(status.unwrap().code(), Some(0), "{said}");
                return left;
            }
            Err(_) => {
                println!("killed on the way to {to} after {moment:?}");
                assert!(left > 0, "it never ended");
                child.kill().await.unwrap();
                left -= 1;
                begins = watching;
            }
        }
    }
}

async fn a_process_that_is_killed_again_and_again(shop: &Shop, watching: Duration) {
    println!("seed {SEED}");
    let mut random = fastrand::Rng::with_seed(SEED);
    let began = Instant::now();
    shop.bluegreen(&deploy("b")).await.ended_with(0);
    let span = began.elapsed();
    let on_b = look(shop).await;
    shop.bluegreen(&deploy("a")).await.ended_with(0);
    let on_a = look(shop).await;
    assert_ne!(on_a, on_b);

    let mut left = KILLS;
    let mut legs = [("b", &on_b), ("a", &on_a)].into_iter().cycle();
    while left > 0 {
        let (to, undisturbed) = legs.next().unwrap();
        left = with_kills(shop, to, &mut random, span, watching, left).await;
        assert_eq!(&look(shop).await, undisturbed, "{left} kills are left");
    }
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_release_that_is_killed_ten_times_ends_as_if_it_had_not_been() {
    let shop = small("killed-often", false).await;

    a_process_that_is_killed_again_and_again(&shop, Duration::ZERO).await;
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_release_in_a_table_that_is_killed_ten_times_ends_as_if_it_had_not_been() {
    let shop = small("killed-in-table", true).await;

    a_process_that_is_killed_again_and_again(&shop, LEASE).await;
}

/// Lets two processes begin at the same moment, and returns the one that ran with what the other said of it.
async fn together(shop: &Shop, to: &str) {
    let children = [shop.start(&deploy(to)), shop.start(&deploy(to))];
    let [one, two] = children.map(ended);
    let (one, two) = tokio::join!(one, two);
    let ((id, ran), (_, other)) = if one.1.code == 0 { (one, two) } else { (two, one) };

    assert_eq!((ran.code, other.code), (0, 4), "{ran:?} {other:?}");
    assert_eq!((&ran.json()["outcome"], &ran.json()["active"]), (&"done".into(), &to.into()));
    assert_eq!(other.json()["outcome"], "locked");
    let named = format!("another `bluegreen` is at work here: {id} on ");
    assert!(other.stderr.contains(&named), "{id}: {other:?}");
}

/// Returns the id of a process, and how it ended.
async fn ended(child: Child) -> (u32, Run) {
    (child.id().unwrap(), child.wait_with_output().await.unwrap().into())
}

/// Lets pairs of processes begin together, there and back, in shops with a store each.
async fn pairs(test: &str, in_table: bool, hold: &'static str) {
    let mut pairs = JoinSet::new();
    for number in 0..PAIRS {
        let mut shop = Shop::new(&format!("{test}-{number}")).await;
        if in_table {
            shop.store_in_table(LONGER_LEASE).await;
        }
        shop.adopt().await;
        shop.write_file(hold);
        pairs.spawn(async move {
            let mut ended = 0;
            for to in ["b", "a"].into_iter().cycle().take(ROUNDS) {
                together(&shop, to).await;
                ended += 1;
            }
            ended
        });
    }
    let ended: usize = pairs.join_all().await.into_iter().sum();
    assert_eq!(ended, PAIRS * ROUNDS);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn of_two_processes_that_begin_together_one_runs_and_the_other_names_it() {
    pairs("together", false, "2s").await;
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn of_two_processes_that_begin_together_on_a_table_one_runs_and_the_other_names_it() {
    pairs("together-on-table", true, "5s").await;
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_process_that_is_stopped_past_its_lease_does_nothing_when_it_goes_on() {
    let shop = small("stopped", true).await;

    for (to, from, moment) in [
        ("b", "a", "sns.enable catalogue on b"),
        ("a", "b", "ecs.enable worker on a"),
        ("b", "a", "sns.disable catalogue on a"),
    ] {
        let proxy = Proxy::to(&shop.account).await;
        let mut first = shop.start_through(&proxy, &deploy(to));
        says(&mut first, moment).await;
        signal(&first, "STOP");
        let second = shop.bluegreen(&deploy(to)).await.ended_with(0);
        let (calls, world, store) = (proxy.calls(), look(&shop).await, shop.items_of_store().await);
        signal(&first, "CONT");
        let first: Run = first.wait_with_output().await.unwrap().into();

        assert_eq!(second.json()["active"], to);
        assert_eq!(first.code, 4, "{moment}: {first:?}");
        assert!(first.stderr.contains("the lease of this process is lost"), "{first:?}");
        assert!(calls.iter().any(|it| it.contains("TransactWriteItems")), "{calls:?}");
        // It looks who has the lease, from outside the fence.
        let more = proxy.calls().split_off(calls.len());
        assert!(more.iter().all(|it| it.contains("GetItem")), "{moment}: it has sent {more:?}");
        assert_eq!(shop.items_of_store().await, store, "{moment}: it has written to the store");
        assert_eq!(look(&shop).await, world, "{moment}: it has moved something from {from}");
    }
}
