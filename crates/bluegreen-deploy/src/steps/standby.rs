//! `standby.idle`: what is to be prepared must not be at work.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::StackReference;

use crate::{
    Context, Effect, Inspection, Permission, Resource, Result, Step, StepId,
    stack_file::ConsumerKind,
};

/// Every mapping, rule and service of the stack file on the standby is off.
#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) resources: Vec<Arc<dyn Resource>>,
    pub(crate) stack: StackReference,
}

#[async_trait]
impl Step for Idle {
    fn id(&self) -> StepId {
        StepId::new("standby.idle", "", self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let mut reasons = Vec::new();
        for resource in &self.resources {
            let declaration = resource.declaration();
            let consumers = match resource.consumers(context, self.stack).await {
                Ok(consumers) => consumers,
                // The resource's own steps report what is missing.
                Err(err) if err.is_absent() => continue,
                Err(err) => return Err(err),
            };
            let mut by_step = std::collections::BTreeMap::<_, Vec<_>>::new();
            for consumer in consumers.into_iter().filter(|it| it.on) {
                if consumer.kind == ConsumerKind::Off
                    || declaration.skip.contains(consumer.turned_off_by)
                {
                    context.warn(format!(
                        "{} is on, on the standby; [{}] (line {}) leaves it alone",
                        consumer.what,
                        declaration.key(),
                        declaration.line
                    ));
                } else {
                    by_step.entry(consumer.turned_off_by).or_default().push(consumer.what);
                }
            }
            for (step, whats) in by_step {
                reasons.push(format!(
                    "on the standby {} on: `bluegreen step {step} --stack {} --resource {}` turns {} off",
                    listed(&whats),
                    self.stack,
                    declaration.name,
                    if whats.len() == 1 { "it" } else { "them" },
                ));
            }
        }
        Ok(match reasons.is_empty() {
            true => Inspection::Done,
            false => Inspection::Blocked { reasons },
        })
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn permissions(&self) -> Vec<Permission> {
        self.resources.iter().flat_map(|it| it.look_permissions(self.stack)).collect()
    }
}

/// Names a few and counts the rest.
fn listed(whats: &[String]) -> String {
    match whats {
        [one] => format!("{one} is"),
        [first, second] => format!("{first} and {second} are"),
        [first, second, rest @ ..] => format!("{first}, {second} and {} more are", rest.len()),
        [] => "nothing is".to_owned(),
    }
}
