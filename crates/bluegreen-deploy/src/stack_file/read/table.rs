//! [`Table`], which hands out the values of a TOML table and knows which keys were asked for.

use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
    time::Duration,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::document::Document;

/// A value and where it is.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// The longest duration that a file may ask for: no deployment lasts a year.
const LONGEST_DURATION: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The keys that may hold secrets.
const SECRET: [&str; 1] = ["headers"];

/// Returns a value as it would be written.
fn said(value: &DeValue<'_>) -> String {
    let inner = |it: &Value<'_>| said(it.get_ref());
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(it) => it.to_string(),
        DeValue::Datetime(it) => it.to_string(),
        DeValue::Array(values) => {
            format!("[{}]", values.iter().map(inner).collect::<Vec<_>>().join(", "))
        }
        DeValue::Table(entries) => {
            let entries =
                entries.iter().map(|(key, it)| format!("{} = {}", key.get_ref(), inner(it)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A table being read.
///
/// Its methods return `None` both when a key is not there and when its value is of no use; the latter is
/// noted in the document, and so is every key that was never asked for, by [`Table::finish`].
pub(super) struct Table<'t> {
    /// The document that it is a part of.
    pub(super) document: &'t Document<'t>,
    /// What messages call it: `` `[sqs.ingest]` ``.
    pub(super) name: String,
    /// Its header, or itself when it has none.
    pub(super) span: Range<usize>,
    /// What is in it.
    pub(super) entries: &'t DeTable<'t>,
    asked: Vec<&'static str>,
}

impl<'t> Table<'t> {
    /// Begins to read a table.
    pub(super) fn new(
        document: &'t Document<'t>,
        name: String,
        span: Range<usize>,
        entries: &'t DeTable<'t>,
    ) -> Self {
        Self { document, name, span, entries, asked: Vec::new() }
    }

    /// Returns what it says, key by key; of keys that may hold secrets as it is written, with variables that are
    /// not replaced.
    pub(super) fn written(&self) -> BTreeMap<String, String> {
        let mut written = BTreeMap::new();
        for (key, value) in self.entries {
            let is_secret = SECRET.contains(&key.get_ref().as_ref());
            self.write(key.get_ref(), value, is_secret, &mut written);
        }
        written
    }

    fn write(
        &self,
        key: &str,
        value: &Value<'_>,
        is_secret: bool,
        written: &mut BTreeMap<String, String>,
    ) {
        if let DeValue::Table(entries) = value.get_ref() {
            for (inner, value) in entries {
                self.write(&format!("{key}.{}", inner.get_ref()), value, is_secret, written);
            }
            return;
        }
        let text = match is_secret {
            true => self.document.written(&value.span()).to_owned(),
            false => said(value.get_ref()),
        };
        written.insert(key.to_owned(), text);
    }

    /// Notes every key that was never asked for.
    pub(super) fn finish(self) {
        for key in self.entries.keys() {
            let word: &str = key.get_ref();
            if self.asked.contains(&word) || self.document.has_broken_headers() {
                continue;
            }
            let message =
                format!("`{}` is not a key of {}", self.document.written(&key.span()), self.name);
            let help = match nearest(word, self.asked.iter().copied()) {
                Some(it) => format!("did you mean `{it}`?"),
                None => format!("expected {}", list(self.asked.iter().copied())),
            };
            self.document.note(key.span(), message, Some(help));
        }
    }

    /// Returns the value of `key` as it is.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'t Value<'t>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.entries.get(key)
    }

    /// Reads `key` with `read`; notes it when it is not there. `expected` says what it should be.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&mut Self, &'static str) -> Option<T>,
    ) -> Option<T> {
        if self.value(key).is_none() && !self.document.has_syntax_errors() {
            let message = format!("`{key}` is missing from {}", self.name);
            self.document.note(self.span.clone(), message, Some(format!("expected {expected}")));
        }
        read(self, key)
    }

    /// Returns the string at `key`.
    pub(super) fn string(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        self.string_of(key, value)
    }

    /// Returns the string that `value` is; messages call it `label`.
    pub(super) fn string_of(&self, label: &str, value: &Value<'_>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => self.mismatch(label, value, "a string"),
        }
    }

    /// Returns the strings of the array at `key`, each with its place.
    pub(super) fn strings(&mut self, key: &'static str) -> Option<Vec<(String, Range<usize>)>> {
        let value = self.value(key)?;
        let DeValue::Array(values) = value.get_ref() else {
            return self.mismatch(key, value, "an array of strings");
        };
        let texts = values.iter().map(|it| Some((self.string_of(key, it)?, it.span())));
        // All of them are looked at before the first that is no string ends it.
        texts.collect::<Vec<_>>().into_iter().collect()
    }

    /// Returns which of `choices` the string at `key` is.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let value = self.value(key)?;
        let expected = list(choices.iter().map(|it| it.0));
        let DeValue::String(text) = value.get_ref() else {
            return self.mismatch(key, value, &expected);
        };
        let choice = choices.iter().find(|it| it.0 == text.as_ref()).map(|it| it.1);
        if choice.is_none() {
            let message =
                format!("`{}` is no value of `{key}`", self.document.written(&value.span()));
            self.document.note(value.span(), message, Some(format!("expected {expected}")));
        }
        choice
    }

    /// Returns the integer at `key`, if it is in `range`.
    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.value(key)?;
        let expected = format!("an integer from {} to {}", range.start(), range.end());
        self.integer_of(key, value, range, &expected)
    }

    /// Returns the integer that `value` is, if it is in `range`; messages call it `label`.
    pub(super) fn integer_of(
        &self,
        label: &str,
        value: &Value<'_>,
        range: RangeInclusive<u32>,
        expected: &str,
    ) -> Option<u32> {
        let DeValue::Integer(number) = value.get_ref() else {
            return self.mismatch(label, value, expected);
        };
        let number = u32::from_str_radix(number.as_str(), number.radix()).ok();
        let number = number.filter(|it| range.contains(it));
        if number.is_none() {
            let message = format!("`{label}` is {}", self.document.written(&value.span()));
            self.document.note(value.span(), message, Some(format!("expected {expected}")));
        }
        number
    }

    /// Returns the duration at `key`, which may be zero.
    pub(super) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        let value = self.value(key)?;
        self.duration_of(key, value)
    }

    /// Returns the duration at `key`, which must not be zero.
    pub(super) fn duration_above_zero(&mut self, key: &'static str) -> Option<Duration> {
        let value = self.value(key)?;
        self.duration_above_zero_of(key, value)
    }

    /// Returns the duration that `value` is, which must not be zero; messages call it `label`.
    pub(super) fn duration_above_zero_of(
        &self,
        label: &str,
        value: &Value<'_>,
    ) -> Option<Duration> {
        let duration = self.duration_of(label, value)?;
        if duration.is_zero() {
            let help = "expected more than no time at all, such as `1s`".to_owned();
            self.document.note(value.span(), format!("`{label}` is zero"), Some(help));
            return None;
        }
        Some(duration)
    }

    fn duration_of(&self, label: &str, value: &Value<'_>) -> Option<Duration> {
        let DeValue::String(text) = value.get_ref() else {
            return self.mismatch(label, value, "a duration in quotation marks, such as `\"15m\"`");
        };
        let written = self.document.written(&value.span());
        let (message, help) = match humantime::parse_duration(text) {
            Ok(it) if it <= LONGEST_DURATION => return Some(it),
            Ok(_) => (format!("`{written}` is too long for `{label}`"), "expected at most a year"),
            Err(_) => (
                format!("`{written}` is not a duration"),
                "expected numbers with units, such as `30s`, `15m` or `1h 30m`",
            ),
        };
        self.document.note(value.span(), message, Some(help.to_owned()));
        None
    }

    /// Begins to read the table at `key`.
    pub(super) fn table(&mut self, key: &'static str, name: String) -> Option<Table<'t>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(entries) => Some(Table::new(self.document, name, value.span(), entries)),
            _ => self.mismatch(key, value, "a table"),
        }
    }

    /// Returns the tables `[key.NAME]` in the order of the file, each with its name.
    pub(super) fn named_tables(&mut self, key: &'static str) -> Vec<(&'t str, Table<'t>)> {
        let expected = format!("tables `[{key}.NAME]`");
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Table(entries) = value.get_ref() else {
            self.mismatch::<()>(key, value, &expected);
            return Vec::new();
        };

        let mut tables = Vec::new();
        for (name, value) in entries {
            let label = format!("{key}.{}", self.document.written(&name.span()));
            let DeValue::Table(entries) = value.get_ref() else {
                self.mismatch::<()>(&label, value, &expected);
                continue;
            };
            if !is_name(name.get_ref()) {
                let message = format!("`{label}` cannot be a name");
                let help = "expected letters, digits, `-` and `_`: names are used in file names";
                self.document.note(name.span(), message, Some(help.to_owned()));
            }
            let table = Table::new(self.document, format!("`[{label}]`"), value.span(), entries);
            tables.push((name.get_ref().as_ref(), table));
        }
        tables.sort_by_key(|(_, table)| table.span.start);
        tables
    }

    /// Returns where the value at `path` (`queues.a`) is, or what of the path there is; at worst the header.
    pub(super) fn span_of(&self, path: &str) -> Range<usize> {
        let mut span = self.span.clone();
        let mut entries = self.entries;
        for key in path.split('.') {
            let Some(value) = entries.get(key) else { break };
            span = value.span();
            let DeValue::Table(inner) = value.get_ref() else { break };
            entries = inner;
        }
        span
    }

    /// Notes that `value` is of another type than `expected`.
    pub(super) fn mismatch<T>(&self, label: &str, value: &Value<'_>, expected: &str) -> Option<T> {
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let help = format!("expected {expected}, found {found}");
        self.document.note(value.span(), format!("`{label}` is of the wrong type"), Some(help));
        None
    }
}

/// Returns whether `text` can name a stack or a resource.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_alphanumeric() || it == '-' || it == '_')
}

/// Returns which of `candidates` was probably meant by `word`.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let distances = candidates.into_iter().map(|it| (strsim::osa_distance(word, it), it));
    let (distance, candidate) = distances.min()?;
    (distance <= 3 && distance < candidate.chars().count()).then_some(candidate)
}

/// Writes the words out: `` `stop`, `delete` or `keep` ``.
pub(super) fn list<'c>(words: impl IntoIterator<Item = &'c str>) -> String {
    let words: Vec<String> = words.into_iter().map(|it| format!("`{it}`")).collect();
    match words.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
