//! Reads the tables `[ecs.NAME]`.

use bluegreen_ecs::EcsConfig;
use toml::de::DeValue;

use super::{
    resource::{check, pair},
    table::Table,
};
use crate::stack_file::{DesiredTasks, EcsSettings};

const DESIRED_TASKS: &str = "a number of tasks from 1 on, or `\"match\"` for as many as the active \
                             stack runs";

pub(super) fn read(table: &mut Table<'_>) -> Option<EcsSettings> {
    let cluster = table.required("cluster", "the name of the ECS cluster", Table::string);
    let services = table.required("services", "the names of the two services", pair);
    let config = cluster.zip(services).map(|(cluster, services)| EcsConfig { cluster, services });
    check(table, config.as_ref());

    let desired_tasks = table.required("desired-tasks", DESIRED_TASKS, desired_tasks);
    if table.one_of("mode", &[("mirror", false), ("exclusive", true)]) == Some(true) {
        let message = "this version cannot hand exclusive services over yet".to_owned();
        table.not_yet("mode", message, "expected `mirror`");
    }
    Some(EcsSettings { config: config?, desired_tasks: desired_tasks? })
}

fn desired_tasks(table: &mut Table<'_>, key: &'static str) -> Option<DesiredTasks> {
    let value = table.value(key)?;
    match value.get_ref() {
        DeValue::String(text) if text == "match" => Some(DesiredTasks::Match),
        _ => table.integer_of(key, value, 1..=u32::MAX, DESIRED_TASKS).map(DesiredTasks::Count),
    }
}
