//! [`Emulator`], AWS Lambda as cargo-lambda plays it, and the function that runs in it.
//!
//! What was found of cargo-lambda 1.9.2 by asking it, and what these tests do about it:
//!
//! * `cargo lambda watch --only-lambda-apis` starts no function, but wants to be in a Cargo project: the functions are
//!   the names of its binaries, and an invocation of another name is answered with 404. So the emulator is started in
//!   a folder with a manifest that names ours; nothing of it is ever built.
//! * A function's runtime API is at `http://ADDRESS/.rt/NAME`, with the scheme: without it `lambda_runtime` takes the
//!   path for a part of the host, and panics.
//! * Invocations go to `/2015-03-31/functions/NAME/invocations`, with the bare name: an alias or an ARN is a 404. All
//!   are synchronous: `X-Amz-Invocation-Type` is not looked at, neither `Event` nor `DryRun`. That an invocation is
//!   asynchronous, and repeated, is the account's part.
//! * What the function answers comes back with 200. An error or a panic of it comes back with **500**, and a body with
//!   `errorType` and `errorMessage`: not with 200 and `X-Amz-Function-Error`, as AWS does.
//! * The deadline that it announces is always **600000**, ten minutes after the beginning of 1970, whatever `--timeout`
//!   says. A function that subtracts the time of day from it has less than nothing left. `invoked_function_arn` is
//!   `function-arn`, which is no ARN. Both are made what AWS sends on their way to the function (`runtime.rs`).
//! * Each has an `X-Amzn-Trace-Id`; one that the caller sends is replaced.
//! * One process works on one invocation at a time; those that wait are handed out in turn. Two processes work on two.
//!   `--concurrency` must not be given: with it the emulator starts functions itself, by `cargo run`.
//! * An invocation before the function has started waits for it. One whose function has died was not answered in 20 s:
//!   whoever asks must have a limit. A caller that hangs up makes a 500 of the function's answer, which goes on.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Stdio,
};

use aws_sdk_lambda::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    primitives::Blob,
};
use serde_json::Value;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::{runtime::corrected, stage::eventually};

/// The function, whose name CodeDeploy's roles may call.
pub(crate) const FUNCTION: &str = "CodeDeployHook_bluegreen";

/// The emulator; it ends when this is dropped, and the functions in it.
#[derive(Debug)]
pub(crate) struct Emulator {
    client: Client,
    port: u16,
    /// Where functions find the runtime API, as AWS has it.
    runtime: u16,
    functions: Vec<Child>,
    _watch: Child,
}

/// What an invocation came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// What the function returned.
    Returned(Value),
    /// The message of the error that it ended with.
    Failed(String),
}

impl Emulator {
    /// Starts it on a free port, with its files in `folder`.
    pub(crate) async fn start(folder: &Path) -> Self {
        let port = free_port();
        let project = folder.join("functions");
        fs::create_dir_all(&project).unwrap();
        let manifest = format!(
            "[package]\nname = \"functions\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
             [[bin]]\nname = \"{FUNCTION}\"\npath = \"never.rs\"\n\n[workspace]\n"
        );
        fs::write(project.join("Cargo.toml"), manifest).unwrap();
        fs::write(project.join("never.rs"), "//! Never built.\nfn main() {}\n").unwrap();
        let mut watch = Command::new(program("BLUEGREEN_TEST_CARGO_LAMBDA"));
        watch.args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1"]);
        watch.args(["--invoke-port", &port.to_string()]).current_dir(project);
        let watch = start(&mut watch, &folder.join("emulator.log"));
        eventually("the emulator", async || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok().map(drop)
        })
        .await;
        let runtime = corrected(port).await;
        Self { client: client(port), port, runtime, functions: Vec::new(), _watch: watch }
    }

    /// Returns where the account sends what it invokes the function with.
    pub(crate) fn invocations(&self) -> String {
        format!("http://127.0.0.1:{}/2015-03-31/functions/{FUNCTION}/invocations", self.port)
    }

    /// Starts a process of the function with `environment` and nothing of this process; what it logs goes to `folder`.
    ///
    /// A process works on one invocation at a time.
    pub(crate) fn start_function(&mut self, folder: &Path, environment: &[(String, String)]) {
        let log = folder.join(format!("function-{}.log", self.functions.len()));
        let mut function = Command::new(program("BLUEGREEN_TEST_BOOTSTRAP"));
        function.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
        function.env(
            "AWS_LAMBDA_RUNTIME_API",
            format!("http://127.0.0.1:{}/.rt/{FUNCTION}", self.runtime),
        );
        function.env("AWS_LAMBDA_FUNCTION_NAME", FUNCTION);
        function.env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
        function.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256");
        function.env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{FUNCTION}"));
        function.env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/26/[$LATEST]0123456789abcdef");
        function.env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
        function.env("LAMBDA_TASK_ROOT", folder).current_dir(folder);
        self.functions.push(start(&mut function, &log));
    }

    /// Ends the processes of the function in the middle of whatever they do.
    pub(crate) async fn kill_functions(&mut self) {
        for mut function in self.functions.drain(..) {
            function.kill().await.unwrap();
        }
    }

    /// Invokes the function, and waits for what it comes to.
    pub(crate) async fn invoke(&self, event: &Value) -> Answer {
        let sent =
            self.client.invoke().function_name(FUNCTION).payload(Blob::new(event.to_string()));
        match sent.send().await {
            Ok(answer) => {
                let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
                Answer::Returned(serde_json::from_slice(&payload).unwrap_or(Value::Null))
            }
            Err(err) => {
                let body = err.raw_response().and_then(|it| it.body().bytes()).unwrap_or_default();
                let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
                let message = body["errorMessage"].as_str();
                Answer::Failed(message.unwrap_or_else(|| panic!("{err:?}")).to_owned())
            }
        }
    }
}

/// Makes a client of the function that tries once: the function is to be invoked exactly as often as a test says.
fn client(port: u16) -> Client {
    let config = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::for_tests())
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Client::from_conf(config.build())
}

/// Starts a program that ends with what is returned, and says everything to `log`.
pub(crate) fn start(command: &mut Command, log: &Path) -> Child {
    let log = File::create(log).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.kill_on_drop(true).spawn().unwrap()
}

/// Returns where a program is, as `cargo xtask test` says.
pub(crate) fn program(variable: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask test`"))
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
