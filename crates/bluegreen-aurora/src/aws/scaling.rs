//! The scaling target of a cluster's readers.

use std::error;

use aws_sdk_applicationautoscaling::{
    error::{ProvideErrorMetadata, SdkError},
    types::{ScalableDimension, ScalableTarget, ServiceNamespace, SuspendedState},
};
use bluegreen_core::{Error, Result};

use super::{AwsAuroraToolkit, cluster::same_name};
use crate::{ReaderScaling, Scaled};

const DESCRIBE: &str = "application-autoscaling:DescribeScalableTargets";
const REGISTER: &str = "application-autoscaling:RegisterScalableTarget";
const DIMENSION: ScalableDimension = ScalableDimension::RdsClusterReadReplicaCount;

impl AwsAuroraToolkit {
    /// Looks for the scaling target of the cluster `name`; AWS leaves out what it does not know.
    pub(super) async fn scaling_target(&self, name: &str) -> Result<Option<ScalableTarget>> {
        let resource = format!("cluster:{name}");
        let pages = self
            .autoscaling
            .describe_scalable_targets()
            .service_namespace(ServiceNamespace::Rds)
            .resource_ids(&resource)
            .scalable_dimension(DIMENSION)
            .into_paginator()
            .send()
            .try_collect()
            .await
            .map_err(|err| scaling_error(DESCRIBE, err))?;
        for page in pages {
            let targets = page
                .scalable_targets
                .ok_or(Error::Incomplete { operation: DESCRIBE, missing: "the scaling targets" })?;
            let target = targets.into_iter().find(|it| {
                same_name(Some(it.resource_id()), &resource)
                    && *it.scalable_dimension() == DIMENSION
            });
            if target.is_some() {
                return Ok(target);
            }
        }
        Ok(None)
    }

    pub(super) async fn raise_minimum(&self, name: &str, readers: u32) -> Result<Scaled> {
        let target = self.known_target(name).await?;
        let maximum = limits(&target).maximum;
        let minimum = readers.max(self.config.minimum_readers).min(maximum);
        self.register(&target, minimum, None).await?;
        Ok(Scaled { wanted: readers, minimum, maximum })
    }

    pub(super) async fn restore_minimum(&self, name: &str, readers: u32) -> Result<Scaled> {
        let target = self.known_target(name).await?;
        let now = limits(&target);
        let minimum = readers.min(now.maximum);
        if minimum != now.minimum {
            self.register(&target, minimum, None).await?;
        }
        Ok(Scaled { wanted: readers, minimum, maximum: now.maximum })
    }

    /// Keeps scaling from adding or removing readers of the cluster `name`, if it has a scaling target.
    pub(super) async fn suspend_scaling(&self, name: &str) -> Result<()> {
        let Some(target) = self.scaling_target(name).await? else {
            return Ok(());
        };
        let suspended = SuspendedState::builder()
            .dynamic_scaling_in_suspended(true)
            .dynamic_scaling_out_suspended(true)
            .scheduled_scaling_suspended(true)
            .build();
        if target.suspended_state() == Some(&suspended) {
            return Ok(());
        }
        self.register(&target, limits(&target).minimum, Some(suspended)).await
    }

    async fn known_target(&self, name: &str) -> Result<ScalableTarget> {
        self.scaling_target(name).await?.ok_or_else(|| Error::NothingFound {
            what: format!("scaling target for the readers of cluster `{name}`"),
        })
    }

    /// Updates a target: its minimum and, always with it, its maximum.
    async fn register(
        &self,
        target: &ScalableTarget,
        minimum: u32,
        suspended: Option<SuspendedState>,
    ) -> Result<()> {
        tracing::debug!(target = target.resource_id(), minimum, "scaling");
        self.autoscaling
            .register_scalable_target()
            .service_namespace(ServiceNamespace::Rds)
            .resource_id(target.resource_id())
            .scalable_dimension(DIMENSION)
            .min_capacity(i32::try_from(minimum).unwrap_or(i32::MAX))
            .max_capacity(target.max_capacity())
            .set_suspended_state(suspended)
            .send()
            .await
            .map_err(|err| scaling_error(REGISTER, err))?;
        Ok(())
    }
}

/// Returns the range of the readers' number.
pub(super) fn limits(target: &ScalableTarget) -> ReaderScaling {
    let count = |it: i32| u32::try_from(it).unwrap_or(0);
    ReaderScaling { minimum: count(target.min_capacity()), maximum: count(target.max_capacity()) }
}

/// Sorts a failure, since the SDK takes an exhausted quota for throttling and does not repeat what this
/// service means to be repeated.
fn scaling_error<E>(operation: &'static str, err: SdkError<E>) -> Error
where
    E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let transient = match err.code() {
        Some(
            "ConcurrentUpdateException" | "InternalServiceException" | "InvalidNextTokenException",
        ) => true,
        Some("ValidationException") => {
            err.message().is_some_and(|it| it.contains("Unable to assume IAM role"))
        }
        Some("LimitExceededException") => false,
        _ => return Error::aws(operation, err),
    };
    Error::Aws { operation, transient, source: err.into() }
}

#[cfg(test)]
mod tests;
