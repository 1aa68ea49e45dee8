//! The names and numbers of the shop: what `create` builds, and what `look` and `check` know about it.

use std::fmt::{self, Display};

use clap::ValueEnum;

/// One of the two copies of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stack {
    /// The one in production when the shop is created.
    A,
    /// The other one.
    B,
}

impl Stack {
    /// Both stacks.
    pub(crate) const BOTH: [Self; 2] = [Self::A, Self::B];
}

impl Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// What there is of everything, in one line.
pub(crate) const SUMMARY: &str = "per stack a cluster of three, two services, 114 queues, two subscriptions, two functions with 113 mappings and seven rules, a table, 121 alarms and a stream consumer";

/// The account that the emulators answer for: the access key id is its number.
const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-west-1";

/// The ECS cluster and, by another service, the event bus of the shop.
pub(crate) const CLUSTER: &str = "shop";
/// The event bus beside the default one.
pub(crate) const BUS: &str = "shop";
/// The stream that both stacks read.
pub(crate) const STREAM: &str = "clicks";
/// The alias that production uses of each function.
pub(crate) const ALIAS: &str = "live";

/// How many readers each database cluster has.
pub(crate) const READERS: usize = 2;
/// The least and the most readers that scaling keeps.
pub(crate) const READER_LIMITS: (i32, i32) = (1, 4);

/// The services, each with the tasks that it runs in production, and whether it scales.
pub(crate) const SERVICES: [(&str, i32, bool); 2] = [("worker", 4, true), ("web", 2, false)];

/// The topics, each with the filter of its own that its subscriptions carry.
pub(crate) const TOPICS: [(&str, Option<&str>); 2] =
    [("catalogue", Some(r#"{"type":["order"]}"#)), ("prices", None)];
/// The filter that no message passes.
pub(crate) const BLOCKED: &str = r#"{"__bluegreen_blocked__":["never"]}"#;

/// The pairs of queues that both have dead-letter queues.
pub(crate) const QUEUES: [&str; 2] = ["ingest", "mail"];
/// How many messages a day of production leaves in the ingest queue, and in its dead letters.
pub(crate) const LEFT: (usize, usize) = (5, 3);
/// How many dead letters wait in each mail queue.
pub(crate) const DEAD_MAILS: usize = 2;

/// How many merchants sell in the shop; each sends its orders through a queue of its own.
const MERCHANTS: usize = 110;
/// The merchant whose orders a person has stopped.
const STOPPED_MERCHANT: usize = 42;

/// How many alarms watch a stack, besides the composite one.
pub(crate) const ALARMS: usize = 120;

/// A rule of a function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// The function that it starts.
    pub(crate) function: &'static str,
    /// What stands behind the function's name in the name of the rule.
    pub(crate) name: &'static str,
    /// The schedule of a rule on the default bus; rules on [`BUS`] have none and match events.
    pub(crate) schedule: Option<&'static str>,
    /// Whether a person has switched it off.
    pub(crate) stopped: bool,
    /// Whether it starts the alias, and not the bare function.
    pub(crate) alias: bool,
}

/// The rules of each stack.
pub(crate) const RULES: [Rule; 6] = [
    Rule {
        function: "ingest",
        name: "hourly",
        schedule: Some("rate(1 hour)"),
        stopped: false,
        alias: true,
    },
    Rule {
        function: "ingest",
        name: "nightly",
        schedule: Some("cron(0 3 * * ? *)"),
        stopped: false,
        alias: false,
    },
    Rule {
        function: "ingest",
        name: "replay",
        schedule: Some("rate(1 day)"),
        stopped: true,
        alias: true,
    },
    Rule { function: "ingest", name: "orders", schedule: None, stopped: false, alias: true },
    Rule {
        function: "mail",
        name: "digest",
        schedule: Some("cron(0 7 * * ? *)"),
        stopped: false,
        alias: true,
    },
    Rule { function: "mail", name: "receipts", schedule: None, stopped: false, alias: true },
];

/// The functions of each stack.
pub(crate) const FUNCTIONS: [&str; 2] = ["ingest", "mail"];

/// Returns the name of `stack`'s part of a pair.
pub(crate) fn of(pair: &str, stack: Stack) -> String {
    format!("{pair}-{stack}")
}

/// Returns the ARN of a queue.
pub(crate) fn queue_arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

/// Returns the ARN of a topic.
pub(crate) fn topic_arn(topic: &str) -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT}:{topic}")
}

