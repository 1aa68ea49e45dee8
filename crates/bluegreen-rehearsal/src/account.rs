//! Building the account that a stack file describes: one stack in production, the other at rest.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::{Arn, Pair, StackReference};
use bluegreen_deploy::stack_file::{
    AlarmTest, Alarms, AuroraRetire, ConsumerKind, DesiredTasks, Feed, JobKind, LambdaSettings,
    Resource, SnsSettings, StackFile, TestKind,
};
use bluegreen_sim::{Producer, Range, Settings, SimulatedAccount, What, World, matching};
use serde_json::{Map, Value};

/// How many readers a cluster in production has beyond its minimum.
const MORE_READERS: u32 = 1;

/// How many tasks a service runs that is to match the other's.
const TASKS: u32 = 3;

/// How long functions may take, in seconds.
const FUNCTION_TIMEOUT: u32 = 60;

/// The policy of a subscription that is off, unless the stack file has another.
const BLOCKING: &str = r#"{"__bluegreen_blocked__":["never"]}"#;

/// Builds the account of `file`, with `active` in production.
///
/// What the file does not say is made up: each topic, stream and queue of work gets somebody who sends
/// messages; a service reads the queue that its table names; a function's mappings read the pair of queues that has its
/// name, else one that nobody else reads, and the stream; each function with rules has one.
pub fn account(file: &StackFile, active: StackReference, settings: Settings) -> SimulatedAccount {
    let settings = Settings {
        region: file.region.clone(),
        partition: file.partition().to_owned(),
        account: account_id(file, &settings),
        ..settings
    };
    let account = SimulatedAccount::new(settings);
    account.world(|world| build(world, file, active));
    account
}

fn account_id(file: &StackFile, settings: &Settings) -> String {
    let told = file.account_id.clone();
    told.or_else(|| file.accounts().into_iter().next().map(|(_, it)| it))
        .unwrap_or_else(|| settings.account.clone())
}

fn build(world: &mut World, file: &StackFile, active: StackReference) {
    world.arrive(active);
    let on = |stack: StackReference| stack == active;
    for Resource { settings, .. } in &file.aurora {
        for stack in StackReference::BOTH {
            let name = settings.config.clusters.of(stack);
            let minimum = settings.config.minimum_readers;
            let (readers, status) = match settings.retire {
                _ if on(stack) => (minimum + MORE_READERS, "available"),
                AuroraRetire::Stop => (minimum, "stopped"),
                AuroraRetire::Delete | AuroraRetire::Keep => (minimum, "available"),
            };
            world.add_cluster(name, readers.min(15), status);
            world.add_scaling_target("rds", &format!("cluster:{name}"), minimum, 15);
        }
    }
    for Resource { settings, .. } in &file.kinesis {
        let arn = &settings.config.stream_arn;
        let stream = world.add_stream(name_of(arn));
        for stack in StackReference::BOTH {
            if on(stack) || !settings.deregister {
                world.add_consumer(&stream, settings.config.consumers.of(stack));
            }
        }
        world.add_producer(Producer { every: Range::seconds(10, 30), what: What::Stream(stream) });
    }
    for Resource { settings, .. } in &file.sqs {
        let queues = Pair::from_fn(|stack| add_queue(world, settings.config.queues.of(stack)));
        for dead_letters in settings.config.dead_letter_queues.iter() {
            for stack in StackReference::BOTH {
                world.add_queue(dead_letters.of(stack));
            }
        }
        if settings.feed == Feed::Work {
            world
                .add_producer(Producer { every: Range::seconds(10, 60), what: What::Work(queues) });
        }
    }
    for resource in &file.sns {
        subscribe(world, file, resource, active);
    }
    let sources = sources(file);
    for resource in &file.lambda {
        functions(world, file, resource, &sources, active);
    }
    for Resource { settings, .. } in &file.ecs {
        let tasks = match settings.desired_tasks {
            DesiredTasks::Count(count) => count,
            DesiredTasks::Match => TASKS,
        };
        let cluster = &settings.config.cluster;
        for stack in StackReference::BOTH {
            let name = settings.config.services.of(stack);
            world.add_service(cluster, name, if on(stack) { tasks } else { 0 });
            let queue = file.sqs.iter().find(|it| Some(&it.name) == settings.queue.as_ref());
            if let Some(queue) = queue {
                let arn = world.arn("sqs", queue.settings.config.queues.of(stack));
                world.read_queue(cluster, name, &arn);
            }
            let target = format!("service/{cluster}/{name}");
            world.add_scaling_target("ecs", &target, tasks.min(1), tasks + 4);
            // What is at rest stays so: scaling would start its least number of tasks.
            world.suspend_scaling(&target, !on(stack));
        }
    }
    for Resource { settings, .. } in &file.dynamodb {
        for stack in StackReference::BOTH {
            world.add_table(settings.config.tables.of(stack));
        }
    }
    for Resource { settings, .. } in &file.cloudwatch {
        for stack in StackReference::BOTH {
            let prefix = settings.prefixes.of(stack);
            let suffix = settings.suffixes.as_ref().map(|it| it.of(stack)).unwrap_or_default();
            for (name, composite) in [("errors", false), ("latency", false), ("health", true)] {
                world.add_alarm(&format!("{prefix}{name}{suffix}"), composite, on(stack));
            }
        }
    }
    runs(world, file, active);
}

