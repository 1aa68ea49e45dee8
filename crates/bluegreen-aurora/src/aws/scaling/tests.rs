//! Tests of scaling readers.

use aws_sdk_applicationautoscaling::{
    Client,
    operation::{
        describe_scalable_targets::DescribeScalableTargetsOutput,
        register_scalable_target::RegisterScalableTargetOutput,
    },
};
use aws_smithy_mocks::{Rule, mock};
use bluegreen_core::StackReference::{A, B};

use super::*;
use crate::{
    AuroraToolkit,
    aws::fixture::{config, scales, scaling_refused, target, targets, toolkit, toolkit_with},
};

/// Takes exactly this registration.
fn registers(cluster: &'static str, minimum: i32, maximum: i32) -> Rule {
    mock!(Client::register_scalable_target)
        .match_requests(move |it| {
            it.service_namespace() == Some(&ServiceNamespace::Rds)
                && it.resource_id() == Some(&format!("cluster:{cluster}"))
                && it.scalable_dimension() == Some(&DIMENSION)
                && it.min_capacity() == Some(minimum)
                && it.max_capacity() == Some(maximum)
                && it.suspended_state().is_none()
        })
        .then_output(|| RegisterScalableTargetOutput::builder().build())
}

fn known(cluster: &'static str, minimum: i32, maximum: i32) -> Rule {
    scales(cluster, vec![target(cluster, minimum, maximum).build().unwrap()])
}

#[tokio::test]
async fn scaling_out_sends_the_minimum_asked_for_and_the_old_maximum_together() {
    let look = known("orders-b", 1, 5);
    let register = registers("orders-b", 3, 5);

    let scaled = toolkit(&[], &[&look, &register]).scale_out(B, 3).await.unwrap();

    assert_eq!(scaled, Scaled { wanted: 3, minimum: 3, maximum: 5 });
    assert!(!scaled.was_held());
    assert_eq!((look.num_calls(), register.num_calls()), (1, 1));
}

#[tokio::test]
async fn scaling_out_holds_the_minimum_to_the_targets_maximum_and_says_so() {
    let look = known("orders-b", 1, 2);
    let register = registers("orders-b", 2, 2);

    let scaled = toolkit(&[], &[&look, &register]).scale_out(B, 5).await.unwrap();

    assert_eq!(scaled, Scaled { wanted: 5, minimum: 2, maximum: 2 });
    assert!(scaled.was_held());
}

#[tokio::test]
async fn scaling_out_never_goes_below_the_configured_minimum() {
    let look = known("orders-b", 1, 5);
    let register = registers("orders-b", 1, 5);

    let scaled = toolkit(&[], &[&look, &register]).scale_out(B, 0).await.unwrap();

    assert_eq!(scaled, Scaled { wanted: 0, minimum: 1, maximum: 5 });
    assert!(scaled.was_held());
}

#[tokio::test]
async fn scaling_out_registers_again_what_is_so_already() {
    let look = known("orders-b", 3, 5);
    let register = registers("orders-b", 3, 5);

    toolkit(&[], &[&look, &register]).scale_out(B, 3).await.unwrap();

    assert_eq!(register.num_calls(), 1);
}

#[tokio::test]
async fn scaling_in_goes_back_to_the_configured_minimum() {
    let look = known("orders-a", 4, 5);
    let register = registers("orders-a", 1, 5);

    let scaled = toolkit(&[], &[&look, &register]).scale_in(A, None).await.unwrap();

    assert_eq!(scaled, Scaled { wanted: 1, minimum: 1, maximum: 5 });
    assert_eq!(register.num_calls(), 1);
}

#[tokio::test]
async fn scaling_in_goes_back_to_what_it_is_told() {
    let look = known("orders-a", 4, 5);
    let register = registers("orders-a", 2, 5);

    let scaled = toolkit(&[], &[&look, &register]).scale_in(A, Some(2)).await.unwrap();

    assert_eq!(scaled, Scaled { wanted: 2, minimum: 2, maximum: 5 });
}

