//! Tests of the steps that switch mappings and rules of one stack, and of what a function shows.

mod guardrails;
mod mappings;

use bluegreen_core::StackReference::{A, B};
use bluegreen_lambda::{Datapoint, MappingState, Metric, MockLambdaToolkit};
use serde_json::json;

use super::{
    testing::{Account, Queue, arn, declared, lambda, mapping, rule, step, toolkit},
    *,
};
use crate::{
    Effect, Guardrail, Inspection, Occasion, Source,
    stack_file::{
        ConsumerKind::{Exclusive, Mirror, Off},
        Feed, GuardrailSettings,
    },
    steps::testing::{START, World, allowed},
};

fn needed(from: &str, to: &str) -> Inspection {
    Inspection::Needed { from: from.to_owned(), to: to.to_owned() }
}

fn underway(what: &str) -> Inspection {
    Inspection::Underway { what: what.to_owned() }
}

/// Returns as many mappings of `stack`, each on a stream of its own.
fn mappings(stack: StackReference, count: usize, state: &MappingState) -> Vec<EventSourceMapping> {
    let mapping = |it| {
        let source = format!("kinesis:stream/clicks-{it}-{stack}");
        mapping(&format!("{stack}{it:03}"), &source, state.clone())
    };
    (0..count).map(mapping).collect()
}

fn names(steps: &[Arc<dyn Step>]) -> Vec<String> {
    steps.iter().map(|it| it.id().to_string()).collect()
}

#[tokio::test]
async fn the_steps_follow_from_the_kinds() {
    let account = Account::default().shared();

    let steps = |mappings, rules| names(&lambda(&account, mappings, rules, &[]).steps(B));

    assert_eq!(
        steps(Mirror, Exclusive),
        [
            "lambda.enable-mappings ingest on b",
            "lambda.disable-mappings ingest on a",
            "lambda.disable-rules ingest on a",
            "lambda.caught-up ingest on b",
            "exclusive.hand-over ingest on b",
        ]
    );
    assert_eq!(
        steps(Off, Mirror),
        ["lambda.enable-rules ingest on b", "lambda.disable-rules ingest on a"]
    );
    assert!(steps(Off, Off).is_empty());
}

#[tokio::test(start_paused = true)]
async fn rules_are_switched_but_for_managed_ones_and_those_a_person_has_off() {
    let managed = Rule { managed_by: Some("aws.partner".to_owned()), ..rule("managed", true) };
    let a = vec![rule("nightly-a", true), rule("paused-a", false), managed];
    let account = Account { rules: Pair { a, b: Vec::new() }, ..Default::default() }.shared();
    let (world, lambda) = (World::new(A), lambda(&account, Off, Mirror, &[]));
    let disable = step(&lambda, "lambda.disable-rules", A, B);
    let enable = step(&lambda, "lambda.enable-rules", A, A);

    assert_eq!(world.inspect(&*disable).await.unwrap(), needed("1 of 2 on", "off"));
    world.apply(&*disable).await.unwrap();
    assert_eq!(world.inspect(&*enable).await.unwrap(), needed("2 of 2 off", "on (1 stays off)"));
    world.apply(&*enable).await.unwrap();
    assert_eq!(world.inspect(&*enable).await.unwrap(), Inspection::Done);

    let switched = ["a off default/nightly-a", "a on default/nightly-a"];
    assert_eq!(account.lock().unwrap().switched, switched);
    let warning = "rule `default/managed` is managed by `aws.partner`: it is left alone";
    assert_eq!(world.warnings(), [warning]);
}

#[tokio::test(start_paused = true)]
async fn the_partners_rules_are_the_model_by_bus_and_name() {
    let a = vec![rule("shop-a-paused", false), rule("nightly-ingest-a", true)];
    let elsewhere = Rule { event_bus: "other".to_owned(), ..rule("shop-b-paused", false) };
    let b = vec![rule("nightly-ingest-b", false), rule("shop-b-paused", false), elsewhere];
    let account = Account { rules: Pair { a, b }, ..Default::default() }.shared();
    let (world, lambda) = (World::new(A), lambda(&account, Off, Mirror, &[]));
    let enable = step(&lambda, "lambda.enable-rules", B, B);

    let model = enable.model(&world.context()).await.unwrap();
    world.apply(&*enable).await.unwrap();

    let off = json!({"off": ["default/shop-b-paused"]});
    assert_eq!(model, Some(("lambda.ingest/b/rules".to_owned(), off)));
    let switched = ["b on default/nightly-ingest-b", "b on other/shop-b-paused"];
    assert_eq!(account.lock().unwrap().switched, switched);
}

