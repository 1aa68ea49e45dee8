//! Reads the tables `[test.NAME]`.

#[cfg(feature = "cloudwatch")]
mod alarms;
#[cfg(feature = "http")]
mod http;

use std::time::Duration;

#[cfg(feature = "lambda")]
use super::runs::functions;
use super::{
    runs::{kind, program},
    table::Table,
};
use crate::stack_file::{PaceSettings, TestKind, TestSettings};

/// How long a test may take, unless the file says otherwise.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// How long alarms may be watched in a hook of CodeDeploy.
#[cfg(feature = "cloudwatch")]
const LONGEST_BAKE: Duration = Duration::from_secs(45 * 60);

/// Reads all of them, in the order of the file. `alarms` are the tables of alarms that there are, as
/// `cloudwatch.NAME`; `pace` says how long a test may take that does not say it; `hurried` is the table of a mover
/// whose hooks have an hour.
pub(super) fn read_all(
    root: &mut Table<'_>,
    alarms: &[String],
    pace: &PaceSettings,
    hurried: Option<&str>,
) -> Vec<TestSettings> {
    let tables = root.named_tables("test").into_iter();
    tables.filter_map(|(name, table)| read(name, table, alarms, pace, hurried)).collect()
}

fn read(
    name: &str,
    mut table: Table<'_>,
    known_alarms: &[String],
    pace: &PaceSettings,
    hurried: Option<&str>,
) -> Option<TestSettings> {
    let written = table.written();
    let deadline = table.duration_above_zero("deadline");
    let word = kind(&mut table, &["http", "lambda", "command", "alarms", "approve"]);
    let kind = match word {
        #[cfg(feature = "http")]
        Some("http") => http::read(&mut table).map(TestKind::Http),
        #[cfg(feature = "lambda")]
        Some("lambda") => functions(&mut table).map(TestKind::Lambda),
        Some("command") => program(&mut table).map(TestKind::Command),
        #[cfg(feature = "cloudwatch")]
        Some("alarms") => alarms::read(&mut table, known_alarms).map(TestKind::Alarms),
        Some("approve") => sentence(&mut table).map(TestKind::Approve),
        _ => None,
    };
    if let (Some(kind), Some(mover)) = (&kind, hurried) {
        check_haste(&table, kind, mover);
    }
    // What else belongs to a table whose kind is not known is not known either.
    let line = table.document.line(table.span.start);
    if kind.is_some() {
        table.finish();
    }
    let paced = word.and_then(|it| pace.deadline(&format!("test.{it}")));
    let deadline = deadline.or(paced).unwrap_or(DEADLINE);
    Some(TestSettings { name: name.to_owned(), line, written, kind: kind?, deadline })
}

/// Notes what takes longer than a hook of CodeDeploy may: it fails the deployment after an hour.
fn check_haste(table: &Table<'_>, kind: &TestKind, mover: &str) {
    let (key, message, help) = match kind {
        TestKind::Approve(_) => (
            "approve",
            format!(
                "nobody can be asked while CodeDeploy waits: its hooks have an hour, and it moves {mover}"
            ),
            "expected no such test: ask before the deployment is made, or watch for longer in `hold`",
        ),
        #[cfg(feature = "cloudwatch")]
        TestKind::Alarms(alarms) if alarms.bake > LONGEST_BAKE => (
            "bake",
            format!(
                "`bake` is longer than 45 minutes: CodeDeploy moves {mover}, and its hooks have an hour"
            ),
            "expected at most \"45m\": let `hold` last for longer, or bake in the deployment group",
        ),
        _ => return,
    };
    table.document.note(table.span_of(key), message, Some(help.to_owned()));
}

/// Returns what a person is shown.
fn sentence(table: &mut Table<'_>) -> Option<String> {
    let sentence = table.string("approve")?;
    if !sentence.trim().is_empty() {
        return Some(sentence);
    }
    let help =
        "expected what a person is asked, such as \"the shop looks right in the test browser\"";
    let message = "`approve` is empty".to_owned();
    table.document.note(table.span_of("approve"), message, Some(help.to_owned()));
    None
}
