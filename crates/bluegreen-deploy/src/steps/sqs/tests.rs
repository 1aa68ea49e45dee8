//! Tests of the steps of queues.

use bluegreen_core::{
    Error, Pair,
    StackReference::{A, B},
};
use bluegreen_sqs::{MockSqsToolkit, QueuePurge, QueueSettings, SqsConfig};
use mockall::predicate::{always, eq};

use super::*;
use crate::steps::testing::World;

fn pair(name: &str) -> Pair<String> {
    Pair::from_fn(|stack| format!("{name}-{stack}"))
}

pub(super) fn sqs(toolkit: MockSqsToolkit, feed: Feed) -> Arc<Sqs> {
    let config = SqsConfig { queues: pair("ingest"), dead_letter_queues: Some(pair("dead")) };
    let (settle, drained_for) = (Duration::from_secs(60), Duration::from_secs(180));
    let resource = stack_file::Resource {
        name: "ingest".to_owned(),
        line: 1,
        skip: Default::default(),
        after: None,
        optional: false,
        written: Default::default(),
        settings: SqsSettings {
            config,
            feed,
            settle,
            drained_for,
            caught_up: stack_file::CaughtUp::Below(Duration::from_secs(60)),
            caught_up_for: drained_for,
        },
    };
    Arc::new(Sqs::new(&resource, Arc::new(toolkit)))
}

/// Returns the only step called `name` on `stack` of a move from a to b.
fn step(sqs: &Arc<Sqs>, name: &str, stack: StackReference) -> Arc<dyn Step> {
    let steps = Arc::clone(sqs).steps(B);
    steps.into_iter().find(|it| it.id() == StepId::new(name, "ingest", stack)).unwrap()
}

fn depth(waiting: u64, in_flight: u64, delayed: u64) -> QueueDepth {
    QueueDepth { waiting, in_flight, delayed }
}

fn purge(queue: Queue, name: &str, outcome: bluegreen_core::Result<Answer>) -> QueuePurge {
    QueuePurge { queue, name: name.to_owned(), outcome }
}

fn missing() -> Error {
    Error::NotFound { resource: "queue `ingest-b`".to_owned() }
}

fn needed(from: &str) -> Inspection {
    Inspection::Needed { from: from.to_owned(), to: "0".to_owned() }
}

fn settling(seconds: u64) -> Inspection {
    let what = "the purge to settle".to_owned();
    Inspection::Settling { what, left: Duration::from_secs(seconds) }
}

fn underway(what: &str) -> Inspection {
    Inspection::Underway { what: what.to_owned() }
}

#[test]
fn fan_out_queues_are_purged_and_work_queues_drained() {
    let ids = |feed| -> Vec<String> {
        let steps = sqs(MockSqsToolkit::new(), feed).steps(B);
        steps.iter().map(|it| it.id().to_string()).collect()
    };

    assert_eq!(ids(Feed::FanOut), ["sqs.purge ingest on b", "sqs.purge ingest on a"]);
    assert_eq!(ids(Feed::Work), ["sqs.drain ingest on a"]);
}

#[tokio::test(start_paused = true)]
async fn empty_queues_are_purged_too_and_the_purge_settles() {
    let mut toolkit = MockSqsToolkit::new();
    toolkit.expect_depth().returning(|_, _| Ok(depth(0, 0, 0)));
    toolkit.expect_purge_queues().with(eq(B), eq(Queues::Both)).times(1).returning(|_, _| {
        vec![
            purge(Queue::Main, "ingest-b", Ok(Answer::Started)),
            purge(Queue::DeadLetters, "dead-b", Ok(Answer::Started)),
        ]
    });
    let (world, step) = (World::new(A), step(&sqs(toolkit, Feed::FanOut), "sqs.purge", B));

    assert_eq!(world.inspect(&*step).await.unwrap(), needed("0 messages"));
    world.apply(&*step).await.unwrap();
    assert_eq!(world.inspect(&*step).await.unwrap(), settling(60));
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(world.inspect(&*step).await.unwrap(), settling(1));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);

    world.apply(&*step).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_counts_of_both_queues_are_what_a_purge_throws_away() {
    let mut toolkit = MockSqsToolkit::new();
    let main = |queue: &Queue| *queue == Queue::Main;
    toolkit.expect_depth().withf(move |_, it| main(it)).returning(|_, _| Ok(depth(1, 2, 3)));
    toolkit.expect_depth().withf(move |_, it| !main(it)).returning(|_, _| Ok(depth(1, 0, 0)));
    let (world, sqs) = (World::new(A), sqs(toolkit, Feed::FanOut));

    let standby = world.inspect(&*step(&sqs, "sqs.purge", B)).await.unwrap();
    let old = world.inspect(&*step(&sqs, "sqs.purge", A)).await.unwrap();

    assert_eq!(standby, needed("7 messages"));
    assert_eq!(old, needed("6 messages"), "the old dead letters are kept");
}

