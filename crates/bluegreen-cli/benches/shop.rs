//! Measures how well the steps of `prepare` overlap: `cargo xtask bench`.
//!
//! The example shop is prepared in emulators, every call to AWS taking 50 ms and all settling no time. That must take at
//! most 1.3 times the longest chain of steps of which each waits for the one before. What a step itself
//! waits for (AWS's rate limits, the purge minute, the first look) is a part of its time.
//!
//! `BLUEGREEN_BENCH` names the stack file of a shop that has just been built: stack a is in production.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it has measured")]

#[path = "../tests/emulators/wire.rs"]
mod wire;

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use aws_config::BehaviorVersion;
use bluegreen_core::{Clock, StackReference};
use bluegreen_deploy::{
    Engine, FileStorage, Outcome, Owner, Phase, Plan, Pointer, Resources, StepId, Store,
    stack_file::StackFile,
};
use tokio::time::Instant;

use crate::wire::{Wire, counts};

/// How long a call takes.
const CALL: Duration = Duration::from_millis(50);

/// How many times the longest chain the whole may take.
const MOST: f64 = 1.3;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Some(path) = env::var_os("BLUEGREEN_BENCH").map(PathBuf::from) else {
        println!("needs the emulators: cargo xtask bench");
        return Ok(ExitCode::SUCCESS);
    };
    let file = StackFile::parse(&fs::read_to_string(&path)?, &path, &|_| None)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let sdk = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    if !sdk.endpoint_url().is_some_and(|it| it.starts_with("http://127.0.0.1:")) {
        return Err("AWS_ENDPOINT_URL does not name an emulator: run `cargo xtask bench`".into());
    }
    let wire = Wire::new(CALL);
    let sdk = sdk.to_builder().http_client(wire.clone()).build();
    let clock = Clock::system();
    let engine = Engine::new(&file, folder, Resources::connect(&file, &sdk)?, clock.clone());
    let state = tempfile::tempdir()?;
    let active = StackReference::A;
    let pointer = Pointer { active, since: clock.now(), reason: "benchmark".to_owned() };
    let storage = Arc::new(FileStorage::new(state.path(), &file.name));
    let owner = Owner { name: "the benchmark".to_owned(), clock: clock.clone() };
    let store = Store::adopt(storage, &file.name, &owner, pointer).await?;
    let plan = engine.plan(active.partner())?;

    let began = Instant::now();
    let report = engine.deploy(&store, &plan, Phase::Prepare).await?;
    let whole = began.elapsed();

    if report.outcome != Outcome::Done {
        return Err(format!("the shop was not prepared: {report:#?}").into());
    }
    let took = report.steps.into_iter().filter_map(|it| Some((it.step, it.took?))).collect();
    let (chain, steps) = longest_chain(&plan, &took);
    for step in steps {
        println!("{:>8.2} s  {step}", took[&step].as_secs_f64());
    }
    let ratio = whole.as_secs_f64() / chain.as_secs_f64();
    let calls: usize = counts(&wire.take()).values().sum();
    println!("{:>8.2} s  the longest chain", chain.as_secs_f64());
    println!("{:>8.2} s  prepare as a whole, in {calls} calls", whole.as_secs_f64());
    if ratio > MOST {
        println!("FAILED: {ratio:.2} times the longest chain, more than {MOST}");
        return Ok(ExitCode::FAILURE);
    }
    println!("{ratio:.2} times the longest chain, at most {MOST} allowed");
    Ok(ExitCode::SUCCESS)
}

/// Returns the steps, in their order, of the chain that takes longest, and how long that is.
fn longest_chain(plan: &Plan, took: &BTreeMap<StepId, Duration>) -> (Duration, Vec<StepId>) {
    let mut chains: BTreeMap<StepId, (Duration, Vec<StepId>)> = BTreeMap::new();
    for planned in plan.steps() {
        let id = planned.step.id();
        let Some(own) = took.get(&id) else { continue };
        let earlier = plan.waits_for(&id);
        let before = earlier.iter().filter_map(|it| chains.get(it)).max_by_key(|it| it.0);
        let (mut chain, mut steps) = before.cloned().unwrap_or_default();
        chain += *own;
        steps.push(id.clone());
        chains.insert(id, (chain, steps));
    }
    chains.into_values().max_by_key(|it| it.0).unwrap_or_default()
}
