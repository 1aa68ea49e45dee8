//! [`Sns`], the steps of a table `[sns.name]`: subscriptions are switched by their filter policies.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::{Error, Pair, StackReference};
use bluegreen_sns::{FilterPolicy, SnsToolkit, Subscription};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Context, Declaration, Effect, Inspection, Moment, Permission, Resource, Result, Shared, Step,
    StepId,
    stack_file::{self, SnsSettings},
};

/// A pair of subscriptions.
///
/// Remembered is, under `sns.<name>/<stack>`, the text of the filter policy that a subscription had
/// before it was disabled, and of the one that disabled it.
#[derive(Debug)]
pub struct Sns {
    declaration: Declaration,
    toolkit: Arc<dyn SnsToolkit>,
    settings: SnsSettings,
    looks: Pair<Shared<Subscription>>,
}

/// What is remembered of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Before {
    /// The text of the filter policy that it had; `None` when it had none.
    filter: Option<String>,
    /// The text of the policy that disabled it. The stack file may say another by now.
    disabled_by: Option<String>,
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

    fn before(&self, context: &Context<'_>, stack: StackReference) -> Result<Option<Before>> {
        context.remembered(&self.memory(stack))
    }

    /// Returns whether the subscription of `stack` would be disabled by `policy`.
    fn disables(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        policy: &FilterPolicy,
    ) -> Result<bool> {
        let before = self.before(context, stack)?;
        let disabled_by = before.and_then(|it| it.disabled_by).map(FilterPolicy);
        Ok(self.settings.config.disables(policy) || disabled_by.as_ref() == Some(policy))
    }

    /// Returns whether the subscription of `stack` is off, whatever the stack file said when it was
    /// disabled.
    fn is_off(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        subscription: &Subscription,
    ) -> Result<bool> {
        Ok(subscription.disabled
            || match &subscription.filter {
                Some(policy) => self.disables(context, stack, policy)?,
                None => false,
            })
    }

    /// Returns whether nothing has to be changed for the subscription of `stack` to be on.
    fn is_on(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        subscription: &Subscription,
    ) -> Result<bool> {
        let is_as_configured = self.configured().is_none_or(|it| it == subscription.filter);
        Ok(is_as_configured && !self.is_off(context, stack, subscription)?)
    }

    fn named(&self, stack: StackReference) -> String {
        format!("the subscription of `{}` on stack {stack}", self.declaration.key())
    }

    fn not_known(&self, stack: StackReference, state: &str) -> crate::Error {
        Error::WrongState {
            resource: self.named(stack),
            state: format!("{state}: which filter policy it should have is not known"),
            expected:
                "one: set `enabled-filter` in the stack file (`{}` lets every message through)"
                    .to_owned(),
        }
        .into()
    }

    fn memory(&self, stack: StackReference) -> String {
        format!("{}/{stack}", self.declaration.key())
    }

    fn changed(&self, stack: StackReference) -> String {
        format!("{}/{stack}/changed", self.declaration.key())
    }

    /// Notes that the policy changes about now, from when on it settles.
    async fn note_change(&self, context: &Context<'_>, stack: StackReference) -> Result<()> {
        context.set_note(&self.changed(stack), &Moment(context.now())).await
    }

    fn id(&self, name: &str, stack: StackReference) -> StepId {
        StepId::new(name, &self.declaration.name, stack)
    }

    fn permissions(&self, change: Option<&'static str>) -> Vec<Permission> {
        let actions: Vec<&'static str> =
            ["sns:GetSubscriptionAttributes"].into_iter().chain(change).collect();
        let mut permissions = Permission::unlimited(&actions);
        if let Some(topic) = &self.settings.config.topic {
            permissions.extend(Permission::on(topic, &["sns:ListSubscriptionsByTopic"]));
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

    fn look_permissions(&self, _stack: StackReference) -> Vec<Permission> {
        self.permissions(None)
    }

    async fn off(&self, context: &Context<'_>, stack: StackReference) -> Result<Vec<String>> {
        let subscription = self.subscription(context, stack).await?;
        let off = self.is_off(context, stack, &subscription)?;
        Ok(off.then(|| self.named(stack)).into_iter().collect())
    }

    async fn summary(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        let subscription = self.subscription(context, stack).await?;
        let off = self.is_off(context, stack, &subscription)?;
        Ok(match (off, subscription.filter) {
            (true, _) => "off",
            (false, None) => "on",
            (false, Some(_)) => "on, with a filter policy",
        }
        .to_owned())
    }

    async fn identity(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        let subscription = self.subscription(context, stack).await?;
        Ok(match &subscription.endpoint {
            Some(endpoint) => format!("{} to {}", subscription.arn, without_secrets(endpoint)),
            None => subscription.arn,
        })
    }
}

/// Leaves out what in a URL lets people in: user and password, and what stands behind `?` and `#`.
fn without_secrets(endpoint: &str) -> String {
    let Some((scheme, rest)) = endpoint.split_once("://") else { return endpoint.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.find('/').map_or((rest, ""), |it| rest.split_at(it));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
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
        if let Some(before) = self.sns.before(context, self.stack)? {
            let filter = before.filter.map(FilterPolicy);
            if let Some(filter) = &filter
                && self.sns.disables(context, self.stack, filter)?
            {
                let state = "remembered with the very policy that disables it";
                return Err(self.sns.not_known(self.stack, state));
            }
            return Ok(filter);
        }
        let partner = self.sns.subscription(context, self.stack.partner()).await?;
        if self.sns.is_off(context, self.stack.partner(), &partner)? {
            return Err(self.sns.not_known(self.stack, "off, like its partner"));
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
        if self.sns.is_on(context, self.stack, &subscription)? {
            return Ok(Inspection::Done);
        }
        let wanted = self.wanted(context).await?;
        let off = self.sns.is_off(context, self.stack, &subscription)?;
        let from = if off { "off" } else { "on, with another filter policy" };
        let to = if wanted.is_some() { "on, with a filter policy" } else { "on" };
        Ok(Inspection::Needed { from: from.to_owned(), to: to.to_owned() })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let wanted = self.wanted(context).await?;
        let subscription = self.sns.subscription(context, self.stack).await?;
        let off = self.sns.is_off(context, self.stack, &subscription)?;
        self.sns.note_change(context, self.stack).await?;
        // The toolkit takes a policy that the stack file no longer knows for the user's own, and keeps it.
        if off && !subscription.disabled {
            self.sns.toolkit.disable_subscription(self.stack).await?;
        }
        self.sns.toolkit.enable_subscription(self.stack, wanted).await?;
        self.sns.note_change(context, self.stack).await
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        Some(Arc::new(Disable { sns: Arc::clone(&self.sns), stack: self.stack }))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.sns.permissions(Some("sns:SetSubscriptionAttributes"))
    }

    async fn model(&self, context: &Context<'_>) -> Result<Option<(String, Value)>> {
        if self.sns.configured().is_some() {
            return Ok(None);
        }
        let partner = self.sns.subscription(context, self.stack.partner()).await?;
        if self.sns.is_off(context, self.stack.partner(), &partner)? {
            return Ok(None);
        }
        let before = Before { filter: partner.filter.map(|it| it.0), disabled_by: None };
        Ok(Some((self.sns.memory(self.stack), json!(before))))
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
        if self.sns.is_off(context, self.stack, &subscription)? {
            return Ok(Inspection::Done);
        }
        let from = if subscription.filter.is_some() { "on, with a filter policy" } else { "on" };
        Ok(Inspection::Needed { from: from.to_owned(), to: "off".to_owned() })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let subscription = self.sns.subscription(context, self.stack).await?;
        // Its policy is not one to remember then: it would be put back by `sns.enable`.
        if self.sns.is_off(context, self.stack, &subscription)? {
            return Ok(());
        }
        let before = Before {
            filter: subscription.filter.map(|it| it.0),
            disabled_by: Some(self.sns.settings.config.disabling().0),
        };
        context.remember(&self.sns.memory(self.stack), &before).await?;
        self.sns.note_change(context, self.stack).await?;
        self.sns.toolkit.disable_subscription(self.stack).await?;
        self.sns.note_change(context, self.stack).await
    }

    async fn leaves_off(&self, context: &Context<'_>) -> Result<Vec<String>> {
        let partner = self.stack.partner();
        if self.sns.declaration.skip.contains("sns.enable")
            || context.is_skipped(&self.sns.id("sns.enable", partner))
        {
            return Ok(Vec::new());
        }
        let other = self.sns.subscription(context, partner).await?;
        let name = self.sns.named(partner);
        let is_off = self.sns.is_off(context, partner, &other)?;
        Ok(match is_off && !context.was_off()?.contains(&name) {
            true => vec![format!("{name} is off")],
            false => Vec::new(),
        })
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        Some(Arc::new(Enable { sns: Arc::clone(&self.sns), stack: self.stack }))
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
            "sns.enable" => self.sns.is_on(context, self.stack, &subscription)?,
            _ => self.sns.is_off(context, self.stack, &subscription)?,
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
