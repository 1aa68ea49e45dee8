//! EventBridge rules: looking at them, switching them, and what of them stays off.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bluegreen_core::{Selection, StackReference};
use bluegreen_lambda::Rule;

use super::{Item, Lambda, State, Trigger, counterpart::Exchange};
use crate::{Consumer, Context, Result, Source};

impl Lambda {
    /// Returns the rules that target the function of `stack`.
    pub(super) async fn rules(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Arc<Vec<Rule>>> {
        let look = async { Ok(Arc::new(self.toolkit.rules(stack).await?)) };
        self.rules.of(stack).get(context.round, look).await
    }

    /// Returns those that no AWS service manages, and warns about the others.
    pub(super) fn rules_to_switch<'a>(
        &self,
        context: &Context<'_>,
        rules: &'a [Rule],
    ) -> impl Iterator<Item = &'a Rule> {
        for rule in rules {
            if let Some(manager) = &rule.managed_by {
                let label = rule.label();
                context.warn(format!("rule `{label}` is managed by `{manager}`: it is left alone"));
            }
        }
        rules.iter().filter(|it| it.managed_by.is_none())
    }

    pub(super) async fn switch_rules(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        names: &BTreeSet<String>,
        on: bool,
    ) -> Result<()> {
        let rules = self.rules(context, stack).await?;
        let rules: Vec<Rule> =
            rules.iter().filter(|it| names.contains(&it.label())).cloned().collect();
        if rules.is_empty() {
            return Ok(());
        }
        let rules = Selection::Only(rules);
        if on {
            self.toolkit.enable_rule(stack, rules).await?;
        } else {
            self.toolkit.disable_rule(stack, rules).await?;
        }
        Ok(())
    }

    /// Returns the rules of `stack` whose counterpart on the partner is off: the rule on the same bus
    /// with the names of the functions exchanged in its name.
    pub(super) async fn rules_off_as_partners(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        partners_off: Option<&BTreeSet<String>>,
    ) -> Result<BTreeSet<String>> {
        let partner = stack.partner();
        let (ours, theirs) =
            tokio::try_join!(self.rules(context, stack), self.rules(context, partner))?;

        let off_by_rule: BTreeMap<(&str, &str), bool> = theirs
            .iter()
            .map(|it| {
                let off = match partners_off {
                    Some(names) => names.contains(&it.label()),
                    None => !it.enabled,
                };
                ((it.event_bus.as_str(), it.name.as_str()), off)
            })
            .collect();
        let exchange = Exchange { ours: self.function(stack), theirs: self.function(partner) };
        let is_off = |rule: &&Rule| {
            let bus = rule.event_bus.as_str();
            let candidates = exchange.candidates(&rule.name);
            let off = candidates.iter().find_map(|it| off_by_rule.get(&(bus, it.as_str())));
            off.copied().unwrap_or(false)
        };
        Ok(ours.iter().filter(is_off).map(Rule::label).collect())
    }

    pub(super) async fn rule_consumers(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Vec<Consumer>> {
        let rules = self.rules(context, stack).await?;
        Ok(rules
            .iter()
            .filter(|it| it.managed_by.is_none())
            .map(|rule| Consumer {
                what: self.called(stack, Trigger::Rules, &rule.label()),
                source: Source::Rule(rule.label()),
                on: rule.enabled,
                kind: self.kinds.rules,
                turned_off_by: Trigger::Rules.disable_step(),
            })
            .collect())
    }
}

impl From<&Rule> for Item {
    fn from(rule: &Rule) -> Self {
        Self { name: rule.label(), state: if rule.enabled { State::On } else { State::Off } }
    }
}
