//! The simulated account behind HTTP: the tests of the emulators in it, and the AWS CLI asking it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use crate::{
    cargo::{self, Programs},
    emulators::{point, speaking_to},
    python,
    stages::Counts,
};

/// What the AWS CLI is asked, one look at each service, and what is in the answer.
const LOOKS: [(&str, &str); 13] = [
    (
        "application-autoscaling describe-scalable-targets --service-namespace rds",
        "cluster:orders-a",
    ),
    ("cloudwatch describe-alarms --alarm-types MetricAlarm CompositeAlarm", "shop-b-health"),
    ("deploy get-deployment --deployment-id d-EXAMPLE01", "InProgress"),
    ("dynamodb describe-table --table-name sessions-a", "ACTIVE"),
    ("ecs describe-services --cluster shop --services worker-a", "worker-a"),
    ("events describe-rule --name ingest-a-regularly", "ENABLED"),
    ("kinesis describe-stream-summary --stream-name clicks", "ACTIVE"),
    ("lambda get-function --function-name ingest-a", "function:ingest-a"),
    ("lambda list-event-source-mappings --function-name ingest-b:live", "Disabled"),
    ("rds describe-db-clusters --db-cluster-identifier orders-b", "stopped"),
    (
        "sns list-subscriptions-by-topic --topic-arn arn:aws:sns:eu-west-1:123456789012:catalogue",
        "ingest-b",
    ),
    ("sqs get-queue-url --queue-name ingest-a", "/123456789012/ingest-a"),
    ("sts get-caller-identity", "123456789012"),
];

/// The running account; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Served {
    child: Child,
    url: String,
}

impl Served {
    /// Starts the account on a free port.
    ///
    /// # Errors
    ///
    /// When it does not say where it listens.
    pub(crate) fn start(programs: &Programs, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(programs.binary("bluegreen-sim")?);
        command.args(["serve", "--port", "0"]).args(arguments).stdout(Stdio::piped());
        let child = command.spawn().context("starting the simulated account")?;
        let mut served = Self { child, url: String::new() };
        let mut line = String::new();
        if let Some(output) = served.child.stdout.take() {
            BufReader::new(output).read_line(&mut line).context("reading where it listens")?;
        }
        let url = line.trim().strip_prefix("export AWS_ENDPOINT_URL=");
        served.url = url.context("the simulated account does not say where it listens")?.to_owned();
        Ok(served)
    }

    /// Returns the environment that points every AWS tool at the account.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        speaking_to(&self.url)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, and needs not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks at every service with the AWS CLI, which nobody here wrote.
///
/// # Errors
///
/// When the AWS CLI cannot be installed, or the account not be started.
pub(crate) fn ask_by_aws_cli(root: &Path, programs: &Programs) -> Result<Counts> {
    let python = python::install(root, &python::AWS_CLI)?;
    let served = Served::start(programs, &[])?;
    let mut counts = Counts::default();
    for (look, expected) in LOOKS {
        let mut aws = python.module("awscli", false);
        // Version 1 of the AWS CLI does not take SQS's endpoint from the environment.
        aws.args(["--endpoint-url", &served.url, "--output", "json"]).args(look.split(' '));
        let seen = cargo::output(point(&mut aws, &served.environment()));
        let found = seen.as_ref().is_ok_and(|it| it.contains(expected));
        println!("test aws {look} ... {}", if found { "ok" } else { "FAILED" });
        if !found {
            println!("expected `{expected}` in {seen:?}");
        }
        counts += Counts { passed: usize::from(found), failed: usize::from(!found) };
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::tree::TOOLKITS;

    #[test]
    fn every_service_of_a_toolkit_is_looked_at() {
        // As the AWS CLI calls those that it calls otherwise.
        let word = |sdk: &&str| match sdk.trim_start_matches("aws-sdk-") {
            "applicationautoscaling" => "application-autoscaling".to_owned(),
            "codedeploy" => "deploy".to_owned(),
            "eventbridge" => "events".to_owned(),
            service => service.to_owned(),
        };
        let asked: BTreeSet<_> = LOOKS.iter().filter_map(|(it, _)| it.split(' ').next()).collect();

        let missing: Vec<_> = TOOLKITS
            .iter()
            .flat_map(|(_, sdks)| sdks.iter().map(word))
            .filter(|it| !asked.contains(it.as_str()))
            .collect();

        assert_eq!(missing, Vec::<String>::new());
    }
}
