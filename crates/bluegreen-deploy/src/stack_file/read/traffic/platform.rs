//! Reads the tables `[traffic.NAME]` whose traffic a platform moves: CodeDeploy, or ECS by itself.

use bluegreen_ecs::EcsTrafficConfig;

use super::Served;
#[cfg(feature = "ecs")]
use crate::stack_file::EcsMover;
use crate::stack_file::{
    Binding,
    read::{resource::check, table::Table},
};
#[cfg(feature = "codedeploy")]
use crate::stack_file::{
    CodeDeployMover, CodeDeployServes,
    read::{resource::note_problems, table::is_name},
};

const BINDING: &str = "`{ container = \"web\", env = \"STACK\" }` or `{ tag = \"stack\" }`, by which a task definition says its stack";

#[cfg(feature = "codedeploy")]
pub(super) fn codedeploy(
    table: &mut Table<'_>,
    served: &mut Vec<Served>,
) -> Option<CodeDeployMover> {
    let application = table.required("application", "the name of the CodeDeploy application", text);
    let group = table.required("deployment-group", "the name of the deployment group", text);
    let serves = serves(table, served);
    let mover =
        CodeDeployMover { application: application?, deployment_group: group?, serves: serves? };
    served.push(Served {
        table: table.name.clone(),
        name: format!("group {}/{}", mover.application, mover.deployment_group),
        span: table.span_of("deployment-group"),
    });
    Some(mover)
}

/// Reads what the deployment group deploys to: a function where the table has one, else a service.
#[cfg(feature = "codedeploy")]
fn serves(table: &mut Table<'_>, served: &mut Vec<Served>) -> Option<CodeDeployServes> {
    if table.value("function").is_none() {
        let (cluster, service, binding) = service(table, served)?;
        return Some(CodeDeployServes::Service { cluster, service, binding });
    }
    for key in ["cluster", "service"] {
        if table.value(key).is_some() {
            let message = format!("{} has `{key}` besides `function`", table.name);
            let help = "expected a service or a function: give each a table of its own".to_owned();
            table.document.note(table.span_of(key), message, Some(help));
        }
    }
    let function = text(table, "function");
    if let Some(problem) =
        function.as_deref().and_then(|it| bluegreen_lambda::check_function("function", it))
    {
        note_problems(table, &[problem]);
    }
    let alias = table.required("alias", "the alias whose traffic moves", text);
    if let Some(alias) = alias.as_deref().filter(|it| !is_name(it)) {
        let message = format!("`{alias}` cannot be an alias");
        let message = table.document.as_written(&message);
        let help = "expected letters, digits, `-` and `_`".to_owned();
        table.document.note(table.span_of("alias"), message, Some(help));
    }
    let expected = "`{ env = \"STACK\" }`, the variable by which a version says its stack";
    let variable = table.required("binding", expected, |table, key| {
        let mut binding = table.table(key, format!("`{key}` of {}", table.name))?;
        let env = binding.required("env", "the name of an environment variable", text);
        binding.finish();
        env
    });
    Some(CodeDeployServes::Function { function: function?, alias: alias?, variable: variable? })
}

#[cfg(feature = "ecs")]
pub(super) fn ecs(table: &mut Table<'_>, served: &mut Vec<Served>) -> Option<EcsMover> {
    let (cluster, service, binding) = service(table, served)?;
    Some(EcsMover { cluster, service, binding })
}

/// Reads a service and how its task definitions are bound.
fn service(table: &mut Table<'_>, served: &mut Vec<Served>) -> Option<(String, String, Binding)> {
    let cluster = table.required("cluster", "the name of the ECS cluster", Table::string);
    let service = table.required("service", "the name of the ECS service", Table::string);
    let binding = table.required("binding", BINDING, binding);
    let config =
        cluster.zip(service).map(|(cluster, service)| EcsTrafficConfig { cluster, service });
    check(table, config.as_ref());
    let EcsTrafficConfig { cluster, service } = config?;
    served.push(Served {
        table: table.name.clone(),
        name: format!("service {cluster}/{service}"),
        span: table.span_of("service"),
    });
    Some((cluster, service, binding?))
}

fn binding(table: &mut Table<'_>, key: &'static str) -> Option<Binding> {
    let mut binding = table.table(key, format!("`{key}` of {}", table.name))?;
    let found = if binding.value("tag").is_some() {
        text(&mut binding, "tag").map(Binding::Tag)
    } else {
        let container = binding.required("container", "the name of a container", text);
        let env = binding.required("env", "the name of an environment variable", text);
        container.zip(env).map(|(container, env)| Binding::Variable { container, env })
    };
    binding.finish();
    found
}

/// Returns the string at `key`, which must not be empty.
fn text(table: &mut Table<'_>, key: &'static str) -> Option<String> {
    let text = table.string(key)?;
    if !text.trim().is_empty() {
        return Some(text);
    }
    let help = "expected a name".to_owned();
    table.document.note(table.span_of(key), format!("`{key}` is empty"), Some(help));
    None
}
