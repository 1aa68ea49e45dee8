//! What each value may be, and what is said about one that is not.

use super::*;

#[test]
fn an_unknown_key_is_underlined_and_the_nearest_one_named() {
    one_problem(&sqs("setle = \"0s\""), "setle", &["`[sqs.one]`", "did you mean `settle`?"]);
    one_problem("hold = \"1h\"", "hold", &["not a key of the stack file", "`release`"]);
    one_problem("[dynamo.x]", "dynamo", &["did you mean `dynamodb`?"]);
    one_problem(
        "[pace]\nzzzzzzzzzz = 1",
        "zzzzzzzzzz",
        &["expected `first-look`, `longest-look`, `at-once` or `deadlines`"],
    );
    one_problem(
        "[dynamodb.x]\ntables = { a = \"x-a\", b = \"x-b\", c = \"x-c\" }",
        "c",
        &["not a key of `tables`"],
    );
}

#[test]
fn a_missing_key_is_shown_at_the_header_of_its_table() {
    one_problem("[dynamodb.x]", "[dynamodb.x]", &["`tables` is missing from `[dynamodb.x]`"]);
    one_problem("[dynamodb.x]\ntables = { a = \"x-a\" }", "{ a = \"x-a\" }", &["`b` is missing"]);

    let found = problems("");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].1.starts_with("`name` is missing from the stack file (expected"), "{found:?}");
    assert!(found[1].1.starts_with("`region` is missing"), "{found:?}");
}

#[test]
fn queues_without_a_feed_are_told_why_it_is_needed() {
    one_problem(
        "[sqs.x]\nqueues = { a = \"x-a\", b = \"x-b\" }",
        "[sqs.x]",
        &["`feed` is missing", "`fan-out`", "`work`", "there is no default"],
    );
}

#[test]
fn a_value_of_another_type_is_named() {
    let cases = [
        ("account-id = 12", "12", "expected a string, found an integer"),
        ("traffic = 1.5", "1.5", "expected `\"none\"` or tables `[traffic.NAME]`"),
        ("[state]\npath = true", "true", "expected a string, found a boolean"),
        ("[release]\nhold = 3600", "3600", "found an integer"),
        ("[pace]\nat-once = 1.5", "1.5", "expected an integer from 1 to 100, found a float"),
        ("state = \"file\"", "\"file\"", "expected a table, found a string"),
        ("sqs = \"ingest\"", "\"ingest\"", "expected tables `[sqs.NAME]`, found a string"),
        ("sqs.x = 2026-11-22", "2026-11-22", "expected tables `[sqs.NAME]`, found a date"),
        ("[[sqs.x]]", "[[sqs.x]]", "expected tables `[sqs.NAME]`, found an array"),
    ];
    for (text, place, words) in cases {
        one_problem(text, place, &[words]);
    }
    one_problem(
        "[lambda.x]\nfunctions = { a = \"x-a\", b = \"x-b\" }\noptional = \"yes\"",
        "\"yes\"",
        &["`true` or `false`, found a string"],
    );
    one_problem(&sqs("skip = \"sqs.purge\""), "\"sqs.purge\"", &["an array of strings"]);
    one_problem(&sqs("skip = [1]"), "1", &["expected a string, found an integer"]);
    one_problem(
        "[dynamodb.x]\ntables = \"x\"",
        "\"x\"",
        &["expected `{ a = \"..\", b = \"..\" }`, found a string"],
    );
}

#[test]
fn a_word_that_is_not_accepted_is_followed_by_those_that_are() {
    one_problem(
        "[aurora.x]\nclusters = { a = \"x-a\", b = \"x-b\" }\nretire = \"drop\"",
        "\"drop\"",
        &["`drop` is no value of `retire`", "expected `stop`, `delete` or `keep`"],
    );
    one_problem(
        &sqs("caught-up = \"empty\""),
        "\"empty\"",
        &["`empty` is no value of `caught-up`", "expected `age`, `drained` or `off`"],
    );
    one_problem("[state]\nstore = \"s3\"", "\"s3\"", &["expected `file` or `dynamodb`"]);
}

#[test]
fn how_a_queue_has_caught_up_is_said_by_a_word() {
    let caught_up = |more: &str| good(&sqs(more)).sqs[0].settings.caught_up;

    assert_eq!(caught_up("caught-up = \"age\""), CaughtUp::Below(seconds(60)));
    assert_eq!(caught_up("caught-up-below = \"5m\""), CaughtUp::Below(seconds(300)));
    assert_eq!(caught_up("caught-up = \"drained\""), CaughtUp::Drained);
    assert_eq!(caught_up("caught-up = \"off\""), CaughtUp::Off);
}

