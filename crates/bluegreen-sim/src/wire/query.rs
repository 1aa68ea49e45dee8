//! The query protocol: a form in, XML out.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::{Map, Value};

use super::Response;
use crate::{Call, Refusal, call::as_time};

/// Reads operation and parameters from a form.
///
/// Lists and maps are written with numbers in the names: `Filters.Filter.1.Values.Value.2`,
/// `AlarmNames.member.1`, `Attributes.entry.1.key`.
///
/// # Errors
///
/// A refusal of a name with too many parts.
pub(super) fn read(body: &[u8]) -> Result<(String, Value), Refusal> {
    let mut root = Node::default();
    for (name, value) in form_urlencoded::parse(body) {
        if name.split('.').count() > MOST_PARTS {
            let message = format!("a name has more than {MOST_PARTS} parts");
            return Err(Refusal::bad("MalformedQueryString", message));
        }
        let mut node = &mut root;
        for part in name.split('.') {
            node = node.members.entry(part.to_owned()).or_default();
        }
        node.value = Some(value.into_owned());
    }
    let operation = root.members.remove("Action").and_then(|it| it.value).unwrap_or_default();
    root.members.remove("Version");
    let members = root.members.into_iter();
    let parameters: Map<_, _> = members.map(|(name, it)| (name, it.into_value())).collect();
    Ok((operation, Value::Object(parameters)))
}

/// How many parts a name may have: each is one more level of what is read. AWS's own have far fewer.
const MOST_PARTS: usize = 16;

#[derive(Default)]
struct Node {
    value: Option<String>,
    members: BTreeMap<String, Node>,
}

impl Node {
    fn into_value(self) -> Value {
        if self.members.is_empty() {
            return self.value.unwrap_or_default().into();
        }
        let numbers: Option<Vec<u64>> = self.members.keys().map(|it| it.parse().ok()).collect();
        if let Some(numbers) = numbers {
            let mut items: Vec<_> = numbers.into_iter().zip(self.members.into_values()).collect();
            items.sort_by_key(|(number, _)| *number);
            return items.into_iter().map(|(_, it)| it.into_value()).collect();
        }
        let mut members: Map<String, Value> =
            self.members.into_iter().map(|(name, it)| (name, it.into_value())).collect();
        // The list of a member is inside a name for its items, and a map is a list of entries.
        if members.len() == 1
            && let Some((name, Value::Array(items))) = members.iter_mut().next()
        {
            let map = map(items).filter(|_| name == "entry");
            return map.unwrap_or_else(|| std::mem::take(items).into());
        }
        Value::Object(members)
    }
}

/// Returns the map that a list of entries is. Attributes of messages have a name where all others have a key.
fn map(entries: &[Value]) -> Option<Value> {
    let entry = |it: &Value| {
        let pair = |key: &str, value: &str| {
            Some((it.get(key)?.as_str()?.to_owned(), it.get(value)?.clone()))
        };
        pair("key", "value").or_else(|| pair("Name", "Value"))
    };
    entries.iter().map(entry).collect::<Option<Map<_, _>>>().map(Value::Object)
}

pub(super) fn write(call: &Call, output: &Value) -> Response {
    let operation = &call.operation;
    let mut xml =
        format!("<{operation}Response xmlns=\"{}\"><{operation}Result>", namespace(call.service));
    members(&mut xml, call.service, output);
    let _ = write!(
        xml,
        "</{operation}Result><ResponseMetadata><RequestId>simulated</RequestId></ResponseMetadata></{operation}Response>"
    );
    response(200, xml)
}

pub(super) fn refuse(service: &str, refusal: &Refusal) -> Response {
    let kind = if refusal.status < 500 { "Sender" } else { "Receiver" };
    let mut xml =
        format!("<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>", namespace(service));
    escape(&mut xml, &refusal.code);
    xml.push_str("</Code><Message>");
    escape(&mut xml, &refusal.message);
    xml.push_str("</Message></Error><RequestId>simulated</RequestId></ErrorResponse>");
    response(refusal.status, xml)
}

fn response(status: u16, xml: String) -> Response {
    Response {
        status,
        headers: vec![("content-type", "text/xml".to_owned())],
        body: xml.into_bytes(),
    }
}

fn namespace(service: &str) -> &'static str {
    match service {
        "rds" => "http://rds.amazonaws.com/doc/2014-10-31/",
        "sns" => "http://sns.amazonaws.com/doc/2010-03-31/",
        "iam" => "https://iam.amazonaws.com/doc/2010-05-08/",
        "sts" => "https://sts.amazonaws.com/doc/2011-06-15/",
        "cloudwatch" => "http://monitoring.amazonaws.com/doc/2010-08-01/",
        _ => "http://queue.amazonaws.com/doc/2012-11-05/",
    }
}

/// What RDS calls the items of its lists; all other lists have `member`.
const ITEMS: [(&str, &str); 9] = [
    ("DBClusters", "DBCluster"),
    ("DBClusterMembers", "DBClusterMember"),
    ("DBClusterSnapshots", "DBClusterSnapshot"),
    ("DBInstances", "DBInstance"),
    ("TagList", "Tag"),
    ("ReadReplicaIdentifiers", "ReadReplicaIdentifier"),
    ("AvailabilityZones", "AvailabilityZone"),
    ("VpcSecurityGroups", "VpcSecurityGroupMembership"),
    ("EnabledCloudwatchLogsExports", "member"),
];

fn members(xml: &mut String, service: &str, value: &Value) {
    let Some(object) = value.as_object() else { return };
    for (name, value) in object {
        if value.is_null() {
            continue;
        }
        let _ = write!(xml, "<{name}>");
        match value {
            Value::Array(items) => {
                let found = ITEMS.iter().find(|(list, _)| service == "rds" && list == name);
                let item = found.map_or("member", |(_, item)| *item);
                for value in items {
                    let _ = write!(xml, "<{item}>");
                    content(xml, service, value);
                    let _ = write!(xml, "</{item}>");
                }
            }
            // The one map in what is answered so.
            Value::Object(entries) if service == "sns" && name == "Attributes" => {
                for (key, value) in entries {
                    xml.push_str("<entry><key>");
                    escape(xml, key);
                    xml.push_str("</key><value>");
                    content(xml, service, value);
                    xml.push_str("</value></entry>");
                }
            }
            value => content(xml, service, value),
        }
        let _ = write!(xml, "</{name}>");
    }
}

fn content(xml: &mut String, service: &str, value: &Value) {
    if let Some(seconds) = as_time(value) {
        xml.push_str(&timestamp(seconds));
        return;
    }
    match value {
        Value::Object(_) => members(xml, service, value),
        Value::String(text) => escape(xml, text),
        other => {
            let _ = write!(xml, "{other}");
        }
    }
}

/// Writes a point in time as XML does: `2026-12-01T00:00:00Z`.
fn timestamp(seconds: f64) -> String {
    let time = aws_smithy_types::DateTime::from_secs_f64(seconds.floor());
    time.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap_or_default()
}

fn escape(xml: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '&' => xml.push_str("&amp;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&apos;"),
            other => xml.push(other),
        }
    }
}
