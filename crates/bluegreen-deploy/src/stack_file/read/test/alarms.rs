//! Reads the tables `[test.NAME]` with `alarms`.

use std::{ops::Range, time::Duration};

use toml::de::DeValue;

use crate::stack_file::{
    AlarmTest, Alarms,
    read::table::{Table, Value, nearest},
};

/// How long alarms are watched, unless the file says otherwise.
const BAKE: Duration = Duration::from_secs(10 * 60);

/// Reads the table; `known` are the tables of alarms that there are, as `cloudwatch.NAME`.
pub(super) fn read(table: &mut Table<'_>, known: &[String]) -> Option<AlarmTest> {
    let bake = table.duration("bake").unwrap_or(BAKE);
    let except = table.strings("except").unwrap_or_default();
    let value = table.value("alarms")?;
    let alarms = match value.get_ref() {
        DeValue::String(text) => of(table, value, text, known)?,
        DeValue::Array(_) => named(table, &except)?,
        _ => {
            let expected = "an array of names, or a table of alarms such as `\"cloudwatch.pages\"`";
            return table.mismatch("alarms", value, expected);
        }
    };
    Some(AlarmTest { alarms, bake, except: texts(except) })
}

/// Returns the table of alarms that is meant.
fn of(table: &Table<'_>, value: &Value<'_>, text: &str, known: &[String]) -> Option<Alarms> {
    if known.iter().any(|it| it == text) {
        return text.strip_prefix("cloudwatch.").map(|it| Alarms::Of(it.to_owned()));
    }
    if !table.document.has_syntax_errors() {
        let help = match nearest(text, known.iter().map(String::as_str)) {
            Some(it) => format!("did you mean `{it}`?"),
            None => {
                "expected a table of the file, as in `\"cloudwatch.pages\"`, or an array of names"
                    .to_owned()
            }
        };
        let written = table.document.written(&value.span());
        let message = format!("`{written}` names no alarms of the stack file");
        table.document.note(value.span(), message, Some(help));
    }
    None
}

/// Returns the alarms that are named, of which `except` may be firing.
fn named(table: &mut Table<'_>, except: &[(String, Range<usize>)]) -> Option<Alarms> {
    let names = table.strings("alarms")?;
    if names.is_empty() || names.iter().any(|(name, _)| name.is_empty()) {
        let help = "expected the names of alarms".to_owned();
        let message = "`alarms` names no alarm".to_owned();
        table.document.note(table.span_of("alarms"), message, Some(help));
        return None;
    }
    for (name, span) in except.iter().filter(|it| !names.iter().any(|(name, _)| *name == it.0)) {
        let help = match nearest(name, names.iter().map(|it| it.0.as_str())) {
            Some(it) => format!("did you mean `{it}`?"),
            None => "expected only names that `alarms` has, too".to_owned(),
        };
        let message = format!("`{}` is not among `alarms`", table.document.written(span));
        table.document.note(span.clone(), message, Some(help));
    }
    Some(Alarms::Named(texts(names)))
}

fn texts(texts: Vec<(String, Range<usize>)>) -> Vec<String> {
    texts.into_iter().map(|(text, _)| text).collect()
}
