//! What is checked of the resources: what their toolkits refuse, ARNs, repeated names, `skip` and `after`.

use super::*;

#[test]
fn what_a_toolkit_refuses_is_underlined() {
    one_problem(
        "[dynamodb.x]\ntables = { a = \"\", b = \"x-b\" }",
        "\"\"",
        &["`tables.a`: is empty", "expected the name of a DynamoDB table"],
    );
    one_problem(
        "[dynamodb.x]\ntables = { a = \"same\", b = \"same\" }",
        "\"same\"",
        &["`same` is on both stacks"],
    );
    one_problem(
        "[kinesis.x]\nstream-arn = \"arn:aws:sqs:eu-north-1:123456789012:x\"\n\
         consumers = { a = \"x-a\", b = \"x-b\" }",
        "\"arn:aws:sqs:eu-north-1:123456789012:x\"",
        &["expected the ARN of a Kinesis stream"],
    );
}

#[test]
fn what_a_toolkit_misses_is_shown_at_the_header() {
    let found = bad("[sns.x]");

    assert!(found.iter().all(|it| it.0 == "[sns.x]"), "{found:?}");
}

#[test]
fn a_key_deep_in_a_filter_is_underlined_alone() {
    one_problem(
        "[sns.x]\nsubscriptions = { a = \"arn:aws:sns:eu-west-1:123456789012:x:1\", \
         b = \"arn:aws:sns:eu-west-1:123456789012:x:2\" }\n\
         disabled-filter = { kind = \"none\" }",
        "\"none\"",
        &["not an array"],
    );
    one_problem(
        "[sns.x]\nsubscriptions = { a = \"arn:aws:sns:eu-west-1:123456789012:x:1\", \
         b = \"arn:aws:sns:eu-west-1:123456789012:x:2\" }\n\
         enabled-filter = { size = [1, nan] }",
        "nan",
        &["holds what a filter policy cannot"],
    );
}

#[test]
fn an_arn_of_another_region_or_account_is_a_problem() {
    let text = "account-id = \"123456789012\"\n[sns.x]\n\
                topic = \"arn:aws:sns:us-east-1:123456789012:x\"\n\
                endpoints = { a = \"arn:aws:sqs:eu-west-1:999999999999:in-a\", \
                b = \"https://shop.example/b\" }\n\
                [kinesis.x]\nstream-arn = \"arn:aws:kinesis:us-east-1:999999999999:stream/x\"\n\
                consumers = { a = \"x-a\", b = \"x-b\" }";

    let found = bad(text);

    let said: Vec<&str> = found.iter().map(|it| it.1.as_str()).collect();
    assert_eq!(
        said,
        [
            "`topic` names something of the Region `us-east-1` (expected the Region of the stack \
             file, `eu-west-1`)",
            "`endpoints` names something of the account `999999999999` (expected the account of the \
             stack file, `123456789012`)",
            "`stream-arn` names something of the Region `us-east-1` (expected the Region of the \
             stack file, `eu-west-1`)",
            "`stream-arn` names something of the account `999999999999` (expected the account of \
             the stack file, `123456789012`)",
        ]
    );
    assert_eq!(found[1].0, "\"arn:aws:sqs:eu-west-1:999999999999:in-a\"");
}

#[test]
fn an_account_is_only_compared_when_the_file_names_one() {
    let text = "[kinesis.x]\nstream-arn = \"arn:aws:kinesis:eu-west-1:999999999999:stream/x\"\n\
                consumers = { a = \"x-a\", b = \"x-b\" }";

    assert_eq!(good(text).kinesis.len(), 1);
}

#[test]
fn a_resource_named_twice_is_shown_at_the_second_place_with_the_line_of_the_first() {
    let two = "[sqs.two]\nqueues = { a = \"two-a\", b = \"one-a\" }\nfeed = \"work\"";
    one_problem(&format!("{}{two}", sqs("")), "\"one-a\"", &["`one-a` is named in line 4 already"]);

    let two = "[sqs.two]\nqueues = { a = \"two-a\", b = \"two-b\" }\nfeed = \"work\"\n\
               dead-letter-queues = { a = \"one-b\", b = \"two-dead\" }";
    one_problem(&format!("{}{two}", sqs("")), "\"one-b\"", &["`one-b` is named in line 4 already"]);
}

#[test]
fn one_name_in_two_services_or_two_clusters_is_two_resources() {
    let found = good(
        r#"
        [sqs.x]
        queues = { a = "x-a", b = "x-b" }
        feed = "work"
        [lambda.x]
        functions = { a = "x-a", b = "x-b" }
        [ecs.x]
        cluster = "one"
        services = { a = "x-a", b = "x-b" }
        desired-tasks = "match"
        [ecs.y]
        cluster = "two"
        services = { a = "x-a", b = "x-b" }
        desired-tasks = 1
        "#,
    );

    assert_eq!(found.ecs.len(), 2);
    assert_eq!(found.ecs[0].settings.desired_tasks, DesiredTasks::Match);
}

