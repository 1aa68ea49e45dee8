//! The look at everything before anything is changed.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use bluegreen_core::{
    during,
    wait::{self, Look, Pace},
};
use futures::future;

use super::listed;
use crate::{
    Context, Effect, Engine, Error, Event, Inspection, Moment, Outcome, Phase, Plan, Planned,
    Release, Report, Result, Round, StepReport, StepState, Store, chain, checks, run,
};

/// How long a look is repeated that AWS throttles or answers with a fault.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the look before a run has shown.
pub(super) struct Looked {
    /// The round that everything was looked at in.
    pub(super) round: Round,
    /// Every remaining step, in order.
    pub(super) steps: Vec<StepReport>,
    /// What is not there, besides what steps have reported.
    pub(super) missing: Vec<String>,
    /// Why a run is refused.
    pub(super) refusals: Vec<String>,
    /// What somebody should act on.
    pub(super) warnings: Vec<String>,
}

impl Looked {
    /// Returns how a run ends that this look forbids.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let any = |state| self.steps.iter().any(|it| it.state == state);
        if any(StepState::Failed) || !self.missing.is_empty() {
            Some(Outcome::Failed)
        } else if !self.refusals.is_empty() {
            Some(Outcome::Refused)
        } else if any(StepState::Interrupted) {
            // What could not be looked at may be missing.
            Some(Outcome::Interrupted)
        } else {
            None
        }
    }

    /// Puts what was seen into the report of a run that has not begun.
    pub(super) fn into(self, report: Report) -> Report {
        Report {
            steps: self.steps,
            missing: self.missing,
            refusals: self.refusals,
            warnings: self.warnings,
            ..report
        }
    }
}

impl Engine {
    /// Looks at the steps of `phases` without changing anything.
    pub async fn look(&self, store: &Store, plan: &Plan, phases: &[Phase]) -> Result<Report> {
        let looked = self.look_at(store, plan, phases).await?;
        let outcome = looked.outcome().unwrap_or(Outcome::Planned);
        Ok(looked.into(self.report(store, plan, outcome)))
    }

    /// Looks at all remaining steps of `phases` in one round, and checks what only a look can show.
    pub(super) async fn look_at(
        &self,
        store: &Store,
        plan: &Plan,
        phases: &[Phase],
    ) -> Result<Looked> {
        self.look_at_all_but(store, plan, phases, &succeeded(store)).await
    }

    /// Looks at all steps of `phases` but those that have succeeded.
    pub(super) async fn look_at_all_but(
        &self,
        store: &Store,
        plan: &Plan,
        phases: &[Phase],
        succeeded: &BTreeMap<String, Moment>,
    ) -> Result<Looked> {
        let planned: Vec<_> = plan
            .steps()
            .into_iter()
            .filter(|it| phases.contains(&it.phase))
            .filter(|it| !succeeded.contains_key(&it.step.id().key()))
            .collect();
        (self.watcher)(Event::Looking { steps: planned.len() });

        let round = self.rounds.begin();
        let warnings = Mutex::default();
        let context = self.context(store, &warnings, round);
        let looks = planned.iter().map(|planned| self.look_once(planned, &context));
        let (looked, missing, refusals) = future::join3(
            future::join_all(looks),
            self.missing(plan, phases, &context),
            self.refusals(phases, &context),
        )
        .await;
        let (steps, reasons): (Vec<_>, Vec<_>) = looked.into_iter().unzip();
        let mut refusals = refusals?;
        refusals.extend(reasons.into_iter().flatten());
        refusals.extend(self.disagreement(store, plan.to).await?);
        if phases.contains(&Phase::Prepare)
            && let Some(text) = self.ends_way_back(store, plan).await?
        {
            context.warn(text);
        }
        Ok(Looked { round, steps, missing, refusals, warnings: listed(warnings) })
    }

