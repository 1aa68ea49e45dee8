//! Asking the guardrails before production moves, before the old stack is switched off, and before going back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use bluegreen_core::{
    StackReference,
    wait::{self, Look, Pace},
};
use futures::future;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    Asked, Context, Engine, Error, Event, Guardrail, Inspection, Objection, Occasion, Phase, Plan,
    Release, Resource, Result, StepEvent, Store, TrafficSeen, chain,
    run::{self, Task},
    step::WAS_OFF,
};

/// The note of how each resource of the active stack was when the release was opened; `null` where it was missing.
const IDENTITIES: &str = "active-identities";

/// The steps that turn on what must be on before production moves.
const TURN_ON: [&str; 5] = [
    "ecs.enable",
    "kinesis.register",
    "lambda.enable-mappings",
    "lambda.enable-rules",
    "sns.enable",
];

/// The step that turns on what must run on one stack only.
const HAND_OVER: &str = "exclusive.hand-over";

impl Engine {
    /// Returns why the open release must not begin `phase`, before it is begun: all that guardrails object to and
    /// nobody has let through. It takes the time between the two looks that the stack file gives them.
    ///
    /// # Errors
    ///
    /// [`Error::LeaseLost`] when another process has taken over, and those of the looks.
    pub async fn objections(
        &self,
        store: &Store,
        plan: &Plan,
        phase: Phase,
    ) -> Result<Vec<String>> {
        let warnings = Mutex::default();
        tokio::select! {
            biased;
            asked = self.not_allowed(store, plan, phase, &warnings) => asked,
            () = store.keep_lease() => Err(Error::LeaseLost { to: None }),
        }
    }

    /// Returns why the open release must not begin `phase`: all that guardrails object to and nobody has let
    /// through. Nothing is asked once the phase has begun to change something.
    pub(super) async fn not_allowed(
        &self,
        store: &Store,
        plan: &Plan,
        phase: Phase,
        warnings: &Mutex<BTreeSet<String>>,
    ) -> Result<Vec<String>> {
        let occasion = match phase {
            Phase::Promote => Occasion::Promote,
            Phase::Retire => Occasion::Retire,
            Phase::Prepare | Phase::Test | Phase::Hold => return Ok(Vec::new()),
        };
        let Some(release) = store.release() else { return Ok(Vec::new()) };
        if release.has_begun(phase, plan) || self.platform_has_moved(phase, plan).await? {
            return Ok(Vec::new());
        }
        let watch = self.guardrails.watch;
        (self.watcher)(Event::Guards { phase, lasts: watch });
        let first = self.ask(store, plan, occasion, true, warnings).await?;
        self.pass(watch).await?;
        let mut objections = self.ask(store, plan, occasion, false, warnings).await?;
        if phase == Phase::Retire {
            let succeeded = release.journal.succeeded();
            let left = plan.phase(phase).into_iter().map(|(step, _)| step);
            let left = left.filter(|it| !succeeded.contains_key(&it.id().key()));
            let left = left.map(|it| Task::new(&it, Some(phase)));
            for told in self.all_both_off(store, left.collect(), warnings).await {
                objections.extend(answered(Guardrail::ConsumersOneOn, told)?);
            }
        }
        // A cluster must be usable in both looks; of the others the second counts.
        let usable = first.into_iter().filter(|it| it.guardrail == Guardrail::AuroraUsable);
        for it in usable {
            if !objections.contains(&it) {
                objections.push(it);
            }
        }
        objections.sort();
        Ok(self.not_let_through(&release, objections, warnings))
    }

    /// Returns whether a platform has moved all traffic by itself: what would speak against that comes too late, and would
    /// only keep the pointer from following.
    async fn platform_has_moved(&self, phase: Phase, plan: &Plan) -> Result<bool> {
        let by_platform = self.traffic.all().iter().any(|it| it.platform().is_some());
        Ok(phase == Phase::Promote
            && by_platform
            && self.traffic.observe(plan.to).await? == TrafficSeen::On(plan.to))
    }

    /// Says what guardrails object to before production goes back to the stack `old`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when something is gone that was there when the release was opened, and when a consumer would
    /// be off on both stacks.
    pub(super) async fn advice(
        &self,
        store: &Store,
        plan: &Plan,
        warnings: &Mutex<BTreeSet<String>>,
    ) -> Result<()> {
        let objections = self.ask(store, plan, Occasion::Rollback, false, warnings).await?;
        let (gone, advice): (Vec<_>, Vec<_>) =
            objections.into_iter().partition(|it| it.guardrail == Guardrail::TargetExists);
        for it in advice {
            self.warn(warnings, it.to_string());
        }
        let both_off = self.undos_both_off(store, plan, warnings).await?;
        let reasons: Vec<String> = gone.iter().chain(&both_off).map(ToString::to_string).collect();
        if reasons.is_empty() { Ok(()) } else { Err(Error::Refused { reasons }) }
    }

