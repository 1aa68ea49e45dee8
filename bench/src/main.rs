//! `bench-hook`: how fast the hook Lambda starts and answers, and what it takes, beside an empty function and a hook
//! written by hand. `cargo xtask bench hook` builds all of them and runs it.
//!
//! Each is started cold, again and again, in turn, and finds a new account each time (the simulated one, over HTTP): a
//! deployment of CodeDeploy to the active stack, whose first hook is called. The time is that from the start of the
//! process to its answer.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what a command does")]

mod bounds;
mod measure;
mod server;
mod shop;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use clap::Parser;
use tokio::task::LocalSet;

use crate::{
    bounds::Measured,
    measure::{Cold, cold, median},
};

/// How long each call takes the second time.
const DELAY: Duration = Duration::from_millis(50);

/// How long a function may work, of which its deadline is made.
const TIMEOUT: Duration = Duration::from_secs(900);

/// Measures the hook Lambda.
#[derive(Debug, Parser)]
struct Arguments {
    /// The hook Lambda; without it the others are measured alone.
    #[arg(long, requires = "package")]
    bootstrap: Option<PathBuf>,
    /// Its package.
    #[arg(long)]
    package: Option<PathBuf>,
    /// The folder of the functions that it is compared with; that of this program when left out.
    #[arg(long)]
    others: Option<PathBuf>,
    /// How often each is started cold.
    #[arg(long, default_value_t = 20)]
    runs: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match LocalSet::new().run_until(run(Arguments::parse())).await {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            complaints.iter().for_each(|it| println!("FAILED: {it}"));
            ExitCode::FAILURE
        }
        Err(err) => {
            eprintln!("error: {err:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<Vec<String>> {
    let own = std::env::current_exe().context("looking for the other functions")?;
    let others = arguments.others.or_else(|| own.parent().map(Path::to_owned)).unwrap_or_default();
    let mut programs = vec![
        ("empty function", others.join("bench-empty"), None),
        ("hook written by hand", others.join("bench-handwritten"), None),
    ];
    if let Some(bootstrap) = arguments.bootstrap {
        programs.push(("bluegreen's hook", bootstrap, arguments.package));
    }
    let mut at_once = vec![Vec::new(); programs.len()];
    let mut delayed = at_once.clone();
    for _ in 0..arguments.runs {
        // In turn, so that whatever else the machine does befalls all of them.
        for (number, (_, program, _)) in programs.iter().enumerate() {
            at_once[number].push(start(program, Duration::ZERO).await?);
            delayed[number].push(start(program, DELAY).await?);
        }
    }
    let mut measured = Vec::new();
    for ((name, program, package), (at_once, delayed)) in
        programs.into_iter().zip(at_once.into_iter().zip(delayed))
    {
        measured.push(Measured {
            name,
            at_once: median(at_once).context("without a run there is nothing to say")?,
            delayed: median(delayed).context("without a run there is nothing to say")?,
            size: size(&program)?,
            zipped: package.as_deref().map(size).transpose()?,
        });
    }
    println!("median of {} cold starts\n\n{}", arguments.runs, bounds::table(&measured, DELAY));
    Ok(match measured.as_slice() {
        [_, handwritten, hook] => bounds::complaints(hook, handwritten, DELAY),
        _ => Vec::new(),
    })
}

async fn start(program: &Path, delay: Duration) -> Result<Cold> {
    #[expect(clippy::disallowed_methods, reason = "only the command asks for the time of day")]
    let now = SystemTime::now();
    let (account, event) = shop::deploying(now).await?;
    let deadline = now.duration_since(UNIX_EPOCH).context("before 1970")? + TIMEOUT;
    let deadline = u64::try_from(deadline.as_millis()).context("a time of day that is too late")?;
    cold(program, account, event, deadline, delay).await
}

fn size(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file).with_context(|| format!("looking at {}", file.display()))?.len())
}
