//! [`SqsToolkit`] against an emulator.

use bluegreen_core::{
    Pair,
    StackReference::{A, B},
};
use bluegreen_sqs::{AwsSqsToolkit, Purge, Queue, Queues, SqsConfig, SqsToolkit};

use crate::account::{Account, unique};

async fn toolkit(test: &str) -> (Account, AwsSqsToolkit, String) {
    let account = Account::new().await;
    let name = unique(test);
    let config = SqsConfig {
        queues: Pair { a: format!("{name}-a"), b: format!("{name}-b") },
        dead_letter_queues: Some(Pair { a: format!("{name}-dlq-a"), b: format!("{name}-dlq-b") }),
    };
    let toolkit = AwsSqsToolkit::new(&account.sdk, config).unwrap();
    (account, toolkit, name)
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn queue_and_dead_letters_are_counted_and_purged_once_a_minute() {
    let (account, sqs, name) = toolkit("queue-purge").await;
    account.create_queue(&format!("{name}-a"), 3).await;
    account.create_queue(&format!("{name}-dlq-a"), 2).await;
    let before = sqs.depth(A, Queue::Main).await.unwrap();

    let main = sqs.purge_queues(A, Queues::Main).await;
    let both = sqs.purge_queues(A, Queues::Both).await;

    let answers = |it: Vec<bluegreen_sqs::QueuePurge>| -> Vec<_> {
        it.into_iter().map(|it| (it.name, it.outcome.unwrap())).collect()
    };
    assert_eq!((before.waiting, before.total()), (3, 3));
    assert_eq!(answers(main), [(format!("{name}-a"), Purge::Started)]);
    assert_eq!(
        answers(both),
        [(format!("{name}-a"), Purge::AlreadyUnderWay), (format!("{name}-dlq-a"), Purge::Started)]
    );
    assert!(sqs.depth(A, Queue::Main).await.unwrap().is_empty());
    assert!(sqs.depth(A, Queue::DeadLetters).await.unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_missing_queue_is_named_and_does_not_keep_the_other_from_being_purged() {
    let (account, sqs, name) = toolkit("queue-missing").await;
    account.create_queue(&format!("{name}-dlq-b"), 2).await;

    let err = sqs.depth(B, Queue::Main).await.unwrap_err();
    let purged = sqs.purge_queues(B, Queues::Both).await;

    assert!(err.is_absent() && err.to_string().contains(&format!("{name}-b")), "{err}");
    assert!(purged[0].outcome.as_ref().unwrap_err().is_absent());
    assert_eq!(*purged[1].outcome.as_ref().unwrap(), Purge::Started);
    assert_eq!(account.depth(&format!("{name}-dlq-b")).await, "0");
}
