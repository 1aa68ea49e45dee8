//! [`EcsTraffic`], traffic that ECS moves by deployments of its own.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::StackReference;
use bluegreen_ecs::{
    EcsTrafficToolkit, RevisionTraffic, ServiceDeployment, ServiceDeploymentStatus, TrafficService,
};

use super::binding::{self, common};
use crate::{Error, Mover, Permission, Result, stack_file::EcsMover};

/// The traffic of a table `[traffic.NAME]` with `mover = "ecs"`.
///
/// ECS moves it; here is only looked where it is, and which stack a revision is bound to. That is read from its task
/// definition, never assumed.
#[derive(Clone, Debug)]
pub struct EcsTraffic {
    name: String,
    settings: EcsMover,
    toolkit: Arc<dyn EcsTrafficToolkit>,
}

impl EcsTraffic {
    /// Makes it for the table `[traffic.name]`.
    pub fn new(name: &str, settings: EcsMover, toolkit: Arc<dyn EcsTrafficToolkit>) -> Self {
        Self { name: name.to_owned(), settings, toolkit }
    }

    /// Returns what its table says.
    pub fn settings(&self) -> &EcsMover {
        &self.settings
    }

    /// Returns the toolkit of its service.
    pub fn toolkit(&self) -> &Arc<dyn EcsTrafficToolkit> {
        &self.toolkit
    }

    /// Returns which stack the service revision `arn` is bound to, by its task definition.
    ///
    /// Calls `ecs:DescribeServiceRevisions` and `ecs:DescribeTaskDefinition`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the reason when it is bound to no stack.
    pub async fn stack_of_revision(&self, arn: &str) -> Result<StackReference> {
        let revision = self.toolkit.revision(arn).await?;
        self.stack_of_definition(&revision.task_definition).await
    }

    async fn stack_of_definition(&self, arn: &str) -> Result<StackReference> {
        binding::of_definition(self.toolkit.as_ref(), arn, &self.settings.binding).await
    }

    /// Returns the last deployment of a service that runs several revisions; nothing where what it has left is not known,
    /// as when ECS could not go back.
    async fn left_several(&self, service: &TrafficService) -> Result<Option<ServiceDeployment>> {
        let [_, _, ..] = service.current_revisions.as_slice() else { return Ok(None) };
        let Some(arn) = &service.current_deployment else { return Ok(None) };
        let last = self.toolkit.service_deployment(arn).await?;
        let is_known =
            |it: &ServiceDeployment| it.status != ServiceDeploymentStatus::RollbackFailed;
        Ok(last.filter(|it| is_known(it) && !serving(it).is_empty()))
    }

    /// Returns the stack that all of these revisions are bound to; `None` when they differ.
    async fn common_stack(&self, revisions: &[&str]) -> Result<Option<StackReference>> {
        let mut stacks = Vec::new();
        for arn in revisions {
            stacks.push(self.stack_of_revision(arn).await?);
        }
        Ok(common(&stacks))
    }
}

#[async_trait]
impl Mover for EcsTraffic {
    fn name(&self) -> &str {
        &self.name
    }

    /// Looks at the revisions of the service deployment that is under way, else at the one that is running. Where several
    /// are, a deployment has ended and left them, which somebody has stopped: its weights still say what each serves.
    async fn observe(&self, _stack: StackReference) -> Result<Option<StackReference>> {
        for deployment in self.toolkit.service_deployments_under_way().await? {
            let serving = serving(&deployment);
            if !serving.is_empty() {
                return self.common_stack(&serving).await;
            }
        }
        let service = self.toolkit.traffic_service().await?;
        if let Some(deployment) = self.left_several(&service).await? {
            return self.common_stack(&serving(&deployment)).await;
        }
        if !service.current_revisions.is_empty() {
            let revisions: Vec<&str> =
                service.current_revisions.iter().map(String::as_str).collect();
            return self.common_stack(&revisions).await;
        }
        match &service.task_definition {
            Some(arn) => self.stack_of_definition(arn).await.map(Some),
            None => Err(Error::refused(format!(
                "ECS service `{}` has neither revision nor task definition ([traffic.{}]): ECS deploys services with \
                 the deployment controller `ECS`, this one has `{}`",
                service.arn, self.name, service.controller
            ))),
        }
    }

    /// Is never called: ECS moves it.
    async fn move_to(&self, _stack: StackReference) -> Result<()> {
        Err(Error::refused(format!("[traffic.{}] is moved by ECS alone", self.name)))
    }

    fn platform(&self) -> Option<&'static str> {
        Some("ECS")
    }

    async fn under_way(&self) -> Result<Option<String>> {
        let deployments = self.toolkit.service_deployments_under_way().await?;
        let first = deployments.into_iter().find_map(|it| match it.status {
            ServiceDeploymentStatus::UnderWay(word) => Some((it.arn, word, it.stage)),
            _ => None,
        });
        Ok(first.map(|(arn, word, stage)| {
            let stage = stage.map(|it| format!(" at {it}")).unwrap_or_default();
            format!("ECS service deployment `{arn}` ({word}{stage})")
        }))
    }

    fn permissions(&self) -> Vec<Permission> {
        let EcsMover { cluster, service, .. } = &self.settings;
        let mut permissions = binding::permissions(cluster, service);
        permissions.extend(binding::deployment_permissions(cluster, service));
        permissions
    }
}

/// Returns the revisions that have a share of the traffic.
///
/// Of a revision without a weight nobody knows that it has none, unless others have all.
fn serving(deployment: &ServiceDeployment) -> Vec<&str> {
    let revisions = || deployment.target.iter().chain(&deployment.sources);
    let known: f64 = revisions().filter_map(|it| it.production_weight).sum();
    let serves = |it: &&RevisionTraffic| match it.production_weight {
        Some(weight) => weight > 0.0,
        None => known < 100.0,
    };
    revisions().filter(serves).map(|it| it.arn.as_str()).collect()
}

#[cfg(test)]
mod tests;
