//! [`CodeDeployTraffic`], traffic that deployments of CodeDeploy move.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_codedeploy::{
    CodeDeployToolkit, Deployment, DeploymentStatus, Revision, TaskSetLabel,
};
use bluegreen_core::StackReference;
use bluegreen_ecs::{EcsTrafficToolkit, TrafficService};
use bluegreen_lambda::LambdaTrafficToolkit;

use super::binding::{self, common};
use crate::{
    Error, Mover, Permission, Result, Wildcard,
    stack_file::{Binding, CodeDeployMover, CodeDeployServes},
};

/// The traffic of a table `[traffic.NAME]` with `mover = "codedeploy"`.
///
/// CodeDeploy moves it; here is only looked where it is, and which stack a deployment is for. That is read from the
/// task definition or the version of the function, never assumed.
#[derive(Clone, Debug)]
pub struct CodeDeployTraffic {
    name: String,
    settings: CodeDeployMover,
    toolkit: Arc<dyn CodeDeployToolkit>,
    serving: Serving,
}

/// The toolkit of what a deployment group deploys to.
#[derive(Clone, Debug)]
pub enum Serving {
    /// It is an ECS service.
    Service(Arc<dyn EcsTrafficToolkit>),
    /// It is a Lambda function.
    Function(Arc<dyn LambdaTrafficToolkit>),
}

impl CodeDeployTraffic {
    /// Makes it for the table `[traffic.name]`; `serving` is of the kind that `settings` say.
    pub fn new(
        name: &str,
        settings: CodeDeployMover,
        toolkit: Arc<dyn CodeDeployToolkit>,
        serving: Serving,
    ) -> Self {
        Self { name: name.to_owned(), settings, toolkit, serving }
    }

    /// Returns what its table says.
    pub fn settings(&self) -> &CodeDeployMover {
        &self.settings
    }

    /// Returns the toolkit of CodeDeploy.
    pub fn toolkit(&self) -> &Arc<dyn CodeDeployToolkit> {
        &self.toolkit
    }

    /// Returns which stack a deployment is for: the one that its revision is bound to.
    ///
    /// Calls `ecs:DescribeTaskDefinition` or `lambda:GetFunctionConfiguration`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the reason when it is bound to no stack: a variable or tag that is missing or says
    /// something else, an AppSpec that cannot be read, another function or alias than the stack file's.
    pub async fn stack_of(&self, deployment: &Deployment) -> Result<StackReference> {
        let refused = |why: String| {
            Error::refused(format!(
                "CodeDeploy deployment `{}` is bound to no stack ([traffic.{}]): {why}",
                deployment.id, self.name
            ))
        };
        match (&deployment.revision, self.served()?) {
            (Revision::TaskDefinition(arn), Served::Service(ecs, binding)) => {
                binding::of_definition(ecs, arn, binding).await
            }
            (
                Revision::FunctionVersion { function: name, alias: moved, version },
                Served::Function { lambda, function, alias, variable },
            ) => {
                if (name.as_str(), moved.as_str()) != (function, alias) {
                    return Err(refused(format!(
                        "it moves alias `{moved}` of function `{name}`, not `{alias}` of `{function}`"
                    )));
                }
                version_stack(lambda, function, version, variable).await
            }
            (Revision::Elsewhere(why), _) => Err(refused(why.clone())),
            (Revision::TaskDefinition(_), _) => {
                Err(refused("it deploys a task definition, not a version of a function".to_owned()))
            }
            (Revision::FunctionVersion { .. }, _) => {
                Err(refused("it deploys a version of a function, not a task definition".to_owned()))
            }
        }
    }

    /// Returns which stack the replacement task set of a deployment is really bound to, by the task definition that it
    /// runs; `None` before `Install` has made it, and for functions, which have none.
    ///
    /// Calls `codedeploy:ListDeploymentTargets`, `codedeploy:BatchGetDeploymentTargets`, `ecs:DescribeServices` and
    /// `ecs:DescribeTaskDefinition`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the reason when it is bound to no stack; `NotFound` when ECS does not show the task set.
    pub async fn stack_of_replacement(
        &self,
        deployment_id: &str,
    ) -> Result<Option<StackReference>> {
        let Served::Service(ecs, binding) = self.served()? else { return Ok(None) };
        let target = self.toolkit.target(deployment_id).await?;
        let sets = target.map(|it| it.task_sets).unwrap_or_default();
        let Some(green) = sets.into_iter().find(|it| it.label == TaskSetLabel::Green) else {
            return Ok(None);
        };
        let service = ecs.traffic_service().await?;
        let definition = definition_of(&service, &green.id)?;
        binding::of_definition(ecs, definition, binding).await.map(Some)
    }

