//! `ecs.disable`: the service runs no task, and nothing pulls its count back up.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::StackReference;
use bluegreen_ecs::{Service, Suspended};

use super::{Ecs, described, enable::Enable, service, tasks};
use crate::{
    Context, Effect, Inspection, Permission, Result, Step, StepId, stack_file::ConsumerKind,
};

/// Takes all tasks from the service of `stack`.
///
/// One of exclusive kind has been handed over before, and is normally found off. Nothing is remembered of it here:
/// `exclusive.hand-over` has done that.
#[derive(Debug)]
pub(super) struct Disable {
    pub(super) ecs: Arc<Ecs>,
    pub(super) stack: StackReference,
}

impl Disable {
    /// Remembers which kinds of scaling a person had suspended, as part of a release that takes production
    /// away: on a standby that is switched off by itself, they are suspended since it is the standby.
    ///
    /// When all are suspended and something is remembered, the service was disabled before and only its
    /// count was raised since: what that disabling found still holds.
    async fn remember(&self, context: &Context<'_>, flags: Suspended) -> Result<()> {
        let Some(key) = self.memory() else { return Ok(()) };
        if context.store.release().is_none_or(|it| it.target == self.stack) {
            return Ok(());
        }
        let known: Option<Suspended> = context.remembered(&key)?;
        if flags == Suspended::ALL && known.is_some() {
            return Ok(());
        }
        context.remember(&key, &flags).await
    }
}

#[async_trait]
impl Step for Disable {
    fn id(&self) -> StepId {
        self.ecs.id("ecs.disable", self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Disables(self.stack)
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let Some(seen) = self.ecs.service(context, self.stack).await? else {
            return Ok(Inspection::Done);
        };
        self.ecs.check_counted(self.stack, &seen)?;
        Ok(turning_off(&seen))
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let Some(seen) = self.ecs.service(context, self.stack).await? else {
            return Ok(());
        };
        if let Some(scaling) = seen.scaling {
            self.remember(context, scaling.suspended).await?;
        }
        self.ecs.switch_off(self.stack, &seen).await
    }

    async fn leaves_off(&self, context: &Context<'_>) -> Result<Vec<String>> {
        let partner = self.stack.partner();
        let turns_on = match self.ecs.settings.mode {
            ConsumerKind::Exclusive => "exclusive.hand-over",
            ConsumerKind::Mirror | ConsumerKind::Off => "ecs.enable",
        };
        if self.ecs.declaration.skip.contains(turns_on)
            || context.is_skipped(&self.ecs.id(turns_on, partner))
        {
            return Ok(Vec::new());
        }
        let is_on = |it: &Service| it.desired > 0 || it.running > 0;
        let (Some(own), Some(other)) = tokio::try_join!(
            self.ecs.service(context, self.stack),
            self.ecs.service(context, partner)
        )?
        else {
            return Ok(Vec::new());
        };
        let name = service(&other.name);
        // One that its own scaling has left without a task has nothing to do.
        let may_rest = scales(&other) && other.scaling.is_some_and(|it| it.minimum == 0);
        let what = match (other.desired, other.running) {
            (0, _) if may_rest => return Ok(Vec::new()),
            (0, _) => format!("{name} is to run no task"),
            (_, 0) => format!("no task of {name} runs"),
            _ => return Ok(Vec::new()),
        };
        Ok(match is_on(&own) && !context.was_off()?.contains(&name) {
            true => vec![what],
            false => Vec::new(),
        })
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        Some(Arc::new(Enable::new(Arc::clone(&self.ecs), self.stack)))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.ecs.permissions(self.stack)
    }

    fn memory(&self) -> Option<String> {
        let is_mirror = self.ecs.settings.mode == ConsumerKind::Mirror;
        is_mirror.then(|| self.ecs.flags_key(self.stack))
    }
}

impl Ecs {
    /// Suspends the scaling of the service of `stack` and takes its tasks.
    pub(super) async fn switch_off(&self, stack: StackReference, seen: &Service) -> Result<()> {
        let scales = scales(seen);
        if scales {
            self.toolkit.suspend_scaling(stack).await?;
        }
        // AWS pulls the count up to the scaling target's minimum with that very call.
        if scales || seen.desired > 0 {
            self.toolkit.disable_service(stack).await?;
        }
        Ok(())
    }
}

/// Says what it takes until the service runs no task.
pub(super) fn turning_off(seen: &Service) -> Inspection {
    if seen.desired > 0 || scales(seen) {
        let suspended = if seen.scaling.is_some() { ", scaling suspended" } else { "" };
        return Inspection::Needed {
            from: format!("{}{}", tasks(seen.desired), described(seen.scaling)),
            to: format!("0 tasks{suspended}"),
        };
    }
    match seen.running.saturating_add(seen.pending) {
        0 => Inspection::Done,
        left => Inspection::Underway {
            what: format!("{} still to stop of {}", tasks(left), service(&seen.name)),
        },
    }
}

/// Returns whether any kind of scaling is on.
pub(super) fn scales(seen: &Service) -> bool {
    seen.scaling.is_some_and(|it| it.suspended != Suspended::ALL)
}

#[cfg(test)]
mod tests {
    use bluegreen_core::{
        Error::WrongState,
        StackReference::{A, B},
    };

