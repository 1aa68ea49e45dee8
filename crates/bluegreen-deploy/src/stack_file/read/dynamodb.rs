//! Reads the tables `[dynamodb.NAME]`.

use bluegreen_dynamodb::DynamoDbConfig;

use super::{
    resource::{check, pair},
    table::Table,
};
use crate::stack_file::DynamoDbSettings;

pub(super) fn read(table: &mut Table<'_>) -> Option<DynamoDbSettings> {
    let tables = table.required("tables", "the names of the two tables", pair);
    let config = tables.map(|tables| DynamoDbConfig { tables });
    check(table, config.as_ref());

    let delete = table.one_of("retire", &[("keep", false), ("delete", true)]).unwrap_or(false);
    Some(DynamoDbSettings { config: config?, delete })
}
