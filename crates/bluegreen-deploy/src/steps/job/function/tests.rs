//! A function as a job: how often it is invoked, with what, and what its answers mean.

use std::sync::Mutex;

use bluegreen_core::{
    BoxError, Error as CoreError, Pair,
    StackReference::{A, B},
};
use bluegreen_lambda::{Function, Invocation, MockLambdaToolkit};
use serde_json::json;

use super::*;
use crate::{
    Effect, Step,
    steps::{
        job::RunJob,
        testing::{World, allowed},
    },
};

type Payloads = Arc<Mutex<Vec<Value>>>;

/// Makes `schema.hydrate` of stack b with a function that gives these answers, and keeps what it was sent.
fn hydrate(
    answers: impl IntoIterator<Item = bluegreen_core::Result<Invocation>>,
) -> (RunJob, Payloads) {
    let answers = Mutex::new(answers.into_iter().collect::<std::collections::VecDeque<_>>());
    let payloads = Payloads::default();
    let sent = Arc::clone(&payloads);
    let mut toolkit = MockLambdaToolkit::new();
    toolkit.expect_invoke().returning(move |stack, payload, timeout| {
        assert_eq!((stack, timeout), (B, LONGEST_RUN));
        sent.lock().unwrap().push(serde_json::from_str(&payload).unwrap());
        answers.lock().unwrap().pop_front().expect("no more invocations")
    });
    let functions = OneOrPair::Pair(Pair::from_fn(|it| format!("hydrate-{it}")));
    let deadline = Duration::from_secs(3600);
    let job = Invoke { toolkit: Arc::new(toolkit), functions, deadline };
    let id = StepId::new("schema.hydrate", "orders", B);
    (RunJob { id, job: Arc::new(job), effect: Effect::Destroys(B), deadline }, payloads)
}

fn says(payload: Value) -> bluegreen_core::Result<Invocation> {
    Ok(Invocation { version: None, payload: payload.to_string(), function_error: None })
}

fn fails(payload: &str) -> bluegreen_core::Result<Invocation> {
    let function_error = Some("Unhandled".to_owned());
    Ok(Invocation { version: None, payload: payload.to_owned(), function_error })
}

fn at_work(progress: &str) -> bluegreen_core::Result<Invocation> {
    says(json!({ "status": "in-progress", "progress": progress }))
}

fn underway(progress: &str) -> Inspection {
    Inspection::Underway { what: format!("function `hydrate-b` ({progress})") }
}

