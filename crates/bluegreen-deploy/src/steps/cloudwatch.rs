//! [`CloudWatch`], the steps of a table `[cloudwatch.name]`: the actions of alarms are switched.

mod guardrails;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use bluegreen_cloudwatch::{Alarm, AlarmState, CloudWatchConfig, CloudWatchToolkit};
use bluegreen_core::{Error, Pair, Selection, StackReference};
use serde_json::json;

use super::left_off::LeftOff;
use crate::{
    Asked, Context, Declaration, Effect, Inspection, Permission, Resource, Result, Shared, Step,
    StepId, Wildcard, stack_file,
};

/// The most alarms that AWS switches in one call.
const NAMES_PER_CALL: usize = 100;

/// The alarms of a pair of stacks.
///
/// Remembered is, under `cloudwatch.<name>/<stack>`, which alarms were off already: they stay off when
/// the others are switched on again. Alarms with scaling actions are never switched.
#[derive(Debug)]
pub struct CloudWatch {
    declaration: Declaration,
    toolkit: Arc<dyn CloudWatchToolkit>,
    config: CloudWatchConfig,
    looks: Pair<Shared<Arc<Vec<Alarm>>>>,
}

impl CloudWatch {
    /// Makes the resource that the stack file declares.
    pub fn new(
        resource: &stack_file::Resource<CloudWatchConfig>,
        toolkit: Arc<dyn CloudWatchToolkit>,
    ) -> Self {
        Self {
            declaration: Declaration::new("cloudwatch", resource),
            toolkit,
            config: resource.settings.clone(),
            looks: Default::default(),
        }
    }

