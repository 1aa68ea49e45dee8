//! Searches for releases that harm.
//!
//! A seed makes a stack file, an account, faults and what people do meanwhile; the release runs there and back, and
//! the account's own records are checked throughout: `checks.rs` says against what. `cargo xtask simulate` runs it.
#![expect(clippy::print_stdout, reason = "a command line tool prints")]

mod breaks;
mod case;
mod checks;
mod exhaust;
mod failing;
mod files;
mod kept;
mod people;
mod picture;
mod process;
mod run;
mod stopped;
#[cfg(test)]
mod tests;

use std::{
    panic,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use clap::Parser;

use crate::{breaks::Break, case::Case, exhaust::Befalls, run::Ended};

/// A search makes and forgets more than anything else: so it takes a sixth less time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Searches for releases that harm.
#[derive(Debug, Parser)]
#[command(name = "bluegreen-search")]
struct Arguments {
    /// How many seeds to try.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Breaks the engine on purpose, and ends at the first seed that shows it.
    #[arg(long = "break", value_name = "HOW", conflicts_with = "exhaustively")]
    broken: Option<Break>,
    /// Tries every fault at every call of the corner shop, and every step twice, instead of chance.
    #[arg(long)]
    exhaustively: bool,
    /// Tries one call of the corner shop only, counted from 0.
    #[arg(long, value_name = "NUMBER", requires = "exhaustively")]
    call: Option<usize>,
    /// Tries only this at each call.
    #[arg(long, value_name = "WHAT", requires = "exhaustively")]
    befalls: Option<Befalls>,
    /// Fails when there are fewer whole deployments a second.
    #[arg(long, value_name = "NUMBER")]
    at_least: Option<f64>,
    /// Shows what each seed does.
    #[arg(long)]
    show: bool,
}

#[expect(clippy::disallowed_methods, reason = "how fast the search is, is told in wall time")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let began = Instant::now();
    let mut found = if arguments.exhaustively {
        exhaust::all(arguments.call, arguments.befalls, arguments.show)
    } else {
        by_chance(&arguments)
    };
    let seconds = began.elapsed().as_secs_f64();
    let rate = found.deployments as f64 / seconds;
    println!(
        "{} runs, {} whole deployments, {} calls in {seconds:.1} s: {rate:.1} deployments a second",
        found.runs, found.deployments, found.calls,
    );
    if let Some(least) = arguments.at_least.filter(|it| rate < *it) {
        let slow = format!("{rate:.1} deployments a second, and not {least}");
        found.add(
            "the same command".to_owned(),
            Ended { violations: vec![slow], ..Ended::default() },
        );
    }
    for (replay, violations) in &found.failures {
        println!("\nviolated by: {replay}");
        violations.iter().for_each(|it| println!("  {it}"));
    }
    // As `cargo test` says it, for whoever counts.
    let word = if found.failures.is_empty() { "ok" } else { "FAILED" };
    println!(
        "test result: {word}. {} passed; {} failed",
        found.runs - found.failures.len(),
        found.failures.len()
    );
    match (found.failures.is_empty(), arguments.broken) {
        (true, None) => ExitCode::SUCCESS,
        // A break that nothing shows is a search that sees nothing.
        (true, Some(_)) => ExitCode::FAILURE,
        (false, None) => ExitCode::FAILURE,
        (false, Some(_)) => ExitCode::SUCCESS,
    }
}

/// What a search came to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    runs: usize,
    deployments: usize,
    calls: usize,
    /// The command that shows each failure again, with what was violated.
    failures: Vec<(String, Vec<String>)>,
}

impl Found {
    fn add(&mut self, replay: String, ended: Ended) {
        self.runs += 1;
        self.deployments += ended.deployments;
        self.calls += ended.calls;
        if !ended.violations.is_empty() {
            self.failures.push((replay, ended.violations));
        }
    }
}

fn by_chance(arguments: &Arguments) -> Found {
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from + arguments.seeds;
    let found = Mutex::new(Found::default());
    side_by_side(|| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let case = Case { told: arguments.show, ..Case::of(seed, arguments.broken) };
            let ended = tried(&case);
            if arguments.show {
                println!("{case}");
                ended.story.iter().for_each(|it| println!("{it}"));
            }
            let replay = format!(
                "cargo xtask simulate --seeds 1 --from {seed}{}",
                arguments.broken.map_or_else(String::new, |it| format!(" --break {it}"))
            );
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.add(replay, ended);
            if arguments.broken.is_some() && !found.failures.is_empty() {
                next.store(end, Ordering::Relaxed);
            }
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.failures.sort();
    found
}

/// Runs a case; that it panics is a violation like any other.
pub(crate) fn tried(case: &Case) -> Ended {
    panic::catch_unwind(|| run::run(case)).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or_default();
        Ended { violations: vec![format!("it panicked: {text}")], ..Ended::default() }
    })
}

/// Does `work` on every core at once.
pub(crate) fn side_by_side(work: impl Fn() + Sync) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(&work);
        }
    });
}
