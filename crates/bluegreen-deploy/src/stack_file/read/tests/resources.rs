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
    one_problem(
        &(table("one", "x") + &table("two", "x")),
        "\"shop\"",
        &["an alarm named `shop..x-a` would belong to stack a of `[cloudwatch.one]` in line 4 too"],
    );
}

/// Tables `[cloudwatch.x]` and `[cloudwatch.y]` with these prefixes of a and b.
fn prefixes(x: [&str; 2], y: [&str; 2]) -> String {
    let table = |name: &str, [a, b]: [&str; 2]| {
        format!("[cloudwatch.{name}]\nprefixes = {{ a = \"{a}\", b = \"{b}\" }}\n")
    };
    table("x", x) + &table("y", y)
}

#[test]
fn alarms_of_one_stack_that_another_table_has_of_the_other_stack_are_a_problem() {
    let (alone, web) = (["shop-b-", "mail-"], ["shop-", "web-"]);

    one_problem(
        &prefixes(alone, ["web-", "shop-"]),
        "\"shop-\"",
        &[
            "an alarm named `shop-b-..` would belong to stack a of `[cloudwatch.x]` in line 4 too",
            "expected prefixes of which none begins with that of another table",
        ],
    );
    one_problem(&prefixes(["mail-", "shop-b-"], web), "\"shop-\"", &["to stack b of"]);
    one_problem(&prefixes(web, ["shop-a-", "mail-"]), "\"shop-a-\"", &["`shop-a-..`"]);
    assert_eq!(good(&prefixes(["shop-a-", "shop-b-"], ["web-a-", "web-b-"])).cloudwatch.len(), 2);
}

#[test]
fn alarms_of_one_stack_in_two_tables_are_a_problem_of_each_side_that_shares_some() {
    let found = bad(&prefixes(["shop-a-", "shop-b-"], ["shop-a-db-", "shop-b-db-"]));

    let places: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(places, ["\"shop-a-db-\"", "\"shop-b-db-\""]);
    assert!(found[1].1.starts_with("an alarm named `shop-b-db-..` would belong to stack b of"));
}

#[test]
fn every_table_that_shares_alarms_is_shown_and_a_prefix_with_a_problem_of_its_own_is_not() {
    let third = "[cloudwatch.z]\nprefixes = { a = \"shop-a-db-x-\", b = \"z-\" }";
    let text = prefixes(["shop-a-", "shop-b-"], ["shop-a-db-", "web-"]) + third;

    let places: Vec<String> = bad(&text).into_iter().map(|it| it.0).collect();

    assert_eq!(places, ["\"shop-a-db-\"", "\"shop-a-db-x-\""]);
    one_problem(&prefixes(["", "shop-b-"], ["web-a-", "web-b-"]), "\"\"", &["is empty"]);
}

#[test]
fn clusters_whose_names_differ_in_case_alone_are_one_in_two_tables() {
    let clusters = |name: &str, a: &str, b: &str| {
        format!("[aurora.{name}]\nclusters = {{ a = \"{a}\", b = \"{b}\" }}\n")
    };
    let orders = clusters("orders", "orders-a", "orders-b");

    one_problem(
        &(orders.clone() + &clusters("old", "Orders-B", "old-b")),
        "\"Orders-B\"",
        &["`Orders-B` is named in line 4 already", "RDS ignores case"],
    );
    let found = bad(&(orders + &clusters("old", "orders-b", "old-b")));
    assert!(!found[0].1.contains("case"), "{found:?}");
}

#[test]
fn queues_whose_names_differ_in_case_alone_are_two() {
    let two = "[sqs.two]\nqueues = { a = \"ONE-A\", b = \"two-b\" }\nfeed = \"work\"";

    assert_eq!(good(&(sqs("") + two)).sqs.len(), 2);
}

#[test]
fn only_what_can_be_missing_is_optional() {
    let found = good(
        r#"
        [aurora.x]
        clusters = { a = "x-a", b = "x-b" }
        optional = true
        [cloudwatch.x]
        prefixes = { a = "x-a", b = "x-b" }
        optional = true
        [ecs.x]
        cluster = "one"
        services = { a = "x-a", b = "x-b" }
        desired-tasks = 1
        optional = true
        [lambda.x]
        functions = { a = "x-a", b = "x-b" }
        optional = true
        "#,
    );
    assert!(found.aurora[0].optional && found.cloudwatch[0].optional);
    assert!(found.ecs[0].optional && found.lambda[0].optional);

    for (service, keys) in [
        ("dynamodb", "tables = { a = \"x-a\", b = \"x-b\" }"),
        (
            "kinesis",
            "stream-arn = \"arn:aws:kinesis:eu-west-1:123456789012:stream/x\"\n\
             consumers = { a = \"x-a\", b = \"x-b\" }",
        ),
        (
            "sns",
            "subscriptions = { a = \"arn:aws:sns:eu-west-1:123456789012:x:1\", \
             b = \"arn:aws:sns:eu-west-1:123456789012:x:2\" }",
        ),
        ("sqs", "queues = { a = \"x-a\", b = \"x-b\" }\nfeed = \"work\""),
    ] {
        one_problem(
            &format!("[{service}.x]\n{keys}\noptional = true"),
            "optional",
            &[
                &format!("`optional` has no effect on `[{service}.x]`"),
                "expected it in tables of `aurora`, `cloudwatch`, `ecs` or `lambda` alone",
            ],
        );
    }
}

