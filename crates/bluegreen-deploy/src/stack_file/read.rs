//! [`StackFile::parse`]: reads the text of a stack file and finds everything that is wrong with it.

#[cfg(feature = "aurora")]
mod aurora;
#[cfg(feature = "cloudwatch")]
mod cloudwatch;
mod deadlines;
mod document;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "ecs")]
mod ecs;
#[cfg(feature = "kinesis")]
mod kinesis;
#[cfg(feature = "lambda")]
mod lambda;
mod names;
mod resource;
mod runs;
mod schema;
#[cfg(feature = "sns")]
mod sns;
#[cfg(feature = "sqs")]
mod sqs;
mod table;
mod test;
#[cfg(test)]
#[cfg(feature = "full")]
mod tests;
mod traffic;

#[cfg(not(feature = "dynamodb-store"))]
use std::path::PathBuf;
use std::{path::Path, time::Duration};

use self::{
    document::Document,
    table::{Table, is_name},
};
use super::{
    GuardrailSettings, OnFailure, PaceSettings, ReleaseSettings, StackFile, StackFileError,
    StateSettings, StoreSettings,
};

/// The services that a stack file can have tables of, and whether they are compiled in.
const SERVICES: [(&str, bool); 8] = [
    ("aurora", cfg!(feature = "aurora")),
    ("cloudwatch", cfg!(feature = "cloudwatch")),
    ("dynamodb", cfg!(feature = "dynamodb")),
    ("ecs", cfg!(feature = "ecs")),
    ("kinesis", cfg!(feature = "kinesis")),
    ("lambda", cfg!(feature = "lambda")),
    ("sns", cfg!(feature = "sns")),
    ("sqs", cfg!(feature = "sqs")),
];

const PROGRAM: &str = "a program and its arguments, such as `[\"./switch.sh\"]`";

/// A table `[service.name]`, not read yet.
struct ResourceTable<'t> {
    service: &'static str,
    name: &'t str,
    table: Table<'t>,
}

