//! Reads the tables `[kinesis.NAME]`.

use bluegreen_kinesis::KinesisConfig;

use super::{
    resource::{check, pair},
    table::Table,
};
use crate::stack_file::KinesisSettings;

pub(super) fn read(table: &mut Table<'_>) -> Option<KinesisSettings> {
    let stream_arn = table.required("stream-arn", "the ARN of the stream", Table::string);
    let consumers = table.required("consumers", "the names of the two consumers", pair);
    let config = stream_arn
        .zip(consumers)
        .map(|(stream_arn, consumers)| KinesisConfig { stream_arn, consumers });
    check(table, config.as_ref());

    let deregister = table.one_of("retire", &[("deregister", true), ("keep", false)]);
    Some(KinesisSettings { config: config?, deregister: deregister.unwrap_or(true) })
}
