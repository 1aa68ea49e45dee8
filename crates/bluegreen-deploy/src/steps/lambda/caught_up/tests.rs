//! Tests of the gate that waits until streams are read near their ends.

use std::time::Duration;

use bluegreen_core::{
    Error, Pair,
    StackReference::{A, B},
};
use bluegreen_lambda::MockLambdaToolkit;

use super::*;
use crate::{
    stack_file::ConsumerKind::{Exclusive, Mirror, Off},
    steps::{
        lambda::testing::{Account, Shared, declared, lambda, mapping, step, toolkit},
        testing::{World, allowed},
    },
};

const MINUTE: Duration = Duration::from_secs(60);

/// An account in which the function of b has one mapping on a stream.
fn account(state: MappingState) -> Shared {
    reading("kinesis:stream/clicks", state)
}

/// An account in which the function of b has one mapping.
fn reading(source: &str, state: MappingState) -> Shared {
    let b = vec![mapping("1b", source, state)];
    Account { mappings: Pair { a: Vec::new(), b }, ..Account::default() }.shared()
}

/// Returns the gate of a move to b that wants records younger than a minute for `lasting`.
fn gate(account: &Shared, lasting: Duration) -> Arc<dyn Step> {
    let mut declared = declared(Mirror, Off);
    declared.settings.caught_up_for = lasting;
    let lambda = Lambda::new(&declared, Arc::new(toolkit(account)), Vec::new());
    step(&Arc::new(lambda), "lambda.caught-up", B, B)
}

/// Sets the age of the oldest record, in milliseconds, as of the minute that begins now.
fn show(world: &World, account: &Shared, value: f64) {
    let point = Datapoint { at: world.context().now(), value, statistic: "Maximum" };
    let errors = Datapoint { value: 9e9, statistic: "Sum", ..point };
    account.lock().unwrap().metrics =
        [(Metric::IteratorAge, point), (Metric::Errors, errors)].into();
}

fn underway(what: &str) -> Inspection {
    Inspection::Underway { what: what.to_owned() }
}

async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}

