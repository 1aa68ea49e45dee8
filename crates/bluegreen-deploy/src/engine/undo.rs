//! Taking a release back.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use super::{listed, turns::Turn};
use crate::{
    Engine, Error, Event, Moment, Outcome, Phase, Plan, Release, Report, Result, StepState, Store,
    run::Task, stack_file::Writes,
};

/// What taking the open release back would mean now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayBack {
    /// Production has not moved: what the release has changed on the standby is taken back.
    Standby,
    /// Production goes back at once: the old stack was fed all the time.
    Instant,
    /// Production goes back at once, but these databases lack what was written to their partners.
    LosesWrites(Vec<String>),
    /// The old stack was begun to be switched off: only a release in the other direction leads back.
    Reverse {
        /// The databases of the old stack, which have received nothing for a while.
        databases: Vec<String>,
        /// What has been removed, without which there is no way back.
        removed: Vec<String>,
        /// Since when the old stack may have received nothing.
        since: Moment,
    },
}

impl Engine {
    /// Returns what taking `release` back would mean now; `plan` is its plan.
    pub fn way_back(&self, store: &Store, release: &Release, plan: &Plan) -> WayBack {
        let databases = |which: fn(Writes) -> bool| -> Vec<String> {
            let resources = self.resources.iter().map(|it| (it.declaration(), it.writes()));
            let own = resources.filter(|(_, writes)| writes.is_some_and(which));
            own.map(|(declaration, _)| declaration.key()).collect()
        };
        if release.has_begun(Phase::Retire, plan) {
            let changed = release.journal.changed();
            let removed = plan.steps().into_iter().map(|it| it.step.id()).filter(|it| {
                matches!(it.name.as_str(), "aurora.delete" | "dynamodb.delete")
                    && changed.contains(&it.key())
            });
            let removed = removed.map(|it| it.to_string()).collect();
            let since = Self::starved_since(release, plan);
            return WayBack::Reverse { databases: databases(|_| true), removed, since };
        }
        let moved =
            release.has_begun(Phase::Promote, plan) || store.pointer().active == release.target;
        match databases(|it| it == Writes::Direct) {
            _ if !moved => WayBack::Standby,
            direct if direct.is_empty() => WayBack::Instant,
            direct => WayBack::LosesWrites(direct),
        }
    }

    /// Takes the open release back: traffic, pointer, exclusive consumers and alarms first, then in reverse
    /// order what the release has changed on the standby, and nothing else.
    ///
    /// Where an undo fails, the release is stuck: called again, it goes on there.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] without an open release; when it has begun to switch the old stack off; when it would lose
    /// what was written to a database since production moved, unless that is accepted; when the plan has changed; and,
    /// told to go on under the new one, when the stack file no longer has what would have to be taken back as it was.
    pub async fn rollback(
        &self,
        store: &Store,
        plan: &Plan,
        accept_data_loss: bool,
    ) -> Result<Report> {
        let Some(release) = store.release() else {
            return Err(Error::refused("no release is open: there is nothing to take back"));
        };
        let mut moves_back = false;
        match self.way_back(store, &release, plan) {
            // Decided when it began.
            _ if release.going_back.is_some() => {}
            WayBack::Standby => {}
            WayBack::Instant => moves_back = true,
            WayBack::LosesWrites(_) if accept_data_loss => moves_back = true,
            WayBack::LosesWrites(databases) => {
                let since = store.pointer().since;
                return Err(Error::refused(format!(
                    "{} of stack {} lacks what was written since {}: accept that with `--accept-data-loss`",
                    databases.join(", "),
                    release.target.partner(),
                    humantime::format_rfc3339_seconds(since)
                )));
            }
            WayBack::Reverse { .. } => {
                return Err(Error::refused(format!(
                    "release {} has begun to switch stack {} off: only a release in the other direction leads \
                     back",
                    release.id,
                    release.target.partner()
                )));
            }
        }
        let warnings = Mutex::default();
        let work = async {
            self.agree_on_way_back(store, plan).await?;
            if moves_back {
                self.advice(store, plan, &warnings).await?;
            } else if release.going_back.is_none() {
                self.refuse_while_it_serves(store, &release).await?;
                let reasons = self.undos_both_off(store, plan, &warnings).await?;
                if !reasons.is_empty() {
                    let reasons = reasons.iter().map(ToString::to_string).collect();
                    return Err(Error::Refused { reasons });
                }
            }
            self.take_back(store, plan).await
        };
        let report = self.working(store, work).await?;
        let warnings: BTreeSet<String> =
            listed(warnings).into_iter().chain(report.warnings).collect();
        Ok(Report { warnings: warnings.into_iter().collect(), ..report })
    }

