//! [`Shop`], a pair of small stacks of a test's own, with its stack file; and running the command on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use bluegreen_core::StackReference::{self, A, B};
use bluegreen_deploy::DynamoDbStorage;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    account::{Account, arn, unique},
    proxy::Proxy,
};

/// A filter as a person has written it, with blanks that JSON does not need.
pub(crate) const FILTER: &str = r#"{ "type": ["order",  "refund"] }"#;

/// The filter of a subscription that is off.
pub(crate) const BLOCKED: &str = r#"{"__bluegreen_blocked__":["never"]}"#;

/// A pair of stacks, a in production and b at rest.
#[derive(Debug)]
pub(crate) struct Shop {
    /// The first part of all names.
    pub(crate) name: String,
    pub(crate) account: Account,
    folder: TempDir,
    head: String,
    tables: Vec<String>,
    /// What there is to look at: service, and the pair's name in the stack file.
    pub(crate) pairs: Vec<(&'static str, &'static str)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Returns the one JSON document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|err| panic!("stdout is no JSON ({err}): {self:?}"))
    }

    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Shop {
    /// Makes a shop with nothing in it, for the test `test`.
    pub(crate) async fn new(test: &str) -> Self {
        Self {
            name: unique(test),
            account: Account::new().await,
            folder: tempfile::tempdir().unwrap(),
            head: "traffic = \"none\"".to_owned(),
            tables: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// Makes a shop with something of every service.
    pub(crate) async fn full(test: &str) -> Self {
        let mut shop = Self::new(test).await;
        shop.add_clusters("orders", "").await;
        shop.add_consumers("clicks").await;
        shop.add_queues("ingest", "fan-out").await;
        shop.add_queues("mail", "work").await;
        shop.add_subscriptions("catalogue", "ingest").await;
        shop.add_functions("ingest", "mappings = \"mirror\"\nrules = \"mirror\"").await;
        shop.add_functions("mail", "mappings = \"exclusive\"\nrules = \"exclusive\"").await;
        shop.add_services("worker").await;
        shop.add_tables("sessions", "").await;
        shop.add_alarms("pages").await;
        shop
    }

    /// Returns the name of the `stack`'s part of `pair`.
    pub(crate) fn of(&self, pair: &str, stack: StackReference) -> String {
        format!("{}-{pair}-{stack}", self.name)
    }

    /// Returns both names of `pair` as the stack file writes them.
    pub(crate) fn pair(&self, pair: &str) -> String {
        format!("{{ a = \"{}\", b = \"{}\" }}", self.of(pair, A), self.of(pair, B))
    }

    /// Adds a table to the stack file.
    pub(crate) fn declare(&mut self, table: String) {
        self.tables.push(table);
    }

    /// Lets commands move traffic and tell where it is: the file `traffic` says it.
    pub(crate) fn serve_traffic(&mut self) {
        self.head = String::new();
        self.declare(
            "[traffic.web]\nmover = \"command\"\n\
             move = [\"sh\", \"-c\", \"echo $$BLUEGREEN_STACK > traffic\"]\n\
             observe = [\"cat\", \"traffic\"]"
                .to_owned(),
        );
        self.set_traffic("a");
    }

    /// Leaves out of the stack file who moves traffic.
    pub(crate) fn say_nothing_about_traffic(&mut self) {
        self.head = String::new();
    }

    /// Lets traffic be where `text` says.
    pub(crate) fn set_traffic(&self, text: &str) {
        fs::write(self.path().join("traffic"), text).unwrap();
    }

    /// Keeps the store in a table of its own, with leases that live for `lease`.
    pub(crate) async fn store_in_table(&mut self, lease: &str) {
        let table = self.table_of_store();
        let storage = DynamoDbStorage::new(&self.account.sdk, &table, "shop", Duration::ZERO);
        storage.create_table().await.unwrap();
        self.declare(format!(
            "[state]\nstore = \"dynamodb\"\ntable = \"{table}\"\nlease = \"{lease}\""
        ));
    }

    fn table_of_store(&self) -> String {
        format!("{}-store", self.name)
    }

    /// Returns everything in the table of the store, as it is there.
    pub(crate) async fn items_of_store(&self) -> BTreeSet<String> {
        let query = self.account.tables.query().table_name(self.table_of_store());
        let query = query.consistent_read(true).key_condition_expression("pk = :shop");
        let query =
            query.expression_attribute_values(":shop", AttributeValue::S("shop".to_owned()));
        let items = query.into_paginator().items().send();
        let items: Vec<_> = items.collect::<Result<_, _>>().await.unwrap();
        let items = items.into_iter().map(|it| it.into_iter().collect::<BTreeMap<_, _>>());
        items.map(|it| format!("{it:?}")).collect()
    }

    /// Writes the stack file, with a hold of `hold`.
    pub(crate) fn write_file(&self, hold: &str) {
        let text = format!(
            "name = \"shop\"\nregion = \"eu-west-1\"\n{}\n\n[release]\nhold = \"{hold}\"\n\
             watch = \"100ms\"\n\n\
             [pace]\nfirst-look = \"50ms\"\nlongest-look = \"1s\"\n\n{}\n",
            self.head,
            self.tables.join("\n\n")
        );
        fs::write(self.file(), text).unwrap();
    }

    /// Writes the stack file, and makes the store in which stack a is the active one.
    pub(crate) async fn adopt(&self) {
        self.write_file("0s");
        self.bluegreen(&["adopt", "--active", "a", "--yes"]).await.ended_with(0);
    }

    /// Runs the command to its end.
    pub(crate) async fn bluegreen(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().await.unwrap().into()
    }

    /// Starts the command, with its output to be read.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Starts the command, whose calls go through `proxy` as far as one emulator answers them all.
    pub(crate) fn start_through(&self, proxy: &Proxy, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("AWS_ENDPOINT_URL", &proxy.url).spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bluegreen"));
        command.arg("--file").arg(self.file()).args(arguments);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.path().join("bluegreen.toml")
    }

    /// Returns the line of the stack file, from 1, that is `text`.
    #[track_caller]
    pub(crate) fn line(&self, text: &str) -> usize {
        let file = fs::read_to_string(self.file()).unwrap();
        file.lines().position(|it| it == text).unwrap() + 1
    }

    /// Adds clusters, that of b stopped; `more` are lines of the stack file.
    pub(crate) async fn add_clusters(&mut self, pair: &'static str, more: &str) {
        for stack in StackReference::BOTH {
            self.account.create_cluster(&self.of(pair, stack)).await;
        }
        self.account.stop_cluster(&self.of(pair, B)).await;
        let names = self.pair(pair);
        self.declare(format!("[aurora.{pair}]\nclusters = {names}\nminimum-readers = 1\nconnections = \"ignore\"\n{more}"));
        self.pairs.push(("aurora", pair));
    }

    /// Adds consumers of a stream, of which that of a is registered.
    pub(crate) async fn add_consumers(&mut self, pair: &'static str) {
        let stream = self.account.create_stream(&format!("{}-{pair}", self.name)).await;
        let register = self.account.streams.register_stream_consumer().stream_arn(&stream);
        register.consumer_name(self.of(pair, A)).send().await.unwrap();
        let names = self.pair(pair);
        self.declare(format!(
            "[kinesis.{pair}]\nstream-arn = \"{stream}\"\nconsumers = {names}\nretire = \"deregister\""
        ));
        self.pairs.push(("kinesis", pair));
    }

    /// Adds queues with dead-letter queues. There are 2 messages in a's and 3 in b's, if they are for
    /// everybody, and a dead letter in each.
    pub(crate) async fn add_queues(&mut self, pair: &'static str, feed: &str) {
        for (stack, messages) in [(A, 2), (B, 3)] {
            let messages = if feed == "fan-out" { messages } else { 0 };
            self.account.create_queue(&self.of(pair, stack), messages).await;
            self.account.create_queue(&self.of(&format!("{pair}-dlq"), stack), 1).await;
        }
        let (names, dead) = (self.pair(pair), self.pair(&format!("{pair}-dlq")));
        self.declare(format!(
            "[sqs.{pair}]\nqueues = {names}\ndead-letter-queues = {dead}\nfeed = \"{feed}\"\n\
             settle = \"0s\"\ndrained-for = \"0s\"\ncaught-up-for = \"0s\""
        ));
        self.pairs.push(("sqs", pair));
    }

    /// Adds subscriptions of the queues `queues` to a topic; that of a has a filter, that of b is off.
    pub(crate) async fn add_subscriptions(&mut self, pair: &'static str, queues: &str) {
        let topic = self.account.create_topic(&format!("{}-{pair}", self.name)).await;
        for (stack, filter) in [(A, FILTER), (B, BLOCKED)] {
            self.account.subscribe(&topic, &self.of(queues, stack), Some(filter)).await;
        }
        let (a, b) = (arn("sqs", &self.of(queues, A)), arn("sqs", &self.of(queues, B)));
        self.declare(format!(
            "[sns.{pair}]\ntopic = \"{topic}\"\nendpoints = {{ a = \"{a}\", b = \"{b}\" }}\n\
             settle = \"0s\""
        ));
        self.pairs.push(("sns", pair));
    }

    /// Adds functions, each with mappings to the queue of the same name and to one that a person has
    /// stopped, and two rules of which a person has stopped one. Those of b are off.
    pub(crate) async fn add_functions(&mut self, pair: &'static str, more: &str) {
        for stack in StackReference::BOTH {
            let name = self.of(pair, stack);
            let alias = self.account.create_function(&name).await;
            self.account.create_mapping(&name, &arn("sqs", &name), stack == A).await;
            let stopped = arn("sqs", &format!("{name}-stopped"));
            self.account.create_mapping(&name, &stopped, false).await;
            self.account
                .create_rule("default", &format!("{name}-hourly"), &alias, stack == A)
                .await;
            self.account.create_rule("default", &format!("{name}-replay"), &alias, false).await;
        }
        let names = self.pair(pair);
        self.declare(format!(
            "[lambda.{pair}]\nfunctions = {names}\nalias = \"live\"\n\
             caught-up-for = \"0s\"\n{more}"
        ));
        self.pairs.push(("lambda", pair));
    }

    /// Adds services: that of a runs 2 tasks and its scheduled scaling is suspended, that of b is at rest.
    pub(crate) async fn add_services(&mut self, pair: &'static str) {
        let cluster = self.name.clone();
        self.account.create_service_cluster(&cluster).await;
        for (stack, tasks, flags) in [(A, 2, [false, false, true]), (B, 0, [true, true, true])] {
            let name = self.of(pair, stack);
            self.account.create_service(&cluster, &name, tasks).await;
            self.account.let_service_scale(&cluster, &name, flags).await;
        }
        let names = self.pair(pair);
        self.declare(format!(
            "[ecs.{pair}]\ncluster = \"{cluster}\"\nservices = {names}\ndesired-tasks = \"match\""
        ));
        self.pairs.push(("ecs", pair));
    }

    /// Adds tables; `more` are lines of the stack file.
    pub(crate) async fn add_tables(&mut self, pair: &'static str, more: &str) {
        for stack in StackReference::BOTH {
            self.account.create_table(&self.of(pair, stack)).await;
        }
        let names = self.pair(pair);
        self.declare(format!("[dynamodb.{pair}]\ntables = {names}\n{more}"));
        self.pairs.push(("dynamodb", pair));
    }

    /// Adds alarms, of which a person has stopped one, one scales, and one is composite. Those of b are
    /// off.
    pub(crate) async fn add_alarms(&mut self, pair: &'static str) {
        for stack in StackReference::BOTH {
            let name = |alarm| format!("{}-{alarm}", self.of(pair, stack));
            let (pages, on) = (arn("sns", "pages"), stack == A);
            let scales = "arn:aws:autoscaling:eu-west-1:123456789012:scalingPolicy:1:resource/ecs/service/x/y:policyName/z";
            self.account.create_alarm(&name("late"), on, &pages).await;
            self.account.create_alarm(&name("stopped"), false, &pages).await;
            self.account.create_alarm(&name("backlog"), true, scales).await;
            self.account.create_composite_alarm(&name("any"), on, &name("late")).await;
        }
        let (a, b) = (self.of(pair, A), self.of(pair, B));
        self.declare(format!("[cloudwatch.{pair}]\nprefixes = {{ a = \"{a}-\", b = \"{b}-\" }}"));
        self.pairs.push(("cloudwatch", pair));
    }
}