#[tokio::test]
async fn scaling_in_is_held_to_the_targets_maximum() {
    let look = known("orders-a", 0, 2);
    let register = registers("orders-a", 2, 2);

    let scaled = toolkit(&[], &[&look, &register]).scale_in(A, Some(3)).await.unwrap();

    assert_eq!(scaled, Scaled { wanted: 3, minimum: 2, maximum: 2 });
}

#[tokio::test]
async fn scaling_in_sends_nothing_where_the_minimum_is_so_already() {
    let look = known("orders-a", 1, 5);
    let register = registers("orders-a", 1, 5);

    let scaled = toolkit(&[], &[&look, &register]).scale_in(A, None).await.unwrap();

    assert_eq!(scaled, Scaled { wanted: 1, minimum: 1, maximum: 5 });
    assert_eq!(register.num_calls(), 0);
}

#[tokio::test]
async fn a_cluster_without_a_scaling_target_is_named() {
    let look = scales("orders-a", Vec::new());
    let aurora = toolkit(&[], &[&look]);

    let out = aurora.scale_out(A, 2).await.unwrap_err();
    let into = aurora.scale_in(A, None).await.unwrap_err();
    let resumed = aurora.resume_scaling(A, Suspended::default()).await.unwrap_err();

    for err in [out, into, resumed] {
        assert!(matches!(err, Error::NothingFound { .. }), "{err}");
        assert!(err.to_string().contains("`orders-a`"), "{err}");
    }
}

#[tokio::test]
async fn the_target_is_known_by_resource_and_dimension_and_not_by_its_place() {
    let look = scales(
        "orders-b",
        vec![
            target("orders", 7, 9).build().unwrap(),
            target("orders-b", 8, 9)
                .scalable_dimension(ScalableDimension::NeptuneClusterReadReplicaCount)
                .build()
                .unwrap(),
            target("orders-b", 1, 4).build().unwrap(),
        ],
    );
    let register = registers("orders-b", 2, 4);

    toolkit(&[], &[&look, &register]).scale_out(B, 2).await.unwrap();

    assert_eq!(register.num_calls(), 1);
}

#[tokio::test]
async fn targets_are_listed_to_the_last_page() {
    let first = mock!(Client::describe_scalable_targets)
        .match_requests(|it| it.next_token().is_none())
        .then_output(|| {
            DescribeScalableTargetsOutput::builder()
                .set_scalable_targets(Some(Vec::new()))
                .next_token("more")
                .build()
        });
    let second = mock!(Client::describe_scalable_targets)
        .match_requests(|it| it.next_token() == Some("more"))
        .then_output(|| targets(vec![target("orders-b", 1, 4).build().unwrap()]));
    let register = registers("orders-b", 2, 4);

    toolkit(&[], &[&first, &second, &register]).scale_out(B, 2).await.unwrap();

    assert_eq!(register.num_calls(), 1);
}

#[tokio::test]
async fn a_missing_list_of_targets_is_not_an_empty_one() {
    let look = mock!(Client::describe_scalable_targets)
        .then_output(|| DescribeScalableTargetsOutput::builder().build());

    let err = toolkit(&[], &[&look]).scale_out(A, 2).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { .. }), "{err}");
}

#[tokio::test]
async fn a_maximum_that_aws_left_out_is_never_sent_as_zero() {
    for minimum in [0, 2] {
        let look = known("orders-a", minimum, 0);
        let register = mock!(Client::register_scalable_target)
            .then_output(|| RegisterScalableTargetOutput::builder().build());
        let aurora = toolkit(&[], &[&look, &register]);

        let out = aurora.scale_out(A, 2).await.unwrap_err();
        let into = aurora.scale_in(A, Some(1)).await.unwrap_err();

        assert!(matches!(out, Error::Incomplete { .. }), "{out}");
        assert!(matches!(into, Error::Incomplete { .. }), "{into}");
        assert_eq!(register.num_calls(), 0);
    }
}

