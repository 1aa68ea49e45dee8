//! [`SimulatedOutside`], which stands for everything that a simulated account is not: services, programs, people.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Command, Ended, HttpAnswer, HttpRequest, Listener, Outside, Result, Verdict,
    stack_file::{HttpTest, StackFile, TestKind},
};

/// Lets every test of a stack file pass: services answer as is expected of them, programs end well, and people
/// approve. Nothing is sent or run.
#[derive(Clone, Debug)]
pub struct SimulatedOutside {
    /// The tests by HTTP, by URL.
    tests: BTreeMap<String, HttpTest>,
}

impl SimulatedOutside {
    /// Makes what passes the tests of `file`.
    pub fn new(file: &StackFile) -> Self {
        let mut tests = BTreeMap::new();
        for test in &file.tests {
            if let TestKind::Http(http) = &test.kind {
                for stack in StackReference::BOTH {
                    tests.insert(http.url.of(stack).to_owned(), http.clone());
                }
            }
        }
        Self { tests }
    }
}

#[async_trait]
impl Outside for SimulatedOutside {
    async fn http(&self, request: HttpRequest) -> Result<HttpAnswer> {
        let test = self.tests.get(&request.url);
        Ok(HttpAnswer {
            status: test.and_then(|it| it.expect_status).unwrap_or(200),
            headers: test.map(|it| it.expect_headers.clone()).unwrap_or_default(),
            body: test.and_then(|it| it.expect_body.clone()).unwrap_or_default(),
        })
    }

    async fn run(&self, _command: &Command, _listener: &dyn Listener) -> Result<Ended> {
        Ok(Ended {
            code: Some(0),
            how: "exit status: 0".to_owned(),
            printed: String::new(),
            complained: String::new(),
        })
    }

    async fn verdict(&self, _name: &str) -> Result<Option<Verdict>> {
        Ok(Some(Verdict { approved: true, who: "the rehearsal".to_owned(), reason: None }))
    }
}
