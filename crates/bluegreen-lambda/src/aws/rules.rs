//! EventBridge rules that target a function: finding and switching them.

use std::{collections::BTreeSet, error};

use aws_sdk_eventbridge::{
    error::{ProvideErrorMetadata, SdkError},
    types::RuleState,
};
use bluegreen_core::{Error, Result, Selection, StackReference, Switched};
use futures::{StreamExt, TryStreamExt, future, stream};

use super::{AT_ONCE, AwsLambdaToolkit, Outcome, failed, required, switch_all};
use crate::Rule;

const LIST_BUSES: &str = "events:ListEventBuses";
const LIST_NAMES: &str = "events:ListRuleNamesByTarget";
const DESCRIBE: &str = "events:DescribeRule";
const ENABLE: &str = "events:EnableRule";
const DISABLE: &str = "events:DisableRule";

impl AwsLambdaToolkit {
    pub(super) async fn list_rules(&self, stack: StackReference) -> Result<Vec<Rule>> {
        let (function, buses) =
            future::try_join(self.known(stack), self.buses.get_or_try_init(|| self.list_buses()))
                .await?;

        // AWS compares a target's ARN to the letter: function and alias are two targets.
        let mut lookups = Vec::new();
        for bus in buses {
            for target in [Some(&function.arn), function.alias_arn.as_ref()].into_iter().flatten() {
                lookups.push(self.list_names(bus, target));
            }
        }
        let found: Vec<_> = stream::iter(lookups).buffered(AT_ONCE).try_collect().await?;

        let names: BTreeSet<_> = found.into_iter().flatten().collect();
        let looks: Vec<_> = names.into_iter().map(|(bus, name)| self.describe(bus, name)).collect();
        let rules: Vec<_> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        Ok(rules.into_iter().flatten().collect())
    }

    async fn list_buses(&self) -> Result<Vec<String>> {
        all_pages(LIST_BUSES, |token| async {
            let output = self
                .eventbridge
                .list_event_buses()
                .set_next_token(token)
                .send()
                .await
                .map_err(|err| unlisted(LIST_BUSES, err))?;
            let buses = required(output.event_buses, LIST_BUSES, "the list of event buses")?;
            let names: Option<Vec<_>> = buses.into_iter().map(|it| it.name).collect();
            Ok((required(names, LIST_BUSES, "the name of an event bus")?, output.next_token))
        })
        .await
    }

    /// Returns the rules of `bus` that target `target`, each with its bus.
    async fn list_names(&self, bus: &str, target: &str) -> Result<Vec<(String, String)>> {
        let names = all_pages(LIST_NAMES, |token| async {
            let answer = self
                .eventbridge
                .list_rule_names_by_target()
                .target_arn(target)
                .event_bus_name(bus)
                .set_next_token(token)
                .send()
                .await;
            match answer {
                Ok(output) => {
                    let names = required(output.rule_names, LIST_NAMES, "the list of rules")?;
                    Ok((names, output.next_token))
                }
                // The bus has been deleted since it was listed, and its rules with it.
                Err(err) if is_missing(&err) => Ok((Vec::new(), None)),
                Err(err) => Err(unlisted(LIST_NAMES, err)),
            }
        })
        .await?;
        Ok(names.into_iter().map(|name| (bus.to_owned(), name)).collect())
    }

    /// Returns the rule, or nothing if it has been deleted since it was listed.
    async fn describe(&self, bus: String, name: String) -> Result<Option<Rule>> {
        let answer = self.eventbridge.describe_rule().name(&name).event_bus_name(&bus).send().await;
        let output = match answer {
            Ok(output) => output,
            Err(err) if is_missing(&err) => return Ok(None),
            Err(err) => return Err(Error::aws(DESCRIBE, err)),
        };
        let state = required(output.state, DESCRIBE, "the rule's state")?;
        Ok(Some(Rule {
            name,
            event_bus: bus,
            enabled: state != RuleState::Disabled,
            managed_by: output.managed_by,
        }))
    }

    pub(super) async fn switch_rules(
        &self,
        stack: StackReference,
        rules: Selection<Rule>,
        enabled: bool,
    ) -> Result<Switched> {
        let rules = match rules {
            Selection::Only(rules) => rules,
            Selection::All => {
                let found = self.list_rules(stack).await?;
                if found.is_empty() {
                    let what = format!("EventBridge rule of {}", self.label(stack));
                    return Err(Error::NothingFound { what });
                }
                found
            }
        };
        switch_all(rules.into_iter().map(|it| self.switch_rule(it, enabled)).collect()).await
    }

    async fn switch_rule(&self, rule: Rule, enabled: bool) -> (String, Result<Outcome>) {
        let label = rule.label();
        let outcome = match &rule.managed_by {
            Some(service) => {
                tracing::warn!(rule = label, service, "an AWS service manages it: left alone");
                Ok(Outcome::LeftAlone)
            }
            None if rule.enabled == enabled => Ok(Outcome::AlreadySo),
            None if enabled => {
                let call = self.eventbridge.enable_rule();
                let answer = call.name(rule.name).event_bus_name(rule.event_bus).send().await;
                answered(ENABLE, &label, answer.map(drop))
            }
            None => {
                let call = self.eventbridge.disable_rule();
                let answer = call.name(rule.name).event_bus_name(rule.event_bus).send().await;
                answered(DISABLE, &label, answer.map(drop))
            }
        };
        (label, outcome)
    }
}

/// Reads the answer to a switched rule.
fn answered<E>(
    operation: &'static str,
    label: &str,
    answer: Result<(), SdkError<E>>,
) -> Result<Outcome>
where
    E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let Err(err) = answer else { return Ok(Outcome::Changed) };
    match err.code() {
        Some("ConcurrentModificationException") => Ok(Outcome::Busy),
        Some("ManagedRuleException") => {
            tracing::warn!(rule = label, "an AWS service manages it: left alone");
            Ok(Outcome::LeftAlone)
        }
        _ => Err(failed(operation, format!("rule `{label}`"), err)),
    }
}

/// Wraps the failure of a listing. A page's token that has expired meanwhile is none of the caller's
/// doing: the listing can be begun again. EventBridge's model has no name for it.
fn unlisted<E>(operation: &'static str, err: SdkError<E>) -> Error
where
    E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match err.code() {
        Some(
            "InvalidToken"
            | "InvalidTokenException"
            | "InvalidNextToken"
            | "InvalidNextTokenException",
        ) => Error::Aws { operation, transient: true, source: err.into() },
        _ => Error::aws(operation, err),
    }
}

fn is_missing(err: &impl ProvideErrorMetadata) -> bool {
    err.code() == Some("ResourceNotFoundException")
}

/// Asks for page after page until an answer names no next one.
///
/// The SDK has no paginators for EventBridge's lists. A token that comes twice would never end.
async fn all_pages<T, F>(
    operation: &'static str,
    mut ask: impl FnMut(Option<String>) -> F,
) -> Result<Vec<T>>
where
    F: Future<Output = Result<(Vec<T>, Option<String>)>>,
{
    let mut items = Vec::new();
    let mut token = None;
    loop {
        let (page, next) = ask(token.clone()).await?;
        items.extend(page);
        match next.filter(|it| !it.is_empty()) {
            None => return Ok(items),
            next if next == token => {
                return Err(Error::Incomplete { operation, missing: "the page after this one" });
            }
            next => token = next,
        }
    }
}

#[cfg(test)]
mod tests;
