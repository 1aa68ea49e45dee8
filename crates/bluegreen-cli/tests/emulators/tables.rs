//! [`DynamoDbToolkit`] against an emulator.

use bluegreen_core::{
    Change, Error, Pair,
    StackReference::{A, B},
};
use bluegreen_dynamodb::{AwsDynamoDbToolkit, DynamoDbConfig, DynamoDbToolkit, TableStatus};

use crate::account::{Account, arn, unique};

async fn toolkit(test: &str) -> (Account, AwsDynamoDbToolkit, Pair<String>) {
    let account = Account::new().await;
    let name = unique(test);
    let tables = Pair { a: format!("{name}-a"), b: format!("{name}-b") };
    account.create_table(&tables.a).await;
    let config = DynamoDbConfig { tables: tables.clone() };
    let toolkit = AwsDynamoDbToolkit::new(&account.sdk, config).unwrap();
    (account, toolkit, tables)
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_table_is_seen_and_deleted_twice() {
    let (account, dynamodb, tables) = toolkit("table-delete").await;

    let seen = dynamodb.table(A).await.unwrap();
    let deleted = dynamodb.delete_table(A).await.unwrap();
    let again = dynamodb.delete_table(A).await.unwrap();

    assert_eq!(seen.arn, arn("dynamodb", &format!("table/{}", tables.a)));
    assert_eq!((seen.status, seen.deletion_protection), (TableStatus::Active, false));
    assert_eq!([deleted, again], [Change::Made, Change::AlreadySo]);
    assert_eq!(account.table(&tables.a).await, "missing");
    assert!(dynamodb.table(B).await.unwrap_err().is_absent());
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_protected_table_stays_and_the_error_says_why() {
    let (account, dynamodb, tables) = toolkit("table-protected").await;
    let protect = account.tables.update_table().table_name(&tables.a);
    protect.deletion_protection_enabled(true).send().await.unwrap();

    let seen = dynamodb.table(A).await.unwrap();
    let err = dynamodb.delete_table(A).await.unwrap_err();

    assert!(seen.deletion_protection);
    assert!(matches!(err, Error::WrongState { .. }), "{err}");
    assert_eq!(account.table(&tables.a).await, "ACTIVE");
}
