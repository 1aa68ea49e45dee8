//! Whole releases with tests, approvals and schemas, in a simulated account.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bluegreen_core::StackReference::{A, B};
use bluegreen_deploy::{
    Command, Ended, Engine, Event, HttpAnswer, HttpRequest, Listener, Outcome, Outside, Phase,
    Pointer, Report, Result, StepState, Store, Verdict, stack_file::StackFile,
};
use bluegreen_rehearsal::{Options, SimulatedOutside, account, connect, rehearse};
use bluegreen_sim::{Faults, Settings, SimulatedAccount};

/// A shop with something of each kind to run.
const SHOP: &str = r#"
name = "shop"
region = "eu-west-1"
traffic = "none"

[release]
hold = "0s"

[aurora.orders]
clusters = { a = "orders-a", b = "orders-b" }

[sqs.ingest]
queues = { a = "ingest-a", b = "ingest-b" }
feed = "fan-out"

[ecs.worker]
cluster = "shop"
services = { a = "worker-a", b = "worker-b" }
desired-tasks = 2

[cloudwatch.pages]
prefixes = { a = "shop-a-", b = "shop-b-" }

[schema.orders]
reset.lambda = { a = "reset-a", b = "reset-b" }
hydrate.command = ["./hydrate"]
after = []

[test.health]
http = "https://test.shop.example/health"
expect-status = 204
expect-header = { x-stack = "b" }

[test.smoke]
lambda = "smoke"

[test.journey]
command = ["./journey"]

[test.calm]
alarms = "cloudwatch.pages"
bake = "20m"

[test.still]
alarms = ["edge-errors"]
bake = "0s"

[test.look]
approve = "the shop looks right"
"#;

fn file(text: &str) -> StackFile {
    StackFile::parse(text, Path::new("bluegreen.toml"), &|_| None).unwrap()
}

/// A release of the shop to b, with an outside of its own.
struct Shop {
    account: SimulatedAccount,
    engine: Engine,
    store: Store,
}

fn shop(outside: Option<Arc<dyn Outside>>) -> Shop {
    let file = file(SHOP);
    let account = account(&file, A, Settings::default());
    let engine = connect(&file, &account, &account.sdk_config()).unwrap();
    let engine = match outside {
        Some(outside) => engine.with_outside(outside),
        None => engine,
    };
    let pointer = Pointer { active: A, since: account.clock().now(), reason: "test".to_owned() };
    let store = Store::in_memory(&file.name, pointer);
    Shop { account, engine, store }
}

impl Shop {
    async fn deploy(&self) -> Report {
        let plan = self.engine.plan(B).unwrap();
        self.engine.deploy(&self.store, &plan, Phase::Retire).await.unwrap()
    }
}

/// Passes everything but what it is told not to, and writes down what programs are run.
#[derive(Debug)]
struct Grumpy {
    rest: SimulatedOutside,
    status: Mutex<u16>,
    code: i32,
    verdict: Mutex<Option<Verdict>>,
    ran: Mutex<Vec<Command>>,
}

fn grumpy() -> Grumpy {
    Grumpy {
        rest: SimulatedOutside::new(&file(SHOP)),
        status: Mutex::new(204),
        code: 0,
        verdict: Mutex::new(Some(verdict(true))),
        ran: Mutex::default(),
    }
}

fn verdict(approved: bool) -> Verdict {
    Verdict { approved, who: "ann".to_owned(), reason: None }
}

#[async_trait]
impl Outside for Grumpy {
    async fn http(&self, request: HttpRequest) -> Result<HttpAnswer> {
        let answer = self.rest.http(request).await?;
        Ok(HttpAnswer { status: *self.status.lock().unwrap(), ..answer })
    }

    async fn run(&self, command: &Command, listener: &dyn Listener) -> Result<Ended> {
        self.ran.lock().unwrap().push(command.clone());
        let ended = self.rest.run(command, listener).await?;
        let code = if command.owner == "test.journey" { self.code } else { 0 };
        Ok(Ended { code: Some(code), ..ended })
    }

    async fn verdict(&self, _name: &str) -> Result<Option<Verdict>> {
        Ok(self.verdict.lock().unwrap().clone())
    }
}

