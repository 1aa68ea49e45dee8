//! Calls as SDKs write them, and answers as they read them.

use serde_json::json;

use super::*;
use crate::call::time;

fn request(
    method: &str,
    uri: &str,
    content_type: &str,
    target: &str,
    service: &str,
    body: &[u8],
) -> Request {
    Request {
        method: method.to_owned(),
        uri: uri.to_owned(),
        content_type: content_type.to_owned(),
        target: target.to_owned(),
        authorization: format!(
            "AWS4-HMAC-SHA256 Credential=AKIA1/20261201/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        ),
        attempt: "attempt=2; max=3".to_owned(),
        invocation_type: String::new(),
        body: body.to_vec(),
    }
}

fn form(service: &str, body: &str) -> Request {
    request(
        "POST",
        "https://aws/",
        "application/x-www-form-urlencoded",
        "",
        service,
        body.as_bytes(),
    )
}

fn text(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

#[test]
fn a_form_is_read_with_its_lists_and_maps() {
    let filters = form(
        "rds",
        "Action=DescribeDBInstances&Version=2014-10-31&Filters.Filter.1.Name=db-cluster-id\
         &Filters.Filter.1.Values.Value.1=orders-a&Filters.Filter.1.Values.Value.2=orders-b&MaxRecords=100",
    );
    let attributes = form(
        "sns",
        "Action=Subscribe&Attributes.entry.1.key=FilterPolicy&Attributes.entry.1.value=%7B%7D&Protocol=sqs",
    );

    let (protocol, call) = read(&filters).unwrap();
    let (_, subscribe) = read(&attributes).unwrap();

    assert_eq!(
        (protocol, call.service, call.operation.as_str()),
        (Protocol::Query, "rds", "DescribeDBInstances")
    );
    assert_eq!((call.access_key.as_deref(), call.attempt), (Some("AKIA1"), 2));
    assert_eq!(
        call.parameters,
        json!({
            "Filters": [{ "Name": "db-cluster-id", "Values": ["orders-a", "orders-b"] }],
            "MaxRecords": "100",
        })
    );
    assert_eq!(
        subscribe.parameters,
        json!({ "Attributes": { "FilterPolicy": "{}" }, "Protocol": "sqs" })
    );
}

#[test]
fn attributes_of_messages_are_a_map_though_they_have_names_and_dimensions_are_none() {
    let publish = form(
        "sns",
        "Action=Publish&Message=a+bicycle&MessageAttributes.entry.1.Name=type\
         &MessageAttributes.entry.1.Value.DataType=String\
         &MessageAttributes.entry.1.Value.StringValue=order",
    );
    let dimensions = form(
        "monitoring",
        "Action=X&Dimensions.member.1.Name=FunctionName&Dimensions.member.1.Value=ingest-b",
    );

    let [publish, dimensions] = [publish, dimensions].map(|it| read(&it).unwrap().1.parameters);

    let order = json!({ "DataType": "String", "StringValue": "order" });
    assert_eq!(publish, json!({ "Message": "a bicycle", "MessageAttributes": { "type": order } }));
    let dimension = json!({ "Name": "FunctionName", "Value": "ingest-b" });
    assert_eq!(dimensions, json!({ "Dimensions": [dimension] }));
}

#[test]
fn a_name_of_a_million_parts_is_refused() {
    let name = |parts: usize| format!("Action=X&{}=1", vec!["a"; parts].join("."));

    let sixteen = read(&form("rds", &name(16)));
    let [more, million] = [17, 1_000_000].map(|it| read(&form("rds", &name(it))).unwrap_err().1);

    assert!(sixteen.is_ok());
    assert_eq!([more.code, million.code], ["MalformedQueryString"; 2]);
}

#[test]
fn more_than_nine_items_keep_their_order() {
    let names: Vec<_> = (1..=12).map(|it| format!("AlarmNames.member.{it}=alarm-{it}")).collect();
    let body = format!("Action=DisableAlarmActions&{}", names.join("&"));

    let (_, call) = read(&form("monitoring", &body)).unwrap();

    assert_eq!(call.service, "cloudwatch");
    assert_eq!(call.texts("AlarmNames")[..3], ["alarm-1", "alarm-2", "alarm-3"]);
    assert_eq!(call.texts("AlarmNames")[11], "alarm-12");
}

#[test]
fn paths_of_lambda_are_read_with_names_query_and_body() {
    let alias = request(
        "GET",
        "https://aws/2015-03-31/functions/arn%3Aaws%3Alambda/aliases/live",
        "",
        "",
        "lambda",
        b"",
    );
    let list = request(
        "GET",
        "/2015-03-31/event-source-mappings/?FunctionName=ingest-a&MaxItems=100",
        "",
        "",
        "lambda",
        b"",
    );
    let update = request(
        "PUT",
        "/2015-03-31/event-source-mappings/11aa",
        "application/json",
        "",
        "lambda",
        br#"{"Enabled":false}"#,
    );

    let [alias, list, update] = [alias, list, update].map(|it| read(&it).unwrap().1);

    assert_eq!(alias.operation, "GetAlias");
    assert_eq!(alias.parameters, json!({ "FunctionName": "arn:aws:lambda", "Name": "live" }));
    assert_eq!(list.operation, "ListEventSourceMappings");
    assert_eq!(list.number("MaxItems"), Some(100));
    assert_eq!(update.operation, "UpdateEventSourceMapping");
    assert_eq!(update.parameters, json!({ "UUID": "11aa", "Enabled": false }));
}

#[test]
fn xml_names_the_items_of_lists_as_each_service_does() {
    let rds = read(&form("rds", "Action=DescribeDBClusters")).unwrap().1;
    let sns = read(&form("sns", "Action=GetSubscriptionAttributes")).unwrap().1;

    let clusters = write(
        Protocol::Query,
        &rds,
        &json!({ "DBClusters": [{ "ClusterCreateTime": time(0.0), "DBClusterIdentifier": "a<b", "Left": null }] }),
    );
    let attributes =
        write(Protocol::Query, &sns, &json!({ "Attributes": { "FilterPolicy": "{\"a\":[1]}" } }));

    assert!(
        text(&clusters).contains(
            "<DBClusters><DBCluster><ClusterCreateTime>1970-01-01T00:00:00Z</ClusterCreateTime>\
         <DBClusterIdentifier>a&lt;b</DBClusterIdentifier></DBCluster></DBClusters>"
        ),
        "{}",
        text(&clusters)
    );
    assert!(
        text(&attributes)
            .contains("<entry><key>FilterPolicy</key><value>{&quot;a&quot;:[1]}</value></entry>")
    );
}

#[test]
fn cbor_goes_there_and_back() {
    let mut body = Vec::new();
    ciborium::into_writer(&json!({ "AlarmNames": ["a", "b"], "MaxRecords": 100 }), &mut body)
        .unwrap();
    let uri = "https://aws/service/GraniteServiceVersion20100801/operation/DescribeAlarms";
    let asked = request("POST", uri, "application/cbor", "", "monitoring", &body);

    let (protocol, call) = read(&asked).unwrap();
    let answer = write(protocol, &call, &json!({ "At": time(1.5), "Name": "a" }));

    assert_eq!((call.service, call.operation.as_str()), ("cloudwatch", "DescribeAlarms"));
    assert_eq!(call.texts("AlarmNames"), ["a", "b"]);
    let answer: ciborium::Value = ciborium::from_reader(answer.body.as_slice()).unwrap();
    let tag = ciborium::Value::Tag(1, Box::new(ciborium::Value::Float(1.5)));
    assert!(answer.as_map().unwrap().iter().any(|(_, it)| *it == tag), "{answer:?}");
}

#[test]
fn json_answers_have_plain_times_and_no_nulls() {
    let asked = request(
        "POST",
        "/",
        "application/x-amz-json-1.1",
        "AmazonEC2ContainerService.DescribeServices",
        "ecs",
        b"{}",
    );

    let (protocol, call) = read(&asked).unwrap();
    let answer = write(protocol, &call, &json!({ "createdAt": time(12.0), "none": null }));

    assert_eq!(text(&answer), r#"{"createdAt":12.0}"#);
}

#[test]
fn a_refusal_of_a_queue_has_its_old_code_in_a_header() {
    let refusal = Refusal {
        query_code: Some("AWS.SimpleQueueService.PurgeQueueInProgress".to_owned()),
        ..Refusal::new(403, "com.amazonaws.sqs#PurgeQueueInProgress", "only one")
    };

    let response = refuse(Protocol::Json("1.0"), "sqs", &refusal);

    assert_eq!(response.status, 403);
    assert!(response.headers.contains(&(
        "x-amzn-query-error",
        "AWS.SimpleQueueService.PurgeQueueInProgress;Sender".to_owned()
    )));
}

#[test]
fn what_is_no_call_is_refused_and_not_guessed() {
    let path = request("GET", "/2015-03-31/nonsense", "", "", "lambda", b"");
    let body = request("POST", "/", "application/x-amz-json-1.1", "X.Y", "ecs", b"{");

    let [path, body] = [path, body].map(|it| read(&it).unwrap_err().1);

    assert_eq!((path.status, path.code.as_str()), (404, "UnknownOperationException"));
    assert_eq!(body.code, "SerializationException");
}
