//! The command `bluegreen-sim`: a simulated AWS account behind HTTP, for any AWS SDK and the AWS CLI.
#![expect(clippy::print_stderr, reason = "printing is what a command does")]

mod serve;

use std::{
    io::{self, Write},
    net::Ipv4Addr,
    process::ExitCode,
};

use bluegreen_sim::{Settings, SimulatedAccount, Times};
use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;

/// How long a function may take that is behind a URL, in seconds: the longest that Lambda allows.
const FUNCTION_TIMEOUT: u32 = 900;

/// A simulated AWS account.
#[derive(Debug, Parser)]
#[command(name = "bluegreen-sim", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the AWS API on a port of this machine, until it is interrupted.
    ///
    /// Any credentials do, and may do everything. The account has one pair of everything to begin with; the
    /// time is the real one, so that a cluster takes its ten minutes to start.
    Serve(ServeArguments),
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// The port on 127.0.0.1; 0 takes a free one, and prints it.
    #[arg(long, default_value_t = 4599)]
    port: u16,
    /// What all chance comes from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Let everything happen at once.
    #[arg(long)]
    instant: bool,
    /// Throttle nobody, however many calls there are in a second.
    #[arg(long)]
    unlimited: bool,
    /// Have a function that is invoked at this URL, one invocation at a time: once for each.
    ///
    /// `cargo lambda watch` runs one at `http://127.0.0.1:9000/2015-03-31/functions/NAME/invocations`.
    #[arg(long = "function", value_name = "NAME=URL")]
    functions: Vec<serve::Remote>,
    /// Begin with an empty account.
    #[arg(long)]
    empty: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Command::Serve(arguments) = Arguments::parse().command;
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await {
        Ok(listener) => listener,
        Err(err) => {
            eprintln!("error: nobody can listen on port {}: {err}", arguments.port);
            return ExitCode::FAILURE;
        }
    };
    #[expect(clippy::disallowed_methods, reason = "only the command asks for the time of day")]
    let start = std::time::SystemTime::now();
    let times = if arguments.instant { Times::instant() } else { Times::default() };
    let url = match listener.local_addr() {
        Ok(address) => format!("http://{address}"),
        Err(err) => {
            eprintln!("error: the port that was taken is not known: {err}");
            return ExitCode::FAILURE;
        }
    };
    let account = SimulatedAccount::new(Settings {
        seed: arguments.seed,
        times,
        start,
        rates: !arguments.unlimited,
        strangers: true,
        queue_host: Some(url.clone()),
        ..Settings::default()
    });
    if !arguments.empty {
        account.world(serve::furnish);
    }
    for function in &arguments.functions {
        account.world(|world| world.add_outside_function(&function.name, FUNCTION_TIMEOUT));
    }
    // Whoever does not read this knows it already.
    let _ = write!(
        io::stdout(),
        "export AWS_ENDPOINT_URL={url}\n\
         export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any\n\
         export AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1\n"
    );
    serve::serve(listener, account, arguments.functions).await;
    ExitCode::SUCCESS
}