#[test]
fn durations_may_be_zero_only_where_that_makes_sense() {
    let found = good(&format!("[release]\nhold = \"0s\"\n{}", sqs("settle = \"0s\"")));
    assert_eq!((found.release.hold, found.sqs[0].settings.settle), (seconds(0), seconds(0)));
    assert_eq!(good(&sqs("drained-for = \"0s\"")).sqs[0].settings.drained_for, seconds(0));

    let caught_up = &good(&sqs("caught-up-for = \"0s\"")).sqs[0].settings;
    assert_eq!(caught_up.caught_up_for, seconds(0));
    one_problem(&sqs("caught-up-below = \"0s\""), "\"0s\"", &["`caught-up-below` is zero"]);
    let function =
        "[lambda.x]\nfunctions = { a = \"x-a\", b = \"x-b\" }\niterator-age-below = \"0s\"";
    one_problem(function, "\"0s\"", &["`iterator-age-below` is zero"]);

    for key in ["first-look", "longest-look", "deadlines.sqs"] {
        let found = bad(&format!("[pace]\n{key} = \"0s\""));
        assert_eq!(found[0].0, "\"0s\"");
        assert!(found[0].1.contains("is zero"), "{found:?}");
    }
    one_problem("[state]\nlease = \"0s\"", "\"0s\"", &["`lease` is zero"]);
}

#[test]
fn what_is_no_duration_is_a_problem() {
    one_problem("[release]\nhold = \"soon\"", "\"soon\"", &["`soon` is not a duration", "`15m`"]);
    one_problem("[release]\nhold = \"15\"", "\"15\"", &["`15` is not a duration"]);
    one_problem("[state]\nlease = \"x\"", "\"x\"", &["not a duration"]);
    one_problem("[release]\nhold = \"2years\"", "\"2years\"", &["at most a year"]);
}

#[test]
fn numbers_have_bounds() {
    for number in ["0", "101", "-1", "99999999999999999999"] {
        let text = format!("[pace]\nat-once = {number}");
        one_problem(&text, number, &["expected an integer from 1 to 100"]);
    }
    assert_eq!(good("[pace]\nat-once = 0x64").pace.at_once, 100);

    let aurora = "[aurora.x]\nclusters = { a = \"x-a\", b = \"x-b\" }\nminimum-readers = ";
    assert_eq!(good(&format!("{aurora}15")).aurora[0].settings.config.minimum_readers, 15);
    one_problem(&format!("{aurora}16"), "16", &["expected an integer from 0 to 15"]);
}

#[test]
fn an_enabled_service_runs_one_task_at_least() {
    let ecs = |tasks: &str| {
        format!("[ecs.x]\ncluster = \"x\"\nservices = {{ a = \"x-a\", b = \"x-b\" }}\n{tasks}")
    };

    assert_eq!(
        good(&ecs("desired-tasks = 1")).ecs[0].settings.desired_tasks,
        DesiredTasks::Count(1)
    );
    one_problem(&ecs("desired-tasks = 0"), "0", &["from 1 on", "`\"match\"`"]);
    one_problem(&ecs("desired-tasks = \"all\""), "\"all\"", &["`\"match\"`"]);
    one_problem(&ecs(""), "[ecs.x]", &["`desired-tasks` is missing"]);
}

#[test]
fn deadlines_are_those_of_services_and_other_subjects() {
    let found = good("[pace.deadlines]\nsqs = \"1m\"\nexclusive = \"2m\"");

    assert_eq!(found.pace.deadlines["exclusive"], seconds(120));
    one_problem("[pace.deadlines]\nlamda = \"1m\"", "lamda", &["did you mean `lambda`?"]);
}

#[test]
fn a_deadline_of_a_step_counts_more_than_that_of_its_subject() {
    let table =
        "[pace.deadlines]\naurora = \"2h\"\n\"aurora.start\" = \"20m\"\nsns.settle = \"3m\"";
    let pace = good(table).pace;

    let of = |name| pace.deadline(name).map(|it| it.as_secs());
    assert_eq!((of("aurora.start"), of("aurora.stop")), (Some(1200), Some(7200)));
    assert_eq!((of("sns.settle"), of("sns.enable")), (Some(180), None));
}

#[test]
fn a_deadline_of_no_step_is_noted_with_its_place_and_the_nearest_name() {
    let [quoted, dotted] = ["\"aurora.strat\" = \"1m\"", "aurora.strat = \"1m\""];
    for (line, place) in [(quoted, "\"aurora.strat\""), (dotted, "strat")] {
        let text = format!("[pace.deadlines]\n{line}");
        one_problem(&text, place, &["the name of no step", "did you mean `aurora.start`?"]);
    }
    let far = "[pace.deadlines]\naurora.reboot-everything = \"1m\"";
    one_problem(far, "reboot-everything", &["expected `aurora.start`, `aurora.scale-out`"]);
    one_problem("[pace.deadlines]\nlamda.caught-up = \"1m\"", "lamda", &["`lambda`?"]);
    one_problem("[pace.deadlines]\nsns.settle = \"0s\"", "\"0s\"", &["`sns.settle` is zero"]);
}

