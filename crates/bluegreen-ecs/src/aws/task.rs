//! [`AwsEcsTaskToolkit`], the SDK behind [`EcsTaskToolkit`].

use std::error;

use async_trait::async_trait;
use aws_sdk_ecs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{
        self, AssignPublicIp, AwsVpcConfiguration, ContainerOverride, KeyValuePair,
        NetworkConfiguration, TaskDefinitionStatus, TaskOverride,
    },
};
use aws_types::SdkConfig;
use bluegreen_core::{Error, LazyClient, Result, StackReference, ensure_valid};

use super::says;
use crate::{Container, EcsTaskConfig, EcsTaskToolkit, LaunchType, Task, TaskDefinition, TaskRun};

const DESCRIBE_DEFINITION: &str = "ecs:DescribeTaskDefinition";
const RUN_TASK: &str = "ecs:RunTask";
const DESCRIBE_TASKS: &str = "ecs:DescribeTasks";
const PASS_ROLE: &str = "iam:PassRole";

/// Answers [`EcsTaskToolkit`] from AWS.
#[derive(Clone, Debug)]
pub struct AwsEcsTaskToolkit {
    ecs: LazyClient<Client>,
    config: EcsTaskConfig,
}

impl AwsEcsTaskToolkit {
    /// Makes a toolkit for the account and region that `sdk` points at.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] when `config` cannot be used; nothing is sent to AWS.
    pub fn new(sdk: &SdkConfig, config: EcsTaskConfig) -> Result<Self> {
        Self::from_client(LazyClient::new(sdk, Client::new), config)
    }

    /// Makes a toolkit over a client that the caller has built.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn from_client(ecs: impl Into<LazyClient<Client>>, config: EcsTaskConfig) -> Result<Self> {
        ensure_valid(&config)?;
        Ok(Self { ecs: ecs.into(), config })
    }

    /// Returns where the task is in the network; `None` where the task definition says all of it.
    fn network(&self) -> Result<Option<NetworkConfiguration>> {
        let config = &self.config;
        if config.subnets.is_empty() {
            return Ok(None);
        }
        let address = config.assign_public_ip.map(|it| match it {
            true => AssignPublicIp::Enabled,
            false => AssignPublicIp::Disabled,
        });
        let groups = Some(config.security_groups.clone()).filter(|it| !it.is_empty());
        let vpc = AwsVpcConfiguration::builder()
            .set_subnets(Some(config.subnets.clone()))
            .set_security_groups(groups)
            .set_assign_public_ip(address)
            .build();
        let vpc = vpc.map_err(|err| Error::Aws {
            operation: RUN_TASK,
            transient: false,
            source: err.into(),
        })?;
        Ok(Some(NetworkConfiguration::builder().awsvpc_configuration(vpc).build()))
    }

    fn resource(&self, stack: StackReference) -> String {
        format!("task definition `{}`", self.config.definitions.of(stack))
    }

    fn ecs_error<E>(
        &self,
        operation: &'static str,
        stack: Option<StackReference>,
        err: SdkError<E>,
    ) -> Error
    where
        E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        match (err.code(), stack) {
            (Some("ClusterNotFoundException"), _) => {
                Error::NotFound { resource: format!("ECS cluster `{}`", self.config.cluster) }
            }
            // It is not the call itself that is refused.
            (Some("AccessDeniedException"), _) if says(&err, PASS_ROLE) => {
                Error::AccessDenied { operation: PASS_ROLE, source: err.into() }
            }
            (Some("ClientException"), _) if says(&err, "Rate exceeded") => {
                Error::Throttled { operation, source: err.into() }
            }
            (Some("ClientException" | "InvalidParameterException"), Some(stack))
                if says(&err, "Unable to describe task definition")
                    || says(&err, "TaskDefinition not found")
                    || says(&err, "TaskDefinition is inactive") =>
            {
                Error::NotFound { resource: self.resource(stack) }
            }
            _ => Error::aws(operation, err),
        }
    }
}

