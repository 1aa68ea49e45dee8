//! What the tables `[test.NAME]` and `[schema.NAME]` have in common: exactly one of several kinds of things to run.

use super::{
    command,
    table::{Table, list, nearest},
};
#[cfg(any(feature = "http", feature = "lambda"))]
use crate::stack_file::OneOrPair;

/// The kinds, each with the feature that it needs and whether that is compiled in.
const FEATURES: [(&str, &str, bool); 4] = [
    ("http", "http", cfg!(feature = "http")),
    ("lambda", "lambda", cfg!(feature = "lambda")),
    ("task", "ecs", cfg!(feature = "ecs")),
    ("alarms", "cloudwatch", cfg!(feature = "cloudwatch")),
];

/// Returns which of `kinds` the table has; notes that it has none, several, or one that is not compiled in.
pub(super) fn kind(table: &mut Table<'_>, kinds: &[&'static str]) -> Option<&'static str> {
    let found: Vec<&'static str> =
        kinds.iter().copied().filter(|it| table.value(it).is_some()).collect();
    let kind = match found.as_slice() {
        [] => {
            note_missing(table, kinds);
            return None;
        }
        [kind] => *kind,
        [first, second, ..] => {
            let message = format!("{} has `{second}` besides `{first}`", table.name);
            let help = "expected only one of them: give each a table of its own".to_owned();
            table.document.note(table.span_of(second), message, Some(help));
            return None;
        }
    };
    let missing = FEATURES.iter().find(|it| it.0 == kind && !it.2);
    if let Some((_, feature, _)) = missing {
        let message = format!("`{kind}` needs a program that was built with `{feature}`");
        let help = format!("expected the cargo feature `{feature}` of `bluegreen-deploy`");
        table.document.note(table.span_of(kind), message, Some(help));
        return None;
    }
    Some(kind)
}

fn note_missing(table: &Table<'_>, kinds: &[&'static str]) {
    if table.document.has_syntax_errors() {
        return;
    }
    for key in table.entries.keys() {
        if let Some(meant) = nearest(key.get_ref(), kinds.iter().copied()) {
            let written = table.document.written(&key.span());
            let message = format!("`{written}` is not a key of {}", table.name);
            table.document.note(key.span(), message, Some(format!("did you mean `{meant}`?")));
            return;
        }
    }
    let message = format!("{} does not say what to run", table.name);
    let help = format!("expected {}", list(kinds.iter().copied()));
    table.document.note(table.span.clone(), message, Some(help));
}

/// Returns the program and its arguments at `command`.
pub(super) fn program(table: &mut Table<'_>) -> Option<Vec<String>> {
    command(table, "command")
}

/// Returns the text at `key` that is for both stacks, or the pair.
#[cfg(any(feature = "http", feature = "lambda"))]
pub(super) fn one_or_pair(table: &mut Table<'_>, key: &'static str) -> Option<OneOrPair> {
    use toml::de::DeValue;

    use super::resource::pair;

    let value = table.value(key)?;
    match value.get_ref() {
        DeValue::String(text) => Some(OneOrPair::One(text.to_string())),
        DeValue::Table(_) => pair(table, key).map(OneOrPair::Pair),
        _ => {
            table.mismatch(key, value, "one text for both stacks, or `{ a = \"..\", b = \"..\" }`")
        }
    }
}

/// Returns the function, or the pair of them, at `lambda`.
#[cfg(feature = "lambda")]
pub(super) fn functions(table: &mut Table<'_>) -> Option<OneOrPair> {
    let functions = one_or_pair(table, "lambda")?;
    let problems = match &functions {
        OneOrPair::One(name) => {
            bluegreen_lambda::check_function("lambda", name).into_iter().collect()
        }
        OneOrPair::Pair(pair) => bluegreen_lambda::check_functions("lambda", pair),
    };
    super::resource::note_problems(table, &problems);
    Some(functions)
}
