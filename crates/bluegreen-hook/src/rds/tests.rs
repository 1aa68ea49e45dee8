//! What is done about messages, and what makes them come again.

use std::sync::Mutex;

use bluegreen_aurora::{ClusterStart, MockAuroraToolkit};
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::invocation::fixture::invocation;

const QUARTER_HOUR: Duration = Duration::from_secs(900);

/// Notes what it hears; fails for clusters of this name.
#[derive(Debug, Default)]
struct Hears {
    heard: Mutex<Vec<String>>,
    fails: Option<(&'static str, bool)>,
}

#[async_trait(?Send)]
impl Clusters for Hears {
    async fn started(&self, cluster: &str, _: ClusterStart) -> Result<(), Failure> {
        self.heard.lock().unwrap().push(cluster.to_owned());
        match self.fails {
            Some((name, transient)) if name == cluster => {
                Err(Failure { transient, error: "it is open".into() })
            }
            _ => Ok(()),
        }
    }
}

fn message(text: &str) -> SnsMessage {
    SnsMessage {
        topic_arn: "arn:aws:sns:eu-west-1:123456789012:rds".to_owned(),
        message_id: "1".to_owned(),
        message: text.to_owned(),
    }
}

fn created(instance: &str) -> SnsMessage {
    let event = json!({
        "Event Source": "db-instance",
        "Source ID": instance,
        "Event ID": "http://docs.aws.amazon.com/USER_Events.html#RDS-EVENT-0005",
    });
    message(&event.to_string())
}

fn started(cluster: &str) -> SnsMessage {
    let event = json!({
        "Event Source": "db-cluster",
        "Source ID": cluster,
        "Event ID": "http://docs.aws.amazon.com/USER_Events.html#RDS-EVENT-0151",
    });
    message(&event.to_string())
}

fn tagging(toolkit: MockAuroraToolkit) -> Database {
    Database { name: "orders".to_owned(), toolkit: Arc::new(toolkit), tags: true, insights: None }
}

fn insights(toolkit: MockAuroraToolkit) -> Database {
    let insights = Some(PerformanceInsightsOptions::default());
    Database { tags: false, insights, ..tagging(toolkit) }
}

fn throttled() -> Error {
    Error::Throttled { operation: "rds:AddTagsToResource", source: "slow down".into() }
}

fn denied() -> Error {
    Error::AccessDenied { operation: "rds:AddTagsToResource", source: "no".into() }
}

/// Tags every instance but those that `fails` says.
fn tags(fails: impl Fn(&str) -> Option<Error> + Send + 'static) -> MockAuroraToolkit {
    let mut toolkit = MockAuroraToolkit::new();
    toolkit.expect_apply_tags().returning(move |record| {
        let event: serde_json::Value = serde_json::from_str(&record.sns.message).unwrap();
        let instance = event["Source ID"].as_str().unwrap().to_owned();
        match fails(&instance) {
            Some(err) => Err(err),
            None => {
                let tags = vec![("team".to_owned(), "swordfish".to_owned())];
                Ok(Tagging::Tagged { instance, tags })
            }
        }
    });
    toolkit
}

fn answers(answers: Vec<PerformanceInsights>) -> MockAuroraToolkit {
    let mut toolkit = MockAuroraToolkit::new();
    let mut left = answers.into_iter();
    toolkit
        .expect_enable_performance_insights()
        .times(left.len())
        .returning(move |_, _| Ok(left.next().expect("no other look")));
    toolkit
}

fn busy() -> PerformanceInsights {
    let (instance, status) = ("r-1".to_owned(), "creating".to_owned());
    PerformanceInsights::Busy { instance, status }
}

async fn handled(messages: &[SnsMessage], databases: &[Database]) -> Outcome {
    handle(messages, databases, &Hears::default(), &invocation(QUARTER_HOUR)).await
}

#[tokio::test(start_paused = true)]
async fn a_new_reader_is_tagged_and_no_value_of_a_tag_is_shown() {
    let outcome = handled(&[created("r-1")], &[tagging(tags(|_| None))]).await;

    assert_eq!(outcome.done, ["tagged instance `r-1` with `team`"]);
    assert!(outcome.into_result().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_does_not_lose_the_others_and_comes_again() {
    let toolkit = tags(|it| (it == "r-1").then(throttled));

    let outcome = handled(&[created("r-1"), created("r-2")], &[tagging(toolkit)]).await;

    assert_eq!(outcome.done, ["tagged instance `r-2` with `team`"]);
    let err = outcome.into_result().unwrap_err();
    assert_eq!(err.to_string(), "1 of 1 failures about RDS events may be cured by a retry");
    let cause = std::error::Error::source(&err).unwrap().to_string();
    assert!(cause.contains("was throttled"), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn what_no_retry_cures_does_not_make_the_messages_come_again() {
    let outcome = handled(&[created("r-1")], &[tagging(tags(|_| Some(denied())))]).await;

    assert_eq!(outcome.failures.len(), 1);
    assert!(outcome.into_result().is_ok());
}

#[tokio::test(start_paused = true)]
async fn every_database_is_asked_for_its_tags_even_after_one_has_failed() {
    let databases = [tagging(tags(|_| Some(denied()))), tagging(tags(|_| None))];

    let outcome = handled(&[created("r-1")], &databases).await;

    assert_eq!((outcome.done.len(), outcome.failures.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_busy_is_looked_at_again_until_it_is_not() {
    let began = Instant::now();
    let enabled = PerformanceInsights::Enabled("r-1".to_owned());
    let toolkit = answers(vec![busy(), busy(), enabled]);

    let outcome = handled(&[created("r-1")], &[insights(toolkit)]).await;

    assert_eq!(outcome.done, ["switched Performance Insights on for `r-1`"]);
    assert_eq!(began.elapsed(), Duration::from_millis(5_000 + 7_500));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_stays_busy_makes_its_message_come_again() {
    let mut toolkit = MockAuroraToolkit::new();
    toolkit.expect_enable_performance_insights().returning(|_, _| Ok(busy()));
    let began = Instant::now();

    let outcome = handled(&[created("r-1")], &[insights(toolkit)]).await;

    let err = outcome.into_result().unwrap_err();
    let cause = std::error::Error::source(&err).unwrap().to_string();
    assert!(cause.contains("instance `r-1`, which is `creating`"), "{cause}");
    assert!(began.elapsed() < Duration::from_secs(880), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_first_database_that_knows_an_instance_switches_insights_on() {
    let unknown = answers(vec![PerformanceInsights::NotOurs("it does not exist".to_owned())]);
    let knows = answers(vec![PerformanceInsights::AlreadyOn("r-1".to_owned())]);
    let mut too_much = MockAuroraToolkit::new();
    too_much.expect_enable_performance_insights().never();
    let databases = [insights(unknown), insights(knows), insights(too_much)];

    let outcome = handled(&[created("r-1")], &databases).await;

    assert!(outcome.done.is_empty() && outcome.failures.is_empty(), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_fails_leaves_an_instance_to_the_next() {
    let mut denies = MockAuroraToolkit::new();
    denies.expect_enable_performance_insights().returning(|_, _| Err(denied()));
    let enabled = answers(vec![PerformanceInsights::Enabled("r-1".to_owned())]);

    let outcome = handled(&[created("r-1")], &[insights(denies), insights(enabled)]).await;

    assert_eq!((outcome.done.len(), outcome.failures.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_aws_started_is_told_of_and_no_toolkit_is_asked() {
    let clusters = Hears::default();
    let databases = [insights(MockAuroraToolkit::new()), tagging(MockAuroraToolkit::new())];
    let messages = [started("orders-a")];

    let outcome = handle(&messages, &databases, &clusters, &invocation(QUARTER_HOUR)).await;

    assert_eq!(*clusters.heard.lock().unwrap(), ["orders-a"]);
    assert_eq!(outcome.done, ["told of cluster `orders-a`, which AWS started"]);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_nobody_could_look_at_is_told_of_again() {
    for (transient, again) in [(true, true), (false, false)] {
        let clusters = Hears { fails: Some(("orders-a", transient)), ..Hears::default() };
        let messages = [started("orders-a"), started("orders-b")];

        let outcome = handle(&messages, &[], &clusters, &invocation(QUARTER_HOUR)).await;

        assert_eq!(outcome.done, ["told of cluster `orders-b`, which AWS started"]);
        assert_eq!(outcome.into_result().is_err(), again);
    }
}

#[tokio::test(start_paused = true)]
async fn the_plain_text_with_which_a_subscription_begins_is_passed_over() {
    let mut toolkit = MockAuroraToolkit::new();
    let why = || "the message is not an RDS event".to_owned();
    toolkit.expect_apply_tags().times(1).returning(move |_| Ok(Tagging::NotOurs(why())));
    let plain = "This is a message to notify that RDS will attempt to send you event notifications";

    let outcome = handled(&[message(plain)], &[tagging(toolkit)]).await;

    assert!(outcome.done.is_empty() && outcome.failures.is_empty(), "{outcome:?}");
}
