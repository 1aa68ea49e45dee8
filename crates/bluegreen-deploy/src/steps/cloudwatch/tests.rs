//! Tests of the steps of alarms.

use std::{sync::Mutex, time::Duration};

use bluegreen_cloudwatch::{AlarmKind, MockCloudWatchToolkit, OneOrPair};
use bluegreen_core::{
    StackReference::{A, B},
    Switched,
};

use super::*;
use crate::steps::testing::{World, allowed};

type Account = Arc<Mutex<Vec<Alarm>>>;

fn alarm(name: &str, actions_enabled: bool) -> Alarm {
    Alarm {
        name: name.to_owned(),
        kind: AlarmKind::Metric,
        state: AlarmState::Ok,
        since: None,
        reason: None,
        actions_enabled,
        scales: false,
    }
}

/// Returns as many alarms of `stack` as asked for: `shop-a-000`, `shop-a-001`, ..
fn alarms(stack: StackReference, count: usize, actions_enabled: bool) -> Vec<Alarm> {
    (0..count).map(|it| alarm(&format!("shop-{stack}-{it:03}"), actions_enabled)).collect()
}

fn account(alarms: &[Vec<Alarm>]) -> Account {
    Arc::new(Mutex::new(alarms.concat()))
}

fn off(account: &Account) -> Vec<String> {
    let account = account.lock().unwrap();
    account.iter().filter(|it| !it.actions_enabled).map(|it| it.name.clone()).collect()
}

/// Switches alarms in the account and returns the answer.
fn switch(account: &Account, selection: Selection<Alarm>, on: bool) -> Switched {
    let Selection::Only(alarms) = selection else { panic!("everything was to be listed again") };
    assert!(alarms.len() <= 100);
    let changed: Vec<String> = alarms.into_iter().map(|it| it.name).collect();
    for alarm in account.lock().unwrap().iter_mut().filter(|it| changed.contains(&it.name)) {
        alarm.actions_enabled = on;
    }
    Switched { changed, ..Default::default() }
}

/// Returns a toolkit on the account that takes so many calls that change something.
fn toolkit(account: &Account, calls: usize) -> MockCloudWatchToolkit {
    let mut toolkit = MockCloudWatchToolkit::new();
    let listed = Arc::clone(account);
    toolkit.expect_alarms().returning(move |stack| {
        let prefix = format!("shop-{stack}-");
        let account = listed.lock().unwrap();
        Ok(account.iter().filter(|it| it.name.starts_with(&prefix)).cloned().collect())
    });
    let (enabled, disabled) = (Arc::clone(account), Arc::clone(account));
    toolkit
        .expect_enable_alarms_actions()
        .times(..=calls)
        .returning(move |_, it| Ok(switch(&enabled, it, true)));
    toolkit
        .expect_disable_alarms_actions()
        .times(..=calls)
        .returning(move |_, it| Ok(switch(&disabled, it, false)));
    toolkit
}

fn cloudwatch(toolkit: MockCloudWatchToolkit, optional: bool) -> Arc<CloudWatch> {
    let prefixes = OneOrPair::Pair(Pair::from_fn(|stack| format!("shop-{stack}-")));
    let resource = stack_file::Resource {
        name: "pages".to_owned(),
        line: 1,
        skip: Default::default(),
        after: None,
        optional,
        written: Default::default(),
        settings: CloudWatchConfig { prefixes, suffixes: None },
    };
    Arc::new(CloudWatch::new(&resource, Arc::new(toolkit)))
}

/// Returns the steps that enable on `to` and disable on its partner.
fn steps(alarms: &Arc<CloudWatch>, to: StackReference) -> (Arc<dyn Step>, Arc<dyn Step>) {
    let mut steps = Arc::clone(alarms).steps(to).into_iter();
    (steps.next().unwrap(), steps.next().unwrap())
}

