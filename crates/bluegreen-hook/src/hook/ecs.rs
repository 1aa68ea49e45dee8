//! The hooks of deployments that ECS runs itself: what is done at which stage.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bluegreen_core::StackReference;
use bluegreen_deploy::{EcsTraffic, Error, Mover, Store};
use bluegreen_ecs::ServiceDeployment;
use serde_json::json;

use super::{
    Hook, HookError,
    act::Act,
    part::{Known, Part},
    participant::Participant,
    session::{Progress, Session},
};
use crate::{
    answer::{self, Direction, EcsAnswer, Ended, direction},
    event::EcsHook,
    invocation::Invocation,
};

/// The stage at which production has moved. At those before it has not.
const LAST_STAGE: &str = "POST_PRODUCTION_TRAFFIC_SHIFT";

/// How long a look whether production has moved may take, before the answer has to be given.
const TO_LOOK: Duration = Duration::from_secs(5);

/// How soon ECS is asked to call again when it does not show the stage yet that it calls for.
const TO_BE_SHOWN: Duration = Duration::from_secs(10);

/// How soon ECS is asked to call again when AWS does not answer.
const CALL_AGAIN: Duration = Duration::from_secs(30);

/// How soon it is while a person is asked.
const FOR_A_PERSON: Duration = Duration::from_secs(60);

/// How often ECS is asked to call again for a stage that it does not show, before it is believed that it calls for it:
/// what it shows of a stage comes late, and of some it may be another name.
const TIMES_TO_BE_SHOWN: u64 = 3;

/// Where the details of a hook say how often that was, and of which stage.
const NOT_SHOWN: &str = "not-shown";

/// What is done at a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A part of the release.
    Act(Act),
    /// The tasks that were started are bound to the stack that the release is to.
    Binding,
    /// Nothing.
    Nothing,
}

impl Hook {
    /// Does what ECS asks for at a stage of a deployment. What cannot be known for now is asked again; after production
    /// has moved nothing is answered as failed.
    pub(super) async fn stage(
        &self,
        event: &EcsHook,
        invocation: &Invocation,
    ) -> Result<EcsAnswer, HookError> {
        let again = |what: String| {
            let details = json!({ "waits-for": [what] });
            EcsAnswer::InProgress { call_back: CALL_AGAIN, details }
        };
        let limit = invocation.left_for_work().saturating_sub(TO_LOOK);
        // What it keeps while it waits is large.
        let worked =
            Box::pin(async { Ok::<_, Infallible>(self.stage_of(event, invocation).await) });
        let failed = match answer::run(limit, worked).await {
            Ended::With(Err(err)) if err.is_transient() => {
                tracing::warn!("ECS is asked to call again: {err}");
                return Ok(again("AWS to answer".to_owned()));
            }
            Ended::OutOfTime => return Ok(again("AWS to answer".to_owned())),
            Ended::With(Err(err)) => err.to_string(),
            Ended::With(Ok(EcsAnswer::Failed(reason))) | Ended::Failed(reason) => reason,
            Ended::With(Ok(answer)) => return Ok(answer),
        };
        let promoted = async {
            let session = Session::open(self, invocation).await?;
            Ok::<_, HookError>(session.has_promoted(&event.resource_arn).await?)
        };
        Ok(match promoted.await {
            Ok(true) => {
                tracing::error!(
                    reason = failed,
                    "production has moved: the hook is not failed, the reconciler goes on"
                );
                EcsAnswer::Succeeded
            }
            // At the stages before, production has not moved.
            Err(err) if err.is_transient() || event.lifecycle_stage == LAST_STAGE => again(failed),
            Ok(false) | Err(_) => EcsAnswer::Failed(failed),
        })
    }

