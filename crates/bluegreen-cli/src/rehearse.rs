//! `bluegreen rehearse`: a release in a simulated account, under virtual time.

use std::{fmt::Write, time::Duration};

use bluegreen_deploy::stack_file::{StackFile, Traffic};
use bluegreen_rehearsal::{MessageCounts, Options, Rehearsal, Timed, message_counts, rehearse};
use bluegreen_sim::{Faults, Range, Settings, Times};
use serde_json::{Value, json};

use crate::{
    cli::{Cli, RehearseArguments},
    exit::Exit,
    live,
    output::{self, Failure},
    stack_file,
};

/// Runs the release in an account of its own, and prints what happened.
///
/// What is printed on stdout tells the account's time only: the same seed prints the same bytes.
pub(crate) fn run(cli: &Cli, arguments: &RehearseArguments) -> Result<Exit, Failure> {
    let path = arguments.stack_file.as_deref().unwrap_or(&cli.file);
    let file = stack_file::read(path)?;
    if file.traffic == Traffic::Undeclared {
        eprintln!(
            "warning: the stack file does not say who moves traffic: the release ends after `test`"
        );
    }
    let mut times = Times::default();
    if let Some(time) = arguments.cluster_start {
        times.cluster_start = Range::exactly(time);
    }
    let settings = Settings { seed: arguments.seed, times, ..Settings::default() };
    let faults = arguments.faults.iter().cloned().fold(Faults::none(), Faults::with);
    let options = Options { to: arguments.to, settings, faults };

    // Its own runtime: one thread, and a clock that moves on when everybody waits.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|err| Failure::Usage(format!("a runtime cannot be made: {err}")))?;
    let rehearsal = runtime.block_on(rehearse(&file, options, live::watcher(cli)))?;
    let ledger = rehearsal.account.world(|world| message_counts(&file, world));
    if cli.json {
        output::document("rehearse", body(arguments.seed, &rehearsal, &ledger));
    } else {
        print!("{}", text(&file, arguments.seed, &rehearsal, &ledger));
    }
    output::complaints(&rehearsal.report);
    for target in rehearsal.account.unused_faults() {
        eprintln!(
            "warning: the fault of `{target}` did not happen: is it a step or an operation that was called?"
        );
    }
    Ok(rehearsal.report.outcome.into())
}

fn text(file: &StackFile, seed: u64, rehearsal: &Rehearsal, messages: &MessageCounts) -> String {
    let Rehearsal { report, steps, chain, took, account } = rehearsal;
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = writeln!(
        text,
        "{} in a simulated account: from stack {} to stack {}, with seed {seed}",
        file.name,
        report.to.partner(),
        report.to
    );
    let mut phase = None;
    for step in steps {
        if step.report.phase != phase {
            phase = step.report.phase;
            if let Some(phase) = phase {
                let _ = writeln!(text, "{phase}");
            }
        }
        let _ = writeln!(text, "  {} {}", clock(step.began), output::step_text(&step.report));
    }
    let _ = writeln!(text, "longest chain: {}", output::duration(sum(chain)));
    for step in chain.iter().filter(|it| it.ended - it.began >= Duration::from_secs(1)) {
        let took = output::duration(step.ended - step.began);
        let _ = writeln!(text, "  {took:>8}  {}", step.report.step);
    }
    let calls = account.world(|world| world.audit.calls());
    let _ = writeln!(text, "calls: {}", calls.values().sum::<usize>());
    for (operation, count) in &calls {
        let _ = writeln!(text, "  {count:>8}  {operation}");
    }
    let MessageCounts { published, consumed_by_a, consumed_by_b, lost, doubled, waiting } =
        messages;
    let _ = writeln!(
        text,
        "messages: {published} published, {consumed_by_a} consumed by a, {consumed_by_b} by b, {lost} lost, \
         {doubled} doubled, {waiting} waiting"
    );
    let _ = writeln!(text, "{} after {}", output::ending(report), output::duration(*took));
    text
}

/// Says a time of the account as a clock does.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn sum(chain: &[Timed]) -> Duration {
    chain.iter().map(|it| it.ended - it.began).sum()
}

fn body(seed: u64, rehearsal: &Rehearsal, messages: &MessageCounts) -> Value {
    let Rehearsal { report, steps, chain, took, account } = rehearsal;
    let milliseconds = |it: &Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
    let timed = |it: &Timed| {
        json!({
            "step": it.report.step,
            "began-ms": milliseconds(&it.began),
            "ended-ms": milliseconds(&it.ended),
        })
    };
    let mut body = serde_json::to_value(report).unwrap_or_default();
    let more = json!({
        "seed": seed,
        "took-ms": milliseconds(took),
        "timeline": steps.iter().map(timed).collect::<Vec<_>>(),
        "longest-chain": chain.iter().map(timed).collect::<Vec<_>>(),
        "calls": account.world(|world| world.audit.calls()),
        "messages": messages,
    });
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bluegreen_core::StackReference;
    use bluegreen_deploy::Outcome;

    use super::*;

    #[test]
    fn the_same_seed_prints_the_same_bytes_and_another_one_does_not() {
        let file = StackFile::parse(
            include_str!("../../../examples/corner-shop/bluegreen.toml"),
            Path::new("bluegreen.toml"),
            &|_| None,
        )
        .unwrap();
        let printed = |seed| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let settings = Settings { seed, ..Settings::default() };
            let options = Options { to: StackReference::B, settings, faults: Faults::none() };
            let rehearsal =
                runtime.block_on(rehearse(&file, options, std::sync::Arc::new(|_| {}))).unwrap();
            assert_eq!(rehearsal.report.outcome, Outcome::Done, "{:#?}", rehearsal.report);
            let messages = rehearsal.account.world(|it| message_counts(&file, it));
            text(&file, seed, &rehearsal, &messages)
        };

        assert_eq!(printed(1), printed(1));
        assert_ne!(printed(1), printed(2));
    }
}
