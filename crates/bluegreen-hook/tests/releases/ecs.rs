//! Releases that deployments drive which ECS runs itself.

use std::time::Duration;

use aws_sdk_ecs::types::StopServiceDeploymentStopType::{Abort, Rollback};
use bluegreen_core::StackReference::{A, B};
use bluegreen_deploy::{Outcome, Phase};
use bluegreen_sim::{BlueGreen, Strategy};
use serde_json::json;

use crate::{
    shop::{BY_CODEDEPLOY, Shop},
    updates::{BY_ECS, STAGES, at_stage},
};

const HALF_AN_HOUR: Duration = Duration::from_secs(1800);

async fn shop() -> Shop {
    with(|_| {}).await
}

async fn with(change: impl FnOnce(&mut BlueGreen)) -> Shop {
    Shop::new(BY_ECS).await.deployed_by_ecs("web", change)
}

/// Lets an alarm of the stack b fire.
fn fire(shop: &Shop) {
    shop.account.world(|world| world.set_alarm_state("shop-b-errors", "ALARM"));
}

fn all_succeeded(stages: &[&str]) -> Vec<String> {
    stages.iter().map(|it| format!("{it} SUCCEEDED")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_takes_its_release_from_the_first_stage_to_the_last_step() {
    let shop = shop().await.scheduled();

    let arn = shop.update("web", "web:2").await;
    let ended = shop.until_settled(&arn).await;
    let promoted = shop.active().await;
    let on_hold = shop.cluster(A);
    shop.until_over().await;

    assert_eq!((ended, promoted, on_hold.as_str()), ("SUCCESSFUL", B, "available"));
    assert_eq!(shop.stages(), all_succeeded(&STAGES));
    assert_eq!(shop.outcomes().await, [Some(Outcome::Done)]);
    assert_eq!((shop.cluster(A).as_str(), shop.cluster(B).as_str()), ("stopped", "available"));
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_is_prepared_is_in_progress_and_ecs_calls_again_when_it_was_asked_to() {
    // The cluster starts, and what was sent to the standby settles: that takes longer than an invocation.
    let shop = Shop::with(BY_ECS, |it| it, Duration::from_secs(460)).await;
    let shop = shop.deployed_by_ecs("web", |_| {});

    let arn = shop.update("web", "web:2").await;
    let ended = shop.until_settled(&arn).await;

    let calls = shop.called_by_ecs();
    let prepares: Vec<_> = calls.iter().filter(|it| it.stage() == "PRE_SCALE_UP").collect();
    let (last, unfinished) = prepares.split_last().unwrap();
    assert_eq!(ended, "SUCCESSFUL");
    assert_eq!(last.status(), "SUCCEEDED");
    assert!((2..=8).contains(&unfinished.len()), "{unfinished:#?}");
    for (call, next) in unfinished.iter().zip(&prepares[1..]) {
        let delay = call.answer["callBackDelay"].as_u64().unwrap();
        let waits = call.answer["hookDetails"]["waits-for"].to_string();
        assert_eq!(
            (call.status(), next.began - call.ended),
            ("IN_PROGRESS", Duration::from_secs(delay))
        );
        assert!((10..=300).contains(&delay) && waits.contains(" on b: "), "{call:?}");
        assert_eq!(next.event["hookDetails"], call.answer["hookDetails"]);
    }
    assert_eq!([shop.count("StartDBCluster"), shop.count("PurgeQueue")], [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_test_that_fails_rolls_the_deployment_back_and_the_release_is_taken_back_afterwards() {
    let shop = shop().await;
    shop.account.world(|world| world.set_answer("smoke-b", Err("no orders".to_owned())));

    let arn = shop.update("web", "web:2").await;
    let ended = shop.until_settled(&arn).await;
    let left_open = shop.release().await.is_some();
    while shop.release().await.is_some() {
        shop.reconcile().await;
    }

    assert_eq!((ended, shop.active().await, left_open), ("ROLLBACK_SUCCESSFUL", A, true));
    let stages = shop.stages();
    assert_eq!(stages[3..], ["POST_TEST_TRAFFIC_SHIFT FAILED", "TEST_TRAFFIC_SHIFT SUCCEEDED"]);
    assert_eq!(shop.outcomes().await, [Some(Outcome::TakenBack)]);
    assert_eq!((shop.cluster(A).as_str(), shop.cluster(B).as_str()), ("available", "stopped"));
}

#[tokio::test(start_paused = true)]
async fn stages_that_ecs_repeats_to_go_back_succeed_at_once_and_ask_aws_for_nothing() {
    let shop = with(|it| it.bake = HALF_AN_HOUR).await.scheduled();
    let arn = shop.update("web", "web:2").await;
    shop.answer_until(async |it| it.active().await == B).await;

    shop.stop_update(&arn, Rollback).await;
    let ended = shop.until_settled(&arn).await;
    let calls = shop.called_by_ecs();
    let repeated = calls[calls.len() - 2..].to_vec();
    shop.until_over().await;
    let before = shop.asked(false).len();
    for it in &repeated {
        assert_eq!(shop.call(&it.event).await.unwrap(), json!({ "hookStatus": "SUCCEEDED" }));
    }

    assert_eq!(ended, "ROLLBACK_SUCCESSFUL");
    assert_eq!(
        repeated.iter().map(|it| it.stage()).collect::<Vec<_>>(),
        ["PRODUCTION_TRAFFIC_SHIFT", "TEST_TRAFFIC_SHIFT"]
    );
    assert!(
        repeated.iter().all(|it| it.status() == "SUCCEEDED" && it.began == it.ended),
        "{repeated:?}"
    );
    assert_eq!(shop.asked(false)[before..], [] as [String; 0]);
    assert_eq!((shop.outcomes().await, shop.active().await), (vec![Some(Outcome::TakenBack)], A));
    assert_eq!((shop.cluster(A).as_str(), shop.cluster(B).as_str()), ("available", "stopped"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_retired_or_taken_back_while_ecs_still_keeps_what_it_has_replaced() {
    let shop = with(|it| it.bake = HALF_AN_HOUR).await;
    let arn = shop.update("web", "web:2").await;
    shop.answer_until(async |it| it.active().await == B).await;

    // The hold of ten minutes is over before ECS has ended.
    shop.wait(Duration::from_secs(1200)).await;
    let baking = shop.reconcile().await;
    let kept = shop.cluster(A);
    shop.until_settled(&arn).await;
    shop.wait(Duration::from_secs(601)).await;
    while shop.release().await.is_some() {
        shop.reconcile().await;
    }

    assert!(baking.contains("has not ended") && baking.contains("BAKE_TIME"), "{baking}");
    assert_eq!((kept.as_str(), shop.cluster(A).as_str()), ("available", "stopped"));
}

#[tokio::test(start_paused = true)]
async fn a_canary_asks_the_guardrails_at_the_first_of_its_steps_only() {
    let canary = Strategy::Canary(12.5, Duration::from_secs(300));
    let shop = with(|it| it.strategy = canary).await;

    let arn = shop.update("web", "web:2").await;
    shop.answer_until(async |it| {
        it.called_by_ecs().last().is_some_and(|it| it.stage() == "PRODUCTION_TRAFFIC_SHIFT")
    })
    .await;
    // From here on it would be objected to.
    fire(&shop);
    let ended = shop.until_settled(&arn).await;

    let calls = shop.called_by_ecs();
    let asked: Vec<_> =
        calls.iter().filter(|it| it.stage() == "PRE_PRODUCTION_TRAFFIC_SHIFT").collect();
    assert_eq!((ended, shop.active().await), ("SUCCESSFUL", B));
    assert_eq!(asked.len(), 2);
    // Two looks are a minute apart; who asks nothing needs none.
    assert!(asked[0].ended - asked[0].began >= Duration::from_secs(60), "{asked:?}");
    assert!(asked[1].ended - asked[1].began < Duration::from_secs(5), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guardrail_that_objects_rolls_the_deployment_back_before_production_moves() {
    let shop = shop().await.scheduled();
    fire(&shop);

    let arn = shop.update("web", "web:2").await;
    let ended = shop.until_settled(&arn).await;
    shop.until_over().await;

    assert_eq!((ended, shop.active().await), ("ROLLBACK_SUCCESSFUL", A));
    let stages = shop.stages();
    assert_eq!(
        stages[4..],
        ["PRE_PRODUCTION_TRAFFIC_SHIFT FAILED", "TEST_TRAFFIC_SHIFT SUCCEEDED"]
    );
    assert_eq!(shop.outcomes().await, [Some(Outcome::TakenBack)]);
}

#[tokio::test(start_paused = true)]
async fn a_hotfix_on_the_active_stack_and_a_forced_deployment_change_nothing() {
    for is_forced in [false, true] {
        let shop = shop().await;
        let before = shop.asked(true).len();

        let update = shop.ecs().update_service().cluster("shop").service("web");
        let definition = (!is_forced).then(|| "web:1".to_owned());
        let update = update.set_task_definition(definition).force_new_deployment(is_forced);
        update.send().await.unwrap();
        let ended = shop.until_settled(&shop.newest()).await;

        assert_eq!((ended, shop.stages()), ("SUCCESSFUL", all_succeeded(&STAGES)), "{is_forced}");
        assert_eq!(shop.asked(true)[before..], ["ecs:UpdateService"], "{is_forced}");
        assert!(shop.outcomes().await.is_empty(), "{is_forced}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_ecs_would_go_on_without_is_refused() {
    let shop = with(|it| it.hooks[0].timeout_action = "CONTINUE".to_owned()).await;

    let arn = shop.update("web", "web:2").await;
    let ended = shop.until_settled(&arn).await;

    assert_eq!(
        (ended, shop.stages()),
        ("ROLLBACK_SUCCESSFUL", vec!["PRE_SCALE_UP FAILED".to_owned()])
    );
    assert!(shop.outcomes().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hotfix_is_not_kept_back_by_what_only_a_release_needs() {
    let shop = with(|it| it.hooks[0].timeout_action = "CONTINUE".to_owned()).await;

    let arn = shop.update("web", "web:1").await;
    let ended = shop.until_settled(&arn).await;

    assert_eq!((ended, shop.stages()), ("SUCCESSFUL", all_succeeded(&STAGES)));
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_is_bound_to_no_stack_is_refused() {
    let shop = shop().await;
    shop.account.world(|world| world.add_task_definition_with("other", "web", &[], &[]));

    let arn = shop.update("web", "other:1").await;
    let ended = shop.until_settled(&arn).await;

    assert_eq!(
        (ended, shop.stages()),
        ("ROLLBACK_SUCCESSFUL", vec!["PRE_SCALE_UP FAILED".to_owned()])
    );
    assert!(shop.outcomes().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_nobody_knows_succeeds_and_asks_aws_for_nothing() {
    let shop = shop().await;
    let arn = shop.update("web", "web:2").await;
    shop.until_settled(&arn).await;
    let known = shop.called_by_ecs().remove(0).event;
    let before = shop.asked(false).len();

    let said = shop.call(&at_stage(&known, "A_STAGE_TO_COME", json!({}))).await.unwrap();

    assert_eq!(said, json!({ "hookStatus": "SUCCEEDED" }));
    assert_eq!(shop.asked(false).len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_somebody_stops_takes_its_release_back() {
    for (kind, status) in [(Rollback, "ROLLBACK_SUCCESSFUL"), (Abort, "STOPPED")] {
        let shop = shop().await.scheduled();
        let arn = shop.update("web", "web:2").await;
        shop.answer_until(async |it| {
            it.release().await.is_some_and(|it| it.phases.contains_key(&Phase::Prepare))
        })
        .await;

        shop.stop_update(&arn, kind).await;
        shop.until_over().await;

        assert_eq!(shop.update_status(&arn), status);
        assert_eq!(
            (shop.outcomes().await, shop.active().await),
            (vec![Some(Outcome::TakenBack)], A)
        );
        assert_eq!(shop.cluster(B), "stopped", "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_repetition_of_an_event_changes_nothing() {
    let shop = shop().await.scheduled();
    let arn = shop.update("web", "web:2").await;
    shop.until_settled(&arn).await;
    shop.until_over().await;
    let first = shop.called_by_ecs().remove(0).event;
    let before = shop.asked(true).len();

    let said = shop.call(&first).await.unwrap();

    assert_eq!(said, json!({ "hookStatus": "SUCCEEDED" }));
    assert_eq!(shop.asked(true).len(), before);
}

#[tokio::test(start_paused = true)]
async fn services_of_codedeploy_and_of_ecs_join_one_release() {
    let by_ecs = BY_ECS.replace("web", "api");
    let shop = Shop::new(&format!("{BY_CODEDEPLOY}{by_ecs}")).await;
    let shop = shop.deployed_by_codedeploy(&["web"]).deployed_by_ecs("api", |_| {});

    let api = shop.update("api", "api:2").await;
    let ended_api = shop.until_settled(&api).await;
    let with_one = shop.active().await;
    let waits = shop.reconcile().await;
    let web = shop.deploy("web", B).await;
    let ended_web = shop.until_ended(&web).await;

    assert_eq!((ended_api, ended_web.as_str()), ("SUCCESSFUL", "Succeeded"));
    assert_eq!((with_one, shop.active().await), (A, B));
    assert!(waits.contains("traffic is on both stacks"), "{waits}");
    assert_eq!(shop.outcomes().await, [None], "one release is open");
    assert_eq!(shop.count("StartDBCluster"), 1);
}
