//! [`EcsToolkit`] against an emulator.

use bluegreen_core::{
    Change, Pair,
    StackReference::{A, B},
};
use bluegreen_ecs::{AwsEcsToolkit, EcsConfig, EcsToolkit, Suspended};

use crate::account::{Account, unique};

async fn toolkit(test: &str) -> (Account, AwsEcsToolkit, String, Pair<String>) {
    let account = Account::new().await;
    let cluster = unique(test);
    let services = Pair { a: format!("{cluster}-a"), b: format!("{cluster}-b") };
    account.create_service_cluster(&cluster).await;
    let config = EcsConfig { cluster: cluster.clone(), services: services.clone() };
    let toolkit = AwsEcsToolkit::new(&account.sdk, config).unwrap();
    (account, toolkit, cluster, services)
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_service_gets_tasks_and_loses_them() {
    let (account, ecs, cluster, services) = toolkit("service-tasks").await;
    account.create_service(&cluster, &services.b, 0).await;

    ecs.enable_service(B, 3).await.unwrap();
    let enabled = ecs.service(B).await.unwrap();
    ecs.disable_service(B).await.unwrap();
    let disabled = ecs.service(B).await.unwrap();

    assert_eq!((enabled.desired, enabled.running), (3, 3));
    assert!(enabled.steady && !enabled.is_daemon && enabled.scaling.is_none());
    assert_eq!((disabled.desired, disabled.running), (0, 0));
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn scaling_is_suspended_and_comes_back_with_the_flags_it_had() {
    let (account, ecs, cluster, services) = toolkit("service-scaling").await;
    account.create_service(&cluster, &services.a, 2).await;
    account.let_service_scale(&cluster, &services.a, [false, false, true]).await;
    let before = ecs.service(A).await.unwrap().scaling.unwrap();

    let suspended = ecs.suspend_scaling(A).await.unwrap();
    let meanwhile = ecs.service(A).await.unwrap().scaling.unwrap();
    let again = ecs.suspend_scaling(A).await.unwrap();
    ecs.resume_scaling(A, before.suspended).await.unwrap();

    assert_eq!(before.suspended, Suspended { scheduled: true, ..Suspended::default() });
    assert_eq!((suspended, again), (Change::Made, Change::AlreadySo));
    assert_eq!(meanwhile.suspended, Suspended::ALL);
    assert_eq!(ecs.service(A).await.unwrap().scaling, Some(before));
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_missing_service_is_missing_though_ecs_answers_200() {
    let (_account, ecs, _cluster, services) = toolkit("service-missing").await;

    let err = ecs.service(A).await.unwrap_err();

    assert!(err.is_absent() && err.to_string().contains(&services.a), "{err}");
}
