//! What is written down of a plan, and going on with a release whose plan has changed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Engine, Error, Guardrail, Phase, Plan, Release, Result, StepEvent, StepId, Store,
    plan::Planned, store::Happened,
};

/// The table of a written plan that lists its steps; no table of a stack file is called so.
const STEPS: &str = "steps";

impl Engine {
    /// Returns the hash of a plan, and what it is made of: the steps, and the tables of the stack file with what
    /// they say.
    pub(crate) fn written(&self, plan: &Plan) -> (String, BTreeMap<String, Value>) {
        let mut tables = self.own_tables.clone();
        let own = self.resources.iter().map(|it| it.declaration());
        tables.extend(own.map(|it| (it.key(), json!(it.settings))));
        let steps: BTreeSet<String> = plan.steps().iter().map(|it| it.step.id().key()).collect();
        tables.insert(STEPS.to_owned(), json!(steps));
        let hash = Sha256::digest(json!(tables).to_string());
        (hash.iter().map(|it| format!("{it:02x}")).collect(), tables)
    }

    /// Refuses to go on under another plan than the release was opened with, unless told to. Then the steps of what
    /// has changed are looked at again.
    pub(super) async fn agree_on_plan(
        &self,
        store: &Store,
        release: &Release,
        plan: &Plan,
    ) -> Result<()> {
        let (hash, tables) = self.written(plan);
        if hash == release.plan {
            return Ok(());
        }
        let before = store.plan_of(&release.id).await?;
        let differences = differences(&before, &tables);
        if !self.replan {
            let mut reasons = vec![format!(
                "the plan of release {} has changed since it was opened: put the stack file back, or go on under \
                 the new plan with `--replan`",
                release.id
            )];
            reasons.extend(differences.into_values().flatten());
            return Err(Error::Refused { reasons });
        }
        keep_the_hold(release, &before, &tables)?;
        self.reopen(store, release, plan, |it| differences.contains_key(it)).await?;
        let succeeded = store.release().map(|it| it.journal.succeeded()).unwrap_or_default();
        let early = plan.steps().into_iter().filter(|it| it.phase < Phase::Promote);
        let open = early.filter(|it| !succeeded.contains_key(&it.step.id().key()));
        let earliest = open.map(|it| it.phase).min();
        let reopened =
            |it: &Phase| *it < Phase::Promote && earliest.is_some_and(|open| *it >= open);
        let reopened = Phase::ALL.into_iter().filter(reopened).collect();
        store.replan((hash, tables), reopened).await
    }

    /// Writes down that the steps of changed tables are looked at again; and the gates of `test`, too, as soon as
    /// `prepare` has anything left to do: what they have said was about another stack.
    ///
    /// What those have noted no longer holds, and is gone in the same write. Once production has moved it stays, lest
    /// what was run before that runs again.
    async fn reopen(
        &self,
        store: &Store,
        release: &Release,
        plan: &Plan,
        differs: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let moved =
            release.has_begun(Phase::Promote, plan) || store.pointer().active == release.target;
        let (succeeded, last) = (release.journal.succeeded(), release.journal.last());
        let is_over = |it: &Planned| succeeded.contains_key(&it.step.id().key());
        let is_changed = |it: &Planned| {
            let id = it.step.id();
            differs(&format!("{}.{}", id.subject(), id.resource))
        };
        let steps = plan.steps().into_iter();
        let early: Vec<&Planned> = steps.filter(|it| it.phase < Phase::Promote).collect();
        let prepares =
            early.iter().any(|it| it.phase == Phase::Prepare && (!is_over(it) || is_changed(it)));
        for planned in early {
            let id = planned.step.id();
            // What somebody has said is left out is about the gate, not about what it saw.
            let is_skipped =
                last.get(id.key().as_str()).is_some_and(|it| it.event == StepEvent::Skipped);
            let tests_again = prepares && !moved && planned.phase == Phase::Test && !is_skipped;
            if !is_changed(planned) && !tests_again {
                continue;
            }
            let void = if moved { Vec::new() } else { notes(&id, is_over(planned)) };
            if is_over(planned) {
                let outdated = Happened::new(&id, StepEvent::Outdated, self.clock.now());
                store.happened(Happened { void, ..outdated }).await?;
            } else {
                store.forget(void).await?;
            }
        }
        Ok(())
    }
}

/// Returns under what a step notes that it has done its work. Of one that is not over, what it has set to work may be
/// at it still, and is not lost sight of.
fn notes(step: &StepId, is_over: bool) -> Vec<String> {
    let mut notes = vec![format!("ran/{}", step.key())];
    if is_over {
        notes.extend(["task", "progress"].map(|it| format!("{it}/{}", step.key())));
    }
    if step.subject() == "test" {
        notes.extend(["bake", "verdict"].map(|it| format!("{it}/{}", step.resource)));
    }
    notes
}

