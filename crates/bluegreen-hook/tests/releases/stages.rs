//! What ECS shows of its deployments, and when: stages that are shown late or not at all, services that are created,
//! deployments that overtake others.

use bluegreen_core::StackReference::{A, B};
use bluegreen_deploy::{Outcome, Phase};
use serde_json::{Value, json};

use crate::{
    shop::Shop,
    updates::{BY_ECS, STAGES, at_stage},
};

async fn shop() -> Shop {
    Shop::new(BY_ECS).await.deployed_by_ecs("web", |_| {})
}

/// Lets a deployment come to `POST_SCALE_UP`, whose call nobody answers; returns its event.
async fn waits_after_prepare(shop: &Shop) -> Value {
    shop.update("web", "web:2").await;
    shop.answer_until(async |it| {
        it.release().await.is_some_and(|it| it.phases.contains_key(&Phase::Prepare))
    })
    .await;
    let pending = shop.account.next_invocation().await;
    let event: Value = serde_json::from_str(&pending.payload).unwrap();
    assert_eq!(event["lifecycleStage"], "POST_SCALE_UP");
    event
}

/// Calls for a stage that is not shown, until the answer is another than that it is in progress; returns that, and how
/// often it was.
async fn call_for(shop: &Shop, event: &Value, stage: &str) -> (Value, usize) {
    let mut details = json!({});
    for times in 0..20 {
        let answer = shop.call(&at_stage(event, stage, details.clone())).await.unwrap();
        if answer["hookStatus"] != "IN_PROGRESS" {
            return (answer, times);
        }
        assert_eq!(answer["callBackDelay"], 10, "{answer}");
        // As ECS does it.
        let returned = answer["hookDetails"].as_object().unwrap().clone();
        details.as_object_mut().unwrap().extend(returned);
    }
    panic!("it is in progress for ever")
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_is_shown_late_changes_nothing_and_is_asked_for_again_in_ten_seconds() {
    let shop = shop().await;
    let event = waits_after_prepare(&shop).await;
    let before = shop.asked(true).len();

    let later = at_stage(&event, "POST_TEST_TRAFFIC_SHIFT", json!({}));
    let answer = shop.call(&later).await.unwrap();
    let again = shop.call(&later).await.unwrap();

    assert_eq!(
        (&answer["hookStatus"], &answer["callBackDelay"]),
        (&json!("IN_PROGRESS"), &json!(10))
    );
    // One that comes twice is no call of ECS that was told to wait.
    assert_eq!(again, answer);
    assert_eq!(shop.asked(true)[before..], [] as [String; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_ecs_calls_for_again_and_again_is_believed_though_it_shows_another() {
    let shop = shop().await;
    let event = waits_after_prepare(&shop).await;

    let (tested, times) = call_for(&shop, &event, "POST_TEST_TRAFFIC_SHIFT").await;
    let (allowed, _) = call_for(&shop, &event, "PRE_PRODUCTION_TRAFFIC_SHIFT").await;

    assert_eq!((&tested["hookStatus"], times), (&json!("SUCCEEDED"), 3));
    assert_eq!(allowed["hookStatus"], "SUCCEEDED");
    assert!(shop.release().await.unwrap().phases.contains_key(&Phase::Test));
}

#[tokio::test(start_paused = true)]
async fn what_was_not_shown_of_one_stage_says_nothing_of_another() {
    let shop = shop().await;
    let event = waits_after_prepare(&shop).await;
    let details = json!({ "not-shown": { "stage": "PRE_SCALE_UP", "times": 3 } });

    let answer = shop.call(&at_stage(&event, "POST_TEST_TRAFFIC_SHIFT", details)).await.unwrap();

    assert_eq!(answer["hookStatus"], "IN_PROGRESS");
    assert!(!shop.release().await.unwrap().phases.contains_key(&Phase::Test));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_created_opens_no_release_whichever_stack_it_is_bound_to() {
    for (definition, stack) in [("web:1", A), ("web:2", B)] {
        let shop = Shop::new(BY_ECS).await.deployed_by_ecs("model", |_| {});
        shop.account.world(|world| {
            for stack in ["a", "b"] {
                world.add_task_definition_with("web", "web", &[("STACK", stack)], &[]);
            }
        });
        let model = shop.ecs().describe_services().cluster("shop").services("model");
        let model = model.send().await.unwrap().services.unwrap().remove(0);
        let before = shop.asked(true).len();

        let create = shop.ecs().create_service().cluster("shop").service_name("web");
        let create = create.task_definition(definition).desired_count(2);
        let create = create.set_deployment_configuration(model.deployment_configuration);
        create.send().await.unwrap();
        let ended = shop.until_settled(&shop.newest()).await;

        let succeeded: Vec<_> = STAGES.iter().map(|it| format!("{it} SUCCEEDED")).collect();
        assert_eq!((ended, shop.stages()), ("SUCCESSFUL", succeeded), "{stack}");
        assert_eq!(shop.asked(true)[before..], ["ecs:CreateService"], "{stack}");
        assert!(shop.outcomes().await.is_empty(), "{stack}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_last_stage_has_no_hook_is_promoted_by_the_reconciler() {
    let until_test = STAGES[..4].iter().map(|it| (*it).to_owned()).collect();
    let shop = Shop::new(BY_ECS).await.deployed_by_ecs("web", |it| it.hooks[0].stages = until_test);
    let shop = shop.scheduled();

    let arn = shop.update("web", "web:2").await;
    let ended = shop.until_settled(&arn).await;
    let by_hooks = shop.active().await;
    shop.until_over().await;

    assert_eq!((ended, by_hooks, shop.active().await), ("SUCCESSFUL", A, B));
    assert_eq!(shop.outcomes().await, [Some(Outcome::Done)]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_deployment_to_the_same_stack_goes_on_with_the_release_of_the_one_that_it_overtakes()
 {
    let shop = shop().await;
    shop.account
        .world(|world| world.add_task_definition_with("web", "web", &[("STACK", "b")], &[]));
    waits_after_prepare(&shop).await;
    let (overtaken, shop) = (shop.newest(), shop.scheduled());

    let newer = shop.update("web", "web:3").await;
    let ended = shop.until_settled(&newer).await;
    shop.until_over().await;

    assert_eq!([shop.update_status(&overtaken), ended], ["STOPPED", "SUCCESSFUL"]);
    assert_eq!((shop.outcomes().await, shop.active().await), (vec![Some(Outcome::Done)], B));
    assert_eq!(shop.count("StartDBCluster"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hotfix_that_overtakes_the_deployment_of_a_release_has_that_release_taken_back() {
    let shop = shop().await;
    waits_after_prepare(&shop).await;
    let shop = shop.scheduled();

    let hotfix = shop.update("web", "web:1").await;
    let ended = shop.until_settled(&hotfix).await;
    shop.until_over().await;

    assert_eq!((ended, shop.active().await), ("SUCCESSFUL", A));
    assert_eq!(shop.outcomes().await, [Some(Outcome::TakenBack)]);
    assert_eq!(shop.cluster(B), "stopped");
}
