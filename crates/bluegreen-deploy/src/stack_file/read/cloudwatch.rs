//! Reads the tables `[cloudwatch.NAME]`.

use bluegreen_cloudwatch::{CloudWatchConfig, OneOrPair};
use toml::de::DeValue;

use super::{
    resource::{check, pair},
    table::Table,
};

pub(super) fn read(table: &mut Table<'_>) -> Option<CloudWatchConfig> {
    let prefixes =
        table.required("prefixes", "what the names of the alarms begin with", one_or_pair);
    let suffixes = one_or_pair(table, "suffixes");
    let config = prefixes.map(|prefixes| CloudWatchConfig { prefixes, suffixes });
    check(table, config.as_ref());
    config
}

fn one_or_pair(table: &mut Table<'_>, key: &'static str) -> Option<OneOrPair> {
    match table.value(key)?.get_ref() {
        DeValue::String(text) => Some(OneOrPair::One(text.to_string())),
        _ => pair(table, key).map(OneOrPair::Pair),
    }
}
