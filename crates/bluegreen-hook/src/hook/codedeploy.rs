//! The hooks of CodeDeploy: which lifecycle event is running, and what is done about it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bluegreen_codedeploy::{Deployment, HookExecution, LifecycleEvent};
use bluegreen_core::StackReference;
use bluegreen_deploy::{CodeDeployTraffic, Error, Mover, stack_file::CodeDeployServes};
use serde_json::{Value, json};

use super::{
    Hook, HookError,
    act::Act,
    hand_over::MOST_HAND_OVERS,
    part::{Known, Part, Participant, part},
    session::{Progress, Session},
};
use crate::{
    answer::{self, Answer},
    event::HandOver,
    invocation::Invocation,
};

/// How long CodeDeploy waits for the report of a hook.
const REPORT_WITHIN: Duration = Duration::from_secs(3600);

/// How long before that a hook is reported as failed that cannot be done in time.
const TO_REPORT: Duration = Duration::from_secs(120);

impl Hook {
    /// Does what a hook of CodeDeploy asks for, and reports how that ended.
    pub(super) async fn answer_codedeploy(
        &self,
        work: HandOver,
        invocation: &Invocation,
    ) -> Result<Value, HookError> {
        let event = work.hook.clone();
        let done = self.lifecycle_event(work, invocation);
        let reported =
            answer::codedeploy(self.codedeploy().as_ref(), event, invocation, done).await?;
        Ok(json!({ "reported": format!("{reported:?}") }))
    }

    async fn lifecycle_event(
        &self,
        work: HandOver,
        invocation: &Invocation,
    ) -> Result<Answer, HookError> {
        let HookExecution { deployment_id: id, lifecycle_event_hook_execution_id: run } =
            &work.hook;
        let deployment = self.codedeploy().deployment(id).await.map_err(Error::from)?;
        if deployment.status.has_ended() {
            tracing::info!(deployment = id, status = ?deployment.status, "it has ended: nothing is done");
            return Ok(Answer::Later);
        }
        let Some(running) = self.running(id).await? else {
            tracing::info!(deployment = id, "no lifecycle event is running: nothing is done");
            return Ok(Answer::Later);
        };
        tracing::info!(
            deployment = id,
            event = running.name,
            count = work.count,
            "a hook of CodeDeploy"
        );

        let session = Session::open(self, invocation).await?;
        let Some(traffic) = session.traffic_of(&deployment) else {
            return Ok(Answer::Failed(format!(
                "the stack file has no `[traffic.*]` table with `mover = \"codedeploy\"` for deployment group `{}` \
                 of application `{}`",
                deployment.deployment_group, deployment.application
            )));
        };
        let stack = match session.bound_to(&traffic, &deployment, &running).await? {
            Ok(stack) => stack,
            Err(reason) => return Ok(Answer::Failed(reason)),
        };
        let store = session.read_store().await?;
        let known = Participant::of(&store, traffic.name())?;
        let known = known.filter(|it| it.deployment == *id);
        // Lambda repeats an event up to six hours later: by then another may be running.
        if let Some(name) = known.as_ref().and_then(|it| it.hooks.get(run))
            && *name != running.name
        {
            tracing::info!(was = name, "this hook's event has ended: nothing is done");
            return Ok(Answer::Later);
        }
        let part = part(
            &store,
            &session.engine,
            Known {
                stack,
                is_rollback: deployment.is_rollback(),
                takes_part: known.is_some(),
                opens: opens(&traffic, &running.name),
            },
        )?;
        drop(store);
        let to = match part {
            Part::None => {
                tracing::info!(%stack, "it changes nothing about the stacks");
                return Ok(Answer::Succeeded);
            }
            Part::Back => {
                tracing::info!(%stack, "it brings production back: the release is taken back afterwards");
                return Ok(Answer::Succeeded);
            }
            Part::Refused(reasons) => return Ok(Answer::Failed(reasons.join("; "))),
            Part::Release(to) => to,
        };
        let participant = Participant::called(known, id, Some((run, &running.name)));
        session.take_part(work, &running, to, &traffic, participant).await
    }

    /// Returns the lifecycle event that is running, by CodeDeploy's word. Where the settings say for which one the
    /// function is, that counts: another one is none of its own, and without an answer it is taken to be running.
    async fn running(&self, id: &str) -> Result<Option<LifecycleEvent>, HookError> {
        let asked = self.codedeploy().target(id).await;
        let Some(own) = &self.settings.lifecycle_event else {
            let target = asked.map_err(Error::from)?;
            return Ok(target.and_then(|it| it.running));
        };
        Ok(match asked {
            Ok(target) => target.and_then(|it| it.running).filter(|it| it.name == *own),
            Err(err) => {
                tracing::warn!("CodeDeploy does not say which event is running: {err}");
                Some(LifecycleEvent { name: own.clone(), since: None })
            }
        })
    }
}

