//! Tests of the steps of subscriptions.

use std::sync::Mutex;

use bluegreen_core::{
    Change,
    StackReference::{A, B},
};
use bluegreen_sns::{FilterScope, MockSnsToolkit, SnsConfig};
use serde_json::json;

use super::*;
use crate::steps::testing::{World, allowed};

/// The subscriptions of an account: `None` is off, an inner `None` is without a policy.
type Account = Arc<Mutex<Pair<Option<Option<&'static str>>>>>;

const BLOCKED: &str = r#"{"__bluegreen_blocked__":["never"]}"#;

fn account(a: Option<Option<&'static str>>, b: Option<Option<&'static str>>) -> Account {
    Arc::new(Mutex::new(Pair { a, b }))
}

fn set(account: &Account, stack: StackReference, to: Option<Option<&'static str>>) {
    let mut account = account.lock().unwrap();
    match stack {
        A => account.a = to,
        B => account.b = to,
    }
}

/// Returns a toolkit on the account; `calls` are those that change something.
fn toolkit(account: &Account, looks: usize, calls: usize) -> MockSnsToolkit {
    toolkit_with(&SnsConfig::default(), account, looks, calls)
}

fn toolkit_with(
    config: &SnsConfig,
    account: &Account,
    looks: usize,
    calls: usize,
) -> MockSnsToolkit {
    let keeps_own = config.enabled_filter.is_none();
    let mut toolkit = MockSnsToolkit::new();
    let looked = Arc::clone(account);
    toolkit.expect_subscription().times(..=looks).returning(move |stack| {
        let now = *looked.lock().unwrap().of(stack);
        Ok(Subscription {
            arn: format!("arn:aws:sns:eu-west-1:123456789012:catalogue:{stack}"),
            endpoint: Some(format!("arn:aws:sqs:eu-west-1:123456789012:ingest-{stack}")),
            filter: now.unwrap_or(Some(BLOCKED)).map(|it| FilterPolicy(it.to_owned())),
            scope: FilterScope::MessageAttributes,
            disabled: now.is_none(),
        })
    });
    let enabled = Arc::clone(account);
    toolkit.expect_enable_subscription().times(..=calls).returning(move |stack, filter| {
        if keeps_own && enabled.lock().unwrap().of(stack).is_some() {
            return Ok(Change::AlreadySo);
        }
        let filter: Option<&'static str> = filter.map(|it| &*it.0.leak());
        set(&enabled, stack, Some(filter));
        Ok(Change::Made)
    });
    let disabled = Arc::clone(account);
    toolkit.expect_disable_subscription().times(..=calls).returning(move |stack| {
        set(&disabled, stack, None);
        Ok(Change::Made)
    });
    toolkit
}

fn resource(config: SnsConfig, skip: &[&str]) -> stack_file::Resource<SnsSettings> {
    stack_file::Resource {
        name: "catalogue".to_owned(),
        line: 1,
        skip: skip.iter().map(|&it| it.to_owned()).collect(),
        after: None,
        optional: false,
        written: Default::default(),
        settings: SnsSettings { config, settle: Duration::from_secs(900) },
    }
}

fn sns(account: &Account) -> Arc<Sns> {
    let toolkit = toolkit(account, 100, 1);
    Arc::new(Sns::new(&resource(SnsConfig::default(), &[]), Arc::new(toolkit)))
}

fn with_filter(account: &Account, filter: &Value) -> Arc<Sns> {
    let config = SnsConfig { enabled_filter: filter.as_object().cloned(), ..Default::default() };
    let toolkit = toolkit_with(&config, account, 100, 1);
    Arc::new(Sns::new(&resource(config, &[]), Arc::new(toolkit)))
}

/// Declares the subscriptions as they were while `filter` was the `disabled-filter`.
fn disabled_by(account: &Account, filter: &str) -> Arc<Sns> {
    let filter: Value = serde_json::from_str(filter).unwrap();
    let config = SnsConfig { disabled_filter: filter.as_object().cloned(), ..Default::default() };
    let toolkit = toolkit_with(&config, account, 100, 1);
    Arc::new(Sns::new(&resource(config, &[]), Arc::new(toolkit)))
}

