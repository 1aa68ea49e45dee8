//! What IAM's rules decide, one by one.

use serde_json::{Value, json};

use super::{Decision::*, *};

const CLUSTER: &str = "arn:aws:rds:eu-west-1:123456789012:cluster:orders-b";

fn policy(statements: Value) -> Policy {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    Policy::parse(&document.to_string()).unwrap()
}

fn question(action: &str, resource: &str) -> Question {
    Question { action: action.to_owned(), resource: resource.to_owned(), ..Question::default() }
}

fn given(key: &str, value: &str) -> Question {
    let conditions = [(key.to_owned(), vec![value.to_owned()])].into();
    Question { conditions, ..question("lambda:UpdateEventSourceMapping", "*") }
}

/// A policy that allows everything under one condition.
fn under(operator: &str, key: &str, value: &str) -> Policy {
    policy(json!({
        "Effect": "Allow",
        "Action": "*",
        "Resource": "*",
        "Condition": { operator: { key: value } },
    }))
}

#[test]
fn what_no_statement_is_about_is_not_allowed() {
    let policy = policy(json!([
        { "Effect": "Allow", "Action": "rds:StartDBCluster", "Resource": CLUSTER },
    ]));

    assert_eq!(policy.decide(&question("rds:StartDBCluster", CLUSTER)), Allowed);
    assert_eq!(policy.decide(&question("RDS:startdbcluster", CLUSTER)), Allowed);
    assert_eq!(policy.decide(&question("rds:StopDBCluster", CLUSTER)), ImplicitDeny);
    let other = CLUSTER.replace("orders-b", "orders-a");
    assert_eq!(policy.decide(&question("rds:StartDBCluster", &other)), ImplicitDeny);
}

#[test]
fn a_no_counts_more_than_any_yes() {
    let policy = policy(json!([
        { "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Effect": "Deny", "Action": "rds:Stop*", "Resource": "arn:aws:rds:*:*:cluster:orders-?" },
    ]));

    assert_eq!(policy.decide(&question("rds:StopDBCluster", CLUSTER)), ExplicitDeny);
    assert_eq!(policy.decide(&question("rds:StartDBCluster", CLUSTER)), Allowed);
}

#[test]
fn a_star_at_the_end_of_a_part_of_a_resource_reaches_into_the_next_and_no_other_wildcard_does() {
    let consumer = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks/consumer/clicks-b:17";
    for (pattern, arn, matches) in [
        (CLUSTER, CLUSTER, true),
        ("arn:aws:rds:*:*:cluster:orders-b", CLUSTER, true),
        ("arn:aws:rds:*:cluster:orders-b", CLUSTER, true),
        ("arn:aws:rds:eu-*:cluster:orders-b", CLUSTER, true),
        ("arn:aws:rds:*1:cluster:orders-b:x", CLUSTER, false),
        ("arn:aws:rds:*2:cluster:orders-b", CLUSTER, false),
        ("arn:aws:rds:eu-west-1?123456789012:cluster:orders-b", CLUSTER, false),
        ("arn:aws:rds:*:*:cluster:orders-a", CLUSTER, false),
        ("arn:aws:kinesis:*:*:stream/*-b:1?", consumer, true),
        (
            "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks/consumer/clicks-b:*",
            consumer,
            true,
        ),
        ("arn:aws:kinesis:eu-west-1:123456789012:stream/clicks", consumer, false),
        ("arn:aws:rds:*:*:cluster:*", "*", false),
    ] {
        let policy = policy(json!({ "Effect": "Allow", "Action": "*", "Resource": pattern }));
        let expected = if matches { Allowed } else { ImplicitDeny };
        assert_eq!(policy.decide(&question("rds:StartDBCluster", arn)), expected, "{pattern}");
    }
}

#[test]
fn what_is_left_out_at_the_end_of_the_arn_of_a_resource_may_be_anything() {
    for (pattern, matches) in [
        ("arn:aws:rds", true),
        ("arn:aws:rds:eu-west-1", true),
        ("arn:aws:rds:eu-west-1:123456789012", true),
        ("arn:aws:sqs", false),
        ("arn:aws:rds:eu-west-1:210987654321", false),
    ] {
        let policy = policy(json!({ "Effect": "Allow", "Action": "*", "NotResource": pattern }));
        let expected = if matches { ImplicitDeny } else { Allowed };
        assert_eq!(policy.decide(&question("rds:StartDBCluster", CLUSTER)), expected, "{pattern}");
    }
}