/// Adds what tests and schemas refer to and no other table has: functions and tasks that end well, alarms that are still.
fn runs(world: &mut World, file: &StackFile, active: StackReference) {
    let jobs = file.schemas.iter().flat_map(|it| [&it.settings.reset, &it.settings.hydrate]);
    let jobs: Vec<&JobKind> = jobs.flatten().map(|it| &it.kind).collect();
    for kind in &jobs {
        if let JobKind::Task(config) = kind {
            world.add_ecs_cluster(&config.cluster);
            for stack in StackReference::BOTH {
                define(world, config.definitions.of(stack));
            }
        }
    }
    let jobs = jobs.into_iter().filter_map(|it| match it {
        JobKind::Lambda(functions) => Some(functions),
        JobKind::Task(_) | JobKind::Command(_) => None,
    });
    let tests = file.tests.iter().filter_map(|it| match &it.kind {
        TestKind::Lambda(functions) => Some(functions),
        _ => None,
    });
    for functions in jobs.chain(tests) {
        for stack in StackReference::BOTH {
            let name = functions.of(stack);
            if !world.lambda.functions().any(|it| it.name == name) {
                world.add_function(name, FUNCTION_TIMEOUT);
            }
        }
    }
    for test in &file.tests {
        if let TestKind::Alarms(AlarmTest { alarms: Alarms::Named(names), .. }) = &test.kind {
            for name in names {
                let is_there = world.cloudwatch.alarms().any(|it| it.name == *name);
                let rests =
                    file.cloudwatch.iter().any(|it| it.settings.owns(active.partner(), name));
                if !is_there {
                    world.add_alarm(name, false, !rests);
                }
            }
        }
    }
}

/// Adds the task definition that is called `family:revision`, or the first of `family`, if it is not there yet.
fn define(world: &mut World, definition: &str) {
    if world.has_task_definition(definition) {
        return;
    }
    let named = definition.split_once(':');
    match named.and_then(|(family, revision)| Some((family, revision.parse().ok()?))) {
        Some((family, revision)) => world.add_task_revision(family, revision),
        None => world.add_task_definition(definition),
    };
}

/// Adds a queue as AWS advises for its functions: hidden are messages for six times as long as those may take.
fn add_queue(world: &mut World, name: &str) -> String {
    let arn = world.add_queue(name);
    world.set_visibility(&arn, 6 * FUNCTION_TIMEOUT);
    arn
}

fn name_of(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}

