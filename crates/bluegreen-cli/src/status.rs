//! `bluegreen status`: how everything is, once, or again and again.

use std::{
    fmt::Write,
    io::{self, IsTerminal},
    time::Duration,
};

use bluegreen_core::StackReference;
use bluegreen_deploy::{Entry, OpenRelease, Phase, Status, WayBack, stack_file::StackFile};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    exit::Exit,
    output::{self, Failure},
    session::Session,
};

/// What a look has shown.
struct Shown {
    text: String,
    is_open: bool,
}

impl Session<'_> {
    pub(crate) async fn status(&self) -> Result<Exit, Failure> {
        let store = self.look_into_store().await?;
        let status = self.engine.status(store.as_ref()).await?;
        if self.cli.json {
            output::document("status", document(&self.file, &self.account, &status));
        } else {
            print!("{}", text(&self.file, &self.account, &status));
        }
        Ok(Exit::Done)
    }

    /// Shows it every so often: redrawn on a terminal, elsewhere when it has changed.
    pub(crate) async fn watch(&self, every: Duration) -> Result<Exit, Failure> {
        if self.cli.json {
            return Err(Failure::Usage(
                "`--json` prints one document: leave `--watch` out, and ask again".to_owned(),
            ));
        }
        let redraws = io::stdout().is_terminal();
        let look = async || {
            let store = self.look_into_store().await?;
            let status = self.engine.status(store.as_ref()).await?;
            let text = text(&self.file, &self.account, &status);
            Ok(Shown { text, is_open: status.release.is_some() })
        };
        // Cleared as terminals understand it: everything, from the upper left corner.
        let show = |text: &str| match redraws {
            true => print!("\x1b[2J\x1b[H{text}"),
            false => println!("{text}"),
        };
        watch(every, &self.cancel, look, show).await;
        Ok(Exit::Done)
    }
}

/// Looks every so often, and shows what has changed or why it could not be looked at, until a release that was open has ended or it is told to stop.
async fn watch(
    every: Duration,
    cancel: &CancellationToken,
    mut look: impl AsyncFnMut() -> Result<Shown, Failure>,
    mut show: impl FnMut(&str),
) {
    let (mut before, mut was_open) = (String::new(), false);
    while !cancel.is_cancelled() {
        // A look that fails says nothing about the release: it is looked at again.
        let Shown { text, is_open } = look().await.unwrap_or_else(|failure| Shown {
            text: format!("no look could be had: {}\n", output::said(&failure)),
            is_open: was_open,
        });
        if text != before {
            show(&text);
            before = text;
        }
        if was_open && !is_open {
            break;
        }
        was_open = is_open;
        #[expect(clippy::disallowed_methods, reason = "it is looked at again by the clock")]
        let passed = tokio::time::sleep(every);
        tokio::select! {
            () = cancel.cancelled() => {}
            () = passed => {}
        }
    }
}

fn document(file: &StackFile, account: &str, status: &Status) -> Value {
    let head = json!({
        "outcome": "done",
        "name": file.name,
        "account": account,
        "rollback": status.release.as_ref().zip(status.rollback.as_ref()).map(|(release, way)| {
            way_back_document(way, release.target.partner())
        }),
    });
    output::merged(head, status)
}

/// Says what taking a release back would mean, as JSON.
fn way_back_document(way: &WayBack, old: StackReference) -> Value {
    let (word, databases, removed, since) = match way {
        WayBack::Standby => ("standby", &[][..], &[][..], None),
        WayBack::Instant => ("instant", &[][..], &[][..], None),
        WayBack::LosesWrites(databases) => ("loses-writes", databases.as_slice(), &[][..], None),
        WayBack::Reverse { databases, removed, since } => {
            ("reverse", databases.as_slice(), removed.as_slice(), Some(since))
        }
    };
    json!({
        "way": word,
        "databases": databases,
        "removed": removed,
        "since": since,
        "means": way_back(way, old),
    })
}

