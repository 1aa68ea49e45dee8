//! What happened in a release, step by step, as text.

use std::{
    collections::BTreeMap,
    fmt::Write,
    time::{Duration, SystemTime},
};

use bluegreen_deploy::{Entry, Release, StepEvent};
use serde_json::Value;

use crate::output::duration;

/// How many columns the bars have.
const COLUMNS: usize = 60;

/// What happened to a step in one direction: forward, or taken back.
#[derive(Debug)]
struct Row<'a> {
    step: &'a str,
    is_undo: bool,
    turns: Vec<Turn>,
    last: &'a Entry,
    /// Who was at work on it, each once, in order.
    who: Vec<&'a str>,
}

/// One time that a step had its turn, until it ended well or badly.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Turn {
    began: SystemTime,
    acted: Option<SystemTime>,
    /// `None` while it is under way, or when its process has died.
    ended: Option<SystemTime>,
}

/// Says what happened in a release; `now` is the end of what has not ended.
pub(crate) fn text(release: &Release, now: SystemTime) -> String {
    let mut text = String::new();
    let Release { id, target, by, opened, .. } = release;
    let at = |it| humantime::format_rfc3339_seconds(it);
    let _ = writeln!(text, "release {id} to {target}: {}", outcome(release));
    let _ = writeln!(text, "opened {} by {by}, {}", at(*opened), lasted(release, now));
    if let Some(reverses) = &release.reverses {
        let _ = writeln!(text, "leads back from release {reverses}");
    }
    for (phase, ended) in &release.phases {
        let _ = writeln!(text, "{phase} ended {} ({})", at(ended.0), since(*opened, ended.0));
    }
    if let Some(back) = release.going_back {
        let _ = writeln!(text, "taken back since {} ({})", at(back.0), since(*opened, back.0));
    }

    let entries = release.journal.entries();
    let end = end(release, now);
    let rows = rows(entries);
    if !rows.is_empty() {
        let _ = writeln!(text, "\n{:<44} {:>9} {:>8}  {}", "step", "its turn", "took", scale());
    }
    for row in &rows {
        text.push_str(&row_text(row, *opened, end));
    }
    let words = words(entries, *opened);
    if !words.is_empty() {
        let _ = write!(text, "\nwhy\n{words}");
    }
    for (name, word) in &release.overrides {
        let _ =
            writeln!(text, "\npasses {name}: {} at {}: {}", word.who, at(word.at.0), word.reason);
    }
    for (gate, verdict) in release.verdicts() {
        let _ = writeln!(text, "\n{gate} {}", verdict_text(&verdict));
    }
    text
}

/// Says what somebody has decided about a gate.
fn verdict_text(verdict: &Value) -> String {
    let said = if verdict["approved"] == true { "approved" } else { "rejected" };
    let word = |key: &str| verdict[key].as_str().unwrap_or("not known").to_owned();
    format!("{said}: {} at {}: {}", word("who"), word("at"), word("reason"))
}

/// Says how a release has ended: the word of its outcome, `open`, or `going back`.
pub(crate) fn outcome(release: &Release) -> String {
    match (&release.ended, release.going_back) {
        (Some(ended), _) => match serde_json::to_value(ended.outcome) {
            Ok(Value::String(word)) => word,
            _ => "ended".to_owned(),
        },
        (None, Some(_)) => "going-back".to_owned(),
        (None, None) => "open".to_owned(),
    }
}

/// Returns how long a release was open, or is by now.
pub(crate) fn took(release: &Release, now: SystemTime) -> Duration {
    let ended = release.ended.as_ref().map_or(now, |it| it.at.0);
    ended.duration_since(release.opened).unwrap_or_default()
}

fn lasted(release: &Release, now: SystemTime) -> String {
    let took = duration(took(release, now));
    match &release.ended {
        Some(ended) => {
            format!("ended {} after {took}", humantime::format_rfc3339_seconds(ended.at.0))
        }
        None => format!("open for {took}"),
    }
}

/// Returns where the bars end: with the release, and behind everything in it.
fn end(release: &Release, now: SystemTime) -> SystemTime {
    let ended = release.ended.as_ref().map_or(now, |it| it.at.0);
    let last = release.journal.entries().iter().map(|it| it.at).max();
    last.map_or(ended, |it| it.max(ended))
}

