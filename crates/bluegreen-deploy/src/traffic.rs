//! Where production traffic is, and moving it: [`Mover`], [`TrafficSeen`], and the commands of the stack file.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bluegreen_core::StackReference;

use crate::{
    Command, Result,
    command::{Deaf, quoted},
    stack_file::{CommandMover, Traffic},
};

/// How long a command may take to tell where traffic is.
const OBSERVE_LIMIT: Duration = Duration::from_secs(60);

/// How long a command may take to move traffic.
pub(crate) const MOVE_LIMIT: Duration = Duration::from_secs(900);

/// Where production traffic is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrafficSeen {
    /// The stack file does not say who could know.
    Undeclared,
    /// Nothing is served.
    None,
    /// All of it is on one stack.
    On(StackReference),
    /// It is on both, or its parts are on different stacks: which where.
    Mixed(String),
}

impl TrafficSeen {
    /// Returns whether what was seen agrees with `active` being the active stack.
    pub fn agrees_with(&self, active: StackReference) -> bool {
        match self {
            Self::Undeclared | Self::None => true,
            Self::On(stack) => *stack == active,
            Self::Mixed(_) => false,
        }
    }
}

impl fmt::Display for TrafficSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undeclared => f.write_str("not declared"),
            Self::None => f.write_str("none"),
            Self::On(stack) => write!(f, "on {stack}"),
            Self::Mixed(parts) => write!(f, "mixed ({parts})"),
        }
    }
}

/// Moves a part of production traffic, and can say where it is.
#[async_trait]
pub trait Mover: fmt::Debug + Send + Sync {
    /// Returns its name: that of its table in the stack file, `web`.
    fn name(&self) -> &str;

    /// Looks where its traffic is; `None` is on both stacks. `stack` is the one that a release moves to, or
    /// the active one.
    async fn observe(&self, stack: StackReference) -> Result<Option<StackReference>>;

    /// Moves its traffic to `stack`. It is looked at again afterwards, as often as it takes.
    async fn move_to(&self, stack: StackReference) -> Result<()>;
}

/// All that moves production traffic.
#[derive(Clone, Debug)]
pub(crate) struct Movers {
    traffic: Traffic,
    movers: Vec<Arc<dyn Mover>>,
}

impl Movers {
    /// Takes the tables of a stack file that lies in `folder`.
    pub(crate) fn new(traffic: Traffic, folder: &Path) -> Self {
        let movers = match &traffic {
            Traffic::Undeclared | Traffic::None => Vec::new(),
            Traffic::Movers(movers) => movers
                .iter()
                .map(|it| {
                    let (settings, folder) = (it.clone(), folder.to_owned());
                    Arc::new(Commands { settings, folder }) as Arc<dyn Mover>
                })
                .collect(),
        };
        Self { traffic, movers }
    }

    /// Puts `movers` in the place of the stack file's.
    pub(crate) fn replaced(&self, movers: Vec<Arc<dyn Mover>>) -> Self {
        Self { traffic: self.traffic.clone(), movers }
    }

    /// Returns what the stack file says.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Returns each of them.
    pub(crate) fn all(&self) -> &[Arc<dyn Mover>] {
        &self.movers
    }

    /// Asks every mover where its traffic is.
    pub(crate) async fn observe(&self, stack: StackReference) -> Result<TrafficSeen> {
        match self.traffic {
            Traffic::Undeclared => return Ok(TrafficSeen::Undeclared),
            Traffic::None => return Ok(TrafficSeen::None),
            Traffic::Movers(_) => {}
        }
        let looks = self.movers.iter().map(|it| it.observe(stack));
        let seen = futures::future::try_join_all(looks).await?;
        let first = seen.first().copied().flatten();
        if let Some(stack) = first
            && seen.iter().all(|it| *it == first)
        {
            return Ok(TrafficSeen::On(stack));
        }
        let parts = self.movers.iter().zip(&seen).map(|(mover, seen)| match seen {
            Some(stack) => format!("{} on {stack}", mover.name()),
            None => format!("{} mixed", mover.name()),
        });
        Ok(TrafficSeen::Mixed(parts.collect::<Vec<_>>().join(", ")))
    }
}