#[tokio::test(start_paused = true)]
async fn a_function_is_sent_release_step_stack_and_key_once() {
    let (step, payloads) = hydrate([says(json!({ "rows": 3 }))]);
    let world = World::new(A);

    world.apply(&step).await.unwrap();

    assert_eq!(world.inspect(&step).await.unwrap(), Inspection::Done);
    let release = "19700101T000000000000Z";
    assert_eq!(
        *payloads.lock().unwrap(),
        [json!({
            "release": release,
            "step": "schema.hydrate",
            "stack": "b",
            "idempotency-key": format!("{release}/schema.hydrate/orders/b"),
        })]
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_at_work_is_asked_again_with_the_same_key_until_it_says_otherwise() {
    let (step, payloads) =
        hydrate([at_work("10 %"), at_work("40 %"), says(json!({ "status": "done" }))]);
    let world = World::new(A);

    world.apply(&step).await.unwrap();

    assert_eq!(world.inspect(&step).await.unwrap(), underway("40 %"));
    assert_eq!(world.inspect(&step).await.unwrap(), Inspection::Done);
    let payloads = payloads.lock().unwrap();
    assert_eq!(payloads.len(), 3);
    assert!(payloads.iter().all(|it| it == &payloads[0]));
}

#[tokio::test(start_paused = true)]
async fn a_plan_asks_no_function_how_far_it_is() {
    let (step, payloads) = hydrate([at_work("10 %")]);
    let world = World::new(A);
    world.apply(&step).await.unwrap();
    let world = world.planning();

    assert_eq!(world.inspect(&step).await.unwrap(), underway("10 %"));

    assert_eq!(payloads.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_function_at_work_is_not_asked_when_its_stack_has_become_active() {
    let (step, payloads) = hydrate([at_work("10 %")]);
    let world = World::new(A);
    world.apply(&step).await.unwrap();
    world.store.switch(B, std::time::SystemTime::UNIX_EPOCH, "by hand").await.unwrap();

    let seen = world.inspect(&step).await.unwrap();

    assert!(matches!(seen, Inspection::Blocked { .. }), "{seen:?}");
    assert_eq!(payloads.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_is_quoted_and_begins_anew_when_it_is_tried_again() {
    let long = "x".repeat(900);
    let (step, _) = hydrate([at_work("10 %"), fails(&long)]);
    let world = World::new(A);
    world.apply(&step).await.unwrap();

    let err = world.inspect(&step).await.unwrap_err();

    assert!(matches!(&err, Error::Gate { what, .. } if what == "function `hydrate-b`"), "{err:?}");
    let text = err.to_string();
    assert!(text.starts_with("function `hydrate-b` failed (Unhandled): xxx"), "{text}");
    assert!(text.len() < 600, "{text}");
    assert_eq!(world.inspect(&step).await.unwrap(), not_run());
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_the_step_is_still_needed_and_the_error_is_transient() {
    let lost: BoxError = "timed out".into();
    let unknown = CoreError::OutcomeUnknown { operation: "lambda:InvokeFunction", source: lost };
    let (step, payloads) = hydrate([Err(unknown), says(json!(null))]);
    let world = World::new(A);

    let err = world.apply(&step).await.unwrap_err();
    assert!(matches!(&err, Error::Toolkit(it) if it.is_transient()), "{err:?}");
    assert_eq!(world.inspect(&step).await.unwrap(), not_run());
    world.apply(&step).await.unwrap();

    assert_eq!(world.inspect(&step).await.unwrap(), Inspection::Done);
    let payloads = payloads.lock().unwrap();
    assert_eq!(payloads[0], payloads[1]);
}

#[test]
fn only_a_status_of_in_progress_means_that_it_is_at_work() {
    for payload in ["", "null", "7", "{}", r#"{"status":"done"}"#, r#"{"progress":"1 %"}"#, "{"] {
        assert_eq!(in_progress(payload), None, "{payload}");
    }
    assert_eq!(in_progress(r#"{"status":"in-progress"}"#).unwrap(), "in progress");
    assert_eq!(in_progress(r#"{"status":"in-progress","progress":7}"#).unwrap(), "7");
}

#[tokio::test]
async fn a_missing_function_is_found_before_anything_starts() {
    let mut toolkit = MockLambdaToolkit::new();
    toolkit.expect_function().returning(|stack| match stack {
        A => Ok(Function {
            name: "smoke".to_owned(),
            arn: "arn".to_owned(),
            alias_arn: None,
            version: "1".to_owned(),
            code_sha256: None,
            timeout: Duration::from_secs(3),
        }),
        B => Err(CoreError::NotFound { resource: "function `smoke`".to_owned() }),
    });
    let functions = OneOrPair::One("smoke".to_owned());
    let job = Invoke { toolkit: Arc::new(toolkit), functions, deadline: Duration::from_secs(1) };

    job.look_for(A).await.unwrap();
    assert!(job.look_for(B).await.unwrap_err().is_absent());
}

#[test]
fn permissions_are_to_look_at_and_to_invoke_the_function_of_the_stack() {
    let (step, _) = hydrate([]);

    assert_eq!(
        allowed(&step.permissions()),
        [
            ("lambda:GetFunction", "function:hydrate-b"),
            ("lambda:InvokeFunction", "function:hydrate-b")
        ]
    );
}
