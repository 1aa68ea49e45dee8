//! Reads the tables `[schema.NAME]`.

use std::time::Duration;

#[cfg(feature = "lambda")]
use super::runs::functions;
use super::{
    runs::{kind, program},
    table::Table,
};
use crate::stack_file::{JobKind, JobSettings, PaceSettings, SchemaSettings};

/// How long a schema is reset or a database filled at most, unless the file says otherwise.
const DEADLINE: Duration = Duration::from_secs(60 * 60);

pub(super) fn read(table: &mut Table<'_>, pace: &PaceSettings) -> Option<SchemaSettings> {
    let jobs = ["reset", "hydrate"];
    if jobs.map(|it| table.value(it).is_none()) == [true; 2] && !table.document.has_syntax_errors()
    {
        let message = format!("{} has neither `reset` nor `hydrate`", table.name);
        let help = "expected at least one of them".to_owned();
        table.document.note(table.span.clone(), message, Some(help));
        return None;
    }
    let [reset, hydrate] = jobs.map(|it| job(table, it, pace));
    Some(SchemaSettings { reset, hydrate })
}

fn job(table: &mut Table<'_>, key: &'static str, pace: &PaceSettings) -> Option<JobSettings> {
    let name = format!("`{key}` of {}", table.name);
    let mut table = table.table(key, name)?;
    let paced = pace.deadline(&format!("schema.{key}")).unwrap_or(DEADLINE);
    let deadline = table.duration_above_zero("deadline").unwrap_or(paced);
    let kind = match kind(&mut table, &["lambda", "task", "command"]) {
        #[cfg(feature = "lambda")]
        Some("lambda") => functions(&mut table).map(JobKind::Lambda),
        #[cfg(feature = "ecs")]
        Some("task") => task(&mut table).map(JobKind::Task),
        Some("command") => program(&mut table).map(JobKind::Command),
        _ => None,
    };
    // What else belongs to a table whose kind is not known is not known either.
    if kind.is_some() {
        table.finish();
    }
    Some(JobSettings { kind: kind?, deadline })
}

#[cfg(feature = "ecs")]
fn task(table: &mut Table<'_>) -> Option<bluegreen_ecs::EcsTaskConfig> {
    use bluegreen_ecs::{EcsTaskConfig, LaunchType};

    use super::resource::{boolean, check, pair};

    const LAUNCH_TYPES: [(&str, LaunchType); 2] =
        [("fargate", LaunchType::Fargate), ("ec2", LaunchType::Ec2)];

    let mut table = table.table("task", "`task`".to_owned())?;
    let cluster = table.required("cluster", "the name of the ECS cluster", Table::string);
    let expected =
        "the two task definitions, such as `{ a = \"migrate-a:7\", b = \"migrate-b:7\" }`";
    let definitions = table.required("definitions", expected, pair);
    let launch_type = table.one_of("launch-type", &LAUNCH_TYPES);
    let mut ids = |key| {
        let ids = table.strings(key).unwrap_or_default();
        ids.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    let (subnets, security_groups) = (ids("subnets"), ids("security-groups"));
    let assign_public_ip = boolean(&mut table, "assign-public-ip");
    let config = cluster.zip(definitions).map(|(cluster, definitions)| EcsTaskConfig {
        cluster,
        definitions,
        launch_type,
        subnets,
        security_groups,
        assign_public_ip,
    });
    check(&table, config.as_ref());
    table.finish();
    config
}
