//! Reads `deadlines` of `[pace]`: how long steps may take, by their subject or by their name.

use std::{collections::BTreeMap, time::Duration};

use toml::de::DeValue;

use super::{
    SERVICES,
    table::{Table, Value, list, nearest},
};
use crate::plan;

/// The subjects of steps that belong to no service: they have deadlines too.
const OTHER_SUBJECTS: [&str; 7] =
    ["active", "exclusive", "release", "schema", "standby", "test", "traffic"];

/// Returns them by what they are given for: a subject (`aurora`) or a step (`aurora.start`), which may also be written in a
/// table of its subject.
pub(super) fn read(pace: &mut Table<'_>) -> BTreeMap<String, Duration> {
    let Some(table) = pace.table("deadlines", "`deadlines`".to_owned()) else {
        return BTreeMap::new();
    };
    let mut deadlines = BTreeMap::new();
    let mut note = |name: &str, place, value: &Value<'_>| {
        if is_known(&table, name, place)
            && let Some(deadline) = table.duration_above_zero_of(name, value)
        {
            deadlines.insert(name.to_owned(), deadline);
        }
    };
    for (key, value) in table.entries {
        let subject: &str = key.get_ref();
        match value.get_ref() {
            DeValue::Table(steps) if subjects().any(|it| it == subject) => {
                for (word, value) in steps {
                    note(&format!("{subject}.{}", word.get_ref()), word.span(), value);
                }
            }
            _ => note(subject, key.span(), value),
        }
    }
    deadlines
}

fn subjects() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|it| it.0).chain(OTHER_SUBJECTS)
}

/// Returns whether there are steps that are called so, or have that subject; notes the name otherwise.
fn is_known(table: &Table<'_>, name: &str, place: std::ops::Range<usize>) -> bool {
    let of_subject = |it: &str| name.split_once('.').is_some_and(|own| it.starts_with(own.0));
    let (what, known): (_, Vec<&str>) = match name.contains('.') {
        true => ("the name", plan::step_names().collect()),
        false => ("the subject", subjects().collect()),
    };
    if known.contains(&name) {
        return true;
    }
    let own: Vec<&str> = known.iter().copied().filter(|it| of_subject(it)).collect();
    let expected = if own.is_empty() { known.clone() } else { own };
    let help = match nearest(name, known) {
        Some(it) => format!("did you mean `{it}`?"),
        None => format!("expected {}", list(expected)),
    };
    let message = format!("`{}` is {what} of no step", table.document.written(&place));
    table.document.note(place, message, Some(help));
    false
}
