//! [`Failing`], a step or an undo that fails for good, and what a person does about it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Context, Effect, Error, Inspection, Objection, Outcome, Permission, Phase, Plan, Report,
    Result, Step, StepEvent, StepId, stack_file::OnFailure,
};
use serde_json::Value;

use crate::{
    picture::Picture,
    process::Command,
    run::{Run, complaints, lock},
};

/// What fails for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The step, of those of the plan, counted from 0.
    pub(crate) step: usize,
    /// Whether it is the step itself, or what takes it back.
    pub(crate) of: Of,
    /// Whether it fails only when it has made its change.
    pub(crate) acts: bool,
}

/// What of a step fails, and what a person does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// The step; it is mended, unless all is taken back by then.
    Step,
    /// Its undo; it is mended and tried again.
    UndoMended,
    /// Its undo; a person says that the release goes on without it.
    UndoSkipped,
}

/// A step that fails until it is mended.
#[derive(Debug)]
pub(crate) struct Failing {
    failure: Failure,
    has_acted: AtomicBool,
    has_failed: AtomicBool,
    is_mended: AtomicBool,
}

impl Failing {
    pub(crate) fn new(failure: Failure) -> Self {
        let [has_acted, has_failed, is_mended] = [false; 3].map(AtomicBool::new);
        Self { failure, has_acted, has_failed, is_mended }
    }

    /// Lets the step of the plan fail, or what takes it back.
    pub(crate) fn put_into(self: &Arc<Self>, plan: &mut Plan) {
        let hit = self.step(plan);
        plan.replace(|step| {
            if Some(step.id()) != hit {
                return Arc::clone(step);
            }
            let (step, failing) = (Arc::clone(step), Arc::clone(self));
            Arc::new(FailingStep { step, failing, is_it: self.failure.of == Of::Step })
        });
    }

    fn step(&self, plan: &Plan) -> Option<StepId> {
        plan.steps().get(self.failure.step).map(|it| it.step.id())
    }
}

/// The step that fails, or one whose undo does.
#[derive(Debug)]
struct FailingStep {
    step: Arc<dyn Step>,
    failing: Arc<Failing>,
    /// Whether it is what fails itself.
    is_it: bool,
}

impl FailingStep {
    fn fail(&self) -> Result<Inspection> {
        self.failing.has_failed.store(true, Ordering::Relaxed);
        Err(Error::Gate { what: "it".to_owned(), reason: "fails for good".to_owned() })
    }
}

#[async_trait]
impl Step for FailingStep {
    fn id(&self) -> StepId {
        self.step.id()
    }

    fn effect(&self) -> Effect {
        self.step.effect()
    }

