//! What is sent, and what each answer means, from the wire.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::operation::{
    get_item::GetItemOutput, query::QueryOutput, transact_write_items::TransactWriteItemsInput,
    transact_write_items::TransactWriteItemsOutput,
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
use aws_smithy_types::body::SdkBody;
use bluegreen_core::wait::Look;
use serde_json::json;

use super::*;
use crate::chain;

mod tables;

const LASTS: Duration = Duration::from_secs(30);
const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn storage(rules: &[&Rule]) -> DynamoDbStorage {
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, rules);
    DynamoDbStorage::from_client(client, "releases", "shop", LASTS)
}

fn refusal(code: &str, more: serde_json::Value) -> HttpResponse {
    let mut body = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}") });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    HttpResponse::new(StatusCode::try_from(400).unwrap(), SdkBody::from(body.to_string()))
}

/// The lease's item on the wire, as it was taken at [`NOW`].
fn on_the_wire(owner: &str, fence: u64, beat: u64) -> serde_json::Value {
    json!({
        "pk": { "S": "shop" }, "sk": { "S": "lease" }, "held": { "BOOL": true },
        "owner": { "S": owner }, "since": { "S": "1970-01-01T00:00:00.000000000Z" },
        "fence": { "N": fence.to_string() }, "beat": { "N": beat.to_string() },
        "lasts": { "N": "30000" },
    })
}

fn item(is_held: bool, owner: &str, fence: u64, beat: u64) -> Item {
    Item::from([
        ("held".to_owned(), AttributeValue::Bool(is_held)),
        ("owner".to_owned(), text(owner)),
        ("since".to_owned(), text("1970-01-01T00:00:00Z")),
        ("fence".to_owned(), number(fence)),
        ("beat".to_owned(), number(beat)),
        ("lasts".to_owned(), number(30_000)),
    ])
}

/// A transaction that is refused because the lease's item is as `found`.
fn cancelled(found: serde_json::Value) -> HttpResponse {
    let reasons = json!([
        { "Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": found },
        { "Code": "None" },
    ]);
    refusal("TransactionCanceledException", json!({ "CancellationReasons": reasons }))
}

fn lease() -> Lease {
    Lease { owner: "me".to_owned(), fence: 7 }
}

fn one() -> Changes {
    Changes::from([("pointer".to_owned(), Some(json!({ "active": "b" })))])
}

/// Reads the lease's item with a look that a stale answer would not do for.
fn holding(item: Option<Item>) -> Rule {
    mock!(Client::get_item)
        .match_requests(|it| {
            let key = it.key().and_then(|it| it.get("sk"));
            it.consistent_read() == Some(true) && key == Some(&text("lease"))
        })
        .then_output(move || GetItemOutput::builder().set_item(item.clone()).build())
}

