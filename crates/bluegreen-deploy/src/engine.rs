//! [`Engine`], which looks at the steps of a plan and brings them about.

use std::{
    collections::BTreeSet,
    fmt,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bluegreen_core::{Clock, StackReference};
use futures::{StreamExt, future, stream::FuturesUnordered};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    Context, Effect, Error, Event, Inspection, Limits, Outcome, Phase, Plan, Pointer, Report,
    Resource, ResourceStatus, Result, Rounds, SourceQueue, Status, Step, StepReport, StepState,
    Store, TrafficCommands, TrafficSeen, chain, checks, guard,
    stack_file::{PaceSettings, StackFile, Traffic},
    steps::{Hold, Idle, MoveTraffic, SwitchActive},
};

/// Hears what happens.
pub type Watcher = Arc<dyn Fn(Event) + Send + Sync>;

/// Looks at the steps of a plan and brings them about, in their order and as far as that allows together.
///
/// It decides what is done and in which order, waits and remembers; toolkits do the calls.
pub struct Engine {
    pub(crate) hold: Duration,
    pub(crate) pace: PaceSettings,
    pub(crate) traffic: Arc<TrafficCommands>,
    pub(crate) resources: Vec<Arc<dyn Resource>>,
    pub(crate) queues: Vec<Arc<dyn SourceQueue>>,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) rounds: Rounds,
    /// How many calls of steps are under way at once.
    pub(crate) slots: Semaphore,
    pub(crate) cancel: CancellationToken,
    pub(crate) watcher: Watcher,
}

/// The resources of a stack file, with the toolkits that speak to them.
#[derive(Debug, Default)]
pub struct Resources {
    /// Every pair of resources.
    pub all: Vec<Arc<dyn Resource>>,
    /// Those that are queues, which consumers of other services read.
    pub queues: Vec<Arc<dyn SourceQueue>>,
}

impl Engine {
    /// Makes an engine for the `resources` of a stack file that lies in `folder`.
    pub fn new(file: &StackFile, folder: &Path, resources: Resources, clock: Clock) -> Self {
        Self {
            hold: file.release.hold,
            slots: Semaphore::new(file.pace.at_once),
            pace: file.pace.clone(),
            traffic: Arc::new(TrafficCommands::new(file.traffic.clone(), folder)),
            resources: resources.all,
            queues: resources.queues,
            clock,
            limits: Limits::default(),
            rounds: Rounds::default(),
            cancel: CancellationToken::new(),
            watcher: Arc::new(|_| {}),
        }
    }

    /// Tells `watcher` what happens.
    pub fn with_watcher(self, watcher: Watcher) -> Self {
        Self { watcher, ..self }
    }

    /// Ends its work when `cancel` is cancelled: calls under way are finished, none is begun.
    pub fn with_cancel(self, cancel: CancellationToken) -> Self {
        Self { cancel, ..self }
    }

    /// Returns the steps of a move to the stack `to`, in their order.
    pub fn plan(&self, to: StackReference) -> Result<Plan> {
        let mut whole: Vec<Arc<dyn Step>> =
            vec![Arc::new(Idle { resources: self.resources.clone(), stack: to })];
        if let Traffic::Movers(movers) = self.traffic.traffic() {
            for mover in movers {
                let commands = Arc::clone(&self.traffic);
                whole.push(Arc::new(MoveTraffic { commands, mover: mover.clone(), to }));
            }
        }
        if *self.traffic.traffic() != Traffic::Undeclared {
            let commands = Arc::clone(&self.traffic);
            whole.push(Arc::new(SwitchActive { commands, to }));
            whole.push(Arc::new(Hold { to, hold: self.hold }));
        }
        Plan::new(to, &self.resources, whole)
    }

    /// Looks at the steps of `phases` without changing anything.
    pub async fn look(&self, store: &Store, plan: &Plan, phases: &[Phase]) -> Result<Report> {
        let release = store.release().map(|it| it.id);
        let looked = self.look_at(store, plan, phases).await?;
        Ok(Report {
            outcome: looked.outcome().unwrap_or(Outcome::Planned),
            release,
            to: plan.to,
            active: store.pointer().active,
            steps: looked.steps,
            refusals: looked.refusals,
            warnings: looked.warnings,
        })
    }

