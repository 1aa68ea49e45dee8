//! What AWS and people do meanwhile, and what people do between two releases or after a failed one.

use std::time::Duration;

use bluegreen_core::StackReference;
use bluegreen_deploy::stack_file::{
    ConsumerKind, DesiredTasks, EcsSettings, Feed, StackFile, Traffic,
};
use bluegreen_sim::{Change, Event, World};

/// Something that somebody does in the middle of a release: when so many steps have begun, and later by so long.
#[derive(Clone, Debug)]
pub(crate) struct Meddling {
    /// On the way there, 0, or back, 1.
    pub(crate) leg: usize,
    /// After how many steps.
    pub(crate) steps: usize,
    /// How much later.
    pub(crate) later: Duration,
    /// What.
    pub(crate) what: What,
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A person moves the traffic to the other stack.
    MoveTraffic,
    /// Aurora makes a reader of the active cluster its writer.
    Failover,
    /// AWS starts the cluster that is stopped.
    Restart,
    /// A person switches off a rule of the stack that is not active.
    SwitchRule,
    /// A person sets the number of tasks of the active service.
    SetTasks,
    /// A person switches off a service of the stack that is not active.
    SwitchOff,
    /// A person switches off an alarm of the stack that is not active, which is off already.
    SwitchAlarm,
}

impl Meddling {
    /// Lets it happen. Returns whether there is anything to do it to.
    pub(crate) fn happen(
        &self,
        world: &mut World,
        file: &StackFile,
        active: StackReference,
    ) -> bool {
        let aurora = file.aurora.first().map(|it| &it.settings.config.clusters);
        let change = match self.what {
            What::MoveTraffic => match &file.traffic {
                Traffic::Movers(_) => Some(Change::MoveTraffic(active.partner())),
                _ => None,
            },
            What::Failover => aurora.map(|it| Change::Failover(it.of(active).clone())),
            What::Restart => aurora.map(|it| Change::Restart(it.of(active.partner()).clone())),
            What::SwitchRule => file.lambda.first().map(|it| {
                let function = it.settings.config.functions.of(active.partner());
                Change::SwitchRule("default".to_owned(), format!("{function}-regularly"), false)
            }),
            // Of those that run on one stack only, nobody sets any: on the wrong stack they would be at work on both.
            What::SetTasks => mirrored(file).map(|it| {
                let config = &it.config;
                Change::SetTasks(config.cluster.clone(), config.services.of(active).clone(), MANY)
            }),
            What::SwitchOff => mirrored(file).map(|it| {
                let service = it.config.services.of(active.partner()).clone();
                Change::SetTasks(it.config.cluster.clone(), service, 0)
            }),
            What::SwitchAlarm => file.cloudwatch.first().map(|it| {
                let (prefix, suffix) = it.settings.affixes(active.partner());
                Change::SwitchAlarm(format!("{prefix}errors{suffix}"), false)
            }),
        };
        let Some(change) = change else { return false };
        world.schedule(self.later, Event::Change(change));
        true
    }
}

/// Does what the users' own tooling does before a release: makes what the last one deleted.
pub(crate) fn provide(world: &mut World, file: &StackFile, stack: StackReference) {
    for it in &file.aurora {
        let name = it.settings.config.clusters.of(stack);
        if world.rds.cluster(name).is_none() {
            world.add_cluster(name, it.settings.config.minimum_readers, "available");
        }
    }
    for it in &file.dynamodb {
        let name = it.settings.config.tables.of(stack);
        if world.dynamodb.table(name).is_none() {
            world.add_table(name);
        }
    }
}

/// As many tasks as no service has by itself.
const MANY: u32 = 5;

/// Returns the first services that may run on both stacks.
fn mirrored(file: &StackFile) -> Option<&EcsSettings> {
    file.ecs.iter().map(|it| &it.settings).find(|it| it.mode == ConsumerKind::Mirror)
}

/// Where a release is about to move production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moves {
    Nowhere,
    Forward,
    Back,
}

/// Mends what AWS has broken, and takes back what a person has done wrong. `moves` says where the release is about to
/// move traffic itself, away from `active`. Returns whether there was anything to mend.
pub(crate) fn mend(
    world: &mut World,
    file: &StackFile,
    active: StackReference,
    moves: Moves,
    meddled: Option<What>,
) -> bool {
    let mut mended = false;
    let forward = moves == Moves::Forward;
    for it in &file.aurora {
        for stack in StackReference::BOTH {
            let name = it.settings.config.clusters.of(stack);
            if world.rds.cluster(name).is_some_and(|it| it.is_broken()) {
                world.add_cluster(name, it.settings.config.minimum_readers + 1, "available");
                mended = true;
            }
        }
    }
    if file.traffic != Traffic::None && world.traffic.on() != Some(active) && !forward {
        world.arrive(active);
        mended = true;
    }
    // What was switched off by hand, and should be on where production is or is about to be, is switched on again.
    if meddled == Some(What::SwitchRule) {
        let target = if forward { active.partner() } else { active };
        if let Some(it) = file.lambda.first() {
            let rule = |stack| format!("{}-regularly", it.settings.config.functions.of(stack));
            let is_on = |name: &str| world.events.rules().any(|it| it.name == name && it.is_on());
            let wanted = match it.settings.rules {
                ConsumerKind::Mirror => true,
                // Never on both: what is not handed over yet is not for people to switch on.
                ConsumerKind::Exclusive => !forward && !is_on(&rule(target.partner())),
                ConsumerKind::Off => false,
            };
            if wanted {
                let change = Change::SwitchRule("default".to_owned(), rule(target), true);
                world.schedule(Duration::ZERO, Event::Change(change));
            }
        }
    }
    if meddled == Some(What::SwitchOff)
        && let Some(it) = mirrored(file)
    {
        let other = (moves != Moves::Nowhere).then(|| active.partner());
        for stack in [active].into_iter().chain(other) {
            let tasks = |stack: StackReference| {
                let name = it.config.services.of(stack);
                world.ecs.services().find(|it| it.name == *name).map_or(0, |it| it.desired())
            };
            let count = match it.desired_tasks {
                DesiredTasks::Count(count) => count,
                DesiredTasks::Match => tasks(stack.partner()).max(MANY),
            };
            // Scaling may have brought some of them back by itself.
            if tasks(stack) >= count {
                continue;
            }
            let (cluster, name) = (it.config.cluster.clone(), it.config.services.of(stack).clone());
            world.schedule(Duration::ZERO, Event::Change(Change::SetTasks(cluster, name, count)));
            mended = true;
        }
    }
    // So does the work go back that went with the traffic, where nobody does it any more.
    if meddled == Some(What::MoveTraffic) {
        for it in file.sqs.iter().filter(|it| it.settings.feed == Feed::Work) {
            let queues = &it.settings.config.queues;
            world.move_messages(queues.of(active.partner()), queues.of(active));
        }
    }
    mended
}
