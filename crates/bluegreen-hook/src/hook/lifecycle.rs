//! The lifecycle events of CodeDeploy: which one is running, and what is done about it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bluegreen_codedeploy::{Deployment, HookExecution, LifecycleEvent};
use bluegreen_core::StackReference;
use bluegreen_deploy::{
    CodeDeployTraffic, Error, Moment, Mover, Store, stack_file::CodeDeployServes,
};

use super::{
    Hook, HookError,
    act::Act,
    codedeploy::Worked,
    part::{Known, Part},
    participant::{Participant, Run},
    session::{Progress, Session},
};
use crate::{answer::Answer, event::HandOver, invocation::Invocation};

/// How long CodeDeploy waits for the report of a hook.
const REPORT_WITHIN: Duration = Duration::from_secs(3600);

/// How long before that a hook is reported as failed that cannot be done in time.
const TO_REPORT: Duration = Duration::from_secs(120);

/// How long CodeDeploy may take to show what it calls for.
const SHOWN_WITHIN: Duration = Duration::from_secs(120);

/// The time between two looks at it.
const LOOK: Duration = Duration::from_secs(5);

/// Whether the event of a run of a hook is running.
enum Running {
    /// It is; with the store as it was read.
    Now(LifecycleEvent, Box<Store>),
    /// It has ended.
    Over,
    /// CodeDeploy does not show it yet.
    NotShown,
}

impl Hook {
    /// Does what a hook of CodeDeploy asks for, if its lifecycle event is running.
    pub(super) async fn lifecycle_event(
        &self,
        work: &HandOver,
        invocation: &Invocation,
    ) -> Result<Worked, HookError> {
        let id = work.hook.deployment_id.as_str();
        let answer = |answer| Ok(Worked::Answer(answer));
        let deployment = self.codedeploy().deployment(id).await.map_err(Error::from)?;
        if deployment.status.has_ended() {
            tracing::info!(deployment = id, status = ?deployment.status, "it has ended: nothing is done");
            return answer(Answer::Later);
        }
        if deployment.is_rollback() {
            tracing::info!(
                deployment = id,
                "CodeDeploy goes back: the release is taken back afterwards"
            );
            return answer(Answer::Succeeded);
        }
        let session = Session::open(self, invocation).await?;
        let Some(traffic) = session.traffic_of(&deployment) else {
            return answer(Answer::Failed(format!(
                "the stack file has no `[traffic.*]` table with `mover = \"codedeploy\"` for deployment group `{}` \
                 of application `{}`",
                deployment.deployment_group, deployment.application
            )));
        };
        let (running, store) = match session.running(&traffic, &work.hook).await? {
            Running::Now(running, store) => (running, store),
            Running::Over => {
                tracing::info!(deployment = id, "its lifecycle event has ended: nothing is done");
                return answer(Answer::Later);
            }
            Running::NotShown => {
                let waits = "CodeDeploy to show the lifecycle event".to_owned();
                return Ok(Worked::Unfinished { waits, is_late: false });
            }
        };
        tracing::info!(
            deployment = id,
            event = running.name,
            count = work.count,
            "a hook of CodeDeploy"
        );

        let stack = match traffic.stack_of(&deployment).await {
            Ok(stack) => stack,
            Err(Error::Refused { reasons }) => return answer(Answer::Failed(reasons.join("; "))),
            Err(err) => return Err(err.into()),
        };
        let takes_part =
            Participant::of(&store, traffic.name())?.is_some_and(|it| it.deployment == id);
        let known = Known { stack, takes_part, opens: opens(&traffic, &running.name) };
        match session.part(&store, known).await? {
            Part::None => {
                tracing::info!(%stack, "it changes nothing about the stacks");
                answer(Answer::Succeeded)
            }
            Part::Back => {
                tracing::info!(%stack, "it brings production back: the release is taken back afterwards");
                answer(Answer::Succeeded)
            }
            Part::Refused(reasons) => answer(Answer::Failed(reasons.join("; "))),
            Part::Release(to) => {
                let worked = session.take_part(work, &running, to, known, &traffic).await?;
                if act(&traffic, &running.name) != Some(Act::Bind)
                    || worked != Worked::Answer(Answer::Succeeded)
                {
                    return Ok(worked);
                }
                // Who has given the lease back makes no more calls.
                let session = Session::open(self, invocation).await?;
                let Some(traffic) = session.traffic_of(&deployment) else { return Ok(worked) };
                session.binds_as_read(&traffic, &deployment, stack).await
            }
        }
    }
}

