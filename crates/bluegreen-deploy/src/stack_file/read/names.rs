//! Checks that go across tables: resources named twice, and ARNs of another Region or account.

use std::{borrow::Cow, collections::HashMap, ops::Range};

use bluegreen_core::{Arn, StackReference};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::ResourceTable;

/// The keys that name resources: service, key, and the key of what the names are unique within.
///
/// CloudWatch has none: whether two tables share alarms is more than whether their prefixes are equal.
const NAMES: [(&str, &str, Option<&str>); 9] = [
    ("aurora", "clusters", None),
    ("dynamodb", "tables", None),
    ("ecs", "services", Some("cluster")),
    ("kinesis", "consumers", Some("stream-arn")),
    ("lambda", "functions", None),
    ("sns", "subscriptions", None),
    ("sns", "endpoints", Some("topic")),
    ("sqs", "queues", None),
    ("sqs", "dead-letter-queues", None),
];

/// The keys that may hold ARNs.
const ARNS: [(&str, &str); 4] =
    [("kinesis", "stream-arn"), ("sns", "endpoints"), ("sns", "subscriptions"), ("sns", "topic")];

/// Notes the ARNs that are in another Region than `region`, or in another account than `account`.
///
/// Whether an ARN is one at all, and of the right service, is for the toolkits to say.
pub(super) fn check_arns(
    tables: &[ResourceTable<'_>],
    region: Option<&str>,
    account: Option<&str>,
) {
    for ResourceTable { service, table, .. } in tables {
        for (_, key) in ARNS.iter().filter(|it| it.0 == *service) {
            // A topic and a stream are the same on both sides.
            let sides = StackReference::BOTH.map(|stack| side(table.entries, key, stack));
            let [a, b] = sides;
            let b = b.filter(|b| a.as_ref().is_none_or(|a| a.span != b.span));
            for Name { text, span } in a.into_iter().chain(b) {
                let Ok(arn) = text.parse::<Arn>() else { continue };
                if table.document.has_problem_at(&span) {
                    continue;
                }
                let places = [("Region", &arn.region, region), ("account", &arn.account, account)];
                for (what, found, wanted) in places {
                    let Some(wanted) = wanted.filter(|it| !found.is_empty() && found != it) else {
                        continue;
                    };
                    let message = format!("`{key}` names something of the {what} `{found}`");
                    let help = format!("expected the {what} of the stack file, `{wanted}`");
                    let message = table.document.as_written(&message);
                    let help = table.document.as_written(&help);
                    table.document.note(span.clone(), message, Some(help));
                }
            }
        }
    }
}

/// Notes the resources that are named a second time, in another table or under another key.
///
/// The same name for both stacks under one key is for the toolkits to refuse.
pub(super) fn check_repeats(tables: &[ResourceTable<'_>]) {
    let mut names: Vec<_> = tables.iter().flat_map(names_of).collect();
    names.sort_by_key(|it| it.span.start);

    let mut seen: HashMap<_, &NamedResource<'_>> = HashMap::new();
    for name in &names {
        let identity = (name.table.service, &name.scope, name.identity());
        let first = seen.entry(identity).or_insert(name);
        let document = name.table.table.document;
        let is_same_pair = first.table.name == name.table.name && first.key == name.key;
        if is_same_pair || name.text.is_empty() || document.has_problem_at(&name.span) {
            continue;
        }
        let message = format!(
            "`{}` is named in line {} already",
            document.written(&name.span),
            document.line(first.span.start),
        );
        let help = match first.text == name.text {
            true => "expected each resource in one place of one table",
            false => "expected each resource in one place of one table: RDS ignores case",
        };
        document.note(name.span.clone(), message, Some(help.to_owned()));
    }
}

/// A name of a resource of one stack.
struct NamedResource<'t> {
    table: &'t ResourceTable<'t>,
    key: &'static str,
    scope: String,
    text: String,
    span: Range<usize>,
}

impl NamedResource<'_> {
    /// Returns what two names have in common when they name the same resource.
    ///
    /// RDS ignores case. All others tell `orders` from `Orders`: DynamoDB tables, ECS clusters and services,
    /// Kinesis consumers, Lambda functions, SNS subscriptions and endpoints (ARNs), SQS queues.
    fn identity(&self) -> Cow<'_, str> {
        match self.table.service {
            "aurora" => Cow::Owned(self.text.to_ascii_lowercase()),
            _ => Cow::Borrowed(&self.text),
        }
    }
}

fn names_of<'t>(table: &'t ResourceTable<'t>) -> Vec<NamedResource<'t>> {
    let mut names = Vec::new();
    for (_, key, scope) in NAMES.iter().filter(|it| it.0 == table.service) {
        for stack in StackReference::BOTH {
            let entries = table.table.entries;
            let scope = scope.and_then(|key| side(entries, key, stack)).map(|it| it.text);
            let scope = scope.unwrap_or_default();
            if let Some(Name { text, span }) = side(entries, key, stack) {
                names.push(NamedResource { table, key, scope, text, span });
            }
        }
    }
    names
}

/// A string and its place.
struct Name {
    text: String,
    span: Range<usize>,
}

/// Returns the string at `key` that is meant for `stack`: its side of a pair, or what is there for both.
fn side(entries: &DeTable<'_>, key: &str, stack: StackReference) -> Option<Name> {
    let text = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
        DeValue::String(text) => Some(Name { text: text.to_string(), span: value.span() }),
        _ => None,
    };
    let value = entries.get(key)?;
    match value.get_ref() {
        DeValue::Table(sides) => text(sides.get(stack.to_string().as_str())?),
        _ => text(value),
    }
}
