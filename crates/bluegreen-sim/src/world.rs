//! [`World`], all that there is in the account, and the one queue of what is still to happen in it.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use bluegreen_core::StackReference;

use crate::{Audit, Ledger, ProducerEvent, Range, Times, Traffic, services};

/// All that there is in an account in one Region.
#[derive(Debug)]
pub struct World {
    /// The partition: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The Region.
    pub region: String,
    /// The 12-digit account.
    pub account: String,
    /// How long everything takes.
    pub times: Times,
    /// Aurora clusters, instances and snapshots.
    pub rds: services::Rds,
    /// What Application Auto Scaling keeps in its limits.
    pub scaling: services::Scaling,
    /// Services, task sets, and tasks that run alone.
    pub ecs: services::Ecs,
    /// Queues, with their messages.
    pub sqs: services::Sqs,
    /// Topics and subscriptions.
    pub sns: services::Sns,
    /// Functions, aliases and event source mappings.
    pub lambda: services::Lambda,
    /// Event buses and rules.
    pub events: services::Events,
    /// Alarms and metrics.
    pub cloudwatch: services::CloudWatch,
    /// Streams and their consumers.
    pub kinesis: services::Kinesis,
    /// Tables, with their items.
    pub dynamodb: services::DynamoDb,
    /// Deployment groups and deployments.
    pub codedeploy: services::CodeDeploy,
    /// Parameters.
    pub ssm: services::Ssm,
    /// What there is of IAM.
    pub iam: services::Iam,
    /// Where production traffic is, of services that the account does not run.
    pub traffic: Traffic,
    /// Where every message went.
    pub ledger: Ledger,
    /// Every call.
    pub audit: Audit,
    pub(crate) random: fastrand::Rng,
    /// What chance comes from that must be the same however often it is asked for.
    pub(crate) seed: u64,
    pub(crate) slowness: u32,
    pub(crate) breaks: bool,
    /// How long the present call's answer takes to work out: a function's time.
    pub(crate) work: Duration,
    /// The id of the invocation whose answer is that of the present call.
    pub(crate) awaited: Option<u64>,
    pub(crate) produces: bool,
    /// The ARN of whoever makes the present call.
    pub(crate) asking: String,
    pub(crate) queue_host: Option<String>,
    start: SystemTime,
    now: Duration,
    to_happen: BTreeMap<(Duration, u64), Event>,
    scheduled: u64,
    ids: u64,
}

/// Something that happens by itself.
#[derive(Clone, Debug)]
pub enum Event {
    /// In RDS.
    Rds(services::RdsEvent),
    /// In Application Auto Scaling.
    Scaling(services::ScalingEvent),
    /// In ECS.
    Ecs(services::EcsEvent),
    /// In SQS.
    Sqs(services::SqsEvent),
    /// In SNS.
    Sns(services::SnsEvent),
    /// In Lambda.
    Lambda(services::LambdaEvent),
    /// In EventBridge.
    Events(services::EventsEvent),
    /// In Kinesis.
    Kinesis(services::KinesisEvent),
    /// In DynamoDB.
    DynamoDb(services::DynamoDbEvent),
    /// In CodeDeploy.
    CodeDeploy(services::CodeDeployEvent),
    /// A message that somebody sends.
    Producer(ProducerEvent),
    /// What AWS or a person does of their own accord.
    Change(Change),
}

/// What AWS or a person does of their own accord, in the middle of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Aurora makes a reader the writer of this cluster.
    Failover(String),
    /// AWS starts this stopped cluster, since it was stopped for seven days.
    Restart(String),
    /// A person switches a rule, by bus and name.
    SwitchRule(String, String, bool),
    /// A person switches a mapping, by its UUID.
    SwitchMapping(String, bool),
    /// A person sets the number of tasks of a service, by cluster and name.
    SetTasks(String, String, u32),
    /// A person switches the actions of an alarm.
    SwitchAlarm(String, bool),
    /// An alarm gets into a state: `OK`, `ALARM`, `INSUFFICIENT_DATA`.
    SetAlarmState(String, String),
    /// A person moves all traffic to this stack.
    MoveTraffic(StackReference),
}

impl World {
    /// Makes an empty account.
    pub(crate) fn new(settings: &crate::Settings) -> Self {
        Self {
            partition: settings.partition.clone(),
            region: settings.region.clone(),
            account: settings.account.clone(),
            times: settings.times.clone(),
            rds: Default::default(),
            scaling: Default::default(),
            ecs: Default::default(),
            sqs: Default::default(),
            sns: Default::default(),
            lambda: Default::default(),
            events: Default::default(),
            cloudwatch: Default::default(),
            kinesis: Default::default(),
            dynamodb: Default::default(),
            codedeploy: Default::default(),
            ssm: Default::default(),
            iam: Default::default(),
            traffic: Traffic::default(),
            ledger: Default::default(),
            audit: Audit::default(),
            random: fastrand::Rng::with_seed(settings.seed),
            seed: settings.seed,
            slowness: 1,
            breaks: false,
            work: Duration::ZERO,
            awaited: None,
            produces: true,
            asking: String::new(),
            queue_host: settings.queue_host.clone(),
            start: settings.start,
            now: Duration::ZERO,
            to_happen: BTreeMap::new(),
            scheduled: 0,
            ids: 0,
        }
    }

    /// Returns the time since the account was made.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Returns the time of day, in seconds since 1970.
    pub fn seconds(&self) -> f64 {
        self.seconds_at(self.now)
    }

    /// Returns the time of day of a point in time of the account, in seconds since 1970.
    pub fn seconds_at(&self, at: Duration) -> f64 {
        let day = self.start + at;
        day.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }

    /// Returns the point in time of the account at a time of day, in seconds since 1970; before there was the account
    /// it is its beginning.
    pub(crate) fn at_seconds(&self, seconds: f64) -> Duration {
        Duration::try_from_secs_f64(seconds - self.seconds_at(Duration::ZERO)).unwrap_or_default()
    }

    /// Lets `event` happen after the time given.
    pub fn schedule(&mut self, after: Duration, event: Event) {
        let number = self.scheduled;
        self.scheduled += 1;
        self.to_happen.insert((self.now + after, number), event);
    }

    /// Returns when the next thing happens by itself.
    pub(crate) fn next_event(&self) -> Option<Duration> {
        self.to_happen.first_key_value().map(|((at, _), _)| *at)
    }

    /// Draws how long something takes that the present call begins.
    pub(crate) fn draw(&mut self, range: Range) -> Duration {
        range.draw(&mut self.random) * self.slowness
    }

    /// Draws until when readers are shown what was there before the present change.
    pub(crate) fn stale_until(&mut self) -> Duration {
        self.now + self.times.stale.draw(&mut self.random)
    }

    /// Draws until when readers are shown how many messages a queue had before the present change.
    pub(crate) fn counts_until(&mut self) -> Duration {
        self.now + self.times.counts.draw(&mut self.random)
    }

    /// Returns the next number of the account: for ids that AWS makes up.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Returns a new UUID, the same in every run with the same seed.
    pub(crate) fn uuid(&mut self) -> String {
        let [high, low] = [self.random.u64(..), self.random.u64(..)];
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }

    /// Returns an ARN of this account: `arn("sqs", "ingest-a")`.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    /// Lets everything happen that is due until `now`, each at its time.
    pub fn advance(&mut self, now: Duration) {
        while let Some(entry) = self.to_happen.first_entry() {
            let (at, _) = *entry.key();
            if at > now {
                break;
            }
            let event = entry.remove();
            self.now = self.now.max(at);
            services::happen(self, event);
        }
        self.now = self.now.max(now);
    }
}