    /// Says when a new release destroys what production could go back to: the stack that the last release took it
    /// away from.
    async fn ends_way_back(&self, store: &Store, plan: &Plan) -> Result<Option<String>> {
        let active = store.pointer().active;
        if store.release().is_some() || active == plan.to {
            return Ok(None);
        }
        let destroys = |it: &&Planned| {
            it.phase == Phase::Prepare && it.step.effect() == Effect::Destroys(plan.to)
        };
        let destroyed: Vec<String> =
            plan.steps().into_iter().filter(destroys).map(|it| it.step.id().to_string()).collect();
        if destroyed.is_empty() {
            return Ok(None);
        }
        let releases = store.releases().await?;
        let last = releases.into_iter().max_by_key(|it| it.opened);
        let moved = |it: &Release| {
            it.target == active && it.ended.as_ref().is_some_and(|it| it.outcome == Outcome::Done)
        };
        Ok(last.filter(moved).map(|last| {
            format!(
                "this release ends the way back to stack {} as it was before release {}: {} destroys what is on it",
                plan.to,
                last.id,
                destroyed.join(", ")
            )
        }))
    }

    /// Looks at one step, and again when AWS throttles the look. Returns the reasons of a refusal too.
    async fn look_once(
        &self,
        planned: &Planned,
        context: &Context<'_>,
    ) -> (StepReport, Vec<String>) {
        let step = planned.step.as_ref();
        let seen = self.looked(&step.id().to_string(), async || step.inspect(context).await).await;
        let reasons = match &seen {
            Ok(Inspection::Blocked { reasons }) | Err(Error::Refused { reasons }) => {
                reasons.clone()
            }
            _ => Vec::new(),
        };
        (run::looked_report(step, planned.phase, seen), reasons)
    }

    /// Makes the look called `name`, again for a while when AWS throttles it or answers with a fault.
    pub(super) async fn looked<T>(
        &self,
        name: &str,
        mut look: impl AsyncFnMut() -> Result<T>,
    ) -> Result<T> {
        let pace = Pace { deadline: PATIENCE, ..self.look_pace() };
        let looked = wait::until(
            name,
            pace,
            &self.cancel,
            |_| {},
            async || {
                let _slot = self.slots.acquire().await;
                match during(name.to_owned(), look()).await {
                    Err(Error::Toolkit(err)) if err.is_transient() => Err(err),
                    seen => Ok(Look::Ready(seen)),
                }
            },
        )
        .await;
        looked.map_err(Error::from).flatten()
    }

    /// Looks for what the stack to come needs though no step changes it.
    async fn missing(&self, plan: &Plan, phases: &[Phase], context: &Context<'_>) -> Vec<String> {
        if !phases.contains(&Phase::Prepare) {
            return Vec::new();
        }
        let looks = self.resources.iter().map(|resource| async move {
            let _slot = self.slots.acquire().await;
            let absent = resource.look_for(context, plan.to).await.err();
            absent.map(|err| format!("[{}]: {}", resource.declaration().key(), chain(&err)))
        });
        future::join_all(looks).await.into_iter().flatten().collect()
    }

    /// Checks what only a look can show, until production has moved: it is about how the stacks are
    /// made, not about what is on.
    pub(super) async fn refusals(
        &self,
        phases: &[Phase],
        context: &Context<'_>,
    ) -> Result<Vec<String>> {
        if !phases.contains(&Phase::Promote) && !phases.contains(&Phase::Prepare) {
            return Ok(Vec::new());
        }
        checks::refusals(&self.resources, &self.queues, context).await
    }

    pub(super) fn look_pace(&self) -> Pace {
        Pace {
            first_look: self.pace.first_look,
            longest_look: self.pace.longest_look,
            ..Pace::default()
        }
    }
}

/// Returns the steps of the open release that need not be looked at any more.
///
/// Moving traffic is looked at again until the pointer has followed: it may have been moved back.
pub(super) fn succeeded(store: &Store) -> BTreeMap<String, Moment> {
    let mut succeeded = store.release().map(|it| it.journal.succeeded()).unwrap_or_default();
    if !succeeded.keys().any(|it| it.starts_with("active.switch/")) {
        succeeded.retain(|key, _| !key.starts_with("traffic.move/"));
    }
    succeeded
}
