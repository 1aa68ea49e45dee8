//! Reads the tables `[lambda.NAME]`.

use bluegreen_lambda::LambdaConfig;

use super::{
    resource::{check, pair},
    table::Table,
};
use crate::stack_file::{ConsumerKind, LambdaSettings};

const KINDS: [(&str, ConsumerKind); 3] = [
    ("mirror", ConsumerKind::Mirror),
    ("exclusive", ConsumerKind::Exclusive),
    ("off", ConsumerKind::Off),
];

pub(super) fn read(table: &mut Table<'_>) -> Option<LambdaSettings> {
    let functions = table.required("functions", "the names of the two functions", pair);
    let alias = table.string("alias");
    let config = functions.map(|functions| LambdaConfig { functions, alias });
    check(table, config.as_ref());

    let mappings = table.one_of("mappings", &KINDS).unwrap_or(ConsumerKind::Mirror);
    let rules = table.one_of("rules", &KINDS).unwrap_or(ConsumerKind::Exclusive);
    Some(LambdaSettings { config: config?, mappings, rules })
}
