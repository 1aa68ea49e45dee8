//! [`AwsEcsToolkit`], the SDK behind [`EcsToolkit`].

mod task;
mod traffic;

use std::error;

use async_trait::async_trait;
use aws_sdk_applicationautoscaling::{
    Client as ScalingClient,
    types::{ScalableDimension, ScalableTarget, ServiceNamespace, SuspendedState},
};
use aws_sdk_ecs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{
        self, DeploymentControllerType, DeploymentRolloutState, SchedulingStrategy, StabilityStatus,
    },
};
use aws_types::SdkConfig;
use bluegreen_core::{Change, Error, LazyClient, Result, StackReference, ensure_valid};
use futures::future;

pub use self::{task::AwsEcsTaskToolkit, traffic::AwsEcsTrafficToolkit};
use crate::{EcsConfig, EcsToolkit, Service, ServiceScaling, Suspended};

const DESCRIBE_SERVICES: &str = "ecs:DescribeServices";
const UPDATE_SERVICE: &str = "ecs:UpdateService";
const DESCRIBE_TARGETS: &str = "application-autoscaling:DescribeScalableTargets";
const REGISTER_TARGET: &str = "application-autoscaling:RegisterScalableTarget";

/// Answers [`EcsToolkit`] from AWS.
#[derive(Clone, Debug)]
pub struct AwsEcsToolkit {
    ecs: LazyClient<Client>,
    scaling: LazyClient<ScalingClient>,
    config: EcsConfig,
}

impl AwsEcsToolkit {
    /// Makes a toolkit for the account and region that `sdk` points at.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] when `config` cannot be used; nothing is sent to AWS.
    pub fn new(sdk: &SdkConfig, config: EcsConfig) -> Result<Self> {
        Self::from_clients(
            LazyClient::new(sdk, Client::new),
            LazyClient::new(sdk, ScalingClient::new),
            config,
        )
    }

    /// Makes a toolkit over clients that the caller has built.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn from_clients(
        ecs: impl Into<LazyClient<Client>>,
        application_autoscaling: impl Into<LazyClient<ScalingClient>>,
        config: EcsConfig,
    ) -> Result<Self> {
        ensure_valid(&config)?;
        Ok(Self { ecs: ecs.into(), scaling: application_autoscaling.into(), config })
    }

    async fn describe(&self, stack: StackReference) -> Result<types::Service> {
        let name = self.config.services.of(stack);
        let output = self
            .ecs
            .describe_services()
            .cluster(&self.config.cluster)
            .services(name)
            .send()
            .await
            .map_err(|err| self.ecs_error(DESCRIBE_SERVICES, stack, err))?;

        // AWS answers 200 for a service that is not there, and names it among the failures.
        if let Some(failure) = output.failures().first() {
            return Err(match failure.reason() {
                None | Some("MISSING") => Error::NotFound { resource: self.resource(stack) },
                Some(reason) => Error::Aws {
                    operation: DESCRIBE_SERVICES,
                    transient: false,
                    source: format!("{reason}: {}", failure.detail().unwrap_or("no detail")).into(),
                },
            });
        }
        output
            .services
            .unwrap_or_default()
            .into_iter()
            .find(|it| it.service_name() == Some(name))
            .ok_or(Error::Incomplete { operation: DESCRIBE_SERVICES, missing: "the service" })
    }

    async fn target(&self, stack: StackReference) -> Result<Option<ScalableTarget>> {
        let id = self.target_id(stack);
        let mut targets = self
            .scaling
            .describe_scalable_targets()
            .service_namespace(ServiceNamespace::Ecs)
            .resource_ids(&id)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .into_paginator()
            .items()
            .send();
        while let Some(target) = targets.next().await {
            let target = target.map_err(|err| scaling_error(DESCRIBE_TARGETS, err))?;
            if target.resource_id() == id
                && *target.scalable_dimension() == ScalableDimension::EcsServiceDesiredCount
            {
                return Ok(Some(target));
            }
        }
        Ok(None)
    }

    async fn update(&self, stack: StackReference, tasks: u32) -> Result<()> {
        self.ecs
            .update_service()
            .cluster(&self.config.cluster)
            .service(self.config.services.of(stack))
            .desired_count(i32::try_from(tasks).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|err| self.ecs_error(UPDATE_SERVICE, stack, err))?;
        Ok(())
    }

    async fn set_suspended(&self, stack: StackReference, wanted: Suspended) -> Result<Change> {
        let Some(target) = self.target(stack).await? else {
            return Ok(Change::AlreadySo);
        };
        let now = scaling(&target)?;
        if now.suspended == wanted {
            return Ok(Change::AlreadySo);
        }

        // What is left out keeps its value. The SDK reads an absent capacity as 0, and to send that
        // back would stop every task.
        self.scaling
            .register_scalable_target()
            .service_namespace(ServiceNamespace::Ecs)
            .resource_id(self.target_id(stack))
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .suspended_state(
                SuspendedState::builder()
                    .dynamic_scaling_in_suspended(wanted.dynamic_in)
                    .dynamic_scaling_out_suspended(wanted.dynamic_out)
                    .scheduled_scaling_suspended(wanted.scheduled)
                    .build(),
            )
            .send()
            .await
            .map_err(|err| scaling_error(REGISTER_TARGET, err))?;
        Ok(Change::Made)
    }

    fn resource(&self, stack: StackReference) -> String {
        format!("service `{}`", self.config.services.of(stack))
    }

    fn target_id(&self, stack: StackReference) -> String {
        format!("service/{}/{}", self.config.cluster, self.config.services.of(stack))
    }

    fn ecs_error<E>(
        &self,
        operation: &'static str,
        stack: StackReference,
        err: SdkError<E>,
    ) -> Error
    where
        E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        match err.code() {
            Some("ServiceNotFoundException") => Error::NotFound { resource: self.resource(stack) },
            Some("ClusterNotFoundException") => {
                Error::NotFound { resource: format!("ECS cluster `{}`", self.config.cluster) }
            }
            Some("ServiceNotActiveException") => self.not_active(stack, "not active"),
            Some("ClientException") if says(&err, "Rate exceeded") => {
                Error::Throttled { operation, source: err.into() }
            }
            _ => Error::aws(operation, err),
        }
    }

    fn not_active(&self, stack: StackReference, state: &str) -> Error {
        Error::WrongState {
            resource: self.resource(stack),
            state: state.to_owned(),
            expected: "an active service: this one is being deleted, create it anew".to_owned(),
        }
    }
}