impl Engine {
    /// Refuses to take the open release back under another plan than it was opened with, unless told to; then all the
    /// same where what has to be taken back is not as it was.
    pub(super) async fn agree_on_way_back(&self, store: &Store, plan: &Plan) -> Result<()> {
        let Some(release) = store.release() else { return Ok(()) };
        let (hash, tables) = self.written(plan);
        if hash == release.plan {
            return Ok(());
        }
        let before = store.plan_of(&release.id).await?;
        let differences = differences(&before, &tables);
        if !self.replan {
            let mut reasons = vec![format!(
                "the plan of release {} has changed since it was opened: put the stack file back; `--replan` takes \
                 the release back all the same where what it has changed is still there as it was",
                release.id
            )];
            reasons.extend(differences.into_values().flatten());
            return Err(Error::Refused { reasons });
        }
        let changed = release.journal.changed();
        let mut reasons = Vec::new();
        for (table, told) in differences.iter().filter(|(table, _)| *table != STEPS) {
            let is_of_it = |key: &&String| tables_of(key).any(|it| it == *table);
            let steps: Vec<&str> = changed.iter().filter(is_of_it).map(String::as_str).collect();
            if !steps.is_empty() {
                reasons.extend(told.clone());
                reasons.push(format!(
                    "what release {} has changed of [{table}] is taken back only as it was then: {}",
                    release.id,
                    steps.join(", ")
                ));
            }
        }
        if !reasons.is_empty() {
            reasons.insert(0, "put these tables back until the release has ended".to_owned());
            return Err(Error::Refused { reasons });
        }
        // The rest is nothing that the release has to take back; phases have ended all the same.
        store.replan((hash, tables), BTreeSet::new()).await
    }
}

/// Returns the tables that a step may be of, by the key under which the state knows it.
fn tables_of(key: &str) -> impl Iterator<Item = String> {
    let (name, rest) = key.split_once('/').unwrap_or((key, ""));
    let (resource, _) = rest.rsplit_once('/').unwrap_or((rest, ""));
    let service = name.split('.').next().unwrap_or_default();
    // What is handed over is called after what it is, not after its service.
    let services = if service == "exclusive" { vec!["ecs", "lambda"] } else { vec![service] };
    services.into_iter().map(|it| format!("{it}.{resource}")).collect::<Vec<_>>().into_iter()
}

/// Refuses a plan that would shorten a hold that has begun: only an override does that.
fn keep_the_hold(
    release: &Release,
    before: &BTreeMap<String, Value>,
    now: &BTreeMap<String, Value>,
) -> Result<()> {
    let has = |phase| release.phases.contains_key(&phase);
    let guardrail = Guardrail::ReleaseHold.name();
    let lasts = !has(Phase::Hold) && !release.overrides.contains_key(guardrail);
    if !has(Phase::Promote) || !lasts {
        return Ok(());
    }
    let hold = |tables: &BTreeMap<String, Value>| {
        humantime::parse_duration(tables.get("release")?.get("hold")?.as_str()?).ok()
    };
    let (Some(before), Some(now)) = (hold(before), hold(now)) else { return Ok(()) };
    if now >= before {
        return Ok(());
    }
    Err(Error::refused(format!(
        "the hold of release {} has begun and lasts {}: `--replan` does not shorten it to {}. Put `hold` back, or end it with \
         `bluegreen override {guardrail} --reason ..`",
        release.id,
        humantime::format_duration(before),
        humantime::format_duration(now)
    )))
}

/// Says in the words of the stack file what differs, table by table.
fn differences(
    before: &BTreeMap<String, Value>,
    now: &BTreeMap<String, Value>,
) -> BTreeMap<String, Vec<String>> {
    let mut differences = BTreeMap::new();
    let tables: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    for table in tables {
        let told = match (before.get(table), now.get(table)) {
            (Some(before), Some(now)) if before == now => continue,
            (Some(Value::Array(before)), Some(Value::Array(now))) => {
                let missing = |from: &[Value], of: &[Value], what: &str| -> Vec<String> {
                    let lacks = from.iter().filter(|it| !of.contains(it));
                    lacks.map(|it| format!("{what}: {}", it.as_str().unwrap_or_default())).collect()
                };
                [missing(before, now, "no longer a step"), missing(now, before, "a new step")]
                    .concat()
            }
            (Some(before), Some(now)) => {
                let keys: BTreeSet<&String> = [before, now]
                    .iter()
                    .filter_map(|it| it.as_object())
                    .flat_map(|it| it.keys())
                    .collect();
                let shown = |of: &Value, key: &str| {
                    of.get(key).map_or("nothing".to_owned(), |it| match it {
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    })
                };
                let differ = keys.into_iter().filter(|key| before.get(*key) != now.get(*key));
                differ
                    .map(|key| {
                        format!("[{table}] {key}: {} -> {}", shown(before, key), shown(now, key))
                    })
                    .collect()
            }
            (None, _) => vec![format!("[{table}] is new")],
            (_, None) => vec![format!("[{table}] is gone")],
        };
        differences.insert(table.clone(), told);
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_in_the_words_of_the_stack_file() {
        let tables = |value: Value| serde_json::from_value::<BTreeMap<_, _>>(value).unwrap();
        let before = tables(json!({
            "sns.catalogue": { "settle": "\"15m\"", "topic": "\"x\"" },
            "sqs.old": {},
            "steps": ["sns.enable/catalogue/b", "sqs.purge/old/b"],
        }));
        let now = tables(json!({
            "sns.catalogue": { "settle": "\"10m\"", "topic": "\"x\"" },
            "steps": ["sns.enable/catalogue/b"],
        }));

        let told: Vec<String> = differences(&before, &now).into_values().flatten().collect();

        assert_eq!(
            told,
            [
                "[sns.catalogue] settle: \"15m\" -> \"10m\"",
                "[sqs.old] is gone",
                "no longer a step: sqs.purge/old/b"
            ]
        );
        assert!(differences(&now, &now).is_empty());
    }
}
