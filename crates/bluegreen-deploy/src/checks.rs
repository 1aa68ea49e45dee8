//! What only a look at AWS shows to be wrong with a stack file, found before anything starts.

use std::{collections::BTreeMap, sync::Arc};

use bluegreen_core::{Arn, StackReference};

use crate::{
    Consumer, Context, Declaration, Resource, Result, Source, SourceQueue,
    stack_file::{ConsumerKind, Feed},
};

/// Returns why the stack file cannot be deployed, each reason with the lines it is about: a queue or rule
/// that feeds both stacks, an exclusive consumer on a fan-out queue, and a mapping on a stream consumer
/// that `retire` would remove.
pub(crate) async fn refusals(
    resources: &[Arc<dyn Resource>],
    queues: &[Arc<dyn SourceQueue>],
    context: &Context<'_>,
) -> Result<Vec<String>> {
    let mut consumers = Vec::new();
    for stack in StackReference::BOTH {
        for resource in resources {
            match resource.consumers(context, stack).await {
                Ok(found) => {
                    consumers
                        .extend(found.into_iter().map(|it| (stack, resource.declaration(), it)));
                }
                // The resource's own steps report what is missing.
                Err(err) if err.is_absent() => {}
                Err(err) => return Err(err),
            }
        }
    }
    let mut refusals = on_both_stacks(&consumers);
    refusals.extend(crossed(&consumers, queues));
    refusals.extend(exclusive_on_fan_out(&consumers, queues));
    refusals.extend(on_removed_stream_consumers(&consumers, resources));
    Ok(refusals)
}

type Found<'a> = (StackReference, &'a Declaration, Consumer);

