//! The least policy of a stack file suffices for everything, and nothing in it can be left out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use aws_types::SdkConfig;
use bluegreen_core::StackReference::{self, A, B};
use bluegreen_deploy::{
    LeastPolicy, Outcome, Phase, Pointer, Purpose, Report, Store, chain, stack_file::ConsumerKind,
    stack_file::StackFile,
};
use bluegreen_rehearsal::{account, connect};
use bluegreen_sim::{Faults, Policy, Settings, SimulatedAccount};
use serde_json::{Value, json};

/// What an identity may do: one action on one resource, under conditions.
#[derive(Clone, Debug)]
struct Leave {
    action: String,
    resource: String,
    conditions: Value,
}

impl Leave {
    fn statement(&self) -> Value {
        let Self { action, resource, conditions } = self;
        let mut statement = json!({ "Effect": "Allow", "Action": action, "Resource": resource });
        if conditions.is_object() {
            statement["Condition"] = conditions.clone();
        }
        statement
    }
}

/// A stack file, with what the account is that it is about.
struct Shop {
    file: StackFile,
    /// Whether the clusters of the standby are stopped though they are deleted in the end.
    stopped: bool,
    /// Where production goes, one after the other.
    legs: &'static [StackReference],
}

fn shop(text: &str) -> Shop {
    let file = StackFile::parse(text, Path::new("bluegreen.toml"), &|_| None).unwrap();
    Shop { file, stopped: false, legs: &[B, A] }
}

/// The shop, which has most of what a stack file can have.
fn whole() -> Shop {
    shop(include_str!("../../../examples/shop/bluegreen.toml"))
}

/// The corner shop, whose clusters are deleted with a snapshot.
fn deleting() -> Shop {
    let text = include_str!("../../../examples/corner-shop/bluegreen.toml")
        .replace("retire = \"stop\"", "retire = \"delete\"\nfinal-snapshot = true");
    // The third time readers are deleted that scaling has added.
    Shop { stopped: true, legs: &[B, A, B], ..shop(&text) }
}

