//! Functions that are invoked, and the batches that mappings hand to them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Lambda, function_of,
    outside::{self, Origin},
};
use crate::{Call, World, call::Answer};

/// That a function was invoked by a call, whatever became of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// When.
    pub at: Duration,
    /// The name of the function.
    pub function: String,
    /// The alias or version that was named.
    pub qualifier: Option<String>,
    /// What it was sent.
    pub payload: String,
    /// Whether it ended with an error of its own.
    pub failed: bool,
}

/// A batch of a stream that a mapping handed to a function.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) at: Duration,
    /// The function with the alias if the mapping names one: `ingest-b:live`.
    pub(crate) resource: String,
    /// How old the last record was.
    pub(crate) age: Duration,
}

impl Lambda {
    /// Returns the invocations of a function by calls, in their order.
    pub fn invocations(&self, function: &str) -> impl Iterator<Item = &Invocation> {
        self.invocations.iter().filter(move |it| it.function == function)
    }

    /// Counts the invocations of a function whose payload has this text at a JSON pointer: `/idempotencyKey`.
    pub fn invocations_with(&self, function: &str, pointer: &str, text: &str) -> usize {
        let has = |it: &&Invocation| {
            let payload = serde_json::from_str::<Value>(&it.payload).unwrap_or_default();
            payload.pointer(pointer).and_then(Value::as_str) == Some(text)
        };
        self.invocations(function).filter(has).count()
    }

    /// Returns the batches of streams that a function was handed, in their order.
    pub(crate) fn batches(&self, function: &str) -> impl Iterator<Item = &Batch> {
        self.batches.get(function).into_iter().flatten()
    }
}

impl World {
    /// Says what a function answers when it is invoked; `Err` is its own error.
    pub fn set_answer(&mut self, function: &str, answer: Result<String, String>) {
        if let Some(it) = self.lambda.functions.get_mut(function) {
            it.answer = Some(answer);
        }
    }

    /// Says how long a function takes to answer when it is invoked; no time otherwise. One that takes longer than its
    /// timeout is ended then, with an error of its own.
    pub fn set_invocation_time(&mut self, function: &str, time: Duration) {
        if let Some(it) = self.lambda.functions.get_mut(function) {
            it.lasts = time;
        }
    }
}

/// Notes a batch of a stream whose last record has this number.
pub(super) fn handed(world: &mut World, function: &str, function_arn: &str, last: u64) {
    let at = world.now();
    let sent = world.ledger.message(last).map_or(at, |it| it.sent);
    let resource = function_arn.split("function:").last().unwrap_or(function).to_owned();
    let batch = Batch { at, resource, age: at.saturating_sub(sent) };
    world.lambda.batches.entry(function.to_owned()).or_default().push(batch);
}

/// Invokes a function. Of one whose code runs inside the account the answer is known at once; what is asynchronous has
/// none.
pub(super) fn invoke(world: &mut World, call: &Call) -> Answer {
    let (name, qualifier) = function_of(world, call)?;
    let whole = match &qualifier {
        Some(it) => format!("{name}:{it}"),
        None => name.clone(),
    };
    let sent = call.text("Payload").unwrap_or("null").to_owned();
    match call.text("InvocationType") {
        Some("DryRun") => return Ok(json!({ "StatusCode": 204 })),
        Some("Event") => {
            outside::invoke_for(world, &whole, &sent, Origin::Asynchronous(1));
            return Ok(json!({ "StatusCode": 202 }));
        }
        _ if outside::is_outside(world, &name) => {
            world.awaited = Some(outside::invoke_for(world, &whole, &sent, Origin::Caller));
            return Ok(json!({}));
        }
        _ => {}
    }
    let function = &world.lambda.functions[&name];
    let alias = qualifier.as_ref().and_then(|it| function.aliases.get(it));
    let version = alias.map(|it| it.version.clone());
    let timeout = Duration::from_secs(function.timeout.into());
    let (payload, error) = match &function.answer {
        _ if function.lasts > timeout => {
            let seconds = timeout.as_secs_f64();
            let message = format!("Error: Task timed out after {seconds:.2} seconds");
            let error = json!({ "errorType": "Sandbox.Timedout", "errorMessage": message });
            (error.to_string(), Some("Unhandled"))
        }
        None => (sent.clone(), None),
        Some(Ok(text)) => (text.clone(), None),
        Some(Err(text)) => (json!({ "errorMessage": text }).to_string(), Some("Unhandled")),
    };
    world.work = function.lasts.min(timeout);
    let at = world.now();
    let failed = error.is_some();
    world.lambda.invocations.push(Invocation {
        at,
        function: name,
        qualifier,
        payload: sent,
        failed,
    });
    Ok(json!({
        "Payload": payload,
        "FunctionError": error,
        "ExecutedVersion": version.unwrap_or_else(|| "$LATEST".to_owned()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, services::testing::call};

    fn world() -> World {
        let mut world = World::new(&Settings::default());
        world.add_function("migrate-b", 3);
        world.add_alias("migrate-b", "live");
        world
    }

    fn invoke(world: &mut World, payload: &str) -> Value {
        let parameters =
            json!({ "FunctionName": "migrate-b", "Qualifier": "live", "Payload": payload });
        super::super::answer(world, &call("lambda", "Invoke", parameters)).unwrap()
    }

    #[test]
    fn every_invocation_is_kept_with_what_was_sent() {
        let mut world = world();

        for key in ["r-1", "r-1", "r-2"] {
            invoke(&mut world, &json!({ "call": { "key": key } }).to_string());
        }
        invoke(&mut world, "no JSON");

        let counts = ["r-1", "r-2", "r-3"]
            .map(|it| world.lambda.invocations_with("migrate-b", "/call/key", it));
        assert_eq!(counts, [2, 1, 0]);
        let last = world.lambda.invocations("migrate-b").last().unwrap();
        assert_eq!((last.payload.as_str(), last.qualifier.as_deref()), ("no JSON", Some("live")));
        assert_eq!(world.lambda.invocations("other").count(), 0);
    }

    #[test]
    fn a_function_that_fails_or_takes_longer_than_its_timeout_has_an_error_of_its_own() {
        let mut world = world();
        world.set_answer("migrate-b", Err("no database".to_owned()));
        let failed = invoke(&mut world, "{}");
        world.set_answer("migrate-b", Ok("{}".to_owned()));
        world.set_invocation_time("migrate-b", Duration::from_secs(4));

        let late = invoke(&mut world, "{}");

        assert_eq!(failed["FunctionError"], "Unhandled");
        assert!(failed["Payload"].as_str().unwrap().contains("no database"));
        assert_eq!(late["FunctionError"], "Unhandled");
        assert!(late["Payload"].as_str().unwrap().contains("Task timed out after 3.00 seconds"));
        assert_eq!(world.work, Duration::from_secs(3));
        assert!(world.lambda.invocations("migrate-b").all(|it| it.failed));
    }
}
