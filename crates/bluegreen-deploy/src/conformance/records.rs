//! What is written is read: every value, under its own prefix only, however much it is.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{AT_ONCE, beginning, changes, give_back, read, take, write};
use crate::{Changes, Lease, Records, Storage};

/// How many records a long journal has here, of about [`LENGTH`] bytes each: far beyond the 400 KB that an item of
/// DynamoDB has at most, and beyond the megabyte of one of its answers.
const JOURNAL: usize = 360;

/// How long a record of a long journal is, in bytes.
const LENGTH: usize = 4_000;

/// A release whose id others begin with.
const RELEASE: &str = "20261201T000000000001Z";

pub(super) async fn check(make: &impl AsyncFn() -> Arc<dyn Storage>) {
    let (writer, reader) = (make().await, make().await);
    let lease = take(writer.as_ref(), "the writer").await;
    write(writer.as_ref(), &lease, &beginning()).await;

    values(writer.as_ref(), reader.as_ref(), &lease).await;
    prefixes(writer.as_ref(), reader.as_ref(), &lease).await;
    removal(writer.as_ref(), reader.as_ref(), &lease).await;
    a_long_journal(writer.as_ref(), make, &lease).await;
    an_ended_release(writer.as_ref(), make, &lease).await;

    give_back(writer.as_ref(), &lease).await;
}

/// Every value comes back as it was, to other processes too, and the last one counts.
async fn values(writer: &dyn Storage, reader: &dyn Storage, lease: &Lease) {
    let written = changes([
        ("memory/a", Value::Null),
        ("memory/b", json!([true, -1, 0.1, u64::MAX, i64::MIN])),
        ("memory/c", json!({ "": {}, "Ü\"\n\\\u{0}": ["", "日本", "{\"a\": 1}"] })),
        ("memory/d", json!("x".repeat(100_000))),
        ("memory/sns.filter catalogue on b: #1", json!(7)),
    ]);
    write(writer, lease, &written).await;
    for storage in [writer, reader] {
        let same = read(storage, "memory/").await == expected(&written);
        assert!(
            same,
            "what is read is not what was written: values, or characters of keys, change"
        );
    }

    write(writer, lease, &changes([("memory/a", json!("second"))])).await;
    let seen = read(reader, "memory/a").await;
    assert_eq!(seen["memory/a"], "second", "another process does not see the last write");
    write(writer, lease, &changes([("memory/a", json!("third"))])).await;
    let seen = read(reader, "memory/a").await;
    assert_eq!(seen["memory/a"], "third", "another process does not see the last write");
    let untouched = read(reader, "memory/b").await;
    assert_eq!(untouched.len(), 1, "a write changes records that it does not name");
}

/// A prefix selects what begins with it, to the letter.
async fn prefixes(writer: &dyn Storage, reader: &dyn Storage, lease: &Lease) {
    let keys = [
        "journal/7/000001",
        "journal/7/000002",
        "journal/70/000001",
        "note/7/a",
        "note/7/a/b",
        "note/7/A",
        "release/7",
        "release/70",
    ];
    write(writer, lease, &changes(keys.map(|it| (it, json!(it))))).await;

    let selected: [(&str, &[&str]); 12] = [
        ("journal/7/", &keys[..2]),
        ("journal/7/000002", &keys[1..2]),
        ("journal/7", &keys[..3]),
        ("journal/", &keys[..3]),
        ("jour", &keys[..3]),
        ("note/7/a", &keys[3..5]),
        ("release/7", &keys[6..]),
        ("release/70", &keys[7..]),
        ("release/700", &[]),
        ("7/", &[]),
        ("nothing", &[]),
        ("memory/A", &[]),
    ];
    for (prefix, expected) in selected {
        let found: Vec<String> = read(reader, prefix).await.into_keys().collect();
        assert_eq!(found, expected, "these are not the keys that begin with `{prefix}`");
    }
    let all: Vec<String> = read(reader, "").await.into_keys().collect();
    let missing: Vec<_> = keys.iter().filter(|key| !all.iter().any(|it| it == *key)).collect();
    assert!(missing.is_empty(), "with no prefix, these records are not read: {missing:?}");
}

