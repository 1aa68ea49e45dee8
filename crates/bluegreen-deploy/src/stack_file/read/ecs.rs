//! Reads the tables `[ecs.NAME]`, and checks what others have to do with those of exclusive kind.

use bluegreen_ecs::EcsConfig;
use toml::de::DeValue;

use super::{
    ResourceTable,
    resource::{check, pair},
    table::{Table, nearest},
};
use crate::stack_file::{ConsumerKind, DesiredTasks, EcsSettings};

const KINDS: [(&str, ConsumerKind); 2] =
    [("mirror", ConsumerKind::Mirror), ("exclusive", ConsumerKind::Exclusive)];

const QUEUE: &str = "queue";

const DESIRED_TASKS: &str = "a number of tasks from 1 on, or `\"match\"` for as many as the active \
                             stack runs";

pub(super) fn read(table: &mut Table<'_>) -> Option<EcsSettings> {
    let cluster = table.required("cluster", "the name of the ECS cluster", Table::string);
    let services = table.required("services", "the names of the two services", pair);
    let config = cluster.zip(services).map(|(cluster, services)| EcsConfig { cluster, services });
    check(table, config.as_ref());

    let desired_tasks = table.required("desired-tasks", DESIRED_TASKS, desired_tasks);
    let mode = table.one_of("mode", &KINDS);
    let queue = queue(table, mode);
    let mode = mode.unwrap_or(ConsumerKind::Mirror);
    Some(EcsSettings { config: config?, desired_tasks: desired_tasks?, mode, queue })
}

/// Returns the name in `queue = "sqs.NAME"`; whether there is such a table is [checked](check_exclusive) later.
fn queue(table: &mut Table<'_>, mode: Option<ConsumerKind>) -> Option<String> {
    let queue = table.string(QUEUE)?;
    let is_known = mode.is_some() || !table.entries.contains_key("mode");
    if mode != Some(ConsumerKind::Exclusive) && is_known {
        let message = format!("`{QUEUE}` has no effect on {}", table.name);
        let help = "expected it with `mode = \"exclusive\"` alone: services that may run on both stacks are not \
                    handed over";
        table.document.note(table.span_of(QUEUE), message, Some(help.to_owned()));
    }
    queue.strip_prefix("sqs.").map(str::to_owned)
}

/// Notes exclusive services whose queue is none, or cannot be theirs, and those that share their name with a function
/// that is handed over too.
pub(super) fn check_exclusive(tables: &[ResourceTable<'_>]) {
    let exclusive = |it: &&ResourceTable<'_>| {
        it.service == "ecs" && text(it, "mode").as_deref() == Some("exclusive")
    };
    for ResourceTable { name, table, .. } in tables.iter().filter(exclusive) {
        check_queue(table, tables);
        // The journal knows a step by its name, its stack and the resource's name without the service.
        let shares = tables.iter().find(|it| it.service == "lambda" && it.name == *name);
        if shares.is_some_and(is_handed_over) {
            let message = format!(
                "{} and `[lambda.{name}]` would have the same step `exclusive.hand-over {name}`",
                table.name
            );
            let help = "expected another name for one of the two tables".to_owned();
            table.document.note(table.span.clone(), message, Some(help));
        }
    }
}

fn check_queue(table: &Table<'_>, tables: &[ResourceTable<'_>]) {
    let Some(DeValue::String(queue)) = table.entries.get(QUEUE).map(|it| it.get_ref()) else {
        return;
    };
    let span = table.span_of(QUEUE);
    if table.document.has_problem_at(&span) || table.document.has_syntax_errors() {
        return;
    }
    let written = table.document.written(&span);
    let named = queue.strip_prefix("sqs.");
    let found = tables.iter().find(|it| it.service == "sqs" && Some(it.name) == named);
    let Some(found) = found else {
        let keys: Vec<String> = tables
            .iter()
            .filter(|it| it.service == "sqs")
            .map(|it| format!("sqs.{}", it.name))
            .collect();
        let probably = format!("sqs.{}", named.unwrap_or(queue));
        let help = match nearest(&probably, keys.iter().map(String::as_str)) {
            Some(it) => format!("did you mean `{it}`?"),
            None => "expected a table of queues of the file, as in `\"sqs.mail\"`".to_owned(),
        };
        let message = format!("`{written}` is no pair of queues of the stack file");
        table.document.note(span, message, Some(help));
        return;
    };
    if text(found, "feed").as_deref() == Some("fan-out") {
        let message =
            format!("`{written}` has `feed = \"fan-out\"`, and {} is exclusive", table.name);
        let help = "expected a `work` queue (one of the other kind has buffered what the other stack's service \
                    handled already), or `mode = \"mirror\"`";
        table.document.note(span, message, Some(help.to_owned()));
    }
}

/// Returns whether the table of a function has the step `exclusive.hand-over`.
fn is_handed_over(function: &ResourceTable<'_>) -> bool {
    let kind = |key, default: &str| text(function, key).unwrap_or_else(|| default.to_owned());
    kind("mappings", "mirror") == "exclusive" || kind("rules", "exclusive") == "exclusive"
}

fn text(table: &ResourceTable<'_>, key: &str) -> Option<String> {
    match table.table.entries.get(key)?.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    }
}

fn desired_tasks(table: &mut Table<'_>, key: &'static str) -> Option<DesiredTasks> {
    let value = table.value(key)?;
    match value.get_ref() {
        DeValue::String(text) if text == "match" => Some(DesiredTasks::Match),
        _ => table.integer_of(key, value, 1..=u32::MAX, DESIRED_TASKS).map(DesiredTasks::Count),
    }
}