    async fn listed(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Arc<Vec<Alarm>>> {
        let look = async { Ok(Arc::new(self.toolkit.alarms(stack).await?)) };
        self.looks.of(stack).get(context.round, look).await
    }

    /// Returns the alarms of `stack` that are the steps' to switch.
    async fn alarms(&self, context: &Context<'_>, stack: StackReference) -> Result<Vec<Alarm>> {
        let listed = self.listed(context, stack).await?;
        if listed.is_empty() && !self.declaration.optional {
            return Err(self.nothing_found(stack));
        }
        for alarm in listed.iter().filter(|it| it.scales) {
            context.warn(format!("alarm `{}` scales something: it is left alone", alarm.name));
        }
        Ok(listed.iter().filter(|it| !it.scales).cloned().collect())
    }

    /// Returns the names of the alarms of `stack` that stay off: those remembered, else those whose
    /// counterpart is off on the partner.
    async fn left_off(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<BTreeSet<String>> {
        match context.remembered::<LeftOff>(&self.memory(stack))? {
            Some(remembered) => Ok(remembered.off),
            None => self.model(context, stack).await,
        }
    }

    async fn model(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<BTreeSet<String>> {
        let partner = stack.partner();
        // Only the active stack is a model: on a standby everything is off.
        if !context.is_active(partner) {
            return Ok(BTreeSet::new());
        }
        let listed = self.listed(context, partner).await?;
        Ok(listed
            .iter()
            .filter(|it| !it.scales && !it.actions_enabled)
            .filter_map(|it| self.config.counterpart(partner, &it.name))
            .collect())
    }

    fn memory(&self, stack: StackReference) -> String {
        format!("{}/{stack}", self.declaration.key())
    }

    fn nothing_found(&self, stack: StackReference) -> crate::Error {
        Error::NothingFound { what: format!("alarm `{}`", self.pattern(stack)) }.into()
    }

    /// Returns what the names of the alarms of `stack` look like: `shop-b-*`.
    fn pattern(&self, stack: StackReference) -> String {
        let (prefix, suffix) = self.config.affixes(stack);
        format!("{prefix}*{suffix}")
    }

    /// Returns the permission to look at alarms.
    fn looks() -> Vec<Permission> {
        let all =
            Wildcard::because("composite alarms are shown only to those who may see every alarm");
        Permission::across("*", all, &["cloudwatch:DescribeAlarms"])
    }

    fn permissions(&self, stack: StackReference, change: &'static str) -> Vec<Permission> {
        let mut permissions = Self::looks();
        let named = Wildcard::because("the stack file says how the names of alarms begin and end");
        let alarms = format!("alarm:{}", self.pattern(stack));
        permissions.extend(Permission::across(alarms, named, &[change]));
        permissions
    }
}

#[async_trait]
impl Resource for CloudWatch {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, to: StackReference) -> Vec<Arc<dyn Step>> {
        vec![
            Arc::new(Enable { alarms: Arc::clone(&self), stack: to }),
            Arc::new(Disable { alarms: self, stack: to.partner() }),
        ]
    }

    fn look_permissions(&self, _stack: StackReference) -> Vec<Permission> {
        Self::looks()
    }

    async fn objections(&self, context: &Context<'_>, asked: &Asked<'_>) -> Result<Vec<String>> {
        self.object(context, asked).await
    }

    async fn summary(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        let listed = self.listed(context, stack).await?;
        let on = listed.iter().filter(|it| it.actions_enabled).count();
        let firing = listed.iter().filter(|it| it.state == AlarmState::Alarm).count();
        let mut summary = format!("{on} of {} on", listed.len());
        if firing > 0 {
            summary.push_str(&format!(", {firing} firing"));
        }
        Ok(summary)
    }

    async fn identity(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        let listed = self.listed(context, stack).await?;
        Ok(match listed.as_slice() {
            [] if self.declaration.optional => "no alarm".to_owned(),
            [] => return Err(self.nothing_found(stack)),
            alarms => alarms.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// `cloudwatch.enable-alarms`: the alarms page again, but for those that a person has off.
#[derive(Debug)]
struct Enable {
    alarms: Arc<CloudWatch>,
    stack: StackReference,
}

#[async_trait]
impl Step for Enable {
    fn id(&self) -> StepId {
        StepId::new("cloudwatch.enable-alarms", &self.alarms.declaration.name, self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let alarms = self.alarms.alarms(context, self.stack).await?;
        let left_off = self.alarms.left_off(context, self.stack).await?;
        let off: Vec<&Alarm> = alarms.iter().filter(|it| !it.actions_enabled).collect();
        let stay_off = off.iter().filter(|it| left_off.contains(&it.name)).count();
        if stay_off == off.len() {
            return Ok(Inspection::Done);
        }
        let from = format!("{} of {} off", off.len(), alarms.len());
        let to = match stay_off {
            0 => "on".to_owned(),
            1 => "on (1 stays off)".to_owned(),
            _ => format!("on ({stay_off} stay off)"),
        };
        Ok(Inspection::Needed { from, to })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let left_off = self.alarms.left_off(context, self.stack).await?;
        let alarms: Vec<Alarm> = self
            .alarms
            .alarms(context, self.stack)
            .await?
            .into_iter()
            .filter(|it| !it.actions_enabled && !left_off.contains(&it.name))
            .collect();
        for alarm in alarms.iter().filter(|it| it.state == AlarmState::Alarm) {
            context.warn(format!("alarm `{}` is firing: enabling it pages nobody", alarm.name));
        }
        // A call that AWS refuses does not keep the others from being made.
        let mut failure = None;
        for alarms in alarms.chunks(NAMES_PER_CALL) {
            context.limits.alarms.take(1).await;
            let alarms = Selection::Only(alarms.to_vec());
            let switched = self.alarms.toolkit.enable_alarms_actions(self.stack, alarms).await;
            failure = failure.or(switched.err());
        }
        failure.map_or(Ok(()), |err| Err(err.into()))
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        let (alarms, stack) = (Arc::clone(&self.alarms), self.stack);
        Some(Arc::new(Disable { alarms, stack }))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.alarms.permissions(self.stack, "cloudwatch:EnableAlarmActions")
    }

    async fn model(&self, context: &Context<'_>) -> Result<Option<(String, serde_json::Value)>> {
        let off = self.alarms.model(context, self.stack).await?;
        Ok(Some((self.alarms.memory(self.stack), json!(LeftOff { off }))))
    }

    fn memory(&self) -> Option<String> {
        Some(self.alarms.memory(self.stack))
    }
}

/// `cloudwatch.disable-alarms`: nobody is paged for what follows.
#[derive(Debug)]
struct Disable {
    alarms: Arc<CloudWatch>,
    stack: StackReference,
}

#[async_trait]
impl Step for Disable {
    fn id(&self) -> StepId {
        StepId::new("cloudwatch.disable-alarms", &self.alarms.declaration.name, self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Disables(self.stack)
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let alarms = self.alarms.alarms(context, self.stack).await?;
        let on = alarms.iter().filter(|it| it.actions_enabled).count();
        Ok(match on {
            0 => Inspection::Done,
            _ => Inspection::Needed {
                from: format!("{on} of {} on", alarms.len()),
                to: "off".to_owned(),
            },
        })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        let (on, off): (Vec<Alarm>, Vec<Alarm>) = self
            .alarms
            .alarms(context, self.stack)
            .await?
            .into_iter()
            .partition(|it| it.actions_enabled);
        let left_off = LeftOff { off: off.into_iter().map(|it| it.name).collect() };
        left_off.remember(context, &self.alarms.memory(self.stack), self.stack).await?;
        let mut failure = None;
        for alarms in on.chunks(NAMES_PER_CALL) {
            context.limits.alarms.take(1).await;
            let alarms = Selection::Only(alarms.to_vec());
            let switched = self.alarms.toolkit.disable_alarms_actions(self.stack, alarms).await;
            failure = failure.or(switched.err());
        }
        failure.map_or(Ok(()), |err| Err(err.into()))
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        let (alarms, stack) = (Arc::clone(&self.alarms), self.stack);
        Some(Arc::new(Enable { alarms, stack }))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.alarms.permissions(self.stack, "cloudwatch:DisableAlarmActions")
    }

    fn memory(&self) -> Option<String> {
        Some(self.alarms.memory(self.stack))
    }
}

#[cfg(test)]
mod tests;
