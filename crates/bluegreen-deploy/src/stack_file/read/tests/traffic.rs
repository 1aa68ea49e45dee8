//! Tables `[traffic.NAME]` whose traffic a platform moves.

use super::*;

const CODEDEPLOY: &str =
    "[traffic.web]\nmover = \"codedeploy\"\napplication = \"shop\"\ndeployment-group = \"web\"\n";
const SERVICE: &str = "cluster = \"shop\"\nservice = \"web\"\n";
const TAG: &str = "binding = { tag = \"stack\" }\n";

fn codedeploy(rest: &str) -> String {
    format!("{CODEDEPLOY}{rest}")
}

fn ecs(name: &str, rest: &str) -> String {
    format!("[traffic.{name}]\nmover = \"ecs\"\n{rest}")
}

#[track_caller]
fn kind(text: &str) -> MoverKind {
    match good(text).traffic {
        Traffic::Movers(movers) => movers.into_iter().next().unwrap().kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn codedeploy_moves_a_service_whose_revision_says_its_stack_in_a_variable() {
    let binding = "binding = { container = \"web\", env = \"STACK\" }";

    let found = kind(&codedeploy(&format!("{SERVICE}{binding}")));

    let binding = Binding::Variable { container: "web".to_owned(), env: "STACK".to_owned() };
    assert_eq!(binding.to_string(), "variable `STACK` of container `web`");
    let (cluster, service) = ("shop".to_owned(), "web".to_owned());
    assert_eq!(
        found,
        MoverKind::CodeDeploy(CodeDeployMover {
            application: "shop".to_owned(),
            deployment_group: "web".to_owned(),
            serves: CodeDeployServes::Service { cluster, service, binding },
        })
    );
}

#[test]
fn codedeploy_moves_an_alias_whose_version_says_its_stack_in_a_variable() {
    let function = "function = \"web\"\nalias = \"live\"\nbinding = { env = \"STACK\" }";

    let found = kind(&codedeploy(function));

    let MoverKind::CodeDeploy(CodeDeployMover { serves, .. }) = found else { panic!("{found:?}") };
    let (function, alias, variable) = ("web".to_owned(), "live".to_owned(), "STACK".to_owned());
    assert_eq!(serves, CodeDeployServes::Function { function, alias, variable });
}

#[test]
fn ecs_moves_a_service_whose_revision_says_its_stack_in_a_tag() {
    let found = kind(&ecs("web", &format!("{SERVICE}{TAG}")));

    let (cluster, service) = ("shop".to_owned(), "web".to_owned());
    let binding = Binding::Tag("stack".to_owned());
    assert_eq!(found, MoverKind::Ecs(EcsMover { cluster, service, binding }));
}

#[test]
fn all_that_is_wrong_with_a_mover_is_said_at_its_place() {
    let text = codedeploy(
        "cluster = \"cluster/shop\"\nservic = \"web\"\nbinding = { container = \"\", var = \"STACK\" }\n\
         [traffic.api]\nmover = \"ecs\"\n[traffic.jobs]\nmover = \"lambda\"\nwhatever = 1\n\
         [traffic.functions]\nmover = \"codedeploy\"\napplication = \"\"\ndeployment-group = 7\n\
         function = \"web:live\"\nservice = \"web\"\nbinding = { tag = \"stack\" }",
    );

    let said: Vec<String> =
        bad(&text).into_iter().map(|(place, what)| format!("{place}\n    {what}")).collect();

    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_service_is_not_moved_twice() {
    let both = format!(
        "{}{}",
        codedeploy(&format!("{SERVICE}{TAG}")),
        ecs("api", &format!("{SERVICE}{TAG}"))
    );
    let groups = format!(
        "{}{}",
        codedeploy(&format!("{SERVICE}{TAG}")),
        codedeploy(&format!("cluster = \"shop\"\nservice = \"api\"\n{TAG}"))
            .replace("traffic.web", "traffic.api")
    );

    one_problem(&both, "\"web\"", &["is named in `[traffic.web]` already"]);
    one_problem(&groups, "\"web\"", &["is named in `[traffic.web]` already"]);
}

#[test]
fn a_service_whose_traffic_moves_is_none_of_the_stacks() {
    let services = "[ecs.web]\ncluster = \"shop\"\nservices = { a = \"web-a\", b = \"web\" }\ndesired-tasks = 2\n";

    let text = format!("{}{services}", ecs("web", &format!("{SERVICE}{TAG}")));

    one_problem(&text, "\"web\"", &["is a service of `[ecs.web]`, too", "`ecs.enable`"]);
}

#[test]
fn codedeploy_does_not_wait_for_people_nor_for_long_bakes() {
    let mover = codedeploy(&format!("{SERVICE}{TAG}"));
    let approve = "[test.looks]\napprove = \"it looks right\"\n";
    let bake = |it: &str| format!("[test.quiet]\nalarms = [\"errors\"]\nbake = \"{it}\"\n");

    one_problem(
        &format!("{mover}{approve}"),
        "\"it looks right\"",
        &["hooks have an hour", "`[traffic.web]`", "`hold`"],
    );
    one_problem(
        &format!("{mover}{}", bake("46m")),
        "\"46m\"",
        &["longer than 45 minutes", "`hold`", "deployment group"],
    );
    good(&format!("{mover}{}", bake("45m")));
}

#[test]
fn ecs_waits_for_people_and_long_bakes() {
    let mover = ecs("web", &format!("{SERVICE}{TAG}"));

    good(&format!("{mover}[test.looks]\napprove = \"it looks right\"\n"));
    good(&format!("{mover}[test.quiet]\nalarms = [\"errors\"]\nbake = \"3h\"\n"));
}
