//! Deployments and deployment groups: what is deployed, by whom, and what is under way.

use std::{error, time::SystemTime};

use aws_sdk_codedeploy::{
    error::{ProvideErrorMetadata, SdkError},
    types,
};
use bluegreen_core::{Error, Result};

use super::{AwsCodeDeployToolkit, failure, revision};
use crate::{Deployment, DeploymentGroup, DeploymentStatus};

const GET: &str = "codedeploy:GetDeployment";
const LIST: &str = "codedeploy:ListDeployments";
const GET_GROUP: &str = "codedeploy:GetDeploymentGroup";

/// What AWS calls a deployment that has not ended.
const UNDER_WAY: [types::DeploymentStatus; 5] = [
    types::DeploymentStatus::Created,
    types::DeploymentStatus::Queued,
    types::DeploymentStatus::InProgress,
    types::DeploymentStatus::Baking,
    types::DeploymentStatus::Ready,
];

impl AwsCodeDeployToolkit {
    pub(super) async fn get_deployment(&self, id: &str) -> Result<Deployment> {
        let incomplete = |missing| Error::Incomplete { operation: GET, missing };
        let output = self
            .client
            .get_deployment()
            .deployment_id(id)
            .send()
            .await
            .map_err(|err| failure(GET, id, err))?;
        let found = output.deployment_info.ok_or_else(|| incomplete("the deployment"))?;
        let status = found.status().ok_or_else(|| incomplete("the deployment's status"))?;
        let error = found.error_information().map(|it| {
            let code = it.code().map_or("unknown", |it| it.as_str());
            format!("{code}: {}", it.message().unwrap_or("no message"))
        });
        let rollback = found.rollback_info();
        let of = rollback.and_then(|it| it.rollback_triggering_deployment_id());
        Ok(Deployment {
            id: id.to_owned(),
            status: read_status(status),
            creator: found
                .creator()
                .ok_or_else(|| incomplete("the deployment's creator"))?
                .as_str()
                .to_owned(),
            platform: found
                .compute_platform()
                .ok_or_else(|| incomplete("the deployment's platform"))?
                .as_str()
                .to_owned(),
            revision: revision::read(found.revision()),
            created: found.create_time().and_then(|it| SystemTime::try_from(*it).ok()),
            rollback_of: of.map(str::to_owned),
            error,
            application: found
                .application_name
                .ok_or_else(|| incomplete("the deployment's application"))?,
            deployment_group: found
                .deployment_group_name
                .ok_or_else(|| incomplete("the deployment's group"))?,
        })
    }

    pub(super) async fn list_under_way(
        &self,
        application: &str,
        group: &str,
    ) -> Result<Vec<String>> {
        let mut found = self
            .client
            .list_deployments()
            .application_name(application)
            .deployment_group_name(group)
            .set_include_only_statuses(Some(UNDER_WAY.to_vec()))
            .into_paginator()
            .items()
            .send();
        let mut ids = Vec::new();
        while let Some(id) = found.next().await {
            ids.push(id.map_err(|err| group_failure(LIST, application, group, err))?);
        }
        Ok(ids)
    }

    pub(super) async fn get_deployment_group(
        &self,
        application: &str,
        group: &str,
    ) -> Result<DeploymentGroup> {
        let incomplete = |missing| Error::Incomplete { operation: GET_GROUP, missing };
        let output = self
            .client
            .get_deployment_group()
            .application_name(application)
            .deployment_group_name(group)
            .send()
            .await
            .map_err(|err| group_failure(GET_GROUP, application, group, err))?;
        let found =
            output.deployment_group_info.ok_or_else(|| incomplete("the deployment group"))?;
        let services = found
            .ecs_services()
            .iter()
            .map(|it| {
                let cluster = it.cluster_name().ok_or_else(|| incomplete("a cluster's name"))?;
                let service = it.service_name().ok_or_else(|| incomplete("a service's name"))?;
                Ok((cluster.to_owned(), service.to_owned()))
            })
            .collect::<Result<_>>()?;
        let attempted = found
            .last_attempted_deployment()
            .and_then(|it| Some((it.deployment_id()?.to_owned(), it.status().map(read_status)?)));
        let successful = found.last_successful_deployment().and_then(|it| it.deployment_id());
        Ok(DeploymentGroup {
            services,
            last_attempted: attempted,
            last_successful: successful.map(str::to_owned),
            service_role_arn: found
                .service_role_arn
                .ok_or_else(|| incomplete("the group's service role"))?,
        })
    }
}

fn read_status(status: &types::DeploymentStatus) -> DeploymentStatus {
    match status {
        types::DeploymentStatus::Succeeded => DeploymentStatus::Succeeded,
        types::DeploymentStatus::Failed => DeploymentStatus::Failed,
        types::DeploymentStatus::Stopped => DeploymentStatus::Stopped,
        other => DeploymentStatus::UnderWay(other.as_str().to_owned()),
    }
}

fn group_failure<E>(
    operation: &'static str,
    application: &str,
    group: &str,
    err: SdkError<E>,
) -> Error
where
    E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match err.code() {
        Some("ApplicationDoesNotExistException") => {
            Error::NotFound { resource: format!("CodeDeploy application `{application}`") }
        }
        Some("DeploymentGroupDoesNotExistException") => Error::NotFound {
            resource: format!("deployment group `{group}` of application `{application}`"),
        },
        _ => Error::aws(operation, err),
    }
}

#[cfg(test)]
mod tests;
