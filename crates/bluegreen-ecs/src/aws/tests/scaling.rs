//! The scaling of a service: what is sent to suspend and resume it.

use aws_sdk_applicationautoscaling::operation::register_scalable_target::{
    RegisterScalableTargetInput, RegisterScalableTargetOutput,
};

use super::*;

/// Takes exactly this registration of the target of stack b.
fn registers(suspended: Suspended) -> Rule {
    let expected = RegisterScalableTargetInput::builder()
        .service_namespace(ServiceNamespace::Ecs)
        .resource_id("service/shop/worker-b")
        .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
        .suspended_state(
            SuspendedState::builder()
                .dynamic_scaling_in_suspended(suspended.dynamic_in)
                .dynamic_scaling_out_suspended(suspended.dynamic_out)
                .scheduled_scaling_suspended(suspended.scheduled)
                .build(),
        )
        .build()
        .unwrap();
    mock!(ScalingClient::register_scalable_target)
        .match_requests(move |it| *it == expected)
        .then_output(|| RegisterScalableTargetOutput::builder().build())
}

async fn register_refused(status: u16, code: &'static str, message: &'static str) -> Error {
    let rule = mock!(ScalingClient::register_scalable_target)
        .then_http_response(move || refusal(status, code, message));
    toolkit(&[], &[&lists(vec![scaled(NONE)]), &rule]).suspend_scaling(B).await.unwrap_err()
}

#[tokio::test]
async fn the_scaling_target_of_another_service_or_dimension_is_not_taken() {
    let others = lists(vec![
        target("service/shop/worker-b2", "ecs:service:DesiredCount", 1, 2, NONE),
        target("service/shop/worker-b", "rds:cluster:ReadReplicaCount", 1, 2, NONE),
    ]);

    let service = toolkit(&[&described(json!({}))], &[&others]).service(B).await.unwrap();

    assert_eq!(service.scaling, None);
}

#[tokio::test]
async fn a_scaling_target_without_its_maximum_is_incomplete() {
    let mut target = scaled(NONE);
    target["MaxCapacity"] = Value::Null;

    let err = toolkit(&[], &[&lists(vec![target])]).suspend_scaling(B).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { missing: "the greatest capacity", .. }), "{err:?}");
}

#[tokio::test]
async fn suspending_sends_all_three_flags_and_leaves_minimum_and_maximum_as_they_are() {
    let register = registers(Suspended::ALL);
    let scheduled = scaled(Suspended { scheduled: true, ..NONE });

    let change = toolkit(&[], &[&lists(vec![scheduled]), &register]).suspend_scaling(B).await;

    assert_eq!(change.unwrap(), Change::Made);
    assert_eq!(register.num_calls(), 1);
}

#[tokio::test]
async fn resuming_puts_the_three_flags_back_as_they_were() {
    for before in [
        Suspended { dynamic_in: true, ..NONE },
        Suspended { dynamic_out: true, ..NONE },
        Suspended { scheduled: true, ..NONE },
    ] {
        let register = registers(before);
        let toolkit = toolkit(&[], &[&lists(vec![scaled(Suspended::ALL)]), &register]);

        let change = toolkit.resume_scaling(B, before).await;

        assert_eq!(change.unwrap(), Change::Made);
        assert_eq!(register.num_calls(), 1);
    }
}

#[tokio::test]
async fn nothing_is_sent_when_the_scaling_is_so_already() {
    let suspended = toolkit(&[], &[&lists(vec![scaled(Suspended::ALL)])]);
    let resumed = toolkit(&[], &[&lists(vec![scaled(NONE)])]);

    assert_eq!(suspended.suspend_scaling(B).await.unwrap(), Change::AlreadySo);
    assert_eq!(resumed.resume_scaling(B, NONE).await.unwrap(), Change::AlreadySo);
}

#[tokio::test]
async fn a_service_without_scaling_has_nothing_to_suspend_or_resume() {
    let toolkit = toolkit(&[], &[&lists(vec![])]);

    assert_eq!(toolkit.suspend_scaling(B).await.unwrap(), Change::AlreadySo);
    assert_eq!(toolkit.resume_scaling(B, NONE).await.unwrap(), Change::AlreadySo);
}

#[tokio::test(start_paused = true)]
async fn what_register_scalable_target_refuses_is_told_apart() {
    let concurrent = register_refused(400, "ConcurrentUpdateException", "pending update").await;
    let fault = register_refused(500, "InternalServiceException", "try later").await;
    let role = register_refused(400, "ValidationException", "Unable to assume IAM role: x").await;
    let young = register_refused(400, "ValidationException", "ECS service doesn't exist: x").await;
    let invalid = register_refused(400, "ValidationException", "Maximum capacity ..").await;
    let quota = register_refused(400, "LimitExceededException", "too many targets").await;

    for later in [&concurrent, &fault, &role, &young] {
        assert!(matches!(later, Error::Aws { transient: true, .. }), "{later:?}");
    }
    for never in [&invalid, &quota] {
        assert!(matches!(never, Error::Aws { transient: false, .. }), "{never:?}");
    }
}

#[tokio::test]
async fn a_listing_that_aws_lost_may_be_begun_anew() {
    let rule = mock!(ScalingClient::describe_scalable_targets)
        .then_http_response(|| refusal(400, "InvalidNextTokenException", "stale"));

    let err = toolkit(&[], &[&rule]).suspend_scaling(B).await.unwrap_err();

    assert!(matches!(err, Error::Aws { transient: true, .. }), "{err:?}");
}
