//! A hook of your own in a simulated account: `cargo test -p bluegreen-examples --example hook_in_a_simulated_account`
//!
//! The hook starts the standby's cluster and waits until it can be used. Its tests run it against states, delays
//! and lost answers, in an account in this process: the real SDK, virtual time, no credentials.
//!
//! ```toml
//! [dev-dependencies]
//! bluegreen-sim = { version = "0.1", default-features = false }
//! tokio = { version = "1", features = ["macros", "test-util"] }
//! ```
//!
//! Run as a program (`cargo run ..`), it does the same in AWS.
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use aws_config::{BehaviorVersion, SdkConfig};
use bluegreen_aurora::{AuroraConfig, AuroraToolkit, AwsAuroraToolkit, ClusterState};
use bluegreen_core::{
    Pair, StackReference,
    wait::{self, Look, Pace},
};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<()> {
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;

    start_cluster(&sdk, StackReference::B).await?;

    println!("the cluster of stack b can be used");
    Ok(())
}

/// Starts the cluster of a stack, and returns when it and its instances are available.
async fn start_cluster(sdk: &SdkConfig, stack: StackReference) -> bluegreen_core::Result<()> {
    let clusters = Pair::from_fn(|it| format!("orders-{it}"));
    let config =
        AuroraConfig { clusters, minimum_readers: 1, namespace: None, tags: BTreeMap::new() };
    let aurora = AwsAuroraToolkit::new(sdk, config)?;
    let pace = Pace { deadline: Duration::from_secs(45 * 60), ..Pace::default() };
    // Every round begins with a look, so that an answer that was lost is no problem.
    let look = async || {
        let cluster = aurora.cluster(stack).await?;
        let members = cluster.members.iter().all(|it| it.is_available());
        if cluster.state == ClusterState::Available && members {
            return Ok(Look::Ready(()));
        }
        if cluster.state == ClusterState::Stopped {
            aurora.start_database(stack).await?;
        }
        Ok(Look::Waiting(format!("cluster is `{}`", cluster.state)))
    };
    wait::until("the start", pace, &CancellationToken::new(), |_| {}, look).await
}

#[cfg(test)]
mod tests {
    use bluegreen_sim::{Faults, Policy, Range, Settings, SimulatedAccount, Times};

    use super::*;

    const B: StackReference = StackReference::B;

    /// Makes an account whose standby is stopped, and starts within 25 minutes.
    fn account() -> SimulatedAccount {
        let minutes = |it: u64| Duration::from_secs(it * 60);
        let times = Times { cluster_start: Range::exactly(minutes(25)), ..Times::default() };
        let account = SimulatedAccount::new(Settings { seed: 7, times, ..Settings::default() });
        account.world(|world| world.add_cluster("orders-b", 2, "stopped"));
        account
    }

    /// Counts the calls that took effect.
    fn starts(account: &SimulatedAccount) -> usize {
        account.world(|world| {
            let records = world.audit.records().iter();
            records.filter(|it| it.operation == "StartDBCluster" && it.took_effect()).count()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn the_hook_waits_as_long_as_it_takes_and_starts_once() {
        let account = account();

        start_cluster(&account.sdk_config(), B).await.unwrap();

        account.world(|world| {
            assert_eq!(world.rds.cluster("orders-b").unwrap().status(), "available")
        });
        assert!(account.elapsed() >= Duration::from_secs(25 * 60));
        assert_eq!(starts(&account), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_lost_starts_nothing_twice() {
        let account = account();
        let lost = "rds:StartDBCluster: reset-after*2".parse().unwrap();
        account.set_faults(Faults::none().with(lost));

        start_cluster(&account.sdk_config(), B).await.unwrap();

        assert_eq!(starts(&account), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_role_that_may_not_start_clusters_is_told_which_permission_it_lacks() {
        let account = account();
        let looks = r#"["rds:Describe*", "application-autoscaling:Describe*"]"#;
        let policy = format!(
            r#"{{"Statement": {{"Effect": "Allow", "Action": {looks}, "Resource": "*"}}}}"#
        );
        let sdk = account.sdk_config_for("hook", Policy::parse(&policy).unwrap());

        let err = start_cluster(&sdk, B).await.unwrap_err();

        assert!(err.to_string().contains("rds:StartDBCluster"), "{err}");
        assert_eq!(starts(&account), 0);
    }
}
