//! What becomes of `${NAME}`, and that no message shows the value of a variable.

use super::*;

#[test]
fn variables_are_replaced_in_every_string() {
    let found = good(
        r#"
        [traffic.web]
        mover = "command"
        move = ["./switch.sh", "${STAGE}-$${STAGE}"]
        observe = ["./where.sh"]
        [sqs.x]
        queues = { a = "${QUEUE}", b = "x${STAGE}y$$" }
        feed = "work"
        [sns.x]
        topic = "arn:aws:sns:eu-west-1:123456789012:x"
        endpoints = { a = "arn:aws:sqs:eu-west-1:123456789012:in-a", b = "arn:aws:sqs:eu-west-1:123456789012:in-b" }
        enabled-filter.stage = ["${STAGE}"]
        "#,
    );

    let Traffic::Movers(movers) = &found.traffic else { panic!("{:?}", found.traffic) };
    let MoverKind::Command(mover) = &movers[0].kind else { panic!("{movers:?}") };
    assert_eq!(mover.move_command, ["./switch.sh", "live-${STAGE}"]);
    assert_eq!(found.sqs[0].settings.config.queues, pair("ingest-a", "xlivey$"));
    let filter = found.sns[0].settings.config.enabled_filter.as_ref().unwrap();
    assert_eq!(filter["stage"][0], "live");
}

#[test]
fn a_variable_that_is_not_there_is_underlined_and_nothing_else_said() {
    one_problem(
        "[state]\npath = \"x/${HOME_OF_STATE}\"",
        "${HOME_OF_STATE}",
        &["the environment has no variable `HOME_OF_STATE`"],
    );
    one_problem("account-id = \"${ACCOUNT}\"", "${ACCOUNT}", &["no variable `ACCOUNT`"]);
    one_problem("traffic = \"${TRAFFIC}\"", "${TRAFFIC}", &["no variable `TRAFFIC`"]);
}

#[test]
fn a_dollar_that_begins_no_variable_is_a_problem() {
    one_problem("[state]\npath = \"a$b\"", "$", &["by itself", "`$$` for a dollar"]);
    one_problem("[state]\npath = \"a$\"", "$", &["by itself"]);
    one_problem("[state]\npath = \"a/${STAGE\"", "${STAGE", &["never closed"]);
    one_problem("[state]\npath = \"${}\"", "${}", &["does not name a variable"]);
    one_problem("[state]\npath = \"${STA GE}\"", "${STA GE}", &["does not name a variable"]);
}

#[test]
fn every_missing_variable_of_a_string_is_named_once() {
    let found = bad("[state]\npath = \"${ONE}${TWO}${ONE}\"");

    let places: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(places, ["${ONE}", "${TWO}"]);
}

#[test]
fn the_value_of_a_variable_is_in_no_message() {
    let text = file(
        r#"
        [sqs.x]
        queues = { a = "${QUEUE}", b = "${QUEUE}" }
        feed = "${STAGE}"
        [sqs.y]
        queues = { a = "y-a", b = "${QUEUE}" }
        feed = "work"
        settle = "${STAGE}"
        skip = ["${STAGE}"]
        after = ["${STAGE}"]
        "#,
    );

    let shown = parse(&text).unwrap_err().to_string();

    assert!(!shown.contains("ingest-a") && !shown.contains("live"), "{shown}");
    assert!(shown.contains("`${QUEUE}` is on both stacks"), "{shown}");
    assert_eq!(shown.lines().count(), 6, "{shown}");
}
