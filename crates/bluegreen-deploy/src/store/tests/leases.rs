//! Who may write, and for how long.

use super::*;

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
