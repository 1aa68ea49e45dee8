//! Reads `traffic` and the tables `[traffic.NAME]`.

use std::ops::Range;

use toml::de::DeValue;

use super::{PROGRAM, command, table::Table};
use crate::stack_file::{CommandMover, MoverKind, MoverSettings, Traffic};
#[cfg(feature = "ecs")]
use crate::stack_file::{EcsSettings, Resource};

#[cfg(any(feature = "codedeploy", feature = "ecs"))]
mod platform;

/// The values of `mover`, each with the feature that it needs and whether that is compiled in.
const MOVERS: [(&str, Option<(&str, bool)>); 3] = [
    ("command", None),
    ("codedeploy", Some(("codedeploy", cfg!(feature = "codedeploy")))),
    ("ecs", Some(("ecs", cfg!(feature = "ecs")))),
];

/// What a table says of the service whose traffic moves, and where.
#[derive(Debug)]
pub(super) struct Served {
    /// The table: `` `[traffic.web]` ``.
    table: String,
    /// What it is called in messages that compare: `shop/web`.
    pub(super) name: String,
    /// Where it is named.
    pub(super) span: Range<usize>,
}

/// Reads what the file says of traffic, and which ECS services and deployment groups it names.
pub(super) fn read(root: &mut Table<'_>) -> (Traffic, Vec<Served>) {
    let Some(value) = root.value("traffic") else { return (Traffic::Undeclared, Vec::new()) };
    match value.get_ref() {
        DeValue::String(text) if text == "none" => (Traffic::None, Vec::new()),
        DeValue::Table(entries) if !entries.is_empty() => {
            let mut served = Vec::new();
            let movers = root.named_tables("traffic").into_iter();
            let movers = movers.filter_map(|(name, table)| mover(name, table, &mut served));
            let movers = Traffic::Movers(movers.collect());
            check_repeats(root, &served);
            (movers, served)
        }
        _ => {
            let message = "`traffic` does not say who moves the traffic".to_owned();
            let help = "expected `\"none\"` or tables `[traffic.NAME]`".to_owned();
            root.document.note(value.span(), message, Some(help));
            (Traffic::Undeclared, Vec::new())
        }
    }
}

fn mover(name: &str, mut table: Table<'_>, served: &mut Vec<Served>) -> Option<MoverSettings> {
    let choices = MOVERS.map(|it| (it.0, it));
    let expected = "`command`, `codedeploy` or `ecs`";
    let mover = table.required("mover", expected, |table, key| table.one_of(key, &choices));
    // What else belongs to a table is not known without it.
    let (word, feature) = mover?;
    if let Some((feature, false)) = feature {
        let message = format!("`{word}` needs a program that was built with `{feature}`");
        let help = format!("expected the cargo feature `{feature}` of `bluegreen-deploy`");
        table.document.note(table.span_of("mover"), message, Some(help));
        return None;
    }
    let kind = match word {
        #[cfg(feature = "codedeploy")]
        "codedeploy" => platform::codedeploy(&mut table, served).map(MoverKind::CodeDeploy),
        #[cfg(feature = "ecs")]
        "ecs" => platform::ecs(&mut table, served).map(MoverKind::Ecs),
        _ => programs(&mut table).map(MoverKind::Command),
    };
    let line = table.document.line(table.span.start);
    table.finish();
    Some(MoverSettings { name: name.to_owned(), line, kind: kind? })
}

fn programs(table: &mut Table<'_>) -> Option<CommandMover> {
    let move_command = table.required("move", PROGRAM, command);
    let observe_command = table.required("observe", PROGRAM, command);
    Some(CommandMover { move_command: move_command?, observe_command: observe_command? })
}

/// Notes a service or a deployment group that two tables name: each would take the other's traffic for its own.
fn check_repeats(root: &Table<'_>, served: &[Served]) {
    for (index, it) in served.iter().enumerate() {
        let Some(first) = served[..index].iter().find(|first| first.name == it.name) else {
            continue;
        };
        let written = root.document.written(&it.span);
        let message = format!("`{written}` is named in {} already", first.table);
        let help = "expected one table for the traffic of each".to_owned();
        root.document.note(it.span.clone(), message, Some(help));
    }
}

/// Notes the services that a table `[ecs.NAME]` names, too: what moves their traffic decides how many tasks they have.
#[cfg(feature = "ecs")]
pub(super) fn check_services(
    document: &super::document::Document<'_>,
    served: &[Served],
    services: &[Resource<EcsSettings>],
) {
    for it in served {
        let names = |own: &&Resource<EcsSettings>| {
            let config = &own.settings.config;
            let name = |service: &String| format!("service {}/{service}", config.cluster);
            [name(&config.services.a), name(&config.services.b)].contains(&it.name)
        };
        let Some(own) = services.iter().find(names) else { continue };
        let written = document.written(&it.span);
        let message = format!("`{written}` is a service of `[ecs.{}]`, too", own.name);
        let help = format!(
            "expected it in {} alone: what moves its traffic decides how many tasks it has, and would fight with \
             `ecs.enable` and `ecs.disable`",
            it.table
        );
        document.note(it.span.clone(), message, Some(help));
    }
}

/// Returns the table of the first mover whose hooks have an hour, as in `` `[traffic.web]` ``.
pub(super) fn hurried(traffic: &Traffic) -> Option<String> {
    let Traffic::Movers(movers) = traffic else { return None };
    let mut hurried = movers.iter().filter(|it| match it.kind {
        #[cfg(feature = "codedeploy")]
        MoverKind::CodeDeploy(_) => true,
        _ => false,
    });
    hurried.next().map(|it| format!("`[traffic.{}]`", it.name))
}
