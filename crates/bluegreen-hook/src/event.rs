//! [`Event`], what the function is called with, told apart by its shape.

use std::collections::BTreeMap;

use bluegreen_codedeploy::HookExecution;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// What the function is called with.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A lifecycle event of CodeDeploy; its answer is a report.
    CodeDeploy(HookExecution),
    /// A lifecycle stage of a deployment that ECS runs itself; its answer is what the function returns.
    Ecs(EcsHook),
    /// The regular call that goes on with what is due: `{"bluegreen": "reconcile"}`, or a scheduled event.
    Reconcile,
    /// The function's own call, by which it goes on with what one invocation has no time for.
    HandOver(HandOver),
    /// The call of `bluegreen check-hook`, which looks at everything and changes nothing.
    Check(Check),
    /// A change of state that EventBridge tells of: a nudge to look.
    StateChange(StateChange),
    /// Messages of SNS topics, each by itself.
    Sns(Vec<SnsMessage>),
}

/// The event that ECS sends to a hook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EcsHook {
    /// The run of the hook.
    #[serde(default)]
    pub execution_id: String,
    /// The stage, such as `PRE_SCALE_UP`. Stages that nobody knows yet are to be expected.
    pub lifecycle_stage: String,
    /// The ARN of the service deployment.
    pub resource_arn: String,
    /// What is deployed, and where traffic is.
    pub execution_details: ExecutionDetails,
    /// What the hook's configuration says, with what the last `IN_PROGRESS` has returned.
    #[serde(default)]
    pub hook_details: Value,
}

/// What an ECS deployment deploys, and where traffic is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionDetails {
    /// The ARN of the service.
    pub service_arn: String,
    /// The ARN of the revision to come, which stays the same in a rollback.
    pub target_service_revision_arn: String,
    /// The percentage of test traffic, by the ARN of the revision; empty but in some stages.
    #[serde(default)]
    pub test_traffic_weights: BTreeMap<String, f64>,
    /// The percentage of production traffic, likewise.
    #[serde(default)]
    pub production_traffic_weights: BTreeMap<String, f64>,
}

/// What an invocation hands over to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandOver {
    /// The hook that still waits for its report.
    #[serde(flatten)]
    pub hook: HookExecution,
    /// How many times it has been handed over, from 1.
    pub count: u32,
}

/// What `bluegreen check-hook` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Check {
    /// The hash of the stack file that the caller has, to be compared with the function's.
    pub stack_file: Option<String>,
}

/// A change of state that EventBridge tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// Who tells: `aws.codedeploy`, `aws.ecs`.
    pub source: String,
    /// What: `CodeDeploy Deployment State-change Notification`.
    pub detail_type: String,
}

/// A message of an SNS topic.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SnsMessage {
    /// The topic's ARN.
    pub topic_arn: String,
    /// The message's id.
    #[serde(default)]
    pub message_id: String,
    /// Its text.
    pub message: String,
}

/// An event that no known shape fits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the event is none that is known: expected that of a CodeDeploy hook (`DeploymentId`, \
     `LifecycleEventHookExecutionId`), of an ECS hook (`lifecycleStage`, `executionDetails`), SNS's \
     `Records`, EventBridge's (`source`, `detail-type`), or `{{\"bluegreen\": \"reconcile\"}}`; {came}"
)]
pub struct UnknownEvent {
    /// What came: the names of its fields, never their values, which may be secret.
    came: String,
}

impl Event {
    /// Tells by its shape what an event is.
    ///
    /// # Errors
    ///
    /// [`UnknownEvent`], which names the fields that came and never what is in them.
    pub fn parse(value: &Value) -> Result<Self, UnknownEvent> {
        let Value::Object(fields) = value else {
            let came = format!("{} came", kind(value));
            return Err(UnknownEvent { came });
        };
        let has = |names: &[&str]| names.iter().all(|it| fields.contains_key(*it));
        if has(&["bluegreen"]) {
            own(&fields["bluegreen"])
        } else if has(&["DeploymentId", "LifecycleEventHookExecutionId"]) {
            read(value, "a CodeDeploy hook").map(Self::CodeDeploy)
        } else if has(&["lifecycleStage"]) {
            read(&with_details(fields), "an ECS hook").map(Self::Ecs)
        } else if has(&["Records"]) {
            records(&fields["Records"])
        } else if has(&["source", "detail-type"]) {
            state_change(fields)
        } else {
            let names: Vec<String> = fields.keys().map(|it| format!("`{it}`")).collect();
            let came = match names.as_slice() {
                [] => "an empty object came".to_owned(),
                names => format!("an object came with {}", names.join(", ")),
            };
            Err(UnknownEvent { came })
        }
    }
}