/// Says in a sentence, without its full stop, what taking a release back to the stack `old` would mean.
pub(crate) fn way_back(way: &WayBack, old: StackReference) -> String {
    match way {
        WayBack::Standby => format!(
            "production stays on stack {old}, and what the release has changed on stack {} is taken back",
            old.partner()
        ),
        WayBack::Instant => {
            format!("production goes back to stack {old} at once, which was fed all the time")
        }
        WayBack::LosesWrites(databases) => format!(
            "production goes back to stack {old} at once, but with `--accept-data-loss` only: {} of {old} lacks what was \
             written since production moved",
            databases.join(", ")
        ),
        WayBack::Reverse { removed, .. } if !removed.is_empty() => {
            format!("there is no way back to stack {old}: {} has begun", removed.join(", "))
        }
        WayBack::Reverse { databases, since, .. } => {
            let since = humantime::format_rfc3339_seconds(since.0);
            let how = match databases.as_slice() {
                [] => String::new(),
                databases => format!(
                    ", with `--rebuild` or `--accept-data-loss` only: {} of {old} may lack what came since",
                    databases.join(", ")
                ),
            };
            format!(
                "stack {old} is being switched off since {since}: a release in the other direction leads back{how}"
            )
        }
    }
}

/// Says how everything is.
pub(crate) fn text(file: &StackFile, account: &str, status: &Status) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} in {} (account {account})", file.name, file.region);
    let _ = match &status.pointer {
        Some(pointer) => writeln!(
            text,
            "active: {} since {} ({})",
            pointer.active,
            humantime::format_rfc3339_seconds(pointer.since),
            pointer.reason
        ),
        None => writeln!(text, "active: not known; say it with `bluegreen adopt`"),
    };
    let disagree = if status.agrees || status.pointer.is_none() { "" } else { "  <- disagrees" };
    let _ = writeln!(text, "traffic: {}{disagree}", status.traffic);
    match &status.release {
        Some(release) => text.push_str(&release_text(release, status.rollback.as_ref())),
        None => text.push_str("release: none is open\n"),
    }
    if let Some(holder) = &status.holder {
        let since = humantime::format_rfc3339_seconds(holder.since);
        let _ = writeln!(text, "lease: held by {} since {since}", holder.owner);
    }
    for resource in &status.resources {
        let state = resource
            .state
            .clone()
            .or_else(|| resource.error.as_ref().map(|it| format!("not known: {it}")));
        let _ = writeln!(
            text,
            "  {:<24} {}  {}",
            resource.resource,
            resource.stack,
            state.unwrap_or_default()
        );
    }
    text
}

fn release_text(release: &OpenRelease, way: Option<&WayBack>) -> String {
    let mut text = String::new();
    let ended: Vec<String> = release.phases.keys().map(ToString::to_string).collect();
    let _ = writeln!(
        text,
        "release: {} to {} is open since {}; {} steps have succeeded; ended: {}",
        release.id,
        release.target,
        humantime::format_rfc3339_seconds(release.opened.0),
        release.succeeded.len(),
        if ended.is_empty() { "no phase".to_owned() } else { ended.join(", ") }
    );
    let _ = match (&release.going_back, release.phase) {
        (Some(since), _) => {
            let since = humantime::format_rfc3339_seconds(since.0);
            writeln!(
                text,
                "  is being taken back since {since}: `bluegreen retry` goes on with that"
            )
        }
        (None, Some(phase)) => writeln!(text, "  phase: {phase}"),
        (None, None) => writeln!(text, "  phase: none is left"),
    };
    if release.going_back.is_none() && release.until < Phase::Retire {
        let (until, to) = (release.until, release.target);
        let _ = writeln!(
            text,
            "  was asked to go on to `{until}`, as far as `bluegreen retry` goes: `bluegreen deploy --to {to}` does the rest"
        );
    }
    if let Some(reversed) = &release.reverses {
        let _ = writeln!(text, "  leads back from release {reversed}");
    }
    let (what, steps) = match release.going_back {
        Some(_) => ("stuck", &release.stuck),
        None => ("failed", &release.failed),
    };
    for step in steps {
        text.push_str(&step_text(what, step));
    }
    for (name, word) in &release.overrides {
        let at = humantime::format_rfc3339_seconds(word.at.0);
        let _ = writeln!(text, "  passes {name}: {} at {at}, {}", word.who, word.reason);
    }
    if let (None, Some(way)) = (&release.going_back, way) {
        let means = way_back(way, release.target.partner());
        let _ = writeln!(text, "  `bluegreen rollback` now: {means}");
    }
    text
}

/// Says what has become of a step, and what a person can do.
fn step_text(what: &str, entry: &Entry) -> String {
    let Entry { step, attempt, error, .. } = entry;
    let error = error.as_deref().unwrap_or("no reason is known");
    let attempt = match attempt {
        // It has failed before it could act.
        0 => String::new(),
        attempt => format!(" (attempt {attempt})"),
    };
    format!(
        "  {what}: {step}{attempt}: {error}\n    `bluegreen retry` tries again; `bluegreen skip {step} \
         --reason ..` goes on without\n"
    )
}

#[cfg(test)]
mod tests;
