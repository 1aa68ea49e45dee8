//! Reads the tables `[cloudwatch.NAME]`.

use std::ops::Range;

use bluegreen_cloudwatch::{CloudWatchConfig, OneOrPair};
use bluegreen_core::StackReference;
use toml::de::DeValue;

use super::{
    ResourceTable,
    resource::{check, pair},
    table::Table,
};
use crate::stack_file::Resource;

pub(super) fn read(table: &mut Table<'_>) -> Option<CloudWatchConfig> {
    let prefixes =
        table.required("prefixes", "what the names of the alarms begin with", one_or_pair);
    let suffixes = one_or_pair(table, "suffixes");
    let config = prefixes.map(|prefixes| CloudWatchConfig { prefixes, suffixes });
    check(table, config.as_ref());
    config
}

/// Notes the tables that share alarms with a table above them, whichever the stacks.
///
/// The one table would switch what belongs to the other, and each would remember the other's changes as what
/// it found. Both stacks of one table are for the toolkit to compare.
pub(super) fn check_overlaps(
    tables: &[ResourceTable<'_>],
    resources: &[Resource<CloudWatchConfig>],
) {
    let sides: Vec<Side<'_>> = resources.iter().flat_map(|it| sides(tables, it)).collect();
    for (index, side) in sides.iter().enumerate() {
        let others = sides[..index].iter().filter(|it| it.table.name != side.table.name);
        let shared = |other| Some((other, side.shared_names(other)?));
        // A prefix that both stacks have is shown once.
        let is_known = side.table.document.has_problem_at(&side.prefix);
        let Some((other, names)) = others.filter_map(shared).next().filter(|_| !is_known) else {
            continue;
        };
        let message = format!(
            "an alarm named `{names}` would belong to stack {} of {} in line {} too",
            other.stack,
            other.table.name,
            side.table.document.line(other.prefix.start),
        );
        let help = "expected prefixes of which none begins with that of another table, or \
                    suffixes of which none ends with that of another";
        side.table.document.note(side.prefix.clone(), message, Some(help.to_owned()));
    }
}

/// The alarms that a table has of one stack.
struct Side<'t> {
    table: &'t Table<'t>,
    config: &'t CloudWatchConfig,
    stack: StackReference,
    prefix: Range<usize>,
}

impl Side<'_> {
    fn shared_names(&self, other: &Side<'_>) -> Option<String> {
        self.config.shared_names(self.stack, other.config, other.stack)
    }
}

/// Returns the sides of `resource` with which nothing is wrong.
fn sides<'t>(
    tables: &'t [ResourceTable<'t>],
    resource: &'t Resource<CloudWatchConfig>,
) -> Vec<Side<'t>> {
    let is_its = |it: &&ResourceTable<'_>| it.service == "cloudwatch" && it.name == resource.name;
    let Some(ResourceTable { table, .. }) = tables.iter().find(is_its) else { return Vec::new() };
    let side = |stack| {
        let span = |key| table.span_of(&format!("{key}.{stack}"));
        let (prefix, suffix) = (span("prefixes"), span("suffixes"));
        let is_sound = [&prefix, &suffix].iter().all(|it| !table.document.has_problem_at(it));
        is_sound.then_some(Side { table, config: &resource.settings, stack, prefix })
    };
    StackReference::BOTH.into_iter().filter_map(side).collect()
}

fn one_or_pair(table: &mut Table<'_>, key: &'static str) -> Option<OneOrPair> {
    match table.value(key)?.get_ref() {
        DeValue::String(text) => Some(OneOrPair::One(text.to_string())),
        _ => pair(table, key).map(OneOrPair::Pair),
    }
}
