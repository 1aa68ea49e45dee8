//! Whole releases that guardrails refuse, and that go on when somebody lets them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{path::Path, time::Duration};

use bluegreen_core::StackReference::{self, A, B};
use bluegreen_deploy::{
    Engine, Outcome, Phase, Pointer, Report, StepState, Store, stack_file::StackFile,
};
use bluegreen_rehearsal::{account, connect};
use bluegreen_sim::{Change, Event, Faults, Settings, SimulatedAccount, World};

/// The corner shop in its account, with stack a in production.
struct Shop {
    account: SimulatedAccount,
    engine: Engine,
    store: Store,
}

fn shop() -> Shop {
    shop_with("[release]")
}

/// Makes the shop with something else than `[release]` in its stack file.
fn shop_with(release: &str) -> Shop {
    let text = include_str!("../../../examples/corner-shop/bluegreen.toml")
        .replace("retire = \"delete\"", "retire = \"keep\"")
        .replace(
            "feed = \"fan-out\"",
            "dead-letter-queues = { a = \"ingest-a-dlq\", b = \"ingest-b-dlq\" }\nfeed = \"fan-out\"",
        )
        .replace("[release]", release);
    let file = StackFile::parse(&text, Path::new("bluegreen.toml"), &|_| None).unwrap();
    let account = account(&file, A, Settings::default());
    let engine = connect(&file, &account, &account.sdk_config()).unwrap();
    let pointer = Pointer { active: A, since: account.clock().now(), reason: "test".to_owned() };
    Shop { account, engine, store: Store::in_memory(&file.name, pointer) }
}

impl Shop {
    /// Makes the shop in which a release to b has come up to `until`.
    async fn released(until: Phase) -> Self {
        let shop = shop();
        let report = shop.deploy(B, until).await;
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        shop
    }

    async fn deploy(&self, to: StackReference, until: Phase) -> Report {
        let plan = self.engine.plan(to).unwrap();
        self.engine.deploy(&self.store, &plan, until).await.unwrap()
    }

    fn change(&self, change: Change) {
        self.account.world(|world| world.schedule(Duration::ZERO, Event::Change(change)));
    }

    async fn let_through(&self, guardrail: &str) {
        self.engine.override_guardrail(&self.store, guardrail, "we know").await.unwrap();
    }

    /// Checks that production is not moved for this reason alone, and is when somebody lets it through.
    async fn is_refused(&self, guardrail: &str, sentence: &str) {
        let refused = self.deploy(B, Phase::Promote).await;
        assert_refused(&refused, guardrail, sentence);
        assert_eq!(refused.active, A);
        assert!(self.store.release().is_some());

        self.let_through(guardrail).await;
        let report = self.deploy(B, Phase::Promote).await;

        assert_eq!((report.outcome, report.active), (Outcome::Done, B), "{report:?}");
        let warned = |it: &String| it.contains(sentence) && it.contains("let through by");
        assert!(report.warnings.iter().any(warned), "{:?}", report.warnings);
    }
}

#[track_caller]
fn assert_refused(report: &Report, guardrail: &str, sentence: &str) {
    assert_eq!(report.outcome, Outcome::Refused, "{report:?}");
    let [reason] = report.refusals.as_slice() else { panic!("{:?}", report.refusals) };
    assert!(reason.contains(&format!("`{guardrail}`: ")), "{reason}");
    assert!(reason.contains(sentence), "{reason}");
    let lets = format!("`bluegreen override {guardrail} --reason ..` lets it through");
    assert!(reason.contains(&lets), "{reason}");
}

/// Changes the account a while after the release has gone on.
async fn later(account: &SimulatedAccount, after: u64, change: impl FnOnce(&mut World)) {
    #[expect(clippy::disallowed_methods, reason = "the clock is paused")]
    tokio::time::sleep(Duration::from_secs(after)).await;
    account.world(change);
}