    /// Returns what taking back what the open release has changed would leave off on both stacks. What cannot be looked
    /// at is warned about: it is asked again before each act.
    pub(super) async fn undos_both_off(
        &self,
        store: &Store,
        plan: &Plan,
        warnings: &Mutex<BTreeSet<String>>,
    ) -> Result<Vec<Objection>> {
        let changed = store.release().map(|it| it.journal.changed()).unwrap_or_default();
        let undone = plan.backwards().into_iter().map(|(planned, _)| planned);
        let undone = undone.filter(|it| changed.contains(&it.step.id().key()));
        let tasks = undone.filter_map(|it| Task::undoing(&it.step, it.phase)).collect();
        let mut objections = Vec::new();
        for told in self.all_both_off(store, tasks, warnings).await {
            match told {
                Err(err) if run::interrupts(&err) => return Err(err),
                Err(err) => {
                    let guardrail = Guardrail::ConsumersOneOn;
                    self.warn(
                        warnings,
                        format!("`{guardrail}`: it cannot be known: {}", chain(&err)),
                    );
                }
                Ok(told) => objections.extend(
                    told.into_iter()
                        .map(|reason| Objection { guardrail: Guardrail::ConsumersOneOn, reason }),
                ),
            }
        }
        Ok(objections)
    }

    /// Returns what each of several steps would leave off on both stacks, in one round.
    async fn all_both_off(
        &self,
        store: &Store,
        tasks: Vec<Task>,
        warnings: &Mutex<BTreeSet<String>>,
    ) -> Vec<Result<Vec<String>>> {
        let context = self.context(store, warnings, self.rounds.begin());
        let looks = tasks.iter().map(|task| {
            let context = &context;
            async move {
                let name = format!("{} by {}", Guardrail::ConsumersOneOn, task.step.id().name);
                self.looked(&name, async || both_off(task, context).await).await
            }
        });
        future::join_all(looks).await
    }

    /// Turns what somebody has let through into warnings, and returns the refusals that are left.
    pub(crate) fn not_let_through(
        &self,
        release: &Release,
        objections: Vec<Objection>,
        warnings: &Mutex<BTreeSet<String>>,
    ) -> Vec<String> {
        let mut refusals = Vec::new();
        for it in objections {
            let word = release.overrides.get(it.guardrail.name());
            match word.filter(|_| it.guardrail.can_be_overridden()) {
                Some(word) => {
                    self.warn(
                        warnings,
                        format!("{it}; let through by {}: {}", word.who, word.reason),
                    );
                }
                None => refusals.push(it.refusal()),
            }
        }
        refusals
    }

    fn warn(&self, warnings: &Mutex<BTreeSet<String>>, text: String) {
        let new = warnings.lock().unwrap_or_else(|err| err.into_inner()).insert(text.clone());
        if new {
            tracing::warn!("{text}");
            (self.watcher)(Event::Warning { text });
        }
    }

    /// Lets time pass between two looks.
    async fn pass(&self, time: std::time::Duration) -> Result<()> {
        let (began, what) = (Instant::now(), "the second look of the guardrails");
        let pace = Pace { deadline: time, ..self.look_pace() };
        let look = async || {
            let left = time.saturating_sub(began.elapsed());
            Ok(match left.is_zero() {
                true => Look::Ready(()),
                false => Look::Due("the time between two looks to pass".to_owned(), left),
            })
        };
        Ok(wait::until(what, pace, &self.cancel, |_| {}, look).await?)
    }

    /// Asks everything that is asked on an occasion, in one round.
    async fn ask(
        &self,
        store: &Store,
        plan: &Plan,
        occasion: Occasion,
        first: bool,
        warnings: &Mutex<BTreeSet<String>>,
    ) -> Result<Vec<Objection>> {
        let context = self.context(store, warnings, self.rounds.begin());
        let target = match occasion {
            Occasion::Promote | Occasion::Retire => plan.to,
            Occasion::Rollback => plan.to.partner(),
        };
        let settings = &self.guardrails;
        // Of most the second look alone counts.
        let looks_twice =
            |it: Guardrail| matches!(it, Guardrail::AuroraUsable | Guardrail::DeadLettersSteady);
        let asked = Guardrail::ALL.into_iter().filter(|it| it.is_asked(occasion));
        let asked = asked.filter(|it| !first || looks_twice(*it));
        let asked = asked.map(|guardrail| Asked { guardrail, occasion, target, first, settings });
        let looks = asked.flat_map(|asked| {
            let context = &context;
            self.resources.iter().map(move |resource| async move {
                let name = format!("{} {}", asked.guardrail, resource.declaration().name);
                let look = self.looked(&name, async || resource.objections(context, &asked).await);
                answered(asked.guardrail, look.await)
            })
        });
        let answers = future::join_all(looks);
        let (answers, on, unchanged) = future::join3(
            answers,
            self.not_on(&context, plan, occasion),
            self.changed(&context, plan.to.partner(), occasion, first),
        )
        .await;
        let mut objections = Vec::new();
        for it in answers.into_iter().chain(on).chain(unchanged) {
            objections.extend(it?);
        }
        Ok(objections)
    }