    use bluegreen_ecs::ServiceScaling;

    use super::{super::testing::*, *};
    use crate::{Error, steps::testing::World};

    const PARTLY: Suspended = Suspended { dynamic_in: false, dynamic_out: false, scheduled: true };

    #[tokio::test(start_paused = true)]
    async fn scaling_goes_before_the_tasks_and_they_are_waited_for() {
        let (world, account) = (World::new(A), account());
        let step = account.step(B, "ecs.disable");

        let first = world.inspect(&*step).await.unwrap();
        world.apply(&*step).await.unwrap();
        let second = world.inspect(&*step).await.unwrap();
        account.change(A, |it| {
            it.running = 0;
            it.pending = 1;
        });
        let third = world.inspect(&*step).await.unwrap();
        account.change(A, |it| it.pending = 0);
        let fourth = world.inspect(&*step).await.unwrap();

        assert_eq!(first, needed("3 tasks, scaling on", "0 tasks, scaling suspended"));
        assert_eq!(second, underway("3 tasks still to stop of service `worker-a`"));
        assert_eq!(third, underway("1 task still to stop of service `worker-a`"));
        assert_eq!(fourth, Inspection::Done);
        assert_eq!(account.changes(), ["suspend a", "disable a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_without_scaling_just_loses_its_tasks() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| it.scaling = None);
        let step = account.step(B, "ecs.disable");

        let seen = world.inspect(&*step).await.unwrap();
        world.apply(&*step).await.unwrap();

        assert_eq!(seen, needed("3 tasks", "0 tasks"));
        assert_eq!(account.changes(), ["disable a"]);
        assert_eq!(world.context().remembered::<Suspended>("ecs.worker/a").unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn scaling_that_is_on_is_suspended_though_no_task_runs() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| (it.desired, it.running) = (0, 0));
        let step = account.step(B, "ecs.disable");

        let first = world.inspect(&*step).await.unwrap();
        world.apply(&*step).await.unwrap();
        let second = world.inspect(&*step).await.unwrap();

        assert_eq!(first, needed("0 tasks, scaling on", "0 tasks, scaling suspended"));
        assert_eq!(second, Inspection::Done);
        assert_eq!(account.changes(), ["suspend a", "disable a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_flags_from_before_survive_a_disabling_that_failed_half_way() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| it.scaling.as_mut().unwrap().suspended = PARTLY);
        let step = account.step(B, "ecs.disable");
        account.fail_next("disable");

        world.apply(&*step).await.unwrap_err();
        let seen = world.inspect(&*step).await.unwrap();
        world.apply(&*step).await.unwrap();

        assert_eq!(seen, needed("3 tasks, scaling suspended", "0 tasks, scaling suspended"));
        let remembered: Option<Suspended> = world.context().remembered("ecs.worker/a").unwrap();
        assert_eq!(remembered, Some(PARTLY));
    }

    #[tokio::test(start_paused = true)]
    async fn disabling_again_keeps_the_flags_that_the_first_time_found() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| it.scaling.as_mut().unwrap().suspended = PARTLY);
        let step = account.step(B, "ecs.disable");

        world.apply(&*step).await.unwrap();
        world.succeeded(&*step).await;
        account.change(A, |it| it.desired = 1);
        world.apply(&*step).await.unwrap();

        let remembered: Option<Suspended> = world.context().remembered("ecs.worker/a").unwrap();
        assert_eq!(remembered, Some(PARTLY));
    }

    #[tokio::test(start_paused = true)]
    async fn scaling_that_a_person_suspended_stays_so() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| it.scaling.as_mut().unwrap().suspended = Suspended::ALL);
        let step = account.step(B, "ecs.disable");

        world.apply(&*step).await.unwrap();

        let remembered: Option<Suspended> = world.context().remembered("ecs.worker/a").unwrap();
        assert_eq!(remembered, Some(Suspended::ALL));
        assert_eq!(account.changes(), ["disable a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn going_there_and_back_leaves_the_service_as_it_was() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| it.scaling.as_mut().unwrap().suspended = PARTLY);
        let disable = account.step(B, "ecs.disable");
        let enable = account.step(A, "ecs.enable");

        world.apply(&*disable).await.unwrap();
        world.apply(&*enable).await.unwrap();

        let last = ["enable a 4", "resume a in=false out=false clock=true"];
        assert_eq!(account.changes()[2..], last);
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_service_is_an_error_unless_it_is_optional() {
        let (world, account) = (World::new(A), account());
        account.remove(A);
        let strict = account.step(B, "ecs.disable");
        let lenient = step_of(&account.ecs(|it| it.optional = true), B, "ecs.disable");

        assert!(world.inspect(&*strict).await.unwrap_err().is_absent());
        assert_eq!(world.inspect(&*lenient).await.unwrap(), Inspection::Done);
        assert!(world.apply(&*lenient).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_daemon_cannot_be_disabled() {
        let (world, account) = (World::new(A), account());
        account.change(A, |it| it.is_daemon = true);
        let step = account.step(B, "ecs.disable");

        let err = world.inspect(&*step).await.unwrap_err();

        assert!(matches!(err, Error::Toolkit(WrongState { .. })));
        assert_eq!(step.effect(), Effect::Disables(A));
    }

    #[tokio::test(start_paused = true)]
    async fn a_standby_that_is_disabled_by_itself_leaves_nothing_to_remember() {
        let (world, account) = (World::new(A), account());
        world
            .store
            .close_release(crate::Outcome::Done, crate::steps::testing::START)
            .await
            .unwrap();
        account.change(B, |it| it.desired = 2);

        world.apply(&*account.step(B, "ecs.disable")).await.unwrap();

        assert_eq!(world.store.remembered("ecs.worker/b"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_service_that_runs_is_missed_on_the_other_stack() {
        let world = World::new(B);
        let told = async |own: u32, other: [u32; 2], minimum| {
            let account = account();
            account.change(A, |it| (it.desired, it.running) = (own, own));
            account.change(B, |it| {
                [it.desired, it.running] = other;
                it.scaling = Some(ServiceScaling { minimum, maximum: 9, suspended: PARTLY });
            });
            let step = account.step(B, "ecs.disable");
            step.leaves_off(&world.context()).await.unwrap()
        };

        assert_eq!(told(3, [0, 0], 1).await, ["service `worker-b` is to run no task"]);
        assert_eq!(told(3, [2, 0], 1).await, ["no task of service `worker-b` runs"]);
        assert_eq!(told(3, [2, 1], 1).await, [""; 0]);
        assert_eq!(told(3, [0, 0], 0).await, [""; 0], "its own scaling has left it so");
        assert_eq!(told(0, [0, 0], 1).await, [""; 0], "it is off already");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_nobody_switches_on_is_not_missed() {
        let (world, account) = (World::new(B), account());
        let skipping = account.ecs(|it| {
            it.skip.insert("ecs.enable".to_owned());
        });
        let told = async |world: &World, ecs: &Arc<Ecs>| {
            let step = step_of(ecs, B, "ecs.disable");
            step.leaves_off(&world.context()).await.unwrap().len()
        };

        let skipped = told(&world, &skipping).await;
        let missed = told(&world, &account.ecs(|_| {})).await;
        world.skipped(&*account.step(B, "ecs.enable")).await;
        let left_out = told(&world, &account.ecs(|_| {})).await;

        assert_eq!((skipped, missed, left_out), (0, 1, 0));
    }
}
