//! [`Resource`], a pair of resources of the stack file with the steps it has.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use async_trait::async_trait;
use bluegreen_core::StackReference;

use crate::{
    Asked, Context, Permission, Result, Step,
    stack_file::{self, ConsumerKind, Feed, Writes},
};

/// A pair of resources of the stack file, such as `aurora.orders`.
#[async_trait]
pub trait Resource: fmt::Debug + Send + Sync {
    /// Returns how the stack file declares it.
    fn declaration(&self) -> &Declaration;

    /// Returns every step of a move to the stack `to`, in any order.
    fn steps(self: Arc<Self>, to: StackReference) -> Vec<Arc<dyn Step>>;

    /// Returns its gates of a move to the stack `to` that look at other resources too, `resources` being
    /// all of the stack file.
    ///
    /// They wait for every step of the lines above, whatever `after` says.
    fn gates(
        self: Arc<Self>,
        _to: StackReference,
        _resources: &[Arc<dyn Resource>],
    ) -> Vec<Arc<dyn Step>> {
        Vec::new()
    }

    /// Returns the consumers that it has on `stack`, on or off: mappings, rules, services.
    async fn consumers(
        &self,
        _context: &Context<'_>,
        _stack: StackReference,
    ) -> Result<Vec<Consumer>> {
        Ok(Vec::new())
    }

    /// Returns what of it that a release switches on and off is off on `stack`.
    async fn off(&self, context: &Context<'_>, stack: StackReference) -> Result<Vec<String>> {
        let consumers = self.consumers(context, stack).await?;
        Ok(consumers.into_iter().filter(|it| !it.on).map(|it| it.what).collect())
    }

    /// Looks for what the resource needs on `stack` though none of its steps changes it.
    ///
    /// # Errors
    ///
    /// That it is not there.
    async fn look_for(&self, _context: &Context<'_>, _stack: StackReference) -> Result<()> {
        Ok(())
    }

    /// Returns the permissions of every look at the resource of `stack` that is not a step's:
    /// [`consumers`](Self::consumers), [`off`](Self::off), [`look_for`](Self::look_for), [`summary`](Self::summary) and
    /// [`identity`](Self::identity).
    ///
    /// Those looks are made whatever the stack file skips.
    fn look_permissions(&self, stack: StackReference) -> Vec<Permission>;

    /// Returns what the resource objects to in the name of a guardrail: each with what was expected and what to do, as
    /// a fragment that names it.
    ///
    /// # Errors
    ///
    /// What kept it from being known; a transient one is looked at again.
    async fn objections(&self, _context: &Context<'_>, _asked: &Asked<'_>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Returns the permissions that [`objections`](Self::objections) needs besides those of
    /// [`look_permissions`](Self::look_permissions).
    fn guardrail_permissions(&self) -> Vec<Permission> {
        Vec::new()
    }

    /// Returns the name of the stream consumer that `arn` names, if it is one that `retire` removes.
    fn removes_stream_consumer(&self, _arn: &str) -> Option<String> {
        None
    }

    /// Returns who writes to it, if it is a database.
    fn writes(&self) -> Option<Writes> {
        None
    }

    /// Returns whether it is anything that `status` could tell about; what only a release lets run is not.
    fn has_status(&self) -> bool {
        true
    }

    /// Says in a few words how the resource of `stack` is: `available, 2 readers`.
    async fn summary(&self, context: &Context<'_>, stack: StackReference) -> Result<String>;

    /// Says what the resource of `stack` is and how it is set up, in a line without secrets.
    ///
    /// There is nothing in it that a release changes by itself, such as states, counts and what is on: as
    /// long as two answers are equal, nobody has put something else in the resource's place.
    ///
    /// # Errors
    ///
    /// That it is not there, unless that is fine by the stack file.
    async fn identity(&self, context: &Context<'_>, stack: StackReference) -> Result<String>;
}

/// How the stack file declares a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The service's word: `aurora`.
    pub service: &'static str,
    /// Its name: `orders`.
    pub name: String,
    /// The line of its table in the stack file, from 1.
    pub line: usize,
    /// The names of steps that it goes without.
    pub skip: BTreeSet<String>,
    /// The resources, as `service.name`, that its steps wait for; `None` is every step of the lines
    /// above.
    pub after: Option<Vec<String>>,
    /// Whether finding nothing to switch is fine.
    pub optional: bool,
    /// What its table says, key by key, as it is written there.
    pub settings: BTreeMap<String, String>,
}

impl Declaration {
    /// Takes over what the stack file says of every resource of `service`.
    pub fn new<T>(service: &'static str, resource: &stack_file::Resource<T>) -> Self {
        Self {
            service,
            name: resource.name.clone(),
            line: resource.line,
            skip: resource.skip.clone(),
            after: resource.after.clone(),
            optional: resource.optional,
            settings: resource.written.clone(),
        }
    }

    /// Returns `service.name`.
    pub fn key(&self) -> String {
        format!("{}.{}", self.service, self.name)
    }
}

/// Something that takes work on a stack and that can be on or off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// What it is: ``mapping `11aa..` of function `ingest-b` ``.
    pub what: String,
    /// Where its work comes from.
    pub source: Source,
    /// Whether it is on, or on its way there or from there.
    pub on: bool,
    /// What kind the stack file says it is.
    pub kind: ConsumerKind,
    /// The name of the step that turns it off: `lambda.disable-mappings`.
    pub turned_off_by: &'static str,
}

/// Where a consumer's work comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An SQS queue, by its ARN: each message goes to one consumer only.
    Queue(String),
    /// An EventBridge rule, as bus and name.
    Rule(String),
    /// Anything of which every consumer gets its own copy, or that is not known: a stream by its ARN, or
    /// the ARN of a stream's consumer.
    Other(String),
}

/// A pair of queues that consumers of other services read.
#[async_trait]
pub trait SourceQueue: fmt::Debug + Send + Sync {
    /// Returns the name of the main queue of `stack`.
    fn name(&self, stack: StackReference) -> &str;

    /// Returns what reaches the queues.
    fn feed(&self) -> Feed;

    /// Returns how long a queue must be empty until it is drained.
    fn drained_for(&self) -> std::time::Duration;

    /// Counts the messages of the main queue of `stack`.
    async fn messages(&self, context: &Context<'_>, stack: StackReference) -> Result<Messages>;
}

/// How many messages a queue holds, approximately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// All of them: waiting, delayed and in flight.
    pub total: u64,
    /// Those that a consumer has received and not yet deleted.
    pub in_flight: u64,
}