#[tokio::test(start_paused = true)]
async fn records_must_be_young_in_every_look_of_a_while() {
    let (world, account) = (World::new(A), account(MappingState::Enabled));
    let gate = gate(&account, 2 * MINUTE);
    gate.begin();
    let look = async || world.inspect(&*gate).await.unwrap();

    show(&world, &account, 250_000.0);
    let old = "oldest record 4m 10s old when it was read: expected below 1m";
    assert_eq!(look().await, underway(old));
    pass(MINUTE).await;
    show(&world, &account, 59_000.0);
    let young = |so_far: &str| {
        underway(&format!("oldest record 59s old when it was read, below 1m for {so_far} of 2m"))
    };
    assert_eq!(look().await, young("0s"));
    pass(MINUTE).await;
    assert_eq!(look().await, young("1m"));
    world.apply(&*gate).await.unwrap();
    pass(MINUTE).await;
    assert_eq!(look().await, Inspection::Done);
    assert_eq!(look().await, Inspection::Done);
    assert!(world.warnings().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_records_has_caught_up_after_a_while_with_a_warning() {
    let (world, account) = (World::new(A), account(MappingState::Enabled));
    let gate = gate(&account, MINUTE);
    gate.begin();

    assert_eq!(world.inspect(&*gate).await.unwrap(), underway("no record read for 0s of 1m"));
    assert!(world.warnings().is_empty());
    pass(MINUTE).await;
    assert_eq!(world.inspect(&*gate).await.unwrap(), Inspection::Done);

    let warnings = world.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("function `ingest-b` is taken to have caught up"));
}

#[tokio::test(start_paused = true)]
async fn without_records_a_mapping_that_is_not_on_yet_proves_nothing() {
    let (world, account) = (World::new(A), account(MappingState::Enabling));
    let gate = gate(&account, Duration::ZERO);
    gate.begin();

    assert_eq!(world.inspect(&*gate).await.unwrap(), underway("mapping `1b` to be enabled"));
    account.lock().unwrap().settle();
    assert_eq!(world.inspect(&*gate).await.unwrap(), Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn an_age_of_before_the_gates_turn_counts_as_none() {
    let (world, account) = (World::new(A), account(MappingState::Enabled));
    let gate = gate(&account, MINUTE);
    show(&world, &account, 1.0);
    pass(Duration::from_secs(1)).await;
    gate.begin();

    assert_eq!(world.inspect(&*gate).await.unwrap(), underway("no record read for 0s of 1m"));
}

#[tokio::test(start_paused = true)]
async fn quiet_and_young_looks_do_not_add_up() {
    let (world, account) = (World::new(A), account(MappingState::Enabled));
    let gate = gate(&account, MINUTE);
    gate.begin();

    world.inspect(&*gate).await.unwrap();
    pass(MINUTE).await;
    show(&world, &account, 1_000.0);
    let young = world.inspect(&*gate).await.unwrap();
    account.lock().unwrap().metrics.clear();
    let quiet = world.inspect(&*gate).await.unwrap();

    let so = "oldest record 1s old when it was read, below 1m for 0s of 1m";
    assert_eq!(young, underway(so));
    assert_eq!(quiet, underway("no record read for 0s of 1m"));
}

#[tokio::test(start_paused = true)]
async fn functions_that_read_no_stream_pass_without_a_look_at_metrics() {
    let world = World::new(A);
    for account in [
        Account::default().shared(),
        reading("sqs:ingest-b", MappingState::Enabled),
        reading("kafka:cluster/x", MappingState::Enabled),
    ] {
        let gate = step(&lambda(&account, Mirror, Off, &[]), "lambda.caught-up", B, B);

        assert_eq!(world.inspect(&*gate).await.unwrap(), Inspection::Done);
        gate.begin();
        assert_eq!(world.inspect(&*gate).await.unwrap(), Inspection::Done);
        assert_eq!(account.lock().unwrap().metric_looks, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_waits_for_mappings_to_be_switched_on_and_the_gates_turn_takes_them_as_they_are() {
    let (world, account) = (World::new(A), account(MappingState::Disabled));
    let gate = gate(&account, MINUTE);

    let planned = world.inspect(&*gate).await.unwrap();
    gate.begin();
    let left_off = world.inspect(&*gate).await.unwrap();

    assert_eq!(planned, Inspection::Unknown { after: "lambda.enable-mappings".to_owned() });
    assert_eq!(left_off, Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn mappings_that_no_step_switches_on_are_not_waited_for() {
    let world = World::new(A);
    let mut declared = declared(Mirror, Off);
    declared.skip.insert("lambda.enable-mappings".to_owned());
    let toolkit = Arc::new(toolkit(&account(MappingState::Disabled)));
    let lambda = Arc::new(Lambda::new(&declared, toolkit, Vec::new()));

    let seen = world.inspect(&*step(&lambda, "lambda.caught-up", B, B)).await.unwrap();

    assert_eq!(seen, Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_missing_is_found_before_anything_is_changed() {
    let world = World::new(A);
    let mut toolkit = MockLambdaToolkit::new();
    toolkit
        .expect_list_event_source_mappings()
        .returning(|_| Ok(vec![mapping("1b", "kinesis:stream/clicks", MappingState::Disabled)]));
    toolkit.expect_latest_metrics().returning(|_, _| {
        let operation = "cloudwatch:GetMetricData";
        Err(Error::AccessDenied { operation, source: "no".into() })
    });
    let lambda = Arc::new(Lambda::new(&declared(Mirror, Off), Arc::new(toolkit), Vec::new()));

    let err = world.inspect(&*step(&lambda, "lambda.caught-up", B, B)).await.unwrap_err();

    assert!(crate::chain(&err).contains("cloudwatch:GetMetricData"), "{err}");
}

#[test]
fn only_mirror_mappings_have_the_gate() {
    let account = account(MappingState::Enabled);
    for kind in [Exclusive, Off] {
        let steps = crate::Resource::steps(lambda(&account, kind, Mirror, &[]), B);

        assert!(steps.iter().all(|it| it.id().name != "lambda.caught-up"));
    }
    let gate = gate(&account, MINUTE);
    assert_eq!((gate.effect(), gate.lasts()), (Effect::Harmless, 5 * MINUTE));
}

#[test]
fn the_permissions_are_those_of_looks_at_mappings_and_metrics() {
    let permissions = gate(&account(MappingState::Enabled), MINUTE).permissions();

    let allowed = allowed(&permissions);
    assert!(allowed.contains(&("cloudwatch:GetMetricData", "*")));
    assert!(allowed.contains(&("lambda:ListEventSourceMappings", "*")));
    assert!(allowed.contains(&("lambda:GetFunction", "function:ingest-b")));
    assert!(permissions.iter().all(Permission::looks), "{permissions:?}");
}
