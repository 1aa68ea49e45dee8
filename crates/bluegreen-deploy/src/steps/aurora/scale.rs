//! `aurora.scale-out` and `aurora.scale-in`: the standby gets as many readers as the active cluster
//! has, and later the least number that it had before.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_aurora::{ClusterState, ReaderScaling, Suspended};
use bluegreen_core::StackReference;

use super::{Aurora, cluster, readers};
use crate::{Context, Effect, Inspection, Permission, Result, Step, StepId};

impl Aurora {
    /// Says that there is nothing to scale: fine where the stack file says so.
    fn unscaled(&self, stack: StackReference) -> Result<Inspection> {
        if self.declaration.optional {
            return Ok(Inspection::Done);
        }
        let what = format!(
            "scaling target of {}: without one, add `skip = [\"aurora.scale-out\", \
             \"aurora.scale-in\"]` to `{}`",
            cluster(self.name(stack)),
            self.declaration.key(),
        );
        Err(bluegreen_core::Error::NothingFound { what }.into())
    }

    /// Returns where the minimum is remembered that the scaling target of `stack` had before.
    fn minimum_key(&self, stack: StackReference) -> String {
        self.key(stack, "minimum")
    }

    /// Returns where it is noted what of the scaling of `stack` was suspended before this release resumed it.
    fn suspended_key(&self, stack: StackReference) -> String {
        self.key(stack, "suspended")
    }

    fn scaling_permissions(&self) -> Vec<Permission> {
        [self.looks(), Self::scaling()].concat()
    }
}

/// Raises the least number of readers of `stack` to what its partner has now.
#[derive(Debug)]
pub(super) struct ScaleOut {
    pub(super) aurora: Arc<Aurora>,
    pub(super) stack: StackReference,
}

impl ScaleOut {
    /// Returns how many readers are wanted: what the partner had when this first changed something.
    async fn wanted(&self, context: &Context<'_>) -> Result<u32> {
        match context.note(&self.wanted_key())? {
            Some(wanted) => Ok(wanted),
            None => {
                let partner = self.aurora.cluster(context, self.stack.partner()).await?;
                Ok(partner.available_readers())
            }
        }
    }

    /// Holds `wanted` between the configured minimum and the scaling target's maximum.
    fn hold(&self, context: &Context<'_>, wanted: u32, scaling: ReaderScaling) -> u32 {
        let wanted = wanted.max(self.aurora.settings.config.minimum_readers);
        if wanted > scaling.maximum {
            context.warn(format!(
                "{} gets {} instead of {wanted}: its scaling target allows no more",
                cluster(self.aurora.name(self.stack)),
                readers(scaling.maximum),
            ));
        }
        wanted.min(scaling.maximum)
    }

    /// Returns what is to be suspended: what was before a deletion of the cluster of this name suspended
    /// everything, where that is remembered.
    fn flags(&self, context: &Context<'_>, scaling: ReaderScaling) -> Result<Suspended> {
        let flags = match context.remembered(&self.aurora.flags_key(self.stack))? {
            Some(before) if scaling.suspended == Suspended::ALL => before,
            _ => scaling.suspended,
        };
        if flags.is_any() {
            context.warn(format!(
                "the reader scaling of {} is suspended and stays so: resume it in Application Auto \
                 Scaling (scalable target `cluster:{}`), or its readers may not follow the load",
                cluster(self.aurora.name(self.stack)),
                self.aurora.name(self.stack),
            ));
        }
        Ok(flags)
    }

    fn wanted_key(&self) -> String {
        self.aurora.key(self.stack, "wanted")
    }

    /// Returns where it is noted that this release has told the scaling target.
    fn told_key(&self) -> String {
        self.aurora.key(self.stack, "told")
    }
}