fn subscribe(
    world: &mut World,
    file: &StackFile,
    resource: &Resource<SnsSettings>,
    active: StackReference,
) {
    let config = &resource.settings.config;
    let subscriptions = config.subscriptions.as_ref();
    let topic = match (&config.topic, subscriptions) {
        (Some(topic), _) => topic.clone(),
        // The ARN of a subscription is its topic's with an id behind it.
        (None, Some(pair)) => {
            pair.a.rsplit_once(':').map_or(pair.a.clone(), |(topic, _)| topic.to_owned())
        }
        (None, None) => return,
    };
    let topic_arn = world.add_topic(name_of(&topic));
    // Nothing sends a filter on its way but what it is looking for.
    let policy = |filter: &Option<Map<String, Value>>| {
        filter.as_ref().map(|it| Value::Object(it.clone()).to_string())
    };
    let filters = [&config.enabled_filter, &config.disabled_filter].into_iter().flatten();
    let by_body = filters.into_iter().any(looks_into_messages);
    for stack in StackReference::BOTH {
        let endpoint = match &config.endpoints {
            Some(endpoints) => endpoints.of(stack).clone(),
            None => queue_for(world, file, &resource.name, stack),
        };
        if endpoint.parse::<Arn>().is_ok_and(|it| it.service == "sqs")
            && world.sqs.queue(&endpoint).is_none()
        {
            world.add_queue(name_of(&endpoint));
        }
        let off = policy(&config.disabled_filter).unwrap_or_else(|| BLOCKING.to_owned());
        let filter = if stack == active { policy(&config.enabled_filter) } else { Some(off) };
        let added = world.add_subscription(&topic_arn, &endpoint, filter.as_deref());
        if by_body {
            world.filter_by_body(&added);
        }
        if let Some(pair) = subscriptions {
            world.rename_subscription(&added, pair.of(stack));
        }
    }
    // Whether the filter looks at attributes or at the text, it finds there what it is looking for.
    let wanted = config.enabled_filter.as_ref().map(matching).unwrap_or_default();
    let attributes = attributes(&wanted);
    let message = Value::Object(wanted).to_string();
    let what = What::Topic { arn: topic_arn, attributes, message };
    world.add_producer(Producer { every: Range::seconds(5, 30), what });
}

/// The queue of a subscription of which only the ARN is known.
fn queue_for(world: &mut World, file: &StackFile, name: &str, stack: StackReference) -> String {
    let fan_out = |it: &&Resource<_>| feed_of(it) == Feed::FanOut;
    let same = file.sqs.iter().filter(fan_out).find(|it| it.name == name);
    match same.or_else(|| file.sqs.iter().find(fan_out)) {
        Some(it) => world.arn("sqs", it.settings.config.queues.of(stack)),
        None => world.add_queue(&format!("{name}-{stack}")),
    }
}

fn feed_of(resource: &Resource<bluegreen_deploy::stack_file::SqsSettings>) -> Feed {
    resource.settings.feed
}

/// Returns whether AWS takes a filter only for the text of messages: in attributes nothing is nested.
fn looks_into_messages(filter: &Map<String, Value>) -> bool {
    filter.iter().any(|(name, value)| match value {
        Value::Object(_) => true,
        Value::Array(branches) if name == "$or" => {
            branches.iter().filter_map(Value::as_object).any(looks_into_messages)
        }
        _ => false,
    })
}

/// Returns values as the attributes of a message, which are texts.
fn attributes(values: &Map<String, Value>) -> BTreeMap<String, String> {
    let plain = values.iter().filter(|(_, it)| !it.is_object());
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    plain.map(|(name, it)| (name.clone(), text(it))).collect()
}

/// Returns the pair of queues that each function reads, by the names of both.
fn sources(file: &StackFile) -> BTreeMap<&str, &str> {
    let wants = |it: &&Resource<LambdaSettings>| it.settings.mappings != ConsumerKind::Off;
    let functions: Vec<_> = file.lambda.iter().filter(wants).collect();
    let mut sources = BTreeMap::new();
    let of_services = file.ecs.iter().filter_map(|it| it.settings.queue.as_deref());
    let mut taken: BTreeSet<&str> = of_services.collect();
    for function in &functions {
        let own = |it: &&Resource<_>| it.name == function.name && !taken.contains(it.name.as_str());
        if let Some(queue) = file.sqs.iter().filter(own).find(|it| fits(function, it)) {
            sources.insert(function.name.as_str(), queue.name.as_str());
            taken.insert(queue.name.as_str());
        }
    }
    for function in functions {
        if sources.contains_key(function.name.as_str()) {
            continue;
        }
        let free = |it: &&Resource<_>| !taken.contains(it.name.as_str()) && fits(function, it);
        if let Some(queue) = file.sqs.iter().find(free) {
            sources.insert(function.name.as_str(), queue.name.as_str());
            taken.insert(queue.name.as_str());
        }
    }
    sources
}

