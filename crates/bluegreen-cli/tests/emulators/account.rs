//! [`Account`], the emulated account with a client for each service.

use aws_config::{BehaviorVersion, SdkConfig};

/// The number of the account: both emulators take the access key id for it.
pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "eu-west-1";

/// The emulated account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) sdk: SdkConfig,
    pub(crate) alarms: aws_sdk_cloudwatch::Client,
    pub(crate) clusters: aws_sdk_rds::Client,
    pub(crate) functions: aws_sdk_lambda::Client,
    pub(crate) queues: aws_sdk_sqs::Client,
    pub(crate) rules: aws_sdk_eventbridge::Client,
    pub(crate) scaling: aws_sdk_applicationautoscaling::Client,
    pub(crate) services: aws_sdk_ecs::Client,
    pub(crate) streams: aws_sdk_kinesis::Client,
    pub(crate) tables: aws_sdk_dynamodb::Client,
    pub(crate) topics: aws_sdk_sns::Client,
}

impl Account {
    /// Makes the clients. Nothing is ever sent elsewhere than to this machine.
    pub(crate) async fn new() -> Self {
        let sdk = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
        let here = sdk.endpoint_url().is_some_and(|it| it.starts_with("http://127.0.0.1:"));
        assert!(here, "AWS_ENDPOINT_URL does not name an emulator: run `cargo xtask test`");
        Self {
            alarms: aws_sdk_cloudwatch::Client::new(&sdk),
            clusters: aws_sdk_rds::Client::new(&sdk),
            functions: aws_sdk_lambda::Client::new(&sdk),
            queues: aws_sdk_sqs::Client::new(&sdk),
            rules: aws_sdk_eventbridge::Client::new(&sdk),
            scaling: aws_sdk_applicationautoscaling::Client::new(&sdk),
            services: aws_sdk_ecs::Client::new(&sdk),
            streams: aws_sdk_kinesis::Client::new(&sdk),
            tables: aws_sdk_dynamodb::Client::new(&sdk),
            topics: aws_sdk_sns::Client::new(&sdk),
            sdk,
        }
    }
}

/// Returns a name that no other test has, nor another run against the same emulators.
pub(crate) fn unique(test: &str) -> String {
    format!("{test}-{}", std::process::id())
}

/// Returns the ARN of `resource` of `service`.
pub(crate) fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}
