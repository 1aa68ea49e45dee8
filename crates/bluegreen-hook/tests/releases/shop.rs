//! A shop with its hook: the account, the function, and what an operator sees.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_codedeploy::types::{AppSpecContent, RevisionLocation, RevisionLocationType};
use bluegreen_core::StackReference::{self, A};
use bluegreen_deploy::{
    DynamoDbStorage, Outcome, Owner, Phase, Pointer, Release, Storage, Store, stack_file::StackFile,
};
use bluegreen_hook::{
    configuration::{Configuration, Parameter, Parameters, Source},
    hook::{Hook, HookError, Settings},
    invocation::Invocation,
};
use bluegreen_rehearsal::{account, connect};
use bluegreen_sim::{DeploymentGroup, Faults, PendingInvocation, SimulatedAccount};
use serde_json::{Value, json};

use crate::updates::Answered;

/// The name of the function.
pub(crate) const FUNCTION: &str = "CodeDeployHook_bluegreen";

/// The table of the store.
const TABLE: &str = "bluegreen";

/// The hooks of the AppSpec, in their order.
const HOOKS: [&str; 5] = [
    "BeforeInstall",
    "AfterInstall",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
];

/// A mover of the service `web` by CodeDeploy.
pub(crate) const BY_CODEDEPLOY: &str = r#"
[traffic.web]
mover = "codedeploy"
application = "shop"
deployment-group = "web"
cluster = "shop"
service = "web"
binding = { container = "web", env = "STACK" }
"#;

/// The rest of the stack file.
const REST: &str = r#"
[state]
store = "dynamodb"
table = "bluegreen"

[release]
hold = "10m"
undo-after = "4h"

[sns.catalogue]
topic = "arn:aws:sns:eu-west-1:123456789012:catalogue"
endpoints = { a = "arn:aws:sqs:eu-west-1:123456789012:ingest-a", b = "arn:aws:sqs:eu-west-1:123456789012:ingest-b" }

[sqs.ingest]
queues = { a = "ingest-a", b = "ingest-b" }
feed = "fan-out"

[lambda.ingest]
functions = { a = "ingest-a", b = "ingest-b" }
rules = "mirror"

[aurora.orders]
clusters = { a = "orders-a", b = "orders-b" }
minimum-readers = 1

[cloudwatch.pages]
prefixes = { a = "shop-a-", b = "shop-b-" }

[test.smoke]
lambda = { a = "smoke-a", b = "smoke-b" }
"#;

/// A shop with its hook.
pub(crate) struct Shop {
    pub(crate) account: SimulatedAccount,
    pub(crate) hook: Hook,
    /// The metrics that the function has written, line by line.
    pub(crate) metrics: Arc<Mutex<Vec<String>>>,
    file: StackFile,
    /// How long an invocation may take.
    timeout: Duration,
    /// How many times the function was called.
    pub(crate) calls: Mutex<Vec<Value>>,
    /// The calls that it has answered.
    pub(crate) answered: Mutex<Vec<Answered>>,
}

/// Nobody: the stack file is a text.
#[derive(Debug)]
struct NoParameters;

#[async_trait::async_trait]
impl Parameters for NoParameters {
    async fn parameter(&self, name: &str) -> bluegreen_core::Result<Parameter> {
        Err(bluegreen_core::Error::NotFound { resource: name.to_owned() })
    }
}

impl Shop {
    /// Makes the shop of a stack file with these movers, in its account, with stack a in production.
    pub(crate) async fn new(movers: &str) -> Self {
        Self::with(movers, |it| it, Duration::from_secs(900)).await
    }

    /// Makes the shop with something else in its stack file, and an hour's quarter or less for the function.
    pub(crate) async fn with(
        movers: &str,
        change: impl FnOnce(String) -> String,
        timeout: Duration,
    ) -> Self {
        let head = "name = \"shop\"\nregion = \"eu-west-1\"\naccount-id = \"123456789012\"\n";
        let text = change(format!("{head}{movers}{REST}"));
        let file = StackFile::parse(&text, Path::new("bluegreen.toml"), &|_| None).unwrap();
        let account = account(&file, A, bluegreen_sim::Settings::default());
        account.world(|world| {
            world.add_table(TABLE);
            let seconds = u32::try_from(timeout.as_secs()).unwrap();
            world.add_outside_function(FUNCTION, seconds);
        });
        let metrics: Arc<Mutex<Vec<String>>> = Arc::default();
        let lines = Arc::clone(&metrics);
        let settings = Settings {
            lifecycle_event: None,
            longest_run: None,
            folder: Path::new(".").to_owned(),
            variables: Arc::new(|_| None),
            metrics: Arc::new(move |line| lines.lock().unwrap().push(line)),
        };
        let source = Source::Text(text);
        let configuration = Configuration::new(source, Arc::new(NoParameters), account.clock());
        let hook = Hook::new(configuration, settings, account.sdk_config());
        let (calls, answered) = Default::default();
        let shop = Self { account, hook, metrics, file, timeout, calls, answered };
        shop.adopt().await;
        shop
    }