    fn begin(&self) {
        self.step.begin();
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let Failing { failure, has_acted, is_mended, .. } = self.failing.as_ref();
        if !self.is_it || !context.is_turn() || is_mended.load(Ordering::Relaxed) {
            return self.step.inspect(context).await;
        }
        // A person skips only what is done in truth.
        let has_acted = has_acted.load(Ordering::Relaxed) && failure.of != Of::UndoSkipped;
        if !failure.acts || has_acted {
            return self.fail();
        }
        match self.step.inspect(context).await? {
            Inspection::Done => self.fail(),
            seen => Ok(seen),
        }
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        self.step.apply(context).await?;
        if self.is_it {
            self.failing.has_acted.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn objections(&self, context: &Context<'_>) -> Result<Vec<Objection>> {
        self.step.objections(context).await
    }

    async fn leaves_off(&self, context: &Context<'_>) -> Result<Vec<String>> {
        self.step.leaves_off(context).await
    }

    fn deadline(&self) -> Option<Duration> {
        self.step.deadline()
    }

    fn lasts(&self) -> Duration {
        self.step.lasts()
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        let step = self.step.undo()?;
        if self.failing.failure.of == Of::Step {
            return Some(step);
        }
        Some(Arc::new(Self { step, failing: Arc::clone(&self.failing), is_it: true }))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.step.permissions()
    }

    async fn model(&self, context: &Context<'_>) -> Result<Option<(String, Value)>> {
        self.step.model(context).await
    }

    fn memory(&self) -> Option<String> {
        self.step.memory()
    }
}

impl Run<'_> {
    /// Moves production to a stack while something fails for good, and does then what a person would. Returns whether
    /// production has moved in the end.
    pub(crate) async fn fails(&self, failing: &Failing, to: StackReference) -> Result<bool> {
        let before = self.picture();
        let is_undo = failing.failure.of != Of::Step;
        if is_undo {
            self.expect(Command::Deploy(Phase::Promote), to, Outcome::Done).await?;
        }
        let begun = if is_undo { Command::Rollback } else { Command::Deploy(Phase::Retire) };
        let report = self.command(begun, to).await?;
        let expected = self.expected(failing, to)?;
        self.agrees(&report, expected);
        if is_undo {
            if expected == Outcome::Stuck {
                self.led_out(failing, to).await?;
            }
            self.unchanged_since(&before);
        } else if expected == Outcome::TakenBack {
            self.unchanged_since(&before);
        }
        failing.is_mended.store(true, Ordering::Relaxed);
        if report.outcome != Outcome::Done {
            self.expect(Command::Deploy(Phase::Retire), to, Outcome::Done).await?;
        }
        self.account.world(|world| lock(&self.seen).checker.done(world, to));
        Ok(self.kept.pointer().active == to)
    }

    /// Returns how a command ends in which the step, or its undo, fails.
    fn expected(&self, failing: &Failing, to: StackReference) -> Result<Outcome> {
        let plan = self.plan(to)?;
        let Some(planned) = plan.steps().get(failing.failure.step).copied() else {
            panic!("the plan has fewer steps than {}", failing.failure.step)
        };
        let id = planned.step.id();
        if !failing.has_failed.load(Ordering::Relaxed) {
            // What the first look has seen is not looked at again, and what was not changed is not taken back.
            let stays = planned.step.undo().is_none() || !self.has_acted(|key| key == id.key());
            return Ok(match failing.failure.of {
                Of::Step if id.name == "standby.idle" => Outcome::Done,
                Of::UndoMended | Of::UndoSkipped if stays => Outcome::TakenBack,
                _ => panic!("`{id}` was to fail, and had no turn"),
            });
        }
        let undoes = self.file.release.on_failure == OnFailure::Undo;
        Ok(match (failing.failure.of, planned.phase) {
            (Of::UndoMended | Of::UndoSkipped, _) => Outcome::Stuck,
            (Of::Step, Phase::Retire) => Outcome::RetireIncomplete,
            (Of::Step, Phase::Prepare | Phase::Test) if undoes => Outcome::TakenBack,
            (Of::Step, _) => Outcome::Paused,
        })
    }

    /// Returns whether a step was about to change something, by the journal.
    fn has_acted(&self, is_it: impl Fn(&str) -> bool) -> bool {
        let release = self.kept.release();
        let entries = release.iter().flat_map(|it| it.journal.entries());
        entries.into_iter().any(|it| it.event == StepEvent::Started && is_it(&it.step))
    }

    /// Leads a release out that is stuck.
    async fn led_out(&self, failing: &Failing, to: StackReference) -> Result<()> {
        let Some(step) = failing.step(&self.plan(to)?) else { return Ok(()) };
        match failing.failure.of {
            Of::UndoSkipped if step.name != "active.switch" => {
                self.skip(&step.key(), to).await?;
            }
            // Nobody can move the pointer by hand.
            Of::Step | Of::UndoMended | Of::UndoSkipped => {
                failing.is_mended.store(true, Ordering::Relaxed)
            }
        }
        self.expect(Command::Rollback, to, Outcome::TakenBack).await
    }

    async fn expect(&self, command: Command, to: StackReference, outcome: Outcome) -> Result<()> {
        let report = self.command(command, to).await?;
        self.agrees(&report, outcome);
        Ok(())
    }

    fn agrees(&self, report: &Report, outcome: Outcome) {
        if report.outcome != outcome {
            let ended = complaints(report);
            lock(&self.seen).checker.violated(format!("it should be {outcome:?}, and is {ended}"));
        }
    }

    fn unchanged_since(&self, before: &Picture) {
        let differences = before.differences(&self.picture());
        if !differences.is_empty() {
            let what = format!("taken back, and yet otherwise: {differences:?}");
            lock(&self.seen).checker.violated(what);
        }
    }
}
