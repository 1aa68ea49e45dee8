//! Handing work over to another invocation of the same function: [`Successor`].

use std::fmt;

use async_trait::async_trait;
use aws_sdk_lambda::{Client, primitives::Blob, types::InvocationType};
use aws_types::SdkConfig;
use bluegreen_core::{Error, LazyClient, Result};
use serde_json::json;

use crate::event::HandOver;

/// How many times a hook is handed over at most. With Lambda's 15 minutes each that is more than the hour that
/// CodeDeploy waits, and less than the 16 at which Lambda takes it for a loop.
pub const MOST_HAND_OVERS: u32 = 5;

const INVOKE: &str = "lambda:InvokeFunction";

/// Starts another invocation of the function, which goes on with the work of this one.
#[async_trait]
pub trait Successor: fmt::Debug + Send + Sync {
    /// Starts one, and does not wait for it. `function` is the ARN by which this one was called.
    ///
    /// Calls `lambda:InvokeFunction`, asynchronously.
    async fn start(&self, function: &str, work: &HandOver) -> Result<()>;

    /// Asks whether one could be started, and starts none.
    ///
    /// Calls `lambda:InvokeFunction` as a dry run.
    async fn could_start(&self, function: &str) -> Result<()>;
}

/// Starts it by Lambda's API.
#[derive(Clone, Debug)]
pub struct AwsSuccessor {
    client: LazyClient<Client>,
}

impl AwsSuccessor {
    /// Makes one for the account and Region that `sdk` points at.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self { client: LazyClient::new(sdk, Client::new) }
    }

    async fn invoke(&self, function: &str, kind: InvocationType, payload: String) -> Result<()> {
        let request = self.client.invoke().function_name(function).invocation_type(kind);
        let answer = request.payload(Blob::new(payload)).send().await;
        answer.map(|_| ()).map_err(|err| Error::aws(INVOKE, err))
    }
}

#[async_trait]
impl Successor for AwsSuccessor {
    async fn start(&self, function: &str, work: &HandOver) -> Result<()> {
        let payload = json!({ "bluegreen": { "hand-over": work } }).to_string();
        self.invoke(function, InvocationType::Event, payload).await
    }

    async fn could_start(&self, function: &str) -> Result<()> {
        self.invoke(function, InvocationType::DryRun, "{}".to_owned()).await
    }
}
