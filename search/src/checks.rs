//! What must hold throughout, read off the account and its audit, never off the engine's own word.
//!
//! The one thing that is taken from the engine is the pointer: it is in the store. That it moves only when traffic
//! has moved is checked too.

mod ended;
mod harm;
mod written;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bluegreen_core::StackReference;
use bluegreen_deploy::{
    StepId,
    stack_file::{ConsumerKind, EcsSettings, LambdaSettings, Resource, StackFile, Traffic},
};
use bluegreen_sim::{Mapping, Record, World};

use self::written::Written;
use crate::{kept::Kept, people::What, process::PROCESSES};

/// How long after a person has moved traffic a call may still be on its way that was decided before.
const ON_ITS_WAY: Duration = Duration::from_secs(20);

/// The same for a call that the SDK repeats.
const REPEATED: Duration = Duration::from_secs(70);

/// The least time between two tries of one change by one step, which is the pace of looking.
const PACE: Duration = Duration::from_millis(900);

/// How many of the same look a step may make in a minute: the first come after 1, 2, 4 .. seconds, and begin anew
/// with each change.
const LOOKS_A_MINUTE: usize = 40;

/// How much longer a step may take than its deadline: the call that is under way then is waited for.
const BEYOND: Duration = Duration::from_secs(90);

/// How long the steps of a service may take, unless the stack file says otherwise.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// How long those of Aurora and of schemas may take.
const LONG_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Checks an account while a release runs in it.
#[derive(Debug)]
pub(crate) struct Checker {
    file: StackFile,
    store: Kept,
    /// What does not hold.
    pub(crate) violations: Vec<String>,
    /// Where the pointer was, from when on.
    pointer: Vec<(Duration, StackReference)>,
    /// When each step made each change last, and how often.
    changes: BTreeMap<(String, String), (Duration, usize)>,
    /// When each step made each look, in the last minute.
    looks: BTreeMap<(String, String), VecDeque<Duration>>,
    /// How many tasks each service is to run.
    tasks: BTreeMap<String, u32>,
    /// Which step has last switched the mappings and rules of each function, and the tasks and the scaling of each
    /// service (`service/shop/billing-a`).
    switched_by: BTreeMap<String, String>,
    /// How many changes have taken effect since the command was run.
    effects: usize,
    /// What somebody has changed by hand.
    pub(crate) meddled: Option<What>,
    /// Since when the first process goes on whose lease is another's.
    pub(crate) stale_since: Option<Duration>,
    /// How long a process was stopped, whose steps take that much longer.
    pub(crate) stopped_for: Duration,
    /// Under which steps the acts of each step and of each undo are written down.
    written_as: BTreeMap<String, Vec<Written>>,
}

impl Checker {
    pub(crate) fn new(file: &StackFile, store: Kept) -> Self {
        let active = store.pointer().active;
        Self {
            file: file.clone(),
            store,
            violations: Vec::new(),
            pointer: vec![(Duration::ZERO, active)],
            changes: BTreeMap::new(),
            looks: BTreeMap::new(),
            tasks: BTreeMap::new(),
            switched_by: BTreeMap::new(),
            effects: 0,
            meddled: None,
            stale_since: None,
            stopped_for: Duration::ZERO,
            written_as: BTreeMap::new(),
        }
    }

    /// Notes that something does not hold.
    pub(crate) fn violated(&mut self, what: String) {
        if !self.violations.contains(&what) {
            self.violations.push(what);
        }
    }

    /// Notes that the command is run, once more or the first time: what is repeated from here on, a person repeats.
    pub(crate) fn begins(&mut self) {
        self.changes.clear();
        self.stopped_for = Duration::ZERO;
        self.stale_since = None;
        self.looks.clear();
        self.effects = 0;
    }

    /// Sees a call, with the account right after it.
    pub(crate) fn call(&mut self, world: &World, record: &Record) {
        if self.stale_since.is_some_and(|it| record.at > it)
            && record.principal.contains(&format!("/{}/", PROCESSES[0]))
        {
            let by = record.step.as_deref().unwrap_or("nobody");
            self.violated(format!("who lost its lease called {} by `{by}`", record.name()));
        }
        let active = self.store.pointer().active;
        if self.pointer.last().is_none_or(|(_, it)| *it != active) {
            self.pointer.push((record.at, active));
            self.follows_traffic(world, record, active);
        }
        if record.attempt == 1 {
            if record.is_change() { self.pace(record) } else { self.pace_of_looks(record) }
        }
        if record.is_change() {
            self.harmless(world, record, active);
            self.is_written(record);
        }
        if record.took_effect() {
            self.effects += 1;
            if let (Some(what), Some(step)) = (switched(world, record), &record.step) {
                self.switched_by.insert(what, step.clone());
            }
        }
        // Much happens by itself: looks come often enough to see it.
        self.never_both_off(world, record);
        self.never_both_on(world, record);
        let services = world.ecs.services();
        self.tasks = services.map(|it| (it.name.clone(), it.desired())).collect();
    }

