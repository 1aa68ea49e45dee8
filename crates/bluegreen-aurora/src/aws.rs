//! [`AwsAuroraToolkit`], RDS, Application Auto Scaling and CloudWatch behind the trait.

mod cluster;
mod deletion;
mod events;
#[cfg(test)]
mod fixture;
mod metrics;
mod running;
mod scaling;

use std::time::SystemTime;

use async_trait::async_trait;
use aws_types::SdkConfig;
use bluegreen_core::{Change, Error, LazyClient, Result, StackReference, ensure_valid};

use crate::{
    AuroraConfig, AuroraToolkit, Cluster, ClusterState, Connections, Deletion, FinalSnapshot,
    PerformanceInsights, PerformanceInsightsOptions, Scaled, SnsRecord, Suspended, Tagging,
};

/// Answers [`AuroraToolkit`] from RDS, Application Auto Scaling and CloudWatch.
#[derive(Clone, Debug)]
pub struct AwsAuroraToolkit {
    rds: LazyClient<aws_sdk_rds::Client>,
    autoscaling: LazyClient<aws_sdk_applicationautoscaling::Client>,
    cloudwatch: LazyClient<aws_sdk_cloudwatch::Client>,
    config: AuroraConfig,
}

impl AwsAuroraToolkit {
    /// Makes a toolkit for the account and Region that `sdk` points at.
    ///
    /// # Errors
    ///
    /// `Configuration` with everything that is wrong with `config`; nothing has been sent then.
    pub fn new(sdk: &SdkConfig, config: AuroraConfig) -> Result<Self> {
        Self::from_clients(
            LazyClient::new(sdk, aws_sdk_rds::Client::new),
            LazyClient::new(sdk, aws_sdk_applicationautoscaling::Client::new),
            LazyClient::new(sdk, aws_sdk_cloudwatch::Client::new),
            config,
        )
    }

    /// Makes a toolkit over clients that the caller has built.
    ///
    /// # Errors
    ///
    /// Like [`new`](Self::new).
    pub fn from_clients(
        rds: impl Into<LazyClient<aws_sdk_rds::Client>>,
        application_autoscaling: impl Into<LazyClient<aws_sdk_applicationautoscaling::Client>>,
        cloudwatch: impl Into<LazyClient<aws_sdk_cloudwatch::Client>>,
        config: AuroraConfig,
    ) -> Result<Self> {
        ensure_valid(&config)?;
        Ok(Self {
            rds: rds.into(),
            autoscaling: application_autoscaling.into(),
            cloudwatch: cloudwatch.into(),
            config,
        })
    }

    fn name(&self, stack: StackReference) -> &str {
        self.config.clusters.of(stack)
    }
}

#[async_trait]
impl AuroraToolkit for AwsAuroraToolkit {
    async fn cluster_state(&self, stack: StackReference) -> Result<ClusterState> {
        cluster::state(&self.describe_cluster(self.name(stack)).await?)
    }

    async fn cluster(&self, stack: StackReference) -> Result<Cluster> {
        self.whole_cluster(self.name(stack)).await
    }

    async fn reader_count(&self, stack: StackReference) -> Result<u32> {
        self.count_readers(self.name(stack)).await
    }

    async fn connections(
        &self,
        stack: StackReference,
        now: SystemTime,
    ) -> Result<Option<Connections>> {
        self.count_connections(self.name(stack), now).await
    }

    async fn scale_out(&self, stack: StackReference, readers: u32) -> Result<Scaled> {
        self.raise_minimum(self.name(stack), readers).await
    }

    async fn scale_in(&self, stack: StackReference, readers: Option<u32>) -> Result<Scaled> {
        self.restore_minimum(self.name(stack), readers.unwrap_or(self.config.minimum_readers)).await
    }

    async fn resume_scaling(&self, stack: StackReference, before: Suspended) -> Result<Change> {
        self.resume(self.name(stack), before).await
    }

    async fn start_database(&self, stack: StackReference) -> Result<Change> {
        self.start(self.name(stack)).await
    }

    async fn stop_database(&self, stack: StackReference) -> Result<Change> {
        self.stop(self.name(stack)).await
    }

    async fn delete_database(
        &self,
        stack: StackReference,
        snapshot: FinalSnapshot,
    ) -> Result<Deletion> {
        self.delete(self.name(stack), &snapshot).await
    }

    async fn apply_tags(&self, record: &SnsRecord) -> Result<Tagging> {
        self.tag(record).await
    }

    async fn enable_performance_insights(
        &self,
        record: &SnsRecord,
        options: PerformanceInsightsOptions,
    ) -> Result<PerformanceInsights> {
        self.switch_insights_on(record, options).await
    }
}

fn cluster_named(name: &str) -> String {
    format!("cluster `{name}`")
}

fn not_found(name: &str) -> Error {
    Error::NotFound { resource: cluster_named(name) }
}

/// Makes the fragment of a message of AWS's, which is a sentence.
fn fragment(message: Option<&str>) -> String {
    let text = message.unwrap_or_default().trim().trim_end_matches('.');
    if text.is_empty() { "AWS gave no reason".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_sdk_rds::config::{BehaviorVersion, Region};
    use bluegreen_core::Pair;

    use super::*;
    use crate::MockAuroraToolkit;

    #[test]
    fn an_empty_name_is_refused_before_any_call() {
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .build();
        let mut config = fixture::config();
        assert!(AwsAuroraToolkit::new(&sdk, config.clone()).is_ok());
        config.clusters = Pair { a: "orders-a".to_owned(), b: String::new() };

        let err = AwsAuroraToolkit::new(&sdk, config).unwrap_err();

        assert!(
            matches!(&err, Error::Configuration { problems } if problems[0].key == "clusters.b")
        );
    }

    #[tokio::test]
    async fn the_toolkit_and_its_mock_are_used_behind_one_pointer() {
        let rule = fixture::looks_at(fixture::cluster("orders-b", "stopped").build());
        let mut mock = MockAuroraToolkit::new();
        mock.expect_cluster_state().returning(|_| Ok(ClusterState::Stopped));
        let toolkits: [Arc<dyn AuroraToolkit>; 2] =
            [Arc::new(fixture::toolkit(&[&rule], &[])), Arc::new(mock)];

        for toolkit in toolkits {
            let state = toolkit.cluster_state(StackReference::B).await.unwrap();
            assert_eq!(state, ClusterState::Stopped);
        }
    }
}