/// Returns the only step called `name` on `stack` of a move to `to`.
fn step(sns: &Arc<Sns>, name: &str, stack: StackReference, to: StackReference) -> Arc<dyn Step> {
    let steps = Arc::clone(sns).steps(to);
    steps.into_iter().find(|it| it.id() == StepId::new(name, "catalogue", stack)).unwrap()
}

fn needed(from: &str, to: &str) -> Inspection {
    Inspection::Needed { from: from.to_owned(), to: to.to_owned() }
}

fn unknown(after: &str) -> Inspection {
    Inspection::Unknown { after: after.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_gets_back_the_policy_it_had_to_the_letter() {
    let account = account(Some(Some(r#"{ "type": ["order"] }"#)), Some(None));
    let (world, sns) = (World::new(A), sns(&account));
    let disable = step(&sns, "sns.disable", A, B);
    let enable = step(&sns, "sns.enable", A, A);

    assert_eq!(world.inspect(&*disable).await.unwrap(), needed("on, with a filter policy", "off"));
    world.apply(&*disable).await.unwrap();
    assert_eq!(world.inspect(&*disable).await.unwrap(), Inspection::Done);
    world.apply(&*disable).await.unwrap();
    assert_eq!(world.inspect(&*enable).await.unwrap(), needed("off", "on, with a filter policy"));
    world.apply(&*enable).await.unwrap();

    assert_eq!(world.inspect(&*enable).await.unwrap(), Inspection::Done);
    assert_eq!(account.lock().unwrap().a, Some(Some(r#"{ "type": ["order"] }"#)));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_had_no_policy_gets_none_whatever_the_partners_is() {
    let account = account(Some(None), Some(Some(r#"{"type":["order"]}"#)));
    let (world, sns) = (World::new(A), sns(&account));

    world.apply(&*step(&sns, "sns.disable", A, B)).await.unwrap();
    let enable = step(&sns, "sns.enable", A, A);
    assert_eq!(world.inspect(&*enable).await.unwrap(), needed("off", "on"));
    world.apply(&*enable).await.unwrap();

    assert_eq!(account.lock().unwrap().a, Some(None));
}

#[tokio::test(start_paused = true)]
async fn the_partners_policy_is_the_model_where_nothing_is_remembered() {
    let account = account(Some(Some(r#"{"type":["order"]}"#)), None);
    let (world, sns) = (World::new(A), sns(&account));
    let enable = step(&sns, "sns.enable", B, B);

    let model = enable.model(&world.context()).await.unwrap();
    world.apply(&*enable).await.unwrap();

    let before = json!({"filter": r#"{"type":["order"]}"#, "disabled-by": null});
    assert_eq!(model, Some(("sns.catalogue/b".to_owned(), before)));
    assert_eq!(account.lock().unwrap().b, Some(Some(r#"{"type":["order"]}"#)));
}

#[tokio::test(start_paused = true)]
async fn the_model_that_was_stored_counts_when_the_partner_is_off_by_now() {
    let account = account(Some(Some(r#"{"type":["order"]}"#)), None);
    let (world, sns) = (World::new(A), sns(&account));
    let enable = step(&sns, "sns.enable", B, B);
    let (key, model) = enable.model(&world.context()).await.unwrap().unwrap();
    world.store.remember_model(&key, model).await.unwrap();

    set(&account, A, None);
    world.apply(&*enable).await.unwrap();

    assert_eq!(account.lock().unwrap().b, Some(Some(r#"{"type":["order"]}"#)));
}

#[tokio::test(start_paused = true)]
async fn two_subscriptions_that_are_off_and_not_remembered_need_a_configured_policy() {
    let account = account(None, None);
    let (world, sns) = (World::new(A), sns(&account));
    let enable = step(&sns, "sns.enable", B, B);

    let err = world.inspect(&*enable).await.unwrap_err();
    let applied = world.apply(&*enable).await;

    assert!(err.to_string().contains("set `enabled-filter`"), "{err}");
    assert!(applied.is_err());
    assert_eq!(enable.model(&world.context()).await.unwrap(), None);
    assert_eq!(account.lock().unwrap().b, None);
}

#[tokio::test(start_paused = true)]
async fn the_configured_policy_replaces_another() {
    let account = account(None, Some(Some(r#"{"type":["old"]}"#)));
    let (world, sns) = (World::new(A), with_filter(&account, &json!({"type": ["order"]})));
    let enable = step(&sns, "sns.enable", B, B);

    let before = world.inspect(&*enable).await.unwrap();
    world.apply(&*enable).await.unwrap();

    assert_eq!(before, needed("on, with another filter policy", "on, with a filter policy"));
    assert_eq!(world.inspect(&*enable).await.unwrap(), Inspection::Done);
    assert_eq!(enable.model(&world.context()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_configured_empty_policy_is_none() {
    let account = account(None, Some(None));
    let (world, sns) = (World::new(A), with_filter(&account, &json!({})));

    let enable = step(&sns, "sns.enable", B, B);

    assert_eq!(world.inspect(&*enable).await.unwrap(), Inspection::Done);
}

/// A `disabled-filter` that the stack file had when the subscription was disabled.
const FORMER: &str = r#"{"kind":["none"]}"#;

#[tokio::test(start_paused = true)]
async fn what_a_former_disabled_filter_blocks_is_enabled_again() {
    let account = account(Some(Some(r#"{"type":["order"]}"#)), Some(None));
    let world = World::new(A);
    world.apply(&*step(&disabled_by(&account, FORMER), "sns.disable", A, B)).await.unwrap();
    set(&account, A, Some(Some(r#"{ "kind": ["none"] }"#)));

    let sns = sns(&account);
    let (enable, settle) = (step(&sns, "sns.enable", A, A), step(&sns, "sns.settle", A, A));
    let disabled = world.inspect(&*step(&sns, "sns.disable", A, B)).await.unwrap();
    let summary = sns.summary(&world.context(), A).await.unwrap();
    let before = world.inspect(&*enable).await.unwrap();
    world.store.close_release(crate::Outcome::Done, crate::steps::testing::START).await.unwrap();
    let unsettled = world.inspect(&*settle).await.unwrap();
    world.apply(&*enable).await.unwrap();

    assert_eq!((disabled, summary.as_str()), (Inspection::Done, "off"));
    assert_eq!(before, needed("off", "on, with a filter policy"));
    assert_eq!(unsettled, unknown("sns.enable"));
    assert_eq!(world.inspect(&*enable).await.unwrap(), Inspection::Done);
    assert_eq!(account.lock().unwrap().a, Some(Some(r#"{"type":["order"]}"#)));
}

#[tokio::test(start_paused = true)]
async fn what_a_former_disabled_filter_blocks_is_not_disabled_again_nor_remembered() {
    let account = account(Some(Some(r#"{"type":["order"]}"#)), Some(None));
    let world = World::new(A);
    let former = step(&disabled_by(&account, FORMER), "sns.disable", A, B);
    world.apply(&*former).await.unwrap();
    world.succeeded(&*former).await;
    set(&account, A, Some(Some(FORMER)));

    world.apply(&*step(&sns(&account), "sns.disable", A, B)).await.unwrap();

    assert_eq!(account.lock().unwrap().a, Some(Some(FORMER)), "left as it is");
    let before = json!({"filter": r#"{"type":["order"]}"#, "disabled-by": FORMER});
    assert_eq!(world.store.remembered("sns.catalogue/a"), Some(before));
}

#[tokio::test(start_paused = true)]
async fn the_default_policy_counts_as_off_though_the_toolkit_does_not_say_so() {
    let account = account(Some(None), Some(Some(BLOCKED)));
    let (world, sns) = (World::new(A), disabled_by(&account, FORMER));

    let enable = world.inspect(&*step(&sns, "sns.enable", B, B)).await.unwrap();
    let disable = step(&sns, "sns.disable", B, A);
    let disabled = world.inspect(&*disable).await.unwrap();
    world.apply(&*disable).await.unwrap();

    assert_eq!((enable, disabled), (needed("off", "on"), Inspection::Done));
    assert_eq!(world.store.remembered("sns.catalogue/b"), None);
}

#[tokio::test(start_paused = true)]
async fn a_blocking_policy_is_neither_a_model_nor_put_back() {
    let account = account(Some(Some(BLOCKED)), None);
    let (world, sns) = (World::new(A), disabled_by(&account, FORMER));
    let enable = step(&sns, "sns.enable", B, B);

    let model = enable.model(&world.context()).await.unwrap();
    let from_partner = world.inspect(&*enable).await.unwrap_err();
    let remembered = [(BLOCKED, FORMER), (FORMER, FORMER), (r#"{"x":[1]}"#, r#"{"x":[1]}"#)];

    assert_eq!(model, None);
    assert!(from_partner.to_string().contains("set `enabled-filter`"), "{from_partner}");
    for (filter, disabled_by) in remembered {
        let world = World::new(A);
        let before = json!({"filter": filter, "disabled-by": disabled_by});
        world.store.remember_model("sns.catalogue/b", before).await.unwrap();
        let err = world.apply(&*enable).await.unwrap_err();
        assert!(err.to_string().contains("set `enabled-filter`"), "{err}");
    }
    assert_eq!(account.lock().unwrap().b, None, "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn a_users_own_policy_is_left_alone() {
    let account = account(Some(None), Some(Some(r#"{"type":["mine"]}"#)));
    let (world, sns) = (World::new(A), sns(&account));

    let seen = world.inspect(&*step(&sns, "sns.enable", B, B)).await.unwrap();

    assert_eq!(seen, Inspection::Done);
}

#[tokio::test(start_paused = true)]
async fn a_change_settles_from_when_it_was_made() {
    let account = account(Some(None), None);
    let (world, sns) = (World::new(A), sns(&account));
    let (enable, settle) = (step(&sns, "sns.enable", B, B), step(&sns, "sns.settle", B, B));

    assert_eq!(world.inspect(&*settle).await.unwrap(), unknown("sns.enable"));
    world.apply(&*enable).await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    let what = "the filter policy to settle: 14m left".to_owned();
    let left = Duration::from_secs(840);
    assert_eq!(world.inspect(&*settle).await.unwrap(), Inspection::Settling { what, left });
    tokio::time::advance(left).await;
    assert_eq!(world.inspect(&*settle).await.unwrap(), Inspection::Done);

    world.apply(&*settle).await.unwrap();
    assert_eq!(settle.lasts(), Duration::from_secs(900));
}

#[tokio::test(start_paused = true)]
async fn a_change_without_an_answer_settles_too() {
    let account = account(Some(None), Some(None));
    let mut toolkit = toolkit(&account, 100, 0);
    toolkit.checkpoint();
    toolkit.expect_subscription().returning(|_| {
        Ok(Subscription {
            arn: String::new(),
            endpoint: None,
            filter: None,
            scope: FilterScope::MessageBody,
            disabled: false,
        })
    });
    toolkit.expect_disable_subscription().returning(|_| {
        let operation = "sns:SetSubscriptionAttributes";
        Err(Error::OutcomeUnknown { operation, source: "no answer".into() })
    });
    let sns = Arc::new(Sns::new(&resource(SnsConfig::default(), &[]), Arc::new(toolkit)));
    let world = World::new(A);

    world.apply(&*step(&sns, "sns.disable", A, B)).await.unwrap_err();

    let settle = world.inspect(&*step(&sns, "sns.settle", A, B)).await.unwrap();
    assert!(matches!(settle, Inspection::Settling { .. }), "{settle:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_to_change_or_a_step_left_out_has_nothing_to_settle() {
    let account = account(None, Some(None));
    let (world, all) = (World::new(A), sns(&account));
    let skipping = resource(SnsConfig::default(), &["sns.enable"]);
    set(&account, A, None);

    let on = world.inspect(&*step(&all, "sns.settle", B, B)).await.unwrap();
    let off = world.inspect(&*step(&all, "sns.settle", A, B)).await.unwrap();
    set(&account, B, None);
    let skipping = Arc::new(Sns::new(&skipping, Arc::new(toolkit(&account, 100, 0))));
    let left_out = world.inspect(&*step(&skipping, "sns.settle", B, B)).await.unwrap();

    assert_eq!([on, off, left_out], [Inspection::Done, Inspection::Done, Inspection::Done]);
    set(&account, A, Some(None));
    let settle = step(&all, "sns.settle", A, B);
    assert_eq!(world.inspect(&*settle).await.unwrap(), unknown("sns.disable"));
}

#[tokio::test(start_paused = true)]
async fn steps_of_a_round_share_one_look_at_each_subscription() {
    let account = account(Some(None), None);
    let toolkit = toolkit(&account, 2, 0);
    let sns = Arc::new(Sns::new(&resource(SnsConfig::default(), &[]), Arc::new(toolkit)));
    let world = World::new(A);
    let context = world.context();

    let steps = Arc::clone(&sns).steps(B);
    for step in &steps {
        step.inspect(&context).await.unwrap();
        step.model(&context).await.unwrap();
    }

    assert_eq!(steps.len(), 4);
    assert_eq!(sns.summary(&context, A).await.unwrap(), "on");
    assert_eq!(sns.summary(&context, B).await.unwrap(), "off");
}

#[test]
fn effects_undos_and_permissions_fit_the_steps() {
    let topic = "arn:aws:sns:eu-west-1:123456789012:catalogue".to_owned();
    let config = SnsConfig { topic: Some(topic), ..Default::default() };
    let sns = Arc::new(Sns::new(&resource(config, &[]), Arc::new(MockSnsToolkit::new())));
    let (enable, disable) = (step(&sns, "sns.enable", B, B), step(&sns, "sns.disable", A, B));

    assert_eq!((enable.effect(), disable.effect()), (Effect::Harmless, Effect::Disables(A)));
    assert_eq!(
        (crate::steps::testing::undo(&*enable), crate::steps::testing::undo(&*disable)),
        (Some("sns.disable".to_owned()), Some("sns.enable".to_owned()))
    );
    assert_eq!(
        allowed(&disable.permissions()),
        [
            ("sns:GetSubscriptionAttributes", "*"),
            ("sns:SetSubscriptionAttributes", "*"),
            ("sns:ListSubscriptionsByTopic", "arn:aws:sns:eu-west-1:123456789012:catalogue"),
        ]
    );
}

#[tokio::test]
async fn the_identity_is_the_subscription_and_its_endpoint_whether_on_or_off() {
    let (on, off) = (account(Some(None), Some(None)), account(None, None));
    let world = World::new(A);

    let on = sns(&on).identity(&world.context(), A).await.unwrap();
    let off = sns(&off).identity(&world.context(), A).await.unwrap();

    let expected = "arn:aws:sns:eu-west-1:123456789012:catalogue:a to \
                    arn:aws:sqs:eu-west-1:123456789012:ingest-a";
    assert_eq!((on.as_str(), off.as_str()), (expected, expected));
}

#[test]
fn what_lets_people_in_is_left_out_of_an_endpoint() {
    for (endpoint, shown) in [
        ("https://me:secret@hooks.example/in/a@b?key=1#x", "https://hooks.example/in/a@b"),
        ("https://hooks.example?key=1", "https://hooks.example"),
        ("https://hooks.example/in", "https://hooks.example/in"),
        ("someone@shop.example", "someone@shop.example"),
    ] {
        assert_eq!(without_secrets(endpoint), shown);
    }
}

#[tokio::test]
async fn a_subscription_whose_counterpart_is_off_is_missed_unless_it_was_off_before() {
    let world = World::new(A);
    let told = async |account: &Account, world: &World| {
        let step = step(&sns(account), "sns.disable", B, A);
        step.leaves_off(&world.context()).await.unwrap()
    };
    let (off, on) = (account(None, Some(None)), account(Some(None), Some(None)));

    let missed = told(&off, &world).await;
    let there = told(&on, &world).await;
    let noted = sns(&off).off(&world.context(), A).await.unwrap();
    world.context().set_note("active-off", &noted).await.unwrap();
    let before = told(&off, &world).await;

    assert_eq!(missed, ["the subscription of `sns.catalogue` on stack a is off"]);
    assert_eq!((there.len(), before.len()), (0, 0));
}