/// A target whose flags are these.
fn flagged(flags: Suspended) -> Rule {
    let state = SuspendedState::builder()
        .dynamic_scaling_in_suspended(flags.dynamic_in)
        .dynamic_scaling_out_suspended(flags.dynamic_out)
        .scheduled_scaling_suspended(flags.scheduled)
        .build();
    scales("orders-a", vec![target("orders-a", 1, 5).suspended_state(state).build().unwrap()])
}

#[tokio::test]
async fn resuming_sends_the_flags_alone() {
    let before = Suspended { scheduled: true, ..Suspended::default() };
    let look = flagged(Suspended::ALL);
    let register = mock!(Client::register_scalable_target)
        .match_requests(|it| {
            let flags = it.suspended_state();
            it.service_namespace() == Some(&ServiceNamespace::Rds)
                && it.resource_id() == Some("cluster:orders-a")
                && it.scalable_dimension() == Some(&DIMENSION)
                && (it.min_capacity(), it.max_capacity()) == (None, None)
                && flags.and_then(SuspendedState::dynamic_scaling_in_suspended) == Some(false)
                && flags.and_then(SuspendedState::dynamic_scaling_out_suspended) == Some(false)
                && flags.and_then(SuspendedState::scheduled_scaling_suspended) == Some(true)
        })
        .then_output(|| RegisterScalableTargetOutput::builder().build());

    let change = toolkit(&[], &[&look, &register]).resume_scaling(A, before).await.unwrap();

    assert_eq!(change, Change::Made);
    assert_eq!(register.num_calls(), 1);
}

#[tokio::test]
async fn resuming_sends_nothing_where_the_flags_are_so_already() {
    let silent = scales("orders-a", vec![target("orders-a", 1, 5).build().unwrap()]);
    let scheduled = Suspended { scheduled: true, ..Suspended::default() };
    for (look, before) in [(flagged(scheduled), scheduled), (silent, Suspended::default())] {
        let change = toolkit(&[], &[&look]).resume_scaling(A, before).await.unwrap();

        assert_eq!(change, Change::AlreadySo);
    }
}

#[tokio::test]
async fn a_maximum_below_the_configured_minimum_wins() {
    let look = known("orders-a", 0, 2);
    let register = registers("orders-a", 2, 2);
    let mut config = config();
    config.minimum_readers = 3;

    let scaled = toolkit_with(config, &[], &[&look, &register]).scale_in(A, None).await.unwrap();

    assert_eq!(scaled, Scaled { wanted: 3, minimum: 2, maximum: 2 });
}

#[tokio::test(start_paused = true)]
async fn failures_of_application_auto_scaling_are_sorted_into_later_and_final() {
    for (code, message, transient) in [
        ("ConcurrentUpdateException", "", true),
        ("InternalServiceException", "", true),
        ("ValidationException", "Unable to assume IAM role: arn", true),
        ("ValidationException", "Maximum capacity cannot be less than minimum", false),
        ("LimitExceededException", "", false),
        ("FailedResourceAccessException", "", false),
        ("ThrottlingException", "Rate exceeded", true),
    ] {
        let look = known("orders-a", 1, 5);
        let register = mock!(Client::register_scalable_target)
            .then_http_response(move || scaling_refused(code, message));

        let err = toolkit(&[], &[&look, &register]).scale_out(A, 2).await.unwrap_err();

        assert_eq!(err.is_transient(), transient, "{code} {message}: {err}");
        assert!(err.to_string().contains("RegisterScalableTarget"), "{err}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_was_disturbed_may_be_repeated() {
    for code in ["ConcurrentUpdateException", "InvalidNextTokenException"] {
        let look = mock!(Client::describe_scalable_targets)
            .then_http_response(move || scaling_refused(code, ""));

        let err = toolkit(&[], &[&look]).scale_out(A, 2).await.unwrap_err();

        assert!(err.is_transient(), "{code}: {err}");
    }
}
