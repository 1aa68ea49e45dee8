//! Tests of the gate that waits for the consumers of a queue.

use std::{
    sync::Mutex,
    time::{Duration, SystemTime},
};

use bluegreen_core::{
    Error, Pair,
    StackReference::{A, B},
};
use bluegreen_sqs::{Datapoint, MockSqsToolkit, QueueDepth, SqsConfig};

use super::*;
use crate::{
    Consumer, Declaration,
    stack_file::{CaughtUp as Limit, Feed, SqsSettings},
    steps::testing::{World, allowed, declaration},
};

const MINUTE: Duration = Duration::from_secs(60);

/// A function with one mapping on the queue.
#[derive(Debug)]
struct Reader {
    declaration: Declaration,
    consumer: Mutex<Option<Consumer>>,
    looks: Mutex<usize>,
}

/// The step that switches the mapping on.
#[derive(Debug)]
struct Enable;

#[async_trait]
impl Step for Enable {
    fn id(&self) -> StepId {
        StepId::new("lambda.enable-mappings", "ingest", B)
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

impl Reader {
    fn new(on: bool) -> Arc<Self> {
        let consumer = Consumer {
            what: "mapping `1b` of function `ingest-b`".to_owned(),
            source: Source::Queue("arn:aws:sqs:eu-west-1:123456789012:ingest-b".to_owned()),
            on,
            kind: ConsumerKind::Mirror,
            turned_off_by: "lambda.disable-mappings",
        };
        Arc::new(Self {
            declaration: declaration("lambda", "ingest"),
            consumer: Mutex::new(Some(consumer)),
            looks: Mutex::default(),
        })
    }

    fn change(&self, change: impl FnOnce(&mut Consumer)) {
        change(self.consumer.lock().unwrap().as_mut().unwrap());
    }
}

#[async_trait]
impl Resource for Reader {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, _to: StackReference) -> Vec<Arc<dyn Step>> {
        vec![Arc::new(Enable)]
    }

    async fn consumers(&self, _: &Context<'_>, stack: StackReference) -> Result<Vec<Consumer>> {
        assert_eq!(stack, B);
        *self.looks.lock().unwrap() += 1;
        let missing = || Error::NotFound { resource: "function `ingest-b`".to_owned() };
        Ok(vec![self.consumer.lock().unwrap().clone().ok_or_else(missing)?])
    }

    fn look_permissions(&self, _: StackReference) -> Vec<Permission> {
        Permission::on("function:ingest-b", &["lambda:GetFunction"])
    }

    async fn summary(&self, _: &Context<'_>, _: StackReference) -> Result<String> {
        Ok(String::new())
    }

    async fn identity(&self, _: &Context<'_>, _: StackReference) -> Result<String> {
        Ok(String::new())
    }
}

/// What SQS and CloudWatch say about the queue of b.
#[derive(Clone, Debug, Default)]
struct Account(Arc<Mutex<(Option<Datapoint>, u64)>>);

impl Account {
    fn age(&self, at: SystemTime, value: f64) {
        self.0.lock().unwrap().0 = Some(Datapoint { at, value });
    }

    fn messages(&self, messages: u64) {
        self.0.lock().unwrap().1 = messages;
    }

    fn toolkit(&self) -> MockSqsToolkit {
        let mut toolkit = MockSqsToolkit::new();
        let shared = self.clone();
        toolkit
            .expect_oldest_message_age()
            .withf(|stack, queue, _| (*stack, *queue) == (B, Queue::Main))
            .returning(move |_, _, _| Ok(shared.0.lock().unwrap().0));
        let shared = self.clone();
        toolkit.expect_depth().returning(move |_, _| {
            let waiting = shared.0.lock().unwrap().1;
            Ok(QueueDepth { waiting, ..QueueDepth::default() })
        });
        toolkit
    }
}

fn sqs(toolkit: MockSqsToolkit, caught_up: Limit, caught_up_for: Duration) -> Arc<Sqs> {
    let config = SqsConfig {
        queues: Pair::from_fn(|stack| format!("ingest-{stack}")),
        dead_letter_queues: None,
    };
    let resource = stack_file::Resource {
        name: "ingest".to_owned(),
        line: 1,
        skip: Default::default(),
        after: None,
        optional: false,
        written: Default::default(),
        settings: SqsSettings {
            config,
            feed: Feed::FanOut,
            settle: MINUTE,
            drained_for: MINUTE,
            caught_up,
            caught_up_for,
        },
    };
    Arc::new(Sqs::new(&resource, Arc::new(toolkit)))
}

/// Returns the gate of a queue whose oldest message must be younger than a minute, for as long as given.
fn gate(account: &Account, reader: &Arc<Reader>, lasting: Duration) -> Arc<dyn Step> {
    gate_of(sqs(account.toolkit(), Limit::Below(MINUTE), lasting), reader)
}

/// Returns the only gate of a move to b.
fn gate_of(sqs: Arc<Sqs>, reader: &Arc<Reader>) -> Arc<dyn Step> {
    let resources: [Arc<dyn Resource>; 2] =
        [Arc::clone(&sqs) as Arc<dyn Resource>, Arc::<Reader>::clone(reader)];
    let mut gates = sqs.gates(B, &resources);
    assert_eq!(gates.len(), 1);
    gates.remove(0)
}

fn underway(what: &str) -> Inspection {
    Inspection::Underway { what: what.to_owned() }
}

async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}

