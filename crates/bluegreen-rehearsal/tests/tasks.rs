//! Whole releases with a schema that ECS tasks reset and fill, in a simulated account.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bluegreen_core::StackReference::{self, A, B};
use bluegreen_deploy::{
    Event, Outcome, Phase, Pointer, Report, StepState, Store, stack_file::StackFile,
};
use bluegreen_rehearsal::{Options, account, connect, rehearse};
use bluegreen_sim::{Fault, FaultRule, Faults, Settings, SimulatedAccount, Task, TaskRun};

/// A shop whose database two tasks prepare, one with a revision and one without.
const SHOP: &str = r#"
name = "shop"
region = "eu-west-1"
traffic = "none"

[release]
hold = "0s"

[aurora.orders]
clusters = { a = "orders-a", b = "orders-b" }

[ecs.worker]
cluster = "shop"
services = { a = "worker-a", b = "worker-b" }
desired-tasks = 2

[schema.orders.reset.task]
cluster = "jobs"
definitions = { a = "reset-a:7", b = "reset-b:7" }

[schema.orders.hydrate.task]
cluster = "jobs"
definitions = { a = "hydrate-a", b = "hydrate-b" }
"#;

/// The account of the shop while releases run in it, with stack a in production at the beginning.
struct Shop {
    file: StackFile,
    account: SimulatedAccount,
    store: Store,
    /// What a step was waiting for, each with the step.
    waits: Arc<Mutex<Vec<String>>>,
}

fn file() -> StackFile {
    StackFile::parse(SHOP, Path::new("bluegreen.toml"), &|_| None).unwrap()
}

fn shop() -> Shop {
    let file = file();
    let account = account(&file, A, Settings::default());
    let pointer = Pointer { active: A, since: account.clock().now(), reason: "test".to_owned() };
    let store = Store::in_memory(&file.name, pointer);
    Shop { file, account, store, waits: Arc::default() }
}

impl Shop {
    /// Runs a release as a process of its own does.
    async fn deploy(&self, to: StackReference) -> Report {
        let waits = Arc::clone(&self.waits);
        let watcher = Arc::new(move |event: Event| {
            if let Event::StepWaits { step, waiting_for, .. } = event {
                waits.lock().unwrap().push(format!("{step}: {waiting_for}"));
            }
        });
        let engine = connect(&self.file, &self.account, &self.account.sdk_config()).unwrap();
        let engine = engine.with_watcher(watcher);
        let plan = engine.plan(to).unwrap();
        engine.deploy(&self.store, &plan, Phase::Retire).await.unwrap()
    }

    /// Runs a release to b that dies on its way.
    async fn dies(&self, faults: Faults) {
        self.account.set_faults(faults);
        tokio::select! {
            biased;
            () = self.account.caller_died() => {}
            report = self.deploy(B) => panic!("it did not die: {report:#?}"),
        }
    }

    /// Returns the tasks that have run, those of one family.
    fn tasks(&self, family: &str) -> Vec<Task> {
        let own = |it: &&Task| it.family == family;
        self.account.world(|world| world.ecs.tasks().filter(own).cloned().collect())
    }

    /// Returns the tokens of all calls that start a task, in their order.
    fn tokens(&self) -> Vec<String> {
        self.account.world(|world| {
            let records = world.audit.records().iter().filter(|it| it.operation == "RunTask");
            records.map(|it| it.parameters["clientToken"].as_str().unwrap().to_owned()).collect()
        })
    }

    /// Says what the tasks of a family end with from now on, and after which time.
    fn set_run(&self, family: &str, exit_code: Option<i32>, seconds: u64) {
        let run = TaskRun { exit_code, lasts: Duration::from_secs(seconds), failure: None };
        self.account.world(|world| world.set_task_run(family, run));
    }

    /// Returns the number of the last call about a task of `step`, of all calls of a release without faults.
    async fn last_call(step: &str) -> usize {
        let shop = shop();
        assert_eq!(shop.deploy(B).await.outcome, Outcome::Done);
        let own = |it: &Option<String>| it.as_deref() == Some(step);
        shop.account
            .world(|world| world.audit.records().iter().rposition(|it| own(&it.step)).unwrap())
    }
}

fn distinct(tokens: &[String]) -> usize {
    tokens.iter().collect::<BTreeSet<_>>().len()
}

