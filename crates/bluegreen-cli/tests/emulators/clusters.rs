//! [`AuroraToolkit`] against an emulator.

use bluegreen_aurora::{
    AuroraConfig, AuroraToolkit, AwsAuroraToolkit, ClusterState, Deletion, FinalSnapshot,
    PerformanceInsights, PerformanceInsightsOptions, ReaderScaling, SnsNotification, SnsRecord,
    Suspended, Tagging,
};
use bluegreen_core::{
    Change, Error, Pair,
    StackReference::{A, B},
};

use crate::account::{Account, arn, unique};

/// Returns the toolkit of two clusters that are not there yet.
async fn toolkit(test: &str) -> (Account, AwsAuroraToolkit, Pair<String>) {
    let account = Account::new().await;
    let name = unique(test);
    let clusters = Pair { a: format!("{name}-a"), b: format!("{name}-b") };
    let config = AuroraConfig {
        clusters: clusters.clone(),
        minimum_readers: 1,
        namespace: None,
        tags: [("team".to_owned(), "shop".to_owned())].into(),
    };
    let toolkit = AwsAuroraToolkit::new(&account.sdk, config).unwrap();
    (account, toolkit, clusters)
}

fn event(instance: &str, id: &str, text: &str) -> SnsRecord {
    let message = serde_json::json!({
        "Event Source": "db-instance",
        "Source ID": instance,
        "Event ID": format!("http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#{id}"),
        "Event Message": text,
    });
    SnsRecord { sns: SnsNotification { message: message.to_string() } }
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_cluster_is_seen_with_its_members_and_its_scaling() {
    let (account, aurora, clusters) = toolkit("cluster-seen").await;
    account.create_cluster(&clusters.a).await;

    let cluster = aurora.cluster(A).await.unwrap();

    assert_eq!((cluster.name.as_str(), &cluster.state), (&*clusters.a, &ClusterState::Available));
    assert_eq!(cluster.arn, arn("rds", &format!("cluster:{}", clusters.a)));
    assert_eq!(cluster.members.iter().filter(|it| it.is_writer).count(), 1);
    assert_eq!((cluster.members.len(), cluster.available_readers()), (3, 2));
    assert_eq!(
        cluster.scaling,
        Some(ReaderScaling { minimum: 1, maximum: 4, suspended: Suspended::default() })
    );
    assert!(!cluster.deletion_protection && cluster.cannot_stop.is_none());
    assert_eq!(aurora.reader_count(A).await.unwrap(), 2);
    assert_eq!(aurora.cluster_state(A).await.unwrap(), ClusterState::Available);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_missing_cluster_is_named() {
    let (_account, aurora, clusters) = toolkit("cluster-missing").await;

    let err = aurora.cluster_state(B).await.unwrap_err();

    assert!(
        matches!(&err, Error::NotFound { resource } if resource.contains(&clusters.b)),
        "{err}"
    );
    assert!(aurora.cluster(B).await.unwrap_err().is_absent());
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_cluster_is_stopped_and_started_as_often_as_one_likes() {
    let (account, aurora, clusters) = toolkit("cluster-stop").await;
    account.create_cluster(&clusters.a).await;

    let stopped = [aurora.stop_database(A).await.unwrap(), aurora.stop_database(A).await.unwrap()];
    let state = aurora.cluster_state(A).await.unwrap();
    let started =
        [aurora.start_database(A).await.unwrap(), aurora.start_database(A).await.unwrap()];

    assert_eq!(stopped, [Change::Made, Change::AlreadySo]);
    assert_eq!(state, ClusterState::Stopped);
    assert_eq!(started, [Change::Made, Change::AlreadySo]);
    assert_eq!(aurora.cluster_state(A).await.unwrap(), ClusterState::Available);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn the_least_number_of_readers_is_raised_up_to_the_maximum_and_lowered_again() {
    let (account, aurora, clusters) = toolkit("cluster-scale").await;
    account.create_cluster(&clusters.a).await;
    let scaling = async || aurora.cluster(A).await.unwrap().scaling.unwrap();

    let raised = aurora.scale_out(A, 3).await.unwrap();
    let seen = scaling().await;
    let held = aurora.scale_out(A, 9).await.unwrap();
    let lowered = aurora.scale_in(A, None).await.unwrap();

    assert_eq!((raised.minimum, raised.was_held()), (3, false));
    assert_eq!(seen, ReaderScaling { minimum: 3, maximum: 4, suspended: Suspended::default() });
    assert_eq!((held.minimum, held.was_held()), (4, true));
    assert_eq!(lowered.minimum, 1);
    assert_eq!(
        scaling().await,
        ReaderScaling { minimum: 1, maximum: 4, suspended: Suspended::default() }
    );
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_cluster_is_deleted_round_by_round_with_a_snapshot_and_again() {
    let (account, aurora, clusters) = toolkit("cluster-delete").await;
    account.create_cluster(&clusters.a).await;
    let snapshot = FinalSnapshot::Named(format!("{}-final", clusters.a));

    let mut rounds = 0;
    while let Deletion::Remaining(what) = aurora.delete_database(A, snapshot.clone()).await.unwrap()
    {
        rounds += 1;
        assert!(rounds < 10, "still {what}");
    }
    let again = aurora.delete_database(A, snapshot).await.unwrap();

    assert!(rounds >= 2, "{rounds} rounds");
    assert_eq!(again, Deletion::Gone);
    assert_eq!(account.cluster(&clusters.a).await, "missing");
    let snapshots = account.clusters.describe_db_cluster_snapshots();
    let snapshots = snapshots.db_cluster_snapshot_identifier(format!("{}-final", clusters.a));
    assert_eq!(snapshots.send().await.unwrap().db_cluster_snapshots().len(), 1);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_protected_cluster_keeps_all_its_instances() {
    let (account, aurora, clusters) = toolkit("cluster-protected").await;
    account.create_cluster(&clusters.a).await;
    let protect = account.clusters.modify_db_cluster().db_cluster_identifier(&clusters.a);
    protect.deletion_protection(true).send().await.unwrap();

    let err = aurora.delete_database(A, FinalSnapshot::Skip).await.unwrap_err();

    assert!(matches!(err, Error::WrongState { .. }), "{err}");
    assert_eq!(aurora.cluster(A).await.unwrap().members.len(), 3);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_reader_that_autoscaling_made_is_tagged_and_no_other() {
    let (account, aurora, clusters) = toolkit("cluster-tags").await;
    account.create_empty_cluster(&clusters.a).await;
    let own = format!("{}-scaled", clusters.a);
    let mark = format!("cluster:{}", clusters.a);
    let marks = [("application-autoscaling:resourceId", mark.as_str())];
    account.create_instance(&clusters.a, &own, &marks).await;
    let by_hand = format!("{}-by-hand", clusters.a);
    account.create_instance(&clusters.a, &by_hand, &[]).await;
    let created = |instance| event(instance, "RDS-EVENT-0005", "DB instance created");

    let tagged = aurora.apply_tags(&created(&own)).await.unwrap();
    let left = aurora.apply_tags(&created(&by_hand)).await.unwrap();

    assert!(matches!(tagged, Tagging::Tagged { instance, .. } if instance == own));
    assert!(matches!(left, Tagging::NotOurs(_)), "{left:?}");
    let tags = account.clusters.list_tags_for_resource();
    let tags = tags.resource_name(arn("rds", &format!("db:{own}"))).send().await.unwrap();
    let tags: Vec<_> = tags.tag_list().iter().map(|it| (it.key(), it.value())).collect();
    assert!(tags.contains(&(Some("team"), Some("shop"))), "{tags:?}");
    assert!(tags.contains(&(Some("Role"), Some("Reader"))), "{tags:?}");
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn performance_insights_are_switched_on_for_a_new_instance() {
    let (account, aurora, clusters) = toolkit("cluster-insights").await;
    account.create_empty_cluster(&clusters.a).await;
    let instance = format!("{}-0", clusters.a);
    account.create_instance(&clusters.a, &instance, &[]).await;

    let record = event(&instance, "RDS-EVENT-0005", "DB instance created");
    let answer =
        aurora.enable_performance_insights(&record, PerformanceInsightsOptions::default()).await;

    assert_eq!(answer.unwrap(), PerformanceInsights::Enabled(instance));
}
