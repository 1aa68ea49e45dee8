//! What speaks against a change, and what must stay as the plan has seen it.

use super::*;

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
