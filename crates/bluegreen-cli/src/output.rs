//! What is printed at the end: results on stdout, failures on stderr, one JSON document with `--json`.

use std::{fmt::Write, time::Duration};

use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Error, Outcome, Report, StepReport, StepState, chain, stack_file::StackFileError,
};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{cli::Cli, exit::Exit};

/// The version of the JSON documents.
const SCHEMA: u32 = 1;

/// Why a command has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line cannot be used.
    Usage(String),
    /// The stack file cannot be used.
    StackFile(Box<StackFileError>),
    /// The engine could not do it.
    Engine(Error),
}

impl From<StackFileError> for Failure {
    fn from(err: StackFileError) -> Self {
        Self::StackFile(Box::new(err))
    }
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        Self::Engine(err)
    }
}

/// Says in a line why a command has no result.
pub(crate) fn said(failure: &Failure) -> String {
    match failure {
        Failure::Usage(text) => text.clone(),
        Failure::StackFile(err) => err.to_string(),
        Failure::Engine(err) => chain(err),
    }
}

/// Prints why a command has no result.
pub(crate) fn failure(cli: &Cli, failure: &Failure) {
    match failure {
        Failure::Usage(text) => eprintln!("error: {text}"),
        Failure::StackFile(err) => eprint!("{}", rendered(err)),
        Failure::Engine(Error::Refused { reasons }) => {
            eprintln!("refused:");
            for reason in reasons {
                eprintln!("  {reason}");
            }
        }
        Failure::Engine(err) => eprintln!("error: {}", chain(err)),
    }
    if cli.json {
        let (outcome, error, refusals) = match failure {
            Failure::Usage(text) => ("usage", json!(text), Vec::new()),
            Failure::StackFile(err) => ("invalid-stack-file", problems(err), Vec::new()),
            Failure::Engine(err @ Error::Refused { reasons }) => {
                ("refused", json!(chain(err)), reasons.clone())
            }
            Failure::Engine(err @ (Error::Locked { .. } | Error::LeaseLost { .. })) => {
                ("locked", json!(chain(err)), Vec::new())
            }
            Failure::Engine(err) => {
                let interrupted = Exit::from(failure) == Exit::Interrupted;
                let outcome = if interrupted { "interrupted" } else { "failed" };
                (outcome, json!(chain(err)), Vec::new())
            }
        };
        let body = json!({
            "outcome": outcome,
            "error": error,
            "release": null,
            "steps": [],
            "refusals": refusals,
        });
        document(cli.command.name(), body);
    }
}

/// Prints what came of a plan or a run.
pub(crate) fn report(cli: &Cli, report: &Report) {
    let planned = matches!(cli.command, crate::cli::Command::Plan { .. });
    if cli.json {
        document(cli.command.name(), report);
    } else {
        print!("{}", report_text(report, planned));
    }
    for warning in report.warnings.iter().filter(|_| planned && !cli.json) {
        eprintln!("warning: {warning}");
    }
    complaints(report);
}

/// Prints why a plan or a run did not do what it should.
pub(crate) fn complaints(report: &Report) {
    if !report.refusals.is_empty() {
        eprintln!("refused:");
        for refusal in &report.refusals {
            eprintln!("  {refusal}");
        }
    }
    for missing in &report.missing {
        eprintln!("error: {missing}");
    }
    for step in report.steps.iter().filter(|it| it.state == StepState::Failed) {
        eprintln!("error: {}: {}", step.step, step.error.as_deref().unwrap_or("failed"));
    }
    for step in report.steps.iter().filter(|it| it.state == StepState::Inconclusive) {
        eprintln!("{}: {}", step.step, step.error.as_deref().unwrap_or("a person must decide"));
    }
}

/// Prints that a stack was taken for the active one.
pub(crate) fn adopted(cli: &Cli, active: StackReference, store: &str) {
    if cli.json {
        document("adopt", json!({ "outcome": "done", "active": active }));
    } else {
        println!("stack {active} is the active one; the store is `{store}`");
    }
}

/// Says a duration as people do: `850ms`, `12s`, `3m 5s`, `1h 2m`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => format!("{}ms", duration.as_millis()),
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s}s"),
        (h, m, _) => format!("{h}h {m}m"),
    }
}

pub(crate) fn document(command: &str, body: impl Serialize) {
    let head = json!({ "schema": SCHEMA, "command": command });
    println!("{:#}", merged(head, body));
}

pub(crate) fn merged(head: Value, body: impl Serialize) -> Value {
    let mut all = head;
    if let (Value::Object(all), Ok(Value::Object(body))) = (&mut all, serde_json::to_value(body)) {
        all.extend(body);
    }
    all
}

fn problems(err: &StackFileError) -> Value {
    let problems = err.problems.iter().map(|it| {
        let (line, column) = (it.line(&err.text), it.column(&err.text));
        json!({ "line": line, "column": column, "message": it.message, "help": it.help })
    });
    problems.collect()
}

