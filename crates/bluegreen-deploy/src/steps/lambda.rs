//! [`Lambda`], the steps of a table `[lambda.name]`: event source mappings and EventBridge rules.

mod caught_up;
mod counterpart;
mod exclusive;
mod guardrails;
mod identity;
mod mappings;
mod rules;
mod switch;
#[cfg(test)]
mod testing;
mod trigger;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bluegreen_core::{Arn, Error, Pair, StackReference};
use bluegreen_lambda::{EventSourceMapping, Function, LambdaConfig, LambdaToolkit, Rule};

use self::{
    caught_up::CaughtUp,
    exclusive::HandOver,
    switch::{Disable, Enable},
    trigger::{Kinds, Trigger},
};
use super::drain::{counted, whole_seconds};
use crate::{
    Asked, Consumer, Context, Declaration, Moment, Permission, Resource, Result, Shared,
    SourceQueue, Step, Wildcard,
    stack_file::{self, ConsumerKind, LambdaSettings},
};

/// The longest that a function can run.
const LONGEST_INVOCATION: Duration = Duration::from_secs(15 * 60);

/// A pair of functions with the mappings and rules that give them work.
///
/// Remembered are the mappings and rules that were off before a stack was switched off, which stay off
/// when it is switched on again: of mirror kind under `lambda.<name>/<stack>/mappings` and `../rules`,
/// of exclusive kind both together under `../exclusive`, since one step hands them over. Rules are known
/// by bus and name, mappings by UUID.
#[derive(Debug)]
pub struct Lambda {
    declaration: Declaration,
    toolkit: Arc<dyn LambdaToolkit>,
    config: LambdaConfig,
    kinds: Kinds,
    queues: Vec<Arc<dyn SourceQueue>>,
    iterator_age_below: Duration,
    caught_up_for: Duration,
    mappings: Pair<Shared<Arc<Vec<EventSourceMapping>>>>,
    rules: Pair<Shared<Arc<Vec<Rule>>>>,
    functions: Pair<Shared<Function>>,
    /// When everything was first seen off since it was switched off.
    seen_off: Mutex<BTreeMap<(StackReference, Trigger), SystemTime>>,
}

/// A mapping or a rule as the steps see it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    /// The mapping's UUID; the rule's bus and name.
    name: String,
    state: State,
}

/// Whether a mapping or a rule gives work.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    On,
    Off,
    /// It is on its way, in AWS's word.
    Moving(String),
}

impl Lambda {
    /// Makes the resource that the stack file declares. `queues` are the queues of the whole file: those
    /// that are sources of mappings are looked at.
    pub fn new(
        resource: &stack_file::Resource<LambdaSettings>,
        toolkit: Arc<dyn LambdaToolkit>,
        queues: Vec<Arc<dyn SourceQueue>>,
    ) -> Self {
        let settings = &resource.settings;
        Self {
            declaration: Declaration::new("lambda", resource),
            toolkit,
            config: settings.config.clone(),
            kinds: Kinds { mappings: settings.mappings, rules: settings.rules },
            queues,
            iterator_age_below: settings.iterator_age_below,
            caught_up_for: settings.caught_up_for,
            mappings: Default::default(),
            rules: Default::default(),
            functions: Default::default(),
            seen_off: Mutex::default(),
        }
    }

    /// Returns the mappings or rules of `stack` that are the steps' to switch.
    ///
    /// # Errors
    ///
    /// `NotFound` without the function, `NothingFound` when there is none, unless it is optional.
    async fn items(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        trigger: Trigger,
    ) -> Result<Vec<Item>> {
        let (found, items) = match trigger {
            Trigger::Mappings => {
                let mappings = self.mappings(context, stack).await?;
                (mappings.len(), mappings.iter().map(Item::from).collect())
            }
            Trigger::Rules => {
                let rules = self.rules(context, stack).await?;
                (rules.len(), self.rules_to_switch(context, &rules).map(Item::from).collect())
            }
        };
        if found == 0 && !self.declaration.optional {
            let what = format!(
                "{} of function `{}` (if it has none, say `{} = \"off\"` in [{}])",
                trigger.noun(),
                self.function(stack),
                trigger.aspect(),
                self.declaration.key(),
            );
            return Err(Error::NothingFound { what }.into());
        }
        Ok(items)
    }

    /// Returns the mappings or rules of `stack` whose counterparts on the partner are off: as they are now,
    /// or as remembered when they have been switched off since.
    ///
    /// Only the active stack is a model: on a standby everything is off.
    async fn model(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        trigger: Trigger,
        partners_off: Option<&BTreeSet<String>>,
    ) -> Result<BTreeSet<String>> {
        if partners_off.is_none() && !context.is_active(stack.partner()) {
            return Ok(BTreeSet::new());
        }
        match trigger {
            Trigger::Mappings => self.mappings_off_as_partners(context, stack, partners_off).await,
            Trigger::Rules => self.rules_off_as_partners(context, stack, partners_off).await,
        }
    }

