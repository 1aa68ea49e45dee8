//! Whole releases in which somebody switches off on one stack what the release is about to switch off on the other.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{path::Path, time::Duration};

use bluegreen_core::StackReference::{A, B};
use bluegreen_deploy::{
    Engine, Error, Outcome, Phase, Pointer, Report, Store, stack_file::StackFile,
};
use bluegreen_rehearsal::{account, connect};
use bluegreen_sim::{Change, Event, Faults, Settings, SimulatedAccount};

/// The corner shop in its account, with stack a in production.
struct Shop {
    account: SimulatedAccount,
    engine: Engine,
    store: Store,
}

fn shop() -> Shop {
    let text = include_str!("../../../examples/corner-shop/bluegreen.toml");
    let file = StackFile::parse(text, Path::new("bluegreen.toml"), &|_| None).unwrap();
    let account = account(&file, A, Settings::default());
    let engine = connect(&file, &account, &account.sdk_config()).unwrap();
    let pointer = Pointer { active: A, since: account.clock().now(), reason: "test".to_owned() };
    Shop { account, engine, store: Store::in_memory(&file.name, pointer) }
}

impl Shop {
    /// Makes the shop in which a release to b has come up to `until`.
    async fn released(until: Phase) -> Self {
        let shop = shop();
        let report = shop.deploy(until).await;
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        shop
    }

    async fn deploy(&self, until: Phase) -> Report {
        let plan = self.engine.plan(B).unwrap();
        self.engine.deploy(&self.store, &plan, until).await.unwrap()
    }

    async fn rollback(&self) -> Result<Report, Error> {
        self.engine.rollback(&self.store, &self.engine.plan(B).unwrap(), false).await
    }

    /// Lets a person set how many tasks a service runs, and them start or stop. Scaling would pull a count of 0 up.
    async fn set_tasks(&self, service: &str, count: u32) {
        let change = Change::SetTasks("shop".to_owned(), service.to_owned(), count);
        self.account.world(|world| {
            world.suspend_scaling(&format!("service/shop/{service}"), count == 0);
            world.schedule(Duration::ZERO, Event::Change(change));
        });
        later(180).await;
    }

    /// Lets a person switch a rule, and everybody see it.
    async fn switch_rule(&self, rule: &str, on: bool) {
        let change = Change::SwitchRule("default".to_owned(), rule.to_owned(), on);
        self.account.world(|world| world.schedule(Duration::ZERO, Event::Change(change)));
        later(180).await;
    }

    /// How many tasks run on either stack.
    fn tasks(&self) -> [u32; 2] {
        self.account.world(|world| {
            ["worker-a", "worker-b"]
                .map(|name| world.ecs.services().find(|it| it.name == name).unwrap().running)
        })
    }
}

