//! Running steps together, as far as their order allows.

use std::{collections::BTreeSet, sync::Mutex};

use futures::{StreamExt, stream::FuturesUnordered};

use crate::{
    Engine, StepReport, StepState, Store,
    run::{self, Task},
};

/// When a step's turn comes.
#[derive(Debug)]
pub(super) struct Turn {
    /// What is to be done; nothing of a step that is done with, which others only wait for.
    pub(super) task: Option<Task>,
    /// The places of the turns that come before it.
    pub(super) waits_for: Vec<usize>,
}

impl Engine {
    /// Brings about everything in `turns`, each when what it waits for is done. Returns a report of each task.
    ///
    /// A failed step ends the others that have not changed anything yet. What has begun a change is brought
    /// to its end: a hand-over must not stop between old and new.
    pub(super) async fn take_turns(
        &self,
        store: &Store,
        turns: &[Turn],
        warnings: &Mutex<BTreeSet<String>>,
    ) -> Vec<StepReport> {
        let mut reports: Vec<Option<StepReport>> = vec![None; turns.len()];
        let mut done = vec![false; turns.len()];
        let mut started = vec![false; turns.len()];
        let stop = self.cancel.child_token();
        let mut running = FuturesUnordered::new();
        loop {
            let mut waiting: Vec<usize> = (0..turns.len()).filter(|&it| !started[it]).collect();
            // What nothing is to be done for is done at once, and may be what others wait for.
            loop {
                let is_due = |&it: &usize| turns[it].waits_for.iter().all(|&it| done[it]);
                let due: Vec<usize> = waiting.iter().copied().filter(is_due).collect();
                let idle: Vec<usize> =
                    due.iter().copied().filter(|&it| turns[it].task.is_none()).collect();
                for &it in &idle {
                    (started[it], done[it]) = (true, true);
                }
                if idle.is_empty() {
                    waiting = due;
                    break;
                }
                waiting.retain(|it| !started[*it]);
            }
            for index in waiting {
                if let Some(task) = turns[index].task.as_ref().filter(|_| !stop.is_cancelled()) {
                    started[index] = true;
                    let stop = &stop;
                    running.push(async move {
                        (index, self.run_step(store, task, warnings, stop).await)
                    });
                }
            }
            let Some((index, report)) = running.next().await else { break };
            match report.state {
                StepState::Done | StepState::Changed => done[index] = true,
                _ => stop.cancel(),
            }
            reports[index] = Some(report);
        }
        let tasks =
            turns.iter().zip(reports).filter_map(|(it, report)| Some((it.task.as_ref()?, report)));
        let pending = |it: &Task| run::step_report(it.step.as_ref(), it.phase, StepState::Pending);
        tasks.map(|(task, report)| report.unwrap_or_else(|| pending(task))).collect()
    }
}
