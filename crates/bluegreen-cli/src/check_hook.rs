//! `bluegreen check-hook`: whether the hook could do its work, asked of the deployed function and of its roles.

use std::{fs, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_iam::types::PolicyEvaluationDecisionType;
use aws_sdk_lambda::{
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::{DisplayErrorContext, ProvideErrorMetadata},
    primitives::Blob,
};
use bluegreen_core::Error;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    aws,
    cli::Cli,
    exit::Exit,
    output::{self, Failure},
    stack_file,
};

const INVOKE: &str = "lambda:InvokeFunction";

/// How long the function may take: as long as Lambda lets one.
const LONGEST: Duration = Duration::from_secs(900);

/// What the function says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Checked {
    function: String,
    stack_file: String,
    findings: Vec<Finding>,
    deployment_groups: Vec<Group>,
}

/// One thing that was looked at, and what is wrong with it.
#[derive(Debug, Deserialize)]
struct Finding {
    what: String,
    problems: Vec<String>,
}

/// A deployment group, and the role by which it calls the function.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Group {
    application: String,
    deployment_group: String,
    role: String,
}

/// Lets the function `name` look at all that it needs, and asks whether those that call it may. Nothing is changed.
pub(crate) async fn run(cli: &Cli, name: &str) -> Result<Exit, Failure> {
    let file = stack_file::read(&cli.file)?;
    let sdk = aws::configuration(&file).await;
    aws::account(&sdk, &file).await?;
    // It has been read before.
    let text = fs::read(&cli.file).unwrap_or_default();
    let checked = ask(&sdk, name, &hash(&text)).await?;

    let mut findings = checked.findings;
    let mut problems = Vec::new();
    for group in &checked.deployment_groups {
        problems.extend(may_not_call(&sdk, group, &checked.function).await);
    }
    if !checked.deployment_groups.is_empty() {
        findings.push(Finding { what: "calls by CodeDeploy".to_owned(), problems });
    }
    let bad = findings.iter().any(|it| !it.problems.is_empty());
    if cli.json {
        let findings: Vec<Value> =
            findings.iter().map(|it| json!({ "what": it.what, "problems": it.problems })).collect();
        let body = json!({
            "outcome": if bad { "failed" } else { "done" },
            "function": checked.function,
            "stack-file": checked.stack_file,
            "findings": findings,
        });
        output::document("check-hook", body);
    } else {
        println!("{} with {}", checked.function, checked.stack_file);
        print!("{}", listed(&findings));
    }
    Ok(if bad { Exit::Failed } else { Exit::Done })
}

/// Sends the function an event that lets it look and change nothing.
async fn ask(sdk: &SdkConfig, name: &str, hash: &str) -> Result<Checked, Failure> {
    let event = json!({ "bluegreen": { "check": { "stack-file": hash } } });
    // A function that looks at a whole stack takes its time, and must not be called twice for that.
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(LONGEST).build();
    let config = aws_sdk_lambda::config::Builder::from(sdk)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled());
    let client = aws_sdk_lambda::Client::from_conf(config.build());
    let request = client.invoke().function_name(name).payload(Blob::new(event.to_string()));
    let answer = request.send().await.map_err(|err| match err.code() {
        Some("ResourceNotFoundException") => {
            Error::NotFound { resource: format!("function `{name}`") }
        }
        _ => Error::aws(INVOKE, err),
    });
    let answer = answer.map_err(bluegreen_deploy::Error::from)?;
    let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
    let payload: Value = serde_json::from_slice(&payload).unwrap_or_default();
    if answer.function_error.is_some() {
        let said = payload["errorMessage"].as_str().unwrap_or("it does not say why");
        return Err(gate(name, said.to_owned()));
    }
    serde_json::from_value(payload).map_err(|err| {
        gate(name, format!("answers something else than a check ({err}): is it bluegreen's hook?"))
    })
}

/// Asks IAM whether the role of a deployment group may call the function.
async fn may_not_call(sdk: &SdkConfig, group: &Group, function: &str) -> Option<String> {
    let Group { application, deployment_group, role } = group;
    let asked = aws_sdk_iam::Client::new(sdk)
        .simulate_principal_policy()
        .policy_source_arn(role)
        .action_names(INVOKE)
        .resource_arns(function)
        .send()
        .await;
    let answers = match asked {
        Ok(answer) => answer.evaluation_results.unwrap_or_default(),
        Err(err) => {
            return Some(format!(
                "whether role `{role}` of deployment group `{deployment_group}` of `{application}` may call the \
                 function is not known: {}",
                DisplayErrorContext(&err)
            ));
        }
    };
    let allowed = !answers.is_empty()
        && answers.iter().all(|it| it.eval_decision == PolicyEvaluationDecisionType::Allowed);
    (!allowed).then(|| {
        format!(
            "role `{role}` of deployment group `{deployment_group}` of `{application}` may not call the function: \
             AWS's own policies allow it for names that begin with `CodeDeployHook_`; allow the role `{INVOKE}` on \
             `{function}`"
        )
    })
}

fn gate(name: &str, reason: String) -> Failure {
    Failure::Engine(bluegreen_deploy::Error::Gate { what: format!("function `{name}`"), reason })
}

fn hash(text: &[u8]) -> String {
    Sha256::digest(text).iter().map(|it| format!("{it:02x}")).collect()
}

/// Writes what was found, a line for each thing that was looked at and one for each problem.
fn listed(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { what, problems } in findings {
        let mark = if problems.is_empty() { "ok" } else { "bad" };
        text += &format!("{mark:4} {what}\n");
        for problem in problems {
            text += &format!("     {problem}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_has_a_line_and_each_problem_one_below_it() {
        let finding = |what: &str, problems: &[&str]| Finding {
            what: what.to_owned(),
            problems: problems.iter().map(|it| (*it).to_owned()).collect(),
        };

        let text = listed(&[finding("store", &[]), finding("report", &["may not", "at all"])]);

        assert_eq!(text, "ok   store\nbad  report\n     may not\n     at all\n");
    }
}
