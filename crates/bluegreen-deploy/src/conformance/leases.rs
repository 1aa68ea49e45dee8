//! Only who holds the lease writes, one at a time, and everybody else learns who it is.

use std::sync::Arc;

use futures::future;
use serde_json::json;

use super::{changes, done, give_back, lost, read, take, time, write};
use crate::{Changes, Holder, Lease, Storage};

/// How many reach for the lease at the same moment.
const RIVALS: u64 = 8;

pub(super) async fn check(make: &impl AsyncFn() -> Arc<dyn Storage>) {
    let before = one_at_a_time(make).await;
    let before = of_many_at_once_one(make, &before).await;
    if make().await.lease_lasts().is_some() {
        a_holder_who_shows_no_life(make, &before).await;
    }
}

/// Who has it keeps others out and is known to them; given back, it is free, and its old number is worth nothing.
async fn one_at_a_time(make: &impl AsyncFn() -> Arc<dyn Storage>) -> Lease {
    let (first, second) = (make().await, make().await);
    let taken = first.take("first", time(1), None).await;
    let Some(lease) = done(taken, "a free lease cannot be taken") else {
        panic!("a lease that was given back is not free");
    };

    let holder = held(second.as_ref()).await;
    assert_eq!(
        (&*holder.owner, holder.since, holder.fence),
        ("first", time(1), lease.fence),
        "another process is not told whose the lease is, since when, and which number it has"
    );
    let lasts = second.lease_lasts().unwrap_or_default();
    assert_eq!(holder.lasts, lasts, "another process is not told how long the lease lives");
    refuse_all_but_the_holder(second.as_ref(), &holder, &lease).await;
    let renewed = first.renew(&lease).await;
    done(renewed, "who holds the lease cannot renew it");
    write(first.as_ref(), &lease, &changes([("memory/whose", json!("first"))])).await;

    give_back(first.as_ref(), &lease).await;
    let holder = done(second.holder().await, "a lease that is free cannot be looked at");
    assert!(holder.is_none(), "a lease that was given back still has a holder: {holder:?}");
    stale(first.as_ref(), &lease, "after it has given the lease back").await;

    let next = take(second.as_ref(), "second").await;
    assert!(next.fence > lease.fence, "the number of a new lease is not greater than the last one");
    let to = stale(first.as_ref(), &lease, "after another has taken the lease").await;
    assert!(
        to.is_none_or(|it| it == "second"),
        "who has lost the lease is told of somebody who does not have it"
    );
    give_back(first.as_ref(), &lease).await;
    let holder = held(make().await.as_ref()).await;
    assert_eq!(holder.owner, "second", "giving back a lease of old frees that of somebody else");
    write(second.as_ref(), &next, &changes([("memory/whose", json!("second"))])).await;
    give_back(second.as_ref(), &next).await;
    next
}

/// Nobody takes a lease that is held, whoever they think holds it.
async fn refuse_all_but_the_holder(storage: &dyn Storage, holder: &Holder, lease: &Lease) {
    let other = Holder { beat: holder.beat + 1, ..holder.clone() };
    let older = Holder { fence: holder.fence.wrapping_sub(1), ..holder.clone() };
    let another = Holder { owner: "somebody else".to_owned(), ..holder.clone() };
    for seen in [None, Some(&other), Some(&older), Some(&another)] {
        let taken = storage.take("second", time(2), seen).await;
        let taken = done(taken, "taking a lease that is held fails, instead of giving nothing");
        assert!(taken.is_none(), "a lease that is held was taken by somebody who saw {seen:?}");
    }
    let now = held(storage).await;
    assert_eq!(now.fence, lease.fence, "reaching for a lease in vain changes it");
}

