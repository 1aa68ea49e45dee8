//! [`KinesisToolkit`] against an emulator.

use bluegreen_core::{
    Change, Pair,
    StackReference::{A, B},
};
use bluegreen_kinesis::{AwsKinesisToolkit, ConsumerStatus, KinesisConfig, KinesisToolkit};

use crate::account::{Account, arn, unique};

async fn toolkit(test: &str) -> (Account, AwsKinesisToolkit, String) {
    let account = Account::new().await;
    let name = unique(test);
    let config = KinesisConfig {
        stream_arn: arn("kinesis", &format!("stream/{name}")),
        consumers: Pair { a: "clicks-a".to_owned(), b: "clicks-b".to_owned() },
    };
    let toolkit = AwsKinesisToolkit::new(&account.sdk, config).unwrap();
    (account, toolkit, name)
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_consumer_is_registered_and_deregistered_as_often_as_one_likes() {
    let (account, kinesis, name) = toolkit("consumer").await;
    account.create_stream(&name).await;

    let registered =
        [kinesis.register_consumer(A).await.unwrap(), kinesis.register_consumer(A).await.unwrap()];
    let seen = kinesis.describe_consumer(A).await.unwrap().unwrap();
    let other = kinesis.describe_consumer(B).await.unwrap();
    let removed = [
        kinesis.deregister_consumer(A).await.unwrap(),
        kinesis.deregister_consumer(A).await.unwrap(),
    ];

    assert_eq!(registered, [Change::Made, Change::AlreadySo]);
    assert_eq!((seen.name.as_str(), seen.status), ("clicks-a", ConsumerStatus::Active));
    assert_eq!(other, None);
    assert_eq!(removed, [Change::Made, Change::AlreadySo]);
    assert_eq!(kinesis.describe_consumer(A).await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_missing_stream_is_not_taken_for_a_missing_consumer() {
    let (_account, kinesis, name) = toolkit("consumer-lost").await;

    let errors = [
        kinesis.register_consumer(A).await.unwrap_err(),
        kinesis.describe_consumer(A).await.unwrap_err(),
        kinesis.deregister_consumer(A).await.unwrap_err(),
    ];

    for err in errors {
        assert!(err.is_absent() && err.to_string().contains(&name), "{err}");
    }
}
