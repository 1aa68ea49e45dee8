//! Tests of the hand-over.

use bluegreen_core::{
    Pair,
    StackReference::{A, B},
};
use bluegreen_lambda::MappingState::{Disabled, Enabled};

use super::*;
use crate::{
    Resource,
    stack_file::ConsumerKind::{Exclusive, Mirror, Off},
    steps::{
        lambda::testing::{Account, Queue, Shared, lambda, mapping, rule, step},
        testing::World,
    },
};

const MINUTE: Duration = Duration::from_secs(60);

/// Returns an account in which stack a is on and stack b off, each with one queue and two rules; of the
/// rules `paused-a` is off.
fn account() -> Shared {
    let account = Account {
        mappings: Pair {
            a: vec![mapping("1a", "sqs:mail-a", Enabled)],
            b: vec![mapping("1b", "sqs:mail-b", Disabled)],
        },
        rules: Pair {
            a: vec![rule("nightly-a", true), rule("paused-a", false)],
            b: vec![rule("nightly-b", false), rule("paused-b", false)],
        },
        ..Default::default()
    };
    account.shared()
}

fn hand_over(lambda: &Arc<Lambda>, to: StackReference) -> Arc<dyn Step> {
    step(lambda, "exclusive.hand-over", to, to)
}

fn needed(from: &str, to: &str) -> Inspection {
    Inspection::Needed { from: from.to_owned(), to: to.to_owned() }
}

fn underway(what: &str) -> Inspection {
    Inspection::Underway { what: what.to_owned() }
}

