//! Going back to a stack that was begun to be switched off: a release in the other direction.

use std::collections::BTreeMap;

use bluegreen_core::StackReference;

use crate::{
    Engine, Error, Moment, Outcome, Phase, Plan, Planned, Release, Report, Result, StepEvent,
    Store, WayBack,
};

/// What becomes of the databases of a stack that was begun to be switched off, and is gone back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reversal {
    /// Production goes back to the stack as it is: its databases lack what came since.
    AsItIs,
    /// The stack is first switched off to the end, then filled again like any standby.
    Rebuilt,
}

/// The steps that destroy what a stack would have to come back for.
const REMOVES: [&str; 2] = ["aurora.delete", "dynamodb.delete"];

/// The step that fills a database again.
const FILLS: &str = "schema.hydrate";

impl Engine {
    /// Takes production back to the stack that the open release has begun to switch off, by a release in the other
    /// direction; `plan` is the open release's.
    ///
    /// As it is, the open release ends with [`Outcome::Reversed`] at the same moment as the other one opens, which
    /// neither asks whether its stack is idle nor destroys what is on it. Rebuilt, the open release is brought to its
    /// end first, and an ordinary one follows. Without a database, `how` need not be said. When a look shows that
    /// something is missing or refused, nothing has been changed.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] without an open release, and when that has not begun to switch its old stack off; when
    /// something was deleted; when there is a database and `how` is not said; to rebuild, when the rest of the release
    /// would delete something, or when no step fills the databases again. Otherwise like
    /// [`deploy`](Self::deploy).
    pub async fn reverse(
        &self,
        store: &Store,
        plan: &Plan,
        how: Option<Reversal>,
    ) -> Result<Report> {
        let Some(release) = store.release() else {
            return Err(Error::refused("no release is open: there is nothing to reverse"));
        };
        let (id, old) = (&release.id, release.target.partner());
        let WayBack::Reverse { databases, removed, since } = self.way_back(store, &release, plan)
        else {
            return Err(Error::refused(format!(
                "release {id} has not begun to switch stack {old} off: `bluegreen rollback` takes it back"
            )));
        };
        if !removed.is_empty() {
            return Err(Error::refused(format!(
                "there is no way back to stack {old}: {} has begun",
                removed.join(", ")
            )));
        }
        self.agree_on_plan(store, &release, plan).await?;
        match how {
            Some(Reversal::Rebuilt) => {
                self.allow_rebuilding(plan, &databases)?;
                self.working(store, self.rebuild(store, plan)).await
            }
            None if !databases.is_empty() => Err(Error::refused(format!(
                "{} of stack {old} may lack what came since {}, when release {id} began to switch it off: say \
                 `--rebuild` to fill it again, or `--accept-data-loss`",
                databases.join(", "),
                humantime::format_rfc3339_seconds(since.0)
            ))),
            _ => self.working(store, self.turn_round(store, old)).await,
        }
    }

    /// Returns the steps of a release back to the stack `to`, which was begun to be switched off: without those that
    /// ask whether it is idle, or destroy what is on it.
    pub fn plan_reverse(&self, to: StackReference) -> Result<Plan> {
        Ok(self.plan(to)?.without(is_left_out))
    }

    /// Returns since when the old stack may have received nothing: since the first step of `retire` began.
    pub(super) fn starved_since(release: &Release, plan: &Plan) -> Moment {
        let retired: Vec<String> =
            plan.phase(Phase::Retire).iter().map(|(step, _)| step.id().key()).collect();
        let mut entries = release.journal.entries().iter();
        let first = entries.find(|it| it.event == StepEvent::Started && retired.contains(&it.step));
        Moment(first.map_or(release.opened, |it| it.at))
    }

    async fn turn_round(&self, store: &Store, to: StackReference) -> Result<Report> {
        let plan = self.plan_reverse(to)?;
        // What the open release has succeeded with says nothing about the way back.
        let looked = self.look_at_all_but(store, &plan, &Phase::ALL, &BTreeMap::new()).await?;
        let stopped = self.cancel.is_cancelled().then_some(Outcome::Interrupted);
        if let Some(outcome) = looked.outcome().or(stopped) {
            return Ok(looked.into(self.report(store, &plan, outcome)));
        }
        store.reverse_release(self.clock.now(), self.written(&plan)).await?;
        self.run_release(store, &plan, Phase::Prepare, Phase::Retire).await
    }

    async fn rebuild(&self, store: &Store, plan: &Plan) -> Result<Report> {
        let finished = self.run_release(store, plan, Phase::Prepare, Phase::Retire).await?;
        if finished.outcome != Outcome::Done {
            return Ok(finished);
        }
        let back = self.plan(plan.to.partner())?;
        let mut report = self.run_release(store, &back, Phase::Prepare, Phase::Retire).await?;
        report.steps.splice(0..0, finished.steps);
        report.warnings.extend(finished.warnings);
        Ok(report)
    }

    fn allow_rebuilding(&self, plan: &Plan, databases: &[String]) -> Result<()> {
        let named = |plan: &Plan, phase: Phase, names: &[&str]| -> Vec<String> {
            let steps = plan.phase(phase).into_iter().map(|(step, _)| step.id());
            let meant = steps.filter(|it| names.contains(&it.name.as_str()));
            meant.map(|it| it.to_string()).collect()
        };
        let deletes = named(plan, Phase::Retire, &REMOVES);
        if !deletes.is_empty() {
            return Err(Error::refused(format!(
                "rebuilding goes on with `retire` first, which would delete what is to be gone back to ({}): go back \
                 with `--accept-data-loss`",
                deletes.join(", ")
            )));
        }
        let back = self.plan(plan.to.partner())?;
        if !databases.is_empty() && named(&back, Phase::Prepare, &[FILLS]).is_empty() {
            return Err(Error::refused(format!(
                "nothing in the stack file fills {} again (`{FILLS}`): go back with `--accept-data-loss`, or finish \
                 the release with `bluegreen retire` and deploy the other way",
                databases.join(", ")
            )));
        }
        Ok(())
    }
}

/// Returns whether a release back goes without a step: its stack is still at work, and what it holds is what is gone
/// back for.
fn is_left_out(planned: &Planned) -> bool {
    let id = planned.step.id();
    planned.phase == Phase::Prepare
        && (["standby.idle", "sqs.purge"].contains(&id.name.as_str()) || id.subject() == "schema")
}