fn on_both_stacks(consumers: &[Found<'_>]) -> Vec<String> {
    let mut by_source: BTreeMap<&Source, Vec<&Found<'_>>> = BTreeMap::new();
    for found in consumers {
        if !matches!(found.2.source, Source::Other(_)) {
            by_source.entry(&found.2.source).or_default().push(found);
        }
    }
    let mut refusals = Vec::new();
    for (source, users) in by_source {
        let on = |stack| users.iter().find(move |it| it.0 == stack);
        let (Some(a), Some(b)) = (on(StackReference::A), on(StackReference::B)) else { continue };
        let (what, why) = match source {
            Source::Queue(arn) => {
                (format!("queue `{}`", name(arn)), "its messages would go to either")
            }
            Source::Rule(label) | Source::Other(label) => {
                (format!("rule `{label}`"), "switching it would switch both")
            }
        };
        refusals.push(format!(
            "{what} feeds {} of stack a ([{}], line {}) and {} of stack b ([{}], line {}): {why}; give \
             each stack its own",
            a.2.what,
            a.1.key(),
            a.1.line,
            b.2.what,
            b.1.key(),
            b.1.line,
        ));
    }
    refusals
}

/// A consumer of one stack that reads the other stack's queue: whatever is done to either is wrong.
fn crossed(consumers: &[Found<'_>], queues: &[Arc<dyn SourceQueue>]) -> Vec<String> {
    let mut refusals = Vec::new();
    for (stack, declaration, consumer) in consumers {
        let Source::Queue(arn) = &consumer.source else { continue };
        let queue = name(arn);
        if queues.iter().any(|it| it.name(stack.partner()) == queue) {
            refusals.push(format!(
                "{} of stack {stack} ([{}], line {}) reads queue `{queue}`, which is stack {}'s: the two \
                 sides of one of the tables are exchanged",
                consumer.what,
                declaration.key(),
                declaration.line,
                stack.partner(),
            ));
        }
    }
    refusals
}

fn exclusive_on_fan_out(consumers: &[Found<'_>], queues: &[Arc<dyn SourceQueue>]) -> Vec<String> {
    let mut refusals = Vec::new();
    for (stack, declaration, consumer) in consumers {
        let Source::Queue(arn) = &consumer.source else { continue };
        let fed_twice =
            queues.iter().any(|it| it.feed() == Feed::FanOut && it.name(*stack) == name(arn));
        if consumer.kind == ConsumerKind::Exclusive && fed_twice {
            refusals.push(format!(
                "{} ([{}], line {}) is exclusive, but its queue `{}` has `feed = \"fan-out\"`: it has \
                 buffered what the other stack's consumer handled already; make the consumer `mirror`, or \
                 feed it from a `work` queue",
                consumer.what,
                declaration.key(),
                declaration.line,
                name(arn),
            ));
        }
    }
    refusals
}

fn on_removed_stream_consumers(
    consumers: &[Found<'_>],
    resources: &[Arc<dyn Resource>],
) -> Vec<String> {
    let mut refusals = Vec::new();
    for (_, declaration, consumer) in consumers {
        let Source::Other(arn) = &consumer.source else { continue };
        for resource in resources {
            if let Some(removed) = resource.removes_stream_consumer(arn) {
                let kinesis = resource.declaration();
                refusals.push(format!(
                    "{} ([{}], line {}) reads stream consumer `{removed}`, which [{}] (line {}) \
                     deregisters: registered again it has another ARN, and the mapping is broken; say \
                     `retire = \"keep\"` there",
                    consumer.what,
                    declaration.key(),
                    declaration.line,
                    kinesis.key(),
                    kinesis.line,
                ));
            }
        }
    }
    refusals
}

fn name(arn: &str) -> String {
    arn.parse::<Arn>().map_or_else(|_| arn.to_owned(), |it| it.name().to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use bluegreen_core::StackReference::A;

    use super::*;
    use crate::{
        Messages, Step,
        steps::testing::{World, declaration},
    };

    const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:ingest-b";
    const STREAM_CONSUMER: &str =
        "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks/consumer/clicks-b:1";

    #[derive(Debug)]
    struct Fed {
        declaration: Declaration,
        a: Vec<Source>,
        b: Vec<Source>,
        kind: ConsumerKind,
        removes: Option<&'static str>,
    }

    #[async_trait]
    impl Resource for Fed {
        fn declaration(&self) -> &Declaration {
            &self.declaration
        }

        fn steps(self: Arc<Self>, _to: StackReference) -> Vec<Arc<dyn Step>> {
            Vec::new()
        }

        async fn consumers(&self, _: &Context<'_>, stack: StackReference) -> Result<Vec<Consumer>> {
            let sources = if stack == A { &self.a } else { &self.b };
            let consumer = |source: &Source| Consumer {
                what: format!("mapping of `ingest-{stack}`"),
                source: source.clone(),
                on: false,
                kind: self.kind,
                turned_off_by: "lambda.disable-mappings",
            };
            Ok(sources.iter().map(consumer).collect())
        }

        fn look_permissions(&self, _stack: StackReference) -> Vec<crate::Permission> {
            Vec::new()
        }

        fn removes_stream_consumer(&self, arn: &str) -> Option<String> {
            self.removes.filter(|it| *it == arn).map(|_| "clicks-b".to_owned())
        }

        async fn summary(&self, _: &Context<'_>, _: StackReference) -> Result<String> {
            Ok(String::new())
        }

        async fn identity(&self, _: &Context<'_>, _: StackReference) -> Result<String> {
            Ok(String::new())
        }
    }

    #[derive(Debug)]
    struct Queue(Feed);

    #[async_trait]
    impl SourceQueue for Queue {
        fn name(&self, stack: StackReference) -> &str {
            if stack == A { "ingest-a" } else { "ingest-b" }
        }

        fn feed(&self) -> Feed {
            self.0
        }

        fn drained_for(&self) -> Duration {
            Duration::ZERO
        }

        async fn messages(&self, _: &Context<'_>, _: StackReference) -> Result<Messages> {
            Ok(Messages { total: 0, in_flight: 0 })
        }
    }

    fn fed(a: &[Source], b: &[Source]) -> Fed {
        let declaration = Declaration { line: 7, ..declaration("lambda", "ingest") };
        Fed { declaration, a: a.to_vec(), b: b.to_vec(), kind: ConsumerKind::Mirror, removes: None }
    }

    async fn check(resources: Vec<Fed>, queues: &[Feed]) -> Vec<String> {
        let resources: Vec<Arc<dyn Resource>> =
            resources.into_iter().map(|it| Arc::new(it) as Arc<dyn Resource>).collect();
        let queues: Vec<Arc<dyn SourceQueue>> =
            queues.iter().map(|it| Arc::new(Queue(*it)) as Arc<dyn SourceQueue>).collect();
        let world = World::new(A);
        refusals(&resources, &queues, &world.context()).await.unwrap()
    }

    fn queue(arn: &str) -> Source {
        Source::Queue(arn.to_owned())
    }

    #[tokio::test]
    async fn a_queue_that_feeds_both_stacks_is_refused_with_the_lines() {
        let found = check(vec![fed(&[queue(QUEUE)], &[queue(QUEUE)])], &[]).await;

        assert_eq!(found.len(), 1);
        assert!(found[0].contains("queue `ingest-b`") && found[0].contains("line 7"), "{found:?}");
    }

    #[tokio::test]
    async fn a_rule_that_feeds_functions_of_both_stacks_is_refused() {
        let rule = Source::Rule("default/nightly".to_owned());

        let found =
            check(vec![fed(std::slice::from_ref(&rule), &[]), fed(&[], &[rule])], &[]).await;

        assert_eq!(found.len(), 1);
        assert!(found[0].contains("rule `default/nightly`"), "{found:?}");
    }

    #[tokio::test]
    async fn a_stream_that_both_stacks_read_is_fine() {
        let stream = Source::Other("arn:aws:kinesis:eu-west-1:1:stream/clicks".to_owned());

        assert!(
            check(vec![fed(std::slice::from_ref(&stream), std::slice::from_ref(&stream))], &[])
                .await
                .is_empty()
        );
    }

    #[tokio::test]
    async fn an_exclusive_consumer_of_a_fan_out_queue_is_refused_and_of_a_work_queue_fine() {
        let exclusive = || vec![Fed { kind: ConsumerKind::Exclusive, ..fed(&[], &[queue(QUEUE)]) }];

        let found = check(exclusive(), &[Feed::FanOut]).await;

        assert!(
            found.len() == 1 && found[0].contains("`ingest-b` has `feed = \"fan-out\"`"),
            "{found:?}"
        );
        assert!(check(exclusive(), &[Feed::Work]).await.is_empty());
    }

    #[tokio::test]
    async fn a_consumer_that_reads_the_other_stacks_queue_is_refused() {
        let found = check(vec![fed(&[queue(QUEUE)], &[])], &[Feed::FanOut]).await;

        assert_eq!(found.len(), 1);
        assert!(found[0].contains("reads queue `ingest-b`, which is stack b's"), "{found:?}");
    }

    #[tokio::test]
    async fn a_mapping_on_a_stream_consumer_that_is_deregistered_is_refused() {
        let mapping = fed(&[], &[Source::Other(STREAM_CONSUMER.to_owned())]);
        let removing = Fed { removes: Some(STREAM_CONSUMER), ..fed(&[], &[]) };

        let found = check(vec![mapping, removing], &[]).await;

        assert!(found.len() == 1 && found[0].contains("`clicks-b`"), "{found:?}");
    }
}
