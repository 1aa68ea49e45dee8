//! [`ecs`], what a hook returns to ECS, and [`direction`], which way ECS is moving traffic.

use std::time::Duration;

use bluegreen_core::BoxError;
use serde::Serialize;
use serde_json::Value;

use super::{Ended, run};
use crate::{event::EcsHook, invocation::Invocation};

/// How soon ECS calls again when the work has had too little time; ECS's own default.
const CALL_AGAIN: Duration = Duration::from_secs(30);

/// The longest time after which ECS is asked to call again. AWS does not say what it takes, and a hook that
/// is called too early only asks for more time.
const LONGEST: Duration = Duration::from_secs(3600);

/// How work for ECS ended.
#[derive(Clone, Debug, PartialEq)]
pub enum EcsAnswer {
    /// The deployment goes on.
    Succeeded,
    /// The deployment is rolled back: why, as a fragment. ECS takes no reason; it is logged.
    Failed(String),
    /// The deployment waits, and ECS calls again.
    InProgress {
        /// After what time: whole seconds, rounded up, at least one and at most an hour.
        call_back: Duration,
        /// What the next call of the same hook is to find in [`EcsHook::hook_details`]: an object, or null for
        /// nothing.
        details: Value,
    },
}

/// Which way ECS is moving traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the revision to come.
    Forward,
    /// Back from it: ECS rolls the deployment back.
    Back,
    /// The event does not tell. Only the stages that shift traffic do.
    Unknown,
}

/// What the function returns to ECS; serializes as ECS reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EcsResponse {
    hook_status: EcsStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_back_delay: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hook_details: Option<Value>,
}

/// What a hook tells ECS to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EcsStatus {
    /// Go on with the deployment.
    Succeeded,
    /// Roll the deployment back.
    Failed,
    /// Wait, and call again.
    InProgress,
}

impl EcsResponse {
    /// Returns what it tells ECS to do.
    pub fn status(&self) -> EcsStatus {
        self.hook_status
    }

    fn of(status: EcsStatus) -> Self {
        Self { hook_status: status, call_back_delay: None, hook_details: None }
    }
}

impl From<EcsAnswer> for EcsResponse {
    fn from(answer: EcsAnswer) -> Self {
        match answer {
            EcsAnswer::Succeeded => Self::of(EcsStatus::Succeeded),
            EcsAnswer::Failed(_) => Self::of(EcsStatus::Failed),
            EcsAnswer::InProgress { call_back, details } => {
                let call_back = call_back.clamp(Duration::from_secs(1), LONGEST);
                let seconds = call_back.as_secs() + u64::from(call_back.subsec_nanos() > 0);
                // ECS merges them with those of the configuration, which are an object.
                let details = Some(details).filter(Value::is_object);
                Self {
                    call_back_delay: Some(seconds),
                    hook_details: details,
                    ..Self::of(EcsStatus::InProgress)
                }
            }
        }
    }
}

/// Tells which way ECS is moving traffic, where an event says it.
///
/// Only at `PRODUCTION_TRAFFIC_SHIFT`, by the weights of production, and at `TEST_TRAFFIC_SHIFT`, by those of the
/// test traffic: the revision to come has some, or it has none and another has. At all other stages the
/// weights are those of before, or there are none.
pub fn direction(event: &EcsHook) -> Direction {
    let details = &event.execution_details;
    let weights = match event.lifecycle_stage.as_str() {
        "PRODUCTION_TRAFFIC_SHIFT" => &details.production_traffic_weights,
        "TEST_TRAFFIC_SHIFT" => &details.test_traffic_weights,
        _ => return Direction::Unknown,
    };
    let target = &details.target_service_revision_arn;
    match weights.get(target) {
        Some(&weight) if weight > 0.0 => Direction::Forward,
        // A weight that is absent is not known to be zero.
        Some(_) if weights.iter().any(|(arn, &weight)| arn != target && weight > 0.0) => {
            Direction::Back
        }
        _ => Direction::Unknown,
    }
}

