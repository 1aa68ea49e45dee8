//! [`AwsLambdaToolkit`], which answers [`LambdaToolkit`] from AWS.

mod function;
mod mapping;
mod mappings;
mod metrics;
mod rules;
mod traffic;

#[cfg(test)]
mod fixture;

use std::{
    collections::BTreeMap,
    error,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_types::SdkConfig;
use bluegreen_core::{
    Change, Error, LazyClient, Pair, Result, Selection, StackReference, Switched, ensure_valid,
};
use futures::{StreamExt, stream};
use tokio::sync::OnceCell;

pub use self::traffic::AwsLambdaTrafficToolkit;
use crate::{
    Alias, Datapoint, EventSourceMapping, Function, Invocation, LambdaConfig, LambdaToolkit,
    Metric, NewMapping, Rule, check_function,
};

/// Answers [`LambdaToolkit`] from AWS.
///
/// Clones share what has been found out once: the ARNs of the functions and the event buses.
#[derive(Clone, Debug)]
pub struct AwsLambdaToolkit {
    lambda: LazyClient<aws_sdk_lambda::Client>,
    eventbridge: LazyClient<aws_sdk_eventbridge::Client>,
    cloudwatch: LazyClient<aws_sdk_cloudwatch::Client>,
    config: LambdaConfig,
    /// What the first look at each function has shown; only what never changes is read from it.
    known: Arc<Pair<OnceCell<Function>>>,
    /// The names of the event buses.
    buses: Arc<OnceCell<Vec<String>>>,
}

impl AwsLambdaToolkit {
    /// Makes a toolkit for the account and Region that `sdk` points at.
    ///
    /// # Errors
    ///
    /// `Configuration` when `config` cannot be used.
    pub fn new(sdk: &SdkConfig, config: LambdaConfig) -> Result<Self> {
        Self::from_clients(
            LazyClient::new(sdk, aws_sdk_lambda::Client::new),
            LazyClient::new(sdk, aws_sdk_eventbridge::Client::new),
            LazyClient::new(sdk, aws_sdk_cloudwatch::Client::new),
            config,
        )
    }

    /// Makes a toolkit over clients that the caller has built.
    ///
    /// # Errors
    ///
    /// `Configuration` when `config` cannot be used.
    pub fn from_clients(
        lambda: impl Into<LazyClient<aws_sdk_lambda::Client>>,
        eventbridge: impl Into<LazyClient<aws_sdk_eventbridge::Client>>,
        cloudwatch: impl Into<LazyClient<aws_sdk_cloudwatch::Client>>,
        config: LambdaConfig,
    ) -> Result<Self> {
        ensure_valid(&config)?;
        let (known, buses) = Default::default();
        Ok(Self {
            lambda: lambda.into(),
            eventbridge: eventbridge.into(),
            cloudwatch: cloudwatch.into(),
            config,
            known,
            buses,
        })
    }

    /// Makes a toolkit for other functions over the same clients, which shares what this one knows
    /// of the event buses: they are listed once for all.
    ///
    /// # Errors
    ///
    /// `Configuration` when `config` cannot be used.
    pub fn with_config(&self, config: LambdaConfig) -> Result<Self> {
        ensure_valid(&config)?;
        Ok(Self { config, known: Arc::default(), ..self.clone() })
    }

    /// Makes a toolkit for one function that serves both stacks: it may be looked at and invoked, for either.
    ///
    /// What feeds it feeds both stacks, so nothing of it should be switched.
    ///
    /// # Errors
    ///
    /// `Configuration` when `function` is not the name of one.
    pub fn for_one_function(sdk: &SdkConfig, function: &str) -> Result<Self> {
        if let Some(problem) = check_function("function", function) {
            return Err(Error::Configuration { problems: vec![problem] });
        }
        let (known, buses) = Default::default();
        Ok(Self {
            lambda: LazyClient::new(sdk, aws_sdk_lambda::Client::new),
            eventbridge: LazyClient::new(sdk, aws_sdk_eventbridge::Client::new),
            cloudwatch: LazyClient::new(sdk, aws_sdk_cloudwatch::Client::new),
            config: LambdaConfig { functions: Pair::from_fn(|_| function.to_owned()), alias: None },
            known,
            buses,
        })
    }

    fn name(&self, stack: StackReference) -> &str {
        self.config.functions.of(stack)
    }
}

#[async_trait]
impl LambdaToolkit for AwsLambdaToolkit {
    async fn function(&self, stack: StackReference) -> Result<Function> {
        self.look(stack).await
    }

    async fn list_event_source_mappings(
        &self,
        stack: StackReference,
    ) -> Result<Vec<EventSourceMapping>> {
        self.list_mappings(stack).await
    }

    async fn create_event_source_mapping(
        &self,
        stack: StackReference,
        mapping: NewMapping,
    ) -> Result<EventSourceMapping> {
        self.create_mapping(stack, mapping).await
    }

    async fn delete_event_mapping(&self, uuid: &str) -> Result<Change> {
        self.delete_mapping(uuid).await
    }

    async fn enable_event_mapping(
        &self,
        stack: StackReference,
        mappings: Selection<EventSourceMapping>,
    ) -> Result<Switched> {
        self.switch_mappings(stack, mappings, true).await
    }

    async fn disable_event_mapping(
        &self,
        stack: StackReference,
        mappings: Selection<EventSourceMapping>,
    ) -> Result<Switched> {
        self.switch_mappings(stack, mappings, false).await
    }

    async fn rules(&self, stack: StackReference) -> Result<Vec<Rule>> {
        self.list_rules(stack).await
    }

    async fn enable_rule(&self, stack: StackReference, rules: Selection<Rule>) -> Result<Switched> {
        self.switch_rules(stack, rules, true).await
    }

    async fn disable_rule(
        &self,
        stack: StackReference,
        rules: Selection<Rule>,
    ) -> Result<Switched> {
        self.switch_rules(stack, rules, false).await
    }

    async fn alias(&self, stack: StackReference, name: &str) -> Result<Alias> {
        self.get_alias(stack, name).await
    }

    async fn version(&self, stack: StackReference) -> Result<String> {
        self.running_version(stack).await
    }

    async fn latest_metrics(
        &self,
        stack: StackReference,
        now: SystemTime,
    ) -> Result<BTreeMap<Metric, Datapoint>> {
        self.newest_points(stack, now).await
    }

    async fn invoke(
        &self,
        stack: StackReference,
        payload: String,
        timeout: Duration,
    ) -> Result<Invocation> {
        self.invoke_once(stack, payload, timeout).await
    }
}

/// How many calls on mappings or rules are under way at once: AWS allows 15 a second of most.
const AT_ONCE: usize = 4;

/// What became of one mapping or rule that was to be switched.
#[derive(Debug)]
enum Outcome {
    Changed,
    AlreadySo,
    Busy,
    LeftAlone,
}

/// Makes all `attempts` and sorts their names by outcome. The first failure is returned, but only
/// after all were made.
async fn switch_all<F>(attempts: Vec<F>) -> Result<Switched>
where
    F: Future<Output = (String, Result<Outcome>)>,
{
    let outcomes: Vec<_> = stream::iter(attempts).buffered(AT_ONCE).collect().await;

    let mut switched = Switched::default();
    let mut failure = None;
    for (name, outcome) in outcomes {
        match outcome {
            Ok(Outcome::Changed) => switched.changed.push(name),
            Ok(Outcome::AlreadySo) => switched.already_so.push(name),
            Ok(Outcome::Busy) => switched.busy.push(name),
            Ok(Outcome::LeftAlone) => switched.left_alone.push(name),
            Err(err) => {
                tracing::warn!(name, error = &err as &dyn error::Error, "not switched");
                failure.get_or_insert(err);
            }
        }
    }
    failure.map_or(Ok(switched), Err)
}

/// Wraps the failure of a call, as `NotFound` where AWS says that `resource` does not exist.
fn failed<E>(operation: &'static str, resource: impl Into<String>, err: SdkError<E>) -> Error
where
    E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match err.code() {
        Some("ResourceNotFoundException") => Error::NotFound { resource: resource.into() },
        _ => Error::aws(operation, err),
    }
}

/// Takes what an answer must hold.
fn required<T>(value: Option<T>, operation: &'static str, missing: &'static str) -> Result<T> {
    value.ok_or(Error::Incomplete { operation, missing })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_sdk_lambda::config::BehaviorVersion;
    use bluegreen_core::StackReference::{A, B};

    use super::{
        fixture::{aliases, config, functions, toolkit},
        *,
    };

    #[test]
    fn an_empty_name_is_refused_before_any_call() {
        let mut empty = config(None);
        empty.functions.b.clear();

        let remade = toolkit(None, &[]).with_config(empty.clone());
        let made = AwsLambdaToolkit::from_clients(
            fixture::lambda(&[]),
            fixture::eventbridge(&[]),
            fixture::cloudwatch(&[]),
            empty.clone(),
        );
        let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let new = AwsLambdaToolkit::new(&sdk, empty);

        for result in [remade, made, new] {
            let err = result.unwrap_err();
            assert!(
                matches!(&err, Error::Configuration { problems } if problems[0].key == "functions.b"),
                "{err}"
            );
        }
    }

    #[test]
    fn one_function_serves_both_stacks_and_its_name_is_checked() {
        let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();

        let smoke = AwsLambdaToolkit::for_one_function(&sdk, "smoke").unwrap();
        let err = AwsLambdaToolkit::for_one_function(&sdk, "smoke:live").unwrap_err();

        assert_eq!((smoke.name(A), smoke.name(B)), ("smoke", "smoke"));
        assert!(matches!(err, Error::Configuration { .. }), "{err}");
    }

    #[tokio::test]
    async fn a_toolkit_is_used_behind_its_trait() {
        let (functions, aliases) = (functions("aws"), aliases("aws"));
        let lambda: Arc<dyn LambdaToolkit> =
            Arc::new(toolkit(Some("live"), &[&functions, &aliases]));

        let found = lambda.function(A).await.unwrap();

        assert_eq!(found.name, "ingest-a");
    }

    #[tokio::test]
    async fn a_toolkit_for_other_functions_asks_for_those() {
        let functions = functions("aws");
        let mut others = config(None);
        others.functions.b = "mail-b".to_owned();

        let lambda = toolkit(None, &[&functions]);
        lambda.function(B).await.unwrap();
        let found = lambda.with_config(others).unwrap().function(B).await.unwrap();

        assert_eq!(found.name, "mail-b");
        assert!(found.arn.ends_with(":function:mail-b"));
    }
    #[tokio::test]
    async fn at_most_four_calls_are_under_way_at_once_and_names_keep_their_order() {
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let attempt = async |n: u32| {
            let now = under_way.fetch_add(1, Ordering::Relaxed) + 1;
            most.fetch_max(now, Ordering::Relaxed);
            tokio::task::yield_now().await;
            under_way.fetch_sub(1, Ordering::Relaxed);
            (n.to_string(), Ok(Outcome::Changed))
        };

        let switched = switch_all((0..10).map(attempt).collect()).await.unwrap();

        assert_eq!(switched.changed.concat(), "0123456789");
        assert_eq!(most.into_inner(), AT_ONCE);
    }
}
