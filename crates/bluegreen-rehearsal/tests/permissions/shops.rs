//! The stack files whose least policies are proven, each with what its account is like.

use std::{path::Path, time::Duration};

use bluegreen_core::StackReference::{self, A, B};
use bluegreen_deploy::stack_file::{ConsumerKind, JobKind, StackFile};
use bluegreen_rehearsal::account;
use bluegreen_sim::{Faults, Settings, SimulatedAccount, TaskRun, Times};

/// A stack file, with what the account is that it is about.
pub(crate) struct Shop {
    pub(crate) file: StackFile,
    /// Whether the clusters of the standby are stopped though they are deleted in the end.
    pub(crate) stopped: bool,
    /// Whether tasks fail when they are run for the first time.
    pub(crate) tasks_fail: bool,
    /// Where production goes, one after the other.
    pub(crate) legs: &'static [StackReference],
    /// How long everything takes in the account.
    pub(crate) times: Times,
}

fn shop(text: &str) -> Shop {
    let mut file = StackFile::parse(text, Path::new("bluegreen.toml"), &|_| None).unwrap();
    // To look more rarely takes the same permissions, and less time.
    file.pace.longest_look = Duration::from_secs(60);
    Shop { file, stopped: false, tasks_fail: false, legs: &[B, A], times: Times::default() }
}

/// The shop, which has most of what a stack file can have.
pub(crate) fn whole() -> Shop {
    shop(include_str!("../../../../examples/shop/bluegreen.toml"))
}

/// The corner shop, whose clusters are deleted with a snapshot.
pub(crate) fn deleting() -> Shop {
    let text = include_str!("../../../../examples/corner-shop/bluegreen.toml")
        .replace("retire = \"stop\"", "retire = \"delete\"\nfinal-snapshot = true");
    // The third time readers are deleted that scaling has added.
    Shop { stopped: true, legs: &[B, A, B], ..shop(&text) }
}

/// A shop whose only consumer must never run on both stacks, and reads a queue.
pub(crate) fn handing_over() -> Shop {
    shop(
        r#"
        name = "shop"
        region = "eu-west-1"
        account-id = "123456789012"

        [traffic.web]
        mover = "command"
        move = ["./move-traffic"]
        observe = ["./observe-traffic"]

        [release]
        hold = "0s"

        [sqs.bills]
        queues = { a = "bills-a", b = "bills-b" }
        feed = "work"
        skip = ["sqs.drain"]

        [ecs.billing]
        cluster = "shop"
        services = { a = "billing-a", b = "billing-b" }
        desired-tasks = "match"
        mode = "exclusive"
        queue = "sqs.bills"
        "#,
    )
}

/// A shop of which nearly everything is left alone, and looked at all the same.
pub(crate) fn left_alone() -> Shop {
    let arn =
        |service: &str, name: &str| format!("arn:aws:{service}:eu-west-1:123456789012:{name}");
    let text = format!(
        r#"
        name = "shop"
        region = "eu-west-1"
        account-id = "123456789012"
        traffic = "none"

        [release]
        hold = "0s"

        [aurora.orders]
        clusters = {{ a = "orders-a", b = "orders-b" }}
        minimum-readers = 1
        retire = "keep"
        skip = ["aurora.start", "aurora.scale-out", "aurora.scale-in"]

        [kinesis.clicks]
        stream-arn = "{clicks}"
        consumers = {{ a = "clicks-a", b = "clicks-b" }}
        retire = "keep"
        skip = ["kinesis.register"]

        [sns.catalogue]
        topic = "{catalogue}"
        endpoints = {{ a = "{a}", b = "{b}" }}
        skip = ["sns.enable", "sns.settle", "sns.disable"]

        [sqs.ingest]
        queues = {{ a = "ingest-a", b = "ingest-b" }}
        feed = "fan-out"
        skip = ["sqs.purge"]

        [lambda.reports]
        functions = {{ a = "reports-a", b = "reports-b" }}
        alias = "live"
        mappings = "off"
        rules = "off"

        [ecs.worker]
        cluster = "shop"
        services = {{ a = "worker-a", b = "worker-b" }}
        desired-tasks = 2
        skip = ["ecs.enable", "ecs.disable"]

        [cloudwatch.pages]
        prefixes = {{ a = "shop-a-", b = "shop-b-" }}
        skip = ["cloudwatch.enable-alarms", "cloudwatch.disable-alarms"]
        "#,
        clicks = arn("kinesis", "stream/clicks"),
        catalogue = arn("sns", "catalogue"),
        a = arn("sqs", "ingest-a"),
        b = arn("sqs", "ingest-b"),
    );
    shop(&text)
}

