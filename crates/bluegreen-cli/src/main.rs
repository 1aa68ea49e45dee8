//! The command `bluegreen`: moves a whole AWS stack from a to b, and shows what happens.
//!
//! This file parses, calls, reports and exits; [`exit`] documents the exit codes.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what a command does")]

mod aws;
mod back;
mod check_hook;
mod cli;
mod commands;
mod exit;
mod history;
mod iam_policy;
mod init;
mod live;
mod output;
mod rehearse;
mod session;
mod stack_file;
mod status;
mod timeline;
mod unlock;
mod words;

use bluegreen_deploy::HookNames;
use clap::Parser;

use crate::{
    cli::{Cli, Command},
    exit::Exit,
};

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    live::log_to_stderr(cli.verbose);
    let result = match &cli.command {
        // Its time is not ours.
        Command::Rehearse(arguments) => rehearse::run(&cli, arguments),
        Command::IamPolicy { purpose, function, parameter } => {
            let (function, parameter) = (function.clone(), parameter.clone());
            iam_policy::run(&cli, *purpose, &HookNames { function, parameter })
        }
        _ => run(&cli),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::failure(&cli, &failure);
            Exit::from(&failure).into()
        }
    }
}

#[tokio::main]
async fn run(cli: &Cli) -> Result<Exit, output::Failure> {
    commands::run(cli).await
}
