//! `bluegreen history` and `show`: the releases that there were, and what happened in one of them.

use std::{fmt::Write, time::SystemTime};

use bluegreen_core::Error as CoreError;
use bluegreen_deploy::{Error, Release, Store};
use serde_json::{Value, json};

use crate::{
    exit::Exit,
    output::{self, Failure},
    session::Session,
    timeline,
};

impl Session<'_> {
    /// Lists all releases, the latest last.
    pub(crate) async fn history(&self) -> Result<Exit, Failure> {
        let store = self.read_store().await?;
        let mut releases = store.releases().await?;
        releases.sort_by(|one, other| one.id.cmp(&other.id));
        if self.cli.json {
            let releases: Vec<Value> = releases.iter().map(line_document).collect();
            output::document("history", json!({ "outcome": "done", "releases": releases }));
        } else {
            print!("{}", history_text(&releases, self.clock.now()));
        }
        Ok(Exit::Done)
    }

    /// Shows what happened in a release.
    pub(crate) async fn show(&self, wanted: &str) -> Result<Exit, Failure> {
        let store = self.read_store().await?;
        let id = self.find(&store, wanted).await?;
        let release = store.past(&id).await?.ok_or_else(|| self.absent(&store, wanted))?;
        if self.cli.json {
            output::document("show", release_document(&release));
        } else {
            print!("{}", timeline::text(&release, self.clock.now()));
        }
        Ok(Exit::Done)
    }

    /// Returns the id of the release that is meant.
    async fn find(&self, store: &Store, wanted: &str) -> Result<String, Failure> {
        if wanted == "open" {
            let open = store.release().map(|it| it.id.clone());
            return open.ok_or_else(|| Failure::Engine(Error::refused("no release is open")));
        }
        let releases = store.releases().await?;
        let ids: Vec<String> =
            releases.into_iter().map(|it| it.id).filter(|it| it.starts_with(wanted)).collect();
        match ids.as_slice() {
            [id] => Ok(id.clone()),
            [] => Err(self.absent(store, wanted)),
            // The whole id of one may be the beginning of another's.
            ids if ids.iter().any(|it| it == wanted) => Ok(wanted.to_owned()),
            ids => Err(Failure::Usage(format!(
                "`{wanted}` may be one of {}: say more of it",
                ids.join(", ")
            ))),
        }
    }

    fn absent(&self, store: &Store, wanted: &str) -> Failure {
        let resource = format!("release `{wanted}` in `{}`", store.place());
        Failure::Engine(Error::Toolkit(CoreError::NotFound { resource }))
    }
}

fn history_text(releases: &[Release], now: SystemTime) -> String {
    if releases.is_empty() {
        return "there was no release yet\n".to_owned();
    }
    let mut text = String::new();
    for release in releases {
        let _ = writeln!(
            text,
            "{}  to {}  {}  {:>8}  {:<10}  {}{}",
            release.id,
            release.target,
            humantime::format_rfc3339_seconds(release.opened),
            output::duration(timeline::took(release, now)),
            timeline::outcome(release),
            release.by,
            release.reverses.as_ref().map_or_else(String::new, |it| format!("  (back from {it})"))
        );
    }
    text
}

fn line_document(release: &Release) -> Value {
    let took = release.ended.as_ref().map(|it| {
        let took = it.at.0.duration_since(release.opened).unwrap_or_default();
        u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
    });
    json!({
        "id": release.id,
        "target": release.target,
        "opened": humantime::format_rfc3339(release.opened).to_string(),
        "ended": release.ended.as_ref().map(|it| it.at),
        "took-ms": took,
        "outcome": timeline::outcome(release),
        "by": release.by,
        "reverses": release.reverses,
    })
}

fn release_document(release: &Release) -> Value {
    let head = json!({
        "outcome": "done",
        "release": release.id,
        "entries": release.journal.entries(),
        "verdicts": release.verdicts(),
    });
    output::merged(head, release)
}
