//! Reads the tables `[sns.NAME]`.

use std::time::Duration;

use bluegreen_sns::SnsConfig;
use serde_json::{Map, Value as Json};
use toml::de::DeValue;

use super::{
    resource::{check, pair},
    table::{Table, Value},
};
use crate::stack_file::SnsSettings;

pub(super) fn read(table: &mut Table<'_>) -> Option<SnsSettings> {
    let config = SnsConfig {
        subscriptions: pair(table, "subscriptions"),
        topic: table.string("topic"),
        endpoints: pair(table, "endpoints"),
        enabled_filter: filter(table, "enabled-filter"),
        disabled_filter: filter(table, "disabled-filter"),
    };
    let has_unusable = [
        ("subscriptions", config.subscriptions.is_none()),
        ("topic", config.topic.is_none()),
        ("endpoints", config.endpoints.is_none()),
    ]
    .into_iter()
    .any(|(key, is_none)| is_none && table.entries.contains_key(key));
    // Without what was unusable the check would complain about keys that are there.
    check(table, (!has_unusable).then_some(&config));

    let settle = table.duration("settle").unwrap_or(Duration::from_secs(15 * 60));
    Some(SnsSettings { config, settle })
}

fn filter(table: &mut Table<'_>, key: &'static str) -> Option<Map<String, Json>> {
    let value = table.value(key)?;
    match json(table, key, value)? {
        Json::Object(it) => Some(it),
        _ => table.mismatch(key, value, "a table"),
    }
}

/// Returns `value` in the words of JSON; messages call it `label`.
fn json(table: &Table<'_>, label: &str, value: &Value<'_>) -> Option<Json> {
    let json = match value.get_ref() {
        DeValue::String(text) => Some(Json::from(text.as_ref())),
        DeValue::Integer(it) => i64::from_str_radix(it.as_str(), it.radix()).ok().map(Json::from),
        DeValue::Float(it) => {
            let number = it.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            number.map(Json::from)
        }
        DeValue::Boolean(it) => Some(Json::from(*it)),
        DeValue::Datetime(_) => None,
        DeValue::Array(values) => {
            let values = values.iter().map(|it| json(table, label, it));
            return values.collect::<Vec<_>>().into_iter().collect();
        }
        DeValue::Table(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let key = key.get_ref().to_string();
                let label = format!("{label}.{key}");
                Some((key, json(table, &label, value)?))
            });
            return entries
                .collect::<Vec<_>>()
                .into_iter()
                .collect::<Option<_>>()
                .map(Json::Object);
        }
    };
    if json.is_none() {
        let help = "expected a string, a finite number or a boolean".to_owned();
        let message = format!("`{label}` holds what a filter policy cannot");
        table.document.note(value.span(), message, Some(help));
    }
    json
}
