//! The reconciler: goes on with whatever is due, whether an event has told of it or not.

use std::{sync::Arc, time::Duration};

use bluegreen_codedeploy::{DeploymentStatus, HookExecution};
use bluegreen_core::StackReference;
use bluegreen_deploy::{Error, Mover, Phase, Release, Store, TrafficSeen, WayBack};
use bluegreen_ecs::ServiceDeploymentStatus;
use serde_json::{Value, json};

use super::{
    Hook, HookError,
    part::Participant,
    session::{Progress, Session},
};
use crate::{event::HandOver, invocation::Invocation};

/// Under which key the store keeps when the reconciler was called last.
pub(super) const LAST_CALLED: &str = "reconciled";

/// How a deployment of the platform stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// It has not ended.
    UnderWay,
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
    Hook(HookExecution),
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
            Due::Went(what, Progress::Done) => json!({ "reconciled": format!("{what}: done") }),
            Due::Went(what, Progress::Unfinished) => {
                json!({ "reconciled": format!("{what}: goes on at the next call") })
            }
            Due::Went(what, Progress::Failed(reasons)) => {
                tracing::error!(what, reasons = reasons.join("; "), "it cannot go on by itself");
                json!({ "reconciled": format!("{what}: {}", reasons.join("; ")) })
            }
            Due::Hook(hook) => {
                tracing::warn!(
                    deployment = hook.deployment_id,
                    "a hook was lost: it is gone on with"
                );
                self.answer_codedeploy(HandOver { hook, count: 0 }, invocation).await?
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
        if release.going_back.is_some() {
            return Ok(match release.journal.stuck().is_empty() {
                true => Due::Went("taking back", self.take_back(store).await?),
                false => {
                    Due::Nothing(format!("release {} is stuck: a person must look", release.id))
                }
            });
        }
        let fates = self.fates(store).await?;
        for mover in self.movers() {
            if let Some(what) = mover.under_way().await? {
                let lost = self.lost_hook(store).await?;
                let left = || Due::Nothing(format!("{what} has not ended"));
                return Ok(lost.map_or_else(left, Due::Hook));
            }
        }
        if fates.is_empty() {
            return self.of_nobody(store, &release).await;
        }
        let failed = fates.iter().find_map(|it| match it {
            Fate::Failed(reason) => Some(reason.clone()),
            Fate::UnderWay | Fate::Succeeded => None,
        });
        match failed {
            Some(reason) => self.after_failure(store, &release, &reason).await,
            None => self.after_success(store, &release).await,
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
                DeploymentStatus::UnderWay(_) => Fate::UnderWay,
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
                // ECS forgets deployments after some months; a release does not stay open that long unseen.
                fates.push(Fate::Failed(format!("ECS does not know the deployment `{arn}`")));
                continue;
            };
            fates.push(match deployment.status {
                ServiceDeploymentStatus::UnderWay(_) => Fate::UnderWay,
                ServiceDeploymentStatus::Successful => Fate::Succeeded,
                status => Fate::Failed(format!("ECS deployment `{arn}` has ended as {status:?}")),
            });
        }
        Ok(fates)
    }

    /// Returns a hook of CodeDeploy that waits for its report while nobody has the lease but this invocation.
    async fn lost_hook(&self, store: &Store) -> Result<Option<HookExecution>, Error> {
        for traffic in &self.platforms.codedeploy {
            let Some(known) = Participant::of(store, traffic.name())? else { continue };
            let target = traffic.toolkit().target(&known.deployment).await?;
            let Some(running) = target.and_then(|it| it.running) else { continue };
            let mut runs = known.hooks.iter().filter(|(_, event)| **event == running.name);
            if let Some((run, _)) = runs.next() {
                return Ok(Some(HookExecution {
                    deployment_id: known.deployment.clone(),
                    lifecycle_event_hook_execution_id: run.clone(),
                }));
            }
        }
        Ok(None)
    }

    /// A release that no deployment takes part in is a person's, but for its end after `undo-after`.
    async fn of_nobody(&self, store: &Store, release: &Release) -> Result<Due, Error> {
        self.after_time(store, release, "no deployment takes part in the release").await
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
                Ok(Due::Went("taking back", self.take_back(store).await?))
            }
        }
    }

    /// Goes on with a release whose deployments have all ended well, as far as traffic and time allow.
    async fn after_success(&self, store: &Store, release: &Release) -> Result<Due, Error> {
        let to = release.target;
        let on = self.all_on(to).await?;
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
                Ok(Due::Went("taking back", self.take_back(store).await?))
            }
            _ => Ok(Due::Nothing(why_not.to_owned())),
        }
    }

    /// Returns the stack that all traffic is on; nothing where it is on both.
    async fn all_on(&self, to: StackReference) -> Result<Option<StackReference>, Error> {
        Ok(match self.engine.traffic(to).await? {
            TrafficSeen::On(stack) => Some(stack),
            TrafficSeen::Undeclared | TrafficSeen::None | TrafficSeen::Mixed(_) => None,
        })
    }

    fn movers(&self) -> impl Iterator<Item = Arc<dyn Mover>> {
        let codedeploy =
            self.platforms.codedeploy.iter().map(|it| Arc::clone(it) as Arc<dyn Mover>);
        let ecs = self.platforms.ecs.iter().map(|it| Arc::clone(it) as Arc<dyn Mover>);
        codedeploy.chain(ecs)
    }
}