/// A shop that runs functions and tasks, and watches alarms: whatever tests and schemas can ask of AWS.
pub(crate) fn running() -> Shop {
    let shop = shop(
        r#"
        name = "shop"
        region = "eu-west-1"
        account-id = "123456789012"
        traffic = "none"

        [release]
        hold = "0s"

        [cloudwatch.pages]
        prefixes = { a = "shop-a-", b = "shop-b-" }
        skip = ["cloudwatch.enable-alarms", "cloudwatch.disable-alarms"]

        [schema.orders]
        reset.task = { cluster = "jobs", definitions = { a = "reset-a:7", b = "reset-b:7" } }
        hydrate.task = { cluster = "jobs", definitions = { a = "fill-a", b = "fill-b" } }

        [schema.stock]
        reset.lambda = { a = "stock-a", b = "stock-b" }

        [test.smoke]
        lambda = "smoke"

        [test.journey]
        lambda = { a = "journey-a", b = "journey-b" }

        [test.calm]
        alarms = "cloudwatch.pages"
        bake = "1m"

        [test.still]
        alarms = ["edge-errors"]
        bake = "0s"
        "#,
    );
    // A plan looks only at tasks that have been run and have not ended well.
    Shop { tasks_fail: true, ..shop }
}

impl Shop {
    pub(crate) fn account(&self) -> SimulatedAccount {
        let times = self.times.clone();
        let account = account(&self.file, A, Settings { times, ..Settings::default() });
        account.world(|world| {
            for it in self.file.aurora.iter().filter(|_| self.stopped) {
                world.add_cluster(it.settings.config.clusters.of(B), 1, "stopped");
            }
            // What is left alone is there all the same.
            for it in self.file.lambda.iter().filter(|it| it.settings.rules == ConsumerKind::Off) {
                let config = &it.settings.config;
                for name in [config.functions.of(A), config.functions.of(B)] {
                    let function = world.function_arn(name, config.alias.as_deref());
                    world.add_rule("default", &format!("{name}-nightly"), &function, true);
                }
            }
        });
        // A stream takes no more consumers for a moment.
        let limit = "kinesis:RegisterStreamConsumer: throttle*3".parse().unwrap();
        account.set_faults(Faults::none().with(limit));
        account
    }

    /// Returns the same shop where nothing takes time, neither in AWS nor by the stack file.
    pub(crate) fn hurried(&self) -> Self {
        let mut file = self.file.clone();
        file.release.hold = Duration::ZERO;
        file.release.guardrails.watch = Duration::ZERO;
        for it in &mut file.lambda {
            it.settings.caught_up_for = Duration::ZERO;
        }
        for it in &mut file.sns {
            it.settings.settle = Duration::ZERO;
        }
        for it in &mut file.sqs {
            it.settings.settle = Duration::ZERO;
            it.settings.drained_for = Duration::ZERO;
            it.settings.caught_up_for = Duration::ZERO;
        }
        Self { file, times: Times::instant(), ..*self }
    }

    /// Lets all tasks end with this code from now on.
    pub(crate) fn set_exit_code(&self, account: &SimulatedAccount, exit_code: i32) {
        let jobs =
            self.file.schemas.iter().flat_map(|it| [&it.settings.reset, &it.settings.hydrate]);
        for job in jobs.flatten() {
            let JobKind::Task(config) = &job.kind else { continue };
            for stack in StackReference::BOTH {
                let definition = config.definitions.of(stack);
                let family = definition.split(':').next().unwrap_or_default();
                let run = TaskRun { exit_code: Some(exit_code), ..TaskRun::default() };
                account.world(|world| world.set_task_run(family, run));
            }
        }
    }

    /// Makes again what a release has deleted, as the users' own tooling does.
    pub(crate) fn make_again(&self, account: &SimulatedAccount, stack: StackReference) {
        account.world(|world| {
            for it in &self.file.aurora {
                let name = it.settings.config.clusters.of(stack);
                if world.rds.cluster(name).is_none() {
                    let status = if self.stopped { "stopped" } else { "available" };
                    world.add_cluster(name, 1, status);
                }
            }
            for it in &self.file.dynamodb {
                let name = it.settings.config.tables.of(stack);
                if world.dynamodb.table(name).is_none() {
                    world.add_table(name);
                }
            }
        });
    }
}
