//! Tests of what is done about RDS events.

use std::time::Duration;

use aws_sdk_rds::{
    Client,
    operation::{
        add_tags_to_resource::AddTagsToResourceOutput, modify_db_instance::ModifyDbInstanceOutput,
    },
    types::builders::DbInstanceBuilder,
};
use aws_smithy_mocks::{Rule, mock};
use bluegreen_core::wait::{self, Look, Pace};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    AuroraConfig, AuroraToolkit, SnsNotification,
    aws::fixture::{
        cluster, config, instance, instances, looks_at, refused, toolkit, toolkit_with,
    },
};

const READER: &str = "application-autoscaling-1";
const READER_ARN: &str = "arn:aws-cn:rds:cn-north-1:123456789012:db:application-autoscaling-1";
const AGAIN: PerformanceInsightsOptions = PerformanceInsightsOptions { again_if_disabled: true };

fn record(message: &Value) -> SnsRecord {
    SnsRecord { sns: SnsNotification { message: message.to_string() } }
}

fn created() -> SnsRecord {
    record(&json!({
        "Event Source": "db-instance",
        "Source ID": READER,
        "Event ID": "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.html#RDS-EVENT-0005",
        "Event Message": "DB instance created",
    }))
}

fn disabled() -> SnsRecord {
    record(&json!({
        "Event Source": "db-instance",
        "Source ID": READER,
        "Event Message": "Performance Insights has been disabled",
    }))
}

fn plain_text() -> SnsRecord {
    let message =
        "This is a message to notify that RDS will attempt to send you event notifications";
    SnsRecord { sns: SnsNotification { message: message.to_owned() } }
}

fn reader(made_for: &str) -> DbInstanceBuilder {
    instance(READER, "orders-b", "available")
        .performance_insights_enabled(false)
        .tag_list(Tag::builder().key(MADE_FOR).value(format!("cluster:{made_for}")).build())
}

/// Answers whoever asks for exactly the reader.
fn looks_at_reader(reader: DbInstance) -> Rule {
    mock!(Client::describe_db_instances)
        .match_requests(|it| it.db_instance_identifier() == Some(READER))
        .then_output(move || instances(vec![reader.clone()]))
}

/// Takes exactly these tags for the reader.
fn takes_tags(tags: &'static [(&'static str, &'static str)]) -> Rule {
    mock!(Client::add_tags_to_resource)
        .match_requests(move |it| {
            let sent = it.tags().iter().map(|it| (it.key(), it.value()));
            it.resource_name() == Some(READER_ARN)
                && sent.eq(tags.iter().map(|it| (Some(it.0), Some(it.1))))
        })
        .then_output(|| AddTagsToResourceOutput::builder().build())
}

fn switches_on() -> Rule {
    mock!(Client::modify_db_instance)
        .match_requests(|it| {
            it.db_instance_identifier() == Some(READER)
                && it.enable_performance_insights() == Some(true)
                && it.apply_immediately().is_none()
                && it.performance_insights_retention_period().is_none()
        })
        .then_output(|| ModifyDbInstanceOutput::builder().build())
}

fn tagged() -> AuroraConfig {
    AuroraConfig { tags: [("foo".to_owned(), "bar".to_owned())].into(), ..config() }
}

#[track_caller]
fn assert_not_ours(tagging: Tagging, why: &str) {
    let Tagging::NotOurs(reason) = &tagging else { panic!("{tagging:?}") };
    assert!(reason.contains(why), "{reason}");
}

#[tokio::test]
async fn a_new_reader_gets_the_configured_tags_and_its_role_last() {
    let look = looks_at_reader(reader("orders-b").build());
    let tag = takes_tags(&[("foo", "bar"), ("Role", "Reader")]);

    let tagging = toolkit_with(tagged(), &[&look, &tag], &[]).apply_tags(&created()).await.unwrap();

    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let tags = vec![pair("foo", "bar"), pair("Role", "Reader")];
    assert_eq!(tagging, Tagging::Tagged { instance: READER.to_owned(), tags });
    assert_eq!((look.num_calls(), tag.num_calls()), (1, 1));
}

