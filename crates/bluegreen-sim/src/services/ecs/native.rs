//! Deployments that ECS makes itself from one revision of a service to another, with lifecycle hooks.

mod asking;
mod configuration;
mod hooks;
mod running;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;

pub use self::configuration::{BlueGreen, LifecycleHook, Strategy};
pub(crate) use self::hooks::answered as hook_answered;
pub(super) use self::{
    asking::{concerns, describe, describe_revisions, list, shown_in_service},
    configuration::read,
    hooks::{call_back, time_out},
    running::{begin, end_stage, start, stop},
};
use super::definitions;
use crate::World;

/// What there is of deployments that ECS makes itself.
#[derive(Debug, Default)]
pub(super) struct Native {
    /// The revisions of all services, by their ARNs.
    revisions: BTreeMap<String, Revision>,
    deployments: BTreeMap<String, ServiceDeployment>,
    /// The ARNs of the deployments, in the order in which they were made.
    order: Vec<String>,
}

/// What a service was made of at a time.
#[derive(Clone, Debug)]
struct Revision {
    cluster: String,
    service: String,
    /// The ARN of its task definition.
    definition: String,
    created: Duration,
}

/// A deployment of a service from one revision to another, stage by stage.
#[derive(Clone, Debug)]
pub struct ServiceDeployment {
    /// Its ARN.
    pub arn: String,
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the service.
    pub service: String,
    /// The ARN of the revision that is deployed.
    pub target: String,
    /// The ARNs of the revisions that ran before; none when the service is created.
    pub sources: Vec<String>,
    /// How much of the production traffic the target gets, in percent.
    pub production_weight: f64,
    /// How much of the test traffic the target gets, in percent.
    pub test_weight: f64,
    /// Why it is rolled back, or was stopped.
    pub reason: Option<String>,
    status: &'static str,
    configuration: BlueGreen,
    steps: Vec<Step>,
    /// Which of the steps is worked on.
    at: usize,
    /// The stages that have been begun.
    begun: BTreeSet<&'static str>,
    /// The number of the present run of a stage, which no other has.
    run: u64,
    /// Its id, as hooks are told it.
    execution: String,
    /// The hooks of the present stage that have not succeeded yet, by their places.
    open: BTreeSet<usize>,
    /// What hooks are passed, by their places: merged from what they have returned.
    details: BTreeMap<usize, Value>,
    is_scaled: bool,
    rolled_back: Option<Duration>,
    created: Duration,
    started: Option<Duration>,
    finished: Option<Duration>,
}

/// A stage of a deployment.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    stage: &'static str,
    /// What the weights of the target become with it, in percent.
    production: Option<f64>,
    test: Option<f64>,
    takes: Takes,
}

/// How long a stage takes, besides its hooks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Takes {
    Nothing,
    TasksToStart,
    TasksToStop,
    /// Traffic to move, and so long after that.
    TrafficAnd(Duration),
    Time(Duration),
}

impl ServiceDeployment {
    /// Returns AWS's word for how it is: `PENDING`, `IN_PROGRESS`, `SUCCESSFUL`, `STOPPED`, `ROLLBACK_IN_PROGRESS`,
    /// `ROLLBACK_SUCCESSFUL`, `ROLLBACK_FAILED`.
    pub fn status(&self) -> &'static str {
        self.status
    }

    /// Returns the stage that is worked on, or was the last; none before the first.
    pub fn stage(&self) -> Option<&'static str> {
        self.started.and(self.steps.get(self.at)).map(|it| it.stage)
    }

    fn is_over(&self) -> bool {
        self.finished.is_some()
    }
}

impl super::Ecs {
    /// Returns the deployments that ECS has made itself, in the order in which they were made.
    pub fn service_deployments(&self) -> impl Iterator<Item = &ServiceDeployment> {
        self.native.order.iter().filter_map(|it| self.native.deployments.get(it))
    }
}

impl World {
    /// Adds a service that runs so many tasks of a task definition, and whose deployments ECS makes in this way.
    pub fn add_blue_green_service(
        &mut self,
        cluster: &str,
        name: &str,
        desired: u32,
        definition: &str,
        configuration: BlueGreen,
    ) {
        let found = definitions::find(self, definition);
        let definition = found.map(|it| definitions::arn(self, &it.family, it.revision));
        self.add_service(cluster, name, desired);
        let revision = definition.as_ref().map(|it| running::revision(self, cluster, name, it));
        self.change_service(cluster, name, |it| {
            it.blue_green = Some(configuration);
            it.revisions = revision.into_iter().collect();
            it.definition = definition;
        });
    }
}

#[cfg(test)]
mod tests;
