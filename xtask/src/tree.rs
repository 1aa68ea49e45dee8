//! Checks what whoever takes one toolkit must compile: nothing of another service, no mocks, no TLS.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Result, ensure};

use crate::cargo::{self, cargo};

/// The crate that all toolkits share; it has no SDK.
const CORE: &str = "bluegreen-core";

/// The simulated account, which knows no crate of ours but core, and no SDK.
const SIMULATED: &str = "bluegreen-sim";

/// The toolkits, each with the SDKs that it may pull in.
pub(crate) const TOOLKITS: [(&str, &[&str]); 9] = [
    ("bluegreen-aurora", &["aws-sdk-rds", "aws-sdk-applicationautoscaling", "aws-sdk-cloudwatch"]),
    ("bluegreen-cloudwatch", &["aws-sdk-cloudwatch"]),
    ("bluegreen-codedeploy", &["aws-sdk-codedeploy"]),
    ("bluegreen-dynamodb", &["aws-sdk-dynamodb"]),
    ("bluegreen-ecs", &["aws-sdk-ecs", "aws-sdk-applicationautoscaling"]),
    ("bluegreen-kinesis", &["aws-sdk-kinesis"]),
    ("bluegreen-lambda", &["aws-sdk-lambda", "aws-sdk-eventbridge", "aws-sdk-cloudwatch"]),
    ("bluegreen-sns", &["aws-sdk-sns"]),
    ("bluegreen-sqs", &["aws-sdk-sqs", "aws-sdk-cloudwatch"]),
];

/// The beginnings of the names of mock and TLS crates.
const UNWANTED: [&str; 7] =
    ["mockall", "rustls", "aws-lc-", "ring", "native-tls", "openssl", "hyper-rustls"];

/// Reads the tree of core and of every toolkit.
///
/// # Errors
///
/// When one of them pulls in what it must not.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut complaints = Vec::new();
    let rest = [(CORE, &[][..]), (SIMULATED, &[][..])];
    for (package, own) in TOOLKITS.into_iter().chain(rest) {
        let tree = ["tree", "--edges", "normal", "--prefix", "none", "--package", package];
        let tree = cargo::output(&mut cargo(root, tree))?;
        complaints.extend(unwanted(package, own, &tree));
        complaints.extend(strangers(package, &tree));
    }
    complaints.iter().for_each(|it| println!("{it}"));
    ensure!(complaints.is_empty(), "{} dependencies that must not be", complaints.len());
    println!(
        "core, the simulated account and {} toolkits pull in what they need, and nothing else",
        TOOLKITS.len()
    );
    Ok(())
}

/// Names the crates of ours that `package` pulls in; all may have core.
fn strangers(package: &str, tree: &str) -> Vec<String> {
    let names: BTreeSet<_> = tree.lines().filter_map(|it| it.split_whitespace().next()).collect();
    let ours = names.iter().filter(|it| it.starts_with("bluegreen-"));
    let strangers = ours.filter(|it| **it != package && **it != CORE);
    strangers.map(|it| format!("{package} pulls in {it}")).collect()
}

/// Names what `package` pulls in and must not; `own` are the SDKs that it may have.
fn unwanted(package: &str, own: &[&str], tree: &str) -> Vec<String> {
    let names: BTreeSet<_> = tree.lines().filter_map(|it| it.split_whitespace().next()).collect();
    if !names.contains(package) {
        return vec![format!("{package}: its tree could not be read")];
    }
    let unwanted = names.iter().filter(|it| {
        let sdk = it.starts_with("aws-sdk-") && !own.contains(it);
        sdk || UNWANTED.iter().any(|unwanted| is_a(it, unwanted))
    });
    let missing = own.iter().filter(|it| !names.contains(*it));
    let unwanted = unwanted.map(|it| format!("{package} pulls in {it}"));
    unwanted.chain(missing.map(|it| format!("{package} does not use {it}"))).collect()
}

/// Returns whether `name` is the crate `unwanted`, or one of its parts.
fn is_a(name: &str, unwanted: &str) -> bool {
    let rest = name.strip_prefix(unwanted);
    rest.is_some_and(|it| it.is_empty() || it.starts_with(['-', '_']) || unwanted.ends_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQS: &str = "bluegreen-sqs v0.1.0 (/src/crates/bluegreen-sqs)\n\
                       async-trait v0.1.89 (proc-macro)\n\
                       aws-sdk-sqs v1.119.0\n\
                       stringprep v0.1.5\n\
                       bluegreen-core v0.1.0 (/src/crates/bluegreen-core)\n";

    fn with(lines: &str) -> Vec<String> {
        unwanted("bluegreen-sqs", &["aws-sdk-sqs"], &format!("{SQS}{lines}\n"))
    }

    #[test]
    fn another_crate_of_ours_is_named_and_core_is_not() {
        let tree = "bluegreen-sim v0.1.0\nbluegreen-core v0.1.0\nbluegreen-sqs v0.1.0\n";

        let strangers = strangers("bluegreen-sim", tree);

        assert_eq!(strangers, ["bluegreen-sim pulls in bluegreen-sqs"]);
    }

    #[test]
    fn a_toolkit_with_its_own_sdk_only_is_fine() {
        let complaints = with("");

        assert_eq!(complaints, Vec::<String>::new());
    }

    #[test]
    fn the_sdk_of_another_service_is_named() {
        let complaints = with("aws-sdk-sns v1.121.0 (*)");

        assert!(complaints.contains(&"bluegreen-sqs pulls in aws-sdk-sns".to_owned()));
    }

    #[test]
    fn mocks_and_tls_are_named() {
        for name in [
            "mockall",
            "mockall_derive",
            "rustls",
            "rustls-native-certs",
            "aws-lc-rs",
            "aws-lc-sys",
            "ring",
            "native-tls",
            "openssl-sys",
            "hyper-rustls",
        ] {
            let complaints = with(&format!("{name} v1.0.0"));

            assert!(complaints.contains(&format!("bluegreen-sqs pulls in {name}")), "{name}");
        }
    }

    #[test]
    fn an_sdk_that_is_listed_and_not_used_is_named() {
        let complaints = unwanted("bluegreen-sqs", &["aws-sdk-sqs", "aws-sdk-sts"], SQS);

        assert!(complaints.contains(&"bluegreen-sqs does not use aws-sdk-sts".to_owned()));
    }

    #[test]
    fn core_may_have_no_sdk() {
        let complaints = unwanted(CORE, &[], "bluegreen-core v0.1.0\naws-sdk-sqs v1.119.0\n");

        assert_eq!(complaints, ["bluegreen-core pulls in aws-sdk-sqs"]);
    }

    #[test]
    fn an_empty_tree_is_not_taken_for_a_clean_one() {
        let complaints = unwanted("bluegreen-sqs", &[], "");

        assert_eq!(complaints, ["bluegreen-sqs: its tree could not be read"]);
    }
}
