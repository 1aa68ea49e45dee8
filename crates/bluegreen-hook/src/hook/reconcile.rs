//! The reconciler: goes on with whatever is due, whether an event has told of it or not.

use std::time::Duration;

use bluegreen_codedeploy::{DeploymentStatus, HookExecution};
use bluegreen_deploy::{Error, Mover, Phase, Release, Store, WayBack};
use bluegreen_ecs::ServiceDeploymentStatus;
use serde_json::{Value, json};

use super::{
    Hook, HookError,
    participant::Participant,
    session::{Progress, Session},
};
use crate::{event::HandOver, invocation::Invocation};

/// How long an invocation may take to begin that was started by another one.
const TO_BEGIN: Duration = Duration::from_secs(30);

/// Under which key the store keeps when the reconciler was called last.
pub(super) const LAST_CALLED: &str = "reconciled";

/// How a deployment of the platform stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// It has not ended: what.
    UnderWay(String),
    /// Nobody knows whether and how it has ended: why.
    Unknown(String),
    /// It has ended well.
    Succeeded,
    /// It has failed, was stopped or taken back: why.
    Failed(String),
}

/// What was found to be due.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Due {
    /// Nothing: why.
    Nothing(String),
    /// It was done, or as much of it as there was time for.
    Went(&'static str, Progress),
    /// A hook waits for its report, and nobody works on it.
    Hook(HandOver),
}

impl Hook {
    /// Goes on with what is due of the open release. What another invocation is at work on is left to it.
    pub(super) async fn reconcile(&self, invocation: &Invocation) -> Result<Value, HookError> {
        let session = Session::open(self, invocation).await?;
        let due = match session.in_store(async |store| session.due(store).await).await {
            Err(Error::Locked { owner, .. }) => Due::Nothing(format!("{owner} is at work")),
            Err(Error::LeaseLost { .. }) => Due::Nothing("another has taken the lease".to_owned()),
            due => due?,
        };
        drop(session);
        tracing::info!(?due, "reconciled");
        Ok(match due {
            Due::Nothing(why) => json!({ "reconciled": why }),
            Due::Went(what, Progress::Done | Progress::Over) => {
                json!({ "reconciled": format!("{what}: done") })
            }
            Due::Went(what, Progress::Unfinished) => {
                json!({ "reconciled": format!("{what}: goes on at the next call") })
            }
            Due::Went(what, Progress::Failed(reasons) | Progress::Inconclusive(reasons)) => {
                tracing::error!(what, reasons = reasons.join("; "), "it cannot go on by itself");
                json!({ "reconciled": format!("{what}: {}", reasons.join("; ")) })
            }
            Due::Hook(work) => {
                tracing::warn!(
                    deployment = work.hook.deployment_id,
                    "a hook was lost: it is gone on with"
                );
                self.answer_codedeploy(work, invocation).await?
            }
        })
    }
}