/// What is removed is gone, and nothing else is; what is not there can be removed.
async fn removal(writer: &dyn Storage, reader: &dyn Storage, lease: &Lease) {
    let mut written = changes([("memory/a", json!("fourth"))]);
    written.insert("memory/b".to_owned(), None);
    written.insert("memory/never-there".to_owned(), None);
    write(writer, lease, &written).await;

    let left: Vec<String> = read(reader, "memory/").await.into_keys().collect();
    let expected = ["memory/a", "memory/c", "memory/d", "memory/sns.filter catalogue on b: #1"];
    assert_eq!(left, expected, "after one record was removed these ought to be left");

    write(writer, lease, &changes([("memory/b", json!("again"))])).await;
    let again = read(reader, "memory/b").await;
    assert_eq!(again.len(), 1, "a record that was removed cannot be written again");
}

/// A release of several hundred records, written many at once, is read whole.
async fn a_long_journal(
    writer: &dyn Storage,
    make: &impl AsyncFn() -> Arc<dyn Storage>,
    lease: &Lease,
) {
    let entries: Vec<(String, Option<Value>)> = (1..=JOURNAL)
        .map(|number| (format!("journal/{RELEASE}/{number:06}"), Some(long(number))))
        .collect();
    let open = [("open", json!(RELEASE)), (&*format!("release/{RELEASE}"), json!({ "to": "b" }))];
    write(writer, lease, &changes(open)).await;
    for some in entries.chunks(AT_ONCE) {
        write(writer, lease, &some.iter().cloned().collect()).await;
    }

    let found = read(make().await.as_ref(), &format!("journal/{RELEASE}/")).await;
    assert_eq!(found.len(), JOURNAL, "so many of {JOURNAL} records of a journal are read");
    let same = found == expected(&entries.into_iter().collect());
    assert!(same, "the records of a long journal are mixed up");
}

/// A release that has ended is there as before, for ever.
async fn an_ended_release(
    writer: &dyn Storage,
    make: &impl AsyncFn() -> Arc<dyn Storage>,
    lease: &Lease,
) {
    let release = format!("release/{RELEASE}");
    let mut ending = changes([(&*release, json!({ "to": "b", "ended": true }))]);
    ending.insert("open".to_owned(), None);
    write(writer, lease, &ending).await;

    let reader = make().await;
    let open = read(reader.as_ref(), "open").await;
    assert!(open.is_empty(), "a release that has ended is open still");
    let journal = read(reader.as_ref(), &format!("journal/{RELEASE}/")).await;
    assert_eq!(journal.len(), JOURNAL, "the journal of a release that has ended is not whole");
    let first = read(reader.as_ref(), &format!("journal/{RELEASE}/000001")).await;
    assert_eq!(first.into_values().next(), Some(long(1)), "an entry of it cannot be read alone");
    let releases = read(reader.as_ref(), "release/").await;
    let keys: Vec<&str> = releases.keys().map(String::as_str).collect();
    assert_eq!(keys, [&*release, "release/7", "release/70"], "these are not all releases");
    assert_eq!(releases[&release]["ended"], true, "a release that has ended does not say so");
    let all = read(reader.as_ref(), "").await;
    assert!(all.contains_key(&release), "with no prefix, releases that have ended are not read");
}

/// Returns a record that no other is like.
fn long(number: usize) -> Value {
    json!({ "number": number, "error": number.to_string().repeat(LENGTH / number.to_string().len()) })
}

/// Returns the records that `changes` make where there were none.
fn expected(changes: &Changes) -> Records {
    let values = changes.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
    values.collect()
}
