//! What a finished release leaves, and what differs from it.

use crate::{
    look::{Row, summary},
    shop::{self, Stack},
};

/// Returns how everything must look after a release to `active`.
///
/// Dead letters of the standby's ingest queue are evidence, which a release keeps: there must be
/// `kept` of them, and without a number their row is left out.
pub(crate) fn expected(active: Stack, kept: Option<usize>) -> Vec<Row> {
    let row = |what: &str, is: &dyn Fn(Stack, bool) -> String| {
        Row::new(what, Stack::BOTH.map(|stack| is(stack, stack == active)))
    };
    let plain = |what: &str, on: &str, off: &str| {
        row(what, &|_, active| if active { on.to_owned() } else { off.to_owned() })
    };
    let limits = format!("{} to {}", shop::READER_LIMITS.0, shop::READER_LIMITS.1);
    let readers = shop::READERS.to_string();

    let mut rows = vec![
        plain("aurora.orders cluster", "available", "stopped"),
        plain("aurora.orders readers", &readers, &readers),
        plain("aurora.orders reader limits", &limits, &limits),
        plain("kinesis.clicks consumer", "active", "none"),
    ];
    for (topic, filter) in shop::TOPICS {
        rows.push(plain(&format!("sns.{topic} filter"), filter.unwrap_or("none"), shop::BLOCKED));
    }
    rows.push(plain("sqs.ingest messages", "0", "0"));
    if let Some(kept) = kept {
        rows.push(plain("sqs.ingest dead letters", "0", &kept.to_string()));
    }
    let mails = shop::DEAD_MAILS.to_string();
    rows.push(plain("sqs.mail messages", "0", "0"));
    rows.push(plain("sqs.mail dead letters", &mails, &mails));
    for pair in shop::FUNCTIONS {
        rows.push(row(&format!("lambda.{pair} mappings"), &|stack, active| {
            let stopped = shop::queue_arn(&shop::stopped_queue(stack));
            summary(shop::sources(pair, stack).into_iter().map(|it| {
                let name = it.rsplit(':').next().unwrap_or_default().to_owned();
                (name, active && it != stopped)
            }))
        }));
    }
    for pair in shop::FUNCTIONS {
        rows.push(row(&format!("lambda.{pair} rules"), &|stack, active| {
            let own = shop::RULES.iter().filter(|it| it.function == pair);
            summary(own.map(|it| {
                (format!("{}-{}", shop::of(pair, stack), it.name), active && !it.stopped)
            }))
        }));
    }
    rows.push(plain("lambda.ingest managed rule", "1 on", "1 on"));
    for (pair, tasks, scales) in shop::SERVICES {
        let scaling = |state| if scales { state } else { "none" };
        rows.push(plain(&format!("ecs.{pair} tasks"), &format!("{tasks} of {tasks}"), "0 of 0"));
        rows.push(plain(
            &format!("ecs.{pair} scaling"),
            scaling("runs, suspended: scheduled"),
            scaling("suspended"),
        ));
    }
    rows.push(plain("dynamodb.sessions table", "active", "active"));
    rows.push(row("cloudwatch.pages actions", &|stack, active| {
        let composite = (shop::composite_alarm(stack), active);
        let plain = shop::alarms(stack).map(|it| {
            let scales = it == shop::scaling_alarm(stack);
            let on = scales || (active && it != shop::muted_alarm(stack));
            (it, on)
        });
        summary(plain.chain([composite]))
    }));
    rows
}

/// Names each thing that is not as `expected`, one line for each.
pub(crate) fn differences(expected: &[Row], seen: &[Row]) -> Vec<String> {
    let mut differences = Vec::new();
    for row in expected {
        let Some(own) = seen.iter().find(|it| it.what == row.what) else {
            differences.push(format!("{}: was not looked at", row.what));
            continue;
        };
        for (stack, expected, seen) in [("a", &row.a, &own.a), ("b", &row.b, &own.b)] {
            if expected != seen {
                let what = &row.what;
                differences.push(format!("{what} of stack {stack}: is `{seen}`, not `{expected}`"));
            }
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'a>(rows: &'a [Row], what: &str) -> &'a Row {
        rows.iter().find(|it| it.what == what).unwrap()
    }

    #[test]
    fn what_is_as_expected_differs_in_nothing() {
        let expected = expected(Stack::B, Some(3));

        assert_eq!(differences(&expected, &expected), Vec::<String>::new());
    }

    #[test]
    fn each_difference_is_named_with_its_stack() {
        let mut seen = expected(Stack::B, Some(3));
        seen[0].a = "available".to_owned();
        let missing = seen.remove(1);

        let differences = differences(&expected(Stack::B, Some(3)), &seen);

        assert_eq!(
            differences,
            [
                "aurora.orders cluster of stack a: is `available`, not `stopped`".to_owned(),
                format!("{}: was not looked at", missing.what),
            ]
        );
    }

    #[test]
    fn what_a_person_has_switched_off_stays_off_on_the_active_stack() {
        let rows = expected(Stack::B, None);

        let mappings = row(&rows, "lambda.ingest mappings");
        assert_eq!(mappings.b, "111 on, off: ingest-b-merchant-042");
        assert_eq!(mappings.a, "112 off");
        let rules = row(&rows, "lambda.ingest rules");
        assert_eq!(rules.b, "3 on, off: ingest-b-replay");
        let alarms = row(&rows, "cloudwatch.pages actions");
        assert_eq!(alarms.b, "120 on, off: shop-b-nightly-import");
        assert_eq!(alarms.a, "120 off, on: shop-a-worker-backlog");
    }

    #[test]
    fn kept_dead_letters_are_expected_on_the_standby_only() {
        let kept = expected(Stack::A, Some(3));
        let ignored = expected(Stack::A, None);

        let dead = row(&kept, "sqs.ingest dead letters");
        assert_eq!([dead.a.as_str(), dead.b.as_str()], ["0", "3"]);
        assert!(ignored.iter().all(|it| it.what != "sqs.ingest dead letters"));
    }
}
