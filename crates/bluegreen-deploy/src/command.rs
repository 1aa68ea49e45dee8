//! [`Command`], a program of the stack file's, and running it.

mod group;
mod output;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use async_trait::async_trait;

use self::group::Group;
pub(crate) use self::group::{host, survivor};
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
    /// How long it may take; then it is killed, with all processes of its group.
    pub limit: Duration,
}

/// Hears of a program while it runs.
#[async_trait]
pub trait Listener: Send + Sync {
    /// It runs as this process. After an error it is killed.
    async fn started(&self, process: u32) -> Result<()>;

    /// This is the last line that it has written so far, which may be none: told now and then, also when it is the
    /// same.
    fn wrote(&self, line: &str);
}

/// Hears nothing.
pub(crate) struct Deaf;

#[async_trait]
impl Listener for Deaf {
    async fn started(&self, _process: u32) -> Result<()> {
        Ok(())
    }

    fn wrote(&self, _line: &str) {}
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// How it ended, in the operating system's words: `exit status: 1`.
    pub how: String,
    /// What it wrote to its standard output: the last megabyte.
    pub printed: String,
    /// What it wrote to its standard error: the last megabyte.
    pub complained: String,
}

impl Command {
    /// Runs the program in `folder`, from which a program with a `/` in its name is meant, and waits for its end.
    ///
    /// It is in a process group of its own, so that what interrupts us at a terminal does not end it half-way.
    /// When this future is dropped, the whole group is killed; and so it is, by a process that watches ours, when ours
    /// is killed.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] when it cannot be started, or has not ended in time; those of `listener`. Any exit code is
    /// fine here.
    pub(crate) async fn run(&self, folder: &Path, listener: &dyn Listener) -> Result<Ended> {
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
        child
            .args(arguments)
            .current_dir(folder)
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let failed = |what: &str, source| Error::Command {
            command: self.words.join(" "),
            owner: self.owner.clone(),
            what: what.to_owned(),
            source: Some(source),
        };
        let mut child = child.spawn().map_err(|err| failed("could not be started", err))?;
        let process = child.id().unwrap_or_default();
        let group = Group::of(process);
        let work = async {
            listener.started(process).await?;
            let ended = output::wait(&mut child, listener).await;
            ended.map_err(|err| failed("could not be waited for", err))
        };
        let ended = tokio::time::timeout(self.limit, work).await.unwrap_or_else(|_| {
            Err(self.failed(format!("did not end within {} s", self.limit.as_secs())))
        })?;
        group.has_ended();
        Ok(ended)
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
        command.run(folder.path(), &Deaf).await
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

        let err = command.run(folder.path(), &Deaf).await.unwrap_err();

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

    /// Says that it is there, then waits, and leaves something behind if it lives on.
    fn parent_of_one_that_outlives_it(limit: Duration) -> Command {
        let script = "(sleep 2; touch outlived) & echo there; wait";
        Command { limit, ..shell(script) }
    }

    /// Returns whether the child of a program has outlived it.
    #[cfg(unix)]
    async fn outlives(folder: &Path) -> bool {
        let outlived = folder.join("outlived");
        let (began, patience) = (Instant::now(), Duration::from_secs(3));
        while !outlived.exists() && began.elapsed() < patience {
            tokio::task::yield_now().await;
        }
        outlived.exists()
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn with_a_program_that_takes_too_long_what_it_has_started_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let command = parent_of_one_that_outlives_it(Duration::from_millis(300));

        command.run(folder.path(), &Deaf).await.unwrap_err();

        assert!(!outlives(folder.path()).await);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn with_a_program_that_nobody_waits_for_any_more_what_it_has_started_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let command = parent_of_one_that_outlives_it(Duration::from_secs(60));

        let run = command.run(folder.path(), &Deaf);
        tokio::time::timeout(Duration::from_millis(300), run).await.unwrap_err();

        assert!(!outlives(folder.path()).await);
    }

    #[derive(Default)]
    struct Refuses(std::sync::Mutex<Option<u32>>);

    #[async_trait]
    impl Listener for Refuses {
        async fn started(&self, process: u32) -> Result<()> {
            *self.0.lock().unwrap() = Some(process);
            Err(Error::LeaseLost { to: None })
        }

        fn wrote(&self, _line: &str) {}
    }

    #[tokio::test]
    async fn a_program_whose_start_cannot_be_noted_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let refuses = Refuses::default();

        let err = shell("sleep 2; touch outlived").run(folder.path(), &refuses).await.unwrap_err();

        assert!(matches!(err, Error::LeaseLost { .. }), "{err}");
        assert!(refuses.0.lock().unwrap().is_some());
        #[cfg(unix)]
        assert!(!outlives(folder.path()).await);
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
