//! Starting a function cold, and what that took.

use std::{cell::RefCell, fs, path::Path, process::Stdio, rc::Rc, time::Duration};

use anyhow::{Context, Result, bail};
use bluegreen_sim::SimulatedAccount;
use tokio::{
    process::Command,
    time::{self, Instant},
};

use crate::{
    server::{self, Call},
    shop::{FUNCTION, STACK_FILE},
};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one cold start took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cold {
    /// The time from when the process was started to its answer.
    pub(crate) took: Duration,
    /// The most memory that it has had, in bytes.
    pub(crate) memory: u64,
    /// The number of calls that it made.
    pub(crate) calls: usize,
    /// The number of calls of which each began after the one before had ended.
    pub(crate) chain: usize,
}

/// Starts a program as a function, lets it work on one event, and ends it.
///
/// # Errors
///
/// When it cannot be started, fails, or does not answer.
pub(crate) async fn cold(
    program: &Path,
    account: SimulatedAccount,
    event: String,
    deadline: u64,
    delay: Duration,
) -> Result<Cold> {
    let calls = Rc::new(RefCell::new(Vec::new()));
    let aws = server::aws(account, delay, Rc::clone(&calls)).await?;
    let (lambda, answered) = server::lambda(event, deadline).await?;
    let url = format!("http://{}", aws.address);
    let mut command = Command::new(program);
    command.env_clear().envs([
        ("AWS_LAMBDA_RUNTIME_API", lambda.address.to_string().as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME", FUNCTION),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/CodeDeployHook_bluegreen"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/26/[$LATEST]0123456789abcdef"),
        ("AWS_ACCESS_KEY_ID", "any"),
        ("AWS_SECRET_ACCESS_KEY", "any"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", &url),
        ("BLUEGREEN_STACK_TEXT", STACK_FILE),
    ]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);

    let began = Instant::now();
    let mut child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
    let shown = program.display();
    let (at, outcome) = tokio::select! {
        biased;
        answered = time::timeout(PATIENCE, answered) => answered
            .with_context(|| format!("{shown} did not answer"))?
            .context("the runtime API ended")?,
        ended = child.wait() => {
            bail!("{shown} ended without an answer: {}", ended.context("waiting for it")?)
        }
    };
    let process = child.id().context("the function has ended")?;
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("its memory")?;
    child.kill().await.context("ending the function")?;
    if let Err(err) = outcome {
        bail!("{} failed: {err}", program.display());
    }
    let calls = calls.borrow();
    Ok(Cold {
        took: at - began,
        memory: most_memory(&status).context("the kernel does not say how much memory it had")?,
        calls: calls.len(),
        chain: chain(&calls),
    })
}

/// Reads the most memory, in bytes, from `/proc/PID/status`.
fn most_memory(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Counts the most calls that came one after the other.
fn chain(calls: &[Call]) -> usize {
    let mut calls = calls.to_vec();
    calls.sort_by_key(|it| it.1);
    let mut last: Option<Instant> = None;
    let mut count = 0;
    for (began, ended) in calls {
        if last.is_none_or(|it| began >= it) {
            last = Some(ended);
            count += 1;
        }
    }
    count
}

/// Returns the one in the middle by time, or `None` of none.
pub(crate) fn median(mut runs: Vec<Cold>) -> Option<Cold> {
    runs.sort_by_key(|it| it.took);
    let middle = runs.len() / 2;
    runs.into_iter().nth(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_side_by_side_are_one_link_of_the_chain() {
        let origin = Instant::now();
        let at = |millis: u64| origin + Duration::from_millis(millis);

        let one_by_one = chain(&[(at(0), at(50)), (at(50), at(100)), (at(101), at(150))]);
        let side_by_side = chain(&[(at(0), at(50)), (at(1), at(51)), (at(52), at(100))]);

        assert_eq!(one_by_one, 3);
        assert_eq!(side_by_side, 2);
        assert_eq!(chain(&[]), 0);
    }

    #[test]
    fn the_most_memory_is_read_in_bytes_and_silence_is_none() {
        let status = "Name:\tbootstrap\nVmPeak:\t  300000 kB\nVmHWM:\t   12288 kB\n";

        assert_eq!(most_memory(status), Some(12 * 1024 * 1024));
        assert_eq!(most_memory("Name:\tbootstrap\n"), None);
    }

    #[test]
    fn the_median_is_of_the_times_and_of_no_run_there_is_none() {
        let run = |millis| Cold {
            took: Duration::from_millis(millis),
            memory: millis,
            calls: 0,
            chain: 0,
        };

        let middle = median(vec![run(30), run(900), run(20)]);

        assert_eq!(middle, Some(run(30)));
        assert_eq!(median(Vec::new()), None);
    }
}