/// A shop whose only consumer must never run on both stacks, and reads a queue.
fn handing_over() -> Shop {
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
fn left_alone() -> Shop {
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

impl Shop {
    fn account(&self) -> SimulatedAccount {
        let account = account(&self.file, A, Settings::default());
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

    /// Returns the least policy, taken apart.
    fn least(&self, purpose: Purpose) -> Vec<Leave> {
        let account = self.account();
        let engine = connect(&self.file, &account, &account.sdk_config()).unwrap();
        let plans = [A, B].map(|to| engine.plan(to).unwrap());
        let document = LeastPolicy::of(&self.file, &plans, purpose).document();
        let mut leaves = Vec::new();
        for statement in document["Statement"].as_array().unwrap() {
            for action in statement["Action"].as_array().unwrap() {
                for resource in statement["Resource"].as_array().unwrap() {
                    leaves.push(Leave {
                        action: action.as_str().unwrap().to_owned(),
                        resource: resource.as_str().unwrap().to_owned(),
                        conditions: statement.get("Condition").cloned().unwrap_or_default(),
                    });
                }
            }
        }
        leaves
    }

    /// Does everything that `purpose` is about with nothing else than `leaves`, and returns the first complaint.
    /// Somebody else moves production where only looks are allowed.
    async fn complaint(&self, purpose: Purpose, leaves: &[Leave]) -> Option<String> {
        let statements: Vec<Value> = leaves.iter().map(Leave::statement).collect();
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        let account = self.account();
        let sdk = account.sdk_config_for("deployer", Policy::parse(&policy.to_string()).unwrap());
        let pointer =
            Pointer { active: A, since: account.clock().now(), reason: "test".to_owned() };
        let store = Store::in_memory(&self.file.name, pointer);
        let moves = match purpose {
            Purpose::Deploy => sdk.clone(),
            Purpose::Plan => account.sdk_config(),
        };
        for &to in self.legs {
            let looked = self.looks(&account, &sdk, &store, to).await;
            if looked.is_some() {
                return looked;
            }
            let engine = connect(&self.file, &account, &moves).unwrap();
            let plan = engine.plan(to).unwrap();
            // What a release never does on its way is done when it is taken back: to stop what is else deleted.
            if self.stopped && purpose == Purpose::Deploy {
                let done = engine.deploy(&store, &plan, Phase::Promote).await;
                let taken_back = match done {
                    Ok(report) if report.outcome == Outcome::Done => {
                        engine.rollback(&store, &plan, false).await
                    }
                    failed => failed,
                };
                match taken_back {
                    Ok(report) if report.outcome == Outcome::TakenBack => {}
                    Ok(report) => return Some(complaints(&report)),
                    Err(err) => return Some(chain(&err)),
                }
            }
            match engine.deploy(&store, &plan, Phase::Retire).await {
                Ok(report) if report.outcome == Outcome::Done => {}
                Ok(report) => return Some(complaints(&report)),
                Err(err) => return Some(chain(&err)),
            }
            self.make_again(&account, to.partner());
        }
        None
    }

    /// Plans, and looks at everything.
    async fn looks(
        &self,
        account: &SimulatedAccount,
        sdk: &SdkConfig,
        store: &Store,
        to: StackReference,
    ) -> Option<String> {
        let engine = connect(&self.file, account, sdk).unwrap();
        let plan = engine.plan(to).unwrap();
        match engine.look(store, &plan, &Phase::ALL).await {
            Ok(report) if report.outcome == Outcome::Planned => {}
            Ok(report) => return Some(complaints(&report)),
            Err(err) => return Some(chain(&err)),
        }
        let engine = connect(&self.file, account, sdk).unwrap();
        match engine.status(Some(store)).await {
            Ok(status) => status.resources.into_iter().find_map(|it| it.error),
            Err(err) => Some(chain(&err)),
        }
    }

    /// Makes again what a release has deleted, as the users' own tooling does.
    fn make_again(&self, account: &SimulatedAccount, stack: StackReference) {
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

    /// Takes each leave away in turn, and then narrows each to something else.
    async fn prove(&self, purpose: Purpose) {
        let leaves = self.least(purpose);
        assert_eq!(self.complaint(purpose, &leaves).await, None, "the policy does not suffice");

        let mut not_missed = Vec::new();
        for (at, taken) in leaves.iter().enumerate() {
            let mut fewer = leaves.clone();
            fewer.remove(at);
            not_missed.extend(self.not_missed(purpose, taken, &fewer, "without it").await);

            for (place, value) in values(&taken.conditions) {
                let mut other = leaves.clone();
                *other[at].conditions.pointer_mut(&place).unwrap() = json!(["something-else"]);
                let how = format!("with something else than {value}");
                not_missed.extend(self.not_missed(purpose, taken, &other, &how).await);
            }
        }
        assert_eq!(not_missed, Vec::<String>::new());
    }

    /// Says that nobody complains about the action of `taken`, if nobody does.
    async fn not_missed(
        &self,
        purpose: Purpose,
        taken: &Leave,
        leaves: &[Leave],
        how: &str,
    ) -> Option<String> {
        let complaint = self.complaint(purpose, leaves).await;
        let lacks = format!("lacks the permission `{}`", taken.action);
        let named = complaint.as_ref().is_some_and(|it| it.contains(&lacks));
        (!named).then(|| format!("{} on {} {how}: {complaint:?}", taken.action, taken.resource))
    }
}

/// Returns the values of all conditions, with their places.
fn values(conditions: &Value) -> Vec<(String, &Value)> {
    let operators = conditions.as_object().into_iter().flatten();
    operators
        .flat_map(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.map(move |(key, value)| {
                (format!("/{operator}/{}", key.replace('~', "~0").replace('/', "~1")), value)
            })
        })
        .collect()
}

fn complaints(report: &Report) -> String {
    let steps = report.steps.iter().filter_map(|it| it.error.as_deref());
    let all: Vec<&str> = steps
        .chain(report.refusals.iter().map(String::as_str))
        .chain(report.missing.iter().map(String::as_str))
        .collect();
    format!("{:?}: {}", report.outcome, all.join("; "))
}

#[tokio::test(start_paused = true)]
async fn a_deployment_of_the_shop_needs_every_permission_and_no_other() {
    whole().prove(Purpose::Deploy).await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_deletes_needs_every_permission_and_no_other() {
    deleting().prove(Purpose::Deploy).await;
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_of_services_needs_every_permission_and_no_other() {
    handing_over().prove(Purpose::Deploy).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_alone_is_looked_at_and_not_changed() {
    let shop = left_alone();

    shop.prove(Purpose::Deploy).await;

    assert_eq!(changes(&shop.least(Purpose::Deploy)), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn to_plan_takes_every_look_and_no_change() {
    for shop in [whole(), deleting(), handing_over(), left_alone()] {
        shop.prove(Purpose::Plan).await;

        assert_eq!(changes(&shop.least(Purpose::Plan)), Vec::<String>::new());
    }
}

/// Returns the actions by which something is changed.
fn changes(leaves: &[Leave]) -> Vec<String> {
    let looks = ["Describe", "Get", "List"];
    let is_look = |it: &&Leave| {
        let (_, operation) = it.action.split_once(':').unwrap();
        looks.iter().any(|it| operation.starts_with(it))
    };
    leaves.iter().filter(|it| !is_look(it)).map(|it| it.action.clone()).collect()
}
