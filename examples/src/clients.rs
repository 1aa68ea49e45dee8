//! One client for each service that the shop uses.

use anyhow::{Result, ensure};
use aws_config::BehaviorVersion;

/// The clients of the services that the shop uses, all pointed at emulators.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) alarms: aws_sdk_cloudwatch::Client,
    pub(crate) databases: aws_sdk_rds::Client,
    pub(crate) functions: aws_sdk_lambda::Client,
    pub(crate) queues: aws_sdk_sqs::Client,
    pub(crate) rules: aws_sdk_eventbridge::Client,
    pub(crate) scaling: aws_sdk_applicationautoscaling::Client,
    pub(crate) services: aws_sdk_ecs::Client,
    pub(crate) streams: aws_sdk_kinesis::Client,
    pub(crate) tables: aws_sdk_dynamodb::Client,
    pub(crate) topics: aws_sdk_sns::Client,
}

impl Clients {
    /// Makes the clients from the environment, as every AWS tool does.
    ///
    /// # Errors
    ///
    /// When the environment does not say that calls go to this machine: nobody wants a shop in
    /// a real account.
    pub(crate) async fn of_emulators() -> Result<Self> {
        let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
        ensure!(
            sdk.endpoint_url().is_some_and(is_this_machine),
            "AWS_ENDPOINT_URL does not name an emulator on this machine; `cargo xtask demo --keep` starts one and prints what to set"
        );
        Ok(Self {
            alarms: aws_sdk_cloudwatch::Client::new(&sdk),
            databases: aws_sdk_rds::Client::new(&sdk),
            functions: aws_sdk_lambda::Client::new(&sdk),
            queues: aws_sdk_sqs::Client::new(&sdk),
            rules: aws_sdk_eventbridge::Client::new(&sdk),
            scaling: aws_sdk_applicationautoscaling::Client::new(&sdk),
            services: aws_sdk_ecs::Client::new(&sdk),
            streams: aws_sdk_kinesis::Client::new(&sdk),
            tables: aws_sdk_dynamodb::Client::new(&sdk),
            topics: aws_sdk_sns::Client::new(&sdk),
        })
    }
}

fn is_this_machine(url: &str) -> bool {
    let authority = url.strip_prefix("http://").unwrap_or_default().split('/').next();
    let host = authority.unwrap_or_default().rsplit_once(':').map_or(authority, |it| Some(it.0));
    matches!(host, Some("127.0.0.1" | "localhost" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_taken_for_emulators() {
        let here = ["http://127.0.0.1:5000", "http://localhost:5000/", "http://[::1]:5000"];
        let elsewhere = [
            "https://rds.eu-west-1.amazonaws.com",
            "http://10.0.0.1:5000",
            "http://127.0.0.1.example:80",
            "http://localhost@shop.example:80",
            "",
        ];

        assert!(here.into_iter().all(is_this_machine));
        assert!(!elsewhere.into_iter().any(is_this_machine));
    }
}