impl StackFile {
    /// Reads the stack file `text`.
    ///
    /// In every string `${NAME}` is replaced by what `environment` returns for `NAME`, and `$$` by a dollar.
    /// `path` is where the text comes from; it is only named in the error.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file at once, each with its place: syntax errors, unknown and missing
    /// keys, values of the wrong type or out of bounds, what a toolkit's configuration does not accept,
    /// ARNs of another Region or account, resources named twice, alarms that two tables share, keys without
    /// effect, and what cannot be done with the mover of the traffic.
    pub fn parse(
        text: &str,
        path: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, StackFileError> {
        let (document, entries) = Document::parse(text, environment);
        let stack_file = read(Table::new(&document, "the stack file".to_owned(), 0..0, &entries));
        let problems = document.into_problems();
        if problems.is_empty() {
            Ok(stack_file)
        } else {
            Err(StackFileError { path: path.to_owned(), text: text.to_owned(), problems })
        }
    }
}

/// Reads the whole file. What cannot be used is noted as a problem, and its default stands in for it.
fn read(mut root: Table<'_>) -> StackFile {
    let name = root.required("name", "the name of the whole, such as `\"shop\"`", stack_name);
    let region = root.required("region", "an AWS Region, such as `\"eu-west-1\"`", region);
    let account_id = account_id(&mut root);
    let (traffic, served) = traffic::read(&mut root);
    let state = state(&mut root);
    let release = release(&mut root);
    let pace = pace(&mut root);
    let mut tables = resource_tables(&mut root, &SERVICES);
    tables.extend(resource_tables(&mut root, &[("schema", true)]));
    tables.sort_by_key(|it| it.table.span.start);
    let alarms = tables.iter().filter(|it| it.service == "cloudwatch");
    let alarms: Vec<String> = alarms.map(|it| format!("cloudwatch.{}", it.name)).collect();
    let tests = test::read_all(&mut root, &alarms, &pace, traffic::hurried(&traffic).as_deref());
    let document = root.document;
    root.finish();

    let schemas = resource::read_all("schema", &mut tables, |it| schema::read(it, &pace));
    let stack_file = StackFile {
        name: name.unwrap_or_default(),
        region: region.clone().unwrap_or_default(),
        account_id: account_id.clone(),
        traffic,
        state,
        release,
        pace,
        tests,
        schemas,
        #[cfg(feature = "aurora")]
        aurora: resource::read_all("aurora", &mut tables, aurora::read),
        #[cfg(feature = "cloudwatch")]
        cloudwatch: resource::read_all("cloudwatch", &mut tables, cloudwatch::read),
        #[cfg(feature = "dynamodb")]
        dynamodb: resource::read_all("dynamodb", &mut tables, dynamodb::read),
        #[cfg(feature = "ecs")]
        ecs: resource::read_all("ecs", &mut tables, ecs::read),
        #[cfg(feature = "kinesis")]
        kinesis: resource::read_all("kinesis", &mut tables, kinesis::read),
        #[cfg(feature = "lambda")]
        lambda: resource::read_all("lambda", &mut tables, lambda::read),
        #[cfg(feature = "sns")]
        sns: resource::read_all("sns", &mut tables, sns::read),
        #[cfg(feature = "sqs")]
        sqs: resource::read_all("sqs", &mut tables, sqs::read),
    };

    names::check_arns(&tables, region.as_deref(), account_id.as_deref());
    names::check_repeats(&tables);
    #[cfg(feature = "ecs")]
    ecs::check_exclusive(&tables);
    #[cfg(feature = "ecs")]
    traffic::check_services(document, &served, &stack_file.ecs);
    #[cfg(not(feature = "ecs"))]
    let _ = (document, served);
    #[cfg(feature = "cloudwatch")]
    cloudwatch::check_overlaps(&tables, &stack_file.cloudwatch);
    for it in tables {
        it.table.finish();
    }
    stack_file
}

fn stack_name(root: &mut Table<'_>, key: &'static str) -> Option<String> {
    let name = root.string(key)?;
    checked(root, key, name, is_name, "letters, digits, `-` and `_`: it is used in file names")
}

fn region(root: &mut Table<'_>, key: &'static str) -> Option<String> {
    let is_region = |it: &str| {
        it.contains('-')
            && it.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-')
    };
    let region = root.string(key)?;
    checked(root, key, region, is_region, "an AWS Region, such as `\"eu-west-1\"`")
}

fn account_id(root: &mut Table<'_>) -> Option<String> {
    let key = "account-id";
    let is_account = |it: &str| it.len() == 12 && it.chars().all(|it| it.is_ascii_digit());
    let account = root.string(key)?;
    checked(root, key, account, is_account, "the 12 digits of an AWS account in quotation marks")
}

/// Returns `value` if it is good; notes that it is no `key` otherwise.
fn checked(
    table: &Table<'_>,
    key: &str,
    value: String,
    is_good: impl Fn(&str) -> bool,
    expected: &str,
) -> Option<String> {
    if is_good(&value) {
        return Some(value);
    }
    let span = table.span_of(key);
    let message = format!("`{}` cannot be the `{key}`", table.document.written(&span));
    table.document.note(span, message, Some(format!("expected {expected}")));
    None
}

fn command(table: &mut Table<'_>, key: &'static str) -> Option<Vec<String>> {
    let words: Vec<String> = table.strings(key)?.into_iter().map(|(word, _)| word).collect();
    if words.first().is_none_or(|it| it.is_empty()) {
        let message = format!("`{key}` names no program");
        table.document.note(table.span_of(key), message, Some(format!("expected {PROGRAM}")));
        return None;
    }
    Some(words)
}

#[cfg(feature = "dynamodb-store")]
fn in_table(state: &mut Table<'_>) -> StoreSettings {
    let table = state.required("table", "the name of the DynamoDB table", Table::string);
    StoreSettings::DynamoDb(table.unwrap_or_default())
}

#[cfg(not(feature = "dynamodb-store"))]
fn in_table(state: &mut Table<'_>) -> StoreSettings {
    let message = "`dynamodb` needs a program that was built with it".to_owned();
    let help = "expected the cargo feature `dynamodb-store` of `bluegreen-deploy`".to_owned();
    state.document.note(state.span_of("store"), message, Some(help));
    state.value("table");
    StoreSettings::File(PathBuf::new())
}

/// How long a lease lives unrenewed, unless the file says otherwise.
const LEASE: Duration = Duration::from_secs(30);

/// The shortest: it is renewed three times in its life, by calls that take their time.
const SHORTEST_LEASE: Duration = Duration::from_secs(3);

fn state(root: &mut Table<'_>) -> StateSettings {
    let default =
        || StateSettings { store: StoreSettings::File(".bluegreen".into()), lease: LEASE };
    let Some(mut state) = root.table("state", "`[state]`".to_owned()) else { return default() };

    let is_table = state.one_of("store", &[("file", false), ("dynamodb", true)]) == Some(true);
    let store = if is_table {
        in_table(&mut state)
    } else {
        let path = state.string("path");
        if path.as_deref() == Some("") {
            let help = "expected a folder, relative to the stack file".to_owned();
            state.document.note(state.span_of("path"), "`path` is empty".to_owned(), Some(help));
        }
        StoreSettings::File(path.unwrap_or_else(|| ".bluegreen".to_owned()).into())
    };
    let lease = state.duration_above_zero("lease").unwrap_or(LEASE);
    if lease < SHORTEST_LEASE {
        let message = "`lease` is shorter than 3 seconds".to_owned();
        let help = "expected \"3s\" or more: it is renewed three times in its life".to_owned();
        state.document.note(state.span_of("lease"), message, Some(help));
    }
    state.finish();
    StateSettings { store, lease }
}

/// How long both stacks stay fed after `promote`, unless the file says otherwise.
const HOLD: Duration = Duration::from_secs(60 * 60);

fn release(root: &mut Table<'_>) -> ReleaseSettings {
    let release = root.table("release", "`[release]`".to_owned()).map(|mut release| {
        let choices = [("pause", OnFailure::Pause), ("undo", OnFailure::Undo)];
        let on_failure = release.one_of("on-failure", &choices).unwrap_or_default();
        let undo_after = release.duration_above_zero("undo-after");
        let hold = release.duration("hold").unwrap_or(HOLD);
        let guardrails = guardrails(&mut release);
        release.finish();
        ReleaseSettings { hold, on_failure, undo_after, guardrails }
    });
    release.unwrap_or_else(|| ReleaseSettings {
        hold: HOLD,
        on_failure: OnFailure::default(),
        undo_after: None,
        guardrails: GuardrailSettings::default(),
    })
}

fn guardrails(release: &mut Table<'_>) -> GuardrailSettings {
    let default = GuardrailSettings::default();
    let letters = release.integer("dead-letters-per-minute", 0..=u32::MAX);
    let ignored = release.strings("ignore-alarms").unwrap_or_default();
    GuardrailSettings {
        watch: release.duration("watch").unwrap_or(default.watch),
        ignore_alarms: ignored.into_iter().map(|(name, _)| name).collect(),
        dead_letters_per_minute: letters.unwrap_or(default.dead_letters_per_minute),
    }
}

fn pace(root: &mut Table<'_>) -> PaceSettings {
    let default = PaceSettings::default();
    let Some(mut table) = root.table("pace", "`[pace]`".to_owned()) else { return default };

    let pace = PaceSettings {
        first_look: table.duration_above_zero("first-look").unwrap_or(default.first_look),
        longest_look: table.duration_above_zero("longest-look").unwrap_or(default.longest_look),
        at_once: table.integer("at-once", 1..=100).map_or(default.at_once, |it| it as usize),
        deadlines: deadlines::read(&mut table),
    };
    if pace.longest_look < pace.first_look {
        let key =
            if table.entries.contains_key("longest-look") { "longest-look" } else { "first-look" };
        let message = "`longest-look` is shorter than `first-look`".to_owned();
        let help = "expected looks to become rarer, not more frequent".to_owned();
        table.document.note(table.span_of(key), message, Some(help));
    }
    // Whoever counts how long a queue has been empty must not look away for longer.
    if pace.longest_look > LONGEST_LOOK {
        let message = "`longest-look` is longer than a minute".to_owned();
        let help = "expected at most \"60s\"".to_owned();
        table.document.note(table.span_of("longest-look"), message, Some(help));
    }
    table.finish();
    pace
}

/// The longest time between two looks.
const LONGEST_LOOK: Duration = Duration::from_secs(60);

/// Returns the tables of all services that are compiled in, and refuses those of the others.
fn resource_tables<'t>(
    root: &mut Table<'t>,
    services: &[(&'static str, bool)],
) -> Vec<ResourceTable<'t>> {
    let mut tables = Vec::new();
    for &(service, is_compiled_in) in services {
        for (name, table) in root.named_tables(service) {
            if is_compiled_in {
                tables.push(ResourceTable { service, name, table });
                continue;
            }
            let message = format!("{} needs a program that was built with `{service}`", table.name);
            let help = format!("expected the cargo feature `{service}` of `bluegreen-deploy`");
            table.document.note(table.span, message, Some(help));
        }
    }
    tables
}
