//! The project's chores: `cargo xtask <chore>`.
//!
//! A chore only starts programs and reads what they print, so that this one is built in seconds.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod bench;
mod cargo;
mod ci;
mod demo;
mod emulators;
mod hook;
mod hook_policy;
mod package;
mod python;
mod shop;
mod simulate;
mod simulated_account;
mod stages;
mod templates;
mod test;
mod tidy;
mod tree;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The chores of this project.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Checks everything that a contributor needs: format, lints, all tests, the emulators' included.
    Test,
    /// Does what `test` does, and checks the tree, the files, the documentation and the licences.
    Ci,
    /// Moves a whole shop from stack a to stack b and back, in emulators of AWS.
    Demo {
        /// Leaves the emulators running, and prints the environment that points at them.
        #[arg(long)]
        keep: bool,
    },
    /// Measures how well the steps of the shop overlap, or how fast the hook Lambda starts.
    Bench {
        /// What is measured.
        #[arg(value_enum, default_value = "shop")]
        what: bench::What,
    },
    /// Packs the hook Lambda for deployment: `target/lambda/<processor>/bootstrap.zip`.
    Package {
        #[command(flatten)]
        wanted: package::Wanted,
    },
    /// Searches for releases that harm, in simulated accounts; every failure is told with the command that
    /// shows it again.
    Simulate {
        /// What is handed to the search: --seeds N --from FIRST --break HOW --exhaustively --call N
        /// --befalls WHAT --show.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Checks the files of examples/hook, each with the tool that knows its rules.
    Templates,
    /// Checks what the toolkits pull in: no other service's SDK, no mocks, no TLS.
    Tree,
    /// Checks what no lint checks: how files begin, what they are called, what they leave undone.
    Tidy,
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore, &root()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("error: {err:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore, root: &Path) -> Result<()> {
    match chore {
        Chore::Test => test::run(root),
        Chore::Ci => ci::run(root),
        Chore::Demo { keep } => demo::run(root, keep),
        Chore::Bench { what } => bench::run(root, what),
        Chore::Package { wanted } => package::run(root, &wanted),
        Chore::Simulate { arguments } => simulate::run(root, &arguments),
        Chore::Templates => templates::run(root),
        Chore::Tree => tree::check(root),
        Chore::Tidy => tidy::check(root),
    }
}

/// Returns the folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the workspace").to_owned()
}
