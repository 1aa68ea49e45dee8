//! What the command says and how it ends, as far as that needs no AWS.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A stack file with something wrong in most of its lines.
const BROKEN: &str = r#"name = "shop"
region = "eu-west-1"
acount-id = "123456789012"
traffic = "none"

[release]
hold = "soon"

[schema.orders]
reset.lambda = { a = "migrate-a", b = "migrate-b" }

[sqs.ingest]
queues = { a = "ingest-a", b = "ingest-a" }

[lambda.ingest]
functions = { a = "ingest-a", b = "" }
mappings = "miror"

[kinesis.clicks]
stream-arn = "arn:aws:sqs:eu-west-1:123456789012:clicks"
consumers = { a = "clicks-a", b = "clicks-b" }
"#;

fn bluegreen(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bluegreen"));
    command.current_dir(folder.path()).args(arguments).stdin(Stdio::null());
    // Nothing here may reach AWS, whatever the environment.
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").env("AWS_EC2_METADATA_DISABLED", "true");
    command.output().unwrap()
}

/// The stack file with one small resource of each kind.
const CORNER_SHOP: &str = include_str!("../../../examples/corner-shop/bluegreen.toml");

fn folder(stack_file: Option<&str>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    if let Some(text) = stack_file {
        fs::write(folder.path().join("bluegreen.toml"), text).unwrap();
    }
    folder
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_error_of_a_stack_file_is_underlined_with_its_place() {
    let folder = folder(Some(BROKEN));

    let output = bluegreen(&folder, &["plan", "--to", "b"]);

    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    insta::assert_snapshot!("broken-stack-file", text(&output.stderr));
}

#[test]
fn the_errors_of_a_stack_file_are_a_document_too() {
    let folder = folder(Some(BROKEN));

    let output = bluegreen(&folder, &["deploy", "--to", "b", "--json"]);

    assert_eq!(output.status.code(), Some(2));
    insta::assert_json_snapshot!("broken-stack-file-document", json(&output));
}

#[test]
fn a_missing_stack_file_is_named_with_the_way_to_get_one() {
    let folder = folder(None);

    let output = bluegreen(&folder, &["--file", "shop.toml", "status"]);

    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("`shop.toml`") && stderr.contains("`bluegreen init`"), "{stderr}");
}

#[test]
fn init_writes_a_stack_file_once() {
    let folder = folder(None);
    let path = folder.path().join("bluegreen.toml");

    let first = bluegreen(&folder, &["init"]);
    let written = fs::read_to_string(&path).unwrap();
    fs::write(&path, "name = \"mine\"\n").unwrap();
    let second = bluegreen(&folder, &["init"]);

    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert!(written.contains("name = \"shop\""), "{written}");
    assert_eq!(second.status.code(), Some(2));
    assert!(text(&second.stderr).contains("`bluegreen.toml`"), "{}", text(&second.stderr));
    assert_eq!(fs::read_to_string(&path).unwrap(), "name = \"mine\"\n");
}

#[test]
fn init_is_a_document_too() {
    let folder = folder(None);

    let output = bluegreen(&folder, &["init", "--json"]);

    assert_eq!(output.status.code(), Some(0));
    assert_eq!((&json(&output)["command"], &json(&output)["schema"]), (&"init".into(), &1.into()));
    assert_eq!(json(&output)["outcome"], "done");
}