    async fn stage_of(
        &self,
        event: &EcsHook,
        invocation: &Invocation,
    ) -> Result<EcsAnswer, HookError> {
        let name = event.lifecycle_stage.as_str();
        tracing::info!(deployment = event.resource_arn, stage = name, "a hook of ECS");
        // On the way back ECS must not be kept waiting: the release is taken back afterwards.
        let stage = match direction(event) {
            Direction::Back => Stage::Nothing,
            Direction::Forward | Direction::Unknown => stage(name),
        };
        if stage == Stage::Nothing {
            return Ok(EcsAnswer::Succeeded);
        }

        let session = Session::open(self, invocation).await?;
        let Some(traffic) = session.traffic_of_service(&event.execution_details.service_arn) else {
            return Ok(EcsAnswer::Failed(format!(
                "the stack file has no `[traffic.*]` table with `mover = \"ecs\"` for service `{}`",
                event.execution_details.service_arn
            )));
        };
        let deployment = traffic.toolkit().service_deployment(&event.resource_arn).await;
        let Some(deployment) = deployment.map_err(Error::from)? else {
            return Ok(EcsAnswer::Failed(format!(
                "ECS does not know the deployment `{}`",
                event.resource_arn
            )));
        };
        if let Some(answer) = not_now(&deployment, event) {
            return Ok(answer);
        }

        let revision = &event.execution_details.target_service_revision_arn;
        let stack = match traffic.stack_of_revision(revision).await {
            Ok(stack) => stack,
            Err(Error::Refused { reasons }) => return Ok(EcsAnswer::Failed(reasons.join("; "))),
            Err(err) => return Err(err.into()),
        };
        let store = session.read_store().await?;
        let participant = Participant::of(&store, traffic.name())?;
        let takes_part = participant.is_some_and(|it| it.deployment == event.resource_arn);
        let known = Known { stack, takes_part, opens: stage == Stage::Act(Act::Prepare) };
        let to = match session.part(&store, known).await? {
            Part::None => {
                tracing::info!(%stack, "it changes nothing about the stacks");
                return Ok(EcsAnswer::Succeeded);
            }
            Part::Back => {
                tracing::info!(%stack, "it brings production back: the release is taken back afterwards");
                return Ok(EcsAnswer::Succeeded);
            }
            Part::Refused(reasons) => return Ok(EcsAnswer::Failed(reasons.join("; "))),
            Part::Release(to) => to,
        };
        if let Some(reason) = continues(&deployment, invocation) {
            return Ok(EcsAnswer::Failed(reason));
        }
        match stage {
            // Its revision is what its tasks run, and it is bound as it was.
            Stage::Binding | Stage::Nothing => Ok(EcsAnswer::Succeeded),
            Stage::Act(act) => {
                session.take_part_at(act, to, known, &traffic, &event.resource_arn).await
            }
        }
    }
}

impl Session<'_> {
    /// Returns the mover of the stack file that a service belongs to.
    fn traffic_of_service(&self, service_arn: &str) -> Option<Arc<EcsTraffic>> {
        // `service/CLUSTER/SERVICE`; in old accounts without the cluster.
        let path = service_arn.split_once(":service/").map(|(_, path)| path)?;
        let (cluster, name) = match path.rsplit_once('/') {
            Some((cluster, name)) => (Some(cluster), name),
            None => (None, path),
        };
        let mut movers = self.platforms.ecs.iter();
        let own = movers.find(|it| {
            let settings = it.settings();
            let own_cluster = settings.cluster.rsplit('/').next().unwrap_or_default();
            let own_name = settings.service.rsplit('/').next().unwrap_or_default();
            own_name == name && cluster.is_none_or(|it| it == own_cluster)
        });
        own.map(Arc::clone)
    }

    /// Does the part of the release that belongs to a stage; ECS calls again for what is left. What was known without
    /// the lease is asked again under it.
    async fn take_part_at(
        self,
        act: Act,
        to: StackReference,
        known: Known,
        traffic: &Arc<EcsTraffic>,
        deployment: &str,
    ) -> Result<EcsAnswer, HookError> {
        let mover: &dyn Mover = traffic.as_ref();
        let opening = Participant::joined(None, deployment);
        let session = self.with_note(&Participant::key(mover.name()), opening.note());
        if act == Act::Promote {
            session.await_arrival(mover, to).await?;
        }
        let work = async |store: &Store| {
            let shown = traffic.toolkit().service_deployment(deployment).await?;
            if shown.is_none_or(|it| it.status.has_ended() || it.rolls_back) {
                return Ok(Progress::Over);
            }
            match session.part(store, known).await? {
                Part::Release(again) if again == to => {}
                Part::Refused(reasons) => return Ok(Progress::Failed(reasons)),
                Part::Release(_) | Part::None | Part::Back => return Ok(Progress::Done),
            }
            let noted = Participant::of(store, mover.name())?;
            let participant = Participant::joined(noted, deployment);
            session.act(store, act, to, mover, &participant).await
        };
        // ECS calls again as often as it takes: nobody needs to wait here for whoever has the lease.
        let progress = match session.in_store(work).await {
            Err(Error::Locked { .. } | Error::LeaseLost { .. }) => Progress::Unfinished,
            ended => ended?,
        };
        Ok(match progress {
            Progress::Done | Progress::Over => EcsAnswer::Succeeded,
            Progress::Failed(reasons) => EcsAnswer::Failed(reasons.join("; ")),
            Progress::Unfinished => EcsAnswer::InProgress {
                call_back: session.watch.again(),
                details: json!({ "waits-for": session.watch.waiting_for() }),
            },
            // ECS waits as long as its time-out says, and so a person has time to answer.
            Progress::Inconclusive(reasons) => EcsAnswer::InProgress {
                call_back: FOR_A_PERSON,
                details: json!({ "waits-for": reasons }),
            },
        })
    }
}

