//! Starts cargo, and reads what it prints.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::stages::Counts;

/// Returns the command `cargo` with `arguments`, to run in the workspace `root`.
pub(crate) fn cargo<const N: usize>(root: &Path, arguments: [&str; N]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(arguments);
    forget_own(&mut command);
    command
}

/// Takes out of the command's environment what `cargo run` tells about this program: it would make build
/// scripts run again.
pub(crate) fn forget_own(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let own = name.to_str().is_some_and(|it| {
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|own| it.starts_with(own))
        });
        if own {
            command.env_remove(name);
        }
    }
}

/// Runs `command` to its end.
///
/// # Errors
///
/// When it cannot be started, or ends with another code than 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {}", name(command)))?;
    ensure!(status.success(), "{} failed ({status})", name(command));
    Ok(())
}

/// Runs `command` to its end without showing anything of it, and returns whether it succeeds.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|it| it.success())
}

/// Runs `command` to its end, and returns what it prints on stdout.
///
/// # Errors
///
/// When it cannot be started, or ends with another code than 0.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("starting {}", name(command)))?;
    ensure!(output.status.success(), "{} failed ({})", name(command), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command`, shows what it prints, and counts the tests that it reports.
///
/// # Errors
///
/// When it cannot be started, or fails without a test that failed.
pub(crate) fn tests(command: &mut Command) -> Result<Counts> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", name(command)))?;
    let mut counts = Counts::default();
    let lines = BufReader::new(child.stdout.take().context("a child without output")?);
    for line in lines.split(b'\n') {
        let line = line.context("reading what the tests print")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        counts += result(&line);
    }
    let status = child.wait().context("waiting for the tests")?;
    if !status.success() && counts.failed == 0 {
        bail!("{} failed ({status})", name(command));
    }
    Ok(counts)
}

/// Reads the counts of a line that ends the tests of one program; another line has none.
fn result(line: &str) -> Counts {
    let mut counts = Counts::default();
    let Some((_, result)) = line.split_once("test result: ") else { return counts };
    for part in result.split(['.', ';']) {
        match part.trim().split_once(' ') {
            Some((count, "passed")) => counts.passed = count.parse().unwrap_or(0),
            Some((count, "failed")) => counts.failed = count.parse().unwrap_or(0),
            _ => {}
        }
    }
    counts
}

/// The programs of the workspace, built.
#[derive(Debug)]
pub(crate) struct Programs(Vec<Program>);

#[derive(Debug, PartialEq, Eq)]
struct Program {
    name: String,
    test: bool,
    path: PathBuf,
}

/// What is built for tests: the whole workspace, tests and examples included.
pub(crate) const ALL: &[&str] = &["--workspace", "--all-targets"];

/// Builds what `arguments` say.
///
/// # Errors
///
/// When something does not compile.
pub(crate) fn build(root: &Path, arguments: &[&str]) -> Result<Programs> {
    let mut build = cargo(root, ["build", "--message-format=json-render-diagnostics"]);
    let messages = output(build.args(arguments))?;
    Ok(Programs(messages.lines().filter_map(program).collect()))
}

impl Programs {
    /// Returns where the program `name` is.
    ///
    /// # Errors
    ///
    /// When the workspace has no such program.
    pub(crate) fn binary(&self, name: &str) -> Result<&Path> {
        self.find(name, false)
    }

    /// Returns where the integration tests or the benchmark `name` are.
    ///
    /// # Errors
    ///
    /// When the workspace has no such tests.
    pub(crate) fn tests(&self, name: &str) -> Result<&Path> {
        self.find(name, true)
    }

    fn find(&self, name: &str, test: bool) -> Result<&Path> {
        let found = self.0.iter().find(|it| it.name == name && it.test == test);
        let kind = if test { "tests" } else { "program" };
        Ok(&found.with_context(|| format!("the workspace has no {kind} `{name}`"))?.path)
    }
}

/// Reads one message of cargo: the program that it has built, if it is about one.
fn program(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    let kinds = message["target"]["kind"].as_array()?;
    let is = |kind: &str| kinds.iter().any(|it| it == kind);
    let test = message["profile"]["test"].as_bool()? || is("bench");
    // The unit tests of a program have its name and kind too.
    let wanted = if test { is("test") || is("bench") } else { is("bin") };
    wanted.then_some(Program {
        name: message["target"]["name"].as_str()?.to_owned(),
        test,
        path: message["executable"].as_str()?.into(),
    })
}

fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program()).to_string_lossy();
    let arguments = command.get_args().take(2).map(|it| it.to_string_lossy());
    let words: Vec<_> = std::iter::once(program).chain(arguments).collect();
    format!("`{}`", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_a_test_run_are_read_from_its_last_line() {
        let passed = "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        let failed = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured";

        assert_eq!(result(passed), Counts { passed: 12, failed: 0 });
        assert_eq!(result(failed), Counts { passed: 1, failed: 2 });
        assert_eq!(result("test a_purge_of_2 passed"), Counts::default());
    }

    #[test]
    fn failed_tests_are_counted_and_do_not_end_the_chore() {
        let mut failing = Command::new("sh");
        failing.args(["-c", "echo 'test result: FAILED. 4 passed; 1 failed;'; exit 101"]);

        let counts = tests(&mut failing).unwrap();

        assert_eq!(counts, Counts { passed: 4, failed: 1 });
    }

    #[test]
    fn tests_that_do_not_even_run_are_an_error() {
        let mut broken = Command::new("sh");
        broken.args(["-c", "echo 'could not compile'; exit 101"]);

        let err = tests(&mut broken).unwrap_err();

        assert!(err.to_string().starts_with("`sh -c"), "{err}");
    }

    #[test]
    fn programs_and_tests_are_told_from_each_other_and_from_unit_tests() {
        let message = |kind: &str, name: &str, test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"kind":["{kind}"],"name":"{name}"}},"profile":{{"test":{test}}},"executable":"/t/{kind}-{test}"}}"#
            )
        };
        let messages = [
            message("bin", "bluegreen", true),
            message("bin", "bluegreen", false),
            message("test", "emulators", true),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];

        let programs = Programs(messages.iter().filter_map(|it| program(it)).collect());

        assert_eq!(programs.0.len(), 2);
        assert_eq!(programs.binary("bluegreen").unwrap(), Path::new("/t/bin-false"));
        assert_eq!(programs.tests("emulators").unwrap(), Path::new("/t/test-true"));
        let err = programs.tests("simulated").unwrap_err();
        assert_eq!(err.to_string(), "the workspace has no tests `simulated`");
    }
}
