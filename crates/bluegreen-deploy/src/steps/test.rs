//! [`Test`], the step of a table `[test.name]`: a gate before production moves.

#[cfg(feature = "cloudwatch")]
pub(crate) mod alarms;
mod approve;
mod command;
#[cfg(feature = "http")]
mod http;

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::StackReference;

use super::job::{Job, RunJob};
use crate::{
    Context, Declaration, Effect, Inspection, Permission, Resource, Result, Step, StepId,
    stack_file::TestSettings,
};

/// A test of the stack to come.
#[derive(Debug)]
pub(crate) struct Test {
    declaration: Declaration,
    settings: TestSettings,
    kind: Kind,
}

/// What a test does, with what it takes.
#[derive(Debug)]
pub(crate) enum Kind {
    /// It asks a service by HTTP.
    #[cfg(feature = "http")]
    Http(crate::stack_file::HttpTest),
    /// It runs something once.
    #[cfg_attr(not(feature = "lambda"), expect(dead_code, reason = "only functions are run so"))]
    Lambda(Arc<dyn Job>),
    /// It runs a program.
    Command(Vec<String>),
    /// It watches alarms.
    #[cfg(feature = "cloudwatch")]
    Alarms(Arc<alarms::Watched>),
    /// It asks a person.
    Approve(String),
}

impl Test {
    /// Makes the test that the stack file declares.
    pub(crate) fn new(settings: &TestSettings, kind: Kind) -> Self {
        let declaration = Declaration {
            service: "test",
            name: settings.name.clone(),
            line: settings.line,
            skip: Default::default(),
            after: None,
            optional: false,
            settings: settings.written.clone(),
        };
        Self { declaration, settings: settings.clone(), kind }
    }

    fn step(&self, to: StackReference) -> Arc<dyn Step> {
        let TestSettings { name, deadline, .. } = &self.settings;
        let (deadline, id) = (*deadline, |step| StepId::new(step, name, to));
        match &self.kind {
            #[cfg(feature = "http")]
            Kind::Http(test) => Arc::new(http::Http::new(id("test.http"), test, deadline)),
            Kind::Lambda(job) => Arc::new(RunJob {
                id: id("test.lambda"),
                job: Arc::clone(job),
                effect: Effect::Harmless,
                deadline,
            }),
            Kind::Command(words) => {
                Arc::new(command::Command::new(id("test.command"), words, deadline))
            }
            #[cfg(feature = "cloudwatch")]
            Kind::Alarms(watched) => {
                Arc::new(alarms::Bake::new(id("test.alarms"), Arc::clone(watched), deadline))
            }
            Kind::Approve(sentence) => Arc::new(approve::Approve {
                id: id("test.approve"),
                sentence: sentence.clone(),
                deadline,
            }),
        }
    }
}

#[async_trait]
impl Resource for Test {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, to: StackReference) -> Vec<Arc<dyn Step>> {
        vec![self.step(to)]
    }

    async fn look_for(&self, _context: &Context<'_>, stack: StackReference) -> Result<()> {
        match &self.kind {
            Kind::Lambda(job) => job.look_for(stack).await,
            #[cfg(feature = "cloudwatch")]
            Kind::Alarms(watched) => watched.look(stack).await.map(|_| ()),
            _ => Ok(()),
        }
    }

    fn look_permissions(&self, stack: StackReference) -> Vec<Permission> {
        match &self.kind {
            Kind::Lambda(job) => job.look_permissions(stack),
            #[cfg(feature = "cloudwatch")]
            Kind::Alarms(_) => alarms::permissions(),
            _ => Vec::new(),
        }
    }

    fn has_status(&self) -> bool {
        false
    }

    async fn identity(&self, _context: &Context<'_>, _stack: StackReference) -> Result<String> {
        Ok(self.declaration.key())
    }

    async fn summary(&self, _context: &Context<'_>, _stack: StackReference) -> Result<String> {
        Ok("run by a release".to_owned())
    }
}

/// What a gate says before its turn: what it would test is not there yet.
fn not_yet() -> Inspection {
    Inspection::Unknown { after: "prepare".to_owned() }
}

#[cfg(test)]
mod tests;
