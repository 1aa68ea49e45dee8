//! [`subscriber`], which writes logs as lines of JSON, flat, so that every field can be searched for.

use std::{error::Error, fmt, io::Write, sync::Mutex};

use bluegreen_core::Clock;
use serde_json::{Map, Value};
use tracing::{
    Event, Span, Subscriber,
    field::{Empty, Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use crate::{answer::chain, invocation::Invocation};

/// The beginnings of the names of crates that show requests and events when they tell details: these may
/// hold secrets, so they tell warnings only.
const TALKATIVE: [&str; 8] =
    ["aws", "h2", "hyper", "lambda_runtime", "lambda_http", "rustls", "tokio", "tower"];

/// Makes what writes logs, to be installed by the program.
///
/// Each event is one line of JSON, written at once: `timestamp` (UTC, RFC 3339), `level`, `target`, `message`,
/// the fields of the event, and those of the spans around it, of which the inner ones win. So all lines of
/// an invocation in its [`span`] have `request_id`, and `trace_id` and `release` once they are known. `step` is that
/// which is [under way](bluegreen_core::current_step). Errors are written with their causes.
///
/// Of crates that deal in requests and events, such as the AWS SDK and Lambda's runtime, only warnings and errors are
/// written, whatever the level. A line that cannot be written is lost: there is nowhere to say so.
pub fn subscriber(
    writer: impl Write + Send + 'static,
    level: LevelFilter,
    clock: Clock,
) -> impl Subscriber + Send + Sync {
    let quiet = level.min(LevelFilter::WARN);
    let targets = Targets::new().with_default(level).with_targets(TALKATIVE.map(|it| (it, quiet)));
    let lines = Lines { writer: Mutex::new(writer), clock };
    Registry::default().with(lines.with_filter(targets))
}

/// Reads a level as Lambda writes it into `AWS_LAMBDA_LOG_LEVEL`: `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`, in
/// whatever case. Without one, or for a word that is none of these, it is `INFO`.
pub fn level(word: Option<&str>) -> LevelFilter {
    let word = word.unwrap_or_default().trim();
    match word {
        _ if word.eq_ignore_ascii_case("fatal") => LevelFilter::ERROR,
        // A number would be read as a level, too.
        _ if word.chars().all(char::is_alphabetic) && !word.is_empty() => {
            word.parse().unwrap_or(LevelFilter::INFO)
        }
        _ => LevelFilter::INFO,
    }
}

/// Makes the span of an invocation, in which it is to be handled.
///
/// The release is not known at first: `span.record("release", id)` adds it.
pub fn span(invocation: &Invocation) -> Span {
    // Spans of a lower level would be missing where only errors are written.
    tracing::error_span!(
        "invocation",
        request_id = invocation.request_id,
        trace_id = invocation.trace_id,
        release = Empty,
    )
}

/// Writes each event as a line.
struct Lines<W> {
    writer: Mutex<W>,
    clock: Clock,
}

/// The fields of a span or an event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Write + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Fields::default();
        if let Some(step) = bluegreen_core::current_step() {
            line.0.insert("step".to_owned(), step.into());
        }
        for span in context.event_scope(event).into_iter().flat_map(|it| it.from_root()) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.0.extend(fields.0.clone());
            }
        }
        event.record(&mut line);

        let metadata = event.metadata();
        let timestamp = humantime::format_rfc3339_millis(self.clock.now()).to_string();
        line.0.insert("timestamp".to_owned(), timestamp.into());
        line.0.insert("level".to_owned(), metadata.level().as_str().into());
        line.0.insert("target".to_owned(), metadata.target().into());
        let mut text = Value::Object(line.0).to_string();
        text.push('\n');
        // Whoever has panicked with it has written a whole line, or none.
        let mut writer = self.writer.lock().unwrap_or_else(|it| it.into_inner());
        let _lost = writer.write_all(text.as_bytes()).and_then(|()| writer.flush());
    }
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, chain(value));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use serde_json::json;
    use tracing::subscriber::with_default;

    use super::*;
    use crate::invocation::fixture::invocation;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the lines that `work` writes at this level.
    fn lines(level: LevelFilter, work: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let clock = Clock::following_tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400));
        with_default(subscriber(written.clone(), level, clock), work);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_is_flat_and_has_what_is_known_of_the_invocation() {
        let mut invocation = invocation(Duration::from_secs(900));
        invocation.trace_id = Some("Root=1-5759e988".to_owned());

        let lines = lines(LevelFilter::ERROR, || {
            let span = span(&invocation);
            span.in_scope(|| {
                tracing::error!(target: "bluegreen_hook", looks = 3, "before");
                span.record("release", "r-1");
                tracing::error!(target: "bluegreen_hook", done = true, share = 0.5, "after {}", 1);
            });
        });

        assert_eq!(
            lines,
            [
                json!({
                    "timestamp": "1970-01-02T00:00:00.000Z", "level": "ERROR",
                    "target": "bluegreen_hook", "message": "before", "looks": 3,
                    "request_id": "8476a536", "trace_id": "Root=1-5759e988",
                }),
                json!({
                    "timestamp": "1970-01-02T00:00:00.000Z", "level": "ERROR",
                    "target": "bluegreen_hook", "message": "after 1", "done": true, "share": 0.5,
                    "request_id": "8476a536", "trace_id": "Root=1-5759e988", "release": "r-1",
                }),
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_step_that_is_under_way_is_named() {
        let work = async { lines(LevelFilter::INFO, || tracing::info!("it is {}", "called")) };

        let lines = bluegreen_core::during("sqs.purge orders".to_owned(), work).await;

        assert_eq!(lines[0]["step"], "sqs.purge orders");
        assert_eq!(lines[0]["message"], "it is called");
    }

    #[tokio::test(start_paused = true)]
    async fn an_inner_field_wins_and_none_takes_the_place_of_the_level() {
        let lines = lines(LevelFilter::INFO, || {
            let _outer = tracing::info_span!("outer", step = "one", level = "mine").entered();
            let _inner = tracing::info_span!("inner", step = "two").entered();
            tracing::info!("first");
            tracing::warn!(step = "three", timestamp = "mine", "second");
        });

        assert_eq!([&lines[0]["step"], &lines[1]["step"]], ["two", "three"]);
        assert_eq!([&lines[0]["level"], &lines[1]["level"]], ["INFO", "WARN"]);
        assert_ne!(lines[1]["timestamp"], "mine");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_written_with_its_causes_and_a_break_stays_in_its_line() {
        let denied =
            bluegreen_core::Error::AccessDenied { operation: "sqs:X", source: "a\nb".into() };

        let lines = lines(LevelFilter::INFO, || {
            tracing::info!(error = &denied as &dyn Error, share = f64::NAN, "it failed");
        });

        let expected = "not allowed: the caller lacks the permission `sqs:X`: a\nb";
        assert_eq!(lines[0]["error"], expected);
        assert_eq!(lines[0]["share"], Value::Null);
    }

    #[tokio::test(start_paused = true)]
    async fn crates_that_show_requests_tell_no_details_at_any_level() {
        let work = || {
            tracing::trace!(target: "aws_smithy_runtime::client", "request: swordfish");
            tracing::info!(target: "lambda_runtime", "event: swordfish");
            tracing::warn!(target: "aws_config", "a warning");
            tracing::trace!(target: "bluegreen_deploy", "a detail");
        };

        let all = lines(LevelFilter::TRACE, work);
        let few = lines(LevelFilter::ERROR, work);

        let messages: Vec<_> = all.iter().map(|it| it["message"].as_str().unwrap()).collect();
        assert_eq!(messages, ["a warning", "a detail"]);
        assert!(few.is_empty(), "{few:?}");
    }

    #[test]
    fn a_level_is_read_as_lambda_writes_it() {
        for (word, expected) in [
            (Some("DEBUG"), LevelFilter::DEBUG),
            (Some(" warn "), LevelFilter::WARN),
            (Some("FATAL"), LevelFilter::ERROR),
            (Some("loud"), LevelFilter::INFO),
            (Some("5"), LevelFilter::INFO),
            (Some(""), LevelFilter::INFO),
            (None, LevelFilter::INFO),
        ] {
            assert_eq!(level(word), expected, "{word:?}");
        }
    }
}