    /// Moves production to the stack that `plan` leads to, or goes on with the release that does, up to
    /// and including the phase `until`.
    ///
    /// Everything is looked at first: when something is missing or refused, nothing has been changed.
    /// When a step fails, or when told to stop, the release stays open: the same call goes on with it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] while a release to the other stack is open, and errors of the store. What becomes
    /// of steps is in the report.
    pub async fn deploy(&self, store: &Store, plan: &Plan, until: Phase) -> Result<Report> {
        self.run(store, plan, Phase::Prepare, until).await
    }

    /// Runs the phases `from` to `until` of the open release, like [`deploy`](Self::deploy).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when an earlier phase has not ended.
    pub async fn run(
        &self,
        store: &Store,
        plan: &Plan,
        from: Phase,
        until: Phase,
    ) -> Result<Report> {
        let to = plan.to;
        let open = store.release();
        if let Some(release) = &open
            && release.target != to
        {
            return Err(Error::refused(format!(
                "release {} to {} is open: finish it with `bluegreen deploy --to {}` first",
                release.id, release.target, release.target
            )));
        }
        if open.is_none() && from == Phase::Prepare && store.pointer().active == to {
            let report = self.report(store, plan, Outcome::AlreadyThere);
            return match self.disagreement(store, to).await? {
                Some(reason) => Err(Error::refused(reason)),
                None => Ok(report),
            };
        }
        let ended = |phase| open.as_ref().is_some_and(|it| it.phases.contains_key(&phase));
        let missing = Phase::ALL.into_iter().find(|it| {
            *it < from && !ended(*it) && !(open.is_some() && plan.phase(*it).is_empty())
        });
        if let Some(missing) = missing {
            return Err(Error::refused(format!(
                "`{missing}` comes first: run `bluegreen deploy --to {to} --until {missing}`"
            )));
        }
        let until = match self.traffic.traffic() {
            Traffic::Undeclared if from > Phase::Test => {
                return Err(Error::refused(
                    "the stack file does not say who moves traffic: add `traffic = \"none\"` or a \
                     `[traffic.*]` table",
                ));
            }
            Traffic::Undeclared => until.min(Phase::Test),
            _ => until,
        };

        let remaining: Vec<Phase> = Phase::ALL.into_iter().filter(|it| !ended(*it)).collect();
        let looked = self.look_at(store, plan, &remaining).await?;
        if let Some(outcome) = looked.outcome() {
            let report = self.report(store, plan, outcome);
            return Ok(Report {
                steps: looked.steps,
                refusals: looked.refusals,
                warnings: looked.warnings,
                ..report
            });
        }

        let release = match &open {
            Some(release) => release.clone(),
            None => store.open_release(to, self.clock.now())?,
        };
        (self.watcher)(Event::Release { id: release.id.clone(), resumed: open.is_some() });
        self.remember_models(store, plan.steps().into_iter().map(|it| &it.step), looked.round)
            .await?;
        // It asks only what the look has just shown, and nothing has been changed since.
        let idle = looked.steps.iter().find(|it| it.step.name == "standby.idle");
        if let Some(idle) = idle.filter(|it| it.state == StepState::Done) {
            store.step_succeeded(&idle.step, None, self.clock.now())?;
        }

        let mut steps = Vec::new();
        let warnings = Mutex::new(looked.warnings.into_iter().collect());
        let mut outcome = Outcome::Done;
        for phase in remaining.into_iter().filter(|it| *it <= until) {
            let reports = self.run_phase(store, plan, phase, &warnings).await?;
            outcome = paused(phase, &reports);
            steps.extend(reports);
            if outcome != Outcome::Done {
                break;
            }
            store.phase_ended(phase, self.clock.now())?;
            if !plan.phase(phase).is_empty() {
                (self.watcher)(Event::PhaseEnded { phase });
            }
        }
        if outcome == Outcome::Done && until == Phase::Retire {
            store.close_release()?;
        }
        let warnings = warnings.into_inner().unwrap_or_else(|err| err.into_inner());
        let refusals = steps
            .iter()
            .filter(|it| it.state == StepState::Refused)
            .filter_map(|it| it.error.clone())
            .collect();
        let report = self.report(store, plan, outcome);
        Ok(Report {
            release: Some(release.id),
            steps,
            refusals,
            warnings: warnings.into_iter().collect(),
            ..report
        })
    }

