//! The least policy of a stack file suffices for everything, and nothing in it can be left out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod proof;
mod shops;
mod withheld;

use bluegreen_deploy::Purpose;

use self::{
    shops::{Shop, deleting, handing_over, left_alone, running, whole},
    withheld::Leave,
};

#[tokio::test(start_paused = true)]
async fn a_deployment_that_deletes_needs_every_permission_and_no_other() {
    deleting().prove(Purpose::Deploy).await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_of_the_shop_needs_every_permission_and_no_other() {
    whole().prove(Purpose::Deploy).await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_runs_functions_and_tasks_needs_every_permission_and_no_other() {
    running().prove(Purpose::Deploy).await;
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_of_services_needs_every_permission_and_no_other() {
    handing_over().prove(Purpose::Deploy).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_alone_is_looked_at_and_not_changed() {
    let shop = left_alone();

    shop.prove(Purpose::Deploy).await;

    assert_eq!(changes(&shop.least(Purpose::Deploy)), Vec::<String>::new());
}

/// Proves that to plan the release of a shop takes every look of its policy, and that there is nothing else in it.
async fn looks_only(shop: Shop) {
    shop.prove(Purpose::Plan).await;

    assert_eq!(changes(&shop.least(Purpose::Plan)), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn to_plan_a_release_of_the_shop_takes_every_look_and_no_change() {
    looks_only(whole()).await;
}

#[tokio::test(start_paused = true)]
async fn to_plan_a_release_that_deletes_takes_every_look_and_no_change() {
    looks_only(deleting()).await;
}

#[tokio::test(start_paused = true)]
async fn to_plan_a_release_that_runs_functions_and_tasks_takes_every_look_and_no_change() {
    looks_only(running()).await;
}

#[tokio::test(start_paused = true)]
async fn to_plan_a_hand_over_of_services_takes_every_look_and_no_change() {
    looks_only(handing_over()).await;
}

#[tokio::test(start_paused = true)]
async fn to_plan_where_everything_is_left_alone_takes_every_look_and_no_change() {
    looks_only(left_alone()).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_needs_and_what_is_there_twice_is_found() {
    let shop = handing_over();
    let mut leaves = shop.least(Purpose::Deploy);
    for (action, resource) in
        [("ecs:StopTask", "*"), ("sqs:GetQueueUrl", "arn:aws:sqs:*:*:bills-a")]
    {
        let (action, resource) = (action.to_owned(), resource.to_owned());
        leaves.push(Leave { action, resource, conditions: serde_json::Value::Null });
    }

    let found = shop.not_missed(Purpose::Deploy, &leaves).await;

    let expected = [
        "ecs:StopTask on * without it",
        "sqs:GetQueueUrl on arn:aws:sqs:*:*:bills-a without it",
        "sqs:GetQueueUrl on arn:aws:sqs:eu-west-1:123456789012:bills-a without it",
    ];
    assert_eq!(found, expected);
}

/// Returns the actions by which something is changed.
fn changes(leaves: &[Leave]) -> Vec<String> {
    let looks = ["Describe", "Get", "List"];
    let is_look = |it: &&Leave| {
        let (_, operation) = it.action.split_once(':').unwrap();
        looks.iter().any(|it| operation.starts_with(it))
    };
    leaves.iter().filter(|it| !is_look(it)).map(|it| it.action.clone()).collect()
}
