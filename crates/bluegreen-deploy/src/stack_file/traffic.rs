//! Who moves production traffic: [`Traffic`] and the tables `[traffic.NAME]`.

#[cfg(any(feature = "codedeploy", feature = "ecs"))]
use std::fmt;

/// Who moves production traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// The file does not say: a deployment ends before `promote`.
    Undeclared,
    /// Nothing is served: the pointer is the truth.
    None,
    /// Each of these moves a part of it.
    Movers(Vec<MoverSettings>),
}

/// A table `[traffic.name]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoverSettings {
    /// Its name: `web`.
    pub name: String,
    /// The line of its table's header, from 1.
    pub line: usize,
    /// What moves the traffic.
    pub kind: MoverKind,
}

/// What moves the traffic of a table `[traffic.name]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoverKind {
    /// Programs of the user.
    Command(CommandMover),
    /// Deployments of CodeDeploy.
    #[cfg(feature = "codedeploy")]
    CodeDeploy(CodeDeployMover),
    /// Deployments that ECS makes by itself.
    #[cfg(feature = "ecs")]
    Ecs(EcsMover),
}

/// What a table with `mover = "command"` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandMover {
    /// Program and arguments that move the traffic to the stack in `BLUEGREEN_STACK`.
    pub move_command: Vec<String>,
    /// Program and arguments that print where the traffic is: `a`, `b` or `mixed`.
    pub observe_command: Vec<String>,
}

/// What a table with `mover = "codedeploy"` says.
#[cfg(feature = "codedeploy")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeDeployMover {
    /// The application.
    pub application: String,
    /// The deployment group.
    pub deployment_group: String,
    /// What it deploys to.
    pub serves: CodeDeployServes,
}

/// What a deployment group of CodeDeploy deploys to.
#[cfg(feature = "codedeploy")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeDeployServes {
    /// An ECS service.
    Service {
        /// The name of its cluster.
        cluster: String,
        /// Its name.
        service: String,
        /// How its task definitions are bound to stacks.
        binding: Binding,
    },
    /// A Lambda function.
    Function {
        /// Its name.
        function: String,
        /// The alias whose traffic moves.
        alias: String,
        /// The environment variable of its versions that says `a` or `b`.
        variable: String,
    },
}

/// What a table with `mover = "ecs"` says.
#[cfg(feature = "ecs")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcsMover {
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the service.
    pub service: String,
    /// How its task definitions are bound to stacks.
    pub binding: Binding,
}

/// How a task definition is bound to a stack.
#[cfg(any(feature = "codedeploy", feature = "ecs"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// An environment variable says `a` or `b`.
    Variable {
        /// The name of the container that has it.
        container: String,
        /// The variable's name.
        env: String,
    },
    /// The tag with this key says `a` or `b`.
    Tag(String),
}

#[cfg(any(feature = "codedeploy", feature = "ecs"))]
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable { container, env } => {
                write!(f, "variable `{env}` of container `{container}`")
            }
            Self::Tag(key) => write!(f, "tag `{key}`"),
        }
    }
}
