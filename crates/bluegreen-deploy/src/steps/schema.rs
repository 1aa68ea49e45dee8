//! [`Schema`], the steps of a table `[schema.name]`: a database is reset, then filled.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen_core::StackReference;

use super::job::{Job, RunJob};
use crate::{
    Context, Declaration, Effect, Permission, Resource, Result, Step, StepId,
    stack_file::{self, SchemaSettings},
};

/// What resets the database of a stack, and what fills it.
#[derive(Debug)]
pub(crate) struct Schema {
    declaration: Declaration,
    /// The jobs, each with its step's name and how long it may take.
    jobs: Vec<(&'static str, Arc<dyn Job>, Duration)>,
}

impl Schema {
    /// Makes the resource that the stack file declares, with these jobs for its steps.
    pub(crate) fn new(
        resource: &stack_file::Resource<SchemaSettings>,
        reset: Option<Arc<dyn Job>>,
        hydrate: Option<Arc<dyn Job>>,
    ) -> Self {
        let settings = &resource.settings;
        let jobs = [
            ("schema.reset", reset, &settings.reset),
            ("schema.hydrate", hydrate, &settings.hydrate),
        ];
        let jobs = jobs
            .into_iter()
            .filter_map(|(name, job, settings)| Some((name, job?, settings.as_ref()?.deadline)));
        Self { declaration: Declaration::new("schema", resource), jobs: jobs.collect() }
    }

    fn wanted(&self) -> impl Iterator<Item = &(&'static str, Arc<dyn Job>, Duration)> {
        self.jobs.iter().filter(|(name, ..)| !self.declaration.skip.contains(*name))
    }
}

#[async_trait]
impl Resource for Schema {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, to: StackReference) -> Vec<Arc<dyn Step>> {
        let step = |(name, job, deadline): &(&str, Arc<dyn Job>, Duration)| {
            Arc::new(RunJob {
                id: StepId::new(name, &self.declaration.name, to),
                job: Arc::clone(job),
                effect: Effect::Destroys(to),
                deadline: *deadline,
            }) as Arc<dyn Step>
        };
        self.jobs.iter().map(step).collect()
    }

    async fn look_for(&self, _context: &Context<'_>, stack: StackReference) -> Result<()> {
        for (_, job, _) in self.wanted() {
            job.look_for(stack).await?;
        }
        Ok(())
    }

    fn look_permissions(&self, stack: StackReference) -> Vec<Permission> {
        self.wanted().flat_map(|(_, job, _)| job.look_permissions(stack)).collect()
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

#[cfg(test)]
mod tests;
