//! How often AWS is called for the example shop, and with which permissions.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use bluegreen_core::{
    Clock,
    StackReference::{self, A, B},
};
use bluegreen_deploy::{
    Engine, Event, FileStorage, Outcome, Owner, Phase, Pointer, Report, Resources, StepId, Store,
    stack_file::StackFile,
};
use tokio::process::Command;

use crate::{
    account::Account,
    shop::Shop,
    wire::{Call, Wire, counts},
};

/// An engine whose calls are noted.
struct Watched {
    engine: Engine,
    wire: Wire,
    store: Store,
    events: Arc<Mutex<Vec<Event>>>,
    _folder: tempfile::TempDir,
}

/// Makes an engine for the stack file `path`, with a store in which `active` is the active stack.
async fn watched(account: &Account, path: &Path, active: StackReference) -> Watched {
    let file = StackFile::parse(&fs::read_to_string(path).unwrap(), path, &|_| None).unwrap();
    let wire = Wire::new(Duration::ZERO);
    let sdk = account.sdk.to_builder().http_client(wire.clone()).build();
    let resources = Resources::connect(&file, &sdk).unwrap();
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let heard = Arc::clone(&events);
    let engine = Engine::new(&file, path.parent().unwrap(), resources, Clock::system())
        .with_watcher(Arc::new(move |event| heard.lock().unwrap().push(event)));
    let folder = tempfile::tempdir().unwrap();
    let pointer = Pointer { active, since: Clock::system().now(), reason: "tests".to_owned() };
    let storage = Arc::new(FileStorage::new(folder.path(), &file.name));
    let owner = Owner { name: "a test".to_owned(), clock: Clock::system() };
    let store = Store::adopt(storage, &file.name, &owner, pointer).await.unwrap();
    Watched { engine, wire, store, events, _folder: folder }
}

impl Watched {
    /// Returns how often each step looked and acted, the look before everything included.
    fn rounds(&self) -> BTreeMap<StepId, Rounds> {
        let mut rounds: BTreeMap<StepId, Rounds> = BTreeMap::new();
        for event in self.events.lock().unwrap().iter() {
            match event {
                // The look before everything, and the step's first.
                Event::StepStarted { step } => rounds.entry(step.clone()).or_default().looks += 2,
                // A look that was not the last.
                Event::StepWaits { step, .. } => rounds.entry(step.clone()).or_default().looks += 1,
                Event::StepActs { step, .. } => rounds.entry(step.clone()).or_default().acts += 1,
                _ => {}
            }
        }
        rounds
    }
}

/// How often a step looked and acted.
#[derive(Clone, Copy, Debug, Default)]
struct Rounds {
    looks: usize,
    acts: usize,
}

/// How many calls of each action there were.
type Counts<'a> = BTreeMap<&'a str, usize>;

fn repeated(calls: &[Call]) -> Vec<&Call> {
    let mut seen = BTreeSet::new();
    calls.iter().filter(|it| !seen.insert(*it)).collect()
}

fn permitted(plan: &Report) -> BTreeSet<&str> {
    let permissions = plan.steps.iter().flat_map(|it| &it.permissions);
    permissions.map(|it| it.action).chain(["sts:GetCallerIdentity"]).collect()
}

fn table(plan: &Counts<'_>, deploy: &Counts<'_>, bounds: &BTreeMap<&str, usize>) -> String {
    let mut text = format!("{:<48} {:>5} {:>7} {:>8}\n", "calls", "plan", "deploy", "at most");
    for action in plan.keys().chain(deploy.keys()).copied().collect::<BTreeSet<_>>() {
        let of = |counts: &Counts<'_>| counts.get(action).copied().unwrap_or(0);
        let (plan, deploy, bound) = (of(plan), of(deploy), of(bounds));
        text += &format!("{action:<48} {plan:>5} {deploy:>7} {bound:>8}\n");
    }
    let (plan, deploy): (usize, usize) = (plan.values().sum(), deploy.values().sum());
    text + &format!("{:<48} {plan:>5} {deploy:>7}\n", "all")
}