#[tokio::test]
async fn without_configured_tags_a_reader_gets_those_of_its_cluster_in_their_order() {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let look = looks_at_reader(reader("orders-b").build());
    let cluster = looks_at(
        cluster("orders-b", "available")
            .tag_list(tag("team", "shop"))
            .tag_list(tag("Name", "orders"))
            .tag_list(tag("cost-centre", "7"))
            .tag_list(tag("env", "dev"))
            .tag_list(tag("b", "a"))
            .build(),
    );
    let add = takes_tags(&[
        ("team", "shop"),
        ("Name", "orders"),
        ("cost-centre", "7"),
        ("env", "dev"),
        ("b", "a"),
        ("Role", "Reader"),
    ]);

    toolkit(&[&look, &cluster, &add], &[]).apply_tags(&created()).await.unwrap();

    assert_eq!((look.num_calls(), cluster.num_calls(), add.num_calls()), (1, 1, 1));
}

#[tokio::test]
async fn reserved_tags_are_not_copied_empty_ones_are_and_another_role_is_replaced() {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let look = looks_at_reader(reader("orders-b").build());
    let cluster = looks_at(
        cluster("orders-b", "available")
            .tag_list(tag("aws:cloudformation:stack-name", "shop"))
            .tag_list(tag("Role", "Cluster"))
            .tag_list(tag("note", ""))
            .tag_list(Tag::builder().key("bare").build())
            .tag_list(tag("awsome", "yes"))
            .build(),
    );
    let add = takes_tags(&[("note", ""), ("bare", ""), ("awsome", "yes"), ("Role", "Reader")]);

    toolkit(&[&look, &cluster, &add], &[]).apply_tags(&created()).await.unwrap();

    assert_eq!(add.num_calls(), 1);
}

#[tokio::test]
async fn a_reader_is_ours_only_by_the_exact_name_of_its_cluster() {
    let config = |namespace: Option<&str>| AuroraConfig {
        namespace: namespace.map(str::to_owned),
        ..tagged()
    };
    for (namespace, made_for, ours) in [
        (None, "orders-a", true),
        (None, "orders-b", true),
        (None, "ORDERS-B", true),
        (None, "my-orders-b", false),
        (None, "orders-b-2", false),
        (None, "orders", false),
        (Some("fn"), "orders-a", true),
        (Some("fn"), "fn-db", true),
        (Some("fn"), "fn", false),
        (Some("fn"), "fn2-db", false),
        (Some("fn"), "other-fn2-cluster", false),
        (Some("fn"), "other-fn-cluster", false),
        (Some("*"), "anything", true),
    ] {
        let look = looks_at_reader(reader(made_for).build());
        let tag = takes_tags(&[("foo", "bar"), ("Role", "Reader")]);

        let aurora = toolkit_with(config(namespace), &[&look, &tag], &[]);
        let tagging = aurora.apply_tags(&created()).await.unwrap();

        assert_eq!(matches!(tagging, Tagging::Tagged { .. }), ours, "{namespace:?} {made_for}");
        assert_eq!(tag.num_calls(), usize::from(ours));
    }
}

#[tokio::test]
async fn an_instance_that_autoscaling_did_not_make_is_not_ours() {
    let config = AuroraConfig { namespace: Some("*".to_owned()), ..tagged() };
    let by_hand = looks_at_reader(instance(READER, "orders-b", "available").build());
    let of_a_service = looks_at_reader(
        instance(READER, "orders-b", "available")
            .tag_list(Tag::builder().key(MADE_FOR).value("service/orders-b").build())
            .build(),
    );

    for look in [by_hand, of_a_service] {
        let aurora = toolkit_with(config.clone(), &[&look], &[]);
        assert_not_ours(aurora.apply_tags(&created()).await.unwrap(), "not made by autoscaling");
    }
}

#[tokio::test]
async fn other_events_make_no_call() {
    let deleted = record(&json!({
        "Source ID": READER,
        "Event ID": "http://docs.aws.amazon.com/x.html#RDS-EVENT-0003",
        "Event Message": "DB instance created",
    }));
    let aurora = toolkit(&[], &[]);

    assert_not_ours(aurora.apply_tags(&deleted).await.unwrap(), "is another one");
    assert_not_ours(aurora.apply_tags(&disabled()).await.unwrap(), "is another one");
    let insights = aurora.enable_performance_insights(&deleted, AGAIN).await.unwrap();
    assert!(matches!(insights, PerformanceInsights::NotOurs(_)));
}

#[tokio::test]
async fn a_message_that_is_plain_text_is_nobodys() {
    let aurora = toolkit(&[], &[]);

    let tagging = aurora.apply_tags(&plain_text()).await.unwrap();
    let insights = aurora.enable_performance_insights(&plain_text(), AGAIN).await.unwrap();

    assert_not_ours(tagging, "not an RDS event");
    assert!(matches!(insights, PerformanceInsights::NotOurs(_)));
}