#[tokio::test(start_paused = true)]
async fn the_oldest_message_must_be_young_in_every_look_of_a_while() {
    let (world, account, reader) = (World::new(A), Account::default(), Reader::new(true));
    let gate = gate(&account, &reader, 2 * MINUTE);
    account.messages(5);
    gate.begin();
    let look = async || world.inspect(&*gate).await.unwrap();
    let none = "5 messages left, and CloudWatch has no age of the oldest since it is consumed";

    assert_eq!(look().await, underway(none));
    pass(MINUTE).await;
    account.age(world.context().now(), 250.0);
    assert_eq!(look().await, underway("oldest message 4m 10s old: expected below 1m"));
    pass(MINUTE).await;
    account.age(world.context().now(), 59.0);
    assert_eq!(look().await, underway("oldest message 59s old, below 1m for 0s of 2m"));
    pass(MINUTE).await;
    assert_eq!(look().await, underway("oldest message 59s old, below 1m for 1m of 2m"));
    world.apply(&*gate).await.unwrap();
    pass(MINUTE).await;
    assert_eq!(look().await, Inspection::Done);
    assert_eq!(look().await, Inspection::Done);

    account.age(world.context().now(), 60.0);
    assert_eq!(look().await, underway("oldest message 1m old: expected below 1m"));
}