    /// Refuses to take the standby apart while a platform has moved the traffic of a service there already: the pointer
    /// follows when all have moved.
    async fn refuse_while_it_serves(&self, store: &Store, release: &Release) -> Result<()> {
        let by_platform = self.traffic.all().iter().any(|it| it.platform().is_some());
        let active = store.pointer().active;
        if !by_platform || active == release.target {
            return Ok(());
        }
        let seen = self.traffic.observe(release.target).await?;
        match seen.agrees_with(active) {
            true => Ok(()),
            false => Err(Error::refused(format!(
                "traffic is {seen}: bring it back to {active} by deployments that are bound to {active}, and run the \
                 same command again"
            ))),
        }
    }

    /// Takes back what the open release has changed.
    pub(super) async fn take_back(&self, store: &Store, plan: &Plan) -> Result<Report> {
        let Some(release) = store.release() else {
            return Ok(self.report(store, plan, Outcome::TakenBack));
        };
        self.agree_on_way_back(store, plan).await?;
        let changed = release.journal.changed();
        let known: Vec<String> = plan.steps().iter().map(|it| it.step.id().key()).collect();
        let unknown: Vec<&str> = changed
            .iter()
            .map(String::as_str)
            .filter(|it| !known.iter().any(|own| own == it))
            .collect();
        if !unknown.is_empty() {
            return Err(Error::refused(format!(
                "the stack file no longer has what release {} has changed and would have to take back: {}; put it \
                 back until the release has ended",
                release.id,
                unknown.join(", ")
            )));
        }
        store.going_back(self.clock.now()).await?;
        let undone = plan.backwards();
        let turns: Vec<Turn> = undone
            .into_iter()
            .map(|(planned, waits_for)| {
                let key = planned.step.id().key();
                // Whoever has moved the traffic, it goes back with the pointer, unless somebody says that it has.
                let follows = planned.phase == Phase::Promote
                    && key.starts_with("traffic.move/")
                    && release.has_begun(Phase::Promote, plan)
                    && !release.journal.is_left(&key);
                let is_undone = changed.contains(&key) || follows;
                let task = is_undone.then(|| Task::undoing(&planned.step, planned.phase)).flatten();
                Turn { task, waits_for }
            })
            .collect();
        let steps = turns.iter().filter(|it| it.task.is_some()).count();
        (self.watcher)(Event::TakesBack { id: release.id.clone(), steps });
        let warnings = Mutex::new(BTreeSet::new());
        for (step, arn) in release.unended_tasks() {
            let text = match arn {
                Some(arn) => format!(
                    "ECS task `{arn}` of {step} was not seen to end, and is not stopped: stop it or wait for its end \
                     before the next release"
                ),
                None => format!(
                    "{step} may have started an ECS task, AWS's answer got lost: look for what `bluegreen/{}` has \
                     started",
                    release.id
                ),
            };
            (self.watcher)(Event::Warning { text: text.clone() });
            warnings.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
        }
        let steps = self.take_turns(store, &turns, &warnings).await;

        let any = |state| steps.iter().any(|it| it.state == state);
        let outcome = if any(StepState::Failed) {
            Outcome::Stuck
        } else if any(StepState::Refused) {
            Outcome::Refused
        } else if any(StepState::Interrupted) || any(StepState::Pending) {
            Outcome::Interrupted
        } else {
            store.close_release(Outcome::TakenBack, self.clock.now()).await?;
            Outcome::TakenBack
        };
        let refused = steps.iter().filter(|it| it.state == StepState::Refused);
        let refusals = refused.filter_map(|it| it.error.clone()).collect();
        Ok(Report {
            release: Some(release.id.clone()),
            steps,
            refusals,
            warnings: listed(warnings),
            ..self.report(store, plan, outcome)
        })
    }
}

impl Release {
    /// Returns whether a step of `phase`, or of one after it, was about to change something; `plan` is the release's.
    pub fn has_begun(&self, phase: Phase, plan: &Plan) -> bool {
        let changed = self.journal.changed();
        let mut later = plan.steps().into_iter().filter(|it| it.phase >= phase);
        later.any(|it| changed.contains(&it.step.id().key()))
    }
}
