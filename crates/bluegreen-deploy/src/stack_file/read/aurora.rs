//! Reads the tables `[aurora.NAME]`.

use std::collections::BTreeMap;

use bluegreen_aurora::AuroraConfig;

use super::{
    resource::{boolean, check, pair},
    table::Table,
};
use crate::stack_file::{AuroraRetire, AuroraSettings, ConnectionsGuard, Writes};

pub(super) fn read(table: &mut Table<'_>) -> Option<AuroraSettings> {
    let clusters = table.required("clusters", "the names of the two clusters", pair);
    let minimum_readers = table.integer("minimum-readers", 0..=15).unwrap_or(0);
    let namespace = table.string("namespace");
    let tags = tags(table);
    let config =
        clusters.map(|clusters| AuroraConfig { clusters, minimum_readers, namespace, tags });
    check(table, config.as_ref());

    let writes =
        table.one_of("writes", &[("ingest-only", Writes::IngestOnly), ("direct", Writes::Direct)]);
    let retire = table.one_of(
        "retire",
        &[
            ("stop", AuroraRetire::Stop),
            ("delete", AuroraRetire::Delete),
            ("keep", AuroraRetire::Keep),
        ],
    );
    let final_snapshot = boolean(table, "final-snapshot").unwrap_or(true);
    let performance_insights = boolean(table, "performance-insights").unwrap_or(false);
    let connections = table.one_of(
        "connections",
        &[("none", ConnectionsGuard::None), ("ignore", ConnectionsGuard::Ignore)],
    );
    Some(AuroraSettings {
        config: config?,
        writes: writes.unwrap_or(Writes::IngestOnly),
        retire: retire.unwrap_or(AuroraRetire::Stop),
        final_snapshot,
        performance_insights,
        connections: connections.unwrap_or(ConnectionsGuard::None),
    })
}

fn tags(table: &mut Table<'_>) -> BTreeMap<String, String> {
    let Some(tags) = table.table("tags", "`tags`".to_owned()) else { return BTreeMap::new() };
    let tag = |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, _)| {
        let name = key.get_ref().to_string();
        Some((name.clone(), tags.string_of(&format!("tags.{name}"), value)?))
    };
    tags.entries.iter().filter_map(tag).collect()
}