/// Returns the ARN of the stream.
pub(crate) fn stream_arn() -> String {
    format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{STREAM}")
}

/// Returns the queues of the merchants on `stack`.
pub(crate) fn merchant_queues(stack: Stack) -> impl Iterator<Item = String> {
    (1..=MERCHANTS).map(move |it| merchant_queue(stack, it))
}

/// Returns the queue of the merchant whose orders a person has stopped.
pub(crate) fn stopped_queue(stack: Stack) -> String {
    merchant_queue(stack, STOPPED_MERCHANT)
}

fn merchant_queue(stack: Stack, merchant: usize) -> String {
    format!("ingest-{stack}-merchant-{merchant:03}")
}

/// Returns the ARNs that the function `function` of `stack` reads from.
pub(crate) fn sources(function: &str, stack: Stack) -> Vec<String> {
    let own = queue_arn(&of(function, stack));
    match function {
        "ingest" => {
            let merchants = merchant_queues(stack).map(|it| queue_arn(&it));
            [own, stream_arn()].into_iter().chain(merchants).collect()
        }
        _ => vec![own],
    }
}

/// Returns the alarm that a person has switched off.
pub(crate) fn muted_alarm(stack: Stack) -> String {
    format!("shop-{stack}-nightly-import")
}

/// Returns the alarm whose action scales the workers.
pub(crate) fn scaling_alarm(stack: Stack) -> String {
    format!("shop-{stack}-worker-backlog")
}

/// Returns the alarm that combines others.
pub(crate) fn composite_alarm(stack: Stack) -> String {
    format!("shop-{stack}-any")
}

/// Returns the names of the alarms of `stack`, but for the composite one.
pub(crate) fn alarms(stack: Stack) -> impl Iterator<Item = String> {
    let merchants = (1..=ALARMS - 2).map(move |it| format!("shop-{stack}-late-{it:03}"));
    [muted_alarm(stack), scaling_alarm(stack)].into_iter().chain(merchants)
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use bluegreen_core::Pair;
    use bluegreen_deploy::stack_file::StackFile;

    use super::*;

    fn stack_file() -> StackFile {
        let text = include_str!("../shop/bluegreen.toml");
        StackFile::parse(text, Path::new("bluegreen.toml"), &|_| None).unwrap()
    }

    fn named<'a>(pairs: impl IntoIterator<Item = &'a Pair<String>>) -> Vec<[String; 2]> {
        let mut names: Vec<_> = pairs.into_iter().map(|it| [it.a.clone(), it.b.clone()]).collect();
        names.sort();
        names
    }

    fn built(pairs: impl IntoIterator<Item = &'static str>) -> Vec<[String; 2]> {
        let mut names: Vec<_> =
            pairs.into_iter().map(|pair| Stack::BOTH.map(|it| of(pair, it))).collect();
        names.sort();
        names
    }

    #[test]
    fn the_stack_file_names_what_is_built() {
        let file = stack_file();

        let functions = named(file.lambda.iter().map(|it| &it.settings.config.functions));
        let services = named(file.ecs.iter().map(|it| &it.settings.config.services));
        let clusters = named(file.aurora.iter().map(|it| &it.settings.config.clusters));
        let consumers = named(file.kinesis.iter().map(|it| &it.settings.config.consumers));
        assert_eq!(functions, built(FUNCTIONS));
        assert_eq!(services, built(SERVICES.map(|it| it.0)));
        assert_eq!(clusters, built(["orders"]));
        assert_eq!(consumers, built([STREAM]));
        assert_eq!(file.kinesis[0].settings.config.stream_arn, stream_arn());
        assert_eq!(file.sqs.len(), QUEUES.len());
        assert_eq!(file.sns.len(), TOPICS.len());
        assert_eq!((file.region.as_str(), file.account_id.as_deref()), (REGION, Some(ACCOUNT)));
    }

    #[test]
    fn the_stack_file_waits_as_a_real_one_does() {
        let file = stack_file();

        assert_eq!(file.release.hold, Duration::from_secs(60 * 60));
        let quarter = Duration::from_secs(15 * 60);
        assert!(file.sns.iter().all(|it| it.settings.settle == quarter));
    }
}