    /// Lets CodeDeploy deploy services, whose tasks are bound to stack a.
    pub(crate) fn deployed_by_codedeploy(self, services: &[&str]) -> Self {
        self.account.world(|world| {
            for service in services {
                let a = world.add_task_definition_with(service, service, &[("STACK", "a")], &[]);
                world.add_task_definition_with(service, service, &[("STACK", "b")], &[]);
                world.add_service("shop", service, 2);
                world.deploy_by_code_deploy("shop", service, &a);
                world.add_deployment_group("shop", service, DeploymentGroup::of("shop", service));
            }
        });
        self
    }

    /// Lets CodeDeploy keep the tasks that it has replaced for half an hour, before which its deployments do not end.
    pub(crate) fn keeping_what_was_replaced(self, service: &str) -> Self {
        let termination_wait = Duration::from_secs(1800);
        let group = DeploymentGroup { termination_wait, ..DeploymentGroup::of("shop", service) };
        self.account.world(|world| world.add_deployment_group("shop", service, group));
        self
    }

    /// Lets the reconciler be called every five minutes.
    pub(crate) fn scheduled(self) -> Self {
        self.account.world(|world| {
            let payload = json!({ "bluegreen": "reconcile" }).to_string();
            world.add_schedule(FUNCTION, &payload, Duration::from_secs(300));
        });
        self
    }

    fn storage(&self) -> Arc<dyn Storage> {
        let lease = Duration::from_secs(30);
        let sdk = self.account.sdk_config();
        Arc::new(DynamoDbStorage::new(&sdk, TABLE, &self.file.name, lease))
    }

    async fn adopt(&self) {
        let clock = self.account.clock();
        let owner = Owner { name: "a person".to_owned(), clock: clock.clone() };
        let pointer = Pointer { active: A, since: clock.now(), reason: "test".to_owned() };
        let store = Store::adopt(self.storage(), "shop", &owner, pointer).await.unwrap();
        store.close().await.unwrap();
    }

    /// Returns the store as it is now.
    pub(crate) async fn store(&self) -> Store {
        Store::open(self.storage(), &self.file.name).await.unwrap().unwrap()
    }

    /// Lets a person prepare a stack from the command line.
    pub(crate) async fn prepare(&self, to: StackReference) {
        let engine = connect(&self.file, &self.account, &self.account.sdk_config()).unwrap();
        let owner = Owner { name: "a person".to_owned(), clock: self.account.clock() };
        let store = Store::lock(self.storage(), "shop", &owner, |_, _| {}).await.unwrap().unwrap();
        let plan = engine.plan(to).unwrap();
        let prepared = engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(prepared.outcome, Outcome::Done, "{prepared:?}");
    }

    /// Lets something go wrong with calls from now on, and nothing else.
    pub(crate) fn befall(&self, rule: &str) {
        self.account.set_faults(Faults::none().with(rule.parse().unwrap()));
    }

    /// Returns the stack that the pointer names.
    pub(crate) async fn active(&self) -> StackReference {
        self.store().await.pointer().active
    }

    /// Returns the open release.
    pub(crate) async fn release(&self) -> Option<Arc<Release>> {
        self.store().await.release()
    }

    /// Returns how each release has ended, in their order; nothing of one that is open.
    pub(crate) async fn outcomes(&self) -> Vec<Option<Outcome>> {
        let releases = self.store().await.releases().await.unwrap();
        releases.into_iter().map(|it| it.ended.map(|it| it.outcome)).collect()
    }

    /// Begins a deployment of a service by CodeDeploy, whose tasks are bound to a stack, and returns its id.
    pub(crate) async fn deploy(&self, service: &str, stack: StackReference) -> String {
        let revision = if stack == A { 1 } else { 2 };
        self.deploy_definition(service, &format!("{service}:{revision}")).await
    }