/// The commands of a table `[traffic.NAME]`, run in the stack file's folder. Both find the stack in
/// `BLUEGREEN_STACK`.
#[derive(Clone, Debug)]
struct Commands {
    settings: CommandMover,
    folder: PathBuf,
}

#[async_trait]
impl Mover for Commands {
    fn name(&self) -> &str {
        &self.settings.name
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
            owner: format!("traffic.{}", self.settings.name),
            environment: vec![("BLUEGREEN_STACK".to_owned(), stack.to_string())],
            limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::StackReference::{A, B};

    use super::*;
    use crate::Error;

    fn mover(name: &str, observe: &str) -> CommandMover {
        let shell = |script: &str| vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        CommandMover {
            name: name.to_owned(),
            move_command: shell("echo $BLUEGREEN_STACK > moved"),
            observe_command: shell(observe),
        }
    }

    fn commands(observe: &[&str], folder: &Path) -> Movers {
        let movers = observe.iter().enumerate().map(|(i, it)| mover(&format!("web{i}"), it));
        Movers::new(Traffic::Movers(movers.collect()), folder)
    }

    async fn observed(observe: &[&str]) -> Result<TrafficSeen> {
        let folder = tempfile::tempdir().unwrap();
        commands(observe, folder.path()).observe(B).await
    }

    #[tokio::test]
    async fn all_movers_on_one_stack_is_that_stack() {
        assert_eq!(observed(&["echo a", "echo blue"]).await.unwrap(), TrafficSeen::On(A));
        assert_eq!(observed(&["echo $BLUEGREEN_STACK"]).await.unwrap(), TrafficSeen::On(B));
    }

    #[tokio::test]
    async fn movers_that_disagree_are_mixed_and_named() {
        let seen = observed(&["echo a", "echo mixed"]).await.unwrap();

        assert_eq!(seen, TrafficSeen::Mixed("web0 on a, web1 mixed".to_owned()));
        assert!(!seen.agrees_with(A) && !seen.agrees_with(B));
    }

    #[tokio::test]
    async fn another_answer_is_an_error_that_quotes_it() {
        let err = observed(&["echo production"]).await.unwrap_err().to_string();

        assert!(err.contains("traffic.web0") && err.contains("`production`"), "{err}");
    }

    #[tokio::test]
    async fn a_failing_command_is_an_error_with_what_it_wrote() {
        let err = observed(&["echo no route >&2; exit 3"]).await.unwrap_err().to_string();

        assert!(err.contains("no route") && err.contains('3'), "{err}");
    }

    #[tokio::test]
    async fn a_command_that_is_not_there_is_an_error_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let mut lost = mover("web", "");
        lost.observe_command = vec!["./not-there.sh".to_owned()];
        let commands = Movers::new(Traffic::Movers(vec![lost]), folder.path());

        let err = commands.observe(A).await.unwrap_err();

        assert!(matches!(err, Error::Command { source: Some(_), .. }), "{err}");
    }

    #[tokio::test]
    async fn moving_runs_in_the_stack_files_folder_with_the_stack() {
        let folder = tempfile::tempdir().unwrap();
        let commands = commands(&["echo a"], folder.path());

        commands.all()[0].move_to(B).await.unwrap();

        assert_eq!(std::fs::read_to_string(folder.path().join("moved")).unwrap().trim(), "b");
    }

    #[tokio::test]
    async fn nothing_served_agrees_with_any_pointer() {
        let folder = tempfile::tempdir().unwrap();
        let none = Movers::new(Traffic::None, folder.path());

        assert!(none.observe(A).await.unwrap().agrees_with(B));
    }

    #[derive(Debug)]
    struct Elsewhere;

    #[async_trait]
    impl Mover for Elsewhere {
        fn name(&self) -> &str {
            "elsewhere"
        }

        async fn observe(&self, stack: StackReference) -> Result<Option<StackReference>> {
            Ok(Some(stack.partner()))
        }

        async fn move_to(&self, _stack: StackReference) -> Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn movers_of_ones_own_stand_in_for_the_commands() {
        let folder = tempfile::tempdir().unwrap();
        let movers = commands(&["echo b"], folder.path()).replaced(vec![Arc::new(Elsewhere)]);

        assert_eq!(movers.observe(B).await.unwrap(), TrafficSeen::On(A));
    }
}
