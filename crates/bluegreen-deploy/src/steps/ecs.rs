//! The steps of ECS services: `ecs.enable` before the move, `ecs.disable` after it, and the hand-over of those that
//! must never run on both stacks.

mod disable;
mod enable;
mod exclusive;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::{Pair, StackReference};
use bluegreen_ecs::{EcsToolkit, Service, ServiceScaling, Suspended};

use crate::{
    Consumer, Context, Declaration, Error, Permission, Resource, Result, Shared, Source,
    SourceQueue, Step, StepId, Wildcard,
    stack_file::{self, ConsumerKind, EcsSettings},
};

use self::{disable::Disable, enable::Enable, exclusive::HandOver};

/// A pair of ECS services.
///
/// Remembered under `ecs.<name>/<stack>` is which kinds of its scaling were suspended before a service was switched
/// off, and of an exclusive one how many tasks it was to run.
#[derive(Debug)]
pub struct Ecs {
    declaration: Declaration,
    toolkit: Arc<dyn EcsToolkit>,
    settings: EcsSettings,
    queue: Option<Arc<dyn SourceQueue>>,
    looks: Pair<Shared<Option<Service>>>,
}

impl Ecs {
    /// Makes the pair that the stack file declares, worked on through `toolkit`. `queue` is the pair of queues that
    /// its `queue` names: an exclusive service goes on until its own is drained.
    pub fn new(
        resource: &stack_file::Resource<EcsSettings>,
        toolkit: Arc<dyn EcsToolkit>,
        queue: Option<Arc<dyn SourceQueue>>,
    ) -> Self {
        Self {
            declaration: Declaration::new("ecs", resource),
            toolkit,
            settings: resource.settings.clone(),
            queue,
            looks: Pair::default(),
        }
    }

    /// Returns the service of `stack`; `None` when there is none and that is fine.
    async fn service(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Option<Service>> {
        let look = async {
            match self.toolkit.service(stack).await {
                Ok(seen) => Ok(Some(seen)),
                Err(err) if err.is_absent() && self.declaration.optional => Ok(None),
                Err(err) => Err(err.into()),
            }
        };
        self.looks.of(stack).get(context.round, look).await
    }

    fn name(&self, stack: StackReference) -> &str {
        self.settings.config.services.of(stack)
    }

    fn id(&self, step: &str, stack: StackReference) -> StepId {
        StepId::new(step, &self.declaration.name, stack)
    }

    /// Returns the key under which the flags of the scaling of `stack` are remembered.
    fn flags_key(&self, stack: StackReference) -> String {
        format!("{}/{stack}", self.declaration.key())
    }

    fn wrong_state(
        &self,
        stack: StackReference,
        state: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        let resource = service(self.name(stack));
        let (state, expected) = (state.into(), expected.into());
        bluegreen_core::Error::WrongState { resource, state, expected }.into()
    }

    /// Refuses a service that takes no count.
    fn check_counted(&self, stack: StackReference, seen: &Service) -> Result<()> {
        if !seen.is_daemon {
            return Ok(());
        }
        let expected = format!(
            "one that takes a count of tasks: take `{}` out of the stack file",
            self.declaration.key()
        );
        Err(self.wrong_state(stack, "a daemon service", expected))
    }

    /// Returns the end of the service's ARN.
    fn arn(&self, stack: StackReference) -> String {
        let cluster = last_part(&self.settings.config.cluster);
        format!("service/{cluster}/{}", last_part(self.name(stack)))
    }

    /// Returns the permissions to look at the service of `stack`.
    fn looks(&self, stack: StackReference) -> Vec<Permission> {
        let mut permissions = Permission::on(self.arn(stack), &["ecs:DescribeServices"]);
        permissions
            .extend(Permission::unlimited(&["application-autoscaling:DescribeScalableTargets"]));
        permissions
    }

    /// Returns the permissions to look at both services and to change that of `stack`.
    fn permissions(&self, stack: StackReference) -> Vec<Permission> {
        let mut permissions = self.looks(stack);
        permissions.extend(Permission::on(self.arn(stack), &["ecs:UpdateService"]));
        permissions.extend(Permission::on(self.arn(stack.partner()), &["ecs:DescribeServices"]));
        let targets = Wildcard::because("AWS makes the ids of scaling targets")
            .given("application-autoscaling:service-namespace", &["ecs"])
            .given("application-autoscaling:scalable-dimension", &["ecs:service:DesiredCount"]);
        let actions = ["application-autoscaling:RegisterScalableTarget"];
        permissions.extend(Permission::across("scalable-target/*", targets, &actions));
        permissions
    }
}

#[async_trait]
impl Resource for Ecs {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, to: StackReference) -> Vec<Arc<dyn Step>> {
        let turns_on: Arc<dyn Step> = match self.settings.mode {
            ConsumerKind::Mirror => Arc::new(Enable::new(Arc::clone(&self), to)),
            ConsumerKind::Exclusive => Arc::new(HandOver::new(Arc::clone(&self), to)),
            ConsumerKind::Off => return Vec::new(),
        };
        vec![turns_on, Arc::new(Disable { ecs: self, stack: to.partner() })]
    }