    fn served(&self) -> Result<Served<'_>> {
        match (&self.serving, &self.settings.serves) {
            (Serving::Service(ecs), CodeDeployServes::Service { binding, .. }) => {
                Ok(Served::Service(ecs.as_ref(), binding))
            }
            (
                Serving::Function(lambda),
                CodeDeployServes::Function { function, alias, variable },
            ) => Ok(Served::Function { lambda: lambda.as_ref(), function, alias, variable }),
            _ => Err(Error::refused(format!(
                "[traffic.{}] has the toolkit of another kind than what it serves",
                self.name
            ))),
        }
    }

    /// Looks at the traffic of a service: at the task sets of the deployment that is under way, else at the primary.
    async fn observe_service(
        &self,
        ecs: &dyn EcsTrafficToolkit,
        binding: &Binding,
    ) -> Result<Option<StackReference>> {
        let CodeDeployMover { application, deployment_group, .. } = &self.settings;
        for id in self.toolkit.under_way(application, deployment_group).await? {
            // One that waits for another has not started, and has no task sets.
            let Some(target) = self.toolkit.target(&id).await? else { continue };
            let mut stacks = Vec::new();
            let service = ecs.traffic_service().await?;
            for set in target.task_sets.iter().filter(|it| it.weight > 0.0) {
                let definition = definition_of(&service, &set.id)?;
                stacks.push(binding::of_definition(ecs, definition, binding).await?);
            }
            if !stacks.is_empty() {
                return Ok(common(&stacks));
            }
        }
        let service = ecs.traffic_service().await?;
        let primary = service.primary().ok_or_else(|| {
            Error::refused(format!(
                "ECS service `{}` has no primary task set ([traffic.{}]): CodeDeploy deploys services with the \
                 deployment controller `CODE_DEPLOY`, this one has `{}`",
                service.arn, self.name, service.controller
            ))
        })?;
        binding::of_definition(ecs, &primary.task_definition, binding).await.map(Some)
    }
}

/// What a deployment group deploys to, and by what it is bound.
enum Served<'a> {
    Service(&'a dyn EcsTrafficToolkit, &'a Binding),
    Function {
        lambda: &'a dyn LambdaTrafficToolkit,
        function: &'a str,
        alias: &'a str,
        variable: &'a str,
    },
}

#[async_trait]
impl Mover for CodeDeployTraffic {
    fn name(&self) -> &str {
        &self.name
    }

    async fn observe(&self, _stack: StackReference) -> Result<Option<StackReference>> {
        match self.served()? {
            Served::Service(ecs, binding) => self.observe_service(ecs, binding).await,
            Served::Function { lambda, function, alias, variable } => {
                let alias = lambda.traffic_alias(function, alias).await?;
                let mut versions = vec![(alias.version, 1.0)];
                if let Some((version, share)) = alias.additional_version {
                    versions[0].1 -= share;
                    versions.push((version, share));
                }
                let mut stacks = Vec::new();
                for (version, _) in versions.iter().filter(|it| it.1 > 0.0) {
                    stacks.push(version_stack(lambda, function, version, variable).await?);
                }
                Ok(common(&stacks))
            }
        }
    }

    /// Is never called: CodeDeploy moves it.
    async fn move_to(&self, _stack: StackReference) -> Result<()> {
        Err(Error::refused(format!("[traffic.{}] is moved by CodeDeploy alone", self.name)))
    }

    fn platform(&self) -> Option<&'static str> {
        Some("CodeDeploy")
    }

    async fn under_way(&self) -> Result<Option<String>> {
        let CodeDeployMover { application, deployment_group, .. } = &self.settings;
        for id in self.toolkit.under_way(application, deployment_group).await? {
            // It may have ended since it was listed.
            if let DeploymentStatus::UnderWay(word) = self.toolkit.deployment(&id).await?.status {
                return Ok(Some(format!("CodeDeploy deployment {id} ({word})")));
            }
        }
        Ok(None)
    }

    fn permissions(&self) -> Vec<Permission> {
        let CodeDeployMover { application, deployment_group, serves } = &self.settings;
        let group = format!("deploymentgroup:{application}/{deployment_group}");
        let looks = [
            "codedeploy:GetDeployment",
            "codedeploy:GetDeploymentGroup",
            "codedeploy:ListDeployments",
        ];
        let targets = ["codedeploy:BatchGetDeploymentTargets", "codedeploy:ListDeploymentTargets"];
        let mut permissions = Permission::on(group, &looks);
        permissions.extend(Permission::unlimited(&targets));
        permissions.extend(match serves {
            CodeDeployServes::Service { cluster, service, .. } => {
                binding::permissions(cluster, service)
            }
            CodeDeployServes::Function { function, .. } => [
                Permission::on(format!("function:{function}"), &["lambda:GetAlias"]),
                Permission::across(
                    format!("function:{function}:*"),
                    Wildcard::because("Lambda numbers the versions"),
                    &["lambda:GetFunctionConfiguration"],
                ),
            ]
            .concat(),
        });
        permissions
    }
}

fn definition_of<'a>(service: &'a TrafficService, task_set: &str) -> Result<&'a str> {
    let found = service.task_sets.iter().find(|it| it.id == task_set);
    found.map(|it| it.task_definition.as_str()).ok_or_else(|| {
        let resource = format!("task set `{task_set}` of ECS service `{}`", service.arn);
        bluegreen_core::Error::NotFound { resource }.into()
    })
}

/// Looks which stack a version of a function is bound to.
async fn version_stack(
    lambda: &dyn LambdaTrafficToolkit,
    function: &str,
    version: &str,
    variable: &str,
) -> Result<StackReference> {
    let environment = lambda.environment(function, version).await?;
    let label = format!("variable `{variable}`");
    binding::stack(environment.get(variable), &label).map_err(|why| {
        let what = format!("version {version} of function `{function}`");
        Error::refused(format!("{what} is bound to no stack: {why}"))
    })
}

#[cfg(test)]
mod tests;
