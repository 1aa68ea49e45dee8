//! [`Sns`], the steps of a table `[sns.name]`: subscriptions are switched by their filter policies.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::{Arn, Error, Pair, StackReference};
use bluegreen_sns::{FilterPolicy, SnsToolkit, Subscription};
use serde_json::Value;

use crate::{
    Context, Declaration, Effect, Inspection, Moment, Permission, Resource, Result, Shared, Step,
    StepId,
    stack_file::{self, SnsSettings},
};

/// A pair of subscriptions.
///
/// Remembered is, under `sns.<name>/<stack>`, the text of the filter policy that a subscription had
/// before it was disabled, or null when it had none.
#[derive(Debug)]
pub struct Sns {
    declaration: Declaration,
    toolkit: Arc<dyn SnsToolkit>,
    settings: SnsSettings,
    looks: Pair<Shared<Subscription>>,
}

impl Sns {
    /// Makes the resource that the stack file declares.
    pub fn new(resource: &stack_file::Resource<SnsSettings>, toolkit: Arc<dyn SnsToolkit>) -> Self {
        Self {
            declaration: Declaration::new("sns", resource),
            toolkit,
            settings: resource.settings.clone(),
            looks: Default::default(),
        }
    }

    async fn subscription(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Subscription> {
        let look = async { Ok(self.toolkit.subscription(stack).await?) };
        self.looks.of(stack).get(context.round, look).await
    }

    /// Returns the policy that the stack file wants; the inner `None` lets everything through.
    fn configured(&self) -> Option<Option<FilterPolicy>> {
        let filter = self.settings.config.enabled_filter.as_ref()?;
        let text = || FilterPolicy(Value::Object(filter.clone()).to_string());
        Some((!filter.is_empty()).then(text))
    }

    /// Returns whether nothing has to be changed for the subscription to be on.
    fn is_on(&self, subscription: &Subscription) -> bool {
        !subscription.disabled && self.configured().is_none_or(|it| it == subscription.filter)
    }

    fn memory(&self, stack: StackReference) -> String {
        format!("{}/{stack}", self.declaration.key())
    }

    fn changed(&self, stack: StackReference) -> String {
        format!("{}/{stack}/changed", self.declaration.key())
    }

    /// Notes that the policy changes about now, from when on it settles.
    fn note_change(&self, context: &Context<'_>, stack: StackReference) -> Result<()> {
        context.set_note(&self.changed(stack), &Moment(context.now()))
    }

    fn id(&self, name: &str, stack: StackReference) -> StepId {
        StepId::new(name, &self.declaration.name, stack)
    }

    fn permissions(&self, change: Option<&'static str>) -> Vec<Permission> {
        let actions: Vec<&'static str> =
            ["sns:GetSubscriptionAttributes"].into_iter().chain(change).collect();
        let mut permissions = Permission::on("*", &actions);
        let topic = self.settings.config.topic.as_ref().and_then(|it| it.parse::<Arn>().ok());
        if let Some(topic) = topic {
            permissions.extend(Permission::on(topic.resource, &["sns:ListSubscriptionsByTopic"]));
        }
        permissions
    }
}

#[async_trait]
impl Resource for Sns {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, to: StackReference) -> Vec<Arc<dyn Step>> {
        let old = to.partner();
        vec![
            Arc::new(Enable { sns: Arc::clone(&self), stack: to }),
            Arc::new(Settle { sns: Arc::clone(&self), stack: to, after: "sns.enable" }),
            Arc::new(Disable { sns: Arc::clone(&self), stack: old }),
            Arc::new(Settle { sns: self, stack: old, after: "sns.disable" }),
        ]
    }

    async fn summary(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        let subscription = self.subscription(context, stack).await?;
        Ok(match (subscription.disabled, subscription.filter) {
            (true, _) => "off",
            (false, None) => "on",
            (false, Some(_)) => "on, with a filter policy",
        }
        .to_owned())
    }
}

/// `sns.enable`: messages reach the stack's queue.
///
/// The policy is the configured one, else the one it had before, else the partner's.
#[derive(Debug)]
struct Enable {
    sns: Arc<Sns>,
    stack: StackReference,
}

impl Enable {
    /// Returns the policy that the subscription gets.
    async fn wanted(&self, context: &Context<'_>) -> Result<Option<FilterPolicy>> {
        if let Some(configured) = self.sns.configured() {
            return Ok(configured);
        }
        if let Some(before) = context.remembered::<Option<String>>(&self.sns.memory(self.stack))? {
            return Ok(before.map(FilterPolicy));
        }
        let partner = self.sns.subscription(context, self.stack.partner()).await?;
        if partner.disabled {
            return Err(Error::WrongState {
                resource: format!(
                    "the subscription of `{}` on stack {}",
                    self.sns.declaration.key(),
                    self.stack
                ),
                state: "off, like its partner: which filter policy it should have is not known"
                    .to_owned(),
                expected: "`enabled-filter` in the stack file (`{}` lets every message through)"
                    .to_owned(),
            }
            .into());
        }
        Ok(partner.filter)
    }
}

