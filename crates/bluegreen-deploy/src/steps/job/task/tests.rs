//! A task as a job: when it is run, how it is watched, and what its end means.

use std::sync::Mutex;

use bluegreen_core::{
    Error as CoreError, Pair,
    StackReference::{A, B},
};
use bluegreen_ecs::{Container, MockEcsTaskToolkit, TaskDefinition};

use super::*;
use crate::{
    Effect, Step,
    steps::{
        job::RunJob,
        testing::{World, allowed},
    },
};

/// ECS, with the tasks that were asked for.
#[derive(Clone, Default)]
struct Ecs(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    runs: Vec<TaskRun>,
    loses_answers: usize,
    status: String,
    code: Option<i32>,
    forgotten: bool,
    /// How many other containers the newest revision has.
    others: usize,
}

impl Ecs {
    fn stops(&self, code: Option<i32>) {
        let mut inside = self.0.lock().unwrap();
        inside.status = "STOPPED".to_owned();
        inside.code = code;
    }

    fn change(&self, change: impl FnOnce(&mut Inside)) {
        change(&mut self.0.lock().unwrap());
    }

    fn tokens(&self) -> Vec<String> {
        self.0.lock().unwrap().runs.iter().map(|it| it.token.clone()).collect()
    }

    fn toolkit(&self) -> MockEcsTaskToolkit {
        let mut toolkit = MockEcsTaskToolkit::new();
        let ecs = self.clone();
        toolkit.expect_task_definition().returning(move |stack| {
            assert_eq!(stack, B);
            let mut essential = vec!["migrate".to_owned()];
            essential.extend((0..ecs.0.lock().unwrap().others).map(|it| format!("other-{it}")));
            Ok(TaskDefinition { arn: "arn:definition".to_owned(), essential })
        });
        let ecs = self.clone();
        toolkit.expect_run_task().returning(move |stack, run| {
            assert_eq!(stack, B);
            let mut inside = ecs.0.lock().unwrap();
            inside.runs.push(run);
            if inside.loses_answers > 0 {
                inside.loses_answers -= 1;
                let source = "reset".into();
                return Err(CoreError::OutcomeUnknown { operation: "ecs:RunTask", source });
            }
            inside.status = "PENDING".to_owned();
            let number = inside.runs.len();
            Ok(task(&format!("arn:aws:ecs:eu-west-1:1:task/shop/t{number}"), "PENDING", None))
        });
        let ecs = self.clone();
        toolkit.expect_task().returning(move |arn| {
            let inside = ecs.0.lock().unwrap();
            Ok((!inside.forgotten).then(|| task(arn, &inside.status, inside.code)))
        });
        toolkit
    }

    fn step(&self) -> RunJob {
        let config = EcsTaskConfig {
            cluster: "shop".to_owned(),
            definitions: Pair::from_fn(|it| format!("migrate-{it}:7")),
            launch_type: None,
            subnets: Vec::new(),
            security_groups: Vec::new(),
            assign_public_ip: None,
        };
        let job = OneTask { toolkit: Arc::new(self.toolkit()), config };
        RunJob {
            id: StepId::new("schema.reset", "orders", B),
            job: Arc::new(job),
            effect: Effect::Destroys(B),
            deadline: Duration::from_secs(3600),
        }
    }
}

fn task(arn: &str, status: &str, code: Option<i32>) -> Task {
    let container =
        |name: &str, exit_code| Container { name: name.to_owned(), exit_code, reason: None };
    Task {
        arn: arn.to_owned(),
        status: status.to_owned(),
        stopped_reason: Some("Essential container in task exited".to_owned()),
        containers: vec![container("migrate", code), container("log", Some(137))],
    }
}

