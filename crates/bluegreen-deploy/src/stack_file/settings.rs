//! [`StackFile`], what a stack file says, in the engine's own words.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use bluegreen_core::Arn;
#[cfg(feature = "sns")]
use bluegreen_core::StackReference;
#[cfg(feature = "sns")]
use bluegreen_sns::SnsConfig;

use super::{SchemaSettings, TestSettings, Traffic};

/// What a stack file says.
#[derive(Clone, Debug, PartialEq)]
pub struct StackFile {
    /// The name of the whole: one release at a time is made of it.
    pub name: String,
    /// The Region that everything is in.
    pub region: String,
    /// The 12-digit account that everything is in; that of the credentials when left out.
    pub account_id: Option<String>,
    /// Who moves production traffic.
    pub traffic: Traffic,
    /// Where the state is kept.
    pub state: StateSettings,
    /// How a release is made.
    pub release: ReleaseSettings,
    /// How often to look, and for how long.
    pub pace: PaceSettings,
    /// The tests, which are gates of the phase `test`.
    pub tests: Vec<TestSettings>,
    /// How databases are reset and filled.
    pub schemas: Vec<Resource<SchemaSettings>>,
    /// The Aurora clusters.
    #[cfg(feature = "aurora")]
    pub aurora: Vec<Resource<AuroraSettings>>,
    /// The CloudWatch alarms.
    #[cfg(feature = "cloudwatch")]
    pub cloudwatch: Vec<Resource<bluegreen_cloudwatch::CloudWatchConfig>>,
    /// The DynamoDB tables.
    #[cfg(feature = "dynamodb")]
    pub dynamodb: Vec<Resource<DynamoDbSettings>>,
    /// The ECS services.
    #[cfg(feature = "ecs")]
    pub ecs: Vec<Resource<EcsSettings>>,
    /// The Kinesis stream consumers.
    #[cfg(feature = "kinesis")]
    pub kinesis: Vec<Resource<KinesisSettings>>,
    /// The Lambda functions.
    #[cfg(feature = "lambda")]
    pub lambda: Vec<Resource<LambdaSettings>>,
    /// The SNS subscriptions.
    #[cfg(feature = "sns")]
    pub sns: Vec<Resource<SnsSettings>>,
    /// The SQS queues.
    #[cfg(feature = "sqs")]
    pub sqs: Vec<Resource<SqsSettings>>,
}

impl StackFile {
    /// Returns the partition that the Region is in: `aws`, `aws-cn`, `aws-us-gov`.
    pub fn partition(&self) -> &'static str {
        match self.region.split_once('-') {
            Some(("cn", _)) => "aws-cn",
            Some(("us", rest)) if rest.starts_with("gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    /// Returns the accounts of all ARNs in the file, each with where it is named: `kinesis.clicks stream-arn`,
    /// `sns.catalogue endpoints.b`.
    ///
    /// What is no ARN (an endpoint may be an address), and what has no account in its ARN, is left out.
    pub fn accounts(&self) -> Vec<(String, String)> {
        let arns: &[Vec<(String, &str)>] = &[
            #[cfg(feature = "kinesis")]
            kinesis_arns(&self.kinesis),
            #[cfg(feature = "sns")]
            sns_arns(&self.sns),
        ];
        let account = |(place, arn): &(String, &str)| {
            let account = arn.parse::<Arn>().ok()?.account;
            (!account.is_empty()).then(|| (place.clone(), account))
        };
        arns.iter().flatten().filter_map(account).collect()
    }
}

#[cfg(feature = "kinesis")]
fn kinesis_arns(resources: &[Resource<KinesisSettings>]) -> Vec<(String, &str)> {
    let place = |name: &str| format!("kinesis.{name} stream-arn");
    resources.iter().map(|it| (place(&it.name), it.settings.config.stream_arn.as_str())).collect()
}

#[cfg(feature = "sns")]
fn sns_arns(resources: &[Resource<SnsSettings>]) -> Vec<(String, &str)> {
    let mut arns = Vec::new();
    for Resource { name, settings, .. } in resources {
        let SnsConfig { subscriptions, topic, endpoints, .. } = &settings.config;
        arns.extend(topic.as_deref().map(|arn| (format!("sns.{name} topic"), arn)));
        for (key, pair) in [("subscriptions", subscriptions), ("endpoints", endpoints)] {
            for stack in StackReference::BOTH {
                let arn = pair.as_ref().map(|it| it.of(stack).as_str());
                arns.extend(arn.map(|arn| (format!("sns.{name} {key}.{stack}"), arn)));
            }
        }
    }
    arns
}

/// A pair of resources, one per stack: a table `[service.name]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource<T> {
    /// Its name without the service: `orders`.
    pub name: String,
    /// The line of its table's header, from 1.
    pub line: usize,
    /// The names of steps that it goes without.
    pub skip: BTreeSet<String>,
    /// The resources, as `service.name`, that its steps wait for; `None` is every step of the lines above.
    pub after: Option<Vec<String>>,
    /// Whether finding nothing to switch is fine. Always `false` for DynamoDB, Kinesis, SNS and SQS, which have
    /// nothing to find.
    pub optional: bool,
    /// What its table says, key by key, as it is written there: variables are not replaced.
    pub written: BTreeMap<String, String>,
    /// What is particular to its service.
    pub settings: T,
}

/// The table `[state]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSettings {
    /// In a folder, or in a table.
    pub store: StoreSettings,
    /// How long a lease lives that is not renewed, 3 s or more; 30 s by default. The file store asks the
    /// operating system's lock instead.
    pub lease: Duration,
}

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSettings {
    /// In this folder, relative to the stack file's; `.bluegreen` by default.
    File(PathBuf),
    /// In the DynamoDB table of this name.
    #[cfg(feature = "dynamodb-store")]
    DynamoDb(String),
}