    /// Brings about the step `name` on `stack` by itself, on every resource that has it or on `resource`
    /// alone, under the same guards as in a release.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] while a release is open, for a step that only a release may take, and by the
    /// guards; [`bluegreen_core::Error::NotFound`] when the stack file has no such step.
    pub async fn step(
        &self,
        store: &Store,
        name: &str,
        stack: StackReference,
        resource: Option<&str>,
    ) -> Result<Report> {
        if let Some(release) = store.release() {
            return Err(Error::refused(format!(
                "release {} to {} is open: it has the stack to itself until it has ended",
                release.id, release.target
            )));
        }
        if ["traffic.move", "active.switch", "release.hold"].contains(&name) {
            return Err(Error::refused(format!("`{name}` is taken only as a part of a release")));
        }
        let wanted = |plan: &Plan| -> Vec<Arc<dyn Step>> {
            let all = plan.steps().into_iter().map(|it| Arc::clone(&it.step));
            all.filter(|it| {
                let id = it.id();
                id.name == name && id.stack == stack && resource.is_none_or(|it| it == id.resource)
            })
            .collect()
        };
        let mut plan = self.plan(stack)?;
        let mut steps = wanted(&plan);
        if steps.is_empty() {
            plan = self.plan(stack.partner())?;
            steps = wanted(&plan);
        }
        if steps.is_empty() {
            let on = resource.map_or_else(String::new, |it| format!(" of `{it}`"));
            return Err(Error::Toolkit(bluegreen_core::Error::NotFound {
                resource: format!("step `{name}`{on} on stack {stack} of this stack file"),
            }));
        }

        // Before anything else is looked at: what is refused must not even begin.
        for step in &steps {
            self.guard(store, step.as_ref()).await?;
        }
        let warnings = Mutex::default();
        let round = self.rounds.begin();
        if steps.iter().any(|it| matches!(it.effect(), Effect::Destroys(_))) {
            let idle = Idle { resources: self.resources.clone(), stack };
            let context = self.context(store, &warnings, round);
            if let Inspection::Blocked { reasons } = idle.inspect(&context).await? {
                return Err(Error::Refused { reasons });
            }
        }
        self.remember_models(store, steps.iter(), round).await?;
        let runs = steps.iter().map(|it| self.run_step(store, it, None, &warnings, &self.cancel));
        let reports = future::join_all(runs).await;

        let outcome = match paused(Phase::Prepare, &reports) {
            Outcome::Paused => Outcome::Failed,
            outcome => outcome,
        };
        let report = self.report(store, &plan, outcome);
        let warnings = warnings.into_inner().unwrap_or_else(|err| err.into_inner());
        Ok(Report {
            refusals: reports
                .iter()
                .filter(|it| it.state == StepState::Refused)
                .filter_map(|it| it.error.clone())
                .collect(),
            steps: reports,
            warnings: warnings.into_iter().collect(),
            ..report
        })
    }

