//! Releases that deployments of CodeDeploy drive.

use std::time::Duration;

use bluegreen_core::StackReference::{A, B};
use bluegreen_deploy::{Outcome, Phase};
use bluegreen_sim::Faults;
use serde_json::json;

use crate::shop::{BY_CODEDEPLOY, Shop};

/// A second service, deployed by itself.
const ALSO_API: &str = r#"
[traffic.api]
mover = "codedeploy"
application = "shop"
deployment-group = "api"
cluster = "shop"
service = "api"
binding = { container = "api", env = "STACK" }
"#;

async fn shop() -> Shop {
    Shop::new(BY_CODEDEPLOY).await.deployed_by_codedeploy(&["web"])
}

#[tokio::test(start_paused = true)]
async fn a_deployment_takes_its_release_from_the_first_hook_to_the_last_step() {
    let shop = shop().await.scheduled();

    let id = shop.deploy("web", B).await;
    let ended = shop.until_ended(&id).await;
    let promoted = shop.active().await;
    shop.until_over().await;

    assert_eq!((ended.as_str(), promoted), ("Succeeded", B));
    assert_eq!(shop.outcomes().await, [Some(Outcome::Done)]);
    assert_eq!((shop.cluster(A).as_str(), shop.cluster(B).as_str()), ("stopped", "available"));
    assert_eq!(shop.count("PutLifecycleEventHookExecutionStatus"), 5);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_retired_before_the_hold_is_over_and_the_deployment_has_ended() {
    let shop = shop().await;
    let id = shop.deploy("web", B).await;
    shop.until_ended(&id).await;

    let at_once = shop.reconcile().await;
    let on_hold = shop.cluster(A);
    shop.wait(Duration::from_secs(601)).await;
    let mut later = shop.reconcile().await;
    while shop.release().await.is_some() {
        assert!(later.contains("goes on at the next call"), "{later}");
        later = shop.reconcile().await;
    }

    assert!(at_once.contains("the hold lasts until"), "{at_once}");
    assert_eq!(on_hold, "available");
    assert_eq!(later, "retire: done");
    assert_eq!(shop.cluster(A), "stopped");
}

#[tokio::test(start_paused = true)]
async fn a_test_that_fails_fails_the_deployment_and_the_release_is_taken_back() {
    let shop = shop().await.scheduled();
    shop.account.world(|world| world.set_answer("smoke-b", Err("no orders".to_owned())));

    let id = shop.deploy("web", B).await;
    let ended = shop.until_ended(&id).await;
    shop.until_over().await;

    assert_eq!((ended.as_str(), shop.active().await), ("Failed", A));
    assert_eq!(shop.outcomes().await, [Some(Outcome::TakenBack)]);
    assert_eq!((shop.cluster(A).as_str(), shop.cluster(B).as_str()), ("available", "stopped"));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_codedeploy_rolls_back_by_itself_takes_the_release_back_with_it() {
    let shop = shop().await.keeping_what_was_replaced("web").scheduled();
    let id = shop.deploy("web", B).await;
    // An alarm fires after traffic has moved, and the pointer with it.
    shop.answer_until(async |it| it.active().await == B).await;
    shop.account.world(|world| world.fail_deployment(&id));

    shop.until_over().await;

    assert_eq!((shop.status(&id).as_str(), shop.active().await), ("Failed", A));
    assert_eq!(shop.outcomes().await, [Some(Outcome::TakenBack)]);
    assert_eq!((shop.cluster(A).as_str(), shop.cluster(B).as_str()), ("available", "stopped"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_the_pointer_has_moved_fails_no_hook() {
    for failure in ["deny", "timeout"] {
        let shop = shop().await.scheduled();
        shop.befall(&format!("cloudwatch:EnableAlarmActions: {failure}*always"));

        let id = shop.deploy("web", B).await;
        let ended = shop.until_ended(&id).await;
        let (promoted, open) = (shop.active().await, shop.release().await.is_some());
        shop.account.set_faults(Faults::none());
        shop.until_over().await;

        assert_eq!((ended.as_str(), promoted), ("Succeeded", B), "{failure}");
        assert!(open, "promote is not done without the alarms: {failure}");
        assert_eq!(shop.outcomes().await, [Some(Outcome::Done)], "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_aws_does_not_answer_for_a_while_is_repeated_and_fails_nothing() {
    let shop = shop().await.scheduled();
    // More than the SDK repeats by itself.
    shop.befall("codedeploy:BatchGetDeploymentTargets: 503*25");

    let id = shop.deploy("web", B).await;
    let ended = shop.until_ended(&id).await;

    assert_eq!((ended.as_str(), shop.active().await), ("Succeeded", B));
    assert_eq!(shop.account.unused_faults(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_whose_hooks_run_opens_no_release() {
    let shop = shop().await.keeping_what_was_replaced("web").scheduled();
    shop.account.world(|world| world.codedeploy.hooks_run_in_rollbacks = true);
    let id = shop.deploy("web", B).await;
    shop.answer_until(async |it| it.active().await == B).await;
    shop.account.world(|world| world.fail_deployment(&id));

    shop.until_over().await;

    assert_eq!(shop.outcomes().await, [Some(Outcome::TakenBack)]);
    assert_eq!(shop.active().await, A);
}

#[tokio::test(start_paused = true)]
async fn a_hotfix_on_the_active_stack_changes_nothing() {
    let shop = shop().await;

    let id = shop.deploy("web", A).await;
    let ended = shop.until_ended(&id).await;

    assert_eq!(ended, "Succeeded");
    assert!(shop.outcomes().await.is_empty());
    for call in ["StartDBCluster", "PurgeQueue", "SetSubscriptionAttributes", "EnableRule"] {
        assert_eq!(shop.count(call), 0, "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hotfix_in_the_hold_of_a_release_neither_joins_nor_ends_it() {
    let shop = shop().await;
    let id = shop.deploy("web", B).await;
    shop.until_ended(&id).await;
    shop.reconcile().await;
    let before = shop.release().await.unwrap();

    let hotfix = shop.deploy("web", B).await;
    shop.account.world(|world| world.fail_deployment(&hotfix));
    shop.until_ended(&hotfix).await;
    let said = shop.reconcile().await;

    assert!(said.contains("the hold lasts until"), "{said}");
    assert_eq!(shop.release().await.unwrap().id, before.id);
    assert_eq!(shop.active().await, B);
}

#[tokio::test(start_paused = true)]
async fn two_services_join_one_release_which_promotes_when_both_have_moved() {
    let movers = format!("{BY_CODEDEPLOY}{ALSO_API}");
    let shop = Shop::new(&movers).await.deployed_by_codedeploy(&["web", "api"]);

    let web = shop.deploy("web", B).await;
    shop.until_ended(&web).await;
    let with_one = shop.active().await;
    let waits = shop.reconcile().await;
    let api = shop.deploy("api", B).await;
    shop.until_ended(&api).await;

    assert_eq!((with_one, shop.active().await), (A, B));
    assert!(waits.contains("traffic is on both stacks"), "{waits}");
    assert_eq!([shop.status(&web), shop.status(&api)], ["Succeeded", "Succeeded"]);
    assert_eq!(shop.outcomes().await, [None], "one release is open");
    assert_eq!(shop.count("StartDBCluster"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_prepare_that_takes_longer_than_an_invocation_is_handed_over_until_it_is_done() {
    let slow = |text: String| text.replace("[sqs.ingest]", "settle = \"10m\"\n[sqs.ingest]");
    let shop = Shop::with(BY_CODEDEPLOY, slow, Duration::from_secs(460)).await;
    let shop = shop.deployed_by_codedeploy(&["web"]);

    let id = shop.deploy("web", B).await;
    let ended = shop.until_ended(&id).await;

    let calls = shop.calls.lock().unwrap().clone();
    let handed = calls.iter().filter(|it| it["bluegreen"]["hand-over"].is_object()).count();
    assert_eq!(ended, "Succeeded");
    assert!((3..=5).contains(&handed), "{handed}");
    assert_eq!(shop.count("PutLifecycleEventHookExecutionStatus"), 5);
}

#[tokio::test(start_paused = true)]
async fn a_prepare_that_takes_too_long_fails_in_time_and_says_what_to_do() {
    let slow = |text: String| text.replace("[sqs.ingest]", "settle = \"3h\"\n[sqs.ingest]");
    let shop = Shop::with(BY_CODEDEPLOY, slow, Duration::from_secs(900)).await;
    let shop = shop.deployed_by_codedeploy(&["web"]);

    let id = shop.deploy("web", B).await;
    let ended = shop.until_ended(&id).await;

    assert_eq!(ended, "Failed");
    assert!(shop.account.elapsed() < Duration::from_secs(3600), "{:?}", shop.account.elapsed());
    assert_eq!(shop.count("PutLifecycleEventHookExecutionStatus"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_was_prepared_before_is_only_looked_at() {
    let shop = shop().await;
    let first = shop.deploy("web", B).await;
    shop.answer_until(async |it| {
        it.release().await.is_some_and(|it| it.phases.contains_key(&Phase::Prepare))
    })
    .await;
    shop.stop(&first).await;
    let began = shop.account.elapsed();

    let second = shop.deploy("web", B).await;
    shop.until_ended(&second).await;

    assert_eq!(shop.status(&second), "Succeeded");
    assert!(shop.account.elapsed() - began < Duration::from_secs(400));
    assert_eq!(shop.count("StartDBCluster"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_that_got_lost_is_found_by_the_reconciler() {
    let slow = |text: String| text.replace("[sqs.ingest]", "settle = \"10m\"\n[sqs.ingest]");
    let shop = Shop::with(BY_CODEDEPLOY, slow, Duration::from_secs(400)).await;
    let shop = shop.deployed_by_codedeploy(&["web"]);
    let id = shop.deploy("web", B).await;
    shop.answer_until(async |it| it.release().await.is_some()).await;
    // What it has handed over is taken, and never comes to anything, however often Lambda tries.
    for _ in 0..3 {
        let lost = shop.account.next_invocation().await;
        assert!(lost.payload.contains("hand-over"), "{}", lost.payload);
    }

    let found = shop.call(&json!({ "bluegreen": "reconcile" })).await.unwrap();
    assert!(found["reported"].is_string(), "{found}");
    let ended = shop.until_ended(&id).await;

    assert_eq!(ended, "Succeeded");
}

#[tokio::test(start_paused = true)]
async fn every_hook_is_written_down_so_that_a_lost_one_is_found() {
    let shop = shop().await;
    shop.deploy("web", B).await;

    shop.answer_until(async |it| it.active().await == B).await;

    let note = shop.store().await.hook_note("deployment/web").unwrap().to_string();
    for event in ["BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic"] {
        assert!(note.contains(&format!("\"event\":\"{event}\"")), "{event}: {note}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_repetition_of_an_event_acts_no_more() {
    let shop = shop().await;
    let id = shop.deploy("web", B).await;
    shop.answer_until(async |it| it.release().await.is_some()).await;
    let event = shop.calls.lock().unwrap()[0].clone();
    shop.answer_until(async |it| it.active().await == B).await;
    let before = shop.count("PutLifecycleEventHookExecutionStatus");

    let said = shop.call(&event).await.unwrap();

    assert!(said["reported"].as_str().unwrap().contains("later"), "{said}");
    assert_eq!(shop.count("PutLifecycleEventHookExecutionStatus"), before);
    shop.until_ended(&id).await;
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_is_bound_to_no_stack_is_refused() {
    let shop = shop().await;
    shop.account.world(|world| world.add_task_definition_with("other", "web", &[], &[]));

    let id = shop.deploy_definition("web", "other:1").await;
    let ended = shop.until_ended(&id).await;

    assert_eq!(ended, "Failed");
    assert!(shop.outcomes().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_somebody_stops_takes_its_release_back() {
    let shop = shop().await;
    let id = shop.deploy("web", B).await;
    shop.answer_until(async |it| {
        it.release().await.is_some_and(|it| it.phases.contains_key(&Phase::Prepare))
    })
    .await;
    shop.stop(&id).await;

    shop.reconcile().await;
    shop.wait(Duration::from_secs(60)).await;
    while shop.release().await.is_some() {
        shop.reconcile().await;
    }

    assert_eq!(shop.outcomes().await, [Some(Outcome::TakenBack)]);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_eventbridge_is_a_nudge_and_no_more() {
    let shop = shop().await;
    let event = json!({
        "source": "aws.codedeploy",
        "detail-type": "CodeDeploy Deployment State-change Notification",
        "detail": { "state": "SUCCESS", "deploymentId": "d-NEVER0001" },
    });

    let said = shop.call(&event).await.unwrap();

    assert_eq!(said["reconciled"], "no release is open");
    assert_eq!(shop.active().await, A);
}

#[tokio::test(start_paused = true)]
async fn every_step_and_every_outcome_is_a_metric_of_its_own() {
    let shop = shop().await;
    let id = shop.deploy("web", B).await;
    shop.until_ended(&id).await;

    let lines = shop.metrics.lock().unwrap().clone();

    let lines: Vec<serde_json::Value> =
        lines.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    let of = |step: &str| lines.iter().find(|it| it["step"] == step && it["state"] == "changed");
    let purge = of("sqs.purge").unwrap();
    assert!(purge["StepDuration"].as_u64().unwrap() >= 60_000, "{purge}");
    assert!(purge["StepWait"].as_u64().unwrap() >= 60_000, "{purge}");
    assert_eq!((&purge["StepRetries"], &purge["resource"]), (&json!(0), &json!("ingest")));
    assert!(purge["release"].is_string() && purge["request_id"] == "request-1", "{purge}");
    assert!(lines.iter().any(|it| it["outcome"] == "done" && it["Outcomes"] == 1));
}