    async fn switch_on(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        trigger: Trigger,
        names: &BTreeSet<String>,
    ) -> Result<()> {
        match trigger {
            Trigger::Mappings => self.switch_mappings(context, stack, names, true).await,
            Trigger::Rules => self.switch_rules(context, stack, names, true).await,
        }
    }

    /// Switches off, and notes when: invocations that began before go on for up to the function's timeout.
    async fn switch_off(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        trigger: Trigger,
        names: &BTreeSet<String>,
    ) -> Result<()> {
        let note = self.key(stack, trigger.off_note());
        self.seen_off().remove(&(stack, trigger));
        context.set_note(&note, &Moment(context.now())).await?;
        let switched = match trigger {
            Trigger::Mappings => self.switch_mappings(context, stack, names, false).await,
            Trigger::Rules => self.switch_rules(context, stack, names, false).await,
        };
        context.set_note(&note, &Moment(context.now())).await?;
        switched
    }

    /// Returns what is still in flight, of what this release has switched off.
    ///
    /// A queue of the stack file tells by its count. Of everything else only so much is known: no
    /// invocation outlasts the function's timeout.
    async fn in_flight(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        trigger: Trigger,
    ) -> Result<Option<String>> {
        let note = self.key(stack, trigger.off_note());
        let Some(Moment(switched_off)) = context.note(&note)? else { return Ok(None) };
        let by_time = match trigger {
            Trigger::Mappings => {
                let sources = self.sources(context, stack).await?;
                for queue in &sources.queues {
                    let in_flight = queue.messages(context, stack).await?.in_flight;
                    if in_flight > 0 {
                        let messages = counted(in_flight, "message");
                        return Ok(Some(format!(
                            "{messages} in flight in `{}`",
                            queue.name(stack)
                        )));
                    }
                }
                sources.others
            }
            Trigger::Rules => true,
        };
        if !by_time {
            return Ok(None);
        }
        let timeout = self.looked(context, stack).await?.timeout;
        // A mapping that is `Disabling` may still invoke: the time runs from when all were seen off.
        let seen = *self.seen_off().entry((stack, trigger)).or_insert(context.now());
        let ended = switched_off.max(seen) + timeout;
        let left = ended.duration_since(context.now()).unwrap_or_default();
        let name = self.function(stack);
        Ok((!left.is_zero()).then(|| {
            format!("invocations of `{name}` to end: at most {} left", whole_seconds(left))
        }))
    }

    /// Returns the function of `stack`.
    async fn looked(&self, context: &Context<'_>, stack: StackReference) -> Result<Function> {
        let look = async {
            context.limits.lambda.take(self.calls_of_a_look()).await;
            Ok(self.toolkit.function(stack).await?)
        };
        self.functions.of(stack).get(context.round, look).await
    }

    fn seen_off(&self) -> MutexGuard<'_, BTreeMap<(StackReference, Trigger), SystemTime>> {
        self.seen_off.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many calls to Lambda a look at the function or a listing of its mappings counts as: with
    /// an alias, function and alias are two.
    ///
    /// What is not known beforehand is not counted: the pages behind the first hundred mappings, and the look
    /// at the function that the toolkit makes before its first listing. AWS's five more calls a second are
    /// for those.
    fn calls_of_a_look(&self) -> u32 {
        if self.config.alias.is_some() { 2 } else { 1 }
    }

    fn function(&self, stack: StackReference) -> &str {
        self.config.functions.of(stack)
    }

    /// Says what a mapping or rule of `stack` is.
    fn called(&self, stack: StackReference, trigger: Trigger, name: &str) -> String {
        let noun = match trigger {
            Trigger::Mappings => "mapping",
            Trigger::Rules => "rule",
        };
        format!("{noun} `{name}` of function `{}`", self.function(stack))
    }

    /// Returns the key of a note or memory about `stack`.
    fn key(&self, stack: StackReference, what: &str) -> String {
        format!("{}/{stack}/{what}", self.declaration.key())
    }

    /// Returns the pair of queues of the stack file of which `arn` is that of `stack`.
    fn queue(&self, stack: StackReference, arn: &str) -> Option<&Arc<dyn SourceQueue>> {
        let arn: Arn = arn.parse().ok()?;
        let is_named = |it: &&Arc<dyn SourceQueue>| it.name(stack) == arn.name();
        (arn.service == "sqs").then(|| self.queues.iter().find(is_named)).flatten()
    }