/// Does the work of a lifecycle hook of ECS, and says what the function is to return, whatever happens.
///
/// | How `work` ends                                      | What is returned          | in a rollback |
/// |------------------------------------------------------|---------------------------|---------------|
/// | [`EcsAnswer::Succeeded`]                             | `SUCCEEDED`               | `SUCCEEDED`   |
/// | [`EcsAnswer::Failed`], an error, a panic             | `FAILED`                  | `SUCCEEDED`   |
/// | not before [`Invocation::deadline_for_work`]         | `IN_PROGRESS`, for 30 s   | `SUCCEEDED`   |
/// | [`EcsAnswer::InProgress`]                            | `IN_PROGRESS`             | `IN_PROGRESS` |
///
/// A rollback is one whose [`direction`] is [`Direction::Back`]: nothing may keep traffic from going back to
/// where it was safe, and what went wrong is logged.
///
/// ECS rolls a deployment back when the function itself fails, so its handler is to return nothing but
/// this. When time is up the work is dropped where it waits and done again at the next call, so **`work`
/// must be idempotent**; the details of the event are passed on to that call.
pub async fn ecs<E: Into<BoxError>>(
    event: &EcsHook,
    invocation: &Invocation,
    work: impl Future<Output = Result<EcsAnswer, E>>,
) -> EcsResponse {
    let stage = event.lifecycle_stage.as_str();
    let deployment = event.resource_arn.as_str();
    let back = direction(event) == Direction::Back;
    let response = match run(invocation.left_for_work(), work).await {
        Ended::With(EcsAnswer::Failed(reason)) | Ended::Failed(reason) => {
            tracing::error!(stage, deployment, reason, rolled_back = back, "the hook failed");
            EcsResponse::of(if back { EcsStatus::Succeeded } else { EcsStatus::Failed })
        }
        Ended::With(answer) => answer.into(),
        Ended::OutOfTime => {
            tracing::warn!(stage, deployment, rolled_back = back, "the hook took too long");
            let details = event.hook_details.clone();
            match back {
                true => EcsResponse::of(EcsStatus::Succeeded),
                false => EcsAnswer::InProgress { call_back: CALL_AGAIN, details }.into(),
            }
        }
    };
    tracing::info!(stage, deployment, status = ?response.status(), "answered ECS");
    response
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, convert::Infallible, future::pending};

    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::{event::ExecutionDetails, invocation::fixture::invocation};

    const QUARTER_HOUR: Duration = Duration::from_secs(900);
    const FORWARD: [(&str, f64); 2] = [("green", 10.5), ("blue", 89.5)];
    const BACK: [(&str, f64); 2] = [("green", 0.0), ("blue", 100.0)];

    fn event(stage: &str, weights: &[(&str, f64)]) -> EcsHook {
        let weights: BTreeMap<_, _> = weights.iter().map(|it| (it.0.to_owned(), it.1)).collect();
        let none = BTreeMap::new();
        let is_test = stage.contains("TEST");
        EcsHook {
            execution_id: "f4fcae0f".to_owned(),
            lifecycle_stage: stage.to_owned(),
            resource_arn: "arn:aws:ecs:eu-west-1:123456789012:service-deployment/shop/web/1"
                .to_owned(),
            execution_details: ExecutionDetails {
                service_arn: "arn:aws:ecs:eu-west-1:123456789012:service/shop/web".to_owned(),
                target_service_revision_arn: "green".to_owned(),
                test_traffic_weights: if is_test { weights.clone() } else { none.clone() },
                production_traffic_weights: if is_test { none } else { weights },
            },
            hook_details: json!({ "cursor": 7 }),
        }
    }

    async fn answered<E: Into<BoxError>>(
        weights: &[(&str, f64)],
        work: impl Future<Output = Result<EcsAnswer, E>>,
    ) -> Value {
        let event = event("PRODUCTION_TRAFFIC_SHIFT", weights);
        let response = ecs(&event, &invocation(QUARTER_HOUR), work).await;
        serde_json::to_value(response).unwrap()
    }

    async fn ends(answer: EcsAnswer) -> Result<EcsAnswer, Infallible> {
        Ok(answer)
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_succeeds_is_answered_with_the_status_alone() {
        let answer = answered(&FORWARD, ends(EcsAnswer::Succeeded)).await;

        assert_eq!(answer, json!({ "hookStatus": "SUCCEEDED" }));
    }

    #[tokio::test(start_paused = true)]
    async fn failure_error_and_panic_roll_a_deployment_back() {
        let failed = json!({ "hookStatus": "FAILED" });

        let said = answered(&FORWARD, ends(EcsAnswer::Failed("red".to_owned()))).await;
        let error = answered(&FORWARD, async { Err("no such table") }).await;
        let panic = answered(&FORWARD, async { panic!("no") as Result<_, BoxError> }).await;

        assert_eq!([said, error, panic], [failed.clone(), failed.clone(), failed]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_holds_up_a_rollback() {
        let succeeded = json!({ "hookStatus": "SUCCEEDED" });

        let said = answered(&BACK, ends(EcsAnswer::Failed("red".to_owned()))).await;
        let error = answered(&BACK, async { Err("no such table") }).await;
        let panic = answered(&BACK, async { panic!("no") as Result<_, BoxError> }).await;
        let long = answered(&BACK, pending::<Result<_, Infallible>>()).await;

        for answer in [said, error, panic, long] {
            assert_eq!(answer, succeeded);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_takes_too_long_asks_for_another_call_with_the_same_details() {
        let began = Instant::now();

        let answer = answered(&FORWARD, pending::<Result<_, Infallible>>()).await;

        assert_eq!(
            answer,
            json!({
                "hookStatus": "IN_PROGRESS", "callBackDelay": 30, "hookDetails": { "cursor": 7 },
            })
        );
        assert_eq!(began.elapsed(), Duration::from_secs(870));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_back_is_asked_for_in_whole_seconds_within_what_ecs_may_take() {
        for (call_back, seconds) in [
            (Duration::ZERO, 1),
            (Duration::from_millis(45_001), 46),
            (Duration::from_secs(60), 60),
            (Duration::MAX, 3600),
        ] {
            let work = ends(EcsAnswer::InProgress { call_back, details: Value::Null });
            let answer = answered(&FORWARD, work).await;

            assert_eq!(answer, json!({ "hookStatus": "IN_PROGRESS", "callBackDelay": seconds }));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn details_that_ecs_could_not_merge_are_left_out() {
        let work = |details| ends(EcsAnswer::InProgress { call_back: CALL_AGAIN, details });

        let text = answered(&FORWARD, work(json!("text"))).await;
        let object = answered(&FORWARD, work(json!({ "cursor": 8 }))).await;

        assert!(text.get("hookDetails").is_none());
        assert_eq!(object["hookDetails"], json!({ "cursor": 8 }));
    }

    #[test]
    fn only_the_stages_that_shift_traffic_tell_the_direction() {
        for (stage, weights, expected) in [
            ("PRODUCTION_TRAFFIC_SHIFT", &FORWARD[..], Direction::Forward),
            ("PRODUCTION_TRAFFIC_SHIFT", &BACK, Direction::Back),
            ("TEST_TRAFFIC_SHIFT", &FORWARD, Direction::Forward),
            ("TEST_TRAFFIC_SHIFT", &BACK, Direction::Back),
            // A forward deployment looks like this, too.
            ("PRE_PRODUCTION_TRAFFIC_SHIFT", &BACK, Direction::Unknown),
            ("POST_TEST_TRAFFIC_SHIFT", &BACK, Direction::Unknown),
            ("A_STAGE_TO_COME", &BACK, Direction::Unknown),
            ("PRODUCTION_TRAFFIC_SHIFT", &[], Direction::Unknown),
            ("PRODUCTION_TRAFFIC_SHIFT", &[("blue", 100.0)], Direction::Unknown),
            ("PRODUCTION_TRAFFIC_SHIFT", &[("green", 0.0)], Direction::Unknown),
            ("PRODUCTION_TRAFFIC_SHIFT", &[("green", 0.0), ("blue", 0.0)], Direction::Unknown),
        ] {
            assert_eq!(direction(&event(stage, weights)), expected, "{stage} {weights:?}");
        }
    }
}
