//! The scaling target of a cluster's readers.

use std::error;

use aws_sdk_applicationautoscaling::{
    error::{ProvideErrorMetadata, SdkError},
    operation::register_scalable_target::builders::RegisterScalableTargetFluentBuilder,
    types::{ScalableDimension, ScalableTarget, ServiceNamespace, SuspendedState},
};
use bluegreen_core::{Change, Error, Result};

use super::{AwsAuroraToolkit, cluster::same_name};
use crate::{ReaderScaling, Scaled, Suspended};

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
        let maximum = known_range(&target)?.maximum;
        let minimum = readers.max(self.config.minimum_readers).min(maximum);
        self.set_minimum(&target, minimum).await?;
        Ok(Scaled { wanted: readers, minimum, maximum })
    }

    pub(super) async fn restore_minimum(&self, name: &str, readers: u32) -> Result<Scaled> {
        let target = self.known_target(name).await?;
        let now = known_range(&target)?;
        let minimum = readers.min(now.maximum);
        if minimum != now.minimum {
            self.set_minimum(&target, minimum).await?;
        }
        Ok(Scaled { wanted: readers, minimum, maximum: now.maximum })
    }

    /// Keeps scaling from adding or removing readers of the cluster `name`, if it has a scaling target.
    pub(super) async fn suspend_scaling(&self, name: &str) -> Result<()> {
        let Some(target) = self.scaling_target(name).await? else {
            return Ok(());
        };
        self.set_suspended(&target, Suspended::ALL).await?;
        Ok(())
    }

    pub(super) async fn resume(&self, name: &str, before: Suspended) -> Result<Change> {
        let target = self.known_target(name).await?;
        self.set_suspended(&target, before).await
    }

    async fn known_target(&self, name: &str) -> Result<ScalableTarget> {
        self.scaling_target(name).await?.ok_or_else(|| Error::NothingFound {
            what: format!("scaling target for the readers of cluster `{name}`"),
        })
    }

    /// Updates a target's minimum and, always with it, its maximum.
    async fn set_minimum(&self, target: &ScalableTarget, minimum: u32) -> Result<()> {
        tracing::debug!(target = target.resource_id(), minimum, "scaling");
        self.registration(target)
            .min_capacity(i32::try_from(minimum).unwrap_or(i32::MAX))
            .max_capacity(target.max_capacity())
            .send()
            .await
            .map_err(|err| scaling_error(REGISTER, err))?;
        Ok(())
    }

    /// Updates what of a target is suspended, unless it is so already, and nothing else: AWS keeps what
    /// is left out.
    async fn set_suspended(&self, target: &ScalableTarget, wanted: Suspended) -> Result<Change> {
        if suspended(target) == wanted {
            return Ok(Change::AlreadySo);
        }
        tracing::debug!(target = target.resource_id(), ?wanted, "suspending or resuming");
        let state = SuspendedState::builder()
            .dynamic_scaling_in_suspended(wanted.dynamic_in)
            .dynamic_scaling_out_suspended(wanted.dynamic_out)
            .scheduled_scaling_suspended(wanted.scheduled)
            .build();
        self.registration(target)
            .suspended_state(state)
            .send()
            .await
            .map_err(|err| scaling_error(REGISTER, err))?;
        Ok(Change::Made)
    }

    fn registration(&self, target: &ScalableTarget) -> RegisterScalableTargetFluentBuilder {
        self.autoscaling
            .register_scalable_target()
            .service_namespace(ServiceNamespace::Rds)
            .resource_id(target.resource_id())
            .scalable_dimension(DIMENSION)
    }
}

/// Returns the range of the readers' number, and what of the scaling is suspended.
pub(super) fn scaling(target: &ScalableTarget) -> Result<ReaderScaling> {
    let count = |it: i32| u32::try_from(it).unwrap_or(0);
    let (minimum, maximum) = (count(target.min_capacity()), count(target.max_capacity()));
    // AWS holds no such range: the maximum was left out, which the SDK reads as 0.
    if maximum < minimum {
        return Err(without_maximum());
    }
    Ok(ReaderScaling { minimum, maximum, suspended: suspended(target) })
}

/// Returns a range that may be sent back: where the SDK reads 0, AWS may have said nothing.
fn known_range(target: &ScalableTarget) -> Result<ReaderScaling> {
    scaling(target).and_then(|it| if it.maximum == 0 { Err(without_maximum()) } else { Ok(it) })
}

fn suspended(target: &ScalableTarget) -> Suspended {
    let state = target.suspended_state();
    let flag = |read: fn(&SuspendedState) -> Option<bool>| state.and_then(read).unwrap_or(false);
    Suspended {
        dynamic_in: flag(SuspendedState::dynamic_scaling_in_suspended),
        dynamic_out: flag(SuspendedState::dynamic_scaling_out_suspended),
        scheduled: flag(SuspendedState::scheduled_scaling_suspended),
    }
}

fn without_maximum() -> Error {
    Error::Incomplete { operation: DESCRIBE, missing: "the scaling target's maximum" }
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
