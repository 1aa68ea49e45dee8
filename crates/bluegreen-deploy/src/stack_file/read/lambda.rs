//! Reads the tables `[lambda.NAME]`.

use std::time::Duration;

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
    let iterator_age_below =
        table.duration_above_zero("iterator-age-below").unwrap_or(Duration::from_secs(60));
    let caught_up_for = table.duration("caught-up-for").unwrap_or(Duration::from_secs(3 * 60));
    let config = config?;
    Some(LambdaSettings { config, mappings, rules, iterator_age_below, caught_up_for })
}
