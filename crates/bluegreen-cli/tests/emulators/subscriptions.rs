//! [`SnsToolkit`] against an emulator.

use bluegreen_core::{
    Change, Pair,
    StackReference::{A, B},
};
use bluegreen_sns::{AwsSnsToolkit, FilterPolicy, FilterScope, SnsConfig, SnsToolkit};

use crate::{
    account::{Account, arn, unique},
    shop::FILTER,
};

/// Returns the toolkit of the subscriptions of two queues, of which a's has a filter.
async fn toolkit(test: &str) -> AwsSnsToolkit {
    let account = Account::new().await;
    let name = unique(test);
    let topic = account.create_topic(&name).await;
    account.subscribe(&topic, &format!("{name}-a"), Some(FILTER)).await;
    account.subscribe(&topic, &format!("{name}-b"), None).await;
    let config = SnsConfig {
        topic: Some(topic),
        endpoints: Some(Pair::from_fn(|stack| arn("sqs", &format!("{name}-{stack}")))),
        ..SnsConfig::default()
    };
    AwsSnsToolkit::new(&account.sdk, config).unwrap()
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_subscription_with_a_filter_is_off_and_on_again_with_that_filter() {
    let sns = toolkit("subscription-filter").await;
    let before = sns.subscription(A).await.unwrap();

    let disabled = sns.disable_subscription(A).await.unwrap();
    let off = sns.subscription(A).await.unwrap();
    let again = sns.disable_subscription(A).await.unwrap();
    let enabled = sns.enable_subscription(A, before.filter.clone()).await.unwrap();

    let text = |it: &Option<FilterPolicy>| it.as_ref().map(|it| it.0.clone());
    assert_eq!(text(&before.filter).as_deref(), Some(FILTER));
    assert_eq!(before.scope, FilterScope::MessageAttributes);
    assert_eq!([disabled, again, enabled], [Change::Made, Change::AlreadySo, Change::Made]);
    assert!(off.disabled && !before.disabled);
    let after = sns.subscription(A).await.unwrap();
    assert!(!after.disabled);
    assert_eq!(text(&after.filter).as_deref(), Some(FILTER));
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_subscription_without_a_filter_comes_back_without_one() {
    let sns = toolkit("subscription-plain").await;

    sns.disable_subscription(B).await.unwrap();
    let off = sns.subscription(B).await.unwrap();
    sns.enable_subscription(B, None).await.unwrap();

    assert!(off.disabled);
    let after = sns.subscription(B).await.unwrap();
    assert_eq!((after.filter, after.disabled), (None, false));
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_subscription_that_is_on_keeps_its_own_filter() {
    let sns = toolkit("subscription-own").await;

    let change = sns.enable_subscription(A, None).await.unwrap();

    assert_eq!(change, Change::AlreadySo);
    assert_eq!(sns.subscription(A).await.unwrap().filter.unwrap().0, FILTER);
}
