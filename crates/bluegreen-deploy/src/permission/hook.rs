//! What the hook Lambda needs besides what a deployment does.

use super::{Permission, Wildcard};
use crate::stack_file::StackFile;

/// What a hook Lambda is called, and where it reads its stack file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookNames {
    /// The name of the function. The role that CodeDeploy works with may be one that calls `CodeDeployHook_*` alone.
    pub function: String,
    /// The name of the SSM parameter; `*` stands for any text.
    pub parameter: String,
}

impl Default for HookNames {
    fn default() -> Self {
        Self {
            function: "CodeDeployHook_bluegreen".to_owned(),
            parameter: "/bluegreen/*".to_owned(),
        }
    }
}

/// Returns what a hook needs to answer, to call itself, to read its stack file, to tell what it does, and to act on events
/// of RDS.
pub(super) fn permissions(file: &StackFile, names: &HookNames) -> Vec<Permission> {
    let HookNames { function, parameter } = names;
    let because = Wildcard::because;
    let mut permissions =
        Permission::on(format!("function:{function}"), &["lambda:InvokeFunction"]);
    let resource = format!("parameter/{}", parameter.trim_start_matches('/'));
    permissions.extend(match parameter.contains('*') {
        true => Permission::across(
            resource,
            because("the stack file's parameter may be any of these"),
            &["ssm:GetParameter"],
        ),
        false => Permission::on(resource, &["ssm:GetParameter"]),
    });
    permissions.extend(Permission::across(
        format!("log-group:/aws/lambda/{function}:*"),
        because("Lambda names the log streams of a function"),
        &["logs:CreateLogStream", "logs:PutLogEvents"],
    ));
    permissions
        .extend(Permission::unlimited(&["xray:PutTelemetryRecords", "xray:PutTraceSegments"]));
    permissions.extend(of_platforms(file));
    permissions.extend(of_events(file));
    permissions
}

/// What answers the platform that has called. ECS listens to what the function returns.
#[cfg(feature = "codedeploy")]
fn of_platforms(file: &StackFile) -> Vec<Permission> {
    use crate::stack_file::{MoverKind, Traffic};

    let Traffic::Movers(movers) = &file.traffic else { return Vec::new() };
    match movers.iter().any(|it| matches!(it.kind, MoverKind::CodeDeploy(_))) {
        true => Permission::unlimited(&["codedeploy:PutLifecycleEventHookExecutionStatus"]),
        false => Vec::new(),
    }
}

#[cfg(not(feature = "codedeploy"))]
fn of_platforms(_: &StackFile) -> Vec<Permission> {
    Vec::new()
}

/// What is done about readers that AWS makes, and whose names it gives.
#[cfg(feature = "aurora")]
fn of_events(file: &StackFile) -> Vec<Permission> {
    if file.aurora.is_empty() {
        return Vec::new();
    }
    let any = |reason| Wildcard::because(reason);
    [
        Permission::across(
            "db:*",
            any("a listing is evaluated against every instance"),
            &["rds:DescribeDBInstances"],
        ),
        Permission::across(
            "db:application-autoscaling-*",
            any("AWS names the readers that scaling adds"),
            &["rds:AddTagsToResource"],
        ),
        Permission::across(
            "db:*",
            any("the stack file does not name instances"),
            &["rds:ModifyDBInstance"],
        ),
        Permission::across(
            "cluster:*",
            any("an event names the instance, and not whose it is"),
            &["rds:DescribeDBClusters"],
        ),
    ]
    .concat()
}

#[cfg(not(feature = "aurora"))]
fn of_events(_: &StackFile) -> Vec<Permission> {
    Vec::new()
}

#[cfg(test)]
#[cfg(feature = "full")]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::steps::testing::allowed;

    fn needs(rest: &str, names: &HookNames) -> Vec<(String, String)> {
        let text = format!("name = \"shop\"\nregion = \"eu-west-1\"\n{rest}");
        let file = StackFile::parse(&text, Path::new("bluegreen.toml"), &|_| None).unwrap();
        let found = permissions(&file, names);
        let owned = |it: &(&str, &str)| (it.0.to_owned(), it.1.to_owned());
        allowed(&found).iter().map(owned).collect()
    }

    fn of(rest: &str) -> Vec<String> {
        needs(rest, &HookNames::default()).into_iter().map(|it| it.0).collect()
    }

    #[test]
    fn a_hook_calls_itself_reads_its_file_and_writes_its_log() {
        let names =
            HookNames { function: "deploys".to_owned(), parameter: "/stacks/shop".to_owned() };

        let found = needs("", &names);

        let expected = [
            ("lambda:InvokeFunction", "function:deploys"),
            ("ssm:GetParameter", "parameter/stacks/shop"),
            ("logs:CreateLogStream", "log-group:/aws/lambda/deploys:*"),
            ("logs:PutLogEvents", "log-group:/aws/lambda/deploys:*"),
            ("xray:PutTelemetryRecords", "*"),
            ("xray:PutTraceSegments", "*"),
        ];
        assert_eq!(found, expected.map(|it| (it.0.to_owned(), it.1.to_owned())));
    }

    #[test]
    fn only_codedeploy_is_answered_by_a_call() {
        let report = "codedeploy:PutLifecycleEventHookExecutionStatus".to_owned();
        let rest = "cluster = \"shop\"\nservice = \"web\"\nbinding = { tag = \"stack\" }\n";
        let ecs = format!("[traffic.web]\nmover = \"ecs\"\n{rest}");
        let codedeploy = format!(
            "[traffic.web]\nmover = \"codedeploy\"\napplication = \"shop\"\ndeployment-group = \"web\"\n{rest}"
        );

        assert!(of(&codedeploy).contains(&report));
        assert!(!of(&ecs).contains(&report));
        assert!(!of("traffic = \"none\"").contains(&report));
    }

    #[test]
    fn events_of_rds_are_acted_on_where_there_are_clusters() {
        let clusters = "[aurora.orders]\nclusters = { a = \"orders-a\", b = \"orders-b\" }";

        let found = of(clusters);

        for action in ["rds:AddTagsToResource", "rds:ModifyDBInstance", "rds:DescribeDBInstances"] {
            assert!(found.contains(&action.to_owned()), "{action} is not in {found:?}");
        }
        assert!(!of("").iter().any(|it| it.starts_with("rds:")));
    }

    #[test]
    fn any_parameter_of_the_usual_name_may_be_read() {
        let found = needs("", &HookNames::default());

        let parameter = ("ssm:GetParameter".to_owned(), "parameter/bluegreen/*".to_owned());
        assert!(found.contains(&parameter), "{found:?}");
    }
}