/// Returns how many calls of `action` one look of `step` makes, at most.
fn calls_of_a_look(action: &str, step: &StepId, plan: &Counts<'_>) -> usize {
    // These look at their partner's side too.
    let sides = match &*step.name {
        "exclusive.hand-over" | "aurora.scale-out" | "ecs.enable" => 2,
        _ => 1,
    };
    let is_ingest = step.resource == "ingest";
    match (action, step.subject()) {
        // Alias and bare function each, and 113 mappings are two pages.
        ("lambda:ListEventSourceMappings", _) => sides * if is_ingest { 4 } else { 2 },
        ("events:DescribeRule", _) => sides * if is_ingest { 5 } else { 2 },
        // Alias and bare function each, on every bus that there is, for four functions.
        ("events:ListRuleNamesByTarget", _) => sides * plan[action] / 4,
        // 121 alarms are two pages; queue and dead letters.
        ("cloudwatch:DescribeAlarms", _) | ("sqs:GetQueueAttributes", "sqs") => 2,
        // What is in flight: only after something was switched off.
        ("lambda:GetAlias" | "lambda:GetFunction" | "sqs:GetQueueAttributes", _) => {
            if step.name.starts_with("lambda.enable") { 0 } else { 1 }
        }
        // They are asked for once.
        ("events:ListEventBuses" | "sns:ListSubscriptionsByTopic" | "sqs:GetQueueUrl", _) => 0,
        _ => sides,
    }
}

/// Returns the most calls of each action that looks: what the look before everything costs, then one for
/// each look of each step and, since toolkits look before they act, one for each act.
fn most_looks<'a>(
    plan: &Counts<'a>,
    report: &Report,
    rounds: &BTreeMap<StepId, Rounds>,
) -> Counts<'a> {
    let most = plan.iter().map(|(&action, &planned)| {
        let users = report.steps.iter();
        let users = users.filter(|it| it.permissions.iter().any(|it| it.action == action));
        let calls = users.map(|it| {
            let rounds = rounds[&it.step];
            // What is turned off must be on at the other stack: before `retire`, and before each act.
            let others = if TURN_OFF.contains(&&*it.step.name) { 1 + rounds.acts } else { 0 };
            (rounds.looks - 1 + rounds.acts + others) * calls_of_a_look(action, &it.step, plan)
        });
        (action, planned * (1 + GUARDRAILS) + calls.sum::<usize>())
    });
    most.collect()
}

/// The steps that turn consumers off.
const TURN_OFF: [&str; 4] =
    ["ecs.disable", "lambda.disable-mappings", "lambda.disable-rules", "sns.disable"];

/// How often the guardrails look at everything anew: when the release is opened, and before production moves. What
/// they ask before the old stack is switched off is as little as a second look of the latter.
const GUARDRAILS: usize = 2;

