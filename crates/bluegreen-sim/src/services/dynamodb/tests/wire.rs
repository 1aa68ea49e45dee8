//! What the real SDK makes of conditions that do not hold, of transactions, and of answers that are lost.

use aws_sdk_dynamodb::{
    Client,
    error::ProvideErrorMetadata,
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    },
};

use crate::{Fault, FaultRule, Faults, Outcome, Policy, Settings, SimulatedAccount};

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// An account with a table and the lock of somebody in it.
fn account() -> SimulatedAccount {
    let account = SimulatedAccount::new(Settings::default());
    account
        .world(|world| {
            world.add_table("releases");
            world.add_item("releases", &super::lock("you"))
        })
        .unwrap();
    account
}

fn lock(holder: &str) -> Put {
    Put::builder()
        .table_name("releases")
        .item("pk", text("shop"))
        .item("sk", text("lock"))
        .item("holder", text(holder))
        .build()
        .unwrap()
}

fn step() -> TransactWriteItem {
    let put = Put::builder().table_name("releases").item("pk", text("r-1")).item("sk", text("new"));
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

fn held_by(holder: &str) -> TransactWriteItem {
    let check = ConditionCheck::builder()
        .table_name("releases")
        .key("pk", text("shop"))
        .key("sk", text("lock"))
        .condition_expression("#h = :me")
        .expression_attribute_names("#h", "holder")
        .expression_attribute_values(":me", text(holder))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    TransactWriteItem::builder().condition_check(check.build().unwrap()).build()
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_does_not_hold_tells_the_item() {
    let client = Client::new(&account().sdk_config());

    let err = client
        .put_item()
        .table_name("releases")
        .set_item(Some(lock("me").item))
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await
        .unwrap_err()
        .into_service_error();

    assert!(err.is_conditional_check_failed_exception(), "{err:?}");
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(err) =
        err
    else {
        panic!("{err:?}");
    };
    assert_eq!(err.message(), Some("The conditional request failed"));
    assert_eq!(err.item().unwrap()["holder"], text("you"));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_tells_the_reasons_in_the_order_of_its_writes() {
    let client = Client::new(&account().sdk_config());

    let done = client.transact_write_items().transact_items(held_by("you")).transact_items(step());
    done.send().await.unwrap();
    let err = client
        .transact_write_items()
        .transact_items(step())
        .transact_items(held_by("me"))
        .send()
        .await
        .unwrap_err()
        .into_service_error();

    let TransactWriteItemsError::TransactionCanceledException(err) = err else {
        panic!("{err:?}");
    };
    let codes: Vec<_> = err.cancellation_reasons().iter().map(|it| it.code().unwrap()).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
    assert_eq!(err.cancellation_reasons()[1].item().unwrap()["holder"], text("you"));
    assert!(err.message().unwrap().ends_with("[None, ConditionalCheckFailed]"));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_done_and_its_repetition_meets_it() {
    let account = account();
    let client = Client::new(&account.sdk_config());
    let lost = FaultRule { target: "*".to_owned(), fault: Fault::LostAfter, times: Some(1) };
    account.set_faults(Faults::none().with(lost.clone()));
    let new = client
        .put_item()
        .table_name("releases")
        .item("pk", text("r-1"))
        .item("sk", text("head"))
        .condition_expression("attribute_not_exists(pk)");

    let err = new.send().await.unwrap_err();
    account.set_faults(Faults::none().with(lost));
    let transaction = client.transact_write_items().transact_items(step()).send().await;

    assert_eq!(err.code(), Some("ConditionalCheckFailedException"), "it was this very write");
    assert!(transaction.is_ok(), "the SDK repeats it with its token: {transaction:?}");
    account.world(|world| {
        let outcomes: Vec<_> = world.audit.records().iter().map(|it| it.outcome.clone()).collect();
        let refused = Outcome::Refused("ConditionalCheckFailedException".to_owned());
        assert_eq!(
            outcomes,
            [Outcome::AnswerLost, refused, Outcome::AnswerLost, Outcome::Answered]
        );
        assert_eq!(world.dynamodb.table("releases").unwrap().items().count(), 3);
    });
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_put_and_not_check_may_not_check_in_a_transaction_either() {
    let account = account();
    let policy = r#"{ "Statement": { "Effect": "Allow", "Action": "dynamodb:PutItem",
        "Resource": "arn:aws:dynamodb:eu-west-1:123456789012:table/releases" } }"#;
    let sdk = account.sdk_config_for("deployer", Policy::parse(policy).unwrap());
    let client = Client::new(&sdk);

    let put = client.transact_write_items().transact_items(step()).send().await;
    let checked = client.transact_write_items().transact_items(held_by("you")).send().await;

    assert!(put.is_ok(), "{put:?}");
    let err = checked.unwrap_err();
    assert_eq!(err.code(), Some("AccessDeniedException"));
    assert!(err.message().unwrap().contains("dynamodb:ConditionCheckItem"), "{err:?}");
}