    /// Asks whether what the release has turned on is still on. What somebody has skipped is not asked.
    async fn not_on(
        &self,
        context: &Context<'_>,
        plan: &Plan,
        occasion: Occasion,
    ) -> Vec<Result<Vec<Objection>>> {
        let target = match occasion {
            Occasion::Promote | Occasion::Retire => plan.to,
            Occasion::Rollback => plan.to.partner(),
        };
        // What would turn on what production goes back to.
        let other = match occasion {
            Occasion::Rollback => match self.plan(target) {
                Ok(plan) => Some(plan),
                Err(err) => return vec![Err(err)],
            },
            Occasion::Promote | Occasion::Retire => None,
        };
        let plan = other.as_ref().unwrap_or(plan);
        let release = context.store.release();
        let last = release.as_ref().map(|it| it.journal.last()).unwrap_or_default();
        let is_skipped = |key: &str| last.get(key).is_some_and(|it| it.event == StepEvent::Skipped);
        let is_asked = |name: &str| {
            TURN_ON.contains(&name) || (occasion == Occasion::Retire && name == HAND_OVER)
        };
        let steps = plan.steps().into_iter().map(|it| &it.step).filter(|it| {
            let id = it.id();
            is_asked(&id.name) && id.stack == target && !is_skipped(&id.key())
        });
        let looks = steps.map(|step| async move {
            let id = step.id();
            let name = format!("{} by {}", Guardrail::ConsumersOn, id.name);
            let seen = self.looked(&name, async || step.inspect(context).await).await;
            let seen = seen.map(|it| {
                let mend = "bring it about by hand, and repeat the command";
                match it {
                    Inspection::Needed { from, to } => {
                        let does = match occasion {
                            Occasion::Rollback => "brings",
                            Occasion::Promote | Occasion::Retire => "has brought",
                        };
                        vec![format!("what `{id}` {does} about is {from}, expected {to}: {mend}")]
                    }
                    Inspection::Blocked { reasons } => reasons,
                    // A hand-over that is over may still be waiting for the last of what it has switched off.
                    Inspection::Underway { what } if id.name != HAND_OVER => {
                        vec![format!("`{id}` waits for {what}: repeat the command when it is over")]
                    }
                    _ => Vec::new(),
                }
            });
            answered(Guardrail::ConsumersOn, seen)
        });
        future::join_all(looks).await
    }

    /// Asks whether the stack `active` is what it was when the release was opened.
    async fn changed(
        &self,
        context: &Context<'_>,
        active: StackReference,
        occasion: Occasion,
        first: bool,
    ) -> Vec<Result<Vec<Objection>>> {
        let guardrail = match occasion {
            _ if first => return Vec::new(),
            Occasion::Promote => Guardrail::ActiveUnchanged,
            Occasion::Rollback => Guardrail::TargetExists,
            Occasion::Retire => return Vec::new(),
        };
        let noted = match context.note::<BTreeMap<String, Option<String>>>(IDENTITIES) {
            Ok(noted) => noted.unwrap_or_default(),
            Err(err) => return vec![Err(err)],
        };
        let noted = &noted;
        let looks = self.resources.iter().map(|resource| async move {
            let key = resource.declaration().key();
            // A table that was added to the stack file since is not compared.
            let Some(before) = noted.get(&key) else { return Ok(Vec::new()) };
            let now = self.identity(context, resource.as_ref(), active).await;
            let told = now.map(|now| match (before, now) {
                (Some(_), None) => {
                    let back = "put it back, and repeat the command";
                    vec![format!("[{key}] of stack {active} is gone: {back}")]
                }
                (before, now) if guardrail == Guardrail::ActiveUnchanged && *before != now => {
                    let word = |it: &Option<String>| it.clone().unwrap_or("missing".to_owned());
                    vec![format!(
                        "[{key}] of stack {active} was {} when the release was opened, and is {}: put it back, or \
                         see that the new stack is made for that",
                        word(before),
                        word(&now)
                    )]
                }
                _ => Vec::new(),
            });
            match (told, guardrail) {
                // What cannot be looked at may be there all the same.
                (Err(err), Guardrail::TargetExists) if !run::interrupts(&err) => {
                    context.warn(format!("`{guardrail}`: [{key}] cannot be known: {}", chain(&err)));
                    Ok(Vec::new())
                }
                (told, _) => answered(guardrail, told),
            }
        });
        future::join_all(looks).await
    }

