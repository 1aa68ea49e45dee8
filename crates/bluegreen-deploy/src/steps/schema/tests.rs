//! The steps of a schema.

use bluegreen_core::StackReference::{A, B};

use super::*;
use crate::{
    Inspection,
    stack_file::{JobKind, JobSettings},
    steps::{Program, testing::World},
};

fn settings(seconds: u64) -> JobSettings {
    let kind = JobKind::Command(vec!["./migrate".to_owned()]);
    JobSettings { kind, deadline: Duration::from_secs(seconds) }
}

fn job() -> Arc<dyn Job> {
    let limit = Duration::from_secs(1);
    Arc::new(Program {
        words: vec!["./migrate".to_owned()],
        owner: "schema.orders".to_owned(),
        limit,
    })
}

fn schema(hydrates: bool) -> Arc<Schema> {
    let resource = stack_file::Resource {
        name: "orders".to_owned(),
        line: 3,
        skip: Default::default(),
        after: None,
        optional: false,
        written: Default::default(),
        settings: SchemaSettings {
            reset: Some(settings(60)),
            hydrate: hydrates.then(|| settings(7200)),
        },
    };
    Arc::new(Schema::new(&resource, Some(job()), hydrates.then(job)))
}

#[test]
fn both_steps_are_destructive_cannot_be_taken_back_and_have_their_own_deadlines() {
    let steps = schema(true).steps(B);

    let names: Vec<String> = steps.iter().map(|it| it.id().to_string()).collect();
    assert_eq!(names, ["schema.reset orders on b", "schema.hydrate orders on b"]);
    for step in &steps {
        assert_eq!(step.effect(), Effect::Destroys(B));
        assert!(step.undo().is_none());
    }
    let deadlines = steps.iter().map(|it| it.deadline().unwrap().as_secs());
    assert_eq!(deadlines.collect::<Vec<_>>(), [60, 7200]);
}

#[test]
fn what_is_not_given_has_no_step() {
    assert_eq!(schema(false).steps(B).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_step_does_not_make_the_other_done() {
    let script = crate::steps::testing::Script::default().ends(0, "");
    let world = World::new(A).outside(&script);
    let steps = schema(true).steps(B);

    world.apply(steps[0].as_ref()).await.unwrap();

    assert_eq!(world.inspect(steps[0].as_ref()).await.unwrap(), Inspection::Done);
    let hydrate = world.inspect(steps[1].as_ref()).await.unwrap();
    assert!(matches!(hydrate, Inspection::Needed { .. }), "{hydrate:?}");
}
