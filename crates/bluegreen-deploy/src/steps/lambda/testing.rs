//! What the tests of functions share: an account with mappings and rules.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bluegreen_core::{
    Error, Pair, Selection,
    StackReference::{self, A, B},
    Switched,
};
use bluegreen_lambda::{
    Datapoint, EventSourceMapping, Function, LambdaConfig, MappingState, Metric, MockLambdaToolkit,
    Rule,
};

use super::Lambda;
pub(super) use crate::steps::testing::Queue;
use crate::{
    SourceQueue, Step, StepId,
    stack_file::{self, ConsumerKind, LambdaSettings},
};

/// An AWS account with mappings and rules.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) mappings: Pair<Vec<EventSourceMapping>>,
    pub(super) rules: Pair<Vec<Rule>>,
    /// The mappings that AWS is at work on: it refuses to change them.
    pub(super) busy: Vec<String>,
    /// The mappings that AWS refuses to change.
    pub(super) refused: Vec<String>,
    /// Whether a mapping that is switched is only on its way at first.
    pub(super) takes_time: bool,
    /// How often mappings and rules were listed.
    pub(super) looks: usize,
    /// What CloudWatch shows of either function.
    pub(super) metrics: BTreeMap<Metric, Datapoint>,
    /// How often it was asked.
    pub(super) metric_looks: usize,
    /// What was switched, in order: `b on 1b`.
    pub(super) switched: Vec<String>,
}

pub(super) type Shared = Arc<Mutex<Account>>;

impl Account {
    pub(super) fn shared(self) -> Shared {
        Arc::new(Mutex::new(self))
    }

    /// Ends every transition.
    pub(super) fn settle(&mut self) {
        for mapping in self.mappings.a.iter_mut().chain(&mut self.mappings.b) {
            match mapping.state {
                MappingState::Enabling => mapping.state = MappingState::Enabled,
                MappingState::Disabling => mapping.state = MappingState::Disabled,
                _ => {}
            }
        }
    }

    fn mappings_of(&mut self, stack: StackReference) -> &mut Vec<EventSourceMapping> {
        match stack {
            A => &mut self.mappings.a,
            B => &mut self.mappings.b,
        }
    }

    fn rules_of(&mut self, stack: StackReference) -> &mut Vec<Rule> {
        match stack {
            A => &mut self.rules.a,
            B => &mut self.rules.b,
        }
    }

    fn switch_mappings(
        &mut self,
        stack: StackReference,
        selection: Selection<EventSourceMapping>,
        on: bool,
    ) -> Result<Switched, Error> {
        let Selection::Only(selection) = selection else { panic!("everything is listed again") };
        assert!(selection.len() <= 10, "{} at once", selection.len());
        let state = match (on, self.takes_time) {
            (true, false) => MappingState::Enabled,
            (false, false) => MappingState::Disabled,
            (true, true) => MappingState::Enabling,
            (false, true) => MappingState::Disabling,
        };
        let mut failure = None;
        let mut switched = Switched::default();
        for EventSourceMapping { uuid, .. } in selection {
            if self.busy.contains(&uuid) {
                switched.busy.push(uuid);
                continue;
            }
            if self.refused.contains(&uuid) {
                failure.get_or_insert(Error::NotFound { resource: format!("mapping `{uuid}`") });
                continue;
            }
            self.switched.push(format!("{stack} {} {uuid}", if on { "on" } else { "off" }));
            let mappings = self.mappings_of(stack);
            mappings.iter_mut().find(|it| it.uuid == uuid).unwrap().state = state.clone();
            switched.changed.push(uuid);
        }
        failure.map_or(Ok(switched), Err)
    }

    fn switch_rules(
        &mut self,
        stack: StackReference,
        selection: Selection<Rule>,
        on: bool,
    ) -> Switched {
        let Selection::Only(selection) = selection else { panic!("everything is listed again") };
        let mut switched = Switched::default();
        for rule in selection {
            let label = rule.label();
            self.switched.push(format!("{stack} {} {label}", if on { "on" } else { "off" }));
            let rules = self.rules_of(stack);
            rules.iter_mut().find(|it| it.label() == label).unwrap().enabled = on;
            switched.changed.push(label);
        }
        switched
    }
}