    /// Returns how each resource of the stack `active` is, to be noted when a release is opened.
    pub(super) async fn identities(
        &self,
        context: &Context<'_>,
        active: StackReference,
    ) -> Result<Value> {
        let looks = self.resources.iter().map(|resource| async move {
            let identity = self.identity(context, resource.as_ref(), active).await?;
            Ok::<_, Error>((resource.declaration().key(), identity))
        });
        let identities = future::try_join_all(looks).await?;
        Ok(json!(identities.into_iter().collect::<BTreeMap<_, _>>()))
    }

    /// Returns what is off on the stack `active`, to be noted when a release is opened: nobody misses it there when the
    /// release is taken back. What is missing is not off.
    pub(super) async fn off(&self, context: &Context<'_>, active: StackReference) -> Result<Value> {
        let looks = self.resources.iter().map(|resource| async move {
            let name = format!("{} {}", Guardrail::ConsumersOneOn, resource.declaration().name);
            match self.looked(&name, async || resource.off(context, active).await).await {
                Err(err) if err.is_absent() => Ok(Vec::new()),
                off => off,
            }
        });
        let off: BTreeSet<String> =
            future::try_join_all(looks).await?.into_iter().flatten().collect();
        Ok(json!(off))
    }

    /// Notes what was off on the active stack, where that is not noted yet.
    pub(super) async fn note_off(&self, store: &Store, off: Value) -> Result<()> {
        match store.note(WAS_OFF) {
            Some(_) => Ok(()),
            None => store.set_note(WAS_OFF, off).await,
        }
    }

    /// Notes how the active stack is, where that is not noted yet and production has not begun to move.
    pub(super) async fn note_identities(&self, store: &Store, identities: Value) -> Result<()> {
        match store.note(IDENTITIES) {
            Some(_) => Ok(()),
            None => store.set_note(IDENTITIES, identities).await,
        }
    }

    /// Returns whether it is still to be noted how the active stack is.
    pub(super) fn lacks_identities(&self, store: &Store, plan: &Plan) -> bool {
        store.release().is_none_or(|it| {
            store.note(IDENTITIES).is_none() && !it.has_begun(Phase::Promote, plan)
        })
    }

    async fn identity(
        &self,
        context: &Context<'_>,
        resource: &dyn Resource,
        stack: StackReference,
    ) -> Result<Option<String>> {
        let name = format!("{} {}", Guardrail::ActiveUnchanged, resource.declaration().name);
        match self.looked(&name, async || resource.identity(context, stack).await).await {
            Ok(identity) => Ok(Some(identity)),
            Err(err) if err.is_absent() => Ok(None),
            Err(err) => Err(err),
        }
    }
}

/// Returns what a step would leave off on both stacks, with what to do about it.
async fn both_off(task: &Task, context: &Context<'_>) -> Result<Vec<String>> {
    let off = task.step.leaves_off(context).await?;
    let id = task.step.id();
    let going_back = context.store.release().is_some_and(|it| it.going_back.is_some());
    let mend = match task.undoes.is_some() && going_back {
        true => format!(
            "switch it on, then `bluegreen retry`; or `bluegreen skip {} --reason ..` leaves stack {} as it is",
            task.id().key(),
            id.stack
        ),
        false => "switch it on, and repeat the command".to_owned(),
    };
    let told = off.into_iter();
    Ok(told.map(|it| format!("{it}, and `{id}` would turn its counterpart off: {mend}")).collect())
}

/// Asks a step that is about to act what it would leave off on both stacks. What cannot be known is objected to, unless
/// a look may show it the next time.
pub(crate) async fn asked_both_off(task: &Task, context: &Context<'_>) -> Result<Vec<Objection>> {
    match both_off(task, context).await {
        Err(Error::Toolkit(err)) if err.is_transient() => Err(err.into()),
        told => answered(Guardrail::ConsumersOneOn, told),
    }
}

/// Makes objections of what was answered. What cannot be known is one, but not that somebody wants the release to stop.
fn answered(guardrail: Guardrail, answer: Result<Vec<String>>) -> Result<Vec<Objection>> {
    let reasons = match answer {
        Ok(reasons) => reasons,
        Err(err) if run::interrupts(&err) => return Err(err),
        Err(err) => vec![format!("it cannot be known: {}", chain(&err))],
    };
    Ok(reasons.into_iter().map(|reason| Objection { guardrail, reason }).collect())
}
