//! Everything that a contributor needs to know before a pull request.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{
    cargo::{self, Programs, cargo},
    emulators::{Emulators, point},
    hook, hook_policy, shop,
    simulated_account::{self, Served},
    stages::{Counts, Stages},
    templates,
};

/// The integration tests of `bluegreen-cli` that need the emulators.
const EMULATOR_TESTS: &str = "emulators";
/// The tests among them that do not hold in the simulated account, with the reason.
const NOT_SIMULATED: [(&str, &str); 4] = [
    ("functions::a_function_is_run", "functions there run no code"),
    ("documents::", "consumers there take the messages that these tests count"),
    ("guards::", "the same"),
    ("refusals::", "the same"),
];
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
/// One that fails does not hide the others, but what does not compile is not tested. Returns what
/// was compiled.
pub(crate) fn add(stages: &mut Stages, root: &Path) -> Option<Programs> {
    stages.make("format", || cargo::run(&mut cargo(root, ["fmt", "--all", "--check"])));
    stages.make("clippy", || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        cargo::run(&mut cargo(root, clippy))
    });
    stages.run("templates", || templates::check(root));
    let Some(programs) = stages.make("build", || cargo::build(root, cargo::ALL)) else {
        for name in [
            "tests",
            "documentation tests",
            "emulator tests",
            "simulated account tests",
            "hook policy",
            "hook",
            "aws cli",
        ] {
            stages.skip(name, DOES_NOT_BUILD);
        }
        return None;
    };
    stages.run("tests", || {
        cargo::tests(&mut cargo(root, ["test", "--workspace", "--all-targets", "--no-fail-fast"]))
    });
    stages.run("documentation tests", || {
        cargo::tests(&mut cargo(root, ["test", "--workspace", "--doc", "--no-fail-fast"]))
    });
    stages.run("emulator tests", || {
        let emulators = Emulators::start(root, false)?;
        emulator_tests(root, &programs, &emulators.environment(), &[])
    });
    stages.run("simulated account tests", || {
        let account = Served::start(&programs, &["--instant", "--unlimited", "--empty"])?;
        let skipped = NOT_SIMULATED.map(|(name, _)| name);
        emulator_tests(root, &programs, &account.environment(), &skipped)
    });
    stages.run("hook policy", || hook_policy::check(root, &programs));
    stages.run("hook", || hook::tests(root, &programs));
    stages.run("aws cli", || simulated_account::ask_by_aws_cli(root, &programs));
    Some(programs)
}

/// Builds the shop where `environment` points at, and runs the tests there, but for those `skipped`.
fn emulator_tests(
    root: &Path,
    programs: &Programs,
    environment: &[(String, String)],
    skipped: &[&str],
) -> Result<Counts> {
    let tests = programs.tests(EMULATOR_TESTS)?;
    let fixture = programs.binary("shop-fixture")?;
    let file = shop::copy(root, &root.join("target/emulator-tests"))?;
    let create = &mut Command::new(fixture);
    cargo::run(point(create.arg("create"), environment)).context("building the shop")?;

    let mut command = Command::new(tests);
    command.arg("--ignored");
    command.args(skipped.iter().flat_map(|it| ["--skip", it]));
    command.current_dir(root.join("crates/bluegreen-cli"));
    point(&mut command, environment);
    command.env("BLUEGREEN_TEST_FILE", file).env("BLUEGREEN_TEST_FIXTURE", fixture);
    let counts = cargo::tests(&mut command)?;
    ensure!(counts != Counts::default(), "there are no tests to run");
    Ok(counts)
}
