//! What a stack file may say, and that no text makes reading it panic.

mod exclusive;
mod resources;
mod runs;
mod traffic;
mod values;
mod variables;

use std::{collections::BTreeMap, ops::Range};

use bluegreen_core::Pair;
use proptest::{prelude::*, sample::Index};

use super::*;
use crate::stack_file::*;

const EXAMPLE: &str = include_str!("tests/example.toml");
const MISTAKES: &str = include_str!("tests/mistakes.toml");

/// Reads `text` with the variables `QUEUE` (`ingest-a`) and `STAGE` (`live`).
fn parse(text: &str) -> Result<StackFile, StackFileError> {
    StackFile::parse(text, Path::new("bluegreen.toml"), &|name| match name {
        "QUEUE" => Some("ingest-a".to_owned()),
        "STAGE" => Some("live".to_owned()),
        _ => None,
    })
}

/// Puts `rest` behind the two keys that every file needs.
fn file(rest: &str) -> String {
    format!("name = \"shop\"\nregion = \"eu-west-1\"\n{rest}\n")
}

#[track_caller]
fn good(rest: &str) -> StackFile {
    parse(&file(rest)).unwrap()
}

/// The problems of a file: the text that each underlines, and what it says.
#[track_caller]
fn bad(rest: &str) -> Vec<(String, String)> {
    problems(&file(rest))
}

#[track_caller]
fn problems(text: &str) -> Vec<(String, String)> {
    let err = parse(text).unwrap_err();
    let problem = |it: &Problem| {
        let help = it.help.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
        (err.text[it.span.clone()].to_owned(), format!("{}{help}", it.message))
    };
    err.problems.iter().map(problem).collect()
}

/// Checks that `rest` has one problem, which underlines `place` and contains all of `words`.
#[track_caller]
fn one_problem(rest: &str, place: &str, words: &[&str]) {
    let found = bad(rest);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, place, "{found:?}");
    for word in words {
        assert!(found[0].1.contains(word), "{found:?} lacks {word}");
    }
}

fn sqs(keys: &str) -> String {
    format!("[sqs.one]\nqueues = {{ a = \"one-a\", b = \"one-b\" }}\nfeed = \"work\"\n{keys}\n")
}