#[async_trait]
impl EcsToolkit for AwsEcsToolkit {
    async fn service(&self, stack: StackReference) -> Result<Service> {
        let (service, target) = future::try_join(self.describe(stack), self.target(stack)).await?;
        let incomplete = |missing| Error::Incomplete { operation: DESCRIBE_SERVICES, missing };
        let count = |value: i32, missing| u32::try_from(value).map_err(|_| incomplete(missing));

        match service.status() {
            Some("ACTIVE") => {}
            Some("INACTIVE") => return Err(Error::NotFound { resource: self.resource(stack) }),
            Some(state) => return Err(self.not_active(stack, &format!("`{state}`"))),
            None => return Err(incomplete("the service's status")),
        }
        let arn = service.service_arn().ok_or_else(|| incomplete("the service's ARN"))?;
        // A service that was made without a controller has ECS's own.
        let controller = service
            .deployment_controller()
            .map_or(&DeploymentControllerType::Ecs, |it| it.r#type());

        Ok(Service {
            name: self.config.services.of(stack).clone(),
            arn: arn.to_owned(),
            desired: count(service.desired_count(), "the desired count")?,
            running: count(service.running_count(), "the running count")?,
            pending: count(service.pending_count(), "the pending count")?,
            controller: controller.as_str().to_owned(),
            task_definition: service.task_definition().map(str::to_owned),
            launch_type: service.launch_type().map(|it| it.as_str().to_owned()),
            is_daemon: service.scheduling_strategy() == Some(&SchedulingStrategy::Daemon),
            steady: is_steady(&service, controller),
            deployment_failed: service.deployments().iter().any(|it| {
                it.status() == Some("PRIMARY")
                    && it.rollout_state() == Some(&DeploymentRolloutState::Failed)
            }),
            scaling: target.as_ref().map(scaling).transpose()?,
        })
    }

    async fn enable_service(&self, stack: StackReference, tasks: u32) -> Result<()> {
        self.update(stack, tasks).await
    }

    async fn disable_service(&self, stack: StackReference) -> Result<()> {
        self.update(stack, 0).await
    }

    async fn suspend_scaling(&self, stack: StackReference) -> Result<Change> {
        self.set_suspended(stack, Suspended::ALL).await
    }

    async fn resume_scaling(&self, stack: StackReference, before: Suspended) -> Result<Change> {
        self.set_suspended(stack, before).await
    }
}

/// Only ECS's own controller fills the deployments; the others have task sets.
fn is_steady(service: &types::Service, controller: &DeploymentControllerType) -> bool {
    let at_count = service.running_count() == service.desired_count();
    let settled = match controller {
        DeploymentControllerType::Ecs => match service.deployments() {
            [only] => {
                only.rollout_state().is_none_or(|it| *it == DeploymentRolloutState::Completed)
            }
            _ => false,
        },
        _ => service
            .task_sets()
            .iter()
            .all(|it| it.stability_status() == Some(&StabilityStatus::SteadyState)),
    };
    at_count && service.pending_count() == 0 && settled
}

fn scaling(target: &ScalableTarget) -> Result<ServiceScaling> {
    let incomplete = |missing| Error::Incomplete { operation: DESCRIBE_TARGETS, missing };
    let minimum =
        u32::try_from(target.min_capacity()).map_err(|_| incomplete("the least capacity"))?;
    let maximum =
        u32::try_from(target.max_capacity()).map_err(|_| incomplete("the greatest capacity"))?;
    // AWS keeps none with less than its minimum, but the SDK reads an absent maximum as 0.
    if maximum < minimum {
        return Err(incomplete("the greatest capacity"));
    }

    let state = target.suspended_state();
    let flag = |read: fn(&SuspendedState) -> Option<bool>| state.and_then(read).unwrap_or(false);
    let suspended = Suspended {
        dynamic_in: flag(SuspendedState::dynamic_scaling_in_suspended),
        dynamic_out: flag(SuspendedState::dynamic_scaling_out_suspended),
        scheduled: flag(SuspendedState::scheduled_scaling_suspended),
    };
    Ok(ServiceScaling { minimum, maximum, suspended })
}

fn scaling_error<E>(operation: &'static str, err: SdkError<E>) -> Error
where
    E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let transient = match err.code() {
        Some("ConcurrentUpdateException" | "InvalidNextTokenException") => true,
        // Both pass soon after a role or a service was made.
        Some("ValidationException")
            if says(&err, "Unable to assume IAM role")
                || says(&err, "ECS service doesn't exist") =>
        {
            true
        }
        // A quota: the SDK takes this code for throttling.
        Some("LimitExceededException") => false,
        _ => return Error::aws(operation, err),
    };
    Error::Aws { operation, transient, source: err.into() }
}

fn says<E: ProvideErrorMetadata>(err: &SdkError<E>, words: &str) -> bool {
    err.message().is_some_and(|it| it.contains(words))
}

#[cfg(test)]
mod tests;
