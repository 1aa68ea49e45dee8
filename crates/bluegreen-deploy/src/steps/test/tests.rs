//! Programs and people as gates.

use std::time::Duration;

use bluegreen_core::StackReference::{A, B};

use super::*;
use crate::{
    Error, Verdict,
    stack_file::TestKind,
    steps::testing::{Script, World},
};

fn test(kind: Kind) -> Arc<dyn Step> {
    let settings = TestSettings {
        written: Default::default(),
        name: "smoke".to_owned(),
        line: 7,
        kind: TestKind::Command(Vec::new()),
        deadline: Duration::from_secs(90),
    };
    Arc::new(Test::new(&settings, kind)).steps(B).remove(0)
}

fn program() -> Arc<dyn Step> {
    test(Kind::Command(vec!["./smoke".to_owned()]))
}

fn approval() -> Arc<dyn Step> {
    test(Kind::Approve("the shop looks right".to_owned()))
}

fn verdict(approved: bool, reason: Option<&str>) -> Verdict {
    Verdict { approved, who: "ann".to_owned(), reason: reason.map(str::to_owned) }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_ends_well_passes_and_finds_the_stack() {
    let script = Script::default().ends(0, "");
    let world = World::new(A).outside(&script);

    assert_eq!(world.inspect(program().as_ref()).await.unwrap(), Inspection::Done);

    let command = &script.commands()[0];
    assert_eq!((command.owner.as_str(), command.limit), ("test.smoke", Duration::from_secs(90)));
    assert_eq!(command.environment[0].1, "b");
    assert!(command.environment[2].1.ends_with("/test.command/smoke/b"), "{command:?}");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_is_not_sure_asks_a_person_and_another_end_fails() {
    let script = Script::default().ends(2, "one of three slow").ends(1, "no answer");
    let world = World::new(A).outside(&script);

    let unsure = world.inspect(program().as_ref()).await.unwrap();
    let failed = world.inspect(program().as_ref()).await.unwrap_err();

    assert!(
        matches!(&unsure, Inspection::Inconclusive { reason } if reason.contains("one of three slow")),
        "{unsure:?}"
    );
    assert!(
        matches!(&failed, Error::Command { what, .. } if what.ends_with("no answer")),
        "{failed}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_program_is_run_before_its_turn() {
    let script = Script::default();
    let world = World::new(A).outside(&script).planning();

    assert_eq!(world.inspect(program().as_ref()).await.unwrap(), not_yet());
    assert_eq!(script.commands(), []);
}

#[tokio::test(start_paused = true)]
async fn without_a_verdict_a_person_is_asked_with_the_sentence() {
    let world = World::new(A);

    let seen = world.inspect(approval().as_ref()).await.unwrap();

    let Inspection::Inconclusive { reason } = seen else { panic!("{seen:?}") };
    assert!(
        reason.contains("the shop looks right") && reason.contains("`bluegreen approve smoke`")
    );
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_the_release_has_noted_passes_or_fails_with_who_and_why() {
    let world = World::new(A);
    let say = async |verdict: Verdict| {
        world.context().set_note("verdict/smoke", &verdict).await.unwrap();
    };

    say(verdict(true, None)).await;
    assert_eq!(world.inspect(approval().as_ref()).await.unwrap(), Inspection::Done);
    say(verdict(false, Some("prices are missing"))).await;
    let err = world.inspect(approval().as_ref()).await.unwrap_err();

    assert_eq!(err.to_string(), "`the shop looks right` was rejected by ann: prices are missing");
}

#[tokio::test(start_paused = true)]
async fn a_verdict_from_elsewhere_counts_where_the_release_has_none() {
    let script = Script::default().says(verdict(true, None));
    let world = World::new(A).outside(&script);

    assert_eq!(world.inspect(approval().as_ref()).await.unwrap(), Inspection::Done);
    world.context().set_note("verdict/smoke", &verdict(false, None)).await.unwrap();
    assert!(world.inspect(approval().as_ref()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_plan_waits_for_a_person_whatever_was_rejected() {
    let world = World::new(A).planning();

    let nobody = world.inspect(approval().as_ref()).await.unwrap();
    world.context().set_note("verdict/smoke", &verdict(false, None)).await.unwrap();
    let rejected = world.inspect(approval().as_ref()).await.unwrap();

    let expected = "a person's verdict: the shop looks right".to_owned();
    assert_eq!(nobody, Inspection::Underway { what: expected });
    assert_eq!(rejected, nobody);
}

#[test]
fn a_test_has_its_own_deadline_and_is_not_in_the_status() {
    let settings = TestSettings {
        written: Default::default(),
        name: "smoke".to_owned(),
        line: 7,
        kind: TestKind::Approve(String::new()),
        deadline: Duration::from_secs(90),
    };
    let test = Arc::new(Test::new(&settings, Kind::Approve(String::new())));

    assert!(!test.has_status());
    assert_eq!(test.declaration().key(), "test.smoke");
    let step = test.steps(B).remove(0);
    assert_eq!(step.deadline(), Some(Duration::from_secs(90)));
    assert_eq!(step.id().to_string(), "test.approve smoke on b");
}