fn own(value: &Value) -> Result<Event, UnknownEvent> {
    const KNOWN: &str = "`bluegreen` with neither `reconcile` nor `hand-over` nor `check`";
    let unknown = || UnknownEvent { came: format!("{KNOWN} came") };
    match value {
        Value::String(text) if text == "reconcile" => Ok(Event::Reconcile),
        Value::Object(fields) => {
            let (name, content) = fields.iter().next().ok_or_else(unknown)?;
            match name.as_str() {
                "hand-over" => read(content, "a hand-over").map(Event::HandOver),
                "check" => read(content, "a check").map(Event::Check),
                _ => Err(unknown()),
            }
        }
        _ => Err(unknown()),
    }
}

/// Puts the details of an ECS hook where they are in what AWS sends; its guide shows them at the top.
fn with_details(fields: &Map<String, Value>) -> Value {
    let mut fields = fields.clone();
    if !fields.contains_key("executionDetails") {
        let details = fields.clone();
        fields.insert("executionDetails".to_owned(), Value::Object(details));
    }
    for name in ["testTrafficWeights", "productionTrafficWeights"] {
        if let Some(weights) = fields["executionDetails"].get_mut(name)
            && weights.is_null()
        {
            *weights = Value::Object(Map::new());
        }
    }
    Value::Object(fields)
}

fn records(value: &Value) -> Result<Event, UnknownEvent> {
    #[derive(Deserialize)]
    struct Record {
        #[serde(rename = "Sns")]
        sns: SnsMessage,
    }
    let records: Vec<Value> = read(value, "SNS's `Records`")?;
    let (mut messages, mut bad) = (Vec::new(), None);
    for record in &records {
        match read::<Record>(record, "a record of SNS") {
            Ok(record) => messages.push(record.sns),
            Err(err) => {
                tracing::error!("{err}");
                bad = bad.or(Some(err));
            }
        }
    }
    match bad {
        Some(err) if messages.is_empty() => Err(err),
        _ => Ok(Event::Sns(messages)),
    }
}

fn state_change(fields: &Map<String, Value>) -> Result<Event, UnknownEvent> {
    let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    let change = StateChange { source: text("source"), detail_type: text("detail-type") };
    match change.source.as_str() {
        "aws.codedeploy" | "aws.ecs" => Ok(Event::StateChange(change)),
        "aws.events" | "aws.scheduler" if change.detail_type == "Scheduled Event" => {
            Ok(Event::Reconcile)
        }
        _ => {
            let came =
                "an event of EventBridge came from neither CodeDeploy nor ECS nor a schedule";
            Err(UnknownEvent { came: came.to_owned() })
        }
    }
}