fn state(report: &Report, name: &str) -> StepState {
    report.steps.iter().find(|it| it.step.name == name).unwrap().state
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_runs_everything_in_its_order_and_passes() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let watcher = Arc::new(move |event: Event| {
        if let Event::StepEnded { report } = event {
            hears.lock().unwrap().push(report.step.name);
        }
    });
    let options = Options { to: B, settings: Settings::default(), faults: Faults::none() };

    let rehearsal = rehearse(&file(SHOP), options, watcher).await.unwrap();

    assert_eq!(rehearsal.report.outcome, Outcome::Done, "{:#?}", rehearsal.report);
    let heard = heard.lock().unwrap();
    let at = |name: &str| heard.iter().position(|it| it == name).unwrap();
    assert!(at("sqs.purge") < at("schema.reset") && at("schema.reset") < at("schema.hydrate"));
    assert!(at("schema.hydrate") < at("ecs.enable") && at("ecs.enable") < at("test.http"));
    for test in ["test.http", "test.lambda", "test.command", "test.alarms"] {
        assert!(at(test) < at("test.approve"), "{test}");
    }
    assert!(at("test.approve") < at("active.switch"));
    assert!(rehearsal.took >= Duration::from_secs(20 * 60), "the bake takes its time");
    let calls = rehearsal.account.world(|world| world.audit.calls());
    assert_eq!(calls["lambda:Invoke"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_test_that_fails_pauses_the_release_before_production_moves_and_is_tried_again() {
    let outside = Arc::new(grumpy());
    *outside.status.lock().unwrap() = 503;
    let shop = shop(Some(Arc::clone(&outside) as Arc<dyn Outside>));

    let first = shop.deploy().await;
    *outside.status.lock().unwrap() = 204;
    let second = shop.deploy().await;

    assert_eq!((first.outcome, first.active), (Outcome::Paused, A));
    assert_eq!(state(&first, "test.http"), StepState::Failed);
    assert_eq!((second.outcome, second.active), (Outcome::Done, B));
    assert!(second.steps.iter().all(|it| it.step.subject() != "schema"), "it is not reset again");
    let ran = outside.ran.lock().unwrap();
    assert_eq!(ran.iter().filter(|it| it.owner == "schema.orders").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_person_is_asked_last_and_the_release_goes_on_with_the_verdict() {
    let outside = Arc::new(grumpy());
    *outside.verdict.lock().unwrap() = None;
    let shop = shop(Some(Arc::clone(&outside) as Arc<dyn Outside>));

    let asked = shop.deploy().await;
    *outside.verdict.lock().unwrap() = Some(verdict(false));
    let rejected = shop.deploy().await;
    *outside.verdict.lock().unwrap() = Some(verdict(true));
    let approved = shop.deploy().await;

    assert_eq!((asked.outcome, asked.active), (Outcome::Inconclusive, A));
    let passed = asked.steps.iter().filter(|it| it.step.subject() == "test");
    let passed = passed.filter(|it| matches!(it.state, StepState::Done | StepState::Changed));
    assert_eq!(passed.count(), 5, "{asked:#?}");
    assert_eq!(rejected.outcome, Outcome::Paused);
    assert_eq!((approved.outcome, approved.active), (Outcome::Done, B));
}

#[tokio::test(start_paused = true)]
async fn a_program_that_is_not_sure_pauses_the_release() {
    let shop = shop(Some(Arc::new(Grumpy { code: 2, ..grumpy() })));

    let report = shop.deploy().await;

    assert_eq!((report.outcome, report.active), (Outcome::Inconclusive, A));
    assert_eq!(state(&report, "test.command"), StepState::Inconclusive);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_pauses_the_release_and_is_run_again_with_the_same_command() {
    let shop = shop(None);
    shop.account.world(|world| world.set_answer("reset-b", Err("no such database".to_owned())));

    let first = shop.deploy().await;
    shop.account.world(|world| world.set_answer("reset-b", Ok("null".to_owned())));
    let second = shop.deploy().await;

    assert_eq!(
        (first.outcome, state(&first, "schema.reset")),
        (Outcome::Paused, StepState::Failed)
    );
    let failed = first.steps.iter().find(|it| it.step.name == "schema.reset").unwrap();
    assert!(failed.error.as_ref().unwrap().contains("no such database"), "{failed:?}");
    assert!(failed.destroys && failed.irreversible);
    assert_eq!(second.outcome, Outcome::Done, "{second:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_fires_while_it_is_watched_pauses_the_release() {
    let shop = shop(None);
    let account = shop.account.clone();
    let later = async {
        loop {
            #[expect(clippy::disallowed_methods, reason = "the clock is paused")]
            tokio::time::sleep(Duration::from_secs(10)).await;
            let release = shop.store.release();
            let tests = release.is_some_and(|it| it.phases.contains_key(&Phase::Prepare));
            if tests {
                break account.world(|world| world.set_alarm_state("shop-b-errors", "ALARM"));
            }
        }
    };

    let (report, ()) = tokio::join!(shop.deploy(), later);

    assert_eq!((report.outcome, report.active), (Outcome::Paused, A));
    let failed = report.steps.iter().find(|it| it.state == StepState::Failed).unwrap();
    assert_eq!(failed.step.to_string(), "test.alarms calm on b");
    assert!(failed.error.as_ref().unwrap().starts_with("alarm `shop-b-errors` is firing"));
}

#[tokio::test(start_paused = true)]
async fn a_function_or_an_alarm_that_is_missing_ends_it_before_anything_is_changed() {
    let text = SHOP.replace("\"edge-errors\"", "\"edge-errors\", \"shop-c-errors\"");
    let (made, asked) = (file(SHOP), file(&text));
    let account = account(&made, A, Settings::default());
    let engine = connect(&asked, &account, &account.sdk_config()).unwrap();
    let pointer = Pointer { active: A, since: account.clock().now(), reason: "test".to_owned() };
    let store = Store::in_memory("shop", pointer);

    let report = engine.deploy(&store, &engine.plan(B).unwrap(), Phase::Retire).await.unwrap();

    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.missing, ["[test.still]: alarm `shop-c-errors` does not exist"]);
    assert!(store.release().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_plan_runs_nothing() {
    let outside = Arc::new(Grumpy { verdict: Mutex::new(None), ..grumpy() });
    let shop = shop(Some(Arc::clone(&outside) as Arc<dyn Outside>));

    let plan = shop.engine.plan(B).unwrap();
    let report = shop.engine.look(&shop.store, &plan, &Phase::ALL).await.unwrap();

    assert_eq!(report.outcome, Outcome::Planned);
    assert_eq!(state(&report, "schema.reset"), StepState::Needed);
    assert_eq!(state(&report, "test.http"), StepState::Unknown);
    assert_eq!(state(&report, "test.approve"), StepState::Underway);
    assert!(outside.ran.lock().unwrap().is_empty());
    let calls = shop.account.world(|world| world.audit.calls());
    assert!(!calls.contains_key("lambda:Invoke"), "{calls:?}");
}
