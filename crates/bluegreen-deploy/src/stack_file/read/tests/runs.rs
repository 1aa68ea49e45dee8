//! The tables `[test.NAME]` and `[schema.NAME]`.

use bluegreen_core::StackReference::{A, B};
use bluegreen_ecs::LaunchType;

use super::*;

const PAGES: &str = "[cloudwatch.pages]\nprefixes = { a = \"shop-a-\", b = \"shop-b-\" }\n";

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&it| it.to_owned()).collect()
}

fn test(keys: &str) -> TestSettings {
    good(&format!("{PAGES}[test.smoke]\n{keys}")).tests.remove(0)
}

fn http(keys: &str) -> HttpTest {
    match test(&format!("http = \"https://shop.example/health\"\n{keys}")).kind {
        TestKind::Http(http) => http,
        other => panic!("{other:?}"),
    }
}

fn alarms(keys: &str) -> AlarmTest {
    match test(keys).kind {
        TestKind::Alarms(alarms) => alarms,
        other => panic!("{other:?}"),
    }
}

fn schema(keys: &str) -> SchemaSettings {
    good(&format!("[schema.orders]\n{keys}")).schemas.remove(0).settings
}

#[track_caller]
fn bad_test(keys: &str, place: &str, words: &[&str]) {
    one_problem(&format!("{PAGES}[test.smoke]\n{keys}"), place, words);
}

#[track_caller]
fn bad_schema(keys: &str, place: &str, words: &[&str]) {
    one_problem(&format!("[schema.orders]\n{keys}"), place, words);
}

#[test]
fn a_test_by_http_is_read_with_its_defaults_and_with_everything() {
    let bare = http("");
    let full = http(
        "headers = { authorization = \"Bearer ${STAGE}\" }\nexpect-status = 302\n\
         expect-body = \"ok\"\nexpect-header = { x-version = \"7\" }\ntimeout = \"3s\"\ntries = 5",
    );

    assert_eq!(bare.url.of(A), "https://shop.example/health");
    assert_eq!((bare.timeout, bare.tries, bare.expect_status), (seconds(10), 3, None));
    assert_eq!((bare.headers, bare.expect_headers.len()), (Headers::default(), 0));
    assert_eq!(full.headers.0, [("authorization".to_owned(), "Bearer live".to_owned())]);
    assert_eq!(full.expect_status, Some(302));
    assert_eq!(full.expect_body.as_deref(), Some("ok"));
    assert_eq!(full.expect_headers, [("x-version".to_owned(), "7".to_owned())]);
    assert_eq!((full.timeout, full.tries), (seconds(3), 5));
}

#[test]
fn each_stack_may_have_its_own_url() {
    let kind = test("http = { a = \"http://a.example\", b = \"http://b.example\" }").kind;

    let TestKind::Http(http) = kind else { panic!("{kind:?}") };
    assert_eq!(http.url.of(B), "http://b.example");
}

#[test]
fn what_is_no_url_no_status_and_no_header_is_a_problem_at_its_place() {
    for url in ["shop.example", "ftp://shop.example", "https://", "https://a b.example"] {
        bad_test(&format!("http = \"{url}\""), &format!("\"{url}\""), &["is not a URL"]);
    }
    let http = |key: &str| format!("http = \"https://shop.example\"\n{key}");
    bad_test(&http("expect-status = 99"), "99", &["100 to 599"]);
    bad_test(&http("tries = 0"), "0", &["`tries`"]);
    bad_test(&http("timeout = \"0s\""), "\"0s\"", &["zero"]);
    bad_test(&http("headers = { \"a b\" = \"x\" }"), "\"a b\"", &["the name of a header"]);
    bad_test(&http("headers = [\"x\"]"), "[\"x\"]", &["wrong type"]);
    bad_test(&http("expect-heder = { x = \"y\" }"), "expect-heder", &["`expect-header`"]);
    bad_test(&http("bake = \"1m\""), "bake", &["not a key"]);
}

