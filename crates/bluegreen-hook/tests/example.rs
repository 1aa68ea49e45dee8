//! The files of examples/hook, as far as programs of this workspace read them; `cargo xtask templates` lets others
//! read the rest.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use aws_sdk_codedeploy::Client;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use bluegreen_codedeploy::{AwsCodeDeployToolkit, CodeDeployToolkit, Revision};
use bluegreen_deploy::stack_file::{MoverKind, StackFile, Traffic};
use serde_json::{Value, json};

const APP_SPEC: &str = include_str!("../../../examples/hook/appspec.yaml");
const SERVICE: &str = include_str!("../../../examples/hook/ecs-service.json");
const STACK_FILE: &str = include_str!("../../../examples/hook/bluegreen.toml");
const TEMPLATE: &str = include_str!("../../../examples/hook/template.yaml");

/// The lifecycle events of an ECS deployment that can have a hook.
const HOOKS: [&str; 5] = [
    "BeforeInstall",
    "AfterInstall",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
];

/// Returns the name of the function in the template.
fn function() -> &'static str {
    TEMPLATE.lines().find_map(|it| it.trim().strip_prefix("FunctionName: ")).unwrap()
}

/// Reads the stack file as the function does, whose Region Lambda says.
fn stack_file() -> StackFile {
    let variable = |name: &str| (name == "AWS_REGION").then(|| "eu-west-1".to_owned());
    StackFile::parse(STACK_FILE, Path::new("bluegreen.toml"), &variable).unwrap()
}

#[tokio::test]
async fn the_toolkit_reads_the_task_definition_out_of_the_appspec() {
    let content = APP_SPEC.replace("<TASK_DEFINITION>", "web:7");
    let info = json!({ "deploymentInfo": {
        "applicationName": "shop", "deploymentGroupName": "web", "deploymentId": "d-1",
        "computePlatform": "ECS", "status": "InProgress", "creator": "user", "createTime": 1000.0,
        "revision": { "revisionType": "AppSpecContent", "appSpecContent": { "content": content } },
    } });
    let rule = mock!(Client::get_deployment).then_http_response(move || {
        HttpResponse::new(200.try_into().unwrap(), SdkBody::from(info.to_string()))
    });
    let client = mock_client!(aws_sdk_codedeploy, RuleMode::MatchAny, &[&rule]);

    let deployment = AwsCodeDeployToolkit::from_client(client).deployment("d-1").await.unwrap();

    assert_eq!(deployment.revision, Revision::TaskDefinition("web:7".to_owned()));
}

#[test]
fn the_roles_that_aws_makes_for_codedeploy_may_call_the_function() {
    assert!(function().starts_with("CodeDeployHook_"), "{}", function());
}

#[test]
fn the_appspec_calls_the_function_of_the_template_at_every_hook() {
    let called: Vec<_> =
        HOOKS.iter().filter(|it| APP_SPEC.contains(&format!("- {it}: {}\n", function()))).collect();

    assert_eq!(called.len(), HOOKS.len(), "{called:?}");
}

#[test]
fn ecs_calls_the_function_of_the_template_and_rolls_back_when_it_takes_too_long() {
    let service: Value = serde_json::from_str(SERVICE).unwrap();

    let hook = &service["deploymentConfiguration"]["lifecycleHooks"][0];
    let arn = hook["hookTargetArn"].as_str().unwrap();
    assert!(arn.ends_with(&format!(":function:{}", function())), "{arn}");
    // The action that is left out is ROLLBACK; CONTINUE would be refused.
    assert_eq!(hook["timeoutConfiguration"]["action"], Value::Null);
}

#[test]
fn codedeploy_moves_the_traffic_of_the_stack_file_whose_store_is_the_table_of_the_template() {
    let file = stack_file();

    let Traffic::Movers(movers) = &file.traffic else { panic!("{:?}", file.traffic) };
    let [mover] = movers.as_slice() else { panic!("{movers:?}") };
    let MoverKind::CodeDeploy(codedeploy) = &mover.kind else { panic!("{mover:?}") };
    let names = [codedeploy.application.as_str(), codedeploy.deployment_group.as_str()];
    assert_eq!(names, ["shop", "web"]);
    assert!(format!("{:?}", file.state.store).contains("\"bluegreen\""), "{:?}", file.state.store);
    assert!(TEMPLATE.contains("TableName: bluegreen\n"));
    assert!(TEMPLATE.contains("application: [shop]\n"));
}
