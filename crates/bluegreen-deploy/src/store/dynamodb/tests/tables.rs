//! Making the table, and looking whether it can be used.

use aws_sdk_dynamodb::{
    operation::create_table::CreateTableOutput,
    types::{BillingMode, KeyType, ScalarAttributeType},
};
use bluegreen_core::wait::Look;

use super::*;

fn described(table: serde_json::Value) -> Rule {
    let body = json!({ "Table": table }).to_string();
    mock!(Client::describe_table).then_http_response(move || {
        HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::from(body.clone()))
    })
}

fn keys(hash: &str, range: &str) -> serde_json::Value {
    json!([
        { "AttributeName": hash, "KeyType": "HASH" },
        { "AttributeName": range, "KeyType": "RANGE" },
    ])
}

#[tokio::test]
async fn the_table_is_made_with_both_keys_billed_by_request_and_protected() {
    let rule = mock!(Client::create_table)
        .match_requests(|it| {
            let keys = it.key_schema().iter().map(|it| (it.attribute_name(), it.key_type()));
            let texts = it.attribute_definitions().iter();
            it.table_name() == Some("releases")
                && keys.eq([("pk", &KeyType::Hash), ("sk", &KeyType::Range)])
                && texts
                    .map(|it| (it.attribute_name(), it.attribute_type()))
                    .eq([("pk", &ScalarAttributeType::S), ("sk", &ScalarAttributeType::S)])
                && it.billing_mode() == Some(&BillingMode::PayPerRequest)
                && it.deletion_protection_enabled() == Some(true)
        })
        .then_output(|| CreateTableOutput::builder().build());

    assert!(storage(&[&rule]).create_table().await.unwrap(), "it was missing");
}

#[tokio::test]
async fn a_table_that_is_there_is_not_made() {
    let rule = mock!(Client::create_table)
        .then_http_response(|| refusal("ResourceInUseException", json!({ "message": "exists" })));

    assert!(!storage(&[&rule]).create_table().await.unwrap(), "it was there");
}

#[tokio::test]
async fn a_table_can_be_used_when_it_is_active() {
    for (status, ready) in [("CREATING", false), ("ACTIVE", true)] {
        let rule = described(json!({ "TableStatus": status, "KeySchema": keys("pk", "sk") }));

        let look = storage(&[&rule]).look_at_table().await.unwrap();

        assert_eq!(matches!(look, Look::Ready(())), ready, "{look:?}");
    }
}

#[tokio::test]
async fn a_table_with_other_keys_is_refused_with_what_to_do() {
    for other in [keys("id", "sk"), json!([{ "AttributeName": "pk", "KeyType": "HASH" }])] {
        let rule = described(json!({ "TableStatus": "ACTIVE", "KeySchema": other }));

        let err = storage(&[&rule]).look_at_table().await.unwrap_err().to_string();

        assert!(err.contains("`releases` has the keys"), "{err}");
        assert!(err.contains("name another one in `[state] table`"), "{err}");
    }
}
