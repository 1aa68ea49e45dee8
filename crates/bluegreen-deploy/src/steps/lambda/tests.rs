//! Tests of the steps that switch mappings and rules of one stack, and of what a function shows.

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
async fn mappings_are_switched_ten_a_second_and_one_that_was_off_stays_off() {
    let mut all = mappings(A, 104, &MappingState::Enabled);
    all.push(mapping("quiet", "sqs:quiet-a", MappingState::Disabled));
    let account = Account { mappings: Pair { a: all, b: Vec::new() }, ..Default::default() };
    let account = account.shared();
    let (world, lambda) = (World::new(A), lambda(&account, Mirror, Off, &[]));
    let disable = step(&lambda, "lambda.disable-mappings", A, B);
    let enable = step(&lambda, "lambda.enable-mappings", A, A);

    let before = world.inspect(&*disable).await.unwrap();
    let began = tokio::time::Instant::now();
    world.apply(&*disable).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(10), "{:?}", began.elapsed());
    world.inspect(&*disable).await.unwrap();
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(before, needed("104 of 105 on", "off"));
    assert_eq!(world.inspect(&*disable).await.unwrap(), Inspection::Done);

    let before = world.inspect(&*enable).await.unwrap();
    world.apply(&*enable).await.unwrap();
    assert_eq!(before, needed("105 of 105 off", "on (1 stays off)"));
    assert_eq!(world.inspect(&*enable).await.unwrap(), Inspection::Done);

    let switched = account.lock().unwrap().switched.len();
    world.apply(&*enable).await.unwrap();
    assert_eq!((switched, account.lock().unwrap().switched.len()), (208, 208));
}

