//! Builds the shop, the pair of stacks that `cargo xtask demo` moves, in emulators of AWS; shows it, and checks it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool prints its results"
)]

mod check;
mod clients;
mod create;
mod look;
mod shop;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

use crate::{clients::Clients, shop::Stack};

/// Builds the shop in emulators of AWS, shows it, and checks it.
///
/// Reads the same environment as every AWS tool, and refuses to work unless `AWS_ENDPOINT_URL`
/// names this machine.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Builds both stacks, with stack a in production.
    Create,
    /// Prints what both stacks look like now.
    Show,
    /// Compares both stacks with what a finished release to one of them leaves.
    Check {
        /// The stack that must be the active one.
        #[arg(long)]
        active: Stack,
        /// How many dead letters the standby's ingest queue must have kept; not looked at when left out.
        #[arg(long)]
        kept: Option<usize>,
    },
    /// Leaves what production leaves: messages and dead letters in a stack's ingest queue.
    Work {
        /// The stack that serves production.
        #[arg(long)]
        stack: Stack,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("error: {err:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let clients = Clients::of_emulators().await?;

    match arguments.command {
        Command::Create => {
            create::shop(&clients).await?;
            println!("the shop is there: {}", shop::SUMMARY);
        }
        Command::Show => print!("{}", look::table(&look::rows(&clients).await?)),
        Command::Check { active, kept } => {
            let seen = look::rows(&clients).await?;
            let differences = check::differences(&check::expected(active, kept), &seen);
            differences.iter().for_each(|it| println!("{it}"));
            ensure!(
                differences.is_empty(),
                "{} differences from what stack {active} as the active one must look like",
                differences.len()
            );
            println!("stack {active} is the active one, in all {} things looked at", seen.len());
        }
        Command::Work { stack } => create::work(&clients, stack).await?,
    }
    Ok(())
}