#[tokio::test]
async fn an_instance_that_is_not_in_the_answer_is_never_touched() {
    let missing = mock!(Client::describe_db_instances)
        .then_http_response(|| refused("DBInstanceNotFound", "not found"));
    let none = mock!(Client::describe_db_instances).then_output(|| instances(Vec::new()));
    let other = mock!(Client::describe_db_instances)
        .then_output(|| instances(vec![instance("another", "orders-b", "available").build()]));

    for look in [missing, none, other] {
        let aurora = toolkit(&[&look], &[]);

        let tagging = aurora.apply_tags(&created()).await.unwrap();
        let insights = aurora.enable_performance_insights(&created(), AGAIN).await.unwrap();

        assert_not_ours(tagging, "does not exist");
        assert!(matches!(insights, PerformanceInsights::NotOurs(_)));
    }
}

#[tokio::test]
async fn instances_of_other_engines_are_not_ours() {
    let look = looks_at_reader(reader("orders-b").engine("neptune").build());
    let aurora = toolkit(&[&look], &[]);

    let tagging = aurora.apply_tags(&created()).await.unwrap();
    let insights = aurora.enable_performance_insights(&created(), AGAIN).await.unwrap();

    assert_not_ours(tagging, "one of `neptune`");
    assert!(matches!(insights, PerformanceInsights::NotOurs(_)));
}

#[tokio::test]
async fn an_instance_that_cannot_be_tagged_yet_is_worth_another_try() {
    for (code, transient) in [
        ("InvalidDBInstanceState", true),
        ("InvalidDBClusterStateFault", true),
        ("DBInstanceNotFound", false),
        ("InvalidParameterValue", false),
    ] {
        let look = looks_at_reader(reader("orders-b").build());
        let tag = mock!(Client::add_tags_to_resource).then_http_response(move || refused(code, ""));
        let aurora = toolkit_with(tagged(), &[&look, &tag], &[]);

        let err = aurora.apply_tags(&created()).await.unwrap_err();

        assert_eq!(err.is_transient(), transient, "{code}: {err}");
        assert_eq!(err.is_absent(), code == "DBInstanceNotFound");
    }
}

#[tokio::test]
async fn an_instance_without_what_matters_is_incomplete() {
    let tags = [
        reader("orders-b").set_engine(None),
        reader("orders-b").set_db_instance_arn(None),
        reader("orders-b").set_db_cluster_identifier(None),
    ];
    for case in tags {
        let look = looks_at_reader(case.build());
        let err = toolkit(&[&look], &[]).apply_tags(&created()).await.unwrap_err();
        assert!(matches!(err, Error::Incomplete { .. }), "{err}");
    }
    let look = looks_at_reader(reader("orders-b").set_db_instance_status(None).build());
    let aurora = toolkit(&[&look], &[]);
    let err = aurora.enable_performance_insights(&created(), AGAIN).await.unwrap_err();
    assert!(matches!(err, Error::Incomplete { .. }), "{err}");
}

#[tokio::test]
async fn insights_are_switched_on_for_a_new_instance() {
    let look = looks_at_reader(reader("orders-b").build());
    let modify = switches_on();
    let aurora = toolkit(&[&look, &modify], &[]);

    let insights = aurora.enable_performance_insights(&created(), AGAIN).await.unwrap();

    assert_eq!(insights, PerformanceInsights::Enabled(READER.to_owned()));
    assert_eq!((look.num_calls(), modify.num_calls()), (1, 1));
}

#[tokio::test]
async fn insights_that_somebody_switched_off_are_switched_on_again_if_wanted() {
    let look = looks_at_reader(reader("orders-b").build());
    let modify = switches_on();
    let aurora = toolkit(&[&look, &modify], &[]);
    let options = PerformanceInsightsOptions::default();

    let insights = aurora.enable_performance_insights(&disabled(), options).await.unwrap();

    assert_eq!(insights, PerformanceInsights::Enabled(READER.to_owned()));
    assert_eq!(modify.num_calls(), 1);
}

#[tokio::test]
async fn insights_that_are_to_stay_off_make_no_call() {
    let options = PerformanceInsightsOptions { again_if_disabled: false };

    let insights =
        toolkit(&[], &[]).enable_performance_insights(&disabled(), options).await.unwrap();

    assert!(matches!(insights, PerformanceInsights::NotOurs(_)), "{insights:?}");
}

