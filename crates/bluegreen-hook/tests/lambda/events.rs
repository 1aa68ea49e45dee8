//! The events that AWS sends, as it sends them: one file each under `events/`.

use std::{collections::BTreeMap, fs, path::Path};

use bluegreen_hook::event::Event;
use serde_json::Value;

/// Reads an event.
pub(crate) fn event(name: &str) -> Value {
    let file = folder().join(format!("{name}.json"));
    let text = fs::read_to_string(&file).unwrap_or_else(|err| panic!("{}: {err}", file.display()));
    serde_json::from_str(&text).unwrap()
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lambda/events")
}

/// Returns all events, by the names of their files.
fn all() -> BTreeMap<String, Value> {
    let files = fs::read_dir(folder()).unwrap().map(|it| it.unwrap().path());
    let names = files.map(|it| it.file_stem().unwrap().to_string_lossy().into_owned());
    names.map(|name| (name.clone(), event(&name))).collect()
}

/// Returns what an event is taken for.
fn kind(event: &Value) -> &'static str {
    match Event::parse(event) {
        Ok(Event::CodeDeploy(_)) => "codedeploy",
        Ok(Event::Ecs(_)) => "ecs",
        Ok(Event::Reconcile) => "reconcile",
        Ok(Event::HandOver(_)) => "hand-over",
        Ok(Event::Check(_)) => "check",
        Ok(Event::StateChange(_)) => "state-change",
        Ok(Event::Sns(_)) => "sns",
        Err(_) => "unknown",
    }
}

#[test]
fn every_event_of_these_tests_is_taken_for_what_it_is() {
    let expected = |name: &str| match name {
        "codedeploy" => "codedeploy",
        "eventbridge-schedule" | "reconcile" => "reconcile",
        "unknown" => "unknown",
        name if name.starts_with("ecs-") => "ecs",
        name if name.starts_with("eventbridge-") => "state-change",
        name if name.starts_with("sns-") => "sns",
        name => panic!("nobody knows what `{name}` is"),
    };
    let events = all();

    let odd: Vec<_> = events
        .iter()
        .filter(|(name, event)| kind(event) != expected(name.as_str()))
        .map(|it| it.0)
        .collect();

    assert!(events.len() > 10, "{events:?}");
    assert_eq!(odd, Vec::<&String>::new());
}

#[test]
fn there_is_an_event_of_every_stage_of_ecs() {
    let stages: Vec<_> = all()
        .into_values()
        .filter_map(|it| match Event::parse(&it) {
            Ok(Event::Ecs(hook)) => Some(hook.lifecycle_stage),
            _ => None,
        })
        .collect();

    let known = [
        "RECONCILE_SERVICE",
        "PRE_SCALE_UP",
        "POST_SCALE_UP",
        "TEST_TRAFFIC_SHIFT",
        "POST_TEST_TRAFFIC_SHIFT",
        "PRE_PRODUCTION_TRAFFIC_SHIFT",
        "PRODUCTION_TRAFFIC_SHIFT",
        "POST_PRODUCTION_TRAFFIC_SHIFT",
    ];
    let missing: Vec<_> =
        known.iter().filter(|it| !stages.iter().any(|stage| stage == *it)).collect();
    assert_eq!(missing, Vec::<&&str>::new());
}

#[test]
fn weights_of_a_canary_are_read_as_the_fractions_that_they_are() {
    let Ok(Event::Ecs(hook)) = Event::parse(&event("ecs-canary")) else { panic!() };

    let details = hook.execution_details;
    assert_eq!(details.production_traffic_weights[&details.target_service_revision_arn], 0.1);
}