#[tokio::test(start_paused = true)]
async fn a_figure_of_before_the_gates_turn_proves_nothing() {
    let (world, account, reader) = (World::new(A), Account::default(), Reader::new(true));
    let gate = gate(&account, &reader, Duration::ZERO);
    account.messages(1);
    account.age(world.context().now(), 3.0);
    pass(Duration::from_secs(1)).await;
    gate.begin();

    let early = world.inspect(&*gate).await.unwrap();
    account.age(world.context().now(), 3.0);
    let late = world.inspect(&*gate).await.unwrap();

    let none = "1 message left, and CloudWatch has no age of the oldest since it is consumed";
    assert_eq!(early, underway(none));
    assert_eq!(late, Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn an_empty_queue_without_a_figure_has_caught_up() {
    let (world, account, reader) = (World::new(A), Account::default(), Reader::new(true));
    let (at_once, later) =
        (gate(&account, &reader, Duration::ZERO), gate(&account, &reader, MINUTE));
    at_once.begin();
    later.begin();

    assert_eq!(world.inspect(&*at_once).await.unwrap(), Inspection::Done);
    assert_eq!(world.inspect(&*later).await.unwrap(), underway("empty for 0s of 1m"));
    pass(MINUTE).await;
    assert_eq!(world.inspect(&*later).await.unwrap(), Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn a_figure_that_is_no_number_is_not_young() {
    let (world, account, reader) = (World::new(A), Account::default(), Reader::new(true));
    let gate = gate(&account, &reader, Duration::ZERO);
    gate.begin();
    account.age(world.context().now(), f64::NAN);

    let seen = world.inspect(&*gate).await.unwrap();

    assert_eq!(seen, underway("oldest message NaNs old: expected below 1m"));
}

#[tokio::test(start_paused = true)]
async fn a_drained_queue_is_empty_for_a_while_and_no_age_is_asked_for() {
    let (world, account, reader) = (World::new(A), Account::default(), Reader::new(true));
    let mut toolkit = account.toolkit();
    toolkit.checkpoint();
    let shared = account.clone();
    toolkit.expect_depth().returning(move |_, _| {
        Ok(QueueDepth { in_flight: shared.0.lock().unwrap().1, ..QueueDepth::default() })
    });
    let gate = gate_of(sqs(toolkit, Limit::Drained, MINUTE), &reader);
    gate.begin();
    account.messages(2);

    assert_eq!(world.inspect(&*gate).await.unwrap(), underway("2 messages left"));
    account.messages(0);
    assert_eq!(world.inspect(&*gate).await.unwrap(), underway("empty for 0s of 1m"));
    pass(MINUTE).await;
    assert_eq!(world.inspect(&*gate).await.unwrap(), Inspection::Done);
    assert_eq!(gate.lasts(), MINUTE);
}

#[tokio::test(start_paused = true)]
async fn queues_that_nobody_is_to_empty_yet_pass() {
    let changes: [fn(&mut Consumer); 4] = [
        |it| it.kind = ConsumerKind::Exclusive,
        |it| it.kind = ConsumerKind::Off,
        |it| it.source = Source::Queue("arn:aws:sqs:eu-west-1:123456789012:other-b".to_owned()),
        |it| it.source = Source::Other("arn:aws:sqs:eu-west-1:123456789012:ingest-b".to_owned()),
    ];
    for change in changes {
        let (world, account, reader) = (World::new(A), Account::default(), Reader::new(true));
        account.messages(7);
        reader.change(change);
        let gate = gate(&account, &reader, MINUTE);

        assert_eq!(world.inspect(&*gate).await.unwrap(), Inspection::Done);
        gate.begin();
        assert_eq!(world.inspect(&*gate).await.unwrap(), Inspection::Done);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_waits_for_consumers_to_be_switched_on_and_the_gates_turn_takes_them_as_they_are() {
    let (world, account, reader) = (World::new(A), Account::default(), Reader::new(false));
    account.messages(7);
    let gate = gate(&account, &reader, MINUTE);

    let planned = world.inspect(&*gate).await.unwrap();
    gate.begin();
    let left_off = world.inspect(&*gate).await.unwrap();

    assert_eq!(planned, Inspection::Unknown { after: "lambda.enable-mappings".to_owned() });
    assert_eq!(left_off, Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn consumers_that_no_step_switches_on_are_not_waited_for() {
    let (world, account) = (World::new(A), Account::default());
    let reader = Reader::new(false);
    let mut reader = Arc::try_unwrap(reader).unwrap();
    reader.declaration.skip.insert("lambda.enable-mappings".to_owned());
    let gate = gate(&account, &Arc::new(reader), MINUTE);

    assert_eq!(world.inspect(&*gate).await.unwrap(), Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_missing_is_found_before_anything_is_changed() {
    let (world, reader) = (World::new(A), Reader::new(false));
    let mut toolkit = MockSqsToolkit::new();
    toolkit.expect_oldest_message_age().returning(|_, _, _| {
        let operation = "cloudwatch:GetMetricData";
        Err(Error::AccessDenied { operation, source: "no".into() })
    });
    let gate = gate_of(sqs(toolkit, Limit::Below(MINUTE), MINUTE), &reader);

    let err = world.inspect(&*gate).await.unwrap_err();

    assert!(crate::chain(&err).contains("cloudwatch:GetMetricData"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_function_is_for_its_own_steps_to_report_until_the_gates_turn() {
    let (world, account, reader) = (World::new(A), Account::default(), Reader::new(true));
    *reader.consumer.lock().unwrap() = None;
    let gate = gate(&account, &reader, MINUTE);

    let planned = world.inspect(&*gate).await.unwrap();
    gate.begin();
    let err = world.inspect(&*gate).await.unwrap_err();

    assert_eq!(planned, Inspection::Done);
    assert!(err.is_absent(), "{err}");
}

#[tokio::test(start_paused = true)]
async fn consumers_are_looked_for_once_a_turn() {
    let (world, account, reader) = (World::new(A), Account::default(), Reader::new(true));
    let gate = gate(&account, &reader, MINUTE);
    let look = async || world.inspect(&*gate).await.unwrap();
    let looks = || *reader.looks.lock().unwrap();

    look().await;
    gate.begin();
    look().await;
    look().await;
    assert_eq!(looks(), 2, "one for the plan");
    gate.begin();
    look().await;
    assert_eq!(looks(), 3);
}

#[test]
fn a_gate_is_left_out_where_it_is_off_and_where_no_step_switches_a_reader_on() {
    let reader: [Arc<dyn Resource>; 1] = [Reader::new(true)];
    let queue = |caught_up| sqs(MockSqsToolkit::new(), caught_up, MINUTE);

    assert!(queue(Limit::Off).gates(B, &reader).is_empty());
    assert!(queue(Limit::Drained).gates(B, &[]).is_empty());
    assert_eq!(queue(Limit::Drained).gates(B, &reader).len(), 1);
}

#[test]
fn a_gate_harms_nothing_and_has_time_for_the_first_figure() {
    let gate = gate(&Account::default(), &Reader::new(true), MINUTE);

    assert_eq!(gate.id(), StepId::new("sqs.caught-up", "ingest", B));
    assert_eq!(gate.effect(), Effect::Harmless);
    assert_eq!(gate.lasts(), 5 * MINUTE);
}

#[test]
fn the_permissions_are_those_of_its_own_looks_and_of_those_for_consumers() {
    let (account, reader) = (Account::default(), Reader::new(true));
    let by_age = gate(&account, &reader, MINUTE).permissions();
    let drained = gate_of(sqs(account.toolkit(), Limit::Drained, MINUTE), &reader).permissions();

    let metrics = ("cloudwatch:GetMetricData", "*");
    assert!(allowed(&by_age).contains(&metrics));
    assert!(!allowed(&drained).contains(&metrics));
    for found in [&by_age, &drained] {
        assert!(allowed(found).contains(&("sqs:GetQueueAttributes", "ingest-b")), "{found:?}");
        assert!(allowed(found).contains(&("lambda:GetFunction", "function:ingest-b")));
    }
}
