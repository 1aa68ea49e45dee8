//! The event source mappings of a function: listing and switching them.

use std::collections::BTreeMap;

use bluegreen_core::{Error, Result, Selection, StackReference, Switched};
use futures::future;

use super::{
    AwsLambdaToolkit, Outcome, failed,
    mapping::{is_busy, mapping, refused},
    required, switch_all,
};
use crate::{EventSourceMapping, MappingState};

const LIST: &str = "lambda:ListEventSourceMappings";
const UPDATE: &str = "lambda:UpdateEventSourceMapping";

impl AwsLambdaToolkit {
    pub(super) async fn list_mappings(
        &self,
        stack: StackReference,
    ) -> Result<Vec<EventSourceMapping>> {
        let function = self.known(stack).await?;

        // Whether AWS lists what is on an alias by the bare function too is not documented.
        let on_alias = async {
            match &function.alias_arn {
                Some(arn) => self.list_mappings_of(stack, arn).await,
                None => Ok(Vec::new()),
            }
        };
        let (on_function, on_alias) =
            future::try_join(self.list_mappings_of(stack, &function.arn), on_alias).await?;

        let is_ours = |it: &EventSourceMapping| {
            let arn = it.function_arn.strip_suffix(":$LATEST").unwrap_or(&it.function_arn);
            arn == function.arn || Some(arn) == function.alias_arn.as_deref()
        };
        let by_uuid: BTreeMap<_, _> = on_function
            .into_iter()
            .chain(on_alias)
            .filter(is_ours)
            .map(|it| (it.uuid.clone(), it))
            .collect();
        Ok(by_uuid.into_values().collect())
    }

    async fn list_mappings_of(
        &self,
        stack: StackReference,
        arn: &str,
    ) -> Result<Vec<EventSourceMapping>> {
        let mut found = Vec::new();
        let mut pages =
            self.lambda.list_event_source_mappings().function_name(arn).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|err| failed(LIST, self.label(stack), err))?;
            for it in required(page.event_source_mappings, LIST, "the list of mappings")? {
                found.push(mapping(
                    LIST,
                    it.uuid,
                    it.event_source_arn,
                    it.function_arn,
                    it.batch_size,
                    it.state,
                )?);
            }
        }
        Ok(found)
    }

    pub(super) async fn switch_mappings(
        &self,
        stack: StackReference,
        mappings: Selection<EventSourceMapping>,
        enabled: bool,
    ) -> Result<Switched> {
        let mappings = match mappings {
            Selection::Only(mappings) => mappings,
            Selection::All => {
                let found = self.list_mappings(stack).await?;
                if found.is_empty() {
                    let what = format!("event source mapping of {}", self.label(stack));
                    return Err(Error::NothingFound { what });
                }
                found
            }
        };
        switch_all(mappings.into_iter().map(|it| self.switch_mapping(it, enabled)).collect()).await
    }

    async fn switch_mapping(
        &self,
        mapping: EventSourceMapping,
        enabled: bool,
    ) -> (String, Result<Outcome>) {
        use MappingState::{Disabled, Disabling, Enabled, Enabling, Moving};

        let uuid = mapping.uuid;
        let outcome = match (mapping.state, enabled) {
            (Enabled | Enabling, true) | (Disabled | Disabling, false) => Ok(Outcome::AlreadySo),
            // AWS would refuse it.
            (Disabling, true) | (Enabling, false) | (Moving(_), _) => Ok(Outcome::Busy),
            (Disabled, true) | (Enabled, false) => self.update_mapping(&uuid, enabled).await,
        };
        (uuid, outcome)
    }

    async fn update_mapping(&self, uuid: &str, enabled: bool) -> Result<Outcome> {
        match self.lambda.update_event_source_mapping().uuid(uuid).enabled(enabled).send().await {
            Ok(_) => Ok(Outcome::Changed),
            Err(err) if is_busy(&err) => Ok(Outcome::Busy),
            Err(err) => Err(refused(UPDATE, format!("event source mapping `{uuid}`"), err)),
        }
    }
}

#[cfg(test)]
mod tests;