#[tokio::test]
async fn a_write_is_made_only_under_its_lease_and_after_all_before_it() {
    let seen: Arc<Mutex<Vec<TransactWriteItemsInput>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let rule = mock!(Client::transact_write_items).then_compute_output(move |it| {
        noted.lock().unwrap().push(it.clone());
        TransactWriteItemsOutput::builder().build()
    });
    let storage = storage(&[&rule]);
    let gone = Changes::from([("open".to_owned(), None)]);

    storage.write(&lease(), &one()).await.unwrap();
    storage.write(&lease(), &gone).await.unwrap();

    let seen = seen.lock().unwrap();
    let beats = seen[0].transact_items()[0].update().unwrap();
    assert_eq!(beats.table_name(), "releases");
    assert_eq!(beats.key()["pk"], text("shop"));
    assert_eq!(
        beats.condition_expression(),
        Some("fence = :fence AND held = :held AND beat < :beat")
    );
    let values = beats.expression_attribute_values().unwrap();
    assert_eq!((&values[":fence"], &values[":beat"]), (&number(7), &number(1)));
    let put = seen[0].transact_items()[1].put().unwrap();
    assert_eq!(put.item()["sk"], text("record/pointer"));
    assert_eq!(put.item()["value"], text(r#"{"active":"b"}"#));
    let delete = seen[1].transact_items()[1].delete().unwrap();
    assert_eq!(delete.key()["sk"], text("record/open"));
    let tokens: Vec<_> = seen.iter().map(|it| it.client_request_token().unwrap()).collect();
    assert_ne!(tokens[0], tokens[1]);
}

#[tokio::test]
async fn a_write_that_an_earlier_try_has_made_is_made() {
    let rule = mock!(Client::transact_write_items)
        .then_http_response(|| cancelled(on_the_wire("me", 7, 1)));

    storage(&[&rule]).write(&lease(), &one()).await.unwrap();
}

#[tokio::test]
async fn a_write_under_a_lease_that_is_anothers_is_refused_and_says_whose() {
    let taken = cancelled(on_the_wire("another", 8, 1));
    let body = taken.body().bytes().unwrap().to_vec();
    let rule = mock!(Client::transact_write_items).then_http_response(move || {
        HttpResponse::new(StatusCode::try_from(400).unwrap(), SdkBody::from(body.clone()))
    });

    let err = storage(&[&rule]).write(&lease(), &one()).await.unwrap_err();

    assert!(matches!(&err, Error::LeaseLost { to: Some(to) } if to.owner == "another"), "{err}");
}

#[tokio::test]
async fn a_lease_that_was_given_back_is_lost_to_nobody() {
    let mut free = on_the_wire("me", 7, 0);
    free["held"] = json!({ "BOOL": false });
    let rule =
        mock!(Client::transact_write_items).then_http_response(move || cancelled(free.clone()));

    let err = storage(&[&rule]).write(&lease(), &one()).await.unwrap_err();

    assert!(matches!(&err, Error::LeaseLost { to: None }), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_another_is_in_the_way_of_is_sent_again_as_the_same() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let conflict = || {
        let reasons = json!([{ "Code": "TransactionConflict" }, { "Code": "None" }]);
        refusal("TransactionCanceledException", json!({ "CancellationReasons": reasons }))
    };
    let rule = mock!(Client::transact_write_items)
        .match_requests(move |it| {
            noted.lock().unwrap().push(it.client_request_token().unwrap().to_owned());
            true
        })
        .sequence()
        .http_response(conflict)
        .times(4)
        .output(|| TransactWriteItemsOutput::builder().build())
        .build();

    storage(&[&rule]).write(&lease(), &one()).await.unwrap();

    let mut seen = seen.lock().unwrap().clone();
    seen.dedup();
    assert_eq!((rule.num_calls(), seen.len()), (5, 1), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_another_stays_in_the_way_of_fails_as_one_whose_outcome_is_not_known() {
    let rule = mock!(Client::transact_write_items).then_http_response(|| {
        let reasons = json!([{ "Code": "None" }, { "Code": "TransactionConflict" }]);
        refusal("TransactionCanceledException", json!({ "CancellationReasons": reasons }))
    });

    let err = storage(&[&rule]).write(&lease(), &one()).await.unwrap_err();

    assert!(matches!(err, Error::Toolkit(CallError::Throttled { .. })), "{err}");
    assert_eq!(rule.num_calls(), 5);
}

#[tokio::test]
async fn a_renewal_that_an_earlier_try_has_made_is_made_and_anothers_lease_is_lost() {
    for (found, lost_to) in
        [(on_the_wire("me", 7, 1), None), (on_the_wire("another", 8, 0), Some("another"))]
    {
        let rule = mock!(Client::update_item).then_http_response(move || {
            refusal("ConditionalCheckFailedException", json!({ "Item": found }))
        });

        let renewed = storage(&[&rule]).renew(&lease()).await;

        match renewed {
            Ok(()) => assert_eq!(lost_to, None),
            Err(Error::LeaseLost { to }) => assert_eq!(to.map(|it| it.owner).as_deref(), lost_to),
            Err(err) => panic!("{err}"),
        }
    }
}

#[tokio::test]
async fn a_lease_that_an_earlier_try_has_taken_is_ones_own_and_no_other_is() {
    let mut earlier = on_the_wire("me", 7, 0);
    earlier["since"] = json!({ "S": "1970-01-01T00:00:01Z" });
    for (found, is_own) in [
        (on_the_wire("me", 7, 0), true),
        (on_the_wire("another", 7, 0), false),
        (on_the_wire("me", 8, 0), false),
        (earlier, false),
    ] {
        let look = holding(Some(item(false, "another", 6, 3)));
        let put = mock!(Client::put_item).then_http_response(move || {
            refusal("ConditionalCheckFailedException", json!({ "Item": found }))
        });

        let taken = storage(&[&look, &put]).take("me", NOW, None).await.unwrap();

        assert_eq!(taken, is_own.then(lease));
    }
}

#[tokio::test]
async fn a_lease_is_taken_over_only_as_it_was_seen() {
    let look = holding(Some(item(true, "another", 6, 3)));
    let put = mock!(Client::put_item)
        .match_requests(|it| {
            let values = it.expression_attribute_values().unwrap();
            it.condition_expression() == Some("fence = :fence AND beat = :beat AND held = :held")
                && (&values[":fence"], &values[":beat"]) == (&number(6), &number(3))
                && values[":held"] == AttributeValue::Bool(true)
                && it.item().unwrap()["fence"] == number(7)
        })
        .then_output(|| aws_sdk_dynamodb::operation::put_item::PutItemOutput::builder().build());
    let storage = storage(&[&look, &put]);
    let seen = storage.holder().await.unwrap().unwrap();

    let earlier = Holder { beat: 2, ..seen.clone() };
    let in_vain = storage.take("me", NOW, Some(&earlier)).await.unwrap();
    let taken = storage.take("me", NOW, Some(&seen)).await.unwrap();

    assert_eq!((seen.owner.as_str(), seen.lasts), ("another", LASTS));
    assert_eq!((in_vain, taken), (None, Some(lease())));
    assert_eq!(put.num_calls(), 1);
}

#[tokio::test]
async fn giving_back_what_is_anothers_by_now_is_no_error() {
    let rule = mock!(Client::update_item)
        .match_requests(|it| it.condition_expression() == Some("fence = :fence"))
        .then_http_response(|| refusal("ConditionalCheckFailedException", json!({})));

    storage(&[&rule]).give_back(&lease()).await.unwrap();

    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn records_are_read_consistently_page_after_page() {
    let record = |key: &str| {
        Item::from([
            ("sk".to_owned(), text(&format!("record/{key}"))),
            ("value".to_owned(), text("1")),
        ])
    };
    let (first, second) = (record("journal/1"), record("journal/2"));
    let next = first.clone();
    let all = |it: &aws_sdk_dynamodb::operation::query::QueryInput| {
        let values = it.expression_attribute_values().unwrap();
        it.consistent_read() == Some(true)
            && it.key_condition_expression() == Some("pk = :pk AND begins_with(sk, :start)")
            && (&values[":pk"], &values[":start"]) == (&text("shop"), &text("record/journal/"))
    };
    let one = mock!(Client::query)
        .match_requests(move |it| all(it) && it.exclusive_start_key().is_none())
        .then_output(move || {
            let page = QueryOutput::builder().items(first.clone());
            page.set_last_evaluated_key(Some(next.clone())).build()
        });
    let two = mock!(Client::query)
        .match_requests(move |it| all(it) && it.exclusive_start_key().is_some())
        .then_output(move || QueryOutput::builder().items(second.clone()).build());

    let records = storage(&[&one, &two]).read("journal/").await.unwrap();

    let keys: Vec<_> = records.into_keys().collect();
    assert_eq!(keys, ["journal/1", "journal/2"]);
}

#[tokio::test]
async fn items_that_nobody_here_has_written_are_named() {
    let foreign =
        Item::from([("sk".to_owned(), text("record/open")), ("value".to_owned(), text("{"))]);
    let query = mock!(Client::query)
        .then_output(move || QueryOutput::builder().items(foreign.clone()).build());
    let mut lease = item(true, "me", 7, 0);
    lease.remove("fence");
    let get = holding(Some(lease));
    let storage = storage(&[&query, &get]);

    let record = storage.read("open").await.unwrap_err().to_string();
    let lease = storage.holder().await.unwrap_err().to_string();

    assert!(record.contains("table releases") && record.contains("under `open`"), "{record}");
    assert!(lease.contains("something else than a lease"), "{lease}");
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named_with_what_makes_it_whatever_is_asked() {
    let missing = || refusal("ResourceNotFoundException", json!({ "message": "not found" }));
    let rules = [
        mock!(Client::query).then_http_response(missing),
        mock!(Client::get_item).then_http_response(missing),
        mock!(Client::transact_write_items).then_http_response(missing),
        mock!(Client::update_item).then_http_response(missing),
        mock!(Client::describe_table).then_http_response(missing),
    ];
    let storage = storage(&rules.each_ref());

    let errors = [
        storage.read("").await.map(drop),
        storage.holder().await.map(drop),
        storage.take("me", NOW, None).await.map(drop),
        storage.write(&lease(), &one()).await,
        storage.renew(&lease()).await,
        storage.give_back(&lease()).await,
    ];
    // It may have been made a moment ago.
    let waits = storage.look_at_table().await.unwrap();

    for err in errors {
        let err = chain(&err.unwrap_err());
        let says = "the state in `table releases` does not exist: `bluegreen init --create-table` makes it";
        assert!(err.starts_with(says), "{err}");
    }
    assert_eq!(waits, Look::Waiting("table releases is not there yet".to_owned()));
}

#[tokio::test]
async fn whoever_may_write_is_told_so_by_a_condition_that_nothing_meets() {
    let asks = mock!(Client::transact_write_items)
        .match_requests(|it| {
            let impossible = |it: &str| it == "attribute_exists(pk) AND attribute_not_exists(pk)";
            let conditions = it.transact_items().iter().flat_map(|it| {
                let put = it.put().and_then(Put::condition_expression);
                let delete = it.delete().and_then(Delete::condition_expression);
                let update = it.update().and_then(Update::condition_expression);
                [put, delete, update]
            });
            conditions.flatten().filter(|it| impossible(it)).count() == 3
        })
        .then_http_response(|| cancelled(json!(null)));

    let asked = storage(&[&asks]).may_write().await;

    assert!(asked.is_ok(), "{asked:?}");
}

#[tokio::test]
async fn whoever_may_not_write_is_told_what_is_lacking() {
    let denied = mock!(Client::transact_write_items).then_http_response(|| {
        let message =
            "User: hook is not authorized to perform: dynamodb:DeleteItem on resource: releases";
        refusal("AccessDeniedException", json!({ "message": message }))
    });

    let err = storage(&[&denied]).may_write().await.unwrap_err();

    assert!(chain(&err).contains("dynamodb:"), "{}", chain(&err));
    assert!(matches!(err, Error::Toolkit(CallError::AccessDenied { .. })), "{err:?}");
}
