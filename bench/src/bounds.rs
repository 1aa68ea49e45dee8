//! What the hook Lambda may take, and the table of what it takes.

use std::time::Duration;

use crate::measure::Cold;

/// How many times the cold start of the hook that is written by hand it may take.
const TIMES_HANDWRITTEN: f64 = 1.5;

/// How many bytes of memory it may have, and its package.
const MEMORY: u64 = 16 * 1024 * 1024;
const ZIPPED: u64 = 5_000_000;

/// How many times its longest chain of calls it may take, where each call takes a while, besides its cold start.
const TIMES_CHAIN: f64 = 1.15;

/// One program, measured.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// Where AWS answers at once.
    pub(crate) at_once: Cold,
    /// Where each call takes a while.
    pub(crate) delayed: Cold,
    /// The size of the program in bytes.
    pub(crate) size: u64,
    /// The size of its package in bytes, of those that are packed.
    pub(crate) zipped: Option<u64>,
}

/// Writes the table that is in README.
pub(crate) fn table(measured: &[Measured], delay: Duration) -> String {
    let mut text = format!(
        "| | cold start to answer | at {} ms a call | calls, longest chain | peak memory | program | zipped |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
        delay.as_millis()
    );
    for it in measured {
        let zipped =
            it.zipped.map_or_else(|| "–".to_owned(), |it| format!("{:.1} MB", decimal(it)));
        text += &format!(
            "| {} | {} | {} | {}, {} | {:.1} MiB | {:.1} MB | {zipped} |\n",
            it.name,
            milliseconds(it.at_once.took),
            milliseconds(it.delayed.took),
            it.at_once.calls,
            it.delayed.chain,
            mebibytes(it.at_once.memory.max(it.delayed.memory)),
            decimal(it.size),
        );
    }
    text
}

/// Says what is beyond its bounds.
pub(crate) fn complaints(hook: &Measured, handwritten: &Measured, delay: Duration) -> Vec<String> {
    let mut complaints = Vec::new();
    let allowed = handwritten.at_once.took.mul_f64(TIMES_HANDWRITTEN);
    if hook.at_once.took > allowed {
        complaints.push(format!(
            "the cold start takes {}, more than {TIMES_HANDWRITTEN} times that of the hook written by hand ({})",
            milliseconds(hook.at_once.took),
            milliseconds(allowed)
        ));
    }
    let links = u32::try_from(hook.delayed.chain).unwrap_or(u32::MAX);
    let allowed = (delay * links).mul_f64(TIMES_CHAIN) + hook.at_once.took;
    if hook.delayed.took > allowed {
        complaints.push(format!(
            "it takes {} at {} ms a call, more than {TIMES_CHAIN} times its chain of {links} calls, and the cold start \
             ({})",
            milliseconds(hook.delayed.took),
            delay.as_millis(),
            milliseconds(allowed)
        ));
    }
    let memory = hook.at_once.memory.max(hook.delayed.memory);
    if memory > MEMORY {
        complaints.push(format!(
            "it has {:.1} MiB of memory, more than {:.0}",
            mebibytes(memory),
            mebibytes(MEMORY)
        ));
    }
    match hook.zipped {
        Some(zipped) if zipped <= ZIPPED => {}
        Some(zipped) => complaints.push(format!(
            "its package has {:.2} MB, more than {:.0}",
            decimal(zipped),
            decimal(ZIPPED)
        )),
        None => complaints.push("the size of its package is not known".to_owned()),
    }
    complaints
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
fn decimal(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(50);

    fn measured(at_once: u64, delayed: u64) -> Measured {
        let cold = |millis| Cold {
            took: Duration::from_millis(millis),
            memory: 12 * 1024 * 1024,
            calls: 11,
            chain: 11,
        };
        Measured {
            name: "hook",
            at_once: cold(at_once),
            delayed: cold(delayed),
            size: 9_000_000,
            zipped: Some(4_000_000),
        }
    }

    #[test]
    fn what_is_within_its_bounds_is_not_complained_about() {
        let complaints = complaints(&measured(30, 650), &measured(20, 570), DELAY);

        assert_eq!(complaints, Vec::<String>::new());
    }

    #[test]
    fn each_bound_is_complained_about_by_itself() {
        let handwritten = measured(20, 570);
        let mut hook = measured(31, 700);
        hook.at_once.memory = 17 * 1024 * 1024;
        hook.zipped = Some(5_100_000);

        let complaints = complaints(&hook, &handwritten, DELAY);

        assert_eq!(complaints.len(), 4, "{complaints:?}");
        assert!(complaints[0].contains("31.0 ms") && complaints[0].contains("30.0 ms"));
        assert!(complaints[1].contains("chain of 11 calls"), "{complaints:?}");
        assert!(complaints[2].contains("17.0 MiB"), "{complaints:?}");
        assert!(complaints[3].contains("5.10 MB"), "{complaints:?}");
    }

    #[test]
    fn a_package_whose_size_is_not_known_is_not_taken_for_a_small_one() {
        let mut hook = measured(30, 650);
        hook.zipped = None;

        let complaints = complaints(&hook, &measured(20, 570), DELAY);

        assert_eq!(complaints, ["the size of its package is not known"]);
    }

    #[test]
    fn the_table_has_a_line_for_each_program() {
        let text = table(&[measured(30, 650)], DELAY);

        let last = text.lines().last();
        assert_eq!(text.lines().count(), 3);
        assert_eq!(
            last,
            Some("| hook | 30.0 ms | 650.0 ms | 11, 11 | 12.0 MiB | 9.0 MB | 4.0 MB |")
        );
    }
}