impl Session<'_> {
    /// Returns the mover of the stack file that a deployment belongs to.
    fn traffic_of(&self, deployment: &Deployment) -> Option<Arc<CodeDeployTraffic>> {
        let mut movers = self.platforms.codedeploy.iter();
        let own = movers.find(|it| {
            let settings = it.settings();
            settings.application == deployment.application
                && settings.deployment_group == deployment.deployment_group
        });
        own.map(Arc::clone)
    }

    /// Returns whether the function is for an event; without a word in its settings it is for all of them.
    fn is_for(&self, event: &str) -> bool {
        self.hook.settings.lifecycle_event.as_ref().is_none_or(|it| it == event)
    }

    /// Asks CodeDeploy whether the event of a hook is running, and again while it shows none, or one that is over.
    async fn running(
        &self,
        traffic: &CodeDeployTraffic,
        hook: &HookExecution,
    ) -> Result<Running, HookError> {
        let HookExecution { deployment_id: id, lifecycle_event_hook_execution_id: run } = hook;
        let began = tokio::time::Instant::now();
        loop {
            let store = self.read_store().await?;
            let known = Participant::of(&store, traffic.name())?;
            let known = Participant::joined(known, id);
            let shown = self.hook.shown(id).await?;
            match shown {
                Some(event) if self.is_for(&event.name) && known.can_be(run, &event.name) => {
                    return Ok(Running::Now(event, Box::new(store)));
                }
                Some(_) if known.hooks.contains_key(run) => return Ok(Running::Over),
                _ if began.elapsed() >= SHOWN_WITHIN || self.left() <= LOOK => {
                    return Ok(Running::NotShown);
                }
                _ => {}
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "AWS shows some seconds late what it does"
            )]
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Compares the binding as it was read with that of the tasks that were started.
    async fn binds_as_read(
        &self,
        traffic: &CodeDeployTraffic,
        deployment: &Deployment,
        stack: StackReference,
    ) -> Result<Worked, HookError> {
        let id = &deployment.id;
        let began = tokio::time::Instant::now();
        loop {
            match traffic.stack_of_replacement(id).await {
                Ok(Some(real)) if real == stack => return Ok(Worked::Answer(Answer::Succeeded)),
                Ok(Some(real)) => {
                    return Ok(Worked::Answer(Answer::Failed(format!(
                        "deployment {id} is bound to stack {stack}, but the tasks that it has started to stack {real}"
                    ))));
                }
                Err(Error::Refused { reasons }) => {
                    return Ok(Worked::Answer(Answer::Failed(reasons.join("; "))));
                }
                Ok(None) => {}
                Err(err) if err.is_absent() => {}
                Err(err) => return Err(err.into()),
            }
            if began.elapsed() >= SHOWN_WITHIN || self.left() <= LOOK {
                let waits = "the tasks that were started to be shown".to_owned();
                return Ok(Worked::Unfinished { waits, is_late: false });
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "AWS shows some seconds late what it does"
            )]
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Does the part of the release that belongs to a lifecycle event. What was known without the lease is asked again
    /// under it.
    async fn take_part(
        self,
        work: &HandOver,
        running: &LifecycleEvent,
        to: StackReference,
        known: Known,
        traffic: &Arc<CodeDeployTraffic>,
    ) -> Result<Worked, HookError> {
        let Some(act) = act(traffic, &running.name) else {
            return Ok(Worked::Answer(Answer::Succeeded));
        };
        let HookExecution { deployment_id: id, lifecycle_event_hook_execution_id: run_id } =
            &work.hook;
        let run = Run {
            event: running.name.clone(),
            count: work.count,
            at: Moment(self.invocation.clock.now()),
        };
        let mover: &dyn Mover = traffic.as_ref();
        let opening = Participant::joined(None, id).with_run(run_id, run.clone());
        let key = Participant::key(mover.name());
        let session = self.with_note(&key, opening.note()).with_end(end(running));
        if act == Act::Promote {
            session.await_arrival(mover, to).await?;
        }
        let progress = session
            .in_store_in_turn(async |store: &Store| {
                let shown = session.hook.shown(id).await?;
                if shown.is_none_or(|it| it.name != running.name) {
                    return Ok(Progress::Over);
                }
                match session.part(store, known).await? {
                    Part::Release(again) if again == to => {}
                    Part::Refused(reasons) => return Ok(Progress::Failed(reasons)),
                    Part::Release(_) | Part::None | Part::Back => return Ok(Progress::Done),
                }
                let participant = Participant::joined(Participant::of(store, mover.name())?, id);
                if !participant.can_be(run_id, &running.name) {
                    return Ok(Progress::Over);
                }
                let participant = participant.with_run(run_id, run.clone());
                session.act(store, act, to, mover, &participant).await
            })
            .await?;
        let answer = match progress {
            Progress::Done => Answer::Succeeded,
            Progress::Over => Answer::Later,
            Progress::Failed(reasons) | Progress::Inconclusive(reasons) => {
                Answer::Failed(reasons.join("; "))
            }
            Progress::Unfinished => {
                let waits = session.watch.waiting_for().join("; ");
                let now = session.invocation.clock.now();
                let is_late = end(running).is_some_and(|it| it <= now);
                return Ok(Worked::Unfinished { waits, is_late });
            }
        };
        Ok(Worked::Answer(answer))
    }
}

impl Hook {
    /// Returns the lifecycle event that CodeDeploy shows as running. Where it does not answer and the function is for
    /// one event, that is taken to be it.
    pub(super) async fn shown(&self, id: &str) -> Result<Option<LifecycleEvent>, Error> {
        match (self.codedeploy().target(id).await, &self.settings.lifecycle_event) {
            (Ok(target), _) => Ok(target.and_then(|it| it.running)),
            (Err(err), Some(own)) if !err.is_transient() => {
                tracing::warn!("CodeDeploy does not say which event is running: {err}");
                Ok(Some(LifecycleEvent { name: own.clone(), since: None }))
            }
            (Err(err), _) => Err(err.into()),
        }
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

/// Returns what is done about a lifecycle event; nothing about those that nobody knows yet.
fn act(traffic: &CodeDeployTraffic, event: &str) -> Option<Act> {
    match event {
        "BeforeInstall" => Some(Act::Prepare),
        "AfterInstall" => Some(Act::Bind),
        "AfterAllowTestTraffic" => Some(Act::Test),
        "BeforeAllowTraffic" => Some(Act::Guardrails),
        "AfterAllowTraffic" => Some(Act::Promote),
        _ => {
            tracing::info!(event, mover = traffic.name(), "nothing is to be done at this event");
            None
        }
    }
}