/// The table `[release]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseSettings {
    /// How long both stacks stay fed after `promote`; 1 h by default.
    pub hold: Duration,
    /// What a failure before `promote` leads to; a pause by default.
    pub on_failure: OnFailure,
    /// After what time a release that has not begun to promote is taken back; never by default. Only a hook acts on it:
    /// a command that a person types never turns into an undo.
    pub undo_after: Option<Duration>,
    /// What the guardrails of a release are measured by.
    pub guardrails: GuardrailSettings,
}

/// What the guardrails of a release are measured by: keys of the table `[release]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardrailSettings {
    /// How much time is between the two looks before `promote` and before `retire`; 1 m by default.
    pub watch: Duration,
    /// The names of alarms that always fire, of either stack; none by default.
    pub ignore_alarms: BTreeSet<String>,
    /// How many dead letters may come in a minute to a queue of the target; 1 by default.
    pub dead_letters_per_minute: u32,
}

impl Default for GuardrailSettings {
    fn default() -> Self {
        Self {
            watch: Duration::from_secs(60),
            ignore_alarms: BTreeSet::new(),
            dead_letters_per_minute: 1,
        }
    }
}

/// What a failure before `promote` leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The release pauses: what is on stays on, for `retry` or `rollback`.
    #[default]
    Pause,
    /// The release is taken back at once.
    Undo,
}

/// The table `[pace]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaceSettings {
    /// The time between the first look at a step and the second; 1 s by default.
    pub first_look: Duration,
    /// The longest time between two looks; 30 s by default.
    pub longest_look: Duration,
    /// How many calls are under way at once, 1 to 100; 16 by default.
    pub at_once: usize,
    /// How long steps may take, by their subject (`aurora`) or their name (`aurora.start`), which counts more; 60 m for Aurora and schemas, 10 m for the
    /// others by default. Waits whose length is known (settling, holding) come on top.
    pub deadlines: BTreeMap<String, Duration>,
}

impl Default for PaceSettings {
    fn default() -> Self {
        Self {
            first_look: Duration::from_secs(1),
            longest_look: Duration::from_secs(30),
            at_once: 16,
            deadlines: BTreeMap::new(),
        }
    }
}

impl PaceSettings {
    /// Returns how long the step `name` may take, by its own name or else by its subject; `None` where neither is given.
    pub fn deadline(&self, name: &str) -> Option<Duration> {
        let subject = name.split_once('.').map_or(name, |it| it.0);
        self.deadlines.get(name).or_else(|| self.deadlines.get(subject)).copied()
    }
}

/// A table `[aurora.name]`.
#[cfg(feature = "aurora")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuroraSettings {
    /// The clusters: `clusters`, `minimum-readers`, `namespace`, `tags`.
    pub config: bluegreen_aurora::AuroraConfig,
    /// Who writes to the database; `ingest-only` by default.
    pub writes: Writes,
    /// What becomes of the old cluster; `stop` by default.
    pub retire: AuroraRetire,
    /// Whether a deleted cluster leaves a snapshot; yes by default.
    pub final_snapshot: bool,
    /// Whether the hook switches Performance Insights on for instances that RDS tells it of; no by default.
    pub performance_insights: bool,
    /// What of its connections keeps the old cluster from being stopped or deleted; having any by default.
    pub connections: ConnectionsGuard,
}

