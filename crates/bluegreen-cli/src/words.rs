//! What a person says about the open release: `bluegreen skip`, `override`, `approve`, `reject`.

use bluegreen_deploy::{Error, Store};
use serde_json::json;

use crate::{
    back::rest,
    exit::Exit,
    output::{self, Failure},
    session::Session,
};

impl Session<'_> {
    /// Lets the open release go on without a step.
    pub(crate) async fn skip(&self, step: &str, reason: &str) -> Result<Exit, Failure> {
        let id = self.open_release().await?;
        self.confirm(&format!("Let release {id} go on without `{step}`?"))?;
        let (step, rest) = self
            .in_store(async |store: &Store| {
                let Some(release) = store.release() else { return Err(none_open()) };
                let plan = self.engine.plan_of(&release)?;
                Ok((self.engine.skip(store, &plan, step, reason).await?, rest(&release)))
            })
            .await?;
        if self.cli.json {
            let body = json!({ "outcome": "done", "release": id, "step": step, "reason": reason });
            output::document("skip", body);
        } else {
            println!("release {id} goes on without {step}: `bluegreen retry` goes on with it");
            self.tell(rest);
        }
        Ok(Exit::Done)
    }

    /// Lets the open release pass a guardrail.
    pub(crate) async fn let_pass(&self, name: &str, reason: &str) -> Result<Exit, Failure> {
        let id = self.open_release().await?;
        self.confirm(&format!("Let release {id} pass the guardrail `{name}` until it ends?"))?;
        let rest = self
            .in_store(async |store: &Store| {
                self.engine.override_guardrail(store, name, reason).await?;
                Ok(store.release().and_then(|it| rest(&it)))
            })
            .await?;
        if self.cli.json {
            let body =
                json!({ "outcome": "done", "release": id, "guardrail": name, "reason": reason });
            output::document("override", body);
        } else {
            println!(
                "release {id} passes `{name}` until it ends: `bluegreen retry` goes on with it"
            );
            self.tell(rest);
        }
        Ok(Exit::Done)
    }

    /// Gives a person's verdict on a gate. Only what lets it through is asked about.
    pub(crate) async fn judge(
        &self,
        gate: Option<&str>,
        approved: bool,
        reason: &str,
    ) -> Result<Exit, Failure> {
        let id = self.open_release().await?;
        if approved {
            let which = gate.map_or_else(|| "the gate".to_owned(), |it| format!("the gate `{it}`"));
            self.confirm(&format!("Let release {id} through {which}?"))?;
        }
        let (gate, rest) = self
            .in_store(async |store: &Store| {
                let Some(release) = store.release() else { return Err(none_open()) };
                let plan = self.engine.plan_of(&release)?;
                let gate = self.engine.judge(store, &plan, gate, approved, reason).await?;
                Ok((gate, rest(&release)))
            })
            .await?;
        if self.cli.json {
            let body = json!({
                "outcome": "done",
                "release": id,
                "step": gate,
                "approved": approved,
                "reason": reason,
            });
            output::document(self.cli.command.name(), body);
        } else {
            let verdict = if approved { "approved" } else { "rejected" };
            println!("{gate} is {verdict}: `bluegreen retry` goes on with release {id}");
            self.tell(rest);
        }
        Ok(Exit::Done)
    }

    /// Says what else there is to say about how the release goes on.
    fn tell(&self, rest: Option<String>) {
        if let Some(rest) = rest {
            println!("{rest}");
        }
    }

    /// Returns the id of the open release.
    async fn open_release(&self) -> Result<String, Failure> {
        let store = self.read_store().await?;
        store.release().map(|it| it.id.clone()).ok_or_else(none_open)
    }
}

fn none_open() -> Failure {
    Failure::Engine(Error::refused("no release is open"))
}