#[tokio::test]
async fn insights_that_are_on_already_send_no_change() {
    let look = looks_at_reader(reader("orders-b").performance_insights_enabled(true).build());

    let insights =
        toolkit(&[&look], &[]).enable_performance_insights(&created(), AGAIN).await.unwrap();

    assert_eq!(insights, PerformanceInsights::AlreadyOn(READER.to_owned()));
}

#[tokio::test]
async fn insights_of_which_nothing_is_told_are_switched_on() {
    let reader = reader("orders-b").set_performance_insights_enabled(None).build();
    let look = looks_at_reader(reader);
    let modify = switches_on();

    toolkit(&[&look, &modify], &[]).enable_performance_insights(&created(), AGAIN).await.unwrap();

    assert_eq!(modify.num_calls(), 1);
}

#[tokio::test]
async fn an_instance_that_is_not_available_is_busy_and_not_changed() {
    for status in ["creating", "modifying", "backing-up", "a-word-of-next-year"] {
        let look = looks_at_reader(reader("orders-b").db_instance_status(status).build());

        let insights =
            toolkit(&[&look], &[]).enable_performance_insights(&created(), AGAIN).await.unwrap();

        let busy =
            PerformanceInsights::Busy { instance: READER.to_owned(), status: status.to_owned() };
        assert_eq!(insights, busy);
    }
}

#[tokio::test]
async fn an_instance_that_is_being_deleted_is_nobodys() {
    let look = looks_at_reader(reader("orders-b").db_instance_status("deleting").build());

    let insights =
        toolkit(&[&look], &[]).enable_performance_insights(&created(), AGAIN).await.unwrap();

    assert!(matches!(insights, PerformanceInsights::NotOurs(_)), "{insights:?}");
}

#[tokio::test]
async fn a_refused_change_is_busy_after_one_try_and_succeeds_when_it_is_repeated() {
    let look = looks_at_reader(reader("orders-b").build());
    let modify = mock!(Client::modify_db_instance)
        .match_requests(|it| {
            it.db_instance_identifier() == Some(READER)
                && it.enable_performance_insights() == Some(true)
        })
        .sequence()
        .http_response(|| refused("InvalidDBInstanceState", "not available"))
        .output(|| ModifyDbInstanceOutput::builder().build())
        .build();
    let aurora = toolkit(&[&look, &modify], &[]);

    let first = aurora.enable_performance_insights(&created(), AGAIN).await.unwrap();
    let tries = modify.num_calls();
    let second = aurora.enable_performance_insights(&created(), AGAIN).await.unwrap();

    assert!(matches!(first, PerformanceInsights::Busy { .. }), "{first:?}");
    assert_eq!((tries, modify.num_calls()), (1, 2));
    assert_eq!(second, PerformanceInsights::Enabled(READER.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn whoever_repeats_a_busy_change_fails_when_the_time_for_it_is_used_up() {
    let look = looks_at_reader(reader("orders-b").build());
    let modify = mock!(Client::modify_db_instance)
        .then_http_response(|| refused("InvalidDBInstanceState", "not available"));
    let aurora = toolkit(&[&look, &modify], &[]);
    let pace = Pace { deadline: Duration::from_secs(300), ..Pace::default() };

    let never = CancellationToken::new();
    let repeated = wait::until(
        "insights of the new reader",
        pace,
        &never,
        |_| {},
        async || {
            Ok(match aurora.enable_performance_insights(&created(), AGAIN).await? {
                PerformanceInsights::Busy { status, .. } => Look::Waiting(format!("`{status}`")),
                done => Look::Ready(done),
            })
        },
    );
    let err = repeated.await.unwrap_err();

    assert!(matches!(err, Error::DeadlinePassed { .. }), "{err}");
    assert!(modify.num_calls() > 5, "it was tried {} times", modify.num_calls());
}

#[tokio::test]
async fn a_change_that_aws_never_takes_is_an_error() {
    let look = looks_at_reader(reader("orders-b").build());
    let modify = mock!(Client::modify_db_instance)
        .then_http_response(|| refused("InvalidParameterCombination", "not for db.t3"));

    let err = toolkit(&[&look, &modify], &[])
        .enable_performance_insights(&created(), AGAIN)
        .await
        .unwrap_err();

    assert!(
        matches!(err, Error::Aws { operation: "rds:ModifyDBInstance", transient: false, .. }),
        "{err}"
    );
}