/// Looks and applies, a minute apart, until it is done.
async fn run(world: &World, step: &dyn Step) {
    for _ in 0..10 {
        match world.inspect(step).await.unwrap() {
            Inspection::Done => return,
            Inspection::Needed { .. } => world.apply(step).await.unwrap(),
            _ => {}
        }
        tokio::time::advance(MINUTE).await;
    }
    panic!("it is never done");
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_is_refused_does_not_keep_the_rules_from_being_handed_over() {
    let (world, account) = (World::new(A), account());
    let lambda = lambda(&account, Exclusive, Exclusive, &[]);
    let step = hand_over(&lambda, B);
    let refuse = |uuid: Option<&str>| {
        account.lock().unwrap().refused = uuid.map(str::to_owned).into_iter().collect();
    };
    let switched = || account.lock().unwrap().switched.clone();

    refuse(Some("1a"));
    let off = world.apply(&*step).await.unwrap_err();
    assert_eq!(switched(), ["a off default/nightly-a"]);
    refuse(None);
    world.apply(&*step).await.unwrap();
    world.inspect(&*step).await.unwrap();
    tokio::time::advance(MINUTE + Duration::from_secs(1)).await;
    refuse(Some("1b"));
    let on = world.apply(&*step).await.unwrap_err();

    assert_eq!(off.to_string(), "mapping `1a` does not exist");
    assert_eq!(on.to_string(), "mapping `1b` does not exist");
    assert_eq!(switched()[2..], ["b on default/nightly-b"]);
}

#[tokio::test(start_paused = true)]
async fn the_old_ones_go_on_until_drained_then_off_then_idle_then_the_new_ones_on() {
    let (world, account) = (World::new(A), account());
    let queue = Queue::new("mail", Feed::Work, 7, 3);
    let lambda = lambda(&account, Exclusive, Exclusive, &[&queue]);
    let step = hand_over(&lambda, B);
    let switched = || account.lock().unwrap().switched.clone();

    assert_eq!(world.inspect(&*step).await.unwrap(), underway("`mail-a`: 7 messages left"));
    world.apply(&*step).await.unwrap();
    assert!(switched().is_empty(), "nothing is switched before the queue is drained");
    queue.set(0, 0);
    assert_eq!(world.inspect(&*step).await.unwrap(), underway("`mail-a`: empty for 0s of 1m"));
    tokio::time::advance(MINUTE).await;
    assert_eq!(world.inspect(&*step).await.unwrap(), needed("on a", "on b"));
    world.apply(&*step).await.unwrap();
    assert_eq!(switched(), ["a off 1a", "a off default/nightly-a"]);

    queue.set(2, 2);
    let in_flight = underway("2 messages in flight in `mail-a`");
    assert_eq!(world.inspect(&*step).await.unwrap(), in_flight);
    queue.set(2, 0);
    let seen = world.inspect(&*step).await.unwrap();
    assert!(matches!(seen, Inspection::Underway { .. }), "the rule's invocations: {seen:?}");
    world.apply(&*step).await.unwrap();
    assert_eq!(switched().len(), 2, "nothing is on while something may still run");
    tokio::time::advance(MINUTE).await;
    assert_eq!(world.inspect(&*step).await.unwrap(), needed("off on both stacks", "on b"));
    world.apply(&*step).await.unwrap();

    assert_eq!(switched()[2..], ["b on 1b", "b on default/nightly-b"]);
    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
    world.apply(&*step).await.unwrap();
    assert_eq!(switched().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn without_a_work_queue_nothing_has_to_drain() {
    let (world, account) = (World::new(A), account());
    let busy = Queue::new("mail", Feed::Work, 7, 3);
    let rules_only = lambda(&account, Mirror, Exclusive, &[&busy]);

    let seen = world.inspect(&*hand_over(&rules_only, B)).await.unwrap();

    assert_eq!(seen, needed("on a", "on b"));
}

#[tokio::test(start_paused = true)]
async fn mirror_kinds_are_not_touched() {
    let (world, account) = (World::new(A), account());
    let lambda = lambda(&account, Mirror, Exclusive, &[]);

    run(&world, &*hand_over(&lambda, B)).await;

    let switched = ["a off default/nightly-a", "b on default/nightly-b"];
    assert_eq!(account.lock().unwrap().switched, switched);
}

#[tokio::test(start_paused = true)]
async fn mappings_that_take_their_time_are_waited_for_on_both_sides() {
    let (world, account) = (World::new(A), account());
    account.lock().unwrap().takes_time = true;
    let lambda = lambda(&account, Exclusive, Off, &[]);
    let step = hand_over(&lambda, B);

    world.apply(&*step).await.unwrap();
    assert_eq!(world.inspect(&*step).await.unwrap(), underway("mapping `1a` is `Disabling`"));
    account.lock().unwrap().settle();
    world.inspect(&*step).await.unwrap();
    tokio::time::advance(MINUTE).await;
    world.apply(&*step).await.unwrap();
    assert_eq!(world.inspect(&*step).await.unwrap(), underway("mapping `1b` is `Enabling`"));
    account.lock().unwrap().settle();

    assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn a_late_message_does_not_stop_a_hand_over_that_has_begun() {
    let (world, account) = (World::new(A), account());
    account.lock().unwrap().mappings.a.push(mapping("2a", "kinesis:stream/x", Enabled));
    account.lock().unwrap().busy.push("2a".to_owned());
    let queue = Queue::new("mail", Feed::Work, 0, 0);
    let lambda = lambda(&account, Exclusive, Off, &[&queue]);
    let step = hand_over(&lambda, B);
    world.inspect(&*step).await.unwrap();
    tokio::time::advance(MINUTE).await;
    world.apply(&*step).await.unwrap();
    assert_eq!(account.lock().unwrap().switched, ["a off 1a"], "the other one is busy");

    queue.set(1, 0);
    account.lock().unwrap().busy.clear();

    assert_eq!(world.inspect(&*step).await.unwrap(), needed("on a", "on b"));
    world.apply(&*step).await.unwrap();
    assert_eq!(account.lock().unwrap().switched, ["a off 1a", "a off 2a"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_off_stays_off_on_the_way_there_and_back() {
    let account = account();
    let step_to = |to| hand_over(&lambda(&account, Off, Exclusive, &[]), to);
    let (there, step) = (World::new(A), step_to(B));

    run(&there, &*step).await;
    account.lock().unwrap().rules.b[1].enabled = true;
    let back = World::new(B);
    let remembered = there.store.remembered("lambda.ingest/a/exclusive").unwrap();
    back.store.remember("lambda.ingest/a/exclusive", remembered).await.unwrap();
    run(&back, &*step_to(A)).await;

    let switched = [
        "a off default/nightly-a",
        "b on default/nightly-b",
        "b off default/nightly-b",
        "b off default/paused-b",
        "a on default/nightly-a",
    ];
    assert_eq!(account.lock().unwrap().switched, switched);
}

#[tokio::test(start_paused = true)]
async fn the_model_is_what_is_off_on_the_old_stack_before_it_is_switched_off() {
    let (world, account) = (World::new(A), account());
    let lambda = lambda(&account, Exclusive, Exclusive, &[]);
    let step = hand_over(&lambda, B);

    let model = step.model(&world.context()).await.unwrap();

    let off = json!({"mappings": [], "rules": ["default/paused-b"]});
    assert_eq!(model, Some(("lambda.ingest/b/exclusive".to_owned(), off)));
    assert_eq!(step.memory().as_deref(), Some("lambda.ingest/a/exclusive"));
}

#[tokio::test(start_paused = true)]
async fn retiring_finds_what_was_handed_over_off() {
    let (world, account) = (World::new(A), account());
    let lambda = lambda(&account, Exclusive, Exclusive, &[]);

    run(&world, &*hand_over(&lambda, B)).await;

    for name in ["lambda.disable-mappings", "lambda.disable-rules"] {
        let disable = step(&lambda, name, A, B);
        assert_eq!(world.inspect(&*disable).await.unwrap(), Inspection::Done, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_to_switch_on_the_new_stack_is_found_before_the_old_one_is_off() {
    let (world, account) = (World::new(A), account());
    account.lock().unwrap().rules.b.clear();
    let lambda = lambda(&account, Off, Exclusive, &[]);

    let err = world.inspect(&*hand_over(&lambda, B)).await.unwrap_err();

    assert_eq!(
        err.to_string(),
        "found no rule of function `ingest-b` (if it has none, say `rules = \"off\"` in [lambda.ingest])"
    );
}

#[test]
fn it_disables_the_old_stack_and_says_how_long_that_may_take() {
    let work = Queue::new("mail", Feed::Work, 0, 0);
    let lambda = lambda(&account(), Exclusive, Mirror, &[&work]);

    let step = hand_over(&lambda, B);

    assert_eq!(step.effect(), Effect::Disables(A));
    assert_eq!(crate::steps::testing::undo(&*step).as_deref(), Some("exclusive.hand-over"));
    assert_eq!(step.lasts(), 15 * MINUTE + MINUTE);
    let permissions = step.permissions();
    let actions: BTreeSet<&str> = permissions.iter().map(|it| it.action).collect();
    assert!(actions.contains("lambda:UpdateEventSourceMapping"));
    assert!(!actions.contains("events:DisableRule"), "rules are of mirror kind");
    assert_eq!(lambda.declaration().key(), "lambda.ingest");
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_by_itself_remembers_nothing_for_later() {
    let (world, account) = (World::new(B), account());
    world.store.close_release(crate::Outcome::Done, crate::steps::testing::START).await.unwrap();
    let lambda = lambda(&account, Off, Exclusive, &[]);

    run(&world, &*hand_over(&lambda, B)).await;

    assert_eq!(world.store.remembered("lambda.ingest/a/exclusive"), None);
}

#[tokio::test(start_paused = true)]
async fn on_the_way_back_messages_are_not_waited_for_but_invocations_are_and_what_is_left_is_told()
{
    let (world, account) = (World::new(B), account());
    let queue = Queue::new("mail", Feed::Work, 7, 3);
    let lambda = lambda(&account, Exclusive, Off, &[&queue]);
    world.store.going_back(world.context().now()).await.unwrap();
    let step = hand_over(&lambda, B);
    let switched = || account.lock().unwrap().switched.clone();

    assert_eq!(world.inspect(&*step).await.unwrap(), needed("on a", "on b"));
    world.apply(&*step).await.unwrap();
    let in_flight = underway("3 messages in flight in `mail-a`");
    assert_eq!(world.inspect(&*step).await.unwrap(), in_flight);
    world.apply(&*step).await.unwrap();
    assert_eq!(switched(), ["a off 1a"], "nothing is on while something may still run");
    queue.set(7, 0);
    assert_eq!(world.inspect(&*step).await.unwrap(), needed("off on both stacks", "on b"));
    assert_eq!(world.warnings(), [""; 0]);
    world.apply(&*step).await.unwrap();

    assert_eq!(switched(), ["a off 1a", "b on 1b"]);
    assert_eq!(
        world.warnings(),
        [
            "7 messages left in `mail-a`, which nobody on stack a reads any more: send them to `mail-b`, or they wait \
             for the next release to a, at most for the queue's retention"
        ]
    );
}
