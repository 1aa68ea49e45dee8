//! [`Command`], a program of the stack file's, and running it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use crate::{Error, Result};

/// How much of what a program wrote is shown, in characters.
const SHOWN: usize = 500;

/// A program of the stack file's with its arguments; no shell is involved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// The table of the stack file: `traffic.web`, `test.smoke`.
    pub owner: String,
    /// What is added to its environment, name and value.
    pub environment: Vec<(String, String)>,
    /// How long it may take; then it is killed.
    pub limit: Duration,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// How it ended, in the operating system's words: `exit status: 1`.
    pub how: String,
    /// What it wrote to its standard output.
    pub printed: String,
    /// What it wrote to its standard error.
    pub complained: String,
}

impl Command {
    /// Runs the program in `folder`, from which a program with a `/` in its name is meant, and waits for its end.
    ///
    /// It is in a process group of its own, so that what interrupts us at a terminal does not end it half-way.
    /// When this future is dropped, the program is killed.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] when it cannot be started, or has not ended in time. Any exit code is fine here.
    pub(crate) async fn run(&self, folder: &Path) -> Result<Ended> {
        let [program, arguments @ ..] = self.words.as_slice() else {
            return Err(self.failed("is empty"));
        };
        // A path is meant from the stack file's folder, a bare name is looked for as a shell would.
        let program = match program.contains('/') {
            true => folder.join(program),
            false => PathBuf::from(program),
        };
        let mut child = tokio::process::Command::new(program);
        #[cfg(unix)]
        child.process_group(0);
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        let child = child
            .args(arguments)
            .current_dir(folder)
            .envs(environment)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = match tokio::time::timeout(self.limit, child).await {
            Ok(Ok(output)) => output,
            Ok(Err(source)) => {
                return Err(Error::Command {
                    command: self.words.join(" "),
                    owner: self.owner.clone(),
                    what: "could not be started".to_owned(),
                    source: Some(source),
                });
            }
            Err(_) => {
                return Err(self.failed(format!("did not end within {} s", self.limit.as_secs())));
            }
        };
        Ok(Ended {
            code: output.status.code(),
            how: output.status.to_string(),
            printed: String::from_utf8_lossy(&output.stdout).into_owned(),
            complained: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Says what went wrong with it.
    pub fn failed(&self, what: impl Into<String>) -> Error {
        Error::Command {
            command: self.words.join(" "),
            owner: self.owner.clone(),
            what: what.into(),
            source: None,
        }
    }

    /// Returns what the program printed, if its exit code is 0.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] with the end of what it complained about.
    pub(crate) fn expect_success(&self, ended: Ended) -> Result<String> {
        if ended.code == Some(0) { Ok(ended.printed) } else { Err(self.failed(ended.failure())) }
    }
}

impl Ended {
    /// Says how it ended, with the end of what it complained about: `ended with exit status: 1: no route`.
    pub fn failure(&self) -> String {
        let complained = self.complained.trim();
        let skipped = complained.chars().count().saturating_sub(SHOWN);
        let end: String = complained.chars().skip(skipped).collect();
        match end.is_empty() {
            true => format!("ended with {}", self.how),
            false => format!("ended with {}: {end}", self.how),
        }
    }
}

/// Returns the beginning of what somebody else wrote, in one line.
pub(crate) fn quoted(text: &str) -> String {
    let text: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    let text = text.trim();
    let mut quote: String = text.chars().take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        quote.push_str("..");
    }
    quote
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn shell(script: &str) -> Command {
        Command {
            words: ["sh", "-c", script].map(str::to_owned).to_vec(),
            owner: "test.smoke".to_owned(),
            environment: vec![("BLUEGREEN_STACK".to_owned(), "b".to_owned())],
            limit: Duration::from_secs(60),
        }
    }

    async fn run(command: &Command) -> Result<Ended> {
        let folder = tempfile::tempdir().unwrap();
        command.run(folder.path()).await
    }

    #[tokio::test]
    async fn a_program_finds_its_environment_and_ends_with_its_code() {
        let ended = run(&shell("echo to $BLUEGREEN_STACK; echo no >&2; exit 2")).await.unwrap();

        assert_eq!(
            (ended.code, ended.printed.trim(), ended.complained.trim()),
            (Some(2), "to b", "no")
        );
        assert_eq!(ended.failure(), "ended with exit status: 2: no");
    }

    #[tokio::test]
    async fn a_path_is_meant_from_the_folder_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let command = Command { words: vec!["./not-there".to_owned()], ..shell("") };

        let err = command.run(folder.path()).await.unwrap_err();

        assert!(matches!(err, Error::Command { source: Some(_), .. }), "{err}");
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_given_up() {
        let (began, command) =
            (Instant::now(), Command { limit: Duration::from_millis(50), ..shell("sleep 60") });

        let err = run(&command).await.unwrap_err().to_string();

        assert!(err.contains("test.smoke did not end within 0 s"), "{err}");
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[tokio::test]
    async fn only_the_end_of_many_complaints_is_shown() {
        let ended = Ended {
            code: Some(1),
            how: "exit status: 1".to_owned(),
            printed: String::new(),
            complained: format!("{}end", "x".repeat(1_000)),
        };

        assert_eq!(ended.failure().len(), "ended with exit status: 1: ".len() + SHOWN);
        assert!(ended.failure().ends_with("xend"));
    }

    #[test]
    fn a_quote_is_the_beginning_in_one_line() {
        assert_eq!(quoted(" not\nready\u{1b} "), "not ready");
        assert_eq!(quoted(&"\u{fc}".repeat(501)).chars().count(), 502);
    }
}
