//! `test.alarms`: no alarm fires for a time.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bluegreen_cloudwatch::{Alarm, AlarmState, CloudWatchToolkit};
use bluegreen_core::StackReference;
use serde::{Deserialize, Serialize};

use super::not_yet;
use crate::{
    Context, Effect, Error, Inspection, Moment, Permission, Result, Step, StepId, Wildcard,
    stack_file::{AlarmTest, Alarms},
    steps::drain::{LONGEST_GAP, whole_seconds},
};

/// The alarms of a test.
#[derive(Debug)]
pub(crate) struct Watched {
    toolkit: Arc<dyn CloudWatchToolkit>,
    test: AlarmTest,
}

impl Watched {
    /// Takes the toolkit of the table that `test` names, or one for names.
    pub(crate) fn new(toolkit: Arc<dyn CloudWatchToolkit>, test: AlarmTest) -> Self {
        Self { toolkit, test }
    }

    /// Looks at the alarms.
    ///
    /// # Errors
    ///
    /// That one of them, or one of those that may be firing, is not there.
    pub(super) async fn look(&self, stack: StackReference) -> Result<Vec<Alarm>> {
        let (alarms, wanted) = match &self.test.alarms {
            Alarms::Named(names) => (self.toolkit.alarms_named(names).await?, names),
            Alarms::Of(_) => (self.toolkit.alarms(stack).await?, &self.test.except),
        };
        let missing: Vec<String> = wanted
            .iter()
            .filter(|name| !alarms.iter().any(|it| it.name == **name))
            .map(|name| format!("`{name}`"))
            .collect();
        if let (Alarms::Of(table), true) = (&self.test.alarms, alarms.is_empty()) {
            let what = format!("alarm of [cloudwatch.{table}] on stack {stack}");
            return Err(bluegreen_core::Error::NothingFound { what }.into());
        }
        match missing.as_slice() {
            [] => Ok(alarms),
            [one] => Err(not_found(format!("alarm {one}"))),
            several => Err(not_found(format!("each of the alarms {}", several.join(", ")))),
        }
    }
}

fn not_found(resource: String) -> Error {
    bluegreen_core::Error::NotFound { resource }.into()
}

/// Returns the permission to look at alarms.
pub(super) fn permissions() -> Vec<Permission> {
    let all = Wildcard::because("composite alarms are shown only to those who may see every alarm");
    Permission::across("*", all, &["cloudwatch:DescribeAlarms"])
}

/// Watches the alarms until the time is over.
///
/// Noted is, under `bake/NAME`, when it began, which alarms were firing then and may, and when somebody last looked:
/// whoever goes on with the release soon does not begin anew. After an alarm has fired, or when nobody has looked for
/// more than 90 s, it does.
#[derive(Debug)]
pub(super) struct Bake {
    id: StepId,
    watched: Arc<Watched>,
    deadline: Duration,
    /// The alarms that were firing in the beginning and have been seen well since: they must stay so.
    recovered: Mutex<BTreeSet<String>>,
}

/// How it began.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Began {
    at: Moment,
    /// When they were last looked at.
    seen: Moment,
    /// The alarms that were firing then, and may.
    firing: BTreeSet<String>,
}

impl Bake {
    pub(super) fn new(id: StepId, watched: Arc<Watched>, deadline: Duration) -> Self {
        Self { id, watched, deadline, recovered: Mutex::default() }
    }

    fn note(&self) -> String {
        format!("bake/{}", self.id.resource)
    }

    /// Returns how it began; begins it now, unless it has.
    async fn began(&self, context: &Context<'_>, firing: &[String]) -> Result<Began> {
        let now = context.now();
        if let Some(began) = context.note::<Option<Began>>(&self.note())?.flatten() {
            // An error is a clock that was set back: what was watched does not count.
            let unseen = now.duration_since(began.seen.0);
            if unseen.as_ref().is_ok_and(|it| *it <= LONGEST_GAP) {
                let began = Began { seen: Moment(now), ..began };
                context.set_note(&self.note(), &began).await?;
                return Ok(began);
            }
            context.warn(format!(
                "nobody looked at the alarms of `{}` for {}: its bake begins anew",
                self.id.resource,
                whole_seconds(unseen.unwrap_or_default())
            ));
            self.begin();
        }
        let except = &self.watched.test.except;
        let firing = firing.iter().filter(|it| except.contains(it)).cloned().collect();
        let began = Began { at: Moment(now), seen: Moment(now), firing };
        context.set_note(&self.note(), &began).await?;
        Ok(began)
    }

    /// Returns those of the alarms that are firing which may not.
    fn unexpected(&self, began: &Began, firing: Vec<String>) -> Vec<String> {
        let mut recovered = self.recovered.lock().unwrap_or_else(PoisonError::into_inner);
        recovered.extend(began.firing.iter().filter(|it| !firing.contains(it)).cloned());
        let may = |name: &String| began.firing.contains(name) && !recovered.contains(name);
        firing.into_iter().filter(|it| !may(it)).collect()
    }
}

#[async_trait]
impl Step for Bake {
    fn id(&self) -> StepId {
        self.id.clone()
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    fn begin(&self) {
        self.recovered.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        if !context.is_turn() {
            return Ok(not_yet());
        }
        let alarms = self.watched.look(self.id.stack).await?;
        let named = |state: AlarmState| {
            let in_state = alarms.iter().filter(move |it| it.state == state);
            in_state.map(|it| it.name.clone()).collect::<Vec<_>>()
        };
        let firing = named(AlarmState::Alarm);
        let began = self.began(context, &firing).await?;
        let unexpected = self.unexpected(&began, firing);
        let since = context.now().duration_since(began.at.0).unwrap_or_default();
        if !unexpected.is_empty() {
            // Whoever tries again watches for the whole time.
            context.set_note(&self.note(), &None::<Began>).await?;
            let since = humantime::format_duration(Duration::from_secs(since.as_secs()));
            let names: Vec<String> = unexpected.iter().map(|it| format!("`{it}`")).collect();
            let (what, verb) = match names.as_slice() {
                [one] => (format!("alarm {one}"), "is"),
                several => (format!("the alarms {}", several.join(", ")), "are"),
            };
            return Err(Error::Gate {
                what,
                reason: format!("{verb} firing, {since} after the bake began"),
            });
        }
        let left = self.watched.test.bake.saturating_sub(since);
        if !left.is_zero() {
            return Ok(Inspection::Settling { what: "the end of the bake".to_owned(), left });
        }
        for name in named(AlarmState::InsufficientData) {
            context.warn(format!("alarm `{name}` had too little data to say anything"));
        }
        Ok(Inspection::Done)
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn deadline(&self) -> Option<Duration> {
        Some(self.deadline)
    }

    fn lasts(&self) -> Duration {
        self.watched.test.bake
    }

    fn permissions(&self) -> Vec<Permission> {
        permissions()
    }
}

#[cfg(test)]
mod tests;