    /// Begins a deployment of a service by CodeDeploy with this task definition.
    pub(crate) async fn deploy_definition(&self, service: &str, definition: &str) -> String {
        let properties = json!({
            "TaskDefinition": definition,
            "LoadBalancerInfo": { "ContainerName": service, "ContainerPort": 80 },
        });
        let target = json!({ "Type": "AWS::ECS::Service", "Properties": properties });
        let hooks: Vec<Value> = HOOKS.iter().map(|it| json!({ *it: FUNCTION })).collect();
        let content = json!({
            "version": 0.0,
            "Resources": [{ "TargetService": target }],
            "Hooks": hooks,
        });
        let content = AppSpecContent::builder().content(content.to_string()).build();
        let revision = RevisionLocation::builder()
            .revision_type(RevisionLocationType::AppSpecContent)
            .app_spec_content(content)
            .build();
        let codedeploy = aws_sdk_codedeploy::Client::new(&self.account.sdk_config());
        let request = codedeploy.create_deployment().application_name("shop");
        let made = request.deployment_group_name(service).revision(revision).send().await.unwrap();
        made.deployment_id.unwrap()
    }

    /// Returns AWS's word for how a deployment of CodeDeploy is.
    pub(crate) fn status(&self, id: &str) -> String {
        self.account.world(|world| world.codedeploy.deployment(id).unwrap().status().to_owned())
    }

    /// Lets a person stop a deployment of CodeDeploy, without going back.
    pub(crate) async fn stop(&self, id: &str) {
        let codedeploy = aws_sdk_codedeploy::Client::new(&self.account.sdk_config());
        let stop = codedeploy.stop_deployment().deployment_id(id).auto_rollback_enabled(false);
        stop.send().await.unwrap();
    }

    /// Answers as the function whatever it is called with, until `is_over`, or for a day.
    pub(crate) async fn answer_until(&self, is_over: impl AsyncFn(&Self) -> bool) {
        let day = self.account.elapsed() + Duration::from_secs(24 * 3600);
        loop {
            if is_over(self).await {
                return;
            }
            assert!(self.account.elapsed() < day, "it is not over after a day");
            let next = self.account.next_invocation();
            // What happens without the function must be seen, too.
            if let Ok(pending) = tokio::time::timeout(Duration::from_secs(30), next).await {
                self.answer(pending).await;
            }
        }
    }

    /// Answers until a deployment of CodeDeploy has ended, and returns how.
    pub(crate) async fn until_ended(&self, id: &str) -> String {
        self.answer_until(async |it| it.status(id) != "InProgress").await;
        self.status(id)
    }

    /// Answers until no release is open.
    pub(crate) async fn until_over(&self) {
        self.answer_until(async |it| it.release().await.is_none()).await;
    }

    /// Answers one invocation as the function.
    async fn answer(&self, pending: PendingInvocation) {
        let event: Value = serde_json::from_str(&pending.payload).unwrap();
        let answer = self.call(&event).await;
        let answer = answer.map(|it| it.to_string()).map_err(|err| err.to_string());
        self.account.answer_invocation(pending, answer);
    }

    /// Calls the function with an event.
    pub(crate) async fn call(&self, event: &Value) -> Result<Value, HookError> {
        self.calls.lock().unwrap().push(event.clone());
        let number = self.calls.lock().unwrap().len();
        let clock = self.account.clock();
        let began = clock.now();
        let invocation = Invocation {
            request_id: format!("request-{number}"),
            function_arn: self.account.world(|world| world.function_arn(FUNCTION, None)),
            function_name: FUNCTION.to_owned(),
            trace_id: None,
            began,
            deadline: began + self.timeout,
            clock,
        };
        let began = self.account.elapsed();
        let answer = self.hook.handle(event, &invocation).await?;
        let ended = self.account.elapsed();
        let (event, kept) = (event.clone(), answer.clone());
        self.answered.lock().unwrap().push(Answered { event, answer: kept, began, ended });
        Ok(answer)
    }

    /// Calls the reconciler, and returns what it says.
    pub(crate) async fn reconcile(&self) -> String {
        let said = self.call(&json!({ "bluegreen": "reconcile" })).await.unwrap();
        said["reconciled"].as_str().unwrap_or_default().to_owned()
    }

    /// Lets time pass.
    pub(crate) async fn wait(&self, time: Duration) {
        #[expect(clippy::disallowed_methods, reason = "the clock is paused")]
        tokio::time::sleep(time).await;
    }

    /// Counts the calls that took effect of an operation.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.account.world(|world| {
            let records = world.audit.records().iter();
            records.filter(|it| it.operation == operation && it.took_effect()).count()
        })
    }

    /// Returns the stack that the pointer's partner is: what is to be stopped, or to be started.
    pub(crate) fn cluster(&self, stack: StackReference) -> String {
        let name = if stack == A { "orders-a" } else { "orders-b" };
        self.account.world(|world| world.rds.cluster(name).unwrap().status().to_owned())
    }
}