#[test]
fn the_accounts_of_all_arns_are_listed_with_their_places() {
    let found = good(
        r#"
        [kinesis.clicks]
        stream-arn = "arn:aws:kinesis:eu-west-1:111111111111:stream/clicks"
        consumers = { a = "clicks-a", b = "clicks-b" }
        [sns.found]
        topic = "arn:aws:sns:eu-west-1:222222222222:found"
        endpoints = { a = "https://shop.example/a", b = "arn:aws:sqs:eu-west-1:333333333333:in-b" }
        [sns.named]
        subscriptions = { a = "arn:aws:sns:eu-west-1:444444444444:named:1", b = "arn:aws:sns:eu-west-1:555555555555:named:2" }
        "#,
    );

    let accounts = found.accounts();

    let accounts: Vec<_> = accounts.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
    assert_eq!(
        accounts,
        [
            ("kinesis.clicks stream-arn", "111111111111"),
            ("sns.found topic", "222222222222"),
            ("sns.found endpoints.b", "333333333333"),
            ("sns.named subscriptions.a", "444444444444"),
            ("sns.named subscriptions.b", "555555555555"),
        ]
    );
}

#[test]
fn steps_of_the_tables_service_can_be_skipped() {
    let found = good(&sqs("skip = [\"sqs.purge\", \"sqs.caught-up\", \"sqs.drain\"]"));
    assert_eq!(found.sqs[0].skip.len(), 3);

    one_problem(&sqs("skip = [\"sqs.purg\"]"), "\"sqs.purg\"", &["did you mean `sqs.purge`?"]);
    one_problem(
        &sqs("skip = [\"aurora.start\"]"),
        "\"aurora.start\"",
        &["no step of `[sqs.one]`", "expected `sqs.purge`, `sqs.caught-up` or `sqs.drain`"],
    );
}

#[test]
fn what_is_turned_off_on_one_stack_must_be_turned_on_on_the_other() {
    let ecs = |skip: &str| {
        format!(
            "[ecs.x]\ncluster = \"c\"\nservices = {{ a = \"x-a\", b = \"x-b\" }}\n\
             desired-tasks = 1\nskip = {skip}"
        )
    };

    let alone = "[\"ecs.enable\"]";
    one_problem(&ecs(alone), alone, &["`ecs.enable` is skipped alone", "`ecs.disable`"]);
    good(&ecs("[\"ecs.disable\"]"));
    let alone = "[\"exclusive.hand-over\"]";
    one_problem(
        &ecs(alone),
        alone,
        &["`exclusive.hand-over` is skipped", "skip `ecs.disable` too"],
    );
    good(&ecs("[\"exclusive.hand-over\", \"ecs.disable\"]"));
}

#[test]
fn every_step_that_a_table_has_can_be_skipped() {
    let text = "[lambda.x]\nfunctions = { a = \"x-a\", b = \"x-b\" }\nskip = [\
                \"lambda.enable-mappings\", \"lambda.disable-mappings\", \"lambda.enable-rules\", \
                \"lambda.disable-rules\", \"lambda.caught-up\", \"exclusive.hand-over\"]\n\
                [aurora.x]\nclusters = { a = \"x-a\", b = \"x-b\" }\nskip = [\"aurora.start\", \
                \"aurora.scale-out\", \"aurora.stop\", \"aurora.delete\", \"aurora.scale-in\"]\n\
                [dynamodb.x]\ntables = { a = \"x-a\", b = \"x-b\" }\nskip = [\"dynamodb.delete\"]\n\
                [cloudwatch.x]\nprefixes = { a = \"x-a\", b = \"x-b\" }\n\
                skip = [\"cloudwatch.enable-alarms\", \"cloudwatch.disable-alarms\"]\n\
                [ecs.x]\ncluster = \"x\"\nservices = { a = \"x-a\", b = \"x-b\" }\n\
                desired-tasks = 1\n\
                skip = [\"ecs.enable\", \"ecs.disable\", \"exclusive.hand-over\"]\n\
                [kinesis.x]\nstream-arn = \"arn:aws:kinesis:eu-west-1:123456789012:stream/x\"\n\
                consumers = { a = \"x-a\", b = \"x-b\" }\n\
                skip = [\"kinesis.register\", \"kinesis.deregister\"]\n\
                [sns.x]\nsubscriptions = { a = \"arn:aws:sns:eu-west-1:123456789012:x:1\", \
                b = \"arn:aws:sns:eu-west-1:123456789012:x:2\" }\n\
                skip = [\"sns.enable\", \"sns.disable\", \"sns.settle\"]";

    let found = good(text);

    assert_eq!((found.lambda[0].skip.len(), found.aurora[0].skip.len()), (6, 5));
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
