//! What is seen while the engine is at work: a live view on a terminal, one line per event elsewhere.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bluegreen_deploy::{Event, StepId, StepReport, StepState, Watcher};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{
    cli::Cli,
    output::{duration, unchanged},
};

/// Lets the log go to stderr, as much of it as was asked for.
pub(crate) fn log_to_stderr(verbose: u8) {
    let filter = match verbose {
        0 => "off",
        1 => "off,bluegreen_deploy=info,bluegreen_core=info",
        2 => "warn,bluegreen_deploy=debug,bluegreen_core=debug",
        _ => "debug",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(io::stderr)
        .init();
}

/// Cancels when the process is told to stop. Told again, it ends at once.
pub(crate) fn cancel_on_signal(cancel: CancellationToken) {
    tokio::spawn(async move {
        told_to_stop().await;
        eprintln!("stopping after the calls under way; the same command goes on later");
        cancel.cancel();
        told_to_stop().await;
        std::process::exit(130);
    });
}

async fn told_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = interrupt => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}

/// Returns what shows events to whoever watches.
pub(crate) fn watcher(cli: &Cli) -> Watcher {
    if io::stderr().is_terminal() && cli.verbose == 0 {
        let view = Mutex::new(View::default());
        Arc::new(move |event| view.lock().unwrap_or_else(PoisonError::into_inner).show(event))
    } else {
        Arc::new(|event| {
            if let Some(line) = line(&event) {
                eprintln!("{line}");
            }
        })
    }
}

/// The running steps, one line each, below the events that are over.
#[derive(Default)]
struct View {
    lines: MultiProgress,
    running: BTreeMap<StepId, ProgressBar>,
}

impl View {
    fn show(&mut self, event: Event) {
        match &event {
            Event::StepStarted { step } => {
                let bar = self.lines.add(ProgressBar::new_spinner());
                let style =
                    ProgressStyle::with_template("  {spinner} {prefix} {elapsed:>4}  {wide_msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                bar.set_prefix(format!("{:<44}", step.to_string()));
                bar.enable_steady_tick(Duration::from_millis(120));
                self.running.insert(step.clone(), bar);
            }
            Event::StepActs { step, from, to } => {
                if let Some(bar) = self.running.get(step) {
                    bar.set_message(format!("{from} -> {to}"));
                }
            }
            Event::StepWaits { step, waiting_for, .. } => {
                if let Some(bar) = self.running.get(step) {
                    bar.set_message(waiting_for.clone());
                }
            }
            Event::StepEnded { report } => {
                if let Some(bar) = self.running.remove(&report.step) {
                    bar.finish_and_clear();
                    self.lines.remove(&bar);
                }
            }
            _ => {}
        }
        let waits = matches!(
            event,
            Event::StepStarted { .. } | Event::StepActs { .. } | Event::StepWaits { .. }
        );
        if !waits && let Some(line) = line(&event) {
            // A line that cannot be shown must not end a release.
            let _ = self.lines.println(line);
        }
    }
}

/// Says an event in one line; those that say nothing new say nothing.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Looking { steps } => format!("looking at {}", counted(*steps)),
        Event::Release { id, resumed: false } => format!("release {id} is open"),
        Event::Release { id, resumed: true } => format!("release {id} goes on"),
        Event::TakesBack { id, steps } => {
            format!("release {id} is taken back: {}", counted(*steps))
        }
        Event::PhaseStarted { phase, steps } => format!("{phase}: {}", counted(*steps)),
        Event::Guards { phase, lasts } => {
            format!("guardrails before {phase}: two looks, {} apart", duration(*lasts))
        }
        Event::PhaseEnded { phase } => format!("{phase}: done"),
        Event::StepStarted { .. } => return None,
        Event::StepActs { step, from, to } => format!("  {step}: {from} -> {to}"),
        Event::StepWaits { step, waiting_for, elapsed, .. } => {
            format!("  {step}: waits for {waiting_for} ({})", duration(*elapsed))
        }
        Event::Warning { text } => format!("  warning: {text}"),
        Event::StepEnded { report } => format!("  {}", ended(report)),
    })
}

fn counted(steps: usize) -> String {
    if steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") }
}

fn ended(report: &StepReport) -> String {
    let (sign, what) = match report.state {
        StepState::Changed => ("+", "done"),
        StepState::Done => ("=", unchanged(report)),
        StepState::Refused => ("!", "refused"),
        StepState::Failed => ("x", "failed"),
        StepState::Inconclusive => ("?", "asks a person"),
        _ => ("-", "stopped"),
    };
    let took = report.took.map_or_else(String::new, |it| format!(" ({})", duration(it)));
    let error = report.error.as_ref().map_or_else(String::new, |it| format!(": {it}"));
    format!("{sign} {}: {what}{took}{error}", report.step)
}