/// Of many that reach for a free lease one gets it, and the others hear nothing worse than no.
async fn of_many_at_once_one(make: &impl AsyncFn() -> Arc<dyn Storage>, before: &Lease) -> Lease {
    let mut rivals = Vec::new();
    for number in 0..RIVALS {
        rivals.push((make().await, format!("rival {number}")));
    }

    let taking = rivals.iter().map(|(storage, name)| storage.take(name, time(3), None));
    let taken = future::join_all(taking).await;
    let taken =
        taken.into_iter().map(|it| done(it, "reaching for a lease together with others fails"));
    let mut won: Vec<_> =
        rivals.iter().zip(taken).filter_map(|(it, won)| Some((it, won?))).collect();

    assert_eq!(won.len(), 1, "so many of {RIVALS} that reach for a lease at once get it");
    let ((storage, name), lease) = won.remove(0);
    assert_eq!(&lease.owner, name, "the lease of who won is somebody else's");
    assert!(lease.fence > before.fence, "the number of a new lease is not greater than before");
    write(storage.as_ref(), &lease, &changes([("memory/whose", json!(name))])).await;
    give_back(storage.as_ref(), &lease).await;
    lease
}

/// A holder that has done nothing since it was looked at loses the lease to who looked; another does not.
async fn a_holder_who_shows_no_life(make: &impl AsyncFn() -> Arc<dyn Storage>, before: &Lease) {
    let (first, second, third) = (make().await, make().await, make().await);
    let lease = take(first.as_ref(), "first").await;
    assert!(lease.fence > before.fence, "the number of a new lease is not greater than before");

    let seen = held(second.as_ref()).await;
    done(first.renew(&lease).await, "who holds the lease cannot renew it");
    refused(second.as_ref(), &seen, "has renewed it").await;
    let seen = held(second.as_ref()).await;
    write(first.as_ref(), &lease, &changes([("memory/whose", json!("first"))])).await;
    refused(second.as_ref(), &seen, "has written").await;

    let seen = held(second.as_ref()).await;
    let taking =
        [second.take("second", time(4), Some(&seen)), third.take("third", time(4), Some(&seen))];
    let taken = future::join_all(taking).await;
    let taken: Vec<_> = taken
        .into_iter()
        .map(|it| done(it, "a lease without a sign of life cannot be taken"))
        .collect();
    let (winner, next) = match taken.as_slice() {
        [Some(lease), None] => (&second, lease),
        [None, Some(lease)] => (&third, lease),
        _ => panic!("of two that take a lease over that shows no life, not one gets it: {taken:?}"),
    };
    assert!(next.fence > lease.fence, "the number of a lease that was taken over is not greater");

    let to = stale(first.as_ref(), &lease, "after its lease was taken over").await;
    let to = to.unwrap_or_default();
    assert_eq!(to, next.owner, "who has lost the lease is not told to whom");
    give_back(first.as_ref(), &lease).await;
    let holder = held(make().await.as_ref()).await;
    assert_eq!(holder.owner, next.owner, "who has lost the lease takes it from the new holder");
    write(winner.as_ref(), next, &changes([("memory/whose", json!(next.owner))])).await;
    done(winner.renew(next).await, "who has taken a lease over cannot renew it");
    give_back(winner.as_ref(), next).await;
}

/// Requires that a lease is not taken from a holder who has shown a sign of life.
async fn refused(storage: &dyn Storage, seen: &Holder, sign: &str) {
    let taken = storage.take("second", time(4), Some(seen)).await;
    let taken = done(taken, "taking a lease that is held fails, instead of giving nothing");
    assert!(taken.is_none(), "a lease was taken over although its holder {sign} since it was seen");
}

/// Requires that a lease is worth nothing any more, and that a write with it leaves no trace. Returns to whom it is
/// said to be lost.
async fn stale(storage: &dyn Storage, lease: &Lease, when: &str) -> Option<String> {
    let before = read(storage, "").await;
    let mut writing: Changes =
        (0..5).map(|it| (format!("memory/stale-{it}"), Some(json!(it)))).collect();
    writing.insert("memory/whose".to_owned(), Some(json!("stale")));
    writing.insert("pointer".to_owned(), None);

    let written = storage.write(lease, &writing).await;
    let to = lost(written, &format!("a process can write {when}"));
    let renewed = storage.renew(lease).await;
    lost(renewed, &format!("a process can renew its lease {when}"));

    let same = read(storage, "").await == before;
    assert!(same, "a write that was refused {when} has changed something all the same");
    to
}

async fn held(storage: &dyn Storage) -> Holder {
    let holder = done(storage.holder().await, "a lease that is held cannot be looked at");
    holder.unwrap_or_else(|| panic!("a lease that is held seems to be free"))
}