/// Returns the answer where nothing must be done: to a deployment that has ended or goes back, at a stage that has
/// ended, and where a service is created.
fn not_now(deployment: &ServiceDeployment, event: &EcsHook) -> Option<EcsAnswer> {
    if deployment.status.has_ended() || deployment.rolls_back {
        tracing::info!(status = ?deployment.status, "it has ended or goes back: nothing is done");
        return Some(EcsAnswer::Succeeded);
    }
    if deployment.sources.is_empty() {
        tracing::info!("the service is being created: nothing is done");
        return Some(EcsAnswer::Succeeded);
    }
    let stage = event.lifecycle_stage.as_str();
    let shown = deployment.stage.as_deref().filter(|it| *it != stage)?;
    // Nobody but ECS passes on what it was answered: that it calls again proves that it waits at this stage.
    let before = &event.hook_details[NOT_SHOWN];
    let before = before["times"].as_u64().filter(|_| before["stage"] == stage).unwrap_or_default();
    if before >= TIMES_TO_BE_SHOWN {
        tracing::warn!(shown, "ECS calls for a stage that it does not show");
        return None;
    }
    tracing::info!(shown, "another stage is running: nothing is done");
    let details = json!({
        "waits-for": ["ECS to show the stage"],
        NOT_SHOWN: { "stage": stage, "times": before + 1 },
    });
    Some(EcsAnswer::InProgress { call_back: TO_BE_SHOWN, details })
}

/// Returns what is wrong with hooks that ECS goes on without when they take too long: production would move to a stack
/// that is not ready.
fn continues(deployment: &ServiceDeployment, invocation: &Invocation) -> Option<String> {
    let own = |arn: &str| {
        let unqualified = |arn: &str| arn.split(':').take(7).collect::<Vec<_>>().join(":");
        unqualified(arn) == unqualified(&invocation.function_arn)
    };
    let goes_on = deployment.hooks.iter().any(|it| {
        it.target_arn.as_deref().is_some_and(own)
            && it.timeout_action.as_deref() == Some("CONTINUE")
    });
    goes_on.then(|| {
        "the hook's `timeoutConfiguration` has the action `CONTINUE`, by which ECS moves production although the hook \
         is not done: say `ROLLBACK`"
            .to_owned()
    })
}

fn stage(name: &str) -> Stage {
    match name {
        "PRE_SCALE_UP" => Stage::Act(Act::Prepare),
        "POST_SCALE_UP" => Stage::Binding,
        "POST_TEST_TRAFFIC_SHIFT" => Stage::Act(Act::Test),
        "PRE_PRODUCTION_TRAFFIC_SHIFT" => Stage::Act(Act::Guardrails),
        LAST_STAGE => Stage::Act(Act::Promote),
        "RECONCILE_SERVICE" | "TEST_TRAFFIC_SHIFT" | "PRODUCTION_TRAFFIC_SHIFT" => Stage::Nothing,
        _ => {
            tracing::warn!(stage = name, "nobody knows this stage: nothing is done at it");
            Stage::Nothing
        }
    }
}
