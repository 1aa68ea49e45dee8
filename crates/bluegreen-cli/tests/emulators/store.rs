//! The store in a table of an emulator.

use std::{sync::Arc, time::Duration};

use bluegreen_core::wait::Look;
use bluegreen_deploy::{DynamoDbStorage, Storage, conformance};

use crate::account::{Account, unique};

const LASTS: Duration = Duration::from_secs(30);

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_table_that_was_made_here_keeps_to_what_every_storage_keeps_to() {
    let account = Account::new().await;
    let table = unique("conformance");
    let make = || DynamoDbStorage::new(&account.sdk, &table, "shop", LASTS);

    let missing = make().holder().await.unwrap_err().to_string();
    let made = [make().create_table().await.unwrap(), make().create_table().await.unwrap()];
    let look = make().look_at_table().await.unwrap();
    conformance::check(async || Arc::new(make()) as Arc<dyn Storage>).await;

    assert!(missing.contains("`bluegreen init --create-table` makes it"), "{missing}");
    assert_eq!(made, [true, false], "it is made once");
    assert_eq!(look, Look::Ready(()));
    assert_eq!(make().read("memory/whose").await.unwrap().len(), 1, "the suite has run");
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn stack_files_that_share_a_table_know_nothing_of_each_other() {
    let account = Account::new().await;
    let table = unique("shared");
    let make = |name| DynamoDbStorage::new(&account.sdk, &table, name, LASTS);
    let (shop, other) = (make("shop"), make("shop-2"));
    shop.create_table().await.unwrap();

    let now = std::time::UNIX_EPOCH;
    let lease = shop.take("first", now, None).await.unwrap().unwrap();
    let pointer = [("pointer".to_owned(), Some("a".into()))].into();
    shop.write(&lease, &pointer).await.unwrap();
    let taken = other.take("second", now, None).await.unwrap();

    assert!(taken.is_some(), "the lease is of one stack file only");
    assert!(other.read("").await.unwrap().is_empty());
    assert_eq!(shop.read("").await.unwrap().len(), 1);
}
