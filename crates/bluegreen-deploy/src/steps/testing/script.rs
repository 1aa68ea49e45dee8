//! [`Script`], an outside that answers what it is told to, and remembers what was asked of it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;

use crate::{Command, Ended, Error, HttpAnswer, HttpRequest, Listener, Outside, Result, Verdict};

/// Answers in order; whoever asks for more than there is fails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    answers: VecDeque<Option<HttpAnswer>>,
    ends: VecDeque<(i32, &'static str)>,
    verdict: Option<Verdict>,
    requests: Vec<HttpRequest>,
    commands: Vec<Command>,
}

impl Script {
    /// Answers the next request so, with the header `x-version: 7`.
    pub(crate) fn answers(self, status: u16, body: &str) -> Self {
        let headers = vec![("x-version".to_owned(), "7".to_owned())];
        let answer = HttpAnswer { status, headers, body: body.to_owned() };
        self.0.lock().unwrap().answers.push_back(Some(answer));
        self
    }

    /// Does not answer the next request.
    pub(crate) fn hangs_up(self) -> Self {
        self.0.lock().unwrap().answers.push_back(None);
        self
    }

    /// Ends the next program so, with what it complains about.
    pub(crate) fn ends(self, code: i32, complained: &'static str) -> Self {
        self.0.lock().unwrap().ends.push_back((code, complained));
        self
    }

    /// Has this to say about every approval.
    pub(crate) fn says(self, verdict: Verdict) -> Self {
        self.0.lock().unwrap().verdict = Some(verdict);
        self
    }

    /// Returns the requests so far.
    pub(crate) fn requests(&self) -> Vec<HttpRequest> {
        self.0.lock().unwrap().requests.clone()
    }

    /// Returns the programs that were run so far.
    pub(crate) fn commands(&self) -> Vec<Command> {
        self.0.lock().unwrap().commands.clone()
    }
}

#[async_trait]
impl Outside for Script {
    async fn http(&self, request: HttpRequest) -> Result<HttpAnswer> {
        let mut inside = self.0.lock().unwrap();
        let url = request.shown();
        inside.requests.push(request);
        let answer = inside.answers.pop_front().expect("no more requests");
        answer.ok_or_else(|| Error::Unanswered { url, source: "connection refused".into() })
    }

    async fn run(&self, command: &Command, listener: &dyn Listener) -> Result<Ended> {
        listener.started(4711).await?;
        listener.wrote("");
        listener.wrote("40 %");
        let mut inside = self.0.lock().unwrap();
        inside.commands.push(command.clone());
        let (code, complained) = inside.ends.pop_front().expect("no more programs");
        Ok(Ended {
            code: Some(code),
            how: format!("exit status: {code}"),
            printed: String::new(),
            complained: complained.to_owned(),
        })
    }

    async fn verdict(&self, _name: &str) -> Result<Option<Verdict>> {
        Ok(self.0.lock().unwrap().verdict.clone())
    }
}
