//! Event source mappings: looking at them, switching them, and what of them stays off.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bluegreen_core::{Selection, StackReference};
use bluegreen_lambda::{EventSourceMapping, MappingState};

use super::{
    Item, Lambda, State, Trigger,
    counterpart::{Exchange, source_of},
};
use crate::{Consumer, Context, Result, Source, SourceQueue};

/// How many mappings are switched together: as many as one second's share of calls.
const TOGETHER: usize = 10;

/// Where the mappings of a function take their work from.
pub(super) struct Sources<'a> {
    /// The queues of the stack file, each once.
    pub(super) queues: Vec<&'a Arc<dyn SourceQueue>>,
    /// Whether there are others: streams, queues that the stack file does not name.
    pub(super) others: bool,
}

impl Lambda {
    /// Returns the mappings of the function of `stack`.
    pub(super) async fn mappings(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Arc<Vec<EventSourceMapping>>> {
        let look = async {
            context.limits.lambda.take(self.calls_of_a_look()).await;
            Ok(Arc::new(self.toolkit.list_event_source_mappings(stack).await?))
        };
        self.mappings.of(stack).get(context.round, look).await
    }

    pub(super) async fn sources(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Sources<'_>> {
        let mappings = self.mappings(context, stack).await?;
        let mut queues = BTreeMap::new();
        let mut others = false;
        for mapping in mappings.iter() {
            let arn = mapping.event_source_arn.as_deref();
            match arn.and_then(|it| self.queue(stack, it)) {
                Some(queue) => {
                    queues.insert(queue.name(stack), queue);
                }
                None => others = true,
            }
        }
        Ok(Sources { queues: queues.into_values().collect(), others })
    }

    /// Switches the mappings `names`; one that AWS is at work on is left to the next round. One that AWS
    /// refuses does not keep the others from being switched: the first error is returned at the end.
    pub(super) async fn switch_mappings(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        names: &BTreeSet<String>,
        on: bool,
    ) -> Result<()> {
        let mappings = self.mappings(context, stack).await?;
        let mappings: Vec<EventSourceMapping> =
            mappings.iter().filter(|it| names.contains(&it.uuid)).cloned().collect();
        let mut failure = None;
        for some in mappings.chunks(TOGETHER) {
            let calls = u32::try_from(some.len()).unwrap_or(u32::MAX);
            context.limits.lambda.take(calls).await;
            let some = Selection::Only(some.to_vec());
            let switched = if on {
                self.toolkit.enable_event_mapping(stack, some).await
            } else {
                self.toolkit.disable_event_mapping(stack, some).await
            };
            failure = failure.or(switched.err());
        }
        failure.map_or(Ok(()), |err| Err(err.into()))
    }

    /// Returns the mappings of `stack` on a source whose counterpart has mappings on the partner, but
    /// only such that are off.
    ///
    /// Queues of the stack file correspond by their pair, other sources by their names with those of the
    /// functions exchanged, and a source that both share is its own counterpart.
    pub(super) async fn mappings_off_as_partners(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        partners_off: Option<&BTreeSet<String>>,
    ) -> Result<BTreeSet<String>> {
        let partner = stack.partner();
        let (ours, theirs) =
            tokio::try_join!(self.mappings(context, stack), self.mappings(context, partner))?;

        let mut off_by_source: BTreeMap<String, bool> = BTreeMap::new();
        for mapping in theirs.iter() {
            let Some(arn) = &mapping.event_source_arn else { continue };
            let off = match partners_off {
                Some(names) => names.contains(&mapping.uuid),
                None => {
                    matches!(mapping.state, MappingState::Disabled | MappingState::Disabling)
                }
            };
            off_by_source.entry(source_of(arn)).and_modify(|it| *it &= off).or_insert(off);
        }
        let is_off = |mapping: &&EventSourceMapping| {
            let Some(arn) = mapping.event_source_arn.as_deref() else { return false };
            let source = source_of(arn);
            let candidates = match self.queue(stack, arn) {
                Some(queue) => {
                    let before_name = source.len() - queue.name(stack).len();
                    vec![format!("{}{}", &source[..before_name], queue.name(partner))]
                }
                None => {
                    let (ours, theirs) = (self.function(stack), self.function(partner));
                    Exchange { ours, theirs }.candidates(&source).to_vec()
                }
            };
            candidates.iter().find_map(|it| off_by_source.get(it)).copied().unwrap_or(false)
        };
        Ok(ours.iter().filter(is_off).map(|it| it.uuid.clone()).collect())
    }

    pub(super) async fn mapping_consumers(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Vec<Consumer>> {
        let mappings = self.mappings(context, stack).await?;
        Ok(mappings
            .iter()
            .map(|mapping| Consumer {
                what: self.called(stack, Trigger::Mappings, &mapping.uuid),
                source: match &mapping.event_source_arn {
                    Some(arn) if arn.split(':').nth(2) == Some("sqs") => Source::Queue(arn.clone()),
                    Some(arn) => Source::Other(arn.clone()),
                    None => Source::Other(mapping.uuid.clone()),
                },
                on: mapping.state != MappingState::Disabled,
                kind: self.kinds.mappings,
                turned_off_by: Trigger::Mappings.disable_step(),
            })
            .collect())
    }
}

impl From<&EventSourceMapping> for Item {
    fn from(mapping: &EventSourceMapping) -> Self {
        let state = match &mapping.state {
            MappingState::Enabled => State::On,
            MappingState::Disabled => State::Off,
            MappingState::Enabling => State::Moving("Enabling".to_owned()),
            MappingState::Disabling => State::Moving("Disabling".to_owned()),
            MappingState::Moving(word) => State::Moving(word.clone()),
        };
        Self { name: mapping.uuid.clone(), state }
    }
}
