//! `ecs.enable`: the service runs its tasks, and its scaling is as it was.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bluegreen_core::StackReference;
use bluegreen_ecs::{Service, ServiceScaling, Suspended};

use super::{Ecs, described, disable::Disable, exclusive::Before, service, tasks};
use crate::{
    Context, Effect, Inspection, Permission, Result, Round, Step, StepId, stack_file::DesiredTasks,
};

/// Lets the service of `stack` run its tasks.
#[derive(Debug)]
pub(super) struct Enable {
    ecs: Arc<Ecs>,
    stack: StackReference,
    /// The round of the first look that saw the service steady, if every look since has.
    steady: Mutex<Option<Round>>,
}

/// How the service should be.
pub(super) struct Goal {
    /// How many tasks it is to run.
    pub(super) desired: u32,
    /// Whether scaling may have raised the count above `desired`.
    scales: bool,
    flags: Suspended,
}

impl Goal {
    fn is_met_by(&self, seen: &Service) -> bool {
        self.has_count(seen) && self.has_flags(seen)
    }

    fn has_count(&self, seen: &Service) -> bool {
        if self.scales { seen.desired >= self.desired } else { seen.desired == self.desired }
    }

    fn has_flags(&self, seen: &Service) -> bool {
        seen.scaling.is_none_or(|it| it.suspended == self.flags)
    }
}

impl Enable {
    pub(super) fn new(ecs: Arc<Ecs>, stack: StackReference) -> Self {
        Self { ecs, stack, steady: Mutex::new(None) }
    }

    /// Says how the service should be.
    ///
    /// # Errors
    ///
    /// [`WrongState`](bluegreen_core::Error::WrongState) for what keeps it from being so: it takes no count, its
    /// deployment has failed, or there is nothing to match.
    pub(super) async fn checked_goal(&self, context: &Context<'_>, seen: &Service) -> Result<Goal> {
        self.ecs.check_counted(self.stack, seen)?;
        if seen.deployment_failed {
            let expected =
                "one whose deployment has worked: deploy it anew, then repeat the command";
            let state = "left with a failed deployment";
            return Err(self.ecs.wrong_state(self.stack, state, expected));
        }
        self.goal(context, seen).await
    }

    async fn goal(&self, context: &Context<'_>, seen: &Service) -> Result<Goal> {
        let wanted = match self.ecs.settings.desired_tasks {
            DesiredTasks::Count(count) => count,
            DesiredTasks::Match => self.matched(context, seen).await?,
        };
        // What production runs with is never made less.
        let is_active = context.is_active(self.stack);
        let wanted = if is_active { wanted.max(seen.desired) } else { wanted };
        let Some(scaling) = seen.scaling else {
            return Ok(Goal { desired: wanted, scales: false, flags: Suspended::default() });
        };
        let flags = match context.remembered(&self.ecs.flags_key(self.stack))? {
            Some(flags) => flags,
            None => self.partners_flags(context).await?,
        };
        let scales = flags != Suspended::ALL;
        let desired =
            if scales { wanted.max(scaling.minimum).min(scaling.maximum) } else { wanted };
        if desired < wanted {
            context.warn(format!(
                "{} runs {} instead of {wanted}: its scaling target allows no more",
                service(self.ecs.name(self.stack)),
                tasks(desired),
            ));
        }
        Ok(Goal { desired, scales, flags })
    }

    /// Returns how many tasks the partner runs, or ran when this step or its hand-over first changed something. Where
    /// it runs none, what is `seen` to run already is right.
    async fn matched(&self, context: &Context<'_>, seen: &Service) -> Result<u32> {
        if let Some(count) = context.note(&self.count_key())? {
            return Ok(count);
        }
        let partner = self.stack.partner();
        let before = match self.ecs.before(context, partner)? {
            Some(before) => Some(before),
            None => self.ecs.service(context, partner).await?.map(|it| self.ecs.as_it_is(&it)),
        };
        if let Some(count) = before.and_then(|it| it.tasks) {
            return Ok(count);
        }
        if seen.desired > 0 {
            return Ok(seen.desired);
        }
        // Where a hand-over was given up half way, both are off: what this one ran before is all that is known.
        let own: Option<Before> = context.remembered(&self.ecs.flags_key(self.stack))?;
        own.and_then(|it| it.tasks).ok_or_else(|| {
            let expected = "one that runs tasks, to match: start it, or give a number as \
                            `desired-tasks`";
            self.ecs.wrong_state(partner, "without a desired task", expected)
        })
    }

