//! The hooks of CodeDeploy: how they are answered, whatever is known or not.

use std::time::Duration;

use bluegreen_deploy::Error;
use serde_json::{Value, json};

use super::{
    Hook, HookError,
    hand_over::MOST_HAND_OVERS,
    session::{Session, told},
};
use crate::{
    answer::{self, Answer, Ended},
    event::HandOver,
    invocation::Invocation,
};

/// How long handing over may take, before the answer has to be given.
const TO_HAND_OVER: Duration = Duration::from_secs(5);

/// How long giving the answer may take.
const TO_ANSWER: Duration = Duration::from_millis(500);

/// The lifecycle event at which production has moved. At those before it has not.
const LAST_EVENT: &str = "AfterAllowTraffic";

/// The time between two looks at what nobody knows for now.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What to do about a stack that takes longer than CodeDeploy waits.
const PREPARE_BEFORE: &str =
    "let `bluegreen prepare` run before the deployment: then the hook only looks";

/// How the work of a hook ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Worked {
    /// It is to be answered.
    Answer(Answer),
    /// It is not done, for want of time: what it waits for, and whether CodeDeploy waits no longer.
    Unfinished {
        /// What it waits for.
        waits: String,
        /// Whether CodeDeploy's hour is over.
        is_late: bool,
    },
}

impl Hook {
    /// Does what a hook of CodeDeploy asks for, and reports how that ended.
    pub(super) async fn answer_codedeploy(
        &self,
        work: HandOver,
        invocation: &Invocation,
    ) -> Result<Value, HookError> {
        let event = work.hook.clone();
        let done = self.in_time(&work, invocation);
        let reported =
            answer::codedeploy(self.codedeploy().as_ref(), event, invocation, done).await;
        let outcome = reported.as_ref().map_or("unreported".to_owned(), |it| it.answer.to_string());
        self.count("codedeploy", &outcome, invocation);
        let reported = reported?;
        Ok(json!({ "reported": reported.answer.to_string(), "was-over": reported.was_over }))
    }

    /// Does the work for as long as there is time; what is not done then is handed over. After the pointer has moved
    /// nothing is answered as failed.
    async fn in_time(&self, work: &HandOver, invocation: &Invocation) -> Result<Answer, HookError> {
        let limit = invocation.left_for_work().saturating_sub(TO_HAND_OVER);
        // What each of them keeps while it waits is large.
        let worked = Box::pin(async {
            let worked = self.until_known(work, invocation).await;
            worked.map_err(|err| err.to_string())
        });
        let worked = answer::run(limit, worked).await;
        let left = invocation.left_for_work().saturating_sub(TO_ANSWER);
        // A hook that nobody is at work on is found by the reconciler.
        let answered = Box::pin(self.answer_to(worked, work, invocation));
        let answered = tokio::time::timeout(left, answered).await;
        Ok(answered.unwrap_or(Answer::Later))
    }

    /// Answers what was worked, or hands it over.
    async fn answer_to(
        &self,
        worked: Ended<Worked>,
        work: &HandOver,
        invocation: &Invocation,
    ) -> Answer {
        let answer = match worked {
            Ended::With(Worked::Answer(answer)) => answer,
            Ended::With(Worked::Unfinished { waits, is_late }) => {
                self.hand_over(work, &waits, is_late, invocation).await
            }
            Ended::Failed(reason) => Answer::Failed(reason),
            Ended::OutOfTime => self.hand_over(work, "AWS to answer", false, invocation).await,
        };
        let Answer::Failed(reason) = answer else { return answer };
        let promoted = async {
            let session = Session::open(self, invocation).await?;
            Ok::<_, HookError>(session.has_promoted(&work.hook.deployment_id).await?)
        };
        match promoted.await {
            Ok(true) => {
                tracing::error!(
                    reason,
                    "production has moved: the hook is not failed, the reconciler goes on"
                );
                Answer::Succeeded
            }
            Ok(false) => Answer::Failed(reason),
            // It may have moved: whoever comes next looks.
            Err(err) if err.is_transient() && work.count < MOST_HAND_OVERS => {
                self.hand_over(work, &err.to_string(), false, invocation).await
            }
            Err(_) => match self.shown(&work.hook.deployment_id).await {
                Ok(shown) if shown.as_ref().is_none_or(|it| it.name != LAST_EVENT) => {
                    Answer::Failed(reason)
                }
                _ => {
                    tracing::error!(
                        reason,
                        "whether production has moved is not known: the hook is not failed"
                    );
                    Answer::Later
                }
            },
        }
    }

    /// Does the work; what cannot be known for now is looked at again.
    async fn until_known(
        &self,
        work: &HandOver,
        invocation: &Invocation,
    ) -> Result<Worked, HookError> {
        loop {
            match self.lifecycle_event(work, invocation).await {
                Err(err) if err.is_transient() => tracing::warn!("it is looked at again: {err}"),
                worked => return worked,
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "AWS tells nobody when it answers again"
            )]
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Lets another invocation go on with the hook, if CodeDeploy still waits for it.
    async fn hand_over(
        &self,
        work: &HandOver,
        waits: &str,
        is_late: bool,
        invocation: &Invocation,
    ) -> Answer {
        if is_late {
            return Answer::Failed(format!(
                "CodeDeploy waits for a hook for an hour, and it is not done ({waits}): {PREPARE_BEFORE}"
            ));
        }
        if work.count >= MOST_HAND_OVERS {
            return Answer::Failed(format!(
                "it was handed over {MOST_HAND_OVERS} times and is not done ({waits}): {PREPARE_BEFORE}"
            ));
        }
        let next = HandOver { count: work.count + 1, ..work.clone() };
        tracing::info!(count = next.count, waits, "handed over to another invocation");
        match self.successor().start(&invocation.function_arn, &next).await {
            Ok(()) => Answer::Later,
            // It may have been started all the same; otherwise the reconciler finds the hook.
            Err(err) if err.is_transient() => {
                tracing::warn!("whether another invocation was started is not known: {err}");
                Answer::Later
            }
            Err(err) => Answer::Failed(told(&Error::from(err)).join("; ")),
        }
    }
}