/// An exclusive consumer is refused on a queue that both stacks' messages reach.
fn fits(
    function: &Resource<LambdaSettings>,
    queue: &Resource<bluegreen_deploy::stack_file::SqsSettings>,
) -> bool {
    function.settings.mappings != ConsumerKind::Exclusive || queue.settings.feed == Feed::Work
}

fn functions(
    world: &mut World,
    file: &StackFile,
    resource: &Resource<LambdaSettings>,
    sources: &BTreeMap<&str, &str>,
    active: StackReference,
) {
    let settings = &resource.settings;
    let first_mirror = file.lambda.iter().find(|it| it.settings.mappings == ConsumerKind::Mirror);
    let reads_stream = first_mirror.is_some_and(|it| it.name == resource.name);
    let queue = sources
        .get(resource.name.as_str())
        .and_then(|name| file.sqs.iter().find(|it| it.name == *name));
    for stack in StackReference::BOTH {
        let name = settings.config.functions.of(stack);
        world.add_function(name, FUNCTION_TIMEOUT);
        let alias = settings.config.alias.as_deref();
        if let Some(alias) = alias {
            world.add_alias(name, alias);
        }
        let function = world.function_arn(name, alias);
        let on = stack == active;
        if settings.mappings != ConsumerKind::Off {
            let streams = file.kinesis.iter().filter(|_| reads_stream);
            let mut read: Vec<String> =
                streams.map(|it| it.settings.config.stream_arn.clone()).collect();
            read.extend(queue.map(|it| world.arn("sqs", it.settings.config.queues.of(stack))));
            if read.is_empty() {
                read.push(add_queue(world, &format!("{name}-jobs")));
            }
            for source in read {
                world.add_mapping(&function, &source, on);
            }
        }
        if settings.rules != ConsumerKind::Off {
            world.add_rule("default", &format!("{name}-regularly"), &function, on);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;

    /// Returns what comes to either queue within ten minutes of a topic whose subscriptions have this filter.
    fn arriving(filter: &str) -> [usize; 2] {
        let text = format!(
            "name = \"shop\"\nregion = \"eu-west-1\"\n[sqs.ingest]\n\
             queues = {{ a = \"ingest-a\", b = \"ingest-b\" }}\nfeed = \"fan-out\"\n[sns.orders]\n\
             topic = \"arn:aws:sns:eu-west-1:123456789012:orders\"\n\
             endpoints.a = \"arn:aws:sqs:eu-west-1:123456789012:ingest-a\"\n\
             endpoints.b = \"arn:aws:sqs:eu-west-1:123456789012:ingest-b\"\n\
             enabled-filter = {filter}\n"
        );
        let file = StackFile::parse(&text, Path::new("bluegreen.toml"), &|_| None).unwrap();
        let account = account(&file, StackReference::A, Settings::default());
        account.world(|world| {
            world.advance(Duration::from_secs(600));
            ["ingest-a", "ingest-b"].map(|it| world.sqs.queue(it).unwrap().len())
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_has_messages_that_its_filter_lets_through_whatever_it_looks_at() {
        for filter in [
            r#"{ type = ["order"] }"#,
            r#"{ type = [{ prefix = "ord" }], test = [{ exists = false }] }"#,
            r#"{ price = [{ numeric = [">=", 10, "<", 20] }], shop = [{ anything-but = ["a"] }] }"#,
            r#"{ "$or" = [{ type = ["order"] }, { gift = [true] }] }"#,
            r#"{ order = { shop = ["eu-1"], lines = { count = [{ numeric = [">", 0] }] } } }"#,
            r#"{ "$or" = [{ order = { shop = ["eu-1"] } }, { gift = [true] }] }"#,
        ] {
            let [active, standby] = arriving(filter);
            assert!(active > 10 && standby == 0, "{filter}: {active} and {standby}");
        }
    }
}
