//! What a person says about the open release: past a step, past a guardrail, a verdict.

use std::sync::Arc;

use serde_json::json;

use crate::{
    Engine, Error, Guardrail, Moment, Plan, Release, Result, Step, StepEvent, StepId, Store,
    store::Happened,
};

/// The steps without which a release would not know where production is.
const NEVER_SKIPPED: [&str; 3] = ["standby.idle", "traffic.move", "active.switch"];

/// The step that only an override shortens, and with it its own guardrail.
const HOLD: &str = "release.hold";

/// Those whose undo is as needed: traffic can be moved back by hand, the pointer cannot.
const NEVER_LEFT: [&str; 1] = ["active.switch"];

impl Engine {
    /// Lets the open release go on without a step: it counts as done, or as taken back where the release is being
    /// taken back. `step` is its name, with `/` and the resource where several steps are called so.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] without an open release, for no step or several steps, for one that is done with, for
    /// those that move production, and for the hold.
    pub async fn skip(
        &self,
        store: &Store,
        plan: &Plan,
        step: &str,
        reason: &str,
    ) -> Result<StepId> {
        let release = open(store)?;
        let back = release.going_back.is_some();
        let (mut changed, succeeded) = (release.journal.changed(), release.journal.succeeded());
        // Traffic goes back although the release has not moved it itself.
        changed.extend(release.journal.stuck().into_iter().map(|it| it.step.clone()));
        let is_left = |it: &Arc<dyn Step>| {
            let key = it.id().key();
            if back { changed.contains(&key) } else { !succeeded.contains_key(&key) }
        };
        let meant = |it: &StepId| {
            let name = it.name == step || it.key() == step;
            name || format!("{}/{}", it.name, it.resource) == step
        };
        let steps: Vec<Arc<dyn Step>> =
            plan.steps().into_iter().map(|it| Arc::clone(&it.step)).filter(is_left).collect();
        let found: Vec<StepId> = steps.iter().map(|it| it.id()).filter(meant).collect();
        let id = match found.as_slice() {
            [id] => id,
            [] => {
                let keys: Vec<String> = steps.iter().map(|it| it.id().key()).collect();
                return Err(Error::refused(format!(
                    "no step that is left is called `{step}`: there are {}",
                    keys.join(", ")
                )));
            }
            several => {
                let keys: Vec<String> = several.iter().map(StepId::key).collect();
                let keys = keys.join(", ");
                return Err(Error::refused(format!("`{step}` may be one of {keys}: say which")));
            }
        };
        if id.name == HOLD {
            return Err(Error::refused(format!(
                "`{HOLD}` is never skipped: `bluegreen override {HOLD} --reason ..` ends the hold"
            )));
        }
        let never = if back { NEVER_LEFT.as_slice() } else { &NEVER_SKIPPED };
        if never.contains(&id.name.as_str()) {
            return Err(Error::refused(format!(
                "`{}` is never skipped: without it nobody knows where production is",
                id.name
            )));
        }
        let event = if back { StepEvent::UndoSkipped } else { StepEvent::Skipped };
        let error = Some(reason.to_owned());
        let happened = Happened::new(id, event, self.clock.now());
        store.happened(Happened { error, ..happened }).await?;
        Ok(id.clone())
    }

    /// Lets the open release pass a guardrail, until it ends; `release.hold` ends its hold.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] without an open release, for a name that no guardrail has, and for those without which nobody
    /// would know where production is.
    pub async fn override_guardrail(&self, store: &Store, name: &str, reason: &str) -> Result<()> {
        open(store)?;
        let found = Guardrail::ALL.into_iter().find(|it| it.name() == name);
        match found {
            Some(guardrail) if guardrail.can_be_overridden() => {}
            Some(guardrail) => {
                return Err(Error::refused(format!(
                    "`{guardrail}` is never let through: {} or nothing goes on",
                    guardrail.sentence()
                )));
            }
            None => {
                let all = Guardrail::ALL.into_iter().filter(|it| it.can_be_overridden());
                let names: Vec<&str> = all.map(Guardrail::name).collect();
                return Err(Error::refused(format!(
                    "no guardrail is called `{name}`: there are {}",
                    names.join(", ")
                )));
            }
        }
        store.override_guardrail(name, reason, self.clock.now()).await
    }

    /// Gives a person's verdict on the gate `test.approve` called `name`, or on the only one that waits for one.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] without an open release, and for no such gate or several.
    pub async fn judge(
        &self,
        store: &Store,
        plan: &Plan,
        name: Option<&str>,
        approved: bool,
        reason: &str,
    ) -> Result<StepId> {
        let release = open(store)?;
        let succeeded = release.journal.succeeded();
        let gates: Vec<StepId> = plan
            .steps()
            .into_iter()
            .map(|it| it.step.id())
            .filter(|it| it.name == "test.approve" && !succeeded.contains_key(&it.key()))
            .collect();
        let mut meant = gates.iter().filter(|it| name.is_none_or(|name| name == it.resource));
        let (Some(gate), None) = (meant.next(), meant.next()) else {
            let names: Vec<&str> = gates.iter().map(|it| it.resource.as_str()).collect();
            return Err(Error::refused(match names.as_slice() {
                [] => "no `test.approve` of the open release waits for a verdict".to_owned(),
                names => format!("say which verdict is meant: {}", names.join(", ")),
            }));
        };
        let verdict = json!({
            "approved": approved,
            "who": store.owner(),
            "reason": reason,
            "at": Moment(self.clock.now()),
        });
        store.set_note(&format!("verdict/{}", gate.resource), verdict).await?;
        Ok(gate.clone())
    }
}

fn open(store: &Store) -> Result<Arc<Release>> {
    store.release().ok_or_else(|| Error::refused("no release is open"))
}
