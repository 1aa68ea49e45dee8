//! When alarms fail a test, and how long they are watched.

use bluegreen_cloudwatch::{AlarmKind, MockCloudWatchToolkit};
use bluegreen_core::StackReference::{A, B};

use super::*;
use crate::steps::testing::World;

const BAKE: Duration = Duration::from_secs(600);

/// Alarms as they are now.
#[derive(Clone, Default)]
struct Account(Arc<Mutex<Vec<Alarm>>>);

impl Account {
    fn with(self, name: &str, state: AlarmState) -> Self {
        self.0.lock().unwrap().push(Alarm {
            name: name.to_owned(),
            kind: AlarmKind::Metric,
            state,
            actions_enabled: false,
            scales: false,
            since: None,
            reason: None,
        });
        self
    }

    fn set(&self, name: &str, state: AlarmState) {
        let mut alarms = self.0.lock().unwrap();
        alarms.iter_mut().find(|it| it.name == name).unwrap().state = state;
    }

    fn step(&self, alarms: Alarms, except: &[&str]) -> Bake {
        let mut toolkit = MockCloudWatchToolkit::new();
        let account = self.clone();
        toolkit.expect_alarms_named().returning(move |names| {
            let alarms = account.0.lock().unwrap();
            Ok(alarms.iter().filter(|it| names.contains(&it.name)).cloned().collect())
        });
        let account = self.clone();
        toolkit.expect_alarms().returning(move |stack| {
            assert_eq!(stack, B);
            Ok(account.0.lock().unwrap().clone())
        });
        let except = except.iter().map(|&it| it.to_owned()).collect();
        let test = AlarmTest { alarms, bake: BAKE, except };
        let watched = Arc::new(Watched::new(Arc::new(toolkit), test));
        Bake::new(StepId::new("test.alarms", "calm", B), watched, Duration::from_secs(60))
    }
}

/// Two alarms, of which `latency` is in this state and `errors` is well.
fn account(latency: AlarmState) -> Account {
    Account::default().with("errors", AlarmState::Ok).with("latency", latency)
}

fn both() -> Alarms {
    Alarms::Named(vec!["errors".to_owned(), "latency".to_owned()])
}