#[test]
fn one_service_of_one_cluster_in_two_tables_is_a_problem() {
    let table = |name: &str| {
        format!(
            "[ecs.{name}]\ncluster = \"one\"\nservices = {{ a = \"x-a\", b = \"{name}\" }}\n\
             desired-tasks = 1\n"
        )
    };

    one_problem(&(table("one") + &table("two")), "\"x-a\"", &["named in line 5 already"]);
}

#[test]
fn alarms_of_one_prefix_in_two_tables_are_a_problem_unless_their_suffixes_differ() {
    let table = |name: &str, suffix: &str| {
        format!(
            "[cloudwatch.{name}]\nprefixes = \"shop\"\n\
             suffixes = {{ a = \"{suffix}-a\", b = \"{suffix}-b\" }}\n"
        )
    };

    assert_eq!(good(&(table("one", "x") + &table("two", "y"))).cloudwatch.len(), 2);
    one_problem(&(table("one", "x") + &table("two", "x")), "\"shop\"", &["in line 4 already"]);
}

#[test]
fn steps_of_the_tables_service_can_be_skipped() {
    let found = good(&sqs("skip = [\"sqs.purge\", \"sqs.drain\"]\noptional = true"));
    assert_eq!(found.sqs[0].skip.len(), 2);
    assert!(found.sqs[0].optional);

    one_problem(&sqs("skip = [\"sqs.purg\"]"), "\"sqs.purg\"", &["did you mean `sqs.purge`?"]);
    one_problem(
        &sqs("skip = [\"aurora.start\"]"),
        "\"aurora.start\"",
        &["no step of `[sqs.one]`", "expected `sqs.purge` or `sqs.drain`"],
    );
}

#[test]
fn every_step_that_a_table_has_can_be_skipped() {
    let text = "[lambda.x]\nfunctions = { a = \"x-a\", b = \"x-b\" }\nskip = [\
                \"lambda.enable-mappings\", \"lambda.disable-mappings\", \"lambda.enable-rules\", \
                \"lambda.disable-rules\", \"exclusive.hand-over\"]\n\
                [aurora.x]\nclusters = { a = \"x-a\", b = \"x-b\" }\nskip = [\"aurora.start\", \
                \"aurora.scale-out\", \"aurora.stop\", \"aurora.delete\", \"aurora.scale-in\"]\n\
                [dynamodb.x]\ntables = { a = \"x-a\", b = \"x-b\" }\nskip = [\"dynamodb.delete\"]\n\
                [cloudwatch.x]\nprefixes = { a = \"x-a\", b = \"x-b\" }\n\
                skip = [\"cloudwatch.enable-alarms\", \"cloudwatch.disable-alarms\"]\n\
                [ecs.x]\ncluster = \"x\"\nservices = { a = \"x-a\", b = \"x-b\" }\n\
                desired-tasks = 1\nskip = [\"ecs.enable\", \"ecs.disable\"]\n\
                [kinesis.x]\nstream-arn = \"arn:aws:kinesis:eu-west-1:123456789012:stream/x\"\n\
                consumers = { a = \"x-a\", b = \"x-b\" }\n\
                skip = [\"kinesis.register\", \"kinesis.deregister\"]\n\
                [sns.x]\nsubscriptions = { a = \"arn:aws:sns:eu-west-1:123456789012:x:1\", \
                b = \"arn:aws:sns:eu-west-1:123456789012:x:2\" }\n\
                skip = [\"sns.enable\", \"sns.disable\", \"sns.settle\"]";

    let found = good(text);

    assert_eq!((found.lambda[0].skip.len(), found.aurora[0].skip.len()), (5, 5));
    assert_eq!((found.sns[0].skip.len(), found.kinesis[0].skip.len()), (3, 2));
}

#[test]
fn a_resource_comes_after_others_of_the_file() {
    let table = "[dynamodb.x]\ntables = { a = \"x-a\", b = \"x-b\" }\n";

    let found = good(&format!("{table}{}", sqs("after = [\"dynamodb.x\"]")));
    assert_eq!(found.sqs[0].after.as_deref(), Some(["dynamodb.x".to_owned()].as_slice()));
    assert_eq!(found.dynamodb[0].after, None);
    assert_eq!(good(&sqs("after = []")).sqs[0].after.as_deref(), Some([].as_slice()));

    let text = format!("{table}{}", sqs("after = [\"dynamodb.y\"]"));
    one_problem(&text, "\"dynamodb.y\"", &["not in the stack file", "did you mean `dynamodb.x`?"]);
    one_problem(&sqs("after = [\"sqs.one\"]"), "\"sqs.one\"", &["cannot come after itself"]);
}

#[test]
fn a_service_that_is_not_compiled_in_is_refused_by_name() {
    let text = "[sqs.x]\nqueues = { a = \"x-a\", b = \"x-b\" }";
    let (document, entries) = Document::parse(text, &|_| None);
    let mut root = Table::new(&document, "the stack file".to_owned(), 0..0, &entries);

    let tables = resource_tables(&mut root, &[("sqs", false)]);

    assert!(tables.is_empty());
    let problems = document.into_problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(&text[problems[0].span.clone()], "[sqs.x]");
    assert!(problems[0].message.contains("was built with `sqs`"), "{problems:?}");
}