fn underway(what: &str) -> Inspection {
    Inspection::Underway { what: what.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_task_is_run_once_and_watched_until_its_essential_container_has_ended_well() {
    let (ecs, world) = (Ecs::default(), World::new(A));
    let step = ecs.step();

    assert_eq!(world.inspect(&step).await.unwrap(), not_run());
    world.apply(&step).await.unwrap();
    assert_eq!(world.inspect(&step).await.unwrap(), underway("task `t1` (PENDING)"));
    ecs.change(|it| it.status = "RUNNING".to_owned());
    assert_eq!(world.inspect(&step).await.unwrap(), underway("task `t1` (RUNNING)"));
    ecs.stops(Some(0));

    assert_eq!(world.inspect(&step).await.unwrap(), Inspection::Done);
    assert_eq!(ecs.tokens().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_told_stack_release_and_key_and_has_a_token_that_aws_takes() {
    let (ecs, world) = (Ecs::default(), World::new(A));

    world.apply(&ecs.step()).await.unwrap();

    let run = ecs.0.lock().unwrap().runs[0].clone();
    assert_eq!(run.containers, ["migrate"]);
    assert_eq!(run.environment[0], ("BLUEGREEN_STACK".to_owned(), "b".to_owned()));
    let key = "19700101T000000000000Z/schema.reset/orders/b".to_owned();
    assert_eq!(run.environment[2], ("BLUEGREEN_STEP".to_owned(), key));
    assert!(run.token.len() <= 64 && run.token.bytes().all(|it| it.is_ascii_graphic()));
    assert_eq!(run.started_by, "bluegreen/19700101T000000000000Z");
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_the_same_token_is_sent_again() {
    let (ecs, world) = (Ecs::default(), World::new(A));
    ecs.change(|it| it.loses_answers = 1);
    let step = ecs.step();

    world.apply(&step).await.unwrap_err();
    assert_eq!(world.inspect(&step).await.unwrap(), not_run());
    world.apply(&step).await.unwrap();

    let tokens = ecs.tokens();
    assert_eq!(tokens[0], tokens[1]);
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_the_same_call_is_made_though_there_is_another_revision() {
    let (ecs, world) = (Ecs::default(), World::new(A));
    ecs.change(|it| it.loses_answers = 1);
    world.apply(&ecs.step()).await.unwrap_err();
    ecs.change(|it| it.others = 1);

    world.apply(&ecs.step()).await.unwrap();

    let runs = ecs.0.lock().unwrap().runs.clone();
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test(start_paused = true)]
async fn when_a_call_that_got_no_answer_is_refused_the_next_try_looks_at_the_definition_again() {
    let (ecs, world) = (Ecs::default(), World::new(A));
    let step = ecs.step();
    ecs.change(|it| it.loses_answers = 1);
    world.apply(&step).await.unwrap_err();
    ecs.change(|it| it.others = 1);
    world.failed(&step).await;

    world.apply(&step).await.unwrap();

    let runs = ecs.0.lock().unwrap().runs.clone();
    assert_eq!(runs[1].containers, ["migrate", "other-0"]);
    assert_eq!(runs[0].token, runs[1].token);
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_on_with_the_release_watches_the_same_task() {
    let (ecs, world) = (Ecs::default(), World::new(A));
    world.apply(&ecs.step()).await.unwrap();
    ecs.stops(Some(0));

    assert_eq!(world.inspect(&ecs.step()).await.unwrap(), Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn a_failed_task_fails_the_step_and_is_run_anew_when_that_is_tried_again() {
    let (ecs, world) = (Ecs::default(), World::new(A));
    let step = ecs.step();
    world.apply(&step).await.unwrap();
    let unended = || {
        let release = world.store.release().unwrap();
        release.unended_tasks().iter().map(|it| it.1.map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(unended(), [Some("arn:aws:ecs:eu-west-1:1:task/shop/t1".to_owned())]);
    ecs.stops(Some(3));

    let err = world.inspect(&step).await.unwrap_err();
    assert_eq!(unended(), []);
    let text = err.to_string();
    assert_eq!(
        text,
        "task `t1` of `migrate-b:7` has failed: container `migrate` ended with 3: Essential container in \
         task exited"
    );
    world.failed(&step).await;

    let seen = world.inspect(&step).await.unwrap();
    assert!(matches!(&seen, Inspection::Needed { to, .. } if to == "run again"), "{seen:?}");
    world.apply(&step).await.unwrap();
    let tokens = ecs.tokens();
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!(world.inspect(&step).await.unwrap(), underway("task `t2` (PENDING)"));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_runs_again_because_the_plan_has_changed_has_another_token() {
    let (ecs, world) = (Ecs::default(), World::new(A));
    let step = ecs.step();
    world.apply(&step).await.unwrap();
    let happened = crate::store::Happened {
        void: vec![format!("task/{}", step.id.key())],
        ..crate::store::Happened::new(&step.id, crate::StepEvent::Outdated, world.context().now())
    };
    world.store.happened(happened).await.unwrap();

    world.apply(&step).await.unwrap();

    assert_ne!(ecs.tokens()[0], ecs.tokens()[1]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_still_runs_after_the_step_has_failed_is_watched_on() {
    let (ecs, world) = (Ecs::default(), World::new(A));
    let step = ecs.step();
    world.apply(&step).await.unwrap();
    world.failed(&step).await;

    assert_eq!(world.inspect(&step).await.unwrap(), underway("task `t1` (PENDING)"));
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_not_ended_by_a_task_that_has_failed() {
    let (ecs, world) = (Ecs::default(), World::new(A));
    let step = ecs.step();
    world.apply(&step).await.unwrap();
    ecs.stops(None);
    let world = world.planning();

    let seen = world.inspect(&step).await.unwrap();

    assert!(
        matches!(&seen, Inspection::Underway { what } if what.contains("has no exit code")),
        "{seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ecs_does_not_show_yet_is_waited_for_and_a_forgotten_one_is_run_again() {
    let (ecs, world) = (Ecs::default(), World::new(A));
    let step = ecs.step();
    world.apply(&step).await.unwrap();
    ecs.change(|it| it.forgotten = true);

    assert_eq!(world.inspect(&step).await.unwrap(), underway("ECS to show task `t1`"));
    tokio::time::advance(HIDDEN).await;
    let seen = world.inspect(&step).await.unwrap();

    assert!(matches!(&seen, Inspection::Needed { to, .. } if to == "run again"), "{seen:?}");
    assert!(world.warnings()[0].contains("has forgotten task `t1`"), "{:?}", world.warnings());
}

#[test]
fn the_hash_is_that_of_fnv_in_every_version() {
    assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
}

#[test]
fn permissions_name_definition_cluster_and_to_whom_roles_are_passed() {
    let permissions = Ecs::default().step().permissions();

    let allowed = allowed(&permissions);
    assert!(allowed.contains(&("ecs:RunTask", "task-definition/migrate-b:7")), "{allowed:?}");
    assert!(allowed.contains(&("ecs:DescribeTasks", "task/shop/*")), "{allowed:?}");
    assert!(allowed.contains(&("ecs:DescribeTaskDefinition", "*")), "{allowed:?}");
    let pass = permissions.iter().find(|it| it.action == "iam:PassRole").unwrap();
    let narrowed = &pass.wildcard.as_ref().unwrap().conditions;
    assert_eq!(narrowed["iam:PassedToService"], ["ecs-tasks.amazonaws.com"]);
}
