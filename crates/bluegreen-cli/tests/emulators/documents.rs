//! The JSON documents that machines read.

use serde_json::{Value, json};

use crate::shop::Shop;

/// Takes out of a document what is another each time: the test's name, times, ids.
fn settled(shop: &Shop, document: Value) -> Value {
    let own = format!("{}-", shop.name);
    let settle = |text: &str| settled_text(&text.replace(&own, "").replace(&shop.name, "shop"));
    match document {
        Value::String(text) => Value::String(settle(&text)),
        Value::Array(values) => values.into_iter().map(|it| settled(shop, it)).collect(),
        Value::Object(entries) => {
            let entries = entries.into_iter().map(|(key, value)| match key.as_str() {
                "took-ms" if value.is_u64() => (key, json!("[ms]")),
                "by" if value.is_string() => (key, json!("[owner]")),
                _ => (settle(&key), settled(shop, value)),
            });
            Value::Object(entries.collect())
        }
        other => other,
    }
}

/// Replaces times, the ids of releases (times without punctuation), and those of mappings.
fn settled_text(text: &str) -> String {
    let words = text.split_inclusive([' ', '`', '/']).map(|piece| {
        let word = piece.trim_end_matches([' ', '`', '/']);
        let shape: String =
            word.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
        let is_id = word.len() == 36 && word.chars().all(|it| it == '-' || it.is_ascii_hexdigit());
        if shape.starts_with("0000-00-00T") {
            piece.replace(word, "[time]")
        } else if shape.starts_with("00000000T") {
            piece.replace(word, "[release]")
        } else if is_id {
            piece.replace(word, "[id]")
        } else {
            piece.to_owned()
        }
    });
    words.collect()
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn the_documents_of_plan_deploy_and_status() {
    let mut shop = Shop::full("documents").await;
    shop.serve_traffic();
    shop.adopt().await;

    let plan = shop.bluegreen(&["plan", "--to", "b", "--json"]).await.ended_with(0);
    let prepare = shop.bluegreen(&["deploy", "--to", "b", "--until", "prepare", "--json"]).await;
    let open = shop.bluegreen(&["status", "--json"]).await.ended_with(0);
    let deploy = shop.bluegreen(&["deploy", "--to", "b", "--json"]).await.ended_with(0);
    let status = shop.bluegreen(&["status", "--json"]).await.ended_with(0);

    assert_eq!(prepare.code, 0, "{prepare:?}");
    insta::assert_json_snapshot!("plan", settled(&shop, plan.json()));
    insta::assert_json_snapshot!("deploy-until-prepare", settled(&shop, prepare.json()));
    insta::assert_json_snapshot!("status-open", settled(&shop, open.json()));
    insta::assert_json_snapshot!("deploy", settled(&shop, deploy.json()));
    insta::assert_json_snapshot!("status", settled(&shop, status.json()));
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn the_document_of_a_refusal() {
    let mut shop = Shop::new("refusal").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.adopt().await;

    let run = shop.bluegreen(&["step", "sqs.purge", "--stack", "a", "--json"]).await.ended_with(3);

    insta::assert_json_snapshot!("refusal", settled(&shop, run.json()));
}
