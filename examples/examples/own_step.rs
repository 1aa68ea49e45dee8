//! The engine from code, with a step of one's own: `cargo run -p bluegreen-examples --example own_step -- bluegreen.toml --to b --functions smoke-`
//!
//! Before production moves, a Lambda function of yours tries the standby out. The step is put into the
//! phase `test`, so that a release pauses there when the function fails, and production stays where
//! it is. `cargo xtask demo --keep` leaves a whole shop running to try it on.
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use bluegreen_core::{Clock, Error, Pair, StackReference};
use bluegreen_deploy::{
    Context, Effect, Engine, Event, Inspection, Outcome, Owner, Permission, Phase, Resources, Step,
    StepId, Store, stack_file::StackFile, storage,
};
use bluegreen_lambda::{AwsLambdaToolkit, LambdaConfig, LambdaToolkit};
use clap::Parser;

/// How long the function may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Moves a whole stack, after a function has tried the standby out.
#[derive(Debug, Parser)]
struct Arguments {
    /// The stack file. Its store has to be there: `bluegreen adopt` makes it.
    file: PathBuf,
    /// The stack that is to become active.
    #[arg(long, value_name = "a|b")]
    to: StackReference,
    /// The name, without the stack's letter at its end, of the functions that try a stack out.
    #[arg(long, default_value = "smoke-")]
    functions: String,
}

/// `smoke.test`: a function of the standby has tried it out in this release.
#[derive(Debug)]
struct SmokeTest {
    lambda: Arc<dyn LambdaToolkit>,
    stack: StackReference,
    function: String,
}

/// The note of the release that says so. It is kept in the store until the release ends.
const PASSED: &str = "smoke.test/passed";

#[async_trait]
impl Step for SmokeTest {
    fn id(&self) -> StepId {
        StepId::new("smoke.test", "", self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    /// A test cannot be seen in AWS, so its success is noted: once passed, it is not repeated when the
    /// release is interrupted later and goes on.
    async fn inspect(&self, context: &Context<'_>) -> bluegreen_deploy::Result<Inspection> {
        Ok(match context.note(PASSED)? {
            Some(true) => Inspection::Done,
            _ => Inspection::Needed { from: "untested".to_owned(), to: "passed".to_owned() },
        })
    }

    async fn apply(&self, context: &Context<'_>) -> bluegreen_deploy::Result<()> {
        let answer = self.lambda.invoke(self.stack, "{}".to_owned(), LIMIT).await?;
        if answer.function_error.is_some() {
            return Err(Error::WrongState {
                resource: format!("function `{}`", self.function),
                state: format!("not content with stack {}: {}", self.stack, answer.payload),
                expected: "a standby that works: mend it, then repeat the command".to_owned(),
            }
            .into());
        }
        context.set_note(PASSED, &true).await
    }

    fn permissions(&self) -> Vec<Permission> {
        Permission::on(format!("function:{}", self.function), &["lambda:InvokeFunction"])
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { file: path, to, functions } = Arguments::parse();
    let text = fs::read_to_string(&path).context("reading the stack file")?;
    #[expect(clippy::disallowed_methods, reason = "only main reads the environment")]
    let file = StackFile::parse(&text, &path, &|name| env::var(name).ok())?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));

    let region = Region::new(file.region.clone());
    let sdk = aws_config::defaults(BehaviorVersion::latest()).region(region).load().await;
    let functions = Pair::from_fn(|it| format!("{functions}{it}"));
    let function = functions.of(to).clone();
    let lambda = AwsLambdaToolkit::new(&sdk, LambdaConfig { functions, alias: None })?;
    let test = Arc::new(SmokeTest { lambda: Arc::new(lambda), stack: to, function });

    let engine = Engine::new(&file, folder, Resources::connect(&file, &sdk)?, Clock::system())
        .with_watcher(Arc::new(|event| match event {
            Event::StepActs { step, from, to } => println!("{step}: {from} -> {to}"),
            Event::StepEnded { report } => {
                let why = report.error.unwrap_or_default();
                println!("{}: {:?} {why}", report.step, report.state);
            }
            _ => {}
        }));
    let storage = storage(&file, folder, &sdk);
    let owner = Owner { name: std::process::id().to_string(), clock: Clock::system() };
    let store = Store::lock(storage, &file.name, &owner, |_, _| {})
        .await?
        .context("there is no store: say which stack is active with `bluegreen adopt`")?;

    let outcome = deploy(&engine, &store, test, to).await?;
    ensure!(outcome == Outcome::Done || outcome == Outcome::AlreadyThere, "ended {outcome:?}");
    Ok(())
}

/// Moves production to the stack `to`, past a test of it.
async fn deploy(
    engine: &Engine,
    store: &Store,
    test: Arc<dyn Step>,
    to: StackReference,
) -> bluegreen_deploy::Result<Outcome> {
    let mut plan = engine.plan(to)?;
    // Behind no step and ahead of none: the phase has no others. In another phase they would be named.
    plan.insert(Phase::Test, test, &[], &[])?;
    Ok(engine.deploy(store, &plan, Phase::Retire).await?.outcome)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bluegreen_core::StackReference::{A, B};
    use bluegreen_deploy::Pointer;
    use bluegreen_lambda::{Invocation, MockLambdaToolkit};
    use mockall::predicate::{always, eq};

    use super::*;

    /// Stacks without resources: what is left is the move itself.
    const FILE: &str = "name = 'shop'\nregion = 'eu-west-1'\ntraffic = 'none'\n\
                        release.hold = '0s'\n";

    fn engine() -> Engine {
        let file = StackFile::parse(FILE, Path::new("bluegreen.toml"), &|_| None).unwrap();
        Engine::new(&file, Path::new("."), Resources::default(), Clock::system())
    }

    fn store() -> Store {
        let pointer =
            Pointer { active: A, since: SystemTime::UNIX_EPOCH, reason: "adopted".to_owned() };
        Store::in_memory("shop", pointer)
    }

    /// A test of stack b whose function fails so many times before it succeeds once.
    fn test(failures: usize) -> Arc<SmokeTest> {
        let mut lambda = MockLambdaToolkit::new();
        let mut calls = 0;
        lambda.expect_invoke().with(eq(B), always(), eq(LIMIT)).times(failures + 1).returning(
            move |_, _, _| {
                calls += 1;
                let function_error = (calls <= failures).then(|| "Unhandled".to_owned());
                Ok(Invocation { version: None, payload: String::new(), function_error })
            },
        );
        let function = "smoke-b".to_owned();
        Arc::new(SmokeTest { lambda: Arc::new(lambda), stack: B, function })
    }

    #[tokio::test(start_paused = true)]
    async fn production_moves_when_the_test_passes_and_once_there_it_is_not_tested_again() {
        let (engine, store, test) = (engine(), store(), test(0));

        let first = deploy(&engine, &store, test.clone(), B).await.unwrap();
        let second = deploy(&engine, &store, test, B).await.unwrap();

        assert_eq!((first, second), (Outcome::Done, Outcome::AlreadyThere));
        assert_eq!(store.pointer().active, B);
    }

    #[tokio::test(start_paused = true)]
    async fn a_test_that_fails_pauses_the_release_and_the_same_call_goes_on_with_it() {
        let (engine, store, test) = (engine(), store(), test(1));

        let first = deploy(&engine, &store, test.clone(), B).await.unwrap();
        let active = store.pointer().active;
        let second = deploy(&engine, &store, test, B).await.unwrap();

        assert_eq!((first, active), (Outcome::Paused, A));
        assert_eq!((second, store.pointer().active), (Outcome::Done, B));
    }
}
