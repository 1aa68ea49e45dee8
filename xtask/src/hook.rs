//! The tests that run the built hook under cargo-lambda's emulator, against the simulated account.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};

use crate::{
    cargo::{self, Programs},
    package::PROGRAM,
    python,
    stages::Counts,
};

/// The integration tests of `bluegreen-hook` that need the programs.
const TESTS: &str = "lambda";

/// The programs of ours that they start, each with the variable in which they find it.
const PROGRAMS: [(&str, &str); 3] = [
    ("BLUEGREEN_TEST_BOOTSTRAP", PROGRAM),
    ("BLUEGREEN_TEST_COMMAND", "bluegreen"),
    ("BLUEGREEN_TEST_SIM", "bluegreen-sim"),
];

/// Runs the tests.
///
/// # Errors
///
/// When cargo-lambda cannot be installed, or the workspace has no such programs.
pub(crate) fn tests(root: &Path, programs: &Programs) -> Result<Counts> {
    let python = python::install(root, &python::CARGO_LAMBDA)?;
    let mut command = Command::new(programs.tests(TESTS)?);
    command.arg("--ignored").current_dir(root.join("crates/bluegreen-hook"));
    command.env("BLUEGREEN_TEST_CARGO_LAMBDA", python.script("cargo-lambda"));
    for (variable, program) in PROGRAMS {
        command.env(variable, programs.binary(program)?);
    }
    let counts = cargo::tests(&mut command)?;
    ensure!(counts != Counts::default(), "there are no tests to run");
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_tests_are_told_every_program_that_they_ask_for() {
        let folder = crate::root().join("crates/bluegreen-hook/tests/lambda");
        let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
        let sources = files.filter(|it| it.extension().is_some_and(|it| it == "rs"));
        let text: String = sources.map(|it| fs::read_to_string(it).unwrap()).collect();
        let asked = text.split("program(\"").skip(1).filter_map(|it| it.split('"').next());

        let told = PROGRAMS.map(|it| it.0);
        let missing: Vec<_> =
            asked.filter(|it| !told.contains(it) && *it != "BLUEGREEN_TEST_CARGO_LAMBDA").collect();

        assert!(told.iter().all(|it| text.contains(it)), "{told:?}");
        assert_eq!(missing, Vec::<&str>::new());
    }
}