fn left(seconds: u64) -> Inspection {
    let left = Duration::from_secs(seconds);
    Inspection::Settling { what: "the end of the bake".to_owned(), left }
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

/// Lets time pass in which somebody looks once a minute, but for the last look.
async fn watch(world: &World, step: &Bake, mut seconds: u64) {
    while seconds > 60 {
        pass(60).await;
        world.inspect(step).await.unwrap();
        seconds -= 60;
    }
    pass(seconds).await;
}

#[tokio::test(start_paused = true)]
async fn alarms_that_are_still_for_the_whole_time_pass() {
    let world = World::new(A);
    let step = account(AlarmState::Ok).step(both(), &[]);

    assert_eq!(world.inspect(&step).await.unwrap(), left(600));
    watch(&world, &step, 590).await;
    assert_eq!(world.inspect(&step).await.unwrap(), left(10));
    pass(10).await;

    assert_eq!(world.inspect(&step).await.unwrap(), Inspection::Done);
    assert_eq!(step.lasts(), BAKE);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_goes_off_fails_and_the_next_turn_watches_for_the_whole_time() {
    let (world, account) = (World::new(A), account(AlarmState::Ok));
    let step = account.step(both(), &[]);
    world.inspect(&step).await.unwrap();
    watch(&world, &step, 95).await;
    account.set("latency", AlarmState::Alarm);

    let err = world.inspect(&step).await.unwrap_err();

    assert_eq!(err.to_string(), "alarm `latency` is firing, 1m 35s after the bake began");
    account.set("latency", AlarmState::Ok);
    step.begin();
    assert_eq!(world.inspect(&step).await.unwrap(), left(600));
}

#[tokio::test(start_paused = true)]
async fn one_that_fires_in_the_beginning_fails_unless_it_may() {
    let account = account(AlarmState::Alarm);

    let strict = World::new(A).inspect(&account.step(both(), &[])).await;
    let lenient = World::new(A).inspect(&account.step(both(), &["latency"])).await;

    assert!(matches!(strict, Err(Error::Gate { .. })), "{strict:?}");
    assert_eq!(lenient.unwrap(), left(600));
}

#[tokio::test(start_paused = true)]
async fn one_that_may_fire_in_the_beginning_may_not_begin_to_later() {
    let (world, account) = (World::new(A), account(AlarmState::Alarm));
    let step = account.step(both(), &["latency"]);
    world.inspect(&step).await.unwrap();
    account.set("latency", AlarmState::Ok);
    world.inspect(&step).await.unwrap();
    account.set("latency", AlarmState::Alarm);

    let again = world.inspect(&step).await.unwrap_err();

    assert!(again.to_string().contains("`latency`"), "{again}");
    let quiet = account.clone();
    quiet.set("latency", AlarmState::Ok);
    let (world, step) = (World::new(A), quiet.step(both(), &["latency"]));
    world.inspect(&step).await.unwrap();
    quiet.set("latency", AlarmState::Alarm);
    assert!(world.inspect(&step).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_on_with_the_release_soon_does_not_begin_anew() {
    let (world, account) = (World::new(A), account(AlarmState::Alarm));
    let step = account.step(both(), &["latency"]);
    world.inspect(&step).await.unwrap();
    watch(&world, &step, 400).await;

    let resumed = account.step(both(), &["latency"]);
    resumed.begin();

    assert_eq!(world.inspect(&resumed).await.unwrap(), left(200));
}

#[tokio::test(start_paused = true)]
async fn time_in_which_nobody_looked_does_not_count_and_that_is_said() {
    let (world, account) = (World::new(A), account(AlarmState::Alarm));
    world.inspect(&account.step(both(), &["latency"])).await.unwrap();
    pass(60 * 60).await;

    let resumed = account.step(both(), &["latency"]);
    resumed.begin();
    let seen = world.inspect(&resumed).await.unwrap();

    assert_eq!(seen, left(600));
    assert_eq!(
        world.warnings(),
        ["nobody looked at the alarms of `calm` for 1h: its bake begins anew"]
    );
    watch(&world, &resumed, 600).await;
    assert_eq!(world.inspect(&resumed).await.unwrap(), Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn too_little_data_passes_with_a_warning() {
    let world = World::new(A);
    let step = account(AlarmState::InsufficientData).step(both(), &[]);
    world.inspect(&step).await.unwrap();
    watch(&world, &step, 600).await;

    assert_eq!(world.inspect(&step).await.unwrap(), Inspection::Done);

    assert_eq!(world.warnings(), ["alarm `latency` had too little data to say anything"]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_alarm_is_an_error_before_anything_starts_and_later() {
    let (world, account) = (World::new(A), Account::default().with("errors", AlarmState::Ok));
    let named = account.step(both(), &[]);
    let except = account.step(Alarms::Of("pages".to_owned()), &["latency"]);
    let none = Account::default().step(Alarms::Of("pages".to_owned()), &[]);

    for step in [named, except] {
        let err = world.inspect(&step).await.unwrap_err();
        assert_eq!(err.to_string(), "alarm `latency` does not exist");
        assert!(step.watched.look(B).await.is_err());
    }
    let err = world.inspect(&none).await.unwrap_err();
    assert!(err.is_absent() && err.to_string().contains("[cloudwatch.pages]"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn the_alarms_of_a_table_are_those_of_the_stack_to_come() {
    let (world, account) = (World::new(A), account(AlarmState::Ok));
    let step = account.step(Alarms::Of("pages".to_owned()), &[]);
    world.inspect(&step).await.unwrap();
    account.set("errors", AlarmState::Alarm);
    account.set("latency", AlarmState::Alarm);

    let err = world.inspect(&step).await.unwrap_err();

    assert!(err.to_string().starts_with("the alarms `errors`, `latency` are firing"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_does_not_begin_to_watch() {
    let (world, account) = (World::new(A), account(AlarmState::Ok));
    let step = account.step(both(), &[]);
    let world = world.planning();

    assert_eq!(world.inspect(&step).await.unwrap(), not_yet());
    assert_eq!(world.context().note::<Began>("bake/calm").unwrap().map(|it| it.at), None);
}
