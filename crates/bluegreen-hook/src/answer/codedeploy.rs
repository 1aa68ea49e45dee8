//! [`codedeploy`], the one report that CodeDeploy waits for.

use std::{fmt, time::Duration};

use bluegreen_codedeploy::{CodeDeployToolkit, HookExecution, HookStatus};
use bluegreen_core::{
    BoxError, Change, Error,
    wait::{self, Look, Pace},
};
use tokio_util::sync::CancellationToken;

use super::{Ended, run};
use crate::invocation::Invocation;

/// How work for CodeDeploy ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The deployment goes on.
    Succeeded,
    /// The deployment fails: why, as a fragment. CodeDeploy takes no reason; it is logged.
    Failed(String),
    /// This invocation reports nothing: another one will, or the lifecycle event is no longer running.
    Later,
}

/// What was reported to CodeDeploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The answer. It is [`Answer::Failed`] for work that failed, panicked or took too long, too.
    pub answer: Answer,
    /// Whether the lifecycle event was over before: reported by an earlier invocation, timed out, or stopped. Then
    /// the answer has changed nothing.
    pub was_over: bool,
}

/// A report that CodeDeploy did not take; whether it knows the answer all the same is not known.
///
/// The function is to return it, so that Lambda sends the event again.
#[derive(Debug, thiserror::Error)]
#[error("the lifecycle hook of deployment `{deployment_id}` could not be reported as {status}")]
pub struct AnswerError {
    /// The deployment.
    pub deployment_id: String,
    /// What would have been reported.
    pub answer: Answer,
    /// The word for it.
    status: &'static str,
    /// Why it was not taken.
    source: BoxError,
}

/// Does the work of a lifecycle hook, and reports how it ended to CodeDeploy, exactly once.
///
/// | How `work` ends                                      | What is reported |
/// |------------------------------------------------------|------------------|
/// | [`Answer::Succeeded`]                                | `Succeeded`      |
/// | [`Answer::Failed`], an error, a panic                | `Failed`         |
/// | not before [`Invocation::deadline_for_work`]         | `Failed`         |
/// | [`Answer::Later`]                                    | nothing          |
///
/// A report that was throttled, met a fault of AWS or got no answer is repeated until a second before the
/// invocation's deadline. A lifecycle event that is over already is success ([`Reported::was_over`]).
///
/// CodeDeploy calls hooks asynchronously, and such events may come twice, and again after an
/// error. So **`work` must be idempotent**: done a second time, also beside the first, it must come to the
/// same end. Of two reports of one event, CodeDeploy takes the first.
///
/// Work that is out of time is dropped where it waits, and work that never waits cannot be dropped: ask
/// [`Invocation::left_for_work`] before beginning what takes long, and hand over in time with
/// [`Answer::Later`]. Whoever drops the future of this function itself gets no report.
///
/// Calls what [`CodeDeployToolkit::report`] calls.
///
/// # Errors
///
/// [`AnswerError`] when the report was refused, or not taken in time. The deployment then waits, up to its
/// hour, for Lambda to send the event again.
pub async fn codedeploy<E: Into<BoxError>>(
    client: &dyn CodeDeployToolkit,
    event: HookExecution,
    invocation: &Invocation,
    work: impl Future<Output = Result<Answer, E>>,
) -> Result<Reported, AnswerError> {
    let deployment_id = event.deployment_id.clone();
    let answer = match run(invocation.left_for_work(), work).await {
        Ended::With(answer) => answer,
        Ended::Failed(why) => Answer::Failed(why),
        Ended::OutOfTime => Answer::Failed(
            "the work took longer than the function may run, and was given up".to_owned(),
        ),
    };
    let status = match &answer {
        Answer::Later => {
            tracing::info!(deployment_id, "another invocation reports, if any is needed");
            return Ok(Reported { answer, was_over: false });
        }
        Answer::Succeeded => HookStatus::Succeeded,
        Answer::Failed(reason) => {
            tracing::error!(deployment_id, reason, "the hook failed");
            HookStatus::Failed
        }
    };

    match report(client, event, status, invocation.left_for_answer()).await {
        Ok(change) => {
            let was_over = change == Change::AlreadySo;
            tracing::info!(deployment_id, %answer, was_over, "reported to CodeDeploy");
            Ok(Reported { answer, was_over })
        }
        Err(source) => {
            let status = match status {
                HookStatus::Succeeded => "`Succeeded`",
                HookStatus::Failed => "`Failed`",
            };
            Err(AnswerError { deployment_id, answer, status, source })
        }
    }
}

/// Reports until CodeDeploy has taken it, or time is up.
async fn report(
    client: &dyn CodeDeployToolkit,
    event: HookExecution,
    status: HookStatus,
    left: Duration,
) -> Result<Change, BoxError> {
    let pace = Pace {
        first_look: Duration::from_millis(500),
        longest_look: Duration::from_secs(5),
        // The time-out below ends it, also while a report is under way.
        deadline: Duration::MAX,
    };
    let cancel = CancellationToken::new();
    let mut last = None;
    let repeated = wait::until(
        "the report",
        pace,
        &cancel,
        |_| {},
        async || match client.report(event.clone(), status).await {
            Ok(Change::NotYet { reason }) => Ok(Look::Waiting(reason)),
            Ok(change) => Ok(Look::Ready(change)),
            Err(err) if err.is_transient() => {
                tracing::warn!(
                    deployment_id = event.deployment_id,
                    error = &err as &dyn std::error::Error,
                    "the report is repeated"
                );
                let waiting_for = err.to_string();
                last = Some(err);
                Ok(Look::Waiting(waiting_for))
            }
            Err(err) => Err(err),
        },
    );
    match tokio::time::timeout(left, repeated).await {
        Ok(reported) => reported.map_err(Into::into),
        Err(out_of_time) => Err(last.map_or_else(|| out_of_time.into(), Error::into)),
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::Later => "later",
        })
    }
}

#[cfg(test)]
mod tests;