#[tokio::test(start_paused = true)]
async fn one_mapping_that_is_refused_does_not_keep_the_others_from_being_switched() {
    for (name, stack, state) in [
        ("lambda.disable-mappings", A, MappingState::Enabled),
        ("lambda.enable-mappings", B, MappingState::Disabled),
    ] {
        let of = |it| if it == stack { mappings(it, 25, &state) } else { Vec::new() };
        let refused = ["003", "014"].map(|it| format!("{stack}{it}")).to_vec();
        let account = Account { mappings: Pair::from_fn(of), refused, ..Default::default() };
        let account = account.shared();
        let (world, lambda) = (World::new(A), lambda(&account, Mirror, Off, &[]));

        let err = world.apply(&*step(&lambda, name, stack, B)).await.unwrap_err();

        assert_eq!(err.to_string(), format!("mapping `{stack}003` does not exist"), "the first");
        assert_eq!(account.lock().unwrap().switched.len(), 23);
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_at_a_function_with_an_alias_counts_as_two_calls() {
    for (alias, expected) in [(Some("live"), 400), (None, 200)] {
        let account = Account::default().shared();
        let mut resource = declared(Mirror, Off);
        resource.settings.config.alias = alias.map(str::to_owned);
        let lambda = Lambda::new(&resource, Arc::new(toolkit(&account)), Vec::new());
        let world = World::new(A);
        let context = world.context();
        let began = tokio::time::Instant::now();
        context.set_note("lambda.ingest/a/rules-off", &Moment(context.now())).await.unwrap();

        lambda.mappings(&context, A).await.unwrap();
        lambda.in_flight(&context, A, Trigger::Rules).await.unwrap().unwrap();
        context.limits.lambda.take(1).await;

        assert_eq!(began.elapsed(), Duration::from_millis(expected), "{alias:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_mapping_is_switched_in_a_later_round_and_what_was_off_is_still_known() {
    let mut all = mappings(A, 2, &MappingState::Enabled);
    all.push(mapping("quiet", "sqs:quiet-a", MappingState::Disabled));
    let account = Account {
        mappings: Pair { a: all, b: Vec::new() },
        busy: vec!["a000".to_owned()],
        ..Default::default()
    };
    let account = account.shared();
    let (world, lambda) = (World::new(A), lambda(&account, Mirror, Off, &[]));
    let disable = step(&lambda, "lambda.disable-mappings", A, B);

    world.apply(&*disable).await.unwrap();
    assert_eq!(world.inspect(&*disable).await.unwrap(), needed("1 of 3 on", "off"));
    account.lock().unwrap().busy.clear();
    world.apply(&*disable).await.unwrap();

    let remembered = world.store.remembered("lambda.ingest/a/mappings");
    assert_eq!(remembered, Some(json!({"off": ["quiet"]})));
    assert_eq!(account.lock().unwrap().switched, ["a off a001", "a off a000"]);
}

#[tokio::test(start_paused = true)]
async fn a_mapping_on_its_way_is_waited_for_and_does_not_keep_the_others_waiting() {
    let mapping = |state| mapping("x", "sqs:x", state);
    let other = MappingState::Moving("Updating".to_owned());
    let cases = [
        (MappingState::Enabling, "lambda.enable-mappings", B),
        (MappingState::Disabling, "lambda.enable-mappings", B),
        (other.clone(), "lambda.enable-mappings", B),
        (MappingState::Enabling, "lambda.disable-mappings", A),
        (MappingState::Disabling, "lambda.disable-mappings", A),
        (other, "lambda.disable-mappings", A),
    ];

    for (state, name, stack) in cases {
        let word = match &state {
            MappingState::Moving(word) => word.clone(),
            state => format!("{state:?}"),
        };
        let on_stack = |it| if it == stack { vec![mapping(state.clone())] } else { Vec::new() };
        let mappings = Pair::from_fn(on_stack);
        let account = Account { mappings, ..Default::default() }.shared();
        let (world, lambda) = (World::new(A), lambda(&account, Mirror, Off, &[]));
        let step = step(&lambda, name, stack, B);

        let seen = world.inspect(&*step).await.unwrap();
        world.apply(&*step).await.unwrap();

        assert_eq!(seen, underway(&format!("mapping `x` is `{word}`")), "{name}");
        assert!(account.lock().unwrap().switched.is_empty());
    }

    let mut some = mappings(B, 2, &MappingState::Disabled);
    some[0].state = MappingState::Enabling;
    let account = Account { mappings: Pair { a: Vec::new(), b: some }, ..Default::default() };
    let account = account.shared();
    let (world, lambda) = (World::new(A), lambda(&account, Mirror, Off, &[]));
    let enable = step(&lambda, "lambda.enable-mappings", B, B);

    assert_eq!(world.inspect(&*enable).await.unwrap(), needed("1 of 2 off", "on"));
    world.apply(&*enable).await.unwrap();
    assert_eq!(account.lock().unwrap().switched, ["b on b001"]);
}

#[tokio::test(start_paused = true)]
async fn the_partners_mappings_are_the_model_by_their_sources() {
    let consumer = |stack, time| format!("kinesis:stream/clicks/consumer/clicks-{stack}:{time}");
    let on_both = |uuid: &str, stack, off| {
        let state = if off { MappingState::Disabled } else { MappingState::Enabled };
        vec![
            mapping(&format!("paired-{uuid}"), &format!("sqs:orders-{stack}"), state.clone()),
            mapping(&format!("named-{uuid}"), &format!("sqs:ingest-{stack}-retry"), state.clone()),
            mapping(&format!("shared-{uuid}"), "kinesis:stream/clicks", state.clone()),
            mapping(&format!("fan-out-{uuid}"), &consumer(stack, uuid.len()), state),
        ]
    };
    let mut theirs = on_both("1", A, true);
    theirs.push(mapping("running", "sqs:running-a", MappingState::Enabled));
    let mut ours = on_both("22", B, true);
    ours.push(mapping("running", "sqs:running-b", MappingState::Disabled));
    ours.push(mapping("alone", "sqs:alone-b", MappingState::Disabled));
    let account = Account { mappings: Pair { a: theirs, b: ours }, ..Default::default() }.shared();
    let queue = Queue::new("orders", Feed::FanOut, 0, 0);
    let (world, lambda) = (World::new(A), lambda(&account, Mirror, Off, &[&queue]));
    let enable = step(&lambda, "lambda.enable-mappings", B, B);

    let model = enable.model(&world.context()).await.unwrap();
    let seen = world.inspect(&*enable).await.unwrap();
    world.apply(&*enable).await.unwrap();

    let off = json!({"off": ["fan-out-22", "named-22", "paired-22", "shared-22"]});
    assert_eq!(model, Some(("lambda.ingest/b/mappings".to_owned(), off)));
    assert_eq!(seen, needed("6 of 6 off", "on (4 stay off)"));
    assert_eq!(account.lock().unwrap().switched, ["b on running", "b on alone"]);
}

#[tokio::test(start_paused = true)]
async fn a_source_is_off_on_the_partner_only_when_all_its_mappings_are() {
    let theirs = vec![
        mapping("old", "kinesis:stream/clicks", MappingState::Disabled),
        mapping("alias", "kinesis:stream/clicks", MappingState::Enabled),
    ];
    let ours = vec![mapping("mine", "kinesis:stream/clicks", MappingState::Disabled)];
    let account = Account { mappings: Pair { a: theirs, b: ours }, ..Default::default() }.shared();
    let (world, lambda) = (World::new(A), lambda(&account, Mirror, Off, &[]));

    let seen = world.inspect(&*step(&lambda, "lambda.enable-mappings", B, B)).await.unwrap();

    assert_eq!(seen, needed("1 of 1 off", "on"));
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_is_switched_off_by_itself_does_not_stay_off_for_good() {
    let mut standby = mappings(B, 3, &MappingState::Disabled);
    standby[0].state = MappingState::Enabled;
    let active = mappings(A, 3, &MappingState::Enabled);
    let account =
        Account { mappings: Pair { a: active, b: standby }, ..Default::default() }.shared();
    let (world, lambda) = (World::new(A), lambda(&account, Mirror, Off, &[]));
    world.store.close_release(crate::Outcome::Done, crate::steps::testing::START).await.unwrap();

    world.apply(&*step(&lambda, "lambda.disable-mappings", B, A)).await.unwrap();

    let enable = step(&lambda, "lambda.enable-mappings", B, B);
    assert_eq!(world.inspect(&*enable).await.unwrap(), needed("3 of 3 off", "on"));
}

#[tokio::test(start_paused = true)]
async fn a_mapping_is_off_when_nothing_of_its_queue_is_in_flight() {
    let all = vec![mapping("x", "sqs:orders-a", MappingState::Enabled)];
    let account = Account {
        mappings: Pair { a: all, b: Vec::new() },
        takes_time: true,
        ..Default::default()
    };
    let account = account.shared();
    let queue = Queue::new("orders", Feed::FanOut, 20, 12);
    let (world, lambda) = (World::new(A), lambda(&account, Mirror, Off, &[&queue]));
    let disable = step(&lambda, "lambda.disable-mappings", A, B);

    world.apply(&*disable).await.unwrap();
    assert_eq!(world.inspect(&*disable).await.unwrap(), underway("mapping `x` is `Disabling`"));
    account.lock().unwrap().settle();
    let in_flight = underway("12 messages in flight in `orders-a`");
    assert_eq!(world.inspect(&*disable).await.unwrap(), in_flight);
    queue.set(8, 0);

    assert_eq!(world.inspect(&*disable).await.unwrap(), Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn of_other_sources_and_rules_the_functions_timeout_is_waited_out() {
    let streams = Pair { a: mappings(A, 1, &MappingState::Enabled), b: Vec::new() };
    let rules = Pair { a: vec![rule("nightly-a", true)], b: Vec::new() };
    let account = Account { mappings: streams, rules, ..Default::default() }.shared();
    let (world, lambda) = (World::new(A), lambda(&account, Mirror, Mirror, &[]));

    for name in ["lambda.disable-mappings", "lambda.disable-rules"] {
        let disable = step(&lambda, name, A, B);

        assert_eq!(world.inspect(&*disable).await.unwrap(), needed("1 of 1 on", "off"));
        world.apply(&*disable).await.unwrap();
        tokio::time::advance(Duration::from_secs(20)).await;
        let all = "invocations of `ingest-a` to end: at most 30s left";
        assert_eq!(world.inspect(&*disable).await.unwrap(), underway(all), "from the look on");
        tokio::time::advance(Duration::from_secs(28)).await;
        let seen = world.inspect(&*disable).await.unwrap();
        assert!(matches!(seen, Inspection::Underway { .. }), "{seen:?}");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(world.inspect(&*disable).await.unwrap(), Inspection::Done);
        assert_eq!(disable.lasts(), Duration::from_secs(900));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_off_all_along_has_nothing_in_flight() {
    let all = vec![mapping("x", "sqs:orders-a", MappingState::Disabled)];
    let account =
        Account { mappings: Pair { a: all, b: Vec::new() }, ..Default::default() }.shared();
    let busy = Queue::new("orders", Feed::Work, 5, 5);
    let (world, lambda) = (World::new(A), lambda(&account, Mirror, Off, &[&busy]));
    let disable = step(&lambda, "lambda.disable-mappings", A, B);

    assert_eq!(world.inspect(&*disable).await.unwrap(), Inspection::Done);
    world.apply(&*disable).await.unwrap();

    assert_eq!(world.inspect(&*disable).await.unwrap(), Inspection::Done);
    assert_eq!(world.store.remembered("lambda.ingest/a/mappings"), None);
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

/// Returns what the active function is objected to for, whose newest records are so old, in milliseconds.
async fn too_old(
    age: Option<f64>,
    source: &str,
    state: MappingState,
) -> (Vec<String>, Vec<String>) {
    let a = vec![mapping("1a", source, state)];
    let point = |value| Datapoint { at: START, value, statistic: "Maximum" };
    let account = Account {
        mappings: Pair { a, b: Vec::new() },
        metrics: age.map(|it| (Metric::IteratorAge, point(it))).into_iter().collect(),
        ..Default::default()
    };
    let toolkit = toolkit(&account.shared());
    let (world, settings) = (World::new(A), GuardrailSettings::default());
    let lambda = Lambda::new(&declared(Mirror, Mirror), Arc::new(toolkit), Vec::new());
    let asked = Asked {
        guardrail: Guardrail::ActiveQuiet,
        occasion: Occasion::Promote,
        target: B,
        first: false,
        settings: &settings,
    };
    let found = lambda.objections(&world.context(), &asked).await.unwrap();
    (found, world.warnings())
}

#[tokio::test(start_paused = true)]
async fn an_active_function_that_lags_behind_its_stream_is_objected_to() {
    let (stream, on) = ("kinesis:stream/clicks", || MappingState::Enabled);

    let (lagging, _) = too_old(Some(60_000.0), stream, on()).await;
    let (odd, _) = too_old(Some(f64::NAN), stream, on()).await;
    let quick = too_old(Some(59_999.0), stream, on()).await;
    let (silent, told) = too_old(None, stream, on()).await;

    assert_eq!(
        lagging,
        [
            "function `ingest-a` reads records that are 1m old, expected less than 1m: a standby that catches up takes of \
          the same concurrency; repeat the command when the active stack has caught up"
        ]
    );
    assert_eq!(odd.len(), 1, "what is no number is below nothing");
    assert_eq!(quick, (Vec::new(), Vec::new()));
    assert_eq!(silent, Vec::<String>::new());
    assert!(told.len() == 1 && told[0].contains("is not known"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_function_without_a_stream_that_is_on_has_no_age() {
    let queue = too_old(Some(9e9), "sqs:ingest-a", MappingState::Enabled).await;
    let off = too_old(Some(9e9), "kinesis:stream/clicks", MappingState::Disabled).await;

    assert_eq!((queue, off), Default::default());
}

#[test]
fn metrics_are_allowed_where_they_are_asked_for() {
    let account = Account::default().shared();
    let asks = |kind| {
        let permissions = lambda(&account, kind, Mirror, &[]).guardrail_permissions();
        allowed(&permissions) == [("cloudwatch:GetMetricData", "*")]
    };

    assert_eq!([asks(Mirror), asks(Off)], [true, false]);
}

#[tokio::test(start_paused = true)]
async fn the_identity_is_what_runs_and_what_feeds_it_whether_on_or_off() {
    let account = |state: &MappingState, on| {
        let a = vec![mapping("1a", "sqs:ingest-a", state.clone())];
        let rules = Pair { a: vec![rule("nightly", on)], b: Vec::new() };
        Account { mappings: Pair { a, b: Vec::new() }, rules, ..Default::default() }.shared()
    };
    let world = World::new(A);
    let identity = async |state, on, alias: Option<&str>| {
        let mut declared = declared(Mirror, Mirror);
        declared.settings.config.alias = alias.map(str::to_owned);
        let toolkit = Arc::new(toolkit(&account(state, on)));
        let lambda = Lambda::new(&declared, toolkit, Vec::new());
        lambda.identity(&world.context(), A).await.unwrap()
    };

    let on = identity(&MappingState::Enabled, true, Some("live")).await;
    let off = identity(&MappingState::Disabled, false, Some("live")).await;
    let bare = identity(&MappingState::Enabled, true, None).await;

    let function = arn("lambda", "function:ingest-a");
    let feeds =
        format!("mapping 1a on {} in batches of 10, rule default/nightly", arn("sqs", "ingest-a"));
    assert_eq!(on, format!("{function} version 7, by alias live, {feeds}"));
    assert_eq!(on, off);
    assert_eq!(bare, format!("{function} version 7, code c2hh, timeout 30s, {feeds}"));
}