impl Session<'_> {
    /// Returns the mover of the stack file that a deployment belongs to.
    pub(super) fn traffic_of(&self, deployment: &Deployment) -> Option<Arc<CodeDeployTraffic>> {
        let mut movers = self.platforms.codedeploy.iter();
        let own = movers.find(|it| {
            let settings = it.settings();
            settings.application == deployment.application
                && settings.deployment_group == deployment.deployment_group
        });
        own.map(Arc::clone)
    }

    /// Reads which stack a deployment is for; after its tasks are there, from what they really are.
    async fn bound_to(
        &self,
        traffic: &CodeDeployTraffic,
        deployment: &Deployment,
        running: &LifecycleEvent,
    ) -> Result<Result<StackReference, String>, HookError> {
        let stack = match traffic.stack_of(deployment).await {
            Ok(stack) => stack,
            Err(Error::Refused { reasons }) => return Ok(Err(reasons.join("; "))),
            Err(err) => return Err(err.into()),
        };
        if running.name != "AfterInstall" {
            return Ok(Ok(stack));
        }
        Ok(match traffic.stack_of_replacement(&deployment.id).await {
            Ok(Some(real)) if real == stack => Ok(stack),
            Ok(Some(real)) => Err(format!(
                "deployment {} is bound to stack {stack}, but the tasks that it has started to stack {real}",
                deployment.id
            )),
            Ok(None) => Err(format!(
                "deployment {} is bound to stack {stack}, but the tasks that it has started are not to be seen",
                deployment.id
            )),
            Err(Error::Refused { reasons }) => Err(reasons.join("; ")),
            Err(err) => return Err(err.into()),
        })
    }

    /// Does the part of the release that belongs to a lifecycle event, and hands it over when time is up.
    async fn take_part(
        self,
        work: HandOver,
        running: &LifecycleEvent,
        to: StackReference,
        traffic: &Arc<CodeDeployTraffic>,
        participant: Participant,
    ) -> Result<Answer, HookError> {
        let Some(act) = act(traffic, &running.name) else { return Ok(Answer::Succeeded) };
        let key = Participant::key(traffic.name());
        let session = self.with_note(&key, participant.note()).with_end(end(running));
        let mover: &dyn Mover = traffic.as_ref();
        let progress = session
            .in_store_in_turn(async |store| {
                // It may have been noted meanwhile that the guardrails have been asked.
                let known = Participant::of(store, mover.name())?;
                let known = known.filter(|it| it.deployment == participant.deployment);
                let allowed = known.is_some_and(|it| it.allowed);
                let participant = Participant { allowed, ..participant.clone() };
                session.act(store, act, to, mover, &participant).await
            })
            .await?;
        match progress {
            Progress::Done => Ok(Answer::Succeeded),
            Progress::Failed(reasons) => Ok(Answer::Failed(reasons.join("; "))),
            Progress::Unfinished => session.hand_over(work, running).await,
        }
    }

    /// Lets another invocation go on with the hook, if there is time for that.
    async fn hand_over(
        &self,
        work: HandOver,
        running: &LifecycleEvent,
    ) -> Result<Answer, HookError> {
        let waits = self.watch.waiting_for().join("; ");
        let longer = "let `bluegreen prepare` run before the deployment: then the hook only looks";
        if work.count >= MOST_HAND_OVERS {
            return Ok(Answer::Failed(format!(
                "it was handed over {MOST_HAND_OVERS} times and is not done ({waits}): {longer}"
            )));
        }
        if end(running).is_some_and(|it| it <= self.invocation.clock.now()) {
            return Ok(Answer::Failed(format!(
                "CodeDeploy waits for a hook for an hour, and it is not done ({waits}): {longer}"
            )));
        }
        let next = HandOver { count: work.count + 1, ..work };
        tracing::info!(count = next.count, waits, "handed over to another invocation");
        self.hook
            .successor()
            .start(&self.invocation.function_arn, &next)
            .await
            .map_err(Error::from)?;
        Ok(Answer::Later)
    }
}

/// Returns when the work of a hook must be done, so that it can still be reported in time.
fn end(running: &LifecycleEvent) -> Option<SystemTime> {
    running.since.map(|it| it + (REPORT_WITHIN - TO_REPORT))
}

/// Returns whether it is the first hook of a deployment. On the Lambda platform there are only two.
fn opens(traffic: &CodeDeployTraffic, event: &str) -> bool {
    match traffic.settings().serves {
        CodeDeployServes::Function { .. } => event == "BeforeAllowTraffic",
        CodeDeployServes::Service { .. } => event == "BeforeInstall",
    }
}

/// Returns what is done about a lifecycle event; nothing about `AfterInstall`, whose question is which stack the tasks
/// are bound to, nor about those that nobody knows yet.
fn act(traffic: &CodeDeployTraffic, event: &str) -> Option<Act> {
    match event {
        "BeforeInstall" => Some(Act::Prepare),
        "AfterAllowTestTraffic" => Some(Act::Test),
        "BeforeAllowTraffic" => Some(Act::Guardrails),
        "AfterAllowTraffic" => Some(Act::Promote),
        _ => {
            tracing::info!(event, mover = traffic.name(), "nothing is to be done at this event");
            None
        }
    }
}
