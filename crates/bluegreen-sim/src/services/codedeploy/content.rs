//! What a revision deploys: the AppSpec of an ECS or a Lambda deployment.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{EVENTS, functions::Versions};
use crate::{Call, Refusal};

/// The events that can have a hook.
const HOOKABLE: [&str; 5] = [
    "BeforeInstall",
    "AfterInstall",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
];

/// What an AppSpec says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// The task definition, as it is named there; empty where it deploys a function.
    pub(super) definition: String,
    /// The functions that are hooks, by event.
    pub(super) hooks: BTreeMap<String, String>,
    /// The function, where it deploys one.
    pub(super) versions: Option<Versions>,
}

/// Reads the revision of a call, and what it deploys.
pub(super) fn of(call: &Call, platform: &str) -> Result<(Value, Content), Refusal> {
    let Some(revision) = call.parameters.get("revision").filter(|it| it.is_object()) else {
        return Err(Refusal::bad("RevisionRequiredException", "The revision ID is missing"));
    };
    let text = ["/appSpecContent/content", "/string/content"]
        .iter()
        .find_map(|it| revision.pointer(it)?.as_str())
        .ok_or_else(|| invalid("it has neither appSpecContent nor string"))?;
    Ok((revision.clone(), read(text, platform)?))
}

/// Makes the revision that deploys a task definition without hooks.
pub(super) fn bare(definition: &str) -> Value {
    let service =
        json!({ "Type": "AWS::ECS::Service", "Properties": { "TaskDefinition": definition } });
    let content = json!({ "version": 0.0, "Resources": [{ "TargetService": service }] });
    json!({ "revisionType": "AppSpecContent", "appSpecContent": { "content": content.to_string() } })
}

fn invalid(why: impl std::fmt::Display) -> Refusal {
    let message = format!("The revision could not be read as an AppSpec: {why}");
    Refusal::bad("InvalidRevisionException", message)
}

fn read(text: &str, platform: &str) -> Result<Content, Refusal> {
    let content: Value = serde_json::from_str(text).map_err(invalid)?;
    let resources = content.get("Resources").and_then(Value::as_array);
    let resource = resources.and_then(|it| it.first()?.as_object()?.values().next());
    let definition = resource.and_then(|it| it.pointer("/Properties/TaskDefinition")?.as_str());
    let versions = resource.filter(|_| platform == "Lambda").map(Versions::read);
    let versions = versions.transpose().map_err(invalid)?;
    let definition = match (definition, &versions) {
        (Some(definition), None) => definition.to_owned(),
        (None, Some(_)) => String::new(),
        _ => return Err(invalid("it names no TaskDefinition, or not what its platform deploys")),
    };
    let mut hooks = BTreeMap::new();
    let listed = content.get("Hooks").and_then(Value::as_array).into_iter().flatten();
    for (event, function) in listed.filter_map(Value::as_object).flatten() {
        let function =
            function.as_str().ok_or_else(|| invalid(format!("{event} has no function")))?;
        if !HOOKABLE.contains(&event.as_str()) {
            let what =
                if EVENTS.contains(&event.as_str()) { "can have no hook" } else { "is no event" };
            return Err(invalid(format!("{event} {what}")));
        }
        hooks.insert(event.clone(), function.to_owned());
    }
    Ok(Content { definition, hooks, versions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_spec_names_a_task_definition_and_the_functions_of_its_hooks() {
        let text = r#"{"version": 0.0,
            "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": {"TaskDefinition": "web:2"}}}],
            "Hooks": [{"BeforeInstall": "prepare"}, {"AfterAllowTraffic": "finish"}]}"#;

        let content = read(text, "ECS").unwrap();

        assert_eq!(content.definition, "web:2");
        let hooks: Vec<_> =
            content.hooks.iter().map(|(event, it)| (event.as_str(), it.as_str())).collect();
        assert_eq!(hooks, [("AfterAllowTraffic", "finish"), ("BeforeInstall", "prepare")]);
    }

    #[test]
    fn what_is_no_app_spec_is_refused_with_the_reason() {
        let service = r#""Resources": [{"S": {"Properties": {"TaskDefinition": "web:2"}}}]"#;
        for (text, reason) in [
            ("no JSON".to_owned(), "expected"),
            ("{}".to_owned(), "names no TaskDefinition"),
            (
                format!(r#"{{{service}, "Hooks": [{{"Install": "f"}}]}}"#),
                "Install can have no hook",
            ),
            (format!(r#"{{{service}, "Hooks": [{{"Later": "f"}}]}}"#), "Later is no event"),
            (
                format!(r#"{{{service}, "Hooks": [{{"BeforeInstall": 1}}]}}"#),
                "BeforeInstall has no function",
            ),
        ] {
            let refusal = read(&text, "ECS").unwrap_err();

            assert_eq!(refusal.code, "InvalidRevisionException");
            assert!(refusal.message.contains(reason), "{}", refusal.message);
        }
    }

    #[test]
    fn a_bare_revision_is_read_again() {
        let revision = bare("web:1");
        let text = revision.pointer("/appSpecContent/content").and_then(Value::as_str).unwrap();

        assert_eq!(read(text, "ECS").unwrap().definition, "web:1");
    }
}
