//! Which stack a task definition or a version of a function is bound to: read, and never assumed.

use bluegreen_core::StackReference;
use bluegreen_ecs::{BoundDefinition, EcsTrafficToolkit};

#[cfg(feature = "ecs")]
use crate::Wildcard;
use crate::{Error, Permission, Result, stack_file::Binding};

/// Looks which stack the task definition `arn` is bound to.
///
/// # Errors
///
/// [`Error::Refused`] when it is bound to none, with the reason.
pub(super) async fn of_definition(
    toolkit: &dyn EcsTrafficToolkit,
    arn: &str,
    binding: &Binding,
) -> Result<StackReference> {
    let definition = toolkit.task_definition_of(arn).await?;
    read(&definition, binding).map_err(|why| {
        Error::refused(format!("task definition `{arn}` is bound to no stack: {why}"))
    })
}

fn read(definition: &BoundDefinition, binding: &Binding) -> Result<StackReference, String> {
    let value = match binding {
        Binding::Variable { container, env } => {
            let variables = definition.environment.get(container);
            variables.ok_or_else(|| format!("it has no container `{container}`"))?.get(env)
        }
        Binding::Tag(key) => definition.tags.get(key),
    };
    stack(value, &binding.to_string())
}

/// Reads the stack that `value` says; `label` is what holds it. The value may be secret: it is not repeated.
pub(super) fn stack(value: Option<&String>, label: &str) -> Result<StackReference, String> {
    let value = value.ok_or_else(|| format!("it has no {label}"))?;
    value.parse().map_err(|_| format!("its {label} is neither `a` nor `b`"))
}

/// Returns what all of `stacks` are; `None` when they differ, or there are none.
pub(super) fn common(stacks: &[StackReference]) -> Option<StackReference> {
    let first = *stacks.first()?;
    stacks.iter().all(|it| *it == first).then_some(first)
}

/// Returns what the looks at a service and its task definitions need.
pub(super) fn permissions(cluster: &str, service: &str) -> Vec<Permission> {
    let service = Permission::on(format!("service/{cluster}/{service}"), &["ecs:DescribeServices"]);
    [service, Permission::unlimited(&["ecs:DescribeTaskDefinition"])].concat()
}

/// Returns what the looks at what ECS deploys to a service need, besides those.
#[cfg(feature = "ecs")]
pub(super) fn deployment_permissions(cluster: &str, service: &str) -> Vec<Permission> {
    let made_by_ecs =
        || Wildcard::because("ECS makes the ids of service deployments and revisions");
    let own = |kind: &str| format!("{kind}/{cluster}/{service}");
    [
        Permission::on(own("service"), &["ecs:ListServiceDeployments"]),
        Permission::across(
            format!("{}/*", own("service-deployment")),
            made_by_ecs(),
            &["ecs:DescribeServiceDeployments"],
        ),
        Permission::across(
            format!("{}/*", own("service-revision")),
            made_by_ecs(),
            &["ecs:DescribeServiceRevisions"],
        ),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bluegreen_core::StackReference::{A, B};

    use super::*;

    fn definition(value: &str) -> BoundDefinition {
        let one = |key: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let environment = BTreeMap::from([("web".to_owned(), one("STACK"))]);
        BoundDefinition { environment, tags: one("stack") }
    }

    fn variable(container: &str, env: &str) -> Binding {
        Binding::Variable { container: container.to_owned(), env: env.to_owned() }
    }

    #[test]
    fn a_variable_or_a_tag_says_the_stack() {
        assert_eq!(read(&definition("b"), &variable("web", "STACK")), Ok(B));
        assert_eq!(read(&definition("a"), &Binding::Tag("stack".to_owned())), Ok(A));
    }

    #[test]
    fn what_says_no_stack_is_bound_to_none_and_its_value_is_not_repeated() {
        let why = |binding: &Binding| read(&definition("hunter2"), binding).unwrap_err();

        assert_eq!(why(&variable("log", "STACK")), "it has no container `log`");
        assert_eq!(why(&variable("web", "STAGE")), "it has no variable `STAGE` of container `web`");
        assert_eq!(
            why(&variable("web", "STACK")),
            "its variable `STACK` of container `web` is neither `a` nor `b`"
        );
        assert_eq!(why(&Binding::Tag("stage".to_owned())), "it has no tag `stage`");
        assert_eq!(
            why(&Binding::Tag("stack".to_owned())),
            "its tag `stack` is neither `a` nor `b`"
        );
    }

    #[test]
    fn stacks_have_one_in_common_only_when_all_are_it() {
        assert_eq!(common(&[B, B]), Some(B));
        assert_eq!(common(&[A, B]), None);
        assert_eq!(common(&[]), None);
    }
}