#[async_trait]
impl Step for Enable {
    fn id(&self) -> StepId {
        self.sns.id("sns.enable", self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let subscription = self.sns.subscription(context, self.stack).await?;
        if self.sns.is_on(&subscription) {
            return Ok(Inspection::Done);
        }
        let wanted = self.wanted(context).await?;
        let from = if subscription.disabled { "off" } else { "on, with another filter policy" };
        let to = if wanted.is_some() { "on, with a filter policy" } else { "on" };
        Ok(Inspection::Needed { from: from.to_owned(), to: to.to_owned() })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let wanted = self.wanted(context).await?;
        self.sns.note_change(context, self.stack)?;
        self.sns.toolkit.enable_subscription(self.stack, wanted).await?;
        self.sns.note_change(context, self.stack)
    }

    fn undo(&self) -> Option<&'static str> {
        Some("sns.disable")
    }

    fn permissions(&self) -> Vec<Permission> {
        self.sns.permissions(Some("sns:SetSubscriptionAttributes"))
    }

    async fn model(&self, context: &Context<'_>) -> Result<Option<(String, Value)>> {
        if self.sns.configured().is_some() {
            return Ok(None);
        }
        let partner = self.sns.subscription(context, self.stack.partner()).await?;
        let text = partner.filter.map_or(Value::Null, |it| Value::String(it.0));
        Ok((!partner.disabled).then(|| (self.sns.memory(self.stack), text)))
    }

    fn memory(&self) -> Option<String> {
        Some(self.sns.memory(self.stack))
    }
}

/// `sns.disable`: no message reaches the stack's queue any more.
#[derive(Debug)]
struct Disable {
    sns: Arc<Sns>,
    stack: StackReference,
}

#[async_trait]
impl Step for Disable {
    fn id(&self) -> StepId {
        self.sns.id("sns.disable", self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Disables(self.stack)
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let subscription = self.sns.subscription(context, self.stack).await?;
        if subscription.disabled {
            return Ok(Inspection::Done);
        }
        let from = if subscription.filter.is_some() { "on, with a filter policy" } else { "on" };
        Ok(Inspection::Needed { from: from.to_owned(), to: "off".to_owned() })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let subscription = self.sns.subscription(context, self.stack).await?;
        if subscription.disabled {
            return Ok(());
        }
        let policy = subscription.filter.map(|it| it.0);
        context.remember(&self.sns.memory(self.stack), &policy)?;
        self.sns.note_change(context, self.stack)?;
        self.sns.toolkit.disable_subscription(self.stack).await?;
        self.sns.note_change(context, self.stack)
    }

    fn undo(&self) -> Option<&'static str> {
        Some("sns.enable")
    }

    fn permissions(&self) -> Vec<Permission> {
        self.sns.permissions(Some("sns:SetSubscriptionAttributes"))
    }

    fn memory(&self) -> Option<String> {
        Some(self.sns.memory(self.stack))
    }
}

/// `sns.settle`: the change of the policy works everywhere, for which AWS takes up to 15 minutes.
#[derive(Debug)]
struct Settle {
    sns: Arc<Sns>,
    stack: StackReference,
    /// The step that changes the policy.
    after: &'static str,
}

#[async_trait]
impl Step for Settle {
    fn id(&self) -> StepId {
        self.sns.id("sns.settle", self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        if let Some(Moment(changed)) = context.note(&self.sns.changed(self.stack))? {
            let settled = changed + self.sns.settings.settle;
            let left = settled.duration_since(context.now()).unwrap_or_default();
            return Ok(if left.is_zero() {
                Inspection::Done
            } else {
                let shown = humantime::format_duration(Duration::from_secs(left.as_secs()));
                let what = format!("the filter policy to settle: {shown} left");
                Inspection::Settling { what, left }
            });
        }
        // Nothing will change what a step that is left out does not change.
        if self.sns.declaration.skip.contains(self.after) {
            return Ok(Inspection::Done);
        }
        let subscription = self.sns.subscription(context, self.stack).await?;
        let nothing_to_change = match self.after {
            "sns.enable" => self.sns.is_on(&subscription),
            _ => subscription.disabled,
        };
        Ok(if nothing_to_change {
            Inspection::Done
        } else {
            Inspection::Unknown { after: self.after.to_owned() }
        })
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn lasts(&self) -> Duration {
        self.sns.settings.settle
    }

    fn permissions(&self) -> Vec<Permission> {
        self.sns.permissions(None)
    }
}

#[cfg(test)]
mod tests;
