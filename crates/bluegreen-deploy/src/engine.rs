//! [`Engine`], which looks at the steps of a plan and brings them about.

mod alone;
mod changed_plan;
mod first_look;
mod guardrails;
mod release;
mod reverse;
mod status;
#[cfg(test)]
mod tests;
mod turns;
mod undo;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bluegreen_core::{Clock, StackReference};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    Context, Effect, Event, Limits, Moment, Mover, Outcome, Outside, Phase, Plan, Release, Report,
    Resource, Result, Round, Rounds, SourceQueue, Step, Store, TrafficSeen, guard,
    outside::Direct,
    stack_file::{
        GuardrailSettings, MoverKind, MoverSettings, OnFailure, PaceSettings, StackFile, Traffic,
    },
    steps::{Hold, Idle, MoveTraffic, SettleTraffic, SwitchActive},
    store::hook_key,
    traffic::{Movers, Platforms},
};

#[cfg(feature = "codedeploy")]
use crate::stack_file::CodeDeployServes;

pub(crate) use self::guardrails::asked_both_off;
pub use self::{reverse::Reversal, undo::WayBack};

/// Hears what happens.
pub type Watcher = Arc<dyn Fn(Event) + Send + Sync>;

/// Looks at the steps of a plan and brings them about, in their order and as far as that allows together.
///
/// It decides what is done and in which order, waits and remembers; toolkits do the calls.
pub struct Engine {
    pub(crate) hold: Duration,
    pub(crate) on_failure: OnFailure,
    pub(crate) guardrails: GuardrailSettings,
    /// What the tables of the stack file say that are no resource's.
    pub(crate) own_tables: BTreeMap<String, Value>,
    /// Whether an open release goes on under a changed plan.
    pub(crate) replan: bool,
    /// What a hook has noted of a release before it is opened.
    pub(crate) opening: BTreeMap<String, Value>,
    pub(crate) pace: PaceSettings,
    pub(crate) traffic: Arc<Movers>,
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) resources: Vec<Arc<dyn Resource>>,
    pub(crate) queues: Vec<Arc<dyn SourceQueue>>,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) rounds: Rounds,
    /// How many calls of steps are under way at once.
    pub(crate) slots: Semaphore,
    pub(crate) cancel: CancellationToken,
    pub(crate) watcher: Watcher,
}

/// The resources of a stack file, with the toolkits that speak to them.
#[derive(Debug, Default)]
pub struct Resources {
    /// Every pair of resources.
    pub all: Vec<Arc<dyn Resource>>,
    /// Those that are queues, which consumers of other services read.
    pub queues: Vec<Arc<dyn SourceQueue>>,
    /// What moves production traffic by itself, and is only looked at.
    pub platforms: Platforms,
}

impl Engine {
    /// Makes an engine for the `resources` of a stack file that lies in `folder`.
    pub fn new(file: &StackFile, folder: &Path, resources: Resources, clock: Clock) -> Self {
        Self {
            hold: file.release.hold,
            on_failure: file.release.on_failure,
            guardrails: file.release.guardrails.clone(),
            own_tables: own_tables(file),
            replan: false,
            opening: BTreeMap::new(),
            slots: Semaphore::new(file.pace.at_once),
            pace: file.pace.clone(),
            traffic: Arc::new(Movers::new(file.traffic.clone(), folder, &resources.platforms)),
            outside: Arc::new(Direct::new(folder)),
            resources: resources.all,
            queues: resources.queues,
            clock,
            limits: Limits::default(),
            rounds: Rounds::default(),
            cancel: CancellationToken::new(),
            watcher: Arc::new(|_| {}),
        }
    }

    /// Tells `watcher` what happens.
    pub fn with_watcher(self, watcher: Watcher) -> Self {
        Self { watcher, ..self }
    }

    /// Lets `movers` move traffic instead of the commands and the platforms in the stack file: for rehearsals, and for
    /// movers of one's own. Where the file declares no mover, they are not used.
    pub fn with_movers(self, movers: Vec<Arc<dyn Mover>>) -> Self {
        let declared = matches!(self.traffic.traffic(), Traffic::Movers(_));
        let movers = if declared { movers } else { Vec::new() };
        Self { traffic: Arc::new(self.traffic.replaced(movers)), ..self }
    }

    /// Lets `outside` answer the tests and commands of the stack file instead of the network and this machine: for
    /// rehearsals.
    pub fn with_outside(self, outside: Arc<dyn Outside>) -> Self {
        Self { outside, ..self }
    }

    /// Ends its work when `cancel` is cancelled: calls under way are finished, none is begun.
    pub fn with_cancel(self, cancel: CancellationToken) -> Self {
        Self { cancel, ..self }
    }

    /// Goes on with an open release although its plan has changed.
    pub fn with_replan(self, replan: bool) -> Self {
        Self { replan, ..self }
    }

    /// Lets the release that it opens begin with a note of a hook: what [`Store::set_hook_note`] would note of it, in
    /// the same write that opens it.
    pub fn with_hook_note(mut self, key: &str, value: Value) -> Self {
        self.opening.insert(hook_key(key), value);
        self
    }