#[tokio::test(start_paused = true)]
async fn finding_nothing_to_switch_is_an_error_unless_it_is_optional() {
    let account = Account::default().shared();
    let required = lambda(&account, Mirror, Mirror, &[]);
    let resource = stack_file::Resource {
        optional: true,
        written: Default::default(),
        ..declared(Mirror, Mirror)
    };
    let optional = Arc::new(Lambda::new(&resource, Arc::new(toolkit(&account)), Vec::new()));
    let world = World::new(A);

    let mut errors = Vec::new();
    // The gate needs none: what there is to read is what the others have found.
    let switching = |it: &Arc<dyn Step>| it.id().name != "lambda.caught-up";
    for step in required.steps(B).into_iter().filter(switching) {
        errors.push(world.inspect(&*step).await.unwrap_err().to_string());
    }
    for step in optional.steps(B) {
        assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
        world.apply(&*step).await.unwrap();
    }

    assert_eq!(
        errors,
        [
            "found no event source mapping of function `ingest-b` (if it has none, say `mappings = \"off\"` in [lambda.ingest])",
            "found no event source mapping of function `ingest-a` (if it has none, say `mappings = \"off\"` in [lambda.ingest])",
            "found no rule of function `ingest-b` (if it has none, say `rules = \"off\"` in [lambda.ingest])",
            "found no rule of function `ingest-a` (if it has none, say `rules = \"off\"` in [lambda.ingest])",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_function_is_found_by_the_first_look_at_either_stack() {
    let missing = || Error::NotFound { resource: "function `ingest`".to_owned() };
    let mut toolkit = MockLambdaToolkit::new();
    toolkit.expect_list_event_source_mappings().returning(move |_| Err(missing()));
    toolkit.expect_rules().returning(move |_| Err(missing()));
    let resource = declared(Mirror, Exclusive);
    let lambda = Arc::new(Lambda::new(&resource, Arc::new(toolkit), Vec::new()));
    let world = World::new(A);

    for step in lambda.steps(B) {
        let err = world.inspect(&*step).await.unwrap_err();
        assert!(err.is_absent(), "{}: {err}", step.id());
    }
}

#[tokio::test(start_paused = true)]
async fn mappings_and_rules_are_listed_once_per_stack_and_round() {
    let account = Account {
        mappings: Pair::from_fn(|stack| mappings(stack, 2, &MappingState::Enabled)),
        rules: Pair::from_fn(|stack| vec![rule(&format!("nightly-{stack}"), true)]),
        ..Default::default()
    };
    let account = account.shared();
    let (world, lambda) = (World::new(A), lambda(&account, Mirror, Exclusive, &[]));
    let context = world.context();

    for step in Arc::clone(&lambda).steps(B) {
        step.inspect(&context).await.unwrap();
        step.model(&context).await.unwrap();
    }
    for stack in StackReference::BOTH {
        lambda.consumers(&context, stack).await.unwrap();
        let summary = lambda.summary(&context, stack).await.unwrap();
        assert_eq!(summary, "2 of 2 mappings on, 1 of 1 rules on");
    }

    assert_eq!(account.lock().unwrap().looks, 4);
}

#[tokio::test(start_paused = true)]
async fn consumers_are_mappings_and_rules_of_every_kind_but_no_managed_rule() {
    let self_managed = EventSourceMapping {
        event_source_arn: None,
        ..mapping("kafka", "kafka:x", MappingState::Enabled)
    };
    let b = vec![
        mapping("queue", "sqs:orders-b", MappingState::Disabled),
        mapping("stream", "kinesis:stream/clicks", MappingState::Disabling),
        self_managed,
    ];
    let managed = Rule { managed_by: Some("aws.partner".to_owned()), ..rule("managed", true) };
    let account = Account {
        mappings: Pair { a: Vec::new(), b },
        rules: Pair { a: Vec::new(), b: vec![rule("nightly", true), managed] },
        ..Default::default()
    };
    let lambda = lambda(&account.shared(), Off, Exclusive, &[]);
    let world = World::new(A);

    let consumers = lambda.consumers(&world.context(), B).await.unwrap();

    let consumer = |what: &str, source, on, kind, turned_off_by| Consumer {
        what: format!("{what} of function `ingest-b`"),
        source,
        on,
        kind,
        turned_off_by,
    };
    let (mappings, rules) = ("lambda.disable-mappings", "lambda.disable-rules");
    let queue = Source::Queue(arn("sqs", "orders-b"));
    let stream = Source::Other(arn("kinesis", "stream/clicks"));
    let kafka = Source::Other("kafka".to_owned());
    let nightly = Source::Rule("default/nightly".to_owned());
    assert_eq!(
        consumers,
        [
            consumer("mapping `queue`", queue, false, Off, mappings),
            consumer("mapping `stream`", stream, true, Off, mappings),
            consumer("mapping `kafka`", kafka, true, Off, mappings),
            consumer("rule `default/nightly`", nightly, true, Exclusive, rules),
        ]
    );
}

#[test]
fn effects_undos_memories_and_permissions_fit_the_steps() {
    let queue = Queue::new("orders", Feed::FanOut, 0, 0);
    let lambda = lambda(&Account::default().shared(), Mirror, Exclusive, &[&queue]);
    let enable = step(&lambda, "lambda.enable-mappings", B, B);
    let disable = step(&lambda, "lambda.disable-mappings", A, B);
    let rules = step(&lambda, "lambda.disable-rules", A, B);

    assert_eq!((enable.effect(), disable.effect()), (Effect::Harmless, Effect::Disables(A)));
    assert_eq!(crate::steps::testing::undo(&*enable).as_deref(), Some("lambda.disable-mappings"));
    assert_eq!(crate::steps::testing::undo(&*disable).as_deref(), Some("lambda.enable-mappings"));
    assert_eq!(disable.memory().as_deref(), Some("lambda.ingest/a/mappings"));
    assert_eq!(rules.memory(), None, "the hand-over remembers what is exclusive");
    let permissions = disable.permissions();
    for expected in [
        ("lambda:ListEventSourceMappings", "*"),
        ("lambda:UpdateEventSourceMapping", "event-source-mapping:*"),
        ("lambda:GetFunction", "function:ingest-a"),
        ("lambda:GetAlias", "function:ingest-b"),
        ("sqs:GetQueueAttributes", "orders-a"),
    ] {
        assert!(allowed(&permissions).contains(&expected), "{expected:?}");
    }
    assert!(allowed(&rules.permissions()).contains(&("events:DisableRule", "rule/*")));
    let change = permissions.iter().find(|it| it.action == "lambda:UpdateEventSourceMapping");
    let narrowed = &change.unwrap().wildcard.as_ref().unwrap().conditions;
    assert_eq!(
        narrowed["lambda:FunctionArn"],
        ["function:ingest-a", "function:ingest-a:live"],
        "the mappings of the stack that it acts on, and no others"
    );
}

#[tokio::test(start_paused = true)]
async fn a_standby_is_no_model_of_what_stays_off() {
    let off = Pair::from_fn(|it| mappings(it, 2, &MappingState::Disabled));
    let account = Account { mappings: off, ..Default::default() }.shared();
    let (world, lambda) = (World::new(A), lambda(&account, Mirror, Off, &[]));

    let enable = step(&lambda, "lambda.enable-mappings", A, A);

    assert_eq!(world.inspect(&*enable).await.unwrap(), needed("2 of 2 off", "on"));
}

/// Returns what switching off the mappings or rules of b would leave off on both stacks.
async fn left_off_by(world: &World, lambda: &Arc<Lambda>, name: &str) -> Vec<String> {
    let step = step(lambda, name, B, A);
    step.leaves_off(&world.context()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_on_while_its_counterpart_is_off_would_be_off_on_both_stacks() {
    let world = World::new(A);
    let state = |on| if on { MappingState::Enabled } else { MappingState::Disabled };
    let account = |own: [bool; 2], other: [bool; 2]| {
        let mappings = |stack: StackReference, on: [bool; 2]| {
            ["x", "y"].into_iter().zip(on).map(move |(it, on)| {
                mapping(&format!("{it}{stack}"), &format!("sqs:{it}-ingest-{stack}"), state(on))
            })
        };
        let mappings = Pair { a: mappings(A, other).collect(), b: mappings(B, own).collect() };
        Account { mappings, ..Default::default() }.shared()
    };
    let told = async |own, other| {
        let lambda = lambda(&account(own, other), Mirror, Off, &[]);
        left_off_by(&world, &lambda, "lambda.disable-mappings").await
    };

    let (none, y) = (Vec::<String>::new(), ["mapping `ya` of function `ingest-a` is off"]);
    assert_eq!(told([true, true], [true, true]).await, none);
    assert_eq!(told([true, true], [true, false]).await, y);
    assert_eq!(told([true, false], [true, false]).await, none, "off on both by a person");
    assert_eq!(told([false, false], [false, false]).await, none, "nothing to switch off");
    assert_eq!(told([true, false], [false, false]).await.len(), 2, "nothing at all is on");
}

#[tokio::test(start_paused = true)]
async fn what_was_off_before_or_is_skipped_is_not_missed_and_rules_are_asked_alike() {
    let account = Account {
        rules: Pair { a: vec![rule("odd", false)], b: vec![rule("nightly-ingest-b", true)] },
        ..Default::default()
    };
    let account = account.shared();
    let told = async |world: &World, kind| {
        let lambda = lambda(&account, Off, kind, &[]);
        left_off_by(world, &lambda, "lambda.disable-rules").await
    };
    let noted = World::new(A);
    let name = "rule `default/odd` of function `ingest-a`";
    noted.context().set_note("active-off", &[name]).await.unwrap();
    let skipping = {
        let mut declared = declared(Off, Mirror);
        declared.skip.insert("lambda.enable-rules".to_owned());
        Arc::new(Lambda::new(&declared, Arc::new(toolkit(&account)), Vec::new()))
    };

    let is_off = [format!("{name} is off")];
    assert_eq!(told(&World::new(A), Mirror).await, is_off);
    assert_eq!(told(&World::new(A), Exclusive).await, is_off);
    assert_eq!(told(&noted, Mirror).await, [""; 0]);
    let skipped = left_off_by(&World::new(A), &skipping, "lambda.disable-rules").await;
    assert_eq!(skipped, [""; 0]);
}