#[tokio::test(start_paused = true)]
async fn production_does_not_move_to_a_cluster_that_does_not_work() {
    let shop = Shop::released(Phase::Test).await;
    shop.account.world(|world| world.add_cluster("orders-b", 2, "maintenance"));

    shop.is_refused(
        "aurora.usable",
        "cluster `orders-b` is `maintenance`, expected one that works",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_must_work_in_both_looks() {
    let shop = Shop::released(Phase::Test).await;
    shop.account.world(|world| world.add_cluster("orders-b", 2, "maintenance"));

    let (report, ()) = tokio::join!(
        shop.deploy(B, Phase::Promote),
        later(&shop.account, 30, |world| world.add_cluster("orders-b", 2, "available"))
    );
    let again = shop.deploy(B, Phase::Promote).await;

    assert_refused(&report, "aurora.usable", "cluster `orders-b` is `maintenance`");
    assert_eq!(again.outcome, Outcome::Done, "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn production_does_not_move_to_a_cluster_of_another_kind() {
    let shop = Shop::released(Phase::Test).await;
    shop.account.world(|world| world.set_instance_class("orders-b", "db.r6g.2xlarge"));

    shop.is_refused("aurora.alike", "the instance class of cluster `orders-b` is db.r6g.2xlarge")
        .await;
}

#[tokio::test(start_paused = true)]
async fn production_does_not_move_when_something_on_the_target_was_switched_off() {
    let shop = Shop::released(Phase::Test).await;
    shop.change(Change::SwitchRule("default".to_owned(), "ingest-b-regularly".to_owned(), false));

    shop.is_refused("consumers.on", "`lambda.enable-rules ingest on b` has brought about is").await;
}

#[tokio::test(start_paused = true)]
async fn production_does_not_move_while_an_alarm_fires_on_the_target_alone() {
    let shop = Shop::released(Phase::Test).await;
    shop.change(Change::SetAlarmState("shop-b-errors".to_owned(), "ALARM".to_owned()));

    shop.is_refused("alarms.quiet", "alarm `shop-b-errors` fires since").await;
}

#[tokio::test(start_paused = true)]
async fn production_does_not_move_while_an_alarm_fires_on_the_active_stack() {
    let shop = Shop::released(Phase::Test).await;
    shop.change(Change::SetAlarmState("shop-a-errors".to_owned(), "ALARM".to_owned()));

    shop.is_refused("active.quiet", "alarm `shop-a-errors` fires since").await;
}

/// Puts so many records into the stream at once, of which a hundred are read every few seconds.
async fn fall_behind(shop: &Shop, records: usize) {
    shop.account.world(|world| {
        let stream = world.arn("kinesis", "stream/clicks");
        world.add_records(&stream, records);
    });
    later(&shop.account, 5 * 60, |_| {}).await;
}

#[tokio::test(start_paused = true)]
async fn production_does_not_move_while_the_active_stack_falls_behind_in_its_stream() {
    let shop = Shop::released(Phase::Test).await;
    fall_behind(&shop, 20_000).await;

    shop.is_refused("active.quiet", "function `ingest-a` reads records that are ").await;
}

#[tokio::test(start_paused = true)]
async fn production_moves_when_the_active_stack_has_caught_up_with_its_stream() {
    let shop = Shop::released(Phase::Test).await;
    fall_behind(&shop, 20_000).await;

    let refused = shop.deploy(B, Phase::Promote).await;
    later(&shop.account, 30 * 60, |_| {}).await;
    let report = shop.deploy(B, Phase::Promote).await;

    assert_refused(&refused, "active.quiet", "old, expected less than 1m");
    assert_eq!((report.outcome, report.active), (Outcome::Done, B), "{report:?}");
    assert!(report.warnings.iter().all(|it| !it.contains("active.quiet")), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_is_known_always_to_fire_is_ignored() {
    let shop = shop_with("[release]\nignore-alarms = [\"shop-b-errors\"]");
    shop.change(Change::SetAlarmState("shop-b-errors".to_owned(), "ALARM".to_owned()));

    let report = shop.deploy(B, Phase::Promote).await;

    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn production_does_not_move_while_dead_letters_come() {
    let shop = Shop::released(Phase::Test).await;
    let dead = shop.account.world(|world| world.arn("sqs", "ingest-b-dlq"));
    let come = |world: &mut World| world.add_messages(&dead, 7);
    // What was there before the first look is no growth.
    shop.account.world(come);
    later(&shop.account, 180, |_| {}).await;

    let (refused, ()) =
        tokio::join!(shop.deploy(B, Phase::Promote), later(&shop.account, 20, come));
    shop.let_through("dead-letters.steady").await;
    let (report, ()) = tokio::join!(shop.deploy(B, Phase::Promote), later(&shop.account, 20, come));

    assert_refused(&refused, "dead-letters.steady", "queue `ingest-b-dlq` got ");
    assert_eq!((report.outcome, report.active), (Outcome::Done, B), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn production_does_not_move_when_the_active_stack_was_changed_since_the_release_was_opened() {
    let shop = Shop::released(Phase::Test).await;
    shop.account.world(|world| {
        let queue = world.arn("sqs", "ingest-a");
        world.set_visibility(&queue, 999);
    });

    shop.is_refused("active.unchanged", "[sqs.ingest] of stack a was").await;
}

#[tokio::test(start_paused = true)]
async fn all_that_guardrails_object_to_is_refused_at_once() {
    let shop = Shop::released(Phase::Test).await;
    for alarm in ["shop-a-errors", "shop-b-latency"] {
        shop.change(Change::SetAlarmState(alarm.to_owned(), "ALARM".to_owned()));
    }
    shop.account.world(|world| world.set_instance_class("orders-b", "db.r6g.2xlarge"));
    fall_behind(&shop, 20_000).await;

    let report = shop.deploy(B, Phase::Promote).await;

    let names: Vec<&str> = report.refusals.iter().filter_map(|it| it.split('`').nth(1)).collect();
    let expected = ["aurora.alike", "alarms.quiet", "active.quiet", "active.quiet"];
    assert_eq!(names, expected, "{report:?}");
    assert!(report.steps.is_empty(), "nothing was begun");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_at_is_objected_to_and_what_fails_for_a_moment_is_looked_at_again() {
    let shop = Shop::released(Phase::Test).await;

    let denied = "cloudwatch:GetMetricData: deny*always".parse().unwrap();
    shop.account.set_faults(Faults::none().with(denied));
    let refused = shop.deploy(B, Phase::Promote).await;
    let throttled = "cloudwatch:GetMetricData: throttle*4".parse().unwrap();
    shop.account.set_faults(Faults::none().with(throttled));
    let report = shop.deploy(B, Phase::Promote).await;

    assert_refused(&refused, "active.quiet", "it cannot be known: ");
    let lacks = "lacks the permission `cloudwatch:GetMetricData`";
    assert!(refused.refusals[0].contains(lacks), "{refused:?}");
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn the_old_stack_is_not_switched_off_when_the_new_one_does_not_consume_any_more() {
    let shop = Shop::released(Phase::Hold).await;
    shop.change(Change::SwitchRule("default".to_owned(), "mail-b-regularly".to_owned(), false));

    let refused = shop.deploy(B, Phase::Retire).await;
    shop.let_through("consumers.on").await;
    let report = shop.deploy(B, Phase::Retire).await;

    assert_refused(&refused, "consumers.on", "`exclusive.hand-over mail on b` has brought about");
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_somebody_is_connected_to_is_not_stopped() {
    let shop = Shop::released(Phase::Hold).await;
    shop.account.world(|world| world.set_connections("orders-a", 3));

    let refused = shop.deploy(B, Phase::Retire).await;
    let status = shop.account.world(|it| it.rds.cluster("orders-a").unwrap().status().to_owned());
    shop.let_through("aurora.no-connections").await;
    let report = shop.deploy(B, Phase::Retire).await;

    let sentence = "cluster `orders-a` had 3 connections within the last five minutes";
    assert_refused(&refused, "aurora.no-connections", sentence);
    assert_eq!(status, "available");
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert!(report.warnings.iter().any(|it| it.contains(sentence)), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn connections_that_end_with_their_consumers_are_waited_out() {
    let shop = Shop::released(Phase::Hold).await;
    shop.account.world(|world| world.set_connections("orders-a", 3));

    // Switching the consumers off takes a quarter of an hour, most of it for the filter policies.
    let (report, ()) = tokio::join!(
        shop.deploy(B, Phase::Retire),
        later(&shop.account, 22 * 60, |world| world.set_connections("orders-a", 0))
    );

    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let stop = report.steps.iter().find(|it| it.step.name == "aurora.stop").unwrap();
    assert_eq!((stop.state, stop.waited), (StepState::Changed, true));
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_ignored_keep_no_cluster_from_being_stopped() {
    let shop = shop_with("[release]");
    let text = "retire = \"stop\"\nconnections = \"ignore\"";
    let file = include_str!("../../../examples/corner-shop/bluegreen.toml").replacen(
        "retire = \"stop\"",
        text,
        1,
    );
    let file = StackFile::parse(&file, Path::new("bluegreen.toml"), &|_| None).unwrap();
    let engine = connect(&file, &shop.account, &shop.account.sdk_config()).unwrap();
    let shop = Shop { engine, ..shop };
    shop.account.world(|world| world.set_connections("orders-a", 3));

    let report = shop.deploy(B, Phase::Retire).await;

    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_has_let_through_is_refused_again_in_the_next_release() {
    let shop = Shop::released(Phase::Test).await;
    shop.change(Change::SetAlarmState("shop-b-errors".to_owned(), "ALARM".to_owned()));
    shop.let_through("alarms.quiet").await;
    let there = shop.deploy(B, Phase::Retire).await;
    shop.change(Change::SetAlarmState("shop-b-errors".to_owned(), "OK".to_owned()));
    shop.change(Change::SetAlarmState("shop-a-errors".to_owned(), "ALARM".to_owned()));

    let back = shop.deploy(A, Phase::Retire).await;

    assert_eq!(there.outcome, Outcome::Done, "{there:?}");
    assert_refused(&back, "alarms.quiet", "alarm `shop-a-errors` fires");
    assert!(shop.store.release().unwrap().overrides.is_empty());
}

#[tokio::test(start_paused = true)]
async fn on_the_way_back_guardrails_only_warn() {
    let shop = Shop::released(Phase::Promote).await;
    shop.change(Change::SetAlarmState("shop-a-errors".to_owned(), "ALARM".to_owned()));

    let plan = shop.engine.plan(B).unwrap();
    let report = shop.engine.rollback(&shop.store, &plan, false).await.unwrap();

    assert_eq!((report.outcome, report.active), (Outcome::TakenBack, A), "{report:?}");
    let warned = |it: &String| it.contains("`alarms.quiet`: alarm `shop-a-errors` fires");
    assert!(report.warnings.iter().any(warned), "{report:?}");
}
