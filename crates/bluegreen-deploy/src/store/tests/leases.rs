//! Who may write, and for how long.

use std::sync::atomic::AtomicU32;

use async_trait::async_trait;

use super::{storage::Records, *};

/// A storage in memory with leases of ten seconds.
fn leased() -> Arc<MemoryStorage> {
    Arc::new(MemoryStorage::new(Some(Duration::from_secs(10))))
}

fn named(name: &str) -> Owner {
    let clock = Clock::following_tokio(NOW + Duration::from_secs(1_000_000));
    Owner { name: name.to_owned(), clock }
}

async fn leased_store(storage: &Arc<MemoryStorage>, name: &str) -> Result<Store> {
    let storage: Arc<dyn Storage> = Arc::clone(storage) as Arc<dyn Storage>;
    Store::lock(storage, "shop", &named(name), |_, _| {}).await.map(Option::unwrap)
}

async fn first(storage: &Arc<MemoryStorage>) -> Store {
    let storage: Arc<dyn Storage> = Arc::clone(storage) as Arc<dyn Storage>;
    Store::adopt(storage, "shop", &named("first"), pointer(A)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_is_never_taken_over() {
    let storage = leased();
    let first = first(&storage).await;

    let (_, second) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(60), first.keep_lease()),
        leased_store(&storage, "second"),
    );

    let err = second.unwrap_err();
    assert!(matches!(&err, Error::Locked { owner, .. } if owner == "first"), "{err}");
    assert!(first.check_lease().is_ok());
}

/// A storage that answers every other renewal only.
#[derive(Debug)]
struct Unreliable {
    storage: Arc<MemoryStorage>,
    renewals: AtomicU32,
}

#[async_trait]
impl Storage for Unreliable {
    fn place(&self) -> String {
        self.storage.place()
    }

    fn lease_lasts(&self) -> Option<Duration> {
        self.storage.lease_lasts()
    }

    async fn read(&self, prefix: &str) -> Result<Records> {
        self.storage.read(prefix).await
    }

    async fn write(&self, lease: &Lease, changes: &Changes) -> Result<()> {
        self.storage.write(lease, changes).await
    }

    async fn holder(&self) -> Result<Option<Holder>> {
        self.storage.holder().await
    }

    async fn take(
        &self,
        owner: &str,
        now: SystemTime,
        seen: Option<&Holder>,
    ) -> Result<Option<Lease>> {
        self.storage.take(owner, now, seen).await
    }

    async fn renew(&self, lease: &Lease) -> Result<()> {
        match self.renewals.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => std::future::pending().await,
            _ => self.storage.renew(lease).await,
        }
    }

    async fn give_back(&self, lease: &Lease) -> Result<()> {
        self.storage.give_back(lease).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_without_an_answer_is_tried_again_before_the_lease_ends() {
    let unreliable = Unreliable { storage: leased(), renewals: AtomicU32::new(0) };
    let storage: Arc<dyn Storage> = Arc::new(unreliable);
    let first = Store::adopt(storage, "shop", &named("first"), pointer(A)).await.unwrap();

    let lost = tokio::time::timeout(Duration::from_secs(60), first.keep_lease()).await;

    assert!(lost.is_err(), "it is lost");
    assert!(first.check_lease().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_write_renews_the_lease() {
    let storage = leased();
    let first = first(&storage).await;

    for key in ["filter", "flags", "readers"] {
        tokio::time::advance(Duration::from_secs(6)).await;
        first.remember(key, json!("all")).await.unwrap();
    }

    assert!(first.check_lease().is_ok());
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(first.check_lease().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_renewed_is_taken_over_after_one_whole_life_and_the_old_owner_writes_nothing()
 {
    let storage = leased();
    let first = first(&storage).await;
    let began = tokio::time::Instant::now();

    let second = leased_store(&storage, "second").await.unwrap();

    assert_eq!(began.elapsed(), Duration::from_secs(10));
    assert!(matches!(first.check_lease(), Err(Error::LeaseLost { .. })));
    let refused = first.remember("filter", json!("first")).await;
    assert!(matches!(refused, Err(Error::LeaseLost { .. })), "{refused:?}");
    second.remember("filter", json!("second")).await.unwrap();
    assert_eq!(second.remembered("filter"), Some(json!("second")));
}

#[tokio::test(start_paused = true)]
async fn a_stale_write_is_refused_by_its_number_even_from_an_owner_who_believes_in_its_lease() {
    let storage = leased();
    let stale = Lease { owner: "first".to_owned(), fence: 1 };
    drop(first(&storage).await);
    let _second = leased_store(&storage, "second").await.unwrap();

    let changes = Changes::from([("pointer".to_owned(), None)]);
    let refused = storage.write(&stale, &changes).await;

    assert!(
        matches!(&refused, Err(Error::LeaseLost { to: Some(to) }) if to.owner == "second"),
        "{refused:?}"
    );
    assert!(!storage.read("pointer").await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_is_stopped_for_longer_than_its_lease_lives_knows_that_it_is_lost() {
    let storage = leased();
    let first = first(&storage).await;

    tokio::time::advance(Duration::from_secs(10)).await;

    assert!(matches!(first.check_lease(), Err(Error::LeaseLost { .. })));
    let ended = tokio::time::timeout(Duration::ZERO, first.keep_lease()).await;
    assert!(ended.is_ok(), "keeping ends when the lease is lost");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_back_is_free_at_once() {
    let storage = leased();
    first(&storage).await.close().await.unwrap();
    let began = tokio::time::Instant::now();

    let second = leased_store(&storage, "second").await;

    assert!(second.is_ok());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_watch_a_dead_owner_one_takes_over() {
    let storage = leased();
    let _dead = first(&storage).await;

    let (second, third) = tokio::join!(leased_store(&storage, "2"), leased_store(&storage, "3"));

    let errors = [&second, &third].into_iter().filter(|it| it.is_err()).count();
    // Nobody renews here: the one who was slower watches the winner for a life of it, and takes over.
    assert!(errors <= 1);
    let good = [second, third].into_iter().flatten().filter(|it| it.check_lease().is_ok());
    assert_eq!(good.count(), 1);
}