    async fn consumers(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Vec<Consumer>> {
        let seen = self.service(context, stack).await?;
        Ok(seen
            .into_iter()
            .map(|it| Consumer {
                what: service(&it.name),
                on: it.desired > 0 || it.running > 0 || it.pending > 0,
                source: Source::Other(it.arn),
                kind: self.settings.mode,
                turned_off_by: "ecs.disable",
            })
            .collect())
    }

    fn look_permissions(&self, stack: StackReference) -> Vec<Permission> {
        self.looks(stack)
    }

    async fn summary(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        let seen = match self.service(context, stack).await {
            Err(err) if err.is_absent() => None,
            looked => looked?,
        };
        Ok(seen.map_or_else(
            || "missing".to_owned(),
            |it| format!("{} of {} run{}", it.running, tasks(it.desired), described(it.scaling)),
        ))
    }

    async fn identity(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        let Some(seen) = self.service(context, stack).await? else {
            return Ok("missing".to_owned());
        };
        let mut parts = vec![seen.arn];
        parts.extend(seen.task_definition);
        parts.push(format!("deployed by {}", seen.controller));
        parts.extend(seen.launch_type.map(|it| format!("on {it}")));
        if seen.is_daemon {
            parts.push("a daemon".to_owned());
        }
        let scaling =
            seen.scaling.map(|it| format!("scaled from {} to {}", it.minimum, it.maximum));
        parts.push(scaling.unwrap_or_else(|| "not scaled".to_owned()));
        Ok(parts.join(", "))
    }
}

fn service(name: &str) -> String {
    format!("service `{name}`")
}

fn tasks(count: u32) -> String {
    match count {
        1 => "1 task".to_owned(),
        _ => format!("{count} tasks"),
    }
}

/// Says how the scaling is, to be put behind a count of tasks.
fn described(scaling: Option<ServiceScaling>) -> &'static str {
    match scaling.map(|it| it.suspended) {
        None => "",
        Some(Suspended::ALL) => ", scaling suspended",
        Some(it) if it == Suspended::default() => ", scaling on",
        Some(_) => ", scaling partly suspended",
    }
}