    /// Returns the steps of a move to the stack `to`, in their order.
    pub fn plan(&self, to: StackReference) -> Result<Plan> {
        let mut whole: Vec<Arc<dyn Step>> =
            vec![Arc::new(Idle { resources: self.resources.clone(), stack: to })];
        for mover in self.traffic.all() {
            whole.push(Arc::new(MoveTraffic { mover: Arc::clone(mover), to }));
            if mover.platform().is_some() {
                whole.push(Arc::new(SettleTraffic { mover: Arc::clone(mover), to }));
            }
        }
        if *self.traffic.traffic() != Traffic::Undeclared {
            let movers = Arc::clone(&self.traffic);
            let resources = self.resources.clone();
            whole.push(Arc::new(SwitchActive { movers, to, resources }));
            whole.push(Arc::new(Hold { to, hold: self.hold }));
        }
        Plan::new(to, &self.resources, whole)
    }

    /// Returns the steps of an open release, in their order.
    pub fn plan_of(&self, release: &Release) -> Result<Plan> {
        match release.reverses {
            Some(_) => self.plan_reverse(release.target),
            None => self.plan(release.target),
        }
    }

    /// Returns where traffic is.
    pub async fn traffic(&self, stack: StackReference) -> Result<TrafficSeen> {
        self.traffic.observe(stack).await
    }

    /// Returns when the hold of the open release ends, or has ended; `None` before `promote` has ended, and without a
    /// release. One that somebody has overridden has ended when it began.
    pub fn hold_over(&self, store: &Store) -> Option<Moment> {
        let release = store.release()?;
        let promoted = release.phases.get(&Phase::Promote)?;
        let overridden = release.overrides.contains_key("release.hold");
        let hold = if overridden { Duration::ZERO } else { self.hold };
        Some(Moment(promoted.0 + hold))
    }

    fn report(&self, store: &Store, plan: &Plan, outcome: Outcome) -> Report {
        Report {
            outcome,
            release: store.release().map(|it| it.id.clone()),
            to: plan.to,
            active: store.pointer().active,
            steps: Vec::new(),
            missing: Vec::new(),
            refusals: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Returns why nothing can be begun: traffic is elsewhere than the pointer says, and no open
    /// release explains it.
    async fn disagreement(&self, store: &Store, to: StackReference) -> Result<Option<String>> {
        let active = store.pointer().active;
        if store.release().is_some() {
            return Ok(None);
        }
        let seen = self.traffic.observe(to).await?;
        Ok((!seen.agrees_with(active)).then(|| {
            format!(
                "the pointer says that {active} is active, but traffic is {seen}: set the pointer right \
                 with `bluegreen adopt --active {} --reason ..`, or move the traffic back",
                active.partner()
            )
        }))
    }

    /// Refuses a step that would harm the active stack, by looking at pointer and traffic anew.
    pub(crate) async fn guard(&self, store: &Store, step: &dyn Step) -> Result<()> {
        let effect = step.effect();
        if effect == Effect::Harmless {
            return Ok(());
        }
        let active = store.pointer().active;
        let seen = self.traffic.observe(store.release().map_or(active, |it| it.target)).await?;
        guard::allow(&step.id(), effect, active, &seen)
    }

    pub(crate) fn context<'a>(
        &'a self,
        store: &'a Store,
        warnings: &'a Mutex<BTreeSet<String>>,
        round: Round,
    ) -> Context<'a> {
        Context {
            round,
            limits: &self.limits,
            clock: &self.clock,
            store,
            warnings,
            outside: self.outside.as_ref(),
            cancel: &self.cancel,
            is_turn: false,
            waits: None,
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("resources", &self.resources).finish_non_exhaustive()
    }
}

/// Returns what the tables of a stack file say that are no resource's, and that a release must not go on without.
fn own_tables(file: &StackFile) -> BTreeMap<String, Value> {
    let hold = humantime::format_duration(file.release.hold).to_string();
    let mut tables = BTreeMap::from([("release".to_owned(), json!({ "hold": hold }))]);
    match &file.traffic {
        Traffic::Undeclared => {}
        Traffic::None => {
            tables.insert("traffic".to_owned(), json!({ "mover": "none" }));
        }
        Traffic::Movers(movers) => {
            let said = |it: &MoverSettings| (format!("traffic.{}", it.name), said(&it.kind));
            tables.extend(movers.iter().map(said));
        }
    }
    tables
}

/// Returns what the table of a mover says.
fn said(mover: &MoverKind) -> Value {
    match mover {
        MoverKind::Command(it) => {
            let (moves, observes) = (it.move_command.join(" "), it.observe_command.join(" "));
            json!({ "move": moves, "observe": observes })
        }
        #[cfg(feature = "codedeploy")]
        MoverKind::CodeDeploy(it) => {
            let mut said = json!({
                "mover": "codedeploy",
                "application": it.application,
                "deployment-group": it.deployment_group,
            });
            match &it.serves {
                CodeDeployServes::Service { cluster, service, binding } => {
                    said["service"] = json!(format!("{cluster}/{service}"));
                    said["binding"] = json!(binding.to_string());
                }
                CodeDeployServes::Function { function, alias, variable } => {
                    said["function"] = json!(format!("{function}:{alias}"));
                    said["binding"] = json!(format!("variable `{variable}`"));
                }
            }
            said
        }
        #[cfg(feature = "ecs")]
        MoverKind::Ecs(it) => json!({
            "mover": "ecs",
            "service": format!("{}/{}", it.cluster, it.service),
            "binding": it.binding.to_string(),
        }),
    }
}

/// Takes the warnings out, sorted.
fn listed(warnings: Mutex<BTreeSet<String>>) -> Vec<String> {
    warnings.into_inner().unwrap_or_else(|err| err.into_inner()).into_iter().collect()
}
