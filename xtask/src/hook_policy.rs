//! Compares the policy in the template of examples/hook with what `bluegreen iam-policy` prints for its stack files.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{
    cargo::{self, Programs},
    emulators::point,
    python,
    stages::Counts,
};

/// The parameter that has the stack file, as the template calls it.
const PARAMETER: &str = "/bluegreen/shop";

/// The stack files of the example: by CodeDeploy, and by ECS's own deployments. The template allows what either needs.
const STACK_FILES: [&str; 2] = ["examples/hook/bluegreen.toml", "examples/hook/bluegreen-ecs.toml"];

/// Takes the template, the parameter and the policies that were printed, and ends with another code than 0 when one allows what the other
/// does not. What both mean is compared, one action on one resource at a time, not how they write it. Logs and traces
/// are left out: SAM adds the permissions for them by itself.
const COMPARE: &str = "\
import json, re, sys
import yaml

VALUES = {'AWS::Partition': 'aws', 'AWS::Region': 'eu-west-1', 'AWS::AccountId': '*', 'StackFileParameter': sys.argv[2]}
NAMES = {'Store.Arn': 'arn:aws:dynamodb:eu-west-1:*:table/bluegreen'}

class Loader(yaml.SafeLoader):
    pass

def sub(loader, node):
    return re.sub(r'\\$\\{([^}]+)\\}', lambda it: VALUES[it[1]], loader.construct_scalar(node))

def other(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        return NAMES.get(text, text)
    return loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else loader.construct_mapping(node)

Loader.add_constructor('!Sub', sub)
Loader.add_multi_constructor('!', other)

def many(value):
    return value if isinstance(value, list) else [value]

def allowed(statements):
    for it in statements:
        asked = it.get('Condition', {}).items()
        condition = [(how, key, tuple(sorted(many(value)))) for how, keys in asked for key, value in keys.items()]
        for action in many(it['Action']):
            for resource in many(it['Resource']):
                if not action.startswith(('logs:', 'xray:')):
                    yield f'{action} on {resource}' + (f' where {sorted(condition)}' if condition else '')

template = yaml.load(open(sys.argv[1]), Loader)
policies = template['Resources']['Hook']['Properties']['Policies']
there = set(allowed(statement for it in policies for statement in it['Statement']))
wanted = set(allowed(statement for it in sys.argv[3:] for statement in json.load(open(it))['Statement']))
for it in sorted(wanted - there):
    print('the template lacks', it)
for it in sorted(there - wanted):
    print('nobody needs', it)
sys.exit(there != wanted)
";

/// Compares the two, and shows that something missing is found.
///
/// # Errors
///
/// When a tool cannot be installed, or the policy cannot be printed.
pub(crate) fn check(root: &Path, programs: &Programs) -> Result<Counts> {
    let python = python::install(root, &python::CFN_LINT)?;
    let folder = root.join("target/templates");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let region = [("AWS_REGION".to_owned(), "eu-west-1".to_owned())];
    let print = |file: &str| {
        let mut print = Command::new(programs.binary("bluegreen")?);
        print.args(["--file", file, "iam-policy", "--for", "hook"]);
        print.args(["--parameter", PARAMETER]).current_dir(root);
        cargo::output(point(&mut print, &region))
    };
    let [by_codedeploy, by_ecs] = STACK_FILES.map(print);
    let (by_codedeploy, by_ecs) = (by_codedeploy?, by_ecs?);

    let template = root.join("examples/hook/template.yaml");
    let compare = |policies: [&str; 2]| -> Result<Command> {
        let mut compare = python.text(COMPARE);
        compare.arg(&template).arg(PARAMETER);
        for (number, policy) in policies.iter().enumerate() {
            let file = folder.join(format!("policy-{number}.json"));
            fs::write(&file, policy).with_context(|| format!("writing {}", file.display()))?;
            compare.arg(file);
        }
        Ok(compare)
    };
    let same = cargo::run(&mut compare([&by_codedeploy, &by_ecs])?).is_ok();
    let other = with_another_table(&by_codedeploy)?;
    let found = !cargo::succeeds(&mut compare([&other, &by_ecs])?);
    let mut counts = told("the template has the policies of its stack files", same);
    counts += told("another table is found", found);
    Ok(counts)
}

/// Returns the policy of somebody whose store is in another table.
fn with_another_table(policy: &str) -> Result<String> {
    anyhow::ensure!(policy.contains("table/bluegreen"), "the policy names no table of a store");
    Ok(policy.replace("table/bluegreen", "table/another"))
}

fn told(what: &str, right: bool) -> Counts {
    println!("test {what} ... {}", if right { "ok" } else { "FAILED" });
    Counts { passed: usize::from(right), failed: usize::from(!right) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_without_a_store_cannot_show_that_differences_are_found() {
        let other = with_another_table("arn:aws:dynamodb:eu-west-1:*:table/bluegreen").unwrap();
        let without = with_another_table("{}").unwrap_err();

        assert_eq!(other, "arn:aws:dynamodb:eu-west-1:*:table/another");
        assert_eq!(without.to_string(), "the policy names no table of a store");
    }
}
