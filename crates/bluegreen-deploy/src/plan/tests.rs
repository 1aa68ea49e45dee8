//! The order of steps.

use async_trait::async_trait;
use bluegreen_core::StackReference::{A, B};

use super::*;
use crate::{Context, Declaration, Effect, Inspection, Permission};

#[derive(Debug)]
struct Named(StepId);

#[async_trait]
impl Step for Named {
    fn id(&self) -> StepId {
        self.0.clone()
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, _context: &Context<'_>) -> Result<Inspection> {
        Ok(Inspection::Done)
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn permissions(&self) -> Vec<Permission> {
        Vec::new()
    }
}

#[derive(Debug)]
struct Pair {
    declaration: Declaration,
    steps: Vec<(&'static str, StackReference)>,
    gates: Vec<&'static str>,
}

#[async_trait]
impl Resource for Pair {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, _to: StackReference) -> Vec<Arc<dyn Step>> {
        let step = |&(name, stack): &(&str, _)| step(name, &self.declaration.name, stack);
        self.steps.iter().map(step).collect()
    }

    fn gates(
        self: Arc<Self>,
        to: StackReference,
        resources: &[Arc<dyn Resource>],
    ) -> Vec<Arc<dyn Step>> {
        assert!(resources.iter().any(|it| it.declaration() == &self.declaration));
        self.gates.iter().map(|it| step(it, &self.declaration.name, to)).collect()
    }

    fn look_permissions(&self, _: StackReference) -> Vec<Permission> {
        Vec::new()
    }

    async fn summary(&self, _: &Context<'_>, _: StackReference) -> Result<String> {
        Ok(String::new())
    }

    async fn identity(&self, _: &Context<'_>, _: StackReference) -> Result<String> {
        Ok(String::new())
    }
}

fn step(name: &str, resource: &str, stack: StackReference) -> Arc<dyn Step> {
    Arc::new(Named(StepId::new(name, resource, stack)))
}

fn pair(service: &'static str, name: &str, steps: &[(&'static str, StackReference)]) -> Pair {
    let declaration = crate::steps::testing::declaration(service, name);
    Pair { declaration, steps: steps.to_vec(), gates: Vec::new() }
}

fn plan(pairs: Vec<Pair>) -> Plan {
    let resources: Vec<Arc<dyn Resource>> =
        pairs.into_iter().map(|it| Arc::new(it) as Arc<dyn Resource>).collect();
    Plan::new(B, &resources, vec![step("standby.idle", "", B)]).unwrap()
}

