//! When a stack file is read, and what is taken when it cannot be.

use std::collections::VecDeque;

use bluegreen_core::{Error, Result as CoreResult};
use tokio::time::advance;

use super::*;

const GET: &str = "ssm:GetParameter";

/// Answers one by one, and then never again.
#[derive(Debug)]
struct Answers(Mutex<VecDeque<CoreResult<Parameter>>>);

#[async_trait]
impl Parameters for Answers {
    async fn parameter(&self, name: &str) -> CoreResult<Parameter> {
        assert_eq!(name, "/bluegreen/shop");
        self.0.lock().await.pop_front().expect("it was asked once too often")
    }
}

fn version(version: i64, text: &str) -> CoreResult<Parameter> {
    Ok(Parameter { text: text.to_owned(), version: Some(version) })
}

fn throttled() -> CoreResult<Parameter> {
    Err(Error::Throttled { operation: GET, source: "slow down".into() })
}

fn denied() -> CoreResult<Parameter> {
    Err(Error::AccessDenied { operation: GET, source: "no".into() })
}

fn clock() -> Clock {
    Clock::following_tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
}

fn configuration(source: Source, answers: Vec<CoreResult<Parameter>>) -> Configuration {
    let answers = Answers(Mutex::new(answers.into()));
    Configuration::new(source, Arc::new(answers), clock())
}

fn parameter(answers: Vec<CoreResult<Parameter>>) -> Configuration {
    configuration(Source::Parameter("/bluegreen/shop".to_owned()), answers)
}

async fn a_minute() {
    advance(FRESH).await;
}

#[tokio::test(start_paused = true)]
async fn a_parameter_is_asked_for_once_a_minute_and_kept_while_it_is_the_same() {
    let configuration = parameter(vec![version(1, "one"), version(2, "one"), version(3, "two")]);

    let first = configuration.current().await.unwrap();
    advance(Duration::from_secs(59)).await;
    let again = configuration.current().await.unwrap();
    a_minute().await;
    let same = configuration.current().await.unwrap();
    a_minute().await;
    let changed = configuration.current().await.unwrap();

    assert!(Arc::ptr_eq(&first, &again) && Arc::ptr_eq(&first, &same));
    assert_eq!((changed.text.as_str(), changed.version), ("two", Some(3)));
    assert_eq!(changed.name, "parameter /bluegreen/shop");
    assert_ne!(changed.hash, first.hash);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_kept_while_aws_cannot_be_reached() {
    let configuration = parameter(vec![version(1, "one"), throttled(), version(2, "two")]);
    configuration.current().await.unwrap();

    a_minute().await;
    let kept = configuration.current().await.unwrap();
    let not_asked = configuration.current().await.unwrap();
    a_minute().await;
    let changed = configuration.current().await.unwrap();

    assert_eq!([&*kept.text, &*not_asked.text, &*changed.text], ["one", "one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_not_used_by_whom_it_is_denied() {
    let configuration = parameter(vec![version(1, "one"), denied(), denied(), version(1, "one")]);
    let first = configuration.current().await.unwrap();

    a_minute().await;
    let denied = configuration.current().await.unwrap_err();
    let still = configuration.current().await;
    let allowed = configuration.current().await.unwrap();

    assert_eq!(
        denied.to_string(),
        "the stack file could not be read from parameter `/bluegreen/shop`"
    );
    assert!(still.is_err());
    assert!(Arc::ptr_eq(&first, &allowed));
}

#[tokio::test(start_paused = true)]
async fn a_first_read_that_fails_is_an_error_and_is_tried_again() {
    let configuration = parameter(vec![throttled(), version(1, "one")]);

    let failed = configuration.current().await;
    let read = configuration.current().await.unwrap();

    assert!(matches!(failed, Err(ConfigurationError::Parameter { .. })));
    assert_eq!(read.text, "one");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_put_back_makes_nothing_fresh() {
    let asked = clock().now() + Duration::from_secs(3600);

    assert!(!parameter(Vec::new()).is_fresh(asked));
}

#[tokio::test(start_paused = true)]
async fn a_file_of_the_package_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.toml");
    fs::write(&path, "one").unwrap();
    let configuration = configuration(Source::Package(path.clone()), Vec::new());

    let first = configuration.current().await.unwrap();
    fs::write(&path, "two").unwrap();
    a_minute().await;
    let again = configuration.current().await.unwrap();

    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!((first.text.as_str(), first.version), ("one", None));
    assert_eq!(first.name, path.to_str().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_there_is_named_with_what_the_system_says() {
    let configuration = configuration(Source::Package("nowhere/shop.toml".into()), Vec::new());

    let err = configuration.current().await.unwrap_err();

    assert_eq!(err.to_string(), "the stack file `nowhere/shop.toml` could not be read");
    assert!(std::error::Error::source(&err).is_some());
}

#[tokio::test(start_paused = true)]
async fn the_text_of_a_variable_is_taken_as_it_is_and_never_shown() {
    let configuration = configuration(Source::Text("swordfish".to_owned()), Vec::new());

    let loaded = configuration.current().await.unwrap();

    assert_eq!(loaded.text, "swordfish");
    assert_eq!(loaded.hash, hash("swordfish"));
    assert!(!format!("{loaded:?} {configuration:?}").contains("swordfish"));
}

#[test]
fn the_hash_is_that_of_everybody() {
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    assert_eq!(hash("abc"), expected);
}