/// Shows every problem of a stack file with its place underlined.
fn rendered(err: &StackFileError) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(100)
        .with_wrap_lines(false);
    let mut text = String::new();
    for problem in &err.problems {
        let (line, column) = (problem.line(&err.text), problem.column(&err.text));
        let label = LabeledSpan::underline(problem.span.clone());
        let mut diagnostic = MietteDiagnostic::new(format!(
            "{}:{line}:{column}: {}",
            err.path.display(),
            problem.message
        ))
        .with_label(label);
        diagnostic.help = problem.help.clone();
        let source = NamedSource::new(err.path.display().to_string(), err.text.clone());
        let report = miette::Report::new(diagnostic).with_source_code(source);
        // Writing to a text does not fail.
        let _ = handler.render_report(&mut text, report.as_ref());
    }
    let problems = if err.problems.len() == 1 { "problem" } else { "problems" };
    let _ = writeln!(text, "{} {problems} in {}", err.problems.len(), err.path.display());
    text
}

fn report_text(report: &Report, planned: bool) -> String {
    let mut text = String::new();
    let mut phase = None;
    for step in &report.steps {
        if step.phase != phase {
            phase = step.phase;
            if let Some(phase) = phase {
                let _ = writeln!(text, "{phase}");
            }
        }
        let _ = writeln!(text, "  {}", step_text(step));
    }
    let _ = writeln!(text, "{}", ending(report));
    let destroyed: Vec<String> =
        report.steps.iter().filter(|it| it.irreversible).map(|it| it.step.to_string()).collect();
    if planned && !destroyed.is_empty() {
        let _ = writeln!(text, "cannot be taken back: {}", destroyed.join(", "));
    }
    text
}

/// Says in a line how a plan or a run ended.
pub(crate) fn ending(report: &Report) -> String {
    match report.outcome {
        Outcome::Planned => format!("a plan to move production to stack {}", report.to),
        Outcome::Done => format!("done: stack {} is active", report.active),
        Outcome::AlreadyThere => format!("stack {} is active already: nothing to do", report.to),
        // Only what has run has taken time.
        Outcome::Failed if report.steps.iter().any(|it| it.took.is_some()) => "failed".to_owned(),
        Outcome::Failed => "failed: nothing was changed".to_owned(),
        Outcome::Interrupted if report.release.is_none() => "interrupted".to_owned(),
        Outcome::Refused => "refused".to_owned(),
        Outcome::Paused => format!(
            "paused: stack {} is active; the same command goes on with the release",
            report.active
        ),
        Outcome::Inconclusive => format!(
            "inconclusive: stack {} is active, and a person must decide whether the release goes on",
            report.active
        ),
        Outcome::RetireIncomplete => format!(
            "stack {} is active, but the old one is not switched off yet: the same command goes on",
            report.active
        ),
        Outcome::TakenBack => {
            format!("taken back: stack {} is active, as it was before", report.active)
        }
        Outcome::Stuck => format!(
            "stuck: stack {} is active, and not everything could be taken back; `bluegreen retry` tries again, \
             `bluegreen skip STEP --reason ..` goes on without",
            report.active
        ),
        Outcome::Reversed => format!("stack {} is active", report.active),
        Outcome::Interrupted => format!(
            "interrupted: stack {} is active; the same command goes on with the release",
            report.active
        ),
    }
}

/// Says what a step did that is done without a change: settling, draining and holding take their time.
pub(crate) fn unchanged(step: &StepReport) -> &'static str {
    if step.waited { "waited" } else { "already so" }
}

pub(crate) fn step_text(step: &StepReport) -> String {
    let what = match (step.state, &step.from, &step.to) {
        (StepState::Needed, Some(from), Some(to)) => format!("{from} -> {to}"),
        (StepState::Changed, Some(from), Some(to)) => format!("{from} -> {to}"),
        (StepState::Done, ..) => unchanged(step).to_owned(),
        (StepState::Underway, ..) => {
            format!("waits for {}", step.waiting_for.as_deref().unwrap_or("AWS"))
        }
        (StepState::Unknown, ..) => {
            format!("known after {}", step.waiting_for.as_deref().unwrap_or("other steps"))
        }
        (StepState::Refused, ..) => "refused".to_owned(),
        (StepState::Inconclusive, ..) => "asks a person".to_owned(),
        (StepState::Interrupted, ..) => "stopped".to_owned(),
        (StepState::Pending, ..) => "not begun".to_owned(),
        _ => "failed".to_owned(),
    };
    let took = step.took.map(duration).unwrap_or_default();
    format!("{:<44} {took:>8}  {what}", step.step.to_string()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use bluegreen_core::StackReference::{A, B};
    use bluegreen_deploy::{Phase, StepId};

    use super::*;

    #[test]
    fn an_inconclusive_release_says_that_a_person_must_decide() {
        let gate = StepReport {
            step: StepId::new("test.approve", "look", B),
            phase: Some(Phase::Test),
            state: StepState::Inconclusive,
            from: None,
            to: None,
            waiting_for: None,
            waited: false,
            error: Some("is the shop in order?".to_owned()),
            took: None,
            undo: None,
            destroys: false,
            irreversible: false,
            permissions: Vec::new(),
        };
        let report = Report {
            outcome: Outcome::Inconclusive,
            release: Some("20261126".to_owned()),
            to: B,
            active: A,
            steps: vec![gate],
            missing: Vec::new(),
            refusals: Vec::new(),
            warnings: Vec::new(),
        };

        let text = report_text(&report, false);

        assert!(
            text.contains("test.approve look on b") && text.contains("asks a person"),
            "{text}"
        );
        assert!(text.ends_with("a person must decide whether the release goes on\n"), "{text}");
    }
}