#[test]
fn the_value_of_a_header_is_never_shown() {
    let text = file("[test.smoke]\nhttp = \"https://shop.example\"\nheaders = { x = \"7f3a\\n\" }");

    let err = parse(&text).unwrap_err();

    let problem = &err.problems[0];
    assert!(problem.message.contains("the value of `x`"), "{problem:?}");
    assert!(!problem.message.contains("7f3a"), "{problem:?}");
    let read = http("headers = { x = \"7f3a\" }");
    assert!(!format!("{read:?}").contains("7f3a"), "{read:?}");
}

#[test]
fn a_test_has_exactly_one_kind() {
    bad_test("", "[test.smoke]", &["does not say what to run", "`http`", "`approve`"]);
    bad_test("htp = \"https://shop.example\"\ntries = 2", "htp", &["did you mean `http`"]);
    bad_test(
        "http = \"https://shop.example\"\ncommand = [\"x\"]\ntries = 2",
        "[\"x\"]",
        &["`command` besides `http`"],
    );
}

#[test]
fn functions_programs_and_people_are_read() {
    let pair = test("lambda = { a = \"smoke-a\", b = \"smoke-b\" }").kind;
    let one = test("lambda = \"smoke\"").kind;
    let command = test("command = [\"./smoke\", \"-v\"]");
    let person = test("approve = \"the shop looks right\"");

    assert!(matches!(&pair, TestKind::Lambda(it) if it.of(B) == "smoke-b"), "{pair:?}");
    assert_eq!(one, TestKind::Lambda(OneOrPair::One("smoke".to_owned())));
    assert_eq!(command.kind, TestKind::Command(texts(&["./smoke", "-v"])));
    assert_eq!((command.name.as_str(), command.line), ("smoke", 5));
    assert_eq!(person.kind, TestKind::Approve("the shop looks right".to_owned()));
}

#[test]
fn what_is_no_function_no_program_and_no_sentence_is_a_problem() {
    bad_test("lambda = \"smoke:live\"", "\"smoke:live\"", &["the name of a Lambda function"]);
    bad_test("lambda = { a = \"x\", b = \"x\" }", "\"x\"", &["on both stacks"]);
    bad_test("lambda = 7", "7", &["one text for both stacks"]);
    bad_test("command = []", "[]", &["names no program"]);
    bad_test("approve = \" \"", "\" \"", &["`approve` is empty"]);
}

#[test]
fn alarms_are_named_or_those_of_a_table() {
    let named = alarms("alarms = [\"errors\", \"latency\"]\nexcept = [\"latency\"]");
    let table = alarms("alarms = \"cloudwatch.pages\"\nbake = \"0s\"");

    assert_eq!(named.alarms, Alarms::Named(texts(&["errors", "latency"])));
    assert_eq!((named.bake, named.except), (seconds(600), texts(&["latency"])));
    assert_eq!((table.alarms, table.bake), (Alarms::Of("pages".to_owned()), seconds(0)));
}

#[test]
fn alarms_that_are_nowhere_are_a_problem() {
    bad_test("alarms = \"cloudwatch.page\"", "\"cloudwatch.page\"", &["`cloudwatch.pages`"]);
    bad_test("alarms = []", "[]", &["names no alarm"]);
    bad_test("alarms = true", "true", &["wrong type"]);
    bad_test(
        "alarms = [\"errors\"]\nexcept = [\"erors\"]",
        "\"erors\"",
        &["not among `alarms`", "did you mean `errors`"],
    );
}

#[test]
fn deadlines_are_those_of_the_table_else_of_the_pace_else_usual() {
    let paced = "[pace]\ndeadlines = { test = \"3m\", schema = \"4h\" }\n[test.smoke]\n\
                 command = [\"x\"]\n[schema.orders]\nreset.command = [\"x\"]\n\
                 hydrate = { command = [\"x\"], deadline = \"5h\" }";
    let paced = good(paced);
    let schema = &paced.schemas[0].settings;
    let by_step = "[pace]\ndeadlines = { \"test.command\" = \"3m\", schema.hydrate = \"4h\" }\n\
                   [test.smoke]\ncommand = [\"x\"]\n[test.look]\napprove = \"well?\"\n\
                   [schema.orders]\nreset.command = [\"x\"]\nhydrate.command = [\"x\"]";
    let by_step = good(by_step);

    assert_eq!(test("command = [\"x\"]").deadline, seconds(600));
    assert_eq!(test("command = [\"x\"]\ndeadline = \"1h\"").deadline, seconds(3600));
    assert_eq!(paced.tests[0].deadline, seconds(180));
    let deadline = |job: &Option<JobSettings>| job.as_ref().unwrap().deadline;
    assert_eq!(deadline(&schema.reset), seconds(4 * 3600));
    assert_eq!(deadline(&schema.hydrate), seconds(5 * 3600));
    assert_eq!(deadline(&by_step.schemas[0].settings.reset), seconds(3600));
    assert_eq!(deadline(&by_step.schemas[0].settings.hydrate), seconds(4 * 3600));
    let mut tests: Vec<u64> = by_step.tests.iter().map(|it| it.deadline.as_secs()).collect();
    tests.sort();
    assert_eq!(tests, [180, 600]);
    let usual = super::runs::schema("reset.command = [\"x\"]");
    assert_eq!(deadline(&usual.reset), seconds(3600));
}

