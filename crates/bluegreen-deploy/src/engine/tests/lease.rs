//! Keeping the lease, and losing it.

use std::time::SystemTime;

use super::*;
use crate::{Changes, Holder, Lease, MemoryStorage, Owner, Records, Storage};

/// Makes a store whose leases live for ten seconds.
async fn leased(storage: &MemoryStorage) -> Store {
    let storage = Arc::new(storage.clone());
    let owner = Owner { name: "first".to_owned(), clock: Clock::following_tokio(START) };
    let pointer = Pointer { active: A, since: START, reason: "test".to_owned() };
    Store::adopt(storage, "shop", &owner, pointer).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_release_keeps_its_lease_and_so_does_a_step_by_itself_however_long_they_take() {
    let log = log();
    let long = Duration::from_secs(300);
    let steps = vec![Probe::new("aurora.start", "orders", B, &log).takes(long)];
    let engine = engine(SERVED, None, steps);
    let storage = MemoryStorage::new(Some(Duration::from_secs(10)));
    let store = leased(&storage).await;

    let alone = engine.step(&store, "aurora.start", B, None).await;
    let report = deploy(&engine, &store, B).await;

    assert_eq!(alone.unwrap().outcome, Outcome::Done);
    assert_eq!(report.outcome, Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_lease_is_taken_ends_as_a_lost_lease_and_begins_nothing_more() {
    let log = log();
    let steps = vec![
        Probe::new("aurora.start", "orders", B, &log).takes(Duration::from_secs(300)),
        Probe::new("ecs.enable", "worker", B, &log),
    ];
    let engine = engine(SERVED, None, steps);
    let storage = MemoryStorage::new(Some(Duration::from_secs(10)));
    let store = leased(&storage).await;
    let plan = engine.plan(B).unwrap();

    let (ended, ()) = tokio::join!(engine.deploy(&store, &plan, Phase::Retire), async {
        #[expect(clippy::disallowed_methods, reason = "the clock is paused")]
        tokio::time::sleep(Duration::from_secs(60)).await;
        let holder = storage.holder().await.unwrap();
        storage.take("second", START, holder.as_ref()).await.unwrap().unwrap();
    });

    assert!(matches!(ended, Err(Error::LeaseLost { .. })), "{ended:?}");
    assert_eq!(logged(&log), ["aurora.start orders on b"]);
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_steps_fail_for_want_of_the_lease_ends_as_a_lost_lease() {
    let log = log();
    let storage = MemoryStorage::new(Some(Duration::from_secs(10)));
    let store = leased(&storage).await;
    let steps =
        vec![Probe::new("aurora.start", "orders", B, &log).looking([Ok(needed()), Err(missing())])];
    let engine = engine(SERVED, None, steps);
    let plan = engine.plan(B).unwrap();
    // As if another process had taken over between the first look and the step.
    let engine = engine.with_watcher(Arc::new(move |event| {
        if matches!(event, Event::StepStarted { .. }) {
            storage.end_lease();
        }
    }));

    let ended = engine.deploy(&store, &plan, Phase::Retire).await;

    assert!(matches!(ended, Err(Error::LeaseLost { .. })), "{ended:?}");
}

/// A storage whose writes about a step's act take a while to be answered.
#[derive(Debug)]
struct Slow(MemoryStorage, Duration);

#[async_trait]
impl Storage for Slow {
    async fn write(&self, lease: &Lease, changes: &Changes) -> Result<()> {
        self.0.write(lease, changes).await?;
        let mut written = changes.values().flatten();
        if written.any(|it| it.get("event").is_some_and(|it| it == "started")) {
            tokio::time::advance(self.1).await;
        }
        Ok(())
    }

    fn place(&self) -> String {
        self.0.place()
    }

    fn lease_lasts(&self) -> Option<Duration> {
        self.0.lease_lasts()
    }

    async fn read(&self, prefix: &str) -> Result<Records> {
        self.0.read(prefix).await
    }

    async fn holder(&self) -> Result<Option<Holder>> {
        self.0.holder().await
    }

    async fn take(
        &self,
        owner: &str,
        now: SystemTime,
        seen: Option<&Holder>,
    ) -> Result<Option<Lease>> {
        self.0.take(owner, now, seen).await
    }

    async fn renew(&self, lease: &Lease) -> Result<()> {
        self.0.renew(lease).await
    }

    async fn give_back(&self, lease: &Lease) -> Result<()> {
        self.0.give_back(lease).await
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_loses_the_lease_between_writing_an_act_down_and_making_it_does_not_make_it() {
    let lasts = Duration::from_secs(10);
    let acts = async |takes: Duration| {
        let log = log();
        let storage = Arc::new(Slow(MemoryStorage::new(Some(lasts)), takes));
        let owner = Owner { name: "first".to_owned(), clock: Clock::following_tokio(START) };
        let pointer = Pointer { active: A, since: START, reason: "test".to_owned() };
        let store = Store::adopt(storage, "shop", &owner, pointer).await.unwrap();
        let engine = engine(SERVED, None, vec![Probe::new("aurora.start", "orders", B, &log)]);
        let ended = engine.deploy(&store, &engine.plan(B).unwrap(), Phase::Prepare).await;
        (ended.map(|it| it.outcome), logged(&log))
    };

    let (lost, none) = acts(lasts + Duration::from_secs(1)).await;
    let (kept, one) = acts(Duration::from_secs(1)).await;

    assert!(matches!(lost, Err(Error::LeaseLost { .. })), "{lost:?}");
    assert!(none.is_empty(), "{none:?}");
    assert_eq!((kept.unwrap(), one.len()), (Outcome::Done, 1));
}
