//! [`Deployment`], what is deployed by whom and how far it is, [`Target`], what it works on, and [`DeploymentGroup`].

use std::time::SystemTime;

/// A deployment of CodeDeploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its id: `d-EXAMPLE01`.
    pub id: String,
    /// The application.
    pub application: String,
    /// The deployment group.
    pub deployment_group: String,
    /// What it deploys to, in AWS's words: `ECS`, `Lambda`, `Server`.
    pub platform: String,
    /// How far it is.
    pub status: DeploymentStatus,
    /// Who has made it, in AWS's words: `user`, `codeDeployRollback`.
    pub creator: String,
    /// What is deployed.
    pub revision: Revision,
    /// When it was made.
    pub created: Option<SystemTime>,
    /// The deployment that it takes back, if it is a rollback.
    pub rollback_of: Option<String>,
    /// Why it did not succeed: AWS's code and message.
    pub error: Option<String>,
}

impl Deployment {
    /// Returns whether CodeDeploy or CloudFormation has made it by itself to go back.
    pub fn is_rollback(&self) -> bool {
        matches!(self.creator.as_str(), "codeDeployRollback" | "CloudFormationRollback")
    }
}

/// How far a deployment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeploymentStatus {
    /// It has not ended: AWS's word, such as `InProgress`. What AWS may call it one day that is not known yet is this, too.
    UnderWay(String),
    /// It has succeeded.
    Succeeded,
    /// It has failed.
    Failed,
    /// Somebody has stopped it.
    Stopped,
}

impl DeploymentStatus {
    /// Returns whether it has ended, well or not.
    pub fn has_ended(&self) -> bool {
        !matches!(self, Self::UnderWay(_))
    }
}

/// What a deployment deploys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revision {
    /// A task definition of an ECS service, as the AppSpec names it: its ARN, or family and revision.
    TaskDefinition(String),
    /// A version of a Lambda function.
    FunctionVersion {
        /// The name of the function.
        function: String,
        /// The alias that is moved.
        alias: String,
        /// The version that it is moved to.
        version: String,
    },
    /// It cannot be read: where it is, and why that does not do, as a sentence fragment.
    Elsewhere(String),
}

/// What a deployment works on, as it is now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// The lifecycle event that is running.
    pub running: Option<LifecycleEvent>,
    /// The task sets of an ECS service, with their traffic. Before `Install` there is no green one.
    pub task_sets: Vec<TaskSetTraffic>,
    /// The versions of a Lambda function, each with its share of the traffic, in percent.
    pub versions: Vec<(String, f64)>,
}

/// A lifecycle event of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleEvent {
    /// Its name: `BeforeInstall`.
    pub name: String,
    /// When it began.
    pub since: Option<SystemTime>,
}

/// A task set of an ECS service, and its traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSetTraffic {
    /// Its id: `ecs-svc/9223370493425779968`.
    pub id: String,
    /// Whether it is the original or the replacement.
    pub label: TaskSetLabel,
    /// AWS's word: `PRIMARY`, `ACTIVE`, `DRAINING`. The original is the primary until traffic has moved.
    pub status: Option<String>,
    /// Its share of the production traffic, in percent.
    pub weight: f64,
}

/// Which of the two task sets of a deployment one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskSetLabel {
    /// The original.
    Blue,
    /// The replacement.
    Green,
}

/// A deployment group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentGroup {
    /// The ARN of the role that CodeDeploy works with, which must be allowed to call hooks.
    pub service_role_arn: String,
    /// The ECS services that it deploys to: cluster and service.
    pub services: Vec<(String, String)>,
    /// The last deployment that was tried, and how far it is.
    pub last_attempted: Option<(String, DeploymentStatus)>,
    /// The last deployment that has succeeded.
    pub last_successful: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_a_rollback_when_codedeploy_has_made_it_for_that() {
        let deployment = |creator: &str| Deployment {
            id: "d-EXAMPLE01".to_owned(),
            application: "shop".to_owned(),
            deployment_group: "web".to_owned(),
            platform: "ECS".to_owned(),
            status: DeploymentStatus::Succeeded,
            creator: creator.to_owned(),
            revision: Revision::TaskDefinition("web:7".to_owned()),
            created: None,
            rollback_of: None,
            error: None,
        };

        assert!(deployment("codeDeployRollback").is_rollback());
        assert!(!deployment("user").is_rollback());
    }

    #[test]
    fn a_deployment_that_nobody_knows_the_status_of_has_not_ended() {
        assert!(!DeploymentStatus::UnderWay("Baking".to_owned()).has_ended());
        assert!(DeploymentStatus::Stopped.has_ended());
    }
}
