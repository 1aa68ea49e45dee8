//! `bluegreen iam-policy`: the least policy for a stack file, and why it is not even less.

use std::path::Path;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use bluegreen_core::StackReference;
use bluegreen_deploy::{Engine, HookNames, LeastPolicy, Purpose, Resources};
use serde_json::{Value, json};

use crate::{
    cli::{Cli, PolicyFor},
    exit::Exit,
    output::{self, Failure},
    stack_file,
};

/// Prints the policy on stdout, and what is to be known about it on stderr. Nothing is asked of AWS.
pub(crate) fn run(cli: &Cli, purpose: PolicyFor, names: &HookNames) -> Result<Exit, Failure> {
    let file = stack_file::read(&cli.file)?;
    // Nobody calls anything: the steps are only asked what they would need.
    let nobody = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(file.region.clone()))
        .build();
    let resources = Resources::connect(&file, &nobody)?;
    let engine = Engine::new(&file, Path::new("."), resources, bluegreen_core::Clock::system());
    let plans = [engine.plan(StackReference::A)?, engine.plan(StackReference::B)?];
    let policy = match purpose {
        PolicyFor::Deploy => LeastPolicy::of(&file, &plans, Purpose::Deploy),
        PolicyFor::Plan => LeastPolicy::of(&file, &plans, Purpose::Plan),
        PolicyFor::Hook => LeastPolicy::for_hook(&file, &plans, names),
    };
    let document = policy.document();
    let reasons = policy.statements.iter().filter_map(|it| it.reason.map(|why| (it, why)));

    if cli.json {
        let reasons: Vec<Value> = reasons
            .map(|(it, why)| json!({ "actions": it.actions, "resources": it.resources, "conditions": it.conditions, "reason": why }))
            .collect();
        let body = json!({ "outcome": "done", "policy": document, "reasons": reasons });
        output::document("iam-policy", body);
    } else {
        println!("{document:#}");
        for (statement, why) in reasons {
            let actions: Vec<&str> = statement.actions.iter().copied().collect();
            let resources: Vec<&str> = statement.resources.iter().map(String::as_str).collect();
            let given: Vec<String> = statement
                .conditions
                .iter()
                .map(|(key, values)| format!(", given {key} = {}", values.join(" or ")))
                .collect();
            let (actions, resources) = (actions.join(", "), resources.join(", "));
            eprintln!("{actions} on {resources}{}: {why}", given.concat());
        }
    }
    if file.account_id.is_none() {
        eprintln!("warning: the ARNs name no account: add `account-id` to the stack file");
    }
    let length = document.to_string().len();
    if length > LeastPolicy::MANAGED {
        eprintln!(
            "warning: the policy has {length} characters, and a managed one may have {}: make it a role's \
             inline policy, which may have 10240",
            LeastPolicy::MANAGED
        );
    }
    Ok(Exit::Done)
}
