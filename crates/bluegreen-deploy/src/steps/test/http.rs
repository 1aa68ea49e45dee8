//! `test.http`: a service answers as it should.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::not_yet;
use crate::{
    Context, Effect, Error, HttpAnswer, HttpRequest, Inspection, Permission, Result, Step, StepId,
    chain, command::quoted, stack_file::HttpTest,
};

/// Asks as often as it may, at the pace of looking, until the answer is good.
#[derive(Debug)]
pub(super) struct Http {
    id: StepId,
    test: HttpTest,
    deadline: Duration,
    /// How many tries there were since its turn came.
    tries: Mutex<u32>,
}

impl Http {
    pub(super) fn new(id: StepId, test: &HttpTest, deadline: Duration) -> Self {
        Self { id, test: test.clone(), deadline, tries: Mutex::default() }
    }

    async fn ask(&self, context: &Context<'_>) -> Result<()> {
        let request = HttpRequest {
            url: self.test.url.of(self.id.stack).to_owned(),
            headers: self.test.headers.0.clone(),
            timeout: self.test.timeout,
        };
        let what = format!("`{}`", request.shown());
        let answer = context.http(request).await?;
        match complaint(&self.test, &answer) {
            None => Ok(()),
            Some(complaint) => {
                let body = match quoted(&answer.body) {
                    body if body.is_empty() => "an empty body".to_owned(),
                    body => body,
                };
                Err(Error::Gate { what, reason: format!("{complaint}: {body}") })
            }
        }
    }

    fn count(&self) -> u32 {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        *tries = tries.saturating_add(1);
        *tries
    }
}

#[async_trait]
impl Step for Http {
    fn id(&self) -> StepId {
        self.id.clone()
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    fn begin(&self) {
        *self.tries.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        if !context.is_turn() {
            return Ok(not_yet());
        }
        match self.ask(context).await {
            Ok(()) => Ok(Inspection::Done),
            Err(err @ Error::LeaseLost { .. }) => Err(err),
            Err(err) if self.count() >= self.test.tries => Err(err),
            Err(err) => Ok(Inspection::Underway { what: format!("another try: {}", chain(&err)) }),
        }
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn deadline(&self) -> Option<Duration> {
        Some(self.deadline)
    }

    fn permissions(&self) -> Vec<Permission> {
        Vec::new()
    }
}

/// Returns what is wrong with an answer.
fn complaint(test: &HttpTest, answer: &HttpAnswer) -> Option<String> {
    let status = answer.status;
    match test.expect_status {
        Some(expected) if expected != status => {
            return Some(format!("answered {status} instead of {expected}"));
        }
        None if !(200..300).contains(&status) => return Some(format!("answered {status}")),
        _ => {}
    }
    for (name, expected) in &test.expect_headers {
        let mut found = answer.headers.iter().filter(|it| it.0.eq_ignore_ascii_case(name));
        if !found.any(|it| it.1 == *expected) {
            return Some(format!("answered {status} without the header `{name}: {expected}`"));
        }
    }
    let expected = test.expect_body.as_ref()?;
    (!answer.body.contains(expected))
        .then(|| format!("answered {status}, but `{}` is not in the body", quoted(expected)))
}

#[cfg(test)]
mod tests;
