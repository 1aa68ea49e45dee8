//! Mappings: switched, waited for, and what stays off.

use super::*;

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
