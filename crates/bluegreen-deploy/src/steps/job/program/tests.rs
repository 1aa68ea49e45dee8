//! Programs that must not outlive this process, nor run twice at once.

use std::path::Path;

use bluegreen_core::StackReference::{A, B};
use tokio::time::Instant;

use super::*;
use crate::{
    MemoryStorage,
    steps::testing::{Script, World},
};

const NOTE: &str = "running/schema.hydrate/orders/b";

fn program(script: &str) -> Program {
    Program {
        words: ["sh", "-c", script].map(str::to_owned).to_vec(),
        owner: "schema.orders".to_owned(),
        limit: Duration::from_secs(60),
    }
}

fn step() -> StepId {
    StepId::new("schema.hydrate", "orders", B)
}

async fn start(world: &World, script: &str) -> Result<()> {
    program(script).start(&world.context(), &step()).await
}

/// Notes that a program which nobody has seen end was started on `host`.
async fn note(world: &World, host: Option<&str>, process: u32) -> Running {
    let context = world.context();
    let running = Running {
        host: host.map(str::to_owned),
        since: Moment(context.now()),
        // What other tests run is found on this machine as well.
        step: format!("{} of {process}", Run::of(&context, &step()).await.unwrap().key()),
        process: Some(process),
    };
    context.set_note(NOTE, &Some(&running)).await.unwrap();
    running
}

fn noted(world: &World) -> Option<Running> {
    world.context().note::<Option<Running>>(NOTE).unwrap().flatten()
}

/// Returns whether a program that would do so after two seconds has left something behind.
async fn outlives(folder: &Path) -> bool {
    let (began, patience) = (Instant::now(), Duration::from_secs(3));
    while !folder.join("outlived").exists() && began.elapsed() < patience {
        tokio::task::yield_now().await;
    }
    folder.join("outlived").exists()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn while_one_from_before_is_alive_no_second_is_started_and_then_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(A).in_folder(folder.path());
    let running = note(&world, host().as_deref(), 1).await;
    let mut child = std::process::Command::new("sleep")
        .arg("120")
        .env("BLUEGREEN_STEP", &running.step)
        .spawn()
        .unwrap();

    let beside = start(&world, "touch ran").await.unwrap_err();
    let ran_beside = folder.path().join("ran").exists();
    child.kill().unwrap();
    child.wait().unwrap();
    start(&world, "touch ran").await.unwrap();

    assert!(matches!(beside, Error::Refused { .. }), "{beside:?}");
    let text = beside.to_string();
    assert!(text.contains("[schema.orders]"), "{text}");
    assert!(text.contains(&format!("as process {}", child.id())), "{text}");
    assert!(!ran_beside && folder.path().join("ran").exists());
    assert!(noted(&world).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_has_become_of_one_on_another_machine_cannot_be_known_and_is_said() {
    let script = Script::default().ends(0, "");
    let world = World::new(A).outside(&script);
    note(&world, Some("builds-7"), 4711).await;

    start(&world, "").await.unwrap();

    assert_eq!(script.commands().len(), 1);
    let [warning] = world.warnings().try_into().unwrap();
    assert!(warning.contains("as process 4711 on builds-7"), "{warning}");
    assert!(warning.contains("cannot be known"), "{warning}");
}

#[tokio::test]
async fn while_it_runs_machine_and_process_are_noted_and_afterwards_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(A).in_folder(folder.path());

    let (ended, running) = tokio::join!(start(&world, "echo $$; sleep 0.5"), async {
        while noted(&world).is_none_or(|it| it.process.is_none()) {
            tokio::task::yield_now().await;
        }
        noted(&world).unwrap()
    });

    ended.unwrap();
    assert_eq!(running.host, host());
    assert!(running.step.ends_with("/schema.hydrate/orders/b"), "{}", running.step);
    assert!(noted(&world).is_none());
}

#[cfg(unix)]
#[tokio::test]
async fn it_is_killed_with_what_it_has_started_when_the_lease_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let storage = MemoryStorage::new(Some(Duration::from_secs(1)));
    let world = World::leased(A, storage.clone()).in_folder(folder.path());

    let (ended, ()) = tokio::join!(start(&world, "(sleep 2; touch outlived) & wait"), async {
        while noted(&world).is_none_or(|it| it.process.is_none()) {
            tokio::task::yield_now().await;
        }
        storage.end_lease();
        world.store.keep_lease().await;
    });

    assert!(matches!(ended, Err(Error::LeaseLost { .. })), "{ended:?}");
    assert!(!outlives(folder.path()).await);
}

#[cfg(unix)]
#[tokio::test]
async fn it_is_killed_with_what_it_has_started_when_told_to_stop_and_that_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(A).in_folder(folder.path());

    let (ended, ()) = tokio::join!(start(&world, "(sleep 2; touch outlived) & wait"), async {
        while noted(&world).is_none_or(|it| it.process.is_none()) {
            tokio::task::yield_now().await;
        }
        world.cancel.cancel();
    });

    assert!(crate::run::interrupts(&ended.unwrap_err()));
    assert!(noted(&world).is_none());
    assert!(!outlives(folder.path()).await);
}

#[tokio::test(start_paused = true)]
async fn the_last_line_that_it_wrote_is_what_the_step_waits_for() {
    let world = World::new(A).outside(&Script::default().ends(0, ""));

    start(&world, "").await.unwrap();

    assert_eq!(world.waited(), ["`sh`", "`sh` (40 %)"]);
}
