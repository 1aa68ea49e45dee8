//! [`AwsEcsTrafficToolkit`], the SDK behind [`EcsTrafficToolkit`].

use std::{error, time::SystemTime};

use async_trait::async_trait;
use aws_sdk_ecs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{self, Failure, StabilityStatus, TaskDefinitionField},
};
use aws_types::SdkConfig;
use bluegreen_core::{Error, LazyClient, Result, ensure_valid};

use super::{DESCRIBE_SERVICES, says};
use crate::{
    BoundDefinition, EcsTrafficConfig, EcsTrafficToolkit, HookSetting, RevisionTraffic,
    ServiceDeployment, ServiceDeploymentStatus, ServiceRevision, TaskSet, TrafficService,
};

const DESCRIBE_DEFINITION: &str = "ecs:DescribeTaskDefinition";
const DESCRIBE_REVISIONS: &str = "ecs:DescribeServiceRevisions";
const DESCRIBE_DEPLOYMENTS: &str = "ecs:DescribeServiceDeployments";
const LIST_DEPLOYMENTS: &str = "ecs:ListServiceDeployments";

/// The most service deployments that AWS describes in a call.
const MOST_DEPLOYMENTS: usize = 20;

/// What AWS calls a service deployment that has not ended.
const UNDER_WAY: [types::ServiceDeploymentStatus; 5] = [
    types::ServiceDeploymentStatus::Pending,
    types::ServiceDeploymentStatus::InProgress,
    types::ServiceDeploymentStatus::StopRequested,
    types::ServiceDeploymentStatus::RollbackRequested,
    types::ServiceDeploymentStatus::RollbackInProgress,
];

/// Answers [`EcsTrafficToolkit`] from AWS.
#[derive(Clone, Debug)]
pub struct AwsEcsTrafficToolkit {
    ecs: LazyClient<Client>,
    config: EcsTrafficConfig,
}

impl AwsEcsTrafficToolkit {
    /// Makes a toolkit for the account and region that `sdk` points at.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] when `config` cannot be used; nothing is sent to AWS.
    pub fn new(sdk: &SdkConfig, config: EcsTrafficConfig) -> Result<Self> {
        Self::from_client(LazyClient::new(sdk, Client::new), config)
    }

    /// Makes a toolkit over a client that the caller has built.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn from_client(
        ecs: impl Into<LazyClient<Client>>,
        config: EcsTrafficConfig,
    ) -> Result<Self> {
        ensure_valid(&config)?;
        Ok(Self { ecs: ecs.into(), config })
    }

    fn service(&self) -> String {
        format!("ECS service `{}`", self.config.service)
    }

    /// Wraps a failure; `resource` is what the call is about.
    fn failure<E>(&self, operation: &'static str, resource: String, err: SdkError<E>) -> Error
    where
        E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        match err.code() {
            Some("ClusterNotFoundException") => {
                Error::NotFound { resource: format!("ECS cluster `{}`", self.config.cluster) }
            }
            Some("ServiceNotFoundException") => Error::NotFound { resource: self.service() },
            Some("ServiceDeploymentNotFoundException") => Error::NotFound { resource },
            Some("ClientException") if says(&err, "Rate exceeded") => {
                Error::Throttled { operation, source: err.into() }
            }
            Some("ClientException") if says(&err, "Unable to describe task definition") => {
                Error::NotFound { resource }
            }
            _ => Error::aws(operation, err),
        }
    }

    async fn describe_deployments(&self, arns: &[String]) -> Result<Vec<ServiceDeployment>> {
        let output = self
            .ecs
            .describe_service_deployments()
            .set_service_deployment_arns(Some(arns.to_vec()))
            .send()
            .await
            .map_err(|err| {
                let resource = format!("service deployment `{}`", arns.join("`, `"));
                self.failure(DESCRIBE_DEPLOYMENTS, resource, err)
            })?;
        if let Some(failure) = output.failures().first() {
            let arn = failure.arn().or(arns.first().map(String::as_str)).unwrap_or_default();
            let resource = format!("service deployment `{arn}`");
            return Err(failed(DESCRIBE_DEPLOYMENTS, resource, failure));
        }
        output.service_deployments().iter().map(deployment).collect()
    }
}