    /// Returns the flags of the partner's scaling, from before its hand-over began; none is suspended where it has no
    /// scaling, or is not the active one: a standby's is suspended since it is the standby.
    async fn partners_flags(&self, context: &Context<'_>) -> Result<Suspended> {
        if let Some(before) = self.ecs.before(context, self.stack.partner())? {
            return Ok(before.suspended);
        }
        if !context.is_active(self.stack.partner()) {
            return Ok(Suspended::default());
        }
        let partner = self.ecs.service(context, self.stack.partner()).await?;
        Ok(partner.and_then(|it| it.scaling).map(|it| it.suspended).unwrap_or_default())
    }

    fn count_key(&self) -> String {
        format!("{}/{}/count", self.ecs.declaration.key(), self.stack)
    }

    /// Takes note of a look that has or has not seen the service steady, and returns whether an earlier
    /// round and all since have: right after a change, AWS may answer from before it.
    fn is_settled(&self, round: Round, steady: bool) -> bool {
        let mut since = self.steady.lock().unwrap_or_else(PoisonError::into_inner);
        if !steady {
            *since = None;
            return false;
        }
        *since.get_or_insert(round) < round
    }
}

#[async_trait]
impl Step for Enable {
    fn id(&self) -> StepId {
        self.ecs.id("ecs.enable", self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let Some(seen) = self.ecs.service(context, self.stack).await? else {
            return Ok(Inspection::Done);
        };
        let goal = self.checked_goal(context, &seen).await?;
        let met = goal.is_met_by(&seen);
        let settled = self.is_settled(context.round, met && seen.steady);
        if !met {
            let goal_scaling =
                seen.scaling.map(|it| ServiceScaling { suspended: goal.flags, ..it });
            let count = if goal.has_count(&seen) { seen.desired } else { goal.desired };
            return Ok(Inspection::Needed {
                from: format!("{}{}", tasks(seen.desired), described(seen.scaling)),
                to: format!("{}{}", tasks(count), described(goal_scaling)),
            });
        }
        if settled {
            return Ok(Inspection::Done);
        }
        let count = format!("{} of {} run", seen.running, tasks(seen.desired));
        let what = if seen.steady {
            format!("a second look at {}: {count}", service(&seen.name))
        } else {
            format!("{}: {count}", service(&seen.name))
        };
        Ok(Inspection::Underway { what })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let Some(seen) = self.ecs.service(context, self.stack).await? else {
            return Ok(());
        };
        let goal = self.goal(context, &seen).await?;
        if self.ecs.settings.desired_tasks == DesiredTasks::Match {
            context.set_note(&self.count_key(), &self.matched(context, &seen).await?).await?;
        }
        if !goal.has_count(&seen) {
            self.ecs.toolkit.enable_service(self.stack, goal.desired).await?;
        }
        // Last: scaling that is on again pulls the count into its range.
        if !goal.has_flags(&seen) {
            self.ecs.toolkit.resume_scaling(self.stack, goal.flags).await?;
        }
        Ok(())
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        Some(Arc::new(Disable { ecs: Arc::clone(&self.ecs), stack: self.stack }))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.ecs.permissions(self.stack)
    }

    async fn model(&self, context: &Context<'_>) -> Result<Option<(String, serde_json::Value)>> {
        let Suspended { dynamic_in, dynamic_out, scheduled } = self.partners_flags(context).await?;
        let flags = serde_json::json!({
            "dynamic-in": dynamic_in,
            "dynamic-out": dynamic_out,
            "scheduled": scheduled,
        });
        Ok(Some((self.ecs.flags_key(self.stack), flags)))
    }

    fn memory(&self) -> Option<String> {
        Some(self.ecs.flags_key(self.stack))
    }
}

#[cfg(test)]
mod tests;
