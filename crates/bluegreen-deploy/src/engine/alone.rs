//! One step by itself, without a release.

use std::sync::{Arc, Mutex};

use bluegreen_core::StackReference;
use futures::future;

use super::{listed, release::paused};
use crate::run::Task;
use crate::{
    Effect, Engine, Error, Inspection, Outcome, Phase, Plan, Report, Result, Step, StepState,
    Store, steps::Idle,
};

/// The steps that move production or hold it: nobody takes them by themselves.
const PARTS_OF_A_RELEASE: [&str; 4] =
    ["traffic.move", "traffic.settle", "active.switch", "release.hold"];

impl Engine {
    /// Brings about the step `name` on `stack` by itself, on every resource that has it or on `resource`
    /// alone, under the same guards and checks as in a release.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] while a release is open, for a step that only a release may take, and by guards
    /// and checks; [`bluegreen_core::Error::NotFound`] when the stack file has no such step;
    /// [`Error::LeaseLost`] when another process has taken over.
    pub async fn step(
        &self,
        store: &Store,
        name: &str,
        stack: StackReference,
        resource: Option<&str>,
    ) -> Result<Report> {
        self.working(store, self.run_alone(store, name, stack, resource)).await
    }

    async fn run_alone(
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
        if PARTS_OF_A_RELEASE.contains(&name) {
            return Err(Error::refused(format!("`{name}` is taken only as a part of a release")));
        }
        let (plan, steps) = self.named(name, stack, resource)?;

        // Before anything else is looked at: what is refused must not even begin.
        for step in &steps {
            self.guard(store, step.as_ref()).await?;
        }
        let warnings = Mutex::default();
        let context = self.context(store, &warnings, self.rounds.begin());
        let about_sources = ["exclusive", "kinesis", "lambda", "sqs"];
        if steps
            .iter()
            .any(|it| it.effect() != Effect::Harmless && about_sources.contains(&it.id().subject()))
        {
            let reasons = self.refusals(&[Phase::Prepare], &context).await?;
            if !reasons.is_empty() {
                return Err(Error::Refused { reasons });
            }
        }
        if steps.iter().any(|it| matches!(it.effect(), Effect::Destroys(_))) {
            let idle = Idle { resources: self.resources.clone(), stack };
            if let Inspection::Blocked { reasons } = idle.inspect(&context).await? {
                return Err(Error::Refused { reasons });
            }
        }
        let tasks: Vec<Task> = steps.iter().map(|it| Task::new(it, None)).collect();
        let runs = tasks.iter().map(|it| self.run_step(store, it, &warnings, &self.cancel));
        let reports = future::join_all(runs).await;

        let outcome = match paused(Phase::Prepare, &reports) {
            Outcome::Paused => Outcome::Failed,
            outcome => outcome,
        };
        let refused = reports.iter().filter(|it| it.state == StepState::Refused);
        let refusals = refused.filter_map(|it| it.error.clone()).collect();
        let report = self.report(store, &plan, outcome);
        Ok(Report { refusals, steps: reports, warnings: listed(warnings), ..report })
    }

    /// Finds the steps that are meant: as a move to the stack has them, or else one away from it.
    fn named(
        &self,
        name: &str,
        stack: StackReference,
        resource: Option<&str>,
    ) -> Result<(Plan, Vec<Arc<dyn Step>>)> {
        for to in [stack, stack.partner()] {
            let plan = self.plan(to)?;
            let all = plan.steps().into_iter().map(|it| Arc::clone(&it.step));
            let steps: Vec<_> = all
                .filter(|it| {
                    let id = it.id();
                    let meant = resource.is_none_or(|it| it == id.resource);
                    id.name == name && id.stack == stack && meant
                })
                .collect();
            if !steps.is_empty() {
                return Ok((plan, steps));
            }
        }
        let on = resource.map_or_else(String::new, |it| format!(" of `{it}`"));
        Err(Error::Toolkit(bluegreen_core::Error::NotFound {
            resource: format!("step `{name}`{on} on stack {stack} of this stack file"),
        }))
    }
}