impl Session<'_> {
    async fn due(&self, store: &Store) -> Result<Due, Error> {
        let now = self.invocation.clock.now();
        let called = humantime::format_rfc3339_seconds(now).to_string();
        store.keep_for_hook(LAST_CALLED, called.into()).await?;
        let Some(release) = store.release() else {
            return Ok(Due::Nothing("no release is open".to_owned()));
        };
        for mover in self.platform_movers() {
            if let Some(what) = mover.under_way().await? {
                let lost = self.lost_hook(store).await?;
                let left = || Due::Nothing(format!("{what} has not ended"));
                return Ok(lost.map_or_else(left, Due::Hook));
            }
        }
        if release.going_back.is_some() {
            return match release.journal.stuck().is_empty() {
                true => self.take_back_from(store, &release).await,
                false => {
                    Ok(Due::Nothing(format!("release {} is stuck: a person must look", release.id)))
                }
            };
        }
        let fates = self.fates(store).await?;
        let failed = fates.iter().find_map(|it| match it {
            Fate::Failed(reason) => Some(reason.clone()),
            Fate::UnderWay(_) | Fate::Unknown(_) | Fate::Succeeded => None,
        });
        if let Some(reason) = failed {
            return self.after_failure(store, &release, &reason).await;
        }
        for fate in &fates {
            match fate {
                Fate::UnderWay(what) => return Ok(Due::Nothing(format!("{what} has not ended"))),
                Fate::Unknown(why) => return self.after_time(store, &release, why).await,
                Fate::Failed(_) | Fate::Succeeded => {}
            }
        }
        match fates.is_empty() {
            true => {
                self.after_time(store, &release, "no deployment takes part in the release").await
            }
            false => self.after_success(store, &release).await,
        }
    }

    /// Asks the platforms how the deployments ended that take part in the open release.
    async fn fates(&self, store: &Store) -> Result<Vec<Fate>, Error> {
        let mut fates = Vec::new();
        for traffic in &self.platforms.codedeploy {
            let Some(known) = Participant::of(store, traffic.name())? else { continue };
            let id = known.deployment;
            let deployment = traffic.toolkit().deployment(&id).await?;
            fates.push(match deployment.status {
                DeploymentStatus::UnderWay(_) => {
                    Fate::UnderWay(format!("CodeDeploy deployment {id}"))
                }
                DeploymentStatus::Succeeded => Fate::Succeeded,
                DeploymentStatus::Failed => {
                    let why = deployment.error.unwrap_or_default();
                    Fate::Failed(format!("CodeDeploy deployment {id} has failed: {why}"))
                }
                DeploymentStatus::Stopped => {
                    Fate::Failed(format!("CodeDeploy deployment {id} was stopped"))
                }
            });
        }
        for traffic in &self.platforms.ecs {
            let Some(known) = Participant::of(store, traffic.name())? else { continue };
            let arn = known.deployment;
            let Some(deployment) = traffic.toolkit().service_deployment(&arn).await? else {
                // It has not failed for that, nor succeeded.
                fates.push(Fate::Unknown(format!(
                    "ECS does not know the deployment `{arn}`: how it ended is not known"
                )));
                continue;
            };
            fates.push(match deployment.status {
                ServiceDeploymentStatus::UnderWay(_) => {
                    Fate::UnderWay(format!("ECS deployment `{arn}`"))
                }
                ServiceDeploymentStatus::Successful => Fate::Succeeded,
                status => Fate::Failed(format!("ECS deployment `{arn}` has ended as {status:?}")),
            });
        }
        Ok(fates)
    }

    /// Returns a hook of CodeDeploy that waits for its report, and that nobody can be at work on any more.
    async fn lost_hook(&self, store: &Store) -> Result<Option<HandOver>, Error> {
        let now = self.invocation.clock.now();
        for traffic in &self.platforms.codedeploy {
            let Some(known) = Participant::of(store, traffic.name())? else { continue };
            let target = traffic.toolkit().target(&known.deployment).await?;
            let Some(running) = target.and_then(|it| it.running) else { continue };
            if let Some((id, run)) = known.lost(&running.name, self.longest() + TO_BEGIN, now) {
                let hook = HookExecution {
                    deployment_id: known.deployment.clone(),
                    lifecycle_event_hook_execution_id: id.to_owned(),
                };
                return Ok(Some(HandOver { hook, count: run.count }));
            }
        }
        Ok(None)
    }

    /// Takes back what the platform has not gone through with. Once the old stack has begun to be switched off, there is
    /// no way back.
    async fn after_failure(
        &self,
        store: &Store,
        release: &Release,
        reason: &str,
    ) -> Result<Due, Error> {
        tracing::warn!(release = release.id, reason, "the release is not gone on with");
        let plan = self.engine.plan_of(release)?;
        match self.engine.way_back(store, release, &plan) {
            WayBack::Reverse { .. } => Ok(Due::Nothing(format!(
                "{reason}; the old stack has begun to be switched off: only a release in the other direction leads back"
            ))),
            WayBack::Standby | WayBack::Instant | WayBack::LosesWrites(_) => {
                self.take_back_from(store, release).await
            }
        }
    }

    /// Takes a release back, once all traffic is on the old stack: what serves must not be taken apart. What was written
    /// to the new one is lost by then, whatever is accepted: production has gone back already.
    async fn take_back_from(&self, store: &Store, release: &Release) -> Result<Due, Error> {
        let old = release.target.partner();
        // Without a platform the engine knows where traffic is.
        let by_platform = !self.platform_movers().is_empty();
        if by_platform && self.platforms_on(release.target).await? != Some(old) {
            return Ok(Due::Went(
                "taking back",
                Progress::Failed(vec![format!(
                    "not all traffic is on stack {old}: bring it back there by deployments that are bound to {old}"
                )]),
            ));
        }
        Ok(Due::Went("taking back", self.take_back(store, true).await?))
    }

    /// Goes on with a release whose deployments have all ended well, as far as traffic and time allow.
    async fn after_success(&self, store: &Store, release: &Release) -> Result<Due, Error> {
        let to = release.target;
        let on = self.platforms_on(to).await?;
        if on == Some(to.partner()) {
            let promoted = store.pointer().active == to;
            return match promoted {
                // The platform has brought production back, whoever has told it to.
                true => {
                    self.after_failure(store, release, "traffic is back on the old stack").await
                }
                false => self.after_time(store, release, "traffic is on the old stack").await,
            };
        }
        if on.is_none() {
            return self.after_time(store, release, "traffic is on both stacks").await;
        }
        if !release.phases.contains_key(&Phase::Test) {
            return Ok(Due::Nothing(
                "traffic has moved, but the standby was not tested".to_owned(),
            ));
        }
        if !release.phases.contains_key(&Phase::Promote) {
            let promoted = self.run(store, to, Phase::Promote, Phase::Promote).await?;
            if promoted != Progress::Done {
                return Ok(Due::Went("promote", promoted));
            }
        }
        match self.engine.hold_over(store) {
            Some(over) if over.0 <= self.invocation.clock.now() => {
                Ok(Due::Went("retire", self.run(store, to, Phase::Hold, Phase::Retire).await?))
            }
            Some(over) => {
                let over = humantime::format_rfc3339_seconds(over.0);
                Ok(Due::Nothing(format!("the hold lasts until {over}")))
            }
            None => Ok(Due::Nothing("promote has not ended".to_owned())),
        }
    }

    /// Takes back a release that has been open for as long as the stack file lets one be without having moved
    /// production.
    async fn after_time(
        &self,
        store: &Store,
        release: &Release,
        why_not: &str,
    ) -> Result<Due, Error> {
        let open = self.invocation.clock.now().duration_since(release.opened);
        let open = open.unwrap_or(Duration::ZERO);
        let plan = self.engine.plan_of(release)?;
        let begun =
            release.has_begun(Phase::Promote, &plan) || store.pointer().active == release.target;
        match self.file.release.undo_after {
            Some(limit) if open >= limit && !begun => {
                tracing::warn!(
                    release = release.id,
                    "it has been open for longer than `undo-after`"
                );
                self.take_back_from(store, release).await
            }
            _ => Ok(Due::Nothing(why_not.to_owned())),
        }
    }
}