#[tokio::test(start_paused = true)]
async fn the_old_dead_letters_are_kept() {
    let mut toolkit = MockSqsToolkit::new();
    toolkit
        .expect_purge_queues()
        .with(eq(A), eq(Queues::Main))
        .times(1)
        .returning(|_, _| vec![purge(Queue::Main, "ingest-a", Ok(Answer::Started))]);
    let (world, step) = (World::new(A), step(&sqs(toolkit, Feed::FanOut), "sqs.purge", A));

    world.apply(&*step).await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;

    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_purge_is_waited_out_and_only_what_is_left_is_purged() {
    let mut toolkit = MockSqsToolkit::new();
    toolkit.expect_depth().returning(|_, _| Ok(depth(0, 0, 0)));
    toolkit.expect_purge_queues().with(eq(B), eq(Queues::Both)).times(1).returning(|_, _| {
        vec![
            purge(Queue::Main, "ingest-b", Ok(Answer::AlreadyUnderWay)),
            purge(Queue::DeadLetters, "dead-b", Ok(Answer::Started)),
        ]
    });
    toolkit
        .expect_purge_queues()
        .with(eq(B), eq(Queues::Main))
        .times(1)
        .returning(|_, _| vec![purge(Queue::Main, "ingest-b", Ok(Answer::Started))]);
    let (world, step) = (World::new(A), step(&sqs(toolkit, Feed::FanOut), "sqs.purge", B));

    world.apply(&*step).await.unwrap();
    tokio::time::advance(Duration::from_secs(70)).await;
    assert_eq!(world.inspect(&*step).await.unwrap(), needed("0 messages"));
    world.apply(&*step).await.unwrap();

    assert_eq!(world.inspect(&*step).await.unwrap(), settling(60));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
    assert_eq!(step.lasts(), Duration::from_secs(120));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_hides_neither_itself_nor_the_other_ones_purge() {
    let mut toolkit = MockSqsToolkit::new();
    toolkit.expect_purge_queues().with(eq(B), eq(Queues::Both)).times(1).returning(|_, _| {
        vec![
            purge(Queue::Main, "ingest-b", Err(missing())),
            purge(Queue::DeadLetters, "dead-b", Ok(Answer::Started)),
        ]
    });
    toolkit
        .expect_purge_queues()
        .with(eq(B), eq(Queues::Main))
        .times(1)
        .returning(|_, _| vec![purge(Queue::Main, "ingest-b", Ok(Answer::Started))]);
    let (world, step) = (World::new(A), step(&sqs(toolkit, Feed::FanOut), "sqs.purge", B));

    let err = world.apply(&*step).await.unwrap_err();

    assert!(err.is_absent(), "{err}");
    world.apply(&*step).await.unwrap();
    assert_eq!(world.inspect(&*step).await.unwrap(), settling(60));
}

#[tokio::test(start_paused = true)]
async fn a_missing_queue_is_found_by_the_first_look() {
    let mut toolkit = MockSqsToolkit::new();
    toolkit.expect_depth().returning(|_, _| Err(missing()));
    let (world, sqs) = (World::new(A), sqs(toolkit, Feed::FanOut));

    for stack in [A, B] {
        let err = world.inspect(&*step(&sqs, "sqs.purge", stack)).await.unwrap_err();
        assert!(err.is_absent(), "{err}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_destroys_on_its_own_stack_and_a_drain_harms_nothing() {
    let fan_out = sqs(MockSqsToolkit::new(), Feed::FanOut);
    let work = sqs(MockSqsToolkit::new(), Feed::Work);

    assert_eq!(step(&fan_out, "sqs.purge", A).effect(), Effect::Destroys(A));
    assert_eq!(step(&fan_out, "sqs.purge", B).effect(), Effect::Destroys(B));
    assert_eq!(step(&work, "sqs.drain", A).effect(), Effect::Harmless);
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_drained_when_all_three_counts_stay_0() {
    let mut toolkit = MockSqsToolkit::new();
    let mut looks = [depth(0, 0, 7), depth(0, 1, 0)].into_iter();
    toolkit
        .expect_depth()
        .with(eq(A), eq(Queue::Main))
        .returning(move |_, _| Ok(looks.next().unwrap_or_default()));
    let (world, step) = (World::new(A), step(&sqs(toolkit, Feed::Work), "sqs.drain", A));

    assert_eq!(world.inspect(&*step).await.unwrap(), underway("7 messages left"));
    world.apply(&*step).await.unwrap();
    assert_eq!(world.inspect(&*step).await.unwrap(), underway("1 message left"));
    assert_eq!(world.inspect(&*step).await.unwrap(), underway("empty for 0s of 3m"));
    tokio::time::advance(Duration::from_secs(80)).await;
    assert_eq!(world.inspect(&*step).await.unwrap(), underway("empty for 1m 20s of 3m"));
    tokio::time::advance(Duration::from_secs(80)).await;
    world.inspect(&*step).await.unwrap();
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn no_queue_is_looked_at_twice_in_a_round() {
    let mut toolkit = MockSqsToolkit::new();
    toolkit.expect_depth().times(2).returning(|_, _| Ok(depth(2, 3, 0)));
    let (world, sqs) = (World::new(A), sqs(toolkit, Feed::FanOut));
    let context = world.context();

    let messages = sqs.messages(&context, B).await.unwrap();
    let summary = sqs.summary(&context, B).await.unwrap();
    step(&sqs, "sqs.purge", B).inspect(&context).await.unwrap();

    assert_eq!(messages, Messages { total: 5, in_flight: 3 });
    assert_eq!(summary, "5 messages, 5 dead letters");
}

#[test]
fn the_permissions_name_the_queues_of_the_step() {
    let sqs = sqs(MockSqsToolkit::new(), Feed::FanOut);

    let both = step(&sqs, "sqs.purge", B).permissions();
    let main = step(&sqs, "sqs.purge", A).permissions();

    let purges = |it: &[Permission]| -> Vec<String> {
        let found = it.iter().filter(|it| it.action == "sqs:PurgeQueue");
        found.map(|it| it.resource.clone()).collect()
    };
    assert_eq!(purges(&both), ["ingest-b", "dead-b"]);
    assert_eq!(purges(&main), ["ingest-a"]);
    assert_eq!(main.len(), 3, "{main:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_empty_before_the_drains_turn_does_not_count() {
    let mut toolkit = MockSqsToolkit::new();
    toolkit.expect_depth().returning(|_, _| Ok(depth(0, 0, 0)));
    let (world, step) = (World::new(A), step(&sqs(toolkit, Feed::Work), "sqs.drain", A));

    world.inspect(&*step).await.unwrap();
    tokio::time::advance(Duration::from_secs(80)).await;
    step.begin();

    assert_eq!(world.inspect(&*step).await.unwrap(), underway("empty for 0s of 3m"));
}

#[tokio::test]
async fn a_missing_queue_of_either_kind_is_looked_for() {
    for lost in [Queue::Main, Queue::DeadLetters] {
        let mut toolkit = MockSqsToolkit::new();
        toolkit.expect_depth().with(eq(B), always()).returning(move |_, queue| {
            if queue == lost { Err(missing()) } else { Ok(depth(0, 0, 0)) }
        });
        let (world, sqs) = (World::new(A), sqs(toolkit, Feed::Work));

        let err = sqs.look_for(&world.context(), B).await.unwrap_err();

        assert!(err.is_absent(), "{err}");
    }
}

#[tokio::test]
async fn the_identity_is_how_both_queues_are_set_up() {
    let identity = async |policy: Option<&'static str>| {
        let mut toolkit = MockSqsToolkit::new();
        toolkit.expect_settings().with(eq(A), always()).returning(move |_, queue| {
            let main = queue == Queue::Main;
            Ok(QueueSettings {
                arn: if main { "arn:ingest-a".to_owned() } else { "arn:dead-a".to_owned() },
                visibility_timeout: Duration::from_secs(90),
                redrive_policy: policy.filter(|_| main).map(str::to_owned),
            })
        });
        let world = World::new(A);
        sqs(toolkit, Feed::Work).identity(&world.context(), A).await.unwrap()
    };

    let policy =
        identity(Some(r#"{ "maxReceiveCount":3, "deadLetterTargetArn":"arn:dead-a" }"#)).await;
    let reordered =
        identity(Some(r#"{"deadLetterTargetArn":"arn:dead-a","maxReceiveCount":3}"#)).await;
    let unreadable = identity(Some("{")).await;
    let none = identity(None).await;

    let dead = "arn:dead-a, visibility timeout 1m 30s, no redrive";
    let main = "arn:ingest-a, visibility timeout 1m 30s";
    let json = r#"{"deadLetterTargetArn":"arn:dead-a","maxReceiveCount":3}"#;
    assert_eq!(policy, format!("{main}, redrive {json}; {dead}"));
    assert_eq!(policy, reordered);
    assert_eq!(unreadable, format!("{main}, redrive {{; {dead}"));
    assert_eq!(none, format!("{main}, no redrive; {dead}"));
}