/// Returns the name in what may be a name or an ARN.
fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use bluegreen_core::StackReference::{A, B};

    use super::{testing::*, *};
    use crate::steps::testing::{World, allowed};

    #[tokio::test(start_paused = true)]
    async fn the_service_is_the_consumer_and_is_on_while_a_task_is_wanted_or_runs() {
        for (desired, running, pending, on) in
            [(4, 4, 0, true), (0, 1, 0, true), (1, 0, 0, true), (0, 0, 1, true), (0, 0, 0, false)]
        {
            let (world, account) = (World::new(A), account());
            account.change(B, |it| {
                it.desired = desired;
                it.running = running;
                it.pending = pending;
            });
            let ecs = account.ecs(|_| {});

            let consumers = ecs.consumers(&world.context(), B).await.unwrap();

            let expected = Consumer {
                what: "service `worker-b`".to_owned(),
                source: Source::Other("arn:worker-b".to_owned()),
                on,
                kind: ConsumerKind::Mirror,
                turned_off_by: "ecs.disable",
            };
            assert_eq!(consumers, [expected]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_exclusive_service_is_an_exclusive_consumer_that_retiring_would_turn_off() {
        let (world, account) = (World::new(A), account());
        let ecs = account.ecs(|it| it.settings.mode = ConsumerKind::Exclusive);

        let consumers = ecs.consumers(&world.context(), A).await.unwrap();
        let ids: Vec<_> = ecs.steps(B).iter().map(|it| it.id().to_string()).collect();

        assert_eq!(consumers[0].kind, ConsumerKind::Exclusive);
        assert_eq!(consumers[0].turned_off_by, "ecs.disable");
        assert_eq!(ids, ["exclusive.hand-over worker on b", "ecs.disable worker on a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_optional_service_that_is_missing_is_no_consumer() {
        let (world, account) = (World::new(A), account());
        account.remove(B);
        let strict = account.ecs(|_| {});
        let lenient = account.ecs(|it| it.optional = true);

        assert!(strict.consumers(&world.context(), B).await.unwrap_err().is_absent());
        assert_eq!(lenient.consumers(&world.context(), B).await.unwrap(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn the_summary_tells_tasks_and_scaling() {
        let (world, account) = (World::new(A), account());
        let ecs = account.ecs(|_| {});

        let summary = async |stack| ecs.summary(&world.context(), stack).await.unwrap();

        assert_eq!(summary(A).await, "3 of 3 tasks run, scaling on");
        account.change(A, |it| it.scaling = None);
        assert_eq!(summary(A).await, "3 of 3 tasks run");
        assert_eq!(summary(B).await, "0 of 0 tasks run, scaling suspended");
        account.remove(B);
        assert_eq!(summary(B).await, "missing");
    }

    #[tokio::test(start_paused = true)]
    async fn the_identity_is_what_the_service_runs_and_how_however_many() {
        let (world, account) = (World::new(A), account());
        let (strict, lenient) = (account.ecs(|_| {}), account.ecs(|it| it.optional = true));
        let before = strict.identity(&world.context(), A).await.unwrap();

        account.change(A, |it| {
            (it.desired, it.running, it.steady) = (0, 0, false);
            it.scaling.as_mut().unwrap().suspended = Suspended::ALL;
        });
        let at_rest = strict.identity(&world.context(), A).await.unwrap();
        account.change(A, |it| {
            (it.task_definition, it.launch_type, it.scaling, it.is_daemon) =
                (None, None, None, true);
        });
        let other = strict.identity(&world.context(), A).await.unwrap();
        account.remove(A);

        let expected = "arn:worker-a, arn:task-definition/worker-a:7, deployed by ECS, on FARGATE, \
                        scaled from 1 to 9";
        assert_eq!((before.as_str(), at_rest.as_str()), (expected, expected));
        assert_eq!(other, "arn:worker-a, deployed by ECS, a daemon, not scaled");
        assert!(strict.identity(&world.context(), A).await.unwrap_err().is_absent());
        assert_eq!(lenient.identity(&world.context(), A).await.unwrap(), "missing");
    }

    #[tokio::test(start_paused = true)]
    async fn all_share_one_look_at_each_service_in_a_round_even_where_one_is_missing() {
        let (world, account) = (World::new(A), account());
        account.remove(B);
        let ecs = account.ecs(|it| it.optional = true);

        let context = world.context();
        for step in Arc::clone(&ecs).steps(B) {
            step.inspect(&context).await.unwrap();
            step.model(&context).await.unwrap();
        }
        ecs.consumers(&context, B).await.unwrap();
        ecs.summary(&context, A).await.unwrap();

        let mut calls = account.calls();
        calls.sort();
        assert_eq!(calls, ["service a", "service b"]);
    }

    #[test]
    fn permissions_name_the_service_of_either_stack() {
        let ecs = account().ecs(|_| {});

        let permissions = ecs.permissions(B);

        let allowed = allowed(&permissions);
        assert!(allowed.contains(&("ecs:UpdateService", "service/shop/worker-b")));
        assert!(allowed.contains(&("ecs:DescribeServices", "service/shop/worker-a")));
        assert!(!allowed.contains(&("ecs:UpdateService", "service/shop/worker-a")));
    }
}
