//! Reads the tables `[sqs.NAME]`.

use std::time::Duration;

use bluegreen_sqs::SqsConfig;

use super::{
    resource::{check, pair},
    table::Table,
};
use crate::stack_file::{CaughtUp, Feed, SqsSettings};

const FEED: &str = "`fan-out` if every message reaches both stacks, or `work` if it reaches one only: a \
                    purge loses messages of the latter, so there is no default";

pub(super) fn read(table: &mut Table<'_>) -> Option<SqsSettings> {
    let queues = table.required("queues", "the names of the two queues", pair);
    let dead_letter_queues = pair(table, "dead-letter-queues");
    let config = queues.map(|queues| SqsConfig { queues, dead_letter_queues });
    check(table, config.as_ref());

    let feed = table.required("feed", FEED, |table, key| {
        table.one_of(key, &[("fan-out", Feed::FanOut), ("work", Feed::Work)])
    });
    let settle = table.duration("settle").unwrap_or(Duration::from_secs(60));
    let drained_for = table.duration("drained-for").unwrap_or(Duration::from_secs(3 * 60));
    let below = table.duration_above_zero("caught-up-below").unwrap_or(Duration::from_secs(60));
    let choices =
        [("age", CaughtUp::Below(below)), ("drained", CaughtUp::Drained), ("off", CaughtUp::Off)];
    let caught_up = table.one_of("caught-up", &choices).unwrap_or(CaughtUp::Below(below));
    let caught_up_for = table.duration("caught-up-for").unwrap_or(Duration::from_secs(3 * 60));
    let (config, feed) = (config?, feed?);
    Some(SqsSettings { config, feed, settle, drained_for, caught_up, caught_up_for })
}
