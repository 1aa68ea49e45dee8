//! Gathering permissions into statements.

use std::path::Path;

use super::*;

fn file(text: &str) -> StackFile {
    StackFile::parse(text, Path::new("bluegreen.toml"), &|_| None).unwrap()
}

#[test]
fn arns_are_those_of_the_partition_region_and_account() {
    let named = "name = \"shop\"\nregion = \"cn-north-1\"\naccount-id = \"123456789012\"\n";
    let unnamed = "name = \"shop\"\nregion = \"us-gov-west-1\"\n";

    let (named, unnamed) = (file(named), file(unnamed));

    let arn = |file, action, resource| Place::of(file).arn(action, resource);
    assert_eq!(
        arn(&named, "rds:StopDBCluster", "cluster:orders-a"),
        "arn:aws-cn:rds:cn-north-1:123456789012:cluster:orders-a"
    );
    assert_eq!(
        arn(&unnamed, "sqs:PurgeQueue", "ingest-a"),
        "arn:aws-us-gov:sqs:us-gov-west-1:*:ingest-a"
    );
    assert_eq!(
        arn(&named, "iam:PassRole", "role/*"),
        "arn:aws-cn:iam::123456789012:role/*",
        "roles are in no Region"
    );
    let topic = "arn:aws:sns:eu-west-1:210987654321:catalogue";
    assert_eq!(arn(&named, "sns:ListSubscriptionsByTopic", topic), topic);
    assert_eq!(arn(&named, "sns:GetSubscriptionAttributes", "*"), "*");
}

#[test]
fn only_looks_are_looks() {
    let looks = |action| Permission::unlimited(&[action])[0].looks();

    assert!(looks("rds:DescribeDBClusters") && looks("sqs:GetQueueUrl"));
    assert!(looks("lambda:ListEventSourceMappings"));
    assert!(!looks("kinesis:ListStreamConsumers"), "it is a part of registering");
    assert!(!looks("sqs:PurgeQueue") && !looks("kinesis:DeregisterStreamConsumer"));
}

#[test]
fn a_condition_on_an_arn_is_compared_as_one() {
    let statement = Statement {
        actions: ["lambda:UpdateEventSourceMapping"].into(),
        resources: ["arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:*".to_owned()]
            .into(),
        conditions: [
            ("lambda:FunctionArn", vec!["arn:aws:lambda:eu-west-1:*:function:it".to_owned()]),
            ("application-autoscaling:service-namespace", vec!["rds".to_owned()]),
        ]
        .into(),
        reason: None,
    };

    let condition = &statement.document()["Condition"];

    assert_eq!(
        condition["ArnLike"]["lambda:FunctionArn"][0],
        "arn:aws:lambda:eu-west-1:*:function:it"
    );
    assert_eq!(condition["StringEquals"]["application-autoscaling:service-namespace"][0], "rds");
}

#[cfg(feature = "dynamodb-store")]
#[test]
fn a_store_in_a_table_is_read_by_whoever_looks_and_written_by_whoever_deploys() {
    let text = "name = \"shop\"\nregion = \"eu-west-1\"\naccount-id = \"123456789012\"\n[state]\nstore = \
                \"dynamodb\"\ntable = \"releases\"\n";
    let file = file(text);

    let actions = |purpose| -> Vec<&str> {
        let policy = LeastPolicy::of(&file, [], purpose);
        let [statement] = policy.statements.as_slice() else { panic!("{policy:?}") };
        let table = "arn:aws:dynamodb:eu-west-1:123456789012:table/releases";
        assert!(statement.resources.iter().eq([table]), "{statement:?}");
        statement.actions.iter().copied().collect()
    };

    assert_eq!(actions(Purpose::Plan), ["dynamodb:GetItem", "dynamodb:Query"]);
    assert_eq!(
        actions(Purpose::Deploy),
        [
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem"
        ]
    );
}
