//! What is reported to CodeDeploy, when, and how often.

use std::{
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bluegreen_codedeploy::{Deployment, DeploymentGroup, MockCodeDeployToolkit, Target};
use bluegreen_core::Result as CoreResult;
use tokio::time::Instant;

use super::*;
use crate::invocation::fixture::invocation;

const QUARTER_HOUR: Duration = Duration::from_secs(900);

fn event() -> HookExecution {
    HookExecution {
        deployment_id: "d-1".to_owned(),
        lifecycle_event_hook_execution_id: "eyJl".to_owned(),
    }
}

fn throttled() -> Error {
    Error::Throttled {
        operation: "codedeploy:PutLifecycleEventHookExecutionStatus",
        source: "slow down".into(),
    }
}

fn denied() -> Error {
    Error::AccessDenied {
        operation: "codedeploy:PutLifecycleEventHookExecutionStatus",
        source: "no".into(),
    }
}

/// Takes exactly one report of that status.
fn takes(status: HookStatus) -> MockCodeDeployToolkit {
    let mut client = MockCodeDeployToolkit::new();
    client
        .expect_report()
        .withf(move |event, sent| event.deployment_id == "d-1" && *sent == status)
        .times(1)
        .returning(|_, _| Ok(Change::Made));
    client
}

async fn succeeds() -> Result<Answer, Infallible> {
    Ok(Answer::Succeeded)
}

fn why(reported: &Reported) -> &str {
    let Answer::Failed(why) = &reported.answer else { panic!("{reported:?}") };
    why
}

/// CodeDeploy as it answers two invocations, of which the first report of an event counts; or as it does not answer.
#[derive(Debug, Default)]
struct CodeDeploy {
    is_silent: bool,
    taken: Mutex<Vec<HookStatus>>,
}

impl CodeDeploy {
    fn silent() -> Self {
        Self { is_silent: true, ..Self::default() }
    }
}

/// Only reports are asked of it.
#[async_trait]
impl CodeDeployToolkit for CodeDeploy {
    async fn report(&self, _: HookExecution, status: HookStatus) -> CoreResult<Change> {
        if self.is_silent {
            return pending().await;
        }
        let mut taken = self.taken.lock().unwrap();
        if !taken.is_empty() {
            return Ok(Change::AlreadySo);
        }
        taken.push(status);
        Ok(Change::Made)
    }

    async fn running_lifecycle_event(&self, _: &str) -> CoreResult<Option<String>> {
        pending().await
    }

    async fn deployment(&self, _: &str) -> CoreResult<Deployment> {
        pending().await
    }

    async fn target(&self, _: &str) -> CoreResult<Option<Target>> {
        pending().await
    }

    async fn under_way(&self, _: &str, _: &str) -> CoreResult<Vec<String>> {
        pending().await
    }

    async fn deployment_group(&self, _: &str, _: &str) -> CoreResult<DeploymentGroup> {
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_succeeds_is_reported_so_at_once() {
    let began = Instant::now();
    let client = takes(HookStatus::Succeeded);

    let reported = codedeploy(&client, event(), &invocation(QUARTER_HOUR), succeeds()).await;

    assert_eq!(reported.unwrap(), Reported { answer: Answer::Succeeded, was_over: false });
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn work_that_says_so_is_reported_as_failed() {
    let client = takes(HookStatus::Failed);
    let work = async { Ok::<_, Infallible>(Answer::Failed("the test is red".to_owned())) };

    let reported = codedeploy(&client, event(), &invocation(QUARTER_HOUR), work).await;

    assert_eq!(why(&reported.unwrap()), "the test is red");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_reported_as_failed_with_its_causes() {
    let client = takes(HookStatus::Failed);

    let work = async { Err(denied()) };
    let reported = codedeploy(&client, event(), &invocation(QUARTER_HOUR), work).await;

    assert!(why(&reported.unwrap()).ends_with("HookExecutionStatus`: no"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_reported_as_failed() {
    let client = takes(HookStatus::Failed);

    let work = async { panic!("no such table") as Result<_, BoxError> };
    let reported = codedeploy(&client, event(), &invocation(QUARTER_HOUR), work).await;

    assert_eq!(why(&reported.unwrap()), "the work panicked: no such table");
}

#[tokio::test(start_paused = true)]
async fn work_that_takes_too_long_is_dropped_and_reported_half_a_minute_before_the_end() {
    let began = Instant::now();
    let client = takes(HookStatus::Failed);
    let held = Arc::new(());
    let holder = Arc::clone(&held);

    let work = async move {
        let _holder = holder;
        pending::<Result<Answer, Infallible>>().await
    };
    let reported = codedeploy(&client, event(), &invocation(QUARTER_HOUR), work).await;

    assert!(why(&reported.unwrap()).contains("took longer"));
    assert_eq!(began.elapsed(), Duration::from_secs(870));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_after_its_report_is_success_and_changes_nothing() {
    let client = CodeDeploy::default();
    let invocation = invocation(QUARTER_HOUR);

    let first = codedeploy(&client, event(), &invocation, succeeds()).await.unwrap();
    let failing = async { Err("the stack has moved on") };
    let again = codedeploy(&client, event(), &invocation, failing).await.unwrap();

    assert!(!first.was_over && again.was_over);
    assert_eq!(*client.taken.lock().unwrap(), [HookStatus::Succeeded]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_report_is_repeated_until_it_is_taken() {
    let began = Instant::now();
    let mut client = MockCodeDeployToolkit::new();
    client.expect_report().times(3).returning(|_, _| Err(throttled()));
    client.expect_report().times(1).returning(|_, _| Ok(Change::Made));

    let reported = codedeploy(&client, event(), &invocation(QUARTER_HOUR), succeeds()).await;

    assert_eq!(reported.unwrap().answer, Answer::Succeeded);
    assert_eq!(began.elapsed(), Duration::from_millis(500 + 750 + 1_125));
}

#[tokio::test(start_paused = true)]
async fn a_report_that_never_works_is_an_error_a_second_before_the_end() {
    let began = Instant::now();
    let mut client = MockCodeDeployToolkit::new();
    client.expect_report().times(6..).returning(|_, _| Err(throttled()));

    let err = codedeploy(&client, event(), &invocation(QUARTER_HOUR), succeeds()).await;

    let err = err.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(899));
    assert_eq!(err.answer, Answer::Succeeded);
    assert_eq!(
        err.to_string(),
        "the lifecycle hook of deployment `d-1` could not be reported as `Succeeded`"
    );
    let cause = std::error::Error::source(&err).unwrap().to_string();
    assert!(cause.contains("was throttled"), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn a_report_without_any_answer_is_an_error_a_second_before_the_end() {
    let began = Instant::now();

    let work = pending::<Result<Answer, Infallible>>();
    let err = codedeploy(&CodeDeploy::silent(), event(), &invocation(QUARTER_HOUR), work)
        .await
        .unwrap_err();

    assert_eq!(began.elapsed(), Duration::from_secs(899));
    assert!(matches!(err.answer, Answer::Failed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_refused_is_not_repeated() {
    let began = Instant::now();
    let mut client = MockCodeDeployToolkit::new();
    client.expect_report().times(1).returning(|_, _| Err(denied()));

    let err = codedeploy(&client, event(), &invocation(QUARTER_HOUR), succeeds()).await;

    assert!(std::error::Error::source(&err.unwrap_err()).is_some());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_another_invocation_reports_is_not_reported_by_this_one() {
    let mut client = MockCodeDeployToolkit::new();
    client.expect_report().never();
    let work = async { Ok::<_, Infallible>(Answer::Later) };

    let reported = codedeploy(&client, event(), &invocation(QUARTER_HOUR), work).await;

    assert_eq!(reported.unwrap(), Reported { answer: Answer::Later, was_over: false });
}

#[tokio::test(start_paused = true)]
async fn work_in_two_phases_is_handed_over_by_one_invocation_and_reported_by_the_next() {
    let client = CodeDeploy::default();
    let first = invocation(QUARTER_HOUR);
    let phases = Mutex::new(0);
    let work = async |invocation: &Invocation| {
        tokio::time::advance(Duration::from_secs(600)).await;
        *phases.lock().unwrap() += 1;
        // The second phase takes ten minutes, too.
        let enough = invocation.left_for_work() > Duration::from_secs(600);
        let done = *phases.lock().unwrap() == 2;
        assert!(done || !enough);
        Ok::<_, Infallible>(if done { Answer::Succeeded } else { Answer::Later })
    };

    let handed_over = codedeploy(&client, event(), &first, work(&first)).await.unwrap();
    let second = invocation(QUARTER_HOUR);
    let reported = codedeploy(&client, event(), &second, work(&second)).await.unwrap();

    assert_eq!(handed_over.answer, Answer::Later);
    assert_eq!(reported.answer, Answer::Succeeded);
    assert_eq!(*client.taken.lock().unwrap(), [HookStatus::Succeeded]);
}