    /// 3: the pointer goes where traffic is, and nowhere else.
    fn follows_traffic(&mut self, world: &World, record: &Record, active: StackReference) {
        let moved_since = record.at - world.traffic.since() < ON_ITS_WAY
            && self.meddled == Some(What::MoveTraffic);
        if self.is_served() && world.traffic.on() != Some(active) && !moved_since {
            self.violated(format!(
                "the pointer moved to {active} while traffic was on {:?}",
                world.traffic.on()
            ));
        }
    }

    fn is_served(&self) -> bool {
        matches!(self.file.traffic, Traffic::Movers(_))
    }

    /// 4: no change is repeated more often than the pace of looking allows.
    fn pace(&mut self, record: &Record) {
        let key = key(record);
        let last = self.changes.get(&key).copied();
        if let Some((at, _)) = last
            && record.at < at + PACE
        {
            let after = record.at - at;
            self.violated(format!("{} was repeated after {after:?} by `{}`", key.1, key.0));
        }
        let count = last.map_or(0, |(_, count)| count) + 1;
        if count > 600 {
            self.violated(format!("{} was repeated {count} times by `{}`", key.1, key.0));
        }
        self.changes.insert(key, (record.at, count));
    }

    /// 4: nor is a look.
    fn pace_of_looks(&mut self, record: &Record) {
        let key = key(record);
        let looks = self.looks.entry(key.clone()).or_default();
        looks.push_back(record.at);
        while looks.front().is_some_and(|it| *it + Duration::from_secs(60) < record.at) {
            looks.pop_front();
        }
        let count = looks.len();
        if count > LOOKS_A_MINUTE {
            self.violated(format!("{} was asked {count} times a minute by `{}`", key.1, key.0));
        }
    }

    /// 2: of what may run on both stacks, one is really on at any time; of what may not, one is, except during its own
    /// hand-over.
    fn never_both_off(&mut self, world: &World, record: &Record) {
        let mut off = Vec::new();
        for it in &self.file.lambda {
            let functions = &it.settings.config.functions;
            let mappings = StackReference::BOTH
                .map(|stack| mappings(world, functions.of(stack)).any(Mapping::takes));
            let rules =
                StackReference::BOTH.map(|stack| self.rule_is_on(world, functions.of(stack)));
            let handed_over = self.is_handed_over(|stack| functions.of(stack).clone());
            let excused = |kind| match kind {
                ConsumerKind::Mirror => false,
                ConsumerKind::Exclusive => handed_over,
                ConsumerKind::Off => true,
            };
            if mappings == [false, false] && !excused(it.settings.mappings) {
                off.push(format!("the mappings of {}", it.name));
            }
            let by_hand = self.by_hand(&it.name);
            if rules == [false, false] && !excused(it.settings.rules) && !by_hand {
                off.push(format!("the rules of {}", it.name));
            }
        }
        for it in &self.file.ecs {
            let runs = |stack: StackReference| {
                let name = it.settings.config.services.of(stack);
                world.ecs.services().any(|it| it.name == *name && it.running > 0)
            };
            let excused = it.settings.mode == ConsumerKind::Exclusive
                && self.is_handed_over(|stack| service_of(it, stack));
            if !StackReference::BOTH.into_iter().any(runs) && !excused {
                off.push(format!("the services of {}", it.name));
            }
        }
        for it in &self.file.sns {
            let open = |stack: StackReference| {
                let endpoint = it.settings.config.endpoints.as_ref().map(|it| it.of(stack));
                let mut own = world.sns.subscriptions().filter(|it| Some(&it.endpoint) == endpoint);
                own.any(|it| !is_blocked(it.policy()) && it.works <= record.at)
            };
            if !StackReference::BOTH.into_iter().any(open) {
                off.push(format!("the subscriptions of {}", it.name));
            }
        }
        for it in &self.file.cloudwatch {
            let on = |stack: StackReference| {
                let mut own =
                    world.cloudwatch.alarms().filter(|alarm| it.settings.owns(stack, &alarm.name));
                own.any(|it| it.actions_enabled())
            };
            if !StackReference::BOTH.into_iter().any(on) {
                off.push(format!("the alarms of {}", it.name));
            }
        }
        for it in &self.file.kinesis {
            let active = |stack: StackReference| {
                let name = it.settings.config.consumers.of(stack);
                world.kinesis.consumers().any(|it| it.name == *name && it.status() == "ACTIVE")
            };
            if !StackReference::BOTH.into_iter().any(active) {
                off.push(format!("the stream consumers of {}", it.name));
            }
        }
        if !off.is_empty() {
            self.violated(format!("both sides are off of {off:?} after {}", record.name()));
        }
    }