#[async_trait]
impl EcsTrafficToolkit for AwsEcsTrafficToolkit {
    async fn traffic_service(&self) -> Result<TrafficService> {
        let incomplete = |missing| Error::Incomplete { operation: DESCRIBE_SERVICES, missing };
        let output = self
            .ecs
            .describe_services()
            .cluster(&self.config.cluster)
            .services(&self.config.service)
            .send()
            .await
            .map_err(|err| self.failure(DESCRIBE_SERVICES, self.service(), err))?;
        // AWS answers 200 for a service that is not there, and names it among the failures.
        if let Some(failure) = output.failures().first() {
            return Err(failed(DESCRIBE_SERVICES, self.service(), failure));
        }
        let services = output.services.unwrap_or_default().into_iter();
        let found = services.into_iter().find(|it| it.service_name() == Some(&self.config.service));
        let found = found.ok_or_else(|| incomplete("the service"))?;
        let controller = found.deployment_controller().map_or("ECS", |it| it.r#type().as_str());
        let task_sets = found.task_sets().iter().map(task_set).collect::<Result<_>>()?;
        let current_revisions = found
            .current_service_revisions()
            .iter()
            .map(|it| it.arn().map(str::to_owned).ok_or_else(|| incomplete("a revision's ARN")))
            .collect::<Result<_>>()?;
        Ok(TrafficService {
            controller: controller.to_owned(),
            task_sets,
            current_revisions,
            current_deployment: found.current_service_deployment().map(str::to_owned),
            task_definition: found.task_definition().map(str::to_owned),
            arn: found.service_arn.ok_or_else(|| incomplete("the service's ARN"))?,
        })
    }

    async fn task_definition_of(&self, arn: &str) -> Result<BoundDefinition> {
        let incomplete = |missing| Error::Incomplete { operation: DESCRIBE_DEFINITION, missing };
        let output = self
            .ecs
            .describe_task_definition()
            .task_definition(arn)
            .include(TaskDefinitionField::Tags)
            .send()
            .await
            .map_err(|err| {
                self.failure(DESCRIBE_DEFINITION, format!("task definition `{arn}`"), err)
            })?;
        let tags = output.tags().iter().filter_map(|it| {
            Some((it.key()?.to_owned(), it.value().unwrap_or_default().to_owned()))
        });
        let tags = tags.collect();
        let found = output.task_definition.ok_or_else(|| incomplete("the task definition"))?;
        let environment = found
            .container_definitions()
            .iter()
            .map(|it| {
                let name = it.name().ok_or_else(|| incomplete("a container's name"))?;
                let variables = it.environment().iter().filter_map(|it| {
                    Some((it.name()?.to_owned(), it.value().unwrap_or_default().to_owned()))
                });
                Ok((name.to_owned(), variables.collect()))
            })
            .collect::<Result<_>>()?;
        Ok(BoundDefinition { environment, tags })
    }

    async fn revision(&self, arn: &str) -> Result<ServiceRevision> {
        let incomplete = |missing| Error::Incomplete { operation: DESCRIBE_REVISIONS, missing };
        let resource = || format!("service revision `{arn}`");
        let output = self
            .ecs
            .describe_service_revisions()
            .service_revision_arns(arn)
            .send()
            .await
            .map_err(|err| self.failure(DESCRIBE_REVISIONS, resource(), err))?;
        if let Some(failure) = output.failures().first() {
            return Err(failed(DESCRIBE_REVISIONS, resource(), failure));
        }
        let found = output.service_revisions().first();
        let found = found.ok_or_else(|| incomplete("the revision"))?;
        let definition = found.task_definition();
        let definition = definition.ok_or_else(|| incomplete("the revision's task definition"))?;
        Ok(ServiceRevision { arn: arn.to_owned(), task_definition: definition.to_owned() })
    }

    async fn service_deployment(&self, arn: &str) -> Result<Option<ServiceDeployment>> {
        match self.describe_deployments(&[arn.to_owned()]).await {
            Ok(found) => found.into_iter().next().map(Some).ok_or(Error::Incomplete {
                operation: DESCRIBE_DEPLOYMENTS,
                missing: "the service deployment",
            }),
            Err(err) if err.is_absent() => Ok(None),
            Err(err) => Err(err),
        }
    }

    async fn service_deployments_under_way(&self) -> Result<Vec<ServiceDeployment>> {
        let mut arns = Vec::new();
        let mut token = None;
        // The SDK has no paginator for this call.
        loop {
            let page = self
                .ecs
                .list_service_deployments()
                .cluster(&self.config.cluster)
                .service(&self.config.service)
                .set_status(Some(UNDER_WAY.to_vec()))
                .set_next_token(token.take())
                .send()
                .await
                .map_err(|err| self.failure(LIST_DEPLOYMENTS, self.service(), err))?;
            for it in page.service_deployments() {
                let missing = "the ARN of a service deployment";
                let incomplete = Error::Incomplete { operation: LIST_DEPLOYMENTS, missing };
                arns.push(it.service_deployment_arn().ok_or(incomplete)?.to_owned());
            }
            token = page.next_token.filter(|it| !it.is_empty());
            if token.is_none() {
                break;
            }
        }
        let mut found = Vec::new();
        for arns in arns.chunks(MOST_DEPLOYMENTS) {
            let described = self.describe_deployments(arns).await?;
            if described.len() < arns.len() {
                let missing = "every service deployment";
                return Err(Error::Incomplete { operation: DESCRIBE_DEPLOYMENTS, missing });
            }
            found.extend(described);
        }
        // One may have ended between the two calls.
        found.retain(|it| !it.status.has_ended());
        Ok(found)
    }
}

/// Reads one of the failures that AWS answers 200 with.
fn failed(operation: &'static str, resource: String, failure: &Failure) -> Error {
    match failure.reason() {
        None | Some("MISSING") => Error::NotFound { resource },
        Some(reason) => Error::Aws {
            operation,
            transient: false,
            source: format!("{reason}: {}", failure.detail().unwrap_or("no detail")).into(),
        },
    }
}

fn task_set(found: &types::TaskSet) -> Result<TaskSet> {
    let incomplete = |missing| Error::Incomplete { operation: DESCRIBE_SERVICES, missing };
    let id = found.id().ok_or_else(|| incomplete("a task set's id"))?;
    let status = found.status().ok_or_else(|| incomplete("a task set's status"))?;
    let definition = found.task_definition();
    let definition = definition.ok_or_else(|| incomplete("a task set's task definition"))?;
    Ok(TaskSet {
        id: id.to_owned(),
        task_definition: definition.to_owned(),
        status: status.to_owned(),
        steady: found.stability_status() == Some(&StabilityStatus::SteadyState),
    })
}

fn deployment(found: &types::ServiceDeployment) -> Result<ServiceDeployment> {
    use types::ServiceDeploymentStatus as Status;
    let incomplete = |missing| Error::Incomplete { operation: DESCRIBE_DEPLOYMENTS, missing };
    let arn = found.service_deployment_arn();
    let arn = arn.ok_or_else(|| incomplete("the ARN of a service deployment"))?;
    let word = found.status().ok_or_else(|| incomplete("the status of a service deployment"))?;
    let status = match word {
        Status::Successful => ServiceDeploymentStatus::Successful,
        Status::Stopped => ServiceDeploymentStatus::Stopped,
        Status::RollbackSuccessful => ServiceDeploymentStatus::RolledBack,
        Status::RollbackFailed => ServiceDeploymentStatus::RollbackFailed,
        other => ServiceDeploymentStatus::UnderWay(other.as_str().to_owned()),
    };
    let hooks = found.deployment_configuration().map(|it| it.lifecycle_hooks());
    let started = found.started_at().or(found.created_at());
    Ok(ServiceDeployment {
        arn: arn.to_owned(),
        status,
        rolls_back: found.rollback().is_some() || word.as_str().starts_with("ROLLBACK"),
        stage: found.lifecycle_stage().map(|it| it.as_str().to_owned()),
        target: found.target_service_revision().map(revision).transpose()?,
        sources: found.source_service_revisions().iter().map(revision).collect::<Result<_>>()?,
        hooks: hooks.unwrap_or_default().iter().map(hook).collect(),
        started: started.and_then(|it| SystemTime::try_from(*it).ok()),
    })
}

fn revision(found: &types::ServiceRevisionSummary) -> Result<RevisionTraffic> {
    let missing = "the ARN of a service revision";
    let arn = found.arn().ok_or(Error::Incomplete { operation: DESCRIBE_DEPLOYMENTS, missing })?;
    Ok(RevisionTraffic {
        arn: arn.to_owned(),
        production_weight: found.requested_production_traffic_weight(),
    })
}

fn hook(found: &types::DeploymentLifecycleHook) -> HookSetting {
    let action = found.timeout_configuration().and_then(|it| it.action());
    HookSetting {
        target_arn: found.hook_target_arn().map(str::to_owned),
        stages: found.lifecycle_stages().iter().map(|it| it.as_str().to_owned()).collect(),
        timeout_action: action.map(|it| it.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests;
