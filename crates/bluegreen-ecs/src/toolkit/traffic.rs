//! [`EcsTrafficToolkit`], the looks at a service whose deployments move traffic from one stack to the other.

use std::{collections::BTreeMap, fmt, time::SystemTime};

use async_trait::async_trait;
use bluegreen_core::Result;

/// The ECS calls that show which revision of a service has the traffic, and what is being deployed to it. Nothing is
/// ever changed by them.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait EcsTrafficToolkit: fmt::Debug + Send + Sync {
    /// Returns the service as it is now.
    ///
    /// Calls `ecs:DescribeServices`.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown cluster or service; `Incomplete` when the answer lacks the service, its ARN, or what
    /// counts of a task set or revision.
    async fn traffic_service(&self) -> Result<TrafficService>;

    /// Returns what the task definition `arn` says by which it may be bound to a stack. One that was deregistered is
    /// described all the same: it may be running.
    ///
    /// Calls `ecs:DescribeTaskDefinition`, with its tags.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none; `Incomplete` when the answer lacks it, or the name of a container.
    async fn task_definition_of(&self, arn: &str) -> Result<BoundDefinition>;

    /// Returns the service revision `arn`.
    ///
    /// Calls `ecs:DescribeServiceRevisions`.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none; `Incomplete` when the answer lacks it or its task definition.
    async fn revision(&self, arn: &str) -> Result<ServiceRevision>;

    /// Returns the service deployment `arn`; `None` when ECS does not know it.
    ///
    /// Calls `ecs:DescribeServiceDeployments`.
    ///
    /// # Errors
    ///
    /// `Incomplete` when the answer lacks it, its status, or the ARN of a revision.
    async fn service_deployment(&self, arn: &str) -> Result<Option<ServiceDeployment>>;

    /// Returns the deployments of the service that have not ended, as ECS lists them.
    ///
    /// Calls `ecs:ListServiceDeployments` for each page, and `ecs:DescribeServiceDeployments` for each twenty of them.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown cluster or service; otherwise like [`service_deployment`](Self::service_deployment).
    async fn service_deployments_under_way(&self) -> Result<Vec<ServiceDeployment>>;
}

/// A service, and what has its traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficService {
    /// Its ARN.
    pub arn: String,
    /// Who deploys it, in AWS's words: `ECS`, `CODE_DEPLOY`, `EXTERNAL`. ECS does by default.
    pub controller: String,
    /// Its task sets; there are none with the controller `ECS`.
    pub task_sets: Vec<TaskSet>,
    /// The ARNs of the revisions that are running; with the controller `ECS` alone.
    pub current_revisions: Vec<String>,
    /// The ARN of the service deployment that is under way, or was the last.
    pub current_deployment: Option<String>,
    /// The task definition that it was created or last updated with.
    pub task_definition: Option<String>,
}

impl TrafficService {
    /// Returns the task set that serves production: the one that ECS calls `PRIMARY`.
    pub fn primary(&self) -> Option<&TaskSet> {
        self.task_sets.iter().find(|it| it.status == "PRIMARY")
    }
}

/// A task set of a service that CodeDeploy deploys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSet {
    /// Its id: `ecs-svc/9223370493425779968`.
    pub id: String,
    /// The ARN of its task definition.
    pub task_definition: String,
    /// AWS's word: `PRIMARY`, `ACTIVE`, `DRAINING`.
    pub status: String,
    /// Whether all its tasks run.
    pub steady: bool,
}

/// What a task definition says by which it may be bound to a stack.
#[derive(Clone, PartialEq, Eq)]
pub struct BoundDefinition {
    /// The environment of each container. Values may be secret.
    pub environment: BTreeMap<String, BTreeMap<String, String>>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// Shows the names of containers, variables and tags, and no value.
impl fmt::Debug for BoundDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: BTreeMap<_, Vec<_>> = self
            .environment
            .iter()
            .map(|(container, variables)| (container, variables.keys().collect()))
            .collect();
        f.debug_struct("BoundDefinition")
            .field("environment", &names)
            .field("tags", &self.tags.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// A revision of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRevision {
    /// Its ARN.
    pub arn: String,
    /// The ARN of its task definition.
    pub task_definition: String,
}

/// A deployment of a service that ECS makes by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceDeployment {
    /// Its ARN.
    pub arn: String,
    /// How far it is.
    pub status: ServiceDeploymentStatus,
    /// Whether it goes back, or has gone.
    pub rolls_back: bool,
    /// The stage of its life, in AWS's words: `PRE_SCALE_UP`.
    pub stage: Option<String>,
    /// The revision that it deploys.
    pub target: Option<RevisionTraffic>,
    /// The revisions that it replaces; none when the service is created.
    pub sources: Vec<RevisionTraffic>,
    /// The hooks that it calls.
    pub hooks: Vec<HookSetting>,
    /// When it began.
    pub started: Option<SystemTime>,
}

/// How far a service deployment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceDeploymentStatus {
    /// It has not ended: AWS's word, such as `IN_PROGRESS` or `ROLLBACK_IN_PROGRESS`. What AWS may call it one day that
    /// is not known yet is this, too.
    UnderWay(String),
    /// It has succeeded.
    Successful,
    /// Somebody has stopped it.
    Stopped,
    /// It has been taken back.
    RolledBack,
    /// Taking it back has failed.
    RollbackFailed,
}

impl ServiceDeploymentStatus {
    /// Returns whether it has ended, well or not.
    pub fn has_ended(&self) -> bool {
        !matches!(self, Self::UnderWay(_))
    }
}

/// A revision of a service, and its traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionTraffic {
    /// Its ARN.
    pub arn: String,
    /// Its share of the production traffic, in percent; `None` where ECS manages no traffic, or says nothing.
    pub production_weight: Option<f64>,
}

/// A hook of a service deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSetting {
    /// The ARN of the function; `None` for a pause.
    pub target_arn: Option<String>,
    /// The stages at which it is called, in AWS's words.
    pub stages: Vec<String>,
    /// What ECS does when it takes too long: `ROLLBACK`, `CONTINUE`; AWS rolls back when it is not said.
    pub timeout_action: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_an_environment_are_not_shown() {
        let variables = BTreeMap::from([("PASSWORD".to_owned(), "hunter2".to_owned())]);
        let definition = BoundDefinition {
            environment: BTreeMap::from([("web".to_owned(), variables)]),
            tags: BTreeMap::from([("stack".to_owned(), "b".to_owned())]),
        };

        let shown = format!("{definition:?}");

        assert!(shown.contains("web") && shown.contains("PASSWORD"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn the_primary_task_set_serves_production() {
        let set = |id: &str, status: &str| TaskSet {
            id: id.to_owned(),
            task_definition: "web:7".to_owned(),
            status: status.to_owned(),
            steady: true,
        };
        let service = TrafficService {
            arn: "arn".to_owned(),
            controller: "CODE_DEPLOY".to_owned(),
            task_sets: vec![set("one", "ACTIVE"), set("two", "PRIMARY")],
            current_revisions: Vec::new(),
            current_deployment: None,
            task_definition: None,
        };

        assert_eq!(service.primary().map(|it| it.id.as_str()), Some("two"));
    }
}
