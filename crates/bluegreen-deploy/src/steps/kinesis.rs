//! The steps of Kinesis stream consumers: `kinesis.register` before the move and `kinesis.deregister`
//! after it.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::{Pair, StackReference};
use bluegreen_kinesis::{Consumer, ConsumerStatus, KinesisToolkit};

use crate::{
    Context, Declaration, Effect, Inspection, Permission, Resource, Result, Shared, Step, StepId,
    Wildcard,
    stack_file::{self, KinesisSettings},
};

/// A pair of consumers of one stream.
#[derive(Debug)]
pub struct Kinesis {
    declaration: Declaration,
    toolkit: Arc<dyn KinesisToolkit>,
    settings: KinesisSettings,
    looks: Pair<Shared<Option<Consumer>>>,
}

impl Kinesis {
    /// Makes the pair that the stack file declares, worked on through `toolkit`.
    pub fn new(
        resource: &stack_file::Resource<KinesisSettings>,
        toolkit: Arc<dyn KinesisToolkit>,
    ) -> Self {
        Self {
            declaration: Declaration::new("kinesis", resource),
            toolkit,
            settings: resource.settings.clone(),
            looks: Pair::default(),
        }
    }

    /// Returns the status of the consumer of `stack`; `None` when it is not registered. Without the stream
    /// it is an error.
    async fn status(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Option<ConsumerStatus>> {
        Ok(self.consumer(context, stack).await?.map(|it| it.status))
    }

    async fn consumer(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Option<Consumer>> {
        let look = async { Ok(self.toolkit.describe_consumer(stack).await?) };
        self.looks.of(stack).get(context.round, look).await
    }

    fn name(&self, stack: StackReference) -> &str {
        self.settings.config.consumers.of(stack)
    }

    fn underway(&self, stack: StackReference, status: &ConsumerStatus) -> Inspection {
        Inspection::Underway {
            what: format!("consumer `{}` is `{}`", self.name(stack), word(status)),
        }
    }

    /// Returns the permissions for `actions` on the consumer of `stack`.
    fn on_consumer(&self, stack: StackReference, actions: &[&'static str]) -> Vec<Permission> {
        let id = Wildcard::because(
            "the ARN of a consumer ends with the time at which it was registered",
        );
        let arn = format!("{}/consumer/{}:*", self.settings.config.stream_arn, self.name(stack));
        Permission::across(arn, id, actions)
    }
}

#[async_trait]
impl Resource for Kinesis {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, to: StackReference) -> Vec<Arc<dyn Step>> {
        let register = Arc::new(Register { kinesis: Arc::clone(&self), stack: to });
        let mut steps: Vec<Arc<dyn Step>> = vec![register];
        if self.settings.deregister {
            steps.push(Arc::new(Deregister { kinesis: self, stack: to.partner() }));
        }
        steps
    }

    fn look_permissions(&self, stack: StackReference) -> Vec<Permission> {
        self.on_consumer(stack, &["kinesis:DescribeStreamConsumer"])
    }

    /// Whatever its ARN ends with: the time of its registration is another one the next time.
    fn removes_stream_consumer(&self, arn: &str) -> Option<String> {
        let removed = StackReference::BOTH.into_iter().find(|it| {
            let begin = format!("{}/consumer/{}:", self.settings.config.stream_arn, self.name(*it));
            arn.starts_with(&begin)
        });
        removed.filter(|_| self.settings.deregister).map(|it| self.name(it).to_owned())
    }

    async fn summary(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        let seen = self.status(context, stack).await?;
        Ok(seen.map_or_else(|| "not registered".to_owned(), |it| word(&it).to_lowercase()))
    }

    async fn identity(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        match self.consumer(context, stack).await? {
            Some(consumer) => Ok(consumer.arn),
            None => {
                let resource = format!("consumer `{}`", self.name(stack));
                Err(bluegreen_core::Error::NotFound { resource }.into())
            }
        }
    }
}

/// Registers the consumer of `stack`.
#[derive(Debug)]
struct Register {
    kinesis: Arc<Kinesis>,
    stack: StackReference,
}

#[async_trait]
impl Step for Register {
    fn id(&self) -> StepId {
        StepId::new("kinesis.register", &self.kinesis.declaration.name, self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        Ok(match self.kinesis.status(context, self.stack).await? {
            Some(ConsumerStatus::Active) => Inspection::Done,
            Some(status) => self.kinesis.underway(self.stack, &status),
            None => {
                Inspection::Needed { from: "not registered".to_owned(), to: "active".to_owned() }
            }
        })
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        self.kinesis.toolkit.register_consumer(self.stack).await?;
        Ok(())
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        Some(Arc::new(Deregister { kinesis: Arc::clone(&self.kinesis), stack: self.stack }))
    }

    fn permissions(&self) -> Vec<Permission> {
        let actions = [
            "kinesis:RegisterStreamConsumer",
            "kinesis:ListStreamConsumers",
            "kinesis:DescribeStreamSummary",
        ];
        let stream = &self.kinesis.settings.config.stream_arn;
        let mut permissions = Permission::on(stream, &actions);
        permissions
            .extend(self.kinesis.on_consumer(self.stack, &["kinesis:DescribeStreamConsumer"]));
        permissions
    }
}

/// Removes the consumer of `stack`. Nothing takes that back: one that is registered again has another
/// ARN.
#[derive(Debug)]
struct Deregister {
    kinesis: Arc<Kinesis>,
    stack: StackReference,
}

#[async_trait]
impl Step for Deregister {
    fn id(&self) -> StepId {
        StepId::new("kinesis.deregister", &self.kinesis.declaration.name, self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Disables(self.stack)
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        Ok(match self.kinesis.status(context, self.stack).await? {
            None => Inspection::Done,
            Some(ConsumerStatus::Active) => {
                Inspection::Needed { from: "active".to_owned(), to: "not registered".to_owned() }
            }
            Some(status) => self.kinesis.underway(self.stack, &status),
        })
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        self.kinesis.toolkit.deregister_consumer(self.stack).await?;
        Ok(())
    }

    fn permissions(&self) -> Vec<Permission> {
        let actions = ["kinesis:DescribeStreamConsumer", "kinesis:DeregisterStreamConsumer"];
        let mut permissions = self.kinesis.on_consumer(self.stack, &actions);
        let stream = &self.kinesis.settings.config.stream_arn;
        permissions.extend(Permission::on(stream, &["kinesis:DescribeStreamSummary"]));
        permissions
    }
}

/// Returns AWS's word for a status.
fn word(status: &ConsumerStatus) -> &str {
    match status {
        ConsumerStatus::Creating => "CREATING",
        ConsumerStatus::Active => "ACTIVE",
        ConsumerStatus::Deleting => "DELETING",
        ConsumerStatus::Other(word) => word,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bluegreen_core::{
        Change, Error,
        StackReference::{A, B},
    };
    use bluegreen_kinesis::{Consumer, KinesisConfig, MockKinesisToolkit};

    use super::*;
    use crate::steps::testing::{World, allowed};

    const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks";

    /// What the one consumer is that the tests look at, and what was asked of it.
    #[derive(Default)]
    struct Stream {
        status: Option<ConsumerStatus>,
        /// Whether the stream itself is missing.
        missing: bool,
        calls: Vec<String>,
    }

    fn stream(status: Option<ConsumerStatus>) -> Arc<Mutex<Stream>> {
        Arc::new(Mutex::new(Stream { status, ..Default::default() }))
    }

    fn kinesis(stream: &Arc<Mutex<Stream>>, deregister: bool) -> Arc<Kinesis> {
        let mut toolkit = MockKinesisToolkit::new();
        let it = Arc::clone(stream);
        toolkit.expect_describe_consumer().returning(move |stack| {
            let mut stream = it.lock().unwrap();
            stream.calls.push(format!("describe {stack}"));
            if stream.missing {
                return Err(Error::NotFound { resource: "stream `clicks`".to_owned() });
            }
            let name = format!("clicks-{stack}");
            let status = stream.status.clone();
            Ok(status.map(|status| Consumer { arn: format!("arn:{name}:1"), name, status }))
        });
        let it = Arc::clone(stream);
        toolkit.expect_register_consumer().returning(move |stack| {
            let mut stream = it.lock().unwrap();
            stream.calls.push(format!("register {stack}"));
            stream.status = Some(ConsumerStatus::Creating);
            Ok(Change::Made)
        });
        let it = Arc::clone(stream);
        toolkit.expect_deregister_consumer().returning(move |stack| {
            let mut stream = it.lock().unwrap();
            stream.calls.push(format!("deregister {stack}"));
            stream.status = Some(ConsumerStatus::Deleting);
            Ok(Change::Made)
        });
        let resource = stack_file::Resource {
            name: "clicks".to_owned(),
            line: 1,
            skip: Default::default(),
            after: None,
            optional: false,
            written: Default::default(),
            settings: KinesisSettings {
                config: KinesisConfig {
                    stream_arn: STREAM.to_owned(),
                    consumers: Pair { a: "clicks-a".to_owned(), b: "clicks-b".to_owned() },
                },
                deregister,
            },
        };
        Arc::new(Kinesis::new(&resource, Arc::new(toolkit)))
    }

    /// Returns `kinesis.register` on stack b and `kinesis.deregister` on stack a.
    fn steps(stream: &Arc<Mutex<Stream>>) -> (Arc<dyn Step>, Arc<dyn Step>) {
        let steps = kinesis(stream, true).steps(B);
        (Arc::clone(&steps[0]), Arc::clone(&steps[1]))
    }

    fn needed(from: &str, to: &str) -> Inspection {
        Inspection::Needed { from: from.to_owned(), to: to.to_owned() }
    }

    fn underway(what: &str) -> Inspection {
        Inspection::Underway { what: what.to_owned() }
    }

    fn changes(stream: &Mutex<Stream>) -> Vec<String> {
        let calls = stream.lock().unwrap().calls.clone();
        calls.into_iter().filter(|it| !it.starts_with("describe")).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_consumer_is_registered_once_and_waited_for() {
        let (world, stream) = (World::new(A), stream(None));
        let (step, _) = steps(&stream);

        let first = world.inspect(&*step).await.unwrap();
        world.apply(&*step).await.unwrap();
        let second = world.inspect(&*step).await.unwrap();
        stream.lock().unwrap().status = Some(ConsumerStatus::Active);
        let third = world.inspect(&*step).await.unwrap();

        assert_eq!(first, needed("not registered", "active"));
        assert_eq!(second, underway("consumer `clicks-b` is `CREATING`"));
        assert_eq!(third, Inspection::Done);
        assert_eq!(changes(&stream), ["register b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_being_removed_is_waited_out_before_it_is_registered() {
        let (world, stream) = (World::new(A), stream(Some(ConsumerStatus::Deleting)));
        let (step, _) = steps(&stream);

        let first = world.inspect(&*step).await.unwrap();
        stream.lock().unwrap().status = None;
        let second = world.inspect(&*step).await.unwrap();

        assert_eq!(first, underway("consumer `clicks-b` is `DELETING`"));
        assert_eq!(second, needed("not registered", "active"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_consumer_is_removed_once_and_waited_for() {
        let (world, stream) = (World::new(A), stream(Some(ConsumerStatus::Active)));
        let (_, step) = steps(&stream);

        let first = world.inspect(&*step).await.unwrap();
        world.apply(&*step).await.unwrap();
        let second = world.inspect(&*step).await.unwrap();
        stream.lock().unwrap().status = None;
        let third = world.inspect(&*step).await.unwrap();

        assert_eq!(first, needed("active", "not registered"));
        assert_eq!(second, underway("consumer `clicks-a` is `DELETING`"));
        assert_eq!(third, Inspection::Done);
        assert_eq!(changes(&stream), ["deregister a"]);
        assert_eq!(step.effect(), Effect::Disables(A));
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_stream_is_found_out_by_the_first_look_of_either_step() {
        let (world, stream) = (World::new(A), stream(None));
        stream.lock().unwrap().missing = true;
        let (register, deregister) = steps(&stream);

        for step in [register, deregister] {
            let err = world.inspect(&*step).await.unwrap_err();

            assert!(err.is_absent(), "{err:?}");
            assert_eq!(err.to_string(), "stream `clicks` does not exist");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_that_nobody_knows_is_waited_for() {
        let (world, stream) = (World::new(A), stream(Some(ConsumerStatus::Other("NEW".into()))));
        let (register, deregister) = steps(&stream);

        let there = world.inspect(&*register).await.unwrap();
        let back = world.inspect(&*deregister).await.unwrap();

        assert_eq!(there, underway("consumer `clicks-b` is `NEW`"));
        assert_eq!(back, underway("consumer `clicks-a` is `NEW`"));
    }

    #[test]
    fn a_consumer_that_is_kept_has_no_step_that_removes_it() {
        let steps = kinesis(&stream(None), false).steps(B);

        let ids: Vec<String> = steps.iter().map(|it| it.id().to_string()).collect();

        assert_eq!(ids, ["kinesis.register clicks on b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_looks_once_even_where_the_consumer_is_missing() {
        let (world, stream) = (World::new(A), stream(None));
        let kinesis = kinesis(&stream, true);
        let step = Arc::clone(&Arc::clone(&kinesis).steps(B)[0]);

        let context = world.context();
        step.inspect(&context).await.unwrap();
        let summary = kinesis.summary(&context, B).await.unwrap();

        assert_eq!(summary, "not registered");
        assert_eq!(stream.lock().unwrap().calls, ["describe b"]);
    }

    #[tokio::test]
    async fn the_identity_is_the_consumers_arn_with_the_time_of_its_registration() {
        let (world, stream) = (World::new(A), stream(Some(ConsumerStatus::Active)));
        let kinesis = kinesis(&stream, true);

        let there = kinesis.identity(&world.context(), A).await.unwrap();
        stream.lock().unwrap().status = None;
        let err = kinesis.identity(&world.context(), A).await.unwrap_err();

        assert_eq!(there, "arn:clicks-a:1");
        assert_eq!(err.to_string(), "consumer `clicks-a` does not exist");
    }

    #[test]
    fn permissions_leave_the_time_of_registration_open() {
        let (_, step) = steps(&stream(None));

        let consumer = format!("{STREAM}/consumer/clicks-a:*");
        let permission = ("kinesis:DeregisterStreamConsumer", consumer.as_str());
        assert!(allowed(&step.permissions()).contains(&permission));
    }

    #[test]
    fn both_steps_may_look_at_the_stream() {
        let (register, deregister) = steps(&stream(None));

        let permission = ("kinesis:DescribeStreamSummary", STREAM);
        assert!(allowed(&register.permissions()).contains(&permission));
        assert!(allowed(&deregister.permissions()).contains(&permission));
    }

    #[test]
    fn a_consumer_that_retire_removes_is_known_by_any_of_its_arns() {
        let consumer = |kinesis: &Kinesis, name: &str| {
            let arn = format!("{}/consumer/{name}:1700000000", kinesis.settings.config.stream_arn);
            kinesis.removes_stream_consumer(&arn)
        };
        let settings = |deregister| KinesisSettings {
            config: bluegreen_kinesis::KinesisConfig {
                stream_arn: STREAM.to_owned(),
                consumers: Pair { a: "clicks-a".to_owned(), b: "clicks-b".to_owned() },
            },
            deregister,
        };
        let kinesis = |deregister| {
            let resource = stack_file::Resource {
                name: "clicks".to_owned(),
                line: 1,
                skip: Default::default(),
                after: None,
                optional: false,
                written: Default::default(),
                settings: settings(deregister),
            };
            Kinesis::new(&resource, Arc::new(bluegreen_kinesis::MockKinesisToolkit::new()))
        };

        assert_eq!(consumer(&kinesis(true), "clicks-a").as_deref(), Some("clicks-a"));
        assert_eq!(consumer(&kinesis(true), "clicks-b").as_deref(), Some("clicks-b"));
        assert_eq!(consumer(&kinesis(true), "clicks-bb"), None);
        assert_eq!(consumer(&kinesis(false), "clicks-a"), None);
    }
}
