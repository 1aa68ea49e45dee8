//! What is written down, reported, and so in the account agree.

use bluegreen_deploy::{Outcome, Plan, Report, StepEvent};
use bluegreen_sim::Record;

use super::Checker;

/// How the acts of a step are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// As those of the step with this key.
    key: String,
    /// Whether they take that step back.
    undoes: bool,
}

impl Checker {
    /// Notes what the steps of a process are called in the journal.
    pub(crate) fn planned(&mut self, plan: &Plan) {
        self.written_as.clear();
        for planned in plan.steps() {
            let key = planned.step.id().key();
            let mut note = |step: String, undoes| {
                let written = Written { key: key.clone(), undoes };
                self.written_as.entry(step).or_default().push(written);
            };
            note(planned.step.id().to_string(), false);
            if let Some(undo) = planned.step.undo() {
                note(undo.id().to_string(), true);
            }
        }
    }

    /// 3: nothing is changed that is not in the journal before, nor is it changed again once its success is there.
    pub(super) fn is_written(&mut self, record: &Record) {
        let Some(step) = &record.step else { return };
        // What a process has sent before it was stopped arrives when another has gone on.
        if !self.stopped_for.is_zero() {
            return;
        }
        let journal = self.store.journal();
        let names = self.written_as.get(step).map(Vec::as_slice).unwrap_or_default();
        let is_under_way = names.iter().any(|name| {
            let last = journal.iter().rfind(|it| it.step == name.key).map(|it| it.event);
            let started = if name.undoes { StepEvent::UndoStarted } else { StepEvent::Started };
            last == Some(started)
        });
        if !is_under_way {
            let name = record.name();
            self.violated(format!("{name} by `{step}`, which is not under way in the journal"));
        }
    }

    /// 3: what a run reports agrees with the account and the pointer; nothing at all is what an error reports.
    pub(crate) fn report(&mut self, report: Option<&Report>) {
        let nothing_changed = report.is_none_or(|it| {
            it.outcome == Outcome::Failed || (it.outcome == Outcome::Refused && it.steps.is_empty())
        });
        if nothing_changed && self.effects > 0 {
            let effects = self.effects;
            self.violated(format!("it says that nothing was changed after {effects} changes"));
        }
        let Some(report) = report else { return };
        let pointer = self.store.pointer().active;
        if report.active != pointer {
            self.violated(format!("the report says {} and the pointer {pointer}", report.active));
        }
        let open = self.store.is_open();
        let may_be = match report.outcome {
            Outcome::Done | Outcome::AlreadyThere | Outcome::TakenBack => !open,
            Outcome::Paused
            | Outcome::Inconclusive
            | Outcome::Interrupted
            | Outcome::RetireIncomplete
            | Outcome::Stuck => open,
            Outcome::Refused | Outcome::Failed => true,
            Outcome::Planned | Outcome::Reversed => false,
        };
        if !may_be {
            self.violated(format!("it ends in {:?}, open: {open}", report.outcome));
        }
        self.agrees(report);
        if report.outcome == Outcome::RetireIncomplete && pointer != report.to {
            self.violated("retiring is incomplete and production has not moved".to_owned());
        }
    }

    /// 3: a release that is over has no step under way in the journal, and the pointer is where it has ended.
    fn agrees(&mut self, report: &Report) {
        let back = match report.outcome {
            Outcome::Done => false,
            Outcome::TakenBack => true,
            _ => return,
        };
        let Some(release) = self.store.release() else {
            return self.violated("a release is over that there is not".to_owned());
        };
        let pointer = self.store.pointer().active;
        if back == (pointer == release.target) {
            self.violated(format!("it ends in {:?}, and the pointer on {pointer}", report.outcome));
        }
        let changed = release.journal.changed();
        for (step, last) in release.journal.last() {
            let over = match last.event {
                StepEvent::Succeeded | StepEvent::Skipped if !back => true,
                StepEvent::UndoSucceeded | StepEvent::UndoSkipped => back,
                StepEvent::UndoStarted | StepEvent::UndoFailed => false,
                _ => back && (self.stays(step) || !changed.contains(step)),
            };
            if !over {
                let (outcome, event) = (report.outcome, last.event);
                self.violated(format!("it ends in {outcome:?}, and `{step}` in {event:?}"));
            }
        }
    }

    /// Returns whether nothing takes a step back.
    fn stays(&self, step: &str) -> bool {
        !self.written_as.values().flatten().any(|it| it.key == step && it.undoes)
    }
}