/// What of its connections keeps the old cluster from being stopped or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionsGuard {
    /// There must have been none for five minutes.
    None,
    /// They are not asked for.
    Ignore,
}

/// Who writes to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// Only the consumers that fill both databases alike.
    IngestOnly,
    /// The service itself too: what it wrote to the one is not in the other.
    Direct,
}

/// What becomes of the old cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuroraRetire {
    /// It is stopped.
    Stop,
    /// It is deleted.
    Delete,
    /// It goes on running.
    Keep,
}

/// A table `[dynamodb.name]`.
#[cfg(feature = "dynamodb")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamoDbSettings {
    /// The tables: `tables`.
    pub config: bluegreen_dynamodb::DynamoDbConfig,
    /// Whether the old table is deleted (`retire = "delete"`); it is kept by default.
    pub delete: bool,
}

/// A table `[ecs.name]`.
#[cfg(feature = "ecs")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcsSettings {
    /// The services: `cluster`, `services`.
    pub config: bluegreen_ecs::EcsConfig,
    /// How many tasks an enabled service runs.
    pub desired_tasks: DesiredTasks,
    /// What kind of consumers the services are: [`ConsumerKind::Mirror`] by default, or [`ConsumerKind::Exclusive`].
    pub mode: ConsumerKind,
    /// The name of the table `[sqs.name]` whose queues the services read, without the service: `mail`. The old one of a
    /// pair of exclusive services goes on until its own is drained; only they have it.
    pub queue: Option<String>,
}

/// How many tasks an enabled service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DesiredTasks {
    /// This many, 1 or more.
    Count(u32),
    /// As many as the active stack's service when it is looked at, and as an exclusive one before it was switched off
    /// (`"match"`).
    Match,
}

/// A table `[kinesis.name]`.
#[cfg(feature = "kinesis")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KinesisSettings {
    /// The consumers: `stream-arn`, `consumers`.
    pub config: bluegreen_kinesis::KinesisConfig,
    /// Whether the old consumer is removed (`retire = "deregister"`, the default) or kept.
    pub deregister: bool,
}

/// A table `[lambda.name]`.
#[cfg(feature = "lambda")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LambdaSettings {
    /// The functions: `functions`, `alias`.
    pub config: bluegreen_lambda::LambdaConfig,
    /// What kind of consumers the mappings are; `mirror` by default.
    pub mappings: ConsumerKind,
    /// What kind of consumers the rules are; `exclusive` by default.
    pub rules: ConsumerKind,
    /// How old the oldest record that is read from a stream may be until the standby has caught up; 60 s by
    /// default.
    pub iterator_age_below: Duration,
    /// For how long it must be so; 3 m by default.
    pub caught_up_for: Duration,
}

/// Whether a consumer may run on both stacks at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerKind {
    /// It may: its work is idempotent.
    Mirror,
    /// It may run on one stack only.
    Exclusive,
    /// It is left alone.
    Off,
}

/// A table `[sns.name]`.
#[cfg(feature = "sns")]
#[derive(Clone, Debug, PartialEq)]
pub struct SnsSettings {
    /// The subscriptions: `subscriptions`, or `topic` and `endpoints`; `enabled-filter`, `disabled-filter`.
    pub config: bluegreen_sns::SnsConfig,
    /// How long a change of a filter policy may take to work; 15 m by default.
    pub settle: Duration,
}

/// A table `[sqs.name]`.
#[cfg(feature = "sqs")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqsSettings {
    /// The queues: `queues`, `dead-letter-queues`.
    pub config: bluegreen_sqs::SqsConfig,
    /// What reaches the queues. It has no default: it decides whether a purge loses anything.
    pub feed: Feed,
    /// How long a purge goes on eating messages; 60 s by default.
    pub settle: Duration,
    /// How long all three counts must be 0 until a `work` queue is drained; 3 m by default.
    pub drained_for: Duration,
    /// When the consumers of the standby's queue have caught up.
    pub caught_up: CaughtUp,
    /// For how long it must be so; 3 m by default.
    pub caught_up_for: Duration,
}

/// When the consumers of a queue have caught up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaughtUp {
    /// Its oldest message is younger than this, the default with 60 s.
    Below(Duration),
    /// It has no message: all three counts are 0 (`caught-up = "drained"`).
    Drained,
    /// It is not asked (`caught-up = "off"`).
    Off,
}

/// What reaches a pair of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// Every message reaches both stacks: what is in the standby's queue may be thrown away.
    FanOut,
    /// A message reaches one stack only: the queue is drained, never purged.
    Work,
}