fn pair(a: &str, b: &str) -> Pair<String> {
    Pair { a: a.to_owned(), b: b.to_owned() }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_whole_file_is_read() {
    let found = parse(EXAMPLE).unwrap();

    assert_eq!((found.name.as_str(), found.region.as_str()), ("shop", "eu-west-1"));
    assert_eq!(found.account_id.as_deref(), Some("123456789012"));
    assert_eq!(found.traffic, Traffic::None);
    assert_eq!(
        found.state,
        StateSettings { store: StoreSettings::File(".bluegreen".into()), lease: seconds(30) }
    );
    assert_eq!(
        found.release,
        ReleaseSettings {
            hold: seconds(2 * 60 * 60),
            on_failure: OnFailure::Pause,
            undo_after: None,
            guardrails: GuardrailSettings {
                watch: seconds(20),
                ignore_alarms: ["shop-b-always".to_owned()].into(),
                dead_letters_per_minute: 0,
            },
        }
    );
    assert_eq!(found.pace.first_look, seconds(2));
    assert_eq!(found.pace.longest_look, seconds(20));
    assert_eq!(found.pace.at_once, 8);
    assert_eq!(
        found.pace.deadlines,
        BTreeMap::from([("aurora".to_owned(), seconds(3600)), ("lambda".to_owned(), seconds(600))])
    );
}

#[test]
fn every_service_of_a_whole_file_is_read() {
    let found = parse(EXAMPLE).unwrap();

    let orders = &found.aurora[0].settings;
    assert_eq!(orders.config.clusters, pair("orders-a", "orders-b"));
    assert_eq!(orders.config.minimum_readers, 1);
    assert_eq!(orders.config.namespace.as_deref(), Some("shop"));
    assert_eq!(orders.config.tags["team"], "shop");
    assert_eq!((orders.writes, orders.retire), (Writes::Direct, AuroraRetire::Delete));
    assert!(!orders.final_snapshot);
    assert_eq!(orders.connections, ConnectionsGuard::Ignore);

    let clicks = &found.kinesis[0].settings;
    assert_eq!(clicks.config.consumers, pair("clicks-a", "clicks-b"));
    assert!(clicks.config.stream_arn.ends_with(":stream/clicks"));
    assert!(!clicks.deregister);

    let catalogue = &found.sns[0].settings;
    let subscriptions = catalogue.config.subscriptions.as_ref().unwrap();
    assert!(subscriptions.b.ends_with(":catalogue:2222"));
    let filter = serde_json::json!({ "type": ["order", 1, 2.5, true], "size": { "kind": ["s"] } });
    assert_eq!(catalogue.config.enabled_filter.as_ref(), filter.as_object());
    assert_eq!(catalogue.settle, seconds(600));

    let ingest = &found.lambda[0].settings;
    assert_eq!(ingest.config.functions, pair("ingest-a", "ingest-b"));
    assert_eq!(ingest.config.alias.as_deref(), Some("live"));
    assert_eq!((ingest.mappings, ingest.rules), (ConsumerKind::Exclusive, ConsumerKind::Off));
    assert_eq!((ingest.iterator_age_below, ingest.caught_up_for), (seconds(300), seconds(60)));

    let ingest = &found.sqs[0].settings;
    assert_eq!(ingest.config.queues, pair("ingest-a", "ingest-b"));
    assert_eq!(ingest.config.dead_letter_queues, Some(pair("ingest-a-dlq", "ingest-b-dlq")));
    assert_eq!(ingest.feed, Feed::FanOut);
    assert_eq!((ingest.settle, ingest.drained_for), (seconds(0), seconds(90)));
    let caught_up = (CaughtUp::Below(seconds(120)), seconds(0));
    assert_eq!((ingest.caught_up, ingest.caught_up_for), caught_up);

    let worker = &found.ecs[0].settings;
    assert_eq!(worker.config.cluster, "shop");
    assert_eq!(worker.config.services, pair("worker-a", "worker-b"));
    assert_eq!(worker.desired_tasks, DesiredTasks::Count(4));

    let sessions = &found.dynamodb[0].settings;
    assert_eq!(sessions.config.tables, pair("sessions-a", "sessions-b"));
    assert!(sessions.delete);

    let pages = &found.cloudwatch[0].settings;
    assert_eq!(pages.affixes(bluegreen_core::StackReference::B), ("shop-b-", ""));
}

#[test]
fn what_is_left_out_has_its_default() {
    let found = good(
        r#"
        [aurora.orders]
        clusters = { a = "orders-a", b = "orders-b" }
        [kinesis.clicks]
        stream-arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks"
        consumers = { a = "clicks-a", b = "clicks-b" }
        [sns.catalogue]
        topic = "arn:aws:sns:eu-west-1:123456789012:catalogue"
        endpoints = { a = "arn:aws:sqs:eu-west-1:123456789012:in-a", b = "arn:aws:sqs:eu-west-1:123456789012:in-b" }
        [lambda.ingest]
        functions = { a = "ingest-a", b = "ingest-b" }
        [sqs.ingest]
        queues = { a = "ingest-a", b = "ingest-b" }
        feed = "work"
        [dynamodb.sessions]
        tables = { a = "sessions-a", b = "sessions-b" }
        "#,
    );

    assert_eq!(found.account_id, None);
    assert_eq!(found.traffic, Traffic::Undeclared);
    assert_eq!(found.state.store, StoreSettings::File(".bluegreen".into()));
    assert_eq!(found.release.hold, seconds(3600));
    assert_eq!(found.pace, PaceSettings::default());
    let orders = &found.aurora[0].settings;
    assert_eq!((orders.writes, orders.retire), (Writes::IngestOnly, AuroraRetire::Stop));
    assert_eq!((orders.config.minimum_readers, orders.final_snapshot), (0, true));
    assert!(found.kinesis[0].settings.deregister);
    assert_eq!(found.sns[0].settings.settle, seconds(15 * 60));
    let ingest = &found.lambda[0].settings;
    assert_eq!((ingest.mappings, ingest.rules), (ConsumerKind::Mirror, ConsumerKind::Exclusive));
    assert_eq!((ingest.iterator_age_below, ingest.caught_up_for), (seconds(60), seconds(180)));
    let ingest = &found.sqs[0].settings;
    assert_eq!(ingest.config.dead_letter_queues, None);
    assert_eq!((ingest.settle, ingest.drained_for), (seconds(60), seconds(180)));
    let caught_up = (CaughtUp::Below(seconds(60)), seconds(180));
    assert_eq!((ingest.caught_up, ingest.caught_up_for), caught_up);
    assert!(!found.dynamodb[0].settings.delete);
}

#[test]
fn resources_keep_the_order_of_the_file_and_the_line_of_their_header() {
    let found = good(
        r#"[dynamodb.zebras]
tables = { a = "zebras-a", b = "zebras-b" }

[dynamodb.apes]
tables = { a = "apes-a", b = "apes-b" }"#,
    );

    let places: Vec<_> = found.dynamodb.iter().map(|it| (it.name.as_str(), it.line)).collect();
    assert_eq!(places, [("zebras", 3), ("apes", 6)]);
}

#[test]
fn a_dozen_mistakes_are_shown_at_once_in_the_order_of_the_file() {
    let err = parse(MISTAKES).unwrap_err();

    insta::assert_snapshot!(err.to_string());
}

#[test]
fn several_syntax_errors_are_shown_with_the_other_problems() {
    let found =
        bad("account-id = 12\n[pace]\nat-once = = 3\n[release]\nhold = \"soon\"\nheld = 1\nx\n");

    let places: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
    assert!(places.contains(&"12"), "{found:?}");
    assert!(places.contains(&"\"soon\""), "{found:?}");
    assert!(places.contains(&"held"), "{found:?}");
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn a_broken_line_is_reported_once() {
    let text = file("account-id = \n[sqs.x\nskip = [\"sqs.purge\"\nfeed = \"work\"\n");

    let err = parse(&text).unwrap_err();

    let lines: Vec<usize> = err.problems.iter().map(|it| it.line(&err.text)).collect();
    assert_eq!(lines, [3, 4, 6], "{err}");
}

#[test]
fn problems_name_the_file_and_its_places() {
    let err =
        StackFile::parse("name = 1\nregion = \"eu-west-1\"", Path::new("x/shop.toml"), &|_| None)
            .unwrap_err();

    assert_eq!(
        err.to_string(),
        "x/shop.toml:1:8: `name` is of the wrong type (expected a string, found an integer)"
    );
}

/// Checks that reading `text` ends with a stack file, or with problems that have a place in the text.
fn is_read_or_refused(text: &str) -> Result<(), TestCaseError> {
    if let Err(err) = parse(text) {
        prop_assert!(!err.problems.is_empty());
        for problem in &err.problems {
            prop_assert!(problem.span.end <= text.len(), "{problem:?}");
        }
        prop_assert_eq!(err.to_string().lines().count(), err.problems.len());
    }
    Ok(())
}

fn cut(text: &str, range: Range<usize>, with: &str) -> String {
    let (start, end) = (range.start.min(range.end), range.start.max(range.end));
    let (start, end) = (text.floor_char_boundary(start), text.floor_char_boundary(end));
    format!("{}{with}{}", &text[..start], &text[end..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}") {
        is_read_or_refused(&text)?;
    }

    #[test]
    fn no_text_of_what_files_are_made_of_makes_it_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\n", "\"", "'", "\"\"\"", "$", "${", "name", "sqs",
                "sqs.x", "[sqs.x]", "queues", "traffic", "a", "b", "1", "0x", "nan", "true", "\\u00", "#", "\r", "\u{fc}",
            ]),
            0..30,
        ),
    ) {
        is_read_or_refused(&words.concat())?;
    }

    #[test]
    fn no_change_of_a_good_file_makes_it_panic(
        from in any::<Index>(),
        to in any::<Index>(),
        with in "[\\[\\]{}=.,\"'$\n a-z0-9\u{fc}]{0,6}",
        is_short in any::<bool>(),
    ) {
        let from = from.index(EXAMPLE.len());
        let to = if is_short { from + 3 } else { to.index(EXAMPLE.len()) };

        is_read_or_refused(&cut(EXAMPLE, from..to, &with))?;
    }
}