/// Gathers the entries of each step, in the order in which their turns came.
fn rows(entries: &[Entry]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut places = BTreeMap::new();
    for entry in entries {
        let is_undo = matches!(
            entry.event,
            StepEvent::UndoStarted
                | StepEvent::UndoSucceeded
                | StepEvent::UndoFailed
                | StepEvent::UndoSkipped
        );
        let place = *places.entry((&entry.step, is_undo)).or_insert_with(|| {
            rows.push(Row {
                step: &entry.step,
                is_undo,
                turns: Vec::new(),
                last: entry,
                who: Vec::new(),
            });
            rows.len() - 1
        });
        let row = &mut rows[place];
        row.last = entry;
        if !row.who.contains(&entry.who.as_str()) {
            row.who.push(&entry.who);
        }
        let acts = matches!(entry.event, StepEvent::Started | StepEvent::UndoStarted);
        match row.turns.last_mut().filter(|it| it.ended.is_none()) {
            Some(turn) if acts => turn.acted = turn.acted.or(Some(entry.at)),
            Some(turn) => {
                turn.ended = Some(entry.at);
                turn.began = entry.began.map_or(turn.began, |it| it.0.min(turn.began));
            }
            None => row.turns.push(Turn {
                began: entry.began.map_or(entry.at, |it| it.0),
                acted: acts.then_some(entry.at),
                ended: (!acts).then_some(entry.at),
            }),
        }
    }
    rows.sort_by_key(|it| it.turns.first().map(|it| it.began));
    rows
}

fn row_text(row: &Row<'_>, opened: SystemTime, end: SystemTime) -> String {
    let began = row.turns.first().map_or(opened, |it| it.began);
    let took: Duration = row
        .turns
        .iter()
        .map(|it| it.ended.unwrap_or(end).duration_since(it.began).unwrap_or_default())
        .sum();
    let attempts = match row.last.attempt {
        0 | 1 => String::new(),
        attempts => format!(", {attempts} attempts"),
    };
    format!(
        "{:<44} {:>9} {:>8}  |{}| {}{attempts}; {}\n",
        format!("{}{}", if row.is_undo { "back: " } else { "" }, name(row.step)),
        since(opened, began),
        duration(took),
        bar(&row.turns, opened, end),
        what(row.last.event),
        row.who.join(", ")
    )
}

/// Draws when a step waited (`·`), and when it was at work, from its first act on (`#`).
fn bar(turns: &[Turn], opened: SystemTime, end: SystemTime) -> String {
    let whole = end.duration_since(opened).unwrap_or_default().as_secs_f64();
    let column = |at: SystemTime| {
        let share = at.duration_since(opened).unwrap_or_default().as_secs_f64() / whole.max(1e-6);
        // A share of the columns is never more than they are.
        ((share * COLUMNS as f64) as usize).min(COLUMNS - 1)
    };
    let mut bar = vec![' '; COLUMNS];
    for turn in turns {
        let (began, ended) = (column(turn.began), column(turn.ended.unwrap_or(end)));
        bar[began..=ended.max(began)].fill('·');
        if let Some(acted) = turn.acted.map(column) {
            bar[acted..=ended.max(acted)].fill('#');
        }
    }
    bar.into_iter().collect()
}

fn scale() -> String {
    format!("|{:<COLUMNS$}|", "· waits, # from its first act on")
}

/// Says why steps failed or were skipped, each in full.
fn words(entries: &[Entry], opened: SystemTime) -> String {
    let mut text = String::new();
    for entry in entries {
        let Some(error) = &entry.error else { continue };
        let attempt = match entry.attempt {
            // It never acted.
            0 => String::new(),
            attempt => format!("attempt {attempt}, "),
        };
        let _ = writeln!(
            text,
            "{:>9}  {} {} ({attempt}{}): {error}",
            since(opened, entry.at),
            name(&entry.step),
            what(entry.event),
            entry.who
        );
    }
    text
}

fn what(event: StepEvent) -> &'static str {
    match event {
        StepEvent::Started => "begun",
        StepEvent::Succeeded => "succeeded",
        StepEvent::Failed => "failed",
        StepEvent::Skipped => "skipped",
        StepEvent::Outdated => "to be looked at again",
        StepEvent::UndoStarted => "begun",
        StepEvent::UndoSucceeded => "taken back",
        StepEvent::UndoFailed => "stuck",
        StepEvent::UndoSkipped => "not taken back",
    }
}

/// Says a step as people read it: `ecs.enable worker on b` of `ecs.enable/worker/b`.
fn name(key: &str) -> String {
    match key.split('/').collect::<Vec<_>>().as_slice() {
        [name, "", stack] => format!("{name} on {stack}"),
        [name, resource @ .., stack] => format!("{name} {} on {stack}", resource.join("/")),
        _ => key.to_owned(),
    }
}

fn since(opened: SystemTime, at: SystemTime) -> String {
    format!("+{}", duration(at.duration_since(opened).unwrap_or_default()))
}

#[cfg(test)]
mod tests;