    /// 2: of what must run on one stack only, never are both on.
    fn never_both_on(&mut self, world: &World, record: &Record) {
        let mut on_both = Vec::new();
        for it in &self.file.lambda {
            let functions = &it.settings.config.functions;
            // One that is still `Disabling` takes messages.
            let mappings = StackReference::BOTH.map(|stack| {
                mappings(world, functions.of(stack))
                    .any(|it| it.is_on() || it.takes() || it.state() == "Disabling")
            });
            let rules =
                StackReference::BOTH.map(|stack| self.rule_is_on(world, functions.of(stack)));
            if it.settings.mappings == ConsumerKind::Exclusive && mappings == [true, true] {
                on_both.push(format!("the mappings of {}", it.name));
            }
            if it.settings.rules == ConsumerKind::Exclusive && rules == [true, true] {
                on_both.push(format!("the rules of {}", it.name));
            }
        }
        for it in &self.file.ecs {
            let runs = StackReference::BOTH.map(|stack| {
                let name = it.settings.config.services.of(stack);
                world.ecs.services().any(|it| it.name == *name && it.running > 0)
            });
            let exclusive = it.settings.mode == ConsumerKind::Exclusive;
            if exclusive && runs == [true, true] {
                on_both.push(format!("the services of {}", it.name));
            }
        }
        if !on_both.is_empty() {
            self.violated(format!("both sides are on of {on_both:?} after {}", record.name()));
        }
    }

    /// Returns whether a person has switched a rule of the functions `name`: those of the first table.
    fn by_hand(&self, name: &str) -> bool {
        let first = self.file.lambda.first().is_some_and(|it| it.name == name);
        first && self.meddled == Some(What::SwitchRule)
    }

    /// Returns whether the last step that has switched either side is a hand-over that has not ended.
    fn is_handed_over(&self, name: impl Fn(StackReference) -> String) -> bool {
        StackReference::BOTH.into_iter().any(|stack| {
            let by = self.switched_by.get(&name(stack));
            by.is_some_and(|it| it.starts_with("exclusive.hand-over"))
        })
    }

    fn rule_is_on(&self, world: &World, function: &str) -> bool {
        world.events.rules().any(|it| it.name.starts_with(function) && it.is_on())
    }

    /// Returns the table of the stack file of which a function is that of `stack`.
    fn lambda(&self, function: &str, stack: StackReference) -> Option<&Resource<LambdaSettings>> {
        self.file.lambda.iter().find(|it| it.settings.config.functions.of(stack) == function)
    }

    /// 3: a step ends within its deadline. `lasts` is how long it waits at least, `well` whether it has succeeded.
    pub(crate) fn step_ended(
        &mut self,
        step: &StepId,
        lasts: Duration,
        took: Duration,
        well: bool,
    ) {
        if step.name == "exclusive.hand-over" && well {
            let own = self.file.lambda.iter().find(|it| it.name == step.resource);
            for function in own.iter().flat_map(|it| {
                StackReference::BOTH.map(|stack| it.settings.config.functions.of(stack))
            }) {
                self.switched_by.remove(function);
            }
            let own = self.file.ecs.iter().find(|it| it.name == step.resource);
            for service in
                own.iter().flat_map(|it| StackReference::BOTH.map(|stack| service_of(it, stack)))
            {
                self.switched_by.remove(&service);
            }
        }
        let is_long = ["aurora", "schema"].contains(&step.subject());
        let usual = if is_long { LONG_DEADLINE } else { DEADLINE };
        let deadline = self.file.pace.deadlines.get(step.subject()).copied().unwrap_or(usual);
        if took > deadline + lasts + BEYOND + self.stopped_for {
            self.violated(format!(
                "`{step}` took {took:?}, more than its {deadline:?} + {lasts:?}"
            ));
        }
    }
}

/// Returns the step that made a call, and the call.
fn key(record: &Record) -> (String, String) {
    let step = record.step.clone().unwrap_or_default();
    (step, format!("{} {}", record.name(), record.parameters))
}

fn mappings<'a>(world: &'a World, function: &'a str) -> impl Iterator<Item = &'a Mapping> {
    world.lambda.mappings().filter(move |it| it.function == function)
}

fn is_blocked(policy: Option<&str>) -> bool {
    policy.is_some_and(|it| it.contains("__bluegreen_blocked__"))
}

/// Returns the scaling target of a service, which tells it from a function of the same name.
fn service_of(resource: &Resource<EcsSettings>, stack: StackReference) -> String {
    let config = &resource.settings.config;
    format!("service/{}/{}", config.cluster, config.services.of(stack))
}

/// Returns the function whose mapping or rule a call switches, or the scaling target of the service.
fn switched(world: &World, record: &Record) -> Option<String> {
    let text = |name: &str| record.parameters.get(name).and_then(|it| it.as_str());
    match record.operation.as_str() {
        "UpdateEventSourceMapping" => {
            let uuid = text("UUID")?;
            Some(world.lambda.mappings().find(|it| it.uuid == uuid)?.function.clone())
        }
        "EnableRule" | "DisableRule" => {
            Some(text("Name")?.trim_end_matches("-regularly").to_owned())
        }
        "UpdateService" => Some(format!("service/{}/{}", text("cluster")?, text("service")?)),
        "RegisterScalableTarget" => Some(text("ResourceId")?.to_owned()),
        _ => None,
    }
}

/// Returns the stack that a name of the search's own ends with.
fn stack_of(name: &str) -> Option<StackReference> {
    match name.trim_end_matches("-dlq").rsplit(['-', ':']).next()? {
        "a" => Some(StackReference::A),
        "b" => Some(StackReference::B),
        _ => None,
    }
}