/// The most calls of each action that changes something: each thing is changed once.
const MOST_CHANGES: [(&str, usize); 12] = [
    // Readers and workers, out and in.
    ("application-autoscaling:RegisterScalableTarget", 4),
    // 120 alarms on each stack, 100 in a call.
    ("cloudwatch:DisableAlarmActions", 2),
    ("cloudwatch:EnableAlarmActions", 2),
    ("ecs:UpdateService", 4),
    ("events:DisableRule", 5),
    ("events:EnableRule", 5),
    ("kinesis:DeregisterStreamConsumer", 1),
    ("kinesis:RegisterStreamConsumer", 1),
    // 112 on each stack: one of 113 is off.
    ("lambda:UpdateEventSourceMapping", 224),
    ("rds:StartDBCluster", 1),
    ("rds:StopDBCluster", 1),
    ("sns:SetSubscriptionAttributes", 4),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the emulators: cargo xtask test"]
async fn the_shop_is_planned_and_moved_with_few_calls_and_the_permissions_of_its_steps() {
    let path = PathBuf::from(env::var_os("BLUEGREEN_TEST_FILE").unwrap());
    let account = Account::new().await;
    let active = if account.cluster("orders-a").await.starts_with("stopped") { B } else { A };
    let it = watched(&account, &path, active).await;
    let plan = it.engine.plan(active.partner()).unwrap();

    let planned = it.engine.look(&it.store, &plan, &Phase::ALL).await.unwrap();
    let plan_calls = it.wire.take();
    let report = it.engine.deploy(&it.store, &plan, Phase::Retire).await.unwrap();
    let deploy_calls = it.wire.take();

    assert_eq!(planned.outcome, Outcome::Planned, "{planned:#?}");
    assert_eq!(report.outcome, Outcome::Done, "{report:#?}");
    let (plan_counts, deploy_counts) = (counts(&plan_calls), counts(&deploy_calls));
    let rounds = it.rounds();
    let purges: usize =
        rounds.iter().filter(|it| it.0.name == "sqs.purge").map(|it| 2 * it.1.acts).sum();
    let mut bounds = most_looks(&plan_counts, &report, &rounds);
    bounds.extend(MOST_CHANGES);
    bounds.insert("sqs:PurgeQueue", purges);
    println!("{}", table(&plan_counts, &deploy_counts, &bounds));

    assert_eq!(repeated(&plan_calls), Vec::<&Call>::new());
    let beyond =
        |(action, count): (&&str, &usize)| *count > bounds.get(action).copied().unwrap_or(0);
    let beyond: Vec<_> = deploy_counts.iter().filter(|it| beyond(*it)).collect();
    assert_eq!(beyond, Vec::new());
    // Before everything, before the change, and after it. These have nothing to wait for in an emulator.
    let polling = [
        "ecs.enable",
        "exclusive.hand-over",
        "lambda.disable-mappings",
        "lambda.disable-rules",
        "sqs.purge",
    ];
    for (step, rounds) in rounds.iter().filter(|it| !polling.contains(&&*it.0.name)) {
        assert!(rounds.acts <= 1 && rounds.looks == 2 + rounds.acts, "{step}: {rounds:?}");
    }

    let permitted = permitted(&planned);
    let all = plan_counts.keys().chain(deploy_counts.keys()).copied();
    let not_permitted: BTreeSet<_> = all.filter(|it| !permitted.contains(it)).collect();
    assert_eq!(not_permitted, BTreeSet::new());

    check_with_the_fixture(active.partner()).await;
}

async fn check_with_the_fixture(active: StackReference) {
    let fixture = env::var_os("BLUEGREEN_TEST_FIXTURE").unwrap();
    let check = Command::new(fixture).args(["check", "--active", &active.to_string()]).output();
    let check = check.await.unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

/// Returns whether a call only looks.
fn is_look(call: &str) -> bool {
    let name = call.split(':').next_back().unwrap_or_default();
    ["Describe", "Get", "List"].iter().any(|it| name.starts_with(it))
}

/// Runs each step by itself on stack b, and checks that it calls nothing but what its permissions name, and
/// what the checks look at before anything about queues, rules and streams is turned off.
async fn have_their_permissions(shop: &Shop, steps: &[&str]) {
    let it = watched(&shop.account, &shop.file(), A).await;
    let plan = it.engine.plan(B).unwrap();
    let planned = it.engine.look(&it.store, &plan, &Phase::ALL).await.unwrap();
    let looks: Vec<_> = permitted(&planned).into_iter().filter(|it| is_look(it)).collect();
    it.wire.take();
    for step in steps {
        let report = it.engine.step(&it.store, step, B, None).await.unwrap();

        assert_eq!(report.outcome, Outcome::Done, "{report:#?}");
        let calls = it.wire.take();
        let mut permitted = permitted(&report);
        let subject = step.split('.').next().unwrap();
        let checked = ["exclusive", "kinesis", "lambda", "sqs"].contains(&subject);
        permitted.extend(looks.iter().filter(|_| checked).cloned());
        let beyond: Vec<_> =
            counts(&calls).into_keys().filter(|it| !permitted.contains(it)).collect();
        assert!(beyond.is_empty(), "{step} has no permission for {beyond:?}");
        assert!(!calls.is_empty(), "{step} did not even look");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the emulators: cargo xtask test"]
async fn each_step_by_itself_needs_no_more_than_its_own_permissions() {
    let mut shop = Shop::new("calls-switching").await;
    shop.add_clusters("orders", "").await;
    shop.add_consumers("clicks").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.add_subscriptions("catalogue", "ingest").await;
    shop.add_functions("ingest", "mappings = \"mirror\"\nrules = \"mirror\"").await;
    shop.add_services("worker").await;
    shop.add_alarms("pages").await;
    shop.write_file("0s");

    let on = [
        "aurora.start",
        "kinesis.register",
        "sns.enable",
        "aurora.scale-out",
        "lambda.enable-mappings",
        "ecs.enable",
        "lambda.enable-rules",
        "cloudwatch.enable-alarms",
    ];
    let off = [
        "cloudwatch.disable-alarms",
        "sns.disable",
        "lambda.disable-rules",
        "lambda.disable-mappings",
        "ecs.disable",
        "kinesis.deregister",
        "aurora.scale-in",
    ];
    have_their_permissions(&shop, &on).await;
    have_their_permissions(&shop, &off).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the emulators: cargo xtask test"]
async fn each_destroying_step_needs_no_more_than_its_own_permissions() {
    let mut shop = Shop::new("calls-deleting").await;
    shop.add_clusters("orders", "retire = \"delete\"").await;
    shop.add_clusters("carts", "retire = \"stop\"").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.add_queues("mail", "work").await;
    shop.add_tables("sessions", "retire = \"delete\"").await;
    shop.write_file("0s");

    let steps = [
        "aurora.start",
        "aurora.stop",
        "sqs.purge",
        "sqs.drain",
        "aurora.delete",
        "dynamodb.delete",
    ];
    have_their_permissions(&shop, &steps).await;
}