/// Returns the names of the steps that `name` waits for in `phase`.
fn waits_for(plan: &Plan, phase: Phase, name: &str) -> BTreeSet<String> {
    let steps = plan.phase(phase);
    let (_, waits) = steps.iter().find(|(step, _)| step.id().name == name).unwrap();
    waits.iter().map(|&it| steps[it].0.id().to_string()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

#[test]
fn every_line_waits_for_those_above_it_over_all_resources() {
    let plan = plan(vec![
        pair("aurora", "orders", &[("aurora.start", B), ("aurora.scale-out", B)]),
        pair("sns", "catalogue", &[("sns.enable", B), ("sns.settle", B)]),
    ]);

    assert_eq!(
        waits_for(&plan, Phase::Prepare, "aurora.scale-out"),
        set(&[
            "standby.idle on b",
            "aurora.start orders on b",
            "sns.enable catalogue on b",
            "sns.settle catalogue on b"
        ])
    );
}

#[test]
fn steps_of_one_line_run_together_but_for_those_that_follow_each_other() {
    let plan = plan(vec![
        pair("aurora", "orders", &[("aurora.start", B)]),
        pair("sqs", "ingest", &[("sqs.purge", B)]),
        pair("sns", "catalogue", &[("sns.enable", B), ("sns.settle", B)]),
    ]);

    assert_eq!(waits_for(&plan, Phase::Prepare, "aurora.start"), set(&["standby.idle on b"]));
    assert_eq!(
        waits_for(&plan, Phase::Prepare, "sns.enable"),
        set(&["standby.idle on b", "sqs.purge ingest on b"])
    );
    assert_eq!(
        waits_for(&plan, Phase::Prepare, "sns.settle"),
        set(&["standby.idle on b", "sns.enable catalogue on b"])
    );
}

#[test]
fn after_names_fewer_and_keeps_the_resources_own_order_and_the_idle_standby() {
    let mut queue = pair("sqs", "ingest", &[("sqs.purge", B)]);
    queue.declaration.after = Some(Vec::new());
    let mut function =
        pair("lambda", "ingest", &[("lambda.enable-mappings", B), ("lambda.enable-rules", B)]);
    function.declaration.after = Some(vec!["sqs.ingest".to_owned()]);
    let mut cluster = pair("aurora", "orders", &[("aurora.start", B), ("aurora.scale-out", B)]);
    cluster.declaration.after = Some(vec!["sqs.ingest".to_owned()]);
    let plan = plan(vec![queue, function, cluster]);

    assert_eq!(
        waits_for(&plan, Phase::Prepare, "lambda.enable-mappings"),
        set(&["standby.idle on b", "sqs.purge ingest on b"])
    );
    assert_eq!(
        waits_for(&plan, Phase::Prepare, "aurora.scale-out"),
        set(&["standby.idle on b", "sqs.purge ingest on b", "aurora.start orders on b"])
    );
}

#[test]
fn a_gate_waits_for_everything_above_it_whatever_after_says_and_can_be_skipped() {
    let queue = |skip: &[&str]| {
        let mut queue = pair("sqs", "ingest", &[("sqs.purge", B)]);
        queue.declaration.after = Some(Vec::new());
        queue.declaration.skip = set(skip);
        Pair { gates: vec!["sqs.caught-up"], ..queue }
    };
    let function = || pair("lambda", "ingest", &[("lambda.enable-mappings", B)]);

    let with = plan(vec![queue(&[]), function()]);
    let without = plan(vec![queue(&["sqs.caught-up"]), function()]);

    let above =
        ["standby.idle on b", "sqs.purge ingest on b", "lambda.enable-mappings ingest on b"];
    assert_eq!(waits_for(&with, Phase::Prepare, "sqs.caught-up"), set(&above));
    assert_eq!(without.phase(Phase::Prepare).len(), 3);
}

#[test]
fn a_schema_is_reset_and_then_filled_beside_the_readers_and_before_the_consumers() {
    let plan = plan(vec![
        pair("aurora", "orders", &[("aurora.start", B), ("aurora.scale-out", B)]),
        pair("schema", "orders", &[("schema.reset", B), ("schema.hydrate", B)]),
        pair("ecs", "worker", &[("ecs.enable", B)]),
    ]);

    assert_eq!(
        waits_for(&plan, Phase::Prepare, "schema.reset"),
        set(&["standby.idle on b", "aurora.start orders on b"])
    );
    assert!(
        waits_for(&plan, Phase::Prepare, "schema.hydrate").contains("schema.reset orders on b")
    );
    assert!(
        !waits_for(&plan, Phase::Prepare, "aurora.scale-out").contains("schema.reset orders on b")
    );
    assert!(waits_for(&plan, Phase::Prepare, "ecs.enable").contains("schema.hydrate orders on b"));
}

#[test]
fn no_after_lets_a_schema_begin_before_the_queues_buffer() {
    let mut schema = pair("schema", "orders", &[("schema.reset", B), ("schema.hydrate", B)]);
    schema.declaration.after = Some(Vec::new());
    let plan = plan(vec![
        pair("aurora", "orders", &[("aurora.start", B)]),
        pair("sqs", "ingest", &[("sqs.purge", B)]),
        pair("sns", "catalogue", &[("sns.enable", B), ("sns.settle", B)]),
        schema,
    ]);

    let buffering = [
        "standby.idle on b",
        "sqs.purge ingest on b",
        "sns.enable catalogue on b",
        "sns.settle catalogue on b",
    ];
    assert_eq!(waits_for(&plan, Phase::Prepare, "schema.reset"), set(&buffering));
    assert!(waits_for(&plan, Phase::Prepare, "schema.hydrate").is_superset(&set(&buffering)));
}

#[test]
fn tests_run_together_and_people_are_asked_when_all_have_passed() {
    let names = ["test.http", "test.lambda", "test.command", "test.alarms"];
    let tests = names.map(|it| pair("test", it, &[(it, B)]));
    let asked = pair("test", "look", &[("test.approve", B)]);
    let plan = plan(tests.into_iter().chain([asked]).collect());

    for name in names {
        assert_eq!(waits_for(&plan, Phase::Test, name), set(&[]), "{name}");
    }
    assert_eq!(waits_for(&plan, Phase::Test, "test.approve").len(), 4);
}

#[test]
fn a_name_in_two_phases_is_placed_by_its_stack() {
    let plan = plan(vec![pair("sqs", "ingest", &[("sqs.purge", B), ("sqs.purge", A)])]);

    let placed: Vec<_> = plan
        .steps()
        .into_iter()
        .filter(|it| it.step.id().name == "sqs.purge")
        .map(|it| (it.phase, it.step.id().stack))
        .collect();
    assert_eq!(placed, [(Phase::Prepare, B), (Phase::Retire, A)]);
}

#[test]
fn feeding_ends_before_consumers_and_consumers_before_data() {
    let plan = plan(vec![
        pair("sns", "catalogue", &[("sns.disable", A), ("sns.settle", A)]),
        pair("lambda", "ingest", &[("lambda.disable-mappings", A)]),
        pair("kinesis", "clicks", &[("kinesis.deregister", A)]),
        pair("aurora", "orders", &[("aurora.stop", A), ("aurora.scale-in", B)]),
    ]);

    assert_eq!(
        waits_for(&plan, Phase::Retire, "lambda.disable-mappings"),
        set(&["sns.disable catalogue on a", "sns.settle catalogue on a"])
    );
    assert!(
        waits_for(&plan, Phase::Retire, "kinesis.deregister")
            .contains("lambda.disable-mappings ingest on a")
    );
    assert_eq!(waits_for(&plan, Phase::Retire, "aurora.stop").len(), 4);
    assert_eq!(waits_for(&plan, Phase::Retire, "aurora.scale-in").len(), 5);
}

#[test]
fn a_skipped_step_is_not_in_the_plan() {
    let mut cluster = pair("aurora", "orders", &[("aurora.start", B), ("aurora.scale-out", B)]);
    cluster.declaration.skip = set(&["aurora.scale-out"]);

    let plan = plan(vec![cluster]);

    assert!(plan.steps().iter().all(|it| it.step.id().name != "aurora.scale-out"));
    assert!(plan.steps().iter().any(|it| it.step.id().name == "aurora.start"));
}

#[test]
fn steps_are_listed_in_their_order_and_otherwise_as_the_file_has_them() {
    let plan = plan(vec![
        pair("aurora", "orders", &[("aurora.scale-out", B), ("aurora.start", B)]),
        pair("sqs", "ingest", &[("sqs.purge", B)]),
    ]);

    let listed: Vec<_> = plan.steps().iter().map(|it| it.step.id().name).collect();
    let phase: Vec<_> = plan.phase(Phase::Prepare).iter().map(|(step, _)| step.id().name).collect();

    assert_eq!(listed, ["standby.idle", "aurora.start", "sqs.purge", "aurora.scale-out"]);
    assert_eq!(phase, listed);
}

#[test]
fn a_step_tells_which_steps_of_its_phase_it_waits_for() {
    let plan = plan(vec![pair("sqs", "ingest", &[("sqs.purge", B), ("sqs.purge", A)])]);

    let waits = |stack| plan.waits_for(&StepId::new("sqs.purge", "ingest", stack));

    assert_eq!(waits(B), [StepId::new("standby.idle", "", B)]);
    assert_eq!(waits(A), []);
}

#[test]
fn a_step_without_a_place_is_refused_until_it_is_inserted() {
    let own = || vec![step("cache.warm", "", B)];
    assert!(Plan::new(B, &[], own()).unwrap_err().to_string().contains("`cache.warm`"));

    let mut plan = plan(vec![pair("aurora", "orders", &[("aurora.start", B)])]);
    plan.insert(Phase::Prepare, step("cache.warm", "", B), &["aurora.start"], &[]).unwrap();

    assert_eq!(waits_for(&plan, Phase::Prepare, "cache.warm"), set(&["aurora.start orders on b"]));
}

#[test]
fn an_order_that_goes_round_in_a_circle_is_refused_and_leaves_the_plan_as_it_was() {
    let mut plan = plan(vec![pair("aurora", "orders", &[("aurora.start", B)])]);

    let circle =
        plan.insert(Phase::Prepare, step("x.y", "", B), &["aurora.start"], &["standby.idle"]);
    let unknown = plan.insert(Phase::Prepare, step("x.y", "", B), &["aurora.strat"], &[]);

    assert!(circle.is_err() && unknown.unwrap_err().to_string().contains("`aurora.strat`"));
    assert_eq!(plan.steps().len(), 2);
}

#[test]
fn phases_are_read_by_their_names_only() {
    for phase in Phase::ALL {
        assert_eq!(phase.to_string().parse(), Ok(phase));
    }
    assert!("Prepare".parse::<Phase>().unwrap_err().contains("expected prepare"));
}

#[test]
fn a_step_in_the_place_of_another_keeps_its_place() {
    let pairs = || vec![pair("aurora", "orders", &[("aurora.start", B), ("aurora.scale-out", B)])];
    let effects = |plan: &Plan| plan.steps().iter().map(|it| it.step.effect()).collect::<Vec<_>>();
    let (before, mut plan) = (plan(pairs()), plan(pairs()));

    plan.replace(|it| Arc::new(Loud(it.id())));

    let waits = |plan: &Plan| waits_for(plan, Phase::Prepare, "aurora.scale-out");
    assert_eq!(waits(&plan), waits(&before));
    assert_eq!(effects(&before), [Effect::Harmless; 3]);
    assert_eq!(effects(&plan), [Effect::Destroys(B); 3]);
}

/// A step like [`Named`] that destroys.
#[derive(Debug)]
struct Loud(StepId);

#[async_trait]
impl Step for Loud {
    fn id(&self) -> StepId {
        self.0.clone()
    }

    fn effect(&self) -> Effect {
        Effect::Destroys(self.0.stack)
    }

    async fn inspect(&self, _: &Context<'_>) -> Result<Inspection> {
        Ok(Inspection::Done)
    }

    async fn apply(&self, _: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn permissions(&self) -> Vec<Permission> {
        Vec::new()
    }
}

#[test]
fn what_waited_for_a_step_that_is_left_out_waits_for_what_that_one_waited_for() {
    let pairs = vec![pair(
        "sqs",
        "ingest",
        &[("sqs.purge", B), ("sns.enable", B), ("sns.settle", B), ("ecs.enable", B)],
    )];

    let whole = plan(pairs);
    let less = whole.without(|it| it.step.id().name == "sns.enable");

    assert!(!less.steps().iter().any(|it| it.step.id().name == "sns.enable"));
    let purge = "sqs.purge ingest on b";
    let settle = waits_for(&less, Phase::Prepare, "sns.settle");
    assert_eq!(settle, set(&["standby.idle on b", purge]), "by way of what was left out");
    let enable = waits_for(&less, Phase::Prepare, "ecs.enable");
    assert_eq!(enable, set(&["standby.idle on b", purge, "sns.settle ingest on b"]));
}
