//! `bluegreen rollback` and `retry`: back, and on.

use bluegreen_deploy::{
    Entry, Error, Outcome, Phase, Plan, Release, Report, Reversal, Store, WayBack,
};

use crate::{
    exit::Exit,
    output::{self, Failure},
    session::Session,
    status,
};

impl Session<'_> {
    /// Takes the open release back; where it has begun to switch the old stack off, by a release in the other
    /// direction.
    pub(crate) async fn rollback(
        &self,
        accept_data_loss: bool,
        rebuild: bool,
    ) -> Result<Exit, Failure> {
        let store = self.read_store().await?;
        let Some(release) = store.release() else {
            return Err(Failure::Engine(Error::refused(
                "no release is open: `bluegreen deploy` to the other stack is the way back",
            )));
        };
        let plan = self.engine.plan_of(&release)?;
        let way = self.engine.way_back(&store, &release, &plan);
        let is_reverse = release.going_back.is_none() && matches!(way, WayBack::Reverse { .. });
        if rebuild && !is_reverse {
            return Err(Failure::Engine(Error::refused(format!(
                "release {} has not begun to switch stack {} off: without `--rebuild` it is taken back",
                release.id,
                release.target.partner()
            ))));
        }
        self.confirm(&question(&release, &plan, &way))?;
        drop(store);

        let how = match (rebuild, accept_data_loss) {
            (true, _) => Some(Reversal::Rebuilt),
            (false, true) => Some(Reversal::AsItIs),
            (false, false) => None,
        };
        let report = self
            .in_store(async |store: &Store| {
                let open = store.release().filter(|it| it.id == release.id).ok_or_else(|| {
                    Failure::Engine(Error::refused(format!(
                        "release {} has ended in the meantime: see `bluegreen status`",
                        release.id
                    )))
                })?;
                let plan = self.engine.plan_of(&open)?;
                Ok(if is_reverse {
                    self.engine.reverse(store, &plan, how).await?
                } else {
                    self.engine.rollback(store, &plan, accept_data_loss).await?
                })
            })
            .await?;
        Ok(self.ended(&report))
    }

    /// Goes on with the open release where it stopped, as far as somebody has asked it to go. With a `step`, only if that
    /// has failed.
    pub(crate) async fn retry(&self, step: Option<&str>) -> Result<Exit, Failure> {
        let (report, rest) = self
            .in_store(async |store: &Store| {
                let Some(release) = store.release() else {
                    return Err(Failure::Engine(Error::refused("no release is open")));
                };
                if let Some(step) = step {
                    has_failed(&release, step)?;
                }
                let plan = self.engine.plan_of(&release)?;
                let report = match release.going_back {
                    // What is lost was accepted when that began.
                    Some(_) => self.engine.rollback(store, &plan, false).await?,
                    None => self.engine.deploy(store, &plan, release.until).await?,
                };
                let ended_there = report.outcome == Outcome::Done && store.release().is_some();
                Ok((report, rest(&release).filter(|_| ended_there)))
            })
            .await?;
        let exit = self.ended(&report);
        if let Some(rest) = rest {
            eprintln!("{rest}");
        }
        Ok(exit)
    }

    /// Prints what came of it. Taken back is what was asked for.
    fn ended(&self, report: &Report) -> Exit {
        output::report(self.cli, report);
        match report.outcome {
            Outcome::TakenBack => Exit::Done,
            outcome => outcome.into(),
        }
    }
}

/// Says that `retry` does not go on to the end, if nobody has asked for that, and what does.
pub(crate) fn rest(release: &Release) -> Option<String> {
    let Release { id, target, until, .. } = release;
    (*until < Phase::Retire && release.going_back.is_none()).then(|| {
        format!(
            "release {id} was asked to go on to `{until}`, and `bluegreen retry` goes no further: \
             `bluegreen deploy --to {target}` does the rest"
        )
    })
}

/// Asks whether a release is to be taken back, and says what that means.
fn question(release: &Release, plan: &Plan, way: &WayBack) -> String {
    let changed = release.journal.changed();
    let lost: Vec<String> = plan
        .steps()
        .iter()
        .map(|it| &it.step)
        .filter(|it| it.undo().is_none() && changed.contains(&it.id().key()))
        .map(|it| it.id().to_string())
        .collect();
    let but = match lost.as_slice() {
        [] => String::new(),
        lost => format!(" What cannot be taken back: {}.", lost.join(", ")),
    };
    let means = status::way_back(way, release.target.partner());
    format!("Take release {} to {} back? Now that means: {means}.{but}", release.id, release.target)
}

/// Refuses a step that has not failed, naming those that have.
fn has_failed(release: &Release, step: &str) -> Result<(), Error> {
    let failed: Vec<&Entry> = match release.going_back {
        Some(_) => release.journal.stuck(),
        None => release.journal.failed(),
    };
    if failed.iter().any(|it| is_called(&it.step, step)) {
        return Ok(());
    }
    let failed: Vec<&str> = failed.iter().map(|it| it.step.as_str()).collect();
    let those = match failed.as_slice() {
        [] => "none has".to_owned(),
        failed => failed.join(", "),
    };
    Err(Error::refused(format!(
        "`{step}` has not failed in release {} ({those}): `bluegreen retry` without a step goes on where it stopped",
        release.id
    )))
}

/// Returns whether a person may call the step with this key so: by its name, with the resource, or in full.
fn is_called(key: &str, name: &str) -> bool {
    let is_start = key.strip_prefix(name).is_some_and(|it| it.starts_with('/'));
    key == name || (is_start && !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_called_by_its_name_with_its_resource_or_in_full() {
        let called = |name| is_called("ecs.enable/worker/b", name);

        assert!(
            called("ecs.enable") && called("ecs.enable/worker") && called("ecs.enable/worker/b")
        );
        assert!(!called("ecs") && !called("ecs.enable/work") && !called("worker") && !called(""));
    }
}
