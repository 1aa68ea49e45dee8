//! Checks the files of examples/hook that others than this project read: each with a tool that knows its rules.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    cargo,
    python::{self, Python},
    stages::{Counts, Stages},
};

/// The folder of the files.
const FOLDER: &str = "examples/hook";

/// Checks the input of a call against the model by which the AWS CLI sends it: unknown keys, missing ones, types and
/// lengths; and the values of enumerations, which the AWS CLI leaves to AWS.
///
/// Takes the service, the call and the file, and ends with another code than 0 when something is wrong.
const INPUT: &str = "\
import json, sys
from awscli.botocore import session, validate

def strangers(shape, value, path):
    if shape.type_name == 'structure':
        for key in value.keys() & shape.members.keys():
            yield from strangers(shape.members[key], value[key], path + '.' + key)
    elif shape.type_name == 'list':
        for each in value:
            yield from strangers(shape.member, each, path)
    elif getattr(shape, 'enum', None) and value not in shape.enum:
        yield f'{path}: {value} is none of {shape.enum}'

service, call, file = sys.argv[1:]
shape = session.get_session().get_service_model(service).operation_model(call).input_shape
value = json.load(open(file))
report = validate.ParamValidator().validate(value, shape)
wrong = [report.generate_report()] if report.has_errors() else list(strangers(shape, value, call))
print('\\n'.join(wrong))
sys.exit(bool(wrong))
";

/// A file, the tool that reads it, and a mistake that the tool has to find: it shows that the tool looks at all.
struct Template<'a> {
    file: &'static str,
    tool: &'a dyn Fn(&Path) -> Result<Command>,
    right: &'static str,
    wrong: &'static str,
}

/// Checks all of them by themselves.
///
/// # Errors
///
/// When one of them is wrong.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut stages = Stages::default();
    stages.run("templates", || check(root));
    stages.finish()
}

/// Checks all of them, and that each tool finds a mistake.
///
/// # Errors
///
/// When a tool cannot be installed, or a file cannot be read.
pub(crate) fn check(root: &Path) -> Result<Counts> {
    let lint = python::install(root, &python::CFN_LINT)?;
    let aws = python::install(root, &python::AWS_CLI)?;
    let templates = [
        Template {
            file: "template.yaml",
            tool: &|file| lint_of(&lint, file),
            right: "Timeout: 900",
            wrong: "Timeuot: 900",
        },
        Template {
            file: "ecs-service.json",
            tool: &|file| input_of(&aws, "ecs", "UpdateService", file),
            right: "\"PRE_SCALE_UP\"",
            wrong: "\"PRE_SCALEUP\"",
        },
    ];
    let folder = root.join("target/templates");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut counts = Counts::default();
    for template in &templates {
        counts +=
            told(template.file, cargo::run(&mut (template.tool)(&of(root, template))?).is_ok());
        let broken = template.broken(root, &folder)?;
        let found = !cargo::succeeds(&mut (template.tool)(&broken)?);
        counts += told(&format!("{} with {}", template.file, template.wrong), found);
    }
    Ok(counts)
}

fn of(root: &Path, template: &Template<'_>) -> PathBuf {
    root.join(FOLDER).join(template.file)
}

fn told(what: &str, right: bool) -> Counts {
    println!("test {FOLDER}/{what} ... {}", if right { "ok" } else { "FAILED" });
    Counts { passed: usize::from(right), failed: usize::from(!right) }
}

impl Template<'_> {
    /// Writes the file with its mistake into `folder`, and returns where it is.
    fn broken(&self, root: &Path, folder: &Path) -> Result<PathBuf> {
        let file = of(root, self);
        let text = fs::read_to_string(&file);
        let text = text.with_context(|| format!("reading {}", file.display()))?;
        let broken = folder.join(self.file);
        fs::write(&broken, with_mistake(&text, self.right, self.wrong)?)
            .with_context(|| format!("writing {}", broken.display()))?;
        Ok(broken)
    }
}

/// Puts a mistake where a text is right.
fn with_mistake(text: &str, right: &str, wrong: &str) -> Result<String> {
    ensure!(text.contains(right), "the file has no `{right}` any more");
    Ok(text.replacen(right, wrong, 1))
}

/// Returns the command that succeeds when cfn-lint finds nothing in a template, not even a hint.
fn lint_of(python: &Python, template: &Path) -> Result<Command> {
    let mut lint = python.run("cfn-lint")?;
    lint.args(["--non-zero-exit-code", "informational"]).arg(template);
    Ok(lint)
}

/// Returns the command that succeeds when a file has the input of a call.
fn input_of(python: &Python, service: &str, call: &str, file: &Path) -> Result<Command> {
    let mut command = python.text(INPUT);
    command.args([service, call]).arg(file);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_made_once_and_only_where_the_file_is_right() {
        let made = with_mistake("a: 1\na: 1\n", "a: 1", "a: 2").unwrap();
        let missing = with_mistake("b: 1\n", "a: 1", "a: 2").unwrap_err();

        assert_eq!(made, "a: 2\na: 1\n");
        assert_eq!(missing.to_string(), "the file has no `a: 1` any more");
    }
}
