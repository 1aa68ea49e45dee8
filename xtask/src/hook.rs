//! The tests that run the built hook under cargo-lambda's emulator, against the simulated account and the emulators.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{
    cargo::{self, Programs},
    emulators::Emulators,
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

/// Where they find the emulators of AWS, each with what the AWS tools call its place.
const EMULATORS: [(&str, &str); 2] = [
    ("BLUEGREEN_TEST_MOTO", "AWS_ENDPOINT_URL"),
    ("BLUEGREEN_TEST_MINISTACK", "AWS_ENDPOINT_URL_CLOUDWATCH"),
];

/// Runs the tests. They empty the emulators, which are their own.
///
/// # Errors
///
/// When cargo-lambda or an emulator cannot be installed or started, or the workspace has no such programs.
pub(crate) fn tests(root: &Path, programs: &Programs) -> Result<Counts> {
    let python = python::install(root, &python::CARGO_LAMBDA)?;
    let mut command = Command::new(programs.tests(TESTS)?);
    command.arg("--ignored").current_dir(root.join("crates/bluegreen-hook"));
    command.env("BLUEGREEN_TEST_CARGO_LAMBDA", python.script("cargo-lambda"));
    for (variable, program) in PROGRAMS {
        command.env(variable, programs.binary(program)?);
    }
    let emulators = Emulators::start(root, false)?;
    let environment = emulators.environment();
    for (variable, known_as) in EMULATORS {
        let place = environment.iter().find(|(name, _)| name == known_as);
        command.env(variable, place.map(|it| &it.1).context("nobody knows where an emulator is")?);
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

        let told: Vec<_> = PROGRAMS.iter().chain(&EMULATORS).map(|it| it.0).collect();
        let missing: Vec<_> =
            asked.filter(|it| !told.contains(it) && *it != "BLUEGREEN_TEST_CARGO_LAMBDA").collect();

        assert!(told.iter().all(|it| text.contains(it)), "{told:?}");
        assert_eq!(missing, Vec::<&str>::new());
    }
}