    /// Looks at everything: pointer, traffic, the open release, every resource of both stacks.
    pub async fn status(&self, store: Option<&Store>) -> Result<Status> {
        let pointer = store.map(Store::pointer);
        let release = store.and_then(Store::release);
        let at = release.as_ref().map(|it| it.target).or(pointer.as_ref().map(|it| it.active));
        let seen = self.traffic.observe(at.unwrap_or(StackReference::A)).await;
        let agrees = match (&pointer, &seen) {
            (Some(pointer), Ok(seen)) => seen.agrees_with(pointer.active),
            _ => false,
        };

        let nobody =
            Pointer { active: StackReference::A, since: self.clock.now(), reason: String::new() };
        let bare = Store::in_memory("", nobody);
        let warnings = Mutex::default();
        let context = self.context(store.unwrap_or(&bare), &warnings, self.rounds.begin());
        let looks = self.resources.iter().flat_map(|resource| {
            StackReference::BOTH.map(|stack| {
                let context = &context;
                async move {
                    let _slot = self.slots.acquire().await;
                    let summary = resource.summary(context, stack).await;
                    let (state, error) = match summary {
                        Ok(state) => (Some(state), None),
                        Err(err) => (None, Some(chain(&err))),
                    };
                    let resource = resource.declaration().key();
                    ResourceStatus { resource, stack, state, error }
                }
            })
        });
        Ok(Status {
            pointer,
            traffic: seen.map_or_else(|err| chain(&err), |it| it.to_string()),
            agrees,
            release,
            resources: future::join_all(looks).await,
        })
    }

    /// Returns where traffic is.
    pub async fn traffic(&self, stack: StackReference) -> Result<TrafficSeen> {
        self.traffic.observe(stack).await
    }

    fn report(&self, store: &Store, plan: &Plan, outcome: Outcome) -> Report {
        Report {
            outcome,
            release: store.release().map(|it| it.id),
            to: plan.to,
            active: store.pointer().active,
            steps: Vec::new(),
            refusals: Vec::new(),
            warnings: Vec::new(),
        }
    }

    async fn run_phase(
        &self,
        store: &Store,
        plan: &Plan,
        phase: Phase,
        warnings: &Mutex<BTreeSet<String>>,
    ) -> Result<Vec<StepReport>> {
        let succeeded = store.release().map(|it| it.succeeded).unwrap_or_default();
        let steps = plan.phase(phase);
        let mut reports: Vec<Option<StepReport>> = vec![None; steps.len()];
        let mut done: Vec<bool> =
            steps.iter().map(|(step, _)| succeeded.contains_key(&step.id().key())).collect();
        let mut started = done.clone();
        if !steps.is_empty() {
            let left = done.iter().filter(|it| !**it).count();
            (self.watcher)(Event::PhaseStarted { phase, steps: left });
        }

        // A failed step ends the waits of the others: what they have begun is seen again next time.
        let cancel = self.cancel.child_token();
        let mut running = FuturesUnordered::new();
        loop {
            if !cancel.is_cancelled() {
                for (index, (step, waits_for)) in steps.iter().enumerate() {
                    if !started[index] && waits_for.iter().all(|&it| done[it]) {
                        started[index] = true;
                        let cancel = &cancel;
                        running.push(async move {
                            (index, self.run_step(store, step, Some(phase), warnings, cancel).await)
                        });
                    }
                }
            }
            let Some((index, report)) = running.next().await else { break };
            match report.state {
                StepState::Done | StepState::Changed => done[index] = true,
                _ => cancel.cancel(),
            }
            reports[index] = Some(report);
        }
        Ok(steps
            .iter()
            .zip(reports)
            .filter(|((step, _), _)| !succeeded.contains_key(&step.id().key()))
            .map(|((step, _), report)| {
                report.unwrap_or_else(|| {
                    crate::run::step_report(step.as_ref(), Some(phase), StepState::Pending)
                })
            })
            .collect())
    }

