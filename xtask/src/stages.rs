//! Runs the stages of a chore one after the other, and sums them up at the end.

use std::{
    fmt::{self, Display},
    ops::AddAssign,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Those that passed.
    pub(crate) passed: usize,
    /// Those that failed.
    pub(crate) failed: usize,
}

impl Counts {
    /// What a stage counts that is one check and no test run.
    pub(crate) const PASSED: Self = Self { passed: 1, failed: 0 };
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// The stages of a chore, as far as they have run.
#[derive(Debug, Default)]
pub(crate) struct Stages(Vec<Stage>);

#[derive(Debug)]
struct Stage {
    name: &'static str,
    outcome: Outcome,
    time: Duration,
}

#[derive(Debug)]
enum Outcome {
    Ran(Counts),
    Failed(String),
    DidNotRun(String),
}

impl Stages {
    /// Runs a stage, and returns what it made; nothing when it failed.
    pub(crate) fn make<T>(
        &mut self,
        name: &'static str,
        stage: impl FnOnce() -> Result<T>,
    ) -> Option<T> {
        let mut made = None;
        self.run(name, || {
            made = Some(stage()?);
            Ok(Counts::PASSED)
        });
        made
    }

    /// Runs a stage, and returns whether it passed.
    ///
    /// One that fails with an error counts as one failed test.
    #[expect(clippy::disallowed_methods, reason = "no clock is simulated here")]
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        stage: impl FnOnce() -> Result<Counts>,
    ) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = match stage() {
            Ok(counts) => Outcome::Ran(counts),
            Err(err) => {
                eprintln!("error: {err:#}");
                Outcome::Failed(format!("{err:#}"))
            }
        };
        let passed = matches!(outcome, Outcome::Ran(it) if it.failed == 0);
        self.0.push(Stage { name, outcome, time: start.elapsed() });
        passed
    }

    /// Notes that a stage did not run, and why.
    pub(crate) fn skip(&mut self, name: &'static str, why: &str) {
        println!("\n== {name} did not run: {why}");
        self.0.push(Stage {
            name,
            outcome: Outcome::DidNotRun(why.to_owned()),
            time: Duration::ZERO,
        });
    }

    /// Prints the summary of all stages, the sum of their tests last.
    ///
    /// # Errors
    ///
    /// When one of them failed.
    pub(crate) fn finish(self) -> Result<()> {
        print!("\n{}", self.summary());
        let failed: Vec<_> = self.0.iter().filter(|it| it.failed()).map(|it| it.name).collect();
        ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
        Ok(())
    }

    fn summary(&self) -> String {
        let mut sum = Counts::default();
        let mut total = Duration::ZERO;
        let width = self.0.iter().map(|it| it.name.len()).max().unwrap_or_default();
        let mut text = String::new();
        for Stage { name, outcome, time } in &self.0 {
            total += *time;
            let outcome = match outcome {
                Outcome::Ran(counts) => {
                    sum += *counts;
                    if *counts == Counts::PASSED { "passed".to_owned() } else { counts.to_string() }
                }
                Outcome::Failed(why) => {
                    sum.failed += 1;
                    format!("failed: {why}")
                }
                Outcome::DidNotRun(why) => format!("did not run: {why}"),
            };
            text += &format!("{name:width$}  {:>7}  {outcome}\n", minutes(*time));
        }
        text += &format!("{:width$}  {:>7}\n\n{sum}\n", "", minutes(total));
        text
    }
}

impl Stage {
    fn failed(&self) -> bool {
        match self.outcome {
            Outcome::Ran(counts) => counts.failed > 0,
            Outcome::Failed(_) => true,
            Outcome::DidNotRun(_) => false,
        }
    }
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1}s", time.as_secs_f64()),
        seconds => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn stages(outcomes: [Outcome; 3]) -> Stages {
        let times = [0, 75_000, 1_500].map(Duration::from_millis);
        let stages = ["format", "tests", "licences"].into_iter().zip(outcomes).zip(times);
        Stages(stages.map(|((name, outcome), time)| Stage { name, outcome, time }).collect())
    }

    #[test]
    fn the_summary_names_each_stage_and_ends_with_the_sum() {
        let stages = stages([
            Outcome::Ran(Counts::PASSED),
            Outcome::Ran(Counts { passed: 41, failed: 2 }),
            Outcome::DidNotRun("not installed".to_owned()),
        ]);

        let summary = stages.summary();

        assert_eq!(
            summary,
            [
                "format       0.0s  passed",
                "tests       1m15s  41 passed, 2 failed",
                "licences     1.5s  did not run: not installed",
                "            1m16s",
                "",
                "42 passed, 2 failed\n",
            ]
            .join("\n")
        );
        assert_eq!(stages.finish().unwrap_err().to_string(), "failed: tests");
    }

    #[test]
    fn a_stage_that_did_not_run_does_not_fail_the_chore() {
        let mut stages = Stages::default();
        stages.skip("licences", "not installed");

        let finished = stages.finish();

        assert!(finished.is_ok());
    }

    #[test]
    fn a_stage_that_ends_with_an_error_counts_as_failed_and_the_next_one_runs() {
        let mut stages = Stages::default();

        let first = stages.run("format", || bail!("two files differ"));
        let second = stages.make("build", || Ok(7));

        assert!(!first);
        assert_eq!(second, Some(7));
        assert!(stages.summary().contains("failed: two files differ"));
        assert!(stages.summary().ends_with("\n1 passed, 1 failed\n"));
    }
}