#[async_trait]
impl Step for ScaleOut {
    fn id(&self) -> StepId {
        self.aurora.id("aurora.scale-out", self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let seen = self.aurora.cluster(context, self.stack).await?;
        let Some(scaling) = seen.scaling else {
            return self.aurora.unscaled(self.stack);
        };
        let told = context.note(&self.told_key())?.unwrap_or(false);
        let moving = || Inspection::Underway {
            what: format!("{} is `{}`", cluster(&seen.name), seen.state),
        };
        match &seen.state {
            ClusterState::Broken(word) => return Err(self.aurora.broken(self.stack, word)),
            ClusterState::Stopped | ClusterState::Moving(_) if !told => {
                return Ok(Inspection::Unknown { after: "aurora.start".to_owned() });
            }
            ClusterState::Stopped | ClusterState::Moving(_) => return Ok(moving()),
            ClusterState::Available | ClusterState::Usable(_) => {}
        }
        let held = self.hold(context, self.wanted(context).await?, scaling);
        let available = seen.available_readers();
        let resumes = self.flags(context, scaling)? != scaling.suspended;
        let (from, to) =
            if resumes { (", scaling suspended", ", scaling as before") } else { ("", "") };
        Ok(match (scaling.minimum >= held && !resumes, available >= held) {
            (true, true) => Inspection::Done,
            (true, false) if told => Inspection::Underway {
                what: format!("readers of {}: {available} of {held}", cluster(&seen.name)),
            },
            // Application Auto Scaling acts on a cluster only while that can be changed.
            _ if seen.state != ClusterState::Available => moving(),
            _ => Inspection::Needed {
                from: format!("{} (minimum {}){from}", readers(available), scaling.minimum),
                to: format!("{} (minimum {}){to}", readers(held), held.max(scaling.minimum)),
            },
        })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let seen = self.aurora.cluster(context, self.stack).await?;
        let Some(scaling) = seen.scaling else {
            return Ok(());
        };
        let wanted = self.wanted(context).await?;
        context.set_note(&self.wanted_key(), &wanted).await?;
        context.remember(&self.aurora.minimum_key(self.stack), &scaling.minimum).await?;
        // First: what is told while scaling is suspended may have no effect.
        let flags = self.flags(context, scaling)?;
        if flags != scaling.suspended {
            context.set_note(&self.aurora.suspended_key(self.stack), &scaling.suspended).await?;
            self.aurora.toolkit.resume_scaling(self.stack, flags).await?;
        }
        // A minimum that is higher already stays.
        self.aurora.toolkit.scale_out(self.stack, wanted.max(scaling.minimum)).await?;
        context.set_note(&self.told_key(), &true).await
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        let (aurora, stack) = (Arc::clone(&self.aurora), self.stack);
        Some(Arc::new(ScaleIn { aurora, stack, takes_back: true }))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.aurora.scaling_permissions()
    }

    /// The flags alone: only `aurora.scale-in` has finished with the minimum from before.
    fn memory(&self) -> Option<String> {
        Some(self.aurora.flags_key(self.stack))
    }
}

/// Sets the least number of readers of `stack` back to what it was, or to the configured one.
#[derive(Debug)]
pub(super) struct ScaleIn {
    pub(super) aurora: Arc<Aurora>,
    pub(super) stack: StackReference,
    /// Whether it takes a scaling out back, after which everything is as it was.
    pub(super) takes_back: bool,
}

impl ScaleIn {
    /// Returns the minimum to go back to, never below the one of the stack file: what is remembered may
    /// be from before that was raised. What is taken back is as it was.
    fn minimum(&self, context: &Context<'_>) -> Result<u32> {
        let configured = self.aurora.settings.config.minimum_readers;
        let remembered: Option<u32> = context.remembered(&self.aurora.minimum_key(self.stack))?;
        Ok(match remembered {
            Some(it) if self.takes_back => it,
            Some(it) => it.max(configured),
            None => configured,
        })
    }

    /// Returns what is to be suspended again.
    fn suspended(&self, context: &Context<'_>, scaling: ReaderScaling) -> Result<Suspended> {
        let before = match self.takes_back {
            true => context.note(&self.aurora.suspended_key(self.stack))?,
            false => None,
        };
        Ok(before.unwrap_or(scaling.suspended))
    }
}

#[async_trait]
impl Step for ScaleIn {
    fn id(&self) -> StepId {
        self.aurora.id("aurora.scale-in", self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let seen = self.aurora.cluster(context, self.stack).await?;
        let Some(scaling) = seen.scaling else {
            return Ok(Inspection::Done);
        };
        if seen.state == ClusterState::Stopped {
            return Ok(Inspection::Unknown { after: "aurora.start".to_owned() });
        }
        let minimum = self.minimum(context)?.min(scaling.maximum);
        let suspends = self.suspended(context, scaling)? != scaling.suspended;
        let (from, to) =
            if suspends { (", scaling resumed", ", scaling suspended") } else { ("", "") };
        Ok(if scaling.minimum == minimum && !suspends {
            Inspection::Done
        } else {
            Inspection::Needed {
                from: format!("minimum {}{from}", scaling.minimum),
                to: format!("minimum {minimum}{to}"),
            }
        })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let minimum = self.minimum(context)?;
        self.aurora.toolkit.scale_in(self.stack, Some(minimum)).await?;
        let seen = self.aurora.cluster(context, self.stack).await?;
        let Some(scaling) = seen.scaling else { return Ok(()) };
        let suspended = self.suspended(context, scaling)?;
        if suspended != scaling.suspended {
            // It sets them, whichever way.
            self.aurora.toolkit.resume_scaling(self.stack, suspended).await?;
        }
        Ok(())
    }

    fn permissions(&self) -> Vec<Permission> {
        self.aurora.scaling_permissions()
    }

    fn memory(&self) -> Option<String> {
        Some(self.aurora.minimum_key(self.stack))
    }
}

#[cfg(test)]
mod tests;