    /// Stores what the partner's settings say about what is not remembered yet. Until the release has
    /// changed something, and never after.
    async fn remember_models<'a>(
        &self,
        store: &Store,
        steps: impl Iterator<Item = &'a Arc<dyn Step>>,
        round: crate::Round,
    ) -> Result<()> {
        const NOTE: &str = "models-remembered";
        if store.note(NOTE).is_some() {
            return Ok(());
        }
        let warnings = Mutex::default();
        let context = self.context(store, &warnings, round);
        for step in steps {
            if let Some((key, value)) = step.model(&context).await? {
                store.remember_model(&key, value)?;
            }
        }
        store.set_note(NOTE, true.into())
    }

    /// Returns why no release can begin: traffic is elsewhere than the pointer says, and no open
    /// release explains it.
    async fn disagreement(&self, store: &Store, to: StackReference) -> Result<Option<String>> {
        let active = store.pointer().active;
        if store.release().is_some() {
            return Ok(None);
        }
        let seen = self.traffic.observe(to).await?;
        Ok((!seen.agrees_with(active)).then(|| {
            format!(
                "the pointer says that {active} is active, but traffic is {seen}: set the pointer right \
                 with `bluegreen adopt --active {} --reason ..`, or move the traffic back",
                active.partner()
            )
        }))
    }

    /// Refuses a step that would harm the active stack, by looking at pointer and traffic anew.
    pub(crate) async fn guard(&self, store: &Store, step: &dyn Step) -> Result<()> {
        let effect = step.effect();
        if effect == Effect::Harmless {
            return Ok(());
        }
        let active = store.pointer().active;
        let seen = self.traffic.observe(store.release().map_or(active, |it| it.target)).await?;
        guard::allow(&step.id(), effect, active, &seen)
    }

    pub(crate) fn context<'a>(
        &'a self,
        store: &'a Store,
        warnings: &'a Mutex<BTreeSet<String>>,
        round: crate::Round,
    ) -> Context<'a> {
        Context { round, limits: &self.limits, clock: &self.clock, store, warnings }
    }

    /// Looks at all remaining steps of `phases` in one round, and checks what only a look can show.
    async fn look_at(&self, store: &Store, plan: &Plan, phases: &[Phase]) -> Result<Looked> {
        let succeeded = store.release().map(|it| it.succeeded).unwrap_or_default();
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
        let looks = planned.iter().map(|planned| {
            let context = &context;
            async move {
                let _slot = self.slots.acquire().await;
                let seen = planned.step.inspect(context).await;
                let reasons = match &seen {
                    Ok(Inspection::Blocked { reasons }) => reasons.clone(),
                    Err(Error::Refused { reasons }) => reasons.clone(),
                    _ => Vec::new(),
                };
                (crate::run::looked_report(planned.step.as_ref(), planned.phase, seen), reasons)
            }
        });
        let (looked, refusals) = future::join(
            future::join_all(looks),
            // What a resumed release has switched already is no longer as a plan expects it.
            async {
                match succeeded.is_empty() {
                    true => checks::refusals(&self.resources, &self.queues, &context).await,
                    false => Ok(Vec::new()),
                }
            },
        )
        .await;
        let (steps, reasons): (Vec<_>, Vec<_>) = looked.into_iter().unzip();
        let mut refusals = refusals?;
        refusals.extend(reasons.into_iter().flatten());
        refusals.extend(self.disagreement(store, plan.to).await?);
        let warnings = warnings.into_inner().unwrap_or_else(|err| err.into_inner());
        Ok(Looked { round, steps, refusals, warnings: warnings.into_iter().collect() })
    }
}

/// What the look before a run has shown.
struct Looked {
    round: crate::Round,
    steps: Vec<StepReport>,
    refusals: Vec<String>,
    warnings: Vec<String>,
}

impl Looked {
    /// Returns how a run ends that this look forbids.
    fn outcome(&self) -> Option<Outcome> {
        if self.steps.iter().any(|it| it.state == StepState::Failed) {
            Some(Outcome::Failed)
        } else if !self.refusals.is_empty() {
            Some(Outcome::Refused)
        } else {
            None
        }
    }
}

fn paused(phase: Phase, reports: &[StepReport]) -> Outcome {
    let any = |state| reports.iter().any(|it| it.state == state);
    if any(StepState::Failed) {
        if phase == Phase::Retire { Outcome::RetireIncomplete } else { Outcome::Paused }
    } else if any(StepState::Refused) {
        Outcome::Refused
    } else if any(StepState::Interrupted) || any(StepState::Pending) {
        Outcome::Interrupted
    } else {
        Outcome::Done
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("resources", &self.resources).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
