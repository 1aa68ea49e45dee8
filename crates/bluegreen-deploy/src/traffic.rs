//! Where production traffic is, and moving it: [`Mover`], [`TrafficSeen`], and those of the stack file.

#[cfg(any(feature = "codedeploy", feature = "ecs"))]
mod binding;
#[cfg(feature = "codedeploy")]
mod codedeploy;
mod command;
#[cfg(feature = "ecs")]
mod ecs;

use std::{fmt, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::StackReference;

#[cfg(feature = "codedeploy")]
pub use self::codedeploy::{CodeDeployTraffic, Serving};
use self::command::Commands;
#[cfg(feature = "ecs")]
pub use self::ecs::EcsTraffic;
#[cfg(any(feature = "codedeploy", feature = "ecs"))]
use crate::Error;
use crate::{
    Permission, Result,
    stack_file::{MoverKind, Traffic},
};

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

    /// Returns what moves its traffic by deployments that are made elsewhere: `CodeDeploy`, `ECS`. Then it is never
    /// told to move it. `None` is one that is told.
    fn platform(&self) -> Option<&'static str> {
        None
    }

    /// Returns which deployment of the platform has not ended yet, such as `CodeDeploy deployment d-1 (InProgress)`.
    async fn under_way(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Returns the permissions that its looks and moves use.
    fn permissions(&self) -> Vec<Permission> {
        Vec::new()
    }
}

/// The movers of a stack file whose traffic a platform moves, in the order of the file.
///
/// A hook asks them which stack a deployment is for.
#[derive(Clone, Debug, Default)]
pub struct Platforms {
    /// Those with `mover = "codedeploy"`.
    #[cfg(feature = "codedeploy")]
    pub codedeploy: Vec<Arc<CodeDeployTraffic>>,
    /// Those with `mover = "ecs"`.
    #[cfg(feature = "ecs")]
    pub ecs: Vec<Arc<EcsTraffic>>,
}

#[cfg(any(feature = "codedeploy", feature = "ecs"))]
impl Platforms {
    /// Returns the mover of the table `[traffic.name]`, which is one whose traffic a platform moves.
    fn named(&self, name: &str) -> Arc<dyn Mover> {
        #[cfg(feature = "codedeploy")]
        if let Some(found) = self.codedeploy.iter().find(|it| it.name() == name) {
            return Arc::clone(found) as Arc<dyn Mover>;
        }
        #[cfg(feature = "ecs")]
        if let Some(found) = self.ecs.iter().find(|it| it.name() == name) {
            return Arc::clone(found) as Arc<dyn Mover>;
        }
        Arc::new(Unconnected { name: name.to_owned() })
    }
}

/// A mover that the stack file names and nobody has connected. It must not be left out: its traffic would be taken to be
/// where that of the others is.
#[cfg(any(feature = "codedeploy", feature = "ecs"))]
#[derive(Debug)]
struct Unconnected {
    name: String,
}

#[cfg(any(feature = "codedeploy", feature = "ecs"))]
impl Unconnected {
    fn refused(&self) -> Error {
        Error::refused(format!(
            "[traffic.{}] is not connected: make its resources with `Resources::connect`",
            self.name
        ))
    }
}

#[cfg(any(feature = "codedeploy", feature = "ecs"))]
#[async_trait]
impl Mover for Unconnected {
    fn name(&self) -> &str {
        &self.name
    }

    async fn observe(&self, _stack: StackReference) -> Result<Option<StackReference>> {
        Err(self.refused())
    }

    async fn move_to(&self, _stack: StackReference) -> Result<()> {
        Err(self.refused())
    }
}

/// All that moves production traffic.
#[derive(Clone, Debug)]
pub(crate) struct Movers {
    traffic: Traffic,
    movers: Vec<Arc<dyn Mover>>,
}

impl Movers {
    /// Takes the tables of a stack file that lies in `folder`, those of platforms from `platforms`.
    pub(crate) fn new(
        traffic: Traffic,
        folder: &Path,
        #[cfg_attr(
            not(any(feature = "codedeploy", feature = "ecs")),
            expect(unused_variables, reason = "no platform is compiled in")
        )]
        platforms: &Platforms,
    ) -> Self {
        let movers = match &traffic {
            Traffic::Undeclared | Traffic::None => Vec::new(),
            Traffic::Movers(movers) => movers
                .iter()
                .map(|it| match &it.kind {
                    MoverKind::Command(settings) => {
                        let (name, folder) = (it.name.clone(), folder.to_owned());
                        let settings = settings.clone();
                        Arc::new(Commands { name, settings, folder }) as Arc<dyn Mover>
                    }
                    #[cfg(any(feature = "codedeploy", feature = "ecs"))]
                    _ => platforms.named(&it.name),
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

    /// Returns the deployments of platforms that have not ended.
    pub(crate) async fn under_way(&self) -> Result<Vec<String>> {
        let looks = self.movers.iter().map(|it| it.under_way());
        let found = futures::future::try_join_all(looks).await?;
        Ok(found.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::StackReference::{A, B};

    use super::*;
    use crate::stack_file::{CommandMover, MoverSettings};

    fn mover(name: &str, kind: MoverKind) -> MoverSettings {
        MoverSettings { name: name.to_owned(), line: 1, kind }
    }

    fn command(name: &str, observe: &str) -> MoverSettings {
        let shell = |script: &str| vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let (move_command, observe_command) = (shell("true"), shell(observe));
        mover(name, MoverKind::Command(CommandMover { move_command, observe_command }))
    }

    fn commands(observe: &[&str], folder: &Path) -> Movers {
        let movers = observe.iter().enumerate().map(|(i, it)| command(&format!("web{i}"), it));
        Movers::new(Traffic::Movers(movers.collect()), folder, &Platforms::default())
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
    async fn nothing_served_agrees_with_any_pointer() {
        let folder = tempfile::tempdir().unwrap();
        let none = Movers::new(Traffic::None, folder.path(), &Platforms::default());

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

    #[cfg(feature = "ecs")]
    #[tokio::test]
    async fn a_mover_that_nobody_has_connected_is_not_left_out() {
        use crate::stack_file::{Binding, EcsMover};

        let folder = tempfile::tempdir().unwrap();
        let (cluster, service) = ("shop".to_owned(), "web".to_owned());
        let binding = Binding::Tag("stack".to_owned());
        let ecs = mover("web", MoverKind::Ecs(EcsMover { cluster, service, binding }));
        let traffic = Traffic::Movers(vec![command("api", "echo a"), ecs]);

        let movers = Movers::new(traffic, folder.path(), &Platforms::default());

        let err = movers.observe(A).await.unwrap_err().to_string();
        assert!(err.contains("[traffic.web] is not connected"), "{err}");
    }
}
