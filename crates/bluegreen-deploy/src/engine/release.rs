//! Running the phases of a release.

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{Arc, Mutex},
};

use super::{first_look::succeeded, listed, turns::Turn};
use crate::{
    Engine, Error, Event, Outcome, Phase, Plan, Release, Report, Result, Round, Step, StepEvent,
    StepReport, StepState, Store, chain,
    run::{self, Task},
    stack_file::{OnFailure, Traffic},
    store::Happened,
};

/// The outcomes that the loss of the lease explains.
const UNFINISHED: [Outcome; 6] = [
    Outcome::Failed,
    Outcome::Inconclusive,
    Outcome::Interrupted,
    Outcome::Paused,
    Outcome::RetireIncomplete,
    Outcome::Stuck,
];

impl Engine {
    /// Moves production to the stack that `plan` leads to, or goes on with the release that does, up to
    /// and including the phase `until`.
    ///
    /// Everything is looked at first: when something is missing or refused, nothing has been changed.
    /// When a step fails, or when told to stop, the release stays open: the same call goes on with it. The release keeps
    /// how far it was asked to go ([`Release::until`]). With `on-failure = "undo"` in the stack file, a failure in
    /// `prepare` or `test` takes it back at once.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] while a release to the other stack is open, while the open one is being taken back,
    /// and when its plan has changed; [`Error::LeaseLost`] when another process has taken over; and errors of
    /// the store. What becomes of steps is in the report.
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
        self.working(store, self.run_release(store, plan, from, until)).await
    }

    /// Does some work under the lease. When the lease is lost, no new call is begun, and those under way are
    /// waited for.
    pub(super) async fn working(
        &self,
        store: &Store,
        work: impl Future<Output = Result<Report>>,
    ) -> Result<Report> {
        let mut work = pin!(work);
        let ended = tokio::select! {
            biased;
            ended = &mut work => Some(ended),
            () = store.keep_lease() => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                self.cancel.cancel();
                work.await
            }
        };
        // A step may have seen before all else that the lease is lost, and have stopped or failed for want of it.
        match ended {
            Err(err) if !matches!(err, Error::LeaseLost { .. } | Error::Refused { .. }) => {
                store.check_lease().inspect_err(|_| {
                    tracing::warn!("after the lease was lost: {}", chain(&err));
                })?;
                Err(err)
            }
            Ok(report) if UNFINISHED.contains(&report.outcome) => {
                store.check_lease()?;
                Ok(report)
            }
            ended => ended,
        }
    }

    pub(super) async fn run_release(
        &self,
        store: &Store,
        plan: &Plan,
        from: Phase,
        until: Phase,
    ) -> Result<Report> {
        let to = plan.to;
        self.close_if_over(store).await?;
        let open = store.release();
        if let Some(release) = open.as_ref().filter(|it| it.going_back.is_some()) {
            return match self.on_failure {
                OnFailure::Undo if release.target == to => self.take_back(store, plan).await,
                _ => Err(Error::refused(format!(
                    "release {} to {} is being taken back: go on with `bluegreen rollback`",
                    release.id, release.target
                ))),
            };
        }
        if open.is_none() && from == Phase::Prepare && store.pointer().active == to {
            return match self.disagreement(store, to).await? {
                Some(reason) => Err(Error::refused(reason)),
                None => Ok(self.report(store, plan, Outcome::AlreadyThere)),
            };
        }
        self.allow_phases(open.as_deref(), plan, from)?;
        if let Some(release) = &open {
            self.agree_on_plan(store, release, plan).await?;
        }
        let open = store.release();
        if from <= Phase::Promote {
            // Under another plan, phases before may have become due again.
            self.allow_phases(open.as_deref(), plan, from)?;
        }
        let asked = until;
        let until = match self.traffic.traffic() {
            Traffic::Undeclared => until.min(Phase::Test),
            _ => until,
        };

        let ended = |phase| open.as_ref().is_some_and(|it| it.phases.contains_key(&phase));
        let remaining: Vec<Phase> = Phase::ALL.into_iter().filter(|it| !ended(*it)).collect();
        let looked = self.look_at(store, plan, &remaining).await?;
        let stopped = self.cancel.is_cancelled().then_some(Outcome::Interrupted);
        if let Some(outcome) = looked.outcome().or(stopped) {
            return Ok(looked.into(self.report(store, plan, outcome)));
        }
        for text in &looked.warnings {
            (self.watcher)(Event::Warning { text: text.clone() });
        }

        let identities = match self.lacks_identities(store, plan) {
            true => {
                let warnings = Mutex::default();
                let context = self.context(store, &warnings, looked.round);
                let (identities, off) = tokio::try_join!(
                    self.identities(&context, to.partner()),
                    self.off(&context, to.partner())
                )?;
                Some((identities, off))
            }
            false => None,
        };
        let release = match &open {
            Some(release) => {
                store.go_on_to(asked).await?;
                Arc::clone(release)
            }
            None => {
                let (now, notes) = (self.clock.now(), self.opening.clone());
                store.open_release(to, asked, now, self.written(plan), notes).await?
            }
        };
        (self.watcher)(Event::Release { id: release.id.clone(), resumed: open.is_some() });
        if let Some((identities, off)) = identities {
            self.note_off(store, off).await?;
            self.note_identities(store, identities).await?;
        }
        let steps = plan.steps();
        self.remember_models(store, steps.into_iter().map(|it| &it.step), looked.round).await?;
        // It asks only what the look has just shown, and nothing has been changed since.
        let idle = looked.steps.iter().find(|it| it.step.name == "standby.idle");
        if let Some(idle) = idle.filter(|it| it.state == StepState::Done) {
            let happened = Happened::new(&idle.step, StepEvent::Succeeded, self.clock.now());
            store.happened(happened).await?;
        }

        let warnings = Mutex::new(looked.warnings.into_iter().collect());
        let phases = remaining.into_iter().filter(|it| *it <= until);
        let (mut outcome, mut steps, mut refusals) =
            self.run_phases(store, plan, phases, &warnings).await?;
        if outcome == Outcome::Done && until == Phase::Retire {
            // Somebody may have moved traffic since the last step that asked.
            match self.not_promoted(store, plan).await? {
                None => store.close_release(Outcome::Done, self.clock.now()).await?,
                Some(reason) => {
                    outcome = Outcome::Refused;
                    refusals.push(reason);
                }
            }
        }
        let refused = steps.iter().filter(|it| it.state == StepState::Refused);
        refusals.extend(refused.filter_map(|it| it.error.clone()));
        let mut failed = steps.iter().filter(|it| it.state == StepState::Failed);
        if outcome == Outcome::Paused
            && self.on_failure == OnFailure::Undo
            && failed.all(|it| it.phase.is_some_and(|it| it < Phase::Promote))
            && !store.release().is_some_and(|it| it.has_begun(Phase::Promote, plan))
        {
            let back = self.take_back(store, plan).await?;
            outcome = back.outcome;
            steps.extend(back.steps);
            refusals.extend(back.refusals);
        }
        Ok(Report {
            release: Some(release.id.clone()),
            steps,
            refusals,
            warnings: listed(warnings),
            ..self.report(store, plan, outcome)
        })
    }

    /// Ends a release that nothing is left to do for: without a word about traffic in the stack file,
    /// production is moved by hand, and the pointer by `adopt`.
    pub async fn close_if_over(&self, store: &Store) -> Result<()> {
        let Some(release) = store.release() else { return Ok(()) };
        let over = *self.traffic.traffic() == Traffic::Undeclared
            && release.going_back.is_none()
            && release.phases.contains_key(&Phase::Test)
            && store.pointer().active == release.target;
        if over { store.close_release(Outcome::Done, self.clock.now()).await } else { Ok(()) }
    }

    /// Refuses a release to the other stack, and phases that are not due.
    fn allow_phases(&self, open: Option<&Release>, plan: &Plan, from: Phase) -> Result<()> {
        let to = plan.to;
        if let Some(release) = open
            && release.target != to
        {
            return Err(Error::refused(format!(
                "release {} to {} is open: finish it with `bluegreen deploy --to {}`, or take it back with \
                 `bluegreen rollback`",
                release.id, release.target, release.target
            )));
        }
        if *self.traffic.traffic() == Traffic::Undeclared && from > Phase::Test {
            return Err(Error::refused(
                "the stack file does not say who moves traffic: add `traffic = \"none\"` or a \
                 `[traffic.*]` table",
            ));
        }
        let ended = |phase| open.is_some_and(|it| it.phases.contains_key(&phase));
        let missing = Phase::ALL.into_iter().find(|it| {
            *it < from && !ended(*it) && !(open.is_some() && plan.phase(*it).is_empty())
        });
        match missing {
            Some(missing) => Err(Error::refused(format!(
                "`{missing}` comes first: run `bluegreen deploy --to {to} --until {missing}`"
            ))),
            None => Ok(()),
        }
    }

    /// Runs phases one after the other, until one does not end well.
    async fn run_phases(
        &self,
        store: &Store,
        plan: &Plan,
        phases: impl Iterator<Item = Phase>,
        warnings: &Mutex<BTreeSet<String>>,
    ) -> Result<(Outcome, Vec<StepReport>, Vec<String>)> {
        let mut steps = Vec::new();
        for phase in phases {
            if phase > Phase::Promote
                && let Some(reason) = self.not_promoted(store, plan).await?
            {
                return Ok((Outcome::Refused, steps, vec![reason]));
            }
            match self.not_allowed(store, plan, phase, warnings).await {
                Ok(refusals) if refusals.is_empty() => {}
                Ok(refusals) => return Ok((Outcome::Refused, steps, refusals)),
                Err(err) if run::interrupts(&err) => {
                    return Ok((Outcome::Interrupted, steps, Vec::new()));
                }
                Err(err) => return Err(err),
            }
            let reports = self.run_phase(store, plan, phase, warnings).await?;
            let outcome = paused(phase, &reports);
            steps.extend(reports);
            if outcome != Outcome::Done {
                return Ok((outcome, steps, Vec::new()));
            }
            store.phase_ended(phase, self.clock.now()).await?;
            if !plan.phase(phase).is_empty() {
                (self.watcher)(Event::PhaseEnded { phase });
            }
        }
        Ok((Outcome::Done, steps, Vec::new()))
    }

    /// Returns why the old stack must not be touched: pointer and traffic are not both on the new one, or need not stay
    /// there.
    async fn not_promoted(&self, store: &Store, plan: &Plan) -> Result<Option<String>> {
        let active = store.pointer().active;
        let seen = self.traffic.observe(plan.to).await?;
        if active != plan.to || !seen.agrees_with(plan.to) {
            return Ok(Some(format!(
                "the pointer is on {active} and traffic is {seen}: hold, retire and the end of a release need \
                 both on {}; move traffic there, and run the same command again",
                plan.to
            )));
        }
        let under_way = self.traffic.under_way().await?;
        Ok((!under_way.is_empty()).then(|| {
            format!(
                "{} has not ended, and may move traffic back: hold, retire and the end of a release wait for that; \
                 run the same command again then",
                under_way.join(", ")
            )
        }))
    }

    async fn run_phase(
        &self,
        store: &Store,
        plan: &Plan,
        phase: Phase,
        warnings: &Mutex<BTreeSet<String>>,
    ) -> Result<Vec<StepReport>> {
        let succeeded = succeeded(store);
        let turns: Vec<Turn> = plan
            .phase(phase)
            .into_iter()
            .map(|(step, waits_for)| {
                let is_left = !succeeded.contains_key(&step.id().key());
                Turn { task: is_left.then(|| Task::new(&step, Some(phase))), waits_for }
            })
            .collect();
        let left = turns.iter().filter(|it| it.task.is_some()).count();
        if !turns.is_empty() {
            (self.watcher)(Event::PhaseStarted { phase, steps: left });
        }
        Ok(self.take_turns(store, &turns, warnings).await)
    }

    /// Stores what the active stack's settings say about the stack to come, where nothing better is
    /// remembered. Until the release has changed something, and never after.
    async fn remember_models<'a>(
        &self,
        store: &Store,
        steps: impl Iterator<Item = &'a Arc<dyn Step>>,
        round: Round,
    ) -> Result<()> {
        const NOTE: &str = "models-remembered";
        if store.note(NOTE).is_some() {
            return Ok(());
        }
        let warnings = Mutex::default();
        let context = self.context(store, &warnings, round);
        for step in steps {
            if let Some((key, value)) = step.model(&context).await? {
                store.remember_model(&key, value).await?;
            }
        }
        store.set_note(NOTE, true.into()).await
    }
}

/// Returns how a run ends whose last phase was `phase`.
pub(super) fn paused(phase: Phase, reports: &[StepReport]) -> Outcome {
    let any = |state| reports.iter().any(|it| it.state == state);
    if any(StepState::Failed) {
        if phase == Phase::Retire { Outcome::RetireIncomplete } else { Outcome::Paused }
    } else if any(StepState::Refused) {
        Outcome::Refused
    } else if any(StepState::Inconclusive) {
        Outcome::Inconclusive
    } else if any(StepState::Interrupted) || any(StepState::Pending) {
        Outcome::Interrupted
    } else {
        Outcome::Done
    }
}