#[tokio::test(start_paused = true)]
async fn each_task_runs_once_in_a_release_and_is_told_what_makes_it_unlike_any_other() {
    let shop = shop();

    let there = shop.deploy(B).await;
    let back = shop.deploy(A).await;

    assert_eq!((there.outcome, back.outcome), (Outcome::Done, Outcome::Done), "{there:#?}");
    let mut keys = BTreeSet::new();
    for (family, stack, step, report) in [
        ("reset-b", "b", "schema.reset/orders/b", &there),
        ("hydrate-b", "b", "schema.hydrate/orders/b", &there),
        ("reset-a", "a", "schema.reset/orders/a", &back),
        ("hydrate-a", "a", "schema.hydrate/orders/a", &back),
    ] {
        let [task] = &shop.tasks(family)[..] else { panic!("{family}: {:?}", shop.tasks(family)) };
        let release = report.release.as_deref().unwrap();
        assert_eq!((task.cluster.as_str(), task.exit_code), ("jobs", Some(0)));
        assert_eq!(task.started_by, Some(format!("bluegreen/{release}")));
        assert_eq!(task.environment("BLUEGREEN_STACK"), Some(stack));
        assert_eq!(task.environment("BLUEGREEN_RELEASE"), Some(release));
        let key = task.environment("BLUEGREEN_STEP").unwrap();
        assert_eq!(key, format!("{release}/{step}"));
        keys.insert(key.to_owned());
    }
    assert_eq!((keys.len(), distinct(&shop.tokens())), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn while_a_task_runs_the_step_tells_how_it_is_and_what_comes_after_it_waits() {
    let shop = shop();
    shop.set_run("reset-b", Some(0), 1_800);

    let report = shop.deploy(B).await;

    assert_eq!(report.outcome, Outcome::Done, "{report:#?}");
    let [reset] = &shop.tasks("reset-b")[..] else { panic!("one task") };
    let id = reset.arn.rsplit('/').next().unwrap();
    let waits = shop.waits.lock().unwrap();
    for what in ["PENDING", "RUNNING"] {
        let told = format!("schema.reset orders on b: task `{id}` ({what})");
        assert!(waits.contains(&told), "{told}: {waits:?}");
    }
    let took = |name: &str| report.steps.iter().find(|it| it.step.name == name).unwrap().took;
    assert!(took("schema.reset").unwrap() >= Duration::from_secs(1_800));
    shop.account.world(|world| {
        let runs = world.audit.records().iter().filter(|it| it.operation == "RunTask");
        let [first, second] = runs.map(|it| it.at).collect::<Vec<_>>()[..] else { panic!("two") };
        assert!(second - first >= Duration::from_secs(1_800), "{first:?} {second:?}");
    });
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_badly_pauses_the_release_and_is_run_anew_with_the_same_command() {
    for exit_code in [Some(3), None] {
        let shop = shop();
        shop.set_run("reset-b", exit_code, 30);

        let first = shop.deploy(B).await;
        let hydrated = shop.tasks("hydrate-b").len();
        shop.set_run("reset-b", Some(0), 30);
        let second = shop.deploy(B).await;

        assert_eq!((first.outcome, first.active), (Outcome::Paused, A), "{first:#?}");
        let failed = first.steps.iter().find(|it| it.step.name == "schema.reset").unwrap();
        let said = match exit_code {
            Some(_) => "container `main` ended with 3: Essential container in task exited",
            None => "container `main` has no exit code: CannotPullContainerError",
        };
        assert_eq!(failed.state, StepState::Failed);
        assert!(failed.error.as_ref().unwrap().contains(said), "{failed:?}");
        assert_eq!(hydrated, 0, "nothing is filled that was not reset");
        assert_eq!((second.outcome, second.active), (Outcome::Done, B), "{second:#?}");
        assert_eq!((shop.tasks("reset-b").len(), shop.tasks("hydrate-b").len()), (2, 1));
        assert_eq!(distinct(&shop.tokens()), 3, "{:?}", shop.tokens());
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_the_call_that_starts_a_task_starts_it_once() {
    for fault in [Fault::DiesBefore, Fault::DiesAfter, Fault::LostAfter] {
        let shop = shop();
        let target = "ecs:RunTask".to_owned();
        let faults = Faults::none().with(FaultRule { target, fault, times: Some(1) });

        match fault {
            Fault::LostAfter => shop.account.set_faults(faults),
            _ => shop.dies(faults).await,
        }
        let report = shop.deploy(B).await;

        assert_eq!(report.outcome, Outcome::Done, "{fault:?}: {report:#?}");
        assert_eq!(shop.tasks("reset-b").len(), 1, "{fault:?}");
        let tokens = shop.tokens();
        // The one that resets is asked for twice, under the same token; then comes the one that hydrates.
        assert_eq!((tokens.len(), distinct(&tokens)), (3, 2), "{fault:?}: {tokens:?}");
        assert_eq!(tokens[0], tokens[1], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_while_a_task_runs_or_when_it_has_ended_goes_on_with_the_same_task() {
    let last = Shop::last_call("schema.reset orders on b").await;
    let first_of_next = last + 1;
    for (call, fault) in [
        (last, Fault::DiesBefore),
        (last, Fault::DiesAfter),
        // By now its success is in the journal.
        (first_of_next, Fault::DiesBefore),
    ] {
        let shop = shop();
        shop.dies(Faults::none().at_call(call, fault, Some(1))).await;
        let ran = shop.tasks("reset-b");
        let noted = shop.store.release().unwrap().journal.succeeded();

        let report = shop.deploy(B).await;

        let is_noted = noted.contains_key("schema.reset/orders/b");
        assert_eq!(is_noted, call == first_of_next, "call {call} {fault:?}: {noted:?}");
        assert_eq!(report.outcome, Outcome::Done, "call {call} {fault:?}: {report:#?}");
        let tasks = shop.tasks("reset-b");
        assert_eq!((ran.len(), tasks.len()), (1, 1), "call {call} {fault:?}");
        assert_eq!(tasks[0].arn, ran[0].arn);
        assert_eq!(shop.tasks("hydrate-b").len(), 1, "call {call} {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_definition_that_is_not_there_ends_the_release_before_anything_is_changed() {
    let text = SHOP.replace("reset-b:7", "reset-b:8");
    let asked = StackFile::parse(&text, Path::new("bluegreen.toml"), &|_| None).unwrap();
    let shop = Shop { file: asked, ..shop() };

    let report = shop.deploy(B).await;

    assert_eq!(report.outcome, Outcome::Failed);
    let missing = "[schema.orders]: task definition `reset-b:8` does not exist";
    assert_eq!(report.missing, [missing]);
    assert!(shop.store.release().is_none() && shop.tokens().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_runs_the_tasks_of_its_stack_file() {
    let options = Options { to: B, settings: Settings::default(), faults: Faults::none() };

    let rehearsal = rehearse(&file(), options, Arc::new(|_| {})).await.unwrap();

    assert_eq!(rehearsal.report.outcome, Outcome::Done, "{:#?}", rehearsal.report);
    let calls = rehearsal.account.world(|world| world.audit.calls());
    assert_eq!(calls["ecs:RunTask"], 2);
}
