//! The binary `bootstrap`: the hook Lambda, for the runtime `provided.al2023`.
#![expect(clippy::print_stdout, reason = "CloudWatch makes metrics of what a function prints")]

mod environment;

use std::{env, io, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use aws_types::{SdkConfig, os_shim_internal::Env};
use bluegreen_core::Clock;
use bluegreen_hook::{
    configuration::{Configuration, Parameters, Source},
    hook::{Hook, Settings},
    invocation::Invocation,
    logs,
};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Instrument;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let level = logs::level(variable("AWS_LAMBDA_LOG_LEVEL").as_deref());
    let subscriber = logs::subscriber(io::stdout(), level, Clock::system());
    // Nobody else has installed one in this process.
    let _ = tracing::subscriber::set_global_default(subscriber);
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            tracing::error!("the function cannot start: {err}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), lambda_runtime::Error> {
    let sdk = environment::configuration(Env::real())?;
    let clock = Clock::system();
    let source = Source::from_variables(&variable)?;
    let configuration = Configuration::new(source, parameters(&sdk), clock.clone());
    let longest_run =
        variable("BLUEGREEN_LONGEST_RUN").map(|it| match humantime::parse_duration(&it) {
            Ok(run) if run >= Duration::from_secs(1) => Ok(run),
            Ok(_) => {
                Err(format!("`BLUEGREEN_LONGEST_RUN` cannot be `{it}`: expected `1s` at least"))
            }
            Err(err) => Err(format!("`BLUEGREEN_LONGEST_RUN` cannot be `{it}`: {err}")),
        });
    let settings = Settings {
        lifecycle_event: variable("BLUEGREEN_PHASE"),
        longest_run: longest_run.transpose()?,
        folder: variable("LAMBDA_TASK_ROOT").map_or_else(|| PathBuf::from("."), PathBuf::from),
        variables: Arc::new(variable),
        metrics: Arc::new(|line| println!("{line}")),
    };
    let hook = Hook::new(configuration, settings, sdk);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let invocation = invocation(&event.context, &clock);
        let span = logs::span(&invocation);
        let handled = hook.handle(&event.payload, &invocation).instrument(span).await;
        handled.inspect_err(|err| tracing::error!("{err}")).map_err(lambda_runtime::Error::from)
    }))
    .await
}

/// Reads parameters by AWS's API.
#[cfg(feature = "ssm")]
fn parameters(sdk: &SdkConfig) -> Arc<dyn Parameters> {
    Arc::new(bluegreen_hook::configuration::AwsParameters::new(sdk))
}

/// Reads none: this binary was built without that.
#[cfg(not(feature = "ssm"))]
fn parameters(_: &SdkConfig) -> Arc<dyn Parameters> {
    #[derive(Debug)]
    struct None;

    #[async_trait::async_trait]
    impl Parameters for None {
        async fn parameter(
            &self,
            name: &str,
        ) -> bluegreen_core::Result<bluegreen_hook::configuration::Parameter> {
            let resource = format!("parameter `{name}` (this function was built without `ssm`)");
            Err(bluegreen_core::Error::NotFound { resource })
        }
    }

    Arc::new(None)
}

fn invocation(context: &lambda_runtime::Context, clock: &Clock) -> Invocation {
    Invocation {
        request_id: context.request_id.clone(),
        function_arn: context.invoked_function_arn.clone(),
        function_name: context.env_config.function_name.clone(),
        trace_id: context.xray_trace_id.clone(),
        began: clock.now(),
        deadline: context.deadline(),
        clock: clock.clone(),
    }
}

#[expect(clippy::disallowed_methods, reason = "only the binary reads the environment")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|it| !it.is_empty())
}
