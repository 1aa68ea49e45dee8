//! [`Hook`], which answers every event that the function is called with.

mod act;
mod check;
#[cfg(feature = "aurora")]
mod clusters;
mod codedeploy;
mod ecs;
mod hand_over;
mod lifecycle;
mod part;
mod participant;
mod reconcile;
mod session;
mod watch;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_types::SdkConfig;
use bluegreen_codedeploy::{AwsCodeDeployToolkit, CodeDeployToolkit};
use bluegreen_deploy::{
    Error, chain,
    stack_file::{StackFile, StackFileError},
};
use serde_json::Value;

pub use self::hand_over::{AwsSuccessor, MOST_HAND_OVERS, Successor};
use crate::{
    answer::{self, AnswerError, EcsStatus},
    configuration::{Configuration, ConfigurationError},
    event::{Event, HandOver, UnknownEvent},
    invocation::Invocation,
    metrics::Metrics,
};

/// Takes lines for standard output: CloudWatch makes metrics of them.
pub type Lines = Arc<dyn Fn(String) + Send + Sync>;

/// Reads a variable that a stack file names.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What the function's environment says.
#[derive(Clone)]
pub struct Settings {
    /// The lifecycle event of CodeDeploy that the function is for; CodeDeploy is asked when left out.
    pub lifecycle_event: Option<String>,
    /// How long one invocation works at most before another goes on; as long as Lambda lets it, less what answering
    /// takes, when left out.
    pub longest_run: Option<Duration>,
    /// The folder of the function's package, in which the stack file's programs are run.
    pub folder: PathBuf,
    /// What the stack file's variables are.
    pub variables: Variables,
    /// Where metrics go, line by line.
    pub metrics: Lines,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lifecycle_event, longest_run, folder, .. } = self;
        f.debug_struct("Settings")
            .field("lifecycle_event", lifecycle_event)
            .field("longest_run", longest_run)
            .field("folder", folder)
            .finish_non_exhaustive()
    }
}

/// The hook Lambda: what it does about every event. One is made at a cold start; nothing is called and no client
/// built before an event needs it.
#[derive(Debug)]
pub struct Hook {
    configuration: Configuration,
    settings: Settings,
    sdk: SdkConfig,
    /// The name in the stack file, once it was read.
    name: OnceLock<String>,
    codedeploy: OnceLock<Arc<dyn CodeDeployToolkit>>,
    successor: OnceLock<Arc<dyn Successor>>,
}

impl Hook {
    /// Makes one that works in the account and Region that `sdk` points at.
    pub fn new(configuration: Configuration, settings: Settings, sdk: SdkConfig) -> Self {
        let (name, codedeploy, successor) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { configuration, settings, sdk, name, codedeploy, successor }
    }

    /// Lets `successor` start other invocations: for tests, and for functions that are reached in another way.
    pub fn with_successor(self, successor: Arc<dyn Successor>) -> Self {
        Self { successor: OnceLock::from(successor), ..self }
    }

    /// Does what an event asks for, and returns what the function answers.
    ///
    /// # Errors
    ///
    /// Events of no known shape; what kept a hook's report from being made; whatever is worth that Lambda repeats
    /// an asynchronous event.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Value, HookError> {
        // What each of them keeps while it waits is large, and only one of them is needed.
        match Event::parse(event)? {
            Event::CodeDeploy(hook) => {
                Box::pin(self.answer_codedeploy(HandOver { hook, count: 0 }, invocation)).await
            }
            Event::HandOver(work) => Box::pin(self.answer_codedeploy(work, invocation)).await,
            Event::Ecs(event) => {
                let work = self.stage(&event, invocation);
                let answer = Box::pin(answer::ecs(&event, invocation, work)).await;
                self.count("ecs", word(answer.status()), invocation);
                serde_json::to_value(answer).map_err(HookError::Unwritten)
            }
            Event::Reconcile => Box::pin(self.reconcile(invocation)).await,
            Event::StateChange(change) => {
                tracing::info!(source = change.source, what = change.detail_type, "a nudge");
                Box::pin(self.reconcile(invocation)).await
            }
            #[cfg(feature = "aurora")]
            Event::Sns(messages) => Box::pin(self.clusters(&messages, invocation)).await,
            #[cfg(not(feature = "aurora"))]
            Event::Sns(_) => Err(HookError::NotBuilt),
            Event::Check(check) => Box::pin(self.check(&check, invocation)).await,
        }
    }

    /// Reads the stack file, and refuses one that a function cannot work with.
    async fn stack_file(&self, invocation: &Invocation) -> Result<StackFile, HookError> {
        let loaded = self.configuration.current().await?;
        let path = Path::new(&loaded.name);
        let file = StackFile::parse(&loaded.text, path, self.settings.variables.as_ref())
            .map_err(|err| HookError::StackFile(Box::new(err)))?;
        session::check(&file, invocation, path)?;
        self.name.get_or_init(|| file.name.clone());
        Ok(file)
    }

    /// Counts how an event was answered.
    fn count(&self, event: &str, outcome: &str, invocation: &Invocation) {
        let name = self.name.get().map_or("unknown", String::as_str);
        let document = Metrics::new(name, invocation).outcome(outcome, event, invocation.elapsed());
        (self.settings.metrics)(document.to_string());
    }

    fn codedeploy(&self) -> &Arc<dyn CodeDeployToolkit> {
        self.codedeploy.get_or_init(|| Arc::new(AwsCodeDeployToolkit::new(&self.sdk)))
    }

    fn successor(&self) -> &Arc<dyn Successor> {
        self.successor.get_or_init(|| Arc::new(AwsSuccessor::new(&self.sdk)))
    }
}

/// Why an event was not answered as it should have been.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// The event is none that is known.
    #[error(transparent)]
    Event(#[from] UnknownEvent),
    /// The stack file cannot be had.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The stack file is wrong: every mistake with its place.
    #[error("{0}")]
    StackFile(Box<StackFileError>),
    /// The engine or the store said no.
    #[error("{}", chain(.0))]
    Engine(#[from] Error),
    /// A hook's report could not be made.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// An answer could not be written.
    #[error("the answer cannot be written: {0}")]
    Unwritten(serde_json::Error),
    /// Some of several records could not be done with; Lambda sends them again.
    #[cfg(feature = "aurora")]
    #[error(transparent)]
    Records(#[from] crate::rds::RetryError),
    /// This function was built without what the event needs.
    #[error("this function was built without `aurora`: it knows nothing of RDS events")]
    NotBuilt,
}

impl HookError {
    /// Returns whether nobody knows because of what passes: it is looked at again.
    fn is_transient(&self) -> bool {
        match self {
            Self::Engine(err) => session::is_transient(err),
            Self::Configuration(ConfigurationError::Parameter { source, .. }) => {
                source.is_transient()
            }
            _ => false,
        }
    }
}

/// Returns the word for an answer that metrics have for it, whoever is answered.
fn word(status: EcsStatus) -> &'static str {
    match status {
        EcsStatus::Succeeded => "succeeded",
        EcsStatus::Failed => "failed",
        EcsStatus::InProgress => "later",
    }
}