/// Lets time pass.
async fn later(seconds: u64) {
    #[expect(clippy::disallowed_methods, reason = "the clock is paused")]
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn production_does_not_go_back_to_where_somebody_has_switched_consumers_off() {
    let shop = Shop::released(Phase::Promote).await;
    shop.set_tasks("worker-a", 0).await;
    shop.switch_rule("ingest-a-regularly", false).await;
    shop.engine.override_guardrail(&shop.store, "consumers.one-on", "we know").await.unwrap();

    let refused = shop.rollback().await.unwrap_err();
    let (active, tasks) = (shop.store.pointer().active, shop.tasks());
    let going_back = shop.store.release().unwrap().going_back;
    shop.set_tasks("worker-a", 2).await;
    shop.switch_rule("ingest-a-regularly", true).await;
    let report = shop.rollback().await.unwrap();

    let Error::Refused { mut reasons } = refused else { panic!("{refused}") };
    reasons.sort();
    assert_eq!(
        reasons,
        [
            "`consumers.one-on`: rule `default/ingest-a-regularly` of function `ingest-a` is off, and \
             `lambda.disable-rules ingest on b` would turn its counterpart off: switch it on, and repeat the command",
            "`consumers.one-on`: service `worker-a` is to run no task, and `ecs.disable worker on b` would turn its \
             counterpart off: switch it on, and repeat the command",
        ]
    );
    assert_eq!((active, tasks, going_back), (B, [0, 2], None));
    assert_eq!((report.outcome, shop.tasks()), (Outcome::TakenBack, [2, 0]), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_switched_off_on_the_way_back_keeps_its_counterpart_on_until_a_person_says_how() {
    for mended in [true, false] {
        let shop = Shop::released(Phase::Promote).await;
        let denied = "ecs:UpdateService: deny*always".parse().unwrap();
        shop.account.set_faults(Faults::none().with(denied));
        assert_eq!(shop.rollback().await.unwrap().outcome, Outcome::Stuck);
        shop.account.set_faults(Faults::none());

        shop.set_tasks("worker-a", 0).await;
        let refused = shop.rollback().await.unwrap();
        let tasks = shop.tasks();
        match mended {
            true => shop.set_tasks("worker-a", 2).await,
            false => {
                let plan = shop.engine.plan(B).unwrap();
                shop.engine.skip(&shop.store, &plan, "ecs.enable", "b works on").await.unwrap();
            }
        }
        let report = shop.rollback().await.unwrap();

        assert_eq!((refused.outcome, tasks), (Outcome::Refused, [0, 2]), "{refused:?}");
        assert_eq!(
            refused.refusals,
            [
                "refused: `consumers.one-on`: service `worker-a` is to run no task, and `ecs.disable worker on b` would turn \
                 its counterpart off: switch it on, then `bluegreen retry`; or `bluegreen skip ecs.enable/worker/b \
                 --reason ..` leaves stack b as it is"
            ]
        );
        assert_eq!(report.outcome, Outcome::TakenBack, "{report:?}");
        assert_eq!(shop.tasks(), if mended { [2, 0] } else { [0, 2] });
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_switched_off_before_production_has_moved_is_missed_on_the_way_back_too() {
    let shop = Shop::released(Phase::Prepare).await;
    shop.switch_rule("ingest-a-regularly", false).await;

    let refused = shop.rollback().await.unwrap_err();

    assert!(refused.to_string().contains("`consumers.one-on`: rule"), "{refused}");
    assert_eq!(shop.tasks(), [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_was_off_when_the_release_was_opened_is_not_missed_on_the_way_back() {
    let shop = shop();
    shop.set_tasks("worker-a", 0).await;
    assert_eq!(shop.deploy(Phase::Promote).await.outcome, Outcome::Done);

    let report = shop.rollback().await.unwrap();

    assert_eq!((report.outcome, shop.tasks()), (Outcome::TakenBack, [0, 0]), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn the_old_consumers_are_asked_for_again_right_before_each_is_switched_off() {
    let shop = Shop::released(Phase::Hold).await;

    // The filter policies settle for a quarter of an hour before any consumer is switched off.
    let (refused, ()) = tokio::join!(shop.deploy(Phase::Retire), async {
        later(600).await;
        shop.set_tasks("worker-b", 0).await;
    });
    let tasks = shop.tasks();
    shop.engine.override_guardrail(&shop.store, "consumers.one-on", "we know").await.unwrap();
    let report = shop.deploy(Phase::Retire).await;

    assert_eq!((refused.outcome, tasks), (Outcome::Refused, [2, 0]), "{refused:?}");
    let reason = "refused: `consumers.one-on`: service `worker-b` is to run no task, and `ecs.disable worker on a` would";
    assert!(refused.refusals[0].starts_with(reason), "{refused:?}");
    let lets = "`bluegreen override consumers.one-on --reason ..` lets it through";
    assert!(refused.refusals[0].ends_with(lets), "{refused:?}");
    assert_eq!((report.outcome, shop.tasks()), (Outcome::Done, [0, 0]), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_step_by_itself_only_warns() {
    let shop = shop();
    shop.set_tasks("worker-a", 0).await;
    shop.set_tasks("worker-b", 2).await;

    let report = shop.engine.step(&shop.store, "ecs.disable", B, None).await.unwrap();

    assert_eq!((report.outcome, shop.tasks()), (Outcome::Done, [0, 0]), "{report:?}");
    let warned = |it: &String| it.contains("`consumers.one-on`: service `worker-a` is to run no");
    assert!(report.warnings.iter().any(warned), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn going_back_warns_of_what_else_is_not_on() {
    let shop = Shop::released(Phase::Promote).await;
    shop.set_tasks("worker-a", 1).await;

    let report = shop.rollback().await.unwrap();

    assert_eq!(report.outcome, Outcome::TakenBack, "{report:?}");
    let warned = |it: &String| {
        it.contains("`consumers.on`: what `ecs.enable worker on a` brings about is 1 task")
    };
    assert!(report.warnings.iter().any(warned), "{report:?}");
}
