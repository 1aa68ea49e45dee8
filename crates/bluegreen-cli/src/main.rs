//! The command `bluegreen`: moves a whole AWS stack from a to b, and shows what happens.
//!
//! This file parses, calls, reports and exits; [`exit`] documents the exit codes.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what a command does")]

mod aws;
mod cli;
mod commands;
mod exit;
mod init;
mod live;
mod output;

use clap::Parser;

use crate::{cli::Cli, exit::Exit};

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    live::log_to_stderr(cli.verbose);
    match commands::run(&cli).await {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::failure(&cli, &failure);
            Exit::from(&failure).into()
        }
    }
}