fn needed(from: &str, to: &str) -> Inspection {
    Inspection::Needed { from: from.to_owned(), to: to.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_had_off_stays_off_when_the_stack_is_switched_on_again() {
    let account = account(&[alarms(A, 3, true), vec![alarm("shop-a-quiet", false)]]);
    let (world, alarms) = (World::new(A), cloudwatch(toolkit(&account, 1), false));
    let ((_, disable), (enable, _)) = (steps(&alarms, B), steps(&alarms, A));

    assert_eq!(world.inspect(&*disable).await.unwrap(), needed("3 of 4 on", "off"));
    world.apply(&*disable).await.unwrap();
    assert_eq!(world.inspect(&*disable).await.unwrap(), Inspection::Done);
    assert_eq!(world.inspect(&*enable).await.unwrap(), needed("4 of 4 off", "on (1 stays off)"));
    world.apply(&*enable).await.unwrap();

    assert_eq!(world.inspect(&*enable).await.unwrap(), Inspection::Done);
    assert_eq!(off(&account), ["shop-a-quiet"]);
    world.apply(&*enable).await.unwrap();
    assert_eq!(off(&account), ["shop-a-quiet"]);
}

#[tokio::test(start_paused = true)]
async fn a_half_done_switching_off_does_not_change_what_is_remembered() {
    let account = account(&[alarms(A, 2, true), vec![alarm("shop-a-quiet", false)]]);
    let (world, alarms) = (World::new(A), cloudwatch(toolkit(&account, 9), false));
    let (_, disable) = steps(&alarms, B);

    world.apply(&*disable).await.unwrap();
    account.lock().unwrap()[0].actions_enabled = true;
    world.apply(&*disable).await.unwrap();

    let remembered: LeftOff = world.context().remembered("cloudwatch.pages/a").unwrap().unwrap();
    assert_eq!(remembered.off, ["shop-a-quiet".to_owned()].into());
}

#[tokio::test(start_paused = true)]
async fn what_is_off_on_the_partner_is_the_model() {
    let partner = vec![alarm("shop-a-000", true), alarm("shop-a-001", false)];
    let mine = [alarms(B, 2, false), vec![alarm("shop-b-alone", false)]].concat();
    let account = account(&[partner, mine]);
    let (world, alarms) = (World::new(A), cloudwatch(toolkit(&account, 1), false));
    let (enable, _) = steps(&alarms, B);

    let model = enable.model(&world.context()).await.unwrap();
    assert_eq!(world.inspect(&*enable).await.unwrap(), needed("3 of 3 off", "on (1 stays off)"));
    world.apply(&*enable).await.unwrap();

    assert_eq!(model, Some(("cloudwatch.pages/b".to_owned(), json!({"off": ["shop-b-001"]}))));
    assert_eq!(off(&account), ["shop-a-001", "shop-b-001"]);
}

#[tokio::test(start_paused = true)]
async fn the_stored_model_counts_when_the_partner_is_switched_off_by_now() {
    let account = account(&[alarms(A, 2, true), alarms(B, 2, false)]);
    let (world, alarms) = (World::new(A), cloudwatch(toolkit(&account, 9), false));
    let (enable, disable) = steps(&alarms, B);
    let (key, model) = enable.model(&world.context()).await.unwrap().unwrap();
    world.store.remember_model(&key, model).await.unwrap();

    world.apply(&*disable).await.unwrap();
    world.apply(&*enable).await.unwrap();

    assert_eq!(off(&account), ["shop-a-000", "shop-a-001"]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_alarms_are_ten_calls_at_two_a_second() {
    let account = account(&[alarms(A, 1_000, true)]);
    let (world, alarms) = (World::new(A), cloudwatch(toolkit(&account, 10), false));
    let (_, disable) = steps(&alarms, B);
    let began = tokio::time::Instant::now();

    world.apply(&*disable).await.unwrap();

    assert_eq!(off(&account).len(), 1_000);
    assert_eq!(began.elapsed(), Duration::from_millis(4_500));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_does_not_keep_the_other_alarms_from_being_switched() {
    for on in [true, false] {
        let account = account(&[alarms(A, 250, !on), alarms(B, 250, !on)]);
        let mut toolkit = MockCloudWatchToolkit::new();
        let listed = Arc::clone(&account);
        toolkit.expect_alarms().returning(move |stack| {
            let account = listed.lock().unwrap();
            let prefix = format!("shop-{stack}-");
            // What is off on the partner would stay off.
            let mut found: Vec<Alarm> =
                account.iter().filter(|it| it.name.starts_with(&prefix)).cloned().collect();
            if on && stack == A {
                found.clear();
            }
            Ok(found)
        });
        let switched = Arc::clone(&account);
        let take = move |_, selection: Selection<Alarm>| {
            let Selection::Only(alarms) = &selection else { panic!("everything again") };
            match alarms[0].name.rsplit('-').next().unwrap() {
                "200" => Ok(switch(&switched, selection, on)),
                first => Err(Error::NothingFound { what: first.to_owned() }),
            }
        };
        if on {
            toolkit.expect_enable_alarms_actions().times(3).returning(take);
        } else {
            toolkit.expect_disable_alarms_actions().times(3).returning(take);
        }
        let (enable, disable) = steps(&cloudwatch(toolkit, false), B);
        let step = if on { enable } else { disable };

        let err = World::new(A).apply(&*step).await.unwrap_err();

        assert_eq!(err.to_string(), "found no 000", "the first error");
        let off = off(&account).len();
        assert_eq!(off, if on { 450 } else { 50 });
    }
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_scales_is_left_alone_with_a_warning() {
    let scaling = Alarm { scales: true, ..alarm("shop-a-scaling", true) };
    let account = account(&[alarms(A, 1, true), vec![scaling]]);
    let (world, alarms) = (World::new(A), cloudwatch(toolkit(&account, 1), false));
    let (_, disable) = steps(&alarms, B);

    assert_eq!(world.inspect(&*disable).await.unwrap(), needed("1 of 1 on", "off"));
    world.apply(&*disable).await.unwrap();

    assert_eq!(world.inspect(&*disable).await.unwrap(), Inspection::Done);
    assert_eq!(off(&account), ["shop-a-000"]);
    assert_eq!(world.warnings(), ["alarm `shop-a-scaling` scales something: it is left alone"]);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_fires_when_it_is_enabled_is_reported() {
    let firing = Alarm { state: AlarmState::Alarm, ..alarm("shop-b-cpu", false) };
    let account = account(&[alarms(A, 1, true), alarms(B, 1, false), vec![firing]]);
    let (world, alarms) = (World::new(A), cloudwatch(toolkit(&account, 1), false));
    let (enable, _) = steps(&alarms, B);

    assert_eq!(world.inspect(&*enable).await.unwrap(), needed("2 of 2 off", "on"));
    assert!(world.warnings().is_empty(), "nothing is enabled yet");
    world.apply(&*enable).await.unwrap();

    assert_eq!(world.warnings(), ["alarm `shop-b-cpu` is firing: enabling it pages nobody"]);
}

#[tokio::test(start_paused = true)]
async fn finding_no_alarm_is_an_error_unless_it_is_optional() {
    let nothing = account(&[]);
    let required = cloudwatch(toolkit(&nothing, 0), false);
    let optional = cloudwatch(toolkit(&nothing, 0), true);
    let world = World::new(A);

    for step in [steps(&required, B).0, steps(&required, B).1] {
        let err = world.inspect(&*step).await.unwrap_err();
        assert_eq!(err.to_string(), format!("found no alarm `shop-{}-*`", step.id().stack));
    }
    for step in [steps(&optional, B).0, steps(&optional, B).1] {
        assert_eq!(world.inspect(&*step).await.unwrap(), Inspection::Done);
        world.apply(&*step).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_alarms_of_a_stack_are_listed_once_in_a_round() {
    let mut toolkit = MockCloudWatchToolkit::new();
    toolkit.expect_alarms().times(2).returning(|stack| Ok(alarms(stack, 2, stack == A)));
    let (world, alarms) = (World::new(A), cloudwatch(toolkit, false));
    let (enable, disable) = steps(&alarms, B);
    let context = world.context();

    for step in [&enable, &disable] {
        step.inspect(&context).await.unwrap();
        step.model(&context).await.unwrap();
    }

    assert_eq!(alarms.summary(&context, A).await.unwrap(), "2 of 2 on");
    assert_eq!(alarms.summary(&context, B).await.unwrap(), "0 of 2 on");
}

#[test]
fn effects_undos_and_permissions_fit_the_steps() {
    let (enable, disable) = steps(&cloudwatch(MockCloudWatchToolkit::new(), false), B);

    assert_eq!((enable.effect(), disable.effect()), (Effect::Harmless, Effect::Disables(A)));
    assert_eq!(crate::steps::testing::undo(&*enable).as_deref(), Some("cloudwatch.disable-alarms"));
    assert_eq!(crate::steps::testing::undo(&*disable).as_deref(), Some("cloudwatch.enable-alarms"));
    assert_eq!(
        allowed(&disable.permissions()),
        [("cloudwatch:DescribeAlarms", "*"), ("cloudwatch:DisableAlarmActions", "alarm:shop-a-*"),]
    );
}

#[tokio::test(start_paused = true)]
async fn a_standby_is_no_model_of_what_stays_off() {
    let account = account(&[alarms(A, 2, false), alarms(B, 2, false)]);
    let (world, alarms) = (World::new(A), cloudwatch(toolkit(&account, 1), false));
    let (enable, _) = steps(&alarms, A);

    assert_eq!(world.inspect(&*enable).await.unwrap(), needed("2 of 2 off", "on"));
}

#[tokio::test]
async fn the_identity_is_the_names_of_the_alarms_whether_on_or_off() {
    let identity = async |listed: Vec<Alarm>, optional| {
        let mut toolkit = MockCloudWatchToolkit::new();
        toolkit.expect_alarms().returning(move |_| Ok(listed.clone()));
        let world = World::new(A);
        cloudwatch(toolkit, optional).identity(&world.context(), A).await
    };

    let on = identity(alarms(A, 2, true), false).await.unwrap();
    let off = identity(alarms(A, 2, false), false).await.unwrap();

    assert_eq!((on.as_str(), off.as_str()), ("shop-a-000, shop-a-001", "shop-a-000, shop-a-001"));
    assert_eq!(identity(Vec::new(), true).await.unwrap(), "no alarm");
    assert!(identity(Vec::new(), false).await.is_err());
}