#[async_trait]
impl EcsTaskToolkit for AwsEcsTaskToolkit {
    async fn task_definition(&self, stack: StackReference) -> Result<TaskDefinition> {
        let incomplete = |missing| Error::Incomplete { operation: DESCRIBE_DEFINITION, missing };
        let output = self
            .ecs
            .describe_task_definition()
            .task_definition(self.config.definitions.of(stack))
            .send()
            .await
            .map_err(|err| self.ecs_error(DESCRIBE_DEFINITION, Some(stack), err))?;
        let found = output.task_definition.ok_or_else(|| incomplete("the task definition"))?;
        // One that was deregistered is described all the same.
        if found.status() != Some(&TaskDefinitionStatus::Active) {
            return Err(Error::NotFound { resource: self.resource(stack) });
        }
        let essential = found
            .container_definitions()
            .iter()
            // What is not said to be otherwise is essential.
            .filter(|it| it.essential() != Some(false))
            .map(|it| it.name().map(str::to_owned).ok_or_else(|| incomplete("a container's name")))
            .collect::<Result<Vec<_>>>()?;
        let arn = found.task_definition_arn.ok_or_else(|| incomplete("the definition's ARN"))?;
        Ok(TaskDefinition { arn, essential })
    }

    async fn run_task(&self, stack: StackReference, run: TaskRun) -> Result<Task> {
        let variable = |(name, value): &(String, String)| {
            KeyValuePair::builder().name(name).value(value).build()
        };
        let environment: Vec<KeyValuePair> = run.environment.iter().map(variable).collect();
        let given = run.containers.iter().map(|name| {
            let environment = Some(environment.clone());
            ContainerOverride::builder().name(name).set_environment(environment).build()
        });
        let overrides =
            TaskOverride::builder().set_container_overrides(Some(given.collect())).build();
        let launch_type = self.config.launch_type.map(|it| match it {
            LaunchType::Fargate => types::LaunchType::Fargate,
            LaunchType::Ec2 => types::LaunchType::Ec2,
        });
        let output = self
            .ecs
            .run_task()
            .cluster(&self.config.cluster)
            .task_definition(self.config.definitions.of(stack))
            .count(1)
            .client_token(run.token)
            .started_by(run.started_by)
            .set_launch_type(launch_type)
            .set_network_configuration(self.network()?)
            .overrides(overrides)
            .send()
            .await
            .map_err(|err| self.ecs_error(RUN_TASK, Some(stack), err))?;

        // AWS answers 200 when there is no room, and says so among the failures.
        match (output.tasks().first(), output.failures().first()) {
            (Some(task), _) => read(task, RUN_TASK),
            (None, Some(failure)) => {
                let reason = failure.reason().unwrap_or("no reason");
                Err(Error::Aws {
                    operation: RUN_TASK,
                    transient: reason.starts_with("RESOURCE") || reason.contains("Capacity"),
                    source: format!("{reason}: {}", failure.detail().unwrap_or("no detail")).into(),
                })
            }
            (None, None) => Err(Error::Incomplete { operation: RUN_TASK, missing: "the task" }),
        }
    }

    async fn task(&self, arn: &str) -> Result<Option<Task>> {
        let output = self
            .ecs
            .describe_tasks()
            .cluster(&self.config.cluster)
            .tasks(arn)
            .send()
            .await
            .map_err(|err| self.ecs_error(DESCRIBE_TASKS, None, err))?;
        match (output.tasks().first(), output.failures().first()) {
            (Some(task), _) => read(task, DESCRIBE_TASKS).map(Some),
            (None, Some(failure)) if failure.reason() == Some("MISSING") => Ok(None),
            (None, Some(failure)) => Err(Error::Aws {
                operation: DESCRIBE_TASKS,
                transient: false,
                source: format!(
                    "{}: {}",
                    failure.reason().unwrap_or("no reason"),
                    failure.detail().unwrap_or("no detail")
                )
                .into(),
            }),
            (None, None) => {
                Err(Error::Incomplete { operation: DESCRIBE_TASKS, missing: "the task" })
            }
        }
    }
}

fn read(task: &types::Task, operation: &'static str) -> Result<Task> {
    let incomplete = |missing| Error::Incomplete { operation, missing };
    let arn = task.task_arn().ok_or_else(|| incomplete("the task's ARN"))?;
    let status = task.last_status().ok_or_else(|| incomplete("the task's status"))?;
    let containers = task
        .containers()
        .iter()
        .map(|it| {
            Ok(Container {
                name: it.name().ok_or_else(|| incomplete("a container's name"))?.to_owned(),
                exit_code: it.exit_code(),
                reason: it.reason().map(str::to_owned),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Task {
        arn: arn.to_owned(),
        status: status.to_owned(),
        stopped_reason: task.stopped_reason().map(str::to_owned),
        containers,
    })
}

#[cfg(test)]
mod tests;