#[test]
fn a_schema_is_read_with_each_kind_of_job() {
    let found = schema(
        "reset.lambda = { a = \"reset-a\", b = \"reset-b\" }\n\
         hydrate.task = { cluster = \"shop\", definitions = { a = \"fill-a:7\", b = \"fill-b:7\" }, \
         launch-type = \"fargate\", subnets = [\"subnet-1\"], security-groups = [\"sg-1\"], \
         assign-public-ip = true }",
    );

    let reset = found.reset.unwrap().kind;
    assert!(matches!(&reset, JobKind::Lambda(it) if it.of(A) == "reset-a"), "{reset:?}");
    let JobKind::Task(task) = found.hydrate.unwrap().kind else { panic!("no task") };
    assert_eq!((task.cluster.as_str(), task.definitions), ("shop", pair("fill-a:7", "fill-b:7")));
    assert_eq!(task.launch_type, Some(LaunchType::Fargate));
    assert_eq!((task.subnets, task.security_groups), (texts(&["subnet-1"]), texts(&["sg-1"])));
    assert_eq!(task.assign_public_ip, Some(true));
    let command = schema("hydrate.command = [\"./fill\"]");
    assert_eq!(command.reset, None);
    assert_eq!(command.hydrate.unwrap().kind, JobKind::Command(texts(&["./fill"])));
}

#[test]
fn a_schema_takes_skip_and_after_and_may_be_waited_for() {
    let found = good(&format!(
        "{}after = [\"schema.orders\"]\n[schema.orders]\nreset.command = [\"x\"]\n\
         skip = [\"schema.hydrate\"]\nafter = []",
        sqs("")
    ));

    let schema = &found.schemas[0];
    assert!(schema.skip.contains("schema.hydrate"));
    assert_eq!(schema.after, Some(Vec::new()));
    assert_eq!(found.sqs[0].after, Some(texts(&["schema.orders"])));
}

#[test]
fn what_is_wrong_with_a_schema_is_said_at_its_place() {
    let task = |keys: &str| {
        format!(
            "reset.task = {{ cluster = \"shop\", definitions = {{ a = \"x:1\", b = \"y:1\" }}, {keys} }}"
        )
    };
    bad_schema("", "[schema.orders]", &["neither `reset` nor `hydrate`"]);
    bad_schema("reset = {}", "{}", &["`reset` of `[schema.orders]`", "does not say what to run"]);
    bad_schema("reset.comand = [\"x\"]", "comand", &["did you mean `command`"]);
    bad_schema("reset.command = [\"x\"]\nrest = 1", "rest", &["did you mean `reset`"]);
    bad_schema("reset = { command = [\"x\"], tries = 2 }", "tries", &["is not a key"]);
    bad_schema("reset.command = [\"x\"]\nskip = [\"schema.rest\"]", "\"schema.rest\"", &["reset"]);
    bad_schema("reset.command = [\"x\"]\noptional = true", "optional", &["no effect"]);
    bad_schema("reset.task = { cluster = \"shop\" }", "{ cluster = \"shop\" }", &["`definitions`"]);
    bad_schema(&task("subnet = []"), "subnet", &["did you mean `subnets`"]);
    bad_schema(&task("assign-public-ip = true"), "true", &["no effect without `subnets`"]);
    bad_schema(&task("launch-type = \"external\""), "\"external\"", &["`fargate` or `ec2`"]);
}
