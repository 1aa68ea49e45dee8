//! Traffic that programs of the user move.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use bluegreen_core::StackReference;

use super::{MOVE_LIMIT, Mover};
use crate::{
    Command, Result,
    command::{Deaf, quoted},
    stack_file::CommandMover,
};

/// How long a command may take to tell where traffic is.
const OBSERVE_LIMIT: Duration = Duration::from_secs(60);

/// The commands of a table `[traffic.NAME]`, run in the stack file's folder. Both find the stack in
/// `BLUEGREEN_STACK`.
#[derive(Clone, Debug)]
pub(super) struct Commands {
    pub(super) name: String,
    pub(super) settings: CommandMover,
    pub(super) folder: PathBuf,
}

#[async_trait]
impl Mover for Commands {
    fn name(&self) -> &str {
        &self.name
    }

    async fn observe(&self, stack: StackReference) -> Result<Option<StackReference>> {
        let command = self.command(&self.settings.observe_command, stack, OBSERVE_LIMIT);
        let printed = command.expect_success(command.run(&self.folder, &Deaf).await?)?;
        match printed.trim() {
            "mixed" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                let shown = quoted(text);
                command.failed(format!("printed `{shown}`: expected `a`, `b` or `mixed`"))
            }),
        }
    }

    async fn move_to(&self, stack: StackReference) -> Result<()> {
        let command = self.command(&self.settings.move_command, stack, MOVE_LIMIT);
        command.expect_success(command.run(&self.folder, &Deaf).await?).map(|_| ())
    }
}

impl Commands {
    fn command(&self, words: &[String], stack: StackReference, limit: Duration) -> Command {
        Command {
            words: words.to_vec(),
            owner: format!("traffic.{}", self.name),
            environment: vec![("BLUEGREEN_STACK".to_owned(), stack.to_string())],
            limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bluegreen_core::StackReference::{A, B};

    use super::*;
    use crate::Error;

    fn commands(observe: &str, folder: &Path) -> Commands {
        let shell = |script: &str| vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        Commands {
            name: "web0".to_owned(),
            settings: CommandMover {
                move_command: shell("echo $BLUEGREEN_STACK > moved"),
                observe_command: shell(observe),
            },
            folder: folder.to_owned(),
        }
    }

    async fn failed(observe: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        commands(observe, folder.path()).observe(B).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn another_answer_is_an_error_that_quotes_it() {
        let err = failed("echo production").await;

        assert!(err.contains("traffic.web0") && err.contains("`production`"), "{err}");
    }

    #[tokio::test]
    async fn a_failing_command_is_an_error_with_what_it_wrote() {
        let err = failed("echo no route >&2; exit 3").await;

        assert!(err.contains("no route") && err.contains('3'), "{err}");
    }

    #[tokio::test]
    async fn a_command_that_is_not_there_is_an_error_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let mut lost = commands("", folder.path());
        lost.settings.observe_command = vec!["./not-there.sh".to_owned()];

        let err = lost.observe(A).await.unwrap_err();

        assert!(matches!(err, Error::Command { source: Some(_), .. }), "{err}");
    }

    #[tokio::test]
    async fn moving_runs_in_the_stack_files_folder_with_the_stack() {
        let folder = tempfile::tempdir().unwrap();

        commands("echo a", folder.path()).move_to(B).await.unwrap();

        assert_eq!(std::fs::read_to_string(folder.path().join("moved")).unwrap().trim(), "b");
    }
}
