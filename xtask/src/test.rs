//! Everything that a contributor needs to know before a pull request.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{
    cargo::{self, Programs, cargo},
    emulators::Emulators,
    shop,
    stages::{Counts, Stages},
};

/// The integration tests of `bluegreen-cli` that need the emulators.
const EMULATOR_TESTS: &str = "emulators";
/// Why a stage did not run.
pub(crate) const DOES_NOT_BUILD: &str = "the workspace does not build";

/// Runs all stages, and sums them up.
///
/// # Errors
///
/// When a stage failed.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut stages = Stages::default();
    add(&mut stages, root);
    stages.finish()
}

/// Runs the stages of this chore.
///
/// One that fails does not hide the others, but what does not compile is not tested. Returns
/// whether it compiles.
pub(crate) fn add(stages: &mut Stages, root: &Path) -> bool {
    stages.make("format", || cargo::run(&mut cargo(root, ["fmt", "--all", "--check"])));
    stages.make("clippy", || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        cargo::run(&mut cargo(root, clippy))
    });
    let Some(programs) = stages.make("build", || cargo::build(root, cargo::ALL)) else {
        for name in ["tests", "documentation tests", "emulator tests"] {
            stages.skip(name, DOES_NOT_BUILD);
        }
        return false;
    };
    stages.run("tests", || {
        cargo::tests(&mut cargo(root, ["test", "--workspace", "--all-targets", "--no-fail-fast"]))
    });
    stages.run("documentation tests", || {
        cargo::tests(&mut cargo(root, ["test", "--workspace", "--doc", "--no-fail-fast"]))
    });
    stages.run("emulator tests", || emulator_tests(root, &programs));
    true
}

/// Builds the shop in the emulators, and runs the tests that need it.
fn emulator_tests(root: &Path, programs: &Programs) -> Result<Counts> {
    let tests = programs.tests(EMULATOR_TESTS)?;
    let fixture = programs.binary("shop-fixture")?;
    let emulators = Emulators::start(root, false)?;
    let file = shop::copy(root, &root.join("target/emulator-tests"))?;
    let create = &mut Command::new(fixture);
    cargo::run(emulators.point(create.arg("create"))).context("building the shop")?;

    let mut command = Command::new(tests);
    command.arg("--ignored");
    command.current_dir(root.join("crates/bluegreen-cli"));
    emulators.point(&mut command);
    command.env("BLUEGREEN_TEST_FILE", file).env("BLUEGREEN_TEST_FIXTURE", fixture);
    let counts = cargo::tests(&mut command)?;
    ensure!(counts != Counts::default(), "there are no tests to run");
    Ok(counts)
}