/// Returns a mapping on a source of the account, such as `sqs:ingest-a`.
pub(super) fn mapping(uuid: &str, source: &str, state: MappingState) -> EventSourceMapping {
    let (service, resource) = source.split_once(':').unwrap();
    EventSourceMapping {
        uuid: uuid.to_owned(),
        event_source_arn: Some(arn(service, resource)),
        function_arn: arn("lambda", "function:ingest"),
        batch_size: Some(10),
        state,
    }
}

pub(super) fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:eu-west-1:123456789012:{resource}")
}

pub(super) fn rule(name: &str, enabled: bool) -> Rule {
    Rule { name: name.to_owned(), event_bus: "default".to_owned(), enabled, managed_by: None }
}

/// Returns a toolkit on the account; the functions' timeout is 30 s.
pub(super) fn toolkit(account: &Shared) -> MockLambdaToolkit {
    let mut toolkit = MockLambdaToolkit::new();
    let shared = Arc::clone(account);
    toolkit.expect_list_event_source_mappings().returning(move |stack| {
        let mut account = shared.lock().unwrap();
        account.looks += 1;
        Ok(account.mappings_of(stack).clone())
    });
    let shared = Arc::clone(account);
    toolkit.expect_rules().returning(move |stack| {
        let mut account = shared.lock().unwrap();
        account.looks += 1;
        Ok(account.rules_of(stack).clone())
    });
    let shared = Arc::clone(account);
    toolkit.expect_latest_metrics().returning(move |_, _| {
        let mut account = shared.lock().unwrap();
        account.metric_looks += 1;
        Ok(account.metrics.clone())
    });
    let shared = Arc::clone(account);
    toolkit
        .expect_enable_event_mapping()
        .returning(move |stack, it| shared.lock().unwrap().switch_mappings(stack, it, true));
    let shared = Arc::clone(account);
    toolkit
        .expect_disable_event_mapping()
        .returning(move |stack, it| shared.lock().unwrap().switch_mappings(stack, it, false));
    let shared = Arc::clone(account);
    toolkit
        .expect_enable_rule()
        .returning(move |stack, it| Ok(shared.lock().unwrap().switch_rules(stack, it, true)));
    let shared = Arc::clone(account);
    toolkit
        .expect_disable_rule()
        .returning(move |stack, it| Ok(shared.lock().unwrap().switch_rules(stack, it, false)));
    toolkit.expect_function().returning(|stack| {
        Ok(Function {
            name: format!("ingest-{stack}"),
            arn: arn("lambda", &format!("function:ingest-{stack}")),
            alias_arn: None,
            version: "7".to_owned(),
            code_sha256: Some("c2hh".to_owned()),
            timeout: Duration::from_secs(30),
        })
    });
    toolkit
}

/// Returns the declared functions `ingest-a` and `ingest-b`.
pub(super) fn declared(
    mappings: ConsumerKind,
    rules: ConsumerKind,
) -> stack_file::Resource<LambdaSettings> {
    let functions = Pair::from_fn(|stack| format!("ingest-{stack}"));
    stack_file::Resource {
        name: "ingest".to_owned(),
        line: 1,
        skip: Default::default(),
        after: None,
        optional: false,
        written: Default::default(),
        settings: LambdaSettings {
            config: LambdaConfig { functions, alias: Some("live".to_owned()) },
            mappings,
            rules,
            iterator_age_below: Duration::from_secs(60),
            caught_up_for: Duration::from_secs(180),
        },
    }
}

pub(super) fn lambda(
    account: &Shared,
    mappings: ConsumerKind,
    rules: ConsumerKind,
    queues: &[&Arc<Queue>],
) -> Arc<Lambda> {
    let queues =
        queues.iter().map(|&it| -> Arc<dyn SourceQueue> { Arc::<Queue>::clone(it) }).collect();
    Arc::new(Lambda::new(&declared(mappings, rules), Arc::new(toolkit(account)), queues))
}

/// Returns the only step called `name` on `stack` of a move to `to`.
pub(super) fn step(
    lambda: &Arc<Lambda>,
    name: &str,
    stack: StackReference,
    to: StackReference,
) -> Arc<dyn Step> {
    let steps = crate::Resource::steps(Arc::clone(lambda), to);
    steps.into_iter().find(|it| it.id() == StepId::new(name, "ingest", stack)).unwrap()
}