#[test]
fn all_but_what_is_named_is_meant_by_not() {
    let policy = policy(json!({ "Effect": "Allow", "NotAction": "iam:*", "NotResource": CLUSTER }));

    assert_eq!(policy.decide(&question("rds:StartDBCluster", "*")), Allowed);
    assert_eq!(policy.decide(&question("iam:PassRole", "*")), ImplicitDeny);
    assert_eq!(policy.decide(&question("rds:StartDBCluster", CLUSTER)), ImplicitDeny);
}

#[test]
fn conditions_compare_as_their_operators_say() {
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:ingest-b";
    let key = "lambda:FunctionArn";
    for (operator, value, holds) in [
        ("StringEquals", arn, true),
        ("StringEquals", "arn:aws:lambda:*", false),
        ("StringNotEquals", arn, false),
        ("StringLike", "arn:*:ingest-?", true),
        ("StringNotLike", "arn:*:ingest-?", false),
        ("ArnLike", "arn:aws:lambda:*:*:function:ingest-*", true),
        ("ArnEquals", "arn:aws:lambda:*:function:ingest-*", false),
        ("ArnNotLike", "arn:aws:lambda:*:*:function:mail-*", true),
        ("StringEqualsIgnoreCase", &arn.to_uppercase(), true),
        ("Null", "false", true),
        ("Null", "true", false),
    ] {
        let expected = if holds { Allowed } else { ImplicitDeny };
        let decided = under(operator, key, value).decide(&given("Lambda:functionARN", arn));
        assert_eq!(decided, expected, "{operator} {value}");
    }
}

#[test]
fn a_key_that_the_call_does_not_have_fails_unless_it_is_allowed_to_be_absent() {
    let ask = question("rds:DeleteDBInstance", "*");

    for (operator, expected) in [
        ("StringEquals", ImplicitDeny),
        ("StringEqualsIfExists", Allowed),
        ("StringNotEquals", Allowed),
        ("Bool", ImplicitDeny),
    ] {
        assert_eq!(under(operator, "aws:ResourceTag/a", "b").decide(&ask), expected, "{operator}");
    }
    assert_eq!(under("Null", "aws:ResourceTag/a", "true").decide(&ask), Allowed);
}

#[test]
fn all_conditions_must_hold_and_any_value_of_one() {
    let policy = policy(json!({
        "Effect": "Allow",
        "Action": "*",
        "Resource": "*",
        "Condition": {
            "StringEquals": { "ecs:cluster": ["shop", "other"] },
            "Bool": { "aws:SecureTransport": true },
        },
    }));
    let mut ask = given("ecs:cluster", "other");

    assert_eq!(policy.decide(&ask), ImplicitDeny);
    ask.conditions.insert("aws:SecureTransport".to_owned(), vec!["true".to_owned()]);
    assert_eq!(policy.decide(&ask), Allowed);
}

#[test]
fn what_is_not_simulated_is_an_error_with_its_place() {
    let statement = |more: Value| {
        let mut statement = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        statement.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "Statement": [statement] }).to_string()
    };
    for (document, said) in [
        ("{".to_owned(), "the document is no JSON"),
        ("{}".to_owned(), "the document has no `Statement`"),
        (statement(json!({ "Principal": "*" })), "Statement[0] has `Principal`"),
        (statement(json!({ "Effect": "allow" })), "Statement[0] needs an `Effect`"),
        (statement(json!({ "NotAction": "*" })), "Statement[0] needs either `Action`"),
        (statement(json!({ "Action": [] })), "Statement[0].Action is empty"),
        (
            statement(json!({ "Resource": "arn:aws:s3:::${aws:username}" })),
            "Statement[0].Resource has a variable",
        ),
        (
            statement(json!({ "Condition": { "DateLessThan": { "aws:CurrentTime": "x" } } })),
            "Statement[0].Condition.DateLessThan is an operator that is not simulated",
        ),
        (
            statement(json!({ "Condition": { "StringLike": { "aws:SourceVpc": "vpc-1" } } })),
            "Statement[0].Condition.StringLike.aws:SourceVpc is a condition key that is not simulated",
        ),
        (
            statement(json!({ "Condition": { "Null": { "aws:ResourceTag/": "true" } } })),
            "Statement[0].Condition.Null.aws:ResourceTag/ is a condition key that is not simulated",
        ),
    ] {
        let err = Policy::parse(&document).unwrap_err().to_string();
        assert!(err.starts_with(said), "{document}: {err}");
    }
}