    /// Returns the permissions to look at mappings or rules of both stacks and to make `change` on those of
    /// `changed`.
    fn permissions(
        &self,
        trigger: Trigger,
        change: &'static str,
        changed: &[StackReference],
    ) -> Vec<Permission> {
        let looks = StackReference::BOTH.into_iter().flat_map(|it| self.looks(trigger, it));
        let change = match trigger {
            Trigger::Mappings => {
                Permission::across("event-source-mapping:*", self.mappings_of(changed), &[change])
            }
            Trigger::Rules => Permission::across("rule/*", Self::any_rule(), &[change]),
        };
        let permissions: BTreeSet<Permission> = looks.chain(change).collect();
        permissions.into_iter().collect()
    }

    /// Returns the permissions to look at mappings or rules of the function of `stack`.
    fn looks(&self, trigger: Trigger, stack: StackReference) -> Vec<Permission> {
        let mut permissions = match trigger {
            Trigger::Mappings => Permission::unlimited(&["lambda:ListEventSourceMappings"]),
            Trigger::Rules => [
                Permission::unlimited(&["events:ListEventBuses", "events:ListRuleNamesByTarget"]),
                Permission::across("rule/*", Self::any_rule(), &["events:DescribeRule"]),
            ]
            .concat(),
        };
        let alias = self.config.alias.is_some().then_some("lambda:GetAlias");
        let looks: Vec<&'static str> = ["lambda:GetFunction"].into_iter().chain(alias).collect();
        permissions.extend(Permission::on(format!("function:{}", self.function(stack)), &looks));
        permissions
    }

    fn any_rule() -> Wildcard {
        Wildcard::because("rules are found by their targets, not named in the stack file")
    }

    /// Says which mappings the permissions are about whose ids nobody knows beforehand: whether AWS compares
    /// the function with its alias or without is not documented.
    fn mappings_of(&self, stacks: &[StackReference]) -> Wildcard {
        let functions = stacks.iter().map(|&stack| {
            let alias = self.config.alias.as_ref().map_or(String::new(), |it| format!(":{it}"));
            [String::new(), alias].map(|it| format!("function:{}{it}", self.function(stack)))
        });
        let mut functions: Vec<String> = functions.flatten().collect();
        functions.dedup();
        let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
        Wildcard::because("AWS makes the ids of mappings").given("lambda:FunctionArn", &functions)
    }

    /// Returns the permissions to count the messages of the queues of `stack`.
    fn queue_permissions(&self, stack: StackReference) -> Vec<Permission> {
        let looks = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"];
        self.queues.iter().flat_map(|it| Permission::on(it.name(stack), &looks)).collect()
    }
}

#[async_trait]
impl Resource for Lambda {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, to: StackReference) -> Vec<Arc<dyn Step>> {
        let old = to.partner();
        let mut steps: Vec<Arc<dyn Step>> = Vec::new();
        for trigger in Trigger::BOTH {
            let kind = self.kinds.of(trigger);
            if kind == ConsumerKind::Mirror {
                steps.push(Arc::new(Enable { lambda: Arc::clone(&self), stack: to, trigger }));
            }
            if kind != ConsumerKind::Off {
                steps.push(Arc::new(Disable { lambda: Arc::clone(&self), stack: old, trigger }));
            }
        }
        if self.kinds.mappings == ConsumerKind::Mirror {
            steps.push(Arc::new(CaughtUp::new(Arc::clone(&self), to)));
        }
        if !self.kinds.exclusive().is_empty() {
            steps.push(Arc::new(HandOver::new(self, to)));
        }
        steps
    }

    async fn consumers(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Vec<Consumer>> {
        let mut consumers = self.mapping_consumers(context, stack).await?;
        consumers.extend(self.rule_consumers(context, stack).await?);
        Ok(consumers)
    }

    fn look_permissions(&self, stack: StackReference) -> Vec<Permission> {
        Trigger::BOTH.into_iter().flat_map(|it| self.looks(it, stack)).collect()
    }

    async fn objections(&self, context: &Context<'_>, asked: &Asked<'_>) -> Result<Vec<String>> {
        self.object(context, asked).await
    }

    fn guardrail_permissions(&self) -> Vec<Permission> {
        match self.kinds.mappings {
            ConsumerKind::Off => Vec::new(),
            _ => Permission::unlimited(&["cloudwatch:GetMetricData"]),
        }
    }

    async fn summary(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        let mut parts = Vec::new();
        if self.kinds.mappings != ConsumerKind::Off {
            let mappings = self.mappings(context, stack).await?;
            let on = mappings.iter().filter(|it| Item::from(*it).state == State::On).count();
            parts.push(format!("{on} of {} mappings on", mappings.len()));
        }
        if self.kinds.rules != ConsumerKind::Off {
            let rules = self.rules(context, stack).await?;
            let on = rules.iter().filter(|it| it.enabled).count();
            parts.push(format!("{on} of {} rules on", rules.len()));
        }
        if parts.is_empty() {
            parts.push("left alone".to_owned());
        }
        Ok(parts.join(", "))
    }

    async fn identity(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        self.set_up(context, stack).await
    }
}

#[cfg(test)]
mod tests;