fn read<T: DeserializeOwned>(value: &Value, what: &str) -> Result<T, UnknownEvent> {
    T::deserialize(value).map_err(|err| {
        // Where a field is missing, serde names that only; all else that it says may quote values.
        let why = err.to_string();
        let shown = match why.strip_prefix("missing field") {
            Some(field) => format!("without the field{field}"),
            None => "with a field that cannot be read".to_owned(),
        };
        UnknownEvent { came: format!("what looks like {what} came {shown}") }
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(value: Value) -> String {
        Event::parse(&value).unwrap_err().to_string()
    }

    #[test]
    fn the_event_of_a_codedeploy_hook_is_known_by_its_two_fields() {
        let event = json!({ "DeploymentId": "d-1", "LifecycleEventHookExecutionId": "eyJl" });

        let Event::CodeDeploy(hook) = Event::parse(&event).unwrap() else { panic!() };

        assert_eq!(hook.deployment_id, "d-1");
    }

    #[test]
    fn the_event_of_an_ecs_hook_is_read_wherever_its_details_are() {
        let details = json!({
            "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/shop/web",
            "targetServiceRevisionArn": "arn:aws:ecs:eu-west-1:123456789012:service-revision/shop/web/2",
            "testTrafficWeights": null,
            "productionTrafficWeights": { "green": 10.5, "blue": 89.5 },
        });
        let mut nested = json!({
            "executionId": "f4fcae0f",
            "lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT",
            "resourceArn": "arn:aws:ecs:eu-west-1:123456789012:service-deployment/shop/web/1",
            "executionDetails": details,
        });
        let mut flat = details.clone();
        flat["lifecycleStage"] = "PRODUCTION_TRAFFIC_SHIFT".into();
        flat["resourceArn"] = nested["resourceArn"].clone();

        let Event::Ecs(read) = Event::parse(&nested).unwrap() else { panic!() };
        let Event::Ecs(same) = Event::parse(&flat).unwrap() else { panic!() };

        assert_eq!(read.execution_details, same.execution_details);
        assert_eq!(read.execution_details.production_traffic_weights["green"], 10.5);
        assert!(read.hook_details.is_null());
        nested["lifecycleStage"] = "A_STAGE_TO_COME".into();
        assert!(
            matches!(Event::parse(&nested), Ok(Event::Ecs(it)) if it.lifecycle_stage == "A_STAGE_TO_COME")
        );
    }

    #[test]
    fn a_schedule_and_its_own_payload_are_the_reconcilers_call() {
        let scheduled =
            json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} });

        assert_eq!(Event::parse(&scheduled), Ok(Event::Reconcile));
        assert_eq!(Event::parse(&json!({ "bluegreen": "reconcile" })), Ok(Event::Reconcile));
    }

    #[test]
    fn a_hand_over_is_read_as_it_was_written() {
        let hook = HookExecution {
            deployment_id: "d-1".to_owned(),
            lifecycle_event_hook_execution_id: "eyJl".to_owned(),
        };
        let sent = HandOver { hook, count: 2 };

        let read = Event::parse(&json!({ "bluegreen": { "hand-over": sent } }));

        assert_eq!(read, Ok(Event::HandOver(sent)));
    }

    #[test]
    fn changes_of_state_are_nudges() {
        let event = json!({
            "source": "aws.codedeploy",
            "detail-type": "CodeDeploy Deployment State-change Notification",
            "detail": { "state": "FAILURE" },
        });

        assert!(matches!(Event::parse(&event), Ok(Event::StateChange(_))));
    }

    #[test]
    fn messages_of_topics_are_read_each_by_itself() {
        let record = json!({ "Sns": { "TopicArn": "arn", "MessageId": "1", "Message": "text" } });

        let event = json!({ "Records": [record, { "Sns": { "Message": 7 } }, record] });
        let Event::Sns(messages) = Event::parse(&event).unwrap() else { panic!() };

        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].message, "text");
    }

    #[test]
    fn anything_else_is_refused_by_the_names_of_its_fields_and_never_by_their_values() {
        let err = refused(json!({ "password": "swordfish", "user": "ann" }));

        assert!(err.contains("`password`, `user`") && !err.contains("swordfish"), "{err}");
        assert!(err.contains("`DeploymentId`") && err.contains("`lifecycleStage`"), "{err}");
        for wrong in [
            json!({ "lifecycleStage": 7, "resourceArn": "swordfish" }),
            json!({ "lifecycleStage": "swordfish" }),
            json!({ "Records": [{ "s3": "swordfish" }] }),
            json!({ "source": "swordfish", "detail-type": "swordfish" }),
            json!({ "bluegreen": { "swordfish": 1 } }),
            json!({ "bluegreen": { "check": { "stack-file": 7 } } }),
            json!("swordfish"),
            json!([]),
            json!({}),
        ] {
            assert!(!refused(wrong.clone()).contains("swordfish"), "{wrong}");
        }
    }
}
