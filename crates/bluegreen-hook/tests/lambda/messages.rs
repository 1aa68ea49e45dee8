//! What takes messages in the shop: a topic, subscriptions of the queues, and functions with a mapping and a rule each.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::{RuleState, Target};
use aws_sdk_lambda::{
    primitives::Blob,
    types::{FunctionCode, Runtime},
};

use crate::stage::{ACCOUNT, REGION, eventually};

/// The code of functions that nobody runs: an archive without files.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// The filter policy that lets nothing through.
const BLOCKED: &str = r#"{"__bluegreen_blocked__":["never"]}"#;

/// Both stacks, and whether things are on there in the beginning.
const STACKS: [(&str, bool); 2] = [("a", true), ("b", false)];

fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

fn function(stack: &str) -> String {
    format!("ingest-{stack}")
}

/// Writes the tables of the stack file.
pub(crate) fn tables() -> String {
    let (topic, queue) = (arn("sns", "catalogue"), |it| arn("sqs", &format!("ingest-{it}")));
    format!(
        "\n[sns.catalogue]\ntopic = \"{topic}\"\nsettle = \"0s\"\n\
         endpoints = {{ a = \"{}\", b = \"{}\" }}\n\n\
         [lambda.ingest]\nfunctions = {{ a = \"ingest-a\", b = \"ingest-b\" }}\nrules = \"mirror\"\n",
        queue("a"),
        queue("b"),
    )
}

/// Builds all of it; that of stack b is off.
pub(crate) async fn build(sdk: &SdkConfig) {
    let topics = aws_sdk_sns::Client::new(sdk);
    topics.create_topic().name("catalogue").send().await.unwrap();
    for (stack, on) in STACKS {
        let subscribe = topics.subscribe().topic_arn(arn("sns", "catalogue")).protocol("sqs");
        let subscribe = subscribe.endpoint(arn("sqs", &format!("ingest-{stack}")));
        let subscribe = match on {
            true => subscribe,
            false => subscribe.attributes("FilterPolicy", BLOCKED),
        };
        subscribe.send().await.unwrap();
        add_function(sdk, stack, on).await;
    }
}

async fn add_function(sdk: &SdkConfig, stack: &str, on: bool) {
    let functions = aws_sdk_lambda::Client::new(sdk);
    let name = function(stack);
    let create = functions.create_function().function_name(&name).runtime(Runtime::Nodejs22x);
    let create = create.handler("index.handler").role(format!("arn:aws:iam::{ACCOUNT}:role/shop"));
    let create = create.code(FunctionCode::builder().zip_file(Blob::new(EMPTY_ZIP)).build());
    let function = create.send().await.unwrap().function_arn.unwrap();
    let map = functions.create_event_source_mapping().function_name(&name).enabled(on);
    map.event_source_arn(arn("sqs", &format!("ingest-{stack}"))).send().await.unwrap();

    let rules = aws_sdk_eventbridge::Client::new(sdk);
    let rule = format!("{name}-regularly");
    let state = if on { RuleState::Enabled } else { RuleState::Disabled };
    let put = rules.put_rule().name(&rule).schedule_expression("rate(5 minutes)").state(state);
    put.send().await.unwrap();
    let target = Target::builder().id("function").arn(function).build().unwrap();
    rules.put_targets().rule(rule).targets(target).send().await.unwrap();
}

/// Looks whether each of it is on, by what it is of.
pub(crate) async fn look(sdk: &SdkConfig) -> BTreeMap<String, String> {
    let mut world = BTreeMap::new();
    let word = |on: bool| if on { "on" } else { "off" }.to_owned();
    for (stack, _) in STACKS {
        let name = function(stack);
        let rules = aws_sdk_eventbridge::Client::new(sdk);
        let rule = rules.describe_rule().name(format!("{name}-regularly")).send().await.unwrap();
        world.insert(format!("rule of {name}"), word(rule.state == Some(RuleState::Enabled)));
        world.insert(format!("mapping of {name}"), word(is_mapped(sdk, &name).await));
    }
    let topics = aws_sdk_sns::Client::new(sdk);
    let list = topics.list_subscriptions_by_topic().topic_arn(arn("sns", "catalogue"));
    for subscription in list.send().await.unwrap().subscriptions() {
        let look = topics.get_subscription_attributes();
        let look = look.set_subscription_arn(subscription.subscription_arn.clone()).send().await;
        let filter = look.unwrap().attributes.unwrap_or_default().remove("FilterPolicy");
        let queue = subscription.endpoint().unwrap_or_default().rsplit(':').next().unwrap();
        let on = filter.is_none_or(|it| !it.contains("__bluegreen_blocked__"));
        world.insert(format!("messages for {queue}"), word(on));
    }
    world
}

/// Looks at a function's mapping, when it does not change any more.
async fn is_mapped(sdk: &SdkConfig, function: &str) -> bool {
    let functions = aws_sdk_lambda::Client::new(sdk);
    eventually("a mapping that is on or off", async || {
        let list = functions.list_event_source_mappings().function_name(function);
        let mapping = list.send().await.unwrap().event_source_mappings.unwrap().remove(0);
        match mapping.state.as_deref() {
            Some("Enabled") => Some(true),
            Some("Disabled") => Some(false),
            _ => None,
        }
    })
    .await
}