#[test]
fn looks_become_rarer_only() {
    one_problem("[pace]\nlongest-look = \"61s\"", "\"61s\"", &["longer than a minute", "60s"]);
    one_problem("[pace]\nlongest-look = \"500ms\"", "\"500ms\"", &["shorter than `first-look`"]);
    one_problem("[pace]\nfirst-look = \"1m\"", "\"1m\"", &["shorter than `first-look`"]);
}

#[test]
fn names_are_fit_for_file_names() {
    one_problem(
        "[cloudwatch.\"a/b\"]\nprefixes = { a = \"a-\", b = \"b-\" }",
        "\"a/b\"",
        &["`cloudwatch.a/b` cannot be a name"],
    );

    for name in ["", "a/b", "..", "sh op"] {
        let text = format!("name = \"{name}\"\nregion = \"eu-west-1\"");
        let found = problems(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, format!("\"{name}\""));
    }
}

#[test]
fn region_and_account_look_like_one() {
    let found = problems("name = \"shop\"\nregion = \"Ireland\"\naccount-id = \"1234\"");

    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].1.contains("`Ireland` cannot be the `region`"), "{found:?}");
    assert!(found[1].1.contains("12 digits"), "{found:?}");
}

#[test]
fn traffic_is_moved_by_commands() {
    let found = good(
        r#"
        [traffic.web]
        mover = "command"
        move = ["./switch.sh", "web"]
        observe = ["./where.sh"]
        "#,
    );

    let mover = CommandMover {
        move_command: vec!["./switch.sh".to_owned(), "web".to_owned()],
        observe_command: vec!["./where.sh".to_owned()],
    };
    let kind = MoverKind::Command(mover);
    let mover = MoverSettings { name: "web".to_owned(), line: 4, kind };
    assert_eq!(found.traffic, Traffic::Movers(vec![mover]));
}

#[test]
fn a_mover_lacks_nothing() {
    let found = bad("[traffic.web]\nmover = \"command\"\nmove = []\nwatch = \"x\"");

    let said: Vec<&str> = found.iter().map(|it| it.1.as_str()).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("`observe` is missing"), "{said:?}");
    assert!(said[1].starts_with("`move` names no program"), "{said:?}");
    assert!(said[2].starts_with("`watch` is not a key of `[traffic.web]`"), "{said:?}");
    one_problem("[traffic]", "[traffic]", &["does not say who moves"]);
    one_problem("traffic = \"nobody\"", "\"nobody\"", &["expected `\"none\"`"]);
}

#[test]
fn a_release_may_be_taken_back_after_a_time() {
    let found = good("[release]\nundo-after = \"4h\"");

    assert_eq!(found.release.undo_after, Some(seconds(4 * 60 * 60)));
    assert_eq!(good("").release.undo_after, None);
    one_problem("[release]\nundo-after = \"0s\"", "\"0s\"", &["`undo-after` is zero"]);
}

#[test]
fn what_this_version_does_anyway_may_be_said() {
    let found = good(
        r#"
        [state]
        store = "file"
        path = "state"
        lease = "30s"
        [release]
        on-failure = "pause"
        [ecs.x]
        cluster = "x"
        services = { a = "x-a", b = "x-b" }
        desired-tasks = 1
        mode = "mirror"
        "#,
    );

    assert_eq!(found.ecs[0].settings.mode, ConsumerKind::Mirror);
    assert_eq!(found.state.store, StoreSettings::File("state".into()));
}

#[test]
fn the_state_may_be_in_a_table_with_a_lease_that_can_be_renewed() {
    let found = good("[state]\nstore = \"dynamodb\"\ntable = \"bluegreen\"\nlease = \"1m\"");

    assert_eq!(found.state.store, StoreSettings::DynamoDb("bluegreen".to_owned()));
    assert_eq!(found.state.lease, Duration::from_secs(60));
    one_problem("[state]\nstore = \"dynamodb\"", "[state]", &["`table` is missing"]);
    one_problem("[state]\nlease = \"2s\"", "\"2s\"", &["shorter than 3 seconds"]);
}

#[test]
fn the_state_needs_a_folder_and_no_table() {
    one_problem("[state]\npath = \"\"", "\"\"", &["`path` is empty"]);
    one_problem("[state]\ntable = \"x\"", "table", &["not a key of `[state]`"]);
}
