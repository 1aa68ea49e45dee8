//! Releases that are interrupted, and two at once.

use std::process::Command;

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use crate::{
    shop::{Run, Shop},
    world::mirrored,
};

/// Reads what the command says until it says `text`.
pub(crate) async fn says(child: &mut Child, text: &str) {
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let mut said = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let found = line.contains(text);
        said.push(line);
        if found {
            return;
        }
    }
    panic!("it never said `{text}`: {said:#?}");
}

/// Sends a process the signal `name`: `INT`, `STOP`, `CONT`.
pub(crate) fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_release_that_is_interrupted_has_the_stack_to_itself_and_goes_on() {
    let mut shop = Shop::new("interrupted").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.add_subscriptions("catalogue", "ingest").await;
    shop.add_services("worker").await;
    shop.add_alarms("pages").await;
    shop.adopt().await;
    let before = shop.look_at_switches().await;
    shop.write_file("1h");

    let mut first = shop.start(&["deploy", "--to", "b", "--json"]);
    says(&mut first, "the end of the hold").await;
    let meanwhile = shop.bluegreen(&["deploy", "--to", "b", "--json"]).await;
    signal(&first, "INT");
    let first: Run = first.wait_with_output().await.unwrap().into();
    let held = shop.look().await;
    let other = shop.bluegreen(&["deploy", "--to", "a", "--json"]).await;
    let step = shop.bluegreen(&["step", "sqs.purge", "--stack", "a", "--json"]).await;
    let unchanged = shop.look().await;
    // The hold is a part of the plan, and only an override shortens it.
    let enough = ["override", "release.hold", "--reason", "the tests have seen enough", "--yes"];
    shop.bluegreen(&enough).await.ended_with(0);
    let second = shop.bluegreen(&["deploy", "--to", "b", "--json"]).await;

    assert_eq!(meanwhile.code, 4, "{meanwhile:?}");
    assert_eq!(meanwhile.json()["outcome"], "locked");
    assert_eq!(first.code, 130, "{first:?}");
    assert_eq!(
        (&first.json()["outcome"], &first.json()["active"]),
        (&"interrupted".into(), &"b".into())
    );
    // Both stacks are fed, and nothing of the old one was turned off.
    assert_eq!(held["subscription of ingest-a"], before["subscription of ingest-a"]);
    assert_eq!(held["subscription of ingest-b"], before["subscription of ingest-a"]);
    assert_eq!((other.code, step.code), (3, 3), "{other:?} {step:?}");
    assert!(other.stderr.contains("`bluegreen deploy --to b`"), "{other:?}");
    assert_eq!(unchanged, held);
    assert_eq!(second.code, 0, "{second:?}");
    let second = second.json();
    assert_eq!(
        (&second["outcome"], &second["release"]),
        (&"done".into(), &first.json()["release"])
    );
    // What has succeeded is not done again.
    let again = second["steps"].as_array().unwrap().iter().find(|it| it["phase"] == "prepare");
    assert_eq!(again, None);
    assert_eq!(shop.look_at_switches().await, mirrored(&before));
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_release_whose_process_dies_goes_on_where_it_was() {
    let mut shop = Shop::new("killed").await;
    shop.add_clusters("orders", "").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.add_subscriptions("catalogue", "ingest").await;
    shop.add_functions("ingest", "mappings = \"mirror\"\nrules = \"mirror\"").await;
    shop.add_services("worker").await;
    shop.add_alarms("pages").await;
    shop.adopt().await;
    let before = shop.look_at_switches().await;

    let mut killed = Vec::new();
    for at in [
        "sns.enable catalogue on b",
        "lambda.enable-mappings ingest on b",
        "sns.disable catalogue on a",
    ] {
        let mut child = shop.start(&["deploy", "--to", "b", "--json"]);
        says(&mut child, at).await;
        child.kill().await.unwrap();
        killed.push(shop.bluegreen(&["status", "--json"]).await.ended_with(0).json());
    }
    let last = shop.bluegreen(&["deploy", "--to", "b", "--json"]).await.ended_with(0).json();

    let releases: Vec<_> = killed.iter().map(|it| &it["release"]["id"]).collect();
    assert!(releases.iter().all(|it| **it == last["release"]), "{releases:?}");
    assert_eq!((&last["outcome"], &last["active"]), (&"done".into(), &"b".into()));
    // Neither filter, nor alarms, nor anything else that a person has set was lost on the way.
    assert_eq!(shop.look_at_switches().await, mirrored(&before));
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_release_whose_step_fails_pauses_and_goes_on_when_that_is_mended() {
    let mut shop = Shop::new("paused").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.add_services("worker").await;
    shop.declare(
        "[traffic.web]\nmover = \"command\"\n\
         move = [\"sh\", \"-c\", \"test -e mended && echo $$BLUEGREEN_STACK > traffic\"]\n\
         observe = [\"cat\", \"traffic\"]"
            .to_owned(),
    );
    shop.say_nothing_about_traffic();
    shop.set_traffic("a");
    shop.adopt().await;

    let paused = shop.bluegreen(&["deploy", "--to", "b", "--json"]).await;
    std::fs::write(shop.path().join("mended"), "").unwrap();
    let done = shop.bluegreen(&["deploy", "--to", "b", "--json"]).await;

    assert_eq!(paused.code, 1, "{paused:?}");
    let report = paused.json();
    assert_eq!((&report["outcome"], &report["active"]), (&"paused".into(), &"a".into()));
    assert!(paused.stderr.contains("traffic.web"), "{paused:?}");
    assert_eq!(done.code, 0, "{done:?}");
    let report = done.json();
    assert_eq!((&report["outcome"], &report["active"]), (&"done".into(), &"b".into()));
}
