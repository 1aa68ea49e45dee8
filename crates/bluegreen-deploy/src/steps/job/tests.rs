//! A program as a job, and what all jobs are told.

use bluegreen_core::StackReference::{A, B};

use super::{program::Program, *};
use crate::{
    Error,
    steps::testing::{Script, World},
};

const RELEASE: &str = "19700101T000000000000Z";

fn reset() -> RunJob {
    let program = Program {
        words: ["./migrate", "--fresh"].map(str::to_owned).to_vec(),
        owner: "schema.orders".to_owned(),
        limit: Duration::from_secs(60),
    };
    RunJob {
        id: StepId::new("schema.reset", "orders", B),
        job: Arc::new(program),
        effect: Effect::Destroys(B),
        deadline: Duration::from_secs(60),
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_not_run_in_this_release_is_needed_and_what_has_is_done() {
    let script = Script::default().ends(0, "");
    let world = World::new(A).outside(&script);
    let step = reset();

    assert_eq!(world.inspect(&step).await.unwrap(), not_run());
    world.apply(&step).await.unwrap();

    assert_eq!(world.inspect(&step).await.unwrap(), Inspection::Done);
    assert_eq!(step.deadline(), Some(Duration::from_secs(60)));
}

#[tokio::test(start_paused = true)]
async fn a_program_is_told_stack_release_and_key_and_the_key_stays_the_same() {
    let script = Script::default().ends(1, "").ends(0, "");
    let world = World::new(A).outside(&script);
    let step = reset();

    world.apply(&step).await.unwrap_err();
    world.apply(&step).await.unwrap();

    let commands = script.commands();
    assert_eq!(commands[0], commands[1]);
    assert_eq!(commands[0].words, ["./migrate", "--fresh"]);
    assert_eq!(commands[0].limit, Duration::from_secs(60));
    let environment = [
        ("BLUEGREEN_STACK", "b".to_owned()),
        ("BLUEGREEN_RELEASE", RELEASE.to_owned()),
        ("BLUEGREEN_STEP", format!("{RELEASE}/schema.reset/orders/b")),
    ];
    assert_eq!(
        commands[0].environment,
        environment.map(|(name, value)| (name.to_owned(), value)).to_vec()
    );
}

#[tokio::test(start_paused = true)]
async fn a_program_that_fails_is_an_error_and_has_not_run() {
    let script = Script::default().ends(3, "no such table");
    let world = World::new(A).outside(&script);
    let step = reset();

    let err = world.apply(&step).await.unwrap_err();

    assert!(matches!(err, Error::Command { .. }), "{err:?}");
    let text = err.to_string();
    assert!(text.contains("schema.orders") && text.ends_with("no such table"), "{text}");
    assert_eq!(world.inspect(&step).await.unwrap(), not_run());
}

#[tokio::test(start_paused = true)]
async fn a_step_by_itself_has_one_key_of_its_own() {
    let script = Script::default().ends(1, "").ends(0, "");
    let world = World::new(A).outside(&script);
    world.store.close_release(crate::Outcome::Done, crate::steps::testing::START).await.unwrap();
    let step = reset();

    world.apply(&step).await.unwrap_err();
    tokio::time::advance(Duration::from_secs(9)).await;
    world.apply(&step).await.unwrap();

    let [first, second] = [0, 1].map(|it| script.commands()[it].environment[2].1.clone());
    assert_eq!(first, second);
    assert!(first.starts_with("alone-") && first.ends_with("/schema.reset/orders/b"), "{first}");
}

#[tokio::test(start_paused = true)]
async fn what_runs_again_because_the_plan_has_changed_has_another_key() {
    let script = Script::default().ends(0, "").ends(1, "").ends(0, "");
    let world = World::new(A).outside(&script);
    let step = reset();

    world.apply(&step).await.unwrap();
    let happened = crate::store::Happened {
        void: vec![format!("ran/{}", step.id.key())],
        ..crate::store::Happened::new(&step.id, crate::StepEvent::Outdated, world.context().now())
    };
    world.store.happened(happened).await.unwrap();
    let seen = world.inspect(&step).await.unwrap();
    world.apply(&step).await.unwrap_err();
    world.apply(&step).await.unwrap();

    assert_eq!(seen, not_run());
    let keys: Vec<_> = script.commands().iter().map(|it| it.environment[2].1.clone()).collect();
    assert_eq!(keys[0], format!("{RELEASE}/schema.reset/orders/b"));
    assert_eq!(keys[1..], [format!("{}/2", keys[0]), format!("{}/2", keys[0])]);
}
