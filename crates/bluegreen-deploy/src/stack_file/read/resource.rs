//! What the tables of all services have in common: `skip`, `after`, `optional`, pairs of names, and the
//! toolkit's own check of its configuration.

use std::collections::BTreeSet;

use bluegreen_core::{ConfigProblem, Pair, ToolkitConfig};
use toml::de::DeValue;

use super::{
    ResourceTable,
    table::{Table, list, nearest},
};
use crate::stack_file::Resource;

/// The services that have something to find, so that finding nothing may be fine.
const WITH_OPTIONAL: [&str; 4] = ["aurora", "cloudwatch", "ecs", "lambda"];

/// Reads the tables of `service`, with `read` for what is particular to it.
pub(super) fn read_all<T>(
    service: &str,
    tables: &mut [ResourceTable<'_>],
    read: impl Fn(&mut Table<'_>) -> Option<T>,
) -> Vec<Resource<T>> {
    let all: Vec<String> = tables.iter().map(|it| format!("{}.{}", it.service, it.name)).collect();

    let mut resources = Vec::new();
    for (index, ResourceTable { name, table, .. }) in
        tables.iter_mut().enumerate().filter(|(_, it)| it.service == service)
    {
        let written = table.written();
        let settings = read(table);
        let skip = skip(table, service);
        let after = after(table, &all[index], &all);
        let optional = optional(table, service);
        let line = table.document.line(table.span.start);
        if let Some(settings) = settings {
            let name = (*name).to_owned();
            resources.push(Resource { name, line, skip, after, optional, written, settings });
        }
    }
    resources
}

/// Returns the pair of strings at `key`.
pub(super) fn pair(table: &mut Table<'_>, key: &'static str) -> Option<Pair<String>> {
    let value = table.value(key)?;
    let DeValue::Table(entries) = value.get_ref() else {
        return table.mismatch(key, value, "`{ a = \"..\", b = \"..\" }`");
    };
    let mut sides = Table::new(table.document, format!("`{key}`"), value.span(), entries);
    let side = |sides: &mut Table<'_>, side| {
        sides.required(side, "a value for each of the stacks `a` and `b`", Table::string)
    };
    let (a, b) = (side(&mut sides, "a"), side(&mut sides, "b"));
    sides.finish();
    Some(Pair { a: a?, b: b? })
}

/// Returns the boolean at `key`.
pub(super) fn boolean(table: &mut Table<'_>, key: &'static str) -> Option<bool> {
    let value = table.value(key)?;
    match value.get_ref() {
        DeValue::Boolean(it) => Some(*it),
        _ => table.mismatch(key, value, "`true` or `false`"),
    }
}

/// Notes what the toolkit finds wrong with the configuration that was made from `table`.
pub(super) fn check(table: &Table<'_>, config: Option<&impl ToolkitConfig>) {
    note_problems(table, &config.map(ToolkitConfig::check).unwrap_or_default());
}

/// Notes what a toolkit finds wrong with values of `table`.
pub(super) fn note_problems(table: &Table<'_>, problems: &[ConfigProblem]) {
    for problem in problems {
        let message = table.document.as_written(&problem.message);
        let (message, help) = match message.split_once(": expected ") {
            Some((message, expected)) => (message, Some(format!("expected {expected}"))),
            None => (message.as_str(), None),
        };
        // A message that quotes the value reads well by itself; the place says the rest.
        let message = match message.starts_with('`') {
            true => message.to_owned(),
            false => format!("`{}`: {message}", problem.key),
        };
        table.document.note(table.span_of(&problem.key), message, help);
    }
}

fn skip(table: &mut Table<'_>, service: &str) -> BTreeSet<String> {
    let steps = steps(service);
    let mut skip = BTreeSet::new();
    for (step, span) in table.strings("skip").unwrap_or_default() {
        if steps.contains(&step.as_str()) {
            skip.insert(step);
            continue;
        }
        let message = format!("`{}` is no step of {}", table.document.written(&span), table.name);
        let help = match nearest(&step, steps.iter().copied()) {
            Some(it) => format!("did you mean `{it}`?"),
            None => format!("expected {}", list(steps.iter().copied())),
        };
        table.document.note(span, message, Some(help));
    }
    for (on, off) in TURNED_ON_AND_OFF {
        if skip.contains(on) && !off.iter().any(|it| skip.contains(*it)) {
            let message =
                format!("{} would be off on both stacks: `{on}` is skipped alone", table.name);
            let own = off.iter().copied().filter(|it| steps.contains(it));
            let help = format!("skip {} too", list(own));
            table.document.note(table.span_of("skip"), message, Some(help));
        }
    }
    skip
}

/// The steps that turn something on, with those that turn the same off on the other stack.
const TURNED_ON_AND_OFF: [(&str, &[&str]); 6] = [
    ("cloudwatch.enable-alarms", &["cloudwatch.disable-alarms"]),
    ("ecs.enable", &["ecs.disable"]),
    ("exclusive.hand-over", &["ecs.disable", "lambda.disable-mappings", "lambda.disable-rules"]),
    ("lambda.enable-mappings", &["lambda.disable-mappings"]),
    ("lambda.enable-rules", &["lambda.disable-rules"]),
    ("sns.enable", &["sns.disable"]),
];

fn after(table: &mut Table<'_>, own: &str, all: &[String]) -> Option<Vec<String>> {
    let names = table.strings("after")?;
    for (name, span) in &names {
        let written = table.document.written(span);
        if name == own {
            let message = format!("`{written}` cannot come after itself");
            let help = "expected other resources of the file".to_owned();
            table.document.note(span.clone(), message, Some(help));
        } else if !all.contains(name) && !table.document.has_syntax_errors() {
            let others = all.iter().map(String::as_str).filter(|it| *it != own);
            let help = match nearest(name, others) {
                Some(it) => format!("did you mean `{it}`?"),
                None => "expected resources of the file, as in `\"aurora.orders\"`".to_owned(),
            };
            let message = format!("`{written}` is not in the stack file");
            table.document.note(span.clone(), message, Some(help));
        }
    }
    Some(names.into_iter().map(|(name, _)| name).collect())
}

/// Returns whether finding nothing is fine; notes the key where nothing would read it.
fn optional(table: &mut Table<'_>, service: &str) -> bool {
    let key = "optional";
    if WITH_OPTIONAL.contains(&service) {
        return boolean(table, key).unwrap_or(false);
    }
    if let Some(found) = table.entries.keys().find(|it| it.get_ref() == key) {
        // Asked for, so that it is not called unknown on top.
        table.value(key);
        // Behind a broken header it may be meant for another table.
        if !table.document.has_broken_headers() {
            let message = format!("`{key}` has no effect on {}", table.name);
            let help = format!("expected it in tables of {} alone", list(WITH_OPTIONAL));
            table.document.note(found.span(), message, Some(help));
        }
    }
    false
}

/// The steps that the tables of a service have.
fn steps(service: &str) -> &'static [&'static str] {
    match service {
        "aurora" => {
            &["aurora.start", "aurora.scale-out", "aurora.stop", "aurora.delete", "aurora.scale-in"]
        }
        "cloudwatch" => &["cloudwatch.enable-alarms", "cloudwatch.disable-alarms"],
        "dynamodb" => &["dynamodb.delete"],
        "ecs" => &["ecs.enable", "ecs.disable", "exclusive.hand-over"],
        "kinesis" => &["kinesis.register", "kinesis.deregister"],
        "lambda" => &[
            "lambda.enable-mappings",
            "lambda.disable-mappings",
            "lambda.enable-rules",
            "lambda.disable-rules",
            "lambda.caught-up",
            "exclusive.hand-over",
        ],
        "schema" => &["schema.reset", "schema.hydrate"],
        "sns" => &["sns.enable", "sns.disable", "sns.settle"],
        "sqs" => &["sqs.purge", "sqs.caught-up", "sqs.drain"],
        _ => &[],
    }
}
