//! Searches for releases that harm, in simulated accounts: by chance, and exhaustively in the corner shop.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    cargo::{self, Programs},
    stages::{Counts, Stages},
};

/// How many seeds continuous integration tries.
const SEEDS: &str = "6000";

/// The stages that search.
const SEARCHES: [&str; 2] = ["search by chance", "search of every call"];

/// How many whole deployments the search must make a second, and how long the search of every call may take.
const AT_LEAST: &str = "20";
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// How long the rehearsal of the example shop may take. Built for speed it takes a tenth of what it takes here.
const REHEARSAL: Duration = Duration::from_secs(10);

/// Builds the search, and runs it with the arguments that were typed.
///
/// # Errors
///
/// When it finds something, or cannot be built.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    println!("building for speed (some minutes the first time)");
    let programs = build(root)?;
    cargo::run(Command::new(programs.binary("bluegreen-search")?).args(arguments))
}

/// Runs the stages of continuous integration, with the `programs` that are built to be tested.
pub(crate) fn add(stages: &mut Stages, root: &Path, programs: &Programs) {
    stages.make("rehearsal", || rehearse(root, programs));
    let Some(programs) = stages.make("release build", || build(root)) else {
        for name in SEARCHES {
            stages.skip(name, "it does not build");
        }
        return;
    };
    let [by_chance, of_every_call] = SEARCHES;
    stages.run(by_chance, || search(&programs, &["--seeds", SEEDS, "--at-least", AT_LEAST]));
    stages.run(of_every_call, || search_every_call(&programs));
}

/// Notes that the stages do not run, and why.
pub(crate) fn skip(stages: &mut Stages, why: &str) {
    for name in ["rehearsal"].into_iter().chain(SEARCHES) {
        stages.skip(name, why);
    }
}

fn build(root: &Path) -> Result<Programs> {
    cargo::build(root, &["--release", "--package", "bluegreen-search"])
}

fn search(programs: &Programs, arguments: &[&str]) -> Result<Counts> {
    cargo::tests(Command::new(programs.binary("bluegreen-search")?).args(arguments))
}

#[expect(clippy::disallowed_methods, reason = "it is about the time that people wait")]
fn search_every_call(programs: &Programs) -> Result<Counts> {
    let began = Instant::now();
    let counts = search(programs, &["--exhaustively"])?;
    let took = began.elapsed();
    ensure!(took < LONGEST, "the search of every call took {took:.0?}, more than {LONGEST:?}");
    Ok(counts)
}

/// Rehearses the example shop twice, as the README says.
#[expect(clippy::disallowed_methods, reason = "it is about the time that people wait")]
fn rehearse(root: &Path, programs: &Programs) -> Result<()> {
    let rehearse = || {
        let mut command = Command::new(programs.binary("bluegreen")?);
        command.current_dir(root).args(["rehearse", "examples/shop/bluegreen.toml"]);
        cargo::output(&mut command)
    };
    let began = Instant::now();
    let first = rehearse()?;
    let took = began.elapsed();
    println!("{first}in {took:.2?}");
    ensure!(took < REHEARSAL, "the rehearsal took {took:.2?}, more than {REHEARSAL:?}");
    ensure!(first == rehearse()?, "the same seed did not print the same bytes");
    Ok(())
}