#[test]
fn what_cannot_be_typed_is_bad_usage() {
    let folder = folder(None);

    for arguments in [
        &["deplyo"][..],
        &[],
        &["step", "sqs.purge"],
        &["plan", "prepair"],
        &["deploy", "--to", "c"],
        &["deploy", "--until", "prepare", "--no-wait"],
    ] {
        let output = bluegreen(&folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn the_help_names_every_command() {
    let folder = folder(None);

    let output = bluegreen(&folder, &["--help"]);

    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    let commands = [
        "adopt",
        "plan",
        "deploy",
        "prepare",
        "test",
        "promote",
        "retire",
        "rollback",
        "retry",
        "skip",
        "override",
        "approve",
        "reject",
        "status",
        "history",
        "show",
        "unlock",
        "step",
        "init",
        "rehearse",
        "iam-policy",
    ];
    for command in commands {
        let named = |line: &str| line.split_whitespace().next() == Some(command);
        assert!(help.lines().any(named), "`{command}` is not in\n{help}");
    }
    for option in ["--file", "--json", "--yes", "--verbose", "--version"] {
        assert!(help.contains(option), "`{option}` is not in\n{help}");
    }
}

#[test]
fn credentials_that_are_not_there_interrupt_and_say_what_to_do() {
    let folder = folder(Some("name = \"shop\"\nregion = \"eu-west-1\"\ntraffic = \"none\"\n"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_bluegreen"));
    command.current_dir(folder.path()).args(["status", "--json"]).stdin(Stdio::null());
    command.env_clear().env("HOME", folder.path()).env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");

    let output = command.output().unwrap();

    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("log in again"), "{}", text(&output.stderr));
    assert_eq!(json(&output)["command"], "status");
}

#[test]
fn a_rehearsal_prints_the_same_bytes_for_the_same_seed_and_asks_nobody() {
    let folder = folder(Some(CORNER_SHOP));
    let rehearse = |arguments: &[&str]| {
        let output =
            bluegreen(&folder, &[&["rehearse", "--file", "bluegreen.toml"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        output.stdout
    };

    let [first, again, other] = ["7", "7", "8"].map(|seed| rehearse(&["--seed", seed]));
    let slow = rehearse(&["--seed", "7", "--cluster-start", "25m"]);

    assert_eq!(text(&first), text(&again));
    assert_ne!(text(&first), text(&other));
    assert!(text(&first).contains("0 lost, 0 doubled"), "{}", text(&first));
    // Its readers come a little later.
    let start = text(&slow).lines().find(|it| it.contains("aurora.start orders on b")).unwrap();
    let minutes = start.split_whitespace().find_map(|it| it.strip_suffix('m')?.parse().ok());
    assert!(minutes.is_some_and(|it: u32| it >= 25), "{start}");
    let line = |step: &str| text(&slow).lines().find(|it| it.contains(step)).unwrap().to_owned();
    assert!(line("release.hold on b").ends_with("10m 0s  waited"), "{}", text(&slow));
    assert!(line("lambda.disable-rules mail on a").ends_with("already so"), "{}", text(&slow));
}

#[test]
fn a_rehearsal_shows_what_a_fault_does() {
    let folder = folder(Some(CORNER_SHOP));
    let refused = ["rehearse", "bluegreen.toml", "--fault", "sns.enable: deny*always"];
    let throttled = ["rehearse", "bluegreen.toml", "--fault", "sns.enable: throttle*3", "--json"];
    let misspelt = ["rehearse", "bluegreen.toml", "--fault", "sns.enabel: throttle"];

    let (refused, throttled) = (bluegreen(&folder, &refused), bluegreen(&folder, &throttled));
    let misspelt = bluegreen(&folder, &misspelt);

    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("sns:"), "{}", text(&refused.stderr));
    assert_eq!(throttled.status.code(), Some(0), "{}", text(&throttled.stderr));
    let document = json(&throttled);
    assert_eq!((&document["command"], &document["outcome"]), (&"rehearse".into(), &"done".into()));
    assert_eq!(document["messages"]["lost"], 0);
    assert!(!text(&throttled.stderr).contains("did not happen"), "{}", text(&throttled.stderr));
    assert!(text(&misspelt.stderr).contains("`sns.enabel`"), "{}", text(&misspelt.stderr));
}

#[test]
fn the_policy_of_a_stack_file_says_why_it_has_wildcards() {
    let folder = folder(Some(CORNER_SHOP));

    let output = bluegreen(&folder, &["iam-policy"]);
    let looks = bluegreen(&folder, &["iam-policy", "--for", "plan", "--json"]);

    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!("iam-policy", text(&output.stdout));
    insta::assert_snapshot!("iam-policy-reasons", text(&output.stderr));
    let document = json(&looks);
    assert!(!document["policy"].to_string().contains("rds:StopDBCluster"));
    assert!(document["reasons"].as_array().unwrap().iter().all(|it| it["reason"].is_string()));
}

#[test]
fn the_policy_of_a_hook_has_what_makes_a_hook_of_a_deployment() {
    let folder = folder(Some(
        r#"
name = "shop"
region = "eu-west-1"
account-id = "123456789012"
[traffic.web]
mover = "codedeploy"
application = "shop"
deployment-group = "web"
cluster = "shop"
service = "web"
binding = { container = "web", env = "STACK" }
[traffic.api]
mover = "ecs"
cluster = "shop"
service = "api"
binding = { tag = "stack" }
[aurora.orders]
clusters = { a = "orders-a", b = "orders-b" }
"#,
    ));

    let hook = bluegreen(&folder, &["iam-policy", "--for", "hook"]);
    let named = bluegreen(
        &folder,
        &["iam-policy", "--for", "hook", "--function", "f", "--parameter", "/p"],
    );
    let deploy = bluegreen(&folder, &["iam-policy"]);

    assert_eq!(hook.status.code(), Some(0), "{}", text(&hook.stderr));
    insta::assert_snapshot!("iam-policy-hook", text(&hook.stdout));
    assert!(text(&named.stdout).contains("function:f\""), "{}", text(&named.stdout));
    assert!(text(&named.stdout).contains("parameter/p\""), "{}", text(&named.stdout));
    assert!(text(&deploy.stdout).contains("codedeploy:GetDeployment"));
    assert!(!text(&deploy.stdout).contains("PutLifecycleEventHookExecutionStatus"));
}
