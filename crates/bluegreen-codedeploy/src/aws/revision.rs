//! What a deployment deploys, read from its AppSpec: YAML, or JSON, which is YAML too.

use std::collections::BTreeMap;

use aws_sdk_codedeploy::types::RevisionLocation;
use serde::Deserialize;

use super::yaml;
use crate::Revision;

/// What the AppSpec of a deployment to ECS or Lambda says, as far as it is of use here.
#[derive(Debug, Deserialize)]
struct AppSpec {
    #[serde(rename = "Resources")]
    resources: Vec<BTreeMap<String, Resource>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    r#type: String,
    properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    task_definition: Option<String>,
    name: Option<String>,
    alias: Option<String>,
    target_version: Option<String>,
}

/// Reads a revision; what cannot be read is [`Revision::Elsewhere`] with the reason.
pub(super) fn read(location: Option<&RevisionLocation>) -> Revision {
    let Some(location) = location else {
        return Revision::Elsewhere("AWS does not say what it deploys".to_owned());
    };
    let content = location
        .app_spec_content()
        .and_then(|it| it.content())
        .or_else(|| location.string().and_then(|it| it.content()));
    if let Some(content) = content {
        return parse(content).unwrap_or_else(Revision::Elsewhere);
    }
    if let Some(object) = location.s3_location() {
        let (bucket, key) = (object.bucket().unwrap_or("?"), object.key().unwrap_or("?"));
        return Revision::Elsewhere(format!(
            "its AppSpec is the S3 object `{bucket}/{key}`, which is not read: make the deployment with the AppSpec's \
             content"
        ));
    }
    if let Some(commit) = location.git_hub_location() {
        let repository = commit.repository().unwrap_or("?");
        return Revision::Elsewhere(format!(
            "its AppSpec is in the GitHub repository `{repository}`, which is not read: make the deployment with the \
             AppSpec's content"
        ));
    }
    Revision::Elsewhere("AWS does not show the content of its AppSpec".to_owned())
}

/// Reads the text of an AppSpec. The error says what is wrong with it, and nothing of what it holds.
fn parse(text: &str) -> Result<Revision, String> {
    let spec: AppSpec = yaml::parse(text)
        .and_then(|it| serde_json::from_value(it).ok())
        .ok_or("its AppSpec is no YAML with `Resources`, `Type` and `Properties`")?;
    let mut resources = spec.resources.into_iter().flat_map(BTreeMap::into_values);
    let (Some(resource), None) = (resources.next(), resources.next()) else {
        return Err("its AppSpec does not have exactly one resource".to_owned());
    };
    let lacks = |key: &str| format!("its AppSpec lacks `{key}`");
    let given =
        |value: Option<String>, key| value.filter(|it| !it.is_empty()).ok_or_else(|| lacks(key));
    let Properties { task_definition, name, alias, target_version } = resource.properties;
    match resource.r#type.as_str() {
        "AWS::ECS::Service" => {
            Ok(Revision::TaskDefinition(given(task_definition, "TaskDefinition")?))
        }
        "AWS::Lambda::Function" => Ok(Revision::FunctionVersion {
            function: given(name, "Name")?,
            alias: given(alias, "Alias")?,
            version: given(target_version, "TargetVersion")?,
        }),
        other => Err(format!("its AppSpec is about a `{other}`: expected a service or a function")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "
version: 0.0
Resources:
  - TargetService:
      Type: AWS::ECS::Service
      Properties:
        TaskDefinition: \"arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7\"
        LoadBalancerInfo:
          ContainerName: web
          ContainerPort: 8080
Hooks:
  - BeforeInstall: CodeDeployHook_bluegreen
";

    fn why(text: &str) -> String {
        parse(text).unwrap_err()
    }

    #[test]
    fn the_task_definition_of_a_service_is_read_from_yaml() {
        let arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7";

        assert_eq!(parse(SERVICE), Ok(Revision::TaskDefinition(arn.to_owned())));
    }

    #[test]
    fn the_version_of_a_function_is_read_from_json_and_from_yaml_without_quotation_marks() {
        let json = r#"{"version": 0.0, "Resources": [{"web": {"Type": "AWS::Lambda::Function",
            "Properties": {"Name": "web", "Alias": "live", "CurrentVersion": "6", "TargetVersion": "7"}}}]}"#;
        let yaml = "
version: 0.0
Resources:
  - web:
      Type: AWS::Lambda::Function
      Properties: { Name: web, Alias: live, CurrentVersion: 6, TargetVersion: 7 }
";
        let version = Revision::FunctionVersion {
            function: "web".to_owned(),
            alias: "live".to_owned(),
            version: "7".to_owned(),
        };

        assert_eq!(parse(json), Ok(version.clone()));
        assert_eq!(parse(yaml), Ok(version));
    }

    #[test]
    fn what_no_stack_can_be_read_from_says_what_is_wrong_and_repeats_nothing() {
        assert!(why("password: [").contains("no YAML"));
        assert!(!why("password: [").contains("password"));
        assert!(why("Resources: []").contains("exactly one resource"));
        assert!(why(&SERVICE.replace("TaskDefinition", "Definition")).contains("`TaskDefinition`"));
        assert!(why(&SERVICE.replace("ECS::Service", "ECS::Task")).contains("`AWS::ECS::Task`"));
    }

    #[test]
    fn a_revision_that_is_elsewhere_says_where() {
        use aws_sdk_codedeploy::types::{GitHubLocation, S3Location};
        let object = S3Location::builder().bucket("specs").key("web.zip").build();
        let commit = GitHubLocation::builder().repository("shop/web").build();

        let object = read(Some(&RevisionLocation::builder().s3_location(object).build()));
        let commit = read(Some(&RevisionLocation::builder().git_hub_location(commit).build()));
        let empty = read(Some(&RevisionLocation::builder().build()));

        let says = |it: &Revision, words: &str| matches!(it, Revision::Elsewhere(why) if why.contains(words));
        assert!(says(&object, "`specs/web.zip`"), "{object:?}");
        assert!(says(&commit, "`shop/web`"), "{commit:?}");
        assert!(says(&empty, "does not show"), "{empty:?}");
        assert!(says(&read(None), "does not say"));
    }
}
